# Wherever nginx has put the body and however it came: the same bytes are
# verified, and the shop gets the event.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: a body in one buffer, read with the header
--- callback
wechat(), alipay()
--- ack: 204 200
--- shop: 2



=== TEST 2: a body in one buffer, read after the header
--- send
(split => 700, pause => 0.02)
--- callback
wechat(), alipay()
--- ack: 204 200
--- shop: 2



=== TEST 3: a body that comes a few bytes at a time
--- send
(split => 97, pause => 0.002)
--- callback
wechat(), alipay()
--- ack: 204 200
--- shop: 2



=== TEST 4: a body in a temporary file, since the buffer is small
--- config eval
"client_body_buffer_size 128;$PaygwTest::Locations"
--- log_level: warn
--- callback
wechat(), alipay()
--- ack: 204 200
--- shop: 2
--- error_log
a client request body is buffered to a temporary file



=== TEST 5: a body in a temporary file, partly read with the header
--- config eval
"client_body_buffer_size 128;$PaygwTest::Locations"
--- send
(split => 900, pause => 0.02)
--- callback
wechat(), alipay()
--- ack: 204 200
--- shop: 2



=== TEST 6: a body that is always in a file
--- config eval
"client_body_in_file_only clean;$PaygwTest::Locations"
--- callback
wechat(), alipay(), wechat(key => 'rogue'), alipay(key => 'rogue')
--- ack: 204 200 401 401
--- shop: 2



=== TEST 7: no temporary file is left behind
--- config eval
"client_body_in_file_only clean;$PaygwTest::Locations"
--- run
my $m = wechat();
ack_ok(send_callback($m), $m, 204);
ack_ok(send_callback($m), $m, 204);
ack_ok(send_callback(wechat(key => 'rogue')), $m, 401);
ok(wait_for(sub { !grep { -f } glob server_root() . '/client_body_temp/*' }));



=== TEST 8: a chunked body
--- send
(chunked => 10_000)
--- callback
wechat(), alipay(), wechat(key => 'rogue'), alipay(key => 'rogue')
--- ack: 204 200 401 401
--- shop: 2



=== TEST 9: a body in many small chunks
--- send
(chunked => 7)
--- callback
wechat(), alipay()
--- ack: 204 200
--- shop: 2



=== TEST 10: chunks that come one after the other, into a file
--- config eval
"client_body_buffer_size 64;$PaygwTest::Locations"
--- send
(chunked => 100, split => 150, pause => 0.002)
--- callback
wechat(), alipay()
--- ack: 204 200
--- shop: 2



=== TEST 11: the shop gets a length, also of a body that came in chunks
--- run
my $m = wechat();
ack_ok(send_callback($m, chunked => 100), $m, 204);
my ($r) = shop_requests(1);
is(shop_header($r, 'Content-Length'), length shop_body($r));
is(shop_header($r, 'Transfer-Encoding'), undef);
is(shop_event($r)->{type}, 'payment');



=== TEST 12: the shop gets HTTP/1.1 if it wants to, with one length
--- config
    location /notify/ {
        paygw_notify        wxpay;
        proxy_http_version  1.1;
        proxy_set_header    Connection "";
        proxy_pass          http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
for my $o ([], [ chunked => 50 ], [ split => 400 ]) {
    my $m = wechat();
    ack_ok(send_callback($m, @$o), $m, 204);
}
for my $r (shop_requests(3)) {
    is(shop_header($r, 'Content-Length'), length shop_body($r));
    is(shop_header($r, 'Transfer-Encoding'), undef);
    is($r->{version}, 'HTTP/1.1');
}



=== TEST 13: the body goes to the shop unbuffered
--- config
    location /notify/ {
        paygw_notify             wxpay;
        proxy_request_buffering  off;
        proxy_buffering          off;
        proxy_pass               http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
for my $o ([], [ chunked => 50 ], [ split => 400, pause => 0.01 ]) {
    my $m = wechat();
    ack_ok(send_callback($m, @$o), $m, 204);
}
is(shop_event($_)->{type}, 'payment') for shop_requests(3);



=== TEST 14: HTTP/2
--- h2
--- callback
wechat(), alipay(), wechat(key => 'rogue'), alipay(key => 'rogue')
--- ack: 204 200 401 401
--- result
taken
taken
refused signature
refused signature
--- shop: 2



=== TEST 15: HTTP/2 without a length
--- h2
--- send
(no_length => 1)
--- callback
wechat(), alipay()
--- ack: 204 200
--- run
is(shop_header($_, 'Content-Length'), length shop_body($_))
    for shop_requests(2);



=== TEST 16: HTTP/2 with a body in a file
--- h2
--- config eval
"client_body_buffer_size 128;$PaygwTest::Locations"
--- callback
wechat(), alipay()
--- ack: 204 200
--- shop: 2



=== TEST 17: the body is asked for: Expect: 100-continue
--- run
my @m = (wechat(), alipay(), wechat(key => 'rogue'));
my @want = (204, 200, 401);
for (0 .. 2) {
    my $c = begin($m[$_], expect => 1);
    is($c->{continue}{status}, 100);
    ack_ok(finish($c), $m[$_], $want[$_]);
}
is(shop_count(), 2);



=== TEST 18: a body that is not wanted, and not sent
--- run
for ([ wechat(headers => { 'Content-Type' => 'text/plain' }), 415 ],
     [ alipay(method => 'PUT'), 405 ], [ wechat(body => 'x' x 70_000), 413 ])
{
    my ($m, $status) = @$_;
    my ($head) = $m->raw(expect => 1) =~ /^(.*?\r\n\r\n)/s;
    ack_ok(finish(begin($head)), $m, $status);
}
is(shop_count(), 0);



=== TEST 19: a body that is too long, by its length
--- run
my $m = wechat(body => 'x' x 65_537);
ack_ok(send_callback($m), $m, 413, 'default');
is((results(1))[0], 'refused too_large');



=== TEST 20: a body that is too long, in chunks
--- callback
alipay(params => { body => 'x' x 66_000 })
--- send
(chunked => 1000)
--- ack: 413
--- result: refused too_large
--- shop: 0



=== TEST 21: a body that is as long as it may be
--- run
# the length of a signature that is percent-encoded differs
my @length = sort { $a <=> $b }
             map { length alipay(params => { body => 'x' })->{body} } 1 .. 31;
my $pad = 65_537 - $length[15];
for my $more (0, 1) {
    my $long;
    for (1 .. 1000) {
        $long = alipay(params => { body => 'x' x ($pad + $more) });
        last if length $long->{body} == 65_536 + $more;
    }
    is(length $long->{body}, 65_536 + $more);
    ack_ok(send_callback($long), $long, $more ? 413 : 200);
}
is(shop_count(), 1);



=== TEST 22: the limit can be set
--- config
    paygw_body_max 1k;
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /notify/alipay {
        paygw_notify   alipay;
        paygw_body_max 200k;
        proxy_pass     http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
wechat(resource => { attach => 'x' x 600 }),
alipay(params => { body => 'x' x 150_000 })
--- ack: 413 200
--- result
refused too_large
taken
--- shop: 1



=== TEST 23: the limit of nginx itself is answered as the provider knows it
--- config eval
$PaygwTest::Locations =~ s/paygw_notify/client_max_body_size 100;\n$&/gr
--- callback
wechat(), alipay()
--- ack: 413 413
--- shop: 0
--- error_log
client intended to send too large body



=== TEST 24: the limit of nginx itself, in chunks
--- config eval
$PaygwTest::Locations =~ s/paygw_notify/client_max_body_size 100;\n$&/gr
--- send
(chunked => 60)
--- callback
wechat(), alipay()
--- ack: 413 413
--- shop: 0
--- error_log
client intended to send too large chunked body



=== TEST 25: a connection goes on after a callback was refused
--- run
my @m = (wechat(headers => { 'Content-Type' => 'text/plain' }),
         alipay(method => 'PUT'), wechat(key => 'rogue'), wechat());
my @r = pipeline(@m);
my @want = (415, 405, 401, 204);
ack_ok($r[$_], $m[$_], $want[$_]) for 0 .. 3;
is(shop_count(), 1);



=== TEST 26: a chunked body that is none
--- run
for my $bad ("zz\r\n", "5\r\nab\r\n0\r\n\r\n", "-1\r\n\r\n") {
    my $m = wechat();
    my $raw = $m->raw(chunked => 100);
    $raw =~ s/\r\n\r\n.*/\r\n\r\n$bad/s;
    my $res = finish(begin($raw), timeout => 2);
    ok($res->{status} != 204 && $res->{status} != 200, "status $res->{status}");
}
is(shop_count(), 0);



=== TEST 27: an empty body, in every way
--- run
for my $o ([], [ chunked => 10 ], [ no_length => 1 ]) {
    for my $m (wechat(body => '', key => 'rogue'), alipay(body => '')) {
        my $res = send_callback($m, @$o);
        ok($res->{status} == 401 || $res->{status} == 400,
           "status $res->{status} " . ($res->{error} || ''));
    }
}
is(shop_count(), 0);



=== TEST 28: an empty body over HTTP/2
--- h2
--- run
for my $m (wechat(body => '', key => 'rogue'), alipay(body => '')) {
    my $res = send_callback($m, http2 => 1);
    ok($res->{status} == 401 || $res->{status} == 400, "status $res->{status}");
}
is(shop_count(), 0);



=== TEST 29: HTTP/1.0
--- send
(version => '1.0')
--- callback
wechat(), alipay()
--- ack: 204 200
--- shop: 2
