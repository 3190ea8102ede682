# What WeChat Pay v2 and UnionPay say of a call is the end of it, or not:
# paygw_idempotency keeps the first alone.  See pass-auth.t.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;
use PaygwUnionpay;
use PaygwPeer ();

with_wxv2();

our $Peer = PaygwPeer->start;
$ENV{TEST_NGINX_PEER_PORT} = $Peer->listen;

our $Own = <<'CONF';
endpoint              http://127.0.0.1:$TEST_NGINX_PEER_PORT;
merchant_private_key  $TEST_NGINX_KEYS/mch.key;
merchant_certificate  $TEST_NGINX_KEYS/mch.crt;
proxy_read_timeout    20s;
paygw_retry           off;
paygw_breaker         off;
CONF

our $Gate = join '', map { <<CONF } qw(wxv2 unionpay);
    location /$_/ {
        paygw_auth         shop;
        paygw_idempotency  on required;
        paygw_deadline     20s;
        paygw_pass         $_;
    }
CONF

our $N = 0;

# how often the call is made if it is made again, and the answers

sub main::twice {
    my ($target, $type, $body, $plan) = @_;
    my $key = sprintf 'fields-%d-%d-%d', time, $$, $N++;
    $Peer->plan(($plan) x 2);
    my @res = map { send_callback(call(method => 'POST', target => $target,
                        body => $body, headers => [ 'Idempotency-Key', $key,
                                                    'Content-Type', $type ]))
              } 1, 2;
    my $n = () = $Peer->requests;
    is($_->{status}, 200, 'is passed') for @res;
    return $n, @res;
}

run_tests();

__DATA__

=== TEST 1: WeChat Pay v2
--- wxv2 eval: $::Own
--- unionpay eval: $::Own
--- config eval: $::Gate
--- run
for my $case (
    [ '/pay/unifiedorder', undef, 1 ],
    (map { [ '/pay/unifiedorder', $_, 1 ] }
     qw(ORDERPAID ORDERCLOSED OUT_TRADE_NO_USED PARAM_ERROR)),
    (map { [ '/pay/unifiedorder', $_, 2 ] }
     qw(SYSTEMERROR SYSTEM_ERROR FREQUENCY_LIMITED FREQ_LIMIT NOAUTH
        SIGNERROR APPID_NOT_EXIST MCHID_NOT_EXIST APPID_MCHID_NOT_MATCH)),
    (map { [ '/secapi/pay/refund', $_, 2 ] }
     qw(NOTENOUGH BIZERR_NEED_RETRY CERT_ERROR)),
    [ '/secapi/pay/refund', undef, 1 ], [ '/pay/micropay', 'USERPAYING', 2 ],
    [ '/pay/micropay', 'BANKERROR', 2 ], [ '/pay/micropay', 'PAYERERROR', 1 ],
    [ '/pay/orderquery', undef, 2 ], [ '/pay/refundquery', undef, 2 ],
) {
    my ($path, $code, $times) = @$case;
    my %f = $code ? (result_code => 'FAIL', err_code => $code) : ();
    my ($n, @res) = twice("/wxv2$path", 'text/xml',
                          '<xml><out_refund_no>R1</out_refund_no></xml>',
                          { fields => \%f });
    is($n, $times, "$path " . ($code // 'good') . ": made $times");
    is($res[1]{header}{'idempotent-replayed'}, $times == 1 ? 'true' : undef,
       'told so');
}



=== TEST 2: UnionPay
--- unionpay eval: $::Own
--- config eval: $::Gate
--- wxv2 eval: $::Own
--- run
for my $case (
    (map { [ 'backTransReq.do', $_, 1 ] } qw(00 10 33)),
    (map { [ 'backTransReq.do', $_, 2 ] } qw(02 03 04 05 06 11 12 34 A6 X1)),
    [ 'queryTrans.do', '00', 2 ],
) {
    my ($path, $code, $times) = @$case;
    my ($n) = twice("/unionpay/gateway/api/$path",
                    'application/x-www-form-urlencoded',
                    'orderId=12345678&txnTime=20250102030405',
                    { fields => { respCode => $code } });
    is($n, $times, "$path $code: made $times");
}



=== TEST 3: a bill is a question: it streams, is never kept, and asked again
--- wxv2 eval: $::Own
--- unionpay eval: $::Own
--- config eval: $::Gate =~ s/(required;)/$1 paygw_answer_max 16k;/gr
--- run
use MIME::Base64 ();
my $bill = join '', map { sprintf "`%07d,`a line of a bill\r\n", $_ }
                    1 .. 20_000;

for my $text ($bill, "`one line\r\n") {
    my $size = length $text;
    my ($n, @res) = twice('/wxv2/pay/downloadbill', 'text/xml',
                          '<xml><bill_type>ALL</bill_type></xml>',
                          { text => MIME::Base64::encode_base64($text, '') });
    is($n, 2, "$size bytes: made twice");
    ok($_->{body} eq $text, "$size bytes: all of it") for @res;
    is($res[1]{header}{'idempotent-replayed'}, undef, "$size bytes: told so");
}
--- no_error_log
is not kept
