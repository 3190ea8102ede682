# Uploads through paygw_pass: the signature goes over the description of the
# file, whose hash has to be right before anything is sent.

use strict;
use warnings;
use lib 't/lib';

use Digest::SHA ();
use Test::More;

use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwSandbox;
use PaygwTest ();

my $Sandbox = PaygwSandbox->start;
my $Peer = PaygwPeer->start;
my $Path = '/v3/merchant/media/upload';
my $File = join '', map { chr } (0 .. 255) x 2000;
my $Sha = Digest::SHA::sha256_hex($File);
my $B = 'boundary';

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:2m;\n    paygw_deadline 30s;\n"
        . "    paygw_body_max 2m;\n    client_max_body_size 4m;\n"
        . $Sandbox->wechat(platform_certificates =>
                               'auto interval=3600s retry=1s',
                           proxy_read_timeout => '20s',
                           paygw_breaker => 'off')
        . $Peer->wechat('http://127.0.0.1:' . $Peer->listen,
                        -name => 'peer', encrypt_fields => '/meta'),
    server => 'location /wx/ { paygw_pass wxpay; }'
        . 'location /peer/ { paygw_pass peer; }'
        . 'location /small/ { paygw_pass wxpay; paygw_body_max 64k; }');

sub meta { return sprintf '{ "filename": "a.jpg", "sha256": "%s" }',
                          shift // $Sha }

sub part {
    my ($head, $body) = @_;
    return "$head\r\n\r\n$body\r\n";
}

sub disposition {
    my ($name, $more) = @_;
    return qq{Content-Disposition: form-data; name="$name"} . ($more // '');
}

my $Type = "multipart/form-data; boundary=$B";
my $Meta = part(disposition('meta') . "\r\nContent-Type: application/json",
                meta());
my $Data = part(disposition('file', '; filename="a.jpg"')
                . "\r\nContent-Type: image/jpg", $File);

sub body { return join('', map { "--$B\r\n$_" } @_) . "--$B--\r\n" }

sub upload {
    my ($body, %o) = @_;
    return call($Nginx, POST => ($o{at} // '/wx') . ($o{path} // $Path),
                body => $body, timeout => 30,
                heads => { 'Content-Type' => $o{type} // $Type });
}

sub good {
    my ($what, @args) = @_;
    my $res = upload(@args);
    is("$res->{status} $res->{body}",
       '200 {"media_id":"media_' . substr($Sha, 0, 40) . '"}', $what);
    is($res->{header}{'x-paygw-verified'}, 'signature', "$what: verified");
}

sub bad {
    my ($what, $body, $message, %o) = @_;
    problem_ok(upload($body, at => '/peer', %o), $o{status} // 400,
               $o{code} // 'CLIENT-BAD_REQUEST', $what,
               message => $message);
}


# -- the sandbox checks the signature, and the file --

good('an upload', body($Meta, $Data));
good('the file first', body($Data, $Meta));
good('no line end behind it', body($Meta, $Data) =~ s/\r\n\z//r);
good('a boundary in quotes', body($Meta, $Data),
     type => qq{multipart/form-data; boundary="$B"});
good('a boundary that is nearly in the file',
     body($Meta, $Data) =~ s/\r\n--\Q$B\E--/\r\n--$B--/r);


# -- what is sent is what came --

{
    my $body = body($Meta, $Data);
    $Peer->plan({});
    upload($body, at => '/peer');
    my ($r) = $Peer->requests(1);
    is($r->{target}, $Path, 'as it is: target');
    is($r->{head}{'content-type'}, $Type, 'as it is: type');
    is($r->{head}{'content-length'}, length $body, 'as it is: length');
    like($r->{head}{authorization}, qr/^WECHATPAY2-SHA256-RSA2048 /,
         'as it is: signed');
}


# -- what is refused, before anything is sent --

$Peer->plan();

bad('another file', body($Meta, $Data =~ s/\x{01}\x{02}/xx/r),
    qr/sha256 in meta is not that of the file/);
bad('a shorter file', body($Meta, part(disposition('file',
                                                   '; filename="a"'), 'x')),
    qr/sha256 in meta is not that of the file/);

for my $text ('{}', '[]', 'x', '', '{"sha256":1}', '{"sha256":"00"}',
              meta('g' x 64), qq({"sha256":"$Sha","sha256":"$Sha"}),
              meta() . 'x')
{
    bad("meta $text", body(part(disposition('meta'), $text), $Data),
        qr/meta must be a JSON object/);
}

for my $case ([ 'no meta', $Data ], [ 'no file', $Meta ],
              [ 'three', $Meta, $Data, part(disposition('x'), 'x') ],
              [ 'a file that is none', $Meta,
                part(disposition('file'), $File) ],
              [ 'meta as a file',
                part(disposition('meta', '; filename="x"'), meta()), $Data ])
{
    my ($what, @parts) = @$case;
    bad($what, body(@parts), qr/an upload is a part meta, and a part file/);
}

# readers disagree about each of these, and might find another meta

my $Whole = body($Meta, $Data);

for my $case (
    [ 'two of them', body($Meta, $Meta, $Data), qr/a name comes twice/ ],
    [ 'text in front', "x\r\n$Whole", qr/does not begin/ ],
    [ 'a line end in front', "\r\n$Whole", qr/does not begin/ ],
    [ 'text behind', "${Whole}x", qr/something follows/ ],
    [ 'an empty body', '', qr/does not begin/ ],
    [ 'no end', $Whole =~ s/--\r\n\z//r, qr/does not end its line/ ],
    [ 'no last boundary', $Whole =~ s/\r\n--boundary--\r\n\z//r,
      qr/last boundary is missing/ ],
    [ 'a boundary that goes on',
      $Whole =~ s/\r\n--boundary\r\n/\r\n--boundaryx\r\n/r,
      qr/does not end its line|an upload is/ ],
    [ 'LF alone', $Whole =~ s/json\r\n\r\n/json\n\n/r, qr/header of a part/ ],
    [ 'a folded line', $Whole =~ s/data; name="meta"/data;\r\n name="meta"/r,
      qr/header of a part/ ],
    [ 'an escape', $Whole =~ s/name="meta"/name="me\\ta"/r,
      qr/header of a part/ ],
    [ 'no quotes', $Whole =~ s/name="meta"/name=meta/r,
      qr/header of a part/ ],
    [ 'two names', $Whole =~ s/name="meta"/name="meta"; name="file"/r,
      qr/header of a part/ ],
    [ 'filename*', $Whole =~ s/filename="a.jpg"/filename*=UTF-8''a/r,
      qr/header of a part/ ],
    [ 'an encoding',
      $Whole =~ s/(Content-Type: app)/Content-Transfer-Encoding: 8bit\r\n$1/r,
      qr/header of a part/ ],
    [ 'no name', $Whole =~ s/Content-Disposition[^\r]*\r\n//r,
      qr/header of a part/ ],
    [ 'an empty name', $Whole =~ s/name="meta"/name=""/r,
      qr/header of a part/ ],
    [ 'two types', $Whole =~ s/(Content-Type: image)/Content-Type: a\r\n$1/r,
      qr/header of a part/ ],
    [ 'no empty line', $Whole =~ s/json\r\n\r\n/json\r\n/r,
      qr/header of a part/ ],
    [ 'nine parts', body(map { part(disposition("x$_"), 'x') } 1 .. 9),
      qr/too many parts/ ])
{
    bad(@$case);
}

for my $type ('multipart/mixed; boundary=boundary', 'multipart/form-data',
              'multipart/form-data; boundary=', 'multipart/form-data; '
              . 'boundary=""', 'multipart/form-data; boundary=boundary; a=b',
              'multipart/form-data; a=b; boundary=boundary',
              'multipart/form-data; boundary=a b',
              'multipart/form-data; boundary="boundary',
              'multipart/form-data; boundary=' . 'x' x 71)
{
    bad("type $type", $Whole, qr/this call is none/, type => $type,
        status => 415, code => 'CLIENT-UNSUPPORTED_MEDIA_TYPE');
}

bad('another path', $Whole, qr/this call is none/,
    path => '/v3/pay/transactions/native', status => 415,
    code => 'CLIENT-UNSUPPORTED_MEDIA_TYPE');
bad('larger than paygw_body_max', $Whole, qr/paygw_body_max/, at => '/small',
    status => 413, code => 'CLIENT-TOO_LARGE');

is(scalar $Peer->requests, 0, 'nothing was sent');

unlike($Nginx->log, qr/\[(?:alert|emerg|crit)\]/, 'no alerts');

done_testing();
