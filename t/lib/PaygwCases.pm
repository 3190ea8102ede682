package PaygwCases;

# The test vectors of t/data, and the list of which suite runs which of them.
#
#   my @v = cases('alipay/aes.json');   # those of a file, in its order
#   ran($v[0]);                         # when it has been judged
#   my $v = case('alipay/aes.json', 'aes_empty');
#
# t/data/cases.txt has a line for each: file, name, and the suites that run it.
# A suite that ends without having run each one that is its own there, or has
# run another one, fails.  vectors-cases.t compares the list with the files, and
# tools/prove.sh, after a run of all suites, with what was run.

use strict;
use warnings;

use Cwd ();
use Exporter 'import';
use File::Basename ();
use JSON::PP ();
use Scalar::Util ();

our @EXPORT_OK = qw(cases case ran whole listed data_files);

my $Data = File::Basename::dirname(Cwd::abs_path(__FILE__)) . '/../data';
my $Suite = File::Basename::basename($0, '.t');
my $Pid = $$;

# file and name of a case, by its address; the cases stay, and so do these

my (%Of, @Kept);
my %Ran;


sub slurp {
    my ($file) = @_;
    open my $fh, '<:raw', "$Data/$file" or die "$file: $!";
    local $/;
    return scalar <$fh>;
}


# the document that a file is

sub whole {
    my ($file) = @_;

    my $whole = JSON::PP->new->utf8->decode(slurp($file));

    for my $v (@{ ref $whole eq 'HASH' ? $whole->{vectors} : $whole }) {
        $Of{Scalar::Util::refaddr($v)} = "$file $v->{name}";
        push @Kept, $v;
    }

    return $whole;
}


sub cases {
    my ($file) = @_;
    my $whole = whole($file);
    return @{ ref $whole eq 'HASH' ? $whole->{vectors} : $whole };
}


sub case {
    my ($file, $name) = @_;
    my ($v) = grep { $_->{name} eq $name } cases($file);
    return $v // die "no $name in $file";
}


sub ran {
    for my $v (@_) {
        $Ran{ $Of{Scalar::Util::refaddr($v)} // die "no case" } = 1;
    }
}


# file and name of each line of the list => its suites

sub listed {
    my %suites;

    for my $line (split /\n/, slurp('cases.txt')) {
        next if $line =~ /^(?:#|$)/;
        my ($file, $name, @suites) = split ' ', $line;
        die "cases.txt: $file $name is there twice\n" if $suites{"$file $name"};
        die "cases.txt: $file $name has no suite\n" if !@suites;
        $suites{"$file $name"} = \@suites;
    }

    return %suites;
}


sub data_files {
    return map { s{^\Q$Data\E/}{}r } sort glob "$Data/*/*.json";
}


sub record {
    my $dir = $ENV{PAYGW_TEST_CASES} or return;
    open my $fh, '>', "$dir/$Suite" or return;
    print $fh map { "$_\n" } sort keys %Ran;
    close $fh;
}


END {
    if ($$ == $Pid && $0 =~ /\.t$/ && $Suite ne 'vectors-cases') {
        record();

        my $exit = $?;
        my %suites = eval { listed() };
        my @wrong = $@ ? $@ : ();

        for my $case (sort keys %suites) {
            my $mine = grep { $_ eq $Suite } @{ $suites{$case} };
            push @wrong, "$case was not run\n" if $mine && !$Ran{$case};
            push @wrong, "$case was run, which is not in cases.txt\n"
                if !$mine && $Ran{$case};
        }

        push @wrong, map { "$_ is not in cases.txt at all\n" }
                     grep { !$suites{$_} } sort keys %Ran;

        # the status alone may be lost on the way out

        if (@wrong) {
            require Test::Builder;
            Test::Builder->new->ok(0, 'cases.txt is what was run');
        }

        print STDERR map { "# cases: $_" } @wrong;
        $? = $exit || (@wrong ? 1 : 0);
    }
}


1;
