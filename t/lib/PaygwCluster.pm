package PaygwCluster;

# A Redis cluster for one test file: each node a redis-server of PaygwRedis.
#
#   my $cluster = PaygwCluster->start(masters => 3, replicas => 1);
#   $cluster->node($i);                   # PaygwRedis; masters come first
#   $cluster->of($key);                   # the number of the node that has it
#   $cluster->url;                        # "127.0.0.1:PORT,127.0.0.1:PORT,..."
#   $cluster->key_on($i, 'prefix-%d');    # a name whose tag is on that node
#   $cluster->move($slot, $to, sub { });  # calls it in the middle of the way
#
# With tls => ['--tls-cert-file', ...] they talk TLS among themselves, and
# tls_port($i) is where they do so with others.
#
# The slots of n masters are n equal parts, in their order.

use strict;
use warnings;

use Time::HiRes ();

use PaygwProcess qw(free_port wait_for);
use PaygwRedis;


sub start {
    my ($class, %o) = @_;

    my $self = bless { masters => 3, replicas => 0, args => [], timeout => 1500,
                       nodes => [], %o }, $class;
    my $n = $self->{masters} * (1 + $self->{replicas});

    while (@{ $self->{nodes} } < $n) {
        my $node;
        for (1 .. 5) {
            my $tls = $self->{tls} && free_port(10000);
            my @tls = $tls ? ('--tls-port', $tls, '--tls-cluster', 'yes',
                              @{ $self->{tls} }) : ();
            $node = eval { PaygwRedis->start(port => free_port(10000),
                                             tls => $tls, args => [ @tls,
                '--cluster-enabled', 'yes', '--cluster-node-timeout',
                $self->{timeout}, '--cluster-require-full-coverage', 'no',
                '--cluster-migration-barrier', 99,
                '--repl-diskless-sync-delay', 0,
                '--repl-ping-replica-period', 1,
                '--cluster-replica-validity-factor', 0,
                @{ $self->{args} } ]) } and last;
        }
        push @{ $self->{nodes} }, $node || die $@;
    }

    my @nodes = @{ $self->{nodes} };
    $self->{ids} = [ map { $_->cmd('CLUSTER', 'MYID') } @nodes ];

    for my $i (0 .. $#nodes) {
        $nodes[$i]->cmd('CLUSTER', 'SET-CONFIG-EPOCH', $i + 1);
        next if $i >= $self->{masters};
        my ($from, $to) = map { int(16384 * $_ / $self->{masters}) } $i, $i + 1;
        $nodes[$i]->cmd('CLUSTER', 'ADDSLOTS', $from .. $to - 1);
    }

    for my $node (@nodes[1 .. $#nodes]) {
        $node->cmd('CLUSTER', 'MEET', '127.0.0.1',
                   $nodes[0]{tls} || $nodes[0]->port);
    }

    $self->wait_for(sub { !grep { $_ < $n } map { $self->known($_) } @nodes })
        or die 'the nodes do not meet';

    for my $i ($self->{masters} .. $#nodes) {
        my $id = $self->{ids}[$i % $self->{masters}];
        $self->wait_for(sub {
            eval { $nodes[$i]->cmd('CLUSTER', 'REPLICATE', $id) };
        }) or die 'no replica';
    }

    $self->wait_for(sub { $self->agree }) or die 'the cluster does not come up';

    return $self;
}


sub known { return scalar split /\n/, $_[1]->cmd('CLUSTER', 'NODES') }


# every node knows who has which slots, and all replicas are there

sub agree {
    my $self = shift;
    my %seen;

    for my $node (@{ $self->{nodes} }) {
        return 0 if $node->cmd('CLUSTER', 'INFO') !~ /cluster_state:ok/
                    || $node->cmd('INFO', 'replication')
                       =~ /master_link_status:down/;
        my @slots = sort { $a->[0] <=> $b->[0] }
                    @{ $node->cmd('CLUSTER', 'SLOTS') };
        $seen{join ' ', map { "$_->[0]-$_->[1]:$_->[2][1]:" . @$_ } @slots}++;
        return 0 if grep { @$_ != 3 + $self->{replicas} } @slots;
    }

    return keys %seen == 1;
}


sub node { return $_[0]{nodes}[$_[1]] }
sub tls_port { return $_[0]{nodes}[$_[1]]{tls} }
sub url  { return join ',', map { '127.0.0.1:' . $_->port }
                                @{ $_[0]{nodes} } }
sub slot { return $_[0]{nodes}[0]->cmd('CLUSTER', 'KEYSLOT', $_[1]) }


sub of {
    my ($self, $key) = @_;
    return int($self->slot($key) * $self->{masters} / 16384);
}


sub key_on {
    my ($self, $i, $format) = @_;
    for my $n (1 .. 10000) {
        my $key = sprintf $format, $n;
        return $key if $self->of($key) == $i;
    }
    die "no key for node $i";
}


# the migration of one slot, as redis-cli does it; the code is called when the
# slot is on the way, once before any of its keys, and once after half of them

sub move {
    my ($self, $slot, $from, $to, $code) = @_;
    my ($a, $b) = map { $self->node($_) } $from, $to;

    $b->cmd('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $self->{ids}[$from]);
    $a->cmd('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $self->{ids}[$to]);

    $code->('open') if $code;
    my $half = int($a->cmd('CLUSTER', 'COUNTKEYSINSLOT', $slot) / 2) || 1;
    $self->migrate($slot, $a, $b, $half);
    $code->('half') if $code;
    while ($self->migrate($slot, $a, $b, 100)) { }

    $b->cmd('CLUSTER', 'SETSLOT', $slot, 'NODE', $self->{ids}[$to]);
    $a->cmd('CLUSTER', 'SETSLOT', $slot, 'NODE', $self->{ids}[$to]);
}


sub migrate {
    my ($self, $slot, $a, $b, $n) = @_;
    my @keys = @{ $a->cmd('CLUSTER', 'GETKEYSINSLOT', $slot, $n) };
    $a->cmd('MIGRATE', '127.0.0.1', $b->port, '', 0, 5000, 'KEYS', @keys)
        if @keys;
    return scalar @keys;
}


sub stop { $_->stop for @{ $_[0]{nodes} } }


1;
