# paygw_api behind paygw_auth, paygw_limit and paygw_idempotency: only merchants
# make orders, their answers can be signed for them, and an order is made once.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;
use PaygwPeer ();

our $Peer = PaygwPeer->start;
$ENV{TEST_NGINX_PEER_PORT} = $Peer->listen;

our $Wxpay = <<'CONF';
endpoint              http://127.0.0.1:$TEST_NGINX_PEER_PORT;
merchant_private_key  $TEST_NGINX_KEYS/mch.key;
merchant_certificate  $TEST_NGINX_KEYS/mch.crt;
notify_url            https://pay.example.com/n;
proxy_read_timeout    20s;
paygw_retry           off;
CONF

our $Config = <<'CONF';
    location /pay/ {
        paygw_auth  shop sign_response;
        paygw_deadline 20s;
        paygw_api  wxpay;
    }
CONF

our $Gate = <<'CONF';
    location /pay/ {
        paygw_auth         shop other sign_response;
        paygw_idempotency  on required;
        add_header         X-What "$paygw_idempotency,$paygw_result" always;
        paygw_deadline     20s;
        paygw_api          wxpay;
    }
CONF

our $Stripe = $Peer->stripe("http://127.0.0.1:$ENV{TEST_NGINX_PEER_PORT}",
                            -name => 'card', paygw_retry => 'off');

our $Keep = <<'CONF';
    location /card/ {
        paygw_auth         shop;
        paygw_idempotency  on required;
        paygw_deadline     20s;
        paygw_api          card;
    }
CONF

our $N = 0;

sub main::fresh { return sprintf 'order-%d-%d-%d', time, $$, $N++ }

sub main::order {
    my ($key, %o) = @_;
    return call(method => 'POST', target => '/pay/orders', body =>
                    '{"order_id":"T20250102_0001","amount":1,"currency":'
                    . '"CNY","subject":"tea","method":"qr"}',
                headers => [ 'Content-Type', 'application/json',
                             $key ? ('Idempotency-Key', $key) : () ], %o);
}

run_tests();

__DATA__

=== TEST 1: a merchant's order, and its answer signed for him
--- wxpay eval: $::Wxpay
--- config eval: $::Config
--- run
$::Peer->plan({});
my $m = order();
my $res = send_callback($m);
is($res->{status}, 200, 'made') or diag($res->{body});
like($res->{body}, qr/^\{"code":"OK",.*"code":"weixin:\/\/MARK"/, 'answer');
sealed_ok($res, $m, 'signed for the merchant');
is(scalar $::Peer->requests, 1, 'one call');



=== TEST 2: nobody else's
--- wxpay eval: $::Wxpay
--- config eval: $::Config
--- run
$::Peer->plan({});
my $res = send_callback("POST /pay/orders HTTP/1.1\r\nHost: localhost\r\n"
                        . "Connection: close\r\nContent-Length: 2\r\n\r\n{}");
is($res->{status}, 400, 'not signed');
like($res->{body}, qr/CLIENT-BAD_SIGNATURE_HEADER/, 'refused by paygw_auth');
is(scalar $::Peer->requests, 0, 'nothing is sent');



=== TEST 3: what is refused is signed for the merchant, too
--- wxpay eval: $::Wxpay
--- config eval: $::Config
--- run
$::Peer->plan({});
my $m = call(method => 'POST', target => '/pay/orders', body => '{"x":1}',
             headers => [ 'Content-Type', 'application/json' ]);
my $res = send_callback($m);
is($res->{status}, 400, 'refused');
like($res->{body}, qr/"code":"CLIENT-UNKNOWN_FIELD"/, 'by its field');
sealed_ok($res, $m, 'signed for the merchant');



=== TEST 4: repeated under a key the kept answer, and no second call
--- wxpay eval: $::Wxpay
--- config eval: $::Gate
--- run
$::Peer->plan({}, {});
my $key = fresh();
my $first = send_callback(order($key));
is($first->{status}, 200, 'made') or diag($first->{body});
my $again = send_callback(order($key));
is($again->{body}, $first->{body}, 'the same, with its request_id');
is(scalar $::Peer->requests, 1, 'one call');



=== TEST 5: what is unknown is not kept
--- wxpay eval: $::Wxpay
--- config eval: $::Gate
--- run
my $key = fresh();
$::Peer->plan({ signature => 'bad' });
my $res = send_callback(order($key));
is($res->{status}, 502, 'unverified');
like($res->{body}, qr/"outcome":"unknown"/, 'unknown');
$::Peer->plan({});
$res = send_callback(order($key));
is($res->{status}, 200, 'made by the second try') or diag($res->{body});



=== TEST 6: what the provider may change is not kept, what it will not is
--- wxpay eval: $::Wxpay
--- config eval: $::Gate
--- run
for ([ NO_AUTH => 502, 2 ], [ ORDERPAID => 409, 4 ], [ PARAM_ERROR => 422, 1 ],
     [ SYSTEM_ERROR => 502, 2 ], [ FREQUENCY_LIMITED => 503, 2 ])
{
    my ($word, $status, $calls) = @$_;
    my $answer = { status => 403, body => qq({"code":"$word","message":"x"}) };
    my $key = fresh();
    $::Peer->plan(($answer) x 4);
    is(send_callback(order($key))->{status}, $status, $word);
    is(send_callback(order($key))->{status}, $status, "$word again");
    is(scalar $::Peer->requests, $calls, "$word: calls");
    $::Peer->plan;
}



=== TEST 7: what Stripe itself wants to hear again is not kept, whatever it is
--- http_config eval: $::Stripe
--- config eval: $::Keep
--- run
for ([ true => 2 ], [ false => 1 ], [ '' => 1 ]) {
    my ($hint, $calls) = @$_;
    $::Peer->plan(map { { status => 400, $hint ? (headers => {
        'Stripe-Should-Retry' => $hint }) : (), body => '{"error":{"type":'
        . '"invalid_request_error","code":"parameter_invalid"}}' } } 1 .. 2);
    my $key = fresh();
    for (1, 2) {
        my $res = send_callback(order($key, target => '/card/orders', body =>
            '{"order_id":"T20250102_0001","amount":1,"currency":'
            . '"EUR","subject":"tea","method":"app"}'));
        is($res->{status}, 422, "should retry: $hint") or diag($res->{body});
    }
    is(scalar $::Peer->requests, $calls, "should retry: $hint: calls");
}
