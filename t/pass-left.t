# A caller that leaves while the provider is being called ends nothing but his
# own wait, over HTTP/2 too, where nginx learns of it at once: the call has its
# outcome, is sent again where it has to be, and its steps are all made.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Socket ();
use Time::HiRes ();

use PaygwFiles ();
use PaygwNginx;
use PaygwPeer qw(call);
use PaygwProcess ();
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Files = PaygwFiles->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Dead = 'http://127.0.0.1:' . PaygwProcess::free_port();
my $Create = '/v3/pay/transactions/native';
my $Port = PaygwProcess::free_port();
my $Retry = 'paygw_retry 3 base=100ms jitter=0;';

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    log_format k '\$http_x_n \$paygw_result';\n"
        . $Peer->wechat($Url, notify_url => "$Url/n", paygw_retry => undef)
        . $Peer->wechat("$Dead backup=$Url", -name => 'dead',
                        mchid => '1900009192', paygw_retry => undef)
        . $Peer->wechat($Url, -name => 'quick', mchid => '1900009194',
                        paygw_retry => undef, proxy_read_timeout =>
                            1500 * $PaygwNginx::Slow . 'ms')
        . $Files->channel(-name => 'files', mchid => '1900009193',
                          proxy_read_timeout => '60s'),
    server => "listen 127.0.0.1:$Port http2; access_log logs/k.log k; "
        . "location /wx/ { paygw_pass wxpay; $Retry } "
        . 'location /file/ { paygw_pass files; paygw_answer_max 16k; } '
        . "location /quick/ { paygw_pass quick; $Retry } "
        . "location /dead/ { paygw_pass dead; $Retry } "
        . 'location /pay/ { paygw_binding off; paygw_api wxpay; } '
        . 'location = /plain { return 200 "plain"; }');

sub outcome {
    my $n = shift;
    my $line = '';
    $Nginx->wait_for(sub {
        open my $fh, '<', "$Nginx->{dir}/logs/k.log" or return 0;
        ($line) = map { /^\Q$n\E (.*)/ ? $1 : () } <$fh>;
        return defined $line;
    }, 15);
    return $line;
}

# a few frames of HTTP/2: a request as its stream 1

sub frame {
    my ($type, $flags, $stream, $data) = @_;
    return pack('nCCCN', length($data) >> 8, length($data) & 255, $type,
                $flags, $stream) . $data;
}

sub h2 {
    my ($n, $uri, $body, %o) = @_;
    my @field = map { join '', map { pack('C', length) . $_ } @$_ }
                [ ':method', 'POST' ], [ ':scheme', 'http' ],
                [ ':path', $uri ], [ ':authority', 'localhost' ],
                [ 'x-n', $n ], [ 'content-type', 'application/json' ];
    $field[0] = "\7:method\3GET" if $body eq '';
    my $s = PaygwTest::server_connect($Port);
    print $s "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(4, 0, 0, ''),
        frame(1, 4, 1, join '', map { "\0$_" } @field),
        frame(0, 1, 1, $body);
    $s->flush;
    return $s;
}

my %Ways = (
    'HTTP/2, RST_STREAM' => sub {
        my $s = h2(@_);
        return sub { print $s frame(3, 0, 1, pack('N', 8)); $s->flush; $s };
    },
    'HTTP/2, closed' => sub {
        my $s = h2(@_);
        return sub { close $s };
    },
    'HTTP/2, reset' => sub {
        my $s = h2(@_);
        return sub { $s->sockopt(Socket::SO_LINGER(), pack 'ii', 1, 0);
                     close $s };
    },
    'HTTP/1.1' => sub {
        my ($n, $uri, $body) = @_;
        my $c = PaygwPeer::begin_call($Nginx,
            ($body eq '' ? 'GET' : 'POST') => $uri, body => $body,
            heads => { 'X-N' => $n, 'Content-Type' => 'application/json' });
        return sub { PaygwTest::abort_client($c) };
    });

my $Number = 0;

my $Trade = '{"appid":"wxd678efh567hg6787","mchid":"1900009191",'
    . '"out_trade_no":"TL0001","transaction_id":"4200001",'
    . '"trade_state":"SUCCESS","success_time":"2025-01-02T03:04:05+08:00",'
    . '"amount":{"total":100,"currency":"CNY"}}';

sub refunded {
    my $n = shift;
    return '{"out_refund_no":"R2025' . $n . '","out_trade_no":"TL0001",'
        . '"refund_id":"5000001","transaction_id":"4200001",'
        . '"status":"SUCCESS","success_time":"2025-01-02T03:04:05+08:00",'
        . '"amount":{"refund":100,"total":100,"currency":"CNY"}}';
}

for my $way (sort keys %Ways) {
    my ($n, $leave, @kept);

    # the answer comes after he has left

    $Peer->plan({ delay => 1 });
    $n = ++$Number;
    $leave = $Ways{$way}->($n, "/wx$Create", '{"out_trade_no":"T1"}');
    is(scalar $Peer->requests(1), 1, "$way: is sent");
    push @kept, $leave->();
    is(outcome($n), 'passed', "$way: its outcome");
    is(scalar $Peer->requests, 1, "$way: once");

    # the provider is in trouble: it is sent again

    $Peer->plan({ delay => 0.5, status => 500,
                  body => '{"code":"SYSTEM_ERROR","message":"x"}' },
                { delay => 0.3 });
    $n = ++$Number;
    $leave = $Ways{$way}->($n, "/wx$Create", '{"out_trade_no":"T1"}');
    $Peer->requests(1);
    push @kept, $leave->();
    is(outcome($n), 'passed', "$way: sent again");
    is(scalar $Peer->requests, 2, "$way: twice");

    # the first host is dead

    $Peer->plan({ delay => 0.5 });
    $n = ++$Number;
    $leave = $Ways{$way}->($n, "/dead$Create", '{"out_trade_no":"T1"}');
    $Peer->requests(1);
    push @kept, $leave->();
    is(outcome($n), 'passed', "$way: by the other host");

    # no answer that can be read: nobody knows

    $Peer->plan({ delay => 0.5, drop => JSON::PP::true() });
    $n = ++$Number;
    $leave = $Ways{$way}->($n, '/wx/v3/transfer/x', '{}');
    $Peer->requests(1);
    push @kept, $leave->();
    like(outcome($n), qr/^un/, "$way: unknown");

    # nor silence, though the connection had been used before

    $Peer->plan({}, { silent => 60 }, {});
    is(PaygwPeer::call($Nginx, POST => "/quick$Create",
                       body => '{"out_trade_no":"T1"}')->{status}, 200,
       "$way: a connection");
    $n = ++$Number;
    $leave = $Ways{$way}->($n, "/quick$Create", '{"out_trade_no":"T1"}');
    $Peer->requests(2);
    push @kept, $leave->();
    is(outcome($n), 'unanswered', "$way: silence");
    my @conn = map { $_->{conn} } $Peer->requests;
    is("@conn", "$conn[0] $conn[0]", "$way: silence: once, and there");

    # a refund of paygw_api: it asks for the order, and then refunds

    $Peer->plan({ delay => 0.5, body => $Trade }, { body => refunded($n + 1) });
    $n = ++$Number;
    $leave = $Ways{$way}->($n, '/pay/orders/TL0001/refunds',
                           '{"refund_id":"R2025' . $n . '","amount":100}');
    $Peer->requests(1);
    push @kept, $leave->();
    is(outcome($n), 'passed', "$way: refund");
    is(join(' ', map { $_->{method} } $Peer->requests), 'GET POST',
       "$way: looked, and refunded");

    # a file that streams ends with him, and is not counted as passed

    my $token = 'f' . ++$Number;
    $leave = $Ways{$way}->($Number, '/file/v3/billdownload/file?token='
                           . "$token&size=300000&stall=100000", '');
    ok($Nginx->wait_for(sub { $Files->note($token)->{sent} }, 15),
       "$way: a file streams");
    push @kept, $leave->();
    ok($Nginx->wait_for(sub { $Files->note($token)->{end} }, 15),
       "$way: it ends with him");
    isnt(outcome($Number), 'passed', "$way: and has not passed");

    is($Nginx->get('/plain'), 'plain', "$way: worker alive");
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]|Sanitizer/, 'no alert');

done_testing();
