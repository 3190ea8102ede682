# A new version of the module: when nginx begins to use it.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Basename ();
use File::Copy ();
use File::Temp ();

use PaygwNginx;

# the new binary has neither of them in its environment
plan skip_all => 'valgrind and sanitizers do not follow a new binary'
    if $ENV{TEST_NGINX_USE_VALGRIND} || $ENV{TEST_NGINX_LD_PRELOAD};

my $Dir = File::Temp::tempdir('paygw-upgrade-XXXXXX', TMPDIR => 1,
                              CLEANUP => 1);
chmod 0755, $Dir;

my ($Module, @Copies);
for my $file (split ' ', $ENV{TEST_NGINX_LOAD_MODULES}) {
    push @Copies, "$Dir/" . File::Basename::basename($file);
    install($file, $Copies[-1]);
    $Module = [ $file, $Copies[-1] ] if $file =~ /ngx_http_paygw_module\.so$/;
}
$ENV{TEST_NGINX_LOAD_MODULES} = join ' ', @Copies;

# written aside and renamed, as packages do it

sub install {
    my ($from, $to) = @_;
    File::Copy::copy($from, "$to.new") or die "$from: $!";
    rename "$to.new", $to or die "$to: $!";
}

# the inodes of the module that a process has mapped, and that of the file

sub mapped {
    my $pid = shift;
    my %inode;
    open my $fh, '<', "/proc/$pid/maps" or return '';
    while (my $line = <$fh>) {
        my @f = split ' ', $line;
        $inode{$f[4]} = 1 if ($f[5] // '') eq $Module->[1];
    }
    return join ' ', sort keys %inode;
}

sub file { return (stat $Module->[1])[1] }

my $nginx = PaygwNginx->start(http => '    paygw_zone z:1m;', daemon => 1);
my $old = file();
ok($nginx->wait_for(sub { $nginx->workers }, 10), 'a worker');
my ($worker) = $nginx->workers;

is(mapped($nginx->{pid}), $old, 'the master has it');
is(mapped($worker), $old, 'and the worker');
like($nginx->get('/s?op=claim&key=a'), qr/^ok 1 /, 'it works');

install(@$Module);
isnt(file(), $old, 'another file is there');

ok($nginx->reload, 'reload');
my ($next) = $nginx->workers;
isnt($next, $worker, 'another worker');
is(mapped($nginx->{pid}), $old, 'reload: the master has the old one');
is(mapped($next), $old, 'reload: and its worker');
is($nginx->get('/s?op=claim&key=a'), 'busy', 'reload: the zone is the same');


# -- a new binary --

my $master = $nginx->{pid};
$nginx->signal('USR2');
my $new;
ok($nginx->wait_for(sub {
    $new = $nginx->pid_file;
    return $new && $new != $master && $nginx->workers_of($new);
}, 10), 'USR2: a second master with a worker') or die $nginx->log;

# ends in any case

my $second = PaygwNginx->new(%$nginx, pid => $new);

is(mapped($new), file(), 'USR2: the new master has the new one');
is(mapped($_), file(), 'USR2: and its worker') for $nginx->workers_of($new);
is(mapped($master), $old, 'USR2: the old one works on');

ok($nginx->quit, 'USR2: the old one quits');
like($nginx->get('/s?op=claim&key=a'), qr/^ok 1 /,
     'USR2: the new one works, with a zone of its own');

ok($second->quit, 'the new one quits');
unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
