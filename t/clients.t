# The clients of conf-examples/client, each as it stands there: what they sign
# is what they send, whatever the target holds, and an answer that is not
# signed for its call is none to them.  A language that this machine has not is
# left out, and said to be.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;

use File::Temp ();
use IPC::Open3 ();

my $Dir = File::Temp::tempdir(CLEANUP => 1);
my $Clients = "$PaygwTest::Root/conf-examples/client";

our %Run = (
    'call.sh'  => [ 'sh', "$Clients/call.sh" ],
    'call.py'  => [ '/usr/bin/python3', '-B', '-c', python() ],
    'call.js'  => [ 'node', "$Clients/call.js" ],
    'call.php' => [ 'php', '-d', 'display_errors=stderr',
                    "$Clients/call.php" ],
    'call.go'  => [ built() // 'go' ],
);

our @Names = grep { found($Run{$_}[0]) } sort keys %Run;

our $Config = <<'CONF';
    location /signed/ {
        paygw_auth  shop sign_response;
        proxy_pass  http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location /plain/ {
        paygw_auth  shop;
        proxy_pass  http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
CONF


sub found {
    my $program = shift;
    return -x $program if $program =~ m{/};
    return scalar grep { -x "$_/$program" } split /:/, $ENV{PATH};
}


# call.py is a module: this is how it is used

sub python {
    return "import os, sys; sys.path.insert(0, '$Clients')\n" . <<'PY';
from call import Caller, Unsigned
key_id, path, method, url = sys.argv[1:5]
base = '/'.join(url.split('/')[:3])
caller = Caller(base, key_id, open(path, 'rb').read().rstrip(b'\n'),
                signed=os.environ.get('CHECK') != 'no')
body = open(sys.argv[5], 'rb').read() if len(sys.argv) > 5 else b''
try:
    status, text = caller.call(method, url[len(base):], body)
except Unsigned:
    sys.exit(3)
sys.stdout.buffer.write(text)
sys.exit(0 if status // 100 == 2 else 1)
PY
}


sub built {
    return if !found('go');

    local $ENV{GO111MODULE} = 'off';
    local $ENV{GOCACHE} = "$Dir/go";

    return system('go', 'build', '-o', "$Dir/call", "$Clients/call.go")
           ? die 'go: ' . ($? >> 8) : "$Dir/call";
}


# Runs a client: its exit status, and what it printed.

sub main::client {
    my ($name, $method, $target, %o) = @_;

    my @args = ($o{key} // 'k1', PaygwTest::keys_dir() . '/'
                . ($o{secret} // $o{key} // 'k1') . '.secret', $method,
                "http://127.0.0.1:$Test::Nginx::Util::ServerPortForClient"
                . $target);

    if (defined $o{body}) {
        open my $fh, '>', "$Dir/body" or die $!;
        binmode $fh;
        print $fh $o{body};
        close $fh;
        push @args, "$Dir/body";
    }

    local $ENV{CHECK} = $o{check} // 'yes';
    local $ENV{no_proxy} = '127.0.0.1';

    my $err = "$Dir/err";
    open my $log, '>', $err or die $!;
    my $pid = IPC::Open3::open3(my $in, my $out, '>&' . fileno $log,
                                @{ $Run{$name} }, @args);
    close $in;
    binmode $out;
    my $text = do { local $/; <$out> } // '';
    waitpid $pid, 0;
    my $code = $? >> 8;

    return ($code, $text, PaygwTest::file_from($err, 0));
}


Test::More::diag("not on this machine: $_")
    for grep { !found($Run{$_}[0]) } sort keys %Run;

run_tests();

__DATA__

=== TEST 1: a call, and its answer
--- config eval: $::Config
--- run
for my $name (@Names) {
    for ([ 'GET' ], [ 'DELETE' ], [ 'POST', body => "{\"\xe6\x94\xaf\":1}\n" ],
         [ 'PUT', body => "\0\xff" x 30_000 ], [ 'POST', body => '' ])
    {
        my ($method, %o) = @$_;
        my $answer = "answer to $name\n";
        shop_plan({ body => $answer });
        my ($code, $text, $err) = client($name, $method, '/signed/a', %o);
        is("$code $text", "0 $answer", "$name $method") or diag($err);
        my ($r) = shop_requests(1);
        ok($r && $r->{body} eq ($o{body} // ''), "$name: the body");
        is(shop_header($r, 'X-Paygw-Key-Id'), 'k1') if $r;
    }
}



=== TEST 2: targets with all that they can hold
--- config eval: $::Config
--- run
my @targets = (
    '/signed/a?', '/signed/a?x=1&y=', '/signed/%E6%94%AF?a=%2f+b%20c%26',
    '/signed//a/./b/../c', '/signed/a%2Fb%252F', "/signed/a'(b)*!~;c=d,e\@:f",
    '/signed/a?q[]=1&r={x}|y^z`"<>', '/signed/%7e?a=b?c=d/e',
);
for my $name (@Names) {
    for my $target (@targets) {
        shop_plan();
        my ($code, $text, $err) = client($name, 'POST', $target, body => 'x');
        is($code, 0, "$name $target") or diag("$text$err");
    }
}



=== TEST 3: what is not encoded is sent as it was signed, or not at all
--- config eval: $::Config
--- run
for my $name (@Names) {
    for my $target ('/signed/a b', "/signed/\xe6\x94\xaf?x=\xe6\x94\xaf",
                    '/signed/a#b', '/signed/a\\b', "/signed/a\tb") {
        shop_plan();
        my ($code, $text, $err) = client($name, 'GET', $target);
        unlike($text, qr/CLIENT-BAD_SIGNATURE/, "$name $target");
        is(shop_count(), $code == 0 ? 1 : 0);
    }
}



=== TEST 4: an answer that is not signed for the call is an error
--- config eval: $::Config
--- run
for my $name (@Names) {
    my ($code, $text) = client($name, 'GET', '/plain/a');
    is("$code $text", $name eq 'call.sh' ? "3 shop says hello\n" : '3 ',
       "$name: not signed");
    ($code, $text) = client($name, 'GET', '/plain/a', check => 'no');
    is("$code $text", "0 shop says hello\n", "$name: nor wanted to be");
    ($code) = client($name, 'GET', '/signed/a', secret => 'k2');
    is($code, 3, "$name: a stranger gets no signature");
    ($code, $text) = client($name, 'GET', '/signed/a', secret => 'k2',
                            check => 'no');
    is($code, 1, "$name: refused");
    like($text, qr/CLIENT-BAD_SIGNATURE"/);
}



=== TEST 5: a forged, an old and a changed answer
--- http_config
    # what an attacker between the two could send
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_3;
        location / {
            proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT;
            proxy_set_header Accept-Encoding "";
            sub_filter_types *;
            sub_filter "hello" "HELLO";
        }
        location /signed/status {
            proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT;
            proxy_intercept_errors on;
            error_page 400 =200 /ok;
        }
        location /ok { return 200 "ok"; }
        location /signed/same {
            proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT;
        }
    }
--- config eval: $::Config
--- run
local $Test::Nginx::Util::ServerPortForClient
    = $Test::Nginx::Util::RandPorts->{TEST_NGINX_RAND_PORT_3};
for my $name (@Names) {
    my ($code) = client($name, 'GET', '/signed/same');
    is($code, 0, "$name: passed on");
    ($code) = client($name, 'GET', '/signed/body');
    is($code, 3, "$name: another body");
    shop_plan({ status => 400, body => 'no' });
    ($code) = client($name, 'GET', '/signed/status');
    is($code, 3, "$name: another status");
    shop_plan();
}



=== TEST 6: refusals, redirects and failures are answers, too
--- config eval: $::Config
--- run
for my $name (@Names) {
    for ([ 200, 0 ], [ 201, 0 ], [ 302, 1 ], [ 400, 1 ], [ 500, 1 ]) {
        my ($status, $want) = @$_;
        shop_plan({ status => $status, body => "body $status",
                    headers => [ [ 'Location', '/plain/other' ] ] });
        my ($code, $text, $err) = client($name, 'POST', '/signed/a',
                                         body => 'x');
        is("$code $text", "$want body $status", "$name: $status")
            or diag($err);
        is(shop_count(), 1, 'once');
    }
    shop_plan({ status => 204, body => '' });
    my ($code, $text, $err) = client($name, 'POST', '/signed/a', body => 'x');
    is("$code $text", '0 ', "$name: 204") or diag($err);
}
