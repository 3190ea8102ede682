package PaygwVectors;

# Copyright (C) the paygw authors

# Makes Test::Nginx blocks of test vectors at run time: a case is one callback
# at one fixed time, and what becomes of it.

use strict;
use warnings;

use FindBin;
use JSON::PP;
use MIME::Base64 ();
use File::Temp ();
use Time::HiRes ();

use PaygwCases ();

use base 'Exporter';

our @EXPORT = qw(vectors_load vectors_add vectors_text vectors_body
                 vectors_sign vectors_form vectors_secret vectors_seal);

our $data = "$FindBin::Bin/data";

# requests by case name: the blocks refer to them, so bytes stay bytes
our %request;
our %event;
my %vector;

my @cases;


sub slurp {
    my ($path) = @_;

    open my $fh, '<:raw', $path or die "$path: $!";
    local $/;
    return scalar <$fh>;
}


sub vectors_load {
    my ($path) = @_;

    my $whole = PaygwCases::whole($path);

    $vector{$_->{name}} = $_
        for @{ ref $whole eq 'HASH' ? $whole->{vectors} : $whole };

    return $whole;
}


# RSA PKCS#1 v1.5 with SHA-256 by the openssl command: not our code
sub vectors_sign {
    my ($key, $text) = @_;

    my $tmp = File::Temp->new;
    binmode $tmp;
    print $tmp $text;
    $tmp->flush;

    my $sig = `openssl dgst -sha256 -sign $data/$key -binary $tmp`;
    die "openssl could not sign" if $? != 0 || length $sig < 256;

    return MIME::Base64::encode_base64($sig, '');
}


# AES-256-GCM by python3-cryptography: not our code either
sub vectors_seal {
    my ($key, $nonce, $aad, $text) = @_;

    my $script = 'import base64, sys; '
        . 'from cryptography.hazmat.primitives.ciphers.aead import AESGCM; '
        . 'k, n, a, t = (base64.b64decode(x) for x in sys.argv[1:5]); '
        . 'print(base64.b64encode(AESGCM(k).encrypt(n, t, a)).decode())';

    my @args = map { MIME::Base64::encode_base64($_, '') }
                   $key, $nonce, $aad, $text;

    open my $fh, '-|', '/usr/bin/python3', '-c', $script, @args
        or die "python3: $!";
    chomp(my $sealed = <$fh> // '');
    close $fh or die 'python3-cryptography could not encrypt';

    return $sealed;
}


sub vectors_form {
    my ($fields) = @_;

    return join '&', map {
        my $v = $fields->{$_};
        $v =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ge;
        "$_=$v"
    } sort keys %$fields;
}


# a file that only we can read
my %secret;

sub vectors_secret {
    my ($value) = @_;

    if (!$secret{$value}) {
        my $tmp = File::Temp->new(TEMPLATE => 'paygw-secret-XXXXXX',
                                  TMPDIR => 1);
        print $tmp $value;
        $tmp->flush;
        $secret{$value} = $tmp;
    }

    return $secret{$value}->filename;
}


# name, now, headers => {}, body;
# channel => lines of the block of channel "ch", other => the same of a second
# channel that the location names first;
# status, ack, and either event => {path => value} or reason
sub vectors_add {
    my (%case) = @_;

    push @cases, \%case;

    my $head = join '', map { "$_: $case{headers}{$_}\r\n" }
                        sort keys %{ $case{headers} };

    $request{$case{name}} = "POST /notify HTTP/1.1\r\nHost: localhost\r\n"
        . "Connection: close\r\n" . $head
        . 'Content-Length: ' . length($case{body}) . "\r\n\r\n" . $case{body};

    $event{$case{name}} = $case{event};
}


sub vectors_text {
    my $text = '';
    my $n = 0;

    for my $case (@cases) {
        my $name = $case->{name};

        # a zone of its own: over a reload, an event would be a repeat
        $n++;

        my $other = $case->{other}
            ? "    paygw_channel other {\n$case->{other}    }\n" : '';
        my $names = $case->{other} ? 'other ch' : 'ch';

        my $expect = $case->{event}
            ? "--- error_log\nshop got {\n"
              . "--- no_error_log\n[alert]\n[crit]\n"
            : "--- error_log\n$case->{reason}\n"
              . "--- no_error_log\n[alert]\n[error]\nshop got {\n";

        $text .= <<"EOF";
=== $name
--- http_config
    log_format shop escape=none 'shop got \$request_body';

    paygw_zone paygw$n:1m;

$other
    paygw_channel ch {
$case->{channel}
    }

    server {
        listen 127.0.0.1:\$TEST_NGINX_RAND_PORT_1;
        access_log \$TEST_NGINX_SERVER_ROOT/logs/error.log shop;

        location / {
            proxy_pass http://127.0.0.1:\$TEST_NGINX_RAND_PORT_2;
        }
    }

    server {
        listen 127.0.0.1:\$TEST_NGINX_RAND_PORT_2;
        access_log off;
        return 200 "not for the provider";
    }
--- config
    location = /notify {
        paygw_test_clock $case->{now};
        paygw_notify $names;
        proxy_pass http://127.0.0.1:\$TEST_NGINX_RAND_PORT_1;
    }
--- raw_request eval
\$PaygwVectors::request{'$name'}
--- error_code: $case->{status}
--- response_body_like eval
qr/\\A\Q$case->{ack}\E\\z/
$expect
EOF
    }

    return $text;
}


# after the answer: the event that the shop got, member by member
sub vectors_body {
    my ($block, $servroot) = @_;

    # Test::Nginx puts the file in front of the name
    my ($name) = $block->name =~ /(\S+)\z/;

    die "no case $name" if !exists $event{$name};

    PaygwCases::ran($vector{$name}) if $vector{$name};

    my $want = $event{$name} or return;

    my $line;

    # the shop may write its log after the provider has the answer, and a line
    # may be read before all of it is there

    for (1 .. 100) {
        ($line) = reverse slurp("$servroot/logs/error.log")
                          =~ /^(shop got \{.*)\n/mg;
        last if $line;
        Time::HiRes::sleep(0.05);
    }

    Test::More::ok($line, "$name - shop got an event");

    $line //= '';

    my $ev = eval { JSON::PP->new->utf8->decode($line =~ s/^shop got //r) };

    Test::More::ok($ev, "$name - event is JSON $@");

    # is() does not tell 1 from "1"
    Test::More::unlike($line =~ s/,"data":.*//r,
                       qr/"(?:amount|time|delivery)":"/,
                       "$name - event has numbers")
        if $ev->{type} ne 'unknown';

    for my $path (sort keys %$want) {
        my $value = $ev;
        $value = ref $value eq 'HASH' ? $value->{$_} : undef
            for split /\./, $path;

        Test::More::is($value, $want->{$path},
                       "$name - event $path");
    }
}


1;
