# Limits in Redis: commands, faults, and the zone that stands in.

use strict;
use warnings;

use lib 't/lib';

BEGIN { $ENV{PAYGW_TEST_STORE} = 'redis' }

use PaygwTest;
use PaygwCall;
use FakeRedis;

our $Config = <<'CONF';
    location = /a { paygw_limit $arg_k rate=1r/h burst=2; return 200; }
    location = /b { paygw_limit $arg_k rate=1r/h burst=2 store_error=refuse;
                    return 200; }
CONF

worker_connections(1024);

sub main::get {
    my $target = shift;
    return finish(begin("GET $target HTTP/1.0\r\n\r\n"));
}

sub main::statuses { return join ' ', map { get(@_)->{status} } 1 .. shift }

our $N = 0;
sub main::fresh { return 'v' . $$ . '-' . time . '-' . ++$N }

# A Redis that tells how many commands came with the first bytes, by the level
# that it says the limit has.

our $Fake = FakeRedis->start(sub {
    my ($conn) = @_;
    my $s = $conn->{sock};
    while (sysread $s, my $buf, 65536) {
        my $n = () = $buf =~ /^\*\d+\r$/mg;
        my $answer = '0 ' . $n * 1_000_000 . ' 1';
        $conn->write("+OK\r\n") if $buf =~ /^SET\r/m;
        $conn->write('$' . length($answer) . "\r\n$answer\r\n")
            if $buf =~ /^EVAL/m;
    }
});

# One whose second answer on a connection makes no sense, each in its own way.

our @Wrong = (':1', '+OK', '$-1', '$0' . "\r\n", map { '$' . length($_)
              . "\r\n$_" } '0', '0 1', '0 1 ', '0  1', '0 -1 1', '0 1 1 1',
              'x 1 1', '0 1 x', '0 99999999999999999999 1', ' 0 1 1');

our $Wrong = FakeRedis->start(sub {
    my ($conn, $n) = @_;
    $conn->read or return;
    $conn->write("\$5\r\n0 1 1\r\n");
    $conn->read or return;
    $conn->write($Wrong[($n - 1) % @Wrong] . "\r\n");
    $conn->read;
});

our $FakeStore = sub { "    paygw_zone small:1m;\n    paygw_store redis://"
                       . "127.0.0.1:" . $_[0]->port . ";\n" };

run_tests();

__DATA__

=== TEST 1: one command, and the key, its value and its life
--- config eval: $::Config
--- run
my $k = fresh();
my $before = redis_commands();
get("/a?k=$k");
# the script itself calls TIME, GET and SET
is(redis_commands() - $before, 4, 'one script');
my ($key) = @{ redis_cmd('KEYS', "*{$k}*") };
like($key, qr/^\Q${PaygwTest::Prefix}\Elimit:\{\Q$k\E\}:1r\/h,2,[0-9a-f]{8}$/);
like(redis_cmd('GET', $key), qr/^3600000000 \d{16}$/);
my $ttl = redis_cmd('PTTL', $key);
ok($ttl > 3_590_000 && $ttl <= 3_600_001, "ttl $ttl");
get("/a?k=$k") for 1 .. 4;
$ttl = redis_cmd('PTTL', $key);
ok($ttl > 3 * 3_590_000 && $ttl <= 3 * 3_600_001, "ttl $ttl");



=== TEST 2: nonce and limits leave in one write
--- no_store
--- http_config eval: $::FakeStore->($::Fake)
--- config
    location = /a { paygw_auth shop;
                    paygw_limit $paygw_merchant rate=1r/s burst=9;
                    return 200; }
    location = /b { paygw_limit $uri rate=1r/s burst=9; return 200; }
--- run
is(get('/b')->{header}{'ratelimit'}, '"1r/s";r=9;t=1', 'one command');
for (1 .. 5) {
    my $res = send_callback(call(target => '/a'));
    answer_ok($res, 200);
    is($res->{header}{'ratelimit'}, '"1r/s";r=8;t=2', 'two');
}



=== TEST 3: stopped: the zone counts; or 503; and it is used again
--- config eval: $::Config
--- run
my ($k, $l) = (fresh(), fresh());
is(statuses(1, "/a?k=$k"), '200');
redis_stop();
is(statuses(5, "/a?k=$k"), '200 200 200 429 429', 'the zone begins anew');
is(statuses(2, "/b?k=$l"), '503 503');
answer_ok(get("/b?k=$l"), 'UNAVAILABLE');
is(get("/b?k=$l")->{header}{'retry-after'}, 1);
redis_start();
ok(wait_for(sub { get("/b?k=" . fresh())->{status} == 200 }, 10), 'again');
is(statuses(4, "/a?k=$k"), '200 200 200 429', 'Redis has forgotten it');
is(statuses(4, "/b?k=$l"), '200 200 200 429');
--- error_log
the store does not answer, limits are counted in the zone of this machine
limits cannot be counted, the request is refused



=== TEST 4: frozen: not longer than its timeout
--- config eval: $::Config
--- run
my $k = fresh();
is(statuses(1, "/a?k=$k"), '200');
redis_freeze();
my $t = Time::HiRes::time();
is(statuses(1, "/a?k=$k"), '200');
$t = Time::HiRes::time() - $t;
ok($t > 0.4 && $t < 5 * $PaygwTest::Slow, "waited $t s");
is(statuses(1, "/b?k=$k"), '503');
$t = Time::HiRes::time();
is(statuses(4, "/a?k=$k"), '200 200 429 429');
$t = Time::HiRes::time() - $t;
redis_thaw();
ok($t < 20, "and not each of them, $t s");
ok(wait_for(sub { get("/b?k=" . fresh())->{status} == 200 }, 10), 'again');



=== TEST 5: all or none, also with the zone beside it
--- config
    location = /a {
        paygw_limit  $arg_z  rate=1r/h burst=4 scope=zone name=z;
        paygw_limit  $arg_r  rate=1r/h burst=1 store_error=refuse name=r;
        return 200;
    }
    location = /z { paygw_limit $arg_z rate=1r/h burst=4 scope=zone;
                    return 200; }
    location = /r { paygw_limit $arg_r rate=1r/h burst=1 store_error=refuse;
                    return 200; }
--- run
my ($z, $r) = (fresh(), fresh());
is(statuses(4, "/a?z=$z&r=$r"), '200 200 429 429');
my $res = get("/a?z=$z&r=$r");
like($res->{header}{'ratelimit'}, qr/^"r";r=0;/);
like(get("/z?z=$z")->{header}{'ratelimit'}, qr/;r=2;/, 'given back');
$r = fresh();
is(statuses(2, "/z?z=$z"), '200 200');
my $before = redis_commands();
is(statuses(3, "/a?z=$z&r=$r"), '429 429 429');
is(redis_commands() - $before, 0, 'who is refused here is not asked about');
is(statuses(3, "/r?r=$r"), '200 200 429', 'nor charged');
$z = fresh();
redis_stop();
is(statuses(8, "/a?z=$z&r=$r"), '503 503 503 503 503 503 503 503');
is(statuses(6, "/z?z=$z"), '200 200 200 200 200 429', 'given back');
redis_start();
ok(wait_for(sub { get("/r?r=" . fresh())->{status} == 200 }, 10), 'again');
--- error_log
redis



=== TEST 6: a Redis without the right to run scripts
--- config eval: $::Config
--- run
redis_cmd('ACL', 'SETUSER', 'default', '-eval', '-evalsha');
is(statuses(4, '/a?k=' . fresh()), '200 200 200 429');
is(statuses(1, '/b?k=' . fresh()), '503');
redis_cmd('ACL', 'SETUSER', 'default', '+@all');
ok(wait_for(sub { get("/b?k=" . fresh())->{status} == 200 }, 10), 'again');
--- error_log
NOPERM



=== TEST 7: scripts that were flushed, a value that is not ours
--- config eval: $::Config
--- run
my $k = fresh();
is(statuses(1, "/b?k=$k"), '200');
redis_cmd('SCRIPT', 'FLUSH');
is(statuses(3, "/b?k=$k"), '200 200 429');
my ($key) = @{ redis_cmd('KEYS', "*{$k}*") };
redis_cmd('SET', $key, 'something else');
is(statuses(2, "/b?k=$k"), '503 503');
is(redis_cmd('GET', $key), 'something else', 'and is left alone');
--- error_log
not a paygw record



=== TEST 8: a clock that was set back or forth
--- config
    location = /a { paygw_limit $arg_k rate=2r/s burst=1; return 200; }
--- run
my $k = fresh();
is(statuses(2, "/a?k=$k"), '200 200');
my ($key) = @{ redis_cmd('KEYS', "*{$k}*") };
my $ahead = int((time + 86400) * 1e6);
redis_cmd('SET', $key, "2000000 $ahead");
is(statuses(1, "/a?k=$k"), '429', 'still full');
redis_cmd('SET', $key, "1000000 $ahead");
is(statuses(1, "/a?k=$k"), '200', 'what there is room for passes');
unlike(redis_cmd('GET', $key), qr/ $ahead$/, 'the clock of now is taken');
ok(wait_for(sub { get("/a?k=$k")->{status} == 200 }, 10), 'it drains');
redis_cmd('SET', $key, '2000000 1000000');
is(statuses(2, "/a?k=$k"), '200 200', 'long ago');



=== TEST 9: clients that leave while the store is asked
--- config eval: $::Config
--- run
my $k = fresh();
is(statuses(1, "/b?k=$k"), '200');
redis_freeze();
my @c = map { begin("GET /a?k=$k-$_ HTTP/1.0\r\n\r\n") } 1 .. 20;
Time::HiRes::sleep(0.2);
abort_client($_) for @c;
Time::HiRes::sleep(0.1);
redis_thaw();
ok(wait_for(sub { get('/b?k=' . fresh())->{status} == 200 }, 10),
   'worker alive');
--- error_log
client prematurely closed connection



=== TEST 10: answers that make no sense
--- no_store
--- http_config eval: $::FakeStore->($::Wrong)
--- config eval: $::Config
--- run
for (@::Wrong) {
    ok(wait_for(sub { get('/b?k=x')->{status} == 200 }, 10), 'a right answer');
    is(get('/b?k=x')->{status}, 503, $_);
}
--- error_log
sent unexpected reply



=== TEST 11: many clients on two workers and one Redis
--- workers: 2
--- config
    location = /a { paygw_limit $arg_k rate=1r/h burst=99
                                store_error=refuse; return 200; }
--- run
my $k = fresh();
my @c = map { begin("GET /a?k=$k HTTP/1.0\r\n\r\n") } 1 .. 300;
my %n;
$n{finish($_)->{status}}++ for @c;
is(join(' ', map { "$_:$n{$_}" } sort keys %n), '200:100 429:200');



=== TEST 12: a replay is refused as one, whatever else is over
--- config
    location = /a { paygw_auth shop; paygw_limit "$arg_k" rate=1r/h burst=1;
                    return 200; }
--- run
my $k = fresh();
my $m = call(target => "/a?k=$k");
answer_ok(send_callback($m), 200);
answer_ok(send_callback($m), 'REPLAYED') for 1 .. 3;
answer_ok(send_callback(call(target => "/a?k=$k")), 'RATE_LIMITED',
          'a copy was charged');
