# paygw_api: a code without "outcome" means that the call has done nothing.  So
# no refusal is told of a call of which one try, or one step, may have been
# done.

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
my @Notify = (notify_url => 'https://pay.example.com/n');

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    paygw_binding off;\n"
        . $Peer->wechat($Url, @Notify)
        . $Peer->wechat($Url, @Notify, -name => 'once', paygw_breaker =>
                            'requests=1 failures=100% probe=60s')
        . $Peer->alipay($Url)
        . $Peer->alipay($Url, -name => 'aonce', paygw_breaker =>
                            'requests=1 failures=100% probe=60s')
        . $Peer->stripe($Url)
        . $Peer->unionpay($Url, @Notify),
    server => join '', map { "location /$_->[0]/ { paygw_api $_->[1]; }" }
        ([ wx => 'wxpay' ], [ once => 'once' ], [ ali => 'alipay' ],
         [ aonce => 'aonce' ], [ s => 'stripe' ], [ u => 'unionpay' ]));

my %Api = map { $_ => PaygwApi->new($Nginx, "/$_") }
          qw(wx once ali aonce s u);
my $Id = 'T202501020001';
my $Ref = '20250102030405';
my %Refund = (refund_id => 'R202501020001', amount => 30);

sub wx { return map { { status => $_->[0], body => ref $_->[1]
                        ? $Json->encode($_->[1]) : $_->[1] } } @_ }

sub said { my ($status, $code) = @_; return [ $status, {
    code => $code, message => 'MARK' } ] }

sub trade { return [ 200, {
    out_trade_no => $Id, mchid => '1900009191', trade_state => 'SUCCESS',
    transaction_id => '4200001', amount => { total => 100, currency =>
    'CNY' } } ] }

sub ali { return { content => $Json->encode({ out_trade_no => $Id, @_ }) } }

sub create {
    my ($api, @o) = @_;
    return $Api{$api}->post('/orders', $Api{$api}->order(order_id => $Id,
                                                         @o));
}

sub refund {
    my ($api, @o) = @_;
    return $Api{$api}->post("/orders/$Id/refunds", { %Refund, @o });
}

sub unclear {
    my ($api, $res, $name, $word) = @_;
    $Api{$api}->problem($res, 502, 'PROVIDER-UNCLEAR', $name,
                        defined $word ? (provider_code => $word) : ());
}

# a connection that is kept, so that the next one can be closed while it waits

sub warm {
    my ($api, @answer) = @_;
    $Peer->plan(@answer);
    $Api{$api}->get("/orders/$Id");
}


# -- a try that may have been done, and the next one refused --

for (said(400, 'ORDERPAID'), said(400, 'OUT_TRADE_NO_USED'),
     said(429, 'FREQUENCY_LIMITED'), said(403, 'NO_AUTH'),
     said(400, 'PARAM_ERROR'))
{
    my $word = $_->[1]{code};
    warm(wx => wx(trade()));
    $Peer->plan({ drop => 1 }, wx(($_) x 3));
    unclear(wx => create('wx'), "closed, then $word", $word);
    ok(scalar($Peer->requests) > 1, "closed, then $word: sent again");

    $Peer->plan({ signature => 'probe' }, wx(($_) x 3));
    unclear(wx => create('wx'), "probed, then $word", $word);

    $Peer->plan(wx(said(500, 'SYSTEM_ERROR'), ($_) x 2));
    unclear(wx => create('wx'), "an error of the system, then $word", $word);
}

# what was not done twice was not done

$Peer->plan(wx((said(429, 'FREQUENCY_LIMITED')) x 3));
$Api{wx}->problem(create('wx'), 503, 'RETRY-BUSY', 'three times busy');
is(scalar $Peer->requests, 3, 'three times');
$Peer->plan(wx((said(429, 'FREQUENCY_LIMITED')) x 2, said(400, 'ORDERPAID')));
$Api{wx}->problem(create('wx'), 409, 'CLIENT-ORDER_PAID', 'busy, then paid');

# nor was what only reads

$Peer->plan(wx(said(500, 'SYSTEM_ERROR')), { cut => 3 },
            wx(said(404, 'ORDER_NOT_EXIST')));
$Api{wx}->problem($Api{wx}->get("/orders/$Id"), 404,
                  'CLIENT-ORDER_NOT_FOUND', 'a question has no doubts');

# of a refund the question before is none, the refund itself is

$Peer->plan(wx(said(500, 'SYSTEM_ERROR'), trade(),
               said(403, 'NOT_ENOUGH')));
$Api{wx}->problem(refund('wx'), 409, 'PROVIDER-BALANCE',
                  'refund: the question was repeated');
$Peer->plan(wx(trade(), said(500, 'SYSTEM_ERROR'), said(403, 'NOT_ENOUGH')));
unclear(wx => refund('wx'), 'refund: it was repeated', 'NOT_ENOUGH');
$Peer->plan(wx(trade()), { drop => 1 }, wx(said(403, 'NOT_ENOUGH')));
unclear(wx => refund('wx'), 'refund: closed, then no money', 'NOT_ENOUGH');


# -- the breaker does not let it be sent again: the last word counts --

$Peer->plan(wx(said(500, 'SYSTEM_ERROR'), said(400, 'PARAM_ERROR')));
unclear(once => create('once'), 'open after an error', 'SYSTEM_ERROR');
is(scalar $Peer->requests, 1, 'open after an error: once');

$Peer->plan(ali(code => '20000', sub_code => 'aop.ACQ.SYSTEM_ERROR'),
            ali(code => '40004', sub_code => 'ACQ.TRADE_HAS_CLOSE'));
unclear(aonce => create('aonce'), 'alipay: open after an error',
        'aop.ACQ.SYSTEM_ERROR');
is(scalar $Peer->requests, 1, 'alipay: open after an error: once');


# -- Alipay: a refund was taken, and the question about it is refused --

for ([ 40005 => 'isv.call-limit' ], [ 20001 => 'aop.invalid-auth-token' ],
     [ 40006 => 'isv.insufficient-isv-permissions' ],
     [ 40004 => 'ACQ.TRADE_NOT_EXIST' ], [ 40002 => 'isv.invalid-app-id' ])
{
    my ($code, $sub) = @$_;
    $Peer->plan(ali(code => '10000', fund_change => 'N'),
                (ali(code => "$code", sub_code => $sub)) x 3);
    unclear(ali => refund('ali'), "alipay: taken, then $code", $sub);
}

# what is neither a success nor a refusal is not taken for one of them

for my $code (qw(10003 10004 20002 99999)) {
    $Peer->plan((ali(code => $code)) x 3);
    unclear(ali => create('ali'), "alipay: $code", $code);
}


# -- Stripe: a key whose first call is not over, whatever it is called --

for ([ type => 'idempotency_error' ], [ code => 'idempotency_error' ],
     [ code => 'resource_missing' ], [ code => 'idempotency_key_in_use' ])
{
    my ($name, $word) = @$_;
    $Peer->plan(map { { status => 409, body => $Json->encode(
        { error => { type => 'x', $name => $word } }) } } 1 .. 3);
    unclear(s => create('s', method => 'app'), "stripe 409 $name $word",
            $word);
    is(scalar $Peer->requests, 3, "stripe 409 $name $word: three times");
    $Peer->plan;
}

# nor is what is said after that a word about the call that was under way

for my $status (409, 502, 503, 504) {
    $Peer->plan({ status => $status, body =>
                  '{"error":{"type":"api_error"}}' },
                { status => 402, body => '{"error":{"type":"card_error",'
                  . '"code":"card_declined"}}' });
    unclear(s => create('s', method => 'app'), "stripe $status, then 402",
            'card_declined');
    is(scalar $Peer->requests, 2, "stripe $status, then 402: twice");
}

$Peer->plan(({ status => 429, body => '{"error":{"type":"x"}}',
               headers => { 'Stripe-Should-Retry' => 'true' } }) x 3);
$Api{s}->problem(create('s', method => 'app'), 503, 'RETRY-BUSY',
                 'stripe: three times too many');
is(scalar $Peer->requests, 3, 'stripe: three times too many: tries');


# -- UnionPay --

$Peer->plan({ fields => { respCode => 'A6' } });
unclear(u => create('u'), 'unionpay: a success with defects', 'A6');

my %Up = (respCode => '00', origRespCode => '00', txnAmt => '100',
          currencyCode => '156', queryId => '512501020304051234568');

for ([ 'a duplicate', { respCode => '12' } ],
     [ 'no money', { respCode => '61' } ])
{
    my ($name, $second) = @$_;
    $Peer->plan({ fields => \%Up }, { drop => 1 }, { fields => $second },
                { fields => { respCode => '34' } });
    unclear(u => refund('u', ref => $Ref), "unionpay: closed, then $name");
}

# a scan that was closed, then a duplicate that nobody knows by its time

my @Code = (method => 'barcode', terminal => '00000001',
            payer => { auth_code => '6220000000000000001' });
for my $word (qw(34 06)) {
    warm(u => { fields => \%Up });
    $Peer->plan({ drop => 1 }, { fields => { respCode => '12' } },
                map { { fields => { respCode => $word } } } 1 .. 3);
    unclear(u => create('u', @Code), "unionpay: a code, closed, then $word",
            $word);
    $Peer->plan;
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
