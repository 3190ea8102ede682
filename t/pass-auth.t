# paygw_pass behind paygw_auth: only merchants make orders, and their answers
# can be signed for them; with paygw_limit and paygw_idempotency, so that an
# order of theirs is made once.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;
use Digest::SHA ();
use PaygwPeer ();

our $Peer = PaygwPeer->start;
$ENV{TEST_NGINX_PEER_PORT} = $Peer->listen;

our $Config = <<'CONF';
    log_format pass '$paygw_result $paygw_reason $paygw_merchant '
                    '$paygw_channel';
    access_log logs/pass.log pass;
    location /wx/ {
        paygw_auth  shop sign_response;
        paygw_deadline 20s;
        paygw_pass  wxpay;
    }
CONF
$Config =~ s/^ *log_format.*?;\n//ms;

our $Http = <<'CONF';
    log_format pass '$paygw_result $paygw_reason $paygw_merchant '
                    '$paygw_channel';
CONF

our $Wxpay = <<'CONF';
endpoint              http://127.0.0.1:$TEST_NGINX_PEER_PORT;
merchant_private_key  $TEST_NGINX_KEYS/mch.key;
merchant_certificate  $TEST_NGINX_KEYS/mch.crt;
proxy_read_timeout    20s;
paygw_retry           off;
paygw_breaker         off;
CONF

our $Gate = <<'CONF';
    location /wx/ {
        paygw_auth         shop other sign_response;
        paygw_limit        $http_x_who rate=3r/h burst=2;
        paygw_idempotency  on required;
        add_header         X-What "$paygw_idempotency,$paygw_result" always;
        paygw_deadline     20s;
        paygw_pass         wxpay;
    }
CONF

our $N = 0;

# an order under a key; counted together with what says the same $who

sub main::order {
    my ($key, $who, %o) = @_;
    return call(method => 'POST', target => '/wx/v3/pay/transactions/native',
                body => '{"amount":{"total":1}}',
                headers => [ 'Idempotency-Key', $key, 'X-Who', $who ], %o);
}

sub main::fresh { return sprintf 'order-%d-%d-%d', time, $$, $N++ }

run_tests();

__DATA__

=== TEST 1: a merchant's call is signed for the provider, its answer for him
--- http_config eval: $::Http
--- wxpay eval: $::Wxpay
--- config eval: $::Config
--- run
my %call = (method => 'POST', target => '/wx/v3/pay/transactions/native?a=b',
            body => '{"amount":{"total":1}}');
$::Peer->plan({});
my $m = call(%call);
my $res = send_callback($m);
is($res->{status}, 200, 'passed') or diag($res->{body});
is($res->{body}, '{"code_url":"weixin://MARK"}', 'the answer');
sealed_ok($res, $m, 'signed for the merchant');
my ($r) = $::Peer->requests;
is($r->{check}, 'ok', 'signed for the provider');
is($r->{target}, '/v3/pay/transactions/native?a=b', 'target');
is($r->{body}, $call{body}, 'body');
is(join(' ', grep { /^x-/ } map { lc $_->[0] } @{ $r->{heads} }), '',
   "nothing of the merchant's signature");
ok(wait_for(sub { PaygwTest::file_from(
       "$Test::Nginx::Util::ServRoot/logs/pass.log", 0)
       =~ /^passed - shop wxpay$/m }), 'log');

# one that is unknown too, and what is refused here

$::Peer->plan({ signature => 'bad' });
$m = call(%call);
$res = send_callback($m);
is($res->{status}, 502, 'unknown');
like($res->{body}, qr/"outcome":"unknown"/, 'says so');
sealed_ok($res, $m, 'and is signed');

$::Peer->plan({});
$res = send_callback($m);
is($res->{status}, 401, 'a copy is refused');
$res = send_callback(call(%call, forged => 1, key => 'nobody'));
is($res->{status}, 401, 'a stranger is refused');
is(scalar $::Peer->requests, 0, 'and nothing is sent');
--- error_log
answer of the provider refused: signature



=== TEST 2: limits and idempotency in front: the provider is called once
--- wxpay eval: $::Wxpay
--- config eval: $::Gate
--- run
$::Peer->plan({});
my ($key, $who) = (fresh(), fresh());
my $m = order($key, $who);
my $first = send_callback($m);
is("$first->{status} $first->{body}", '200 {"code_url":"weixin://MARK"}');
is($first->{header}{'idempotent-replayed'}, undef, 'not a repetition');
is($first->{header}{'x-what'}, 'first,passed', 'run');
sealed_ok($first, $m, 'the answer');

# the bytes of it again are no repetition, and a stranger is told nothing

is(send_callback($m)->{status}, 401, 'a copy is refused');
answer_ok(send_callback(order($key, $who, forged => 1, key => 'nobody')), 401,
          'a stranger is refused');

for my $n (1, 2) {
    my $again = order($key, fresh());
    my $res = send_callback($again);
    is($res->{header}{'idempotent-replayed'}, 'true', "repetition $n");
    is("$res->{status} $res->{body}", "$first->{status} $first->{body}",
       "repetition $n: the answer");
    is($res->{header}{'content-type'}, $first->{header}{'content-type'},
       "repetition $n: its type");
    is($res->{header}{'x-paygw-verified'}, 'signature',
       "repetition $n: it was verified");
    sealed_ok($res, $again, "repetition $n");
}

my @got = $::Peer->requests;
is(scalar @got, 1, 'the provider is called once');
is($got[0]{check}, 'ok', 'and by a call that is signed');
is(join(' ', grep { /^(?:x-|idempotency-)/ } map { lc $_->[0] }
        @{ $got[0]{heads} }), '', 'nothing of ours reaches it');

# what is refused in front never reaches it

answer_ok(send_callback(order($key, fresh(), body => '{"amount":{}}')),
          'IDEMPOTENCY_MISMATCH', 'another body');
answer_ok(send_callback(order($key, fresh(), headers => [])),
          'IDEMPOTENCY_KEY_REQUIRED', 'no key');
is(scalar $::Peer->requests, 1, 'nothing is sent for them');

# of another merchant it is another order

is(send_callback(order($key, fresh(), key => 'o1'))->{status}, 200, 'other');
is(scalar $::Peer->requests, 2, 'which is made');



=== TEST 3: a call that is over the limit is not made, and leaves no lock
--- wxpay eval: $::Wxpay
--- config eval: $::Gate
--- run
$::Peer->plan({});
my ($key, $who) = (fresh(), fresh());
is(send_callback(order(fresh(), $who))->{status}, 200, "call $_") for 1 .. 3;
answer_ok(send_callback(order($key, $who)), 'RATE_LIMITED', 'one more');
is(scalar $::Peer->requests, 3, 'is not made');
is(send_callback(order($key, fresh()))->{status}, 200, 'its key is free');
is(scalar $::Peer->requests, 4, 'it is made now');



=== TEST 4: what nobody knows the end of is not kept, an error of the order is
--- wxpay eval: $::Wxpay
--- config eval: $::Gate
--- run
my $error = '{"code":"SYSTEM_ERROR","message":"try again"}';
my $key = fresh();
# the second one is not on a connection that was kept, it would be sent twice
$::Peer->plan({ signature => 'bad', close => 1 }, { drop => 1 },
              { status => 500, body => $error });
for my $n (1 .. 3) {
    my $res = send_callback(order($key, fresh()));
    ok($res->{status} >= 500, "try $n: $res->{status}");
    is($res->{header}{'idempotent-replayed'}, undef, "try $n: is made");
}
is(scalar $::Peer->requests, 3, 'once each');
is(send_callback(order($key, fresh()))->{status}, 200, 'it is made');
my $res = send_callback(order($key, fresh()));
is("$res->{status} $res->{header}{'idempotent-replayed'}", '200 true',
   'and kept');
is(scalar $::Peer->requests, 4, 'once');

$key = fresh();
$error = '{"code":"PARAM_ERROR","message":"amount"}';
$::Peer->plan({ status => 400, body => $error });
is(send_callback(order($key, fresh()))->{status}, 400, 'an error');
$res = send_callback(order($key, fresh()));
is("$res->{status} $res->{header}{'idempotent-replayed'} $res->{body}",
   "400 true $error", 'is kept');
is(scalar $::Peer->requests, 1, 'called once');
--- error_log
answer of the provider refused: signature



=== TEST 5: a merchant that goes away finds the answer at its next try
--- wxpay eval: $::Wxpay
--- config eval: $::Gate
--- run
my $key = fresh();
$::Peer->plan({ delay => 3 });
my $c = begin(order($key, fresh()));
is(scalar $::Peer->requests(1), 1, 'the provider is called');
abort_client($c);
answer_ok(send_callback(order($key, fresh())), 'IN_PROGRESS', 'meanwhile');
my $res;
ok(wait_for(sub { $res = send_callback(order($key, fresh()));
                  $res->{status} != 409 }), 'the call ends');
is("$res->{status} $res->{header}{'idempotent-replayed'} $res->{body}",
   '200 true {"code_url":"weixin://MARK"}', 'its answer was kept');
is(scalar $::Peer->requests, 1, 'the provider is called once');



=== TEST 6: Alipay says 200 of everything: what is not the end is not kept
--- http_config eval: $::Http
--- alipay
endpoint         http://127.0.0.1:$TEST_NGINX_PEER_PORT;
app_private_key  $TEST_NGINX_KEYS/app.key;
proxy_read_timeout 20s;
paygw_retry off;
paygw_breaker off;
--- config
    location /ali/ {
        paygw_auth         shop;
        paygw_idempotency  on required;
        paygw_deadline     20s;
        paygw_pass         alipay;
    }
--- run
sub ali {
    my ($key, $method) = @_;
    return send_callback(call(method => 'POST', target => '/ali/gateway.do',
        body => "method=$method&biz_content=%7B%22out_trade_no%22%3A%22T1%22"
            . '%2C%22out_request_no%22%3A%22R1%22%7D',
        headers => [ 'Idempotency-Key', $key, 'Content-Type',
                     'application/x-www-form-urlencoded' ]));
}

# what is said, of which call, and how often it is made if it is repeated

my $n = 0;
for my $case (
    [ precreate => '"code":"10000"', 1 ],
    [ precreate => '"code":"40004","sub_code":"ACQ.TRADE_HAS_SUCCESS"', 1 ],
    [ precreate => '"code":"40004","sub_code":"ACQ.SYSTEM_ERROR"', 2 ],
    [ precreate => '"code":"40004","sub_code":"AQC.SYSTEM_ERROR"', 2 ],
    [ precreate => '"code":"40002","sub_code":"isv.invalid-parameter"', 1 ],
    [ precreate => '"code":"40002","sub_code":"isv.invalid-signature"', 2 ],
    [ precreate => '"code":"40002","sub_code":"isv.invalid-app-id"', 2 ],
    [ precreate => '"code":"20000","sub_code":"isp.unknow-error"', 2 ],
    [ precreate => '"code":"20000"', 2 ], [ precreate => '"code":"20001"', 2 ],
    [ precreate => '"code":"40003"', 2 ], [ precreate => '"code":"40005"', 2 ],
    [ precreate => '"code":"40006"', 2 ], [ pay => '"code":"10003"', 2 ],
    [ pay => '"code":"40004","sub_code":"ACQ.UNKNOW_ERROR"', 2 ],
    [ refund => '"code":"10000","fund_change":"Y"', 1 ],
    [ refund => '"code":"10000","fund_change":"N"', 2 ],
    [ refund => '"code":"10000"', 2 ],
    [ refund => '"code":"40004","sub_code":"ACQ.SELLER_BALANCE_NOT_ENOUGH"',
      2 ],
    [ query => '"code":"10000","trade_status":"WAIT_BUYER_PAY"', 2 ],
    [ 'fastpay.refund.query' => '"code":"10000"', 2 ],
    [ cancel => '"code":"10000","retry_flag":"N"', 1 ],
    [ cancel => '"code":"10000","retry_flag":"Y"', 2 ],
) {
    my ($method, $content, $times) = @$case;
    my $key = sprintf 'ali-%d-%d-%d', time, $$, $n++;
    $::Peer->plan(({ content => "{$content}" }) x 2);
    my @res = map { ali($key, "alipay.trade.$method") } 1, 2;
    is($res[1]{body}, $res[0]{body}, "$method $content: the same answer");
    is($res[0]{status}, 200, 'is passed');
    is(scalar $::Peer->requests, $times, "made $times");
}

# the REST form has statuses, and the same words

for my $case (
    [ refund => 200, '{"fund_change":"Y"}', 1 ],
    [ refund => 200, '{"fund_change":"N"}', 2 ],
    [ create => 200, '{"trade_no":"1"}', 1 ],
    [ query => 200, '{"trade_status":"WAIT_BUYER_PAY"}', 2 ],
    [ create => 400, '{"code":"ACQ.TRADE_HAS_CLOSE","message":"x"}', 1 ],
    [ create => 400, '{"code":"ACQ.SYSTEM_ERROR","message":"x"}', 2 ],
    [ create => 500, '{"code":"SYSTEM_ERROR","message":"x"}', 2 ],
) {
    my ($method, $status, $body, $times) = @$case;
    my $key = sprintf 'v3-%d-%d-%d', time, $$, $n++;
    $::Peer->plan(({ status => $status, body => $body }) x 2);
    for (1, 2) {
        my $res = send_callback(call(method => 'POST',
            target => "/ali/v3/alipay/trade/$method",
            body => '{"out_request_no":"R1"}',
            headers => [ 'Idempotency-Key', $key, 'Content-Type',
                         'application/json' ]));
        is("$res->{status} $res->{body}", "$status $body", "v3 $body");
    }
    is(scalar $::Peer->requests, $times, "v3 $body: made $times");
}



=== TEST 7: an error of WeChat Pay that may be another one is not kept
--- http_config eval: $::Http
--- wxpay eval: $::Wxpay
--- config eval: $::Gate
--- run
for my $case ([ 400, 'SYSTEM_ERROR', 2 ], [ 400, 'SYSTEMERROR', 2 ],
              [ 400, 'FREQUENCY_LIMITED', 2 ], [ 400, 'NOT_ENOUGH', 2 ],
              [ 400, 'RATELIMIT_EXCEEDED', 2 ], [ 400, 'ORDER_CLOSED', 1 ],
              [ 400, 'BANK_ERROR', 2 ], [ 400, 'BIZERR_NEED_RETRY', 2 ],
              [ 400, 'FREQUENCY_LIMIT_EXCEED', 2 ], [ 202, 'USERPAYING', 2 ])
{
    my ($status, $code, $times) = @$case;
    my $key = fresh();
    my $body = qq({"code":"$code","message":"x"});
    $::Peer->plan(({ status => $status, body => $body }) x 2);
    my @res = map { send_callback(order($key, fresh())) } 1, 2;
    is("$res[$_]{status} $res[$_]{body}", "$status $body", "$code: $_")
        for 0, 1;
    is(scalar $::Peer->requests, $times, "$code: made $times");
}



=== TEST 8: merchants with one account have Idempotency-Keys of their own
--- stripe
livemode         off;
endpoint         http://127.0.0.1:$TEST_NGINX_PEER_PORT;
secret_key       file:$TEST_NGINX_KEYS/stripe_api.key;
proxy_read_timeout 20s;
--- config
    location /st/ {
        paygw_auth      shop other;
        paygw_deadline  20s;
        paygw_pass      stripe;
    }
--- run
my $key = fresh();
my %said;
$::Peer->plan(({ body => '{"id":"re_1"}' }) x 4);
for my $case ([ 'k1', $key, 'shop' ], [ 'o1', $key, 'other' ],
              [ 'k2', $key, 'shop' ], [ 'k1', "other:$key", 'shop' ])
{
    my ($id, $said, $merchant) = @$case;
    is(send_callback(call(method => 'POST', target => '/st/v1/refunds',
        body => 'charge=ch_1', key => $id, headers => [ 'Idempotency-Key',
            $said, 'Content-Type', 'application/x-www-form-urlencoded' ])
    )->{status}, 200, "$id: passed");
    push @{ $said{all} }, 'paygw-'
        . Digest::SHA::sha256_hex("$merchant:$said");
}
is(join("\n", map { $_->{head}{'idempotency-key'} } $::Peer->requests),
   join("\n", @{ $said{all} }), 'a digest of the merchant and its key');
