# What nginx -t says of "paygw_binding".

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwPeer;

our $Peer = PaygwPeer->start;
our $Wx = $Peer->wechat('http://127.0.0.1:' . $Peer->listen);
our $Pass = "    location /wx/ { paygw_pass wxpay; }\n";

run_tests();

__DATA__

=== TEST 1: a word that it does not know
--- http_config
    paygw_binding maybe;
--- must_die
--- error_log
invalid value "maybe", it must be "on", "off" or "required"

=== TEST 2: another parameter
--- http_config
    paygw_binding on keeps=1d;
--- must_die
--- error_log
invalid parameter "keeps=1d", it must be "keep=TIME"

=== TEST 3: no time
--- http_config
    paygw_binding on keep=;
--- must_die
--- error_log
invalid time in "keep=", it must be from one minute to 366 days

=== TEST 4: too short
--- http_config
    paygw_binding on keep=59s;
--- must_die
--- error_log
invalid time in "keep=59s", it must be from one minute to 366 days

=== TEST 5: too long
--- http_config
    paygw_binding on keep=367d;
--- must_die
--- error_log
invalid time in "keep=367d", it must be from one minute to 366 days

=== TEST 6: twice
--- http_config
    paygw_binding on;
    paygw_binding off;
--- must_die
--- error_log
"paygw_binding" directive is duplicate

=== TEST 7: it needs a store
--- no_store
--- no_channels
--- http_config eval: $::Wx . "    paygw_binding on;\n"
--- config eval: $::Pass
--- must_die
--- error_log
no store is defined for "paygw_binding" with "paygw_pass" in

=== TEST 8: so does "required"
--- no_store
--- no_channels
--- http_config eval: $::Wx
--- config eval: "    paygw_binding required;\n" . $::Pass
--- must_die
--- error_log
no store is defined for "paygw_binding" with "paygw_pass" in

=== TEST 9: without a store and without a word nothing is remembered
--- no_store
--- no_channels
--- http_config eval: $::Wx
--- config eval: $::Pass
--- run
my $body = '{"appid":"wxd678efh567hg6787","out_trade_no":"O1",'
         . '"amount":{"total":1}}';
for my $total (1, 2) {
    my $b = $body =~ s/total":1/total":$total/r;
    is(finish(begin("POST /wx/v3/pay/transactions/native HTTP/1.1\r\n"
        . "Host: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        . 'Content-Length: ' . length($b) . "\r\n\r\n$b"), timeout => 30)
       ->{status}, 200, "passed: $total");
}

=== TEST 10: the longest and the shortest
--- http_config
    paygw_binding required keep=366d;
--- config
    location /a/ { paygw_binding on keep=1m; }
    location /b/ { paygw_binding off; }
--- run
pass('it starts');
