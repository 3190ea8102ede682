# Every operation of every provider, through both handlers, against the
# sandbox: the table "Operations of the providers" of t/README.md is what is
# run, row by row, and the sandbox's log of calls says what has come in.  Of
# generic it is the gateways of pass_generic.py that are called.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Digest::SHA ();
use JSON::PP ();
use POSIX 'strftime';

use PaygwApi;
use PaygwGeneric qw(gateway keys_made);
use PaygwNginx;
use PaygwPeer qw(call);
use PaygwSandbox;
use PaygwTest ();

my $Sandbox = PaygwSandbox->start;
my $Peer = PaygwPeer->start;
my $PeerUrl = 'http://127.0.0.1:' . $Peer->listen;
my @Styles = qw(md5 xml hmac ed);
my $D = $Sandbox->{dir};
my $Ids = $Sandbox->{ids};
my $Json = JSON::PP->new->utf8->canonical;
my $File = 'x' x 1000;
my $Notify = 'http://127.0.0.1:1/n';
my $Root = $PaygwTest::Root;
my @Own = (notify_url => $Notify, proxy_read_timeout => '20s');
my @Wx = (platform_certificate => "$D/wechat/platform_cert_a.pem", @Own);

keys_made($Peer->{keys});

my $Nginx = PaygwNginx->start(store => 1,
    http => "    paygw_zone paygw:2m;\n    paygw_deadline 30s;\n"
        . $Sandbox->wechat(@Wx)
        . $Sandbox->wechat(@Wx, sub_mchid => $Ids->{sub_mchid})
              =~ s/wxpay/wxpart/r
        . $Sandbox->wechat_v2(@Own)
        . $Sandbox->alipay(alipay_public_key => "$D/alipay/alipay_public.pem",
                           @Own)
        . $Sandbox->unionpay(@Own, termId => '00000001')
        . $Sandbox->stripe(proxy_read_timeout => '20s')
        . join('', map { gateway($Peer, $_, $PeerUrl) } @Styles),
    server => join('', map { "location /$_/ { paygw_pass $_; }" }
                   qw(wxpay wxpart wxv2 alipay unionpay stripe))
        . join('', map { "location /$_/ { paygw_pass $_ /$_/; }" } @Styles)
        . 'location /api/ { paygw_api wxpay wxpart wxv2 alipay unionpay '
        . 'stripe; }'
        . 'location /unknown/ { paygw_binding off; paygw_api stripe; }');

my $Api = PaygwApi->new($Nginx, '/api');
my $Unknown = PaygwApi->new($Nginx, '/unknown');    # remembers no ref
my %Of = (wechat_v3 => 'wxpay', 'wechat_v3 partner' => 'wxpart',
          wechat_v2 => 'wxv2', alipay => 'alipay', alipay_v3 => 'alipay',
          unionpay => 'unionpay', stripe => 'stripe');

sub rows {
    open my $fh, '<', "$Root/t/README.md" or die $!;
    my @rows;
    while (my $line = <$fh>) {
        next if $line !~ /^\| \w+(?: partner)? \| [^|]+ \| `[^`]+` \|/;
        my (undef, @cell) = split /\s*\|\s*/, $line;
        $cell[2] =~ tr/`//d;
        push @rows, { map { ((qw(provider name call pass api))[$_],
                             $cell[$_]) } 0 .. 4 };
    }
    return @rows;
}

sub form {
    my %p = @_;
    return join '&', map { my $v = $p{$_};
                           $v =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1
                                  /gex;
                           "$_=$v" } sort keys %p;
}

# what the payer's browser is given to send

sub visit {
    my ($url, @args) = @_;
    open my $fh, '-|', 'curl', '-s', '--max-time', 20, @args, $url or die $!;
    local $/;
    return { status => 200, body => scalar <$fh> };
}

sub visit_form {
    my $html = shift;
    my ($url) = $html =~ /action="([^"]+)"/;
    my %f = $html =~ /name="(\w+)" value="([^"]*)"/g;
    s/&#39;/'/g, s/&quot;/"/g, s/&lt;/</g, s/&gt;/>/g, s/&amp;/&/g
        for values %f, $url;
    return visit($url, map { ('--data-urlencode', "$_=$f{$_}") } sort keys %f);
}

sub pay {
    my ($provider, $id) = @_;
    my ($name) = split / /, $provider;
    $name =~ s/^alipay_v3/alipay/;
    return $Sandbox->post("orders/$id/pay?provider=$name", {});
}

# an operation about an order that has been made before it

sub order_of {
    my $order = eval { $Sandbox->get("orders/$_[0]") };
    return $order // {};
}

sub days { return map { strftime($_[0], gmtime(time + 8 * 3600 + $_)) }
                  -60, 60 }

sub first_good {
    my ($try, @with) = @_;
    my $res;
    for (@with) {
        $res = $try->($_);
        last if $res->{status} == 200 && $res->{body} !~ /NO_STATEMENT|20002/;
    }
    return $res;
}


# -- through paygw_pass: what each provider is told --

my %Good = (
    wechat_v3 => qr/^(?:\{(?!"code")|$|\xef\xbb\xbf)/,
    wechat_v2 => qr/result_code><!\[CDATA\[SUCCESS|^\xef\xbb\xbf/,
    alipay => qr/"code":"10000"|cashier/i,
    alipay_v3 => qr/^\{(?!"code")/,
    unionpay => qr/(?:^|&)respCode=00|cashier/i,
    stripe => qr/"object": ?"/,
    generic => qr/MARK/,
);

my $Out = 'out-trade-no';
my %Made;

sub json { my ($path, $v) = @_;
           return call($Nginx, POST => $path, body => $Json->encode($v),
                       heads => { 'Content-Type' => 'application/json' }) }
sub get { return call($Nginx, GET => $_[0]) }

sub post_form {
    my ($path, %p) = @_;
    return call($Nginx, POST => $path, body => form(%p), heads =>
                { 'Content-Type' => 'application/x-www-form-urlencoded',
                  $path =~ /stripe/ ? ('Idempotency-Key' =>
                                           PaygwApi::number()) : () });
}

sub wx_account {
    my $partner = shift;
    return $partner ? (sp_mchid => $Ids->{mchid},
                       sub_mchid => $Ids->{sub_mchid})
                    : (mchid => $Ids->{mchid});
}

# a file in a part of that name; what describes it in the part before it

sub upload {
    my ($path, $name, $about, $told) = @_;
    my $head = 'Content-Disposition: form-data; name=';
    my $text = '';
    $text = qq(--b\r\n$head"$about"\r\nContent-Type: application/json)
        . "\r\n\r\n" . $Json->encode($told) . "\r\n" if $about;
    return call($Nginx, POST => $path, heads => {
        'Content-Type' => 'multipart/form-data; boundary=b' },
        body => qq($text--b\r\n$head"$name"; filename="a.jpg"\r\n)
            . "Content-Type: image/jpg\r\n\r\n$File\r\n--b--\r\n");
}

sub wx_make {
    my ($partner, $method, $id) = @_;
    my ($at, $of) = $partner ? ('/wxpart/v3/pay/partner', 'sp_')
                             : ('/wxpay/v3/pay', '');
    return json("$at/transactions/$method", {
        wx_account($partner), "${of}appid" => $Ids->{appid},
        description => 'x', out_trade_no => $id, notify_url => $Notify,
        amount => { total => 100, currency => 'CNY' },
        $method eq 'jsapi' ? (payer => { "${of}openid" => 'o1' }) : (),
        $method eq 'h5' ? (scene_info => { payer_client_ip => '203.0.113.9',
                                           h5_info => { type => 'Wap' } })
                        : () });
}

sub wx_rest {
    my ($partner, $name, $id) = @_;
    my $at = $partner ? '/wxpart' : '/wxpay';
    my $pay = "$at/v3/pay/" . ($partner ? 'partner/' : '') . 'transactions';
    my $whose = form(wx_account($partner));
    my $refunds = "$at/v3/refund/domestic/refunds";
    my %amount = (amount => { refund => 1, total => 100, currency => 'CNY' });
    my $trade = order_of($id)->{trade_no};

    return get("$pay/$Out/$id?$whose") if $name eq 'query';
    return get("$pay/id/$trade?$whose") if $name eq 'query by transaction';
    return json("$pay/$Out/$id/close", { wx_account($partner) })
        if $name eq 'close';
    return get("$refunds/R$id" . ($partner ? "?sub_mchid=$Ids->{sub_mchid}"
                                           : '')) if $name eq 'refund query';
    return json($refunds, { out_trade_no => $id, out_refund_no => "R$id",
                            $partner ? (sub_mchid => $Ids->{sub_mchid}) : (),
                            %amount }) if $name eq 'refund';
    return get("$at/v3/certificates") if $name eq 'certificates';
    return upload("$at/v3/merchant/media/upload", 'file', 'meta',
                  { filename => 'a.jpg', sha256 =>
                    Digest::SHA::sha256_hex($File) }) if $name eq 'upload';
    my $bill = $name eq 'fund bill' ? 'fundflowbill?account_type=BASIC&'
                                    : 'tradebill?bill_type=ALL&';
    $bill .= "sub_mchid=$Ids->{sub_mchid}&" if $partner;
    my $res = first_good(sub { get("$at/v3/bill/${bill}bill_date=$_[0]") },
                         days('%Y-%m-%d'));
    return $res if $name ne 'bill file';
    my ($url) = $Json->decode($res->{body})->{download_url} =~ m{//[^/]+(.*)};
    return get("$at$url");
}

sub v2 {
    my ($path, %p) = @_;
    return call($Nginx, POST => "/wxv2/$path", body => '<xml>'
                . join('', map { "<$_>$p{$_}</$_>" } sort keys %p) . '</xml>',
                heads => { 'Content-Type' => 'text/xml' });
}

sub v2_op {
    my ($name, $id) = @_;
    my %new = (body => 'x', out_trade_no => $id, total_fee => 100,
               spbill_create_ip => '203.0.113.9');
    my %bill = (bill_type => 'ALL');
    return v2('pay/unifiedorder', %new, notify_url => $Notify,
              trade_type => $1, $1 eq 'JSAPI' ? (openid => 'o1') : ())
        if $name =~ /^unifiedorder (\w+)/;
    return v2('pay/micropay', %new, auth_code => '130000000000000001')
        if $name eq 'micropay';
    return v2('secapi/pay/refund', out_trade_no => $id, refund_fee => 1,
              out_refund_no => "R$id", total_fee => 100)
        if $name eq 'refund';
    return first_good(sub { v2('pay/downloadbill', bill_date => $_[0],
                               bill_type => 'ALL') }, days('%Y%m%d'))
        if $name eq 'downloadbill';
    return first_good(sub { v2('pay/downloadfundflow', bill_date => $_[0],
                               account_type => 'Basic') }, days('%Y%m%d'))
        if $name eq 'downloadfundflow';
    return v2(($name eq 'reverse' ? 'secapi/' : '') . "pay/$name",
              out_trade_no => $id);
}

my %Biz = (total_amount => '1.00', subject => 'x');

sub ali_biz {
    my ($name, $id) = @_;
    my %more = (create => { %Biz, buyer_id => '2088' },
                pay => { %Biz, scene => 'bar_code',
                         auth_code => '280000000000000001' },
                refund => { refund_amount => '0.01',
                            out_request_no => "R$id" },
                'refund query' => { out_request_no => "R$id" },
                (map { ($_ => { %Biz }) }
                 qw(precreate page.pay wap.pay app.pay)));
    return { out_trade_no => $id, %{ $more{$name} // {} } };
}

sub ali_op {
    my ($name, $id, $row) = @_;
    my $v3 = $row->{provider} eq 'alipay_v3';
    my $one = sub {
        my $biz = shift;
        return json("/alipay" . $row->{call} =~ s/^POST //r, $biz) if $v3;
        return post_form('/alipay/gateway.do', method => $row->{call},
                         biz_content => $Json->encode($biz));
    };

    return $v3 ? upload('/alipay/v3/alipay/open/file/upload', 'file_content',
                        data => { biz_code => 'x' })
               : upload("/alipay/gateway.do?method=$row->{call}&biz_code=x",
                        'file_content') if $name eq 'upload';
    return first_good(sub { $one->({ bill_type => 'trade',
                                     bill_date => $_[0] }) },
                      days('%Y-%m-%d')) if $name eq 'bill';
    my $res = $one->(ali_biz($name, $id));
    return $res if $name !~ /^(?:page|wap|app)\.pay$/;

    # a page is opened by the payer's browser, an order string by his app

    my $url = $res->{header}{location} // $res->{body};
    $url = $Sandbox->url . "/gateway.do?$url" if $url !~ /^http/;
    return visit($url);
}

my $Time = strftime('%Y%m%d%H%M%S', gmtime(time + 8 * 3600));

sub up_op {
    my ($name, $id, $row) = @_;
    my ($path, $type, $sub) = $row->{call} =~ m{^(\S+) (\d\d)/(\d\d)$};
    my %p = (bizType => '000000', accessType => '0', txnTime => $Time,
             txnType => $type, txnSubType => $sub, orderId => $id);
    my %new = (txnAmt => 100, currencyCode => '156', backUrl => $Notify,
               channelType => '08');
    my $order = order_of($id);

    return first_good(sub { post_form('/unionpay/', %p, fileType => '00',
                                      settleDate => $_[0]) }, days('%m%d'))
        if $name eq 'file';
    my $res = post_form("/unionpay/gateway/api/$path", %p,
        $name =~ /refund|undo/
        ? (orderId => ($name eq 'undo' ? 'U' : 'R') . $id,
           txnAmt => $name eq 'undo' ? 100 : 1, backUrl => $Notify,
           origQryId => $order->{trade_no})
        : $name eq 'barcode' ? (%new, termId => '00000001',
                                qrNo => '6220000000000000001')
        : $name =~ /^encrypt/ ? (certType => '01')
        : $name eq 'query' ? () : %new);
    return $path eq 'frontTransReq.do' ? visit_form($res->{body}) : $res;
}

sub stripe_op {
    my ($name, $id, $row) = @_;
    my $pi = order_of($id);
    my $at = '/stripe/v1/payment_intents';
    my $cs = '/stripe/v1/checkout/sessions';

    if ($name =~ /^(?:intent|session)$/) {
        my $res = $name eq 'intent'
            ? post_form($at, amount => 100, currency => 'eur',
                        'metadata[out_trade_no]' => $id,
                        $row->{manual} ? (capture_method => 'manual') : ())
            : post_form($cs, mode => 'payment', success_url =>
                        'https://shop/back', client_reference_id => $id,
                        'line_items[0][quantity]' => 1,
                        'line_items[0][price_data][currency]' => 'eur',
                        'line_items[0][price_data][unit_amount]' => 100,
                        'line_items[0][price_data][product_data][name]' =>
                        'x');
        ($Made{$id}) = $res->{body} =~ /"id": ?"(\w+)"/;
        return $res;
    }
    return get("$at/$Made{$id}") if $name eq 'retrieve intent';
    return get("$cs/$Made{$id}") if $name eq 'retrieve session';
    return get("$at/search?" . form(query =>
                                    "metadata['out_trade_no']:'$id'"))
        if $name eq 'search';
    return post_form("$at/$Made{$id}/$name") if $name =~ /^ca/;
    return post_form("$cs/$Made{$id}/expire") if $name eq 'expire';
    return post_form('/stripe/v1/refunds', payment_intent => $pi->{trade_no},
                     amount => 1) if $name eq 'refund';
    return get("/stripe/v1/refunds/$pi->{refunds}[0]{refund_no}")
        if $name eq 'retrieve refund';
    return get('/stripe/v1/refunds?payment_intent=' . $pi->{trade_no});
}

sub generic_op {
    my ($name, $id, $row) = @_;
    my ($method, $path) = split / /, $row->{call};
    $Peer->plan({});
    return get($path) if $method eq 'GET';
    return post_form($path, order_no => $id) if $path =~ /md5/;
    return call($Nginx, POST => $path, heads =>
                { 'Content-Type' => 'text/xml' },
                body => "<doc><order_no>$id</order_no></doc>")
        if $path =~ /xml/;
    return json($path, { order => { id => $id } });
}

# what a provider has been called for since then

sub calls_of {
    my ($provider, $before) = @_;
    return map { "$_->{method} $_->{path}" }
           grep { $_->{check} eq 'ok' } $Peer->requests
        if $provider eq 'generic';
    return map { $_->{operation} } grep { $_->{provider} eq $provider }
           @{ $Sandbox->get("calls?after=$before")->{calls} };
}

sub by_pass {
    my ($row, $name, $id) = @_;
    my $p = $row->{provider};
    if ($p =~ /^wechat_v3/) {
        my $partner = $p =~ /partner/;
        return $name =~ /^(?:native|jsapi|app|h5)$/
            ? wx_make($partner, $name, $id) : wx_rest($partner, $name, $id);
    }
    my $op = { wechat_v2 => \&v2_op, alipay => \&ali_op, alipay_v3 => \&ali_op,
               unionpay => \&up_op, stripe => \&stripe_op,
               generic => \&generic_op }->{$p};
    return $op->($name, $id, $row);
}


# -- through paygw_api: our normal form --

my %Method = (native => 'qr', 'unifiedorder NATIVE' => 'qr', qr => 'qr',
              precreate => 'qr', jsapi => 'jsapi', create => 'jsapi',
              'unifiedorder JSAPI' => 'jsapi', app => 'app',
              'unifiedorder APP' => 'app', 'app.pay' => 'app',
              intent => 'app', h5 => 'h5', 'unifiedorder MWEB' => 'h5',
              'page.pay' => 'page', session => 'page', web => 'page',
              'wap.pay' => 'wap', micropay => 'barcode', pay => 'barcode',
              barcode => 'barcode');
my %Code = (alipay => '280000000000000001', wechat_v2 =>
            '130000000000000001', unionpay => '6220000000000000001');

my %Ref;

sub by_api {
    my ($row, $name, $id) = @_;
    my $p = $row->{provider};
    my @of = (channel => $Of{$p}, $Ref{$id} ? (ref => $Ref{$id}) : ());
    my $method = $Method{$name};

    if ($method) {
        my $res = $Api->post('/orders', $Api->order(
            order_id => $id, channel => $Of{$p}, method => $method,
            $p eq 'stripe' ? (currency => 'EUR') : (),
            $method =~ /page|wap/ ? (return_url => 'https://shop/back') : (),
            $method eq 'jsapi' ? (payer => { id => $p eq 'alipay'
                                             ? '2088101122136241' : 'o1' })
            : $method eq 'h5' ? (payer => { ip => '203.0.113.9' })
            : $method eq 'barcode'
              ? (payer => { auth_code => $Code{$p} })
            : ()));
        my $data = $res->{json}{data};
        $Ref{$id} = $data->{ref};
        my $action = $data->{action} // {};
        my $order = $action->{params}{orderStr};

        if ($res->{status} == 200) {
            visit($action->{url})
                if $p eq 'alipay' && $action->{type} eq 'redirect';
            visit($Sandbox->url . "/gateway.do?$order") if $order;
            visit_form($action->{html}) if $action->{type} eq 'form';
        }

        return $res;
    }

    return $Unknown->get("/orders/$id") if $name eq 'search';
    return $Api->post("/orders/$id/close", { @of })
        if $name =~ /^(?:closeorder|close|cancel|expire)$/;
    return $Api->post("/orders/$id/refunds",
                      { @of, refund_id => "R$id", amount => 1 })
        if $name eq 'refund' || $name eq 'refunds of a payment';

    if ($name =~ /^refund ?query$/) {
        return $Api->get("/orders/$id/refunds/R$id", @of);
    }

    return first_good(sub { $Api->get("/bills/$Of{$p}/$_[0]") },
                      days('%Y-%m-%d')) if $name =~ /bill|^file$/;
    return $Api->get("/orders/$id", @of);
}


# -- the rows --

# what has to be there before an operation: an order, made by the same handler
# by the first of these; paid; refunded

my %First = (wechat_v3 => 'native', 'wechat_v3 partner' => 'native',
             wechat_v2 => 'unifiedorder NATIVE', alipay => 'create',
             alipay_v3 => 'create', unionpay => 'qr', stripe => 'intent');
my $Makes = join '|', map { quotemeta } keys %Method;
my $Paid = qr/^(?:refund.*|undo|retrieve[ ]refund|query[ ]by[ ]transaction
                 |(?:trade[ ]|fund[ ])?bill(?:[ ]file)?|file|download\w+)$/x;
my $Refunded = qr/^(?:refund ?query|retrieve refund|refunds of a payment)$/;

sub prepared {
    my ($row, $by) = @_;
    my ($p, $name) = @$row{qw(provider name)};
    my $id = PaygwApi::number();

    $id =~ s/\W//g;
    return $id if $name =~ /^(?:$Makes|barcode|pre-authorise|session)$/
        || $name =~ /^(?:certificates|encrypt certificate|upload)$/
        || $p eq 'generic';

    my $first = $name =~ /session|expire/ ? 'session' : $First{$p};
    my ($made) = grep { $_->{provider} eq $p && $_->{name} eq $first } rows();
    my $res = $by->({ %$made, manual => $name eq 'capture' }, $first, $id);
    diag("$p: $first: $res->{body}") if $res->{status} != 200;

    pay($p, $id) if $name =~ $Paid;
    $by->((grep { $_->{provider} eq $p && $_->{name} eq 'refund' } rows())[0],
          'refund', $id) if $name =~ $Refunded;
    return $id;
}

my @Rows = rows();
cmp_ok(scalar @Rows, '>=', 87, 'operations');

for my $row (@Rows) {
    my ($p, $name) = @$row{qw(provider name)};
    my ($provider) = split / /, $p;
    my $wire = join '[^/ ]+', map { quotemeta } split /\{\}/, $row->{call}, -1;

    for my $handler (qw(pass api)) {
        my $suite = $row->{$handler};
        next if $suite eq '-';

        my $title = "$p $name by $handler";
        ok(-f "$Root/t/$suite.t", "$title: $suite.t");

        my $by = $handler eq 'pass' ? \&by_pass : \&by_api;
        my $id = prepared($row, $by);
        my $before = $Sandbox->get('calls')->{count};
        my $res = $by->($row, $name, $id);

        ok($res->{status} == 200 || $res->{status} == 204, "$title: done")
            or diag("$res->{status} $res->{body}");

        if ($handler eq 'pass') {
            like($res->{body}, $Good{$provider}, "$title: as a success");
        } elsif ($name =~ /bill|^file$/) {
            ok(length $res->{body}, "$title: a bill");
        } else {
            is($res->{json}{code}, 'OK', "$title: as a success")
                or diag($res->{body});
        }

        my @calls = calls_of($provider, $before);
        ok(scalar(grep { /^$wire$/ } @calls), "$title: it was called")
            or diag("$row->{call}: ", explain(\@calls));
    }
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
