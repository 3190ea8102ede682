# Mistakes of others, in orders: each block names one (E2, E3, ...: see
# docs/security.md), and shows that it is not here, through paygw_pass and
# through paygw_api.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Temp ();
use JSON::PP ();

use PaygwApi;
use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Keys = $Peer->{keys};
my $Json = JSON::PP->new->utf8->canonical;
my $Tmp = File::Temp::tempdir('paygw-mis-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my @Notify = (notify_url => 'https://pay.example.com/n');
my $Zone = "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n";

my $Nginx = PaygwNginx->start(store => 1,
    http => $Zone . $Peer->wechat($Url, @Notify)
        . $Peer->alipay($Url, @Notify) . $Peer->unionpay($Url, @Notify)
        . $Peer->wechat_v2_cert($Url, @Notify) . $Peer->stripe($Url),
    server => join('', map { "location /$_/ { paygw_pass $_; }"
                             . "location /api/$_/ { paygw_binding off; "
                             . "paygw_api $_; }" }
                   qw(wxpay alipay unionpay wxv2 stripe)));

my %Api = map { ($_ => PaygwApi->new($Nginx, "/api/$_")) }
          qw(wxpay alipay unionpay wxv2 stripe);
my $Form = { 'Content-Type' => 'application/x-www-form-urlencoded' };
my $Up = '/unionpay/gateway/api/backTransReq.do';

sub form {
    my %p = @_;
    return join '&', map { my $v = $p{$_};
                           $v =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1
                                  /gex;
                           "$_=$v" } sort keys %p;
}

sub wx_create { return call($Nginx, POST => '/wxpay/v3/pay/transactions/native',
                            body => '{"out_trade_no":"T1"}') }

sub alipay {
    my ($method, %biz) = @_;
    return call($Nginx, POST => '/alipay/gateway.do', heads => $Form,
                body => form(method => $method,
                             biz_content => $Json->encode(\%biz)));
}

# an order by paygw_api

sub order {
    my ($channel, %more) = @_;
    my $api = $Api{$channel};
    return $api->post('/orders', $api->order(
        $channel eq 'stripe' ? (method => 'app') : (), %more));
}

sub unverified {
    my ($res, $name) = @_;
    $Api{wxpay}->problem($res, 502, 'PROVIDER-UNVERIFIED', $name);
}

# a host with a certificate; what the client shows is asked for

sub tls_host {
    my ($name, $trusted) = @_;
    system("cd $Tmp && openssl req -x509 -newkey rsa:2048 -nodes -days 30 "
           . "-keyout $name.key -out $name.crt -subj /CN=$name "
           . "-addext subjectAltName=DNS:$trusted > log 2>&1") == 0
        or die `cat $Tmp/log`;
    return $Peer->listen(tls => [ "$Tmp/$name.crt", "$Tmp/$name.key" ],
                         ask => "$Keys/mch.crt");
}


subtest 'E2: the sandbox of Alipay at the host that is no more' => sub {
    for my $url (qw(https://openapi.alipaydev.com/gateway.do
                    https://OpenAPI.AlipayDev.com
                    https://openapi.alipaydev.com:443/gateway.do))
    {
        my $why = qq(the host of "endpoint" "$url" of channel "alipay" is )
            . 'no more, use "openapi-sandbox.dl.alipaydev.com"';
        like(PaygwNginx->test(http => $Zone . $Peer->alipay($url),
                              server => ''), qr/\Q$why\E/, $url);
    }

    # the one that came for it has a place for calls, below its own path

    $Peer->plan({});
    alipay('alipay.trade.query', out_trade_no => 'T1');
    my ($r) = $Peer->requests(1);
    is($r->{target}, '/gateway.do?charset=utf-8', 'one path for all calls');
    is($r->{check}, 'ok', 'and a signature of all of it');
};


subtest 'E3: API v3 by mutual TLS' => sub {
    my $port = tls_host('localhost', 'localhost');
    my @tls = (proxy_ssl_trusted_certificate => "$Tmp/localhost.crt");
    my $url = "https://localhost:$port";
    my $nginx = PaygwNginx->start(store => 1,
        http => $Zone . $Peer->wechat($url, @tls, @Notify)
            . $Peer->wechat_v2_cert($url, @tls, @Notify),
        server => 'location /wx/ { paygw_api wxpay; }'
            . 'location /v2/ { paygw_api wxv2; }');
    my ($mine) = `openssl x509 -in $Keys/mch.crt -noout -serial` =~ /=(\w+)/;
    my %api = map { ($_ => PaygwApi->new($nginx, "/$_")) } qw(wx v2);

    # v2 first: what it shows must not be lent to the other channel

    $mine =~ s/^0+//;
    $Peer->plan({}, {}, {});
    $api{$_}->post('/orders', $api{$_}->order) for qw(v2 wx v2);
    my @got = $Peer->requests(3);
    is($got[0]{client}, $mine, 'v2 shows the certificate of the merchant');
    is($got[1]{client}, undef, 'v3 shows none');
    is($got[1]{check}, 'ok', 'v3 has a signature instead');
    is($got[2]{client}, $mine, 'v2 again');
    ok($nginx->quit, 'quits');
};


subtest 'E5: a hash of the body is signed; the serial is the merchant\'s' =>
sub {
    for my $by (qw(pass api)) {
        $Peer->plan({});
        my $res = $by eq 'pass' ? wx_create() : order('wxpay');
        is($res->{status}, 200, "$by: taken");
        my ($r) = $Peer->requests(1);
        is($r->{check}, 'ok', "$by: the raw body is signed");
    }

    # what is signed over a hash of it, or named by the merchant's serial

    my ($mine) = `openssl x509 -in $Keys/mch.crt -noout -serial` =~ /=(\w+)/;
    for my $answer ({ signature => 'hash' }, { serial => $mine })
    {
        my $name = $Json->encode($answer);
        $Peer->plan($answer, $answer);
        problem_ok(wx_create(), 502, 'PROVIDER-UNVERIFIED', "pass: $name");
        $Peer->plan($answer, $answer);
        unverified(order('wxpay'), "api: $name");
    }
};


subtest 'E9: UnionPay by JSON, charset, transType, and the text signed' =>
sub {
    my %sent = (orderId => 'T20250102', txnTime => '20250102030405',
                txnType => '01', txnSubType => '07', bizType => '000000',
                txnAmt => 100, currencyCode => '156');
    for my $by (qw(pass api)) {
        $Peer->plan({ fields => { qrCode => 'https://qr/1' } });
        my $res = $by eq 'pass'
            ? call($Nginx, POST => $Up, body => form(%sent), heads => $Form)
            : order('unionpay', order_id => 'T20250102');
        is($res->{status}, 200, "$by: taken") or diag($res->{body});
        my ($r) = $Peer->requests(1);
        is($r->{check}, 'ok', "$by: over the hash in hexadecimal");
        is($r->{head}{'content-type'},
           'application/x-www-form-urlencoded;charset=UTF-8', "$by: a form");
        is($r->{params}{encoding}, 'UTF-8', "$by: encoding");
        is($r->{params}{signMethod}, '01', "$by: signMethod");
        is($r->{params}{txnType}, '01', "$by: txnType");
        is(join(' ', grep { exists $r->{params}{$_} } qw(charset transType)),
           '', "$by: and nothing else by these names");
        like($r->{params}{certId}, qr/^[1-9]\d+$/, "$by: certId is decimal");
    }
    $Peer->plan({});
    problem_ok(call($Nginx, POST => $Up, body => $Json->encode(\%sent),
                    heads => { 'Content-Type' => 'application/json' }),
               415, 'CLIENT-UNSUPPORTED_MEDIA_TYPE', 'JSON is not sent');
    is(scalar $Peer->requests, 0, 'nothing was');

    for my $as (qw(text upper)) {
        my $answer = { sign_as => $as, fields => { qrCode => 'MARK' } };
        $Peer->plan($answer);
        problem_ok(call($Nginx, POST => $Up, body => form(%sent),
                        heads => $Form),
                   502, 'PROVIDER-UNVERIFIED', "pass: signed as $as");
        $Peer->plan($answer);
        unverified(order('unionpay', order_id => 'T20250102'),
                   "api: signed as $as");
    }
};


subtest 'E14: amounts as floating point' => sub {
    my $text = '{"order_id":"T20250102","currency":"CNY","subject":"x",'
        . '"method":"qr","amount":';
    $Peer->plan;
    for my $amount (qw(1.0 1.5 1e2 100e-2 0.1 "100" -1 1000000000000
                       99999999999999999999 NaN))
    {
        my $res = $Api{wxpay}->post('/orders', "$text$amount}");
        is($res->{status}, 400, "api: $amount");
    }
    is(scalar $Peer->requests, 0, 'nothing was sent');

    # 0.07 * 100 is 7.000000000000001, and 2 ** 53 + 1 is no double

    for my $case ([ 7, '0.07' ], [ 29, '0.29' ], [ 101, '1.01' ],
                  [ 10000000000, '100000000.00' ])
    {
        my ($amount, $yuan) = @$case;
        my $id = "E14_$amount";
        $Peer->plan({ content => $Json->encode({
            code => '10000', msg => 'Success', out_trade_no => $id,
            qr_code => 'https://qr/1' }) });
        $Api{alipay}->ok(order('alipay', order_id => $id, amount => $amount),
                         "alipay $amount");
        my ($r) = $Peer->requests(1);
        like($r->{params}{biz_content}, qr/"total_amount":"\Q$yuan\E"/,
             "alipay: $yuan");
        $Peer->plan({});
        order('wxpay', amount => $amount);
        ($r) = $Peer->requests(1);
        like($r->{body}, qr/"total":$amount[,}]/, "wechat: $amount");
    }

    # paygw_pass writes no number again

    my $big = '{"amount":{"total":9007199254740993}}';
    $Peer->plan({});
    call($Nginx, POST => '/wxpay/v3/pay/transactions/native', body => $big);
    is(($Peer->requests(1))[0]{body}, $big, 'pass: the same bytes');

    # and what comes is no float either

    $Peer->plan({ content => '{"code":"10000","msg":"Success",'
        . '"out_trade_no":"T20250102_1","trade_no":"2025010222001",'
        . '"trade_status":"TRADE_SUCCESS","total_amount":"1e2"}' });
    unverified($Api{alipay}->get('/orders/T20250102_1'),
               'alipay: an amount of 1e2');
};


subtest 'E15: any POST is sent three times' => sub {

    # what the provider does not take once, and what was sent before a silence

    for my $case ([ 'v3: a transfer', POST => '/wxpay/v3/transfer/batches',
                    '{}', {} ],
                  [ 'v3: an order', POST => '/wxpay/v3/pay/transactions/native',
                    '{"out_trade_no":"T1"}', {} ],
                  [ 'alipay: a charge', POST => '/alipay/gateway.do',
                    form(method => 'alipay.trade.pay', biz_content => '{}'),
                    $Form ],
                  [ 'unionpay', POST => $Up,
                    form(orderId => 'T20250102', txnTime => '20250102030405'),
                    $Form ])
    {
        my ($name, $method, $path, $body, $heads) = @$case;
        $Peer->plan({ cut => 3 }, {}, {});
        problem_ok(call($Nginx, $method => $path, body => $body,
                        heads => $heads), 504, 'PROVIDER-UNANSWERED', $name);
        is(scalar $Peer->requests, 1, "$name: sent once");
    }

    for my $channel (qw(wxpay alipay unionpay wxv2)) {
        $Peer->plan({ cut => 3 }, {}, {});
        my $res = order($channel, order_id => 'T20250102X' =~ tr/X/1/r);
        $Api{$channel}->problem($res, 504, 'PROVIDER-UNANSWERED',
                                "api: $channel");
        is(scalar $Peer->requests, 1, "api: $channel: sent once");
    }

    # Stripe: where it says so, under one key

    $Peer->plan({ status => 500, body => '{"error":{"type":"api_error"}}',
                  headers => { 'Stripe-Should-Retry' => 'true' } },
                { status => 500, body => '{"error":{"type":"api_error"}}' },
                { status => 500, body => '{"error":{"type":"api_error"}}',
                  headers => { 'Stripe-Should-Retry' => 'false' } });
    order('stripe');
    my @got = $Peer->requests;
    my %key = map { ($_->{head}{'idempotency-key'} // 'none' => 1) } @got;
    is(scalar keys %key, 1, 'stripe: one key for all tries');
    isnt((keys %key)[0], 'none', 'stripe: there is one');
};


subtest 'E17: a refund without out_request_no' => sub {
    $Peer->plan;
    for my $biz ({ out_trade_no => 'T1', refund_amount => '1.00' },
                 { out_trade_no => 'T1', refund_amount => '1.00',
                   out_request_no => '' })
    {
        problem_ok(alipay('alipay.trade.refund', %$biz), 400,
                   'CLIENT-BAD_REQUEST', 'pass: ' . $Json->encode($biz),
                   message => qr/a refund needs out_request_no/);
    }

    for my $channel (sort keys %Api) {
        my $res = $Api{$channel}->post('/orders/T20250102/refunds',
            { amount => 1, $channel eq 'unionpay'
                           ? (ref => '20250102030405q')
                           : $channel eq 'stripe' ? (ref => 'pi_1') : () });
        $Api{$channel}->problem($res, 400, 'CLIENT-MISSING_FIELD',
                                "api: $channel", field => 'refund_id');
    }
    is(scalar $Peer->requests, 0, 'nothing was sent');

    # the caller's own number goes out, and no time of ours

    $Peer->plan({ content => $Json->encode({
        code => '10000', msg => 'Success', out_trade_no => 'T20250102',
        trade_no => '2025', fund_change => 'Y', refund_fee => '0.30' }) });
    $Api{alipay}->post('/orders/T20250102/refunds',
                       { refund_id => 'R20250102', amount => 30 });
    my ($r) = $Peer->requests(1);
    like($r->{params}{biz_content}, qr/"out_request_no":"R20250102"/,
         'alipay: the number of the caller');
};


subtest 'E19: a probe on an answer loses the order' => sub {
    for my $by (qw(pass api)) {
        $Peer->plan({ signature => 'probe' }, {}, {});
        my $res = $by eq 'pass' ? wx_create() : order('wxpay');
        my @got = $Peer->requests;
        is($res->{status}, 200, "$by: the order is not lost");
        is(scalar @got, 2, "$by: sent again, once");
        is($got[0]{body}, $got[1]{body}, "$by: the same order");
        isnt($got[0]{nonce}, $got[1]{nonce}, "$by: signed anew");

        # and is not taken, as long as it lasts

        $Peer->plan(({ signature => 'probe' }) x 3, {});
        $res = $by eq 'pass' ? wx_create() : order('wxpay');
        $by eq 'pass'
            ? problem_ok($res, 502, 'PROVIDER-UNVERIFIED', "$by: but once")
            : unverified($res, "$by: but once");
        is(scalar $Peer->requests, 2, "$by: two in all");
    }
};


# what a shop would take for paid, and what was signed

my %Paid = (code => '10000', msg => 'Success', out_trade_no => 'T20250102_1',
            trade_no => '2025010222001', trade_status => 'WAIT_BUYER_PAY',
            total_amount => '1.00');

subtest 'D3: the first of two contents is verified, the last one is read' =>
sub {
    my $signed = $Json->encode(\%Paid);
    my $twice = $signed =~ s/\}$/,"trade_status":"TRADE_SUCCESS"}/r;
    for my $answer ({ twin => 'first' }, { twin => 'last' },
                    { other => 'alipay_trade_pay_response' },
                    { content => $twice })
    {
        my $name = $Json->encode($answer);
        $answer = { content => $signed, %$answer };
        $Peer->plan($answer);
        unverified($Api{alipay}->get('/orders/T20250102_1'), "api: $name");
        next if $answer->{content} ne $signed;
        $Peer->plan($answer);
        problem_ok(alipay('alipay.trade.query', out_trade_no => 'T1'), 502,
                   'PROVIDER-UNVERIFIED', "pass: $name");
    }
    $Peer->plan({ content => $signed });
    $Api{alipay}->ok($Api{alipay}->get('/orders/T20250102_1'),
                     'one content', outcome => 'pending');
};


subtest 'D4: TLS without verification' => sub {
    my $port = tls_host('other', 'other.test');
    my $good = tls_host('localhost', 'localhost');
    my @case = ([ 'another name', $port, "$Tmp/other.crt" ],
                [ 'another CA', $good, "$Tmp/other.crt" ],
                [ 'the CAs of the system', $good, undef ]);
    my ($http, $server, $n) = ('', '', 0);
    for my $case (@case) {
        my @tls = (proxy_ssl_trusted_certificate => $case->[2], -name =>
                   "c$n", @Notify);
        $http .= $Peer->wechat("https://localhost:$case->[1]", @tls);
        $server .= "location /c$n/ { paygw_pass c$n; }"
            . "location /a$n/ { paygw_api c$n; }";
        $n++;
    }
    my $nginx = PaygwNginx->start(store => 1, http => $Zone . $http,
                                  server => $server);
    for my $k (0 .. $n - 1) {
        my ($name) = @{ $case[$k] };
        my $api = PaygwApi->new($nginx, "/a$k");
        $Peer->plan;
        problem_ok(call($nginx, POST => "/c$k/v3/pay/transactions/native",
                        body => '{}'), 503, 'RETRY-UNREACHABLE',
                   "pass: $name");
        $api->problem($api->post('/orders', $api->order), 503,
                      'RETRY-UNREACHABLE', "api: $name");
        is(scalar $Peer->requests, 0, "$name: nothing was sent");
    }
    ok($nginx->quit, 'quits');
    like(PaygwNginx->test(http => $Zone . $Peer->wechat(
             "https://localhost:$good", proxy_ssl_verify => 'off'),
             server => 'location / { paygw_pass wxpay; }'),
         qr/\[emerg\].*proxy_ssl_verify/, 'and no switch turns it off');
};


subtest 'D7: an empty signature' => sub {
    for my $kind (qw(empty none)) {
        my $answer = { signature => $kind };
        for my $case ([ wxpay => sub { wx_create() } ],
                      [ alipay => sub { alipay('alipay.trade.precreate',
                                               out_trade_no => 'T1') } ],
                      [ unionpay => sub { call($Nginx, POST => $Up, heads =>
                            $Form, body => form(orderId => 'T20250102',
                            txnTime => '20250102030405')) } ],
                      [ wxv2 => sub { call($Nginx, POST =>
                            '/wxv2/pay/unifiedorder', heads =>
                            { 'Content-Type' => 'text/xml' }, body =>
                            '<xml><out_trade_no>T1</out_trade_no></xml>') } ])
        {
            my ($channel, $do) = @$case;
            $Peer->plan($answer);
            problem_ok($do->(), 502, 'PROVIDER-UNVERIFIED',
                       "pass: $channel: $kind");
            $Peer->plan($answer);
            unverified(order($channel, order_id => 'T202501021'),
                       "api: $channel: $kind");
        }
    }
};

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
