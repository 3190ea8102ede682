# The vectors of calls through paygw_api: what it makes of an order of ours is
# what the vector has, and an answer is told if and only if the vector says that
# it is genuine.  See vectors-pass.t; stores are not used.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Encode ();
use File::Copy ();
use File::Temp ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);
use Time::Local ();

use PaygwApi;
use PaygwCases qw(case cases ran whole);
use PaygwNginx;
use PaygwPeer ();
use PaygwTest ();

my $Data = "$PaygwTest::Root/t/data";
my $Json = JSON::PP->new->utf8->canonical;
my $Tmp = File::Temp::tempdir('paygw-vec-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Zone = "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
           . "    paygw_binding off;\n";
my @Once = (paygw_retry => 'off');
my $Time = Time::Local::timegm(5, 4, 3, 2, 0, 2025) - 8 * 3600;

# git does not keep modes, and nobody else may read a secret

sub secret {
    my ($name, $text) = @_;
    my $file = "$Tmp/" . ($name =~ s{/}{_}gr);
    if (defined $text) {
        open my $fh, '>:raw', $file or die $!;
        print $fh $text;
        close $fh;
    } else {
        File::Copy::copy("$Data/$name", $file) or die "$name: $!";
    }
    chmod 0600, $file;
    return $file;
}

sub bytes {
    my $in = shift;
    return decode_base64($in->{body_b64}) if defined $in->{body_b64};
    return decode_base64($in->{body_base64}) if $in->{body_base64};
    return Encode::encode('UTF-8', $in->{body});
}

sub answer {
    my ($status, $body, %heads) = @_;
    return { raw => encode_base64("HTTP/1.1 $status X\r\n"
        . join('', map { "$_: $heads{$_}\r\n" } sort keys %heads)
        . "Connection: close\r\n"
        . ($status == 204 ? '' : 'Content-Length: ' . length($body) . "\r\n")
        . "\r\n$body", '') };
}

sub openssl_verifies {
    my ($cert, $sig, $text) = @_;
    for ([ 'text', $text ], [ 'sig', decode_base64($sig) ]) {
        open my $fh, '>:raw', "$Tmp/$_->[0]" or die $!;
        print $fh $_->[1];
        close $fh;
    }
    system("openssl x509 -in '$cert' -noout -pubkey > $Tmp/pub") == 0 or die;
    return `openssl dgst -sha256 -verify $Tmp/pub -signature $Tmp/sig \\
            $Tmp/text 2>&1` =~ /Verified OK/;
}

# told as it is; or genuine and not an answer to this call; or not genuine

sub told {
    my ($api, $nginx, $at, $res, $want, $name) = @_;
    my $log = substr $nginx->log, $at;

    if ($want eq 'forged') {
        $api->problem($res, 502, 'PROVIDER-UNVERIFIED', $name);
        unlike($res->{body}, qr/weixin:|qr_code|trade_no|JyC9/,
               "$name: nothing of the provider");
        return;
    }

    $api->envelope($res, $name);
    is("$res->{status} " . ($res->{json}{code} // ''), $want, $name)
        or diag($log);
    unlike($log, qr/answer of the provider refused/, "$name: verified");
}


# -- WeChat Pay --

{
    my $file = whole('wechat_v3/calls.json');
    my $d = "$Data/wechat_v3";
    my $key = 'PUB_KEY_ID_0119000091912024101600000000000001';
    my $conf = PaygwPeer::channel('wxpay', 'wechat_v3',
        appid => $file->{constants}{appid}, mchid => '1900009191',
        apiv3_key => "file:$Peer->{keys}/apiv3.key", endpoint => $Url,
        merchant_private_key => secret('wechat_v3/merchant_key.pem'),
        merchant_certificate => "$d/merchant_cert.pem",
        platform_certificate => [ map { "$d/platform_cert_$_.pem" }
                                  qw(a b) ],
        platform_public_key => "$key $d/wechatpay_pub_key.pem",
        notify_url => 'https://pay.example.com/notify/wechatpay',
        paygw_breaker => 'off', @Once);
    my $nginx = PaygwNginx->start(http => $Zone . $conf,
        server => 'location / { paygw_api wxpay; } '
            . 'location = /time { paygw_test_time; }');
    my $api = PaygwApi->new($nginx, '');
    my %v = map { ($_->{name} => $_) } @{ $file->{vectors} };
    my $id = '20241027_000001';

    # the calls that it makes, by the name of the vector

    my $paid = $Json->encode({
        appid => $file->{constants}{appid}, mchid => '1900009191',
        out_trade_no => $id, transaction_id => '42', trade_state =>
        'SUCCESS', amount => { total => 100, currency => 'CNY' } });
    my %make = (
        v3_req_jsapi_post => sub {
            my $sent = shift;
            return $api->post('/orders', $api->order(
                order_id => $id, subject => $sent->{description},
                method => 'jsapi', payer => { id => $sent->{payer}{openid} }))
        },
        v3_req_query_get => sub { $api->get("/orders/$id") },
        v3_req_close_post => sub { $api->post("/orders/$id/close") },
        v3_req_refund_post => sub {
            my $sent = shift;
            return $api->post("/orders/$id/refunds", {
                refund_id => $sent->{out_refund_no}, amount => 40,
                reason => $sent->{reason} }) },
        v3_req_bill_get => sub { $api->get('/bills/wxpay/2024-10-26') },
    );

    for my $name (sort keys %make) {
        my $in = $v{$name}{inputs};
        ran($v{$name});
        my $body = bytes($in) // '';
        my $refund = $name =~ /refund/;

        # a refund asks for the order first

        my @first;
        if ($refund) {
            my $answer = { body => $paid, key => 'wx_a' };
            @first = ($answer);
        }
        $Peer->plan(@first, {});
        $make{$name}->(length $body ? $Json->decode($body) : undef);
        my ($r) = reverse $Peer->requests(1);

        if ($refund) {

            # its key is another one: what was asked for is the same

            is($r->{target}, "/v3/pay/transactions/out-trade-no/$id"
               . '?mchid=1900009191', "$name: the order first");
            next;
        }

        my $target = $in->{canonical_url};
        $target =~ s/&bill_type=.*//;
        like("$r->{method} $r->{target}", qr/^$in->{method}\ \Q$target\E/x,
             "$name: target");
        is_deeply(length $r->{body} ? $Json->decode($r->{body}) : '',
                  length $body ? $Json->decode($body) : '', "$name: body");
        my %f = $r->{head}{authorization} =~ /(\w+)="([^"]*)"/g;
        is($f{serial_no}, $v{$name}{expect}{authorization_fields}{serial_no},
           "$name: serial");
        ok(openssl_verifies("$d/merchant_cert.pem", $f{signature},
               join("\n", $r->{method}, $r->{target}, $f{timestamp},
                    $f{nonce_str}, "$r->{body}\n")),
           "$name: openssl verifies it");
    }

    # the answers

    for my $v (grep { $_->{kind} eq 'response_verify' }
               @{ $file->{vectors} })
    {
        my ($in, $expect, $name) = @$v{qw(inputs expect name)};

        next if $name =~ /billfile/;    # it is one of others, see below

        is($nginx->get("/time?at=$in->{now}"), $in->{now}, "$name: its time");

        my $at = length $nginx->log;
        $Peer->plan(answer($in->{http_status}, bytes($in),
                           %{ $in->{headers} }));
        my $res = $in->{http_status} == 204
            ? $api->post('/orders/T20250102/close')
            : $api->post('/orders', $api->order);
        told($api, $nginx, $at, $res, $expect->{ok} ? '200 OK' : 'forged',
             $name);
        is($res->{json}{data}{action}{code},
           'weixin://wxpay/bizpayurl?pr=JyC91EIz1', "$name: what was signed")
            if $expect->{ok} && $in->{http_status} == 200;
        ran($v);
    }

    ok($nginx->quit, 'wechat: quits');
}


# -- WeChat Pay v2 --

{
    my %nginx;
    for my $v (cases('wechat_v2/response_verify.json')) {
        my ($in, $name) = @$v{qw(inputs name)};
        my $kind = $in->{sign_type};
        my $nginx = $nginx{$kind} ||= PaygwNginx->start(
            http => $Zone . $Peer->wechat_v2($Url, @Once,
                api_key => 'file:' . secret('api', $in->{key}),
                sign_type => $kind, appid => $in->{expected_appid},
                mchid => $in->{expected_mch_id},
                notify_url => 'https://pay.example.com/n'),
            server => 'location / { paygw_api wxv2; }');
        my $api = PaygwApi->new($nginx, '');
        my $at = length $nginx->log;

        $Peer->plan(answer(200, decode_base64($in->{xml_b64})));
        my $res = $api->post('/orders', $api->order);
        my ($word) = $name =~ /_err_(\w+)/;

        # what becomes of errors is in vectors-errors.t

        if ($v->{expect}{ok} && $word) {
            $api->envelope($res, $name);
            is($res->{json}{data}{provider_code}, $word,
               "$name: what was signed");
        } else {
            told($api, $nginx, $at, $res, $v->{expect}{ok} ? '200 OK'
                                          : 'forged', $name);
        }
        ran($v);
    }

    ok($nginx{$_}->quit, "v2 $_: quits") for sort keys %nginx;
}


# -- UnionPay --

my $Secret = 'file:' . secret('secure', '979da4cfccbae7923641daa5dd7047c2');
my $Up = "$Data/unionpay/keys";

{
    my %own = (merchant_private_key => secret('unionpay/keys/'
                                              . 'merchant_private.pem'),
               merchant_certificate => "$Up/merchant_cert.cer",
               root_cert => "$Up/up_root.cer", @Once,
               middle_cert => "$Up/up_middle.cer");
    my @notify = (notify_url => 'https://shop.example.com/notify/unionpay');
    my $nginx = PaygwNginx->start(
        http => $Zone . $Peer->unionpay($Url, %own, @notify, -name => 'rsa')
            . $Peer->unionpay($Url, %own, @notify, -name => 'test',
                              cert_name => '00040000:SIGN')
            . join('', map { $Peer->unionpay_secret($Url, $_, @notify, @Once,
                  -name => "s$_", secure_key => $Secret) } 11, 12),
        server => join '', map { "location /$_/ { paygw_api $_; }" }
                  qw(rsa test s11 s12));

    # what has no time of ours in it has the signature of the vector; this one
    # has another bizType

    my $query = case('unionpay/request_sign.json', 'query_01');
    my $p = $query->{inputs}{params};
    my $api = PaygwApi->new($nginx, '/rsa');
    $Peer->plan({});
    $api->get("/orders/$p->{orderId}", ref => "$p->{txnTime}q");
    my %sent = map { my ($k, $x) = split /=/, $_, 2;
                     $x =~ s/%(..)/chr hex $1/ge; ($k => $x) }
               split /&/, ($Peer->requests(1))[0]{body};
    my $sign = delete $sent{signature};
    my $text = join '&', map { "$_=$sent{$_}" } sort keys %sent;
    is($text, $query->{string_to_sign}, 'query_01: the same string');
    is($sign, $query->{signature}, 'query_01: the same signature');
    ran($query);

    for my $v (cases('unionpay/response_verify.json')) {
        my ($in, $expect, $name) = @$v{qw(inputs expect name)};
        my $body = Encode::encode('UTF-8', $in->{body});
        my ($method) = @{ $in->{signMethod_allowed} };
        my $channel = $in->{secure_key} ? "s$method"
            : $in->{trust}{cn_policy} eq 'production' ? 'rsa' : 'test';
        my %f = $body =~ /(?:^|&)(orderId|txnTime|txnType|respCode|txnAmt)
                          =(\w+)/gx;
        next if length $f{orderId} < 8;

        my $api = PaygwApi->new($nginx, "/$channel");
        my $at = length $nginx->log;
        $Peer->plan(answer(200, $body));

        # the answer to a refund, which has two steps, is one to a query here:
        # genuine, and about another call

        my $res = $f{txnType} eq '01'
            ? $api->post('/orders', $api->order(
                order_id => $f{orderId}, method => 'app', amount => 8888,
                ref => $f{txnTime}))
            : $api->get("/orders/$f{orderId}", ref => $f{txnTime});

        if ($expect->{accept} && $f{txnType} eq '04') {
            $api->problem($res, 502, 'PROVIDER-UNVERIFIED', $name);
            unlike(substr($nginx->log, $at), qr/refused: signature/,
                   "$name: verified, and of another call");
            ran($v);
            next;
        }

        told($api, $nginx, $at, $res, !$expect->{accept} ? 'forged'
             : '200 OK', $name);

        # nobody may have opened the page yet

        is($res->{json}{data}{outcome}, 'pending', "$name: not failed")
            if $f{respCode} eq '34';
        is($res->{json}{data}{amount}, 8888, "$name: what was signed")
            if $expect->{accept} && $f{respCode} eq '00' && $f{txnAmt};
        ran($v);
    }

    ok($nginx->quit, 'unionpay: quits');
}


# -- Alipay --

{
    my $d = "$Data/alipay";
    my $own = secret('alipay/keys/app_private_pkcs1.pem');
    my %own = (app_private_key => $own, @Once,
               notify_url => 'https://shop.example.com/notify');
    my (%name, $conf, @case);

    for my $v (cases('alipay/response_verify.json')) {
        my $in = $v->{inputs};

        # encrypted content is for paygw_pass

        next if $in->{encrypt_type} || $v->{name} =~ /encrypted/;
        my $id = $in->{alipay_cert} ? "$in->{alipay_cert} $in->{root_cert}"
                                    : $in->{public_key};
        if (!$name{$id}) {
            $name{$id} = 'a' . keys %name;
            $conf .= $in->{alipay_cert}
                ? $Peer->alipay_cert($Url, %own, -name => $name{$id},
                      alipay_cert => "$d/$in->{alipay_cert}",
                      alipay_root_cert => "$d/$in->{root_cert}",
                      app_cert => "$d/keys/app_cert.crt")
                : $Peer->alipay($Url, %own, -name => $name{$id},
                      alipay_public_key => "$d/$in->{public_key}");
        }
        push @case, [ $v, $name{$id} ];
    }

    my $nginx = PaygwNginx->start(http => $Zone . $conf, server => join '',
        map { "location /$_/ { paygw_api $_; }"
              . "location /then/$_/ { paygw_test_clock $Time; paygw_api $_; }" }
        sort values %name);

    # a query of an order has no more than the vector

    my $query = case('alipay/request_sign.json', 'query_public_key_mode');
    my $api = PaygwApi->new($nginx,
                            "/then/$name{'keys/alipay_public.pem'}");
    $Peer->plan({});
    $api->get('/orders/T20250102_0001');
    my ($r) = $Peer->requests(1);
    is($r->{params}{biz_content}, $query->{inputs}{params}{biz_content},
       'query: the same content');
    my ($sign) = $r->{body} =~ /(?:^|&)sign=([^&]+)/;
    is($sign =~ s/%(..)/chr hex $1/ger, $query->{signature},
       'query: the same signature');
    ran($query);

    my %unsigned = map { ($_, 1) } qw(error_response_unsigned
        business_failure_unsigned gbk_error_although_utf8_requested_unsigned
        cert_mode_unknown_cert_sn_must_fetch);

    my %little = map { ($_, 1) } qw(unicode_escapes_and_spaces_kept_raw
        gbk_body_verified_as_bytes);
    my %status = (business_failure_signed => 404, system_error_signed => 502,
                  gbk_error_although_utf8_requested_signed => 502);

    for my $case (@case) {
        my ($v, $channel) = @$case;
        my ($in, $name) = @$v{qw(inputs name)};
        my $body = bytes($in);
        my ($id) = $body =~ /"out_trade_no":\s*"(\w+)"/;
        $id //= 'T20250102_0001';
        my $api = PaygwApi->new($nginx, "/$channel");
        my $at = length $nginx->log;

        $Peer->plan(answer(200, $body));
        my $res = $in->{method} =~ /precreate/
            ? $api->post('/orders', $api->order(order_id => $id))
            : $in->{method} =~ /refund/
            ? $api->post("/orders/$id/refunds",
                         { refund_id => 'R1', amount => 1 })
            : $api->get("/orders/$id");

        if (!$v->{expect}{accept} || $unsigned{$name}) {
            told($api, $nginx, $at, $res, 'forged', $name);
            ran($v);
            next;
        }

        # genuine; some of them say too little to be an answer to a query

        my $log = substr $nginx->log, $at;
        $api->envelope($res, $name);
        like($log, $little{$name} ? qr/hint: answer (?:has no valid|is about)/
                                  : qr/^(?!.*answer of the provider refused)/s,
             "$name: verified");
        is($res->{status}, $little{$name} ? 502 : $status{$name} // 200,
           "$name: told");
        ran($v);
    }

    ok($nginx->quit, 'alipay: quits');
}

done_testing();
