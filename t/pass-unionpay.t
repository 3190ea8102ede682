# paygw_pass to UnionPay's gateway: what is sent, and what comes back.

use strict;
use warnings;
use utf8;
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
my $Port = $Peer->listen;
my $Url = "http://127.0.0.1:$Port";
my $Keys = $Peer->{keys};
my $Tmp = File::Temp::tempdir('paygw-up-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $Type = { 'Content-Type' => 'application/x-www-form-urlencoded' };
my $Api = '/gateway/api';
my $MerId = '777290058110097';
my %Order = (orderId => '20250102030405001', txnTime => '20250102030405',
             txnType => '00');

sub conf {
    my ($http, $server) = @_;
    return PaygwNginx->test(http => "    paygw_zone paygw:1m;\n$http",
        server => $server // 'location /u/ { paygw_pass unionpay; }');
}

sub form {
    my %p = @_;
    return join '&', map { my $v = Encode::encode('UTF-8', $p{$_});
                           $v =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1
                                  /gex;
                           "$_=$v" } sort keys %p;
}

sub post {
    my ($nginx, $uri, $body, %o) = @_;
    return call($nginx, POST => $uri, heads => $Type,
                body => ref $body ? form(%$body) : $body, %o);
}

sub ask { return post($_[0], "/$_[1]$Api/queryTrans.do", { %Order }) }

sub sent {
    my ($what) = @_;
    my @got = $Peer->requests;
    is(scalar @got, 1, "$what: one request");
    is($got[0]{check}, 'ok', "$what: as the provider wants it");
    return $got[0];
}

sub logged {
    my ($nginx, $re, $what) = @_;
    my @lines;
    ok($nginx->wait_for(sub {
        open my $fh, '<', "$nginx->{dir}/logs/k.log" or return 0;
        @lines = <$fh>;
        return @lines && $lines[-1] =~ $re;
    }, 5), $what) or diag($lines[-1]);
}

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    log_format k '\$paygw_result \$paygw_reason \$paygw_channel "
        . "\$paygw_provider \$paygw_key_id';\n"
        . $Peer->unionpay($Url)
        . $Peer->unionpay_secret($Url, '11', -name => 'sha')
        . $Peer->unionpay_secret($Url, '12', -name => 'sm')
        . $Peer->unionpay("$Url/", -name => 'slash'),
    server => 'access_log logs/k.log k;'
        . join '', map { "location /$_/ { paygw_pass $_; }" }
          qw(unionpay sha sm slash));


# -- a call and its answer --

{
    $Peer->plan({});
    my $res = post($Nginx, "/unionpay$Api/queryTrans.do",
                   { %Order, reqReserved => '+&=%支', riskRateInfo => '',
                     merId => $MerId, version => '5.1.0',
                     signature => 'MINE', certId => '1',
                     signPubKeyCert => 'x' },
                   heads => { %$Type, Cookie => 'secret=1' });
    is($res->{status}, 200, 'call: status') or diag($res->{body});
    is($res->{header}{'content-type'}, 'text/plain; charset=UTF-8',
       'call: type');
    is($res->{header}{'x-paygw-verified'}, 'signature', 'call: verified');
    my $text = Encode::decode('UTF-8', $res->{body});
    like($text, qr/&respMsg=成功\[0000000\]&/, 'call: text');
    like($text, qr/&tn=MARK&txnTime=$Order{txnTime}&/, 'call: tn');
    like($text, qr/^cardTransData=\[x&y=z\]&encoding=/, 'call: sorted');
    like($text, qr/CERTIFICATE-----\r\nMII/, 'call: line ends');
    logged($Nginx, qr/^passed - unionpay unionpay [0-9A-F]+$/, 'call: log');

    # E9: 5.1.0 is RSA over the hash in hexadecimal, in a form

    my $r = sent('E9: call');
    is("$r->{method} $r->{target}", "POST $Api/queryTrans.do",
       'call: target');
    my %p = %{ $r->{params} };
    is(decode_base64(delete $p{signature}) ne '', 1, 'call: signature');
    is(Encode::decode('UTF-8', Encode::encode('latin-1', $p{reqReserved})),
       '+&=%支', 'call: bytes of a value');
    delete $p{reqReserved};
    like(delete $p{certId}, qr/^[1-9]\d+$/, 'E9: certId is decimal');
    is_deeply(\%p, { %Order, merId => $MerId, encoding => 'UTF-8',
                     signMethod => '01', version => '5.1.0' },
              'call: what was said, and who we are');
    is(join(' ', sort map { lc $_->[0] } @{ $r->{heads} }),
       'content-length content-type host user-agent',
       'call: nothing of the caller goes with it');
    is($r->{head}{'content-type'},
       'application/x-www-form-urlencoded;charset=UTF-8', 'call: charset');
}

for my $case ([ 'sha', '11', 64 ], [ 'sm', '12', 64 ]) {
    my ($name, $method, $len) = @$case;
    $Peer->plan({});
    my $res = ask($Nginx, $name);
    is($res->{status}, 200, "$method: passed") or diag($Nginx->log);
    like($res->{body}, qr/&signature=[0-9a-f]{64}$/, "$method: answer");
    my $r = sent($method);
    is($r->{params}{signMethod}, $method, "$method: is told");
    is($r->{params}{certId}, undef, "$method: no certId");
}

# text in GBK is signed as it is sent, and told as it comes

{
    my $gbk = Encode::encode('GBK', '测试');
    (my $hex = $gbk) =~ s/(.)/sprintf '%%%02X', ord $1/gse;
    $Peer->plan({ fields => { encoding => 'GBK' } });
    my $res = post($Nginx, "/unionpay$Api/queryTrans.do",
                   form(%Order, encoding => 'GBK') . "&reqReserved=$hex");
    is($res->{header}{'content-type'}, 'text/plain; charset=GBK',
       'GBK: type');
    like($res->{body}, qr/respMsg=\xb3\xc9\xb9\xa6\[/, 'GBK: bytes');
    my $r = sent('GBK');
    is(Encode::encode('latin-1', $r->{params}{reqReserved}), $gbk,
       'GBK: sent');
    like($r->{head}{'content-type'}, qr/charset=GBK$/, 'GBK: charset');

    $Peer->plan({});
    post($Nginx, "/unionpay$Api/queryTrans.do",
         { %Order, encoding => 'utf-8' });
    is(sent('utf-8')->{params}{encoding}, 'utf-8', 'encoding: as spelled');
}

# what the gateway may do with an answer

for my $plan ({ braces => JSON::PP::true }, { drop_empty => JSON::PP::true },
              { chunked => 100 }, { cert => 'up_next', key => 'up_next' },
              { fields => { signMethod => '01', respCode => '12' } },
              { fields => { respCode => '10', txnType => undef,
                            orderId => undef, txnTime => undef } })
{
    my $what = JSON::PP->new->canonical->encode($plan);
    $Peer->plan($plan);
    my $res = ask($Nginx, 'unionpay');
    is($res->{status}, 200, "$what: passed") or diag($Nginx->log);
    if ($plan->{drop_empty}) {
        unlike($res->{body}, qr/issAddnData/, 'nothing unsigned');
    } else {
        like($res->{body}, qr/issAddnData=&/, "$what: all that is signed");
    }
}


# -- a page for the payer's browser: nothing is sent --

for my $case ([ 'unionpay', 'UTF-8', '测试' ], [ 'slash', 'GBK', 'x' ],
              [ 'sha', 'utf-8', 'x' ])
{
    my ($name, $encoding, $more) = @$case;
    my $evil = "\"><script>alert('1')</script>&lt;$more";
    $Peer->plan({});
    my $res = post($Nginx, "/$name$Api/frontTransReq.do",
                   { %Order, riskRateInfo => $evil, encoding => $encoding,
                     frontUrl => 'https://shop.example.com/?a=1&b=2' });
    is($res->{status}, 200, "page: $name: status");
    is($res->{header}{'content-type'},
       'text/html; charset=' . uc $encoding, "page: $name: type");
    is($res->{header}{'x-paygw-verified'}, undef, "page: no answer");
    is(scalar $Peer->requests, 0, "page: $name: nothing is sent");

    my $html = Encode::decode('UTF-8', $res->{body});
    like($html, qr{action="\Q$Url$Api\E/frontTransReq\.do">}, 'page: action');
    is(() = $html =~ /<script>/g, 1, 'page: one script, ours');
    my %p = $html =~ /<input type="hidden" name="(\w+)" value="([^"<>]*)">/g;
    s/&lt;/</g, s/&gt;/>/g, s/&quot;/"/g, s/&#39;/'/g, s/&amp;/&/g
        for values %p;
    is($p{riskRateInfo}, $evil, 'page: a value');
    is($p{frontUrl}, 'https://shop.example.com/?a=1&b=2', 'page: a URL');

    # the browser posts it: the provider itself looks at it

    $Peer->plan({});
    my $s = PaygwTest::server_connect($Port);
    my $body = form(%p);
    print $s "POST $Api/frontTransReq.do HTTP/1.1\r\nContent-Type: "
        . "application/x-www-form-urlencoded;charset=UTF-8\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
    $s->flush;
    PaygwTest::read_response({ sock => $s, buf => '' }, 0);
    sent("page: $name");
}


# -- files come signed as any other answer --

{
    my $content = 'eJzb9OjUlW1Xrp4+d2TPP4WczLxUQ14uEGXEywUA8e0Nqg==';
    my %ask = (txnType => '76', txnSubType => '01', fileType => '00',
               txnTime => '20250103100000', settleDate => '0102');
    my $big = 'A' x 300_000;

    for my $file ($content, $big) {
        $Peer->plan({ fields => { fileContent => $file,
                                  fileName => 'x.zip' } });
        my $res = post($Nginx, '/unionpay/', \%ask);
        is($res->{status}, 200, 'file: passed') or diag($Nginx->log);
        like($res->{body}, qr/&fileContent=\Q$file\E&fileName=x\.zip&/,
             'file: content');
        is(sent('file')->{target}, '/', 'file: target');
    }

    $Peer->plan({ fields => { fileContent => $content },
                  change => { fileContent => "MARK$content" } });
    problem_ok(post($Nginx, '/unionpay/', \%ask), 502,
               'PROVIDER-UNVERIFIED', 'file: another content');
}


# -- calls that are not sent --

for my $case (
    [ { %Order, merId => '1' }, qr/^merId is not that of the channel/ ],
    [ { %Order, signMethod => '11' }, qr/^signMethod is not that/ ],
    [ { %Order, version => '5.0.0' }, qr/^version is not that/ ],
    [ { %Order, encoding => 'BIG5' }, qr/^encoding must be UTF-8 or GBK/ ],
    [ { %Order, orderId => '' }, qr/^orderId or txnTime is missing/ ],
    [ { orderId => 1 }, qr/^orderId or txnTime is missing/ ],
    [ '', qr/^empty body/ ], [ 'a', qr/^field without/ ],
    [ 'a=1&a=2', qr/^duplicate field/ ], [ 'a=%0', qr/^broken percent/ ],
    [ { %Order, 'a b' => 1 }, qr/^a field's name must be letters/ ],
    [ { %Order, 'a%3D' => 1 }, qr/^a field's name must be letters/ ],
    [ { %Order, map { ("a$_" => 1) } 1 .. 124 }, qr/^too many fields/ ],
    [ { map { ("a$_" => 1) } 1 .. 129 }, qr/^too many fields/ ],
    [ { %Order }, qr/^the path must be/, '/queryTrans.do?a=1' ],
    [ { %Order }, qr/^the path must be/, '/' ],
    [ { %Order }, qr/^the path must be/, '/a/b.do' ],
    [ { %Order }, qr/^the path must be/, '/query%20Trans.do' ],
    [ { %Order }, qr/^the path must be/, '/../other' ],
    [ { settleDate => '0102' }, qr/^txnTime is missing/, '/../../' ],
) {
    my ($body, $re, $path) = @$case;
    $Peer->plan({});
    my $res = post($Nginx, "/unionpay$Api" . ($path // '/queryTrans.do'),
                   $body);
    problem_ok($res, 400, 'CLIENT-BAD_REQUEST', "$re", message => $re);
    is(scalar $Peer->requests, 0, "$re: not sent");
}

for my $case ([ 'sha', signMethod => '01' ], [ 'sm', signMethod => '11' ]) {
    my ($name, %p) = @$case;
    problem_ok(post($Nginx, "/$name$Api/queryTrans.do", { %Order, %p }), 400,
               'CLIENT-BAD_REQUEST', "$name: another signMethod");
}

problem_ok(call($Nginx, GET => "/unionpay$Api/queryTrans.do"), 405,
           'CLIENT-BAD_METHOD', 'GET');
for my $heads ({}, { 'Content-Type' => 'application/json' },
               { 'Content-Type' => 'application/x-www-form-urlencodedx' })
{
    problem_ok(post($Nginx, "/unionpay$Api/queryTrans.do", { %Order },
                    heads => $heads), 415, 'CLIENT-UNSUPPORTED_MEDIA_TYPE',
               'no form');
}
is(scalar $Peer->requests, 0, 'not sent');


# -- answers that are nobody's --

sub raw { return { raw => encode_base64("HTTP/1.1 200 OK\r\nConnection: "
                   . "close\r\nContent-Length: " . length($_[0])
                   . "\r\n\r\n$_[0]", '') } }

my @Bad = (
    [ { signature => 'bad' }, 'signature', 'string to sign: ' ],
    [ { signature => 'none' }, 'signature',
      'hint: answer is not signed, code 00 while' ],
    [ { signature => 'empty' }, 'signature', 'answer is not signed' ],
    [ { change => { signature => '=' } }, 'signature', 'is not base64' ],
    [ { sign_as => 'text' }, 'signature' ],
    [ { sign_as => 'upper' }, 'signature' ],
    [ { lf => JSON::PP::true }, 'signature',
      'signPubKeyCert has lost its CR LF line ends' ],
    [ { key => 'rogue' }, 'signature' ],
    [ { key => 'mch', cert => 'mch' }, 'unknown_key' ],
    [ { key => 'rogue', cert => 'rogue' }, 'unknown_key' ],
    [ { key => 'up_middle', cert => 'up_middle' }, 'unknown_key' ],
    [ { fields => { signPubKeyCert => undef } }, 'unknown_key',
      'no signPubKeyCert' ],
    [ { change => { signPubKeyCert => 'x' } }, 'unknown_key',
      'signPubKeyCert is not one certificate in PEM' ],
    [ { fields => { version => '5.0.0' } }, 'sign_type',
      'only version 5.1.0 is accepted' ],
    [ { fields => { version => undef } }, 'sign_type' ],
    [ { method => '11' }, 'sign_type',
      'signMethod is not the configured one' ],
    [ { change => { signMethod => '11' } }, 'sign_type' ],
    [ { change => { txnAmt => '1' } }, 'signature' ],
    [ { change => { queryId => '1' } }, 'signature' ],
    [ { change => { tn => undef } }, 'signature' ],
    [ { fields => { merId => '1' } }, 'account_mismatch',
      'answer is for another merId' ],
    [ { fields => { merId => undef } }, 'account_mismatch' ],
    [ { fields => { orderId => '2' } }, 'account_mismatch',
      'answer is about another orderId' ],
    [ { fields => { txnTime => '20250102030406' } }, 'account_mismatch',
      'answer is about another txnTime' ],
    [ { fields => { txnType => '01' } }, 'account_mismatch',
      'answer is about another txnType' ],
    [ { fields => { respCode => undef } }, 'malformed',
      'answer has no respCode' ],
    [ { fields => { reserved => '{a&origRespCode=00}' } }, 'malformed',
      'the value of "reserved" hides another field' ],
    [ { fields => { queryId => '{1&x=2}' } }, 'malformed',
      'the value of "queryId" hides another field' ],
    [ { fields => { 'a b' => 'MARK' } }, 'malformed', 'invalid field name' ],
    [ raw('<html>MARK</html>'), 'malformed' ],
    [ raw('respCode=00&tn=MARK'), 'signature',
      'hint: answer is not signed, code 00' ],
    [ raw('respCode=11'), 'signature', 'it refuses our signature, look at '
      . 'signMethod, its key and merId: answer is not signed, code 11' ],
    [ raw('respCode=A B&tn=MARK'), 'signature',
      'hint: answer is not signed while' ],
    [ raw('tn=MARK&tn=MARK'), 'duplicate_field' ],
    [ raw('{tn=MARK'), 'malformed' ], [ raw('=MARK'), 'malformed' ],
    [ raw(''), 'malformed', 'empty body' ],
    [ raw("tn=MARK\0"), 'malformed', 'NUL in a field' ],
    [ { gzip => JSON::PP::true }, 'malformed', 'answer is compressed' ],
    [ { status => 500 }, 'signature',
      'hint: trouble there, or of something before it: answer' ],
    [ { status => 302 }, 'signature' ],
);

for my $case (@Bad) {
    my ($plan, $reason, $hint) = @$case;
    my $what = JSON::PP->new->canonical->ascii->encode($plan);
    my $at = length $Nginx->log;
    $Peer->plan($plan, {}, {});
    my $res = ask($Nginx, 'unionpay');
    problem_ok($res, 502, 'PROVIDER-UNVERIFIED', $what);
    logged($Nginx, qr/^unverified $reason /, "$what: reason");
    is(scalar $Peer->requests, 1, "$what: not sent again");
    $hint = quotemeta($hint // '');
    my $log = substr $Nginx->log, $at;
    like($log, qr/answer of the provider refused: $reason, .*$hint/,
         "$what: log") or diag($log);
    unlike($log, qr/MARK/, "$what: nothing told");
}

for my $name (qw(sha sm)) {
    for my $plan ({ signature => 'bad' }, { secret => 'up_secure_next' },
                  { method => '01' }, { method => $name eq 'sm' ? '11' : '12' },
                  { change => { tn => 'MARK2' } })
    {
        $Peer->plan($plan);
        problem_ok(ask($Nginx, $name), 502, 'PROVIDER-UNVERIFIED',
                   "$name " . JSON::PP->new->encode($plan));
    }
}


# -- what is sent again: when a kept connection is closed --

for my $case ([ 'queryTrans.do', 1 ], [ 'backTransReq.do', 1 ],
              [ 'appTransReq.do', 1 ], [ 'cardTransReq.do', 0 ],
              [ 'batchTrans.do', 0 ])
{
    my ($path, $again) = @$case;
    $Peer->plan({}, { drop => 1 }, {});
    ask($Nginx, 'unionpay');
    my $res = post($Nginx, "/unionpay$Api/$path", { %Order });
    my @got = $Peer->requests;
    is(scalar @got, 2 + $again, "E15: $path: requests");
    is($res->{status}, $again ? 200 : 504, "E15: $path: status");
    is($got[2]{check}, 'ok', "E15: $path: signed again") if $again;
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');


# -- nginx -t --

sub make {
    system("cd '$Tmp' && (@_) > /dev/null 2> log") == 0
        or die join ' ', @_, `cat $Tmp/log`;
}

make("cp $Keys/mch.key open.key; chmod 644 open.key;"
     . " openssl req -x509 -newkey rsa:2048 -nodes -keyout a.key -out a.crt"
     . ' -days 30 -subj /CN=a; chmod 600 a.key');

for my $case (
    [ $Peer->unionpay($Url), qr/test is successful/ ],
    [ $Peer->unionpay("$Url/"), qr/test is successful/ ],
    [ $Peer->unionpay_secret($Url, '11'), qr/test is successful/ ],
    [ $Peer->unionpay_secret($Url, '12'), qr/test is successful/ ],
    [ $Peer->unionpay($Url, merchant_private_key => undef,
                      merchant_certificate => undef),
      qr/"paygw_pass" in \S+:\d+ needs "merchant_private_key" in chann/ ],
    [ $Peer->unionpay($Url, merchant_private_key => undef),
      qr/no "merchant_private_key" is defined for channel "unionpay"/ ],
    [ $Peer->unionpay($Url, merchant_certificate => undef),
      qr/no "merchant_certificate" is defined for channel "unionpay"/ ],
    [ $Peer->unionpay($Url, merchant_private_key => "$Tmp/a.key"),
      qr/"merchant_certificate" does not match "merchant_private_key" of/ ],
    [ $Peer->unionpay($Url, merchant_certificate => "$Tmp/a.crt"),
      qr/"merchant_certificate" does not match "merchant_private_key" of/ ],
    [ $Peer->unionpay($Url, merchant_private_key => "$Tmp/open.key"),
      qr/open\.key" .*(?:readable|everyone)/ ],
    [ $Peer->unionpay($Url, merchant_private_key => "$Keys/ec.key",
                      merchant_certificate => "$Keys/ec.crt"),
      qr/"merchant_private_key" of .* cannot sign, an RSA key is needed/ ],
    [ $Peer->unionpay_secret($Url, '11',
                             merchant_private_key => "$Keys/mch.key"),
      qr/"merchant_private_key" of .* is not used by its "signMethod" 11/ ],
    [ $Peer->unionpay_secret($Url, '12',
                             merchant_certificate => "$Keys/mch.crt"),
      qr/"merchant_certificate" of .* is not used by its "signMethod" 12/ ],
    [ $Peer->unionpay(undef), qr/needs "endpoint" in channel "unionpay"/ ],
    [ $Peer->unionpay("$Url/gateway"), qr/must have no path/ ],
) {
    my ($http, $re) = @$case;
    like(conf($http), $re, "nginx -t: $re");
}

done_testing();
