# Which runs first: the module or Lua.  With Debian's dynamic modules in both
# orders of load_module, with rewrite_by_lua and access_by_lua where they stand
# by themselves and where "no_postpone" puts them, for the first request of a
# worker (which is when Lua moves its handlers) and for the next one.

use strict;
use warnings;
use lib 't/lib';

my $loaded;
BEGIN { $loaded = $ENV{TEST_NGINX_LOAD_MODULES} // '' }

use PaygwLua;
use PaygwTest;
use PaygwCall;
use PaygwNginx;

use Test::More;

my $Keys = keys_dir();

sub http {
    my ($more) = @_;
    my $store = PaygwTest::store_conf();
    my $wx = PaygwTest::channel_conf('wxpay', $PaygwTest::Wxpay, '')
             =~ s/\$TEST_NGINX_KEYS/$Keys/gr;
    return "$store$wx$PaygwCall::Merchants$more
    lua_package_path '$PaygwLua::Lib/?.lua;;';
    init_by_lua_block {
        paygw = require 'resty.paygw'
        function known(phase)
            local d, err = paygw.decision()
            ngx.header['X-' .. phase] = d and d.result or err
        end
    }
";
}

my $Server = <<'CONF';
    location = /access {
        paygw_auth shop;
        rewrite_by_lua_block { known("rewrite") }
        access_by_lua_block { known("access") }
        content_by_lua_block { known("content") ngx.say("in") }
    }
    location = /early {
        paygw_auth shop;
        set $a 1;
        rewrite_by_lua_block { known("rewrite") }
        access_by_lua_block { known("access") }
        content_by_lua_block { known("content") ngx.say("in") }
    }
    location = /any {
        satisfy any;
        paygw_auth shop;
        access_by_lua_block {
            known("access")
            if ngx.var.arg_lua == "yes" then ngx.exit(ngx.OK) end
            if ngx.var.arg_lua == "no" then ngx.exit(403) end
        }
        content_by_lua_block { known("content") ngx.say("in") }
    }
    location = /notify/wxpay {
        paygw_notify wxpay;
        access_by_lua_block {
            local d = paygw.decision()
            ngx.log(ngx.NOTICE, "access of a callback: ",
                    d and d.result or "no decision")
        }
        content_by_lua_block { ngx.exit(204) }
        header_filter_by_lua_block { ngx.header["X-Lua"] = 1 }
        body_filter_by_lua_block { ngx.arg[1] = "Lua" }
    }
    location = /sealed {
        paygw_auth shop sign_response;
        content_by_lua_block { ngx.print("hello") }
        header_filter_by_lua_block { ngx.header.content_length = nil }
        body_filter_by_lua_block { ngx.arg[1] = (ngx.arg[1] or ""):upper() }
    }
CONF

# status, and what each phase knew

sub ask {
    my ($nginx, $target, @o) = @_;
    my $c = { sock => server_connect($nginx->{port}), buf => '' };
    my $s = $c->{sock};
    print $s call(target => $target, @o)->raw(version => '1.0');
    $s->flush;
    my $res = finish($c);
    return join ' ', $res->{status}, map {
        defined $res->{header}{"x-$_"} ? "$_=$res->{header}{\"x-$_\"}" : ()
    } qw(rewrite access content);
}

sub callback {
    my ($nginx) = @_;
    my $m = wechat();
    my $c = { sock => server_connect($nginx->{port}), buf => '' };
    my $s = $c->{sock};
    print $s $m->raw;
    $s->flush;
    return (finish($c), $m);
}

# what the documentation promises, with Lua where it stands by itself

my $No = 'no decision';
my $Is = 'authenticated';

my %Want = (
    access => "200 rewrite=$No access=$Is content=$Is",
    early => "200 rewrite=$Is access=$Is content=$Is",
    any => "200 content=$Is",
);

for my $order ('paygw first', 'Lua first') {
    my ($ndk, $lua) = @PaygwLua::Modules;
    local $ENV{TEST_NGINX_LOAD_MODULES} = $order =~ /^paygw/
        ? "$loaded $ndk $lua" : "$ndk $lua $loaded";

    for my $postpone ('', 'rewrite', 'access') {
        my $what = $order . ($postpone ? ", ${postpone}_by_lua_no_postpone"
                                       : '');
        my %want = %Want;

        if ($postpone eq 'access') {
            # Lua is asked before the module: it knows nothing
            $want{access} = "200 rewrite=$No access=$No content=$Is";
            # and with "satisfy any" Lua that just ends has let it pass
            $want{any} = "200 access=$No content=$No";

        } elsif ($postpone eq 'rewrite' && $order =~ /^paygw/) {
            # handlers of a phase run from the last to the first
            $want{early} = "200 rewrite=$No access=$Is content=$Is";
        }

        my $nginx = PaygwNginx->start(
            http => http($postpone ? "    ${postpone}_by_lua_no_postpone on;\n"
                                   : ''),
            server => $Server);

        for my $n ('first', 'second') {
            for my $target (qw(access early any)) {
                is(ask($nginx, "/$target"), $want{$target},
                   "$what: /$target, the $n request");
            }
            is(ask($nginx, '/any?lua=yes', secret => 'x' x 34),
               '200 ' . ($postpone eq 'access'
                         ? "access=$No content=$No"
                         : 'access=refused content=refused'),
               "$what: Lua lets it pass");
            like(ask($nginx, '/any?lua=no', secret => 'x' x 34), qr/^40[13]/,
                 "$what: nobody does");
            like(ask($nginx, "/$_", secret => 'x' x 34), qr/^401/,
                 "$what: forged, $_") for qw(access early);

            my ($res, $m) = callback($nginx);
            ack_ok($res, $m, 204, "$what: an ack that filters of Lua let be");
            my $known = $postpone eq 'access' ? $No : 'verified';
            ok($nginx->wait_for(sub {
                $nginx->count(qr/access of a callback: $known/) >= 1
            }), "$what: callback, $known");

            my $call = call(target => '/sealed');
            my $c = { sock => server_connect($nginx->{port}), buf => '' };
            my $s = $c->{sock};
            print $s $call->raw(version => '1.0');
            $s->flush;
            $res = finish($c);
            is($res->{body}, 'HELLO', "$what: as Lua has changed it");
            sealed_ok($res, $call, "$what: sealed");
        }

        ok($nginx->quit, "$what: quits");
        unlike($nginx->log, qr/\[(?:alert|crit|emerg|error)\]/,
               "$what: no error");
    }
}
