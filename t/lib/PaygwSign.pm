package PaygwSign;

# Signed hand-overs, checked by the openssl command and by the code for shops
# in conf-examples/verify/.

use strict;
use warnings;

use base 'Exporter';

use File::Copy qw(copy);
use File::Temp ();
use IPC::Open3 ();

use PaygwTest;

our @EXPORT = qw(sign_key sign_text sign_mac sign_check sign_make sign_other
                 sign_shops);

my $Dir = File::Temp::tempdir(CLEANUP => 1);
my $Verify = "$PaygwTest::Root/conf-examples/verify";
my $Run = "$PaygwTest::Root/t/verify";


# makes a file of a key below the folder of keys

sub sign_key {
    my ($name, $key) = @_;

    my $file = keys_dir() . "/$name";
    open my $fh, '>', $file or die "$file: $!";
    print $fh "$key\n";
    close $fh;
    chmod 0600, $file;

    return $key;
}


# what is signed, of a request that the shop got: docs/events.md

sub sign_text {
    my $r = shift;

    my $names = shop_header($r, 'X-Paygw-Signed') // '';

    return join '', map { "$_\n" } $names,
                    map { shop_header($r, $_) // '' } split / /, $names;
}


sub sign_mac {
    my ($key, $text) = @_;

    open my $fh, '>', "$Dir/text" or die;
    binmode $fh;
    print $fh $text;
    close $fh;

    my $hex = unpack 'H*', $key;
    my $out = `openssl dgst -sha256 -mac HMAC -macopt hexkey:$hex -r $Dir/text`;

    return 'v1=' . substr $out, 0, 64;
}


# 1 if the signature field of a request is that of these keys

sub sign_check {
    my ($r, @keys) = @_;

    my $text = sign_text($r) . shop_body($r);
    my $want = join ',', map { sign_mac($_, $text) } @keys;

    return ($want && (shop_header($r, 'X-Paygw-Signature') // '') eq $want)
           || 0;
}


# the same request signed anew, with another time

sub sign_make {
    my ($r, $key, $time) = @_;

    $r = sign_other($r, 'X-Paygw-Timestamp' => $time);

    return sign_other($r, 'X-Paygw-Signature' =>
                      sign_mac($key, sign_text($r) . shop_body($r)));
}


# the same request with another value of a field; undef: without it

sub sign_other {
    my ($r, $name, $value) = @_;

    my @headers = grep { lc $_->[0] ne lc $name } @{ $r->{headers} };
    push @headers, [ $name, $value ] if defined $value;

    return { %$r, headers => \@headers };
}


# What the code for shops says of requests: for each language NAME =>
# ["genuine", ...], or NAME => undef if it is not on this machine.

sub sign_shops {
    my ($key, @requests) = @_;

    my @files;

    for my $given (@requests) {
        my $r = sign_other($given, 'Content-Length',
                           length shop_body($given));
        push @files, "$Dir/" . @files;
        open my $fh, '>', $files[-1] or die;
        binmode $fh;
        print $fh "POST / HTTP/1.1\r\n",
                  (map { "$_->[0]: $_->[1]\r\n" } @{ $r->{headers} }),
                  "\r\n", shop_body($r);
        close $fh;
    }

    my %command = (
        python => ['/usr/bin/python3', "$Run/run.py"],
        php => ['php', '-d', 'display_errors=stderr', "$Run/run.php"],
        node => ['node', "$Run/run.js"],
        go => [go()],
        java => [java()],
    );

    my %said;

    for my $name (sort keys %command) {
        my @command = @{ $command{$name} };
        $said{$name} = have($command[0])
                       ? said(@command, $key, @files) : undef;
    }

    return %said;
}


sub have {
    my $program = shift // return 0;

    return -x $program if $program =~ m{/};
    return scalar grep { -x "$_/$program" } split /:/, $ENV{PATH};
}


sub said {
    my @command = @_;

    my $pid = IPC::Open3::open3(my $in, my $out, undef, @command);
    close $in;
    chomp(my @lines = <$out>);
    waitpid $pid, 0;

    return \@lines;
}


# programs that are compiled, once for each suite

sub go {
    return if !have('go');

    if (!-x "$Dir/shop") {
        local $ENV{GOCACHE} = "$Dir/cache";
        local $ENV{GO111MODULE} = 'off';

        # files of one program are in one folder
        copy("$Verify/paygw.go", "$Dir/paygw.go") or die "copy: $!";
        copy("$Run/run.go", "$Dir/run.go") or die "copy: $!";

        system('go', 'build', '-o', "$Dir/shop", "$Dir/paygw.go",
               "$Dir/run.go") == 0 or die "go: $?";
    }

    return "$Dir/shop";
}


sub java {
    return if !have('javac');

    if (!-e "$Dir/Run.class") {
        system('javac', '-d', $Dir, "$Verify/Paygw.java",
               "$Run/Run.java") == 0 or die "javac: $?";
    }

    return ('java', '-cp', $Dir, 'Run');
}


1;
