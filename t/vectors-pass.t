# The vectors of calls: requests as they are signed, answers as they are
# verified, each through nginx.  Stores are not used.

use strict;
use warnings;
use lib 't/lib';

use Digest::SHA ();
use Test::More;
use Encode ();
use File::Copy ();
use File::Temp ();
use MIME::Base64 qw(decode_base64 encode_base64);
use Time::Local ();

use PaygwCases qw(cases ran whole);
use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwTest ();

my $Data = "$PaygwTest::Root/t/data";
my $Tmp = File::Temp::tempdir('paygw-vec-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Form = { 'Content-Type' => 'application/x-www-form-urlencoded' };

# git does not keep modes, and nobody else may read a private key

sub secret {
    my $file = shift;
    my $copy = "$Tmp/" . ($file =~ s{/}{_}gr);
    File::Copy::copy("$Data/$file", $copy) or die "$file: $!";
    chmod 0600, $copy;
    return $copy;
}

sub bytes {
    my $in = shift;
    return decode_base64($in->{body_b64}) if defined $in->{body_b64};
    return decode_base64($in->{body_base64}) if $in->{body_base64};
    return Encode::encode('UTF-8', $in->{body});
}

sub form {
    my %p = @_;
    return join '&', map { my $v = Encode::encode('UTF-8', $p{$_});
                           $v =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1
                                  /gex;
                           "$_=$v" } sort keys %p;
}

sub params {
    return map { my ($k, $x) = split /=/, $_, 2;
                 $x =~ s/%(..)/chr hex $1/ge; ($k => $x) } split /&/, shift;
}

sub openssl_verifies {
    my ($cert, $sig, $text) = @_;
    for ([ 'text', $text ], [ 'sig', decode_base64($sig) ]) {
        open my $fh, '>:raw', "$Tmp/$_->[0]" or die $!;
        print $fh $_->[1];
        close $fh;
    }
    system("openssl x509 -in '$cert' -noout -pubkey > $Tmp/pub") == 0 or die;
    return `openssl dgst -sha256 -verify $Tmp/pub -signature $Tmp/sig \\
            $Tmp/text 2>&1` =~ /Verified OK/;
}

# An upload: the text of the part "meta" is what is signed.  The file of the
# vector is not told, and without it nothing is sent; so it is another one.

sub uploads {
    my ($nginx, $v, $cert) = @_;
    my ($in, $name) = @$v{qw(inputs name)};
    my $file = join '', map { chr } 0 .. 255;
    my $sha = Digest::SHA::sha256_hex($file);
    my $part = qq{--b\r\nContent-Disposition: form-data; name=};
    my $upload = sub {
        my ($meta) = @_;
        return call($nginx, POST => $in->{canonical_url}, heads => {
                'Content-Type' => 'multipart/form-data; boundary=b' },
            body => qq{$part"meta"\r\nContent-Type: application/json\r\n\r\n}
                . qq{$meta\r\n$part"file"; filename="a.jpg"\r\n}
                . "Content-Type: image/jpg\r\n\r\n$file\r\n--b--\r\n");
    };

    $Peer->plan({});
    problem_ok($upload->($in->{body}), 400, 'CLIENT-BAD_REQUEST',
               "$name: of another file");
    is(scalar $Peer->requests, 0, "$name: which is not sent");

    my $meta = $in->{body} =~ s/[0-9a-f]{64}/$sha/r;
    $upload->($meta);
    my ($r) = $Peer->requests;
    my %f = $r->{head}{authorization} =~ /(\w+)="([^"]*)"/g;
    is($f{serial_no}, $in->{serial_no}, "$name: serial");
    is($f{timestamp}, $in->{timestamp}, "$name: timestamp");

    # the string of the vector, with our file and our nonce in it

    my $text = $v->{string_to_sign} =~ s/[0-9a-f]{64}/$sha/r;
    $text =~ s/\n\Q$in->{nonce}\E\n/\n$f{nonce_str}\n/;
    ok(openssl_verifies($cert, $f{signature}, $text),
       "$name: openssl verifies it");
    ok(openssl_verifies($cert, $v->{signature}, $v->{string_to_sign}),
       "$name: and that of the vector");
}


# -- Alipay: the signature of a vector is made again, at its time --

{
    my @vectors = (cases('alipay/request_sign.json'),
                   cases('alipay/page_app_pay.json'));
    my $d = "$Data/alipay";
    my %own = (app_id => '2021000000000001', seller_id => '2088101122136241',
               app_private_key => secret('alipay/keys/app_private_pkcs1.pem'));
    my $time = Time::Local::timegm(5, 4, 3, 2, 0, 2025) - 8 * 3600;

    my $nginx = PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
            . $Peer->alipay($Url, %own, -name => 'public_key',
                  alipay_public_key => "$d/keys/alipay_public.pem")
            . $Peer->alipay_cert($Url, %own, -name => 'cert',
                  alipay_cert => "$d/keys/alipay_cert.crt",
                  alipay_root_cert => "$d/keys/alipay_root.crt",
                  app_cert => "$d/keys/app_cert.crt"),
        server => join '', map {
            "location /$_/ { paygw_test_clock $time; paygw_pass $_; }"
        } qw(public_key cert));

    for my $v (@vectors) {
        my %p = %{ $v->{inputs}{params} };
        next if $v->{name} =~ /^neg_/;

        # SHA-1 is not made, whoever asks for it

        if ($p{sign_type} eq 'RSA') {
            delete $p{$_} for qw(app_id charset timestamp version);
            $Peer->plan({});
            call($nginx, POST => '/public_key/', body => form(%p),
                 heads => $Form);
            my ($r) = $Peer->requests;
            my %sent = params($r->{body});
            my $sign = delete $sent{sign};
            my $text = join '&', map { "$_=$sent{$_}" } sort keys %sent;
            is($text, $v->{string_to_sign} =~ s/sign_type=RSA\b/$&2/r,
               "$v->{name}: RSA2");
            ok(openssl_verifies("$d/keys/app_cert.crt", $sign, $text),
               "$v->{name}: of SHA-256");
            isnt($sign, $v->{signature}, "$v->{name}: not of SHA-1");
            ran($v);
            next;
        }

        my $mode = $p{app_cert_sn} ? 'cert' : 'public_key';
        my $kind = $v->{kind};

        # what the module adds is left to it

        my %given = %p;
        delete @given{qw(app_id charset sign_type timestamp version
                         app_cert_sn alipay_root_cert_sn format)};

        if (($p{timestamp} // '') ne '2025-01-02 03:04:05' || $p{format}) {
            note("$v->{name}: at another time");
        }

        # a page made by a form takes the same parameters as a URL

        if ($kind ne 'request_sign') {
            my $res = call($nginx, POST => "/$mode/", body => form(%given),
                           heads => $Form);
            is($res->{status}, 200, "$v->{name}: made");
            my ($sign) = $res->{body} =~ /(?:^|[?&])sign=([^&]+)/;
            $sign =~ s/%(..)/chr hex $1/ge;
            is($sign, $v->{signature}, "$v->{name}: the same signature");
            ran($v);
            next;
        }

        $Peer->plan({});
        call($nginx, POST => "/$mode/", body => form(%given), heads => $Form);
        my ($r) = $Peer->requests;
        my %sent = params($r->{body});

        is($sent{sign}, $v->{signature}, "$v->{name}: the same signature");
        is(join('&', map { "$_=$sent{$_}" } grep { $_ ne 'sign' }
                     sort keys %sent),
           Encode::encode('UTF-8', $v->{string_to_sign}),
           "$v->{name}: the same string");
        ran($v);
    }

    for my $v (grep { $_->{name} =~ /^neg_/ } @vectors) {
        isnt($v->{signature}, undef, "$v->{name}: has a signature");
        my %p = %{ $v->{inputs}{params} };
        delete @p{qw(app_id charset sign_type timestamp version)};
        $Peer->plan({});
        call($nginx, POST => '/public_key/', body => form(%p),
             heads => $Form);
        unlike(($Peer->requests)[0]{body},
               qr/\Q@{[ form(s => $v->{signature}) =~ s,^s=,,r ]}\E/,
               "$v->{name}: is not what is made");
        ran($v);
    }

    ok($nginx->quit, 'alipay: quits');
}


# -- answers of Alipay --

my %Unsigned = map { ($_, 1) } qw(error_response_unsigned
    business_failure_unsigned gbk_error_although_utf8_requested_unsigned);

for my $v (cases('alipay/response_verify.json')) {
    my $in = $v->{inputs};
    my $d = "$Data/alipay";
    my %own = (app_private_key => secret('alipay/keys/app_private_pkcs1.pem'),
               paygw_retry => 'off');

    # it would be fetched: see keyring-alipay.t

    my $unknown = $in->{downloadable_cert};
    my $conf = $in->{alipay_cert}
        ? $Peer->alipay_cert($Url, %own, -name => 'alipay',
              alipay_cert => "$d/$in->{alipay_cert}",
              alipay_root_cert => "$d/$in->{root_cert}",
              app_cert => "$d/keys/app_cert.crt")
        : $Peer->alipay($Url, %own,
                        alipay_public_key => "$d/$in->{public_key}");

    my $nginx = PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n$conf",
        server => 'location /a/ { paygw_pass alipay; }');

    my $body = bytes($in);
    $Peer->plan({ raw => encode_base64("HTTP/1.1 200 OK\r\nContent-Length: "
                                       . length($body) . "\r\n\r\n$body",
                                       '') });
    my $res = call($nginx, POST => '/a/', heads => $Form,
                   body => form(method => $in->{method},
                                biz_content => '{"out_request_no":"R1"}',
                                $in->{encrypt_type}
                                ? (encrypt_type => $in->{encrypt_type})
                                : ()));

    if (!$v->{expect}{accept} || $Unsigned{$v->{name}} || $unknown) {
        problem_ok($res, 502, 'PROVIDER-UNVERIFIED', "answer: $v->{name}");

    } else {
        is($res->{status}, 200, "answer: $v->{name}")
            or diag($res->{body}, $nginx->log);
        my $text = $v->{string_to_sign_base64}
            ? decode_base64($v->{string_to_sign_base64})
            : Encode::encode('UTF-8', $v->{string_to_sign});
        $text = Encode::encode('UTF-8', Encode::decode('GBK', $text))
            if $v->{name} =~ /^gbk/;
        like($res->{body}, qr/^\{"\w+_response":\Q$text\E[,\}]/,
             "answer: $v->{name}: what was signed");
    }

    ran($v);
    $nginx->quit;
}


# -- WeChat Pay --

{
    my $file = whole('wechat_v3/calls.json');
    my $d = "$Data/wechat_v3";
    my %reason;

    my $conf = PaygwPeer::channel('wxpay', 'wechat_v3',
        appid => $file->{constants}{appid}, mchid => '1900009191',
        apiv3_key => "file:$Peer->{keys}/apiv3.key", endpoint => $Url,
        merchant_private_key => secret('wechat_v3/merchant_key.pem'),
        merchant_certificate => "$d/merchant_cert.pem",
        platform_certificate => [ map { "$d/platform_cert_$_.pem" }
                                  qw(a b) ],
        platform_public_key => 'PUB_KEY_ID_0119000091912024101600000000000001'
            . " $d/wechatpay_pub_key.pem",

        # many of the answers are not to be believed

        paygw_breaker => 'off');

    my $nginx = PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n$conf",
        server => 'location / { paygw_pass wxpay; } '
            . 'location = /time { paygw_test_time; }');

    for my $v (@{ $file->{vectors} }) {
        my $in = $v->{inputs};

        # each in its own time, and answers are good for 300 seconds

        my $at = $in->{now} // $in->{timestamp};
        is(call($nginx, GET => "/time?at=$at")->{body}, $at,
           "$v->{name}: its time");

        if ($v->{kind} eq 'request_sign') {
            if ($v->{name} =~ /upload/) {
                uploads($nginx, $v, "$d/merchant_cert.pem");
                ran($v);
                next;
            }
            $Peer->plan({});
            my $body = bytes($in) // '';
            call($nginx, $in->{method} => $in->{canonical_url},
                 body => $body);
            my ($r) = $Peer->requests;
            is("$r->{method} $r->{target}",
               "$in->{method} $in->{canonical_url}", "$v->{name}: target");
            is($r->{body}, $body, "$v->{name}: body");
            my %f = $r->{head}{authorization} =~ /(\w+)="([^"]*)"/g;
            is($f{timestamp}, $in->{timestamp}, "$v->{name}: timestamp");
            is($f{serial_no},
               $v->{expect}{authorization_fields}{serial_no},
               "$v->{name}: serial");
            ok(openssl_verifies("$d/merchant_cert.pem", $f{signature},
                   join("\n", $in->{method}, $in->{canonical_url},
                        $f{timestamp}, $f{nonce_str}, "$body\n")),
               "$v->{name}: openssl verifies it");
            ran($v);
            next;
        }

        my $body = bytes($in);
        my $heads = join '', map { "$_: $in->{headers}{$_}\r\n" }
                    sort keys %{ $in->{headers} };
        my $status = $in->{http_status};
        $heads .= 'Content-Length: ' . length($body) . "\r\n"
            if $status != 204;
        $Peer->plan({ raw => encode_base64("HTTP/1.1 $status X\r\n$heads\r\n"
                                           . $body, '') });
        my $file = $v->{name} =~ /billfile/;
        my $res = call($nginx, ($file ? 'GET' : 'POST')
                       => $in->{request_path});

        if ($v->{expect}{ok}) {
            is("$res->{status} $res->{body}", "$status $body",
               "$v->{name}: passed") or diag($nginx->log);
        } else {
            problem_ok($res, 502, 'PROVIDER-UNVERIFIED', $v->{name});
        }

        ran($v);
    }

    ok($nginx->quit, 'wechat: quits');
}

done_testing();
