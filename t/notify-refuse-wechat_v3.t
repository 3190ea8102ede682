# Callbacks of WeChat Pay that are not genuine, not fresh or not for us: the
# answer, the word in $paygw_reason, and what the log explains.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: a body that was changed
--- run
refused_ok(wechat(tamper => [ [ 'encrypt-resource', 'encrypt-resourcf' ] ]),
           401, 'signature, key "{key}", string to sign: {signed}');



=== TEST 2: a byte that was added, or a line feed
--- run
refused_ok(wechat(tamper => [ [ '}}', '}} ' ] ]), 401,
           'signature, key "{key}", string to sign: {signed}, '
           . 'hint: body was re-encoded: it has white space');
refused_ok(wechat(tamper => [ [ '}}', "}}\n" ] ]), 401,
           'signature, key "{key}", string to sign: {signed}, '
           . 'hint: a line feed was added to the body');



=== TEST 3: a key that is not WeChat Pay's
--- run
refused_ok(wechat(key => 'rogue'), 401,
           'signature, key "{key}", string to sign: {signed}');
refused_ok(wechat(key => 'wx_b',
                  serial => '0A1B2C3D4E5F60718293A4B5C6D7E8F901234567'), 401,
           'signature, key "{key}", string to sign: {signed}');



=== TEST 4: an unknown serial
--- run
refused_ok(wechat(serial => $_), 401,
           'unknown_key, key "{key}", hint: unknown serial, known are '
           . '"0A1B2C3D4E5F60718293A4B5C6D7E8F901234567" '
           . '"7132D72A03E93CDDF8C03BBD1F37EEDF0B0BBBBB" '
           . '"PUB_KEY_ID_0119000091912024"')
    for '1234', 'PUB_KEY_ID_0119000091912025', '0A1B',
        'PUB_KEY_ID_011900009191202',
        'A1B2C3D4E5F60718293A4B5C6D7E8F901234567',
        '0A1B2C3D4E5F60718293A4B5C6D7E8F9012345670',
        '0a1b2c3d4e5f60718293a4b5c6d7e8f901234567';



=== TEST 5: a serial that cannot stand in a log does not
--- run
refused_ok(wechat(serial => $_), 401, 'unknown_key, hint: unknown serial, '
           . 'known are "0A1B2C3D4E5F60718293A4B5C6D7E8F901234567" '
           . '"7132D72A03E93CDDF8C03BBD1F37EEDF0B0BBBBB" '
           . '"PUB_KEY_ID_0119000091912024"')
    for 'a b', '1" client: 10.0.0.1', 'x' x 129;



=== TEST 6: a clock that is off, in both directions
--- run
for (-3600, -330, 330, 3600) {
    my $m = wechat(skew => $_);
    my $at = Time::HiRes::time();
    ack_ok(send_callback($m), $m, 401);
    my ($off, $from) = error_log_text() =~ /.*refused:\ clock,\ .*
        hint:\ clock\ (\d+)\ s\ off,\ the\ message\ is\ from\ the\ (\w+)/sx;
    ok(abs($off - abs $_) <= 20, "clock $off s off by $_");
    is($from, $_ < 0 ? 'past' : 'future', "direction of $_");
}
is(join(' ', results(4)), join ' ', ('refused clock') x 4);
is(shop_count(), 0);



=== TEST 7: a clock that is a little off is good
--- callback
wechat(skew => -200), wechat(skew => 200)
--- ack: 204 204
--- shop: 2



=== TEST 8: the clock window can be set
--- wxpay
clock_window 60s;
--- callback
wechat(skew => -90), wechat(skew => 90), wechat()
--- ack: 401 401 204
--- shop: 1



=== TEST 9: a clock that is off is told before the signature is looked at
--- run
my $m = wechat(skew => -5000, key => 'rogue');
ack_ok(send_callback($m), $m, 401);
is((results(1))[0], 'refused clock');



=== TEST 10: timestamps that are none
--- run
refused_ok(wechat(timestamp => $_), 400,
           'malformed, hint: timestamp is not a number')
    for time . 'abc', '-1', '0x6720', '1e9', time . '.5', time . ' 1', ' ,',
        '999999999999999999999';



=== TEST 11: a field that is missing, empty or there twice
--- run
for my $name (qw(Timestamp Nonce Signature Serial)) {
    my $low = lc "wechatpay-$name";
    my $m = wechat();
    my $value = $m->header("Wechatpay-$name");
    refused_ok(wechat(headers => { "Wechatpay-$name" => undef }), 400,
               "missing_header, hint: no $low, a proxy in front may drop it");
    refused_ok(wechat(headers => { "Wechatpay-$name" => '' }), 400,
               "missing_header, hint: no $low, a proxy in front may drop it");
    refused_ok(wechat(headers => { "Wechatpay-$name" => [ $value, $value ] }),
               400, "repeated_header, hint: $low");
}
refused_ok(wechat(headers => { 'Wechatpay-Signature-Type' =>
                               [ ('WECHATPAY2-SHA256-RSA2048') x 2 ] }), 400,
           'repeated_header, hint: wechatpay-signature-type');



=== TEST 12: a signature type that is not known
--- run
refused_ok(wechat(headers => { 'Wechatpay-Signature-Type' => $_ }), 401,
           'sign_type, hint: only WECHATPAY2-SHA256-RSA2048 is accepted')
    for 'WECHATPAY2-SM2-WITH-SM3', 'none', 'WECHATPAY2-SHA256-RSA204',
        'wechatpay2-sha256-rsa2048', '';



=== TEST 13: a signature that is not base64
--- run
my $good = wechat()->header('Wechatpay-Signature');
refused_ok(wechat(signature => $_), 401, 'signature, key "{key}", '
           . 'string to sign: {signed}, hint: signature is not base64')
    for substr($good, 0, -1), "$good=", '!' . substr($good, 1), 'A', '=';
refused_ok(wechat(signature => $good =~ tr{A-Z}{-}r), 401, 'signature, '
           . 'key "{key}", string to sign: {signed}, '
           . 'hint: signature is in the alphabet of base64url');



=== TEST 14: a plus sign that became a space
--- run
my $m;
do { $m = wechat() } until $m->header('Wechatpay-Signature') =~ /\w\+\w/;
$_->[0] eq 'Wechatpay-Signature' and $_->[1] =~ s/(\w)\+(\w)/$1 $2/
    for @{ $m->{headers} };
refused_ok($m, 401, 'signature, key "{key}", string to sign: {signed}, '
           . 'hint: plus sign decoded as space');



=== TEST 15: a signature of another length, or of nothing
--- run
refused_ok(wechat(signature => $_), 401, 'signature, key "{key}", '
           . 'string to sign: {signed}')
    for 'QUJD', 'A' x 344, MIME::Base64::encode_base64('x' x 255, ''),
        MIME::Base64::encode_base64('x' x 257, '');



=== TEST 16: a signature by SHA-1 or SHA-512
--- run
refused_ok(wechat(digest => $_), 401, 'signature, key "{key}", '
           . 'string to sign: {signed}') for qw(SHA1 SHA512);



=== TEST 17: the signature probe of WeChat Pay
--- run
refused_ok(wechat(signature_prefix => 'WECHATPAY/SIGNTEST/'), 401,
           'probe, key "{key}", string to sign: {signed}, '
           . 'hint: signature probe of WeChat Pay');
refused_ok(wechat(signature => 'WECHATPAY/SIGNTEST/' . 'A' x 325), 401,
           'probe, key "{key}", string to sign: {signed}, '
           . 'hint: signature probe of WeChat Pay');



=== TEST 18: a body that is empty or no JSON object, before and after signing
--- run
refused_ok(wechat(body => '', key => 'rogue'), 401, 'signature, key "{key}", '
           . 'string to sign: {signed}, hint: body is empty');
refused_ok(wechat(body => '[]', key => 'rogue'), 401,
           'signature, key "{key}", string to sign: {signed}, '
           . 'hint: body is not a JSON object');
refused_ok(wechat(body => '[]'), 400,
           'malformed, key "{key}", hint: not a JSON object');



=== TEST 19: a signed body that is not a callback
--- run
my @cases = (
    [ { envelope => { id => undef } }, 'invalid id' ],
    [ { envelope => { id => '' } }, 'invalid id' ],
    [ { envelope => { id => 7 } }, 'invalid id' ],
    [ { envelope => { id => "EV\n1" } }, 'invalid id' ],
    [ { envelope => { id => 'x' x 129 } }, 'invalid id' ],
    [ { envelope => { event_type => undef } }, 'invalid event_type' ],
    [ { envelope => { event_type => 'A B' } }, 'invalid event_type' ],
    [ { envelope => { create_time => 5 } }, 'invalid create_time' ],
    [ { envelope => { resource => undef } }, 'no resource' ],
    [ { envelope => { resource => 'x' } }, 'no resource' ],
    [ { envelope => { resource => [] } }, 'no resource' ],
    [ { aead_after => { algorithm => 'AEAD_SM4_GCM' } },
      'resource algorithm is not AEAD_AES_256_GCM' ],
    [ { aead_after => { algorithm => 'AEAD_AES_256' } },
      'resource algorithm is not AEAD_AES_256_GCM' ],
    [ { aead_after => { algorithm => '' } },
      'resource algorithm is not AEAD_AES_256_GCM' ],
    [ { aead_after => { algorithm => undef } },
      'resource algorithm is not AEAD_AES_256_GCM' ],
    [ { aead_after => { associated_data => 1 } },
      'invalid resource associated_data' ],
    [ { aead_after => { ciphertext => undef } }, 'no resource ciphertext' ],
    [ { aead_after => { ciphertext => 'a b' } },
      'resource ciphertext is not base64' ],
    [ { aead_after => { ciphertext => 'QUI' } },
      'resource ciphertext is not base64' ],
);
refused_ok(wechat(%{ $_->[0] }), 400,
           "malformed, key \"{key}\", hint: $_->[1]") for @cases;



=== TEST 20: a resource that was changed, or is another account's
--- run
my $hint = 'hint: apiv3_key does not open the resource';
my @cases = ({ flip => [ [ 0, 1 ] ] }, { flip => [ [ -1, 0x80 ] ] },
             { flip => [ [ -17, 1 ] ] },
             { aead_after => { associated_data => 'refund' } },
             { aead_after => { associated_data => undef } },
             { aead_after => { nonce => 'aaaaaaaaaaaa' } },
             { apiv3_key => 'vutsrqponmlkjihgfedcba9876543210' });
refused_ok(wechat(%$_), 401, "decrypt, key \"{key}\", $hint") for @cases;
refused_ok(wechat(aead_after => { ciphertext => $_ }), 401, 'decrypt, '
           . 'key "{key}", hint: resource ciphertext is too short')
    for 'QUJD', MIME::Base64::encode_base64('x' x 15, '');



=== TEST 21: an account that is not ours
--- run
my @cases = (
    [ { mchid => '1900009192' }, 'mchid "1900009192" is not ours, 1' ],
    [ { appid => 'wxother' }, 'appid "wxother" is not ours, 1' ],
    [ { mchid => '' }, 'no mchid' ],
    [ { resource => { mchid => undef } }, 'no mchid' ],
    [ { resource => { appid => undef } }, 'no appid' ],
    [ { mchid => '19000091911' }, 'mchid "19000091911" is not ours, 1' ],
    [ { mchid => '190000919' }, 'mchid "190000919" is not ours, 1' ],
    [ { mchid => "1 2" }, 'mchid is not ours, 1' ],
    [ { mchid => '1' x 65 }, 'mchid is not ours, 1' ],
    [ { appid => 'wxd678efh567hg678' },
      'appid "wxd678efh567hg678" is not ours, 1' ],
    [ { appid => 'wxd678efh567hg67877' },
      'appid "wxd678efh567hg67877" is not ours, 1' ],
    [ { resource => { sp_mchid => '1900009192' } },
      'sp_mchid "1900009192" is not ours, 1' ],
    [ { resource => { sub_mchid => '1900009191' } },
      'sub_mchid "1900009191" is not ours, 0' ],
    [ { resource => { sub_appid => 'wxother' } },
      'sub_appid "wxother" is not ours, 1' ],
    [ { type => 'refund', mchid => '1900009192' },
      'mchid "1900009192" is not ours, 1' ],
    [ { type => 'refund', resource => { mchid => undef } }, 'no mchid' ],
    [ { type => 'refund', resource => { appid => 'wxother' } },
      'appid "wxother" is not ours, 1' ],
    [ { type => 'echo', mchid => '1900009192' },
      'mchid "1900009192" is not ours, 1' ],
);
refused_ok(wechat(%{ $_->[0] }), 403, 'account_mismatch, key "{key}", hint: '
           . $_->[1] . ($_->[1] =~ /^no/ ? '' : ' configured')) for @cases;



=== TEST 22: an account that is no string
--- run
refused_ok(wechat(%$_), 400,
           'malformed, key "{key}", hint: account is not a string')
    for { resource => { mchid => 1900009191 } },
        { resource => { appid => [ 'wxd678efh567hg6787' ] } };



=== TEST 23: what is refused at the location, before the body
--- run
refused_ok(wechat(method => $_), 405, 'method') for qw(GET PUT PATCH DELETE);



=== TEST 24: a content type that is not JSON
--- run
refused_ok(wechat(headers => { 'Content-Type' => $_ }), 415, 'content_type')
    for undef, 'text/plain', 'application/jsonx', 'application/x-json',
        'application/x-www-form-urlencoded', 'application/jso', '';



=== TEST 25: a content type with parameters, or in capitals, is the same
--- callback
map { wechat(headers => { 'Content-Type' => $_ }) }
    'application/json;charset=utf-8', 'Application/JSON ; charset=utf-8',
    "application/json\t"
--- ack: 204 204 204
--- shop: 3



=== TEST 26: the refusal says nothing that differs from one to the next
--- run
my %seen;
for ({ key => 'rogue' }, { key => 'rogue', flip => [ [ 0, 1 ] ] },
     { flip => [ [ 0, 1 ] ] }, { serial => '1' }, { skew => 9999 },
     { signature_prefix => 'WECHATPAY/SIGNTEST/' })
{
    my $res = send_callback(wechat(%$_));
    $seen{"$res->{status} $res->{body}"} = 1;
}
is(join('', keys %seen),
   '401 {"code":"FAIL","message":"verification failed"}');
