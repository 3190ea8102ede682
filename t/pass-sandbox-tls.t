# Refunds of WeChat Pay v2, for which the provider wants the certificate of the
# merchant in TLS: the sandbox asks for it.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Temp ();

use PaygwApi;
use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwSandbox;

my $Tmp = File::Temp::tempdir('paygw-stls-XXXXXX', TMPDIR => 1,
                              CLEANUP => 1);

system('openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=x '
       . "-addext subjectAltName=DNS:localhost -keyout $Tmp/x.key "
       . "-out $Tmp/x.crt > $Tmp/log 2>&1") == 0 or die 'openssl';

my $Sandbox = PaygwSandbox->start(tls => [ "$Tmp/x.crt", "$Tmp/x.key" ]);
my $D = "$Sandbox->{dir}/wechat";
my @Own = (proxy_ssl_trusted_certificate => "$Tmp/x.crt",
           proxy_ssl_name => 'localhost',
           proxy_read_timeout => '20s', paygw_breaker => 'off',
           notify_url => 'http://127.0.0.1:1/n');

# a channel of another name, without the merchant's certificate of its own

sub bare {
    my ($name, @more) = @_;
    my $conf = $Sandbox->wechat_v2(@Own) =~ s/wxv2 \{/$name {/r
               =~ s/^ *merchant_\w+ .*\n//gmr;
    my %more = @more;
    my $lines = join '', map { "        $_ $more{$_};\n" } sort keys %more;
    return $conf =~ s/\n    \}\n\z/\n$lines    }\n/r;
}

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:2m;\n    paygw_deadline 30s;\n"
        . $Sandbox->wechat_v2(@Own)
        . bare('bare')
        . bare('lines',
               proxy_ssl_certificate => "$D/apiclient_cert.pem",
               proxy_ssl_certificate_key => "$D/apiclient_key.pem")
        . bare('other',
               merchant_certificate => "$D/platform_cert_b.pem",
               merchant_private_key => "$D/platform_key_b.pem")
        . bare('rogue', merchant_certificate => "$Tmp/x.crt",
               merchant_private_key => "$Tmp/x.key"),
    server => join('', map { "location /$_/ { paygw_pass $_; }" }
                   qw(wxv2 bare lines other rogue))
        . join '', map { "location /api/$_/ { paygw_api $_; }" }
          qw(wxv2 bare));

sub wx {
    my ($path, %p) = @_;
    my $res = call($Nginx, POST => $path, timeout => 30,
                   heads => { 'Content-Type' => 'text/xml' }, body =>
                   '<xml>' . join('', map { "<$_>$p{$_}</$_>" } sort keys %p)
                   . '</xml>');
    $res->{f} = { $res->{body} =~ /<(\w+)><!\[CDATA\[(.*?)\]\]>/g };
    return $res;
}

sub order { return $Sandbox->get("orders/$_[0]?provider=wechat_v2") }

sub refund {
    my ($channel, $id) = @_;
    return wx("/$channel/secapi/pay/refund", out_trade_no => $id,
              total_fee => 100, out_refund_no => "R$id", refund_fee => 1);
}

my $Id = sprintf 'C%dr%06d', $$, rand 1e6;

# what does not ask for it needs none

is(wx('/bare/pay/unifiedorder', body => 'x', out_trade_no => $Id,
      total_fee => 100, spbill_create_ip => '127.0.0.1',
      notify_url => 'http://127.0.0.1:1/n', trade_type => 'NATIVE')
       ->{f}{result_code}, 'SUCCESS', 'without: made')
    or diag($Nginx->log);
$Sandbox->post("orders/$Id/pay?provider=wechat_v2", {});
is(wx('/bare/pay/orderquery', out_trade_no => $Id)->{f}{trade_state},
   'SUCCESS', 'without: query');

# the provider's page for paths that do, which is no answer of the interface

open my $fh, '-|', 'curl', '-sk', '-w', '%{http_code}', '-d', '<xml/>',
     $Sandbox->url . '/secapi/pay/refund' or die $!;
my $page = join '', <$fh>;
like($page, qr/No required SSL certificate was sent.*400$/s,
     'without, by curl: the page');

problem_ok(wx('/bare/secapi/other', out_trade_no => $Id), 502,
           'PROVIDER-UNVERIFIED', 'without: the page');
ok($Nginx->wait_for(sub { $Nginx->log =~ /status 400/ }),
   'without: the page: log') or diag($Nginx->log);
is(wx("/$_/secapi/other", out_trade_no => $Id)->{f}{err_code},
   $_ eq 'other' ? 'CERT_ERROR' : 'PARAM_ERROR', "$_: another path")
    for qw(wxv2 lines other);

# refunds, undoing and the bill of funds are not even sent

my $before = $Sandbox->get('calls')->{count};

for my $case ([ refund => 'secapi/pay/refund' ],
              [ reverse => 'secapi/pay/reverse' ],
              [ 'bill of funds' => 'pay/downloadfundflow' ])
{
    my ($what, $path) = @$case;
    problem_ok(wx("/bare/$path", out_trade_no => $Id, total_fee => 100,
                  out_refund_no => "R$Id", refund_fee => 1), 400,
               'CLIENT-BAD_REQUEST', "without: no $what",
               message => qr/merchant's certificate/);
}

is($Sandbox->get('calls')->{count}, $before, 'without: none is sent');

my $res = refund('other', $Id);
is("$res->{status} " . ($res->{f}{err_code} // $res->{body}),
   '200 CERT_ERROR', "another merchant's: no refund");
isnt(refund('rogue', $Id)->{status}, 200, "nobody's: no refund");
is_deeply(order($Id)->{refunds}, [], 'nothing was refunded');

is(refund('wxv2', $Id)->{f}{result_code}, 'SUCCESS',
   'merchant_certificate: refund') or diag($Nginx->log);
is(scalar @{ order($Id)->{refunds} }, 1, 'merchant_certificate: refunded');
is(refund('wxv2', $Id)->{f}{result_code}, 'SUCCESS',
   'merchant_certificate: the same refund');
is(scalar @{ order($Id)->{refunds} }, 1, 'merchant_certificate: one refund');

# and the unified API

for my $channel (qw(bare wxv2)) {
    my $api = PaygwApi->new($Nginx, "/api/$channel");
    my $id = PaygwApi::number() =~ s/\W//gr;
    $res = $api->post('/orders', $api->order(
        order_id => $id, channel => $channel, method => 'qr'));
    is($res->{json}{code}, 'OK', "api: $channel: made") or diag($res->{body});
    $Sandbox->post("orders/$id/pay?provider=wechat_v2", {});
    $res = $api->post("/orders/$id/refunds",
                      { channel => $channel, refund_id => "R$id",
                        amount => 1 });

    if ($channel eq 'wxv2') {
        is($res->{json}{code}, 'OK', 'api: refunded') or diag($res->{body});
        is(scalar @{ order($id)->{refunds} }, 1, 'api: one refund');
        next;
    }

    is($res->{json}{code}, 'CLIENT-UNSUPPORTED', 'api: without: no refund');
    is_deeply(order($id)->{refunds}, [], 'api: without: nothing refunded');
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
