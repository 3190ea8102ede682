# "nginx -t" of paygw_api and of notify_url.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwGeneric qw(gateway keys_made);
use PaygwNginx;
use PaygwPeer ();

my $Peer = PaygwPeer->start;
keys_made($Peer->{keys});
my $Url = 'http://127.0.0.1:1';
my $Api = 'location /pay/ { paygw_api wxpay; }';
my @Notify = (notify_url => 'https://pay.example.com/n');

sub conf {
    my ($http, $server) = @_;
    return PaygwNginx->test(http => "    paygw_zone paygw:1m;\n$http",
                            server => $server // $Api);
}

sub wx { return $Peer->wechat($Url, @Notify, @_) }

# what is right

for my $case (
    [ 'plain', wx() ],
    [ 'wechat_v2', $Peer->wechat_v2($Url, @Notify),
      'location /pay/ { paygw_api wxv2; }' ],
    [ 'unionpay', $Peer->unionpay($Url, @Notify),
      'location /pay/ { paygw_api unionpay; }' ],
    [ 'stripe', $Peer->stripe($Url), 'location /pay/ { paygw_api stripe; }' ],
    [ 'two channels', wx() . $Peer->alipay($Url),
      'location /pay/ { paygw_api wxpay alipay; }' ],
    [ 'beside paygw_pass', wx(),
      $Api . 'location /wx/ { paygw_pass wxpay; }' ],
    [ 'two locations', wx(), $Api . 'location /o/ { paygw_api wxpay; }' ],
    [ 'status cache', wx() . "    paygw_status_cache 1m;\n",
      'paygw_status_cache 1d pending=500ms; location /pay/ { '
      . 'paygw_api wxpay; paygw_status_cache off; }' ],
    [ 'limit_except', wx(), 'location /pay/ { limit_except POST '
                            . '{ allow all; } paygw_api wxpay; }' ],
    [ 'if', wx(), 'location /pay/ { paygw_api wxpay; if ($arg_a) '
                  . '{ set $b 1; } }' ],
    [ 'some requests to somebody else', wx(), 'location /pay/ { paygw_api '
      . 'wxpay; if ($arg_a) { proxy_pass http://127.0.0.1:1; } }' ],
    [ 'nested', wx(), 'location /pay/ { paygw_api wxpay; '
                      . 'location /pay/x { return 204; } }' ],
    [ 'a route', wx() . $Peer->alipay($Url)
                 . 'paygw_route shop { channel wxpay; channel alipay; }',
      'location /pay/ { paygw_api shop; }' ],
    [ 'a route of one channel', wx() . 'paygw_route shop { channel wxpay; }',
      'location /pay/ { paygw_api shop; } location /p/ { paygw_api shop; }' ],
    [ 'a route that stands below', 'server { location /pay/ { paygw_api '
      . 'shop; } } paygw_route shop { channel wxpay; }' . wx() ],
    [ 'one sub-merchant', wx(sub_mchid => '1900000109') ],
    [ 'plain http', $Peer->wechat($Url, notify_url =>
                                      'http://127.0.0.1:8080/n') ],
)
{
    my ($name, @conf) = @$case;
    my $got = conf(@conf);
    like($got, qr/test is successful/, $name);
    unlike($got, qr/\[emerg\]/, "$name: no error");
}

# what is not

for my $case (
    [ 'an unknown channel', wx(), 'location /pay/ { paygw_api nobody; }',
      qr/"paygw_api" names unknown channel "nobody" in \S+:\d+, define it/ ],
    [ 'an unknown route', wx(), 'location /pay/ { paygw_api nobody; }',
      qr/define it by "paygw_channel nobody \{ \.\.\. \}" or "paygw_route"/ ],
    [ 'no channel', wx(), 'location /pay/ { paygw_api; }',
      qr/invalid number of arguments in "paygw_api" directive/ ],
    [ 'a channel twice', wx(), 'location /pay/ { paygw_api wxpay wxpay; }',
      qr/"paygw_api" names channel "wxpay" twice in \S+:\d+/ ],
    [ 'an exact location', wx(), 'location = /pay/ { paygw_api wxpay; }',
      qr{location "/pay/" with "paygw_api" must be a prefix that ends with} ],
    [ 'no slash', wx(), 'location /pay { paygw_api wxpay; }',
      qr{location "/pay" with "paygw_api" must be a prefix that ends with} ],
    [ 'regex', wx(), 'location ~ ^/pay/ { paygw_api wxpay; }',
      qr/with "paygw_api" must be a prefix/ ],
    [ 'named', wx(), 'location / { try_files /x @n; } '
                     . 'location @n { paygw_api wxpay; }',
      qr/with "paygw_api" must be a prefix/ ],
    [ 'inside if', wx(), 'location /p/ { if ($arg_a) { paygw_api wxpay; } }',
      qr/"paygw_api" directive is not allowed here/ ],
    [ 'twice', wx(), 'location /pay/ { paygw_api wxpay; paygw_api wxpay; }',
      qr/"paygw_api" directive is duplicate/ ],
    (map { my ($args, $what) = @$_;
           [ "paygw_status_cache $args", wx() . "    paygw_status_cache "
             . "$args;\n", undef, $what ] }
         [ '0', qr/invalid time in "0", it must be above 0 and at most a/ ],
         [ '2d', qr/invalid time in "2d"/ ], [ 'on', qr/time in "on"/ ],
         [ '1m pending=0', qr/invalid time in "pending=0"/ ],
         [ '1m pending=x', qr/invalid time in "pending=x"/ ],
         [ '1m wait=1s', qr/"wait=1s", it must be "pending=TIME"/ ],
         [ 'off pending=1s', qr/"pending=1s", there is none with "off"/ ],
         [ "1m;\n    paygw_status_cache off",
           qr/"paygw_status_cache" directive is duplicate/ ]),
    [ 'with paygw_pass', wx(), 'location /pay/ { paygw_api wxpay; '
                               . 'paygw_pass wxpay; }',
      qr/"paygw_api" and "paygw_pass" cannot be in one location, in/ ],
    [ 'with paygw_notify', wx(), 'location /pay/ { paygw_api wxpay; '
                                 . 'paygw_notify wxpay; }',
      qr/"paygw_api" and "paygw_notify" cannot be in one location, in/ ],
    (map { [ "beside $_->[0]", wx(), "location /pay/ { $_->[1] }",
             qr/"paygw_api" .*stands in a location that has another content/ ] }
         [ 'proxy_pass', 'paygw_api wxpay; proxy_pass http://127.0.0.1:1;' ],
         [ 'proxy_pass before it',
           'proxy_pass http://127.0.0.1:1; paygw_api wxpay;' ],
         [ 'empty_gif', 'paygw_api wxpay; empty_gif;' ],
         [ 'paygw_metrics before it', 'paygw_metrics; paygw_api wxpay;' ]),
    [ 'beside proxy_pass, where it stands', wx(),
      'location /pay/ { paygw_api wxpay; proxy_pass http://127.0.0.1:1; }',
      qr/"paygw_api" in \S+:\d+ stands in .*, give each a location of its o/ ],
    (map { [ "$_ 0", wx(), "location /pay/ { paygw_api wxpay; $_ 0; }",
             qr/"$_" for "paygw_api" in \S+:\d+ cannot be 0/ ] }
         qw(paygw_deadline paygw_answer_max paygw_body_max)),
    [ 'a route and a channel',
      wx() . $Peer->alipay($Url) . 'paygw_route shop { channel wxpay; }',
      'location /pay/ { paygw_api shop alipay; }',
      qr/"paygw_api" in \S+:\d+ names route "shop", which must be the only/ ],
    [ 'a route with the name of a channel',
      wx() . 'paygw_route wxpay { channel wxpay; }', undef,
      qr/"wxpay" of "paygw_api" in \S+:\d+ is the name of a route and of a ch/
    ],
    [ 'a route with another provider',
      gateway($Peer, 'md5', $Url) . 'paygw_route shop { channel md5; }',
      'location /pay/ { paygw_api shop; }',
      qr/but provider "generic" is not part of it, use "paygw_pass"/ ],
    [ 'a route with a channel that lacks something',
      wx(endpoint => undef) . 'paygw_route shop { channel wxpay; }',
      'location /pay/ { paygw_api shop; }',
      qr/"paygw_api" in \S+:\d+ needs "endpoint" in channel "wxpay"/ ],
    [ 'too many names', join('', map { wx(-name => 'x' x 60 . $_) } 1 .. 5),
      'location /pay/ { paygw_api '
      . join(' ', map { 'x' x 60 . $_ } 1 .. 5) . '; }',
      qr/have more than 255 characters, make a "paygw_route" of them/ ],
    [ 'no endpoint', wx(endpoint => undef), undef,
      qr/"paygw_api" in \S+:\d+ needs "endpoint" in channel "wxpay"/ ],
    (map { [ "notify_url $_", $Peer->wechat($Url, notify_url => $_), undef,
             qr/"notify_url" of channel "wxpay" must be a URL without arg/ ] }
         'https://h/n?a=b', 'https://h/n#a', '/n', 'ftp://h/n', '""',
         'https://h/n other', '"https://h/a b"',
         'https://h/' . ('x' x 246)),
    [ 'two notify_url', $Peer->wechat($Url, notify_url =>
                                          [ 'http://h/a', 'http://h/b' ]),
      undef, qr/"notify_url" of channel "wxpay" is duplicate/ ],
    [ 'two sub-merchants', wx(sub_mchid => '1900000109 1900000110'), undef,
      qr/channel "wxpay" has 2 "sub_mchid", "paygw_api" needs exactly one/ ],
    [ 'another provider', gateway($Peer, 'md5', $Url),
      'location /pay/ { paygw_api md5; }',
      qr/but provider "generic" is not part of it, use "paygw_pass"/ ],
    [ 'v2: two sub-merchants', $Peer->wechat_v2($Url, @Notify,
          sub_mchid => '1900000109 1900000110'),
      'location /pay/ { paygw_api wxv2; }',
      qr/channel "wxv2" has 2 "sub_mchid", "paygw_api" needs exactly one/ ],
)
{
    my ($name, $http, $server, $want) = @$case;
    my $got = conf($http, $server);
    like($got, qr/\[emerg\].*$want/, $name);
    like($got, qr/test failed/, "$name: refused");
}

# "return" before all of it may be meant for a while, and no error

my $return = qr/\[warn\].*"return" answers all requests in place of "paygw_ap/;

like(conf(wx(), 'location /pay/ { paygw_api wxpay; return 503; }'),
     qr/$return.*test is successful/s, 'return: a warning');
unlike(conf(wx(), 'location /pay/ { paygw_api wxpay; if ($arg_a) '
                  . '{ return 503; } }'), $return, 'return in an if: none');

# who is to hear of a payment may be left out, which is said

for (
    [ 'alipay', 'alipay', 'nobody is called when an order is paid' ],
    [ 'wechat', 'wxpay', 'no order can be made' ],
    [ 'wechat_v2', 'wxv2', "no order can be made but by a payer's code" ],
    [ 'unionpay', 'union', 'no order and no refund can be made' ],
) {
    my ($what, $name, $then) = @$_;
    my $api = "location /pay/ { paygw_api $name; }";
    my @of = (-name => $name);

    my $warn = qr/channel "$name" of "paygw_api" has no "notify_url": $then/;

    like(conf($Peer->$what($Url, @of), $api),
         qr/\[warn\].*$warn, add "notify_url .*:\d+\n.*test is successful/s,
         "$what without notify_url: a warning");
    unlike(conf($Peer->$what($Url, @of, @Notify), $api), qr/\[warn\]/,
           "$what with it: none");
    unlike(conf($Peer->$what($Url, @of),
                "location /pay/ { paygw_pass $name; }"),
           qr/\[warn\]/, "$what with paygw_pass: none");
}

# a route without a store

my $got = PaygwNginx->test(http => wx() . 'paygw_route shop { channel wxpay; }',
                           server => 'location /pay/ { paygw_api shop; }');
like($got, qr/\[emerg\].*no store is defined for "paygw_api" with route "shop"/,
     'a route without a store');

done_testing();
