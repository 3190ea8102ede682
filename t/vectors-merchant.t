#!/usr/bin/perl

# Copyright (C) the paygw authors

# The vectors of merchant calls, each at its own time with its own secrets.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use PaygwTest;
use PaygwCall;
use PaygwCases qw(whole ran);

use Digest::SHA qw(hmac_sha256_hex);
use MIME::Base64;

my $file = whole('merchant/vectors.json');

my %code = (
    signature => 'BAD_SIGNATURE',
    timestamp => 'TIMESTAMP_OUT_OF_WINDOW',
    header    => 'BAD_SIGNATURE_HEADER',
    replay    => 'REPLAYED',
);

our %Vector;
my $text = '';
my $n = 0;

for my $v (@{ $file->{vectors} }) {
    next if $v->{kind} ne 'gateway_default';

    my $in = $v->{inputs};
    my $name = $v->{name};

    # a nonce with a line feed cannot be sent; test_call.c has it
    next if $name eq 'gw_bad_nonce_lf';

    my @headers = map { [ $_, $in->{headers}{$_} ] }
                  sort keys %{ $in->{headers} };

    $Vector{$name} = {
        %$v, of => $v,
        message => bless({
            provider => 'call', method => $in->{method},
            target => $in->{request_target}, headers => \@headers,
            body => decode_base64($in->{body_b64}),
        }, 'PaygwTest::Message'),
        code => $v->{expect}{ok} ? 200 : $code{$v->{expect}{reason}},
    };

    my $keys = join '', map {
        $n++;
        '        key  ' . $file->{constants}{key_id} . '  file:'
        . PaygwCall::secret_file("vector$n", $_) . ";\n"
    } @{ $in->{secrets} };

    $text .= <<"EOF";
=== $name
--- no_merchants
--- http_config
    paygw_merchant vector {
$keys        window  $in->{window}s;
    }
--- config
    location ~ ^/ {
        paygw_test_clock $in->{now};
        paygw_auth       vector;
        return 200 "\$paygw_merchant \$paygw_key_id";
    }
--- run
vector('$name');

EOF
}


sub main::vector {
    my $name = shift;
    my $v = $Vector{$name};
    my $m = $v->{message};

    # what the vector says is signed makes its signature, by Perl's word
    my ($got) = grep { $_->[0] eq 'X-Signature' } @{ $m->{headers} };
    my @macs = map { hmac_sha256_hex($v->{string_to_sign}, $_) }
               @{ $v->{inputs}{secrets} };
    ok((grep { $_ eq lc $got->[1] } @macs) == 1, 'signature')
        if $v->{expect}{ok};

    for (@{ $v->{inputs}{seen_nonces} }) {
        answer_ok(send_callback($m), 200, 'seen before');
    }

    my $res = send_callback($m);
    answer_ok($res, $v->{code});
    is($res->{body}, "vector $file->{constants}{key_id}")
        if $v->{expect}{ok};

    ran($v->{of});
}

main::spec_string($text);
run_tests();
