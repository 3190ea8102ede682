package PaygwCerts;

# A CA, and certificates of names and addresses, by the openssl command.
#
#   my $certs = PaygwCerts->new;              # files go with the test file
#   $certs->ca('ca');                         # ca.key, ca.crt in $certs->{dir}
#   $certs->cert('good', 'ca', 'IP:127.0.0.1,DNS:localhost');
#   $certs->cert('old', 'ca', 'DNS:localhost', 'ended');

use strict;
use warnings;

use PaygwProcess ();


sub new {
    my $class = shift;
    return bless { dir => PaygwProcess::folder('certs') }, $class;
}


sub openssl {
    my ($self, @args) = @_;
    my $log = "$self->{dir}/openssl.log";
    system("openssl @args > $log 2>&1") == 0 or die 'openssl: ' . `cat $log`;
}


sub put {
    my ($self, $name, $text) = @_;
    open my $fh, '>', "$self->{dir}/$name" or die "$name: $!";
    print $fh $text;
    close $fh;
}


sub ca {
    my ($self, $name) = @_;
    my $file = "$self->{dir}/$name";
    $self->openssl("req -x509 -newkey rsa:2048 -nodes -days 30",
                   "-subj /CN=$name -keyout $file.key -out $file.crt");
}


# for the next 30 days, or one that has ended, of which newer versions of
# "openssl x509" make none, while "openssl ca" does

sub cert {
    my ($self, $name, $ca, $san, $ended) = @_;
    my $dir = $self->{dir};
    my $file = "$dir/$name";

    $self->put("$name.ext", "subjectAltName=$san\n");
    $self->put("$name.db", '');
    $self->put("$name.conf", <<"END");
[ca]
default_ca=d
[d]
policy=p
database=$file.db
new_certs_dir=$dir
rand_serial=yes
default_md=sha256
[p]
commonName=supplied
END

    $self->openssl("req -newkey rsa:2048 -nodes -subj /CN=$name",
                   "-keyout $file.key -out $file.csr");
    $self->openssl("ca -batch -notext -config $file.conf -in $file.csr",
                   "-cert $dir/$ca.crt -keyfile $dir/$ca.key",
                   "-extfile $file.ext -out $file.crt",
                   $ended ? '-startdate 20200101000000Z'
                            . ' -enddate 20200201000000Z' : '-days 30');
}


1;
