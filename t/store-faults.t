# Redis that is away, slow, wrong, frozen, forgetful, or somebody else; and
# what reload and quit leave behind.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Temp ();
use Time::HiRes qw(sleep time);

use FakeRedis;
use PaygwNginx;
use PaygwProcess ();
use PaygwRedis;

# one that nobody else uses: it is stopped and frozen
delete $ENV{TEST_NGINX_REDIS_PORT};

my $Slow = $PaygwNginx::Slow;
my $Timeout = 500 * $Slow;
my $Keys = 0;

my $redis = PaygwRedis->start;


sub key { return "f$$-" . ++$Keys }

sub claim {
    my ($nginx, $key, $args) = @_;
    return $nginx->get('/s?op=claim&key=' . ($key || key())
                       . ($args ? "&$args" : ''));
}

sub nginx_for {
    my ($port, %o) = @_;
    my $args = $o{args} || '';
    return PaygwNginx->start(
        http => "paygw_store redis://127.0.0.1:$port"
                . " timeout=${Timeout}ms $args;", %o);
}

sub no_alert {
    my ($nginx, $name) = @_;
    my @bad = grep { /\[(?:alert|crit|emerg)\]/ } split /\n/, $nginx->log;
    push @bad, grep { /runtime error|Sanitizer/ } split /\n/, $nginx->output;
    ok(!@bad, "$name: no alert") or diag("@bad");
}

sub done {
    my ($nginx, $name) = @_;
    ok($nginx->quit, "$name: quits");
    no_alert($nginx, $name);
}

# a fake whose first connection does that, and the others work
sub wrong {
    my ($name, $reply, $want, $log, %o) = @_;

    my $fake = FakeRedis->start(sub {
        my ($conn, $n) = @_;
        while ($conn->read) {
            if ($n == 1) {
                ref $reply ? $reply->($conn) : $conn->write($reply);
                return if $o{close};
                next if !$o{once};
                $reply = ":1\r\n";
            } else {
                $conn->write(":1\r\n") or return;
            }
        }
    });

    my $nginx = nginx_for($fake->port);
    my $begin = time;

    like(claim($nginx), $want, $name);
    cmp_ok(time - $begin, '<', $o{seconds} || 8 * $Slow, "$name: in time");

    like($nginx->log, $log, "$name: logged") if $log;

    # or else the next command could meet the end of the connection
    $nginx->wait_for(sub { $nginx->log =~ $o{until} }) if $o{until};

    # the next connection is a good one, as soon as it may be opened
    ok($nginx->wait_for(sub { claim($nginx) =~ /^ok 1 / }),
       "$name: works again");

    $o{after}->($nginx, $fake) if $o{after};

    done($nginx, $name);
    $fake->stop;
}


# -- wrong replies --

wrong('error reply', "-ERR unknown command 'EVALSHA'\r\n", qr/^error$/,
      qr/\[error\].*redis sent error: "ERR unknown command 'EVALSHA'"/,
      once => 1, after => sub {
          my ($nginx) = @_;
          unlike($nginx->log, qr/redis closed/,
                 'error reply: costs no connection');
      });

wrong('error reply with control characters', "-ERR a\tb\x{1b}[31m\r\n",
      qr/^error$/, qr/redis sent error: "ERR a\?b\?\[31m"/, once => 1);

wrong('huge error reply', '-ERR ' . ('x' x 40000) . "\r\n", qr/^error$/,
      qr/redis sent error: "ERR x{124}"/, once => 1);

wrong('endless reply', sub { $_[0]->write('-ERR ' . ('x' x 2000000)) },
      qr/^error$/, qr/redis sent too big reply/);

wrong('half a reply', ':', qr/^error$/, qr/redis timed out/);

wrong('half a reply, then closed', ':', qr/^error$/,
      qr/redis closed connection/, close => 1);

wrong('reply in pieces', sub {
          for my $c (split //, ":1\r\n") {
              $_[0]->write($c);
              $_[0]->pause(0.01);
          }
      }, qr/^ok 1 /, undef);

wrong('closed without a reply', '', qr/^error$/, qr/redis closed connection/,
      close => 1);

wrong('slow', sub { $_[0]->pause(2 * $Slow); $_[0]->write(":1\r\n") },
      qr/^error$/, qr/redis timed out .*while asking redis/);

wrong('not the protocol', "HTTP/1.1 400 Bad Request\r\n\r\n", qr/^error$/,
      qr/redis sent (?:invalid|unexpected) reply/);

wrong('bulk string', "\$1\r\n1\r\n", qr/^error$/,
      qr/redis sent unexpected reply/);

wrong('big bulk string', '$100000' . "\r\n" . ('x' x 100000) . "\r\n",
      qr/^error$/, qr/redis sent unexpected reply/);

wrong('nil', "\$-1\r\n", qr/^error$/, qr/redis sent unexpected reply/);

wrong('status', "+OK\r\n", qr/^error$/, qr/redis sent unexpected reply/);

wrong('array', "*1\r\n:1\r\n", qr/^error$/, qr/redis sent unexpected reply/);

wrong('array of any size', "*2147483647\r\n", qr/^error$/,
      qr/redis sent unexpected reply/);

wrong('number out of range', ":-2\r\n", qr/^error$/,
      qr/redis sent unexpected reply/);

wrong('number too big', ":99999999999999999999999\r\n", qr/^error$/,
      qr/redis sent (?:invalid|unexpected) reply/);

wrong('two replies', ":1\r\n:1\r\n", qr/^ok 1 /,
      qr/\[error\].*redis sent unsolicited reply/);

{
    my $fake = FakeRedis->start(sub {
        my ($conn, $n) = @_;
        while ($conn->read) {
            $conn->write(":1\r\n");
            $conn->pause(0.1);
            $conn->write("+hello\r\n") if $n == 1;
        }
    });
    my $nginx = nginx_for($fake->port);

    like(claim($nginx), qr/^ok 1/, 'unsolicited later');
    ok($nginx->wait_for(sub {
           $nginx->log =~ /\[error\].*redis sent unsolicited reply/ }),
       'unsolicited later: logged');
    like(claim($nginx), qr/^ok 1/, 'unsolicited later: works again');

    done($nginx, 'unsolicited later');
    $fake->stop;
}

wrong('closed while idle', sub { $_[0]->write(":1\r\n") }, qr/^ok 1 /, undef,
      close => 1, until => qr/redis closed idle connection/, after => sub {
          my $nginx = shift;
          like($nginx->log, qr/\[info\].*redis closed idle connection/,
               'closed while idle: logged');
          unlike($nginx->log, qr/\[error\]/, 'closed while idle: no error');
      });

# a reply that does not come must not be taken for the next one's

{
    my $fake = FakeRedis->start(sub {
        my ($conn, $n) = @_;
        for (my $i = 0; $conn->read; $i++) {
            $conn->pause(2 * $Timeout / 1000) if $n == 1 && $i == 0;
            $conn->write($n == 1 ? ":1\r\n" : ":-1\r\n") or return;
        }
    });

    my $nginx = nginx_for($fake->port);
    my $s = $nginx->begin('/s?op=claim&key=late');
    $nginx->wait_for(sub { $fake->seen });
    my $t = $nginx->begin('/s?op=claim&key=next');

    is($nginx->finish($s), 'error', 'late reply: its own claim');
    is($nginx->finish($t), 'error', 'late reply: the one behind it');

    ok($nginx->wait_for(sub { claim($nginx) eq 'busy' }),
       'late reply: is not seen on the next connection');

    my %seen;
    $seen{(split)[3]}++ for $fake->seen;
    ok(!grep({ $_ > 1 } values %seen), 'late reply: nothing is sent twice');
    is($nginx->count(qr/\[error\]/), 1, 'late reply: logged once');
    is($nginx->count(qr/\[notice\].*redis works again/), 1,
       'late reply: recovery is logged');

    done($nginx, 'late reply');
    $fake->stop;
}

# a claim whose connection is lost is not sent again by itself

{
    my $fake = FakeRedis->start(sub {
        my ($conn, $n) = @_;
        $conn->read;
        return if $n == 1;
        do { $conn->write(":1\r\n") } while $conn->read;
    });

    my $nginx = nginx_for($fake->port);

    is(claim($nginx, 'once'), 'error', 'lost claim: error');
    sleep 0.3;
    is(scalar(my @once = grep { /once/ } $fake->seen), 1,
       'lost claim: sent once');
    ok($nginx->wait_for(sub { claim($nginx) =~ /^ok/ }), 'lost claim: again');

    done($nginx, 'lost claim');
    $fake->stop;
}

{
    my $fake = FakeRedis->start(sub {
        my ($conn, $n) = @_;
        while (my @c = $conn->read) {
            return if $c[3] =~ /lost/ && @c < 7;
            $conn->write(":1\r\n");
        }
    });

    my $nginx = nginx_for($fake->port);

    like(claim($nginx, 'lost-1', 'then=commit'), qr/^ok 1/, 'lost commit');
    ok($nginx->wait_for(sub { $nginx->log =~
           /\[warn\].*commit of event "lost-1" was lost, its lease ends it/ }),
       'lost commit: told');

    like(claim($nginx, 'lost-2', 'then=release'), qr/^ok 1/, 'lost release');
    ok($nginx->wait_for(sub { $nginx->log =~
           /\[warn\].*release of event "lost-2" was lost, its lease ends it/ }),
       'lost release: told');

    done($nginx, 'lost commit');
    $fake->stop;
}


# -- scripts --

{
    my $fake = FakeRedis->start(sub {
        my ($conn) = @_;
        while (my @c = $conn->read) {
            $conn->write($c[0] eq 'EVALSHA' ? "-NOSCRIPT No matching\r\n"
                                            : ":1\r\n");
        }
    });
    my $nginx = nginx_for($fake->port);

    like(claim($nginx), qr/^ok 1/, 'scripts: the first one');
    is(join(' ', map { (split)[0] } $fake->seen), 'EVAL',
       'scripts: the first one in full');

    like(claim($nginx), qr/^ok 1/, 'NOSCRIPT');
    is(join(' ', map { (split)[0] } $fake->seen), 'EVAL EVALSHA EVAL',
       'NOSCRIPT: sent in full');
    unlike($nginx->log, qr/\[error\]/, 'NOSCRIPT: no error');

    done($nginx, 'NOSCRIPT');
    $fake->stop;
}

{
    my $fake = FakeRedis->start(sub {
        my ($conn) = @_;
        while ($conn->read) { $conn->write("-NOSCRIPT No matching\r\n") }
    });
    my $nginx = nginx_for($fake->port);

    is(claim($nginx), 'error', 'NOSCRIPT for ever: error');
    is(claim($nginx), 'error', 'NOSCRIPT for ever: error again');
    is(scalar(my @seen = $fake->seen), 3, 'NOSCRIPT for ever: not for ever');

    done($nginx, 'NOSCRIPT for ever');
    $fake->stop;
}

{
    my $nginx = nginx_for($redis->port);
    my $key = key();

    $redis->cmd('SCRIPT', 'FLUSH');
    like(claim($nginx, $key, 'save=a'), qr/^ok 1/, 'scripts flushed: claim');

    $redis->cmd('SCRIPT', 'FLUSH');
    $nginx->get("/s?op=release&key=$key&token=a");
    like(claim($nginx, $key, 'save=a'), qr/^(?:ok 2|busy)/,
         'scripts flushed: release');

    $redis->cmd('SCRIPT', 'FLUSH');
    is($nginx->get("/s?op=claim&key=$key&n=100&spread=1&then=commit"),
       'ok=100 committed=0 busy=0 error=0', 'scripts flushed: many');
    ok($nginx->wait_for(sub {
           $nginx->get("/s?op=claim&key=$key&n=100&spread=1")
               eq 'ok=0 committed=100 busy=0 error=0' }),
       'scripts flushed: commit');

    my $calls = sub { $redis->cmd('INFO', 'commandstats')
                          =~ /cmdstat_evalsha:calls=(\d+)/ ? $1 : 0 };
    my $before = $calls->();
    claim($nginx, undef, 'then=commit') for 1 .. 10;
    ok($nginx->wait_for(sub { $calls->() == $before + 20 }),
       'one command an operation') or diag($calls->() - $before);

    # what a record is, and how long it is kept
    my $record = key();
    claim($nginx, $record, 'lease=5000&keep=9000');
    like($redis->cmd('GET', "paygw:event:{$record}"),
         qr/^held [0-9a-f]{16} 1 \d{13}$/, 'record');
    cmp_ok(abs($redis->cmd('PTTL', "paygw:event:{$record}") - 9000), '<',
           2000 * $Slow, 'record: life');

    $redis->cmd('SET', "paygw:event:{$record-x}", 'something else');
    is(claim($nginx, "$record-x"), 'error', 'not a record: error');
    $redis->cmd('RPUSH', "paygw:event:{$record-y}", 'something else');
    is(claim($nginx, "$record-y"), 'error', 'not a string: error');
    is($redis->cmd('GET', "paygw:event:{$record-x}"), 'something else',
       'not a record: unchanged');
    like(claim($nginx), qr/^ok 1/, 'not a record: others are not hurt');

    done($nginx, 'scripts');
}


# -- away, back, frozen, restarted --

{
    my $own = PaygwRedis->start;
    my $nginx = nginx_for($own->port);
    my $key = key();

    like(claim($nginx, $key, 'then=commit'), qr/^ok 1/, 'up');
    is(claim($nginx, $key), 'committed', 'up: committed');

    $own->stop;

    my $begin = time;
    my %got;
    $got{claim($nginx)}++ for 1 .. 50;
    is(join(' ', %got), 'error 50', 'down: error');
    cmp_ok(time - $begin, '<', 10 * $Slow, 'down: at once');
    is($nginx->count(qr/\[error\]/), 1, 'down: logged once');

    $own->run;
    ok($nginx->wait_for(sub { claim($nginx) =~ /^ok/ }), 'up again');
    is($nginx->count(qr/\[notice\].*redis works again/), 1,
       'up again: logged once');

    # it has forgotten all
    like(claim($nginx, $key), qr/^ok 1/, 'restarted empty');
    like(claim($nginx, $key . 'c', 'lease=60000&save=c'), qr/^ok 1/,
         'restarted between claim and commit');

    $own->stop;
    $own->run;

    # the socket may be seen to be closed by this very command
    $nginx->wait_for(sub { claim($nginx) =~ /^ok/ });
    is($nginx->get("/s?op=commit&key=${key}c&token=c"), 'sent',
       'restarted between claim and commit: commit');
    ok($nginx->wait_for(sub { claim($nginx, $key . 'c') eq 'committed' }, 1),
       'restarted between claim and commit: committed')
        or diag($nginx->log);

    # frozen: connections are accepted, and nothing is answered
    $own->freeze;
    $begin = time;
    is(claim($nginx), 'error', 'frozen: error');
    my $spent = time - $begin;
    cmp_ok($spent, '>', $Timeout / 1000 - 0.1, 'frozen: after the timeout');
    cmp_ok($spent, '<', $Timeout / 1000 + 3 * $Slow, 'frozen: not much later');

    # the next ones do not wait for it one after the other; one may have to,
    # and a busy machine holds others up
    my $best = 1e9;
    for (1 .. 5) {
        $begin = time;
        is(claim($nginx), 'error', 'frozen: error of the next');
        $best = time - $begin if time - $begin < $best;
    }
    cmp_ok($best, '<', $Timeout / 1000 / 2, 'frozen: at once');

    $begin = time;
    my $errors = grep { claim($nginx) eq 'error' } 1 .. 100;
    is($errors, 100, 'frozen: error again');
    cmp_ok(time - $begin, '<', 100 * $Timeout / 1000 / 4,
           'frozen: not a timeout for each');

    $own->thaw;
    ok($nginx->wait_for(sub { claim($nginx) =~ /^ok/ }, 5), 'thawed');

    done($nginx, 'down and up');
}

# started before Redis is

{
    my $port = PaygwProcess::free_port();
    my $nginx = nginx_for($port);

    is(claim($nginx), 'error', 'not there yet');
    my $own = PaygwRedis->start(port => $port);
    ok($nginx->wait_for(sub { claim($nginx) =~ /^ok/ }), 'there now');

    # the time between two tries grows, and is bounded
    $own->stop;
    claim($nginx);
    my $tries = sub { $nginx->count(qr/connection failed \(111/) };
    my ($before, $end) = ($tries->(), time + 2.5);
    while (time < $end) { claim($nginx); sleep 0.01 }
    my $made = $tries->() - $before;
    ok($made >= 3 && $made <= 9, 'backoff') or diag("$made tries");

    done($nginx, 'backoff');
}

# a unix socket that is not there

{
    my $nginx = PaygwNginx->start(http =>
        "paygw_store redis+unix:///nonexistent/sock;");
    is(claim($nginx), 'error', 'no socket');
    is(claim($nginx), 'error', 'no socket: again');
    like($nginx->log, qr/connect\(\) to unix:\/nonexistent\/sock failed/,
         'no socket: logged');
    ok($nginx->quit, 'no socket: quits');
}


# -- users and databases --

{
    my $own = PaygwRedis->start(args => [
        qw(--user default off),
        qw(--user paygw on >geheim ~paygw:* +@all),
        qw(--user weak on >geheim ~paygw:* +@all -set),
        '--databases', '4' ]);
    my $port = $own->port;

    my $try = sub {
        my ($url, $args, $want, $log, $name) = @_;
        my $nginx = PaygwNginx->start(http =>
            "paygw_store $url timeout=${Timeout}ms $args;");
        like(claim($nginx), $want, $name);
        like($nginx->log, $log, "$name: logged") if $log;
        unlike($nginx->log, qr/geheim|falsch/, "$name: nothing secret");
        done($nginx, $name);
    };

    $try->("redis://127.0.0.1:$port", '', qr/^error$/,
           qr/redis sent error: "NOAUTH Authentication required/,
           'no password');
    $try->("redis://127.0.0.1:$port", 'user=paygw password=text:falsch',
           qr/^error$/, qr/redis refused user or password/,
           'wrong password');
    $try->("redis://127.0.0.1:$port", 'user=paygw password=text:geheim',
           qr/^ok 1/, undef, 'user and password');
    $try->("redis://paygw:gehei%6D\@127.0.0.1:$port/1", '', qr/^ok 1/, undef,
           'user and password in the URL');
    $try->("redis://127.0.0.1:$port", 'password=text:geheim', qr/^error$/,
           qr/redis refused user or password/, 'wrong user');
    $try->("redis://127.0.0.1:$port/9", 'user=paygw password=text:geheim',
           qr/^error$/, qr/redis refused database number/, 'no database');
    $try->("redis://127.0.0.1:$port", 'user=weak password=text:geheim',
           qr/^error$/, qr/redis sent error: "/, 'user who may not');
    $try->("redis://127.0.0.1:$port", 'user=paygw password=text:geheim '
           . 'prefix=other:', qr/^error$/, qr/redis sent error: "/,
           'keys that are not ours');
}

# AUTH, SELECT and the first command go out together

{
    my $fake = FakeRedis->start(sub {
        my ($conn) = @_;
        my @all = map { [ $conn->read ] } 1 .. 3;
        $conn->write("+OK\r\n+OK\r\n:1\r\n") if $all[2][0] eq 'EVAL';
        while ($conn->read) { $conn->write(":1\r\n") }
    });
    my $nginx = PaygwNginx->start(http =>
        'paygw_store redis://127.0.0.1:' . $fake->port
        . "/7 password=text:geheim timeout=${Timeout}ms;");

    like(claim($nginx), qr/^ok 1/, 'handshake: in one round trip');
    is(join(' ', map { (split)[0] } $fake->seen), 'AUTH SELECT EVAL',
       'handshake: order');
    claim($nginx);
    is(scalar(my @auth = grep { /AUTH/ } $fake->seen), 1, 'handshake: once');

    done($nginx, 'handshake');
    $fake->stop;
}

{
    # an error reply may quote the password
    my $fake = FakeRedis->start(sub {
        my ($conn) = @_;
        while (my @c = $conn->read) {
            $conn->write("-ERR unknown command '$c[0]', with args beginning "
                         . "with: '" . ($c[1] // '') . "'\r\n");
        }
    });
    my $nginx = PaygwNginx->start(http =>
        'paygw_store redis://127.0.0.1:' . $fake->port
        . " password=text:geheim timeout=${Timeout}ms;");

    is(claim($nginx), 'error', 'AUTH unknown');
    unlike($nginx->log, qr/geheim/, 'AUTH unknown: nothing secret');

    done($nginx, 'AUTH unknown');
    $fake->stop;
}


# -- cancel --

{
    my $nginx = PaygwNginx->start(http => 'paygw_store redis://127.0.0.1:'
        . $redis->port . ' timeout=5s;');
    my $key = key();
    my $gone = sub {
        my $n = shift;
        ok($nginx->wait_for(sub {
               $nginx->count(qr/client prematurely closed/) >= $n }),
           'client went away: seen');
    };

    # the client goes away while Redis is frozen
    claim($nginx);
    $redis->freeze;
    my $s = $nginx->begin("/s?op=claim&key=$key&lease=60000");
    ok($nginx->wait_for(sub { $redis->unread }), 'client goes away: sent');
    close $s;
    $gone->(1);
    $redis->thaw;

    ok($nginx->wait_for(sub { claim($nginx, $key) =~ /^ok 2/ }, 2),
       'client went away: released');
    like($redis->cmd('GET', "paygw:event:{$key}"), qr/^held \w+ 2 /,
         'client went away: and taken by the next one');

    done($nginx, 'cancel');

    # and Redis does not come back in time: the lease ends it
    $nginx = nginx_for($redis->port, args => 'connections=2');
    $key = key();
    claim($nginx);
    $redis->freeze;
    $s = $nginx->begin("/s?op=claim&key=$key&lease=1000");
    ok($nginx->wait_for(sub { $redis->unread }), 'client goes away: sent');
    close $s;
    $gone->(1);
    sleep 2 * $Timeout / 1000;
    $redis->thaw;
    ok($nginx->wait_for(sub { claim($nginx, $key) =~ /^ok [12]/ }, 5),
       'client went away, Redis too: the lease ends it');

    my @s = map { $nginx->begin("/s?op=claim&key=$key-$_&n=5") } 1 .. 50;
    close $_ for @s;
    like(claim($nginx), qr/^ok 1/, 'many went away: worker is alive');

    done($nginx, 'cancel');
}


# -- concurrency: of many workers and connections exactly one gets it --

for my $http ('paygw_zone race:1m;',
              'paygw_store redis://127.0.0.1:' . $redis->port
              . ' connections=4 timeout=' . 4 * $Timeout . 'ms;')
{
    my $name = $http =~ /redis/ ? 'race in redis' : 'race in the zone';
    my $nginx = PaygwNginx->start(http => $http, workers => 3);
    my $bad = 0;

    for (1 .. 20) {
        my $key = key();
        my @s = map { $nginx->begin("/s?op=claim&key=$key") } 1 .. 32;
        my @got = map { $nginx->finish($_) } @s;
        $bad++ if 1 != grep { /^ok 1 \w+$/ } @got;
        $bad++ if 31 != grep { $_ eq 'busy' } @got;
    }

    is($bad, 0, "$name: exactly one");

    my %tokens;
    for (1 .. 5) {
        my $key = key();
        my @s = map { $nginx->begin("/s?op=claim&key=$key-$_") } 1 .. 60;
        $tokens{$_}++ for map { $nginx->finish($_) =~ /^ok 1 (\w+)/ } @s;
    }
    is(scalar(keys %tokens), 300, "$name: no token twice");

    done($nginx, $name);
}


# -- reload and quit --

for my $http ('paygw_zone keep:1m;',
              'paygw_store redis://127.0.0.1:' . $redis->port
              . " timeout=${Timeout}ms;")
{
    my $name = $http =~ /redis/ ? 'reload with redis' : 'reload with a zone';
    my $nginx = PaygwNginx->start(http => $http, workers => 2);
    my ($held, $done, $free) = (key(), key(), key());

    my ($token) = claim($nginx, $held) =~ /^ok 1 (\w+)/;
    claim($nginx, $done, 'then=commit');
    claim($nginx, $free, 'then=release');

    ok($nginx->reload, "$name: reloaded");

    is(claim($nginx, $held), 'busy', "$name: held");
    is(claim($nginx, $done), 'committed', "$name: committed");
    like(claim($nginx, $free), qr/^ok 2/, "$name: released");
    $nginx->get("/s?op=commit&key=$held&token=$token");
    ok($nginx->wait_for(sub { claim($nginx, $held) eq 'committed' }),
       "$name: committed under the old token");

    for (1 .. 10) {
        claim($nginx) for 1 .. 4;
        $nginx->reload or fail("$name: reload $_");
    }

    if ($http =~ /redis/) {
        claim($nginx) for 1 .. 20;
        my $clients = grep { /addr=/ && !/cmd=client/ }
                      split /\n/, $redis->cmd('CLIENT', 'LIST');
        cmp_ok($clients, '<=', 2, "$name: no connection is left over");
    }

    done($nginx, $name);
}

# nginx would make a new and empty zone for another size or name: a reload that
# forgets is refused, and the old configuration goes on

for my $other ('keep:2m', 'other:1m') {
    my $nginx = PaygwNginx->start(http => 'paygw_zone keep:1m;');
    my $key = key();
    claim($nginx, $key, 'then=commit');
    $nginx->configure(http => "paygw_zone $other;");
    $nginx->signal('HUP');
    ok($nginx->wait_for(sub { $nginx->log =~ /cannot change in a reload/ }, 5),
       "$other: refused");
    is(claim($nginx, $key), 'committed', "$other: nothing is forgotten");
    $nginx->configure(http => 'paygw_zone keep:1m;');
    ok($nginx->reload, "$other: the old size again");
    is(claim($nginx, $key), 'committed', "$other: nothing is forgotten");
    ok($nginx->quit, "$other: quits");
}

# from the zone to Redis and back

{
    my $nginx = PaygwNginx->start(http => 'paygw_zone keep:1m;');
    my $key = key();
    claim($nginx, $key, 'then=commit');
    ok($nginx->reload(http => 'paygw_zone keep:1m; paygw_store redis://'
                      . '127.0.0.1:' . $redis->port . ';'), 'to Redis');
    like(claim($nginx, $key), qr/^ok 1/, 'to Redis: another memory');
    ok($nginx->reload(http => 'paygw_zone keep:1m;'), 'and back');
    is(claim($nginx, $key), 'committed', 'and back: the zone is still there');
    done($nginx, 'to Redis and back');
}

# a worker that quits lets what is under way come to its end

{
    my $fake = FakeRedis->start(sub {
        my ($conn) = @_;
        while (my @c = $conn->read) {
            $conn->pause($Timeout / 1000 / 2);
            $conn->write(":1\r\n");
        }
    });
    my $nginx = nginx_for($fake->port);

    my $s = $nginx->begin('/s?op=claim&key=quit&then=commit');
    $nginx->wait_for(sub { $fake->seen });
    ok($nginx->quit, 'quit with a claim under way');
    like($nginx->finish($s), qr/^ok 1/, 'quit: the claim was answered');
    is(scalar(my @seen = $fake->seen), 2, 'quit: the commit was sent');
    unlike($nginx->log, qr/was lost/, 'quit: the commit was answered');
    no_alert($nginx, 'quit');
    $fake->stop;
}

# and does not wait for ever

{
    my $nginx = nginx_for($redis->port);
    claim($nginx);
    $redis->freeze;
    my $s = $nginx->begin('/s?op=claim&key=quit-frozen');
    ok($nginx->wait_for(sub { $redis->unread }), 'quit while frozen: sent');
    my $begin = time;
    ok($nginx->quit, 'quit while frozen');
    cmp_ok(time - $begin, '<', $Timeout / 1000 + 2 * $Slow,
           'quit while frozen: bounded');
    is($nginx->finish($s), 'error', 'quit while frozen: error');
    $redis->thaw;
    no_alert($nginx, 'quit while frozen');
}

# "stop" does not wait

{
    my $nginx = nginx_for($redis->port);
    claim($nginx);
    $redis->freeze;
    my $s = $nginx->begin('/s?op=claim&key=stop-frozen');
    ok($nginx->wait_for(sub { $redis->unread }), 'stop while frozen: sent');
    ok($nginx->quit('TERM'), 'stop while frozen');
    $redis->thaw;
    no_alert($nginx, 'stop while frozen');
}

# a worker that is killed: its lease ends

{
    my $nginx = nginx_for($redis->port);
    my $key = key();
    like(claim($nginx, $key, 'lease=1000'), qr/^ok 1/, 'killed');
    kill 'KILL', $nginx->workers;
    ok($nginx->wait_for(sub { claim($nginx, $key) =~ /^ok 2/ }, 5),
       'killed: taken after the lease');
    ok($nginx->quit, 'killed: quits');
}


# -- TLS --

SKIP: {
    my $dir = File::Temp::tempdir('paygw-tls-XXXXXX', TMPDIR => 1,
                                  CLEANUP => 1);

    my $openssl = sub {
        system("cd $dir && openssl $_[0] > log 2>&1") == 0
            or die "openssl $_[0] failed, see $dir/log";
    };
    my $pair = sub {
        my ($name, $san) = @_;
        open my $fh, '>', "$dir/$name.ext" or die;
        print $fh "subjectAltName=$san\n";
        close $fh;
        $openssl->("req -newkey rsa:2048 -nodes -keyout $name.key "
                   . "-out $name.csr -subj /CN=$name");
        $openssl->("x509 -req -in $name.csr -CA ca.crt -CAkey ca.key "
                   . "-set_serial " . int(rand 1e9) . " -days 2 "
                   . "-extfile $name.ext -out $name.crt");
    };

    $openssl->("req -x509 -newkey rsa:2048 -nodes -keyout $_.key -out $_.crt "
               . "-days 2 -subj /CN=$_") for qw(ca other);
    $pair->('host', 'DNS:localhost,DNS:redis.local');
    $pair->('addr', 'IP:127.0.0.1,IP:::1');

    my $serve = sub {
        my $name = shift;
        my $port = PaygwProcess::free_port();
        my $own = eval { PaygwRedis->start(args => [
            '--tls-port', $port, '--tls-cert-file', "$dir/$name.crt",
            '--tls-key-file', "$dir/$name.key", '--tls-auth-clients', 'no',
            '--tls-ca-cert-file', "$dir/ca.crt" ]) };
        return ($own, $port);
    };

    my ($host, $port) = $serve->('host');
    my ($addr, $aport) = $serve->('addr');
    skip 'redis-server without TLS', 1 if !$host || !$addr;

    my $nginx;
    my $try = sub {
        my ($url, $args, $want, $log, $name) = @_;
        $nginx = PaygwNginx->start(http =>
            "paygw_store $url timeout=" . 4 * $Timeout . "ms $args;");
        like(claim($nginx), $want, "TLS: $name");
        like($nginx->log, $log, "TLS: $name: logged") if $log;
        if ($want eq qr/^ok 1/) {
            is($nginx->get('/s?op=claim&key=' . key()
                           . '&n=2000&spread=1&then=commit'),
               'ok=2000 committed=0 busy=0 error=0', "TLS: $name: many");
            unlike($nginx->log, qr/\[error\]|was lost/, "TLS: $name: no error");
        }
        done($nginx, "TLS: $name");
    };

    my $trust = "trusted_certificate=$dir/ca.crt";

    $try->("rediss://localhost:$port", $trust, qr/^ok 1/, undef, 'good');
    $try->("rediss://127.0.0.1:$aport", $trust, qr/^ok 1/, undef,
           'good address');
    $try->("rediss://127.0.0.1:$port/2", "$trust name=redis.local", qr/^ok 1/,
           undef, 'good name');
    $try->("rediss://localhost:$port", '', qr/^error$/,
           qr/redis certificate does not verify/, 'unknown to the system');
    $try->("rediss://localhost:$port", "trusted_certificate=$dir/other.crt",
           qr/^error$/, qr/redis certificate does not verify/, 'other CA');
    $try->("rediss://localhost:$port", "$trust name=redis.example",
           qr/^error$/, qr/redis certificate does not match the name/,
           'other name');
    $try->("rediss://127.0.0.1:$port", $trust, qr/^error$/,
           qr/redis certificate does not match the address/,
           'address that is not in it');
    $try->("rediss://localhost:$aport", $trust, qr/^error$/,
           qr/redis certificate does not match the name/,
           'name that is not in it');
    $try->('rediss://localhost:' . $host->port, $trust, qr/^error$/,
           qr/redis (?:refused SSL handshake|closed connection|timed out)/,
           'server without');
    $try->("redis://127.0.0.1:$port", '', qr/^error$/,
           qr/redis (?:closed connection|sent invalid reply)/,
           'client without');

    # nobody answers the handshake
    my $fake = FakeRedis->start(sub { sleep 5 * $Slow });
    my $begin = time;
    $try->('rediss://localhost:' . $fake->port, $trust, qr/^error$/,
           qr/redis timed out .*while SSL handshaking with redis/, 'silence');
    $fake->stop;

    # frozen, restarted, reloaded, quit
    $nginx = PaygwNginx->start(http => "paygw_store rediss://localhost:$port "
                               . "timeout=${Timeout}ms $trust;");
    like(claim($nginx), qr/^ok 1/, 'TLS: up');
    $host->freeze;
    is(claim($nginx), 'error', 'TLS: frozen');
    $host->thaw;
    ok($nginx->wait_for(sub { claim($nginx) =~ /^ok 1/ }, 5), 'TLS: thawed');
    $host->stop;
    is(claim($nginx), 'error', 'TLS: down');
    $host->run;
    ok($nginx->wait_for(sub { claim($nginx) =~ /^ok 1/ }, 5), 'TLS: up again');
    ok($nginx->reload, 'TLS: reload');
    ok($nginx->wait_for(sub { claim($nginx) =~ /^ok 1/ }, 5),
       'TLS: works after it');
    done($nginx, 'TLS');
}


# -- a server that has become a replica takes no writes; when it, or another
#    one in its place, does again, no worker may stick to it --

{
    my $own = PaygwRedis->start;
    my $nginx = PaygwNginx->start(http => 'paygw_store redis://127.0.0.1:'
                                  . $own->port . ';');
    like(claim($nginx), qr/^ok 1/, 'replica: master');
    $own->cmd('REPLICAOF', '127.0.0.1', '1');
    is(claim($nginx), 'error', 'replica: no write');
    ok($nginx->wait_for(sub { $nginx->log =~ /is not a usable master/ }, 10),
       'replica: the connection is given up');
    $own->cmd('REPLICAOF', 'NO', 'ONE');
    ok($nginx->wait_for(sub { claim($nginx) =~ /^ok 1/ }, 5),
       'replica: master again');
    done($nginx, 'replica');
}


# -- IPv6 --

SKIP: {
    my $own = eval { PaygwRedis->start(args => ['--bind', '127.0.0.1',
                                                '::1']) };
    skip 'no IPv6', 1 if !$own;
    my $nginx = PaygwNginx->start(http => 'paygw_store redis://[::1]:'
                                  . $own->port . '/1;');
    like(claim($nginx), qr/^ok 1/, 'IPv6');
    done($nginx, 'IPv6');
}

done_testing();
