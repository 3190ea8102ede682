# What nginx -t says of a channel of the provider generic.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: it starts
--- generic

--- run
pass("nginx starts")

=== TEST 2: "algorithm" is needed
--- generic
-algorithm
--- must_die
--- error_log
no "algorithm" is defined for channel "hook"

=== TEST 3: "signature" is needed
--- generic
-signature
--- must_die
--- error_log
no "signature" is defined for channel "hook"

=== TEST 4: "signed" is needed
--- generic
-signed
--- must_die
--- error_log
no "signed" is defined for channel "hook"

=== TEST 5: "ack" is needed
--- generic
-ack
--- must_die
--- error_log
no "ack ok" is defined for channel "hook"

=== TEST 6: "key" is needed
--- generic
-key
--- must_die
--- error_log
channel "hook" needs a "key" for its "algorithm"

=== TEST 7: "replay_id" is needed
--- generic
-replay_id
--- must_die
--- error_log
channel "hook" needs a "replay_id" that stays the same when the provider repeats a callback

=== TEST 8: a constant is no replay_id
--- generic
-replay_id
replay_id '"1"';
--- must_die
--- error_log
channel "hook" needs a "replay_id"

=== TEST 9: unknown algorithm
--- generic
-algorithm
algorithm crc32;
--- must_die
--- error_log
invalid "algorithm" of channel "hook": "crc32", it must be hmac(md5|sha1|sha256|sha512|sm3), digest(

=== TEST 10: an algorithm comes from the configuration only
--- generic
-algorithm
algorithm header(X-Algorithm);
--- must_die
--- error_log
invalid "algorithm" of channel "hook": "header(X-Algorithm)"

=== TEST 11: unknown hash
--- generic
-algorithm
algorithm hmac(sha3);
--- must_die
--- error_log
invalid "algorithm" of channel "hook": "hmac(sha3)"

=== TEST 12: none is no algorithm
--- generic
-algorithm
algorithm none;
--- must_die
--- error_log
invalid "algorithm" of channel "hook": "none"

=== TEST 13: "algorithm" is given once
--- generic
algorithm hmac(sha1);
--- must_die
--- error_log
"algorithm" of channel "hook" is duplicate

=== TEST 14: a digest needs the secret
--- generic
-algorithm
algorithm digest(sha256);
--- must_die
--- error_log
channel "hook" has a digest without secret in "signed": anyone could compute it

=== TEST 15: a digest has its secret at the end
--- generic
-algorithm
algorithm digest(sha256);
-signed
signed 'concat(secret, body)';
--- must_die
--- error_log
channel "hook" has a digest whose last part is not the secret

=== TEST 16: a digest with its secret at the end starts
--- generic
-algorithm
algorithm digest(sha256);
-signed
signed 'concat(body, secret)';
--- run
pass("nginx starts")

=== TEST 17: a signature scheme needs a public key
--- generic
-algorithm
algorithm rsa_sha256;
-key
--- must_die
--- error_log
channel "hook" needs a "public_key" or "certificate" for its "algorithm"

=== TEST 18: a secret is no public key
--- generic
-algorithm
algorithm rsa_sha256;
--- must_die
--- error_log
channel "hook" has a "key", and its "algorithm" takes a "public_key"

=== TEST 19: a public key is no secret
--- generic
public_key $TEST_NGINX_KEYS/alipay.pem;
--- must_die
--- error_log
channel "hook" has a "public_key" or "certificate", and its "algorithm" takes a "key"

=== TEST 20: the pre-flight: a key of another type
--- generic
-algorithm
algorithm rsa_sha256;
-key
public_key $TEST_NGINX_KEYS/ec.pem;
--- must_die
--- error_log
"public_key" of channel "hook" cannot verify a signature, an RSA key is needed

=== TEST 21: an RSA key does not verify ECDSA
--- generic
-algorithm
algorithm ecdsa_p256;
-key
public_key $TEST_NGINX_KEYS/alipay.pem;
--- must_die
--- error_log
"public_key" of channel "hook" cannot verify a signature, an EC key on P-256 is needed

=== TEST 22: hmac(md5) starts
--- generic
-algorithm
algorithm hmac(md5);
--- run
pass("nginx starts")

=== TEST 23: hmac(sha1) starts
--- generic
-algorithm
algorithm hmac(sha1);
--- run
pass("nginx starts")

=== TEST 24: hmac(sha512) starts
--- generic
-algorithm
algorithm hmac(sha512);
--- run
pass("nginx starts")

=== TEST 25: a certificate starts
--- generic
-algorithm
algorithm rsa_pss_sha256;
-key
certificate $TEST_NGINX_KEYS/alipay.crt;
--- run
pass("nginx starts")

=== TEST 26: an empty key
--- generic
-key
key text: hex;
--- must_die
--- error_log
key is empty

=== TEST 27: a key that is empty behind its prefix
--- generic
-key
key text:whsec_ base64 after=whsec_;
--- must_die
--- error_log
"key" of channel "hook" must not be empty

=== TEST 28: a key without its prefix
--- generic
-key
key text:c2VjcmV0 base64 after=whsec_;
--- must_die
--- error_log
"key" of channel "hook" does not begin with "whsec_", copy it once more

=== TEST 29: a key that is not hexadecimal
--- generic
-key
key text:xyz1 hex;
--- must_die
--- error_log
"key" of channel "hook" is not in the encoding that is given

=== TEST 30: a key that is not base64
--- generic
-key
key text:c2VjcmV base64;
--- must_die
--- error_log
"key" of channel "hook" is not in the encoding that is given

=== TEST 31: an unknown encoding
--- generic
-key
key text:secret base32;
--- must_die
--- error_log
invalid "key" of channel "hook": "base32", it must be text, hex, base64, base64url, after=PREFIX or id=ID

=== TEST 32: a secret has a source
--- generic
-key
key secret;
--- must_die
--- error_log
key must be "file:PATH", "env:NAME" or "text:VALUE"

=== TEST 33: key ids for all keys
--- generic
key_id header(X-Key);
--- must_die
--- error_log
channel "hook" has a "key_id", so that each key needs "id="

=== TEST 34: unknown source
--- generic
-signed
signed bodi;
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": unknown source or function at "bodi"

=== TEST 35: unknown function
--- generic
-signed
signed rot13(body);
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": unknown source or function at "rot13(body)"

=== TEST 36: a variable
--- generic
-signed
signed $request_body;
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": there are no variables here, use header(NAME), json(POINTER) and the like, at "$request_body"

=== TEST 37: not enough arguments
--- generic
-signed
signed lower();
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": not enough arguments at "lower()"

=== TEST 38: not enough arguments without parentheses
--- generic
-signed
signed concat;
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": not enough arguments at "concat"

=== TEST 39: too many arguments
--- generic
-signed
signed 'lower(body, body)';
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": too many arguments at "lower(body, body)"

=== TEST 40: an expression in two words
--- generic
-signed
signed concat(body, body);
--- must_die
--- error_log
invalid number of arguments in "signed" of channel "hook": 2, it must be at most 1, a value with spaces needs quotes

=== TEST 41: text after it
--- generic
-signed
signed 'body body';
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": unexpected text after the expression at "body"

=== TEST 42: no end
--- generic
-signed
signed 'concat(body';
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": "," or ")" is expected at its end, an expression

=== TEST 43: a string without its end
--- generic
-signed
signed 'concat(body, ".)';
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": a string without its end

=== TEST 44: an empty expression
--- generic
-signed
signed '';
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": a word is expected at its end

=== TEST 45: too deep
--- generic
-signed
signed 'hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(body)))))))))))))))))';
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": too deep at

=== TEST 46: a name of a header field
--- generic
-signed
signed 'concat(header("X Y"), "\n", body)';
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": invalid name of a header field

=== TEST 47: too many header fields
--- generic
-signed
signed 'join(".", header(X-0), header(X-1), header(X-2), header(X-3), header(X-4), header(X-5), header(X-6), header(X-7), header(X-8), header(X-9), header(X-10), header(X-11), header(X-12), header(X-13), header(X-14), header(X-15), body)';
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": too many header fields

=== TEST 48: a pointer begins with a slash
--- generic
-replay_id
replay_id json(id);
--- must_die
--- error_log
invalid expression in "replay_id" of channel "hook": a pointer begins with "/"

=== TEST 49: escapes of a pointer
--- generic
-replay_id
replay_id json(/a~b);
--- must_die
--- error_log
invalid expression in "replay_id" of channel "hook": in a pointer "~" is "~0" and "/" is "~1"

=== TEST 50: separators of a header
--- generic
-signature
signature 'header_param(X-S, ";;", =, v1)' hex;
--- must_die
--- error_log
invalid expression in "signature" of channel "hook": separators are one character each

=== TEST 51: which one of a list
--- generic
-signature
signature 'header_param(X-S, ";", =, v1, any)' hex;
--- must_die
--- error_log
invalid expression in "signature" of channel "hook": "one", "first", "last" or "all" is expected

=== TEST 52: all of a list is for signatures
--- generic
-replay_id
replay_id 'header_param(X-S, ";", =, v1, all)';
--- must_die
--- error_log
"replay_id" of channel "hook" takes "all" of a list, use "first" or "last"

=== TEST 53: all of a list is not for what is signed
--- generic
-signed
signed 'concat(header_param(X-S, ";", =, t, all), ".", body)';
--- must_die
--- error_log
channel "hook" takes "all" of a list outside of "signature"

=== TEST 54: the secret stands in "signed" only
--- generic
order_id 'concat(json(/a), secret)';
--- must_die
--- error_log
"order_id" of channel "hook" uses its secret, which may stand in "signed" only

=== TEST 55: the secret is no signature
--- generic
-signature
signature secret hex;
--- must_die
--- error_log
channel "hook" uses its secret outside of "signed"

=== TEST 56: url_configured without url
--- generic
-signed
signed 'concat(url_configured, body)';
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": url_configured needs "url" in front of it

=== TEST 57: plain() without decrypt
--- generic
order_id plain(/a);
--- must_die
--- error_log
invalid expression in "order_id" of channel "hook": plain() needs "decrypt" in front of it

=== TEST 58: decryption needs its key
--- generic
decrypt 'aes_256_gcm(unbase64(json(/c)), json(/n), json(/a))';
--- must_die
--- error_log
invalid expression in "decrypt" of channel "hook": aes_256_gcm() needs a "decrypt_key" of 32 bytes in front of it

=== TEST 59: item() without each
--- generic
order_id item(/a);
--- must_die
--- error_log
channel "hook" uses item() without "each"

=== TEST 60: each without item()
--- generic
each /items;
--- must_die
--- error_log
channel "hook" has "each", but no item() in "signed"

=== TEST 61: sorted parameters of what
--- generic
-signed
signed sorted_params(header);
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": "form", "xml", "json" or "query" is expected

=== TEST 62: an option of sorted parameters
--- generic
-signed
signed 'sorted_params(form, reverse)';
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": unknown option of sorted_params()

=== TEST 63: separators of sorted parameters
--- generic
-signed
signed 'sorted_params(form, sep(""))';
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": sep() and pair() are one character each

=== TEST 64: an encoding of a url
--- generic
-signed
signed 'urlencode(body, html)';
--- must_die
--- error_log
invalid expression in "signed" of channel "hook": "rfc3986" or "form" is expected

=== TEST 65: the encoding of a signature
--- generic
-signature
signature header(X-Signature) text;
--- must_die
--- error_log
invalid "signature" of channel "hook": "text", it must be an expression and hex, base64 or base64url

=== TEST 66: a time that is not signed
--- generic
time header(X-Time) s;
--- must_die
--- error_log
"time" of channel "hook" is not part of "signed": anyone could replay a callback with a new time

=== TEST 67: a time that is not signed, with "confirm"
--- generic
time header(X-Time) s;
confirm query;
--- must_die
--- error_log
"time" of channel "hook" is not part of "signed"

=== TEST 68: a time that is signed
--- generic
-signed
signed 'join(".", header(X-Time), body)';
time header(x-time) s;
--- run
pass("nginx starts")

=== TEST 69: a time in the signed body
--- generic
time json(/time) ms;
--- run
pass("nginx starts")

=== TEST 70: another part of the same header
--- generic
-signed
signed 'join(".", header_param(X-S, ";", =, t), body)';
time 'header_param(X-S, ";", =, u)' s;
--- must_die
--- error_log
"time" of channel "hook" is not part of "signed"

=== TEST 71: the first of a list is not the last
--- generic
-signed
signed 'join(".", header_param(X-S, ";", =, t, first), body)';
time 'header_param(X-S, ";", =, t, last)' s;
--- must_die
--- error_log
"time" of channel "hook" is not part of "signed"

=== TEST 72: the time in lower case is not the time
--- generic
-signed
signed 'join(".", lower(header(X-Time)), body)';
time header(X-Time) iso8601;
--- must_die
--- error_log
"time" of channel "hook" is not part of "signed"

=== TEST 73: an id that is not signed
--- generic
-replay_id
replay_id header(X-Id);
--- must_die
--- error_log
"replay_id" of channel "hook" is not part of "signed": anyone could change it

=== TEST 74: "order_id" that is not signed
--- generic
order_id header(X-Id);
--- must_die
--- error_log
"order_id" of channel "hook" is not part of "signed": anyone could change it

=== TEST 75: "trade_no" that is not signed
--- generic
trade_no header(X-Id);
--- must_die
--- error_log
"trade_no" of channel "hook" is not part of "signed": anyone could change it

=== TEST 76: "kind" that is not signed
--- generic
kind header(X-Id);
--- must_die
--- error_log
"kind" of channel "hook" is not part of "signed": anyone could change it

=== TEST 77: "currency" that is not signed
--- generic
currency header(X-Id);
--- must_die
--- error_log
"currency" of channel "hook" is not part of "signed": anyone could change it

=== TEST 78: "refund_id" that is not signed
--- generic
refund_id header(X-Id);
--- must_die
--- error_log
"refund_id" of channel "hook" is not part of "signed": anyone could change it

=== TEST 79: "refund_no" that is not signed
--- generic
refund_no header(X-Id);
--- must_die
--- error_log
"refund_no" of channel "hook" is not part of "signed": anyone could change it

=== TEST 80: "payer" that is not signed
--- generic
payer header(X-Id);
--- must_die
--- error_log
"payer" of channel "hook" is not part of "signed": anyone could change it

=== TEST 81: "amount" that is not signed
--- generic
amount header(X-Id) minor;
currency EUR;
--- must_die
--- error_log
"amount" of channel "hook" is not part of "signed": anyone could change it

=== TEST 82: "refund_amount" that is not signed
--- generic
refund_amount header(X-Id) minor;
currency EUR;
--- must_die
--- error_log
"refund_amount" of channel "hook" is not part of "signed": anyone could change it

=== TEST 83: "event_time" that is not signed
--- generic
event_time header(X-Id) s;
--- must_die
--- error_log
"event_time" of channel "hook" is not part of "signed": anyone could change it

=== TEST 84: an account that is not signed
--- generic
require header(X-Id) 1;
--- must_die
--- error_log
"require" of channel "hook" is not part of "signed": anyone could change it

=== TEST 85: all of it may be unsigned with "confirm"
--- generic
-replay_id
replay_id header(X-Id);
order_id header(X-O);
require header(X-Id) 1;
confirm query;
--- run
pass("nginx starts")

=== TEST 86: a field in part
--- generic
order_id 'concat(json(/a), header(X-Id))';
--- must_die
--- error_log
"order_id" of channel "hook" is not part of "signed": anyone could change it

=== TEST 87: a field made of the signed body
--- generic
order_id 'upper(strip_prefix(json(/a), "x"))';
--- run
pass("nginx starts")

=== TEST 88: a checksum is no signature
--- generic
-signed
signed crc32_dec(body);
--- must_die
--- error_log
channel "hook" signs nothing of the body

=== TEST 89: nor is MD5
--- generic
-signed
signed hex(md5(body));
--- must_die
--- error_log
channel "hook" signs nothing of the body

=== TEST 90: SHA-256 stands for the body
--- generic
-signed
signed hex(sha256(body));
--- run
pass("nginx starts")

=== TEST 91: a header alone is not the body
--- generic
-signed
signed header(X-Id);
-replay_id
replay_id header(X-Id);
--- must_die
--- error_log
channel "hook" signs nothing of the body

=== TEST 92: a field of an item that is signed
--- generic
-signed
signed 'join(":", item(/a), item(/b))';
each /items;
-replay_id
replay_id item(/a);
order_id item(/b);
--- run
pass("nginx starts")

=== TEST 93: a field of an item that is not signed
--- generic
-signed
signed 'join(":", item(/a), item(/b))';
each /items;
-replay_id
replay_id item(/a);
order_id item(/c);
--- must_die
--- error_log
"order_id" of channel "hook" is not part of "signed": anyone could change it

=== TEST 94: a field outside of the items
--- generic
-signed
signed 'join(":", item(/a), item(/b))';
each /items;
-replay_id
replay_id item(/a);
order_id json(/c);
--- must_die
--- error_log
"order_id" of channel "hook" is not part of "signed": anyone could change it

=== TEST 95: a default that could be meant
--- generic
-signed
signed 'join(":", item(/a), default(item(/b), "0"))';
each /items;
-replay_id
replay_id item(/a);
order_id item(/b);
--- must_die
--- error_log
"order_id" of channel "hook" is not part of "signed": anyone could change it

=== TEST 96: an empty default
--- generic
-signed
signed 'join(":", item(/a), default(item(/b), ""))';
each /items;
-replay_id
replay_id item(/a);
order_id item(/b);
--- run
pass("nginx starts")

=== TEST 97: sorted parameters
--- generic
-signed
signed 'concat(sorted_params(form, without(sign)), "&key=", secret)';
-replay_id
replay_id form(id);
-signature
signature form(sign) hex;
order_id form(order);
--- run
pass("nginx starts")

=== TEST 98: a parameter that is left out
--- generic
-signed
signed 'concat(sorted_params(form, without(sign, order)), "&key=", secret)';
-replay_id
replay_id form(id);
-signature
signature form(sign) hex;
order_id form(order);
--- must_die
--- error_log
"order_id" of channel "hook" is not part of "signed": anyone could change it

=== TEST 99: sorted values do not say whose they are
--- generic
-signed
signed 'concat(sorted_params(form, without(sign), values), "&", form(note),
    "&key=", secret)';
-replay_id
replay_id form(id);
-signature
signature form(sign) hex;
order_id form(order);
--- must_die
--- error_log
"replay_id" of channel "hook" is not part of "signed": anyone could change it

=== TEST 100: parameters of another document
--- generic
-signed
signed 'concat(sorted_params(form, without(sign)), "&key=", secret)';
-replay_id
replay_id form(id);
-signature
signature form(sign) hex;
order_id query(order);
--- must_die
--- error_log
"order_id" of channel "hook" is not part of "signed": anyone could change it

=== TEST 101: sorted values of expressions
--- generic
-signed
signed 'concat(sorted("", json(/id), json(/b)), secret)';
--- must_die
--- error_log
channel "hook" signs nothing of the body

=== TEST 102: side by side
--- generic
-signed
signed 'concat(header(X-Id), body)';
--- must_die
--- error_log
in "signed" of channel "hook" nothing known stands between "header" and "body": bytes could be moved from one to the other

=== TEST 103: side by side, the secret between
--- generic
-signed
signed 'concat(header(X-Id), secret, body)';
--- must_die
--- error_log
in "signed" of channel "hook" nothing known stands between "header" and "secret": bytes could be moved from one to the other

=== TEST 104: joined by nothing
--- generic
-signed
signed 'join("", header(X-Id), body)';
--- must_die
--- error_log
in "signed" of channel "hook" nothing known stands between "header" and "body": bytes could be moved from one to the other

=== TEST 105: behind the body
--- generic
-signed
signed 'concat(body, header(X-Id))';
--- must_die
--- error_log
in "signed" of channel "hook" nothing known stands between "header" and "body": bytes could be moved from one to the other

=== TEST 106: side by side with "confirm"
--- generic
-signed
signed 'concat(header(X-Id), body)';
confirm query;
--- run
pass("nginx starts")

=== TEST 107: two that may hold anything
--- generic
-signed
signed 'join(".", free(header(X-Id)), body)';
--- must_die
--- error_log
"signed" of channel "hook" has two parts that may hold anything, use free() once and not beside the body

=== TEST 108: a constant beside the body
--- generic
url https://a.example/;
-signed
signed 'concat(url_configured, body)';
--- run
pass("nginx starts")

=== TEST 109: a unit of time
--- generic
time json(/t) min;
--- must_die
--- error_log
invalid "time" of channel "hook": "min", it must be an expression and s, ms or iso8601

=== TEST 110: a window
--- generic
time json(/t) s back=0s;
--- must_die
--- error_log
invalid "time" of channel "hook": "back=0s", it must be a time of at least 1s, given once

=== TEST 111: a window twice
--- generic
time json(/t) s back=5s back=6s;
--- must_die
--- error_log
invalid "time" of channel "hook": "back=6s"

=== TEST 112: another option of time
--- generic
time json(/t) s window=5s;
--- must_die
--- error_log
invalid "time" of channel "hook": "window=5s", it must be back=TIME or forward=TIME

=== TEST 113: a window longer than ids are kept
--- generic
time json(/t) s back=27h;
--- must_die
--- error_log
channel "hook" has an "event_ttl" that is shorter than the window of its "time"

=== TEST 114: units of an amount
--- generic
amount json(/a) cents;
currency EUR;
--- must_die
--- error_log
invalid "amount" of channel "hook": "cents", it must be an expression and minor, decimal or decimal=1 to decimal=3

=== TEST 115: an amount needs a currency
--- generic
amount json(/a) minor;
--- must_die
--- error_log
channel "hook" has an amount without "currency"

=== TEST 116: a currency
--- generic
currency EURO;
--- must_die
--- error_log
invalid "currency" of channel "hook": "EURO", it must be an expression or a currency such as EUR

=== TEST 117: a map needs a kind
--- generic
map paid payment success;
--- must_die
--- error_log
channel "hook" has "map" or "ignore" without "kind"

=== TEST 118: a type of event
--- generic
kind json(/k);
map paid sale success;
--- must_die
--- error_log
invalid "map" of channel "hook": "success"

=== TEST 119: a type without an outcome
--- generic
kind json(/k);
map paid payment;
--- must_die
--- error_log
invalid "map" of channel "hook": "payment"

=== TEST 120: a word is mapped once
--- generic
kind json(/k);
map paid payment success;
map paid payment failed;
--- must_die
--- error_log
duplicate value "paid" in channel "hook"

=== TEST 121: confirm what
--- generic
confirm maybe;
--- must_die
--- error_log
invalid "confirm" of channel "hook": "maybe", it must be query

=== TEST 122: a media type
--- generic
content_type json;
--- must_die
--- error_log
invalid "content_type" of channel "hook": "json", it must be a media type without parameters

=== TEST 123: a media type with parameters
--- generic
content_type "application/json; charset=utf-8";
--- must_die
--- error_log
invalid "content_type" of channel "hook"

=== TEST 124: an ack of what
--- generic
ack maybe 200;
--- must_die
--- error_log
invalid "ack" of channel "hook": "maybe", it must be ok, refused or retry

=== TEST 125: a body has a media type
--- generic
ack refused 400 fail;
--- must_die
--- error_log
invalid "ack" of channel "hook": "refused"

=== TEST 126: a failure for success
--- generic
-ack
ack ok 400;
--- must_die
--- error_log
invalid "ack" of channel "hook": "400", it must be a status from 200 to 299

=== TEST 127: success has a status of its own
--- generic
-ack
ack ok same;
--- must_die
--- error_log
invalid "ack" of channel "hook": "same"

=== TEST 128: a redirect is no ack
--- generic
ack refused 302;
--- must_die
--- error_log
invalid "ack" of channel "hook": "302"

=== TEST 129: "ack ok" is given once
--- generic
ack ok 200;
--- must_die
--- error_log
"ack" of channel "hook" is duplicate

=== TEST 130: a body without place
--- generic
-ack
ack ok 204 text/plain ok;
--- must_die
--- error_log
invalid "ack" of channel "hook": "204", it must be a status that may have a body

=== TEST 131: a body too long
--- generic
-ack
ack ok 200 text/plain "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
--- must_die
--- error_log
body of "ack" of channel "hook" is longer than 1024 bytes

=== TEST 132: a failure that looks like success
--- generic
ack refused 200;
--- must_die
--- error_log
channel "hook" answers a failure as it answers a success

=== TEST 133: a failure with the body of success
--- generic
-ack
ack ok 200 text/plain ok;
ack retry 200 text/plain ok;
--- must_die
--- error_log
channel "hook" answers a failure as it answers a success

=== TEST 134: a failure with a body of its own
--- generic
-ack
ack ok 200 text/plain ok;
ack retry 200 text/plain fail;
ack refused same text/plain fail;
--- run
pass("nginx starts")

=== TEST 135: one channel in a location
--- generic
--- http_config
    paygw_channel other {
        provider   generic;
        algorithm  hmac(sha256);
        key        file:$TEST_NGINX_KEYS/apiv3_other.key;
        signature  header(X-Signature) hex;
        signed     body;
        replay_id  json(/id);
        ack        ok 200;
    }
--- config
    location = /notify {
        paygw_notify  hook other;
    }
--- must_die
--- error_log
but no message says which channel of provider "generic" it is for, give each of them a location of its own

=== TEST 136: one key in two channels
--- generic
--- http_config
    paygw_channel other {
        provider   generic;
        algorithm  hmac(sha256);
        key        file:$TEST_NGINX_KEYS/apiv3.key;
        signature  header(X-Signature) hex;
        signed     body;
        replay_id  hex(sha256(body));
        ack        ok 200;
    }
--- run
pass('nginx starts')
--- error_log
channels "hook" and "other" are the same account

=== TEST 137: two keys in two channels
--- generic
--- http_config
    paygw_channel other {
        provider   generic;
        algorithm  hmac(sha256);
        key        file:$TEST_NGINX_KEYS/apiv3_other.key;
        signature  header(X-Signature) hex;
        signed     body;
        replay_id  hex(sha256(body));
        ack        ok 200;
    }
--- run
pass('nginx starts')
--- no_error_log
are the same account

=== TEST 138: values that are joined deeper are not told apart
--- generic
-signed
signed 'hex(join(".", header(X-Id), body))';
--- must_die
--- error_log
"replay_id" of channel "hook" is not part of "signed": anyone could change it

=== TEST 139: a single value may be encoded
--- generic
-signed
signed 'base64(concat("x", body))';
--- run
pass('nginx starts')

=== TEST 140: RSA-PSS needs an RSA key
--- generic
-algorithm
algorithm rsa_pss_sha256;
-key
certificate $TEST_NGINX_KEYS/ec.crt;
--- must_die
--- error_log
"certificate" of channel "hook" cannot verify a signature, an RSA key is needed

=== TEST 141: an RSA key does not verify ECDSA with r and s
--- generic
-algorithm
algorithm ecdsa_p256_raw;
-key
public_key $TEST_NGINX_KEYS/alipay.pem;
--- must_die
--- error_log
"public_key" of channel "hook" cannot verify a signature, an EC key on P-256 is needed

=== TEST 142: a key on P-256 does not verify Ed25519
--- generic
-algorithm
algorithm ed25519;
-key
public_key $TEST_NGINX_KEYS/ec.pem;
--- must_die
--- error_log
"public_key" of channel "hook" cannot verify a signature, an Ed25519 key is needed

=== TEST 143: a key on P-256 does not verify SM2
--- generic
-algorithm
algorithm sm2_sm3;
-key
public_key $TEST_NGINX_KEYS/ec.pem;
--- must_die
--- error_log
"public_key" of channel "hook" cannot verify a signature, an SM2 key is needed

=== TEST 144: a currency in small letters
--- generic
currency eur;
--- must_die
--- error_log
invalid "currency" of channel "hook": "eur", it must be an expression or a currency such as EUR

=== TEST 145: an amount is said with its unit
--- generic
amount json(/a);
currency EUR;
--- must_die
--- error_log
invalid number of arguments in "amount" of channel "hook": 1, it must be at least 2

=== TEST 146: a body has one reading
--- generic
order_id form(order);
trade_no json(/trade);
--- must_die
--- error_log
channel "hook" reads one text in two ways, choose one of json(), form() and xml()

=== TEST 147: a document inside another one may be of another kind
--- generic
-replay_id
replay_id form(id);
order_id 'json_of(form(data), /order)';
--- run
pass('nginx starts')

=== TEST 148: sorted values prove nothing of the body
--- generic
-signed
signed 'concat(sorted_params(form, without(sign), values), "&key=", secret)';
-replay_id
replay_id 'hex(sha256(sorted_params(form, without(sign), values)))';
-signature
signature form(sign) hex;
--- must_die
--- error_log
channel "hook" signs nothing of the body

=== TEST 149: parameters of the query are not the body
--- generic
-signed
signed 'concat(sorted_params(query, without(sign)), "&key=", secret)';
-replay_id
replay_id query(id);
-signature
signature query(sign) hex;
--- must_die
--- error_log
channel "hook" signs nothing of the body

=== TEST 150: JSON in a header field is not the body
--- generic
-signed
signed 'json_of(header(X-Json), /id)';
-replay_id
replay_id 'json_of(header(X-Json), /id)';
--- must_die
--- error_log
channel "hook" signs nothing of the body

=== TEST 151: an id of 32 bits is no id
--- generic
-replay_id
replay_id crc32_dec(body);
--- must_die
--- error_log
channel "hook" has a "replay_id" that different events have in common

=== TEST 152: an id that all events have that have none
--- generic
-replay_id
replay_id 'default(json(/id), "none")';
--- must_die
--- error_log
channel "hook" has a "replay_id" that different events have in common
