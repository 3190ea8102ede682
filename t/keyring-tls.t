# The way to the provider: TLS, the other host, names, a killed worker.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use IO::Socket::INET ();

use PaygwCerts;
use PaygwNginx;
use PaygwSandbox;
use PaygwTest ();

my $Shop = PaygwTest::shop_port();
my $Certs = PaygwCerts->new;
my $Tmp = $Certs->{dir};
my $Notify = "location = /n { paygw_notify wxpay; "
    . "proxy_pass http://127.0.0.1:$Shop; }";

$Certs->ca('ca');
$Certs->ca('otherca');
$Certs->cert('good', 'ca', 'IP:127.0.0.1,DNS:localhost');
$Certs->cert('wrong', 'ca', 'DNS:pay.example.com');

my $Good = PaygwSandbox->start(tls => [ "$Tmp/good.crt", "$Tmp/good.key" ]);

sub http {
    my ($sandbox, @more) = @_;
    return ($PaygwTest::Store eq 'redis'
            ? "    paygw_store redis://127.0.0.1:$PaygwTest::RedisPort;\n"
            : '')
        . "    paygw_zone keyring:2m;\n"
        . $sandbox->wechat(platform_certificates =>
                               'auto interval=3600s retry=1s', @more);
}

sub start {
    my ($sandbox, $more, %o) = @_;
    return PaygwNginx->start(http => http($sandbox, @$more),
                             server => $Notify, %o);
}

# what is slow by valgrind may take longer than a provider waits

sub notify {
    my ($sandbox, $nginx, %faults) = @_;
    my $status;
    for (1 .. $PaygwNginx::Slow) {
        my $order = $sandbox->order('wechat_v3',
                                    "http://127.0.0.1:$nginx->{port}/n");
        $status = $sandbox->callback($order, %faults) and last;
    }
    return $status;
}

sub end {
    my ($nginx, $what) = @_;
    ok($nginx->quit, "$what: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, "$what: no alert");
}


# -- verified --

{
    my $nginx = start($Good, [ proxy_ssl_trusted_certificate =>
                                   "$Tmp/ca.crt" ]);
    is(notify($Good, $nginx), 204, 'tls: an address');
    end($nginx, 'tls');

    local $Good->{tls} = 0;
    my $conf = http($Good, proxy_ssl_trusted_certificate => "$Tmp/ca.crt")
               =~ s{http://127\.0\.0\.1:(\d+)}{https://localhost:$1}r;
    $Good->{tls} = 1;
    $nginx = PaygwNginx->start(http => $conf, server => $Notify);
    is(notify($Good, $nginx), 204, 'tls: a name');
    end($nginx, 'name');
}


# -- D4's twin: outgoing TLS is verified, and cannot be told not to be --

{
    my %why = (
        'otherca' => qr/cannot be fetched: certificate does not verify/,
        '' => qr/cannot be fetched: certificate does not verify/,
    );

    for my $ca (sort keys %why) {
        my $nginx = start($Good, $ca ? [ proxy_ssl_trusted_certificate =>
                                             "$Tmp/$ca.crt" ] : []);
        is(notify($Good, $nginx), 503, 'D4: nothing came');
        ok($nginx->wait_for(sub { $nginx->log =~ $why{$ca} }, 4),
           'D4: ' . ($ca || 'the system') . ' does not know the issuer')
            or diag($nginx->log);
        end($nginx, 'D4');
    }

    my $wrong = PaygwSandbox->start(tls => [ "$Tmp/wrong.crt",
                                             "$Tmp/wrong.key" ]);
    my $nginx = start($wrong, [ proxy_ssl_trusted_certificate =>
                                    "$Tmp/ca.crt" ]);
    is(notify($wrong, $nginx), 503, 'D4: another name');
    like($nginx->log,
         qr/cannot be fetched: certificate does not match the address/,
         'D4: says so');
    end($nginx, 'another name');

    local $wrong->{tls} = 0;
    my $conf = http($wrong, proxy_ssl_trusted_certificate => "$Tmp/ca.crt")
               =~ s{http://127\.0\.0\.1:(\d+)}{https://localhost:$1}r;
    $wrong->{tls} = 1;
    $nginx = PaygwNginx->start(http => $conf, server => $Notify);
    is(notify($wrong, $nginx), 503, 'D4: another host name');
    like($nginx->log,
         qr/cannot be fetched: certificate does not match the name/,
         'D4: says so too');
    end($nginx, 'another host name');
    $wrong->stop;

    like(PaygwNginx->test(server => $Notify, http =>
             http($Good, proxy_ssl_verify => 'off')),
         qr/"proxy_ssl_verify" of channel "wxpay" cannot be turned off/,
         'D4: no switch');
}

my $Plain = PaygwSandbox->start;


# -- a peer that speaks no TLS --

{
    my $conf = http($Plain)
               =~ s{http://127\.0\.0\.1}{https://127.0.0.1}r;
    my $nginx = PaygwNginx->start(http => $conf, server => $Notify);
    is(notify($Plain, $nginx), 503, 'no tls: nothing came');
    ok($nginx->wait_for(sub {
           $nginx->log =~ /cannot be fetched: provider refused SSL/ }, 4),
       'no tls: says so');
    end($nginx, 'no tls');
}


# -- without TLS only on this machine --

for my $bad (
    [ 'http://192.0.2.1', qr/must be "https:\/\/"/ ],
    [ 'https://192.0.2.1/v3', qr/must have no path/ ],
    [ 'ftp://192.0.2.1', qr/it must begin with "https:\/\/"/ ],
    [ 'https://', qr/it must begin with "https:\/\/"/ ],
    [ 'https://192.0.2.1 back=https://192.0.2.2',
      qr/must be "URL \[backup=URL\]"/ ],
    [ 'https://no-such-name.invalid', qr/host not found in "endpoint"/ ],
    [ 'https://192.0.2.1; endpoint https://192.0.2.1',
      qr/"endpoint" of channel "wxpay" is duplicate/ ],
) {
    my $conf = http($Plain) =~ s{(endpoint )[^;]*}{$1$bad->[0]}r;
    like(PaygwNginx->test(http => $conf, server => $Notify), $bad->[1],
         "endpoint: $bad->[0]");
}

like(PaygwNginx->test(http => http($Plain) =~ s/paygw_zone.*//r,
                      server => $Notify),
     qr/needs a zone, add "paygw_zone|no store/, 'needs a zone');
like(PaygwNginx->test(http => http($Plain) =~ s/auto interval/now interval/r,
                      server => $Notify),
     qr/"platform_certificates" of channel "wxpay" must be "auto"/,
     'only auto');

for my $bad ('interval=25h', 'interval=0', 'interval=x', 'retry=0',
             'retry=25h')
{
    my $conf = http($Plain) =~ s/auto interval.*?;/auto $bad;/r;
    like(PaygwNginx->test(http => $conf, server => $Notify),
         qr/has an invalid "(?:interval|retry)"/, "refused: $bad");
}

like(PaygwNginx->test(server => $Notify, http =>
         http($Plain) =~ s/ *merchant_(?:private_key|certificate).*\n//gr),
     qr/no "merchant_private_key" is defined/, 'needs our key');


# -- two channels that trust what the system trusts --

like(PaygwNginx->test(server => $Notify, http => http($Good)
         . $Good->wechat(platform_certificates => 'auto')
           =~ s/paygw_channel wxpay/paygw_channel other/r),
     qr/test is successful/, 'two channels, the CAs of the system');


# -- the backup host --

{
    my $dead = do {
        my $s = IO::Socket::INET->new(Listen => 1,
                                      LocalAddr => '127.0.0.1');
        $s->sockport;
    };
    my $conf = http($Plain) =~ s{(endpoint )([^;]*)}
                                {$1http://127.0.0.1:$dead backup=$2}r;
    my $nginx = PaygwNginx->start(http => $conf, server => $Notify);
    is(notify($Plain, $nginx), 204, 'backup: asked');
    like($nginx->log, qr/cannot be fetched: no address is left/,
         'backup: the first one is named');
    end($nginx, 'backup');
}


# -- a worker is killed while it fetches: the next one does --

{
    $Plain->keys(lie => 'slow');
    my $nginx = start($Plain, [ platform_certificate =>
        "$Plain->{dir}/wechat/platform_cert_b.pem" ], workers => 2);
    ok($nginx->wait_for(sub { $Plain->fetches('wechat_v3') >= 1 }, 4),
       'killed: it fetches');
    $Plain->keys(lie => '');
    kill 'KILL', $nginx->workers;
    ok($nginx->wait_for(sub { $nginx->workers == 2 }, 5),
       'killed: other workers');
    is(notify($Plain, $nginx, key => 'b'), 204, 'killed: they work');
    ok($nginx->wait_for(sub { notify($Plain, $nginx) == 204 }, 40),
       'killed: and fetch when the lease is over');
    $nginx->quit;
}


# -- a worker that is told to end lets go --

{
    $Plain->keys(lie => 'slow');
    my $before = $Plain->fetches('wechat_v3');
    my $nginx = start($Plain, [ platform_certificate =>
        "$Plain->{dir}/wechat/platform_cert_b.pem" ]);
    ok($nginx->wait_for(sub { $Plain->fetches('wechat_v3') > $before }, 4),
       'quit: it fetches');
    select undef, undef, undef, 0.5;
    my $begin = time;
    ok($nginx->quit, 'quit: ends');
    cmp_ok(time - $begin, '<=', 3, 'quit: at once');
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'quit: no alert');
    $Plain->keys(lie => '');
}

done_testing();
