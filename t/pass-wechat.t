# paygw_pass to WeChat Pay APIv3: what is sent, and what comes back.

use strict;
use warnings;
use utf8;
use lib 't/lib';

use Test::More;
use JSON::PP ();

use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Port = $Peer->listen;
my $Create = '/v3/pay/transactions/native';
my $Type = { 'Content-Type' => 'application/json' };

sub http {
    my @more = @_;
    return "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    log_format k '\$paygw_result \$paygw_reason \$paygw_channel "
        . "\$paygw_provider \$paygw_key_id';\n"
        . "    proxy_set_header Cookie \$http_cookie;\n"
        . "    proxy_hide_header Wechatpay-Nonce;\n"
        . $Peer->wechat("http://127.0.0.1:$Port", @more);
}

sub start {
    my ($more, %o) = @_;
    return PaygwNginx->start(http => http(@{ $more || [] }), %o, server =>
        'access_log logs/k.log k;'
        . 'location /wx/ { paygw_pass wxpay; }'
        . 'location /v3/ { paygw_pass wxpay /v3/; }'
        . 'location = /native { paygw_pass wxpay ' . $Create . '; }'
        . 'location ~ ^/v3x?/pay2 { paygw_pass wxpay; }'
        . 'location /old/ { rewrite ^/old/(.*)$ /wx/v3/$1 last; }'
        . 'location /if/ { if ($arg_x) { set $y 1; } paygw_pass wxpay; }'
        . 'location /small/ { paygw_pass wxpay; paygw_body_max 1k; '
        . 'paygw_answer_max 100; }'
        . ($o{more} // ''));
}

# the line is written after the answer

sub logged {
    my ($nginx, $re, $what) = @_;
    my @lines;
    ok($nginx->wait_for(sub {
        open my $fh, '<', "$nginx->{dir}/logs/k.log" or return 0;
        @lines = <$fh>;
        return @lines && $lines[-1] =~ $re;
    }, 5), $what) or diag($lines[-1]);
}

sub sent {
    my ($what) = @_;
    my @got = $Peer->requests;
    is(scalar @got, 1, "$what: one request");
    is($got[0]{check}, 'ok', "$what: as the provider wants it");
    return $got[0];
}

my $Nginx = start();


# -- a call and its answer --

{
    my $body = '{"description":"Image形象店","amount":{"total":100}}';
    utf8::encode($body);

    $Peer->plan({});
    my $res = call($Nginx, POST => "/wx$Create?a=%7C&b=%2f", body => $body,
                   heads => { %$Type, Cookie => 'secret=1',
                              Authorization => 'Basic x', 'X-Key-Id' => 'k',
                              'Accept-Encoding' => 'gzip',
                              'Wechatpay-Nonce' => 'mine' });
    is($res->{status}, 200, 'call: status');
    is($res->{body}, '{"code_url":"weixin://MARK"}', 'call: body');
    is($res->{header}{'content-type'}, 'application/json', 'call: type');
    is($res->{header}{'x-paygw-verified'}, 'signature', 'call: verified');
    is($res->{header}{'request-id'}, undef, 'call: nothing unsigned');
    logged($Nginx, qr/^passed - wxpay wechat_v3 [0-9A-F]{6,}$/, 'call: log');

    my $r = sent('call');
    is($r->{target}, "$Create?a=%7C&b=%2f", 'call: target byte for byte');
    is($r->{body}, $body, 'call: E5: the raw body');
    is($r->{version}, 'HTTP/1.1', 'call: version');
    is(join(' ', sort map { lc $_->[0] } @{ $r->{heads} }),
       'accept authorization content-length content-type host user-agent '
       . 'wechatpay-serial', 'call: nothing of the caller goes with it');
    is($r->{head}{host}, "127.0.0.1:$Port", 'call: host');
    like($r->{head}{'wechatpay-serial'}, qr/^[0-9A-F]+$/, 'call: serial');
}

# a body whose length is not told has one for the provider

{
    my $s = PaygwTest::server_connect($Nginx->{port});
    $Peer->plan({});
    print $s "POST /wx$Create HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    $s->flush;
    is(PaygwTest::read_response({ sock => $s, buf => '' }, 0)->{status}, 200,
       'chunked: passed');
    my $r = sent('chunked');
    is($r->{head}{'content-length'}, 2, 'chunked: length');
    is($r->{head}{'transfer-encoding'}, undef, 'chunked: no coding');
}

for my $case (
    [ GET => "/wx/v3/pay/transactions/out-trade-no/T%7C1?mchid=1",
      '/v3/pay/transactions/out-trade-no/T%7C1?mchid=1' ],
    [ GET => '/v3/certificates2', '/v3/certificates2' ],
    [ POST => '/native', $Create ],
    [ GET => '/v3x/pay2/x', undef ],
    [ GET => '/v3/pay2/x?y', '/v3/pay2/x?y' ],
    [ GET => '/old/a%20b', '/v3/a%20b' ],
    [ GET => '/wx/v3/a/../b', '/v3/b' ],
    [ GET => '/wx//v3/b', '/v3/b' ],
    [ GET => '/%77x/v3/b%3F', '/v3/b%3F' ],
    [ GET => '/if/v3/b?x=1', '/v3/b?x=1' ],
    [ DELETE => '/wx/v3/b', '/v3/b' ],
    [ PUT => '/wx/v3/b', '/v3/b' ],
    [ PATCH => '/wx/v3/b', '/v3/b' ],
) {
    my ($method, $uri, $target) = @$case;
    $Peer->plan({ body => '{"data":"MARK"}' });
    my $res = call($Nginx, $method => $uri);
    if (!defined $target) {
        problem_ok($res, 400, 'CLIENT-BAD_REQUEST', "$uri: not of APIv3");
        is(scalar $Peer->requests, 0, "$uri: not sent");
        next;
    }
    is($res->{status}, 200, "$method $uri: passed") or diag($res->{body});
    my $r = sent("$method $uri");
    is("$r->{method} $r->{target}", "$method $target", "$uri: target");
}

# every statuses that may come signed

for my $case (
    [ 204, '', 204 ], [ 202, '{"a":1}', 202 ], [ 202, '', 202 ],
    [ 404, '{"code":"ORDER_NOT_EXIST","message":"x"}', 404 ],
    [ 400, '{"code":"PARAM_ERROR","message":"x","detail":{}}', 400 ],
    [ 500, '{"code":"SYSTEM_ERROR","message":"x"}', 500 ],
    [ 429, '{"code":"RATELIMIT_EXCEEDED","message":"x"}', 429 ],
    [ 200, '{"code":"X","message":"MARK"}', 502 ],
    [ 400, '{"code_url":"MARK"}', 502 ], [ 200, '', 502 ],
    [ 201, '{"a":"MARK"}', 502 ], [ 302, '{"a":"MARK"}', 502 ],
    [ 200, '{"a":1,"a":"MARK"}', 502 ], [ 200, 'MARK', 502 ],
) {
    my ($status, $body, $want) = @$case;
    $Peer->plan(({ status => $status, body => $body }) x 3);
    my $res = call($Nginx, GET => '/wx/v3/x');
    if ($want == 502) {
        problem_ok($res, 502, 'PROVIDER-UNVERIFIED', "$status $body");
        next;
    }
    is("$res->{status} $res->{body}", "$want $body",
       "status $status: $body");
}


# -- answers that are nobody's --

my @Bad = (
    [ { signature => 'bad' }, 'signature' ],
    [ { signature => 'none' }, 'signature',
      'hint: answer is not signed while' ],
    [ { signature => 'none', status => 401,
        body => '{"code":"SIGN_ERROR","message":"MARK"}' },
      'signature', 'hint: it refuses our signature, look at '
          . 'merchant_private_key, merchant_serial and mchid: answer is not '
          . 'signed, code SIGN_ERROR' ],
    [ { signature => 'none', status => 502, body => '<html>MARK' },
      'signature', 'status 502' ],
    [ { signature => 'empty' }, 'missing_header' ],
    [ { headers => { 'Wechatpay-Nonce' => undef } }, 'missing_header' ],
    [ { headers => { 'Wechatpay-Signature' => undef } }, 'missing_header' ],
    [ { headers => { 'Wechatpay-Signature' => '====' } }, 'signature' ],
    [ { twice => 'Wechatpay-Nonce' }, 'repeated_header' ],
    [ { twice => 'Wechatpay-Signature' }, 'repeated_header' ],
    [ { headers => { 'Wechatpay-Timestamp' => '1730000000abc' } },
      'malformed' ],
    [ { headers => { 'Wechatpay-Signature-Type' => 'MD5' } }, 'sign_type' ],
    [ { age => 400 }, 'clock', 'from the past' ],
    [ { age => -400 }, 'clock', 'from the future' ],
    [ { serial => 'ABCDEF' }, 'unknown_key', 'serial' ],
    [ { key => 'wx_b' }, 'unknown_key' ],
    [ { key => 'mch', serial => 'MINE' }, 'unknown_key' ],
    [ { gzip => JSON::PP::true }, 'signature' ],
    [ { body => '{"a":"MARK"', cut => 4 }, undef ],
);

for my $case (@Bad) {
    my ($plan, $reason, $hint) = @$case;
    next if !$reason;
    my $what = JSON::PP->new->canonical->encode($plan);
    my $at = length $Nginx->log;
    $Peer->plan($plan, {}, {});
    my $res = call($Nginx, POST => "/wx$Create", body => '{}');
    problem_ok($res, 502, 'PROVIDER-UNVERIFIED', $what);
    logged($Nginx, qr/^unverified $reason /, "$what: reason");
    is(scalar $Peer->requests, 1, "$what: not sent again");
    $hint = quotemeta($hint // '');
    like(substr($Nginx->log, $at),
         qr/\[error\] .*answer of the provider refused: $reason, .*$hint/,
         "$what: log");
    unlike(substr($Nginx->log, $at), qr/MARK/, "$what: nothing told");
}


# -- E19: probes --

for my $case (
    [ POST => $Create, 1 ], [ GET => '/v3/x', 1 ],
    [ POST => '/v3/refund/domestic/refunds', 1 ],
    [ POST => '/v3/pay/partner/transactions/jsapi', 1 ],
    [ POST => '/v3/pay/transactions/out-trade-no/T1/close', 1 ],
    [ POST => '/v3/pay/transactions/out-trade-no/T1/x/close', 0 ],
    [ POST => '/v3/transfer/bills', 0 ], [ DELETE => $Create, 0 ],
) {
    my ($method, $path, $again) = @$case;
    my $what = "E19: $method $path";
    $Peer->plan({ signature => 'probe' }, {});
    my $res = call($Nginx, $method => "/wx$path", body => '{"a":1}');
    my @got = $Peer->requests;

    if (!$again) {
        problem_ok($res, 502, 'PROVIDER-UNVERIFIED', $what);
        is(scalar @got, 1, "$what: is not sent again");
        next;
    }

    is($res->{status}, 200, "$what: sent again");
    is(join(' ', map { $_->{check} } @got), 'ok ok', "$what: twice");
    is($got[0]{body}, $got[1]{body}, "$what: the same order");
    isnt($got[0]{nonce}, $got[1]{nonce}, "$what: signed anew");
    logged($Nginx, qr/^passed - /, "$what: log");
}

{
    $Peer->plan(({ signature => 'probe' }) x 3, {});
    my $res = call($Nginx, POST => "/wx$Create", body => '{}');
    problem_ok($res, 502, 'PROVIDER-UNVERIFIED', 'E19: but once');
    is(scalar $Peer->requests, 2, 'E19: two requests in all');
    logged($Nginx, qr/^unverified probe /, 'E19: counted apart');
}


# -- files --

{
    my $file = "\xEF\xBB\xBFMARK\r\n`1";
    utf8::decode(my $text = $file);

    for my $path ('/v3/billdownload/file', '/v3/statements',
                  '/v3/transferdownload/elecvoucherfile',
                  '/v3/transferdownload/signfile',
                  '/v3/new-tax-control-fapiao/download',
                  '/v3/merchant-service/images/Zm9v')
    {
        $Peer->plan({ signature => 'none', body => $text });
        my $res = call($Nginx, GET => "/wx$path?token=x");
        is($res->{status}, 200, "$path: passed");
        is($res->{body}, $file, "$path: as it is");
        is($res->{header}{'x-paygw-verified'}, 'none', "$path: unsigned");
        is($res->{header}{'content-type'}, 'application/octet-stream',
           "$path: no type of the provider's");

        $Peer->plan({ body => '{"a":"b"}', signature => 'bad' });
        problem_ok(call($Nginx, GET => "/wx$path"), 502,
                   'PROVIDER-UNVERIFIED', "$path: a signature counts");
    }

    for my $uri ("/wx/v3/billdownload/file/../../pay/x",
                 '/wx/v3/billdownload/file/x', '/wx/v3/billdownload%2ffilex',
                 '/wx/v3/statements%00', '/wx/v3/billdownload/fil',
                 '/wx/v3/merchant-service/images/upload',
                 '/wx/v3/merchant-service/images/',
                 '/wx/v3/merchant-service/images/a/b')
    {
        $Peer->plan({ signature => 'none' });
        my $res = call($Nginx, GET => $uri);
        isnt($res->{status}, 200, "$uri: no file");
        unlike($res->{body}, qr/MARK/, "$uri: nothing told");
    }

    $Peer->plan({ signature => 'none' });
    problem_ok(call($Nginx, POST => '/wx/v3/billdownload/file'), 502,
               'PROVIDER-UNVERIFIED', 'file: only to read');
}


# of one of all currencies the hash is signed

{
    my $uri = '/wx/v3/global/statements?date=2025-01-02&statement_type=ALL';
    my $file = "a,b\r\n`1,`2\r\nMARK";
    my %good = (body => $file, statement => $file);
    $Peer->plan({ %good });
    my $res = call($Nginx, GET => $uri);
    is($res->{status}, 200, 'statement: passed');
    is($res->{body}, $file, 'statement: as it is');
    is($res->{header}{'content-type'}, 'application/octet-stream',
       'statement: a file');
    is($res->{header}{'x-paygw-verified'}, 'signature',
       'statement: signed, as others are');

    for my $case (
        [ 'another file', { body => "$file." } ],
        [ 'cut', { body => substr($file, 0, -1) } ],
        [ 'empty', { body => '' } ],
        [ 'another hash', { statement => "$file." } ],
        [ 'nobody has signed', { signature => 'bad' } ],
        [ 'no signature', { signature => 'none' } ],
        [ 'another status', { status => 201 } ],
        [ 'an old one', { age => 3600 } ],
    ) {
        my ($what, $more) = @$case;
        $Peer->plan({ %good, %$more });
        $res = call($Nginx, GET => $uri);
        problem_ok($res, 502, 'PROVIDER-UNVERIFIED', "statement: $what");
        unlike($res->{body}, qr/MARK/, "statement: $what: nothing of it");
    }

    # the field means nothing anywhere else

    $Peer->plan({ %good });
    problem_ok(call($Nginx, GET => '/wx/v3/pay/x'), 502,
               'PROVIDER-UNVERIFIED', 'statement: of another path');
    $Peer->plan({ %good });
    problem_ok(call($Nginx, POST => '/wx/v3/global/statements', body => '{}'),
               502, 'PROVIDER-UNVERIFIED', 'statement: only to read');
    $Peer->plan({ status => 400, body => '{"code":"X","message":"y"}' });
    is(call($Nginx, GET => $uri)->{status}, 400, 'statement: an error');
}


# -- calls that are not sent --

for my $case (
    [ 'HEAD', '/wx/v3/x', 405, undef, {} ],
    [ 'OPTIONS', '/wx/v3/x', 405, 'CLIENT-BAD_METHOD', {} ],
    [ 'GET', '/wx/v2/x', 400, 'CLIENT-BAD_REQUEST', {} ],
    [ 'GET', '/wx/', 400, 'CLIENT-BAD_REQUEST', {} ],
    [ 'POST', '/small/v3/x', 413, 'CLIENT-TOO_LARGE',
      { body => 'x' x 1025 } ],
    [ 'POST', '/wx/v3/merchant/media/uploads', 415,
      'CLIENT-UNSUPPORTED_MEDIA_TYPE',
      { body => 'x', heads => { 'Content-Type' => 'multipart/form-data; '
                                . 'boundary=x' } } ],
    [ 'GET', '/wx/v3/x', 400, 'CLIENT-BAD_REQUEST',
      { heads => { 'Wechatpay-Serial' => 'NOT-OURS' } } ],
) {
    my ($method, $uri, $status, $code, $o) = @$case;
    $Peer->plan({});
    my $res = $method eq 'HEAD' ? { status => 405 }
              : call($Nginx, $method => $uri, %$o);
    is($res->{status}, $status, "$method $uri: $status");
    problem_ok($res, $status, $code, "$method $uri") if $code;
    is(scalar $Peer->requests, 0, "$method $uri: not sent");
}


# -- which key the answer is asked from --

{
    $Peer->plan({});
    my $serial = (call($Nginx, GET => '/wx/v3/x'), $Peer->requests)[1]
                 {head}{'wechatpay-serial'};
    $Peer->plan({});
    is(call($Nginx, GET => '/wx/v3/x',
            heads => { 'Wechatpay-Serial' => $serial })->{status}, 200,
       'serial: of the caller');
    is(sent('serial')->{head}{'wechatpay-serial'}, $serial,
       'serial: sent on');

    my $pub = 'PUB_KEY_ID_0119000091912024';
    my $both = start([ platform_public_key =>
                           "$pub $Peer->{keys}/wx_pub.pem" ]);
    for my $key ('wx_pub', 'wx_a') {
        $Peer->plan({ key => $key });
        is(call($both, GET => '/wx/v3/x')->{status}, 200,
           "both: an answer signed by $key");
        is(sent('both')->{head}{'wechatpay-serial'}, $pub,
           'both: the public key is asked for');
    }
    ok($both->quit, 'both: quits');
}


# -- large answers, and too large ones --

{
    my $big = '{"a":"' . 'x' x 300_000 . '"}';
    $Peer->plan({ body => $big });
    my $res = call($Nginx, GET => '/wx/v3/x');
    is($res->{body}, $big, 'big: passed');

    for my $manner ({}, { chunked => 50 }) {
        $Peer->plan({ body => '{"a":"MARK' . 'x' x 5000 . '"}', %$manner });
        my $res = call($Nginx, GET => '/small/v3/x');
        problem_ok($res, 502, 'PROVIDER-UNVERIFIED', 'too big');
    }
}

like($Nginx->log, qr/answer is too long/, 'too big: log');
ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
