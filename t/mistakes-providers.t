# D8 and D18, for every provider that the module knows: a new one without a case
# here is a failure.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwNginx;
use PaygwUnionpay;

use Digest::SHA ();

with_wxv2();

# -- the providers, by the module's own words --

sub main::known {
    my $out = PaygwNginx->test(server => '', http =>
        'paygw_zone z:1m; paygw_channel x { provider nothing; }');
    my ($names) = $out =~ /unknown provider "nothing".*known are([^\n]*) in /;
    return sort(($names // '') =~ /"(\w+)"/g);
}

# what each of them sends: genuine, and by a stranger, who makes all ids up

my $N = 0;

sub made_up { return sprintf '%s%d%06d', $_[0], ++$N, rand 1e6 }

sub main::hook {
    my (%o) = @_;

    my $body = sprintf '{"id":"%s","kind":"paid","order":"%s","fee":100,'
                       . '"more":[{"text":"a/b"},true]}',
                       $o{id} // made_up('e'), $o{order_id} // made_up('G');
    my $sig = Digest::SHA::hmac_sha256_hex($body, $o{key}
                                      // '0123456789abcdefghijklmnopqrstuv');
    return bless {
        provider => 'generic', method => 'POST', target => '/notify/hook',
        body => $body, headers => [ [ 'Content-Type', 'application/json' ],
                                    [ 'X-Signature', $sig ] ],
    }, 'PaygwTest::Message';
}

our %Cases = (
    wechat_v3 => {
        kind => 'json', genuine => \&wechat,
        headers => [ 'Wechatpay-Timestamp', 'Wechatpay-Nonce' ],
        strangers => [ { key => 'rogue' }, { key => 'mch' } ],
        forged => sub { wechat(key => 'rogue', serial => made_up('5157F09E'),
                               order_id => made_up('O'), id => made_up('EV-'),
                               appid => made_up('wx'), mchid => made_up(19)) },
    },
    wechat_v2 => {
        kind => 'xml', genuine => \&wechat2,
        strangers => [ { key => 'wxv2_next' }, { key => 'empty' } ],
        forged => sub { wechat2(key => 'wxv2_next', appid => made_up('wx'),
                                mchid => made_up(1), order_id => made_up('O'),
                                trade_no => made_up(42)) },
    },
    alipay => {
        kind => 'form', genuine => \&alipay,
        strangers => [ { key => 'rogue' }, { key => 'app' } ],
        forged => sub { alipay(key => 'rogue', app_id => made_up(2021),
                               seller_id => made_up(2088), id => made_up('n'),
                               order_id => made_up('O'), params =>
                               { alipay_cert_sn => made_up('ab') }) },
    },
    unionpay => {
        kind => 'form', genuine => \&unionpay,
        strangers => [ { key => 'rogue', cert => 'up' },
                       { key => 'rogue', cert => { issuer => 'self' } } ],
        forged => sub { unionpay(key => 'rogue', merid => made_up(7772),
                                 order_id => made_up('O'), id => made_up(5),
                                 cert => { issuer => 'fake:alipay_root' }) },
    },
    stripe => {
        kind => 'json', genuine => \&stripe, sign => 'Stripe-Signature',
        strangers => [ { secrets => [ 'whsec_other' ] },
                       { secrets => [ '' ] } ],
        forged => sub { stripe(secrets => [ made_up('whsec_') ], id =>
                               made_up('evt_'), order_id => made_up('O'),
                               event => { account => made_up('acct_') }) },
    },
    generic => {
        kind => 'json', genuine => \&main::hook,
        strangers => [ { key => 'x' }, { key => '' } ],
        forged => sub { main::hook(key => made_up('k')) },
    },
);

# -- every field of what is signed, one at a time --

# another letter for a letter, another digit for a digit

sub other {
    my $c = shift;
    return $c =~ tr/0-9a-zA-Z/1-90b-zaB-ZA/r;
}

# [ NAME, OFFSET, LENGTH ] of the values of a body

sub main::values_of {
    my ($body, $kind) = @_;

    my $re = $kind eq 'json'
        ? qr/"(\w+)"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+|true|false)/
        : $kind eq 'form' ? qr/(?:^|&)([^&=]+)=([^&]*)/
        : qr/<(\w+)><!\[CDATA\[(.*?)\]\]>/s;
    my @values;
    while ($body =~ /$re/g) {
        push @values, [ $1, $-[2], $+[2] - $-[2] ];
    }
    return @values;
}

sub main::changed {
    my ($m, $value) = @_;

    my ($name, $at, $len) = @$value;
    my $text = substr $m->{body}, $at, $len;
    my $new = $text;

    if ($text =~ /^(?:true|false)$/) {
        $new = $text eq 'true' ? 'false' : 'true';
    } else {
        # the last letter or digit that stands for itself
        $new =~ s/(?<![%\\])(?<!%.)([0-9a-zA-Z])(?=[^0-9a-zA-Z]*\z)
                 /other($1)/ex
            or $new =~ s/([0-9a-zA-Z])/other($1)/e;
    }

    return if $new eq $text;

    my $copy = bless { %$m }, ref $m;
    substr $copy->{body}, $at, $len, $new;
    return $copy;
}

# a header field in which one character is another

sub main::with_header {
    my ($m, $name, $re) = @_;

    my $copy = bless { %$m }, ref $m;
    my $n = 0;
    $copy->{headers} = [ map {
        my ($k, $v) = @$_;
        if (lc $k eq lc $name) {
            $n += $v =~ s/$re/other($1)/e;
        }
        [ $k, $v ];
    } @{ $m->{headers} } ];
    die "no $name\n" if !$n;
    return $copy;
}

# everything that must be refused of a genuine message; sends all of it

sub main::all_changed {
    my ($m, $case, $what) = @_;

    my %skip = (sign => 1, signature => 1, sign_type => 1);
    my @copies;

    for my $value (main::values_of($m->{body}, $case->{kind})) {
        next if $skip{ $value->[0] } && $case->{kind} ne 'json';
        my $copy = main::changed($m, $value) or next;
        push @copies, [ $value->[0], $copy ];
    }
    push @copies, map { [ $_, main::with_header($m, $_, qr/(\w)(?=\W*\z)/) ] }
                  @{ $case->{headers} || [] };
    push @copies, [ 'time', main::with_header($m, $case->{sign},
                                              qr/t=\d+?(\d)(?=,)/) ]
        if $case->{sign};

    cmp_ok(scalar @copies, '>=', 4, "$what: fields");

    for (@copies) {
        my $res = send_callback($_->[1]);
        ok($res->{status} >= 400 && $res->{status} < 500,
           "$what: $_->[0] changed: $res->{status}");
    }

    return scalar @copies;
}

# -- what a worker reads: only files, for sockets are received from --

sub main::reads {
    open my $fh, '<', $Test::Nginx::Util::PidFile or die $!;
    my $master = <$fh> + 0;
    my %reads;

    for my $file (glob '/proc/[0-9]*/stat') {
        open my $stat, '<', $file or next;
        my $line = <$stat> // next;
        my ($pid, $parent) = $line =~ /^(\d+) \(.*\) \S (\d+)/ or next;
        # it may be alone
        next if $parent != $master && $pid != $master;

        open my $io, '<', "/proc/$pid/io" or next;
        local $/;
        ($reads{$pid}) = <$io> =~ /^syscr: (\d+)/m;
    }

    return join ' ', map { "$_:$reads{$_}" } sort keys %reads;
}

our $Locations = $PaygwTest::Locations . $PaygwTest::LocationWxv2 . <<'CONF';
    location = /notify/unionpay {
        paygw_notify  unionpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
    location = /notify/hook {
        paygw_notify  hook;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
CONF

our $Hook = <<'CONF';
order_id json(/order);
kind     json(/kind);
map      paid payment success;
CONF

run_tests();

__DATA__

=== TEST 1: D8: every provider has a case
--- run
my @known = main::known();
cmp_ok(scalar @known, '>=', 6, "known: @known");
is(join(' ', sort keys %main::Cases), "@known");



=== TEST 2: D8: a stranger's key, and every field that is signed
--- generic eval: $main::Hook
--- config eval: $main::Locations
--- run
for my $name (sort keys %main::Cases) {
    my $case = $main::Cases{$name};
    my $n = shop_count();

    for (@{ $case->{strangers} }) {
        my $m = $case->{genuine}->(%$_);
        my $res = send_callback($m);
        ok($res->{status} == 401 || $res->{status} == 403,
           "$name: a stranger's: $res->{status}");
    }

    my $m = $case->{genuine}->();
    main::all_changed($m, $case, $name);
    is(shop_count(), $n, "$name: nothing was delivered");

    # all of that was about a message that is genuine as it stands
    my $res = send_callback($m);
    ok($res->{status} == 200 || $res->{status} == 204, "$name: as it was sent");
    is(shop_count(), $n + 1, "$name: delivered");
}



=== TEST 3: D8: other keys of WeChat Pay
--- run
for my $key ('wx_b', 'wx_pub') {
    my $m = wechat(key => $key);
    main::all_changed($m, $main::Cases{wechat_v3}, $key);
    is(shop_count(), $key eq 'wx_pub' ? 1 : 0, 'nothing was delivered');
    ack_ok(send_callback($m), $m, 204, 'as it was sent');
}
# a key of the channel, under the name of another one
for (wechat(key => 'wx_b', serial => '0A1B2C3D4E5F60718293A4B5C6D7E8F901234567'),
     wechat(key => 'wx_pub', serial => '0A1B2C3D4E5F60718293A4B5C6D7E8F901234567'))
{
    ack_ok(send_callback($_), $_, 401);
}



=== TEST 4: D8: Alipay by certificate
--- alipay
-alipay_public_key
alipay_cert       $TEST_NGINX_KEYS/alipay.crt;
alipay_root_cert  $TEST_NGINX_KEYS/alipay_root.crt;
app_private_key   $TEST_NGINX_KEYS/app.key;
app_cert          $TEST_NGINX_KEYS/app.crt;
--- run
my $m = alipay();
main::all_changed($m, $main::Cases{alipay}, 'by certificate');
ack_ok(send_callback($_), $_, 401) for alipay(key => 'rogue');
is(shop_count(), 0);
ack_ok(send_callback($m), $m, 200, 'as it was sent');



=== TEST 5: D8: hashes with a secret: WeChat Pay v2 by HMAC, UnionPay by SHA-256
--- wxv2
-sign_type
sign_type   HMAC-SHA256;
--- unionpay
-root_cert
-middle_cert
signMethod  11;
secure_key  file:$TEST_NGINX_KEYS/up_secure.key;
--- run
for my $case ([ wechat_v2 => wechat2(sign_type => 'HMAC-SHA256'),
                wechat2(sign_type => 'HMAC-SHA256', key => 'wxv2_next'),
                wechat2() ],
              [ unionpay => unionpay(sign_method => '11'),
                unionpay(sign_method => '11', secret => 'up_secure_next'),
                unionpay() ])
{
    my ($name, $m, @bad) = @$case;
    my $n = shop_count();
    ack_ok(send_callback($_), $_, 401, "$name: a stranger's") for @bad;
    main::all_changed($m, $main::Cases{$name}, "$name, hashed");
    is(shop_count(), $n, 'nothing was delivered');
    ack_ok(send_callback($m), $m, 200, 'as it was sent');
}



=== TEST 6: D18: made-up ids cost the store no command, and no file is read
--- generic eval: $main::Hook
--- config eval: $main::Locations
--- run
# what is read once is read now
for (sort keys %main::Cases) {
    my $case = $main::Cases{$_};
    send_callback($case->{forged}->());
    send_callback($case->{genuine}->());
}
Time::HiRes::sleep(0.3);
my $n = shop_count();
my $reads = main::reads();
like($reads, qr/^\d+:\d+/, 'a worker');
my $before = store_is('redis') ? redis_commands() : 0;
for my $name (sort keys %main::Cases) {
    for (1 .. 20) {
        my $res = send_callback($main::Cases{$name}{forged}->());
        ok($res->{status} == 401 || $res->{status} == 403,
           "$name: $res->{status}") if $_ == 1 || $res->{status} !~ /^40[13]$/;
    }
}
is(redis_commands() - $before, 0, 'no command') if store_is('redis');
is(main::reads(), $reads, 'no file was read')
    if !$ENV{TEST_NGINX_USE_VALGRIND};
is(shop_count(), $n, 'nothing was delivered');
# the witnesses see what there is
ack_ok(send_callback($_), $_, 204) for wechat();
cmp_ok(redis_commands(), '>', $before, 'a genuine one costs commands')
    if store_is('redis');



=== TEST 7: D18: made-up ids take no memory of the zone
--- no_store
--- http_config
    paygw_zone paygw:32k;
--- generic eval: $main::Hook
--- config eval: $main::Locations
--- run
for my $name (sort keys %main::Cases) {
    for (1 .. 40) {
        my $res = send_callback($main::Cases{$name}{forged}->());
        is($res->{status}, 401, $name) if $res->{status} !~ /^40[13]$/;
    }
}
is(shop_count(), 0);
for (1 .. 8) {
    for my $m (wechat(), alipay()) {
        ack_ok(send_callback($m), $m, 200, 'there is room');
    }
}
# the witness: so small is it
my $full = 0;
for (1 .. 200) {
    last if $full ||= send_callback(main::hook())->{status} == 503;
}
ok($full, 'genuine ones fill it');
--- error_log
[alert]
could not allocate event in paygw zone
