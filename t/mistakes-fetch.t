# D18, for channels that fetch keys: made-up serials, orders and accounts cost
# at most one fetch in the time of "retry", whatever comes, and nothing of the
# store.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Time::HiRes ();

use PaygwNginx;
use PaygwSandbox;
use PaygwTest ();

my $Redis = $PaygwTest::Store eq 'redis';
my $Shop = PaygwTest::shop_port();
my $Sandbox = PaygwSandbox->start;
my $Dir = $Sandbox->{dir};
my $Retry = 60;

my %Channel = (
    wechat_v3 => $Sandbox->wechat(
        platform_certificates => "auto interval=3600s retry=${Retry}s"),
    alipay => $Sandbox->alipay_cert(
        alipay_cert => "$Dir/alipay/alipay_cert.crt",
        alipay_certs => "auto interval=3600s retry=${Retry}s"),
);

my %Forged = (
    wechat_v3 => sub { (serial => sprintf('%040X', $_[0]), wrong_key => 'rogue',
                        wrong_account => $_[0] % 2 ? 'mchid' : 'appid') },
    alipay => sub { (wrong_key => 'rogue',
                     set => { alipay_cert_sn => sprintf('%032x', $_[0]),
                              out_trade_no => "made_up_$_[0]" }) },
);

my $store = $Redis ? "paygw_store redis://127.0.0.1:$PaygwTest::RedisPort "
                     . "prefix=fetch$$:;" : '';
my %name = (wechat_v3 => 'wxpay', alipay => 'alipay');

for my $provider (sort keys %Channel) {
    my $fetches = sub { $Sandbox->fetches($provider) };
    my $before = $fetches->();
    my $begin = Time::HiRes::time();

    my $nginx = PaygwNginx->start(
        http => "paygw_zone z:2m; $store\n$Channel{$provider}",
        server => "location = /n { paygw_notify $name{$provider}; "
                  . "proxy_pass http://127.0.0.1:$Shop; }", workers => 2);

    ok($nginx->wait_for(sub { $fetches->() - $before >= 1 }, 20),
       "D18: $provider: the fetch of the start");

    my $url = "http://127.0.0.1:$nginx->{port}/n";
    my $commands = $Redis ? PaygwTest::redis_commands() : 0;
    my %seen;

    for my $n (1 .. 25) {
        my $order = $Sandbox->order($provider, $url);
        $seen{$Sandbox->callback($order, $Forged{$provider}->($n))}++;
    }

    my @ok = grep { !/^(?:401|403|503)$/ } keys %seen;
    is("@ok", '', "D18: $provider: refused, or undecided");

    # each retry= seconds that have passed meanwhile may have had its own
    my $may = 1 + int((Time::HiRes::time() - $begin) / $Retry);
    cmp_ok($fetches->() - $before, '<=', $may, "D18: $provider: one fetch");

    is(PaygwTest::redis_commands() - $commands, 0,
       "D18: $provider: no command") if $Redis;
    is(PaygwTest::shop_count(), 0, "D18: $provider: nothing was delivered");

    my $order = $Sandbox->order($provider, $url);
    like($Sandbox->callback($order), qr/^20[04]$/,
         "D18: $provider: a genuine one is taken");
    cmp_ok(PaygwTest::redis_commands(), '>', $commands,
           "D18: $provider: and costs a command") if $Redis;
    is(PaygwTest::shop_count(), 1, "D18: $provider: delivered");
    PaygwTest::shop_plan();

    ok($nginx->quit, "D18: $provider: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/,
           "D18: $provider: no alert");
}

done_testing();
