# Acceptance 5: a timeout never yields "failed".  The sandbox takes an order, or
# a refund, and stays silent: the answer is "unknown", the next query tells the
# truth, and a repeat under the same number makes no second one.  For each
# provider, with the tries and the breaker that there are by default.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();
use POSIX 'strftime';

use PaygwNginx;
use PaygwPeer qw(begin_call end_call problem_ok);
use PaygwSandbox;

my $Sandbox = PaygwSandbox->start;
my $D = $Sandbox->{dir};
my $Json = JSON::PP->new->canonical;
my $Mchid = $Sandbox->{ids}{mchid};
my $Appid = $Sandbox->{ids}{appid};
my $Time = strftime('%Y%m%d%H%M%S', gmtime(time + 8 * 3600));
my $Notify = 'http://127.0.0.1:1/n';
my @Slow = (proxy_read_timeout => '3s');

my %Type = (json => { 'Content-Type' => 'application/json' },
            xml => { 'Content-Type' => 'text/xml' },
            form => { 'Content-Type' =>
                          'application/x-www-form-urlencoded' });

my $Nginx = PaygwNginx->start(store => 1,
    http => "    paygw_zone paygw:2m;\n    paygw_deadline 20s;\n"
        . $Sandbox->wechat(platform_certificate =>
                               "$D/wechat/platform_cert_a.pem", @Slow)
        . $Sandbox->wechat_v2(@Slow) . $Sandbox->unionpay(@Slow)
        . $Sandbox->alipay(alipay_public_key => "$D/alipay/alipay_public.pem",
                           @Slow)
        . $Sandbox->stripe(@Slow),
    server => join '', map { "location /$_/ { paygw_pass $_; }" }
              qw(wxpay wxv2 alipay unionpay stripe));

sub number { return sprintf 'S%dn%02dr%06d', $$, $_[0], rand 1e6 }

sub form {
    my %p = @_;
    return join '&', map {
        my $v = $p{$_};
        $v =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ge;
        "$_=$v" } sort keys %p;
}

sub xml {
    my %p = @_;
    return '<xml>' . join('', map { "<$_>$p{$_}</$_>" } sort keys %p)
        . '</xml>';
}

sub begin {
    my ($c) = @_;
    my ($method, $uri, $type, $body, $more) = @$c;
    return begin_call($Nginx, $method => $uri, body => $body // '',
                      heads => { %{ $type ? $Type{$type} : {} },
                                 %{ $more // {} } });
}

sub one { return end_call(begin($_[0]), timeout => 20) }

sub order {
    my $id = shift;
    my $all = $Sandbox->get('orders')->{orders};
    return grep { $_->{order_id} eq $id } @$all;
}


# -- how each provider is asked --

my ($Alipay, $Trade) = ('/alipay/gateway.do', 'alipay.trade');

sub alipay {
    my ($method, %biz) = @_;
    return [ POST => $Alipay, 'form', form(
        method => "$Trade.$method", biz_content => $Json->encode(\%biz)) ];
}

sub alipay3 {
    my ($path, %biz) = @_;
    return [ POST => "/alipay/v3/alipay/trade/$path", 'json',
             $Json->encode(\%biz) ];
}

my @Biz = (total_amount => '1.00', subject => 'x', buyer_id => '2088');
my $Api = '/unionpay/gateway/api';
my @Up = (bizType => '000000', accessType => '0', txnTime => $Time);
my $Out = '/wxpay/v3/pay/transactions/out-trade-no';
my %Pi;

my %Of = (
    wechat_v3 => {
        make => sub { [ POST => '/wxpay/v3/pay/transactions/native', 'json',
            $Json->encode({ appid => $Appid, mchid => $Mchid,
                            description => 'x', out_trade_no => $_[0],
                            notify_url => $Notify,
                            amount => { total => 100 } }) ] },
        ask => sub { [ GET => "$Out/$_[0]?mchid=$Mchid" ] },
        made => qr/"trade_state": ?"NOTPAY"/, again => qr/"code_url"/,
        refund => sub { [ POST => '/wxpay/v3/refund/domestic/refunds', 'json',
            $Json->encode({ out_trade_no => $_[0], out_refund_no => "R$_[0]",
                            amount => { refund => 1, total => 100,
                                        currency => 'CNY' } }) ] },
        refunds => sub { [ GET => "/wxpay/v3/refund/domestic/refunds/R$_[0]"
                         ] },
        refunded => qr/"status": ?"SUCCESS"/,
        regain => qr/"status": ?"(?:SUCCESS|PROCESSING)"/,
    },
    wechat_v2 => {
        make => sub { [ POST => '/wxv2/pay/unifiedorder', 'xml', xml(
            body => 'x', out_trade_no => $_[0], total_fee => 100,
            spbill_create_ip => '127.0.0.1', notify_url => $Notify,
            trade_type => 'NATIVE') ] },
        ask => sub { [ POST => '/wxv2/pay/orderquery', 'xml',
                       xml(out_trade_no => $_[0]) ] },
        made => qr/NOTPAY/, again => qr/<code_url>/,
        refund => sub { [ POST => '/wxv2/secapi/pay/refund', 'xml', xml(
            out_trade_no => $_[0], out_refund_no => "R$_[0]",
            total_fee => 100, refund_fee => 1) ] },
        refunds => sub { [ POST => '/wxv2/pay/refundquery', 'xml',
                           xml(out_refund_no => "R$_[0]",
                               out_trade_no => $_[0]) ] },
        refunded => qr/<refund_status_0><!\[CDATA\[SUCCESS/,
        regain => qr/<result_code><!\[CDATA\[SUCCESS/,
    },
    alipay => {
        make => sub { alipay('create', @Biz, out_trade_no => $_[0]) },
        ask => sub { alipay('query', out_trade_no => $_[0]) },
        made => qr/WAIT_BUYER_PAY/, again => qr/"code": ?"10000"/,
        refund => sub { alipay('refund', out_trade_no => $_[0],
                               refund_amount => '0.01',
                               out_request_no => "R$_[0]") },
        refunds => sub { alipay('fastpay.refund.query', out_trade_no => $_[0],
                                out_request_no => "R$_[0]") },
        refunded => qr/REFUND_SUCCESS/, regain => qr/"code": ?"10000"/,
    },
    alipay_v3 => {
        make => sub { alipay3('create', @Biz, out_trade_no => $_[0]) },
        ask => sub { alipay3('query', out_trade_no => $_[0]) },
        made => qr/WAIT_BUYER_PAY/, again => qr/"trade_no"/,
        refund => sub { alipay3('refund', out_trade_no => $_[0],
                                refund_amount => '0.01',
                                out_request_no => "R$_[0]") },
        refunds => sub { alipay3('fastpay/refund/query',
                                 out_trade_no => $_[0],
                                 out_request_no => "R$_[0]") },
        refunded => qr/REFUND_SUCCESS/, regain => qr/"trade_no"/,
    },
    unionpay => {
        make => sub { [ POST => "$Api/backTransReq.do", 'form', form(
            @Up, orderId => $_[0], txnType => '01', txnSubType => '07',
            channelType => '08', txnAmt => 100, currencyCode => '156',
            backUrl => $Notify) ] },
        ask => sub { [ POST => "$Api/queryTrans.do", 'form', form(
            @Up, orderId => $_[0], txnType => '00', txnSubType => '00') ] },
        made => qr/origRespCode=05/,
        again => qr/(?:^|&)respCode=12/,       # it is told so
        refund => sub { [ POST => "$Api/backTransReq.do", 'form', form(
            @Up, orderId => "R$_[0]", txnType => '04', txnSubType => '00',
            txnAmt => 1, backUrl => $Notify, origQryId => (
                one([ POST => "$Api/queryTrans.do", 'form', form(
                    @Up, orderId => $_[0], txnType => '00',
                    txnSubType => '00') ])->{body}
                =~ /(?:^|&)queryId=(\w+)/)[0]) ] },
        refunds => sub { [ POST => "$Api/queryTrans.do", 'form', form(
            @Up, orderId => "R$_[0]", txnType => '00', txnSubType => '00')
            ] },
        refunded => qr/origRespCode=00/, regain => qr/(?:^|&)respCode=12/,
    },
    # without its id nothing can be asked for: it is the key that finds it
    stripe => {
        make => sub { [ POST => '/stripe/v1/payment_intents', 'form',
            form(amount => 100, currency => 'eur',
                 'metadata[out_trade_no]' => $_[0]),
            { 'Idempotency-Key' => $_[0] } ] },
        ask => sub { $Pi{$_[0]} = (order($_[0]))[0]{trade_no};
                     [ GET => "/stripe/v1/payment_intents/$Pi{$_[0]}" ] },
        made => qr/"status": ?"requires_\w+"/, again => qr/"id": ?"pi_/,
        refund => sub { [ POST => '/stripe/v1/refunds', 'form',
            form(payment_intent => $Pi{$_[0]}, amount => 1),
            { 'Idempotency-Key' => "R$_[0]" } ] },
        refunds => sub { [ GET => '/stripe/v1/refunds/'
            . (order($_[0]))[0]{refunds}[0]{refund_no} ] },
        refunded => qr/"status": ?"succeeded"/,
        regain => qr/"id": ?"re_/,
    },
);
my %Id = map { my $n = $_; ((sort keys %Of)[$n], number($n)) } 0 .. 5;

# all of them at the same moment, and none is answered

sub silent {
    my $what = shift;
    my %call = map { ($_, $Of{$_}{$what}->($Id{$_})) } sort keys %Of;
    $Sandbox->post('answers', { fault => 'silent', times => 6 });
    my %c = map { ($_, begin($call{$_})) } sort keys %call;
    for (sort keys %c) {
        my $res = end_call($c{$_}, timeout => 20);
        problem_ok($res, 504, 'PROVIDER-UNANSWERED', "$_: $what: unknown");
        unlike($res->{body}, qr/fail/i, "$_: $what: not failed");
    }
    $Sandbox->post('answers', { fault => '', times => 1 });
}


# -- an order --

silent('make');

for (sort keys %Of) {
    my ($of, $id) = ($Of{$_}, $Id{$_});
    is(scalar order($id), 1, "$_: it was made");
    my $res = one($of->{ask}->($id));
    like($res->{body}, $of->{made}, "$_: a query tells the truth");
    is($res->{status}, 200, "$_: as a success");
    like(one($of->{make}->($id))->{body}, $of->{again}, "$_: a repeat");
    is(scalar order($id), 1, "$_: no second order");
}


# -- and a refund --

my %Provider = (alipay_v3 => 'alipay');
$Sandbox->post("orders/$Id{$_}/pay?provider=" . ($Provider{$_} // $_), {})
    for sort keys %Of;

silent('refund');

for (sort keys %Of) {
    my ($of, $id) = ($Of{$_}, $Id{$_});
    my ($order) = order($id);
    is(scalar @{ $order->{refunds} }, 1, "$_: it was refunded");
    like(one($of->{refunds}->($id))->{body}, $of->{refunded},
         "$_: refund: a query tells the truth");
    like(one($of->{refund}->($id))->{body}, $of->{regain},
         "$_: refund: a repeat");
    ($order) = order($id);
    is(scalar @{ $order->{refunds} }, 1, "$_: no second refund");
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
