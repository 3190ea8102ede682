# What is encrypted in UnionPay's fields: each case of crypto.json, by its name;
# pins, and what answers have in a customerInfo.  RSA is random: what we make is
# opened by the openssl command, and it makes what we open.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Compress::Zlib ();
use Encode ();
use File::Temp ();
use MIME::Base64 qw(decode_base64 encode_base64);

use PaygwCases qw(cases ran);
use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Up = "$PaygwTest::Root/t/data/unionpay/keys";
my $Tmp = File::Temp::tempdir('paygw-upseal-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %V = map { ($_->{name}, $_) } cases('unionpay/crypto.json');
my $Card = '6226090000000048';
my %Own = (merchant_private_key => put('own.key', PaygwTest::file_from(
               "$Up/merchant_private.pem", 0)),
           merchant_certificate => "$Up/merchant_cert.cer");
my %Sealed = (%Own, encrypt_cert => "$Up/up_enc_cert.cer",
              encrypt_fields => 'accNo customerInfo pin',
              decrypt_fields => 'accNo customerInfo');

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

sub opened {
    my ($text, $key) = @_;
    return openssl(decode_base64($text), 'pkeyutl', '-decrypt', '-inkey',
                   "$Up/" . ($key // 'up_enc_private.pem'));
}

sub sealed {
    my ($text, $key) = @_;
    return encode_base64(openssl($text, 'pkeyutl', '-encrypt', '-inkey',
                                 "$Up/" . ($key // 'merchant_private.pem')),
                         '');
}

# our own key and certificate from a .pfx, as docs/directives.md says

sub pfx {
    my ($name, $legacy) = @_;
    my $v = $V{$name}{inputs};
    my ($file) = $v->{pfx} =~ m{([^/]+)$};
    my %made;
    for my $part ([ 'key', '-nocerts -noenc' ],
                  [ 'cer', '-nokeys -clcerts' ])
    {
        my ($what, $how) = @$part;
        my $out = "$Tmp/$name.$what";
        return if system("openssl pkcs12 $legacy -in $Up/$file $how "
                         . "-passin pass:$v->{password} -out $out "
                         . '2> /dev/null') != 0;
        chmod 0600, $out;
        $made{$what} = $out;
    }
    return (merchant_private_key => $made{key},
            merchant_certificate => $made{cer});
}

my @Pfx = grep { $V{$_}{kind} eq 'pkcs12' } sort keys %V;
my %Plain = map { ($_, { pfx($_, '') }) } @Pfx;
my %Legacy = map { ($_, { pfx($_, '-legacy') }) } @Pfx;
my $Has_legacy = system('openssl list -providers -provider legacy '
                        . "> $Tmp/out 2>&1") == 0;

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . $Peer->unionpay($Url, -name => 'up', %Sealed)
        . $Peer->unionpay($Url, -name => 'signer', %Sealed,
                          encrypt_cert => "$Up/up_sign_cert.cer")
        . $Peer->unionpay($Url, -name => 'pin', %Sealed,
                          encrypt_fields => 'pin', decrypt_fields => 'accNo')
        . join('', map { $Peer->unionpay($Url, -name => $_,
                                         %{ $Legacy{$_} }) }
               grep { %{ $Legacy{$_} } } @Pfx),
    server => join '', map { "location /$_/ { paygw_pass $_; }" }
                   qw(up signer pin), grep { %{ $Legacy{$_} } } @Pfx);

my %Order = (orderId => 'T1', txnTime => '20250102030405', txnType => '01');

# the answer to a call, and the fields that were sent

sub ask {
    my ($where, $fields, $answer) = @_;
    my %p = (%Order, %$fields);
    $Peer->plan({ fields => $answer // {} });
    my $res = call($Nginx, POST => "/$where/gateway/api/backTransReq.do",
        heads => { 'Content-Type' => 'application/x-www-form-urlencoded' },
        body => join '&', map { my $v = $p{$_};
            $v =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ge;
            "$_=$v" } sort keys %p);
    my ($r) = $Peer->requests;
    my %sent = map { s/%([0-9A-F]{2})/chr hex $1/ger }
               map { split /=/, $_, 2 } split /&/, $r ? $r->{body} : '';
    return ($res, \%sent);
}

# a field of an answer that was passed on

sub field {
    my ($res, $name) = @_;
    my ($value) = $res->{body} =~ /(?:^|&)\Q$name\E=([^&]*)/;
    return $value;
}

sub customer {
    my $c = shift;
    return Encode::encode('UTF-8', '{' . join('&', map { "$_=$c->{$_}" }
        grep { exists $c->{$_} } qw(phoneNo certifTp certifId customerNm cvn2
                                    expired)) . '}');
}


# -- crypto.json --

my %Case = (
    accNo_encrypt => sub {
        my ($v, $want) = ($_[0]{inputs}{plain}, $_[0]{expect});
        my ($res, $sent) = ask('up', { accNo => $v });
        is($res->{status}, 200, 'accNo: passed') or diag($res->{body});
        is(opened($sent->{accNo}), $v, 'accNo: by openssl');
        is(length decode_base64($sent->{accNo}),
           length decode_base64($want->{example_cipher_base64}),
           'accNo: as long');
        is($sent->{encryptCertId}, $want->{encryptCertId},
           'accNo: encryptCertId');
        is(opened($want->{example_cipher_base64}), $v, 'accNo: the example');
    },
    customerInfo_with_encryptedInfo => sub {
        my ($v, $want) = ($_[0]{inputs}{customer}, $_[0]{expect});
        my ($res, $sent) = ask('up', { customerInfo => customer($v) });
        is($res->{status}, 200, 'encryptedInfo: passed')
            or diag($res->{body});
        my @shape = map { s/encryptedInfo=([^}]*)\}/encryptedInfo=<base64>}/r }
            map { decode_base64($_) } $sent->{customerInfo},
                                      $want->{example_value};
        is($shape[0], Encode::encode('UTF-8', $want->{base64_decoded_shape}),
           'encryptedInfo: shape');
        is($shape[1], $shape[0], 'encryptedInfo: the shape of the example');
        is(opened((decode_base64($_) =~ /encryptedInfo=([^}]*)\}/)[0]),
           $want->{encrypted_plain}, 'encryptedInfo: by openssl')
            for $sent->{customerInfo}, $want->{example_value};
    },
    customerInfo_plain => sub {
        my ($v, $want) = ($_[0]{inputs}{customer}, $_[0]{expect});
        my ($res, $sent) = ask('up', { customerInfo => customer($v) });
        is($sent->{customerInfo}, $want->{value}, 'customerInfo: nothing in it')
            or diag($res->{body});
    },
    accNo_in_answer_decrypted_with_merchant_key => sub {
        my ($v, $want) = ($_[0]{inputs}, $_[0]{expect});
        my ($res) = ask('up', {}, { accNo => $v->{cipher_base64} });
        is(field($res, 'accNo'), $want->{plain}, 'answer: accNo is opened');
        is(field($res, 'signature'), undef, 'answer: of other bytes');
    },
    neg_cipher_corrupted => sub {
        my $v = $_[0]{inputs};
        my ($res) = ask('up', {}, { accNo => $v->{cipher_base64} });
        is(field($res, 'accNo'), $v->{cipher_base64},
           'answer: a bit of accNo is wrong: as it came');
        ok(field($res, 'signature'), 'answer: a bit of accNo: signed');
    },
    pin_block_before_rsa => sub {
        my ($v, $want) = ($_[0]{inputs}, $_[0]{expect});
        for my $where (qw(up pin)) {
            my ($res, $sent) = ask($where, { pin => $v->{pin},
                                             accNo => $v->{accNo} });
            is($res->{status}, 200, "$where: pin: passed")
                or diag($res->{body});
            is(unpack('H*', opened($sent->{pin}) // ''), $want->{block_hex},
               "$where: pin: by openssl");
            is($where eq 'up' ? opened($sent->{accNo}) : $sent->{accNo},
               $v->{accNo}, "$where: pin: its accNo");
            is($sent->{encryptCertId},
               $V{cert_id_up_enc_cert}{expect}{certId},
               "$where: pin: encryptCertId");
        }
    },
    file_content_inflate => sub {
        my ($v, $want) = ($_[0]{inputs}{fileContent}, $_[0]{expect});
        my ($res) = ask('up', {}, { fileContent => $v });
        is(field($res, 'fileContent'), $v, 'file: as it came');
        is(encode_base64(Compress::Zlib::uncompress(decode_base64(
               field($res, 'fileContent'))), ''), $want->{content_base64},
           'file: the caller inflates it');
    },
    neg_file_content_raw_deflate => sub {
        my $v = $_[0]{inputs}{fileContent};
        my ($res) = ask('up', {}, { fileContent => $v });
        is(field($res, 'fileContent'), $v,
           'file: what cannot be inflated, as it came');
        is(Compress::Zlib::uncompress(decode_base64($v)), undef,
           'file: and it is none');
    },
    cert_id_merchant_cert => sub {
        my ($res, $sent) = ask('up', {});
        is($sent->{certId}, $_[0]{expect}{certId}, 'certId');
    },
    cert_id_up_enc_cert => sub {
        my ($res, $sent) = ask('up', { accNo => $Card });
        is($sent->{encryptCertId}, $_[0]{expect}{certId}, 'encryptCertId');
    },
    cert_id_up_sign_cert => sub {
        my ($res, $sent) = ask('signer', { accNo => $Card });
        is($sent->{encryptCertId}, $_[0]{expect}{certId},
           'encryptCertId: another');
        is(opened($sent->{accNo}, 'up_sign_private.pem'), $Card,
           'encryptCertId: another: by openssl');
    },
    map { my $name = $_; ($name => sub {
        my $want = $_[0]{expect};
        is(!!%{ $Plain{$name} },
           !!$want->{loads_with_openssl3_default_provider},
           "$name: without -legacy");
        SKIP: {
            skip 'no legacy provider of openssl', 2 if !$Has_legacy;
            ok(%{ $Legacy{$name} }, "$name: by the legacy provider");
            my ($res, $sent) = ask($name, {});
            is($sent->{certId}, $want->{certId}, "$name: certId");
        }
    }) } @Pfx,
);

is_deeply([ sort keys %Case ], [ sort keys %V ], 'all cases of crypto.json');
for my $name (sort keys %V) {
    next if !$Case{$name};
    subtest $name => sub { $Case{$name}->($V{$name}) };
    ran($V{$name});
}


# -- pins --

# ISO 9564-1, format 0, in other words than those of the module

sub block {
    my ($pin, $pan) = @_;
    my $a = sprintf '%02x%s', length $pin, $pin;
    my $b = '0000' . substr $pan, -13, 12;
    return unpack 'H*', pack('H*', $a . 'f' x (16 - length $a))
                        ^ pack('H*', $b);
}

for my $case ([ '1234', '1234567890123' ], [ '987654321098', $Card ],
              [ '12345', '9876543210987654321' ], [ '0000', '0' x 16 ])
{
    my ($pin, $pan) = @$case;
    my ($res, $sent) = ask('up', { pin => $pin, accNo => $pan });
    is(unpack('H*', opened($sent->{pin} // '') // ''), block($pin, $pan),
       "pin of " . length($pin) . ' and a card of ' . length $pan)
        or diag($res->{body});
}

for my $case (
    [ '739', $Card, 'pin' ], [ '7391739173917', $Card, 'pin' ],
    [ '7391a', $Card, 'pin' ], [ '7391 ', $Card, 'pin' ],
    [ '7391', undef, 'accNo' ], [ '7391', '', 'accNo' ],
    [ '7391', '622609000000', 'accNo' ], [ '7391', "${Card}1234", 'accNo' ],
    [ '7391', '6226****00000048', 'accNo' ],
) {
    my ($pin, $pan, $name) = @$case;
    my ($res, $sent) = ask('up', { pin => $pin, defined $pan
                                                ? (accNo => $pan) : () });
    my $what = "no: '$pin' of " . ($pan // 'no card');
    problem_ok($res, 400, 'CLIENT-BAD_REQUEST', $what,
               message => qr/^$name must be \d/);
    unlike($res->{body}, qr/7391|6226/, "$what: nothing of it is told");
    is_deeply($sent, {}, "$what: not sent");
}

{
    # who names the certificate has made the block on his own

    my ($res, $sent) = ask('up', { pin => 'mine', encryptCertId => '9' });
    is($sent->{pin}, 'mine', 'pin: by the caller');

    # an empty field is none

    ($res, $sent) = ask('up', { pin => '', accNo => $Card });
    is($sent->{pin}, undef, 'pin: empty');
}


# -- customerInfo of answers --

my $Info = 'phoneNo=18100000000&cvn2=248&expired=1912';

sub info {
    my ($plain, $text) = @_;
    my $cipher = sealed($plain);
    return encode_base64(($text // '{certifTp=01&encryptedInfo=@}')
                             =~ s/\@/$cipher/gr, '');
}

for my $case (
    [ 'all', $Info, '{certifTp=01&encryptedInfo=@}', "{certifTp=01&$Info}" ],
    [ 'alone', 'cvn2=248', '{encryptedInfo=@}', '{cvn2=248}' ],
    [ 'in the middle', 'phoneNo=+86-181 1',
      "{certifTp=01&encryptedInfo=\@&customerNm=\xe5\xbc\xa0&x}",
      "{certifTp=01&phoneNo=+86-181 1&customerNm=\xe5\xbc\xa0&x}" ],
    [ 'in GBK', 'expired=1912', "{customerNm=\xd5\xc5\x81\x7d&encryptedInfo=@}",
      "{customerNm=\xd5\xc5\x81\x7d&expired=1912}" ],
) {
    my ($what, $plain, $text, $want) = @$case;
    my ($res) = ask('up', {}, { customerInfo => info($plain, $text) });
    is($res->{status}, 200, "answer: $what") or diag($res->{body});
    is(decode_base64(field($res, 'customerInfo')), $want,
       "answer: $what: opened");
    is(field($res, 'signature'), undef, "answer: $what: of other bytes");
    is($res->{header}{'x-paygw-verified'}, 'signature',
       "answer: $what: verified");
}

{
    my ($res) = ask('up', {}, { customerInfo => info($Info),
                                accNo => sealed($Card) });
    is(decode_base64(field($res, 'customerInfo')), "{certifTp=01&$Info}",
       'answer: with accNo: customerInfo');
    is(field($res, 'accNo'), $Card, 'answer: with accNo: accNo');

    my $info = info($Info);
    ($res) = ask('pin', {}, { customerInfo => $info });
    is(field($res, 'customerInfo'), $info,
       'answer: not of decrypt_fields: as it came');
    ok(field($res, 'signature'), 'answer: not of decrypt_fields: signed');
}

# What makes no sense may be what OpenSSL has made of another key's: whatever
# the plain text is, it stays where it is.

my $Foreign = sealed($Info, 'rogue_private.pem');

for my $case (
    [ 'another name', info('phoneNo=181&other=1') ],
    [ 'no name', info('181') ], [ 'nothing', info('') ],
    [ 'no value', info('phoneNo=') ],
    [ 'a name twice', info('cvn2=1&phoneNo=1&cvn2=2') ],
    [ 'an end', info('cvn2=1&') ], [ 'a begin', info('&cvn2=1') ],
    [ 'a brace', info('cvn2=1}') ], [ 'an equals sign', info('cvn2=1=2') ],
    [ 'a control character', info("cvn2=1\x01") ],
    [ 'a byte above', info("cvn2=1\x7f") ],
    [ 'no ASCII', info("cvn2=\xe5\xbc\xa0") ],
    [ 'no UTF-8', info("cvn2=\xe5") ],
    [ 'two of them', info($Info, '{encryptedInfo=@&encryptedInfo=@}') ],
    [ 'in clear, too', info($Info, '{encryptedInfo=@&cvn2=1}') ],
    [ 'none', info('', '{certifTp=01}') ], [ 'empty', info('', '{}') ],
    [ 'a brace alone', info('', '{') ],
    [ 'no braces', info($Info, '(encryptedInfo=@)') ],
    [ 'no brace behind', info($Info, '{encryptedInfo=@&a') ],
    [ 'no base64 in it', info('', '{encryptedInfo=*}') ],
    [ 'not a block', info('', '{encryptedInfo=AAAA}') ],
    [ 'of another key', info('', "{encryptedInfo=$Foreign}") ],
    [ 'no base64', '{certifTp=01}' ],
    [ 'the example, which is for UnionPay',
      $V{customerInfo_with_encryptedInfo}{expect}{example_value} ],
) {
    my ($what, $value) = @$case;
    my ($res) = ask('up', {}, { customerInfo => $value });
    is(field($res, 'customerInfo'), $value, "answer: $what: as it came");
    ok(field($res, 'signature'), "answer: $what: signed");
}

# and of accNo

for my $plain ('6', 'ab', '6226 0900', "62260900\xe5\xbc\xa0", '6226=9000') {
    my $cipher = sealed($plain);
    my ($res) = ask('up', {}, { accNo => $cipher });
    is(field($res, 'accNo'), $cipher, "answer: accNo '$plain': as it came");
}

for my $plain ('6226****0048', '62260900', 'A-12345678') {
    my ($res) = ask('up', {}, { accNo => sealed($plain) });
    is(field($res, 'accNo'), $plain, "answer: accNo '$plain': opened");
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

# processes, connections and ports are numbers, too

(my $log = $Nginx->log) =~ s/\d+#\d+: (?:\*\d+ )?|127\.0\.0\.1:\d+//g;
unlike($log, qr/7391|62260|18100000000|123456/,
       'nothing of pins and cards in the log');


# -- nginx -t --

like(PaygwNginx->test(http => "    paygw_zone paygw:1m;\n"
                          . $Peer->unionpay($Url, %Sealed, encrypt_fields =>
                                                'accNo cardTransData'),
                      server => 'return 200;'),
     qr/"encrypt_fields" of channel "unionpay" cannot have "cardTransData"/,
     'not right: cardTransData');

done_testing();
