package PaygwMetrics;

# What paygw_metrics and paygw_status answer, read by metrics_check.py, which
# is not our C code, and by promtool where it is.

use strict;
use warnings;

use base 'Exporter';

use Cwd ();
use File::Basename ();
use JSON::PP ();
use Test::More ();

use PaygwProcess ();

our @EXPORT = qw(metrics_of metrics_ok counts_ok promtool families_of
                 unknown_in);

our $Root = Cwd::realpath(File::Basename::dirname(__FILE__) . '/../..');

my $dir;
my $json = JSON::PP->new->canonical;


# its path, or nothing

sub promtool {
    for my $path ($ENV{PROMTOOL} // (),
                  ($ENV{PAYGW_DEPS} || "$Root/.deps")
                  . '/prometheus/usr/bin/promtool',
                  map { "$_/promtool" } split /:/, $ENV{PATH} // '')
    {
        return $path if -x $path;
    }
    return;
}


sub write_file {
    my ($name, $text) = @_;
    $dir //= PaygwProcess::folder('metrics');
    open my $fh, '>', "$dir/$name" or die "$dir/$name: $!";
    binmode $fh;
    print $fh $text;
    close $fh;
    return "$dir/$name";
}


# The samples, by "name{label=value,...}" with sorted labels; the name alone if
# there are none.  Of what cannot be read, or says other things than the second
# text, "errors" is a list.

sub metrics_of {
    my ($text, $status) = @_;

    my @files = write_file('text', $text);
    push @files, write_file('json', $status) if defined $status;

    open my $fh, '-|', '/usr/bin/python3', '-B',
         "$Root/t/lib/metrics_check.py", @files or die "python3: $!";
    my $got = $json->decode(do { local $/; <$fh> });
    close $fh;

    my %samples;
    while (my ($key, $value) = each %{ $got->{samples} }) {
        my ($name, $labels) = $key =~ /^([^{]+)(.*)$/;
        $labels = $json->decode($labels);
        $key = join ',', map { "$_=$labels->{$_}" } sort keys %$labels;
        $samples{length $key ? "$name\{$key}" : $name} = $value;
    }

    return { %$got, samples => \%samples };
}


# The text is what it should be; returns its samples.

sub metrics_ok {
    my ($text, $status, $name) = @_;

    my $got = metrics_of($text, $status);

    Test::More::is(join("\n", @{ $got->{errors} }), '', "$name: text format");

  SKIP: {
        my $promtool = promtool()
            or Test::More::skip('no promtool here', 1);
        open my $fh, '-|', "$promtool check metrics < "
             . write_file('text', $text) . ' 2>&1' or die "$promtool: $!";
        my $said = do { local $/; <$fh> } // '';
        close $fh;
        Test::More::is("$? $said", '0 ', "$name: promtool");
    }

    return $got->{samples};
}


# Waits until get() returns a text in which all of these are so: a request is
# counted behind its answer.  A value is a number, or a pattern.  Those of a
# counter that are not named must be 0, if the name ends with "*".

sub counts_ok {
    my ($get, $want, $name) = @_;

    my ($text, $have, %all);
    my $good = sub {
        my ($got, $want) = @_;
        return defined $got && (ref $want ? $got =~ $want : $got == $want);
    };

    PaygwProcess::wait_for(sub {
        $have = metrics_of($text = $get->())->{samples};
        %all = map { ($_, $want->{$_}) } grep { !/\*$/ } keys %$want;
        for my $star (grep { /\*$/ } keys %$want) {
            my $from = substr $star, 0, -1;
            $all{$_} //= $want->{$star}
                for grep { index($_, $from) == 0 } keys %$have;
        }
        return !grep { !$good->($have->{$_}, $all{$_}) } keys %all;
    });

    my @bad = map { "$_: " . ($have->{$_} // '-') . ", not $all{$_}" }
              grep { !$good->($have->{$_}, $all{$_}) } sort keys %all;
    Test::More::is(join("\n", @bad), '', $name)
        or Test::More::diag(substr $text, 0, 4000);

    return $have;
}


# What there is to be asked for: the values of each label of each family, by
# the keys of samples.

sub families_of {
    my ($samples) = @_;

    my %family;
    for (keys %$samples) {
        my ($name, $labels) = /^(\w+)(?:\{(.*)\})?$/;
        $family{$name} //= {};
        for (split /,/, $labels // '') {
            my ($label, $value) = split /=/, $_, 2;
            $family{$name}{$label}{$value} = 1;
        }
    }
    return \%family;
}


# What of it an expression of PromQL names that is not there: families, labels,
# and their values, each alternative of a pattern for itself.  Counts into seen
# what it has looked at.  A value may be a variable of a dashboard.

sub unknown_in {
    my ($expr, $family, $seen) = @_;

    my @bad;
    while ($expr =~ /\b(paygw_\w+)(?:\{([^}]*)\})?/g) {
        my ($name, $labels) = ($1, $2 // '');
        next if $seen->{"$name $labels"}++;

        if (!$family->{$name}) {
            push @bad, $name;
            next;
        }

        my $rest = $labels;
        while ($rest =~ s/^\s*(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"\s*(?:,|$)//) {
            my ($label, $op, $value) = ($1, $2, $3);
            my $values = $family->{$name}{$label};

            # those of the target, not ours

            next if $label =~ /^(?:job|instance)$/;
            push @bad, "$name: $label" if !$values;
            next if !$values || $value =~ /^\$/;
            push @bad, map { "$name: $label \"$_\"" }
                       grep { !$values->{$_} }
                       $op =~ /~/ ? split /\|/, $value, -1 : $value;
        }
        push @bad, "$name: what is \"$rest\"" if $rest =~ /\S/;
    }
    return @bad;
}


1;
