# What a worker still has of a node, or of a command, that is over: memory that
# was freed is overwritten, so that whoever reads it finds nothing good.  The
# nodes are fakes behind TLS.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

BEGIN {
    plan(skip_all => 'the store is Redis')
        if ($ENV{PAYGW_TEST_STORE} // '') eq 'zone';
}

use IO::Socket::INET ();
use Time::HiRes qw(sleep time);

use FakeRedis;
use PaygwNginx;
use PaygwProcess qw(folder free_port spawn wait_for);

my $Slow = $PaygwNginx::Slow;
my $Timeout = 2 * $Slow;
my $Slot = 12182;                       # of foo

# the C library does so, but for small pieces that it keeps at hand
$ENV{GLIBC_TUNABLES} = 'glibc.malloc.tcache_count=0:glibc.malloc.perturb=165';

my $dir = folder('tls');

open my $ext, '>', "$dir/ext" or die;
print $ext "[req]\ndistinguished_name=dn\nx509_extensions=e\n[dn]\n[e]\n"
           . "subjectAltName=IP:127.0.0.1,IP:127.0.0.2\n";
close $ext;
system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=redis "
       . "-config $dir/ext -keyout $dir/key -out $dir/crt 2> $dir/log") == 0
    or die "openssl failed, see $dir/log";


# fakes by TLS: [ port of the fake, address, port ] ...

sub relay {
    my $self = PaygwProcess->new;
    $self->{pid} = spawn("$dir/relay", 'python3', 't/lib/tls_relay.py',
                         "$dir/crt", "$dir/key",
                         map { "$_->[1]:$_->[2]=$_->[0]" } @_);
    for my $to (@_) {
        wait_for(sub { IO::Socket::INET->new(PeerAddr => $to->[1],
                                             PeerPort => $to->[2]) })
            or die "no relay";
    }
    return $self;
}

sub nginx_for {
    my $port = shift;
    return PaygwNginx->start(http =>
        "paygw_store rediss://127.0.0.1:$port cluster timeout=${Timeout}s "
        . "connections=1 trusted_certificate=$dir/crt;");
}

sub slots {
    my ($host, $port) = @_;
    return "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n\$" . length($host)
           . "\r\n$host\r\n:$port\r\n";
}

sub done {
    my ($nginx, $name) = @_;
    ok($nginx->quit, "$name: quits");
    my @bad = grep { /\[(?:alert|crit|emerg)\]/ } split /\n/, $nginx->log;
    push @bad, grep { /runtime error|Sanitizer/ } split /\n/, $nginx->output;
    ok(!@bad, "$name: no alert") or diag("@bad");
}


# -- the time of a command is over, and in the same turn of the event loop Redis
# says that it is to be sent again, or has done it while replicas are missing --

for my $what (qw(TRYAGAIN READONLY append)) {
    my $reply = $what eq 'append' ? ":1\r\n" : "-$what later\r\n";
    my $op = $what eq 'append' ? 'append&stream={foo}s&replicas=1' : 'claim';
    my $port = free_port();
    my $fake = FakeRedis->start(sub {
        my $conn = shift;
        while (my @c = $conn->read) {
            if ($c[0] eq 'CLUSTER') {
                $conn->write(slots('127.0.0.1', $port)) or return;
                next;
            }
            if (grep { /foo.*late/ } @c) {
                my $n = grep { /foo.*late/ } $conn->seen;
                $conn->pause(0.5 * $Timeout) if $n == 1;
                $conn->pause(0.25 * $Timeout) if $n == 2;
                $conn->write($n == 2 ? $reply : "-TRYAGAIN later\r\n")
                    or return;
                next;
            }
            $conn->pause(0.9 * $Timeout)
                if $c[0] eq 'WAIT' && 2 == grep { /foo.*late/ } $conn->seen;
            $conn->write(":1\r\n") or return;
        }
    });
    my $relay = relay([ $fake->port, '127.0.0.1', $port ]);
    my $nginx = nginx_for($port);

    like($nginx->get('/s?op=claim&key=foo:first'), qr/^ok 1 /, $what);

    my $begin = time;
    my $s = $nginx->begin("/s?op=$op&key=foo:late");
    ok($nginx->wait_for(sub {
           2 <= grep { /foo.*late/ } $fake->seen }), "$what: sent twice");

    # what comes while it sleeps it finds behind its timers
    my ($worker) = $nginx->workers;
    kill 'STOP', $worker;
    sleep(1.2 * $Timeout - (time - $begin));
    kill 'CONT', $worker;

    is($nginx->finish($s), 'error', "$what: late");
    # (it may be that the connection has to be made again, a while later)
    my $n = 0;
    ok($nginx->wait_for(sub {
           $nginx->get('/s?op=claim&key=foo:last' . ++$n) =~ /^ok 1 / }, 10),
       "$what: worker is alive");
    done($nginx, $what);
    $relay->stop;
    $fake->stop;
}


# -- a node has named another one of its own host, and has left --

{
    my ($a, $b, $c) = map { free_port() } 1 .. 3;
    my $host = '127.0.0.2';

    my $seed = FakeRedis->start(sub {
        my $conn = shift;
        while ($conn->read) {
            $conn->write(slots($host, $conn->seen == 1 ? $b : $c)) or return;
        }
    });
    my $first = FakeRedis->start(sub {
        my $conn = shift;
        while ($conn->read) {
            $conn->write("-MOVED $Slot :$c\r\n") or return;
        }
    });
    my $second = FakeRedis->start(sub {
        my $conn = shift;
        while (my @c = $conn->read) {
            $conn->write($c[0] eq 'CLUSTER' ? slots($host, $c) : ":1\r\n");
            return if $c[0] ne 'CLUSTER';
        }
    });

    my $relay = relay([ $seed->port, '127.0.0.1', $a ],
                      [ $first->port, $host, $b ],
                      [ $second->port, $host, $c ]);
    my $nginx = nginx_for($a);

    # the first map, and the second one, which is asked for by a redirect
    # (a claim that meets a connection while that is closed is an error)
    my $n = 0;
    my $taken = sub {
        return $nginx->wait_for(sub {
            $nginx->get('/s?op=claim&key=foo:' . ++$n) =~ /^ok 1 /;
        }, 5);
    };
    ok($taken->(), "left: claim $_") for 1 .. 2;
    sleep 0.3;
    ok($taken->(), 'left: claim 3');
    ok($nginx->wait_for(sub { $seed->seen > 1 }), 'left: two maps');
    sleep 0.3;
    ok($taken->(), "left: claim $_") for 4 .. 5;
    done($nginx, 'left');
    $_->stop for $relay, $seed, $first, $second;
}

done_testing();
