# Uploads of Alipay through paygw_pass, to the gateway and to its REST form: of
# the first the parameters are signed, wherever they stand, of the second the
# part "data"; the file by neither.

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
my $D = $Sandbox->{dir};
my $V3 = '/v3/alipay/open/file/upload';
my $Old = '/gateway.do?method=alipay.open.file.upload';
my $File = join '', map { chr } (0 .. 255) x 1000;
my $Sha = Digest::SHA::sha256_hex($File);
my $B = 'boundary';

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:2m;\n    paygw_deadline 30s;\n"
        . "    paygw_body_max 2m;\n    client_max_body_size 4m;\n"
        . $Sandbox->alipay(alipay_public_key => "$D/alipay/alipay_public.pem",
                           proxy_read_timeout => '20s',
                           paygw_breaker => 'off')
        . $Peer->alipay('http://127.0.0.1:' . $Peer->listen, -name => 'peer')
        . $Peer->alipay('http://127.0.0.1:' . $Peer->listen, -name => 'aes',
                        aes_key => 'text:MDEyMzQ1Njc4OWFiY2RlZg=='),
    server => 'location /a/ { paygw_pass alipay; }'
        . 'location /peer/ { paygw_pass peer; }'
        . 'location /aes/ { paygw_pass aes; }'
        . 'location /small/ { paygw_pass alipay; paygw_body_max 64k; }');

sub part {
    my ($name, $body, $file, $type) = @_;
    return qq{Content-Disposition: form-data; name="$name"}
        . (defined $file ? qq{; filename="$file"} : '')
        . ($type ? "\r\nContent-Type: $type" : '') . "\r\n\r\n$body\r\n";
}

my $Type = "multipart/form-data; boundary=$B";
my $Data = part('data', '{ "biz_code": "content_creation" }', undef,
                'application/json');
my $Code = part('biz_code', 'content + creation=1 "%20"', undef,
                'text/plain;charset=utf-8');
my $Bytes = part('file_content', $File, 'a.jpg', 'image/jpg');

sub body { return join('', map { "--$B\r\n$_" } @_) . "--$B--\r\n" }

sub upload {
    my ($path, $body, %o) = @_;
    return call($Nginx, $o{method} // 'POST' => ($o{at} // '/a') . $path,
                body => $body, timeout => 30,
                heads => { 'Content-Type' => $o{type} // $Type,
                           %{ $o{heads} // {} } });
}

sub good {
    my ($what, @args) = @_;
    my $res = upload(@args);
    is($res->{status}, 200, $what) or diag($res->{body});
    like($res->{body}, qr/"file_id":"$Sha"/, "$what: these bytes");
    is($res->{header}{'x-paygw-verified'}, 'signature', "$what: verified");
}

sub bad {
    my ($what, $path, $body, $message, %o) = @_;
    problem_ok(upload($path, $body, at => '/peer', %o), $o{status} // 400,
               $o{code} // 'CLIENT-BAD_REQUEST', $what,
               message => $message);
}

my @None = (status => 415, code => 'CLIENT-UNSUPPORTED_MEDIA_TYPE');


# -- the sandbox checks the signature, and says which file it was --

good('REST', $V3, body($Data, $Bytes));
good('REST: the file first', $V3, body($Bytes, $Data));
good('REST: a token', $V3, body($Data, $Bytes),
     heads => { 'alipay-app-auth-token' => 'isv1' });
good('gateway', $Old, body($Code, $Bytes));
good('gateway: the file first', $Old, body($Bytes, $Code));
good('gateway: all in the URL', "$Old&biz_code=a%2Bb%20c", body($Bytes));
good('gateway: what an SDK has signed is replaced',
     "$Old&biz_code=x&sign=x&sign_type=RSA&timestamp=1&charset=utf-8"
     . "&version=2.0&app_id=$Sandbox->{ids}{app_id}", body($Bytes));
good('gateway: nothing that is empty', "$Old&biz_code=x&notify_url=",
     body($Bytes));


# -- what is sent is what came --

for my $path ($V3, $Old) {
    my $body = body($path eq $V3 ? $Data : $Code, $Bytes);
    $Peer->plan({});
    upload($path, $body, at => '/peer');
    my ($r) = $Peer->requests(1);
    is($r->{method}, 'POST', "$path: method");
    is($r->{head}{'content-type'}, $Type, "$path: type");
    is($r->{head}{'content-length'}, length $body, "$path: length");
    if ($path eq $V3) {
        is($r->{target}, $V3, 'REST: target');
        like($r->{head}{authorization}, qr/^ALIPAY-SHA256withRSA /,
             'REST: signed');
        next;
    }
    like($r->{target}, qr{^/gateway\.do\?app_id=\d+&charset=utf-8&method=
                          alipay\.open\.file\.upload&sign_type=RSA2&
                          timestamp=[^&]+&version=1\.0&sign=[^&]+$}x,
         'gateway: the parameters of the URL, and of the body none');
}

# nobody knows what a second one would do

for my $path ($V3, $Old) {
    $Peer->plan({ drop => 1 });
    problem_ok(upload($path, body($path eq $V3 ? $Data : $Code, $Bytes),
                      at => '/peer'), 504, 'PROVIDER-UNANSWERED',
               "$path: closed");
    is(scalar $Peer->requests, 1, "$path: sent once");
}


# -- what is refused, before anything is sent --

$Peer->plan();

for my $case (
    [ 'no data', $Bytes ], [ 'data as a file',
      part('data', '{"biz_code":"x"}', 'x'), $Bytes ],
    [ 'another text', $Data, part('x', 'y'), $Bytes ],
    [ 'a text in its place', part('x', '{}'), $Bytes ])
{
    my ($what, @parts) = @$case;
    bad("REST: $what", $V3, body(@parts), qr/an upload is a part data/);
}
bad('REST: no file', $V3, body($Data), qr/a part with a filename/);
for my $text ('', '[]', 'x', '{"a":1,"a":2}', '{}x') {
    bad("REST: data $text", $V3, body(part('data', $text), $Bytes),
        qr/not a JSON object/);
}

bad('gateway: no file', $Old, body($Code), qr/a part with a filename/);
bad('gateway: an empty part', $Old, body(part('x', ''), $Bytes),
    qr/a part is empty/);
bad("gateway: a part $_", $Old, body(part($_, 'x'), $Bytes),
    qr/name of a parameter of the URL/)
    for qw(sign sign_type timestamp charset version app_id app_cert_sn
           alipay_root_cert_sn format method encrypt_type);
bad("gateway: a file $_", $Old, body($Code, part($_, 'x', 'x')),
    qr/name of a parameter of the URL/) for qw(sign method app_id);
bad('gateway: a file as biz_content', $Old,
    body(part('biz_content', '{}', 'x')), qr/biz_content is no file/);
bad('gateway: a file as a parameter', "$Old&biz_code=x",
    body(part('biz_code', 'x', 'x')), qr/a file has the name of a parameter/);
bad('gateway: a parameter twice', "$Old&biz_code=x", body($Code, $Bytes),
    qr/twice|duplicate/i);
bad('gateway: a name', $Old, body(part('a-b', 'x'), $Bytes),
    qr/letters, digits/);
bad('gateway: biz_content', $Old, body(part('biz_content', '[]'), $Bytes),
    qr/biz_content is not a JSON object/);
bad('gateway: another call behind it', $Old,
    body(part('biz_code', 'x&method=alipay.trade.refund'), $Bytes),
    qr/a value hides another parameter/);
bad('gateway: another app', "$Old&app_id=2", body($Code, $Bytes),
    qr/app_id is not that of the channel/);
bad('gateway: no method', '/gateway.do', body($Code, $Bytes), qr/no method/);

# what is no upload; and what would have to be encrypted

for my $call (qw(query refund precreate page.pay app.pay)) {
    bad("gateway: $call", "/gateway.do?method=alipay.trade.$call",
        body(part('biz_content', '{"out_trade_no":"T1",'
                  . '"out_request_no":"R1"}'), $Bytes),
        qr/this call is none/, @None);
}
bad('REST: refund', '/v3/alipay/trade/refund', body($Data, $Bytes),
    qr/this call is none/, @None);
bad('REST: encrypted', $V3, body($Data, $Bytes), qr/cannot be encrypted/,
    @None, heads => { 'alipay-encrypt-type' => 'AES' });
bad('gateway: encrypted', "$Old&encrypt_type=AES", body($Code, $Bytes),
    qr/cannot be encrypted/, @None);
bad('REST: aes_key', $V3, body($Data, $Bytes), qr/cannot be encrypted/,
    @None, at => '/aes');
bad('gateway: aes_key', $Old, body($Code, $Bytes), qr/cannot be encrypted/,
    @None, at => '/aes');

for my $case ([ $V3, body($Data, $Bytes) ], [ $Old, body($Code, $Bytes) ]) {
    my ($path, $whole) = @$case;
    bad("$path: GET", $path, $whole, qr/./, method => 'GET', @None);
    for my $type ('multipart/mixed; boundary=boundary', 'multipart/form-data',
                  'multipart/form-data; boundary=boundary; a=b')
    {
        bad("$path: $type", $path, $whole, qr/with a boundary/,
            type => $type, @None);
    }
    bad("$path: two of them", $path, body(($whole =~ /biz_code"\r/ ? $Code
                                           : $Data) x 2, $Bytes),
        qr/multipart: .*twice|does not end|header of a part|an upload is/);
    bad("$path: text in front", $path, "x\r\n$whole", qr/multipart: /);
    bad("$path: text behind", $path, "${whole}x", qr/multipart: /);
    bad("$path: no end", $path, substr($whole, 0, -8), qr/multipart: /);
    bad("$path: larger than paygw_body_max", $path, $whole, qr/paygw_body_max/,
        at => '/small', status => 413, code => 'CLIENT-TOO_LARGE');
}

is(scalar $Peer->requests, 0, 'nothing was sent');

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|emerg|crit)\]/, 'no alerts');

done_testing();
