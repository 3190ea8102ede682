# Certificates of Alipay that are fetched by their SN while nginx runs.

use strict;
use warnings;
use lib 't/lib';

use File::Copy ();
use IO::Socket::INET ();
use POSIX ();
use Test::More;

use PaygwNginx;
use PaygwSandbox;
use PaygwTest ();

my $Shop = PaygwTest::shop_port();
my $Sandbox = PaygwSandbox->start;
my $Dir = "$Sandbox->{dir}/alipay";
my $Ids = $Sandbox->{ids};
our $Auto = 'auto interval=3600s retry=2s';
my $Notify = "access_log logs/k.log k if=\$paygw_result; "
    . "location = /n { paygw_notify alipay; "
    . "proxy_pass http://127.0.0.1:$Shop; }";

sub http {
    my @more = @_;
    return ($PaygwTest::Store eq 'redis'
            ? "    paygw_store redis://127.0.0.1:$PaygwTest::RedisPort;\n"
            : '')
        . "    paygw_zone keyring:2m;\n"
        . "    log_format k '\$paygw_result \$paygw_reason \$paygw_key_id';\n"
        . $Sandbox->alipay_cert(alipay_cert => "$Dir/alipay_cert.crt",
                                alipay_certs => $Auto, @more);
}

sub notify {
    my ($nginx, %faults) = @_;
    my $order = $Sandbox->order('alipay', "http://127.0.0.1:$nginx->{port}/n");
    my $got = $Sandbox->post('callbacks', { %$order, faults => \%faults });
    my $d = $got->{deliveries}[0];
    return $d->{accepted} ? 'success' : "$d->{status} $d->{body}";
}

sub sn { return { alipay_cert_sn => $_[0] } }

sub fetches { return $Sandbox->fetches('alipay') }

sub reset_sandbox {
    $Sandbox->keys(alipay => 'alipay', lie => '', @_);
    return fetches();
}

# the line is written after the answer

sub last_is {
    my ($nginx, $re, $what) = @_;
    my $line = '';
    ok($nginx->wait_for(sub {
        open my $fh, '<', "$nginx->{dir}/logs/k.log" or return 0;
        my @lines = <$fh>;
        $line = $lines[-1] // '';
        return $line =~ $re;
    }, 10), $what) or diag($line);
}

sub clean {
    my ($nginx, $what) = @_;
    ok($nginx->quit, "$what: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, "$what: no alert");
}


# -- a certificate by the SN that a callback names --

for my $workers (1, 2) {
    my $before = reset_sandbox();
    my $nginx = PaygwNginx->start(http => http(), server => $Notify,
                                  workers => $workers);

    is(notify($nginx), 'success', 'sn: the configured one');
    ok($nginx->wait_for(sub { fetches() - $before == 1 }, 10),
       'sn: asked for once at the start');
    like(notify($nginx, key => 'next'), qr/^\d+ fail/,
         'sn: a new key without an SN');
    sleep 2;
    is(notify($nginx, key => 'next', set => sn($Ids->{alipay_next_cert_sn})),
       'success', 'sn: fetched');
    is(fetches() - $before, 2, 'sn: by one fetch');
    is(notify($nginx, key => 'next'), 'success', 'sn: known from now on');
    is(notify($nginx), 'success', 'sn: and the old one too');
    clean($nginx, 'sn');
}


# -- the answer on the timer names a new certificate: it is fetched at once --

{
    my $before = reset_sandbox(alipay => 'alipay_next');
    my $nginx = PaygwNginx->start(http => http(), server => $Notify);

    ok($nginx->wait_for(sub { fetches() - $before == 2 }, 4),
       'ahead: two fetches');
    ok($nginx->wait_for(sub { $nginx->log =~ /is in use/ }, 10),
       'ahead: found') or diag($nginx->log);
    is(notify($nginx, key => 'next', set => sn($Ids->{alipay_next_cert_sn})),
       'success', 'ahead: nobody had to wait');
    is(fetches() - $before, 2, 'ahead: no more');
    clean($nginx, 'ahead');
}


# -- one that does not exist; forgeries --

{
    my $before = reset_sandbox();
    local $Auto = 'auto interval=3600s retry=10s';
    my $nginx = PaygwNginx->start(http => http(), server => $Notify);

    ok($nginx->wait_for(sub { fetches() - $before == 1 }, 10), 'absent: start');
    my @got = map { notify($nginx, set => sn(sprintf '%032x', $_)) } 1 .. 20;
    like(join(' ', @got), qr/^(?:\d+ fail ?)+$/, 'absent: not accepted');
    last_is($nginx, qr/^unavailable keyring/, 'absent: undecided');
    is(fetches() - $before, 1, 'absent: no fetch within the interval');
    notify($nginx, set => sn('A' x 32));
    last_is($nginx, qr/^refused unknown_key/, 'absent: upper case');
    notify($nginx, set => sn('a' x 31));
    last_is($nginx, qr/^refused unknown_key/, 'absent: too short');
    ok($nginx->wait_for(
           sub { $nginx->log =~ /provider has no such certificate/ }, 40),
       'absent: the provider says so') or diag($nginx->log);
    clean($nginx, 'absent');
}


# -- ids that a stranger makes up do not keep a new certificate out --

# one that comes again and again; more than are remembered; a turn each, all
# of them together more often than the genuine one ever comes

for my $ids (1, 40) {
    my $before = reset_sandbox();
    my $nginx = PaygwNginx->start(http => http(), server => $Notify);

    ok($nginx->wait_for(sub { fetches() - $before == 1 }, 10), 'flood: start');

    for (1 .. 80) {
        notify($nginx, set => sn(sprintf '%032x', 1 + $_ % $ids));
    }

    $Sandbox->keys(alipay => 'alipay_next');
    my $begin = time;
    my $got = '';
    my $next = sn($Ids->{alipay_next_cert_sn});

    while (time - $begin < 30 && $got ne 'success') {
        notify($nginx, set => sn(sprintf '%032x', 1 + $_ % $ids)) for 1 .. 10;
        $got = notify($nginx, key => 'next', set => $next);
        select undef, undef, undef, 0.1;
    }

    is($got, 'success', "flood: $ids: the genuine one is taken")
        or diag($nginx->log);
    clean($nginx, "flood: $ids");
}


# -- keys change while an answer is on its way --

# hands a connection on to the sandbox after a while

sub late {
    my ($seconds) = @_;

    my $listen = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1')
        or die "no free port: $!";
    my $pid = fork;
    return ($pid, $listen->sockport) if $pid;

    $SIG{TERM} = 'DEFAULT';
    while (my $c = $listen->accept) {
        my $head = '';
        while ($head !~ /\r\n\r\n/) {
            sysread $c, $head, 65536, length $head or last;
        }
        my ($len) = $head =~ /\nContent-Length: (\d+)/;
        while (length($head) < index($head, "\r\n\r\n") + 4 + ($len || 0)) {
            sysread $c, $head, 65536, length $head or last;
        }
        select undef, undef, undef, $seconds;
        my $up = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $Sandbox->{port});
        syswrite $up, $head;
        local $/;
        print $c scalar <$up>;
        close $c;
    }
    POSIX::_exit(0);
}

{
    my $file = "$Sandbox->{tmp}/alipay_cert.crt";
    my $put = sub {
        File::Copy::copy("$Dir/alipay_cert.crt", "$file.new") or die $!;
        rename "$file.new", $file or die $!;
    };
    $put->();
    reset_sandbox();
    my ($pid, $port) = late(2.5);

    my $http = http() =~ s/interval=\w+/interval=2s/r
                      =~ s/endpoint \S+;/endpoint http:\/\/127.0.0.1:$port;/r
                      =~ s/alipay_cert \S+;/alipay_cert $file;/r;

    my $nginx = do {
        # what was freed is not what it was
        local $ENV{MALLOC_PERTURB_} = 85;
        PaygwNginx->start(http => $http, server => $Notify);
    };

    my $before = fetches();
    my $end = time + 20;

    while (time < $end && fetches() - $before < 3) {
        $put->();
        select undef, undef, undef, 0.7;
    }

    cmp_ok(fetches() - $before, '>=', 3, 'meanwhile: fetches');
    unlike($nginx->log, qr/keys of the provider were refused/,
           'meanwhile: nothing wrong with the answers') or diag($nginx->log);
    clean($nginx, 'meanwhile');

    kill 'TERM', $pid;
    waitpid $pid, 0;
    $? = 0;
}


# -- lies --

my %Lies = (
    bad_signature => qr/were refused: /,
    unsigned => qr/refused: answer is not signed/,
    wrong_chain => qr/were refused: /,
    merchant => qr/were refused: it is of another organization than/,
    wrong_serial => qr/were refused: /,
    garbage => qr/refused: invalid JSON/,
    huge => qr/cannot be fetched: body is too large/,
    truncated => qr/cannot be fetched: response was cut/,
    error => qr/cannot be fetched: status is 5xx/,
    missing => qr/refused: status is not 200/,
);

for my $lie (sort keys %Lies) {
    reset_sandbox(lie => $lie, alipay => 'alipay_next');
    my $nginx = PaygwNginx->start(http => http(), server => $Notify);

    ok($nginx->wait_for(sub { $nginx->log =~ $Lies{$lie} }, 8),
       "$lie: says why") or diag($nginx->log);
    my $got = notify($nginx, key => 'next',
                     set => sn($Ids->{alipay_next_cert_sn}));
    like($got, qr/^\d+ fail/, "$lie: not known");
    unlike($nginx->log, qr/is in use/, "$lie: nothing is used");
    $Sandbox->keys(alipay => 'alipay');
    is(notify($nginx), 'success', "$lie: the old key is kept");
    clean($nginx, $lie);
}

for my $honest ('slash', 'chunked') {
    reset_sandbox(lie => $honest, alipay => 'alipay_next');
    my $nginx = PaygwNginx->start(http => http(), server => $Notify);
    ok($nginx->wait_for(sub { $nginx->log =~ /is in use/ }, 4),
       "$honest: understood") or diag($nginx->log);
    clean($nginx, $honest);
}

done_testing();
