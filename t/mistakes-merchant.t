# Mistakes that are often made with signed calls: each block names one (E10,
# D18, ...), makes it as an attacker would use it, and shows that it was not
# made here.

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

our $Params = <<'CONF';
    location ~ ^/ {
        paygw_auth        shop;
        paygw_auth_style  params;
        return            200 "$args";
    }
CONF

# the same call with other fields, unsigned

sub main::changed {
    my ($m, %o) = @_;

    my %set = %{ delete $o{set} || {} };
    my @headers = map { [ $_->[0], $set{$_->[0]} // $_->[1] ] }
                  @{ $m->{headers} };

    return bless { %$m, headers => \@headers, %o }, ref $m;
}

worker_connections(1024);

run_tests();

__DATA__

=== TEST 1: E10: the nonce is noted after the signature: nobody burns one
--- workers: 2
--- config eval: $::Config
--- run
for my $round (1 .. 3) {
    my $m = call(body => "round $round");
    # who has seen the fields on their way has all but the secret
    my @forged = map { call(nonce => $m->{nonce}, @$_) }
                 ([ secret => 'x' x 34, body => 'x' ], [ key => 'nobody' ],
                  [ key => 'k2', secret => 'x' x 34 ],
                  [ time => time - 400 ], [ drop => [ 'X-Signature' ] ]);
    my @c = map { begin($_) } (@forged) x 4;
    like($_->{status}, qr/^40[01]$/) for map { finish($_) } @c;
    answer_ok(send_callback($m), 200, 'the merchant');
    answer_ok(send_callback($m), 'REPLAYED', 'the merchant again');
}
is(shop_count(), 3);



=== TEST 2: E11: no part can be changed, so that no capture comes again
--- config eval: $::Config
--- run
my $m = call(body => '{"amount":100}', target => '/pay?to=a');
answer_ok(send_callback($m), 200);
shop_plan();
for (
    [ 'nonce', set => { 'X-Nonce' => call_nonce() } ],
    [ 'time', set => { 'X-Timestamp' => $m->{time} + 1 } ],
    [ 'both', set => { 'X-Timestamp' => $m->{time} + 1,
                       'X-Nonce' => call_nonce() } ],
    [ 'key id', set => { 'X-Key-Id' => 'k2' } ],
    [ 'body', body => '{"amount":900}' ],
    [ 'no body', body => '' ],
    [ 'method', method => 'PUT' ],
    [ 'query', target => '/pay?to=b' ],
    [ 'path', target => '/pa%79?to=a' ],
    [ 'slashes', target => '//pay?to=a' ],
    [ 'fragment', target => '/pay?to=a#' ],
) {
    my ($what, @how) = @$_;
    # a new nonce, or the store could be what refuses it
    my $fresh = call(body => $m->{body}, target => $m->{target});
    answer_ok(send_callback(changed($fresh, @how)), 'BAD_SIGNATURE', $what);
}
is(shop_count(), 0);



=== TEST 3: E12: asked and noted in one step: of 32 copies one passes
--- workers: 2
--- config eval: $::Config
--- run
for my $round (1 .. 5) {
    my %n;
    $n{$_->{status}}++ for with_many(32, call(body => 'round ' . $round));
    is(join(' ', map { "$_:$n{$_}" } sort keys %n), '200:1 401:31');
    is(shop_count(), $round, 'one a round');
}



=== TEST 4: E12: by one command that any Redis has
--- skip_eval: 3: !PaygwTest::store_is('redis')
--- config eval: $::Config
--- run
answer_ok(send_callback(call()), 200);
redis_cmd('CONFIG', 'RESETSTAT');
answer_ok(send_callback(call()), 200);
my @used = grep { !/^(?:config|info|client)/ }
           redis_cmd('INFO', 'commandstats') =~ /^cmdstat_([^:]+):/mg;
is("@used", 'set');



=== TEST 5: E13: a store that is away says nothing about a call
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:1 timeout=300ms;
--- config eval: $::Config
--- run
my $m = call(body => 'x');
# not "replayed", also not for the second try
answer_ok(send_callback($m), 'UNAVAILABLE') for 1 .. 3;
is(shop_count(), 0);
--- error_log
redis



=== TEST 6: E13: and once it is back the same bytes pass, once
--- skip_eval: 5: !PaygwTest::store_is('redis')
--- config eval: $::Config
--- run
answer_ok(send_callback(call()), 200);
shop_plan();
redis_stop();
my $m = call(body => 'x');
answer_ok(send_callback($m), 'UNAVAILABLE');
redis_start();
ok(wait_for(sub { send_callback(call())->{status} == 200 }, 10), 'again');
shop_plan();
answer_ok(send_callback($m), 200);
answer_ok(send_callback($m), 'REPLAYED');
is(shop_count(), 1);
--- error_log
redis



=== TEST 7: D18: nothing is looked up for what a stranger says
--- skip_eval: 3: !PaygwTest::store_is('redis')
--- config eval: $::Config
--- run
answer_ok(send_callback(call()), 200);
my $before = redis_commands();
for (1 .. 20) {
    isnt(send_callback($_)->{status}, 200)
        for call(key => "unknown-$_"), call(secret => 'x' x 34),
            call(target => "/order/$_", body => '{}', sign_body => '{ }');
}
is(redis_commands() - $before, 0);



=== TEST 8: D18: nor does it take memory: the zone is as free as before
--- skip_eval: 3: !PaygwTest::store_is('zone')
--- config eval: $::Config
--- run
# 30,000 nonces would not fit into the zone
my $c = begin('');
for (1 .. 300) {
    my @m = map { call(secret => 'x' x 34) } 1 .. 100;
    print { $c->{sock} } map { $_->raw(keep => 1) } @m;
    $c->{sock}->flush;
    for (@m) {
        my $res = PaygwTest::read_response($c, 0);
        die $res->{status} if $res->{status} != 401;
    }
    $c = begin('') if $_ % 5 == 0;
}
answer_ok(send_callback(call()), 200);
--- no_error_log
could not allocate



=== TEST 9: parameters: none can be cut off behind "#"
--- config eval: $::Params
--- run
my $m = call_params({ note => 'a#b', zzz_amount => '100' }, as => 'query');
is(send_callback($m)->{body}, substr($m->{target}, index($m->{target}, '?') + 1),
   'encoded');
$m = call_params({ note => 'a#b', zzz_amount => '100' }, as => 'query');
(my $cut = $m->{target}) =~ s/%23/#/;
answer_ok(send_callback(changed($m, target => $cut)), 'BAD_SIGNATURE_HEADER',
          'raw');
$m = call_params({ note => 'a', amount => '1' });
answer_ok(send_callback(changed($m, target => $m->{target} . '#')),
          'BAD_SIGNATURE_HEADER', 'at the end');
--- error_log
hint: "#" in the target, it must be sent as %23



=== TEST 10: parameters: a type that begins like one is another one
--- config eval: $::Params
--- run
for my $type ('application/json', 'application/json;charset=utf-8',
              'application/JSON ; charset=utf-8')
{
    answer_ok(send_callback(call_params({ a => 1 }, as => 'json',
                                        type => $type)), 200, $type);
}
for my $type ('application/json-patch+json', 'application/jsonlines',
              'application/json,text/plain')
{
    answer_ok(send_callback(call_params({ a => 1 }, as => 'json',
                                        type => $type)),
              'UNSUPPORTED_MEDIA_TYPE', $type);
}
answer_ok(send_callback(call_params({ a => 1 }, type =>
                            'application/x-www-form-urlencoded2')),
          'UNSUPPORTED_MEDIA_TYPE');
