package PaygwApi;

# The unified API as a shop sees it.
#
#   my $api = PaygwApi->new($nginx, '/pay');
#   my $res = $api->post('/orders', { order_id => ... });   # or a text
#   my $res = $api->get('/orders/T1', channel => 'alipay');
#   $api->ok($res, 'made');          # 200 OK, and an envelope; returns data
#   $api->problem($res, 400, 'CLIENT-INVALID_FIELD', 'name', field => 'amount');

use strict;
use warnings;

use JSON::PP ();
use Test::More ();

use PaygwPeer ();

my $Json = JSON::PP->new->utf8->canonical;
my $Count = 0;


sub new {
    my ($class, $nginx, $prefix) = @_;
    return bless { nginx => $nginx, prefix => $prefix }, $class;
}


# a number that no other run has

sub number { return sprintf 'A%dn%dr%06d', $$, ++$Count, rand 1e6 }


sub order {
    my ($self, %o) = @_;
    return { order_id => number(), amount => 100, currency => 'CNY',
             subject => 'tea', method => 'qr', %o };
}


sub call {
    my ($self, $method, $path, $body, %o) = @_;

    $body = $Json->encode($body) if ref $body;

    my %heads = %{ $o{heads} // {} };
    $heads{'Content-Type'} //= 'application/json' if length($body // '');

    my $res = PaygwPeer::call($self->{nginx}, $method,
                              "$self->{prefix}$path", body => $body // '',
                              heads => \%heads, timeout => 30);
    $res->{json} = eval { $Json->decode($res->{body}) };
    return $res;
}

sub post {
    my ($self, $path, $value, %o) = @_;
    return $self->call('POST', $path, $value, %o);
}

sub get {
    my ($self, $path, %args) = @_;
    $path .= '?' . join '&', map { "$_=$args{$_}" } sort keys %args if %args;
    return $self->call('GET', $path);
}


# exactly code, message, request_id, data, and nothing of a provider's text

sub envelope {
    my ($self, $res, $name) = @_;

    my $got = ref $res->{json} eq 'HASH' ? $res->{json} : {};

    my $good = join(' ', sort keys %$got) eq 'code data message request_id'
        && ref $got->{data} eq 'HASH'
        && $got->{request_id} =~ /^[0-9a-f]{32}$/
        && $res->{body} =~ /^\{"code":/
        && $res->{header}{'content-type'} eq 'application/json';

    Test::More::ok($good, "$name: envelope")
        or Test::More::diag("$res->{status} $res->{body}");

    return $got;
}


sub ok {
    my ($self, $res, $name, %want) = @_;

    my $got = $self->envelope($res, $name);

    Test::More::is("$res->{status} " . ($got->{code} // ''), '200 OK', $name)
        or Test::More::diag($res->{body});
    Test::More::is($got->{message}, '', "$name: message");

    for my $key (sort keys %want) {
        Test::More::is($got->{data}{$key}, $want{$key}, "$name: $key");
    }

    return $got->{data} // {};
}


sub problem {
    my ($self, $res, $status, $code, $name, %want) = @_;

    my $got = $self->envelope($res, $name);

    Test::More::is("$res->{status} " . ($got->{code} // ''),
                   "$status $code", $name)
        or Test::More::diag($res->{body});
    Test::More::isnt($got->{message}, '', "$name: message");
    Test::More::is($got->{data}{outcome},
                   $code =~ /^PROVIDER-UN/ ? 'unknown' : undef,
                   "$name: outcome");
    Test::More::is($res->{header}{'retry-after'},
                   $status == 503 ? 1 : undef, "$name: Retry-After");
    Test::More::unlike($res->{raw} . $res->{body}, qr/MARK|TWIN|EXTRA/,
                       "$name: nothing of the provider");

    for my $key (sort keys %want) {
        Test::More::is($got->{data}{$key}, $want{$key}, "$name: $key");
    }

    return $got;
}


1;
