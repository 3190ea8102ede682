package PaygwRedis;

# A redis-server for one test file, on a port and a socket of its own.
#
#   my $redis = PaygwRedis->start(args => [...]);
#   my $redis = PaygwRedis->cluster;      # of this server alone
#   $redis->port; $redis->socket; $redis->cmd('GET', 'x');
#   $redis->freeze; $redis->thaw; $redis->stop; $redis->run;
#
# It is killed by its pid when the file ends.  The first one sets
# TEST_NGINX_REDIS_PORT, unless that is set; PaygwRedis->port_of_tests starts
# one only if none is named by it.

use strict;
use warnings;

use File::Temp ();
use IO::Socket::INET ();
use POSIX ();
use Time::HiRes ();

our $Pid = $$;
our @All;


sub start {
    my ($class, %o) = @_;

    my $self = bless { args => [], %o }, $class;

    $self->{dir} = File::Temp::tempdir('paygw-redis-XXXXXX', TMPDIR => 1,
                                       CLEANUP => 1);
    $self->{socket} = "$self->{dir}/sock";
    $self->{port} ||= free_port();

    $self->run;
    push @All, $self;

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


sub port_of_tests {
    my $class = shift;
    $class->start if !$ENV{TEST_NGINX_REDIS_PORT};
    return $ENV{TEST_NGINX_REDIS_PORT};
}


sub port   { return $_[0]{port} }
sub socket { return $_[0]{socket} }
sub pid    { return $_[0]{pid} }
sub dir    { return $_[0]{dir} }


# Below the ports that the system gives to connections: the server is stopped
# and started again, and none of them may have taken its port meanwhile.

sub free_port {
    my $more = shift;

    for (1 .. 100) {
        my $port = 20000 - ($more // 0) + int rand 12000;
        my @s = grep { $_ } map { IO::Socket::INET->new(
                    Listen => 1, ReuseAddr => 1, LocalAddr => '127.0.0.1',
                    LocalPort => $_) } $port, $more ? $port + $more : ();
        return $port if @s == ($more ? 2 : 1);
    }
    die 'no free port';
}


# starts it (again): it remembers nothing

sub run {
    my $self = shift;

    return if $self->{pid};

    my $pid = fork;
    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        delete $ENV{LD_PRELOAD};
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/log";
        open STDERR, '>&', \*STDOUT;
        exec 'redis-server', '--port', $self->{port}, '--bind', '127.0.0.1',
             '--unixsocket', $self->{socket}, '--save', '',
             '--appendonly', 'no', '--dir', $self->{dir}, @{ $self->{args} }
            or POSIX::_exit(127);
    }

    $self->{pid} = $pid;

    for (1 .. 400) {
        Time::HiRes::sleep(0.025);

        # an error reply is an answer too: it wants a password

        my $answer = eval { $self->cmd('PING') } || $@;
        return $self if $answer =~ /^(?:PONG|redis: (?:NOAUTH|NOPERM))/;

        if (waitpid($pid, POSIX::WNOHANG()) == $pid) {
            delete $self->{pid};
            last;
        }
    }

    $self->stop;
    die "redis-server does not start, see $self->{dir}/log";
}


sub stop {
    my $self = shift;
    my $pid = delete $self->{pid} or return;
    local ($?, $!);
    kill 'CONT', $pid;
    kill 'KILL', $pid;
    waitpid $pid, 0;
}


sub freeze { kill 'STOP', $_[0]{pid} }
sub thaw   { kill 'CONT', $_[0]{pid} }


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


END {
    if ($$ == $Pid) {
        local ($?, $!);
        $_->stop for @All;
    }
}


1;
