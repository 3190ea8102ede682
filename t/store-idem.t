# Calls that are to be run once, in either store, driven by "paygw_test_store".

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

use Compress::Zlib ();

worker_connections(1024);

our $Config = '    location = /s { paygw_test_store; }';
our $Key = "shop:k$$-" . time;
our %Conf = (http_config => "    paygw_zone small:64k;\n");

sub main::ask {
    my ($args) = @_;
    my $res = finish(begin("GET /s?$args HTTP/1.0\r\n\r\n"));
    chomp(my $body = $res->{body});
    return $body;
}

# begins it; the token of it
sub main::begun {
    my ($args, $attempt) = @_;
    my $got = ask("op=begin&$args");
    like($got, qr/^ok $attempt [0-9a-f]{16}$/, "begin $args");
    return (split / /, $got)[2];
}

# what a begin says of an answer of so many bytes
sub main::kept {
    my ($size) = @_;
    my $text = join '', map { chr(($_ * 7 + int($_ / 256)) % 256) }
               0 .. $size - 1;
    return sprintf 'kept %d %08x', $size, Compress::Zlib::crc32($text);
}

run_tests();

__DATA__

=== TEST 1: begun, in flight, finished
--- config eval: $::Config
--- run
my $k = "key=$::Key-a";
my $t = begun("$k&print=p", 1);
is(ask("op=begin&$k&print=p"), 'busy') for 1 .. 2;
is(ask("op=begin&$k&print=q"), 'other', 'another call, in flight');
like(ask("op=finish&$k&print=p&token=$t&size=100"), qr/^ok /);
is(ask("op=begin&$k&print=p"), kept(100)) for 1 .. 3;
is(ask("op=begin&$k&print=q"), 'other', 'another call');
begun("key=$::Key-A&print=q", 1);



=== TEST 2: answers of all sizes
--- config eval: $::Config
--- run
for my $n (0, 1, 7, 100, 2000, 4000, 4079, 4080, 4081, 4096, 8160, 8161,
           65536, 100_000)
{
    my $k = "key=$::Key-b$n";
    my $t = begun($k, 1);
    like(ask("op=finish&$k&token=$t&size=$n"), qr/^ok /);
    is(ask("op=begin&$k"), $n ? kept($n) : 'gone');
}
my $t = begun("key=$::Key-bx", 1);
is(ask("op=finish&key=$::Key-bx&token=$t&size=524289"), 'error');
like(ask("op=finish&key=$::Key-bx&token=$t&size=524288"), qr/^(?:ok |gone)/);



=== TEST 3: finished without an answer
--- config eval: $::Config
--- run
my $k = "key=$::Key-c";
my $t = begun($k, 1);
like(ask("op=finish&$k&token=$t"), qr/^ok /);
is(ask("op=begin&$k"), 'gone') for 1 .. 2;
is(ask("op=begin&$k&print=q"), 'other');



=== TEST 4: abandoned: the next one is another attempt at the same
--- config eval: $::Config
--- run
my $k = "key=$::Key-d&print=p";
my $t = begun($k, 1);
ask("op=abandon&$k&token=$t");
is(ask("op=begin&key=$::Key-d&print=q"), 'other');
my $u;
ok(wait_for(sub { $u = ask("op=begin&$k"); $u ne 'busy' }));
like($u, qr/^ok 2 /);
$u = (split / /, $u)[2];
is(ask("op=begin&$k"), 'busy');
like(ask("op=finish&$k&token=$u&size=5"), qr/^ok /);
is(ask("op=begin&$k"), kept(5));



=== TEST 5: a lease ends, and another may begin; the first one is fenced
--- config eval: $::Config
--- run
my $k = "key=$::Key-e&print=p";
my $t = begun("$k&lease=400", 1);
is(ask("op=begin&$k"), 'busy');
Time::HiRes::sleep(0.7);
my $u = begun("$k&lease=30000", 2);
like(ask("op=finish&$k&token=$t&size=5"), qr/^kept /, 'of the first');
ask("op=abandon&$k&token=$t");
ask("op=renew&$k&token=$t&lease=1");
Time::HiRes::sleep(0.3);
is(ask("op=begin&$k"), 'busy', 'nothing has changed');
like(ask("op=finish&$k&token=$u&size=6"), qr/^ok /);
like(ask("op=finish&$k&token=$u&size=7"), qr/^kept /, 'twice');
ask("op=abandon&$k&token=$u");
ask("op=renew&$k&token=$u");
is(ask("op=begin&$k"), kept(6));
--- error_log
was taken over before its lease was renewed
was not held when it was abandoned



=== TEST 6: a lease that is renewed does not end
--- config eval: $::Config
--- run
my $k = "key=$::Key-f&print=p";
my $t = begun("$k&lease=1500", 1);
for (1 .. 3) {
    Time::HiRes::sleep(0.8);
    ask("op=renew&$k&token=$t&lease=1500");
    is(ask("op=begin&$k"), 'busy');
}
like(ask("op=finish&$k&token=$t&size=5"), qr/^ok /);
is(ask("op=begin&$k"), kept(5));



=== TEST 7: a record that is lost is there again by a renewal, or an answer
--- config eval: $::Config
--- run
my $k = "key=$::Key-g&print=p";
ask("op=renew&$k&token=00000000000000ab");
ok(wait_for(sub { ask("op=begin&$k") eq 'busy' }), 'renewed');
like(ask("op=finish&$k&token=00000000000000ab&size=5"), qr/^ok /);
is(ask("op=begin&$k"), kept(5));
$k = "key=$::Key-h&print=p";
like(ask("op=finish&$k&token=00000000000000ab&size=5"), qr/^ok /);
is(ask("op=begin&$k"), kept(5));
# but there is nothing to abandon
ask("op=abandon&key=$::Key-i&token=00000000000000ab");
begun("key=$::Key-i", 1);



=== TEST 8: it is forgotten after its time
--- config eval: $::Config
--- run
my $k = "key=$::Key-j&print=p";
my $t = begun("$k&keep=60000", 1);
like(ask("op=finish&$k&token=$t&size=5000&keep=1500"), qr/^ok /);
is(ask("op=begin&$k"), kept(5000));
Time::HiRes::sleep(2);
begun("key=$::Key-j&print=q", 1);



=== TEST 9: many at the same time: one begins
--- workers: 4
--- config eval: $::Config
--- run
is(ask("op=begin&key=$::Key-l&n=32"), 'ok=1 committed=0 busy=31 error=0');
for my $i (1 .. 10) {
    my @c = map { begin("GET /s?op=begin&key=$::Key-m$i HTTP/1.0\r\n\r\n") }
            1 .. 16;
    my @got = map { finish($_)->{body} } @c;
    is(scalar(grep { /^ok 1 / } @got), 1);
    is(scalar(grep { /^busy/ } @got), 15);
}



=== TEST 10: a begin that nobody waits for is abandoned
--- config eval: $::Config
--- run
my $got = ask("op=begin&key=$::Key-n&cancel=1");
is($got, 'cancelled');
if ($PaygwTest::Store eq 'redis') {
    ok(wait_for(sub { ask("op=begin&key=$::Key-n") =~ /^ok [12] / }));
}



=== TEST 11: a call and the id of an event, or a nonce, never meet
--- config eval: $::Config
--- run
begun("key=$::Key-o", 1);
like(ask("op=claim&key=$::Key-o"), qr/^ok 1 /);
like(ask("op=once&key=$::Key-o"), qr/^ok /);
is(ask("op=begin&key=$::Key-o"), 'busy');
is(ask("op=begin&key="), 'error');
is(ask("op=begin&key=" . 'x' x 321), 'error');
--- error_log
store got an event id of 0 bytes



=== TEST 12: a zone that is full of living records refuses, and is free later
--- no_store
--- http_config
    paygw_zone small:64k;
--- config eval: $::Config
--- faulty
--- run
my $got = ask("op=begin&key=k&n=2000&spread=1&keep=2500&lease=1000");
like($got, qr/^ok=\d+ committed=0 busy=0 error=[1-9]\d*$/);
is(ask('op=begin&key=n'), 'error');
is(ask('op=once&key=n'), 'error');
like(ask('op=claim&key=n'), qr/^ok 1 /);
Time::HiRes::sleep(3);
begun('key=n', 1);
is(ask("op=once&key=n&n=20&spread=1"),
   'ok=20 committed=0 busy=0 error=0');
--- error_log
could not allocate record of call in paygw zone "small"



=== TEST 13: an answer for which there is no room: done all the same
--- no_store
--- http_config
    paygw_zone small:64k;
--- config eval: $::Config
--- faulty
--- run
my $t = begun('key=a&keep=60000', 1);
is(ask("op=finish&key=a&token=$t&size=100000"), 'gone');
is(ask('op=begin&key=a'), 'gone');
# and what it had of memory is free
$t = begun('key=b&keep=60000', 1);
like(ask("op=finish&key=b&token=$t&size=5000&keep=1500"), qr/^ok /);
is(ask('op=begin&key=b'), kept(5000));
Time::HiRes::sleep(2);
for (1 .. 20) {
    $t = begun("key=c$_", 1);
    like(ask("op=finish&key=c$_&token=$t&size=9000&keep=1"), qr/^ok /);
    Time::HiRes::sleep(0.01);
}
--- error_log
could not allocate record of call in paygw zone "small"
