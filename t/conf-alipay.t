# What nginx -t says of an Alipay channel.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: "app_id" is needed
--- alipay
-app_id
--- must_die
--- error_log
no "app_id" is defined for channel "alipay"

=== TEST 2: "seller_id" is needed
--- alipay
-seller_id
--- must_die
--- error_log
no "seller_id" is defined for channel "alipay"

=== TEST 3: a key of Alipay is needed
--- alipay
-alipay_public_key
--- must_die
--- error_log
no "alipay_public_key" or "alipay_cert" is defined for channel "alipay"

=== TEST 4: "app_id" is not empty
--- alipay
-app_id
app_id "";
--- must_die
--- error_log
"app_id" of channel "alipay" must not be empty

=== TEST 5: "app_id" is letters and digits
--- alipay
-app_id
app_id "2088 1";
--- must_die
--- error_log
invalid "app_id" of channel "alipay": "2088 1", it must be at most 64 letters and digits

=== TEST 6: "seller_id" is not empty
--- alipay
-seller_id
seller_id "";
--- must_die
--- error_log
"seller_id" of channel "alipay" must not be empty

=== TEST 7: "seller_id" is letters and digits
--- alipay
-seller_id
seller_id "2088 1";
--- must_die
--- error_log
invalid "seller_id" of channel "alipay": "2088 1", it must be at most 64 letters and digits

=== TEST 8: "auth_app_id" is not empty
--- alipay
-auth_app_id
auth_app_id "";
--- must_die
--- error_log
"auth_app_id" of channel "alipay" must not be empty

=== TEST 9: "auth_app_id" is letters and digits
--- alipay
-auth_app_id
auth_app_id "2088 1";
--- must_die
--- error_log
invalid "auth_app_id" of channel "alipay": "2088 1", it must be at most 64 letters and digits

=== TEST 10: a "seller_id" is given once
--- alipay
seller_id 2088101122136241;
--- must_die
--- error_log
duplicate value "2088101122136241"

=== TEST 11: SHA-1 signatures are not accepted
--- alipay
sign_type RSA;
--- must_die
--- error_log
invalid "sign_type" of channel "alipay": "RSA", it must be "RSA2" (RSA is SHA-1, which can be forged)

=== TEST 12: "sign_type" is given once
--- alipay
sign_type RSA2;
sign_type RSA2;
--- must_die
--- error_log
"sign_type" of channel "alipay" is duplicate

=== TEST 13: public key and certificate exclude each other
--- alipay
alipay_cert $TEST_NGINX_KEYS/alipay.crt;
alipay_root_cert $TEST_NGINX_KEYS/alipay_root.crt;
--- must_die
--- error_log
"alipay_public_key" and "alipay_cert" of channel "alipay" exclude each other, use the one that was chosen for the app

=== TEST 14: a certificate needs the roots
--- alipay
-alipay_public_key
alipay_cert $TEST_NGINX_KEYS/alipay.crt;
--- must_die
--- error_log
no "alipay_root_cert" is defined for channel "alipay"

=== TEST 15: roots are for certificates
--- alipay
alipay_root_cert $TEST_NGINX_KEYS/alipay_root.crt;
--- must_die
--- error_log
"alipay_root_cert" of channel "alipay" needs "alipay_cert", "alipay_public_key" is for apps without certificates

=== TEST 16: the certificate of the app is for certificates
--- alipay
app_cert $TEST_NGINX_KEYS/app.crt;
--- must_die
--- error_log
"app_cert" of channel "alipay" needs "alipay_cert", "alipay_public_key" is for apps without certificates

=== TEST 17: the own key is not Alipay's public key
--- alipay
-alipay_public_key
alipay_public_key $TEST_NGINX_KEYS/app.pem;
app_private_key $TEST_NGINX_KEYS/app.key;
--- must_die
--- error_log
"alipay_public_key" of channel "alipay" is the key of its own "app_private_key", use the key that the provider gives out

=== TEST 18: the own certificate is not Alipay's
--- alipay
-alipay_public_key
alipay_root_cert $TEST_NGINX_KEYS/alipay_root.crt;
alipay_cert $TEST_NGINX_KEYS/app.crt;
app_cert $TEST_NGINX_KEYS/app.crt;
--- must_die
--- error_log
"alipay_cert" of channel "alipay" is the key of its own "app_cert", use the key that the provider gives out

=== TEST 19: the own pair must match
--- alipay
-alipay_public_key
alipay_root_cert $TEST_NGINX_KEYS/alipay_root.crt;
alipay_cert $TEST_NGINX_KEYS/alipay.crt;
app_cert $TEST_NGINX_KEYS/app.crt;
app_private_key $TEST_NGINX_KEYS/mch.key;
--- must_die
--- error_log
"app_cert" does not match "app_private_key" of channel "alipay", use the files that were issued together

=== TEST 20: the own key is an RSA key
--- alipay
app_private_key $TEST_NGINX_KEYS/ec.key;
--- must_die
--- error_log
"app_private_key" of channel "alipay" cannot sign, an RSA key is needed

=== TEST 21: Alipay's key is an RSA key
--- alipay
alipay_public_key $TEST_NGINX_KEYS/ec.pem;
--- must_die
--- error_log
"alipay_public_key" of channel "alipay" cannot verify a signature, an RSA key is needed

=== TEST 22: a public key is given once
--- alipay
alipay_public_key $TEST_NGINX_KEYS/alipay.pem;
--- must_die
--- error_log
duplicate "alipay_public_key" of channel "alipay"

=== TEST 23: a certificate is given once
--- alipay
-alipay_public_key
alipay_root_cert $TEST_NGINX_KEYS/alipay_root.crt;
alipay_cert $TEST_NGINX_KEYS/alipay.crt;
alipay_cert $TEST_NGINX_KEYS/alipay.crt;
--- must_die
--- error_log
alipay.crt"

=== TEST 24: a copy of a certificate is the same
--- alipay
-alipay_public_key
alipay_root_cert $TEST_NGINX_KEYS/alipay_root.crt;
alipay_cert $TEST_NGINX_KEYS/alipay.crt;
alipay_cert $TEST_NGINX_KEYS/./alipay.crt;
--- must_die
--- error_log
duplicate "alipay_cert" of channel "alipay"

=== TEST 25: a certificate that the issuer did not sign is refused
--- alipay
-alipay_public_key
alipay_root_cert $TEST_NGINX_KEYS/alipay_root.crt;
alipay_cert $TEST_NGINX_KEYS/alipay_rogue.crt;
--- must_die
--- error_log
alipay_rogue.crt" does not chain to the root certificates:

=== TEST 26: a chain that ends at another root is refused
--- alipay
-alipay_public_key
alipay_cert $TEST_NGINX_KEYS/alipay.crt;
alipay_root_cert $TEST_NGINX_KEYS/mch.crt;
--- must_die
--- error_log
does not chain to the root certificates:

=== TEST 27: the own roots are given once
--- alipay
-alipay_public_key
alipay_root_cert $TEST_NGINX_KEYS/alipay_root.crt;
alipay_cert $TEST_NGINX_KEYS/alipay.crt;
alipay_root_cert $TEST_NGINX_KEYS/alipay_root.crt;
--- must_die
--- error_log
"alipay_root_cert" of channel "alipay" is duplicate

=== TEST 28: a root file without a certificate is refused
--- alipay
-alipay_public_key
alipay_cert $TEST_NGINX_KEYS/alipay.crt;
alipay_root_cert $TEST_NGINX_KEYS/alipay.pem;
--- must_die
--- error_log
it holds no certificate in PEM

=== TEST 29: an event is remembered for longer than Alipay repeats it
--- alipay
event_ttl 25h;
--- must_die
--- error_log
"event_ttl" of channel "alipay" must be at least 26h, Alipay repeats a callback for 25 hours

=== TEST 30: the clock window leaves time to remember
--- alipay
clock_window 1h;
--- must_die
--- error_log
"clock_window" of channel "alipay" must be less than 1h, a callback could be replayed

=== TEST 31: "app_private_key" is given once
--- alipay
app_private_key $TEST_NGINX_KEYS/app.key;
app_private_key $TEST_NGINX_KEYS/app.key;
--- must_die
--- error_log
"app_private_key" of channel "alipay" is duplicate

=== TEST 32: "app_cert" is given once
--- alipay
app_cert $TEST_NGINX_KEYS/app.crt;
app_cert $TEST_NGINX_KEYS/app.crt;
--- must_die
--- error_log
"app_cert" of channel "alipay" is duplicate

=== TEST 33: a key file is a path, not a SOURCE
--- alipay
-alipay_public_key
alipay_public_key file:$TEST_NGINX_KEYS/alipay.pub;
--- must_die
--- error_log
alipay.pub" must be a path without "file:"
