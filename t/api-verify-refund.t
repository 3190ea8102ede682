# paygw_api: an answer of WeChat Pay that says that money was given
# back, with one byte changed, at every position: the caller never sees anything
# of a provider but what was signed, and the outcome is unknown.  Answers about
# new orders are in api-verify.t and api-verify-fields.t, about orders that are
# paid in api-verify-query.t.

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
my $Id = 'T202501020001';

# a second answer, which is genuine, would be seen with good reason; and an
# order that is known to be paid is not asked for

my @Own = (paygw_retry => 'off', notify_url => 'https://pay.example.com/n');

my $Nginx = PaygwNginx->start(
    level => 'error',
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    paygw_binding off; keepalive_requests 100000;\n"
        . $Peer->wechat($Url, @Own) . $Peer->wechat_v2_cert($Url, @Own),
    server => join '', map { "location /$_/ { paygw_api $_; }" }
              qw(wxpay wxv2));

sub refund {
    my ($channel, $answer, @before) = @_;
    return (method => 'POST', target => "/$channel/orders/$Id/refunds",
            body => '{"refund_id":"R202501020001","amount":30}',
            heads => { 'Content-Type' => 'application/json' },
            before => \@before,
            answer => { headers => { Connection => 'close' }, %$answer });
}

# what is asked first; no more in any than is needed: each byte is a call

my %Bare = (device_info => undef, attach => undef, return_msg => undef,
            openid => undef, out_trade_no => $Id);

my @Cases = (
    [ 'wechat', refund(wxpay => { body => $Json->encode({
          out_refund_no => 'R202501020001', out_trade_no => $Id,
          refund_id => '50MARK', transaction_id => '42MARK', status =>
          'SUCCESS', amount => { refund => 30, total => 100,
                                 currency => 'CNY' } }) },
        { body => $Json->encode({
          out_trade_no => $Id, mchid => '1900009191', trade_state =>
          'SUCCESS', transaction_id => '42MARK', amount =>
          { total => 100, currency => 'CNY' } }) }) ],
    [ 'v2', refund(wxv2 => { fields => { %Bare, trade_state => undef,
          total_fee => undef, out_refund_no => 'R202501020001',
          refund_fee => '30', refund_id => '50MARK' } },
        { fields => { %Bare, trade_state => 'SUCCESS', total_fee => '100',
                      transaction_id => '42MARK' } }) ],
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
    like($got->{same}, qr/"outcome":"(?:success|pending)"/,
         "$name: money is given back");
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
