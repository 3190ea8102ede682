# Platform certificates of WeChat Pay that are fetched while nginx runs.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwNginx;
use PaygwSandbox;
use PaygwTest ();

my $Shop = PaygwTest::shop_port();
my $Sandbox = PaygwSandbox->start;
my $Notify = "access_log logs/k.log k if=\$paygw_result; "
    . "location = /n { paygw_notify wxpay; "
    . "proxy_pass http://127.0.0.1:$Shop; }";
my $Auto = 'auto interval=3600s retry=3s';
my $Root = "$Sandbox->{dir}/wechat/platform_root.crt";

sub http {
    my @more = @_;
    return ($PaygwTest::Store eq 'redis'
            ? "    paygw_store redis://127.0.0.1:$PaygwTest::RedisPort;\n"
            : '')
        . "    paygw_zone keyring:2m;\n"
        . "    log_format k '\$paygw_result \$paygw_reason \$paygw_key_id';\n"
        . $Sandbox->wechat(@more);
}

sub start {
    my ($more, %o) = @_;
    return PaygwNginx->start(http => http(@$more), server => $Notify, %o);
}

sub notify {
    my ($nginx, %faults) = @_;
    my $order = $Sandbox->order('wechat_v3',
                                "http://127.0.0.1:$nginx->{port}/n");
    return $Sandbox->callback($order, %faults);
}

sub fetches { return $Sandbox->fetches('wechat_v3') }

sub reset_sandbox {
    $Sandbox->keys(active => 'a', listed => ['a', 'b'], lie => '', @_);
    return fetches();
}

# the line is written after the answer

sub last_is {
    my ($nginx, $re, $what) = @_;
    my $line = '';
    ok($nginx->wait_for(sub {
        open my $fh, '<', "$nginx->{dir}/logs/k.log" or return 0;
        my @lines = <$fh>;
        $line = $lines[-1] // '';
        return $line =~ $re;
    }, 10), $what) or diag($line);
}

sub clean {
    my ($nginx, $what) = @_;
    ok($nginx->quit, "$what: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, "$what: no alert");
}


# -- at the start, and with more than one worker --

for my $workers (1, 2) {
    my $before = reset_sandbox();
    my $nginx = start([ platform_certificates => $Auto ],
                      workers => $workers);

    is(notify($nginx), 204, "start: a callback in the first moment");
    is(fetches() - $before, 1, "start: one fetch by $workers workers");
    is(notify($nginx, key => 'b'), 204, 'start: the other certificate');
    is(notify($nginx, key => 'pub'), 401, 'start: no public key');
    last_is($nginx, qr/^refused unknown_key PUB_KEY_ID_/,
            'start: which a fetch cannot bring');
    is(notify($nginx, wrong_key => JSON::PP::true), 401, 'start: forged');
    is(fetches() - $before, 1, 'start: and no more');
    like($nginx->log, qr/key "0A[0-9A-F]+" of channel "wxpay" is in use/,
         'start: logged');

    # a reload keeps it, and asks for nothing

    ok($nginx->reload, 'reload');
    is(notify($nginx), 204, 'reload: known');
    is(fetches() - $before, 1, 'reload: no fetch');
    clean($nginx, 'start');
}


# -- a single process --

{
    my $before = reset_sandbox();
    my $nginx = PaygwNginx->start(server => $Notify,
        http => http(platform_certificates => $Auto)
                . "    # single\n", single => 1);
    is(notify($nginx), 204, 'single: fetched');
    is(fetches() - $before, 1, 'single: once');
    $nginx->quit;
}


# -- D15: the one serial that is known is not the one that signs from now on --

{
    my $before = reset_sandbox(listed => ['a']);
    my $nginx = start([ platform_certificates => 'auto retry=6s' ],
                      workers => 2);

    is(notify($nginx), 204, 'rotation: the old one');
    $Sandbox->keys(listed => ['a', 'b'], active => 'b');
    is(notify($nginx), 503, 'rotation: too soon after the last fetch');
    last_is($nginx, qr/^unavailable keyring 50/,
            'rotation: not refused');
    sleep 7;
    is(notify($nginx), 204, 'rotation: D15: then it waits for the fetch');
    is(fetches() - $before, 2, 'rotation: one more fetch');
    is(notify($nginx, key => 'a'), 204, 'rotation: the old one still');

    # the old one is not listed any more, but it has not ended

    $Sandbox->keys(listed => ['b']);
    is(notify($nginx, key => 'a'), 204, 'rotation: kept until its end');
    clean($nginx, 'rotation');
}


# -- forgeries: one fetch an interval, then a negative cache --

{
    my $before = reset_sandbox();
    my $nginx = start([ platform_certificates => 'auto retry=3600s' ],
                      workers => 2);
    is(notify($nginx), 204, 'forged: fetched');

    my @got = map { notify($nginx, serial => sprintf '%040X', $_) } 1 .. 40;
    is(join(' ', sort keys %{{ map { ($_, 1) } @got }}), '503',
       'forged: answered for later');
    is(fetches() - $before, 1, 'forged: no fetch within the interval');
    is(notify($nginx, serial => 'XYZ'), 401, 'forged: no serial');
    is(notify($nginx, serial => '0af0'), 401, 'forged: lower case');
    is(notify($nginx, serial => 'ABC'), 401, 'forged: half a byte');
    is(notify($nginx, serial => 'F' x 42), 401, 'forged: too long');
    clean($nginx, 'forged');

    $before = reset_sandbox();
    $nginx = start([ platform_certificates => $Auto ], workers => 2);
    notify($nginx);
    sleep 3;
    is(notify($nginx, serial => 'AB' x 20), 401, 'absent: asked for');
    last_is($nginx, qr/^refused unknown_key AB/, 'absent: refused');
    is(fetches() - $before, 2, 'absent: by a fetch');
    sleep 3;
    is(notify($nginx, serial => 'AB' x 20), 401, 'absent: known to be');
    is(fetches() - $before, 2, 'absent: without a fetch');
    clean($nginx, 'absent');
}


# -- renewed by the timer --

{
    my $before = reset_sandbox();
    my $nginx = start([ platform_certificates => 'auto interval=1s retry=1s' ]);
    ok($nginx->wait_for(sub { fetches() - $before >= 3 }, 6),
       'timer: again and again');
    clean($nginx, 'timer');
}


# -- the provider lies: nothing of it is used --

my %Lies = (
    bad_signature => qr/refused: signature of the answer is wrong/,
    unsigned => qr/refused: answer is not signed/,
    stale => qr/refused: answer is not fresh/,
    wrong_apiv3 => qr/refused: "apiv3_key" does not open the certificate/,
    wrong_serial => qr/refused: "serial_no" is not that of the certificate/,
    garbage => qr/refused: invalid JSON, status 200/,
    huge => qr/cannot be fetched: body is too large/,
    truncated => qr/cannot be fetched: response was cut/,
    slow => qr/cannot be fetched: provider timed out/,
    error => qr/cannot be fetched: status is 5xx/,
);

for my $lie (sort keys %Lies) {
    reset_sandbox(lie => $lie);
    my $nginx = start([ platform_certificates => $Auto,
                        platform_certificate =>
                            "$Sandbox->{dir}/wechat/platform_cert_b.pem" ]);

    is(notify($nginx), 503, "$lie: not known");
    is(notify($nginx, key => 'b'), 204, "$lie: the old key is kept");
    ok($nginx->wait_for(sub { $nginx->log =~ $Lies{$lie} }, 8),
       "$lie: says why") or diag($nginx->log);
    ok($nginx->wait_for(
           sub { $nginx->log =~ /will be fetched again in \d+ ms/ }, 10),
       "$lie: tries again");

    if ($lie eq 'unsigned') {
        $Sandbox->keys(lie => '');
        ok($nginx->wait_for(sub { notify($nginx) == 204 }, 10),
           "$lie: and it comes right");
    }
    clean($nginx, $lie);
}


# -- what is signed with our APIv3 key but not issued by the platform --

{
    reset_sandbox(lie => 'wrong_chain');
    my $nginx = start([ platform_certificates => $Auto,
                        platform_root_certificate => $Root ]);
    is(notify($nginx, wrong_key => JSON::PP::true), 503, 'chain: refused');
    ok($nginx->wait_for(
           sub { $nginx->log =~ /were refused: .*(?:signature|issuer)/ }, 10),
       'chain: says why') or diag($nginx->log);
    clean($nginx, 'chain');

    # the same without a root, which shows that the root is what refuses

    reset_sandbox(lie => 'wrong_chain');
    $nginx = start([ platform_certificates => $Auto ]);
    is(notify($nginx, wrong_key => JSON::PP::true), 204,
       'chain: without a root the APIv3 key alone decides');
    clean($nginx, 'no root');

    reset_sandbox();
    $nginx = start([ platform_certificates => $Auto,
                     platform_root_certificate => $Root ]);
    is(notify($nginx), 204, 'chain: genuine');
    clean($nginx, 'genuine chain');
}


# -- chunked is no lie, and an account may have no certificates --

{
    reset_sandbox(lie => 'chunked');
    my $nginx = start([ platform_certificates => $Auto ]);
    is(notify($nginx), 204, 'chunked');
    clean($nginx, 'chunked');

    reset_sandbox(lie => 'missing');
    $nginx = start([ platform_certificates => $Auto,
                     platform_public_key => "$Sandbox->{ids}{pub_key_id} "
                         . "$Sandbox->{dir}/wechat/pub_key.pem" ]);
    is(notify($nginx, key => 'pub'), 204, 'public key only');
    sleep 3;
    is(notify($nginx), 401, 'public key only: no certificate');
    like($nginx->log, qr/\[notice\].*provider has no certificates/,
         'public key only: no error');
    clean($nginx, 'public key only');
}

# -- callbacks that wait: some go away, the others hear of it in time --

{
    reset_sandbox(lie => 'slow');
    my $nginx = start([ platform_certificates => $Auto ]);

    my $body = '{}';
    my @s = map {
        my $s = $nginx->connect;
        print $s "POST /n HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            . "Content-Type: application/json\r\nContent-Length: 2\r\n"
            . 'Wechatpay-Timestamp: ' . time . "\r\nWechatpay-Nonce: n\r\n"
            . "Wechatpay-Signature: QUJD\r\n"
            . 'Wechatpay-Serial: ' . sprintf('%040X', $_) . "\r\n\r\n$body";
        $s->flush;
        $s;
    } 1 .. 40;

    select undef, undef, undef, 0.3;
    my $begin = time;
    close $_ for @s[0 .. 19];

    my $n = 0;
    for my $s (@s[20 .. 39]) {
        my $line = <$s> // '';
        $n++ if $line =~ m{^HTTP/1.1 503 };
    }
    is($n, 20, 'waiting: come again');
    cmp_ok(time - $begin, '<=', 7, 'waiting: not for long');
    clean($nginx, 'waiting');
}

done_testing();
