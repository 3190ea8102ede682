#!/usr/bin/perl

# Copyright (C) the paygw authors

# The callback vectors of WeChat Pay v2, good and bad, and what can be made of
# them by signing and sealing anew with the openssl command.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Nginx::Socket 'no_plan';
use Encode ();
use File::Temp ();
use JSON::PP;
use MIME::Base64;
use Time::Local;
use PaygwVectors;

my $all = vectors_load('wechat_v2/notify.json');
my %const = %{ $all->{constants} };

my %reason = (
    no_sign           => [401, 'hint: no sign'],
    signature         => [401, 'refused: signature'],
    mch_id_mismatch   => [403, 'unknown_account'],
    duplicate_element => [400, 'duplicate_field'],
    nested_element    => [400, 'nested element'],
    doctype           => [400, 'document type declaration'],
    root              => [400, 'unexpected root element'],
    malformed         => [400, 'invalid XML'],
    decrypt           => [401, 'refused: decrypt'],
);

my $taken = '<xml><return_code><![CDATA[SUCCESS]]></return_code>'
          . '<return_msg><![CDATA[OK]]></return_msg></xml>';
my $failed = '<xml><return_code><![CDATA[FAIL]]></return_code>'
           . '<return_msg><![CDATA[not processed]]></return_msg></xml>';


sub epoch {
    my ($y, $mon, $d, $h, $m, $s)
        = $_[0] =~ /^(....)-?(..)-?(..) ?(..):?(..):?(..)$/
        or die "no time: $_[0]";

    return timegm($s, $m, $h, $d, $mon - 1, $y) - 8 * 3600;
}


sub channel {
    my ($type, @keys) = @_;

    @keys = ($const{api_key}) unless @keys;

    return "        provider wechat_v2;\n"
         . "        appid $const{appid};\n"
         . "        mchid $const{mch_id};\n"
         . join('', map { '        api_key file:' . vectors_secret($_)
                          . ";\n" } @keys)
         . "        sign_type $type;\n";
}


# the texts of the elements of a flat document, as bytes

sub elements {
    my ($xml) = @_;

    my %f;

    while ($xml =~ m{<(\w+)>((?:<!\[CDATA\[.*?\]\]>|[^<])*)</\1>}gs) {
        my ($name, $value) = ($1, $2);
        $value =~ s{<!\[CDATA\[(.*?)\]\]>|([^<]+)}
                   { defined $1 ? $1 : $2 =~ s/&lt;/</gr =~ s/&gt;/>/gr
                                          =~ s/&amp;/&/gr }ges;
        $f{$name} = $value;
    }

    return \%f;
}


sub event {
    my ($f) = @_;

    my %ev = (
        id       => "ch:$f->{transaction_id}:$f->{result_code}",
        kind     => $f->{result_code},
        channel  => 'ch',
        provider => 'wechat_v2',
        delivery => 1,
        type     => 'payment',
        outcome  => 'success',
        time     => epoch($f->{time_end}),
        confirm  => undef,
        'order.order_id' => $f->{out_trade_no},
        'order.trade_no' => $f->{transaction_id},
        'order.amount'   => $f->{total_fee},
        'order.currency' => 'CNY',
        'order.payer'    => $f->{openid},
        'data.sign'      => undef,
        'data.sign_type' => undef,
    );

    $ev{"data.$_"} = length $f->{$_} ? Encode::decode('UTF-8', $f->{$_})
                                     : undef
        for grep { !/^sign(?:_type)?$/ } keys %$f;

    return \%ev;
}


sub refund {
    my ($plain) = @_;

    my $f = elements($plain =~ s/^<root>|<\/root>\s*$//gr);

    my %ev = (
        kind     => $f->{refund_status},
        provider => 'wechat_v2',
        type     => 'refund',
        outcome  => 'success',
        confirm  => 'query',
        time     => epoch($f->{success_time}),
        'order.order_id'   => $f->{out_trade_no},
        'order.trade_no'   => $f->{transaction_id},
        'order.amount'     => $f->{total_fee},
        'order.currency'   => undef,
        'refund.refund_id' => $f->{out_refund_no},
        'refund.refund_no' => $f->{refund_id},
        'refund.amount'    => $f->{refund_fee},
        # nothing of what stands around req_info
        'data.appid'       => undef,
        'data.nonce_str'   => undef,
        'data.req_info'    => undef,
    );

    $ev{"data.$_"} = Encode::decode('UTF-8', $f->{$_}) for keys %$f;

    return \%ev;
}


my $now = epoch('20241027113319') + 10;
my %vector;

for my $v (@{ $all->{vectors} }) {
    my $in = $v->{inputs};

    next if $v->{kind} eq 'sign';

    my $xml = decode_base64($in->{xml_b64});

    my %case = (
        name    => $v->{name},
        now     => $now,
        headers => { 'Content-Type' => 'text/xml; charset=utf-8' },
        body    => $xml,
        channel => channel($in->{sign_type} // 'MD5', $in->{key}),
        status  => 200,
        ack     => $taken,
    );

    if (!$v->{expect}{ok}) {
        my $want = $reason{ $v->{expect}{reason} }
            or die "no reason for $v->{name}";
        @case{qw(status reason)} = @$want;
        $case{ack} = $failed;

    } elsif ($v->{kind} eq 'notify_verify') {
        $case{event} = event(elements($xml =~ s/^.*?<xml>//sr));
        $case{ack} = $v->{expect}{ack_ok} if $v->{expect}{ack_ok};

    } else {
        $case{event} = refund(Encode::encode('UTF-8',
                                             $v->{expect}{plaintext}));
        $case{now} = epoch('2024-10-27 11:40:00') + 10;
    }

    $vector{$v->{name}} = \%case;

    vectors_add(%case);
}


# the openssl command, whose digests are not our code

sub openssl {
    my ($text, @args) = @_;

    my $tmp = File::Temp->new;
    binmode $tmp;
    print $tmp $text;
    $tmp->flush;

    my $out = `openssl @args < $tmp`;
    die "openssl @args" if $? != 0 || !length $out;

    return $out;
}

sub sign {
    my ($text, $type, $key) = @_;

    my ($hex) = openssl("$text&key=$key", 'dgst', $type eq 'MD5'
                        ? '-md5' : "-sha256 -mac HMAC -macopt key:$key")
        =~ /([0-9a-f]{32,})\s*$/ or die;

    return uc $hex;
}

sub document {
    my ($f) = @_;

    return '<xml>' . join('', map { "<$_><![CDATA[$f->{$_}]]></$_>" }
                                  sort keys %$f) . '</xml>';
}


# of each "sign" vector the string to sign, by way of the signatures that two
# independent implementations and openssl agree upon; the API key signs many
# kinds of messages, and most are no callback

for my $v (grep { $_->{kind} eq 'sign' } @{ $all->{vectors} }) {
    my $in = $v->{inputs};
    my %f = map { $_ => Encode::encode('UTF-8', $in->{params}{$_}) }
            keys %{ $in->{params} };

    vectors_add(
        name    => "$v->{name}_is_no_callback",
        now     => $now,
        headers => { 'Content-Type' => 'text/xml' },
        body    => document({ %f, sign => $v->{signature} }),
        channel => channel($in->{sign_type}, $in->{key}),
        status  => $f{mch_id} ? 400 : 403,
        ack     => $failed,
        # behind the signature
        reason  => $f{mch_id} ? 'return_code is not SUCCESS'
                              : 'no mch_id',
    );
}


my $paid = $vector{v2_notify_paid};

sub resign {
    my (%change) = @_;

    my $type = delete $change{_type} // 'MD5';
    my $key = delete $change{_key} // $const{api_key};
    my $f = elements($paid->{body} =~ s/^<xml>//r);

    delete $f->{sign};

    for (keys %change) {
        defined $change{$_} ? ($f->{$_} = $change{$_}) : delete $f->{$_};
    }

    $f->{sign} = sign(join('&', map { "$_=$f->{$_}" }
                                grep { length $f->{$_} } sort keys %$f),
                      $type, $key);

    return ($f, body => document($f), channel => channel($type));
}

sub accepted {
    my ($name, $change, $event, %more) = @_;

    my ($f, @body) = resign(%$change);

    vectors_add(%$paid, name => $name, @body,
                event => { %{ event($f) }, %$event }, %more);
}

sub refused {
    my ($name, $status, $reason, $change, %more) = @_;

    my (undef, @body) = resign(%$change);

    vectors_add(%$paid, name => $name, @body, status => $status,
                event => undef, ack => $failed, reason => $reason, %more);
}


accepted('resigned', {}, {});
accepted('resigned_hmac', { _type => 'HMAC-SHA256' }, {});
accepted('sign_type_said', { _type => 'HMAC-SHA256',
                             sign_type => 'HMAC-SHA256' }, {});
accepted('zero_takes_part', { coupon_count => '0' }, {});
accepted('blank_takes_part', { device_info => ' ' }, {});
accepted('other_currency', { fee_type => 'HKD' },
         { 'order.currency' => 'HKD' });
accepted('upper_case_before_lower', { Zz => '1', _a => '2' }, {});
accepted('next_key', { _key => 'f' x 32 }, {},
         channel => channel('MD5', $const{api_key}, 'f' x 32));

refused('amount_with_point', 400, 'invalid total_fee',
        { total_fee => '1.00' });
refused('amount_negative', 400, 'invalid total_fee', { total_fee => '-1' });
refused('amount_exponent', 400, 'invalid total_fee', { total_fee => '1e2' });
refused('amount_long', 400, 'invalid total_fee', { total_fee => '1' x 16 });
refused('no_amount', 400, 'no total_fee', { total_fee => undef });
refused('no_transaction_id', 400, 'no transaction_id',
        { transaction_id => undef });
refused('no_time_end', 400, 'no time_end', { time_end => undef });
refused('no_return_code', 400, 'return_code', { return_code => undef });
refused('return_code_fail', 400, 'return_code', { return_code => 'FAIL' });
refused('other_key', 401, 'refused: signature', { _key => 'f' x 32 });
refused('other_appid', 403, 'account_mismatch', { appid => 'wx1' });
refused('no_appid', 403, 'account_mismatch', { appid => undef });
refused('no_mch_id', 403, 'unknown_account', { mch_id => undef });
refused('hmac_where_md5_is_configured', 401,
        'sign is as long as one of HMAC-SHA256',
        { _type => 'HMAC-SHA256' }, channel => channel('MD5'));
refused('md5_where_hmac_is_configured', 401,
        'sign is as long as one of MD5', {},
        channel => channel('HMAC-SHA256'));
refused('downgrade_by_sign_type', 401, 'refused: sign_type',
        { sign_type => 'MD5' }, channel => channel('HMAC-SHA256'));


# times: a callback is repeated for a day, and no longer

accepted('old_but_repeated', {}, {}, now => $now - 10 + 25 * 3600);
refused('too_old', 401, 'clock 90001 s off', {},
        now => $now - 10 + 25 * 3600 + 1);
accepted('ahead', {}, {}, now => $now - 310);
refused('too_far_ahead', 401, 'clock 301 s off', {}, now => $now - 311);
refused('time_end_is_no_time', 400, 'invalid time_end',
        { time_end => '20241327113319' });


# refunds

sub seal {
    my ($plain, $key, @args) = @_;

    require Digest::MD5;

    my $derived = unpack 'H*', Digest::MD5::md5_hex($key);

    return encode_base64(openssl($plain, 'enc -aes-256-ecb -K', $derived,
                                 @args), '');
}

my $sealed = $vector{v2_refund_notify};
my ($plain) = map { Encode::encode('UTF-8', $_->{expect}{plaintext}) }
              grep { $_->{name} eq 'v2_refund_notify' }
              @{ $all->{vectors} };

sub resealed {
    my ($name, $text, %more) = @_;

    my $info = seal($text, delete $more{key} // $const{api_key},
                    @{ delete $more{args} // [] });

    vectors_add(%$sealed, name => $name,
                body => $sealed->{body}
                        =~ s/(<req_info><!\[CDATA\[)[^\]]*/$1$info/r,
                event => refund($text), %more,
                $more{reason} ? (status => 401, ack => $failed,
                                 event => undef) : ());
}

resealed('refund_resealed', $plain);
resealed('refund_next_key', $plain, key => 'f' x 32,
         channel => channel('MD5', $const{api_key}, 'f' x 32));
resealed('refund_other_key', $plain, key => 'f' x 32,
         reason => 'api_key does not open req_info');
resealed('refund_of_all', $plain =~ s/\[40\]/[100]/r);
resealed('refund_of_more', $plain =~ s/\[40\]/[101]/r,
         reason => 'refused: decrypt');
resealed('refund_other_root', $plain =~ s/root>/xml>/gr,
         reason => 'refused: decrypt');
resealed('refund_duplicate_element',
         $plain =~ s{</root>}{<refund_fee>1</refund_fee></root>}r,
         reason => 'refused: decrypt');
resealed('refund_doctype', '<!DOCTYPE root>' . $plain,
         reason => 'refused: decrypt');
resealed('refund_truncated', substr($plain, 0, -7),
         reason => 'refused: decrypt');

# the id of a trade closed, or to be paid by hand, in another time
vectors_add(%{ $vector{v2_refund_notify} }, name => 'refund_after_29_days',
            now => $sealed->{now} + 29 * 86400);
vectors_add(%{ $vector{v2_refund_notify} }, name => 'refund_after_30_days',
            now => $sealed->{now} + 30 * 86400, status => 401, event => undef,
            ack => $failed, reason => 'refused: clock');


add_response_body_check(sub {
    vectors_body($_[0], $Test::Nginx::Util::ServRoot);
});

spec_string(vectors_text());

no_long_string();
run_tests();
