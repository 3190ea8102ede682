# What nginx -t says of limits.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;

# a block with "--- limit" has that directive in a location

add_block_preprocessor(sub {
    my $block = shift;
    return if !defined $block->limit;
    $block->set_value('config', "    location = /a {\n        "
                                . $block->limit . "        return 200;\n"
                                . "    }\n");
});

run_tests();

__DATA__

=== TEST 1: no rate
--- limit
paygw_limit $arg_k;
--- must_die
--- error_log
"paygw_limit" directive has no "rate", such as "rate=50r/s"

=== TEST 2: no rate, but a burst
--- limit
paygw_limit $arg_k burst=5;
--- must_die
--- error_log
"paygw_limit" directive has no "rate", such as "rate=50r/s"

=== TEST 3: rate "50"
--- limit
paygw_limit $arg_k rate=50;
--- must_die
--- error_log
invalid rate "50", it must be 1 to 1000000 requests a second, minute or hour: "50r/s", "600r/m", "1000r/h"

=== TEST 4: rate "50r"
--- limit
paygw_limit $arg_k rate=50r;
--- must_die
--- error_log
invalid rate "50r", it must be 1 to 1000000 requests a second, minute or hour: "50r/s", "600r/m", "1000r/h"

=== TEST 5: rate "50r/d"
--- limit
paygw_limit $arg_k rate=50r/d;
--- must_die
--- error_log
invalid rate "50r/d", it must be 1 to 1000000 requests a second, minute or hour: "50r/s", "600r/m", "1000r/h"

=== TEST 6: rate "r/s"
--- limit
paygw_limit $arg_k rate=r/s;
--- must_die
--- error_log
invalid rate "r/s", it must be 1 to 1000000 requests a second, minute or hour: "50r/s", "600r/m", "1000r/h"

=== TEST 7: rate "0r/s"
--- limit
paygw_limit $arg_k rate=0r/s;
--- must_die
--- error_log
invalid rate "0r/s", it must be 1 to 1000000 requests a second, minute or hour: "50r/s", "600r/m", "1000r/h"

=== TEST 8: rate "-1r/s"
--- limit
paygw_limit $arg_k rate=-1r/s;
--- must_die
--- error_log
invalid rate "-1r/s", it must be 1 to 1000000 requests a second, minute or hour: "50r/s", "600r/m", "1000r/h"

=== TEST 9: rate "1.5r/s"
--- limit
paygw_limit $arg_k rate=1.5r/s;
--- must_die
--- error_log
invalid rate "1.5r/s", it must be 1 to 1000000 requests a second, minute or hour: "50r/s", "600r/m", "1000r/h"

=== TEST 10: rate "1000001r/s"
--- limit
paygw_limit $arg_k rate=1000001r/s;
--- must_die
--- error_log
invalid rate "1000001r/s", it must be 1 to 1000000 requests a second, minute or hour: "50r/s", "600r/m", "1000r/h"

=== TEST 11: rate "99999999999999999999r/s"
--- limit
paygw_limit $arg_k rate=99999999999999999999r/s;
--- must_die
--- error_log
invalid rate "99999999999999999999r/s", it must be 1 to 1000000 requests a second, minute or hour: "50r/s", "600r/m", "1000r/h"

=== TEST 12: rate "50r/s "
--- limit
paygw_limit $arg_k 'rate=50r/s ';
--- must_die
--- error_log
invalid rate "50r/s ", it must be 1 to 1000000 requests a second, minute or hour: "50r/s", "600r/m", "1000r/h"

=== TEST 13: rate "50/s"
--- limit
paygw_limit $arg_k rate=50/s;
--- must_die
--- error_log
invalid rate "50/s", it must be 1 to 1000000 requests a second, minute or hour: "50r/s", "600r/m", "1000r/h"

=== TEST 14: rate "50R/s"
--- limit
paygw_limit $arg_k rate=50R/s;
--- must_die
--- error_log
invalid rate "50R/s", it must be 1 to 1000000 requests a second, minute or hour: "50r/s", "600r/m", "1000r/h"

=== TEST 15: rate "50r/S"
--- limit
paygw_limit $arg_k rate=50r/S;
--- must_die
--- error_log
invalid rate "50r/S", it must be 1 to 1000000 requests a second, minute or hour: "50r/s", "600r/m", "1000r/h"

=== TEST 16: rate ""
--- limit
paygw_limit $arg_k rate=;
--- must_die
--- error_log
invalid rate "", it must be 1 to 1000000 requests a second, minute or hour: "50r/s", "600r/m", "1000r/h"

=== TEST 17: burst ""
--- limit
paygw_limit $arg_k rate=5r/s burst=;
--- must_die
--- error_log
invalid "burst=", it must be a number from 0 to 1000000

=== TEST 18: burst "-1"
--- limit
paygw_limit $arg_k rate=5r/s burst=-1;
--- must_die
--- error_log
invalid "burst=-1", it must be a number from 0 to 1000000

=== TEST 19: burst "x"
--- limit
paygw_limit $arg_k rate=5r/s burst=x;
--- must_die
--- error_log
invalid "burst=x", it must be a number from 0 to 1000000

=== TEST 20: burst "1.5"
--- limit
paygw_limit $arg_k rate=5r/s burst=1.5;
--- must_die
--- error_log
invalid "burst=1.5", it must be a number from 0 to 1000000

=== TEST 21: burst "1000001"
--- limit
paygw_limit $arg_k rate=5r/s burst=1000001;
--- must_die
--- error_log
invalid "burst=1000001", it must be a number from 0 to 1000000

=== TEST 22: a burst that is never there again
--- limit
paygw_limit $arg_k rate=1r/h burst=480;
--- must_die
--- error_log
the rate is too low for this burst: a client that has used it would have to wait for more than 20 days

=== TEST 23: unknown parameter
--- limit
paygw_limit $arg_k rate=5r/s nodelay;
--- must_die
--- error_log
invalid parameter "nodelay" of "paygw_limit", known are "rate=50r/s", "burst=", "name=",

=== TEST 24: unknown scope
--- limit
paygw_limit $arg_k rate=5r/s scope=redis;
--- must_die
--- error_log
invalid parameter "scope=redis"

=== TEST 25: unknown store_error
--- limit
paygw_limit $arg_k rate=5r/s store_error=pass;
--- must_die
--- error_log
invalid parameter "store_error=pass"

=== TEST 26: an empty name
--- limit
paygw_limit $arg_k rate=5r/s name=;
--- must_die
--- error_log
invalid name "", it must be 1 to 64 letters, digits, "-" and "_"

=== TEST 27: a name with a quote
--- limit
paygw_limit $arg_k rate=5r/s 'name=a"b';
--- must_die
--- error_log
invalid name "a"b", it must be 1 to 64 letters, digits, "-" and "_"

=== TEST 28: a long name
--- limit
paygw_limit $arg_k rate=5r/s name=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx;
--- must_die
--- error_log
invalid name "xxxx

=== TEST 29: an empty key
--- limit
paygw_limit "" rate=5r/s;
--- must_die
--- error_log
"paygw_limit" directive has an empty key, with which nothing would be counted

=== TEST 30: a variable that is not there
--- limit
paygw_limit $nothing rate=5r/s;
--- must_die
--- error_log
unknown "nothing" variable

=== TEST 31: off with something
--- limit
paygw_limit off rate=5r/s;
--- must_die
--- error_log
invalid parameter "rate=5r/s"

=== TEST 32: off after another one
--- limit
paygw_limit $arg_k rate=5r/s; paygw_limit off;
--- must_die
--- error_log
"paygw_limit" directive off is not the only "paygw_limit" here

=== TEST 33: off before another one
--- limit
paygw_limit off; paygw_limit $arg_k rate=5r/s;
--- must_die
--- error_log
"paygw_limit" directive follows "paygw_limit off"

=== TEST 34: off twice
--- limit
paygw_limit off; paygw_limit off;
--- must_die
--- error_log
"paygw_limit" directive off is not the only "paygw_limit" here

=== TEST 35: five of them
--- limit
paygw_limit $arg_k rate=1r/s; paygw_limit $arg_k rate=2r/s; paygw_limit $arg_k rate=3r/s; paygw_limit $arg_k rate=4r/s; paygw_limit $arg_k rate=5r/s;
--- must_die
--- error_log
more than 4 "paygw_limit" directives

=== TEST 36: the same twice
--- limit
paygw_limit $arg_k rate=5r/s; paygw_limit $arg_k rate=5r/s name=b scope=zone;
--- must_die
--- error_log
"paygw_limit" directive is duplicate

=== TEST 37: two of the same rate without names
--- limit
paygw_limit $arg_k rate=5r/s; paygw_limit $uri rate=5r/s;
--- must_die
--- error_log
two "paygw_limit" have the name "5r/s", clients could not tell them apart, add "name=..."

=== TEST 38: two of one name
--- limit
paygw_limit $arg_k rate=5r/s name=a; paygw_limit $uri rate=6r/s name=a;
--- must_die
--- error_log
two "paygw_limit" have the name "a"

=== TEST 39: failures: no rate
--- limit
paygw_auth_failures burst=5;
--- must_die
--- error_log
"paygw_auth_failures" directive has no "rate", such as "rate=10r/s"

=== TEST 40: failures: a wrong rate
--- limit
paygw_auth_failures rate=5;
--- must_die
--- error_log
invalid rate "5"

=== TEST 41: failures: a wrong burst
--- limit
paygw_auth_failures rate=5r/s burst=x;
--- must_die
--- error_log
invalid "burst=x"

=== TEST 42: failures: too low a rate
--- limit
paygw_auth_failures rate=1r/h burst=1000;
--- must_die
--- error_log
the rate is too low for this burst

=== TEST 43: failures: unknown parameter
--- limit
paygw_auth_failures on;
--- must_die
--- error_log
invalid parameter "on"

=== TEST 44: failures: off with something
--- limit
paygw_auth_failures off rate=5r/s;
--- must_die
--- error_log
invalid parameter "off"

=== TEST 45: failures: twice
--- limit
paygw_auth_failures off; paygw_auth_failures off;
--- must_die
--- error_log
"paygw_auth_failures" directive is duplicate

=== TEST 46: no store
--- bare
--- config
    location = /a { paygw_limit $arg_k rate=5r/s; return 200; }
--- must_die
--- error_log
no store is defined for "paygw_limit" in

=== TEST 47: Redis without a zone to count in
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:1;
--- config
    location = /a { paygw_limit $arg_k rate=5r/s; return 200; }
--- must_die
--- error_log
needs a zone to count in while the store does not answer, add "paygw_zone paygw:16m" to "http", or "store_error=refuse"

=== TEST 48: the same, from the level of http
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:1;
    paygw_limit $arg_k rate=5r/s;
--- config
    location = /a { return 200; }
--- must_die
--- error_log
needs a zone to count in while the store does not answer

=== TEST 49: scope=zone without a zone
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:1;
--- config
    location = /a { paygw_limit $arg_k rate=5r/s scope=zone store_error=refuse;
                    return 200; }
--- must_die
--- error_log
"scope=zone" of "paygw_limit" in
needs a zone, add "paygw_zone paygw:16m" to "http"

=== TEST 50: failures without a zone
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:1;
--- config
    location = /a { paygw_auth shop; paygw_auth_failures rate=5r/s;
                    return 200; }
--- must_die
--- error_log
"paygw_auth_failures" for "paygw_auth" in
needs a zone, add "paygw_zone paygw:16m" to "http"

=== TEST 51: by default they are not asked for then, nor without paygw_auth
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:1;
--- config
    location = /a { paygw_auth shop; return 200; }
    location = /b { paygw_auth_failures rate=5r/s; return 200 "b"; }
    location = /c { paygw_limit $arg_k rate=5r/s store_error=refuse;
                    return 200 "c"; }
--- request
GET /b
--- response_body chomp
b

=== TEST 52: beside paygw_notify
--- config
    location = /a {
        paygw_notify  wxpay;
        paygw_limit   $arg_k rate=5r/s;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
cannot be used with "paygw_notify": a provider that is refused comes again, use "limit_req" if you must

=== TEST 53: in "if"
--- config
    location = /a { if ($arg_k) { paygw_limit $arg_k rate=5r/s; } }
--- must_die
--- error_log
"paygw_limit" directive is not allowed here

=== TEST 54: all that is right
--- config
    paygw_auth_failures rate=1r/s burst=1000000;
    location = /a {
        paygw_limit  $arg_k  rate=1000000r/s burst=1000000 name=a_B-9;
        paygw_limit  "$arg_k$uri"  rate=1r/m scope=zone;
        paygw_limit  all     rate=1r/h burst=479 scope=store dry_run;
        paygw_limit  $arg_k  rate=1000000r/h store_error=zone burst=0;
        return 200 "a";
    }
    location = /b { paygw_limit off; paygw_auth_failures off; return 200 "b"; }
--- request
GET /a
--- response_body chomp
a
