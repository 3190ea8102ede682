# Whether Redis keeps what is in a stream: a worker asks once, and warns.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use FakeRedis;
use PaygwNginx;
use PaygwRedis;
use PaygwTest ();

my $Channel = PaygwTest::channel_conf('wxpay', $PaygwTest::Wxpay);
my $Keys = PaygwTest::keys_dir();
$Channel =~ s/\$TEST_NGINX_KEYS/$Keys/g;

my $File = '[warn] redis has "appendonly no": when it ends events of '
         . '"paygw_queue" are lost that no provider sends again';
my $Evicts = '[warn] redis has "maxmemory-policy allkeys-lru": it may remove '
           . 'the streams of "paygw_queue", use "noeviction"';
my $Silent = '[info] redis does not say whether it keeps its data';

sub nginx_for {
    my ($port, %o) = @_;
    my $args = $o{args} // '';
    my $deliver = $o{deliver} // 'paygw_queue s;';
    return PaygwNginx->start(
        http => "    paygw_store redis://127.0.0.1:$port timeout=2s $args;\n"
                . $Channel,
        server => "location = /notify/wxpay { paygw_notify wxpay; $deliver }");
}

sub callback {
    my $nginx = shift;
    my $s = PaygwTest::server_connect($nginx->{port});
    print $s PaygwTest::wechat()->raw;
    $s->flush;
    my ($status) = (readline($s) // '') =~ /^HTTP\/1.1 (\d+)/;
    return $status // 'none';
}

# how often Redis was asked

sub asked {
    my $stats = $_[0]->cmd('INFO', 'commandstats');
    return $stats =~ /^cmdstat_info:calls=(\d+)/m ? $1 : 0;
}

# what nginx has said of it

sub said {
    my $nginx = shift;
    return map { /(\[\w+\]) .*?(redis (?:has|does not say) .*?) while / ?
                 "$1 $2" : () } split /\n/, $nginx->log;
}

sub done {
    my ($nginx, $name) = @_;
    ok($nginx->quit, "$name: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg|error)\]/, "$name: no error");
}

# three callbacks, the question, and what was said of the answer

sub check {
    my ($name, $redis, $asked, @want) = @_;

    my $nginx = nginx_for($redis->port);
    my $before = asked($redis);

    is(callback($nginx), 204, "$name: $_") for 1 .. 3;
    ok($nginx->wait_for(sub { said($nginx) >= @want }, 5), "$name: said");
    is(asked($redis) - $before - 1, $asked, "$name: asked once");

    done($nginx, $name);
    is(join("\n", said($nginx)), join("\n", @want), "$name: what was said");
}

my $redis = PaygwRedis->start;

check('no file', $redis, 1, $File);
$redis->cmd('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
check('both', $redis, 1, $File, $Evicts);
$redis->cmd('CONFIG', 'SET', 'appendonly', 'yes');
check('evicts', $redis, 1, $Evicts);
$redis->cmd('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
check('as it should be', $redis, 1);


# -- who may not ask is not warned --

$redis->cmd('ACL', 'SETUSER', 'shop', 'on', '>secret', '~*', '+eval',
            '+evalsha', '+get', '+set', '+time', '+xadd');
{
    my $nginx = nginx_for($redis->port,
                          args => 'user=shop password=text:secret');
    is(callback($nginx), 204, "forbidden: $_") for 1 .. 3;
    ok($nginx->wait_for(sub { said($nginx) }, 5), 'forbidden: said');
    done($nginx, 'forbidden');
    is(join("\n", said($nginx)), $Silent, 'forbidden: what was said');
}


# -- without a queue nobody asks --

{
    my $nginx = nginx_for($redis->port, deliver => 'return 200;');
    my $before = asked($redis);
    is(callback($nginx), 204, "no queue: $_") for 1 .. 3;
    is(asked($redis) - $before, 1, 'no queue: not asked');
    done($nginx, 'no queue');
}


# -- a reload asks again --

{
    my $nginx = nginx_for($redis->port);
    is(callback($nginx), 204, 'reload: before');
    my $before = asked($redis);
    ok($nginx->reload, 'reload');
    is(callback($nginx), 204, "reload: after, $_") for 1 .. 2;
    is(asked($redis) - $before, 2, 'reload: asked again');
    done($nginx, 'reload');
}


# -- whatever the answer, callbacks go on --

my %Odd = (
    'empty' => "\$0\r\n\r\n",
    'no such lines' => "\$9\r\n# Server\r\n\r\n",
    'odd values' => "\$70\r\n" . "\naof_enabled:\nmaxmemory_policy:"
                    . ("\xe9x" x 19) . "\0\r\n",
    'number' => ":1\r\n",
    'nothing' => '',
    'closed' => undef,
);

for my $name (sort keys %Odd) {
    my $fake = FakeRedis->start(sub {
        my ($conn) = @_;
        while (my @c = $conn->read) {
            my $answer = $c[0] eq 'INFO' ? $Odd{$name} : ":1\r\n";
            return if !defined $answer;
            $conn->write($answer);
        }
    });
    my $nginx = nginx_for($fake->port);

    is(callback($nginx), 204, "$name: the first one is not held up");
    ok($nginx->wait_for(sub { grep { /^INFO/ } $fake->seen }, 5),
       "$name: asked");
    ok($nginx->wait_for(sub { callback($nginx) eq 204 }, 10),
       "$name: and goes on");
    is(scalar(grep { /^INFO/ } $fake->seen), 1, "$name: asked once");

    ok($nginx->quit, "$name: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, "$name: no alert");
    $fake->stop;
}

done_testing();
