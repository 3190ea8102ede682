# paygw_retry: what is sent again, to which host, after which pause; each time
# signed anew, and never past the deadline.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();
use Time::HiRes ();

use PaygwMetrics;
use PaygwNginx;
use PaygwPeer qw(call begin_call end_call problem_ok);
use PaygwProcess ();
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Other = 'http://127.0.0.1:' . $Peer->listen;
my $Third = 'http://127.0.0.1:' . $Peer->listen;
my $Create = '/wx/v3/pay/transactions/native';
my $Once = '/wx/v3/transfer/x';
my $Read = '/wx/v3/x';
my $True = JSON::PP::true;

# with the tries of the location

sub channel {
    my ($provider, @a) = @_;
    return $Peer->$provider(@a, paygw_retry => undef);
}

# nobody listens there

sub dead { return 'http://127.0.0.1:' . PaygwProcess::free_port() }

my %Busy = (status => 500, body => '{"code":"SYSTEM_ERROR","message":"MARK"}');
my $Quick = 'paygw_retry 3 base=100ms factor=3 jitter=0;';

sub start {
    my ($channel, %o) = @_;
    my $server = delete $o{server} // '';
    return PaygwNginx->start(store => 1,
        http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
            . "    log_format k '\$paygw_result \$status';\n" . $channel,
        server => 'access_log logs/k.log k;'
            . 'location = /metrics { paygw_metrics; } '
            . 'location /wx/ { paygw_pass wxpay; '
            . ($o{location} // $Quick) . ' }' . $server, %o);
}

sub end {
    my ($nginx, $what) = @_;
    ok($nginx->quit, "$what: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, "$what: no alert");
}

sub pauses {
    my $nginx = shift;
    return join ' ', $nginx->log =~ /is sent again in (\d+)ms/g;
}

# each request is a new one, but for what it asks for

sub anew_ok {
    my ($n, $name) = @_;
    my @got = $Peer->requests;
    is(scalar @got, $n, "$name: requests");
    is(join(' ', map { $_->{check} } @got), join(' ', ('ok') x $n),
       "$name: each is signed");
    my %nonce = map { $_->{head}{authorization} =~ /nonce_str="(\w+)"/
                      ? ($1, 1) : () } @got;
    is(scalar keys %nonce, $n, "$name: each with its own nonce");
    my %body = map { ("$_->{target} $_->{body}", 1) } @got;
    is(scalar keys %body, 1, "$name: for the same");
    return @got;
}


# -- the provider is in trouble, and says so himself --

{
    my $nginx = start(channel(wechat => $Url));
    my $order = '{"out_trade_no":"T1"}';

    $Peer->plan({ %Busy }, { %Busy }, {});
    is(call($nginx, POST => $Create, body => $order)->{status}, 200,
       'busy: passed');
    anew_ok(3, 'busy');
    is(pauses($nginx), '100 300', 'busy: pauses');

    # all tries: the caller gets what he has said last

    $Peer->plan(({ %Busy }) x 3, {});
    my $res = call($nginx, POST => $Create, body => $order);
    is("$res->{status} $res->{body}", "500 $Busy{body}", 'busy: for good');
    is($res->{header}{'x-paygw-verified'}, 'signature', 'busy: verified');
    is(scalar $Peer->requests, 3, 'busy: three tries');

    # what he has not promised to take once goes once; so does what is refused

    $Peer->plan({ %Busy }, {});
    is(call($nginx, POST => $Once)->{status}, 500, 'busy: not of any call');
    is(scalar $Peer->requests, 1, 'busy: sent once');
    $Peer->plan({ status => 400,
                  body => '{"code":"PARAM_ERROR","message":"x"}' }, {});
    is(call($nginx, POST => $Create)->{status}, 400, 'refused');
    is(scalar $Peer->requests, 1, 'refused: sent once');
    $Peer->plan({ status => 403,
                  body => '{"code":"NOT_ENOUGH","message":"x"}' }, {});
    is(call($nginx, POST => '/wx/v3/refund/domestic/refunds')->{status}, 403,
       'no money is not his trouble');
    is(scalar $Peer->requests, 1, 'no money: sent once');

    # E15: what came after that is unknown, whatever he has said before

    $Peer->plan({ %Busy }, { cut => 3 }, {});
    problem_ok(call($nginx, POST => $Create), 504, 'PROVIDER-UNANSWERED',
               'busy, then nothing');
    is(scalar $Peer->requests, 2, 'busy, then nothing: no third');

    my $have = metrics_ok($nginx->get('/metrics') . "\n", undef, 'busy');
    my $of = 'channel=wxpay,provider=wechat_v3';
    is($have->{"paygw_order_retries_total{cause=busy,$of}"}, 5,
       'busy: counted');
    is($have->{"paygw_order_retries_exhausted_total{$of}"}, 1,
       'busy: given up');
    end($nginx, 'busy');
}

# how each of them says it

{
    my $form = { 'Content-Type' => 'application/x-www-form-urlencoded' };
    my $up = 'orderId=20250102030405001&txnTime=20250102030405&accessType=0'
        . '&bizType=000000';
    my $nginx = start(channel(alipay => $Url) . channel(wechat => $Url)
        . channel(wechat_v2 => $Url) . channel(unionpay => $Url)
        . channel(stripe => $Url), server => join '', map {
            "location /$_/ { paygw_pass $_; $Quick }" }
            qw(alipay wxv2 unionpay stripe));

    my $xml = "<xml><out_trade_no>T1</out_trade_no><total_fee>1</total_fee>"
        . "<body>x</body><spbill_create_ip>127.0.0.1</spbill_create_ip>"
        . "<notify_url>http://127.0.0.1/</notify_url>"
        . "<trade_type>NATIVE</trade_type></xml>";

    for my $case (
        [ 'alipay 20000', '/alipay/gateway.do',
          'method=alipay.trade.precreate&biz_content={"out_trade_no":"T1"}',
          { content => '{"code":"20000","msg":"Service",'
                . '"sub_code":"isp.unknow-error"}' }, 2 ],
        [ 'alipay SYSTEM_ERROR', '/alipay/gateway.do',
          'method=alipay.trade.create&biz_content={"out_trade_no":"T1"}',
          { content => '{"code":"40004","msg":"x",'
                . '"sub_code":"ACQ.SYSTEM_ERROR"}' }, 2 ],
        [ 'alipay UNKNOW_ERROR', '/alipay/gateway.do',
          'method=alipay.trade.create&biz_content={"out_trade_no":"T1"}',
          { content => '{"code":"40004","msg":"x",'
                . '"sub_code":"ACQ.UNKNOW_ERROR"}' }, 2 ],
        [ 'alipay, not his trouble', '/alipay/gateway.do',
          'method=alipay.trade.create&biz_content={"out_trade_no":"T1"}',
          { content => '{"code":"40004","msg":"x",'
                . '"sub_code":"ACQ.INVALID_PARAMETER"}' }, 1 ],
        [ 'alipay, not of any call', '/alipay/gateway.do',
          'method=alipay.fund.trans.uni.transfer&biz_content={}',
          { content => '{"code":"20000","msg":"Service"}' }, 1 ],
        [ 'v2', '/wxv2/pay/unifiedorder', $xml,
          { fields => { result_code => 'FAIL', err_code => 'SYSTEMERROR' } },
          2 ],
        [ 'v2, the payer is asked', '/wxv2/pay/unifiedorder', $xml,
          { fields => { result_code => 'FAIL', err_code => 'USERPAYING' } },
          1 ],
        [ 'v2, not his trouble', '/wxv2/pay/unifiedorder', $xml,
          { fields => { result_code => 'FAIL', err_code => 'NOTENOUGH' } },
          1 ],
        [ 'unionpay', '/unionpay/gateway/api/queryTrans.do',
          "$up&txnType=00&txnSubType=00", { fields => { respCode => '06' } },
          2 ],
        [ 'unionpay, not at its end', '/unionpay/gateway/api/queryTrans.do',
          "$up&txnType=00&txnSubType=00", { fields => { respCode => '05' } },
          1 ],
        [ 'unionpay, a second one would be a duplicate',
          '/unionpay/gateway/api/backTransReq.do',
          "$up&txnType=01&txnSubType=07&txnAmt=1&currencyCode=156",
          { fields => { respCode => '06' } }, 1 ],
        [ 'stripe, who says so', '/stripe/v1/payment_intents', 'amount=1',
          { status => 429, body => '{"error":{"type":"api_error"}}',
            headers => { 'Stripe-Should-Retry' => 'true' } }, 2 ],
        [ 'stripe, who keeps an error', '/stripe/v1/payment_intents',
          'amount=1', { status => 500,
                        body => '{"error":{"type":"api_error"}}' }, 1 ],
        [ 'stripe, whose key is in use', '/stripe/v1/payment_intents',
          'amount=1', { status => 409, body => '{"error":{"type":'
              . '"idempotency_error","code":"idempotency_key_in_use"}}' },
          2 ],
        [ 'stripe, who is away', '/stripe/v1/payment_intents', 'amount=1',
          { status => 503, body => '{"error":{"type":"api_error"}}' }, 2 ],
        [ 'stripe, who says no', '/stripe/v1/payment_intents', 'amount=1',
          { status => 503, body => '{"error":{"type":"api_error"}}',
            headers => { 'Stripe-Should-Retry' => 'false' } }, 1 ],
    ) {
        my ($name, $uri, $body, $plan, $n) = @$case;
        $Peer->plan($plan, {});
        call($nginx, POST => $uri, body => $body, heads =>
             $uri =~ /wxv2/ ? { 'Content-Type' => 'text/xml' } : $form);
        my @got = $Peer->requests;
        is(scalar @got, $n, "$name: tries") or diag($nginx->log);
        is(join(' ', map { $_->{check} } @got), join(' ', ('ok') x $n),
           "$name: signed");
        if ($name =~ /^stripe/) {
            my %key = map { ($_->{head}{'idempotency-key'}, 1) } @got;
            is(scalar keys %key, 1, "$name: one key");
        }
    }
    end($nginx, 'each of them');
}


# -- no answer: what reads, after a pause, at the same host --

{
    my $nginx = start(channel(wechat => $Url, proxy_read_timeout => '1500ms'));
    $Peer->plan({ silent => 6 }, { silent => 6 }, {});
    is(call($nginx, GET => $Read)->{status}, 200, 'silence: passed');
    anew_ok(3, 'silence');
    is(pauses($nginx), '100 300', 'silence: pauses');

    for my $uri ($Create, $Once) {
        $Peer->plan({ silent => 6 }, {});
        problem_ok(call($nginx, POST => $uri), 504, 'PROVIDER-UNANSWERED',
                   "silence: E15: $uri");
        is(scalar $Peer->requests, 1, "silence: E15: $uri: sent once");
    }

    $Peer->plan(({ cut => 3 }) x 3, {});
    problem_ok(call($nginx, GET => $Read), 504, 'PROVIDER-UNANSWERED', 'cut');
    is(scalar $Peer->requests, 3, 'cut: three tries');
    end($nginx, 'silence');

    # of several hosts each one at once, and then the first one again

    $nginx = start(channel(wechat => "$Url backup=$Other backup=$Third",
                                 proxy_read_timeout => '1500ms'),
                   location => 'paygw_retry 4 base=100ms jitter=0;');
    $Peer->plan(({ silent => 6 }) x 3, {});
    is(call($nginx, GET => $Read)->{status}, 200, 'silence: hosts: passed');
    my %hosts = map { ($_->{head}{host}, 1) } anew_ok(4, 'silence: hosts');
    is(scalar keys %hosts, 3, 'silence: hosts: each of them');
    is(pauses($nginx), '100', 'silence: hosts: one pause');
    end($nginx, 'hosts');
}


# -- hosts that cannot be reached --

{
    # a host that comes back during a pause; nothing was sent, so any call may

    my $port = PaygwProcess::free_port();
    my $nginx = start(channel(wechat => "http://127.0.0.1:$port"),
                      location => 'paygw_retry 3 base=3s jitter=0;');
    $Peer->plan({});
    my $c = begin_call($nginx, POST => $Once, body => '{"n":1}');
    ok($nginx->wait_for(sub { pauses($nginx) }, 10), 'away: a pause');
    $Peer->listen(port => $port);
    is(end_call($c, timeout => 20)->{status}, 200, 'away: passed');
    is(scalar $Peer->requests, 1, 'away: sent once');
    end($nginx, 'away');

    # all tries, of each host

    $nginx = start(channel(wechat => dead() . ' backup=' . dead()));
    problem_ok(call($nginx, POST => $Once), 503, 'RETRY-UNREACHABLE', 'dead');
    is($nginx->count(qr/host cannot be reached/), 6, 'dead: three rounds');
    is(pauses($nginx), '100 300', 'dead: two pauses');
    end($nginx, 'dead');

    # one that cannot be reached is not asked first for a while

    my $first = dead();
    $nginx = start(channel(wechat => "$first backup=$Other"), workers => 2);
    $Peer->plan;
    call($nginx, POST => $Once) for 1 .. 20;
    is(scalar $Peer->requests, 20, 'memory: each arrives');
    cmp_ok($nginx->count(qr/to "$first" has failed/), '<=', 3,
           'memory: few ask the first one');
    end($nginx, 'memory');
}


# -- the deadline is over all of it --

{
    # a pause that would end after it is not begun

    for my $case ([ dead(), POST => $Once, 503, 'RETRY-UNREACHABLE' ],
                  [ $Url, GET => $Read, 504, 'PROVIDER-UNANSWERED' ])
    {
        my ($url, $method, $uri, $status, $code) = @$case;
        my $nginx = start(channel(wechat => $url), location =>
            'paygw_retry 5 base=60s jitter=0; paygw_deadline 40s;');
        $Peer->plan({ drop => $True }, {});
        my $begin = Time::HiRes::time();
        problem_ok(call($nginx, $method => $uri, timeout => 30), $status,
                   $code, "no time: $code");
        cmp_ok(Time::HiRes::time() - $begin, '<', 20, "no time: $code: soon");
        is(pauses($nginx), '', "no time: $code: no pause");
        my $have = metrics_ok($nginx->get('/metrics') . "\n", undef, $code);
        is($have->{'paygw_order_retries_exhausted_total{channel=wxpay,'
                   . 'provider=wechat_v3}'}, 1, "no time: $code: counted");
        end($nginx, "no time: $code");
    }

    # and the answer of a try that was late is not waited for any longer

    my $nginx = start($Peer->wechat($Url, paygw_deadline => '2s',
                                    paygw_retry => '5 base=200ms jitter=0'),
                      location => 'paygw_deadline 20s; paygw_retry off;');
    $Peer->plan({ drop => $True }, { silent => 10 }, {});
    my $begin = Time::HiRes::time();
    problem_ok(call($nginx, GET => $Read, timeout => 18), 504,
               'PROVIDER-UNANSWERED', 'channel: its deadline');
    cmp_ok(Time::HiRes::time() - $begin, '<', 9, 'channel: is in force');
    is(scalar $Peer->requests, 2, 'channel: and its tries');
    end($nginx, 'channel');
}


# nor is another host asked when it is over

{
    my $nginx = start(channel(wechat => "$Url backup=$Other"),
                      location => "$Quick paygw_deadline 1s;");
    $Peer->plan({ silent => 10 }, {});
    problem_ok(call($nginx, GET => $Read), 504, 'PROVIDER-UNANSWERED',
               'over: not by the other host');
    is(scalar $Peer->requests, 1, 'over: sent once');
    end($nginx, 'over');
}


# -- hosts are tries, too --

for my $case ([ 'paygw_retry 2 base=100ms jitter=0;', 2 ],
              [ 'paygw_retry off;', 1 ])
{
    my ($location, $n) = @$case;
    my $nginx = start(channel(wechat => "$Url backup=$Other backup=$Third"),
                      location => $location);
    $Peer->plan(({ drop => $True }) x 3, {});
    problem_ok(call($nginx, GET => $Read), 504, 'PROVIDER-UNANSWERED',
               "hosts: tries: $n");
    is(scalar $Peer->requests, $n, "hosts: tries: $n: no more");
    end($nginx, "hosts: tries: $n");
}


# -- off: nothing is sent twice --

{
    my $nginx = start(channel(wechat => dead() . " backup=$Url"),
                      location => 'paygw_retry off;');
    for my $case ([ { %Busy }, POST => $Create, 500 ],
                  [ { drop => $True }, GET => $Read, 504 ])
    {
        my ($plan, $method, $uri, $want) = @$case;
        $Peer->plan($plan, {});
        is(call($nginx, $method => $uri)->{status}, $want, "off: $uri");
        is(scalar $Peer->requests, 1, "off: $uri: once");
    }
    is(pauses($nginx), '', 'off: no pause');
    my $have = metrics_ok($nginx->get('/metrics') . "\n", undef, 'off');
    is($have->{'paygw_order_retries_exhausted_total{channel=wxpay,'
               . 'provider=wechat_v3}'}, 0, 'off: nothing is exhausted');
    end($nginx, 'off');
}


# -- a caller that leaves, and a reload, during a pause --

{
    my $nginx = start(channel(wechat => $Url), workers => 2,
                      location => 'paygw_retry 2 base=2s jitter=0;');
    $Peer->plan(({ %Busy }) x 2, {}, {});
    my @c = map { begin_call($nginx, POST => $Create) } 1 .. 2;
    ok($nginx->wait_for(sub { 2 == (() = pauses($nginx) =~ /\d+/g) }, 10),
       'pause: both');
    PaygwTest::abort_client($c[0]);
    $nginx->signal('HUP');
    is(end_call($c[1], timeout => 20)->{status}, 200, 'reload: passed');
    is(scalar $Peer->requests(4, 15), 4, 'abort: sent again');
    ok($nginx->wait_for(sub {
        open my $fh, '<', "$nginx->{dir}/logs/k.log" or return 0;
        return 2 == grep { /^passed / } <$fh>;
    }, 10), 'abort: the work is done');
    end($nginx, 'pause');
}

done_testing();
