# Hosts of a provider that cannot be reached, or are slow; the deadline; what is
# sent again.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use IO::Socket::INET ();
use Time::HiRes ();

use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Port = $Peer->listen;
my $Url = "http://127.0.0.1:$Port";
my $Create = '/wx/v3/pay/transactions/native';
my $Once = '/wx/v3/transfer/x';
my $Read = '/wx/v3/x';

sub start {
    my ($channel, %o) = @_;
    my $server = delete $o{server} // '';
    return PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
            . "    log_format k '\$paygw_result \$status';\n"
            . ($o{more} // '') . $channel,
        server => 'access_log logs/k.log k;'
            . "location /wx/ { paygw_pass wxpay; @{[$o{location} // '']} }"
            . $server, %o);
}

sub end {
    my ($nginx, $what) = @_;
    ok($nginx->quit, "$what: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, "$what: no alert");
}

sub took {
    my $begin = Time::HiRes::time();
    my $res = $_[0]->();
    return ($res, Time::HiRes::time() - $begin);
}

# nobody listens there

sub dead_port {
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
    return $s->sockport;
}


# -- hosts and times --

{
    my $second = $Peer->listen;
    my $other = "http://127.0.0.1:$second";
    my $hole = $Peer->blackhole;
    my $dead = dead_port();

    for my $first ("http://127.0.0.1:$hole", "http://127.0.0.1:$dead") {
        my $nginx = start($Peer->wechat("$first backup=$other"));
        $Peer->plan;
        my ($res, $time) = took(sub { call($nginx, POST => $Once) });
        is($res->{status}, 200, "backup: $first");
        cmp_ok($time, '<', 3, "backup: $first: within the deadline");
        my @got = $Peer->requests;
        is(scalar @got, 1, "backup: $first: made once");
        is($got[0]{check}, 'ok', "backup: $first: signed anew");
        is($got[0]{head}{host}, "127.0.0.1:$second", "backup: $first: host");
        my $failed = 'has failed: host cannot be reached';
        like($nginx->log, qr/call of channel "wxpay" to "$first" $failed/,
             "backup: $first: log");
        end($nginx, "backup $first");
    }

    # neither: nothing was sent, and it says so

    my $nginx = start($Peer->wechat("http://127.0.0.1:$dead "
                                    . "backup=http://127.0.0.1:$hole"));
    my $res = call($nginx, POST => $Once);
    problem_ok($res, 503, 'RETRY-UNREACHABLE', 'unreachable');
    is($res->{header}{'retry-after'}, 1, 'unreachable: retry');
    end($nginx, 'unreachable');

    # the deadline is over all tries

    $nginx = start($Peer->wechat("http://127.0.0.1:$hole backup=$other",
                                 proxy_connect_timeout => '20s'),
                   location => 'paygw_deadline 1s;');
    $Peer->plan;
    ($res, my $time) = took(sub { call($nginx, POST => $Once) });
    problem_ok($res, 503, 'RETRY-UNREACHABLE', 'deadline: connecting');
    cmp_ok($time, '<', 4, 'deadline: connecting: over');
    is(scalar $Peer->requests, 0, 'deadline: no other host any more');
    end($nginx, 'deadline of connections');

    $nginx = start($Peer->wechat($Url, proxy_read_timeout => '20s'),
                   location => 'paygw_deadline 1s;');
    for my $plan ({ silent => 6 }, { slow => 0.3 },
                  { slow => 0.3, chunked => 3 }, { cut => 3, stall => 6 })
    {
        $Peer->plan($plan);
        my ($res, $time) = took(sub { call($nginx, POST => $Once) });
        problem_ok($res, 504, 'PROVIDER-UNANSWERED', 'deadline: reading');
        cmp_ok($time, '<', 4, 'deadline: reading: over');
        cmp_ok($time, '>', 0.9, 'deadline: reading: not before');
    }
    $Peer->plan;
    my $then;
    for (1 .. 5) {
        $then = call($nginx, POST => $Once)->{status};
        last if $then == 200;
    }
    is($then, 200, 'deadline: and then');
    end($nginx, 'deadline of answers');

    # E15: after a time-out only what reads is sent again

    $nginx = start($Peer->wechat("$Url backup=$other",
                                 proxy_read_timeout => '1500ms'));
    for my $case ([ GET => $Read, 2, 200 ], [ POST => $Create, 1, 504 ],
                  [ POST => $Once, 1, 504 ])
    {
        my ($method, $uri, $n, $want) = @$case;
        $Peer->plan({ silent => 6 }, {});
        my $res = call($nginx, $method => $uri);
        is($res->{status}, $want, "E15: $method $uri");
        is(scalar $Peer->requests, $n, "E15: $method $uri: requests");
    }
    $Peer->plan(({ silent => 6 }) x 5);
    problem_ok(call($nginx, GET => $Read), 504, 'PROVIDER-UNANSWERED',
               'E15: not for ever');
    is(scalar $Peer->requests, 3, 'E15: three tries');
    end($nginx, 'E15');
}

done_testing();
