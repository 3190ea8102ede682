# Orders that are paid, in Redis: its keys and what stands under them, streams,
# a cluster, and replies that are wrong.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Time::HiRes qw(sleep time);

use FakeRedis;
use PaygwNginx;
use PaygwRedis;

delete $ENV{TEST_NGINX_REDIS_PORT};

my $Slow = $PaygwNginx::Slow;
my $Timeout = 1500 * $Slow;
my $Keys = 0;

my $redis = PaygwRedis->start;


sub key { return "o$$-" . ++$Keys }

sub ask {
    my ($nginx, $op, $key, $args) = @_;
    return $nginx->get("/s?op=$op&key=$key&stream=s" . ($args // ''));
}

sub nginx_for {
    my ($port, $args) = @_;
    return PaygwNginx->start(
        http => "paygw_store redis://127.0.0.1:$port timeout=${Timeout}ms "
                . ($args // '') . ';');
}

sub done {
    my ($nginx, $name) = @_;
    ok($nginx->quit, "$name: quits");
    my @bad = grep { /\[(?:alert|crit|emerg)\]/ } split /\n/, $nginx->log;
    push @bad, grep { /runtime error|Sanitizer/ } split /\n/, $nginx->output;
    ok(!@bad, "$name: no alert") or diag("@bad");
}


# -- what is said --

{
    my $fake = FakeRedis->start(sub {
        my ($conn) = @_;
        while ($conn->read) { $conn->write(":1\r\n") }
    });
    my $nginx = nginx_for($fake->port, 'prefix=p:');
    my $t = qr/[0-9a-f]{16}/;

    ask($nginx, 'claim', 'c:e1', '&order=c:o1&says=paid&save=a');
    ask($nginx, 'claim', 'c:e2', '&order=c:o1&says=open');
    ask($nginx, 'claim', 'c:e3', '&order=c:o1');
    ask($nginx, 'claim', 'c:e4', '&says=paid');
    ask($nginx, 'commit', 'c:e1', '&order=c:o1&says=paid&token=a');
    ask($nginx, 'release', 'c:e1', '&order=c:o1&says=paid&token=a');
    ask($nginx, 'append', 'c:e5', '&order=c:o1&says=paid');
    ask($nginx, 'append', 'c:e6', '&order=c:o1');
    ok($nginx->wait_for(sub { $fake->seen == 8 }), 'said: all');

    my @seen = map { s/^EVALSHA \w+|^EVAL SCRIPT/EVAL/r } $fake->seen;
    my $event = 'p:event:{c}:';
    my $order = 'p:order:{c}:o1 p:refunds:{c}:o1';
    like($seen[0], qr/^EVAL 3 \Q${event}e1 $order\E $t 60000 paid 30000$/,
         'said: a success, three keys of one slot');
    like($seen[1], qr/^EVAL 3 \Q${event}e2 $order\E $t 60000 open 30000$/,
         'said: something less');
    like($seen[2], qr/^EVAL 1 \Q${event}e3\E $t 60000 - 30000$/,
         'said: nothing about its order');
    like($seen[3], qr/^EVAL 1 \Q${event}e4\E $t 60000 - 30000$/,
         'said: no order');
    like($seen[4], qr/^EVAL 1 \Q${event}e1\E $t 60000$/, 'said: commit');
    like($seen[5], qr/^EVAL 1 \Q${event}e1\E $t 60000$/, 'said: release');
    like($seen[6], qr/^EVAL\ 4\ \Q${event}e5 s $order\E
                      \ $t\ 60000\ paid\ 0\ 0\ event\ x$/x, 'said: append');
    like($seen[7], qr/^EVAL 2 \Q${event}e6 s\E $t 60000 - 0 0 event x$/,
         'said: append, nothing about its order');

    done($nginx, 'said');
    $fake->stop;
}


# -- what Redis makes of it --

{
    my $nginx = nginx_for($redis->port);
    my $key = key();
    my $mark = "paygw:order:{$key}";
    my $paid = "&order=$key&says=paid";
    my $open = "&order=$key&says=open";

    like(ask($nginx, 'claim', "$key-a", $open), qr/^ok 1 /, 'redis: open');
    is($redis->cmd('EXISTS', $mark), 0, 'redis: what is open only looks');

    like(ask($nginx, 'claim', "$key-b", "$paid&keep=60000"), qr/^ok 1 /,
         'redis: paid');
    like($redis->cmd('GET', $mark), qr/^paid \d{13}$/, 'redis: the mark');
    cmp_ok(abs($redis->cmd('PTTL', $mark) - 60000), '<', 5000 * $Slow,
           'redis: its life');
    like($redis->cmd('GET', "paygw:event:{$key-b}"), qr/^held /,
         'redis: the record');

    my $n = $redis->cmd('DBSIZE');
    is(ask($nginx, 'claim', "$key-c", $open), 'late', 'redis: late');
    is($redis->cmd('DBSIZE'), $n, 'redis: nothing is kept of what is late');

    like(ask($nginx, 'claim', "$key-d", "$paid&keep=90000"), qr/^ok 1 /,
         'redis: paid again');
    cmp_ok($redis->cmd('PTTL', $mark), '>', 80000, 'redis: longer');
    like(ask($nginx, 'claim', "$key-e", "$paid&keep=1000&lease=10"),
         qr/^ok 1 /, 'redis: and again');
    cmp_ok($redis->cmd('PTTL', $mark), '>', 70000, 'redis: never shorter');

    # cancelled: the record is released, the mark was true

    $key = key();
    is(ask($nginx, 'claim', "$key-a", "&order=$key&says=paid&cancel=1"),
       'cancelled', 'cancelled');
    ok($nginx->wait_for(sub {
           ($redis->cmd('GET', "paygw:event:{$key-a}") // '')
               =~ /^free / }), 'cancelled: released');
    is(ask($nginx, 'claim', "$key-b", "&order=$key&says=open"), 'late',
       'cancelled: the order is paid');

    # what stands there is not ours

    $key = key();
    $redis->cmd('SET', "paygw:order:{$key}", 'something else');
    for my $says ('open', 'paid') {
        is(ask($nginx, $_, "$key-$says", "&order=$key&says=$says"), 'error',
           "not a mark: $_, $says") for 'claim', 'append';
        is($redis->cmd('EXISTS', "paygw:event:{$key-$says}"), 0,
           "not a mark: not taken, $says");
    }
    like(ask($nginx, 'claim', "$key-x", "&order=$key"), qr/^ok 1 /,
         'not a mark: who does not ask is not hurt');
    is($redis->cmd('GET', "paygw:order:{$key}"), 'something else',
       'not a mark: unchanged');
    like($nginx->log, qr/redis sent error: "ERR not a paygw record/,
         'not a mark: logged');

    done($nginx, 'redis');
}


# -- streams: late is not appended, and nothing is marked by halves --

{
    my $nginx = nginx_for($redis->port);
    my $key = key();
    my $paid = "&order=$key&says=paid";
    my $open = "&order=$key&says=open";

    $redis->cmd('DEL', 's');
    like(ask($nginx, 'append', "$key-a", $open), qr/^ok 1 /, 'stream: open');
    like(ask($nginx, 'append', "$key-b", $paid), qr/^ok 1 /, 'stream: paid');
    is(ask($nginx, 'append', "$key-c", $open), 'late', 'stream: late');
    is(ask($nginx, 'append', "$key-c", "$open&replicas=1&wait=50"), 'late',
       'stream: what is not written is not waited for');
    is(ask($nginx, 'claim', "$key-c", $open), 'late', 'stream: and a claim');
    is(ask($nginx, 'append', "$key-a", $open), 'committed',
       'stream: what was taken before is a duplicate');
    like(ask($nginx, 'append', "$key-d", $paid), qr/^ok 1 /,
         'stream: paid again');
    is($redis->cmd('XLEN', 's'), 3, 'stream: three entries');

    # as in a race, when the entry cannot be written

    $key = key();
    $redis->cmd('SET', 's2', 'x');
    is($nginx->get("/s?op=append&key=$key-a&stream=s2&order=$key&says=paid"),
       'error', 'stream: wrong type');
    is(ask($nginx, 'append', "$key-b", "&order=$key&says=open"), 'late',
       'stream: it was true');

    is(ask($nginx, 'append', key() . '-a', "&order=$key&says=open"
                                           . '&n=50&spread=1'),
       'ok=0 committed=0 busy=0 error=0 late=50', 'stream: many');

    done($nginx, 'stream');
}


# -- a cluster of one server: it refuses scripts whose keys differ in slot --

{
    my $cluster = PaygwRedis->cluster;
    my $nginx = nginx_for($cluster->port);

    for my $order ('o1', 'o{2}', '}o3', 'o}{4') {
        my $key = 'c:' . key();
        like(ask($nginx, 'claim', $key, "&order=c:$order&says=paid&save=a"),
             qr/^ok 1 /, "cluster: claim, order $order");
        is(ask($nginx, 'claim', "$key-", "&order=c:$order&says=open"), 'late',
           "cluster: late, order $order");
        ask($nginx, 'commit', $key, "&order=c:$order&token=a");
        ok($nginx->wait_for(sub {
               ask($nginx, 'claim', $key, "&order=c:$order&says=paid")
                   eq 'committed' }), "cluster: commit, order $order");
    }

    is(ask($nginx, 'claim', 'c:' . key(), '&order=d:o1&says=paid'), 'error',
       'cluster: another channel has another slot');
    like($nginx->get('/s?op=append&key=c:' . key() . '&stream={c}:s'
                     . '&order=c:o5&says=paid'), qr/^ok 1 /,
         'cluster: a stream by the name of the channel');

    is(ask($nginx, 'append', 'c:' . key(), '&order=c:o9&says=paid'), 'error',
       'cluster: a stream of another slot');
    ok($nginx->wait_for(sub { $nginx->log =~ /one \{hash tag\}/ }),
       'cluster: says what to do') or diag($nginx->log);
    done($nginx, 'cluster');

    # the first braces of a key count, and those are the prefix's

    $nginx = nginx_for($cluster->port, '"prefix={q}:"');
    my $key = 'c:' . key();
    like($nginx->get("/s?op=append&key=$key&stream={q}:s&order=c:o&says=paid"),
         qr/^ok 1 /, 'cluster: a stream by the tag of the prefix');
    is($nginx->get("/s?op=append&key=$key-2&stream={q}:s&order=c:o&says=open"),
       'late', 'cluster: late');
    done($nginx, 'cluster, with a tag');
    $cluster->stop;
}


# -- a reply that nobody has asked for --

for my $args ('', '&order=o', '&says=open') {
    my $fake = FakeRedis->start(sub {
        my ($conn, $n) = @_;
        while ($conn->read) { $conn->write($n == 1 ? ":-2\r\n" : ":1\r\n") }
    });
    my $nginx = nginx_for($fake->port);
    is(ask($nginx, 'claim', key(), $args), 'error',
       'reply: late, and no order was named');
    like($nginx->log, qr/redis sent unexpected reply/, 'reply: logged');
    done($nginx, 'reply');
    $fake->stop;
}

for my $reply (':-3', ':-9223372036854775808', '$4' . "\r\nlate") {
    my $fake = FakeRedis->start(sub {
        my ($conn, $n) = @_;
        while ($conn->read) { $conn->write("$reply\r\n") }
    });
    my $nginx = nginx_for($fake->port);
    is(ask($nginx, 'claim', key(), '&order=o&says=open'), 'error',
       'reply: ' . $reply =~ s/\s/ /gr);
    done($nginx, 'reply');
    $fake->stop;
}

done_testing();
