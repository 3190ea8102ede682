#!/usr/bin/perl

# Codec and crypto, in C: builds t/unit with nginx' own core and runs it.

use strict;
use warnings;

use Cwd qw(abs_path);
use Fcntl qw(:flock);
use File::Basename qw(dirname);
use File::Path qw(make_path);

my $root = abs_path(dirname(__FILE__) . "/..");
my $build = ($ENV{PAYGW_BUILD} || "$root/build") . "/unit";
my $source = ($ENV{PAYGW_DEPS} || "$root/.deps") . "/nginx-source";
my $log = "$build/build.log";

make_path($build);

open my $lock, '>', "$build/lock" or die "cannot write $build/lock: $!";
flock $lock, LOCK_EX or die "flock: $!";

sub quietly {
    my ($what, @command) = @_;

    my $pid = fork();
    die "fork: $!" unless defined $pid;

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $log or die "cannot write $log: $!";
        open STDERR, '>&', \*STDOUT;
        exec @command or die "$command[0]: $!";
    }

    waitpid $pid, 0;

    return $? == 0;
}

unlink $log;

if (!quietly("source", "sh", "$root/t/tools/nginx-source.sh", $source)) {
    print "1..0 # SKIP the source of nginx cannot be had, see $log\n";
    exit 0;
}

# make takes its flags from the environment of a make that called us

delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};

for my $step (["keys", "sh", "$root/t/unit/keys.sh", "$build/keys"],
              ["build", "make", "-C", "$root/t/unit", "-j2", "OUT=$build",
               "NGX=$source", "CC=" . ($ENV{CC} || "cc"), "unit"])
{
    next if quietly(@$step);

    open my $fh, '<', $log;
    my @lines = <$fh>;
    print "Bail out! $step->[0] failed, see $log\n";
    print STDERR @lines[-($#lines < 20 ? @lines : 20) .. -1];
    exit 1;
}

$ENV{ASAN_OPTIONS} = "detect_leaks=1:" . ($ENV{ASAN_OPTIONS} || "");
$ENV{UBSAN_OPTIONS} = "print_stacktrace=1";

exec "$build/unit", "$root/t/data", "$build/keys" or die "exec: $!";
