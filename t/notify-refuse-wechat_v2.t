# Callbacks of WeChat Pay v2 that are not genuine, not fresh or not for us: the
# answer, the word in $paygw_reason, and what the log explains.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

with_wxv2();

run_tests();

__DATA__

=== TEST 1: a value that was changed
--- run
refused_ok(wechat2(change => { $_ => '1' }), 401,
           'signature, string to sign: {signed}')
    for qw(total_fee out_trade_no attach nonce_str result_code);



=== TEST 2: an element that was added or taken away
--- run
refused_ok(wechat2(append => [ [ 'x', 'y' ] ]), 401,
           'signature, string to sign: {signed}');
refused_ok(wechat2(change => { bank_type => undef }), 401,
           'signature, string to sign: {signed}');



=== TEST 3: another key
--- run
refused_ok(wechat2(key => 'wxv2_next'), 401,
           'signature, string to sign: {signed}');



=== TEST 4: no signature
--- run
refused_ok(wechat2(sign => undef), 401, 'signature, hint: no sign');
refused_ok(wechat2(sign => ''), 401, 'signature, hint: no sign');



=== TEST 5: a signature that is none
--- run
my $s = 'signature, string to sign: {signed}, hint: ';
refused_ok(wechat2(sign => 'E3834293522B95AEE12A99239AA585Fx'), 401,
           $s . 'sign is not hexadecimal');
refused_ok(wechat2(sign => 'A' x 31), 401, $s . 'sign is of a wrong length');
refused_ok(wechat2(sign => 'A' x 33), 401, $s . 'sign is of a wrong length');
refused_ok(wechat2(sign => 'A' x 64), 401,
           $s . 'sign is as long as one of HMAC-SHA256');
refused_ok(wechat2(sign => ('A' x 32) . ' '), 401,
           $s . 'sign is not hexadecimal');
refused_ok(wechat2(sign => 'A' x 32), 401,
           'signature, string to sign: {signed}');



=== TEST 6: a genuine signature in lower case is not as it is sent
--- run
my $m = wechat2();
$m->{body} =~ s/(<sign><!\[CDATA\[)(\w+)/$1 . lc $2/e;
refused_ok($m, 401, 'signature, string to sign: {signed}, '
           . 'hint: sign is in lower case');



=== TEST 7: a value that was escaped on the way
--- run
my $m = wechat2(plain => 1);
$m->{body} =~ s/&amp;/&amp;amp;/;
my $res = send_callback($m);
ack_ok($res, $m, 401);
like(error_log_text(), qr/hint: a value is escaped twice/);



=== TEST 8: a signature of another type, said or not
--- run
refused_ok(wechat2(fields => { sign_type => 'HMAC-SHA256' },
                   sign_type => 'HMAC-SHA256'), 401,
           'sign_type, hint: sign_type is not the configured MD5');
refused_ok(wechat2(fields => { sign_type => $_ }), 401,
           'sign_type, hint: sign_type is not the configured MD5')
    for 'md5', 'MD', 'MD55', 'none', 'RSA', ' ';



=== TEST 9: the strong type does not fall back to the weak one
--- wxv2
-sign_type
sign_type HMAC-SHA256;
--- run
refused_ok(wechat2(fields => { sign_type => 'MD5' }), 401,
           'sign_type, hint: sign_type is not the configured HMAC-SHA256');
refused_ok(wechat2(), 401, 'signature, string to sign: {signed}, '
           . 'hint: sign is as long as one of MD5');



=== TEST 10: an element that is there twice
--- run
refused_ok(wechat2(append => [ [ $_, 'x' ] ]), 400,
           'duplicate_field, hint: duplicate field')
    for qw(sign appid total_fee out_trade_no);
refused_ok(wechat2(prepend => [ [ 'total_fee', '1' ] ]), 400,
           'duplicate_field, hint: duplicate field');
refused_ok(wechat2(append => [ [ 'total_fee', '' ] ]), 400,
           'duplicate_field, hint: duplicate field');



=== TEST 11: an account that is not ours
--- run
refused_ok(wechat2(mchid => $_), 403, 'unknown_account, '
           . "hint: mch_id \"$_\" is not ours, 1 configured")
    for '10000101', '1000010', '100001000';
refused_ok(wechat2(fields => { mch_id => undef }), 403,
           'unknown_account, hint: no mch_id');
refused_ok(wechat2(appid => $_), 403, 'account_mismatch, '
           . "hint: appid \"$_\" is not ours, 1 configured")
    for 'wxd930ea5d5a258f4', 'wxd930ea5d5a258f4ff', 'WXD930EA5D5A258F4F';
refused_ok(wechat2(fields => { appid => undef }), 403,
           'account_mismatch, hint: no appid');



=== TEST 12: a forged callback with a wrong account says the first thing
--- run
refused_ok(wechat2(key => 'wxv2_next', appid => 'wxother'), 401,
           'signature, string to sign: {signed}');



=== TEST 13: a callback that is older than it is repeated
--- run
my $m = wechat2(skew => -26 * 3600);
ack_ok(send_callback($m), $m, 401);
my ($off) = error_log_text() =~ /refused: clock, hint: clock (\d+) s off/;
ok(abs($off - 26 * 3600) < 30, "clock $off s off");
is((results(1))[0], 'refused clock');
is(shop_count(), 0);



=== TEST 14: a repeated callback is good for a day, and one from the future is not
--- callback
wechat2(skew => -24 * 3600), wechat2(skew => 200), wechat2(skew => 400)
--- ack: 200 200 401
--- result
taken
taken
refused clock
--- shop: 2



=== TEST 15: a replay after its id was forgotten is too old
--- run
# the id is kept longer than the message is accepted, whatever event_ttl is
my $m = wechat2(skew => -25 * 3600 - 60);
ack_ok(send_callback($m), $m, 401);
is(shop_count(), 0);
--- error_log
refused: clock



=== TEST 16: no document
--- run
my %hint = (
    '' => 'empty body', ' ' => 'invalid XML', 'x' => 'invalid XML',
    '<xml>' => 'invalid XML', '<xml></xml><xml></xml>' => 'invalid XML',
    '<xml></xml>x' => 'invalid XML', '{"a":1}' => 'invalid XML',
    '<xml><a></b></xml>' => 'invalid XML', '<xml>&x;</xml>' => 'invalid XML',
    '<XML></XML>' => 'unexpected root element',
    '<xml><a><b></b></a></xml>' => 'nested element',
    '<xml><a b="c"></a></xml>' => 'element with attributes',
    '<xml a="b"></xml>' => 'element with attributes',
    '<xml><a:b></a:b></xml>' => 'element with a prefix',
    '<xml>x<a></a></xml>' => 'text beside the elements',
    '<xml><!-- x --></xml>' => 'comment',
    '<xml><?x y?></xml>' => 'processing instruction',
    '<!DOCTYPE xml><xml></xml>' => 'document type declaration',
    '<?xml version="1.1"?><xml></xml>' => 'unknown version of XML',
    '<?xml version="1.0" encoding="GBK"?><xml></xml>'
        => 'encoding is not UTF-8',
);
refused_ok(wechat2(body => $_), 400, "malformed, hint: $hint{$_}")
    for sort keys %hint;
refused_ok(wechat2(body => { base64 => MIME::Base64::encode_base64($_, '') }),
           400, 'malformed, hint: invalid UTF-8')
    for "<xml>\xff</xml>", "\xfe\xff\0<\0x", "<\0x\0", "<xml>\0</xml>",
        "<xml><a>\xed\xa0\x80</a></xml>";
refused_ok(wechat2(body => '<xml></xml>'), 401, 'signature, hint: no sign');



=== TEST 17: entities: a bomb, a file of ours, one that is not there
--- run
my $dtd = '<!ENTITY a "aaaaaaaaaa">'
    . join '', map { my $v = chr ord('a') + $_;
                     my $u = chr ord('b') + $_;
                     "<!ENTITY $u \"" . "&$v;" x 10 . '">' } 0 .. 8;
my $start = Time::HiRes::time();
refused_ok(wechat2(body => "<!DOCTYPE xml [$_]><xml><x>&j;</x></xml>"), 400,
           'malformed, hint: document type declaration')
    for $dtd, '<!ENTITY j SYSTEM "file:///etc/passwd">',
        '<!ENTITY % j SYSTEM "http://127.0.0.1/x"> %j;';
refused_ok(wechat2(body => '<!DOCTYPE xml SYSTEM "http://127.0.0.1/x">'
                         . '<xml><x>&j;</x></xml>'), 400,
           'malformed, hint: document type declaration');
cmp_ok(Time::HiRes::time() - $start, '<', 5, 'in no time');



=== TEST 18: too many elements, and deep ones
--- run
refused_ok(wechat2(body => '<xml>' . join('', map { "<a$_/>" } 1 .. 129)
                         . '</xml>'), 400,
           'malformed, hint: too many fields');
refused_ok(wechat2(body => '<xml>' . '<a>' x 5000), 400,
           'malformed, hint: nested element');



=== TEST 19: a success without what makes it one
--- run
refused_ok(wechat2(fields => { $_->[0] => undef }), 400,
           "malformed, channel \"wxv2\", hint: $_->[1]")
    for [ 'transaction_id', 'no transaction_id' ],
        [ 'total_fee', 'no total_fee' ], [ 'time_end', 'no time_end' ],
        [ 'out_trade_no', 'invalid out_trade_no' ];
refused_ok(wechat2(fields => { return_code => $_ }), 400,
           'malformed, hint: return_code is not SUCCESS')
    for undef, 'FAIL', 'success', '';



=== TEST 20: req_info that is none: the answer is always the same
--- run
my $d = 'decrypt, hint: ';
my $bad = "${d}api_key does not open req_info";
refused_ok(wechat2(type => 'refund', key => 'wxv2_next'), 401, $bad);
refused_ok(wechat2(type => 'refund', whole => 1, padding => $_), 401, $bad)
    for 'x' x 16, "\1" x 15 . "\2", "\x11" x 16, "\0" x 16;
refused_ok(wechat2(type => 'refund', inner_text => $_), 401, $bad)
    for '', 'x', '<xml></xml>', '<root>', '<root></root>x',
        '<!DOCTYPE root><root></root>', '<root><a/><a/></root>';
refused_ok(wechat2(type => 'refund', fields => { req_info => $_ }), 401, $bad)
    for '', 'QUJD', 'A' x 64, MIME::Base64::encode_base64('x' x 32, '');
refused_ok(wechat2(type => 'refund', fields => { req_info => $_ }), 401,
           "${d}req_info is not base64") for '!', 'QUJDRA=', "QUJD\n";
refused_ok(wechat2(type => 'refund', inner => { $_ => undef }), 401,
           "${d}an id of the refund is no id")
    for qw(out_trade_no transaction_id out_refund_no refund_id
           refund_status);
refused_ok(wechat2(type => 'refund', inner => { refund_id => 'a b' }), 401,
           "${d}an id of the refund is no id");
refused_ok(wechat2(type => 'refund', inner => { $_->[0] => $_->[1] }), 401,
           "${d}an amount of the refund is no amount")
    for [ 'total_fee', undef ], [ 'refund_fee', undef ],
        [ 'refund_fee', '-1' ], [ 'refund_fee', '1.0' ],
        [ 'refund_fee', '101' ], [ 'total_fee', 'x' ];
refused_ok(wechat2(type => 'refund', inner => { success_time => 'x' }), 401,
           "${d}success_time is no time");



=== TEST 21: around req_info
--- run
refused_ok(wechat2(type => 'refund', fields => { return_code => $_ }), 400,
           'malformed, hint: return_code is not SUCCESS') for undef, 'FAIL';
refused_ok(wechat2(type => 'refund', fields => { mch_id => 'x' }), 403,
           'unknown_account, hint: mch_id "x" is not ours, 1 configured');
refused_ok(wechat2(type => 'refund', fields => { appid => $_ }), 403,
           'account_mismatch, hint: '
           . ($_ ? 'appid "x" is not ours, 1 configured' : 'no appid'))
    for undef, 'x';



=== TEST 22: a refund of long ago, and one of tomorrow
--- callback
wechat2(type => 'refund', skew => -29 * 86400 + 600),
wechat2(type => 'refund', skew => -30 * 86400),
wechat2(type => 'refund', skew => 86400)
--- ack: 200 401 401
--- result
taken
refused clock
refused clock
--- shop: 1



=== TEST 23: what is refused at the location, before the body
--- run
refused_ok(wechat2(method => $_), 405, 'method') for qw(GET PUT PATCH DELETE);
refused_ok(wechat2(headers => { 'Content-Type' => $_ }), 415, 'content_type')
    for undef, 'text/plain', 'application/json', 'text/xmlx', 'text/html',
        'application/x-www-form-urlencoded';
