# paygw_threads: what a thread has signed is what the worker signs; and what
# happens to a call meanwhile happens to nothing else.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use MIME::Base64 qw(decode_base64);
use Socket ();
use Time::HiRes ();

use PaygwNginx;
use PaygwPeer qw(call begin_call end_call problem_ok);
use PaygwProcess ();
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Create = 'v3/pay/transactions/native';

# the thread of "one" is kept busy by a request to /sleep

my $Pools = 'thread_pool one threads=1; '
    . 'thread_pool full threads=1 max_queue=1;';

my $Http = "    paygw_zone paygw:1m;\n";
if ($PaygwTest::Store eq 'redis') {
    PaygwTest::redis_start();
    $Http .= '    paygw_store redis://127.0.0.1:' . PaygwTest::redis_port()
        . "/0 prefix=t$$:;\n";
}
$Http .= "    paygw_deadline 30s;\n    paygw_threads;\n"
    . "    log_format t '\$request_uri \$paygw_result \$status';\n";

my $Server = 'access_log logs/t.log t; '
    . 'location = /plain { return 200 "plain"; } '
    . 'location = /metrics { paygw_metrics; } '
    . 'location = /sleep { paygw_test_threads one; } '
    . 'location = /sleep_full { paygw_test_threads full; } '
    . 'location /default/ { paygw_pass wxpay; } '
    . 'location /off/ { paygw_threads off; paygw_pass wxpay; } '
    . 'location /one/ { paygw_threads one; paygw_pass wxpay; } '
    . 'location /full/ { paygw_threads full; paygw_pass wxpay; } '
    . 'location /short/ { paygw_deadline 500ms; paygw_threads one; '
    . 'paygw_pass wxpay; } '
    . 'location /ali/ { paygw_pass alipay; } '
    . 'location /up/ { paygw_pass unionpay /; } '
    . 'location /hook/ { paygw_pass hook /; } '
    . 'location /pay/ { paygw_api wxpay; } ';

# a time in milliseconds and a nonce, which are signed; an idempotency key

my $Hook = PaygwPeer::channel('hook', 'generic', endpoint => $Url,
    request_algorithm => 'rsa_sha256',
    request_private_key => "$Peer->{keys}/app.key",
    request_header => [ 'X-Time now(ms)', 'X-Nonce nonce(32)',
                        'X-Sign signature(base64)' ],
    request_signed => q('join("\n", header(X-Time), header(X-Nonce),
                              header(X-Once), body)'),
    idempotency_header => 'X-Once',
    answer_algorithm => 'hmac(sha256)',
    answer_key => "file:$Peer->{keys}/apiv3.key",
    answer_signature => 'header(X-Answer) hex',
    answer_signed => q('join("\n", sent(nonce(32)), body)'));

sub start {
    my (%o) = @_;
    return PaygwNginx->start(
        level => 'debug', main => $Pools, server => $Server,
        http => $Http . $Peer->wechat($Url, notify_url => "$Url/n")
            . $Peer->alipay($Url)
            . $Peer->unionpay($Url) . $Hook, %o);
}

sub lines {
    my $nginx = shift;
    open my $fh, '<', "$nginx->{dir}/logs/t.log" or return;
    chomp(my @lines = <$fh>);
    return @lines;
}

# signatures that threads have made so far

sub tasks { return $_[0]->count(qr/http paygw pass signed by thread: 1/) }

# by the openssl command

sub verified {
    my ($text, $sig) = @_;
    my $dir = PaygwProcess::folder('threads');
    for (['text', $text], ['sig', decode_base64($sig // '')]) {
        open my $fh, '>:raw', "$dir/$_->[0]" or die $!;
        print $fh $_->[1];
        close $fh;
    }
    my $key = "$Peer->{keys}/app.key";
    return system("openssl pkey -in $key -pubout -out $dir/pub 2>/dev/null && "
                  . "openssl dgst -sha256 -verify $dir/pub -signature "
                  . "$dir/sig $dir/text >/dev/null 2>&1") == 0;
}

sub post {
    return (shift, 'POST', @_, body => '{"out_trade_no":"T"}');
}

my $Nginx = start();


# -- the same as without --

for my $to ('default', 'one', 'off') {
    my $before = tasks($Nginx);
    $Peer->plan({});
    my $res = call(post($Nginx, "/$to/$Create"));
    is("$res->{status} $res->{body}", '200 {"code_url":"weixin://MARK"}',
       "$to: passed");
    my ($got) = $Peer->requests;
    is($got->{check}, 'ok', "$to: signed");
    is(tasks($Nginx) - $before, $to eq 'off' ? 0 : 1,
       "$to: by a thread, or not");
}

{
    my $before = tasks($Nginx);
    my $form = 'application/x-www-form-urlencoded';

    $Peer->plan({});
    my $res = call($Nginx, POST => '/ali/gateway.do',
                   heads => { 'Content-Type' => $form },
                   body => 'method=alipay.trade.query&biz_content='
                       . '%7B%22out_trade_no%22%3A%22T1%22%7D');
    is($res->{status}, 200, 'alipay: passed');
    is(($Peer->requests)[0]{check}, 'ok', 'alipay: signed');

    # it makes no call, and is signed all the same

    $res = call($Nginx, POST => '/ali/gateway.do',
                heads => { 'Content-Type' => $form },
                body => 'method=alipay.trade.page.pay&biz_content='
                    . '%7B%22out_trade_no%22%3A%22T2%22%2C%22total_amount%22'
                    . '%3A%221.00%22%2C%22subject%22%3A%22s%22%2C%22'
                    . 'product_code%22%3A%22FAST_INSTANT_TRADE_PAY%22%7D');
    is($res->{status}, 200, 'alipay, local: answered');
    like($res->{body}, qr/sign=/, 'alipay, local: signed');
    is(tasks($Nginx) - $before, 2, 'alipay: by threads');

    # and what is refused is refused, and signed by nobody

    $res = call($Nginx, PUT => '/ali/gateway.do', body => 'x');
    is($res->{status}, 405, 'refused');
    is(tasks($Nginx) - $before, 2, 'refused: not signed');
}

{
    my $before = tasks($Nginx);
    my $form = 'application/x-www-form-urlencoded';
    my $up = 'bizType=000201&channelType=07&txnType=00&txnSubType=00&'
        . 'orderId=T1&txnTime=20260101000000&accessType=0';

    $Peer->plan({});
    call($Nginx, POST => '/up/gateway/api/queryTrans.do',
         heads => { 'Content-Type' => $form }, body => $up);
    is(($Peer->requests)[0]{check}, 'ok', 'unionpay: signed');
    is(tasks($Nginx) - $before, 1, 'unionpay: by a thread');

    # what is random or a time is the same when it is built again

    $Peer->plan({});
    my $res = call($Nginx, POST => '/hook/x', body => '{}',
                   heads => { 'Content-Type' => 'application/json' });
    isnt($res->{status}, 0, "generic: answered");
    my ($got) = $Peer->requests;
    my $head = $got->{head};
    my $text = join "\n", @$head{qw(x-time x-nonce x-once)}, '{}';
    like($text, qr/^\d{13}\n\w{32}\npaygw-\w{32}\n/, 'generic: fields');
    ok(verified($text, $head->{'x-sign'}), 'generic: signed');
    is(tasks($Nginx) - $before, 2, 'generic: by a thread');
}

{
    my $before = tasks($Nginx);
    $Peer->plan({});
    my $res = call($Nginx, POST => '/pay/orders', heads => {
        'Content-Type' => 'application/json' },
        body => '{"order_id":"TH0001","amount":1,"currency":"CNY",'
            . '"subject":"s","method":"qr"}');
    is($res->{status}, 200, 'api: made') or diag $res->{body};
    is(($Peer->requests)[0]{check}, 'ok', 'api: signed');
    is(tasks($Nginx) - $before, 1, 'api: by a thread');
}


# -- each try is signed anew --

{
    my $before = tasks($Nginx);
    $Peer->plan({ status => 500,
                  body => '{"code":"SYSTEM_ERROR","message":"MARK"}' }, {});
    is(call(post($Nginx, "/one/$Create"))->{status}, 200, 'again: passed');
    my @got = $Peer->requests;
    is(join(' ', map { $_->{check} } @got), 'ok ok', 'again: both signed');
    isnt($got[0]{head}{authorization}, $got[1]{head}{authorization},
         'again: each with its own nonce');
    is(tasks($Nginx) - $before, 2, 'again: by a thread');
}


# -- while the thread has no time: others are served --

{
    my $t = Time::HiRes::time();
    is($Nginx->get('/sleep?ms=700'), 'HTTP/1.1 204', 'busy: thread');
    $Peer->plan({});
    my $c = begin_call(post($Nginx, "/one/$Create"));
    is($Nginx->get('/plain'), 'plain', 'busy: another is served');
    is(scalar $Peer->requests, 0, 'busy: nothing is sent unsigned');
    is(end_call($c)->{status}, 200, 'busy: passed in the end');
    cmp_ok(Time::HiRes::time() - $t, '>=', 0.65, 'busy: it has waited');
    is(($Peer->requests)[0]{check}, 'ok', 'busy: signed');
}

# the queue is full: the worker signs

{
    is($Nginx->get('/sleep_full?ms=700'), 'HTTP/1.1 204', 'full: thread');
    ok($Nginx->wait_for(sub {
        $Nginx->get('/sleep_full?ms=1') =~ /204/;
    }), 'full: queue');
    my $before = tasks($Nginx);
    $Peer->plan({});
    is(call(post($Nginx, "/full/$Create"))->{status}, 200, 'full: passed');
    is(($Peer->requests)[0]{check}, 'ok', 'full: signed');
    is(tasks($Nginx), $before, 'full: by the worker');
}


# -- the deadline is over: it was never sent --

{
    is($Nginx->get('/sleep?ms=1200'), 'HTTP/1.1 204', 'late: thread');
    problem_ok(call(post($Nginx, "/short/$Create")), 503, 'RETRY-UNREACHABLE',
               'late');
    is($Nginx->get('/plain'), 'plain', 'late: worker alive');
    is($Nginx->get('/sleep?ms=1'), 'HTTP/1.1 204', 'late: thread queue');
    $Peer->plan({});
    is(call(post($Nginx, "/one/$Create"))->{status}, 200, 'late: next one');
    is(scalar $Peer->requests, 1, 'late: was not sent afterwards');
}


# -- the caller leaves: what he has asked for is done --

{
    is($Nginx->get('/sleep?ms=500'), 'HTTP/1.1 204', 'left: thread');
    my @c = map { begin_call(post($Nginx, "/one/$Create?left")) } 1 .. 10;
    $Peer->plan;
    $_->{sock}->sockopt(Socket::SO_LINGER, pack 'ii', 1, 0) for @c;
    close $_->{sock} for @c;
    undef @c;
    my @got = $Peer->requests(10, 10);
    is(join(' ', map { $_->{check} } @got), join(' ', ('ok') x 10),
       'left: all sent, all signed');
    $Nginx->wait_for(sub { 10 <= grep { /left/ } lines($Nginx) });
    is(scalar(grep { /left passed/ } lines($Nginx)), 10, 'left: recorded');
    is($Nginx->get('/plain'), 'plain', 'left: worker alive');
}


# -- a reload, and an end, while it is signed --

{
    is($Nginx->get('/sleep?ms=800'), 'HTTP/1.1 204', 'reload: thread');
    $Peer->plan;
    my $c = begin_call(post($Nginx, "/one/$Create"));
    Time::HiRes::sleep(0.1);
    my ($old) = $Nginx->workers;
    $Nginx->signal('HUP');
    is(end_call($c)->{status}, 200, 'reload: passed by the old worker');
    is(($Peer->requests)[0]{check}, 'ok', 'reload: signed');
    ok($Nginx->wait_for(sub { my @now = $Nginx->workers;
                              @now == 1 && $now[0] != $old }),
       'reload: it has gone');

    is($Nginx->get('/sleep?ms=600'), 'HTTP/1.1 204', 'end: thread');
    $c = begin_call(post($Nginx, "/one/$Create"));
    my $short = begin_call(post($Nginx, "/short/$Create"));
    Time::HiRes::sleep(0.1);
    ok($Nginx->quit('TERM'), 'end: at once');

    # nginx gives a worker a second, which is not enough for valgrind's report

    my $log = $Nginx->log;
    $log =~ s/.* exited on signal 9\n// if $ENV{TEST_NGINX_USE_VALGRIND};
    unlike($log, qr/\[(?:alert|crit|emerg)\]|Sanitizer/, 'no alert');
}


# -- the configuration --

for (['thread_pool x threads=1;', 'paygw_threads none;',
      qr/\[emerg\] .*unknown thread pool "none" in .*nginx\.conf:\d+/],
     ['', 'paygw_threads; paygw_threads off;',
      qr/\[emerg\] .*"paygw_threads" directive is duplicate in/],
     ['', 'paygw_threads a b;',
      qr/\[emerg\] .*invalid number of arguments in "paygw_threads"/],
     ['', 'paygw_threads off;', qr/syntax is ok/])
{
    my ($main, $http, $re) = @$_;
    like(PaygwNginx->test(main => $main, http => $http, server => ''), $re,
         $http);
}

done_testing();
