package PaygwProcess;

# A process that serves one test file: the base of PaygwNginx, PaygwRedis,
# PaygwSandbox and FakeRedis.
#
#   my $self = $class->new(...);              # is stopped when the file ends
#   $self->{pid} = spawn("$dir/log", @command);
#   wait_for(sub { ... }, $seconds);
#
# Each is known by its pid, and nothing is ever ended by its name.

use strict;
use warnings;

use Exporter 'import';
use File::Temp ();
use IO::Socket::INET ();
use POSIX ();
use Time::HiRes ();

our @EXPORT_OK = qw(folder free_port nginx_port listens spawn gone wait_for);

our $Pid = $$;
# valgrind and the sanitizers take their time, and so must what waits for them
our $Slow = $ENV{TEST_NGINX_USE_VALGRIND} ? 4 : $ENV{ASAN_OPTIONS} ? 2 : 1;
our @All;


sub new {
    my ($class, %o) = @_;
    my $self = bless { %o }, $class;
    push @All, $self;
    return $self;
}


# an empty one that goes with the test file, and that workers may enter

sub folder {
    my $name = shift;
    my $dir = File::Temp::tempdir("paygw-$name-XXXXXX", TMPDIR => 1,
                                  CLEANUP => 1);
    chmod 0755, $dir;
    return $dir;
}


# Below the ports that the system gives to connections: none of them may take
# it before it is used, or while a server is started again.  With $more the port
# so much above it is free as well.  None is given twice: the first may not be
# in use yet.

my %Given;

sub free_port {
    my $more = shift // 0;

    for (1 .. 1000) {
        my $port = 20000 + int rand 12000 - $more;
        next if $Given{$port};
        my @s = map { IO::Socket::INET->new(Listen => 1, ReuseAddr => 1,
                                            LocalAddr => '127.0.0.1',
                                            LocalPort => $_) // () }
                $port, $more ? $port + $more : ();
        next if @s < ($more ? 2 : 1);
        $Given{$port} = 1;
        return $port;
    }
    die 'no free port';
}


# Test::Nginx takes any port from 1988 to 65535 for a whole file, whose nginx is
# started again for each block.  A connection may have got it meanwhile, and
# keeps it for a minute after its end.  So a port is taken anew, below these and
# below those of free_port(); and those that are taken later likewise.

sub nginx_port {
    no warnings qw(redefine prototype);
    no strict 'refs';

    my $name = 'Test::Nginx::Util::gen_rand_port';
    return if !$ENV{TEST_NGINX_RANDOMIZE} || !defined &$name;

    my $any = \&$name;
    *$name = sub (;$$$) {
        for (1 .. 1000) {
            my $port = $any->(@_) // return undef;
            return $port if $port < 19_990;
        }
        return undef;
    };

    $Test::Nginx::Util::ServerPort = &$name() // die 'no free port';
    $Test::Nginx::Util::ServerPortForClient = $Test::Nginx::Util::ServerPort;
}


# whether somebody listens on a port, without a connection that would be seen

sub listens {
    my $port = sprintf ':%04X', shift;
    for my $file (grep { -e } '/proc/net/tcp', '/proc/net/tcp6') {
        open my $fh, '<', $file or die "$file: $!";
        while (my $line = <$fh>) {
            my @f = split ' ', $line;
            return 1 if $f[3] eq '0A' && $f[1] =~ /\Q$port\E$/;
        }
    }
    return 0;
}


# a child with its output at the end of a file

sub spawn {
    my ($out, @cmd) = @_;

    my $pid = fork;
    die "fork: $!" if !defined $pid;
    return $pid if $pid;

    open STDIN, '<', '/dev/null';
    open STDOUT, '>>', $out;
    open STDERR, '>&', \*STDOUT;
    exec @cmd or POSIX::_exit(127);
}


# a child, or a process that has left for the background; nobody may be there
# who wants to hear of its end

sub gone {
    my $pid = shift;
    return 1 if waitpid($pid, POSIX::WNOHANG()) == $pid || !kill 0, $pid;
    open my $fh, '<', "/proc/$pid/stat" or return 1;
    return (<$fh> // '') =~ /^\d+ \(.*\) Z /s;
}


# also as a method; it returns as soon as it can, so that much time costs
# nothing but where something is wrong, and a busy machine gets it in any case

sub wait_for {
    shift if ref $_[0] ne 'CODE';
    my ($code, $seconds) = @_;

    $seconds = 15 if !$seconds || $seconds < 15;

    my $end = Time::HiRes::time()
              + $seconds * ($ENV{TEST_NGINX_USE_VALGRIND} ? 4 : 1);

    while (1) {
        return 1 if $code->();
        return 0 if Time::HiRes::time() >= $end;
        Time::HiRes::sleep(0.02);
    }
}


# more than one may be there

sub stop {
    my ($self, $signal) = @_;

    local ($?, $!);

    for my $pid (grep { $_ } delete $self->{pid},
                 splice @{ $self->{pids} || [] })
    {
        kill 'CONT', $pid;
        kill $signal || 'KILL', $pid;
        waitpid $pid, 0;
    }
}


END {
    if ($$ == $Pid) {
        local ($?, $!);
        $_->stop for reverse @All;
    }
}


1;
