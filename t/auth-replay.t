# Nonces: a call passes once, whatever comes at the same time, and whatever
# the store does.  The named mistakes E10 to E13 and D18, for merchants.

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

our $Away = <<'CONF';
    paygw_store redis://127.0.0.1:1 timeout=300ms;
CONF

worker_connections(1024);

run_tests();

__DATA__

=== TEST 1: a call that comes again is refused
--- config eval: $::Config
--- run
my $m = call(body => 'x');
answer_ok(send_callback($m), 200);
shop_plan();
refused_call_ok($m, 'REPLAYED', 'replayed, key "k1", merchant "shop"')
    for 1 .. 3;
answer_ok(send_callback(call(nonce => $m->{nonce}, body => 'y')),
          'REPLAYED', 'the nonce in another call');
answer_ok(send_callback(call(nonce => $m->{nonce}, time => time - 100)),
          'REPLAYED', 'at another time');
answer_ok(send_callback(call(nonce => lc $m->{nonce}, key => 'k2')), 200,
          'of another key');
answer_ok(send_callback(call(nonce => uc $m->{nonce})), 200,
          'in other letters');



=== TEST 2: 32 copies at the same time: one passes
--- workers: 4
--- config eval: $::Config
--- run
for my $round (1 .. 5) {
    my @res = with_many(32, call(body => 'round ' . $round));
    my %n;
    $n{$_->{status}}++ for @res;
    is(join(' ', map { "$_:$n{$_}" } sort keys %n), '200:1 401:31');
    answer_ok($_, 'REPLAYED') for grep { $_->{status} == 401 } @res[0, 31];
    is(shop_count(), $round, 'one a round');
}



=== TEST 3: E10: a nonce is noted after the signature, a stranger burns none
--- config eval: $::Config
--- run
my $nonce = call_nonce();
for (
    [ secret => 'x' x 34 ],
    [ key => 'nobody' ],
    [ sign_body => 'other' ],
    [ time => time - 400 ],
    [ twice => [ 'X-Signature' ] ],
) {
    my $res = send_callback(call(nonce => $nonce, body => 'x', @$_));
    like($res->{status}, qr/^40[01]$/, "@$_");
}
answer_ok(send_callback(call(nonce => $nonce, body => 'x')), 200);
answer_ok(send_callback(call(nonce => $nonce, body => 'x')), 'REPLAYED');
# and of those that were refused no second copy is told from the first
answer_ok(send_callback(call(nonce => $nonce, secret => 'x' x 34)),
          'BAD_SIGNATURE');



=== TEST 4: E11: time, nonce and body are part of what is signed
--- config eval: $::Config
--- run
my $m = call(body => 'x', target => '/a?b=c');
answer_ok(send_callback($m), 200);
shop_plan();
for (
    [ 'X-Nonce', call_nonce() ],
    [ 'X-Timestamp', $m->{time} + 1 ],
    [ 'X-Nonce', call_nonce(), 'X-Timestamp', $m->{time} + 1 ],
    [ 'X-Key-Id', 'k2' ],
) {
    my %set = @$_;
    my $again = bless { %$m, headers =>
        [ map { [ $_->[0], $set{$_->[0]} // $_->[1] ] } @{ $m->{headers} } ]
    }, ref $m;
    answer_ok(send_callback($again), 'BAD_SIGNATURE', "@$_");
}
my $body = bless { %$m, body => 'y' }, ref $m;
answer_ok(send_callback($body), 'BAD_SIGNATURE', 'body');
is(shop_count(), 0);



=== TEST 5: E13: a store that is away is no replay, and no pass
--- no_store
--- http_config eval: $::Away
--- config eval: $::Config
--- run
for my $method (qw(POST PUT DELETE GET HEAD)) {
    next if $method eq 'HEAD';
    my $res = send_callback(call(method => $method));
    answer_ok($res, 'UNAVAILABLE', $method);
    is($res->{header}{'retry-after'}, 1);
}
is(shop_count(), 0);
is((results(4))[0], 'unavailable store');
--- error_log
redis



=== TEST 6: reads may pass without the store, if that is wanted
--- no_store
--- http_config eval: $::Away
--- config eval
"paygw_auth_store_error pass_reads;\n$::Config"
--- run
answer_ok(send_callback(call()), 200, 'GET');
my $m = call();
answer_ok(send_callback($m), 200) for 1, 2;
is(shop_count(), 3);
for my $method (qw(POST PUT DELETE PATCH OPTIONS)) {
    answer_ok(send_callback(call(method => $method)), 'UNAVAILABLE', $method);
}
answer_ok(send_callback(call(secret => 'x' x 34)), 'BAD_SIGNATURE');
is(shop_count(), 3);
--- error_log
[warn]
the store does not answer, a merchant call that reads was passed and may be a replay



=== TEST 7: a nonce is forgotten after its time, and the call is too old then
--- http_config
    paygw_merchant brief {
        key        b1  text:a_secret_of_the_brief_merchant_01;
        window     2s;
        nonce_ttl  4s;
    }
--- config
    location ~ ^/ { paygw_auth brief; return 200; }
--- run
my $m = call(key => 'b1', secret => 'a_secret_of_the_brief_merchant_01',
             time => time + 1);
answer_ok(send_callback($m), 200);
my %n;
my $end = time + 7;
while (time < $end) {
    my $res = send_callback($m);
    $n{$res->{body} =~ /"CLIENT-(\w+)"/ ? $1 : $res->{status}}++;
    Time::HiRes::sleep(0.2);
}
is(join(' ', sort keys %n), 'REPLAYED TIMESTAMP_OUT_OF_WINDOW');
# the nonce alone is free again
answer_ok(send_callback(call(key => 'b1', nonce => $m->{nonce},
                             secret => 'a_secret_of_the_brief_merchant_01')),
          200);
