# Keys of a provider that change while nginx runs count for Lua as they do for
# callbacks, in a location that nothing but Lua serves.

use strict;
use warnings;
use lib 't/lib';

use PaygwLua;
use PaygwTest ();
use PaygwNginx;
use PaygwSandbox;

use File::Copy ();
use Test::More;

my $Sandbox = PaygwSandbox->start;
my $Wx = "$Sandbox->{dir}/wechat";
my $Tmp = $Sandbox->{tmp};

sub start {
    my (@more) = @_;
    my $store = PaygwTest::store_is('redis')
        ? "paygw_store redis://127.0.0.1:$PaygwTest::RedisPort;" : '';

    my $http = <<"HTTP";
    $store
    paygw_zone keyring:2m;
    lua_package_path '$PaygwLua::Lib/?.lua;;';
    init_by_lua_block { paygw = require "resty.paygw" }
HTTP
    my $server = <<'SERVER';
        location = /n {
            content_by_lua_block {
                ngx.req.read_body()
                local ev, err = paygw.verify("wxpay", {
                    headers = ngx.req.get_headers(0),
                    body = ngx.req.get_body_data() })
                ngx.log(ngx.NOTICE, "verified: ", ev and "yes" or err)
                ngx.exit(ev and 204 or err == "keyring" and 503 or 401)
            }
        }
SERVER
    return PaygwNginx->start(http => $http . $Sandbox->wechat(@more),
                             server => $server, workers => 2);
}

sub notify {
    my ($nginx, %faults) = @_;
    my $order = $Sandbox->order('wechat_v3',
                                "http://127.0.0.1:$nginx->{port}/n");
    return $Sandbox->callback($order, %faults);
}

# it is asked again until then, and never anything else before

sub becomes {
    my ($nginx, $want, $before, $what, %faults) = @_;
    my $other = '';
    ok($nginx->wait_for(sub {
        my $got = notify($nginx, %faults);
        $other .= " $got" if $got != $want && $got != $before;
        return $got == $want;
    }, 20), $what);
    is($other, '', "$what: $before until then");
}


# -- certificates that are fetched --

{
    $Sandbox->keys(active => 'a', listed => [ 'a' ], lie => '');
    my $nginx = start(platform_certificates => 'auto interval=3600s retry=2s');

    becomes($nginx, 204, 503, 'fetched: the first one');
    is(notify($nginx, key => 'pub'), 401, 'a public key is never fetched');
    is(notify($nginx, wrong_key => JSON::PP::true), 401, 'forged');

    $Sandbox->keys(listed => [ 'a', 'b' ], active => 'b');
    becomes($nginx, 204, 503, 'fetched: the next one, since Lua asked for it');
    is(notify($nginx, key => 'a'), 204, 'the old one still');

    ok($nginx->quit, 'fetched: quits');
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'fetched: no alert');
}


# -- a file that is replaced --

sub put {
    my ($from) = @_;
    File::Copy::copy($from, "$Tmp/wx.pem.new") or die "$from: $!";
    chmod 0644, "$Tmp/wx.pem.new";
    rename "$Tmp/wx.pem.new", "$Tmp/wx.pem" or die $!;
}

{
    put("$Wx/platform_cert_a.pem");
    my $nginx = start(platform_certificate => "$Tmp/wx.pem");

    is(notify($nginx, key => 'a'), 204, 'file: the first certificate');
    is(notify($nginx, key => 'b'), 401, 'file: no other');

    put("$Wx/platform_cert_b.pem");
    becomes($nginx, 204, 401, 'file: the next one, without a reload',
            key => 'b');
    becomes($nginx, 401, 204, 'file: the old one no more', key => 'a');

    ok($nginx->reload, 'file: reload');
    is(notify($nginx, key => 'b'), 204, 'file: and after a reload');

    ok($nginx->quit, 'file: quits');
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'file: no alert');
}
