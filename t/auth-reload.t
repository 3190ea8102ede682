# A nonce is known to all that share the store: after a reload, to the workers
# on both sides of one, and to two nginx on one Redis.  And a large body does
# not keep a worker from its other clients.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Time::HiRes ();

use PaygwNginx;
use PaygwRedis;
use PaygwTest;
use PaygwCall;

my $Server = 'location / { paygw_auth shop; return 200; }';

# the functions of PaygwTest talk to this one from now on

sub talk_to { $Test::Nginx::Util::ServerPortForClient = $_[0]{port} }

my ($store, $redis) = '    paygw_zone nonces:1m;';

if (store_is('redis')) {
    $redis = PaygwRedis->of_tests;
    $store .= "\n    paygw_store redis://127.0.0.1:" . $redis->port
              . ' timeout=2s;';
}

my $Http = "$store\n$PaygwCall::Merchants";


# -- a reload --

my $nginx = PaygwNginx->start(http => $Http, server => $Server, workers => 2);
talk_to($nginx);

my @m = map { call(body => "n$_") } 1 .. 20;
answer_ok(send_callback($_), 200, 'before') for @m;

# half of a body, in a worker that is to end

my $slow = call(body => 'x' x 1000);
my $raw = $slow->raw(keep => 1);
my $half = begin(substr $raw, 0, length($raw) - 500, '');

reload();

answer_ok(send_callback($_), 'REPLAYED', 'after a reload') for @m;
answer_ok(send_callback($slow), 200, 'by a new worker');

my $s = $half->{sock};
print $s $raw;
$s->flush;
answer_ok(finish($half), 'REPLAYED', 'by the old worker');

reload() for 1 .. 3;
answer_ok(send_callback($m[0]), 'REPLAYED', 'after more of them');
answer_ok(send_callback(call()), 200, 'another one');

# of copies that come while nginx reloads one passes

for my $round (1 .. 3) {
    my $m = call(body => "round $round");
    my $text = $m->raw(keep => 1);
    my $head = substr $text, 0, length($text) - 1, '';

    my @c = map { begin($head) } 1 .. 16;
    reload();
    push @c, map { begin($head) } 1 .. 16;

    for (@c) {
        my $sock = $_->{sock};
        print $sock $text;
        $sock->flush;
    }

    my %n;
    $n{$_->{status}}++ for map { finish($_) } @c;
    is(join(' ', map { "$_:$n{$_}" } sort keys %n), '200:1 401:31',
       'copies over a reload');
}

$nginx->quit;


# -- two of them on one Redis --

SKIP: {
    skip 'the nonces are in a zone' => 1 if !$redis;

    my @nginx = map { PaygwNginx->start(http => $Http, server => $Server,
                                        workers => 2) } 1, 2;

    for my $round (1 .. 5) {
        my $m = call(body => "round $round");
        my $text = $m->raw(keep => 1);
        my $head = substr $text, 0, length($text) - 1, '';

        my @c = map { talk_to($nginx[$_ % 2]); begin($head) } 1 .. 32;
        for (@c) {
            my $sock = $_->{sock};
            print $sock $text;
            $sock->flush;
        }

        my %n;
        $n{$_->{status}}++ for map { finish($_) } @c;
        is(join(' ', map { "$_:$n{$_}" } sort keys %n), '200:1 401:31',
           'copies to two nginx');
    }

    $_->quit for @nginx;
}


# -- a large body --

# The last byte of it, and the whole of a small call behind that, reach a
# worker that is stopped: both are ready when it goes on.

for my $buffer ('8k', '16m') {
    $nginx = PaygwNginx->start(http => "$Http    paygw_body_max 16m;\n"
        . "    client_max_body_size 16m;\n"
        . "    client_body_buffer_size $buffer;\n"
        . "    log_format uri \$uri:\$status;\n",
        server => "access_log logs/uri.log uri;\n$Server");
    talk_to($nginx);

    answer_ok(send_callback(call(target => '/first')), 200);

    my ($worker) = $nginx->workers;

    my $large = call(target => '/large', body => 'abcdefgh' x (1 << 20));
    my $text = $large->raw(keep => 1);
    my $last = chop $text;
    my $a = begin($text);
    my $small = call(target => '/small')->raw(keep => 1);
    my $b = begin(substr $small, 0, 20, '');

    # the worker has all but these

    ok(wait_for(sub { quiet($_->{sock}) }, 20), 'taken') for $a, $b;

    kill 'STOP', $worker;
    for ([ $a, $last ], [ $b, $small ]) {
        my $sock = $_->[0]{sock};
        print $sock $_->[1];
        $sock->flush;
    }
    kill 'CONT', $worker;

    answer_ok(finish($_, timeout => 20), 200, "buffer $buffer") for $a, $b;

    my $want = "/first:200\n/small:200\n/large:200\n";
    my $log;
    wait_for(sub {
        $log = PaygwTest::file_from("$nginx->{dir}/logs/uri.log", 0);
        return length $log >= length $want });
    is($log, $want, "the small one does not wait, buffer $buffer");

    # clients that leave meanwhile

    for (1 .. 3) {
        my $m = call(target => '/left', body => 'abcdefgh' x (1 << 20));
        my $bytes = $m->raw(keep => 1);
        my $end = chop $bytes;
        my $c = begin($bytes);
        kill 'STOP', $worker;
        my $sock = $c->{sock};
        print $sock $end;
        $sock->flush;
        abort_client($c);
        kill 'CONT', $worker;
    }
    answer_ok(send_callback(call()), 200, 'worker alive');

    my $wrong = call(body => 'abcdefgh' x (1 << 18));
    substr $wrong->{body}, -1, 1, '!';
    answer_ok(send_callback($wrong), 'BAD_SIGNATURE', 'its last byte');

    $nginx->quit;
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alerts');
}


# new workers are there; the old ones may have requests to finish

sub reload {
    my %old = map { ($_, 1) } $nginx->workers;

    $nginx->signal('HUP');

    $nginx->wait_for(sub {
        return 2 <= grep { !$old{$_} } $nginx->workers }, 10)
        or die 'no new workers';
}


# 1 if all that was sent has been taken from the socket of its reader

sub quiet {
    my $sock = shift;

    my $port = sprintf ':%04X', $sock->sockport;
    open my $fh, '<', '/proc/net/tcp' or die $!;
    my @mine = grep { /\Q$port\E / } <$fh>;

    return !grep { !/ 00000000:00000000 / } @mine;
}
