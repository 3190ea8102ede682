# What is under way when nginx reloads, quits, or loses a worker.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Copy ();
use File::Temp ();
use IO::Socket::INET ();
use MIME::Base64 ();
use POSIX ();

use PaygwNginx;
use PaygwTest ();

my $Slow = $PaygwNginx::Slow;
my $Shop = PaygwTest::shop_port();
my $Keys = PaygwTest::keys_dir();

my $Channel = <<"CONF";
    paygw_zone reload:1m;
    paygw_channel wxpay {
        provider             wechat_v3;
        appid                wxd678efh567hg6787;
        mchid                1900009191;
        apiv3_key            file:$Keys/apiv3.key;
        platform_public_key  PUB_KEY_ID_0119000091912024 $Keys/wx_pub.pem;
        lease                10s;
    }
CONF

my $Port = PaygwProcess::free_port();

sub http {
    my ($location, $more) = @_;
    return $Channel . ($more // '') . "    server {\n"
        . "        listen 127.0.0.1:$Port;\n        $location\n    }\n";
}

my $Proxy = "location = /n { paygw_notify wxpay; paygw_deliver_timeout 8s; "
    . "proxy_pass http://127.0.0.1:$Shop; }";

sub callback {
    my $m = PaygwTest::peer('wechat', order_id => "R$$-" . int rand 1e9,
                            key => 'wx_pub', uri => '/n');
    my $body = MIME::Base64::decode_base64($m->{body});
    return "POST /n HTTP/1.1\r\nHost: x\r\n"
        . join('', map { "$_->[0]: $_->[1]\r\n" }
               grep { $_->[0] !~ /^(?:host|content-length|connection)$/i }
               @{ $m->{headers} })
        . 'Content-Length: ' . length($body) . "\r\nConnection: close\r\n\r\n"
        . $body;
}

sub begin {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $Port,
                                  Timeout => 5) or die "connect: $!";
    print $s $_[0];
    $s->flush;
    return $s;
}

sub finish {
    my $s = shift;
    my $got = '';
    local $SIG{ALRM} = sub { die "timed out\n" };
    alarm 20 * $Slow;
    eval { 1 while sysread $s, $got, 65536, length $got };
    alarm 0;
    my ($status) = $got =~ m{^HTTP/1\.1 (\d+)};
    return wantarray ? ($status // 0, $got) : $status // 0;
}

sub send_it { return finish(begin($_[0])) }

sub shop_got { return scalar PaygwTest::shop_requests(@_) }


# -- a reload while the shop works --

{
    my $nginx = PaygwNginx->start(http => http($Proxy), workers => 2);
    my $m = callback();

    PaygwTest::shop_plan({ status => 200, hold => 'a' });
    my $s = begin($m);
    is(shop_got(1), 1, 'reload: the shop has it');

    $nginx->signal('HUP');
    ok($nginx->wait_for(sub { $nginx->log =~ /gracefully shutting down/ }, 5),
       'reload: the old workers end');
    is(send_it($m), 503, 'reload: a new worker knows that it is under way');

    PaygwTest::shop_release('a');
    is(finish($s), 204, 'reload: the old worker acks');
    is(send_it($m), 204, 'reload: a new worker knows that it is done');
    is(shop_got(), 1, 'reload: one delivery');

    ok($nginx->quit, 'reload: quits');
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'reload: no alert');
}


# -- no callback waits for memory of the zone: each worker has it, old or new --

SKIP: {
    my ($major, $minor) = split /\./, (POSIX::uname())[2];
    skip 'Linux before 5.14 takes a page when it is written', 5
        if $major < 5 || ($major == 5 && $minor < 14);

    my $had = sub {
        open my $fh, '<', "/proc/$_[0]/status" or return 0;
        my ($kb) = join('', <$fh>) =~ /^RssShmem:\s+(\d+) kB/m;
        return $kb // 0;
    };
    my $large = http($Proxy) =~ s/reload:1m/reload:8m/r;
    my $nginx = PaygwNginx->start(http => $large, workers => 2);
    my @old;
    $nginx->wait_for(sub { (@old = $nginx->workers) == 2 }, 5);
    ok($nginx->wait_for(sub { $had->($old[$_]) >= 8192 }, 5),
       "memory: worker $_") for 0, 1;

    $nginx->signal('HUP');
    my @new;
    ok($nginx->wait_for(sub {
        @new = grep { my $w = $_; !grep { $_ == $w } @old } $nginx->workers;
        @new == 2 }, 10), 'memory: new workers');
    ok($nginx->wait_for(sub { $had->($new[$_]) >= 8192 }, 5),
       "memory: new worker $_") for 0, 1;
    $nginx->quit;
}


# -- quit while the shop works --

{
    my $nginx = PaygwNginx->start(http => http($Proxy));

    PaygwTest::shop_plan({ status => 200, hold => 'a' });
    my $s = begin(callback());
    shop_got(1);
    $nginx->signal('QUIT');
    select undef, undef, undef, 0.2;
    PaygwTest::shop_release('a');
    is(finish($s), 204, 'quit: acked');
    ok($nginx->quit, 'quit: quits');
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'quit: no alert');
}


# -- a worker is killed while the shop works: the lease ends it --

{
    my $nginx = PaygwNginx->start(http => http($Proxy));
    my $m = callback();

    PaygwTest::shop_plan({ status => 200, hold => 'never' });
    my $s = begin($m);
    shop_got(1);
    kill 'KILL', $nginx->workers;
    is(finish($s), 0, 'killed: no ack');
    ok($nginx->wait_for(sub { eval { send_it($m) } }, 5), 'killed: a new one');
    is(send_it($m), 503, 'killed: the lease stands');

    my $status;
    ok($nginx->wait_for(sub { ($status = send_it($m)) == 204 }, 30),
       'killed: the lease ends');
    my @req = PaygwTest::shop_requests(2);
    is(scalar @req, 2, 'killed: delivered again');
    is(PaygwTest::shop_header($req[1], 'X-Paygw-Delivery'), 2,
       'killed: and says so');
    is(PaygwTest::shop_header($req[0], 'X-Paygw-Event-Id'),
       PaygwTest::shop_header($req[1], 'X-Paygw-Event-Id'), 'killed: same id');
    $nginx->quit;
}


# -- a configuration without a callback location is read and rejected: the
#    chain of filters is the process's, and stays --

{
    my $location = 'location = /n { paygw_notify wxpay; '
                   . 'return 200 "leak"; }';
    my $nginx = PaygwNginx->start(http => http($location));

    my ($status, $raw) = send_it(callback());
    is($status, 204, 'rejected: before');

    my $busy = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
    $nginx->configure(http => http('location / { return 404; }',
        '    server { listen 127.0.0.1:' . $busy->sockport . "; }\n"));
    $nginx->signal('HUP');
    ok($nginx->wait_for(sub { $nginx->log =~ /still could not bind/ }, 10),
       'rejected: the new configuration');

    my @old = $nginx->workers;
    kill 'KILL', @old;
    ok($nginx->wait_for(sub { my @w = $nginx->workers;
                              @w && $w[0] != $old[0] }, 5),
       'rejected: another worker');

    ($status, $raw) = send_it(callback());
    is($status, 204, 'rejected: after');
    unlike($raw, qr/leak/, 'rejected: nothing of the shop');
    $nginx->quit;
}


# -- the module comes from another file after a reload, while a worker with
#    the old one is still at work --

{
    my $modules = $ENV{TEST_NGINX_LOAD_MODULES};
    my ($own) = $modules =~ m{(\S*/ngx_http_paygw_module\.so)};
    my $copy = File::Temp->new(SUFFIX => '.so');
    File::Copy::copy($own, $copy->filename) or die $!;

    PaygwTest::shop_plan({ status => 200 });
    my $nginx = PaygwNginx->start(http => http($Proxy));
    my @done = map { callback() } 1 .. 4;
    is(send_it($_), 204, 'another file: before') for @done;

    PaygwTest::shop_plan({ status => 200, hold => 'b' });
    my $slow = callback();
    my $s = begin($slow);
    is(shop_got(1), 1, 'another file: the shop works');

    my @old = $nginx->workers;
    local $ENV{TEST_NGINX_LOAD_MODULES} = $modules =~ s/\Q$own/$copy/r;
    $nginx->configure(http => http($Proxy));
    $nginx->signal('HUP');
    ok($nginx->wait_for(sub { grep { my $w = $_; !grep { $_ == $w } @old }
                              $nginx->workers }, 10),
       'another file: a new worker');

    is(send_it($slow), 503, 'another file: it knows what is under way');
    is(send_it($_), 204, 'another file: it knows what is done') for @done;
    is(shop_got(), 1, 'another file: nothing is delivered again');
    PaygwTest::shop_plan({ status => 200 });
    is(send_it($_), 204, 'another file: after') for map { callback() } 1 .. 4;
    PaygwTest::shop_release('b');
    is(finish($s), 204, 'another file: the old worker acks');
    is(send_it($slow), 204, 'another file: it knows what was done since');
    is(shop_got(), 4, 'another file: the new ones were delivered');

    $nginx->quit;
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/,
           'another file: no alert');
}

done_testing();
