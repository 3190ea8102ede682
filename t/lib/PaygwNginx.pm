package PaygwNginx;

# An nginx under the control of a test, for what Test::Nginx cannot do: reload,
# quit, and faults between two requests.  It takes the same environment:
# TEST_NGINX_BINARY, TEST_NGINX_LOAD_MODULES, TEST_NGINX_LD_PRELOAD,
# TEST_NGINX_USE_VALGRIND.  With PAYGW_TEST_THREADS=1 threads sign calls.
#
#   my $nginx = PaygwNginx->start(http => '...', workers => 1);
#   $nginx->get('/s?op=claim&key=x'); $nginx->reload(http => '...');
#   $nginx->log; $nginx->quit;
#
# With daemon => 1 it leaves for the background, as it has to for USR2.  With
# store => 1 its store is a Redis where the suites run with one.

use strict;
use warnings;

use IO::Select ();
use IO::Socket::INET ();
use POSIX ();
use Time::HiRes ();

use PaygwProcess qw(folder free_port spawn gone);

our @ISA = ('PaygwProcess');
our $Slow = $PaygwProcess::Slow;


sub start {
    my ($class, %o) = @_;

    my $self = $class->new(workers => 1, level => 'info', %o);

    $self->{dir} = folder('nginx');
    mkdir "$self->{dir}/logs";
    $self->{port} = free_port();

    $self->configure(%o);

    local $ENV{LD_PRELOAD} = $ENV{TEST_NGINX_LD_PRELOAD}
        if $ENV{TEST_NGINX_LD_PRELOAD};

    my $pid = spawn("$self->{dir}/logs/out",
                    $self->command($self->{daemon} ? ()
                                                   : ('-g', 'daemon off;')));

    if ($self->{daemon}) {
        waitpid $pid, 0;
        $pid = $self->pid_file // die "nginx does not start: " . $self->log;
    }

    $self->{pid} = $pid;

    $self->wait_for(sub { $self->connect || gone($pid) });

    return $self if $self->connect;

    die "nginx does not start: " . $self->log;
}


sub command {
    my ($self, @args) = @_;

    my $valgrind = $ENV{TEST_NGINX_USE_VALGRIND};
    my @cmd = ($ENV{TEST_NGINX_BINARY} || 'nginx', '-p', "$self->{dir}/",
               '-c', "$self->{dir}/nginx.conf", '-e',
               "$self->{dir}/logs/error.log", @args);

    if ($valgrind) {
        # a worker leaves with the tables of its connections

        my $file = "$self->{dir}/valgrind.supp";
        open my $fh, '>', $file or die $!;
        print $fh "{\n    tables of a worker\n    Memcheck:Leak\n"
                  . "    match-leak-kinds: definite,possible\n"
                  . "    fun:malloc\n    fun:ngx_alloc\n"
                  . "    obj:*/nginx\n" x 3 . "    fun:ngx_spawn_process\n}\n";
        close $fh;

        unshift @cmd, 'valgrind', '-q', "--suppressions=$file",
                ($valgrind =~ /\D/ ? split(' ', $valgrind) : ());
    }

    return @cmd;
}


sub configure {
    my ($self, %o) = @_;

    my $modules = join '', map { "load_module $_;\n" }
                  split ' ', $ENV{TEST_NGINX_LOAD_MODULES} || '';
    my $paths = join '', map { "    ${_}_temp_path $self->{dir}/$_;\n" }
                qw(client_body proxy fastcgi uwsgi scgi);
    my $http = $o{http} // $self->{http} // '';
    $http = "    paygw_threads;\n$http"
        if $ENV{PAYGW_TEST_THREADS} && $http =~ /paygw_/
           && $http !~ /paygw_threads/;
    $http = redis() . $http
        if ($o{store} // $self->{store}) && $http !~ /paygw_store /
           && ($ENV{PAYGW_TEST_STORE} // '') eq 'redis';
    my $server = $o{server} // $self->{server}
                 // "location = /s { paygw_test_store; }";
    my $user = $> == 0 ? 'user ' . ($o{user} // $self->{user} // 'root') . ';'
                        : '';
    my $single = $o{single} // $self->{single}
                 ? "master_process off;" : "";
    my $main = $o{main} // $self->{main} // '';
    my $shutdown = $o{shutdown} ? "worker_shutdown_timeout $o{shutdown};" : '';

    open my $fh, '>', "$self->{dir}/nginx.conf" or die $!;
    print $fh <<"CONF";
$modules
$user
worker_processes $self->{workers};
pid $self->{dir}/logs/nginx.pid;
error_log $self->{dir}/logs/error.log $self->{level};
$shutdown
$single
$main
events { worker_connections 512; }
http {
    access_log off;
$paths
$http
    server {
        listen 127.0.0.1:$self->{port};
        $server
    }
}
CONF
    close $fh;
}


# one for all that a file starts, as machines share it

my $Redis;

sub redis {
    require PaygwRedis;
    $Redis //= PaygwRedis->start;
    return '    paygw_store redis://127.0.0.1:' . $Redis->port . ' timeout='
           . 1500 * $Slow . "ms;\n";
}


# what "nginx -t" says

sub test {
    my ($class, %o) = @_;

    my $self = bless { workers => 1, level => 'info', port => 1, %o }, $class;
    $self->{dir} = folder('nginx');
    mkdir "$self->{dir}/logs";
    $self->configure(%o);

    local $ENV{TEST_NGINX_USE_VALGRIND};
    my $pid = open my $fh, '-|';
    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        $ENV{LD_PRELOAD} = $ENV{TEST_NGINX_LD_PRELOAD}
            if $ENV{TEST_NGINX_LD_PRELOAD};
        exec $self->command('-t') or POSIX::_exit(127);
    }

    local $/;
    my $out = <$fh>;
    close $fh;

    return $out;
}


sub connect {
    my $self = shift;
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', Timeout => 5,
                                 PeerPort => $self->{port});
}


# one request in two steps: the socket, then the body

sub begin {
    my ($self, $uri) = @_;
    my $s = $self->connect or return;
    print $s "GET $uri HTTP/1.0\r\nHost: localhost\r\n\r\n";
    $s->flush;
    return $s;
}


sub finish {
    my ($self, $s, $seconds) = @_;

    return '(no connection)' if !$s;

    my $end = Time::HiRes::time() + ($seconds || 10) * $Slow;
    my $sel = IO::Select->new($s);
    my $buf = '';

    while ((my $left = $end - Time::HiRes::time()) > 0) {
        $sel->can_read($left) or last;
        sysread $s, $buf, 65536, length $buf or last;
    }

    return $buf =~ /^HTTP\/1\.1 200 .*?\r\n\r\n(.*?)\n?$/s ? $1
           : $buf =~ /^(HTTP\/1\.1 \d+)/ ? $1 : '(no answer)';
}


sub get {
    my ($self, $uri, $seconds) = @_;
    return $self->finish($self->begin($uri), $seconds);
}


sub signal { kill $_[1], $_[0]{pid} }


sub workers {
    my $self = shift;
    my @pids;
    for my $file (glob '/proc/[0-9]*/stat') {
        open my $fh, '<', $file or next;
        my $line = <$fh> // next;
        push @pids, $1 if $line =~ /^(\d+) \(.*\) (?!Z)\S (\d+) /s
                          && $2 == $self->{pid};
    }
    return @pids;
}


# returns when the old workers are gone

sub reload {
    my ($self, %o) = @_;

    my %old = map { ($_, 1) } $self->workers;

    $self->configure(%o) if %o;
    $self->signal('HUP');

    return $self->wait_for(sub {
        my @now = $self->workers;
        return @now >= $self->{workers} && !grep { $old{$_} } @now;
    }, $o{seconds} || 10);
}


sub quit {
    my ($self, $signal) = @_;

    my $pid = $self->{pid} or return 1;
    kill $signal || 'QUIT', $pid;

    if (!$self->wait_for(sub { gone($pid) }, 10)) {
        $self->stop;
        return 0;
    }

    delete $self->{pid};
    return 1;
}


sub pid_file {
    my $self = shift;
    open my $fh, '<', "$self->{dir}/logs/nginx.pid" or return;
    return (<$fh> // '') =~ /^(\d+)/ ? $1 : undef;
}


# its workers would go on without it

sub stop {
    my $self = shift;
    my $pid = $self->{pid} or return;
    my @workers = $self->workers;
    $self->SUPER::stop;
    kill 'KILL', @workers;
}


sub workers_of {
    my ($self, $pid) = @_;
    local $self->{pid} = $pid;
    return $self->workers;
}


sub log {
    my $self = shift;
    open my $fh, '<', "$self->{dir}/logs/error.log" or return '';
    local $/;
    return scalar(<$fh>) // '';
}


# what it said to its terminal

sub output {
    my $self = shift;
    open my $fh, '<', "$self->{dir}/logs/out" or return '';
    local $/;
    return scalar(<$fh>) // '';
}


sub count {
    my ($self, $re) = @_;
    return scalar grep { /$re/ } split /\n/, $self->log;
}


1;
