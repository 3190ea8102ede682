# paygw_pass to gateways that are known by configuration alone: what they get,
# and what of their answers comes back.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Digest::MD5 ();
use Digest::SHA ();
use File::Temp ();
use JSON::PP ();

use PaygwGeneric qw(gateway keys_made);
use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwTest ();

my $Peer = PaygwPeer->start;
keys_made($Peer->{keys});
my $Port = $Peer->listen;
my $Url = "http://127.0.0.1:$Port";
my $Json = JSON::PP->new->utf8->canonical;
my ($True, $False) = (JSON::PP::true, JSON::PP::false);
my %Form = ('Content-Type' => 'application/x-www-form-urlencoded');
my %Js = ('Content-Type' => 'application/json');
my %Xml = ('Content-Type' => 'text/xml');

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . join('', map { gateway($Peer, $_, $Url) } qw(md5 xml hmac ed)),
    server => join ' ', map { "location /$_/ { paygw_pass $_ /$_/; }" }
              qw(md5 xml hmac ed));

sub ask {
    my ($method, $uri, $body, %heads) = @_;
    return call($Nginx, $method => $uri, body => $body // '',
                heads => \%heads);
}


# -- sorted parameters and MD5 --

{
    $Peer->plan({ fields => { note => '' } });
    my $res = ask(POST => '/md5/pay', 'order_no=T%2B1&note=a+b&empty=&'
                  . 'sign=MINE&nonce%5Fstr=x&mch_id=M1', %Form);
    my ($r) = $Peer->requests;
    is($r->{check}, 'ok', 'md5: as the gateway wants it') or diag($r->{body});
    like($r->{body}, qr/^order_no=T%2B1&note=a\+b&empty=&mch_id=M1&/,
         "md5: the caller's bytes");
    unlike($r->{body}, qr/MINE|=x&/, 'md5: what is ours is replaced');
    is(join(' ', sort map { lc $_->[0] } @{ $r->{heads} }),
       'accept content-length content-type host user-agent', 'md5: fields');

    my $got = $Json->decode($res->{body});
    is($res->{status}, 200, 'md5: passed') or diag($res->{body});
    is($res->{header}{'x-paygw-verified'}, 'signature', 'md5: verified');
    my $sign = delete $got->{sign};
    is($Json->encode($got), $Json->encode({ amount => '100', code => '0',
       order_no => 'T+1', pay_url => 'https://pay.example/MARK' }),
       'md5: what is signed, as strings, and no more');
    my $text = join('&', map { "$_=$got->{$_}" } sort keys %$got)
        . '&key=md5_key_of_the_gateway';
    is($sign, uc Digest::MD5::md5_hex($text), 'md5: and its signature');
}

# what nobody has signed is not there

for my $case (
    [ { extra => { empty => '', nothing => undef } }, 'empty members' ],
    [ { fields => { amount => 'false' }, extra => { amount => $False } },
      'another type' ],
) {
    my ($plan, $what) = @$case;
    $Peer->plan($plan);
    my $res = ask(POST => '/md5/pay', 'order_no=T1', %Form);
    is($res->{status}, 200, "md5: $what") or diag($res->{body});
    unlike($res->{body}, qr/empty|nothing|:false/,
           "md5: $what: not in the answer");
}

for my $case (
    [ { signature => 'bad' }, 'signature' ],
    [ { signature => 'none' }, 'signature' ],
    [ { signature => 'empty' }, 'signature' ],
    [ { extra => { pay_url => 'TWIN' } }, 'signature' ],
    [ { extra => { more => 'EXTRA' } }, 'signature' ],
    [ { extra => { more => ['EXTRA'] } }, 'malformed' ],
    [ { fields => { order_no => 'T2' } }, 'account_mismatch' ],
    [ { status => 302 }, 'malformed' ],
    [ { status => 400 }, 'malformed' ],
    [ { status => 599 }, 'malformed' ],
    [ { gzip => $True }, 'malformed' ],
) {
    my ($plan, $reason) = @$case;
    my $what = $Json->encode($plan);
    $Peer->plan($plan);
    problem_ok(ask(POST => '/md5/refund', 'order_no=T1', %Form), 502,
               'PROVIDER-UNVERIFIED', "md5: $what");
    is(scalar $Peer->requests, 1, "md5: $what: sent once");
    ok($Nginx->wait_for(sub { $Nginx->log =~ /refused: $reason/ }),
       "md5: $what: $reason");
}

for my $case (
    [ [ POST => '/md5/pay', 'mch_id=M2', %Form ], 400, 'not one of' ],
    [ [ POST => '/md5/pay', 'a=1&a=2', %Form ], 400, 'duplicate' ],
    [ [ POST => '/md5/pay', 'a=%GG', %Form ], 400, '' ],
    [ [ POST => '/md5/pay', 'a=x%26b%3Dy', %Form ], 400, 'another param' ],
    [ [ POST => '/md5/pay', '{}', %Js ], 400, '' ],
    [ [ POST => '/md5/pay', 'x', 'Content-Type' => 'text/plain' ], 415,
      'does not send this type' ],
    [ [ POST => '/xml/pay', '<doc><a>1</a><a>2</a></doc>', %Xml ], 400,
      'flat XML' ],
    [ [ POST => '/xml/pay', '<xml><a>1</a></xml>', %Xml ], 400, 'flat XML' ],
    [ [ POST => '/ed/pay', '[]', %Js ], 400, 'a JSON object' ],
    [ [ POST => '/ed/pay', '{"a":1,"a":2}', %Js ], 400, 'a JSON object' ],
    [ [ POST => '/ed/pay', '{"\u0061pp":1}', %Js ], 400, 'is escaped' ],
    [ [ POST => '/hmac/pay', '{}', %Js, 'X-Once' => 'a b' ], 400,
      'visible characters' ],
    [ [ POST => '/hmac/pay', '{}', %Js, 'X-Trace' => "a\r\nX-Trace: b" ],
      400, 'there twice' ],
    [ [ POST => '/hmac/pay', '{}', %Js, 'X-Trace' => "\xc3\xa4" ],
      400, 'cannot stand in a header' ],
) {
    my ($call, $status, $hint) = @$case;
    my $what = join ' ', map { substr $_, 0, 40 } @$call;
    my %code = (400 => 'BAD_REQUEST', 415 => 'UNSUPPORTED_MEDIA_TYPE');
    $Peer->plan;
    problem_ok(ask(@$call), $status, "CLIENT-$code{$status}", "no: $what",
               message => qr/\Q$hint/);
    is(scalar $Peer->requests, 0, "$what: not sent");
}


# -- XML --

{
    $Peer->plan({});
    my $res = ask(POST => '/xml/pay', '<doc><order_no>T1</order_no><sign>x'
                  . '</sign><empty/></doc>', %Xml);
    is($res->{status}, 200, 'xml: passed') or diag($res->{body});
    my ($r) = $Peer->requests;
    is($r->{check}, 'ok', 'xml: as the gateway wants it');
    my $text = 'code=0&order_no=T1&url=https://pay.example/?a=MARK&b=1&key=K';
    my $sign = Digest::SHA::hmac_sha256_hex($text, 'h' x 32);
    my %got = $res->{body} =~ m{<(\w+)><!\[CDATA\[(.*?)\]\]></\1>}g;
    is($got{sign}, $sign, 'xml: the signature') or diag($res->{body});
    is($got{url}, 'https://pay.example/?a=MARK&b=1', 'xml: a value');

    for my $case ([ { signature => 'bad' }, 'signature' ],
                  [ { fields => { order_no => 'T2' } }, 'about' ],
                  [ { fields => { code => '2' } }, 'required' ],
                  [ { fields => { note => 'x&order_ma=1' } }, 'another param' ])
    {
        my ($plan, $what) = @$case;
        $Peer->plan($plan);
        problem_ok(ask(POST => '/xml/pay', '<doc><order_no>T1</order_no>'
                       . '</doc>', %Xml), 502, 'PROVIDER-UNVERIFIED',
                   "xml: $what");
    }
}


# -- HMAC in headers, and an answer that is bound by the nonce --

{
    $Peer->plan({});
    my $res = ask(POST => '/hmac/pay?a=1&b=%7C', '{"x": 1}', %Js,
                  'X-Trace' => 'abc', 'X-Sign' => 'MINE', Cookie => 'a=b');
    is("$res->{status} $res->{body}", '200 {"id":"MARK"}', 'hmac: passed')
        or diag($Nginx->log);
    is($res->{header}{'content-type'}, 'application/json; charset=utf-8',
       'hmac: type');
    my ($r) = $Peer->requests;
    is($r->{check}, 'ok', 'hmac: as the gateway wants it');
    is($r->{target}, '/hmac/pay?a=1&b=%7C', 'hmac: target');
    is($r->{body}, '{"x": 1}', 'hmac: body');
    is($r->{head}{'x-trace'}, 'abc', 'hmac: what is passed');
    is($r->{head}{cookie}, undef, 'hmac: nothing else is');
    my $text = join "\n", 'POST', $r->{target}, $r->{head}{'x-time'},
        $r->{head}{'x-nonce'}, $r->{body};
    is($r->{head}{'x-sign'},
       Digest::SHA::hmac_sha256_base64($text, 'h' x 32) . '=',
       'hmac: by Digest::SHA');

    $Peer->plan({}, {});
    ask(GET => '/hmac/order') for 1, 2;
    my @r = $Peer->requests;
    is($r[0]{check}, 'ok', 'hmac: a GET');
    is($r[0]{head}{'x-once'}, undef, 'hmac: that has no key');
    isnt($r[0]{nonce}, $r[1]{nonce}, 'hmac: a nonce is for one call');

    # an answer to another call, signed and all

    $Peer->plan({ nonce => $r[0]{nonce} });
    problem_ok(ask(GET => '/hmac/order'), 502, 'PROVIDER-UNVERIFIED',
               'hmac: the answer to another call');

    for my $sig (qw(bad none empty)) {
        $Peer->plan({ signature => $sig, body => '{"e":"MARK"}',
                      status => 401 });
        problem_ok(ask(GET => '/hmac/order'), 502, 'PROVIDER-UNVERIFIED',
                   "hmac: signature $sig");
    }

    # a key of ours stays over the tries of a call

    $Peer->plan({}, { drop => $True }, {});
    ask(POST => '/hmac/pay', '{}', %Js) for 1, 2;
    @r = $Peer->requests;
    is(scalar @r, 3, 'hmac: what is once is sent again');
    my @keys = map { $_->{head}{'x-once'} } @r;
    like($_, qr/^paygw-[0-9a-v]{32}$/, 'hmac: a key') for @keys;
    is($keys[2], $keys[1], 'hmac: of another try the same');
    isnt($keys[1], $keys[0], 'hmac: of another call another');
    isnt($r[2]{nonce}, $r[1]{nonce}, 'hmac: signed anew');
    is($r[2]{check}, 'ok', 'hmac: rightly');

    $Peer->plan({}, { drop => $True });
    ask(POST => '/hmac/pay', '{}', %Js, 'X-Once' => 'mine');
    problem_ok(ask(POST => '/hmac/other', '{}', %Js), 504,
               'PROVIDER-UNANSWERED', 'hmac: what is not is sent once');
    @r = $Peer->requests;
    is(scalar @r, 2, 'hmac: once');
    is($r[0]{head}{'x-once'}, 'mine', "hmac: the caller's key");
}


# -- Ed25519, a time, and a body that gets members --

{
    for my $body ('{"order":{"id":"E1"}}', "\n{ \"app\" : [\"x\", 2],"
                  . '"order":{"id":"E1"} }')
    {
        $Peer->plan({});
        my $res = ask(POST => '/ed/pay', $body, %Js);
        is($res->{status}, 200, 'ed: passed') or diag($res->{body});
        my ($r) = $Peer->requests;
        is($r->{check}, 'ok', 'ed: as the gateway wants it')
            or diag($r->{body});
        my $sent = $Json->decode($r->{body});
        is($sent->{app}, 'app', 'ed: a member that is ours');
        is($sent->{order}{id}, 'E1', "ed: one of the caller's");
        like($r->{body}, qr/"at":\d+[,}]/, 'ed: a number');
    }

    for my $case ([ { age => 90 }, 'clock' ], [ { age => -90 }, 'clock' ],
                  [ { signature => 'bad' }, 'signature' ],
                  [ { signature => 'none' }, 'malformed' ],
                  [ { body => '{"order":{"id":"E2"},"x":"MARK"}' },
                    'account_mismatch' ],
                  [ { twice => 'X-Stamp' }, 'repeated_header' ])
    {
        my ($plan, $reason) = @$case;
        my $what = $Json->encode($plan);
        $Peer->plan($plan);
        problem_ok(ask(POST => '/ed/pay', '{"order":{"id":"E1"}}', %Js), 502,
                   'PROVIDER-UNVERIFIED', "ed: $what");
        ok($Nginx->wait_for(sub { $Nginx->log =~ /refused: $reason/ }),
           "ed: $what: $reason");
    }

    $Peer->plan({ body => '{"error":"none"}', status => 404 });
    my $res = ask(POST => '/ed/pay', '{"order":{"id":"E1"}}', %Js);
    is("$res->{status} $res->{body}", '404 {"error":"none"}',
       'ed: an error that is signed');
}


# -- each byte of an answer changed: nothing of it is passed on --

for my $case ([ '/md5/pay', 'order_no=T1', \%Form ],
              [ '/ed/pay', '{"order":{"id":"E1"}}', \%Js ])
{
    my ($uri, $body, $heads) = @$case;
    my $got = $Peer->do('flip', port => $Nginx->{port}, method => 'POST',
                        target => $uri, body => $body, heads => $heads,
                        answer => {});
    is($got->{good}, 200, "$uri: the answer itself is good");

    # which success it is stands in what is signed

    my @leaks = grep { $_->[1] >= 300 || $_->[2] ne $got->{same} }
                @{ $got->{leaks} };
    is($Json->encode(\@leaks), '[]', "$uri: nothing leaks");
    cmp_ok($got->{refused}, '>', 50, "$uri: bytes of the body");
}

# -- the examples, but for their paths --

for my $case ([ 'md5', POST => '/gateway/md5/pay', 'order_no=T1', %Form ],
              [ 'hmac', POST => '/api/hmac/pay', '{}', %Js ],
              [ 'ed25519', POST => '/api/ed/pay', '{"order":{"id":"E1"}}',
                %Js ])
{
    my ($name, $method, $uri, $body, %heads) = @$case;
    my $file = "$PaygwTest::Root/conf-examples/generic-calls-$name.conf";
    my $text = PaygwTest::file_from($file, 0);
    my ($channel) = $text =~ /(paygw_channel.*?\n    }\n)/s;
    my ($location) = $text =~ /(location .*?\n        }\n)/s;
    $channel =~ s{/etc/paygw/}{$Peer->{keys}/}g;
    $channel =~ s{https://api\.example\.com}{$Url};

    my $nginx = PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
            . $channel, server => $location);
    $Peer->plan({});
    my $res = call($nginx, $method => $uri, body => $body, heads => \%heads);
    is($res->{status}, 200, "generic-calls-$name.conf: passed")
        or diag($nginx->log);
    is(($Peer->requests)[0]{check}, 'ok', "generic-calls-$name.conf: right");
    $Peer->plan({ signature => 'bad' });
    problem_ok(call($nginx, $method => $uri, body => $body,
                    heads => \%heads), 502, 'PROVIDER-UNVERIFIED',
               "generic-calls-$name.conf: forged");
    ok($nginx->quit, "generic-calls-$name.conf: quits");
}


# -- what is not signed comes over TLS alone --

{
    my $tmp = File::Temp::tempdir('paygw-gen-XXXXXX', TMPDIR => 1,
                                  CLEANUP => 1);
    system("openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=x "
           . "-addext subjectAltName=DNS:localhost -keyout $tmp/x.key "
           . "-out $tmp/x.crt > $tmp/log 2>&1") == 0 or die `cat $tmp/log`;
    my $port = $Peer->listen(tls => [ "$tmp/x.crt", "$tmp/x.key" ]);
    my %tls = (proxy_ssl_trusted_certificate => "$tmp/x.crt",
               proxy_connect_timeout => '20s');
    my $nginx = PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
            . gateway($Peer, 'bare', "https://localhost:$port", %tls,
                      answer_about => 'json(/id) json(/id)')
            . gateway($Peer, 'hmac', "https://localhost:$port", %tls,
                      unsigned => q('GET /hmac/file/*'))
            . gateway($Peer, 'bare', "https://localhost:$port",
                      -name => 'system', proxy_connect_timeout => '20s'),
        server => 'location /bare/ { paygw_pass bare /bare/; }'
            . 'location /hmac/ { paygw_pass hmac /hmac/; }'
            . 'location /sys/ { paygw_pass system /bare/; }');
    my $ask = sub {
        my ($method, $uri, $body) = @_;
        return call($nginx, $method => $uri, body => $body // '',
                    heads => \%Js);
    };

    $Peer->plan({ body => '{"id":"7"}' });
    my $res = $ask->(POST => '/bare/pay', '{"id":"7"}');
    is("$res->{status} $res->{body}", '200 {"id":"7"}', 'TLS: passed')
        or diag($nginx->log);
    is($res->{header}{'x-paygw-verified'}, 'tls', 'TLS: vouched for');
    is($res->{header}{'set-cookie'}, undef, 'TLS: no field of it');
    my ($r) = $Peer->requests;
    is($r->{check}, 'ok', 'TLS: the key went along');
    like($r->{head}{'idempotency-key'}, qr/^paygw-/, 'TLS: a key for it');

    for my $case ([ { body => '{"id":"MARK"}' }, 'about something else' ],
                  [ { status => 302 }, 'a redirect' ])
    {
        my ($plan, $what) = @$case;
        $Peer->plan($plan);
        problem_ok($ask->(POST => '/bare/pay', '{"id":"7"}'), 502,
                   'PROVIDER-UNVERIFIED', "TLS: $what");
    }

    $Peer->plan({});
    problem_ok($ask->(POST => '/sys/pay', '{}'), 503, 'RETRY-UNREACHABLE',
               'TLS: a certificate of somebody');
    is(scalar $Peer->requests, 0, 'TLS: the key has not left');

    # a list of what is not signed is for that alone

    my %file = (signature => 'none', body => "a,b\n");
    $Peer->plan(\%file);
    $res = $ask->(GET => '/hmac/file/1?x=%2F');
    is("$res->{status} $res->{body}", "200 a,b\n", 'a list: passed');
    is($res->{header}{'x-paygw-verified'}, 'tls', 'a list: not signed');

    for my $uri (map { "/hmac/$_" } 'file', 'order', 'file%2F1/../../order',
                 'file/%2e%2e/order', 'order?/hmac/file/1')
    {
        $Peer->plan({ %file, body => 'MARK' });
        problem_ok($ask->(GET => $uri), 502, 'PROVIDER-UNVERIFIED',
                   "a list: not $uri");
    }
    $Peer->plan({ %file, body => 'MARK' });
    problem_ok($ask->(POST => '/hmac/file/1', '{}'), 502,
               'PROVIDER-UNVERIFIED', 'a list: another method');
    ok($nginx->quit, 'TLS: quits');
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');
unlike($Nginx->log =~ s/^.*\[debug\].*\n//mgr, qr/md5_key_of|MARK/,
       'no key in the log');

done_testing();
