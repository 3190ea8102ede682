# paygw_body_max of a channel: it takes the place of that of the location, for
# paygw_pass and for paygw_api.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwNginx;
use PaygwPeer qw(call problem_ok);

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Create = 'v3/pay/transactions/native';
my %Json = (heads => { 'Content-Type' => 'application/json' });

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    paygw_body_max 1k;\n"
        . $Peer->wechat($Url, -name => 'none', notify_url => "$Url/n")
        . $Peer->wechat($Url, -name => 'more', notify_url => "$Url/n",
                        mchid => '1900009192', paygw_body_max => '4k')
        . $Peer->wechat($Url, -name => 'less', notify_url => "$Url/n",
                        mchid => '1900009193', paygw_body_max => 300),
    server => 'client_body_buffer_size 512; '
        . (join '', map { "location /$_/ { paygw_pass $_; } "
                          . "location /api_$_/ { paygw_api $_; } " }
           qw(none more less))
        . 'location /all/ { paygw_api none more less; }');

my %Max = (none => 1024, more => 4096, less => 300);

sub padded {
    my ($len, $text) = @_;
    $text =~ s/PAD/'x' x ($len - length($text) + 3)/e;
    return $text;
}

sub order {
    my ($channel, $len) = @_;
    my $id = "TB$channel$len";
    my $text = '{"order_id":"' . $id . '","amount":1,"currency":"CNY",'
        . '"subject":"s","method":"qr","channel":"' . $channel . '"}';
    return $text . ' ' x ($len - length $text);
}

for my $name (sort keys %Max) {
    my $max = $Max{$name};

    $Peer->plan({});
    is(call($Nginx, POST => "/$name/$Create", %Json,
            body => padded($max, '{"out_trade_no":"T1","x":"PAD"}'))
       ->{status}, 200, "$name: $max bytes");
    is(scalar $Peer->requests, 1, "$name: sent");

    $Peer->plan;
    problem_ok(call($Nginx, POST => "/$name/$Create", %Json,
                    body => padded($max + 1,
                                   '{"out_trade_no":"T1","x":"PAD"}')),
               413, 'CLIENT-TOO_LARGE', "$name: one more");

    for my $where ("/api_$name/orders", '/all/orders') {
        $Peer->plan({});
        my $res = call($Nginx, POST => $where, %Json,
                       body => order($name, $max));
        is($res->{status}, 200, "$where: $name: $max bytes")
            or diag $res->{body};

        $Peer->plan;
        $res = call($Nginx, POST => $where, %Json,
                    body => order($name, $max + 1));
        is($res->{status}, 413, "$where: $name: one more")
            or diag $res->{body};
        is(scalar $Peer->requests, 0, "$where: $name: not sent");
    }
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');


# -- the configuration --

for ([ '0', qr/"paygw_body_max" of channel "wxpay" must be a size, and not 0/ ],
     [ 'x', qr/"paygw_body_max" of channel "wxpay" must be a size/ ],
     [ '1k 2k', qr/"paygw_body_max" of channel "wxpay" must be a size/ ],
     [ [ '1k', '2k' ], qr/"paygw_body_max" of channel "wxpay" is duplicate/ ],
     [ '8k', qr/syntax is ok/ ])
{
    my ($value, $re) = @$_;
    like(PaygwNginx->test(http => $Peer->wechat($Url,
                                                paygw_body_max => $value),
                          server => ''), $re,
         'paygw_body_max ' . (ref $value ? "@$value" : $value));
}

done_testing();
