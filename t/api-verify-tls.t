# Stripe signs nothing, so that TLS is all that there is: with one byte of what
# a middle man hands on changed, of the handshake or of the answer, nothing of
# the provider is ever seen.  Positions are a sample of all.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Temp ();
use JSON::PP ();

use PaygwNginx;
use PaygwPeer qw(call);
use PaygwProcess qw(free_port spawn wait_for);
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Step = $ENV{TEST_NGINX_USE_VALGRIND} ? 11 : 1;
my $Json = JSON::PP->new->utf8->canonical;

my $Tmp = File::Temp::tempdir('paygw-flip-XXXXXX', TMPDIR => 1,
                              CLEANUP => 1);
open my $fh, '>', "$Tmp/live" or die $!;
print $fh "sk_live_1\n";
close $fh;
chmod 0600, "$Tmp/live";
system('openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 '
       . "-nodes -days 30 -subj /CN=x -addext subjectAltName=DNS:localhost "
       . "-keyout $Tmp/x.key -out $Tmp/x.crt > $Tmp/log 2>&1") == 0
    or die `cat $Tmp/log`;

my $to = $Peer->listen(tls => [ "$Tmp/x.crt", "$Tmp/x.key" ]);
my $step = 19 * $Step;
my (%Port, %Relay);

for my $by (qw(api pass)) {
    $Port{$by} = free_port();
    $Relay{$by} = PaygwProcess->new;
    $Relay{$by}{pid} = spawn("$Tmp/out", '/usr/bin/python3', '-B',
                             "$PaygwTest::Root/t/lib/flip_relay.py",
                             $Port{$by}, $to, $step, "$Tmp/$by");
}

my $Nginx = PaygwNginx->start(
    level => 'error',
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    paygw_binding off;\n"
        . join('', map { $Peer->stripe("https://127.0.0.1:$Port{$_}",
              -name => $_, livemode => 'on',
              secret_key => "file:$Tmp/live", paygw_retry => 'off',
              proxy_ssl_trusted_certificate => "$Tmp/x.crt",
              proxy_ssl_name => 'localhost', proxy_ssl_session_reuse => 'off',
              proxy_read_timeout => '3s') } qw(api pass)),
    server => 'location /api/ { paygw_api api; }'
        . 'location /pass/ { paygw_pass pass; }');
wait_for(sub { -e "$Tmp/api" && -e "$Tmp/pass" }, 10);      # they listen

my %Order = (order_id => 'T202501020001', amount => 100, currency => 'CNY',
             subject => 'tea', method => 'app');
my $answer = { body => $Json->encode({
    id => 'pi_1', object => 'payment_intent', livemode =>
    JSON::PP::true, status => 'requires_payment_method', amount => 100,
    amount_received => 0, currency => 'cny', client_secret =>
    'pi_1_secret_MARK', metadata => { out_trade_no => 'T202501020001' } }),
    headers => { Connection => 'close' } };

my %Call = (
    api => sub { call($Nginx, POST => '/api/orders',
                      body => $Json->encode(\%Order), heads =>
                          { 'Content-Type' => 'application/json' }) },
    pass => sub { call($Nginx, POST => '/pass/v1/payment_intents',
                       body => 'amount=100&currency=cny', heads =>
                           { 'Content-Type' =>
                             'application/x-www-form-urlencoded' }) },
);

for my $by (qw(api pass)) {
    my ($total, $good, @leaks, %told) = (1);

    for (my $n = 0; $n * $step <= $total; $n++) {
        $Peer->plan($answer);
        my $res = $Call{$by}->();
        my $text = $res->{body} =~ s/"request_id":"\w+"//r;
        if (!$n) {
            $good = "$res->{status} $text";
            is($res->{status}, 200, "$by: the answer is taken as it is")
                or diag($res->{body}, $Nginx->log);
            like($res->{body}, qr/secret_MARK/, "$by: and told");
            wait_for(sub { open $fh, '<', "$Tmp/$by" or return 0;
                           ($total) = (<$fh> // '') =~ /(\d+)/ }, 10);
            next;
        }
        my $code = ($res->{body} =~ /^\{"code":"([^"]+)/)[0] // 'none';
        $told{$code}++;

        # the last bytes are those of the end of the connection

        next if $n * $step > $total - 40 && "$res->{status} $text" eq $good;
        push @leaks, "$n: $res->{status} $res->{body}"
            if $code eq 'RETRY-UNREACHABLE' ? $res->{body} =~ /MARK|pi_1/
               : $code ne 'PROVIDER-UNANSWERED'
                 || $res->{body} !~ /"outcome":"unknown"/
                 || "$res->{raw}$res->{body}" =~ /MARK|pi_1|req_1/;
    }

    is("@leaks", '', "$by: nothing is seen of what was changed");
    cmp_ok($told{'RETRY-UNREACHABLE'} // 0, '>', 10 / $Step,
           "$by: nobody else is told the key");
    cmp_ok($told{'PROVIDER-UNANSWERED'} // 0, '>', 10 / $Step,
           "$by: unknown");
}

ok($Nginx->quit, 'quits');

# nginx has a higher level for some of what a handshake, or a record, can be

unlike($Nginx->log =~ s/^.*SSL_(?:do_handshake|read)\(\) failed.*\n//mgr,
       qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
