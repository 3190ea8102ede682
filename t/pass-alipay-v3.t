# paygw_pass to the REST form of Alipay's API, with its vectors.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Encode ();
use File::Copy ();
use File::Temp ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);

use PaygwCases qw(cases ran);
use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwTest ();

my $Data = "$PaygwTest::Root/t/data/alipay";
my $Tmp = File::Temp::tempdir('paygw-v3-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $Peer = PaygwPeer->start;
my $Port = $Peer->listen;
my $Url = "http://127.0.0.1:$Port";
my $Json = JSON::PP->new->utf8->canonical;
my $Query = '/a/v3/alipay/trade/query';
my $Body = '{ "out_trade_no":"T1", "total_amount":0.10 }';
my $Good = '{"out_trade_no":"T1","qr_code":"MARK"}';
my $Both = 'alipay_next';

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    log_format k '\$paygw_result \$paygw_reason';\n"
        . $Peer->alipay($Url)
        . $Peer->alipay_cert("$Url/gateway.do", -name => 'cert',
              alipay_cert => [ map { "$Peer->{keys}/$_.crt" }
                               'alipay', $Both ]),
    server => 'access_log logs/k.log k;'
        . 'location /a/ { paygw_pass alipay; }'
        . 'location /c/ { paygw_pass cert; }');

sub ask {
    my ($method, $uri, $body, %heads) = @_;
    return call($Nginx, $method => $uri, body => $body // '', heads => {
        length($body // '') ? ('Content-Type' => 'application/json') : (),
        %heads });
}

sub passed {
    my ($what, $res, $body) = @_;
    is("$res->{status} $res->{body}", "200 $body", "$what: passed");
    is($res->{header}{'x-paygw-verified'}, 'signature', "$what: verified");
    is($res->{header}{'alipay-trace-id'}, undef, "$what: no field");
    my ($r) = $Peer->requests;
    is($r->{check}, 'ok', "$what: as Alipay wants it");
    return $r;
}


# -- what is sent --

{
    $Peer->plan({});
    my $r = passed('query', ask(POST => "$Query?a=b%7C", $Body,
                                Authorization => 'x', Cookie => 'a=b'), $Good);
    is("$r->{method} $r->{target}", 'POST /v3/alipay/trade/query?a=b%7C',
       'query: target');
    is($r->{body}, $Body, 'E14: the bytes of the body');
    is(join(' ', sort map { lc $_->[0] } @{ $r->{heads} }),
       'accept alipay-request-id authorization content-length content-type '
       . 'host user-agent', 'query: fields');

    $Peer->plan({});
    passed('GET', ask(GET => '/a/v3/alipay/data/x/query?bill_type=trade'),
           $Good);

    $Peer->plan({ sn => 'alipay' });
    $r = passed('cert', ask(POST => '/c/v3/alipay/trade/query', $Body,
                            'alipay-app-auth-token' => 'isv1'), $Good);
    like($r->{head}{'alipay-root-cert-sn'}, qr/^[0-9a-f]{32}/, 'cert: roots');
    is($r->{head}{'alipay-app-auth-token'}, 'isv1', 'cert: token');
    like($r->{head}{authorization}, qr/app_cert_sn=[0-9a-f]{32},/,
         'cert: app SN');

    $Peer->plan({ body => 'c2VhbGVk' });
    $r = passed('sealed', ask(POST => $Query, 'c2VhbGVk',
                              'alipay-encrypt-type' => 'AES',
                              'Content-Type' => 'text/plain'), 'c2VhbGVk');
    is("$r->{head}{'alipay-encrypt-type'} $r->{head}{'content-type'}",
       'AES text/plain', 'sealed: fields');
    $Peer->plan({ body => $Good });
    passed('sealed, and the answer is not',
           ask(POST => $Query, 'c2VhbGVk', 'alipay-encrypt-type' => 'AES',
               'Content-Type' => 'text/plain'), $Good);
}

# E15: what is sent again, each time signed anew

for my $case ([ POST => 'trade/query', 2 ], [ POST => 'trade/precreate', 2 ],
              [ POST => 'fund/trans/uni/transfer', 1 ],
              [ GET => 'x/query', 2 ])
{
    my ($method, $path, $n) = @$case;
    my $body = $method eq 'POST' ? $Body : '';
    $Peer->plan({}, { drop => JSON::PP::true });
    ask($method => "/a/v3/alipay/$path", $body);
    my $res = ask($method => "/a/v3/alipay/$path", $body);
    is($res->{status}, $n == 2 ? 200 : 504, "again: $path");
    my @r = $Peer->requests;
    is(scalar @r, 1 + $n, "again: $path: requests");
    is(join(' ', map { $_->{check} } @r), join(' ', ('ok') x @r),
       "again: $path: signed");
}


# -- what is not sent --

for my $case (
    [ [ PUT => $Query, $Body ], 405, '' ],
    [ [ POST => '/a/v3x', $Body ], 400, 'the path must be' ],
    [ [ POST => $Query, '[]' ], 400, 'not a JSON object' ],
    [ [ POST => $Query, '{"a":1,"a":2}' ], 400, 'not a JSON object' ],
    [ [ POST => $Query, 'a=b', 'Content-Type' => 'text/html' ], 415,
      'application/json' ],
    [ [ POST => $Query, 'a=b', 'Content-Type' => 'multipart/form-data' ], 415,
      'this call is none' ],
    [ [ POST => $Query, '{}', 'alipay-encrypt-type' => 'AES' ], 415,
      'text/plain' ],
    [ [ POST => $Query, '{}', 'alipay-encrypt-type' => 'DES' ], 400, 'AES' ],
    [ [ POST => $Query, '{}', 'alipay-app-auth-token' => 'a b' ], 400,
      'header field' ],
    [ [ POST => $Query, '{}', 'alipay-app-auth-token' =>
            "a\r\nalipay-app-auth-token: b" ], 400, 'header field' ],
    [ [ POST => '/a/v3/alipay/trade/refund', '{"refund_amount":"1.00"}' ],
      400, 'a refund needs out_request_no' ],
) {
    my ($call, $status, $hint) = @$case;
    my $what = join ' ', map { substr $_, 0, 40 } @$call;
    my %code = (400 => 'BAD_REQUEST', 405 => 'BAD_METHOD',
                415 => 'UNSUPPORTED_MEDIA_TYPE');
    $Peer->plan;
    problem_ok(ask(@$call), $status, "CLIENT-$code{$status}", "no: $what",
               message => qr/\Q$hint/);
    is(scalar $Peer->requests, 0, "$what: not sent");
}


# -- answers that are nobody's --

for my $case (
    [ { signature => 'bad' } ], [ { signature => 'none' } ],
    [ { signature => 'empty' } ], [ { key => 'app' } ],
    [ { key => 'alipay_next' } ], [ { age => 400 } ], [ { age => -400 } ],
    [ { status => 500, signature => 'none',
        body => '{"code":"SYSTEM_ERROR","message":"MARK"}' } ],
    [ { status => 500 } ], [ { status => 302 } ], [ { status => 201 } ],
    [ { body => '{"code":"A","message":"MARK"}' } ],
    [ { body => '["MARK"]' } ], [ { body => '' } ], [ { body => 'MARK' } ],
    [ { body => '{"out_trade_no":"T2","x":"MARK"}' } ],
    [ { body => '{"out_trade_no":"T1","out_trade_no":"MARK"}' } ],
    map({ [ { headers => { $_->[0] => $_->[1] } } ] }
        [ 'alipay-timestamp', undef ], [ 'alipay-timestamp', '1730000000' ],
        [ 'alipay-timestamp', '17300000000xx' ], [ 'alipay-nonce', undef ],
        [ 'alipay-nonce', 'x' ], [ 'alipay-signature', '####' ]),
    map({ [ { twice => $_ } ] }
        qw(alipay-timestamp alipay-nonce alipay-signature)),
    [ { gzip => JSON::PP::true } ],
) {
    my ($plan) = @$case;
    my $what = $Json->encode($plan);
    $Peer->plan($plan);
    problem_ok(ask(POST => $Query, $Body), 502, 'PROVIDER-UNVERIFIED', $what);
    is(scalar $Peer->requests, 1, "$what: sent once");
}

for my $plan ({}, { sn => '0' x 32 }, { sn => 'alipay', key => $Both },
              { sn => $Both }, { sn => 'alipay', twice => 'alipay-sn' })
{
    my $what = 'cert: ' . $Json->encode($plan);
    $Peer->plan($plan);
    problem_ok(ask(POST => '/c/v3/alipay/trade/query', $Body), 502,
               'PROVIDER-UNVERIFIED', $what);
}

$Peer->plan({ sn => $Both, key => $Both });
passed('cert: the next one', ask(POST => '/c/v3/alipay/trade/query', $Body),
       $Good);

for my $uri ($Query, '/c/v3/alipay/trade/query') {
    my $error = '{"code":"ACQ.TRADE_NOT_EXIST","message":"x"}';
    $Peer->plan({ status => 400, body => $error });
    my $res = ask(POST => $uri, $Body);
    is("$res->{status} $res->{body}", "400 $error", "$uri: an error");
}

# each byte of an answer changed, and its signature moved

{
    my $seen = $Peer->do('flip', port => $Nginx->{port}, method => 'POST',
                         target => $Query, body => $Body,
                         heads => { 'Content-Type' => 'application/json' },
                         answer => {});
    is("$seen->{good} $seen->{again}", '200 200', 'flip: as it is');
    cmp_ok($seen->{refused}, '>', 450, 'flip: what is signed is refused');
    is_deeply($seen->{leaks}, [], 'flip: nothing else is seen');
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');


# -- the vectors --

{
    my $key = "$Tmp/app.pem";
    File::Copy::copy("$Data/keys/app_private_pkcs1.pem", $key) or die $!;
    chmod 0600, $key;
    my %own = (app_private_key => $key);
    my $nginx = PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
            . $Peer->alipay($Url, %own, alipay_public_key =>
                                "$Data/keys/alipay_public.pem")
            . $Peer->alipay_cert($Url, %own, -name => 'cert',
                  alipay_cert => "$Data/keys/alipay_cert.crt",
                  alipay_root_cert => "$Data/keys/alipay_root.crt",
                  app_cert => "$Data/keys/app_cert.crt"),
        server => join '', map {
            "location /$_->[0]/ { paygw_test_clock 1735758245; "
            . "paygw_pass $_->[1]; }"
        } [ a => 'alipay' ], [ c => 'cert' ]);

    for my $v (cases('alipay/v3.json')) {
        my $in = $v->{inputs};

        if ($v->{kind} eq 'v3_request_sign') {
            my %heads = map { ($_, $in->{other_headers}{$_}) }
                        grep { /content-type|auth-token|encrypt-type/ }
                        keys %{ $in->{other_headers} };
            my $where = $in->{auth_string} =~ /app_cert_sn/ ? '/c' : '/a';
            my $body = Encode::encode('UTF-8', $in->{body});
            $Peer->plan({});
            call($nginx, $in->{http_method} => $where . $in->{uri},
                 body => $body, heads => \%heads);
            my ($r) = $Peer->requests;
            my ($auth, $sign) = $r->{head}{authorization}
                =~ /^ALIPAY-SHA256withRSA (.*),sign=([^,]*)$/;
            my $like = $in->{auth_string} =~ s/(nonce|timestamp)=[^,]*/$1=/gr;
            is($auth =~ s/(nonce|timestamp)=[^,]*/$1=/gr, $like,
               "$v->{name}: who it is");
            for my $name (grep { !/request-id/ } keys %{ $in->{other_headers} })
            {
                is($r->{head}{$name}, $in->{other_headers}{$name},
                   "$v->{name}: $name");
            }
            my $text = Encode::encode('UTF-8', $v->{string_to_sign});
            $text =~ s/^[^\n]*/$auth/;
            for ([ 'text', $text ], [ 'sig', decode_base64($sign) ]) {
                open my $out, '>:raw', "$Tmp/$_->[0]" or die $!;
                print $out $_->[1];
                close $out;
            }
            like(`openssl dgst -sha256 -verify $Data/keys/app_public.pem \\
                  -signature $Tmp/sig $Tmp/text 2>&1`, qr/Verified OK/,
                 "$v->{name}: openssl verifies it");
            ran($v);
            next;
        }

        my $body = Encode::encode('UTF-8', $in->{body});
        my $sealed = $v->{name} =~ /encrypted/;
        my $heads = join '', map { "$_: $in->{headers}{$_}\r\n" }
                    sort keys %{ $in->{headers} };
        $Peer->plan({ raw => encode_base64(
            "HTTP/1.1 $in->{http_status} X\r\n${heads}Content-Length: "
            . length($body) . "\r\n\r\n$body", '') });

        # its certificate was made after its time: the key in it counts here

        my $cert = ($in->{mode} // '') eq 'cert' && !$v->{expect}{verify};
        my $res = call($nginx, POST => ($cert ? '/c' : '/a')
                       . '/v3/alipay/trade/x', heads => $sealed
                       ? { 'alipay-encrypt-type' => 'AES',
                           'Content-Type' => 'text/plain' } : {},
                       body => $sealed ? 'eA==' : '');

        if ($v->{expect}{accept} && !$v->{expect}{unsigned}) {
            is("$res->{status} $res->{body}", "$in->{http_status} $body",
               "$v->{name}: passed") or diag($nginx->log);
        } else {
            problem_ok($res, 502, 'PROVIDER-UNVERIFIED', $v->{name});
        }
        ran($v);
    }

    ok($nginx->quit, 'vectors: quits');
}

done_testing();
