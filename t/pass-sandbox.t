# Orders through paygw_pass to the sandbox: made, asked for, paid, refunded,
# closed; answers that are lost, and keys that change.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();

use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwSandbox;
use PaygwTest ();

my $Sandbox = PaygwSandbox->start;
my $D = $Sandbox->{dir};
my $Ids = $Sandbox->{ids};
my $Json = JSON::PP->new->canonical;
my $Count = 0;
my @Wait = (proxy_read_timeout => 2 * $PaygwNginx::Slow . 's');

my $Nginx = PaygwNginx->start(store => 1,
    http => "    paygw_zone paygw:2m;\n    paygw_deadline 30s;\n"
        . $Sandbox->wechat(platform_certificates =>
                               'auto interval=3600s retry=1s',
                           @Wait)
        . $Sandbox->alipay_cert(alipay_cert => "$D/alipay/alipay_cert.crt",
                                alipay_certs => 'auto retry=1s',
                                @Wait),
    server => 'location /wx/ { paygw_pass wxpay; paygw_deadline 20s; }'
        . 'location /ali/ { paygw_pass alipay; paygw_deadline 20s; }');

sub bend { $Sandbox->post('answers', { fault => $_[0], times => $_[1] // 1 }) }

sub number { return sprintf 'P%dn%dr%06d', $$, ++$Count, rand 1e6 }

sub orders {
    my $id = shift;
    my $all = $Sandbox->get('orders')->{orders};
    return grep { $_->{order_id} eq $id } @$all;
}

sub wx {
    my ($method, $path, $value) = @_;
    my $res = call($Nginx, $method => "/wx/v3/$path", body =>
                   $value ? $Json->encode($value) : '', timeout => 15);
    $res->{json} = eval { $Json->decode($res->{body}) };
    return $res;
}

sub wx_order {
    my ($id, $total) = @_;
    return wx(POST => 'pay/transactions/native',
              { mchid => $Ids->{mchid}, appid => $Ids->{appid},
                description => 'x', out_trade_no => $id,
                notify_url => 'http://127.0.0.1:1/n',
                amount => { total => $total // 100 } });
}

sub wx_query {
    my $id = shift;
    return wx(GET => "pay/transactions/out-trade-no/$id?mchid=$Ids->{mchid}");
}

sub ali {
    my ($method, %biz) = @_;
    my $text = $Json->encode(\%biz);
    $text =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ge;
    my $res = call($Nginx, POST => '/ali/', timeout => 15,
                   body => "method=alipay.trade.$method&biz_content=$text",
                   heads => { 'Content-Type' =>
                                  'application/x-www-form-urlencoded' });
    my $all = eval { $Json->decode($res->{body}) } || {};
    my $name = "alipay_trade_$method" . '_response';
    $name =~ tr/./_/;
    $res->{json} = $all->{$name};
    return $res;
}


# -- WeChat Pay --

{
    my $id = number();
    my $res = wx_order($id);
    like($res->{json}{code_url}, qr/^weixin:/, 'wechat: made')
        or diag($res->{body}, $Nginx->log);
    is(wx_query($id)->{json}{trade_state}, 'NOTPAY', 'wechat: not paid');
    $Sandbox->post("orders/$id/pay", {});
    is(wx_query($id)->{json}{trade_state}, 'SUCCESS', 'wechat: paid');
    $res = wx(POST => 'refund/domestic/refunds',
              { out_refund_no => "R$id", out_trade_no => $id,
                amount => { refund => 1, total => 100, currency => 'CNY' } });
    is($res->{json}{status}, 'PROCESSING', 'wechat: refunded');
    is(wx(GET => "refund/domestic/refunds/R$id")->{json}{status}, 'SUCCESS',
       'wechat: refund');

    my $other = number();
    wx_order($other);
    is(wx(POST => "pay/transactions/out-trade-no/$other/close",
          { mchid => $Ids->{mchid} })->{status}, 204, 'wechat: closed');
    is(wx_query(number())->{json}{code}, 'ORDER_NOT_EXIST', 'wechat: none');
    is(wx_query(number())->{status}, 404, 'wechat: none: status');
}

# E19: the order of a probed answer is not lost, and not made twice

{
    my $id = number();
    bend('probe');
    is(wx_order($id)->{status}, 200, 'E19: made');
    is(scalar orders($id), 1, 'E19: once');
    is($Sandbox->get('answers')->{bent}, 1, 'E19: by a second answer');
}

# what is lost is unknown, never failed: a query tells the truth

for my $fault (qw(silent unsigned bad_signature truncated error garbage stale))
{
    my $id = number();
    bend($fault);
    my $res = wx_order($id);
    my $lost = $fault =~ /silent|truncated/;
    problem_ok($res, $lost ? 504 : 502,
               $lost ? 'PROVIDER-UNANSWERED' : 'PROVIDER-UNVERIFIED',
               "wechat $fault");
    bend('');
    is(wx_query($id)->{json}{trade_state}, 'NOTPAY', "$fault: it was made");
    is(wx_order($id)->{status}, 200, "$fault: again");
    is(scalar orders($id), 1, "$fault: no second order");
}

# an answer under a certificate that is new

{
    $Sandbox->keys(active => 'b', listed => [ 'b' ]);
    sleep 2;
    my $id = number();
    my $first = wx_order($id);

    # which one is asked for is known only after the next fetch

    ok($first->{status} == 200, 'rotation: passed')
        or diag($first->{body}, $Nginx->log);
    $Sandbox->keys(active => 'a', listed => [ 'a', 'b' ]);
}


# -- Alipay --

{
    my $id = number();
    my %order = (out_trade_no => $id, total_amount => '1.00', subject => 'x');
    like(ali('precreate', %order)->{json}{qr_code}, qr/^http/,
         'alipay: made') or diag($Nginx->log);
    is(ali('query', out_trade_no => $id)->{json}{sub_code},
       'ACQ.TRADE_NOT_EXIST', 'alipay: not scanned');
    $Sandbox->post("orders/$id/pay", {});
    is(ali('query', out_trade_no => $id)->{json}{trade_status},
       'TRADE_SUCCESS', 'alipay: paid');
    is(ali('refund', out_trade_no => $id, refund_amount => '0.01',
           out_request_no => "R$id")->{json}{fund_change}, 'Y',
       'alipay: refunded');
    is(ali('fastpay.refund.query', out_trade_no => $id,
           out_request_no => "R$id")->{json}{refund_status},
       'REFUND_SUCCESS', 'alipay: refund');

    my $other = number();
    ali('create', %order, out_trade_no => $other, buyer_id => '2088');
    is(ali('close', out_trade_no => $other)->{json}{code}, '10000',
       'alipay: closed');

    for my $fault (qw(silent unsigned bad_signature truncated error garbage
                      twin))
    {
        my $id = number();
        bend($fault);
        my $res = ali('create', %order, out_trade_no => $id,
                      buyer_id => '2088');
        my $lost = $fault =~ /silent|truncated/;
        problem_ok($res, $lost ? 504 : 502,
                   $lost ? 'PROVIDER-UNANSWERED' : 'PROVIDER-UNVERIFIED',
                   "alipay $fault");
        bend('');
        is(ali('query', out_trade_no => $id)->{json}{trade_status},
           'WAIT_BUYER_PAY', "alipay $fault: it was made");
        is(ali('create', %order, out_trade_no => $id,
               buyer_id => '2088')->{json}{code}, '10000', "$fault: again");
        is(scalar orders($id), 1, "$fault: no second order");
    }

    # a certificate that is new is fetched, and the answer is not lost

    $Sandbox->keys(alipay => 'alipay_next');
    my $new = number();
    my $res = ali('precreate', %order, out_trade_no => $new);
    is($res->{json}{code}, '10000', 'rotation: passed')
        or diag($res->{body}, $Nginx->log);
    is(scalar orders($new), 1, 'rotation: made once');
    $Sandbox->keys(alipay => 'alipay');
    is(ali('precreate', %order, out_trade_no => number())->{json}{code},
       '10000', 'rotation: the old one still');
}

# -- its REST form --

{
    my $v3 = sub {
        my ($path, %biz) = @_;
        my $res = call($Nginx, POST => "/ali/v3/alipay/trade/$path",
                       timeout => 15, body => $Json->encode(\%biz), heads =>
                           { 'Content-Type' => 'application/json' });
        $res->{json} = eval { $Json->decode($res->{body}) } || {};
        return $res;
    };
    my $id = number();
    my %order = (out_trade_no => $id, total_amount => '1.00', subject => 'x',
                 buyer_id => '2088');
    like($v3->('precreate', %order)->{json}{qr_code}, qr/^http/, 'v3: made')
        or diag($Nginx->log);
    my $res = $v3->('query', out_trade_no => $id);
    is("$res->{status} $res->{json}{code}", '400 ACQ.TRADE_NOT_EXIST',
       'v3: not scanned');
    $Sandbox->post("orders/$id/pay", {});
    is($v3->('query', out_trade_no => $id)->{json}{trade_status},
       'TRADE_SUCCESS', 'v3: paid');
    is($v3->('refund', out_trade_no => $id, refund_amount => '0.01',
             out_request_no => "R$id")->{json}{fund_change}, 'Y',
       'v3: refunded');
    is($v3->('fastpay/refund/query', out_trade_no => $id,
             out_request_no => "R$id")->{json}{refund_status},
       'REFUND_SUCCESS', 'v3: refund');

    for my $fault (qw(silent unsigned bad_signature truncated error garbage))
    {
        my $id = number();
        bend($fault);
        my $lost = $fault =~ /silent|truncated/;
        problem_ok($v3->('create', %order, out_trade_no => $id),
                   $lost ? 504 : 502,
                   $lost ? 'PROVIDER-UNANSWERED' : 'PROVIDER-UNVERIFIED',
                   "v3 $fault");
        bend('');
        is($v3->('query', out_trade_no => $id)->{json}{trade_status},
           'WAIT_BUYER_PAY', "v3 $fault: it was made");
        is($v3->('create', %order, out_trade_no => $id)->{status}, 200,
           "v3 $fault: again");
        is(scalar orders($id), 1, "v3 $fault: no second order");
    }

    # a certificate that is new is fetched, and the answer is not lost

    $Sandbox->keys(alipay => 'alipay_next');
    my $new = number();
    is($v3->('precreate', %order, out_trade_no => $new)->{status}, 200,
       'v3: rotation: passed');
    is(scalar orders($new), 1, 'v3: rotation: made once');
    $Sandbox->keys(alipay => 'alipay');
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
