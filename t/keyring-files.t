# Key files that change while nginx runs, without a reload.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Copy ();
use POSIX ();

use PaygwNginx;
use PaygwSandbox;
use PaygwTest ();

my $Shop = PaygwTest::shop_port();
my $Sandbox = PaygwSandbox->start;
my ($Wx, $Ali) = ("$Sandbox->{dir}/wechat", "$Sandbox->{dir}/alipay");
my $Tmp = $Sandbox->{tmp};

my $Server = join ' ', map { "location = /$_ { paygw_notify $_; "
    . "proxy_pass http://127.0.0.1:$Shop; }" } 'wxpay', 'alipay';

sub http {
    my ($alipay) = @_;
    return ($PaygwTest::Store eq 'redis'
            ? "    paygw_store redis://127.0.0.1:$PaygwTest::RedisPort;\n"
            : '')
        . "    paygw_zone keyring:2m;\n"
        . $Sandbox->wechat(platform_certificate => "$Tmp/wx.pem",
                           platform_public_key =>
                               "$Sandbox->{ids}{pub_key_id} $Tmp/pub.pem")
        . ($alipay || $Sandbox->alipay(alipay_public_key => "$Tmp/ali.pem"));
}

# written aside and renamed, as tools do it

sub put {
    my ($from, $to) = @_;
    File::Copy::copy($from, "$to.new") or die "$from: $!";
    chmod 0644, "$to.new";
    rename "$to.new", $to or die "$to: $!";
}

sub text {
    my ($text, $to) = @_;
    open my $fh, '>', "$to.new" or die $!;
    print $fh $text;
    close $fh;
    rename "$to.new", $to or die "$to: $!";
}

sub wechat {
    my ($nginx, %faults) = @_;
    my $order = $Sandbox->order('wechat_v3',
                                "http://127.0.0.1:$nginx->{port}/wxpay");
    return $Sandbox->callback($order, %faults);
}

sub alipay {
    my ($nginx, %faults) = @_;
    my $order = $Sandbox->order('alipay',
                                "http://127.0.0.1:$nginx->{port}/alipay");
    my $got = $Sandbox->post('callbacks', { %$order, faults => \%faults });
    return $got->{deliveries}[0]{accepted} ? 1 : 0;
}

sub prepare {
    put("$Wx/platform_cert_a.pem", "$Tmp/wx.pem");
    put("$Wx/pub_key.pem", "$Tmp/pub.pem");
    put("$Ali/alipay_public.pem", "$Tmp/ali.pem");
    put("$Ali/alipay_cert.crt", "$Tmp/ali.crt");
}

sub used {
    my ($nginx, $file, $n) = @_;
    return $nginx->wait_for(
        sub { $nginx->count(qr/is in use, from \Q$file\E/) >= ($n || 1) }, 5);
}


# -- a clock that was set back does not hide a change --

SKIP: {
    skip 'a compiler is needed', 2 if system('gcc --version >/dev/null 2>&1');

    open my $fh, '>', "$Tmp/clock.c" or die $!;
    print $fh <<'C';
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <unistd.h>

int
gettimeofday(struct timeval *tv, void *tz)
{
    int  (*real)(struct timeval *, void *) = dlsym(RTLD_NEXT, "gettimeofday");
    int   rc = real(tv, tz);

    if (access(BACK, F_OK) == 0) {
        tv->tv_sec -= 60;
    }

    return rc;
}
C
    close $fh;

    system('gcc', '-shared', '-fPIC', "-DBACK=\"$Tmp/back\"", '-o',
           "$Tmp/clock.so", "$Tmp/clock.c", '-ldl') == 0 or die 'gcc';

    prepare();

    my $nginx = do {
        local $ENV{TEST_NGINX_LD_PRELOAD}
            = join ':', $ENV{TEST_NGINX_LD_PRELOAD} || (), "$Tmp/clock.so";
        PaygwNginx->start(http => http(), server => $Server);
    };

    text('', "$Tmp/back");
    put("$Wx/platform_cert_b.pem", "$Tmp/wx.pem");
    ok(used($nginx, "$Tmp/wx.pem"), 'clock: seen');
    is(wechat($nginx, key => 'b'), 204, 'clock: used');

    unlink "$Tmp/back";
    $nginx->quit;
}


# -- each kind of file, with two workers --

{
    prepare();
    my $nginx = PaygwNginx->start(http => http(), server => $Server,
                                  workers => 2);
    ok($nginx->wait_for(sub { $nginx->workers == 2 }, 5), 'two workers');
    my @workers = sort $nginx->workers;

    is(wechat($nginx), 204, 'certificate: before');
    is(wechat($nginx, key => 'b'), 401, 'certificate: another');
    put("$Wx/platform_cert_b.pem", "$Tmp/wx.pem");
    ok(used($nginx, "$Tmp/wx.pem"), 'certificate: seen');
    is(wechat($nginx, key => 'b'), 204, 'certificate: the new one')
        for 1 .. 4;
    is(wechat($nginx), 401, 'certificate: not the old one') for 1 .. 4;

    is(wechat($nginx, key => 'pub'), 204, 'public key: untouched');
    is(alipay($nginx), 1, 'alipay: before');
    is(alipay($nginx, key => 'next'), 0, 'alipay: another');
    put("$Ali/alipay_next_public.pem", "$Tmp/ali.pem");
    ok(used($nginx, "$Tmp/ali.pem"), 'alipay: seen');
    like($nginx->log, qr/: key of channel "alipay" is in use, from/,
         'alipay: a key without an id');
    is(alipay($nginx, key => 'next'), 1, 'alipay: the new one');
    is(alipay($nginx), 0, 'alipay: not the old one');

    is(join(' ', sort $nginx->workers), join(' ', @workers),
       'no reload: the same workers');

    # a reload reads the files itself

    ok($nginx->reload, 'reload');
    is(wechat($nginx, key => 'b'), 204, 'reload: the new one');
    put("$Wx/platform_cert_a.pem", "$Tmp/wx.pem");
    ok($nginx->reload, 'reload: with a file that has just changed');
    is(wechat($nginx), 204, 'reload: is the one that counts');
    is(wechat($nginx, key => 'b'), 401, 'reload: and the other does not');

    ok($nginx->quit, 'files: quits');
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'files: no alert');
}


# -- an editor's mark before the text, as it may stand in what is configured --

{
    prepare();
    my $nginx = PaygwNginx->start(http => http(), server => $Server);
    open my $fh, '<', "$Ali/alipay_next_public.pem" or die $!;
    my $bare = join '', grep { !/-----/ } <$fh>;
    text("\xEF\xBB\xBF$bare", "$Tmp/ali.pem");
    ok(used($nginx, "$Tmp/ali.pem"), 'mark: skipped') or diag($nginx->log);
    is(alipay($nginx, key => 'next'), 1, 'mark: the new one');
    ok($nginx->quit, 'mark: quits');
}


# -- a broken file --

{
    prepare();
    my $nginx = PaygwNginx->start(http => http(), server => $Server);

    my %broken = (
        'garbage' => [ sub { text("garbage\n", $_[0]) },
                       qr/refused: it holds no certificate/ ],
        'empty' => [ sub { text('', $_[0]) }, qr/refused: it is empty/ ],
        'cut' => [ sub { open my $fh, '<', "$Wx/platform_cert_b.pem";
                         read $fh, my $half, 500;
                         text($half, $_[0]) },
                   qr/has changed and is refused: / ],
        'large' => [ sub { text('x' x 20000, $_[0]) },
                     qr/refused: it is empty or too large/ ],
        'own' => [ sub { put("$Wx/apiclient_cert.pem", $_[0]) },
                   qr/refused: it is the key of our own side/ ],
        'curve' => [ sub { put(PaygwTest::keys_dir() . '/ec.crt', $_[0]) },
                     qr/refused: an RSA key is needed/ ],
        'key' => [ sub { put("$Wx/pub_key.pem", $_[0]) },
                   qr/refused: it holds no certificate/ ],
    );

    for my $what (sort keys %broken) {
        my ($do, $why) = @{ $broken{$what} };
        my $at = length $nginx->log;
        $do->("$Tmp/wx.pem");
        ok($nginx->wait_for(
               sub { substr($nginx->log, $at) =~ /\[error\].*$why/ }, 4),
           "$what: an error") or diag($nginx->log);
        is(wechat($nginx), 204, "$what: the old key is kept");
        select undef, undef, undef, 1.2;
        is(() = substr($nginx->log, $at) =~ /has changed and is refused/g, 1,
           "$what: once");
    }

    # gone, then back

    unlink "$Tmp/wx.pem";
    ok($nginx->wait_for(
           sub { $nginx->log =~ /\[warn\].*cannot be read by a worker/ }, 4),
       'gone: a warning');
    is(wechat($nginx), 204, 'gone: the key is kept');
    put("$Wx/platform_cert_b.pem", "$Tmp/wx.pem");
    ok(used($nginx, "$Tmp/wx.pem"), 'back: seen');
    is(wechat($nginx, key => 'b'), 204, 'back: used');

    # a named pipe does not stop the worker

    unlink "$Tmp/wx.pem";
    POSIX::mkfifo("$Tmp/wx.pem", 0644);
    select undef, undef, undef, 1.3;
    is(wechat($nginx, key => 'b'), 204, 'pipe: nothing stops');
    unlink "$Tmp/wx.pem";

    ok($nginx->quit, 'broken: quits');
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'broken: no alert');
}


# -- a certificate of Alipay must chain to the root --

{
    prepare();
    my $nginx = PaygwNginx->start(server => $Server, http => http(
        $Sandbox->alipay_cert(alipay_cert => "$Tmp/ali.crt")));

    put("$Ali/alipay_next_cert.crt", "$Tmp/ali.crt");
    ok(used($nginx, "$Tmp/ali.crt"), 'chain: seen');
    is(alipay($nginx, key => 'next'), 1, 'chain: used');
    put("$Wx/platform_cert_a.pem", "$Tmp/ali.crt");
    ok($nginx->wait_for(sub { $nginx->log =~ /alipay_cert.*refused: / }, 4),
       'chain: another issuer is refused');
    is(alipay($nginx, key => 'next'), 1, 'chain: kept');
    $nginx->quit;
}


# -- workers that may not read a file say so --

SKIP: {
    skip 'needs root', 2 if $> != 0;

    prepare();
    chmod 0600, "$Tmp/wx.pem";
    my $nginx = PaygwNginx->start(http => http(), server => $Server,
                                  user => 'nobody nogroup');
    ok($nginx->wait_for(sub { $nginx->log
           =~ /\[warn\].*"platform_certificate".*cannot be read by a worker/ },
           4), 'unreadable: a warning') or diag($nginx->log);
    is(wechat($nginx), 204, 'unreadable: the key is used');
    $nginx->quit;
}

done_testing();
