# paygw_api with a route, and with several channels: which channel an order
# gets, that all that is asked of it afterwards goes there, from any machine,
# and that no order is ever at two of them.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use IO::Socket::INET ();
use JSON::PP ();
use Time::HiRes ();

use PaygwApi;
use PaygwNginx;
use PaygwPeer qw(begin_call end_call);
use PaygwRedis;

my $Redis = ($ENV{PAYGW_TEST_STORE} // '') eq 'redis'
            ? PaygwRedis->start : undef;
my $Slow = $PaygwNginx::Slow;
my $Peer = PaygwPeer->start;
my $Json = JSON::PP->new->utf8->canonical;
my @Notify = (notify_url => 'https://pay.example.com/n');

# channels a, b and ali answer; at the port of the others nobody listens, and
# nobody else can

my $Closed = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp')
             or die $!;
my %Port = map { ($_, $Peer->listen) } qw(a b ali);
my %Name = map { ($Port{$_}, $_) } keys %Port;

sub wx {
    my ($name, @more) = @_;
    return $Peer->wechat('http://127.0.0.1:'
                         . ($Port{$name} // $Closed->sockport), @Notify,
                         -name => $name, @more);
}

my $Conf = "    paygw_zone paygw:2m;\n    paygw_deadline 30s;\n"
    . ($Redis ? '    paygw_store redis://127.0.0.1:' . $Redis->port
                . ' timeout=' . 1500 * $Slow . "ms;\n" : '')
    . wx('a', paygw_retry => 'off') . wx('b', paygw_retry => 'off')
    . wx('dead', paygw_retry => 'off') . wx('grave', paygw_retry => 'off')
    . wx('shut', paygw_retry => 'off',
         paygw_breaker => 'requests=1 failures=1% window=60s probe=1h')
    . $Peer->alipay("http://127.0.0.1:$Port{ali}", @Notify,
                    paygw_retry => 'off', -name => 'ali')
    . join '', map { "    paygw_route $_->[0] { $_->[1] }\n" }
    [ weigh => 'channel a; channel b; channel ali;' ],
    [ next => 'channel dead; channel a; channel b; strategy order;' ],
    [ first => 'channel a; channel b; strategy order;' ],
    [ none => 'channel dead; channel grave; strategy order;' ],
    [ spare => 'channel shut; channel a; strategy order;' ],
    [ how => 'channel a methods=qr; channel ali methods=page;' ],
    [ when => 'channel a if=$http_x_cn; channel b backup;' ];

my $Server = join ' ', (map { "location /$_/ { paygw_api $_; }" }
                        qw(weigh next first none spare how when)),
    'location /list/ { paygw_api a ali; }',
    'location /tsil/ { paygw_api ali a; }',
    'location /more/ { paygw_api a b ali; }',
    'location /alone/ { paygw_api a; }',
    'location /off/ { paygw_api a ali; paygw_binding off; }';

my $Nginx = PaygwNginx->start(workers => 2, http => $Conf, server => $Server);

# another machine, if that can be: it has the same Redis

my $Other = $Redis ? PaygwNginx->start(http => $Conf, server => $Server)
                   : $Nginx;

my %Api = map { my $to = $_; ($to, PaygwApi->new($Nginx, "/$to")) }
          qw(weigh next first none spare how when list tsil more alone off);
my %Far = map { ($_, PaygwApi->new($Other, "/$_")) } keys %Api;

# what a genuine order of WeChat Pay says

sub trade {
    my ($id, %o) = @_;
    return { body => $Json->encode({ out_trade_no => $id,
                                     mchid => '1900009191',
                                     trade_state => 'NOTPAY', %o }) };
}

# the channels that were asked since plan(), as a text

sub asked { return join ' ', map { $Name{ $_->{port} } } $Peer->requests }

sub mismatch {
    my ($res, $name) = @_;
    $Api{list}->problem($res, 409, 'CLIENT-ORDER_MISMATCH', $name,
                        field => 'channel');
}


# -- all of an order goes where it was made, from anywhere --

my %seen;

for my $n (1 .. 80) {
    last if $n > 8 && keys %seen == 3;
    my $order = $Api{weigh}->order;
    my $id = $order->{order_id};

    $Peer->plan;
    my $data = $Api{weigh}->ok($Api{weigh}->post('/orders', $order),
                               "weigh $n: made");
    my $at = $data->{channel};
    $seen{$at} = 1;
    is(asked(), $at, "weigh $n: asked");

    $Api{weigh}->ok($Far{weigh}->post('/orders', $order),
                    "weigh $n: repeated", channel => $at);
    $Api{weigh}->ok($Api{weigh}->post('/orders', { %$order, channel => $at }),
                    "weigh $n: named", channel => $at);
    is(asked(), "$at $at $at", "weigh $n: there again");

    next if $at eq 'ali';

    $Peer->plan(trade($id), { status => 204, body => '' }, trade($id));
    $Api{weigh}->ok($Far{weigh}->get("/orders/$id"), "weigh $n: state",
                    channel => $at, state => 'CREATED');
    $Api{weigh}->ok($Far{weigh}->post("/orders/$id/close"), "weigh $n: close",
                    channel => $at, state => 'CLOSED');
    $Far{weigh}->get("/orders/$id/refunds/R$id");
    $Far{weigh}->post("/orders/$id/refunds", { refund_id => "R$id",
                                               amount => 1 });
    like(asked(), qr/^$at( $at){3,}$/, "weigh $n: all there");
}

is(join(' ', sort keys %seen), 'a ali b', 'weigh: each channel has some');

# another channel than the order's, by name

my $Order = $Api{weigh}->order(channel => 'a');
my $Id = $Order->{order_id};
$Api{weigh}->ok($Api{weigh}->post('/orders', $Order), 'named', channel => 'a');
$Peer->plan;
mismatch($Far{weigh}->post('/orders', { %$Order, channel => 'b' }),
         'another one: made');
mismatch($Far{weigh}->get("/orders/$Id", channel => 'b'),
         'another one: state');
mismatch($Far{weigh}->post("/orders/$Id/close", { channel => 'b' }),
         'another one: close');
mismatch($Far{weigh}->post("/orders/$Id/refunds", { channel => 'ali',
             refund_id => 'R1', amount => 1 }), 'another one: refund');
mismatch($Far{weigh}->get("/orders/$Id/refunds/R1", channel => 'ali'),
         'another one: state of a refund');
$Api{weigh}->problem($Api{weigh}->get("/orders/$Id", channel => 'dead'), 400,
                     'CLIENT-INVALID_FIELD', 'none of the route',
                     field => 'channel');
is(asked(), '', 'another one: nobody was asked');

# a page is made without a call, and is an order of its channel

my $Page = $Api{list}->order(channel => 'ali', method => 'page',
                             return_url => 'https://shop.example.com/');
$Peer->plan;
$Api{list}->ok($Api{list}->post('/orders', $Page), 'page: made');
mismatch($Far{list}->get("/orders/$Page->{order_id}", channel => 'a'),
         'page: another one');
is(asked(), '', 'page: nobody was asked');

# what is not remembered

my $Gone = PaygwApi::number();
$Api{weigh}->problem($Api{weigh}->get("/orders/$Gone"), 400,
                     'CLIENT-MISSING_FIELD', 'not remembered',
                     field => 'channel');
$Peer->plan(trade($Gone));
$Api{weigh}->ok($Api{weigh}->get("/orders/$Gone", channel => 'b'),
                'not remembered, but named', channel => 'b');

# routes know nothing of each other

$Peer->plan({ body => '{"code_url":"weixin://x"}' });
$Api{first}->ok($Api{first}->post('/orders', { %$Order, channel => 'b' }),
                'another route');


# -- where an order is, is known for longer than the order --

if ($Redis) {
    my $order = $Api{weigh}->order;
    my $id = $order->{order_id};
    $Api{weigh}->ok($Api{weigh}->post('/orders', $order), 'home: made');
    my ($home) = grep { !/:\{(?:a|b|ali)\}:/ }
                 @{ $Redis->cmd('KEYS', "*order:*:$id") };
    my $week = 7 * 24 * 3600 * 1000;
    cmp_ok($Redis->cmd('PTTL', $home), '>', 1.9 * $week,
           'home: twice as long as the order');

    # it is old, and found by a question

    my $v = $Redis->cmd('GET', $home);
    my $soon = int(1000 * Time::HiRes::time()) + 60000;
    ok($v =~ s/^(\w+) \d+ /$1 $soon /, "home: $v");
    $Redis->cmd('SET', $home, $v, 'PX', 60000);
    $Far{weigh}->get("/orders/$id");
    ok($Nginx->wait_for(sub {
           $Redis->cmd('PTTL', $home) > 1.9 * $week
       }), 'home: and anew when it is found');
}


# -- another channel, if the first one has not been asked --

$Order = $Api{next}->order;
$Id = $Order->{order_id};
$Peer->plan;
$Api{next}->ok($Api{next}->post('/orders', $Order), 'next', channel => 'a');
is($Nginx->count(qr/order "$Id" was not taken by channel "dead", channel "a"/),
   1, 'next: logged');
$Api{next}->ok($Far{next}->post('/orders', $Order), 'next: repeated',
               channel => 'a');
is(asked(), 'a a', 'next: asked');
is($Nginx->count(qr/order "$Id" was not taken/), 1,
   'next: the first channel was not tried again');
$Peer->plan(trade($Id));
$Api{next}->ok($Far{next}->get("/orders/$Id"), 'next: state',
               channel => 'a');

# but not if it was named

$Order = $Api{next}->order;
$Api{next}->problem($Api{next}->post('/orders', { %$Order,
                                                  channel => 'dead' }), 503,
                    'RETRY-UNREACHABLE', 'named', channel => 'dead');
$Api{next}->ok($Api{next}->post('/orders', { %$Order, channel => 'b' }),
               'named: and then another one', channel => 'b');

# all of them are away

$Order = $Api{none}->order;
$Id = $Order->{order_id};
$Api{none}->problem($Api{none}->post('/orders', $Order), 503,
                    'RETRY-UNREACHABLE', 'none', channel => 'grave');
is($Nginx->count(qr/order "$Id" was not taken by channel "dead"/), 1,
   'none: both were tried');
$Api{none}->problem($Api{none}->get("/orders/$Id"), 400,
                    'CLIENT-MISSING_FIELD', 'none: nothing is remembered');

# a breaker that opens

for my $n (1 .. 3) {
    $Api{spare}->ok($Api{spare}->post('/orders', $Api{spare}->order),
                    "spare $n", channel => 'a');
}
my $res = $Api{spare}->post('/orders', $Api{spare}->order(channel => 'shut'));
is($res->{json}{code}, 'RETRY-UNAVAILABLE', 'spare: it is open');
cmp_ok($Nginx->count(qr/channel "shut" is not sent: its breaker is open/),
       '>=', 1, 'spare: and was passed over');

# the provider says that it takes no more

my %Busy = (status => 429,
            body => '{"code":"FREQUENCY_LIMITED","message":"MARK"}');

$Order = $Api{first}->order;
$Peer->plan(\%Busy);
$Api{first}->ok($Api{first}->post('/orders', $Order), 'busy', channel => 'b');
is(asked(), 'a b', 'busy: asked');
$Api{first}->ok($Api{first}->post('/orders', $Order), 'busy: repeated',
                channel => 'b');

# what a channel has had before is there, whoever has made it

$Order = $Api{alone}->order;
$Peer->plan({});
$Api{alone}->ok($Api{alone}->post('/orders', $Order), 'had: made');
$Peer->plan(\%Busy);
$Api{first}->problem($Api{first}->post('/orders', $Order), 503, 'RETRY-BUSY',
                     'had: not in a second one', channel => 'a');
is(asked(), 'a', 'had: asked');

$Order = $Api{first}->order;
$Peer->plan(\%Busy, \%Busy);
$Api{first}->problem($Api{first}->post('/orders', $Order), 503, 'RETRY-BUSY',
                     'busy, both', channel => 'b');
$Api{first}->ok($Api{first}->post('/orders', $Order),
                'busy, both: and then not', channel => 'a');

# it says no: that is nobody else's order, and may be made anew

$Order = $Api{first}->order;
$Peer->plan({ status => 403, body => '{"code":"NO_AUTH","message":"MARK"}' });
$res = $Api{first}->post('/orders', $Order);
is($res->{json}{data}{channel}, 'a', 'no: no other one');
like($res->{json}{code}, qr/^PROVIDER-(?:ACCOUNT|REFUSED)$/, 'no: code');
is(asked(), 'a', 'no: asked');
$Api{first}->ok($Api{first}->post('/orders', { %$Order, channel => 'b' }),
                'no: the caller takes another one', channel => 'b');


# -- but never after a call that may have arrived --

for my $case ([ 'silent', 504, 'PROVIDER-UNANSWERED', drop => 1 ],
              [ 'lies', 502, 'PROVIDER-UNVERIFIED', signature => 'bad' ],
              [ 'is not clear', 502, 'PROVIDER-UNCLEAR', status => 500,
                body => '{"code":"SYSTEM_ERROR","message":"MARK"}' ])
{
    my ($name, $status, $code, %answer) = @$case;

    $Order = $Api{first}->order;
    $Peer->plan(\%answer);
    $Api{first}->problem($Api{first}->post('/orders', $Order), $status, $code,
                         $name, channel => 'a');
    is(asked(), 'a', "$name: no other one");

    mismatch($Far{first}->post('/orders', { %$Order, channel => 'b' }),
             "$name: another one by name");
    $Api{first}->ok($Far{first}->post('/orders', $Order), "$name: again",
                    channel => 'a');
    is(asked(), 'a a', "$name: there");
}

# nor after one that says no, when another call of the order was there before

$Order = $Api{first}->order;
$Peer->plan({ drop => 1 }, \%Busy, { status => 403,
              body => '{"code":"NO_AUTH","message":"MARK"}' });
$Api{first}->post('/orders', $Order) for 1 .. 3;
mismatch($Api{first}->post('/orders', { %$Order, channel => 'b' }),
         'doubt stays');
is(asked(), 'a a a', 'doubt stays: nobody else was asked');

# nor while another call of it is under way to the same channel

$Order = $Api{first}->order;
$Peer->plan({ %Busy, delay => 1.5 * $Slow });
my $call = begin_call($Nginx, POST => '/first/orders',
                      body => $Json->encode($Order),
                      heads => { 'Content-Type' => 'application/json' });
$Peer->requests(1, 10 * $Slow);
$Api{first}->ok($Far{first}->post('/orders', $Order), 'under way',
                channel => 'a');
my $got = $Json->decode(end_call($call, timeout => 30)->{body});
is("$got->{code} $got->{data}{channel}", 'RETRY-BUSY a',
   'under way: the first one does not move it');
is(asked(), 'a a', 'under way: nobody else was asked');


# -- at once --

for my $n (1 .. 6) {
    $Order = $Api{next}->order;
    $Peer->plan;

    my @calls = map {
        begin_call($_ % 2 ? $Nginx : $Other, POST => '/next/orders',
                   body => $Json->encode($Order),
                   heads => { 'Content-Type' => 'application/json' })
    } 1 .. 6;
    my @got = map { eval { $Json->decode(end_call($_, timeout => 30)->{body}) }
                    // {} } @calls;

    # those that have counted on the first channel have it

    my %codes = map { ($_->{code} // '', 1) } @got;
    delete @codes{qw(OK RETRY-UNREACHABLE)};
    is(join(' ', keys %codes), '', "at once $n: codes");

    my %at = map { ($_->{data}{channel}, 1) } grep { $_->{code} eq 'OK' } @got;
    my %asked = map { ($_, 1) } split / /, asked();
    cmp_ok(scalar keys %at, '<=', 1, "at once $n: one channel");
    is(join(' ', keys %asked), join(' ', keys %at),
       "at once $n: nobody else was asked");
}


# -- what an order wants --

$Api{how}->ok($Api{how}->post('/orders', $Api{how}->order), 'how: qr',
              channel => 'a');
$Api{how}->ok($Api{how}->post('/orders', $Api{how}->order(method => 'page')),
              'how: page', channel => 'ali');
$Peer->plan;

for my $case ([ 'no method', method => 'app' ],
              [ 'nobody has the method', method => 'barcode',
                payer => { auth_code => '280000000000000001' } ],
              [ 'no currency', currency => 'USD' ])
{
    my ($name, $field, @of) = @$case;
    $Api{how}->problem($Api{how}->post('/orders',
                                       $Api{how}->order($field, @of)), 422,
                       'CLIENT-UNSUPPORTED', "how: $name", field => $field,
                       channel => undef);
}

$Api{how}->problem($Api{how}->post('/orders',
                       $Api{how}->order(method => 'page', channel => 'a')),
                   422, 'CLIENT-UNSUPPORTED', 'how: named, and has it not',
                   field => 'method', channel => 'a');
is(asked(), '', 'how: nobody was asked');

# ids, and all that a provider refuses: it is no matter of luck who gets them

for my $n (1 .. 8) {
    my %id = ('a WeChat' => "T-2025-$n", 'an Alipay' => 'T' x 39 . $n);

    for my $whose (sort keys %id) {
        my $data = $Api{weigh}->ok($Api{weigh}->post('/orders',
                       $Api{weigh}->order(order_id => $id{$whose})),
                       "weigh: $whose id $n");
        like($data->{channel}, $whose =~ /We/ ? qr/^[ab]$/ : qr/^ali$/,
             "weigh: $whose id $n: where it can be");
    }
}

$Peer->plan;
$Api{weigh}->problem($Api{weigh}->post('/orders',
                         $Api{weigh}->order(order_id => 'T-' x 20)), 400,
                     'CLIENT-INVALID_FIELD', 'weigh: an id of nobody',
                     field => 'order_id');
is(asked(), '', 'weigh: nobody was asked');

# what the channel does not take is not made anywhere, and may be corrected

$Order = $Api{how}->order(order_id => 'ab');
$Api{how}->problem($Api{how}->post('/orders', $Order), 400,
                   'CLIENT-INVALID_FIELD', 'how: id', field => 'order_id');
$Api{how}->problem($Api{how}->get('/orders/ab'), 400, 'CLIENT-MISSING_FIELD',
                   'how: id is not remembered', field => 'channel');

$Api{when}->ok($Api{when}->post('/orders', $Api{when}->order), 'when: not',
               channel => 'b');
$Api{when}->ok($Api{when}->post('/orders', $Api{when}->order,
                                heads => { 'X-Cn' => 1 }),
               'when', channel => 'a');


# -- several channels by name --

$Order = $Api{list}->order;
$Id = $Order->{order_id};
$Api{list}->problem($Api{list}->post('/orders', $Order), 400,
                    'CLIENT-MISSING_FIELD', 'list: no channel',
                    field => 'channel');
$Api{list}->ok($Api{list}->post('/orders', { %$Order, channel => 'a' }),
               'list', channel => 'a');
$Api{list}->ok($Api{list}->post('/orders', { %$Order, channel => 'a' }),
               'list: repeated', channel => 'a');
$Peer->plan(trade($Id), trade($Id));
$Api{list}->ok($Far{list}->get("/orders/$Id"), 'list: state',
               channel => 'a');
$Api{list}->ok($Far{tsil}->get("/orders/$Id"), 'list: in another order',
               channel => 'a');
mismatch($Far{list}->post('/orders', { %$Order, channel => 'ali' }),
         'list: another one');
$Api{more}->problem($Api{more}->get("/orders/$Id"), 400,
                    'CLIENT-MISSING_FIELD', 'list: another list',
                    field => 'channel');
$Api{off}->problem($Api{off}->get("/orders/$Id"), 400, 'CLIENT-MISSING_FIELD',
                   'list: nothing is remembered', field => 'channel');
$Api{list}->problem($Api{list}->get("/orders/$Gone"), 400,
                    'CLIENT-MISSING_FIELD', 'list: not remembered',
                    field => 'channel');


# -- after a reload, and without the store --

$Order = $Api{next}->order;
$Id = $Order->{order_id};
$Api{next}->ok($Api{next}->post('/orders', $Order), 'before a reload',
               channel => 'a');
ok($Nginx->reload, 'reload');
$Peer->plan(trade($Id));
$Api{next}->ok($Api{next}->get("/orders/$Id"), 'after a reload',
               channel => 'a');

# without the order's channel

my $Less = $Conf =~ s/(paygw_route next \{ channel dead;) channel a;/$1/r;
ok($Nginx->reload(http => $Less), 'reload without the channel');
mismatch($Api{next}->get("/orders/$Id"), 'its channel is gone');
mismatch($Api{next}->post('/orders', $Order), 'its channel is gone: again');

if ($Redis) {
    $Redis->stop;
    $Peer->plan(trade($Id));
    $Api{first}->problem($Api{first}->post('/orders', $Api{first}->order), 503,
                         'RETRY-STORE', 'no store');
    $Api{first}->problem($Api{first}->get("/orders/$Id"), 503, 'RETRY-STORE',
                         'no store: state');
    is(asked(), '', 'no store: nobody was asked');
    $Api{first}->ok($Api{first}->get("/orders/$Id", channel => 'a'),
                    'no store: state, named', channel => 'a');
}

ok($_->quit, 'quits') for $Nginx, $Redis ? $Other : ();
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
