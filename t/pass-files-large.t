# Files of megabytes through paygw_pass: providers and callers that are slow,
# or leave, and what a worker has in memory meanwhile.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Time::HiRes ();

use PaygwFiles qw(content sha begin_fetch end_fetch fetch);
use PaygwNginx;
use PaygwTest ();

my $MB = 1024 * 1024;
my $Files = PaygwFiles->start;
my $File = '/wx/v3/billdownload/file?token=';
my $Size = 4 * $MB + 12345;
my $Plain = content($Size);
my $Sha1 = 'sha1=' . sha(1, $Plain);
my $N = 0;

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    log_format k '\$paygw_result \$paygw_reason \$status';\n"
        . $Files->channel
        . $Files->channel(-name => 'patient', proxy_read_timeout => '60s'),
    server => 'access_log logs/k.log k;'
        . 'location /wx/ { paygw_pass wxpay; }'
        . 'location /patient/ { paygw_pass patient; }'
        . 'location /hasty/ { paygw_pass patient; send_timeout 1s; }');

sub uri {
    my ($args, $at) = @_;
    $N++;
    return (($at // $File) . "t$N&size=$Size&$args", "t$N");
}

sub get {
    my ($args, %o) = @_;
    my ($uri) = uri($args);
    return fetch($Nginx, $uri, heads => { 'X-Expected-Hash' => $Sha1 }, %o);
}

sub whole_ok {
    my ($res, $what) = @_;
    is(join(' ', map { $_ // '-' } @$res{qw(status whole)},
            length $res->{body}, $res->{header}{'x-paygw-verified'}),
       "200 1 $Size sha1", "$what: all of it");
    ok($res->{body} eq $Plain, "$what: as it is");
}

sub lines {
    my $re = shift;
    open my $fh, '<', "$Nginx->{dir}/logs/k.log" or return 0;
    return scalar grep { /$re/ } <$fh>;
}

sub memory {
    my ($pid) = $Nginx->workers;
    open my $fh, '<', "/proc/$pid/status" or return 0;
    my ($kb) = map { /^VmHWM:\s+(\d+)/ ? $1 : () } <$fh>;
    return $kb // 0;
}


# -- fast and slow, on either side --

my $Before = memory();

for my $frame (qw(length chunked)) {
    whole_ok(get("frame=$frame"), "$frame, fast");
    whole_ok(get("frame=$frame&piece=40000&slow=2"),
             "$frame, slow upstream");
    whole_ok(get("frame=$frame&piece=1000"), "$frame, small pieces");
    whole_ok(get("frame=$frame", slow => 0.004), "$frame, slow caller");
    whole_ok(get("frame=$frame&piece=40000&slow=2", slow => 0.004),
             "$frame, slow upstream, slow caller");
    whole_ok(get("frame=$frame&piece=500000&slow=50", slow => 0.002),
             "$frame, in bursts");

    my $res = get("frame=$frame&flip=1", slow => 0.002);
    is("$res->{whole} $res->{closed}", '0 1', "$frame: another file");

    $res = get("frame=$frame&cut=" . 3 * $MB, slow => 0.002);
    is("$res->{whole} $res->{closed}", '0 1', "$frame: short");
}

# the last ones still have bytes on their way when all has come

{
    my @s = map { begin_fetch($Nginx, (uri('frame=chunked'))[0],
                              heads => { 'X-Expected-Hash' => $Sha1 }) }
            1 .. 6;
    Time::HiRes::sleep(1);
    whole_ok(end_fetch($_), 'at once') for @s;
}


# -- a caller that does not read makes the provider wait --

{
    my $size = 40 * $MB;
    my $token = 'wait';
    my $s = begin_fetch($Nginx, "$File$token&size=$size");
    my ($sent, $same) = (0, 0);

    # until nothing moves any more
    for (1 .. 100) {
        Time::HiRes::sleep(0.1);
        my $now = $Files->note($token)->{sent} // 0;
        $same = $now && $now == $sent ? $same + 1 : 0;
        $sent = $now;
        last if $same == 10;
    }

    cmp_ok($sent, '<', $size - 8 * $MB, 'not read: the provider waits');

    my $res = end_fetch($s);
    is("$res->{status} $res->{whole} " . length $res->{body}, "200 1 $size",
       'not read: then all of it');
    ok($res->{body} eq content($size), 'not read: as it is');
}

SKIP: {
    skip 'sanitizers keep what is freed', 1 if $ENV{TEST_NGINX_LD_PRELOAD}
        || $ENV{TEST_NGINX_USE_VALGRIND} || $ENV{ASAN_OPTIONS};
    # at once were six, each with what has been held back, and its buffers
    cmp_ok(memory() - $Before, '<', 20 * 1024, 'no file is in memory');
}


# -- a caller that leaves ends it --

my $Unanswered = lines(qr/^unanswered - 200$/);

for my $args ('slow=50&frame=chunked', 'stall=100000') {
    my ($uri, $token) = uri($args, '/patient/v3/billdownload/file?token=');
    my $s = begin_fetch($Nginx, $uri);
    sysread $s, my $some, 1000;
    like($some, qr/^HTTP\/1\.1 200 /, "leaves, $args: it has begun");
    close $s;
    ok($Nginx->wait_for(sub { $Files->note($token)->{end} }, 20),
       "leaves, $args: the provider sees it");
}

# one who takes it too slowly is no failure of the provider

{
    my $size = 40 * $MB;
    my $none = lines(qr/^- - 200$/);
    my $s = begin_fetch($Nginx, "/hasty/v3/billdownload/file?token=hasty"
                                . "&size=$size");
    ok($Nginx->wait_for(sub { lines(qr/^- - 200$/) > $none }, 20),
       'too slow: no result');
    is(lines(qr/^unanswered - 200$/), $Unanswered, 'too slow: none of it');
    unlike($Nginx->log, qr/not to be used, .*GET \/hasty/,
           'too slow: nothing in the log');
    close $s;
}

{
    my $s = begin_fetch($Nginx, (uri('stall=3000000&frame=chunked'))[0],
                        heads => { 'X-Expected-Hash' => $Sha1 });
    sysread $s, my $some, 100_000;
    my @old = $Nginx->workers;
    $Nginx->signal('HUP');
    Time::HiRes::sleep(0.3);
    close $s;
    ok($Nginx->wait_for(sub { my %now = map { $_ => 1 } $Nginx->workers;
                              !grep { $now{$_} } @old }, 30),
       'leaves: no old worker stays');
}


# -- a reload --

{
    my $s = begin_fetch($Nginx, (uri('slow=3&frame=chunked'))[0],
                        heads => { 'X-Expected-Hash' => $Sha1 });
    Time::HiRes::sleep(0.3);
    $Nginx->signal('HUP');
    whole_ok(end_fetch($s), 'reload: goes on');
}

unlike($Nginx->log, qr/\[(?:alert|emerg|crit)\]/, 'no alerts');

done_testing();
