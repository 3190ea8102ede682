package PaygwStore;

# Blocks that are true of either store, and the words they are written in.
#
#   use PaygwStore;
#   store_tests('paygw_zone s:1m;');          # and the blocks of __DATA__
#
# A block has "--- steps": lines "ARGUMENTS => ANSWER", sent one after the
# other to "paygw_test_store".  KEY is a key that no other block has; the
# answer is a regular expression for the whole line.  Each line of
# "--- logged" must be in the error log when all is over; a line "N x TEXT"
# so many times.

use strict;
use warnings;

use Test::Nginx::Socket -base;

use Test::Nginx::Util ();

use PaygwProcess ();

BEGIN { PaygwProcess::nginx_port() }

our @EXPORT = qw(store_tests);

# all times of a block are longer where everything takes longer
my $Slow = $ENV{TEST_NGINX_USE_VALGRIND} ? 4 : 1;
my $Blocks = 0;


sub store_tests {
    my ($conf, $own) = @_;

    local $/;
    my $common = <DATA>;

    main::spec_string($common . $own);
    Test::More::plan('no_plan');

    add_block_preprocessor(sub { prepare($_[0], $conf) });

    no_long_string();
    log_level('info');
    run_tests();
}


sub prepare {
    my ($block, $conf) = @_;

    my $key = "k$$-" . time() . '-' . ++$Blocks;
    my (@requests, @answers);

    for my $line (split /\n/, $block->steps // '') {
        my ($args, $answer) = $line =~ /^\s*(\S+)\s*=>\s*(.*?)\s*$/ or next;
        $args =~ s/KEY/$key/g;
        $args =~ s/\b(lease|keep|delay)=(\d+)/"$1=" . $2 * $Slow/ge;
        push @requests, "GET /s?$args";
        push @answers, qr/\A$answer\n\z/;
    }

    if (@requests) {
        $block->set_value('request', \@requests);
        $block->set_value('response_body_like', \@answers);
    }

    if (!defined $block->http_config) {
        $block->set_value('http_config', "    $conf\n");
    }

    if (!defined $block->config) {
        $block->set_value('config', "    location = /s { paygw_test_store; }");
    }

    if (!defined $block->request) {
        $block->set_value('request', 'GET /s');
    }

    if (!defined $block->no_error_log && !defined $block->error_log
        && !defined $block->must_die)
    {
        my $logged = $block->logged // '';
        my @no = ('[crit]', '[emerg]');
        push @no, '[alert]' if $logged !~ /could not allocate/;
        push @no, '[error]' if $logged !~ /store got|redis/;
        $block->set_value('no_error_log', \@no);
    }
}


my $helper = $Test::Nginx::Util::RunTestHelper;

$Test::Nginx::Util::RunTestHelper = sub {
    my ($block, $dry_run, @rest) = @_;

    my $file = $Test::Nginx::Util::ErrLogFile;
    my $from = -s $file || 0;

    $helper->($block, $dry_run, @rest);

    return if $dry_run || !defined $block->logged;

    open my $fh, '<', $file or die "$file: $!";
    seek $fh, $from, 0 if -s $fh >= $from;
    my @log = <$fh>;

    for my $line (grep { length } split /\n/, $block->logged) {
        my ($n, $text) = $line =~ /^(\d+) x (.*)/ ? ($1, $2)
                                                 : (undef, $line);
        my $found = grep { index($_, $text) >= 0 } @log;
        Test::More::ok(defined $n ? $found == $n : $found,
                       $block->name . " - logged: $line")
            or Test::More::diag("found $found times");
    }
};


1;

__DATA__

=== TEST 1: claim: no record, the first one takes it
--- steps
op=claim&key=KEY                       => ok 1 [0-9a-f]{16}
op=claim&key=KEY-other                 => ok 1 [0-9a-f]{16}



=== TEST 2: claim: held by another delivery
--- steps
op=claim&key=KEY                       => ok 1 \w+
op=claim&key=KEY                       => busy
op=claim&key=KEY                       => busy



=== TEST 3: claim: committed
--- steps
op=claim&key=KEY&save=a                => ok 1 \w+
op=commit&key=KEY&token=a              => sent
op=claim&key=KEY                       => committed
op=claim&key=KEY                       => committed



=== TEST 4: claim: released
--- steps
op=claim&key=KEY&save=a                => ok 1 \w+
op=release&key=KEY&token=a             => sent
op=claim&key=KEY                       => ok 2 \w+
op=claim&key=KEY                       => busy



=== TEST 5: claim: the lease is over
--- steps
op=claim&key=KEY&lease=300             => ok 1 \w+
op=claim&key=KEY&delay=500&lease=300   => ok 2 \w+
op=claim&key=KEY&delay=500             => ok 3 \w+
op=claim&key=KEY&delay=500             => busy



=== TEST 6: claim: each delivery is counted
--- steps
op=claim&key=KEY&save=a                => ok 1 \w+
op=release&key=KEY&token=a             => sent
op=claim&key=KEY&save=a                => ok 2 \w+
op=release&key=KEY&token=a             => sent
op=claim&key=KEY&save=a                => ok 3 \w+
op=commit&key=KEY&token=a              => sent
op=claim&key=KEY                       => committed



=== TEST 7: claim: a lease of nothing is over at once
--- steps
op=claim&key=KEY&lease=0               => ok 1 \w+
op=claim&key=KEY&lease=0&delay=5       => ok 2 \w+



=== TEST 8: commit: under another token, nothing changes
--- steps
op=claim&key=KEY                       => ok 1 \w+
op=commit&key=KEY&token=00000000000000ab => sent
op=claim&key=KEY                       => busy
--- logged
was taken over before its commit



=== TEST 9: commit: no record
--- steps
op=commit&key=KEY&token=00000000000000ab => sent
op=claim&key=KEY                       => committed



=== TEST 10: commit: after the lease, not taken by another one
--- steps
op=claim&key=KEY&lease=200&save=a      => ok 1 \w+
op=commit&key=KEY&token=a&delay=400    => sent
op=claim&key=KEY                       => committed



=== TEST 11: commit: fenced, the lease was over and another delivery holds it
--- steps
op=claim&key=KEY&lease=200&save=a      => ok 1 \w+
op=claim&key=KEY&delay=400&save=b      => ok 2 \w+
op=commit&key=KEY&token=a              => sent
op=claim&key=KEY                       => busy
op=commit&key=KEY&token=b              => sent
op=claim&key=KEY                       => committed
--- logged
was taken over before its commit



=== TEST 12: commit: of what was released
--- steps
op=claim&key=KEY&save=a                => ok 1 \w+
op=release&key=KEY&token=a             => sent
op=commit&key=KEY&token=a              => sent
op=claim&key=KEY                       => ok 2 \w+
--- logged
was taken over before its commit



=== TEST 13: commit: twice
--- steps
op=claim&key=KEY&save=a                => ok 1 \w+
op=commit&key=KEY&token=a              => sent
op=commit&key=KEY&token=a              => sent
op=claim&key=KEY                       => committed
--- logged
1 x was taken over before its commit



=== TEST 14: release: under another token, nothing changes
--- steps
op=claim&key=KEY                       => ok 1 \w+
op=release&key=KEY&token=00000000000000ab => sent
op=claim&key=KEY                       => busy
--- logged
was not held at its release



=== TEST 15: release: fenced, the lease was over and another delivery holds it
--- steps
op=claim&key=KEY&lease=200&save=a      => ok 1 \w+
op=claim&key=KEY&delay=400             => ok 2 \w+
op=release&key=KEY&token=a             => sent
op=claim&key=KEY                       => busy
--- logged
was not held at its release



=== TEST 16: release: no record
--- steps
op=release&key=KEY&token=00000000000000ab => sent
op=claim&key=KEY                       => ok 1 \w+
--- logged
was not held at its release



=== TEST 17: release: of what is committed
--- steps
op=claim&key=KEY&save=a                => ok 1 \w+
op=commit&key=KEY&token=a              => sent
op=release&key=KEY&token=a             => sent
op=claim&key=KEY                       => committed
--- logged
was not held at its release



=== TEST 18: release: twice
--- steps
op=claim&key=KEY&save=a                => ok 1 \w+
op=release&key=KEY&token=a             => sent
op=release&key=KEY&token=a             => sent
op=claim&key=KEY                       => ok 2 \w+
--- logged
was not held at its release



=== TEST 19: keep: a released record is forgotten
--- steps
op=claim&key=KEY&save=a                => ok 1 \w+
op=release&key=KEY&token=a&keep=300    => sent
op=claim&key=KEY&delay=500             => ok 1 \w+



=== TEST 20: keep: a committed record is forgotten, not before
--- steps
op=claim&key=KEY&save=a&keep=200       => ok 1 \w+
op=commit&key=KEY&token=a&keep=1200    => sent
op=claim&key=KEY&delay=500             => committed
op=claim&key=KEY&delay=1000            => ok 1 \w+



=== TEST 21: keep: a record lives at least as long as its lease
--- steps
op=claim&key=KEY&keep=200&lease=5000   => ok 1 \w+
op=claim&key=KEY&delay=400             => busy



=== TEST 22: keep: a commit that comes after the record's life
--- steps
op=claim&key=KEY&keep=200&lease=100&save=a => ok 1 \w+
op=commit&key=KEY&token=a&delay=400    => sent
op=claim&key=KEY                       => committed



=== TEST 23: keep: the count outlives a lease
--- steps
op=claim&key=KEY&lease=200&keep=5000   => ok 1 \w+
op=claim&key=KEY&lease=200&keep=5000&delay=400 => ok 2 \w+



=== TEST 24: keys: compared in full
--- steps
op=claim&key=KEY                       => ok 1 \w+
op=claim&key=KEY1                      => ok 1 \w+
op=claim&key=KE                        => (?:ok 1 \w+|busy)
op=claim&key=k%20KEY                   => ok 1 \w+
op=claim&key=k%0D%0AKEY                => ok 1 \w+
op=claim&key=KEY                       => busy



=== TEST 25: keys: of all lengths
--- steps eval
"op=claim&key=KEY" . ("x" x 250) . " => ok 1 \\w+\n"
. "op=claim&key=KEY" . ("x" x 250) . " => busy\n"
. "op=claim&key=KEY" . ("x" x 249) . "y => ok 1 \\w+\n"



=== TEST 26: keys: too long
--- steps eval
"op=claim&key=KEY" . ("x" x 320) . " => error\n"
. "op=commit&key=KEY" . ("x" x 320) . " => sent\n"
. "op=release&key=KEY" . ("x" x 320) . " => sent\n"
--- logged
store got an event id of



=== TEST 27: keys: empty
--- steps
op=claim&key=                          => error
--- logged
store got an event id of 0 bytes



=== TEST 28: times: a record that is not kept
--- steps
op=claim&key=KEY&keep=0                => error
--- logged
store got an invalid time



=== TEST 29: race: exactly one of many takes it
--- steps
op=claim&key=KEY&n=32                  => ok=1 committed=0 busy=31 error=0
op=claim&key=KEY&n=32                  => ok=0 committed=0 busy=32 error=0



=== TEST 30: race: all of many keys are taken, and committed
--- steps
op=claim&key=KEY&n=100&spread=1&then=commit => ok=100 committed=0 busy=0 error=0
op=claim&key=KEY&n=100&spread=1        => ok=0 committed=100 busy=0 error=0



=== TEST 31: race: released as soon as taken
--- steps
op=claim&key=KEY&n=50&spread=1&then=release => ok=50 committed=0 busy=0 error=0
op=claim&key=KEY&n=50&spread=1         => ok=50 committed=0 busy=0 error=0



=== TEST 32: order: what says less comes late
--- steps
op=claim&key=KEYa&order=KEY&says=open  => ok 1 \w+
op=claim&key=KEYb&order=KEY&says=paid  => ok 1 \w+
op=claim&key=KEYc&order=KEY&says=open  => late
op=claim&key=KEYc&order=KEY&says=open  => late
op=claim&key=KEYd&order=KEY&says=paid  => ok 1 \w+
op=claim&key=KEYe&order=KEY&says=open  => late



=== TEST 33: order: events that say nothing, other orders, and none
--- steps
op=claim&key=KEYa&order=KEY            => ok 1 \w+
op=claim&key=KEYb&order=KEY&says=open  => ok 1 \w+
op=claim&key=KEYc&order=KEY&says=paid  => ok 1 \w+
op=claim&key=KEYd&order=KEY            => ok 1 \w+
op=claim&key=KEYe&order=KEY1&says=open => ok 1 \w+
op=claim&key=KEYf&order=KE&says=open   => ok 1 \w+
op=claim&key=KEYg&says=open            => ok 1 \w+
op=claim&key=KEYh&says=paid            => ok 1 \w+
op=claim&key=KEYi&says=open            => ok 1 \w+



=== TEST 34: order: it was true, whatever became of the event
--- steps
op=claim&key=KEYa&order=KEY&says=paid&save=a => ok 1 \w+
op=release&key=KEYa&order=KEY&token=a  => sent
op=claim&key=KEYb&order=KEY&says=open  => late
op=claim&key=KEYa&order=KEY&says=paid&save=a => ok 2 \w+
op=commit&key=KEYa&order=KEY&token=a   => sent
op=claim&key=KEYb&order=KEY&says=open  => late
op=claim&key=KEYa&order=KEY&says=paid  => committed



=== TEST 35: order: what was known of an event before counts first
--- steps
op=claim&key=KEYa&order=KEY&says=open&save=a => ok 1 \w+
op=commit&key=KEYa&order=KEY&token=a   => sent
op=claim&key=KEYb&order=KEY&says=open  => ok 1 \w+
op=claim&key=KEYc&order=KEY&says=paid  => ok 1 \w+
op=claim&key=KEYa&order=KEY&says=open  => committed
op=claim&key=KEYb&order=KEY&says=open  => busy



=== TEST 36: order: a released event, and one whose lease is over, are late
--- steps
op=claim&key=KEYa&order=KEY&says=open&save=a => ok 1 \w+
op=release&key=KEYa&order=KEY&token=a  => sent
op=claim&key=KEYb&order=KEY&says=open&lease=100 => ok 1 \w+
op=claim&key=KEYc&order=KEY&says=paid  => ok 1 \w+
op=claim&key=KEYa&order=KEY&says=open  => late
op=claim&key=KEYb&order=KEY&says=open&delay=300 => late



=== TEST 37: order: a mark is kept like an event, and no longer
--- steps
op=claim&key=KEYa&order=KEY&says=paid&keep=300&lease=10 => ok 1 \w+
op=claim&key=KEYb&order=KEY&says=open&delay=600 => ok 1 \w+



=== TEST 38: order: a mark lives at least as long as a lease
--- steps
op=claim&key=KEYa&order=KEY&says=paid&keep=200&lease=9000 => ok 1 \w+
op=claim&key=KEYb&order=KEY&says=open&delay=400 => late



=== TEST 39: order: another success keeps the mark
--- steps
op=claim&key=KEYa&order=KEY&says=paid&keep=3000&lease=10 => ok 1 \w+
op=claim&key=KEYb&order=KEY&says=paid&keep=3000&lease=10&delay=1800 => ok 1 \w+
op=claim&key=KEYc&order=KEY&says=open&delay=1800 => late
--- timeout: 20



=== TEST 40: order: one that is late keeps the mark
--- steps
op=claim&key=KEYa&order=KEY&says=paid&keep=3000&lease=10 => ok 1 \w+
op=claim&key=KEYb&order=KEY&says=open&keep=3000&lease=10&delay=1800 => late
op=claim&key=KEYb&order=KEY&says=open&delay=1800 => late
--- timeout: 20



=== TEST 41: order: nothing makes the life of a mark shorter
--- steps
op=claim&key=KEYa&order=KEY&says=paid&keep=9000 => ok 1 \w+
op=claim&key=KEYb&order=KEY&says=paid&keep=100&lease=10 => ok 1 \w+
op=claim&key=KEYc&order=KEY&says=open&keep=100&lease=10 => late
op=claim&key=KEYd&order=KEY&says=open&delay=500 => late



=== TEST 42: order: an event and an order of one name are two things
--- steps
op=claim&key=KEY&order=KEY&says=paid&save=a => ok 1 \w+
op=claim&key=KEY&order=KEY&says=paid   => busy
op=release&key=KEY&order=KEY&token=a   => sent
op=claim&key=KEY&order=KEY&says=open   => late
op=claim&key=KEY&order=KEY&says=paid   => ok 2 \w+
op=claim&key=KEY&order=KEY&says=paid   => busy



=== TEST 43: order: names with braces
--- steps
op=claim&key=KEY}a&order=KEY}&says=paid => ok 1 \w+
op=claim&key=KEY}b&order=KEY}&says=open => late
op=claim&key=KEY{c&order=KEY{x}&says=open => ok 1 \w+
op=claim&key={KEY}d&order={KEY}&says=paid => ok 1 \w+
op=claim&key={KEY}e&order={KEY}&says=open => late



=== TEST 44: order: of all lengths, and too long
--- steps eval
"op=claim&key=KEYa&order=KEY" . ("x" x 280) . "&says=paid => ok 1 \\w+\n"
. "op=claim&key=KEYb&order=KEY" . ("x" x 280) . "&says=open => late\n"
. "op=claim&key=KEYc&order=KEY" . ("x" x 279) . "y&says=open => ok 1 \\w+\n"
. "op=claim&key=KEYd&order=KEY" . ("x" x 320) . "&says=open => error\n"
--- logged
store got an order id of



=== TEST 45: order: many at the same time
--- steps
op=claim&key=KEYa&order=KEY&says=open&n=32&spread=1 => ok=32 committed=0 busy=0 error=0
op=claim&key=KEYb&order=KEY&says=paid&n=32&spread=1 => ok=32 committed=0 busy=0 error=0
op=claim&key=KEYc&order=KEY&says=open&n=32&spread=1 => ok=0 committed=0 busy=0 error=0 late=32
op=claim&key=KEYb&order=KEY&says=paid&n=32&spread=1 => ok=0 committed=0 busy=32 error=0
