# sign_response: answers are signed for the caller, also those that nginx makes
# and refusals of who is known.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;

our $Config = <<'CONF';
    location ~ ^/ {
        paygw_auth  shop sign_response;
        proxy_pass  http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
CONF

run_tests();

__DATA__

=== TEST 1: an answer of the shop
--- config eval: $::Config
--- run
my $m = call(body => 'x');
my $res = send_callback($m);
answer_ok($res, 200);
is($res->{body}, "shop says hello\n");
sealed_ok($res, $m, 'default');
$m = call(key => 'k2');
sealed_ok(send_callback($m), $m, 'the other key',
          secret => call_secret('k2'));



=== TEST 2: of any kind: chunked, empty, large, any status
--- config eval: $::Config
--- run
my $large = join '', map { chr(32 + $_ % 90) } 1 .. 300_000;
for (
    { body => 'x' x 5000, chunked => 1 },
    { body => '' },
    { body => $large },
    { body => $large, chunked => 1 },
    { status => 201, body => 'created' },
    { status => 400, body => '{"code":"NO"}' },
    { status => 500, body => 'oops' },
    { status => 302, headers => [ [ 'Location', '/x' ] ], body => 'there' },
) {
    shop_plan($_);
    my $m = call();
    my $res = send_callback($m);
    is($res->{status}, $_->{status} // 200);
    ok($res->{body} eq $_->{body}, 'body');
    is($res->{header}{'content-length'}, length $_->{body});
    sealed_ok($res, $m, length($_->{body}) . ' bytes');
}



=== TEST 3: without a body: 204, 304, HEAD
--- config
    location ~ ^/ {
        paygw_auth  shop sign_response;
        proxy_pass  http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location ^~ /file { paygw_auth shop sign_response; }
--- user_files
>>> file
some text
--- run
shop_plan({ status => 204, body => '' });
my $m = call();
my $res = send_callback($m);
is($res->{status}, 204);
sealed_ok($res, $m, '204');
$m = call(target => '/file');
$res = send_callback($m);
answer_ok($res, 200);
is($res->{body}, "some text\n");
sealed_ok($res, $m, 'a file');
my $etag = $res->{header}{etag};
$m = call(target => '/file', headers => [ 'If-None-Match', $etag ]);
$res = send_callback($m, timeout => 2);
like($res->{raw} . ($res->{first} // ''), qr/^HTTP\/1.1 304 |304/);
sealed_ok($res, $m, '304');



=== TEST 4: HEAD has a signature over no body
--- h2
--- config
    location /file { paygw_auth shop sign_response; }
--- user_files
>>> file
some text
--- run
my $m = call(method => 'HEAD', target => '/file');
my $url = 'http://127.0.0.1:' . PaygwTest::h2_port() . '/file';
my $h = join ' ', map { "-H '$_->[0]: $_->[1]'" } @{ $m->{headers} };
my $out = `curl -sS --http2-prior-knowledge -I $h $url`;
my $res = PaygwTest::parse_head(split /\r\n\r\n/, $out);
is($res->{status}, 200);
is($res->{header}{'content-length'}, 10);
sealed_ok($res, $m, 'HEAD', head => 1);



=== TEST 5: answers of nginx itself
--- config
    location /deny { paygw_auth shop sign_response; deny all; }
    location /none { paygw_auth shop sign_response; root /nonexistent; }
    location /away {
        paygw_auth shop sign_response;
        proxy_pass http://127.0.0.1:1;
    }
    location /return { paygw_auth shop sign_response; return 200 "text"; }
    location /page {
        paygw_auth shop sign_response;
        error_page 404 /return;
        root /nonexistent;
    }
--- run
for (['/none', 404], ['/away', 502], ['/return', 200], ['/page', 404]) {
    my $m = call(target => $_->[0]);
    my $res = send_callback($m);
    is($res->{status}, $_->[1], $_->[0]);
    sealed_ok($res, $m, $_->[0]);
}
# refused before anybody looked at the caller
my $res = send_callback(call(target => '/deny'));
is($res->{status}, 403);
is($res->{header}{'x-signature'}, undef);
--- error_log
access forbidden by rule



=== TEST 6: refusals: signed for who is known, and for nobody else
--- config eval: $::Config
--- run
my $m = call(body => 'x');
answer_ok(send_callback($m), 200);
my $res = send_callback($m);
answer_ok($res, 'REPLAYED');
sealed_ok($res, $m, 'replayed');
for (
    [ key => 'nobody' ],
    [ secret => 'x' x 34 ],
    [ time => 1 ],
    [ drop => [ 'X-Nonce' ] ],
    [ body => 'x' x 70000 ],
) {
    $res = send_callback(call(@$_));
    isnt($res->{status}, 200);
    is($res->{header}{$_}, undef)
        for qw(x-signature x-nonce x-timestamp);
}
--- error_log
client intended to send too large



=== TEST 7: an answer that is too large is withheld
--- config eval
"paygw_response_max 10k;\n$::Config"
--- run
for my $chunked (0, 1) {
    shop_plan({ body => 'x' x 10240, chunked => $chunked },
              { body => 'secret' x 1707, chunked => $chunked },
              { body => 'secret' x 200_000, chunked => $chunked });
    my $m = call();
    my $res = send_callback($m);
    is($res->{status}, 200);
    sealed_ok($res, $m, 'fits');
    for (1, 2) {
        $m = call();
        $res = send_callback($m);
        is($res->{status}, 502);
        unlike($res->{body}, qr/secret/);
        sealed_ok($res, $m, '502');
    }
}
--- error_log
answer to a merchant call is too large and cannot be signed, it is withheld



=== TEST 8: an answer that breaks off is withheld
--- config eval
"proxy_read_timeout 1s;\n$::Config"
--- run
for my $plan ({ body => 'secret' x 1000, cut => 100 },
              { body => 'secret' x 1000, cut => 3000, linger => 3 },
              { body => 'secret' x 1000, chunked => 1, cut => 3000 })
{
    shop_plan($plan);
    my $m = call();
    my $res = send_callback($m);
    is($res->{status}, 502);
    unlike($res->{body}, qr/secret/);
    sealed_ok($res, $m, '502');
}
--- error_log
answer to a merchant call is incomplete and cannot be signed, it is withheld



=== TEST 9: what filters make of an answer is what is signed
--- config
    gzip on; gzip_min_length 1; gzip_types *; gzip_http_version 1.0;
    location /sub {
        paygw_auth shop sign_response;
        sub_filter_types *;
        sub_filter hello bye;
        add_header X-Nonce mine;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location /range { paygw_auth shop sign_response; }
    location /ssi {
        paygw_auth shop sign_response;
        ssi on; ssi_types *;
    }
    location /part { return 200 "included"; }
--- user_files
>>> range
0123456789
>>> ssi
a <!--# include virtual="/part" --> b
--- run
my $m = call(target => '/sub', headers => [ 'Accept-Encoding', 'gzip' ]);
my $res = send_callback($m);
is($res->{body}, "shop says bye\n", 'neither packed nor as it was');
sealed_ok($res, $m, 'sub_filter');
is(scalar(grep { lc $_->[0] eq 'x-nonce' } @{ $res->{headers} }), 1);
$m = call(target => '/range', headers => [ 'Range', 'bytes=2-4' ]);
$res = send_callback($m);
is("$res->{status} $res->{body}", '206 234');
sealed_ok($res, $m, 'range');
$m = call(target => '/ssi');
$res = send_callback($m);
is($res->{body}, "a included b\n");
sealed_ok($res, $m, 'SSI');



=== TEST 10: no tunnel for an answer that is to be signed
--- config
    location ~ ^/ {
        paygw_auth  shop sign_response;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection upgrade;
        proxy_pass  http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $m = call(headers => [ 'Upgrade', 'websocket' ]);
my $res = send_callback($m);
is($res->{status}, 200);
sealed_ok($res, $m, 'no upgrade');
is(shop_header((shop_requests(1))[0], 'Upgrade'), undef);



=== TEST 11: fields of that name that the shop sends are replaced
--- config eval: $::Config
--- run
shop_plan({ body => 'x', headers => [ [ 'X-Signature', 'y' x 64 ],
                                      [ 'X-Nonce', 'y' x 16 ] ] });
my $m = call();
my $res = send_callback($m);
sealed_ok($res, $m, 'ours');
is(scalar(grep { lc $_->[0] eq $_ } @{ $res->{headers} }), 0);
is(scalar(grep { $_->[0] =~ /^x-(?:nonce|signature|timestamp)$/i }
          @{ $res->{headers} }), 3);



=== TEST 12: over HTTP/2, and on a connection that is kept
--- h2
--- config eval: $::Config
--- run
my $m = call(body => 'x');
my $res = send_callback($m, http2 => 1);
is($res->{status}, 200);
sealed_ok($res, $m, 'HTTP/2');



=== TEST 13: several answers on one connection
--- config eval: $::Config
--- run
my @m = map { call(body => $_) } 1 .. 3;
my @res = pipeline(@m);
sealed_ok($res[$_], $m[$_], "answer $_") for 0 .. 2;



=== TEST 14: a shop that never ends is given up when the client leaves
--- config eval: $::Config
--- run
shop_plan({ hold => 'a', body => 'x' });
my $c = begin(call());
shop_requests(1);
abort_client($c);
Time::HiRes::sleep(0.2);
shop_release('a');
my $m = call();
sealed_ok(send_callback($m), $m, 'worker alive');



=== TEST 15: without sign_response there are no such fields
--- config
    paygw_auth shop sign_response;
    location /plain { paygw_auth shop; return 200; }
    location /off { paygw_auth off; return 200; }
    location /on { return 200; }
--- run
for (qw(/plain /off)) {
    my $res = send_callback(call(target => $_));
    is("$res->{status}", 200);
    is($res->{header}{'x-signature'}, undef);
}
my $m = call(target => '/on');
sealed_ok(send_callback($m), $m, 'inherited');



=== TEST 30: SSI of an answer of a backend, whose parts come when it has ended
--- config
    location = /page {
        default_type text/html;
        return 200 'a <!--# include virtual="/part/1" wait="yes" -->
                    b <!--# include virtual="/part/2" --> c';
    }
    location /part { proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
    location /ssi {
        paygw_auth shop sign_response;
        ssi on; ssi_types *;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/page;
    }
    location /unbuffered {
        paygw_auth shop sign_response;
        ssi on; ssi_types *;
        proxy_buffering off;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/page;
    }
    location /kept {
        paygw_auth shop; paygw_idempotency on;
        ssi on; ssi_types *;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/page;
    }
--- run
for my $at ('/ssi', '/unbuffered', '/kept') {
    shop_plan({ body => 'one', hold => 'part' }, { body => 'two' });
    my $m = call(target => $at, method => 'POST', body => 'x',
                 headers => [ 'Idempotency-Key', "ssi-$$-" . rand ]);
    my $s = begin($m);
    shop_requests(1);
    Time::HiRes::sleep(0.5);
    shop_release('part');
    my $res = finish($s);
    is($res->{status}, 200, $at);
    like($res->{body}, qr/^a (?:one\s+b two|two\s+b one) c$/, "$at: whole");
    sealed_ok($res, $m, $at) if $at ne '/kept';
}
