# Redis Cluster: three nodes, slots that move and a node that is killed under
# load, a replica that takes over.  Needs redis-server; the store is always
# that cluster.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

BEGIN {
    plan(skip_all => 'the store is Redis')
        if ($ENV{PAYGW_TEST_STORE} // '') eq 'zone';
}

use Time::HiRes qw(sleep time);

use PaygwCluster;
use PaygwLoad;
use PaygwNginx;

my $Slow = $PaygwNginx::Slow;
my $Timeout = 1500 * $Slow;
my @Channels = map { "c$_" } 1 .. 24;


sub nginx_for {
    my ($url, %o) = @_;
    my $args = $o{args} || '';
    return PaygwNginx->start(http => "paygw_store redis://$url cluster "
                                     . "timeout=${Timeout}ms $args;", %o);
}

sub ask {
    my ($nginx, $op, $key, $args) = @_;
    return $nginx->get("/s?op=$op&key=$key" . ($args // ''));
}

sub works {
    my ($nginx, $name, @channels) = @_;
    my $n = 0;
    for my $channel (@channels) {
        my $key = "$channel:" . int(1e9 * rand);
        ok($nginx->wait_for(sub { ask($nginx, 'claim', $key) =~ /^ok 1/ }),
           "$name: $channel") or diag($nginx->log);
    }
}

sub done {
    my ($nginx, $name) = @_;
    ok($nginx->quit, "$name: quits");
    my @bad = grep { /\[(?:alert|crit|emerg)\]/ } split /\n/, $nginx->log;
    push @bad, grep { /runtime error|Sanitizer/ } split /\n/, $nginx->output;
    ok(!@bad, "$name: no alert") or diag("@bad");
}

# a sum over the nodes of what they have counted
sub counted {
    my ($cluster, $section, $re) = @_;
    my $n = 0;
    for my $node (@{ $cluster->{nodes} }) {
        $n += $_ for $node->cmd('INFO', $section) =~ /$re/g;
    }
    return $n;
}

sub errors {
    my ($cluster, $word) = @_;
    return counted($cluster, 'errorstats', qr/errorstat_$word:count=(\d+)/);
}

sub moved { return errors($_[0], 'MOVED') }
sub asked { return errors($_[0], 'ASK') }


# -- three nodes --

{
    my $cluster = PaygwCluster->start(args => ['--appendonly', 'yes',
                                               '--appendfsync', 'always']);
    my $nginx = nginx_for($cluster->url);

    # all slots that Redis computes are those that we do: it corrects nobody

    my %on;
    for my $channel (@Channels) {
        my $key = "$channel:a{b}:$$";
        my $order = "&order=$channel:o{}1&says";
        $on{$cluster->of("{$channel}")}++;
        like(ask($nginx, 'claim', $key, "$order=paid&save=a"), qr/^ok 1 /,
             "claim, $channel");
        is(ask($nginx, 'claim', "$key-", "$order=open"), 'late',
           "late, $channel");
        is(ask($nginx, 'commit', $key, "$order=paid&token=a"), 'sent');
        ok($nginx->wait_for(sub { ask($nginx, 'claim', $key) eq 'committed' }),
           "commit, $channel");
        like(ask($nginx, 'append', "$key-q", "$order=paid&stream={$channel}:s"),
             qr/^ok 1 /, "append, $channel");
        like(ask($nginx, 'once', "$channel:n"), qr/^ok /, "once, $channel");
        is(ask($nginx, 'once', "$channel:n"), 'committed', "twice, $channel");

        my $limits = join ',', map { "$channel:$_/1/3600000000/1" } qw(a b);
        like($nginx->get("/s?op=limit&limits=$limits"), qr/^ok /,
             "limits of one value, $channel");
        like(ask($nginx, 'begin', "$channel:b", '&print=p&save=b'), qr/^ok 1/,
             "begin, $channel");
        like(ask($nginx, 'finish', "$channel:b", '&print=p&token=b&size=70000'),
             qr/^ok /, "finish, $channel");
        like(ask($nginx, 'begin', "$channel:b", '&print=p'), qr/^kept 70000 /,
             "kept, $channel");
    }
    is(join(' ', sort keys %on), '0 1 2', 'all nodes have channels');

    SKIP: {
        skip 'Redis counts no errors', 1
            if $cluster->node(0)->cmd('INFO') !~ /redis_version:(?!5|6\.0)/;
        is(moved($cluster), 0, 'no command was redirected');
    }

    # the name of a stream that nginx -t would have refused

    is(ask($nginx, 'append', 'c1:slot', '&stream=s'), 'error',
       'a stream of another slot');
    ok($nginx->wait_for(sub { $nginx->log =~ /one \{hash tag\}/ }),
       'a stream of another slot: says what to do');

    # one connection a node a worker, and the map was asked for once

    for my $i (0 .. 2) {
        my @clients = grep { /addr=/ && !/cmd=client/ }
                      split /\n/, $cluster->node($i)->cmd('CLIENT', 'LIST');
        is(scalar @clients, 1, "one connection to node $i");
    }
    is(counted($cluster, 'commandstats', qr/eval:calls=(\d+)/), 3 * 6,
       'a script is sent in full once a node');

    like($nginx->get('/s?op=claim&key=x&n=300&spread=1&then=commit'),
         qr/^ok=300 committed=0 busy=0 error=0/, 'many at a time');
    done($nginx, 'three nodes');

    # any of the nodes is enough to begin with

    $nginx = nginx_for('127.0.0.1:' . $cluster->node(1)->port);
    works($nginx, 'one seed', @Channels[0 .. 5]);
    done($nginx, 'one seed');


    # -- a slot that has moved while nobody looked --

    $nginx = nginx_for($cluster->url);
    works($nginx, 'before', @Channels);

    my $channel = $cluster->key_on(0, 'm%d');
    my $slot = $cluster->slot("{$channel}");

    like(ask($nginx, 'claim', "$channel:1", '&save=m'), qr/^ok 1/, 'claimed');
    $cluster->move($slot, 0, 1);
    is(ask($nginx, 'claim', "$channel:1"), 'busy', 'moved: still held');
    is(ask($nginx, 'commit', "$channel:1", '&token=m'), 'sent');
    ok($nginx->wait_for(sub {
           ask($nginx, 'claim', "$channel:1") eq 'committed' }),
       'moved: committed by the token of the old node');
    like(ask($nginx, 'append', "$channel:2", "&stream={$channel}:s"),
         qr/^ok 1/, 'moved: append');

    my $before = moved($cluster);
    like(ask($nginx, 'claim', "$channel:3"), qr/^ok 1/, 'moved: a new one');
    is(moved($cluster), $before, 'moved: it is known now');

    # -- and under load, with its keys on both sides --

    my $load = PaygwLoad->begin($nginx, [ $channel, 'c1', 'c2' ]);
    sleep 0.5;
    my $asked = asked($cluster);
    $cluster->move($slot, 1, 2, sub {
        my $where = shift;
        sleep 0.4;
        return if $where ne 'half';

        # Redis does not decide about two keys, of which it has one
        is(ask($nginx, 'claim', "$channel:two", "&order=$channel:1&says=paid"),
           'error', 'ask: an order that is not there yet');

        # what is there already, and what was made after it had begun
        is(ask($nginx, 'claim', "$channel:1"), 'committed', 'ask: old');
        like(ask($nginx, 'claim', "$channel:new", '&save=n'), qr/^ok 1/,
             'ask: new');
        is(ask($nginx, 'claim', "$channel:new"), 'busy', 'ask: held');
        is(ask($nginx, 'commit', "$channel:new", '&token=n'), 'sent');
        ok($nginx->wait_for(sub {
               ask($nginx, 'claim', "$channel:new") eq 'committed' }),
           'ask: committed');
    });
    like(ask($nginx, 'claim', "$channel:two", "&order=$channel:1&says=paid"),
         qr/^ok 1/, 'move: and then it is');
    sleep 0.3;

    my $books = $load->end;
    cmp_ok(asked($cluster), '>', $asked, 'ASK was followed');
    is(scalar @{ $books->{503} }, 0, 'move: no 503')
        or diag(join "\n", grep { /error|warn/ } split /\n/, $nginx->log);
    $books->balance('move');


    # -- a node is killed under load, and comes back with what it had --

    my @alive = grep { $cluster->of("{$_}") != 1 } @Channels;
    my @dead = grep { $cluster->of("{$_}") == 1 } @Channels;

    $load = PaygwLoad->begin($nginx, [ @dead[0, 1], @alive[0, 1] ]);
    sleep 0.5;
    $cluster->node(1)->stop;
    sleep 0.5;

    my ($worst, $bad) = (0, 0);
    for my $n (1 .. 30) {
        my $begin = time;
        $bad++ if ask($nginx, 'claim', "$alive[$n % @alive]:k$n") !~ /^ok 1/;
        $bad++ if ask($nginx, 'claim', "$dead[$n % @dead]:k$n") ne 'error';
        $bad++ if ask($nginx, 'once', "$dead[$n % @dead]:k$n") ne 'error';
        $worst = time - $begin if time - $begin > $worst;
    }
    is($bad, 0, 'killed: its slots are closed, the others are not');
    cmp_ok($worst, '<', $Timeout / 1000 + 3 * $Slow, 'killed: in time');

    $cluster->node(1)->run;
    works($nginx, 'back', @dead[0, 1]);
    sleep 0.5;

    $books = $load->end;
    cmp_ok(scalar @{ $books->{503} }, '>', 0, 'killed: 503');
    is(scalar(my @others = grep { my $k = $_; grep { $k =~ /^$_:/ } @alive }
                           @{ $books->{503} }), 0, 'killed: none of others');
    $books->balance('kill');


    # -- frozen: it has the connections, and answers nothing --

    $cluster->node(2)->freeze;
    my ($frozen) = grep { $cluster->of("{$_}") == 2 } @Channels;
    my ($other) = grep { $cluster->of("{$_}") == 0 } @Channels;
    my $begin = time;
    is(ask($nginx, 'claim', "$frozen:f1"), 'error', 'frozen: error');
    cmp_ok(time - $begin, '<', $Timeout / 1000 + 2 * $Slow, 'frozen: in time');
    like(ask($nginx, 'claim', "$other:f1"), qr/^ok 1/, 'frozen: others work');
    is(ask($nginx, 'once', "$frozen:f1"), 'error', 'frozen: error of a nonce');
    $cluster->node(2)->thaw;
    works($nginx, 'thawed', $frozen);


    # -- reload and quit --

    ok($nginx->reload, 'reload');
    works($nginx, 'reload', @Channels[0 .. 5]);
    done($nginx, 'cluster');
    $cluster->stop;
}

done_testing();
