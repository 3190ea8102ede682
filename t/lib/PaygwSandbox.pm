package PaygwSandbox;

# The sandbox as the provider of a test: its keys, its control API, its lies.
#
#   my $sb = PaygwSandbox->start;
#   $sb->keys(active => 'b', listed => ['a', 'b'], lie => 'stale');
#   $sb->fetches('wechat_v3');
#   my $order = $sb->order('wechat_v3', $url);
#   $sb->callback($order, key => 'b');      # the status of its answer

use strict;
use warnings;

use Cwd ();
use File::Basename ();
use IO::Socket::INET ();
use JSON::PP ();

use PaygwProcess qw(folder spawn gone wait_for);

our @ISA = ('PaygwProcess');
our $Root = Cwd::realpath(File::Basename::dirname(__FILE__) . '/../..');

my $json = JSON::PP->new->canonical;


# tls => [ CERT, KEY ] has it listen with TLS as well, at the port tls_port.
# The file "channels" holds a channel for each provider that fits the keys.

sub start {
    my ($class, %o) = @_;

    my $self = $class->new(n => 0, %o);

    $self->{tmp} = folder('sandbox');
    $self->{dir} = "$self->{tmp}/keys";

    $self->{channels} = "$self->{tmp}/channels.conf";
    $self->{port} = $self->run('ready', '--write-conf', $self->{channels},
                               $o{tls} ? ('--tls', @{ $o{tls} }) : ());
    $self->{ids} = $self->get('keys');

    return $self;
}


sub run {
    my ($self, $ready, @args) = @_;

    local $ENV{PYTHONPATH} = $Root;

    my $pid = spawn("$self->{tmp}/log", '/usr/bin/python3', '-B', '-m',
                    'sandbox', 'serve', '--dir', $self->{dir}, '--port', 0,
                    '--speed', 1, '--ready-file', "$self->{tmp}/$ready",
                    @args);

    push @{ $self->{pids} }, $pid;

    my $port;
    wait_for(sub {
        open my $fh, '<', "$self->{tmp}/$ready" or return gone($pid);
        ($port) = (<$fh> // '') =~ /:(\d+)\n/;
        return $port;
    }, 60);

    return $port || die "the sandbox does not start\n";
}


sub url {
    my $self = shift;
    return ($self->{tls} ? 'https' : 'http') . "://127.0.0.1:$self->{port}";
}


sub request {
    my ($self, $method, $path, $value) = @_;

    my $class = 'IO::Socket::INET';
    my @tls;

    if ($self->{tls}) {
        # curl speaks TLS everywhere; the control API is no secret
        my $body = defined $value ? $json->encode($value) : '';
        open my $fh, '-|', 'curl', '-sk', '-X', $method,
             (defined $value ? ('-d', $body) : ()), $self->url . $path
            or die "curl: $!";
        local $/;
        return $json->decode(scalar <$fh>);
    }

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $self->{port})
        or die "sandbox: $!";
    my $body = defined $value ? $json->encode($value) : '';

    print $s "$method $path HTTP/1.0\r\nHost: sandbox\r\nContent-Length: "
             . length($body) . "\r\n\r\n$body";
    $s->flush;

    local $/;
    my $answer = <$s>;
    my ($status, $got) = $answer =~ m{^HTTP/1\.1 (\d+).*?\r\n\r\n(.*)}s;

    die "sandbox: $path: $got\n" if $status >= 400;
    return $json->decode($got);
}


sub get  { my ($self, $path) = @_; $self->request('GET', "/sandbox/$path") }
sub post { my ($self, $path, $v) = @_;
           $self->request('POST', "/sandbox/$path", $v) }

sub keys    { my ($self, %o) = @_; return $self->post('keys', \%o) }
sub fetches { my ($self, $p) = @_; return $self->get('keys')->{fetches}{$p} }


# an order that is paid; nothing is sent yet

sub order {
    my ($self, $provider, $url) = @_;
    my $id = sprintf 'K%dn%dr%06d', $$, ++$self->{n}, rand 1e6;
    $self->post('orders', { provider => $provider, order_id => $id,
                            amount => 100, pay => JSON::PP::true });
    return { order_id => $id, url => $url };
}


# one callback of it; returns the status of its answer

sub callback {
    my ($self, $order, %faults) = @_;
    my $got = $self->post('callbacks', { %$order, faults => \%faults });
    return $got->{deliveries}[0]{status} // 0;
}


# parameters of a channel that fit

sub wechat {
    my ($self, @more) = @_;
    my ($d, $ids) = ($self->{dir}, $self->{ids});
    return channel('wxpay', provider => 'wechat_v3', appid => $ids->{appid},
                   mchid => $ids->{mchid},
                   apiv3_key => "file:$d/wechat/apiv3.key",
                   merchant_private_key => "$d/wechat/apiclient_key.pem",
                   merchant_certificate => "$d/wechat/apiclient_cert.pem",
                   endpoint => $self->url, @more);
}


sub alipay {
    my ($self, @more) = @_;
    my ($d, $ids) = ($self->{dir}, $self->{ids});
    return channel('alipay', provider => 'alipay', app_id => $ids->{app_id},
                   seller_id => $ids->{seller_id},
                   app_private_key => "$d/alipay/app_private.pem",
                   endpoint => $self->url, @more);
}


sub alipay_cert {
    my ($self, @more) = @_;
    my $d = $self->{dir};
    return $self->alipay(app_cert => "$d/alipay/app_cert.crt",
                         alipay_root_cert => "$d/alipay/alipay_root.crt",
                         @more);
}


sub wechat_v2 {
    my ($self, @more) = @_;
    my ($d, $ids) = ($self->{dir}, $self->{ids});
    return channel('wxv2', provider => 'wechat_v2', appid => $ids->{appid},
                   mchid => $ids->{mchid},
                   api_key => "file:$d/wechat/apiv2.key",
                   sign_type => 'HMAC-SHA256',
                   merchant_private_key => "$d/wechat/apiclient_key.pem",
                   merchant_certificate => "$d/wechat/apiclient_cert.pem",
                   endpoint => $self->url, @more);
}


sub unionpay {
    my ($self, @more) = @_;
    my $d = "$self->{dir}/unionpay";
    return channel('unionpay', provider => 'unionpay',
                   merId => $self->{ids}{merId},
                   root_cert => "$d/root.cer", middle_cert => "$d/middle.cer",
                   merchant_private_key => "$d/merchant_private.pem",
                   merchant_certificate => "$d/merchant.cer",
                   endpoint => $self->url, @more);
}


sub stripe {
    my ($self, @more) = @_;
    my $d = $self->{dir};
    return channel('stripe', provider => 'stripe', livemode => 'off',
                   webhook_secret => "file:$d/stripe/webhook.key",
                   secret_key => "file:$d/stripe/api.key",
                   endpoint => $self->url, @more);
}


sub channel {
    my ($name, @params) = @_;
    my $conf = "    paygw_channel $name {\n";
    while (@params) {
        my ($word, $value) = splice @params, 0, 2;
        $conf .= "        $word $value;\n";
    }
    return "$conf    }\n";
}


sub stop { $_[0]->SUPER::stop('TERM') }


1;
