# What nginx -t says of a channel of WeChat Pay v2.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

with_wxv2();

# keys that are none, each in a file of its own
{
    my %bad = (
        short   => '192006250b4c09247ec02edce69f6a2',
        long    => '192006250b4c09247ec02edce69f6a2d0',
        base64  => 'MTkyMDA2MjUwYjRjMDkyNDdlYzAyZWRjZTY5ZjZhMmQ=',
        space   => '192006250b4c09247ec02edce69f6a2 ',
        lf      => "192006250b4c09247ec02edce69f6a2d\n\n",
        newline => "192006250b4c09247ec02edce69f6a2d\n",
        empty   => '',
    );
    for my $name (keys %bad) {
        my $file = keys_dir() . "/bad_$name.key";
        open my $fh, '>', $file or die;
        print $fh $bad{$name};
        close $fh;
        chmod 0600, $file;
    }
}

run_tests();

__DATA__

=== TEST 1: "appid" is needed
--- wxv2
-appid
--- must_die
--- error_log
no "appid" is defined for channel "wxv2"

=== TEST 2: "mchid" is needed
--- wxv2
-mchid
--- must_die
--- error_log
no "mchid" is defined for channel "wxv2"

=== TEST 3: "api_key" is needed
--- wxv2
-api_key
--- must_die
--- error_log
no "api_key" is defined for channel "wxv2"

=== TEST 4: "sign_type" is needed: no message chooses it
--- wxv2
-sign_type
--- must_die
--- error_log
no "sign_type" is defined for channel "wxv2"

=== TEST 5: "sign_type" is one of two words
--- wxv2
-sign_type
sign_type RSA2;
--- must_die
--- error_log
invalid "sign_type" of channel "wxv2": "RSA2", it must be "MD5" or "HMAC-SHA256", as your orders say it

=== TEST 6: "sign_type" in another case
--- wxv2
-sign_type
sign_type md5;
--- must_die
--- error_log
invalid "sign_type" of channel "wxv2": "md5"

=== TEST 7: "sign_type" is empty
--- wxv2
-sign_type
sign_type "";
--- must_die
--- error_log
invalid "sign_type" of channel "wxv2": ""

=== TEST 8: "sign_type" is given once
--- wxv2
sign_type MD5;
--- must_die
--- error_log
"sign_type" of channel "wxv2" is duplicate

=== TEST 9: an API key that is too short
--- wxv2
-api_key
api_key file:$TEST_NGINX_KEYS/bad_short.key;
--- must_die
--- error_log
"api_key" of channel "wxv2" has 31 bytes, it must have exactly 32 (the API key as it was set in the merchant console, not the APIv3 key)

=== TEST 10: an API key that is too long
--- wxv2
-api_key
api_key file:$TEST_NGINX_KEYS/bad_long.key;
--- must_die
--- error_log
"api_key" of channel "wxv2" has 33 bytes

=== TEST 11: an API key in base64
--- wxv2
-api_key
api_key file:$TEST_NGINX_KEYS/bad_base64.key;
--- must_die
--- error_log
"api_key" of channel "wxv2" has 44 bytes

=== TEST 12: an API key with two newlines
--- wxv2
-api_key
api_key file:$TEST_NGINX_KEYS/bad_lf.key;
--- must_die
--- error_log
"api_key" of channel "wxv2" has 33 bytes

=== TEST 13: an API key with a space, of the right length
--- wxv2
-api_key
api_key file:$TEST_NGINX_KEYS/bad_space.key;
--- must_die
--- error_log
"api_key" of channel "wxv2" has a character that an API key cannot have, look for a space or a line feed

=== TEST 14: an empty API key
--- wxv2
-api_key
api_key file:$TEST_NGINX_KEYS/bad_empty.key;
--- must_die
--- error_log
bad_empty.key" is empty

=== TEST 15: an API key with one newline at its end is the same key
--- wxv2
-api_key
api_key file:$TEST_NGINX_KEYS/bad_newline.key;
--- callback
wechat2()
--- ack: 200

=== TEST 16: an API key is given once
--- wxv2
api_key file:$TEST_NGINX_KEYS/bad_newline.key;
--- must_die
--- error_log
duplicate "api_key" of channel "wxv2"

=== TEST 17: a bare API key is no source, and not shown
--- wxv2
-api_key
api_key 192006250b4c09247ec02edce69f6a2d;
--- must_die
--- error_log
api_key must be "file:PATH", "env:NAME" or "text:VALUE"
--- no_error_log
192006250b4c09247ec02edce69f6a2d

=== TEST 18: an API key in the configuration is for tests
--- wxv2
-api_key
api_key text:192006250b4c09247ec02edce69f6a2d;
--- callback
wechat2()
--- ack: 200

=== TEST 19: an API key from the environment
--- main_config
env PAYGW_TEST_NO_SUCH_KEY;
--- wxv2
-api_key
api_key env:PAYGW_TEST_NO_SUCH_KEY;
--- must_die
--- error_log
api_key: environment variable "PAYGW_TEST_NO_SUCH_KEY" is not set

=== TEST 20: "mchid" is letters and digits
--- wxv2
-mchid
mchid "1 2";
--- must_die
--- error_log
invalid "mchid" of channel "wxv2": "1 2", it must be at most 64 letters and digits

=== TEST 21: "mchid" is given once
--- wxv2
mchid 10000101;
--- must_die
--- error_log
"mchid" of channel "wxv2" is duplicate

=== TEST 22: an "appid" is given once
--- wxv2
appid wxd930ea5d5a258f4f;
--- must_die
--- error_log
duplicate value "wxd930ea5d5a258f4f" in channel "wxv2"

=== TEST 23: "sub_mchid" is letters and digits
--- wxv2
sub_mchid "1 2";
--- must_die
--- error_log
invalid "sub_mchid" of channel "wxv2": "1 2"

=== TEST 24: an event is remembered for longer than it is repeated
--- wxv2
event_ttl 25h;
--- must_die
--- error_log
"event_ttl" of channel "wxv2" must be at least 26h, WeChat Pay repeats a callback for 24 hours

=== TEST 25: the clock window leaves time to remember
--- wxv2
clock_window 1h;
--- must_die
--- error_log
"clock_window" of channel "wxv2" must be less than 1h, a callback could be replayed

=== TEST 26: parameters of APIv3 are not those of v2
--- wxv2
apiv3_key file:$TEST_NGINX_KEYS/apiv3.key;
--- must_die
--- error_log
unknown parameter "apiv3_key" of channel "wxv2", provider "wechat_v2" does not have it

=== TEST 27: one account twice at a location
--- http_config
    paygw_channel again {
        provider   wechat_v2;
        appid      wxd930ea5d5a258f4f wxother;
        mchid      10000100;
        api_key    file:$TEST_NGINX_KEYS/wxv2.key;
        sign_type  HMAC-SHA256;
    }
--- config
    location = /notify/wxv2 {
        paygw_notify wxv2 again;
        return 200;
    }
--- must_die
--- error_log
the same account

=== TEST 28: a partner and a merchant are two accounts
--- http_config
    paygw_channel partner {
        provider   wechat_v2;
        appid      wxd930ea5d5a258f4f;
        mchid      10000100;
        sub_mchid  1900000109;
        api_key    file:$TEST_NGINX_KEYS/wxv2.key;
        sign_type  MD5;
    }
--- config
    location = /notify/wxv2 {
        paygw_notify wxv2 partner;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
wechat2(), wechat2(fields => { sub_mch_id => '1900000109' })
--- ack: 200 200
--- shop
[ { header => { 'X-Paygw-Channel' => 'wxv2' } },
  { header => { 'X-Paygw-Channel' => 'partner' } } ]
