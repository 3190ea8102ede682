#!/usr/bin/perl
# See rotation.sh.

use strict;
use warnings;

use Time::HiRes ();

use PaygwNginx;
use PaygwSandbox;
use PaygwTest ();

use Test::More;

my $Duration = $ARGV[0] || 20;
my $Retry = 2;
my $Forged = 10000;
my $Root = $PaygwSandbox::Root;

my $Shop = PaygwTest::shop_port();
my $Sandbox = PaygwSandbox->start;
my $Dir = "$Sandbox->{dir}/alipay";

my $Server = "access_log logs/k.log k; " . join ' ',
    map { "location = /$_ { paygw_notify $_; return 200; }" }
    'wxpay', 'alipay';

my $Http = ($PaygwTest::Store eq 'redis'
    ? "    paygw_store redis://127.0.0.1:$PaygwTest::RedisPort;\n" : '')
    . "    paygw_zone keyring:32m;\n"
    . "    log_format k '\$paygw_channel \$paygw_result \$paygw_reason "
    . "\$status';\n"
    . $Sandbox->wechat(platform_certificates =>
                           "auto interval=3600s retry=${Retry}s")
    . $Sandbox->alipay_cert(alipay_cert => "$Dir/alipay_cert.crt",
                            alipay_certs =>
                                "auto interval=3600s retry=${Retry}s");

# sends callbacks at a rate; prints the statuses and how often each came

sub load {
    my (@args) = @_;
    open my $fh, '-|', '/usr/bin/python3', '-B',
         "$Root/t/tools/rotation/load.py", $Sandbox->{dir}, @args
        or die "python3: $!";
    return $fh;
}

sub statuses {
    my $fh = shift;
    my $line = <$fh> // '';
    close $fh;
    my %n = map { split /=/ } split ' ', $line;
    return \%n;
}

sub results {
    my ($nginx, $re) = @_;
    open my $fh, '<', "$nginx->{dir}/logs/k.log" or return 0;
    return scalar grep { /$re/ } <$fh>;
}


for my $provider ('wechat_v3', 'alipay') {
    my $wechat = $provider eq 'wechat_v3';
    my $name = $wechat ? 'wxpay' : 'alipay';

    $Sandbox->keys(active => 'a', listed => ['a'], alipay => 'alipay');

    my $nginx = PaygwNginx->start(http => $Http, server => $Server,
                                  workers => 2);
    my @workers = do {
        $nginx->wait_for(sub { $nginx->workers == 2 }, 5);
        sort $nginx->workers;
    };
    my $url = "http://127.0.0.1:$nginx->{port}/$name";
    my $before = $Sandbox->fetches($provider);

    # the new key is listed before it is used, and then it is the only one

    my $fh = load($provider, $url, 200, $Duration);
    sleep 2 * $Retry;
    $Sandbox->keys(listed => ['a', 'b']) if $wechat;
    Time::HiRes::sleep($Duration / 2 - 2 * $Retry);

    # load.py begins to sign with the new key at half of the time

    my $n = statuses($fh);
    my $sent = 0;
    $sent += $_ for values %$n;
    diag("$provider: $sent callbacks, answers "
         . join ' ', map { "$_: $n->{$_}" } sort keys %$n);

    cmp_ok($sent, '>=', 190 * $Duration, "$provider: the load was there");
    is(results($nginx, qr/^\S* refused /), 0, "$provider: 0 refused");
    is(($n->{good} // 0), $sent, "$provider: every one was taken");
    is(join(' ', sort $nginx->workers), join(' ', @workers),
       "$provider: 0 reloads");
    cmp_ok($Sandbox->fetches($provider) - $before, '<=', 3,
           "$provider: few fetches");

    # forgeries

    $before = $Sandbox->fetches($provider);
    my $begin = Time::HiRes::time();
    $n = statuses(load($provider, $url, 0, 0, $Forged));
    my $seconds = Time::HiRes::time() - $begin;
    my $fetches = $Sandbox->fetches($provider) - $before;
    diag(sprintf '%s: %d forgeries in %.1f s, %d fetches, answers %s',
         $provider, $Forged, $seconds, $fetches,
         join ' ', map { "$_: $n->{$_}" } sort keys %$n);

    is(($n->{good} // 0), 0, "$provider: no forgery was taken");
    cmp_ok($fetches, '<=', int($seconds / $Retry) + 1,
           "$provider: at most one fetch an interval");

    ok($nginx->quit, "$provider: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, "$provider: no alert");
}

done_testing();
