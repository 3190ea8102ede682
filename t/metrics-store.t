# What paygw_metrics says of the store: what it was asked, how long Redis took,
# and what it has not answered.

use strict;
use warnings;

BEGIN { $ENV{PAYGW_TEST_STORE} = 'redis'; delete $ENV{TEST_NGINX_REDIS_PORT} }

use lib 't/lib';
use PaygwTest;
use PaygwCall;
use PaygwMetrics;

our $Shown = "    location = /metrics { paygw_metrics; }\n"
    . "    location = /status { paygw_status; }\n";

sub main::get {
    my $c = begin("GET $_[0] HTTP/1.1\r\nHost: localhost\r\n"
                  . "Connection: close\r\n\r\n");
    return finish($c);
}

sub main::shown { return get('/metrics')->{body} }

sub main::ops { return "paygw_store_operations_total{operation=$_[0]}" }
sub main::errors { return "paygw_store_errors_total{operation=$_[0]}" }

my $count = 0;
sub main::fresh { return sprintf 's-%d-%d-%d', $$, time, ++$count }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: a stream
--- config eval
$::Shown . <<'CONF'
    location = /notify/wxpay { paygw_notify wxpay; paygw_queue m1; }
    location = /notify/alipay {
        paygw_notify alipay;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
CONF
--- run
my $m = wechat();
is(send_callback($m)->{status}, 204) for 1 .. 3;
is(send_callback(wechat())->{status}, 204);
is(send_callback(alipay())->{status}, 200);
my $of = 'channel=wxpay,';
my $p = 'provider=wechat_v3';
my $have = counts_ok(\&shown, {
    "paygw_callbacks_total{${of}$p,reason=,result=taken}" => 2,
    "paygw_callbacks_total{${of}$p,reason=,result=duplicate}" => 2,
    "paygw_deliveries_total{${of}delivery=first,$p,to=stream}" => 2,
    "paygw_deliveries_total{channel=wxpay,*" => 0,
    "paygw_deliveries_total{channel=alipay,delivery=first,provider=alipay,"
    . "to=shop}" => 1,
    "paygw_delivery_duration_seconds_count{${of}$p}" => 0,
    "paygw_callback_duration_seconds_count{${of}$p}" => 4,
    ops('append') => 4, ops('claim') => 1, ops('commit') => 1,
    'paygw_store_operations_total{*' => 0,
    'paygw_store_errors_total{*' => 0,
    'paygw_store_duration_seconds_count{operation=append}' => 4,
    'paygw_store_duration_seconds_count{operation=claim}' => 1,
    'paygw_store_duration_seconds_count{*' => 0,
}, 'counted');
my $sum = $have->{'paygw_store_duration_seconds_sum{operation=append}'};
ok($sum > 0 && $sum < 60, "a time: $sum");
metrics_ok(shown(), get('/status')->{body}, 'both');



=== TEST 2: Redis is away
--- config eval
$::Shown . <<'CONF'
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
    location = /queue/wxpay { paygw_notify wxpay; paygw_queue m2; }
    location /api/ { paygw_auth shop; return 200; }
    location /limit { paygw_limit $arg_k rate=1r/h name=l; return 200; }
    location /refuse {
        paygw_limit $arg_k rate=1r/h name=r store_error=refuse;
        return 200;
    }
    location /once/ { paygw_auth shop; paygw_idempotency on; return 200; }
CONF
--- run
redis_stop();
is(send_callback(wechat())->{status}, 503);
my $m = wechat();
$m->{target} = '/queue/wxpay';
is(send_callback($m)->{status}, 503);
is(send_callback(call())->{status}, 503);
is(get('/limit?k=' . fresh())->{status}, 200, 'the zone counts');
is(get('/refuse?k=' . fresh())->{status}, 503);
is(send_callback(call(target => '/once/x', body => '{}',
                      headers => [ 'Idempotency-Key', fresh() ]))->{status},
   503);
my $p = 'channel=wxpay,provider=wechat_v3';
counts_ok(\&shown, {
    "paygw_callbacks_total{$p,reason=store,result=unavailable}" => 2,
    'paygw_callbacks_total{*' => 0,
    "paygw_acks_total{channel=wxpay,code=5xx,provider=wechat_v3}" => 2,
    'paygw_calls_total{merchant=shop,reason=store,result=unavailable}' => 2,
    'paygw_calls_total{*' => 0,
    'paygw_limit_requests_total{limit=l,status=passed}' => 1,
    'paygw_limit_requests_total{limit=r,status=unavailable}' => 1,
    'paygw_limit_requests_total{*' => 0,
    'paygw_limit_fallbacks_total' => 1,
    'paygw_idempotent_calls_total{*' => 0,
    (map { (ops($_) => 1, errors($_) => 1) } qw(claim append begin)),
    ops('once') => 2, errors('once') => 2,
    ops('limit') => 2, errors('limit') => 2,
    'paygw_store_operations_total{*' => 0,
    'paygw_store_errors_total{*' => 0,
    'paygw_store_duration_seconds_count{*' => 0,
}, 'counted, and nothing was sent');
redis_start();
metrics_ok(shown(), get('/status')->{body}, 'both');



=== TEST 3: Redis hangs: a commit is lost, and answers take their time
--- config eval
$::Shown . <<'CONF'
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
CONF
--- run
is(send_callback(wechat())->{status}, 204);
shop_plan({ hold => 'c' });
my $c = begin(wechat());
is(scalar(shop_requests(1)), 1);
redis_freeze();
shop_release('c');
is(finish($c)->{status}, 204, 'the ack does not wait for the commit');
is(send_callback(wechat(), timeout => 10)->{status}, 503);
my $have = counts_ok(\&shown, {
    ops('claim') => 3, errors('claim') => 1,
    ops('commit') => 2, errors('commit') => 1,
    'paygw_store_errors_total{*' => 0,
    'paygw_store_duration_seconds_count{operation=claim}' =>
        qr/^[23]$/,
}, 'counted');
redis_thaw();
