package PaygwFiles;

# A host of files (file_peer.py), and a caller that tells how an answer ended.
#
#   my $files = PaygwFiles->start;
#   my $conf = $files->channel;                      # of WeChat Pay
#   my $res = fetch($nginx, $uri, heads => {...});   # status, header, body,
#                                                    # whole: 1 if it had an end
#   my $sha = sha(1, content($size));
#   my $note = $files->note('token');

use strict;
use warnings;

use Digest::SHA ();
use Exporter 'import';
use JSON::PP ();
use Time::HiRes ();

use PaygwPeer ();
use PaygwProcess ();
use PaygwTest ();

our @ISA = ('PaygwProcess');
our @EXPORT_OK = qw(content sha begin_fetch end_fetch fetch);


sub start {
    my ($class, %o) = @_;
    my $self = $class->new(%o);

    $self->{pid} = open $self->{out}, '-|', '/usr/bin/python3', '-B',
                   "$PaygwTest::Root/t/lib/file_peer.py"
        or die "file_peer.py: $!\n";
    chomp($self->{port} = readline $self->{out});

    return $self;
}


sub channel {
    my ($self, %more) = @_;
    return PaygwPeer::wechat({ keys => PaygwTest::keys_dir() },
                             "http://127.0.0.1:$self->{port}", %more);
}


# what has become of the request with this token

sub note {
    my ($self, $token) = @_;
    my $res = fetch($self->{port}, '/log');
    return JSON::PP::decode_json($res->{body})->{$token} || {};
}


sub content {
    my $size = shift;
    my $lines = substr "`2025-01-02,`a line.\r\n" x 3000, 0, 65528;
    return substr join('', map { sprintf('%08d', $_) . $lines }
                           0 .. int(($size + 65535) / 65536)), 0, $size;
}


sub sha {
    my ($which, $data) = @_;
    return $which == 1 ? Digest::SHA::sha1_hex($data)
                       : Digest::SHA::sha256_hex($data);
}


sub begin_fetch {
    my ($nginx, $uri, %o) = @_;

    my $s = PaygwTest::server_connect(ref $nginx ? $nginx->{port} : $nginx);
    my $heads = join '', map { "$_: $o{heads}{$_}\r\n" }
                sort keys %{ $o{heads} // {} };

    print $s(($o{method} // 'GET') . " $uri HTTP/1." . ($o{http10} ? 0 : 1)
             . "\r\nHost: localhost\r\n"
             . ($o{keep} ? '' : "Connection: close\r\n") . "$heads\r\n");
    $s->flush;

    return $s;
}


# Reads until the connection is closed, or nothing comes for a minute.  slow:
# seconds before each read of 64 k.

sub end_fetch {
    my ($s, %o) = @_;

    my ($text, $closed) = ('', 0);
    my $rin = '';
    vec($rin, fileno $s, 1) = 1;

    while (select my $r = $rin, undef, undef, $o{timeout} // 60) {
        Time::HiRes::sleep($o{slow}) if $o{slow};
        my $n = sysread $s, $text, 65536, length $text;
        if (!$n) {
            $closed = 1;
            last;
        }
    }

    my $at = index $text, "\r\n\r\n";
    return { status => 0, body => '', whole => 0, header => {},
             closed => $closed } if $at < 0;

    my $res = { closed => $closed, header => {}, whole => 1 };
    my ($first, @lines) = split /\r\n/, substr $text, 0, $at;
    ($res->{status}) = $first =~ m{^HTTP/1\.. (\d+)};
    for (@lines) {
        $res->{header}{lc $1} = $2 if /^([^:]+):\s*(.*)$/;
    }

    my $body = substr $text, $at + 4;

    if (($res->{header}{'transfer-encoding'} // '') eq 'chunked') {
        $res->{whole} = 0;
        my @parts;
        my $p = 0;
        while (substr($body, $p, 32) =~ /^([0-9a-f]+)\r\n/) {
            my ($len, $skip) = (hex $1, length $&);
            if ($len == 0) {
                $res->{whole} = 1;
                last;
            }
            push @parts, substr $body, $p + $skip, $len;
            $p += $skip + $len + 2;
            last if $p > length $body;
        }
        $body = join '', @parts;

    } elsif (defined $res->{header}{'content-length'}) {
        $res->{whole} = length $body == $res->{header}{'content-length'}
                        ? 1 : 0;
    }

    $res->{body} = $body;

    return $res;
}


sub fetch {
    my ($nginx, $uri, %o) = @_;
    return end_fetch(begin_fetch($nginx, $uri, %o), %o);
}


1;
