# The decision and the event of a request in each phase of Lua, and that Lua
# beside the module changes neither what is decided nor what is answered.

use lib 't/lib';
use PaygwLua;
use PaygwTest;
use PaygwCall;
use PaygwUnionpay;

with_wxv2();

# writes what is known into the error log: "known PHASE: RESULT ..., EVENT"

our $Known = <<'LUA';
    init_by_lua_block {
        paygw = require "resty.paygw"
        function known(phase)
            local d, err = paygw.decision()
            local t = { err or "" }
            if d then
                for i, name in ipairs { "result", "reason", "channel",
                    "provider", "merchant", "key_id", "event_id", "delivery" }
                do
                    t[i] = tostring(d[name])
                end
            end
            local ev, everr = paygw.event()
            ngx.log(ngx.NOTICE, "known ", phase, ": ", table.concat(t, " "),
                    ", ", ev and ev.order.order_id or everr)
        end
        known("init")
    }
LUA

our $All = <<'LUA';
        rewrite_by_lua_block { known("rewrite") }
        access_by_lua_block { known("access") }
        header_filter_by_lua_block { known("header") }
        body_filter_by_lua_block { known("body") }
        log_by_lua_block { known("log") }
LUA

# from before the first request on

sub main::whole_log {
    return PaygwTest::file_from($Test::Nginx::Util::ErrLogFile, 0);
}

# what the phases of the last request have said, the first line of each

sub main::known_ok {
    my ($want, $name) = @_;
    $want =~ s/^\s+//mg;
    $want =~ s/\n*\z/\n/;
    my @phases = $want =~ /^(\w+):/mg;
    my $got = sub {
        my %line;
        for (split /\n/, whole_log()) {
            /known (\w+): (.*?)(?: while |, c(?:lient|ontext): |$)/
                and $line{$1} = "$1: $2";
        }
        return join '', map { ($line{$_} // "$_: -") . "\n" } @phases;
    };
    wait_for(sub { $got->() eq $want });
    is($got->(), $want, $name);
}

add_block_preprocessor(sub {
    my $block = shift;
    return if defined $block->plain;
    $block->set_value('http_config', $Known . ($block->http_config // ''));
});

run_tests();

__DATA__

=== TEST 1: a callback, from one phase to the next
--- config eval
"location = /notify/wxpay {
    paygw_notify wxpay;
$::All
    proxy_pass http://127.0.0.1:\$TEST_NGINX_SHOP_PORT;
}"
--- run
my $m = wechat();
my $key = '0A1B2C3D4E5F60718293A4B5C6D7E8F901234567';
my $id = "wxpay:$m->{id}:$m->{kind}";
ack_ok(send_callback($m), $m, 204);
known_ok(<<"END");
    init: no request, no request
    rewrite: no decision, no event
    access: verified nil wxpay wechat_v3 nil $key $id 1, $m->{order_id}
    log: taken nil wxpay wechat_v3 nil $key $id 1, $m->{order_id}
END
ack_ok(send_callback($m), $m, 204);
known_ok("log: duplicate duplicate wxpay wechat_v3 nil $key $id nil, no event");
--- no_error_log
[error]



=== TEST 2: one that is refused, and one that the shop does not take
--- config eval
"location = /notify/wxpay {
    paygw_notify wxpay;
$::All
    proxy_pass http://127.0.0.1:\$TEST_NGINX_SHOP_PORT;
}"
--- run
my $m = wechat();
my $key = '0A1B2C3D4E5F60718293A4B5C6D7E8F901234567';
my $bad = wechat(timestamp => 5);
ack_ok(send_callback($bad), $bad, 401);
known_ok(<<"END");
    rewrite: no decision, no event
    access: -
    log: refused clock nil wechat_v3 nil $key nil nil, no event
END
shop_plan({ status => 500 });
ack_ok(send_callback($m), $m, 502);
known_ok("log: released shop wxpay wechat_v3 nil $key "
         . "wxpay:$m->{id}:$m->{kind} 1, $m->{order_id}");



=== TEST 3: directives of the rewrite module: the event comes first
--- config eval
"location = /notify/wxpay {
    paygw_notify wxpay;
    set_by_lua_block \$order {
        local ev = paygw.event()
        return ev.order.order_id
    }
$::All
    proxy_pass http://127.0.0.1:\$TEST_NGINX_SHOP_PORT/\$order;
}"
--- run
for (1, 2) {
    my $m = wechat();
    ack_ok(send_callback($m), $m, 204);
    my $id = "wxpay:$m->{id}:$m->{kind}";
    my $key = '0A1B2C3D4E5F60718293A4B5C6D7E8F901234567';
    known_ok("rewrite: verified nil wxpay wechat_v3 nil $key $id 1, "
             . $m->{order_id});
    is((shop_requests($_))[-1]{target}, "/$m->{order_id}");
}
my $forged = wechat(timestamp => 5);
ack_ok(send_callback($forged), $forged, 401, 'no line of Lua is reached');



=== TEST 4: content_by_lua takes the events of all providers
--- config eval
CORE::join '', map { "location = /notify/$_ {
    paygw_notify $_;
    content_by_lua_block {
        local cjson = require 'cjson'
        local ev = paygw.event()
        local json = paygw.event_json()
        ngx.log(ngx.NOTICE, 'took ', ev.id, ' ', ev.order.order_id, ' ',
                ev.order.amount, ' ', ev.delivery, ' ',
                json == ngx.var.paygw_event and 'as it is' or 'changed')
        ngx.req.read_body()
        if json ~= ngx.req.get_body_data() then
            ngx.exit(500)
        end
        ngx.exit(204)
    }
}\n" } qw(wxpay alipay stripe wxv2 unionpay)
--- run
for my $m (wechat(amount => 12345), alipay(), stripe(), wechat2(), unionpay()) {
    ack_ok(send_callback($m), $m, 200, $m->{provider});
    my $order = $m->{order_id};
    ok(wait_for(sub { error_log_text() =~ /took \S+ \Q$order\E \d+ 1 as it is/ }),
       $order);
}
like(error_log_text(), qr/took wxpay:\S+ \S+ 12345 1/);



=== TEST 5: without cjson: the same tables
--- plain
--- http_config eval
'    init_by_lua_block {
        package.preload["cjson.safe"] = function () error("none") end
        paygw = require "resty.paygw"
        local cjson = require "cjson"
        function same(a, b)
            if type(a) ~= "table" or type(b) ~= "table" then
                return a == b
            end
            for k in pairs(b) do
                if a[k] == nil then return false end
            end
            for k, v in pairs(a) do
                if not same(v, b[k]) then return false end
            end
            return true
        end
        function compare()
            local ev, err = paygw.event()
            ngx.log(ngx.NOTICE, "compared ", ev and ev.id or err, ": ",
                same(ev, cjson.decode(paygw.event_json())) and "same"
                or "different")
            ngx.exit(204)
        end
    }
'
--- config eval
CORE::join '', map { "location = /notify/$_ {
    paygw_notify $_;
    content_by_lua_block { compare() }
}\n" } qw(wxpay alipay stripe wxv2 unionpay)
--- run
my $odd = "\x{1F4B0} \"q\" \\ / \b\f\n\r\t \x{7f} \x{e9} \x{4e2d} \x{1}";
my @m = (wechat(resource => { attach => $odd, none => undef, list => [],
             more => [ 1, -2.5, 1e10, 0.001, JSON::PP::true, JSON::PP::false,
                       'x', {}, { a => [ [ { b => 0 } ] ] } ] }),
         wechat(type => 'refund'), alipay(), stripe(), wechat2(),
         wechat2(type => 'refund'), unionpay(),
         wechat(plaintext => '{"mchid":"1900009191","appid":'
             . '"wxd678efh567hg6787","out_trade_no":"O1","trade_state":'
             . '"SUCCESS","transaction_id":"T1","amount":{"total":100,'
             . '"currency":"CNY"},"a":null,"b":[null,true],"c":"\\u4e2d\\ud83d'
             . '\\udcb0\\u00e9\\u0001\\/","d":1.5E+3,"e":-0,"f": { } , "g":[ ]'
             . ',"success_time":"' . (POSIX::strftime('%Y-%m-%dT%H:%M:%S+08:00',
                   gmtime(time + 28800))) . '"}'));
for my $m (@m) {
    ack_ok(send_callback($m), $m, 200, $m->{provider});
}
ok(wait_for(sub { (() = error_log_text() =~ /compared /g) == @m }));
my @same = error_log_text() =~ /compared \S+: (\w+)/g;
is("@same", join ' ', ('same') x @m);



=== TEST 6: a call of a merchant
--- config eval
"location = /api {
    paygw_auth shop;
$::All
    content_by_lua_block { ngx.say(paygw.decision().merchant) }
}"
--- run
is(send_callback(call(target => '/api'))->{body} =~ /shop\n/, 1);
known_ok(<<'END');
    rewrite: no decision, no event
    access: authenticated nil nil nil shop k1 nil nil, no event
    header: authenticated nil nil nil shop k1 nil nil, no event
    body: authenticated nil nil nil shop k1 nil nil, no event
    log: authenticated nil nil nil shop k1 nil nil, no event
END
answer_ok(send_callback(call(target => '/api', secret => 'x' x 34)),
          'BAD_SIGNATURE');
known_ok(<<'END');
    log: refused signature nil nil nil k1 nil nil, no event
END
answer_ok(send_callback(call(target => '/api', drop => [ 'X-Nonce' ])),
          'BAD_SIGNATURE_HEADER');
known_ok("log: refused missing_header nil nil nil nil nil nil, no event");



=== TEST 7: elsewhere there is nothing
--- config eval
"location = /open {
$::All
    content_by_lua_block { known('content') }
}
location = /notify/wxpay { paygw_notify wxpay; return 204; }"
--- run
send_callback("GET /open HTTP/1.0\r\n\r\n");
known_ok(<<'END');
    rewrite: no decision, no event
    access: no decision, no event
    content: no decision, no event
    header: no decision, no event
    log: no decision, no event
END



=== TEST 8: where there is no request; keys are there all the same
--- http_config
    init_worker_by_lua_block {
        known("worker")
        ngx.log(ngx.NOTICE, "signed in a worker: ",
                paygw.sign_text("shop", "k1", "x"))
    }
    exit_worker_by_lua_block {
        known("exit")
        ngx.log(ngx.NOTICE, "signed at the exit: ",
                paygw.sign_text("shop", "k1", "x"))
    }
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        content_by_lua_block {
            ngx.timer.at(0, function ()
                known("timer")
                ngx.log(ngx.NOTICE, "signed in a timer: ",
                        paygw.sign_text("shop", "k1", "x"))
            end)
            ngx.exit(204)
        }
    }
--- run
my $m = wechat();
my $mac = Digest::SHA::hmac_sha256_hex('x', call_secret('k1'));
ack_ok(send_callback($m), $m, 204);
ok(wait_for(sub { error_log_text() =~ /signed in a timer: $mac/ }));
known_ok(<<'END');
    worker: no request, no request
    timer: no request, no request
END
like(whole_log(), qr/signed in a worker: $mac/);



=== TEST 9: in the phase init there are no keys yet
--- plain
--- http_config
    init_by_lua_block {
        local paygw = require "resty.paygw"
        local calls = {
            { "sign", "alipay", "x" }, { "sign_text", "shop", "k1", "x" },
            { "sign_call", "shop", "k1", { target = "/" } },
            { "verify", "wxpay", {} }, { "verify_json", "wxpay", {} },
            { "verify_call", "shop", {} }, { "canonical", "params", {} },
            { "decrypt", "wxpay", "x" },
        }
        for _, c in ipairs(calls) do
            local v, err = paygw[c[1]](unpack(c, 2))
            ngx.log(ngx.NOTICE, "init ", c[1], " ", tostring(v), " ", err)
        end
    }
--- config
    location = /a { return 204; }
--- run
send_callback("GET /a HTTP/1.0\r\n\r\n");
like(whole_log(), qr/init $_ nil no configuration in the phase init/, $_)
    for qw(sign sign_text sign_call verify verify_json verify_call canonical
           decrypt);



=== TEST 10: threads, sleep, subrequests, ngx.exec, error pages
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        content_by_lua_block {
            ngx.sleep(0.01)
            local t = ngx.thread.spawn(function ()
                ngx.sleep(0.01)
                return paygw.event().order.order_id
            end)
            local _, order = ngx.thread.wait(t)
            local res = ngx.location.capture("/inner")
            ngx.log(ngx.NOTICE, "all know ", order, " ", res.body)
            ngx.exec("/last")
        }
    }
    location = /inner {
        internal;
        content_by_lua_block { ngx.print(paygw.event().order.order_id) }
    }
    location = /last {
        internal;
        content_by_lua_block {
            ngx.log(ngx.NOTICE, "the last one ", paygw.event().order.order_id)
            ngx.exit(204)
        }
    }
    location = /api { paygw_auth shop; error_page 401 = /page; }
    location = /page {
        internal;
        content_by_lua_block { ngx.print(paygw.decision().reason) }
    }
--- run
my $m = wechat();
ack_ok(send_callback($m), $m, 204);
my $o = $m->{order_id};
ok(wait_for(sub { error_log_text() =~ /the last one $o/ }));
like(error_log_text(), qr/all know $o $o/);
like(send_callback(call(target => '/api', secret => 'x' x 34))->{body},
     qr/signature/);



=== TEST 11: filters of Lua cannot change an acknowledgement
--- config
    location /notify/ {
        header_filter_by_lua_block {
            ngx.header["X-Lua"] = "yes"
            ngx.header.content_length = nil
        }
        body_filter_by_lua_block {
            ngx.arg[1] = "Lua" .. tostring(ngx.arg[1])
        }
        location = /notify/wxpay {
            paygw_notify wxpay;
            proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
        }
        location = /notify/alipay {
            paygw_notify alipay;
            proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
        }
    }
--- run
for my $make (\&wechat, \&alipay) {
    my $m = $make->();
    ack_ok(send_callback($m), $m, 200);
    ack_ok(send_callback($m), $m, 200, 'duplicate');
    shop_plan({ status => 500 });
    $m = $make->();
    ack_ok(send_callback($m), $m, 502);
}
my $bad = wechat(timestamp => 5);
ack_ok(send_callback($bad), $bad, 401);



=== TEST 12: an answer is signed behind the filters of Lua
--- config
    location = /api {
        paygw_auth shop sign_response;
        content_by_lua_block { ngx.print("hello") }
        header_filter_by_lua_block { ngx.header.content_length = nil }
        body_filter_by_lua_block { ngx.arg[1] = (ngx.arg[1] or ""):upper() }
    }
--- run
my $m = call(target => '/api');
my $res = send_callback($m, version => '1.0');
is($res->{body}, 'HELLO');
sealed_ok($res, $m, 'what was sent');



=== TEST 13: satisfy: all asks both, any is content with one
--- config
    location = /all {
        paygw_auth shop;
        access_by_lua_block { if ngx.var.arg_no then ngx.exit(403) end }
        content_by_lua_block { ngx.print(paygw.decision().result) }
    }
    location = /any {
        satisfy any;
        paygw_auth shop;
        access_by_lua_block {
            if ngx.var.arg_no then ngx.exit(403) end
            ngx.exit(ngx.OK)
        }
        content_by_lua_block { ngx.print(paygw.decision().result) }
    }
    location = /declined {
        satisfy any;
        paygw_auth shop;
        access_by_lua_block { known("access") }
        content_by_lua_block { ngx.print(paygw.decision().result) }
    }
--- run
my $ask = sub {
    my ($target, @o) = @_;
    my $res = send_callback(call(target => $target, @o), version => '1.0');
    return "$res->{status} " . ($res->{status} == 200 ? $res->{body} : '');
};
my @forged = (secret => 'x' x 34);
for (1, 2) {
    is($ask->('/all'), '200 authenticated');
    is($ask->('/all?no=1'), '403 ');
    is($ask->('/all', @forged), '401 ');
    is($ask->('/any'), '200 authenticated');
    is($ask->('/any?no=1'), '200 authenticated', 'Lua is not asked');
    is($ask->('/any', @forged), '200 refused', 'Lua has let it pass');
    is($ask->('/any?no=1', @forged), '401 ', 'nobody has');
    is($ask->('/declined'), '200 authenticated');
    is($ask->('/declined', @forged), '200 refused');
}



=== TEST 14: satisfy any is not for callbacks, whoever else would decide
--- config
    location = /notify/wxpay {
        satisfy any;
        paygw_notify wxpay;
        access_by_lua_block { ngx.exit(ngx.OK) }
    }
--- must_die
--- error_log
"satisfy any" cannot be used with "paygw_notify"



=== TEST 15: observe: the shop has it, and log_by_lua knows what would be
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        paygw_verify observe until=2099-01-01;
        access_by_lua_block { known("access") }
        log_by_lua_block { known("log") }
        proxy_pass http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $key = '0A1B2C3D4E5F60718293A4B5C6D7E8F901234567';
send_callback(wechat(timestamp => 5));
known_ok(<<"END");
    access: refused clock nil wechat_v3 nil $key nil nil, no event
    log: refused clock nil wechat_v3 nil $key nil nil, no event
END



=== TEST 16: Lua that ends a request before the check has not answered it
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        rewrite_by_lua_block { ngx.say("success") ngx.exit(200) }
    }
--- run
my $m = wechat();
isnt(send_callback($m)->{status}, 200);
unlike(send_callback($m)->{body}, qr/^success/);



=== TEST 17: what Lua answers is the shop's word: 2xx takes the event
--- config eval
CORE::join '', map { "location = /notify/wxpay/$_ {
    paygw_notify wxpay;
    content_by_lua_block { ngx.exit($_) }
}\n" } 200, 201, 204, 302, 400, 404, 500, 503
--- run
for my $status (200, 201, 204) {
    my $m = wechat(uri => "/notify/wxpay/$status");
    ack_ok(send_callback($m), $m, 204, "exit $status");
}
for my $status (302, 400, 404, 500, 503) {
    my $m = wechat(uri => "/notify/wxpay/$status");
    ack_ok(send_callback($m), $m, 502, "exit $status");
}
