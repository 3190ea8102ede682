# Defects that were found in other systems: each block names one (D1, D3, ...),
# and shows that it is not here.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

# The same string to sign, and so the same signature, sent as other fields.

sub main::resplit {
    my ($m, %fields) = @_;

    my $text = sub {
        my %p = @_;
        return join '&', map { "$_=$p{$_}" } sort grep { !/^sign/ } keys %p;
    };
    my $quote = sub { my $s = shift; utf8::encode($s);
                      $s =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ger };

    is($text->(%fields), $text->(%{ $m->{params} }), 'one string to sign');

    my ($sign) = $m->{body} =~ /&(sign=[^&]*)/;
    my $body = join '&', $sign, map { $quote->($_) . '='
                                      . $quote->($fields{$_}) }
                                    sort keys %fields;
    return bless { %$m, body => $body }, ref $m;
}

# moves fields into the value of the one before them

sub main::fold {
    my ($m, $into, @names) = @_;

    my %p = %{ $m->{params} };
    for (@names) {
        $p{$into} .= "&$_=" . delete $p{$_};
    }
    return resplit($m, %p);
}

run_tests();

__DATA__

=== TEST 1: D1: no host name switches verification off
--- config eval
"server_name localhost example.com;$PaygwTest::Locations"
--- run
for my $host ('localhost', 'LOCALHOST', '127.0.0.1', 'localhost:80',
              'example.com')
{
    for my $m (wechat(key => 'rogue'), alipay(key => 'rogue'),
               wechat(key => 'rogue', headers => {
                   'X-Forwarded-Host' => 'localhost',
                   'X-Forwarded-For' => '127.0.0.1' }))
    {
        ack_ok(send_callback($m, host => $host), $m, 401, "host $host");
    }
}
is(shop_count(), 0);



=== TEST 2: D3: a JSON key that is there twice is refused, at every depth
--- run
my @cases = (
    [ before => [ [ '{"id":', '{"id":"EV-other","id":' ] ] ],
    [ before => [ [ '"resource":{', '"resource":{},"resource":{' ] ] ],
    [ before => [ [ '"nonce":', '"nonce":"aaaaaaaaaaaa","nonce":' ] ] ],
    # the same key in other words
    [ before => [ [ '{"id":', '{"\u0069d":"EV-other","id":' ] ] ],
    [ plaintext => '{"mchid":"1900009191","appid":"wxd678efh567hg6787",'
      . '"out_trade_no":"A","trade_state":"SUCCESS","out_trade_no":"B",'
      . '"amount":{"total":1,"currency":"CNY"}}' ],
    [ plaintext => '{"mchid":"1900009191","appid":"wxd678efh567hg6787",'
      . '"out_trade_no":"A","trade_state":"SUCCESS",'
      . '"amount":{"total":1,"total":100,"currency":"CNY"}}' ],
);
for (@cases) {
    my $m = wechat(@$_);
    ack_ok(send_callback($m), $m, 400, "@$_[0]");
}
is(join(', ', results(6)), join ', ', ('refused duplicate_field') x 6);
is(shop_count(), 0);



=== TEST 3: D3: a form field that is there twice is refused
--- callback
alipay(append => [ [ 'total_amount', '0.01' ] ]),
alipay(prepend => [ [ 'total_amount', '0.01' ] ]),
alipay(append => [ [ 'sign', 'x' ] ]),
alipay(tamper => [ [ 'total_amount=', 'total%5Famount=0.01&total_amount=' ] ])
--- ack: 400 400 400 400
--- result
refused duplicate_field
refused duplicate_field
refused duplicate_field
refused duplicate_field
--- shop: 0



=== TEST 4: D3: what was verified is what is handed over
--- run
# the nearest twin to what a careless parser would take: other case, a dot
my $m = wechat(resource => { Amount => { total => 1 }, 'amount.total' => 2,
                             'OUT_TRADE_NO' => 'evil' });
ack_ok(send_callback($m), $m, 204);
my ($r) = shop_requests(1);
is(shop_header($r, 'X-Paygw-Amount'), 100);
is(shop_header($r, 'X-Paygw-Order-Id'), $m->{order_id});



=== TEST 5: D3: one signed string has one reading: a replay under a new id
--- run
my $m = alipay();
ack_ok(send_callback($m), $m, 200, 'as it was sent');
my $again = fold($m, gmt_payment => qw(notify_id notify_time));
ack_ok(send_callback($again), $again, 400);
$again = fold($m, gmt_payment => qw(notify_id));
ack_ok(send_callback($again), $again, 400);
$again = fold($m, notify_id => qw(notify_time));
ack_ok(send_callback($again), $again, 400);
is(shop_count(), 1);



=== TEST 6: D3: one signed string has one reading: a refund as a payment
--- run
my $m = alipay(type => 'refund');
# fields that stand between the two in the order of their names are not sent
my $as = fold($m, gmt_payment => qw(gmt_refund));
$as = resplit($m, do {
    my %p = %{ $as->{params} };
    $p{gmt_payment} .= '&gmt_refund=' . delete $p{gmt_refund};
    $p{receipt_amount} .= '&refund_fee=' . delete $p{refund_fee};
    %p;
});
ack_ok(send_callback($as), $as, 400);
is(shop_count(), 0);
ack_ok(send_callback($m), $m, 200);
is(shop_header((shop_requests(1))[0], 'X-Paygw-Event-Type'), 'refund');



=== TEST 7: D3: one signed string has one reading: an amount in the subject
--- run
my $m = alipay(amount => '0.01', trade_no => 'T', params => {
    subject => 'x&total_amount=99999.00&trade_no=T'
               . '&trade_status=TRADE_SUCCESS&version=1' });
my %p = %{ $m->{params} };
my $rest = join '', map { "&$_=$p{$_}" } qw(total_amount trade_no trade_status
                                            version);
my $split = resplit($m, %p, subject => 'x', total_amount => '99999.00',
                    trade_status => 'TRADE_SUCCESS', version => "1$rest");
ack_ok(send_callback($split), $split, 400);
is(shop_count(), 0);



=== TEST 8: D3: one signed string has one reading: a name that holds two
--- run
my $m = alipay(type => 'refund');
my %p = %{ $m->{params} };
my $pay = delete $p{gmt_payment};
my $refund = delete $p{gmt_refund};
my $as = resplit($m, %p, "gmt_payment=$pay&gmt_refund" => $refund);
ack_ok(send_callback($as), $as, 400);
is(shop_count(), 0);



=== TEST 9: D3: a text that looks like fields and means nothing is delivered
--- run
my $m = alipay(params => { subject => 'a&b=c https://x/?y=1&z=2&amount=3' });
ack_ok(send_callback($m), $m, 200);
is(shop_event((shop_requests(1))[0])->{data}{subject},
   'a&b=c https://x/?y=1&z=2&amount=3');



=== TEST 10: D5: a nonce that is not 12 bytes is refused, and nothing dies of it
--- run
for my $n ('', 'a', 'a' x 11, 'a' x 13, 'a' x 16, 'a' x 4000) {
    my $m = wechat(aead => { nonce => $n }, aead_after =>
                   { ciphertext => MIME::Base64::encode_base64('x' x 64, '') });
    ack_ok(send_callback($m), $m, 400, length($n) . ' bytes');
}
for my $m (wechat(aead_after => { nonce => undef }),
           wechat(aead_after => { nonce => 123456789012 }),
           wechat(aead_after => { nonce => [ 'a' x 12 ] }))
{
    ack_ok(send_callback($m), $m, 400);
}
my $m = wechat(aead_after => { ciphertext => '' });
my $res = send_callback($m);
ok($res->{status} == 400 || $res->{status} == 401, "status $res->{status}");
$m = wechat();
ack_ok(send_callback($m), $m, 204, 'the worker is alive');



=== TEST 11: D6: what is missing does not skip the verification
--- callback
alipay(sign => undef), alipay(sign => undef, change => { sign_type => undef }),
alipay(sign => undef, change => { trade_status => undef }),
alipay(sign => undef, change => { notify_type => undef }),
alipay(sign => undef, change => { app_id => undef }),
wechat(headers => { 'Wechatpay-Signature' => undef }),
wechat(headers => { 'Wechatpay-Serial' => undef }),
wechat(headers => { map { ("Wechatpay-$_" => undef) }
                    qw(Timestamp Nonce Signature Serial Signature-Type) })
--- ack: 401 401 401 401 401 400 400 400
--- shop: 0



=== TEST 12: D7: an empty signature is no signature
--- callback
alipay(sign => ''), alipay(sign => ' '), alipay(sign => "\n"),
wechat(signature => ''), wechat(signature => '='), wechat(signature => '====')
--- ack: 401 401 401 400 401 401
--- shop: 0



=== TEST 13: D9: a way to verify that is not known accepts nothing
--- callback
wechat(headers => { 'Wechatpay-Signature-Type' => 'WECHATPAY2-NONE' }),
alipay(params => { sign_type => 'NONE' }),
alipay(params => { sign_type => 'RSA' }, digest => 'SHA1')
--- ack: 401 401 401
--- result
refused sign_type
refused sign_type
refused sign_type
--- shop: 0



=== TEST 14: D9: a way to verify that is not known is no configuration
--- alipay
sign_type NONE;
--- must_die
--- error_log
invalid "sign_type" of channel "alipay": "NONE", it must be "RSA2"



=== TEST 15: D10: no success is said before the signature was checked
--- config
    location /return/ {
        paygw_notify wxpay;
        return 200 success;
    }
    location /alias/ {
        paygw_notify alipay;
        return 204;
    }
    location /page/ {
        paygw_notify alipay;
        error_page 401 405 =200 /ok;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /ok { return 200 success; }
--- run
for my $m (wechat(uri => '/return/', key => 'rogue'),
           alipay(uri => '/alias/', key => 'rogue'),
           alipay(uri => '/page/', key => 'rogue'))
{
    ack_ok(send_callback($m), $m, 401, $m->{target});
}
for my $m (wechat(uri => '/return/', method => 'GET', body => ''),
           alipay(uri => '/page/', method => 'PUT'))
{
    ack_ok(send_callback($m), $m, 405, $m->{target});
}
for my $m (wechat(uri => '/return/'), alipay(uri => '/alias/')) {
    ack_ok(send_callback($m), $m, 204, $m->{target}) if $m->{kind} =~ /\./;
    ack_ok(send_callback($m), $m, 200, $m->{target}) if $m->{kind} !~ /\./;
}
is(shop_count(), 0);



=== TEST 16: D11: a good signature for another app, seller or merchant
--- callback
wechat(appid => 'wxother'), wechat(mchid => '1900000000'),
alipay(seller_id => '2088000000000000'),
alipay(params => { auth_app_id => '2021000000000009' }),
alipay(app_id => '2021000000000009')
--- ack: 403 403 403 403 403
--- shop: 0



=== TEST 17: D12: a forged copy does not keep the genuine callback out
--- run
for my $m (wechat(), alipay()) {
    my $n = shop_count();
    my $copy = bless { %$m }, ref $m;
    $copy->{headers} = [ map { [ @$_ ] } @{ $m->{headers} } ];
    if ($m->{provider} eq 'alipay') {
        $copy->{body} =~ s/total_amount=88/total_amount=99/;
    } else {
        $copy->{body} =~ s/"summary"/"summarz"/;
    }
    ack_ok(send_callback($copy), $copy, 401, 'forged') for 1 .. 3;
    ack_ok(send_callback($m), $m, 200, 'genuine');
    ack_ok(send_callback($copy), $copy, 401, 'forged again');
    is(shop_count(), $n + 1);
    is(shop_header((shop_requests($n + 1))[$n], 'X-Paygw-Delivery'), 1);
}



=== TEST 18: D12: a state that is not final does not keep the final one out
--- callback
alipay(id => 'n1', order_id => 'T', type => 'wait'),
alipay(id => 'n2', order_id => 'T'),
alipay(id => 'n2', order_id => 'T', type => 'refund'),
alipay(id => 'n3', order_id => 'T', type => 'refund'),
wechat(id => 'E1', order_id => 'T', resource => { trade_state => 'NOTPAY' }),
wechat(id => 'E2', order_id => 'T')
--- ack: 200 200 200 200 204 204
--- result
taken
taken
duplicate duplicate
taken
taken
taken
--- shop
[ { event => { type => 'payment', outcome => 'pending' } },
  { event => { type => 'payment', outcome => 'success' } },
  { event => { type => 'refund' } },
  { event => { outcome => 'pending' } },
  { event => { outcome => 'success' } } ]



=== TEST 19: D12: a shop that failed does not keep the next try out
--- shop_plan
(500, { reset => 1 }, 200)
--- config
    location /notify/ {
        paygw_notify         wxpay;
        proxy_next_upstream  off;
        proxy_pass           http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
my $m = wechat();
($m, $m, $m)
--- ack: 502 502 204
--- shop: 3



=== TEST 20: D13: no request changes what the next one is checked against
--- run
my @m = (wechat(), alipay(), wechat(key => 'rogue'), alipay(key => 'rogue'),
         wechat(method => 'GET', body => ''), wechat(serial => 'x'),
         wechat(signature_prefix => 'WECHATPAY/SIGNTEST/'),
         alipay(app_id => '1'), wechat(mchid => '1'),
         alipay(append => [ [ 'sign', '' ] ]),
         wechat(headers => { 'Wechatpay-Signature-Type' => 'x' }),
         wechat(body => 'x' x 70_000));
my @want = (200, 200, 401, 401, 405, 401, 401, 403, 403, 400, 401, 413);
# each after each
for my $i (0 .. $#m) {
    for my $k (0 .. $#m) {
        send_callback($m[$i]);
        my $res = send_callback($m[$k]);
        my $status = $res->{status} == 204 ? 200 : $res->{status};
        is($status, $want[$k], "$k after $i") if $status != $want[$k];
    }
}
is(shop_count(), 2, 'the two good ones were delivered once');
ack_ok(send_callback($m[2]), $m[2], 401);



=== TEST 21: D16: accounts at the same time: each is checked by its own keys
--- http_config
    paygw_channel second {
        provider           alipay;
        app_id             2021000000000002;
        seller_id          2088101122136242;
        alipay_public_key  $TEST_NGINX_KEYS/alipay_next.pem;
    }
--- config
    location /notify/ {
        paygw_notify alipay second;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my %second = (app_id => '2021000000000002', seller_id => '2088101122136242');
my (@m, @want);
for (1 .. 6) {
    push @m, alipay(), alipay(%second, key => 'alipay_next'),
         alipay(key => 'alipay_next'), alipay(%second),
         alipay(%second, key => 'alipay_next', seller_id => '2088101122136241');
    push @want, 200, 200, 401, 401, 403;
}
# all headers first, then all bodies: every request is open at the same time
my @c;
for my $m (@m) {
    my ($head, $body) = $m->raw =~ /^(.*?\r\n\r\n)(.*)$/s;
    push @c, [ begin($head . substr $body, 0, 100), substr $body, 100 ];
}
for (reverse @c) {
    my $s = $_->[0]{sock};
    print $s $_->[1];
    $s->flush;
}
ack_ok(finish($c[$_][0]), $m[$_], $want[$_], "request $_") for 0 .. $#m;
my @r = shop_requests(12);
is(scalar @r, 12);
my %channel = map { ($_->{order_id} =>
    $_->{params}{app_id} =~ /2$/ ? 'second' : 'alipay') } @m;
is(shop_header($_, 'X-Paygw-Channel'),
   $channel{shop_header($_, 'X-Paygw-Order-Id')}) for @r;



=== TEST 22: D10: nothing reaches the shop by a subrequest to its callbacks
--- config eval
"$PaygwTest::Locations
    location = /outer {
        auth_request  /notify/wxpay;
        proxy_pass    http://127.0.0.1:\$TEST_NGINX_SHOP_PORT;
    }
    location = /mirrored {
        mirror        /notify/wxpay;
        proxy_pass    http://127.0.0.1:\$TEST_NGINX_SHOP_PORT/other;
    }"
--- run
my $res = send_callback(wechat(uri => '/outer'));
is($res->{status}, 403);
is(shop_count(), 0);
$res = send_callback(wechat(uri => '/mirrored'));
is($res->{status}, 200);
Time::HiRes::sleep(0.1);
is(join(' ', map { $_->{target} } shop_requests()), '/other');
like(error_log_text(), qr/subrequest to a location with "paygw_notify" is/);
