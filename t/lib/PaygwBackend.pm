package PaygwBackend;

# Backends that speak CGI-like protocols.

use strict;
use warnings;

use base 'Exporter';

use IO::Socket::INET ();
use POSIX ();

use PaygwTest;

our @EXPORT = qw(backend fcgi_record fcgi_request slurp);

# It keeps what it got in a file and
# answers with fixed bytes.

my $Pid = $$;
my @backends;

sub backend {
    my ($name, $end, $answer) = @_;

    my $s = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1')
        or die "no port: $!";
    my $file = PaygwTest::keys_dir() . "/$name.got";
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        $SIG{TERM} = sub { POSIX::_exit(0) };
        while (1) {
            my $c = $s->accept or next;
            my $got = '';
            while ($got !~ $end) {
                sysread $c, $got, 65536, length $got or last;
            }
            open my $fh, '>>', $file;
            print $fh $got;
            close $fh;
            syswrite $c, $answer;
            close $c;
        }
    }

    push @backends, $pid;
    $ENV{"TEST_NGINX_\U${name}\E_PORT"} = $s->sockport;
    return $file;
}

sub fcgi_record {
    my ($type, $data) = @_;
    return pack('CCnnCC', 1, $type, 1, length $data, 0, 0) . $data;
}

# the last request to a FastCGI backend, as the shop tells it

sub fcgi_request {
    my $got = shift;
    my (%stream, @headers);

    while (length $got) {
        my (undef, $type, undef, $len, $pad) = unpack 'CCnnC', $got;
        %stream = () if $type == 1;
        $stream{$type} .= substr $got, 8, $len;
        substr $got, 0, 8 + $len + $pad, '';
    }

    my $params = $stream{4};
    while (length $params) {
        my @len;
        for (0, 1) {
            my $long = ord($params) & 0x80;
            my $n = substr $params, 0, $long ? 4 : 1, '';
            push @len, $long ? unpack('N', $n) & 0x7fffffff : ord $n;
        }
        my $name = substr $params, 0, $len[0], '';
        my $value = substr $params, 0, $len[1], '';
        push @headers, [ $name =~ tr/_/-/r, $value ] if $name =~ s/^HTTP_//;
    }

    return { headers => \@headers, body => $stream{5} };
}

sub slurp {
    my $file = shift;
    open my $fh, '<', $file or return '';
    local $/;
    return scalar <$fh>;
}


END { kill 'TERM', @backends if $$ == $Pid && @backends }


1;
