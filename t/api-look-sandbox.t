# paygw_api and the sandbox: an order whose answer was lost, and which is paid
# before it is made again, is told as it is; so is one that cannot be closed.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwApi;
use PaygwNginx;
use PaygwSandbox;
use PaygwTest ();

my $With = $ENV{PAYGW_TEST_STORE} || 'zone';

PaygwTest::redis_start() if $With eq 'redis';

my $Sandbox = PaygwSandbox->start;
my $Url = 'http://127.0.0.1:1/n';
my @Wait = (notify_url => $Url,
            proxy_read_timeout => 5 * $PaygwNginx::Slow . 's');

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone look$$:2m;\n    paygw_deadline 20s;\n"
        . ($With eq 'redis'
           ? '    paygw_store redis://127.0.0.1:' . PaygwTest::redis_port()
             . " prefix=look$$: timeout=5s;\n" : '')
        . $Sandbox->wechat(platform_certificates =>
                           'auto interval=3600s retry=1s', @Wait)
        . $Sandbox->wechat_v2(@Wait)
        . $Sandbox->alipay_cert(alipay_cert =>
              "$Sandbox->{dir}/alipay/alipay_cert.crt",
              alipay_certs => 'auto retry=1s', @Wait)
         . $Sandbox->unionpay(@Wait),
    server => 'location /pay/ { paygw_api wxpay wxv2 alipay unionpay; }');

my $Api = PaygwApi->new($Nginx, '/pay');

sub bend { $Sandbox->post('answers', { fault => $_[0], times => 1 }) }

sub made {
    my $id = shift;
    return grep { $_->{order_id} eq $id }
           @{ $Sandbox->get('orders')->{orders} };
}

for ([ wxpay => 'wechat_v3', 'ORDERPAID' ],
     [ wxv2 => 'wechat_v2', 'ORDERPAID' ],
     [ alipay => 'alipay', 'ACQ.TRADE_HAS_SUCCESS', method => 'jsapi',
       payer => { id => '2088101122136241' } ],
     [ unionpay => 'unionpay', '12' ])
{
    my ($channel, $provider, $word, @more) = @$_;
    my @of = (channel => $channel);
    my $order = $Api->order(@of, @more);
    my $id = $order->{order_id};
    my $pay = sub { $Sandbox->post("orders/$_[0]/pay?provider=$provider",
                                   {}) };

    $Api->ok($Api->post('/orders', $Api->order(@of, @more)),
             "$channel: its keys are there");

    bend('truncated');
    $Api->problem($Api->post('/orders', $order), 504, 'PROVIDER-UNANSWERED',
                  "$channel: lost");
    bend('');
    is(scalar made($id), 1, "$channel: it was made");
    $pay->($id);

    my %paid = (state => 'PAID', amount => 100, currency => 'CNY',
                trade_no => (made($id))[0]{trade_no});
    ok(length $paid{trade_no}, "$channel: it is paid");
    $Api->problem($Api->post('/orders', $order), 409, 'CLIENT-ORDER_PAID',
                  "$channel: made again", %paid, provider_code => $word,
                  action => undef);
    $Api->problem($Api->post('/orders', $order), 409, 'CLIENT-ORDER_PAID',
                  "$channel: and again", %paid, trade_no => undef,
                  provider_code => undef);
    is(scalar made($id), 1, "$channel: one order");
    $Api->ok($Api->get("/orders/$id", @of), "$channel: asked for", %paid);

    next if $channel eq 'unionpay';

    # of another content, not paid

    my $other = $Api->order(@of, @more);
    $Api->ok($Api->post('/orders', $other), "$channel: another one");
    $Api->problem($Api->post('/orders', { %$other, subject => 'milk' }),
                  409, 'CLIENT-ORDER_MISMATCH', "$channel: of other content",
                  state => $channel eq 'alipay' ? undef : 'CREATED',
                  action => undef) if $channel ne 'wxv2';

    # paid, which nobody has told yet, and to be closed

    $pay->($other->{order_id});
    $Api->problem($Api->post("/orders/$other->{order_id}/close", { @of }),
                  409, 'CLIENT-ORDER_PAID', "$channel: not closed",
                  %paid, trade_no => (made($other->{order_id}))[0]{trade_no});
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
