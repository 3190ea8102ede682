# Keyrings and reloads: a fetch that is under way, files that change meanwhile.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Copy ();
use IO::Select ();
use IO::Socket::INET ();
use POSIX ();

use PaygwNginx;
use PaygwSandbox;
use PaygwTest ();

my $Shop = PaygwTest::shop_port();
my $Sandbox = PaygwSandbox->start;
my $Wx = "$Sandbox->{dir}/wechat";
my $Tmp = $Sandbox->{tmp};
my $Server = "access_log logs/k.log k if=\$paygw_result; "
    . "location = /n { paygw_notify wxpay; "
    . "proxy_pass http://127.0.0.1:$Shop; }";

sub http {
    my ($channel) = @_;
    return ($PaygwTest::Store eq 'redis'
            ? "    paygw_store redis://127.0.0.1:$PaygwTest::RedisPort;\n"
            : '')
        . "    paygw_zone keyring:2m;\n"
        . "    log_format k '\$paygw_result \$paygw_reason';\n" . $channel;
}

sub start {
    my ($channel, %o) = @_;
    return PaygwNginx->start(http => http($channel), server => $Server, %o);
}

sub notify {
    my ($nginx, %faults) = @_;
    my $order = $Sandbox->order('wechat_v3',
                                "http://127.0.0.1:$nginx->{port}/n");
    return $Sandbox->callback($order, %faults);
}

sub put {
    my ($from) = @_;
    File::Copy::copy("$Wx/platform_cert_$from.pem", "$Tmp/wx.pem.new")
        or die "$from: $!";
    chmod 0644, "$Tmp/wx.pem.new";
    rename "$Tmp/wx.pem.new", "$Tmp/wx.pem" or die $!;
}

sub seen {
    my ($nginx, $n) = @_;
    return $nginx->wait_for(
        sub { $nginx->count(qr/is in use, from \Q$Tmp\E/) >= $n }, 5);
}

sub clean {
    my ($nginx, $what) = @_;
    ok($nginx->quit, "$what: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, "$what: no alert");
}

my $File = $Sandbox->wechat(platform_certificate => "$Tmp/wx.pem");
my $Auto = $Sandbox->wechat(
    platform_certificates => 'auto interval=3600s retry=1s',
    platform_certificate => "$Wx/platform_cert_b.pem");


# -- a file that changes while nginx reads the configuration --

# a pipe is included: nginx waits for a writer to open it, in the midst of it

sub paused {
    my ($nginx, $http, $do) = @_;
    my %old = map { ($_, 1) } $nginx->workers;

    $nginx->configure(http => $http);
    my $before = $nginx->count(qr/reconfiguring/);
    $nginx->signal('HUP');
    $nginx->wait_for(sub { $nginx->count(qr/reconfiguring/) > $before }, 5);
    select undef, undef, undef, 0.5;
    $do->();
    open my $pipe, '>', "$Tmp/pipe" or die $!;
    close $pipe;

    return $nginx->wait_for(sub {
        my @now = $nginx->workers;
        return @now && !grep { $old{$_} } @now;
    }, 10);
}

POSIX::mkfifo("$Tmp/pipe", 0600) or die $!;

{
    put('a');
    my $nginx = start($File);
    is(notify($nginx), 204, 'read, then changed: before');
    ok(paused($nginx, http($File) . "    include $Tmp/pipe;\n",
              sub { put('b') }),
       'read, then changed: reloaded');
    ok($nginx->wait_for(sub { notify($nginx, key => 'b') == 204 }, 5),
       'read, then changed: the new one is found');
    is(notify($nginx), 401, 'read, then changed: not the old one');
    clean($nginx, 'read, then changed');

    put('a');
    $nginx = start($File);
    is(notify($nginx), 204, 'changed twice: before');
    ok(paused($nginx, http("    include $Tmp/pipe;\n$File"),
              sub {
                  put('b');
                  ok(seen($nginx, 1), 'changed twice: the first is seen');
                  put('a');
              }),
       'changed twice: reloaded');
    ok($nginx->wait_for(sub { notify($nginx) == 204 }, 5),
       'changed twice: the last one counts');
    is(notify($nginx, key => 'b'), 401, 'changed twice: alone');
    clean($nginx, 'changed twice');
}


# -- a fetch that a reload ends is no failure, and callbacks wait on --

{
    my $fetches = $Sandbox->fetches('wechat_v3');
    $Sandbox->keys(active => 'a', listed => ['a', 'b'], lie => 'slow');
    my $nginx = start($Auto, workers => 2);

    for my $n (1 .. 6) {
        ok($nginx->wait_for(
               sub { $Sandbox->fetches('wechat_v3') >= $fetches + $n }, 5),
           "ended: fetch $n");
        $Sandbox->keys(lie => 'error') if $n == 6;
        ok($nginx->reload, 'ended: by a reload');
    }

    ok($nginx->wait_for(
           sub { $nginx->log =~ /will be fetched again in \d+ ms/ }, 5),
       'ended: the next one fails');
    my ($ms) = $nginx->log =~ /will be fetched again in (\d+) ms/;
    cmp_ok($ms, '<=', 8000, 'ended: not as the last of seven in a row');
    clean($nginx, 'ended');

    $fetches = $Sandbox->fetches('wechat_v3');
    $Sandbox->keys(lie => 'slow');
    $nginx = start($Auto =~ s/retry=1s/retry=3600s/r, workers => 2);
    ok($nginx->wait_for(
           sub { $Sandbox->fetches('wechat_v3') > $fetches }, 5),
       'waiting: a fetch');

    my $pid = open my $fh, '-|';
    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        print notify($nginx), "\n";
        STDOUT->flush;
        POSIX::_exit(0);
    }

    select undef, undef, undef, 0.5;
    $Sandbox->keys(lie => '');
    $nginx->signal('HUP');
    is(<$fh>, "204\n", 'waiting: the next worker fetches');
    close $fh;
    ok($nginx->wait_for(sub {
           open my $log, '<', "$nginx->{dir}/logs/k.log" or return 0;
           return join('', <$log>) eq "taken -\n";
       }, 10), 'waiting: nothing is wrong with it');
    clean($nginx, 'waiting');
}


# -- a name server that does not answer holds no reload back --

{
    my $dns = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1')
        or die $!;
    my $nginx = PaygwNginx->start(server => $Server, http =>
        '    resolver 127.0.0.1:' . $dns->sockport . " ipv6=off;\n"
        . http($Auto =~ s{endpoint [^;]*}{endpoint https://pay.test}r));

    ok(IO::Select->new($dns)->can_read(5), 'resolver: asked');
    ok($nginx->reload, 'resolver: reload');

    SKIP: {
        skip 'a reload takes longer than the fetch under valgrind', 1
            if $ENV{TEST_NGINX_USE_VALGRIND};
        unlike($nginx->log, qr/cannot be fetched/, 'resolver: not at its end');
    }

    clean($nginx, 'resolver');
}

done_testing();
