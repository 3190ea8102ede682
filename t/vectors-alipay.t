#!/usr/bin/perl

# Copyright (C) the paygw authors

# The callback vectors of Alipay, good and bad, and what can be made of them by
# signing anew, in public-key and in certificate mode.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Nginx::Socket 'no_plan';
use Digest::SHA 'sha256_hex';
use Encode ();
use MIME::Base64;
use Time::Local;
use PaygwVectors;

my $vectors = vectors_load('alipay/notify.json');
my $dir = "$PaygwVectors::data/alipay";

my %reason = (
    neg_tampered_total_amount      => [401, 'signature'],
    neg_missing_sign               => [401, 'no sign'],
    neg_signed_by_other_key        => [401, 'signature'],
    neg_signed_by_own_app_key      => [401, 'signature'],
    neg_double_decoded             => [401, 'signature'],
    neg_trimmed_value              => [401, 'signature'],
    neg_html_escaped_value         => [401, 'signature'],
    neg_downgrade_to_rsa_sha1      => [401, 'sign_type'],
    neg_duplicate_parameter        => [400, 'duplicate_field'],
    neg_valid_signature_wrong_app_id => [403, 'unknown_account'],
    neg_valid_signature_wrong_seller => [403, 'account_mismatch'],
);

my %type = (
    TRADE_SUCCESS  => ['payment', 'success'],
    TRADE_FINISHED => ['payment', 'success'],
    TRADE_CLOSED   => ['close', 'failed'],
    WAIT_BUYER_PAY => ['payment', 'pending'],
);


sub fields {
    my ($body) = @_;

    my %f;

    for (split /&/, $body) {
        my ($name, $value) = split /=/, $_, 2;
        $value =~ tr/+/ /;
        $value =~ s/%(..)/chr hex $1/ge;
        $f{$name} //= $value;
    }

    return \%f;
}


# GMT+8
sub epoch {
    my ($y, $mon, $d, $h, $m, $s) = $_[0] =~ /\d+/g;

    return timegm($s, $m, $h, $d, $mon - 1, $y) - 8 * 3600;
}


sub minor {
    my ($yuan) = @_;

    my ($int, $frac) = $yuan =~ /^(\d+)(?:\.(\d{1,2}))?$/;

    return $int * 100 + substr(($frac // '') . '00', 0, 2);
}


sub channel {
    my (%order) = @_;

    return "        provider alipay;\n"
         . "        app_id $order{app_id};\n"
         . "        seller_id $order{seller_id};\n"
         . "        alipay_public_key $dir/keys/alipay_public.pem;\n";
}


sub event {
    my ($f) = @_;

    my $trade = $f->{notify_type} eq 'trade_status_sync';
    my $kind = $trade ? $f->{trade_status} : $f->{notify_type};
    my $encoding = ($f->{charset} // 'utf-8') =~ /gb/i ? 'GBK' : 'UTF-8';

    my %ev = (
        id       => "ch:$f->{notify_id}:$kind",
        kind     => $kind,
        channel  => 'ch',
        provider => 'alipay',
        delivery => 1,
        type     => 'unknown',
        outcome  => 'unknown',
        'data.sign'      => undef,
        'data.sign_type' => undef,
    );

    $ev{"data.$_"} = Encode::decode($encoding, $f->{$_})
        for grep { !/^sign(_type)?$/ } keys %$f;


    return \%ev unless $trade;

    @ev{qw(type outcome)} = @{ $type{$kind} };

    $ev{'order.order_id'} = $f->{out_trade_no};
    $ev{'order.trade_no'} = $f->{trade_no};
    $ev{'order.amount'} = minor($f->{total_amount});
    $ev{'order.currency'} = 'CNY';
    $ev{'order.payer'} = $f->{buyer_id};

    my $at = $ev{type} eq 'close' ? $f->{gmt_close} : $f->{gmt_payment};

    if ($f->{gmt_refund}) {
        @ev{qw(type outcome)} = qw(refund success);
        $ev{'refund.refund_id'} = $f->{out_biz_no};
        $ev{'refund.refund_no'} = undef;
        $ev{'refund.amount'} = minor($f->{refund_fee});
        $at = $f->{gmt_refund};
    }

    $at //= $f->{notify_time};
    $ev{time} = $at ? epoch($at) : undef;

    return \%ev;
}


my %vector;

for my $v (@$vectors) {
    my $in = $v->{inputs};

    # what the payer's browser brings back is signed as a callback is, and says
    # nothing of a payment: its signature is good, and it is none

    my $back = $v->{kind} eq 'return_verify';
    my $body = $in->{body} // $in->{query};
    my $f = fields($body);

    my %case = (
        name    => $v->{name},
        now     => $f->{notify_time} ? epoch($f->{notify_time}) + 10
                                     : 1735787123,
        headers => { 'Content-Type' =>
                     'application/x-www-form-urlencoded;charset=utf-8' },
        body    => $body,
        channel => channel(%{ $in->{order} }),
        status  => 200,
        ack     => 'success',
    );

    # the order of this one is not the gateway's to know: it is verified, and
    # the event carries the true amount

    if ($back) {
        @case{qw(status reason ack)} = (400, 'invalid notify_id', 'fail');
        vectors_add(%case, name => "$v->{name}_changed", status => 401,
                    reason => 'signature',
                    body => $body =~ s/total_amount=0/total_amount=1/r);

    } elsif ($v->{expect}{accept} || $v->{name} =~ /wrong_amount/) {
        $case{event} = event($f);

        # an empty value that is not signed is not delivered
        $case{event}{'data.body'} = undef
            if $v->{name} eq 'empty_value_outside_signature_fallback';

    } else {
        my $want = $reason{$v->{name}} or die "no reason for $v->{name}";
        @case{qw(status reason)} = @$want;
        $case{ack} = 'fail';
    }

    $vector{$v->{name}} = \%case;

    vectors_add(%case);
}


my $paid = $vector{trade_success_utf8};
my $now = $paid->{now};


sub refused {
    my ($name, $status, $reason, %more) = @_;

    vectors_add(%$paid, name => $name, status => $status, event => undef,
                ack => 'fail', reason => $reason, %more);
}


# the fields of the payment, some of them changed (undef: left out), signed anew

sub resign {
    my (%change) = @_;

    my $key = delete $change{_key} // 'alipay/keys/alipay_private.pem';
    my $f = fields($paid->{body});

    delete $f->{sign};

    for (keys %change) {
        defined $change{$_} ? ($f->{$_} = $change{$_}) : delete $f->{$_};
    }

    my $text = join '&', map { "$_=$f->{$_}" }
                         grep { $_ ne 'sign_type' } sort keys %$f;

    $f->{sign} = vectors_sign($key, $text);

    return ($f, $text, body => vectors_form($f));
}


sub accepted {
    my ($name, $change, $event, %more) = @_;

    my ($f, undef, @body) = resign(%$change);

    vectors_add(%$paid, name => $name, @body,
                event => { %{ event($f) }, %$event }, %more);
}


sub signed_but_refused {
    my ($name, $status, $reason, $change, %more) = @_;

    my (undef, undef, @body) = resign(%$change);

    refused($name, $status, $reason, @body, %more);
}


accepted('resigned', {}, {});
accepted('no_sign_type', { sign_type => undef }, {});
accepted('no_charset', { charset => undef }, {});
accepted('amount_of_one_decimal', { total_amount => '88.8' },
         { 'order.amount' => 8880 });
accepted('wait_buyer_pay', { trade_status => 'WAIT_BUYER_PAY' },
         { time => $now - 10 });
accepted('finished', { trade_status => 'TRADE_FINISHED' }, {});
accepted('finished_after_refund',
         { trade_status => 'TRADE_FINISHED', refund_fee => '1.00' }, {});
accepted('refund_fee_alone', { refund_fee => '1.00' },
         { type => 'refund', 'refund.amount' => 100, time => $now - 10 });
accepted('buyer_open_id', { buyer_id => undef, buyer_open_id => '074a1_b' },
         { 'order.payer' => '074a1_b' });

# a kind that we do not know is passed on, without an order
accepted('agreement',
         { notify_type => 'dut_user_sign', trade_status => undef },
         { 'order.order_id' => undef, 'order.amount' => undef });

signed_but_refused('no_notify_id', 400, 'malformed',
                   { notify_id => undef });


# times: a callback is repeated for 25 hours, and no longer

accepted('old_but_repeated', {}, {}, now => $now + 25 * 3600 - 10);
signed_but_refused('too_old', 401, 'clock 90001 s off', {},
                   now => $now + 25 * 3600 - 9);
accepted('ahead', {}, {}, now => $now - 310);
signed_but_refused('too_far_ahead', 401, 'clock 301 s off', {},
                   now => $now - 311);
signed_but_refused('notify_time_is_no_time', 400, 'malformed',
                   { notify_time => 'yesterday' });


# what a genuine message may not carry

signed_but_refused('amount_negative', 400, 'malformed',
                   { total_amount => '-88.88' });
signed_but_refused('amount_of_three_decimals', 400, 'malformed',
                   { total_amount => '88.888' });
signed_but_refused('amount_exponent', 400, 'malformed',
                   { total_amount => '1e3' });
signed_but_refused('no_amount', 400, 'malformed', { total_amount => undef });
signed_but_refused('broken_refund_fee', 400, 'malformed',
                   { refund_fee => '1,00' });
signed_but_refused('unknown_charset', 400, 'malformed',
                   { charset => 'utf-16' });
signed_but_refused('not_utf8', 400, 'malformed', { subject => "\xb2\xe2" });
signed_but_refused('not_gbk', 400, 'malformed',
                   { charset => 'gbk', subject => "\xff\xff" });
signed_but_refused('notify_id_with_blank', 400, 'malformed',
                   { notify_id => '2025 01' });


# the account

signed_but_refused('no_app_id', 403, 'unknown_account', { app_id => undef });
signed_but_refused('empty_app_id', 403, 'unknown_account', { app_id => '' });
signed_but_refused('no_seller_id', 403, 'account_mismatch',
                   { seller_id => undef });
signed_but_refused('empty_seller_id', 403, 'account_mismatch',
                   { seller_id => '' });
signed_but_refused('other_auth_app_id', 403, 'account_mismatch',
                   { auth_app_id => '2021000000000009' });
accepted('auth_app_id', { auth_app_id => '2021000000000009' }, {},
         channel => $paid->{channel} . "auth_app_id 2021000000000009;\n");


# two apps at one location

vectors_add(%$paid, name => 'd16_other_channel',
            other => $paid->{channel} =~ s/app_id \d/app_id 9/r
                                      =~ s{/alipay_public}{/app_public}r);

refused('d11_seller_of_the_other_channel', 403, 'account_mismatch',
        channel => $paid->{channel} =~ s/seller_id \d/seller_id 9/r,
        other => $paid->{channel} =~ s/app_id \d/app_id 9/r);


# sign

refused('sign_with_blank', 401, 'plus sign decoded as space',
        body => $paid->{body} =~ s/(sign=.*?)%2B/$1+/r);
refused('html_escaped_on_the_way', 401, 'values were HTML-escaped on the way',
        body => $paid->{body} =~ s/%22/%26quot%3B/gr);
refused('charset_changed_on_the_way', 401,
        'a value is not in the charset of the message',
        body => $paid->{body} =~ s/subject=%E8/subject=/r);
refused('empty_sign', 401, 'no sign',
        body => $paid->{body} =~ s/&sign=.*/&sign=/r);
refused('empty_sign_type', 401, 'sign_type',
        body => $paid->{body} =~ s/sign_type=RSA2/sign_type=/r);
refused('two_signs', 400, 'duplicate_field', body => "$paid->{body}&sign=x");
refused('query_string_is_not_the_body', 401, 'signature',
        body => $paid->{body} . '&refund_fee=1.00');


# certificate mode; the certificates are younger than the vectors

{
    my $when = '2030-01-02 03:04:05';

    my $channel = $paid->{channel}
        =~ s{alipay_public_key.*;}{alipay_cert $dir/keys/alipay_cert.crt;
        alipay_root_cert $dir/keys/alipay_root.crt;}r;

    my $both = $channel . "alipay_cert $dir/keys/alipay_next_cert.crt;\n";

    my %sn = map { $_ => sn("$_.crt") } qw(alipay_cert alipay_next_cert);

    my @at = (now => epoch($when) + 10);
    my %t = (notify_time => $when);
    my %new = (%t, _key => 'alipay/keys/alipay_next_private.pem');

    accepted('cert', { %t }, {}, @at, channel => $channel);

    accepted('cert_by_sn', { %t, alipay_cert_sn => $sn{alipay_cert} }, {},
             @at, channel => $channel);

    accepted('cert_next', { %new }, {}, @at, channel => $both);

    accepted('cert_next_by_sn',
             { %new, alipay_cert_sn => $sn{alipay_next_cert} }, {},
             @at, channel => $both);

    signed_but_refused('cert_next_unknown', 401, 'unknown_key',
                       { %new, alipay_cert_sn => $sn{alipay_next_cert} },
                       @at, channel => $channel);

    signed_but_refused('cert_sn_of_other', 401, 'signature',
                       { %new, alipay_cert_sn => $sn{alipay_cert} },
                       @at, channel => $both);

    signed_but_refused('cert_not_yet_valid', 401, 'unknown_key', {},
                       channel => $channel);
}


# MD5 of issuer and decimal serial, by the openssl command

sub sn {
    my ($file) = @_;

    my $x509 = "openssl x509 -in $dir/keys/$file -noout";
    my $issuer = `$x509 -issuer -nameopt RFC2253,-esc_msb`;
    my $serial = `$x509 -serial`;

    $issuer =~ s/^issuer=\s*|\s+\z//g;
    $serial =~ s/^serial=|\s+\z//g;

    require Math::BigInt;
    require Digest::MD5;

    return Digest::MD5::md5_hex($issuer
                                . Math::BigInt->from_hex($serial)->bstr);
}


add_response_body_check(sub {
    vectors_body($_[0], $Test::Nginx::Util::ServRoot);
});

spec_string(vectors_text());

no_long_string();
run_tests();
