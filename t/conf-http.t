# What nginx -t says of directives outside of channels.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: a zone needs a size
--- no_store
--- http_config
    paygw_zone paygw;
--- must_die
--- error_log
invalid zone "paygw", it must be "name:size"

=== TEST 2: a zone needs a name
--- no_store
--- http_config
    paygw_zone :16m;
--- must_die
--- error_log
invalid zone ":16m", it must be "name:size"

=== TEST 3: the size of a zone must be a size
--- no_store
--- http_config
    paygw_zone paygw:16x;
--- must_die
--- error_log
invalid zone size "paygw:16x"

=== TEST 4: an empty size is none
--- no_store
--- http_config
    paygw_zone paygw:;
--- must_die
--- error_log
invalid zone size "paygw:"

=== TEST 5: a zone that is too small is refused
--- no_store
--- http_config
    paygw_zone paygw:16k;
--- must_die
--- error_log
zone "paygw" is too small

=== TEST 6: there is one zone
--- no_store
--- http_config
    paygw_zone a:1m;
    paygw_zone b:1m;
--- must_die
--- error_log
"paygw_zone" directive is duplicate

=== TEST 7: the name of the zone is not one of another module
--- no_store
--- http_config
    limit_req_zone $binary_remote_addr zone=paygw:1m rate=1r/s;
    paygw_zone paygw:1m;
--- must_die
--- error_log
the shared memory zone "paygw" is already declared for a different use

=== TEST 8: a zone belongs to http
--- bare
--- config
    paygw_zone paygw:1m;
--- must_die
--- error_log
"paygw_zone" directive is not allowed here

=== TEST 9: a store belongs to http
--- bare
--- config
    paygw_store zone;
--- must_die
--- error_log
"paygw_store" directive is not allowed here

=== TEST 10: a channel belongs to http
--- bare
--- config
    paygw_channel a { }
--- must_die
--- error_log
"paygw_channel" directive is not allowed here

=== TEST 11: a callback belongs to a location
--- config
    paygw_notify wxpay;
--- must_die
--- error_log
"paygw_notify" directive is not allowed here

=== TEST 12: a callback does not stand in "if"
--- config
    location /n {
        if ($args) { paygw_notify wxpay; }
    }
--- must_die
--- error_log
"paygw_notify" directive is not allowed here

=== TEST 13: a callback needs a channel
--- config
    location = /n {
        paygw_notify;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"paygw_notify" names no channel, a callback cannot be verified without one

=== TEST 14: a callback needs a channel that is there
--- config
    location = /n {
        paygw_notify nobody;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"paygw_notify" names unknown channel "nobody" in

=== TEST 15: the message about an unknown channel tells the fix
--- config
    location = /n {
        paygw_notify wxpay nobody;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
define it by "paygw_channel nobody { ... }"

=== TEST 16: the name of a channel is compared as a whole
--- config
    location = /n {
        paygw_notify wxpa;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"paygw_notify" names unknown channel "wxpa" in

=== TEST 17: a callback location is given once
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"paygw_notify" directive is duplicate

=== TEST 18: a channel is named once
--- config
    location = /n {
        paygw_notify wxpay wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"paygw_notify" names channels "wxpay" and "wxpay" in

=== TEST 19: channels of two providers do not share a location
--- config
    location = /n {
        paygw_notify wxpay alipay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"paygw_notify" names channels of different providers, "wxpay" and "alipay", in

=== TEST 20: two WeChat Pay channels of one account cannot be told apart
--- http_config
    paygw_channel again {
        provider              wechat_v3;
        appid                 wxother wxd678efh567hg6787;
        mchid                 1900009191;
        apiv3_key             file:$TEST_NGINX_KEYS/apiv3_other.key;
        platform_certificate  $TEST_NGINX_KEYS/wx_b.crt;
    }
--- config
    location = /n {
        paygw_notify wxpay again;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
which are the same account: their callbacks could not be told apart

=== TEST 21: two Alipay channels of one app cannot be told apart
--- http_config
    paygw_channel again {
        provider           alipay;
        app_id             2021000000000001;
        seller_id          2088000000000000;
        alipay_public_key  $TEST_NGINX_KEYS/alipay_next.pem;
    }
--- config
    location = /n {
        paygw_notify alipay again;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"paygw_notify" names channels "alipay" and "again" in

=== TEST 22: a callback needs a store
--- no_store
--- must_die
--- error_log
no store is defined for "paygw_notify" in

=== TEST 23: the message about the store tells the fix
--- no_store
--- must_die
--- error_log
add "paygw_zone paygw:16m" or "paygw_store redis://..." to "http"

=== TEST 24: the store "zone" needs a zone
--- no_store
--- no_channels
--- http_config
    paygw_store zone;
--- config

--- must_die
--- error_log
"paygw_store zone" needs a zone, add "paygw_zone paygw:16m"

=== TEST 25: "satisfy any" would skip the verification
--- config
    location = /n {
        satisfy any;
        allow all;
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"satisfy any" cannot be used with "paygw_notify" in

=== TEST 26: "satisfy any" of the server counts as well
--- config
    satisfy any;
    location = /n {
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
another check that passes would skip the verification, use "satisfy all"

=== TEST 27: a lease must be longer than the hand-over
--- wxpay
lease 4s;
--- must_die
--- error_log
"lease" 4000ms of channel "wxpay" is not longer than "paygw_deliver_timeout" 4000ms for "paygw_notify" in

=== TEST 28: a lease is compared with the hand-over of the location
--- config
    paygw_deliver_timeout 1m;
    location = /n {
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"lease" 30000ms of channel "wxpay" is not longer than "paygw_deliver_timeout" 60000ms for "paygw_notify" in

=== TEST 29: the form of the hand-over is one that is known
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_deliver json;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
invalid value "json", it must be "event" or "raw"

=== TEST 30: the form of the hand-over is given once
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_deliver raw;
        paygw_deliver raw;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"paygw_deliver" directive is duplicate

=== TEST 31: the time of the hand-over is a time
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_deliver_timeout soon;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"paygw_deliver_timeout" directive invalid value

=== TEST 32: the limit of a body is a size
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_body_max much;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"paygw_body_max" directive invalid value

=== TEST 33: to observe needs an end
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_verify observe;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"paygw_verify observe" must have an end, add "until=YYYY-MM-DD"

=== TEST 34: the end of observing is a date
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_verify observe until=tomorrow;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
invalid date "tomorrow", it must be "YYYY-MM-DD"

=== TEST 35: the end of observing is a date that exists
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_verify observe until=2026-02-30;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
invalid date "2026-02-30", it must be "YYYY-MM-DD"

=== TEST 36: the end of observing has no time
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_verify observe until=2026-02-20T00:00:00Z;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
invalid date "2026-02-20T00:00:00Z", it must be "YYYY-MM-DD"

=== TEST 37: to observe takes nothing else
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_verify observe for=ever;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
invalid parameter "for=ever"

=== TEST 38: to enforce takes no end
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_verify enforce until=2030-01-01;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
invalid parameter "until=2030-01-01"

=== TEST 39: verification cannot be switched off
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_verify off;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
invalid value "off", it must be "enforce" or "observe until=YYYY-MM-DD"

=== TEST 40: the way to verify is given once
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_verify enforce;
        paygw_verify enforce;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"paygw_verify" directive is duplicate

=== TEST 41: "error_page" does nothing for a provider, which is a warning
--- config
    location = /n {
        paygw_notify wxpay;
        error_page 500 /x;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
wechat(uri => "/n")
--- ack: 204
--- result: taken
--- error_log
[warn]
"error_page" has no effect with "paygw_notify" in
, the provider gets its own answer

=== TEST 42: "post_action" does nothing for a provider, which is a warning
--- config
    location = /n {
        paygw_notify wxpay;
        post_action /x;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
wechat(uri => "/n")
--- ack: 204
--- result: taken
--- error_log
[warn]
"post_action" has no effect with "paygw_notify" in
