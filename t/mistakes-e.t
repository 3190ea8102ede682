# Mistakes that are often made when these protocols are described: each block
# names one (E1, E4, ...), and shows that it was not made here.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: E1: Alipay signs the decoded values of all fields, in base64
--- callback
alipay(params => { subject => "a+b c&d=e%41 \x{5927}", new_field => 'x+y' }),
alipay(params => { subject => 'a b' }, sign_encoded => 1),
alipay(hex => 1),
alipay(skip => [ 'sign', 'sign_type', 'fund_bill_list' ])
--- ack: 200 401 401 401
--- result
taken
refused signature
refused signature
refused signature
--- shop: 1



=== TEST 2: E4: only the resource is encrypted, and encryption is no signature
--- callback
wechat(),
# knows the APIv3 key, but cannot sign
wechat(key => 'rogue'),
# a resource in clear
wechat(aead_after => { algorithm => 'NONE', ciphertext => '{}' }),
# all of the body encrypted
wechat(body => MIME::Base64::encode_base64('x' x 200, '')),
# signed by the merchant's own key
wechat(key => 'mch'),
# an HMAC by the APIv3 key
wechat(signature => 'qnR8UCqJggD55PohusaBNviGoOJ67HC6Btry4qXLVZc=')
--- ack: 204 401 400 400 401 401
--- shop: 1



=== TEST 3: E5: the body itself is signed, not a hash of it
--- callback
wechat(), wechat(sign_only => [ qw(timestamp nonce sha256) ])
--- ack: 204 401
--- shop: 1



=== TEST 4: E5: the serial is the platform's, not the merchant's
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/mch.key;
merchant_certificate $TEST_NGINX_KEYS/mch.crt;
--- callback
wechat(serial => '5157F09EFDC096DE15EBE81A47057A7232F1B8E1', key => 'mch'),
wechat(serial => '5157F09EFDC096DE15EBE81A47057A7232F1B8E1')
--- ack: 401 401
--- result
refused unknown_key
refused unknown_key
--- shop: 0



=== TEST 5: E6: associated data is taken from the resource, and is not mchid
--- callback
wechat(aead => { associated_data => 'transaction' }),
wechat(aead => { associated_data => 'anything' }),
wechat(aead => { associated_data => '1900009191' },
       aead_after => { associated_data => 'transaction' })
--- ack: 204 204 401
--- shop: 2



=== TEST 6: E7: a merchant that has a public key only needs no certificate
--- wxpay
-platform_certificate
--- callback
wechat(key => 'wx_pub'), wechat()
--- ack: 204 401
--- result
taken
refused unknown_key
--- shop: 1



=== TEST 7: E8: a resource is AES-256-GCM, whatever it says
--- run
my $cbc = sub {
    my $plain = '{"mchid":"1900009191"}';
    my $key = unpack 'H*', '0123456789abcdefghijklmnopqrstuv';
    my $iv = substr $key, 0, 32;
    qx{printf %s '$plain' | openssl enc -aes-256-cbc -K $key -iv $iv -base64 -A};
};
for my $m (wechat(aead_after => { algorithm => 'AES-256-CBC',
                                  ciphertext => $cbc->() }))
{
    ack_ok(send_callback($m), $m, 400);
}
for my $m (wechat(aead_after => { ciphertext => $cbc->() })) {
    ack_ok(send_callback($m), $m, 401);
}
is(join(', ', results(2)), 'refused malformed, refused decrypt');
is(shop_count(), 0);



=== TEST 8: E11: the signature covers the time, the nonce and the body
--- run
my $m = wechat();
for my $change ([ 'Wechatpay-Timestamp', $m->header('Wechatpay-Timestamp') + 1 ],
                [ 'Wechatpay-Nonce', 'f' x 32 ],
                [ 'Wechatpay-Serial',
                  '7132D72A03E93CDDF8C03BBD1F37EEDF0B0BBBBB' ])
{
    my $copy = bless { %$m, headers => [ map {
        [ $_->[0], $_->[0] eq $change->[0] ? $change->[1] : $_->[1] ]
    } @{ $m->{headers} } ] }, ref $m;
    ack_ok(send_callback($copy), $copy, 401, $change->[0]);
}
for my $parts ([ 'nonce', 'body' ], [ 'timestamp', 'body' ],
               [ 'timestamp', 'nonce' ], [ 'body' ],
               [ 'target', 'timestamp', 'nonce', 'body' ])
{
    my $less = wechat(sign_only => $parts);
    ack_ok(send_callback($less), $less, 401, "@$parts");
}
is(shop_count(), 0);
ack_ok(send_callback($m), $m, 204, 'as it was');



=== TEST 9: E18: a bad signature hears 4xx and JSON of WeChat Pay, "fail" of Alipay
--- run
my $res = send_callback(wechat(key => 'rogue'));
is($res->{status}, 401);
is($res->{header}{'content-type'}, 'application/json');
is(JSON::PP::decode_json($res->{body})->{code}, 'FAIL');
$res = send_callback(alipay(key => 'rogue'));
is($res->{header}{'content-type'}, 'text/plain');
is($res->{body}, 'fail');
is(shop_count(), 0);



=== TEST 10: E19: a signature probe fails, and is counted apart from a forgery
--- callback
wechat(signature_prefix => 'WECHATPAY/SIGNTEST/'),
wechat(signature => 'WECHATPAY/SIGNTEST/'),
wechat(key => 'rogue'),
wechat(signature_prefix => 'wechatpay/signtest/'),
wechat()
--- ack: 401 401 401 401 204
--- result
refused probe
refused probe
refused signature
refused signature
taken
--- shop: 1



=== TEST 11: E19: the genuine callback behind a probe is not held back by it
--- run
my $m = wechat();
my $probe = bless { %$m, headers => [ map {
    [ $_->[0], $_->[0] eq 'Wechatpay-Signature'
               ? "WECHATPAY/SIGNTEST/$_->[1]" : $_->[1] ]
} @{ $m->{headers} } ] }, ref $m;
ack_ok(send_callback($probe), $probe, 401);
ack_ok(send_callback($m), $m, 204);
is(shop_header((shop_requests(1))[0], 'X-Paygw-Delivery'), 1);
