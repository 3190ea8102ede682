# paygw_limit: what passes, what is refused, and what is told of it.  Rates of
# one an hour keep the clock out of it; t/store-limit.t has the arithmetic.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;

worker_connections(1024);

our $Proxy = 'proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;';

# a plain request

sub main::get {
    my ($target, %h) = @_;
    my $method = delete $h{method} || 'GET';
    my $head = join '', map { "$_: $h{$_}\r\n" } sort keys %h;
    my $c = begin("$method $target HTTP/1.0\r\nHost: localhost\r\n"
                  . "$head\r\n");

    return finish($c) if $method ne 'HEAD';

    my $all = do { local $/; readline $c->{sock} };
    return PaygwTest::parse_head($all =~ /^(.*\r\n)\r\n$/s);
}

sub main::statuses { return join ' ', map { get(@_)->{status} } 1 .. shift }

# a value that no block before has counted, also where Redis stays

our $N = 0;
sub main::fresh { return 'v' . $$ . '-' . time . '-' . ++$N }

run_tests();

__DATA__

=== TEST 1: a burst, then 429 with all that a client needs; another key
--- config
    location = /a {
        paygw_limit $arg_k rate=2r/h burst=2;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $k = fresh();
for my $left (2, 1, 0) {
    my $res = get("/a?k=$k");
    is("$res->{status} $res->{body}", "200 shop says hello\n");
    is($res->{header}{'ratelimit-policy'}, '"2r/h";q=2;w=3600;paygw-burst=2');
    my ($r, $t) = ($res->{header}{'ratelimit'} // '')
                  =~ /^"2r\/h";r=(\d+);t=(\d+)$/;
    is($r, $left, 'left');
    my $full = (3 - $left) * 1800;
    ok($t > $full - 30 && $t <= $full, "after $t s it is as if unused");
    ok(!exists $res->{header}{'retry-after'});
}
for (1 .. 2) {
    my $res = get("/a?k=$k");
    answer_ok($res, 'RATE_LIMITED');
    ok($res->{header}{'retry-after'} > 1770
       && $res->{header}{'retry-after'} <= 1800, 'Retry-After');
    is($res->{header}{'ratelimit-policy'}, '"2r/h";q=2;w=3600;paygw-burst=2');
    like($res->{header}{'ratelimit'}, qr/^"2r\/h";r=0;t=5[34]\d\d$/);
}
is(shop_count(), 3);
is(get('/a?k=' . fresh())->{status}, 200, 'another key');



=== TEST 2: it is refilled, and Retry-After is enough
--- config
    location = /a { paygw_limit $arg_k rate=1r/s; return 200 "in"; }
--- run
my $k = fresh();
is(get("/a?k=$k")->{body}, 'in');
my $res;
ok(wait_for(sub { $res = get("/a?k=$k"); $res->{status} == 429 }, 20));
is($res->{header}{'retry-after'}, 1, 'at least 1');
Time::HiRes::sleep($res->{header}{'retry-after'});
is(get("/a?k=$k")->{body}, 'in');



=== TEST 3: an empty key is not counted, and a variable that is not there
--- config
    location = /a { paygw_limit $arg_k rate=1r/h; return 200 "in"; }
    location = /b { paygw_limit $paygw_merchant rate=1r/h; return 200 "in"; }
--- run
is(statuses(5, '/a'), '200 200 200 200 200');
is(statuses(5, '/b'), '200 200 200 200 200');
ok(!exists get('/a')->{header}{'ratelimit-policy'}, 'and nothing is told');



=== TEST 4: several limits: the strictest tells, all or none are charged
--- config
    location = /a {
        paygw_limit  $arg_a  rate=1r/h burst=1 name=tight;
        paygw_limit  $arg_b  rate=1r/h burst=4 name=wide;
        paygw_limit  $arg_c  rate=1r/m burst=9 scope=zone name=machine;
        return 200 "in";
    }
--- run
my ($a, $b, $c) = map { fresh() } 1 .. 3;
my $res = get("/a?a=$a&b=$b&c=$c");
is($res->{status}, 200);
my @all = sort split /, /, $res->{header}{'ratelimit-policy'};
is("@all", '"machine";q=1;w=60;paygw-burst=9 "tight";q=1;w=3600;paygw-burst=1'
           . ' "wide";q=1;w=3600;paygw-burst=4');
like($res->{header}{'ratelimit'}, qr/^"tight";r=1;t=3[56]\d\d$/);
is(statuses(3, "/a?a=$a&b=$b&c=$c"), '200 429 429');
like(get("/a?a=$a&b=$b&c=$c")->{header}{'ratelimit'}, qr/^"tight";r=0;/);
like(get("/a?b=$b")->{header}{'ratelimit'}, qr/^"wide";r=2;/,
     'what was refused was charged to none');
like(get("/a?c=$c")->{header}{'ratelimit'}, qr/^"machine";r=7;/,
     'also in the zone');



=== TEST 5: dry_run counts, tells nobody but the log, and lets through
--- http_config
    log_format limit '$paygw_limit_status';
--- config
    access_log logs/limit.log limit;
    location = /a { paygw_limit $arg_k rate=1r/h dry_run; return 200 "in"; }
    location = /b { paygw_limit $arg_k rate=1r/h; return 200 "in"; }
    location = /c { return 200 "in"; }
    location = /d {
        paygw_limit $arg_k rate=1r/h dry_run;
        paygw_limit $arg_l rate=1r/m name=real;
        return 200 "in";
    }
--- run
my ($k, $l) = (fresh(), fresh());
is(statuses(3, "/a?k=$k"), '200 200 200');
ok(!exists get("/a?k=$k")->{header}{'ratelimit'}, 'it binds nobody');
is(statuses(2, "/d?k=$k&l=$l"), '200 429', 'beside one that does');
$k = fresh();
is(statuses(2, "/b?k=$k"), '200 429');
get('/b');
get('/c');
my @want = qw(PASSED REJECTED_DRY_RUN REJECTED_DRY_RUN REJECTED_DRY_RUN
              REJECTED_DRY_RUN REJECTED PASSED REJECTED - -);
my $read = sub { return split /\n/, PaygwTest::file_from(
                     "$Test::Nginx::Util::LogDir/limit.log", 0) };
ok(wait_for(sub { my @l = $read->(); @l >= @want }));
my @l = $read->();
is(join(' ', @l[-@want .. -1]), "@want");
--- error_log
request over limit "1r/h", dry run
request over limit "1r/h"



=== TEST 6: a file, a proxy, a named location, an answer of nginx, HEAD
--- config
    paygw_limit $arg_k rate=1r/h burst=1;
    location = /file { }
    location = /proxy { proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
    location = /try { try_files /none @named; }
    location @named { proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
    location = /return { return 201 "in"; }
    location = /rewrite { rewrite ^ /return last; }
    location = /if { if ($arg_k) { return 202 "in"; } }
    location = /empty { empty_gif; }
--- user_files
>>> file
file
--- run
for (['/file', 200], ['/proxy', 200], ['/try', 200], ['/return', 201],
     ['/rewrite', 201], ['/if', 202], ['/empty', 200], ['/none', 404])
{
    my ($target, $status) = @$_;
    my $k = fresh();
    is(statuses(4, "$target?k=$k"), "$status $status 429 429", $target);
    $k = fresh();
    is(statuses(3, "$target?k=$k", method => 'HEAD'),
       "$status $status 429", "$target, HEAD");
}



=== TEST 7: an internal redirect is counted once
--- config
    location = /a { paygw_limit $arg_k rate=1r/h burst=1;
                    try_files /none /b; }
    location = /b { paygw_limit $arg_k rate=1r/h burst=1; return 200 "b"; }
    location = /c { paygw_limit $arg_k rate=1r/h burst=1;
                    proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
    location = /d { rewrite ^ /b?k=$arg_k? last; }
    location = /open { proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
--- run
is(statuses(3, '/a?k=' . fresh()), '200 200 429');
is(statuses(3, '/d?k=' . fresh()), '200 200 429');
my $k = fresh();
my @to = map { { headers => [ [ 'X-Accel-Redirect', "/b?k=$k" ] ] } } 1 .. 4;
shop_plan(@to);
is(statuses(3, "/c?k=$k"), '200 200 429', 'X-Accel-Redirect');
$k = fresh();
@to = map { { headers => [ [ 'X-Accel-Redirect', "/b?k=$k" ] ] } } 1 .. 4;
shop_plan(@to);
is(statuses(3, '/open'), '200 200 429', 'into a location with a limit');



=== TEST 8: error pages answer for it
--- config
    error_page 429 /busy;
    paygw_limit $arg_k rate=1r/h;
    location = /a { return 200 "a"; }
    location = /b { error_page 429 =503 @busy; return 200 "b"; }
    location = /c { error_page 429 = /none; return 200 "c"; }
    location @busy { proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
--- user_files
>>> busy
too busy
--- run
my $k = fresh();
get("/a?k=$k");
my $res = get("/a?k=$k");
is("$res->{status} $res->{body}", "429 too busy\n");
like($res->{header}{'ratelimit'}, qr/^"1r\/h";r=0;/);
$res = get("/b?k=$k");
is("$res->{status} $res->{body}", "503 shop says hello\n");
is(get("/c?k=$k")->{status}, 404);



=== TEST 9: subrequests are not counted
--- config
    location = /ssi { paygw_limit $arg_k rate=1r/h burst=1; ssi on;
                      ssi_types *; }
    location = /part { paygw_limit x rate=1r/h; return 200 "part"; }
    location = /auth { paygw_limit $arg_k rate=1r/h burst=1;
                       auth_request /part; }
--- user_files
>>> ssi
<!--# include virtual="/part" --><!--# include virtual="/part" -->
>>> auth
in
--- run
my $k = fresh();
for (1 .. 2) {
    my $res = get("/ssi?k=$k");
    is("$res->{status} $res->{body}", "200 partpart\n");
}
is(get("/ssi?k=$k")->{status}, 429);
is(statuses(3, '/auth?k=' . fresh()), '200 200 429');



=== TEST 10: levels: inherited, replaced, emptied
--- http_config
    paygw_limit $arg_k rate=1r/h burst=2;
--- config
    location = /a { return 200 "a"; }
    location = /b { paygw_limit $arg_k rate=1r/h burst=1; return 200 "b"; }
    location = /c { paygw_limit off; return 200 "c"; }
    location /d { paygw_limit off; location = /d/d { return 200 "d"; } }
    location /e { paygw_limit $arg_k rate=1r/h burst=1;
                  location = /e/e { return 200 "e"; } }
--- run
my $k = fresh();
is(statuses(4, "/a?k=$k"), '200 200 200 429');
is(statuses(3, "/b?k=$k"), '200 200 429', 'a limit of its own');
is(statuses(5, "/c?k=$k"), '200 200 200 200 200');
is(statuses(5, "/d/d?k=$k"), '200 200 200 200 200');
is(get("/e/e?k=$k")->{status}, 429, 'the same as that of /b');
is(statuses(3, '/e/e?k=' . fresh()), '200 200 429');



=== TEST 11: with paygw_auth: by merchant, and only genuine calls
--- config
    location = /a {
        paygw_auth shop other;
        paygw_limit "$paygw_merchant:$arg_k" rate=1r/h burst=1;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /sealed {
        paygw_auth shop sign_response;
        paygw_limit "$paygw_merchant:$arg_k" rate=1r/h burst=1;
        return 200 "in";
    }
--- run
my $k = fresh();
for (1 .. 5) {
    answer_ok(send_callback(call(target => "/a?k=$k", body => 'x',
                                 secret => 'x' x 34)), 'BAD_SIGNATURE');
}
for (1 .. 2) {
    answer_ok(send_callback(call(target => "/a?k=$k", body => 'x')), 200);
}
my $res = send_callback(call(target => "/a?k=$k", body => 'x'));
answer_ok($res, 'RATE_LIMITED');
like($res->{header}{'retry-after'}, qr/^3[56]\d\d$/);
answer_ok(send_callback(call(target => "/a?k=$k", key => 'k2')),
          'RATE_LIMITED', 'another key of the merchant');
answer_ok(send_callback(call(target => "/a?k=$k", key => 'o1')), 200,
          'another merchant');
is(shop_count(), 3);
$k = fresh();
for my $want (200, 200, 'RATE_LIMITED') {
    my $m = call(target => "/sealed?k=$k");
    my $res = send_callback($m);
    answer_ok($res, $want);
    sealed_ok($res, $m, $want);
}



=== TEST 12: "satisfy any" is no way around, and a limit is no admission
--- config
    location = /address { satisfy any; allow 127.0.0.1; deny all;
                          paygw_limit $arg_k rate=1r/h burst=1; }
    location = /both { satisfy any; allow 127.0.0.1; deny all;
                       paygw_auth shop;
                       paygw_limit $arg_k rate=1r/h burst=1; }
    location = /denied { satisfy any; deny all;
                         paygw_limit $arg_k rate=1r/h burst=1; }
    location = /all { deny all; paygw_limit $arg_k rate=1r/h burst=1; }
    location = /signed { satisfy any; deny all; paygw_auth shop;
                         paygw_limit $arg_k rate=1r/h burst=1; }
--- user_files
>>> address
in
>>> both
in
>>> denied
in
>>> all
in
>>> signed
in
--- run
is(statuses(3, '/address?k=' . fresh()), '200 200 429');
is(statuses(3, '/both?k=' . fresh()), '200 200 429');
is(statuses(3, '/denied?k=' . fresh()), '403 403 403');
is(statuses(3, '/all?k=' . fresh()), '403 403 403');
my $k = fresh();
is(join(' ', map { send_callback(call(target => "/signed?k=$k"))->{status} }
             1 .. 3), '200 200 429');
is(statuses(2, "/signed?k=$k"), '400 400');
--- error_log
access forbidden by rule



=== TEST 13: post_action is not counted
--- config
    location = /a { paygw_limit $arg_k rate=1r/h burst=1; post_action /after;
                    return 200 "in"; }
    location = /open { post_action /after; return 200 "open"; }
    location = /after { internal; paygw_limit x rate=1r/h;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
--- run
is(statuses(2, '/a?k=' . fresh()), '200 200');
is(statuses(2, '/a?k=' . fresh()), '200 200');
is(scalar(shop_requests(4)), 4);
is(statuses(3, '/open'), '200 200 200');
is(scalar(shop_requests(7)), 7);



=== TEST 14: keys of any length, which are told apart by all of their bytes
--- config
    location = /a { paygw_limit $http_x_key rate=1r/h; return 200 "in"; }
--- run
my $head = fresh();
for my $len (1, 127, 128, 129, 130, 320, 3000) {
    my $k = $head . 'x' x ($len > length $head ? $len - length $head : 1);
    for my $tail ('', 'a', 'b') {
        is(statuses(2, '/a', 'X-Key' => "$k$tail"), '200 429',
           length($k) . " and \"$tail\"");
    }
}
is(statuses(2, '/a', 'X-Key' => "$head\:{}:\x{fe}%s"), '200 429');



=== TEST 15: the same limit in two places is one, another one is not
--- config
    location = /a { paygw_limit $arg_k rate=2r/h burst=1; return 200 "a"; }
    location = /b { paygw_limit $arg_k rate=2r/h burst=1 name=b;
                    return 200 "b"; }
    location = /c { paygw_limit "$arg_k" rate=1r/h burst=1; return 200 "c"; }
    location = /d { paygw_limit "$arg_k$uri" rate=2r/h burst=1;
                    return 200 "d"; }
--- run
my $k = fresh();
is(statuses(1, "/a?k=$k"), '200');
is(statuses(2, "/b?k=$k"), '200 429');
is(statuses(1, "/a?k=$k"), '429');
is(statuses(3, "/c?k=$k"), '200 200 429');
is(statuses(3, "/d?k=$k"), '200 200 429');



=== TEST 16: HTTP/2
--- h2
--- config
    location = /a { paygw_limit $arg_k rate=1r/h burst=1;
                    proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
    location = /b { paygw_auth shop; paygw_limit $arg_k rate=1r/h burst=1;
                    proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
--- run
my $k = fresh();
for my $want (200, 200, 'RATE_LIMITED') {
    answer_ok(send_callback(call(target => "/a?k=$k"), http2 => 1), $want);
}
$k = fresh();
for my $want (200, 200, 'RATE_LIMITED') {
    my $res = send_callback(call(target => "/b?k=$k", body => 'x'),
                            http2 => 1);
    answer_ok($res, $want);
    like($res->{header}{'ratelimit'}, qr/^"1r\/h";r=[01];/);
}



=== TEST 17: several workers, many clients: not one too many
--- workers: 4
--- config
    location = /a { paygw_limit $arg_k rate=1r/h burst=99; return 200 "in"; }
    location = /b { paygw_limit $arg_k rate=1r/h burst=99 scope=zone;
                    return 200 "in"; }
--- run
for my $target ('/a', '/b') {
    my $k = fresh();
    my @c = map { begin("GET $target?k=$k HTTP/1.0\r\n\r\n") } 1 .. 300;
    my %n;
    $n{finish($_)->{status}}++ for @c;
    is(join(' ', map { "$_:$n{$_}" } sort keys %n), '200:100 429:200');
}



=== TEST 18: pipelined requests, keepalive, and a body that is not read
--- config
    location = /a { paygw_limit $arg_k rate=1r/h burst=1;
                    proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
--- run
my $k = fresh();
my $head = "POST /a?k=$k HTTP/1.1\r\nHost: localhost\r\n";
my $one = "${head}Content-Length: 5\r\n\r\nhello";
my $c = begin($one x 3 . "${head}Connection: close\r\nContent-Length: 0\r\n\r\n");
is(join(' ', map { PaygwTest::read_response($c, 0)->{status} } 1 .. 4),
   '200 200 429 429');
is(shop_count(), 2);



=== TEST 19: a callback has no limits but its own check
--- config
    paygw_limit x rate=1r/h;
    location /notify/wxpay {
        paygw_notify  wxpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
--- run
for (1 .. 3) {
    my $m = wechat();
    ack_ok(send_callback($m), $m, 204);
}
--- result
taken
taken
taken
