# paygw_idempotency in front of the handlers that speak to a shop in other
# protocols, or are one.

use strict;
use warnings;

our @Lua;

BEGIN {
    # Test::Nginx reads the list of modules when it is loaded
    @Lua = grep { -e } map { "/usr/lib/nginx/modules/$_" }
           qw(ndk_http_module.so ngx_http_lua_module.so);

    $ENV{TEST_NGINX_LOAD_MODULES}
        = join ' ', $ENV{TEST_NGINX_LOAD_MODULES} // (), @Lua
        if @Lua == 2;
}

use lib 't/lib';
use PaygwTest;
use PaygwBackend;
use PaygwCall;

our $Fcgi = backend('fcgi', qr/\x01\x05\x00\x01\x00\x00\x00\x00\z/,
    fcgi_record(6, "Status: 201 Created\r\nX-Shop: yes\r\n\r\nfrom the shop")
    . fcgi_record(6, '') . fcgi_record(3, "\0" x 8));

# the version that Test::Nginx will find is not known yet
my ($minor) = `$ENV{TEST_NGINX_BINARY} -v 2>&1` =~ m{nginx/1\.(\d+)};
our $H2 = $minor < 25 ? '' : 'http2 on;';
our $H2Listen = $minor < 25 ? 'http2' : '';

my $count = 0;

sub main::key { return sprintf 'h-%d-%d-%d', time, $$, $count++ }

# a call under a key
sub main::under {
    my ($key, %o) = @_;
    return call(body => '{"amount":100}', %o,
                headers => [ 'Idempotency-Key', $key,
                             @{ $o{headers} || [] } ]);
}

# status, body, and whether it is a repetition
sub main::says {
    my $res = shift;
    return join ' ', $res->{status}, $res->{body},
        $res->{header}{'idempotent-replayed'} // '-';
}

sub have_lua { return @Lua == 2 }

run_tests();

__DATA__

=== TEST 1: FastCGI
--- config
    location = /a {
        paygw_auth shop; paygw_idempotency on;
        fastcgi_pass 127.0.0.1:$TEST_NGINX_FCGI_PORT;
    }
--- run
my $key = key();
is(says(send_callback(under($key, target => '/a'))), '201 from the shop -');
my $got = slurp($::Fcgi);
my $r = fcgi_request($got);
is($r->{body}, '{"amount":100}');
is(shop_header($r, 'Idempotency-Key'), $key);
is(shop_header($r, 'X-Paygw-Attempt'), 1);
my $res = send_callback(under($key, target => '/a'));
is(says($res), '201 from the shop true');
is($res->{header}{'x-shop'}, 'yes');
is(length slurp($::Fcgi), length $got, 'the shop has got one');



=== TEST 2: gRPC, with its trailers; a failure is not final
--- h2
--- http_config eval
"    server {
        listen 127.0.0.1:\$TEST_NGINX_RAND_PORT_5 $::H2Listen;
        $::H2
        location / {
            add_trailer grpc-status \$arg_status;
            add_trailer X-Id \$request_id;
            default_type application/grpc;
            return 200 \"reply \$request_id\";
        }
    }"
--- config
    location /pkg.Service/ {
        paygw_auth shop; paygw_idempotency on;
        grpc_pass grpc://127.0.0.1:$TEST_NGINX_RAND_PORT_5;
    }
--- run
for my $status (0, 14) {
    my $key = key();
    my @grpc = (body => "\0\0\0\0\5hello",
                target => "/pkg.Service/Do?status=$status", headers =>
                [ 'Content-Type', 'application/grpc', 'TE', 'trailers' ]);
    my ($first, $again) = map { send_callback(under($key, @grpc), http2 => 1) }
                          1, 2;
    like(says($first), qr/^200 reply \w{32}/);
    if ($status) {
        isnt($again->{body}, $first->{body}, 'run again');
        is($again->{header}{'idempotent-replayed'}, undef);
    } else {
        is($again->{body}, $first->{body}, 'kept');
        is($again->{header}{'idempotent-replayed'}, 'true');
    }
}



=== TEST 3: Lua that answers, piece by piece, with a status, and elsewhere
--- config eval
main::have_lua() ? q{
    location = /say {
        paygw_auth shop; paygw_idempotency on;
        content_by_lua_block {
            ngx.say("one ", ngx.var.request_id) ngx.flush(true)
            ngx.sleep(0.1) ngx.say("two") ngx.eof() ngx.sleep(0.1)
        }
    }
    location = /exit {
        paygw_auth shop; paygw_idempotency on;
        content_by_lua_block { ngx.status = 402 ngx.print(ngx.var.request_id)
                               ngx.exit(402) }
    }
    location = /away {
        paygw_auth shop; paygw_idempotency on;
        content_by_lua_block {
            return ngx.redirect("/x?" .. ngx.var.request_id, 303) }
    }
    location = /exec {
        paygw_auth shop; paygw_idempotency on;
        content_by_lua_block { return ngx.exec("/inner") }
    }
    location = /inner { internal; return 200 "$request_id"; }
    location = /throws {
        paygw_auth shop; paygw_idempotency on;
        content_by_lua_block { error("no shop today") }
    }
} : 'location / { paygw_auth shop; return 200; }'
--- run
if (!main::have_lua()) {
    Test::More::pass('no Lua here');
    return;
}
for (['/say', 200], ['/exit', 402], ['/away', 303], ['/exec', 200]) {
    my ($target, $status) = @$_;
    my $key = key();
    my ($first, @again) = map { send_callback(under($key, target => $target)) }
                          1 .. 3;
    is($first->{status}, $status, $target);
    is($first->{header}{'idempotent-replayed'}, undef);
    for (@again) {
        is("$_->{status} $_->{body}", "$status $first->{body}", $target);
        is($_->{header}{location}, $first->{header}{location});
        is($_->{header}{'idempotent-replayed'}, 'true', "$target: kept");
    }
}
my $key = key();
for (1, 2) {
    my $res = send_callback(under($key, target => '/throws'));
    is($res->{status}, 500);
    is($res->{header}{'idempotent-replayed'}, undef, 'not final');
}
--- error_log eval
main::have_lua() ? 'no shop today' : 'notice'



=== TEST 4: who may call is asked each time, before an answer is given again
--- config eval
main::have_lua() ? q{
    location = /a {
        paygw_auth shop; paygw_idempotency on;
        access_by_lua_block {
            if ngx.var.http_x_no then return ngx.exit(403) end }
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
} : 'location / { paygw_auth shop; return 200; }'
--- run
if (!main::have_lua()) {
    Test::More::pass('no Lua here');
    return;
}
my $key = key();
my @no = (target => '/a', headers => [ 'X-No', 1 ]);
is(send_callback(under($key, @no))->{status}, 403, 'it leaves no lock behind');
is(send_callback(under($key, target => '/a'))->{status}, 200);
is(send_callback(under($key, @no))->{status}, 403, 'it sees nothing');
is(send_callback(under($key, target => '/a'))->{header}
   {'idempotent-replayed'}, 'true');
is(shop_count(), 1);



=== TEST 5: SSI and subrequests: what they made is kept
--- config
    location = /page {
        paygw_auth shop; paygw_idempotency on;
        ssi on; ssi_types *;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /part { paygw_auth off; return 200 "$request_id"; }
--- run
my $key = key();
shop_plan({ body => 'a <!--# include virtual="/part" --> b',
            headers => [ [ 'Content-Type', 'text/html' ] ] });
my $first = send_callback(under($key, target => '/page'));
like($first->{body}, qr/^a \w{32} b$/);
is(says(send_callback(under($key, target => '/page'))),
   "200 $first->{body} true");
is(shop_count(), 1);
