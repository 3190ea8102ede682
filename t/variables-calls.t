# What an access log says of orders that are made by paygw_pass and paygw_api:
# number, amount, currency, outcome; and that it says nothing of what was not
# sent, or was told by nobody who could be believed.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use IO::Socket::INET ();
use JSON::PP ();

use PaygwApi;
use PaygwNginx;
use PaygwPeer qw(call);
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Json = JSON::PP->new->utf8->canonical;
my @More = (notify_url => 'https://pay.example.com/n', paygw_retry => 'off');
my $Nobody = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp')
             or die $!;
my $Form = { 'Content-Type' => 'application/x-www-form-urlencoded' };

my @Names = qw(order_id amount currency outcome trade_no refund_id
               refund_amount);

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:2m;\n    paygw_deadline 30s;\n"
        . "    log_format k '" . join('|', map { "\$paygw_$_" } @Names)
        . "';\n"
        . $Peer->wechat($Url, @More)
        . $Peer->wechat('http://127.0.0.1:' . $Nobody->sockport, @More,
                        -name => 'dead', mchid => '1900009193')
        . $Peer->alipay($Url, @More) . $Peer->unionpay($Url, @More)
        . $Peer->wechat_v2($Url, paygw_retry => 'off')
        . $Peer->stripe($Url, paygw_retry => 'off'),
    server => 'access_log logs/k.log k; '
        . join(' ', map { "location /$_->[0]/ { paygw_pass $_->[1]; }" }
               [ wx => 'wxpay' ], [ v2 => 'wxv2' ], [ ali => 'alipay' ],
               [ up => 'unionpay' ], [ card => 'stripe' ], [ dead => 'dead' ])
        . ' location /api/ { paygw_api wxpay alipay; }'
        . ' location /gone/ { paygw_api dead; }');

my $Api = PaygwApi->new($Nginx, '/api');
my $Gone = PaygwApi->new($Nginx, '/gone');
my $Lines = 0;

# the line of the last request

sub logged {
    my ($name, $want) = @_;
    my @lines;
    $Nginx->wait_for(sub {
        @lines = split /\n/, PaygwTest::file_from("$Nginx->{dir}/logs/k.log",
                                                  0);
        return @lines > $Lines;
    });
    is($lines[$Lines++] // 'no line', $want, $name);
}

sub says { $Peer->plan(map { ref $_->{body}
                             ? { %$_, body => $Json->encode($_->{body}) }
                             : $_ } @_) }

sub post {
    my ($uri, $body, $heads) = @_;
    return call($Nginx, POST => $uri, body => ref $body ? $Json->encode($body)
                                                        : $body,
                heads => $heads // { 'Content-Type' => 'application/json' },
                timeout => 30)->{status};
}

sub native {
    my ($id, $total, %more) = @_;
    return { appid => 'wxd678efh567hg6787', mchid => '1900009191',
             out_trade_no => $id, description => 'tea',
             amount => { total => $total, %more } };
}


# -- paygw_pass: of what creates an order, as it was sent --

my $Native = '/wx/v3/pay/transactions/native';

is(post($Native, native('T1', 8888, currency => 'CNY')), 200, 'wx');
logged('wx', 'T1|8888|CNY|-|-|-|-');
is(post('/ali/gateway.do', 'method=alipay.trade.precreate&biz_content='
        . '{"out_trade_no":"T2","total_amount":"88.88","subject":"x"}', $Form),
   200, 'ali');
logged('ali: in minor units', 'T2|8888|CNY|-|-|-|-');
is(post('/up/gateway/api/backTransReq.do', 'orderId=T2025010200003&txnTime='
        . '20250102030405&txnType=01&txnSubType=07&bizType=000201&'
        . 'accessType=0&txnAmt=77&currencyCode=156', $Form), 200, 'up');
logged('up: a currency by its name', 'T2025010200003|77|CNY|-|-|-|-');
is(post('/v2/pay/unifiedorder', '<xml><out_trade_no>T4</out_trade_no>'
        . '<total_fee>66</total_fee><body>tea</body>'
        . '<trade_type>NATIVE</trade_type></xml>',
        { 'Content-Type' => 'text/xml' }), 200, 'v2');
logged('v2', 'T4|66|CNY|-|-|-|-');
is(post('/card/v1/payment_intents', 'amount=55&currency=eur&'
        . 'metadata[out_trade_no]=T5', $Form), 200, 'card');
logged('card', 'T5|55|EUR|-|-|-|-');

# what is made here has not been sent, and is out all the same

is(post('/ali/', 'method=alipay.trade.app.pay&biz_content='
        . '{"out_trade_no":"T6","total_amount":"0.44","subject":"x"}', $Form),
   200, 'made here');
logged('made here', 'T6|44|CNY|-|-|-|-');

# what creates none, and what has not left

is(call($Nginx, GET => '/wx/v3/pay/transactions/out-trade-no/T1?mchid='
        . '1900009191', timeout => 30)->{status}, 200, 'a question');
logged('a question', '-|-|-|-|-|-|-');
is(post($Native, native('T1', 1)), 409, 'another order of that number');
logged('another order of that number', '-|-|-|-|-|-|-');
is(post('/dead/v3/pay/transactions/native', native('T7', 7)), 503, 'dead');
logged('dead', '-|-|-|-|-|-|-');

# it has left, and nobody knows

says({ signature => 'bad' });
is(post($Native, native('T8', 33)), 502, 'unverified');
logged('unverified', 'T8|33|CNY|unknown|-|-|-');
says({ drop => JSON::PP::true });
is(post($Native, native('T9', 22)), 504, 'unanswered');
logged('unanswered', 'T9|22|CNY|unknown|-|-|-');


# -- paygw_api: what the provider has told --

my %Trade = (mchid => '1900009191', trade_state => 'SUCCESS',
             transaction_id => '4200001',
             amount => { total => 100, currency => 'CNY' });

my $Order = $Api->order(channel => 'wxpay');
my $Id = $Order->{order_id};

says({});
$Api->ok($Api->post('/orders', $Order), 'create');
logged('create', "$Id|100|CNY|pending|-|-|-");
says({ body => { %Trade, out_trade_no => $Id } });
$Api->ok($Api->get("/orders/$Id"), 'query');
logged('query', "$Id|100|CNY|success|4200001|-|-");
$Api->ok($Api->get("/orders/$Id"), 'query: of the store');
logged('query: of the store', "$Id|100|CNY|success|4200001|-|-");

my %Refund = (out_refund_no => "R$Id", out_trade_no => $Id,
              refund_id => '5000001', transaction_id => '4200001',
              status => 'PROCESSING',
              amount => { refund => 30, total => 100, currency => 'CNY' });
says({ body => { %Trade, out_trade_no => $Id } }, { body => \%Refund });
is($Api->post("/orders/$Id/refunds", { refund_id => "R$Id", amount => 30 })
   ->{status}, 200, 'refund');
logged('refund', "$Id|100|CNY|pending|4200001|R$Id|30");

$Order = $Api->order(channel => 'alipay', method => 'app');
$Api->ok($Api->post('/orders', $Order), 'made here');
logged('made here', "$Order->{order_id}|100|CNY|pending|-|-|-");

# what was sent, and what nobody could believe

$Order = $Api->order(channel => 'wxpay', amount => 5);
says({ signature => 'bad' });
$Api->problem($Api->post('/orders', $Order), 502, 'PROVIDER-UNVERIFIED',
              'unverified');
logged('unverified', "$Order->{order_id}|5|CNY|unknown|-|-|-");
says({ body => { %Trade, out_trade_no => 'T000001',
                 amount => { total => 777, currency => 'USD' } } });
$Api->problem($Api->get("/orders/$Order->{order_id}"), 502,
              'PROVIDER-UNVERIFIED', 'of another order');
logged('of another order', "$Order->{order_id}|-|-|unknown|-|-|-");

# the provider's no: it was sent, and has no outcome

$Order = $Api->order(channel => 'wxpay', amount => 6);
says({ status => 400, body => { code => 'PARAM_ERROR', message => 'x' } });
is($Api->post('/orders', $Order)->{status}, 422, 'refused');
logged('refused', "$Order->{order_id}|6|CNY|-|-|-|-");

# nothing has left

$Order = $Gone->order;
is($Gone->post('/orders', $Order)->{status}, 503, 'gone');
logged('gone', "$Order->{order_id}|-|-|-|-|-|-");
$Order = $Api->order(channel => 'wxpay', subject => "\n");
is($Api->post('/orders', $Order)->{status}, 400, 'a field');
logged('a field', "$Order->{order_id}|-|-|-|-|-|-");
is($Api->post('/orders', { %$Order, order_id => 'a b' })->{status}, 400,
   'an id');
logged('an id', '-|-|-|-|-|-|-');
is($Api->get('/bills/wxpay/2025-13-02')->{status}, 400, 'a date');
logged('a date', '-|-|-|-|-|-|-');

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
