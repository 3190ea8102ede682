package Test::Nginx::Paygw;

# Copyright (C) the paygw authors

# For suites of those who use paygw: see the end.  Nothing here signs by the
# code of the module.

use strict;
use warnings;

use Carp qw(croak);
use Cwd ();
use Digest::SHA ();
use File::Basename ();
use File::Temp ();
use JSON::PP ();

our $Root = Cwd::realpath(File::Basename::dirname(__FILE__) . '/../../../..');
our $Python = $ENV{PAYGW_PYTHON}
              || (-x '/usr/bin/python3' ? '/usr/bin/python3' : 'python3');

my $Count = 0;


sub new {
    my ($class, %o) = @_;

    my $self = bless { merchants => { shop => { k1 => 'x' x 32 } }, %o },
                     $class;

    # workers may enter it: they read public keys

    $self->{tmp} = File::Temp->newdir('paygw-XXXXXX', TMPDIR => 1);
    chmod 0755, "$self->{tmp}";
    $self->{channels} = "$self->{tmp}/channels.conf";

    if ($o{sandbox}) {
        require PaygwSandbox;
        $self->{sandbox} = PaygwSandbox->start;
        $self->{dir} = $self->{sandbox}{dir};
        $self->{channels} = $self->{sandbox}{channels};

    } else {
        $self->{dir} //= $ENV{PAYGW_TEST_KEYS} // "$self->{tmp}/keys";
        $self->_python('keys', '--dir', $self->{dir}, '--write-conf',
                       $self->{channels});
    }

    return $self;
}


sub sandbox  { return $_[0]{sandbox} }
sub channels { return $_[0]{channels} }


sub http_config {
    my ($self, %o) = @_;

    my $text = '    paygw_zone paygw:' . ($o{zone} // '1m') . ";\n"
               . "    include $self->{channels};\n";

    for my $name (sort keys %{ $self->{merchants} }) {
        my $keys = $self->{merchants}{$name};
        $text .= "    paygw_merchant $name {\n";

        for my $id (sort keys %$keys) {
            my $file = "$self->{tmp}/$id.secret";

            open my $fh, '>', $file or croak "$file: $!";
            print $fh $keys->{$id};
            close $fh;
            chmod 0600, $file;

            $text .= "        key $id file:$file;\n";
        }

        $text .= "    }\n";
    }

    return $text;
}


sub callback {
    my ($self, $provider, $target, %o) = @_;

    my @args = map { my $name = tr/_/-/r;
                     ref $o{$_} eq 'HASH' ? $self->_pairs($name, $o{$_})
                     : $o{$_} eq '' ? "--$name" : ("--$name", $o{$_}) }
               sort keys %o;

    return $self->_python('send', '--dir', $self->{dir}, '--provider',
                          $provider, '--url', "http://localhost$target",
                          '--dump', @args);
}


sub call_fields {
    my ($self, $method, $target, $body, %o) = @_;

    my $key = $o{key_id} // 'k1';
    my $secret = $o{secret} // $self->_secret($key);
    my $time = $o{time} // time;
    my $nonce = $o{nonce} // sprintf 'nonce-%d-%d-%06d', time, $$, $Count++;

    my $text = join '', map { "$_\n" } $method, $target, $time, $nonce,
                                       Digest::SHA::sha256_hex($body // '');

    return join "\n", "X-Key-Id: $key", "X-Timestamp: $time",
                      "X-Nonce: $nonce", 'X-Signature: '
                      . Digest::SHA::hmac_sha256_hex($text, $secret);
}


sub call {
    my ($self, $method, $target, $body, %o) = @_;

    $body //= '';

    my @more = @{ $o{headers} || [] };
    my $head = "$method $target HTTP/1.1\nHost: localhost\n"
               . "Connection: close\nContent-Length: " . length($body) . "\n"
               . $self->call_fields($method, $target, $body, %o) . "\n";

    while (@more) {
        my ($name, $value) = splice @more, 0, 2;
        $head .= "$name: $value\n";
    }

    return ($head =~ s/\n/\r\n/gr) . "\r\n$body";
}


sub params {
    my ($self, $fields, %o) = @_;

    my $key = $o{key_id} // 'k1';
    my $secret = $o{secret} // $self->_secret($key);

    my %p = (key_id => $key, timestamp => $o{time} // time,
             nonce_str => $o{nonce} // sprintf('nonce-%d-%d-%06d', time, $$,
                                               $Count++),
             %$fields);

    my $text = join '&', map { "$_=$p{$_}" }
               grep { $_ ne 'sign' && length $p{$_} } sort keys %p;

    $p{sign} = Digest::SHA::hmac_sha256_hex($text, $secret);

    my $quote = sub { $_[0] =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ger };

    return join '&', map { $quote->($_) . '=' . $quote->($p{$_}) }
                     sort keys %p;
}


sub answer_is_signed {
    my ($self, $answer, $nonce, %o) = @_;

    my ($status, $head, $body)
        = $answer =~ m{^HTTP/\S+ (\d{3})[^\n]*\n(.*?\r?\n)\r?\n(.*)}s
        or return 0;

    my %h = map { /^([^:]+):\s*(.*?)\r?$/ ? (lc $1, $2) : () }
            split /\n/, $head;

    my $text = join '', map { "$_\n" } $status, $h{'x-timestamp'} // '',
               $nonce, Digest::SHA::sha256_hex($o{head} ? '' : $body);
    my $secret = $o{secret} // $self->_secret($o{key_id} // 'k1');

    return ($h{'x-signature'} // '')
           eq Digest::SHA::hmac_sha256_hex($text, $secret) ? 1 : 0;
}


sub _secret {
    my ($self, $id) = @_;

    for my $keys (values %{ $self->{merchants} }) {
        return $keys->{$id} if defined $keys->{$id};
    }

    croak "no merchant has the key \"$id\": give a secret";
}


# of a fault that takes several: name => value

sub _pairs {
    my ($self, $name, $pairs) = @_;
    return map { ("--$name", "$_=$pairs->{$_}") } sort keys %$pairs;
}


sub _python {
    my ($self, @args) = @_;

    local $ENV{PYTHONPATH} = $Root;

    open my $fh, '-|', $Python, '-B', '-m', 'sandbox', @args
        or croak "$Python: $!";
    binmode $fh;

    my $out = do { local $/; <$fh> } // '';

    close $fh or croak "sandbox @args[0 .. 1] failed";

    return $out;
}


1;

__END__

=encoding utf-8

=head1 NAME

Test::Nginx::Paygw - genuine and forged payment messages for Test::Nginx

=head1 SYNOPSIS

    use Test::Nginx::Socket 'no_plan';
    use Test::Nginx::Paygw;

    our $Paygw = Test::Nginx::Paygw->new;

    run_tests();

    __DATA__

    === TEST 1: a payment is taken
    --- http_config eval: $::Paygw->http_config
    --- config
    location = /notify {
        paygw_notify  wxpay;
        return        200;
    }
    --- raw_request eval: $::Paygw->callback('wechat_v3', '/notify')
    --- error_code: 204

=head1 DESCRIPTION

For the suites of those who use paygw, with their own configuration.  Keys are
made for each run and are of no use anywhere else.  It needs Python 3.11 with
the package cryptography, and the folder C<sandbox> of the sources of paygw
where it stands there.

Calls and callbacks are good for five minutes and for one time: write
C<repeat_each(1)>, which is the default of Test::Nginx.

=head1 METHODS

=head2 new

    my $paygw = Test::Nginx::Paygw->new(
        merchants => { shop => { k1 => $secret, k2 => $next } },
        sandbox => 1);

With C<dir>, or PAYGW_TEST_KEYS in the environment, the keys are kept in that
folder and found again, which spares a suite of many files some seconds each.
Without C<merchants> there is one, C<shop>, with the key C<k1>.  With
C<sandbox> the sandbox is started, too: it keeps orders and sends callbacks
itself; it ends with the test file.

=head2 http_config

    --- http_config eval: $::Paygw->http_config(zone => '4m')

A zone, the channels C<wxpay>, C<wxv2>, C<alipay>, C<unionpay> and C<stripe>,
and the merchants.  C<channels> is the file of the channels alone.

=head2 callback

    $paygw->callback('alipay', '/notify', order_id => 'A1', amount => 100);

The bytes of a request, signed as the provider would: C<wechat_v3>,
C<wechat_v2>, C<alipay>, C<unionpay>, C<stripe>.  Options are those of
C<python3 -m sandbox send>, with C<_> for C<->: C<event> (C<payment>, C<refund>,
C<close>), C<order_id>, C<amount> (in the smallest unit), C<currency>,
C<event_id>, C<refund_id>, C<refund_amount>, C<now>, and all its misbehaviours;
one without a value is given as C<''>, one with pairs as a hash:

    $paygw->callback('wechat_v3', '/notify', forged => '');

=head2 call

    $paygw->call('POST', '/api/orders?a=%2f', $body, key_id => 'k1',
                 headers => [ 'Idempotency-Key', 'a1' ]);

The bytes of a merchant's call for C<paygw_auth>.  C<secret>, C<time> and
C<nonce> replace what is right.

=head2 call_fields

The same fields as lines, for C<more_headers>.

=head2 params

    $paygw->params({ order => 'A1', amount => 100 }, key_id => 'k1');

A signed form for C<paygw_auth_style params>.

=head2 answer_is_signed

    $paygw->answer_is_signed($answer, $nonce, key_id => 'k1');

1 if the whole answer, with its head, is signed for the call with this nonce.
C<head> says that it is one to C<HEAD>.

=head2 sandbox

    my $order = $paygw->sandbox->order('alipay', $url);
    my $status = $paygw->sandbox->callback($order);

The running sandbox: an order that is paid, and a callback of it that is sent to
the URL; returns the status that it heard.

=cut
