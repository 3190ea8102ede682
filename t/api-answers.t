# paygw_api: what genuine answers of the providers mean, each of their words by
# name; and those that are genuine and not the answer to what was asked.

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
my $Id = 'T20250102_0001';

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_binding off;\n"
        . "    paygw_deadline 30s;\n"
        . $Peer->wechat($Url, notify_url => 'https://pay.example.com/n',
                         paygw_retry => 'off')
        . $Peer->alipay($Url, paygw_retry => 'off'),
    server => 'location /wx/ { paygw_api wxpay; }'
        . 'location /ali/ { paygw_api alipay; }');

my $Wx = PaygwApi->new($Nginx, '/wx');
my $Ali = PaygwApi->new($Nginx, '/ali');

my %Refund = (refund_id => 'R20250102', amount => 30);

sub wx {
    my ($op, @answers) = @_;
    $Peer->plan(map { { status => $_->[0],
                        body => ref $_->[1] ? $Json->encode($_->[1])
                                            : $_->[1] } } @answers);
    my $refunds = "/orders/$Id/refunds";
    return $op eq 'create' ? $Wx->post('/orders', $Wx->order(order_id => $Id))
        : $op eq 'query' ? $Wx->get("/orders/$Id")
        : $op eq 'close' ? $Wx->post("/orders/$Id/close")
        : $op eq 'refund' ? $Wx->post($refunds, \%Refund)
        : $op eq 'refund_query' ? $Wx->get("$refunds/$Refund{refund_id}")
        : $Wx->get('/bills/wxpay/2025-01-02');
}

sub ali {
    my ($op, @answers) = @_;
    $Peer->plan(map { { content => ref $_ ? $Json->encode($_) : $_ } }
                    @answers);
    my $refunds = "/orders/$Id/refunds";
    my %bar = (method => 'barcode',
               payer => { auth_code => '280000000000000001' });
    return $op eq 'create' ? $Ali->post('/orders',
                                        $Ali->order(order_id => $Id))
        : $op eq 'barcode' ? $Ali->post('/orders',
                                        $Ali->order(order_id => $Id, %bar))
        : $op eq 'jsapi' ? $Ali->post('/orders', $Ali->order(
              order_id => $Id, method => 'jsapi', payer => { id => 'o1' }))
        : $op eq 'query' ? $Ali->get("/orders/$Id")
        : $op eq 'close' ? $Ali->post("/orders/$Id/close")
        : $op eq 'refund' ? $Ali->post($refunds, \%Refund)
        : $op eq 'refund_query' ? $Ali->get("$refunds/$Refund{refund_id}")
        : $Ali->get('/bills/alipay/2025-01-02');
}

sub wrong {
    my ($api, $res, $name) = @_;
    $api->problem($res, 502, 'PROVIDER-UNVERIFIED', $name);
}


# -- WeChat Pay: states --

sub trade {
    my %o = (out_trade_no => $Id, mchid => '1900009191',
             trade_state => 'SUCCESS', transaction_id => '4200001',
             amount => { total => 100, currency => 'CNY' },
             success_time => '2025-01-02T11:04:05+08:00',
             payer => { openid => 'o1' }, @_);
    delete @o{grep { !defined $o{$_} } keys %o};
    return \%o;
}

for ([ SUCCESS => 'success', 'PAID' ], [ REFUND => 'success',
                                         'PART_REFUNDED' ],
     [ NOTPAY => 'pending', 'CREATED' ], [ USERPAYING => 'pending',
                                           'PAYING' ],
     [ CLOSED => 'failed', 'CLOSED' ], [ REVOKED => 'failed', 'FAILED' ],
     [ PAYERROR => 'failed', 'FAILED' ], [ NEWSTATE => 'pending',
                                           'PAYING' ])
{
    my ($word, $outcome, $state) = @$_;
    $Wx->ok(wx(query => [ 200, trade(trade_state => $word) ]), "wx $word",
            outcome => $outcome, state => $state, provider_state => $word,
            amount => 100, trade_no => '4200001',
            paid_at => '2025-01-02T03:04:05Z', payer => 'o1');
}

$Wx->ok(wx(query => [ 200, trade(trade_state => 'NOTPAY', amount => undef,
                                 transaction_id => undef, payer => undef,
                                 success_time => undef) ]),
        'wx: not paid, and little known', outcome => 'pending',
        amount => undef, paid_at => undef);

# genuine, of an answer to another question, or of no use

for ([ 'another order', out_trade_no => 'T20250102_0002' ],
     [ 'no order', out_trade_no => undef ],
     [ 'another merchant', mchid => '1900009192' ],
     [ 'no merchant', mchid => undef ],
     [ 'no state', trade_state => undef ], [ 'a state of no kind',
                                             trade_state => 1 ],
     [ 'paid without an amount', amount => undef ],
     [ 'paid with no total', amount => { currency => 'CNY' } ],
     [ 'paid, 0', amount => { total => 0 } ],
     [ 'a float', amount => { total => 100.5 } ],
     [ 'a text', amount => { total => '100' } ],
     [ 'paid without a number', transaction_id => undef ],
     [ 'a number with spaces', transaction_id => '42 00' ],
     [ 'a broken time', success_time => 'yesterday' ])
{
    my ($name, @more) = @$_;
    wrong($Wx, wx(query => [ 200, trade(@more) ]), "wx query: $name");
}

wrong($Wx, wx(query => [ 200, '[]' ]), 'wx query: an array');
wrong($Wx, wx(query => [ 200, '{"trade_state":"SUCCESS","trade_state":1}' ]),
      'wx query: a duplicate key');
wrong($Wx, wx(query => [ 204, '' ]), 'wx query: 204');
wrong($Wx, wx(create => [ 200, {} ]), 'wx create: nothing');
wrong($Wx, wx(create => [ 200, { code_url => '' } ]), 'wx create: empty');
wrong($Wx, wx(create => [ 200, { code_url => 'a b' } ]), 'wx create: spaces');
wrong($Wx, wx(create => [ 200, { prepay_id => 'wx1' } ]),
      'wx create: of another method');
wrong($Wx, wx(create => [ 204, '' ]), 'wx create: 204');
wrong($Wx, wx(close => [ 200, {} ]), 'wx close: 200');


# -- WeChat Pay: errors, on creating --

my %Wx = (
    SYSTEM_ERROR => 'PROVIDER-UNCLEAR', SYSTEMERROR => 'PROVIDER-UNCLEAR',
    FREQUENCY_LIMITED => 'RETRY-BUSY', RATELIMIT_EXCEEDED => 'RETRY-BUSY',
    SIGN_ERROR => 'PROVIDER-ACCOUNT', NO_AUTH => 'PROVIDER-ACCOUNT',
    APPID_MCHID_NOT_MATCH => 'PROVIDER-ACCOUNT',
    MCH_NOT_EXISTS => 'PROVIDER-ACCOUNT',
    PARAM_ERROR => 'PROVIDER-REFUSED', INVALID_REQUEST => 'PROVIDER-REFUSED',
    RULE_LIMIT => 'PROVIDER-REFUSED', BRAND_NEW => 'PROVIDER-REFUSED',
    ORDER_CLOSED => 'CLIENT-ORDER_CLOSED', ORDERPAID => 'CLIENT-ORDER_PAID',
    ORDER_PAID => 'CLIENT-ORDER_PAID',
    OUT_TRADE_NO_USED => 'CLIENT-ORDER_MISMATCH',
    ORDER_NOT_EXIST => 'CLIENT-ORDER_NOT_FOUND',
    ORDERNOTEXIST => 'CLIENT-ORDER_NOT_FOUND',
    NOT_ENOUGH => 'PROVIDER-BALANCE', OPENID_MISMATCH =>
        'CLIENT-PAYER_REFUSED',
);

my %Status = ('CLIENT-PAYER_REFUSED' => 402, 'CLIENT-ORDER_NOT_FOUND' => 404,
              'PROVIDER-ACCOUNT' => 502, 'PROVIDER-UNCLEAR' => 502,
              'PROVIDER-REFUSED' => 422, 'RETRY-BUSY' => 503);

for my $word (sort keys %Wx) {
    my $code = $Wx{$word};
    $Wx->problem(wx(create => [ 400, { code => $word, message => 'MARK' } ]),
                 $Status{$code} // 409, $code, "wx $word",
                 provider_code => $word);
}

# the status is not signed: it counts where the code says nothing

$Wx->problem(wx(create => [ 500, { code => 'BRAND_NEW', message => 'MARK' } ]),
             502, 'PROVIDER-UNCLEAR', 'wx 500');
$Wx->problem(wx(create => [ 429, { code => 'BRAND_NEW', message => 'MARK' } ]),
             503, 'RETRY-BUSY', 'wx 429');
$Wx->problem(wx(create => [ 500, { code => 'ORDERPAID', message => 'MARK' } ]),
             409, 'CLIENT-ORDER_PAID', 'wx 500, and a code');
$Wx->problem(wx(create => [ 202, '' ]), 502, 'PROVIDER-UNCLEAR', 'wx 202');
wrong($Wx, wx(create => [ 400, { code => "A\nB", message => 'MARK' } ]),
      'wx: a code that is none');


# -- WeChat Pay: refunds --

sub refund {
    my %o = (out_refund_no => $Refund{refund_id}, out_trade_no => $Id,
             refund_id => '5000001', transaction_id => '4200001',
             status => 'SUCCESS', success_time => '2025-01-02T11:04:05+08:00',
             amount => { refund => 30, total => 100, currency => 'CNY' }, @_);
    delete @o{grep { !defined $o{$_} } keys %o};
    return \%o;
}

for ([ SUCCESS => 'success' ], [ PROCESSING => 'pending' ],
     [ CLOSED => 'failed' ], [ ABNORMAL => 'failed' ], [ OTHER => 'pending' ])
{
    my ($word, $outcome) = @$_;
    $Wx->ok(wx(refund => [ 200, trade() ],
               [ 200, refund(status => $word) ]), "wx refund $word",
            outcome => $outcome, amount => 30, currency => 'CNY',
            refund_no => '5000001', provider_state => $word,
            refunded_at => '2025-01-02T03:04:05Z');
    my @sent = $Peer->requests(2);
    is(join(' ', map { $_->{check} } @sent), 'ok ok', 'both are signed');
    is_deeply($Json->decode($sent[1]{body}),
              { out_trade_no => $Id, out_refund_no => 'R20250102',
                notify_url => 'https://pay.example.com/n',
                amount => { refund => 30, total => 100,
                            currency => 'CNY' } }, 'the order has its total');
    $Wx->ok(wx(refund_query => [ 200, refund(status => $word) ]),
            "wx refund_query $word", outcome => $outcome);
}

for ([ 'another refund', out_refund_no => 'R20250103' ],
     [ 'another order', out_trade_no => 'T20250102_0002' ],
     [ 'another amount', amount => { refund => 31, total => 100 } ],
     [ 'no amount', amount => undef ], [ 'no status', status => undef ],
     [ 'a broken time', success_time => 'x' ])
{
    my ($name, @more) = @$_;
    wrong($Wx, wx(refund => [ 200, trade() ], [ 200, refund(@more) ]),
          "wx refund: $name");
}

wrong($Wx, wx(refund => [ 200, trade(out_trade_no => 'T20250102_0002') ]),
      'wx refund: the first step is about another order');
is(scalar $Peer->requests, 1, 'and nothing is refunded');
$Wx->problem(wx(refund => [ 200, trade(trade_state => 'NOTPAY') ]), 409,
             'CLIENT-ORDER_STATE', 'wx refund: not paid');
is(scalar $Peer->requests, 1, 'and nothing is sent');
$Wx->problem(wx(refund => [ 404, { code => 'ORDER_NOT_EXIST',
                                   message => 'MARK' } ]), 404,
             'CLIENT-ORDER_NOT_FOUND', 'wx refund: no such order');
$Wx->problem(wx(refund => [ 200, trade() ], [ 403, { code => 'NOT_ENOUGH',
                                                     message => 'MARK' } ]),
             409, 'PROVIDER-BALANCE', 'wx refund: no money');
$Wx->problem(wx(refund_query => [ 200, refund(out_trade_no => 'T2_other') ]),
             404, 'CLIENT-REFUND_NOT_FOUND',
             'wx refund_query: of another order');
$Wx->problem(wx(refund_query => [ 404, { code => 'RESOURCE_NOT_EXISTS',
                                         message => 'MARK' } ]), 404,
             'CLIENT-REFUND_NOT_FOUND', 'wx refund_query: none');


# -- WeChat Pay: bills --

sub bill {
    my %o = (hash_type => 'SHA1', hash_value => 'a' x 40, download_url =>
                 'https://api.mch.weixin.qq.com/v3/billdownload/file?token=x',
             @_);
    delete @o{grep { !defined $o{$_} } keys %o};
    return \%o;
}

for ([ 'no hash', hash_value => undef ], [ 'a short hash',
                                           hash_value => 'a' x 39 ],
     [ 'another hash', hash_type => 'MD5' ], [ 'no hash type',
                                               hash_type => undef ],
     [ 'no URL', download_url => undef ],
     map { [ $_, download_url => $_ ] }
     'https://h/v3/pay/transactions/native?a',
     'https://h/v3/billdownload/file', 'https://h/v3/billdownload/file?',
     'https://h/v3/billdownload/file/../x?t', '/v3/billdownload/file?t',
     'https://h', 'https://h/v3/billdownload/file?a#b')
{
    my ($name, @more) = @$_;
    wrong($Wx, wx(bill => [ 200, bill(@more) ]), "wx bill: $name");
    is(scalar $Peer->requests, 1, 'and nothing is fetched');
}

$Wx->problem(wx(bill => [ 400, { code => 'NO_STATEMENT_EXIST',
                                 message => 'MARK' } ]), 404,
             'CLIENT-BILL_NOT_FOUND', 'wx bill: none');

{
    my @file = ({ body => $Json->encode(bill(hash_value =>
                  'a9993e364706816aba3e25717850c26c9cd0d89d')) },
                { body => 'abc', signature => 'none' });
    $Peer->plan(@file);
    my $res = $Wx->get('/bills/wxpay/2025-01-02');
    is("$res->{status} $res->{body}", '200 abc', 'wx bill: the file');
    my @sent = $Peer->requests(2);
    is($sent[0]{target}, '/v3/bill/tradebill?bill_date=2025-01-02'
                         . '&bill_type=ALL', 'wx bill: asked for');
    is("$sent[1]{target} $sent[1]{check}",
       '/v3/billdownload/file?token=x ok', 'wx bill: fetched, signed');

    $file[1]{body} = 'abd';
    $Peer->plan(@file);
    wrong($Wx, $Wx->get('/bills/wxpay/2025-01-02'),
          'wx bill: a file of another hash');
    $file[1] = { body => $Json->encode(bill()) };
    $Peer->plan(@file);
    wrong($Wx, $Wx->get('/bills/wxpay/2025-01-02'),
          'wx bill: no file, and signed');
    $file[1] = { status => 400, body => '{"code":"PARAM_ERROR",'
                 . '"message":"MARK"}' };
    $Peer->plan(@file);
    $Wx->problem($Wx->get('/bills/wxpay/2025-01-02'), 422,
                 'PROVIDER-REFUSED', 'wx bill: no file, and why');
}


# -- Alipay: states --

sub content {
    my %o = (code => '10000', msg => 'Success', out_trade_no => $Id,
             trade_no => '2025010222001', @_);
    delete @o{grep { !defined $o{$_} } keys %o};
    return \%o;
}

sub paid {
    return content(trade_status => 'TRADE_SUCCESS', total_amount => '1.00',
                   send_pay_date => '2025-01-02 11:04:05',
                   buyer_user_id => '2088101', @_);
}

for ([ TRADE_SUCCESS => 'success', 'PAID' ], [ TRADE_FINISHED => 'success',
                                               'PAID' ],
     [ TRADE_CLOSED => 'success', 'REFUNDED' ],
     [ WAIT_BUYER_PAY => 'pending', 'CREATED' ],
     [ BRAND_NEW => 'pending', 'PAYING' ])
{
    my ($word, $outcome, $state) = @$_;
    $Ali->ok(ali(query => paid(trade_status => $word)), "alipay $word",
             outcome => $outcome, state => $state, provider_state => $word,
             amount => 100, currency => 'CNY', payer => '2088101',
             paid_at => '2025-01-02T03:04:05Z', trade_no => '2025010222001');
}

$Ali->ok(ali(query => paid(trade_status => 'TRADE_CLOSED',
                           send_pay_date => undef)),
         'alipay: closed unpaid', outcome => 'failed', state => 'CLOSED');
$Ali->ok(ali(query => '{"code":"10000","out_trade_no":"' . $Id
             . '","trade_no":"2","trade_status":"TRADE_SUCCESS",'
             . '"total_amount":88.8}'), 'alipay: an amount as a number',
         amount => 8880);

for ([ 'another order', out_trade_no => 'T20250102_0002' ],
     [ 'no order', out_trade_no => undef ],
     [ 'no state', trade_status => undef ],
     [ 'no amount', total_amount => undef ],
     [ 'no number', trade_no => undef ],
     (map { [ "amount $_", total_amount => $_ ] }
      '1.001', '1e2', '-1.00', '', '0.00', ' 1.00', '1,00'),
     [ 'an amount that is true', total_amount => JSON::PP::true ],
     [ 'a broken time', send_pay_date => '2025-01-02' ])
{
    my ($name, @more) = @$_;
    wrong($Ali, ali(query => paid(@more)), "alipay query: $name");
}

wrong($Ali, ali(create => content(qr_code => undef)), 'alipay: no qr_code');
wrong($Ali, ali(create => content(qr_code => 'a b')), 'alipay: qr_code');
wrong($Ali, ali(create => content(qr_code => 'x', out_trade_no => undef)),
      'alipay create: no order');
wrong($Ali, ali(create => content(qr_code => 'x', code => undef)),
      'alipay create: no code');
wrong($Ali, ali(jsapi => content(trade_no => undef)),
      'alipay jsapi: no trade_no');
wrong($Ali, ali(close => content(out_trade_no => undef)),
      'alipay close: no order');
$Ali->ok(ali(jsapi => content()), 'alipay jsapi');


# -- Alipay: by a code of the payer's --

$Ali->ok(ali(barcode => content(total_amount => '1.00', gmt_payment =>
                                    '2025-01-02 11:04:05')), 'alipay: paid',
         outcome => 'success', state => 'PAID', amount => 100,
         paid_at => '2025-01-02T03:04:05Z');
$Ali->ok(ali(barcode => content(code => '10003')), 'alipay: being asked',
         outcome => 'pending', state => 'PAYING');
$Ali->problem(ali(create => content(code => '10003')), 502,
              'PROVIDER-UNCLEAR', 'alipay: 10003 of another method');
wrong($Ali, ali(barcode => content(total_amount => '1.01')),
      'alipay: another amount was paid');
wrong($Ali, ali(barcode => content()), 'alipay: paid, and no amount');
wrong($Ali, ali(barcode => content(total_amount => '1.00',
                                   trade_no => undef)),
      'alipay: paid, and no number');
$Ali->problem(ali(barcode => content(code => '20000', sub_code =>
                                         'aop.ACQ.SYSTEM_ERROR')), 502,
              'PROVIDER-UNCLEAR', 'alipay: 20000, may be paid');


# -- Alipay: errors --

my %Ali = (
    'ACQ.SYSTEM_ERROR' => 'PROVIDER-UNCLEAR',
    'AQC.SYSTEM_ERROR' => 'PROVIDER-UNCLEAR',
    'ACQ.TRADE_HAS_SUCCESS' => 'CLIENT-ORDER_PAID',
    'ACQ.TRADE_HAS_CLOSE' => 'CLIENT-ORDER_CLOSED',
    'ACQ.CONTEXT_INCONSISTENT' => 'CLIENT-ORDER_MISMATCH',
    'ACQ.REASON_TRADE_STATUS_INVALID' => 'CLIENT-ORDER_STATE',
    'ACQ.REASON_ILLEGAL_STATUS' => 'CLIENT-ORDER_STATE',
    'ACQ.TRADE_STATUS_ERROR' => 'CLIENT-ORDER_STATE',
    'ACQ.TRADE_HAS_FINISHED' => 'CLIENT-ORDER_STATE',
    'ACQ.REASON_TRADE_REFUND_FEE_ERR' => 'CLIENT-REFUND_TOO_MUCH',
    'ACQ.REFUND_AMT_NOT_EQUAL_TOTAL' => 'CLIENT-REFUND_TOO_MUCH',
    'ACQ.DISCORDANT_REPEAT_REQUEST' => 'CLIENT-REFUND_MISMATCH',
    'ACQ.SELLER_BALANCE_NOT_ENOUGH' => 'PROVIDER-BALANCE',
    'ACQ.PAYMENT_AUTH_CODE_INVALID' => 'CLIENT-PAYER_REFUSED',
    'ACQ.BUYER_BALANCE_NOT_ENOUGH' => 'CLIENT-PAYER_REFUSED',
    'ACQ.BUYER_SELLER_EQUAL' => 'CLIENT-PAYER_REFUSED',
    'ACQ.TRADE_BUYER_NOT_MATCH' => 'CLIENT-PAYER_REFUSED',
    'ACQ.TRADE_NOT_EXIST' => 'CLIENT-ORDER_NOT_FOUND',
    'ACQ.INVALID_PARAMETER' => 'PROVIDER-REFUSED',
    'ACQ.BRAND_NEW' => 'PROVIDER-REFUSED',
    'isv.invalid-signature' => 'PROVIDER-ACCOUNT',
    'isv.invalid-app-id' => 'PROVIDER-ACCOUNT',
);

for my $word (sort keys %Ali) {
    my $code = $Ali{$word};
    $Ali->problem(ali(create => { code => '40004', msg => 'MARK',
                                  sub_code => $word, sub_msg => 'MARK' }),
                  $Status{$code} // 409, $code, "alipay $word",
                  provider_code => $word);
}

for ([ 20001 => 'PROVIDER-ACCOUNT' ], [ 40003 => 'PROVIDER-ACCOUNT' ],
     [ 40006 => 'PROVIDER-ACCOUNT' ], [ 40005 => 'RETRY-BUSY' ],
     [ 20000 => 'PROVIDER-UNCLEAR' ], [ 40001 => 'PROVIDER-REFUSED' ],
     [ 40002 => 'PROVIDER-REFUSED' ], [ 40004 => 'PROVIDER-REFUSED' ],
     [ 99999 => 'PROVIDER-UNCLEAR' ])
{
    my ($number, $code) = @$_;
    $Ali->problem(ali(create => { code => "$number", msg => 'MARK' }),
                  $Status{$code} // 409, $code, "alipay $number",
                  provider_code => "$number");
}

# without the book any number may be one that nobody has ordered with

$Ali->problem(ali(close => { code => '40004',
                             sub_code => 'ACQ.TRADE_NOT_EXIST' }), 404,
              'CLIENT-ORDER_NOT_FOUND', 'alipay close: not known');

# until the payer has scanned nobody has heard of the order

$Ali->ok(ali(query => { code => '40004', sub_code => 'ACQ.TRADE_NOT_EXIST' }),
         'alipay: not yet there', outcome => 'pending', state => undef);


# -- Alipay: refunds --

sub back {
    return content(out_request_no => $Refund{refund_id},
                   refund_amount => '0.30', total_amount => '1.00',
                   refund_status => 'REFUND_SUCCESS',
                   gmt_refund_pay => '2025-01-02 11:04:05', @_);
}

$Ali->ok(ali(refund => content(fund_change => 'Y', refund_fee => '0.50',
                               send_back_fee => '0.30', gmt_refund_pay =>
                                   '2025-01-02 11:04:05')),
         'alipay refund', outcome => 'success', amount => 30,
         refunded_at => '2025-01-02T03:04:05Z');
is(scalar $Peer->requests, 1, 'one call');

# 10000 alone is no refund: Alipay is asked

$Ali->ok(ali(refund => content(fund_change => 'N'), back()),
         'alipay refund: was done before', outcome => 'success',
         amount => 30);
{
    my @sent = $Peer->requests(2);
    is($sent[1]{params}{method}, 'alipay.trade.fastpay.refund.query',
       'by a query');
    is(join(' ', map { $_->{check} } @sent), 'ok ok', 'both are signed');
}

# an older answer says the amount alone, a newer one perhaps the status alone

$Ali->ok(ali(refund => content(), back(refund_status => undef)),
         'alipay refund: the amount is ours', outcome => 'success',
         amount => 30);
$Ali->ok(ali(refund => content(), back(refund_amount => undef)),
         'alipay refund: the status', outcome => 'success', amount => 30);
$Ali->ok(ali(refund => content(), back(refund_status => undef,
                                       refund_amount => undef)),
         'alipay refund: neither', outcome => 'pending', amount => undef);
$Ali->ok(ali(refund => content(), back(refund_status => 'OTHER')),
         'alipay refund: another word, and the amount', outcome => 'pending');
$Ali->problem(ali(refund => content(), back(refund_status => undef,
                                            refund_amount => '0.31')), 409,
              'CLIENT-REFUND_MISMATCH', 'alipay refund: another amount alone');
$Ali->problem(ali(refund => content(), { code => '10000' }), 502,
              'PROVIDER-UNCLEAR', 'alipay refund: not known yet');
$Ali->problem(ali(refund => content(), back(refund_amount => '0.31')), 409,
              'CLIENT-REFUND_MISMATCH', 'alipay refund: of another amount');
wrong($Ali, ali(refund => content(), back(out_request_no => 'R2')),
      'alipay refund: another refund');
wrong($Ali, ali(refund => content(fund_change => 'Y',
                                  send_back_fee => '0.31')),
      'alipay refund: another amount came back');
wrong($Ali, ali(refund => content(fund_change => 'Y',
                                  out_trade_no => 'T2')),
      'alipay refund: another order');

# the refund was sent: a second step that fails makes it no less

$Peer->plan({ content => $Json->encode(content(fund_change => 'N')) },
            { drop => 1 }, { drop => 1 }, { drop => 1 });
{
    my $res = $Ali->post("/orders/$Id/refunds", \%Refund);
    is($res->{json}{data}{outcome}, 'unknown',
       'a refund whose second step is lost is unknown')
        or diag($res->{body});
}

$Ali->ok(ali(refund_query => back()), 'alipay refund_query',
         outcome => 'success', amount => 30,
         refunded_at => '2025-01-02T03:04:05Z');
$Ali->ok(ali(refund_query => back(refund_amount => undef)),
         'alipay refund_query: the status', outcome => 'success',
         amount => undef);
$Ali->ok(ali(refund_query => back(refund_status => undef)),
         'alipay refund_query: nobody knows whose amount that is',
         outcome => 'pending');
$Ali->ok(ali(refund_query => back(refund_amount => '0.00')),
         'alipay refund_query: of nothing', outcome => 'pending');
$Ali->ok(ali(refund_query => back(refund_status => 'OTHER')),
         'alipay refund_query: another word', outcome => 'pending');
$Ali->problem(ali(refund_query => { code => '10000', msg => 'Success' }), 404,
              'CLIENT-REFUND_NOT_FOUND', 'alipay refund_query: none');
wrong($Ali, ali(refund_query => back(out_request_no => 'R2')),
      'alipay refund_query: another one');
wrong($Ali, ali(refund_query => back(refund_amount => 'x')),
      'alipay refund_query: no amount');

$Ali->ok(ali(bill => { code => '10000', bill_download_url =>
                           'https://dwbillcenter.alipay.com/x' }),
         'alipay bill');
wrong($Ali, ali(bill => { code => '10000' }), 'alipay bill: no URL');
$Ali->problem(ali(bill => { code => '40004', sub_code =>
                                'isp.BILL_NOT_EXIST' }), 404,
              'CLIENT-BILL_NOT_FOUND', 'alipay bill: none');


# D3, D7: what is not signed is nobody's word

for ([ 'D3: twin', { twin => 'first' } ], [ 'D3: twin', { twin => 'last' } ],
     [ 'D7: no sign', { signature => 'none' } ],
     [ 'D7: an empty sign', { signature => 'empty' } ],
     [ 'of another call', { name => 'alipay_trade_pay_response' } ],
     [ 'two contents', { other => 'alipay_trade_pay_response' } ])
{
    my ($name, $answer) = @$_;
    $Peer->plan({ %$answer, content => $Json->encode(paid()) });
    wrong($Ali, $Ali->get("/orders/$Id"), $name);
}

# E15: what is lost is not sent again, whatever connection it was on: the payer
# may have been charged

$Peer->plan({ drop => 1 });
$Ali->problem($Ali->post('/orders', $Ali->order(
    method => 'barcode', payer => { auth_code => '280000000000000001' })),
    504, 'PROVIDER-UNANSWERED', 'E15: a charge');
is(scalar $Peer->requests, 1, 'E15: once');

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
