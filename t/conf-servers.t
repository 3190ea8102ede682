# What nginx -t says of several servers, and of a cluster.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: a list of servers has no gap
--- no_store
--- http_config
    paygw_store redis://127.0.0.1,,127.0.0.2;
--- must_die
--- error_log
no host in redis servers "127.0.0.1,,127.0.0.2", they are "HOST[:PORT]" with commas between them

=== TEST 2: a list of servers has no end
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:1,/0;
--- must_die
--- error_log
no host in redis servers "127.0.0.1:1,"

=== TEST 3: each of them must be found
--- no_store
--- http_config
    paygw_store redis://127.0.0.1,no-such-host.invalid:6379;
--- must_die
--- error_log
host not found in redis server "no-such-host.invalid:6379"

=== TEST 4: each has a port that is one
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:1,[::1]:99999;
--- must_die
--- error_log
invalid port in redis server "[::1]:99999"

=== TEST 5: not more than 64
--- no_store
--- http_config eval
"    paygw_store redis://"
. CORE::join(',', map { "127.0.0.1:$_" } 1 .. 65) . ";"
--- must_die
--- error_log
redis servers have more than 64 addresses

=== TEST 6: the password of a list is before it, and not shown
--- no_store
--- http_config
    paygw_store redis://:a,hush-hush@127.0.0.1,no-such-host.invalid;
--- must_die
--- error_log
host not found in redis server "no-such-host.invalid"
--- no_error_log
hush

=== TEST 7: a list, with all that belongs to a URL
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:$TEST_NGINX_RAND_PORT_1,[::1]:$TEST_NGINX_RAND_PORT_1/3 prefix=a: timeout=1s;
--- callback
wechat()
--- ack: 503
--- result: unavailable store
--- shop: 0
--- no_error_log
[warn]

=== TEST 8: a cluster has no databases
--- no_store
--- http_config
    paygw_store redis://127.0.0.1/1 cluster;
--- must_die
--- error_log
invalid "cluster" of "paygw_store": a cluster has no databases, remove the number

=== TEST 9: a cluster has addresses
--- no_store
--- http_config
    paygw_store redis+unix:///tmp/redis.sock cluster;
--- must_die
--- error_log
invalid "cluster" of "paygw_store": the nodes of a cluster have addresses

=== TEST 10: a prefix must not open what the key closes
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 cluster "prefix={pay:";
--- must_die
--- error_log
invalid "cluster" of "paygw_store": a "{" in "prefix" needs a "}" behind it, and something between them

=== TEST 11: nor be a hash tag of nothing
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 "prefix={}pay:" cluster;
--- must_die
--- error_log
invalid "cluster" of "paygw_store": a "{" in "prefix" needs a "}" behind it

=== TEST 12: without a cluster it may
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:$TEST_NGINX_RAND_PORT_1 "prefix={pay:";
--- callback
wechat()
--- ack: 503
--- result: unavailable store
--- shop: 0

=== TEST 13: "cluster" has no value
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 cluster=on;
--- must_die
--- error_log
invalid parameter "cluster=on"

=== TEST 14: a cluster that is away
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:$TEST_NGINX_RAND_PORT_1,127.0.0.1:$TEST_NGINX_RAND_PORT_2 cluster "prefix={pay}:";
--- callback
wechat()
--- ack: 503
--- result: unavailable store
--- shop: 0
--- no_error_log
[warn]

=== TEST 15: the stream of a channel of a cluster needs its slot
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 cluster;
--- config
    location = /n { paygw_notify wxpay; paygw_queue paygw:events; }
--- must_die
--- error_log eval
qr/stream "paygw:events" of "paygw_queue" in \S+:\d+ does not lie in the slot of channel "wxpay", name it "\{wxpay\}:events", or give it and "prefix" of "paygw_store" one \{hash tag\}/

=== TEST 16: with its channel as the hash tag it has it
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:$TEST_NGINX_RAND_PORT_1 cluster;
--- config
    location = /n { paygw_notify wxpay; paygw_queue "{wxpay}:events"; }
--- request
GET /nothing
--- error_code: 404

=== TEST 17: of several channels each needs it
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 cluster;
--- config
    location = /n { paygw_notify wxpay; paygw_queue "{wxpay}:events"; }
    location = /m { paygw_notify alipay; paygw_queue "{wxpay}:events"; }
--- must_die
--- error_log
does not lie in the slot of channel "alipay"

=== TEST 18: one hash tag for all
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:$TEST_NGINX_RAND_PORT_1 cluster "prefix={pay}:";
--- config
    location = /n { paygw_notify wxpay; paygw_queue "{pay}:events"; }
    location = /m { paygw_notify alipay; paygw_queue "{pay}:events"; }
--- request
GET /nothing
--- error_code: 404

=== TEST 19: without a cluster a stream lies where it likes
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
--- config
    location = /n { paygw_notify wxpay; paygw_queue events; }
    location = /m { paygw_notify alipay; paygw_queue events; }
--- request
GET /nothing
--- error_code: 404
