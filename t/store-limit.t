# Limits in either store, driven by "paygw_test_store", against a GCRA in
# rationals that is given the times which the store says it has counted with.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

use Math::BigRat ();

worker_connections(1024);

our $Config = '    location = /s { paygw_test_store; }';
our $Key = "k$$-" . time;

sub main::ask {
    my ($args) = @_;
    my $res = finish(begin("GET /s?$args HTTP/1.0\r\n\r\n"));
    chomp(my $body = $res->{body});
    return $body;
}

# a request to limits: whether it passed, and what each of them says

sub main::limit {
    my @limits = @_;
    my $body = ask('op=limit&limits=' . join ',', @limits);
    my ($rc, @each) = split / /, $body;
    return ($rc, map { my %l;
                       @l{qw(level over time left retry reset)} = split m{/};
                       \%l } @each);
}

# The oracle: the textbook form, with a theoretical arrival time, in rationals.

sub main::gcra {
    my ($rate, $period, $burst) = @_;

    my $t = Math::BigRat->new($period)->bdiv($rate);
    return { t => $t, tau => $t * $burst, tat => Math::BigRat->new(0) };
}

sub main::arrives {
    my ($g, $now) = @_;

    $now = Math::BigRat->new($now);
    my $tat = $g->{tat} > $now ? $g->{tat} : $now;
    my $ok = $tat - $g->{tau} <= $now;
    $g->{tat} = $tat + $g->{t} if $ok;

    # what is to be told after it
    $tat = $g->{tat} > $now ? $g->{tat} : $now;
    my $left = (($g->{tau} + $g->{t} - ($tat - $now)) / $g->{t})->bfloor;
    my $retry = ($tat - $g->{tau} - $now)->bceil;
    return join '/', $ok ? 0 : 1, $left < 0 ? 0 : "$left",
                $retry < 0 ? 0 : "$retry", ($tat - $now)->bceil . '';
}

run_tests();

__DATA__

=== TEST 1: as the oracle has it: rates with and without a remainder
--- config eval: $::Config
--- run
for ([50, 1_000_000, 0], [3, 1_000_000, 2], [7, 1_000_000, 20],
     [1000, 1_000_000, 5], [1_000_000, 1_000_000, 0], [600, 60_000_000, 1],
     [7, 60_000_000, 3], [1, 3_600_000_000, 1],
     [1_000_000, 3_600_000_000, 999])
{
    my ($rate, $period, $burst) = @$_;
    my $g = gcra(@$_);
    my (@got, @want, $passed, $refused);

    for my $i (1 .. 60) {
        my ($rc, $l) = limit("$::Key-$rate-$period:x/$rate/$period/$burst");
        push @got, "$i $l->{over}/$l->{left}/$l->{retry}/$l->{reset}";
        push @want, "$i " . arrives($g, $l->{time});
        $rc eq 'ok' ? $passed++ : $refused++;
        Time::HiRes::sleep(rand() * 2 * $period / $rate / 1e6)
            if $i % 7 == 0 && $period / $rate < 100_000;
    }

    is(join("\n", @got), join("\n", @want), "$rate in $period, $burst more");
}



=== TEST 2: a burst, and what is refused costs nothing
--- config eval: $::Config
--- run
my @got = map { (limit("$::Key-b:x/1/3600000000/4"))[0] } 1 .. 8;
is("@got", 'ok ok ok ok ok refused refused refused');
my ($rc, $l) = limit("$::Key-b:x/1/3600000000/4");
is("$rc $l->{over} $l->{left}", 'refused 1 0');
ok($l->{retry} > 3_500_000_000 && $l->{retry} <= 3_600_000_000, 'retry');
ok($l->{reset} > 17_900_000_000 && $l->{reset} <= 18_000_000_000, 'reset');
is((limit("$::Key-b:y/1/3600000000/4"))[0], 'ok', 'another kind of limit');
is((limit("$::Key-B:x/1/3600000000/4"))[0], 'ok', 'another value');



=== TEST 3: it drains
--- config eval: $::Config
--- run
my $l = "$::Key-c:x/2/1000000/1";
is(join(' ', map { (limit($l))[0] } 1 .. 3), 'ok ok refused');
my ($rc, $got) = limit($l);
Time::HiRes::sleep($got->{retry} / 1e6);
is((limit($l))[0], 'ok', 'after the time that was told');
Time::HiRes::sleep(1.2);
($rc, $got) = limit($l);
is("$rc $got->{left}", 'ok 1', 'empty again');



=== TEST 4: several at once: all are charged, or none
--- config eval: $::Config
--- run
my ($a, $b, $c, $d) = map { "$::Key-d$_:x/1/3600000000/" . 2 * $_ } 1 .. 4;
my ($rc, @l) = limit($a, $b, $c, $d);
is(join(' ', $rc, map { $_->{left} } @l), 'ok 2 4 6 8');
limit($a, $b);
limit($a, $b);
($rc, @l) = limit($a, $b, $c, $d);
is(join(' ', $rc, map { "$_->{over}/$_->{left}" } @l),
   'refused 1/0 0/2 0/6 0/8', 'one is over');
($rc, @l) = limit($b, $c);
is(join(' ', $rc, map { $_->{left} } @l), 'ok 1 5', 'nothing was charged');



=== TEST 5: a dry one counts, and refuses nothing
--- config eval: $::Config
--- run
my ($a, $b) = ("$::Key-e:x/1/3600000000/1/dry", "$::Key-f:x/1/3600000000/3");
my @got = map { my ($rc, @l) = limit($a, $b);
                join ' ', $rc, map { "$_->{over}/$_->{left}" } @l } 1 .. 5;
is(join(', ', @got), 'ok 0/1 0/3, ok 0/0 0/2, ok 1/0 0/1, ok 1/0 0/0, '
                     . 'refused 1/0 1/0');
is((limit("$::Key-g:x/1/3600000000/1/dry", $b))[1]{left}, 2,
   'it is not charged for what another one refuses');



=== TEST 6: many at the same time, and several workers: not one too many
--- workers: 4
--- config eval: $::Config
--- run
is(ask("op=limit&limits=$::Key-h:x/1/3600000000/99&n=1000"),
   'ok=100 committed=900 busy=0 error=0');
my @c = map { begin("GET /s?op=limit&limits=$::Key-i:x/1/3600000000/99&n=20 "
                    . "HTTP/1.0\r\n\r\n") } 1 .. 40;
my $n = 0;
$n += (finish($_)->{body} =~ /^ok=(\d+) /)[0] for @c;
is($n, 100);



=== TEST 7: keys: none, too long, of any bytes, without a kind
--- config eval: $::Config
--- run
is(ask('op=limit&limits=/1/1000000/0'), 'error');
is(ask('op=limit&limits=' . 'x' x 321 . '/1/1000000/0'), 'error');
like(ask('op=limit&limits=' . 'x' x 320 . '/1/1000000/0'), qr/^ok /);
for ("$::Key-%25s:x", "$::Key-}{:x", "$::Key-nokind", "$::Key:a:b:x", ':x') {
    is((limit("$_/1/3600000000/0"))[0], 'ok', $_);
    is((limit("$_/1/3600000000/0"))[0], 'refused', $_);
}
--- error_log
store got an event id of 0 bytes
store got an event id of 321 bytes



=== TEST 8: one that nobody waits for
--- config eval: $::Config
--- run
is(ask("op=limit&limits=$::Key-j:x/1/3600000000/0&cancel=1"), 'cancelled');
ok(wait_for(sub { (limit("$::Key-j:x/1/3600000000/0"))[0] eq 'refused' }));



=== TEST 9: limits, events and keys that may come once never meet
--- config eval: $::Config
--- run
is((limit("$::Key:x/1/3600000000/0"))[0], 'ok');
like(ask("op=claim&key=$::Key:x"), qr/^ok 1 /);
like(ask("op=once&key=$::Key:x"), qr/^ok /);
is((limit("$::Key:x/1/3600000000/0"))[0], 'refused');



=== TEST 10: a zone that is full of living ones refuses, and is free later
--- no_store
--- http_config
    paygw_zone small:32k;
--- config eval: $::Config
--- faulty
--- run
my $n = 0;
$n++ while $n < 1000 && ask("op=limit&limits=n$n:x/1/8000000/0") =~ /^ok/;
cmp_ok($n, '>', 50);
cmp_ok($n, '<', 1000);
is(ask("op=limit&limits=m$_:x/1/8000000/0"), 'error') for 1 .. 5;
is((limit("n$_:x/1/8000000/0"))[0], 'refused', 'none was given up')
    for 0, int($n / 2), $n - 1;
is(ask('op=once&key=' . 'e' x 60), 'error', 'nor has a key room');
like(ask('op=claim&key=e'), qr/^ok 1 /, 'but an event');
Time::HiRes::sleep(9);
is(ask("op=once&key=n&n=50&spread=1"),
   "ok=50 committed=0 busy=0 error=0", 'their time is over');
is((limit("k$_:x/1/1000000/0"))[0], 'ok', 'limits as well') for 1 .. 20;
--- error_log
could not allocate record of call in paygw zone "small"



=== TEST 11: buckets that live on stand in the way of none that is over
--- no_store
--- http_config
    paygw_zone small:32k;
--- config eval: $::Config
--- run
for my $i (1 .. 2000) {
    my ($rc) = limit("n$i:x/1000/1000000/0", "living:x/1/1000000/5000");
    $rc eq 'ok' or is($rc, 'ok', $i);
}
my ($rc, $l) = limit("living:x/1/1000000/5000");
is($rc, 'ok');
ok($l->{left} >= 3000 && $l->{left} < 3500, "$l->{left} are left");



=== TEST 12: one of a request is not given up for the room of another one
--- no_store
--- http_config
    paygw_zone small:64k;
--- config eval: $::Config
--- faulty
--- run
# all are over, and not yet swept; the new key is of another size

my $n = 0;
$n++ while $n < 2000 && ask("op=limit&limits=n$n:x/1/5000000/0") =~ /^ok/;
cmp_ok($n, '>', 100);
cmp_ok($n, '<', 2000);
Time::HiRes::sleep(5.5);

my @old = map { 4 * $_ } 1 .. 20;
is((limit('m' x 140 . "$_:x/1/3600000000/9", "n$_:x/1/3600000000/0"))[0],
   'ok', "both, $_") for @old;
is((limit("n$_:x/1/3600000000/0"))[0], 'refused', "it was charged, $_")
    for @old;
--- error_log
could not allocate record of call in paygw zone "small"
