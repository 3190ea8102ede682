# Limits that would be none are refused.

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: no time for the shop
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_deliver_timeout 0;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"paygw_deliver_timeout" for "paygw_notify" in



=== TEST 2: no limit of a body
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_body_max 0;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"paygw_body_max" for "paygw_notify" in



=== TEST 3: two channels of one account
--- http_config
    paygw_channel twin {
        provider             wechat_v3;
        appid                wxd678efh567hg6787;
        mchid                1900009191;
        apiv3_key            file:$TEST_NGINX_KEYS/apiv3.key;
        platform_public_key  PUB_KEY_ID_0119000091912024 $TEST_NGINX_KEYS/wx_pub.pem;
    }
--- callback
wechat()
--- ack: 204
--- error_log
channels "wxpay" and "twin" are the same account
