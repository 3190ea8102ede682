# Orders by paygw_api to the sandbox, for Stripe, WeChat Pay v2 and UnionPay:
# made by every method, asked for, paid, refunded, closed; bills; what is lost.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Digest::SHA ();
use MIME::Base64 qw(decode_base64);
use POSIX ();

use PaygwApi;
use PaygwNginx;
use PaygwSandbox;

my $Sandbox = PaygwSandbox->start;
my $Url = 'http://127.0.0.1:1/n';

my @Wait = (proxy_read_timeout => 5 * $PaygwNginx::Slow . 's');
my $Nginx = PaygwNginx->start(store => 1,
    http => "    paygw_zone paygw:2m;\n    paygw_deadline 20s;\n"
        . $Sandbox->stripe(@Wait)
        . $Sandbox->wechat_v2(notify_url => $Url, @Wait)
        . $Sandbox->unionpay(notify_url => $Url, termId => 'T0000001', @Wait)
        . ($Sandbox->unionpay(notify_url => $Url, @Wait)
               =~ s/unionpay \{/noterm {/r),
    server => 'location /pay/ { paygw_api stripe wxv2 unionpay; }'
        . 'location /noterm/ { paygw_api noterm; }');

my $Api = PaygwApi->new($Nginx, '/pay');

sub bend { $Sandbox->post('answers', { fault => $_[0], times => $_[1] // 1 }) }

sub made {
    my $id = shift;
    return grep { $_->{order_id} eq $id }
           @{ $Sandbox->get('orders')->{orders} };
}

sub today { return POSIX::strftime('%Y-%m-%d', gmtime(time + 8 * 3600)) }

sub pay {
    my ($id, $provider) = @_;
    return $Sandbox->post("orders/$id/pay?provider=$provider", {});
}


# -- every method of every provider --

my @Back = (return_url => 'https://shop/back');

my %Methods = (
    stripe => { jsapi => [ 'jsapi', {} ], app => [ 'app', {} ],
                page => [ 'redirect', { @Back } ],
                wap => [ 'redirect', { @Back } ] },
    wxv2 => { qr => [ 'qr_code', {} ],
              jsapi => [ 'jsapi', { payer => { id => 'oUpF8uMuAJO' } } ],
              app => [ 'app', {} ],
              h5 => [ 'redirect', { payer => { ip => '203.0.113.9' }, @Back } ],
              barcode => [ 'none', { payer => { auth_code =>
                                         '130000000000000001' } } ] },
    unionpay => { qr => [ 'qr_code', {} ], app => [ 'app', {} ],
                  page => [ 'form', { @Back } ],
                  wap => [ 'form', { @Back } ],
                  barcode => [ 'none', { payer => { auth_code =>
                                             '6220000000000000001' } } ] },
);

for my $channel (sort keys %Methods) {
    for my $method (qw(qr jsapi app h5 page wap barcode)) {
        my $known = $Methods{$channel}{$method};
        my $name = "$channel $method";
        my $order = $Api->order(channel => $channel, method => $method,
                                $channel eq 'stripe' ? (currency => 'EUR')
                                : (expires_in => 600),
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
                            currency => $order->{currency});
        is($data->{action}{type}, $known->[0], "$name: action");
        is($data->{outcome}, $name eq 'wxv2 barcode' ? 'success' : 'pending',
           "$name: outcome");
        is(!!$data->{ref}, $channel ne 'wxv2', "$name: ref");

        # the page is posted by the payer's browser

        my ($got) = made($order->{order_id});
        is($got && $got->{amount},
           $data->{action}{type} eq 'form' ? undef : 100, "$name: made");
        is($got->{notify_url}, $Url, "$name: notify_url")
            if $got && $channel ne 'stripe' && $name ne 'wxv2 barcode';

        if ($channel eq 'stripe') {
            like($data->{ref}, $data->{action}{type} eq 'redirect'
                               ? qr/^cs_/ : qr/^pi_/, "$name: its id");
            is($got->{extra}{metadata}{a}, 'x&"y', "$name: metadata");
            like($data->{action}{params}{clientSecret}, qr/^pi_.*_secret_/,
                 "$name: secret") if $method =~ /jsapi|app/;

        } elsif ($channel eq 'wxv2') {
            like($data->{action}{url}, qr{redirect_url=https%3A%2F%2Fshop%2F},
                 "$name: the way back") if $method eq 'h5';
            is($got->{attach}, '{"a":"x&\"y","b":"1"}', "$name: metadata");

        } elsif ($got) {
            is(decode_base64($got->{attach}), '{"a":"x&\"y","b":"1"}',
               "$name: metadata");

        } else {
            my $html = $data->{action}{html};
            my ($action) = $html =~ /action="([^"]+)"/;
            my %f = $html =~ /name="(\w+)" value="([^"]*)"/g;
            is($f{channelType}, $method eq 'page' ? '07' : '08',
               "$name: channel");
            s/&quot;/"/g, s/&amp;/&/g for values %f;
            my @args = map { ('--data-urlencode', "$_=$f{$_}") }
                       sort keys %f;
            open my $fh, '-|', 'curl', '-s', @args, $action or die $!;
            { local $/; scalar <$fh> }
            is((made($order->{order_id}))[0]{amount}, 100,
               "$name: the page makes it");
        }
    }
}


# -- the life of an order --

for my $channel (qw(stripe wxv2 unionpay)) {
    my %p = (stripe => 'stripe', wxv2 => 'wechat_v2', unionpay => 'unionpay');
    my %o = (channel => $channel, $channel eq 'stripe'
             ? (method => 'jsapi', currency => 'EUR') : ());
    my $order = $Api->order(%o);
    my $id = $order->{order_id};

    my $made = $Api->ok($Api->post('/orders', $order), "$channel: made",
                        state => 'CREATED', outcome => 'pending');
    my @of = (channel => $channel, $made->{ref} ? (ref => $made->{ref}) : ());

    $Api->ok($Api->get("/orders/$id", @of), "$channel: not paid",
             outcome => 'pending',
             state => $channel eq 'unionpay' ? 'PAYING' : 'CREATED');
    my %refund = (refund_id => "R$id", amount => 30, reason => 'broken', @of);
    $Api->problem($Api->post("/orders/$id/refunds", \%refund),
                  409, 'CLIENT-ORDER_STATE', "$channel: refund of nothing");

    pay($id, $p{$channel});
    my $data = $Api->ok($Api->get("/orders/$id", @of), "$channel: paid",
                        outcome => 'success', state => 'PAID', amount => 100,
                        currency => $order->{currency});
    is($data->{trade_no}, (made($id))[0]{trade_no}, "$channel: trade_no");

    if ($channel eq 'stripe') {
        $Api->ok($Api->get("/orders/$id", channel => $channel),
                 'stripe: by its number', outcome => 'success',
                 ref => $made->{ref});
        $Api->problem($Api->post('/orders', $order), 409,
                      'CLIENT-ORDER_PAID', 'stripe: made again');
        $Api->problem($Api->post('/orders', { %$order, amount => 99 }), 409,
                      'CLIENT-ORDER_MISMATCH', 'stripe: another amount');
    } elsif ($channel eq 'wxv2') {
        $Api->problem($Api->post('/orders', $order), 409,
                      'CLIENT-ORDER_PAID', 'wxv2: made again');
    } else {
        $Api->problem($Api->post('/orders', $order), 409,
                      'CLIENT-ORDER_PAID', 'unionpay: made again');
        $Api->problem($Api->get('/orders/' . PaygwApi::number(),
                                channel => $channel), 400,
                      'CLIENT-MISSING_FIELD', 'unionpay: no ref',
                      field => 'ref');
    }

    # refunds: in parts, repeated, too much

    my $first = $Api->ok($Api->post("/orders/$id/refunds", \%refund),
                         "$channel: refund", amount => 30,
                         refund_id => "R$id",
                         outcome => $channel eq 'stripe' ? 'success'
                                                         : 'pending');
    my @ref = $first->{ref} ? (ref => $first->{ref}) : ();
    $Api->ok($Api->post("/orders/$id/refunds", { %refund, @ref }),
             "$channel: refund again", amount => 30,
             outcome => $channel eq 'wxv2' ? 'pending' : 'success');
    is((made($id))[0]{refunded}, 30, "$channel: once");
    my $got = $Api->ok($Api->get("/orders/$id/refunds/R$id",
                                 channel => $channel, @ref),
                       "$channel: refund asked for", outcome => 'success',
                       amount => 30, order_id => $id);
    is($got->{refund_no}, (made($id))[0]{refunds}[0]{refund_no},
       "$channel: refund_no");
    $Api->problem($Api->get("/orders/$id/refunds/X$id", channel => $channel,
                            @ref),
                  404, 'CLIENT-REFUND_NOT_FOUND', "$channel: no such refund");
    $Api->problem($Api->post("/orders/$id/refunds",
                             { %refund, refund_id => "S$id", amount => 71 }),
                  409, 'CLIENT-REFUND_TOO_MUCH',
                  "$channel: more than is left");
    my $res = $Api->post("/orders/$id/refunds", { %refund, @ref,
                                                  amount => 31 });
    $Api->problem($res, 409, 'CLIENT-REFUND_MISMATCH',
                  "$channel: the same refund, another amount",
                  field => 'amount');
    is((made($id))[0]{refunded}, 30, "$channel: not done");

    # of another order

    my $cross;
    my $other = $Api->order(%o);
    my $oid = $other->{order_id};
    my $omade = $Api->ok($Api->post('/orders', $other),
                         "$channel: another order");

    if ($channel eq 'wxv2') {
        $Api->problem($Api->get("/orders/$oid/refunds/R$id",
                                channel => $channel),
                      404, 'CLIENT-REFUND_NOT_FOUND',
                      'wxv2: refund of another order');

    } elsif ($channel eq 'stripe') {

        # an id that somebody has got hold of

        for my $do ([ GET => "/orders/$oid" ], [ POST => "/orders/$oid/close" ],
                    [ POST => "/orders/$oid/refunds" ])
        {
            my ($method, $path) = @$do;
            $res = $method eq 'GET' ? $Api->get($path, @of)
                   : $Api->post($path, $path =~ /refunds$/
                                ? { %refund, refund_id => "T$id" } : { @of });
            my $what = "stripe: $path with the ref of another order";
            $path =~ /close$/
                ? $Api->problem($res, 409, 'CLIENT-ORDER_MISMATCH', $what,
                                field => 'ref')
                : $Api->problem($res, 404, 'CLIENT-ORDER_NOT_FOUND', $what);
        }
        is((made($id))[0]{refunded}, 30, 'stripe: nothing was done');

    } else {
        # it is looked at whose time it is

        ($cross = $first->{ref}) =~ s/^[^-]+/$omade->{ref}/;
        $Api->problem($Api->get("/orders/$oid/refunds/R$id",
                                channel => $channel, ref => $cross),
                      404, 'CLIENT-REFUND_NOT_FOUND',
                      'unionpay: refund of an order that is not paid');
        ($res = $cross) =~ s/^\d+/20250102030405/;
        $Api->problem($Api->get("/orders/$oid/refunds/R$id",
                                channel => $channel, ref => $res),
                      404, 'CLIENT-ORDER_NOT_FOUND',
                      'unionpay: the ref of another order');
    }

    @of = (channel => $channel, $omade->{ref} ? (ref => $omade->{ref}) : ());

    if ($channel eq 'unionpay') {
        $Api->problem($Api->post("/orders/$oid/close", { @of }), 422,
                      'CLIENT-UNSUPPORTED', 'unionpay: close');
        pay($oid, 'unionpay');
        $Api->ok($Api->post("/orders/$oid/refunds",
                            { refund_id => "S$oid", amount => 1, @of }),
                 'unionpay: the other one is refunded');
        $Api->problem($Api->get("/orders/$oid/refunds/R$id",
                                channel => $channel, ref => $cross),
                      404, 'CLIENT-REFUND_NOT_FOUND',
                      'unionpay: refund of another order');
        next;
    }

    $Api->ok($Api->post("/orders/$oid/close", { @of }),
             "$channel: closed", state => 'CLOSED');
    $Api->ok($Api->get("/orders/$oid", @of), "$channel: is closed",
             state => 'CLOSED', outcome => 'failed');
    $Api->problem($Api->post("/orders/$id/close", { channel => $channel,
                      $made->{ref} ? (ref => $made->{ref}) : () }),
                  409, 'CLIENT-ORDER_PAID', "$channel: paid, cannot be closed");

    my $none = PaygwApi::number();
    if ($channel eq 'wxv2') {
        $Api->problem($Api->get("/orders/$none", channel => $channel), 404,
                      'CLIENT-ORDER_NOT_FOUND', 'wxv2: no such order');
    } else {
        $Api->ok($Api->get("/orders/$none", channel => $channel),
                 'stripe: not found, or not yet', outcome => 'pending',
                 state => undef);
        $Api->problem($Api->get("/orders/$none", channel => $channel,
                                ref => 'pi_none'), 404,
                      'CLIENT-ORDER_NOT_FOUND', 'stripe: no such id');
    }
}

# the page of Stripe

{
    my $order = $Api->order(channel => 'stripe', method => 'page',
                            currency => 'EUR', @Back);
    my $id = $order->{order_id};
    my $made = $Api->ok($Api->post('/orders', $order), 'session');
    my @of = (channel => 'stripe', ref => $made->{ref});

    $Api->ok($Api->get("/orders/$id", @of), 'session: open',
             state => 'CREATED', outcome => 'pending', provider_state =>
             'open');
    pay($id, 'stripe');
    $Api->ok($Api->get("/orders/$id", @of), 'session: paid', state => 'PAID',
             outcome => 'success', ref => $made->{ref},
             trade_no => (made($id))[0]{trade_no});
    $Api->ok($Api->post("/orders/$id/refunds",
                        { refund_id => "R$id", amount => 100, @of }),
             'session: refunded', outcome => 'success');
    $Api->problem($Api->post("/orders/$id/refunds",
                             { refund_id => "S$id", amount => 1, @of }),
                  409, 'CLIENT-REFUND_TOO_MUCH', 'session: nothing is left');

    $order = $Api->order(channel => 'stripe', method => 'wap',
                         currency => 'EUR', @Back);
    $made = $Api->ok($Api->post('/orders', $order), 'session 2');
    $Api->ok($Api->post("/orders/$order->{order_id}/close",
                        { channel => 'stripe', ref => $made->{ref} }),
             'session: expired', state => 'CLOSED', ref => $made->{ref});
}

# codes of payers, at WeChat Pay

for my $case ([ '130000000000000003', 'pending', 'PAYING' ],
              [ '130000000000000004', 'CLIENT-PAYER_REFUSED' ])
{
    my ($code, $outcome, $state) = @$case;
    my $order = $Api->order(channel => 'wxv2', method => 'barcode',
                            payer => { auth_code => $code });
    my $res = $Api->post('/orders', $order);

    if ($state) {
        $Api->ok($res, "barcode $code", outcome => $outcome,
                 state => $state, provider_state => 'USERPAYING');
    } else {
        $Api->problem($res, 402, $outcome, "barcode $code",
                      provider_code => 'NOTENOUGH');
    }
}

# and at UnionPay, which only accepts it: the rest is told later

sub calls_after {
    my $before = shift;
    return map { $_->{operation} }
           @{ $Sandbox->get("calls?after=$before")->{calls} };
}

{
    my %code = (method => 'barcode', channel => 'unionpay');
    my @scan = map { (payer => { auth_code => "622000000000000000$_" }) } 1, 3;
    my $order = $Api->order(%code, @scan[0, 1]);
    my $id = $order->{order_id};
    my $made = $Api->ok($Api->post('/orders', $order), 'code',
                        outcome => 'pending', state => 'PAYING',
                        amount => 100, provider_state => undef);

    like($made->{ref}, qr/^\d{14}b$/, 'code: its ref');
    is((made($id))[0]{extra}{termId}, 'T0000001', 'code: of the channel');
    $Api->ok($Api->get("/orders/$id"), 'code: paid', outcome => 'success',
             state => 'PAID', amount => 100, ref => $made->{ref});
    $Api->problem($Api->post('/orders', $order), 409, 'CLIENT-ORDER_PAID',
                  'code: again, it is known');
    $Api->ok($Api->post("/orders/$id/refunds",
                        { refund_id => "R$id", amount => 30 }),
             'code: refund', outcome => 'pending');
    $Api->ok($Api->get("/orders/$id/refunds/R$id"), 'code: refunded',
             outcome => 'success', amount => 30);

    # not paid yet: the same again asks, and makes no second one

    $order = $Api->order(%code, @scan[2, 3], terminal => 'TILL0007');
    $id = $order->{order_id};
    $made = $Api->ok($Api->post('/orders', $order), 'code 3',
                     outcome => 'pending', state => 'PAYING');
    is((made($id))[0]{extra}{termId}, 'TILL0007', 'code 3: of the order');

    my $before = $Sandbox->get('calls')->{count};
    $Api->ok($Api->post('/orders', $order), 'code 3: again',
             outcome => 'pending', state => 'PAYING', ref => $made->{ref});
    is(join(' + ', calls_after($before)),
       'backTransReq.do 01/06 + queryTrans.do 00/00',
       'code 3: a duplicate is asked for');
    my %qr = %$order;
    delete @qr{qw(payer terminal)};
    $Api->problem($Api->post('/orders', \%qr), 400, 'CLIENT-MISSING_FIELD',
                  'code 3: no code', field => 'payer.auth_code');
    $Api->problem($Api->post('/orders', { %qr, method => 'qr' }), 409,
                  'CLIENT-ORDER_MISMATCH', 'code 3: another method');
    is(scalar made($id), 1, 'code 3: one order');

    pay($id, 'unionpay');
    $Api->ok($Api->post('/orders', $order), 'code 3: again, paid',
             outcome => 'success', state => 'PAID', ref => $made->{ref});

    # a channel without a terminal

    my $none = PaygwApi->new($Nginx, '/noterm');
    $order = $none->order(method => 'barcode', @scan[0, 1]);
    $none->problem($none->post('/orders', $order), 400,
                   'CLIENT-MISSING_FIELD', 'no terminal', field =>
                   'terminal');
    is(scalar made($order->{order_id}), 0, 'no terminal: nothing is made');
    $none->ok($none->post('/orders', { %$order, terminal => '00000002' }),
              'a terminal', outcome => 'pending');
    is((made($order->{order_id}))[0]{extra}{termId}, '00000002',
       'a terminal: that one');
}


# -- what a channel does not take --

for my $case (
    [ stripe => 'amount', amount => 100000000 ],
    [ stripe => 'amount', currency => 'KWD', amount => 1005 ],
    [ stripe => 'ref', ref => 'pi_1' ],
    [ stripe => 'metadata', metadata => { out_trade_no => '1' } ],
    [ stripe => '-expires_in', expires_in => 600 ],
    [ stripe => '-payer.appid', payer => { appid => 'x' } ],
    [ stripe => '!return_url', method => 'page' ],
    [ wxv2 => 'ref', ref => '20250102030405' ],
    [ wxv2 => '-currency', currency => 'EUR' ],
    [ wxv2 => 'order_id', order_id => 'A1234' ],
    [ wxv2 => 'order_id', order_id => 'A' x 33 ],
    [ wxv2 => 'subject', subject => 'x' x 128 ],
    [ wxv2 => 'metadata', metadata => { a => 'x' x 120 } ],
    [ wxv2 => '!payer.id', method => 'jsapi' ],
    [ wxv2 => '!payer.ip', method => 'h5' ],
    [ wxv2 => 'payer.appid', payer => { appid => 'wxother' } ],
    [ wxv2 => '!payer.auth_code', method => 'barcode' ],
    (map { [ wxv2 => 'payer.auth_code', method => 'barcode',
             payer => { auth_code => $_ } ] }
         '160000000000000001', '13000000000000000', '13000000000000000a',
         '230000000000000001'),
    [ unionpay => '-currency', currency => 'EUR' ],
    [ unionpay => 'order_id', order_id => 'A123456' ],
    [ unionpay => 'order_id', order_id => 'A12345_78' ],
    [ unionpay => 'order_id', order_id => 'A12345-78' ],
    [ unionpay => 'order_id', order_id => 'A' x 41, method => 'app' ],
    [ unionpay => 'order_id', order_id => 'A' x 33 ],
    (map { [ unionpay => 'subject', subject => "a${_}b" ] }
         qw(& = { } [ ] "), "'"),
    [ unionpay => '!return_url', method => 'page' ],
    [ unionpay => '!payer.auth_code', method => 'barcode' ],
    [ unionpay => 'payer.auth_code',
      payer => { auth_code => '6220000000000000001' } ],
    (map { [ unionpay => 'payer.auth_code', method => 'barcode',
             payer => { auth_code => $_ } ] }
         qw(622000000000000001 62200000000000000001 622000000000000000a
            6320000000000000001 280000000000000001 130000000000000001)),
    (map { [ unionpay => 'terminal', method => 'barcode', terminal => $_,
             payer => { auth_code => '6220000000000000001' } ] }
         qw(0000001 000000001 0000-001 0000_001 0000&001)),
    [ unionpay => 'terminal', terminal => '00000001' ],
    [ wxv2 => 'terminal', method => 'barcode', terminal => '00000001',
      payer => { auth_code => '130000000000000001' } ],
    [ stripe => 'terminal', terminal => '00000001' ],
    [ unionpay => 'order_id', order_id => 'A' x 33, method => 'barcode',
      payer => { auth_code => '6220000000000000001' } ],
    [ unionpay => 'ref', ref => '20250102030405q', method => 'barcode',
      payer => { auth_code => '6220000000000000001' } ],
    (map { [ unionpay => 'ref', ref => $_ ] }
         qw(2025010203040 20251302030405q 20250102030405 20250102030405x
            20250102030405b 20250102030405qb 20250102030405bq
            20250102030405q-20250102030405)),
)
{
    my ($channel, $field, %more) = @$case;
    my $order = $Api->order(channel => $channel, $channel eq 'stripe'
                            ? (method => 'app') : (), %more);
    my $lacks = $field =~ s/^!//;
    my $none = $field =~ s/^-//;
    my $res = $Api->post('/orders', $order);
    $Api->problem($res, $none ? 422 : 400,
                  $none ? 'CLIENT-UNSUPPORTED' : $lacks
                  ? 'CLIENT-MISSING_FIELD' : 'CLIENT-INVALID_FIELD',
                  "$channel $field " . join(' ', map { $_ // '' } %more),
                  field => $field);
    is(scalar made($order->{order_id}), 0, "$channel $field: nothing is made");
}

$Api->problem($Api->get('/orders/A12345678', channel => 'stripe',
                        ref => 're_1'), 400, 'CLIENT-INVALID_FIELD',
              'stripe: ref of a refund', field => 'ref');
for my $ref ('', 'a/b', 'a%2fb', 'x' x 129) {
    my $res = $Api->get('/orders/A12345678', channel => 'stripe',
                        ref => $ref);
    $Api->problem($res, 400, length $ref ? 'CLIENT-INVALID_FIELD'
                                         : 'CLIENT-UNKNOWN_FIELD',
                  "a ref \"$ref\"");
}
$Api->problem($Api->call('GET', '/orders/A12345678?ref=pi_1&ref=pi_2'
                         . '&channel=stripe'), 400, 'CLIENT-UNKNOWN_FIELD',
              'two refs');
$Api->problem($Api->post('/orders/A12345678/refunds',
                         { refund_id => 'A12345678', amount => 1, channel =>
                           'unionpay', ref => '20250102030405' }),
              400, 'CLIENT-INVALID_FIELD', 'unionpay: one number for both',
              field => 'refund_id');


# -- bills --

{
    my $res = $Api->get('/bills/wxv2/' . today());
    is($res->{status}, 200, 'wxv2: bill') or diag($res->{body});
    like($res->{body}, qr/^\xef\xbb\xbf.*`1\.00\r\n/s, 'wxv2: the file');
    is($res->{header}{'x-paygw-verified'}, undef, 'wxv2: of no hash');
    $Api->problem($Api->get('/bills/wxv2/2020-02-02'), 502,
                  'PROVIDER-UNVERIFIED', 'wxv2: an error that nobody signs');

    $res = $Api->get('/bills/unionpay/' . today());
    is($res->{status}, 200, 'unionpay: bill') or diag($res->{body});
    is($res->{header}{'x-paygw-verified'}, 'signature', 'unionpay: signed');
    open my $fh, '|-', 'python3', '-c', 'import sys,zlib,zipfile,io;'
        . 'z = zipfile.ZipFile(io.BytesIO(zlib.decompress('
        . 'sys.stdin.buffer.read())));'
        . 'sys.exit(not z.read(z.namelist()[0]))' or die $!;
    binmode $fh;
    print $fh $res->{body};
    ok(close $fh, 'unionpay: the file');
    $Api->problem($Api->get('/bills/unionpay/2020-02-02'), 400,
                  'CLIENT-INVALID_FIELD', 'unionpay: a day without a year',
                  field => 'date');

    $Api->problem($Api->get('/bills/stripe/' . today()), 422,
                  'CLIENT-UNSUPPORTED', 'stripe: no bill');
}


# -- what is lost is unknown, never failed: a query tells the truth --

for my $channel (qw(stripe wxv2 unionpay)) {
    for my $fault (qw(truncated error garbage),
                   $channel eq 'stripe' ? () : qw(unsigned bad_signature),
                   $channel eq 'unionpay' ? 'silent' : ())
    {
        my $order = $Api->order(channel => $channel, $channel eq 'stripe'
                                ? (method => 'app', currency => 'EUR') : ());
        my $name = "$channel $fault";

        bend($fault);
        my $got = $Api->post('/orders', $order);
        my $lost = $fault =~ /silent|truncated/;

        my $data = $Api->problem($got, $lost ? 504 : 502,
                                 $lost ? 'PROVIDER-UNANSWERED'
                                       : 'PROVIDER-UNVERIFIED',
                                 $name, order_id => $order->{order_id})
                       ->{data};
        bend('');
        is(!!$data->{ref}, $channel eq 'unionpay', "$name: ref");
        my @ref = $data->{ref} ? (ref => $data->{ref}) : ();
        $Api->ok($Api->get("/orders/$order->{order_id}", @ref,
                           channel => $channel),
                 "$name: it was made", outcome => 'pending',
                 amount => $channel eq 'wxv2' ? undef : 100);
        my $res = $Api->post('/orders', { %$order, @ref });
        if ($channel eq 'unionpay') {
            $Api->problem($res, 409, 'CLIENT-ORDER_STATE', "$name: again");
        } else {
            $Api->ok($res, "$name: again");
        }
        is(scalar made($order->{order_id}), 1, "$name: no second order");
    }

    # a refund whose answer is lost is made once

    my $order = $Api->order(channel => $channel, $channel eq 'stripe'
                            ? (method => 'app', currency => 'EUR') : ());
    my $id = $order->{order_id};
    my $made = $Api->ok($Api->post('/orders', $order), "$channel: to refund");
    pay($id, { stripe => 'stripe', wxv2 => 'wechat_v2',
               unionpay => 'unionpay' }->{$channel});
    my %refund = (refund_id => "R$id", amount => 30, channel => $channel,
                  $made->{ref} ? (ref => $made->{ref}) : ());

    bend('garbage');
    $Api->problem($Api->post("/orders/$id/refunds", \%refund), 502,
                  'PROVIDER-UNVERIFIED', "$channel: the first step is lost");
    bend('');
    is((made($id))[0]{refunded}, 0, "$channel: nothing was refunded");
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
