# TLS of calls: D4, outgoing TLS is verified, and cannot be told not to be.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwCerts;
use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Certs = PaygwCerts->new;
my $Tmp = $Certs->{dir};
my $Create = '/wx/v3/pay/transactions/native';

$Certs->ca('ca');
$Certs->ca('otherca');
$Certs->cert('good', 'ca', 'IP:127.0.0.1,DNS:localhost');
$Certs->cert('wrong', 'ca', 'DNS:pay.example.com');
$Certs->cert('expired', 'ca', 'IP:127.0.0.1,DNS:localhost', 'ended');

my %Port = map { ($_, $Peer->listen(tls => [ "$Tmp/$_.crt", "$Tmp/$_.key" ])) }
           qw(good wrong expired);
my $Plain = $Peer->listen;

sub weak {
    my ($version, $ciphers) = @_;
    return $Peer->listen(tls => [ "$Tmp/good.crt", "$Tmp/good.key" ],
                         weak => [ $version, $ciphers ]);
}

sub start {
    my ($endpoint, %o) = @_;
    my %lines = %{ $o{lines} || {} };
    return PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n"
            . (($o{more} // '') =~ /paygw_deadline/
               ? '' : "    paygw_deadline 30s;\n") . ($o{more} // '')
            . $Peer->wechat($endpoint, proxy_ssl_trusted_certificate =>
                                "$Tmp/ca.crt", %lines),
        server => 'location /wx/ { paygw_pass wxpay; } ' . ($o{raw} // ''));
}

sub end {
    my ($nginx, $what) = @_;
    ok($nginx->quit, "$what: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, "$what: no alert");
}


# -- a good one, by its name and under another --

for my $case ([ 'localhost', {} ],
              [ '127.0.0.1', { proxy_ssl_name => 'localhost' } ])
{
    my ($host, $lines) = @$case;
    my $nginx = start("https://$host:$Port{good}", lines => $lines);
    $Peer->plan;
    is(call($nginx, POST => $Create)->{status}, 200, "$host: passed")
        for 1 .. 3;
    my @got = $Peer->requests;
    is(join(' ', map { $_->{check} } @got), 'ok ok ok', "$host: signed");
    is($got[0]{sni}, 'localhost', "$host: SNI");
    is($got[0]{head}{host}, "$host:$Port{good}", "$host: Host");
    is($got[2]{conn}, $got[0]{conn}, "$host: the connection is kept");

    # a session is used again, and is no way around the name

    $Peer->plan({ close => 1 }, {});
    call($nginx, POST => $Create) for 1 .. 2;
    @got = $Peer->requests;
    isnt($got[1]{conn}, $got[0]{conn}, "$host: another connection");
    ok($got[1]{reused}, "$host: the session is used again");
    end($nginx, $host);
}

# -- and those that are not --

my $Handshake = qr/SSL_do_handshake\(\)|in SSL handshake/;

for my $case (
    [ 'another CA', "https://localhost:$Port{good}",
      { proxy_ssl_trusted_certificate => "$Tmp/otherca.crt" },
      qr/upstream SSL certificate verify error/ ],
    [ 'the CAs of the system', "https://localhost:$Port{good}",
      { proxy_ssl_trusted_certificate => undef },
      qr/upstream SSL certificate verify error/ ],
    [ 'another name', "https://localhost:$Port{wrong}", {},
      qr/upstream SSL certificate does not match/ ],
    [ 'one that has ended', "https://localhost:$Port{expired}", {},
      qr/certificate has expired/ ],
    [ 'no TLS', "https://localhost:$Plain", {}, $Handshake ],
    [ 'TLS 1.1', 'https://localhost:' . weak('TLSv1_1', 'ALL'), {},
      $Handshake ],
    [ 'no certificate', 'https://localhost:' . weak('TLSv1_2', 'aNULL'), {},
      $Handshake ],
    [ 'no encryption', 'https://localhost:' . weak('TLSv1_2', 'eNULL'), {},
      $Handshake ],
) {
    my ($what, $url, $lines, $log) = @$case;

    # neither http{} nor another location lends a connection without a look;
    # nginx never frees a session of its own upstreams, so there are none

    my $nginx = start($url, lines => $lines,
        more => "    proxy_ssl_verify off; proxy_ssl_session_reuse off;\n"
            . "    proxy_http_version 1.1; proxy_ssl_name localhost;\n"
            . "    proxy_ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;\n"
            . "    proxy_ssl_ciphers ALL:COMPLEMENTOFALL:\@SECLEVEL=0;\n"
            . "    proxy_ssl_conf_command Options UnsafeLegacyServerConnect;\n",
        raw => "location /raw/ { proxy_pass $url/; "
            . 'proxy_set_header Connection ""; proxy_ssl_server_name on; }');
    $Peer->plan;
    call($nginx, POST => '/raw/v3/x', body => '{}') for 1 .. 2;
    is(scalar $Peer->requests, 2, "D4: $what: others do")
        if $what ne 'no TLS';
    $Peer->plan;
    for (1 .. 2) {
        problem_ok(call($nginx, POST => $Create, body => '{"secret":1}'),
                   503, 'RETRY-UNREACHABLE', "D4: $what");
    }
    is(scalar $Peer->requests, 0, "D4: $what: nothing is sent");
    like($nginx->log, $log, "D4: $what: log");
    ok($nginx->quit, "D4: $what: quits");
}

# -- a certificate of ours is shown where a channel says so, and only there --

{
    my @tls = ("$Tmp/good.crt", "$Tmp/good.key");
    my $port = $Peer->listen(tls => \@tls, ask => "$Peer->{keys}/mch.crt");
    my $own = "proxy_ssl_certificate $Peer->{keys}/mch.crt; "
        . "proxy_ssl_certificate_key $Peer->{keys}/mch.key;";

    for my $where (qw(http channel)) {
        my $nginx = start("https://localhost:$port",
            $where eq 'http' ? (more => "    $own\n")
            : (lines => { proxy_ssl_certificate => "$Peer->{keys}/mch.crt",
                          proxy_ssl_certificate_key =>
                              "$Peer->{keys}/mch.key" }),
            raw => "location /raw/ { proxy_ssl_session_reuse off; "
                   . "proxy_pass https://localhost:$port/; }");
        $Peer->plan;
        is(call($nginx, POST => $Create)->{status}, 200, "$where: passed");
        call($nginx, POST => '/raw/v3/x', body => '{}');
        my ($call, $raw) = map { defined $_->{client} ? 'shown' : 'none' }
                           $Peer->requests(2);
        is($call, $where eq 'http' ? 'none' : 'shown',
           "E3: a certificate in $where: the provider");
        is($raw, $where eq 'http' ? 'shown' : 'none',
           "E3: a certificate in $where: others");
        end($nginx, $where);
    }
}

# -- the other host has another certificate, or none that verifies --

{
    my $nginx = start("https://localhost:$Port{wrong} "
                      . "backup=https://localhost:$Port{good}");
    $Peer->plan;
    is(call($nginx, POST => $Create)->{status}, 200, 'backup: is asked');
    my @got = $Peer->requests;
    is(scalar @got, 1, 'backup: once');
    is($got[0]{sni}, 'localhost', 'backup: under its own name');
    end($nginx, 'backup');
}

# -- names that are looked up while nginx runs --

{
    my $dns = $Peer->do('dns');
    $Certs->cert('name', 'ca', 'DNS:pay.test');
    my @tls = ("$Tmp/name.crt", "$Tmp/name.key");
    my $port = $Peer->listen(tls => \@tls);
    $Peer->listen(tls => \@tls, port => $port, address => '127.0.0.2');

    # the name may be unknown when nginx begins, and nothing is sent then

    my $nginx = start("https://pay.test:$port", more =>
                      "    resolver 127.0.0.1:$dns valid=1s ipv6=off;\n"
                      . "    resolver_timeout 1s;\n");
    $Peer->plan;
    problem_ok(call($nginx, POST => $Create), 503, 'RETRY-UNREACHABLE',
               'name: unknown');
    like($nginx->log, qr/pay\.test could not be resolved \(3: Host not found/,
         'name: log');

    $Peer->do('names', names => { 'pay.test' => [ '127.0.0.1' ] });
    ok($nginx->wait_for(sub {
           call($nginx, POST => $Create)->{status} == 200 }, 10),
       'name: known');
    is(call($nginx, POST => $Create)->{status}, 200, 'name: still');
    my @got = $Peer->requests;
    is($got[-1]{conn}, $got[-2]{conn}, 'name: the connection is kept');
    is($got[-1]{sni}, 'pay.test', 'name: SNI');
    is($got[-1]{head}{host}, "pay.test:$port", 'name: Host');

    $Peer->plan({ close => 1 }, {});
    call($nginx, POST => $Create) for 1 .. 2;
    @got = $Peer->requests;
    isnt($got[1]{conn}, $got[0]{conn}, 'name: another connection');
    ok($got[1]{reused}, 'name: the session is used again');

    # it moves, and so do the calls

    $Peer->do('names', names => { 'pay.test' => [ '127.0.0.2' ] });
    ok($nginx->wait_for(sub {
           $Peer->plan;
           call($nginx, POST => $Create);
           ($Peer->requests)[0]{conn} != $got[-1]{conn} }, 10),
       'name: another address');

    # two addresses, one of them dead

    $Peer->do('names', names => { 'pay.test' => [ '127.0.0.3',
                                                  '127.0.0.2' ] });
    sleep 2;
    is(call($nginx, POST => $Create)->{status}, 200, 'name: two addresses')
        for 1 .. 3;

    # nobody answers: the deadline, and a caller that leaves

    $Peer->do('names', names => { 'pay.test' => undef });
    sleep 3;
    $Peer->plan;
    PaygwTest::abort_client(PaygwPeer::begin_call($nginx, POST => $Create));
    problem_ok(call($nginx, POST => $Create), 503, 'RETRY-UNREACHABLE',
               'name: silence');
    is(scalar $Peer->requests, 0, 'name: nothing is sent');
    end($nginx, 'name');

    $nginx = start("https://pay.test:$port", more =>
                   "    resolver 127.0.0.1:$dns ipv6=off;\n"
                   . "    paygw_deadline 1s;\n");
    problem_ok(call($nginx, POST => $Create), 503, 'RETRY-UNREACHABLE',
               'name: the deadline');
    end($nginx, 'name: the deadline');
}

done_testing();
