package PaygwPeer;

# A provider whose API answers as it is told, and channels that call it.
#
#   my $peer = PaygwPeer->start;
#   my $port = $peer->listen;                     # tls => [ CERT, KEY ]
#   $peer->plan({ signature => 'bad' }, {});      # its next answers
#   my @got = $peer->requests;                    # since plan()
#   my $conf = $peer->wechat("http://127.0.0.1:$port");
#   my $res = call($nginx, POST => '/wx/v3/x', body => '{}');
#
# What an answer may be told is in pass_peer.py.

use strict;
use warnings;

use Exporter 'import';
use IO::Handle ();
use IPC::Open2 ();
use JSON::PP ();

use PaygwProcess ();
use PaygwTest ();

our @ISA = ('PaygwProcess');
our @EXPORT_OK = qw(call begin_call end_call problem_ok);

my $json = JSON::PP->new->ascii->canonical;


sub start {
    my ($class, %o) = @_;

    my $self = $class->new(%o);
    my ($out, $in);

    $self->{keys} = PaygwTest::keys_dir();
    $self->{pid} = IPC::Open2::open2($out, $in, '/usr/bin/python3', '-B',
                                     "$PaygwTest::Root/t/lib/pass_peer.py",
                                     $self->{keys});
    $in->autoflush(1);
    binmode $_, ':raw' for $in, $out;
    @$self{qw(in out)} = ($in, $out);

    return $self;
}


sub do {
    my ($self, $do, %o) = @_;

    my ($in, $out) = @$self{qw(in out)};
    print $in $json->encode({ %o, do => $do }), "\n";
    my $line = readline $out;
    die "pass_peer.py has died\n" if !defined $line;

    my $answer = $json->decode($line);
    die "pass_peer.py: $do: $answer->{error}\n" if exists $answer->{error};

    return $answer->{ok};
}


sub listen { my ($self, %o) = @_; return $self->do('listen', %o) }
sub blackhole { return $_[0]->do('blackhole') }

sub plan { my ($self, @a) = @_; return $self->do('plan', answers => \@a) }

sub always {
    my ($self, $a) = @_;
    return $self->do('plan', answers => [], always => $a);
}

sub requests {
    my ($self, $count, $seconds) = @_;
    return @{ $self->do('requests', count => $count // 0,
                        seconds => $count
                            ? ($seconds // 5) * $PaygwProcess::Slow : 0) };
}


# blocks of configuration; a value of undef drops a parameter.  A slow machine
# must not look like a provider that does not answer, a test of answers that
# nobody believes is no reason to call him no more, and pauses are short.

my %Slow = (proxy_read_timeout => '20s', proxy_send_timeout => '20s',
            paygw_breaker => 'off', paygw_retry => '3 base=50ms jitter=0');

sub wechat {
    my ($self, $endpoint, %more) = @_;
    my $d = $self->{keys};
    return channel(delete $more{-name} // 'wxpay', 'wechat_v3',
                   appid => 'wxd678efh567hg6787', mchid => '1900009191',
                   apiv3_key => "file:$d/apiv3.key",
                   platform_certificate => "$d/wx_a.crt",
                   merchant_private_key => "$d/mch.key",
                   merchant_certificate => "$d/mch.crt",
                   endpoint => $endpoint, %Slow, %more);
}

sub alipay {
    my ($self, $endpoint, %more) = @_;
    my $d = $self->{keys};
    return channel(delete $more{-name} // 'alipay', 'alipay',
                   app_id => '2021000000000001',
                   seller_id => '2088101122136241',
                   alipay_public_key => "$d/alipay.pem",
                   app_private_key => "$d/app.key",
                   endpoint => $endpoint, %Slow, %more);
}

sub alipay_cert {
    my ($self, $endpoint, %more) = @_;
    my $d = $self->{keys};
    return $self->alipay($endpoint, alipay_public_key => undef,
                         alipay_cert => "$d/alipay.crt",
                         alipay_root_cert => "$d/alipay_root.crt",
                         app_cert => "$d/app.crt", %more);
}

sub wechat_v2 {
    my ($self, $endpoint, %more) = @_;
    my $d = $self->{keys};
    return channel(delete $more{-name} // 'wxv2', 'wechat_v2',
                   appid => 'wxd930ea5d5a258f4f', mchid => '10000100',
                   api_key => "file:$d/wxv2.key", sign_type => 'MD5',
                   endpoint => $endpoint, %Slow, %more);
}

# with the certificate that refunds need

sub wechat_v2_cert {
    my ($self, $endpoint, %more) = @_;
    my $d = $self->{keys};
    return $self->wechat_v2($endpoint, merchant_private_key => "$d/mch.key",
                            merchant_certificate => "$d/mch.crt", %more);
}

sub unionpay {
    my ($self, $endpoint, %more) = @_;
    my $d = $self->{keys};
    return channel(delete $more{-name} // 'unionpay', 'unionpay',
                   merId => '777290058110097',
                   root_cert => "$d/up_root.crt",
                   middle_cert => "$d/up_middle.crt",
                   merchant_private_key => "$d/mch.key",
                   merchant_certificate => "$d/mch.crt",
                   endpoint => $endpoint, %Slow, %more);
}

sub unionpay_secret {
    my ($self, $endpoint, $method, %more) = @_;
    return $self->unionpay($endpoint, signMethod => $method,
                           secure_key => "file:$self->{keys}/up_secure.key",
                           (map { ($_, undef) }
                            qw(root_cert middle_cert merchant_private_key
                               merchant_certificate)), %more);
}

sub stripe {
    my ($self, $endpoint, %more) = @_;
    my $d = $self->{keys};
    return channel(delete $more{-name} // 'stripe', 'stripe',
                   webhook_secret => "file:$d/stripe.key",
                   secret_key => "file:$d/stripe_api.key",
                   livemode => 'off', endpoint => $endpoint, %Slow, %more);
}

sub channel {
    my ($name, $provider, %p) = @_;
    return "    paygw_channel $name {\n        provider $provider;\n"
        . join('', map { my $n = $_;
                         map { "        $n $_;\n" }
                         ref $p{$n} ? @{ $p{$n} } : $p{$n} }
                   grep { defined $p{$_} } sort keys %p)
        . "    }\n";
}


# one call of nginx in two steps, as PaygwTest has it

sub begin_call {
    my ($nginx, $method, $uri, %o) = @_;

    my $body = $o{body} // '';
    my $port = ref $nginx ? $nginx->{port} : $nginx;
    my $heads = join '', map { "$_: $o{heads}{$_}\r\n" }
                sort keys %{ $o{heads} // {} };
    my $s = PaygwTest::server_connect($port);
    my $data = "$method $uri HTTP/1." . ($o{http10} ? 0 : 1)
        . "\r\nHost: localhost\r\n" . ($o{keep} ? '' : "Connection: close\r\n")
        . (length $body || $method ne 'GET'
           ? 'Content-Length: ' . length($body) . "\r\n" : '')
        . "$heads\r\n$body";

    print $s $data;
    $s->flush;

    return { sock => $s, buf => '' };
}

sub end_call { my ($c, %o) = @_; return PaygwTest::read_response($c, 0, %o) }

sub call {
    my ($nginx, $method, $uri, %o) = @_;
    return end_call(begin_call($nginx, $method, $uri, %o), %o);
}


# the answer is one of ours, exactly, and has nothing of a provider

sub problem_ok {
    my ($res, $status, $code, $name, %o) = @_;

    my $got = eval { $json->decode($res->{body}) } || {};

    Test::More::is(join(' ', $res->{status}, $got->{code} // $res->{body},
                        $got->{outcome} // '-',
                        $res->{header}{'content-type'} // '-'),
                   join(' ', $status, $code,
                        $code =~ /^PROVIDER-/ ? 'unknown' : '-',
                        'application/json'),
                   $name);
    Test::More::unlike($res->{raw} . $res->{body}, qr/MARK|TWIN|EXTRA/,
                       "$name: nothing of the provider");
    Test::More::like($got->{message} // '', $o{message}, "$name: message")
        if $o{message};

    return $got;
}


sub stop {
    my $self = shift;
    close $self->{in};
    $self->SUPER::stop('TERM');
}


1;
