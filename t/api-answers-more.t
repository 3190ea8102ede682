# paygw_api: what genuine answers of Stripe, WeChat Pay v2 and UnionPay mean,
# each of their words by name; those that are genuine and not the answer to what
# was asked; the second signature of v2.  What is compared with is made here.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Digest::MD5 ();
use Digest::SHA ();
use File::Temp ();
use JSON::PP ();

use PaygwApi;
use PaygwNginx;
use PaygwPeer ();

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Json = JSON::PP->new->utf8->canonical;
my @Notify = (notify_url => 'https://pay.example.com/n');

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_binding off;\n"
        . "    paygw_deadline 30s;\n"
        . $Peer->stripe($Url)
        . $Peer->wechat_v2_cert($Url, @Notify)
        . $Peer->wechat_v2($Url, @Notify, -name => 'hmac',
                           sign_type => 'HMAC-SHA256')
        . $Peer->wechat_v2($Url, @Notify, -name => 'partner',
                           appid => 'wxd930ea5d5a258f4f wxsub',
                           sub_mchid => '1900000109')
        . $Peer->unionpay($Url, @Notify),
    server => 'location /s/ { paygw_api stripe; }'
        . 'location /v/ { paygw_api wxv2; }'
        . 'location /h/ { paygw_api hmac; }'
        . 'location /p/ { paygw_api partner; }'
        . 'location /u/ { paygw_api unionpay; }');

my %Api = map { $_ => PaygwApi->new($Nginx, "/$_") } qw(s v h p u);
my $Id = 'T202501020001';
my $Ref = '20250102030405';
my %Refund = (refund_id => 'R202501020001', amount => 30);

sub ask {
    my ($api, $op, %o) = @_;
    my $a = $Api{$api};
    my %ref = $api eq 's' ? (ref => 'pi_1') : $api eq 'u' ? (ref => $Ref) : ();
    my $of = "/orders/$Id";
    return $op eq 'create' ? $a->post('/orders', $a->order(
               order_id => $Id, $api eq 's' ? (method => 'app') : (), %o))
        : $op eq 'query' ? $a->get($of, %ref, %o)
        : $op eq 'close' ? $a->post("$of/close", { %ref, %o })
        : $op eq 'refund' ? $a->post("$of/refunds", { %Refund, %ref, %o })
        : $a->get("$of/refunds/$Refund{refund_id}", %ref, %o);
}

sub wrong {
    my ($api, $res, $name) = @_;
    $Api{$api}->problem($res, 502, 'PROVIDER-UNVERIFIED', $name);
}

my %Status = (UNCLEAR => 'PROVIDER-UNCLEAR 502', BUSY => 'RETRY-BUSY 503',
              ACCOUNT => 'PROVIDER-ACCOUNT 502',
              BALANCE => 'PROVIDER-BALANCE 409',
              REFUSED => 'PROVIDER-REFUSED 422',
              PAYER => 'CLIENT-PAYER_REFUSED 402',
              map { $_ => "CLIENT-$_ " . (/FOUND/ ? 404 : 409) }
              qw(ORDER_NOT_FOUND REFUND_NOT_FOUND ORDER_MISMATCH ORDER_PAID
                 ORDER_CLOSED ORDER_STATE REFUND_TOO_MUCH REFUND_MISMATCH));

sub code {
    my ($api, $res, $word, $short, $name) = @_;
    my ($code, $status) = split / /, $Status{$short};
    $Api{$api}->problem($res, $status, $code, $name, provider_code => $word);
}


# -- Stripe --

sub intent {
    my %o = (id => 'pi_1', object => 'payment_intent', livemode =>
             JSON::PP::false, amount => 100, amount_received => 100,
             currency => 'cny', status => 'succeeded',
             client_secret => 'pi_1_secret_x',
             metadata => { out_trade_no => $Id }, @_);
    delete @o{grep { !defined $o{$_} } keys %o};
    return \%o;
}

sub session {
    my %o = (id => 'cs_1', object => 'checkout.session', livemode =>
             JSON::PP::false, amount_total => 100, currency => 'cny',
             status => 'complete', payment_status => 'paid',
             payment_intent => 'pi_1', client_reference_id => $Id, @_);
    delete @o{grep { !defined $o{$_} } keys %o};
    return \%o;
}

sub back {
    my %o = (id => 're_1', object => 'refund', amount => 30, currency => 'cny',
             payment_intent => 'pi_1', status => 'succeeded',
             metadata => { out_refund_no => $Refund{refund_id} }, @_);
    delete @o{grep { !defined $o{$_} } keys %o};
    return \%o;
}

sub list { return { object => 'list', has_more => JSON::PP::false,
                    data => [ @_ ] } }

sub s_plan {
    $Peer->plan(map { { status => 200, body => $Json->encode($_) } } @_);
}

for ([ succeeded => 'success', 'PAID' ],
     [ requires_payment_method => 'pending', 'CREATED' ],
     [ requires_confirmation => 'pending', 'CREATED' ],
     [ requires_action => 'pending', 'PAYING' ],
     [ processing => 'pending', 'PAYING' ],
     [ requires_capture => 'pending', 'PAYING' ],
     [ canceled => 'failed', 'CLOSED' ], [ something => 'pending', 'PAYING' ])
{
    my ($word, $outcome, $state) = @$_;
    s_plan(intent(status => $word, $outcome eq 'success' ? ()
                                   : (amount_received => 0)));
    $Api{s}->ok(ask(s => 'query'), "intent $word", outcome => $outcome,
                state => $state, provider_state => $word, amount => 100,
                currency => 'CNY', trade_no => 'pi_1', ref => 'pi_1');
}

for ([ 'open', 'unpaid', 'pending', 'CREATED' ],
     [ 'complete', 'paid', 'success', 'PAID' ],
     [ 'complete', 'no_payment_required', 'success', 'PAID' ],
     [ 'complete', 'unpaid', 'pending', 'PAYING' ],
     [ 'expired', 'unpaid', 'failed', 'CLOSED' ],
     [ 'something', 'paid', 'pending', 'PAYING' ])
{
    my ($word, $paid, $outcome, $state) = @$_;
    s_plan(session(status => $word, payment_status => $paid));
    $Api{s}->ok(ask(s => 'query', ref => 'cs_1'), "session $word $paid",
                outcome => $outcome, state => $state, amount => 100,
                ref => 'cs_1');
}

s_plan(intent(amount_received => 7));
$Api{s}->ok(ask(s => 'query'), 'what came in is told', amount => 7);

for ([ 'no amount', amount_received => undef ],
     [ 'a float', amount_received => 1.5 ], [ 'a text', amount_received =>
                                               '100' ],
     [ 'nothing', amount_received => 0 ],
     [ 'no currency', currency => undef ], [ 'no status', status => undef ],
     [ 'another object', object => 'charge' ], [ 'no id', id => undef ],
     [ 'an id with a slash', id => 'pi/1' ])
{
    my ($name, @more) = @$_;
    s_plan(intent(@more));
    wrong(s => ask(s => 'query'), "intent: $name");
}

for (undef, {}, { out_trade_no => 'T202501020002' }) {
    s_plan(intent(metadata => $_));
    $Api{s}->problem(ask(s => 'query'), 404, 'CLIENT-ORDER_NOT_FOUND',
                     'intent of another order');
    s_plan(intent(metadata => $_));
    wrong(s => ask(s => 'create'), 'created: another order');
}

for ([ 'amount', amount => 99 ], [ 'currency', currency => 'eur' ],
     [ 'no secret', client_secret => undef ])
{
    my ($name, @more) = @$_;
    s_plan(intent(status => 'requires_payment_method', @more));
    wrong(s => ask(s => 'create'), "created: $name");
}

s_plan({ object => 'search_result', data => [ intent(), intent(id =>
                                                               'pi_2') ] });
$Api{s}->problem($Api{s}->get("/orders/$Id"), 400, 'CLIENT-MISSING_FIELD',
                 'several payments of one order', field => 'ref');
{
    my ($r) = $Peer->requests(1);
    is($r->{target}, '/v1/payment_intents/search?query=metadata%5B%27'
       . "out_trade_no%27%5D%3A%27$Id%27&limit=2", 'the question');
}

for my $ref ([ succeeded => 'success' ], [ pending => 'pending' ],
             [ requires_action => 'pending' ], [ failed => 'failed' ],
             [ canceled => 'failed' ], [ something => 'pending' ])
{
    my ($word, $outcome) = @$ref;
    s_plan(intent(), list(back(id => 're_0', metadata => {}),
                          back(status => $word)));
    $Api{s}->ok(ask(s => 'refund_query'), "refund $word", outcome => $outcome,
                amount => 30, refund_no => 're_1', trade_no => 'pi_1');
}

# a list of several pages, then the refund itself

s_plan(intent(), { %{ list(back(id => 're_7', metadata => {})) },
                   has_more => JSON::PP::true }, list(), back());
$Api{s}->ok(ask(s => 'refund', reason => 'a&b'), 'refund', outcome =>
            'success', ref => 'pi_1');
{
    my @r = $Peer->requests(4);
    is($r[2]{target}, '/v1/refunds?payment_intent=pi_1&limit=100'
       . '&starting_after=re_7', 'the second page');
    is("$r[3]{method} $r[3]{target}", 'POST /v1/refunds', 'the refund');
    is($r[3]{head}{'idempotency-key'},
       "paygw:stripe:refund:$Id:$Refund{refund_id}", 'its key');
    like($r[3]{body}, qr/metadata\[reason\]=a%26b/, 'its reason');
}

for ([ 'another amount', amount => 31 ], [ 'of another payment',
                                           payment_intent => 'pi_2' ],
     [ 'another number', metadata => { out_refund_no => 'R2' } ])
{
    my ($name, @more) = @$_;
    s_plan(intent(), list(), back(@more));
    wrong(s => ask(s => 'refund'), "refund: $name");
}

for ([ 400, 'resource_missing', 'REFUSED' ],
     [ 400, 'idempotency_error', 'ORDER_MISMATCH' ],
     [ 409, 'idempotency_key_in_use', 'UNCLEAR' ], [ 409, 'any', 'UNCLEAR' ],
     [ 429, 'rate_limit', 'BUSY' ], [ 429, 'any', 'BUSY' ],
     [ 401, 'any', 'ACCOUNT' ], [ 403, 'any', 'ACCOUNT' ],
     [ 402, 'card_declined', 'PAYER' ], [ 400, 'any', 'REFUSED' ],
     [ 424, 'any', 'UNCLEAR' ], [ 500, 'any', 'UNCLEAR' ],
     [ 503, 'rate_limit', 'UNCLEAR' ],
     [ 400, 'payment_intent_unexpected_state', 'ORDER_STATE' ],
     [ 400, 'charge_disputed', 'ORDER_STATE' ],
     [ 400, 'charge_already_refunded', 'REFUND_TOO_MUCH' ],
     [ 400, 'balance_insufficient', 'BALANCE' ],
     [ 400, 'insufficient_funds', 'BALANCE' ],
     (map { [ 400, $_, 'ACCOUNT' ] }
          qw(api_key_expired secret_key_required testmode_charges_only
             livemode_mismatch account_invalid)))
{
    my ($status, $word, $short) = @$_;
    $Peer->plan(map { { status => $status, body => $Json->encode(
        { error => { type => 'x', code => $word } }) } } 1 .. 3);
    code(s => ask(s => 'create'), $word, $short, "stripe $status $word");
    $Peer->plan;
}


# -- WeChat Pay v2 --

my %Paid = (total_fee => '100', transaction_id => '4200001',
            time_end => '20250102110405', openid => 'o1', out_trade_no => $Id);

sub v_plan { $Peer->plan(map { { fields => $_ } } @_) }

for ([ SUCCESS => 'success', 'PAID' ], [ REFUND => 'success',
                                         'PART_REFUNDED' ],
     [ NOTPAY => 'pending', 'CREATED' ], [ USERPAYING => 'pending',
                                           'PAYING' ],
     [ ACCEPT => 'pending', 'PAYING' ], [ CLOSED => 'failed', 'CLOSED' ],
     [ REVOKED => 'failed', 'FAILED' ], [ PAYERROR => 'failed', 'FAILED' ],
     [ NEW => 'pending', 'PAYING' ])
{
    my ($word, $outcome, $state) = @$_;
    v_plan({ %Paid, trade_state => $word });
    $Api{v}->ok(ask(v => 'query'), "v2 $word", outcome => $outcome,
                state => $state, provider_state => $word, amount => 100,
                currency => 'CNY', trade_no => '4200001', payer => 'o1',
                paid_at => '2025-01-02T03:04:05Z');
}

for ([ 'another order', out_trade_no => 'T202501020002' ],
     [ 'no order', out_trade_no => undef ], [ 'no state', trade_state =>
                                              undef ],
     [ 'no amount', total_fee => undef ], [ 'a float', total_fee => '1.0' ],
     [ 'nothing', total_fee => '0' ], [ 'no number', transaction_id => undef ],
     [ 'a broken time', time_end => '2025' ],
     [ 'another merchant', mch_id => '10000101' ])
{
    my ($name, @more) = @$_;
    v_plan({ %Paid, trade_state => 'SUCCESS', @more });
    wrong(v => ask(v => 'query'), "v2 query: $name");
}

for ([ SUCCESS => 'success' ], [ PROCESSING => 'pending' ],
     [ REFUNDCLOSE => 'failed' ], [ CHANGE => 'failed' ], [ NEW => 'pending' ])
{
    my ($word, $outcome) = @$_;
    v_plan({ out_trade_no => $Id, out_refund_no_0 => $Refund{refund_id},
             refund_fee_0 => '30', refund_status_0 => $word,
             refund_id_0 => '50', refund_success_time_0 =>
             '2025-01-02 11:04:05' });
    $Api{v}->ok(ask(v => 'refund_query'), "v2 refund $word",
                outcome => $outcome, amount => 30, refund_no => '50',
                refunded_at => '2025-01-02T03:04:05Z');
}

my %Back = (out_trade_no => $Id, out_refund_no => $Refund{refund_id},
            refund_fee => '30', refund_id => '50');

v_plan({ %Paid, trade_state => 'SUCCESS' }, \%Back);
$Api{v}->ok(ask(v => 'refund'), 'v2: refund', outcome => 'pending',
            amount => 30, refund_no => '50');
{
    my @r = $Peer->requests(2);
    is($r[1]{path}, '/secapi/pay/refund', 'v2: refund: path');
    is("$r[1]{params}{total_fee} $r[1]{params}{refund_fee}", '100 30',
       'v2: refund: amounts');
    is($r[1]{verdict} // $r[1]{check} // 'ok', 'ok', 'v2: refund: signed');
}

for ([ 'another amount', refund_fee => '31' ], [ 'no amount', refund_fee =>
                                                 undef ],
     [ 'another number', out_refund_no => 'R2' ],
     [ 'another order', out_trade_no => 'T2' ], [ 'no id', refund_id =>
                                                  undef ])
{
    my ($name, @more) = @$_;
    v_plan({ %Paid, trade_state => 'SUCCESS' }, { %Back, @more });
    wrong(v => ask(v => 'refund'), "v2 refund: $name");
}

for ((map { [ $_ => 'UNCLEAR' ] } qw(SYSTEMERROR SYSTEM_ERROR BANKERROR
                                     BIZERR_NEED_RETRY)),
     (map { [ $_ => 'BUSY' ] } qw(FREQUENCY_LIMITED FREQ_LIMIT)),
     (map { [ $_ => 'ACCOUNT' ] } qw(SIGNERROR CERT_ERROR NOAUTH
                                     APPID_NOT_EXIST MCHID_NOT_EXIST
                                     APPID_MCHID_NOT_MATCH)),
     (map { [ $_ => 'PAYER' ] } qw(AUTHCODEEXPIRE AUTH_CODE_ERROR
                                   AUTH_CODE_INVALID NOTSUPORTCARD
                                   BUYER_MISMATCH)),
     [ ORDERPAID => 'ORDER_PAID' ], [ ORDERCLOSED => 'ORDER_CLOSED' ],
     [ OUT_TRADE_NO_USED => 'ORDER_MISMATCH' ],
     [ ORDERNOTEXIST => 'ORDER_NOT_FOUND' ],
     [ INVALID_TRANSACTIONID => 'ORDER_NOT_FOUND' ],
     [ REFUNDNOTEXIST => 'REFUND_NOT_FOUND' ],
     [ TRADE_OVERDUE => 'ORDER_STATE' ], [ NOTENOUGH => 'BALANCE' ],
     [ USERPAYING => 'UNCLEAR' ], [ PARAM_ERROR => 'REFUSED' ])
{
    my ($word, $short) = @$_;
    $Peer->plan(map { { fields => { result_code => 'FAIL', err_code =>
                                    $word } } } 1 .. 3);
    code(v => ask(v => 'create'), $word, $short, "v2 $word");
    $Peer->plan;
}

# the second signature, with the key of t/data/keys

{
    my $key = 'MARK';
    open my $fh, '<', "$Peer->{keys}/wxv2.key" or die $!;
    chomp($key = <$fh>);

    for my $api (qw(v h)) {
        for my $method (qw(jsapi app)) {
            v_plan({ prepay_id => 'wx1' });
            my $data = $Api{$api}->ok(ask($api => 'create',
                method => $method, $method eq 'app' ? ()
                : (payer => { id => 'o1' })), "v2 $api $method");
            my %p = %{ $data->{action}{params} };
            my $sign = delete $p{$method eq 'app' ? 'sign' : 'paySign'};
            is(join(' ', sort keys %p), $method eq 'app'
               ? 'appid noncestr package partnerid prepayid timestamp'
               : 'appId nonceStr package signType timeStamp', 'all of it');
            is($p{signType} // 'none', $method eq 'app' ? 'none'
               : $api eq 'v' ? 'MD5' : 'HMAC-SHA256', 'signType');
            my $text = join('', map { "$_=$p{$_}&" } sort keys %p)
                . "key=$key";
            is($sign, uc($api eq 'v' ? Digest::MD5::md5_hex($text)
                         : Digest::SHA::hmac_sha256_hex($text, $key)),
               "v2 $api $method: signed");
        }
    }
}

# partner mode: whose openid the payer's is

for (['' => 'openid=o1'], ['wxsub' => 'sub_appid=wxsub sub_openid=o1']) {
    my ($app, $sent) = @$_;
    $Peer->requests(1);
    v_plan({ prepay_id => 'wx1' });
    my $data = $Api{p}->ok(ask(p => 'create', method => 'jsapi', payer =>
        { id => 'o1', $app ? (appid => $app) : () }), "v2 partner $app");
    is($data->{action}{params}{appId}, $app || 'wxd930ea5d5a258f4f', 'appId');
    my ($r) = $Peer->requests(1);
    my %f = $r->{body} =~ m{<(\w+)>(?:<!\[CDATA\[)?([^<\]]*)}g;
    is($f{appid}, 'wxd930ea5d5a258f4f', 'appid: of the partner');
    is(join(' ', map { "$_=$f{$_}" } grep { exists $f{$_} }
            qw(sub_appid openid sub_openid)), $sent, 'v2 partner: openid');
}


# -- UnionPay --

my %Up = (respCode => '00', origRespCode => '00', txnAmt => '100',
          currencyCode => '156', queryId => '512501020304051234568');

for ([ '00' => 'success', 'PAID' ], [ A6 => 'success', 'PAID' ],
     (map { [ $_ => 'pending', 'PAYING' ] } qw(03 04 05)),
     [ '61' => 'pending', undef ])
{
    my ($word, $outcome, $state) = @$_;
    v_plan({ %Up, origRespCode => $word });
    $Api{u}->ok(ask(u => 'query'), "unionpay $word", outcome => $outcome,
                state => $state, provider_state => $word, amount => 100,
                currency => 'CNY', ref => $Ref,
                trade_no => '512501020304051234568');
}

for ([ 'no code', origRespCode => undef ], [ 'no amount', txnAmt => undef ],
     [ 'a float', txnAmt => '1.00' ], [ 'nothing', txnAmt => '0' ],
     [ 'dollars', currencyCode => '840' ], [ 'no number', queryId => undef ],
     [ 'another order', orderId => 'T202501020002' ],
     [ 'another time', txnTime => '20250102030406' ])
{
    my ($name, @more) = @$_;
    v_plan({ %Up, @more });
    wrong(u => ask(u => 'query'), "unionpay query: $name");
}

for ([ '00' => 'success' ], [ A6 => 'success' ], [ '05' => 'pending' ],
     [ '61' => 'failed' ])
{
    my ($word, $outcome) = @$_;
    v_plan(\%Up, { %Up, origRespCode => $word, txnAmt => '30',
                   queryId => '9', origQryId => $Up{queryId} });
    $Api{u}->ok(ask(u => 'refund_query', ref => "$Ref-20250102040506"),
                "unionpay refund $word", outcome => $outcome, amount => 30,
                refund_no => '9', trade_no => $Up{queryId});
}

v_plan(\%Up, { respCode => '00', txnAmt => '31' });
wrong(u => ask(u => 'refund'), 'unionpay refund: another amount');
for my $word (qw(03 04 05)) {
    v_plan(\%Up, { respCode => $word });
    $Api{u}->ok(ask(u => 'refund'), "unionpay refund: $word is taken",
                outcome => 'pending', amount => 30);
}
v_plan(\%Up, { respCode => '12' }, { %Up, txnAmt => '31' });
$Api{u}->problem(ask(u => 'refund'), 409, 'CLIENT-REFUND_MISMATCH',
                 'unionpay refund: there, with another amount');
v_plan(\%Up, { respCode => '12' }, { respCode => '34' });
$Api{u}->problem(ask(u => 'refund'), 409, 'CLIENT-REFUND_MISMATCH',
                 'unionpay refund: there, of another time');

for ([ '02' => 'BUSY' ], [ '06' => 'BUSY' ], [ '11' => 'ACCOUNT' ],
     (map { [ $_ => 'UNCLEAR' ] } qw(03 04 05)), [ '10' => 'REFUSED' ],
     [ '12' => 'ORDER_STATE' ], [ '13' => 'REFUSED' ], [ '60' => 'REFUSED' ],
     [ '34' => 'ORDER_NOT_FOUND' ])
{
    my ($word, $short) = @$_;
    $Peer->plan(map { { fields => { respCode => $word } } } 1 .. 3);
    code(u => ask(u => 'create'), $word, $short, "unionpay $word");
    $Peer->plan;
}
v_plan({ qrCode => undef });
wrong(u => ask(u => 'create'), 'unionpay: no code');

# by a code of the payer's

my @Code = (method => 'barcode', terminal => '00000001',
            payer => { auth_code => '6220000000000000001' });

for my $word (qw(00 03 04 05 A6 01 34 60)) {
    $Peer->plan({ fields => { respCode => $word } });
    $Api{u}->ok(ask(u => 'create', @Code), "unionpay code: $word",
                outcome => 'pending', state => 'PAYING', amount => 100,
                provider_state => $word eq '00' ? undef : $word);
    is(scalar $Peer->requests, 1, "unionpay code: $word: one call");
}
for ([ '02' => 'BUSY' ], [ '06' => 'BUSY' ], [ '11' => 'ACCOUNT' ],
     [ '10' => 'REFUSED' ], [ '13' => 'REFUSED' ], [ '61' => 'REFUSED' ])
{
    my ($word, $short) = @$_;
    $Peer->plan(map { { fields => { respCode => $word } } } 1 .. 3);
    code(u => ask(u => 'create', @Code), $word, $short,
         "unionpay code: $word");
    $Peer->plan;
}

# 12: it is there, and is asked for

for ([ '00' => 'success', 'PAID' ], [ A6 => 'success', 'PAID' ],
     (map { [ $_ => 'pending', 'PAYING' ] } qw(03 04 05)),
     (map { [ $_ => 'pending', undef ] } qw(01 12 34 60)),
     [ '61' => 'failed', 'FAILED' ])
{
    my ($word, $outcome, $state) = @$_;
    v_plan({ respCode => '12' }, { %Up, origRespCode => $word });
    $Api{u}->ok(ask(u => 'create', @Code), "unionpay code: there, $word",
                outcome => $outcome, state => $state, amount => 100,
                provider_state => $word);
    v_plan({ %Up, origRespCode => $word });
    $Api{u}->ok(ask(u => 'query', ref => "${Ref}b"),
                "unionpay code: query $word", outcome => $outcome,
                state => $state, ref => "${Ref}b");
}
v_plan({ respCode => '12' }, { %Up, txnAmt => '101' });
$Api{u}->problem(ask(u => 'create', @Code), 409, 'CLIENT-ORDER_MISMATCH',
                 'unionpay code: there, with another amount');
v_plan({ respCode => '12' }, { respCode => '34' });
$Api{u}->problem(ask(u => 'create', @Code), 409, 'CLIENT-ORDER_STATE',
                 'unionpay code: there, of another time');
$Peer->plan({ fields => { respCode => '12' } },
            map { { fields => { respCode => '06' } } } 1 .. 3);
code(u => ask(u => 'create', @Code), '06', 'UNCLEAR',
     'unionpay code: there, and nobody tells');
$Peer->plan;
v_plan({ respCode => '12' }, { %Up, orderId => 'T202501020002' });
wrong(u => ask(u => 'create', @Code), 'unionpay code: of another order');
v_plan({ respCode => '34' });
$Api{u}->ok(ask(u => 'query', ref => "${Ref}b"), 'unionpay code: not found',
            outcome => 'pending', state => undef);

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/secret_x/, 'no secret in the log');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
