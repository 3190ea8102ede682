# Vectors of what Alipay encrypts, of UnionPay's files through paygw_api, and of
# the keys that it hands out, by the commands that the documentation has.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Compress::Zlib ();
use Digest::SHA ();
use Encode ();
use File::Copy ();
use File::Temp ();
use MIME::Base64 qw(decode_base64 encode_base64);
use POSIX ();

use PaygwApi;
use PaygwCases qw(cases ran);
use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwTest ();

my $Data = "$PaygwTest::Root/t/data";
my $Up = "$Data/unionpay";
my $Tmp = File::Temp::tempdir('paygw-seal-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my %Form = ('Content-Type' => 'application/x-www-form-urlencoded');
my $Zone = "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
    . "    paygw_binding off;\n";

sub put {
    my ($name, $text) = @_;
    open my $fh, '>:raw', "$Tmp/$name" or die "$name: $!";
    print $fh $text;
    close $fh;
    chmod 0600, "$Tmp/$name";
    return "$Tmp/$name";
}

sub form {
    my %p = @_;
    return join '&', map { my $v = Encode::encode('UTF-8', $p{$_});
                           $v =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1
                                  /gex;
                           "$_=$v" } sort keys %p;
}

sub params {
    return map { my ($k, $v) = split /=/, $_, 2;
                 $v =~ s/%(..)/chr hex $1/ge; ($k => $v) } split /&/, shift;
}


# -- Alipay: AES in calls and answers --

{
    my @v = cases('alipay/aes.json');
    my $key = $v[0]{inputs}{aes_key_base64};
    my $nginx = PaygwNginx->start(
        http => $Zone . $Peer->alipay($Url, aes_key => 'file:'
                                      . put('aes', $key))
            . $Peer->alipay($Url, aes_key => 'file:' . put('aes', $key),
                  -name => 'vector', alipay_public_key =>
                      "$Data/alipay/keys/alipay_public.pem"),
        server => 'location /a/ { paygw_pass alipay; } '
            . 'location /v/ { paygw_pass vector; }');
    my $ask = sub {
        my ($uri, $plain) = @_;
        return call($nginx, POST => $uri, heads => \%Form,
                    body => form(method => 'alipay.trade.query',
                                 biz_content => $plain));
    };

    for my $v (@v) {
        my ($name, $in, $expect) = @$v{qw(name inputs expect)};
        is($in->{aes_key_base64}, $key, "$name: the key");

        if ($v->{kind} eq 'front_payload_verify') {

            # the answer to a call is signed in the same way, in its quotes

            my $p = $in->{payload};
            my $body = qq({"alipay_trade_query_response":"$p->{response}",)
                . qq("sign":"$p->{sign}"});
            $Peer->plan({ raw => encode_base64("HTTP/1.1 200 OK\r\n"
                . 'Content-Length: ' . length($body) . "\r\n\r\n$body", '') });
            my $res = $ask->('/v/', '{"trade_no":"1"}');
            is("$res->{status} $res->{body}",
               qq(200 {"alipay_trade_query_response":$expect->{plain}}),
               "$name: verified, and opened") or diag($nginx->log);

        } elsif ($expect->{cipher_base64}) {
            my $plain = Encode::encode('UTF-8', $in->{plain});
            $Peer->plan({ content => '{"code":"10000"}' });
            my $res = $ask->('/a/', $in->{plain});
            my ($r) = $Peer->requests;
            my %sent = $r ? params($r->{body}) : ();

            # biz_content is an object, or it is not there

            if ($plain =~ /^\{/) {
                is($sent{biz_content}, $expect->{cipher_base64},
                   "$name: the same");
                is($sent{encrypt_type}, 'AES', "$name: encrypt_type");

            } elsif (length $plain) {
                problem_ok($res, 400, 'CLIENT-BAD_REQUEST', "$name: refused");
                is($r, undef, "$name: not sent");

            } else {
                is($sent{biz_content}, undef, "$name: nothing is sent");
            }

            # what is opened, and is no answer, is not passed on

            $Peer->plan({ content => qq("$expect->{cipher_base64}") });
            $res = $ask->('/a/', '{"trade_no":"1"}');
            $plain =~ /^\{/
                ? is("$res->{status} $res->{body}", '200 '
                     . qq({"alipay_trade_query_response":$plain}),
                     "$name: opened")
                : problem_ok($res, 502, 'PROVIDER-UNVERIFIED',
                             "$name: no answer");

        } else {
            is($expect->{decrypt} ? 1 : 0, 0, "$name: does not open");
            $Peer->plan({ content => qq("$in->{cipher_base64}") });
            problem_ok($ask->('/a/', '{"trade_no":"1"}'), 502,
                       'PROVIDER-UNVERIFIED', "$name: not passed");
        }

        ran($v);
    }

    ok($nginx->quit, 'alipay: quits');
}


# -- UnionPay: see pass-unionpay-sealed.t, too --

my %V = map { ($_->{name} => $_) } cases('unionpay/crypto.json');
my %Order = (orderId => 'T20250102', txnTime => '20250102030405',
             txnType => '01');
my $Nginx = PaygwNginx->start(
    http => $Zone . $Peer->unionpay($Url,
                                    notify_url => 'https://shop.example.com/n'),
    server => 'location /api/ { paygw_api unionpay; }');

# a file is told as it was sent, deflated: docs/api.md.  Whoever reads it wants
# the wrapper of zlib.

my $Day = POSIX::strftime('%Y-%m-%d', gmtime time - 3 * 86400);

for my $name (qw(file_content_inflate neg_file_content_raw_deflate)) {
    my $v = $V{$name};
    my $content = $v->{inputs}{fileContent};
    my $api = PaygwApi->new($Nginx, '/api');

    $Peer->plan({ fields => { fileContent => $content,
                              fileName => 'x.zip', txnType => '76' } });
    my $res = $api->get("/bills/unionpay/$Day");
    is("$res->{status} " . ($res->{header}{'x-paygw-verified'} // ''),
       '200 signature', "$name: told") or diag($res->{body}, $Nginx->log);
    is($res->{body}, decode_base64($content), "$name: as it was sent");

    my $want = $v->{expect}{content_base64};
    is(Compress::Zlib::uncompress($res->{body}),
       defined $want ? decode_base64($want) : undef, "$name: by zlib");
    ran($v);
}

ok($Nginx->quit, 'UnionPay: quits');


# -- keys as UnionPay hands them out, by the commands of docs/directives.md --

my @Commands = do {
    my $doc = PaygwTest::file_from("$PaygwTest::Root/docs/directives.md", 0);
    $doc =~ /^(openssl pkcs12 .*merchant\.pfx .*)$/mg;
};

is(scalar @Commands, 2, 'pfx: two commands');

for my $name (grep { $V{$_}{kind} eq 'pkcs12' } sort keys %V) {
    my ($in, $expect) = @{ $V{$name} }{qw(inputs expect)};

    File::Copy::copy("$Up/$in->{pfx}", "$Tmp/merchant.pfx") or die $!;
    unlink "$Tmp/merchant.key", "$Tmp/merchant.cer";

    for my $command (@Commands) {
        is(system("cd $Tmp && $command -passin pass:$in->{password} "
                  . '2> err'), 0, "$name: $command");
    }

    my $plain = system("openssl pkcs12 -in $Tmp/merchant.pfx -nokeys -passin "
                       . "pass:$in->{password} > $Tmp/out 2>&1") == 0;
    is($plain ? 1 : 0,
       $expect->{loads_with_openssl3_default_provider} ? 1 : 0,
       "$name: without -legacy");

    my $nginx = PaygwNginx->start(
        http => $Zone . $Peer->unionpay($Url,
            merchant_private_key => "$Tmp/merchant.key",
            merchant_certificate => "$Tmp/merchant.cer"),
        server => 'location /up/ { paygw_pass unionpay; }');
    $Peer->plan({});
    call($nginx, POST => '/up/gateway/api/queryTrans.do', heads => \%Form,
         body => form(%Order));
    my %sent = params(($Peer->requests)[0]{body});
    is($sent{certId}, $expect->{certId}, "$name: certId");

    my $sign = delete $sent{signature};
    my $text = join '&', map { "$_=$sent{$_}" } sort keys %sent;
    put('sig', decode_base64($sign));
    system("openssl x509 -in $Up/keys/merchant_cert.cer -noout -pubkey "
           . "> $Tmp/pub") == 0 or die;
    put('text', Digest::SHA::sha256_hex($text));
    like(`openssl dgst -sha256 -verify $Tmp/pub -signature $Tmp/sig $Tmp/text`,
         qr/Verified OK/, "$name: the key of the certificate");

    ok($nginx->quit, "$name: quits");
    ran($V{$name});
}

done_testing();
