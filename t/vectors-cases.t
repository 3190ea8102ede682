# Each case of the vectors in t/data is one of a suite's: cases.txt has it, the
# suites see to what they run, and tools/cases.pl to it that they did.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwCases qw(cases data_files listed);

my %suites = listed();
my %data;

for my $file (data_files()) {
    my %names;

    for my $v (cases($file)) {
        ok(!$names{$v->{name}}++, "$file: $v->{name} is there once");
        $data{"$file $v->{name}"} = 1;
    }

    cmp_ok(scalar keys %names, '>', 0, "$file: has cases");
}

is(join("\n", grep { !$suites{$_} } sort keys %data), '',
   'each case has a suite');
is(join("\n", grep { !$data{$_} } sort keys %suites), '',
   'each case of the list is there');

my %suite = map { map { ($_ => 1) } @$_ } values %suites;

ok(-f "t/$_.t", "$_ is a suite") for sort keys %suite;

# all of them are known by a name of the same shape as in the folders

is(join(' ', grep { !/^\w+\/\w+\.json \w+$/ } sort keys %data), '', 'names');

done_testing();
