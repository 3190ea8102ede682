# paygw_api: what is not sent since the order is another one, since it cannot
# be remembered, or since the provider is in trouble.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();

use PaygwApi;
use PaygwNginx;
use PaygwPeer ();
use PaygwProcess ();

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Dead = PaygwProcess::free_port();
my $Qr = JSON::PP->new->encode({ code_url => 'weixin://wxpay/a' });
my %Busy = (status => 500, body => '{"code":"SYSTEM_ERROR","message":"x"}');

sub start {
    my ($store, %o) = @_;
    return PaygwNginx->start(store => 1,
        http => "    $store;\n    paygw_deadline 20s;\n"
            . $Peer->wechat($Url, notify_url => 'https://pay.example.com/n',
                            paygw_retry => 'off', %o),
        server => 'location /pay/ { paygw_api wxpay; }');
}

sub sent { return scalar(my @requests = $Peer->requests) }

sub end {
    my ($nginx, $what) = @_;
    ok($nginx->quit, "$what: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, "$what: no alert");
}


# -- the order is another one --

{
    my $nginx = start('paygw_zone paygw:1m');
    my $api = PaygwApi->new($nginx, '/pay');
    my $order = $api->order;

    $Peer->plan({ body => $Qr });
    $api->ok($api->post('/orders', $order), 'binding: created');
    is(sent(), 1, 'binding: sent');

    $Peer->plan();
    $api->problem($api->post('/orders', { %$order, amount => 99 }), 409,
                  'CLIENT-ORDER_MISMATCH', 'binding: another amount');
    is(sent(), 0, 'binding: not sent');

    $Peer->plan({ body => $Qr });
    $api->ok($api->post('/orders', $order), 'binding: the same');
    end($nginx, 'binding');
}


# -- it cannot be remembered --

{
    my $nginx = start("paygw_store redis://127.0.0.1:$Dead");
    my $api = PaygwApi->new($nginx, '/pay');

    $Peer->plan();
    $api->problem($api->post('/orders', $api->order), 503, 'RETRY-STORE',
                  'store');
    is(sent(), 0, 'store: not sent');
    end($nginx, 'store');
}


# -- the provider is in trouble --

{
    my $nginx = start('paygw_zone paygw:1m',
                      paygw_breaker => 'requests=2 failures=50% '
                                       . 'window=60s probe=60s');
    my $api = PaygwApi->new($nginx, '/pay');

    for my $i (1, 2) {
        $Peer->plan({ %Busy });
        my $res = $api->post('/orders', $api->order);
        is($res->{json}{data}{outcome}, 'unknown', "breaker: failure $i")
            or diag($res->{body});
    }

    $Peer->plan();
    my $res = $api->post('/orders', $api->order);
    my $got = $api->envelope($res, 'breaker');
    is("$res->{status} $got->{code}", '503 RETRY-UNAVAILABLE', 'breaker: open');
    is($got->{data}{outcome}, undef, 'breaker: no outcome');
    cmp_ok($res->{header}{'retry-after'}, '>', 1, 'breaker: until its probe');
    cmp_ok($res->{header}{'retry-after'}, '<=', 60, 'breaker: not later');
    is(sent(), 0, 'breaker: not sent');
    end($nginx, 'breaker');
}

done_testing();
