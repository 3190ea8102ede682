# A host of an endpoint that is an "upstream {}": its servers, and nothing else
# of it; and more than one backup.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Temp ();

use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwProcess ();
use PaygwSandbox;
use PaygwTest ();

my $Peer = PaygwPeer->start;
my @Port = map { $Peer->listen } 1 .. 3;
my $Dead = PaygwProcess::free_port();
my $Create = '/wx/v3/pay/transactions/native';
my $Once = '/wx/v3/transfer/x';

sub start {
    my ($upstream, $endpoint, %o) = @_;
    return PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
            . ($upstream ? "    upstream pay.test { $upstream }\n" : '')
            . $Peer->wechat($endpoint, %{ $o{lines} // {} }),
        server => 'location /wx/ { paygw_pass wxpay; } ' . ($o{server} // ''));
}

sub end {
    my ($nginx, $what) = @_;
    ok($nginx->quit, "$what: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, "$what: no alert");
}

# calls by the port that they came to

sub ports {
    my ($nginx, $n, $what) = @_;
    $Peer->plan;
    for (1 .. $n) {
        my $res = call($nginx, POST => $Once, timeout => 25);
        is($res->{status}, 200, "$what: passed") or diag($nginx->log);
    }
    my @got = $Peer->requests;
    is(scalar @got, $n, "$what: each once");
    is(join(' ', grep { $_ ne 'ok' } map { $_->{check} } @got), '',
       "$what: signed");
    my %n;
    $n{$_->{port}}++ for @got;
    my %hosts = map { ($_->{head}{host}, 1) } @got;
    return (join(' ', map { $n{$_} // 0 } @Port), join ' ', sort keys %hosts);
}


# -- servers --

{
    my $nginx = start("server 127.0.0.1:$Port[0] weight=2; "
                      . "server 127.0.0.1:$Port[1]; "
                      . "server 127.0.0.1:$Port[2] down;", 'http://pay.test');
    my ($n, $hosts) = ports($nginx, 6, 'servers');
    is($n, '4 2 0', 'servers: by weight');
    is($hosts, 'pay.test', 'servers: the host is that of the endpoint');
    end($nginx, 'servers');

    $nginx = start("server 127.0.0.1:$Dead; server 127.0.0.1:$Port[1];",
                   'http://pay.test');
    ($n) = ports($nginx, 6, 'dead');
    is($n, '0 6 0', 'dead: the other one');
    end($nginx, 'dead');

    $nginx = start("server 127.0.0.1:$Dead; "
                   . "server 127.0.0.1:$Port[2] backup;", 'http://pay.test');
    ($n) = ports($nginx, 3, 'backup');
    is($n, '0 0 3', 'backup: of the upstream');
    end($nginx, 'backup');

    # all of its servers are dead: the next host

    $nginx = start("server 127.0.0.1:$Dead; server 127.0.0.1:$Dead;",
                   "http://pay.test backup=http://127.0.0.1:$Port[0]");
    ($n) = ports($nginx, 3, 'next host');
    is($n, '3 0 0', 'next host');
    end($nginx, 'next host');

    # of one that has got the call no other server gets it

    $nginx = start("server 127.0.0.1:$Port[0]; server 127.0.0.1:$Port[1];",
                   'http://pay.test');
    $Peer->plan({ drop => JSON::PP::true(), close => 1 }, {});
    problem_ok(call($nginx, POST => $Once), 504, 'PROVIDER-UNANSWERED',
               'E15: sent');
    is(scalar $Peer->requests, 1, 'E15: once');
    end($nginx, 'E15');
}

# -- all have failed: they are asked all the same, and not refused at once --

{
    my @port = map { PaygwProcess::free_port() } 1 .. 2;
    my $nginx = start("server 127.0.0.1:$port[0] fail_timeout=1h; "
                      . "server 127.0.0.1:$port[1] fail_timeout=1h; "
                      . "server 127.0.0.1:$Dead down;",
                      'http://pay.test', lines => { paygw_retry => 'off' });
    for my $n (1 .. 2) {
        problem_ok(call($nginx, POST => $Once), 503, 'RETRY-UNREACHABLE',
                   "all dead: $n");
        is($nginx->count(qr/Connection refused.*while connecting/), 2 * $n,
           "all dead: $n: each was asked");
    }
    $Peer->listen(port => $port[1]);
    $Peer->plan;
    is(call($nginx, POST => $Once)->{status}, 200, 'all dead: one is back');
    is(scalar $Peer->requests, 1, 'all dead: sent once');
    end($nginx, 'all dead');
}

# -- three backups --

{
    my $nginx = start('', "http://127.0.0.1:$Dead "
                      . "backup=http://127.0.0.1:" . PaygwProcess::free_port()
                      . " backup=http://127.0.0.1:$Port[0] "
                      . "backup=http://127.0.0.1:$Port[1]");
    my ($n) = ports($nginx, 4, 'backups');
    is($n, '4 0 0', 'backups: the first that can be reached');
    end($nginx, 'backups');
}

# -- its connections are not ours: others make them without a look (D4) --

{
    my $tmp = File::Temp::tempdir('paygw-up-XXXXXX', TMPDIR => 1,
                                  CLEANUP => 1);
    for my $name ('ours', 'theirs') {
        system("openssl req -x509 -newkey rsa:2048 -nodes -days 30 "
               . "-subj /CN=$name -addext subjectAltName=DNS:pay.test "
               . "-keyout $tmp/$name.key -out $tmp/$name.crt "
               . "> $tmp/log 2>&1") == 0 or die `cat $tmp/log`;
    }
    my $raw = <<'CONF';
        location /raw/ {
            proxy_pass https://pay.test/; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_ssl_session_reuse off;
        }
CONF
    for my $case ([ 'theirs', 503 ], [ 'ours', 200 ]) {
        my ($cert, $want) = @$case;
        my $port = $Peer->listen(tls => [ "$tmp/$cert.crt",
                                          "$tmp/$cert.key" ]);
        my $nginx = start("server 127.0.0.1:$port; keepalive 8;",
                          'https://pay.test', server => $raw, lines =>
                          { proxy_ssl_trusted_certificate =>
                                "$tmp/ours.crt" });
        $Peer->plan;
        call($nginx, POST => '/raw/v3/x', body => '{}') for 1 .. 2;
        is(scalar $Peer->requests, 2, "D4: $cert: without a look");
        $Peer->plan;
        is(call($nginx, POST => $Create, timeout => 25)->{status}, $want,
           "D4: $cert")
            for 1 .. 2;
        my @got = $Peer->requests;
        is(scalar @got, $want == 200 ? 2 : 0, "D4: $cert: sent");
        is(join(' ', map { $_->{sni} } @got),
           join(' ', ('pay.test') x @got), "D4: $cert: SNI");
        ok($nginx->quit, "D4: $cert: quits");
    }
}

# -- certificates are fetched from it, too --

{
    my $sandbox = PaygwSandbox->start;
    my ($port) = $sandbox->url =~ /:(\d+)$/;
    my $channel = $sandbox->wechat(platform_certificates => 'auto retry=1s')
        =~ s{endpoint http://\S+;}{endpoint http://pay.test;}r;
    my $nginx = PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n    upstream pay.test { "
            . "server 127.0.0.1:$Dead; server 127.0.0.1:$port; }\n$channel",
        server => 'location /wx/ { paygw_pass wxpay; paygw_deadline 20s; }');
    my $res;
    ok($nginx->wait_for(sub {
        $res = call($nginx, GET =>
            '/wx/v3/pay/transactions/out-trade-no/NONE?mchid='
            . $sandbox->{ids}{mchid}, timeout => 20);
        return $res->{status} == 404;
    }, 30), 'fetched: the answer is verified') or diag($nginx->log);
    is($res->{header}{'x-paygw-verified'}, 'signature', 'fetched: signature');
    ok($nginx->quit, 'fetched: quits');
}

done_testing();
