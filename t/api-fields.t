# paygw_api: what a caller may say, and what is refused by the name of the
# field.  Nothing of it reaches a provider.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();

use PaygwApi;
use PaygwNginx;
use PaygwPeer ();

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my @Notify = (notify_url => 'https://pay.example.com/n');

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . $Peer->wechat($Url, @Notify) . $Peer->alipay($Url, @Notify),
    server => 'location /pay/ { paygw_api wxpay alipay;'
        . ' paygw_binding off; client_max_body_size 1m; paygw_body_max 4k; }');

my $Api = PaygwApi->new($Nginx, '/pay');
my $Json = JSON::PP->new->utf8->canonical;
my $Chars = JSON::PP->new;

# an order with one field as a text of JSON, or without it

sub text {
    my ($field, $value, %o) = @_;
    my %order = (order_id => '"T20250102_0001"', amount => 100,
                 currency => '"CNY"', subject => '"tea"', method => '"qr"',
                 channel => '"wxpay"', %o, $field => $value);
    return '{' . join(',', map { defined $order{$_} ? "\"$_\":$order{$_}"
                                                    : () }
                           sort keys %order) . '}';
}

sub nested { return ('[' x $_[0]) . (']' x $_[0]) }

my $Long = '"' . ('x' x 300) . '"';


# -- by field: texts of JSON, and the field that is refused --

my %Invalid = (
    order_id => [ qw(1 null true [] {} ""), '"a b"', '"a/b"', '"a|b"',
                  "\"a\\u00e9\"", '"' . ('x' x 65) . '"', '"T1"', $Long ],
    amount => [ '"100"', qw(null true 0 -1 -0 1.0 1.5 1e2 1E2 100e-2 0.0
                            1000000000000 99999999999999999999
                            18446744073709551717 [100] {}) ],
    currency => [ qw(156 null "cny" "CN" "CNYY" ""), '"C Y"' ],
    subject => [ qw(1 null [] ""), $Long,
                 '"a\\nb"', '"a\\u007fb"', '"' . ("\xe8\x8c\xb6" x 86) . '"' ],
    method => [ qw(1 null "" "QR" "micropay" ["qr"]), '"qr "' ],
    channel => [ qw(1 null "" "stripe" "WXPAY") ],
    payer => [ qw(1 null "x" []) ],
    return_url => [ qw(1 null "" "ftp://a/b" "shop/back" "https://"),
                    '"https://a/b c"', '"javascript:alert(1)"',
                    '"https://shop/' . ('x' x 1024) . '"' ],
    expires_in => [ '"60"', qw(null 0 59 -60 60.0 6e1 1296001 1e9) ],
    metadata => [ qw(1 null "x" []), '{"a":1}', '{"a":null}', '{"a":{}}',
                  '{"":"x"}', '{"a b":"x"}', "{\"a\":$Long}",
                  '{"' . ('x' x 41) . '":"x"}',
                  '{' . join(',', map { "\"k$_\":\"v\"" } 1 .. 17) . '}' ],
);

for my $field (sort keys %Invalid) {
    for my $value (@{ $Invalid{$field} }) {
        my $short = substr $value, 0, 30;
        $Api->problem($Api->post('/orders', text($field, $value)), 400,
                      'CLIENT-INVALID_FIELD', "$field: $short",
                      field => $field);
    }
}

for my $field (qw(order_id amount currency subject method)) {
    $Api->problem($Api->post('/orders', text($field, undef)), 400,
                  'CLIENT-MISSING_FIELD', "no $field", field => $field);
}

$Api->problem($Api->post('/orders', text(terminal => $_)), 400,
              'CLIENT-INVALID_FIELD', "terminal: $_", field => 'terminal')
    for qw(1 null "" {}), '"a b"', '"00000001"';

my %Payer = (
    id => [ qw(1 null ""), '"a b"', '"' . ('x' x 129) . '"' ],
    appid => [ qw(1 null ""), '"wxother"' ],
    ip => [ qw(1 null "" "x" "1.2.3" "256.1.1.1" "1.2.3.4:80" "fe80::%eth0") ],
    auth_code => [ qw(1 null "" "280000000000000001") ],
);

for my $field (sort keys %Payer) {
    for my $value (@{ $Payer{$field} }) {
        $Api->problem($Api->post('/orders',
                                 text(payer => "{\"$field\":$value}")), 400,
                      'CLIENT-INVALID_FIELD', "payer.$field: $value",
                      field => "payer.$field");
    }
}

# in one call each: a name that nobody knows, and one that is there twice

for my $name (qw(Amount amount_ total notify_url x)) {
    $Api->problem($Api->post('/orders', text($name, 1)), 400,
                  'CLIENT-UNKNOWN_FIELD', "unknown $name", field => $name);
}

$Api->problem($Api->post('/orders', text(payer => '{"openid":"x"}')), 400,
              'CLIENT-UNKNOWN_FIELD', 'unknown in payer',
              field => 'payer.openid');
$Api->problem($Api->post('/orders', text("a\\u000ab", 1)), 400,
              'CLIENT-UNKNOWN_FIELD', 'a name that cannot be told',
              field => '?');

my %Broken = (
    'duplicate key' => '{"amount":1,' . substr(text('x', undef), 1),
    'duplicate key, escaped' =>
        '{"\\u0061mount":1,' . substr(text('x', undef), 1),
    'duplicate key, nested' =>
        text(payer => '{"id":"a","id":"b"}'),
    'not JSON' => 'amount=1', 'cut' => '{"amount":1',
    'two values' => '{}{}', 'an array' => '[]', 'a number' => '1',
    'too deep' => text(metadata => '{"a":' . nested(40) . '}'),
    'no UTF-8' => text(subject => "\"\xff\xfe\""),
    'overlong UTF-8' => text(subject => "\"\xc0\xaf\""),
    'a surrogate' => text(subject => '"\\ud800"'),
    'a NUL' => text(subject => '"a\\u0000b"'),
    'a comment' => '{/* */}', 'NaN' => text(amount => 'NaN'),
    'a leading zero' => text(amount => '0100'),
    'a sign' => text(amount => '+100'),
    'hexadecimal' => text(amount => '0x64'),
);

for my $name (sort keys %Broken) {
    $Api->problem($Api->post('/orders', $Broken{$name}), 400,
                  'CLIENT-BAD_REQUEST', $name,
                  field => $name !~ /^duplicate/ ? undef
                           : $name =~ /nested/ ? 'id' : 'amount');
}

like($Api->post('/orders', '{"amount":1,x}')->{body},
     qr/"message":"invalid JSON behind byte 1[0-9]"/, 'where it is broken');
like($Api->post('/orders', '{"order_id":"T1","amount":1')->{body},
     qr/"message":"invalid JSON behind byte 27"/, 'where it is cut');
like($Api->post('/orders', $Broken{'duplicate key'})->{body},
     qr/"message":"amount: duplicate key"/, 'which key');

$Api->problem($Api->post('/orders', ''), 400, 'CLIENT-BAD_REQUEST',
              'no body');
$Api->problem($Api->post('/orders', text(subject => "\"\xef\xbb\xbftea\""),
                         heads => { 'Content-Type' => 'text/plain' }), 415,
              'CLIENT-UNSUPPORTED_MEDIA_TYPE', 'text/plain');
$Api->problem($Api->post('/orders', text('x', undef),
                         heads => { 'Content-Type' =>
                                        'application/jsonx' }), 415,
              'CLIENT-UNSUPPORTED_MEDIA_TYPE', 'another type');
$Api->problem($Api->post('/orders', text('subject', '"' . ('x' x 5000)
                                                    . '"')), 413,
              'CLIENT-TOO_LARGE', 'too large');


# -- what the channel cannot do --

$Api->problem($Api->post('/orders', text(currency => '"USD"')), 422,
              'CLIENT-UNSUPPORTED', 'currency', field => 'currency');

my %Wechat = (
    order_id => [ '"T1234"', '"' . ('x' x 33) . '"' ],
    subject => [ '"' . ('x' x 128) . '"' ],
    metadata => [ '{"a":"' . ('x' x 128) . '"}' ],
);

my %Alipay = (
    order_id => [ '"a-b"' ],
    amount => [ '10000000001' ],
    subject => [ '"a/b"', '"a=b"', '"a&b"' ],
    metadata => [ '{"a":"' . ('"' x 0) . ('\\"' x 200) . '"}' ],
);

for ([ wxpay => \%Wechat ], [ alipay => \%Alipay ]) {
    my ($channel, $table) = @$_;
    for my $field (sort keys %$table) {
        for my $value (@{ $table->{$field} }) {
            $Api->problem($Api->post('/orders',
                              text($field, $value,
                                   channel => "\"$channel\"")), 400,
                          'CLIENT-INVALID_FIELD',
                          "$channel $field: " . substr($value, 0, 30),
                          field => $field);
        }
    }
}

for ([ wxpay => 'jsapi', 'payer.id' ], [ wxpay => 'h5', 'payer.ip' ],
     [ alipay => 'jsapi', 'payer.id' ], [ alipay => 'wap', 'return_url' ],
     [ alipay => 'barcode', 'payer.auth_code' ])
{
    my ($channel, $method, $field) = @$_;
    $Api->problem($Api->post('/orders', text(method => "\"$method\"",
                                             channel => "\"$channel\"")),
                  400, 'CLIENT-MISSING_FIELD', "$channel $method",
                  field => $field);
}


# -- E17: a refund has an id of the caller's --

my $Refund = '{"refund_id":"R1","amount":1,"channel":"alipay"}';

for ([ '{"amount":1,"channel":"alipay"}', 'MISSING_FIELD', 'refund_id' ],
     [ '{"refund_id":"R1","channel":"alipay"}', 'MISSING_FIELD', 'amount' ],
     [ '{"refund_id":"","amount":1}', 'INVALID_FIELD', 'refund_id' ],
     [ '{"refund_id":1,"amount":1}', 'INVALID_FIELD', 'refund_id' ],
     [ '{"refund_id":"R1","amount":1.5}', 'INVALID_FIELD', 'amount' ],
     [ '{"refund_id":"R1","amount":-1}', 'INVALID_FIELD', 'amount' ],
     [ '{"refund_id":"R1","amount":1,"reason":""}', 'INVALID_FIELD',
       'reason' ],
     [ '{"refund_id":"R1","amount":1,"currency":"CNY"}', 'UNKNOWN_FIELD',
       'currency' ],
     [ '{"refund_id":"R1","amount":1,"channel":"wxpay","reason":"'
       . ('x' x 81) . '"}', 'INVALID_FIELD', 'reason' ])
{
    my ($body, $code, $field) = @$_;
    $Api->problem($Api->post('/orders/T20250102/refunds', $body), 400,
                  "CLIENT-$code", "E17: $body", field => $field);
}

$Api->problem($Api->post('/orders/T20250102/close', '{"x":1}'), 400,
              'CLIENT-UNKNOWN_FIELD', 'close', field => 'x');


# -- paths, methods, arguments --

for my $path ('', '/', '/order', '/orders/', '/orders/T1/x', '/orders/T1/',
              '/orders/T1/refunds/', '/orders/T1/refunds/R/x', '/bills',
              '/bills/wxpay', '/bills/wxpay/2025-01-02/x', '/orders/T1/close/',
              '/Orders')
{
    next if $path eq '';
    my $res = $Api->get($path);
    my $id = $path =~ m{^/orders/$|refunds/$};
    $Api->problem($res, $id ? (400, 'CLIENT-INVALID_FIELD')
                            : (404, 'CLIENT-NOT_FOUND'), "GET $path");
}

for ([ GET => '/orders' ], [ DELETE => '/orders/T20250102' ],
     [ PUT => '/orders/T20250102' ], [ GET => '/orders/T20250102/close' ],
     [ GET => '/orders/T20250102/refunds' ],
     [ POST => '/orders/T20250102/refunds/R1' ],
     [ POST => '/bills/wxpay/2025-01-02' ])
{
    $Api->problem($Api->call(@$_, ''), 405, 'CLIENT-BAD_METHOD', "@$_");
}

for ([ '/orders/T%2F1', 404 ], [ '/orders/T%201', 400 ],
     [ '/orders/T|1', 400 ], [ '/orders/' . ('x' x 65), 400 ],
     [ '/orders/T20250102/refunds/R%0a', 400 ])
{
    my ($path, $status) = @$_;
    $Api->problem($Api->get($path, channel => 'wxpay'), $status,
                  $status == 404 ? 'CLIENT-NOT_FOUND'
                                 : 'CLIENT-INVALID_FIELD', $path);
}

for my $args ('x=1', 'channel=wxpay&x=1', 'channel=', 'channel',
              'channel=wxpay&channel=alipay')
{
    $Api->problem($Api->call(GET => "/orders/T20250102?$args"), 400,
                  'CLIENT-UNKNOWN_FIELD', "?$args",
                  field => $args =~ /(x)=1/ ? $1
                           : $args eq 'channel' ? '?' : 'channel');
}

$Api->problem($Api->get('/orders/T20250102', channel => 'x'), 400,
              'CLIENT-INVALID_FIELD', 'another channel',
              field => 'channel');
$Api->problem($Api->get('/orders/T20250102'), 400, 'CLIENT-MISSING_FIELD',
              'no channel', field => 'channel');
$Api->problem($Api->call(POST => '/orders?channel=wxpay', text('x', undef)),
              400, 'CLIENT-UNKNOWN_FIELD', 'POST with arguments');
$Api->problem($Api->call(GET => '/orders/T20250102?channel=wxpay', '{}'),
              400, 'CLIENT-BAD_REQUEST', 'GET with a body');

for my $date (qw(2025-1-2 20250102 2025-02-30 2025-13-01 2099-01-01
                 2025-01-02T00:00 yesterday))
{
    $Api->problem($Api->get("/bills/wxpay/$date"), 400,
                  'CLIENT-INVALID_FIELD', "bill of $date", field => 'date');
}

is(scalar $Peer->requests, 0, 'nothing was sent');


# -- what is said is what is sent --

{
    my $text = text(subject => '"\\u8336 \\"x\\" \\\\ <&>"',
                    amount => '999999999999',
                    order_id => '"' . ('x' x 32) . '"',
                    metadata => '{"k":"v \\u00e9"}',
                    payer => '{"ip":"2001:db8::1"}');
    $Peer->plan({});
    $Api->ok($Api->post('/orders', $text), 'limits');
    my ($r) = $Peer->requests(1);
    is($r->{check}, 'ok', 'signed');
    my $sent = $Json->decode($r->{body});
    is_deeply($sent, { appid => 'wxd678efh567hg6787', mchid => '1900009191',
                       description => "\x{8336} \"x\" \\ <&>",
                       out_trade_no => 'x' x 32,
                       notify_url => 'https://pay.example.com/n',
                       attach => "{\"k\":\"v \x{e9}\"}",
                       amount => { total => 999999999999,
                                   currency => 'CNY' },
                       scene_info => { payer_client_ip => '2001:db8::1' } },
              'as it was said') or diag($r->{body});
    like($r->{body}, qr/"total":999999999999[,}]/, 'E14: an integer');
}

{
    my $text = text(subject => '"' . ("\xe8\x8c\xb6" x 85) . '"',
                    channel => '"alipay"', order_id => '"T2_x"',
                    amount => '10000000000', expires_in => 1296000,
                    metadata => '{"a":"1&2"}');
    $Peer->plan({});
    $Api->ok($Api->post('/orders', $text), 'alipay');
    my ($r) = $Peer->requests(1);
    is($r->{check}, 'ok', 'alipay: signed');
    my $biz = $Chars->decode($r->{params}{biz_content});
    is($biz->{total_amount}, '100000000.00', 'alipay: E14: no float');
    is($biz->{passback_params}, '%7B%22a%22%3A%221%262%22%7D',
       'alipay: metadata, encoded');
    like($biz->{time_expire}, qr/^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d$/,
         'alipay: time_expire');
    is($r->{params}{notify_url}, 'https://pay.example.com/n',
       'alipay: notify_url');
}

for ([ 1 => '0.01' ], [ 10 => '0.10' ], [ 100 => '1.00' ],
     [ 12345 => '123.45' ])
{
    $Peer->plan({});
    $Api->ok($Api->post('/orders', text(amount => $_->[0],
                                        channel => '"alipay"')),
             "amount $_->[0]");
    my ($r) = $Peer->requests(1);
    is($Chars->decode($r->{params}{biz_content})->{total_amount}, $_->[1],
       "amount $_->[0]: in yuan");
}

# -- nobody would hear of the payment: no order, whatever else goes --

{
    my $nginx = PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
            . join('', map { $Peer->$_($Url, -name => $_) }
                       qw(wechat wechat_v2_cert unionpay alipay)),
        server => join '', map { "location /$_/ { paygw_api $_; }" }
                  qw(wechat wechat_v2_cert unionpay alipay));
    my %o = (payer => { auth_code => '134567890123456789' },
             method => 'barcode');
    my $refund = { refund_id => 'R202501020001', amount => 1 };
    my $ref = '20250102030405';

    for my $case (
        [ 'wechat', {}, 0 ], [ 'wechat_v2_cert', {}, 0 ],
        [ 'wechat_v2_cert', \%o, 1 ], [ 'unionpay', {}, 0 ],
        [ 'alipay', {}, 1 ],
    ) {
        my ($name, $more, $asked) = @$case;
        my $api = PaygwApi->new($nginx, "/$name");
        my $what = join ' ', $name, 'unheard', $more->{method} // ();
        $Peer->plan(({ status => 500 }) x 9);
        my $res = $api->post('/orders', $api->order(%$more));
        is($Peer->requests > 0, $asked > 0, "$what: sent, or not");
        next if $asked;
        $api->problem($res, 422, 'CLIENT-UNSUPPORTED', $what,
                      field => 'notify_url');
        like($res->{json}{message}, qr/notify_url: is not set/,
             "$what: and why");
        $Peer->plan(({ status => 500 }) x 9);
        $api->get('/orders/T20250102?ref=' . $ref)
            if $name eq 'unionpay';
        $api->get('/orders/T20250102') if $name ne 'unionpay';
        cmp_ok(scalar $Peer->requests, '>', 0, "$what: may be asked");
        $Peer->plan(({ status => 500 }) x 9);
        $res = $api->post('/orders/T20250102/refunds',
                          $name eq 'unionpay' ? { %$refund, ref => $ref }
                                              : $refund);
        is($Peer->requests > 0, $name ne 'unionpay', "$what: a refund");
    }
    ok($nginx->quit, 'unheard: quits');
}

ok($Nginx->quit, 'quits');
like($Nginx->log, qr/order request rejected: CLIENT-INVALID_FIELD, amount/,
     'told in the log');
for my $line ('UNSUPPORTED_MEDIA_TYPE, ', 'BAD_METHOD, ', 'NOT_FOUND, ',
              'BAD_REQUEST, amount: duplicate key',
              'UNKNOWN_FIELD, payer.openid: is not known',
              'MISSING_FIELD, channel: ')
{
    like($Nginx->log, qr/ed: CLIENT-\Q$line\E.*(?<=\w) while reading ord/,
         "told in the log: $line");
}
unlike($Nginx->log, qr/rejected: \S+,? (?: |,|while)/, 'in whole words');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
