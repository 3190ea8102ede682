# Orders of WeChat Pay v2 and UnionPay through paygw_pass to the sandbox: made,
# asked for, paid, refunded, closed; answers that are lost.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use IO::Uncompress::Inflate qw(inflate $InflateError);
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use POSIX 'strftime';

use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwSandbox;
use PaygwTest ();

my $Sandbox = PaygwSandbox->start;
my $Count = 0;
my @Wait = (proxy_read_timeout => 2 * $PaygwNginx::Slow . 's');

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:2m;\n"
        . $Sandbox->wechat_v2(@Wait)
        . $Sandbox->unionpay(@Wait)
        . "    paygw_channel secret {\n        provider unionpay;\n"
        . "        merId $Sandbox->{ids}{merId};\n        signMethod 11;\n"
        . "        secure_key file:$Sandbox->{dir}/unionpay/secure.key;\n"
        . '        endpoint ' . $Sandbox->url . ";\n    }\n",
    server => join '', map { "location /$_/ { paygw_pass $_; "
                             . 'paygw_deadline 20s; }' }
              qw(wxv2 unionpay secret));

sub bend { $Sandbox->post('answers', { fault => $_[0], times => $_[1] // 1 }) }

sub number { return sprintf 'P%dn%dr%06d', $$, ++$Count, rand 1e6 }

sub orders {
    my $id = shift;
    my $all = $Sandbox->get('orders')->{orders};
    return grep { $_->{order_id} eq $id } @$all;
}

sub beijing { return strftime($_[0], gmtime(time + 8 * 3600)) }

sub wx {
    my ($path, %p) = @_;
    my $res = call($Nginx, POST => "/wxv2/$path", timeout => 15,
                   heads => { 'Content-Type' => 'text/xml' }, body =>
                   '<xml>' . join('', map { "<$_>$p{$_}</$_>" } sort keys %p)
                   . '</xml>');
    $res->{f} = { $res->{body} =~ /<(\w+)><!\[CDATA\[(.*?)\]\]>/g };
    return $res;
}

sub wx_order {
    my ($id) = @_;
    return wx('pay/unifiedorder', body => 'x', out_trade_no => $id,
              total_fee => 100, spbill_create_ip => '127.0.0.1',
              notify_url => 'http://127.0.0.1:1/n', trade_type => 'NATIVE');
}

sub up {
    my ($path, %p) = @_;
    my $channel = delete $p{-channel} // 'unionpay';
    my $res = call($Nginx, POST => "/$channel/$path", timeout => 15,
                   heads => { 'Content-Type' =>
                                  'application/x-www-form-urlencoded' },
                   body => join '&', map { my $v = $p{$_};
                       $v =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ge;
                       "$_=$v" } sort keys %p);
    $res->{f} = { map { split /=/, $_, 2 } grep { /=/ }
                  split /&/, $res->{body} };
    return $res;
}

sub up_order {
    my ($id, $time, %more) = @_;
    return up('gateway/api/backTransReq.do', orderId => $id,
              txnTime => $time, txnType => '01', txnSubType => '07',
              bizType => '000000', accessType => '0', channelType => '08',
              txnAmt => 100, currencyCode => '156',
              backUrl => 'http://127.0.0.1:1/n', %more);
}

sub up_query {
    my ($id, $time, %more) = @_;
    return up('gateway/api/queryTrans.do', orderId => $id, txnTime => $time,
              txnType => '00', txnSubType => '00', bizType => '000000',
              accessType => '0', %more);
}


# -- WeChat Pay v2 --

{
    my $id = number();
    my $res = wx_order($id);
    like($res->{f}{code_url}, qr/^http/, 'v2: made')
        or diag($res->{body}, $Nginx->log);
    is(wx('pay/orderquery', out_trade_no => $id)->{f}{trade_state}, 'NOTPAY',
       'v2: not paid');
    $Sandbox->post("orders/$id/pay?provider=wechat_v2", {});
    $res = wx('pay/orderquery', out_trade_no => $id);
    is($res->{f}{trade_state}, 'SUCCESS', 'v2: paid');
    my $trade = $res->{f}{transaction_id};
    is(wx('pay/orderquery', transaction_id => $trade)->{f}{out_trade_no},
       $id, 'v2: by its other number');
    $res = wx('secapi/pay/refund', out_trade_no => $id, total_fee => 100,
              out_refund_no => "R$id", refund_fee => 1);
    is($res->{f}{result_code}, 'SUCCESS', 'v2: refunded')
        or diag($res->{body});
    is(wx('pay/refundquery', out_trade_no => $id,
          out_refund_no => "R$id")->{f}{refund_status_0}, 'SUCCESS',
       'v2: refund');
    $res = wx('secapi/pay/refund', out_trade_no => $id, total_fee => 100,
              out_refund_no => "R$id", refund_fee => 1);
    is($res->{f}{refund_id}, wx('pay/refundquery', out_trade_no => $id)
       ->{f}{refund_id_0}, 'v2: the same refund again');
    is(wx('pay/refundquery', out_trade_no => $id)->{f}{refund_count}, 1,
       'v2: E17: one refund');

    my $other = number();
    wx_order($other);
    is(wx('pay/closeorder', out_trade_no => $other)->{f}{result_code},
       'SUCCESS', 'v2: closed');
    $res = wx('pay/orderquery', out_trade_no => number());
    is("$res->{status} $res->{f}{err_code}", '200 ORDERNOTEXIST',
       'v2: none');

    # a bill, of today or tomorrow; of another day it is an error

    my @bill = map { wx('pay/downloadbill', bill_type => 'ALL', bill_date =>
                        strftime('%Y%m%d', gmtime(time + $_))) }
               8 * 3600 - 60, 8 * 3600 + 60;
    my ($bill) = grep { $_->{status} == 200 } @bill;
    like($bill->{body}, qr/,`\Q$trade\E,`$id,`1\.00/, 'v2: bill');
    is($bill->{header}{'x-paygw-verified'}, 'none', 'v2: bill: unsigned');
    problem_ok(wx('pay/downloadbill', bill_date => '20200101'), 502,
               'PROVIDER-UNVERIFIED', 'v2: no bill');
    like($Nginx->log, qr/code 20002(?:, No Bill)?/,
         'v2: no bill: log');
}

# what is lost is unknown, never failed: a query tells the truth

for my $fault (qw(silent unsigned bad_signature truncated garbage))
{
    my $id = number();
    bend($fault);
    my $res = wx_order($id);
    my $lost = $fault =~ /silent|truncated/;
    problem_ok($res, $lost ? 504 : 502,
               $lost ? 'PROVIDER-UNANSWERED' : 'PROVIDER-UNVERIFIED',
               "v2 $fault");
    bend('');
    is(wx('pay/orderquery', out_trade_no => $id)->{f}{trade_state}, 'NOTPAY',
       "v2 $fault: it was made");
    is(wx_order($id)->{f}{result_code}, 'SUCCESS', "v2 $fault: again");
    is(scalar orders($id), 1, "v2 $fault: no second order");
}

bend('chunked');
is(wx('pay/orderquery', out_trade_no => number())->{status}, 200,
   'v2 chunked');


# -- UnionPay --

for my $channel (qw(unionpay secret)) {
    my ($id, $time) = (number(), beijing('%Y%m%d%H%M%S'));
    my @c = (-channel => $channel);
    my $res = up_order($id, $time, @c);
    like($res->{f}{qrCode}, qr/^http/, "$channel: made")
        or diag($res->{body}, $Nginx->log);
    is(up_query($id, $time, @c)->{f}{origRespCode}, '05',
       "$channel: not paid");
    $Sandbox->post("orders/$id/pay?provider=unionpay", {});
    $res = up_query($id, $time, @c);
    is($res->{f}{origRespCode}, '00', "$channel: paid");

    my %refund = (orderId => 'R' . number(), txnTime => $time,
                  txnType => '04', txnSubType => '00', bizType => '000000',
                  txnAmt => 1, origQryId => $res->{f}{queryId}, @c);
    is(up('gateway/api/backTransReq.do', %refund)->{f}{respCode}, '00',
       "$channel: refunded");
    is(up('gateway/api/backTransReq.do', %refund)->{f}{respCode}, '12',
       "$channel: E17: one refund");
    is(up_query($refund{orderId}, $time, @c)->{f}{origRespCode}, '00',
       "$channel: refund");
    is(up_query(number(), $time, @c)->{f}{respCode}, '34',
       "$channel: none");
    is(up_query($id, '20250102030405', @c)->{f}{respCode}, '34',
       "$channel: another time");

    $res = up_order(number(), $time, @c, txnSubType => '01');
    is($res->{f}{respCode}, '10', "$channel: an error is signed");
    like(up('gateway/api/appTransReq.do', @c, orderId => number(),
            txnTime => $time, txnType => '01', txnAmt => 1,
            currencyCode => '156')->{f}{tn}, qr/^\w+$/, "$channel: tn");

    # a file, of today or tomorrow

    my ($file) = grep { length } map {
        my $res = up('', @c, txnType => '76', txnSubType => '01',
                     fileType => '00', txnTime => $time, settleDate =>
                         strftime('%m%d', gmtime(time + $_)));
        inflate(\decode_base64($res->{f}{fileContent}) => \my $zip)
            or diag($InflateError);
        $zip =~ /\bINN/ && unzip($zip) =~ /^\Q$id\E /m ? $zip : '';
    } 8 * 3600 - 60, 8 * 3600 + 60;
    ok($file, "$channel: file");
}

sub unzip {
    my $zip = shift;
    require IO::Uncompress::Unzip;
    IO::Uncompress::Unzip::unzip(\$zip => \my $text) or die;
    return $text;
}

for my $fault (qw(silent unsigned bad_signature error))
{
    my ($id, $time) = (number(), beijing('%Y%m%d%H%M%S'));
    bend($fault);
    my $res = up_order($id, $time);
    my $lost = $fault =~ /silent|truncated/;
    problem_ok($res, $lost ? 504 : 502,
               $lost ? 'PROVIDER-UNANSWERED' : 'PROVIDER-UNVERIFIED',
               "unionpay $fault");
    bend('');
    is(up_query($id, $time)->{f}{origRespCode}, '05',
       "unionpay $fault: it was made");
    is(up_order($id, $time)->{f}{respCode}, '12', "unionpay $fault: again");
    is(scalar orders($id), 1, "unionpay $fault: no second order");
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
