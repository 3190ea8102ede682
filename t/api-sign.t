# paygw_api: the second signature, for the payer's side, and the requests that
# are made of an order.  What is compared with is the openssl command, and the
# strings of the vectors.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Copy ();
use File::Temp ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);

use PaygwApi;
use PaygwCases qw(cases ran);
use PaygwNginx;
use PaygwPeer ();
use PaygwTest ();

my $Data = "$PaygwTest::Root/t/data";
my $Tmp = File::Temp::tempdir('paygw-sign-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $Json = JSON::PP->new->utf8->canonical;
my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my @Notify = (notify_url => 'https://pay.example.com/n');

# nobody else may read a private key, and git does not keep modes

sub secret {
    my $file = shift;
    my $copy = "$Tmp/" . ($file =~ s{/}{_}gr);
    File::Copy::copy("$Data/$file", $copy) or die "$file: $!";
    chmod 0600, $copy;
    return $copy;
}

sub openssl_sign {
    my ($key, $text) = @_;
    open my $fh, '>:raw', "$Tmp/text" or die $!;
    print $fh $text;
    close $fh;
    my $sig = `openssl dgst -sha256 -sign '$key' '$Tmp/text'`;
    return encode_base64($sig, '');
}

my $Wx = secret('wechat_v3/merchant_key.pem');
my $App = secret('alipay/keys/app_private_pkcs1.pem');

my $Nginx = PaygwNginx->start(store => 1,
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . $Peer->wechat($Url, @Notify, merchant_private_key => $Wx,
              merchant_certificate => "$Data/wechat_v3/merchant_cert.pem",
              appid => 'wxd678efh567hg6787 wxother')
        . $Peer->wechat($Url, @Notify, -name => 'partner',
              sub_mchid => '1900000109', mchid => '1900009192',
              appid => 'wxd678efh567hg6787 wxsub')
        . $Peer->alipay($Url, @Notify, app_private_key => $App),
    server => 'location /pay/ { paygw_api wxpay partner alipay; }');

my $Api = PaygwApi->new($Nginx, '/pay');


# -- WeChat Pay: the vectors, of our time and nonce --

{
    for my $v (cases('wechat_v3/client_pay.json')) {
        my $in = $v->{inputs};
        my $out = $v->{expect}{output};
        my $app = exists $in->{prepayid};
        my $prepay = $app ? $in->{prepayid}
                          : $in->{package} =~ s/^prepay_id=//r;

        is(openssl_sign($Wx, $v->{string_to_sign}), $v->{signature},
           "$v->{name}: openssl agrees with the vector");

        $Peer->plan({ body => $Json->encode({ prepay_id => $prepay }) });
        my $res = $Api->post('/orders', $Api->order(
            channel => 'wxpay', method => $app ? 'app' : 'jsapi',
            $app ? () : (payer => { id => 'o1' })));
        my $data = $Api->ok($res, $v->{name});

        my $got = $data->{action}{params};
        my ($stamp, $nonce) = $app ? qw(timestamp noncestr)
                                   : qw(timeStamp nonceStr);
        my $sign = $app ? 'sign' : 'paySign';

        is($data->{action}{type}, $app ? 'app' : 'jsapi', 'action');
        is(join(' ', sort keys %$got), join(' ', sort keys %$out),
           "$v->{name}: all of it");

        for my $name (sort keys %$out) {
            next if $name =~ /^($stamp|$nonce|$sign)$/;
            is($got->{$name}, $out->{$name}, "$v->{name}: $name");
        }

        like($got->{$nonce}, qr/^[0-9A-Za-z]{32}$/, "$v->{name}: nonce");
        cmp_ok(abs($got->{$stamp} - time), '<', 120, "$v->{name}: time");
        like($res->{body}, qr/"$stamp":"\d+"/, "$v->{name}: a string");

        # the vector's string with our time and nonce in it

        my $text = $v->{string_to_sign};
        $text =~ s/\Q$in->{$stamp}\E/$got->{$stamp}/;
        $text =~ s/\Q$in->{$nonce}\E/$got->{$nonce}/;
        is($got->{$sign}, openssl_sign($Wx, $text),
           "$v->{name}: the signature that openssl makes");
        ran($v);
    }
}

# the appid is that of the payer's openid

{
    $Peer->plan({ body => '{"prepay_id":"wx1"}' });
    my $data = $Api->ok($Api->post('/orders', $Api->order(
        channel => 'wxpay', method => 'jsapi',
        payer => { id => 'o1', appid => 'wxother' })), 'another appid');
    my $p = $data->{action}{params};
    is($p->{appId}, 'wxother', 'another appid: told');
    is($p->{paySign}, openssl_sign($Wx, "wxother\n$p->{timeStamp}\n"
                                   . "$p->{nonceStr}\nprepay_id=wx1\n"),
       'another appid: signed');
    my ($r) = $Peer->requests(1);
    is($Json->decode($r->{body})->{appid}, 'wxother', 'another appid: asked');
}

# partner mode: other names, other paths

{
    my $id = PaygwApi::number();
    my @of = (channel => 'partner');
    $Peer->plan({ body => '{"prepay_id":"wx1"}' });
    $Api->ok($Api->post('/orders', $Api->order(
        order_id => $id, method => 'jsapi', payer => { id => 'o1' }, @of)),
        'partner');
    my ($r) = $Peer->requests(1);
    my $sent = $Json->decode($r->{body});
    is($r->{target}, '/v3/pay/partner/transactions/jsapi', 'partner: path');
    is("$sent->{sp_mchid} $sent->{sub_mchid} $sent->{sp_appid} "
       . $sent->{payer}{sp_openid},
       '1900009192 1900000109 wxd678efh567hg6787 o1', 'partner: account');
    ok(!exists $sent->{mchid} && !exists $sent->{appid}, 'partner: alone');

    $Peer->plan({ body => '{"prepay_id":"wx1"}' });
    my $data = $Api->ok($Api->post('/orders', $Api->order(
        method => 'app', @of)), 'partner app');
    is($data->{action}{params}{partnerid}, '1900000109',
       'partner app: partnerid');
    $Peer->requests(1);

    # a payer of the sub-merchant's own application
    $Peer->plan({ body => '{"prepay_id":"wx1"}' });
    $data = $Api->ok($Api->post('/orders', $Api->order(
        method => 'jsapi', payer => { id => 'o2', appid => 'wxsub' }, @of)),
        'partner: of the sub-merchant');
    is($data->{action}{params}{appId}, 'wxsub', 'sub_appid: who signs in');
    ($r) = $Peer->requests(1);
    $sent = $Json->decode($r->{body});
    is("$sent->{sp_appid} $sent->{sub_appid}", 'wxd678efh567hg6787 wxsub',
       'sub_appid: asked');
    is(join(' ', %{ $sent->{payer} }), 'sub_openid o2', 'sub_openid');

    my $other = PaygwApi::number();
    my %paid = (out_trade_no => $other, sp_mchid => '1900009192',
                sub_mchid => '1900000109', trade_state => 'SUCCESS',
                transaction_id => '1', amount => { total => 100,
                                                   currency => 'CNY' },
                payer => { sub_openid => 'o2' });
    $Peer->plan({ body => $Json->encode(\%paid) });
    $data = $Api->ok($Api->get("/orders/$other", @of), 'partner: paid');
    is($data->{payer}, 'o2', 'partner: by whom');
    $Peer->requests(1);

    my %trade = (out_trade_no => $id, sp_mchid => '1900009192',
                 sub_mchid => '1900000109', trade_state => 'NOTPAY');
    $Peer->plan({ body => $Json->encode(\%trade) });
    $Api->ok($Api->get("/orders/$id", @of), 'partner: query');
    ($r) = $Peer->requests(1);
    is($r->{target}, "/v3/pay/partner/transactions/out-trade-no/$id"
       . '?sp_mchid=1900009192&sub_mchid=1900000109',
       'partner: query: path');

    for my $name (qw(sp_mchid sub_mchid)) {
        $Peer->plan({ body => $Json->encode({ %trade, $name =>
                                                  '1900000000' }) });
        $Api->problem($Api->get("/orders/$id", @of), 502,
                      'PROVIDER-UNVERIFIED', "partner: another $name");
    }

    $Peer->plan({ status => 204 , body => '' });
    $Api->ok($Api->post("/orders/$id/close", { @of }), 'partner: close');
    ($r) = $Peer->requests(1);
    is($r->{target}, "/v3/pay/partner/transactions/out-trade-no/$id/close",
       'partner: close: path');

    $Peer->plan({ body => $Json->encode({
        out_trade_no => $id, out_refund_no => 'R1', refund_id => '5',
        status => 'SUCCESS', amount => { refund => 1, total => 2 } }) });
    $Api->ok($Api->get("/orders/$id/refunds/R1", @of), 'partner: refund');
    ($r) = $Peer->requests(1);
    is($r->{target}, '/v3/refund/domestic/refunds/R1?sub_mchid=1900000109',
       'partner: refund: path');
}

# h5: where the browser goes afterwards

for ([ 'https://wx.tenpay.com/x?prepay_id=1' => '&' ],
     [ 'https://wx.tenpay.com/x' => '?' ])
{
    my ($url, $mark) = @$_;
    $Peer->plan({ body => $Json->encode({ h5_url => $url }) });
    my $data = $Api->ok($Api->post('/orders', $Api->order(
        channel => 'wxpay', method => 'h5', payer => { ip => '203.0.113.9' },
        return_url => 'https://shop/back?a=b&c=d')), "h5 $mark");
    is($data->{action}{url}, $url . $mark . 'redirect_url='
       . 'https%3A%2F%2Fshop%2Fback%3Fa%3Db%26c%3Dd', "h5 $mark: url");
    my ($r) = $Peer->requests(1);
    is_deeply($Json->decode($r->{body})->{scene_info},
              { payer_client_ip => '203.0.113.9',
                h5_info => { type => 'Wap' } }, 'h5: scene_info');
}


# -- Alipay: the signed order, without a call --

sub parts {
    my %p = map { my ($n, $v) = split /=/, $_, 2;
                  $v =~ s/%(..)/chr hex $1/ge; ($n, $v) } split /&/, shift;
    return \%p;
}

for my $method (qw(app page wap)) {
    my $order = $Api->order(channel => 'alipay', method => $method,
                            subject => "a 'x' \"y\" <b>+%", expires_in => 600,
                            return_url => 'https://shop/back?a=b&c=d');
    $Peer->plan();
    my $data = $Api->ok($Api->post('/orders', $order), "alipay $method");
    is(scalar $Peer->requests, 0, "$method: nothing is sent");

    my $text = $data->{action}{params}{orderStr} // $data->{action}{url};

    if ($method ne 'app') {
        ok($text =~ s{^\Q$Url\E/gateway\.do\?}{}, "$method: a URL of Alipay");
    }

    my $p = parts($text);
    my $sign = delete $p->{sign};
    my $string = join '&', map { "$_=$p->{$_}" } sort keys %$p;

    is($sign, openssl_sign($App, $string),
       "$method: the signature that openssl makes");
    is($p->{method}, "alipay.trade.$method.pay", "$method: method");
    is($p->{return_url}, $order->{return_url}, "$method: return_url");
    is($p->{notify_url}, $Notify[1], "$method: notify_url");
    is("$p->{sign_type} $p->{charset} $p->{version}", 'RSA2 utf-8 1.0',
       "$method: system");

    my $biz = $Json->decode($p->{biz_content});
    is($biz->{product_code}, { app => 'QUICK_MSECURITY_PAY',
                               page => 'FAST_INSTANT_TRADE_PAY',
                               wap => 'QUICK_WAP_WAY' }->{$method},
       "$method: product_code");
    is("$biz->{subject} $biz->{total_amount} $biz->{out_trade_no}",
       "$order->{subject} 1.00 $order->{order_id}", "$method: order");
    is($biz->{quit_url}, $method eq 'wap' ? $order->{return_url} : undef,
       "$method: quit_url");
    like($biz->{time_expire}, qr/^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d$/,
         "$method: time_expire");
}

for ([ '2088101122136241' => 'buyer_id' ],
     [ '074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5' =>
           'buyer_open_id' ], [ '2088101122136241x' => 'buyer_open_id' ])
{
    my ($payer, $name) = @$_;
    $Peer->plan({ content => '{"code":"10000","trade_no":"2",'
                  . '"out_trade_no":"T1"}' });
    my $data = $Api->ok($Api->post('/orders', $Api->order(
        channel => 'alipay', order_id => 'T1', method => 'jsapi',
        payer => { id => $payer })), "alipay jsapi $name");
    is_deeply($data->{action}, { type => 'jsapi', params =>
                                     { tradeNO => '2' } }, 'jsapi: action');
    my ($r) = $Peer->requests(1);
    my $biz = JSON::PP->new->decode($r->{params}{biz_content});
    is($biz->{$name}, $payer, "jsapi: $name");
    is("$biz->{product_code} $biz->{op_app_id}",
       'JSAPI_PAY 2021000000000001', 'jsapi: product');
}

# the keys stay where they are

my $secret = do { open my $fh, '<', $Wx or die $!; local $/; <$fh> };
my ($line) = $secret =~ /^([A-Za-z0-9+\/]{64})$/m;

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\Q$line\E/, 'no key in the log');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
