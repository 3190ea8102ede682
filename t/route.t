# paygw_route: which channel an order gets that names none.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwNginx;
use PaygwPeer qw(call);

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $N = 4000;

# channels a, b, c and d, whose breakers open soon

my $Channels = join '', map { $Peer->wechat($Url, -name => $_,
                                            paygw_retry => 'off',
                                            paygw_breaker => 'probe=1h') }
               qw(a b c d);

sub conf {
    my ($routes) = @_;
    return "    paygw_zone paygw:2m;\n$Channels"
        . join '', map { "    paygw_route $_ { $routes->{$_} }\n" }
                   sort keys %$routes;
}

my $Server = 'location = /r { paygw_test_route; } '
    . join ' ', map { "location /$_/ { paygw_pass $_; }" } qw(a b c d);

my $Nginx = PaygwNginx->start(server => $Server, workers => 2, http => conf({
    weight  => 'channel a weight=3; channel b; channel c weight=4;',
    equal   => 'channel a; channel b; strategy weight;',
    fee     => 'channel a fee=0.6%; channel b fee=0.55%; channel c fee=0.55%;'
               . ' channel d fee=0%; strategy fee;',
    order   => 'channel d; channel b; channel a; strategy order;',
    success => 'channel a; channel b; strategy success;',
    method  => 'channel a methods=qr,jsapi; channel b methods=page; '
               . 'channel c methods=barcode backup;',
    where   => 'channel a if=$arg_cn; channel b if=$arg_b$arg_x; '
               . 'channel c if=0;',
    backup  => 'channel a; channel b; channel c backup; channel d backup; '
               . 'strategy order;',
}));

sub route {
    my ($name, %o) = @_;
    my $n = delete $o{n} // 1;
    my $more = join '', map { "&$_=$o{$_}" } sort keys %o;
    $more .= '&method=qr' if !exists $o{method};
    return $Nginx->get("/r?route=$name&n=$n$more");
}

sub share {
    my ($letter, $text) = @_;
    return (() = $text =~ /$letter/g) / length $text;
}

# calls that fail, ten of them open the breaker of a channel

sub broken {
    my ($channel, $n, $good) = @_;
    $Peer->plan((map { +{} } 1 .. ($good // 0)),
                map { +{ signature => 'bad' } } 1 .. $n);
    call($Nginx, POST => "/$channel/v3/transfer/x", body => '{}')
        for 1 .. $n + ($good // 0);
}


# -- as long as all of them are well --

my $Weight = route('weight', n => $N);
is(length $Weight, $N, 'weight: each has one');
my %want = (a => 3 / 8, b => 1 / 8, c => 4 / 8);
cmp_ok(abs(share($_, $Weight) - $want{$_}), '<', 0.03, "weight: share of $_")
    for sort keys %want;
is(route('weight', n => $N), $Weight, 'weight: an order stays where it is');
my $equal = route('equal', n => $N);
cmp_ok(abs(share('a', $equal) - 0.5), '<', 0.03, 'weight: 1 by default');

is(route('fee', n => 100), 'd' x 100, 'fee: the cheapest');
is(route('fee', n => 7, all => 1) =~ s/[bc]{2}/BC/r, 'dBCa-',
   'fee: one after the other');
is(route('order', n => 100), 'd' x 100, 'order: the first');
is(route('order', n => 7, all => 1), 'dba-', 'order: one after the other');
like(route('success', n => 200), qr/^(?=.*a)(?=.*b)[ab]+$/,
     'success: all the same');

is(route('method', method => 'qr'), 'a', 'method: qr');
is(route('method', method => 'jsapi'), 'a', 'method: jsapi');
is(route('method', method => 'page'), 'b', 'method: page');
is(route('method', method => 'barcode'), 'c',
   'method: a backup, if there is nothing else');
is(route('method', method => 'wap'), '-', 'method: nobody');
is(route('method', method => ''), '-', 'method: none');

is(route('where'), '-', 'if: nobody');
is(route('where', cn => 1), 'a', 'if: one');
is(route('where', cn => 0, b => 0, x => 0), 'b', 'if: 0 and empty are no');
is(route('where', cn => 'x', b => 'y', all => 1) =~ s/[ab]{2}/AB/r, 'AB-',
   'if: both, and then nobody');
is(route('backup', n => 9, all => 1), 'abcd-', 'backup: last');


# -- one fails more than the others --

broken('a', 3, 4);
is(route('success', n => 100), 'b' x 100, 'success: b');
is(route('weight', n => $N), $Weight, 'weight: does not care');

# -- and is not called any more --

broken('a', 10);
my $now = route('weight', n => $N);
is(share('a', $now), 0, 'open: no order');
my @moved = grep { substr($Weight, $_, 1) ne 'a'
                   && substr($Weight, $_, 1) ne substr($now, $_, 1) }
            0 .. $N - 1;
is(scalar @moved, 0, 'open: orders of others stay where they are');
is(route('backup', n => 9), 'b' x 9, 'open: the next, and no backup');
broken('b', 10);
is(route('backup', n => 9), 'c' x 9, 'open: a backup');
is(route('where', cn => 1), 'a', 'open: the only one, who says it himself');
broken('c', 10);
is(route('backup', n => 9), 'd' x 9, 'open: the other backup');
broken('d', 10);
is(route('backup', n => 9), 'a' x 9, 'open: all of them: as they stand');
is(route('fee', n => 9), 'd' x 9, 'open: all of them: by the strategy');

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');


# -- nginx -t --

for my $case (
    [ 'a name', 'r/s' => 'channel a;', qr/invalid route name "r\/s"/ ],
    [ 'nothing', r => '', qr/route "r" has no channel/ ],
    [ 'only a strategy', r => 'strategy fee;', qr/route "r" has no channel/ ],
    [ 'a line', r => 'channels a;', qr/invalid line "channels" of route "r"/ ],
    [ 'no name', r => 'channel;', qr/invalid line "channel" of route "r"/ ],
    [ 'twice', r => 'channel a; channel a;',
      qr/channel "a" of route "r" is duplicate/ ],
    [ 'a strategy', r => 'channel a; strategy best;',
      qr/"strategy" of route "r" must be "weight", "fee", "success" or "ord/ ],
    [ 'two strategies', r => 'channel a; strategy order; strategy fee;',
      qr/"strategy" of route "r" is duplicate/ ],
    [ 'no fee', r => 'channel a fee=1%; channel b; strategy fee;',
      qr/channel "b" of route "r" with "strategy fee" needs "fee="/ ],
    [ 'unknown', r => 'channel x;',
      qr/route "r" in \S+:\d+ names channel "x", which is unknown/ ],
    (map { [ "$_->[0], and what it is", r => "channel a $_->[0];",
             qr/"\Q$_->[0]\E" of channel "a" in route "r", \Q$_->[1]\E/ ] }
         [ 'weight=0', 'it must be from 1 to 10000' ],
         [ 'fee=0.6', 'it must be a percentage, as "fee=0.6%"' ],
         [ 'methods=qr,jspai', 'it must be given once, some of qr, jsapi, ap' ],
         [ 'if=', 'it must be given once and have a value' ],
         [ 'wieght=1', 'known are weight=, fee=, methods=, if= and backup' ]),
    (map { [ $_, r => "channel a $_;",
             qr/invalid parameter "\Q$_\E" of channel "a" in route "r"/ ] }
         qw(weight=0 weight=x weight=10001 fee=1 fee=x% fee=% fee=101%
            methods= methods=cash if= backup=1 x), 'methods=qr,'),
) {
    my ($name, $route, $lines, $re) = @$case;
    like(PaygwNginx->test(server => $Server, http => conf(
             { $route => $lines })), $re, "bad: $name");
}

done_testing();
