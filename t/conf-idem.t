# paygw_idempotency: what nginx -t says of it.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;

our $Proxy = 'proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;';

run_tests();

__DATA__

=== TEST 1: inherited, changed, and turned off
--- config eval
"paygw_auth shop; paygw_idempotency on required;
location /a { $::Proxy }
location /b { paygw_idempotency on ttl=1h max=1k lock=10s; $::Proxy }
location /c { paygw_idempotency off; $::Proxy }
location /d { paygw_auth off; $::Proxy }
location /e { $::Proxy location /e/f { $::Proxy } }"
--- run
my $n = 0;
for (['/a', 400, 'true'], ['/b', 200, 'true'], ['/c', 200, '-'],
     ['/d', 200, '-'], ['/e', 400, 'true'], ['/e/f', 400, 'true'])
{
    my ($target, $status, $again) = @$_;
    is(send_callback(call(target => $target, body => 'x'))->{status}, $status,
       "$target without a key");
    my $key = "c-$$-" . time . '-' . $n++;
    my $res;
    for (1, 2) {
        $res = send_callback(call(target => $target, body => 'x', headers =>
                                  [ 'Idempotency-Key', $key ]));
    }
    is($res->{status}, 200);
    is($res->{header}{'idempotent-replayed'} // '-', $again, $target);
}



=== TEST 2: without paygw_auth
--- config
    location /x { paygw_idempotency on; }
--- must_die
--- error_log eval
qr/\[emerg\] .*"paygw_idempotency" in \S+nginx.conf:\d+ needs to know the merchant of a call, add "paygw_auth" to its location/



=== TEST 3: where nothing inherits it
--- config
    paygw_idempotency on;
    location /x { paygw_auth off; }
--- must_die
--- error_log
"paygw_idempotency" in



=== TEST 4: a part of the server has no merchants
--- config eval
"paygw_idempotency on;
location /a { paygw_auth shop; $::Proxy }
location /b { $::Proxy }"
--- run
is(send_callback(call(target => '/b', body => 'x'))->{status}, 200);



=== TEST 5: satisfy any
--- config
    location /x { paygw_auth shop; paygw_idempotency on; satisfy any; }
--- must_die
--- error_log
"satisfy any" cannot be used with "paygw_idempotency"



=== TEST 6: twice
--- config
    location /x {
        paygw_auth shop; paygw_idempotency on; paygw_idempotency on;
    }
--- must_die
--- error_log
"paygw_idempotency" directive is duplicate



=== TEST 7: neither on nor off
--- config
    location /x { paygw_auth shop; paygw_idempotency yes; }
--- must_die
--- error_log
invalid value "yes", it must be "on" or "off"



=== TEST 8: off with parameters
--- config
    location /x { paygw_auth shop; paygw_idempotency off required; }
--- must_die
--- error_log
invalid value "off", it must be "on" or "off"



=== TEST 9: an unknown parameter
--- config
    location /x { paygw_auth shop; paygw_idempotency on require; }
--- must_die
--- error_log
invalid parameter "require" of "paygw_idempotency", known are "required", "ttl=TIME", "lock=TIME" and "max=SIZE"



=== TEST 10: a time that is none
--- config
    location /x { paygw_auth shop; paygw_idempotency on ttl=1x; }
--- must_die
--- error_log
invalid parameter "ttl=1x"



=== TEST 11: kept too short
--- config
    location /x { paygw_auth shop; paygw_idempotency on ttl=59s lock=5s; }
--- must_die
--- error_log
"ttl" of "paygw_idempotency" must be at least 1m, a call that comes later is run again



=== TEST 12: a lock that is too short
--- config
    location /x { paygw_auth shop; paygw_idempotency on lock=2s; }
--- must_die
--- error_log
"lock" of "paygw_idempotency" must be at least 3s, and not longer than "ttl"



=== TEST 13: a lock that is longer than the answer is kept
--- config
    location /x { paygw_auth shop; paygw_idempotency on lock=2m ttl=1m; }
--- must_die
--- error_log
must be at least 3s, and not longer than "ttl"



=== TEST 14: answers of no size
--- config
    location /x { paygw_auth shop; paygw_idempotency on max=0; }
--- must_die
--- error_log
"max" of "paygw_idempotency" must be from 1 to 256k



=== TEST 15: answers that are too large
--- config
    location /x { paygw_auth shop; paygw_idempotency on max=257k; }
--- must_die
--- error_log
"max" of "paygw_idempotency" must be from 1 to 256k
