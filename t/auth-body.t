# Bodies of calls: all kinds and sizes, and the limit.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;

our $Config = <<'CONF';
    location ~ ^/ {
        paygw_auth  shop;
        proxy_pass  http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
CONF

# bytes of all values that do not repeat soon

sub main::bytes {
    my $n = shift;
    my $x = 12345;
    return join '', map { $x = ($x * 1103515245 + 12345) & 0x7fffffff;
                          chr(($x >> 16) & 0xff) } 1 .. $n;
}

run_tests();

__DATA__

=== TEST 1: bodies in one buffer, in several, in a file; with length, chunked
--- config eval
"paygw_body_max 4m; client_body_buffer_size 8k;\n$::Config"
--- run
for my $size (0, 1, 100, 8191, 8192, 8193, 65536, 200_000, 1_500_000) {
    my $body = bytes($size);
    for my $chunked (0, 1000, 70_000) {
        next if $chunked && ($size < 100 || $size > 20 * $chunked);
        my $m = call(method => 'POST', body => $body);
        my $res = send_callback($m, chunked => $chunked);
        answer_ok($res, 200, "$size bytes, chunks of $chunked");
        my ($r) = shop_requests(1);
        ok($r->{body} eq $body, 'the shop got it');
        shop_plan();

        if ($size) {
            $m = call(method => 'POST', body => $body);
            substr($m->{body}, -1) ^= "\1";
            answer_ok(send_callback($m, chunked => $chunked),
                      'BAD_SIGNATURE', "the last of $size bytes");
        }
    }
}
is(shop_count(), 0);



=== TEST 2: a body that is always put into a file
--- config eval
"paygw_body_max 1m; client_body_in_file_only clean;\n$::Config"
--- run
for my $size (0, 1, 65536, 65537, 300_000) {
    my $body = bytes($size);
    my $m = call(method => 'POST', body => $body);
    answer_ok(send_callback($m), 200, $size);
    my ($r) = shop_requests(1);
    ok($r->{body} eq $body);
    shop_plan();
}
answer_ok(send_callback(call(body => 'xx', sign_body => 'xy')),
          'BAD_SIGNATURE');



=== TEST 3: in packets, and after "100 Continue"
--- config eval: $::Config
--- run
my $body = bytes(3000);
answer_ok(send_callback(call(body => $body), split => 500), 200, 'packets');
my $c = PaygwTest::begin(call(body => $body), expect => 1);
is($c->{continue}{status}, 100);
answer_ok(finish($c), 200, 'continue');
# what is refused by its fields is refused before that
$c = PaygwTest::begin(call(body => $body, drop => [ 'X-Nonce' ]),
                      expect => 1);
answer_ok($c->{continue}, 'BAD_SIGNATURE_HEADER');



=== TEST 4: HTTP/2, with a length and without one
--- h2
--- config eval
"paygw_body_max 1m; client_body_buffer_size 8k;\n$::Config"
--- run
for my $size (0, 1, 9000, 300_000) {
    for my $no (0, 1) {
        my $body = bytes($size);
        my $m = call(method => 'POST', body => $body, target => '/a?b=%2f+c');
        answer_ok(send_callback($m, http2 => 1, no_length => $no), 200,
                  "$size, no length: $no");
        my ($r) = shop_requests(1);
        ok($r->{body} eq $body);
        shop_plan();
    }
}
answer_ok(send_callback(call(), http2 => 1), 200, 'no body');
answer_ok(send_callback(call(body => 'x', sign_body => 'y'), http2 => 1),
          'BAD_SIGNATURE');
answer_ok(send_callback(call(target => '/a', sign_target => '/b'),
                        http2 => 1), 'BAD_SIGNATURE');



=== TEST 5: a body that is too large is refused, 64k by default
--- config eval: $::Config
--- run
my $max = bytes(65536);
answer_ok(send_callback(call(body => $max)), 200);
shop_plan();
answer_ok(send_callback(call(body => "$max.")), 'TOO_LARGE', 'with length');
answer_ok(send_callback(call(body => "$max."), chunked => 4000),
          'TOO_LARGE', 'chunked');
answer_ok(send_callback(call(body => "$max$max$max"), chunked => 60000),
          'TOO_LARGE', 'chunked');
is(shop_count(), 0);
is(join(',', results(4)), 'authenticated -,refused too_large,'
   . 'refused too_large,refused too_large');
--- error_log
client intended to send too large



=== TEST 6: paygw_body_max is what counts, a smaller client_max_body_size too
--- config
    location /a { paygw_auth shop; paygw_body_max 10; return 200; }
    location /b { paygw_auth shop; client_max_body_size 10; return 200; }
    location /c { paygw_auth shop; client_max_body_size 0; return 200; }
--- run
for my $t (qw(/a /b)) {
    answer_ok(send_callback(call(target => $t, body => 'x' x 10)), 200, $t);
    answer_ok(send_callback(call(target => $t, body => 'x' x 11)),
              'TOO_LARGE', $t);
    answer_ok(send_callback(call(target => $t, body => 'x' x 11),
                            chunked => 3), 'TOO_LARGE', $t);
}
answer_ok(send_callback(call(target => '/c', body => 'x' x 70000)),
          'TOO_LARGE', 'unlimited means paygw_body_max');
--- error_log
client intended to send too large



=== TEST 7: too large over HTTP/2
--- h2
--- config eval
"paygw_body_max 1k;\n$::Config"
--- run
for my $no (0, 1) {
    answer_ok(send_callback(call(body => 'x' x 1024), http2 => 1,
                            no_length => $no), 200, 'fits');

    # curl may see the end of the stream before the answer, as with any server
    # that answers without reading all of a body
    my $res;
    for (1 .. 30) {
        $res = send_callback(call(body => 'x' x 1025), http2 => 1,
                             no_length => $no);
        last if $res->{status};
    }
    answer_ok($res, 'TOO_LARGE', $no);
}
--- error_log
client intended to send too large



=== TEST 8: a body that does not come, or not whole
--- config eval
"client_body_timeout 1s;\n$::Config"
--- run
my $m = call(body => 'x' x 100);
my $raw = substr $m->raw, 0, -50;
my $res = finish(begin($raw));
is($res->{status}, 0, 'closed');
abort_client(begin($raw));
answer_ok(send_callback(call(body => 'x')), 200, 'the next one');
is(shop_count(), 1);



=== TEST 9: a compressed body is signed as it is sent
--- config eval: $::Config
--- run
my $gz = "\x1f\x8b\x08\x00" . bytes(50);
answer_ok(send_callback(call(body => $gz, headers => [
    'Content-Encoding', 'gzip' ])), 200);
my ($r) = shop_requests(1);
ok($r->{body} eq $gz);



=== TEST 10: two calls on one connection
--- config eval: $::Config
--- run
my @res = pipeline(call(body => 'a'), call(body => 'b', secret => 'x' x 32),
                   call(), call(body => 'c' x 3000));
answer_ok($res[0], 200);
answer_ok($res[1], 'BAD_SIGNATURE');
answer_ok($res[2], 200);
answer_ok($res[3], 200);
is(join(',', map { length $_->{body} } shop_requests(3)), '1,0,3000');



=== TEST 11: proxy_request_buffering off: the body is read all the same
--- config eval
"proxy_request_buffering off; proxy_http_version 1.1;\n$::Config"
--- run
for my $chunked (0, 300) {
    answer_ok(send_callback(call(body => bytes(2000)), chunked => $chunked),
              200);
    my ($r) = shop_requests(1);
    ok($r->{body} eq bytes(2000));
    shop_plan();
    answer_ok(send_callback(call(body => bytes(2000), sign_body => ''),
                            chunked => $chunked), 'BAD_SIGNATURE');
}
is(shop_count(), 0);
