# What a cluster says, right or wrong: redirects, refusals, maps of the slots.
# The nodes are fakes.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

BEGIN {
    plan(skip_all => 'the store is Redis')
        if ($ENV{PAYGW_TEST_STORE} // '') eq 'zone';
}

use Socket ();
use Time::HiRes qw(sleep time);

use FakeRedis;
use PaygwNginx;
use PaygwRedis;

my $Slow = $PaygwNginx::Slow;
my $Timeout = 500 * $Slow;
my $Keys = 0;

# a key in slot 12182, and that slot
sub key { return 'foo:f' . ++$Keys }
my $Slot = 12182;


sub nginx_for {
    my ($url, %o) = @_;
    my $args = $o{args} || '';
    return PaygwNginx->start(http => "paygw_store $url cluster "
                                     . "timeout=${Timeout}ms $args;", %o);
}

sub claim {
    my ($nginx, $key, $args) = @_;
    return $nginx->get('/s?op=claim&key=' . ($key || key())
                       . ($args ? "&$args" : ''));
}

sub done {
    my ($nginx, $name) = @_;
    ok($nginx->quit, "$name: quits");
    my @bad = grep { /\[(?:alert|crit|emerg)\]/ } split /\n/, $nginx->log;
    push @bad, grep { /runtime error|Sanitizer/ } split /\n/, $nginx->output;
    ok(!@bad, "$name: no alert") or diag("@bad");
}

sub bulk { return '$' . length($_[0]) . "\r\n$_[0]\r\n" }

# ranges are [first, last, host, port]
sub slots {
    return '*' . @_ . "\r\n" . join '', map {
        my ($first, $last, $host, $port) = @$_;
        "*3\r\n:$first\r\n:$last\r\n*3\r\n"
        . (defined $host ? bulk($host) : "\$-1\r\n") . ":$port\r\n" . bulk('id')
    } @_;
}

# a node; the code gets the connection and the command, and returns a reply;
# without one it has the slots of the map, and takes everything
sub node {
    my ($code, $map) = @_;
    return FakeRedis->start(sub {
        my $conn = shift;
        my $port = $conn->{sock}->sockport;
        while (my @c = $conn->read) {
            my $reply = $code ? $code->($conn, @c) : undef;
            $reply //= $c[0] eq 'CLUSTER'
                       ? slots($map ? $map->($port)
                                    : [ 0, 16383, '127.0.0.1', $port ])
                       : $c[0] =~ /^(?:ASKING|AUTH)$/ ? "+OK\r\n" : ":1\r\n";
            $conn->write($reply) or return;
        }
    });
}

sub names { return join ' ', map { (split)[0] } $_[0]->seen }
sub tries { return scalar grep { /^EVAL/ } $_[0]->seen }

# all slots are the first node's, which answers a command by code; the second
# one takes everything, unless there is code for it as well
sub pair {
    my ($name, $code, $want, $check, %o) = @_;

    my $second = node($o{second}, sub { [ 0, 16383, '127.0.0.1', $_[0] ] });
    my $to = $second->port;
    my $first = node(sub {
        my ($conn, @c) = @_;
        return $c[0] =~ /^EVAL/ ? $code->($to, $conn, @c) : undef;
    });
    my $nginx = nginx_for('redis://127.0.0.1:' . $first->port,
                          args => $o{args});

    my $begin = time;
    like(claim($nginx), $want, $name);
    cmp_ok(time - $begin, '<', $o{seconds} || $Timeout / 1000 + 2 * $Slow,
           "$name: in time");
    $check->($nginx, $first, $second) if $check;
    done($nginx, $name);
    $_->stop for $first, $second;
}


# -- redirects --

pair('MOVED', sub { "-MOVED $Slot 127.0.0.1:$_[0]\r\n" }, qr/^ok 1 /, sub {
    my ($nginx, $first, $second) = @_;
    is(names($second), 'EVAL', 'MOVED: in full, nothing before');
    like(claim($nginx), qr/^ok 1 /, 'MOVED: again');
    is(tries($first), 1, 'MOVED: the slot is known now');
    unlike($nginx->log, qr/\[(?:error|warn)\]/, 'MOVED: no error');
});

pair('MOVED to the same host', sub { "-MOVED $Slot :$_[0]\r\n" }, qr/^ok 1 /);

pair('ASK', sub { "-ASK $Slot 127.0.0.1:$_[0]\r\n" }, qr/^ok 1 /, sub {
    my ($nginx, $first, $second) = @_;
    is(names($second), 'ASKING EVAL', 'ASK: with ASKING');
    like(claim($nginx), qr/^ok 1 /, 'ASK: again');
    is(tries($first), 2, 'ASK: is not remembered');
    is(names($second), 'ASKING EVAL ASKING EVALSHA', 'ASK: ASKING each time');
});

# both in one segment

pair('ASK in one write', sub { "-ASK $Slot 127.0.0.1:$_[0]\r\n" }, qr/^ok 1 /,
     undef, second => sub {
         my ($conn, @c) = @_;
         return if $c[0] ne 'ASKING';
         my $rin = '';
         vec($rin, fileno $conn->{sock}, 1) = 1;
         # what came with it is in the buffer of the handle, nothing is behind
         return select(my $r = $rin, undef, undef, 0.2) ? "-ERR late\r\n"
                                                        : "+OK\r\n";
     });

pair('ASK, then NOSCRIPT', sub { "-ASK $Slot 127.0.0.1:$_[0]\r\n" },
     qr/^ok 1 /, sub {
         my ($nginx, $first, $second) = @_;
         like(claim($nginx), qr/^ok 1 /, 'ASK, then NOSCRIPT: EVALSHA');
         is(names($second), 'ASKING EVAL ASKING EVALSHA ASKING EVAL',
            'ASK, then NOSCRIPT: ASKING again');
     }, second => sub {
         return $_[1] eq 'EVALSHA' ? "-NOSCRIPT No matching\r\n" : undef;
     });

# two nodes that send a command to each other, and one that does so to itself

pair('endless', sub { "-MOVED $Slot 127.0.0.1:$_[0]\r\n" }, qr/^error$/, sub {
    my ($nginx, $first, $second) = @_;
    is(tries($first) + tries($second), 6, 'endless: five redirects');
    like($nginx->log, qr/redis redirected a command 5 times, which is given up/,
         'endless: logged');
}, second => sub {
    my ($conn, @c) = @_;
    my $from = $conn->{sock}->sockport;
    return $c[0] =~ /^EVAL/ ? "-MOVED $Slot 127.0.0.1:$from\r\n" : undef;
});

# what makes no sense is the end of the command

for my $line ('MOVED', 'MOVED 1', "MOVED 1 127.0.0.1:PORT",
              "MOVED $Slot 127.0.0.1:0", "MOVED $Slot 127.0.0.1:99999",
              "MOVED $Slot 127.0.0.1:PORT more", "ASK 16384 127.0.0.1:PORT",
              "ASK $Slot a b:PORT", "MOVED $Slot ?:PORT", 'WRONGTYPE x') {
    pair($line, sub {
             my $port = shift;
             my $reply = $line =~ s/PORT/$port/r;
             return "-$reply\r\n";
         }, qr/^error$/, sub {
             my ($nginx, $first, $second) = @_;
             is(names($second), '', "$line: goes nowhere");
             like($nginx->log, qr/redis sent error: "/, "$line: logged");
         });
}

# a name, or no address at all; a name of the configuration is fine

pair('name', sub { "-MOVED $Slot redis.example:$_[0]\r\n" }, qr/^error$/, sub {
    like($_[0]->log, qr/named node "redis.example:\d+", which is not used/,
         'name: logged');
    is(names($_[2]), '', 'name: goes nowhere');
});

pair('address of nobody', sub { "-ASK $Slot 0.0.0.0:$_[0]\r\n" }, qr/^error$/,
     sub {
         like($_[0]->log, qr/redis named node "0.0.0.0:\d+", which is not used/,
              'address of nobody: logged');
     });

SKIP: {
    # the fakes listen on 127.0.0.1 alone
    my (undef, $address) = Socket::getaddrinfo('localhost', 1);
    skip 'localhost is ::1 first', 4
        if !$address || $address->{family} != Socket::AF_INET();

    my $second = node();
    my $to = $second->port;
    my $first = node(sub {
        $_[1] =~ /^EVAL/ ? "-MOVED $Slot LocalHost:$to\r\n" : undef;
    });
    my $nginx = nginx_for('redis://127.0.0.1:' . $first->port . ',localhost:1');
    like(claim($nginx), qr/^ok 1 /, 'known name');
    is(names($second), 'EVAL', 'known name: goes there');
    done($nginx, 'known name');
    $_->stop for $first, $second;
}

# a password goes to every node, before everything else

pair('password', sub { "-ASK $Slot 127.0.0.1:$_[0]\r\n" }, qr/^ok 1 /, sub {
    my ($nginx, $first, $second) = @_;
    is(names($first), 'AUTH CLUSTER EVAL', 'password: first node');
    is(names($second), 'AUTH ASKING EVAL', 'password: second node');
    unlike($nginx->log, qr/geheim/, 'password: not in the log');
}, args => 'user=u password=text:geheim');

# the time of a command does not begin again with a redirect, and its end costs
# others nothing

my $Slower = 2000 * $Slow;

pair('slow redirect', sub {
    my ($to, $conn) = @_;
    $conn->pause(0.6 * $Slower / 1000);
    return "-MOVED $Slot 127.0.0.1:$to\r\n";
}, qr/^error$/, sub {
    my ($nginx, $first, $second) = @_;
    ok($nginx->wait_for(sub { claim($nginx) =~ /^ok 1/ }),
       'slow redirect: others');
    unlike($nginx->log, qr/redis timed out/,
           'slow redirect: costs no connection');
}, second => sub {
    my ($conn, @c) = @_;
    $conn->pause(0.6 * $Slower / 1000) if $c[0] eq 'EVAL';
    return;
}, args => "timeout=${Slower}ms", seconds => $Slower / 1000 + 2 * $Slow);


# -- refusals --

for my $word ('TRYAGAIN Multiple keys request during rehashing of slot') {
    my $n = 0;
    pair('TRYAGAIN', sub { $n++ < 3 ? "-$word\r\n" : ":1\r\n" }, qr/^ok 1 /,
         sub {
             is(tries($_[1]), 4, 'TRYAGAIN: again');
             unlike($_[0]->log, qr/\[error\]/, 'TRYAGAIN: no error');
         });

    pair('TRYAGAIN for ever', sub { "-$word\r\n" }, qr/^error$/, sub {
        my $n = tries($_[1]);
        cmp_ok($n, '>', 2, 'TRYAGAIN for ever: again and again');
        cmp_ok($n, '<', 40 * $Slow, 'TRYAGAIN for ever: with pauses');
        sleep 0.3;
        is(tries($_[1]), $n, 'TRYAGAIN for ever: not for ever');
    });
}

pair('CLUSTERDOWN', sub { "-CLUSTERDOWN The cluster is down\r\n" }, qr/^error$/,
     sub {
         my ($nginx, $first) = @_;
         is(tries($first), 1, 'CLUSTERDOWN: at once');
         like($nginx->log, qr/redis sent error: "CLUSTERDOWN/,
              'CLUSTERDOWN: logged');
         claim($nginx) for 1 .. 20;
         cmp_ok(scalar(my @m = grep { /^CLUSTER/ } $first->seen), '<', 12,
                'CLUSTERDOWN: the map is not asked for each time');
         unlike($nginx->log, qr/redis (?:closed|is not)/,
                'CLUSTERDOWN: costs no connection');
     });


# -- maps --

sub one {
    my ($name, $map, $want, $log, %o) = @_;
    my $fake = node(sub {
        my ($conn, @c) = @_;
        return $c[0] eq 'CLUSTER'
               ? ref $map ? $map->($conn, $conn->{sock}->sockport) : $map
               : undef;
    });
    my $nginx = nginx_for('redis://127.0.0.1:' . $fake->port);
    my $begin = time;
    like(claim($nginx), $want, $name);
    cmp_ok(time - $begin, '<', $Timeout / 1000 + 2 * $Slow, "$name: in time");
    ok($nginx->wait_for(sub { $nginx->log =~ $log }), "$name: logged")
        or diag($nginx->log) if $log;
    $o{after}->($nginx, $fake) if $o{after};
    done($nginx, $name);
    $fake->stop;
}

one('map in pieces', sub {
        my ($conn, $port) = @_;
        for my $c (split //, slots([ 0, 16383, '127.0.0.1', $port ])) {
            $conn->write($c);
            $conn->pause(0.001);
        }
        return '';
    }, qr/^ok 1 /);

one('map of one who does not know its address', sub {
        slots([ 0, 100, '', $_[1] ], [ 101, 16383, undef, $_[1] ]);
    }, qr/^ok 1 /);

one('map without the slot', sub { slots([ 0, 100, '127.0.0.1', $_[1] ]) },
    qr/^error$/, qr/redis cluster of "127.0.0.1:\d+" serves no slot $Slot/);

one('map without slots', "*0\r\n", qr/^error$/, qr/serves no slot/);

one('map with a host that is none', sub {
        slots([ 0, 16383, '?', $_[1] ])
    }, qr/^error$/, qr/serves no slot/);

one('map of another kind', ":1\r\n", qr/^error$/, qr/redis sent unexpected/);

one('map of any size', "*2147483647\r\n", qr/^error$/,
    qr/redis sent unexpected reply/);

one('endless map', sub {
        "*16384\r\n" . join '', map {
            slots([ $_, $_, 'a' x 200, 1 ]) =~ s/^\*1\r\n//r } 0 .. 16383;
    }, qr/^error$/, qr/redis sent too big reply/);

one('map with a slot of two', sub {
        slots([ 0, 9, '127.0.0.1', $_[1] ], [ 9, 16383, '127.0.0.1', $_[1] ])
    }, qr/^error$/, qr/redis sent unexpected reply/);

one('no map in time', sub { $_[0]->pause(1.5 * $Timeout / 1000); '' },
    qr/^error$/);

# a server that belongs to no cluster gets no command, whatever it is named for

one('no cluster', "-ERR This instance has cluster support disabled\r\n",
    qr/^error$/, qr/cluster support disabled", it belongs to no cluster/,
    after => sub { is(tries($_[1]), 0, 'no cluster: no command') });

one('no right', "-NOPERM this user has no permissions\r\n", qr/^error$/,
    qr/NOPERM.*\+cluster\|slots/,
    after => sub { is(tries($_[1]), 0, 'no right: no command') });

# the first seeds are away

{
    my $fake = node();
    my $nginx = nginx_for('redis://127.0.0.1:1,127.0.0.1:2,127.0.0.1:'
                          . $fake->port);
    like(claim($nginx), qr/^ok 1 /, 'seeds: the third one is there');
    done($nginx, 'seeds');
    $fake->stop;

    $nginx = nginx_for('redis://127.0.0.1:1,127.0.0.1:2');
    is(claim($nginx), 'error', 'no seed');
    my $begin = time;
    is(claim($nginx), 'error', 'no seed: again') for 1 .. 20;
    cmp_ok(time - $begin, '<', 20 * $Timeout / 1000 / 2, 'no seed: no wait');
    done($nginx, 'no seed');
}

# more nodes than a worker wants to know

{
    my $many = node(sub {
        my ($conn, @c) = @_;
        my $port = $conn->{sock}->sockport;
        return if $c[0] ne 'CLUSTER';
        return slots((map { [ $_, $_, '127.0.0.' . ($_ % 250 + 2), 7000 + $_ ] }
                      0 .. 299), [ 300, 16383, '127.0.0.1', $port ]);
    });
    my $nginx = nginx_for('redis://127.0.0.1:' . $many->port);
    like(claim($nginx), qr/^ok 1 /, 'many nodes');
    like($nginx->log, qr/redis named node ".*", which is not used: too many/,
         'many nodes: logged');
    done($nginx, 'many nodes');
    $many->stop;
}


# -- without "cluster" --

{
    my $fake = node(sub { "-MOVED $Slot 127.0.0.1:1\r\n" });
    my $nginx = PaygwNginx->start(http =>
        'paygw_store redis://127.0.0.1:' . $fake->port . ';');
    is(claim($nginx), 'error', 'MOVED without "cluster"');
    like($nginx->log, qr/it belongs to a cluster: add "cluster"/,
         'MOVED without "cluster": says what to do');
    done($nginx, 'MOVED without "cluster"');
    $fake->stop;
}


# -- clients that leave while a command is on its way round --

{
    my $fake = node(sub {
        my ($conn, @c) = @_;
        return if $c[0] !~ /^EVAL/;
        return "-TRYAGAIN later\r\n" if grep { /gone/ } @c;
        return;
    });
    my $url = 'redis://127.0.0.1:' . $fake->port;
    my $nginx = nginx_for($url, args => 'timeout=60s');
    like(claim($nginx), qr/^ok 1 /, 'gone');
    my @s = map { $nginx->begin("/s?op=claim&key=foo:gone$_") } 1 .. 20;
    ok($nginx->wait_for(sub {
           my %sent = map { /:gone(\d+)/ ? ($1, 1) : () } $fake->seen;
           return keys %sent == 20;
       }), 'gone: sent');
    close $_ for @s;
    like(claim($nginx), qr/^ok 1 /, 'gone: worker is alive');
    ok($nginx->wait_for(sub {
           $nginx->count(qr/client prematurely closed/) >= 20 }),
       'gone: seen');

    # long before their time is over
    my $n = -1;
    ok($nginx->wait_for(sub {
           my $before = tries($fake);
           sleep 0.5;
           return ($n = tries($fake)) == $before;
       }), 'gone: nothing is sent for nobody');
    done($nginx, 'gone');

    # a worker that quits in between
    $nginx = nginx_for($url);
    like(claim($nginx), qr/^ok 1 /, 'quit');
    $n = tries($fake);
    my $s = $nginx->begin('/s?op=claim&key=foo:gone');
    ok($nginx->wait_for(sub { tries($fake) > $n }), 'quit: sent');
    done($nginx, 'quit');
    is($nginx->finish($s), 'error', 'quit: error');
    $fake->stop;
}

done_testing();
