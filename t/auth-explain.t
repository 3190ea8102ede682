# Explain: which line of the string to sign differs, as the log says it.

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

# a call of the key k1 that is refused with this hint; of an unknown key id the
# same call is refused, and nothing but that is said

sub main::explained {
    my ($hint, %o) = @_;

    refused_call_ok(fix(%o), 'BAD_SIGNATURE',
                    'signature, key "k1", merchant "shop", string to sign: '
                    . "{signed}, hint: $hint", %{ $o{send} || {} });
}

# what is signed is wrong on purpose; the log tells of what is right

sub main::fix {
    my %o = @_;

    my $m = call(body => '{"a":1}', %o);
    my $right = call(map { ($_, $m->{$_}) } qw(method target time nonce body));
    $m->{$_} = $right->{$_} for qw(signed_len signed_sha256);
    return $m;
}

run_tests();

__DATA__

=== TEST 1: the string
--- config eval: $::Config
--- run
explained('the string was signed without the line feed at its end',
          no_end => 1);



=== TEST 2: the method
--- config eval: $::Config
--- run
explained('the method was signed in lower case', sign_method => 'post');



=== TEST 3: the target
--- config eval: $::Config
--- run
explained('the target was signed without its query',
          target => '/a?b=c', sign_target => '/a');
explained('the target was signed decoded, or was encoded on the way',
          target => '/a%20b?c=%20', sign_target => '/a b?c=%20');
explained('the target was signed decoded, or was encoded on the way',
          target => '//a/./b', sign_target => '/a/b');
explained('the target was signed with scheme and host',
          target => '/a?b', sign_target => 'https://localhost/a?b');
explained('the target was signed with scheme and host',
          target => '/a?b', sign_target => 'http://localhost/a?b');



=== TEST 4: the body
--- config eval: $::Config
--- run
explained('the hash of the body was signed in upper case',
          sign_hash => uc Digest::SHA::sha256_hex('{"a":1}'));
explained('the body was signed as if it were empty', sign_body => '');
explained('the body itself was signed, and not its hash',
          sign_hash => '{"a":1}');
explained('a line feed at the end of the body was lost',
          sign_body => "{\"a\":1}\n");
explained('the body was changed after it was signed: line feed or spelling',
          body => "{\"a\":1}\n", sign_body => '{"a":1}');
explained('the body was changed after it was signed: line feed or spelling',
          body => '{"a": 1, "b": "\/"}', sign_body => '{"a":1,"b":"/"}');



=== TEST 5: the secret
--- config eval: $::Config
--- run
explained("the caller's copy of the secret has a line feed at its end",
          secret => call_secret('k1') . "\n");
explained('another secret or key, or another string was signed',
          secret => 'x' x 34);
explained('another secret or key, or another string was signed',
          sign_body => 'anything');



=== TEST 6: the kind of the key
--- config eval: $::Config
--- run
explained('the key is a secret, its signatures are 64 hexadecimal digits of '
          . 'HMAC-SHA256', public => 'rsa');
refused_call_ok(fix(key => 'ec', secret => 'x' x 32), 'BAD_SIGNATURE',
    'signature, key "ec", merchant "public", string to sign: {signed}, '
    . 'hint: the key id is that of a public key, its signatures are base64');
refused_call_ok(fix(key => 'ec', public => 'rsa'), 'BAD_SIGNATURE',
    'signature, key "ec", merchant "public", string to sign: {signed}, '
    . 'hint: another secret or key, or another string was signed');



=== TEST 7: an unknown key id, whatever else
--- config eval: $::Config
--- run
for my $o ([], [ no_end => 1 ], [ sign_body => '' ], [ public => 'ed' ]) {
    refused_call_ok(fix(key => 'nobody', @$o), 'BAD_SIGNATURE',
        'unknown_key, key "nobody", string to sign: {signed}, hint: unknown '
        . 'key id, or of a merchant that is not named here');
}
refused_call_ok(fix(key => 'o1'), 'BAD_SIGNATURE',
    'unknown_key, key "o1", string to sign: {signed}, hint: unknown '
    . 'key id, or of a merchant that is not named here');



=== TEST 8: a large body is not explained
--- config eval: $::Config
--- run
my $body = '{"a":"' . 'x' x 20000 . '"}';
explained('another secret or key, or another string was signed',
          body => "$body\n", sign_body => $body);
