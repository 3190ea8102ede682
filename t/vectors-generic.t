#!/usr/bin/perl

# Copyright (C) the paygw authors

# The callback vectors of configured providers, good and bad.  A channel is
# that of conf-examples/generic-*.conf, with the keys of the vectors; where the
# body of a vector is no body of that provider, what is read from the body
# gives way to a replay_id of its own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Nginx::Socket 'no_plan';
use Digest::MD5 'md5_hex';
use Digest::SHA qw(hmac_sha256_hex sha1_hex sha256_hex);
use MIME::Base64;
use PaygwVectors;

my $vectors = vectors_load('generic/notify.json')->{vectors};
my $dir = "$PaygwVectors::data/generic";
my $accepted = '[accepted]';
my $douyin = '{"err_no":0,"err_tips":"success"}';


# What the id of an event has behind it if the event must be confirmed: its
# facts, in the order of docs/events.md.

sub facts {
    my (%o) = @_;

    my $text = join '', map { ($o{$_} // '') . "\n" }
        qw(order_id trade_no currency refund_id refund_no payer);

    return '-' . substr sha256_hex($text . ($o{amount} // -1) . ' -1'), 0, 32;
}


# The block of an example.  $plain leaves out what is read from the body.

sub example {
    my ($file, $key, %o) = @_;

    my $text = PaygwVectors::slurp("$FindBin::Bin/../conf-examples/"
                                   . "generic-$file.conf");

    my ($block) = $text =~ /paygw_channel \w+ \{\n(.*?)\n    \}/s
        or die "no channel in $file";

    if (defined $key) {
        my $secret = vectors_secret($key);
        $block =~ s{file:/etc/paygw/[\w.]+}{file:$secret};
    }

    $block =~ s{/etc/paygw/douyin/public}{$dir/douyin_platform_pub};
    $block =~ s{/etc/paygw/paypal/certificate}{$dir/paypal_cert};

    if ($o{plain}) {
        $block =~ s{^\ +(?:replay_id|kind|map|ignore|order_id|trade_no|amount
                          |currency|refund_\w+|payer|event_time|require
                          |content_type)\ [^;]*;\n}{}mgx;
        $block .= "\n        replay_id hex(sha256(body));\n";
    }

    $block =~ s/$_->[0]/$_->[1]/ for @{ $o{change} || [] };

    return "$block\n";
}


my %style = (
    github_sha256     => sub { example('github', $_[0]{secret}, plain => 1) },
    adyen_standard    => sub { example('adyen', $_[0]{hmac_key_hex}) },
    adyen_banking     => sub { example('adyen-platform', $_[0]{hmac_key_hex},
                                       plain => 1) },
    razorpay          => sub { example('razorpay', $_[0]{secret},
                                       plain => 1) },
    paddle            => sub { example('paddle', $_[0]{secret}, plain => 1) },
    standard_webhooks => sub { example('standard-webhooks', $_[0]{secret},
                                       plain => 1) },
    square            => sub { example('square', $_[0]{signature_key},
        plain => 1,
        change => [[ qr{url +\S+;}, "url $_[0]{notification_url};" ]]) },
    douyin_trade_notify => sub { example('douyin', undef, plain => 1) },
    douyin_ecpay_notify => sub { example('douyin-old', $_[0]{token}) },
    razorpay_checkout => sub { return <<"CONF" },
        provider       generic;
        content_type   application/x-www-form-urlencoded;
        algorithm      hmac(sha256);
        key            file:@{[ vectors_secret($_[0]{secret}) ]};
        signature      form(razorpay_signature) hex;
        signed         'join("|", form(razorpay_order_id),
                           form(razorpay_payment_id))';
        replay_id      form(razorpay_payment_id);
        order_id       form(razorpay_order_id);
        ack ok         200;
CONF
    paypal            => sub {
        my $require = 'require header(PAYPAL-CERT-URL) '
            . 'https://api.paypal.com/v1/notifications/certs/CERT-TEST;';
        return example('paypal', undef, plain => 1)
            . "        $require\n"
            . "        require header(PAYPAL-AUTH-ALGO) SHA256withRSA;\n";
    },
);

# why the bad ones are refused
my %refused = (
    gh_bad_body             => [401, 'signature'],
    gh_bad_prefix           => [401, 'signature, hint: no signature'],
    gh_bad_sha1             => [401, 'signature, hint: no signature'],
    adyen_bad_amount        => [401, 'signature'],
    adyen_bad_key_as_text   => [401, 'signature'],
    square_bad_url          => [401, 'signature'],
    square_bad_body         => [401, 'signature'],
    razorpay_bad            => [401, 'signature'],
    paddle_bad_stale        => [401, 'clock, hint: clock 6 s off'],
    paddle_bad_body         => [401, 'signature'],
    paddle_bad_header       => [400, 'malformed, hint: no time'],
    sw_bad_v2_only          => [401, 'signature, hint: no signature'],
    sw_bad_body             => [401, 'signature'],
    paypal_bad_body         => [401, 'signature'],
    paypal_bad_cert_host    => [403, 'account_mismatch'],
    douyin_trade_notify_bad => [401, 'signature'],
);

# the certificate of the vectors is younger than their time
my %now = (paypal => 1795300000);
my %ack = (adyen_standard => $accepted, adyen_banking => $accepted,
           douyin_trade_notify => $douyin, douyin_ecpay_notify => $douyin);

my (%case, %seen);

for my $v (@$vectors) {
    my $kind = $v->{kind};
    my $in = $v->{inputs};

    # what is sent to a provider is in vectors-requests.t
    next if $kind =~ /_request$/;

    my $channel = ($style{$kind} or die "no style $kind")->($in);
    my $body = decode_base64($in->{body_b64} // '');
    $body = $in->{body} if $body eq '';
    utf8::encode($body) if utf8::is_utf8($body);

    # a certificate that is valid: the time is old for it
    $channel =~ s/^ +time[^;]*;\n//m if $kind eq 'paypal';

    my %c = (
        name    => $v->{name},
        now     => $now{$kind} // $in->{now} // 1730000003,
        headers => { 'Content-Type' => 'application/json',
                     %{ $in->{headers} || {} } },
        body    => $body,
        channel => $channel,
    );

    # a page of the payer's that leads to the shop

    if ($kind eq 'razorpay_checkout') {
        $c{headers} = { 'Content-Type' =>
                        'application/x-www-form-urlencoded' };
        $c{body} = vectors_form({ razorpay_order_id => $in->{order_id},
            razorpay_payment_id => $in->{payment_id},
            razorpay_signature => $v->{signature} });
    }

    if ($v->{expect}{ok}) {
        my $id = $in->{payment_id} // sha256_hex($body);
        $id .= facts() if $kind eq 'paypal';

        $c{status} = $kind eq 'standard_webhooks' ? 204 : 200;
        $c{ack} = $ack{$kind} // '';
        $c{event} = { id => "ch:$id:unknown", provider => 'generic',
                      kind => 'unknown', type => 'unknown',
                      confirm => $kind eq 'paypal' ? 'query' : undef };

        if ($kind eq 'adyen_standard') {
            my ($key) = $v->{expect}{dedupe_key};
            my ($psp, $code) = split /:/, $key, 2;
            my $refund = $code =~ /^REFUND/;
            my ($order) = $v->{string_to_sign} =~ /TestMerchant:(.*?):\d+:EUR/;
            my ($value) = $v->{string_to_sign} =~ /:(\d+):EUR/;

            $c{event} = {
                id => "ch:$key", kind => $code, outcome => 'success',
                type => $refund ? 'refund' : 'payment',
                'order.order_id' => $order,
                'order.amount' => $refund ? undef : $value,
                'refund.amount' => $refund ? $value : undef,
                'order.currency' => 'EUR', confirm => undef,
                'data./NotificationRequestItem/success' => 'true',
                'data./NotificationRequestItem/reason' => undef,
            };
        }

        if ($kind eq 'douyin_ecpay_notify') {
            $c{event} = {
                id => 'ch:PCP2024' . facts(
                    order_id => '20241027_000001', trade_no => 'PCP2024',
                    currency => 'CNY', amount => 100) . ':payment:SUCCESS',
                confirm => 'query',
                type => 'payment', outcome => 'success',
                'order.order_id' => '20241027_000001',
                'order.amount' => 100, 'order.currency' => 'CNY',
            };
        }

    } else {
        my $want = $refused{$v->{name}} or die "no reason for $v->{name}";
        @c{qw(status reason)} = ($want->[0], "refused: $want->[1]");
        $c{ack} = $kind eq 'douyin_trade_notify'
                  ? '{"err_no":400,"err_tips":"refused"}' : '';
    }

    $case{$v->{name}} = \%c;
    vectors_add(%c);
}


# -- the same again with one thing changed --

sub variant {
    my ($of, $name, %change) = @_;

    my %c = %{ $case{$of} };
    my $headers = delete $change{headers} || {};

    $c{headers} = { %{ $c{headers} }, %$headers };
    delete @c{qw(event reason)} if $change{reason} || $change{event};
    $c{ack} = '' if $change{reason};

    vectors_add(%c, name => $name, %change);
}


# the window of Paddle, to the second, on both sides

my %paddle_event = (event => $case{paddle_ok}{event});

variant('paddle_ok', 'paddle_5s_late', now => 1730000005, %paddle_event);
variant('paddle_ok', 'paddle_5s_early', now => 1729999995, %paddle_event);
variant('paddle_ok', 'paddle_6s_early', now => 1729999994, status => 401,
        reason => 'refused: clock');

# the text that is signed is the text that was sent

variant('paddle_ok', 'paddle_leading_zero', status => 401,
        reason => 'refused: signature', headers => { 'Paddle-Signature' =>
        $case{paddle_ok}{headers}{'Paddle-Signature'} =~ s/ts=/ts=0/r });
variant('paddle_ok', 'paddle_two_ts', status => 400,
        reason => 'refused: duplicate_field', headers => {
        'Paddle-Signature' => 'ts=1730000000;'
        . $case{paddle_ok}{headers}{'Paddle-Signature'} });

# base64 has one spelling

my $square = $case{square_ok}{headers}{'x-square-hmacsha256-signature'};

variant('square_ok', 'square_unpadded', status => 401,
        reason => 'refused: signature', headers => {
        'x-square-hmacsha256-signature' => $square =~ s/=//r });
variant('square_ok', 'square_spare_bits', status => 401,
        reason => 'refused: signature', headers => {
        'x-square-hmacsha256-signature' => $square =~ s/Q=$/R=/r });

# an item of Adyen under another one's signature, two items, and none

my $adyen = $case{adyen_ok};
my $refund = $case{adyen_ok_original};

sub items {
    my ($items) = $_[0] =~ /"notificationItems":\[(.*)\]/;
    return $items;
}

sub with_items { return '{"notificationItems":[' . join(',', @_) . ']}' }

variant('adyen_ok', 'adyen_two_items', status => 400,
        reason => 'refused: malformed, hint: more than one item',
        body => with_items(items($adyen->{body}), items($refund->{body})));
variant('adyen_ok', 'adyen_second_forged', status => 401,
        reason => 'refused: signature',
        body => with_items(items($adyen->{body}),
                           items($case{adyen_bad_amount}{body})));
variant('adyen_ok', 'adyen_no_items', status => 400,
        reason => 'refused: malformed, hint: no items',
        body => with_items());
variant('adyen_ok', 'adyen_items_no_array', status => 400,
        reason => 'refused: malformed, hint: no items',
        body => '{"notificationItems":' . items($adyen->{body}) . '}');
variant('adyen_ok', 'adyen_unsigned_changed',
        event => { %{ $adyen->{event} },
                   'data./NotificationRequestItem/reason' => undef },
        body => $adyen->{body} =~ s/"reason":""/"reason":"paid twice"/r);
variant('adyen_ok', 'adyen_colon_moved', status => 400,
        reason => 'refused: malformed, hint: a signed value holds its sep',
        body => $case{adyen_ok_colon}{body}
                =~ s/"TestMerchant","merchantReference":"a:b/"TestMerchant:a",
                     "merchantReference":"b/rx
                =~ s/\s+"merchant/"merchant/r,
        channel => $adyen->{channel} =~ s/require[^;]*;//r);
variant('adyen_ok', 'adyen_other_merchant', status => 403,
        reason => 'refused: account_mismatch',
        channel => $adyen->{channel} =~ s/TestMerchant;/OtherMerchant;/r);

# sorted parameters: signed here by Perl's own digests

my %pay = (
    pay_order_id => 'P01202211', mch_no => 'M1621873433953', state => 2,
    mch_order_no => '20160427210604000490', amount => 10000,
    currency => 'cny', subject => "\xe5\x95\x86\xe5\x93\x81 a=b", attach => '',
);

sub form {
    my ($key, %f) = @_;

    my $text = join '&', map { "$_=$f{$_}" }
               grep { $f{$_} ne '' && $_ ne 'sign' } sort keys %f;
    my $sign = uc md5_hex("$text&key=$key");

    return vectors_form({ %f, sign => $f{sign} // $sign });
}

my %md5 = (
    now => 1730000003, body => form('k3y', %pay),
    headers => { 'Content-Type' => 'application/x-www-form-urlencoded' },
    channel => example('md5-form', 'k3y'),
);

my %md5_event = (
    id => 'ch:P01202211:2', type => 'payment', outcome => 'success',
    'order.order_id' => '20160427210604000490', 'order.amount' => 10000,
    'order.currency' => 'CNY', 'data.subject' => "\x{5546}\x{54c1} a=b",
    'data.attach' => undef, 'data.sign' => undef, confirm => undef,
);

vectors_add(%md5, name => 'md5_ok', status => 200, ack => 'success',
            event => \%md5_event);
vectors_add(%md5, name => 'md5_empty_is_unsigned', status => 200,
            ack => 'success', body => $md5{body} . '&extra=',
            event => { %md5_event, 'data.extra' => undef });
vectors_add(%md5, name => 'md5_unknown_state', status => 200,
            ack => 'success', body => form('k3y', %pay, state => 77),
            event => { %md5_event, id => 'ch:P01202211:77',
                       outcome => 'pending' });
vectors_add(%md5, name => 'md5_wrong_key', status => 401, ack => 'fail',
            reason => 'refused: signature', body => form('other', %pay));
vectors_add(%md5, name => 'md5_other_account', status => 403, ack => 'fail',
            reason => 'refused: account_mismatch',
            body => form('k3y', %pay, mch_no => 'M1'));
vectors_add(%md5, name => 'md5_folded', status => 400, ack => 'fail',
            reason => 'hint: a signed value holds another parameter',
            body => do {
                my %f = %pay;
                my $sign = uc md5_hex(join('&', map { "$_=$f{$_}" }
                    grep { $f{$_} ne '' } sort keys %f) . '&key=k3y');
                $f{pay_order_id} .= '&state=' . delete $f{state};
                vectors_form({ map({ $_ => $f{$_} }
                                   grep { $_ ne 'subject' } keys %f),
                               pay_order_id => $f{pay_order_id},
                               subject => $f{subject}, sign => $sign });
            });
vectors_add(%md5, name => 'md5_twice', status => 400, ack => 'fail',
            reason => 'refused: duplicate_field',
            body => "$md5{body}&amount=1");
vectors_add(%md5, name => 'md5_bad_amount', status => 400, ack => 'fail',
            reason => 'hint: invalid amount',
            body => form('k3y', %pay, amount => '100.00'));
vectors_add(%md5, name => 'md5_bad_currency', status => 400, ack => 'fail',
            reason => 'hint: invalid currency',
            body => form('k3y', %pay, currency => 'yuan'));
vectors_add(%md5, name => 'md5_no_amount', status => 400, ack => 'fail',
            reason => 'hint: no amount',
            body => form('k3y', %pay, amount => ''));
vectors_add(%md5, name => 'md5_not_utf8', status => 400, ack => 'fail',
            reason => 'hint: a value is not UTF-8',
            body => form('k3y', %pay, subject => "\xff"));

my %wx = (
    mch_id => '10000100', out_trade_no => '1409811653', fee_type => 'CNY',
    transaction_id => '1004400740201409030005092168', total_fee => 101,
    return_code => 'SUCCESS', result_code => 'SUCCESS', attach => '<&>',
);

sub xml {
    my ($key, %f) = @_;

    my $text = join '&', map { "$_=$f{$_}" } sort keys %f;
    my $sign = uc hmac_sha256_hex("$text&key=$key", $key);

    return '<xml>' . join('', map { "<$_><![CDATA[$f{$_}]]></$_>" } keys %f)
           . "<sign>$sign</sign></xml>";
}

my %xml = (
    now => 1730000003, body => xml('k3y', %wx),
    headers => { 'Content-Type' => 'text/xml' },
    channel => example('hmac-xml', 'k3y'),
);

vectors_add(%xml, name => 'xml_ok', status => 200,
            ack => '<xml><return_code>SUCCESS</return_code></xml>',
            event => { id => "ch:$wx{transaction_id}:SUCCESS:SUCCESS",
                       'order.amount' => 101, 'order.currency' => 'CNY',
                       'data.attach' => '<&>', 'data.sign' => undef,
                       'order.order_id' => '1409811653' });
vectors_add(%xml, name => 'xml_forged', status => 401,
            ack => '<xml><return_code>FAIL</return_code></xml>',
            reason => 'refused: signature',
            body => $xml{body} =~ s/\[101\]/[1]/r);
vectors_add(%xml, name => 'xml_doctype', status => 400,
            ack => '<xml><return_code>FAIL</return_code></xml>',
            reason => 'refused: malformed', body => "<!DOCTYPE xml>$xml{body}");


# what cannot be said by the answers above

add_response_body_check(sub {
    vectors_body($_[0], $Test::Nginx::Util::ServRoot);
});

spec_string(vectors_text());

no_long_string();
run_tests();
