# Limits in a Redis Cluster: a script has one slot, so limits of several values
# are several operations.  Needs redis-server; the store is always that.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwCluster;
use PaygwNginx;
use PaygwTest ();

my $Cluster = PaygwCluster->start;

# values on three nodes

my @On = map { $Cluster->key_on($_, "{k$$-%d}") } 0 .. 2;
tr/{}//d for @On;

my $nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_store redis://"
            . $Cluster->url . " cluster timeout=" . 1000 * $PaygwNginx::Slow
            . "ms;\n",
    server => <<'CONF');
location = /a {
    paygw_limit $arg_a rate=1r/h burst=3 store_error=refuse;
    paygw_limit $arg_a rate=1r/m burst=9 store_error=refuse name=a2;
    paygw_limit $arg_b rate=1r/h burst=9 store_error=refuse name=b;
    paygw_limit $arg_c rate=1r/h burst=9 store_error=refuse name=c;
    return 200;
}
location = /one { paygw_limit $arg_a rate=1r/h burst=3 store_error=refuse;
                  return 200; }
location = /zone { paygw_limit $arg_a rate=1r/h burst=1; return 200; }
location = /zones { paygw_limit $arg_a rate=1r/h burst=1 name=za;
                    paygw_limit $arg_b rate=1r/h burst=1 name=zb;
                    return 200; }
location = /metrics { paygw_metrics; }
CONF

sub get {
    my $s = PaygwTest::server_connect($nginx->{port});
    print $s "GET $_[0] HTTP/1.0\r\n\r\n";
    $s->flush;
    my $all = do { local $/; readline $s } // '';
    my ($status) = $all =~ /^HTTP\/1.\d (\d+)/;
    my ($limit) = $all =~ /^RateLimit: (\S+;r=\d+)/m;
    return $status . ($limit ? " $limit" : '');
}

sub works { my $target = shift;
            return $nginx->wait_for(sub { get($target) =~ /^200/ }, 20) }

ok(works("/one?a=x$_"), 'the cluster is there') for 1 .. 3;

my $target = "/a?a=$On[0]&b=$On[1]&c=$On[2]";
is(get($target), "200 \"1r/h\";r=$_", 'three nodes') for 3, 2, 1, 0;
is(get($target), '429 "1r/h";r=0') for 1 .. 2;
is(get("/a?b=$On[1]"), '200 "b";r=3',
   'other nodes were charged for what was refused');
is(get("/one?a=$On[0]"), '429 "1r/h";r=0', 'the same bucket');

# values that Redis would find no hash tag in, or less of one: several limits of
# one are one step, and no two values are one

for my $value ('}', "}$On[0]", "}$$", "}}$$", "%}$$", "%%}$$", "%$$",
               "$$}", "{$$}", "$$}x", '%')
{
    is(get("/a?a=$value"), "200 \"1r/h\";r=$_", "$value: two limits")
        for 3, 2, 1, 0;
    is(get("/a?a=$value"), '429 "1r/h";r=0', "$value: over");
}

# a slot is moved, with the bucket that is in it

my $slot = $Cluster->slot("{$On[0]}");
$Cluster->move($slot, 0, 2, sub {
    is(get("/one?a=$On[0]"), '429 "1r/h";r=0', "on the way: $_[0]");
});
is(get("/one?a=$On[0]"), '429 "1r/h";r=0', 'moved');

# a node is killed

$Cluster->node(1)->stop;
is(get("/zone?a=$On[1]"), '200 "1r/h";r=1', 'the zone counts');
is(get("/zone?a=$On[1]"), '200 "1r/h";r=0');
is(get("/zone?a=$On[1]"), '429 "1r/h";r=0');
is(get("/one?a=$On[1]"), '503', 'refused');

my @two = map { $Cluster->key_on(1, "{$_$$-%d}") =~ tr/{}//dr } qw(l m);
like(get("/zones?a=$two[0]&b=$two[1]"), qr/^200 /, 'the zone counts both');
my $metrics;
ok($nginx->wait_for(sub {
    $metrics = $nginx->get('/metrics');
    return $metrics =~ /^paygw_limit_fallbacks_total 4$/m;
}, 5), 'each request is counted once')
    or diag($metrics =~ /^(paygw_limit_fallbacks_total.*)$/m);
is(get("/a?a=z$$&b=$On[1]"), '503');
ok(works("/one?a=$On[2]"), 'other nodes go on');
like(get("/a?a=$On[0]&b=$On[1]"), qr/^429 "1r\/h";r=0/,
     'one that is over, and one that is away');

ok($nginx->quit, 'quits');
is(join(' ', grep { /\[(?:alert|crit|emerg)\]/ } split /\n/, $nginx->log), '',
   'no alert');

done_testing();
