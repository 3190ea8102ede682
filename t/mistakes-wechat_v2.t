# Defects and mistakes of others that are about WeChat Pay v2: each block names
# one (D6, E8, ...), and shows that it is not here.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

with_wxv2();

run_tests();

__DATA__

=== TEST 1: D1: no host name switches verification off
--- run
for my $host ('localhost', '127.0.0.1', 'example.com') {
    for my $m (wechat2(key => 'wxv2_next'), wechat2(sign => undef)) {
        ack_ok(send_callback($m, host => $host), $m, 401, "host $host");
    }
}
is(shop_count(), 0);



=== TEST 2: D3: an element that is there twice is refused, in either part
--- callback
wechat2(append => [ [ 'total_fee', '1' ] ]),
wechat2(prepend => [ [ 'total_fee', '1' ] ]),
wechat2(append => [ [ 'sign', 'x' ] ]),
# the same name in another text
wechat2(tamper => [ [ '<total_fee>', '<total_fee >1</total_fee><total_fee>' ] ]),
wechat2(type => 'refund', before => [ [ '</root>',
    '<refund_fee>1</refund_fee></root>' ] ])
--- ack: 400 400 400 400 401
--- result
refused duplicate_field
refused duplicate_field
refused duplicate_field
refused duplicate_field
refused decrypt
--- shop: 0



=== TEST 3: D3: what was verified is what is handed over
--- run
# the nearest twin to what a careless parser would take
my $m = wechat2(fields => { Total_fee => '1', 'total_fee.' => '1',
                            'OUT_TRADE_NO' => 'evil' });
ack_ok(send_callback($m), $m, 200);
my ($r) = shop_requests(1);
is(shop_header($r, 'X-Paygw-Amount'), 100);
is(shop_header($r, 'X-Paygw-Order-Id'), $m->{order_id});



=== TEST 4: D3: a comment in a value, which some parsers end it at
--- callback
wechat2(amount => 100, tamper => [ [ '<total_fee><![CDATA[100]]>',
                                     '<total_fee>1<!-- -->00' ] ]),
wechat2(amount => 100, tamper => [ [ '<total_fee><![CDATA[100]]>',
                                     '<total_fee>1<?x?>00' ] ]),
wechat2(amount => 100, tamper => [ [ '<total_fee><![CDATA[100]]>',
                                     '<total_fee>1<![CDATA[0]]>0' ] ])
--- ack: 400 400 200
--- shop
[ { header => { 'X-Paygw-Amount' => 100 } } ]



=== TEST 5: D6: neither sign nor return_code: verification is not skipped
--- callback
wechat2(sign => undef),
wechat2(sign => undef, change => { return_code => undef }),
wechat2(sign => undef, change => { return_code => 'FAIL' }),
wechat2(sign => undef, change => { sign_type => 'none' }),
wechat2(sign => undef, change => { result_code => undef }),
wechat2(fields => { return_code => undef }),
wechat2(fields => { return_code => 'FAIL' }),
wechat2(type => 'refund', change => { return_code => undef }),
wechat2(type => 'refund', change => { req_info => undef })
--- ack: 401 401 401 401 401 400 400 400 401
--- shop: 0



=== TEST 6: D7: an empty signature is no signature, nor one of an empty key
--- callback
wechat2(sign => ''), wechat2(sign => ' '), wechat2(sign => "\n"),
wechat2(sign => '0'), wechat2(sign => 'NULL'),
wechat2(key => 'empty')
--- ack: 401 401 401 401 401 401
--- shop: 0



=== TEST 7: D9: an unknown sign_type accepts nothing, and no weaker one is taken
--- callback
wechat2(fields => { sign_type => 'NONE' }),
wechat2(sign => undef, change => { sign_type => 'NONE' }),
wechat2(sign_type => 'HMAC-SHA256', fields => { sign_type => 'HMAC-SHA256' }),
wechat2(sign_type => 'HMAC-SHA256')
--- ack: 401 401 401 401
--- result
refused sign_type
refused signature
refused sign_type
refused signature
--- shop: 0



=== TEST 8: D9: a sign_type that is not known is no configuration
--- wxv2
-sign_type
sign_type NONE;
--- must_die
--- error_log
invalid "sign_type"



=== TEST 9: D10: no success is said before the signature was checked
--- run
for my $m (wechat2(sign => undef), wechat2(key => 'wxv2_next'),
           wechat2(body => '<xml></xml>'), wechat2(body => ''),
           wechat2(type => 'refund', key => 'wxv2_next'),
           wechat2(body => '<xml><return_code>SUCCESS</return_code></xml>'))
{
    my $res = send_callback($m);
    unlike($res->{body}, qr/SUCCESS/);
    cmp_ok($res->{status}, '>=', 400);
}
is(shop_count(), 0);



=== TEST 10: D11: a good signature for another merchant or application
--- callback
wechat2(mchid => '10009999'), wechat2(appid => 'wxother'),
wechat2(fields => { sub_mch_id => '1900000109' })
--- ack: 403 403 403
--- shop: 0



=== TEST 11: D12: a forged copy does not keep the genuine callback out
--- run
my $m = wechat2();
for my $bad (wechat2(order_id => $m->{order_id}, key => 'wxv2_next'),
             wechat2(order_id => $m->{order_id}, sign => undef))
{
    ack_ok(send_callback($bad), $bad, 401);
}
ack_ok(send_callback($m), $m, 200);
is(shop_header((shop_requests(1))[0], 'X-Paygw-Delivery'), 1);



=== TEST 12: D12: a failure does not keep the success of the same trade out
--- callback
wechat2(order_id => 'D12', fields => { result_code => 'FAIL' }),
wechat2(order_id => 'D12', fields => { trade_state => 'USERPAYING' }),
wechat2(order_id => 'D12')
--- ack: 200 200 200
--- shop
[ { event => { outcome => 'failed' } }, { event => { outcome => 'pending' } },
  { event => { outcome => 'success' } } ]



=== TEST 13: D16: accounts at one location: each is checked by its own key
--- http_config
    paygw_channel second {
        provider   wechat_v2;
        appid      wxsecond;
        mchid      10000200;
        api_key    file:$TEST_NGINX_KEYS/wxv2_next.key;
        sign_type  MD5;
    }
--- config
    location = /notify/wxv2 {
        paygw_notify wxv2 second;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
wechat2(), wechat2(mchid => '10000200', appid => 'wxsecond',
                   key => 'wxv2_next'),
wechat2(key => 'wxv2_next'), wechat2(mchid => '10000200', appid => 'wxsecond'),
wechat2(type => 'refund', key => 'wxv2_next'),
wechat2(type => 'refund', mchid => '10000200', appid => 'wxsecond')
--- ack: 200 200 401 401 401 401
--- shop: 2



=== TEST 14: E8: a refund is AES-256-ECB under the MD5 of the key, not CBC
--- run
my $hex = unpack 'H*', '192006250b4c09247ec02edce69f6a2d';
my $iv = substr $hex, 0, 32;
my $cbc = qx{printf '<root><refund_id>R</refund_id></root>' |
             openssl enc -aes-256-cbc -K $hex -iv $iv -base64 -A};
my $ecb = qx{printf '<root><refund_id>R</refund_id></root>' |
             openssl enc -aes-256-ecb -K $hex -base64 -A};
for my $info ($cbc, $ecb) {
    my $m = wechat2(type => 'refund', fields => { req_info => $info });
    ack_ok(send_callback($m), $m, 401);
}
my $m = wechat2(type => 'refund');
ack_ok(send_callback($m), $m, 200);
is(shop_count(), 1);



=== TEST 15: E14: amounts are integers, to the last fen
--- callback
wechat2(amount => '29'), wechat2(amount => '9007199254740993'),
wechat2(amount => '100000000000001'), wechat2(amount => '29.0')
--- ack: 200 400 200 400
--- shop
[ { header => { 'X-Paygw-Amount' => 29 } },
  { header => { 'X-Paygw-Amount' => '100000000000001' } } ]



=== TEST 16: E18: a failure is FAIL in XML, and says nothing more
--- run
my %body;
for my $m (wechat2(key => 'wxv2_next'), wechat2(mchid => '1'),
           wechat2(type => 'refund', key => 'wxv2_next'),
           wechat2(body => '<xml>'), wechat2(method => 'PUT'))
{
    my $res = send_callback($m);
    is($res->{header}{'content-type'}, 'text/xml');
    $body{$res->{body}}++;
}
is(scalar keys %body, 1, 'one answer for all');
like((keys %body)[0], qr/\A<xml><return_code><!\[CDATA\[FAIL\]\]>/);
is(shop_count(), 0);



=== TEST 17: a refund that nobody signed is never said to be confirmed
--- callback
wechat2(type => 'refund'), wechat2()
--- ack: 200 200
--- shop
[ { header => { 'X-Paygw-Confirm' => 'query' },
    event => { confirm => 'query' } },
  { header => { 'X-Paygw-Confirm' => undef } } ]



=== TEST 18: a client cannot say that something is confirmed, or is not
--- callback
wechat2(type => 'refund', headers => { 'X-Paygw-Confirm' => 'done' }),
wechat2(headers => { 'X-Paygw-Confirm' => 'query' })
--- ack: 200 200
--- shop
[ { header => { 'X-Paygw-Confirm' => 'query' } },
  { header => { 'X-Paygw-Confirm' => undef } } ]
