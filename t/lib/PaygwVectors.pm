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

use base 'Exporter';

our @EXPORT = qw(vectors_load vectors_add vectors_text vectors_setup
                 vectors_body vectors_sign vectors_form slurp);

our $data = "$FindBin::Bin/data";

# requests by case name: the blocks refer to them, so bytes stay bytes
our %request;
our %event;

my @cases;


sub slurp {
    my ($path) = @_;

    open my $fh, '<:raw', $path or die "$path: $!";
    local $/;
    return scalar <$fh>;
}


sub vectors_load {
    my ($path) = @_;

    return JSON::PP->new->utf8->decode(slurp("$data/$path"));
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


sub vectors_form {
    my ($fields) = @_;

    return join '&', map {
        my $v = $fields->{$_};
        $v =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ge;
        "$_=$v"
    } sort keys %$fields;
}


# name, channel => lines of the block, now, headers => {}, body,
# status, ack, type and either event => {path => value} or reason
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

    for my $case (@cases) {
        my $name = $case->{name};

        my $expect = $case->{event}
            ? "--- error_log\nshop got {\n"
              . "--- no_error_log\n[alert]\n[crit]\n"
            : "--- error_log\n$case->{reason}\n"
              . "--- no_error_log\n[alert]\n[error]\nshop got {\n";

        $text .= <<"EOF";
=== $name
--- http_config
    log_format shop escape=none 'shop got \$request_body';

    paygw_zone paygw:1m;

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
        paygw_notify ch;
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

    my $want = $event{$block->name} or return;

    my ($line) = reverse grep { /^shop got \{/ }
                 split /\n/, slurp("$servroot/logs/error.log");

    Test::More::ok($line, $block->name . ' - shop got an event');

    my $ev = eval { JSON::PP->new->utf8->decode($line =~ s/^shop got //r) };

    Test::More::ok($ev, $block->name . " - event is JSON: $@");

    for my $path (sort keys %$want) {
        my $value = $ev;
        $value = ref $value eq 'HASH' ? $value->{$_} : undef
            for split /\./, $path;

        Test::More::is($value, $want->{$path},
                       $block->name . " - event $path");
    }
}


1;
