# What nginx -t says of a UnionPay channel.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwUnionpay;

# an intermediate whose issuer is not the root, a root from another CA, one
# that is near its end
{
    my $dir = keys_dir();
    my $py = <<'PY';
import datetime, sys
sys.path.insert(0, sys.argv[1])
sys.argv = ['', sys.argv[2]]
import make_keys
from cryptography.hazmat.primitives import serialization
def key(name):
    with open(sys.argv[1] + '/' + name, 'rb') as f:
        return serialization.load_pem_private_key(f.read(), None)
def put(name, cert):
    with open(sys.argv[1] + '/' + name, 'wb') as f:
        f.write(make_keys.pem(cert))
rogue, root = key('rogue.key'), make_keys.subject('TEST CS CA')
put('up_rogue_middle.crt', make_keys.make(rogue, 'TEST OCA1', 7, root, rogue,
                                          True))
end = datetime.datetime.utcnow() + datetime.timedelta(days=9.5)
put('up_soon_root.crt', make_keys.make(key('up_root.key'), 'TEST CS CA', 8,
                                       ca=True, end=end))
PY
    system('/usr/bin/python3', '-B', '-W', 'ignore', '-c', $py,
           "$PaygwTest::Root/t/lib", $dir) == 0 or die;
}

run_tests();

__DATA__

=== TEST 1: "merId" is needed
--- unionpay
-merId
--- must_die
--- error_log
no "merId" is defined for channel "unionpay"

=== TEST 2: "merId" is not empty
--- unionpay
-merId
merId "";
--- must_die
--- error_log
"merId" of channel "unionpay" must not be empty

=== TEST 3: "merId" is letters and digits
--- unionpay
-merId
merId "7772 9";
--- must_die
--- error_log
invalid "merId" of channel "unionpay": "7772 9", it must be at most 64 letters and digits

=== TEST 4: "merId" is given once
--- unionpay
merId 777290058110048;
--- must_die
--- error_log
"merId" of channel "unionpay" is duplicate

=== TEST 5: a root is needed
--- unionpay
-root_cert
--- must_die
--- error_log
no "root_cert" is defined for channel "unionpay"

=== TEST 6: an intermediate is needed
--- unionpay
-middle_cert
--- must_die
--- error_log
no "middle_cert" is defined for channel "unionpay"

=== TEST 7: a method that is none
--- unionpay
signMethod 02;
--- must_die
--- error_log
invalid "signMethod" of channel "unionpay": "02", it must be "01" (certificate), "11" (SHA-256 with "secure_key") or "12" (SM3 with "secure_key")

=== TEST 8: a secret does not go with certificates
--- unionpay
secure_key file:$TEST_NGINX_KEYS/up_secure.key;
--- must_die
--- error_log
"secure_key" of channel "unionpay" is not used by its "signMethod" 01, remove it or set the method that was agreed with UnionPay

=== TEST 9: certificates do not go with a secret
--- unionpay
signMethod 11;
secure_key file:$TEST_NGINX_KEYS/up_secure.key;
--- must_die
--- error_log
"root_cert" of channel "unionpay" is not used by its "signMethod" 11

=== TEST 10: an intermediate does not go with a secret
--- unionpay
-root_cert
signMethod 12;
secure_key file:$TEST_NGINX_KEYS/up_secure.key;
--- must_die
--- error_log
"middle_cert" of channel "unionpay" is not used by its "signMethod" 12

=== TEST 11: a name does not go with a secret
--- unionpay
-root_cert
-middle_cert
signMethod 12;
secure_key file:$TEST_NGINX_KEYS/up_secure.key;
cert_name x;
--- must_die
--- error_log
"cert_name" of channel "unionpay" is not used by its "signMethod" 12

=== TEST 12: a secret is needed
--- unionpay
-root_cert
-middle_cert
signMethod 11;
--- must_die
--- error_log
no "secure_key" is defined for channel "unionpay"

=== TEST 13: a secret is given once
--- unionpay
-root_cert
-middle_cert
signMethod 11;
secure_key file:$TEST_NGINX_KEYS/up_secure.key;
secure_key file:$TEST_NGINX_KEYS/./up_secure.key;
--- must_die
--- error_log
duplicate "secure_key" of channel "unionpay"

=== TEST 14: a secret is not empty
--- unionpay
-root_cert
-middle_cert
signMethod 11;
secure_key text:;
--- must_die
--- error_log
secure_key

=== TEST 15: a leaf is no root
--- unionpay
root_cert $TEST_NGINX_KEYS/up.crt;
--- must_die
--- error_log
up.crt" is not that of a CA

=== TEST 16: an intermediate is no root
--- unionpay
root_cert $TEST_NGINX_KEYS/up_middle.crt;
--- must_die
--- error_log
up_middle.crt" is no root, another CA has issued it

=== TEST 17: a leaf is no intermediate
--- unionpay
middle_cert $TEST_NGINX_KEYS/up.crt;
--- must_die
--- error_log
up.crt" is not that of a CA

=== TEST 18: a root file without a certificate
--- unionpay
root_cert $TEST_NGINX_KEYS/up.key;
--- must_die
--- error_log
it holds no certificate in PEM

=== TEST 19: a root file that is not there
--- unionpay
root_cert $TEST_NGINX_KEYS/absent.crt;
--- must_die
--- error_log
absent.crt" failed (2:

=== TEST 20: an intermediate of another root
--- unionpay
-root_cert
root_cert $TEST_NGINX_KEYS/alipay_root.crt;
--- must_die
--- error_log
intermediate certificate does not chain to the root certificates: unable to get

=== TEST 21: an intermediate that the root did not sign
--- unionpay
middle_cert $TEST_NGINX_KEYS/up_rogue_middle.crt;
--- must_die
--- error_log
intermediate certificate does not chain to the root certificates:

=== TEST 22: a root that ends soon is a warning
--- unionpay
-root_cert
root_cert $TEST_NGINX_KEYS/up_soon_root.crt;
--- run
my $m = unionpay();
ack_ok(send_callback($m), $m, 200);
--- error_log
[warn]
up_soon_root.crt" ends in 9 days

=== TEST 23: a name is a part of the common name
--- unionpay
cert_name 041@8310000000083040@x@1;
--- must_die
--- error_log
invalid "cert_name" of channel "unionpay": "041@8310000000083040@x@1", it must be the part of the common name between its second and third "@"

=== TEST 24: a name is given once
--- unionpay
cert_name x x;
--- must_die
--- error_log
duplicate value "x"

=== TEST 25: a name is not empty
--- unionpay
cert_name "";
--- must_die
--- error_log
"cert_name" of channel "unionpay" must not be empty

=== TEST 26: an event is remembered for as long as its order may be paid
--- unionpay
event_ttl 25h;
--- must_die
--- error_log
"event_ttl" of channel "unionpay" must be at least 26h, an order may be paid hours after it is made

=== TEST 27: the clock window leaves time to remember
--- unionpay
clock_window 1h;
--- must_die
--- error_log
"clock_window" of channel "unionpay" must be less than 1h, a callback could be replayed

=== TEST 28: a parameter of another provider
--- unionpay
mchid 1;
--- must_die
--- error_log
unknown parameter "mchid" of channel "unionpay", provider "unionpay" does not have it

=== TEST 29: two channels of one account are told apart by nobody
--- http_config
    paygw_channel second {
        provider     unionpay;
        merId        777290058110097;
        root_cert    $TEST_NGINX_KEYS/up_root.crt;
        middle_cert  $TEST_NGINX_KEYS/up_middle.crt;
    }
--- config
    location /notify/ {
        paygw_notify unionpay second;
        return 200;
    }
--- must_die
--- error_log
"second"

=== TEST 30: a root is no intermediate
--- unionpay
middle_cert $TEST_NGINX_KEYS/up_root.crt;
--- must_die
--- error_log
up_root.crt" is a root, no other CA has issued it

=== TEST 31: a terminal that is too short
--- unionpay
termId 0000001;
--- must_die
--- error_log
invalid "termId" of channel "unionpay": "0000001", it must be 8 letters and digits

=== TEST 32: a terminal that is too long
--- unionpay
termId 000000012;
--- must_die
--- error_log
invalid "termId" of channel "unionpay": "000000012", it must be 8 letters and digits

=== TEST 33: a terminal that is no letters and digits
--- unionpay
termId 0000-001;
--- must_die
--- error_log
invalid "termId" of channel "unionpay": "0000-001", it must be 8 letters and digits

=== TEST 34: a terminal
--- unionpay
termId 0000000A;
--- config
location = /n { paygw_notify unionpay; return 204; }
--- request
GET /none
--- error_code: 404
