# The vectors of calls of WeChat Pay v2 and UnionPay: see vectors-pass.t.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Digest::MD5 ();
use Digest::SHA ();
use Encode ();
use File::Copy ();
use File::Temp ();
use MIME::Base64 qw(decode_base64 encode_base64);

use PaygwCases qw(cases ran whole);
use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwTest ();

my $Data = "$PaygwTest::Root/t/data";
my $Tmp = File::Temp::tempdir('paygw-vec-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Form = { 'Content-Type' => 'application/x-www-form-urlencoded' };
my $Up = "$Data/unionpay";
my $Zone = "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n";
my $Secret = '979da4cfccbae7923641daa5dd7047c2';

# git does not keep modes, and nobody else may read a secret

sub secret {
    my ($name, $text) = @_;
    open my $fh, '>:raw', "$Tmp/$name" or die $!;
    print $fh $text;
    close $fh;
    chmod 0600, "$Tmp/$name";
    return "$Tmp/$name";
}

sub copy {
    my $file = shift;
    File::Copy::copy("$Up/$file", "$Tmp/key.pem") or die "$file: $!";
    chmod 0600, "$Tmp/key.pem";
    return "$Tmp/key.pem";
}

sub form {
    my %p = @_;
    return join '&', map { my $v = Encode::encode('UTF-8', $p{$_});
                           $v =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1
                                  /gex;
                           "$_=$v" } sort keys %p;
}

# what the peer has got: bytes of UTF-8, read as single characters

sub params {
    my ($r) = @_;
    my %p;
    for my $pair (split /&/, $r->{body}) {
        my ($k, $v) = split /=/, $pair, 2;
        $v =~ s/%(..)/chr hex $1/ge;
        $p{$k} = $v;
    }
    return %p;
}

sub text {
    my %p = @_;
    return join '&', map { "$_=$p{$_}" } sort keys %p;
}

sub answer {
    my ($body) = @_;
    $Peer->plan({ raw => encode_base64("HTTP/1.1 200 OK\r\nConnection: "
        . "close\r\nContent-Length: " . length($body)
        . "\r\n\r\n$body", '') });
}


# -- WeChat Pay v2: what is signed --

{
    my $file = whole('wechat_v2/notify.json');
    my $const = $file->{constants};
    my $key = 'file:' . secret('api', $const->{api_key});

    my $nginx = PaygwNginx->start(
        http => $Zone . join('', map {
            $Peer->wechat_v2($Url, -name => $_ eq 'MD5' ? 'MD5' : 'HMAC',
                             api_key => $key, sign_type => $_,
                             appid => "$const->{appid} b",
                             mchid => $const->{mch_id})
        } qw(MD5 HMAC-SHA256)),
        server => 'location /MD5/ { paygw_pass MD5; }'
            . 'location /HMAC-SHA256/ { paygw_pass HMAC; }');

    my @vectors = grep { $_->{kind} eq 'sign' } @{ $file->{vectors} };
    cmp_ok(scalar @vectors, '>=', 7, 'v2: vectors');

    for my $v (@vectors) {
        my %p = %{ $v->{inputs}{params} };
        my $kind = $v->{inputs}{sign_type};
        my $nonce = delete $p{nonce_str};

        $Peer->plan({});
        call($nginx, POST => "/$kind/pay/unifiedorder",
             heads => { 'Content-Type' => 'text/xml' },
             body => Encode::encode('UTF-8', '<xml>' . join('', map {
                 "<$_><![CDATA[$p{$_}]]></$_>" } sort keys %p) . '</xml>'));

        my ($r) = $Peer->requests;
        my %sent = %{ $r->{params} };
        my $sign = delete $sent{sign};

        # the string of the vector, with our nonce and what is ours

        my %want = %p;
        delete $want{$_} for grep { $want{$_} eq '' } keys %want;
        $want{nonce_str} = $r->{nonce};
        $want{appid} //= $const->{appid};
        $want{mch_id} //= $const->{mch_id};
        $want{sign_type} //= $kind if $kind ne 'MD5';
        is_deeply(\%sent, \%want, "$v->{name}: sent");

        my $string = Encode::encode('UTF-8', text(%want)
                                    . "&key=$const->{api_key}");
        is($sign, uc($kind eq 'MD5' ? Digest::MD5::md5_hex($string)
                     : Digest::SHA::hmac_sha256_hex($string,
                                                    $const->{api_key})),
           "$v->{name}: sign");

        # so this is the way in which the vector itself was made

        my %whole = %{ $v->{inputs}{params} };
        delete $whole{$_} for grep { $whole{$_} eq '' } keys %whole;
        is(text(%whole) . "&key=$const->{api_key}", $v->{string_to_sign},
           "$v->{name}: the same string");
        ran($v);
    }

    ok($nginx->quit, 'v2: quits');
}


# -- WeChat Pay v2: answers --

{
    my $file = whole('wechat_v2/response_verify.json');
    my %nginx;

    for my $v (@{ $file->{vectors} }) {
        my $in = $v->{inputs};
        my $kind = $in->{sign_type};

        $nginx{$kind} ||= PaygwNginx->start(
            http => $Zone . $Peer->wechat_v2($Url,
                api_key => 'file:' . secret('api', $in->{key}),
                sign_type => $kind, appid => $in->{expected_appid},
                mchid => $in->{expected_mch_id}),
            server => 'location / { paygw_pass wxv2; }');

        my $body = decode_base64($in->{xml_b64});
        answer($body);
        my $res = call($nginx{$kind}, POST => '/pay/micropay',
                       body => '<xml/>');

        if (!$v->{expect}{ok}) {
            problem_ok($res, 502, 'PROVIDER-UNVERIFIED', $v->{name});
            ran($v);
            next;
        }

        is($res->{status}, 200, "$v->{name}: passed")
            or diag($nginx{$kind}->log);
        my %got = $res->{body} =~ /<(\w+)><!\[CDATA\[(.*?)\]\]>/g;
        my $sign = delete $got{sign};
        is($sign, $v->{signature}, "$v->{name}: sign");
        is(text(%got) . "&key=$in->{key}",
           Encode::encode('UTF-8', $v->{string_to_sign}),
           "$v->{name}: what was signed");
        ran($v);
    }

    ok($nginx{$_}->quit, "v2 answers $_: quits") for sort keys %nginx;
}


# -- UnionPay: the signature of a vector is made again --

my %Own = (merchant_private_key => copy('keys/merchant_private.pem'),
           merchant_certificate => "$Up/keys/merchant_cert.cer",
           root_cert => "$Up/keys/up_root.cer",
           middle_cert => "$Up/keys/up_middle.cer");
my $File = 'file:' . secret('secure', $Secret);

{
    my @vectors = cases('unionpay/request_sign.json');

    # each merId has a channel for each method

    my (%name, $conf);
    for my $v (@vectors) {
        my $p = $v->{inputs}{params};
        my $id = "$p->{merId} $p->{signMethod}";
        next if $name{$id};
        $name{$id} = 'c' . keys %name;
        $conf .= $p->{signMethod} eq '01'
            ? $Peer->unionpay($Url, %Own, -name => $name{$id},
                              merId => $p->{merId})
            : $Peer->unionpay_secret($Url, $p->{signMethod}, -name =>
                                     $name{$id}, merId => $p->{merId},
                                     secure_key => $File);
    }

    my $nginx = PaygwNginx->start(
        http => "$Zone$conf",
        server => join '', map { "location /$_/ { paygw_pass $_; }" }
                  sort values %name);

    for my $v (@vectors) {
        my %p = %{ $v->{inputs}{params} };
        my $uri = '/' . $name{"$p{merId} $p{signMethod}"} . '/'
            . ($p{txnType} eq '76' ? '' : 'gateway/api/backTransReq.do');

        # what the module adds is left to it, once

        delete @p{qw(version encoding merId signMethod)}
            if $v->{name} =~ /query/;

        $Peer->plan({});
        my $res = call($nginx, POST => $uri, body => form(%p),
                       heads => $Form);
        my ($r) = $Peer->requests;

        if ($v->{name} =~ /^legacy/) {
            problem_ok($res, 400, 'CLIENT-BAD_REQUEST', "$v->{name}: E9");
            is($r, undef, "$v->{name}: is not sent");
            ran($v);
            next;
        }

        my %sent = params($r);
        my $sign = delete $sent{signature};

        if ($v->{name} =~ /^neg_/) {
            isnt($v->{signature}, undef, "$v->{name}: has a signature");
            isnt($sign, $v->{signature}, "$v->{name}: E9: is not made");
            ran($v);
            next;
        }

        is($sign, $v->{signature}, "$v->{name}: the same signature");
        is(text(%sent), Encode::encode('UTF-8', $v->{string_to_sign}),
           "$v->{name}: the same string");
        ran($v);
    }

    ok($nginx->quit, 'unionpay: quits');
}


# -- UnionPay: answers --

{
    my @vectors = cases('unionpay/response_verify.json');
    my %nginx;

    for my $v (@vectors) {
        my $in = $v->{inputs};
        my ($method) = @{ $in->{signMethod_allowed} };
        my $policy = $in->{trust} ? $in->{trust}{cn_policy} : '';
        my $body = Encode::encode('UTF-8', $in->{body});

        $nginx{"$method $policy"} ||= PaygwNginx->start(
            http => $Zone . ($in->{secure_key}
                ? $Peer->unionpay_secret($Url, $method, secure_key => $File)
                : $Peer->unionpay($Url, %Own, $policy eq 'production' ? ()
                                  : (cert_name => '00040000:SIGN'))),
            server => 'location / { paygw_pass unionpay; }');

        my $nginx = $nginx{"$method $policy"};
        my ($id) = $body =~ /&orderId=(\w+)/;
        my ($type) = $body =~ /&txnType=(\w+)/;
        my ($time) = $body =~ /&txnTime=(\w+)/;
        answer($body);
        my $res = call($nginx, POST => '/gateway/api/cardTransReq.do',
                       heads => $Form, body => "orderId=$id&txnTime=$time"
                                               . "&txnType=$type");

        if (!$v->{expect}{accept}) {
            problem_ok($res, 502, 'PROVIDER-UNVERIFIED', $v->{name});
            ran($v);
            next;
        }

        is($res->{status}, 200, "$v->{name}: passed") or diag($nginx->log);
        is($res->{body}, Encode::encode('UTF-8', $v->{string_to_sign})
                         . "&signature=$v->{signature}",
           "$v->{name}: what was signed");
        ran($v);
    }

    ok($nginx{$_}->quit, "unionpay answers $_: quits") for sort keys %nginx;
}


# -- UnionPay: how the fields of an answer are read --

{
    my $nginx = PaygwNginx->start(
        http => $Zone
            . $Peer->unionpay_secret($Url, '11', secure_key => $File),
        server => 'location / { paygw_pass unionpay; }');

    for my $v (cases('unionpay/response_parse.json')) {
        my %f = %{ $v->{expect}{fields} };
        my $body = $v->{inputs}{body};
        my %more = (version => '5.1.0', signMethod => '11', merId =>
                        '777290058110097', respCode => '00');
        delete @more{keys %f};
        delete $f{signature};
        $body =~ s/signature=[^&]*&?//;

        my $string = text(%f, %more);
        my $sign = Digest::SHA::sha256_hex(
            "$string&" . Digest::SHA::sha256_hex($Secret));

        for my $wrap ('%s', '{%s}') {
            answer(sprintf $wrap, "$body&" . text(%more)
                   . "&signature=$sign");
            my $res = call($nginx, POST => '/gateway/api/cardTransReq.do',
                           heads => $Form, body =>
                           'orderId=12345678&txnTime=20250102030405');
            is($res->{body}, "$string&signature=$sign",
               "$v->{name}: $wrap") or diag($nginx->log);
        }
        ran($v);
    }

    ok($nginx->quit, 'unionpay fields: quits');
}

done_testing();
