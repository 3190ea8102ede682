# paygw_api: an answer that says that an order is paid, with one byte changed,
# at every position: the caller never sees anything of a provider but what was
# signed, and the outcome is unknown.  Answers about new orders are in
# api-verify.t and api-verify-fields.t, about refunds in api-verify-refund.t.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Temp ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64);

use PaygwNginx;
use PaygwPeer ();

my $Peer = PaygwPeer->start;
my $Step = $ENV{TEST_NGINX_USE_VALGRIND} ? 11 : 1;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Json = JSON::PP->new->utf8->canonical;
my $Id = 'T202501020001';
my $Ref = '20250102030405';

# a second answer, which is genuine, would be seen with good reason; and an
# order that is known to be paid is not asked for

my @Own = (paygw_retry => 'off', notify_url => 'https://pay.example.com/n');

# what Alipay encrypts with a key of its own: AES-128-CBC, an IV of zeros

my $Tmp = File::Temp::tempdir('paygw-flip-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $Aes = 'a key of sixteen';

sub encrypted {
    my $hex = unpack 'H*', $Aes;
    open my $fh, '>', "$Tmp/plain" or die $!;
    print $fh @_;
    close $fh;
    my $text = `openssl enc -aes-128-cbc -K $hex -iv ${\('0' x 32)} \\
                -in $Tmp/plain`;
    return '"' . encode_base64($text, '') . '"';
}

open my $fh, '>', "$Tmp/aes" or die $!;
print $fh encode_base64($Aes);
close $fh;
chmod 0600, "$Tmp/aes";

my $Nginx = PaygwNginx->start(
    level => 'error',
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    paygw_binding off; keepalive_requests 100000;\n"
        . $Peer->wechat($Url, @Own) . $Peer->wechat_v2($Url, @Own)
        . $Peer->alipay($Url, @Own)
        . $Peer->alipay($Url, @Own, -name => 'aes', aes_key =>
                            "file:$Tmp/aes")
        . $Peer->unionpay($Url, @Own)
        . $Peer->unionpay_secret($Url, '12', @Own, -name => 'sm3'),
    server => join '', map { "location /$_/ { paygw_api $_; }" }
              qw(wxpay wxv2 alipay aes unionpay sm3));

sub query {
    my ($channel, $answer, @args) = @_;
    return (method => 'GET', target => "/$channel/orders/$Id"
            . (@args ? '?' . join '&', @args : ''),
            answer => { headers => { Connection => 'close' }, %$answer });
}

# no more than is needed: each byte is a call

my $Trade = '{"code":"10000","out_trade_no":"' . $Id . '",'
    . '"trade_no":"2025MARK","trade_status":"TRADE_SUCCESS",'
    . '"total_amount":"1.00"}';
my %Wx = (device_info => undef, attach => undef, return_msg => undef,
          out_trade_no => $Id, transaction_id => '42MARK', total_fee => '100',
          fee_type => 'CNY');
my %Up = (map({ ($_, undef) } qw(respMsg tn issAddnData reserved
                                 cardTransData)),
          origRespCode => '00', txnAmt => '100', currencyCode => '156',
          queryId => '512501020304051234568');

my @Cases = (
    [ 'wechat', query(wxpay => { body => $Json->encode({
          out_trade_no => $Id, mchid => '1900009191', trade_state =>
          'SUCCESS', transaction_id => '42MARK', amount =>
          { total => 100, currency => 'CNY' } }) }) ],
    [ 'v2', query(wxv2 => { fields => \%Wx }) ],
    [ 'alipay', query(alipay => { content => $Trade }) ],
    [ 'alipay, encrypted', query(aes => { content => encrypted($Trade) }) ],
    [ 'unionpay', query(unionpay => { fields => \%Up }, "ref=$Ref") ],
    [ 'unionpay, SM3', query(sm3 => { fields => \%Up }, "ref=$Ref") ],
);

for my $case (@Cases) {
    my ($name, %c) = @$case;
    my $got = $Peer->do('flip', port => $Nginx->{port}, bits => 1,
                        step => $Step, mask => ',"request_id":"[0-9a-f]{32}"',
                        %c);
    my $head = length $got->{head};
    my @body = grep { $_ >= $head } @{ $got->{passed} };

    is($got->{again}, $got->{good}, "$name: the answer is taken");
    is($got->{again}, 200, "$name: as it is") or diag($got->{same});
    like($got->{same}, qr/"outcome":"success"/, "$name: it is paid");
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
