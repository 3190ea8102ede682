# Explain: what people do to a callback on its way, or in the configuration,
# and the hint that the log has for each (feature U9).  Each block seeds one
# mistake, in a message that is otherwise genuine.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

our $Wx = 'signature, key "{key}", string to sign: {signed}, hint: ';
with_wxv2();

our $Sig = 'signature, string to sign: {signed}, hint: ';

run_tests();

__DATA__

=== TEST 1: WeChat Pay: a line feed behind the body
--- run
refused_ok(wechat(mangle => 'line_feed'), 401,
           $Wx . 'a line feed was added to the body');
refused_ok(wechat(tamper => [ [ '}}', "}}\r\n" ] ]), 401,
           $Wx . 'a line feed was added to the body');



=== TEST 2: WeChat Pay: a line feed that was signed is lost
--- run
refused_ok(wechat(before => [ [ '}}', "}}\n" ] ], mangle => 'no_line_feed'),
           401, $Wx . 'a line feed at the end of the body was lost');



=== TEST 3: WeChat Pay: JSON that was read and written again, with spaces
--- run
refused_ok(wechat(mangle => 'spaces'), 401,
           $Wx . 'body was re-encoded: it has white space');



=== TEST 4: WeChat Pay: with slashes that are escaped
--- run
refused_ok(wechat(mangle => 'slashes', envelope => { summary => 'a/b' }), 401,
           $Wx . 'body was re-encoded: it has escaped slashes');



=== TEST 5: WeChat Pay: with characters that are escaped, as PHP and Python do
--- run
refused_ok(wechat(mangle => $_, envelope => { summary => "\x{1f600}/\x{e9}" }),
           401, $Wx . 'body was re-encoded: it has \u escapes')
    for qw(unicode php python);



=== TEST 6: WeChat Pay: with its members in another order
--- run
refused_ok(wechat(mangle => 'sorted'), 401,
           $Wx . 'body may be re-encoded: its members are in another order');



=== TEST 7: WeChat Pay: re-encoded, and more than that
--- run
refused_ok(wechat(mangle => 'spaces', key => 'rogue'), 401,
           $Wx . 'body may be re-encoded: it has white space');



=== TEST 8: WeChat Pay: a byte order mark, and a compressed body
--- run
refused_ok(wechat(mangle => 'bom'), 401,
           $Wx . 'a byte order mark was put before the body');
refused_ok(wechat(mangle => 'gzip'), 401, $Wx . 'body is compressed');



=== TEST 9: WeChat Pay: signed with the merchant's own key
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/mch.key;
--- run
refused_ok(wechat(key => 'mch'), 401,
           $Wx . "signed with the merchant's own key");
refused_ok(wechat(key => 'rogue'), 401,
           'signature, key "{key}", string to sign: {signed}');



=== TEST 10: WeChat Pay: the same with a certificate, and its serial
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/mch.key;
merchant_certificate $TEST_NGINX_KEYS/mch.crt;
--- run
refused_ok(wechat(key => 'mch'), 401,
           $Wx . "signed with the merchant's own key");
refused_ok(wechat(key => 'mch',
                  serial => '5157F09EFDC096DE15EBE81A47057A7232F1B8E1'), 401,
           'unknown_key, key "{key}", '
           . "hint: that is the serial of the merchant's own certificate");



=== TEST 11: WeChat Pay: an unknown serial: which one, and which are known
--- wxpay
-platform_certificate
--- run
refused_ok(wechat(), 401, 'unknown_key, key "{key}", hint: unknown serial, '
           . 'known is "PUB_KEY_ID_0119000091912024"');



=== TEST 12: WeChat Pay: more keys than a line should hold
--- http_config
    paygw_channel second {
        provider              wechat_v3;
        appid                 wx2222222222222222;
        mchid                 1900002222;
        apiv3_key             file:$TEST_NGINX_KEYS/apiv3_other.key;
        platform_public_key   PUB_KEY_ID_2 $TEST_NGINX_KEYS/rogue.pem;
        platform_public_key   PUB_KEY_ID_3 $TEST_NGINX_KEYS/app.pem;
    }
--- config
    location = /notify/wxpay {
        paygw_notify wxpay second;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
refused_ok(wechat(serial => '77'), 401, 'unknown_key, key "{key}", '
           . 'hint: unknown serial, known are '
           . '"0A1B2C3D4E5F60718293A4B5C6D7E8F901234567" '
           . '"7132D72A03E93CDDF8C03BBD1F37EEDF0B0BBBBB" '
           . '"PUB_KEY_ID_0119000091912024" "PUB_KEY_ID_2" and 1 more');



=== TEST 13: clocks that are off, in which direction, and which provider
--- run
for my $how ([ \&wechat, 412, 'future' ], [ \&wechat, -412, 'past' ],
             [ \&stripe, 412, 'future' ], [ \&stripe, -412, 'past' ],
             [ \&alipay, 412, 'future' ], [ \&alipay, -93600, 'past' ])
{
    my ($make, $skew, $from) = @$how;
    my $m = $make->(skew => $skew);
    ack_ok(send_callback($m), $m, 401);
    my ($off, $is) = error_log_text() =~ /.*refused:\ clock,.*\ hint:\ clock
        \ (\d+)\ s\ off,\ the\ message\ is\ from\ the\ (\w+)/sx;
    ok(abs($off - abs $skew) <= 20, "$off s");
    is($is, $from);
}



=== TEST 14: WeChat Pay: the signature probe
--- run
refused_ok(wechat(signature_prefix => 'WECHATPAY/SIGNTEST/'), 401,
           'probe, key "{key}", string to sign: {signed}, '
           . 'hint: signature probe of WeChat Pay');



=== TEST 15: a signature that was decoded once too often, or not often enough
--- run
my $m;
do { $m = wechat() } until $m->header('Wechatpay-Signature') =~ /\+.*==$/;
my $good = $m->header('Wechatpay-Signature');
for ([ $good =~ tr/+/ /r, 'plus sign decoded as space' ],
     [ $good =~ s/=/%3D/gr =~ s/\+/%2B/gr,
       'signature is percent-encoded once more' ],
     [ $good =~ tr{+/}{-_}r, 'signature is in the alphabet of base64url' ],
     [ substr($good, 0, -1), 'signature is not base64' ])
{
    refused_ok(wechat(signature => $_->[0]), 401, $Wx . $_->[1]);
}



=== TEST 16: Alipay: the same
--- run
my $m;
do { $m = alipay() } until $m->{body} =~ /sign=[^&]*%2B/;
my ($good) = $m->{body} =~ /&sign=([^&]*)/;
$good =~ s/%(..)/chr hex $1/ge;
for ([ $good =~ tr/+/ /r, 'plus sign decoded as space' ],
     [ $good =~ s/=/%3D/gr =~ s/\+/%2B/gr,
       'signature is percent-encoded once more' ],
     [ $good =~ tr{+/}{-_}r, 'signature is in the alphabet of base64url' ],
     [ "$good\n", 'signature has a line feed' ],
     [ substr($good, 0, -1), 'sign is not base64' ])
{
    refused_ok(alipay(sign => $_->[0]), 401, $Sig . $_->[1]);
}



=== TEST 17: a header that a proxy has dropped
--- run
for my $name (qw(Wechatpay-Timestamp Wechatpay-Nonce Wechatpay-Signature
                 Wechatpay-Serial))
{
    refused_ok(wechat(headers => { $name => undef }), 400,
               'missing_header, hint: no ' . lc($name)
               . ', a proxy in front may drop it');
}
refused_ok(stripe(headers => { 'Stripe-Signature' => undef }), 400,
           'missing_header, hint: no stripe-signature, a proxy in front may '
           . 'drop it');



=== TEST 18: Alipay: values that were HTML-escaped
--- run
refused_ok(alipay(params => { subject => q{<a> & "b" 'c'} }, change => {
               subject => '&lt;a&gt; &amp; &quot;b&quot; &#39;c&#039;' }),
           401, $Sig . 'values were HTML-escaped on the way');
refused_ok(alipay(change => { subject => '&quot;x&quot;' }), 401,
           $Sig . 'a value is HTML-escaped');



=== TEST 19: Alipay: values with backslashes before their quotes
--- run
my $bill = '[{"amount":"88.80","fundChannel":"ALIPAYACCOUNT"}]';
refused_ok(alipay(change => { fund_bill_list => $bill =~ s/"/\\"/gr }), 401,
           $Sig . 'backslashes were put before quotes on the way');
refused_ok(alipay(change => { fund_bill_list => '[{\"a\":1}]' }), 401,
           $Sig . 'a value has backslashes before its quotes');



=== TEST 20: Alipay: GBK that was converted to UTF-8, and the reverse
--- run
refused_ok(alipay(params => { charset => 'GBK' },
                  change => { subject => "\x{5927}\x{4e50}\x{900f}" }), 401,
           $Sig . 'a value is UTF-8, and the charset of the message GBK');
refused_ok(alipay(change => { subject => { base64 => 'tPPA1s24' } }), 401,
           $Sig . 'a value is not in the charset of the message');



=== TEST 21: Alipay: a value that was decoded twice
--- run
refused_ok(alipay(params => { passback_params => 'a%3D1%26b%3D2' },
                  change => { passback_params => 'a=1&b=2' }), 401,
           $Sig . 'passback_params was decoded twice');
refused_ok(alipay(params => { passback_params => 'a%3d1' },
                  change => { passback_params => 'a=1' }), 401,
           $Sig . 'passback_params may be decoded twice');



=== TEST 22: Alipay: the app's own key
--- alipay
app_private_key $TEST_NGINX_KEYS/app.key;
--- run
refused_ok(alipay(key => 'app'), 401,
           $Sig . "signed with the app's own key");
refused_ok(alipay(key => 'rogue'), 401,
           'signature, string to sign: {signed}');



=== TEST 23: Alipay: the keys of two apps, mixed up
--- http_config
    paygw_channel second {
        provider           alipay;
        app_id             2021000000000002;
        seller_id          2088101122136241;
        alipay_public_key  $TEST_NGINX_KEYS/alipay_next.pem;
    }
--- config
    location = /notify/alipay {
        paygw_notify alipay second;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
refused_ok(alipay(key => 'alipay_next'), 401, $Sig . 'signed with the key of '
           . 'channel "second", the keys may be mixed up');
refused_ok(alipay(app_id => '2021000000000002'), 401, $Sig . 'signed with the '
           . 'key of channel "alipay", the keys may be mixed up');
refused_ok(alipay(key => 'rogue'), 401,
           'signature, string to sign: {signed}');



=== TEST 24: Alipay: RSA in the place of RSA2
--- run
refused_ok(alipay(params => { sign_type => 'RSA' }, digest => 'SHA1'), 401,
           'sign_type, hint: only RSA2 is accepted, choose it for the app in '
           . 'the console');



=== TEST 25: Alipay: a form that is compressed
--- run
refused_ok(alipay(mangle => 'gzip'), 400,
           'malformed, hint: body is compressed');



=== TEST 26: accounts that are not ours, by name
--- run
refused_ok(wechat(mchid => '1900009192'), 403, 'account_mismatch, '
           . 'key "{key}", hint: mchid "1900009192" is not ours, 1 configured');
refused_ok(alipay(app_id => '2021000000000002'), 403, 'unknown_account, '
           . 'hint: app_id "2021000000000002" is not ours, 1 configured');
refused_ok(alipay(seller_id => '2088000000000000'), 403, 'account_mismatch, '
           . 'hint: seller_id "2088000000000000" is not ours, 1 configured');
refused_ok(stripe(event => { account => 'acct_1' }), 403, 'account_mismatch, '
           . 'hint: account "acct_1" is not ours, 0 configured');



=== TEST 27: an account that cannot stand in a line of the log
--- run
refused_ok(alipay(app_id => $_), 403,
           'unknown_account, hint: app_id is not ours, 1 configured')
    for "1\" client: 10.0.0.1", "1\n2", "\x{652f}", '2' x 65;



=== TEST 28: WeChat Pay: the APIv3 key of somebody else
--- run
refused_ok(wechat(apiv3_key => 'vutsrqponmlkjihgfedcba9876543210'), 401,
           'decrypt, key "{key}", '
           . 'hint: apiv3_key does not open the resource');



=== TEST 29: Stripe: JSON that was read and written again
--- run
refused_ok(stripe(mangle => $_), 401,
           $Sig . 'body may be re-encoded: it is not indented any more')
    for qw(compact spaces php);
refused_ok(stripe(mangle => 'lines'), 401,
           $Sig . 'body was re-encoded: it has escaped slashes');



=== TEST 30: Stripe: line ends, a line feed too many, a byte order mark
--- run
refused_ok(stripe(mangle => 'crlf'), 401,
           $Sig . 'line ends of the body were changed to CR LF');
refused_ok(stripe(mangle => 'line_feed'), 401,
           $Sig . 'a line feed was added to the body');
refused_ok(stripe(mangle => 'bom'), 401,
           $Sig . 'a byte order mark was put before the body');
refused_ok(stripe(mangle => 'crlf', secrets => [ 'x' ]), 401,
           $Sig . 'body has lines that end in CR LF');



=== TEST 31: Stripe: the secret of another endpoint
--- run
refused_ok(stripe(secrets => [ 'whsec_of_the_CLI' ]), 401,
           $Sig . 'webhook_secret may be that of another endpoint, each has '
           . 'its own');



=== TEST 32: Stripe: test events where live ones are wanted
--- run
refused_ok(stripe(event => { livemode => JSON::PP::false() }), 403,
           'account_mismatch, hint: a test event, and the channel has not '
           . '"livemode off"');



=== TEST 33: Stripe: a v0 and nothing else, and thin events
--- run
refused_ok(stripe(signature => 't={t},v0={v1}'), 400, 'malformed, '
           . 'hint: no v1 in stripe-signature, and nothing else counts');
refused_ok(stripe(event => { object => 'v2.core.event' }), 400, 'malformed, '
           . 'hint: thin event, which holds no facts: choose snapshot events '
           . 'for this endpoint');



=== TEST 34: swapped ids of WeChat Pay do not start
--- wxpay
-appid
-mchid
appid 1900009191;
mchid wxd678efh567hg6787;
--- must_die
--- error_log
invalid "mchid" of channel "wxpay": "wxd678efh567hg6787", it must be a number, are "mchid" and "appid" swapped?

=== TEST 35: a mchid in the place of an appid
--- wxpay
appid 1900009192;
--- must_die
--- error_log
invalid "appid" of channel "wxpay": "1900009192" is a number as a "mchid" is, are "mchid" and "appid" swapped?

=== TEST 36: an appid in the place of a sub_mchid
--- wxpay
sub_mchid wxd678efh567hg6787;
--- must_die
--- error_log
invalid "sub_mchid" of channel "wxpay": "wxd678efh567hg6787", it must be a number, are "mchid" and "appid" swapped?

=== TEST 37: swapped ids of Alipay
--- alipay
-app_id
-seller_id
app_id 2088101122136241;
seller_id 2021000000000001;
--- must_die
--- error_log
invalid "app_id" of channel "alipay": "2088101122136241" begins with 2088 as an account does, are "app_id" and "seller_id" swapped?

=== TEST 38: a hidden field names the channel and the field
--- run
my $m = alipay(params => { subject => 'x&total_amount=0.01' });
ack_ok(send_callback($m), $m, 400);
like(error_log_text(), qr/\[error\].*alipay\ callback\ of\ channel\ "alipay"
     \ with\ a\ good\ signature\ hides\ another\ field\ in\ the\ value\ of\ "subject"/x);



=== TEST 39: what is larger than a callback is refused without a hint
--- run
my $pad = 'x' x 17000;
refused_ok(wechat(envelope => { summary => $pad }, mangle => 'line_feed'), 401,
           'signature, key "{key}", string to sign: {signed}');
refused_ok(alipay(change => { subject => "$pad&quot;" }), 401,
           'signature, string to sign: {signed}');
refused_ok(stripe(event => { pad => $pad }, mangle => 'line_feed'), 401,
           'signature, string to sign: {signed}');



=== TEST 40: WeChat Pay v2: accounts that are not ours, by name
--- wxv2
sub_mchid 1900000109;
--- run
my %sub = (sub_mch_id => '1900000109');
refused_ok(wechat2(fields => \%sub, appid => 'wxother'), 403,
           'account_mismatch, hint: appid "wxother" is not ours, '
           . '1 configured');
refused_ok(wechat2(fields => { %sub, sub_appid => 'wxother' }), 403,
           'account_mismatch, hint: sub_appid "wxother" is not ours, '
           . '1 configured');
refused_ok(wechat2(fields => { sub_mch_id => '1900000108' }), 403,
           'account_mismatch, hint: sub_mch_id "1900000108" is not ours, '
           . '1 configured');
refused_ok(wechat2(), 403, 'account_mismatch, hint: no sub_mch_id');
refused_ok(wechat2(fields => { %sub, appid => undef }), 403,
           'account_mismatch, hint: no appid');



=== TEST 41: WeChat Pay v2: an account that cannot stand in a line of the log
--- run
refused_ok(wechat2(appid => $_), 403,
           'account_mismatch, hint: appid is not ours, 1 configured')
    for "1\" client: 10.0.0.1", "\x{652f}", 'w' x 65;
refused_ok(wechat2(fields => { sub_mch_id => '1900000109' }), 403,
           'account_mismatch, hint: sub_mch_id "1900000109" is not ours, '
           . '0 configured');
