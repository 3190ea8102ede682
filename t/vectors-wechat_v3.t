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

my %ack = (
    204 => '',
    400 => '{"code":"FAIL","message":"bad request"}',
    401 => '{"code":"FAIL","message":"verification failed"}',
    403 => '{"code":"FAIL","message":"forbidden"}',
);

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
    v3_notify_bad_mchid       => [403, 'account_mismatch'],
);


sub channel {
    my ($in, $plain) = @_;

    my $conf = "        provider wechat_v3;\n"
             . '        apiv3_key file:' . vectors_secret($in->{api_v3_key})
             . ";\n";

    if ($plain->{sp_mchid}) {
        $conf .= "        mchid $plain->{sp_mchid};\n"
               . "        sub_mchid $plain->{sub_mchid};\n"
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
        $case{status} = 204;

    } else {
        my $want = $reason{$v->{name}} or die "no reason for $v->{name}";
        @case{qw(status reason)} = @$want;
    }

    $case{ack} = $ack{$case{status}};

    $vector{$v->{name}} = \%case;

    vectors_add(%case);
}


# the clock window: both ways, to the second

my $paid = $vector{v3_notify_paid};
my $sent = $paid->{headers}{'Wechatpay-Timestamp'};

vectors_add(%$paid, name => "window_$_", now => $sent + $_)
    for -299, 0, 299;

vectors_add(%$paid, name => "window_$_", now => $sent + $_, status => 401,
            ack => $ack{401}, event => undef, reason => 'clock 301 s off')
    for -301, 301;


# headers

sub refused {
    my ($name, $status, $reason, %more) = @_;

    vectors_add(%$paid, name => $name, status => $status, event => undef,
                ack => $ack{$status}, reason => $reason, %more);
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

    refused('other_signature_type_of_the_same_length', 401, 'sign_type',
        headers => { %h, 'Wechatpay-Signature-Type'
                         => 'WECHATPAY2-SHA256-RSA2049' });

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

    refused('body_with_line_feed', 401, 'a line feed was added to the body',
            body => "$paid->{body}\n");
}


# messages with a good signature and something wrong inside

sub resign {
    my ($body, $key, %change) = @_;

    my %headers = (%{ $paid->{headers} }, %change);

    $headers{'Wechatpay-Signature'} = vectors_sign(
        'wechat_v3/platform_key_' . ($key // 'a') . '.pem',
        join '', map { "$_\n" } $headers{'Wechatpay-Timestamp'},
                                $headers{'Wechatpay-Nonce'}, $body);

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

refused('other_algorithm_of_the_same_length', 400, 'malformed',
        resign($paid->{body} =~ s/AEAD_AES_256_GCM/AEAD_AES_256_GCX/r));


# a certificate before its time

vectors_add(%$paid, name => 'certificate_b', resign($paid->{body}, 'b',
    'Wechatpay-Serial' => $file->{constants}{platform_serial_b}));

refused('certificate_b_not_yet_valid', 401, 'not yet valid',
    now => 1720000000, resign($paid->{body}, 'b',
        'Wechatpay-Timestamp' => 1720000000,
        'Wechatpay-Serial' => $file->{constants}{platform_serial_b}));


# resources with a good tag: what is in them

my $key = $file->{constants}{api_v3_key};

sub plaintext {
    my ($name) = @_;

    my ($v) = grep { $_->{name} eq $name } @{ $file->{vectors} };

    return Encode::encode('UTF-8', $v->{expect}{plaintext});
}

# the vector with its plaintext or its event type changed
sub sealed {
    my ($name, $text, $event_type) = @_;

    my $env = $json->decode($vector{$name}{body});
    my $res = $env->{resource};

    $env->{event_type} = $event_type if $event_type;
    $res->{ciphertext} = vectors_seal($key, $res->{nonce},
                                      $res->{associated_data} // '', $text);

    return resign($json->encode($env));
}

my $pay = plaintext('v3_notify_paid');
my $back = plaintext('v3_notify_refund');

for (['no_mchid', qr/"mchid":"[^"]*",/, ''],
     ['no_appid', qr/"appid":"[^"]*",/, ''],
     ['empty_appid', qr/("appid":)"[^"]*"/, '"appid":""'],
     ['other_sub_appid_too', qr/"attach"/, '"sub_appid":"wx0","attach"'])
{
    my ($name, $from, $to) = @$_;

    refused($name, 403, 'account_mismatch',
            sealed('v3_notify_paid', $pay =~ s/$from/$to/r));
}

refused('refund_without_mchid', 403, 'account_mismatch',
        sealed('v3_notify_refund', $back =~ s/"mchid":"[^"]*",//r));

refused('d3_duplicate_key_in_resource', 400, 'duplicate_field',
        sealed('v3_notify_paid', $pay =~ s/\}\z/,"mchid":"1"}/r));

for (['mchid_is_a_number', qr/"mchid":"(\d+)"/, '"mchid":1900009191'],
     ['amount_is_a_string', qr/"total":100/, '"total":"100"'],
     ['amount_is_a_fraction', qr/"total":100/, '"total":100.0'],
     ['amount_is_negative', qr/"total":100/, '"total":-100'],
     ['amount_has_an_exponent', qr/"total":100/, '"total":1e2'],
     ['amount_is_missing', qr/"total":100,/, ''],
     ['amount_is_no_object', qr/"amount":\{.*?\}/, '"amount":100'],
     ['order_id_has_a_blank', qr/"out_trade_no":"/, '"out_trade_no":" '],
     ['order_id_is_missing', qr/"out_trade_no":"[^"]*",/, ''],
     ['resource_is_an_array', qr/.*/s, '[]'])
{
    my ($name, $from, $to) = @$_;

    refused($name, 400, 'malformed',
            sealed('v3_notify_paid', $pay =~ s/$from/$to/r));
}

refused('refund_amount_is_missing', 400, 'malformed',
        sealed('v3_notify_refund', $back =~ s/"refund":40,//r));
refused('refund_number_is_missing', 400, 'malformed',
        sealed('v3_notify_refund', $back =~ s/"out_refund_no":"[^"]*",//r));


# states

my %state = (
    REFUND     => ['payment', 'success'],
    NOTPAY     => ['payment', 'pending'],
    USERPAYING => ['payment', 'pending'],
    CLOSED     => ['close', 'failed'],
    REVOKED    => ['payment', 'failed'],
    PAYERROR   => ['payment', 'failed'],
    NEWSTATE   => ['payment', 'pending'],
);

for (sort keys %state) {
    vectors_add(%$paid, name => "trade_state_$_",
        sealed('v3_notify_paid',
               $pay =~ s/"trade_state":"SUCCESS"/"trade_state":"$_"/r),
        event => { type => $state{$_}[0], outcome => $state{$_}[1],
                   'order.amount' => 100 });
}

vectors_add(%$paid, name => 'trade_state_missing',
    sealed('v3_notify_paid', $pay =~ s/"trade_state":"SUCCESS",//r),
    event => { type => 'payment', outcome => 'unknown' });

for (['CLOSED', 'failed'], ['ABNORMAL', 'failed'], ['PROCESSING', 'pending'],
     ['NEWSTATE', 'pending'])
{
    my ($word, $outcome) = @$_;

    vectors_add(%$paid, name => "refund_status_$word",
        sealed('v3_notify_refund',
               $back =~ s/"refund_status":"SUCCESS"/"refund_status":"$word"/r,
               "REFUND.$word"),
        event => { type => 'refund', outcome => $outcome,
                   kind => "REFUND.$word", 'refund.amount' => 40 });
}


# the account: one letter of it

refused('other_appid', 403, 'account_mismatch',
        channel => $paid->{channel} =~ s/appid wx/appid wy/r);

refused('not_a_partner', 403, 'account_mismatch',
        %{ $vector{v3_notify_partner} }{qw(headers body now)},
        channel => $vector{v3_notify_partner}{channel} =~ s/sub_mchid.*\n//r);

refused('other_sub_mchid', 403, 'account_mismatch',
        %{ $vector{v3_notify_partner} }{qw(headers body now)},
        channel => $vector{v3_notify_partner}{channel}
                   =~ s/(sub_mchid )\d/${1}9/r);


# several channels at one location

my $other_key = 'apiv3_key file:' . vectors_secret('x' x 32);

vectors_add(%$paid, name => 'other_channel_has_other_secret',
            other => $paid->{channel} =~ s/apiv3_key [^;]+/$other_key/r
                                      =~ s/mchid \d/mchid 9/r);

vectors_add(%$paid, name => 'other_channel_has_other_mchid',
            other => $paid->{channel} =~ s/mchid \d/mchid 9/r);

vectors_add(%$paid, name => 'd16_other_channel_has_other_appid',
            other => $paid->{channel} =~ s/appid wx/appid wy/r);

# a mistake of ours: one serial, two keys
vectors_add(%{ $vector{v3_notify_paid_pubkey} },
            name => 'other_channel_has_other_key_under_the_id',
            other => $paid->{channel} =~ s/mchid \d/mchid 9/r
                     =~ s/(PUB_KEY_ID_\d+ ).*;/$1$dir\/platform_cert_a.pub;/r);

# and the key of one channel is not good for another
refused('key_of_the_other_channel', 403, 'account_mismatch',
        %{ $vector{v3_notify_paid_pubkey} }{qw(headers)},
        other => $paid->{channel} =~ s/mchid \d/mchid 9/r,
        channel => $paid->{channel}
                   =~ s/(PUB_KEY_ID_\d+ ).*;/$1$dir\/platform_cert_a.pub;/r);

vectors_add(%$paid, name => 'other_channel_has_not_the_certificate',
            other => $paid->{channel} =~ s/mchid \d/mchid 9/r
                     =~ s/platform_certificate.*platform_cert_a.*\n//r);

refused('d11_none_of_two', 403, 'account_mismatch',
        channel => $paid->{channel} =~ s/appid wx/appid wz/r,
        other => $paid->{channel} =~ s/mchid \d/mchid 9/r);


add_response_body_check(sub {
    vectors_body($_[0], $Test::Nginx::Util::ServRoot);
});

spec_string(vectors_text());

no_long_string();
run_tests();
