#!/usr/bin/perl

# Copyright (C) the paygw authors

# Each file of conf-examples/ is started as it stands, but for its ports and
# paths, and genuine, repeated and forged callbacks are sent through it.  The
# callbacks are made by the sandbox, which is code of its own.

use strict;
use warnings;

use FindBin;

if (($ENV{PAYGW_TEST_STORE} || '') eq 'redis') {
    print "1..0 # SKIP the examples name their own stores\n";
    exit 0;
}

# Debian's python, which has the package cryptography; another one may come
# first in PATH

my $python = -x '/usr/bin/python3' ? '/usr/bin/python3' : 'python3';

exec $python, '-B', "$FindBin::Bin/tools/demo/examples.py", @ARGV
    or die "cannot run $python: $!\n";
