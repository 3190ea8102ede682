# Values that are encrypted for the provider, and opened in its answers: the
# openssl command is what they are compared with.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Encode ();
use File::Temp ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);

use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Keys = $Peer->{keys};
my $Json = JSON::PP->new->utf8->canonical;
my $Tmp = File::Temp::tempdir('paygw-sens-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %Js = ('Content-Type' => 'application/json');
my %Form = ('Content-Type' => 'application/x-www-form-urlencoded');
my $Data = "$PaygwTest::Root/t/data";
my $Up = "$Data/unionpay/keys";

sub vectors {
    my $file = shift;
    return @{ $Json->decode(PaygwTest::file_from("$Data/$file", 0)) };
}

sub put {
    my ($name, $text) = @_;
    open my $fh, '>:raw', "$Tmp/$name" or die "$name: $!";
    print $fh $text;
    close $fh;
    chmod 0600, "$Tmp/$name";
    return "$Tmp/$name";
}

# what openssl makes of it; undef if it cannot

sub openssl {
    my ($in, @args) = @_;
    put('in', $in);
    return system("openssl @args -in $Tmp/in -out $Tmp/out 2> $Tmp/err") == 0
           ? PaygwTest::file_from("$Tmp/out", 0) : undef;
}

my $Oaep = '-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha1 '
    . '-pkeyopt rsa_mgf1_md:sha1';

sub opened {
    my ($text, $key, $how) = @_;
    return openssl(decode_base64($text), 'pkeyutl', '-decrypt', '-inkey', $key,
                   $how // '-pkeyopt rsa_padding_mode:pkcs1');
}

sub sealed {
    my ($text, $key, $how) = @_;
    my $made = openssl($text, 'pkeyutl', '-encrypt', '-inkey', $key,
                       $how // '-pkeyopt rsa_padding_mode:pkcs1');
    return encode_base64($made, '');
}

my ($Aes) = map { $_->{inputs}{aes_key_base64} } vectors('alipay/aes.json');
my $Hex = unpack 'H*', decode_base64($Aes);
my $Cbc = "enc -aes-128-cbc -K $Hex -iv " . '0' x 32;

my %Sensitive = (
    encrypt_fields => '/payer/name /list/*/user_name /id',
    decrypt_fields => '/payer/name /list/*/user_name',
);
my %Union = (
    encrypt_cert => "$Up/up_enc_cert.cer",
    encrypt_fields => 'accNo customerInfo',
    decrypt_fields => 'accNo',
);

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . $Peer->wechat($Url, %Sensitive)
        . $Peer->wechat($Url, -name => 'pub', %Sensitive,
                        platform_public_key =>
                            "PUB_KEY_ID_0119000091912024 $Keys/wx_pub.pem")
        . $Peer->alipay($Url, aes_key => 'file:' . put('aes', $Aes))
        . $Peer->unionpay($Url, %Union),
    server => 'location /wx/ { paygw_pass wxpay; } '
        . 'location /pub/ { paygw_pass pub; } '
        . 'location /ali/ { paygw_pass alipay; } '
        . 'location /up/ { paygw_pass unionpay; }');

sub ask {
    my ($uri, $body, %heads) = @_;
    return call($Nginx, POST => $uri, body => $body, heads => \%heads);
}


# -- WeChat Pay: members of JSON, RSA with OAEP --

for my $case ([ 'wx', 'wx_a' ], [ 'pub', 'wx_pub' ]) {
    my ($where, $key) = @$case;
    my $body = qq({ "a":"x" , "payer" : {"name":"\\u5f20\\u4e09\\"",)
        . qq("n\\"ame":"y"}, "name":"n",\n"list":[{"user_name":"one",)
        . qq("amount":1.50},{"user_name":""},{"user_name":"two"},["z"]],)
        . qq("id":7,"end":true});
    $Peer->plan({ key => $key });
    my $res = ask("/$where/v3/x", $body, %Js);
    is($res->{status}, 200, "$where: passed") or diag($res->{body});
    my ($r) = $Peer->requests;
    is($r->{check}, 'ok', "$where: what is signed is what is sent");
    my $sent = $Json->decode($r->{body});
    my $n = 0;
    my %want = (1 => "\xe5\xbc\xa0\xe4\xb8\x89\"", 2 => 'one', 3 => 'two');
    for my $value ($sent->{payer}{name}, $sent->{list}[0]{user_name},
                   $sent->{list}[2]{user_name})
    {
        $n++;
        is(opened($value, "$Keys/$key.key", $Oaep), $want{$n},
           "$where: value $n, by openssl");
    }
    my $rest = $r->{body};
    $rest =~ s/"[A-Za-z0-9+\/]{300,}={0,2}"/"X"/g;
    is($rest, $body =~ s/"\\u5f20\\u4e09\\""|"one"|"two"/"X"/gr,
       "$where: all other bytes stay");
    like($r->{head}{'wechatpay-serial'},
         $key eq 'wx_pub' ? qr/^PUB_KEY_ID_/ : qr/^[0-9A-F]+$/,
         "$where: the serial of that key");
}

{
    # a caller may do it, and says so by the serial

    my $body = '{"payer":{"name":"mine"}}';
    $Peer->plan({ key => 'wx_pub' });
    is(ask('/pub/v3/x', $body, %Js, 'Wechatpay-Serial' =>
               'PUB_KEY_ID_0119000091912024')->{status}, 200, 'by the caller');
    is(($Peer->requests)[0]{body}, $body, 'by the caller: as it came');

    $Peer->plan({}, {});
    is(ask('/wx/v3/x', '{"payer":{"other":"x"}}', %Js)->{status}, 200,
       'nothing of it');
    is(($Peer->requests)[0]{body}, '{"payer":{"other":"x"}}',
       'nothing of it: as it came');
    for my $case ([ '["x"]', 'not a JSON object' ],
                  [ '{"payer":', 'not a JSON object' ],
                  [ '{"payer":{"name":"a","name":"b"}}', 'not a JSON' ],
                  [ '{"payer":{"name":"' . 'x' x 215 . '"}}', 'too long' ])
    {
        my ($body, $hint) = @$case;
        $Peer->plan;
        problem_ok(ask('/wx/v3/x', $body, %Js), 400, 'CLIENT-BAD_REQUEST',
                   "no: " . substr($body, 0, 30), message => qr/$hint/);
        is(scalar $Peer->requests, 0, 'not sent');
    }
    $Peer->plan({});
    is(ask('/wx/v3/x', '{"payer":{"name":"' . 'x' x 214 . '"}}', %Js)
           ->{status}, 200, 'the longest one');

    # and back: what is for our key

    my $name = sealed("\xe5\xbc\xa0\"", "$Keys/mch.key", $Oaep);
    my $other = sealed('MARK', "$Keys/wx_a.key", $Oaep);
    my $text = qq({ "payer":{"name":"$name"} ,"name":"$name",)
        . qq("list":[{"user_name":"$other"},{"user_name":"a***"}]});
    $Peer->plan({ body => $text });
    my $res = ask('/wx/v3/x', '{}', %Js);
    is($res->{status}, 200, 'answer: passed') or diag($res->{body});
    is($res->{body}, $text =~ s/"\Q$name\E"/"\xe5\xbc\xa0\\""/r,
       'answer: opened, and all other bytes stay');
    ok($Nginx->wait_for(sub { $Nginx->log =~ /of "decrypt_fields" of/ }),
       'answer: what does not open is told');
    $Peer->plan({ body => $text, signature => 'bad' });
    problem_ok(ask('/wx/v3/x', '{}', %Js), 502, 'PROVIDER-UNVERIFIED',
               'answer: verified first');
}


# -- Alipay: the content, AES-128-CBC --

{
    my ($vector) = grep { $_->{name} eq 'aes_json' } vectors('alipay/aes.json');
    my $plain = Encode::encode('UTF-8', $vector->{inputs}{plain});
    my $cipher = $vector->{expect}{cipher_base64};
    my $form = 'method=alipay.trade.query&biz_content='
        . ($plain =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/gre);
    my $content = '{"code":"10000","out_trade_no":"T20250102_0003"}';
    my $made = encode_base64(openssl($content, $Cbc), '');

    $Peer->plan({ content => qq("$made") });
    my $res = ask('/ali/gateway.do', $form, %Form);
    is("$res->{status} $res->{body}",
       qq(200 {"alipay_trade_query_response":$content}), 'classic: opened')
        or diag($Nginx->log);
    my ($r) = $Peer->requests;
    is($r->{check}, 'ok', 'classic: the ciphertext is signed');
    is($r->{params}{biz_content}, $cipher, 'classic: as in the vector');
    is($r->{params}{encrypt_type}, 'AES', 'classic: encrypt_type');

    $Peer->plan({ content => '{"code":"40004","sub_code":"ACQ.X"}' });
    $res = ask('/ali/gateway.do', $form, %Form);
    like($res->{body}, qr/"ACQ.X"\},"sign":"/, 'classic: an error in clear');

    $Peer->plan({ content => qq("$made"), signature => 'bad' });
    problem_ok(ask('/ali/gateway.do', $form, %Form), 502,
               'PROVIDER-UNVERIFIED', 'classic: verified first');
    for my $bad ('AAAA', $made =~ s/^./-/r, encode_base64('x' x 32, ''),
                 encode_base64(openssl('[1]', $Cbc), ''),
                 encode_base64(openssl($content =~ s/0003/0004/r, $Cbc), ''))
    {
        $Peer->plan({ content => qq("$bad") });
        problem_ok(ask('/ali/gateway.do', $form, %Form), 502,
                   'PROVIDER-UNVERIFIED', "classic: $bad");
    }

    # a caller may do it, and opens the answer as well

    $Peer->plan({ content => qq("$made") });
    $res = ask('/ali/gateway.do', 'method=alipay.trade.query&'
               . 'encrypt_type=AES&biz_content=abc', %Form);
    like($res->{body}, qr/_response":"\Q$made\E","sign":"/,
         'classic: by the caller');
    is(($Peer->requests)[0]{params}{biz_content}, 'abc',
       'classic: by the caller: as it came');

    # the REST form

    my $body = '{"out_trade_no":"T1"}';
    my $answer = '{"out_trade_no":"T1","x":"y"}';
    my $text = encode_base64(openssl($answer, $Cbc), '');
    $Peer->plan({ body => $text });
    $res = ask('/ali/v3/alipay/trade/query', $body, %Js);
    is("$res->{status} $res->{body}", "200 $answer", 'REST: opened')
        or diag($Nginx->log);
    ($r) = $Peer->requests;
    is($r->{check}, 'ok', 'REST: the ciphertext is signed');
    is(openssl(decode_base64($r->{body}), "$Cbc -d"), $body,
       'REST: by openssl');
    is($r->{head}{'content-type'}, 'text/plain', 'REST: type');
    is($r->{head}{'alipay-encrypt-type'}, 'AES', 'REST: alipay-encrypt-type');
    $Peer->plan({ body => encode_base64(openssl('{"out_trade_no":"T2"}',
                                                $Cbc), '') });
    problem_ok(ask('/ali/v3/alipay/trade/query', $body, %Js), 502,
               'PROVIDER-UNVERIFIED', 'REST: of another order');
    $Peer->plan({ body => 'AAAA' });
    problem_ok(ask('/ali/v3/alipay/trade/query', $body, %Js), 502,
               'PROVIDER-UNVERIFIED', 'REST: does not open');
}


# -- UnionPay: fields, RSA with PKCS#1 --

{
    my %v = map { ($_->{name}, $_) } vectors('unionpay/crypto.json');
    my $plain = $v{accNo_encrypt}{inputs}{plain};
    my $form = 'orderId=T1&txnTime=20250102030405&txnType=01&accNo='
        . "$plain&customerInfo=%7BcertifTp%3D01%26phoneNo%3D181%26cvn2%3D248"
        . '%26customerNm%3D%E5%BC%A0%26expired%3D1912%7D';
    my $masked = '6226****0048';
    $Peer->plan({ fields => { accNo => $masked } });
    my $res = ask('/up/gateway/api/backTransReq.do', $form, %Form);
    is($res->{status}, 200, 'UnionPay: passed') or diag($res->{body});
    like($res->{body}, qr/accNo=\Q$masked\E&.*&signature=/s,
         'UnionPay: what is masked stays');
    my ($r) = $Peer->requests;
    is($r->{check}, 'ok', 'UnionPay: what is encrypted is signed')
        or diag($r->{body});
    my %sent = map { s/%([0-9A-F]{2})/chr hex $1/ger }
               map { split /=/, $_, 2 } split /&/, $r->{body};
    my $key = "$Up/up_enc_private.pem";
    is(opened($sent{accNo}, $key), $plain, 'UnionPay: accNo, by openssl');
    is($sent{encryptCertId}, $v{accNo_encrypt}{expect}{encryptCertId},
       'UnionPay: encryptCertId');
    my $info = decode_base64($sent{customerInfo});
    like($info, qr/^\{certifTp=01&customerNm=\xe5\xbc\xa0&encryptedInfo=.*\}$/,
         'UnionPay: customerInfo');
    my ($inner) = $info =~ /encryptedInfo=(.*)\}/;
    is(opened($inner, $key), 'phoneNo=181&cvn2=248&expired=1912',
       'UnionPay: what is secret in it');

    my $plainly = 'orderId=T1&txnTime=20250102030405&txnType=01&customerInfo='
        . '%7BcertifTp%3D01%7D';
    $Peer->plan({});
    ask('/up/gateway/api/backTransReq.do', $plainly, %Form);
    ($r) = $Peer->requests;
    like($r->{body}, qr/customerInfo=e2NlcnRpZlRwPTAxfQ%3D%3D&/,
         'UnionPay: nothing secret in it');

    $Peer->plan({}, {});
    ask('/up/gateway/api/backTransReq.do', "$form&encryptCertId=9", %Form);
    like(($Peer->requests)[0]{body}, qr/accNo=$plain&/,
         'UnionPay: by the caller');
    problem_ok(ask('/up/gateway/api/backTransReq.do',
                   $form =~ s/%7B//r, %Form), 400, 'CLIENT-BAD_REQUEST',
               'UnionPay: another customerInfo', message => qr/customerInfo/);

    my $cipher = sealed($plain, "$Keys/mch.key");
    $Peer->plan({ fields => { accNo => $cipher } });
    $res = ask('/up/gateway/api/backTransReq.do', $plainly, %Form);
    like($res->{body}, qr/^(?!.*signature=).*accNo=$plain(?:&|$)/s,
         'UnionPay: opened');
    my $foreign = sealed('MARK', "$Keys/wx_a.key");
    $Peer->plan({ fields => { accNo => $foreign } });
    $res = ask('/up/gateway/api/backTransReq.do', $plainly, %Form);
    like($res->{body}, qr/accNo=\Q$foreign\E&/, 'UnionPay: of another key');
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');


# -- nginx -t --

for my $case (
    [ $Peer->wechat($Url, encrypt_fields => 'payer.name'),
      qr/invalid "encrypt_fields" of channel "wxpay": "payer.name", it must/ ],
    [ $Peer->wechat($Url, decrypt_fields => '/a*/b'),
      qr/invalid "decrypt_fields" of channel "wxpay"/ ],
    [ $Peer->wechat($Url, decrypt_fields => '/a/'),
      qr/invalid "decrypt_fields" of channel "wxpay"/ ],
    [ $Peer->alipay($Url, aes_key => 'text:YWJj'),
      qr/"aes_key" of channel "alipay" must be base64 of 16 bytes/ ],
    [ $Peer->unionpay($Url, encrypt_fields => 'accNo'),
      qr/no "encrypt_cert" is defined for channel "unionpay"/ ],
    [ $Peer->unionpay($Url, encrypt_cert => "$Up/up_enc_cert.cer"),
      qr/no "encrypt_fields" is defined for channel "unionpay"/ ],
    [ $Peer->unionpay($Url, %Union, encrypt_cert => "$Keys/mch.crt"),
      qr/"encrypt_cert" of .* is the key of its own "merchant_private_key"/ ],
    [ $Peer->unionpay($Url, %Union, merchant_private_key => undef,
                      merchant_certificate => undef),
      qr/no "merchant_private_key" is defined/ ],
    [ $Peer->unionpay_secret($Url, '11', decrypt_fields => 'accNo'),
      qr/encrypts fields, which needs "signMethod 01"/ ],
) {
    my ($http, $message) = @$case;
    like(PaygwNginx->test(http => "    paygw_zone paygw:1m;\n$http",
                          server => 'return 200;'), $message,
         "not right: $message");
}

done_testing();
