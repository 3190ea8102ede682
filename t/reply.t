# The provider hears its own ack and never a byte of the shop's answer.

use lib 't/lib';
use PaygwTest;

our $Big = 'shop ' x 60_000;

run_tests();

__DATA__

=== TEST 1: any 2xx of the shop is taken
--- run
for my $status (200, 201, 202, 204, 206) {
    shop_plan({ status => $status, body => $status == 204 ? '' : 'hello' });
    ack_ok(send_callback(wechat()), 'wechat_v3', 200, $status);
    ack_ok(send_callback(alipay()), 'alipay', 200, $status);
}



=== TEST 2: nothing else is
--- run
for my $status (300, 301, 302, 304, 400, 401, 403, 404, 409, 429, 500, 503) {
    shop_plan({ status => $status, body => $status == 304 ? '' : 'hello' });
    ack_ok(send_callback(wechat()), 'wechat_v3', 502, $status);
}



=== TEST 3: a large answer, in one piece, chunked, without length
--- run
shop_plan({ status => 200, body => $main::Big },
          { status => 200, body => $main::Big, chunked => 1 },
          { raw => "HTTP/1.0 200 OK\r\nX-A: b\r\n\r\n$main::Big" },
          { status => 500, body => $main::Big });
ack_ok(send_callback(wechat()), 'wechat_v3', 200, 'length');
ack_ok(send_callback(wechat()), 'wechat_v3', 200, 'chunked');
ack_ok(send_callback(wechat()), 'wechat_v3', 200, 'closed');
ack_ok(send_callback(wechat()), 'wechat_v3', 502, 'failed');



=== TEST 4: the same without buffering
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_buffering off;
        proxy_http_version 1.1;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
shop_plan({ status => 200, body => $main::Big },
          { status => 200, body => $main::Big, chunked => 1 },
          { status => 200, body => $main::Big, cut => 500 });
ack_ok(send_callback(wechat()), 'wechat_v3', 200, 'length');
ack_ok(send_callback(wechat()), 'wechat_v3', 200, 'chunked');
ack_ok(send_callback(wechat()), 'wechat_v3', 502, 'cut');
--- result
taken
taken
released shop



=== TEST 5: an answer that ends too early is none
--- run
shop_plan({ status => 200, body => 'x' x 1000, cut => 300 },
          { status => 200, body => 'x' x 100_000, cut => 50_000 },
          { reset => 1 }, { close => 1 },
          { raw => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123" },
          { raw => "rubbish" });
ack_ok(send_callback(wechat()), 'wechat_v3', 502, "try $_") for 1 .. 6;
--- result
released shop
released shop
released shop
released shop
released shop
released shop



=== TEST 6: the shop cannot be reached
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:1;
    }
    location = /notify/alipay {
        paygw_notify alipay;
        proxy_pass http://127.0.0.1:1;
    }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 502);
ack_ok(send_callback(alipay()), 'alipay', 502);
--- result
released shop
released shop



=== TEST 7: error_page does not make a success of a failure
--- config
    error_page 502 =200 /ok;
    error_page 404 =200 @named;
    proxy_intercept_errors on;
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /notify/alipay {
        paygw_notify alipay;
        proxy_pass http://127.0.0.1:1;
    }
    location = /ok { return 200 "fine"; }
    location @named { return 200 "fine"; }
--- run
shop_plan(404);
ack_ok(send_callback(wechat()), 'wechat_v3', 502);
ack_ok(send_callback(alipay()), 'alipay', 502);
ack_ok(send_callback(wechat(tamper => [['EV-', 'EW-']])), 'wechat_v3', 401);
ack_ok(send_callback(wechat(method => 'GET')), 'wechat_v3', 405);
--- result
released shop
released shop
refused signature
refused method



=== TEST 8: neither does one of the location, which has no effect
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        error_page 502 504 =200 /ok;
        recursive_error_pages on;
        proxy_pass http://127.0.0.1:1;
    }
    location = /ok { return 200 "fine"; }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 502);
--- result
released shop
--- error_log
"error_page" has no effect with "paygw_notify"



=== TEST 24: nor one of the location that the event went on to
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        try_files /nonexistent @shop;
    }
    location = /notify/alipay {
        paygw_notify alipay;
        try_files /nonexistent @recursive;
    }
    location @shop {
        error_page 502 =200 /ok;
        proxy_pass http://127.0.0.1:1;
    }
    location @recursive {
        error_page 500 502 = /ok;
        recursive_error_pages on;
        proxy_intercept_errors on;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /ok { return 200 "fine"; }
--- run
shop_plan(500);
ack_ok(send_callback(wechat()), 'wechat_v3', 502);
ack_ok(send_callback(alipay()), 'alipay', 502);
--- result
released shop
released shop



=== TEST 25: recursive error pages, and a handler without an upstream
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        try_files /nonexistent @recursive;
    }
    location @recursive {
        error_page 500 = /ok;
        recursive_error_pages on;
        return 500;
    }
    location = /ok { return 200 "fine"; }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 502);
--- result
released shop



=== TEST 26: X-Accel-Redirect of a failure is a failure
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /ok { internal; return 200 "fine"; }
--- run
shop_plan({ status => 500, headers => [['X-Accel-Redirect', '/ok']] },
          { status => 200, headers => [['X-Accel-Redirect', '/ok']] });
ack_ok(send_callback(wechat()), 'wechat_v3', 502);
ack_ok(send_callback(wechat()), 'wechat_v3', 200);
--- result
released shop
taken



=== TEST 27: what was refused before us is not made a success either
--- http_config
    limit_req_zone $server_name zone=l:1m rate=1r/m;
--- config
    error_page 503 413 =200 /busy;
    location = /notify/wxpay {
        limit_req zone=l;
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /notify/alipay {
        client_max_body_size 10;
        paygw_notify alipay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /busy { return 200 "busy"; }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 200);
ack_ok(send_callback(wechat()), 'wechat_v3', 503);
ack_ok(send_callback(alipay()), 'alipay', 413);
is(shop_count(), 1, 'one delivery');



=== TEST 28: a provider that goes away, with the shop in a named location
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        try_files /nonexistent @shop;
    }
    location @shop {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $m = wechat();
shop_plan({ status => 200, hold => 'a' });
my $c = begin($m);
shop_requests(1);
abort_client($c);
Time::HiRes::sleep(0.1);
shop_release('a');
is(join(' ', results(1)), 'taken -', 'committed');
ack_ok(send_callback($m), 'wechat_v3', 200, 'its next try is acked');
is(shop_count(), 1, 'one delivery');



=== TEST 29: a provider that goes away, with the shop behind X-Accel-Redirect
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /second {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
shop_plan({ status => 200, headers => [['X-Accel-Redirect', '/second']] },
          { status => 200, hold => 'a' });
my $c = begin(wechat());
shop_requests(2);
abort_client($c);
Time::HiRes::sleep(0.3);
shop_release('a');
is(join(' ', results(1)), 'taken -', 'committed');



=== TEST 30: a provider that goes away while its callbacks are observed
--- http_config
    log_format s '$upstream_status $paygw_result';
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        paygw_verify observe until=2090-01-01;
        access_log logs/status.log s;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $file = "$Test::Nginx::Util::LogDir/status.log";
shop_plan({ status => 200, hold => 'a' });
my $c = begin(wechat());
shop_requests(1);
abort_client($c);
Time::HiRes::sleep(0.3);
shop_release('a');
wait_for(sub { -s $file });
is(PaygwTest::file_from($file, 0), "200 verified\n", 'the shop was heard');



=== TEST 9: filters of others cannot change an ack
--- http_config
    gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;
    gzip_http_version 1.0;
--- config
    add_header X-Added yes always;
    add_trailer X-Trailer yes always;
    expires 1d;
    ssi on; ssi_types *;
    sub_filter_types *; sub_filter success hacked; sub_filter FAIL fine;
    sub_filter_once off;
    addition_types *; add_before_body /add; add_after_body /add;
    charset utf-8; charset_types *;
    location = /add { return 200 "added"; }
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /notify/alipay {
        paygw_notify alipay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my %h = (headers => { 'Accept-Encoding' => 'gzip', Range => 'bytes=0-1',
                      TE => 'trailers', 'If-None-Match' => '*' });
ack_ok(send_callback(alipay(%h)), 'alipay', 200);
ack_ok(send_callback(wechat(%h)), 'wechat_v3', 200);
shop_plan(500, 500);
ack_ok(send_callback(alipay(%h)), 'alipay', 502);
ack_ok(send_callback(wechat(%h)), 'wechat_v3', 502);
ack_ok(send_callback(alipay(%h, tamper => [['total_amount', 'total_amouns']])),
       'alipay', 401);



=== TEST 10: header fields and cookies of the shop do not leave
--- run
shop_plan({ status => 200, body => 'x', headers =>
            [['Set-Cookie', 'a=b'], ['X-Powered-By', 'shop'],
             ['Content-Type', 'text/html'], ['Location', '/x'],
             ['ETag', '"1"'], ['Last-Modified',
             'Sat, 01 Jan 2022 00:00:00 GMT'], ['Cache-Control', 'public']] });
ack_ok(send_callback(alipay()), 'alipay', 200);



=== TEST 11: HTTP/1.0
--- run
my $raw = callback_raw(alipay());
$raw =~ s{ HTTP/1\.1\r\n}{ HTTP/1.0\r\n};
my $res = finish(begin($raw));
is($res->{body}, 'success', 'body');
is($res->{status}, 200, 'status');



=== TEST 12: HTTP/2
--- h2
--- run
ack_ok(send_callback(alipay(), http2 => 1), 'alipay', 200);
ack_ok(send_callback(wechat(), http2 => 1), 'wechat_v3', 200);
shop_plan(500);
ack_ok(send_callback(wechat(), http2 => 1), 'wechat_v3', 502);
ack_ok(send_callback(wechat(tamper => [['EV-', 'EW-']]), http2 => 1),
       'wechat_v3', 401);



=== TEST 13: six callbacks in one packet
--- run
my @res = pipeline(alipay(), alipay(), alipay(), alipay(), alipay(), alipay());
ack_ok($_, 'alipay', 200) for @res;
is(shop_count(), 6, 'six deliveries');
--- result
taken
taken
taken
taken
taken
taken



=== TEST 14: a slow shop: the provider hears a failure in time
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        paygw_deliver_timeout 300ms;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $m = wechat();
shop_plan({ status => 200, hold => 'a' });
ack_ok(send_callback($m), 'wechat_v3', 504, 'too late');
ack_ok(send_callback($m), 'wechat_v3', 503, 'the shop is still at work');
is(shop_count(), 1, 'no second delivery');
shop_release('a');
results(2);
ack_ok(send_callback($m), 'wechat_v3', 200, 'the late answer counts');
is(shop_count(), 1, 'no second delivery');
--- error_log
was not taken in time
--- result
in_flight in_flight
taken shop
duplicate duplicate



=== TEST 15: a slow shop that fails in the end
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        paygw_deliver_timeout 300ms;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $m = wechat();
shop_plan({ status => 500, hold => 'a' });
ack_ok(send_callback($m), 'wechat_v3', 504, 'too late');
shop_release('a');
results(1);
ack_ok(send_callback($m), 'wechat_v3', 200, 'delivered again');
my @req = shop_requests(2);
is(shop_header($req[1], 'X-Paygw-Delivery'), 2, 'second delivery');
is(shop_event($req[0])->{id}, shop_event($req[1])->{id}, 'same id');
--- error_log
was not taken in time
--- result
released shop
taken



=== TEST 16: a slow shop over HTTP/2, and the connection stays usable
--- h2
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        paygw_deliver_timeout 300ms;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
shop_plan({ status => 200, hold => 'a' });
ack_ok(send_callback(wechat(), http2 => 1), 'wechat_v3', 504);
shop_release('a');
is(join(' ', results(1)), 'taken shop', 'taken late');
ack_ok(send_callback(wechat(), http2 => 1), 'wechat_v3', 200);
--- error_log
was not taken in time



=== TEST 17: after such a failure the provider is told to close
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        paygw_deliver_timeout 300ms;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
shop_plan({ status => 200, delay => 2 * $PaygwTest::Slow });
my $raw = callback_raw(wechat(), keep => 1);
my $res = finish(begin($raw));
is($res->{status}, 504, 'status');
is($res->{header}{connection}, 'close', 'not to wait on this connection');
results(1);
--- error_log
was not taken in time



=== TEST 18: a provider that goes away does not end the shop's work
--- run
my $m = wechat();
shop_plan({ status => 200, hold => 'a' });
my $c = begin($m);
shop_requests(1);
abort_client($c);
Time::HiRes::sleep(0.1);
shop_release('a');
is(join(' ', results(1)), 'taken -', 'committed');
ack_ok(send_callback($m), 'wechat_v3', 200, 'its next try is acked');
is(shop_count(), 1, 'one delivery');



=== TEST 19: a provider that goes away in the middle of its body
--- run
my $raw = callback_raw(wechat());
for my $n (1 .. 10) {
    my $c = begin(substr($raw, 0, length($raw) - 40 * $n));
    abort_client($c);
}
ack_ok(send_callback(wechat()), 'wechat_v3', 200, 'nginx works on');
is(shop_count(), 1, 'one delivery');



=== TEST 20: fifty providers that go away while the shop works
--- run
shop_plan(map { { status => 200, hold => 'a' } } 1 .. 20);
my @c = map { begin($_ % 2 ? wechat() : alipay()) } 1 .. 20;
is(scalar(shop_requests(20)), 20, 'the shop has them');
abort_client($_) for @c;
shop_release('a');
is(scalar(results(20)), 20, 'all came to an end');
ack_ok(send_callback(wechat()), 'wechat_v3', 200, 'nginx works on');



=== TEST 21: an answer of the cache is not the shop's
--- http_config
    proxy_cache_path $TEST_NGINX_SERVER_ROOT/cache levels=1 keys_zone=c:1m;
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_cache c;
        proxy_cache_methods POST;
        proxy_cache_key one;
        proxy_cache_valid any 1h;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 200);
ack_ok(send_callback(wechat()), 'wechat_v3', 200);
is(shop_count(), 2, 'the shop saw both');



=== TEST 22: the access log tells the status that the provider got
--- http_config
    log_format s '$status $paygw_result';
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        paygw_deliver_timeout 200ms;
        access_log logs/status.log s;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $file = "$Test::Nginx::Util::LogDir/status.log";
shop_plan({ status => 200, hold => 'a' }, 500, 200);
send_callback(wechat());
shop_release('a');
wait_for(sub { -s $file });
send_callback(wechat());
send_callback(wechat());
wait_for(sub { PaygwTest::file_from($file, 0) =~ /204/ });
is(PaygwTest::file_from($file, 0), "504 taken\n502 released\n204 taken\n",
   'log');
--- error_log
was not taken in time



=== TEST 23: a shop that hangs is given up before the lease ends
--- wxpay
lease 2s;
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        paygw_deliver_timeout 200ms;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $m = wechat();
shop_plan({ status => 200, hold => 'never' });
ack_ok(send_callback($m), 'wechat_v3', 504, 'too late');
ack_ok(send_callback($m), 'wechat_v3', 503, 'still held');
is(join(' ', results(2)), 'in_flight in_flight released shop', 'given up');
ack_ok(send_callback($m), 'wechat_v3', 200, 'delivered again');
my @req = shop_requests(2);
is(shop_header($req[1], 'X-Paygw-Delivery'), 2, 'second delivery');
--- error_log
was not taken in time
was not taken within its lease



=== TEST 29: 201 and 204 are the word of the shop as any 2xx
--- config
    location = /notify/wxpay { paygw_notify wxpay; return 204; }
    location = /notify/alipay { paygw_notify alipay; return 201; }
    location = /notify/stripe {
        paygw_notify stripe;
        try_files /nonexistent @shop;
    }
    location @shop { return 204; }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 200);
ack_ok(send_callback(alipay()), 'alipay', 200);
ack_ok(send_callback(stripe()), 'stripe', 200);
--- result
taken
taken
taken



=== TEST 30: but not as the page of a failure
--- config
    error_page 502 =204 /ok;
    error_page 404 =201 @named;
    proxy_intercept_errors on;
    location = /notify/wxpay {
        paygw_notify wxpay;
        try_files /nonexistent @shop;
    }
    location = /notify/alipay {
        paygw_notify alipay;
        try_files /nonexistent @recursive;
    }
    location = /notify/stripe {
        paygw_notify stripe;
        try_files /nonexistent @missing;
    }
    location @shop { proxy_pass http://127.0.0.1:1; }
    location @recursive {
        error_page 500 =204 /ok;
        recursive_error_pages on;
        return 500;
    }
    location @missing { return 404; }
    location = /ok { return 204; }
    location @named { return 201; }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 502);
ack_ok(send_callback(alipay()), 'alipay', 502);
ack_ok(send_callback(stripe()), 'stripe', 502);
--- result
released shop
released shop
released shop
