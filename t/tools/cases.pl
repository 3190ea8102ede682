#!/usr/bin/perl

# After a run of all suites: has one of them run each case of t/data?  Each says
# itself what it has run, in a file of its own (see PaygwCases.pm); what a suite
# is to run it sees to itself, if only it looks.  unit.t runs apart and sees to
# its own cases.
#
#   cases.pl FOLDER

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

BEGIN { $ENV{PAYGW_TEST_CASES} = '' }

use PaygwCases qw(listed);

my ($dir) = @ARGV;
my %ran;

for my $file (glob "$dir/*") {
    open my $fh, '<', $file or die "$file: $!\n";
    while (my $case = <$fh>) {
        chomp $case;
        $ran{$case}{$file =~ s{.*/}{}r} = 1;
    }
}

my %suites = listed();
my @not;

for my $case (sort keys %suites) {
    push @not, map { "# cases: $case was not run by $_\n" }
               grep { $_ ne 'unit' && !$ran{$case}{$_} } @{ $suites{$case} };
}

print @not;
printf "# cases: %d of %d\n", %suites - @not, scalar keys %suites if !@not;

exit(@not ? 1 : 0);
