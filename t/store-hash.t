# Keys that have one hash: in the trees of the zone their bytes tell.  The store
# of Redis hashes nothing itself, and does the same.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

use Compress::Zlib ();

worker_connections(1024);

our $Config = '    location = /s { paygw_test_store; }';

# CRC-32 is linear: whichever of these letters are turned over in a text of the
# same length, its CRC stays what it was

our @Same = qw(
    baaaaabaabbaaaaabaaabbbabbabbabbbaaaaaaaaa
    bbaaaabbababaaaabbaabaabbabbabbaabaaaaaaaa
    abbaaaabbababaaaabbaabaabbabbabbaabaaaaaaa
    babbaabababbabaababbbbaababbabbaaaabaaaaaa
    ababbaabababbabaababbbbaababbabbaaaabaaaaa
    bababbbabbaabbabbabaaaabbbbbabbaaaaaabaaaa
    abababbbabbaabbabbabaaaabbbbbabbaaaaaabaaa
);

our @Keys = ('a' x 42);
for my $same (@Same) {
    push @Keys, map { my $key = $_ ^ $same ^ 'a' x 42; $key } @Keys;
}

# in no order
my $turn = 1;
@Keys = map { $_->[1] } sort { $a->[0] <=> $b->[0] }
        map { [ ($turn = $turn * 75 % 65537), "$$:$_" ] } @Keys;

# found by trying: three texts of one Murmur hash (of version 2) each
our @Limits = map { [ reverse sort @$_ ] } (
    [ qw(m2120631:v m3036347:v m14815478:v) ],
    [ qw(m349390:v m5826417:v m8995975:v) ],
    [ qw(m3112532:v m18897565:v m22421386:v) ],
    [ qw(m1041691:v m1746740:v m18823501:v) ],
    [ qw(m1981521:v m11847122:v m27619444:v) ],
);

sub main::ask {
    my ($args) = @_;
    my $res = finish(begin("GET /s?$args HTTP/1.0\r\n\r\n"));
    chomp(my $body = $res->{body});
    return $body;
}

# how many keys get each answer
sub main::each_key {
    my ($args) = @_;
    my %got;
    for my $key (@Keys) {
        my ($word) = split / /, ask("$args&key=$key");
        $got{$word}++;
    }
    return join ' ', map { "$_=$got{$_}" } sort keys %got;
}

run_tests();

__DATA__

=== TEST 1: each of them is a key of its own
--- config eval: $::Config
--- run
my %crc = map { Compress::Zlib::crc32($_) => 1 } @::Keys;
is(keys %crc, 1, 'one hash');
my %keys = map { $_ => 1 } @::Keys;
is(keys %keys, 128, 'many keys');
is(each_key('op=claim'), 'ok=128', 'events');
is(each_key('op=claim'), 'busy=128', 'known');
is(each_key('op=once'), 'ok=128', 'once');
is(each_key('op=once'), 'committed=128', 'known');
is(each_key('op=begin'), 'ok=128', 'calls');
is(each_key('op=begin'), 'busy=128', 'known');



=== TEST 2: what is over leaves the others
--- config eval: $::Config
--- run
my @some = @::Keys[map { 3 * $_ } 0 .. 40];
my $some = { map { $_ => 1 } @some };
for my $op (qw(once claim begin)) {
    like(ask("op=$op&key=$_-$op&lease=10&keep="
             . ($some->{$_} ? 1 : 600000)), qr/^ok/) for @::Keys;
    Time::HiRes::sleep(0.1);
    my (@gone) = grep { ask("op=$op&key=$_-$op&keep=600000")
                        !~ /^(?:committed|busy|ok 2 )/ } @::Keys;
    is("@gone", join(' ', grep { $some->{$_} } @::Keys), $op);
}



=== TEST 3: limits
--- no_store
--- http_config
    paygw_zone small:64k;
--- config eval: $::Config
--- run
for my $keys (@::Limits) {
    for my $word ('ok', 'refused') {
        like(ask("op=limit&limits=$_/1/3600000000/0"), qr/^$word /,
             "$_ $word") for @$keys;
    }
}
