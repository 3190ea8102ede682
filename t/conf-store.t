# The arguments of paygw_store and paygw_zone.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: a store needs a value
--- no_store
--- http_config
    paygw_store ;
--- must_die
--- error_log
invalid number of arguments in "paygw_store" directive

=== TEST 2: a store must be known
--- no_store
--- http_config
    paygw_store memory;
--- must_die
--- error_log
invalid store, use "zone", "redis://", "rediss://" or "redis+unix:///"

=== TEST 3: a URL without a host is refused
--- no_store
--- http_config
    paygw_store redis://;
--- must_die
--- error_log
invalid store, use "zone", "redis://", "rediss://" or "redis+unix:///"

=== TEST 4: a host is needed behind the user
--- no_store
--- http_config
    paygw_store redis://:secret@;
--- must_die
--- error_log
no host in the URL of "paygw_store"

=== TEST 5: a host is needed before the database
--- no_store
--- http_config
    paygw_store redis:///0;
--- must_die
--- error_log
no host in the URL of "paygw_store"

=== TEST 6: a host must be found
--- no_store
--- http_config
    paygw_store redis://no-such-host.invalid:6379;
--- must_die
--- error_log
host not found in redis server "no-such-host.invalid:6379"

=== TEST 7: a port is a port
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:99999;
--- must_die
--- error_log
invalid port in redis server "127.0.0.1:99999"

=== TEST 8: a database "x" is none
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:6379/x;
--- must_die
--- error_log
invalid database "x", it is a number

=== TEST 9: a database "-1" is none
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:6379/-1;
--- must_die
--- error_log
invalid database "-1", it is a number

=== TEST 10: a database "65536" is none
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:6379/65536;
--- must_die
--- error_log
invalid database "65536", it is a number

=== TEST 11: a database "0/1" is none
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:6379/0/1;
--- must_die
--- error_log
invalid database "0/1", it is a number

=== TEST 12: the password in the URL is not empty
--- no_store
--- http_config
    paygw_store redis://user:@127.0.0.1;
--- must_die
--- error_log
no password in the URL of "paygw_store", it goes between ":" and "@"

=== TEST 13: a user without a password is refused
--- no_store
--- http_config
    paygw_store redis://user@127.0.0.1;
--- must_die
--- error_log
no password in the URL of "paygw_store", it goes between ":" and "@"

=== TEST 14: a user needs a password
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 user=u;
--- must_die
--- error_log
"user" needs a password, add "password=file:PATH"

=== TEST 15: the password is given once
--- no_store
--- http_config
    paygw_store redis://:a@127.0.0.1 password=text:b;
--- must_die
--- error_log
the password is both in the URL and in "password="

=== TEST 16: the parameter "password" is given once
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 password=text:b password=text:b;
--- must_die
--- error_log
"password" is duplicate

=== TEST 17: the user is given once
--- no_store
--- http_config
    paygw_store redis://u:a@127.0.0.1 user=v;
--- must_die
--- error_log
the user is both in the URL and in "user="

=== TEST 18: a password is a source
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 password=secret;
--- must_die
--- error_log
password of "paygw_store" must be "file:PATH", "env:NAME" or "text:VALUE"

=== TEST 19: a password that is not a source is not shown
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 password=hush-hush;
--- must_die
--- no_error_log
hush

=== TEST 20: a password in a URL with a typing error is not shown
--- no_store
--- http_config
    paygw_store reddis://:hush-hush@127.0.0.1;
--- must_die
--- no_error_log
hush

=== TEST 21: a password in a URL with a wrong host is not shown
--- no_store
--- http_config
    paygw_store redis://:hush-hush@no-such-host.invalid;
--- must_die
--- error_log
host not found
--- no_error_log
hush

=== TEST 22: a password in a URL with a wrong database is not shown
--- no_store
--- http_config
    paygw_store redis://:hush-hush@127.0.0.1/x;
--- must_die
--- error_log
invalid database
--- no_error_log
hush

=== TEST 23: "timeout" is not empty
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 timeout=;
--- must_die
--- error_log
invalid value "" of "timeout"

=== TEST 24: "connections" is not empty
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 connections=;
--- must_die
--- error_log
invalid value "" of "connections"

=== TEST 25: "user" is not empty
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 user=;
--- must_die
--- error_log
invalid value "" of "user"

=== TEST 26: "trusted_certificate" is not empty
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 trusted_certificate=;
--- must_die
--- error_log
invalid value "" of "trusted_certificate"

=== TEST 27: "name" is not empty
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 name=;
--- must_die
--- error_log
invalid value "" of "name"

=== TEST 28: "timeout" is a time
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 timeout=soon;
--- must_die
--- error_log
invalid value "soon" of "timeout"

=== TEST 29: "timeout" is not zero
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 timeout=0;
--- must_die
--- error_log
invalid value "0" of "timeout"

=== TEST 30: "connections" is not 0
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 connections=0;
--- must_die
--- error_log
invalid value "0" of "connections"

=== TEST 31: "connections" is not 65
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 connections=65;
--- must_die
--- error_log
invalid value "65" of "connections"

=== TEST 32: "connections" is not many
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 connections=many;
--- must_die
--- error_log
invalid value "many" of "connections"

=== TEST 33: a parameter must be known
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 retries=3;
--- must_die
--- error_log
invalid parameter "retries=3"

=== TEST 34: a parameter of the zone is refused
--- no_store
--- http_config
    paygw_store zone size=3;
--- must_die
--- error_log
invalid parameter "size=3"

=== TEST 35: a certificate needs TLS
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 trusted_certificate=$TEST_NGINX_KEYS/mch.crt;
--- must_die
--- error_log
"trusted_certificate" needs a "rediss://" URL

=== TEST 36: a name needs TLS
--- no_store
--- http_config
    paygw_store redis://127.0.0.1 name=redis;
--- must_die
--- error_log
"name" needs a "rediss://" URL

=== TEST 37: a trusted certificate must be there
--- no_store
--- http_config
    paygw_store rediss://127.0.0.1 trusted_certificate=missing.crt;
--- must_die
--- error_log
missing.crt

=== TEST 38: a unix socket has an absolute path
--- no_store
--- http_config
    paygw_store redis+unix://redis.sock;
--- must_die
--- error_log
no absolute path in "redis+unix://redis.sock"

=== TEST 39: a unix socket has a path
--- no_store
--- http_config
    paygw_store redis+unix:///;
--- must_die
--- error_log
no absolute path in "redis+unix:///"

=== TEST 40: a unix socket has one argument
--- no_store
--- http_config
    paygw_store redis+unix:///tmp/redis.sock?x=1;
--- must_die
--- error_log
invalid argument in "redis+unix:///tmp/redis.sock?x=1", only "?db=NUMBER" is known

=== TEST 41: the database of a unix socket is a number
--- no_store
--- http_config
    paygw_store redis+unix:///tmp/redis.sock?db=x;
--- must_die
--- error_log
invalid database "x", it is a number

=== TEST 42: there is one store
--- no_store
--- http_config
    paygw_zone paygw:1m;
    paygw_store zone;
    paygw_store redis://127.0.0.1;
--- must_die
--- error_log
"paygw_store" directive is duplicate

=== TEST 43: a store may be a host
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
--- callback
wechat()
--- ack: 503
--- result: unavailable store
--- shop: 0
--- no_error_log
[warn]

=== TEST 44: a store may be a host and a database
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:$TEST_NGINX_RAND_PORT_1/3;
--- callback
wechat()
--- ack: 503
--- result: unavailable store
--- shop: 0
--- no_error_log
[warn]

=== TEST 45: a store may be a slash at its end
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:$TEST_NGINX_RAND_PORT_1/;
--- callback
wechat()
--- ack: 503
--- result: unavailable store
--- shop: 0
--- no_error_log
[warn]

=== TEST 46: a store may be all parameters
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:$TEST_NGINX_RAND_PORT_1/3 prefix=p: timeout=100ms connections=64 user=u password=file:$TEST_NGINX_KEYS/apiv3.key;
--- callback
wechat()
--- ack: 503
--- result: unavailable store
--- shop: 0
--- no_error_log
[warn]

=== TEST 47: a store may be an empty prefix
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:$TEST_NGINX_RAND_PORT_1 prefix=;
--- callback
wechat()
--- ack: 503
--- result: unavailable store
--- shop: 0
--- no_error_log
[warn]

=== TEST 48: a store may be a unix socket
--- no_store
--- http_config
    paygw_store redis+unix:///tmp/paygw-no-such.sock?db=2;
--- callback
wechat()
--- ack: 503
--- result: unavailable store
--- shop: 0
--- error_log
[crit]

=== TEST 49: a store may be an IPv6 address
--- no_store
--- http_config
    paygw_store redis://[::1]:$TEST_NGINX_RAND_PORT_1;
--- callback
wechat()
--- ack: 503
--- result: unavailable store
--- shop: 0
--- no_error_log
[warn]

=== TEST 50: a store may be TLS
--- no_store
--- http_config
    paygw_store rediss://127.0.0.1:$TEST_NGINX_RAND_PORT_1 trusted_certificate=$TEST_NGINX_KEYS/alipay_root.crt name=redis.example.com;
--- callback
wechat()
--- ack: 503
--- result: unavailable store
--- shop: 0
--- no_error_log
[warn]

=== TEST 51: a password in the URL is a warning
--- no_store
--- http_config
    paygw_store redis://u:hush-hush@127.0.0.1:$TEST_NGINX_RAND_PORT_1;
--- callback
wechat()
--- ack: 503
--- result: unavailable store
--- shop: 0
--- error_log
[warn]
the URL of "paygw_store" has a password, "password=file:PATH" keeps it out of configuration dumps

=== TEST 52: a zone is the store without "paygw_store"
--- no_store
--- http_config
    paygw_zone paygw:1m;
--- callback
wechat()
--- ack: 204
--- result: taken
--- shop: 1

=== TEST 53: a zone is the store by name, whatever comes first
--- no_store
--- http_config
    paygw_store zone;
    paygw_zone paygw:1m;
--- callback
wechat()
--- ack: 204
--- result: taken
--- shop: 1
