# Calls in the form of parameters: "paygw_auth_style params".

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;

our $Config = <<'CONF';
    location ~ ^/ {
        paygw_auth        shop old public;
        paygw_auth_style  params;
        proxy_pass        http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
CONF

run_tests();

__DATA__

=== TEST 1: query, form and JSON
--- config eval: $::Config
--- run
my %p = (out_trade_no => 'A 1', amount => '100', Name => "\xe6\x94\xaf",
         empty => '', plus => 'a+b=c%');
for my $as (qw(query form json)) {
    my $m = call_params(\%p, as => $as);
    answer_ok(send_callback($m), 200, $as);
    my ($r) = shop_requests(1);
    is(shop_header($r, 'X-Paygw-Merchant'), 'shop');
    is($r->{body}, $m->{body});
    shop_plan();
    answer_ok(send_callback($m), 'REPLAYED', "$as again");
    answer_ok(send_callback(call_params(\%p, as => $as,
                                        secret => 'x' x 32)),
              'BAD_SIGNATURE', $as);
}
is(shop_count(), 0);



=== TEST 2: parameters of the query and of the body are one
--- config eval: $::Config
--- run
my $m = call_params({ a => 1, b => 2 }, query => [ 'a', 'sign' ]);
answer_ok(send_callback($m), 200, 'both');
$m = call_params({ a => 1 }, query => [ 'a' ], more => '&a=2');
answer_ok(send_callback($m), 'BAD_SIGNATURE_HEADER', 'twice');
$m = call_params({ a => 1 }, query => [ 'a' ], more_query => '&b=2');
answer_ok(send_callback($m), 'BAD_SIGNATURE', 'an unsigned one');
$m = call_params({ a => 1 }, more => '&b=2');
answer_ok(send_callback($m), 'BAD_SIGNATURE');
like(error_log_text(), qr/duplicate_field, hint: duplicate field/);



=== TEST 3: MD5 for a key that says so, and for no other
--- config eval: $::Config
--- run
my $m = call_params({ a => 1 }, key => 'md1', md5 => 1);
answer_ok(send_callback($m), 200);
$m = call_params({ a => 1, sign_type => 'MD5' }, key => 'md1', md5 => 1);
answer_ok(send_callback($m), 200, 'sign_type');
my $p = call_params({ a => 1 }, key => 'md1', md5 => 1);
$p->{body} =~ s/(sign=)(\w+)/$1 . lc $2/e;
answer_ok(send_callback($p), 200, 'lower case');
answer_ok(send_callback(call_params({ a => 1 }, key => 'k1', md5 => 1)),
          'BAD_SIGNATURE', 'MD5 of another key');
answer_ok(send_callback(call_params({ a => 1 }, key => 'md1')),
          'BAD_SIGNATURE', 'HMAC of the key for MD5');
$m = call_params({ a => 1, sign_type => 'MD5' });
answer_ok(send_callback($m), 'BAD_SIGNATURE', 'sign_type is another');
$m = call_params({ a => 1, sign_type => 'HMAC-SHA256' });
answer_ok(send_callback($m), 200, 'sign_type');
like(error_log_text(), qr/sign_type, key "k1"|refused: sign_type/);



=== TEST 4: public keys
--- config eval: $::Config
--- run
for my $name (qw(rsa ec ed)) {
    answer_ok(send_callback(call_params({ a => 1, sign_type => 'RSA2' },
                                        key => $name, public => $name)),
              200, $name);
    answer_ok(send_callback(call_params({ a => 1 }, key => $name,
                                        public => 'rsa2')),
              'BAD_SIGNATURE', $name);
}



=== TEST 5: what is needed must be there and well formed
--- config eval: $::Config
--- run
for my $name (qw(key_id timestamp nonce_str)) {
    answer_ok(send_callback(call_params({}, drop => [ $name ])),
              'BAD_SIGNATURE_HEADER', "no $name");
    like(error_log_text(), qr/missing_header, hint: no $name/);
}
for (
    { timestamp => '' }, { timestamp => '+1' }, { timestamp => '1.5' },
    { nonce_str => 'short' }, { nonce_str => '' },
    { key_id => '' }, { key_id => 'a b' }, { sign => '' },
    { sign => 'a' x 31 }, { sign => 'x' x 64 }, { 'a b' => 1 },
    { "a\x00" => 1 }, { '' => 1 },
) {
    answer_ok(send_callback(call_params($_)), 'BAD_SIGNATURE_HEADER',
              join ' ', map { s/\0/\\0/r } %$_);
}
my $m = call_params({});
$m->{body} = '';
$m->{headers} = [];
answer_ok(send_callback($m), 'BAD_SIGNATURE_HEADER', 'nothing at all');
answer_ok(send_callback(call()), 'BAD_SIGNATURE_HEADER', 'header fields');
is(shop_count(), 0);



=== TEST 6: the time
--- config eval: $::Config
--- run
answer_ok(send_callback(call_params({ timestamp => time - 290 })), 200);
answer_ok(send_callback(call_params({ timestamp => time - 310 })),
          'TIMESTAMP_OUT_OF_WINDOW');
answer_ok(send_callback(call_params({ timestamp => time + 310 })),
          'TIMESTAMP_OUT_OF_WINDOW');
answer_ok(send_callback(call_params({ timestamp => time . '000' })),
          'TIMESTAMP_OUT_OF_WINDOW');



=== TEST 7: JSON is flat, and numbers are the text that was sent
--- config eval: $::Config
--- run
for my $n ('100', '100.0', '1e2', '-0', 'true', 'false') {
    my $m = call_params({ n => $n }, as => 'json',
                        edit => sub { $_[0] =~ s/"n":"\Q$n\E"/"n":$n/r });
    answer_ok(send_callback($m), 200, $n);
}
for my $v ('null', '[]', '{}', '[1]', '{"a":1}') {
    my $m = call_params({ n => 'x' }, as => 'json',
                        edit => sub { $_[0] =~ s/"n":"x"/"n":$v/r });
    answer_ok(send_callback($m), 'BAD_SIGNATURE_HEADER', $v);
}
for my $body ('[]', '"x"', '{', '{"a":1,"a":1}', '1') {
    my $m = call_params({}, as => 'json', edit => sub { $body });
    answer_ok(send_callback($m), 'BAD_SIGNATURE_HEADER', $body);
}
my $m = call_params({ a => 1 }, as => 'json',
                    edit => sub { $_[0] =~ s/^\{/{"b":2,/r });
answer_ok(send_callback($m), 'BAD_SIGNATURE', 'one more');
$m = call_params({ a => 1 }, as => 'json',
                 edit => sub { $_[0] =~ s/^\{/{"a":"1",/r });
answer_ok(send_callback($m), 'BAD_SIGNATURE_HEADER', 'twice');



=== TEST 8: bodies of other types
--- config eval: $::Config
--- run
my $res = send_callback(call_params({ a => 1 }, type => 'text/plain'));
answer_ok($res, 'UNSUPPORTED_MEDIA_TYPE');
my $m = call_params({ a => 1 });
$m->{headers} = [];
answer_ok(send_callback($m), 'UNSUPPORTED_MEDIA_TYPE', 'none');
answer_ok(send_callback(call_params({ a => 1 },
    type => 'application/x-www-form-urlencoded; charset=utf-8')), 200);
answer_ok(send_callback(call_params({ a => 1 }, as => 'json',
                        type => 'Application/JSON;charset=utf-8')), 200);



=== TEST 9: one text to sign has one reading
--- config eval: $::Config
--- run
# "b" follows "a" in the order of names, so it could begin there
answer_ok(send_callback(call_params({ a => '1&b=2' })),
          'BAD_SIGNATURE_HEADER', 'hidden');
like(error_log_text(), qr/malformed, hint: a value hides another field/);
answer_ok(send_callback(call_params({ z => '1&zz=2' })),
          'BAD_SIGNATURE_HEADER', 'in the last one');
# none of these could
answer_ok(send_callback(call_params({ url => 'https://x/?a=1&b=2&&=&' })),
          200, 'in order');
answer_ok(send_callback(call_params({ a => 'AT&T', b => '&', c => '=' })),
          200, 'no name');
answer_ok(send_callback(call_params({ a => '1&b c=2' })), 200,
          'not the name of a parameter');
answer_ok(send_callback(call_params({ a => '1&zz=2' })), 200,
          'out of order');



=== TEST 10: other names of the parameters
--- config
    location ~ ^/ {
        paygw_auth        shop;
        paygw_auth_style  params key_id=appId timestamp=reqTime nonce=nonce
                          sign=signature;
        return 200 $paygw_key_id;
    }
--- run
my %p = (appId => 'k1', reqTime => time, nonce => call_nonce(), a => 1);
my $text = join '&', map { "$_=$p{$_}" } sort keys %p;
$p{signature} = Digest::SHA::hmac_sha256_hex($text, call_secret('k1'));
my $m = call_params({}, edit => sub {
    join '&', map { "$_=$p{$_}" } keys %p });
my $res = send_callback($m);
answer_ok($res, 200);
is($res->{body}, 'k1');



=== TEST 11: large forms
--- config eval: $::Config
--- run
my %p = map { ("f$_", 'x' x 100) } 1 .. 100;
answer_ok(send_callback(call_params(\%p)), 200, 'many');
%p = map { ("f$_", 'x') } 1 .. 130;
answer_ok(send_callback(call_params(\%p)), 'BAD_SIGNATURE_HEADER',
          'too many');
answer_ok(send_callback(call_params({ a => 'x' x 50_000 }),
                        chunked => 3000), 200, 'long');
answer_ok(send_callback(call_params({ a => 'x' x 70_000 })), 'TOO_LARGE');
--- error_log
client intended to send too large



=== TEST 12: the query of the request line is what counts
--- config
    rewrite ^/old /new?evil=1? last;
    location ~ ^/ {
        paygw_auth        shop;
        paygw_auth_style  params;
        return 200 "$uri $args";
    }
--- run
my $m = call_params({ a => 1 }, as => 'query', target => '/old');
my $res = send_callback($m);
answer_ok($res, 200);
is($res->{body}, '/new evil=1');



=== TEST 13: answers are signed in the same way
--- config
    location ~ ^/ {
        paygw_auth        shop sign_response;
        paygw_auth_style  params;
        return 200 "hello";
    }
--- run
my $m = call_params({ a => 1 });
my $res = send_callback($m);
answer_ok($res, 200);
sealed_ok($res, $m, 'signed');
