# The book of orders, in either store, driven by "paygw_test_store".

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

worker_connections(1024);
workers(2);

our $Config = '    location = /s { paygw_test_store; }';
our $Channel = "c$$-" . time;
our $Orders = 0;
our @States = qw(CREATED PAYING CLOSED FAILED PAID PART_REFUNDED REFUNDED);

# how far each of them is, as the design has it
our %Rank = (CREATED => 1, PAYING => 2, CLOSED => 3, FAILED => 3, PAID => 4,
             PART_REFUNDED => 5, REFUNDED => 6);

sub main::order { return "$::Channel:o" . ++$::Orders }

sub main::ask {
    my ($args) = @_;
    my $res = finish(begin("GET /s?$args HTTP/1.0\r\n\r\n"));
    chomp(my $body = $res->{body});
    return $body;
}

# what the book says, without the token
sub main::book {
    my ($verb, $order, $args) = @_;
    my $got = ask("op=book&verb=$verb&key=$order" . ($args // ''));
    $got =~ s/ [0-9a-f]{16}$//;
    return $got;
}

# the token of an order that is made
sub main::made {
    my ($order, $args) = @_;
    my $got = ask("op=book&verb=create&key=$order"
                  . ($args // '&amount=100&currency=CNY&account=a'));
    like($got, qr/^ok \w+ .* [0-9a-f]{16}$/, "made: $got");
    return substr $got, -16;
}

# a claim of an event of its own
sub main::claim {
    my ($order, $says, $args) = @_;
    my $got = ask("op=claim&key=$::Channel:e" . ++$::Orders
                  . "&order=$order&says=$says" . ($args // ''));
    $got =~ s/^ok 1 \w+$/ok/;
    return $got;
}

run_tests();

__DATA__

=== TEST 1: created once, under its terms
--- config eval: $::Config
--- run
my $o = order();
my $told = 'CREATED 100/CNY/a 0+0 -  []';
is(book('look', $o), 'no NONE -1// 0+0 -  []', 'nothing');
made($o);
is(book('look', $o), "ok $told", 'a record');
is(book('create', $o, '&amount=100&currency=CNY&account=a'), "done $told",
   'the same again');
is(book('create', $o, '&amount=100'), "done $told", 'less is said');
is(book('create', $o, '&amount=101&currency=CNY&account=a'), "no $told",
   'another amount');
is(book('create', $o, '&amount=100&currency=USD&account=a'), "no $told",
   'another currency');
is(book('create', $o, '&amount=100&currency=CNY&account=b'), "no $told",
   'another account');
is(book('look', $o), "ok $told", 'unchanged');
is(ask("op=book&verb=create&key=" . order()), 'error', 'no amount');
is(ask("op=book&verb=create&amount=9007199254740992&key=" . order()), 'error',
   'too great an amount');



=== TEST 2: every move there is
--- config eval: $::Config
--- run
for my $from (@::States) {
    for my $to (@::States) {
        my $o = order();
        made($o, "&amount=100&to=$from");
        my $rc = $from eq $to ? 'done'
                 : $::Rank{$to} > $::Rank{$from} ? 'ok' : 'no';
        my $then = $rc eq 'ok' ? $to : $from;
        is(book('move', $o, "&to=$to"), "$rc $then 100// 0+0 -  []",
           "from $from to $to");
    }
}
is(book('move', order(), '&to=PAID'), 'no NONE -1// 0+0 -  []', 'no record');



=== TEST 3: what events say moves an order, and a late one is told
--- config eval: $::Config
--- run
my %to = (open => 'PAYING', closed => 'CLOSED', failed => 'FAILED',
          paid => 'PAID');
for my $from (@::States) {
    for my $says (sort keys %to) {
        my $o = order();
        made($o, "&amount=100&to=$from");
        my $late = $::Rank{$from} >= 4 && $says ne 'paid';
        is(claim($o, $says), $late ? 'late' : 'ok', "$from, $says");
        my $then = $::Rank{$to{$says}} > $::Rank{$from} ? $to{$says} : $from;
        like(book('look', $o), qr/^ok $then /, "$from, $says: $then");
    }
}



=== TEST 4: D11: an event is compared with what was created
--- config eval: $::Config
--- run
my $o = order();
made($o);
my $same = '&compare=1&amount=100&currency=CNY&account=a';
my $told = '100/CNY/a';
is(claim($o, 'paid', '&compare=1&amount=1&currency=CNY&account=a'),
   "amount $told", 'another amount');
is(claim($o, 'paid', '&compare=1&amount=100&currency=USD&account=a'),
   "currency $told", 'another currency');
is(claim($o, 'paid', '&compare=1&amount=100&currency=CNY&account=b'),
   "account $told", 'another account');
like(book('look', $o), qr/^ok CREATED /, 'nothing has come of it');
is(claim($o, 'paid', '&compare=1&amount=100'), 'ok', 'what is not said');
$o = order();
made($o);
is(claim($o, 'paid', "$same&required=1"), 'ok', 'as it was created');
like(book('look', $o), qr/^ok PAID /, 'paid');
is(claim($o, 'open', $same), 'late -1//', 'late');

$o = order();
is(claim($o, 'paid', "$same&required=1"), 'unknown -1//',
   'it has to be known');
like(book('look', $o), qr/^no NONE /, 'and nothing is kept of it');
is(claim($o, 'paid', $same), 'ok', 'it need not be');
is(book('look', $o), 'ok PAID -1// 0+0 -  []', 'made elsewhere');
is(claim($o, 'paid', "$same&required=1"), 'unknown -1//',
   'that it is paid is not what it was made of');
is(claim($o, 'paid', '&compare=1&amount=7'), 'ok', 'nothing to compare with');

# what was committed, or is held, is what it was

my $e = "$::Channel:e-committed";
$o = order();
made($o);
like(ask("op=claim&key=$e&order=$o&says=paid$same&save=a&lease=60000"),
     qr/^ok 1/);
is(ask("op=claim&key=$e&order=$o&says=paid&compare=1&amount=7"), 'busy',
   'held');



=== TEST 5: refunds never are more than the order
--- config eval: $::Config
--- run
my $o = order();
is(book('reserve', $o, '&refund=r1&sum=10'), 'no NONE -1// 0+0 -  []',
   'no order');
made($o);
is(book('reserve', $o, '&refund=r1&sum=10'), 'no CREATED 100/CNY/a 0+0 -  []',
   'not paid');
is(claim($o, 'paid'), 'ok');
is(book('reserve', $o, '&refund=r1&sum=101'), 'no PAID 100/CNY/a 0+0 -  []',
   'more than the order');
is(book('reserve', $o, '&refund=r1&sum=60'), 'ok PAID 100/CNY/a 0+60 held  []',
   'held');
is(book('reserve', $o, '&refund=r1&sum=60'),
   'done PAID 100/CNY/a 0+60 held  []', 'again: it may be sent again');
is(book('reserve', $o, '&refund=r1&sum=50'),
   'other PAID 100/CNY/a 0+60 held  []', 'another refund of this id');
is(book('reserve', $o, '&refund=r2&sum=41'), 'no PAID 100/CNY/a 0+60 -  []',
   'more than is left, as nobody knows');
is(book('back', $o, '&refund=r1&sum=60'), 'ok PAID 100/CNY/a 0+0 -  []',
   'given back');
is(book('back', $o, '&refund=r1'), 'done PAID 100/CNY/a 0+0 -  []', 'once');
is(book('reserve', $o, '&refund=r2&sum=41'),
   'ok PAID 100/CNY/a 0+41 held  []', 'another one');
is(book('confirm', $o, '&refund=r2'),
   'ok PART_REFUNDED 100/CNY/a 41+0 done  []', 'done');
is(book('confirm', $o, '&refund=r2&sum=41'),
   'done PART_REFUNDED 100/CNY/a 41+0 done  []', 'once');
is(book('reserve', $o, '&refund=r2&sum=41'),
   'done PART_REFUNDED 100/CNY/a 41+0 done  []', 'and never again');
is(book('back', $o, '&refund=r2'),
   'no PART_REFUNDED 100/CNY/a 41+0 done  []', 'nor given back');
is(book('confirm', $o, '&refund=r9'),
   'no PART_REFUNDED 100/CNY/a 41+0 -  []', 'one of unknown amount');
is(book('reserve', $o, '&refund=r1&sum=59'),
   'ok PART_REFUNDED 100/CNY/a 41+59 held  []', 'the rest');
is(book('confirm', $o, '&refund=r1&sum=59'),
   'ok REFUNDED 100/CNY/a 100+0 done  []', 'all of it');
is(book('reserve', $o, '&refund=r3&sum=1'),
   'no REFUNDED 100/CNY/a 100+0 -  []', 'nothing is left');

# the greatest amount, to the last unit

$o = order();
made($o, '&amount=9007199254740991&to=PAID');
my ($most, $held) = ('9007199254740991//', '9007199254740990');
is(book('reserve', $o, "&refund=r1&sum=$held"),
   "ok PAID $most 0+$held held  []", 'all but one');
is(book('reserve', $o, '&refund=r2&sum=2'), "no PAID $most 0+$held -  []",
   'one too many');
is(book('reserve', $o, '&refund=r2&sum=9007199254740991'),
   "no PAID $most 0+$held -  []", 'nearly twice as many');
is(book('reserve', $o, '&refund=r2&sum=1'),
   "ok PAID $most 0+9007199254740991 held  []", 'the last');



=== TEST 6: callbacks of refunds
--- config eval: $::Config
--- run
my $o = order();
made($o);
is(claim($o, 'paid'), 'ok');
my $c = '&compare=1';
like(book('reserve', $o, '&refund=r1&sum=30'), qr/^ok /);
is(claim($o, 'returned', "$c&refund=r1"), 'ok', 'it has failed');
is(book('look', $o), 'ok PAID 100/CNY/a 0+0 -  []', 'given back');
like(book('reserve', $o, '&refund=r1&sum=30'), qr/^ok /);
is(claim($o, 'refunded', "$c&refund=r1&sum=30"), 'ok', 'it was made');
is(book('look', $o), 'ok PART_REFUNDED 100/CNY/a 30+0 -  []', 'counted');
is(claim($o, 'refunded', "$c&refund=r1&sum=30"), 'ok', 'told again');
is(claim($o, 'returned', "$c&refund=r1"), 'ok', 'and denied');
is(claim($o, 'refunded', "$c&refund=r2"), 'ok', 'who knows how much');
is(book('look', $o), 'ok PART_REFUNDED 100/CNY/a 30+0 -  []', 'counted once');
is(claim($o, 'refunded', "$c&refund=r3&sum=70"), 'ok', 'made elsewhere');
is(book('look', $o), 'ok REFUNDED 100/CNY/a 100+0 -  []', 'counts, too');
is(claim(order(), 'refunded', "$c&refund=r3&sum=70"), 'ok', 'no order');
is(claim($o, 'refunded', "$c&refund=" . 'r' x 65), 'error', 'too long an id');
is(claim($o, 'refunded', "$c&refund=" . 'r' x 64), 'ok', 'the longest');
is(claim($o, 'open', $c), 'late 100/CNY/a' =~ s/100.*/-1\/\//r,
   'a refunded order is paid');



=== TEST 7: an answer is kept until something changes
--- config eval: $::Config
--- run
my $o = order();
made($o);
my $a = '{"state":"PAYING"}';
is(book('move', $o, "&to=PAYING&fresh=60000&answer=$a&note=n1"),
   'ok PAYING 100/CNY/a 0+0 - n1 []', 'moved, with an answer');
is(book('look', $o), "ok PAYING 100/CNY/a 0+0 - n1 [$a]", 'told') for 1, 2;
is(book('move', $o, '&to=CREATED&fresh=60000&answer=old'),
   'no PAYING 100/CNY/a 0+0 - n1 []', 'an older one');
is(book('look', $o), "ok PAYING 100/CNY/a 0+0 - n1 [$a]", 'is not kept');
is(book('move', $o, '&fresh=60000&answer=b'),
   'done PAYING 100/CNY/a 0+0 - n1 []', 'another answer, no move');
is(book('look', $o), 'ok PAYING 100/CNY/a 0+0 - n1 [b]', 'told');
is(claim($o, 'open'), 'ok', 'nothing new');
is(book('look', $o), 'ok PAYING 100/CNY/a 0+0 - n1 [b]', 'told still');
is(claim($o, 'paid'), 'ok', 'paid');
is(book('look', $o), 'ok PAID 100/CNY/a 0+0 - n1 []', 'forgotten');
is(book('move', $o, "&to=PAID&fresh=1500&answer=$a&note=n2"),
   'done PAID 100/CNY/a 0+0 - n2 []', 'for a while');
is(book('look', $o), "ok PAID 100/CNY/a 0+0 - n2 [$a]", 'fresh');
ok(wait_for(sub { book('look', $o) eq 'ok PAID 100/CNY/a 0+0 - n2 []' }),
   'old');
my $long = 'x' x 2049;
book('move', $o, "&to=PAID&fresh=60000&answer=$long");
is(book('look', $o), 'ok PAID 100/CNY/a 0+0 - n2 []', 'too long: not kept');
chop $long;
book('move', $o, "&to=PAID&fresh=60000&answer=$long");
is(book('look', $o), "ok PAID 100/CNY/a 0+0 - n2 [$long]", 'the longest');
like(book('reserve', $o, '&refund=r1&sum=1'), qr/^ok /);
like(book('confirm', $o, '&refund=r1&sum=1'), qr/^ok /);
is(book('look', $o), 'ok PART_REFUNDED 100/CNY/a 1+0 - n2 []',
   'a refund: forgotten');
book('move', $o, '&fresh=60000&answer=b');
like(book('look', $o), qr/ \[b\]$/, 'told');
like(book('confirm', $o, '&refund=r2&sum=1'), qr/^ok /);
is(book('look', $o), 'ok PART_REFUNDED 100/CNY/a 2+0 - n2 []',
   'one more of them: forgotten');
book('move', $o, '&fresh=60000&answer=b');
is(book('look', $o, '&refund=r9'), 'ok PART_REFUNDED 100/CNY/a 2+0 - n2 []',
   'whoever asks for a refund wants no answer of the order');



=== TEST 8: what was not made after all
--- config eval: $::Config
--- run
my $o = order();
my $t = made($o);
is(book('drop', $o, '&token=1'), 'no CREATED 100/CNY/a 0+0 -  []',
   'by somebody else');
is(book('drop', $o, "&token=$t"), 'ok NONE -1// 0+0 -  []', 'by its maker');
ok(wait_for(sub { book('look', $o) eq 'no NONE -1// 0+0 -  []' }), 'gone');
$t = made($o, '&amount=7');
is(claim($o, 'paid'), 'ok');
is(book('drop', $o, "&token=$t"), 'no PAID 7// 0+0 -  []', 'paid meanwhile');
$o = order();
$t = made($o);
is(ask("op=book&verb=drop&key=$o&token=$t&tell=1"), 'sent', 'nobody waits');
ok(wait_for(sub { book('look', $o) eq 'no NONE -1// 0+0 -  []' }), 'gone');

# another call counts on the record

$o = order();
$t = made($o);
is(book('create', $o, '&amount=99'), 'no CREATED 100/CNY/a 0+0 -  []',
   'other terms');
my $d = ask("op=book&verb=create&key=$o&amount=100&currency=CNY&account=a");
like($d, qr/^done CREATED 100/, 'the same terms');
is(book('drop', $o, '&token=' . substr $d, -16),
   'no CREATED 100/CNY/a 0+0 -  []', 'not by the second one');
is(book('drop', $o, "&token=$t"), 'no CREATED 100/CNY/a 0+0 -  []',
   'not by its maker any more');
is(book('look', $o), 'ok CREATED 100/CNY/a 0+0 -  []', 'it is there');



=== TEST 9: what the provider says of an order is what counts
--- config eval: $::Config
--- run
my $o = order();
is(book('learn', $o, '&amount=5&currency=EUR&account=a&note=n'),
   'ok CREATED 5/EUR/a 0+0 - n []', 'unknown before');
is(book('learn', $o, '&amount=6&currency=EUR&account=a&to=PAYING'),
   'ok PAYING 6/EUR/a 0+0 - n []', 'other terms');
is(book('learn', $o, '&amount=6&currency=EUR&account=a&to=CREATED'),
   'ok PAYING 6/EUR/a 0+0 - n []', 'never back');
is(claim($o, 'paid', '&compare=1&amount=5'), 'amount 6/EUR/a', 'compared');
is(claim($o, 'paid', '&compare=1&amount=6'), 'ok');

# that of another payment, or once it is paid, is not his word about this one

$o = order();
made($o, '&amount=9&currency=EUR');
is(book('learn', $o, '&amount=8&currency=EUR&note=n1'),
   'ok CREATED 8/EUR/ 0+0 - n1 []', 'the first one');
is(book('learn', $o, '&amount=1&currency=EUR&note=n2'),
   'other CREATED 8/EUR/ 0+0 - n1 []', 'another one');
is(book('learn', $o, '&amount=8&currency=EUR&note=n2&to=PAID'),
   'done CREATED 8/EUR/ 0+0 - n1 []', 'of the same terms');
is(book('learn', $o, '&amount=7&currency=EUR&note=n1'),
   'ok CREATED 7/EUR/ 0+0 - n1 []', 'the same one');
is(claim($o, 'paid', '&compare=1&amount=7'), 'ok', 'paid');
is(book('learn', $o, '&amount=1&currency=EUR&note=n1'),
   'other PAID 7/EUR/ 0+0 - n1 []', 'too late');
is(book('learn', $o, '&amount=7&currency=USD'),
   'other PAID 7/EUR/ 0+0 - n1 []', 'too late: the currency');
is(book('learn', $o, '&amount=7&currency=EUR&note=n1'),
   'ok PAID 7/EUR/ 0+0 - n1 []', 'nothing new');

# nobody waits for it

$o = order();
is(ask("op=book&verb=learn&key=$o&amount=8&currency=EUR&account=a&note=n"
       . '&tell=1'), 'sent');
ok(wait_for(sub { book('look', $o) eq 'ok CREATED 8/EUR/a 0+0 - n []' }),
   'noted');
is(ask("op=book&verb=look&key=$o&cancel=1"), 'cancelled', 'nor for this');
is(ask("op=book&verb=move&to=PAYING&key=$o&cancel=1"), 'cancelled');
ok(wait_for(sub { book('look', $o) eq 'ok PAYING 8/EUR/a 0+0 - n []' }),
   'done all the same');
is(ask("op=book&verb=learn&key=$o&amount=1&currency=EUR&note=n2&tell=1"),
   'sent', 'another payment');
my $said = qr/what a provider says of order "\Q$o\E"/;
ok(wait_for(sub { error_log_text() =~ $said }), 'which is logged');
is(book('look', $o), 'ok PAYING 8/EUR/a 0+0 - n []', 'and nothing else');

# a caller who has left has said nothing of a payment

my $q = order();
made($q, '&amount=100&to=PAID');
like(book('reserve', $q, '&refund=r1&sum=40'), qr/^ok /);
is(ask("op=book&verb=reserve&key=$q&refund=r1&sum=41&cancel=1"), 'cancelled');
like(book('reserve', $q, '&refund=r1&sum=41'), qr/^other /, 'another amount');
unlike(error_log_text(), qr/what a provider says of order "\Q$q\E"/,
       'no word of the provider');

$o = order();
is(claim($o, 'paid'), 'ok', 'made elsewhere, and paid');
is(book('create', $o, '&amount=5'), 'done PAID -1// 0+0 -  []',
   'our own word is of no use');
is(book('reserve', $o, '&refund=r&sum=1'), 'no PAID -1// 0+0 -  []',
   'of how much');
is(book('move', $o, '&to=REFUNDED'), 'no PAID -1// 0+0 -  []', 'not moved');
is(book('move', $o, '&to=PAID'), 'done PAID -1// 0+0 -  []', 'paid it is');
is(book('learn', $o, '&amount=5'), 'ok PAID 5// 0+0 -  []',
   'the provider knows');
is(claim($o, 'failed'), 'late', 'and it is paid still');



=== TEST 10: 32 refunds at the same time, by two workers
--- config eval: $::Config
--- run
for my $round (1 .. 3) {
    my $o = order();
    made($o);
    is(claim($o, 'paid'), 'ok');
    my @s = map {
        begin("GET /s?op=book&verb=reserve&key=$o&sum=10&refund=r$_"
              . " HTTP/1.0\r\n\r\n")
    } 1 .. 32;
    my @got = map { finish($_)->{body} } @s;
    is(scalar(grep { /^ok / } @got), 10, 'ten of them fit in');
    is(scalar(grep { /^no / } @got), 22, 'the others do not');
    is(book('look', $o), 'ok PAID 100/CNY/a 0+100 -  []', 'all is held');
    my @ids = grep { $got[$_ - 1] =~ /^ok / } 1 .. 32;
    @s = map {
        begin("GET /s?op=book&verb=confirm&key=$o&sum=10&refund=r$_"
              . " HTTP/1.0\r\n\r\n")
    } (@ids) x 2;
    @got = map { finish($_)->{body} } @s;
    is(scalar(grep { /^ok / } @got), 10, 'each is done once');
    is(scalar(grep { /^done / } @got), 10, 'and told again');
    is(book('look', $o), 'ok REFUNDED 100/CNY/a 100+0 -  []', 'all of it');
}
my $o = order();
made($o);
is(claim($o, 'paid'), 'ok');
is(ask("op=book&verb=reserve&key=$o&sum=10&refunds=x&n=32"),
   'ok=10 committed=22 busy=0 error=0', 'the same in one worker');



=== TEST 11: two workers move one order
--- config eval: $::Config
--- run
for my $round (1 .. 8) {
    my $o = order();
    made($o);
    my @s = map {
        begin("GET /s?op=book&verb=move&key=$o&to=$_ HTTP/1.0\r\n\r\n")
    } (qw(PAID CLOSED PAYING FAILED)) x 4;
    my @got = map { finish($_)->{body} } @s;
    is(scalar(grep { /^ok PAID / } @got), 1, 'paid once');
    cmp_ok(scalar(grep { /^ok (?:CLOSED|FAILED) / } @got), '<=', 1,
           'ended once at most');
    like(book('look', $o), qr/^ok PAID /, 'and paid it stays');
}



=== TEST 12: a record ends, and each event of the order makes it last
--- config eval: $::Config
--- run
my $o = order();
made($o, '&amount=100&keep=1500');
my $p = order();
made($p, '&amount=100&keep=1500');
is(claim($p, 'paid', '&keep=60000'), 'ok');
ok(wait_for(sub { book('look', $o) =~ /^no NONE / }), 'gone');
like(book('look', $p), qr/^ok PAID /, 'longer');
made($o, '&amount=7');
like(book('look', $o), qr/^ok CREATED 7/, 'a new one');

# whoever creates it again counts on it from then on

$o = order();
made($o, '&amount=7&keep=1500');
is(book('create', $o, '&amount=8&keep=60000'), 'no CREATED 7// 0+0 -  []');
$p = order();
made($p, '&amount=7&keep=1500');
is(book('create', $p, '&amount=7&keep=60000'), 'done CREATED 7// 0+0 -  []');
ok(wait_for(sub { book('look', $o) =~ /^no NONE / }), 'other terms: gone');
like(book('look', $p), qr/^ok CREATED 7/, 'the same terms: longer');
$o = order();
made($o, '&amount=100&to=PAID&keep=60000');
book('move', $o, '&to=PART_REFUNDED&keep=1');
like(book('look', $o), qr/^ok PART_REFUNDED /, 'never shorter');



=== TEST 13: a zone that is full
--- http_config
    paygw_zone small:96k;
--- no_store
--- config eval: $::Config
--- run
if (!store_is('zone')) {
    pass('of the zone alone');
    return;
}
my @o = map { order() } 1 .. 20;
made($_, '&amount=1&keep=600000') for @o;
book('move', $_, '&fresh=600000&answer=a&keep=600000') for @o;
my $got = ask("op=book&verb=create&key=$::Channel:f&n=2000&spread=1"
              . '&amount=1&keep=' . 5000 * $PaygwTest::Slow);
like($got, qr/^ok=[1-9]\d* committed=0 busy=0 error=[1-9]\d*$/, $got);
is(book('create', order(), '&amount=1'), 'error', 'no order is made');
my ($o) = grep { book('move', $_, '&note=' . 'n' x 256) eq 'error' } @o;
ok(defined $o, 'nor is a note kept');
is(book('look', $o), 'ok CREATED 1// 0+0 -  [a]', 'nothing has changed');
is(claim("$::Channel:f-0", 'paid'), 'ok', 'events have room of their own');
like(book('look', "$::Channel:f-0"), qr/^ok PAID /, 'and move the orders');
Time::HiRes::sleep(5.5 * $PaygwTest::Slow);
made(order());
like(ask("op=book&verb=create&key=$::Channel:g&n=20&spread=1&amount=1"),
     qr/^ok=20 /, 'what has ended gives room');
like(error_log_text(), qr/could not allocate record of call in paygw zone/);
--- timeout: 60
--- faulty


=== TEST 14: calls of one refund hold it together
--- config eval: $::Config
--- run
my $long = '&fresh=600000';
my $o = order();
made($o);
is(claim($o, 'paid'), 'ok');
my $r1 = '&refund=r1&sum=60';
is(book('reserve', $o, "$r1$long"), 'ok PAID 100/CNY/a 0+60 held  []', 'one');
is(book('reserve', $o, "$r1$long"), 'done PAID 100/CNY/a 0+60 held  []',
   'and another');
is(book('back', $o, '&refund=r1'), 'no PAID 100/CNY/a 0+60 held  []',
   'a question is too early');
is(claim($o, 'returned', '&compare=1&refund=r1'), 'ok', 'and so is a callback');
is(book('refuse', $o, '&refund=r1'), 'done PAID 100/CNY/a 0+60 held  []',
   'the one is refused, the other one holds it');
is(book('reserve', $o, '&refund=r2&sum=41'), 'no PAID 100/CNY/a 0+60 -  []',
   'there is no room');
is(book('refuse', $o, '&refund=r1'), 'ok PAID 100/CNY/a 0+0 -  []',
   'the last one gives it back');
is(book('refuse', $o, '&refund=r1'), 'done PAID 100/CNY/a 0+0 -  []', 'once');

# of one of them nobody knows

like(book('reserve', $o, "$r1$long"), qr/^ok /);
like(book('reserve', $o, "$r1$long"), qr/^done /);
is(book('doubt', $o, $r1), 'done PAID 100/CNY/a 0+60 held  []', 'in doubt');
is(book('refuse', $o, '&refund=r1'), 'done PAID 100/CNY/a 0+60 held  []',
   'a refusal of the other is none of this');
like(book('reserve', $o, "$r1$long"), qr/^done /, 'again');
is(book('refuse', $o, '&refund=r1'), 'done PAID 100/CNY/a 0+60 held  []',
   'nor is that of a repetition');
like(book('reserve', $o, "$r1$long"), qr/^done /, 'again');
is(book('fail', $o, '&refund=r1'), 'ok PAID 100/CNY/a 0+0 -  []',
   'that the refund has failed is');
like(book('reserve', $o, "$r1$long"), qr/^ok /);
like(book('doubt', $o, $r1), qr/^done /);
is(book('back', $o, '&refund=r1'), 'ok PAID 100/CNY/a 0+0 -  []',
   'and so is a question');

# it has failed, and another call is under way

like(book('reserve', $o, "$r1$long"), qr/^ok /);
like(book('reserve', $o, "$r1$long"), qr/^done /);
is(book('fail', $o, '&refund=r1'), 'done PAID 100/CNY/a 0+60 held  []',
   'failed: the other one holds it');
is(book('refuse', $o, '&refund=r1'), 'ok PAID 100/CNY/a 0+0 -  []',
   'failed: and gives it back');

# what is in doubt and was given back is held again, if it fits

is(book('doubt', $o, $r1), 'ok PAID 100/CNY/a 0+60 held  []', 'held again');
is(book('refuse', $o, '&refund=r1'), 'done PAID 100/CNY/a 0+60 held  []',
   'held again: in doubt');
is(book('doubt', $o, '&refund=r2&sum=41'), 'no PAID 100/CNY/a 0+60 -  []',
   'it does not fit');
like(book('back', $o, '&refund=r1'), qr/^ok /);

# a call that never comes to its end

like(book('reserve', $o, "$r1&fresh=100"), qr/^ok /);
select undef, undef, undef, 0.4;
like(book('reserve', $o, "$r1$long"), qr/^done /, 'lost');
is(book('refuse', $o, '&refund=r1'), 'done PAID 100/CNY/a 0+60 held  []',
   'lost: nobody knows of it');
is(book('back', $o, '&refund=r1'), 'ok PAID 100/CNY/a 0+0 -  []',
   'lost: but a question tells');

# done is done

like(book('reserve', $o, "$r1$long"), qr/^ok /);
like(book('reserve', $o, "$r1$long"), qr/^done /);
is(book('confirm', $o, $r1), 'ok PART_REFUNDED 100/CNY/a 60+0 done  []',
   'one has refunded it');
is(book('refuse', $o, '&refund=r1'),
   'no PART_REFUNDED 100/CNY/a 60+0 done  []', 'and the other one not');
is(book('fail', $o, '&refund=r1'),
   'no PART_REFUNDED 100/CNY/a 60+0 done  []', 'failed');
is(book('doubt', $o, $r1), 'done PART_REFUNDED 100/CNY/a 60+0 done  []',
   'in doubt');
is(book('doubt', order(), $r1), 'no NONE -1// 0+0 -  []', 'no order');
is(book('refuse', order(), $r1), 'no NONE -1// 0+0 -  []', 'no order');



=== TEST 15: what was just sent is not found yet
--- config eval: $::Config
--- run
my $long = '&fresh=600000';
my $r1 = '&refund=r1&sum=60';
my $held = 'PAID 100/CNY/a 0+60 held  []';
my $free = 'PAID 100/CNY/a 0+0 -  []';
my $o = order();
made($o);
is(claim($o, 'paid'), 'ok');
my $missed = sub {
    my ($rc, $name) = @_;
    my $told = $rc eq 'ok' ? $free : $held;
    is(book('seek', $o, '&refund=r1'), ($rc eq 'ok' ? 'done' : $rc) . " $held",
       "$name: sought");
    is(book('absent', $o, '&refund=r1'), "$rc $told", $name);
};

is(book('absent', order(), $r1), 'no NONE -1// 0+0 -  []', 'no order');
is(book('seek', order(), $r1), 'no NONE -1// 0+0 -  []', 'no order: sought');
is(book('absent', $o, $r1), "done $free", 'no refund');
is(book('seek', $o, $r1), "done $free", 'no refund: sought');

# under way, in doubt, and then

like(book('reserve', $o, "$r1$long"), qr/^ok /);
$missed->('no', 'under way');
is(book('doubt', $o, "$r1$long"), "done $held", 'in doubt');
$missed->('no', 'in doubt');
is(book('back', $o, '&refund=r1'), "ok $free", 'that it has failed is known');
like(book('reserve', $o, "$r1$long"), qr/^ok /);
is(book('doubt', $o, "$r1&fresh=" . 1500 * $PaygwProcess::Slow), "done $held",
   'in doubt for a while');
$missed->('no', 'in doubt for a while');
ok(wait_for(sub { book('seek', $o, '&refund=r1') =~ /^done / }), 'it is over');
$missed->('ok', 'it is over');
is(book('doubt', $o, "$r1$long"), "ok $held", 'held again');
$missed->('no', 'held again');
is(book('doubt', $o, $r1), "done $held", 'asked of the last call');
$missed->('ok', 'asked of the last call');

# a call that is refused: what was not known before is not known again

like(book('reserve', $o, "$r1$long"), qr/^ok /);
is(book('doubt', $o, $r1), "done $held", 'one is in doubt');
like(book('reserve', $o, "$r1$long"), qr/^done /);
is(book('refuse', $o, "&refund=r1$long"), "done $held", 'one is refused');
$missed->('no', 'one is refused');
like(book('reserve', $o, "$r1$long"), qr/^done /);
is(book('refuse', $o, '&refund=r1'), "done $held", 'and one more');
$missed->('ok', 'and one more');

# the one that ends last says when, and not while another one is under way

like(book('reserve', $o, "$r1$long"), qr/^ok /);
like(book('reserve', $o, "$r1$long"), qr/^done /);
is(book('doubt', $o, $r1), "done $held", 'two: one is in doubt');
$missed->('no', 'two: the other one is under way');
is(book('refuse', $o, '&refund=r1'), "done $held", 'two: it has ended');
$missed->('ok', 'two');

# of what nobody has told in time

like(book('reserve', $o, "$r1&fresh=300"), qr/^ok /);
ok(wait_for(sub { book('seek', $o, '&refund=r1') =~ /^done / }), 'lost');
$missed->('ok', 'lost');

# refused and failed is for certain; and what is done is found

like(book('reserve', $o, "$r1$long"), qr/^ok /);
is(book('refuse', $o, "&refund=r1$long"), "ok $free", 'refused');
like(book('reserve', $o, "$r1$long"), qr/^ok /);
is(book('doubt', $o, "$r1$long"), "done $held", 'in doubt');
like(book('reserve', $o, "$r1$long"), qr/^done /);
is(book('fail', $o, "&refund=r1$long"), "ok $free", 'failed');
like(book('reserve', $o, "$r1$long"), qr/^ok /);
is(book('doubt', $o, "$r1$long"), "done $held", 'in doubt');
is(claim($o, 'returned', '&compare=1&refund=r1'), 'ok', 'a callback');
is(book('look', $o), "ok $free", 'which says that it has failed');
like(book('reserve', $o, "$r1$long"), qr/^ok /);
is(book('doubt', $o, "$r1$long"), "done $held", 'in doubt');
is(book('confirm', $o, $r1), 'ok PART_REFUNDED 100/CNY/a 60+0 done  []');
for my $verb (qw(absent seek)) {
    is(book($verb, $o, '&refund=r1'),
       'no PART_REFUNDED 100/CNY/a 60+0 done  []', "done: $verb");
}

# one that is not counted is written as of old, without a time

$o = order();
made($o);
is(claim($o, 'paid'), 'ok');
like(book('reserve', $o, $r1), qr/^ok /, 'not counted');
$missed->('ok', 'not counted');



=== TEST 16: the end of an order, when nobody can pay it any more
--- config eval: $::Config
--- run
my $of = '&amount=100&currency=CNY&account=a';
my $told = '100/CNY/a 0+0 -';
my $o = order();
made($o, "$of&expires=1000");
is(book('look', $o), "ok CREATED $told  [] \@1000", 'kept');
is(book('create', $o, "$of&expires=900"), "done CREATED $told  [] \@1000",
   'made again, for a shorter time');
is(book('create', $o, "$of&expires=1100"), "done CREATED $told  [] \@1100",
   'for a longer one');
is(book('create', $o, '&amount=101&expires=1200'),
   "no CREATED $told  [] \@1100", 'another order');
is(book('move', $o, '&to=PAYING&note=n&fresh=60000&answer={"a":1}'),
   "ok PAYING $told n [] \@1100", 'moved');
is(book('look', $o), "ok PAYING $told n [{\"a\":1}] \@1100",
   'beside an answer');
is(book('move', $o, '&to=CLOSED&expires=1000'),
   "no PAYING $told n [] \@1100", 'another end');
is(book('move', $o, '&to=CLOSED&expires=1100'),
   "ok CLOSED $told n [] \@1100", 'closed at this one');
is(book('create', $o, "$of&expires=1200"), "done CLOSED $told n [] \@1100",
   'closed it stays');
is(claim($o, 'paid'), 'ok');
is(book('look', $o), "ok PAID $told n [] \@1100", 'but for a success');
like(book('reserve', $o, '&refund=r1&sum=1'), qr/^ok PAID /);
is(book('confirm', $o, '&refund=r1&sum=1'),
   'ok PART_REFUNDED 100/CNY/a 1+0 done n [] @1100', 'refunded');

# without an end, once, it has none

$o = order();
made($o, "$of&expires=1000");
is(book('create', $o, $of), "done CREATED $told  []", 'made again without one');
is(book('create', $o, "$of&expires=1000"), "done CREATED $told  []",
   'and with one');
is(book('move', $o, '&to=CLOSED&expires=1000'), "no CREATED $told  []",
   'it does not end then');
$o = order();
made($o, $of);
is(book('create', $o, "$of&expires=1000"), "done CREATED $told  []",
   'made without one first');
$o = order();
my $t = made($o, "$of&expires=1000");
like(book('drop', $o, "&token=$t"), qr/^ok NONE /);
ok(wait_for(sub { book('look', $o) =~ /^no / }), 'dropped');
made($o, $of);
is(book('look', $o), "ok CREATED $told  []", 'a new one has none');
$o = order();
made($o, "$of&expires=1000");
is(book('learn', $o, "&amount=7&currency=CNY&account=a&to=PAYING"),
   'ok PAYING 7/CNY/a 0+0 -  [] @1000', 'other terms, the same end');
is(book('move', order(), '&to=CLOSED&expires=1'), 'no NONE -1// 0+0 -  []',
   'no order');



=== TEST 17: refunds are remembered as long as their order
--- config eval: $::Config
--- run
my $brief = 1500 * $PaygwProcess::Slow;
my $o = order();
my $c = '&compare=1&keep=60000';
made($o, "&amount=100&to=PAID&keep=$brief");
is(book('confirm', $o, "&refund=r1&sum=40&keep=$brief"),
   'ok PART_REFUNDED 100// 40+0 done  []', 'done');
is(book('reserve', $o, "&refund=r2&sum=10&keep=$brief"),
   'ok PART_REFUNDED 100// 40+10 held  []', 'held');
is(book('stamp', $o, "&refund=r2&note=t2&keep=$brief"),
   'ok PART_REFUNDED 100// 40+10 held  [t2]', 'under its time');
my $p = order();
made($p, "&amount=100&to=PAID&keep=$brief");
is(book('confirm', $p, "&refund=r1&sum=40&keep=$brief"),
   'ok PART_REFUNDED 100// 40+0 done  []', 'another order');

# something else makes the order last

is(book('confirm', $o, '&refund=r3&sum=20&keep=60000'),
   'ok PART_REFUNDED 100// 60+10 done  []', 'another refund');
ok(wait_for(sub { book('look', $p) =~ /^no NONE / }), 'the others are gone');
select undef, undef, undef, 0.1;
is(book('confirm', $o, '&refund=r1&sum=40'),
   'done PART_REFUNDED 100// 60+10 done  []', 'counted once');
is(claim($o, 'refunded', "$c&refund=r1&sum=40"), 'ok', 'a callback');
is(book('reserve', $o, '&refund=r1&sum=30'),
   'other PART_REFUNDED 100// 60+10 done  []', 'nor is it another one');
is(book('reserve', $o, '&refund=r2&sum=10'),
   'done PART_REFUNDED 100// 60+10 held  [t2]', 'held once');
is(book('stamp', $o, '&refund=r2&note=t3'),
   'done PART_REFUNDED 100// 60+10 held  [t2]', 'under the time of before');
is(claim($o, 'paid', $c), 'ok', 'paid, again');
is(book('look', $o), 'ok PART_REFUNDED 100// 60+10 -  []', 'as it was');

# a life of its own has an order that is made again

made($p, '&amount=100&to=PAID');
is(book('reserve', $p, '&refund=r1&sum=100'), 'ok PAID 100// 0+100 held  []',
   'nothing is left of the one before');

# a callback is what makes it last

$o = order();
made($o, "&amount=100&to=PAID&keep=$brief");
is(book('reserve', $o, "&refund=r1&sum=40&keep=$brief"),
   'ok PAID 100// 0+40 held  []', 'held');
is(claim($o, 'paid', '&compare=1&amount=100&keep=60000'), 'ok', 'a callback');
$p = order();
made($p, "&amount=100&keep=$brief");
ok(wait_for(sub { book('look', $p) =~ /^no NONE / }), 'time goes by');
is(book('reserve', $o, '&refund=r1&sum=40'), 'done PAID 100// 0+40 held  []',
   'it is there');

# and whatever changes of a refund; what was told before is nothing new

my @o = map { order() } 1 .. 6;
made($_, "&amount=100&to=PAID&keep=$brief") for @o;
my ($old, $short, @long) = @o;
like(book('confirm', $old, "&refund=r1&sum=40&keep=$brief"), qr/^ok /);
like(book('reserve', $long[0], '&refund=r1&sum=40&keep=60000'), qr/^ok /);
like(book('reserve', $_, "&refund=r1&sum=40&keep=$brief"), qr/^ok /)
    for @long[1, 2];
like(book('back', $long[1], '&refund=r1&keep=60000'), qr/^ok /);
is(claim($long[2], 'returned', "$c&refund=r1"), 'ok', 'told of by a callback');
like(book('doubt', $long[3], '&refund=r1&sum=40&keep=60000'), qr/^ok /);
is(claim($old, 'refunded', "$c&refund=r1&sum=40"), 'ok', 'told again');
is(claim($old, 'returned', "$c&refund=r2"), 'ok', 'of one that is not held');
ok(wait_for(sub { book('look', $short) =~ /^no NONE / }), 'time goes by');
ok(wait_for(sub { book('look', $old) =~ /^no NONE / }), 'nothing new');
is(book('look', $long[0]), 'ok PAID 100// 0+40 -  []', 'held');
is(book('look', $long[1]), 'ok PAID 100// 0+0 -  []', 'given back');
is(book('look', $long[2]), 'ok PAID 100// 0+0 -  []', 'by a callback');
is(book('look', $long[3]), 'ok PAID 100// 0+40 -  []', 'in doubt');
--- timeout: 60



=== TEST 18: the note of a refund
--- config eval: $::Config
--- run
my $o = order();
is(book('stamp', $o, '&refund=r1&note=t'), 'no NONE -1// 0+0 -  []',
   'no order');
made($o, '&amount=100&to=PAID&note=n');
is(book('stamp', $o, '&refund=r1&note=t'), 'no PAID 100// 0+0 - n []',
   'no refund');
is(book('reserve', $o, '&refund=r1&sum=40'), 'ok PAID 100// 0+40 held n []',
   'held');
is(book('stamp', $o, '&refund=r1'), 'done PAID 100// 0+40 held n []',
   'none yet');
is(book('stamp', $o, '&refund=r1&note=t1'), 'ok PAID 100// 0+40 held n [t1]',
   'noted');
is(book('stamp', $o, '&refund=r1&note=t2'),
   'done PAID 100// 0+40 held n [t1]', 'once');
is(book('reserve', $o, '&refund=r11&sum=1'), 'ok PAID 100// 0+41 held n []',
   'another one');
is(book('stamp', $o, '&refund=r11&note=t11'),
   'ok PAID 100// 0+41 held n [t11]', 'has one of its own');
is(book('stamp', $o, '&refund=r1'), 'done PAID 100// 0+41 held n [t1]',
   'and this, too');
is(book('back', $o, '&refund=r1'), 'ok PAID 100// 0+1 - n [t1]',
   'given back');
is(book('reserve', $o, '&refund=r1&sum=41'), 'other PAID 100// 0+1 - n [t1]',
   'not with another amount');
is(book('reserve', $o, '&refund=r1&sum=40'),
   'ok PAID 100// 0+41 held n [t1]', 'the same again');
is(book('stamp', $o, '&refund=r1&note=t2'),
   'done PAID 100// 0+41 held n [t1]', 'under the same note');
is(book('confirm', $o, '&refund=r1'),
   'ok PART_REFUNDED 100// 40+1 done n [t1]', 'done');
is(book('stamp', $o, '&refund=r1'),
   'done PART_REFUNDED 100// 40+1 done n [t1]', 'it is told');
is(book('confirm', $o, '&refund=r2&sum=1'),
   'ok PART_REFUNDED 100// 41+1 done n []', 'done elsewhere');
is(book('stamp', $o, '&refund=r2&note=t2'),
   'done PART_REFUNDED 100// 41+1 done n []', 'nobody knows its note');
is(book('stamp', $o, '&refund=r11&note=' . 'x' x 257), 'error', 'too long');

# ids of callbacks, which are what they are

my $c = '&compare=1';
for my $id ('r%207', 'r%0a7', 'r%257', '%09r11', 'r', 'r1%20done') {
    is(claim($o, 'refunded', "$c&refund=$id&sum=1"), 'ok', "$id: counted")
        for 1, 2;
}
is(book('look', $o), 'ok REFUNDED 100// 47+1 - n []' =~ s/REF/PART_REF/r,
   'each of them once');
is(book('stamp', $o, '&refund=r11'),
   'done PART_REFUNDED 100// 47+1 held n [t11]', 'and nothing else');



=== TEST 19: refunds that were refused leave nothing
--- http_config
    paygw_zone small:96k;
--- no_store
--- config eval: $::Config
--- run
if (!store_is('zone')) {
    pass('of the zone alone');
    return;
}
my $o = order();
made($o);
is(claim($o, 'paid'), 'ok');
my $held = 'ok PAID 100/CNY/a 0+60 held  []';
my $free = 'ok PAID 100/CNY/a 0+0 -  []';
my $bad = 0;
for my $n (1 .. 500) {
    my $id = '&refund=' . 'r' x 58 . $n;
    $bad++ if book('reserve', $o, "$id&sum=60") ne $held
              || book('back', $o, $id) ne $free;
}
is($bad, 0, 'there is room for each');
--- timeout: 60


=== TEST 20: nor in Redis
--- config eval: $::Config
--- run
my $o = order();
made($o);
is(claim($o, 'paid'), 'ok');
my $free = 'ok PAID 100/CNY/a 0+0 -  []';
for my $n (1 .. 9) {
    like(book('reserve', $o, "&refund=r$n&sum=60"), qr/^ok /, "held: $n");
    is(book('back', $o, "&refund=r$n"), $free, "given back: $n");
}
is(book('reserve', $o, '&refund=r1&sum=70'),
   'ok PAID 100/CNY/a 0+70 held  []', 'and is as good as new');
return if store_is('zone');
my ($id) = $o =~ /:([^:]+)$/;
my $text = redis_cmd('EVAL', "return redis.call('GET', redis.call('KEYS', "
                             . "'*refunds:*:$id')[1])", 0);
is($text, "\nr1 held 70", 'nothing of the others');
