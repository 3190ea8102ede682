# What is encrypted inside of calls, against the sandbox: it has read what was
# meant for it, and what it encrypts for us is opened.  Its log of calls says
# which plain text it has found.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Temp ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);
use POSIX 'strftime';

use PaygwApi;
use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwSandbox;
use PaygwTest ();

my $Sandbox = PaygwSandbox->start;
my $D = $Sandbox->{dir};
my $Ids = $Sandbox->{ids};
my $Json = JSON::PP->new->utf8->canonical;
my $Tmp = File::Temp::tempdir('paygw-sealed-XXXXXX', TMPDIR => 1,
                              CLEANUP => 1);
my $Who = "\x{5f20}\x{4e09}";
my $Card = '6226090000000048';
my @Slow = (proxy_read_timeout => '20s', paygw_breaker => 'off');
my @Wx = (@Slow, encrypt_fields => '/encrypted_echo_message '
              . '/transfer_detail_list/*/user_name',
          decrypt_fields => '/encrypted_echo_message /user_name');
my @Up = (@Slow, encrypt_fields => 'accNo customerInfo pin',
          decrypt_fields => 'accNo customerInfo', 'encrypt_cert');
my @Ali = (@Slow, notify_url => 'http://127.0.0.1:1/n');

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:2m;\n    paygw_deadline 30s;\n"
        . $Sandbox->wechat(@Wx, platform_certificate =>
                               "$D/wechat/platform_cert_a.pem")
        . $Sandbox->wechat(@Wx, platform_public_key =>
                               "$Ids->{pub_key_id} $D/wechat/pub_key.pem")
              =~ s/wxpay/pub/r
        . $Sandbox->unionpay(@Up => "$D/unionpay/enc.cer")
        . $Sandbox->unionpay(@Up => "$D/unionpay/sign.cer")
              =~ s/unionpay \{/other {/r
        . $Sandbox->alipay(@Ali, aes_key => "file:$D/alipay/aes.key",
                           alipay_public_key => "$D/alipay/alipay_public.pem")
        . $Sandbox->alipay_cert(@Ali, aes_key => "file:$D/alipay/aes.key",
                                alipay_cert => "$D/alipay/alipay_cert.crt")
              =~ s/alipay \{/certs {/r
        . $Sandbox->alipay(@Ali, aes_key => 'text:' . encode_base64(
                               'x' x 16, ''),
                           alipay_public_key => "$D/alipay/alipay_public.pem")
              =~ s/alipay \{/wrong {/r,
    server => join('', map { "location /$_/ { paygw_pass $_; }" }
                   qw(wxpay pub unionpay other alipay certs wrong))
        . 'location /api/ { paygw_api alipay; }');

sub json {
    my ($path, $value, %heads) = @_;
    return call($Nginx, POST => $path, body => $Json->encode($value),
                heads => { 'Content-Type' => 'application/json', %heads });
}

sub form {
    my ($path, %p) = @_;
    return call($Nginx, POST => $path,
                heads => { 'Content-Type' =>
                               'application/x-www-form-urlencoded' },
                body => join '&', map { my $v = $p{$_};
                    $v =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ge;
                    "$_=$v" } sort keys %p);
}

# the newest call that the sandbox has had, and what it has opened in it

sub opened {
    my $calls = $Sandbox->get('calls')->{calls};
    my $opened = $calls->[-1]{opened} or return undef;

    # its text comes as bytes of UTF-8
    for my $plain (values %$opened) {
        utf8::decode($plain) if !ref $plain;
    }

    return $opened;
}

# RSA by the openssl command

sub sealed {
    my ($text, $cert) = @_;
    open my $fh, '>:raw', "$Tmp/in" or die $!;
    print $fh $text;
    close $fh;
    system('openssl', 'pkeyutl', '-encrypt', '-certin', '-inkey', $cert,
           '-in', "$Tmp/in", '-out', "$Tmp/out", map { ('-pkeyopt', $_) }
           qw(rsa_padding_mode:oaep rsa_oaep_md:sha1 rsa_mgf1_md:sha1)) == 0
        or die 'openssl';
    return encode_base64(PaygwTest::file_from("$Tmp/out", 0), '');
}


# -- WeChat Pay: fields --

for my $where (qw(wxpay pub)) {
    my $value = { echo_message => 'x', encrypted_echo_message => $Who };
    my $res = json("/$where/v3/security/echo", $value);
    is($res->{status}, 200, "$where: passed") or diag($res->{body});
    is_deeply(opened(), { '/encrypted_echo_message' => $Who },
              "$where: the sandbox has read it");
    is_deeply($Json->decode($res->{body}), $value,
              "$where: what it encrypted for us is opened");
    is($res->{header}{'x-paygw-verified'}, 'signature', "$where: verified");

    my $n = $where eq 'pub' ? 2 : 1;
    $res = json("/$where/v3/transfer/batches", {
        appid => $Ids->{appid}, out_batch_no => "B$n", batch_name => 'x',
        batch_remark => 'x', total_amount => 30, total_num => 2,
        transfer_detail_list => [
            { out_detail_no => 'D1', transfer_amount => 10, openid => 'o1',
              transfer_remark => 'x', user_name => $Who },
            { out_detail_no => 'D2', transfer_amount => 20, openid => 'o2',
              transfer_remark => 'x', user_name => 'two' } ] });
    is($res->{status}, 200, "$where: transfer: passed")
        or diag($res->{body});
    is_deeply(opened(), { '/transfer_detail_list/0/user_name' => $Who,
                          '/transfer_detail_list/1/user_name' => 'two' },
              "$where: transfer: the sandbox has read them");
    $res = call($Nginx, GET => "/$where/v3/transfer/batches/out-batch-no/B$n"
                . '/details/out-detail-no/D1');
    is($Json->decode($res->{body})->{user_name}, $Who,
       "$where: transfer: opened again");
}

# a caller who encrypts on his own, and how the sandbox tells what is wrong

{
    my $a = "$D/wechat/platform_cert_a.pem";
    for my $case (
        [ 'his own', sealed('mine', $a), $Ids->{serial_a}, 200, '' ],
        [ 'of another key', sealed('mine', "$D/wechat/platform_cert_b.pem"),
          $Ids->{serial_a}, 400,
          "\x{5e73}\x{53f0}\x{79c1}\x{94a5}\x{89e3}\x{5bc6}" ],
        [ 'in clear', 'mine', $Ids->{serial_a}, 400,
          "\x{52a0}\x{5bc6}\x{540e}\x{7684}\x{5bc6}\x{6587}" ],
    ) {
        my ($what, $text, $serial, $status, $message) = @$case;
        my $res = json('/wxpay/v3/security/echo', {
            echo_message => 'x', encrypted_echo_message => $text },
            'Wechatpay-Serial' => $serial);
        is($res->{status}, $status, "by the caller, $what")
            or diag($res->{body});
        my $got = $Json->decode($res->{body});
        my $opened = opened();

        if ($status == 200) {
            is($opened->{'/encrypted_echo_message'}, 'mine',
               "by the caller, $what: read");
            next;
        }

        is($opened, undef, "by the caller, $what: not read");
        is($got->{code}, 'PARAM_ERROR', "by the caller, $what: code");
        like($got->{message}, qr/$message/, "by the caller, $what: message");
        is($res->{header}{'x-paygw-verified'}, 'signature',
           "by the caller, $what: verified");
    }

    problem_ok(json('/wxpay/v3/security/echo', {
                    echo_message => 'x', encrypted_echo_message =>
                        sealed('mine', $a) },
                    'Wechatpay-Serial' => '00FF'),
               400, 'CLIENT-BAD_REQUEST', 'by the caller, no key of ours');
}


# -- UnionPay: fields --

{
    my $time = strftime('%Y%m%d%H%M%S', gmtime(time + 8 * 3600));
    my $id = sprintf 'S%dr%06d', $$, rand 1e6;
    my %order = (orderId => $id, txnTime => $time, txnType => '01',
                 txnSubType => '01', bizType => '000201', accessType => '0',
                 channelType => '08', txnAmt => 100, currencyCode => '156',
                 backUrl => 'http://127.0.0.1:1/n', accNo => $Card,
                 customerInfo => '{certifTp=01&customerNm=x&phoneNo=181'
                     . '&cvn2=248&expired=1912}', pin => '123456');
    my $res = form('/other/gateway/api/appTransReq.do', %order);
    like($res->{body}, qr/(?:^|&)respCode=11&/,
         'UnionPay: another certificate') or diag($res->{body});
    is(opened(), undef, 'UnionPay: another certificate: not read');

    $res = form('/unionpay/gateway/api/appTransReq.do', %order);
    like($res->{body}, qr/(?:^|&)respCode=00(?:&|$)/, 'UnionPay: passed')
        or diag($res->{body}, $Nginx->log);
    is_deeply(opened(), { accNo => $Card, pin => '123456', customerInfo => {
        certifTp => '01', customerNm => 'x', phoneNo => '181',
        cvn2 => '248', expired => '1912' } },
              'UnionPay: the sandbox has read them');

    $res = form('/unionpay/gateway/api/queryTrans.do', orderId => $id,
                txnTime => $time, txnType => '00', txnSubType => '00',
                bizType => '000201', accessType => '0');
    like($res->{body}, qr/(?:^|&)accNo=$Card(?:&|$)/,
         'UnionPay: what it encrypted for us is opened')
        or diag($res->{body});
    my ($info) = $res->{body} =~ /(?:^|&)customerInfo=([^&]*)/;
    is(decode_base64($info // ''), '{certifTp=01&customerNm=x&phoneNo=181'
       . '&cvn2=248&expired=1912}', 'UnionPay: and what is in customerInfo');

    # of an odd number of digits; and none

    $res = form('/unionpay/gateway/api/appTransReq.do', %order,
                orderId => $id =~ s/r/p/r, pin => '1234567');
    is(opened()->{pin}, '1234567', 'UnionPay: a pin of seven');
    problem_ok(form('/unionpay/gateway/api/appTransReq.do', %order,
                    pin => '123'), 400, 'CLIENT-BAD_REQUEST',
               'UnionPay: no pin', message => qr/^pin must be 4 to 12/);

    # a caller with text that was never encrypted

    $res = form('/unionpay/gateway/api/appTransReq.do', %order,
                encryptCertId => $Ids->{encryptCertId});
    like($res->{body}, qr/(?:^|&)respCode=10&/, 'UnionPay: in clear');
}


# -- Alipay: contents --

for my $where (qw(alipay certs)) {
    my $id = PaygwApi::number();
    my $biz = { out_trade_no => $id, total_amount => '1.00',
                subject => $Who, buyer_id => '2088' };
    my $res = form("/$where/gateway.do", method => 'alipay.trade.create',
                   biz_content => $Json->encode($biz));
    my $got = $Json->decode($res->{body})->{alipay_trade_create_response};
    is("$got->{code} $got->{out_trade_no}", "10000 $id", "$where: opened")
        or diag($res->{body}, $Nginx->log);
    is_deeply(JSON::PP->new->decode(opened()->{biz_content}), $biz,
              "$where: the sandbox has read it");
    is($res->{header}{'x-paygw-verified'}, 'signature', "$where: verified");

    # an error of the business comes encrypted, too

    $res = form("/$where/gateway.do", method => 'alipay.trade.query',
                biz_content => '{"out_trade_no":"NONE"}');
    $got = $Json->decode($res->{body})->{alipay_trade_query_response};
    is($got->{sub_code}, 'ACQ.TRADE_NOT_EXIST', "$where: an error");

    # the REST form

    $res = json("/$where/v3/alipay/trade/query", { out_trade_no => $id });
    $got = $Json->decode($res->{body});
    is("$res->{status} " . ($got->{out_trade_no} // ''), "200 $id",
       "$where: REST: opened") or diag($res->{body}, $Nginx->log);
    is(opened()->{body}, qq({"out_trade_no":"$id"}),
       "$where: REST: the sandbox has read it");
    $res = json("/$where/v3/alipay/trade/query", { out_trade_no => 'NONE' });
    $got = $Json->decode($res->{body});
    is("$res->{status} $got->{code}", '400 ACQ.TRADE_NOT_EXIST',
       "$where: REST: an error");
}

{
    # a key that the app does not have: told in clear, and signed

    my $res = form('/wrong/gateway.do', method => 'alipay.trade.query',
                   biz_content => '{"out_trade_no":"T1"}');
    my $got = $Json->decode($res->{body})->{alipay_trade_query_response};
    is($got->{sub_code}, 'isv.decryption-error-unknown', 'another key');
    is(opened(), undef, 'another key: not read');
    $res = json('/wrong/v3/alipay/trade/query', { out_trade_no => 'T1' });
    is("$res->{status} " . $Json->decode($res->{body})->{code},
       '400 isv.decryption-error-unknown', 'another key: REST');

    # what is bent on its way does not verify, sealed or not

    $Sandbox->post('answers', { fault => $_, times => 1 }),
        problem_ok(form('/alipay/gateway.do', method => 'alipay.trade.query',
                        biz_content => '{"out_trade_no":"T1"}'),
                   502, 'PROVIDER-UNVERIFIED', "answer: $_")
        for qw(bad_signature changed unsigned twin);
}

# and the unified API

{
    my $api = PaygwApi->new($Nginx, '/api');
    my $id = PaygwApi::number();
    my $res = $api->post('/orders', $api->order(
        order_id => $id, channel => 'alipay', method => 'jsapi',
        payer => { id => '2088101122136241' }));
    is($res->{json}{code}, 'OK', 'api: made') or diag($res->{body});
    like(opened()->{biz_content}, qr/"\Q$id\E"/,
         'api: the sandbox has read it');
    $Sandbox->post("orders/$id/pay?provider=alipay", {});
    is($api->get("/orders/$id", channel => 'alipay')->{json}{data}{state},
       'PAID', 'api: paid');
    like(opened()->{biz_content}, qr/"\Q$id\E"/, 'api: query: read');
    $res = $api->post("/orders/$id/refunds",
                      { channel => 'alipay', refund_id => "R$id",
                        amount => 1 });
    is($res->{json}{code}, 'OK', 'api: refunded') or diag($res->{body});
    like(opened()->{biz_content}, qr/"R\Q$id\E"/, 'api: refund: read');
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
