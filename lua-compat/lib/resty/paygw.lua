-- Copyright (C) the paygw authors


-- What ngx_http_paygw_module knows and can do, for Lua that runs in nginx: see
-- README.md.  All of it is in C; no key ever comes here.


local ffi = require "ffi"
local base = require "resty.core.base"


local C = ffi.C
local ffi_gc = ffi.gc
local ffi_str = ffi.string
local get_request = base.get_request
local error = error
local floor = math.floor
local ipairs = ipairs
local pairs = pairs
local pcall = pcall
local require = require
local tonumber = tonumber
local type = type
local byte = string.byte
local char = string.char
local find = string.find
local format = string.format
local sub = string.sub
local concat = table.concat


-- of the interface; that of the module must be the same
local VERSION = 1

local OK = 0
local NONE = -2
local NO_REQUEST = -3

-- as in the module
local MAX_FIELDS = 256
local MAX_MERCHANTS = 64


if not pcall(ffi.typeof, "ngx_http_paygw_ffi_result_t") then
    -- word for word that of ngx_http_paygw_lua.h
    ffi.cdef[[
typedef struct {
    size_t                             len;
    const unsigned char               *data;
} ngx_http_paygw_ffi_str_t;

typedef struct {
    ngx_http_paygw_ffi_str_t           name;
    ngx_http_paygw_ffi_str_t           value;
} ngx_http_paygw_ffi_field_t;

typedef struct {
    ngx_http_paygw_ffi_str_t           method;
    ngx_http_paygw_ffi_str_t           target;
    ngx_http_paygw_ffi_str_t           body;
    const ngx_http_paygw_ffi_field_t  *headers;
    size_t                             nheaders;
    long long                          now;
} ngx_http_paygw_ffi_message_t;

typedef struct {
    ngx_http_paygw_ffi_str_t           result;
    ngx_http_paygw_ffi_str_t           reason;
    ngx_http_paygw_ffi_str_t           channel;
    ngx_http_paygw_ffi_str_t           provider;
    ngx_http_paygw_ffi_str_t           merchant;
    ngx_http_paygw_ffi_str_t           key_id;
    ngx_http_paygw_ffi_str_t           event_id;
    ngx_http_paygw_ffi_str_t           delivery;
} ngx_http_paygw_ffi_decision_t;

typedef struct {
    ngx_http_paygw_ffi_str_t           value[3];
    ngx_http_paygw_ffi_str_t           err;
    ngx_http_paygw_ffi_str_t           hint;
    void                              *pool;
} ngx_http_paygw_ffi_result_t;

int ngx_http_paygw_ffi_version(void);

int ngx_http_paygw_ffi_decision(ngx_http_request_t *r,
    ngx_http_paygw_ffi_decision_t *decision);

int ngx_http_paygw_ffi_event(ngx_http_request_t *r,
    ngx_http_paygw_ffi_str_t *json);

int ngx_http_paygw_ffi_verify(const ngx_http_paygw_ffi_str_t *channel,
    const ngx_http_paygw_ffi_message_t *message,
    ngx_http_paygw_ffi_result_t *result);

int ngx_http_paygw_ffi_verify_call(const ngx_http_paygw_ffi_str_t *merchants,
    size_t nmerchants, const ngx_http_paygw_ffi_message_t *message,
    ngx_http_paygw_ffi_result_t *result);

int ngx_http_paygw_ffi_sign(const ngx_http_paygw_ffi_str_t *channel,
    const ngx_http_paygw_ffi_str_t *algorithm,
    const ngx_http_paygw_ffi_str_t *text,
    ngx_http_paygw_ffi_result_t *result);

int ngx_http_paygw_ffi_sign_text(const ngx_http_paygw_ffi_str_t *merchant,
    const ngx_http_paygw_ffi_str_t *key_id,
    const ngx_http_paygw_ffi_str_t *text,
    ngx_http_paygw_ffi_result_t *result);

int ngx_http_paygw_ffi_sign_call(const ngx_http_paygw_ffi_str_t *merchant,
    const ngx_http_paygw_ffi_str_t *key_id,
    const ngx_http_paygw_ffi_message_t *message,
    ngx_http_paygw_ffi_result_t *result);

int ngx_http_paygw_ffi_canonical(const ngx_http_paygw_ffi_str_t *style,
    const ngx_http_paygw_ffi_field_t *fields, size_t nfields,
    ngx_http_paygw_ffi_result_t *result);

int ngx_http_paygw_ffi_decrypt(const ngx_http_paygw_ffi_str_t *channel,
    const ngx_http_paygw_ffi_str_t *algorithm,
    const ngx_http_paygw_ffi_str_t *nonce,
    const ngx_http_paygw_ffi_str_t *associated,
    const ngx_http_paygw_ffi_str_t *ciphertext,
    ngx_http_paygw_ffi_result_t *result);

void ngx_http_paygw_ffi_free(ngx_http_paygw_ffi_result_t *result);
    ]]
end


do
    local ok, version = pcall(function ()
        return C.ngx_http_paygw_ffi_version()
    end)

    if not ok then
        error("resty.paygw needs ngx_http_paygw_module, and this nginx has "
              .. "not loaded it or one that is too old: add "
              .. "\"load_module modules/ngx_http_paygw_module.so;\"")
    end

    if version ~= VERSION then
        error("resty.paygw is of interface " .. VERSION
              .. ", and the loaded ngx_http_paygw_module of " .. version
              .. ": install both from one version of paygw, then restart "
              .. "nginx, since a reload goes on with the old module")
    end
end


local _M = { _VERSION = "0.1.0" }


local str_t = ffi.typeof("ngx_http_paygw_ffi_str_t")
local strs_t = ffi.typeof("ngx_http_paygw_ffi_str_t[?]")
local fields_t = ffi.typeof("ngx_http_paygw_ffi_field_t[?]")
local message_t = ffi.typeof("ngx_http_paygw_ffi_message_t")
local decision_t = ffi.typeof("ngx_http_paygw_ffi_decision_t")
local result_t = ffi.typeof("ngx_http_paygw_ffi_result_t")


-- -- strings, both ways --

-- cdata refers to the bytes of a Lua string and does not hold it: what a call
-- of C reads is named behind it again, by keep()

local function keep()
end


local function put(p, s)
    p.len = #s
    p.data = s
end


local function str(s)
    local p = str_t()
    put(p, s)
    return p
end


-- list is { name, value, name, value, ... }; as cdata, and its length

local function fields(list)
    local n = #list / 2
    local f = fields_t(n)

    for i = 0, n - 1 do
        put(f[i].name, list[2 * i + 1])
        put(f[i].value, list[2 * i + 2])
    end

    return f, n
end


local function text(p)
    if p.len == 0 then
        return ""
    end

    return ffi_str(p.data, p.len)
end


local function text_or_nil(p)
    if p.len ~= 0 then
        return ffi_str(p.data, p.len)
    end
end


-- -- results --

local function new_result()
    -- freed by whoever made it; by the collector if an error was in between
    return ffi_gc(result_t(), C.ngx_http_paygw_ffi_free)
end


-- nil, err and hint of a result, which is over then

local function failed(res)
    local err = text(res.err)
    local hint = text_or_nil(res.hint)

    C.ngx_http_paygw_ffi_free(res)

    return nil, err, hint
end


local function value(rc, res)
    if rc ~= OK then
        return failed(res)
    end

    local v = text(res.value[0])

    C.ngx_http_paygw_ffi_free(res)

    return v
end


-- in the phase "init" there is no configuration yet, or only that of before
-- the reload

local function started()
    return ngx.get_phase() ~= "init"
end


local NOT_STARTED = "no configuration in the phase init"


-- -- JSON of our own --

-- What the module has written, or a reader of it has found good, so that no
-- error has to be told: what is wrong is nil.

local decode


local ESCAPES = {
    ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n",
    r = "\r", t = "\t"
}


local function utf8(c)
    if c < 0x80 then
        return char(c)
    end

    if c < 0x800 then
        return char(0xc0 + floor(c / 0x40), 0x80 + c % 0x40)
    end

    if c < 0x10000 then
        return char(0xe0 + floor(c / 0x1000), 0x80 + floor(c / 0x40) % 0x40,
                    0x80 + c % 0x40)
    end

    return char(0xf0 + floor(c / 0x40000), 0x80 + floor(c / 0x1000) % 0x40,
                0x80 + floor(c / 0x40) % 0x40, 0x80 + c % 0x40)
end


-- s[i] is the first byte behind the quote; returns the string, and where it
-- goes on

local function json_string(s, i)
    local parts, n = {}, 0

    while true do
        local j = find(s, '["\\]', i)
        if not j then
            return nil
        end

        n = n + 1
        parts[n] = sub(s, i, j - 1)

        if byte(s, j) == 0x22 then
            return concat(parts), j + 1
        end

        local c = sub(s, j + 1, j + 1)
        local plain = ESCAPES[c]
        i = j + 2

        if not plain then
            local code = c == "u" and tonumber(sub(s, i, i + 3), 16)
            if not code then
                return nil
            end

            i = i + 4

            if code >= 0xd800 and code < 0xdc00
               and sub(s, i, i + 1) == "\\u"
            then
                local low = tonumber(sub(s, i + 2, i + 5), 16)
                if not low then
                    return nil
                end

                code = 0x10000 + (code - 0xd800) * 0x400 + (low - 0xdc00)
                i = i + 6
            end

            plain = utf8(code)
        end

        n = n + 1
        parts[n] = plain
    end
end


local function json_list(s, i, depth, close, member)
    local out, n = {}, 0

    i = find(s, "%S", i)

    if sub(s, i, i) == close then
        return out, i + 1
    end

    while true do
        local key, v

        if member then
            i = find(s, '"', i, true)
            if not i then
                return nil
            end

            key, i = json_string(s, i + 1)
            i = key and find(s, ":", i, true)
            if not i then
                return nil
            end

            i = i + 1

        else
            n = n + 1
            key = n
        end

        v, i = decode(s, i, depth + 1)
        if v == nil then
            return nil
        end

        out[key] = v

        i = find(s, "%S", i)
        if not i then
            return nil
        end

        local c = sub(s, i, i)
        i = i + 1

        if c == close then
            return out, i
        end

        if c ~= "," then
            return nil
        end
    end
end


function decode(s, i, depth)
    i = find(s, "%S", i)
    if not i or depth > 64 then
        return nil
    end

    local c = sub(s, i, i)

    if c == '"' then
        return json_string(s, i + 1)
    end

    if c == "{" then
        return json_list(s, i + 1, depth, "}", true)
    end

    if c == "[" then
        return json_list(s, i + 1, depth, "]", false)
    end

    if sub(s, i, i + 3) == "true" then
        return true, i + 4
    end

    if sub(s, i, i + 4) == "false" then
        return false, i + 5
    end

    if sub(s, i, i + 3) == "null" then
        return ngx.null, i + 4
    end

    local first, last = find(s, "^-?%d+%.?%d*[eE]?[+-]?%d*", i)
    if not first then
        return nil
    end

    return tonumber(sub(s, first, last)), last + 1
end


local cjson
do
    local ok, mod = pcall(require, "cjson.safe")
    if ok then
        cjson = mod
    end
end


local function to_table(json)
    local t

    if cjson then
        t = cjson.decode(json)
    else
        t = decode(json, 1, 1)
    end

    if type(t) ~= "table" then
        return nil, "internal"
    end

    return t
end


-- -- the present request --

local function no_decision(rc)
    if rc == NONE then
        return nil, "no decision"
    end

    if rc == NO_REQUEST then
        return nil, "no request"
    end

    return nil, "internal"
end


function _M.decision()
    local r = get_request()
    if not r then
        return nil, "no request"
    end

    local d = decision_t()

    local rc = C.ngx_http_paygw_ffi_decision(r, d)
    if rc ~= OK then
        return no_decision(rc)
    end

    return {
        result = text_or_nil(d.result),
        reason = text_or_nil(d.reason),
        channel = text_or_nil(d.channel),
        provider = text_or_nil(d.provider),
        merchant = text_or_nil(d.merchant),
        key_id = text_or_nil(d.key_id),
        event_id = text_or_nil(d.event_id),
        delivery = tonumber(text(d.delivery)),
    }
end


function _M.event_json()
    local r = get_request()
    if not r then
        return nil, "no request"
    end

    local json = str_t()

    local rc = C.ngx_http_paygw_ffi_event(r, json)
    if rc == NONE then
        return nil, "no event"
    end

    if rc ~= OK then
        return no_decision(rc)
    end

    return text(json)
end


function _M.event()
    local json, err = _M.event_json()
    if not json then
        return nil, err
    end

    return to_table(json)
end


-- -- messages --

-- { name, value, ... } of a table like that of ngx.req.get_headers(); or nil,
-- err

local function header_list(headers)
    local list, n = {}, 0

    for name, v in pairs(headers) do
        if type(v) ~= "table" then
            v = { v }
        end

        for _, one in ipairs(v) do
            if type(name) ~= "string" or type(one) ~= "string" then
                return nil, "a header is neither a string nor a table of "
                            .. "strings"
            end

            if n == 2 * MAX_FIELDS then
                return nil, "too many headers"
            end

            list[n + 1] = name
            list[n + 2] = one
            n = n + 2
        end
    end

    return list
end


-- the message as cdata, and what must be kept with it; or nil, err

local function new_message(message, headers)
    if type(message) ~= "table" then
        return nil, "the message is not a table"
    end

    local method, target, body = message.method, message.target, message.body

    if method == nil then
        method = "POST"
    end

    if target == nil then
        target = "/"
    end

    if body == nil then
        body = ""
    end

    if type(method) ~= "string" or type(target) ~= "string"
       or type(body) ~= "string"
    then
        return nil, "method, target and body must be strings"
    end

    local m = message_t()
    local now = message.now

    if now ~= nil then
        if type(now) ~= "number" or not (now >= 1 and now < 1e11) then
            return nil, "now must be a time in seconds"
        end

        m.now = floor(now)
    end

    put(m.method, method)
    put(m.target, target)
    put(m.body, body)

    local kept = { method, target, body }

    if headers then
        if type(headers) ~= "table" then
            return nil, "headers must be a table"
        end

        local list, err = header_list(headers)
        if not list then
            return nil, err
        end

        local f, n = fields(list)

        m.headers = f
        m.nheaders = n

        kept[4] = list
        kept[5] = f
    end

    return m, kept
end


local function headers_of(message)
    return type(message) == "table" and message.headers or {}
end


function _M.verify_json(channel, message)
    if not started() then
        return nil, NOT_STARTED
    end

    if type(channel) ~= "string" then
        return nil, "the channel is not a string"
    end

    local m, kept = new_message(message, headers_of(message))
    if not m then
        return nil, kept
    end

    local res = new_result()
    local rc = C.ngx_http_paygw_ffi_verify(str(channel), m, res)

    keep(channel, kept)

    return value(rc, res)
end


function _M.verify(channel, message)
    local json, err, hint = _M.verify_json(channel, message)
    if not json then
        return nil, err, hint
    end

    return to_table(json)
end


function _M.verify_call(merchants, message)
    if not started() then
        return nil, NOT_STARTED
    end

    if type(merchants) == "string" then
        merchants = { merchants }
    end

    if type(merchants) ~= "table" then
        return nil, "the merchants are neither a string nor a table"
    end

    local n = #merchants

    if n == 0 or n > MAX_MERCHANTS then
        return nil, n == 0 and "no merchants" or "too many merchants"
    end

    local names, list = strs_t(n), {}

    for i = 1, n do
        -- read once: a metamethod may make another one each time, and forget it

        local name = merchants[i]

        if type(name) ~= "string" then
            return nil, "the name of a merchant is not a string"
        end

        list[i] = name
        put(names[i - 1], name)
    end

    local m, kept = new_message(message, headers_of(message))
    if not m then
        return nil, kept
    end

    local res = new_result()
    local rc = C.ngx_http_paygw_ffi_verify_call(names, n, m, res)

    keep(list, kept)

    if rc ~= OK then
        return failed(res)
    end

    local call = {
        merchant = text(res.value[0]),
        key_id = text(res.value[1]),
        nonce = text(res.value[2]),
    }

    C.ngx_http_paygw_ffi_free(res)

    return call
end


-- -- signatures --

function _M.sign(channel, message, algorithm)
    if not started() then
        return nil, NOT_STARTED
    end

    if algorithm == nil then
        algorithm = ""
    end

    if type(channel) ~= "string" or type(message) ~= "string"
       or type(algorithm) ~= "string"
    then
        return nil, "channel, text and algorithm must be strings"
    end

    local res = new_result()
    local rc = C.ngx_http_paygw_ffi_sign(str(channel), str(algorithm),
                                         str(message), res)

    keep(channel, algorithm, message)

    return value(rc, res)
end


function _M.sign_text(merchant, key_id, message)
    if not started() then
        return nil, NOT_STARTED
    end

    if type(merchant) ~= "string" or type(key_id) ~= "string"
       or type(message) ~= "string"
    then
        return nil, "merchant, key id and text must be strings"
    end

    local res = new_result()
    local rc = C.ngx_http_paygw_ffi_sign_text(str(merchant), str(key_id),
                                              str(message), res)

    keep(merchant, key_id, message)

    return value(rc, res)
end


function _M.sign_call(merchant, key_id, call)
    if not started() then
        return nil, NOT_STARTED
    end

    if type(merchant) ~= "string" or type(key_id) ~= "string" then
        return nil, "merchant and key id must be strings"
    end

    local m, kept = new_message(call)
    if not m then
        return nil, kept
    end

    local res = new_result()
    local rc = C.ngx_http_paygw_ffi_sign_call(str(merchant), str(key_id), m,
                                              res)

    keep(merchant, key_id, kept)

    if rc ~= OK then
        return failed(res)
    end

    local headers = {
        ["X-Key-Id"] = key_id,
        ["X-Timestamp"] = text(res.value[0]),
        ["X-Nonce"] = text(res.value[1]),
        ["X-Signature"] = text(res.value[2]),
    }

    C.ngx_http_paygw_ffi_free(res)

    return headers
end


-- -- strings to sign --

-- a value as it is sent; nil for what has no one spelling

local function spelled(v)
    local kind = type(v)

    if kind == "string" then
        return v
    end

    if kind == "boolean" then
        return v and "true" or "false"
    end

    if kind == "number" and floor(v) == v and v > -1e15 and v < 1e15 then
        return format("%d", v)
    end
end


function _M.canonical(style, params)
    if not started() then
        return nil, NOT_STARTED
    end

    if type(style) ~= "string" or type(params) ~= "table" then
        return nil, "the style must be a string, the fields a table"
    end

    local list, n = {}, 0

    for name, v in pairs(params) do
        local s = spelled(v)

        if type(name) ~= "string" or s == nil then
            return nil, "a field is not a name with a string, a whole number "
                        .. "or a boolean"
        end

        if n == 2 * MAX_FIELDS then
            return nil, "too many fields"
        end

        list[n + 1] = name
        list[n + 2] = s
        n = n + 2
    end

    local f, count = fields(list)
    local res = new_result()
    local rc = C.ngx_http_paygw_ffi_canonical(str(style), f, count, res)

    keep(style, list)

    return value(rc, res)
end


-- -- what a provider has encrypted --

-- the null of JSON is as good as absent

local function optional(v)
    if v == nil or v == ngx.null then
        return ""
    end

    return v
end


function _M.decrypt(channel, sealed)
    if not started() then
        return nil, NOT_STARTED
    end

    if type(sealed) == "string" then
        sealed = { ciphertext = sealed }
    end

    if type(channel) ~= "string" or type(sealed) ~= "table" then
        return nil, "the channel must be a string, what is encrypted a table "
                    .. "or a string"
    end

    local algorithm = optional(sealed.algorithm)
    local nonce = optional(sealed.nonce)
    local associated = optional(sealed.associated_data)
    local ciphertext = sealed.ciphertext

    if type(algorithm) ~= "string" or type(nonce) ~= "string"
       or type(associated) ~= "string" or type(ciphertext) ~= "string"
    then
        return nil, "algorithm, nonce, associated_data and ciphertext must be "
                    .. "strings"
    end

    local res = new_result()
    local rc = C.ngx_http_paygw_ffi_decrypt(str(channel), str(algorithm),
                                            str(nonce), str(associated),
                                            str(ciphertext), res)

    keep(channel, algorithm, nonce, associated, ciphertext)

    return value(rc, res)
end


return _M
