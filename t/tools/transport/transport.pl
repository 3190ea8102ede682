#!/usr/bin/perl
# See transport.sh.

use strict;
use warnings;

use IPC::Open2 ();
use List::Util qw(max sum0);
use Time::HiRes qw(time sleep);

use PaygwNginx;
use PaygwPeer;
use PaygwSandbox;

use Test::More;

my ($Duration, $Rate) = @ARGV;

# a probe, a deadline, and a while before and after

$Duration = max($Duration, 20);

my $Deadline = 3;               # the default of paygw_deadline,
my $Probe = 5;                  # and of probe= of paygw_breaker
my $Workers = 4;
my $Native = '/wx/v3/pay/transactions/native';
my $Root = $PaygwSandbox::Root;
my $Parts = 0;

my $Sandbox = PaygwSandbox->start;
my $Ids = $Sandbox->{ids};
my $Key = "$Sandbox->{dir}/wechat/platform_cert_a.pem";

sub start {
    my ($endpoint, $zone) = @_;
    my $channel = $Sandbox->wechat(platform_certificate => $Key,
                                   notify_url => 'http://127.0.0.1:1/n')
        =~ s{endpoint http://\S+;}{endpoint $endpoint;}r;
    my $nginx = PaygwNginx->start(workers => $Workers,
        http => ($zone ? "    paygw_zone paygw:2m;\n" : '')
            . "    log_format k '\$msec \$pid \$paygw_result';\n$channel",
        server => 'access_log logs/k.log k;'
            . ($zone ? 'location = /metrics { access_log off; '
                       . 'paygw_metrics; }' : '')
            . 'location /wx/ { paygw_pass wxpay; } '
            . 'location /pay/ { paygw_api wxpay; }');
    $nginx->wait_for(sub { $nginx->workers == $Workers }, 10);
    return $nginx;
}

sub load {
    my ($nginx, $path) = @_;
    my $prefix = sprintf 'T%dp%dn', $$, ++$Parts;
    open my $fh, '-|', '/usr/bin/python3', '-B',
         "$Root/t/tools/transport/load.py",
         "http://127.0.0.1:$nginx->{port}" . ($path // $Native),
         $Ids->{appid}, $Ids->{mchid}, $Rate, $Duration, $prefix
        or die "python3: $!";
    return [ $fh, $prefix ];
}

# what became of each order, and what the sandbox knows of them

sub ledger {
    my ($load, $what) = @_;
    my ($fh, $prefix) = @$load;
    my (@calls, %seen, %made);

    while (<$fh>) {
        my ($id, $begin, $time, $status, $code) = split;
        push @calls, { id => $id, begin => $begin, time => $time,
                       status => $status, code => $code };
        $seen{$status}{$id} = 1;
    }
    close $fh;

    $made{$_->{order_id}}++
        for grep { $_->{order_id} =~ /^\Q$prefix\E/ }
            @{ $Sandbox->get('orders')->{orders} };

    my @times = sort { $a <=> $b } map { $_->{time} } @calls;
    my $p99 = $times[int(@times * 0.99)] // 0;
    diag(sprintf '%s: %d orders, %d made, p99 %.3f s, answers %s', $what,
         scalar @calls, scalar keys %made, $p99,
         join ' ', map { "$_: " . keys %{ $seen{$_} } } sort keys %seen);

    is(scalar @calls, int($Rate * $Duration), "$what: each has an answer");
    is(join(' ', grep { $made{$_} > 1 } sort keys %made), '',
       "$what: no order is made twice");
    is(join(' ', grep { !$made{$_} } sort keys %{ $seen{200} }), '',
       "$what: what is said to be made is there");
    is(join(' ', grep { $made{$_} } sort keys %{ $seen{503} }), '',
       "$what: what is said not to be sent is not");
    is(join(' ', grep { !/^(?:200|503|504)$/ } sort keys %seen), '',
       "$what: no other answer");

    return { calls => \@calls, seen => \%seen, made => \%made, p99 => $p99 };
}

sub metric {
    my ($nginx, $name) = @_;
    my ($value) = $nginx->get('/metrics')
        =~ /^\Q$name\E\{channel="wxpay",provider="wechat_v3"[^}]*\} (\S+)$/m;
    return $value;
}

sub results {
    my ($nginx, $from, $to) = @_;
    my %n;
    open my $fh, '<', "$nginx->{dir}/logs/k.log" or return {};
    while (<$fh>) {
        my ($time, $pid, $result) = split;
        $n{$result}{$pid}++ if $time > $from && $time < $to;
    }
    return \%n;
}

sub end {
    my ($nginx, $what) = @_;
    ok($nginx->quit, "$what: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, "$what: no alert");
}


# -- the first host is a black hole --

my $peer = PaygwPeer->start;

for my $case (
    [ 'black hole', 1, $Native ],
    [ 'black hole, no zone', 0, $Native ],
    [ 'black hole, paygw_api', 1, '/pay/orders' ],
) {
    my ($what, $zone, $path) = @$case;
    my $nginx = start('http://127.0.0.1:' . $peer->blackhole . ' backup='
                      . $Sandbox->url, $zone);
    my $load = load($nginx, $path);
    my $books = ledger($load, $what);
    cmp_ok($books->{p99}, '<', $Deadline, "$what: p99 is below the deadline");
    is(scalar keys %{ $books->{seen}{200} }, int($Rate * $Duration),
       "$what: all orders are made");
    is(metric($nginx, 'paygw_provider_duration_seconds_count'),
       int($Rate * $Duration), "$what: each is sent once") if $zone;
    end($nginx, $what);
}


# -- a provider that dies, and comes back --

{
    my ($port) = $Sandbox->url =~ /:(\d+)$/;
    my $pid = IPC::Open2::open2(my $out, my $in, '/usr/bin/python3', '-B',
                                "$Root/t/tools/transport/relay.py", $port);
    $in->autoflush(1);
    chomp(my $relay = <$out>);

    my $nginx = start("http://127.0.0.1:$relay", 1);
    my $load = load($nginx);
    my $until = sub {
        my ($state, $seconds) = @_;
        my $begin = time;
        my $got;
        do {
            $got = metric($nginx, 'paygw_breaker_state') // -1;
        } while ($got != $state && time < $begin + $seconds && sleep 0.01);
        return $got == $state ? time - $begin : 999;
    };

    sleep 3;
    is(metric($nginx, 'paygw_breaker_state'), 0, 'alive: closed');
    print $in "die\n";
    readline $out;
    my $died = time;
    my $opens = $until->(2, 10);
    my $open = time;
    sleep max(0, $died + 4 - time);
    print $in "live\n";
    readline $out;
    my $lives = time;
    my $closes = $until->(0, 2 * $Probe);
    my $closed = time;

    my $books = ledger($load, 'death');
    diag(sprintf 'death: opens after %.3f s, closes after %.3f s', $opens,
         $closes);
    cmp_ok($opens, '<', 1, 'death: opens within a second');
    cmp_ok($closes, '<', $Probe + 0.5,
           'death: closes within the interval of probes');

    # all workers at the same time

    my $n = results($nginx, $open + 0.5, $lives);
    is(scalar keys %{ $n->{unavailable} }, $Workers,
       'death: each worker knows it');
    is(join(' ', grep { !/^unavailable$|^unreachable$/ } sort keys %$n), '',
       'death: no call');
    cmp_ok(sum0(values %{ $n->{unreachable} // {} }), '<=',
           2 + ($lives - $open) / $Probe, 'death: but probes');

    $n = results($nginx, $closed + $Deadline + 0.5, time);
    is(scalar keys %{ $n->{passed} }, $Workers,
       'back: each worker knows it');
    is(join(' ', sort keys %$n), 'passed', 'back: all calls pass');

    my @fast = grep { $_->{code} eq 'RETRY-UNAVAILABLE' }
               @{ $books->{calls} };
    cmp_ok(scalar @fast, '>', 0, 'open: calls are refused');
    my @times = sort { $a <=> $b } map { $_->{time} } @fast;
    diag(sprintf 'open: %d calls are refused, p99 %.3f s', scalar @fast,
         $times[int(@times * 0.99)]);
    end($nginx, 'death');

    close $in;
    waitpid $pid, 0;
}

done_testing();
