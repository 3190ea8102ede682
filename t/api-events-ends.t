# GET /orders/ID/events: when a stream ends, how many there may be, and what is
# counted of them.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Digest::SHA ();
use IO::Select ();
use MIME::Base64 ();
use Time::HiRes ();

use PaygwApi;
use PaygwNginx;
use PaygwPeer qw(begin_call call);
use PaygwProcess ();
use PaygwRedis;
use PaygwTest ();

my $Redis = ($ENV{PAYGW_TEST_STORE} // '') eq 'redis'
            ? PaygwRedis->start : undef;
my $Slow = $PaygwNginx::Slow;
my $Peer = PaygwPeer->start;
my $Secret = 'an events secret of a test';
my $H2 = PaygwProcess::free_port();

my $Store = $Redis ? '    paygw_store redis://127.0.0.1:' . $Redis->port
                     . ' timeout=' . 1500 * $Slow . "ms;\n" : '';

my $Events = "paygw_events \"k1=text:$Secret\" interval=200ms";

my $Server = "send_timeout 2s;"
    . "location /pay/ { paygw_api wxpay; $Events max=1h; }"
    . "location /few/ { paygw_api wxpay; $Events max=1h each=2; }"
    . "location /two/ { paygw_api wxpay; $Events connections=2; }"
    . 'location = /metrics { paygw_metrics; }';

my $Nginx = PaygwNginx->start(workers => 1,
    http => "    paygw_zone paygw:2m;\n    paygw_deadline 30s;\n$Store"
        . $Peer->wechat('http://127.0.0.1:' . $Peer->listen,
                        notify_url => 'https://pay.example.com/n')
        . "    server { listen 127.0.0.1:$H2 http2; $Server }\n",
    server => $Server);

sub made {
    my ($at) = @_;
    my $order = PaygwApi->new($Nginx, "/$at")->order;
    $Peer->plan({ body => '{"code_url":"weixin://x"}' });
    PaygwApi->new($Nginx, "/$at")->post('/orders', $order);
    return $order->{order_id};
}

sub path {
    my ($at, $id, $life) = @_;
    my $until = int(time + ($life // 600));
    my $mac = Digest::SHA::hmac_sha256(
        join("\n", 'paygw-events', 'wxpay', $id, $until), $Secret);
    return "/$at/orders/$id/events?token=k1.$until."
        . MIME::Base64::encode_base64url($mac);
}

sub open_stream {
    my ($path) = @_;
    my $s = begin_call($Nginx, GET => $path, keep => 1);
    heard($s, qr/CREATED/);
    return $s;
}

# what has come until it matches, or the other side has closed

sub heard {
    my ($s, $re, $seconds) = @_;
    my $end = Time::HiRes::time() + ($seconds // 10) * $Slow;
    my $sel = IO::Select->new($s->{sock});

    while ($s->{buf} !~ $re) {
        my $left = $end - Time::HiRes::time();
        last if $left <= 0;
        next if !$sel->can_read($left);
        my $n = sysread $s->{sock}, $s->{buf}, 65536, length $s->{buf};
        last if !$n;
    }

    return $s->{buf};
}

sub metric {
    my ($name) = @_;
    my $text = call($Nginx, GET => '/metrics')->{body};
    return $text =~ /^\Q$name\E (\d+)$/m ? $1 : 'none';
}

sub refused { return metric("paygw_event_streams_refused_total{cause=\"$_[0]\"}") }

# streams are counted once nginx has seen that a client has gone

sub open_is {
    my ($want, $name) = @_;
    PaygwProcess::wait_for(sub { metric('paygw_event_streams') eq $want }, 10);
    is(metric('paygw_event_streams'), $want, $name);
}

my $End = qr/\r\n0\r\n\r\n$/;


# -- the end of a token --

my $id = made('pay');

open_is(0, 'no stream at first');
is(refused($_), 0, "$_: none was refused") for qw(token connections order);

my $began = Time::HiRes::time();
my $life = 6 * $Slow;
my $s = open_stream(path('pay', $id, $life));
my $long = open_stream(path('pay', $id));

open_is(2, 'streams are counted');

like(heard($s, $End, 20), $End, 'the token is over: its stream ends');
my $took = Time::HiRes::time() - $began;
cmp_ok($took, '>', $life - 1.5, 'not before it is');
is(() = $s->{buf} =~ /^data:/mg, 1, 'nothing more was told');
unlike($long->{buf} . heard($long, $End, 0.1), $End, 'another one goes on');
open_is(1, 'one is left');

# the connection goes on as any other; the token opens no other stream

$s->{buf} = '';
print { $s->{sock} } 'GET ' . path('pay', $id, -1) . " HTTP/1.1\r\n"
    . "Host: localhost\r\nConnection: close\r\n\r\n";
$s->{sock}->flush;
like(heard($s, qr/BAD_TOKEN/), qr/^HTTP\/1\.1 403 .*BAD_TOKEN/s, 'it is over');
is(refused('token'), 1, 'over: counted');

PaygwTest::abort_client($long);
open_is(0, 'a client that leaves');


# -- how many --

my @some = map { open_stream(path('few', $id)) } 1, 2;

my $res = call($Nginx, GET => path('few', $id, 700));
is($res->{status}, 503, 'each=2: a third one of an order');
like($res->{body}, qr/RETRY-CONNECTIONS/, 'each=2: code');
is($res->{header}{'retry-after'}, 1, 'each=2: Retry-After');
is(refused('order'), 1, 'each=2: counted');

my $other = made('few');
my $third = open_stream(path('few', $other));
like($third->{buf}, qr/CREATED/, 'each=2: another order has its own');

PaygwTest::abort_client(shift @some);
open_is(2, 'one has gone');
push @some, open_stream(path('few', $id));
like($some[-1]{buf}, qr/CREATED/, 'each=2: and another one comes');

# of a worker

$res = call($Nginx, GET => path('two', $other));
is($res->{status}, 503, 'connections=2');
is(refused('connections'), 1, 'connections=2: counted');
is(refused('order'), 1, 'and nothing else is');

PaygwTest::abort_client($_) for @some, $third;
open_is(0, 'all have gone');

# the default is four

@some = map { open_stream(path('pay', $id)) } 1 .. 4;
is((grep { $_->{buf} =~ /CREATED/ } @some), 4, 'four of one order');
is(call($Nginx, GET => path('pay', $id))->{status}, 503, 'and no fifth');
PaygwTest::abort_client($_) for @some;
open_is(0, 'they have gone');


# -- a client that takes nothing: a window of HTTP/2 that never opens --

sub frame {
    my ($type, $flags, $stream, $data) = @_;
    return substr(pack('N', length $data), 1)
        . pack('CCN', $type, $flags, $stream) . $data;
}

# never indexed, no Huffman code

sub field { return pack('C C/a C/a', 0, @_) }

my $sock = PaygwTest::server_connect($H2);
print $sock "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    frame(4, 0, 0, pack('nN', 4, 0)),
    frame(1, 5, 1, field(':method', 'GET') . field(':scheme', 'http')
                   . field(':authority', 'localhost')
                   . field(':path', path('pay', $id)));
$sock->flush;
$began = Time::HiRes::time();

# whether a frame of this type has come for the stream

my $h2 = { sock => $sock, buf => '' };

sub came {
    my ($type, $seconds) = @_;
    my $end = Time::HiRes::time() + $seconds * $Slow;

    for ( ;; ) {
        my ($data, @types) = $h2->{buf};
        while (length $data >= 9) {
            my $n = unpack 'N', "\0" . substr $data, 0, 3;
            last if length $data < 9 + $n;
            push @types, unpack 'C', substr $data, 3, 1
                if (unpack 'N', substr $data, 5, 4) == 1;
            substr $data, 0, 9 + $n, '';
        }
        return 1 if grep { $_ == $type } @types;
        return 0 if Time::HiRes::time() >= $end;
        my $had = length $h2->{buf};
        heard($h2, qr/^.{@{[ $had + 1 ]}}/s, 0.2);
    }
}

ok(came(1, 10), 'a slow reader: the header has come');
open_is(1, 'a slow reader: is there');
ok(!came(0, 0), 'a slow reader: nothing of the stream has');
ok(came(3, 20), 'a slow reader: after send_timeout the stream is over');
cmp_ok(Time::HiRes::time() - $began, '>', 1.5, 'and not before');
open_is(0, 'a slow reader: has gone');


# -- a worker that is killed takes its streams along --

$s = open_stream(path('pay', $id));
open_is(1, 'a stream');
my ($worker) = $Nginx->workers;
kill KILL => $worker;
PaygwProcess::wait_for(sub { my @w = $Nginx->workers;
                             @w && $w[0] != $worker }, 10);
open_is(0, 'killed: it is not counted any more');

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:crit|emerg)\]|\[alert\](?!.* exited on signal 9)/,
       'no alert');

done_testing();
