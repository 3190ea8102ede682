# A refund that is not found yet is not paid twice: its call has no answer, a
# question that follows at once does not find it, and neither the answer to that
# nor the book lets the same money go under another id.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();

use PaygwApi;
use PaygwNginx;
use PaygwPeer qw(begin_call end_call);
use PaygwTest ();

my $With = $ENV{PAYGW_TEST_STORE} || 'zone';

PaygwTest::redis_start() if $With eq 'redis';

my $Store = $With eq 'redis'
    ? 'paygw_store redis://127.0.0.1:' . PaygwTest::redis_port()
      . " prefix=absent$$: timeout=5s;\n"
    : "paygw_zone absent$$:1m;\n";

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Json = JSON::PP->new->utf8->canonical;
my @Of = (notify_url => 'https://pay.example.com/n', paygw_retry => 'off');

my $Nginx = PaygwNginx->start(
    workers => 2,
    http => $Store . "    paygw_deadline 30s;\n"
        . $Peer->wechat($Url, @Of) . $Peer->alipay($Url, @Of)
        . $Peer->unionpay($Url, @Of),
    server => (join '', map { "location /$_/ { paygw_api $_; }" }
                            qw(wxpay alipay unionpay))
        . 'location = /s { paygw_test_store; }');

my %Api = map { $_ => PaygwApi->new($Nginx, "/$_") }
          qw(wxpay alipay unionpay);
my $Id;

# the last call of a refund has ended a minute ago

sub late {
    my ($channel, $id, $amount) = @_;
    my $res = PaygwPeer::call($Nginx, GET => "/s?op=book&verb=doubt"
                              . "&key=$channel:$Id&refund=$id&sum=$amount"
                              . '&fresh=0');
    like($res->{body}, qr/^done \w+ .* held /, "$channel: a minute later");
}

sub wx {
    my ($status, $body, @more) = @_;
    return { status => $status, body => $Json->encode($body), @more };
}

sub wx_trade {
    return wx(200, { out_trade_no => $Id, mchid => '1900009191',
                     trade_state => 'SUCCESS', transaction_id => '4200001',
                     amount => { total => 100, currency => 'CNY' } });
}

sub wx_back {
    my ($id, $amount, @more) = @_;
    return wx(200, { out_refund_no => $id, out_trade_no => $Id,
                     refund_id => '5000001', transaction_id => '4200001',
                     status => 'PROCESSING', amount =>
                     { refund => $amount, total => 100, currency => 'CNY' } },
              @more);
}

sub ali { return { content => $Json->encode({
    code => '10000', msg => 'Success', out_trade_no => $Id, @_ }) } }
sub up { return { fields => { respCode => '00', @_ } } }

my @Up = (origRespCode => '00', txnAmt => '100', currencyCode => '156',
          queryId => '512501020304051234568');
my $Lost = { reset => 1 };

# of each: what makes an order, what is said before a refund, that it was taken,
# and that it is not found

my %Said = (
    wxpay => {
        make => sub { wx(200, { code_url => 'weixin://x' }) },
        paid => \&wx_trade,
        first => sub { wx_trade() },
        taken => \&wx_back,
        none => sub { wx(404, { code => 'RESOURCE_NOT_EXISTS',
                                message => 'x' }) },
    },
    alipay => {
        make => sub { ali(qr_code => 'https://qr.alipay.com/x') },
        paid => sub { ali(trade_no => '2025', trade_status => 'TRADE_SUCCESS',
                          total_amount => '1.00') },
        first => sub { () },
        taken => sub { ali(trade_no => '2025', fund_change => 'Y', refund_fee =>
                           sprintf('%.2f', $_[1] / 100), send_back_fee =>
                           sprintf('%.2f', $_[1] / 100)) },
        none => sub { { content => '{"code":"10000"}' } },
    },
    unionpay => {
        make => sub { up(tn => '1') },
        paid => sub { up(@Up) },
        first => sub { up(@Up) },
        taken => sub { up(respCode => '05') },
        none => sub { (up(@Up), up(respCode => '34')) },
        method => 'app',
    },
);

for my $channel (qw(wxpay alipay unionpay)) {
    my $api = $Api{$channel};
    my $said = $Said{$channel};
    my $order = $api->order($said->{method} ? (method => $said->{method})
                                            : ());

    $Id = $order->{order_id};

    my $of = "/orders/$Id";
    my $refund = sub {
        my ($id, $amount, @answer) = @_;
        $Peer->plan(@answer);
        return $api->post("$of/refunds", { refund_id => $id,
                                           amount => $amount });
    };
    my $ask = sub { $Peer->plan($said->{none}->());
                    return $api->get("$of/refunds/$_[0]") };

    $Peer->plan($said->{make}->());
    $api->ok($api->post('/orders', $order), "$channel: made");
    $Peer->plan($said->{paid}->());
    $api->ok($api->get($of), "$channel: paid", state => 'PAID');

    my @ids = map { "R$_$Id" } 1, 2;
    $_ = substr $_, 0, 32 for @ids;

    # the same money under another id

    $api->problem($refund->($ids[0], 60, $said->{first}->(), $Lost), 504,
                  'PROVIDER-UNANSWERED', "$channel: the answer is lost");
    for (1, 2) {
        $api->problem($ask->($ids[0]), 502, 'PROVIDER-UNCLEAR',
                      "$channel: a question at once: not found yet");
    }
    $api->problem($refund->($ids[1], 60), 409, 'CLIENT-REFUND_TOO_MUCH',
                  "$channel: no second refund of the same money");
    is(scalar $Peer->requests, 0, "$channel: nor is it sent");
    late($channel, $ids[0], 60);

    # what is said of the payment alone is no word about the refund

    if ($channel eq 'unionpay') {
        for my $code (qw(05 ZZ 40)) {
            $Peer->plan(up(@Up, origRespCode => $code));
            $api->problem($api->get("$of/refunds/$ids[0]"), 502,
                          'PROVIDER-UNCLEAR', "unionpay: payment $code");
        }
        $api->problem($refund->($ids[1], 60), 409, 'CLIENT-REFUND_TOO_MUCH',
                      'unionpay: it is held');
    }

    $api->problem($ask->($ids[0]), 404, 'CLIENT-REFUND_NOT_FOUND',
                  "$channel: he has none");
    $api->ok($refund->($ids[1], 60, $said->{first}->(),
                       $said->{taken}->($ids[1], 60)),
             "$channel: another one then");
}

# taken, and not found; and a question while the call is under way

{
    my $api = $Api{wxpay};
    my $order = $api->order;

    $Id = $order->{order_id};

    my $of = "/orders/$Id";
    my $none = $Said{wxpay}{none};

    $Peer->plan($Said{wxpay}{make}->());
    $api->ok($api->post('/orders', $order), 'pending: made');
    $Peer->plan(wx_trade());
    $api->ok($api->get($of), 'pending: paid', state => 'PAID');
    $Peer->plan(wx_trade(), wx_back('P1', 60));
    $api->ok($api->post("$of/refunds", { refund_id => 'P1', amount => 60 }),
             'pending: refund', outcome => 'pending');
    $Peer->plan($none->());
    $api->problem($api->get("$of/refunds/P1"), 502, 'PROVIDER-UNCLEAR',
                  'pending: not found yet');
    $api->problem($api->post("$of/refunds", { refund_id => 'P2',
                                              amount => 60 }),
                  409, 'CLIENT-REFUND_TOO_MUCH', 'pending: it is held');

    # a failure is for certain, whenever it is told

    $Peer->plan(wx(200, { out_refund_no => 'P1', out_trade_no => $Id,
                          status => 'CLOSED', amount => { refund => 60,
                          total => 100, currency => 'CNY' } }));
    $api->ok($api->get("$of/refunds/P1"), 'pending: it has failed',
             outcome => 'failed');

    $Peer->plan(wx_trade(),
                wx_back('P2', 60, delay => 3 * $PaygwNginx::Slow), $none->());
    my $call = begin_call($Nginx, POST => "/wxpay$of/refunds",
        heads => { 'Content-Type' => 'application/json' },
        body => $Json->encode({ refund_id => 'P2', amount => 60 }));
    $Peer->requests(2, 20);
    $api->problem($api->get("$of/refunds/P2"), 502, 'PROVIDER-UNCLEAR',
                  'under way: not found yet');
    is($Json->decode(end_call($call, timeout => 60)->{body})->{code}, 'OK',
       'under way: taken');

    # none that was sent from here

    $Peer->plan($none->());
    $api->problem($api->get("$of/refunds/P9"), 404, 'CLIENT-REFUND_NOT_FOUND',
                  'none of ours');
}

unlike($Nginx->log, qr/\[alert\]|\[emerg\]/, 'no alert');

$Nginx->quit;
$Peer->stop;

done_testing();
