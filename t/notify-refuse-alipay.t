# Callbacks of Alipay that are not genuine, not fresh or not for us: the answer,
# the word in $paygw_reason, and what the log explains.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: a value that was changed
--- run
refused_ok(alipay(change => { total_amount => '88.81' }), 401,
           'signature, string to sign: {signed}');
refused_ok(alipay(change => { out_trade_no => 'other' }), 401,
           'signature, string to sign: {signed}');



=== TEST 2: a field that was added or taken away
--- run
refused_ok(alipay(append => [ [ 'x', 'y' ] ]), 401,
           'signature, string to sign: {signed}');
refused_ok(alipay(change => { fund_bill_list => undef }), 401,
           'signature, string to sign: {signed}');



=== TEST 3: a key that is not Alipay's
--- run
refused_ok(alipay(key => $_), 401, 'signature, string to sign: {signed}')
    for qw(rogue app alipay_next);



=== TEST 4: no signature
--- run
refused_ok(alipay(sign => undef), 401, 'signature, hint: no sign');
refused_ok(alipay(sign => ''), 401, 'signature, hint: no sign');



=== TEST 5: a signature that is not base64
--- run
refused_ok(alipay(sign => $_), 401, 'signature, string to sign: {signed}, '
           . 'hint: sign is not base64')
    for 'A', '=', '!' x 344, 'QUJDRA=';
refused_ok(alipay(sign => $_), 401, 'signature, string to sign: {signed}')
    for 'QUJD', 'A' x 344;



=== TEST 6: a plus sign that became a space
--- run
my $m;
do { $m = alipay() } until $m->{body} =~ /sign=[^&]*\w%2B\w/;
$m->{body} =~ s/(&sign=[^&]*\w)%2B(\w)/$1+$2/;
refused_ok($m, 401, 'signature, string to sign: {signed}, '
           . 'hint: plus sign decoded as space');



=== TEST 7: a signature of SHA-1, said or not
--- run
refused_ok(alipay(params => { sign_type => 'RSA' }, digest => 'SHA1'), 401,
           'sign_type, hint: only RSA2 is accepted, choose it for the '
           . 'app in the console');
refused_ok(alipay(digest => 'SHA1'), 401,
           'signature, string to sign: {signed}');
refused_ok(alipay(params => { sign_type => $_ }), 401,
           'sign_type, hint: only RSA2 is accepted, choose it for the '
           . 'app in the console')
    for 'rsa2', 'RSA22', 'MD5', 'SM2', '';



=== TEST 8: a signature type that is absent is the usual one
--- callback
alipay(params => { sign_type => undef })
--- ack: 200
--- shop: 1



=== TEST 9: a field that is there twice
--- run
refused_ok(alipay(append => [ [ $_, 'x' ] ]), 400,
           'duplicate_field, hint: duplicate field')
    for qw(sign app_id total_amount subject sign_type);
refused_ok(alipay(prepend => [ [ 'total_amount', '0.01' ] ]), 400,
           'duplicate_field, hint: duplicate field');



=== TEST 10: a value that was escaped on the way
--- run
my $m = alipay();
$m = alipay(change => { fund_bill_list => '[{&quot;amount&quot;:1}]' });
refused_ok($m, 401, 'signature, string to sign: {signed}, '
           . 'hint: a value is HTML-escaped');



=== TEST 11: a value that is not in the charset that is named
--- run
my $m = alipay(change => { subject => { base64 => 'tPPA1s24' } });
refused_ok($m, 401, 'signature, string to sign: {signed}, '
           . 'hint: a value is not in the charset of the message');



=== TEST 12: an account that is not ours
--- run
refused_ok(alipay(app_id => $_), 403, 'unknown_account, '
           . "hint: app_id \"$_\" is not ours, 1 configured")
    for '2021000000000002', '202100000000000', '20210000000000011';
refused_ok(alipay(params => { app_id => undef }), 403,
           'unknown_account, hint: no app_id');
refused_ok(alipay(seller_id => $_), 403, 'account_mismatch, '
           . "hint: seller_id \"$_\" is not ours, 1 configured")
    for '2088101122136242', '208810112213624', '20881011221362411';
refused_ok(alipay(params => { seller_id => undef }), 403,
           'account_mismatch, hint: no seller_id');
refused_ok(alipay(params => { auth_app_id => '2021000000000002' }), 403,
           'account_mismatch, hint: auth_app_id "2021000000000002" is not '
           . 'ours, 1 configured');



=== TEST 13: a forged callback with a wrong account says the first thing
--- run
refused_ok(alipay(key => 'rogue', seller_id => '1'), 401,
           'signature, string to sign: {signed}');



=== TEST 14: a callback that is older than Alipay repeats it
--- run
my $m = alipay(skew => -26 * 3600);
ack_ok(send_callback($m), $m, 401);
my ($off) = error_log_text() =~ /refused:\ clock,\ hint:\ clock\ (\d+)\ s
    \ off,\ the\ message\ is\ from\ the\ past/x;
ok(abs($off - 26 * 3600) < 30, "clock $off s off");
is((results(1))[0], 'refused clock');
is(shop_count(), 0);



=== TEST 15: a repeated callback is good for a day, and one from the future is not
--- callback
alipay(skew => -24 * 3600), alipay(skew => 200), alipay(skew => 400)
--- ack: 200 200 401
--- result
taken
taken
refused clock
--- shop: 2



=== TEST 16: a form that is none
--- run
my @cases = (
    [ 'a', qr/\w/ ], [ 'a=%', qr/\w/ ], [ 'a=%4', qr/\w/ ],
    [ 'a=%zz', qr/\w/ ], [ '=b', qr/\w/ ], [ "a=\0", qr/\w/ ],
);
my $n = 0;
for (@cases) {
    my $m = alipay(body => $_->[0]);
    my $res = send_callback($m);
    $n++ if $res->{status} >= 400 && $res->{body} eq 'fail';
}
is($n, scalar @cases);
ok(!(grep { !/^refused (?:malformed|signature)/ } results($n)),
   join ' ', results());
is(shop_count(), 0);



=== TEST 17: an empty body
--- run
refused_ok(alipay(body => ''), 400, 'malformed, hint: empty body');



=== TEST 18: a charset that is not known
--- run
my $m = alipay(params => { charset => 'utf-7' }, encoding => 'utf-8');
refused_ok($m, 400, 'malformed, channel "alipay", hint: unknown charset');



=== TEST 19: signed bytes that are not in their charset
--- run
refused_ok(alipay(params => { subject => { base64 => 'tPPA1s24' } }), 400,
           'malformed, channel "alipay", hint: a value is not UTF-8');



=== TEST 20: what is refused at the location, before the body
--- run
refused_ok(alipay(method => $_), 405, 'method') for qw(GET PUT PATCH DELETE);
refused_ok(alipay(headers => { 'Content-Type' => $_ }), 415, 'content_type')
    for undef, 'text/plain', 'application/json', 'multipart/form-data',
        'application/x-www-form-urlencodedx';



=== TEST 21: a return URL is not a callback
--- run
# the browser brings signed values by GET, which are for display only
my $m = alipay();
my $body = $m->{body};
my $res = send_callback(alipay(method => 'GET', body => '',
                               uri => "/notify/alipay?$body"));
is("$res->{status} $res->{body}", '405 fail');
is(shop_count(), 0);



=== TEST 22: each byte of a name
--- run
for my $byte (1 .. 255) {
    my $name = 'x' . chr $byte;
    my $m = alipay(append => [ [ $name, '1' ] ]);
    my $res = send_callback($m);
    my $good = $name =~ /^x[a-zA-Z0-9_.-]$/;
    is($res->{status}, $good ? 401 : 400, "byte $byte");
}
is(() = error_log_text() =~ /hint: invalid field name/g, 255 - 65, 'why');
is(shop_count(), 0);
