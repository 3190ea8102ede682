# paygw_idempotency when something fails: the store, a worker, a deadline.
#
# With Redis, which is one of its own, there are two nginx, and faults of Redis.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Time::HiRes ();

use PaygwNginx;
use PaygwProcess ();
use PaygwTest ();
use PaygwCall qw(call);

my $Shop = PaygwTest::shop_port();
my $count = 0;

my $With = $ENV{PAYGW_TEST_STORE} || 'zone';

PaygwTest::redis_start() if $With eq 'redis';

my $Store = $With eq 'redis'
    ? 'paygw_store redis://127.0.0.1:' . PaygwTest::redis_port()
      . " prefix=idem$$: timeout=1s;\n"
    : "paygw_zone idem$$:1m;\n";

# two nginx may be at work at the same time, each has a port
sub http {
    my ($port, $args) = @_;
    return $Store . $PaygwCall::Merchants . "    server {\n"
        . "        listen 127.0.0.1:$port;\n"
        . "        location / { paygw_auth shop; paygw_idempotency on $args;\n"
        . "            proxy_pass http://127.0.0.1:$Shop; }\n    }\n";
}

sub key { return sprintf 'f-%d-%d-%d', time, $$, $count++ }

sub begin {
    my ($port, $key) = @_;
    local $Test::Nginx::Util::ServerPortForClient = $port;
    return PaygwTest::begin(call(body => 'x', headers =>
                                 [ 'Idempotency-Key', $key ]));
}

sub ask {
    my ($port, $key) = @_;
    return PaygwTest::finish(begin($port, $key));
}

# status, body or code, and whether it is a repetition
sub says {
    my $res = shift;
    my ($code) = ($res->{body} // '') =~ /"code":"(.*?)"/;
    return join ' ', $res->{status}, $code // $res->{body},
        $res->{header}{'idempotent-replayed'} // '-';
}

sub shop_got { return scalar PaygwTest::shop_requests(@_) }

sub end_ok {
    my ($nginx, $name) = @_;
    ok($nginx->quit, "$name: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, "$name: no alert");
}


# -- D14: a shop that is slower than the lock is long --
{
    my $port = PaygwProcess::free_port();
    my $nginx = PaygwNginx->start(http => http($port, 'lock=3s'),
                                  workers => 2);
    my $key = key();
    PaygwTest::shop_plan({ body => 'done', hold => 'a' }, 500);
    my $c = begin($port, $key);
    shop_got(1);
    for (1 .. 2) {
        Time::HiRes::sleep(2);
        is(says(ask($port, $key)), '409 RETRY-IN_PROGRESS -',
           "D14: " . 2 * $_ . ' s of a lock of 3');
    }
    PaygwTest::shop_release('a');
    is(says(PaygwTest::finish($c)), '200 done -', "D14: first");
    is(says(ask($port, $key)), '200 done true', "D14: again");
    is(shop_got(), 1, "D14: run once");
    end_ok($nginx, "D14");
}


# -- a worker that is killed: 409 until its lease ends --
{
    my $port = PaygwProcess::free_port();
    my $nginx = PaygwNginx->start(http => http($port, 'lock=5s'));
    my $key = key();
    PaygwTest::shop_plan({ body => 'lost', hold => 'b' },
                         { body => 'done' });
    my $c = begin($port, $key);
    shop_got(1);
    kill 'KILL', $nginx->workers;
    is(PaygwTest::finish($c)->{status}, 0, "killed: no answer");
    my $at = time;
    ok($nginx->wait_for(sub { eval { ask($port, key()) } }, 10),
       "killed: a new worker");
    PaygwTest::shop_plan({ body => 'done' });
    is(says(ask($port, $key)), '409 RETRY-IN_PROGRESS -',
       "killed: the lease stands");
    my $res;
    ok($nginx->wait_for(sub { $res = ask($port, $key);
                              $res->{status} != 409 }, 20),
       "killed: the lease ends");
    is(says($res), '200 done -', "killed: run again");
    my @req = PaygwTest::shop_requests();
    is(PaygwTest::shop_header($req[0], 'X-Paygw-Attempt'), 2,
       "killed: the shop is told");
    is(says(ask($port, $key)), '200 done true', "killed: kept");
    is(shop_got(), 1, "killed: once");
    PaygwTest::shop_release('b');
    ok($nginx->quit, "killed: quits");
}


# -- a reload while the shop works, and one of what is kept --
{
    my $port = PaygwProcess::free_port();
    my $http = http($port, '');
    my $nginx = PaygwNginx->start(http => $http, workers => 2);
    my $key = key();
    PaygwTest::shop_plan({ body => 'done', hold => 'c' }, 500);
    my $c = begin($port, $key);
    shop_got(1);
    $nginx->signal('HUP');
    ok($nginx->wait_for(sub { $nginx->log =~ /gracefully shutting down/ },
                        10), "reload: old workers end");
    is(says(ask($port, $key)), '409 RETRY-IN_PROGRESS -',
       "reload: a new worker knows");
    PaygwTest::shop_release('c');
    is(says(PaygwTest::finish($c)), '200 done -', "reload: answer");
    is(says(ask($port, $key)), '200 done true', "reload: kept");
    is(shop_got(), 1, "reload: once");
    end_ok($nginx, "reload");
}


# -- two nginx on one Redis --

if ($With eq 'redis') {
    my @port = map { PaygwProcess::free_port() } 1, 2;
    my @nginx = map { PaygwNginx->start(http => http($_, ''),
                                        workers => 2) } @port;
    for my $round (1 .. 3) {
        my $key = key();
        PaygwTest::shop_plan({ body => 'done', delay => 0.5 });
        my @c = map { begin($port[$_ % 2], $key) } 1 .. 16;
        my %n;
        $n{says(PaygwTest::finish($_))}++ for @c;
        is(join(', ', map { "$n{$_} x $_" } sort keys %n),
           '1 x 200 done -, 15 x 409 RETRY-IN_PROGRESS -', 'two: one runs it');
        is(says(ask($_, $key)), '200 done true', 'two: kept') for @port;
        is(shop_got(), 1, 'two: once');
    }

    # the lock of one that is killed stands for the other, too
    my $key = key();
    PaygwTest::shop_plan({ body => 'lost', hold => 'd' });
    my $c = begin($port[0], $key);
    shop_got(1);
    kill 'KILL', $nginx[0]->workers;
    PaygwTest::finish($c);
    is(says(ask($port[1], $key)), '409 RETRY-IN_PROGRESS -',
       'two: the lock of one that was killed');
    PaygwTest::shop_release('d');
    $_->quit for @nginx;
    unlike($nginx[1]->log, qr/\[(?:alert|crit|emerg)\]/, 'two: no alert');
}


# -- a Redis that is away, frozen, and empty after a restart --

if ($With eq 'redis') {
    my $port = PaygwProcess::free_port();
    my $nginx = PaygwNginx->start(http => http($port, 'lock=3s'));
    my $first = key();
    PaygwTest::shop_plan();
    is(says(ask($port, $first)), "200 shop says hello\n -", 'redis: works');

    # at the begin: nothing is run
    PaygwTest::redis_stop();
    is(says(ask($port, key())), '503 RETRY-UNAVAILABLE -', 'stopped: refused')
        for 1 .. 2;
    is(shop_got(), 1, 'stopped: nothing is run');
    PaygwTest::redis_start();
    my $key = key();
    my $res;
    ok($nginx->wait_for(sub { ($res = ask($port, $key))->{status} == 200 },
                        15), 'stopped: works again');
    is(says(ask($port, $key)), "200 shop says hello\n true", 'stopped: keeps');

    # frozen at the begin: refused after its timeout
    PaygwTest::redis_freeze();
    my $at = Time::HiRes::time();
    is(says(ask($port, key())), '503 RETRY-UNAVAILABLE -', 'frozen: refused');
    cmp_ok(Time::HiRes::time() - $at, '<', 5, 'frozen: not for ever');
    PaygwTest::redis_thaw();
    ok($nginx->wait_for(sub { ask($port, key())->{status} == 200 }, 15),
       'frozen: works again');

    # away at the end: the answer goes out, and the lease ends the call
    $key = key();
    PaygwTest::shop_plan({ body => 'one', hold => 'e' }, { body => 'two' });
    my $c = begin($port, $key);
    shop_got(1);
    PaygwTest::redis_freeze();
    $at = Time::HiRes::time();
    PaygwTest::shop_release('e');
    is(says(PaygwTest::finish($c)), '200 one -', 'at the end: the answer');
    cmp_ok(Time::HiRes::time() - $at, '>', 0.9,
           'at the end: not a byte before the store was waited for');
    PaygwTest::redis_stop();
    like($nginx->log, qr/store\ has\ not\ kept\ the\ answer\ of\ call
                         \ "shop:\w{64}",\ repeated\ after\ its\ lease
                         \ it\ will\ be\ run\ again/x,
         'at the end: the log says so');
    PaygwTest::redis_start();

    # empty: the lock is written again before its lease would have ended
    $key = key();
    PaygwTest::shop_plan();
    ok($nginx->wait_for(sub { ask($port, key())->{status} == 200 }, 15),
       'empty: works');
    PaygwTest::shop_plan({ body => 'done', hold => 'f' }, 500);
    $c = begin($port, $key);
    shop_got(1);
    PaygwTest::redis_stop();
    PaygwTest::redis_start();
    Time::HiRes::sleep(3);
    ok($nginx->wait_for(sub { ($res = ask($port, $key))->{status} == 409 },
                        5), 'empty: the lock is there again');
    PaygwTest::shop_release('f');
    is(says(PaygwTest::finish($c)), '200 done -', 'empty: the answer');
    is(says(ask($port, $key)), '200 done true', 'empty: is kept');
    is(shop_got(), 1, 'empty: run once');

    end_ok($nginx, 'redis');
}


# -- clients that leave at any moment --

{
    my $port = PaygwProcess::free_port();
    my $nginx = PaygwNginx->start(http => http($port, ''));
    PaygwTest::shop_plan();

    my @keys = map { key() } 1 .. 40;
    for my $i (0 .. $#keys) {
        my $c = begin($port, $keys[$i]);
        Time::HiRes::sleep(0.0005 * $i);
        PaygwTest::abort_client($c);
    }
    my $bad = 0;
    for my $key (@keys) {
        my $res;
        $nginx->wait_for(sub { ($res = ask($port, $key))->{status} == 200 },
                         10) or $bad++;
    }
    is($bad, 0, "left: all come to their end");
    my %n;
    $n{PaygwTest::shop_header($_, 'Idempotency-Key')}++
        for PaygwTest::shop_requests();
    is(scalar(grep { $n{$_} != 1 } @keys), 0, "left: each is run once");
    end_ok($nginx, "left");
}

done_testing();
