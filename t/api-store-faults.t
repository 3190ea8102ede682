# A step of the store that fails while the others do not: what is not noted is
# not sent.  Between nginx and Redis is a relay that refuses what it is told to.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

BEGIN {
    plan(skip_all => 'the store is a zone')
        if ($ENV{PAYGW_TEST_STORE} // '') eq 'zone';
}

use File::Temp ();
use IO::Socket::INET ();

use FakeRedis;
use PaygwApi;
use PaygwNginx;
use PaygwPeer ();
use PaygwRedis;

my $Redis = PaygwRedis->start;
my $Dir = File::Temp::tempdir('paygw-faults-XXXXXX', TMPDIR => 1,
                              CLEANUP => 1);

# one reply, as it came

sub reply {
    my $s = shift;
    my $line = readline $s // return '';
    return $line if $line =~ /^[-+:]/ || $line =~ /^[\$*]-1/;
    if ($line =~ /^\$(\d+)/) {
        read $s, my $data, $1 + 2;
        return $line . $data;
    }
    my ($n) = $line =~ /^\*(\d+)/;
    return join '', $line, map { reply($s) } 1 .. $n;
}

# EVALSHA SHA 2 ORDER REFUNDS VERB ...: what is refused is a VERB of an ORDER

my $Relay = FakeRedis->start(sub {
    my $conn = shift;
    my $to = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                   PeerPort => $Redis->port) or return;
    while (my @c = $conn->read) {
        my ($key, $verb) = @c > 5 ? @c[3, 5] : ('', '');
        open my $fh, '<', "$Dir/fault" or die "fault: $!";
        chomp(my ($bad, $of) = <$fh>);
        if ($verb eq $bad && $key =~ /$of/) {
            $conn->write("-ERR refused by the test\r\n");
            next;
        }
        print $to '*' . @c . "\r\n",
                  map { '$' . length($_) . "\r\n$_\r\n" } @c;
        $to->flush;
        $conn->write(reply($to)) or return;
    }
});

sub fault {
    my ($verb, $of) = (@_, '.');
    open my $fh, '>', "$Dir/new" or die "fault: $!";
    print $fh "$verb\n$of\n";
    close $fh;
    rename "$Dir/new", "$Dir/fault" or die "fault: $!";
}

fault('none');

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my @Of = (notify_url => 'https://pay.example.com/n', paygw_retry => 'off');

my $Nginx = PaygwNginx->start(
    http => '    paygw_store redis://127.0.0.1:' . $Relay->port
        . " prefix=faults$$: timeout=20s;\n    paygw_deadline 30s;\n"
        . "    paygw_zone faults$$:1m;\n"
        . $Peer->wechat($Url, @Of) . $Peer->unionpay($Url, @Of)
        . "    paygw_route any { channel unionpay; channel wxpay; "
        . "strategy order; }\n",
    server => 'location /up/ { paygw_api unionpay; }'
        . 'location /any/ { paygw_api any; }'
        . 'location /pass/ { paygw_pass unionpay; }');

my %Api = map { $_ => PaygwApi->new($Nginx, "/$_") } qw(up any);
my %Up = (respCode => '00', txnAmt => '100', currencyCode => '156',
          queryId => '1');

sub sent { return scalar $Peer->requests }

sub passed {
    my $id = shift;
    return PaygwPeer::call($Nginx, POST => '/pass/gateway/api/appTransReq.do',
        heads => { 'Content-Type' => 'application/x-www-form-urlencoded' },
        body => "txnType=01&txnSubType=01&bizType=000201&orderId=$id"
                . '&txnTime=20250102030405&txnAmt=100&currencyCode=156');
}

my $Made = { fields => { respCode => '00', tn => '1' } };


# -- an order whose terms, or whose home, cannot be noted --

for my $case ([ up => create => ':\\{unionpay\\}:' ],
              [ any => create => ':\\{unionpay\\}:' ],
              [ any => create => ':\\{(?!unionpay)' ])
{
    my ($name, $verb, $of) = @$case;
    my $what = "$name, $of";
    my $api = $Api{$name};
    my $order = $api->order(method => 'app');

    fault($verb, $of);
    $Peer->plan;
    $api->problem($api->post('/orders', $order), 503, 'RETRY-STORE',
                  "$what: refused");
    is(sent(), 0, "$what: nothing is sent");
    fault('none');
    $Peer->plan($Made);
    $api->ok($api->post('/orders', $order), "$what: made then");
    is(sent(), 1, "$what: sent once");
}

{
    my $id = PaygwApi::number();
    fault('create');
    $Peer->plan;
    my $res = passed($id);
    is($res->{status}, 503, 'pass: refused');
    like($res->{body}, qr/"code":"RETRY-STORE"/, 'pass: and why');
    is(sent(), 0, 'pass: nothing is sent');
    fault('none');
    $Peer->plan($Made);
    is(passed($id)->{status}, 200, 'pass: made then');
    is(sent(), 1, 'pass: sent once');
}


# -- a home that cannot be given up: the other channel is not asked --

{
    my $order = $Api{any}->order(method => 'qr');
    my $busy = { fields => { respCode => '61' } };

    fault('drop', ':\\{(?!unionpay)');
    $Peer->plan($busy);
    $Api{any}->problem($Api{any}->post('/orders', $order), 422,
                       'PROVIDER-REFUSED', 'drop: refused');
    is(sent(), 1, 'drop: by one channel');
    fault('none');
    $Peer->plan;
    $Api{any}->problem($Api{any}->post('/orders',
                           { %$order, channel => 'wxpay' }), 409,
                       'CLIENT-ORDER_MISMATCH', 'drop: it may be there',
                       field => 'channel');
    is(sent(), 0, 'drop: nobody is asked');
}


# -- a home that cannot be looked up: who names it needs none --

{
    my $api = $Api{any};
    my $order = $api->order(method => 'app');
    my $of = "/orders/$order->{order_id}";
    my $open = { fields => { %Up, origRespCode => '05' } };

    $Peer->plan($Made);
    $api->ok($api->post('/orders', $order), 'look: made');
    fault('move', ':\\{(?!unionpay)');
    $Peer->plan;
    $api->problem($api->get($of), 503, 'RETRY-STORE', 'look: where is it');
    is(sent(), 0, 'look: nobody is asked');
    $Peer->plan($open);
    $api->ok($api->get($of, channel => 'unionpay'), 'look: named',
             outcome => 'pending');
    fault('none');
    $Peer->plan($open);
    $api->ok($api->get($of), 'look: found again', outcome => 'pending');

    # a repetition asks the store for its home once

    my $n = grep { /^EVALSHA .*:\{(?!unionpay)/ } $Relay->seen;
    $Peer->plan($Made);
    $api->ok($api->post('/orders', $order), 'look: repeated');
    is(scalar(grep { /^EVALSHA .*:\{(?!unionpay)/ } $Relay->seen), $n + 1,
       'look: one step for the home');
}


# -- a refund that cannot be held, or whose time cannot be noted --

{
    my $api = $Api{up};
    my $order = $api->order(method => 'app');
    my $id = $order->{order_id};
    my $paid = { fields => { %Up, origRespCode => '00' } };
    my %refund = (refund_id => PaygwApi::number(), amount => 30);

    $Peer->plan($Made);
    $api->ok($api->post('/orders', $order), 'refund: an order');
    $Peer->plan($paid);
    $api->ok($api->get("/orders/$id"), 'refund: paid', state => 'PAID');

    for my $verb (qw(reserve stamp)) {
        fault($verb);
        $Peer->plan;
        $api->problem($api->post("/orders/$id/refunds", \%refund), 503,
                      'RETRY-STORE', "refund: $verb");
        is(sent(), 0, "refund: $verb: nothing is sent");
    }

    # it went out under a time that is known, and is the same when repeated

    fault('none');
    my @time;
    for my $code ('03', '00') {
        $Peer->plan($paid, { fields => { respCode => $code, txnAmt => '30',
                                         queryId => '2' } });
        $api->ok($api->post("/orders/$id/refunds", \%refund),
                 "refund: $code", outcome => 'pending');
        my (undef, $r) = $Peer->requests;
        push @time, $r->{body} =~ /\btxnTime=(\d+)/;
    }
    is(scalar @time, 2, 'refund: both are sent');
    is($time[1], $time[0], 'refund: as the same transaction');
}

unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

$Nginx->quit;
$Relay->stop;

done_testing();
