# Redis Cluster: a replica takes over from a node that is killed under load.
# Needs redis-server; the store is always that cluster.

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

my $cluster = PaygwCluster->start(replicas => 1);
my ($dead, $alive) = map { $cluster->key_on($_, 'c%d') } 1, 2;
my $nginx = PaygwNginx->start(http =>
    'paygw_store redis://' . $cluster->url . " cluster timeout=${Timeout}ms;");


sub ask {
    my ($op, $key, $args) = @_;
    return $nginx->get("/s?op=$op&key=$key" . ($args // ''));
}


# a replica that is asked by mistake sends to its primary

{
    my $replica = PaygwNginx->start(http => 'paygw_store redis://127.0.0.1:'
        . $cluster->node(4)->port . " cluster timeout=${Timeout}ms;");
    like($replica->get("/s?op=claim&key=$_:r"), qr/^ok 1/,
         "replica as seed: $_") for $dead, $alive;
    ok($replica->quit, 'replica as seed: quits');
}

# what the replica has before its primary goes

like(ask('claim', "$dead:before", '&save=a'), qr/^ok 1/, 'before');
is(ask('commit', "$dead:before", '&token=a'), 'sent');
like(ask('claim', "$dead:held", '&lease=60000&save=h'), qr/^ok 1/, 'held');
like(ask('append', "$dead:q", "&stream={$dead}:s&replicas=1&wait=200"),
     qr/^ok 1/, 'append: a replica has it');
ok($nginx->wait_for(sub { ask('claim', "$dead:before") eq 'committed' }),
   'committed');
$cluster->node(1)->cmds([ 'SET', "{$dead}:x", 1 ], [ 'WAIT', 1, 5000 ]);

my $load = PaygwLoad->begin($nginx, [ $dead, $alive ]);
sleep 0.5;
$cluster->node(1)->stop;
my $begin = time;

ok($nginx->wait_for(sub { ask('claim', "$dead:after" . rand) =~ /^ok 1/ }, 30),
   'taken over, without a reload') or diag($nginx->log);
diag(sprintf '%.1f s', time - $begin);

is(ask('claim', "$dead:before"), 'committed', 'taken over: committed');
is(ask('append', "$dead:q", "&stream={$dead}:s"), 'committed',
   'taken over: the stream has it');
is(ask('claim', "$dead:held"), 'busy', 'taken over: held');
is(ask('commit', "$dead:held", '&token=h'), 'sent');
ok($nginx->wait_for(sub { ask('claim', "$dead:held") eq 'committed' }),
   'taken over: committed under the old token');

sleep 0.3;
my $books = $load->end;
$books->balance('replica', forgets => 1);
is(scalar(my @others = grep { /^$alive:/ } @{ $books->{503} }), 0,
   'the others never stopped');

# the old one comes back, as a replica

$cluster->node(1)->run;
ok($nginx->wait_for(sub {
       $cluster->node(1)->cmd('INFO', 'replication') =~ /role:slave/ }, 30),
   'back as a replica');
is(ask('claim', "$dead:before"), 'committed', 'back: committed');
like(ask('claim', "$dead:back"), qr/^ok 1/, 'back: works');

ok($nginx->quit, 'quits');
unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');
$cluster->stop;

done_testing();
