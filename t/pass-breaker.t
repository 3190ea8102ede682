# paygw_breaker: a provider in trouble is not called, by any worker, until one
# call that is let through has succeeded.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();
use MIME::Base64 ();
use Time::HiRes ();

use PaygwMetrics;
use PaygwNginx;
use PaygwPeer qw(call begin_call end_call problem_ok);
use PaygwProcess ();
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Create = 'v3/pay/transactions/native';
my $Once = 'v3/transfer/x';
my $True = JSON::PP::true;

my %Busy = (status => 500, body => '{"code":"SYSTEM_ERROR","message":"x"}');
my %Bad = (signature => 'bad');

# channels of one name, or more: each has a breaker of its own

sub start {
    my ($breaker, $channels, %o) = @_;
    my @names = $channels =~ /paygw_channel (\w+)/g;
    my $location = delete $o{location} // 'paygw_retry off;';
    my $server = join '', map { "location /$_/ { paygw_pass $_; $location }\n" }
                 @names;
    return PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n    paygw_deadline 20s;\n"
            . "    paygw_breaker $breaker;\n"
            . "    log_format k '\$paygw_result \$status';\n" . $channels,
        server => 'access_log logs/k.log k; '
            . 'location = /metrics { paygw_metrics; } '
            . $server . ($o{server} // ''), workers => $o{workers} // 1);
}

sub wx {
    my ($url, $name, %o) = @_;
    return $Peer->wechat($url, -name => $name // 'wx', paygw_breaker => undef,
                         paygw_retry => undef, %o);
}

sub end {
    my ($nginx, $what) = @_;
    ok($nginx->quit, "$what: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, "$what: no alert");
}

sub ask {
    my ($nginx, $name, $uri) = @_;
    return call($nginx, POST => "/$name/" . ($uri // $Once), body => '{}',
                timeout => 25);
}

sub metrics {
    my ($nginx, $what) = @_;
    return metrics_ok($nginx->get('/metrics') . "\n", undef, $what);
}

sub of {
    my ($family, $name, $more) = @_;
    return "paygw_breaker_$family\{channel=$name,provider=wechat_v3"
        . ($more ? ",to=$more" : '') . '}';
}

sub state {
    my ($nginx, $name) = @_;
    my ($state) = $nginx->get('/metrics')
        =~ /^paygw_breaker_state\{channel="\Q$name\E".*\} (\d)$/m;
    return $state;
}


sub code_of {
    my $json = eval { JSON::PP::decode_json($_[0]{body}) } // {};
    return $json->{code} // $_[0]{status};
}


# -- acceptance 4: a dead provider, four workers that agree, and back again --

{
    my $port = PaygwProcess::free_port();
    my $nginx = start('probe=2s window=60s', wx("http://127.0.0.1:$port"),
                      workers => 4);
    my $have = metrics($nginx, 'at first');
    is($have->{of('state', 'wx')}, 0, 'at first: closed');
    is($have->{of('transitions_total', 'wx', $_)}, 0, "at first: $_")
        for qw(closed half_open open);

    my $begin = Time::HiRes::time();
    my @res = map { ask($nginx, 'wx') } 1 .. 10;
    is(join(' ', map { $_->{status} } @res), join(' ', (503) x 10),
       'dead: as it is');
    my $code = code_of($res[-1]);
    is($code, 'RETRY-UNREACHABLE', 'dead: the tenth is tried');
    my $time = Time::HiRes::time() - $begin;
    is(state($nginx, 'wx'), 2, 'dead: open');

    # the tenth failure opens it, however long ten calls take here

    my $tries = $nginx->count(qr/host cannot be reached/);
    is($tries, 10, 'dead: ten were tried');
    is($nginx->count(qr/breaker of channel "wx" opens: 10 of 10 calls have /
                     . qr/failed within \d+ms, the first probe is in 2000ms/),
       1, 'dead: one worker tells');

    # all workers know; while a probe may be due, each of them costs one try

    my %code;
    $code{code_of(ask($nginx, 'wx'))}++ for 1 .. 24;
    my $probes = $code{'RETRY-UNREACHABLE'} // 0;
    is($probes + ($code{'RETRY-UNAVAILABLE'} // 0), 24, 'open: no call');
    cmp_ok($probes, '<=', 2 + (Time::HiRes::time() - $begin) / 2,
           'open: but for probes');
    is($nginx->count(qr/host cannot be reached/), 10 + $probes,
       'open: nothing is sent');

    my $res;
    for (1 .. 20) {
        $res = ask($nginx, 'wx');
        last if code_of($res) eq 'RETRY-UNAVAILABLE';
    }
    problem_ok($res, 503, 'RETRY-UNAVAILABLE', 'open');
    like($res->{header}{'retry-after'}, qr/^[12]$/, 'open: when again');
    ok($nginx->wait_for(sub {
        open my $fh, '<', "$nginx->{dir}/logs/k.log" or return 0;
        return grep { /^unavailable 503$/ } <$fh>;
    }, 5), 'open: in the log');

    # back: the first probe closes it, for all of them

    $Peer->plan;
    $Peer->listen(port => $port);
    my $failed = $nginx->count(qr/stays open: the probe has failed/);
    $begin = Time::HiRes::time();
    my $status;
    do {
        $status = ask($nginx, 'wx')->{status};
        $time = Time::HiRes::time() - $begin;
        Time::HiRes::sleep(0.05);
    } while ($status != 200 && $time < 15);
    is($status, 200, 'back: closed');
    cmp_ok($time, '<', 2 + 5, 'back: within the interval of probes');
    is($nginx->count(qr/stays open: the probe has failed/), $failed,
       'back: by the first probe');
    is(join(' ', map { ask($nginx, 'wx')->{status} } 1 .. 24),
       join(' ', (200) x 24), 'back: all workers agree');
    is(scalar $Peer->requests, 25, 'back: each was sent once');
    is($nginx->count(qr/\[notice\].*breaker of channel "wx" closes/), 1,
       'back: log');

    $have = metrics($nginx, 'back');
    is($have->{of('state', 'wx')}, 0, 'back: metrics: closed');
    is($have->{of('transitions_total', 'wx', 'closed')}, 1, 'back: metrics');
    is($have->{of('transitions_total', 'wx', 'half_open')},
       $have->{of('transitions_total', 'wx', 'open')},
       'back: metrics: each that was open was half-open');
    cmp_ok($have->{'paygw_orders_total{channel=wx,provider=wechat_v3,reason=,'
                   . 'result=unavailable}'}, '>=', 24 - $probes,
           'back: metrics: calls');
    end($nginx, 'dead');
}


# -- one probe over all workers --

{
    my $nginx = start('probe=2s', wx($Url), workers => 4);
    $Peer->plan(({ %Bad }) x 10);
    ask($nginx, 'wx') for 1 .. 10;
    is(state($nginx, 'wx'), 2, 'probe: open');
    sleep 3;

    # what cannot be sent is no probe

    $Peer->plan({ delay => 4 });
    is(ask($nginx, 'wx', 'v4/x')->{status}, 400, 'probe: none of these');
    is(state($nginx, 'wx'), 2, 'probe: open still');

    my @c = map { begin_call($nginx, POST => "/wx/$Once", body => '{}') }
            1 .. 12;
    my %n;
    $n{ end_call($_, timeout => 20)->{status} }++ for @c;
    is_deeply(\%n, { 200 => 1, 503 => 11 }, 'probe: one of twelve');
    is(scalar $Peer->requests, 1, 'probe: one is sent');
    is(state($nginx, 'wx'), 0, 'probe: closed');

    # one that fails, and the next

    $Peer->plan(({ %Busy }) x 11, {});
    ask($nginx, 'wx') for 1 .. 10;
    sleep 3;
    is(ask($nginx, 'wx')->{status}, 500, 'probe: fails');
    is($nginx->count(qr/\[warn\].*stays open: the probe has failed/), 1,
       'probe: log');
    is(state($nginx, 'wx'), 2, 'probe: open again');
    is(ask($nginx, 'wx')->{status}, 503, 'probe: not two in a row');
    sleep 3;
    is(ask($nginx, 'wx')->{status}, 200, 'probe: succeeds');
    is(state($nginx, 'wx'), 0, 'probe: closed again');
    end($nginx, 'probe');
}

# a probe dies with its worker: another one is sent when its time is over

{
    my $nginx = start('probe=1s', wx($Url, 'wx', paygw_deadline => '3s'),
                      workers => 2);
    $Peer->plan(({ %Bad }) x 10, { silent => 60 });
    ask($nginx, 'wx') for 1 .. 10;
    sleep 2;
    my $c = begin_call($nginx, POST => "/wx/$Once", body => '{}');
    is(scalar $Peer->requests(11), 11, 'lost: the probe is sent');
    is(state($nginx, 'wx'), 1, 'lost: half-open');

    # which of the two has it is not known

    kill 'KILL', $nginx->workers;
    ok($nginx->wait_for(sub { $nginx->workers == 2 }, 10), 'lost: killed');
    $Peer->plan;
    ok($nginx->wait_for(sub { ask($nginx, 'wx')->{status} == 200 }, 15),
       'lost: not for ever');
    is(state($nginx, 'wx'), 0, 'lost: closed');
    ok($nginx->quit, 'lost: quits');
}


# -- what counts, and what does not --

{
    my %raw = map { ($_, { raw => MIME::Base64::encode_base64(
        "HTTP/1.1 $_ X\r\nContent-Type: text/html\r\nContent-Length: 24\r\n"
        . "\r\n<html>bad gateway</html>", '') }) } 502, 404;
    my @cases = (
        # name, state, answers to all or of each ten
        [ well => 0, {} ],
        [ refused => 0, { status => 400,
              body => '{"code":"PARAM_ERROR","message":"x"}' } ],
        [ poor => 0, { status => 403,
              body => '{"code":"NOT_ENOUGH","message":"x"}' } ],
        [ busy => 2, { %Busy } ],
        [ limited => 2, { status => 429,
              body => '{"code":"FREQUENCY_LIMITED","message":"x"}' } ],
        [ forged => 2, { %Bad } ],
        [ stale => 2, { age => 4000 } ],
        [ garbage => 2, { signature => 'none', body => 'x' } ],
        [ page => 2, $raw{502} ],
        [ nothing => 2, $raw{404} ],
        [ blamed => 0, { status => 401, signature => 'none',
              body => '{"code":"SIGN_ERROR","message":"x"}' } ],
        [ unsure => 2, { status => 401, signature => 'none',
              body => '{"code":"SYSTEM_ERROR","message":"x"}' } ],
        [ trouble => 2, { status => 500, signature => 'none',
              body => '{"code":"SIGN_ERROR","message":"x"}' } ],
        [ dropped => 2, { drop => $True, close => 1 } ],
        [ cut => 2, { cut => 3 } ],
        [ large => 0, { body => '"' . 'x' x 5000 . '"' } ],
        [ four => 0, [ (map { +{ %Bad } } 1 .. 4), ({}) x 6 ] ],
        [ five => 2, [ ({}) x 5, (map { +{ %Bad } } 1 .. 5) ] ],
    );
    my $nginx = start('on', join('', map { wx($Url, $_->[0]) } @cases),
                      location => 'paygw_retry off; paygw_answer_max 4k;');
    for (@cases) {
        my ($name, $want, $plan) = @$_;
        $Peer->plan(ref $plan eq 'ARRAY' ? @$plan : ($plan) x 10);
        ask($nginx, $name) for 1 .. 10;
        is(state($nginx, $name), $want, "counts: $name");
        is(ask($nginx, $name)->{status} == 503, $want == 2, "then: $name");
    }

    # of the caller's own doing, however often

    ask($nginx, 'well', 'v4/x') for 1 .. 20;
    is(state($nginx, 'well'), 0, 'counts: what is not sent');
    end($nginx, 'counts');
}

# the words of the other providers

{
    my $form = { 'Content-Type' => 'application/x-www-form-urlencoded' };
    my %o = (paygw_breaker => undef, paygw_retry => undef);
    my $up = 'orderId=20250102030405001&txnTime=20250102030405&accessType=0'
        . '&bizType=000000&txnType=00&txnSubType=00';
    my $xml = '<xml><out_trade_no>T1</out_trade_no></xml>';
    my $page = 'method=alipay.trade.page.pay&biz_content={}';
    my $query = 'method=alipay.trade.query&biz_content={"out_trade_no":"T1"}';
    my $v3 = '{"out_trade_no":"T1"}';
    my @cases = (
        [ alipay => 'gateway.do', $query,
          { content => '{"code":"20000","msg":"x"}' },
          { content => '{"code":"40004","msg":"x","sub_code":'
                . '"ACQ.TRADE_NOT_EXIST"}' } ],
        [ alipay3 => 'v3/alipay/trade/query', $v3,
          { status => 500, body => '{"code":"SYSTEM_ERROR","message":"x"}' },
          { status => 400,
            body => '{"code":"ACQ.TRADE_NOT_EXIST","message":"x"}' } ],
        [ wechat_v2 => 'pay/orderquery', $xml,
          { fields => { result_code => 'FAIL', err_code => 'SYSTEMERROR' } },
          { fields => { result_code => 'FAIL',
                        err_code => 'ORDERNOTEXIST' } } ],
        [ unionpay => 'gateway/api/queryTrans.do', $up,
          { fields => { respCode => '06' } },
          { fields => { respCode => '34' } } ],
        [ stripe => 'v1/payment_intents', 'amount=1',
          { status => 503, body => '{"error":{"type":"api_error"}}' },
          { status => 429, body => '{"error":{"code":"lock_timeout"}}' } ],
    );
    my $nginx = start('on', join '', map { my $c = $_;
        my $make = $c->[0] =~ s/3$//r;
        map { $Peer->$make($Url, -name => "$c->[0]_$_", %o) } 3, 4 } @cases);
    for (@cases) {
        my ($name, $path, $body, @plan) = @$_;
        for my $n (3, 4) {
            $Peer->plan(($plan[$n - 3]) x 10);
            my $res;
            $res = call($nginx, POST => "/${name}_$n/$path", body => $body,
                        heads => $path =~ /^v3/
                            ? { 'Content-Type' => 'application/json' }
                            : $path =~ /^pay/
                            ? { 'Content-Type' => 'text/xml' } : $form)
                for 1 .. 10;
            ok($res->{header}{'x-paygw-verified'}, "$name: verified")
                or diag($res->{body}, $nginx->log);
            is(state($nginx, "${name}_$n"), $n == 3 ? 2 : 0,
               "$name: " . ($n == 3 ? 'his trouble' : 'his refusal'));
        }
    }

    # for which nobody is called

    is(call($nginx, POST => '/alipay_3/gateway.do', body => $page,
            heads => $form)->{status}, 200, 'open: a page for the payer');
    end($nginx, 'words');
}


# -- hosts: it is the channel that is in trouble, not one of them --

{
    my $dead = 'http://127.0.0.1:' . PaygwProcess::free_port();
    my $nginx = start('on', wx("$dead backup=$Url"));
    $Peer->plan;
    is(join(' ', map { ask($nginx, 'wx')->{status} } 1 .. 20),
       join(' ', (200) x 20), 'hosts: passed');
    is(state($nginx, 'wx'), 0, 'hosts: closed');
    end($nginx, 'hosts');
}

# tries after a pause ask first

{
    my $nginx = start('requests=3 probe=60s', wx($Url),
                      location => 'paygw_retry 5 base=300ms jitter=0;');
    $Peer->plan(({ %Busy }) x 8);
    my $res = ask($nginx, 'wx', $Create);
    is($res->{status}, 500, 'tries: the last word');
    is($res->{header}{'x-paygw-verified'}, 'signature', 'tries: verified');
    is(scalar $Peer->requests, 3, 'tries: no more when it is open');
    problem_ok(ask($nginx, 'wx', $Create), 503, 'RETRY-UNAVAILABLE',
               'tries: and no other call');
    end($nginx, 'tries');
}


# -- a reload, and a location that does not ask --

{
    my $nginx = start('probe=600s', wx($Url),
        server => 'location /any/ { paygw_pass wx; paygw_breaker off; }',
        workers => 2);
    $Peer->plan(({ %Bad }) x 10);
    ask($nginx, 'wx') for 1 .. 10;
    is(state($nginx, 'wx'), 2, 'reload: open');
    ok($nginx->reload, 'reload');
    is(state($nginx, 'wx'), 2, 'reload: still open');
    my $res = ask($nginx, 'wx');
    problem_ok($res, 503, 'RETRY-UNAVAILABLE', 'reload: no call');
    cmp_ok($res->{header}{'retry-after'}, '>', 500, 'reload: for so long');
    is(scalar $Peer->requests, 10, 'reload: nothing is sent');

    $Peer->plan;
    is(ask($nginx, 'any')->{status}, 200, 'off: asks nobody');
    is(state($nginx, 'wx'), 2, 'off: and tells nobody');
    end($nginx, 'reload');
}

# without a zone nothing is known, and nothing refused

{
    my $nginx = PaygwNginx->start(
        http => wx($Url), server => 'location /wx/ { paygw_pass wx; '
            . 'paygw_retry off; }');
    $Peer->plan(({ %Bad }) x 12, {});
    is(join(' ', map { ask($nginx, 'wx')->{status} } 1 .. 13),
       join(' ', (502) x 12, 200), 'no zone: no breaker');
    end($nginx, 'no zone');
}

done_testing();
