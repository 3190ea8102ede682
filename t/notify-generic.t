# Callbacks of configured providers on their whole way: account, replay,
# several keys, decryption, answers, and what no message may do.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

use Digest::SHA qw(hmac_sha256 hmac_sha256_hex sha256_hex);
use MIME::Base64 ();

my $Key = '0123456789abcdefghijklmnopqrstuv';

# A callback to a location, signed by Perl: body, headers (pairs), sig (the
# header), text (what is signed, default the body), key.

sub hook {
    my (%o) = @_;

    my $body = $o{body} // '{"id":"e1","order":"H1"}';
    my $sig = $o{sig} // hmac_sha256_hex($o{text} // $body, $o{key} // $Key);
    my @sig = $o{no_sig} ? () : ([ 'X-Signature', $sig ]);

    return bless {
        provider => 'generic', method => 'POST',
        target => $o{target} // '/notify', body => $body,
        headers => [ [ 'Content-Type', $o{type} // 'application/json' ],
                     @sig, @{ $o{headers} || [] } ],
    }, 'PaygwTest::Message';
}

# AES-256-GCM by python3-cryptography

sub seal {
    my ($text, $nonce, $aad) = @_;

    my $py = 'import sys; from cryptography.hazmat.primitives.ciphers.aead '
        . 'import AESGCM; import base64; a = [s.encode() for s in sys.argv]; '
        . 'print(base64.b64encode(AESGCM(a[1]).encrypt(a[2], a[3], a[4]))'
        . '.decode())';
    open my $fh, '-|', '/usr/bin/python3', '-c', $py, $Key, $nonce, $text,
        $aad or die;
    chomp(my $sealed = <$fh>);
    return $sealed;
}

add_block_preprocessor(sub {
    my $block = shift;
    my $conf = <<'CONF';
    location /notify {
        paygw_notify  hook;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
CONF
    $conf .= $conf =~ s{/notify \{}{/v3 \{}r;
    $block->set_value('config', $conf);
});

run_tests();

__DATA__

=== TEST 1: an event, once
--- generic
order_id json(/order);
--- run
my $m = main::hook();
my $res = send_callback($m);
is("$res->{status} $res->{body}", '200 ', 'taken');
is(join(' ', grep { !/^(?:server|date|connection|content-length)$/ }
        sort keys %{ $res->{header} }), '', 'no header of the shop');
is(send_callback($m)->{status}, 200, 'and again');
is(shop_count(), 1, 'one delivery');
is(shop_body((shop_requests(1))[0]), '{"id":"hook:e1:unknown",'
    . '"type":"unknown","outcome":"unknown","channel":"hook",'
    . '"provider":"generic","kind":"unknown","delivery":1,'
    . '"order":{"order_id":"H1"},"data":{"id":"e1","order":"H1"}}', 'body');
--- result
taken
duplicate duplicate



=== TEST 2: one byte more
--- generic
--- run
my $m = main::hook();
$m->{body} .= ' ';
is(send_callback($m)->{status}, 401, 'status');
is(shop_count(), 0, 'no delivery');
--- result: refused signature
--- error_log
payment callback refused: signature, string to sign: 25 bytes, sha256



=== TEST 3: header fields: none, empty, two
--- generic
--- run
is(send_callback(main::hook(no_sig => 1))->{status}, 400, 'none');
is(send_callback(main::hook(sig => ''))->{status}, 400, 'empty');
my $m = main::hook();
push @{ $m->{headers} }, $m->{headers}[1];
is(send_callback($m)->{status}, 400, 'two');
is(send_callback(main::hook(sig => 'q80='))->{status}, 401, 'base64');
--- result
refused missing_header
refused missing_header
refused repeated_header
refused signature
--- error_log
payment callback refused: missing_header, hint: no x-signature, a proxy in front may drop it
payment callback refused: repeated_header, hint: x-signature
payment callback refused: signature, hint: no signature in hex



=== TEST 4: a header field that may be absent may not come twice
--- generic
-signed
signed 'concat(default(header(X-Extra), ""), "\n", body)';
--- run
my $b = '{"id":"e4"}';
is(send_callback(main::hook(body => $b, text => "\n$b"))->{status}, 200,
   'absent');
is(send_callback(main::hook(body => '{"id":"e4b"}',
    text => "a\n" . '{"id":"e4b"}',
    headers => [['X-Extra', 'a']]))->{status}, 200, 'there');
is(send_callback(main::hook(body => $b, text => "\n$b",
    headers => [['X-Extra', 'a'], ['X-Extra', 'b']]))->{status}, 400, 'two');
--- result
taken
taken
refused repeated_header



=== TEST 5: several keys while one is changed
--- generic
key file:$TEST_NGINX_KEYS/apiv3_other.key;
--- run
my $other = do { local (@ARGV, $/) = keys_dir() . '/apiv3_other.key'; <> };
$other =~ s/\n$//;
is(send_callback(main::hook(body => '{"id":"a"}'))->{status}, 200, 'old');
is(send_callback(main::hook(body => '{"id":"b"}', key => $other))->{status},
   200, 'new');
is(send_callback(main::hook(body => '{"id":"c"}', key => 'third'))->{status},
   401, 'neither');
--- result
taken
taken
refused signature



=== TEST 6: the message names its key
--- generic
-key
key file:$TEST_NGINX_KEYS/apiv3.key id=one;
key file:$TEST_NGINX_KEYS/apiv3_other.key id=two;
key_id header(X-Key);
--- run
my %b = (body => '{"id":"a"}');
is(send_callback(main::hook(%b, headers => [['X-Key', 'two']]))->{status},
   401, 'the other key');
is(send_callback(main::hook(%b, headers => [['X-Key', 'six']]))->{status},
   401, 'no such key');
is(send_callback(main::hook(%b))->{status}, 400, 'no name');
is(send_callback(main::hook(%b, headers => [['X-Key', 'one']]))->{status},
   200, 'the key');
--- result
refused signature
refused unknown_key
refused missing_header
taken
--- error_log
payment callback refused: unknown_key, key "six", hint: unknown key id



=== TEST 7: a list of signatures, eight at most
--- generic
-signature
signature 'header_param(X-Signature, ",", "=", v1, all)' hex;
--- run
my $b = '{"id":"e7"}';
my $good = hmac_sha256_hex($b, '0123456789abcdefghijklmnopqrstuv');
my $bad = 'v1=' . '0' x 64;
is(send_callback(main::hook(body => $b,
    sig => join ', ', ($bad) x 8, "v1=$good"))->{status}, 401, 'the ninth');
is(send_callback(main::hook(body => $b, sig => "v0=$good"))->{status}, 401,
   'of another kind');
is(send_callback(main::hook(body => $b,
    sig => join ', ', 'v1=nohex', ($bad) x 6, qq{v1="$good"}))->{status},
   200, 'the eighth, after one that is none');
--- result
refused signature
refused signature
taken



=== TEST 8: a time in the body, in milliseconds
--- generic
time json(/ts) ms back=60s forward=30s;
--- run
my $send = sub {
    my ($id, $ts) = @_;
    send_callback(main::hook(body => qq({"id":"$id","ts":$ts})))->{status};
};
is($send->('a', (time - 30) . '999'), 200, 'late');
is($send->('b', (time - 70) . '000'), 401, 'too late');
is($send->('c', (time + 60) . '000'), 401, 'too early');
like(error_log_text(), qr/clock [78]\d s off, the message is from the past/);
like(error_log_text(), qr/clock [456]\d s off, the message is from the future/);
is($send->('d', '"x"'), 400, 'no time');
is($send->('d', '999'), 400, 'too short');
is($send->('d', time . '0.5'), 400, 'a fraction');
is($send->('d', 'null'), 400, 'null');
--- result
taken
refused clock
refused clock
refused malformed
refused malformed
refused malformed
refused malformed



=== TEST 9: without a time an id is kept for a month
--- generic
--- run
my $m = main::hook(body => '{"id":"e9"}');
is(send_callback($m)->{status}, 200, 'taken');
if (store_is('redis')) {
    my ($key) = grep { /\{hook\}:e9:/ } @{ redis_cmd('KEYS', '*') };
    my $left;
    wait_for(sub { ($left = redis_cmd('PTTL', $key)) > 60_000 });
    cmp_ok($left, '>', 29 * 86400 * 1000, 'its time to live');
}
is(send_callback($m)->{status}, 200, 'again');
is(shop_count(), 1, 'one delivery');
--- result
taken
duplicate duplicate



=== TEST 10: events that nobody wants, and words that nobody knows
--- generic
kind json(/kind);
map paid payment success;
map refunded refund success;
ignore test;
--- run
my $send = sub {
    send_callback(main::hook(body => qq({"id":"$_[0]","kind":"$_[0]"})))
        ->{status};
};
is($send->('paid'), 200, 'paid');
is($send->('test'), 200, 'test');
is($send->('new'), 200, 'new');
is($send->(''), 400, 'empty');
is($send->('a b'), 400, 'not visible');
my @got = map { shop_event($_) } shop_requests(2);
is(join(' ', map { "$_->{kind}:$_->{type}:$_->{outcome}" } @got),
   'paid:payment:success new:unknown:unknown', 'events');
--- result
taken
ignored
taken
refused malformed
refused malformed



=== TEST 11: all others are ignored, all others are pending
--- generic
kind json(/kind);
map paid payment success;
ignore *;
--- run
for my $kind (qw(paid other)) {
    is(send_callback(main::hook(body => qq({"id":"1","kind":"$kind"})))
       ->{status}, 200, $kind);
}
is(shop_count(), 1, 'one delivery');
--- result
taken
ignored



=== TEST 12: the account
--- generic
require json(/shop) 17 18;
--- run
for my $shop (qw("17" 18 "19" 1 null {} "")) {
    send_callback(main::hook(body => qq({"id":"s","x":$shop,"shop":$shop})));
}
is(send_callback(main::hook(body => '{"id":"t"}'))->{status}, 403, 'none');
is(shop_count(), 1, 'one delivery');
--- result
taken
duplicate duplicate
refused account_mismatch
refused account_mismatch
refused account_mismatch
refused malformed
refused account_mismatch
refused account_mismatch



=== TEST 13: bodies that are no JSON object, and JSON that parsers disagree on
--- generic
--- run
for my $body ('', 'x', '[]', '"e"', '{"id":"e"', '{"id":"a","id":"b"}',
              '{"id":"a"}{}', '{"id":{"x":1}}', '{"x":1}', '{"id":""}',
              "{\"id\":\"a\0\"}", '{"id":"' . 'x' x 129 . '"}', '{"id":"a b"}')
{
    is(send_callback(main::hook(body => $body))->{status}, 400, $body);
}
is(shop_count(), 0, 'no delivery');



=== TEST 14: numbers are text: no digit is lost
--- generic
trade_no json(/n);
--- callback
main::hook(body => '{"id":"n","n":2023041201234567891}')
--- shop
[ { header => { 'X-Paygw-Trade-No' => '2023041201234567891' } } ]



=== TEST 15: amounts by the currency, and their limits
--- generic
amount json(/a) decimal;
currency json(/c);
--- run
my $i = 0;
my $send = sub {
    my ($amount, $currency) = @_;
    my $before = shop_count();
    send_callback(main::hook(body =>
        sprintf '{"id":"i%d","a":%s,"c":"%s"}', $i++, $amount, $currency));
    my @got = shop_requests(0);
    return @got > $before ? shop_header($got[-1], 'X-Paygw-Amount') : '-';
};
is($send->('"12.34"', 'EUR'), 1234, 'two decimals');
is($send->('"12"', 'EUR'), 1200, 'none given');
is($send->('12.3', 'EUR'), 1230, 'a number');
is($send->('"12"', 'JPY'), 12, 'no decimals');
is($send->('"12.00"', 'JPY'), '-', 'decimals that it does not have');
is($send->('"12.345"', 'KWD'), 12345, 'three decimals');
is($send->('"12.345"', 'EUR'), '-', 'too many');
is($send->('"-1"', 'EUR'), '-', 'negative');
is($send->('1e3', 'EUR'), '-', 'exponent');
is($send->('"999999999999999.99"', 'EUR'), '99999999999999999', 'large');
is($send->('"1000000000000000.00"', 'EUR'), '-', 'too large');
is($send->('"1.00"', 'eur'), '-', 'not a currency');
is($send->('"1.00"', ''), '-', 'none');



=== TEST 16: what is encrypted
--- generic
decrypt_key file:$TEST_NGINX_KEYS/apiv3.key;
decrypt 'aes_256_gcm(unbase64(json(/c)), json(/n), default(json(/a), ""))';
-replay_id
replay_id json(/id);
order_id plain(/order);
require plain(/shop) 17;
--- run
my $c = main::seal('{"order":"E1","shop":"17"}', 'abcdefghijkl', 'aad');
my $send = sub {
    send_callback(main::hook(body => $_[0]))->{status};
};
is($send->(qq({"id":"1","c":"$c","n":"abcdefghijkl","a":"aad"})), 200, 'open');
my ($r) = shop_requests(1);
is(shop_header($r, 'X-Paygw-Order-Id'), 'E1', 'order');
is_deeply(shop_event($r)->{data}, { order => 'E1', shop => '17' }, 'data');
is($send->(qq({"id":"2","c":"$c","n":"abcdefghijkl"})), 401, 'no aad');
is($send->(qq({"id":"2","c":"$c","n":"abcdefghijk","a":"aad"})), 401, 'nonce');
is($send->(qq({"id":"2","c":"AAAA","n":"abcdefghijkl"})), 401, 'short');
is($send->(qq({"id":"2","c":"=","n":"abcdefghijkl"})), 400, 'no base64');
is($send->(qq({"id":"2","n":"abcdefghijkl"})), 400, 'no text');
--- result
taken
refused decrypt
refused decrypt
refused decrypt
refused malformed
refused malformed



=== TEST 17: an event that must be confirmed
--- generic
confirm query;
order_id header(X-Order);
--- callback
main::hook(headers => [['X-Order', 'U1']])
--- shop
[ { header => { 'X-Paygw-Order-Id' => 'U1', 'X-Paygw-Confirm' => 'query' },
    event => { confirm => 'query' } } ]



=== TEST 18: another one need not
--- generic
--- callback
main::hook()
--- shop
[ { header => { 'X-Paygw-Confirm' => undef } } ]



=== TEST 19: bytes do not move from one signed value to the next
--- generic
-signed
signed 'join(".", header(X-Id), header(X-Time), body)';
-replay_id
replay_id header(X-Id);
time header(X-Time) s;
--- run
my $t = time;
my $b = "$t.{}";
is(send_callback(main::hook(text => "a.$t.$b", body => $b,
    headers => [['X-Id', 'a'], ['X-Time', $t]]))->{status}, 200, 'genuine');
is(send_callback(main::hook(text => "a.$t.$b", body => '{}',
    headers => [['X-Id', "a.$t"], ['X-Time', $t]]))->{status}, 400, 'moved');
is(shop_count(), 1, 'one delivery');
--- result
taken
refused malformed
--- error_log
hint: a signed value holds its separator



=== TEST 20: the query as it was sent
--- generic
-signed
signed 'join("\n", method, path_raw, query_raw, body)';
-replay_id
replay_id query(id);
order_id query(o);
--- run
my $b = '{}';
my $q = 'id=q%31&o=a%2Bb';
is(send_callback(main::hook(target => "/notify/x%20y?$q", body => $b,
    text => "POST\n/notify/x%20y\n$q\n$b"))->{status}, 200, 'taken');
my ($r) = shop_requests(1);
is(shop_header($r, 'X-Paygw-Order-Id'), 'a+b', 'order');
is(shop_header($r, 'X-Paygw-Event-Id'), 'hook:q1:unknown', 'id');
is(send_callback(main::hook(target => "/notify?$q", body => $b,
    text => "POST\n/notify\n$q\n$b "))->{status}, 401, 'another text');
--- result
taken
refused signature



=== TEST 21: encodings and digests
--- generic
-signed
signed 'join("|", hex(body), base64(json(/id)), urlencode(json(/u)),
    urlencode(json(/u), form), hex(sha256(body)), upper(hex(md5(body))),
    crc32_dec(body), trim(json(/w)), lower(json(/w)),
    hex(sha1(body)), hex(sha512(body)), unhex(json(/h)),
    unbase64(json(/b)), unbase64url(json(/b2)))';
--- run
require Digest::MD5;
require Compress::Zlib;
my $b = '{"id":"e22","u":"a b~*\u00e4/","w":" Xy ","h":"4A6b","b":"aGk=",'
    . '"b2":"_-8"}';
my $t = join '|', unpack('H*', $b), MIME::Base64::encode_base64('e22', ''),
    'a%20b~%2A%C3%A4%2F', 'a+b%7E*%C3%A4%2F', sha256_hex($b),
    uc Digest::MD5::md5_hex($b), Compress::Zlib::crc32($b), 'Xy', ' xy ',
    Digest::SHA::sha1_hex($b), Digest::SHA::sha512_hex($b), 'Jk', 'hi',
    "\xff\xef";
is(send_callback(main::hook(body => $b, text => $t))->{status}, 200, 'taken');
--- result: taken



=== TEST 22: a value that grows too long
--- generic
-signed
signed 'hex(hex(hex(hex(hex(hex(hex(hex(body))))))))';
--- run
my $b = '{"id":"' . 'x' x 30000 . '"}';
is(send_callback(main::hook(body => $b))->{status}, 400, 'refused');
--- result: refused malformed
--- error_log
hint: a value is too long



=== TEST 23: media types
--- generic
content_type application/json text/xml;
--- run
is(send_callback(main::hook(type => 'application/json; charset=utf-8'))
   ->{status}, 200, 'with a parameter');
is(send_callback(main::hook(type => 'text/plain'))->{status}, 415, 'another');
--- result
taken
refused content_type



=== TEST 24: answers of its own
--- generic
-ack
ack ok 202 text/plain "[accepted]";
ack refused 200 application/json '{"err_no":1}';
ack retry same text/plain "later";
--- shop_plan
(500, 200)
--- run
my $say = sub { my $r = send_callback($_[0]);
                return "$r->{status} $r->{header}{'content-type'} $r->{body}" };
my $m = main::hook();
is($say->($m), '502 text/plain later', 'the shop fails');
is($say->($m), '202 text/plain [accepted]', 'taken');
is($say->($m), '202 text/plain [accepted]', 'duplicate');
is($say->(main::hook(key => 'x')), '200 application/json {"err_no":1}',
   'refused');
--- result
released shop
taken
duplicate duplicate
refused signature



=== TEST 25: strings to sign that requests have: LINE Pay, POST
--- generic
-key
key text:a917ab6a2367b536f8e5a6e2977e06f4;
-signature
signature header(X-LINE-Authorization) base64;
-signed
signed 'concat(secret, path_raw, body, header(X-LINE-Authorization-Nonce))';
-replay_id
replay_id header(X-LINE-Authorization-Nonce);
confirm query;
--- run
my $m = main::hook(no_sig => 1, target => '/v3/payments/request',
    body => '{"amount":100,"currency":"TWD","orderId":"O1","packages":[]}',
    headers => [['X-LINE-Authorization-Nonce',
                 '4a5f2f0a-1b2c-4d3e-8f90-abcdef012345'],
                ['X-LINE-Authorization',
                 'gjFBCBuYl5xUXD7tC7wbod7Rgkf7gB8Lh8qzZBPXMDM=']]);
is(send_callback($m)->{status}, 200, 'genuine');
$m->{body} =~ s/100/101/;
is(send_callback($m)->{status}, 401, 'changed');
--- result
taken
refused signature



=== TEST 26: two fields of a form, as Razorpay's checkout has them
--- generic
-key
key text:rzp_whsec;
-signature
signature form(razorpay_signature) hex;
-signed
signed 'join("|", form(razorpay_order_id), form(razorpay_payment_id))';
-replay_id
replay_id form(razorpay_payment_id);
order_id form(razorpay_order_id);
--- run
my $sig = '46d6f51a93b0b6506537ec14ed4b139e'
    . '96ba95b3f0324dc63c04aa82e60a225b';
my $send = sub {
    my ($order, $payment) = @_;
    send_callback(main::hook(no_sig => 1,
        body => "razorpay_order_id=$order&razorpay_payment_id=$payment"
                . "&razorpay_signature=$sig&extra=unsigned"))->{status};
};
is($send->('order_1', 'pay_1'), 200, 'genuine');
is($send->('order_1%7Cpay_1', ''), 400, 'moved');
is($send->('order_2', 'pay_1'), 401, 'another order');
my ($r) = shop_requests(1);
is_deeply(shop_event($r)->{data}, { razorpay_order_id => 'order_1',
          razorpay_payment_id => 'pay_1' }, 'what is signed');
--- result
taken
refused malformed
refused signature



=== TEST 27: what must be confirmed does not take the place of the genuine one
--- generic
confirm query;
order_id header(X-Order);
trade_no header(X-Trade);
--- run
my @m = map { main::hook(headers => [['X-Order', $_->[0]],
                                     ['X-Trade', $_->[1]]]) }
    ['U2', 'T1'], ['U1', 'T2'], ['U1', 'T1'], ['U1', 'T1'];
is(send_callback($_)->{status}, 200, 'taken') for @m;
is(join(' ', map { shop_header($_, 'X-Paygw-Trade-No') } shop_requests(3)),
   'T1 T2 T1', 'each was delivered, and the repeat was not');
--- result
taken
taken
taken
duplicate duplicate



=== TEST 28: values without their names are not handed over
--- generic
-signed
signed 'concat(sorted_params(form, without(id), values), ":", form(id))';
-replay_id
replay_id form(id);
--- callback
main::hook(type => 'application/x-www-form-urlencoded', text => '1&900:e1',
           body => 'id=e1&amount=900&fee=1')
--- shop
[ { event => { data => { id => 'e1' } } } ]
