# An answer that does not say whether there is an order takes nothing back: what
# is known of the order stays, so that a repetition is the same order, in the
# same channel.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();

use PaygwApi;
use PaygwNginx;
use PaygwPeer ();

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my @Of = (notify_url => 'https://pay.example.com/n', paygw_retry => 'off');

my $Nginx = PaygwNginx->start(store => 1,
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . $Peer->wechat($Url, @Of) . $Peer->unionpay($Url, @Of)
        . $Peer->stripe($Url, paygw_retry => 'off')
        . join('', map { "    paygw_route r_$_ { channel $_; channel wxpay; "
                         . "strategy order; }\n" } qw(unionpay stripe)),
    server => join '', map({ "location /$_/ { paygw_api $_; }\n" }
                           qw(unionpay stripe r_unionpay r_stripe)),
        'location /pass/ { paygw_pass unionpay; }');

my %Api = map { $_ => PaygwApi->new($Nginx, "/$_") }
          qw(unionpay stripe r_unionpay r_stripe);

sub asked { return map { $_->{body} =~ /\btxnTime=(\d+)/ } $Peer->requests }

sub passed {
    my ($id, $amount, $path) = @_;
    return PaygwPeer::call($Nginx, POST => "/pass/gateway/api/$path", heads =>
        { 'Content-Type' => 'application/x-www-form-urlencoded' },
        body => "txnType=01&txnSubType=01&bizType=000201&orderId=$id"
                . "&txnTime=20250102030405&txnAmt=$amount&currencyCode=156");
}


# -- UnionPay: a code that is none of its codes --

# word, method, and what is answered the second time; "61" is one of its codes

my @Made;
my %Of = (app => { tn => '1' }, qr => { qrCode => 'https://qr.95516.com/1' },
          barcode => {});

for my $word (qw(X1 A7 6 006 61)) {
    for my $method (sort keys %Of) {
        my $name = "$method, $word";
        my $order = $Api{unionpay}->order(method => $method,
            $method eq 'barcode'
            ? (terminal => '00000001',
               payer => { auth_code => '62' . '0' x 17 }) : ());

        $Peer->plan({ fields => { respCode => $word } });
        my $res = $Api{unionpay}->post('/orders', $order);

        if ($word eq '61') {
            $Api{unionpay}->problem($res, 422, 'PROVIDER-REFUSED', $name);
        } elsif ($method eq 'barcode') {
            $Api{unionpay}->ok($res, $name, outcome => 'pending');
        } else {
            $Api{unionpay}->problem($res, 502, 'PROVIDER-UNCLEAR', $name);
        }

        push @Made, [ $name, $method, $order, $word ne '61', asked() ];
    }
}

my @Passed;

for my $word (qw(X1 A7 61)) {
    for my $path (qw(appTransReq.do backTransReq.do)) {
        my $id = PaygwApi::number();
        $Peer->plan({ fields => { respCode => $word } });
        is(passed($id, 100, $path)->{status}, 200, "$path, $word: passed");
        push @Passed, [ "$path, $word", $path, $id, $word ne '61' ];
    }
}


# -- in a route, and Stripe: what failed at somebody else's --

my $Failed = { status => 424, body => '{"error":{"type":"api_error"}}' };
my @Routed;

for my $case ([ unionpay => { fields => { respCode => 'X1' } },
                { fields => { respCode => '00', tn => '1' } } ],
              [ stripe => $Failed ])
{
    my ($name, $answer, $second) = @$case;
    my $a = $Api{"r_$name"};
    my $order = $a->order(method => 'app');

    $Peer->plan($answer);
    $a->problem($a->post('/orders', $order), 502, 'PROVIDER-UNCLEAR',
                "route: $name", channel => $name);
    is(scalar $Peer->requests, 1, "route: $name: nobody else was asked");
    push @Routed, [ $name, $a, $order, $second, asked() ];
}

my $Stripe = $Api{stripe}->order(method => 'app');

$Peer->plan($Failed);
$Api{stripe}->problem($Api{stripe}->post('/orders', $Stripe), 502,
                      'PROVIDER-UNCLEAR', 'Stripe');


# -- what is known of them --

# what would be dropped is so by now, and another txnTime would be another one

sleep 2;

for (@Made) {
    my ($name, $method, $order, $kept, $time, @more) = @$_;
    is(scalar @more, 0, "$name: asked once");
    like($time, qr/^\d{14}\z/, "$name: sent");

    $Peer->plan({ fields => { respCode => '00', %{ $Of{$method} } } });
    $Api{unionpay}->ok($Api{unionpay}->post('/orders', $order),
                       "$name: repeated", outcome => 'pending');
    my @again = asked();
    is(scalar @again, 1, "$name: repeated: asked once");

    if ($kept) {
        is($again[0], $time, "$name: it is the same one");
    } else {
        isnt($again[0], $time, "$name: there was none");
    }
}

for (@Passed) {
    my ($name, $path, $id, $kept) = @$_;
    $Peer->plan({});
    is(passed($id, 99, $path)->{status}, $kept ? 409 : 200,
       "$name: with other terms");
    is(scalar $Peer->requests, $kept ? 0 : 1, "$name: with other terms: sent");
    $Peer->plan({});
    is(passed($id, 100, $path)->{status}, $kept ? 200 : 409,
       "$name: with those it had");
}

for (@Routed) {
    my ($name, $a, $order, $second, $time) = @$_;
    $Peer->plan;
    $a->problem($a->post('/orders', { %$order, channel => 'wxpay' }), 409,
                'CLIENT-ORDER_MISMATCH', "route: $name: another one by name",
                field => 'channel');
    is(scalar $Peer->requests, 0, "route: $name: it was not asked");

    if ($second) {
        $Peer->plan($second);
        $a->ok($a->post('/orders', $order), "route: $name: again",
               channel => $name);
        is(join(' ', asked()), $time, "route: $name: the same one");
    }
}

$Peer->plan;
$Api{stripe}->problem($Api{stripe}->post('/orders', { %$Stripe,
                                                      amount => 99 }), 409,
                      'CLIENT-ORDER_MISMATCH', 'Stripe: with other terms',
                      field => 'amount');
is(scalar $Peer->requests, 0, 'Stripe: with other terms: not sent');

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
