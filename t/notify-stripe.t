# Genuine webhooks of Stripe: what the shop gets of each kind, in which
# currency, and for each channel.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: a payment reaches the shop once, and is acked by 200 without a body
--- callback
stripe(order_id => 'T1', trade_no => 'pi_T1', amount => 1234)
--- ack: 200
--- result: taken
--- shop
my ($m) = @PaygwTest::Callbacks;
[ { header => { 'X-Paygw-Event-Id' => "stripe:$m->{id}:$m->{kind}",
                'X-Paygw-Event-Type' => 'payment',
                'X-Paygw-Outcome' => 'success',
                'X-Paygw-Channel' => 'stripe',
                'X-Paygw-Provider' => 'stripe',
                'X-Paygw-Delivery' => 1,
                'X-Paygw-Order-Id' => 'T1',
                'X-Paygw-Trade-No' => 'pi_T1',
                'X-Paygw-Amount' => 1234,
                'X-Paygw-Currency' => 'EUR',
                'X-Paygw-Refund-Id' => undef,
                'X-Paygw-Confirm' => undef,
                'Content-Type' => 'application/json' },
    event => { id => "stripe:$m->{id}:payment_intent.succeeded",
               type => 'payment', outcome => 'success', channel => 'stripe',
               provider => 'stripe', kind => 'payment_intent.succeeded',
               delivery => 1,
               order => { order_id => 'T1', trade_no => 'pi_T1',
                          amount => 1234, currency => 'EUR',
                          payer => 'cus_9s6XKzkNRiz8i3' } } } ]



=== TEST 2: the body that the shop gets is one line, and all that Stripe said
--- run
my $body = "{\n \"id\" : \"evt_2\",\r\n\t\"object\":\"event\", \"livemode\":true,"
    . "\"created\":1730000400,\"type\":\"payment_intent.succeeded\","
    . "\"x\":[ ],\"y\": { } ,\"data\":{\"object\":{\"object\":"
    . "\"payment_intent\",\"id\":\"pi_2\",\"status\":\"succeeded\","
    . "\"amount\":5,\"amount_received\":5,\"currency\":\"usd\",\"metadata\":"
    . "{\"out_trade_no\":\"T2\",\"a b\":\" c \\\" \\\\\"},\"z\": -1.50e3}}}\n";
my $plain = $body =~ s/\n \"id\" : /"id":/r =~ s/\r\n\t//r
    =~ s/, "live/,"live/r =~ s/\[ \]/[]/r =~ s/"y": \{ \} /"y":{}/r
    =~ s/"z": /"z":/r =~ s/\n$//r;
ack_ok(send_callback(stripe(body => $body)), 'stripe', 200);
my ($r) = shop_requests(1);
is(shop_body($r), '{"id":"stripe:evt_2:payment_intent.succeeded",'
    . '"type":"payment","outcome":"success","channel":"stripe",'
    . '"provider":"stripe","kind":"payment_intent.succeeded",'
    . '"time":1730000400,"delivery":1,"order":{"order_id":"T2",'
    . '"trade_no":"pi_2","amount":5,"currency":"USD"},"data":' . $plain . '}');
is($plain =~ tr/\n//, 0);
is(shop_event($r)->{data}{data}{object}{metadata}{'a b'}, ' c " \\');



=== TEST 3: raw delivery hands over the bytes that were signed
--- config
    location = /notify/stripe {
        paygw_notify   stripe;
        paygw_deliver  raw;
        proxy_pass     http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $m = stripe(order_id => 'T3');
ack_ok(send_callback($m), 'stripe', 200);
my ($r) = shop_requests(1);
is(shop_body($r), $m->{body});
is(shop_header($r, 'X-Paygw-Order-Id'), 'T3');
is(shop_header($r, 'Stripe-Signature'), $m->header('Stripe-Signature'));



=== TEST 4: what becomes of a payment intent
--- callback
map { stripe(kind => "payment_intent.$_",
             object => { status => $_, amount_received => 0 }) }
    qw(created processing requires_action amount_capturable_updated
       partially_funded payment_failed canceled new_word)
--- ack: 200 200 200 200 200 200 200 200
--- shop
[ (map { { event => { type => 'payment', outcome => 'pending',
                      kind => "payment_intent.$_" },
           header => { 'X-Paygw-Amount' => 1099 } } }
   qw(created processing requires_action amount_capturable_updated
      partially_funded payment_failed)),
  { event => { type => 'close', outcome => 'failed' } },
  { event => { type => 'unknown', outcome => 'unknown',
               kind => 'payment_intent.new_word', order => {} } } ]



=== TEST 5: a payment of which a part was captured says what has come in
--- callback
stripe(amount => 1099, object => { amount_received => 600 })
--- ack: 200
--- shop
[ { header => { 'X-Paygw-Outcome' => 'success', 'X-Paygw-Amount' => 600 } } ]



=== TEST 6: a payment is no success that does not say so itself
--- callback
stripe(object => { status => 'processing' }),
stripe(object => { status => undef })
--- ack: 200 200
--- shop
[ { event => { type => 'payment', outcome => 'pending' } },
  { event => { type => 'payment', outcome => 'unknown' } } ]
--- error_log
[warn]
channel "stripe" sent unknown status "processing" in event "evt_



=== TEST 7: a checkout session by what is paid
--- callback
(map { stripe(kind => 'checkout.session.completed', trade_no => 'pi_7',
              order_id => "T7$_", object => { payment_status => $_ }) }
 qw(paid no_payment_required unpaid other)),
map { stripe(kind => "checkout.session.$_",
             object => { payment_status => 'paid' }) }
    qw(async_payment_succeeded async_payment_failed expired)
--- ack: 200 200 200 200 200 200 200
--- shop
[ { event => { type => 'payment', outcome => 'success',
               order => { order_id => 'T7paid', trade_no => 'pi_7',
                          amount => 1099, currency => 'EUR' } } },
  { event => { type => 'payment', outcome => 'success' } },
  { event => { type => 'payment', outcome => 'pending' } },
  { event => { type => 'payment', outcome => 'pending' } },
  { event => { type => 'payment', outcome => 'success' } },
  { event => { type => 'payment', outcome => 'failed' } },
  { event => { type => 'close', outcome => 'failed' } } ]
--- error_log
channel "stripe" sent unknown payment_status "other" in event "evt_
--- no_error_log
unknown payment_status "unpaid"



=== TEST 8: the number of a session: metadata, which only the shop can set
--- callback
stripe(kind => 'checkout.session.completed', order_id => 'link',
       object => { metadata => { out_trade_no => 'T8' } }),
stripe(kind => 'checkout.session.completed', order_id => 'T8b',
       object => { metadata => undef, payment_intent => undef }),
stripe(kind => 'checkout.session.completed',
       object => { client_reference_id => undef })
--- ack: 200 200 200
--- shop
[ { header => { 'X-Paygw-Order-Id' => 'T8' } },
  { header => { 'X-Paygw-Order-Id' => 'T8b',
                'X-Paygw-Trade-No' => 'cs_test_T8b' } },
  { header => { 'X-Paygw-Order-Id' => undef,
                'X-Paygw-Event-Type' => 'unknown',
                'X-Paygw-Outcome' => 'unknown' } } ]



=== TEST 9: a session that only saves a card is no payment
--- callback
stripe(kind => 'checkout.session.completed',
       object => { mode => 'setup', payment_status => 'no_payment_required',
                   amount_total => undef, currency => undef,
                   payment_intent => undef })
--- ack: 200
--- shop
[ { event => { type => 'unknown', outcome => 'unknown' } } ]



=== TEST 10: a payment that the shop has not numbered is unknown, with its facts
--- callback
stripe(trade_no => 'pi_10', object => { metadata => undef }),
stripe(object => { metadata => { out_trade_no => undef } }),
stripe(kind => 'payment_intent.canceled', object => { metadata => undef })
--- ack: 200 200 200
--- shop
[ { event => { type => 'unknown', outcome => 'unknown',
               order => { trade_no => 'pi_10', amount => 1099,
                          currency => 'EUR', payer => 'cus_9s6XKzkNRiz8i3' }
             } },
  { event => { type => 'unknown' } }, { event => { type => 'unknown' } } ]



=== TEST 11: a refund by its own state
--- callback
(map { stripe(kind => 'refund.updated', object => { status => $_ }) }
 qw(succeeded pending requires_action failed canceled other)),
stripe(kind => 'refund.created', order_id => 'T11', refund_id => 'R11',
       refund_no => 're_11', trade_no => 'pi_11', refund => 25),
stripe(kind => 'refund.failed', object => { status => 'failed' }),
stripe(kind => 'charge.refund.updated'),
stripe(kind => 'refund.updated', object => { status => undef })
--- ack: 200 200 200 200 200 200 200 200 200 200
--- shop
my @words = qw(success pending pending failed failed pending);
[ (map { { event => { type => 'refund', outcome => $_ } } } @words),
  { header => { 'X-Paygw-Refund-Id' => 'R11',
                'X-Paygw-Refund-Amount' => 25,
                'X-Paygw-Order-Id' => 'T11',
                'X-Paygw-Trade-No' => 'pi_11',
                'X-Paygw-Amount' => undef,
                'X-Paygw-Currency' => 'EUR' },
    event => { type => 'refund', outcome => 'success',
               refund => { refund_id => 'R11', refund_no => 're_11',
                           amount => 25 } } },
  { event => { type => 'refund', outcome => 'failed' } },
  { event => { type => 'refund', outcome => 'success' } },
  { event => { type => 'refund', outcome => 'unknown' } } ]



=== TEST 12: a refund may have no numbers of ours, and no payment intent
--- callback
stripe(kind => 'refund.created', order_id => 'T12',
       object => { metadata => undef, payment_intent => undef })
--- ack: 200
--- shop
[ { event => { type => 'refund', outcome => 'success',
               order => { trade_no => 'ch_3T12', currency => 'EUR' },
               refund => { refund_no => 're_3T12', amount => 10 } } } ]



=== TEST 13: charge.refunded has the sum of all refunds
--- callback
stripe(kind => 'charge.refunded', order_id => 'T13', trade_no => 'pi_13',
       amount => 1099, refund => 1000)
--- ack: 200
--- shop
[ { event => { type => 'refund', outcome => 'success',
               order => { order_id => 'T13', trade_no => 'pi_13',
                          amount => 1099, currency => 'EUR' },
               refund => { amount => 1000 } } } ]



=== TEST 14: other events are handed over as unknown
--- callback
map { stripe(kind => $_, object => { object => 'x', amount => 'many' }) }
    qw(charge.dispute.created charge.succeeded invoice.paid account.updated
       payment_intent payment_intent.succeededx)
--- ack: 200 200 200 200 200 200
--- shop
[ map { { event => { type => 'unknown', outcome => 'unknown', order => {},
                     kind => $_ } } }
  qw(charge.dispute.created charge.succeeded invoice.paid account.updated
     payment_intent payment_intent.succeededx) ]



=== TEST 15: amounts are what Stripe counts in, whatever the currency
--- callback
map { stripe(currency => $_->[0], amount => $_->[1]) }
    [ 'eur', 1099 ], [ 'jpy', 500 ], [ 'krw', 9007199254740991 ],
    [ 'kwd', 5120 ], [ 'USD', 0 ]
--- ack: 200 200 200 200 200
--- shop
[ map { { header => { 'X-Paygw-Currency' => $_->[0],
                      'X-Paygw-Amount' => $_->[1] } } }
  [ 'EUR', 1099 ], [ 'JPY', 500 ], [ 'KRW', 9007199254740991 ],
  [ 'KWD', 5120 ], [ 'USD', 0 ] ]



=== TEST 16: amounts that are not integers, and what a payment must say
--- callback
(map { stripe(object => { amount_received => $_ }) }
 10.99, '1099', -1, '9007199254740992', JSON::PP::true(), [ 1 ], undef),
(map { stripe(object => { currency => $_ }) }
 'eu', 'euro', 'e r', 'e1r', 7, undef),
stripe(kind => 'checkout.session.completed',
       object => { amount_total => undef }),
stripe(kind => 'refund.created', object => { amount => '10' })
--- ack: 400 400 400 400 400 400 400 400 400 400 400 400 400 400 400
--- shop: 0



=== TEST 17: numbers must be words, and the object what the type says
--- callback
(map { stripe(object => { metadata => { out_trade_no => $_ } }) }
 "a b", "a\r\nX-Evil: 1", 17, 'x' x 201, "\x{652f}"),
stripe(object => { id => "pi\n" }), stripe(object => { customer => 'a b' }),
stripe(object => { object => 'refund' }), stripe(object => { object => undef }),
stripe(event => { data => undef }), stripe(event => { data => 'x' }),
stripe(event => { created => 'now' }), stripe(event => { created => 1.5 })
--- ack: 400 400 400 400 400 400 400 400 400 400 400 400 400
--- shop: 0



=== TEST 18: the longest numbers
--- callback
stripe(object => { metadata => { out_trade_no => 'x' x 200 } })
--- ack: 200
--- shop
[ { header => { 'X-Paygw-Order-Id' => 'x' x 200 } } ]



=== TEST 19: an event that comes again, signed anew, is the same
--- run
my %same = (id => 'evt_19', order_id => 'T19', created => 1730000000);
ack_ok(send_callback(stripe(%same, skew => $_)), 'stripe', 200)
    for -100, 0, 100;
is(join(' ', results(3)), 'taken - duplicate duplicate duplicate duplicate');
my ($r) = shop_requests(1);
is(shop_count(), 1);
is(shop_event($r)->{time}, 1730000000);



=== TEST 20: the same id with another type is another event
--- callback
stripe(id => 'evt_20', order_id => 'T20', kind => 'payment_intent.processing'),
stripe(id => 'evt_20', order_id => 'T20')
--- ack: 200 200
--- shop: 2



=== TEST 21: a shop that fails, and the event that comes again
--- shop_plan
500, 200
--- run
my %same = (id => 'evt_21', order_id => 'T21');
ack_ok(send_callback(stripe(%same)), 'stripe', 502);
ack_ok(send_callback(stripe(%same)), 'stripe', 200);
my @r = shop_requests(2);
is(join(' ', map { shop_header($_, 'X-Paygw-Delivery') } @r), '1 2');



=== TEST 22: several accounts at one location: each by its secret
--- http_config
    paygw_channel second {
        provider        stripe;
        webhook_secret  file:$TEST_NGINX_KEYS/stripe_other.key;
        livemode        off;
    }
    paygw_channel connect {
        provider        stripe;
        webhook_secret  file:$TEST_NGINX_KEYS/stripe_other.key;
        account         acct_1;
    }
--- config
    location = /notify/stripe {
        paygw_notify  stripe second connect;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
my $other = [ 'whsec_paygwTestSecret000000000000000002' ];
stripe(), stripe(secrets => $other, event => { livemode => JSON::PP::false() }),
stripe(secrets => $other, event => { account => 'acct_1' }),
stripe(secrets => $other), stripe(event => { account => 'acct_1' }),
stripe(event => { livemode => JSON::PP::false() })
--- ack: 200 200 200 403 403 403
--- shop
[ map { { header => { 'X-Paygw-Channel' => $_ }, event => { channel => $_ } } }
  qw(stripe second connect) ]



=== TEST 23: a channel that the location does not name is not tried
--- http_config
    paygw_channel second {
        provider        stripe;
        webhook_secret  file:$TEST_NGINX_KEYS/stripe_other.key;
    }
--- callback
stripe(secrets => [ 'whsec_paygwTestSecret000000000000000002' ])
--- ack: 401
--- result: refused signature
--- shop: 0



=== TEST 24: while a secret is rolled
--- stripe
webhook_secret file:$TEST_NGINX_KEYS/stripe_other.key;
--- callback
my @s = map { sprintf 'whsec_paygwTestSecret%018d', $_ } 1, 2, 3;
stripe(secrets => [ $s[0] ]), stripe(secrets => [ $s[1] ]),
stripe(secrets => [ @s[1, 0] ]), stripe(secrets => [ @s[2, 1] ]),
stripe(secrets => [ $s[2] ])
--- ack: 200 200 200 200 401
--- shop: 4



=== TEST 25: an event with many members, as an invoice is
--- callback
stripe(kind => 'invoice.paid', object => { object => 'invoice',
       lines => [ map { { id => "il_$_", map { ("m$_" => $_) } 1 .. 60 } }
                  1 .. 50 ] })
--- ack: 200
--- shop: 1
