# paygw_api: an answer of WeChat Pay v2, UnionPay or Alipay about an error, with
# one byte changed, at every position: the caller never sees anything of a
# provider but what was signed, and the outcome is unknown.  The others are in
# api-verify.t; Stripe, which signs nothing, in api-verify-tls.t.

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
my $Json = JSON::PP->new->utf8->canonical;

# a second answer, which is genuine, would be seen with good reason

my @Own = (paygw_retry => 'off', notify_url => 'https://pay.example.com/n');

my $Nginx = PaygwNginx->start(
    level => 'error',
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    keepalive_requests 100000;\n"
        . $Peer->wechat_v2($Url, @Own)
        . $Peer->wechat_v2($Url, @Own, -name => 'hmac',
                           sign_type => 'HMAC-SHA256')
        . $Peer->alipay($Url, paygw_retry => 'off')
        . $Peer->unionpay($Url, @Own)
        . $Peer->unionpay_secret($Url, '11', @Own, -name => 'sha'),
    server => join '', map { "location /$_/ { paygw_api $_; }" }
              qw(wxv2 hmac alipay unionpay sha));

sub order {
    my ($channel, %more) = @_;
    return (method => 'POST', target => "/$channel/orders",
            body => $Json->encode({
                order_id => 'T20250102X0001' =~ tr/X//dr, amount => 100,
                currency => 'CNY', subject => 'tea', method => 'qr', %more }),
            heads => { 'Content-Type' => 'application/json' },
            mask => ',"request_id":"[0-9a-f]{32}"');
}

# a connection that the other side closes must not be used for the next call

my %Close = (headers => { Connection => 'close' });
my @Ref = (ref => '20250102030405q');

# no more than is needed: each byte is a call

my %Wx = (device_info => undef, attach => undef, return_msg => undef);
my %Up = (map { ($_, undef) } qw(respMsg queryId tn issAddnData reserved
                                 cardTransData));
my $Qr = 'https://qr.example/MARK';

my @Cases = (
    [ 'MD5', order('wxv2'), answer => { %Close, fields => \%Wx } ],
    [ 'MD5, an error', order('wxv2'), answer =>
          { %Close, fields => { %Wx, result_code => 'FAIL',
                                err_code => 'ORDERPAID' } } ],
    [ 'HMAC', order('hmac'), answer => { %Close, fields => \%Wx } ],
    [ 'alipay, an error', order('alipay'), answer =>
          { %Close, content => '{"code":"40004","msg":"Business Failed",'
                        . '"sub_code":"ACQ.TRADE_HAS_SUCCESS",'
                        . '"sub_msg":"MARK"}' } ],
    [ 'unionpay', order('unionpay', @Ref), answer =>
          { %Close, fields => { %Up, qrCode => $Qr } } ],
    [ 'SHA-256', order('sha', @Ref), answer =>
          { %Close, fields => { %Up, qrCode => $Qr } } ],
);

for my $case (@Cases) {
    my ($name, %c) = @$case;
    my $got = $Peer->do('flip', port => $Nginx->{port}, bits => 1,
                        step => $Step, %c);
    my $head = length $got->{head};
    my @body = grep { $_ >= $head } @{ $got->{passed} };

    is($got->{again}, $got->{good}, "$name: the answer is taken");
    is($got->{again}, $name !~ /error/ ? 200 : 409, "$name: as it is");
    is($Json->encode($got->{leaks}), '[]',
       "$name: nothing else is ever seen");
    is("@body", '', "$name: each byte of the body counts");
    cmp_ok($got->{refused}, '>=', ($got->{length} - $head) / $Step - 1,
           "$name: unknown");
    note("$name: $got->{length} positions");
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
