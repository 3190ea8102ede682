# What nginx -t says of merchants and of the locations that they may call.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;

# a block with "--- merchant" has these parameters in a merchant "m"

add_block_preprocessor(sub {
    my $block = shift;
    return if !defined $block->merchant;
    $block->set_value('http_config', ($block->http_config // '')
                      . "    paygw_merchant m {\n" . $block->merchant
                      . "\n    }\n");
    $block->set_value('config', '') if !defined $block->config;
});

our $Good = 'key m1 file:$TEST_NGINX_KEYS/m1.secret;';

PaygwCall::secret_file('m1.secret', 'a good secret of at least 32 bytes');
PaygwCall::secret_file('short.secret', 'x' x 31);
PaygwCall::secret_file('empty.secret', '');
PaygwCall::secret_file('newline.secret', ('x' x 31) . "\n");
PaygwCall::secret_file('merchant.conf',
                       "key m1 text:first_secret_of_at_least_32_bytes_1;\n");
chmod 0644, PaygwCall::secret_file('open.secret', 'x' x 40);

run_tests();

__DATA__

=== TEST 1: no key
--- merchant
window 60s;
--- must_die
--- error_log
no "key" or "public_key" is defined for merchant "m"

=== TEST 2: a short secret
--- merchant
key m1 file:$TEST_NGINX_KEYS/short.secret;
--- must_die
--- error_log
"key" "m1" of merchant "m" has 31 bytes, at least 32 are needed, make it with "openssl rand -hex 32"

=== TEST 3: an empty secret
--- merchant
key m1 file:$TEST_NGINX_KEYS/empty.secret;
--- must_die
--- error_log
is empty

=== TEST 4: a line feed at the end is not part of it
--- merchant
key m1 file:$TEST_NGINX_KEYS/newline.secret;
--- must_die
--- error_log
"key" "m1" of merchant "m" has 31 bytes

=== TEST 5: a secret that everyone can read
--- merchant
key m1 file:$TEST_NGINX_KEYS/open.secret;
--- must_die
--- error_log
is readable by everyone, use "chmod 600"

=== TEST 6: a secret that is no source
--- merchant
key m1 $TEST_NGINX_KEYS/m1.secret;
--- must_die
--- error_log
"key" "m1" of merchant "m" must be "file:PATH", "env:NAME" or "text:VALUE"

=== TEST 7: a secret in the configuration is a warning
--- merchant
key m1 text:a_secret_of_thirty-two_bytes_or_more;
--- request
GET /
--- error_code: 200
--- error_log
"key" "m1" of merchant "m" stands in the configuration, use "file:" or "env:" outside of tests

=== TEST 8: key ids
--- merchant
key "m 1" file:$TEST_NGINX_KEYS/m1.secret;
--- must_die
--- error_log
invalid key id "m 1" of merchant "m", it must be 1 to 64 letters, digits, "-", "_" and "."

=== TEST 9: key ids are not too long
--- merchant eval
'key ' . 'x' x 65 . ' file:$TEST_NGINX_KEYS/m1.secret;'
--- must_die
--- error_log
it must be 1 to 64 letters

=== TEST 10: of a public key, too
--- merchant
public_key a:b $TEST_NGINX_KEYS/call_ec.pem;
--- must_die
--- error_log
invalid key id "a:b" of merchant "m"

=== TEST 11: a key id of two merchants
--- merchant
key k1 file:$TEST_NGINX_KEYS/m1.secret;
--- must_die
--- error_log
key id "k1" of merchant "m" is already that of merchant "shop", nothing else in a call tells whose it is, use another id

=== TEST 12: three secrets of one id
--- merchant
key m1 text:first_secret_of_at_least_32_bytes_1;
key m1 text:first_secret_of_at_least_32_bytes_2;
key m1 text:first_secret_of_at_least_32_bytes_3;
--- must_die
--- error_log
duplicate key id "m1" of merchant "m", it may have at most 2 secrets, all of one kind

=== TEST 13: a secret and a public key of one id
--- merchant
key m1 file:$TEST_NGINX_KEYS/m1.secret;
public_key m1 $TEST_NGINX_KEYS/call_rsa2.pem;
--- must_die
--- error_log
duplicate key id "m1"

=== TEST 14: secrets of one id for MD5 and for HMAC
--- merchant
key m1 file:$TEST_NGINX_KEYS/m1.secret;
key m1 text:first_secret_of_at_least_32_bytes_1 md5;
--- must_die
--- error_log
duplicate key id "m1"

=== TEST 15: the same secret twice
--- merchant
key m1 file:$TEST_NGINX_KEYS/m1.secret;
key m1 file:$TEST_NGINX_KEYS/m1.secret;
--- must_die
--- error_log
key "m1" of merchant "m" is the same as key "m1" of merchant "m"

=== TEST 16: the secret of another merchant
--- merchant
key m1 file:$TEST_NGINX_KEYS/o1.secret;
--- must_die
--- error_log
key "m1" of merchant "m" is the same as key "o1" of merchant "other", give each one of its own

=== TEST 17: the public key of another merchant
--- merchant
public_key m1 $TEST_NGINX_KEYS/call_ed.pem;
--- must_die
--- error_log
key "m1" of merchant "m" is the same as key "ed" of merchant "public"

=== TEST 18: a private key where a public one is meant
--- merchant
public_key m1 $TEST_NGINX_KEYS/call_rsa2.key;
--- must_die
--- error_log
cannot load public key
private key

=== TEST 19: a curve that is not accepted
--- merchant
public_key m1 $TEST_NGINX_KEYS/call_p384.pem;
--- must_die
--- error_log
"public_key" "m1" of merchant "m" is of no accepted kind, it must be of RSA, on the curve P-256, or of Ed25519

=== TEST 20: an RSA key that is too short
--- merchant
public_key m1 $TEST_NGINX_KEYS/rsa1024.pem;
--- must_die
--- error_log
at least 2048 are needed

=== TEST 21: a scheme that does not fit
--- merchant
public_key m1 $TEST_NGINX_KEYS/call_rsa2.pem ed25519;
--- must_die
--- error_log
"public_key" "m1" of merchant "m" is not one for "ed25519", leave that out

=== TEST 22: a scheme that is none
--- merchant
public_key m1 $TEST_NGINX_KEYS/call_rsa2.pem rsa;
--- must_die
--- error_log
is not one for "rsa", leave that out

=== TEST 23: no file
--- merchant
public_key m1 /nonexistent;
--- must_die
--- error_log
"/nonexistent" failed

=== TEST 24: a word behind a key
--- merchant
key m1 file:$TEST_NGINX_KEYS/m1.secret sha1;
--- must_die
--- error_log
invalid parameter "sha1" of "key" "m1" of merchant "m", it must be "md5"

=== TEST 25: numbers of arguments
--- merchant
key m1;
--- must_die
--- error_log
invalid number of arguments in "key" of merchant "m"

=== TEST 26: an unknown parameter
--- merchant
secret m1 x;
--- must_die
--- error_log
unknown parameter "secret" of merchant "m"

=== TEST 27: a window of nothing
--- merchant eval: "$::Good window 0;"
--- must_die
--- error_log
"window" of merchant "m" must be a time from 1s to 86400s

=== TEST 28: a window without end
--- merchant eval: "$::Good window 25h;"
--- must_die
--- error_log
"window" of merchant "m" must be a time from 1s to 86400s

=== TEST 29: no time at all
--- merchant eval: "$::Good window long;"
--- must_die
--- error_log
"window" of merchant "m" must be a time

=== TEST 30: twice
--- merchant eval: "$::Good window 10s; window 10s;"
--- must_die
--- error_log
"window" of merchant "m" is duplicate

=== TEST 31: nonces that are forgotten too early
--- merchant eval: "$::Good window 300s; nonce_ttl 599s;"
--- must_die
--- error_log
"nonce_ttl" 599s of merchant "m" is less than twice "window" 300s: a call could be replayed while its time is still accepted, leave "nonce_ttl" out

=== TEST 32: and the least that is not
--- merchant eval: "$::Good window 300s; nonce_ttl 600s;"
--- request
GET /
--- error_code: 200

=== TEST 33: of the default window
--- merchant eval: "$::Good nonce_ttl 10m; "
--- request
GET /
--- error_code: 200

=== TEST 34: and less
--- merchant eval: "$::Good nonce_ttl 9m; "
--- must_die
--- error_log
is less than twice "window" 300s

=== TEST 35: an include
--- merchant eval
"include $ENV{TEST_NGINX_KEYS}/merchant.conf;"
--- request
GET /
--- error_code: 200

=== TEST 36: names
--- http_config
    paygw_merchant "a b" { }
--- must_die
--- error_log
invalid merchant name "a b", it must be 1 to 64 letters, digits, "-" and "_", and neither "off" nor "sign_response"

=== TEST 37: names that are words
--- http_config
    paygw_merchant off { }
--- must_die
--- error_log
invalid merchant name "off"

=== TEST 38: a name twice
--- merchant eval: $::Good
--- http_config
    paygw_merchant m { key x text:first_secret_of_at_least_32_bytes_1; }
--- must_die
--- error_log
duplicate merchant "m"

=== TEST 39: an unknown merchant
--- config
    location /a { paygw_auth shop nobody; }
--- must_die
--- error_log
"paygw_auth" names unknown merchant "nobody" in
define it by "paygw_merchant nobody { ... }"

=== TEST 40: no merchant
--- config
    location /a { paygw_auth sign_response; }
--- must_die
--- error_log
"paygw_auth" directive names no merchant

=== TEST 41: off and more
--- config
    location /a { paygw_auth off shop; }
--- must_die
--- error_log
invalid parameter "shop"

=== TEST 42: twice
--- config
    location /a { paygw_auth shop; paygw_auth other; }
--- must_die
--- error_log
"paygw_auth" directive is duplicate

=== TEST 43: no store
--- no_store
--- config
    location /a { paygw_auth shop; }
--- must_die
--- error_log
no store is defined for "paygw_auth" in
add "paygw_zone paygw:16m" or "paygw_store redis://..." to "http"

=== TEST 44: answers cannot be signed for public keys
--- config
    location /a { paygw_auth shop public sign_response; }
--- must_die
--- error_log
cannot sign for merchant "public", which has a "public_key": answers are signed with the secret of the caller

=== TEST 45: keys for MD5 alone, in header fields
--- config
    location /a { paygw_auth old; }
--- must_die
--- error_log
merchant "old" of "paygw_auth" in
has keys for "md5" alone, which is of "paygw_auth_style params"

=== TEST 46: no such style
--- config
    location /a { paygw_auth shop; paygw_auth_style body; }
--- must_die
--- error_log
invalid value "body", it must be "headers" or "params"

=== TEST 47: names of parameters belong to params
--- config
    location /a { paygw_auth shop; paygw_auth_style headers sign=x; }
--- must_die
--- error_log
invalid parameter "sign=x"

=== TEST 48: an unknown name
--- config
    location /a { paygw_auth shop; paygw_auth_style params secret=x; }
--- must_die
--- error_log
invalid parameter "secret=x"

=== TEST 49: an empty name
--- config
    location /a { paygw_auth shop; paygw_auth_style params sign=; }
--- must_die
--- error_log
invalid parameter "sign="

=== TEST 50: a style twice
--- config
    location /a { paygw_auth_style params; paygw_auth_style params; }
--- must_die
--- error_log
"paygw_auth_style" directive is duplicate

=== TEST 51: what to do without the store
--- config
    location /a { paygw_auth_store_error pass; }
--- must_die
--- error_log
invalid value "pass"

=== TEST 52: a limit that lets nothing through
--- config
    location /a { paygw_auth shop; paygw_body_max 0; }
--- must_die
--- error_log
"paygw_body_max" for "paygw_auth" in

=== TEST 53: a limit of answers that not even an error would fit
--- config
    location /a { paygw_auth shop; paygw_response_max 1023; }
--- must_die
--- error_log
"paygw_response_max" for "paygw_auth" in

=== TEST 54: not in "if"
--- config
    location /a { if ($uri) { paygw_auth shop; } }
--- must_die
--- error_log
"paygw_auth" directive is not allowed here

=== TEST 55: 300 merchants
--- http_config eval
CORE::join '', map { "    paygw_merchant m$_ { key id$_ text:secret_of_at_least_thirty-two_bytes_$_; }\n" } 1 .. 300
--- config eval
'location /a { paygw_auth ' . CORE::join(' ', map { "m$_" } 1 .. 300)
. '; return 200 $paygw_merchant; }
   location /b { paygw_auth m7; return 200; }'
--- run
for (1, 8, 9, 299, 300) {
    my $res = send_callback(call(target => '/a', key => "id$_",
        secret => "secret_of_at_least_thirty-two_bytes_$_"));
    is("$res->{status} $res->{body}", "200 m$_");
}
answer_ok(send_callback(call(target => '/b', key => 'id8',
    secret => 'secret_of_at_least_thirty-two_bytes_8')), 'BAD_SIGNATURE');
answer_ok(send_callback(call(target => '/b', key => 'id7',
    secret => 'secret_of_at_least_thirty-two_bytes_7')), 200);

=== TEST 56: two names of parameters that are one
--- config
    location /a { paygw_auth shop; paygw_auth_style params sign=key_id; }
--- must_die
--- error_log
"paygw_auth_style" gives two parameters the name "key_id"
