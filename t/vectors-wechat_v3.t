#!/usr/bin/perl

# Copyright (C) the paygw authors

# The callback vectors of WeChat Pay APIv3, good and bad, each at its own time
# with its own keys, and what can be made of them by signing anew.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Nginx::Socket 'no_plan';
use JSON::PP;
use Encode ();
use MIME::Base64;
use PaygwVectors;

my $file = vectors_load('wechat_v3/notify.json');
my $json = JSON::PP->new->utf8->canonical;
my $dir = "$PaygwVectors::data/wechat_v3";

my $unauthorized = '{"code":"FAIL","message":"verification failed"}';
my $bad = '{"code":"FAIL","message":"bad request"}';

my %reason = (
    v3_notify_bad_sig         => [401, 'signature'],
    v3_notify_bad_signtest    => [401, 'probe'],
    v3_notify_bad_stale       => [401, 'clock 3600 s off'],
    v3_notify_bad_gcm_tag     => [401, 'decrypt'],
    v3_notify_bad_gcm_ct      => [401, 'decrypt'],
    v3_notify_bad_aad         => [401, 'decrypt'],
    v3_notify_bad_ct_short    => [401, 'decrypt'],
    v3_notify_bad_algorithm   => [400, 'malformed'],
    v3_notify_bad_no_resource => [400, 'malformed'],
    v3_notify_bad_key         => [401, 'decrypt'],
    v3_notify_bad_mchid       => [401, 'account_mismatch'],
);


sub channel {
    my ($in, $plain) = @_;

    my $conf = "        provider wechat_v3;\n"
             . "        apiv3_key text:$in->{api_v3_key};\n";

    if ($plain->{sp_mchid}) {
        $conf .= "        mchid $plain->{sp_mchid};\n"
               . "        sub_mchid $in->{expected_mchid};\n"
               . "        appid $plain->{sp_appid} $plain->{sub_appid};\n";

    } else {
        $conf .= "        mchid $in->{expected_mchid};\n"
               . "        appid $file->{constants}{appid};\n";
    }

    for my $id (sort keys %{ $in->{trusted_keys} }) {
        $conf .= $id =~ /^PUB_KEY_ID_/
            ? "        platform_public_key $id "
            : '        platform_certificate ';
        $conf .= "$dir/$in->{trusted_keys}{$id};\n";
    }

    return $conf;
}


sub event {
    my ($env, $plain) = @_;

    my %ev = (
        id       => "ch:$env->{id}:$env->{event_type}",
        kind     => $env->{event_type},
        channel  => 'ch',
        provider => 'wechat_v3',
        delivery => 1,
        type     => 'unknown',
        outcome  => 'unknown',
    );

    $ev{"data.$_"} = $plain->{$_} for grep { !ref $plain->{$_} } keys %$plain;

    return \%ev unless $env->{event_type} =~ /^(TRANSACTION|REFUND)\./;

    $ev{time} = $env->{event_type} =~ /^T/ ? 1729999999 : 1730000400;
    $ev{type} = $env->{event_type} =~ /^T/ ? 'payment' : 'refund';
    $ev{outcome} = 'success';
    $ev{'order.order_id'} = $plain->{out_trade_no};
    $ev{'order.trade_no'} = $plain->{transaction_id};
    $ev{'order.amount'} = $plain->{amount}{total};
    $ev{'order.currency'} = 'CNY';

    if ($ev{type} eq 'refund') {
        $ev{'refund.refund_id'} = $plain->{out_refund_no};
        $ev{'refund.refund_no'} = $plain->{refund_id};
        $ev{'refund.amount'} = $plain->{amount}{refund};

    } else {
        $ev{'order.payer'} = $plain->{payer}{openid}
                             // $plain->{payer}{sp_openid};
    }

    return \%ev;
}


my %vector;

for my $v (@{ $file->{vectors} }) {
    my $in = $v->{inputs};
    my $body = decode_base64($in->{body_b64});

    my %case = (
        name    => $v->{name},
        now     => $in->{now},
        headers => $in->{headers},
        body    => $body,
    );

    my $plain = $v->{expect}{ok}
        ? $json->decode(Encode::encode('UTF-8', $v->{expect}{plaintext}))
        : {};

    $case{channel} = channel($in, $plain);

    if ($v->{expect}{ok}) {
        $case{event} = event($json->decode($body), $plain);
        @case{qw(status ack)} = (204, '');

    } else {
        my $want = $reason{$v->{name}} or die "no reason for $v->{name}";
        @case{qw(status reason)} = @$want;
        $case{ack} = $want->[0] == 401 ? $unauthorized : $bad;
    }

    $vector{$v->{name}} = \%case;

    vectors_add(%case);
}


# the clock window: both ways, to the second

my $paid = $vector{v3_notify_paid};
my $sent = $paid->{headers}{'Wechatpay-Timestamp'};

vectors_add(%$paid, name => "window_$_", now => $sent + $_)
    for -299, 0, 299;

vectors_add(%$paid, name => "window_$_", now => $sent + $_, status => 401,
            ack => $unauthorized, event => undef, reason => 'clock 301 s off')
    for -301, 301;


# headers

sub refused {
    my ($name, $status, $reason, %more) = @_;

    vectors_add(%$paid, name => $name, status => $status, event => undef,
                ack => $status == 401 ? $unauthorized : $bad,
                reason => $reason, %more);
}

for my $name (qw(Timestamp Nonce Signature Serial)) {
    my %headers = %{ $paid->{headers} };
    delete $headers{"Wechatpay-$name"};

    refused("no_$name", 400, 'missing_header', headers => \%headers);

    refused("empty_$name", 400, 'missing_header',
            headers => { %headers, "Wechatpay-$name" => '' });

    # spelled in two ways, so that the hash holds both
    refused("two_$name", 400, 'repeated_header',
            headers => { %{ $paid->{headers} }, "WECHATPAY-$name" => '1' });
}

{
    my %headers = %{ $paid->{headers} };
    delete $headers{'Wechatpay-Signature-Type'};

    vectors_add(%$paid, name => 'no_signature_type', headers => \%headers);

    my %h = %{ $paid->{headers} };

    refused('other_signature_type', 401, 'sign_type',
        headers => { %h, 'Wechatpay-Signature-Type' => 'WECHATPAY2-SM2-SM3' });

    refused('timestamp_with_letters', 400, 'malformed',
            headers => { %h, 'Wechatpay-Timestamp' => "${sent}abc" });

    refused('serial_in_lower_case', 401, 'unknown_key',
            headers => { %h, 'Wechatpay-Serial' => lc $h{'Wechatpay-Serial'} });

    refused('serial_without_leading_zero', 401, 'unknown_key',
        headers => { %h, 'Wechatpay-Serial'
                         => $h{'Wechatpay-Serial'} =~ s/^0//r });

    refused('signature_with_blank', 401, 'plus sign decoded as space',
            headers => { %h, 'Wechatpay-Signature'
                             => $h{'Wechatpay-Signature'} =~ s/\+/ /r });

    refused('signature_with_tail', 401, 'signature',
            headers => { %h, 'Wechatpay-Signature'
                             => $h{'Wechatpay-Signature'} . 'AAAA' });

    refused('body_with_line_feed', 401, 'body ends with a line feed',
            body => "$paid->{body}\n");
}


# messages with a good signature and something wrong inside

sub resign {
    my ($body) = @_;

    my %headers = %{ $paid->{headers} };

    $headers{'Wechatpay-Signature'} = vectors_sign('wechat_v3/platform_key_a.pem',
        join '', map { "$_\n" } $sent, $headers{'Wechatpay-Nonce'}, $body);

    return (headers => \%headers, body => $body);
}

vectors_add(%$paid, name => 'resigned', resign($paid->{body}));

refused('d5_nonce_of_11_bytes', 400, 'malformed',
        resign($paid->{body} =~ s/("nonce":")./$1/r));

refused('d5_nonce_of_13_bytes', 400, 'malformed',
        resign($paid->{body} =~ s/("nonce":")/${1}0/r));

refused('d3_duplicate_key', 400, 'duplicate_field',
        resign($paid->{body} =~ s/\}\z/,"event_type":"REFUND.SUCCESS"}/r));

refused('d3_duplicate_key_inside', 400, 'duplicate_field',
        resign($paid->{body} =~ s/("resource":\{)/$1"nonce":"000000000000",/r));

refused('tail_after_json', 400, 'malformed', resign($paid->{body} . '{}'));

refused('id_with_blank', 400, 'malformed',
        resign($paid->{body} =~ s/("id":")/$1 /r));

refused('id_is_a_number', 400, 'malformed',
        resign($paid->{body} =~ s/("id":)"[^"]*"/${1}1/r));

refused('resource_is_a_string', 400, 'malformed',
        resign($paid->{body} =~ s/("resource":)\{.*\}/$1"x"}/r));

refused('ciphertext_with_tail', 400, 'malformed',
        resign($paid->{body} =~ s/("ciphertext":"[^"]*)/$1=/r));

refused('not_json', 400, 'malformed', resign('event=paid'));


# the account: one letter of it

refused('other_appid', 401, 'account_mismatch',
        channel => $paid->{channel} =~ s/appid wx/appid wy/r);

refused('not_a_partner', 401, 'account_mismatch',
        %{ $vector{v3_notify_partner} }{qw(headers body now)},
        channel => $vector{v3_notify_partner}{channel} =~ s/sub_mchid.*\n//r);

refused('other_sub_mchid', 401, 'account_mismatch',
        %{ $vector{v3_notify_partner} }{qw(headers body now)},
        channel => $vector{v3_notify_partner}{channel}
                   =~ s/(sub_mchid )\d/${1}9/r);


add_response_body_check(sub { vectors_body($_[0], $Test::Nginx::Util::ServRoot) });

spec_string(vectors_text());

no_long_string();
run_tests();
