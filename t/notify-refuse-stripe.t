# Webhooks of Stripe that are not genuine, not fresh or not for us: the answer,
# the word in $paygw_reason, and what the log explains.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: a body that was changed
--- run
refused_ok(stripe(tamper => [ [ '1099', '1' ] ]), 401,
           'signature, string to sign: {signed}, hint: webhook_secret may be '
           . 'that of another endpoint, each has its own');



=== TEST 2: a secret that is not ours, whole or in part
--- run
refused_ok(stripe(secrets => [ $_ ]), 401,
           'signature, string to sign: {signed}, hint: webhook_secret may be '
           . 'that of another endpoint, each has its own')
    for sprintf('whsec_paygwTestSecret%018d', 2),
        sprintf('paygwTestSecret%018d', 1),
        sprintf('whsec_paygwTestSecret%018d ', 1), 'whsec_', '';



=== TEST 3: another digest
--- run
refused_ok(stripe(digest => $_), 401, 'signature, string to sign: {signed}, '
           . 'hint: v1 is not 64 lower-case hexadecimal digits')
    for qw(sha1 sha512 md5);
refused_ok(stripe(digest => 'sha3_256'), 401,
           'signature, string to sign: {signed}, hint: webhook_secret may be '
           . 'that of another endpoint, each has its own');



=== TEST 4: a header that is missing, empty or there twice
--- run
my $value = stripe()->header('Stripe-Signature');
refused_ok(stripe(headers => { 'Stripe-Signature' => $_ }), 400,
           'missing_header, hint: no stripe-signature, a proxy in front may '
           . 'drop it') for undef, '';
refused_ok(stripe(headers => { 'Stripe-Signature' => [ $value, $value ] }),
           400, 'repeated_header, hint: stripe-signature');
refused_ok(stripe(headers => { 'Stripe-Signature' => [ 't=1', $value ] }),
           400, 'repeated_header, hint: stripe-signature');



=== TEST 5: a signature that says less than it must
--- run
refused_ok(stripe(signature => $_->[0]), 400, "malformed, hint: $_->[1]")
    for [ 'v1={v1}', 'no t in stripe-signature' ],
        [ 't=,v1={v1}', 'no t in stripe-signature' ],
        [ 't={t}', 'no v1 in stripe-signature, and nothing else counts' ],
        [ 't={t},v1=', 'no v1 in stripe-signature, and nothing else counts' ],
        [ 't={t},v0={v1}',
          'no v1 in stripe-signature, and nothing else counts' ],
        [ 't={t},V1={v1}',
          'no v1 in stripe-signature, and nothing else counts' ],
        [ 't=x{t},v1={v1}', 't in stripe-signature is not a number' ],
        [ 't={t},t={t},v1={v1}', 'stripe-signature has t twice' ],
        [ 't={t},t=1,v1={v1}', 'stripe-signature has t twice' ],
        [ 't={t}' . (',v1=0' x 9), 'stripe-signature has too many v1' ],
        [ 't={t},v1={v1}' . (',v1=0' x 8),
          'stripe-signature has too many v1' ],
        [ 't={t},v1={v1}' . (',' x 15),
          'stripe-signature has too many parts' ];



=== TEST 6: v1 that is not what it should look like
--- run
my ($v1) = stripe()->header('Stripe-Signature') =~ /v1=(\w+)/;
refused_ok(stripe(signature => "t={t},v1=$_"), 401,
           'signature, string to sign: {signed}, '
           . 'hint: v1 is not 64 lower-case hexadecimal digits')
    for uc($v1) =~ s/^\d/A/r, substr($v1, 1), "${v1}0", 'x' x 64, "0x$v1",
        '=' . substr($v1, 1);



=== TEST 7: a clock that is off, in both directions
--- run
for (-3600, -330, 330, 3600) {
    my $m = stripe(skew => $_);
    ack_ok(send_callback($m), $m, 401);
    my ($off, $from) = error_log_text() =~ /.*refused:\ clock,\ hint:\ clock
        \ (\d+)\ s\ off,\ the\ message\ is\ from\ the\ (\w+)/sx;
    ok(abs($off - abs $_) <= 20, "clock $off s off by $_");
    is($from, $_ < 0 ? 'past' : 'future', "direction of $_");
}
is(join(' ', results(4)), join ' ', ('refused clock') x 4);
is(shop_count(), 0);



=== TEST 8: the clock window can be set, and is told before the signature
--- stripe
clock_window 60s;
--- callback
stripe(skew => -90), stripe(skew => 90), stripe(),
stripe(skew => 90, secrets => [ 'x' ])
--- ack: 401 401 200 401
--- result
refused clock
refused clock
taken
refused clock
--- shop: 1



=== TEST 9: test events, live events, accounts
--- run
refused_ok(stripe(event => { livemode => JSON::PP::false() }), 403,
           'account_mismatch, hint: a test event, and the channel has not '
           . '"livemode off"');
refused_ok(stripe(event => { account => 'acct_7' }), 403, 'account_mismatch, '
           . 'hint: account "acct_7" is not ours, 0 configured');
refused_ok(stripe(event => { account => 'acct' x 17 }), 403,
           'account_mismatch, hint: account is not ours, 0 configured');



=== TEST 10: live events where test events are wanted, and no account
--- stripe
livemode off;
account  acct_1 acct_2;
--- run
my $test = { livemode => JSON::PP::false() };
refused_ok(stripe(), 403, 'account_mismatch, hint: a live event, and the '
           . 'channel has "livemode off"');
refused_ok(stripe(event => $test), 403, 'account_mismatch, hint: no account');
refused_ok(stripe(event => { %$test, account => 'acct_3' }), 403,
           'account_mismatch, '
           . 'hint: account "acct_3" is not ours, 2 configured');
ack_ok(send_callback(stripe(event => { %$test, account => 'acct_2' })),
       'stripe', 200);
is(shop_count(), 1);



=== TEST 11: what is signed and no event
--- run
refused_ok(stripe(%{ $_->[0] }), 400, "malformed, hint: $_->[1]")
    for [ { body => '' }, 'invalid JSON' ], [ { body => '[]' },
          'not a JSON object' ],
        [ { event => { object => 'v2.core.event' } },
          'thin event, which holds no facts: choose snapshot events for this '
          . 'endpoint' ],
        [ { event => { object => undef } }, 'object is not an event' ],
        [ { event => { id => 'evt 1' } }, 'invalid id' ],
        [ { event => { id => 'x' x 129 } }, 'invalid id' ],
        [ { event => { id => '' } }, 'invalid id' ],
        [ { event => { type => undef } }, 'invalid type' ],
        [ { event => { account => 1 } }, 'invalid account' ],
        [ { event => { livemode => undef } }, 'invalid livemode' ],
        [ { event => { livemode => 1 } }, 'invalid livemode' ];



=== TEST 12: a member that is there twice
--- run
refused_ok(stripe(before => [ [ '"object": "event"',
                                '"object": "event", "object": "event"' ] ]),
           400, 'duplicate_field, hint: duplicate key');
refused_ok(stripe(before => [ [ '"amount": 1099',
                                '"amount": 1, "amount": 1099' ] ]), 400,
           'duplicate_field, hint: duplicate key');



=== TEST 13: what is refused at the location, before the body
--- run
refused_ok(stripe(method => $_), 405, 'method') for qw(GET PUT PATCH DELETE);
refused_ok(stripe(headers => { 'Content-Type' => $_ }), 415, 'content_type')
    for undef, 'text/plain', 'application/x-www-form-urlencoded',
        'application/jsonx';



=== TEST 14: an event in an envelope, as a cloud event bus sends it
--- run
refused_ok(stripe(headers => { 'Stripe-Signature' => undef }, body =>
                  '{"detail-type":"x","detail":{"id":"evt_1"}}'), 400,
           'missing_header, hint: no stripe-signature, a proxy in front may '
           . 'drop it');



=== TEST 15: the refusal says nothing that differs from one to the next
--- run
my %seen;
for ({ secrets => [ 'x' ] }, { tamper => [ [ '1099', '1' ] ] },
     { skew => 9999 }, { mangle => 'compact' })
{
    my $res = send_callback(stripe(%$_));
    $seen{"$res->{status} $res->{body}"} = 1;
}
is(join('', keys %seen), '401 ');



=== TEST 16: D12, a forged copy does not block the genuine one
--- run
my %same = (id => 'evt_16', order_id => 'T16');
send_callback(stripe(%same, secrets => [ 'x' ])) for 1 .. 3;
ack_ok(send_callback(stripe(%same)), 'stripe', 200);
is(shop_count(), 1);
