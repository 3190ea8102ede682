# "nginx -t" of paygw_deadline, paygw_retry and paygw_breaker, of several hosts
# and of hosts that are an "upstream {}".

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwNginx;
use PaygwPeer ();

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:1';
my $Pass = 'location /p/ { paygw_pass wxpay; }';
my $Zone = "    paygw_zone paygw:1m;\n";

sub wx {
    return $Peer->wechat(@_ % 2 ? shift : $Url, paygw_breaker => undef,
                         paygw_retry => undef, @_);
}

sub conf {
    my ($http, $server) = @_;
    return PaygwNginx->test(http => $http, server => $server // $Pass);
}

# what is right

for my $case (
    [ 'nothing', $Zone . wx() ],
    [ 'off', $Zone . wx(), "paygw_retry off; paygw_breaker off; $Pass" ],
    [ 'on', $Zone . wx(), "paygw_breaker on; $Pass" ],
    [ 'everything', $Zone . wx(),
      'paygw_retry 10 base=1ms factor=1.25 jitter=0; '
      . 'paygw_breaker requests=1 failures=100% window=1h probe=100ms; '
      . $Pass ],
    [ 'in http', "$Zone    paygw_retry 2;\n    paygw_breaker failures=1%;\n"
      . "    paygw_deadline 1s;\n" . wx() ],
    [ 'in a channel', $Zone
      . wx(paygw_retry => '4 factor=3', paygw_breaker => 'probe=1m',
           paygw_deadline => '500ms') ],
    [ 'no zone', wx() ],
    [ 'no zone, and off', wx(), "paygw_breaker off; $Pass" ],
    [ 'two locations', $Zone . wx(),
      'location /a/ { paygw_pass wxpay; paygw_breaker probe=1s; }'
      . 'location /b/ { paygw_pass wxpay; paygw_breaker probe=1s; }'
      . 'location /c/ { paygw_pass wxpay; paygw_breaker off; }' ],
    [ 'a channel that says it', $Zone . wx(paygw_breaker => 'probe=9s'),
      'location /a/ { paygw_pass wxpay; paygw_breaker probe=1s; }'
      . 'location /b/ { paygw_pass wxpay; paygw_breaker probe=2s; }' ],
    [ 'hosts', $Zone . wx("$Url " . join ' ', map { "backup=http://127.0.0.1:$_"
                                                  } 2 .. 4) ],
    [ 'an upstream', "$Zone    upstream pay.test { server 127.0.0.1:1; "
      . "server 127.0.0.1:2 weight=5 max_fails=2 fail_timeout=1s; "
      . "server 127.0.0.1:3 backup; server 127.0.0.1:4 down; }\n"
      . wx('http://pay.test backup=http://127.0.0.1:3') ],
    [ 'an upstream that comes later', $Zone . wx('http://pay.test')
      . "    upstream pay.test { server 127.0.0.1:1; keepalive 4; }\n" ],
    [ 'an upstream for all, elsewhere', $Zone . wx('https://pay.test')
      . "    upstream pay.test { least_conn; server 192.0.2.1:443; }\n" ],
) {
    my ($name, @conf) = @$case;
    like(conf(@conf), qr/test is successful/, "good: $name");
}

# and what is not

my $retry = qr/"paygw_retry" must be "off", or a number of tries from 1 to 10/;
my $param = qr/it must be "base=time", "factor=number" from 1 to 100, or "jit/;
my $breaker = qr/"paygw_breaker" must be "on" or "off" alone, or some of "req/;

for my $case (
    (map { [ "retry $_", "paygw_retry $_;", $retry ] }
         qw(0 11 x -1 on), '""', 'off base=1s'),
    (map { [ "retry $_", "paygw_retry 3 $_;",
             qr/invalid parameter "\Q$_\E" of "paygw_retry", $param/ ] }
         qw(base=0 base=x base=2h jitter=-1 jitter=2h factor=0.99 factor=101
            factor=x tries=3 base)),
    [ 'retry twice', 'paygw_retry 2; paygw_retry 3;', qr/is duplicate/ ],
    (map { [ "breaker $_", "paygw_breaker $_;",
             qr/invalid "\Q$_\E": $breaker/ ] }
         qw(requests=0 requests=x requests=1000001 failures=50 failures=0%
            failures=101% failures=% window=0 window=99ms window=2h probe=0
            probe=x yes)),
    [ 'breaker off and more', 'paygw_breaker off probe=1s;',
      qr/invalid "off": $breaker/ ],
    [ 'breaker twice', 'paygw_breaker on; paygw_breaker on;',
      qr/is duplicate/ ],
) {
    my ($name, $line, $re) = @$case;
    like(conf($Zone . wx(), "$line $Pass"), $re, "bad: $name");
}

for my $case (
    [ 'retry', [ paygw_retry => 0 ], $retry ],
    [ 'retry, empty', [ paygw_retry => '' ], $retry ],
    [ 'retry twice', [ paygw_retry => [ 1, 2 ] ],
      qr/"paygw_retry" of channel "wxpay" is duplicate/ ],
    [ 'breaker', [ paygw_breaker => 'probe=0' ], $breaker ],
    [ 'breaker, empty', [ paygw_breaker => '' ],
      qr/invalid "paygw_breaker": $breaker/ ],
    [ 'breaker twice', [ paygw_breaker => [ 'on', 'off' ] ],
      qr/"paygw_breaker" of channel "wxpay" is duplicate/ ],
    [ 'deadline', [ paygw_deadline => 0 ],
      qr/"paygw_deadline" of channel "wxpay" must be a time, and not 0/ ],
    [ 'deadline, two', [ paygw_deadline => '1s 2s' ],
      qr/"paygw_deadline" of channel "wxpay" must be a time, and not 0/ ],
    [ 'deadline twice', [ paygw_deadline => [ '1s', '2s' ] ],
      qr/"paygw_deadline" of channel "wxpay" is duplicate/ ],
) {
    my ($name, $lines, $re) = @$case;
    like(conf($Zone . wx($Url, @$lines)), $re, "bad: channel: $name");
}

my $up = '    upstream pay.test';
my $tls = qr/must be "https:\/\/": only the sandbox on this machine/;

for my $case (
    [ 'no zone', wx(), "paygw_breaker on; $Pass",
      qr/"paygw_breaker" in \S+:\d+ needs a zone, in which workers share/ ],
    [ 'no zone, in a channel', wx($Url, paygw_breaker => 'on'), $Pass,
      qr/"paygw_breaker" in \S+:\d+ needs a zone/ ],
    [ 'two of one channel', $Zone . wx(),
      'location /a/ { paygw_pass wxpay; paygw_breaker probe=1s; }'
      . 'location /b/ { paygw_pass wxpay; paygw_breaker probe=2s; }',
      qr/differs from that of another location that calls channel "wxpay", whi/
    ],
    [ 'two of one channel, and one by default', $Zone . wx(),
      'location /a/ { paygw_pass wxpay; }'
      . 'location /b/ { paygw_pass wxpay; paygw_breaker probe=2s; }',
      qr/"paygw_breaker" in \S+nginx.conf:\d+ differs from that of another/ ],
    [ 'the default after it', $Zone . wx(),
      'location /b/ { paygw_pass wxpay; paygw_breaker probe=2s; }'
      . 'location /a/ { paygw_pass wxpay; }',
      qr/"paygw_breaker" in \S+nginx.conf:\d+ differs from that of another/ ],
    [ 'too many hosts', $Zone . wx("$Url " . join ' ', map {
          "backup=http://127.0.0.1:$_" } 2 .. 5), $Pass,
      qr/must be "URL \[backup=URL\]", with up to 3 backups/ ],
    [ 'two without a word', $Zone . wx("$Url $Url"), $Pass,
      qr/must be "URL \[backup=URL\]"/ ],
    [ 'paths', $Zone . $Peer->alipay("$Url/gateway.do backup=$Url/gateway.do "
                                     . "backup=$Url"),
      'location /p/ { paygw_pass alipay; }', qr/must have the same path/ ],
    [ 'no such upstream', $Zone . wx('http://pay.test.invalid'), $Pass,
      qr/host not found in "endpoint" "http:\/\/pay\.test\.invalid"/ ],
    [ 'an upstream elsewhere, without TLS',
      "$Zone$up { server 127.0.0.1:1; server 192.0.2.1:80; }\n"
      . wx('http://pay.test'), $Pass, $tls ],
    [ 'an upstream has no port', "$Zone$up { server 127.0.0.1:1; }\n"
      . wx('http://pay.test:81'), $Pass, qr/host not found in "endpoint"/ ],
    [ 'fetched from an upstream elsewhere, without TLS',
      "$Zone$up { server 192.0.2.1:80; }\n"
      . wx('http://pay.test', platform_certificates => 'auto'),
      'location /n { paygw_notify wxpay; return 200; }', $tls ],
    [ 'fetched from nowhere', "$Zone$up { server 127.0.0.1:1 down; }\n"
      . wx('http://pay.test', platform_certificates => 'auto'),
      'location /n { paygw_notify wxpay; return 200; }',
      qr/is an "upstream" without a server that has an address/ ],
) {
    my ($name, $http, $server, $re) = @$case;
    like(conf($http, $server), $re, "bad: $name");
}

done_testing();
