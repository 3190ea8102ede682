# What paygw_metrics counts of calls by paygw_pass: what came of them, how long
# the provider took, what was sent again.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use IO::Socket::INET ();
use JSON::PP ();

use PaygwMetrics;
use PaygwNginx;
use PaygwPeer qw(call begin_call);
use PaygwSandbox;
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Other = 'http://127.0.0.1:' . $Peer->listen;
my $Create = 'v3/pay/transactions/native';
my $Once = 'v3/transfer/x';
my $Read = 'v3/x';
my $True = JSON::PP::true;

# nobody listens there

sub dead {
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
    return 'http://127.0.0.1:' . $s->sockport;
}

sub order {
    my ($channel, $result, $reason) = @_;
    my $provider = $channel =~ /^ali/ ? 'alipay'
                   : $channel eq 'up' ? 'unionpay' : 'wechat_v3';
    return "paygw_orders_total{channel=$channel,provider=$provider,reason="
        . ($reason // '') . ",result=$result}";
}

sub of {
    my ($name, $channel, %more) = @_;
    my %labels = (channel => $channel, provider => 'wechat_v3', %more);
    return "$name\{" . join(',', map { "$_=$labels{$_}" } sort keys %labels)
        . '}';
}

sub retry { return of('paygw_order_retries_total', $_[0], cause => $_[1]) }
sub code { return of('paygw_order_responses_total', $_[0], code => $_[1]) }
sub tries { return of('paygw_provider_duration_seconds_count', @_) }

my $Http = "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
    . "    log_format k '\$status [\$paygw_result]';\n"
    . $Peer->wechat("$Url backup=$Other")
    . $Peer->wechat(dead() . " backup=$Url", -name => 'half',
                    mchid => '1900009192')
    . $Peer->wechat(dead(), -name => 'gone', mchid => '1900009193',
                    paygw_retry => 'off')
    . $Peer->wechat($Url, -name => 'quiet', mchid => '1900009194')
    . $Peer->alipay($Url, -name => 'ali')
    . $Peer->unionpay($Url, -name => 'up')
    . $Peer->wechat_v2_cert($Url);
my $Server = join '', map { "    location /$_/ { paygw_pass $_; }\n" }
             qw(wxpay half gone ali up);
my $Metrics = "    location = /metrics { paygw_metrics; }\n"
    . "    location = /status { paygw_status; }\n"
    . "    access_log logs/k.log k;\n"
    . "    location = /small/ { paygw_pass wxpay /v3/x; paygw_body_max 4; }\n";

my $Nginx = PaygwNginx->start(http => $Http, server => $Metrics . $Server,
                              workers => 2);
my $Shown = sub { $Nginx->get('/metrics') . "\n" };

sub wx { return call($Nginx, $_[0] => "/wxpay/$_[1]", @_[2 .. $#_])->{status} }


# -- nothing yet: all that there may be is there, and 0 --

{
    my $have = metrics_ok($Shown->(), $Nginx->get('/status'), 'at first');
    my @orders = grep { /^paygw_(?:order|provider_)/ } keys %$have;
    is(join(' ', grep { $have->{$_} } @orders), '', 'at first: 0');
    for (order('wxpay', 'passed'), order('gone', 'unreachable'),
         order('wxpay', 'unanswered'), order('wxpay', 'failed'),
         order('wxpay', 'rejected', 'malformed'),
         order('wxpay', 'unverified', 'signature'), order('up', 'passed'),
         code('wxpay', '2xx'), retry('wxpay', 'probe'), tries('wxpay'))
    {
        ok(exists $have->{$_}, "at first: $_");
    }
    my %named;
    /channel=(\w*)/ and $named{$1}++ for @orders;
    is(join(' ', sort keys %named), 'ali gone half up wxpay',
       'at first: channels of a paygw_pass alone');

    # what calls are signed with ends some day

    my %ends;
    /^paygw_key_expiry\w+\{channel=(\w+),.*owner=configuration/ and $ends{$1}++
        for keys %$have;
    is(join(' ', map { "$_=" . ($ends{$_} // 0) } qw(wxpay up wxv2 ali)),
       'wxpay=1 up=3 wxv2=1 ali=0', 'certificates');
}


# -- what came of them --

$Peer->plan({}, {}, { status => 404, body => '{"code":"A","message":"b"}' },
            { signature => 'bad' }, { age => 4000 }, { signature => 'probe' },
            { headers => { 'Wechatpay-Nonce' => undef } });
is(join(' ', map { wx(POST => $Once) } 1 .. 7),
   '200 200 404 502 502 502 502', 'answers');
is(scalar $Peer->requests, 7, 'answers: one try each');
is(wx(OPTIONS => $Read), 405, 'rejected: method');
is(wx(GET => 'v4/x'), 400, 'rejected: path');
is(wx(POST => $Once, body => 'x', heads =>
      { 'Content-Type' => 'multipart/form-data; boundary=x' }), 415,
   'rejected: type');
is(call($Nginx, POST => '/small/', body => '{"a":1}')->{status}, 413,
   'rejected: size');
$Peer->plan({ drop => $True });
is(wx(POST => $Once), 504, 'unanswered');
$Peer->plan({ delay => 1.2 });
is(wx(POST => $Once), 200, 'slow');
is(call($Nginx, POST => "/gone/$Once")->{status}, 503, 'unreachable');

my $have = counts_ok($Shown, {
    order('wxpay', 'passed') => 4,
    order('wxpay', 'unanswered') => 1,
    order('wxpay', 'unverified', 'signature') => 1,
    order('wxpay', 'unverified', 'missing_header') => 1,
    order('wxpay', 'unverified', 'clock') => 1,
    order('wxpay', 'unverified', 'probe') => 1,
    order('wxpay', 'rejected', 'method') => 1,
    order('wxpay', 'rejected', 'malformed') => 1,
    order('wxpay', 'rejected', 'content_type') => 1,
    order('wxpay', 'rejected', 'too_large') => 1,
    order('gone', 'unreachable') => 1,
    'paygw_orders_total{*' => 0,
    code('wxpay', '2xx') => 3, code('wxpay', '4xx') => 5,
    code('wxpay', '5xx') => 5, code('gone', '5xx') => 1,
    'paygw_order_responses_total{*' => 0,
    tries('wxpay') => 9, tries('gone') => 0,
    'paygw_order_retries_total{*' => 0,
    'paygw_callbacks_total{*' => 0,
}, 'counted');
my $times = 'paygw_provider_duration_seconds';
cmp_ok($have->{of("${times}_sum", 'wxpay')}, '>', 1.1, 'seconds');
cmp_ok($have->{of("${times}_bucket", 'wxpay', le => '1')}, '<', 9,
       'seconds: a slow one');
metrics_ok($Shown->(), $Nginx->get('/status'), 'both');


# -- what was sent again --

# a reload: connections are new, and the counters are not

ok($Nginx->reload, 'reload');
$Peer->plan({ drop => $True }, {}, { signature => 'probe' }, {});
is(wx(GET => $Read), 200, 'unanswered: the other host');
is(wx(POST => $Create), 200, 'a probe');
is(scalar $Peer->requests, 4, 'sent again');
is(call($Nginx, POST => "/half/$Once")->{status}, 200,
   'unreachable: the other host');
$Peer->plan(({ signature => 'probe' }) x 2);
is(wx(POST => $Create), 502, 'a probe, and another one');

$have = counts_ok($Shown, {
    retry('wxpay', 'unanswered') => 1, retry('wxpay', 'probe') => 2,
    retry('half', 'unreachable') => 1,
    'paygw_order_retries_total{*' => 0,
    order('wxpay', 'passed') => 6, order('half', 'passed') => 1,
    order('wxpay', 'unverified', 'probe') => 2,
    tries('wxpay') => 15, tries('half') => 1,
}, 'sent again');

# a connection that was kept has been closed: each worker has its own

{
    my $nginx = PaygwNginx->start(http => $Http, server => $Metrics . $Server);
    $Peer->plan({}, { drop => $True }, {});
    call($nginx, POST => "/wxpay/$Create") for 1 .. 2;
    is(scalar $Peer->requests, 3, 'closed: three requests');
    counts_ok(sub { $nginx->get('/metrics') . "\n" }, {
        retry('wxpay', 'closed') => 1, 'paygw_order_retries_total{*' => 0,
        order('wxpay', 'passed') => 2, tries('wxpay') => 3,
    }, 'closed');
    ok($nginx->quit, 'closed: quits');
}


# -- what is not sent; whose caller has left --

my $Form = { 'Content-Type' => 'application/x-www-form-urlencoded' };
is(call($Nginx, POST => '/ali/', heads => $Form, body =>
        'method=alipay.trade.app.pay&biz_content={"out_trade_no":"T1"}')
   ->{status}, 200, 'made here');
my $s = PaygwTest::server_connect($Nginx->{port});
print $s "POST /wxpay/$Once HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{";
$s->flush;
close $s;
ok($Nginx->wait_for(sub {
    PaygwTest::file_from("$Nginx->{dir}/logs/k.log", 0) =~ /^4\d\d \[-?\]$/m;
}, 10), 'left before anything was decided');
$Peer->plan({ delay => 1 });
my $c = begin_call($Nginx, POST => "/wxpay/$Once");
is(scalar $Peer->requests(1), 1, 'left: sent');
PaygwTest::abort_client($c);
$have = counts_ok($Shown, {
    order('ali', 'passed') => 1,
    tries('ali', provider => 'alipay') => 0,
    of('paygw_order_responses_total', 'ali', provider => 'alipay',
       code => '2xx') => 1,
    order('wxpay', 'passed') => 7, tries('wxpay') => 16,
}, 'not sent, and left');
is(join(' ', grep { /^paygw_orders_total.*result=\}/ } keys %$have), '',
   'nothing is counted that was not decided');
metrics_ok($Shown->(), $Nginx->get('/status'), 'at last');
ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');


# -- an answer that has to wait for a key --

{
    my $sandbox = PaygwSandbox->start;
    my $nginx = PaygwNginx->start(
        http => "    paygw_zone paygw:2m;\n    paygw_deadline 30s;\n"
            . $sandbox->alipay_cert(alipay_certs => 'auto retry=1s',
                  alipay_cert => "$sandbox->{dir}/alipay/alipay_cert.crt"),
        server => '    location = /metrics { paygw_metrics; }'
            . '    location /ali/ { paygw_pass alipay; }');
    my %of = (provider => 'alipay');
    my $fetched = of('paygw_key_fetches_total', 'alipay', %of, result => 'ok');
    my $get = sub { $nginx->get('/metrics') . "\n" };

    # the one that is known is asked for at first, and the next one not at once

    counts_ok($get, { $fetched => 1 }, 'key: a first fetch');
    sleep 3;

    $sandbox->keys(alipay => 'alipay_next');
    is(call($nginx, POST => '/ali/', timeout => 20, heads => $Form, body =>
            'method=alipay.trade.query&biz_content={"out_trade_no":"T1"}')
       ->{status}, 200, 'key: is fetched');
    counts_ok($get, {
        $fetched => 2,
        of('paygw_key_waits_total', 'alipay', %of) => 1,
        order('alipay', 'passed') => 1, tries('alipay', %of) => 1,
    }, 'key: waited');
    ok($nginx->quit, 'key: quits');
}

done_testing();
