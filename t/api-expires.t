# An order that nobody can pay any more becomes final: the provider has nothing
# of it, and the time of "expires_in", which he was told, is over.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();

use PaygwApi;
use PaygwNginx;
use PaygwPeer ();
use PaygwTest ();

my $With = $ENV{PAYGW_TEST_STORE} || 'zone';

PaygwTest::redis_start() if $With eq 'redis';

my $Store = $With eq 'redis'
    ? 'paygw_store redis://127.0.0.1:' . PaygwTest::redis_port()
      . " prefix=over$$: timeout=5s;\n"
    : "paygw_zone over$$:1m;\n";

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Json = JSON::PP->new->utf8->canonical;
my @Of = (notify_url => 'https://pay.example.com/n', paygw_retry => 'off');

my $Nginx = PaygwNginx->start(
    workers => 2,
    http => $Store . "    paygw_deadline 30s;\n"
        . $Peer->alipay($Url, @Of) . $Peer->unionpay($Url, @Of),
    server => (join '', map { "location /$_/ { paygw_api $_;"
                              . ' paygw_status_cache off; }' }
                            qw(alipay unionpay))
        . 'location = /s { paygw_test_store; }');

my %Api = map { $_ => PaygwApi->new($Nginx, "/$_") } qw(alipay unionpay);
my $Id;

sub book {
    my ($channel, $args) = @_;
    my $res = PaygwPeer::call($Nginx, GET =>
                              "/s?op=book&key=$channel:$Id$args");
    chomp(my $got = $res->{body});
    $got =~ s/ [0-9a-f]{16}$//;
    return $got;
}

my %Said = (
    alipay => {
        ref => '', account => '',
        none => sub { { content => $Json->encode({ code => '40004', sub_code =>
                            'ACQ.TRADE_NOT_EXIST' }) } },
        open => sub { { content => $Json->encode({ code => '10000', msg =>
                            'Success', out_trade_no => $Id, trade_no => '2025',
                            trade_status => 'WAIT_BUYER_PAY',
                            total_amount => '1.00' }) } },
        paid => sub { { content => $Json->encode({ code => '10000', msg =>
                            'Success', out_trade_no => $Id, trade_no => '2025',
                            trade_status => 'TRADE_SUCCESS',
                            total_amount => '1.00' }) } },
        make => sub { { content => $Json->encode({ code => '10000', msg =>
                            'Success', out_trade_no => $Id, qr_code =>
                            'https://qr.alipay.com/x' }) } },
    },
    unionpay => {
        ref => '20250102030405', method => 'app',
        none => sub { { fields => { respCode => '34' } } },
        open => sub { { fields => { respCode => '00', origRespCode => '05',
                                    txnAmt => '100', currencyCode => '156',
                                    queryId => '1' } } },
        paid => sub { { fields => { respCode => '00', origRespCode => '00',
                                    txnAmt => '100', currencyCode => '156',
                                    queryId => '1' } } },
        make => sub { { fields => { respCode => '00', tn => '1' } } },
    },
);

for my $channel (qw(alipay unionpay)) {
    my $api = $Api{$channel};
    my $said = $Said{$channel};
    my @method = $said->{method} ? (method => $said->{method}) : ();
    my $note = $said->{ref} ? "&note=$said->{ref}" : '';

    my $ask = sub {
        my ($what, @args) = @_;
        $Peer->plan($said->{$what}->());
        return $api->get("/orders/$Id", @args);
    };

    # as it was made so many seconds ago, or is to end in so many

    my $made = sub {
        my ($end, $as) = @_;
        $Id = PaygwApi::number();
        my $args = '&verb=create&amount=100' . ($as // $note);
        $args .= '&expires=' . (time() + $end) if defined $end;
        like(book($channel, $args), qr/^ok CREATED /, "$channel: made");
    };
    my $kept = sub { (split ' ', book($channel, '&verb=look'))[1] };

    my $order = $api->order(@method, expires_in => 600);
    $Id = $order->{order_id};
    $Peer->plan($said->{make}->());
    $api->ok($api->post('/orders', $order), "$channel: with an end");
    my ($end) = book($channel, '&verb=look') =~ / \@(\d+)$/;
    cmp_ok(abs(($end // 0) - time() - 600), '<', 60, "$channel: it is kept");
    $api->ok($ask->('none'), "$channel: before it", state => 'CREATED',
             outcome => 'pending');

    $made->();
    $api->ok($ask->('none'), "$channel: without an end", state => 'CREATED',
             outcome => 'pending');
    $made->(-30);
    $api->ok($ask->('none'), "$channel: just after it", state => 'CREATED',
             outcome => 'pending');
    is($kept->(), 'CREATED', "$channel: just after it: kept");

    $made->(-70);
    $api->ok($ask->('open'), "$channel: over, and there",
             outcome => 'pending');
    isnt($kept->(), 'CLOSED', "$channel: over, and there: kept");

    $made->(-70);
    if ($said->{ref}) {
        $api->ok($ask->('none', ref => '20250102030406'),
                 "$channel: of another ref", outcome => 'pending');
        is($kept->(), 'CREATED', "$channel: of another ref: kept");
        my $known = $Id;
        $made->(-70, '');
        $api->ok($ask->('none', ref => $said->{ref}),
                 "$channel: of a ref that nobody knows", outcome => 'pending');
        is($kept->(), 'CREATED', "$channel: of such a ref: kept");
        $Id = $known;
    }
    $api->ok($ask->('none'), "$channel: over", state => 'CLOSED',
             outcome => 'failed');
    is($kept->(), 'CLOSED', "$channel: over: kept");
    $api->ok($ask->('none'), "$channel: over it is", state => 'CLOSED',
             outcome => 'failed');
    $Peer->plan;
    $api->problem($api->post('/orders', $api->order(@method, order_id => $Id,
                                                    expires_in => 600)),
                  409, 'CLIENT-ORDER_CLOSED', "$channel: not made anew",
                  state => 'CLOSED', amount => 100);
    is(scalar $Peer->requests, 0, "$channel: nor is anybody asked");
    $api->ok($ask->('paid'), "$channel: a success counts", state => 'PAID',
             outcome => 'success');
    is($kept->(), 'PAID', "$channel: a success: kept");
    $api->ok($ask->('none'), "$channel: for good", state => 'PAID',
             outcome => 'success');

    # made again before anybody has asked: it can be paid again

    $made->(-70);
    $Peer->plan($said->{make}->());
    $api->ok($api->post('/orders', $api->order(@method, order_id => $Id,
                                               expires_in => 600)),
             "$channel: made again");
    $api->ok($ask->('none'), "$channel: made again: it can be paid",
             outcome => 'pending', state => 'CREATED');
}

unlike($Nginx->log, qr/\[alert\]|\[emerg\]/, 'no alert');

$Nginx->quit;
$Peer->stop;

done_testing();
