# Keys, certificates and secrets: what nginx -t refuses, warns of and takes.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

my $dir = keys_dir();

sub spoil {
    my ($file, $data, $mode) = @_;
    open my $fh, '>', "$dir/$file" or die;
    binmode $fh;
    print $fh $data;
    close $fh;
    chmod $mode // 0600, "$dir/$file";
}

sub content {
    my $file = shift;
    open my $fh, '<', "$dir/$file" or die;
    local $/;
    return scalar <$fh>;
}

my $key = content('mch.key');
my $pub = content('wx_pub.pem');
my $crt = content('wx_a.crt');

spoil('open.key', $key, 0644);
spoil('group.key', $key, 0640);
spoil('empty.key', '');
spoil('garbage.key', "not a key\n");
spoil('two.key', $key . content('app.key'));
spoil('cut.key', substr($key, 0, 600) . "\n-----END PRIVATE KEY-----\n");
spoil('huge.key', "\n" x (1024 * 1024 + 1));
spoil('two.pem', $pub . content('alipay.pem'));
spoil('crt.key', $crt);
spoil('pub.key', $pub);
spoil('line_pub.key', $pub =~ s/-----.*?-----|\s//gr);
spoil('cut.crt', substr($crt, 0, 400) . "\n-----END CERTIFICATE-----\n");
spoil('crlf.pem', $pub =~ s/\n/\r\n/gr);
spoil('bom.pem', "\xef\xbb\xbf$pub");
spoil('noise.crt', "Bag Attributes\n    friendlyName: x\n$crt");
spoil('line.key', $key =~ s/-----.*?-----|\s//gr);
spoil('line.pem', $pub =~ s/-----.*?-----|\s//gr . "\n");
system("openssl pkey -in '$dir/mch.key' -outform DER -out '$dir/der.key'; "
       . "openssl pkey -pubin -in '$dir/wx_pub.pem' -outform DER "
       . "-out '$dir/der.pem'; openssl rsa -pubin -in '$dir/wx_pub.pem' "
       . "-RSAPublicKey_out -out '$dir/pkcs1.pem' 2> /dev/null; "
       . "openssl x509 -in '$dir/wx_a.crt' -outform DER "
       . "-out '$dir/der.crt'") == 0 or die;
chmod 0600, "$dir/der.key";
mkdir "$dir/folder";

spoil('apiv3_open.key', '0123456789abcdefghijklmnopqrstuv', 0644);
spoil('apiv3_crlf.key', "0123456789abcdefghijklmnopqrstuv\r\n");
spoil('apiv3_bare.key', '0123456789abcdefghijklmnopqrstuv');
spoil('apiv3_two.key', "0123456789abcdefghijklmnopqrstuv\n\n");
spoil('apiv3_empty.key', "\n");

make_cert('near.crt', 10.5);
make_cert('over.crt', -9.5, serial => 0x77007701);
make_cert('early.crt', 400, begin => 2, serial => 0x77007702);
make_cert('far.crt', 31, serial => 0x77007703);

$ENV{PAYGW_TEST_APIV3} = '0123456789abcdefghijklmnopqrstuv';
$ENV{PAYGW_TEST_EMPTY} = '';
env_to_nginx('PAYGW_TEST_APIV3', 'PAYGW_TEST_EMPTY');


run_tests();

__DATA__

=== TEST 1: a private key is not a certificate
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/crt.key;
--- must_die
--- error_log
cannot load private key
crt.key": it holds a certificate

=== TEST 2: a private key is not a public key
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/pub.key;
--- must_die
--- error_log
cannot load private key
pub.key": it holds a public key

=== TEST 3: a private key is not a public key on one line
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/line_pub.key;
--- must_die
--- error_log
line_pub.key": it holds a public key

=== TEST 4: an encrypted key is refused, and no password is asked for
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/encrypted.key;
--- must_die
--- error_log
encrypted.key": it is encrypted, decrypt it with "openssl pkey"

=== TEST 5: a file with two keys is refused
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/two.key;
--- must_die
--- error_log
two.key": it holds more than one key

=== TEST 6: garbage is no key
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/garbage.key;
--- must_die
--- error_log
garbage.key": it is neither PEM, DER nor base64 of DER

=== TEST 7: a key that is cut is refused
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/cut.key;
--- must_die
--- error_log
cut.key":

=== TEST 8: a private key that everyone can read is refused
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/open.key;
--- must_die
--- error_log
open.key" is readable by everyone, use "chmod 600"

=== TEST 9: an empty key file is refused
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/empty.key;
--- must_die
--- error_log
empty.key" is empty

=== TEST 10: a folder is no key
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/folder;
--- must_die
--- error_log
folder" is not a regular file

=== TEST 11: a file is not read without end
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/huge.key;
--- must_die
--- error_log
huge.key" is too large for a key, a certificate or a secret

=== TEST 12: a key file must be there
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/missing.key;
--- must_die
--- error_log
missing.key" failed (2: No such file or directory)

=== TEST 13: a relative path begins at the folder of the configuration
--- wxpay
merchant_private_key missing.key;
--- must_die
--- error_log
conf/missing.key" failed (2: No such file or directory)

=== TEST 14: a weak private key is refused
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/rsa1024.key;
--- must_die
--- error_log
rsa1024.key" has 1024 bits, at least 2048 are needed

=== TEST 15: a weak public key is refused
--- wxpay
platform_public_key PUB_KEY_ID_1 $TEST_NGINX_KEYS/rsa1024.pem;
--- must_die
--- error_log
rsa1024.pem" has 1024 bits, at least 2048 are needed

=== TEST 16: a certificate with a weak key is refused
--- wxpay
platform_certificate $TEST_NGINX_KEYS/rsa1024.crt;
--- must_die
--- error_log
rsa1024.crt" has 1024 bits, at least 2048 are needed

=== TEST 17: a public key is not a private key
--- wxpay
platform_public_key PUB_KEY_ID_1 $TEST_NGINX_KEYS/mch.key;
--- must_die
--- error_log
mch.key": it holds a private key, the public key of the other side is needed

=== TEST 18: a public key is not a private key of PKCS #1
--- wxpay
platform_public_key PUB_KEY_ID_1 $TEST_NGINX_KEYS/mch_pkcs1.key;
--- must_die
--- error_log
mch_pkcs1.key": it holds a private key, the public key of the other side is needed

=== TEST 19: a public key is not a private key on one line
--- wxpay
platform_public_key PUB_KEY_ID_1 $TEST_NGINX_KEYS/line.key;
--- must_die
--- error_log
line.key": it holds a private key, the public key of the other side is needed

=== TEST 20: a public key is not an encrypted private key
--- wxpay
platform_public_key PUB_KEY_ID_1 $TEST_NGINX_KEYS/encrypted.key;
--- must_die
--- error_log
encrypted.key": it holds a private key, the public key of the other side is needed

=== TEST 21: a public key is not a certificate
--- wxpay
platform_public_key PUB_KEY_ID_1 $TEST_NGINX_KEYS/wx_a.crt;
--- must_die
--- error_log
wx_a.crt": it holds a certificate, which is what another parameter is for

=== TEST 22: a file with two public keys is refused
--- wxpay
platform_public_key PUB_KEY_ID_1 $TEST_NGINX_KEYS/two.pem;
--- must_die
--- error_log
two.pem": it holds more than one key

=== TEST 23: a certificate is not a public key
--- wxpay
platform_certificate $TEST_NGINX_KEYS/wx_pub.pem;
--- must_die
--- error_log
wx_pub.pem": it holds no certificate in PEM

=== TEST 24: a certificate is PEM
--- wxpay
platform_certificate $TEST_NGINX_KEYS/der.crt;
--- must_die
--- error_log
der.crt": it holds no certificate in PEM

=== TEST 25: a certificate that is cut is refused
--- wxpay
platform_certificate $TEST_NGINX_KEYS/cut.crt;
--- must_die
--- error_log
cut.crt":

=== TEST 26: a secret needs a kind of source
--- wxpay
-apiv3_key
apiv3_key 0123456789abcdefghijklmnopqrstuv;
--- must_die
--- error_log
apiv3_key must be "file:PATH", "env:NAME" or "text:VALUE"

=== TEST 27: a secret without a kind of source is not shown
--- wxpay
-apiv3_key
apiv3_key 0123456789abcdefghijklmnopqrstuv;
--- must_die
--- no_error_log
0123456789

=== TEST 28: a secret that everyone can read is refused
--- wxpay
-apiv3_key
apiv3_key file:$TEST_NGINX_KEYS/apiv3_open.key;
--- must_die
--- error_log
apiv3_open.key" is readable by everyone, use "chmod 600"

=== TEST 29: a secret file must be there
--- wxpay
-apiv3_key
apiv3_key file:$TEST_NGINX_KEYS/missing.key;
--- must_die
--- error_log
missing.key" failed (2: No such file or directory)

=== TEST 30: a secret is not empty
--- wxpay
-apiv3_key
apiv3_key file:$TEST_NGINX_KEYS/apiv3_empty.key;
--- must_die
--- error_log
apiv3_key is empty

=== TEST 31: a secret as text is not empty
--- wxpay
-apiv3_key
apiv3_key text:;
--- must_die
--- error_log
apiv3_key is empty

=== TEST 32: a secret of the environment must be there
--- wxpay
-apiv3_key
apiv3_key env:PAYGW_TEST_NOTHING;
--- must_die
--- error_log
apiv3_key: environment variable "PAYGW_TEST_NOTHING" is not set

=== TEST 33: a secret of the environment is not empty
--- wxpay
-apiv3_key
apiv3_key env:PAYGW_TEST_EMPTY;
--- must_die
--- error_log
apiv3_key is empty

=== TEST 34: one line feed is dropped from a secret, not two
--- wxpay
-apiv3_key
apiv3_key file:$TEST_NGINX_KEYS/apiv3_two.key;
--- must_die
--- error_log
"apiv3_key" of channel "wxpay" has 33 bytes

=== TEST 35: a private key of PKCS #1 is taken
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/mch_pkcs1.key;
merchant_certificate $TEST_NGINX_KEYS/mch.crt;
--- callback
wechat()
--- ack: 204
--- result: taken
--- no_error_log
[warn]

=== TEST 36: a private key in DER is taken
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/der.key;
merchant_certificate $TEST_NGINX_KEYS/mch.crt;
--- callback
wechat()
--- ack: 204
--- result: taken
--- no_error_log
[warn]

=== TEST 37: a private key as base64 on one line is taken
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/line.key;
merchant_certificate $TEST_NGINX_KEYS/mch.crt;
--- callback
wechat()
--- ack: 204
--- result: taken
--- no_error_log
[warn]

=== TEST 38: a private key that its group can read is taken
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/group.key;
merchant_certificate $TEST_NGINX_KEYS/mch.crt;
--- callback
wechat()
--- ack: 204
--- result: taken
--- no_error_log
[warn]

=== TEST 39: a public key of PKCS #1 is taken
--- wxpay
-platform_public_key
platform_public_key PUB_KEY_ID_0119000091912024 $TEST_NGINX_KEYS/pkcs1.pem;
--- callback
wechat(key => 'wx_pub')
--- ack: 204
--- result: taken
--- no_error_log
[warn]

=== TEST 40: a public key in DER is taken
--- wxpay
-platform_public_key
platform_public_key PUB_KEY_ID_0119000091912024 $TEST_NGINX_KEYS/der.pem;
--- callback
wechat(key => 'wx_pub')
--- ack: 204
--- result: taken
--- no_error_log
[warn]

=== TEST 41: a public key as base64 on one line is taken
--- wxpay
-platform_public_key
platform_public_key PUB_KEY_ID_0119000091912024 $TEST_NGINX_KEYS/line.pem;
--- callback
wechat(key => 'wx_pub')
--- ack: 204
--- result: taken
--- no_error_log
[warn]

=== TEST 42: a public key with lines of Windows is taken
--- wxpay
-platform_public_key
platform_public_key PUB_KEY_ID_0119000091912024 $TEST_NGINX_KEYS/crlf.pem;
--- callback
wechat(key => 'wx_pub')
--- ack: 204
--- result: taken
--- no_error_log
[warn]

=== TEST 43: a public key with a byte order mark is taken
--- wxpay
-platform_public_key
platform_public_key PUB_KEY_ID_0119000091912024 $TEST_NGINX_KEYS/bom.pem;
--- callback
wechat(key => 'wx_pub')
--- ack: 204
--- result: taken
--- no_error_log
[warn]

=== TEST 44: text around a certificate does not matter
--- wxpay
-platform_certificate
platform_certificate $TEST_NGINX_KEYS/noise.crt;
--- callback
wechat()
--- ack: 204
--- result: taken
--- no_error_log
[warn]

=== TEST 45: a certificate that ends in 31 days is none to warn of
--- wxpay
platform_certificate $TEST_NGINX_KEYS/far.crt;
--- callback
wechat(serial => '77007703')
--- ack: 204
--- result: taken
--- no_error_log
[warn]

=== TEST 46: a certificate that ends in 10 days is a warning
--- wxpay
platform_certificate $TEST_NGINX_KEYS/near.crt;
--- callback
wechat(serial => '77007700')
--- ack: 204
--- result: taken
--- error_log
[warn]
near.crt" ends in 10 days

=== TEST 47: a certificate that has ended is a warning, and is not used
--- wxpay
platform_certificate $TEST_NGINX_KEYS/over.crt;
--- callback
wechat(serial => '77007701')
--- ack: 401
--- result: refused unknown_key
--- shop: 0
--- error_log
[warn]
over.crt" has ended 9 days ago
payment callback refused: unknown_key, key "77007701", hint: certificate is expired or not yet valid

=== TEST 48: a certificate that has not begun is a warning, and is not used
--- wxpay
platform_certificate $TEST_NGINX_KEYS/early.crt;
--- callback
wechat(serial => '77007702')
--- ack: 401
--- result: refused unknown_key
--- shop: 0
--- error_log
[warn]
early.crt" is not valid yet

=== TEST 49: a secret as text is a warning
--- wxpay
-apiv3_key
apiv3_key text:0123456789abcdefghijklmnopqrstuv;
--- callback
wechat()
--- ack: 204
--- result: taken
--- error_log
[warn]
apiv3_key stands in the configuration, use "file:" or "env:" outside of tests

=== TEST 50: a secret as text is not shown
--- wxpay
-apiv3_key
apiv3_key text:0123456789abcdefghijklmnopqrstuv;
--- callback
wechat()
--- ack: 204
--- no_error_log
0123456789abcdef

=== TEST 51: a secret comes from the environment
--- wxpay
-apiv3_key
apiv3_key env:PAYGW_TEST_APIV3;
--- callback
wechat()
--- ack: 204
--- result: taken
--- no_error_log
[warn]

=== TEST 52: a secret file may end without a line feed
--- wxpay
-apiv3_key
apiv3_key file:$TEST_NGINX_KEYS/apiv3_bare.key;
--- callback
wechat()
--- ack: 204
--- result: taken
--- no_error_log
[warn]

=== TEST 53: a secret file may end with a line of Windows
--- wxpay
-apiv3_key
apiv3_key file:$TEST_NGINX_KEYS/apiv3_crlf.key;
--- callback
wechat()
--- ack: 204
--- result: taken
--- no_error_log
[warn]
