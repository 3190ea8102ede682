# Callbacks of UnionPay that are not genuine, not fresh or not for us: the
# answer, the word in $paygw_reason, and what the log explains.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwUnionpay;


run_tests();

__DATA__

=== TEST 1: a value that was changed
--- run
refused_ok(unionpay(change => { txnAmt => '1' }), 401,
           'signature, key "69678957876", string to sign: {signed}');
refused_ok(unionpay(change => { orderId => 'other' }), 401,
           'signature, key "69678957876", string to sign: {signed}');



=== TEST 2: a field that was added or taken away
--- run
refused_ok(unionpay(append => [ [ 'x', 'y' ] ]), 401,
           'signature, key "69678957876", string to sign: {signed}');
refused_ok(unionpay(change => { accNo => undef }), 401,
           'signature, key "69678957876", string to sign: {signed}');



=== TEST 3: a good certificate, and another key
--- run
refused_ok(unionpay(key => $_, cert => 'up'), 401,
           'signature, key "69678957876", string to sign: {signed}')
    for qw(rogue up_next mch);



=== TEST 4: no signature
--- run
refused_ok(unionpay(signature => undef), 401, 'signature, hint: no signature');
refused_ok(unionpay(signature => ''), 401, 'signature, hint: no signature');



=== TEST 5: a signature that is not base64
--- run
refused_ok(unionpay(signature => $_), 401, 'signature, key "69678957876", '
           . 'string to sign: {signed}, hint: signature is not base64')
    for 'A', '=', '!' x 344, 'QUJDRA=';
refused_ok(unionpay(signature => $_), 401,
           'signature, key "69678957876", string to sign: {signed}')
    for 'QUJD', 'A' x 344;



=== TEST 6: a plus sign that became a space
--- run
my $m;
do { $m = unionpay() } until $m->{body} =~ /signature=[^&]*\w%2B\w/;
$m->{body} =~ s/(&signature=[^&]*\w)%2B(\w)/$1+$2/;
refused_ok($m, 401, 'signature, key "69678957876", string to sign: {signed}, '
           . 'hint: plus sign decoded as space');
do { $m = unionpay(key => 'rogue', cert => {}) }
    until $m->{body} =~ /signPubKeyCert=[^&]*\w%2B\w/;
$m->{body} =~ s/(signPubKeyCert=[^&]*\w)%2B(\w)/$1+$2/;
refused_ok($m, 401, 'unknown_key, hint: plus sign decoded as space');



=== TEST 7: what is signed is the hash, in 64 lower-case characters
--- run
refused_ok(unionpay(sign_as => $_), 401,
           'signature, key "69678957876", string to sign: {signed}')
    for qw(text upper binary);
refused_ok(unionpay(digest => 'SHA1'), 401,
           'signature, key "69678957876", string to sign: {signed}');



=== TEST 8: a certificate whose line ends were changed on the way
--- run
my $m = unionpay();
$m->{body} =~ s/%0D%0A/%0A/g;
my $res = send_callback($m);
ack_ok($res, $m, 401);
like(error_log_text(), qr/refused: signature, key "69678957876", .*, hint: /);
like(error_log_text(), qr/hint: signPubKeyCert has lost its CR LF line ends/);
is(shop_count(), 0);



=== TEST 9: no certificate, and what is none
--- run
refused_ok(unionpay(params => { signPubKeyCert => undef }), 401,
           'unknown_key, hint: no signPubKeyCert');
refused_ok(unionpay(params => { signPubKeyCert => '' }), 401,
           'unknown_key, hint: no signPubKeyCert');
refused_ok(unionpay(pem => $_), 401,
           'unknown_key, hint: signPubKeyCert is not one certificate in PEM')
    for 'x', '-----BEGIN CERTIFICATE-----',
        "-----BEGIN CERTIFICATE-----\r\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\r\nQUJ\r\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\r\nQUJD\r\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\r\nQUJD\r\n-----END CERTIFICATE-----x",
        " -----BEGIN CERTIFICATE-----\r\nQUJD\r\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\r\nProc-Type: 4,ENCRYPTED\r\n\r\nQUJD"
        . "\r\n-----END CERTIFICATE-----";
refused_ok(unionpay(pem => $_), 401, 'unknown_key, hint: no certificate')
    for "-----BEGIN CERTIFICATE-----\r\nQUJD\r\n-----END CERTIFICATE-----";



=== TEST 10: certificates that are not UnionPay's, or not good, or not now
--- run
my @cases = (
    # D2, and mistakes-unionpay.t has more
    [ { issuer => 'self' }, 'certificate is signed by itself' ],
    [ { issuer => 'fake:up_middle' },
      'certificate bears the name of an issuer that did not sign it' ],
    [ { issuer => 'fake:up_root' },
      'certificate bears the name of an issuer that did not sign it' ],
    [ { issuer => 'fake:alipay_root' },
      'certificate has an issuer that is not configured' ],
    [ { end => -1 }, 'certificate or its issuer is expired' ],
    [ { begin => 1 }, 'certificate or its issuer is not yet valid' ],
    [ { ca => 1 }, 'certificate is that of a CA' ],
    [ { usage => 'encipher' }, 'certificate is not one for signatures' ],
    [ { cn => '041@8310000000083041@somebody@00016496' },
      'certificate is of another name' ],
    [ { cn => [ '041@1@somebody@2',
                "041\@1\@\x{4e2d}\x{56fd}\x{94f6}\x{8054}\x{80a1}\x{4efd}"
                . "\x{6709}\x{9650}\x{516c}\x{53f8}\@2" ] },
      'certificate is of another name' ],
    [ { cn => [ "041\@1\@\x{4e2d}\x{56fd}\x{94f6}\x{8054}\x{80a1}\x{4efd}"
                . "\x{6709}\x{9650}\x{516c}\x{53f8}\@2",
                '041@1@somebody@2' ] },
      'certificate is of another name' ],
    [ { key => 'rsa1024' },
      'certificate is not of an RSA key of 2048 to 8192 bits' ],
    [ { key => 'ec' },
      'certificate is not of an RSA key of 2048 to 8192 bits' ],
);
for (@cases) {
    refused_ok(unionpay(key => 'rogue', cert => $_->[0]), 401,
               "unknown_key, hint: $_->[1]");
}



=== TEST 11: the parts of a common name
--- run
my $name = "\x{4e2d}\x{56fd}\x{94f6}\x{8054}\x{80a1}\x{4efd}\x{6709}"
           . "\x{9650}\x{516c}\x{53f8}";
for my $cn ($name, "041\@$name", "\@$name\@", "041\@1\@x$name\@2",
            "041\@1\@${name}x\@2", "041\@1\@ $name\@2", "041\@1\@\@$name",
            "041\@$name\@1\@2", '041@1@@', "041\@1\@00040000:SIGN\@2")
{
    refused_ok(unionpay(key => 'rogue', cert => { cn => $cn }), 401,
               'unknown_key, hint: certificate is of another name');
}
my @m = map { unionpay(key => 'rogue', cert => { cn => $_ }) }
        "041\@1\@$name\@2", "\@\@$name", "041\@1\@$name\@2\@3";
ack_ok(send_callback($_), $_, 200) for @m;



=== TEST 12: a method that is not the configured one, said or not
--- run
refused_ok(unionpay(sign_method => '11'), 401,
           'sign_type, hint: signMethod is not the configured one');
refused_ok(unionpay(params => { signMethod => $_ }), 401,
           'sign_type, hint: signMethod is not the configured one')
    for undef, '', '1', '001', '02', '11', '12';
refused_ok(unionpay(params => { version => $_ }), 401,
           'sign_type, hint: only version 5.1.0 is accepted')
    for undef, '', '5.0.0', '5.1.1', '6.0.0';



=== TEST 13: a field that is there twice
--- run
refused_ok(unionpay(append => [ [ $_, 'x' ] ]), 400,
           'duplicate_field, hint: duplicate field')
    for qw(signature merId txnAmt signPubKeyCert signMethod);
refused_ok(unionpay(prepend => [ [ 'txnAmt', '1' ] ]), 400,
           'duplicate_field, hint: duplicate field');



=== TEST 14: a value that was escaped on the way, or is in another encoding
--- run
refused_ok(unionpay(change => { respMsg => '&quot;' }), 401,
           'signature, key "69678957876", string to sign: {signed}, '
           . 'hint: a value is HTML-escaped');
refused_ok(unionpay(change => { respMsg => { base64 => 'tPPA1s24' } }), 401,
           'signature, key "69678957876", string to sign: {signed}, '
           . 'hint: a value is not in the charset of the message');



=== TEST 15: an account that is not ours
--- run
refused_ok(unionpay(merid => $_), 403, 'unknown_account, hint: unknown merId')
    for '777290058110098', '77729005811009', '7772900581100977';
refused_ok(unionpay(params => { merId => undef }), 403,
           'unknown_account, hint: unknown merId');



=== TEST 16: a callback whose order is older than its id is kept
--- run
my $m = unionpay(skew => -26 * 3600);
ack_ok(send_callback($m), $m, 401);
my ($off) = error_log_text() =~ /refused: clock, hint: clock (\d+) s off/;
ok(abs($off - 26 * 3600) < 30, "clock $off s off");
is((results(1))[0], 'refused clock');
is(shop_count(), 0);



=== TEST 17: an order may be paid hours later, and is not from the future
--- callback
unionpay(skew => -24 * 3600), unionpay(skew => 200), unionpay(skew => 400)
--- ack: 200 200 401
--- result
taken
taken
refused clock
--- shop: 2



=== TEST 18: an order that is paid days later needs a longer "event_ttl"
--- unionpay
event_ttl 5d;
--- callback
unionpay(skew => -4 * 24 * 3600), unionpay(skew => -5 * 24 * 3600)
--- ack: 200 401
--- shop: 1



=== TEST 19: what a genuine callback may not lack or carry
--- run
my @cases = (
    [ { txnTime => undef }, 'invalid txnTime', 1 ],
    [ { txnTime => '2026112011400' }, 'invalid txnTime', 1 ],
    [ { txnTime => '20261320114000' }, 'invalid txnTime', 1 ],
    [ { txnType => undef }, 'invalid txnType' ],
    [ { respCode => undef }, 'invalid respCode' ],
    [ { queryId => undef }, 'invalid queryId' ],
    [ { queryId => 'a b' }, 'invalid queryId' ],
    [ { orderId => undef }, 'invalid orderId' ],
    [ { orderId => "a\r\nX-Evil: 1" }, 'invalid orderId' ],
    [ { txnAmt => undef }, 'invalid txnAmt' ],
    [ { txnAmt => '88.88' }, 'invalid txnAmt' ],
    [ { txnAmt => '-1' }, 'invalid txnAmt' ],
    [ { settleAmt => '1e3' }, 'invalid settleAmt' ],
    [ { currencyCode => undef }, 'no currencyCode' ],
    [ { currencyCode => '392' }, 'unknown currencyCode' ],
    [ { currencyCode => '15' }, 'unknown currencyCode' ],
    [ { encoding => 'utf-7' }, 'unknown charset' ],
    [ { respMsg => { base64 => 'tPPA1s24' } }, 'a value is not UTF-8' ],
);
for (@cases) {
    my $who = $_->[2] ? '' : ', key "69678957876", channel "unionpay"';
    refused_ok(unionpay(params => $_->[0]), 400,
               "malformed$who, hint: $_->[1]");
}



=== TEST 20: what is refused at the location, before the body
--- run
refused_ok(unionpay(headers => { 'Content-Type' => $_ }), 415,
           'content_type')
    for undef, 'text/plain', 'application/json', 'multipart/form-data';



=== TEST 21: the front return is not a callback
--- run
# "back to the merchant" after a failure comes by GET, without any data
my $m = unionpay();
$m->{method} = 'GET';
$m->{target} = "/notify/unionpay?$m->{body}";
$m->{body} = '';
my $res = send_callback($m);
is("$res->{status} $res->{body}", '405 fail');
is(shop_count(), 0);
