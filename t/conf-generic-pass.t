# "nginx -t" of calls of a configured provider: above all, no line that is
# forgotten may make answers pass that nobody has verified.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwGeneric qw(gateway keys_made);
use PaygwNginx;
use PaygwPeer ();
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Keys = $Peer->{keys};
keys_made($Keys);
my $Url = 'http://127.0.0.1:1';
my $Tls = 'https://localhost:1';

sub conf {
    my ($channel, $server) = @_;
    my ($name) = $channel =~ /paygw_channel (\w+)/;
    return PaygwNginx->test(http => "    paygw_zone paygw:1m;\n$channel",
                            server => $server
                                // "location /p/ { paygw_pass $name; }");
}

sub of { my ($style, %more) = @_; return gateway($Peer, $style, $Url, %more) }
sub tls { my ($style, %more) = @_; return gateway($Peer, $style, $Tls, %more) }

for my $case ([ 'md5', of('md5') ], [ 'xml', of('xml') ],
              [ 'hmac', of('hmac') ], [ 'ed', of('ed') ],
              [ 'bare', tls('bare') ],
              [ 'a list', tls('hmac', unsigned => q('GET /file*')) ],
              [ 'no signature of ours', of('hmac', request_algorithm => undef,
                    request_signed => undef, request_header => undef) ],
              [ 'a private key', of('ed', request_algorithm => 'ed25519') ])
{
    my ($what, $channel) = @$case;
    like(conf($channel), qr/test is successful/, "right: $what");
}

for my $case (

    # answers

    (map { [ "no $_", of('hmac', $_ => undef),
             qr/"hmac" does not say how answers are verified: add/ ] }
     qw(answer_algorithm answer_signature answer_signed)),
    [ 'nothing of answers', of('hmac', map { ($_ => undef) }
          qw(answer_algorithm answer_key answer_signature answer_signed)),
      qr/does not say how answers are verified/ ],
    [ 'no key', of('hmac', answer_key => undef),
      qr/channel "hmac, answers" needs a "key"/ ],
    [ 'a secret for Ed25519', of('ed', answer_public_key => undef,
                                 answer_key => "file:$Keys/g_hmac.key"),
      qr/"ed, answers" has a "key", and its "algorithm" takes a "public/ ],
    [ 'unsigned, and signed', tls('hmac', answers => 'unsigned'),
      qr/has "answers unsigned", and says how answers are signed/ ],
    [ 'unsigned, and a time', tls('bare', answer_time => 'header(X-Time) s'),
      qr/has "answers unsigned", and says how/ ],
    [ 'unsigned, and a list', tls('bare', unsigned => q('GET /x')),
      qr/has "answers unsigned", and says how/ ],
    [ 'answers signed', of('bare', answers => 'signed'),
      qr/invalid "answers" of channel "bare": "signed", it must be unsigned/ ],
    [ 'unsigned without TLS', of('bare'),
      qr/must be "https:\/\/" for "paygw_pass" in/ ],
    [ 'a list without TLS', of('hmac', unsigned => q('GET /file')),
      qr/must be "https:\/\/" for "paygw_pass" in/ ],
    [ 'TLS that is not verified', tls('bare', proxy_ssl_verify => 'off'),
      qr/"proxy_ssl_verify" of .* cannot be turned off/ ],
    [ 'all unsigned', of('hmac', unsigned => q('*')),
      qr/invalid operation "\*" in channel "hmac", a "\*" must be its last/ ],
    [ 'unbound', of('md5', answer_about => undef),
      qr/would take any signed answer for that to any call: add "answer_a/ ],
    [ 'a time that is not signed', of('ed', answer_time =>
          'header(X-Other) s'), qr/"time" of .* is not part of "signed"/ ],
    [ 'about what is not signed', of('md5', answer_about =>
          'header(X-Order) form(order_no)'),
      qr/"answer_about" of .* is not part of "answer_signed"/ ],
    [ 'about the signature', of('md5', answer_about =>
          'json(/sign) form(order_no)'),
      qr/"answer_about" of .* is not part of "answer_signed"/ ],
    [ 'a required value that is not signed', of('hmac', answer_require =>
          'header(X-Account) 7'), qr/"require" of .* is not part of/ ],
    [ 'a success that is not signed', of('hmac', answer_success =>
          'header(X-Code) 7'), qr/"answer_success" of .* is not part of/ ],
    [ 'a retry that is not signed', of('hmac', answer_retry =>
          'header(X-Code) 7'), qr/"answer_retry" of .* is not part of/ ],
    [ 'the body is not signed', of('hmac', answer_signed =>
          q('join("\n", sent(nonce(uuid)), header(X-Id))')),
      qr/"hmac, answers" sign nothing of the body/ ],
    [ 'one value is', of('hmac', answer_signed =>
          q('join("\n", sent(nonce(uuid)), json(/id))')),
      qr/signed neither as a whole nor by its sorted_params/ ],
    [ 'values are', of('md5', answer_signed =>
          q('concat(sorted_params(json, values), secret)')),
      qr/"md5, answers" sign nothing of the body/ ],
    [ 'two readings', of('hmac', answer_signed =>
          q('concat(header(X-Id), body, sent(nonce(uuid)))')),
      qr/nothing known stands between "header" and "body"/ ],
    [ 'a digest of anybody', of('md5', answer_signed =>
          'sorted_params(json)'), qr/has a digest without secret in "signed"/ ],
    [ 'a certain algorithm', of('hmac', answer_algorithm => 'none'),
      qr/invalid "algorithm" of channel "hmac, answers": "none"/ ],
    [ 'the secret of a request', of('hmac', answer_signed =>
          q('join("\n", sent(secret), body)')),
      qr/the secret of a request cannot stand in sent\(\)/ ],
    [ 'a nonce of an answer', of('hmac', answer_signed =>
          q('join("\n", nonce(32), body)')),
      qr/this is of a request, in an answer put it into sent\(\)/ ],

    # requests

    [ 'a signature of nothing', of('hmac', request_signed => undef),
      qr/has one of "request_algorithm" and "request_signed"/ ],
    [ 'no algorithm', of('hmac', request_algorithm => undef),
      qr/has one of "request_algorithm" and "request_signed"/ ],
    [ 'a signature that stays here', of('hmac', request_header =>
          'X-Nonce nonce(uuid)'), qr/signs its requests and sends no sig/ ],
    [ 'a signature of what', of('hmac', request_algorithm => undef,
                                request_signed => undef),
      qr/sends a signature and does not say of what/ ],
    [ 'no secret', of('hmac', request_key => undef),
      qr/no "request_key" is defined for channel "hmac"/ ],
    [ 'no secret to send', tls('bare', request_key => undef),
      qr/no "request_key" is defined for channel "bare"/ ],
    [ 'no private key', of('ed', request_private_key => undef),
      qr/no "request_private_key" is defined for channel "ed"/ ],
    [ 'a key of another kind', of('ed', request_algorithm => 'rsa_sha256'),
      qr/"request_private_key" of channel "ed" cannot sign, an RSA key/ ],
    [ 'a key for nothing', of('hmac', request_private_key =>
          "$Keys/g_ours.key"), qr/no "request_algorithm" that takes one/ ],
    [ 'a digest of anybody', of('md5', request_signed =>
          q('sorted_params(form, without(sign))')),
      qr/has a digest without secret in "request_signed"/ ],
    [ 'a signature in itself', of('hmac', request_signed =>
          q('concat(body, signature(hex))')),
      qr/"request_signed" of .* holds the signature itself/ ],
    [ 'two kinds of body', of('md5', request_json => 'a now(s)'),
      qr/takes the body of a request for two things/ ],
    [ 'read as another', of('md5', request_require => 'json(/a) 1'),
      qr/reads one text in two ways/ ],
    [ 'a header that is ours', of('hmac', request_pass => 'Content-Length'),
      qr/invalid name "Content-Length" of what is added to requests/ ],
    [ 'a name', of('md5', request_form => q('a&b' now\(s\))),
      qr/invalid name "a&b" of what is added/ ],
    [ 'twice', of('hmac', request_pass => 'x-SIGN'),
      qr/duplicate value "x-SIGN" in channel "hmac"/ ],
    [ 'a secret in a URL', tls('bare', request_query => 'key secret'),
      qr/"request_query" of .* holds the secret, and URLs are written/ ],
    [ 'a secret in clear', of('hmac', request_pass => 'X-Other',
          request_header => [ 'X-Sign signature(hex)', 'X-Key secret' ]),
      qr/must be "https:\/\/" for "paygw_pass" in/ ],
    [ 'a short nonce', of('hmac', request_query => 'n nonce(8)'),
      qr/"uuid", or 16 to 64 letters, is expected/ ],
    [ 'a number elsewhere', of('md5', request_json => 'a now(s) text'),
      qr/invalid "request_json" of .*: "text", it must be a name, an/ ],
    [ 'a status', of('hmac', request_query => 'n status'),
      qr/this is of an answer alone/ ],
    [ 'an operation', of('hmac', operation => 'secret'),
      qr/"operation" of .* holds the secret or the signature/ ],
    [ 'an operation that is any', of('hmac', reads => q('GET /a*/b')),
      qr/invalid operation "GET \/a\*\/b" in channel "hmac"/ ],

    # neither, and only one of both

    [ 'callbacks', "    paygw_channel s { provider generic; "
      . "algorithm hmac(sha256); key file:$Keys/apiv3.key; "
      . 'signature header(X-Sign) hex; signed body; '
      . "replay_id json(/id); ack ok 200; endpoint $Url; }\n",
      qr/channel "s" is for callbacks only: say how requests are signed/ ],
    [ 'calls', of('hmac'), qr/which is for calls only: say how its callbacks/,
      'location /p/ { paygw_notify hmac; return 200; }' ],
) {
    my ($what, $channel, $message, $server) = @$case;
    my $got = conf($channel, $server);
    like($got, $message, "not right: $what");
    like($got, qr/test failed/, "not right: $what: it does not start");
}

# both in one channel, and two of them in one server

like(conf(of('hmac', algorithm => 'hmac(sha256)',
             key => "file:$Keys/g_hmac.key", signature => 'header(X-S) hex',
             signed => 'body', replay_id => 'json(/id)', ack => 'ok 200')
          . of('ed'), 'location /n { paygw_notify hmac; return 200; } '
          . 'location /h/ { paygw_pass hmac; } '
          . 'location /e/ { paygw_pass ed; }'),
     qr/test is successful/, 'calls and callbacks');

done_testing();
