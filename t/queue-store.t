# Appends to a stream at the store: what is said to Redis, waiting for
# replicas, and a Redis that is cut off, slow or wrong.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use IO::Socket::INET ();
use Time::HiRes qw(sleep time);

use FakeRedis;
use PaygwNginx;
use PaygwRedis;

delete $ENV{TEST_NGINX_REDIS_PORT};

my $Slow = $PaygwNginx::Slow;
my $Timeout = 1500 * $Slow;
my $Keys = 0;

my $redis = PaygwRedis->start;


sub key { return "a$$-" . ++$Keys }

sub append {
    my ($nginx, $key, $args) = @_;
    return $nginx->get(uri($key, $args));
}

sub uri {
    my ($key, $args) = @_;
    return '/s?op=append&key=' . ($key // key())
           . '&stream=s' . ($args ? "&$args" : '');
}

sub nginx_for {
    my ($port, %o) = @_;
    my $timeout = delete $o{timeout} // $Timeout;
    return PaygwNginx->start(
        http => "paygw_store redis://127.0.0.1:$port"
                . " timeout=${timeout}ms;", %o);
}

sub done {
    my ($nginx, $name) = @_;
    ok($nginx->quit, "$name: quits");
    my @bad = grep { /\[(?:alert|crit|emerg)\]/ } split /\n/, $nginx->log;
    push @bad, grep { /runtime error|Sanitizer/ } split /\n/, $nginx->output;
    ok(!@bad, "$name: no alert") or diag("@bad");
}

sub commands { return join ' ', map { (split)[0] } $_[0]->seen }

# a fake that answers the first command of a kind with that, then as it should

sub wrong {
    my ($name, $kind, $reply, $want, $log, %o) = @_;

    my $fake = FakeRedis->start(sub {
        my ($conn, $n) = @_;
        while (my @c = $conn->read) {
            my $is = $c[0] eq 'WAIT' ? 'WAIT' : 'EVAL';
            if ($n == 1 && $is eq $kind && defined $reply) {
                my $now = $reply;
                undef $reply if $o{once};
                ref $now ? $now->($conn) : $conn->write($now);
                return if $o{close};
            } else {
                $conn->write(":1\r\n") or return;
            }
        }
    });

    my $nginx = nginx_for($fake->port);
    my $args = $o{args} // 'replicas=1';

    like(append($nginx, undef, $args), $want, $name);
    like($nginx->log, $log, "$name: logged") if $log;

    ok($nginx->wait_for(sub { append($nginx, undef, $args) =~ /^ok 1 / }),
       "$name: works again");

    done($nginx, $name);
    $fake->stop;
}


# -- what is said --

{
    my $fake = FakeRedis->start(sub {
        my ($conn) = @_;
        while ($conn->read) { $conn->write(":1\r\n") }
    });
    my $nginx = nginx_for($fake->port);

    like(append($nginx, 'k1'), qr/^ok 1 /, 'plain');
    like(append($nginx, 'k2', 'maxlen=77&replicas=3&wait=40'), qr/^replicas$/,
         'with replicas, of which one has it');
    my @seen = $fake->seen;
    like($seen[0],
         qr/^EVAL\ SCRIPT\ 2\ paygw:event:\{k1\}\ s
            \ [0-9a-f]{16}\ 60000\ -\ 0\ 0\ event\ x$/x,
         'the first one in full, two keys');
    like($seen[1],
         qr/^EVALSHA [0-9a-f]{40} 2 paygw:event:\{k2\} s [0-9a-f]{16} 60000 /,
         'then by its name');
    like($seen[1], qr/ 60000 - 1 77 event x$/, 'replicas and length');
    is($seen[2], 'WAIT 3 40', 'WAIT');
    is(scalar @seen, 3, 'and nothing else');

    done($nginx, 'said');
    $fake->stop;
}


# -- what Redis makes of it --

{
    my $nginx = nginx_for($redis->port);
    my $key = key();

    $redis->cmd('DEL', 's');
    is(append($nginx, $key, 'n=32'), 'ok=1 committed=31 busy=0 error=0',
       'race');
    is($redis->cmd('XLEN', 's'), 1, 'race: one entry');
    like($redis->cmd('GET', "paygw:event:{$key}"), qr/^done [0-9a-f]{16} 1 0$/,
         'race: the record');
    is($nginx->get("/s?op=claim&key=$key"), 'committed', 'race: and a claim');

    $key = key();
    like($nginx->get("/s?op=claim&key=$key&save=a"), qr/^ok 1 /, 'held');
    is(append($nginx, $key), 'busy', 'held: busy');
    $nginx->get("/s?op=release&key=$key&token=a");
    ok($nginx->wait_for(sub { append($nginx, $key) =~ /^ok 2 / }),
       'released: the second delivery');
    is(append($nginx, $key), 'committed', 'released: once');
    $nginx->get("/s?op=release&key=$key&token=a");
    sleep 0.2;
    is(append($nginx, $key), 'committed', 'an old token releases nothing');

    $key = key();
    $nginx->get("/s?op=claim&key=$key&lease=100");
    ok($nginx->wait_for(sub { append($nginx, $key) =~ /^ok 2 / }),
       'a lease that is over');

    my $before = $redis->cmd('XLEN', 's');
    is(append($nginx, undef, 'n=200&spread=1&size=30000'),
       'ok=200 committed=0 busy=0 error=0', 'many, and large ones');
    is($redis->cmd('XLEN', 's') - $before, 200, 'many: all are there');

    $key = key();
    append($nginx, $key, 'keep=5000');
    cmp_ok(abs($redis->cmd('PTTL', "paygw:event:{$key}") - 5000), '<',
           1500 * $Slow,
           'the life of a record');
    append($nginx, $key, 'keep=90000');
    cmp_ok($redis->cmd('PTTL', "paygw:event:{$key}"), '<', 5001,
           'a duplicate writes nothing');
    append($nginx, $key, 'keep=90000&replicas=1');
    cmp_ok($redis->cmd('PTTL', "paygw:event:{$key}"), '>', 60000,
           'but for replicas, so that WAIT has something to wait for');

    # a script is not undone where it fails

    $redis->cmd('SET', 's2', 'x');
    $key = key();
    my $uri = "/s?op=append&key=$key&stream=s2";
    is($nginx->get($uri), 'error', 'wrong type');
    like($redis->cmd('GET', "paygw:event:{$key}"), qr/^free [0-9a-f]{16} 1 0$/,
         'wrong type: what was begun is taken back');
    $redis->cmd('DEL', 's2');
    like($nginx->get($uri), qr/^ok 2 /, 'wrong type: the next try');

    done($nginx, 'redis');
}


# -- cut off, between the command and its answer or before it --

sub through {
    my ($conn, $cut) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $redis->port) or die $!;
    while (my @c = $conn->read) {
        return if $cut eq 'before';
        print $s '*' . @c . "\r\n"
            . join '', map { '$' . length($_) . "\r\n$_\r\n" } @c;
        my $answer = readline $s;
        return if $cut eq 'after';
        if ($cut eq 'slow') {
            $conn->pause(2 * $Timeout / 1000);
        }
        $conn->write($answer) or return;
    }
}

for my $cut (qw(before after slow)) {
    my $fake = FakeRedis->start(sub {
        my ($conn, $n) = @_;
        through($conn, $n == 1 ? $cut : '');
    });
    my $nginx = nginx_for($fake->port);
    my $key = key();

    my $before = $redis->cmd('XLEN', 's');
    is(append($nginx, $key), 'error', "cut $cut: nobody is told that it is in");
    my $last;
    ok($nginx->wait_for(sub { ($last = append($nginx, $key)) !~ /error/ }),
       "cut $cut: the next try");
    like($last, $cut eq 'before' ? qr/^ok 1 / : qr/^committed$/,
         "cut $cut: knows what was done");
    is($redis->cmd('XLEN', 's') - $before, 1, "cut $cut: one entry");

    done($nginx, "cut $cut");
    $fake->stop;
}


# -- wrong replies --

wrong('error', 'EVAL', "-OOM command not allowed\r\n", qr/^error$/,
      qr/\[error\].*redis sent error: "OOM .*", raise "maxmemory"/, once => 1);
wrong('no rights of an older server', 'EVAL',
      "-The user executing the script can't run this command or subcommand\r\n",
      qr/^error$/, qr/\[error\].*its user needs .* \+xadd and \+wait/,
      once => 1);
wrong('no rights of a newer server', 'EVAL',
      "-ERR ACL failure in script: User x has no permissions to run 'xadd'\r\n",
      qr/^error$/, qr/\[error\].*its user needs .* \+xadd and \+wait/,
      once => 1);
wrong('no rights', 'EVAL', "-NOPERM this user has no permissions\r\n",
      qr/^error$/, qr/\[error\].*its user needs .* \+xadd and \+wait/,
      once => 1);
wrong('cluster', 'EVAL', "-CROSSSLOT Keys in request don't hash\r\n",
      qr/^error$/, qr/\[error\].*one \{hash tag\}/, once => 1);
wrong('no disk', 'EVAL', "-MISCONF Redis is configured to save\r\n",
      qr/^error$/, qr/\[error\].*cannot write to its disk/, once => 1);

# not executed, so that it is sent again where the pause of a server that is of
# no use, 50 ms, is over by then

wrong('error inside of a script', 'EVAL',
      "-ERR Error running script (call to f_0): \@user_script:21: "
      . "-READONLY You can't write against a read only replica.\r\n",
      $Slow < 4 ? qr/^error$/ : qr/^(?:error$|ok 1 )/,
      qr/\[error\].*name the primary/, once => 1);
wrong('text', 'EVAL', "\$3\r\n1-1\r\n", qr/^error$/,
      qr/redis sent unexpected reply/);
wrong('negative', 'EVAL', ":-2\r\n", qr/^error$/,
      qr/redis sent unexpected reply/);
wrong('nobody has it', 'WAIT', ":0\r\n", qr/^replicas$/,
      qr/\[error\].*event "\S+" was appended, but only 0 of 1 replicas have it/,
      once => 1);
wrong('more than asked for', 'WAIT', ":5\r\n", qr/^ok 1 /, undef, once => 1);
wrong('WAIT is an error', 'WAIT', "-NOPERM no permissions to run wait\r\n",
      qr/^replicas$/, qr/\[error\].*redis sent error: "NOPERM .*\+wait/,
      once => 1);
wrong('WAIT is text', 'WAIT', "+OK\r\n", qr/^error$/,
      qr/redis sent unexpected reply/);
wrong('WAIT is negative', 'WAIT', ":-1\r\n", qr/^error$/,
      qr/redis sent unexpected reply/);
wrong('WAIT is not answered', 'WAIT', sub { $_[0]->pause(2 * $Slow) },
      qr/^error$/, qr/redis timed out/);
wrong('cut while waiting', 'WAIT', '', qr/^error$/,
      qr/redis closed connection/, close => 1);
wrong('NOSCRIPT', 'EVAL', "-NOSCRIPT No matching script\r\n", qr/^error$/,
      undef, once => 1);


# -- one WAIT at a time, for all that came before it --

{
    my $fake = FakeRedis->start(sub {
        my ($conn) = @_;
        while (my @c = $conn->read) {
            $conn->pause(1) if $c[0] eq 'WAIT';
            $conn->write(":1\r\n") or return;
        }
    });
    my $nginx = nginx_for($fake->port, timeout => 10_000);

    is(append($nginx, undef, 'n=100&spread=1&replicas=1'),
       'ok=100 committed=0 busy=0 error=0', 'together');
    is(scalar(grep { /^WAIT/ } $fake->seen), 1, 'together: one WAIT');

    my $from = () = $fake->seen;
    my @c = $nginx->begin(uri(undef, 'replicas=1'));
    ok($nginx->wait_for(sub { ($fake->seen)[-1] =~ /^WAIT/
                              && $fake->seen > $from + 1 }),
       'behind: one is waiting');
    push @c, $nginx->begin(uri(undef, 'replicas=1')),
             $nginx->begin(uri(undef, 'replicas=2&wait=130')),
             $nginx->begin(uri(undef)),
             $nginx->begin('/s?op=claim&key=' . key());
    my $begin = time;
    my @got = map { $nginx->finish($_) =~ /^(\w+)/ } @c;
    is("@got", 'ok ok replicas ok ok', 'behind: each has its own answer');
    cmp_ok(time - $begin, '<', 10, 'behind: in time');

    my @seen = map { /^EVAL/ ? 'E' : $_ } ($fake->seen)[$from .. $from + 6];
    is("@seen", 'E WAIT 1 100 E E E E WAIT 2 130', 'behind: one more WAIT');

    done($nginx, 'together');
    $fake->stop;
}


# -- cancelled --

{
    my $nginx = nginx_for($redis->port);
    my $key = key();

    is(append($nginx, $key, 'cancel=1'), 'cancelled', 'cancelled');
    ok($nginx->wait_for(sub { append($nginx, $key) eq 'committed' }),
       'cancelled: what is in the stream stays');
    is(append($nginx, $key, 'cancel=1&replicas=1'), 'cancelled',
       'cancelled while waiting');
    is(append($nginx, undef, 'cancel=1&n=50&spread=1&replicas=1'),
       'cancelled', 'cancelled: many');
    like(append($nginx), qr/^ok 1/, 'cancelled: goes on');

    my $s = $nginx->begin(uri(undef, 'replicas=1&wait=400'));
    sleep 0.1;
    close $s;
    sleep 0.1;
    like(append($nginx), qr/^ok 1/, 'gone while waiting: goes on');
    unlike($nginx->log, qr/at its release/, 'cancelled: nothing is released');

    done($nginx, 'cancelled');
}

{
    my $fake = FakeRedis->start(sub {
        my ($conn) = @_;
        while (my @c = $conn->read) {
            $conn->pause(0.1);
            $conn->write($c[0] eq 'EVALSHA' ? "-NOSCRIPT No matching\r\n"
                                            : ":1\r\n");
        }
    });
    my $nginx = nginx_for($fake->port);

    like(append($nginx), qr/^ok 1/, 'NOSCRIPT: the first one');
    like(append($nginx), qr/^ok 1/, 'NOSCRIPT: sent in full');
    is(commands($fake), 'EVAL EVALSHA EVAL', 'NOSCRIPT: with all of it');
    is(append($nginx, undef, 'cancel=1'), 'cancelled', 'NOSCRIPT, cancelled');
    $nginx->wait_for(sub { $fake->seen >= 4 });
    sleep 0.4;
    is(commands($fake), 'EVAL EVALSHA EVAL EVALSHA',
       'NOSCRIPT, cancelled: not sent again');
    like(append($nginx, undef, 'replicas=1'), qr/^ok 1/, 'NOSCRIPT and WAIT');
    is(commands($fake), 'EVAL EVALSHA EVAL EVALSHA EVALSHA WAIT EVAL WAIT',
       'NOSCRIPT and WAIT: one for the second try');

    done($nginx, 'NOSCRIPT');
    $fake->stop;
}


# -- the end of a worker --

{
    my $nginx = nginx_for($redis->port);
    my $s = $nginx->begin(uri(undef, 'replicas=1&wait=300'));
    sleep 0.1;
    ok($nginx->reload, 'reload while waiting');
    is($nginx->finish($s), 'replicas', 'reload while waiting: the answer');
    $s = $nginx->begin(uri(undef, 'replicas=1&wait=300'));
    sleep 0.1;
    ok($nginx->quit('TERM'), 'TERM while waiting');
    done($nginx, 'the end');
}

{
    my $nginx = PaygwNginx->start(http => 'paygw_zone z:1m;');
    is(append($nginx), 'error', 'a zone has no streams');
    done($nginx, 'zone');
}

done_testing();
