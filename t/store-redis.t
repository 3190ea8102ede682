# The store in Redis: what both stores do, and the parameters of a URL.

use strict;
use warnings;
use lib 't/lib';

use PaygwRedis;

# before Test::Nginx expands the variables of the blocks
BEGIN { PaygwRedis->start }

use PaygwStore;

store_tests('paygw_zone z:1m; paygw_store redis://127.0.0.1:'
            . '$TEST_NGINX_REDIS_PORT;', do { local $/; <DATA> });

__DATA__



=== TEST 101: cancel: what was taken in vain is released
--- steps
op=claim&key=KEY&cancel=1              => cancelled
op=claim&key=KEY&delay=200             => ok 2 \w+



=== TEST 102: cancel: what was not taken is left alone
--- steps
op=claim&key=KEY                       => ok 1 \w+
op=claim&key=KEY&cancel=1              => cancelled
op=claim&key=KEY&delay=200             => busy



=== TEST 103: cancel: many at a time
--- steps
op=claim&key=KEY&cancel=1&n=32         => cancelled
op=claim&key=KEY&delay=200             => ok 2 \w+



=== TEST 104: URL: a database
--- http_config
    paygw_store redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/3;
--- steps
op=claim&key=KEY                       => ok 1 \w+
op=claim&key=KEY                       => busy



=== TEST 105: URL: a host name, and no prefix; the first address may refuse
--- http_config
    paygw_store redis://localhost:$TEST_NGINX_REDIS_PORT/ prefix=;
--- steps
op=claim&key=KEY                       => ok 1 \w+
op=claim&key=KEY                       => busy



=== TEST 106: URL: a unix socket
--- http_config
    paygw_store redis+unix://$TEST_NGINX_REDIS_SOCKET;
--- steps
op=claim&key=KEY                       => ok 1 \w+
op=claim&key=KEY                       => busy



=== TEST 107: URL: a unix socket and a database
--- http_config
    paygw_store redis+unix://$TEST_NGINX_REDIS_SOCKET?db=2 timeout=2s;
--- steps
op=claim&key=KEY                       => ok 1 \w+
op=claim&key=KEY                       => busy



=== TEST 108: connections: several
--- http_config
    paygw_store redis://127.0.0.1:$TEST_NGINX_REDIS_PORT connections=4;
--- steps
op=claim&key=KEY&n=64                  => ok=1 committed=0 busy=63 error=0
op=claim&key=KEY&n=64&spread=1         => ok=64 committed=0 busy=0 error=0



=== TEST 109: many at a time: more than one buffer and one read
--- http_config
    paygw_store redis://127.0.0.1:$TEST_NGINX_REDIS_PORT timeout=8s;
--- steps
op=claim&key=KEY&n=5000&spread=1       => ok=5000 committed=0 busy=0 error=0
op=claim&key=KEY&n=5000&spread=1&then=commit => ok=0 committed=0 busy=5000 error=0
--- timeout: 20



=== TEST 110: configuration: the password in the URL is warned about
--- http_config
    paygw_store redis://:geheim@127.0.0.1:1;
--- config
    location = /s { return 204; }
--- error_code: 204
--- error_log
the URL of "paygw_store" has a password
--- no_error_log
geheim
[error]



=== TEST 111: configuration: unknown parameter
--- http_config
    paygw_store redis://127.0.0.1 pool=3;
--- must_die
--- error_log
invalid parameter "pool=3"
--- suppress_stderr



=== TEST 112: configuration: invalid URL
--- http_config
    paygw_store http://127.0.0.1;
--- must_die
--- error_log
invalid store, use "zone", "redis://", "rediss://" or "redis+unix:///"
--- suppress_stderr



=== TEST 113: configuration: an invalid URL is not quoted, its password neither
--- http_config
    paygw_store reids://:geheim@127.0.0.1;
--- must_die
--- error_log
invalid store
--- no_error_log
geheim
--- suppress_stderr



=== TEST 114: configuration: no host
--- http_config
    paygw_store redis:///0;
--- must_die
--- error_log
no host in the URL of "paygw_store"
--- suppress_stderr



=== TEST 115: configuration: invalid port
--- http_config
    paygw_store redis://127.0.0.1:99999;
--- must_die
--- error_log
invalid port in redis server "127.0.0.1:99999"
--- suppress_stderr



=== TEST 116: configuration: invalid database
--- http_config
    paygw_store redis://127.0.0.1/first;
--- must_die
--- error_log
invalid database "first"
--- suppress_stderr



=== TEST 117: configuration: invalid database of a unix socket
--- http_config
    paygw_store redis+unix:///tmp/s?db=x;
--- must_die
--- error_log
invalid database "x"
--- suppress_stderr



=== TEST 118: configuration: unknown argument of a unix socket
--- http_config
    paygw_store redis+unix:///tmp/s?base=1;
--- must_die
--- error_log
only "?db=NUMBER" is known
--- suppress_stderr



=== TEST 119: configuration: a unix socket without a path
--- http_config
    paygw_store redis+unix://sock;
--- must_die
--- error_log
no absolute path in "redis+unix://sock"
--- suppress_stderr



=== TEST 120: configuration: host not found
--- http_config
    paygw_store redis://:geheim@no-such-host.invalid;
--- must_die
--- error_log
host not found in redis server "no-such-host.invalid"
--- no_error_log
geheim
--- suppress_stderr



=== TEST 121: configuration: invalid timeout
--- http_config
    paygw_store redis://127.0.0.1 timeout=soon;
--- must_die
--- error_log
invalid value "soon" of "timeout"
--- suppress_stderr



=== TEST 122: configuration: no timeout
--- http_config
    paygw_store redis://127.0.0.1 timeout=0;
--- must_die
--- error_log
invalid value "0" of "timeout"
--- suppress_stderr



=== TEST 123: configuration: no connection
--- http_config
    paygw_store redis://127.0.0.1 connections=0;
--- must_die
--- error_log
invalid value "0" of "connections"
--- suppress_stderr



=== TEST 124: configuration: too many connections
--- http_config
    paygw_store redis://127.0.0.1 connections=1000;
--- must_die
--- error_log
invalid value "1000" of "connections"
--- suppress_stderr



=== TEST 125: configuration: a user without a password
--- http_config
    paygw_store redis://127.0.0.1 user=paygw;
--- must_die
--- error_log
"user" needs a password
--- suppress_stderr



=== TEST 126: configuration: a URL with a user and no password
--- http_config
    paygw_store redis://paygw@127.0.0.1;
--- must_die
--- error_log
no password in the URL of "paygw_store"
--- suppress_stderr



=== TEST 127: configuration: two users
--- http_config
    paygw_store redis://a:b@127.0.0.1 user=c;
--- must_die
--- error_log
the user is both in the URL and in "user="
--- suppress_stderr



=== TEST 128: configuration: two passwords
--- http_config
    paygw_store redis://a:b@127.0.0.1 password=text:c;
--- must_die
--- error_log
the password is both in the URL and in "password="
--- suppress_stderr



=== TEST 129: configuration: a certificate without TLS
--- http_config
    paygw_store redis://127.0.0.1 trusted_certificate=ca.pem;
--- must_die
--- error_log
"trusted_certificate" needs a "rediss://" URL
--- suppress_stderr



=== TEST 130: configuration: a name without TLS
--- http_config
    paygw_store redis+unix:///tmp/s name=redis.local;
--- must_die
--- error_log
"name" needs a "rediss://" URL
--- suppress_stderr



=== TEST 131: configuration: no such certificate
--- http_config
    paygw_store rediss://127.0.0.1 trusted_certificate=no-such.pem;
--- must_die
--- error_log
no-such.pem"
--- suppress_stderr
