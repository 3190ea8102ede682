# Orders by paygw_api to the sandbox, for each provider: made by every method,
# asked for, paid, refunded, closed; bills; answers that are lost.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();
use Digest::SHA ();
use POSIX ();

use PaygwApi;
use PaygwNginx;
use PaygwPeer qw(call);
use PaygwSandbox;

my $Sandbox = PaygwSandbox->start;
my $D = $Sandbox->{dir};
my $Ids = $Sandbox->{ids};
my $Url = 'http://127.0.0.1:1/n';
my @Wait = (proxy_read_timeout => 2 * $PaygwNginx::Slow . 's');

my $Nginx = PaygwNginx->start(store => 1,
    http => "    paygw_zone paygw:2m;\n    paygw_deadline 20s;\n"
        . "    log_format api '\$request_id \$paygw_channel \$paygw_result "
        . "\$paygw_order_id \$paygw_trade_no \$status';\n"
        . $Sandbox->wechat(platform_certificates =>
                               'auto interval=3600s retry=1s',
                           notify_url => $Url, @Wait)
        . $Sandbox->alipay_cert(alipay_cert => "$D/alipay/alipay_cert.crt",
                                alipay_certs => 'auto retry=1s',
                                notify_url => $Url,
                                @Wait),
    server => 'access_log logs/api.log api;'
        . 'location /pay/ { paygw_api wxpay alipay; }'
        . 'location /wx/ { paygw_api wxpay; }'
        . 'location /metrics { paygw_metrics; }');

my $Api = PaygwApi->new($Nginx, '/pay');
my $Wx = PaygwApi->new($Nginx, '/wx');

sub bend { $Sandbox->post('answers', { fault => $_[0], times => $_[1] // 1 }) }

sub made {
    my $id = shift;
    return grep { $_->{order_id} eq $id }
           @{ $Sandbox->get('orders')->{orders} };
}

sub today { return POSIX::strftime('%Y-%m-%d', gmtime(time + 8 * 3600)) }


# -- every method of every provider --

my %Methods = (
    wxpay => { qr => [ 'qr_code', {} ],
               jsapi => [ 'jsapi', { payer => { id => 'oUpF8uMuAJO' } } ],
               app => [ 'app', {} ],
               h5 => [ 'redirect', { payer => { ip => '203.0.113.9' } } ] },
    alipay => { qr => [ 'qr_code', {} ],
                jsapi => [ 'jsapi', { payer => { id => '2088101122136241' } } ],
                app => [ 'app', {} ],
                page => [ 'redirect', {} ],
                wap => [ 'redirect', { return_url => 'https://shop/back' } ],
                barcode => [ 'none', { payer => { auth_code =>
                                           '280000000000000001' } } ] },
);

for my $channel (sort keys %Methods) {
    for my $method (qw(qr jsapi app h5 page wap barcode)) {
        my $known = $Methods{$channel}{$method};
        my $name = "$channel $method";
        my $order = $Api->order(channel => $channel, method => $method,
                                expires_in => 600,
                                metadata => { a => 'x&"y', b => '1' },
                                $known ? %{ $known->[1] } : ());
        my $res = $Api->post('/orders', $order);

        if (!$known) {
            $Api->problem($res, 422, 'CLIENT-UNSUPPORTED', $name,
                          field => 'method');
            is(scalar made($order->{order_id}), 0, "$name: nothing was made");
            next;
        }

        my $data = $Api->ok($res, $name, order_id => $order->{order_id},
                            channel => $channel, amount => 100,
                            currency => 'CNY');
        is($data->{action}{type}, $known->[0], "$name: action");
        is($data->{outcome}, $method eq 'barcode' ? 'success' : 'pending',
           "$name: outcome");

        # page and app are made by the payer's side

        my ($got) = made($order->{order_id});
        is($got && $got->{amount}, $method =~ /page|wap/
                                   || $name eq 'alipay app' ? undef : 100,
           "$name: made");
        is($got->{notify_url}, $Url, "$name: notify_url") if $got;
    }
}


# -- the life of an order --

for my $channel (qw(wxpay alipay)) {
    my $provider = $channel eq 'wxpay' ? 'wechat_v3' : 'alipay';
    my $order = $Api->order(channel => $channel,
                            $channel eq 'alipay'
                            ? (method => 'jsapi',
                               payer => { id => '2088101122136241' }) : ());
    my $id = $order->{order_id};
    my @of = (channel => $channel);

    $Api->ok($Api->post('/orders', $order), "$channel: made",
             state => 'CREATED', outcome => 'pending');
    $Api->ok($Api->get("/orders/$id", @of), "$channel: not paid",
             outcome => 'pending', state => 'CREATED');
    $Api->problem($Api->post("/orders/$id/refunds",
                             { refund_id => "E$id", amount => 1, @of }),
                  409, 'CLIENT-ORDER_STATE', "$channel: refund of nothing");

    $Sandbox->post("orders/$id/pay", { provider => $provider });
    my $data = $Api->ok($Api->get("/orders/$id", @of), "$channel: paid",
                        outcome => 'success', state => 'PAID',
                        amount => 100, currency => 'CNY');
    like($data->{paid_at}, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
         "$channel: paid_at");
    is($data->{trade_no}, (made($id))[0]{trade_no}, "$channel: trade_no");
    ok(length $data->{payer}, "$channel: payer");

    $Api->problem($Api->post('/orders', $order), 409, 'CLIENT-ORDER_PAID',
                  "$channel: made again");
    $Api->problem($Api->post("/orders/$id/close", { @of }), 409,
                  'CLIENT-ORDER_PAID', "$channel: paid, cannot be closed");

    # refunds: in parts, repeated, too much

    my $refund = { refund_id => "R$id", amount => 30, reason => 'broken',
                   @of };
    $Api->ok($Api->post("/orders/$id/refunds", $refund), "$channel: refund",
             outcome => $channel eq 'wxpay' ? 'pending' : 'success',
             refund_id => "R$id", amount => 30);
    $Api->ok($Api->post("/orders/$id/refunds", $refund),
             "$channel: refund again", outcome => 'success', amount => 30);
    is((made($id))[0]{refunded}, 30, "$channel: once");
    $Api->ok($Api->get("/orders/$id/refunds/R$id", @of),
             "$channel: refund asked for", outcome => 'success',
             amount => 30, order_id => $id);
    $Api->problem($Api->get("/orders/$id/refunds/X$id", @of), 404,
                  'CLIENT-REFUND_NOT_FOUND', "$channel: no such refund");
    my $res = $Api->post("/orders/$id/refunds",
                         { %$refund, refund_id => "S$id", amount => 71 });
    $Api->problem($res, 409, 'CLIENT-REFUND_TOO_MUCH',
                  "$channel: more than is left");
    is((made($id))[0]{refunded}, 30, "$channel: not done");

    # of another order

    my $other = $Api->order(channel => $channel, method => $order->{method},
                            $order->{payer} ? (payer => $order->{payer}) : ());
    $Api->ok($Api->post('/orders', $other), "$channel: another order");
    $Api->problem($Api->get("/orders/$other->{order_id}/refunds/R$id", @of),
                  404, 'CLIENT-REFUND_NOT_FOUND',
                  "$channel: refund of another order");

    $Api->ok($Api->post("/orders/$other->{order_id}/close", { @of }),
             "$channel: closed", state => 'CLOSED');
    $Api->ok($Api->get("/orders/$other->{order_id}", @of),
             "$channel: is closed", state => 'CLOSED', outcome => 'failed');
    $Api->problem($Api->post('/orders', $other), 409, 'CLIENT-ORDER_CLOSED',
                  "$channel: a closed one is not made again");
    $Api->problem($Api->post('/orders', { %$order, amount => 1 }), 409,
                  'CLIENT-ORDER_MISMATCH', "$channel: with another amount");

    my $third = $Api->order(channel => $channel, method => $order->{method},
                            $order->{payer} ? (payer => $order->{payer}) : ());
    $Api->ok($Api->post('/orders', $third), "$channel: a third order");
    $Api->problem($Api->post('/orders', { %$third, amount => 1 }), 409,
                  'CLIENT-ORDER_MISMATCH', "$channel: is another one");
    $Api->ok($Api->post('/orders', $third), "$channel: repeated");

    my $none = PaygwApi::number();

    if ($channel eq 'wxpay') {
        $Api->problem($Api->get("/orders/$none", @of), 404,
                      'CLIENT-ORDER_NOT_FOUND', "$channel: no such order");

    } else {

        # the trade is made when the payer scans

        $Api->ok($Api->get("/orders/$none", @of),
                 "$channel: nobody has scanned", outcome => 'pending',
                 state => undef);
        $Api->problem($Api->post("/orders/$none/close", { @of }), 404,
                      'CLIENT-ORDER_NOT_FOUND', "$channel: nothing to close");
    }
}

# nobody has scanned it: it is closed here, and the code can still be paid

{
    my @of = (channel => 'alipay');
    my $order = $Api->order(@of);
    my $id = $order->{order_id};
    $Api->ok($Api->post('/orders', $order), 'unseen');
    $Api->ok($Api->post("/orders/$id/close", { @of }), 'unseen: closed',
             state => 'CLOSED', provider_state => 'ACQ.TRADE_NOT_EXIST');
    $Api->problem($Api->post('/orders', $order), 409, 'CLIENT-ORDER_CLOSED',
                  'unseen: not made again');
    $Sandbox->post("orders/$id/pay?provider=alipay", {});
    $Api->ok($Api->get("/orders/$id", @of), 'unseen: paid all the same',
             state => 'PAID', outcome => 'success');
}

# all of it back

{
    my $order = $Api->order(channel => 'alipay', method => 'barcode',
                            payer => { auth_code => '281234567890123456' });
    my $id = $order->{order_id};
    $Api->ok($Api->post('/orders', $order), 'barcode: paid at once',
             outcome => 'success', state => 'PAID');
    $Api->ok($Api->post("/orders/$id/refunds",
                        { refund_id => "R$id", amount => 100,
                          channel => 'alipay' }), 'all of it back',
             outcome => 'success');
    $Api->ok($Api->get("/orders/$id", channel => 'alipay'), 'is refunded',
             state => 'REFUNDED', outcome => 'success');

    $order = $Api->order(channel => 'alipay', method => 'barcode',
                         payer => { auth_code => '2812345678901210003' });
    $Api->ok($Api->post('/orders', $order), 'barcode: the payer is asked',
             outcome => 'pending', state => 'PAYING');

    $order = $Api->order(channel => 'alipay', method => 'barcode',
                         payer => { auth_code => '111111111111111111' });
    $Api->problem($Api->post('/orders', $order), 402,
                  'CLIENT-PAYER_REFUSED', 'barcode: no code of a payer',
                  provider_code => 'ACQ.PAYMENT_AUTH_CODE_INVALID');
}

# the one channel of a location needs no name

{
    my $order = $Wx->order;
    $Wx->ok($Wx->post('/orders', $order), 'one channel', channel => 'wxpay');
    $Wx->ok($Wx->get("/orders/$order->{order_id}"), 'one channel: query');
    $Wx->ok($Wx->post("/orders/$order->{order_id}/close"),
            'one channel: close without a body', state => 'CLOSED');
    $Api->problem($Api->post('/orders', $order), 400, 'CLIENT-MISSING_FIELD',
                  'two channels', field => 'channel');
}


# -- bills --

{
    my $res = $Api->get('/bills/wxpay/' . today());
    is($res->{status}, 200, 'wxpay: bill') or diag($res->{body});
    like($res->{body}, qr/^\xef\xbb\xbf.*`1,`1\.00\r\n$/s, 'wxpay: the file');
    is($res->{header}{'x-paygw-verified'}, 'sha1', 'wxpay: by its hash');

    $Api->problem($Api->get('/bills/wxpay/2020-02-02'), 404,
                  'CLIENT-BILL_NOT_FOUND', 'wxpay: no bill',
                  date => '2020-02-02');

    # the first answer is signed, the second one is the file

    bend('changed', 1);
    $Api->problem($Api->get('/bills/wxpay/' . today()), 502,
                  'PROVIDER-UNVERIFIED', 'wxpay: a changed answer');
    bend('', 1);

    my $data = $Api->ok($Api->get('/bills/alipay/' . today()),
                        'alipay: bill');
    like($data->{action}{url}, qr/downloadBillFile/, 'alipay: a URL');
    is_deeply([ sort keys %$data ], [ sort qw(action channel date) ],
              'alipay: bill: nothing about the file');
    is($Api->get('/bills/alipay/' . today())->{header}{'x-paygw-verified'},
       undef, 'alipay: bill: which nobody has checked');
    $Api->problem($Api->get('/bills/alipay/2020-02-02'), 404,
                  'CLIENT-BILL_NOT_FOUND', 'alipay: no bill');
}


# -- what is lost is unknown, never failed: a query tells the truth --

for my $channel (qw(wxpay alipay)) {
    for my $fault (qw(silent unsigned bad_signature truncated error garbage),
                   $channel eq 'wxpay' ? 'stale' : 'twin')
    {
        my $order = $Api->order(channel => $channel,
                                $channel eq 'alipay'
                                ? (method => 'jsapi',
                                   payer => { id => '2088101122136241' })
                                : ());
        my $name = "$channel $fault";

        bend($fault);
        my $res = $Api->post('/orders', $order);
        my $lost = $fault =~ /silent|truncated/;

        $Api->problem($res, $lost ? 504 : 502,
                      $lost ? 'PROVIDER-UNANSWERED' : 'PROVIDER-UNVERIFIED',
                      $name, order_id => $order->{order_id});
        bend('');
        $Api->ok($Api->get("/orders/$order->{order_id}",
                           channel => $channel),
                 "$name: it was made", outcome => 'pending');
        $Api->ok($Api->post('/orders', $order), "$name: again");
        is(scalar made($order->{order_id}), 1, "$name: no second order");
    }
}

# E19: a probed answer loses no order, and makes no second one

{
    my $order = $Api->order(channel => 'wxpay');
    bend('probe');
    $Api->ok($Api->post('/orders', $order), 'E19: made');
    is(scalar made($order->{order_id}), 1, 'E19: once');
}

# what is asked for before a refund is lost: nothing was refunded

{
    my $order = $Api->order(channel => 'wxpay');
    my $id = $order->{order_id};
    $Api->ok($Api->post('/orders', $order), 'refund in two steps: made');
    $Sandbox->post("orders/$id/pay", { provider => 'wechat_v3' });
    bend('bad_signature');
    $Api->problem($Api->post("/orders/$id/refunds",
                             { refund_id => "R$id", amount => 1,
                               channel => 'wxpay' }),
                  502, 'PROVIDER-UNVERIFIED', 'the first step is lost');
    is((made($id))[0]{refunded}, 0, 'nothing was refunded');
    bend('');
}


# -- what is counted and logged --

{
    my $res = $Api->get('/orders/' . PaygwApi::number(),
                        channel => 'wxpay');
    my $id = $res->{json}{request_id};
    my $log = "$Nginx->{dir}/logs/api.log";

    PaygwProcess::wait_for(sub {
        open my $fh, '<', $log or return 0;
        local $/;
        return <$fh> =~ /^$id wxpay passed \S+ - 404$/m;
    }, 10);
    open my $fh, '<', $log or die $!;
    my $text = do { local $/; <$fh> };
    like($text, qr/^$id wxpay passed A\S+ - 404$/m, 'access log');

    my $metrics = call($Nginx, GET => '/metrics')->{body};
    like($metrics, qr/^paygw_orders_total\{channel="wxpay",.*result="passed",
                      .*\}\ [1-9]/mx, 'metrics: passed');
    like($metrics, qr/^paygw_orders_total\{channel="alipay",.*
                      result="unanswered",.*\}\ [1-9]/mx,
         'metrics: unanswered');
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
