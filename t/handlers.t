# Any content handler may follow paygw_notify, and none may be reached by a
# request that was not verified.

our @Lua;

BEGIN {
    # Test::Nginx reads the list of modules when it is loaded
    @Lua = grep { -e } map { "/usr/lib/nginx/modules/$_" }
           qw(ndk_http_module.so ngx_http_lua_module.so);

    $ENV{TEST_NGINX_LOAD_MODULES}
        = join ' ', $ENV{TEST_NGINX_LOAD_MODULES} // (), @Lua
        if @Lua == 2;
}

use lib 't/lib';
use PaygwTest;
use PaygwBackend;
use PaygwSign;

our $Scgi = backend('scgi', qr/\}\}?,?\z|\}$/,
    "Status: 200 OK\r\nContent-Type: text/html\r\n\r\nfrom the shop");
our ($Fcgi, $FcgiSign) = map {
    backend($_, qr/\x01\x05\x00\x01\x00\x00\x00\x00\z/,
        fcgi_record(6, "Status: 200 OK\r\nX-Shop: yes\r\n\r\nfrom the shop")
        . fcgi_record(6, '') . fcgi_record(3, "\0" x 8))
} qw(fcgi fcgi_sign);

sign_key('fcgi.key', 'a key of a shop behind FastCGI');

sub have_lua { return @Lua == 2 }

run_tests();

__DATA__

=== TEST 1: proxy_pass
--- callback
wechat(order_id => 'T1')
--- ack: 204
--- result: taken
--- shop
[ { header => { 'X-Paygw-Order-Id' => 'T1' } } ]



=== TEST 2: return with a text, which sees the verified event
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        return 200 "order $paygw_order_id";
    }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 200);
ack_ok(send_callback(wechat(tamper => [['EV-', 'EW-']])), 'wechat_v3', 401);
--- result
taken
refused signature



=== TEST 3: return of a code alone
--- config
    location = /notify/wxpay { paygw_notify wxpay; return 204; }
    location = /notify/alipay { paygw_notify alipay; return 201; }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 200);
ack_ok(send_callback(alipay()), 'alipay', 200);
--- result
taken
taken



=== TEST 4: return of a failure gives the event back
--- config
    location = /notify/wxpay { paygw_notify wxpay; return 503; }
    location = /notify/alipay { paygw_notify alipay; return 302 /x; }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 502);
ack_ok(send_callback(alipay()), 'alipay', 502);
--- result
released shop
released shop



=== TEST 5: set and if see a verified event only
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        set $kind "[$paygw_event_type]";
        if ($paygw_amount = 100) { return 200; }
        return 500;
    }
--- run
ack_ok(send_callback(wechat(amount => 100)), 'wechat_v3', 200);
ack_ok(send_callback(wechat(amount => 101)), 'wechat_v3', 502);
ack_ok(send_callback(wechat(amount => 100, tamper => [['EV-', 'EW-']])),
       'wechat_v3', 401);
--- result
taken
released shop
refused signature



=== TEST 6: proxy_pass inside of if keeps the guard
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        if ($request_method = POST) {
            proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
        }
    }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 200);
ack_ok(send_callback(wechat(tamper => [['EV-', 'EW-']])), 'wechat_v3', 401);
--- result
taken
refused signature
--- shop: 1



=== TEST 7: fastcgi_pass gets the event and its length
--- config
    location = /notify/wxpay {
        paygw_notify   wxpay;
        fastcgi_pass   127.0.0.1:$TEST_NGINX_FCGI_PORT;
        fastcgi_param  REQUEST_METHOD $request_method;
        fastcgi_param  CONTENT_LENGTH $content_length;
        fastcgi_param  CONTENT_TYPE $content_type;
    }
--- run
ack_ok(send_callback(wechat(order_id => 'F7')), 'wechat_v3', 200);
ack_ok(send_callback(wechat(order_id => 'F8'), chunked => 100), 'wechat_v3',
       200, 'chunked');
my $got = slurp($Fcgi);
like($got, qr/CONTENT_TYPEapplication\/json/, 'type');
like($got, qr/HTTP_X_PAYGW_ORDER_IDF7/, 'field');
like($got, qr/"order":\{"order_id":"F7"/, 'body');
my ($len) = $got =~ /CONTENT_LENGTH(\d+)/;
my ($body) = $got =~ /(\{"id":"wxpay.*?\}\}\})/s;
is(length $body, $len, 'length');
unlike($got, qr/ciphertext/, 'nothing of the original body');
--- result
taken
taken



=== TEST 8: scgi_pass
--- config
    location = /notify/alipay {
        paygw_notify  alipay;
        scgi_pass     127.0.0.1:$TEST_NGINX_SCGI_PORT;
        scgi_param    CONTENT_TYPE $content_type;
    }
--- run
ack_ok(send_callback(alipay(order_id => 'S8')), 'alipay', 200);
like(slurp($Scgi), qr/"order_id":"S8"/, 'body');
--- result
taken



=== TEST 9: content_by_lua reads the event
--- config eval
main::have_lua() ? q{
    location = /notify/wxpay {
        paygw_notify wxpay;
        content_by_lua_block {
            ngx.req.read_body()
            local body = ngx.req.get_body_data()
            if not string.find(body, '"order_id":"L9"', 1, true)
               or ngx.req.get_headers()["X-Paygw-Order-Id"] ~= "L9"
               or ngx.var.paygw_order_id ~= "L9"
            then
                return ngx.exit(500)
            end
            ngx.header["X-Shop"] = "yes"
            ngx.say("one")
            ngx.flush(true)
            ngx.say("two")
        }
    }
} : q{
    location = /notify/wxpay { paygw_notify wxpay; return 200; }
}
--- run
ack_ok(send_callback(wechat(order_id => 'L9')), 'wechat_v3', 200);
--- result
taken



=== TEST 10: content_by_lua that throws gives the event back
--- config eval
main::have_lua() ? q{
    location = /notify/wxpay {
        paygw_notify wxpay;
        content_by_lua_block { error("no shop today") }
    }
} : q{
    location = /notify/wxpay { paygw_notify wxpay; return 500; }
}
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 502);
--- result
released shop



=== TEST 11: a static file cannot take a POST
--- config
    location = /notify/wxpay { paygw_notify wxpay; }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 502);
--- result
released shop



=== TEST 12: try_files and a named location
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        try_files /nonexistent @shop;
    }
    location @shop {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
ack_ok(send_callback(wechat(order_id => 'N12')), 'wechat_v3', 200);
ack_ok(send_callback(wechat(tamper => [['EV-', 'EW-']])), 'wechat_v3', 401);
--- result
taken
refused signature
--- shop
[ { header => { 'X-Paygw-Order-Id' => 'N12' },
    event => { type => 'payment' } } ]



=== TEST 13: rewrite to another location
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        rewrite ^ /elsewhere last;
    }
    location = /elsewhere {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
ack_ok(send_callback(wechat(order_id => 'R13')), 'wechat_v3', 200);
ack_ok(send_callback(wechat(tamper => [['EV-', 'EW-']])), 'wechat_v3', 401);
--- result
taken
refused signature
--- shop: 1



=== TEST 14: X-Accel-Redirect is followed, and its end decides
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /internal/good { internal; return 200 "x"; }
    location = /internal/bad { internal; return 404; }
--- run
shop_plan({ status => 200, headers =>
            [['X-Accel-Redirect', '/internal/good']] },
          { status => 200, headers =>
            [['X-Accel-Redirect', '/internal/bad']] });
ack_ok(send_callback(wechat()), 'wechat_v3', 200);
ack_ok(send_callback(wechat()), 'wechat_v3', 502);
--- result
taken
released shop



=== TEST 15: an internal redirect into a callback location is verified there
--- config
    location = /in { rewrite ^ /notify/wxpay last; }
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
ack_ok(send_callback(wechat(uri => '/in')), 'wechat_v3', 200);
ack_ok(send_callback(wechat(uri => '/in', tamper => [['EV-', 'EW-']])),
       'wechat_v3', 401);
--- result
taken
refused signature
--- shop: 1



=== TEST 16: a subrequest to a callback location is refused
--- config
    location = /guarded {
        auth_request /notify/wxpay;
        return 200;
    }
    location = /guarded2 {
        auth_request /notify/wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
is(send_callback(wechat(uri => '/guarded2'))->{status}, 403, 'refused');
is(shop_count(), 0, 'nothing reached the shop');
--- error_log
subrequest to a location with "paygw_notify" is refused



=== TEST 17: mirror copies a callback elsewhere, the ack stays
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        mirror /copy;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /copy {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT/copy;
    }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 200);
is(scalar(shop_requests(2)), 2, 'two requests');
--- result
taken



=== TEST 18: auth_request before it
--- config
    location = /notify/wxpay {
        auth_request /auth;
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /notify/alipay {
        auth_request /no;
        paygw_notify alipay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /auth { internal; return 204; }
    location = /no { internal; return 403; }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 200);
ack_ok(send_callback(alipay()), 'alipay', 403);
is(shop_count(), 1, 'one delivery');



=== TEST 19: deny refuses with the provider's own failure
--- config
    location = /notify/wxpay {
        deny all;
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 403);
is(shop_count(), 0, 'nothing reached the shop');



=== TEST 20: deny in a location with return: claimed, refused, released
--- config
    location = /notify/wxpay {
        deny all;
        paygw_notify wxpay;
        set $x 1;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 502);
is(shop_count(), 0, 'nothing reached the shop');
--- result
released shop



=== TEST 21: limit_except does not open a way around
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        limit_except GET { allow all; }
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
ack_ok(send_callback(wechat(tamper => [['EV-', 'EW-']])), 'wechat_v3', 401);
ack_ok(send_callback(wechat(method => 'GET')), 'wechat_v3', 405);
is(shop_count(), 0, 'nothing reached the shop');



=== TEST 22: a nested location is guarded as its parent
--- config
    location /notify/ {
        paygw_notify wxpay;
        location /notify/wxpay {
            proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
        }
    }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 200);
ack_ok(send_callback(wechat(tamper => [['EV-', 'EW-']])), 'wechat_v3', 401);
--- result
taken
refused signature



=== TEST 23: access_by_lua and rewrite_by_lua beside it
--- config eval
main::have_lua() ? q{
    location = /notify/wxpay {
        paygw_notify wxpay;
        rewrite_by_lua_block { ngx.ctx.a = 1 }
        access_by_lua_block { if ngx.var.arg_no then ngx.exit(403) end }
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
} : q{
    location = /notify/wxpay {
        paygw_notify wxpay;
        if ($arg_no) { return 403; }
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
}
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 200);
ack_ok(send_callback(wechat(uri => '/notify/wxpay?no=1')), 'wechat_v3', 502,
       'refused by the other one');
is(shop_count(), 1, 'one delivery');



=== TEST 24: gRPC tells a failure with HTTP status 200
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_http_version 1.1;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
shop_plan({ status => 200, headers => [['grpc-status', '14']] },
          { status => 200, headers => [['Grpc-Status', '0']] });
ack_ok(send_callback(wechat()), 'wechat_v3', 502);
ack_ok(send_callback(wechat()), 'wechat_v3', 200);
--- result
released shop
taken



=== TEST 25: post_action cannot reach a callback location
--- config
    location = /other {
        post_action /notify/wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $c = begin(callback_raw(wechat(uri => '/other'), keep => 1));
is(finish($c)->{status}, 200, 'the answer');
my $rest = '';
1 while sysread $c->{sock}, $rest, 1000, length $rest;
is($rest, '', 'nothing behind it');
is(shop_count(), 1, 'one request');
--- error_log
"post_action" to a location with "paygw_notify" is refused



=== TEST 26: post_action of a callback location has no effect
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        post_action /after;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /after {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 200);
ack_ok(send_callback(wechat(tamper => [['EV-', 'EW-']])), 'wechat_v3', 401);
is(shop_count(), 1, 'one request');
--- error_log
"post_action" has no effect with "paygw_notify"



=== TEST 27: post_action of a location that the event went on to
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        try_files /nonexistent @shop;
    }
    location @shop {
        post_action /after;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /after {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my @c = map { begin(callback_raw(wechat(), keep => 1)) } 1 .. 5;
ack_ok(finish($_), 'wechat_v3', 200) for @c;
is(scalar(shop_requests(10)), 10, 'shop and post_action');
ack_ok(send_callback(wechat()), 'wechat_v3', 200);



=== TEST 28: a body that nobody has limited is not read
--- config
    location = /notify/wxpay {
        client_max_body_size 0;
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $m = wechat();
$m->{body} = ' ' x 1_000_000;
my $c = begin($m, chunked => 10_000);
my $res = finish($c);
is($res->{status}, 413, 'refused');
is($res->{body}, '{"code":"FAIL","message":"request is too large"}', 'ack');
like(error_log_text(), qr/too large chunked body: 60000\+10000/,
     'no more than what is allowed');



=== TEST 29: what described the old body does not describe the new one
--- run
my $raw = callback_raw(wechat(headers => { 'Content-Encoding' => 'identity' }));
$raw =~ s{\r\n}{\r\nX-Other: 1\r\n};
ack_ok(finish(begin($raw)), 'wechat_v3', 200);
my ($req) = shop_requests(1);
is(shop_header($req, 'Content-Encoding'), undef, 'no encoding');
is(shop_header($req, 'Content-Type'), 'application/json', 'one type');
is(shop_header($req, 'X-Other'), 1, 'the rest is there');



=== TEST 30: recursive error pages where there are none do not matter
--- config
    recursive_error_pages on;
    location = /notify/wxpay {
        paygw_notify wxpay;
        try_files /nonexistent @shop;
    }
    location @shop {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 200);
shop_plan({ status => 200, headers => [['X-Accel-Redirect', '/ok']] });
--- result
taken



=== TEST 31: an observation that is over keeps nothing open
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        paygw_verify observe until=2020-01-01;
        deny all;
        error_page 403 =200 /ok;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /ok { return 200 "fine"; }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 403);
--- error_log
has ended, callbacks are enforced



=== TEST 32: nor one that ends while nginx runs
--- config
    location = /notify/wxpay {
        paygw_test_clock 4000000000;
        paygw_notify wxpay;
        paygw_verify observe until=2090-01-01;
        deny all;
        error_page 403 =200 /ok;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /ok { return 200 "fine"; }
--- run
ack_ok(send_callback(wechat()), 'wechat_v3', 500);



=== TEST 33: an Upgrade that was not signed does not reach the shop
--- run
my $raw = callback_raw(wechat(headers => { Upgrade => 'x',
                                           Connection => 'upgrade' }));
shop_plan({ raw => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
                   . "Connection: upgrade\r\n\r\nFROM THE SHOP" });
my $res = finish(begin($raw));
is($res->{status}, 502, 'no success');
unlike($res->{raw} . $res->{body}, qr/FROM THE SHOP/, 'nothing of the shop');
my ($req) = shop_requests(1);
is(shop_header($req, 'Upgrade'), undef, 'no offer');
--- result
released shop



=== TEST 34: a signed hand-over through FastCGI
--- config eval
my $key = PaygwTest::keys_dir() . '/fcgi.key';
qq{
    location = /notify/wxpay {
        paygw_notify   wxpay;
        paygw_deliver  raw sign=file:$key;
        fastcgi_pass   127.0.0.1:$ENV{TEST_NGINX_FCGI_SIGN_PORT};
        fastcgi_param  REQUEST_METHOD \$request_method;
        fastcgi_param  CONTENT_LENGTH \$content_length;
    }
}
--- run
my $key = 'a key of a shop behind FastCGI';
for my $o ([], [chunked => 100]) {
    my $m = wechat();
    ack_ok(send_callback($m, @$o), 'wechat_v3', 200);
    my $r = fcgi_request(slurp($FcgiSign));
    is($r->{body}, $m->{body}, 'body');
    is(sign_check($r, $key), 1, 'signature');
}
--- result
taken
taken
