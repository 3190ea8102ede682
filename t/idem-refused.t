# paygw_idempotency: a call that is refused has run nothing, and binds no key.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;

our $Config = <<'CONF';
    location ^~ /api {
        paygw_auth shop; paygw_idempotency on;
        paygw_limit $http_x_who rate=1r/h;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
CONF

my $count = 0;

sub main::key { return sprintf 'r-%d-%d-%d', time, $$, $count++ }

# a call under a key
sub main::under {
    my ($key, %o) = @_;
    return call(body => '{"amount":100}', %o,
                headers => [ 'Idempotency-Key', $key,
                             @{ $o{headers} || [] } ]);
}

run_tests();

__DATA__

=== TEST 1: a copy, with any key: that field is not signed
--- config eval: $::Config
--- run
my %same = (nonce => PaygwCall::call_nonce(), time => time);
answer_ok(send_callback(under(key(), %same)), 200);
my $key = key();
answer_ok(send_callback(under($key, %same)), 'REPLAYED') for 1, 2;
answer_ok(send_callback(under($key, body => 'another')), 200, 'key is free');
my @req = shop_requests();
is(scalar @req, 2);
is(shop_header($_, 'X-Paygw-Attempt'), 1) for @req;



=== TEST 2: over a limit
--- config eval: $::Config
--- run
my $who = [ 'X-Who', "refused-$$-" . time ];
answer_ok(send_callback(under(key(), headers => $who)), 200);
my $key = key();
answer_ok(send_callback(under($key, headers => $who)), 'RATE_LIMITED')
    for 1, 2;
answer_ok(send_callback(under($key, body => 'another')), 200, 'key is free');
my @req = shop_requests();
is(scalar @req, 2);
is(shop_header($_, 'X-Paygw-Attempt'), 1) for @req;



=== TEST 3: one that was run stays bound, whoever is refused under its key
--- config eval: $::Config
--- run
my %same = (nonce => PaygwCall::call_nonce(), time => time);
answer_ok(send_callback(under(key(), %same)), 200);
my $key = key();
shop_plan({ status => 503, body => 'no' });
is(send_callback(under($key))->{status}, 503);
answer_ok(send_callback(under($key, %same)), 'REPLAYED') for 1, 2;
answer_ok(send_callback(under($key, body => 'another')),
          'IDEMPOTENCY_MISMATCH');
answer_ok(send_callback(under($key)), 200);
my @req = shop_requests();
is(scalar @req, 2, 'since the plan');
cmp_ok(shop_header($req[1], 'X-Paygw-Attempt'), '>', 1);



=== TEST 4: access rules: before a kept answer, but not with directives of the rewrite module
--- http_config
    set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;
--- config
    location /plain {
        deny 203.0.113.9;
        paygw_auth shop; paygw_idempotency on;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location /early {
        set $early 1;
        deny 203.0.113.9;
        paygw_auth shop; paygw_idempotency on;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my @denied = (headers => [ 'X-Real-IP', '203.0.113.9' ]);
for my $at ('/plain', '/early') {
    my $key = key();
    is(send_callback(under($key, target => $at, @denied))->{status}, 403,
       "$at: denied");
    is(shop_count(), 0, 'not run');
    answer_ok(send_callback(under($key, target => $at)), 200, $at);
    is(shop_count(), 1, 'run');
    my $res = send_callback(under($key, target => $at, @denied));
    is($res->{status}, $at eq '/plain' ? 403 : 200, "$at: kept");
    is($res->{header}{'idempotent-replayed'},
       $at eq '/plain' ? undef : 'true', "$at: replayed");
    is(shop_count(), 1, 'once');
    shop_plan();
}
