# paygw_idempotency: a call is run once, and its answer is given again.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;

our $Config = <<'CONF';
    location ~ ^/ {
        paygw_auth         shop other;
        paygw_idempotency  on;
        proxy_pass         http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
CONF

worker_connections(1024);

my $count = 0;

sub main::key { return sprintf 'key-%d-%d-%d', time, $$, $count++ }

# a call under a key

sub main::under {
    my ($key, %o) = @_;
    return call(body => '{"amount":100}', %o,
                headers => [ 'Idempotency-Key', $key,
                             @{ $o{headers} || [] } ]);
}

# the answer is one that was kept

sub main::replay_ok {
    my ($res, $first, $name) = @_;
    my %not = map { ($_, 1) } qw(date connection server content-length
                                 idempotent-replayed);
    my $fields = sub { join "\n", map { "$_->[0]: $_->[1]" }
                       sort { lc $a->[0] cmp lc $b->[0] }
                       grep { !$not{lc $_->[0]} } @{ $_[0]{headers} } };
    is($res->{header}{'idempotent-replayed'}, 'true', "$name: replayed");
    is($res->{status}, $first->{status}, "$name: status");
    is($fields->($res), $fields->($first), "$name: fields");
    ok($res->{body} eq $first->{body}, "$name: body");
}

run_tests();

__DATA__

=== TEST 1: a repetition is answered with what is kept
--- config eval: $::Config
--- run
my $key = key();
shop_plan({ status => 201, body => '{"id":"p1"}',
            headers => [ [ 'Content-Type', 'application/json' ],
                         [ 'Location', '/p1' ], [ 'X-Shop', 'a' ],
                         [ 'X-Shop', 'b' ], [ 'ETag', '"1"' ],
                         [ 'Set-Cookie', 'a=b' ],
                         [ 'X-Signature', 'of the shop' ] ] });
my $first = send_callback(under($key));
is($first->{status}, 201);
is($first->{header}{'idempotent-replayed'}, undef);
is($first->{header}{'set-cookie'}, 'a=b');
is($first->{header}{'content-length'}, 11);
for (1 .. 3) {
    my $res = send_callback(under($key));
    is($res->{header}{'set-cookie'}, undef, 'a cookie is not kept');
    is($res->{header}{'x-signature'}, undef, 'nor is a signature');
    $first->{headers} = [ grep { $_->[0] !~ /^(?:Set-Cookie|X-Signature)$/ }
                          @{ $first->{headers} } ];
    replay_ok($res, $first, "repetition $_");
    is($res->{header}{'content-length'}, 11);
}
my @req = shop_requests();
is(scalar @req, 1, 'run once');
is(shop_header($req[0], 'Idempotency-Key'), $key);
is(shop_header($req[0], 'X-Paygw-Attempt'), 1);
is(shop_header($req[0], 'X-Paygw-Merchant'), 'shop');



=== TEST 2: another body, target or method under the same key
--- config eval: $::Config
--- run
my $key = key();
answer_ok(send_callback(under($key)), 200);
answer_ok(send_callback(under($key, body => '{"amount":200}')),
          'IDEMPOTENCY_MISMATCH');
answer_ok(send_callback(under($key, body => '')), 200, 'a GET');
answer_ok(send_callback(under($key, target => '/api/orders?a=1')),
          'IDEMPOTENCY_MISMATCH', 'another query');
answer_ok(send_callback(under($key)), 200);
is(shop_count(), 2);
# keys of another path, method or merchant are other keys
answer_ok(send_callback(under($key, target => '/api/refunds')), 200);
answer_ok(send_callback(under($key, method => 'PUT')), 200);
answer_ok(send_callback(under($key, key => 'o1')), 200);
answer_ok(send_callback(under(uc $key)), 200);
is(shop_count(), 6);
# but another key of the same merchant is of that merchant
my $res = send_callback(under($key, key => 'k2'));
is($res->{header}{'idempotent-replayed'}, 'true');
is(shop_count(), 6);



=== TEST 3: the same signed bytes are a replay, not a repetition
--- config eval: $::Config
--- run
my $m = under(key());
answer_ok(send_callback($m), 200);
answer_ok(send_callback($m), 'REPLAYED');
is(shop_count(), 1);
# and with another key, which nobody signs, they leave no lock behind
my $key = key();
$m->{headers} = [ (grep { $_->[0] ne 'Idempotency-Key' } @{ $m->{headers} }),
                  [ 'Idempotency-Key', $key ] ];
answer_ok(send_callback($m), 'REPLAYED', 'another key');
answer_ok(send_callback(under($key)), 200, 'the key is free');
is(shop_count(), 2);



=== TEST 4: the form of a key; quoted and bare are the same
--- config eval: $::Config
--- run
my $key = key();
answer_ok(send_callback(under(qq{"$key"})), 200);
my $res = send_callback(under($key));
is($res->{header}{'idempotent-replayed'}, 'true', 'bare');
answer_ok(send_callback(under("\"$key\\\\\"")), 200);
is(send_callback(under("$key\\"))->{header}{'idempotent-replayed'}, 'true',
   'with an escape');
is(shop_count(), 2);
answer_ok(send_callback(under("$key" . 'x' x (255 - length $key))), 200);
for ('', '""', '"', '"a', 'a"', '"a"b', '"a";b=1', '"a" ,"b"', 'a,b', 'a b',
     '"a b"', "a\tb", "a\x7f", "\xc3\xa9", 'x' x 256, '"' . 'x' x 256 . '"',
     '"a\\"', '"\\a"', '"a"b"')
{
    answer_ok(send_callback(under($_)), 'BAD_IDEMPOTENCY_KEY', "<$_>");
}
answer_ok(send_callback(under('a', headers => [ 'Idempotency-Key', 'a' ])),
          'BAD_IDEMPOTENCY_KEY', 'two of them');
is(shop_count(), 3);
ok(wait_for(sub { grep { $_ eq 'refused bad_idempotency_key' } results() }));



=== TEST 5: required, and methods that change nothing
--- config
    location /r {
        paygw_auth         shop;
        paygw_idempotency  on required;
        proxy_pass         http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location /o {
        paygw_auth         shop;
        paygw_idempotency  on;
        proxy_pass         http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
for my $method (qw(POST PUT PATCH DELETE)) {
    answer_ok(send_callback(call(target => '/r', method => $method)),
              'IDEMPOTENCY_KEY_REQUIRED', $method);
    answer_ok(send_callback(call(target => '/o', method => $method)), 200,
              $method);
}
is(shop_count(), 4);
for my $method (qw(GET OPTIONS)) {
    my $key = key();
    answer_ok(send_callback(call(target => '/r', method => $method)), 200);
    for (1, 2) {
        my $res = send_callback(under($key, target => '/r',
                                      method => $method, body => ''));
        is($res->{header}{'idempotent-replayed'}, undef, $method);
    }
}
is(shop_count(), 10);
# nobody learns of it who has not signed
answer_ok(send_callback(call(target => '/r', body => 'x',
                             secret => 'x' x 34)), 'BAD_SIGNATURE');
# what was refused has used no nonce
my $m = call(target => '/r', body => 'x');
answer_ok(send_callback($m), 'IDEMPOTENCY_KEY_REQUIRED') for 1, 2;



=== TEST 6: in flight
--- config eval: $::Config
--- run
my $key = key();
shop_plan({ status => 201, body => 'done', hold => 'a' });
my $c = begin(under($key));
shop_requests(1);
for (1 .. 2) {
    my $res = send_callback(under($key));
    answer_ok($res, 'IN_PROGRESS');
    is($res->{header}{'retry-after'}, 1);
}
answer_ok(send_callback(under($key, body => 'other')), 'IDEMPOTENCY_MISMATCH');
shop_release('a');
my $first = finish($c);
is($first->{status}, 201);
replay_ok(send_callback(under($key)), $first, 'after that');
is(shop_count(), 1);
ok(wait_for(sub { grep { $_ eq 'refused in_progress' } results() }));



=== TEST 7: 32 copies at the same time run it once
--- workers: 4
--- config eval: $::Config
--- run
for my $round (1 .. 3) {
    my $key = key();
    shop_plan({ status => 201, body => "round $round", delay => 0.2 });
    my @c = map { begin(under($key)) } 1 .. 32;
    my (%n, %body);
    for (map { finish($_) } @c) {
        $n{$_->{status}}++;
        $body{$_->{body}}++ if $_->{status} == 201;
    }
    is(shop_count(), 1, 'run once');
    is(join(' ', sort keys %body), "round $round");
    is($n{201} + ($n{409} // 0), 32, join ' ', %n);
    is(send_callback(under($key))->{body}, "round $round");
}



=== TEST 8: what is final, and what is not
--- config eval: $::Config
--- run
for my $status (200, 201, 202, 204, 206, 301, 303, 400, 402, 404, 405, 410,
                413, 415, 422, 451)
{
    my $key = key();
    shop_plan({ status => $status, body => $status == 204 ? '' : "s$status" },
              500);
    my $first = send_callback(under($key), timeout => 3);
    is($first->{status}, $status);
    replay_ok(send_callback(under($key)), $first, $status);
    is(shop_count(), 1, $status);
}
for my $status (401, 403, 407, 408, 409, 412, 417, 421, 423, 424, 425, 426,
                428, 429, 431, 500, 501, 502, 503, 504, 507)
{
    my $key = key();
    shop_plan({ status => $status, body => "s$status" }, 200);
    my $res = send_callback(under($key));
    is($res->{status}, $status);
    is($res->{body}, "s$status");
    answer_ok(send_callback(under($key, body => 'other')),
              'IDEMPOTENCY_MISMATCH', 'what it was is known');
    $res = send_callback(under($key));
    is("$res->{status} " . ($res->{header}{'idempotent-replayed'} // '-'),
       '200 -', "$status is not final");
    my @req = shop_requests();
    is(scalar @req, 2);
    is(shop_header($req[1], 'X-Paygw-Attempt'), 2, 'and the shop is told');
    is(send_callback(under($key))->{header}{'idempotent-replayed'}, 'true');
}



=== TEST 9: bodies of any kind
--- config eval: $::Config
--- run
my $all = join '', map { chr } 0 .. 255;
for (
    { body => '' },
    { body => $all, chunked => 1, name => 'bytes' },
    { body => 'x' x 65536, name => '64k' },
    { body => 'x' x 65536, chunked => 1, name => '64k in chunks' },
    { body => "\0" x 5000 },
    { body => "\r\n" x 3000, endless => 1 },
) {
    my $key = key();
    my $name = delete $_->{name} // length $_->{body};
    my $body = $_->{body};
    $_->{body} = { base64 => MIME::Base64::encode_base64($body, '') };
    shop_plan($_);
    my $first = send_callback(under($key));
    ok($first->{body} eq $body, "$name: first");
    is($first->{header}{'content-length'}, length $body);
    replay_ok(send_callback(under($key)), $first, $name);
    is(shop_count(), 1);
}



=== TEST 10: an answer that is too large is not kept, and not run again
--- config
    location ~ ^/ {
        paygw_auth         shop;
        paygw_idempotency  on max=10k;
        proxy_pass         http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $large = join '', map { chr(32 + $_ % 90) } 1 .. 500_000;
for my $chunked (0, 1) {
    for my $size (10240, 10241, 20000, 500_000) {
        my $key = key();
        my $body = substr $large, 0, $size;
        shop_plan({ status => 201, body => $body, chunked => $chunked });
        my $first = send_callback(under($key));
        is($first->{status}, 201);
        ok($first->{body} eq $body
           || $chunked && length $first->{body} > $size, "$size bytes");
        my $res = send_callback(under($key));
        if ($size == 10240) {
            replay_ok($res, $first, $size);
        } else {
            answer_ok($res, 'ANSWER_NOT_KEPT', $size);
            is($res->{header}{'retry-after'}, undef);
        }
        is(shop_count(), 1);
    }
}
ok(wait_for(sub { grep { $_ eq 'refused answer_not_kept' } results() }));
--- error_log
answer to a merchant call is larger than 10240 bytes and is not kept



=== TEST 11: with signed answers
--- config
    location ^~ /api {
        paygw_auth         shop sign_response;
        paygw_idempotency  on max=10k;
        proxy_pass         http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location /small {
        paygw_auth          shop sign_response;
        paygw_idempotency   on max=10k;
        paygw_response_max  2k;
        proxy_pass          http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $key = key();
shop_plan({ status => 201, body => 'done' });
my $m = under($key);
sealed_ok(send_callback($m), $m, 'first');
for (1, 2) {
    $m = under($key);
    my $res = send_callback($m);
    is($res->{body}, 'done');
    is($res->{header}{'idempotent-replayed'}, 'true');
    sealed_ok($res, $m, 'replayed');
    is(scalar(grep { lc $_->[0] eq 'x-signature' } @{ $res->{headers} }), 1);
}
$m = under($key, body => 'x');
sealed_ok(send_callback($m), $m, 'mismatch');
shop_plan({ body => 'x' x 20_000 });
$key = key();
$m = under($key);
my $res = send_callback($m);
is(length $res->{body}, 20_000);
sealed_ok($res, $m, 'large');
answer_ok(send_callback(under($key)), 'ANSWER_NOT_KEPT');
is(shop_count(), 1);
# done, and the answer can be neither signed nor kept
for my $chunked (0, 1) {
    $key = key();
    shop_plan({ body => 'x' x 3000, chunked => $chunked });
    $m = under($key, target => '/small');
    $res = send_callback($m);
    is($res->{status}, 502);
    sealed_ok($res, $m, '502');
    answer_ok(send_callback(under($key, target => '/small')),
              'ANSWER_NOT_KEPT');
    is(shop_count(), 1);
}
--- error_log
is too large and cannot be signed, it is withheld



=== TEST 12: an answer that breaks off, none at all, and one that is too late
--- config eval
"proxy_read_timeout 1s;\n$::Config"
--- run
for my $plan ({ body => 'secret' x 1000, cut => 3000 },
              { body => 'secret' x 1000, cut => 3000, linger => 3 },
              { body => 'secret' x 1000, chunked => 1, cut => 3000 },
              { close => 1 }, { reset => 1 }, { delay => 3 })
{
    my $key = key();
    shop_plan($plan, { status => 201, body => 'done' });
    my $res = send_callback(under($key));
    like($res->{status}, qr/^50[24]$/);
    unlike($res->{body}, qr/secret/);
    $res = send_callback(under($key));
    is("$res->{status} $res->{body}", '201 done', 'run again');
    is(shop_header((shop_requests())[-1], 'X-Paygw-Attempt'), 2);
    is(send_callback(under($key))->{header}{'idempotent-replayed'}, 'true');
}
--- error_log
answer to a merchant call is incomplete and cannot be kept, it is withheld



=== TEST 13: a client that goes away: the call comes to its end
--- config eval: $::Config
--- run
my $key = key();
shop_plan({ status => 201, body => 'done', hold => 'a' }, 500);
my $c = begin(under($key));
shop_requests(1);
abort_client($c);
Time::HiRes::sleep(0.3);
answer_ok(send_callback(under($key)), 'IN_PROGRESS');
shop_release('a');
my $res;
ok(wait_for(sub { $res = send_callback(under($key));
                  $res->{status} != 409 }));
is("$res->{status} $res->{body}", '201 done');
is($res->{header}{'idempotent-replayed'}, 'true');
is(shop_count(), 1);



=== TEST 14: whatever handles the call
--- config
    location = /file {
        paygw_auth shop; paygw_idempotency on;
        error_page 405 =200 $uri;
    }
    location = /return {
        paygw_auth shop; paygw_idempotency on;
        add_header X-Id $request_id;
        return 201 "made $request_id";
    }
    location = /moved {
        paygw_auth shop; paygw_idempotency on;
        return 303 /there?$request_id;
    }
    location = /try {
        paygw_auth shop; paygw_idempotency on;
        try_files /none @shop;
    }
    location = /accel {
        paygw_auth shop; paygw_idempotency on;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /sub {
        paygw_auth shop; paygw_idempotency on;
        sub_filter_types *; sub_filter hello bye;
        gzip on; gzip_min_length 1; gzip_types *; gzip_http_version 1.0;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location /inside { internal; return 200 "inside $request_id"; }
    location @shop {
        paygw_auth shop;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- user_files
>>> file
some text
--- run
for (['/return', 201, qr/^made \w{32}$/], ['/moved', 303, qr/./],
     ['/try', 200, qr/^shop says hello$/],
     ['/accel', 200, qr/^inside \w{32}$/,
      { headers => [ [ 'X-Accel-Redirect', '/inside' ] ] }],
     ['/sub', 200, qr/^shop says bye$/])
{
    my ($target, $status, $body, $plan) = @$_;
    my $key = key();
    shop_plan($plan || 200, 500);
    my @more = (target => $target, headers => [ 'Accept-Encoding', 'gzip' ]);
    my $first = send_callback(under($key, @more));
    is($first->{status}, $status, $target);
    like($first->{body}, $body);
    replay_ok(send_callback(under($key, @more)), $first, $target);
}
# what a failure has named says nothing
my $key = key();
shop_plan({ status => 500, headers => [ [ 'X-Accel-Redirect', '/inside' ] ] },
          { status => 201, body => 'done' });
is(send_callback(under($key, target => '/accel'))->{status}, 200);
is(send_callback(under($key, target => '/accel'))->{body}, 'done');



=== TEST 15: error pages: what the shop said decides, not what the page says
--- config
    location ^~ /api {
        paygw_auth shop; paygw_idempotency on;
        proxy_intercept_errors on;
        error_page 404 = @other;
        error_page 500 502 =200 /sorry;
        error_page 400 =404 /sorry;
        error_page 503 = @other;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location @other { proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
    location = /sorry { internal; return 200 "sorry"; }
    location = /fails {
        paygw_auth shop; paygw_idempotency on;
        error_page 500 =200 /sorry;
        return 500;
    }
--- run
# another backend has run it
for my $status (404, 503) {
    my $key = key();
    shop_plan($status, { status => 201, body => 'other' }, 200);
    my $first = send_callback(under($key));
    is($first->{body}, 'other');
    my $n = shop_count();
    is($n, 2);
    replay_ok(send_callback(under($key)), $first, $status);
    is(shop_count(), $n);
}
for my $status (500, 502, 400) {
    my $key = key();
    shop_plan($status, { status => 201, body => 'done' });
    my $res = send_callback(under($key));
    is($res->{body}, 'sorry');
    is($res->{status}, $status == 400 ? 404 : 200);
    $res = send_callback(under($key));
    is($res->{body}, 'done', "$status is not final");
}
my $key = key();
for (1, 2) {
    my $res = send_callback(under($key, target => '/fails'));
    is("$res->{status} $res->{body}", '200 sorry');
    is($res->{header}{'idempotent-replayed'}, undef);
}



=== TEST 16: the style of parameters: what a new signature changes is left out
--- config
    location ~ ^/ {
        paygw_auth         shop old;
        paygw_auth_style   params;
        paygw_idempotency  on;
        proxy_pass         http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $key = key();
my $send = sub {
    my ($p, %o) = @_;
    my $m = call_params($p, %o);
    push @{ $m->{headers} }, [ 'Idempotency-Key', $key ];
    return send_callback($m);
};
my %order = (amount => 100, order => 'a');
answer_ok($send->({ %order }), 200);
for ([ key => 'k1' ], [ key => 'k2' ], [ as => 'json' ],
     [ query => [ qw(sign nonce_str timestamp) ] ])
{
    my $res = $send->({ %order, timestamp => time - 5 }, @$_);
    is(($res->{status} . ' ' . ($res->{header}{'idempotent-replayed'} // '-')),
       '200 true', "@$_");
}
answer_ok($send->({ %order, amount => 101 }), 'IDEMPOTENCY_MISMATCH');
answer_ok($send->({ %order, more => 1 }), 'IDEMPOTENCY_MISMATCH');
is(shop_count(), 1);



=== TEST 17: HTTP/2
--- h2
--- config eval: $::Config
--- run
my $key = key();
shop_plan({ status => 201, body => 'x' x 30_000 }, { status => 204 });
my $first = send_callback(under($key), http2 => 1);
is($first->{status}, 201);
replay_ok(send_callback(under($key), http2 => 1), $first, 'h2');
$key = key();
$first = send_callback(under($key), http2 => 1);
is($first->{status}, 204);
replay_ok(send_callback(under($key), http2 => 1), $first, '204');
is(shop_count(), 2);



=== TEST 18: one connection for many, kept and not
--- config eval: $::Config
--- run
my @keys = map { key() } 1 .. 3;
my @res = pipeline(map { under($_) } @keys, @keys, @keys);
is(join(' ', map { $_->{status} } @res), join ' ', (200) x 9);
is(join(' ', map { $_->{header}{'idempotent-replayed'} // '-' } @res),
   join ' ', ('-') x 3, ('true') x 6);
is(shop_count(), 3);



=== TEST 19: conditions and ranges are not for the answer of an operation
--- config
    location = /return {
        paygw_auth shop; paygw_idempotency on;
        return 200 done;
    }
    location ^~ /api {
        paygw_auth shop; paygw_idempotency on;
        proxy_force_ranges on;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $key = key();
shop_plan({ body => 'done', headers =>
            [ [ 'Last-Modified', 'Mon, 28 Sep 1970 06:00:00 GMT' ],
              [ 'ETag', '"1"' ] ] }, 500);
my @if = (headers => [ 'If-Match', '"2"', 'If-Modified-Since',
                       'Mon, 28 Sep 1970 06:00:00 GMT' ]);
my $first = send_callback(under($key, @if));
is("$first->{status} $first->{body}", '200 done');
replay_ok(send_callback(under($key, @if)), $first, 'conditions');
is(shop_count(), 1);
my $res = send_callback(under(key(), @if, target => '/return'));
is("$res->{status} $res->{body}", '200 done', 'of nginx itself');



=== TEST 20: $paygw_idempotency
--- config
    location ^~ /api {
        paygw_auth shop; paygw_idempotency on;
        add_header X-What $paygw_idempotency always;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $key = key();
shop_plan(503, 200);
is(send_callback(under($key))->{header}{'x-what'}, 'first');
is(send_callback(under($key))->{header}{'x-what'}, 'again');
is(send_callback(call(body => 'x'))->{header}{'x-what'}, undef);



=== TEST 21: a call that is over a limit leaves no lock behind
--- config
    location ^~ /api {
        paygw_auth shop; paygw_idempotency on;
        paygw_limit $http_x_who rate=1r/h;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $who = "idem-$$-" . time;
answer_ok(send_callback(under(key(), headers => [ 'X-Who', $who ])), 200);
my $key = key();
answer_ok(send_callback(under($key, headers => [ 'X-Who', $who ])),
          'RATE_LIMITED') for 1, 2;
my $res = send_callback(under($key, headers => [ 'X-Who', "$who-b" ]));
answer_ok($res, 200, 'the key is free');
is(send_callback(under($key, headers => [ 'X-Who', "$who-c" ]))
   ->{header}{'idempotent-replayed'}, 'true');
is(shop_count(), 2);



=== TEST 22: an upstream that is not buffered; one that sends bit by bit
--- config
    location ^~ /api {
        paygw_auth shop; paygw_idempotency on max=20k;
        proxy_buffering off;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
for my $size (1, 20_000, 300_000) {
    my $key = key();
    my $body = join '', map { chr(32 + $_ % 90) } 1 .. $size;
    shop_plan({ body => $body });
    my $first = send_callback(under($key));
    ok($first->{body} eq $body, "$size bytes");
    my $res = send_callback(under($key));
    $size > 20_000 ? answer_ok($res, 'ANSWER_NOT_KEPT')
                   : replay_ok($res, $first, $size);
    is(shop_count(), 1);
}



=== TEST 23: a zone that has room for a nonce, and none for a call
--- no_store
--- http_config
    paygw_zone small:64k;
--- config
    location = /s { paygw_test_store; }
    location ^~ /api {
        paygw_auth shop; paygw_idempotency on;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- faulty
--- run
my $ask = sub { finish(begin("GET /s?$_[0] HTTP/1.0\r\n\r\n"))->{body} };
like($ask->('op=once&n=4&spread=1&key=' . 'n' x 38), qr/^ok=4 /);
like($ask->('op=begin&n=2000&spread=1&key=shop:' . 'c' x 60),
     qr/ error=[1-9]/);
answer_ok(send_callback(call(body => 'x')), 200, 'without a key');
answer_ok(send_callback(under(key())), 'UNAVAILABLE');
is(shop_count(), 1, 'nothing is run');
--- error_log
could not allocate record of call in paygw zone "small"
