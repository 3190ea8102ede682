# D17, by the sandbox: each provider tells late that an order is not paid, and
# so does one that is configured.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Temp ();

use PaygwNginx;
use PaygwSandbox;
use PaygwTest ();

my %Channels = (wechat_v3 => 'wxpay', wechat_v2 => 'wxv2', alipay => 'alipay',
                unionpay => 'unionpay', stripe => 'stripe');

my $Shop = PaygwTest::shop_port();
my $Sandbox = PaygwSandbox->start;

PaygwTest::redis_start() if $PaygwTest::Store eq 'redis';

# the channel of the example, with a window that a slow machine keeps

my $Keys = File::Temp::tempdir('paygw-generic-XXXXXX', TMPDIR => 1,
                               CLEANUP => 1);
my $Paddle = do {
    open my $fh, '<', "$PaygwTest::Root/conf-examples/generic-paddle.conf"
        or die $!;
    local $/;
    my ($channel) = <$fh> =~ /^( +paygw_channel paddle \{.*?^    \}\n)/ms;
    $channel =~ s/file:[^;]+/file:$Keys\/paddle.secret/;
    $channel =~ s/back=5s forward=5s/back=300s forward=300s/;
    $channel;
};

sub paddle {
    my ($url, $order, @more) = @_;
    open my $fh, '-|', '/usr/bin/python3', '-B', '-m', 'sandbox.generic',
         '--style', 'paddle', '--dir', $Keys, '--url', $url, '--order-id',
         $order, @more or die $!;
    my ($status) = (readline($fh) // '') =~ /^(\d+)/;
    return $status;
}

# makes the keys
paddle('http://127.0.0.1:1/', 'O', '--dump');

my $Store = $PaygwTest::Store eq 'redis'
    ? "paygw_store redis://127.0.0.1:$PaygwTest::RedisPort prefix=late$$:;"
    : '';

my $nginx = PaygwNginx->start(
    http => "paygw_zone z:1m; $Store\n    include $Sandbox->{channels};\n"
            . "$Paddle    log_format late '\$paygw_channel \$paygw_result "
            . "\$paygw_reason \$status';\n",
    server => join '', "access_log logs/late.log late;\n",
                   map { "location = /$_ { paygw_notify $_; "
                         . "proxy_pass http://127.0.0.1:$Shop; }\n" }
                   values %Channels, 'paddle');

my $Lines = 0;

# the next line of the access log, which comes after the answer

sub logged {
    my @lines;
    $nginx->wait_for(sub {
        open my $fh, '<', "$nginx->{dir}/logs/late.log" or return 0;
        @lines = <$fh>;
        return @lines > $Lines && $lines[-1] =~ /\n\z/;
    }, 5);
    return ($lines[$Lines++] // '') =~ s/\n//r;
}


for my $provider (sort keys %Channels) {
    my $name = $Channels{$provider};
    my $ok = $provider eq 'wechat_v3' ? 204 : 200;
    my $url = "http://127.0.0.1:$nginx->{port}/$name";

    for my $word ('pending', 'failed') {

        # as it should come

        my $order = $Sandbox->order($provider, $url);
        is($Sandbox->callback($order, late => $word), $ok,
           "D17: $provider: $word");
        is(logged(), "$name taken - $ok", "D17: $provider: $word is taken");
        is($Sandbox->callback($order), $ok, "D17: $provider: then paid");
        is(logged(), "$name taken - $ok", "D17: $provider: that is taken");

        # and the other way round

        $order = $Sandbox->order($provider, $url);
        my $before = PaygwTest::shop_count();
        is($Sandbox->callback($order), $ok, "D17: $provider: paid");
        is(logged(), "$name taken - $ok", "D17: $provider: taken");

        for (1 .. 2) {
            is($Sandbox->callback($order, late => $word), $ok,
               "D17: $provider: late $word is acknowledged");
            is(logged(), "$name late late $ok", "D17: $provider: late $word");
        }

        is(PaygwTest::shop_count(), $before + 1,
           "D17: $provider: the shop heard of the payment only");
        like($nginx->log,
             qr/\[notice\]\ .*payment\ event\ "$name:[^"]+"\ is\ late,
                \ order\ "$order->{order_id}"\ of\ channel\ "$name"
                \ is\ known\ to\ be\ paid/x, "D17: $provider: logged");
    }
}


# refunds come and go, and change nothing of that

for my $provider (sort keys %Channels) {
    my $name = $Channels{$provider};
    my $ok = $provider eq 'wechat_v3' ? 204 : 200;
    my $order = $Sandbox->order($provider,
                                "http://127.0.0.1:$nginx->{port}/$name");

    is($Sandbox->callback($order), $ok, "D17: $provider: paid");
    is(logged(), "$name taken - $ok", "D17: $provider: taken");

    # the deliverer sends it by itself, too
    $Sandbox->post("orders/$order->{order_id}/refund?provider=$provider",
                   { notify_url => 'http://127.0.0.1:1/' });
    is($Sandbox->callback($order), $ok, "D17: $provider: refunded");
    is(logged(), "$name taken - $ok", "D17: $provider: a refund is taken");
    like(PaygwTest::shop_event((PaygwTest::shop_requests())[-1])->{type},
         qr/^refund$/, "D17: $provider: as a refund");

    is($Sandbox->callback($order, late => 'failed'), $ok,
       "D17: $provider: late after the refund");
    is(logged(), "$name late late $ok", "D17: $provider: it stays late");
}


# configured

{
    my $url = "http://127.0.0.1:$nginx->{port}/paddle";
    my @failed = ('--kind', 'transaction.payment_failed');
    my @closed = ('--kind', 'transaction.canceled');

    is(paddle($url, 'G1', @failed), 200, 'D17: generic: failed');
    is(logged(), 'paddle taken - 200', 'D17: generic: failed is taken');
    is(paddle($url, 'G1'), 200, 'D17: generic: paid');
    is(logged(), 'paddle taken - 200', 'D17: generic: paid is taken');
    is(paddle($url, 'G1', @failed), 200, 'D17: generic: failed again');
    is(logged(), 'paddle late late 200', 'D17: generic: late');
    is(paddle($url, 'G1', @closed), 200, 'D17: generic: closed');
    is(logged(), 'paddle late late 200', 'D17: generic: late, too');
    is(paddle($url, 'G2', @closed), 200, 'D17: generic: another order');
    is(logged(), 'paddle taken - 200', 'D17: generic: is not touched');
}

# a reload forgets nothing

{
    my $order = $Sandbox->order('alipay',
                                "http://127.0.0.1:$nginx->{port}/alipay");
    is($Sandbox->callback($order), 200, 'D17: before a reload');
    is(logged(), 'alipay taken - 200', 'D17: paid');
    ok($nginx->reload, 'D17: reload');
    is($Sandbox->callback($order, late => 'failed'), 200,
       'D17: after a reload');
    is(logged(), 'alipay late late 200', 'D17: late');
}

ok($nginx->quit, 'quits');
unlike($nginx->log, qr/\[(?:alert|crit|emerg|error)\]/, 'no error');

done_testing();
