package FakeRedis;

# A server that is told what to do with each connection, for faults.
#
#   my $fake = FakeRedis->start(sub {
#       my ($conn, $n) = @_;                  # $n: 1 for the first connection
#       my @command = $conn->read or return;  # ("EVALSHA", ...)
#       $conn->write(":1\r\n");
#   });
#   $fake->port; $fake->stop; $fake->seen;    # commands, one string each
#
# Each connection has a process of its own, and is closed when the code
# returns.

use strict;
use warnings;

use File::Temp ();
use IO::Socket::INET ();
use POSIX ();
use Time::HiRes ();

use PaygwProcess ();

our @ISA = ('PaygwProcess');


sub start {
    my ($class, $code) = @_;

    my $self = $class->new;

    my $listen = IO::Socket::INET->new(Listen => 64, ReuseAddr => 1,
                                       LocalAddr => '127.0.0.1')
        or die "listen: $!";

    $self->{port} = $listen->sockport;
    (my $fh, $self->{file}) = File::Temp::tempfile('paygw-fake-XXXXXX',
                                                   TMPDIR => 1, UNLINK => 1);
    close $fh;

    my $pid = fork;
    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        setpgrp 0, 0;
        $SIG{CHLD} = 'IGNORE';
        $SIG{PIPE} = 'IGNORE';
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', '/dev/null';

        for (my $n = 1; my $s = $listen->accept; $n++) {
            my $child = fork;
            if ($child) {
                close $s;
                next;
            }
            my $conn = bless { sock => $s, file => $self->{file} }, $class;
            eval { $code->($conn, $n); 1 } or print STDERR $@;
            close $s;
            POSIX::_exit(0);
        }

        POSIX::_exit(0);
    }

    $self->{pid} = $pid;

    return $self;
}


sub port { return $_[0]{port} }


# with the processes of its connections

sub stop {
    my $self = shift;
    my $pid = $self->{pid} or return;
    kill 'KILL', -$pid;
    $self->SUPER::stop;
}


sub seen {
    my $self = shift;
    open my $fh, '<', $self->{file} or return ();
    chomp(my @lines = <$fh>);
    return @lines;
}


# of a connection

sub write {
    my ($self, $data) = @_;
    my $off = 0;
    while ($off < length $data) {
        my $n = syswrite $self->{sock}, $data, length($data) - $off, $off;
        return 0 if !$n;
        $off += $n;
    }
    return 1;
}


sub read {
    my $self = shift;

    my $line = readline $self->{sock};
    return if !defined $line || $line !~ /^\*(\d+)/;

    my @args;
    for (1 .. $1) {
        my $head = readline $self->{sock};
        return if !defined $head || $head !~ /^\$(\d+)/;
        read $self->{sock}, my $data, $1 + 2;
        push @args, substr $data, 0, $1;
    }

    if (open my $fh, '>>', $self->{file}) {
        my ($name, $first, @rest) = @args;
        $first = 'SCRIPT' if $name eq 'EVAL';
        syswrite $fh, join(' ', $name, $first // '', @rest) . "\n";
    }

    return @args;
}


sub pause { Time::HiRes::sleep($_[1]) }


1;
