# What paygw_metrics counts of operations of paygw_api: by channel and by
# merchant, each by what it has come to, also if no channel is known yet or
# nobody was asked.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Digest::SHA ();
use IO::Socket::INET ();
use JSON::PP ();

use PaygwApi;
use PaygwMetrics;
use PaygwNginx;
use PaygwPeer ();
use PaygwRedis;
use PaygwTest ();

my $Redis = ($ENV{PAYGW_TEST_STORE} // '') eq 'redis'
            ? PaygwRedis->start : undef;
my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Json = JSON::PP->new->utf8->canonical;
my %Secret = (k1 => 'k' x 40, k2 => 'l' x 40);
my @More = (notify_url => 'https://pay.example.com/n', paygw_retry => 'off');
my $Nobody = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp')
             or die $!;

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:2m;\n    paygw_deadline 30s;\n"
        . ($Redis ? '    paygw_store redis://127.0.0.1:' . $Redis->port
                    . ' timeout=' . 1500 * $PaygwNginx::Slow . "ms;\n" : '')
        . "    paygw_merchant shop { key k1 text:$Secret{k1}; }\n"
        . "    paygw_merchant other { key k2 text:$Secret{k2}; }\n"
        . $Peer->wechat($Url, @More, -name => 'wx')
        . $Peer->wechat($Url, @More, -name => 'shut', mchid => '1900009192',
              paygw_breaker => 'requests=1 failures=1% window=60s probe=1h')
        . $Peer->wechat('http://127.0.0.1:' . $Nobody->sockport, @More,
                        -name => 'dead', mchid => '1900009193')
        . $Peer->wechat($Url, @More, -name => 'passed',
                        mchid => '1900009194')
        . $Peer->alipay($Url, @More, -name => 'ali'),
    server => 'location = /metrics { paygw_metrics; } '
        . 'location = /status { paygw_status; } '
        . 'location /one/ { paygw_api wx; } '
        . 'location /shut/ { paygw_api shut; } '
        . 'location /dead/ { paygw_api dead; } '
        . 'location /two/ { paygw_api wx ali; } '
        . 'location /passed/ { paygw_pass passed; } '
        . 'location /shop/ { paygw_auth shop other; paygw_api wx; }');

my %Api = map { ($_, PaygwApi->new($Nginx, "/$_")) }
          qw(one two shut dead shop);
my $Shown = sub { $Nginx->get('/metrics') . "\n" };

sub op {
    my ($channel, $op, $outcome) = @_;
    my $provider = $channel eq '' ? '' : $channel eq 'ali' ? 'alipay'
                   : 'wechat_v3';
    return "paygw_api_operations_total{channel=$channel,operation=$op,"
        . "outcome=$outcome,provider=$provider}";
}

sub of {
    my ($merchant, $op, $outcome) = @_;
    return "paygw_merchant_operations_total{merchant=$merchant,"
        . "operation=$op,outcome=$outcome}";
}

sub signed {
    my ($key, $method, $path, $value) = @_;
    my $body = $value ? $Json->encode($value) : '';
    my $nonce = 'nonce-' . PaygwApi::number();
    my $time = time;
    my $text = join '', map { "$_\n" } $method, "/shop$path", $time, $nonce,
               Digest::SHA::sha256_hex($body);
    return $Api{shop}->call($method, $path, $body, heads => {
        'X-Key-Id' => $key, 'X-Timestamp' => $time, 'X-Nonce' => $nonce,
        'X-Signature' => Digest::SHA::hmac_sha256_hex(
            $text, $Secret{$key} // 'm' x 40),
    });
}

sub says { $Peer->plan(map { ref $_->{body}
                             ? { %$_, body => $Json->encode($_->{body}) }
                             : $_ } @_) }

sub trade {
    my ($id, $state) = @_;
    return { body => { out_trade_no => $id, mchid => '1900009191',
                       trade_state => $state, transaction_id => '4200001',
                       amount => { total => 100, currency => 'CNY' } } };
}

sub refund {
    my ($id, $status) = @_;
    return { body => { out_refund_no => "R$id", out_trade_no => $id,
                       refund_id => '5000001', transaction_id => '4200001',
                       status => $status, amount =>
                           { refund => 30, total => 100, currency => 'CNY' },
                     } };
}


# -- nothing yet --

my $first = metrics_ok($Shown->(), $Nginx->get('/status'), 'at first');
my @ops = grep { /^paygw_api_/ } keys %$first;
is(join(' ', grep { $first->{$_} } @ops), '', 'at first: 0');
my %named;
/channel=(\w*)/ and $named{$1}++ for @ops;
is(join(' ', map { "$_=$named{$_}" } sort keys %named),
   '=35 ali=35 dead=35 shut=35 wx=35', 'at first: channels of a paygw_api');
ok(!grep({ /^paygw_merchant_op/ } keys %$first),
   'at first: no merchant has one');


# -- what an order comes to --

my $Order = $Api{one}->order;
my $Id = $Order->{order_id};

says({}, trade($Id, 'SUCCESS'));
$Api{one}->ok($Api{one}->post('/orders', $Order), 'create');
$Api{one}->ok($Api{one}->get("/orders/$Id"), 'query', outcome => 'success');
is(scalar $Peer->requests, 2, 'asked');
$Api{one}->ok($Api{one}->get("/orders/$Id"), 'query: of the store',
              outcome => 'success');
is(scalar $Peer->requests, 2, 'nobody was asked');
says(trade($Id, 'SUCCESS'), refund($Id, 'PROCESSING'),
     refund($Id, 'SUCCESS'));
$Api{one}->ok($Api{one}->post("/orders/$Id/refunds",
                              { refund_id => "R$Id", amount => 30 }),
              'refund', outcome => 'pending');
$Api{one}->ok($Api{one}->get("/orders/$Id/refunds/R$Id"), 'refund query',
              outcome => 'success');
$Api{one}->problem($Api{one}->post("/orders/$Id/close"), 409,
                   'CLIENT-ORDER_PAID', 'close');
says({ signature => 'bad' });
$Api{one}->problem($Api{one}->post('/orders', $Api{one}->order), 502,
                   'PROVIDER-UNVERIFIED', 'unknown');
says({ status => 400, body => { code => 'NO_STATEMENT_EXIST',
                                message => 'x' } });
is($Api{one}->get('/bills/wx/2025-01-02')->{status}, 404, 'no bill');
$Api{dead}->problem($Api{dead}->post('/orders', $Api{dead}->order), 503,
                    'RETRY-UNREACHABLE', 'unreachable');

counts_ok($Shown, {
    op('wx', 'create', 'pending') => 1, op('wx', 'create', 'unknown') => 1,
    op('wx', 'query', 'success') => 2, op('wx', 'refund', 'pending') => 1,
    op('wx', 'refund_query', 'success') => 1,
    op('wx', 'close', 'refused') => 1, op('wx', 'bill', 'refused') => 1,
    op('dead', 'create', 'unavailable') => 1,
    'paygw_api_operations_total{*' => 0,
    of('', 'create', 'pending') => 1, of('', 'create', 'unknown') => 1,
    of('', 'query', 'success') => 2, of('', 'refund', 'pending') => 1,
    of('', 'refund_query', 'success') => 1,
    of('', 'close', 'refused') => 1, of('', 'bill', 'refused') => 1,
    of('', 'create', 'unavailable') => 1,
    'paygw_merchant_operations_total{*' => 0,
}, 'what they have come to');


# -- before a channel is known; of one that is the only one it is --

my %Wrong = %{ $Api{two}->order(channel => 'ali') };
is($Api{two}->post('/orders', { %Wrong, amount => 1.5 })->{status}, 400,
   'two: a field');
is($Api{two}->get('/nothing')->{status}, 404, 'two: no operation');
is($Api{two}->call('DELETE', '/orders/x')->{status}, 405, 'two: a method');
is($Api{one}->get('/nothing')->{status}, 404, 'one: no operation');
is($Api{one}->post('/orders', { %Wrong, channel => 'wx', amount => 1.5 })
   ->{status}, 400, 'one: a field');
is($Api{two}->post('/orders', { %Wrong, subject => '/' })->{status}, 400,
   'two: the channel refuses it');

my $have = counts_ok($Shown, {
    op('', 'create', 'refused') => 1, op('', '', 'refused') => 2,
    op('wx', '', 'refused') => 1, op('wx', 'create', 'refused') => 1,
    op('ali', 'create', 'refused') => 1,
    op('wx', 'create', 'pending') => 1,
    of('', '', 'refused') => 3, of('', 'create', 'refused') => 3,
}, 'without a channel');
ok(!grep({ /^paygw_orders_total\{channel=,/ } keys %$have),
   'without a channel there is no call of a provider');


# -- whose they are: of those that have signed --

says({}, { signature => 'bad' });
is(signed('k1', POST => '/orders', $Api{shop}->order)->{status}, 200, 'shop');
is(signed('k2', POST => '/orders', $Api{shop}->order)->{status}, 502,
   'other');
is(signed('k3', POST => '/orders', $Api{shop}->order)->{status}, 401,
   'nobody');
counts_ok($Shown, {
    of('shop', 'create', 'pending') => 1, of('other', 'create', 'unknown') => 1,
    'paygw_merchant_operations_total{merchant=shop*' => 0,
    'paygw_merchant_operations_total{merchant=other*' => 0,
    of('', 'create', 'refused') => 3, of('', 'create', 'pending') => 1,
    op('wx', 'create', 'pending') => 2, op('wx', 'create', 'unknown') => 2,
}, 'merchants');


# -- a breaker, in all that there is of it --

says({ status => 500, body => { code => 'SYSTEM_ERROR', message => 'x' } });
$Api{shut}->problem($Api{shut}->post('/orders', $Api{shut}->order), 502,
                    'PROVIDER-UNCLEAR', 'shut: trouble');
my $res = $Api{shut}->post('/orders', $Api{shut}->order);
is("$res->{status} $res->{json}{code}", '503 RETRY-UNAVAILABLE', 'shut');
my $shut = 'channel=shut,provider=wechat_v3';
counts_ok($Shown, {
    op('shut', 'create', 'unknown') => 1,
    op('shut', 'create', 'unavailable') => 1,
    "paygw_breaker_state{$shut}" => 2,
    "paygw_breaker_transitions_total{$shut,to=open}" => 1,
    'paygw_breaker_transitions_total{*' => 0,
}, 'the breaker');


# -- a reload keeps them; both forms say the same --

my $before = metrics_ok($Shown->(), $Nginx->get('/status'), 'both');
ok($Nginx->reload, 'reload');
my %after = map { ($_, $before->{$_}) }
            grep { /^paygw_(?:api|merchant)_operations/ } keys %$before;
cmp_ok(scalar keys %after, '>', 200, 'there are many');
counts_ok($Shown, \%after, 'after a reload');

my ($help) = $Nginx->get('/metrics') =~ /^# HELP paygw_orders_total (.*)$/m;
like($help, qr/paygw_pass and paygw_api/, 'orders are those of both handlers');

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
