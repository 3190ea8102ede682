# paygw_binding: what paygw_pass creates is remembered, and callbacks are
# compared with it.  D11: a genuine callback of another amount, currency or
# account does not pay an order.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwUnionpay;

use JSON::PP ();

use PaygwPeer;

our $Peer = PaygwPeer->start;
our $Port = $Peer->listen;
our $Url = "http://127.0.0.1:$Port";
our $Dead = PaygwProcess::free_port();
our $Json = JSON::PP->new->canonical;
our $Wx = '/wx/v3/pay/transactions/native';
our $Orders = 0;

our $Http = "    paygw_deadline 30s;\n"
    . $Peer->wechat($Url, appid => "wxd678efh567hg6787;\n"
                                   . '        appid wx0000000000000002',
                    paygw_retry => 'off')
    . $Peer->wechat("http://127.0.0.1:$Dead", -name => 'dead', mchid => '19',
                    appid => 'wx0000000000000003')
    . $Peer->alipay($Url) . $Peer->wechat_v2($Url)
    . $Peer->unionpay($Url, notify_url => 'https://pay.example.com/n')
    . $Peer->stripe($Url)
    . $Peer->stripe($Url, -name => 'con', account => 'acct_1Test acct_2Test');

our $Shop = 'proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;';

our $Config = join '', map({
    my ($at, $name, $more) = @$_;
    "    location /$at/ { paygw_pass $name; $more }\n"
} [ wx => 'wxpay', '' ], [ ali => 'alipay', '' ], [ wxv2 => 'wxv2', '' ],
  [ up => 'unionpay', '' ], [ s => 'stripe', '' ], [ con => 'con', '' ],
  [ dead => 'dead', '' ],
  [ off => 'wxpay', 'paygw_binding off;' ],
  [ on => 'wxpay', 'paygw_binding on;' ]),
  map({ "    location = /notify/$_ { paygw_notify $_; $Shop }\n" }
      qw(wxpay alipay wxv2 unionpay)),
  "    location = /notify/stripe { paygw_notify stripe con; $Shop }\n",
  "    location /orders/ { paygw_api unionpay; }\n",
  "    location = /metrics { paygw_metrics; }\n",
  "    location = /s { paygw_test_store; }\n";


sub main::order { return "O$$" . 'x' . ++$::Orders . 'x' . time }

sub main::post {
    my ($uri, $type, $body, %heads) = @_;
    return finish(begin("POST $uri HTTP/1.1\r\nHost: x\r\n"
        . "Connection: close\r\nContent-Type: $type\r\nContent-Length: "
        . length($body) . "\r\n"
        . join('', map { "$_: $heads{$_}\r\n" } sort keys %heads)
        . "\r\n$body"), timeout => 30);
}

sub main::form {
    my %p = @_;
    return join '&', map { my $v = $p{$_};
                           $v =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1
                                  /gex;
                           "$_=$v" } sort keys %p;
}

# an order of each provider: its answer

sub main::wx_create {
    my ($id, $total, %o) = @_;
    return post($o{uri} // $::Wx, 'application/json', $::Json->encode({
        appid => $o{appid} // 'wxd678efh567hg6787', mchid => '1900009191',
        out_trade_no => $id, description => 'tea',
        amount => { total => $total,
                    $o{currency} ? (currency => $o{currency}) : () } }));
}

sub main::ali_create {
    my ($id, $total, %o) = @_;
    return post('/ali/gateway.do', 'application/x-www-form-urlencoded',
                form(method => $o{method} // 'alipay.trade.precreate',
                     biz_content => $::Json->encode({
                         out_trade_no => $id, total_amount => $total,
                         subject => 'tea', %{ $o{biz} // {} } })));
}

sub main::up_create {
    my ($id, $total, $path, %o) = @_;
    return post("/up/gateway/api/$path", 'application/x-www-form-urlencoded',
                form(orderId => $id, txnTime => '20250102030405',
                     txnType => '01', txnSubType => '01', bizType => '000201',
                     accessType => 0, txnAmt => $total,
                     currencyCode => '156', %o));
}

sub main::v2_create {
    my ($id, $total, %o) = @_;
    return post('/wxv2/pay/unifiedorder', 'text/xml', '<xml>' . join('',
        map { "<$_>$o{$_}</$_>" } sort keys %o)
        . "<out_trade_no>$id</out_trade_no><total_fee>$total</total_fee>"
        . '<body>tea</body><trade_type>NATIVE</trade_type></xml>');
}

sub main::stripe_create {
    my ($id, $amount, %o) = @_;
    my %heads = %{ delete $o{heads} // {} };
    my $at = delete $o{at} // 's';
    my $path = delete $o{path} // 'payment_intents';
    return post("/$at/v1/$path", 'application/x-www-form-urlencoded',
                form(amount => $amount, currency => 'eur',
                     'metadata[out_trade_no]' => $id, %o), %heads);
}

# a callback of Stripe's test mode

sub main::test_mode {
    my (%o) = @_;
    return stripe(%o, event => { livemode => JSON::PP::false,
                                 %{ $o{event} // {} } });
}

# the lines of callbacks among those of calls, which are in the same log

sub main::callbacks {
    my ($count) = @_;
    my @got;
    wait_for(sub {
        @got = grep { /^(?:refused|taken|late|duplicate|released) / }
               results();
        return @got >= ($count // 0);
    });
    return @got;
}

# a callback that does not fit: refused, told, and not handed over

sub main::refused {
    my ($m, $reason, $told, $what) = @_;
    my $before = () = callbacks();
    my $shop = shop_count();
    ack_ok(send_callback($m), $m, 403, "$what: failure ack");
    is((callbacks($before + 1))[-1], "refused $reason", "$what: result");
    is(shop_count(), $shop, "$what: not delivered");
    like(error_log_text(),
         qr/\[error\] .*payment callback refused: $reason, .*hint: .*$told/,
         "$what: told");
}

sub main::taken {
    my ($m, $what) = @_;
    my $before = () = callbacks();
    ack_ok(send_callback($m), $m, 200, "$what: success ack");
    is((callbacks($before + 1))[-1], 'taken -', "$what: taken");
}

sub main::passed {
    my ($res, $what) = @_;
    is($res->{status}, 200, "$what: passed") or diag($res->{body});
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: D11: WeChat Pay v3: amount, currency, appid
--- no_channels
--- http_config eval: $::Http
--- config eval: $::Config
--- run
my $o = order();
passed(wx_create($o, 100), 'created');
refused(wechat(order_id => $o, amount => 1), 'order_mismatch',
        qr/order "$o" was created with amount 100, this is one of 1\b/,
        'amount');
refused(wechat(order_id => $o, amount => 100, resource =>
               { amount => { total => 100, currency => 'HKD' } }),
        'order_mismatch', qr/order "$o" was created in CNY, this is one in HKD/,
        'currency');
refused(wechat(order_id => $o, amount => 100, appid => 'wx0000000000000002'),
        'order_mismatch',
        qr/order "$o" was created for account "wxd678efh567hg6787", this is one of "wx0000000000000002"/,
        'account');
taken(wechat(order_id => $o, amount => 100), 'as created');

# a coupon of the provider's: the payer has paid less

$o = order();
passed(wx_create($o, 100, currency => 'CNY'), 'coupon');
taken(wechat(order_id => $o, amount => 100, resource =>
             { amount => { total => 100, payer_total => 1, currency => 'CNY',
                           payer_currency => 'CNY' } }), 'coupon');

# made elsewhere

taken(wechat(order_id => order(), amount => 7), 'not made here');

# the same id is another order in another channel

taken(alipay(order_id => $o, amount => '0.01'), 'another channel');
my $m = finish(begin("GET /metrics HTTP/1.0\r\n\r\n"))->{body};
like($m, qr/^paygw_callbacks_total\{channel="wxpay",provider="wechat_v3",result="refused",reason="order_mismatch"\} 3$/m,
     'counted');
like($m, qr/^paygw_callbacks_total\{channel="wxpay",provider="wechat_v3",result="refused",reason="order_unknown"\} 0$/m,
     'shown before it occurs');



=== TEST 2: D11: Alipay: in every form of its API
--- no_channels
--- http_config eval: $::Http
--- config eval: $::Config
--- run
my @methods = map { "alipay.trade.$_" }
              qw(precreate create pay page.pay wap.pay app.pay);
for my $method (@methods) {
    my $o = order();
    passed(ali_create($o, '88.80', method => $method), $method);
    refused(alipay(order_id => $o, amount => '0.01'), 'order_mismatch',
            qr/amount 8880, this is one of 1\b/, "$method: amount");
    taken(alipay(order_id => $o, amount => '88.80', params =>
                 { receipt_amount => '1.00', buyer_pay_amount => '0.01' }),
          "$method: a coupon");
}

# an amount that is a number; the seller

my $o = order();
passed(post('/ali/gateway.do', 'application/x-www-form-urlencoded',
            form(method => 'alipay.trade.create', biz_content =>
                 qq({"out_trade_no":"$o","total_amount":88.8,"subject":"x",)
                 . '"seller_id":"2088101122136241"}')), 'number');
refused(alipay(order_id => $o, amount => '88.81'), 'order_mismatch',
        qr/amount 8880, this is one of 8881\b/, 'number');
taken(alipay(order_id => $o, amount => '88.80'), 'number');

$o = order();
passed(ali_create($o, '1.00', biz => { seller_id => '2088000000000000' }),
       'seller');
refused(alipay(order_id => $o, amount => '1.00'), 'order_mismatch',
        qr/account "2088000000000000", this is one of "2088101122136241"/,
        'seller');

# the greatest that can be told from the next one, and one that cannot

$o = order();
passed(ali_create($o, '90071992547409.91'), 'greatest');
refused(alipay(order_id => $o, amount => '90071992547409.90'),
        'order_mismatch', qr/amount 9007199254740991, this is one of /,
        'greatest');
refused(alipay(order_id => $o, amount => '90071992547409.92'),
        'order_mismatch', qr/amount 9007199254740992 of order "$o" is larger/,
        'greatest: more');
taken(alipay(order_id => $o, amount => '90071992547409.91'), 'greatest');

$::Peer->plan;
my $large = ali_create(order(), '90071992547409.92');
is($large->{status}, 400, 'too large');
like($large->{body}, qr/"amount 9007199254740992 of order \S+ is larger than /,
     'too large: by name');
is(scalar $::Peer->requests, 0, 'too large: nothing is sent');

# the REST form

$o = order();
$::Peer->plan({ body => qq({"out_trade_no":"$o","qr_code":"x"}) });
passed(post('/ali/v3/alipay/trade/precreate', 'application/json',
            qq({"out_trade_no":"$o","total_amount":"2.00","subject":"x"})),
       'v3');
refused(alipay(order_id => $o, amount => '2.01'), 'order_mismatch',
        qr/amount 200, this is one of 201\b/, 'v3');
taken(alipay(order_id => $o, amount => '2.00'), 'v3');



=== TEST 3: D11: WeChat Pay v2 and UnionPay
--- no_channels
--- http_config eval: $::Http
--- config eval: $::Config
--- run
my $o = order();
passed(v2_create($o, 100), 'v2');
refused(wechat2(order_id => $o, amount => 99), 'order_mismatch',
        qr/amount 100, this is one of 99\b/, 'v2');
taken(wechat2(order_id => $o, amount => 100, params => { cash_fee => '1',
              settlement_total_fee => '50' }), 'v2, a coupon');
$o = order();
passed(v2_create($o, 100, fee_type => 'CNY'), 'v2: currency');
taken(wechat2(order_id => $o, amount => 100), 'v2: currency');

for my $path ('frontTransReq.do', 'appTransReq.do', 'backTransReq.do') {
    $o = "20250102" . sprintf('%08d', $$ % 100000000) . ++$::Orders;
    passed(up_create($o, 8888, $path), $path);
    refused(unionpay(order_id => $o, amount => 1), 'order_mismatch',
            qr/amount 8888, this is one of 1\b/, "$path: amount");
    taken(unionpay(order_id => $o, amount => 8888), "$path: as created");
}

# a try that has failed is no order that has: the payer takes another card

$o = "20250102" . sprintf('%08d', $$ % 100000000) . ++$::Orders;
passed(up_create($o, 8888, 'frontTransReq.do'), 'up: a try');
taken(unionpay(order_id => $o, amount => 8888, params =>
               { respCode => '51' }), 'up: it has failed');
$::Peer->plan({ fields => { respCode => '00', origRespCode => '05',
                            txnAmt => '8888', currencyCode => '156',
                            queryId => '512501020304051234568' } });
my $got = finish(begin("GET /orders/orders/$o?ref=20250102030405 HTTP/1.1\r\n"
                       . "Host: x\r\nConnection: close\r\n\r\n"),
                 timeout => 30)->{body};
like($got, qr/"state":"PAYING","outcome":"pending"/, 'up: not the order');
taken(unionpay(order_id => $o, amount => 8888), 'up: paid after all');

# a refund has a number of its own, and is no order

$o = "20250102" . sprintf('%08d', $$ % 100000000) . ++$::Orders;
passed(up_create($o, 100, 'backTransReq.do', txnType => '04',
                 origQryId => '123456789012345678901'), 'up: refund');
taken(unionpay(order_id => $o, amount => 8888), 'up: not an order');



=== TEST 4: D11: Stripe: by metadata, and what an answer says
--- no_channels
--- http_config eval: $::Http
--- config eval: $::Config
--- run
my $pi = sub {
    my ($id, $amount, %o) = @_;
    return { body => $::Json->encode({
        id => 'pi_1', object => 'payment_intent', amount => $amount,
        currency => 'eur', livemode => JSON::PP::false,
        metadata => { out_trade_no => $id }, %o }) };
};
my $o = order();
$::Peer->plan($pi->($o, 1099));
passed(stripe_create($o, 1099), 'intent');
refused(test_mode(order_id => $o, amount => 1), 'order_mismatch',
        qr/amount 1099, this is one of 1\b/, 'amount');
refused(test_mode(order_id => $o, amount => 1099, currency => 'usd'),
        'order_mismatch', qr/created in EUR, this is one in USD/, 'currency');
taken(test_mode(order_id => $o, amount => 1099, object =>
             { amount_received => 50 }), 'captured in part');

# the amount is changed later

$o = order();
$::Peer->plan($pi->($o, 100), $pi->($o, 80));
passed(stripe_create($o, 100), 'intent');
passed(post('/s/v1/payment_intents/pi_1', 'application/x-www-form-urlencoded',
            'amount=80'), 'update');
my $lines = () = callbacks();
ok(wait_for(sub {
       my $m = test_mode(order_id => $o, amount => 100);
       $lines++;
       return send_callback($m)->{status} == 403;
   }), 'the old amount');
callbacks($lines);
taken(test_mode(order_id => $o, amount => 80), 'the new amount');

# a session has its amount when it is made

$o = order();
$::Peer->plan({ body => $::Json->encode({
    id => 'cs_1', object => 'checkout.session', amount_total => 500,
    currency => 'eur', livemode => JSON::PP::false,
    metadata => { out_trade_no => $o } }) });
passed(stripe_create($o, 0, path => 'checkout/sessions'), 'session');
refused(test_mode(order_id => $o, amount => 5), 'order_mismatch',
        qr/amount 500, this is one of 5\b/, 'session');

# other payments that say they are of this order

my $post = sub { return post("/s/v1/$_[0]", 'application/x-www-form-urlencoded',
                             $_[1]) };
my $unlike = sub {
    my ($of, $what) = @_;
    ok(wait_for(sub {
           error_log_text() =~ /\[warn\].* says of order "stripe:$of" is not /
       }), "$what: told");
};
$o = order();
$::Peer->plan($pi->($o, 1099), $pi->($o, 1, id => 'pi_own'));
passed(stripe_create($o, 1099), 'own');
passed($post->('payment_intents/pi_own',
               form(amount => 1, 'metadata[out_trade_no]' => $o)), 'own');
$unlike->($o, 'own');
refused(test_mode(order_id => $o, amount => 1), 'order_mismatch',
        qr/amount 1099, this is one of 1\b/, 'own');
taken(test_mode(order_id => $o, amount => 1099), 'own: the order');

$o = order();
$::Peer->plan(map { { body => $::Json->encode({
    id => $_->[0], object => 'checkout.session', amount_total => $_->[1],
    currency => 'eur', livemode => JSON::PP::false,
    client_reference_id => $o }) } } [ cs_1 => 500 ], [ cs_2 => 5 ]);
passed($post->('checkout/sessions', "client_reference_id=$o"), 'sessions');
passed($post->('checkout/sessions', "client_reference_id=$o"), 'sessions');
$unlike->($o, 'sessions');
refused(test_mode(order_id => $o, amount => 5), 'order_mismatch',
        qr/amount 500, this is one of 5\b/, 'sessions');
$::Peer->plan($pi->($o, 500, id => 'pi_9'));
passed($post->('payment_intents/pi_9/capture', ''), "a session's payment");
taken(test_mode(order_id => $o, amount => 500), 'sessions: the first one');

# it is paid

$o = order();
$::Peer->plan($pi->($o, 100), $pi->($o, 1));
passed(stripe_create($o, 100), 'paid');
taken(test_mode(order_id => $o, amount => 100), 'paid');
passed($post->('payment_intents/pi_1', 'amount=1'), 'paid: an update');
$unlike->($o, 'paid');
refused(test_mode(order_id => $o, amount => 1), 'order_mismatch',
        qr/amount 100, this is one of 1\b/, 'paid');

# connected accounts

$o = order();
$::Peer->plan($pi->($o, 7));
passed(stripe_create($o, 7, at => 'con',
                     heads => { 'Stripe-Account' => 'acct_1Test' }),
       'connected');
refused(test_mode(order_id => $o, amount => 7, event =>
                  { account => 'acct_2Test' }), 'order_mismatch',
        qr/account "acct_1Test", this is one of "acct_2Test"/, 'connected');
taken(test_mode(order_id => $o, amount => 7, event =>
                { account => 'acct_1Test' }), 'connected');



=== TEST 5: an order is created once, under its terms
--- no_channels
--- http_config eval: $::Http
--- config eval: $::Config
--- run
my $o = order();
$::Peer->plan();
passed(wx_create($o, 100), 'once');
passed(wx_create($o, 100), 'the same again');
is(scalar($::Peer->requests), 2, 'both are sent');
my $res = wx_create($o, 99);
is($res->{status}, 409, 'another amount');
like($res->{body}, qr/^\{"code":"CLIENT-ORDER_MISMATCH","message":"order \\"$o\\" was created with other terms, amount 100 CNY, /,
     'what is wrong');
is(wx_create($o, 100, currency => 'HKD')->{status}, 409, 'another currency');
is(wx_create($o, 100, appid => 'wx0000000000000002')->{status}, 409,
   'another account');
is(scalar($::Peer->requests), 2, 'nothing is sent');
like(error_log_text(), qr/call of channel "wxpay" rejected: order_mismatch, /);
passed(wx_create($o, 99, uri => '/off' . substr($::Wx, 3)),
       'paygw_binding off');
my $m = finish(begin("GET /metrics HTTP/1.0\r\n\r\n"))->{body};
like($m, qr/^paygw_orders_total\{channel="wxpay",provider="wechat_v3",result="rejected",reason="order_mismatch"\} 3$/m,
     'counted');



=== TEST 6: what was not made may be made with other terms, what may have been not
--- no_channels
--- http_config eval: $::Http
--- config eval: $::Config
--- run
my $err = sub {
    my ($code, $status) = @_;
    return { status => $status // 400, body => $::Json->encode({
             code => $code, message => 'x' }) };
};
for my $case ([ 'PARAM_ERROR', 400, 1 ], [ 'NO_AUTH', 403, 1 ],
              [ 'OUT_TRADE_NO_USED', 403, 0 ], [ 'SYSTEM_ERROR', 500, 0 ],
              [ 'BRAND_NEW', 500, 0 ], [ 'ORDERPAID', 400, 0 ],
              [ 'BANK_ERROR', 400, 0 ], [ 'USERPAYING', 400, 0 ]) {
    my ($code, $status, $gone) = @$case;
    my $o = order();
    $::Peer->plan($err->($code, $status), {});
    is(wx_create($o, 100)->{status}, $status, "$code: told");
    if ($gone) {
        ok(wait_for(sub { wx_create($o, 99)->{status} == 200 }),
           "$code: may be created anew");
    } else {
        is(wx_create($o, 99)->{status}, 409, "$code: may be there");
        is(wx_create($o, 100)->{status}, 200, "$code: repeated");
    }
}

# nobody knows

my $o = order();
$::Peer->plan({ signature => 'bad' }, {});
is(wx_create($o, 100)->{status}, 502, 'an answer of anybody');
is(wx_create($o, 99)->{status}, 409, 'it may have been made');
taken(wechat(order_id => $o, amount => 100), 'and was');

# a refusal of a repetition takes nothing back

$o = order();
$::Peer->plan({}, $err->('PARAM_ERROR'));
passed(wx_create($o, 100), 'created');
is(wx_create($o, 100)->{status}, 400, 'repeated');
is(wx_create($o, 99)->{status}, 409, 'it is there still');

# nothing was sent

$o = order();
is(wx_create($o, 100, uri => '/dead' . substr($::Wx, 3))->{status}, 503,
   'nobody is there');
ok(wait_for(sub {
       my $res = wx_create($o, 99, uri => '/dead' . substr($::Wx, 3));
       return $res->{status} == 503 && $res->{body} =~ /RETRY-UNREACHABLE/;
   }), 'nothing is noted of it');

# the other providers

$o = order();
$::Peer->plan({ content => '{"code":"40004","msg":"Business Failed",'
                . '"sub_code":"ACQ.INVALID_PARAMETER","sub_msg":"x"}' }, {});
passed(ali_create($o, '1.00'), 'Alipay: an error');
ok(wait_for(sub { ali_create($o, '2.00')->{status} == 200 }),
   'Alipay: anew');
$o = order();
$::Peer->plan({ content => '{"code":"40004","msg":"Business Failed",'
                . '"sub_code":"ACQ.CONTEXT_INCONSISTENT","sub_msg":"x"}' });
passed(ali_create($o, '1.00'), 'Alipay: another one is there');
is(ali_create($o, '2.00')->{status}, 409, 'Alipay: it may be this one');
$o = order();
$::Peer->plan({ content => '{"code":"20002","msg":"x","sub_code":"isp.new",'
                . '"sub_msg":"x"}' });
passed(ali_create($o, '1.00'), 'Alipay: no refusal');
is(ali_create($o, '2.00')->{status}, 409, 'Alipay: nobody knows');
for my $case ([ 402, '"type":"card_error","payment_intent":{"id":"pi_1"}' ],
              [ 400, '"type":"idempotency_error"' ],
              [ 424, '"type":"api_error"' ])
{
    my ($status, $error) = @$case;
    $o = order();
    $::Peer->plan({ status => $status, body => qq({"error":{$error}}) });
    is(stripe_create($o, 100)->{status}, $status, "Stripe: $status");
    is(stripe_create($o, 99)->{status}, 409, "Stripe: $status: it is there");
}
$o = order();
$::Peer->plan({ status => 402, body => '{"error":{"type":"card_error"}}' },
              { body => '{"object":"x"}' });
is(stripe_create($o, 100)->{status}, 402, 'Stripe: an error');
ok(wait_for(sub { stripe_create($o, 99)->{status} == 200 }), 'Stripe: anew');



=== TEST 7: D11: required: orders made elsewhere are refused
--- no_channels
--- http_config eval: $::Http . "    paygw_binding required keep=1h;\n"
--- config eval: $::Config
--- run
my $o = order();
refused(wechat(order_id => $o, amount => 100), 'order_unknown',
        qr/order "$o" was not created here, or is forgotten/, 'elsewhere');
passed(wx_create($o, 100), 'created');
taken(wechat(order_id => $o, amount => 100), 'here');
taken(wechat(order_id => order(), type => 'refund'),
      'a refund of what is not known');
taken(wechat(order_id => order(), amount => 100, resource =>
             { trade_state => 'NOTPAY' }), 'elsewhere, and not paid');
my $m = finish(begin("GET /metrics HTTP/1.0\r\n\r\n"))->{body};
like($m, qr/^paygw_callbacks_total\{channel="wxpay",provider="wechat_v3",result="refused",reason="order_unknown"\} 1$/m,
     'counted');



=== TEST 8: D11: off: nothing is compared, nothing is noted
--- no_channels
--- http_config eval: $::Http . "    paygw_binding off;\n"
--- config eval: $::Config
--- run
my $o = order();
passed(wx_create($o, 100), 'created');
passed(wx_create($o, 99), 'another amount');
taken(wechat(order_id => $o, amount => 1), 'any amount');

$o = order();
passed(wx_create($o, 100, uri => '/on' . substr($::Wx, 3)), 'noted');
is(wx_create($o, 99, uri => '/on' . substr($::Wx, 3))->{status}, 409,
   'it is noted');
taken(wechat(order_id => $o, amount => 1), 'noted, and not compared');



=== TEST 9: D17 and D12: a callback that does not fit leaves nothing behind
--- no_channels
--- http_config eval: $::Http
--- config eval: $::Config
--- run
my $o = order();
passed(wx_create($o, 100), 'created');
my $id = "EV-$o";
refused(wechat(order_id => $o, amount => 1, id => $id), 'order_mismatch',
        qr/amount 100/, 'another amount');
taken(wechat(order_id => $o, amount => 100, resource =>
             { trade_state => 'NOTPAY' }), 'it is open');
taken(wechat(order_id => $o, amount => 100, id => $id), 'the same event id');
my $m = wechat(order_id => $o, amount => 100, resource =>
               { trade_state => 'CLOSED' });
my $before = () = callbacks();
ack_ok(send_callback($m), $m, 200, 'late');
is((callbacks($before + 1))[-1], 'late late', 'late');



=== TEST 10: one call's refusal takes nothing from another one
--- no_channels
--- http_config eval: $::Http
--- config eval: $::Config
--- run
my $o = order();
$::Peer->plan({ status => 400, delay => 1.5, body => $::Json->encode({
                code => 'PARAM_ERROR', message => 'x' }) }, {});
my $body = $::Json->encode({
    appid => 'wxd678efh567hg6787', mchid => '1900009191',
    out_trade_no => $o, description => 'tea', amount => { total => 100 } });
my $first = begin("POST $::Wx HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    . "Content-Type: application/json\r\nContent-Length: " . length($body)
    . "\r\n\r\n$body");
ok(wait_for(sub { $::Peer->requests == 1 }), 'the first one is under way');
passed(wx_create($o, 100), 'the second one');
is(finish($first, timeout => 30)->{status}, 400, 'the first one is refused');
for (1 .. 5) {
    is(wx_create($o, 99)->{status}, 409, 'it was made, for this amount');
    select undef, undef, undef, 0.05;
}
is(scalar($::Peer->requests), 2, 'nothing is sent');
refused(wechat(order_id => $o, amount => 99), 'order_mismatch',
        qr/amount 100, this is one of 99\b/, 'compared');
taken(wechat(order_id => $o, amount => 100), 'as it was made');



=== TEST 11: what a callback says of a refund, and no more, is in the book
--- no_channels
--- http_config eval: $::Http
--- config eval: $::Config
--- run
my $book = sub {
    my ($verb, $key, $more) = @_;
    my $got = finish(begin("GET /s?op=book&verb=$verb&key=$key"
                           . ($more // '') . " HTTP/1.0\r\n\r\n"))->{body};
    return $got =~ /^\w+ (\w+ \S+ \S+)/ ? $1 : $got;
};
my $back = sub { wechat(order_id => shift, type => 'refund', amount => 100, @_) };
my $o = order();
passed(wx_create($o, 100), 'created');
taken(wechat(order_id => $o, amount => 100), 'paid');
for ([ R => 60 ], [ S => 10 ]) {
    $book->(reserve => "wxpay:$o", "&refund=$_->[0]$o&sum=$_->[1]");
}
my $is = $book->(look => "wxpay:$o");
like($is, qr/^PAID 100\/CNY\S* 0\+70$/, 'both are held');
my $terms = (split ' ', $is)[1];
taken($back->($o, refund_id => "S$o", refund => 10, kind => 'REFUND.ABNORMAL',
              resource => { refund_status => 'ABNORMAL' }), 'abnormal');
is($book->(look => "wxpay:$o"), "PAID $terms 0+70",
   'abnormal: money may go back by hand, it stays held');
taken($back->($o, refund_id => "S$o", refund => 10, kind => 'REFUND.CLOSED',
              resource => { refund_status => 'CLOSED' }), 'closed');
is($book->(look => "wxpay:$o"), "PAID $terms 0+60", 'closed: given back');
taken($back->($o, refund_id => "R$o", refund => 60), 'done');
is($book->(look => "wxpay:$o"), "PART_REFUNDED $terms 60+0", 'done: counts');
taken($back->($o, refund_id => "T$o", refund => 30), 'of another program');
is($book->(look => "wxpay:$o"), "PART_REFUNDED $terms 90+0",
   'of another program: counts');

# nobody has signed it

$o = order();
passed(v2_create($o, 100), 'v2: created');
taken(wechat2(order_id => $o, amount => 100), 'v2: paid');
$book->(reserve => "wxv2:$o", "&refund=R$o&sum=60");
$is = $book->(look => "wxv2:$o");
like($is, qr/^PAID \S+ 0\+60$/, 'v2: held');
taken(wechat2(order_id => $o, type => 'refund', refund => 60, amount => 100),
      'v2: done');
is($book->(look => "wxv2:$o"), $is, 'v2: done, says somebody');
taken(wechat2(order_id => $o, type => 'refund', refund => 60, amount => 100,
              refund_no => '50302', inner => { refund_status => 'CHANGE' }),
      'v2: not done');
is($book->(look => "wxv2:$o"), $is, 'v2: not done, says somebody');

# the sum of all refunds is not that of this one

$o = order();
passed(ali_create($o, '1.00'), 'Alipay: created');
taken(alipay(order_id => $o, amount => '1.00'), 'Alipay: paid');
$book->(reserve => "alipay:$o", "&refund=S$o&sum=30");
like($is = $book->(look => "alipay:$o"), qr/^PAID \S+ 0\+30$/,
     'Alipay: held');
$terms = (split ' ', $is)[1];
taken(alipay(order_id => $o, type => 'refund', amount => '1.00', refund =>
             '0.40', refund_id => "R$o"), 'Alipay: of another program');
is($book->(look => "alipay:$o"), $is, 'Alipay: nobody knows how much');
taken(alipay(order_id => $o, type => 'refund', amount => '1.00', refund =>
             '0.70', refund_id => "S$o"), 'Alipay: its own');
is($book->(look => "alipay:$o"), "PART_REFUNDED $terms 30+0",
   'Alipay: as much as was held');

# a number that is none of ours is no reason to have it sent for ever

for my $size (64, 65, 200) {
    taken(test_mode(order_id => order(), kind => 'refund.updated',
                    refund_id => 'R' x $size), "Stripe: a number of $size");
}
