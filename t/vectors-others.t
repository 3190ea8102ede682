# Vectors of WeChat Pay that are neither calls, answers nor callbacks: the
# certificates that are fetched, fields that are encrypted, the hash of a bill,
# and what the payer's side is given by v2.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Digest::MD5 ();
use Digest::SHA ();
use Encode ();
use File::Copy ();
use File::Temp ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);

use PaygwApi;
use PaygwCases qw(case cases ran whole);
use PaygwFiles qw(fetch);
use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwTest ();

my $Data = "$PaygwTest::Root/t/data";
my $V3 = "$Data/wechat_v3";
my $Json = JSON::PP->new->utf8->canonical;
my $Tmp = File::Temp::tempdir('paygw-oth-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Zone = "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
    . "    paygw_binding off;\n";
my $Query = '/v3/pay/transactions/native';

# git does not keep modes, and nobody else may read a secret

sub secret {
    my ($name, $text) = @_;
    my $file = "$Tmp/" . ($name =~ s{/}{_}gr);
    if (defined $text) {
        open my $fh, '>:raw', $file or die $!;
        print $fh $text;
        close $fh;
    } else {
        File::Copy::copy("$Data/$name", $file) or die "$name: $!";
    }
    chmod 0600, $file;
    return $file;
}

sub answer {
    my ($status, $body, %heads) = @_;
    return { raw => encode_base64("HTTP/1.1 $status X\r\n"
        . join('', map { "$_: $heads{$_}\r\n" } sort keys %heads)
        . "Connection: close\r\nContent-Length: " . length($body)
        . "\r\n\r\n$body", '') };
}

my $Mine = secret('wechat_v3/merchant_key.pem');
my $File = whole('wechat_v3/others.json');
my %Const = %{ $File->{constants} };

sub wechat {
    my %more = @_;
    return PaygwPeer::channel('wxpay', 'wechat_v3', endpoint => $Url,
        appid => $Const{appid}, mchid => $Const{mchid},
        apiv3_key => 'file:' . secret('apiv3', $Const{api_v3_key}),
        merchant_private_key => $Mine,
        merchant_certificate => "$V3/merchant_cert.pem",
        notify_url => 'https://pay.example.com/n', paygw_breaker => 'off',
        paygw_retry => 'off', %more);
}

my %Of = map { ($_->{name} => $_) } @{ $File->{vectors} };


# -- certificates: fetched at the time of the vector, and then answers of the
# provider are verified by what has come --

my %Signed = map { ($_ => case('wechat_v3/calls.json', "v3_resp_200_$_")) }
             qw(cert_a cert_b pubkey);

my %Certificates = (
    v3_certificates_two => {
        good => [ qw(cert_a cert_b) ], bad => [ 'pubkey' ],
    },
    v3_certificates_bad_serial => {
        good => [], bad => [ qw(cert_a cert_b pubkey) ],
        log => qr/refused: "serial_no" is not that of the certificate/,
    },
    v3_certificates_none => {
        good => [ 'pubkey' ], bad => [ qw(cert_a cert_b) ],
        more => [ platform_public_key => "$Const{platform_public_key_id} "
                      . "$V3/wechatpay_pub_key.pem" ],
        log => qr/\[notice\].*provider has no certificates/,
    },
);

for my $name (sort keys %Certificates) {
    my ($v, $case) = ($Of{$name}, $Certificates{$name});
    my $in = $v->{inputs};
    my $list = answer($in->{http_status} // 200, decode_base64($in->{body_b64}),
                      %{ $in->{headers} // {} });
    my $now = $in->{now} // 1730000003;

    $Peer->always($list);
    my $nginx = PaygwNginx->start(
        http => "    paygw_test_time $now;\n$Zone"
            . wechat(platform_certificates => 'auto interval=3600s retry=1s',
                     @{ $case->{more} // [] }),
        server => 'location / { paygw_pass wxpay; }');

    is(scalar @{ $v->{expect}{serials} // [] },
       scalar grep({ /^cert/ } @{ $case->{good} }), "$name: as many as told");

    my $seen = $case->{log} // qr/key "$v->{expect}{newest}" [^\n]* is in use/;
    ok($nginx->wait_for(sub { $nginx->log =~ $seen }, 10), "$name: fetched")
        or diag($nginx->log);
    like($nginx->log, qr/key "$_" of channel "wxpay" is in use/,
         "$name: $_") for @{ $v->{expect}{serials} // [] };

    for my $key (@{ $case->{good} }, @{ $case->{bad} }) {
        my $good = grep { $_ eq $key } @{ $case->{good} };
        my $sent = $Signed{$key}{inputs};
        my $body = decode_base64($sent->{body_b64});

        # who is not known may be asked for

        $Peer->do('plan', answers => [ answer(200, $body,
                                              %{ $sent->{headers} }) ],
                  always => $list);
        my $res = call($nginx, POST => $Query, body => '{}', timeout => 30);
        if ($good) {
            is("$res->{status} $res->{body}", "200 $body", "$name: $key");
        } else {
            problem_ok($res, 502, 'PROVIDER-UNVERIFIED', "$name: not $key");
        }
    }

    ok($nginx->quit, "$name: quits");
    ran($v);
}

$Peer->plan;


# -- what is encrypted for the merchant, and bills --

{
    my $nginx = PaygwNginx->start(
        http => $Zone . wechat(decrypt_fields => '/name',
            platform_certificate => "$Peer->{keys}/wx_a.crt"),
        server => 'location /api/ { paygw_api wxpay; } '
            . 'location / { paygw_pass wxpay; }');
    my $api = PaygwApi->new($nginx, '/api');

    for my $v (grep { $_->{kind} eq 'oaep_decrypt' } values %Of) {
        my ($in, $name) = @$v{qw(inputs name)};
        my $text = $v->{expect}{ok}
            ? Encode::encode('UTF-8', $v->{expect}{plaintext})
            : $in->{ciphertext};
        my $at = length $nginx->log;
        $Peer->plan({ body => qq({"name":"$in->{ciphertext}"}) });
        my $res = call($nginx, POST => $Query, body => '{}');
        is("$res->{status} $res->{body}", qq(200 {"name":"$text"}), $name);
        my $told = qr/of "decrypt_fields" of/;
        ok($nginx->wait_for(sub { substr($nginx->log, $at) =~ $told }),
           "$name: told in the log") if !$v->{expect}{ok};
        unlike(substr($nginx->log, $at), $told, "$name: nothing in the log")
            if $v->{expect}{ok};
        ran($v);
    }

    my $v = $Of{v3_bill_sha1};
    my $in = $v->{inputs};
    my $bill = decode_base64($in->{file_b64});
    my $zip = decode_base64($in->{gzip_b64});
    is(Digest::SHA::sha1_hex($bill), $in->{hash_value}, 'bill: the hash');

    for my $case ([ plain => $bill, 1 ], [ 'in gzip' => $zip, 1 ],
                  [ changed => $bill =~ s/1\.00/9.00/r, 0 ],
                  [ 'cut in gzip' => substr($zip, 0, -9), 0 ],
                  [ 'longer' => "$bill\n", 0 ])
    {
        my ($what, $bytes, $good) = @$case;

        $Peer->plan(answer(200, $bytes));
        my $res = fetch($nginx, '/v3/billdownload/file?token=x', heads => {
            'X-Expected-Hash' => "sha1=$in->{hash_value}" });
        is($res->{status} == 200 && $res->{whole} ? 1 : 0, $good,
           "bill, $what: passed");
        is($res->{body}, $bytes, "bill, $what: as it is") if $good;
        unlike($res->{body}, qr/2024-10-26/, "bill, $what: nothing of it")
            if !$good;

        # the unified API has the hash from an answer that is signed

        $Peer->plan({ body => $Json->encode({
            download_url => "$Url/v3/billdownload/file?token=x",
            hash_type => $in->{hash_type},
            hash_value => $in->{hash_value} }) }, answer(200, $bytes));
        $res = fetch($nginx, '/api/bills/wxpay/2024-10-26');
        if ($good) {
            is("$res->{status} $res->{header}{'x-paygw-verified'}", '200 sha1',
               "bill, $what: told");
            is($res->{body}, $bytes, "bill, $what: as it is");
        } else {
            like($res->{body}, qr/^\{"code":"PROVIDER-UNVERIFIED"/,
                 "bill, $what: not told");
        }
    }

    ran($v);
    ok($nginx->quit, 'fields and bills: quits');
}


# -- v2: what the payer's side gets, with its signature --

{
    my @v = cases('wechat_v2/client_pay.json');
    my $key = $v[0]{inputs}{key};
    is(PaygwTest::file_from("$Peer->{keys}/wxv2.key", 0), $key,
       'v2: the key that the peer has');
    my $nginx = PaygwNginx->start(
        http => $Zone . join('', map {
            $Peer->wechat_v2($Url, -name => lc s/-.*//r, sign_type => $_,
                appid => $v[0]{inputs}{params}{appId}, mchid => '10000100',
                notify_url => 'https://pay.example.com/n') }
            qw(MD5 HMAC-SHA256)),
        server => join ' ', map { "location /$_/ { paygw_api $_; }" }
                  qw(md5 hmac));

    my $sign = sub {
        my ($kind, $text) = @_;
        return uc($kind eq 'MD5' ? Digest::MD5::md5_hex($text)
                  : Digest::SHA::hmac_sha256_hex($text, $key));
    };

    for my $v (@v) {
        my $name = $v->{name};
        my %want = %{ $v->{inputs}{params} };
        my $app = exists $want{prepayid};
        my $kind = $want{signType} // 'MD5';
        my $api = PaygwApi->new($nginx, $kind eq 'MD5' ? '/md5' : '/hmac');

        # this way the vector was made

        is($sign->($kind, $v->{string_to_sign}), $v->{signature},
           "$name: perl agrees with the vector");

        $Peer->plan({ fields => {
            prepay_id => $app ? $want{prepayid}
                              : $want{package} =~ s/^prepay_id=//r,
            trade_type => $app ? 'APP' : 'JSAPI' } });
        my $data = $api->ok($api->post('/orders', $api->order(
            method => $app ? 'app' : 'jsapi',
            $app ? () : (payer => { id => 'o1' }))), $name);
        my %got = %{ $data->{action}{params} // {} };
        my $made = delete $got{$v->{expect}{output_field}};

        # its own time and nonce, and all else as in the vector

        my @ours = $app ? qw(timestamp noncestr) : qw(timeStamp nonceStr);
        my $text = $v->{string_to_sign};
        for my $ours (@ours) {
            like($got{$ours}, qr/^[0-9A-Za-z]{10,32}$/, "$name: $ours");
            $text =~ s/\Q$ours=$want{$ours}\E/$ours=$got{$ours}/;
            $want{$ours} = $got{$ours};
        }
        is_deeply(\%got, \%want, "$name: what is signed");
        is($made, $sign->($kind, $text), "$name: the signature of its string");
        ran($v);
    }

    ok($nginx->quit, 'v2: quits');
}

done_testing();
