# paygw_deliver sign=: the hand-over is signed, which the openssl command and
# the code for shops can tell.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwSign;

our $Key = sign_key('sign.key', '0123456789abcdef0123456789abcdef');
our $Next = sign_key('sign_next.key', 'the next key, of 32 bytes and so');

sign_key('sign_16.key', '0123456789abcdef');
sign_key('sign_15.key', '0123456789abcde');
sign_key('sign_none.key', '');

our $Names = join ' ', map { "x-paygw-$_" }
    qw(event-id event-type outcome channel provider delivery order-id trade-no
       amount currency refund-id refund-amount confirm timestamp);

# every request that the shop got is signed, by these keys

sub main::all_signed {
    my ($count, @keys) = @_;
    my @r = shop_requests($count);

    for my $r (@r) {
        is(sign_check($r, @keys), 1, 'signature');
        is(shop_header($r, 'X-Paygw-Signed'), $Names, 'names');
        ok(abs(time - shop_header($r, 'X-Paygw-Timestamp')) < 30, 'time');
    }

    return @r;
}

sub main::locations {
    my $args = shift;
    return "paygw_deliver $args;$PaygwTest::Locations";
}

run_tests();

__DATA__

=== TEST 1: event and raw, for each provider
--- config
    location /event/ {
        paygw_notify   wxpay;
        paygw_deliver  event sign=file:$TEST_NGINX_KEYS/sign.key;
        proxy_pass     http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location /raw/ {
        paygw_notify   alipay;
        paygw_deliver  raw sign=file:$TEST_NGINX_KEYS/sign.key;
        proxy_pass     http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
wechat(uri => '/event/', order_id => 'S1'), alipay(uri => '/raw/')
--- ack: 204 200
--- run
my @r = all_signed(2, $Key);
is(shop_event($r[0])->{order}{order_id}, 'S1');
is(shop_body($r[1]), $PaygwTest::Callbacks[1]{body});



=== TEST 2: the shops' own code takes it, and nothing else
--- config eval: main::locations('raw sign=file:$TEST_NGINX_KEYS/sign.key')
--- run
for my $m (wechat(), alipay(order_id => 'S2')) {
    ack_ok(send_callback($m), $m, 200);
}
my @good = all_signed(2, $Key);
my $r = $good[1];
my $now = time;
my @forged = (
    (map { sign_other($r, @$_) }
     ['X-Paygw-Order-Id' => 'S3'], ['X-Paygw-Order-Id' => undef],
     ['X-Paygw-Refund-Id' => 'S2'], ['X-Paygw-Confirm' => 'query'],
     ['X-Paygw-Delivery' => 2], ['X-Paygw-Event-Id' => undef],
     ['X-Paygw-Timestamp' => $now + 1], ['X-Paygw-Timestamp' => undef],
     ['X-Paygw-Signature' => undef], ['X-Paygw-Signature' => ''],
     ['X-Paygw-Signature' => 'v1='], ['X-Paygw-Signature' => "v1=\xe9"],
     ['X-Paygw-Signature' => 'v1=' . '0' x 64],
     ['X-Paygw-Signature' => ',,v0=,' . substr(
      shop_header($r, 'X-Paygw-Signature'), 3)],
     ['X-Paygw-Signed' => undef], ['X-Paygw-Signed' => ''],
     ['X-Paygw-Signed' => 'x-paygw-timestamp'],
     ['X-Paygw-Signed' => "$Names x-paygw-order-id"],
     ['X-Paygw-Signed' => "$Names __proto__ constructor"]),
    (map { +{ %$r, body => $_ } } '', shop_body($r) . '&', "\n" . shop_body($r),
     $r->{body} =~ s/8/9/r),
    sign_make($r, 'another key of 32 bytes and more', $now),
    sign_make($r, '', $now),
    sign_make($r, $Key, $now - 310), sign_make($r, $Key, $now + 900),
    sign_make($r, $Key, ''),
);
push @good, sign_make($r, $Key, $now - 100), sign_make($r, $Key, $now + 200),
            sign_other($r, 'X-Paygw-Signature' => 'v1=0,v2=1,' .
                       shop_header($r, 'X-Paygw-Signature'));
my %said = sign_shops($Key, @good, @forged[0 .. $#forged - 1]);
my $want = join ' ', ('genuine') x @good, ('forged') x $#forged;
for my $name (sort keys %said) {
    SKIP: {
        skip("$name is not on this machine", 1) if !$said{$name};
        is(join(' ', @{ $said{$name} }), $want, $name);
    }
}
# an empty key has been read from nowhere: none may take what it signs
%said = sign_shops('', sign_make($r, '', $now));
isnt(join(' ', @{ $said{$_} // [] }), 'genuine', "$_: empty key")
    for sort keys %said;



=== TEST 3: bodies in chunks, in a file, and in pieces
--- config eval
"client_body_buffer_size 64;"
. main::locations('raw sign=file:$TEST_NGINX_KEYS/sign.key')
--- run
for my $o ([], [chunked => 50], [chunked => 7, split => 100], [split => 90]) {
    for my $m (wechat(), alipay()) {
        ack_ok(send_callback($m, @$o), $m, 200);
    }
}
all_signed(8, $Key);



=== TEST 4: HTTP/2, with and without a length
--- h2
--- config eval: main::locations('raw sign=file:$TEST_NGINX_KEYS/sign.key')
--- run
for my $m (wechat(), alipay()) {
    ack_ok(send_callback($m, http2 => 1), $m, 200);
}
for my $m (wechat(), alipay()) {
    ack_ok(send_callback($m, http2 => 1, no_length => 1), $m, 200);
}
all_signed(4, $Key);



=== TEST 5: events in chunks, and over HTTP/2
--- h2
--- config eval: main::locations('event sign=file:$TEST_NGINX_KEYS/sign.key')
--- run
for my $m (wechat(), alipay()) {
    ack_ok(send_callback($m, http2 => 1), $m, 200);
}
all_signed(2, $Key);



=== TEST 6: two keys while one is being replaced
--- config eval
main::locations('event sign=file:$TEST_NGINX_KEYS/sign_next.key '
          . 'sign=file:$TEST_NGINX_KEYS/sign.key')
--- callback
wechat(), alipay()
--- ack: 204 200
--- run
my ($r) = all_signed(2, $Next, $Key);
my %said = sign_shops($Key, $r);
my %next = sign_shops($Next, $r);
for my $name (grep { $said{$_} } sort keys %said) {
    is("@{ $said{$name} } @{ $next{$name} }", 'genuine genuine', $name);
}



=== TEST 7: a second delivery is signed anew
--- config eval: main::locations('event sign=file:$TEST_NGINX_KEYS/sign.key')
--- shop_plan
(500, 200)
--- run
my $m = wechat();
ack_ok(send_callback($m), $m, 502);
ack_ok(send_callback($m), $m, 204);
my @r = all_signed(2, $Key);
isnt(shop_header($r[0], 'X-Paygw-Signature'),
     shop_header($r[1], 'X-Paygw-Signature'), 'the delivery is signed');



=== TEST 8: a signature of the outside is dropped
--- config eval
'location = /shop { proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }'
. main::locations('event sign=file:$TEST_NGINX_KEYS/sign.key')
--- run
my %forged = ('X-Paygw-Signature' => 'v1=' . 'a' x 64,
              'x_paygw-signature' => 'v1=' . 'b' x 64,
              'X-Paygw-Timestamp' => 1, 'X-PAYGW-SIGNED' => 'x-paygw-amount');
my $m = wechat(headers => { %forged });
ack_ok(send_callback($m), $m, 204);
all_signed(1, $Key);
send_callback(wechat(uri => '/shop', headers => { %forged }));
my $r = (shop_requests(2))[1];
is(shop_header($r, $_), undef) for 'X-Paygw-Signature', 'x_paygw-signature',
                                   'X-Paygw-Timestamp', 'X-Paygw-Signed';



=== TEST 9: what is only observed is never signed
--- config eval
'paygw_verify observe until=2099-01-01;'
. main::locations('raw sign=file:$TEST_NGINX_KEYS/sign.key')
--- run
send_callback($_) for wechat(), wechat(key => 'rogue');
my @r = shop_requests(2);
is(shop_header($r[0], 'X-Paygw-Result'), 'verified');
is(shop_header($r[1], 'X-Paygw-Result'), 'refused');
for my $r (@r) {
    is(shop_header($r, "X-Paygw-$_"), undef)
        for qw(Signature Signed Timestamp);
}



=== TEST 10: without sign= nothing is signed; it is inherited as a whole
--- http_config
    paygw_deliver raw sign=file:$TEST_NGINX_KEYS/sign.key;
--- config
    location /inherited {
        paygw_notify   alipay;
        proxy_pass     http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
        location /inherited/below {
            proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
        }
    }
    location /not {
        paygw_notify   alipay;
        paygw_deliver  event;
        proxy_pass     http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location /other {
        paygw_notify   alipay;
        paygw_deliver  event sign=file:$TEST_NGINX_KEYS/sign_next.key;
        proxy_pass     http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
alipay(uri => '/inherited'), alipay(uri => '/inherited/below'),
alipay(uri => '/other'), alipay(uri => '/not')
--- ack: 200 200 200 200
--- run
my @r = shop_requests(4);
is(sign_check($r[0], $Key), 1);
is(shop_body($r[0]), $PaygwTest::Callbacks[0]{body});
is(sign_check($r[1], $Key), 1);
is(sign_check($r[2], $Next), 1);
is(shop_header($r[3], "X-Paygw-$_"), undef)
    for qw(Signature Signed Timestamp);



=== TEST 11: return, and variables
--- config
    location = /notify/wxpay {
        paygw_notify   wxpay;
        paygw_deliver  event sign=file:$TEST_NGINX_KEYS/sign.key;
        if ($http_x_paygw_signature ~ "^v1=[0-9a-f]+$") {
            return 200;
        }
        return 500;
    }
--- callback
wechat()
--- ack: 204
--- result: taken



=== TEST 12: keys of 16 bytes, from the environment and as text
--- main_config
    env PAYGW_SIGN;
--- config
    location = /a {
        paygw_notify   wxpay;
        paygw_deliver  event sign=file:$TEST_NGINX_KEYS/sign_16.key
                             sign=text:a-text-of-twenty-one;
        proxy_pass     http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
wechat(uri => '/a')
--- ack: 204
--- run
my ($r) = shop_requests(1);
is(sign_check($r, '0123456789abcdef', 'a-text-of-twenty-one'), 1);



=== TEST 13: a key that is too short
--- config eval: main::locations('event sign=file:$TEST_NGINX_KEYS/sign_15.key')
--- must_die
--- error_log
"sign" of "paygw_deliver" has 15 bytes, at least 16 are needed, make it with "openssl rand -hex 32"



=== TEST 14: an empty key
--- config eval: main::locations('event sign=file:$TEST_NGINX_KEYS/sign_none.key')
--- must_die
--- error_log
"sign" of "paygw_deliver" is empty



=== TEST 15: an empty text
--- config eval: main::locations('event sign=text:')
--- must_die
--- error_log
"sign" of "paygw_deliver" is empty



=== TEST 16: the same key twice
--- config eval
main::locations('event sign=file:$TEST_NGINX_KEYS/sign.key sign=text:'
          . '0123456789abcdef0123456789abcdef')
--- must_die
--- error_log
"sign" of "paygw_deliver" is twice the same secret



=== TEST 17: a key without its source, which is not shown
--- config eval: main::locations('raw sign=0123456789abcdef')
--- must_die
--- error_log
"sign" of "paygw_deliver" must be "file:PATH", "env:NAME" or "text:VALUE"
--- no_error_log
0123456789abcdef



=== TEST 18: an unknown parameter
--- config eval: main::locations('raw signs=file:x')
--- must_die
--- error_log
invalid parameter "signs=file:x"
