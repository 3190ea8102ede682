# What the shop may believe: no X-Paygw-* field of the outside reaches it, in
# whatever spelling, and all others do.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

# all fields of a request to the shop that a CGI-like shop could take for ours
sub main::ours {
    return join ' ', sort map { "$_->[0]=$_->[1]" }
           grep { (lc($_->[0]) =~ tr/_/-/r) =~ /^x-paygw-/ }
           @{ $_[0]{headers} };
}

sub main::spoofed {
    return headers => { 'X-Paygw-Amount' => 1, 'x-paygw-order-id' => 'evil',
                        'X-PAYGW-OUTCOME' => 'success',
                        'X-Paygw-Delivery' => [ 7, 8 ],
                        'X-Paygw-Result' => 'taken', 'X-Paygw-New' => 'x',
                        'X-Paygw-' => 'x',
                        'X_Paygw_Amount' => 1, 'X-Paygw_Amount' => 2,
                        'x_paygw-event-id' => 'evil', 'X_PAYGW_REFUND_ID' => 1,
                        'X-Paygw-Refund-Id' => 'evil', @_ };
}

run_tests();

__DATA__

=== TEST 1: fields of the outside are dropped
--- run
for my $m (wechat(spoofed()), alipay(spoofed())) {
    my $n = shop_count();
    ack_ok(send_callback($m), $m, 200);
    my $r = (shop_requests($n + 1))[$n];
    my $wx = $m->{provider} ne 'alipay';
    is(ours($r), join ' ', 'X-Paygw-Amount=' . ($wx ? 100 : 8880),
       'X-Paygw-Channel=' . ($wx ? 'wxpay' : 'alipay'),
       'X-Paygw-Currency=CNY', 'X-Paygw-Delivery=1',
       'X-Paygw-Event-Id=' . ($wx ? "wxpay:$m->{id}:TRANSACTION.SUCCESS"
                                  : "alipay:$m->{id}:TRADE_SUCCESS"),
       'X-Paygw-Event-Type=payment', "X-Paygw-Order-Id=$m->{order_id}",
       'X-Paygw-Outcome=success', "X-Paygw-Provider=$m->{provider}",
       'X-Paygw-Trade-No=' . ($wx ? '4200' : '2026') . $m->{order_id});
}



=== TEST 2: also where underscores are allowed
--- config eval
"underscores_in_headers on;$PaygwTest::Locations"
--- run
my $m = wechat(spoofed());
ack_ok(send_callback($m), $m, 204);
my ($r) = shop_requests(1);
unlike(ours($r), qr/evil|X_|w_|X-PAYGW|New|Result|Refund|=[278]\b/);
is(scalar(split ' ', ours($r)), 10);



=== TEST 3: also where invalid fields are passed on
--- config eval
"ignore_invalid_headers off; underscores_in_headers on;$PaygwTest::Locations"
--- run
my $m = wechat(spoofed('X-Paygw-Am.ount' => 1, 'X.Paygw.Amount' => 1));
ack_ok(send_callback($m), $m, 204);
unlike(ours((shop_requests(1))[0]), qr/evil|X_|w_|X-PAYGW|New|Result|Refund/);



=== TEST 4: of an event that has no order, nothing of the outside fills the gap
--- run
my $m = wechat(type => 'echo', spoofed());
ack_ok(send_callback($m), $m, 204);
is(ours((shop_requests(1))[0]), "X-Paygw-Channel=wxpay X-Paygw-Delivery=1 "
   . "X-Paygw-Event-Id=wxpay:$m->{id}:SECURITY_ECHO.SUCCESS "
   . 'X-Paygw-Event-Type=unknown X-Paygw-Outcome=unknown '
   . 'X-Paygw-Provider=wechat_v3');



=== TEST 5: variables of nginx see no field of the outside either
--- config
    location /notify/ {
        paygw_notify      wxpay;
        proxy_set_header  X-Seen "$http_x_paygw_order_id|$http_x_paygw_new";
        proxy_pass        http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $m = wechat(spoofed());
ack_ok(send_callback($m), $m, 204);
is(shop_header((shop_requests(1))[0], 'X-Seen'), "$m->{order_id}|");



=== TEST 6: all other fields are passed on, once
--- run
my $m = wechat(headers => { 'X-Other' => 'a', 'X-Paygwx' => 'b',
                            'X-Pay' => [ 'c', 'd' ], 'Cookie' => 'e=f',
                            'X-Request-Id' => 'g' });
ack_ok(send_callback($m), $m, 204);
my ($r) = shop_requests(1);
is(shop_header($r, 'X-Other'), 'a');
is(shop_header($r, 'X-Paygwx'), 'b');
is(shop_header($r, 'X-Pay'), 'c|d');
is(shop_header($r, 'Cookie'), 'e=f');
is(shop_header($r, 'X-Request-Id'), 'g');
is(shop_header($r, 'Content-Type'), 'application/json');
is(shop_header($r, 'Wechatpay-Serial'), $m->header('Wechatpay-Serial'));



=== TEST 7: more fields than one part of a list holds
--- run
for my $n (0, 5, 12, 20, 41, 63) {
    my $m = wechat(headers => {
        (map { ("X-A$_" => $_) } 1 .. $n), 'X-Paygw-Evil' => [ (1) x 7 ],
        (map { ("X-B$_" => $_) } 1 .. $n) });
    my $i = shop_count();
    ack_ok(send_callback($m), $m, 204);
    my $r = (shop_requests($i + 1))[$i];
    my @other = grep { $_->[0] =~ /^X-[AB]\d/ } @{ $r->{headers} };
    is(scalar @other, 2 * $n, "$n fields");
    is(shop_header($r, 'X-Paygw-Evil'), undef);
    is(scalar(split ' ', ours($r)), 10);
}



=== TEST 8: HTTP/2
--- h2
--- run
my $m = wechat(headers => { 'X-Paygw-Amount' => 1, 'X-Paygw-New' => 'x',
                            'x-paygw-refund-id' => 'evil' });
ack_ok(send_callback($m, http2 => 1), $m, 204);
is(shop_header((shop_requests(1))[0], 'X-Paygw-Amount'), 100);
is(scalar(split ' ', ours((shop_requests(1))[0])), 10);



=== TEST 9: a location without a callback is left alone, but for our fields
--- config
    location /else {
        proxy_pass  http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $m = wechat(uri => '/else', headers => { 'X-Paygw-Amount' => 1 });
my $res = send_callback($m);
is("$res->{status} $res->{body}", "200 shop says hello\n");
is(shop_header((shop_requests(1))[0], 'X-Paygw-Amount'), undef);
is(shop_body((shop_requests(1))[0]), $m->{body});
