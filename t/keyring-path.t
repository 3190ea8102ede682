# paygw_keyring_path: fetched certificates over a restart.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwNginx;
use PaygwSandbox;
use PaygwTest ();

my $Shop = PaygwTest::shop_port();
my $Sandbox = PaygwSandbox->start;
my $Dir = "$Sandbox->{tmp}/keyring";
my $File = "$Dir/wxpay.pem";
my $Root = "$Sandbox->{dir}/wechat/platform_root.crt";
my $Notify = "location = /n { paygw_notify wxpay; "
    . "proxy_pass http://127.0.0.1:$Shop; }";

sub http {
    my @more = @_;
    return ($PaygwTest::Store eq 'redis'
            ? "    paygw_store redis://127.0.0.1:$PaygwTest::RedisPort;\n"
            : '')
        . "    paygw_zone keyring:2m;\n    paygw_keyring_path $Dir;\n"
        . $Sandbox->wechat(platform_certificates =>
                               'auto interval=3600s retry=2s', @more);
}

sub start {
    my (@more) = @_;
    return PaygwNginx->start(http => http(@more), server => $Notify,
                             workers => 2);
}

sub notify {
    my ($nginx, %faults) = @_;
    my $order = $Sandbox->order('wechat_v3',
                                "http://127.0.0.1:$nginx->{port}/n");
    return $Sandbox->callback($order, %faults);
}

sub warned {
    my ($nginx, $re, $what) = @_;
    ok($nginx->wait_for(sub { $nginx->log =~ $re }, 10), $what)
        or diag($nginx->log);
}

sub slurp {
    open my $fh, '<', $_[0] or return '';
    local $/;
    return scalar <$fh>;
}

sub spew {
    my ($text, $mode) = @_;
    open my $fh, '>', $File or die "$File: $!";
    print $fh $text;
    close $fh;
    chmod $mode // 0600, $File;
}

# the provider cannot be asked
sub away { $Sandbox->keys(lie => 'error') }
sub back { $Sandbox->keys(lie => '', listed => ['a', 'b'], active => 'a') }


# -- written, and read by the next nginx --

my $nginx = start();
is(notify($nginx), 204, 'fetched');
ok($nginx->wait_for(sub { -s $File }, 10), 'written');
is((stat $File)[2] & 07777, 0600, 'for us alone');
my $Good = slurp($File);
is(() = $Good =~ /^# [0-9A-F]{40}\n-----BEGIN CERTIFICATE-----\n/mg, 2,
   'both certificates');
ok(!-e "$File.new", 'nothing half written');
my $text = `openssl x509 -in $File -noout -subject 2>&1`;
like($text, qr/Sandbox Platform/, 'openssl reads it');
ok($nginx->quit, 'quits');

away();
$nginx = start();
is(notify($nginx), 204, 'restart: known at once, though nobody answers');
is(notify($nginx, key => 'b'), 204, 'restart: both');
$nginx->quit;

$nginx = start(platform_root_certificate => $Root);
is(notify($nginx), 204, 'restart: with a root');
$nginx->quit;


# -- garbage is refused with a warning, and nginx works --

my ($cert) = $Good =~ /^(# .*?-----END CERTIFICATE-----\n)/s;
my ($id) = $cert =~ /^# (\S+)/;
my $other = slurp("$Sandbox->{dir}/wechat/apiclient_cert.pem");
my $ended = do {
    PaygwTest::make_cert('ended.crt', -1, serial => 4711);
    slurp(PaygwTest::keys_dir() . '/ended.crt');
};

my %bad = (
    'garbage' => [ "garbage\n", qr/it is malformed/ ],
    'no certificate' => [ "# $id\nx\n", qr/it holds no certificate/ ],
    'cut' => [ substr($Good, 0, 700), qr/is not used: / ],
    'another id' => [ "# 00$id\n" . ($cert =~ s/^.*\n//r),
                      qr/a certificate has another id/ ],
    'our own' => [ "# $Sandbox->{ids}{merchant_serial}\n$other",
                   qr/it is the key of our own side/ ],
    'large' => [ "# $id\n" . 'x' x 200000, qr/it is too large/ ],
);

for my $what (sort keys %bad) {
    my ($content, $why) = @{ $bad{$what} };
    spew($content);
    $nginx = start();
    warned($nginx, qr/\[warn\].*$why/,
           "$what: a warning");
    is(notify($nginx), 503, "$what: nothing of it is used");
    $nginx->quit;
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, "$what: no alert");
}

spew($Good, 0666);
$nginx = start();
warned($nginx, qr/\[warn\].*others can write it/, 'mode: a warning');
is(notify($nginx), 503, 'mode: not used');
$nginx->quit;

unlink $File;
mkdir $File or die $!;
$nginx = start();
warned($nginx, qr/\[warn\].*is not used: it is not a regular file/,
       'folder: a warning');
$nginx->quit;
rmdir $File or die $!;

SKIP: {
    skip 'only root can give a file away', 2 if $> != 0;
    spew($Good);
    chown 4711, -1, $File or die "chown: $!";
    $nginx = start();
    warned($nginx, qr/\[warn\].*it belongs to another user/,
           'owner: a warning');
    is(notify($nginx), 503, 'owner: not used');
    $nginx->quit;
    unlink $File;
}

spew(sprintf("# %X\n%s", 4711, $ended));
spew("# 1267\n$ended");
$nginx = start();
unlike($nginx->log, qr/is not used/, 'ended: no news');
is(notify($nginx), 503, 'ended: not used');
$nginx->quit;

# a certificate of somebody else, when there is a root to tell

my $forged = do {
    my $key = PaygwTest::keys_dir();
    PaygwTest::make_cert('forged.crt', 400, serial => 4712);
    slurp("$key/forged.crt");
};
spew("# 1268\n$forged");
$nginx = start(platform_root_certificate => $Root);
warned($nginx, qr/\[warn\].*is not used: /, 'forged: a warning');
$nginx->quit;


# -- and what was garbage is written anew --

back();
$nginx = start();
is(notify($nginx), 204, 'again: fetched');
ok($nginx->wait_for(sub { slurp($File) =~ /^# \Q$id\E/m }, 10),
   'again: written');
$nginx->quit;


# -- a file that cannot be written is no reason not to work --

unlink $File;
mkdir $File;
$nginx = start();
is(notify($nginx), 204, 'unwritable: fetched');
warned($nginx, qr/\[error\].*cannot be written/, 'unwritable: an error');
$nginx->quit;
rmdir $File;

done_testing();
