# Bills of paygw_api: a small one is held back, a large one streams, and either
# has the hash that was signed.

use strict;
use warnings;
use lib 't/lib';

use Digest::SHA ();
use POSIX ();
use Test::More;

use PaygwApi;
use PaygwFiles qw(fetch);
use PaygwNginx;
use PaygwSandbox;
use PaygwTest ();

my $Sandbox = PaygwSandbox->start;
my $Pad = 3 * 1024 * 1024;
my %Slow = (platform_certificates => 'auto interval=3600s retry=1s',
            proxy_read_timeout => '20s', paygw_breaker => 'off',
            paygw_retry => 'off', notify_url => 'http://127.0.0.1:1/n');

my %V2 = %Slow;
delete $V2{platform_certificates};

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:2m;\n    paygw_deadline 30s;\n"
        . "    log_format k '\$paygw_result \$paygw_reason \$status';\n"
        . $Sandbox->wechat(%Slow)
        . $Sandbox->wechat_v2(%V2),
    server => 'location /v2/ { paygw_api wxv2; }'
        . 'access_log logs/k.log k; location = /metrics { paygw_metrics; }'
        . 'location /pay/ { paygw_api wxpay; }'
        . 'location /small/ { paygw_api wxpay; paygw_download_max 1m; }');

my $Api = PaygwApi->new($Nginx, '/pay');
my $Today = POSIX::strftime('%Y-%m-%d', gmtime time + 8 * 3600);

sub bills { return $Sandbox->post('bills', { pad => $Pad, lie => '',
                                             gzip => 0, @_ }) }

sub bill {
    my $at = shift // '/pay';
    return fetch($Nginx, "$at/bills/wxpay/$Today");
}

sub problem {
    my ($res, $code, $what) = @_;
    like($res->{body}, qr/^\{"code":"$code"/, $what);
    is($res->{status}, 502, "$what: status");
    unlike($res->{body}, qr/`2025-01-02/, "$what: nothing of the file");
}

sub cut_ok {
    my ($res, $re, $what) = @_;
    is("$res->{status} $res->{whole} $res->{closed}", '200 0 1',
       "$what: no end");
    ok($Nginx->wait_for(sub { $Nginx->log =~ $re }), "$what: log");
}

$Sandbox->order('wechat_v3', 'http://127.0.0.1:1/n');

my $Text;

# today may be another day by now, where the provider is
for (1 .. 2) {
    bills(pad => 0);
    my $res = bill();
    $Text = $res->{body};
    last if $res->{status} == 200;
    $Today = POSIX::strftime('%Y-%m-%d', gmtime time + 8 * 3600);
    $Sandbox->order('wechat_v3', 'http://127.0.0.1:1/n');
}

like($Text, qr/^\xef\xbb\xbf/, 'small: the bill');

for my $lie ('', 'steady', 'chunked') {
    bills(lie => $lie, pad => $lie eq 'chunked' ? 600_000 : $Pad);
    my $res = bill();
    is(join(' ', @$res{qw(status whole)}, $res->{header}{'x-paygw-verified'}),
       '200 1 sha1', "large, \"$lie\": all of it");
    like($res->{body}, qr/^`2025-01-02,.*\Q$Text\E\z/s,
         "large, \"$lie\": as it is");
}

is(bill()->{header}{'content-type'}, 'application/octet-stream', 'type');

bills(gzip => 1);
is(join(' ', @{ bill() }{qw(status whole)}), '200 1',
   'compressed: by the hash of what is in it');

bills(lie => 'changed');
cut_ok(bill(), qr/\[error\][^\n]* it has another hash than is expected/,
       'large, changed');

bills(lie => 'halved');
cut_ok(bill(), qr/it has another hash/, 'large, half of it');

bills(lie => 'truncated');
cut_ok(bill(), qr/the rest is missing/, 'large, cut');

{
    my $shown = $Nginx->get('/metrics');
    my ($done) = $shown =~ /operation="bill",outcome="success"\} (\d+)/;
    my ($not) = $shown =~ /operation="bill",outcome="unknown"\} (\d+)/;
    cmp_ok($done, '>=', 6, 'files that stream are counted');
    is($not, 3, 'and those whose end is held back');
}

bills();
problem(bill('/small'), 'PROVIDER-UNVERIFIED', 'longer than allowed');

for my $lie ('changed', 'halved') {
    bills(lie => $lie, pad => 1000);
    problem(bill(), 'PROVIDER-UNVERIFIED', "small, $lie");
}

bills(lie => 'truncated', pad => 1000);
like(bill()->{body}, qr/^\{"code":"(?:PROVIDER-UNANSWERED)"/, 'small, cut');


# -- WeChat Pay v2: the first byte says whether it is one; nobody signs it --

$Sandbox->order('wechat_v2', 'http://127.0.0.1:1/n');

for my $lie ('', 'chunked') {
    bills(lie => $lie, pad => $lie ? 600_000 : $Pad);
    my $res = fetch($Nginx, "/v2/bills/wxv2/$Today");
    is(join(' ', @$res{qw(status whole)}), '200 1', "v2, \"$lie\": all of it")
        or diag(substr $res->{body}, 0, 300);
    cmp_ok(length $res->{body}, '>', 600_000, "v2, \"$lie\": large");
    is($res->{header}{'x-paygw-verified'}, undef, "v2, \"$lie\": by nobody");
}

bills(lie => 'truncated');
cut_ok(fetch($Nginx, "/v2/bills/wxv2/$Today"),
       qr/"wxv2" is not to be used[^\n]* the rest is missing/, 'v2, cut');

bills();
is(fetch($Nginx, '/v2/bills/wxv2/2020-02-02')->{status}, 502, 'v2, none');

unlike($Nginx->log, qr/\[(?:alert|emerg|crit)\]/, 'no alerts');

done_testing();
