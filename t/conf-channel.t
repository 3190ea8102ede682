# What nginx -t says of the parts of paygw_channel that all providers share.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: a channel needs a name
--- http_config
    paygw_channel { }
--- must_die
--- error_log
invalid number of arguments in "paygw_channel" directive

=== TEST 2: a channel is not called "a:b"
--- http_config
    paygw_channel "a:b" { provider alipay; }
--- must_die
--- error_log
invalid channel name "a:b", it must be 1 to 64 letters, digits, "-" and "_"

=== TEST 3: a channel is not called "a b"
--- http_config
    paygw_channel "a b" { provider alipay; }
--- must_die
--- error_log
invalid channel name "a b", it must be 1 to 64 letters, digits, "-" and "_"

=== TEST 4: a channel is not called ""
--- http_config
    paygw_channel "" { provider alipay; }
--- must_die
--- error_log
invalid channel name "", it must be 1 to 64 letters, digits, "-" and "_"

=== TEST 5: a channel is not called "a/b"
--- http_config
    paygw_channel "a/b" { provider alipay; }
--- must_die
--- error_log
invalid channel name "a/b", it must be 1 to 64 letters, digits, "-" and "_"

=== TEST 6: a channel is not called "ä"
--- http_config
    paygw_channel "ä" { provider alipay; }
--- must_die
--- error_log
invalid channel name "ä", it must be 1 to 64 letters, digits, "-" and "_"

=== TEST 7: the name of a channel is not longer than 64
--- http_config
    paygw_channel "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" { provider alipay; }
--- must_die
--- error_log
invalid channel name "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", it must be 1 to 64 letters, digits, "-" and "_"

=== TEST 8: a channel is defined once
--- http_config
    paygw_channel wxpay { provider alipay; }
--- must_die
--- error_log
duplicate channel "wxpay"

=== TEST 9: a channel has a provider
--- http_config
    paygw_channel c { }
--- must_die
--- error_log
no "provider" is defined for channel "c"

=== TEST 10: the provider comes first
--- http_config
    paygw_channel c { mchid 1; provider wechat_v3; }
--- must_die
--- error_log
"provider" must be the first parameter of channel "c"

=== TEST 11: the provider comes before the times as well
--- http_config
    paygw_channel c { lease 30s; provider wechat_v3; }
--- must_die
--- error_log
"provider" must be the first parameter of channel "c"

=== TEST 12: a provider must be known
--- http_config
    paygw_channel c { provider wechat; }
--- must_die
--- error_log
unknown provider "wechat" of channel "c", known are "alipay" "generic" "stripe" "unionpay" "wechat_v2" "wechat_v3"

=== TEST 13: a provider is given once
--- http_config
    paygw_channel c { provider alipay; provider alipay; }
--- must_die
--- error_log
"provider" of channel "c" is duplicate

=== TEST 14: a provider is one word
--- http_config
    paygw_channel c { provider alipay wechat_v3; }
--- must_die
--- error_log
invalid number of arguments in "provider" of channel "c"

=== TEST 15: a parameter must be known
--- wxpay
mch_id 1;
--- must_die
--- error_log
unknown parameter "mch_id" of channel "wxpay", provider "wechat_v3" does not have it

=== TEST 16: a parameter of another provider is not known
--- wxpay
app_id 1;
--- must_die
--- error_log
unknown parameter "app_id" of channel "wxpay", provider "wechat_v3" does not have it

=== TEST 17: a parameter may not be the beginning of a name
--- wxpay
mchi 1;
--- must_die
--- error_log
unknown parameter "mchi" of channel "wxpay"

=== TEST 18: a directive of nginx is not a parameter
--- wxpay
root /;
--- must_die
--- error_log
unknown parameter "root" of channel "wxpay"

=== TEST 19: a parameter that stands once does not stand twice
--- wxpay
mchid 1900009191;
--- must_die
--- error_log
"mchid" of channel "wxpay" is duplicate

=== TEST 20: a parameter needs a value
--- wxpay
appid;
--- must_die
--- error_log
invalid number of arguments in "appid" of channel "wxpay": 0, it must be at least 1

=== TEST 21: a parameter takes as many values as it can
--- wxpay
-mchid
mchid 1 2;
--- must_die
--- error_log
invalid number of arguments in "mchid" of channel "wxpay": 2, it must be at most 1, a value with spaces needs quotes

=== TEST 22: "clock_window" is a time
--- wxpay
clock_window soon;
--- must_die
--- error_log
"clock_window" of channel "wxpay" must be a time of at least 1s

=== TEST 23: "clock_window" is given once
--- wxpay
clock_window 60s;
clock_window 60s;
--- must_die
--- error_log
"clock_window" of channel "wxpay" is duplicate

=== TEST 24: "event_ttl" is a time
--- wxpay
event_ttl soon;
--- must_die
--- error_log
"event_ttl" of channel "wxpay" must be a time of at least 1s

=== TEST 25: "event_ttl" is given once
--- wxpay
event_ttl 60s;
event_ttl 60s;
--- must_die
--- error_log
"event_ttl" of channel "wxpay" is duplicate

=== TEST 26: "lease" is a time
--- wxpay
lease soon;
--- must_die
--- error_log
"lease" of channel "wxpay" must be a time of at least 1s

=== TEST 27: "lease" is given once
--- wxpay
lease 60s;
lease 60s;
--- must_die
--- error_log
"lease" of channel "wxpay" is duplicate

=== TEST 28: "clock_window" is not zero
--- wxpay
clock_window 0;
--- must_die
--- error_log
"clock_window" of channel "wxpay" must be a time of at least 1s

=== TEST 29: "lease" is not less than a second
--- wxpay
lease 999ms;
--- must_die
--- error_log
"lease" of channel "wxpay" must be a time of at least 1s

=== TEST 30: "lease" has one value
--- wxpay
lease 30s 40s;
--- must_die
--- error_log
"lease" of channel "wxpay" must be a time of at least 1s

=== TEST 31: an event is remembered for twice the clock window
--- wxpay
event_ttl 599s;
--- must_die
--- error_log
"event_ttl" 599s of channel "wxpay" is less than twice "clock_window" 300s: a callback could be replayed while its time is still accepted, leave "event_ttl" out or set it to 26h

=== TEST 32: a clock window is compared with the default time to remember
--- wxpay
clock_window 50000s;
--- must_die
--- error_log
"event_ttl" 93600s of channel "wxpay" is less than twice "clock_window" 50000s

=== TEST 33: the block is closed
--- bare
--- no_channels
--- http_config
    paygw_channel c { provider alipay;
--- must_die
--- error_log
unexpected "{" in

=== TEST 34: a parameter ends with a semicolon
--- http_config
    paygw_channel c { provider alipay }
--- must_die
--- error_log
unexpected "}" in

=== TEST 35: a parameter has no block
--- http_config
    paygw_channel c { provider { } }
--- must_die
--- error_log
unexpected "{"

=== TEST 36: "include" in a channel needs a file
--- wxpay
include a b;
--- must_die
--- error_log
invalid number of arguments in "include"

=== TEST 37: "include" in a channel needs a file that is there
--- wxpay
include missing.conf;
--- must_die
--- error_log
conf/missing.conf" failed (2: No such file or directory)

=== TEST 38: a mistake in an included file is told with its line
--- wxpay
include ../html/channel.conf;
--- user_files
>>> channel.conf
mch_id 1;
--- must_die
--- error_log
unknown parameter "mch_id" of channel "wxpay"

=== TEST 39: two channels of one account are a warning, wherever they are used
--- http_config
    paygw_channel again {
        provider           alipay;
        app_id             2021000000000001;
        seller_id          2088101122136241;
        alipay_public_key  $TEST_NGINX_KEYS/alipay.pem;
    }
--- callback
alipay()
--- ack: 200
--- error_log
[warn]
channels "alipay" and "again" are the same account: one callback sent to both would be two events
