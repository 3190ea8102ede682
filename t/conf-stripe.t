# What nginx -t says of a channel of Stripe.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: "webhook_secret" is needed
--- stripe
-webhook_secret
--- must_die
--- error_log
no "webhook_secret" is defined for channel "stripe"

=== TEST 2: a secret is not an API key
--- stripe
-webhook_secret
webhook_secret text:sk_live_0123456789abcdef;
--- must_die
--- error_log
invalid "webhook_secret" of channel "stripe", it must be the signing secret of the endpoint as Stripe shows it, from "whsec_" on and without any white space
--- no_error_log
0123456789abcdef

=== TEST 3: the prefix alone is no secret
--- stripe
-webhook_secret
webhook_secret text:whsec_;
--- must_die
--- error_log
invalid "webhook_secret" of channel "stripe"

=== TEST 4: white space at the end of a secret
--- stripe
-webhook_secret
webhook_secret "text:whsec_0123 ";
--- must_die
--- error_log
invalid "webhook_secret" of channel "stripe"

=== TEST 5: white space in a secret
--- stripe
-webhook_secret
webhook_secret "text:whsec_01 23";
--- must_die
--- error_log
invalid "webhook_secret" of channel "stripe"

=== TEST 6: white space before a secret
--- stripe
-webhook_secret
webhook_secret "text: whsec_0123";
--- must_die
--- error_log
invalid "webhook_secret" of channel "stripe"

=== TEST 7: an empty secret
--- stripe
-webhook_secret
webhook_secret "text:";
--- must_die
--- error_log
webhook_secret is empty

=== TEST 8: a secret without a source
--- stripe
-webhook_secret
webhook_secret whsec_0123456789abcdef;
--- must_die
--- error_log
webhook_secret must be "file:PATH", "env:NAME" or "text:VALUE"
--- no_error_log
0123456789abcdef

=== TEST 9: a secret is given once
--- stripe
webhook_secret file:$TEST_NGINX_KEYS/stripe.key;
--- must_die
--- error_log
"webhook_secret" of channel "stripe" is duplicate

=== TEST 10: four secrets are enough
--- stripe
webhook_secret text:whsec_2;
webhook_secret text:whsec_3;
webhook_secret text:whsec_4;
webhook_secret text:whsec_5;
--- must_die
--- error_log
more than 4 "webhook_secret" of channel "stripe", leave out those that have been rolled

=== TEST 11: four secrets
--- stripe
webhook_secret text:whsec_2;
webhook_secret text:whsec_3;
webhook_secret text:whsec_4;
--- callback
stripe()
--- ack: 200

=== TEST 12: "livemode" is on or off
--- stripe
livemode yes;
--- must_die
--- error_log
"livemode" of channel "stripe" must be "on" or "off"

=== TEST 13: "livemode" is given once
--- stripe
livemode on;
livemode on;
--- must_die
--- error_log
"livemode" of channel "stripe" is duplicate

=== TEST 14: an account is one of Stripe's
--- stripe
account 1900009191;
--- must_die
--- error_log
invalid "account" of channel "stripe": "1900009191", it must be the id of a connected account, "acct_" and letters and digits; your own account needs none

=== TEST 15: an account is letters and digits
--- stripe
account "acct_1 2";
--- must_die
--- error_log
invalid "account" of channel "stripe": "acct_1 2", it must be at most 64 letters and digits

=== TEST 16: an account is given once
--- stripe
account acct_1;
account acct_1;
--- must_die
--- error_log
duplicate value "acct_1"

=== TEST 17: two channels of one secret are the same account
--- http_config
    paygw_channel twin {
        provider        stripe;
        webhook_secret  text:whsec_0;
        webhook_secret  file:$TEST_NGINX_KEYS/stripe.key;
    }
--- config
    location = /notify/stripe {
        paygw_notify  stripe twin;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"paygw_notify" names channels "stripe" and "twin"
which are the same account: their callbacks could not be told apart

=== TEST 18: two channels of one secret at two locations are a warning
--- http_config
    paygw_channel twin {
        provider        stripe;
        webhook_secret  file:$TEST_NGINX_KEYS/stripe.key;
    }
--- callback
stripe()
--- ack: 200
--- error_log
channels "stripe" and "twin" are the same account: one callback sent to both would be two events

=== TEST 19: channels that share a secret and an account
--- http_config
    paygw_channel one {
        provider        stripe;
        webhook_secret  file:$TEST_NGINX_KEYS/stripe.key;
        account         acct_1 acct_2;
    }
    paygw_channel two {
        provider        stripe;
        webhook_secret  file:$TEST_NGINX_KEYS/stripe.key;
        account         acct_2;
    }
--- config
    location = /notify/stripe {
        paygw_notify  one two;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
which are the same account: their callbacks could not be told apart

=== TEST 20: a secret may be that of the other mode, or of other accounts
--- http_config
    paygw_channel one {
        provider        stripe;
        webhook_secret  file:$TEST_NGINX_KEYS/stripe.key;
        account         acct_1;
    }
    paygw_channel two {
        provider        stripe;
        webhook_secret  file:$TEST_NGINX_KEYS/stripe.key;
        account         acct_2;
    }
    paygw_channel test {
        provider        stripe;
        webhook_secret  file:$TEST_NGINX_KEYS/stripe.key;
        livemode        off;
    }
--- config
    location = /notify/stripe {
        paygw_notify  stripe one two test;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
stripe(), stripe(event => { account => 'acct_2' }),
stripe(event => { livemode => JSON::PP::false() }),
stripe(event => { account => 'acct_1' })
--- ack: 200 200 200 200
--- shop
[ map { { header => { 'X-Paygw-Channel' => $_ } } } qw(stripe two test one) ]
--- no_error_log
are the same account

=== TEST 21: a parameter of another provider is not known
--- stripe
mchid 1;
--- must_die
--- error_log
unknown parameter "mchid" of channel "stripe", provider "stripe" does not have it
