# paygw_api and the book of orders, with the sandbox: refs that nobody has to
# keep, refunds of two workers at once, kept states, a store that is dead.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwApi;
use PaygwNginx;
use PaygwPeer qw(begin_call end_call);
use PaygwProcess ();
use PaygwSandbox;
use PaygwTest ();

my $With = $ENV{PAYGW_TEST_STORE} || 'zone';

PaygwTest::redis_start() if $With eq 'redis';

my $Store = $With eq 'redis'
    ? 'paygw_store redis://127.0.0.1:' . PaygwTest::redis_port()
      . " prefix=book$$: timeout=5s;\n"
    : "paygw_zone book$$:2m;\n";

my $Sandbox = PaygwSandbox->start;
my $Shop = PaygwProcess::free_port();
my $Dead = PaygwProcess::free_port();
my $Url = 'http://127.0.0.1:1/n';
my @Wait = (proxy_read_timeout => 5 * $PaygwNginx::Slow . 's');
my @Back = (return_url => 'https://shop/back');

my $Channels = "    paygw_deadline 20s;\n"
    . $Sandbox->wechat(platform_certificates => 'auto interval=3600s retry=1s',
                       notify_url => $Url,
                       proxy_read_timeout => 2 * $PaygwNginx::Slow . 's')
    . $Sandbox->stripe(@Wait) . $Sandbox->unionpay(notify_url => $Url, @Wait);

my $Nginx = PaygwNginx->start(
    workers => 2,
    http => $Store . ($With eq 'redis' ? "    paygw_zone keys$$:1m;\n" : '')
        . $Channels . "    server { listen 127.0.0.1:$Shop; return 204; }\n",
    server => 'location /pay/ { paygw_api wxpay stripe unionpay; }'
        . 'location /kept/ { paygw_api wxpay;'
        . ' paygw_status_cache 60s pending=60s; }'
        . 'location /off/ { paygw_api wxpay stripe unionpay;'
        . ' paygw_binding off; }'
        . "location = /notify { paygw_notify wxpay;"
        . " proxy_pass http://127.0.0.1:$Shop; }");

my $Api = PaygwApi->new($Nginx, '/pay');
my $Kept = PaygwApi->new($Nginx, '/kept');
my $Off = PaygwApi->new($Nginx, '/off');

sub made {
    my $id = shift;
    return grep { $_->{order_id} eq $id }
           @{ $Sandbox->get('orders')->{orders} };
}

sub pay {
    my ($id, $provider) = @_;
    return $Sandbox->post("orders/$id/pay?provider=$provider", {});
}

sub bend { $Sandbox->post('answers', { fault => $_[0], times => $_[1] // 1 }) }

# all at once; what became of them, and how often

sub copies {
    my ($path, @bodies) = @_;
    my %got;

    my @calls = map { begin_call($Nginx, 'POST', "/pay$path", body =>
                                 JSON::PP::encode_json($_), heads =>
                                 { 'Content-Type' => 'application/json' }) }
                @bodies;

    for my $c (@calls) {
        my $json = eval { JSON::PP::decode_json(end_call($c, timeout => 30)
                                                ->{body}) };
        $got{$json->{code} // 'none'}++;
    }

    return join ' ', map { "$_=$got{$_}" } sort keys %got;
}


# -- Stripe: intents and sessions --

my $Other;

for my $method (qw(jsapi page)) {
    my @of = (channel => 'stripe');
    my $order = $Api->order(@of, method => $method, currency => 'EUR',
                            $method eq 'page' ? @Back : ());
    my $id = $order->{order_id};
    my $name = "stripe $method";

    my $made = $Api->ok($Api->post('/orders', $order), $name);
    like($made->{ref}, $method eq 'page' ? qr/^cs_/ : qr/^pi_/, "$name: ref");

    $Api->ok($Api->get("/orders/$id", @of), "$name: asked without its ref",
             state => 'CREATED', ref => $made->{ref});
    my $again = $Api->ok($Api->post('/orders', $order), "$name: repeated",
                         ref => $made->{ref});
    is_deeply($again->{action}, $made->{action}, "$name: the same action");
    is(scalar made($id), 1, "$name: one order");
    $Api->problem($Api->post('/orders', { %$order, method =>
                      $method eq 'page' ? 'app' : 'wap', @Back }),
                  409, 'CLIENT-ORDER_MISMATCH', "$name: another method");

    # in the book before it is sent: that there is another one he has not said

    $Api->problem($Api->post('/orders', { %$order, amount => 99 }), 409,
                  'CLIENT-ORDER_MISMATCH', "$name: another amount",
                  provider_code => undef);
    $Api->problem($Api->post('/orders', { %$order, currency => 'USD' }), 409,
                  'CLIENT-ORDER_MISMATCH', "$name: another currency",
                  provider_code => undef);

    pay($id, 'stripe');
    $Api->ok($Api->post("/orders/$id/refunds",
                        { refund_id => "R$id", amount => 40, @of }),
             "$name: refund without the ref", outcome => 'success');
    $Api->ok($Api->get("/orders/$id", @of), "$name: state of both",
             state => 'PART_REFUNDED', outcome => 'success');
    $Api->ok($Api->get("/orders/$id/refunds/R$id", @of),
             "$name: refund asked for", outcome => 'success', amount => 40);

    # neither what is kept nor what is known of it is told to another ref

    $Api->problem($Api->get("/orders/$id", @of, ref => $Other), 404,
                  'CLIENT-ORDER_NOT_FOUND', "$name: ref of another order")
        if $Other;
    $Other = $made->{ref};
    $Api->problem($Api->post('/orders', $order), 409, 'CLIENT-ORDER_PAID',
                  "$name: repeated when it is paid");
    $Api->problem($Api->post("/orders/$id/close", { @of }), 409,
                  'CLIENT-ORDER_PAID', "$name: paid is not closed");
    $Api->ok($Api->post("/orders/$id/refunds",
                        { refund_id => "S$id", amount => 60, @of }),
             "$name: the rest", outcome => 'success');
    $Api->ok($Api->get("/orders/$id", @of), "$name: all of it",
             state => 'REFUNDED', outcome => 'success');
    is((made($id))[0]{refunded}, 100, "$name: refunded");

    $order = { %$order, order_id => PaygwApi::number() };
    $id = $order->{order_id};
    $made = $Api->ok($Api->post('/orders', $order), "$name 2");
    $Api->ok($Api->post("/orders/$id/close", { @of }),
             "$name: closed without its ref", state => 'CLOSED',
             ref => $made->{ref});
    $Api->problem($Api->post('/orders', $order), 409, 'CLIENT-ORDER_CLOSED',
                  "$name: repeated when it is closed", state => 'CLOSED',
                  amount => $order->{amount}, currency => $order->{currency});
}


# -- Stripe: payments of other orders, and one refund of two payments --

{
    my @of = (channel => 'stripe', currency => 'EUR');
    my @orders = map { $Api->order(@of, method => $_,
                                   $_ eq 'page' ? @Back : ()) }
                 qw(jsapi jsapi page);
    my @made = map { $Api->ok($Api->post('/orders', $_), 'stripe: made') }
               @orders;
    my ($one, $two, $page) = map { $_->{order_id} } @orders;
    my @ref = (channel => 'stripe', ref => $made[1]{ref});

    $Api->problem($Api->post("/orders/$one/close", { @ref }), 409,
                  'CLIENT-ORDER_MISMATCH', 'stripe: closed by another ref',
                  field => 'ref');
    $Api->ok($Api->get("/orders/$_", channel => 'stripe'),
             'stripe: is not closed', state => 'CREATED') for $one, $two;
    pay($_, 'stripe') for $one, $two, $page;
    $Api->ok($Api->get("/orders/$one", channel => 'stripe'),
             'stripe: is paid', state => 'PAID');
    $Api->problem($Api->post("/orders/$one/refunds",
                             { refund_id => "R$one", amount => 40, @ref }),
                  409, 'CLIENT-ORDER_MISMATCH',
                  'stripe: refunded by another ref', field => 'ref')
        for 1, 2;
    $Api->ok($Api->post("/orders/$one/refunds",
                        { refund_id => "S$one", amount => 100,
                          channel => 'stripe' }),
             'stripe: neither is held', outcome => 'success');
    is((made($two))[0]{refunded}, 0, 'stripe: nothing of the other one');

    # the payment of a session is that of its order

    my $pi = (made($page))[0]{trade_no};
    like($pi, qr/^pi_/, 'stripe: of a session');
    my $refund = { refund_id => "R$page", amount => 40, channel => 'stripe' };
    my $path = "/orders/$page/refunds";
    $Api->ok($Api->post($path, { %$refund, ref => $pi }),
             'stripe: by its payment', outcome => 'success');
    $Api->ok($Api->post($path, $refund), 'stripe: repeated',
             outcome => 'success');
    $Api->problem($Api->post($path, { %$refund, ref => $made[2]{ref} }), 409,
                  'CLIENT-REFUND_MISMATCH', 'stripe: by another ref',
                  field => 'ref');
    is((made($page))[0]{refunded}, 40, 'stripe: once');
    $Api->ok($Api->get("/orders/$page", channel => 'stripe'),
             'stripe: the order has its own ref', ref => $made[2]{ref});
}


# -- UnionPay: the time of the call --

{
    my @of = (channel => 'unionpay');
    my $order = $Api->order(@of);
    my $id = $order->{order_id};

    my $made = $Api->ok($Api->post('/orders', $order), 'unionpay');
    my $ref = $made->{ref};

    $Api->ok($Api->get("/orders/$id", @of), 'unionpay: without its ref',
             state => 'PAYING', ref => $ref);
    $Api->ok($Api->get("/orders/$id", @of, ref => $ref),
             'unionpay: with it', state => 'PAYING', ref => $ref);
    sleep 1;
    $Api->problem($Api->post('/orders', $order), 409, 'CLIENT-ORDER_STATE',
                  'unionpay: repeated under the same time',
                  provider_code => '12', ref => $ref);
    is(scalar made($id), 1, 'unionpay: one order');
    $Api->problem($Api->post('/orders', { %$order, method => 'page', @Back }),
                  409, 'CLIENT-ORDER_MISMATCH', 'unionpay: another method');

    # under another time it would be another one, which can be paid as well

    my $wrong = $ref =~ s/^\d{14}/20250102030405/r;
    $Api->problem($Api->post('/orders', { %$order, ref => $wrong }), 409,
                  'CLIENT-ORDER_MISMATCH', 'unionpay: another time',
                  field => 'ref');
    is(scalar made($id), 1, 'unionpay: still one order');

    pay($id, 'unionpay');
    my %refund = (refund_id => "R$id", amount => 30, @of);
    my $first = $Api->ok($Api->post("/orders/$id/refunds", \%refund),
                         'unionpay: refund without a ref',
                         outcome => 'pending');
    like($first->{ref}, qr/^\Q$ref\E-\d{14}$/, 'unionpay: its own ref');

    # nor is a refund of another time this one

    $wrong = $first->{ref} =~ s/\d{14}$/20250102030405/r;
    $Api->problem($Api->post("/orders/$id/refunds",
                             { %refund, ref => $wrong }), 409,
                  'CLIENT-REFUND_MISMATCH', 'unionpay: of another time',
                  field => 'ref');
    sleep 1;
    $Api->ok($Api->post("/orders/$id/refunds", \%refund),
             'unionpay: repeated, under the same ref', outcome => 'success',
             ref => $first->{ref});
    $Api->ok($Api->post("/orders/$id/refunds", { %refund, ref => $ref }),
             'unionpay: repeated with the ref of the order',
             ref => $first->{ref});
    is((made($id))[0]{refunded}, 30, 'unionpay: once');
    $Api->ok($Api->get("/orders/$id/refunds/R$id", @of),
             'unionpay: refund asked for without a ref', outcome => 'success',
             ref => $first->{ref}, amount => 30);
    $Api->ok($Api->get("/orders/$id/refunds/R$id", @of,
                       ref => $first->{ref}),
             'unionpay: with it', outcome => 'success');
    $Api->ok($Api->get("/orders/$id", @of), 'unionpay: state of both',
             state => 'PART_REFUNDED');
    $Api->problem($Api->get("/orders/$id/refunds/X$id", @of), 400,
                  'CLIENT-MISSING_FIELD', 'unionpay: no refund of ours',
                  field => 'ref');
    $Api->problem($Api->post("/orders/$id/refunds",
                             { %refund, amount => 31 }), 409,
                  'CLIENT-REFUND_MISMATCH', 'unionpay: another amount',
                  field => 'amount', refund_id => "R$id");

    # what is refused after it was held is given back

    $order = $Api->order(@of);
    $id = $order->{order_id};
    $made = $Api->ok($Api->post('/orders', $order), 'unionpay: another');
    pay($id, 'unionpay');
    my $else = $Off->ok($Off->post("/orders/$id/refunds",
                        { refund_id => "E$id", amount => 50, @of,
                          ref => $made->{ref} }),
             'unionpay: refund that is not known');
    $Api->problem($Api->post("/orders/$id/refunds",
                             { refund_id => "R$id", amount => 99, @of }), 422,
                  'PROVIDER-REFUSED', 'unionpay: too much for him');
    $Api->problem($Api->post("/orders/$id/refunds",
                             { refund_id => "R$id", amount => 98, @of }), 409,
                  'CLIENT-REFUND_MISMATCH', 'unionpay: it was another one',
                  field => 'amount');
    $Api->ok($Api->post("/orders/$id/refunds",
                        { refund_id => "S$id", amount => 50, @of }),
             'unionpay: neither is held');

    # what was done elsewhere has no time here, and none is made up for it

    $Api->ok($Api->get("/orders/$id/refunds/E$id", @of,
                       ref => $else->{ref}), 'unionpay: done elsewhere',
             outcome => 'success');
    sleep 1;
    $Api->problem($Api->post("/orders/$id/refunds",
                             { refund_id => "E$id", amount => 50, @of }), 400,
                  'CLIENT-MISSING_FIELD', 'unionpay: under which time?',
                  field => 'ref');
    $Api->ok($Api->post("/orders/$id/refunds",
                        { refund_id => "E$id", amount => 50, @of,
                          ref => $else->{ref} }),
             'unionpay: that one', outcome => 'success');
    is((made($id))[0]{refunded}, 100, 'unionpay: none of them twice');

    # a page is no call, and the same page again

    $order = $Api->order(@of, method => 'page', @Back);
    $made = $Api->ok($Api->post('/orders', $order), 'unionpay: page');
    sleep 1;
    my $again = $Api->ok($Api->post('/orders', $order),
                         'unionpay: page again', ref => $made->{ref});
    my ($time) = $made->{ref} =~ /^(\d+)/;
    like($again->{action}{html}, qr/name="txnTime" value="$time"/,
         'unionpay: of the same time');
}


# -- refunds at once, by two workers --

{
    my $order = $Api->order(channel => 'wxpay');
    my $id = $order->{order_id};
    my $path = "/orders/$id/refunds";

    $Api->ok($Api->post('/orders', $order), 'at once: made', state =>
             'CREATED');
    pay($id, 'wechat_v3');

    # the book has not heard of the payment: it is asked for

    is(copies($path, map { { refund_id => "C$_$id", amount => 30,
                             channel => 'wxpay' } } 1 .. 10),
       'CLIENT-REFUND_TOO_MUCH=7 OK=3', 'at once: three of 30 fit into 100');
    is((made($id))[0]{refunded}, 90, 'at once: 90 were refunded');

    is(copies($path, map { { refund_id => "D$id", amount => 10,
                             channel => 'wxpay' } } 1 .. 6),
       'OK=6', 'at once: the same six times');
    is((made($id))[0]{refunded}, 100, 'at once: is one refund');
    $Api->problem($Api->post($path, { refund_id => "E$id", amount => 1,
                                      channel => 'wxpay' }), 409,
                  'CLIENT-REFUND_TOO_MUCH', 'at once: nothing is left');
    $Api->ok($Api->get("$path/D$id", channel => 'wxpay'),
             'at once: asked for', outcome => 'success');
}

# what is pending stays held, and is confirmed by a question

{
    my @of = (channel => 'wxpay');
    my $order = $Api->order(@of);
    my $id = $order->{order_id};
    my $path = "/orders/$id/refunds";

    $Api->ok($Api->post('/orders', $order), 'pending: made');
    pay($id, 'wechat_v3');
    $Api->ok($Api->get("/orders/$id", @of), 'pending: paid', state => 'PAID');

    $Api->ok($Api->post($path, { refund_id => "R$id", amount => 70, @of }),
             'pending: refund', outcome => 'pending');
    $Api->problem($Api->post($path, { refund_id => "S$id", amount => 40,
                                      @of }), 409, 'CLIENT-REFUND_TOO_MUCH',
                  'pending: it is held');
    $Api->ok($Api->get("$path/R$id", @of), 'pending: asked for',
             outcome => 'success');
    $Api->ok($Api->post($path, { refund_id => "T$id", amount => 30, @of }),
             'pending: the rest fits');
}


# -- states that are kept, and a callback that forgets them --

{
    my $order = $Kept->order;
    my $id = $order->{order_id};

    $Kept->ok($Kept->post('/orders', $order), 'kept: made');
    $Kept->ok($Kept->get("/orders/$id"), 'kept: asked', state => 'CREATED',
              provider_state => 'NOTPAY');
    pay($id, 'wechat_v3');
    $Kept->ok($Kept->get("/orders/$id"), 'kept: pending, from the book',
              state => 'CREATED', provider_state => 'NOTPAY', amount => 100,
              currency => 'CNY', channel => 'wxpay', order_id => $id);

    is($Sandbox->callback({ order_id => $id, provider => 'wechat_v3', url =>
                            "http://127.0.0.1:$Nginx->{port}/notify" }),
       204, 'kept: callback');
    my $paid = $Kept->ok($Kept->get("/orders/$id"), 'kept: forgotten then',
                         state => 'PAID', provider_state => 'SUCCESS');

    # with a provider that only says what nobody can read

    bend('garbage', 1);
    my $res = $Kept->get("/orders/$id");
    is_deeply($Kept->ok($res, 'kept: paid, without a call'), $paid,
              'kept: all of it');
    $Api->problem($Off->get("/orders/$id", channel => 'wxpay'), 502,
                  'PROVIDER-UNVERIFIED', 'kept: another location asks');
    bend('');
    $Kept->ok($Kept->post("/orders/$id/refunds",
                          { refund_id => "R$id", amount => 1 }),
              'kept: refund');
    $Kept->ok($Kept->get("/orders/$id/refunds/R$id"), 'kept: is made');
    $Kept->ok($Kept->get("/orders/$id"), 'kept: forgotten again',
              state => 'PART_REFUNDED');
}


# where nothing pending is kept nothing of that is told

{
    my $order = $Kept->order;
    my $id = $order->{order_id};

    $Kept->ok($Kept->post('/orders', $order), 'kept: another');
    $Kept->ok($Kept->get("/orders/$id"), 'kept: it is pending',
              state => 'CREATED');
    pay($id, 'wechat_v3');
    $Kept->ok($Kept->get("/orders/$id"), 'kept: told again',
              state => 'CREATED');
    $Api->ok($Api->get("/orders/$id", channel => 'wxpay'),
             'kept: asked elsewhere', state => 'PAID');
}


# -- without the book all is as it was --

{
    my $order = $Off->order(channel => 'unionpay');
    my $made = $Off->ok($Off->post('/orders', $order), 'off');
    $Off->problem($Off->get("/orders/$order->{order_id}",
                            channel => 'unionpay'), 400,
                  'CLIENT-MISSING_FIELD', 'off: no ref', field => 'ref');
    $Off->ok($Off->get("/orders/$order->{order_id}", channel => 'unionpay',
                       ref => $made->{ref}), 'off: asked');
}


# -- a store that is dead --

{
    my $order = $Api->order(channel => 'wxpay');
    my $id = $order->{order_id};
    my $up = $Api->order(channel => 'unionpay');
    $Api->ok($Api->post('/orders', $order), 'dead: made before');
    my $ref = $Api->ok($Api->post('/orders', $up), 'dead: the same')->{ref};

    my $dead = PaygwNginx->start(
        http => "paygw_store redis://127.0.0.1:$Dead timeout=300ms;\n"
            . "    paygw_zone dead$$:1m;\n" . $Channels,
        server => 'location /pay/ { paygw_api wxpay stripe unionpay; }');
    my $api = PaygwApi->new($dead, '/pay');
    my @of = (channel => 'wxpay');

    my $new = $api->order(@of);
    $api->problem($api->post('/orders', $new), 503, 'RETRY-STORE',
                  'dead: nothing is made');
    is(scalar made($new->{order_id}), 0, 'dead: nothing was');
    $api->problem($api->post('/orders', $order), 503, 'RETRY-STORE',
                  'dead: nor repeated');

    $api->ok($api->get("/orders/$id", @of), 'dead: the provider is asked',
             state => 'CREATED');
    $api->ok($api->get("/orders/$up->{order_id}", channel => 'unionpay',
                       ref => $ref), 'dead: with a ref', state => 'PAYING');
    $api->problem($api->get("/orders/$up->{order_id}",
                            channel => 'unionpay'), 503, 'RETRY-STORE',
                  'dead: it has the ref');

    pay($id, 'wechat_v3');
    $api->problem($api->post("/orders/$id/refunds",
                             { refund_id => "R$id", amount => 1, @of }), 503,
                  'RETRY-STORE', 'dead: no refund');
    is((made($id))[0]{refunded}, 0, 'dead: none was made');
    $api->problem($api->get("/orders/$id/refunds/R$id", @of), 502,
                  'PROVIDER-UNCLEAR', 'dead: nor is there one, or not yet');
    $dead->stop;
}

unlike($Nginx->log, qr/\[alert\]|\[emerg\]/, 'no alert');

$Nginx->quit;
$Sandbox->stop;

done_testing();
