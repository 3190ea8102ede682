#!/usr/bin/perl

# Copyright (C) the paygw authors

# The callback vectors of UnionPay, good and bad, and what can be made of them
# by signing anew, with each method and with every certificate.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Nginx::Socket 'no_plan';
use Digest::SHA 'sha256_hex';
use Encode ();
use Time::Local;
use PaygwVectors;

my $vectors = vectors_load('unionpay/notify.json');
my $dir = "$PaygwVectors::data/unionpay";

# the root of the vectors is younger than they are

my $now = timegm(0, 0, 4, 21, 10, 2026);
my $time = '20261121115930';
my $secret = '979da4cfccbae7923641daa5dd7047c2';

my %reason = (
    neg_tampered_amount          => [401, 'signature'],
    neg_rogue_certificate        => [401, 'unknown_key'],
    neg_other_merchant_certificate => [401, 'unknown_key'],
    neg_signature_missing        => [401, 'no signature'],
    neg_plus_lost_in_signature   => [401, 'plus sign decoded as space'],
    neg_duplicate_parameter      => [400, 'duplicate_field'],
    neg_pem_newlines_changed     => [401, 'has lost its CR LF'],
    neg_wrong_merid              => [403, 'unknown_account'],
);

# what is not the gateway's to know: verified, and delivered as it is

my %elsewhere = map { $_ => 1 } qw(neg_wrong_amount_for_order
    neg_wrong_txntime neg_consume_notice_for_refund_order);


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
    my ($y, $mon, $d, $h, $m, $s) = $_[0] =~ /^(....)(..)(..)(..)(..)(..)$/;

    return timegm($s, $m, $h, $d, $mon - 1, $y) - 8 * 3600;
}


sub channel {
    my ($merid) = @_;

    return "        provider unionpay;\n"
         . "        merId $merid;\n"
         . "        root_cert $dir/keys/up_root.cer;\n"
         . "        middle_cert $dir/keys/up_middle.cer;\n"
         . "        event_ttl 1000d;\n";
}


sub event {
    my ($f) = @_;

    my $encoding = $f->{encoding} =~ /gb/i ? 'GBK' : 'UTF-8';
    my $code = $f->{respCode};
    my $good = $code eq '00' || $code eq 'A6';
    my $kind = $f->{txnType} . ($good ? '' : ".$code");

    my %ev = (
        id       => "ch:$f->{queryId}:$kind",
        kind     => $kind,
        channel  => 'ch',
        provider => 'unionpay',
        delivery => 1,
        time     => epoch($f->{txnTime}),
        confirm  => $code eq '00' ? undef : 'query',
        outcome  => $good ? 'success' : $code =~ /^0[345]$/ ? 'pending'
                    : 'failed',
        'order.currency'  => 'CNY',
        'order.payer'     => undef,
        'data.signature'  => undef,
    );

    $ev{"data.$_"} = Encode::decode($encoding, $f->{$_})
        for grep { $_ ne 'signature' } keys %$f;

    if ($f->{txnType} eq '01') {
        $ev{type} = 'payment';
        $ev{'order.order_id'} = $f->{orderId};
        $ev{'order.trade_no'} = $f->{queryId};
        $ev{'order.amount'} = 0 + $f->{txnAmt};

    } elsif ($f->{txnType} =~ /^(?:04|31)$/) {
        $ev{type} = 'refund';
        $ev{'order.order_id'} = $f->{origOrderId};
        $ev{'order.trade_no'} = $f->{origQryId};
        $ev{'order.amount'} = undef;
        $ev{'refund.refund_id'} = $f->{orderId};
        $ev{'refund.refund_no'} = $f->{queryId};
        $ev{'refund.amount'} = 0 + $f->{txnAmt};

    } else {
        @ev{qw(type outcome)} = qw(unknown unknown);
        $ev{'order.order_id'} = $f->{orderId};
        $ev{'order.amount'} = 0 + $f->{txnAmt};
    }

    return \%ev;
}


my %vector;

for my $v (@$vectors) {
    my $in = $v->{inputs};

    my %case = (
        name    => $v->{name},
        now     => $now,
        headers => { 'Content-Type' =>
                     'application/x-www-form-urlencoded;charset=UTF-8' },
        body    => $in->{body},
        channel => channel($in->{order}{merId}),
        status  => 200,
        ack     => 'ok',
    );

    if ($v->{expect}{accept} || $elsewhere{$v->{name}}) {
        $case{event} = event(fields($in->{body}));

        die "$v->{name}: outcome"
            if $v->{expect}{outcome}
               && $case{event}{outcome} ne $v->{expect}{outcome};

    } else {
        my $want = $reason{$v->{name}} or die "no reason for $v->{name}";
        @case{qw(status reason)} = @$want;
        $case{ack} = 'fail';
    }

    $vector{$v->{name}} = \%case;

    vectors_add(%case);
}


my $paid = $vector{pay_success};


sub refused {
    my ($name, $status, $reason, %more) = @_;

    vectors_add(%$paid, name => $name, status => $status, event => undef,
                ack => 'fail', reason => $reason, %more);
}


sub pem {
    my ($file) = @_;

    my $pem = PaygwVectors::slurp("$dir/keys/$file.cer");
    $pem =~ s/\s+\z//;
    $pem =~ s/\r?\n/\r\n/g;

    return $pem;
}


sub text {
    my ($f) = @_;

    return join '&', map { "$_=$f->{$_}" }
                     grep { $_ ne 'signature' } sort keys %$f;
}


# the fields of the payment of today, some of them changed (undef: left out),
# signed anew; _cert and _key name files

sub resign {
    my (%change) = @_;

    my $key = delete $change{_key} // 'up_sign_private';
    my $cert = delete $change{_cert};
    my $drop = delete $change{_drop_empty};
    my $once = delete $change{_once};
    my $method = $change{signMethod} // '01';
    my $f = { %{ fields($paid->{body}) }, txnTime => $time };

    delete $f->{signature};
    $f->{signPubKeyCert} = pem($cert) if $cert;
    delete $f->{signPubKeyCert} if $method ne '01';

    for (keys %change) {
        defined $change{$_} ? ($f->{$_} = $change{$_}) : delete $f->{$_};
    }

    my %signed = map { $_ => $f->{$_} }
                 grep { !$drop || $f->{$_} ne '' } keys %$f;
    my $text = text(\%signed);

    $f->{signature} = $method eq '11'
        ? sha256_hex("$text&" . sha256_hex($secret))
        : $method eq '12' ? sm3_hex("$text&" . sm3_hex($secret))
        : vectors_sign("unionpay/keys/$key.pem",
                       $once ? $text : sha256_hex($text));

    return ($f, body => vectors_form($f));
}


sub sm3_hex {
    my ($text) = @_;

    my $tmp = File::Temp->new;
    binmode $tmp;
    print $tmp $text;
    $tmp->flush;

    my ($hex) = `openssl dgst -sm3 $tmp` =~ /([0-9a-f]{64})/
        or die 'openssl has no SM3';

    return $hex;
}


sub accepted {
    my ($name, $change, $event, %more) = @_;

    my ($f, @body) = resign(%$change);

    vectors_add(%$paid, name => $name, @body,
                channel => $paid->{channel} =~ s/^.*event_ttl.*\n//mr,
                event => { %{ event($f) }, %$event }, %more);
}


sub signed_but_refused {
    my ($name, $status, $reason, $change, %more) = @_;

    my (undef, @body) = resign(%$change);

    refused($name, $status, $reason, @body,
            channel => $paid->{channel} =~ s/^.*event_ttl.*\n//mr, %more);
}


accepted('resigned', {}, {});
accepted('undo', { txnType => '31', origQryId => '512501020304051234560' },
         {});
accepted('refund_of_a_qr_payment',
         { txnType => '04', origOrderId => 'O1', currencyCode => undef },
         { 'order.order_id' => 'O1', 'order.currency' => undef });
accepted('pre_authorisation', { txnType => '02' }, { confirm => undef });
accepted('pending', { respCode => '05' }, {});
accepted('failed', { respCode => '36' }, {});
accepted('empty_values_signed', { issAddnData => '', tn => '' }, {});
accepted('empty_values_not_signed',
         { issAddnData => '', tn => '', _drop_empty => 1 },
         { 'data.issAddnData' => undef, 'data.tn' => undef });
accepted('gbk', { encoding => 'GBK',
                  respMsg => Encode::encode('GBK', "\x{6210}\x{529f}") },
         { 'data.respMsg' => "\x{6210}\x{529f}" });
accepted('braces', { reserved => '{a=1&b=2}', cardTransData => '[x&y=z]' },
         { 'data.reserved' => '{a=1&b=2}' });
accepted('card_number_that_is_encrypted', { accNo => 'QUJD' x 86 },
         { 'data.accNo' => 'QUJD' x 86 });
accepted('hong_kong_dollars', { currencyCode => '344' },
         { 'order.currency' => 'HKD' });


# certificates

accepted('signed_by_a_certificate_with_sha1',
         { _cert => 'up_sign_cert_sha1' }, {});
accepted('certificate_of_the_test_gateway',
         { _cert => 'up_sign_cert_testcn' }, {},
         channel => channel('777290058110097')
                    . "        cert_name 00040000:SIGN;\n");
signed_but_refused('certificate_of_the_test_gateway_in_production', 401,
                   'certificate is of another name',
                   { _cert => 'up_sign_cert_testcn' });
signed_but_refused('certificate_that_is_expired', 401,
                   'certificate or its issuer is expired',
                   { _cert => 'up_sign_cert_expired' });
signed_but_refused('root_that_is_not_yet_valid', 401,
                   'certificate or its issuer is not yet valid',
                   { txnTime => '20261120115930' }, now => $now - 24 * 3600);
signed_but_refused('certificate_of_another_merchant', 401,
                   'certificate is of another name',
                   { _cert => 'other_merchant_cert', _key => 'rogue_private' });
signed_but_refused('certificate_whose_name_contains_the_name', 401,
                   'certificate is of another name',
                   { _cert => 'other_merchant_cert_cn_contains',
                     _key => 'rogue_private' });
signed_but_refused('certificate_whose_name_has_no_parts', 401,
                   'certificate is of another name',
                   { _cert => 'other_merchant_cert_cn_short',
                     _key => 'rogue_private' });
signed_but_refused('certificate_of_our_own', 401,
                   'certificate is of another name',
                   { _cert => 'merchant_cert', _key => 'rogue_private' });
signed_but_refused('d2_certificate_of_a_ca_of_the_same_name', 401,
                   'has an issuer that is not configured',
                   { _cert => 'rogue_cert', _key => 'rogue_private' });
signed_but_refused('d2_chain_that_comes_along', 401,
                   'is not one certificate in PEM',
                   { signPubKeyCert => pem('rogue_cert') . "\r\n"
                                       . pem('rogue_middle'),
                     _key => 'rogue_private' });
signed_but_refused('ca_as_signer', 401, 'certificate is that of a CA',
                   { _cert => 'rogue_middle', _key => 'rogue_private' });
signed_but_refused('good_certificate_and_another_key', 401, 'signature',
                   { _key => 'rogue_private' });
signed_but_refused('no_certificate', 401, 'no signPubKeyCert',
                   { signPubKeyCert => undef });
{
    my ($f) = resign();
    refused('plus_lost_in_certificate', 401, 'plus sign decoded as space',
            body => vectors_form({ %$f, signPubKeyCert =>
                                   $f->{signPubKeyCert} =~ tr/+/ /r }));
    refused('certificate_re_encoded', 401, 'is not one certificate in PEM',
            body => vectors_form({ %$f, signPubKeyCert =>
                                   "x\r\n$f->{signPubKeyCert}" }));
}
signed_but_refused('certificate_that_is_none', 401,
                   'is not one certificate in PEM',
                   { signPubKeyCert => 'x' });
signed_but_refused('hashed_once', 401, 'signature', { _once => 1 });


# methods: no message chooses one

my $hashed = "        provider unionpay;\n        merId 777290058110097;\n";
my $secret_key = "        secure_key text:$secret;\n";

for my $method ('11', '12') {
    accepted("secure_key_$method", { signMethod => $method }, {},
             channel => "$hashed        signMethod $method;\n$secret_key");
    accepted("secure_key_next_$method", { signMethod => $method }, {},
             channel => "$hashed        signMethod $method;\n"
                        . "        secure_key text:other;\n$secret_key");
    signed_but_refused("secure_key_other_$method", 401, 'signature',
                       { signMethod => $method },
                       channel => "$hashed        signMethod $method;\n"
                                  . "        secure_key text:other;\n");
    signed_but_refused("d9_method_of_the_message_$method", 401,
                       'signMethod is not the configured one',
                       { signMethod => $method });
    signed_but_refused("method_01_where_${method}_is_pinned", 401,
                       'signMethod is not the configured one', {},
                       channel => "$hashed        signMethod $method;\n"
                                  . $secret_key);
}

{
    my ($f) = resign();
    delete @$f{qw(signature signPubKeyCert)};
    $f->{signMethod} = '11';

    $f->{signature} = sha256_hex(text($f) . '&' . sha256_hex(''));

    refused('e9_downgrade_to_an_empty_secret', 401,
            'signMethod is not the configured one',
            body => vectors_form($f));

    refused('empty_secret', 401, 'signature', body => vectors_form($f),
            channel => "$hashed        signMethod 11;\n$secret_key");

    $f->{signature} = uc sha256_hex(text($f) . '&' . sha256_hex($secret));

    refused('upper_case_hash', 401, 'signature', body => vectors_form($f),
            channel => "$hashed        signMethod 11;\n$secret_key");
}

signed_but_refused('no_sign_method', 401, 'sign_type',
                   { signMethod => undef });
signed_but_refused('version_5_0_0', 401, 'only version 5.1.0',
                   { version => '5.0.0' });
signed_but_refused('no_version', 401, 'only version 5.1.0',
                   { version => undef });


# times

accepted('paid_a_day_after_its_order', {}, {},
         now => epoch($time) + 25 * 3600);
signed_but_refused('too_old', 401, 'clock 90001 s off', {},
                   now => epoch($time) + 25 * 3600 + 1);
accepted('ahead', {}, {}, now => epoch($time) - 300);
signed_but_refused('too_far_ahead', 401, 'clock 301 s off', {},
                   now => epoch($time) - 301);
signed_but_refused('txn_time_is_no_time', 400, 'invalid txnTime',
                   { txnTime => '20261131115930' });
signed_but_refused('no_txn_time', 400, 'invalid txnTime',
                   { txnTime => undef });


# what a genuine message may not carry

signed_but_refused("amount_$_->[0]", 400, 'invalid txnAmt',
                   { txnAmt => $_->[1] })
    for [negative => '-8888'], [decimal => '88.88'], [exponent => '1e3'],
        [long => '1' x 16], [empty => ''], [absent => undef];
signed_but_refused('settle_amount_that_is_none', 400, 'invalid settleAmt',
                   { settleAmt => '88.88' });
signed_but_refused('currency_that_is_not_known', 400, 'unknown currencyCode',
                   { currencyCode => '392' });
signed_but_refused('currency_in_letters', 400, 'unknown currencyCode',
                   { currencyCode => 'CNY' });
signed_but_refused('payment_without_currency', 400, 'no currencyCode',
                   { currencyCode => undef });
signed_but_refused('no_query_id', 400, 'invalid queryId',
                   { queryId => undef });
signed_but_refused('no_order_id', 400, 'invalid orderId',
                   { orderId => undef });
signed_but_refused('no_txn_type', 400, 'invalid txnType',
                   { txnType => undef });
signed_but_refused('no_resp_code', 400, 'invalid respCode',
                   { respCode => '' });
signed_but_refused('unknown_encoding', 400, 'unknown charset',
                   { encoding => 'UTF-16' });
signed_but_refused('not_utf8', 400, 'a value is not UTF-8',
                   { respMsg => "\xb3\xc9\xb9\xa6" });


# the account

signed_but_refused('no_merid', 403, 'unknown_account', { merId => undef });
vectors_add(%$paid, name => 'd16_other_channel',
            other => $paid->{channel} =~ s/merId \d/merId 9/r);


add_response_body_check(sub {
    vectors_body($_[0], $Test::Nginx::Util::ServRoot);
});

spec_string(vectors_text());

no_long_string();
run_tests();
