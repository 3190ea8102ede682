# Calls of merchants that are signed by header fields: what passes, what is
# refused, and what is said about it.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;

our $Config = <<'CONF';
    location ~ ^/ {
        paygw_auth  shop public;
        proxy_pass  http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
CONF

run_tests();

__DATA__

=== TEST 1: a signed call passes, and the shop learns who it is
--- config eval: $::Config
--- run
my $m = call(body => '{"amount":100}', headers => [ 'X-Paygw-Merchant', 'me',
             'x_paygw_key_id', 'me', 'X-Other', 'x' ]);
answer_ok(send_callback($m), 200);
my ($r) = shop_requests(1);
is(shop_header($r, 'X-Paygw-Merchant'), 'shop');
is(shop_header($r, 'X-Paygw-Key-Id'), 'k1');
is(shop_header($r, 'X-Other'), 'x');
is(shop_header($r, 'X-Nonce'), $m->{nonce});
is($r->{body}, '{"amount":100}');
--- result
authenticated



=== TEST 2: the second key of the merchant
--- config eval: $::Config
--- run
answer_ok(send_callback(call(key => 'k2')), 200);
is(shop_header((shop_requests(1))[0], 'X-Paygw-Key-Id'), 'k2');



=== TEST 3: public keys of all kinds
--- config eval: $::Config
--- run
for my $name (qw(rsa ec ed)) {
    answer_ok(send_callback(call(key => $name, public => $name,
                                 body => 'x')), 200, $name);
    answer_ok(send_callback(call(key => $name, public => $name,
                                 sign_body => 'y', body => 'x')),
              'BAD_SIGNATURE', $name);
}
answer_ok(send_callback(call(key => 'rsa', public => 'rsa2')),
          'BAD_SIGNATURE', 'another RSA key');
answer_ok(send_callback(call(key => 'ec', public => 'rsa')),
          'BAD_SIGNATURE', 'of another key id');
answer_ok(send_callback(call(key => 'ed', public => 'ec')),
          'BAD_SIGNATURE', 'of another key id');
answer_ok(send_callback(call(key => 'k1', public => 'rsa')),
          'BAD_SIGNATURE', 'of a secret');
answer_ok(send_callback(call(key => 'rsa', secret => 'x' x 32)),
          'BAD_SIGNATURE', 'of a public key');



=== TEST 4: each of the four fields must be there once
--- config eval: $::Config
--- run
for my $name (qw(X-Key-Id X-Timestamp X-Nonce X-Signature)) {
    my $low = lc $name;
    refused_call_ok(call(drop => [ $name ]), 'BAD_SIGNATURE_HEADER',
                    "missing_header, hint: no $low");
    refused_call_ok(call(twice => [ $name ]), 'BAD_SIGNATURE_HEADER',
                    "repeated_header, hint: $low is there twice");
}
refused_call_ok(call(drop => [ qw(X-Key-Id X-Timestamp X-Nonce
                                  X-Signature) ]), 'BAD_SIGNATURE_HEADER',
                'missing_header, hint: no x-key-id');



=== TEST 5: and must be well formed
--- config eval: $::Config
--- run
my @bad = (
    [ 'X-Key-Id', '', 'a b', 'k1!', 'x' x 65, "k\xc3\xa9", 'k1,k1' ],
    [ 'X-Timestamp', '', '+1', '-1', '1.5', '0x10', '1e9', ' ', 'now',
      '1' x 21 ],
    [ 'X-Nonce', '', 'x' x 15, 'x' x 65, 'nonce nonce nonce',
      'nonce.nonce.nonce', "nonce\xc3\xa9nonce-nonce" ],
    [ 'X-Signature', '', 'abcd', 'a' x 63, 'a' x 65, 'g' x 64, 'a' x 87,
      'a' x 89, '=' x 88, ('a' x 86) . ' =', 'A' x 1369, ('a' x 63) . ' ' ],
);
for (@bad) {
    my ($name, @values) = @$_;
    for my $value (@values) {
        my $m = call(set => [ $name, $value ]);
        $m->{sig} = '';
        refused_call_ok($m, 'BAD_SIGNATURE_HEADER',
                        'malformed, hint: ' . lc($name)
                        . ' is not well formed');
    }
}



=== TEST 6: the window, both ways
--- config eval: $::Config
--- run
answer_ok(send_callback(call(time => time - 290)), 200, 'old');
answer_ok(send_callback(call(time => time + 290)), 200, 'young');
for my $off (-310, 310, -86400, 86400) {
    my $res = send_callback(call(time => time + $off));
    answer_ok($res, 'TIMESTAMP_OUT_OF_WINDOW', $off);
    like($res->{header}{date}, qr/^\w+, \d\d \w+ \d{4} [\d:]+ GMT$/);
}
answer_ok(send_callback(call(time => 0)), 'TIMESTAMP_OUT_OF_WINDOW', 0);
like(error_log_text(), qr/clock 86400 s off, the call is from the future/);
like(error_log_text(), qr/clock 8640[01] s off, the call is from the past/);



=== TEST 7: milliseconds are refused and not divided
--- config eval: $::Config
--- run
my $m = call(time => time . '000');
refused_call_ok($m, 'TIMESTAMP_OUT_OF_WINDOW',
    'clock, key "k1", merchant "shop", hint: the time may be in '
    . 'milliseconds, it must be in seconds');
answer_ok(send_callback(call(time => '9' x 20)), 'TIMESTAMP_OUT_OF_WINDOW');



=== TEST 8: what is changed after it was signed is refused
--- config eval: $::Config
--- run
for (
    [ method => 'PUT', sign_method => 'POST', body => 'x' ],
    [ target => '/api/refunds', sign_target => '/api/orders' ],
    [ target => '/api/orders?a=1', sign_target => '/api/orders?a=2' ],
    [ target => '/api/orders', sign_target => '/api/orders?' ],
    [ target => '/api/%2Forders', sign_target => '/api/%2forders' ],
    [ sign_nonce => 'nonce-of-another-call' ],
    [ sign_time => time - 1 ],
    [ body => 'x', sign_body => 'y' ],
    [ secret => 'y' x 34 ],
    [ key => 'k2', secret => $PaygwCall::Secret{k1} ],
) {
    answer_ok(send_callback(call(@$_)), 'BAD_SIGNATURE', "@$_[0, 1]");
}
is(shop_count(), 0);



=== TEST 9: the target is signed as it was sent
--- config eval: $::Config
--- run
for my $target ('/a?x=%E4%B8%AD+y&flag', '/v1/payments?',
                '//v1//payments/./x/../y', '/A%7CB%2f1', '/a;b=c?d=/../e')
{
    answer_ok(send_callback(call(target => $target)), 200, $target);
}



=== TEST 10: the absolute form is reduced to the origin form
--- config eval: $::Config
--- run
my $m = call(target => '/a/b?c=d');
$m->{target} = 'http://localhost/a/b?c=d';
answer_ok(send_callback($m), 200);
$m = call(target => 'http://localhost/a/b?c=d');
answer_ok(send_callback($m), 'BAD_SIGNATURE');
like(error_log_text(), qr/hint: the target was signed with scheme and host/);



=== TEST 11: an unknown key id is a bad signature, to the byte
--- config eval: $::Config
--- run
my %seen;
for (
    [ key => 'nobody', secret => 'x' x 32 ],      # unknown
    [ key => 'k1', secret => 'x' x 32 ],          # known
    [ key => 'o1' ],                              # genuine, not named here
    [ key => 'md1' ],                             # of another kind
    [ key => 'rsa', secret => 'x' x 32 ],
    [ key => 'rsa', public => 'rsa2' ],
    [ key => 'nobody', public => 'rsa' ],
    [ key => 'nobody', public => 'ec' ],
    [ key => 'nobody', public => 'ed' ],
) {
    my $res = send_callback(call(@$_));
    answer_ok($res, 'BAD_SIGNATURE', "@$_");
    $res->{raw} =~ s/^Date: .*\r\n//m;
    $seen{"$res->{raw}$res->{body}"}++;
}
is(scalar keys %seen, 1, 'one answer');
like(error_log_text(), qr/refused: unknown_key, key "nobody", string to sign: /);
unlike(error_log_text(), qr/merchant "other"/);



=== TEST 12: the narrower window of one merchant is no oracle of key ids
--- http_config
    paygw_merchant narrow {
        key     n1  text:a_secret_of_the_narrow_merchant_1;
        window  20s;
    }
--- config
    location ~ ^/ { paygw_auth shop narrow; return 200; }
--- run
my $secret = 'a_secret_of_the_narrow_merchant_1';
answer_ok(send_callback(call(key => 'n1', secret => $secret)), 200);
answer_ok(send_callback(call(key => 'n1', secret => $secret,
                             time => time - 60)),
          'TIMESTAMP_OUT_OF_WINDOW', 'genuine');
answer_ok(send_callback(call(key => 'n1', secret => 'x' x 32,
                             time => time - 60)), 'BAD_SIGNATURE', 'forged');
answer_ok(send_callback(call(key => 'nobody', time => time - 60)),
          'BAD_SIGNATURE', 'unknown');
answer_ok(send_callback(call(time => time - 60)), 200, 'another merchant');



=== TEST 13: two secrets of one key id
--- http_config
    paygw_merchant two {
        key  t1  text:the_new_secret_of_the_key_id_t1_00;
        key  t1  text:the_old_secret_of_the_key_id_t1_00;
    }
--- config
    location ~ ^/ { paygw_auth two shop; return 200 $paygw_key_id; }
--- run
for my $word (qw(new old)) {
    my $res = send_callback(call(key => 't1',
                                 secret => "the_${word}_secret_of_the_key_id_t1_00"));
    answer_ok($res, 200, $word);
    is($res->{body}, 't1');
}
answer_ok(send_callback(call(key => 't1', secret => 'x' x 34)),
          'BAD_SIGNATURE');
answer_ok(send_callback(call()), 200, 'a key of one secret');



=== TEST 14: the case of hexadecimal digits does not matter
--- config eval: $::Config
--- run
my $m = call(body => 'x');
$m->{headers}[3][1] = uc $m->{headers}[3][1];
answer_ok(send_callback($m), 200);



=== TEST 15: a refusal can be given a page
--- config
    error_page 401 /401.txt;
    location ~ ^/ { paygw_auth shop; return 200; }
    location = /401.txt { internal; return 200 "please sign"; }
--- run
my $res = send_callback(call(secret => 'x' x 32));
is("$res->{status} $res->{body}", '401 please sign');
answer_ok(send_callback(call(drop => [ 'X-Nonce' ])),
          'BAD_SIGNATURE_HEADER');



=== TEST 16: a page that is protected itself is not given
--- config
    paygw_auth shop;
    error_page 401 400 /secret.txt;
    location /x { return 200 "let in"; }
    location = /secret.txt { return 200 "let in"; }
    location @page { return 200 "let in"; }
    location /named { error_page 401 400 = @page; return 200 "let in"; }
--- run
for my $target (qw(/x /secret.txt /named)) {
    answer_ok(send_callback(call(target => $target, secret => 'x' x 32)),
              'BAD_SIGNATURE', $target);
    answer_ok(send_callback(call(target => $target, drop => [ 'X-Nonce' ])),
              'BAD_SIGNATURE_HEADER', $target);
}



=== TEST 17: fields for refusals
--- config
    add_header X-Always yes always;
    location ~ ^/ { paygw_auth shop; return 200; }
--- run
my $res = send_callback(call(secret => 'x' x 32));
is($res->{header}{'x-always'}, 'yes');
is($res->{header}{'www-authenticate'}, 'Paygw');
