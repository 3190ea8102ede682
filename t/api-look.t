# paygw_api: an order that is refused for what is there is asked for, and told
# as it is.  The answer to that is one that is verified, or it changes nothing;
# the refusal never becomes a success, nor a failure.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();

use PaygwApi;
use PaygwMetrics;
use PaygwNginx;
use PaygwPeer ();
use PaygwTest ();

my $With = $ENV{PAYGW_TEST_STORE} || 'zone';

PaygwTest::redis_start() if $With eq 'redis';

my $Store = $With eq 'redis'
    ? 'paygw_store redis://127.0.0.1:' . PaygwTest::redis_port()
      . " prefix=look$$: timeout=5s;\n    paygw_zone look$$:1m;\n"
    : "paygw_zone look$$:1m;\n";

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Json = JSON::PP->new->utf8->canonical;
my $Text = JSON::PP->new->canonical;    # the peer makes UTF-8 of it
my @Notify = (notify_url => 'https://pay.example.com/n');
my @Once = (paygw_breaker => 'requests=1 failures=1% window=60s probe=1h');

my $Nginx = PaygwNginx->start(
    http => $Store . "    paygw_deadline 30s;\n"
        . $Peer->wechat($Url, @Notify)
        . $Peer->wechat($Url, @Notify, @Once, -name => 'once',
                        mchid => '1900009192')
        . $Peer->wechat_v2_cert($Url, @Notify) . $Peer->alipay($Url)
        . $Peer->unionpay($Url, @Notify),
    server => 'location = /metrics { paygw_metrics; } '
        . join '', map { "location /$_->[0]/ { paygw_api $_->[1]; "
                         . ($_->[2] // '') . ' }' }
        [ wx => 'wxpay' ], [ once => 'once' ], [ v2 => 'wxv2' ],
        [ ali => 'alipay' ], [ up => 'unionpay' ],
        [ off => 'wxpay', 'paygw_binding off;' ],
        [ soon => 'wxpay', 'paygw_deadline ' . 3 * $PaygwNginx::Slow
                           . 's;' ]);

my %Api = map { $_ => PaygwApi->new($Nginx, "/$_") }
          qw(wx once v2 ali up off soon);
our $Id;
my $Number = 0;

sub fresh { $Id = sprintf 'L%dx%06d', $$, ++$Number; return $Id }


# answers, by provider: a refusal; and what a query tells

my %No = (
    wx => sub { my ($word, $text) = @_;
                return { status => 400, body => $Text->encode(
                    { code => $word, message => $text // 'MARK' }) } },
    v2 => sub { my ($word, $text) = @_;
                return { fields => { result_code => 'FAIL', err_code => $word,
                    defined $text ? (err_code_des => $text) : () } } },
    ali => sub { return { content => $Json->encode(
                    { code => '40004', msg => 'MARK', sub_msg => 'MARK',
                      sub_code => $_[0] }) } },
    up => sub { return { fields => { respCode => $_[0] } } },
);

my %Is = (
    wx => sub { my ($state, $amount) = @_;
                return { body => $Json->encode({ out_trade_no => $Id,
                    mchid => '1900009191', trade_state => $state,
                    transaction_id => '4200001', success_time =>
                        '2025-01-02T11:04:05+08:00',
                    amount => { total => $amount, currency => 'CNY' } }) } },
    v2 => sub { my ($state, $amount) = @_;
                return { fields => { out_trade_no => $Id, trade_state =>
                    $state, total_fee => "$amount", transaction_id =>
                    '4200001', time_end => '20250102110405' } } },
    ali => sub { my ($state, $amount) = @_;
                 return { content => $Json->encode({ code => '10000',
                     out_trade_no => $Id, trade_no => '4200001',
                     trade_status => $state,
                     $state =~ /SUCC/ ? (send_pay_date =>
                                         '2025-01-02 11:04:05') : (),
                     total_amount => sprintf '%.2f', $amount / 100 }) } },
    up => sub { my ($state, $amount) = @_;
                return { fields => { respCode => '00', origRespCode => $state,
                    txnAmt => "$amount", currencyCode => '156',
                    queryId => '4200001' } } },
);
$No{$_} = $No{wx}, $Is{$_} = $Is{wx} for qw(off soon);
$No{once} = $No{wx};

sub no_one { my ($api, @a) = @_; return $No{$api}->(@a) }
sub is_one { my ($api, @a) = @_; return $Is{$api}->(@a) }

# genuine of another order; or of somebody else

my %Done = (wx => 'SUCCESS', v2 => 'SUCCESS', ali => 'TRADE_SUCCESS',
            up => '00');

sub useless {
    my $api = shift;
    my $other = do { local $Id = 'MARK0001';
                     is_one($api, $Done{$api}, 100) };
    $other->{fields}{orderId} = 'MARK0001' if $api eq 'up';
    return ([ 'a forged one', { %{ is_one($api, $Done{$api}, 100) },
                                signature => 'bad' } ],
            [ 'another order', $other ]);
}

sub create {
    my ($api, %o) = @_;
    return $Api{$api}->post('/orders', $Api{$api}->order(order_id => $Id,
                                                         %o));
}

sub close_it { my $api = shift; return $Api{$api}->post("/orders/$Id/close") }

sub asked {
    my ($n, $name) = @_;
    my @got = $Peer->requests;
    is(scalar @got, $n, "$name: calls");
    $Peer->plan;
    return @got;
}

my %Paid = (state => 'PAID', amount => 100, currency => 'CNY',
            trade_no => '4200001');
my %None = map { $_ => undef } qw(state amount currency trade_no paid_at);


# -- creating: each provider's words --

my $Twice = '201 ' . "\x{5546}\x{6237}\x{8ba2}\x{5355}\x{53f7}\x{91cd}\x{590d}";
my %Word = (SUCCESS => { ali => 'TRADE_SUCCESS', up => '00' },
            OPEN => { wx => 'NOTPAY', v2 => 'NOTPAY', ali =>
                          'WAIT_BUYER_PAY', up => '05' },
            CLOSED => { ali => 'TRADE_CLOSED' });

sub state_of { my ($api, $s) = @_; return $Word{$s}{$api} // $s }

for ([ wx => 'ORDERPAID', 'ORDER_PAID' ], [ wx => 'ORDER_PAID', 'ORDER_PAID' ],
     [ wx => 'OUT_TRADE_NO_USED', 'ORDER_MISMATCH' ],
     [ wx => 'INVALID_REQUEST', 'REFUSED', $Twice ],
     [ v2 => 'ORDERPAID', 'ORDER_PAID' ],
     [ v2 => 'OUT_TRADE_NO_USED', 'ORDER_MISMATCH' ],
     [ v2 => 'INVALID_REQUEST', 'REFUSED', $Twice ],
     [ ali => 'ACQ.TRADE_HAS_SUCCESS', 'ORDER_PAID' ],
     [ up => '12', 'ORDER_STATE' ])
{
    my ($api, $word, $code, $text) = @$_;
    my $a = $Api{$api};
    my $no = no_one($api, $word, $text);
    my $name = "$api $word";
    my @today = $code eq 'REFUSED' ? (422, 'PROVIDER-REFUSED')
                                   : (409, "CLIENT-$code");

    # paid, and ours: the book knows it, so that nobody is asked again

    fresh();
    $Peer->plan($no, is_one($api, state_of($api, 'SUCCESS'), 100));
    $a->problem(create($api), 409, 'CLIENT-ORDER_PAID', "$name: paid", %Paid,
                provider_code => $word, field => undef, action => undef,
                paid_at => $api eq 'up' ? undef : '2025-01-02T03:04:05Z');
    asked(2, "$name: paid");
    $a->problem(create($api), 409, 'CLIENT-ORDER_PAID', "$name: paid, again",
                %Paid, trade_no => undef);
    asked(0, "$name: paid, again");

    # paid, and another one: which is nothing to be remembered

    fresh();
    for my $again (0, 1) {
        $Peer->plan($no, is_one($api, state_of($api, 'SUCCESS'), 101));
        $a->problem(create($api), 409, 'CLIENT-ORDER_MISMATCH',
                    "$name: another one is paid", %Paid, amount => 101,
                    field => 'amount', provider_code => $word);
        asked(2, "$name: another one is paid");
    }
    is($Nginx->count(qr/order "$Id" of channel "\w+" is paid with amount /
                     . '101 CNY, this is one of 100 CNY'), 2,
       "$name: another one is paid: logged");

    # still to be paid: no other code is shown for it

    fresh();
    $Peer->plan($no, is_one($api, state_of($api, 'OPEN'), 100));
    $a->problem(create($api), 409,
                $code =~ /MISMATCH|REFUSED/ ? 'CLIENT-ORDER_MISMATCH'
                                            : 'CLIENT-ORDER_STATE',
                "$name: open", action => undef, provider_code => $word,
                state => $api eq 'up' ? 'PAYING' : 'CREATED',
                field => undef);
    asked(2, "$name: open");

    # and so its terms are known: others are refused without a call

    $a->problem(create($api, amount => 99), 409, 'CLIENT-ORDER_MISMATCH',
                "$name: the record stays", field => 'amount');
    asked(0, "$name: the record stays");

    if ($api ne 'up') {
        fresh();
        $Peer->plan($no, is_one($api, state_of($api, 'CLOSED'), 100));
        $a->problem(create($api), 409, 'CLIENT-ORDER_CLOSED',
                    "$name: closed", state => 'CLOSED');
        asked(2, "$name: closed");
    }

    # no use: what is told is what was told without

    for (useless($api), [ 'not found', no_one($api, $api eq 'ali'
                              ? 'ACQ.TRADE_NOT_EXIST' : $api eq 'up' ? '34'
                              : 'ORDERNOTEXIST') ],
         [ 'no answer', ({ drop => 1 }) x 3 ],
         [ 'refused as well', $no ])
    {
        my ($what, @plan) = @$_;
        fresh();
        $Peer->plan($no, @plan);
        $a->problem(create($api), @today, "$name: $what", %None,
                    provider_code => $word, field => undef);
        asked(1 + @plan, "$name: $what");
    }
}

# the question is one that reads: it may be sent again

fresh();
$Peer->plan(no_one(wx => 'ORDERPAID'), { drop => 1 },
            is_one(wx => 'SUCCESS', 100));
$Api{wx}->problem(create('wx'), 409, 'CLIENT-ORDER_PAID', 'asked twice',
                  %Paid);
{
    my @got = asked(3, 'asked twice');
    is(join(' ', map { $_->{method} } @got), 'POST GET GET',
       'asked twice: what is sent');
    is(join(' ', map { $_->{check} } @got), 'ok ok ok',
       'asked twice: signed');
    is($got[2]{target}, "/v3/pay/transactions/out-trade-no/$Id?"
       . 'mchid=1900009191', 'asked twice: for the order');
}

# the terms are compared as far as they are told; what has failed is over

for ([ 'another currency', 'ORDER_MISMATCH', { amount =>
           { total => 100, currency => 'HKD' } }, currency => 'HKD' ],
     [ 'failed', 'ORDER_CLOSED', { trade_state => 'PAYERROR' },
       state => 'FAILED' ],
     [ 'no amount', 'ORDER_CLOSED', { trade_state => 'CLOSED',
                                      amount => undef }, state => 'CLOSED' ])
{
    my ($what, $code, $told, %more) = @$_;
    fresh();
    my $is = is_one(wx => 'SUCCESS', 100);
    my $body = { %{ $Json->decode($is->{body}) }, %$told };
    delete $body->{amount} if !$body->{amount};
    $Peer->plan(no_one(wx => 'OUT_TRADE_NO_USED'),
                { body => $Json->encode($body) });
    $Api{wx}->problem(create('wx'), 409, "CLIENT-$code", "told: $what",
                      %more);
    asked(2, "told: $what");
}

# without the book

fresh();
for my $again (0, 1) {
    $Peer->plan(no_one(off => 'ORDERPAID'), is_one(off => 'SUCCESS', 100));
    $Api{off}->problem(create('off'), 409, 'CLIENT-ORDER_PAID',
                       'no book', %Paid);
    asked(2, 'no book');
}

# words that are no such refusal

for ([ wx => 'ORDER_CLOSED', 409, 'CLIENT-ORDER_CLOSED' ],
     [ wx => 'INVALID_REQUEST', 422, 'PROVIDER-REFUSED' ],
     [ wx => 'PARAM_ERROR', 422, 'PROVIDER-REFUSED' ],
     [ v2 => 'PARAM_ERROR', 422, 'PROVIDER-REFUSED' ],
     [ ali => 'ACQ.CONTEXT_INCONSISTENT', 409, 'CLIENT-ORDER_MISMATCH' ],
     [ ali => 'ACQ.TRADE_HAS_CLOSE', 409, 'CLIENT-ORDER_CLOSED' ],
     [ up => '61', 422, 'PROVIDER-REFUSED' ])
{
    my ($api, $word, @want) = @$_;
    fresh();
    $Peer->plan(no_one($api, $word));
    $Api{$api}->problem(create($api), @want, "$api $word: as it is", %None);
    asked(1, "$api $word: as it is");
}

# the number is there twice, and is not there: nobody knows, so it stays

fresh();
$Peer->plan(no_one(wx => 'INVALID_REQUEST', $Twice),
            no_one(wx => 'ORDER_NOT_EXIST'));
$Api{wx}->problem(create('wx'), 422, 'PROVIDER-REFUSED', 'neither');
asked(2, 'neither');
$Api{wx}->problem(create('wx', amount => 99), 409, 'CLIENT-ORDER_MISMATCH',
                  'neither: remembered', field => 'amount');
asked(0, 'neither: remembered');


# -- a try before that may have made it --

for ([ 'SUCCESS', 100, 409, 'CLIENT-ORDER_PAID', %Paid ],
     [ 'CLOSED', 100, 409, 'CLIENT-ORDER_CLOSED', state => 'CLOSED' ],
     [ 'NOTPAY', 100, 502, 'PROVIDER-UNCLEAR', %None ])
{
    my ($state, $amount, @want) = @$_;
    my ($status, $code, %more) = @want;
    fresh();
    $Peer->plan({ status => 500, body =>
                      '{"code":"SYSTEM_ERROR","message":"MARK"}' },
                no_one(wx => 'OUT_TRADE_NO_USED'),
                is_one(wx => $state, $amount));
    $Api{wx}->problem(create('wx'), $status, $code, "in doubt, then $state",
                      %more);
    asked(3, "in doubt, then $state");
}

fresh();
$Peer->plan({ status => 500, body =>
                  '{"code":"SYSTEM_ERROR","message":"MARK"}' },
            no_one(wx => 'ORDERPAID'),
            { %{ is_one(wx => 'SUCCESS', 100) }, signature => 'bad' });
$Api{wx}->problem(create('wx'), 502, 'PROVIDER-UNCLEAR',
                  'in doubt, then a forged one', %None);
asked(3, 'in doubt, then a forged one');


# -- closing --

for ([ wx => 'ORDERPAID', 'ORDER_PAID' ], [ v2 => 'ORDERPAID', 'ORDER_PAID' ],
     [ wx => 'ORDER_CLOSED', 'ORDER_CLOSED' ],
     [ v2 => 'ORDERCLOSED', 'ORDER_CLOSED' ],
     [ ali => 'ACQ.TRADE_HAS_SUCCESS', 'ORDER_PAID' ],
     [ ali => 'ACQ.TRADE_HAS_CLOSE', 'ORDER_CLOSED' ],
     map { [ ali => "ACQ.$_", 'ORDER_STATE' ] }
     qw(REASON_TRADE_STATUS_INVALID REASON_ILLEGAL_STATUS TRADE_STATUS_ERROR
        TRADE_HAS_FINISHED))
{
    my ($api, $word, $code) = @$_;
    my $a = $Api{$api};
    my $name = "close: $api $word";

    # of an order that is remembered

    fresh();
    $Peer->plan($api eq 'ali' ? {} : $api eq 'v2'
                ? { fields => { prepay_id => 'wx1', code_url => 'weixin://x' } }
                : { body => '{"code_url":"weixin://x"}' });
    create($api);
    $Peer->plan(no_one($api, $word),
                is_one($api, state_of($api, 'SUCCESS'), 100));
    $a->problem(close_it($api), 409, 'CLIENT-ORDER_PAID', "$name: paid",
                %Paid, provider_code => $word);
    $Peer->plan;
    $a->problem(close_it($api), 409, 'CLIENT-ORDER_PAID', "$name: again",
                %Paid, trade_no => undef);
    is(scalar $Peer->requests, 0, "$name: again: calls");

    # and of one that is not

    fresh();
    $Peer->plan(no_one($api, $word),
                is_one($api, state_of($api, 'CLOSED'), 100));
    $a->ok(close_it($api), "$name: closed", state => 'CLOSED',
           outcome => 'unknown', amount => undef, provider_code => undef);
    asked(2, "$name: closed");

    fresh();
    $Peer->plan(no_one($api, $word),
                is_one($api, state_of($api, 'OPEN'), 100));
    $a->problem(close_it($api), 409, 'CLIENT-ORDER_STATE', "$name: open",
                state => 'CREATED', provider_code => $word);
    asked(2, "$name: open");

    for (useless($api), [ 'no answer', ({ drop => 1 }) x 3 ]) {
        my ($what, @plan) = @$_;
        fresh();
        $Peer->plan(no_one($api, $word), @plan);
        $a->problem(close_it($api), 409, "CLIENT-$code", "$name: $what",
                    %None, provider_code => $word);
        asked(1 + @plan, "$name: $what");
    }
}


# -- a refund: whether it is there --

sub back {
    return { content => $Json->encode({ code => '10000', out_trade_no => $Id,
        trade_no => '4200001', out_request_no => "R$Id", refund_amount =>
        '0.30', refund_status => 'REFUND_SUCCESS', @_ }) };
}

for my $word (qw(REASON_TRADE_STATUS_INVALID REASON_ILLEGAL_STATUS
                 TRADE_STATUS_ERROR TRADE_HAS_FINISHED))
{
    my @first = (no_one(ali => "ACQ.$word"));
    my $refund = sub {
        my @plan = @_;
        fresh();
        $Peer->plan(is_one(ali => 'TRADE_SUCCESS', 100), @first,
                    map { ref eq 'CODE' ? $_->() : $_ } @plan);
        return $Api{ali}->post("/orders/$Id/refunds",
                               { refund_id => "R$Id", amount => 30 });
    };

    my @got;
    $Api{ali}->ok($refund->(\&back), "refund: $word: there",
                  outcome => 'success', amount => 30);
    @got = asked(3, "refund: $word: there");
    is($got[2]{params}{method}, 'alipay.trade.fastpay.refund.query',
       "refund: $word: asked for");

    for ([ 'not there', { content => '{"code":"10000"}' } ],
         [ 'a forged one', sub { +{ %{ back() },
                                   signature => 'bad' } } ],
         [ 'another order', sub { back(out_trade_no => 'MARK') } ],
         [ 'no answer', ({ drop => 1 }) x 3 ])
    {
        my ($what, @plan) = @$_;
        my $name = "refund: $word: $what";
        $Api{ali}->problem($refund->(@plan), 409, 'CLIENT-ORDER_STATE',
                           $name, %None, provider_code => "ACQ.$word");
        asked(2 + @plan, $name);

        # nothing of it is held

        $Peer->plan(back(fund_change => 'Y', out_request_no => "S$Id",
                         send_back_fee => '1.00'));
        $Api{ali}->ok($Api{ali}->post("/orders/$Id/refunds",
                          { refund_id => "S$Id", amount => 100 }),
                      "$name: given back", outcome => 'success');
        asked(1, "$name: given back");
    }

    $Api{ali}->problem($refund->(sub { back(refund_amount => '0.31') }), 409,
                       'CLIENT-REFUND_MISMATCH',
                       "refund: $word: another one");
    asked(3, "refund: $word: another one");

    # one of this number is there, and some money of the order is gone

    $Peer->plan;
    $Api{ali}->problem($Api{ali}->post("/orders/$Id/refunds",
                           { refund_id => "S$Id", amount => 71 }), 409,
                       'CLIENT-REFUND_TOO_MUCH',
                       "refund: $word: another one: it stays held");
    asked(0, "refund: $word: another one: it stays held");
}

# of what is said of the question the question is not asked once more

for my $word (qw(REASON_TRADE_STATUS_INVALID TRADE_HAS_FINISHED)) {
    fresh();
    $Peer->plan(is_one(ali => 'TRADE_SUCCESS', 100), back(fund_change => 'N'),
                no_one(ali => "ACQ.$word"));
    $Api{ali}->problem($Api{ali}->post("/orders/$Id/refunds",
                           { refund_id => "R$Id", amount => 30 }), 502,
                       'PROVIDER-UNCLEAR', "refund: sent, then $word",
                       provider_code => "ACQ.$word");
    my @got = asked(3, "refund: sent, then $word");
    is(join(' ', map { $_->{params}{method} =~ s/^alipay\.trade\.//r } @got),
       'query refund fastpay.refund.query', "refund: sent, then $word: asked");
}

# WeChat Pay v2 says this of an order that is too old: no refund is there,
# whether it is the refund that it says it of, or the question before

for my $said ('/pay/orderquery', '/secapi/pay/refund') {
    my $name = "refund: v2: $said";

    fresh();
    $Peer->plan({ fields => { prepay_id => 'wx1', code_url => 'weixin://x' } });
    $Api{v2}->ok(create('v2'), "$name: made");
    $Peer->plan(is_one(v2 => 'SUCCESS', 100));
    $Api{v2}->ok($Api{v2}->get("/orders/$Id"), "$name: paid", state => 'PAID');

    my @first = $said =~ /refund/ ? (is_one(v2 => 'SUCCESS', 100)) : ();
    $Peer->plan(@first, no_one(v2 => 'TRADE_OVERDUE'));
    $Api{v2}->problem($Api{v2}->post("/orders/$Id/refunds",
                          { refund_id => "R$Id", amount => 30 }), 409,
                      'CLIENT-ORDER_STATE', $name, %None,
                      provider_code => 'TRADE_OVERDUE');
    my @got = asked(1 + @first, $name);
    is($got[-1]{target}, $said, "$name: and nothing more");
}


# -- a deadline, a breaker, counters --

fresh();
$Peer->plan(no_one(soon => 'ORDERPAID'), { silent => 30 });
$Api{soon}->problem(create('soon'), 409, 'CLIENT-ORDER_PAID',
                    'one deadline over both', %None);
asked(2, 'one deadline over both');

for my $n (1, 2) {
    fresh();
    $Peer->plan(no_one(once => 'ORDERPAID'),
                no_one(once => 'ORDER_NOT_EXIST'));
    $Api{once}->problem(create('once'), 409, 'CLIENT-ORDER_PAID',
                        "a refusal is no trouble, $n");
    asked(2, "a refusal is no trouble, $n");
}

fresh();
$Peer->plan(no_one(once => 'ORDERPAID'), { signature => 'bad' });
$Api{once}->problem(create('once'), 409, 'CLIENT-ORDER_PAID', 'trouble');
asked(2, 'trouble');
fresh();
is(create('once')->{json}{code}, 'RETRY-UNAVAILABLE', 'the breaker is open');

{
    my $have = metrics_ok($Nginx->get('/metrics') . "\n", undef, 'look');
    my $of = 'channel=once,operation=create,outcome=';
    is($have->{"paygw_api_operations_total{${of}refused,provider=wechat_v3}"}, 3,
       'each is one operation') or diag(join "\n", grep { /once/ } %$have);
    is($have->{'paygw_api_operations_total{channel=once,operation=query,'
               . 'outcome=unknown,provider=wechat_v3}'} // 0, 0,
       'and a question is none');
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
