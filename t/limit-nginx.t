# Limits of more than one generation, and of more than one nginx.  For "make
# limits" DURATION is how long two of them are kept busy; a suite has less time
# and a machine that does other things, too.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use IO::Select ();
use Time::HiRes ();

use PaygwNginx;
use PaygwRedis;
use PaygwTest ();

my $Rate = 100;
my $Burst = 50;
my $Seconds = $ENV{DURATION} || 4;
my $Exact = $ENV{DURATION} ? 0.02 : 0.2;

my $Redis = $PaygwTest::Store eq 'redis';
my $Port = $Redis ? PaygwRedis->port_of_tests : 0;
my $Prefix = "limits$$-" . time . ':';

sub conf {
    my $conf = "    paygw_zone paygw:1m;\n";
    $conf .= "    paygw_store redis://127.0.0.1:$Port prefix=$Prefix "
             . "timeout=5s;\n" if $Redis;
    return $conf;
}

sub status {
    my ($nginx, $target) = @_;
    my $s = PaygwTest::server_connect($nginx->{port});
    print $s "GET $target HTTP/1.0\r\n\r\n";
    $s->flush;
    my ($status) = (readline($s) // '') =~ /^HTTP\/1.\d (\d+)/;
    return $status // 'none';
}


# -- a reload, with another limit beside it and after it --

{
    my $limit = 'paygw_limit $arg_k rate=1r/h burst=3;';
    my $server = sub { "location = /a { $_[0] return 200; }" };
    my $nginx = PaygwNginx->start(http => conf(), server => $server->($limit),
                                  workers => 2);
    is(status($nginx, '/a?k=1'), 200, 'reload: before') for 1 .. 2;

    my @old = $nginx->workers;
    $nginx->reload(http => conf(), server => $server->(
        "$limit paygw_limit \$arg_k rate=1r/m burst=9 name=more;"));
    ok($nginx->wait_for(sub {
        my %now = map { ($_, 1) } $nginx->workers;
        keys %now == 2 && !grep { $now{$_} } @old }, 10),
       'reload: new workers');

    is(status($nginx, '/a?k=1'), 200, 'reload: after') for 1 .. 2;
    is(status($nginx, '/a?k=1'), 429, 'reload: what came before is known');

    # a configuration that is refused changes nothing
    $nginx->configure(http => conf(), server => $server->('paygw_limit x;'));
    $nginx->signal('HUP');
    ok($nginx->wait_for(sub { $nginx->log =~ /has no "rate"/ }, 10),
       'reload: refused');
    is(status($nginx, '/a?k=1'), 429, 'reload: and then');
    is(status($nginx, '/a?k=2'), 200, 'reload: another key');
    ok($nginx->quit, 'reload: quits');
}


# -- acceptance: two nginx on one Redis admit together what the limit says --

# Keeps some connections to each busy for a while; the times of what passed.

sub busy {
    my ($seconds, @nginx) = @_;
    my $request = "GET /a?k=all HTTP/1.1\r\nHost: x\r\n\r\n";
    my $sel = IO::Select->new;
    my (@passed, %n, %nginx);

    for my $i (0 .. 3) {
        my $s = PaygwTest::server_connect($nginx[$i % @nginx]{port});
        $nginx{$s} = $i % @nginx;
        $sel->add($s);
        syswrite $s, $request;
    }

    my $end = Time::HiRes::time() + $seconds;

    while (Time::HiRes::time() < $end) {
        for my $s ($sel->can_read(0.1)) {
            sysread $s, my $buf, 65536 or die 'closed';
            my ($status) = $buf =~ /^HTTP\/1.1 (\d+)/;
            next if !defined $status;
            $n{$status}++;
            $n{"passed by $nginx{$s}"}++ if $status == 200;
            push @passed, Time::HiRes::time() if $status == 200;
            Time::HiRes::sleep(0.0005);
            syswrite $s, $request;
        }
    }

    return \@passed, \%n;
}

SKIP: {
    skip 'two nginx share no zone', 6 if !$Redis;

    my @conf = (http => conf(), server => "location = /a { keepalive_requests "
                . "1000000; paygw_limit \$arg_k rate=${Rate}r/s "
                . "burst=$Burst store_error=refuse; return 200 a; }");
    my @nginx = map { PaygwNginx->start(@conf) } 1 .. 2;

    # the burst comes first, and is none of what is measured

    my ($passed, $n) = busy($Seconds + 1, @nginx);
    my $begin = $passed->[0] + 1;
    my $took = $passed->[-1] - $begin;
    my $count = grep { $_ > $begin } @$passed;
    my $want = $Rate * $took;
    my $busy = $ENV{DURATION} || ($n->{429} // 0) > @$passed;

    note join ', ', map { "$_: $n->{$_}" } sort keys %$n;

    cmp_ok(scalar @$passed, '<=', $Rate * ($passed->[-1] - $passed->[0] + 0.1)
                                  + $Burst + 1, 'two: never more than that');
    cmp_ok($busy ? abs($count - $want) : 0, '<=', $want * $Exact,
           sprintf 'two: %d in %.2f s, %.2f a second', $count, $took,
                   $count / $took);
    ok(($n->{"passed by $_"} // 0) > 0, "two: $_ took part") for 0, 1;
    ok($_->quit, 'two: quits') for @nginx;
}

done_testing();
