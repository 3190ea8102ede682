# Calls in front of the handlers that speak to a shop in other protocols.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwBackend;
use PaygwCall;

our $Fcgi = backend('fcgi', qr/\x01\x05\x00\x01\x00\x00\x00\x00\z/,
    fcgi_record(6, "Status: 200 OK\r\nX-Shop: yes\r\n\r\nfrom the shop")
    . fcgi_record(6, '') . fcgi_record(3, "\0" x 8));
our $Scgi = backend('scgi', qr/END\z/,
    "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nfrom the shop");

# the version that Test::Nginx will find is not known yet
my ($minor) = `$ENV{TEST_NGINX_BINARY} -v 2>&1` =~ m{nginx/1\.(\d+)};
our $H2 = $minor < 25 ? '' : 'http2 on;';
our $H2Listen = $minor < 25 ? 'http2' : '';

run_tests();

__DATA__

=== TEST 1: FastCGI
--- config
    location = /a {
        paygw_auth shop sign_response;
        fastcgi_pass 127.0.0.1:$TEST_NGINX_FCGI_PORT;
    }
--- run
answer_ok(send_callback(call(target => '/a', body => 'x',
                             secret => 'x' x 34)), 'BAD_SIGNATURE');
is(slurp($::Fcgi), '', 'nothing reaches the shop');
my $m = call(target => '/a', body => '{"amount":100}',
             headers => [ 'X_Paygw_Merchant', 'me' ]);
my $res = send_callback($m);
is($res->{body}, 'from the shop');
sealed_ok($res, $m, 'signed');
my $r = fcgi_request(slurp($::Fcgi));
is($r->{body}, '{"amount":100}');
is(shop_header($r, 'X-Paygw-Merchant'), 'shop');
is(shop_header($r, 'X-Paygw-Key-Id'), 'k1');



=== TEST 2: SCGI
--- config
    location = /a {
        paygw_auth shop sign_response;
        scgi_pass 127.0.0.1:$TEST_NGINX_SCGI_PORT;
    }
--- run
answer_ok(send_callback(call(target => '/a', body => 'END',
                             secret => 'x' x 34)), 'BAD_SIGNATURE');
is(slurp($::Scgi), '', 'nothing reaches the shop');
my $m = call(target => '/a', body => '{"amount":100}END');
my $res = send_callback($m);
is($res->{body}, 'from the shop');
sealed_ok($res, $m, 'signed');
like(slurp($::Scgi), qr/HTTP_X_PAYGW_MERCHANT\0shop\0/);



=== TEST 3: gRPC
--- h2
--- http_config eval
"    server {
        listen 127.0.0.1:\$TEST_NGINX_RAND_PORT_5 $::H2Listen;
        $::H2
        location / {
            add_header  X-Who \$http_x_merchant;
            add_trailer grpc-status 0;
            default_type application/grpc;
            return 200 \"reply\";
        }
    }"
--- config
    location /pkg.Service/ {
        paygw_auth shop;
        grpc_set_header X-Merchant $http_x_paygw_merchant;
        grpc_pass grpc://127.0.0.1:$TEST_NGINX_RAND_PORT_5;
    }
    location /pkg.Signed/ {
        paygw_auth shop sign_response;
        grpc_pass grpc://127.0.0.1:$TEST_NGINX_RAND_PORT_5;
    }
--- run
my @grpc = (body => "\0\0\0\0\5hello", headers =>
            [ 'Content-Type', 'application/grpc', 'TE', 'trailers' ]);
answer_ok(send_callback(call(target => '/pkg.Service/Do', @grpc,
                             secret => 'x' x 34), http2 => 1),
          'BAD_SIGNATURE');
my $res = send_callback(call(target => '/pkg.Service/Do', @grpc),
                        http2 => 1);

# trailers may be handed over, and newer versions of curl print them
my $trailers = qr/grpc-status: 0\s*\z/;
$res->{body} =~ s/$trailers//;
is("$res->{status} $res->{header}{'x-who'} $res->{body}", '200 shop reply');
my $m = call(target => '/pkg.Signed/Do', @grpc);
$res = send_callback($m, http2 => 1);
$res->{body} =~ s/$trailers//;
is($res->{body}, 'reply');
sealed_ok($res, $m, 'signed');



=== TEST 4: a cache is behind the check
--- http_config
    proxy_cache_path $TEST_NGINX_KEYS/cache keys_zone=c:1m;
--- config
    location = /a {
        paygw_auth shop other;
        proxy_cache c;
        proxy_cache_valid 200 1m;
        proxy_cache_key $uri$paygw_merchant;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
answer_ok(send_callback(call(target => '/a')), 200) for 1 .. 3;
is(shop_count(), 1, 'from the cache');
answer_ok(send_callback(call(target => '/a', secret => 'x' x 34)),
          'BAD_SIGNATURE');
answer_ok(send_callback(call(target => '/a', key => 'o1')), 200);
is(shop_count(), 2, 'not for another merchant');



=== TEST 5: limit_req and an upstream that fails over
--- http_config
    upstream shops {
        server 127.0.0.1:1;
        server 127.0.0.1:$TEST_NGINX_SHOP_PORT backup;
    }
    limit_req_zone $paygw_key_id zone=one:1m rate=1r/m;
--- config
    location = /a { paygw_auth shop; proxy_pass http://shops; }
--- run
answer_ok(send_callback(call(target => '/a')), 200);
answer_ok(send_callback(call(target => '/a', body => 'x')), 200);
is(shop_count(), 2);
--- error_log
connect() failed
