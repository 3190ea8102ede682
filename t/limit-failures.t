# paygw_auth_failures: who signs wrongly too often is not looked at any more.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;

worker_connections(1024);

our $Real = "set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;\n";

our $Config = $Real . <<'CONF';
    location ~ ^/ {
        paygw_auth           shop;
        paygw_auth_failures  rate=1r/h burst=2;
        proxy_pass           http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
CONF

our $Net = 0;

# the status of the answer to a call from an address, or its "code"

sub main::from {
    my ($addr, @call) = @_;
    my $res = send_callback(call(target => '/a', @call,
                                 headers => [ 'X-Real-IP', $addr ]));
    return ($res->{body} =~ /"code":"\w+-(\w+)"/)[0] // $res->{status};
}

sub main::forged { return from(shift, secret => 'x' x 34, @_) }

# so many of them on one connection; how many of the answers were 429

sub main::forge_many {
    my ($addr, $n) = @_;
    my @m = map { call(target => '/a', secret => 'x' x 34,
                       headers => [ 'X-Real-IP', $addr ]) } 1 .. $n;
    return scalar grep { $_->{status} == 429 } pipeline(@m);
}

# an address that nobody had before

sub main::addr { return '203.0.' . (113 + ($Net >> 8)) . '.' . ($Net++ & 255) }

run_tests();

__DATA__

=== TEST 1: after so many, nothing from there, whatever it is
--- config eval: $::Config
--- run
my $addr = addr();
is(forged($addr), 'BAD_SIGNATURE') for 1 .. 3;
is(forged($addr), 'TOO_MANY_FAILURES') for 1 .. 2;
is(from($addr, body => 'x'), 'TOO_MANY_FAILURES', 'a genuine call');
is(from($addr, drop => [ 'X-Nonce' ]), 'TOO_MANY_FAILURES');
is(shop_count(), 0);
is(from(addr()), 200, 'from elsewhere');
my $res = send_callback(call(headers => [ 'X-Real-IP', $addr ]));
answer_ok($res, 'TOO_MANY_FAILURES');
ok($res->{header}{'retry-after'} > 3500
   && $res->{header}{'retry-after'} <= 3600, 'Retry-After');
ok(!exists $res->{header}{'ratelimit'}, 'no more is told');
--- error_log
merchant call refused: failures
too many calls from this address that nobody has signed, no more are looked at for now



=== TEST 2: genuine calls cost nothing
--- config eval: $::Config
--- run
my $addr = addr();
is(from($addr), 200) for 1 .. 10;
is(forged($addr), 'BAD_SIGNATURE');
is(from($addr), 200) for 1 .. 5;
is(forged($addr), 'BAD_SIGNATURE') for 1 .. 2;
is(from($addr), 'TOO_MANY_FAILURES');



=== TEST 3: what counts, and what is no forgery
--- config eval: $::Config
--- run
for ([ secret => 'x' x 34 ], [ key => 'nobody' ], [ key => 'o1' ],
     [ drop => [ 'X-Signature' ] ], [ drop => [ 'X-Key-Id' ] ],
     [ twice => [ 'X-Nonce' ] ], [ set => [ 'X-Timestamp', 'now' ] ],
     [ body => 'x', sign_body => 'y' ], [ sign_target => '/b' ])
{
    my ($addr, @call) = (addr(), @$_);
    from($addr, @call) for 1 .. 3;
    is(from($addr), 'TOO_MANY_FAILURES', "@call");
}
for ([ time => 1 ], [ body => 'x' x 70000 ], [ nonce => call_nonce() ]) {
    my ($addr, @call) = (addr(), @$_);
    from($addr, @call) for 1 .. 5;
    is(from($addr), 200, $call[0]);
}
--- error_log
client intended to send too large



=== TEST 4: it is refused before its body is read
--- config eval: $::Config
--- run
my $addr = addr();
forged($addr) for 1 .. 3;
my $m = call(target => '/a', body => 'x' x 1000,
             headers => [ 'X-Real-IP', $addr ]);
my $res = finish(begin(substr $m->raw, 0, -500));
answer_ok($res, 'TOO_MANY_FAILURES', 'half a body');



=== TEST 5: IPv6 by its first half; IPv4 in IPv6 is IPv4
--- config eval: $::Config
--- run
forged('2001:db8:1:2::' . $_) for 1 .. 3;
is(forged('2001:db8:1:2:ffff::1'), 'TOO_MANY_FAILURES');
is(forged('2001:db8:1:3::1'), 'BAD_SIGNATURE');
my $addr = addr();
forged("::ffff:$addr") for 1 .. 3;
is(forged($addr), 'TOO_MANY_FAILURES');
is(forged('::ffff:' . addr()), 'BAD_SIGNATURE');



=== TEST 6: by default 10 a second and 100 more, from public addresses
--- config eval
"$::Real location = /a { paygw_auth shop; return 200; }"
--- run
is(forge_many(addr(), 101), 0, 'so many are looked at');
cmp_ok(forge_many(addr(), 300), '>', 50);
for my $net ('127.0.0.1', '10.1.2.3', '172.16.0.1', '172.31.255.255',
             '192.168.9.9', '169.254.1.1', '100.64.0.1', '::1', 'fd00::1',
             'fe80::1')
{
    is(forge_many($net, 200), 0, "$net, which may be a proxy");
}
for my $net ('172.32.0.1', '100.128.0.1', '2001:db8:ffff::1', '192.169.0.1')
{
    cmp_ok(forge_many($net, 300), '>', 50, $net);
}



=== TEST 7: with a rate of its own also from those
--- config eval: $::Config
--- run
my $net = '10.77.' . ($$ & 255) . '.1';
is(forged($net), 'BAD_SIGNATURE') for 1 .. 3;
is(forged($net), 'TOO_MANY_FAILURES');



=== TEST 8: off, inherited, of its own
--- config eval
"$::Real paygw_auth shop; paygw_auth_failures rate=1r/h;" . <<'CONF'
    location = /a { return 200; }
    location = /off { paygw_auth_failures off; return 200; }
    location = /more { paygw_auth_failures rate=1r/h burst=4; return 200; }
    location = /same { paygw_auth_failures rate=1r/h; return 200; }
    location = /often { paygw_auth_failures rate=9r/s burst=99; return 200; }
CONF
--- run
my $addr = addr();
is(forged($addr), 'BAD_SIGNATURE');
is(forged($addr), 'TOO_MANY_FAILURES');
is(forged($addr, target => '/off'), 'BAD_SIGNATURE') for 1 .. 9;
is(forged($addr, target => '/more'), 'BAD_SIGNATURE', 'another counter')
    for 1 .. 5;
is(forged($addr, target => '/more'), 'TOO_MANY_FAILURES');
is(forged($addr, target => '/same'), 'TOO_MANY_FAILURES', 'the same one');
is(forged($addr, target => '/often'), 'BAD_SIGNATURE') for 1 .. 9;
is(forged($addr, target => '/more'), 'TOO_MANY_FAILURES');



=== TEST 9: of all workers together
--- workers: 4
--- config eval: $::Config
--- run
my $addr = addr();
my @c = map { begin(call(target => '/a', secret => 'x' x 34, body => "n$_",
                         headers => [ 'X-Real-IP', $addr ])) } 1 .. 60;
my %n;
$n{finish($_)->{status}}++ for @c;
ok($n{401} >= 3 && $n{401} < 40, "$n{401} were looked at");
is(forged($addr), 'TOO_MANY_FAILURES');



=== TEST 10: "satisfy any": who does not sign has not signed wrongly
--- config eval
"$::Real location = /a { satisfy any; deny all; paygw_auth shop; "
. "paygw_auth_failures rate=1r/h burst=2; }"
--- user_files
>>> a
in
--- run
my $addr = addr();
isnt(from($addr, drop => [ 'X-Key-Id', 'X-Timestamp', 'X-Nonce',
                           'X-Signature' ]), 200) for 1 .. 9;
is(from($addr), 200);
forged($addr) for 1 .. 3;
is(from($addr), 'TOO_MANY_FAILURES');



=== TEST 11: variables
--- http_config
    log_format who '$paygw_result|$paygw_reason|$paygw_limit_status|$status';
--- config eval
"access_log logs/who.log who;\n$::Config"
--- run
my $addr = addr();
forged($addr) for 1 .. 4;
my @want = (('refused|signature|-|401') x 3, 'refused|failures|-|429');
my $read = sub { return split /\n/, PaygwTest::file_from(
                     "$Test::Nginx::Util::LogDir/who.log", 0) };
ok(wait_for(sub { my @l = $read->(); @l >= @want }));
my @l = $read->();
is(join("\n", @l[-4 .. -1]), join "\n", @want);



=== TEST 12: a zone that is full refuses nobody for that
--- no_store
--- http_config
    paygw_zone small:32k;
--- config eval: $::Config . 'location = /s { paygw_test_store; }'
--- faulty
--- run
# records of one size leave no room for those of another

for my $key ('n', 'n' x 40, 'n' x 200, 'm' x 40, 'm') {
    my $n = 0;
    $n++ while $n < 1000
        && finish(begin("GET /s?op=limit&limits=$key$n:x/1/600000000/0 "
                        . "HTTP/1.0\r\n\r\n"))->{body} =~ /^ok/;
}
my $addr = addr();
for (1 .. 5) {
    is(forged($addr), 'BAD_SIGNATURE');
}
--- error_log
could not allocate record of call in paygw zone "small"
