# paygw_deliver, inheritance of the directives, and paygw_verify observe.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: raw: the shop gets the provider's bytes, and the fields
--- config eval
"paygw_deliver raw;$PaygwTest::Locations"
--- run
for my $m (wechat(), alipay(), alipay(params => { charset => 'GBK',
                                                  subject => "\x{5927}" }))
{
    my $n = shop_count();
    ack_ok(send_callback($m), $m, 200);
    my $r = (shop_requests($n + 1))[$n];
    is(shop_body($r), $m->{body});
    is(shop_header($r, 'Content-Type'), $m->header('Content-Type'));
    is(shop_header($r, 'Content-Length'), length $m->{body});
    is(shop_header($r, 'X-Paygw-Order-Id'), $m->{order_id});
    is(shop_header($r, 'X-Paygw-Delivery'), 1);
}



=== TEST 2: raw: a body in chunks, and in a file
--- config eval
"paygw_deliver raw; client_body_buffer_size 64;$PaygwTest::Locations"
--- run
for my $m (wechat(), alipay()) {
    my $n = shop_count();
    ack_ok(send_callback($m, chunked => 50), $m, 200);
    is(shop_body((shop_requests($n + 1))[$n]), $m->{body});
}



=== TEST 3: raw: a redelivery has the same bytes
--- config eval
"paygw_deliver raw;$PaygwTest::Locations"
--- shop_plan
(500, 200)
--- run
my $m = alipay();
ack_ok(send_callback($m), $m, 502);
ack_ok(send_callback($m), $m, 200);
my @r = shop_requests(2);
is(shop_body($_), $m->{body}) for @r;
is(shop_header($r[1], 'X-Paygw-Delivery'), 2);



=== TEST 4: event: $paygw_event is what the shop gets
--- config
    location /notify/ {
        paygw_notify      wxpay;
        proxy_set_header  X-Event $paygw_event;
        proxy_pass        http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location /raw/ {
        paygw_notify      wxpay;
        paygw_deliver     raw;
        proxy_set_header  X-Event $paygw_event;
        proxy_pass        http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $m = wechat();
ack_ok(send_callback($m), $m, 204);
my ($r) = shop_requests(1);
is(shop_header($r, 'X-Event'), shop_body($r));
$m = wechat(uri => '/raw/');
ack_ok(send_callback($m), $m, 204);
$r = (shop_requests(2))[1];
is(shop_body($r), $m->{body});
is(JSON::PP->new->utf8->decode(shop_header($r, 'X-Event'))->{order}{order_id},
   $m->{order_id});



=== TEST 5: directives are inherited, and set again below
--- http_config
    paygw_deliver   raw;
    paygw_body_max  100;
--- config
    location /http {
        paygw_notify    alipay;
        proxy_pass      http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location /location {
        paygw_notify    alipay;
        paygw_deliver   event;
        paygw_body_max  64k;
        proxy_pass      http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location /outer {
        paygw_notify    alipay;
        paygw_body_max  64k;
        location /outer/inner {
            proxy_pass  http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
        }
    }
--- callback
alipay(uri => '/http'), alipay(uri => '/location'),
alipay(uri => '/outer/inner'), alipay(uri => '/outer/inner', key => 'rogue')
--- ack: 413 200 200 401
--- run
my ($m) = $PaygwTest::Callbacks[2];
my @r = shop_requests(2);
is(shop_event($r[0])->{type}, 'payment');
is(shop_body($r[1]), $m->{body});



=== TEST 6: a channel may come from another file, as a whole or in part
--- wxpay
-appid
include ../html/appid.conf;
--- user_files
>>> appid.conf
appid wx1 wxd678efh567hg6787;
lease 10s;
--- callback
wechat(), wechat(appid => 'wx1'), wechat(appid => 'wx2')
--- ack: 204 204 403
--- shop: 2



=== TEST 7: a channel may come after the location that names it
--- no_channels
--- config
    location = /notify/wxpay {
        paygw_notify  late;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        location / { paygw_notify late; return 200; }
    }
    paygw_channel late {
        provider              wechat_v3;
        appid                 wxd678efh567hg6787;
        mchid                 1900009191;
        apiv3_key             file:$TEST_NGINX_KEYS/apiv3.key;
        platform_certificate  $TEST_NGINX_KEYS/wx_a.crt;
    }
--- callback
wechat()
--- ack: 204
--- shop: 1



=== TEST 8: nothing is asked of a configuration that does not use the module
--- no_store
--- no_channels
--- config
    location /notify {
        return 200 hello;
    }
--- run
my $res = send_callback(wechat());
is("$res->{status} $res->{body}", '200 hello');



=== TEST 9: observe: all is let through as it came, with the decision
--- config
    paygw_verify observe until=2099-01-01;
    location /notify/ {
        paygw_notify  wxpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $good = wechat(headers => { 'X-Paygw-Result' => 'evil' });
my $bad = wechat(key => 'rogue', headers => { 'X-Paygw-Result' => 'verified',
                                              'X-Paygw-Amount' => 1 });
for my $m ($good, $good, $bad) {
    my $res = send_callback($m);
    is("$res->{status} $res->{body}", "200 shop says hello\n");
}
my @r = shop_requests(3);
is(shop_body($r[0]), $good->{body});
is(shop_header($_, 'X-Paygw-Result'), 'verified') for @r[0, 1];
is(shop_header($_, 'X-Paygw-Event-Id'),
   "wxpay:$good->{id}:TRANSACTION.SUCCESS") for @r[0, 1];
is(shop_body($r[2]), $bad->{body});
is(shop_header($r[2], 'X-Paygw-Result'), 'refused');
is(shop_header($r[2], 'X-Paygw-Reason'), 'signature');
is(shop_header($r[2], 'X-Paygw-Amount'), undef);
is(shop_header($r[2], 'X-Paygw-Event-Id'), undef);
is(join(', ', results(3)), 'verified -, verified -, refused signature');
like(error_log_text(), qr/\[info\] .*payment callback would be refused: /);
like(error_log_text(), qr/would be refused: signature, key "0A1B/);



=== TEST 10: observe: requests that are no callbacks at all are let through
--- config
    location /notify/ {
        paygw_notify  wxpay;
        paygw_verify  observe until=2099-01-01;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
for my $m (wechat(method => 'GET', body => ''), alipay(uri => '/notify/x'),
           wechat(headers => { 'Wechatpay-Nonce' => undef }))
{
    my $res = send_callback($m);
    is("$res->{status} $res->{body}", "200 shop says hello\n");
}
is(join(' ', map { shop_header($_, 'X-Paygw-Reason') } shop_requests(3)),
   'method content_type missing_header');



=== TEST 11: observe: after its end callbacks are enforced, which is a warning
--- config
    location /notify/ {
        paygw_notify  wxpay;
        paygw_verify  observe until=2020-01-01;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
wechat(key => 'rogue'), wechat()
--- ack: 401 204
--- shop: 1
--- error_log
[warn]
"paygw_verify observe" for "paygw_notify" in
has ended, callbacks are enforced



=== TEST 12: observe of the server is off where it is enforced
--- config
    paygw_verify observe until=2099-01-01;
    location /notify/ {
        paygw_notify  wxpay;
        paygw_verify  enforce;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
wechat(key => 'rogue'), wechat()
--- ack: 401 204
--- shop: 1
