# Files that stream, and what stands in front of them: an answer that has to be
# signed for a merchant, and callers to whom an end cannot be shown.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;
use PaygwFiles qw(content sha fetch);

our $Files = PaygwFiles->start;
our $Port = $Files->{port};
our $Size = 2 * 1024 * 1024;
our $Sha1 = 'sha1=' . sha(1, content($Size));

our $Wxpay = <<'CONF';
endpoint              http://127.0.0.1:$PORT;
merchant_private_key  $TEST_NGINX_KEYS/mch.key;
merchant_certificate  $TEST_NGINX_KEYS/mch.crt;
proxy_read_timeout    20s;
paygw_retry           off;
CONF
$Wxpay =~ s/\$PORT/$Port/;

our $Sealed = <<'CONF';
    location /wx/ {
        paygw_auth  shop sign_response;
        paygw_deadline 20s;
        paygw_pass  wxpay;
    }
CONF

our $Bare = <<'CONF';
    location /wx/ {
        chunked_transfer_encoding off;
        paygw_deadline 20s;
        paygw_pass  wxpay;
    }
CONF

sub main::target {
    return "/wx/v3/billdownload/file?token=$_[0]&size=$Size&$_[1]";
}

run_tests();

__DATA__

=== TEST 1: a file that is longer than what can be signed is a signed 502
--- wxpay eval: $::Wxpay
--- config eval: $::Sealed
--- run
my $m = call(method => 'GET', target => target('s', 'frame=length'),
             headers => [ 'X-Expected-Hash', $::Sha1 ]);
my $res = send_callback($m);
is($res->{status}, 502, 'refused');
unlike($res->{body}, qr/2025-01-02/, 'nothing of it');
sealed_ok($res, $m, 'refused');

# nor does it have to tell its length: nothing of it was sent yet

$m = call(method => 'GET', target => target('t', 'frame=chunked'),
          headers => [ 'X-Expected-Hash', $::Sha1 ]);
$res = send_callback($m);
is($res->{status}, 502, 'in chunks: refused');
sealed_ok($res, $m, 'in chunks: refused');
unlike($res->{body} // '', qr/2025-01-02/, 'in chunks: nothing of it');
--- error_log
is too large and cannot be signed



=== TEST 2: one that fits is signed, and checked before
--- wxpay eval: $::Wxpay
--- config eval: $::Sealed =~ s/paygw_pass/paygw_response_max 4m;\n        paygw_pass/r
--- run
for my $flip (0, 1) {
    my $m = call(method => 'GET',
                 target => target("f$flip", 'frame=length'
                                            . ($flip ? '&flip=1' : '')),
                 headers => [ 'X-Expected-Hash', $::Sha1 ]);
    my $res = send_callback($m);
    if ($flip) {
        isnt($res->{status}, 200, 'another file: is none');
        unlike($res->{body}, qr/2025-01-02/, 'another file: nothing of it');
    } else {
        is($res->{status}, 200, 'passed');
        is(length $res->{body}, $::Size, 'all of it');
        sealed_ok($res, $m, 'passed');
    }
}



=== TEST 3: where the end of a file cannot be shown it is held back
--- wxpay eval: $::Wxpay
--- config eval: $::Bare
--- run
for my $more ('', '&flip=1', '&cut=1048576') {
    my $res = fetch($ENV{TEST_NGINX_SERVER_PORT}
                    || Test::Nginx::Util::server_port(),
                    target("c$more", "frame=chunked$more"),
                    heads => { 'X-Expected-Hash' => $::Sha1 });
    is($res->{status}, 502, "chunked$more: refused");
    unlike($res->{body}, qr/2025-01-02/, "chunked$more: nothing of it");
}
my $res = fetch(Test::Nginx::Util::server_port(),
                target('c', 'frame=length'),
                heads => { 'X-Expected-Hash' => $::Sha1 });
is("$res->{status} " . length $res->{body}, "200 $::Size",
   'a length shows it');
