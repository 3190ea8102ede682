# Test::Nginx::Paygw, as docs/testing.md shows it: the suite of that page is
# run as it stands there, and then what the page says besides.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Temp ();
use IO::Socket::INET ();

use PaygwNginx;
use PaygwProcess;
use Test::Nginx::Paygw;

# the suite of the page, in a process of its own

my $page = do { local (@ARGV, $/) = 'docs/testing.md'; <> };
my ($suite) = $page =~ /^```perl\n(.*?)^```/ms or die 'no suite';

sub suite {
    my $file = File::Temp->new(SUFFIX => '.t');
    print $file "use lib 't/lib';\nuse Test::Nginx::Socket;\n",
                "use PaygwProcess;\n",
                "BEGIN { PaygwProcess::nginx_port() }\n$_[0]";
    close $file;

    # it waits for its nginx as long as it is told to, and no longer

    local $ENV{TEST_NGINX_SLEEP} = $ENV{TEST_NGINX_USE_VALGRIND} ? 3 : '';
    return scalar `$^X $file 2>&1`;
}

local $ENV{PAYGW_TEST_KEYS} = PaygwProcess::folder('keys') . '/keys';

my $out = suite($suite);
is($?, 0, 'the suite of the page') or diag($out);
my @blocks = $suite =~ /^=== TEST (\d+)/mg;
ok(scalar(grep { my $n = $_; $out =~ /^ok .*TEST $n:/m } @blocks) == @blocks,
   'each of its blocks') or diag($out);

# what it sends depends on what it is told

(my $other = $suite) =~ s/^=== TEST 2.*//ms;
$other =~ s/order_id => 'A1'/order_id => 'B1'/ or die;
$out = suite($other);
like($out, qr/^not ok .*TEST 1:.*status code ok/m, 'another order is seen')
    or diag($out);


# the running sandbox, every provider, and answers

my $paygw = Test::Nginx::Paygw->new(sandbox => 1,
    merchants => { shop => { k1 => 'a' x 32, k2 => 'b' x 32 } });

my %channel = (wechat_v3 => 'wxpay', wechat_v2 => 'wxv2', alipay => 'alipay',
               unionpay => 'unionpay', stripe => 'stripe');

my $nginx = PaygwNginx->start(http => $paygw->http_config, server => join '',
    (map { "location = /$_ { paygw_notify $channel{$_}; return 200; }\n" }
     keys %channel),
    "location /api { paygw_auth shop sign_response; return 200 yes; }\n",
    "location /old { paygw_auth shop; paygw_auth_style params; return 200; }");

sub status {
    my $answer = shift;
    return ($answer =~ m{^HTTP/1\.1 (\d+)})[0] // 0;
}

sub send_it {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $nginx->{port}) or die $!;
    print $s $_[0];
    $s->flush;
    local $/;
    return <$s> // '';
}

for my $provider (sort keys %channel) {
    my $good = $paygw->callback($provider, "/$provider", order_id => "T$$");
    my $bad = $paygw->callback($provider, "/$provider", order_id => "F$$",
                               forged => '');
    like(status(send_it($good)), qr/^20[04]$/, "$provider: genuine");
    unlike(send_it($bad), qr{^HTTP/1\.1 20[04] .*?(?:success|ok)}s,
           "$provider: forged");
}

my $order = $paygw->sandbox->order('alipay',
                                   "http://127.0.0.1:$nginx->{port}/alipay");
is($paygw->sandbox->callback($order), 200, 'by the sandbox itself');
my $log = $nginx->log;
is(scalar(() = $log =~ /payment callback refused: signature/g),
   scalar(keys %channel), 'forged ones are seen to be');

for my $key (qw(k1 k2)) {
    my $call = $paygw->call('POST', '/api?a=%2f', "x\0\xff", key_id => $key,
                            nonce => "a-nonce-of-a-test-$key");
    my $answer = send_it($call);
    is(status($answer), 200, "a call: $key");
    is($paygw->answer_is_signed($answer, "a-nonce-of-a-test-$key",
                                key_id => $key), 1, 'its answer');
    is($paygw->answer_is_signed($answer, "a-nonce-of-another", key_id => $key),
       0, 'not that of another');
    (my $changed = $answer) =~ s/yes$/no!/;
    is($paygw->answer_is_signed($changed, "a-nonce-of-a-test-$key",
                                key_id => $key), 0, 'another body');
    is(status(send_it($call)), 401, 'once');
}

is(status(send_it($paygw->call('GET', '/api', '', time => time - 400))), 401,
   'an old one');
is(status(send_it($paygw->call('GET', '/api', '', secret => 'c' x 32))), 401,
   'a wrong secret');
eval { $paygw->call('GET', '/api', '', key_id => 'k9') };
like($@, qr/no merchant has the key "k9"/, 'an unknown one');

my $form = $paygw->params({ name => "\xe5\x85\xac a+b", empty => '' });
is(status(send_it("POST /old HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                  . "Content-Type: application/x-www-form-urlencoded\r\n"
                  . 'Content-Length: ' . length($form) . "\r\n\r\n$form")),
   200, 'parameters');

$nginx->quit;

done_testing();
