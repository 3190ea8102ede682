# paygw_pass to WeChat Pay v2: what is sent, and what comes back.

use strict;
use warnings;
use utf8;
use lib 't/lib';

use Test::More;
use Encode ();
use File::Temp ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64);

use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Port = $Peer->listen;
my $Url = "http://127.0.0.1:$Port";
my $Keys = $Peer->{keys};
my $Tmp = File::Temp::tempdir('paygw-v2-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $Type = { 'Content-Type' => 'text/xml' };
my %Us = (appid => 'wxd930ea5d5a258f4f', mch_id => '10000100');

sub conf {
    my ($http, $server) = @_;
    return PaygwNginx->test(http => "    paygw_zone paygw:1m;\n$http",
        server => $server // 'location /w/ { paygw_pass wxv2; }');
}

sub doc {
    my %p = @_;
    return Encode::encode('UTF-8', '<xml>' . join('', map {
        my $v = $p{$_};
        "<$_>" . ($v =~ /[&<]/ ? "<![CDATA[$v]]>" : $v) . "</$_>"
    } sort keys %p) . '</xml>');
}

sub post {
    my ($nginx, $uri, $body, %o) = @_;
    return call($nginx, POST => $uri, heads => $Type,
                body => ref $body ? doc(%$body) : $body, %o);
}

# the elements of an answer, as a reader of no great care finds them

sub fields {
    my $text = Encode::decode('UTF-8', shift);
    return { $text =~ m{<(\w+)><!\[CDATA\[(.*?)\]\]></\1>}gs };
}

sub sent {
    my ($what) = @_;
    my @got = $Peer->requests;
    is(scalar @got, 1, "$what: one request");
    is($got[0]{check}, 'ok', "$what: as the provider wants it");
    return $got[0];
}

sub logged {
    my ($nginx, $re, $what) = @_;
    my @lines;
    ok($nginx->wait_for(sub {
        open my $fh, '<', "$nginx->{dir}/logs/k.log" or return 0;
        @lines = <$fh>;
        return @lines && $lines[-1] =~ $re;
    }, 5), $what) or diag($lines[-1]);
}

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    log_format k '\$paygw_result \$paygw_reason \$paygw_channel "
        . "\$paygw_provider';\n"
        . $Peer->wechat_v2_cert($Url)
        . $Peer->wechat_v2_cert($Url, -name => 'hmac',
                                sign_type => 'HMAC-SHA256',
                                appid => "$Us{appid} wxsub",
                                sub_mchid => '10000200')
        . $Peer->wechat_v2($Url, -name => 'bare',
                           api_key => [ "file:$Keys/wxv2.key",
                                        "file:$Keys/wxv2_next.key" ]),
    server => 'access_log logs/k.log k;'
        . join '', map { "location /$_/ { paygw_pass $_; }" }
          qw(wxv2 hmac bare));


# -- a call and its answer --

my %Order = (body => 'Image形象店 <a>&b', out_trade_no => 'T20250102',
             total_fee => 1, attach => ' x ', trade_type => 'NATIVE');

{
    $Peer->plan({});
    my $res = post($Nginx, '/wxv2/pay/unifiedorder',
                   { %Order, device_info => '', sign => 'MINE',
                     nonce_str => 'mine' },
                   heads => { %$Type, Cookie => 'secret=1',
                              Authorization => 'Basic x' });
    is($res->{status}, 200, 'call: status') or diag($res->{body});
    is($res->{header}{'content-type'}, 'text/xml', 'call: type');
    is($res->{header}{'x-paygw-verified'}, 'signature', 'call: verified');
    my $f = fields($res->{body});
    is($f->{code_url}, 'weixin://wxpay/bizpayurl?pr=MARK', 'call: code_url');
    is($f->{attach}, '支付<测试> & more', 'call: text');
    unlike($res->{body}, qr/device_info/, 'call: nothing unsigned');
    logged($Nginx, qr/^passed - wxv2 wechat_v2$/, 'call: log');

    my $r = sent('call');
    is("$r->{method} $r->{target}", 'POST /pay/unifiedorder', 'call: target');
    is_deeply({ map { ($_ => $r->{params}{$_}) }
                grep { !/^(?:sign|nonce_str)$/ } keys %{ $r->{params} } },
              { %Order, %Us }, 'call: what was said, and who we are');
    is(join(' ', sort map { lc $_->[0] } @{ $r->{heads} }),
       'content-length content-type host user-agent',
       'call: nothing of the caller goes with it');

    $Peer->plan({});
    post($Nginx, '/hmac/pay/unifiedorder', { %Order, %Us });
    my $h = sent('hmac');
    is($h->{params}{sign_type}, 'HMAC-SHA256', 'hmac: is told');
    like($h->{params}{sign}, qr/^[0-9A-F]{64}$/, 'hmac: sign');
    isnt($h->{nonce}, $r->{nonce}, 'nonce: a fresh one');

    $Peer->plan({});
    post($Nginx, '/wxv2/pay/unifiedorder', { %Order, sign_type => 'MD5' });
    is(sent('MD5')->{params}{sign_type}, 'MD5', 'MD5: may be told');

    $Peer->plan({});
    post($Nginx, '/hmac/pay/orderquery', { sub_mch_id => '10000200',
        sub_appid => 'wxsub', out_trade_no => 'T1' });
    is(sent('partner')->{params}{sub_appid}, 'wxsub', 'partner: passed');
}

# a text that ends a CDATA section, and one whose CR a reader would change

for my $text (']]>', 'a]]>b&<', '&#13;', 'a&#13;&#10;b]]&gt;', ']]') {
    $Peer->plan({});
    post($Nginx, '/wxv2/pay/orderquery',
         $text =~ /#|gt/ ? "<xml><attach>$text</attach></xml>"
         : '<xml><attach>' . $text =~ s/&/&amp;/gr =~ s/</&lt;/gr
           =~ s/>/&gt;/gr . '</attach></xml>');
    sent("text $text");
}

# who we are has other names elsewhere

for my $case (
    [ 'mmpaymkttransfers/promotion/transfers', 'mch_appid mchid' ],
    [ 'mmpaymkttransfers/sendredpack', 'mch_id wxappid' ],
    [ 'mmpaymkttransfers/gethbinfo', 'appid mch_id' ],
    [ 'mmpaysptrans/pay_bank', 'mch_id' ], [ 'risk/getpublickey', 'mch_id' ],
    [ 'tools/shorturl', 'appid mch_id' ],
) {
    my ($path, $names) = @$case;
    $Peer->plan({});
    post($Nginx, "/wxv2/$path", { a => 1 });
    is(join(' ', sort grep { /app|mch/ } keys %{ sent($path)->{params} }),
       $names, "$path: names");
}

$Peer->plan({ signature => 'none', text => encode_base64('`1', '') });
post($Nginx, '/wxv2/pay/downloadfundflow', { bill_date => '20250102' });
is(sent('fund flow')->{params}{sign_type}, 'HMAC-SHA256',
   'fund flow: HMAC alone is taken');


# -- calls that are not sent --

for my $case (
    [ '/wxv2/pay/orderquery', { mch_id => 1 }, 400, qr/^mch_id is not that/ ],
    [ '/wxv2/pay/orderquery', { mchid => 1 }, 400, qr/^mchid is not that/ ],
    [ '/wxv2/pay/orderquery', { appid => 'wx1' }, 400, qr/^appid is not/ ],
    [ '/wxv2/pay/orderquery', { wxappid => 'wx1' }, 400, qr/^wxappid is/ ],
    [ '/wxv2/pay/orderquery', { mch_appid => 1 }, 400, qr/^mch_appid is/ ],
    [ '/wxv2/pay/orderquery', { sub_appid => 1 }, 400, qr/^sub_appid is/ ],
    [ '/wxv2/pay/orderquery', { sub_mch_id => 1 }, 400, qr/^sub_mch_id is/ ],
    [ '/hmac/pay/orderquery', { sub_mch_id => 1 }, 400, qr/^sub_mch_id is/ ],
    [ '/wxv2/pay/orderquery', { sign_type => 'HMAC-SHA256' }, 400,
      qr/^sign_type is not that of the channel/ ],
    [ '/hmac/pay/orderquery', { sign_type => 'MD5' }, 400,
      qr/^sign_type is not that of the channel/ ],
    [ '/wxv2/secapi/pay/refund', { out_trade_no => 1 }, 400,
      qr/^a refund needs out_refund_no/ ],
    [ '/bare/secapi/pay/refund', { out_refund_no => 1 }, 400,
      qr/^the path needs the merchant's certificate, add/ ],
    [ '/bare/secapi/pay/reverse', { out_trade_no => 1 }, 400,
      qr/^the path needs the merchant's certificate/ ],
    [ '/wxv2/pay/orderquery', '', 400, qr/^empty body/ ],
    [ '/wxv2/pay/orderquery', 'x', 400, qr/^invalid XML/ ],
    [ '/wxv2/pay/orderquery', '<root/>', 400, qr/^unexpected root/ ],
    [ '/wxv2/pay/orderquery', '<xml><a>1</a><a>1</a></xml>', 400,
      qr/^duplicate field/ ],
    [ '/wxv2/pay/orderquery', '<xml><a><b>1</b></a></xml>', 400,
      qr/^nested element/ ],
    [ '/wxv2/pay/orderquery', '<!DOCTYPE xml><xml/>', 400, qr/^document/ ],
    [ '/wxv2/pay/orderquery', "<xml><\xc3\xa4>1</\xc3\xa4></xml>", 400,
      qr/^an element's name must be/ ],
    [ '/wxv2/pay/orderquery', doc(map { ("a$_" => 1) } 1 .. 127), 400,
      qr/^too many elements/ ],
    [ '/wxv2/pay/orderquery', doc(map { ("a$_" => 1) } 1 .. 129), 400,
      qr/^too many fields/ ],
    (map { [ "/wxv2$_", { a => 1 }, 400, qr/^the path must be one of/ ] }
     '/', '/pay/orderquery?a=1', '/pay/', '/pay/order%20query',
     '/pay/orderQuery', '/pay/orderquery%3f'),
) {
    my ($uri, $body, $status, $re) = @$case;
    $Peer->plan({});
    my $res = post($Nginx, $uri, $body);
    problem_ok($res, $status, 'CLIENT-BAD_REQUEST', "$uri $re",
               message => $re);
    is(scalar $Peer->requests, 0, "$uri $re: not sent");
}

$Peer->plan({});
problem_ok(call($Nginx, GET => '/wxv2/pay/orderquery'), 405,
           'CLIENT-BAD_METHOD', 'GET');
problem_ok(post($Nginx, '/wxv2/pay/orderquery', { a => 1 }, heads =>
                { 'Content-Type' => 'application/json' }), 415,
           'CLIENT-UNSUPPORTED_MEDIA_TYPE', 'JSON');
is(scalar $Peer->requests, 0, 'not sent');

for my $type ('application/xml', 'text/xml; charset=utf-8', undef) {
    $Peer->plan({});
    is(post($Nginx, '/wxv2/pay/orderquery', { a => 1 }, heads => defined $type
            ? { 'Content-Type' => $type } : {})->{status}, 200,
       'type: ' . ($type // 'none'));
}


# -- answers that say no, signed --

for my $case ([ { result_code => 'FAIL', err_code => 'ORDERPAID' }, 200 ],
              [ { result_code => undef }, 502 ],
              [ { result_code => 'MAYBE' }, 502 ])
{
    my ($f, $status) = @$case;
    $Peer->plan({ fields => $f });
    my $res = post($Nginx, '/wxv2/pay/orderquery', { out_trade_no => 1 });
    is($res->{status}, $status, 'result_code ' . ($f->{result_code} // '-'));
    is(fields($res->{body})->{err_code}, 'ORDERPAID', 'its code is passed')
        if $status == 200;
}


# -- answers that are nobody's --

sub raw { return { text => encode_base64(Encode::encode('UTF-8', $_[0]),
                                         '') } }

my $Fail = '<xml><return_code><![CDATA[FAIL]]></return_code><return_msg>'
    . '<![CDATA[MARK]]></return_msg><code_url>MARK</code_url></xml>';

my @Bad = (
    [ { signature => 'bad' }, 'signature', 'string to sign: ' ],
    [ { signature => 'none' }, 'signature',
      'hint: answer is not signed, code SUCCESS, OK' ],
    [ { signature => 'empty' }, 'signature', 'answer is not signed' ],
    [ { signature => 'lower' }, 'signature', 'sign is in lower case' ],
    [ { change => { sign => 'xyz' } }, 'signature', 'not hexadecimal' ],
    [ { key => 'wxv2_next' }, 'signature' ],
    [ { key => 'empty' }, 'signature' ],
    [ { kind => 'HMAC-SHA256' }, 'signature',
      'sign is as long as one of HMAC-SHA256' ],
    [ { fields => { sign_type => 'HMAC-SHA256' } }, 'sign_type',
      'sign_type is not the configured MD5' ],
    [ { change => { total_fee => '1' } }, 'signature' ],
    [ { change => { recall => 'N' } }, 'signature' ],
    [ { change => { total_fee => undef } }, 'signature' ],
    [ { fields => { return_code => 'FAIL' } }, 'malformed',
      'return_code is not SUCCESS' ],
    [ { fields => { return_code => undef } }, 'malformed' ],
    [ { fields => { mch_id => undef } }, 'account_mismatch',
      'names no mch_id' ],
    [ { fields => { mch_id => '10000101' } }, 'account_mismatch',
      'answer is for another mch_id' ],
    [ { fields => { appid => 'wx2' } }, 'account_mismatch',
      'answer is for another appid' ],
    [ { fields => { sub_mch_id => '1' } }, 'account_mismatch' ],
    [ { fields => { out_trade_no => 'OTHER' } }, 'account_mismatch',
      'answer is about another out_trade_no' ],
    [ { fields => { attach => 'x&total_fee=1' } }, 'malformed',
      'the value of "attach" hides another field' ],
    [ { fields => { trade_state => 'SUCCESS&x=1' } }, 'malformed',
      'the value of "trade_state" hides another field' ],
    [ { fields => { "a\x{e4}" => 'MARK' } }, 'malformed',
      'invalid name of an element' ],
    [ raw($Fail), 'signature',
      'hint: answer is not signed, code FAIL, MARK' ],
    [ raw('<xml><return_code>FAIL</return_code><err_code>SIGNERROR'
          . '</err_code></xml>'), 'signature', 'it refuses our signature, '
      . 'look at api_key, sign_type and mchid: answer is not signed, code '
      . 'SIGNERROR' ],
    [ raw('<xml><return_code>FAIL</return_code><err_code>A B</err_code>'
          . '</xml>'), 'signature', 'hint: answer is not signed while' ],
    [ raw('<html>MARK</html>'), 'malformed' ],
    [ raw('MARK'), 'malformed' ],
    [ raw(''), 'malformed', 'empty body' ],
    [ raw('<xml><return_code>SUCCESS</return_code>MARK</xml>'), 'malformed' ],
    [ { gzip => JSON::PP::true }, 'malformed', 'answer is compressed' ],
    [ { status => 500 }, 'signature',
      'hint: trouble there, or of something before it: answer is not' ],
    [ { status => 302 }, 'signature' ],
);

for my $case (@Bad) {
    my ($plan, $reason, $hint) = @$case;
    my $what = JSON::PP->new->canonical->ascii->encode($plan);
    my $at = length $Nginx->log;
    $Peer->plan($plan, {}, {});
    my $res = post($Nginx, '/wxv2/pay/orderquery', { out_trade_no => 'T1' });
    problem_ok($res, 502, 'PROVIDER-UNVERIFIED', $what);
    logged($Nginx, qr/^unverified $reason /, "$what: reason");
    is(scalar $Peer->requests, 1, "$what: not sent again");
    $hint = quotemeta($hint // '');
    my $log = substr $Nginx->log, $at;
    like($log, qr/answer of the provider refused: $reason, .*$hint/,
         "$what: log") or diag($log);
    unlike($log, qr/192006250b4c/, "$what: no key is told");
}

# a key that is new is known by its signature; ours stays the first

$Peer->plan({ key => 'wxv2_next' });
is(post($Nginx, '/bare/pay/orderquery', { out_trade_no => 'T1' })->{status},
   200, 'keys: of either');
sent('keys');

# of a refund by its own number

for my $case ([ 'R1', 200 ], [ 'R2', 502 ]) {
    $Peer->plan({ fields => { refund_count => '1', out_refund_no => undef,
                              out_refund_no_0 => $case->[0] } });
    is(post($Nginx, '/wxv2/pay/refundquery',
            { out_refund_no => 'R1' })->{status}, $case->[1],
       "refund query: $case->[0]");
}


# -- paths whose answers nobody signs --

{
    my $bill = Encode::encode('UTF-8', "\x{feff}交易时间,MARK\r\n`1,`2\r\n");

    for my $body ($bill, "\x1f\x8b\x08\0\1\2MARK", "`1\n") {
        $Peer->plan({ text => encode_base64($body, '') });
        my $res = post($Nginx, '/wxv2/pay/downloadbill', { bill_type => 1 });
        is($res->{body}, $body, 'bill: as it is');
        is($res->{header}{'x-paygw-verified'}, 'none', 'bill: unsigned');
        is($res->{header}{'content-type'}, 'application/octet-stream',
           'bill: no type of the provider\'s');
    }

    # E: what comes in place of a bill is never data

    for my $case ([ $Fail, 'code FAIL, MARK' ], [ " \r\n$Fail", 'FAIL' ],
                  [ "\x{feff}$Fail", 'FAIL' ],
                  [ '<html>MARK', 'not signed while' ],
                  [ "\x{feff} <html>MARK", 'not signed while' ],
                  [ '', 'not signed while' ],
                  [ "\x{feff}", 'not signed while' ],
                  [ '{"errcode":"MARK"}', 'not signed while' ],
                  [ '<xml><return_code>FAIL</return_code><error_code>20002'
                    . '</error_code></xml>', 'code 20002' ])
    {
        my $at = length $Nginx->log;
        my $what = JSON::PP->new->ascii->allow_nonref->encode($case->[0]);
        $Peer->plan(raw($case->[0]));
        problem_ok(post($Nginx, '/wxv2/pay/downloadbill', { a => 1 }), 502,
                   'PROVIDER-UNVERIFIED', "bill: $what");
        like(substr($Nginx->log, $at), qr/\Q$case->[1]/, 'bill: log');
    }

    $Peer->plan({ %{ raw('`1') }, status => 500 });
    problem_ok(post($Nginx, '/wxv2/pay/downloadbill', { a => 1 }), 502,
               'PROVIDER-UNVERIFIED', 'bill: another status');

    $Peer->plan({ signature => 'none' });
    my $res = post($Nginx, '/wxv2/mmpaymkttransfers/sendredpack',
                   { mch_billno => 1 });
    is($res->{status}, 200, 'red packet: passed');
    is($res->{header}{'x-paygw-verified'}, 'none', 'red packet: unsigned');
    is(fields($res->{body})->{openid}, 'MARK', 'red packet: what it says');
    sent('red packet');

    for my $case ([ { signature => 'bad' }, 'a signature counts' ],
                  [ { signature => 'none',
                      fields => { return_code => 'FAIL' } }, 'FAIL' ],
                  [ { signature => 'none',
                      fields => { mch_id => '1' } }, 'of another' ])
    {
        $Peer->plan($case->[0]);
        problem_ok(post($Nginx, '/wxv2/mmpaymkttransfers/sendredpack',
                        { a => 1 }), 502, 'PROVIDER-UNVERIFIED',
                   "red packet: $case->[1]");
    }

    # no other call can be dressed up as one of these

    for my $uri ('/pay/downloadbill/x', '/pay/downloadbillx',
                 '/pay/micropay', '/mmpaymkttransfers',
                 '/payitil/report/x', '/payitil/reportx')
    {
        $Peer->plan({ signature => 'none' });
        problem_ok(post($Nginx, "/wxv2$uri", { a => 1 }), 502,
                   'PROVIDER-UNVERIFIED', "$uri: must be signed");
    }

    $Peer->plan({ signature => 'none' });
    problem_ok(post($Nginx, '/wxv2/mmpaymkttransfers/../pay/orderquery',
                    { a => 1 }), 502, 'PROVIDER-UNVERIFIED', 'dots');
    is(($Peer->requests)[0]{target}, '/pay/orderquery', 'dots: target');
}


# -- what is sent again: when a kept connection is closed --

for my $case ([ 'pay/unifiedorder', 1 ], [ 'secapi/pay/refund', 1 ],
              [ 'pay/orderquery', 1 ], [ 'pay/micropay', 0 ],
              [ 'mmpaymkttransfers/sendredpack', 0 ])
{
    my ($path, $again) = @$case;
    $Peer->plan({}, { drop => 1 }, {});
    post($Nginx, '/wxv2/pay/orderquery', { a => 1 });
    my $res = post($Nginx, "/wxv2/$path", { out_refund_no => 1 });
    my @got = $Peer->requests;
    is(scalar @got, 2 + $again, "E15: $path: requests");
    is($res->{status}, $again ? 200 : 504, "E15: $path: status");
    next if !$again;
    isnt($got[1]{nonce}, $got[2]{nonce}, "E15: $path: signed anew");
    is($got[2]{check}, 'ok', "E15: $path: as the provider wants it");
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');


# -- E3: the certificate of the merchant, in TLS --

sub make {
    system("cd '$Tmp' && (@_) > /dev/null 2> log") == 0
        or die join ' ', @_, `cat $Tmp/log`;
}

for my $name (qw(localhost other.test)) {
    make("openssl req -x509 -newkey rsa:2048 -nodes -keyout $name.key"
         . " -out $name.crt -days 30 -subj /CN=$name"
         . " -addext subjectAltName=DNS:$name");
}

{
    my %ask = (ask => "$Keys/mch.crt");
    my $good = $Peer->listen(tls => [ "$Tmp/localhost.crt",
                                      "$Tmp/localhost.key" ], %ask);
    my $other = $Peer->listen(tls => [ "$Tmp/other.test.crt",
                                       "$Tmp/other.test.key" ], %ask);
    my $ca = "$Tmp/localhost.crt";
    my @tls = (proxy_ssl_trusted_certificate => $ca);
    my $nginx = PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
            . $Peer->wechat_v2_cert("https://localhost:$good", @tls)
            . $Peer->wechat_v2("https://localhost:$good", @tls,
                               -name => 'bare')
            . $Peer->wechat("https://localhost:$good", @tls)
            . $Peer->wechat_v2_cert("https://localhost:$other "
                                    . "backup=https://localhost:$good",
                                    @tls, -name => 'moved')
            . $Peer->wechat_v2_cert("https://localhost:$other", @tls,
                                    -name => 'wrong'),
        server => join '', map { "location /$_/ { paygw_pass $_; }" }
                  qw(wxv2 bare wxpay moved wrong));

    # one connection after the other to one port, none lent to another channel

    my ($mine) = `openssl x509 -in $Keys/mch.crt -noout -serial` =~ /=(\w+)/;
    $mine =~ s/^0+//;

    for my $case ([ 'wxv2', '/secapi/pay/refund', $mine ],
                  [ 'bare', '/pay/orderquery', undef ],
                  [ 'wxpay', '/v3/refund/domestic/refunds', undef ],
                  [ 'wxv2', '/secapi/pay/refund', $mine ],
                  [ 'moved', '/secapi/pay/refund', $mine ])
    {
        my ($name, $path, $serial) = @$case;
        $Peer->plan({});
        is(post($nginx, "/$name$path", { out_refund_no => 1 },
                $name eq 'wxpay' ? (heads => {}) : ())->{status}, 200,
           "E3: $name$path: passed") or diag($nginx->log);
        my @got = $Peer->requests;
        is(scalar @got, 1, "E3: $name: one request");
        is($got[0]{client}, $serial, "E3: $name: certificate");
    }

    # a host that cannot show who it is gets no request

    $Peer->plan({});
    problem_ok(post($nginx, '/wrong/secapi/pay/refund',
                    { out_refund_no => 1 }), 503, 'RETRY-UNREACHABLE',
               'E3: another host');
    is(scalar $Peer->requests, 0, 'E3: another host: nothing is sent');
    ok($nginx->quit, 'E3: quits');
}


# -- nginx -t --

make("cp $Keys/mch.key open.key; chmod 644 open.key;"
     . " openssl req -x509 -newkey rsa:2048 -nodes -keyout a.key -out a.crt"
     . ' -days 30 -subj /CN=a; chmod 600 a.key');

for my $case (
    [ $Peer->wechat_v2_cert($Url), qr/test is successful/ ],
    [ $Peer->wechat_v2($Url), qr/test is successful/ ],
    [ $Peer->wechat_v2_cert('https://localhost:1'), qr/test is successful/ ],
    [ $Peer->wechat_v2_cert($Url, merchant_private_key => "$Tmp/a.key"),
      qr/"merchant_certificate" does not match "merchant_private_key" of/ ],
    [ $Peer->wechat_v2_cert($Url, merchant_certificate => "$Tmp/a.crt"),
      qr/"merchant_certificate" does not match "merchant_private_key" of/ ],
    [ $Peer->wechat_v2_cert($Url, merchant_private_key => undef),
      qr/no "merchant_private_key" is defined for channel "wxv2"/ ],
    [ $Peer->wechat_v2_cert($Url, merchant_certificate => undef),
      qr/no "merchant_certificate" is defined for channel "wxv2"/ ],
    [ $Peer->wechat_v2_cert($Url, merchant_private_key => "$Tmp/open.key"),
      qr/open\.key" .*(?:readable|everyone)/ ],
    [ $Peer->wechat_v2_cert($Url, merchant_private_key => "$Keys/ec.key",
                            merchant_certificate => "$Keys/ec.crt"),
      qr/"merchant_private_key" of channel "wxv2" cannot sign, an RSA key/ ],
    [ $Peer->wechat_v2_cert($Url, proxy_ssl_certificate => "$Keys/mch.crt"),
      qr/has a certificate of the merchant and "proxy_ssl_certificate"/ ],
    [ $Peer->wechat_v2_cert($Url,
                            proxy_ssl_certificate_key => "$Keys/mch.key"),
      qr/has a certificate of the merchant and "proxy_ssl_certificate"/ ],
    [ $Peer->wechat_v2(undef), qr/needs "endpoint" in channel "wxv2", add/ ],
    [ $Peer->wechat_v2("$Url/x"), qr/must have no path/ ],
    [ $Peer->wechat_v2('http://192.0.2.1'), qr/must be "https:\/\/"/ ],
) {
    my ($http, $re) = @$case;
    like(conf($http), $re, "nginx -t: $re");
}

done_testing();
