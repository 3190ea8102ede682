# paygw_metrics and paygw_status: what they answer, and what is counted of
# callbacks.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwMetrics;

use Digest::SHA ();

our $Shown = <<'CONF';
    location = /metrics { paygw_metrics; }
    location = /status  { paygw_status; }
CONF

our $Shop = 'proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;';
our $Config = $PaygwTest::Locations . $Shown;

sub main::get {
    my ($target, $method) = @_;
    $method //= 'GET';
    my $c = begin("$method $target HTTP/1.1\r\nHost: localhost\r\n"
                  . "Connection: close\r\n\r\n");
    return finish($c) if $method ne 'HEAD';

    my $all = do { local $/; readline $c->{sock} };
    my ($head, $rest) = $all =~ /^(.*?\r\n)\r\n(.*)$/s;
    return { %{ PaygwTest::parse_head($head) }, body => $rest };
}

sub main::shown { return get('/metrics')->{body} }

# of the channel wxpay, unless the labels say another one

sub main::of {
    my ($name, $labels, $channel) = @_;
    my %l = ((map { split /=/, $_, 2 } split /,/, $labels // ''),
             split /[=,]/, $channel // 'channel=wxpay,provider=wechat_v3', -1);
    return "paygw_$name\{" . join(',', map { "$_=$l{$_}" } sort keys %l) . '}';
}

sub main::result {
    my ($result, $reason, $channel) = @_;
    return of('callbacks_total', "result=$result,reason=" . ($reason // ''),
              $channel);
}

# of a kind, signed as the channel hook of a block wants it

sub main::hook {
    my $body = qq({"id":"$_[0]","kind":"$_[0]"});
    return bless {
        provider => 'generic', method => 'POST', target => '/hook',
        body => $body,
        headers => [ [ 'Content-Type', 'application/json' ],
                     [ 'X-Signature', Digest::SHA::hmac_sha256_hex($body,
                           '0123456789abcdefghijklmnopqrstuv') ] ],
    }, 'PaygwTest::Message';
}

# a root and a certificate of it, which ends sooner, both with the serial 1

our $Certs = PaygwProcess::folder('certs');

for (['root', 'root', 900], ['middle', 'root', 90]) {
    my ($name, $by, $days) = @$_;
    my $at = "$Certs/$name";
    my $sign = $name eq $by ? "-signkey $at.key"
                            : "-CA $Certs/$by.crt -CAkey $Certs/$by.key";
    open my $fh, '>', "$Certs/ca.ext" or die $!;
    print $fh "basicConstraints = critical, CA:TRUE\n";
    close $fh;
    system("{ openssl req -new -newkey rsa:2048 -nodes -subj '/CN=$name'"
           . " -keyout $at.key -out $at.csr && openssl x509 -req"
           . " -in $at.csr $sign -days $days -set_serial 1"
           . " -extfile $Certs/ca.ext -out $at.crt; } > $at.log 2>&1") == 0
        or die "openssl: $at.log";
}

our $Ali = 'channel=alipay,provider=alipay';

no_shuffle();
run_tests();

__DATA__

=== TEST 1: the text format, and the same as JSON
--- config eval: $::Config
--- run
my $res = get('/metrics');
is($res->{status}, 200);
is($res->{header}{'content-type'},
   'text/plain; version=0.0.4; charset=utf-8');
is($res->{header}{'cache-control'}, 'no-store');
is($res->{header}{'content-length'}, length $res->{body});
my $json = get('/status');
is($json->{status}, 200);
is($json->{header}{'content-type'}, 'application/json');
is($json->{header}{'cache-control'}, 'no-store');
is($json->{header}{'content-length'}, length $json->{body});
my $have = metrics_ok($res->{body}, $json->{body}, 'at first');
my @told = grep { $have->{$_} && !/^paygw_(?:keys|key_expiry|zone_size|zone_free
                                             |start_time|build_info)/x }
           sort keys %$have;
is("@told", '', 'nothing has been counted');
ok(abs($have->{paygw_start_time_seconds} - time) < 60, 'a start');
is($have->{paygw_zone_size_bytes}, 1024 * 1024, 'the size of the zone');
ok($have->{paygw_zone_free_bytes} > 500000
   && $have->{paygw_zone_free_bytes} < 1024 * 1024, 'what is free of it');
is($have->{'paygw_build_info{version=0.1.0}'}, 1, 'the version');
is($have->{result('taken')}, 0, 'what has not occurred is there');
is($have->{result('refused', 'signature')}, 0, 'and why');



=== TEST 2: HEAD has the same header, other methods are refused
--- config eval: $::Config
--- run
for my $target ('/metrics', '/status') {
    my ($get, $head) = (get($target), get($target, 'HEAD'));
    is($head->{status}, 200, 'HEAD');
    is($head->{body}, '', 'no body');
    for my $name ('content-type', 'cache-control') {
        is($head->{header}{$name}, $get->{header}{$name}, $name);
    }
    ok($head->{header}{'content-length'} > 1000, 'length');
    is(get($target, $_)->{status}, 405, "$target $_")
        for qw(POST PUT DELETE OPTIONS PATCH);
}



=== TEST 3: gzip and charset take it for text
--- config
    location = /metrics {
        paygw_metrics; gzip on; gzip_types text/plain; charset koi8-r;
    }
--- run
my $c = begin("GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
              . "Accept-Encoding: gzip\r\nConnection: close\r\n\r\n");
my $all = do { local $/; readline $c->{sock} };
like($all, qr/^Content-Encoding: gzip\r$/m);
like($all, qr{^Content-Type: text/plain; version=0\.0\.4; charset=utf-8\r$}m);



=== TEST 4: a payment: taken, again, and with the shop down
--- config eval: $::Config
--- run
my ($m, $n) = (wechat(), wechat());
is(send_callback($m)->{status}, 204, 'taken');
is(send_callback($m)->{status}, 204, 'duplicate');
shop_plan({ status => 500 });
is(send_callback($n)->{status}, 502, 'released');
ok(wait_for(sub { send_callback($n)->{status} == 204 }), 'taken again');
my $a = alipay();
is(send_callback($a)->{status}, 200, 'another channel');
my $have = counts_ok(\&shown, {
    result('taken') => 2, result('duplicate') => 1, result('released') => 1,
    result('taken', undef, $::Ali) => 1,
    'paygw_callbacks_total{*' => 0,
    of('callbacks_verified_total') => 4,
    of('callbacks_verified_total', '', $::Ali) => 1,
    of('acks_total', 'code=2xx') => 3,
    of('acks_total', 'code=5xx') => 1,
    of('acks_total', 'code=4xx') => 0,
    of('deliveries_total', 'to=shop,delivery=first') => 2,
    of('deliveries_total', 'to=shop,delivery=again') => 1,
    of('deliveries_total', 'to=stream,delivery=first') => 0,
    of('delivery_timeouts_total') => 0,
    of('callback_duration_seconds_count') => 4,
    of('delivery_duration_seconds_count') => 3,
    of('key_waits_total') => 0,
    'paygw_store_operations_total{operation=claim}' => 5,
    'paygw_store_operations_total{operation=commit}' => 3,
    'paygw_store_operations_total{operation=release}' => 1,
    'paygw_store_operations_total{*' => 0,
    'paygw_store_errors_total{*' => 0,
    'paygw_store_duration_seconds_count{operation=claim}' =>
        store_is('redis') ? 5 : 0,
    'paygw_store_duration_seconds_count{*' => 0,
}, 'counted');
metrics_ok(get('/metrics')->{body}, get('/status')->{body}, 'both');



=== TEST 5: what is refused, by its reason
--- config eval: $::Config
--- run
send_callback(wechat(key => 'rogue')) for 1 .. 3;
send_callback(wechat(signature_prefix => 'WECHATPAY/SIGNTEST/')) for 1 .. 2;
send_callback(wechat(timestamp => time - 3600));
get('/notify/wxpay');
my $m = alipay(key => 'rogue');
send_callback($m);
counts_ok(\&shown, {
    result('refused', 'signature') => 3,
    result('refused', 'probe') => 2,
    result('refused', 'clock') => 1,
    result('refused', 'method') => 1,
    result('refused', 'signature', $::Ali) => 1,
    'paygw_callbacks_total{*' => 0,
    'paygw_callbacks_verified_total{*' => 0,
    'paygw_deliveries_total{*' => 0,
    of('acks_total', 'code=4xx') => 7,
    'paygw_callback_duration_seconds_count{*' => 0,
    'paygw_store_operations_total{*' => 0,
}, 'counted');
is(shop_count(), 0);



=== TEST 6: a shop that is too slow, and what comes meanwhile
--- config
    location = /notify/wxpay {
        paygw_notify          wxpay;
        paygw_deliver_timeout 1s;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
    location = /metrics { paygw_metrics; }
--- run
shop_plan({ hold => 'slow' });
my $m = wechat();
is(send_callback($m, timeout => 20)->{status}, 504);
is(send_callback($m)->{status}, 503, 'in flight');
shop_release('slow');
counts_ok(\&shown, {
    result('taken') => 1, result('in_flight') => 1,
    'paygw_callbacks_total{*' => 0,
    of('delivery_timeouts_total') => 1,
    of('deliveries_total', 'to=shop,delivery=first') => 1,
    of('acks_total', 'code=5xx') => 2,
    of('callback_duration_seconds_count') => 2,
    of('callback_duration_seconds_bucket', 'le=0.5') => 1,
    of('callback_duration_seconds_bucket', 'le=+Inf') => 2,
    of('delivery_duration_seconds_count') => 1,
    of('delivery_duration_seconds_bucket', 'le=0.5') => 0,
    of('delivery_duration_seconds_sum') => qr/^[1-9]/,
}, 'counted');
--- error_log
was not taken in time



=== TEST 7: several channels: one that is not known has none
--- http_config
    paygw_channel alipay2 {
        provider           alipay;
        app_id             2021000000000002;
        seller_id          2088101122136242;
        alipay_public_key  $TEST_NGINX_KEYS/alipay_next.pem;
    }
--- config
    location = /notify/alipay {
        paygw_notify  alipay alipay2;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
    location = /metrics { paygw_metrics; }
    location = /status  { paygw_status; }
--- run
my $None = 'channel=,provider=alipay';
my $Two = 'channel=alipay2,provider=alipay';
get('/notify/alipay');
is(send_callback(alipay(app_id => '2021000000000009'))->{status}, 403);
is(send_callback(alipay())->{status}, 200);
counts_ok(\&shown, {
    result('refused', 'method', $None) => 1,
    result('refused', 'unknown_account', $None) => 1,
    result('taken', undef, $::Ali) => 1,
    result('taken', undef, $Two) => 0,
    'paygw_callbacks_total{*' => 0,
}, 'counted');
metrics_ok(get('/metrics')->{body}, get('/status')->{body}, 'both');



=== TEST 8: observe is counted apart
--- config
    location = /notify/wxpay {
        paygw_notify  wxpay;
        paygw_verify  observe until=2099-01-01;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
    location = /metrics { paygw_metrics; }
--- run
my $before = metrics_of(shown())->{samples};
ok(!grep({ /observed/ } keys %$before), 'not shown before');
is(send_callback(wechat())->{status}, 200);
is(send_callback(wechat(key => 'rogue'))->{status}, 200);
counts_ok(\&shown, {
    of('callbacks_observed_total', 'result=verified,reason=') => 1,
    of('callbacks_observed_total', 'result=refused,reason=signature') => 1,
    'paygw_callbacks_observed_total{*' => 0,
    'paygw_callbacks_total{*' => 0,
    'paygw_acks_total{*' => 0,
    'paygw_deliveries_total{*' => 0,
    of('callbacks_verified_total') => 1,
}, 'counted');



=== TEST 9: late, ignored, and for another account: all of it is genuine
--- generic
kind json(/kind);
map paid payment success;
ignore test;
--- http_config eval
"    paygw_channel wxv2 {\n$PaygwTest::Wxv2    }\n"
--- config eval
$::Config . $PaygwTest::LocationWxv2 . <<'CONF'
    location = /hook {
        paygw_notify  hook;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
CONF
--- run
my $m = alipay(order_id => 'M9');
is(send_callback($m)->{status}, 200);
my $late = alipay(order_id => 'M9', type => 'close');
is(send_callback($late)->{status}, 200);
is(send_callback(alipay(seller_id => '2088101122136249'))->{status}, 403);
is(send_callback(alipay(seller_id => '2088101122136249',
                        key => 'rogue'))->{status}, 401, 'forged');
is(send_callback(wechat(mchid => '1900009192'))->{status}, 403);
is(send_callback(wechat2(appid => 'wx000000000000other'))->{status}, 403);
is(send_callback(wechat2(type => 'refund', fields => {
                             appid => 'wx000000000000other' }))->{status},
   403, 'nothing of it is proved yet');
is(send_callback(main::hook($_))->{status}, 200, $_) for qw(paid test test);
my $Hook = 'channel=hook,provider=generic';
my $V2 = 'channel=wxv2,provider=wechat_v2';
counts_ok(\&shown, {
    result('taken', undef, $::Ali) => 1,
    result('late', undef, $::Ali) => 1,
    result('refused', 'account_mismatch', $::Ali) => 1,
    result('refused', 'signature', $::Ali) => 1,
    result('refused', 'account_mismatch') => 1,
    result('refused', 'account_mismatch', $V2) => 2,
    result('taken', undef, $Hook) => 1,
    result('ignored', undef, $Hook) => 2,
    'paygw_callbacks_total{*' => 0,
    of('callbacks_verified_total', '', $::Ali) => 3,
    of('callbacks_verified_total') => 1,
    of('callbacks_verified_total', '', $Hook) => 3,
    of('callbacks_verified_total', '', $V2) => 1,
    of('callback_duration_seconds_count', '', $::Ali) => 3,
    of('callback_duration_seconds_count') => 1,
    of('callback_duration_seconds_count', '', $Hook) => 3,
    of('acks_total', 'code=2xx', $::Ali) => 2,
    of('acks_total', 'code=2xx', $Hook) => 3,
    of('deliveries_total', 'to=shop,delivery=first', $::Ali) => 1,
    of('deliveries_total', 'to=shop,delivery=first', $Hook) => 1,
    'paygw_deliveries_total{*' => 0,
}, 'counted');



=== TEST 10: another module refuses before
--- config
    location = /notify/wxpay {
        deny          all;
        paygw_notify  wxpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
    location = /metrics { paygw_metrics; }
--- run
is(send_callback(wechat())->{status}, 403);
counts_ok(\&shown, {
    result('unavailable') => 1,
    'paygw_callbacks_total{*' => 0,
    of('acks_total', 'code=4xx') => 1,
    of('callbacks_verified_total') => 0,
}, 'counted');



=== TEST 11: the keys, and when they end
--- config eval: $::Config
--- run
my $have = metrics_of(shown())->{samples};
is($have->{of('keys')}, 3, 'two certificates and a public key');
is($have->{of('keys', '', $::Ali)}, 1, 'a public key');
for my $name (qw(wx_a wx_b)) {
    my $cert = keys_dir() . "/$name.crt";
    my ($serial) = `openssl x509 -noout -serial -in $cert` =~ /=(\w+)/;
    my ($end) = `openssl x509 -noout -enddate -in $cert` =~ /=(.*)/;
    chomp(my $at = `date -d '$end' +%s`);
    is($have->{of('key_expiry_timestamp_seconds',
                  "key=$serial,owner=provider")}, $at, "$name: its end");
}
is(scalar(grep { /^paygw_key_expiry/ } keys %$have), 2, 'and no other');



=== TEST 12: our own certificate ends, too
--- wxpay
merchant_private_key   $TEST_NGINX_KEYS/mch.key;
merchant_certificate   $TEST_NGINX_KEYS/mch.crt;
-merchant_serial
--- config eval: $::Config
--- run
my $have = metrics_of(shown())->{samples};
is(scalar(grep { /^paygw_key_expiry.*owner=configuration/ } keys %$have), 1);



=== TEST 13: a callback is not acknowledged by metrics
--- config
    location = /notify/wxpay {
        paygw_notify  wxpay;
        error_page    418 = /metrics;
        try_files     /none /metrics;
    }
    location = /metrics { paygw_metrics; }
--- run
my $m = wechat();
is(send_callback($m)->{status}, 502);
counts_ok(\&shown, { result('released') => 1,
                     'paygw_callbacks_total{*' => 0 }, 'not taken');
--- error_log
redirect of a payment callback to a location with "paygw_metrics" is refused



=== TEST 14: nothing of a request becomes a label
--- config eval: $::Config
--- run
my $before = metrics_of(shown())->{samples};
for my $i (1 .. 5) {
    send_callback(wechat(serial => "SERIAL$i"));
    send_callback(alipay(app_id => "202100000000001$i", id => "id$i"));
    get("/notify/wxpay?x=$i");
    my $c = begin('X' x $i . " /notify/wxpay HTTP/1.1\r\nHost: h$i\r\n"
                  . "User-Agent: a$i\r\nConnection: close\r\n\r\n");
    finish($c);
}
counts_ok(\&shown, { result('refused', 'method') => 10 }, 'counted');
my $after = metrics_of(shown())->{samples};
is(join("\n", sort keys %$after), join("\n", sort keys %$before),
   'no sample is new');



=== TEST 15: UnionPay: the certificates that lead to the one in a message
--- http_config
    paygw_channel up {
        provider     unionpay;
        merId        777290058110048;
        signMethod   01;
        root_cert    $TEST_NGINX_KEYS/up_root.crt;
        middle_cert  $TEST_NGINX_KEYS/up_middle.crt;
        cert_name    00040000:SIGN;
    }
--- config eval: $::Config
--- run
my $have = metrics_of(shown())->{samples};
for my $name (qw(up_root up_middle)) {
    my $cert = keys_dir() . "/$name.crt";
    my ($serial) = `openssl x509 -noout -serial -in $cert` =~ /=(\w+)/;
    my ($end) = `openssl x509 -noout -enddate -in $cert` =~ /=(.*)/;
    chomp(my $at = `date -d '$end' +%s`);
    is($have->{of('key_expiry_timestamp_seconds',
                  "key=$serial,owner=configuration",
                  'channel=up,provider=unionpay')}, $at, "$name: its end");
}



=== TEST 16: UnionPay: two certificates of one serial, the first end counts
--- http_config eval
<<"CONF"
    paygw_channel up {
        provider     unionpay;
        merId        777290058110048;
        signMethod   01;
        root_cert    $::Certs/root.crt;
        middle_cert  $::Certs/middle.crt;
        cert_name    00040000:SIGN;
    }
CONF
--- config eval: $::Config
--- run
my $have = metrics_of(shown())->{samples};
my ($end) = `openssl x509 -noout -enddate -in $::Certs/middle.crt` =~ /=(.*)/;
chomp(my $at = `date -d '$end' +%s`);
is(join(' ', map { $have->{$_} }
             grep { /^paygw_key_expiry.*channel=up/ } keys %$have), $at);



=== TEST 17: no room in the zone: for calls, and for events
--- no_store
--- no_channels
--- http_config
    paygw_zone small:64k;
--- config
    location = /s       { paygw_test_store; }
    location = /metrics { paygw_metrics; }
    location = /status  { paygw_status; }
--- faulty
--- run
my $fill = sub {
    my ($n) = get("/s?op=$_[0]&key=k&n=2000&spread=1")->{body} =~ /^ok=(\d+) /;
    return $n // 'no answer';
};
my ($event, $call) = map { "paygw_zone_full_total{for=$_}" } qw(event call);
counts_ok(\&shown, { $event => 0, $call => 0 }, 'none');
cmp_ok(my $calls = $fill->('once'), '>', 100);
counts_ok(\&shown, { $event => 0, $call => 2000 - $calls }, 'of calls');
cmp_ok(my $events = $fill->('claim'), '>', 10);
counts_ok(\&shown, { $event => 2000 - $events, $call => 2000 - $calls },
          'of events');
metrics_ok(get('/metrics')->{body}, get('/status')->{body}, 'both');
--- error_log
could not allocate record of call in paygw zone "small"
could not allocate event in paygw zone "small"
