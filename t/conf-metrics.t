# What nginx -t says of paygw_metrics and paygw_status.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: without a zone
--- bare
--- config
    location = /m { paygw_metrics; }
--- must_die
--- error_log eval
qr/"paygw_metrics" or "paygw_status" in \S+:\d+ needs a zone, add "paygw_zone paygw:16m" to "http"/

=== TEST 2: the same of the other one
--- bare
--- config
    location = /m { paygw_status; }
--- must_die
--- error_log
needs a zone, add "paygw_zone paygw:16m" to "http"

=== TEST 3: arguments
--- config
    location = /m { paygw_metrics on; }
--- must_die
--- error_log
invalid number of arguments in "paygw_metrics" directive

=== TEST 4: twice
--- config
    location = /m { paygw_metrics; paygw_metrics; }
--- must_die
--- error_log
"paygw_metrics" directive is duplicate

=== TEST 5: both
--- config
    location = /m { paygw_metrics; paygw_status; }
--- must_die
--- error_log
"paygw_status" directive stands in a location that has another content handler

=== TEST 6: with proxy_pass
--- config
    location = /m { proxy_pass http://127.0.0.1:1; paygw_metrics; }
--- must_die
--- error_log
"paygw_metrics" directive stands in a location that has another content handler

=== TEST 7: not in a server
--- config
    paygw_metrics;
--- must_die
--- error_log
"paygw_metrics" directive is not allowed here

=== TEST 8: in a callback location it would take the events
--- config
    location = /n { paygw_notify wxpay; paygw_metrics; }
--- must_die
--- error_log eval
qr/"paygw_metrics" cannot be used with "paygw_notify" in \S+:\d+: it would take events in place of the shop, give it a location of its own/

=== TEST 9: the same of the other one
--- config
    location = /n { paygw_status; paygw_notify wxpay; }
--- must_die
--- error_log
"paygw_status" cannot be used with "paygw_notify"

=== TEST 10: with a zone alone
--- bare
--- http_config
    paygw_zone paygw:1m;
--- config
    location = /m { paygw_metrics; }
--- request
GET /m
--- response_body_like eval
qr/^# HELP paygw_limit_fallbacks_total .*\npaygw_build_info\{version="[\d.]+"\} 1$/s
--- error_code: 200

=== TEST 11: behind a signature, as any location
--- http_config
    paygw_merchant m { key k text:0123456789012345678901234567890123456789; }
--- config
    location = /m { paygw_auth m; paygw_metrics; }
--- request
GET /m
--- error_code: 400

=== TEST 12: denied
--- config
    location = /m { deny all; paygw_metrics; }
--- request
GET /m
--- error_code: 403

=== TEST 13: with proxy_pass behind it
--- config
    location = /m { paygw_metrics; proxy_pass http://127.0.0.1:1; }
--- must_die
--- error_log eval
qr/"paygw_metrics" in \S+:\d+ stands in a location that has another content handler, give each a location of its own/

=== TEST 14: the same of the other one, with another one
--- config
    location = /m { paygw_status; stub_status; }
--- must_die
--- error_log
"paygw_status" in

=== TEST 15: "if", "limit_except" and locations in it have none
--- config
    location /m {
        paygw_metrics;
        if ($arg_x) { set $x 1; }
        limit_except GET { deny all; }
        location /m/p { proxy_pass http://127.0.0.1:1; }
    }
--- request
GET /m?x=1
--- error_code: 200

=== TEST 16: with proxy_pass behind it
--- config
    location = /m { paygw_metrics; proxy_pass http://127.0.0.1:1; }
--- must_die
--- error_log eval
qr/"paygw_metrics" in \S+:\d+ stands in a location that has another content handler, give each a location of its own/

=== TEST 17: "return" before it may be meant, and is told
--- config
    location = /m { paygw_status; return 200 hi; }
--- request
GET /m
--- response_body: hi
--- error_code: 200
--- error_log eval
qr/"return" answers all requests in place of "paygw_status" in \S+:\d+, remove one of them/
