# Several addresses of one Redis: the primary is found, and found again, while
# servers are switched, stopped, frozen, slow, or come back empty.  What a store
# that cannot answer means is the same for an event (claim) and for the nonce of
# a call (once).  Needs redis-server; the store is always that.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

BEGIN {
    plan(skip_all => 'the store is Redis')
        if ($ENV{PAYGW_TEST_STORE} // '') eq 'zone';
}

use IO::Select ();
use IO::Socket::INET ();
use Time::HiRes qw(sleep time);

use FakeRedis;
use PaygwLoad;
use PaygwNginx;
use PaygwProcess qw(folder);
use PaygwRedis;

my $Slow = $PaygwNginx::Slow;
my $Timeout = 1000 * $Slow;
my $Keys = 0;


sub key { return "f$$-" . ++$Keys }

sub nginx_for {
    my ($ports, %o) = @_;
    my $list = join ',', map { "127.0.0.1:$_" } @$ports;
    return PaygwNginx->start(http => "paygw_store redis://$list "
                                     . "timeout=${Timeout}ms;", %o);
}

sub ask {
    my ($nginx, $op, $key, $args) = @_;
    return $nginx->get("/s?op=$op&key=" . ($key // key()) . ($args // ''));
}

sub claim { return ask($_[0], 'claim', $_[1]) }

sub works {
    my ($nginx, $name) = @_;
    ok($nginx->wait_for(sub { claim($nginx) =~ /^ok 1/ }), "$name: claim")
        or diag($nginx->log);
    like(ask($nginx, 'once'), qr/^ok /, "$name: nonce");
}

# an error, both of them, and none later than the timeout
sub closed {
    my ($nginx, $name, $times) = @_;
    my ($bad, $worst, $begin) = (0, 0, time);
    for (1 .. $times || 20) {
        for my $op ('claim', 'once') {
            my $from = time;
            $bad++ if ask($nginx, $op) ne 'error';
            $worst = time - $from if time - $from > $worst;
        }
    }
    is($bad, 0, "$name: errors");
    cmp_ok($worst, '<', $Timeout / 1000 + 3 * $Slow, "$name: in time");
}

sub done {
    my ($nginx, $name) = @_;
    ok($nginx->quit, "$name: quits");
    my @bad = grep { /\[(?:alert|crit|emerg)\]/ } split /\n/, $nginx->log;
    push @bad, grep { /runtime error|Sanitizer/ } split /\n/, $nginx->output;
    ok(!@bad, "$name: no alert") or diag("@bad");
}

sub replicate {
    my ($replica, $primary) = @_;
    $replica->cmd('REPLICAOF', '127.0.0.1', $primary->port);
    PaygwProcess::wait_for(sub {
        $replica->cmd('INFO', 'replication') =~ /master_link_status:up/
    }) or die 'no replication';
}

# the primary's role is handed over, and nothing that was acknowledged is lost
sub switch {
    my ($from, $to) = @_;
    $from->cmd('CLIENT', 'PAUSE', 10000, 'WRITE');
    PaygwProcess::wait_for(sub {
        my ($a) = $from->cmd('INFO', 'replication')
                  =~ /master_repl_offset:(\d+)/;
        my ($b) = $to->cmd('INFO', 'replication') =~ /slave_repl_offset:(\d+)/;
        $a == $b;
    });
    $to->cmd('REPLICAOF', 'NO', 'ONE');
    $from->cmd('REPLICAOF', '127.0.0.1', $to->port);
    $from->cmd('CLIENT', 'UNPAUSE');
}

sub evals { return $_[0]->cmd('INFO', 'commandstats') =~ /eval:calls=(\d+)/
                   ? $1 : 0 }


my ($one, $two) = map { PaygwRedis->start(args => [
    '--repl-diskless-sync-delay', 0, '--repl-timeout', 5 ]) } 1 .. 2;

replicate($two, $one);


# -- whichever comes first --

for my $ports ([ $one->port, $two->port ], [ $two->port, $one->port ],
               [ 1, $two->port, $one->port ])
{
    my $name = 'order ' . join ' ', map { $_ == 1 ? 'nobody'
                                          : $_ == $one->port ? 'primary'
                                          : 'replica' } @$ports;
    my $nginx = nginx_for($ports);
    my $key = key();
    like(claim($nginx, $key), qr/^ok 1/, "$name: the first claim");
    is(claim($nginx, $key), 'busy', "$name: the second one");
    like(ask($nginx, 'once'), qr/^ok /, "$name: nonce");
    unlike($nginx->log, qr/\[error\] .* redis /, "$name: no error");
    done($nginx, $name);
}

is(evals($two), 0, 'no command has gone to the replica');


# -- switched under load, and back --

{
    my $nginx = nginx_for([ $one->port, $two->port ], workers => 2);
    my $load = PaygwLoad->begin($nginx, [ map { "c$_" } 1 .. 4 ]);
    my $key = key();

    sleep 0.4;
    like(claim($nginx, $key), qr/^ok 1/, 'switch: claim');

    switch($one, $two);
    sleep 0.4;
    is(claim($nginx, $key), 'busy', 'switch: what was held is held');
    works($nginx, 'switched');
    cmp_ok(evals($two), '>', 0, 'switched: to the other one');

    switch($two, $one);
    sleep 0.4;
    works($nginx, 'switched back');

    my $books = $load->end;
    diag(scalar(@{ $books->{503} }) . ' of '
         . (@{ $books->{acked} } + @{ $books->{503} })
         . ' tries were answered 503');
    $books->balance('switch');
    ok($nginx->reload, 'switch: reload');
    works($nginx, 'switch: reloaded');
    done($nginx, 'switch');
}


# -- killed, and the other one promoted; both away; empty --

{
    my $nginx = nginx_for([ $one->port, $two->port ]);
    my $key = key();
    like(ask($nginx, 'claim', $key, '&then=commit'), qr/^ok 1/, 'up');
    ok($nginx->wait_for(sub { claim($nginx, $key) eq 'committed' }),
       'up: committed');
    like(ask($nginx, 'once', $key), qr/^ok /, 'up: nonce');
    $one->cmds([ 'SET', 'x', 1 ], [ 'WAIT', 1, 5000 ]);

    $one->stop;
    closed($nginx, 'no primary', 10);
    ok($nginx->wait_for(sub { $nginx->log =~ /redis is a replica/ }),
       'no primary: logged');
    $two->cmd('REPLICAOF', 'NO', 'ONE');
    works($nginx, 'promoted');
    is(claim($nginx, $key), 'committed', 'promoted: nothing is forgotten');
    is(ask($nginx, 'once', $key), 'committed', 'promoted: nor is a nonce');

    $two->stop;
    closed($nginx, 'both stopped');

    # a new one in the place of the first: it has forgotten all, and says so
    $one->run;
    works($nginx, 'restarted empty');
    like(claim($nginx, $key), qr/^ok 1/, 'restarted empty: it knows nothing');
    like(ask($nginx, 'once', $key), qr/^ok /, 'restarted empty: no nonce');
    done($nginx, 'killed');

    $two->run;
    replicate($two, $one);
}


# -- frozen: it has the connections, and answers nothing --

{
    my $nginx = nginx_for([ $one->port, $two->port ]);
    works($nginx, 'before');
    $one->cmds([ 'SET', 'x', 1 ], [ 'WAIT', 1, 5000 ]);

    $one->freeze;
    closed($nginx, 'frozen', 5);
    $two->cmd('REPLICAOF', 'NO', 'ONE');
    works($nginx, 'frozen, the other one promoted');

    # who comes back and believes to be a primary is not gone back to
    my $key = key();
    like(claim($nginx, $key), qr/^ok 1/, 'frozen: claim');
    $one->thaw;
    sleep 0.3;
    is(claim($nginx, $key), 'busy', 'thawed: we stay');
    done($nginx, 'frozen');

    # all of them
    $nginx = nginx_for([ $one->port, $two->port ]);
    works($nginx, 'both');
    $_->freeze for $one, $two;
    closed($nginx, 'both frozen', 5);
    $_->thaw for $one, $two;
    works($nginx, 'both thawed');
    done($nginx, 'both frozen');

    replicate($two, $one);
}


# -- slow: a proxy before each, that holds every answer back --

{
    my $file = folder('slow') . '/delay';
    my $slow = sub {
        open my $fh, '>', $file or die $!;
        print $fh $_[0];
        close $fh;
    };
    my @proxies = map {
        my $to = $_->port;
        FakeRedis->start(sub {
            my $conn = shift;
            my $up = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$to")
                or return;
            my $sel = IO::Select->new($conn->{sock}, $up);
            while (1) {
                for my $s ($sel->can_read) {
                    sysread $s, my $data, 65536 or return;
                    if ($s != $up) {
                        syswrite $up, $data;
                        next;
                    }
                    open my $fh, '<', $file or die $!;
                    sleep <$fh>;
                    $conn->write($data) or return;
                }
            }
        });
    } $one, $two;

    $slow->(0);
    my $nginx = nginx_for([ map { $_->port } @proxies ]);
    works($nginx, 'slow: not yet');

    $slow->(0.4 * $Timeout / 1000);
    my $begin = time;
    like(claim($nginx), qr/^ok 1/, 'slow: within the timeout');
    cmp_ok(time - $begin, '>', 0.39 * $Timeout / 1000, 'slow: it was');
    like(ask($nginx, 'once'), qr/^ok /, 'slow: nonce');

    $slow->(2 * $Timeout / 1000);
    closed($nginx, 'too slow', 4);

    $slow->(0);
    works($nginx, 'fast again');
    done($nginx, 'slow');
    $_->stop for @proxies;
}

$_->stop for $one, $two;


# -- what a server says of itself --

sub info { my $t = join '', map { "$_\r\n" } '# Server', @_;
           return '$' . length($t) . "\r\n$t\r\n" }

my $Primary = info('loading:0', 'role:master');

# the first one says that, and takes nothing; the second one is a primary
sub told {
    my ($name, $info, $want, $log, %o) = @_;
    my @fakes = map {
        my ($says, $first) = @$_;
        FakeRedis->start(sub {
            my ($conn, $n) = @_;
            while (my @c = $conn->read) {
                my $reply = $c[0] eq 'INFO' ? $says
                            : $c[0] =~ /^(?:AUTH|SELECT)$/ ? "+OK\r\n"
                            : $first && $o{reply} ? $o{reply}
                            : $first ? ":-1\r\n" : ":1\r\n";
                return if $reply eq 'close';
                $conn->write($reply);
            }
        });
    } [ $info, 1 ], [ $Primary, 0 ];

    my $nginx = nginx_for([ map { $_->port } @fakes ]);
    my $begin = time;
    like(claim($nginx), $want, $name);
    cmp_ok(time - $begin, '<', $Timeout / 1000 + 2 * $Slow, "$name: in time");
    like($nginx->log, $log, "$name: logged") if $log;
    $o{after}->($nginx, @fakes) if $o{after};
    done($nginx, $name);
    $_->stop for @fakes;
}

my $first = sub { join ' ', map { (split)[0] } $_[1]->seen };

told('primary', $Primary, qr/^busy$/, undef, after => sub {
    is($first->(@_), 'INFO EVAL', 'primary: asked first');
});
told('replica', info('loading:0', 'role:slave'), qr/^ok 1/,
     qr/redis is a replica, trying the next address/, after => sub {
    is($first->(@_), 'INFO', 'replica: gets no command');
});
told('loading', info('loading:1', 'role:master'), qr/^ok 1/,
     qr/redis is loading, trying the next address/);
told('loading, says no', "-LOADING Redis is loading\r\n", qr/^ok 1/,
     qr/redis is loading/);
told('may not be asked', "-NOPERM this user\r\n", qr/^busy$/);
told('says nothing of it', info('x:1'), qr/^busy$/);
told('closes', 'close', qr/^ok 1/,
     qr/redis closed connection, trying the next address/);
told('another protocol', "HTTP/1.1 400 Bad\r\n", qr/^ok 1/,
     qr/redis sent (?:invalid|unexpected) reply, trying the next address/);

# what is not executed is sent to the next one; nothing else is

told('READONLY', $Primary, qr/^ok 1/, qr/redis is not a usable master/,
     reply => "-READONLY You can't write against a read only replica.\r\n");
told('READONLY, before Redis 7', $Primary, qr/^ok 1/,
     qr/redis is not a usable master/,
     reply => "-ERR Error running script (call to f_x): \@user_script:20: "
              . "\@user_script: 20: -READONLY You can't write\r\n");
told('LOADING', $Primary, qr/^ok 1/, qr/redis is not a usable master/,
     reply => "-LOADING Redis is loading the dataset in memory\r\n");
told('error', $Primary, qr/^error$/, qr/redis sent error: "ERR/,
     reply => "-ERR something else\r\n", after => sub {
         is(scalar(my @s = $_[2]->seen), 0, 'error: is not sent again');
     });

# many at the same time: those behind the one that is refused are not lost

{
    my @fakes = map {
        my $last = $_;
        FakeRedis->start(sub {
            my ($conn) = @_;
            while (my @c = $conn->read) {
                $conn->write($c[0] eq 'INFO' ? $Primary
                             : $last ? ":1\r\n" : "-READONLY no\r\n");
            }
        });
    } 0, 1;
    my $nginx = nginx_for([ map { $_->port } @fakes ]);
    is($nginx->get('/s?op=claim&key=many&n=100&spread=1&then=commit'),
       'ok=100 committed=0 busy=0 error=0', 'many: all go to the next one');
    ok($nginx->wait_for(sub { 201 == (my @s = $fakes[1]->seen) }),
       'many: each once, with its commit');
    is($nginx->count(qr/\[error\]/), 2, 'many: logged once');
    done($nginx, 'many');
    $_->stop for @fakes;
}

done_testing();
