# paygw_pass to Alipay's gateway: what is sent, and what comes back.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();

use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Port = $Peer->listen;
my $Url = "http://127.0.0.1:$Port";
my $Type = 'application/x-www-form-urlencoded;charset=utf-8';
my $Json = JSON::PP->new->canonical;

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    log_format k '\$paygw_result \$paygw_reason \$paygw_channel';\n"
        . $Peer->alipay($Url)
        . $Peer->alipay_cert("$Url/gateway.do", -name => 'cert')
        . $Peer->alipay_cert($Url, -name => 'both', alipay_cert =>
              [ map { "$Peer->{keys}/$_.crt" } 'alipay', 'alipay_next' ])
        . $Peer->alipay($Url, -name => 'keys', alipay_public_key =>
              [ map { "$Peer->{keys}/$_.pem" } 'alipay_next', 'alipay' ]),
    server => 'access_log logs/k.log k;'
        . 'location /a/ { paygw_pass alipay; }'
        . 'location /c/ { paygw_pass cert; }'
        . 'location /b/ { paygw_pass both; }'
        . 'location /k/ { paygw_pass keys; }'
        . 'location = /pay { paygw_pass alipay; }');

sub form {
    my %p = @_;
    return join '&', map { my $v = $p{$_};
                           $v =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1
                                  /gex;
                           "$_=$v" } sort keys %p;
}

sub biz { return $Json->encode({ @_ }) }

sub ask {
    my ($params, %o) = @_;
    return call($Nginx, POST => $o{uri} // '/a/gateway.do',
                body => ref $params ? form(%$params) : $params,
                heads => { 'Content-Type' => $o{type} // $Type });
}

# the line is written after the answer

sub logged {
    my ($re, $what) = @_;
    my @lines;
    ok($Nginx->wait_for(sub {
        open my $fh, '<', "$Nginx->{dir}/logs/k.log" or return 0;
        @lines = <$fh>;
        return @lines && $lines[-1] =~ $re;
    }, 5), $what) or diag($lines[-1]);
}

my %Query = (method => 'alipay.trade.query',
             biz_content => biz(out_trade_no => 'T1',
                                out_request_no => 'R1'));
my $Got = 'alipay_trade_query_response';
my $Content = '{"code":"10000","msg":"Success","out_trade_no":"T1",'
    . '"qr_code":"https://qr.example/MARK"}';


# -- what is sent --

{
    $Peer->plan({});
    my $res = ask({ %Query, notify_url => 'https://shop.example.com/n?a=b&c',
                    return_url => '', app_auth_token => 'isv' });
    is($res->{status}, 200, 'query: status') or diag($res->{body});
    is($res->{header}{'content-type'}, 'application/json', 'query: type');
    is($res->{header}{'x-paygw-verified'}, 'signature', 'query: verified');
    like($res->{body}, qr/^\{"$Got":\Q$Content\E,"sign":"[^"]+"\}$/,
         'query: content and sign');
    logged(qr/^passed - alipay/, 'query: log');

    my ($r) = $Peer->requests;
    is($r->{check}, 'ok', 'query: as the gateway wants it');
    is("$r->{method} $r->{target}", 'POST /gateway.do?charset=utf-8',
       'query: E2, E5: one place, the charset in the URL');
    my %p = %{ $r->{params} };
    like(delete $p{timestamp}, qr/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/,
         'query: time');
    is($Json->encode(\%p),
       $Json->encode({ app_id => '2021000000000001', charset => 'utf-8',
                       sign_type => 'RSA2', version => '1.0',
                       app_auth_token => 'isv', %Query,
                       notify_url => 'https://shop.example.com/n?a=b&c' }),
       'query: parameters, no empty one');
    is(join(' ', sort map { lc $_->[0] } @{ $r->{heads} }),
       'content-length content-type host user-agent', 'query: fields');
}

# biz_content goes as it is, E14: no number is read and written again

{
    my $biz = '{ "total_amount":0.10,"x":1e2,"big":12345678901234567890,'
        . '"subject":"\u6d4b\/ &=+%\"<b>"}';
    $Peer->plan({});
    ask({ method => 'alipay.trade.precreate', biz_content => $biz });
    my ($r) = $Peer->requests;
    is($r->{check}, 'ok', 'E14: verifies');
    is($r->{params}{biz_content}, $biz, 'E14: bytes of biz_content');
}

# in the URL, in the body, or in both; an SDK that signs is no trouble

for my $case (
    [ POST => '/a/?' . form(%Query), '' ],
    [ GET => '/a/gateway.do?' . form(%Query), '' ],
    [ POST => '/a/gateway.do?charset=UTF-8&method=alipay.trade.query'
              . '&sign=bm8%3D&sign_type=RSA2&timestamp=2020-01-01+00%3A00%3A00'
              . '&version=1.0&format=json&app_id=2021000000000001'
              . '&app_cert_sn=x&alipay_root_cert_sn=y',
      form(biz_content => $Query{biz_content}) ],
    [ POST => '/pay', form(%Query) ],
) {
    my ($method, $uri, $body) = @$case;
    $Peer->plan({});
    my $res = call($Nginx, $method => $uri, body => $body,
                   heads => { 'Content-Type' => $Type });
    is($res->{status}, 200, "$method $uri: passed") or diag($res->{body});
    is(($Peer->requests)[0]{check}, 'ok', "$uri: signed anew");
}

# certificate mode names the certificates

{
    $Peer->plan({ sn => 'alipay' });
    my $res = ask(\%Query, uri => '/c/');
    is($res->{status}, 200, 'cert: passed') or diag($res->{body});
    like($res->{body}, qr/,"alipay_cert_sn":"[0-9a-f]{32}","sign":"/,
         'cert: the SN comes along');
    my ($r) = $Peer->requests;
    is($r->{check}, 'ok', 'cert: signed');
    like($r->{params}{app_cert_sn}, qr/^[0-9a-f]{32}$/, 'cert: app SN');
    like($r->{params}{alipay_root_cert_sn}, qr/^[0-9a-f]{32}/,
         'cert: root SN');
}


# -- calls that are not sent --

for my $case (
    [ { biz_content => '{}' }, 'no method' ],
    [ { method => 'Alipay x', biz_content => '{}' }, 'no method' ],
    [ { %Query, app_id => '2021000000000002' }, 'app_id is not' ],
    [ { %Query, charset => 'GBK' }, 'charset must be utf-8' ],
    [ { %Query, biz_content => '[]' }, 'not a JSON object' ],
    [ { %Query, biz_content => '{"a":1,"a":2}' }, 'not a JSON object' ],
    [ { %Query, 'a b' => 'x' }, q(name must be) ],
    [ { method => 'alipay.trade.refund',
        biz_content => biz(out_trade_no => 'T1', refund_amount => '1.00') },
      'E17: |a refund needs out_request_no' ],
    [ { method => 'alipay.trade.refund',
        biz_content => biz(out_request_no => '') },
      'a refund needs out_request_no' ],
    [ 'method=alipay.trade.query&method=alipay.trade.pay', 'duplicate' ],
    [ 'method', '' ], [ 'method=%zz', '' ],
    [ join('&', 'method=x', map { "p$_=1" } 1 .. 130), '' ],
    [ join('&', 'method=x', map { "p$_=1" } 1 .. 125), 'too many' ],
) {
    my ($params, $hint) = @$case;
    my $what = ref $params ? $Json->encode($params) : substr $params, 0, 40;
    my ($why) = $hint =~ /([^|]*)$/;
    $Peer->plan({});
    problem_ok(ask($params), 400, 'CLIENT-BAD_REQUEST', "no: $what",
               message => qr/\Q$why\E/);
    is(scalar $Peer->requests, 0, "$what: not sent");
}

problem_ok(ask($Query{biz_content}, type => 'application/json'), 415,
           'CLIENT-UNSUPPORTED_MEDIA_TYPE', 'no form');
problem_ok(ask(\%Query, uri => '/a/other.do'), 400, 'CLIENT-BAD_REQUEST',
           'another path', message => qr/gateway\.do/);
problem_ok(call($Nginx, PUT => '/a/', body => 'a=b'), 405,
           'CLIENT-BAD_METHOD', 'another method');
problem_ok(ask({ %Query }, uri => '/a/?method=alipay.trade.pay'), 400,
           'CLIENT-BAD_REQUEST', 'a name in both places');


# -- what the payer's side takes --

{
    my %pay = (biz_content => biz(out_trade_no => 'T1', subject => "a&b 'c'"),
               notify_url => 'https://shop.example.com/n');

    for my $kind (qw(page wap app)) {
        $Peer->plan({});
        my $res = ask({ %pay, method => "alipay.trade.$kind.pay" });
        is($res->{status}, 200, "$kind: status");
        is($res->{header}{'content-type'}, 'text/plain', "$kind: type");
        is($res->{header}{'x-paygw-verified'}, undef, "$kind: no answer");
        is(scalar $Peer->requests, 0, "$kind: nothing sent");

        my $text = $res->{body};
        is($text =~ s{^\Q$Url\E/gateway\.do\?}{} ? 1 : 0,
           $kind eq 'app' ? 0 : 1, "$kind: URL");
        unlike($text, qr/[^A-Za-z0-9_.~%=&-]/, "$kind: encoded");

        # the peer is asked whether it is genuine, by sending it there

        $Peer->plan({});
        my $s = call($Port, POST => '/gateway.do?charset=utf-8',
                     body => $text,
                     heads => { 'Content-Type' => $Type });
        is(($Peer->requests)[0]{check}, 'ok', "$kind: signed");
    }
}


# -- answers that are nobody's --

my @Bad = (
    [ { signature => 'bad' }, 'signature' ],
    [ { signature => 'none' }, 'signature',
      'hint: answer is not signed, code 10000 while' ],
    [ { signature => 'empty' }, 'signature', 'D7: |answer is not signed' ],
    [ { twin => 'first' }, 'duplicate_field', 'D3: |duplicate key' ],
    [ { twin => 'last' }, 'duplicate_field', 'D3: |duplicate key' ],
    [ { other => 'alipay_trade_pay_response' }, 'signature',
      'D3: |more than one content' ],
    [ { name => 'alipay_trade_pay_response' }, 'signature',
      'answer of another call' ],
    [ { content => '{"code":"10000","out_trade_no":"T2","x":"MARK"}' },
      'account_mismatch', 'another out_trade_no' ],
    [ { content => '{"code":"10000","code":"40004","x":"MARK"}' },
      'duplicate_field' ],
    [ { content => '{"code":"10000","out_request_no":"R2","x":"MARK"}' },
      'account_mismatch', 'another out_request_no' ],
    [ { content => '{"code":"40002","sub_code":"isv.invalid-signature",'
            . '"sub_msg":"MARK"}', name => 'error_response',
        signature => 'none' }, 'signature',
      'it refuses our signature, look at app_private_key and app_id: '
      . 'answer is not signed, code 40002, isv.invalid-signature' ],
    [ { status => 500 }, 'signature', 'status 500' ],
    [ { status => 302 }, 'signature', 'status 302' ],
    [ { gzip => JSON::PP::true }, 'malformed' ],
    [ { key => 'app' }, 'signature' ],
    [ { key => 'alipay_next' }, 'signature' ],
    [ { raw => 'SFRUUC8xLjEgMjAwIE9LDQoNCjxodG1sPk1BUks=' }, 'malformed' ],
    [ { raw => 'SFRUUC8xLjEgMjAwIE9LDQoNCg==' }, 'malformed' ],
    [ { raw => 'SFRUUC8xLjEgMjAwIE9LDQoNClsiTUFSSyJd' }, 'malformed',
      'answer is not a JSON object' ],
);

for my $case (@Bad) {
    my ($plan, $reason, $hint) = @$case;
    my $what = ($hint // '') =~ /^(.*)\|/ ? $1 : '';
    $what .= $Json->encode($plan);
    ($hint) = ($hint // '') =~ /([^|]*)$/;
    my $at = length $Nginx->log;
    $Peer->plan($plan);
    problem_ok(ask(\%Query), 502, 'PROVIDER-UNVERIFIED', $what);
    is(scalar $Peer->requests, 1, "$what: sent once");
    logged(qr/^unverified $reason /, "$what: reason");
    $hint = quotemeta $hint;
    like(substr($Nginx->log, $at),
         qr/\[error\] .*answer of the provider refused: $reason, .*$hint/,
         "$what: log");
    unlike(substr($Nginx->log, $at), qr/MARK/, "$what: nothing told");
}

# the gateway's own number, which it goes by if it is given both

for my $case ([ '"trade_no":"N1","out_trade_no":"T1"', 200 ],
              [ '"trade_no":"N1","out_trade_no":"T2"', 200 ],
              [ '"trade_no":"N2","out_trade_no":"T1"', 502 ])
{
    my ($content, $status) = @$case;
    $Peer->plan({ content => qq({"code":"10000",$content}) });
    my $res = ask({ %Query, biz_content => biz(out_trade_no => 'T1',
                                               trade_no => 'N1') });
    is($res->{status}, $status, "trade_no: $content");
    logged($status == 200 ? qr/^passed / : qr/^unverified account_mismatch /,
           "trade_no: $content: reason");
}

# certificate mode

for my $case (
    [ '/c/', {}, 'unknown_key', 'names no alipay_cert_sn' ],
    [ '/c/', { sn => 'alipay_next', key => 'alipay_next' }, 'unknown_key' ],
    [ '/c/', { sn => '0' x 32 }, 'unknown_key' ],
    [ '/c/', { sn => 'alipay', key => 'alipay_next' }, 'signature' ],
    [ '/b/', { sn => 'alipay', key => 'alipay_next' }, 'signature' ],
) {
    my ($uri, $plan, $reason, $hint) = @$case;
    my $what = "$uri " . $Json->encode($plan);
    $Peer->plan($plan);
    problem_ok(ask(\%Query, uri => $uri), 502, 'PROVIDER-UNVERIFIED', $what);
    logged(qr/^unverified $reason /, "$what: reason");
}

for my $case ([ '/b/', { sn => 'alipay_next', key => 'alipay_next' } ],
              [ '/b/', { sn => 'alipay' } ],
              [ '/k/', { key => 'alipay_next' } ], [ '/k/', {} ],
              [ '/c/', { content => '{"code":"40004","msg":"x"}' } ])
{
    my ($uri, $plan) = @$case;
    $Peer->plan($plan);
    is(ask(\%Query, uri => $uri)->{status}, 200,
       "$uri " . $Json->encode($plan) . ': passed');
}


# -- answers that only look odd --

for my $case (
    [ { slash => JSON::PP::true }, $Content, 'slashes escaped later' ],
    [ { content => $Content =~ s{/}{\\/}gr }, $Content =~ s{/}{\\/}gr,
      'slashes signed as escaped' ],
    [ { extra => JSON::PP::true }, $Content, 'what is not signed is left' ],
    [ { pad => 20 }, $Content, 'white space' ],
    [ { content => ' ' . $Content, }, $Content =~ s/^/ /r, undef ],
    [ { content => '"c2VhbGVk"' }, '"c2VhbGVk"', 'encrypted',
      encrypt_type => 'AES' ],
    [ { content => '{"code":"40004","sub_code":"ACQ.X"}' },
      '{"code":"40004","sub_code":"ACQ.X"}', 'a failure' ],
    [ { content => '{"a":"}\"sign\":\"x\\\\"}' },
      '{"a":"}\"sign\":\"x\\\\"}', 'braces and quotes' ],
) {
    my ($plan, $content, $what, %more) = @$case;
    next if !$what;
    $Peer->plan($plan);
    my $res = ask({ %Query, %more });
    like($res->{body}, qr/^\{"$Got":\Q$content\E,"sign":"[^"]+"\}$/, $what);
    unlike($res->{body}, qr/EXTRA/, "$what: nothing else");
}

# a backslash before one that is signed makes another text of the same bytes

$Peer->plan({ slash => 'more', content => $Content =~ s{/}{\\/}gr });
problem_ok(ask(\%Query), 502, 'PROVIDER-UNVERIFIED',
           'D3: slashes escaped once more');

{
    my $text = "\x{6d4b}\x{8bd5}\x{8aa0}";
    utf8::encode(my $utf8 = qq({"code":"20000","sub_msg":"$text"}));
    $Peer->plan(({ charset => 'gbk',
                   content => qq({"code":"20000","sub_msg":"$text"}) }) x 3);
    my $res = ask(\%Query);
    is($res->{body}, qq({"$Got":$utf8}), 'GBK: comes as UTF-8');
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
