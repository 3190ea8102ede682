package PaygwUnionpay;

# PaygwTest with a channel "unionpay" and its location /notify/unionpay:
#
#   use PaygwTest;
#   use PaygwUnionpay;
#
# unionpay() makes callbacks: see peer_unionpay.py for its options.  "---
# unionpay" changes the channel as "--- alipay" does.

use strict;
use warnings;

use base 'Exporter';

use PaygwTest ();

our @EXPORT = qw(unionpay);

push @PaygwTest::More, {
    name => 'unionpay',
    channel => <<'CONF',
        provider     unionpay;
        merId        777290058110097;
        root_cert    $TEST_NGINX_KEYS/up_root.crt;
        middle_cert  $TEST_NGINX_KEYS/up_middle.crt;
CONF
    location => <<'CONF',
    location = /notify/unionpay {
        paygw_notify  unionpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
CONF
    ack => sub { return ('text/plain', $_[0] < 300 ? 'ok' : 'fail') },
    secrets => sub {
        my $m = shift;
        return ('979da4cfccbae7923641daa5dd7047c2', $m->{signature},
                'BEGIN CERTIFICATE', '6216***********0018');
    },
};


sub unionpay { my %o = @_; return PaygwTest::Message->new('unionpay', %o) }


1;
