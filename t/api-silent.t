# Acceptance 5 through paygw_api: a timeout never yields "failed".  The sandbox
# takes an order, or a refund, and stays silent: the answer is "unknown", the
# next query tells the truth, and a repeat under the same id makes no second
# one.  For each provider, with the tries and the breaker of the default.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();

use PaygwApi;
use PaygwNginx;
use PaygwPeer qw(begin_call end_call);
use PaygwSandbox;

my $Sandbox = PaygwSandbox->start;
my $D = $Sandbox->{dir};
my $Json = JSON::PP->new->utf8->canonical;
my @Slow = (proxy_read_timeout => '3s');
my @Url = (notify_url => 'http://127.0.0.1:1/n');

my $Nginx = PaygwNginx->start(store => 1,
    http => "    paygw_zone paygw:2m;\n    paygw_deadline 20s;\n"
        . $Sandbox->wechat(platform_certificate =>
                               "$D/wechat/platform_cert_a.pem", @Slow, @Url)
        . $Sandbox->wechat_v2(@Slow, @Url) . $Sandbox->unionpay(@Slow, @Url)
        . $Sandbox->alipay(alipay_public_key => "$D/alipay/alipay_public.pem",
                           @Slow, @Url)
        . $Sandbox->stripe(@Slow),
    server => 'location /pay/ { paygw_api wxpay wxv2 alipay unionpay '
        . 'stripe; }');

my $Api = PaygwApi->new($Nginx, '/pay');

# an order of each, what makes it, what gives money back; and what a repeat is
# told: the same again, or that it is there

my %Of = (
    wxpay => { provider => 'wechat_v3', order => {},
               make => 'transactions/native', refund => '^POST .*/refunds$' },
    wxv2 => { provider => 'wechat_v2', order => {},
              make => 'unifiedorder', refund => 'secapi/pay/refund' },
    alipay => { provider => 'alipay', make => 'trade.create',
                order => { method => 'jsapi',
                           payer => { id => '2088101122136241' } },
                refund => 'trade.refund' },
    unionpay => { provider => 'unionpay', order => {}, make => ' 01/07',
                  refund => ' 04/00', again => 'CLIENT-ORDER_STATE' },
    stripe => { provider => 'stripe', make => '^POST .*/payment_intents$',
                order => { method => 'app', currency => 'EUR' },
                refund => '^POST /v1/refunds$' },
);

for my $channel (sort keys %Of) {
    my $order = $Api->order(channel => $channel, %{ $Of{$channel}{order} });
    $Of{$channel}{order} = $order;
    $Of{$channel}{id} = $order->{order_id};
}

sub made { return $Sandbox->get("orders/$_[0]") }

# how many there are: the sandbox takes no id twice, so its calls are counted

sub calls {
    my ($channel, $what) = @_;
    return scalar grep { $_->{provider} eq $Of{$channel}{provider}
                         && $_->{operation} =~ /$Of{$channel}{$what}/ }
           @{ $Sandbox->get('calls')->{calls} };
}

# all of them at the same moment, and none is answered

sub silent {
    my ($what, $path, $body) = @_;

    $Sandbox->post('answers', { fault => 'silent', times => 5, only =>
        join '|', map { quotemeta($_->{$what}) =~ s/\\([\^\$.*])/$1/gr }
                  values %Of });

    my %c = map { my $of = $Of{$_};
                  ($_ => begin_call($Nginx, POST => '/pay' . $path->($of),
                      body => $Json->encode($body->($_, $of)), heads =>
                          { 'Content-Type' => 'application/json' })) }
            sort keys %Of;

    for my $channel (sort keys %c) {
        my $res = end_call($c{$channel}, timeout => 20);
        $res->{json} = eval { $Json->decode($res->{body}) };
        my $got = $Api->problem($res, 504, 'PROVIDER-UNANSWERED',
                                "$channel: $what: unknown",
                                order_id => $Of{$channel}{id});
        unlike($res->{body}, qr/fail/i, "$channel: $what: not failed");
        is($got->{data}{state}, undef, "$channel: $what: no state");
        is(calls($channel, $what), 1, "$channel: $what: sent once");
        $Of{$channel}{ref} = $got->{data}{ref} // $Of{$channel}{ref};
    }

    is($Sandbox->get('answers')->{times}, 0, "$what: each was silent");
    $Sandbox->post('answers', { fault => '' });
}

sub of {
    my $of = $Of{$_[0]};
    return (channel => $_[0], $of->{ref} ? (ref => $of->{ref}) : ());
}


# -- an order --

silent('make', sub { '/orders' }, sub { $_[1]{order} });

for my $channel (sort keys %Of) {
    my ($of, $id) = ($Of{$channel}, $Of{$channel}{id});

    is(made($id)->{amount}, 100, "$channel: it was made");
    my $trade = made($id)->{trade_no};
    my $data = $Api->ok($Api->get("/orders/$id", of($channel)),
                        "$channel: a query tells the truth",
                        outcome => 'pending', order_id => $id);
    $of->{ref} //= $data->{ref};

    my $res = $Api->post('/orders', { %{ $of->{order} },
                             $channel eq 'unionpay' ? of($channel) : () });
    $of->{again} ? $Api->problem($res, 409, $of->{again}, "$channel: repeat")
                 : $Api->ok($res, "$channel: a repeat", outcome => 'pending');
    is(made($id)->{trade_no}, $trade, "$channel: no second order");
}


# -- and a refund --

$Sandbox->post("orders/$_->{id}/pay?provider=$_->{provider}", {})
    for values %Of;

my %Order = map { ($_ => $Of{$_}{ref}) } keys %Of;
my $Refund = sub {
    my ($channel, $of) = @_;
    return { refund_id => "R$of->{id}", amount => 30, of($channel) };
};

silent('refund', sub { "/orders/$_[0]{id}/refunds" }, $Refund);

for my $channel (sort keys %Of) {
    my ($of, $id) = ($Of{$channel}, $Of{$channel}{id});

    is(made($id)->{refunded}, 30, "$channel: it was refunded");
    $Api->ok($Api->get("/orders/$id/refunds/R$id", of($channel)),
             "$channel: refund: a query tells the truth",
             outcome => 'success', amount => 30);
    $Api->ok($Api->post("/orders/$id/refunds", $Refund->($channel, $of)),
             "$channel: refund: a repeat", amount => 30);
    is(made($id)->{refunded}, 30, "$channel: no second refund");
    is(scalar @{ made($id)->{refunds} }, 1, "$channel: one refund");
    $Api->ok($Api->get("/orders/$id", channel => $channel,
                       $Order{$channel} ? (ref => $Order{$channel}) : ()),
             "$channel: the order is paid", outcome => 'success');
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
