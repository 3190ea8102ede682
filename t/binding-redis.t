# paygw_binding with Redis: its keys, one round trip, a queue, a Redis that is
# away, and one that has forgotten everything.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

BEGIN {
    plan(skip_all => 'the store is a zone')
        if ($ENV{PAYGW_TEST_STORE} // '') eq 'zone';
}

use JSON::PP ();

use PaygwCluster;
use PaygwNginx;
use PaygwPeer qw(call);
use PaygwRedis;
use PaygwTest ();

my $Slow = $PaygwNginx::Slow;
my $Timeout = 1500 * $Slow;
my $Json = JSON::PP->new->canonical;
my $Orders = 0;

my $peer = PaygwPeer->start;
my $port = $peer->listen;
my $redis = PaygwRedis->start;

# which is "paid", and answers 204

my $shop = 'location /shop { return 204; }';

my $nginx = PaygwNginx->start(
    http => '    paygw_zone paygw:1m;'
        . '    paygw_store redis://127.0.0.1:' . $redis->port
        . " timeout=${Timeout}ms;\n    paygw_deadline 30s;\n"
        . "    log_format k '\$paygw_result \$paygw_reason';\n"
        . $peer->wechat("http://127.0.0.1:$port"),
    server => 'access_log logs/k.log k;'
        . 'location /wx/ { paygw_pass wxpay; }'
        . 'location = /notify/wxpay { paygw_notify wxpay; '
        . 'proxy_pass http://127.0.0.1:$server_port/shop; }'
        . 'location = /off { paygw_notify wxpay; paygw_binding off; '
        . 'proxy_pass http://127.0.0.1:$server_port/shop; }'
        . 'location = /required { paygw_notify wxpay; paygw_binding required; '
        . 'proxy_pass http://127.0.0.1:$server_port/shop; }'
        . 'location = /queue { paygw_notify wxpay; paygw_queue paid; }'
        . 'location = /metrics { paygw_metrics; }'
        . $shop);

sub order { return "O$$" . 'r' . ++$Orders }

sub create {
    my ($id, $total) = @_;
    return call($nginx, POST => '/wx/v3/pay/transactions/native',
                timeout => 30, heads => { 'Content-Type' =>
                                          'application/json' },
                body => $Json->encode({ appid => 'wxd678efh567hg6787',
                    mchid => '1900009191', out_trade_no => $id,
                    amount => { total => $total } }));
}

sub notify {
    my ($id, $amount, %o) = @_;
    my $to = delete $o{to} // '/notify/wxpay';
    my $m = PaygwTest::wechat(order_id => $id, amount => $amount, %o);
    $m->{target} = $to;
    my $s = PaygwTest::server_connect($nginx->{port});
    print $s $m->raw;
    $s->flush;
    return PaygwTest::read_response({ sock => $s, buf => '' }, 0,
                                    timeout => 30)->{status};
}

sub scripts {
    my $n = 0;
    my $stats = $redis->cmd('INFO', 'commandstats');
    $n += $1 while $stats =~ /^cmdstat_eval(?:sha)?:calls=(\d+)/mg;
    return $n;
}

# what stands in Redis

my $o = order();
is(create($o, 100)->{status}, 200, 'created');
like($redis->cmd('GET', "paygw:order:{wxpay}:$o"),
     qr/^created \d{13} 100 CNY wxd678efh567hg6787 0 0 [0-9a-f]{16} 0 - $/,
     'its record');
cmp_ok(abs($redis->cmd('PTTL', "paygw:order:{wxpay}:$o") - 604_800_000), '<',
       60_000 * $Slow, 'its life');
my $size = $redis->cmd('DBSIZE');
is(notify($o, 1), 403, 'D11: another amount');
is($redis->cmd('DBSIZE'), $size, 'D11: nothing is kept of it');
is(notify($o, 100), 204, 'the same');
like($redis->cmd('GET', "paygw:order:{wxpay}:$o"), qr/^paid \d{13} 100 CNY /,
     'its state');

# one round trip, and the same without the comparison

for my $to ('/notify/wxpay', '/off') {
    my $p = order();
    is(create($p, 100)->{status}, 200, "$to: created");
    my $n = scripts();
    is(notify($p, 100, to => $to), 204, "$to: taken");
    ok($nginx->wait_for(sub { scripts() == $n + 2 }),
       "$to: a claim and a commit");
}

# a stream gets only what fits

$o = order();
is(create($o, 100)->{status}, 200, 'queue: created');
is(notify($o, 1, to => '/queue'), 403, 'D11: queue: another amount');
is($redis->cmd('EXISTS', 'paid'), 0, 'D11: queue: not in the stream');
is(notify($o, 100, to => '/queue'), 204, 'queue: the same');
is($redis->cmd('XLEN', 'paid'), 1, 'queue: in the stream');

# refunds of callbacks

is(notify($o, 100, type => 'refund', refund => 40, refund_id => 'R1'), 204,
   'refund: taken');
like($redis->cmd('GET', "paygw:order:{wxpay}:$o"),
     qr/^part \d{13} 100 CNY \S+ 40 0 /, 'refund: counted');
is($redis->cmd('GET', "paygw:refunds:{wxpay}:$o"), "\nR1 done 40",
   'refund: its record');

# the store is away: nothing is sent

$peer->plan();
$redis->freeze;
$o = order();
my $res = create($o, 100);
is($res->{status}, 503, 'away: not now');
like($res->{body}, qr/^\{"code":"RETRY-STORE","message":"the order could /,
     'away: what is known');
is($res->{header}{'retry-after'}, 1, 'away: Retry-After');
is(scalar(my @sent = $peer->requests), 0, 'away: nothing is sent');
$redis->thaw;
ok($nginx->wait_for(sub { create($o, 100)->{status} == 200 }, 20 * $Slow),
   'away: back');
ok($nginx->wait_for(sub {
       $nginx->get('/metrics')
           =~ /^paygw_orders_total\{.*reason="store"\} [1-9]/m
   }), 'away: counted');

# Redis has forgotten everything: orders are as if they were made elsewhere

$o = order();
my $p = order();
is(create($_, 100)->{status}, 200, 'emptied: created') for $o, $p;
$redis->cmd('FLUSHALL');
is(notify($o, 1), 204, 'emptied: nothing to compare with');
is(notify($p, 100, to => '/required'), 403, 'emptied: required');
is(create($p, 100)->{status}, 200, 'emptied: created again');
is(notify($p, 100, to => '/required'), 204, 'emptied: known again');

# what stands there is not ours

$o = order();
$redis->cmd('SET', "paygw:order:{wxpay}:$o", 'something else');
is(create($o, 100)->{status}, 503, 'not a record: not created');
is(notify($o, 100), 503, 'not a record: not taken');
is($redis->cmd('GET', "paygw:order:{wxpay}:$o"), 'something else',
   'not a record: unchanged');

ok($nginx->quit, 'quits');
unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');


# a cluster: what belongs together lies together

{
    my $cluster = PaygwCluster->start;
    my @channels = map { $cluster->key_on($_, 'c%d') } 0 .. 2;
    my $n = PaygwNginx->start(http => '    paygw_store redis://'
        . $cluster->url . " cluster timeout=${Timeout}ms;");
    my $ask = sub { return $n->get('/s?op=' . join '&', @_) };

    for my $c (@channels) {
        my $book = "key=$c:o1";
        like($ask->('book', 'verb=create', $book, 'amount=100'),
             qr/^ok CREATED 100/, "cluster, $c: created");
        is($ask->('claim', "key=$c:e1", "order=$c:o1", 'says=paid',
                  'compare=1', 'amount=1'), 'amount 100//',
           "cluster, $c: D11");
        like($ask->('claim', "key=$c:e1", "order=$c:o1", 'says=paid',
                    'compare=1', 'amount=100'), qr/^ok 1 /,
             "cluster, $c: taken");
        like($ask->('book', 'verb=reserve', $book, 'refund=r1', 'sum=60'),
             qr/^ok PAID .* held/, "cluster, $c: held");
        like($ask->('claim', "key=$c:e2", "order=$c:o1", 'says=refunded',
                    'compare=1', 'refund=r1'), qr/^ok 1 /,
             "cluster, $c: a refund");
        like($ask->('book', 'verb=look', $book),
             qr/^ok PART_REFUNDED 100\/\/ 60\+0 /, "cluster, $c: counted");
    }

    ok($n->quit, 'cluster: quits');
}

done_testing();
