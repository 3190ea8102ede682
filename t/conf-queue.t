# What nginx -t says of paygw_queue.
use strict;
use warnings;

BEGIN { $ENV{PAYGW_TEST_STORE} = 'redis' }

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: a zone has no streams
--- no_store
--- http_config
    paygw_zone paygw:1m;
--- config
    location = /n { paygw_notify wxpay; paygw_queue q; }
--- must_die
--- error_log eval
qr/"paygw_queue" in \S+:\d+ needs Redis, a zone has no streams: add "paygw_store redis:\/\/..." to "http"/

=== TEST 2: and without a store neither
--- no_store
--- config
    location = /n { paygw_notify wxpay; paygw_queue q; }
--- must_die
--- error_log
needs Redis, a zone has no streams

=== TEST 3: a stream needs a name
--- config
    location = /n { paygw_notify wxpay; paygw_queue ""; }
--- must_die
--- error_log
the name of a stream must have 1 to 255 bytes

=== TEST 4: no arguments
--- config
    location = /n { paygw_notify wxpay; paygw_queue; }
--- must_die
--- error_log
invalid number of arguments in "paygw_queue" directive

=== TEST 5: the name has no variables
--- config
    location = /n { paygw_notify wxpay; paygw_queue q:$host; }
--- must_die
--- error_log
invalid stream "q:$host", it must be visible ASCII without variables

=== TEST 6: nor spaces
--- config
    location = /n { paygw_notify wxpay; paygw_queue "q q"; }
--- must_die
--- error_log
invalid stream "q q"

=== TEST 7: it is not without paygw_notify
--- config
    location = /n { paygw_queue q; }
--- must_die
--- error_log eval
qr/"paygw_queue" in \S+:\d+ needs "paygw_notify" in the same location/

=== TEST 8: twice
--- config
    location = /n { paygw_notify wxpay; paygw_queue a; paygw_queue b; }
--- must_die
--- error_log
"paygw_queue" directive is duplicate

=== TEST 9: behind another content handler
--- config
    location = /n {
        paygw_notify wxpay;
        proxy_pass http://127.0.0.1:1;
        paygw_queue q;
    }
--- must_die
--- error_log
"paygw_queue" directive stands in a location that has another content handler

=== TEST 10: before another content handler
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_queue q;
        proxy_pass http://127.0.0.1:1;
    }
--- must_die
--- error_log eval
qr/"paygw_queue" in \S+:\d+ stands in a location that has another content handler/

=== TEST 11: with directives of the rewrite module
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_queue q;
        if ($paygw_outcome != success) { return 204; }
    }
--- must_die
--- error_log eval
qr/"paygw_queue" in \S+:\d+ cannot be used with "if", "set", "return" and "rewrite"/

=== TEST 12: with observe, from wherever that comes
--- config
    paygw_verify observe until=2099-01-01;
    location = /n { paygw_notify wxpay; paygw_queue q; }
--- must_die
--- error_log eval
qr/"paygw_queue" in \S+:\d+ cannot be used with "paygw_verify observe"/

=== TEST 13: observe that has ended
--- config
    location = /n {
        paygw_notify wxpay;
        paygw_queue q;
        paygw_verify observe until=2020-01-01;
    }
--- request
GET /nothing
--- error_code: 404

=== TEST 14: enforce, where the server observes
--- config
    paygw_verify observe until=2099-01-01;
    location = /n {
        paygw_notify wxpay;
        paygw_queue q;
        paygw_verify enforce;
    }
--- request
GET /nothing
--- error_code: 404

=== TEST 15: maxlen is warned about
--- config
    location = /n { paygw_notify wxpay; paygw_queue q maxlen=1000; }
--- request
GET /nothing
--- error_code: 404
--- grep_error_log eval
qr/\[warn\].*"maxlen=1000" of "paygw_queue": when the stream "q" is longer its oldest events are removed, read or not/
--- grep_error_log_out eval
qr/maxlen=1000/

=== TEST 16: maxlen of nothing
--- config
    location = /n { paygw_notify wxpay; paygw_queue q maxlen=0; }
--- must_die
--- error_log
invalid "maxlen=0", it must be a number of entries

=== TEST 17: maxlen of no number
--- config
    location = /n { paygw_notify wxpay; paygw_queue q maxlen=1k; }
--- must_die
--- error_log
invalid "maxlen=1k"

=== TEST 18: maxlen twice
--- config
    location = /n { paygw_notify wxpay; paygw_queue q maxlen=5 maxlen=5; }
--- must_die
--- error_log
invalid parameter "maxlen=5"

=== TEST 19: unknown parameter
--- config
    location = /n { paygw_notify wxpay; paygw_queue q group=a; }
--- must_die
--- error_log
invalid parameter "group=a"

=== TEST 20: wait for no replica
--- config
    location = /n { paygw_notify wxpay; paygw_queue q wait=0; }
--- must_die
--- error_log
invalid "wait=0", it must be "wait=REPLICAS[:TIME]"

=== TEST 21: wait for no time
--- config
    location = /n { paygw_notify wxpay; paygw_queue q wait=1:0; }
--- must_die
--- error_log
invalid "wait=1:0"

=== TEST 22: wait for something
--- config
    location = /n { paygw_notify wxpay; paygw_queue q wait=1:soon; }
--- must_die
--- error_log
invalid "wait=1:soon"

=== TEST 23: wait for nobody
--- config
    location = /n { paygw_notify wxpay; paygw_queue q wait=:50ms; }
--- must_die
--- error_log
invalid "wait=:50ms"

=== TEST 24: wait for longer than the store may take
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:1 timeout=400ms;
--- config
    location = /n { paygw_notify wxpay; paygw_queue q wait=1:200ms; }
--- must_die
--- error_log eval
qr/"wait" 200ms of "paygw_queue" in \S+:\d+ is not shorter than half of the "timeout" 400ms of "paygw_store"/

=== TEST 25: wait, just short enough
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:1 timeout=400ms;
--- config
    location = /n { paygw_notify wxpay; paygw_queue q wait=1:199ms; }
--- request
GET /nothing
--- error_code: 404

=== TEST 26: not at the level of a server
--- config
    paygw_queue q;
--- must_die
--- error_log
"paygw_queue" directive is not allowed here

=== TEST 27: nor in "if"
--- config
    location = /n {
        paygw_notify wxpay;
        if ($args) { paygw_queue q; }
    }
--- must_die
--- error_log
"paygw_queue" directive is not allowed here

=== TEST 28: "satisfy any" is as wrong as elsewhere
--- config
    location = /n { paygw_notify wxpay; paygw_queue q; satisfy any; }
--- must_die
--- error_log
"satisfy any" cannot be used with "paygw_notify"

=== TEST 29: a very short timeout, and nobody to wait for
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:1 timeout=1ms;
--- config
    location = /n { paygw_notify wxpay; paygw_queue q; }
--- request
GET /nothing
--- error_code: 404

=== TEST 30: nobody would see the signature of a hand-over
--- config
    paygw_deliver event sign=text:0123456789abcdef;
    location = /n { paygw_notify wxpay; paygw_queue q; }
--- must_die
--- error_log eval
qr/"paygw_queue" in \S+:\d+ cannot be used with "sign" of "paygw_deliver"/

=== TEST 31: where the server signs
--- config
    paygw_deliver event sign=text:0123456789abcdef;
    location = /n {
        paygw_notify wxpay;
        paygw_queue q;
        paygw_deliver event;
    }
--- request
GET /nothing
--- error_code: 404
