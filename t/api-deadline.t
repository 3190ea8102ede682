# paygw_api: one paygw_deadline over all steps and tries of an operation.  A
# provider answers the first step and is silent in the next one, for longer than
# any timeout: the caller hears what is known when the deadline is over, and
# what may have been done is unknown, never failed.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use IO::Socket::INET ();
use JSON::PP ();
use Time::HiRes ();

use PaygwApi;
use PaygwNginx;
use PaygwPeer ();

my $Peer = PaygwPeer->start;
my $Slow = $PaygwNginx::Slow;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Json = JSON::PP->new->utf8->canonical;
my @Notify = (notify_url => 'https://pay.example.com/n');
my $Id = 'T202501020001';
my $Ref = '20250102030405';
my %Refund = (refund_id => 'R202501020001', amount => 30);

# the timeouts of these channels are 20 seconds; nobody listens at this port

my $Closed = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp')
             or die $!;

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline ${Slow}s;\n"
        . "    paygw_binding off;\n"
        . $Peer->wechat($Url, @Notify)
        . $Peer->wechat($Url, @Notify, -name => 'tries', proxy_read_timeout =>
                            200 * $Slow . 'ms',
                        paygw_retry => '9 base=50ms jitter=0')
        . $Peer->wechat('http://127.0.0.1:' . $Closed->sockport, @Notify,
                        -name => 'dead')
        . $Peer->wechat_v2_cert($Url, @Notify)
        . $Peer->alipay($Url, @Notify) . $Peer->unionpay($Url, @Notify)
        . $Peer->stripe($Url)
        . '    paygw_route next { channel dead; channel wxpay; '
        . "strategy order; }\n",
    server => join '', map { "location /$_/ { paygw_api $_; }" }
              qw(wxpay tries wxv2 alipay unionpay stripe next));

sub wx { return { body => $Json->encode($_[0]) } }

my $Paid = wx({ out_trade_no => $Id, mchid => '1900009191', trade_state =>
                'SUCCESS', transaction_id => '4200001',
                amount => { total => 100, currency => 'CNY' } });
my $Intent = { id => 'pi_1', object => 'payment_intent', livemode =>
               JSON::PP::false, amount => 100, amount_received => 100,
               currency => 'cny', status => 'succeeded',
               metadata => { out_trade_no => $Id } };
my $Bill = wx({ hash_type => 'SHA1', hash_value => 'a' x 40, download_url =>
                'https://api.mch.weixin.qq.com/v3/billdownload/file?token=x' });

sub order { return ('/orders', PaygwApi->order(order_id => $Id, @_)) }
sub refund { return ("/orders/$Id/refunds", { %Refund, @_ }) }

# what is asked, the answers until it is silent, and the calls that there are
# then

for (
    [ 'a refund', 'wxpay', [ refund() ], [ $Paid ], 2 ],
    [ 'a refund of v2', 'wxv2', [ refund() ],
      [ { fields => { out_trade_no => $Id, total_fee => '100', trade_state =>
                      'SUCCESS', transaction_id => '4200001' } } ], 2 ],
    [ 'a refund that Alipay is asked about', 'alipay', [ refund() ],
      [ { content => $Json->encode({ code => '10000', out_trade_no => $Id,
                                     fund_change => 'N' }) } ], 2 ],
    [ 'a refund of UnionPay', 'unionpay', [ refund(ref => $Ref) ],
      [ { fields => { origRespCode => '00', txnAmt => '100', currencyCode =>
                      '156', queryId => '512501020304051234568' } } ], 2 ],
    [ 'a refund of Stripe', 'stripe', [ refund() ],
      [ wx({ object => 'search_result', data => [ $Intent ] }),
        wx({ object => 'list', has_more => JSON::PP::false,
             data => [] }) ], 3 ],
    [ 'an order', 'wxpay', [ order() ], [], 1 ],
    [ 'an order at the second channel', 'next', [ order() ], [], 1 ],
    [ 'a bill', 'wxpay', [ '/bills/wxpay/2025-01-02' ], [ $Bill ], 2 ],
) {
    my ($what, $where, $call, $answers, $count) = @$_;
    my $api = PaygwApi->new($Nginx, "/$where");

    my ($res, $took, $sent);

    # on a slow machine it may be over before the step that is meant

    for (1 .. 5) {
        $Peer->plan(@$answers, { silent => 60 });
        my $begin = Time::HiRes::time();
        $res = @$call == 1 ? $api->get(@$call) : $api->post(@$call);
        $took = Time::HiRes::time() - $begin;
        $sent = $Peer->requests;
        last if $sent == $count;
    }

    $api->problem($res, 504, 'PROVIDER-UNANSWERED', $what);
    unlike($res->{body}, qr/fail/i, "$what: not failed");
    cmp_ok($took, '>', 0.9 * $Slow, "$what: not before the deadline");
    cmp_ok($took, '<', 10 * $Slow, "$what: nor long after it");
    is($sent, $count, "$what: the calls");
}

# each of the tries is short, and all of them together are not

{
    my $api = PaygwApi->new($Nginx, '/tries');
    $Peer->plan(map { { silent => 60 } } 1 .. 12);
    my $begin = Time::HiRes::time();
    my $res = $api->get("/orders/$Id");
    my $took = Time::HiRes::time() - $begin;

    $api->problem($res, 504, 'PROVIDER-UNANSWERED', 'tries');
    cmp_ok($took, '<', 10 * $Slow, 'tries: one deadline');
    my @sent = $Peer->requests;
    cmp_ok(scalar @sent, '>', 1, 'tries: several');
    cmp_ok(scalar @sent, '<', 9, 'tries: not all of them');
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
