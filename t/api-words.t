# paygw_api: a word that a provider has learnt is taken as pending, never as a
# failure, and the log says so, once for each answer.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();

use PaygwApi;
use PaygwNginx;
use PaygwPeer ();

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Json = JSON::PP->new->utf8->canonical;
my @Notify = (notify_url => 'https://pay.example.com/n',
              paygw_retry => 'off');
my $Id = 'T202501020001';
my $Ref = '20250102030405';
my %Refund = (refund_id => 'R202501020001', amount => 30);

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_binding off;\n"
        . "    paygw_deadline 30s;\n"
        . $Peer->wechat($Url, @Notify) . $Peer->wechat_v2_cert($Url, @Notify)
        . $Peer->alipay($Url, paygw_retry => 'off')
        . $Peer->stripe($Url, paygw_retry => 'off')
        . $Peer->unionpay($Url, @Notify),
    server => join '', map { "location /$_/ { paygw_api $_; }" }
                       qw(wxpay wxv2 alipay stripe unionpay));

# what is asked, and the answers of the provider

sub ask {
    my ($channel, $op, @plan) = @_;

    my $api = PaygwApi->new($Nginx, "/$channel");
    my %ref = $channel eq 'stripe' ? (ref => 'pi_1')
            : $channel eq 'unionpay' ? (ref => $Ref) : ();
    my $of = "/orders/$Id";

    $Peer->plan(@plan);

    return $op eq 'query' ? $api->get($of, %ref)
         : $op eq 'code' ? $api->get($of, ref => "${Ref}b")
         : $op eq 'back' ? $api->get("$of/refunds/$Refund{refund_id}",
                                     %ref, $channel eq 'unionpay'
                                     ? (ref => "$Ref-20250102030406") : ())
         : $op eq 'refund' ? $api->post("$of/refunds", { %Refund, %ref })
         : $api->post('/orders', $api->order(order_id => $Id));
}

sub body { return { body => $Json->encode($_[0]) } }

my %Wx = (out_trade_no => $Id, mchid => '1900009191',
          amount => { total => 100, refund => 30, currency => 'CNY' },
          out_refund_no => $Refund{refund_id}, refund_id => '50');
my %V2 = (out_trade_no => $Id, total_fee => '100',
          out_refund_no_0 => $Refund{refund_id}, refund_fee_0 => '30');
my %Ali = (code => '10000', out_trade_no => $Id, total_amount => '1.00',
           trade_no => '2', out_request_no => $Refund{refund_id},
           refund_amount => '0.30');
my %Pi = (id => 'pi_1', object => 'payment_intent', currency => 'cny',
          livemode => JSON::PP::false, amount => 100, amount_received => 100,
          metadata => { out_trade_no => $Id });
my %Cs = (id => 'cs_1', object => 'checkout.session', currency => 'cny',
          livemode => JSON::PP::false, amount_total => 100,
          client_reference_id => $Id);
my %Re = (id => 're_1', object => 'refund', amount => 30, currency => 'cny',
          payment_intent => 'pi_1',
          metadata => { out_refund_no => $Refund{refund_id} });
my %Up = (respCode => '00', txnAmt => '100', currencyCode => '156',
          queryId => '1');

# channel, what is asked, the field, words that are known, and the answers with
# a word in it

my @Cases = (
    [ wxpay => query => 'trade_state', [ qw(NOTPAY USERPAYING) ], sub {
        body({ %Wx, trade_state => $_[0] }) } ],
    [ wxpay => back => 'status', [ qw(PROCESSING) ], sub {
        body({ %Wx, status => $_[0] }) } ],
    [ wxv2 => query => 'trade_state', [ qw(NOTPAY USERPAYING ACCEPT) ],
      sub { { fields => { %V2, trade_state => $_[0] } } } ],
    [ wxv2 => back => 'refund_status_0', [ qw(PROCESSING) ], sub {
        { fields => { %V2, refund_status_0 => $_[0] } } } ],
    [ alipay => query => 'trade_status', [ qw(WAIT_BUYER_PAY) ], sub {
        { content => $Json->encode({ %Ali, trade_status => $_[0] }) } } ],
    [ alipay => back => 'refund_status', [], sub {
        { content => $Json->encode({ %Ali, refund_status => $_[0] }) } } ],
    [ stripe => query => 'status', [ qw(requires_payment_method
        requires_confirmation requires_action processing requires_capture) ],
      sub { body({ %Pi, status => $_[0] }) } ],
    [ stripe => back => 'status', [ qw(pending requires_action) ], sub {
        (body({ %Pi, status => 'succeeded' }),
         body({ object => 'list', has_more => JSON::PP::false,
                data => [ { %Re, status => $_[0] } ] })) } ],
    [ unionpay => query => 'origRespCode', [ qw(03 05 01 61) ], sub {
        { fields => { %Up, origRespCode => $_[0] } } } ],
    [ unionpay => code => 'origRespCode', [ qw(03 05 01 12) ], sub {
        { fields => { %Up, origRespCode => $_[0] } } } ],
    [ unionpay => back => 'origRespCode', [ qw(03 04 05) ], sub {
        ({ fields => { %Up, origRespCode => '00' } },
         { fields => { %Up, txnAmt => '30', origRespCode => $_[0] } }) } ],
    [ unionpay => refund => 'respCode', [ qw(03 04 05 A6) ], sub {
        ({ fields => { %Up, origRespCode => '00' } },
         { fields => { respCode => $_[0] } }) } ],
);

my $Lines = 0;

sub lines { return $Nginx->count(qr/sent unknown/) }

for (@Cases) {
    my ($channel, $op, $field, $known, $plan) = @$_;
    my $api = PaygwApi->new($Nginx, "/$channel");

    for my $word (@$known) {
        $api->ok(ask($channel, $op, $plan->($word)), "$channel $op: $word",
                 outcome => 'pending');
    }

    is(lines(), $Lines, "$channel $op: what is known is no news");

    my $at = length $Nginx->log;
    $api->ok(ask($channel, $op, $plan->('NEW_1')), "$channel $op: new",
             outcome => 'pending');
    is(lines(), ++$Lines, "$channel $op: one line");
    my $said = qr/channel "$channel" sent unknown $field "NEW_1" of order/;
    like(substr($Nginx->log, $at),
         qr/\[error\].* $said "$Id", taken as pending while/,
         "$channel $op: it says which");
}

# of a session the word is in one of two fields

for ([ status => status => 'NEW_2' ], [ payment_status => status => 'complete',
                                        payment_status => 'NEW_2' ])
{
    my ($field, %say) = @$_;
    $Peer->plan(body({ %Cs, %say }));
    my $api = PaygwApi->new($Nginx, '/stripe');
    $api->ok($api->get("/orders/$Id", ref => 'cs_1'), "session, $field: new",
             outcome => 'pending');
    is(lines(), ++$Lines, "session, $field: one line");
    like($Nginx->log, qr/sent unknown $field "NEW_2"/,
         "session, $field: it says which");
}

for my $word (qw(open)) {
    $Peer->plan(body({ %Cs, status => $word }));
    my $api = PaygwApi->new($Nginx, '/stripe');
    $api->ok($api->get("/orders/$Id", ref => 'cs_1'), "session: $word",
             outcome => 'pending');
}
$Peer->plan(body({ %Cs, status => 'complete', payment_status => 'unpaid' }));
PaygwApi->new($Nginx, '/stripe')->get("/orders/$Id", ref => 'cs_1');
is(lines(), $Lines, 'session: what is known is no news');

# of a code that is none of UnionPay's it is not known that it is a refusal

PaygwApi->new($Nginx, '/unionpay')->problem(
    ask(unionpay => 'create', { fields => { respCode => 'X1' } }), 502,
    'PROVIDER-UNCLEAR', 'unionpay: made or not');
is(lines(), ++$Lines, 'unionpay: one line');
like($Nginx->log, qr/unknown respCode "X1" of order "$Id", taken as unknown/,
     'unionpay: nobody knows');
PaygwApi->new($Nginx, '/unionpay')->problem(
    ask(unionpay => 'create', { fields => { respCode => '77' } }), 422,
    'PROVIDER-REFUSED', 'unionpay: a refusal');
is(lines(), $Lines, 'unionpay: a refusal is no news');

$Nginx->quit;
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
