# Redis Cluster by TLS, with users: each node is verified, also those that the
# cluster has named, and gets the password.  Needs redis-server with TLS.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

BEGIN {
    plan(skip_all => 'the store is Redis')
        if ($ENV{PAYGW_TEST_STORE} // '') eq 'zone';
}

use PaygwCluster;
use PaygwNginx;
use PaygwProcess qw(folder);

my $Timeout = 2000 * $PaygwNginx::Slow;
my $dir = folder('tls');


sub openssl {
    system("cd $dir && openssl $_[0] > log 2>&1") == 0
        or die "openssl $_[0] failed, see $dir/log";
}

# one key, so that a certificate can be changed alone
openssl('req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 '
        . '-subj /CN=ca');
openssl('req -newkey rsa:2048 -nodes -keyout key -out csr -subj /CN=redis');

for ([ addr => 'IP:127.0.0.1' ], [ name => 'DNS:redis.local' ],
     [ host => 'DNS:localhost' ])
{
    my ($name, $san) = @$_;
    open my $fh, '>', "$dir/$name.ext" or die;
    print $fh "subjectAltName=$san\n";
    close $fh;
    openssl("x509 -req -in csr -CA ca.crt -CAkey ca.key -set_serial "
            . int(rand 1e9) . " -days 2 -extfile $name.ext -out $name.crt");
}
chmod 0644, "$dir/key";

my $cluster = eval { PaygwCluster->start(
    masters => 2,
    tls => [ '--tls-cert-file', "$dir/addr.crt", '--tls-key-file', "$dir/key",
             '--tls-ca-cert-file', "$dir/ca.crt", '--tls-auth-clients', 'no' ],
    args => [ qw(--user paygw on >geheim ~paygw:* +eval +evalsha +get +set),
              '+time', '+cluster|slots', '+asking' ]) };

plan skip_all => "redis-server without TLS or users: $@" if !$cluster;

my @channels = map { $cluster->key_on($_, 'c%d') } 0, 1;


# what the first node answers, which is the seed, and the one that it names

sub try {
    my ($cert, $seed, $args, $want, $log, $name) = @_;

    for my $i (0, 1) {
        $cluster->node($i)->cmd('CONFIG', 'SET', 'tls-cert-file',
                                "$dir/$cert.crt");
    }

    my $nginx = PaygwNginx->start(http =>
        "paygw_store rediss://$seed:" . $cluster->tls_port(0)
        . " cluster timeout=${Timeout}ms trusted_certificate=$dir/ca.crt"
        . " $args;");

    my @got = map { $nginx->get("/s?op=claim&key=$_:$name") =~ s/ .*//r }
              @channels;

    is("@got", $want, $name) or diag($nginx->log);
    like($nginx->log, $log, "$name: logged") if $log;
    unlike($nginx->log, qr/geheim|\[(?:alert|crit|emerg)\]/,
           "$name: nothing secret, nothing alarming");
    ok($nginx->quit, "$name: quits");
}

my $user = 'user=paygw password=text:geheim';

try('addr', '127.0.0.1', $user, 'ok ok', undef, 'address');
try('name', '127.0.0.1', "$user name=redis.local", 'ok ok', undef, 'name');
try('host', 'localhost', $user, 'ok error',
    qr/redis certificate does not match the address/, 'host');
try('host', '127.0.0.1', $user, 'error error',
    qr/redis certificate does not match the address/, 'not-an-address');
try('addr', '127.0.0.1', "$user name=redis.local", 'error error',
    qr/redis certificate does not match the name/, 'not-a-name');
try('addr', '127.0.0.1', 'user=paygw password=text:falsch', 'error error',
    qr/redis refused user or password/, 'password');

# a slot that moves takes its users along

{
    $cluster->node($_)->cmd('CONFIG', 'SET', 'tls-cert-file', "$dir/addr.crt")
        for 0, 1;
    my $nginx = PaygwNginx->start(http =>
        'paygw_store rediss://127.0.0.1:' . $cluster->tls_port(0)
        . " cluster timeout=${Timeout}ms trusted_certificate=$dir/ca.crt"
        . " $user;");
    like($nginx->get("/s?op=claim&key=$channels[0]:m"), qr/^ok 1/, 'move');

    my ($slot, $a, $b) = ($cluster->slot("{$channels[0]}"),
                          map { $cluster->node($_) } 0, 1);
    $b->cmd('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $cluster->{ids}[0]);
    $a->cmd('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $cluster->{ids}[1]);
    like($nginx->get("/s?op=claim&key=$channels[0]:new&save=n"), qr/^ok 1/,
         'move: a new one is asked for there');
    is($nginx->get("/s?op=claim&key=$channels[0]:m"), 'busy',
       'move: an old one here');
    unlike($nginx->log, qr/\[error\]/, 'move: no error');
    ok($nginx->quit, 'move: quits');
}

$cluster->stop;

done_testing();
