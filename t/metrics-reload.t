# Counters are shared by the workers, survive a reload, and begin anew with
# nginx.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use IO::Socket::INET ();
use MIME::Base64 ();

use PaygwMetrics;
use PaygwNginx;
use PaygwTest ();

my $Shop = PaygwTest::shop_port();
my $Keys = PaygwTest::keys_dir();
my $Log = PaygwProcess::folder('pids') . '/pids';
my $Port = PaygwProcess::free_port();

sub channel {
    my ($name, $mchid) = @_;
    return <<"CONF";
    paygw_channel $name {
        provider             wechat_v3;
        appid                wxd678efh567hg6787;
        mchid                $mchid;
        apiv3_key            file:$Keys/apiv3.key;
        platform_public_key  PUB_KEY_ID_0119000091912024 $Keys/wx_pub.pem;
    }
CONF
}

# each worker has a socket of its own, so that none takes all callbacks

sub http {
    my ($zone, $notify, @channels) = @_;
    return "    log_format pid '\$pid';\n    paygw_zone metrics:$zone;\n"
        . join('', @channels) . <<"CONF";
    server {
        listen 127.0.0.1:$Port reuseport;
        location = /n {
            access_log    $Log pid;
            paygw_notify  $notify;
            proxy_pass    http://127.0.0.1:$Shop;
        }
    }
CONF
}

my $Metrics = 'location = /metrics { paygw_metrics; }';

my ($wx, $wx2) = (channel('wx', '1900009191'), channel('wx2', '1900009192'));

sub send_to {
    my $nginx = shift;
    my $m = PaygwTest::peer('wechat', order_id => "M$$-" . int rand 1e9,
                            key => 'wx_pub', uri => '/n', @_);
    my $body = MIME::Base64::decode_base64($m->{body});
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $Port,
                                  Timeout => 5) or die "connect: $!";
    print $s "POST /n HTTP/1.1\r\nHost: x\r\n"
        . join('', map { "$_->[0]: $_->[1]\r\n" }
               grep { $_->[0] !~ /^(?:host|content-length|connection)$/i }
               @{ $m->{headers} })
        . 'Content-Length: ' . length($body) . "\r\nConnection: close\r\n\r\n"
        . $body;
    $s->flush;
    my $got = do { local $/; <$s> } // '';
    return $got =~ m{^HTTP/1\.1 (\d+)} ? $1 : 0;
}

sub getter {
    my $nginx = shift;
    return sub { return $nginx->get('/metrics') . "\n" };
}

sub pids {
    open my $fh, '<', $Log or return;
    my %pids = map { ($_, 1) } <$fh>;
    return keys %pids;
}

sub taken {
    return "paygw_callbacks_total{channel=$_[0],provider=wechat_v3,reason=,"
           . 'result=taken}';
}

PaygwTest::shop_plan();


# -- two workers --

{
    my $nginx = PaygwNginx->start(http => http('1m', 'wx', $wx),
                                  server => $Metrics, workers => 2);
    my $n = 0;

    while ($n < 500 && pids() < 2) {
        last if send_to($nginx) != 204;
        $n++;
    }
    is(scalar(pids()), 2, "two workers have taken $n callbacks");
    counts_ok(getter($nginx), { taken('wx') => $n }, 'they sum up')
        for 1 .. 3;


    # -- a reload --

    my ($before) = metrics_of(getter($nginx)->())->{samples};
    ok($nginx->reload, 'reload');
    my $after = metrics_of(getter($nginx)->())->{samples};
    is($after->{$_}, $before->{$_}, "reload: $_")
        for taken('wx'), 'paygw_start_time_seconds',
            'paygw_store_operations_total{operation=claim}';
    is(join("\n", sort keys %$after), join("\n", sort keys %$before),
       'reload: the same samples');
    is($after->{paygw_zone_free_bytes}, $before->{paygw_zone_free_bytes},
       'reload: no more memory');
    is(send_to($nginx), 204);
    counts_ok(getter($nginx), { taken('wx') => $n + 1 },
              'reload: they go on');


    # -- a channel more, one less, and back --

    ok($nginx->reload(http => http('1m', 'wx', $wx, $wx2)), 'a channel');
    counts_ok(getter($nginx), { taken('wx') => $n + 1, taken('wx2') => 0 },
              'another channel has its own');

    ok($nginx->reload(http => http('1m', 'wx2', $wx2)), 'and one less');
    my $less = metrics_of(getter($nginx)->())->{samples};
    ok(!exists $less->{taken('wx')}, 'what is not configured is not shown');
    is(send_to($nginx, mchid => '1900009192'), 204);
    counts_ok(getter($nginx), { taken('wx2') => 1 }, 'the other one counts');

    ok($nginx->reload(http => http('1m', 'wx wx2', $wx, $wx2)), 'it is back');
    counts_ok(getter($nginx), { taken('wx') => $n + 1, taken('wx2') => 1 },
              'it goes on where it was');


    # -- nobody shows them: nothing is counted --

    ok($nginx->reload(http => http('1m', 'wx', $wx, $wx2),
                      server => 'location = /s { return 200; }'),
       'nothing is shown');
    is(send_to($nginx), 204);
    ok($nginx->reload(http => http('1m', 'wx wx2', $wx, $wx2)),
       'and shown again');
    counts_ok(getter($nginx), { taken('wx') => $n + 1, taken('wx2') => 1 },
              'what nobody could see was not counted');

    ok($nginx->quit, 'quits');
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');


    # -- a restart --

    $nginx = PaygwNginx->start(http => http('1m', 'wx', $wx),
                               server => $Metrics);
    my $new = metrics_of(getter($nginx)->())->{samples};
    is($new->{taken('wx')}, 0, 'a restart begins anew');
    ok($new->{paygw_start_time_seconds}
       >= $before->{paygw_start_time_seconds}, 'and says so');


    # -- a worker that is killed has lost nothing --

    is(send_to($nginx), 204) for 1 .. 3;
    counts_ok(getter($nginx), { taken('wx') => 3 }, 'counted');
    my ($worker) = $nginx->workers;
    kill 'KILL', $worker;
    ok($nginx->wait_for(sub { my @w = $nginx->workers;
                              @w && $w[0] != $worker }, 10), 'another worker');
    counts_ok(getter($nginx), { taken('wx') => 3 }, 'killed: counted');
    $nginx->quit;
}


# -- a zone that has no room --

{
    my $many = join '', map { channel("c$_", 1900000000 + $_) } 1 .. 40;
    my $said = PaygwNginx->test(http => http('64k', 'c1', $many),
                                server => $Metrics);
    like($said, qr/\[emerg\]/, 'too small: an error');
    like($said, qr/zone "metrics" is too small for the counters of "channel:/,
         'too small: it says so');

    # what is counted must leave room for what is kept

    for my $n (1 .. 40) {
        my $some = join '', map { channel("c$_", 1900000000 + $_) } 1 .. $n;
        $said = PaygwNginx->test(http => http('64k', 'c1', $some),
                                 server => $Metrics);
        last if $said =~ /\[emerg\]/;
    }
    like($said, qr/zone "metrics" is too small, its counters leave no room/,
         'too small: for anything else');

    my $nginx = PaygwNginx->start(http => http('64k', 'wx', $wx),
                                  server => $Metrics);
    is(send_to($nginx), 204);
    counts_ok(getter($nginx), { taken('wx') => 1 }, 'small');

    ok($nginx->reload(http => http('64k', 'wx', $wx, $many)),
       'full: a reload goes on');
    like($nginx->log, qr/\[alert\].*could not allocate counters of "channel:/,
         'full: it says so');
    is(send_to($nginx), 204, 'full: callbacks go on');
    my $have = counts_ok(getter($nginx), { taken('wx') => 2 },
                         'full: what has a block is counted');
    ok(!exists $have->{taken('c40')}, 'full: the others are not shown');
    is(join("\n", @{ metrics_of(getter($nginx)->())->{errors} }), '',
       'full: the format');
    $nginx->quit;
}

done_testing();
