# paygw_api: an answer with one byte changed, at every position: the caller
# never sees anything of a provider but what was signed.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();

use PaygwNginx;
use PaygwPeer ();

my $Peer = PaygwPeer->start;
my $Step = $ENV{TEST_NGINX_USE_VALGRIND} ? 11 : 1;
my $Url = 'http://127.0.0.1:' . $Peer->listen;

# a second answer, which is genuine, would be seen with good reason

my @Once = (paygw_retry => 'off');

my $Nginx = PaygwNginx->start(
    level => 'error',
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    keepalive_requests 100000;\n"
        . $Peer->wechat($Url, notify_url => 'https://pay.example.com/n',
                         @Once)
        . $Peer->alipay($Url, @Once)
        . $Peer->alipay_cert($Url, -name => 'cert', @Once),
    server => 'location /wx/ { paygw_api wxpay; }'
        . 'location /ali/ { paygw_api alipay; }'
        . 'location /cert/ { paygw_api cert; }');

my $Order = '{"order_id":"T20250102_0001","amount":100,"currency":"CNY",'
    . '"subject":"tea","method":"qr"}';
my %Create = (method => 'POST', body => $Order,
              heads => { 'Content-Type' => 'application/json' },
              mask => ',"request_id":"[0-9a-f]{32}"');

my $Trade = '{"code":"10000","msg":"Success","out_trade_no":'
    . '"T20250102_0001","qr_code":"https://qr.example/MARK"}';

my @Cases = (
    [ 'wechat', { %Create, target => '/wx/orders', answer => {} } ],
    [ 'wechat error', { %Create, target => '/wx/orders', answer =>
                            { status => 403, body => '{"code":'
                              . '"OUT_TRADE_NO_USED","message":"MARK"}' } } ],
    [ 'alipay', { %Create, target => '/ali/orders', answer =>
                      { content => $Trade } } ],
    [ 'alipay certificate', { %Create, target => '/cert/orders', answer =>
                                  { content => $Trade, sn => 'alipay' } } ],
);

for my $case (@Cases) {
    my ($name, $c) = @$case;

    # another letter; once also the other case of a letter

    for my $bits (1, $name eq 'wechat' ? 0x20 : ()) {
        my $got = $Peer->do('flip', port => $Nginx->{port}, bits => $bits,
                            step => $Step, %$c);

        is($got->{again}, $got->{good}, "$name: the answer is taken");
        is(JSON::PP->new->encode($got->{leaks}), '[]',
           "$name $bits: nothing else is ever seen");

        my $head = length $got->{head};
        my @body = grep { $_ >= $head } @{ $got->{passed} };

        is("@body", '', "$name $bits: each byte of the body counts");
        cmp_ok($got->{refused}, '>', 200 / $Step, "$name $bits: refused");
    }
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
