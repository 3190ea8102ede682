# Genuine callbacks of WeChat Pay v2: what the shop gets of each.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

with_wxv2();

run_tests();

__DATA__

=== TEST 1: a payment reaches the shop once, and is acked in XML
--- callback
wechat2(order_id => 'V1', trade_no => '4200V1', amount => 8880)
--- ack: 200
--- result: taken
--- shop
[ { header => { 'X-Paygw-Event-Id' => 'wxv2:4200V1:SUCCESS',
                'X-Paygw-Event-Type' => 'payment',
                'X-Paygw-Outcome' => 'success',
                'X-Paygw-Channel' => 'wxv2',
                'X-Paygw-Provider' => 'wechat_v2',
                'X-Paygw-Delivery' => 1,
                'X-Paygw-Order-Id' => 'V1',
                'X-Paygw-Trade-No' => '4200V1',
                'X-Paygw-Amount' => 8880,
                'X-Paygw-Currency' => 'CNY',
                'X-Paygw-Confirm' => undef,
                'X-Paygw-Refund-Id' => undef,
                'Content-Type' => 'application/json' },
    event => { id => 'wxv2:4200V1:SUCCESS', type => 'payment',
               outcome => 'success', channel => 'wxv2',
               provider => 'wechat_v2', kind => 'SUCCESS', delivery => 1,
               confirm => undef,
               order => { order_id => 'V1', trade_no => '4200V1',
                          amount => 8880, currency => 'CNY',
                          payer => 'oUpF8uMEb4qRXf22hE3X68TekukE' } } } ]



=== TEST 2: a refund reaches the shop, which is told to ask first
--- callback
wechat2(type => 'refund', order_id => 'V2', trade_no => '4200V2',
        refund => 40, refund_id => 'RF2', refund_no => '5030V2')
--- ack: 200
--- result: taken
--- shop
[ { header => { 'X-Paygw-Event-Type' => 'refund',
                'X-Paygw-Outcome' => 'success',
                'X-Paygw-Confirm' => 'query',
                'X-Paygw-Order-Id' => 'V2', 'X-Paygw-Amount' => 100,
                'X-Paygw-Trade-No' => '4200V2',
                'X-Paygw-Currency' => undef,
                'X-Paygw-Refund-Id' => 'RF2',
                'X-Paygw-Refund-Amount' => 40 },
    event => { type => 'refund', outcome => 'success', kind => 'SUCCESS',
               confirm => 'query',
               refund => { refund_id => 'RF2', refund_no => '5030V2',
                           amount => 40 } } } ]
