# What paygw_metrics counts of calls: signatures, limits, Idempotency-Keys.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;
use PaygwMetrics;

worker_connections(1024);

our $Shown = "    location = /metrics { paygw_metrics; }\n"
    . "    location = /status { paygw_status; }\n";

sub main::get {
    my $c = begin("GET $_[0] HTTP/1.1\r\nHost: localhost\r\n"
                  . "Connection: close\r\n\r\n");
    return finish($c);
}

sub main::shown { return get('/metrics')->{body} }

sub main::calls {
    my ($merchant, $result, $reason) = @_;
    return "paygw_calls_total{merchant=$merchant,reason=" . ($reason // '')
           . ",result=$result}";
}

my $count = 0;
sub main::fresh { return sprintf 'm-%d-%d-%d', $$, time, ++$count }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: calls of several merchants, and of nobody
--- config eval
$::Shown . <<'CONF'
    location /api/ {
        paygw_auth shop other;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
CONF
--- run
my $m = call();
is(send_callback($m)->{status}, 200, 'passed');
is(send_callback($m)->{status}, 401, 'replayed');
shop_plan({ status => 502 }, { status => 404 });
send_callback(call()) for 1 .. 2;
is(send_callback(call(key => 'o1'))->{status}, 200, 'of another');
is(send_callback(call(key => 'nobody'))->{status}, 401, 'of nobody');
is(send_callback(call(sign_body => 'x'))->{status}, 401, 'another body');
is(send_callback(call(time => time - 4000))->{status}, 401, 'too old');
get('/api/x');
my $have = counts_ok(\&shown, {
    calls('shop', 'authenticated') => 3,
    calls('shop', 'refused', 'replayed') => 1,
    calls('shop', 'refused', 'signature') => 1,
    calls('other', 'authenticated') => 1,
    calls('', 'refused', 'unknown_key') => 1,
    calls('', 'refused', 'missing_header') => 1,
    'paygw_call_responses_total{code=2xx,merchant=shop}' => 1,
    'paygw_call_responses_total{code=4xx,merchant=shop}' => 2,
    'paygw_call_responses_total{code=5xx,merchant=shop}' => 1,
    'paygw_call_responses_total{code=2xx,merchant=other}' => 1,
    'paygw_call_responses_total{*' => 0,
    'paygw_call_duration_seconds_count{merchant=shop}' => 3,
    'paygw_call_duration_seconds_count{merchant=other}' => 1,
    'paygw_call_duration_seconds_count{*' => 0,
    'paygw_merchant_keys{merchant=shop}' => 2,
    'paygw_merchant_keys{merchant=public}' => 3,
    'paygw_store_operations_total{operation=once}' => 5,
    'paygw_store_operations_total{*' => 0,
    'paygw_store_duration_seconds_count{operation=once}' =>
        store_is('redis') ? 5 : 0,
}, 'counted');
is($have->{calls('shop', 'refused', 'clock')}
   + $have->{calls('', 'refused', 'clock')}, 1, 'the clock');
my $all = 0;
$all += $have->{$_} for grep { /^paygw_calls_total/ } keys %$have;
is($all, 9, 'each once');
ok(!exists $have->{'paygw_merchant_keys{merchant=}'}, 'nobody has no keys');
metrics_ok(shown(), get('/status')->{body}, 'both');



=== TEST 2: a key id is no label
--- config eval
$::Shown . "    location /api/ { paygw_auth shop; return 200; }\n"
--- run
my $before = metrics_of(shown())->{samples};
send_callback(call(key => "nobody$_", target => "/api/$_")) for 1 .. 5;
my $after = counts_ok(\&shown, { calls('', 'refused', 'unknown_key') => 5 },
                      'counted');
is(join("\n", sort keys %$after), join("\n", sort keys %$before),
   'no sample is new');



=== TEST 3: limits, by their names
--- config eval
$::Shown . <<'CONF'
    location = /a {
        paygw_limit $arg_k rate=1r/h burst=1 name=two;
        return 200;
    }
    location = /b {
        paygw_limit $arg_k rate=2r/h dry_run;
        paygw_limit $arg_l rate=1r/h scope=zone name=two;
        return 200;
    }
CONF
--- run
my ($k, $l) = (fresh(), fresh());
is(join(' ', map { get("/a?k=$k")->{status} } 1 .. 4), '200 200 429 429');
is(join(' ', map { get("/b?k=$k&l=" . fresh())->{status} } 1 .. 2),
   '200 200');
is(join(' ', map { get("/b?l=$l")->{status} } 1 .. 2), '200 429');
get('/a');
counts_ok(\&shown, {
    'paygw_limit_requests_total{limit=two,status=passed}' => 5,
    'paygw_limit_requests_total{limit=two,status=rejected}' => 3,
    'paygw_limit_requests_total{limit=2r/h,status=passed}' => 1,
    'paygw_limit_requests_total{limit=2r/h,status=dry_run}' => 1,
    'paygw_limit_requests_total{*' => 0,
    'paygw_limit_fallbacks_total' => 0,
    'paygw_store_operations_total{operation=limit}' =>
        store_is('redis') ? 6 : 0,
}, 'counted');
metrics_ok(shown(), get('/status')->{body}, 'both');



=== TEST 4: a call over its limit
--- config eval
$::Shown . <<'CONF'
    location /api/ {
        paygw_auth shop;
        paygw_limit $paygw_merchant$arg_k rate=1r/h name=merchant;
        return 200;
    }
CONF
--- run
my $target = '/api/x?k=' . fresh();
is(send_callback(call(target => $target))->{status}, 200);
is(send_callback(call(target => $target))->{status}, 429);
counts_ok(\&shown, {
    calls('shop', 'authenticated') => 1,
    calls('shop', 'refused', 'limit') => 1,
    'paygw_calls_total{*' => 0,
    'paygw_call_responses_total{code=2xx,merchant=shop}' => 1,
    'paygw_call_responses_total{code=4xx,merchant=shop}' => 1,
    'paygw_call_duration_seconds_count{merchant=shop}' => 1,
    'paygw_limit_requests_total{limit=merchant,status=passed}' => 1,
    'paygw_limit_requests_total{limit=merchant,status=rejected}' => 1,
}, 'counted');



=== TEST 5: too many calls that nobody has signed
--- config eval
$::Shown . <<'CONF'
    location /api/ {
        paygw_auth shop;
        paygw_auth_failures rate=1r/m burst=1;
        return 200;
    }
CONF
--- run
is(join(' ', map { send_callback(call(secret => 'y' x 32))->{status} }
        1 .. 4), '401 401 429 429');
counts_ok(\&shown, {
    calls('shop', 'refused', 'signature') => 2,
    calls('', 'refused', 'failures') => 2,
    'paygw_calls_total{*' => 0,
}, 'counted');



=== TEST 6: Idempotency-Keys
--- config eval
$::Shown . <<'CONF'
    location /api/ {
        paygw_auth shop;
        paygw_idempotency on max=64;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
CONF
--- run
my $under = sub {
    my ($key, %o) = @_;
    return send_callback(call(body => '{}', %o,
                              headers => [ 'Idempotency-Key', $key ]));
};
my ($a, $b, $c) = (fresh(), fresh(), fresh());
is($under->($a)->{status}, 200, 'first');
is($under->($a)->{status}, 200, 'replayed') for 1 .. 2;
is($under->($a, body => '{"x":1}')->{status}, 422, 'mismatch');
shop_plan({ status => 503 });
is($under->($b)->{status}, 503, 'first, abandoned');
ok(wait_for(sub { $under->($b)->{status} == 200 }), 'again');
shop_plan({ body => 'x' x 100 });
is($under->($c)->{status}, 200, 'first, too large to be kept');
ok(wait_for(sub { $under->($c)->{status} == 409 }), 'not kept');
is(send_callback(call(body => '{}'))->{status}, 200, 'without a key');
shop_plan({ hold => 'h' });
my $d = fresh();
my $wait = begin(call(body => '{}', headers => [ 'Idempotency-Key', $d ]));
is(scalar(shop_requests(1)), 1, 'the shop has it');
is($under->($d)->{status}, 409, 'in progress');
shop_release('h');
is(finish($wait)->{status}, 200, 'first');
my $of = sub { "paygw_idempotent_calls_total{merchant=shop,outcome=$_[0]}" };
counts_ok(\&shown, {
    $of->('first') => 4, $of->('again') => 1, $of->('replayed') => 2,
    $of->('mismatch') => 1, $of->('in_progress') => 1,
    $of->('not_kept') => qr/^[1-9]/,
    calls('shop', 'refused', 'in_progress') => 1,
    calls('shop', 'refused', 'idempotency_mismatch') => 1,
    'paygw_idempotent_calls_total{merchant=,*' => 0,
    'paygw_store_operations_total{operation=abandon}' => 1,
}, 'counted');
metrics_ok(shown(), get('/status')->{body}, 'both');
