# paygw_api and the book of orders: what each answer of a provider does to it.
# Nothing that is unknown is given back, nothing that is paid is taken back.

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
      . " prefix=said$$: timeout=5s;\n"
    : "paygw_zone said$$:1m;\n";

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Json = JSON::PP->new->utf8->canonical;

my $Nginx = PaygwNginx->start(
    workers => 2,
    http => $Store . "    paygw_deadline 30s;\n"
        . $Peer->wechat($Url, notify_url => 'https://pay.example.com/n',
                        paygw_retry => 'off')
        . $Peer->wechat($Url, notify_url => 'https://pay.example.com/n',
                        -name => 'again', mchid => '1900009192',
                        paygw_retry => '2 base=100ms jitter=0')
        . $Peer->alipay($Url, paygw_retry => 'off')
        . $Peer->stripe($Url, paygw_retry => 'off')
        . $Peer->unionpay($Url, notify_url => 'https://pay.example.com/n',
                          paygw_retry => 'off'),
    server => 'location /wx/ { paygw_api wxpay; }'
        . 'location /never/ { paygw_api wxpay; paygw_status_cache off; }'
        . 'location /short/ { paygw_api wxpay; paygw_status_cache 1s; }'
        . 'location /again/ { paygw_api again; }'
        . 'location /ali/ { paygw_api alipay; }'
        . 'location /stripe/ { paygw_api stripe; }'
        . 'location /up/ { paygw_api unionpay; }'
        . 'location /pass/ { paygw_pass unionpay; }'
        . 'location = /s { paygw_test_store; }');

my $Wx = PaygwApi->new($Nginx, '/wx');
my $Never = PaygwApi->new($Nginx, '/never');
my $Short = PaygwApi->new($Nginx, '/short');
my $Ali = PaygwApi->new($Nginx, '/ali');
my $Up = PaygwApi->new($Nginx, '/up');

sub say_next { $Peer->plan(map { { status => $_->[0],
                               body => ref $_->[1] ? $Json->encode($_->[1])
                                                   : $_->[1] // '',
                               @$_ > 2 ? @$_[2 .. $#$_] : () } } @_) }

sub asked { my ($n, $name) = @_;
            is(scalar $Peer->requests, $n, "$name: calls") }

# an order, made; and what the provider says of it

my $Id;

sub made {
    my ($name) = @_;
    my $order = $Wx->order;
    $Id = $order->{order_id};
    say_next([ 200, { code_url => 'weixin://x' } ]);
    $Wx->ok($Wx->post('/orders', $order), "$name: made");
    return $order;
}

sub trade {
    my %o = (out_trade_no => $Id, mchid => '1900009191',
             trade_state => 'SUCCESS', transaction_id => '4200001',
             amount => { total => 100, currency => 'CNY' },
             success_time => '2025-01-02T11:04:05+08:00',
             payer => { openid => "o'1+%&=" }, @_);
    return [ 200, \%o ];
}

sub back {
    my ($id, $amount, $status) = @_;
    return [ 200, { out_refund_no => $id, out_trade_no => $Id,
                    refund_id => '5000001', transaction_id => '4200001',
                    status => $status // 'SUCCESS',
                    success_time => '2025-01-02T11:04:05+08:00',
                    amount => { refund => $amount, total => 100,
                                currency => 'CNY' } } ];
}

sub refund {
    my ($id, $amount, @answers) = @_;
    say_next(@answers);
    return $Wx->post("/orders/$Id/refunds",
                     { refund_id => $id, amount => $amount });
}

# the last call of a refund has ended a minute ago

sub late {
    my ($order, $id, $amount) = @_;
    my $res = PaygwPeer::call($Nginx, GET => "/s?op=book&verb=doubt&key=$order"
                              . "&refund=$id&sum=$amount&fresh=0");
    like($res->{body}, qr/^done \w+ .* held /, "a minute later: $id");
}

sub paid {
    my ($name) = @_;
    made($name);
    say_next(trade());
    $Wx->ok($Wx->get("/orders/$Id"), "$name: paid", state => 'PAID');
}


# -- states: only forward --

made('late');
say_next(trade());
my $first = $Wx->ok($Wx->get("/orders/$Id"), 'late: paid', state => 'PAID',
                    amount => 100, currency => 'CNY', trade_no => '4200001',
                    paid_at => '2025-01-02T03:04:05Z', payer => "o'1+%&=",
                    provider_state => 'SUCCESS');
say_next();
is_deeply($Wx->ok($Wx->get("/orders/$Id"), 'late: kept'), $first,
          'late: the same');
asked(0, 'late: kept');

for ([ CLOSED => 'CLOSED' ], [ PAYERROR => 'FAILED' ], [ NOTPAY => 'x' ]) {
    say_next(trade(trade_state => $_->[0]));
    $Never->ok($Never->get("/orders/$Id"), "late: $_->[0]", state => 'PAID',
               outcome => 'success', provider_state => $_->[0]);
    asked(1, "late: $_->[0]");
}

say_next([ 404, { code => 'ORDER_NOT_EXIST', message => 'x' } ]);
$Never->ok($Never->get("/orders/$Id"), 'late: not found', state => 'PAID',
           outcome => 'success', amount => 100, currency => 'CNY');
say_next([ 200, '{' ]);
$Never->problem($Never->get("/orders/$Id"), 502, 'PROVIDER-UNVERIFIED',
                'late: an error is an error');
say_next();
$Wx->problem($Wx->post("/orders/$Id/close"), 409, 'CLIENT-ORDER_PAID',
             'late: not closed');
asked(0, 'late: not closed');
say_next();
$Wx->problem($Wx->post('/orders', $Wx->order(order_id => $Id)), 409,
             'CLIENT-ORDER_PAID', 'late: nor made again');
asked(0, 'late: nor made again');

made('closed');
say_next([ 204 ]);
$Wx->ok($Wx->post("/orders/$Id/close"), 'closed', state => 'CLOSED');
say_next(trade(trade_state => 'NOTPAY'));
$Wx->ok($Wx->get("/orders/$Id"), 'closed: he has not heard of it',
        state => 'CLOSED', outcome => 'failed');
asked(1, 'closed');
say_next();
$Wx->ok($Wx->get("/orders/$Id"), 'closed: kept, as it is told',
        state => 'CLOSED', outcome => 'failed');
asked(0, 'closed: kept');
say_next(trade());
$Never->ok($Never->get("/orders/$Id"), 'closed: and paid all the same',
           state => 'PAID', outcome => 'success');

# what is not final is asked each time, and is there for its time

made('fresh');
for my $n (1, 2) {
    say_next(trade(trade_state => 'NOTPAY'));
    $Wx->ok($Wx->get("/orders/$Id"), "fresh: pending $n",
            state => 'CREATED');
    asked(1, "fresh: pending $n");
}

say_next(trade());
$Short->ok($Short->get("/orders/$Id"), 'fresh: paid', state => 'PAID');
select undef, undef, undef, 1.2;
say_next(trade(trade_state => 'REFUND'));
$Short->ok($Short->get("/orders/$Id"), 'fresh: no more',
           state => 'PART_REFUNDED');
asked(1, 'fresh: no more');

# another amount than that of the order is told, and believed by nobody

made('D11');
for my $n (1, 2) {
    say_next(trade(amount => { total => 1, currency => 'CNY' }));
    $Wx->ok($Wx->get("/orders/$Id"), "D11: paid, one cent $n",
            state => 'PAID', amount => 1);
    asked(1, "D11: $n");
}
say_next(trade(trade_state => 'NOTPAY'));
$Wx->ok($Wx->get("/orders/$Id"), 'D11: the order is not', state => 'CREATED');
$Wx->problem(refund('D11', 100, trade(amount => { total => 101,
                                                  currency => 'CNY' })),
             409, 'CLIENT-ORDER_MISMATCH', 'D11: refund of another order');
asked(1, 'D11: refund of another order');
$Wx->problem(refund('D11', 100, trade(amount => { total => 100,
                                                  currency => 'HKD' })),
             409, 'CLIENT-ORDER_MISMATCH', 'D11: refund in another currency');
asked(1, 'D11: refund in another currency');

# what the book has heard no more of than that it was made may not be there

made('gone');
say_next([ 404, { code => 'ORDER_NOT_EXIST', message => 'x' } ]);
$Wx->problem($Wx->get("/orders/$Id"), 404, 'CLIENT-ORDER_NOT_FOUND', 'gone');

# other terms, without a call

my $order = made('terms');
say_next();
$Wx->problem($Wx->post('/orders', { %$order, amount => 101 }), 409,
             'CLIENT-ORDER_MISMATCH', 'terms: amount', field => 'amount',
             order_id => $order->{order_id}, channel => 'wxpay');
asked(0, 'terms');

# of an order that was not made here nothing is kept, and nothing noted

$Id = 'E20250102_0001';
for my $n (1, 2) {
    say_next(trade());
    $Wx->ok($Wx->get("/orders/$Id"), "elsewhere $n", state => 'PAID');
    asked(1, "elsewhere $n");
}
$Wx->ok(refund('E1', 60, trade(), trade(), back('E1', 60)),
        'elsewhere: refund', outcome => 'success');
asked(3, 'elsewhere: asked for first');
$Wx->problem(refund('E2', 41), 409, 'CLIENT-REFUND_TOO_MUCH',
             'elsewhere: known since');
asked(0, 'elsewhere: known since');

# nor is one learnt that is not paid, of which a refund is asked for

$Id = 'E20250102_0002';
$Wx->problem(refund('E3', 1, trade(trade_state => 'NOTPAY')), 409,
             'CLIENT-ORDER_STATE', 'elsewhere: not paid');
asked(1, 'elsewhere: not paid');
for my $n (1, 2) {
    say_next(trade());
    $Wx->ok($Wx->get("/orders/$Id"), "elsewhere: not noted $n",
            state => 'PAID');
    asked(1, "elsewhere: not noted $n");
}


# -- refunds: what is given back, and what is not --

made('unpaid');
$Wx->problem(refund('N1', 1, trade(trade_state => 'NOTPAY')), 409,
             'CLIENT-ORDER_STATE', 'unpaid', provider_code => 'NOTPAY');
asked(1, 'unpaid: not sent');
$Wx->problem(refund('N1', 1, [ 404, { code => 'ORDER_NOT_EXIST',
                                        message => 'x' } ]), 404,
             'CLIENT-ORDER_NOT_FOUND', 'unpaid: none');
$Wx->problem(refund('N1', 1, [ 200, '{' ]), 502, 'PROVIDER-UNVERIFIED',
             'unpaid: garbage', order_id => $Id, refund_id => 'N1');

paid('no');
for my $no ([ 403, 'NOT_ENOUGH', 409, 'PROVIDER-BALANCE' ],
            [ 400, 'PARAM_ERROR', 422, 'PROVIDER-REFUSED' ],
            [ 429, 'FREQUENCY_LIMITED', 503, 'RETRY-BUSY' ])
{
    my ($status, $word, @want) = @$no;
    $Wx->problem(refund('B1', 100, trade(), [ $status, { code => $word,
                                              message => 'x' } ]),
                 @want, "no: $word is given back");
}
$Wx->ok(refund('B2', 100, trade(), back('B2', 100, 'CLOSED')),
        'no: it will not be made', outcome => 'failed');
$Wx->ok(refund('B3', 100, trade(), back('B3', 100)), 'no: room for another',
        outcome => 'success');
say_next(trade());
$Wx->ok($Wx->get("/orders/$Id"), 'no: he says no more than paid',
        state => 'REFUNDED', provider_state => 'SUCCESS');

paid('who knows');
for my $lost ([ 'garbage', 502, 'PROVIDER-UNVERIFIED', [ 200, '{' ] ],
              [ 'SYSTEM_ERROR', 502, 'PROVIDER-UNCLEAR',
                [ 500, { code => 'SYSTEM_ERROR', message => 'x' } ] ],
              [ 'another one', 502, 'PROVIDER-UNVERIFIED',
                back('U2', 60) ])
{
    my ($name, $status, $code, $answer) = @$lost;
    $Wx->problem(refund('U1', 60, trade(), $answer), $status, $code,
                 "who knows: $name");
    $Wx->problem(refund('U9', 41), 409, 'CLIENT-REFUND_TOO_MUCH',
                 "who knows: $name stays held");
    asked(0, "who knows: $name");
}
$Wx->problem(refund('U1', 60, trade(), [ 403, { code => 'NOT_ENOUGH',
                                           message => 'x' } ]),
             409, 'PROVIDER-BALANCE', 'who knows: no, to a repetition');
$Wx->problem(refund('U9', 41), 409, 'CLIENT-REFUND_TOO_MUCH',
             'who knows: the first one is not that');
$Wx->problem(refund('U1', 59), 409, 'CLIENT-REFUND_MISMATCH',
             'who knows: another amount', field => 'amount');
asked(0, 'who knows: another amount');

say_next([ 500, { code => 'SYSTEM_ERROR', message => 'x' } ]);
$Wx->problem($Wx->get("/orders/$Id/refunds/U1"), 502, 'PROVIDER-UNCLEAR',
             'who knows: nor does he');
$Wx->problem(refund('U9', 41), 409, 'CLIENT-REFUND_TOO_MUCH',
             'who knows: still held');
my @None = [ 404, { code => 'RESOURCE_NOT_EXISTS', message => 'x' } ];
say_next(@None);
$Wx->problem($Wx->get("/orders/$Id/refunds/U1"), 502, 'PROVIDER-UNCLEAR',
             'who knows: not found yet');
$Wx->problem(refund('U9', 41), 409, 'CLIENT-REFUND_TOO_MUCH',
             'who knows: held, while it may be found');
late("wxpay:$Id", 'U1', 60);
say_next(@None);
$Wx->problem($Wx->get("/orders/$Id/refunds/U1"), 404,
             'CLIENT-REFUND_NOT_FOUND', 'who knows: he does');
$Wx->ok(refund('U9', 41, trade(), back('U9', 41, 'PROCESSING')),
        'who knows: given back', outcome => 'pending');

# his word that it has failed ends what nobody knew before

{
    my $was = $Id;
    paid('failed after all');
    $Wx->problem(refund('F1', 60, trade(), [ 500, { code => 'SYSTEM_ERROR',
                                                    message => 'x' } ]),
                 502, 'PROVIDER-UNCLEAR', 'failed after all: nobody knows');
    $Wx->ok(refund('F1', 60, trade(), back('F1', 60, 'CLOSED')),
            'failed after all', outcome => 'failed');
    $Wx->ok(refund('F2', 41, trade(), back('F2', 41)),
            'failed after all: given back', outcome => 'success');
    $Id = $was;
}

# pending, then failed; ABNORMAL is still to be returned

$Wx->problem(refund('P1', 60), 409, 'CLIENT-REFUND_TOO_MUCH',
             'pending: held');
say_next(back('U9', 41, 'ABNORMAL'));
$Wx->ok($Wx->get("/orders/$Id/refunds/U9"), 'pending: ABNORMAL',
        outcome => 'failed');
$Wx->problem(refund('P1', 60), 409, 'CLIENT-REFUND_TOO_MUCH',
             'pending: held all the same');
say_next(back('U9', 41, 'CLOSED'));
$Wx->ok($Wx->get("/orders/$Id/refunds/U9"), 'pending: CLOSED',
        outcome => 'failed');
$Wx->ok(refund('P1', 60, trade(), back('P1', 60)), 'pending: given back',
        outcome => 'success');

# the same one twice at once: what one of them hears is not true of the other

{
    my $begin = sub {
        return begin_call($Nginx, POST => "/wx/orders/$Id/refunds",
            heads => { 'Content-Type' => 'application/json' },
            body => $Json->encode({ refund_id => $_[0], amount => $_[1] }));
    };
    my $end = sub {
        my $res = end_call($_[0], timeout => 60);
        return $Json->decode($res->{body})->{code};
    };
    my @no = (403, { code => 'NOT_ENOUGH', message => 'x' });
    my $slow = $PaygwNginx::Slow;
    my $was = $Id;

    for my $case ([ 'taken', 'OK', sub { @{ back('T1', 60) } } ],
                  [ 'refused', 'PROVIDER-BALANCE', sub { @no } ])
    {
        my ($name, $code, $said) = @$case;
        paid("at once: $name");
        $Peer->requests;
        say_next(trade(), [ @no, delay => 2 * $slow ], trade(),
             [ $said->(), delay => 4 * $slow ]);
        my $one = $begin->('T1', 60);
        $Peer->requests(2, 20);
        my $two = $begin->('T1', 60);
        $Peer->requests(4, 20);
        is($end->($one), 'PROVIDER-BALANCE', "at once: $name: one is refused");
        $Wx->problem($Wx->post("/orders/$Id/refunds",
                               { refund_id => 'T2', amount => 41 }), 409,
                     'CLIENT-REFUND_TOO_MUCH',
                     "at once: $name: the other one holds it")
            if $name eq 'taken';
        is($end->($two), $code, "at once: $name: the other one");
        $Peer->requests;
        my $res = refund('T2', 41, trade(), back('T2', 41));
        is($res->{json}{code}, $name eq 'taken' ? 'CLIENT-REFUND_TOO_MUCH'
                                                : 'OK',
           "at once: $name: and then");
        say_next();
    }

    # nor does what a question is told end a call that is under way

    paid('at once: a question');
    $Peer->requests;
    say_next(trade(), [ @{ back('T3', 60) }, delay => 3 * $slow ],
             back('T3', 60, 'CLOSED'));
    my $one = $begin->('T3', 60);
    $Peer->requests(2, 20);
    $Wx->ok($Wx->get("/orders/$Id/refunds/T3"), 'at once: a question',
            outcome => 'failed');
    $Wx->problem($Wx->post("/orders/$Id/refunds",
                           { refund_id => 'T4', amount => 41 }), 409,
                 'CLIENT-REFUND_TOO_MUCH', 'at once: a question: it is held');
    is($end->($one), 'OK', 'at once: a question: and made');

    $Id = $was;
}


# done is done: no later word gives it back

say_next(@None);
is_deeply($Wx->ok($Wx->get("/orders/$Id/refunds/P1"), 'done: not found',
                  outcome => 'success'),
          { order_id => $Id, refund_id => 'P1', channel => 'wxpay',
            outcome => 'success' }, 'done: he has told so before');
say_next(@None);
$Wx->problem($Wx->get("/orders/$Id/refunds/P0"), 404,
             'CLIENT-REFUND_NOT_FOUND', 'done: another one');
$Wx->problem(refund('P2', 41), 409, 'CLIENT-REFUND_TOO_MUCH',
             'done: counts');
say_next(trade());
$Never->ok($Never->get("/orders/$Id"), 'done: state',
           state => 'PART_REFUNDED');

# a refund of another program counts once it is seen

say_next(back('X1', 40));
$Wx->ok($Wx->get("/orders/$Id/refunds/X1"), 'seen', outcome => 'success');
$Wx->problem(refund('P3', 1), 409, 'CLIENT-REFUND_TOO_MUCH', 'seen: counts');
say_next(trade());
$Never->ok($Never->get("/orders/$Id"), 'seen: all of it',
           state => 'REFUNDED');

# a refusal of the second try: the first one may have been done

{
    my $again = PaygwApi->new($Nginx, '/again');
    my $order = $again->order;
    my @paid = (mchid => '1900009192', out_trade_no => $order->{order_id});
    my $of = "/orders/$order->{order_id}";

    say_next([ 200, { code_url => 'weixin://x' } ]);
    $again->ok($again->post('/orders', $order), 'again: made');
    say_next(trade(@paid));
    $again->ok($again->get($of), 'again: paid', state => 'PAID');
    say_next(trade(@paid), [ 500, { code => 'SYSTEM_ERROR', message => 'x' } ],
         [ 403, { code => 'NOT_ENOUGH', message => 'x' } ]);
    $again->problem($again->post("$of/refunds", { refund_id => "G$$" . time,
                                                  amount => 60 }), 502,
                    'PROVIDER-UNCLEAR', 'again: refused, after an error');
    asked(3, 'again: refused, after an error');
    say_next();
    $again->problem($again->post("$of/refunds", { refund_id => "H$$" . time,
                                                  amount => 41 }), 409,
                    'CLIENT-REFUND_TOO_MUCH', 'again: it is held');
}

# UnionPay: that there is none under a time that the caller says gives nothing
# back: it may be another time

{
    my @paid = (origRespCode => '00', txnAmt => '100', currencyCode => '156',
                queryId => '512501020304051234568');
    my $up = sub { $Peer->plan(map { { fields => { respCode => '00', @$_ } } }
                               @_) };

    $up->([ tn => '1' ]);
    my $made = $Up->ok($Up->post('/orders', $Up->order(method => 'app')),
                       'up: made');
    my $of = "/orders/$made->{order_id}";
    $up->(\@paid);
    $Up->ok($Up->get($of), 'up: paid', state => 'PAID');
    $up->(\@paid, [ respCode => '05' ]);
    my $back = $Up->ok($Up->post("$of/refunds", { refund_id => "R$$" . time,
                                                  amount => 60 }),
                       'up: refund', outcome => 'pending');
    my $wrong = $back->{ref} =~ s/\d{14}$/20250102030405/r;
    for my $case ([ $wrong, 502, 'PROVIDER-UNCLEAR' ],
                  [ $back->{ref}, 404, 'CLIENT-REFUND_NOT_FOUND' ],
                  [ $made->{ref} . '-20250102030406', 404,
                    'CLIENT-REFUND_NOT_FOUND' ])
    {
        my ($ref, @want) = @$case;
        $up->(\@paid, [ respCode => '34' ]);
        $Up->problem($Up->get("$of/refunds/$back->{refund_id}",
                              ref => $ref), @want, 'up: none of another time');
        late("unionpay:$made->{order_id}", $back->{refund_id}, 60);
        $up->();
        $Up->problem($Up->post("$of/refunds", { refund_id => "S$$" . time,
                                                amount => 60 }), 409,
                     'CLIENT-REFUND_TOO_MUCH', 'up: it is held all the same');
    }

    # a word about the payment is none about its refund

    $up->([ @paid, origRespCode => '05' ]);
    $Up->problem($Up->get("$of/refunds/$back->{refund_id}"), 502,
                 'PROVIDER-UNCLEAR', 'up: he was not asked for it');
    $up->();
    $Up->problem($Up->post("$of/refunds", { refund_id => "S$$" . time,
                                            amount => 60 }), 409,
                 'CLIENT-REFUND_TOO_MUCH', 'up: not asked for: it is held');

    $up->(\@paid, [ respCode => '34' ]);
    $Up->problem($Up->get("$of/refunds/$back->{refund_id}"), 404,
                 'CLIENT-REFUND_NOT_FOUND', 'up: none of its own');
    $up->(\@paid, [ respCode => '05' ]);
    $back = $Up->ok($Up->post("$of/refunds", { refund_id => "S$$" . time,
                                               amount => 60 }),
                    'up: given back', outcome => 'pending');

    # that it is done is told of its own ref, and of no other one

    my $path = "$of/refunds/$back->{refund_id}";
    $up->(\@paid, [ origRespCode => '00', txnAmt => '60',
                    currencyCode => '156', queryId => '2' ]);
    $Up->ok($Up->get($path), 'up: done', outcome => 'success');
    $up->(\@paid, [ respCode => '34' ]);
    $Up->ok($Up->get($path), 'up: done is done', outcome => 'success');
    $up->(\@paid, [ respCode => '34' ]);
    $Up->problem($Up->get($path, ref => $back->{ref} =~
                              s/\d{14}$/20250102030405/r), 404,
                 'CLIENT-REFUND_NOT_FOUND', 'up: done, by another ref');
}

# UnionPay: of an order that paygw_pass has made the book knows no ref: one that
# is said with a question is noted when the provider knows an order by it, and
# no other one is noted then

{
    my $id = 'P' . time . $$;
    my ($time, $else) = ('20250102030405', '20250102030406');
    my %open = (origRespCode => '05', txnAmt => '100', currencyCode => '156',
                queryId => '512501020304051234568');
    my $answer = sub { $Peer->plan({ fields => { respCode => '00', @_ } }) };
    my $asked = sub { ($Peer->requests)[0]{body} =~ /\btxnTime=(\d+)/;
                      return $1 };

    $answer->(tn => '1');
    my $res = PaygwPeer::call($Nginx, POST =>
        '/pass/gateway/api/appTransReq.do', heads =>
        { 'Content-Type' => 'application/x-www-form-urlencoded' },
        body => "txnType=01&txnSubType=01&bizType=000201&orderId=$id"
                . "&txnTime=$time&txnAmt=100&currencyCode=156");
    is($res->{status}, 200, 'noted: made by paygw_pass');

    $answer->(respCode => '34');
    $Up->ok($Up->get("/orders/$id", ref => $else),
            'noted: none by this ref', outcome => 'pending');
    $Peer->plan;
    $Up->problem($Up->get("/orders/$id"), 400, 'CLIENT-MISSING_FIELD',
                 'noted: so it is not', field => 'ref');

    for ([ $time, 'noted: an order by this one' ],
         [ $else, 'noted: another one' ])
    {
        $answer->(%open);
        $Up->ok($Up->get("/orders/$id", ref => $_->[0]), $_->[1],
                state => 'PAYING', ref => $_->[0]);
        is($asked->(), $_->[0], "$_->[1]: as it is said");
        $answer->(%open);
        $Up->ok($Up->get("/orders/$id"), "$_->[1]: without it",
                state => 'PAYING', ref => $time);
        is($asked->(), $time, "$_->[1]: the first one stays");
    }
}

# -- a code of the payer's: what is no last word is remembered --

{
    my $answer = sub { $Peer->plan(map { { fields => $_ } } @_) };
    my $times = sub { return join ' ', map { $_->{body} =~ /\btxnTime=(\d+)/ }
                                           $Peer->requests };

    for my $word (qw(01 60 34)) {
        my $order = $Up->order(method => 'barcode', terminal => '00000001',
                               payer => { auth_code => '62' . '0' x 17 });
        my $of = "/orders/$order->{order_id}";

        $answer->({ respCode => $word });
        $Up->ok($Up->post('/orders', $order), "code, $word: he may pay yet",
                outcome => 'pending', state => 'PAYING');
        my $time = $times->();

        # that transaction, which is not noted yet: not a second one, and not
        # a refusal either

        sleep 1;
        $answer->({ respCode => '12' }, { respCode => '34' },
                  { respCode => '34' });
        $Up->problem($Up->post('/orders', $order), 502, 'PROVIDER-UNCLEAR',
                     "code, $word: repeated");
        like($times->(), qr/^$time(?: $time)+\z/, "code, $word: the same one");

        $answer->({ respCode => '00', origRespCode => '05', txnAmt => '100',
                    currencyCode => '156', queryId => '1' });
        $Up->ok($Up->get($of), "code, $word: asked for", outcome => 'pending');
        is($times->(), $time, "code, $word: by its own time");
    }
}

# -- a ref of somebody's does not end an order that can be paid --

{
    my $order = $Up->order(method => 'page',
                           return_url => 'https://shop.example.com/');
    my $made = $Up->ok($Up->post('/orders', $order), 'page: made');
    my $of = "/orders/$order->{order_id}";
    my %word = (respCode => '00', txnAmt => '100', currencyCode => '156',
                queryId => '1');

    $Peer->plan({ fields => { %word, origRespCode => '61' } });
    $Up->get($of, ref => "$made->{ref}b");
    $Peer->plan({ fields => { %word, origRespCode => '05' } });
    $Up->ok($Up->get($of), 'page: his first card was refused',
            outcome => 'pending');
    $Peer->plan({ fields => { %word, origRespCode => '00' } });
    $Up->ok($Up->get($of), 'page: he takes another', state => 'PAID');

    # but that money has come in under it is true of the order

    $order = $Up->order(method => 'page',
                        return_url => 'https://shop.example.com/');
    $made = $Up->ok($Up->post('/orders', $order), 'page: another one');
    $of = "/orders/$order->{order_id}";
    $Peer->plan({ fields => { %word, origRespCode => '00' } });
    $Up->ok($Up->get($of, ref => "$made->{ref}b"), 'page: paid by this ref',
            state => 'PAID');
    $Peer->plan({ fields => { %word, origRespCode => '05' } });
    $Up->ok($Up->get($of), 'page: it is paid', state => 'PAID',
            outcome => 'success');
}

# -- Alipay: an order that nobody has scanned is closed here --

{
    my $say = sub { $Peer->plan({ content => $Json->encode({ code => '40004',
                        sub_code => 'ACQ.TRADE_NOT_EXIST' }) }) };
    my $paid = sub { return { content => $Json->encode({ code => '10000',
                         out_trade_no => shift, total_amount => '1.00',
                         trade_no => '2', trade_status => 'TRADE_SUCCESS',
                         send_pay_date => '2025-01-02 11:04:05' }) } };
    my $make = sub {
        my $order = $Ali->order;
        $Peer->plan({ content => $Json->encode({ code => '10000', qr_code =>
                      'https://qr', out_trade_no => $order->{order_id} }) });
        $Ali->ok($Ali->post('/orders', $order), 'unseen: made');
        return $order;
    };

    my $order = $make->();
    my $of = "/orders/$order->{order_id}";

    $say->();
    $Ali->ok($Ali->post("$of/close"), 'unseen: closed', state => 'CLOSED',
             provider_state => 'ACQ.TRADE_NOT_EXIST');
    asked(1, 'unseen: closed');
    $say->();
    $Ali->ok($Ali->post("$of/close"), 'unseen: closed again',
             state => 'CLOSED');
    $Peer->plan();
    $Ali->problem($Ali->post('/orders', $order), 409, 'CLIENT-ORDER_CLOSED',
                  'unseen: not made again');
    asked(0, 'unseen: not made again');

    # what was handed out can be paid: a success counts all the same

    $Peer->plan($paid->($order->{order_id}));
    $Ali->ok($Ali->get($of), 'unseen: paid later', state => 'PAID',
             outcome => 'success');
    $Peer->plan();
    $Ali->problem($Ali->post("$of/close"), 409, 'CLIENT-ORDER_PAID',
                  'unseen: not closed again');
    asked(0, 'unseen: not closed again');

    $order = $make->();
    $of = "/orders/$order->{order_id}";
    $say->();
    $Ali->ok($Ali->post("$of/close"), 'unseen 2: closed', state => 'CLOSED');
    $say->();
    $Ali->ok($Ali->get($of), 'unseen 2: is closed', state => 'CLOSED',
             outcome => 'failed');

    # of another number, and of a word that is not signed

    $say->();
    $Ali->problem($Ali->post('/orders/' . PaygwApi::number() . '/close'), 404,
                  'CLIENT-ORDER_NOT_FOUND', 'unseen: mistyped');

    $order = $make->();
    $of = "/orders/$order->{order_id}";
    $Peer->plan({ signature => 'none', content => $Json->encode({
                  code => '40004', sub_code => 'ACQ.TRADE_NOT_EXIST' }) });
    isnt($Ali->post("$of/close")->{status}, 200, 'unseen: nobody says so');
    $say->();
    $Ali->ok($Ali->get($of), 'unseen: is not closed', state => 'CREATED',
             outcome => 'pending');
}

# -- Stripe: what ends a payment that is not noted does not end the order --

{
    my $St = PaygwApi->new($Nginx, '/stripe');
    my $order = $St->order(method => 'page', currency => 'EUR',
                           return_url => 'https://shop.example.com/');
    my $id = $order->{order_id};
    my %of = (currency => 'eur', livemode => JSON::PP::false,
              metadata => { out_trade_no => $id });
    my %session = (%of, id => 'cs_1', object => 'checkout.session',
                   url => 'https://checkout.stripe.com/c/pay/cs_1',
                   status => 'open', payment_status => 'unpaid',
                   payment_intent => undef, client_reference_id => $id,
                   amount_total => 100);
    my %intent = (%of, id => 'pi_2', object => 'payment_intent',
                  amount => 100);

    say_next([ 200, \%session ]);
    $St->ok($St->post('/orders', $order), 'session: made', ref => 'cs_1');
    say_next([ 200, { %intent, status => 'requires_payment_method' } ],
             [ 200, { %intent, status => 'canceled' } ]);
    $St->ok($St->post("/orders/$id/close", { ref => 'pi_2' }),
            'session: a payment is closed');
    say_next([ 200, \%session ]);
    $St->ok($St->get("/orders/$id"), 'session: the order is open',
            state => 'CREATED', outcome => 'pending', ref => 'cs_1');
    asked(1, 'session');

    # a refund that has gone out for another payment is looked for there

    my %paid = (%intent, status => 'succeeded', amount_received => 100);

    say_next([ 200, { %session, status => 'complete', payment_intent => 'pi_1',
                      payment_status => 'paid' } ]);
    $St->ok($St->get("/orders/$id"), 'session: paid', state => 'PAID');
    my $refund = PaygwApi::number();
    my $none = { object => 'list', has_more => JSON::PP::false, data => [] };
    say_next([ 200, \%paid ], [ 200, $none ], [ 200, '', reset => 1 ]);
    $St->problem($St->post("/orders/$id/refunds", { refund_id => $refund,
                                                    amount => 60,
                                                    ref => 'pi_2' }),
                 504, 'PROVIDER-UNANSWERED', 'session: a refund of pi_2');
    my @sent = $Peer->requests;
    is(scalar @sent, 3, 'session: a refund of pi_2: calls');
    say_next([ 200, \%paid ], [ 200, $none ]);
    $St->problem($St->get("/orders/$id/refunds/$refund"), 502,
                 'PROVIDER-UNCLEAR', 'session: where is it');
    @sent = $Peer->requests;
    is($sent[0]{path}, '/v1/payment_intents/pi_2',
       'session: it is looked for there');

    # what is said of another payment is none of the book's business

    say_next([ 200, { %session, status => 'complete', payment_intent => 'pi_1',
                      payment_status => 'paid' } ],
             [ 200, { object => 'list', has_more => JSON::PP::false, data => [
                      { id => 're_1', object => 'refund', amount => 60,
                        currency => 'eur', payment_intent => 'pi_1',
                        status => 'failed', metadata => {
                            out_refund_no => $refund } } ] } ]);
    $St->ok($St->get("/orders/$id/refunds/$refund?ref=cs_1"),
            'session: that of another payment', outcome => 'failed',
            refund_id => $refund);
    @sent = $Peer->requests;
    is(scalar @sent, 2, 'session: that of another payment: calls');
    say_next([ 200, \%paid ], [ 200, $none ]);
    $St->problem($St->post("/orders/$id/refunds", { refund_id =>
                     PaygwApi::number(), amount => 60, ref => 'pi_2' }), 409,
                 'CLIENT-REFUND_TOO_MUCH', 'session: it is held');
}

unlike($Nginx->log, qr/\[alert\]|\[emerg\]/, 'no alert');

$Nginx->quit;

done_testing();
