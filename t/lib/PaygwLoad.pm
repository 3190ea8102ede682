package PaygwLoad;

# Events under load, and the books about them, for what fails meanwhile.
#
#   my $load = PaygwLoad->begin($nginx, [ 'channel', ... ]);
#   ... ; my $books = $load->end;
#   $books->{acked}, $books->{lost}, $books->{503}     # keys
#   $books->balance('name');                           # tests
#
# Each channel has a process that does what a provider does: it sends an event
# until it is acked, again when it is told 503, and then the next one.  The
# location /s has "paygw_test_store".

use strict;
use warnings;

use POSIX ();
use Test::More ();
use Time::HiRes ();

use PaygwNginx;
use PaygwProcess ();

my $Slow = $PaygwNginx::Slow;
my $Lease = 2000 * $Slow;
my $Loads = 0;


sub begin {
    my ($class, $nginx, $channels) = @_;

    my $self = bless { nginx => $nginx, pipes => [],
                       stop => PaygwProcess::folder('load') . '/stop' },
               $class;
    my $name = 'l' . ++$Loads;

    for my $channel (@$channels) {
        pipe my $r, my $w or die "pipe: $!";
        my $pid = fork // die "fork: $!";
        if ($pid == 0) {
            close $r;
            for (my $n = 1; !-e $self->{stop}; $n++) {
                $self->event($w, "$channel:$name-$n");
            }
            POSIX::_exit(0);
        }
        close $w;
        push @{ $self->{pipes} }, [ $r, $pid ];
    }

    return $self;
}


sub event {
    my ($self, $w, $key) = @_;

    my ($got, $acked) = (0, 0);
    my $end = Time::HiRes::time() + 30 * $Slow;

    while (!$acked && Time::HiRes::time() < $end) {
        my $answer = $self->ask("op=claim&key=$key&lease=$Lease");

        if ($answer =~ /^ok \d+ (\w+)/) {
            $got++;
            $self->ask("op=commit&key=$key&token=$1");
            $acked = 1;

        } elsif ($answer eq 'committed') {
            $acked = 1;

        } else {
            syswrite $w, "503 $key\n";
            Time::HiRes::sleep(0.05);
        }
    }

    syswrite $w, ($acked ? 'acked' : 'lost') . " $key $got\n";
}


sub ask { return $_[0]{nginx}->get("/s?$_[1]") }


# what was sent is sent to its end

sub end {
    my $self = shift;

    @$self{qw(acked lost 503)} = ([], [], []);

    open my $fh, '>', $self->{stop} or die $!;
    close $fh;

    for (@{ $self->{pipes} }) {
        my ($r, $pid) = @$_;
        while (my $line = <$r>) {
            my ($what, $key, $got) = split ' ', $line;
            push @{ $self->{$what} }, $key;
            $self->{got}{$key} = $got if defined $got;
        }
        waitpid $pid, 0;
    }

    return $self;
}


# The provider's second thoughts: when every lease is over it sends all of them
# once more.  What was acked is committed, unless the log has told that its
# commit was lost.  Servers that may lose what they have acknowledged, and say
# so in their documentation, are counted by forgets => 1.

sub balance {
    my ($self, $name, %o) = @_;

    Test::More::cmp_ok(scalar @{ $self->{acked} }, '>', 20,
                       "$name: there was a load");
    Test::More::is("@{ $self->{lost} }", '', "$name: nothing is lost");

    my @twice = grep { $self->{got}{$_} > 1 } keys %{ $self->{got} };
    Test::More::is("@twice", '', "$name: nothing is delivered twice");

    return if $o{forgets};

    Time::HiRes::sleep($Lease / 1000 + 0.2);

    my $log = $self->{nginx}->log;
    my @open = grep { $log !~ /commit of event "\Q$_\E" was lost/ }
               grep { $self->ask("op=claim&key=$_") ne 'committed' }
               @{ $self->{acked} };
    Test::More::is("@open", '', "$name: what was acked is committed");
}


1;
