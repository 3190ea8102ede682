# The alert rules of conf-examples/prometheus: each names metrics that there
# are, fires when it should, and its tests would see if it did not.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();

BEGIN {
    plan skip_all => 'the rules do not know which store there is'
        if ($ENV{PAYGW_TEST_STORE} // '') eq 'redis';
}

use PaygwMetrics;
use PaygwNginx;
use PaygwTest ();

my $Dir = "$PaygwMetrics::Root/conf-examples/prometheus";
my $Rules = PaygwTest::file_from("$Dir/paygw-alerts.yml", 0);
my $Tests = PaygwTest::file_from("$Dir/paygw-alerts-test.yml", 0);
my @Alerts = $Rules =~ /^ +- alert: (\w+)$/mg;


# -- what the rules are about is there --

my $keys = PaygwTest::keys_dir();
my $nginx = PaygwNginx->start(http => <<"CONF", server => <<'CONF');
    paygw_zone metrics:1m;
    paygw_channel wxpay {
        provider              wechat_v3;
        appid                 wxd678efh567hg6787;
        mchid                 1900009191;
        apiv3_key             file:$keys/apiv3.key;
        platform_certificate  $keys/wx_a.crt;
        merchant_private_key  $keys/mch.key;
        merchant_certificate  $keys/mch.crt;
        endpoint              http://127.0.0.1:1;
        notify_url            https://pay.example.com/n;
    }
    paygw_merchant shop { key k text:0123456789012345678901234567890123456; }
CONF
    location = /metrics { paygw_metrics; }
    location = /api { paygw_auth shop; return 200; }
    location = /few { paygw_limit $uri rate=9r/s; return 200; }
    location /wxpay/ { paygw_pass wxpay; }
    location /pay/ { paygw_api wxpay; }
CONF
$nginx->get('/pay/nothing');
my $have = metrics_ok($nginx->get('/metrics') . "\n", undef, 'metrics');
$nginx->quit;

my $family = families_of($have);

(my $exprs = $Rules) =~ s/^ +summary:.*$//mg;
my %seen;
is(join("\n", unknown_in($exprs, $family, \%seen)), '',
   'what rules name is there');
ok(keys %seen > 15, 'metrics in rules');

# it would be seen

for (['paygw_order_total', 'paygw_order_total'],
     ['paygw_acks_total{code="6xx"}', 'paygw_acks_total: code "6xx"'],
     ['paygw_acks_total{status="2xx"}', 'paygw_acks_total: status'],
     ['paygw_acks_total{code!~"5xx|6xx|4xx"}', 'paygw_acks_total: code "6xx"'],
     ['paygw_acks_total{channel="$channel", code=~"5xx"}', ''])
{
    is(join(' ', unknown_in($_->[0], $family, {})), $_->[1], $_->[0]);
}

# the table for people has each of them, and no other

my ($table) = PaygwTest::file_from("$PaygwMetrics::Root/docs/metrics.md", 0)
              =~ /^### Alert rules\n(.*?)^##/ms;
my @told = map { /`(Paygw\w+)`/g }
           map { /^\|([^|]*)\|/ } split /\n/, $table;
is(join(' ', sort @told), join(' ', sort @Alerts), 'docs/metrics.md');

is(scalar @Alerts, 29, 'alerts');
for my $alert (@Alerts) {
    my @expect = $Tests =~ /alertname: $alert\n +exp_alerts:(.*)$/mg;
    ok(grep({ $_ eq '' } @expect), "$alert: a test in which it fires");
    ok(grep({ $_ eq ' []' } @expect), "$alert: and one in which not");
}
is(scalar(() = $Rules =~ /^ +summary: "\S/mg), scalar @Alerts,
   'each says what it is about');


# with a scrape a minute, Prometheus 3 finds one sample in a window of 1m

my @windows = $Rules =~ /\b(?:rate|increase)\([^()]*\[(\w+)\]/g;
cmp_ok(scalar @windows, '>', 20, 'windows of rates');
is(join(' ', grep { !/^(?:[2-9]|\d\d+)m$|^\d+[hd]$/ } @windows), '',
   'there are two samples in them');


# -- a dashboard for Grafana, and where alerts go --

my $board = JSON::PP->new->decode(
    PaygwTest::file_from("$Dir/paygw-dashboard.json", 0));
my @panels = grep { $_->{type} ne 'row' } @{ $board->{panels} };
my @exprs = map { $_->{expr} } map { @{ $_->{targets} } } @panels;
my @queries = map { $_->{query} } @{ $board->{templating}{list} };
is(join("\n", unknown_in(join("\n", @exprs, @queries), $family, {})), '',
   'what the dashboard names is there');
cmp_ok(scalar @exprs, '>', 15, 'panels');
my %id = map { ($_->{id}, 1) } @{ $board->{panels} };
is(scalar keys %id, scalar @{ $board->{panels} }, 'each has an id of its own');
ok(!grep({ /paygw_\w+_(?:total|sum|count|bucket)\b/
           && !/(?:rate|increase)\(/ } @exprs), 'counters are rates');

my $To = PaygwTest::file_from("$Dir/alertmanager.yml", 0);
my %severity = map { ($_, 1) } $Rules =~ /severity: (\w+)/g;
my %routed = map { ($_, 1) } $To =~ /\[severity="(\w+)"\]/g;
is(join(' ', sort keys %routed), join(' ', sort keys %severity),
   'each severity has its receiver');
my %receiver = map { ($_, 1) } $To =~ /^  - name: ([\w-]+)$/mg;
is(join(' ', grep { !$receiver{$_} } $To =~ /receiver: ([\w-]+)$/mg), '',
   'receivers are there');
is(join(' ', grep { my $name = $_; !grep { $_ eq $name } @Alerts }
             $To =~ /\b(Paygw\w+)/g), '', 'alerts that it names are there');


# -- promtool --

SKIP: {
    my $promtool = promtool() or skip 'no promtool here', 5;
    my $dir = PaygwProcess::folder('alerts');

    my $run = sub {
        my $rules = shift;
        for (['paygw-alerts.yml', $rules], ['paygw-alerts-test.yml', $Tests]) {
            open my $fh, '>', "$dir/$_->[0]" or die $!;
            print $fh $_->[1];
            close $fh;
        }
        my $said = `cd $dir && $promtool test rules paygw-alerts-test.yml 2>&1`;
        my %failed = map { ($_, 1) } $said =~ /alertname: (\w+)/g;
        return $? == 0 ? 'all good' : join ' ', sort keys %failed;
    };

    my $checked = `$promtool check rules $Dir/paygw-alerts.yml 2>&1`;
    like($checked, qr/SUCCESS: 29 rules found/, 'promtool check rules');
    is($run->($Rules), 'all good', 'promtool test rules');

    # what a panel asks for can be asked: Grafana puts a time there

    open my $fh, '>', "$dir/board.yml" or die $!;
    print $fh "groups:\n  - name: board\n    rules:\n";
    for my $n (1 .. @exprs) {
        (my $expr = $exprs[$n - 1]) =~ s/\$__rate_interval/5m/g;
        print $fh "      - record: board:$n\n        expr: '$expr'\n";
    }
    close $fh;
    like(`$promtool check rules $dir/board.yml 2>&1`,
         qr/SUCCESS: ${\ scalar @exprs} rules found/, 'panels: promtool');

    # the last comparison of an expression; "unless" has one of its own

    (my $never = $Rules) =~ s/ > [\d.]+$/ > 1e15/mg;
    $never =~ s/ < [\d. *]+$/ < -1e15/mg;
    is($run->($never), join(' ', sort @Alerts), 'each is seen not to fire');

    (my $always = $Rules) =~ s/ > [\d.]+$/ > -1/mg;
    $always =~ s/ < [\d. *]+$/ < 1e15/mg;
    $always =~ s/^ +unless\n.*\n//m;
    is($run->($always), join(' ', sort @Alerts), 'each is seen to fire');
}

done_testing();
