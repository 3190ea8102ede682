# Where the check stands among nginx's phases: before any content handler,
# once a request, and never around it.

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
use PaygwCall;

sub have_lua { return @Lua == 2 }

# a genuine call passes with this body, all others are refused

sub main::guarded {
    my ($target, $body, %o) = @_;

    # HTTP/1.0 has no chunks
    my $send = sub { send_callback(call(target => $target, @_),
                                   version => '1.0') };

    my $res = $send->(@{ $o{call} || [] });
    is("$res->{status} $res->{body}", "200 $body", $target);
    answer_ok($send->(secret => 'x' x 34, @{ $o{call} || [] }),
              'BAD_SIGNATURE', "$target forged");
    answer_ok($send->(drop => [ 'X-Signature' ]),
              'BAD_SIGNATURE_HEADER', "$target unsigned");
}

run_tests();

__DATA__

=== TEST 1: proxy_pass, a file, return, empty_gif, stub_status, autoindex
--- config
    location = /proxy {
        paygw_auth shop; proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /file.txt { paygw_auth shop; }
    location = /return { paygw_auth shop; return 200 "for $paygw_merchant"; }
    location = /set {
        paygw_auth shop; set $who "$paygw_merchant $paygw_key_id";
        return 200 $who;
    }
    location = /if {
        paygw_auth shop;
        if ($paygw_merchant = shop) { return 200 "it is the shop"; }
        return 200 "nobody";
    }
    location = /rewritten {
        paygw_auth shop; rewrite ^ /return last;
    }
--- user_files
>>> file.txt
text
--- run
guarded('/proxy', "shop says hello\n");
guarded('/file.txt', "text\n");
guarded('/return', 'for shop');
guarded('/set', 'shop k1');
guarded('/if', 'it is the shop');
guarded('/rewritten', 'for shop');
is(shop_count(), 1);



=== TEST 2: Lua in front of it, behind it, and as the handler
--- skip_eval: 100: !main::have_lua()
--- config
    location = /content {
        paygw_auth shop;
        content_by_lua_block {
            ngx.say(ngx.var.paygw_merchant, " ",
                    ngx.req.get_headers()["x-paygw-merchant"])
        }
    }
    location = /access {
        paygw_auth shop;
        access_by_lua_block {
            ngx.ctx.who = ngx.var.paygw_key_id
        }
        content_by_lua_block { ngx.say(ngx.ctx.who) }
    }
    location = /rewrite {
        paygw_auth shop;
        rewrite_by_lua_block {
            ngx.req.read_body()
            ngx.ctx.len = #(ngx.req.get_body_data() or "")
        }
        content_by_lua_block { ngx.say(ngx.ctx.len) }
    }
    location = /early {
        paygw_auth shop;
        rewrite_by_lua_block { ngx.say("too early") ngx.exit(200) }
    }
    location = /capture {
        content_by_lua_block {
            local res = ngx.location.capture("/inner")
            ngx.say(res.status)
        }
    }
    location = /inner { paygw_auth shop; return 200 "inner"; }
--- run
guarded('/content', "shop shop\n");
guarded('/access', "k1\n");
guarded('/rewrite', "3\n", call => [ body => 'abc' ]);
for my $m (call(target => '/early'), call(target => '/early',
                                          secret => 'x' x 34))
{
    answer_ok(send_callback($m), 'INTERNAL', 'an answer before the check');
}
my $res = send_callback(call(target => '/capture'));
like($res->{body}, qr/^403$/m, 'a subrequest of a request that nobody looked at');
--- error_log
merchant call was answered with 200 before it was authenticated, the answer is withheld
subrequest to a location with "paygw_auth" is refused



=== TEST 3: satisfy all: the other checks are asked first
--- config
    location = /allow { paygw_auth shop; allow all; return 200 "in"; }
    location = /allowed { paygw_auth shop; allow 127.0.0.1; deny all; }
    location = /denied { paygw_auth shop; deny all; }
--- user_files
>>> allowed
yes
>>> denied
no
--- run
guarded('/allow', 'in');
guarded('/allowed', "yes\n");
for my $m (call(target => '/denied'), call(target => '/denied',
                                           secret => 'x' x 34))
{
    is(send_callback($m)->{status}, 403);
}
--- error_log
access forbidden by rule



=== TEST 4: satisfy any: one of the checks is enough
--- config
    location = /address { satisfy any; allow 127.0.0.1; deny all;
                          paygw_auth shop; }
    location = /signed { satisfy any; deny all; paygw_auth shop; }
    location = /basic { satisfy any; auth_basic "x"; auth_basic_user_file
                        $TEST_NGINX_KEYS/passwd; paygw_auth shop; }
    location = /only { satisfy any; paygw_auth shop; }
--- user_files
>>> address
in
>>> signed
in
>>> basic
in
>>> only
in
--- run
open my $fh, '>', keys_dir() . '/passwd';
print $fh "me:{PLAIN}secret\n";
close $fh;
for my $m (call(target => '/address'), call(target => '/address',
                                            secret => 'x' x 34),
           call(target => '/address', drop => [ 'X-Nonce' ]))
{
    is(send_callback($m)->{body}, "in\n", 'by address');
}
guarded('/signed', "in\n");
guarded('/basic', "in\n");
guarded('/only', "in\n");
my $res = send_callback(call(target => '/basic', headers => [
    'Authorization', 'Basic bWU6c2VjcmV0' ], drop => [ 'X-Nonce' ]));
is($res->{body}, "in\n", 'by password');
$res = send_callback(call(target => '/basic', secret => 'x' x 34));
like($res->{header}{'www-authenticate'}, qr/^Basic/, 'both ask');



=== TEST 5: satisfy any with "return" is an error, which would be before both
--- config
    location = /a { satisfy any; deny all; paygw_auth shop; return 200; }
--- must_die
--- error_log
"satisfy any" cannot be used with "paygw_auth" of



=== TEST 6: inherited by servers, locations, nested ones, "if", limit_except
--- config
    paygw_auth shop;
    location = /inherit { return 200 "in"; }
    location /nested {
        location /nested/inner { return 200 "in"; }
        location /nested/off { paygw_auth off; return 200 "open"; }
        location /nested/other { paygw_auth other; return 200 "other"; }
        return 200 "in";
    }
    location = /if {
        set $a 1;
        if ($a) { set $b 2; }
        return 200 "in";
    }
    location = /ifproxy {
        if ($request_method = GET) {
            proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
        }
    }
    location = /except {
        limit_except POST { allow all; }
    }
    location = /try { try_files /none @named; }
    location @named { proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
--- user_files
>>> except
in
--- run
guarded('/inherit', 'in');
guarded('/nested', 'in');
guarded('/nested/inner', 'in');
guarded('/if', 'in');
guarded('/ifproxy', "shop says hello\n");
guarded('/except', "in\n");
guarded('/try', "shop says hello\n");
is(send_callback(call(target => '/nested/off', secret => 'x'))->{body},
   'open');
answer_ok(send_callback(call(target => '/nested/other')), 'BAD_SIGNATURE');
is(send_callback(call(target => '/nested/other', key => 'o1'))->{body},
   'other');
is(shop_count(), 2);



=== TEST 7: http and server; another server may turn it off
--- http_config
    paygw_auth shop;
--- config
    location = /a { return 200 "in"; }
    location = /b { paygw_auth off; return 200 "open"; }
--- run
guarded('/a', 'in');
is(send_callback(call(target => '/b', secret => 'x'))->{body}, 'open');



=== TEST 8: once a request, wherever it is led
--- config
    location = /accel { paygw_auth shop;
                        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
    location = /inner { internal; paygw_auth shop other;
                        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
    location = /elsewhere { internal; paygw_auth other; return 200 "no"; }
    location = /try { paygw_auth shop; try_files /none /inner; }
    location = /page { paygw_auth shop; error_page 404 = /inner;
                       root /nonexistent; }
--- run
guarded('/try', "shop says hello\n");
guarded('/page', "shop says hello\n");
shop_plan({ headers => [ [ 'X-Accel-Redirect', '/inner' ] ] });
my $res = send_callback(call(target => '/accel', body => 'x'));
is("$res->{status} $res->{body}", "200 shop says hello\n");
is(scalar(shop_requests(2)), 2);
for (shop_requests(2)) {
    is(shop_header($_, 'X-Paygw-Merchant'), 'shop', 'once');
}
shop_plan({ headers => [ [ 'X-Accel-Redirect', '/elsewhere' ] ] });
answer_ok(send_callback(call(target => '/accel')), 'BAD_SIGNATURE',
          'a location of others');
--- error_log
the merchant is not named in the location that the call was led to



=== TEST 9: from an open location into a protected one
--- config
    location = /open { proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
    location = /inner { internal; paygw_auth shop; return 200 "in"; }
    location = /rewrite { rewrite ^ /inner last; }
    location = /try { try_files /none /inner; }
--- run
for my $target (qw(/open /rewrite /try)) {
    my @plan = ({ headers => [ [ 'X-Accel-Redirect', '/inner' ] ] }) x 3;
    shop_plan(@plan);
    guarded($target, 'in');
}
shop_plan({ headers => [ [ 'X-Accel-Redirect', '/inner' ] ] });
is(send_callback(call(target => '/open', body => 'abc'))->{body}, 'in',
   'with a body that was read before');
shop_plan({ headers => [ [ 'X-Accel-Redirect', '/inner' ] ] });
answer_ok(send_callback(call(target => '/open', body => 'abc',
                             sign_body => 'abd')), 'BAD_SIGNATURE');



=== TEST 10: subrequests: auth_request, mirror, SSI, slices
--- config
    location = /ar { paygw_auth shop; auth_request /check; return 200; }
    location = /check { internal; return 204; }
    location = /guarded { internal; paygw_auth shop; return 204; }
    location = /arg { paygw_auth shop; auth_request /guarded; }
    location = /mirror { paygw_auth shop; mirror /copy;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
    location = /copy { internal; paygw_auth shop;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT/copy; }
    location = /ssi { paygw_auth shop; ssi on; ssi_types *; }
    location = /ssi_open { ssi on; ssi_types *; }
    location = /part { paygw_auth shop other; return 200 "part"; }
--- user_files
>>> arg
x
>>> ssi
a <!--# include virtual="/part" --> b
>>> ssi_open
a <!--# include virtual="/part" --> b
--- run
answer_ok(send_callback(call(target => '/ar')), 200, 'auth_request');
answer_ok(send_callback(call(target => '/ar', secret => 'x' x 34)),
          'BAD_SIGNATURE');
guarded('/mirror', "shop says hello\n", call => [ body => 'abc' ]);
is(join(',', sort map { "$_->{target} $_->{body}" } shop_requests(2)),
   '/copy abc,/mirror abc', 'the copy is whole');
guarded('/ssi', "a part b\n");
my $res = send_callback(call(target => '/ssi_open'));
unlike($res->{body}, qr/part/, 'nobody has looked at that request');
is(send_callback(call(target => '/arg'))->{status}, 403,
   'the subrequest comes before the check of its request');
--- error_log
subrequest to a location with "paygw_auth" is refused



=== TEST 11: server-level return and rewrite
--- config
    paygw_auth shop;
    if ($arg_early) { return 200 "too early"; }
    if ($arg_moved) { return 301 /elsewhere; }
    location = /a { return 200 "in"; }
--- run
guarded('/a', 'in');
answer_ok(send_callback(call(target => '/a?early=1')), 'INTERNAL');
is(send_callback(call(target => '/a?moved=1'))->{status}, 301);
--- error_log
merchant call was answered with 200 before it was authenticated, the answer is withheld



=== TEST 12: post_action, and what a log knows
--- config
    location = /a { paygw_auth shop; post_action /after; return 200 "in"; }
    location = /open { post_action /after; return 200 "open"; }
    location = /after { internal; paygw_auth shop;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT; }
--- run
is(send_callback(call(target => '/a'))->{status}, 200);
is(scalar(shop_requests(1)), 1);
for (['/a', 401], ['/open', 200]) {
    my $c = begin(call(target => $_->[0], secret => 'x' x 34));
    is(finish($c)->{status}, $_->[1]);
    my $rest = $c->{buf};
    1 while sysread $c->{sock}, $rest, 4096, length $rest;
    is($rest, '', 'nothing follows the answer');
}
is(shop_count(), 1);



=== TEST 13: paygw_notify has its own check, whatever the server says
--- config
    paygw_auth shop;
    location = /notify/wxpay {
        paygw_notify  wxpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
--- run
my $m = wechat();
ack_ok(send_callback($m), $m, 204);
--- result
taken



=== TEST 14: both in one location
--- config
    location = /notify/wxpay { paygw_notify wxpay; paygw_auth shop; }
--- must_die
--- error_log
cannot be used with "paygw_notify": providers do not sign as merchants do



=== TEST 15: variables
--- http_config
    log_format who '$paygw_merchant|$paygw_key_id|$paygw_result|$paygw_reason|$status';
    map $paygw_merchant $tier { shop gold; default none; }
--- config
    access_log logs/who.log who;
    location = /a { paygw_auth shop public; return 200 "$tier"; }
    location = /open { return 200 "$tier$paygw_merchant"; }
--- run
is(send_callback(call(target => '/a'))->{body}, 'gold');
is(send_callback(call(target => '/open'))->{body}, 'none');
send_callback(call(target => '/a', secret => 'x' x 34));
send_callback(call(target => '/a', key => 'nobody'));
send_callback(call(target => '/a', drop => [ 'X-Nonce' ]));
send_callback(call(target => '/a', time => 1));
my @want = ('shop|k1|authenticated|-|200', '-|-|-|-|200',
            '-|k1|refused|signature|401',
            '-|nobody|refused|unknown_key|401',
            '-|-|refused|missing_header|400', '-|k1|refused|clock|401');
my $read = sub {
    my @l = split /\n/, PaygwTest::file_from(
        "$Test::Nginx::Util::LogDir/who.log", 0);
    return @l > @want ? @l[-@want .. -1] : @l;
};
ok(wait_for(sub { $read->() == @want }));
is(join("\n", $read->()), join "\n", @want);



=== TEST 16: paygw_verify observe is not for merchants
--- config
    paygw_verify observe until=2099-01-01;
    location = /a { paygw_auth shop; return 200 "in"; }
--- run
guarded('/a', 'in');



=== TEST 17: an error page of a body that could not be read
--- config
    paygw_auth shop;
    location = /a { error_page 413 /page; return 200 "in"; }
    location = /b { error_page 413 /open; return 200 "in"; }
    location = /page { return 200 "page"; }
    location = /open { paygw_auth off; }
--- user_files
>>> open
open
--- run
for my $split (0, 4096) {
    my $m = call(target => '/a', body => 'x' x 70_000);
    my $res = send_callback($m, chunked => 16384, split => $split);
    answer_ok($res, 'TOO_LARGE', "in packets of $split");
    $m = call(target => '/b', body => 'x' x 70_000);
    $res = send_callback($m, chunked => 16384, split => $split);
    is("$res->{status} $res->{body}", "413 open\n", 'one that may be seen');
}
--- error_log
client intended to send too large chunked body
