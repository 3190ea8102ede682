# GET /orders/ID/events: what the payer's page is told, and who may hear it.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Digest::SHA ();
use IO::Select ();
use JSON::PP ();
use MIME::Base64 ();
use Time::HiRes ();

use PaygwApi;
use PaygwNginx;
use PaygwPeer qw(begin_call call);
use PaygwProcess ();
use PaygwRedis;
use PaygwTest ();

my $Redis = ($ENV{PAYGW_TEST_STORE} // '') eq 'redis'
            ? PaygwRedis->start : undef;
my $Slow = $PaygwNginx::Slow;
my $Json = JSON::PP->new->utf8->canonical;
my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my @Notify = (notify_url => 'https://pay.example.com/n');
my $Secret = 'an events secret of a test';
my $Old = 'an older secret of the same test';
my $Merchant = 'gw_secret_0123456789abcdefghijklmn';
my $H2 = PaygwProcess::free_port();

my $Store = $Redis ? '    paygw_store redis://127.0.0.1:' . $Redis->port
                     . ' timeout=' . 1500 * $Slow . "ms;\n" : '';

my $Events = "paygw_events \"k2=text:$Secret\" \"k1=text:$Old\" interval=200ms";

my $Server = "$Events max=60s; send_timeout 3s;"
    . 'location /pay/ { paygw_api wxpay; }'
    . 'location /auth/ { paygw_auth shop; paygw_api wxpay; }'
    . 'location /set/ { set $x 1; paygw_auth shop; paygw_api wxpay; }'
    . 'location /if/ { paygw_auth shop; paygw_api wxpay; '
    . 'if ($http_x_if) { proxy_pass http://127.0.0.1:$server_port/shop; } }'
    . 'location /ret/ { if ($http_x_ret) { return 200 "state\":amount"; } '
    . 'paygw_auth shop; paygw_api wxpay; }'
    . 'location /signed/ { paygw_auth shop sign_response; paygw_api wxpay; }'
    . 'location /route/ { paygw_api both; }'
    . 'location /list/ { paygw_api wxpay spare; }'
    . "location /short/ { paygw_api wxpay; $Events max=1s; }"
    . "location /two/ { paygw_api wxpay; $Events connections=2; }"
    . "location /url/ { paygw_api wxpay; $Events url=https://p.example/a/; }"
    . 'location /off/ { paygw_api wxpay; paygw_events off; }'
    . 'location = /notify/wxpay { paygw_notify wxpay; '
    . 'proxy_pass http://127.0.0.1:$server_port/shop; }'
    . 'location = /shop { return 204; }';

sub conf {
    my ($listen) = @_;
    return "    paygw_zone paygw:2m;\n    paygw_deadline 30s;\n$Store"
        . "    paygw_merchant shop { key k1 \"text:" . $Merchant . "\"; }\n"
        . $Peer->wechat($Url, @Notify)
        . $Peer->wechat($Url, @Notify, -name => 'spare')
        . "    paygw_route both { channel wxpay; channel spare backup; }\n"
        . "    server { listen 127.0.0.1:$listen http2; $Server }\n";
}

my $Nginx = PaygwNginx->start(workers => 1, http => conf($H2),
                              server => $Server);
my $Other = $Redis ? PaygwNginx->start(http => conf(
                                           PaygwProcess::free_port()),
                                       server => $Server)
                   : $Nginx;

# an order that was made, and the path of its events

sub made {
    my ($at, %o) = @_;
    my $api = PaygwApi->new($Nginx, "/$at");
    my $order = $api->order(%o);
    $Peer->plan({ body => '{"code_url":"weixin://x"}' });
    my $data = $api->post('/orders', $order)->{json}{data};
    return ($order->{order_id}, $data->{events} // '');
}

sub token {
    my ($id, %o) = @_;
    my $until = $o{until} // time + 60;
    my $mac = Digest::SHA::hmac_sha256(
        join("\n", 'paygw-events', $o{scope} // 'wxpay', $id, $until),
        $o{secret} // $Secret);
    return join '.', $o{key} // 'k2', $until,
                     MIME::Base64::encode_base64url($mac);
}

# the fields of a call of the merchant

sub signed {
    my ($target) = @_;
    my ($time, $nonce) = (time, sprintf 'nonce-%d-%d', $$, rand 1e9);
    my $text = join '', map { "$_\n" } 'GET', $target, $time, $nonce,
                                       Digest::SHA::sha256_hex('');
    return { 'X-Key-Id' => 'k1', 'X-Timestamp' => $time, 'X-Nonce' => $nonce,
             'X-Signature' => Digest::SHA::hmac_sha256_hex($text,
                                                           $Merchant) };
}

# a callback of the provider: the order is paid, or the like

sub notify {
    my ($id, %o) = @_;
    my $nginx = delete $o{nginx} // $Nginx;
    my $m = PaygwTest::wechat(order_id => $id, amount => 100, %o);
    $m->{target} = '/notify/wxpay';
    my $s = PaygwTest::server_connect($nginx->{port});
    print $s $m->raw;
    $s->flush;
    my $res = PaygwTest::read_response({ sock => $s, buf => '' }, 0,
                                       timeout => 30);
    return $res->{status};
}

# a stream: what has come of it until it matches, or ends

sub open_stream {
    my ($path, %o) = @_;
    return begin_call($o{nginx} // $Nginx, GET => $path, keep => 1,
                      heads => $o{heads});
}

sub heard {
    my ($s, $re, $seconds) = @_;
    my $end = Time::HiRes::time() + ($seconds // 10) * $Slow;
    my $sel = IO::Select->new($s->{sock});

    while ($s->{buf} !~ $re) {
        my $left = $end - Time::HiRes::time();
        last if $left <= 0 || !$sel->can_read($left);
        my $n = sysread $s->{sock}, $s->{buf}, 65536, length $s->{buf};
        last if !$n;
    }

    return $s->{buf};
}

my $End = qr/\r\n0\r\n\r\n\z/;

# the states that were told, with their JSON

sub told {
    my ($text) = @_;
    return map { eval { $Json->decode($_) } // { state => "bad: $_" } }
           $text =~ /^data: (.*)$/mg;
}

sub states { return join ' ', map { $_->{state} } told(@_) }

sub refused {
    my ($path, $status, $code, $name, %o) = @_;
    my $res = call($o{nginx} // $Nginx, $o{method} // 'GET', $path,
                   heads => $o{heads}, timeout => 30);
    my $got = eval { $Json->decode($res->{body}) } // {};
    is("$res->{status} " . ($got->{code} // $res->{body}), "$status $code",
       $name);
    unlike($res->{body}, qr/amount|state"/, "$name: nothing is told");
    return $res;
}


# -- the payer's page --

my ($id, $path) = made('pay');
like($path, qr{^/pay/orders/$id/events\?token=k2\.\d+\.[\w-]{43}$}, 'a URL');

my $until = time + 7200;
my ($told) = $path =~ /token=k2\.(\d+)\./;
cmp_ok(abs($told - $until), '<=', 60, 'until: two hours');
like($path, qr/\Q@{[ token($id, until => $told) ]}\E$/, 'the token');

my $s = open_stream($path);
my $text = heard($s, qr/\n\n/);
like($text, qr/^HTTP\/1\.1 200 /, 'a stream');
like($text, qr/^Content-Type: text\/event-stream\r$/m, 'a stream: type');
like($text, qr/^Cache-Control: no-store\r$/m, 'a stream: is not kept');
like($text, qr/^X-Accel-Buffering: no\r$/m, 'a stream: nor held back');
like($text, qr/\r\nretry: 2000\nid: CREATED\ndata: /, 'the state at first');
is_deeply([ told($text) ], [ { order_id => $id, state => 'CREATED',
                               outcome => 'pending', amount => 100,
                               currency => 'CNY' } ], 'and nothing else');

my $second = open_stream($path);
heard($second, qr/CREATED/);

is(notify($id), 204, 'it is paid');
$text = heard($s, $End);
is_deeply([ (told($text))[-1] ], [ { order_id => $id, state => 'PAID',
                                     outcome => 'success', amount => 100,
                                     currency => 'CNY' } ], 'paid: is told');
is(states($text), 'CREATED PAID', 'paid: once');
like($text, $End, 'paid: the stream ends');
is(states(heard($second, $End)), 'CREATED PAID', 'paid: to all that wait');

# the connection is good for another request

my $head = "GET $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
my $sock = $s->{sock};
$s->{buf} = '';
print $sock "$head\r\n";
$sock->flush;
is(states(heard($s, $End)), 'PAID', 'paid: to who comes later');

# a browser comes again when a stream has ended

my $res = call($Nginx, GET => $path, heads => { 'Last-Event-ID' => 'PAID' });
is("$res->{status}$res->{body}", 204, 'comes again: nothing more');
is(states(heard(open_stream($path, heads => { 'Last-Event-ID' => 'CLOSED' }),
                $End)), 'PAID', 'comes again: with something older');

# of another worker, or machine

($id, $path) = made('pay');
$s = open_stream($path);
heard($s, qr/CREATED/);
is(notify($id, nginx => $Other), 204, 'paid elsewhere');
is(states(heard($s, $End)), 'CREATED PAID', 'paid elsewhere: is told');

# what has failed may still be paid; the state of an order tells its URL, too

my $Pay = PaygwApi->new($Nginx, '/pay');

($id, $path) = made('pay');
$Peer->plan({ body => $Json->encode({ out_trade_no => $id,
                  mchid => '1900009191', trade_state => 'NOTPAY' }) });
like($Pay->get("/orders/$id")->{json}{data}{events},
     qr{^/pay/orders/$id/events\?token=}, 'GET tells it, too');


# -- routes and lists: the channel is that of the order --

for my $at (qw(route list)) {
    ($id, $path) = made($at, $at eq 'list' ? (channel => 'wxpay') : ());
    like($path, qr{^/$at/orders/$id/events\?token=}, "$at: a URL");
    $s = open_stream($path, nginx => $Other);
    is(states(heard($s, qr/\n\n/)), 'CREATED', "$at: the state");
    notify($id);
    is(states(heard($s, $End)), 'CREATED PAID', "$at: paid");

    # a token is of one list of channels

    refused("/$at/orders/$id/events?token=" . token($id), 403,
            'CLIENT-BAD_TOKEN', "$at: of another location");
}

($id, $path) = made('url');
like($path, qr{^https://p\.example/a/orders/$id/events\?token=}, 'url=');
is(made('off'), '', 'off: no URL');
refused("/off/orders/$id/events?token=" . token($id), 404, 'CLIENT-NOT_FOUND',
        'off');

# without the directive: for those who may use the location, and no tokens

{
    my $shop = 'location = /notify/wxpay { paygw_notify wxpay; '
        . 'proxy_pass http://127.0.0.1:$server_port/shop; } '
        . 'location = /shop { return 204; }';
    my $nginx = PaygwNginx->start(http => conf(PaygwProcess::free_port()),
        server => "$shop send_timeout 3s; "
            . 'location /pay/ { paygw_api wxpay; }'
            . 'location /auth/ { paygw_auth shop; paygw_api wxpay; }'
            . 'location /signed/ { paygw_auth shop sign_response; '
            . 'paygw_api wxpay; }'
            . 'location /none/ { paygw_binding off; paygw_api wxpay; }');
    my $api = PaygwApi->new($nginx, '/pay');
    my $order = $api->order;
    my $of = "orders/$order->{order_id}/events";

    $Peer->plan({ body => '{"code_url":"weixin://x"}' });
    my $data = $api->ok($api->post('/orders', $order), 'plain: made');
    is($data->{events}, undef, 'plain: no URL');

    $s = open_stream("/pay/$of", nginx => $nginx);
    is(states(heard($s, qr/\n\n/)), 'CREATED', 'plain: the state');
    my $from = open_stream("/auth/$of", nginx => $nginx,
                           heads => signed("/auth/$of"));
    is(states(heard($from, qr/\n\n/)), 'CREATED', 'plain: of a merchant');
    notify($order->{order_id}, nginx => $nginx);
    is(states(heard($s, $End)), 'CREATED PAID', 'plain: paid');
    is(states(heard($from, $End)), 'CREATED PAID', 'plain: he hears it, too');

    my $token = '?token=' . token($order->{order_id});
    $api->problem($api->get("/$of$token"), 400, 'CLIENT-UNKNOWN_FIELD',
                  'plain: no token is known', field => '?');
    my $auth = PaygwApi->new($nginx, '/auth');
    is($auth->get("/$of")->{status}, 400, 'plain: a stranger');
    is($auth->get("/$of$token")->{status}, 400,
       'plain: a stranger with a token');
    my $res = PaygwPeer::call($nginx, GET => "/signed/$of",
                              heads => signed("/signed/$of"));
    is($res->{status}, 422, 'plain: not where answers are signed');
    like($res->{body}, qr/CLIENT-UNSUPPORTED.*paygw_events has no key/,
         'plain: and why');
    my $none = PaygwApi->new($nginx, '/none');
    $none->problem($none->get("/$of"), 404, 'CLIENT-NOT_FOUND',
                   'plain: nothing is remembered');
    ok($nginx->quit, 'plain: quits');
}


# -- who may --

($id, $path) = made('pay');
my $good = token($id);
my $later = time + 60;

for my $case (
    [ 'nothing', '' ], [ 'a word', 'x' ], [ 'two parts', 'k2.1' ],
    [ 'another order', token("x$id") ],
    [ 'another secret', token($id, secret => $Old) ],
    [ 'another key', token($id, key => 'k1') ],
    [ 'an unknown key', token($id, key => 'k3') ],
    [ 'no key', token($id, key => '') ],
    [ 'another channel', token($id, scope => 'spare') ],
    [ 'over', token($id, until => time - 1) ],
    [ 'no time', token($id, until => '') ],
    [ 'a time of no kind', token($id, until => '-1') ],
    [ 'a long time', token($id, until => '9' x 13) ],
    [ 'a later time', token($id, until => $later) =~ s/$later/$later + 1/er ],
    [ 'a byte changed', $good =~ s/(.)$/$1 eq 'A' ? 'E' : 'A'/er ],
    [ 'a byte less', substr $good, 0, -1 ], [ 'a byte more', "${good}A" ],
    [ 'padding', "$good=" ], [ 'escaped', $good =~ s/\./%2E/r ],
    [ 'more behind it', "$good&channel=wxpay" ], [ 'twice', "$good&$good" ],
)
{
    my ($name, $token) = @$case;
    for my $at (qw(pay auth set)) {
        my $res = refused("/$at/orders/$id/events?token=$token", 403,
                          'CLIENT-BAD_TOKEN', "$at: $name");
        is($res->{header}{'content-type'}, 'application/json',
           "$at: $name: type");
    }
}

for my $at (qw(pay auth set)) {
    is(states(heard(open_stream("/$at/orders/$id/events?token=" . token($id)),
                    qr/\n\n/)), 'CREATED', "$at: the token");
    is(states(heard(open_stream("/$at/orders/$id/events?token="
                                . token($id, key => 'k1', secret => $Old)),
                    qr/\n\n/)), 'CREATED', "$at: the older key");
}

is(states(heard(open_stream("/pay/orders/$id/events"), qr/\n\n/)), 'CREATED',
   'no token, and no authentication');
refused("/pay/orders/$id/events?channel=wxpay", 400, 'CLIENT-UNKNOWN_FIELD',
        'another argument');

# the token opens nothing else

my $t = '?token=' . token($id);

for my $at (qw(auth set)) {
    for my $uri ("/orders/$id/events", "/orders/$id/events?x=$t",
                 "/orders/$id$t", "/orders/$id/close$t", "/orders$t",
                 "/orders/$id/refunds/events$t", "/orders//events$t",
                 "/bills/wxpay/events$t")
    {
        is(call($Nginx, GET => "/$at$uri")->{status}, 400, "$at$uri");
    }

    is(call($Nginx, POST => "/$at/orders/$id/events$t")->{status}, 400,
       "$at: another method");
}

is(call($Nginx, GET => "/if/orders/$id/events$t",
        heads => { 'X-If' => 1 })->{status}, 400, 'nor another handler');
for my $token ($t, "$t.", '') {
    my $got = call($Nginx, GET => "/ret/orders/$id/events$token",
                   heads => { 'X-Ret' => 1 });
    unlike($got->{body}, qr/amount/, "nor what others answer, $got->{status}");
}

is(states(heard(open_stream("/ret/orders/$id/events$t"), qr/\n\n/)),
   'CREATED', 'but that of the API');
is(states(heard(open_stream("/if/orders/$id/events$t"), qr/\n\n/)),
   'CREATED', 'but that of the API');

# a merchant that has signed

is(states(heard(open_stream("/auth/orders/$id/events",
                            heads => signed("/auth/orders/$id/events")),
                qr/\n\n/)), 'CREATED', 'a merchant');
refused("/signed/orders/$id/events", 422, 'CLIENT-UNSUPPORTED',
        'a stream is not signed', heads => signed("/signed/orders/$id/events"));
is(states(heard(open_stream("/signed/orders/$id/events$t"), qr/\n\n/)),
   'CREATED', 'but the token opens it');

# no such order, and no such path

my $gone = PaygwApi::number();
refused("/pay/orders/$gone/events?token=" . token($gone), 404,
        'CLIENT-ORDER_NOT_FOUND', 'no such order');
refused("/route/orders/$gone/events?token=" . token($gone, scope => '@both'),
        404, 'CLIENT-ORDER_NOT_FOUND', 'no such order of a route');
refused('/pay/orders/a%20b/events?token=' . token('a b'), 400,
        'CLIENT-INVALID_FIELD', 'no id');
refused("/pay/orders/$id/events$t", 405, 'CLIENT-BAD_METHOD', 'a method',
        method => 'POST');
like(heard(begin_call($Nginx, HEAD => "/pay/orders/$id/events$t"),
           qr/\r\n/), qr/^HTTP\/1\.1 405 /, 'HEAD');


# -- ends --

# too many

my @many = map { open_stream("/two/orders/$id/events$t") } 1, 2;
my $busy = () = grep { heard($_, qr/\n\n/) =~ /CREATED/ } @many;
$res = refused("/two/orders/$id/events$t", 503, 'RETRY-CONNECTIONS',
               'too many');
is($res->{header}{'retry-after'}, 1, 'too many: Retry-After');

# clients that leave, in either way

PaygwTest::abort_client($_) for @many;
close $_->{sock} for $second;

# a short life

$s = open_stream("/short/orders/$id/events$t");
like(heard($s, $End), $End, 'a short life ends');
is(states($s->{buf}), 'CREATED', 'a short life: nothing more was told');

# an order that is taken back: it was never made

if ($Redis) {
    ($id, $path) = made('pay');
    $s = open_stream($path);
    heard($s, qr/CREATED/);
    $Redis->cmd('FLUSHALL');
    like(heard($s, $End), $End, 'forgotten: the stream ends');
    refused($path, 404, 'CLIENT-ORDER_NOT_FOUND', 'forgotten');
}

# HTTP/2

SKIP: {
    skip 'curl without HTTP/2', 2 if `curl -V` !~ /HTTP2/;

    ($id, $path) = made('pay');
    my $out = "$Nginx->{dir}/h2";
    my $pid = PaygwProcess::spawn($out, 'curl', '-sSN', '-m', 20 * $Slow,
                                  '--http2-prior-knowledge',
                                  "http://127.0.0.1:$H2$path");
    my $read = sub {
        open my $fh, '<', $out or return '';
        local $/;
        return scalar(<$fh>) // '';
    };
    PaygwProcess::wait_for(sub { $read->() =~ /CREATED/ }, 10);
    notify($id);
    PaygwProcess::wait_for(sub { PaygwProcess::gone($pid) }, 10);
    is(states($read->()), 'CREATED PAID', 'HTTP/2');

    # a client that leaves

    $out .= '.left';
    ($id, $path) = made('pay');
    $pid = PaygwProcess::spawn($out, 'curl', '-sSN', '-m', 1,
                               '--http2-prior-knowledge',
                               "http://127.0.0.1:$H2$path");
    PaygwProcess::wait_for(sub { PaygwProcess::gone($pid) }, 10);
    is(states($read->()), 'CREATED', 'HTTP/2: a client that leaves');
}

# a reload: the old worker does not wait for those who wait

($id, $path) = made('pay');
$s = open_stream($path);
heard($s, qr/CREATED/);
ok($Nginx->reload, 'reload: old workers leave');
like(heard($s, $End), $End, 'reload: the stream ends');
is(states($s->{buf}), 'CREATED', 'reload: nothing was told');
$s = open_stream($path, heads => { 'Last-Event-ID' => 'CREATED' });
is(states(heard($s, qr/\n\n/)), 'CREATED', 'reload: comes again');

# without the store

if ($Redis) {
    $Redis->stop;
    refused($path, 503, 'RETRY-STORE', 'no store');
    $Redis->run;
}

ok($_->quit, 'quits') for $Nginx, $Redis ? $Other : ();
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
