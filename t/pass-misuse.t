# paygw_pass in the hands of somebody who means no good, or is just careless:
# a caller, a payer who sees what a caller is told, the way to the provider.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();
use POSIX ();

use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Port = $Peer->listen;
my $Url = "http://127.0.0.1:$Port";
my $Json = JSON::PP->new->utf8->canonical;
my $Form = 'application/x-www-form-urlencoded';

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . $Peer->wechat($Url) . $Peer->alipay($Url) . $Peer->stripe($Url)
        . $Peer->unionpay($Url, -name => 'up')
        . $Peer->unionpay_secret($Url, '11', -name => 'sha')
        . $Peer->unionpay_secret($Url, '12', -name => 'sm'),
    server => join('', map { "location /$_/ { paygw_pass $_; }"
                             . "location /$_/short/ { rewrite "
                             . "^/$_/short/(.*)\$ /v3/pay/\$1 break; "
                             . "paygw_pass $_; }" }
                       qw(wxpay alipay stripe up sha sm))
        . join('', map { "location = /shop/$_ { paygw_notify $_; "
                         . "proxy_pass http://127.0.0.1:\$server_port/ok; }" }
                   qw(up sha sm))
        . 'location = /ok { return 200 ok; }');

sub form {
    my %p = @_;
    return join '&', map { my $v = $p{$_};
                           $v =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1
                                  /gex;
                           "$_=$v" } sort keys %p;
}

sub post {
    my ($uri, $p, %heads) = @_;
    return call($Nginx, POST => $uri, body => ref $p ? form(%$p) : $p,
                heads => { 'Content-Type' => $Form, %heads });
}

sub json {
    my ($method, $uri, $body) = @_;
    return call($Nginx, $method => $uri, body => $body // '',
                heads => { 'Content-Type' => 'application/json' });
}

sub refused {
    my ($what, $res, $message) = @_;
    problem_ok($res, 400, 'CLIENT-BAD_REQUEST', $what, message => $message);
    is(scalar $Peer->requests, 0, "$what: not sent");
}


# -- a page that a payer sees is no callback --

# with a secret that both sides have, its signature would be that of a callback
# with the same text; what else a callback has anyone can put into a page

my $Now = POSIX::strftime('%Y%m%d%H%M%S', gmtime(time + 8 * 3600));
my %Order = (orderId => '20250102030405001', txnTime => $Now, txnType => '01',
             txnSubType => '01', bizType => '000201', currencyCode => '156',
             txnAmt => '100');
my %Told = (queryId => '123456789012345678901', respCode => '00',
            respMsg => 'ok', settleAmt => '100');

sub page {
    my ($name, %p) = @_;
    my $res = post("/$name/gateway/api/frontTransReq.do", \%p);
    my %got = $res->{body}
        =~ /<input type="hidden" name="(\w+)" value="([^"<>]*)">/g;
    s/&lt;/</g, s/&gt;/>/g, s/&quot;/"/g, s/&#39;/'/g, s/&amp;/&/g
        for values %got;
    return ($res, %got);
}

for my $name (qw(sha sm)) {
    my $re = qr/^respCode is what UnionPay says/;
    for my $case ([ 'callback', %Order, %Told ],
                  [ 'first', respCode => '00', orderId => 1, txnTime => 1,
                    accessType => '' ],
                  [ 'in a text', %Order, reqReserved => 'a&respCode=00' ],
                  [ 'further on', %Order,
                    reqReserved => 'a&b&respCode&respCode=00&c=d' ],
                  [ 'in an id', %Order, orderId => '1&respCode=00' ])
    {
        my ($what, %p) = @$case;
        my ($res) = page($name, %p);
        refused("$name: page: $what", $res, $re);
        refused("$name: $what", post("/$name/gateway/api/backTransReq.do",
                                     \%p), $re);
    }

    for my $text ('xrespCode=00', 'a&respCodes=00', 'a&respCode', '&=',
                  'https://shop.example.com/?a=1&orderId=2')
    {
        my ($res, %p) = page($name, %Order, reqReserved => $text);
        is("$res->{status} $p{reqReserved}", "200 $text",
           "$name: page: $text");

        # and such a page is none

        $res = post("/shop/$name", \%p);
        isnt($res->{status}, 200, "$name: callback: $text");
    }
}

# nor can its signature be that of another amount or order, with the text cut
# elsewhere; where merId would be part of a value it is good for nothing

for my $case ([ reqReserved => 'x&signMethod=01&txnAmt=1&txnB=', 400 ],
              [ reqReserved => "x&txnAmt=1&txnB=", 400 ],
              [ reqReserved => 'a&b=c&&txnType=04', 400 ],
              [ reqReserved => 'x&txnSubType=1', 400 ],
              [ reqReserved => 'x&txnTime=1', 400 ],
              [ orderDesc => 'x&orderId=2&p=', 400 ],
              [ bizType => '000201&currencyCode=840', 400 ],
              [ frontUrl => 'http://x/?a&merId=1&orderId=2', 400 ],
              [ frontUrl => 'http://x/?a=1&orderId=2&txnAmt=1', 200 ],
              [ reqReserved => 'x&orderId=2&merId=1', 200 ],
              [ reqReserved => 'txnAmt=1', 200 ],
              [ reqReserved => 'x&txnAmt', 200 ])
{
    my ($name, $value, $status) = @$case;
    for my $ch (qw(up sha)) {
        my ($res) = page($ch, %Order, $name => $value);
        is($res->{status}, $status, "$ch: page: $name=$value");
        like($res->{body}, qr/a value hides another field/, 'is told')
            if $status == 400;
    }
}

# what the payer does not see is no matter

$Peer->plan({});
is(post('/up/gateway/api/backTransReq.do',
        { %Order, reqReserved => 'x&txnAmt=1' })->{status}, 200,
   'up: not a page');

# our own key is none of UnionPay's

{
    my ($res, %p) = page('up', %Order, %Told);
    is($res->{status}, 200, 'up: page');
    isnt(post('/shop/up', \%p)->{status}, 200, 'up: callback');
}


# -- Alipay: what cannot be read is not taken for what it might be --

$Peer->plan;

my %Refund = (method => 'alipay.trade.refund',
              biz_content => '{"trade_no":"1","refund_amount":"1.00"}');

refused('E17: another encrypt_type',
        post('/alipay/gateway.do', { %Refund, encrypt_type => 'NONE' }),
        qr/^encrypt_type must be AES/);
refused('E17: refund', post('/alipay/gateway.do', { %Refund }),
        qr/^a refund needs out_request_no/);

for my $case ([ 'alipay.trade.refund', 'AES', 1 ],
              [ 'alipay.trade.refund', '', 2 ],
              [ 'alipay.trade.cancel', 'AES', 2 ])
{
    my ($method, $type, $n) = @$case;
    my $what = "E17: $method $type";
    my $biz = '{"out_trade_no":"T1","out_request_no":"R1"}';
    $Peer->plan({}, { drop => JSON::PP::true },
                { content => '{"code":"10000"}' });
    post('/alipay/gateway.do', { method => 'alipay.trade.query',
                                 biz_content => $biz });
    my $res = post('/alipay/gateway.do', {
        method => $method, biz_content => $type ? 'c2VhbGVk' : $biz,
        $type ? (encrypt_type => $type) : () });
    is(scalar $Peer->requests, 1 + $n, "$what: requests");
    is($res->{status}, $n == 2 ? 200 : 504, "$what: status");
}

{
    $Peer->plan({}, { drop => JSON::PP::true }, {});
    json(POST => '/alipay/v3/alipay/trade/query', '{"out_trade_no":"T1"}');
    my $res = call($Nginx, POST => '/alipay/v3/alipay/trade/refund',
                   body => 'c2VhbGVk',
                   heads => { 'Content-Type' => 'text/plain',
                              'alipay-encrypt-type' => 'AES' });
    is(scalar $Peer->requests, 2, 'E17: REST, encrypted: sent once');
    is($res->{status}, 504, 'E17: REST, encrypted: status');
}

# nor is what is signed another call, with the text cut elsewhere

$Peer->plan;

for my $p ({ encrypt_type => 'AES', biz_content => 'x&method=y' },
           { app_auth_token => 'x&biz_content={}&method=y&n=' },
           { aaa => 'x&' })
{
    for my $method (qw(page.pay query)) {
        refused("alipay.trade.$method: " . join('=', %$p),
                post('/alipay/gateway.do', { method => "alipay.trade.$method",
                                             %$p }),
                qr/^a value hides another parameter/);
    }
}

for my $p ({ biz_content => '{"subject":"x&method=y"}' },
           { return_url => 'https://shop.example.com/?a=1&method=y' })
{
    my $res = post('/alipay/gateway.do', { method => 'alipay.trade.page.pay',
                                           %$p });
    is($res->{status}, 200, 'page.pay: ' . join '=', %$p);
}

# a call has one spelling

$Peer->plan;

for my $path ('trade/refund/', 'trade/refund;a=b', 'trade.refund',
              'trade/refund%20', 'trade/refund%3B', '')
{
    refused("spelling: $path",
            json(POST => "/alipay/v3/alipay/$path", '{"trade_no":"1"}'),
            qr/^the path must be one of the API/);
}

# what a content is called is not signed

my $Name = 'alipay_trade_query_response';

for my $case (
    [ 'a text', { content => '"c2VhbGVk"' } ],
    [ 'a number', { content => '10000' } ], [ 'null', { content => 'null' } ],
    [ 'an array', { content => '[{"code":"10000"}]' } ],
    [ 'a success as an error', { name => 'error_response',
                                 content => '{"code":"10000","a":"MARK"}' } ],
) {
    my ($what, $plan) = @$case;
    $Peer->plan($plan);
    problem_ok(post('/alipay/gateway.do', { method => 'alipay.trade.query' }),
               502, 'PROVIDER-UNVERIFIED', $what);
}

for my $case ([ '"c2VhbGVk"', 200 ], [ '{"code":"40004","msg":"x"}', 200 ],
              [ 'null', 502 ], [ '["c2VhbGVk"]', 502 ])
{
    my ($content, $status) = @$case;
    $Peer->plan({ content => $content });
    is(post('/alipay/gateway.do', { method => 'alipay.trade.query',
                                    biz_content => 'c2VhbGVk',
                                    encrypt_type => 'AES' })->{status},
       $status, "encrypted: $content");
}

# the time of an answer is looked at before it is believed to be one

for my $case ([ '17300000000', 'is not milliseconds' ],
              [ '17', 'is not milliseconds' ],
              [ '173000000000x', 'is not milliseconds' ],
              [ undef, 'no alipay-timestamp' ],
              [ '', 'no alipay-timestamp' ])
{
    my ($time, $hint) = @$case;
    my $at = length $Nginx->log;
    $Peer->plan({ headers => { 'alipay-timestamp' => $time } });
    problem_ok(json(POST => '/alipay/v3/alipay/trade/query', '{}'), 502,
               'PROVIDER-UNVERIFIED', 'time: ' . ($time // 'none'));
    like(substr($Nginx->log, $at), qr/hint: .*\Q$hint/, "time: $hint");
}

$Peer->plan({ headers => { 'alipay-nonce' => undef } });
problem_ok(json(POST => '/alipay/v3/alipay/trade/query', '{}'), 502,
           'PROVIDER-UNVERIFIED', 'no nonce');
like($Nginx->log, qr/or no alipay-nonce while/, 'no nonce: is told');

# nor is alipay_cert_sn, and without certificates nobody has looked at it

{
    my $sn = 'x\\",\\"' . $Name . '\\":{\\"code\\":\\"10000\\",'
        . '\\"a\\":\\"TWIN\\"},\\"y\\":\\"';
    $Peer->plan({ sn => $sn, content => '{"code":"40004"}' });
    my $res = post('/alipay/gateway.do', { method => 'alipay.trade.query' });
    is($res->{status}, 200, 'alipay_cert_sn: passed');
    like($res->{body}, qr/^\{"$Name":\{"code":"40004"\},"sign":"[^"]+"\}$/,
         'alipay_cert_sn: is left out');
}


# -- Stripe: whom a call acts for --

$Peer->plan;

for my $name (qw(_stripe_account _stripe_version %5Fstripe_context key)) {
    for my $call ([ 'in a form', post('/stripe/v1/refunds',
                                      "a=b&$name=acct_3") ],
                  [ 'in a form with ";"', post('/stripe/v1/refunds',
                                               "a=b;$name=acct_3") ],
                  [ 'in a URL', call($Nginx, GET =>
                                     "/stripe/v1/refunds?$name=acct_3") ])
    {
        refused("$name $call->[0]", $call->[1],
                qr/^a key, an account or a version/);
    }
}

refused('a card behind ";"', post('/stripe/v1/tokens', 'a=b;card[number]=4'),
        qr/^the data of a card/);

for my $text ('metadata[key]=a', 'a=_stripe_account', 'keys=1') {
    $Peer->plan({ body => '{"id":"re_1"}' });
    is(post('/stripe/v1/refunds', $text)->{status}, 200, "Stripe: $text");
}

# a refund of a charge is no answer about another charge

for my $path ('ch_1/refunds', 'ch_1/refunds/re_1', 'ch_1/dispute') {
    $Peer->plan({ body => '{"id":"re_1"}' });
    is(post("/stripe/v1/charges/$path", 'a=b')->{status}, 200, $path);
}

for my $path ('ch_1', 'ch_1/capture', 'ch_1/refund') {
    $Peer->plan({ body => '{"id":"re_1"}' });
    problem_ok(post("/stripe/v1/charges/$path", 'a=b'), 502,
               'PROVIDER-UNVERIFIED', $path);
}


# -- WeChat Pay: a genuine answer about another order --

my $Pay = '/wxpay/v3/pay';
my $Refunds = '/wxpay/v3/refund/domestic/refunds';

for my $case (
    [ GET => "$Pay/transactions/out-trade-no/T1?mchid=1", 'out_trade_no' ],
    [ GET => "$Pay/transactions/out-trade-no/%541", 'out_trade_no' ],
    [ GET => "$Pay/transactions/id/T1", 'transaction_id' ],
    [ GET => "$Pay/partner/transactions/out-trade-no/T1", 'out_trade_no' ],
    [ GET => "$Pay/partner/transactions/id/T1", 'transaction_id' ],
    [ GET => "$Refunds/T1", 'out_refund_no' ],
    [ POST => $Refunds, 'out_refund_no', '{"out_refund_no":"T1"}' ],
) {
    my ($method, $uri, $name, $body) = @$case;
    for my $said (qw(T T2 t1 T11), '') {
        $Peer->plan({ body => qq({"$name":"$said","a":"MARK"}) });
        problem_ok(json($method => $uri, $body), 502, 'PROVIDER-UNVERIFIED',
                   "$method $uri: $said");
    }
    for my $said (qq({"$name":"T1"}), '{"other":"T2"}') {
        $Peer->plan({ body => $said });
        is(json($method => $uri, $body)->{body}, $said, "$uri: $said");
    }
    $Peer->plan({ body => '{"mchid":"1900009191"}' });
    is(json($method => $uri, $body)->{status}, 200, "$uri: mchid");
    for my $who (qw(mchid sp_mchid)) {
        $Peer->plan({ body => qq({"$who":"1900009192","a":"MARK"}) });
        problem_ok(json($method => $uri, $body), 502, 'PROVIDER-UNVERIFIED',
                   "$uri: another $who");
    }
}

# what has no such number, or another one in its path

for my $case ([ POST => "$Refunds/5000/apply-abnormal-refund", '{}' ],
              [ POST => $Refunds, '' ], [ POST => $Refunds, 'x' ],
              [ POST => "${Refunds}x", '{"out_refund_no":"T1"}' ],
              [ GET => "$Pay/transactions/out-trade-no/" ],
              [ GET => '/wxpay/v3/marketing/T1' ])
{
    my ($method, $uri, $body) = @$case;
    my $said = '{"out_refund_no":"T2","out_trade_no":"T2","mchid":"'
        . ($uri =~ /marketing|abnormal|x$/ ? 2 : '1900009191') . '"}';
    $Peer->plan({ body => $said });
    is(json($method => $uri, $body)->{body}, $said, "$uri: passed");
}


# E15: a call of a path that only looks like one of the list is not sent again

for my $case ([ "$Pay/transactions/out-trade-no/T1/close", 2 ],
              [ "$Pay/transactions/out-trade-no/close", 1 ],
              [ "$Pay/transactions/out-trade-no/T1/T2/close", 1 ],
              [ "$Pay/transactions/native/", 1 ])
{
    my ($uri, $n) = @$case;
    $Peer->plan({}, { drop => JSON::PP::true }, { status => 204, body => '' });
    json(GET => '/wxpay/v3/x');
    is(json(POST => $uri, '{}')->{status}, $n == 2 ? 204 : 504, "E15: $uri");
    is(scalar $Peer->requests, 1 + $n, "E15: $uri: requests");
}


# -- a path that a location has made is all of it --

{
    $Peer->plan({});
    my $res = json(GET => '/wxpay/short/transactions/id/1?mchid=2');
    is($res->{status}, 200, 'rewrite: passed') or diag($res->{body});
    my ($r) = $Peer->requests;
    is("$r->{target} $r->{check}", '/v3/pay/transactions/id/1?mchid=2 ok',
       'rewrite: target');
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
