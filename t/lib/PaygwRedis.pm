package PaygwRedis;

# A redis-server for one test file, on a port and a socket of its own.
#
#   my $redis = PaygwRedis->start(args => [...]);
#   my $redis = PaygwRedis->cluster;      # of this server alone
#   $redis->port; $redis->socket; $redis->cmd('GET', 'x');
#   $redis->freeze; $redis->unread; $redis->thaw; $redis->stop; $redis->run;
#
# It is killed by its pid when the file ends.  The first one sets
# TEST_NGINX_REDIS_PORT, unless that is set; PaygwRedis->port_of_tests starts
# one only if none is named by it.

use strict;
use warnings;

use IO::Socket::INET ();

use PaygwProcess qw(folder free_port spawn gone wait_for);

our @ISA = ('PaygwProcess');


sub start {
    my ($class, %o) = @_;

    my $self = $class->new(args => [], %o);

    $self->{dir} = folder('redis');
    $self->{socket} = "$self->{dir}/sock";

    # another one may have taken a free port before us

    for my $try ($o{port} ? 1 : (1 .. 3)) {
        $self->{port} = $o{port} || free_port();
        last if eval { $self->run };
    }

    die $@ if $@;

    $ENV{TEST_NGINX_REDIS_PORT} ||= $self->{port};
    $ENV{TEST_NGINX_REDIS_SOCKET} ||= $self->{socket};

    return $self;
}


# It has another port, 10000 above its own, which others may have taken.

sub cluster {
    my $class = shift;
    my $self;

    for (1 .. 5) {
        my $port = free_port(10000);
        $self = eval { $class->start(port => $port, args => [
                           '--cluster-enabled', 'yes' ]) };
        last if $self;
    }

    die $@ if !$self;

    $self->cmd('CLUSTER', 'ADDSLOTS', 0 .. 16383);

    for (1 .. 400) {
        return $self if $self->cmd('CLUSTER', 'INFO') =~ /cluster_state:ok/;
        Time::HiRes::sleep(0.05);
    }

    die "the cluster does not come up, see $self->{dir}/log";
}


# that of TEST_NGINX_REDIS_PORT, which is not ours to stop, or else a new one

sub of_tests {
    my $class = shift;
    my $port = $ENV{TEST_NGINX_REDIS_PORT} or return $class->start;
    return $class->new(port => $port);
}


sub port_of_tests {
    my $class = shift;
    $class->start if !$ENV{TEST_NGINX_REDIS_PORT};
    return $ENV{TEST_NGINX_REDIS_PORT};
}


sub port   { return $_[0]{port} }
sub socket { return $_[0]{socket} }
sub pid    { return $_[0]{pid} }
sub dir    { return $_[0]{dir} }


# starts it (again): it remembers nothing

sub run {
    my $self = shift;

    return if $self->{pid};

    delete local $ENV{LD_PRELOAD};

    my $pid = spawn("$self->{dir}/log", 'redis-server', '--port',
                    $self->{port}, '--bind', '127.0.0.1', '--unixsocket',
                    $self->{socket}, '--save', '', '--appendonly', 'no',
                    '--dir', $self->{dir}, @{ $self->{args} });

    $self->{pid} = $pid;

    # an error reply is an answer too: it wants a password

    my $answer;
    wait_for(sub {
        $answer = eval { $self->cmd('PING') } || $@;
        return $answer =~ /^(?:PONG|redis: (?:NOAUTH|NOPERM))/ || gone($pid);
    });

    return $self if $answer =~ /^(?:PONG|redis: NO)/;

    delete $self->{pid} if gone($pid);
    $self->stop;
    die "redis-server does not start, see $self->{dir}/log";
}


sub freeze { kill 'STOP', $_[0]{pid} or die 'no redis-server of ours' }
sub thaw   { kill 'CONT', $_[0]{pid} or die 'no redis-server of ours' }


# bytes that were sent to it and that it has not read: what has come while it
# is frozen

sub unread {
    my $self = shift;
    my $port = sprintf '0100007F:%04X', $self->{port};
    my $n = 0;
    open my $fh, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!";
    while (my $line = <$fh>) {
        my @f = split ' ', $line;
        $n += hex((split /:/, $f[4])[1]) if $f[1] eq $port && $f[3] eq '01';
    }
    return $n;
}


# commands on a connection of their own; the answer to the last one

sub cmd {
    my ($self, @args) = @_;
    return $self->cmds([@args]);
}


sub cmds {
    my ($self, @cmds) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', Timeout => 5,
                                  PeerPort => $self->{port})
        or die "redis: $!\n";
    my $answer;

    for my $args (@cmds) {
        print $s '*' . @$args . "\r\n"
            . join '', map { '$' . length($_) . "\r\n$_\r\n" } @$args;
        $answer = answer($s);
    }

    return $answer;
}


sub answer {
    my $s = shift;

    my $line = readline $s;
    die "redis: no answer\n" if !defined $line;

    my ($type, $rest) = $line =~ /^(.)(.*?)\r\n$/s;

    return $rest if $type eq '+' || $type eq ':';
    die "redis: $rest\n" if $type eq '-';
    return undef if $rest < 0;
    return [ map { answer($s) } 1 .. $rest ] if $type eq '*';

    read $s, my $data, $rest + 2;
    return substr $data, 0, $rest;
}


1;
