# Whatever Lua gives to resty.paygw: an error value, and nginx goes on.

use lib 't/lib';
use PaygwLua;
use PaygwTest;
use PaygwCall;

# what answers GET /x: the output of a Lua block, with paygw and helpers

add_block_preprocessor(sub {
    my $block = shift;
    return if !defined $block->block;

    $block->set_value('config', <<"CONF" . ($block->config // ''));
    location = /x {
        content_by_lua_block {
            local paygw = require "resty.paygw"
            local ok, err = pcall(function ()
@{[ $block->block ]}
            end)
            ngx.say(ok and "done" or "raised: " .. tostring(err))
        }
    }
CONF
});

sub main::x {
    my $res = send_callback("GET /x HTTP/1.0\r\n\r\n", timeout => 20);
    return $res->{body} || $res->{error};
}

run_tests();

__DATA__

=== TEST 1: each function with each wrong type in each place
--- block
local calls = {
    { "sign", "alipay", "x", "RSA2" },
    { "sign_text", "shop", "k1", "x" },
    { "sign_call", "shop", "k1", { target = "/" } },
    { "verify", "wxpay", { body = "" } },
    { "verify_json", "wxpay", { body = "" } },
    { "verify_call", "shop", { body = "" } },
    { "verify_call", { "shop" }, { body = "" } },
    { "canonical", "params", { a = "1" } },
    { "decrypt", "wxpay", { ciphertext = "" } },
}
local n, bad = 0, 0
local wrong = {
    false, true, 0, -1, 0/0, 1/0, 1e308, function () end, ngx.null,
    coroutine.create(function () end), io.stdout, {}, { {} }, { a = {} },
    setmetatable({}, { __index = function (t, k) return k end }),
    setmetatable({}, { __tostring = function () return "wxpay" end }),
    require("ffi").new("int[4]"), 1LL, "", "\0", ("x"):rep(300),
}
for _, c in ipairs(calls) do
    local f = paygw[c[1]]
    for place = 2, 5 do
        for i = 1, #wrong + 1 do
            local args = { c[2], c[3], c[4], c[5] }
            args[place - 1] = wrong[i]
            local ok, v, err = pcall(f, args[1], args[2], args[3], args[4])
            n = n + 1
            if not ok then
                ngx.say(c[1], " ", place, " ", i, " raised ", v)
                bad = bad + 1
            elseif v == nil and type(err) ~= "string" then
                ngx.say(c[1], " ", place, " ", i, " no err")
                bad = bad + 1
            end
        end
    end
    local ok, v, err = pcall(f)
    if not ok or v ~= nil or type(err) ~= "string" then
        ngx.say(c[1], " without arguments: ", tostring(v))
        bad = bad + 1
    end
end
ngx.say(n > 700 and "many" or n, " ", bad, " bad")
--- run
is(x(), "many 0 bad\ndone\n");



=== TEST 2: each member of a message, a call, and what is encrypted
--- block
local bad = 0
local wrong = {
    false, true, 0, -1, 0/0, 1/0, 1e308, function () end, ngx.null, {}, { 1 },
    { "a", false }, { { "a" } }, "", "\0", "\n", ("x"):rep(300), 1LL,
    setmetatable({}, { __index = function () return "x" end }),
}
local function try(name, ...)
    local ok, v, err = pcall(paygw[name], ...)
    if not ok or v == nil and type(err) ~= "string" then
        ngx.say(name, " ", tostring(v))
        bad = bad + 1
    end
end
for _, w in ipairs(wrong) do
    for _, member in ipairs { "method", "target", "body", "headers", "now" } do
        local m = { method = "POST", target = "/", body = "x", headers = {} }
        m[member] = w
        try("verify", "wxpay", m)
        try("verify_call", "shop", m)
        try("sign_call", "shop", "k1", m)
    end
    for _, name in ipairs { "Wechatpay-Nonce", "X-Nonce", 1, false } do
        try("verify", "wxpay", { headers = { [name] = w } })
        try("verify_call", "shop", { headers = { [name] = w } })
        try("canonical", "params", { [name] = w })
    end
    for _, name in ipairs { "algorithm", "nonce", "associated_data",
                            "ciphertext" }
    do
        local s = { nonce = "123456789012", ciphertext = "" }
        s[name] = w
        try("decrypt", "wxpay", s)
    end
    try("verify_call", { "shop", w }, {})
    try("verify_call", { w }, {})
end
ngx.say(bad, " bad")
--- run
is(x(), "0 bad\ndone\n");



=== TEST 3: times
--- block
for _, now in ipairs { 0, -1, 0.5, 1e11, 2^63, -2^63, 0/0, 1/0, "1" } do
    ngx.say((select(2, paygw.verify("wxpay", { now = now }))))
end
ngx.say((select(2, paygw.verify("wxpay", { now = 1 }))))
ngx.say((select(2, paygw.verify("wxpay", { now = 99999999999.9 }))))
--- run
is(x(), "now must be a time in seconds\n" x 9 . "missing_header\n" x 2
        . "done\n");



=== TEST 4: huge strings, and many of them
--- block
local huge = ("x"):rep(16 * 1024 * 1024 + 1)
local most = huge:sub(2)
local function say(v, err)
    ngx.say(v and #v or err)
end
say(paygw.sign_text("shop", "k1", most))
say(paygw.sign_text("shop", "k1", huge))
say(paygw.sign_text(huge, "k1", "x"))
say(paygw.sign_text("shop", huge, "x"))
say(paygw.sign_text(most, "k1", "x"))
say(paygw.sign_text("shop", most, "x"))
say(paygw.sign(huge, "x"))
say(paygw.sign("alipay", huge))
say(paygw.sign("alipay", "x", huge))
say(paygw.verify("wxpay", { body = huge }))
say(paygw.verify("wxpay", { body = most }))
say(paygw.verify("wxpay", { target = "/" .. huge }))
say(paygw.verify("wxpay", { headers = { ["Wechatpay-Nonce"] = huge } }))
say(paygw.verify_call(huge, {}))
say(paygw.verify_call("shop", { body = huge }))
say(paygw.canonical("params", { a = most:sub(2) }))
say(paygw.canonical("params", { a = most }))
say(paygw.canonical("params", { a = most:sub(9), b = "123456789" }))
say(paygw.canonical("params", { [huge] = "1" }))
say(paygw.canonical(huge, {}))
say(paygw.decrypt("wxpay", huge))
say(paygw.decrypt("wxpay", { ciphertext = most, nonce = huge }))
say(paygw.decrypt("wxpay", { ciphertext = "", associated_data = huge }))
--- run
my $long = 'too long';
is(x(), join("\n", 64, $long, $long, $long, 'no such merchant', 'no such key',
   $long, $long, $long, $long, 'missing_header', $long, $long, $long, $long,
   16 * 1024 * 1024 + 1, $long, $long, $long, $long, $long, $long, $long,
   'done') . "\n");



=== TEST 5: many headers, fields, merchants
--- block
local function many(n, v)
    local t = {}
    for i = 1, n do t["h" .. i] = v or "x" end
    return t
end
local function names(n)
    local t = {}
    for i = 1, n do t[i] = "shop" end
    return t
end
local function say(v, err) ngx.say(type(v) == "string" and "ok" or err) end
say(paygw.verify("wxpay", { headers = many(256) }))
say(paygw.verify("wxpay", { headers = many(257) }))
say(paygw.verify("wxpay", { headers = many(128, { "a", "b" }) }))
say(paygw.verify("wxpay", { headers = many(129, { "a", "b" }) }))
say(paygw.verify("wxpay", { headers = { a = names(20000) } }))
say(paygw.canonical("params", many(128)))
say(paygw.canonical("params", many(129)))
say(paygw.canonical("params", many(257)))
say(paygw.verify_call(names(64), {}))
say(paygw.verify_call(names(65), {}))
say(paygw.verify_call({}, {}))
say(paygw.verify_call({ "shop", "nobody" }, {}))
--- run
is(x(), "missing_header\ntoo many headers\nmissing_header\ntoo many headers\n"
        . "too many headers\nok\ntoo many fields\ntoo many fields\nmissing_header\n"
        . "too many merchants\nno merchants\nno such merchant\ndone\n");



=== TEST 6: many calls, with a collector that is busy: what C reads is there
--- block
collectgarbage("setpause", 1)
collectgarbage("setstepmul", 1000)
local want = {}
for i = 1, 20 do
    want[i] = paygw.sign_text("shop", "k1", "text " .. i)
end
local bad = 0
for n = 1, 4000 do
    local i = n % 20 + 1
    if paygw.sign_text("sh" .. "op", "k" .. 1, "text " .. i) ~= want[i] then
        bad = bad + 1
    end
    local c = paygw.canonical("params", { ["a" .. i] = "v" .. n, b = n })
    if c ~= "a" .. i .. "=v" .. n .. "&b=" .. n then
        bad = bad + 1
    end
    if n % 10 == 0 then
        local _, err = paygw.verify("wx" .. "pay", {
            body = ("b"):rep(n), headers = {
            ["Wechatpay-Nonce"] = "n" .. n, ["Wechatpay-Serial"] = "s" .. n,
            ["Wechatpay-Signature"] = "x" .. n,
            ["Wechatpay-Timestamp"] = tostring(n) } })
        if err ~= "unknown_key" then bad = bad + 1 end
    end
end
ngx.say(bad, " bad")
--- run
is(x(), "0 bad\ndone\n");
--- timeout: 90



=== TEST 7: a finalizer that calls it again while it works
--- block
local n, bad = 0, 0
local function trap()
    local p = newproxy(true)
    getmetatable(p).__gc = function ()
        n = n + 1
        if paygw.sign_text("shop", "k2", "in a finalizer") == nil then
            bad = bad + 1
        end
    end
end
collectgarbage("setpause", 1)
local want = paygw.sign_text("shop", "k1", "text")
for i = 1, 1000 do
    trap()
    if paygw.sign_text("shop", "k1", "te" .. "xt") ~= want then
        bad = bad + 1
    end
end
collectgarbage()
ngx.say(n > 300 and "many" or n, " ", bad, " bad")
--- run
is(x(), "many 0 bad\ndone\n");



=== TEST 8: required again, in a state that has it already
--- block
for i = 1, 3 do
    package.loaded["resty.paygw"] = nil
    ngx.say(#require("resty.paygw").sign_text("shop", "k1", "x"))
end
--- run
is(x(), "64\n64\n64\ndone\n");



=== TEST 9: lua_code_cache off
--- http_config
    lua_code_cache off;
--- block
ngx.say(#paygw.sign_text("shop", "k1", "x"))
--- run
is(x(), "64\ndone\n") for 1 .. 3;
--- faulty



=== TEST 10: a file of another version refuses to work
--- http_config eval
"    init_by_lua_block {
        local f = io.open('$PaygwLua::Lib/resty/paygw.lua')
        local text = f:read('*a')
        f:close()
        other = text:gsub('local VERSION = (%d+)', function (n)
            return 'local VERSION = ' .. (n + 1)
        end)
        assert(other ~= text)
    }\n"
--- block
ngx.say(tostring(select(2, pcall(assert(loadstring(other))))))
--- run
like(x(), qr/is of interface \d+, and the loaded ngx_http_paygw_module of \d+: install both from one version of paygw, then restart nginx, since a reload goes on with the old module/);



=== TEST 11: what is returned is nobody else's
--- block
local a = paygw.sign_call("shop", "k1", { target = "/a" })
local b = paygw.sign_call("shop", "k1", { target = "/a" })
a["X-Nonce"] = "changed"
ngx.say(b["X-Nonce"] ~= "changed" and "apart", " ",
        a["X-Key-Id"], " ", b["X-Key-Id"])
--- run
is(x(), "apart k1 k1\ndone\n");



=== TEST 12: no configuration of paygw at all
--- bare
--- block
ngx.say((select(2, paygw.sign("alipay", "x"))))
ngx.say((select(2, paygw.verify("alipay", {}))))
ngx.say((select(2, paygw.verify_call("shop", {}))))
ngx.say((select(2, paygw.sign_text("shop", "k1", "x"))))
ngx.say((select(2, paygw.decrypt("wxpay", "x"))))
ngx.say((select(2, paygw.decision())))
ngx.say((select(2, paygw.event())))
ngx.say(paygw.canonical("params", { a = "1" }))
--- run
is(x(), "no such channel\nno such channel\nno such merchant\n"
        . "no such merchant\nno such channel\nno decision\nno event\n"
        . "a=1\ndone\n");



=== TEST 13: a request that has ended is not there for what outlives it
--- http_config
    init_by_lua_block { paygw = require "resty.paygw" }
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        content_by_lua_block {
            local decision, event = paygw.decision, paygw.event
            local function later(premature, n)
                local d, err = decision()
                local ev, everr = event()
                ngx.log(ngx.NOTICE, "later: ", tostring(d), " ", err, ", ",
                        tostring(ev), " ", everr)
                if n > 0 then ngx.timer.at(0.01, later, n - 1) end
            end
            ngx.timer.at(0, later, 3)
            local co = coroutine.wrap(function () return event().id end)
            ngx.log(ngx.NOTICE, "in a coroutine: ", co())
            ngx.say("taken")
        }
    }
--- run
my $m = wechat();
ack_ok(send_callback($m), $m, 204);
ok(wait_for(sub {
    4 == (() = error_log_text()
          =~ /later: nil no request, nil no request/g) }));
like(error_log_text(), qr/in a coroutine: wxpay:\Q$m->{id}\E/);



=== TEST 14: merchants that a metamethod makes
--- block
local n = 0
local names = setmetatable({ nil, "shop" }, { __index = function ()
    n = n + 1
    return n == 1 and "shop" or {}
end })
ngx.say((select(2, paygw.verify_call(names, {}))), " ", n)
-- and that nobody else holds
local bad = 0
local message = setmetatable({}, { __index = function (t, k)
    if k == "method" then
        collectgarbage()
        local more = {}
        for i = 10000, 10999 do more[i] = "" .. i end
    end
end })
for i = 1, 200 do
    names = setmetatable({ nil, "shop" }, { __index = function ()
        return ("rehto"):reverse()
    end })
    local err = select(2, paygw.verify_call(names, message))
    if err ~= "missing_header" then
        bad = bad + 1
    end
end
ngx.say(bad, " bad")
--- run
is(x(), "missing_header 1\n0 bad\ndone\n");
