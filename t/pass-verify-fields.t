# An answer of WeChat Pay v2 or UnionPay with one byte changed, at every
# position: see pass-verify.t.

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

my $Nginx = PaygwNginx->start(
    level => 'error',
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    keepalive_requests 100000;\n"
        . $Peer->wechat_v2($Url)
        . $Peer->wechat_v2($Url, -name => 'hmac', sign_type => 'HMAC-SHA256')
        . $Peer->unionpay($Url)
        . $Peer->unionpay_secret($Url, '11', -name => 'sha'),
    server => join '', map { "location /$_/ { paygw_pass $_; }" }
              qw(wxv2 hmac unionpay sha));

# what is not read again is asked for once; a connection that the other side
# closes must not be used for the next call

my %Close = (headers => { Connection => 'close' });

my %Xml = (method => 'POST', body => '<xml><out_trade_no>1</out_trade_no>'
                                     . '</xml>',
           heads => { 'Content-Type' => 'text/xml' });
my %Form = (method => 'POST', body => 'orderId=12345678&txnTime='
                                      . '20250102030405',
            heads => { 'Content-Type' =>
                           'application/x-www-form-urlencoded' });

my @Cases = (
    [ 'MD5', { %Xml, target => '/wxv2/pay/micropay', answer => { %Close } } ],
    [ 'MD5, text', { %Xml, target => '/wxv2/pay/micropay',
                     answer => { %Close, plain => JSON::PP::true } } ],
    [ 'HMAC', { %Xml, target => '/hmac/pay/micropay', answer => { %Close } } ],
    [ 'HMAC chunked', { %Xml, target => '/hmac/pay/micropay',
                        answer => { %Close, chunked => 97 } } ],
    [ 'unionpay', { %Form, target => '/unionpay/gateway/api/cardTransReq.do',
                    answer => { %Close } } ],
    [ 'SHA-256', { %Form, target => '/sha/gateway/api/cardTransReq.do',
                   answer => { %Close } } ],
);

for my $case (@Cases) {
    my ($name, $c) = @$case;

    for my $bits (1, 0x20) {
        my $got = $Peer->do('flip', port => $Nginx->{port}, bits => $bits,
                            step => $Step, %$c);

        is($got->{again}, 200, "$name: the answer is taken as it is");
        like($got->{same}, qr/MARK/, "$name: and passed");
        is(JSON::PP->new->encode($got->{leaks}), '[]',
           "$name $bits: nothing else is ever seen");

        my $head = length $got->{head};
        my @body = grep { $_ >= $head } @{ $got->{passed} };

        # between the pieces there are sizes, and names of no meaning

        cmp_ok(scalar @body, '<=', $name =~ /chunked/ ? 80 : 0,
               "$name $bits: body")
            or diag("@body of $got->{length}, head $head");
        cmp_ok($got->{refused}, '>=',
               ($got->{length} - $head) / $Step - 1 - @body,
               "$name $bits: refused");

        note("$name $bits: $got->{length} positions, $got->{refused} "
             . 'refused, ' . @{ $got->{passed} } . ' passed unchanged');
    }
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
