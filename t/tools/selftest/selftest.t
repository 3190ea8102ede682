# one request that makes the error named by PAYGW_SELFTEST; the answer does
# not matter, what the sanitizer writes does

use Test::Nginx::Socket;

my %error = (heap => 'h', stack => 's', pool => 'p', shift => 'i',
             uninitialised => 'u', leak => 'l', none => 'n');

$ENV{TEST_NGINX_ERROR} = $error{$ENV{PAYGW_SELFTEST} // 'none'};

plan tests => 1;

run_tests();

__DATA__

=== TEST 1: a request
--- config
    location /error/ {
        paygw_selftest;
    }
--- request eval
"GET /error/$ENV{TEST_NGINX_ERROR}"
--- error_code: 204
