# What nginx -t says of a WeChat Pay channel.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: "appid" is needed
--- wxpay
-appid
--- must_die
--- error_log
no "appid" is defined for channel "wxpay"

=== TEST 2: "mchid" is needed
--- wxpay
-mchid
--- must_die
--- error_log
no "mchid" is defined for channel "wxpay"

=== TEST 3: "apiv3_key" is needed
--- wxpay
-apiv3_key
--- must_die
--- error_log
no "apiv3_key" is defined for channel "wxpay"

=== TEST 4: a key of WeChat Pay is needed
--- wxpay
-platform_certificate
-platform_public_key
--- must_die
--- error_log
no "platform_public_key" or "platform_certificate" is defined for channel "wxpay", add one, or "platform_certificates auto"

=== TEST 5: "mchid" is not empty
--- wxpay
-mchid
mchid "";
--- must_die
--- error_log
"mchid" of channel "wxpay" must not be empty

=== TEST 6: "appid" is not empty
--- wxpay
appid "";
--- must_die
--- error_log
"appid" of channel "wxpay" must not be empty

=== TEST 7: "appid" is letters and digits
--- wxpay
-appid
appid "19 00";
--- must_die
--- error_log
invalid "appid" of channel "wxpay": "19 00", it must be at most 64 letters and digits

=== TEST 8: "mchid" is letters and digits
--- wxpay
-mchid
mchid "19 00";
--- must_die
--- error_log
invalid "mchid" of channel "wxpay": "19 00", it must be at most 64 letters and digits

=== TEST 9: "sub_mchid" is letters and digits
--- wxpay
-sub_mchid
sub_mchid "19 00";
--- must_die
--- error_log
invalid "sub_mchid" of channel "wxpay": "19 00", it must be at most 64 letters and digits

=== TEST 10: "mchid" is not longer than 64
--- wxpay
-mchid
mchid 11111111111111111111111111111111111111111111111111111111111111111;
--- must_die
--- error_log
invalid "mchid" of channel "wxpay": "11111111111111111111111111111111111111111111111111111111111111111", it must be at most 64 letters and digits

=== TEST 11: an "appid" is given once
--- wxpay
appid wxd678efh567hg6787;
--- must_die
--- error_log
duplicate value "wxd678efh567hg6787"

=== TEST 12: a "sub_mchid" is given once
--- wxpay
sub_mchid 1900000109 1900000109;
--- must_die
--- error_log
duplicate value "1900000109"

=== TEST 13: an APIv3 key of 5 bytes is refused
--- wxpay
-apiv3_key
apiv3_key text:short;
--- must_die
--- error_log
"apiv3_key" of channel "wxpay" has 5 bytes, it must have exactly 32 (the APIv3 key as it was set in the merchant console, not encoded)

=== TEST 14: an APIv3 key of 31 bytes is refused
--- wxpay
-apiv3_key
apiv3_key text:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx;
--- must_die
--- error_log
"apiv3_key" of channel "wxpay" has 31 bytes, it must have exactly 32 (the APIv3 key as it was set in the merchant console, not encoded)

=== TEST 15: an APIv3 key of 33 bytes is refused
--- wxpay
-apiv3_key
apiv3_key text:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx;
--- must_die
--- error_log
"apiv3_key" of channel "wxpay" has 33 bytes, it must have exactly 32 (the APIv3 key as it was set in the merchant console, not encoded)

=== TEST 16: an APIv3 key of 64 bytes is refused
--- wxpay
-apiv3_key
apiv3_key text:0000000000000000000000000000000000000000000000000000000000000000;
--- must_die
--- error_log
"apiv3_key" of channel "wxpay" has 64 bytes, it must have exactly 32 (the APIv3 key as it was set in the merchant console, not encoded)

=== TEST 17: the APIv3 key is given once
--- wxpay
apiv3_key file:$TEST_NGINX_KEYS/apiv3.key;
--- must_die
--- error_log
"apiv3_key" of channel "wxpay" is duplicate

=== TEST 18: "PUB_KEY_ID_" is no id of a public key
--- wxpay
platform_public_key "PUB_KEY_ID_" $TEST_NGINX_KEYS/wx_pub.pem;
--- must_die
--- error_log
invalid id "PUB_KEY_ID_" of "platform_public_key" in channel "wxpay", it must be "PUB_KEY_ID_" and digits, as the merchant console shows it

=== TEST 19: "PUB_KEY_ID_12A" is no id of a public key
--- wxpay
platform_public_key "PUB_KEY_ID_12A" $TEST_NGINX_KEYS/wx_pub.pem;
--- must_die
--- error_log
invalid id "PUB_KEY_ID_12A" of "platform_public_key" in channel "wxpay", it must be "PUB_KEY_ID_" and digits, as the merchant console shows it

=== TEST 20: "pub_key_id_12" is no id of a public key
--- wxpay
platform_public_key "pub_key_id_12" $TEST_NGINX_KEYS/wx_pub.pem;
--- must_die
--- error_log
invalid id "pub_key_id_12" of "platform_public_key" in channel "wxpay", it must be "PUB_KEY_ID_" and digits, as the merchant console shows it

=== TEST 21: "0119000091912024" is no id of a public key
--- wxpay
platform_public_key "0119000091912024" $TEST_NGINX_KEYS/wx_pub.pem;
--- must_die
--- error_log
invalid id "0119000091912024" of "platform_public_key" in channel "wxpay", it must be "PUB_KEY_ID_" and digits, as the merchant console shows it

=== TEST 22: "PUB_KEY_ID_1 " is no id of a public key
--- wxpay
platform_public_key "PUB_KEY_ID_1 " $TEST_NGINX_KEYS/wx_pub.pem;
--- must_die
--- error_log
invalid id "PUB_KEY_ID_1 " of "platform_public_key" in channel "wxpay", it must be "PUB_KEY_ID_" and digits, as the merchant console shows it

=== TEST 23: a public key needs an id
--- wxpay
platform_public_key $TEST_NGINX_KEYS/wx_pub.pem;
--- must_die
--- error_log
invalid number of arguments in "platform_public_key" of channel "wxpay": 1, it must be at least 2

=== TEST 24: a platform certificate is given once
--- wxpay
platform_certificate $TEST_NGINX_KEYS/wx_a.crt;
--- must_die
--- error_log
duplicate platform key "0A1B2C3D4E5F60718293A4B5C6D7E8F901234567" of channel "wxpay"

=== TEST 25: the id of a public key is given once
--- wxpay
platform_public_key PUB_KEY_ID_0119000091912024 $TEST_NGINX_KEYS/rogue.pem;
--- must_die
--- error_log
duplicate platform key "PUB_KEY_ID_0119000091912024" of channel "wxpay"

=== TEST 26: another certificate with a known serial is refused
--- wxpay
platform_certificate $TEST_NGINX_KEYS/rogue.crt;
--- must_die
--- error_log
duplicate platform key "0A1B2C3D4E5F60718293A4B5C6D7E8F901234567" of channel "wxpay"

=== TEST 27: the own certificate is not the platform certificate
--- wxpay
merchant_certificate $TEST_NGINX_KEYS/mch.crt;
platform_certificate $TEST_NGINX_KEYS/mch.crt;
--- must_die
--- error_log
"platform_certificate" of channel "wxpay" has the serial of the merchant's own certificate "5157F09EFDC096DE15EBE81A47057A7232F1B8E1", use the certificate of WeChat Pay

=== TEST 28: the own serial tells the same
--- wxpay
merchant_serial 5157F09EFDC096DE15EBE81A47057A7232F1B8E1;
platform_certificate $TEST_NGINX_KEYS/mch.crt;
--- must_die
--- error_log
"platform_certificate" of channel "wxpay" has the serial of the merchant's own certificate "5157F09EFDC096DE15EBE81A47057A7232F1B8E1", use the certificate of WeChat Pay

=== TEST 29: the own key is not the platform certificate's
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/mch.key;
platform_certificate $TEST_NGINX_KEYS/mch.crt;
--- must_die
--- error_log
"platform_certificate" of channel "wxpay" is the key of its own "merchant_private_key", use the key that the provider gives out

=== TEST 30: the own key is not the platform public key
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/wx_pub.key;
--- must_die
--- error_log
"platform_public_key" of channel "wxpay" is the key of its own "merchant_private_key", use the key that the provider gives out

=== TEST 31: the key of the own certificate is not the platform public key
--- wxpay
merchant_certificate $TEST_NGINX_KEYS/mch.crt;
platform_public_key PUB_KEY_ID_1 $TEST_NGINX_KEYS/mch.pem;
--- must_die
--- error_log
"platform_public_key" of channel "wxpay" is the key of its own "merchant_certificate", use the key that the provider gives out

=== TEST 32: the own pair must match
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/app.key;
merchant_certificate $TEST_NGINX_KEYS/mch.crt;
--- must_die
--- error_log
"merchant_certificate" does not match "merchant_private_key" of channel "wxpay", use the files that were issued together

=== TEST 33: the own serial must match
--- wxpay
merchant_serial 51;
merchant_certificate $TEST_NGINX_KEYS/mch.crt;
--- must_die
--- error_log
"merchant_serial" of channel "wxpay" is "51", but "merchant_certificate" has "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"

=== TEST 34: "5157f09e" is no serial
--- wxpay
merchant_serial "5157f09e";
--- must_die
--- error_log
invalid "merchant_serial" of channel "wxpay": "5157f09e", it must be upper-case hexadecimal

=== TEST 35: "0x51" is no serial
--- wxpay
merchant_serial "0x51";
--- must_die
--- error_log
invalid "merchant_serial" of channel "wxpay": "0x51", it must be upper-case hexadecimal

=== TEST 36: "51 57" is no serial
--- wxpay
merchant_serial "51 57";
--- must_die
--- error_log
invalid "merchant_serial" of channel "wxpay": "51 57", it must be upper-case hexadecimal

=== TEST 37: "51:57" is no serial
--- wxpay
merchant_serial "51:57";
--- must_die
--- error_log
invalid "merchant_serial" of channel "wxpay": "51:57", it must be upper-case hexadecimal

=== TEST 38: the own serial is not empty
--- wxpay
merchant_serial "";
--- must_die
--- error_log
"merchant_serial" of channel "wxpay" must not be empty

=== TEST 39: "merchant_private_key" is given once
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/mch.key;
merchant_private_key $TEST_NGINX_KEYS/mch.key;
--- must_die
--- error_log
"merchant_private_key" of channel "wxpay" is duplicate

=== TEST 40: "merchant_certificate" is given once
--- wxpay
merchant_certificate $TEST_NGINX_KEYS/mch.crt;
merchant_certificate $TEST_NGINX_KEYS/mch.crt;
--- must_die
--- error_log
"merchant_certificate" of channel "wxpay" is duplicate

=== TEST 41: the own key is an RSA key
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/ec.key;
--- must_die
--- error_log
"merchant_private_key" of channel "wxpay" cannot sign, an RSA key is needed

=== TEST 42: a platform certificate has an RSA key
--- wxpay
platform_certificate $TEST_NGINX_KEYS/ec.crt;
--- must_die
--- error_log
"platform_certificate" of channel "wxpay" cannot verify a signature, an RSA key is needed

=== TEST 43: a platform public key is an RSA key
--- wxpay
platform_public_key PUB_KEY_ID_1 $TEST_NGINX_KEYS/ec.pem;
--- must_die
--- error_log
"platform_public_key" of channel "wxpay" cannot verify a signature, an RSA key is needed
