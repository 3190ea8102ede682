# The location that calls go through: nobody reaches it from outside,
# nothing that a server says of its own requests is done to it, and what a
# location says holds inside of its "if", too.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwNginx;
use PaygwPeer qw(call);

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my $Once = 'v3/transfer/x';
my $Create = 'v3/pay/transactions/native';
my %Busy = (status => 500, body => '{"code":"SYSTEM_ERROR","message":"x"}');

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 20s;\n"
        . "    paygw_retry 2 base=50ms jitter=0;\n"
        . $Peer->wechat($Url, paygw_retry => undef),
    server => <<'CONF');
        if ($uri ~ ^/paygw) { return 403 LEAK; }
        rewrite ^/paygw /leak last;
        location /leak { return 200 LEAK; }
        location / { return 404 none; }
        location /wx/ { paygw_pass wxpay; }
        location /if/ {
            paygw_pass wxpay;
            if ($arg_a) { set $b 1; }
        }
        location /v3/ { if ($arg_c) { paygw_pass wxpay; } }
        location /off/ {
            paygw_pass wxpay;
            paygw_retry off;
            if ($arg_a) { set $b 1; }
            location /off/on/ { paygw_pass wxpay /; paygw_retry 2 base=50ms; }
        }
CONF

# what the server says of its own

$Peer->plan;
my $res = call($Nginx, POST => "/wx/$Once", body => '{}');
is("$res->{status} $res->{body}", '200 {"code_url":"weixin://MARK"}',
   'no rewrite of the server');
is(scalar $Peer->requests, 1, 'sent');

# from outside

for my $case ([ '/paygw.wxpay.0' ], [ '/paygw' ], [ '/', 'paygw.wxpay.0' ],
              [ "/paygw.wxpay.0/$Once", 'paygw.wxpay.0' ],
              [ 'http://paygw.wxpay.0/v3/x' ])
{
    my ($uri, $host) = @$case;
    $Peer->plan;
    for my $method ('GET', 'POST') {
        my $res = call($Nginx, $method => $uri,
                       heads => { $host ? ('X-Forwarded-Host' => $host) : () });
        unlike($res->{body}, qr/MARK/, "from outside: $method $uri");
    }
    is(scalar $Peer->requests, 0, "from outside: $uri: no call");
}

# inside of "if", and in a location of a location

for my $case ([ "/if/$Create?a=1", 2 ], [ "/$Create?c=1", 2 ],
              [ "/off/$Create", 1 ], [ "/off/$Create?a=1", 1 ],
              [ "/off/on/$Create", 2 ])
{
    my ($uri, $n) = @$case;
    $Peer->plan({ %Busy }, {});
    is(call($Nginx, POST => $uri, body => '{}')->{status},
       $n == 2 ? 200 : 500, "if: $uri");
    my @got = $Peer->requests;
    is(scalar @got, $n, "if: $uri: tries");
    is($got[0]{check}, 'ok', "if: $uri: signed");
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
