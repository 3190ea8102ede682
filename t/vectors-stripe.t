#!/usr/bin/perl

# Copyright (C) the paygw authors

# The webhook vectors of Stripe, good and bad, each at its own time with its
# own secrets, and what can be made of them by signing anew.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Nginx::Socket 'no_plan';
use JSON::PP;
use MIME::Base64;
use Digest::SHA qw(hmac_sha256_hex);
use PaygwVectors;

my $file = vectors_load('stripe/notify.json');
my $json = JSON::PP->new->utf8->canonical;

# what the reasons of the vectors are here; the last two are good for the SDK,
# which takes any time that is ahead, and asks for no more than an id
my %reason = (
    header    => [400, 'malformed'],
    no_v1     => [400, 'hint: no v1 in stripe-signature'],
    signature => [401, 'refused: signature'],
    timestamp => [401, 'clock 301 s off, the message is from the past'],

    st_bad_empty  => [400, 'missing_header'],
    st_bad_no_t   => [400, 'hint: no t in stripe-signature'],
    st_bad_t_not_number => [400, 'hint: t in stripe-signature is not a number'],
    st_bad_body_crlf    => [401, 'line ends of the body were changed to CR LF'],
    st_bad_body_minified => [401, 'body may be re-encoded: it is not indented'],
    st_bad_uppercase_hex => [401, 'v1 is not 64 lower-case hexadecimal digits'],
    st_bad_trunc         => [401, 'v1 is not 64 lower-case hexadecimal digits'],
    st_bad_secret        => [401, 'webhook_secret may be that of another'],
    st_future_far => [401, 'clock 3600 s off, the message is from the future'],
    st_ok_compact => [400, 'malformed, hint: invalid type'],
    st_ok_utf8    => [400, 'malformed, hint: invalid type'],
);


sub channel {
    my ($secrets, $more) = @_;

    return "        provider stripe;\n" . ($more // "        livemode off;\n")
        . join '', map { '        webhook_secret file:' . vectors_secret($_)
                         . ";\n" } @$secrets;
}


sub event {
    my ($body) = @_;

    my $ev = $json->decode($body);
    my $obj = $ev->{data}{object};

    return {
        id       => "ch:$ev->{id}:$ev->{type}",
        type     => 'payment',
        outcome  => 'success',
        channel  => 'ch',
        provider => 'stripe',
        kind     => $ev->{type},
        time     => $ev->{created},
        delivery => 1,
        'order.order_id'  => $obj->{metadata}{out_trade_no},
        'order.trade_no'  => $obj->{id},
        'order.amount'    => $obj->{amount_received},
        'order.currency'  => uc $obj->{currency},
        'data.id'         => $ev->{id},
        'data.api_version' => $ev->{api_version},
        'data.data.object.latest_charge' => $obj->{latest_charge},
    };
}


my %vector;

for my $v (@{ $file->{vectors} }) {
    my $in = $v->{inputs};
    my $body = decode_base64($in->{body_b64});

    my %case = (
        name    => $v->{name},
        now     => $in->{now},
        headers => { 'Content-Type' => 'application/json; charset=utf-8',
                     'Stripe-Signature' => $in->{header} },
        body    => $body,
        channel => channel($in->{secrets}),
        ack     => '',
    );

    my $want = $reason{$v->{name}}
               // ($v->{expect}{ok} ? undef : $reason{$v->{expect}{reason}});

    if ($want) {
        @case{qw(status reason)} = @$want;

    } else {
        $case{status} = 200;
        $case{event} = event($body);
    }

    $vector{$v->{name}} = \%case;

    vectors_add(%case);
}


# the clock window: both ways, to the second

my $paid = $vector{st_ok};
my ($sent) = $paid->{headers}{'Stripe-Signature'} =~ /t=(\d+)/;
my ($v1) = $paid->{headers}{'Stripe-Signature'} =~ /v1=(\w+)/;
my $secret = $file->{constants}{webhook_secret};
my $old = $file->{constants}{old_webhook_secret};

vectors_add(%$paid, name => "window_$_", now => $sent + $_)
    for -300, -299, 0, 299, 300;

sub refused {
    my ($name, $status, $reason, %more) = @_;

    vectors_add(%$paid, name => $name, status => $status, event => undef,
                reason => $reason, %more);
}

refused("window_$_", 401, 'clock 301 s off, the message is from the '
        . ($_ > 0 ? 'past' : 'future'), now => $sent + $_)
    for -301, 301;


# the header

sub header {
    return headers => { %{ $paid->{headers} }, 'Stripe-Signature' => $_[0] };
}

refused('no_header', 400, 'missing_header, hint: no stripe-signature',
        headers => { 'Content-Type' => 'application/json' });

# spelled in two ways, so that the hash holds both
refused('two_headers', 400, 'repeated_header, hint: stripe-signature',
        headers => { %{ $paid->{headers} }, 'stripe-signature' => 't=1' });

# joined, as a proxy may do
refused('joined', 400, 'malformed, hint: stripe-signature has t twice',
        header("t=$sent,v1=$v1,t=$sent,v1=$v1"));
refused('joined_with_space', 401, 'refused: signature',
        header("t=$sent,v1=" . ('0' x 64) . ", t=$sent,v1=" . ('1' x 64)));

my @wrong = map { 'v1=' . $_ x 64 } 1 .. 7;

vectors_add(%$paid, name => 'eight_v1',
            header(join ',', "t=$sent", @wrong, "v1=$v1"));
refused('nine_v1', 400, 'malformed, hint: stripe-signature has too many v1',
        header(join ',', "t=$sent", @wrong, 'v1=' . 8 x 64, "v1=$v1"));
refused('many_parts', 400, 'malformed, hint: stripe-signature has too many',
        header(join ',', "t=$sent", ('v0=1') x 15, "v1=$v1"));

vectors_add(%$paid, name => 'other_schemes',
            header("v2=x,t=$sent,a,=,,v0=,v1=$v1,v1"));
vectors_add(%$paid, name => 'v1_that_is_none_next_to_one_that_is',
            header("t=$sent,v1=,v1=x,v1=$v1"));

refused("t_$_->[0]", 400, $_->[2], header("t=$_->[1],v1=$v1"))
    for ['sign', "+$sent", 'is not a number'], ['minus', '-1', 'not a number'],
        ['space', " $sent", 'not a number'], ['point', "$sent.0", 'a number'],
        ['long', '1' x 13, 'not a number'], ['empty', '', 'no t in stripe'];

# the time is signed as it is written
refused('t_with_zero', 401, 'refused: signature', header("t=0$sent,v1=$v1"));
vectors_add(%$paid, name => 't_with_zero_signed_so',
            header("t=0$sent,v1="
                   . hmac_sha256_hex("0$sent.$paid->{body}", $secret)));

refused("v1_$_->[0]", 401, 'refused: signature', header("t=$sent,v1=$_->[1]"))
    for ['flipped', $v1 =~ tr/0-9/1-90/r], ['longer', $v1 . '0'],
        ['with_space', " $v1"], ['twice', $v1 x 2],
        ['of_body_alone', hmac_sha256_hex($paid->{body}, $secret)],
        ['of_t_and_body_without_point',
         hmac_sha256_hex("$sent$paid->{body}", $secret)],
        ['of_body_with_line_feed',
         hmac_sha256_hex("$sent.$paid->{body}\n", $secret)],
        ['of_empty_secret', hmac_sha256_hex("$sent.$paid->{body}", '')];


# two secrets: either may have signed, and so may both

vectors_add(%$paid, name => "secret_$_->[0]",
            channel => channel([ $old, $secret ]),
            header(join ',', "t=$sent", map {
                'v1=' . hmac_sha256_hex("$sent.$paid->{body}", $_) }
                @{ $_->[1] }))
    for ['old', [ $old ]], ['new', [ $secret ]], ['both', [ $secret, $old ]];


# whose it is, once the signature is good

sub signed {
    my ($change) = @_;

    my $ev = $json->decode($paid->{body});
    $change->($ev);
    my $body = $json->pretty->encode($ev);

    return body => $body, header("t=$sent,v1="
                                 . hmac_sha256_hex("$sent.$body", $secret));
}

refused('test_event', 403, 'account_mismatch, hint: a test event, and the',
        channel => channel([ $secret ], ''));
refused('live_event', 403, 'account_mismatch, hint: a live event, and the',
        signed(sub { $_[0]{livemode} = JSON::PP::true }));
refused('connected', 403,
        'account_mismatch, hint: account "acct_1" is not ours, 0 configured',
        signed(sub { $_[0]{account} = 'acct_1' }));

my $connect = channel([ $secret ], "        livemode off;\n"
                      . "        account acct_1 acct_2;\n");

for (1, 2) {
    my $id = "acct_$_";
    my %case = (%$paid, name => "connected_$_", channel => $connect,
                signed(sub { $_[0]{account} = $id }));
    vectors_add(%case, event => { %{ $paid->{event} },
                                  'data.account' => $id });
}

refused('not_connected', 403, 'account_mismatch, hint: no account',
        channel => $connect);
refused('other_connected', 403,
        'account_mismatch, hint: account "acct_3" is not ours, 2 configured',
        channel => $connect, signed(sub { $_[0]{account} = 'acct_3' }));


# two channels at one location: the secret says whose it is

vectors_add(%$paid, name => 'second_channel_by_secret',
            other => channel([ $old ]));
refused('secret_of_neither', 401, 'refused: signature',
        other => channel([ $old ]), channel => channel([ "${old}x" ]));
vectors_add(%$paid, name => 'second_channel_by_account', other => $connect);
vectors_add(%$paid, name => 'second_channel_by_mode',
            other => channel([ $secret ], ''));


# what is signed, and no event of ours

refused("signed_$_->[0]", 400, "malformed, hint: $_->[1]", signed($_->[2]))
    for ['thin', 'thin event, which holds no facts: choose snapshot',
         sub { $_[0]{object} = 'v2.core.event' }],
        ['other_object', 'object is not an event',
         sub { $_[0]{object} = 'charge' }],
        ['no_object', 'object is not an event', sub { delete $_[0]{object} }],
        ['no_id', 'invalid id', sub { delete $_[0]{id} }],
        ['bad_id', 'invalid id', sub { $_[0]{id} = "evt\n1" }],
        ['no_type', 'invalid type', sub { delete $_[0]{type} }],
        ['bad_account', 'invalid account', sub { $_[0]{account} = 7 }],
        ['no_livemode', 'invalid livemode', sub { delete $_[0]{livemode} }],
        ['text_livemode', 'invalid livemode',
         sub { $_[0]{livemode} = 'false' }];


add_response_body_check(sub {
    vectors_body($_[0], $Test::Nginx::Util::ServRoot);
});

spec_string(vectors_text());

no_long_string();
run_tests();
