
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_sha1.h>
#include "ngx_paygw_redis.h"
#include "ngx_paygw_redis_lua_book.h"


/*
 * A record is one string, "STATE TOKEN DELIVERIES LEASE-END": the state is
 * "held", "done" or "free", the time is Redis' own, in milliseconds.  That of
 * an order is described in ngx_paygw_redis_lua_book.h.  Scripts answer with an
 * integer, but for the last ones, and a claim whose order is against it.  The
 * keys of one lie in one slot; an append has that of the stream, too, which
 * needs a hash tag for it in a cluster.
 *
 *   KEYS[1]  the event             ARGV[1]  token, 16 hexadecimal digits
 *                                  ARGV[2]  life of the record
 *
 * and for a claim
 *
 *   KEYS[2]  its order, if any     ARGV[3]  what it says of it, or "-"
 *   KEYS[3]  its refunds           ARGV[4]  lease
 *
 * and for an append
 *
 *   KEYS[2]  the stream            ARGV[3]  the same
 *   KEYS[3]  its order, if any     ARGV[4]  1: replicas are waited for
 *   KEYS[4]  its refunds           ARGV[5]  length, or 0
 *                                  ARGV[6]  names and values ...
 *
 * A limit has other ones: see ngx_paygw_redis_limit_send().
 */

#define NGX_PAYGW_REDIS_LUA_READ                                              \
    "local v=redis.call('GET',KEYS[1])\n"                                     \
    "local s,k,n,e\n"                                                         \
    "if v then\n"                                                             \
    " s,k,n,e=string.match(v,'^(%l+) (%x+) (%d+) (%d+)$')\n"                  \
    " if not s then return redis.error_reply('ERR not a paygw record') end\n" \
    "end\n"

#define NGX_PAYGW_REDIS_LUA_KEEP(state, n, e)                                 \
    "redis.call('SET',KEYS[1],'" state " '..ARGV[1]..' '.." n "..' '.." e     \
    ",'PX',ARGV[2])\n"

/*
 * A call is "STATE TOKEN ATTEMPTS LEASE-END FINGERPRINT", and behind a space
 * the answer that is kept, in any bytes.  It runs, is free to be run again, or
 * is done; with "gone" it is, too, but its answer is not there.  One of no
 * attempt is as good as none.
 *
 *   KEYS[1]  the call              ARGV[1]  token, 16 hexadecimal digits
 *                                  ARGV[2]  life of the record
 *                                  ARGV[3]  fingerprint, hexadecimal
 *                                  ARGV[4]  lease; of a finish: the state;
 *                                           of an abandon: 1 if it was not run
 *                                  ARGV[5]  of a finish: the answer
 */

#define NGX_PAYGW_REDIS_LUA_CALL                                              \
    "local v=redis.call('GET',KEYS[1])\n"                                     \
    "local s,k,n,e,f,p\n"                                                     \
    "if v then\n"                                                             \
    " s,k,n,e,f,p=string.match(v,'^(%l+) (%x+) (%d+) (%d+) (%x+) ()')\n"      \
    " if not s then return redis.error_reply('ERR not a paygw record') end\n" \
    "end\n"

#define NGX_PAYGW_REDIS_LUA_TIME                                              \
    "local t=redis.call('TIME')\n"                                            \
    "t=t[1]*1000+math.floor(t[2]/1000)\n"

#define NGX_PAYGW_REDIS_LUA_OURS                                              \
    "if s and (s~='runs' or k~=ARGV[1]) then return 'no' end\n"

#define NGX_PAYGW_REDIS_LUA_STATE(state, n, e, answer)                        \
    "redis.call('SET',KEYS[1]," state "..' '..ARGV[1]..' '.." n "..' '.."     \
    "string.format('%.0f'," e ")..' '..ARGV[3]..' '.." answer                  \
    ",'PX',ARGV[2])\n"


const ngx_str_t  ngx_paygw_redis_scripts[NGX_PAYGW_REDIS_SCRIPTS] = {

    /* claim: the number of this delivery; 0: committed; -1: held; -2: late */

    ngx_string(
        NGX_PAYGW_REDIS_LUA_READ
        "local t=redis.call('TIME')\n"
        "t=t[1]*1000+math.floor(t[2]/1000)\n"
        "if s=='done' then return 0 end\n"
        "if s=='held' and t<tonumber(e) then return -1 end\n"
        NGX_PAYGW_REDIS_LUA_ORDER("KEYS[2]", "KEYS[3]")
        "n=(tonumber(n) or 0)+1\n"
        NGX_PAYGW_REDIS_LUA_KEEP("held", "n",
                                 "string.format('%.0f',t+ARGV[4])")
        "return n\n"),

    /* commit: 1: done; 0: not ours */

    ngx_string(
        NGX_PAYGW_REDIS_LUA_READ
        "if s and (s~='held' or k~=ARGV[1]) then return 0 end\n"
        NGX_PAYGW_REDIS_LUA_KEEP("done", "(n or '0')", "'0'")
        "return 1\n"),

    /* release: 1: done; 0: not ours */

    ngx_string(
        NGX_PAYGW_REDIS_LUA_READ
        "if s~='held' or k~=ARGV[1] then return 0 end\n"
        NGX_PAYGW_REDIS_LUA_KEEP("free", "n", "'0'")
        "return 1\n"),

    /*
     * append: the number of this delivery; 0: committed; -1: held; -2: late
     *
     * A script is not undone where it fails.  What may fail comes second, and
     * is told, so that the first can be taken back.
     */

    ngx_string(
        NGX_PAYGW_REDIS_LUA_READ
        "local t=redis.call('TIME')\n"
        "t=t[1]*1000+math.floor(t[2]/1000)\n"
        "if s=='done' then\n"
        " if ARGV[4]=='1' then redis.call('SET',KEYS[1],v,'PX',ARGV[2]) end\n"
        " return 0\n"
        "end\n"
        "if s=='held' and t<tonumber(e) then return -1 end\n"
        NGX_PAYGW_REDIS_LUA_ORDER("KEYS[3]", "KEYS[4]")
        "n=(tonumber(n) or 0)+1\n"
        "local x={'XADD',KEYS[2]}\n"
        "if ARGV[5]~='0' then x={'XADD',KEYS[2],'MAXLEN','~',ARGV[5]} end\n"
        "x[#x+1]='*'\n"
        "for i=6,#ARGV do x[#x+1]=ARGV[i] end\n"
        "x[#x+1]='delivery'\n"
        "x[#x+1]=n\n"
        NGX_PAYGW_REDIS_LUA_KEEP("done", "n", "'0'")
        "local r=redis.pcall(unpack(x))\n"
        "if type(r)=='table' and r.err then\n"
        NGX_PAYGW_REDIS_LUA_KEEP("free", "n", "'0'")
        " return r\n"
        "end\n"
        "return n\n"),

    /*
     * limit: a text, for each 1 if it is over, or 0, and the level of the
     * bucket; behind them the time
     *
     * A bucket is "LEVEL TIME", the time in microseconds, as the arithmetic of
     * ngx_paygw_limit.h has it.  A clock that was set back only stops draining
     * until the next request.
     */

    ngx_string(
        "local t=redis.call('TIME')\n"
        "t=t[1]*1000000+t[2]\n"
        "local l,room,r,go={},{},{},true\n"
        "for i=1,#KEYS do\n"
        " local a=4*i-3\n"
        " local v=redis.call('GET',KEYS[i])\n"
        " l[i]=0\n"
        " if v then\n"
        "  local s,e=string.match(v,'^(%d+) (%d+)$')\n"
        "  if not s then return redis.error_reply('ERR not a paygw record')"
        " end\n"
        "  l[i]=math.max(s-math.max(t-e,0)*ARGV[a],0)\n"
        " end\n"
        " room[i]=l[i]+ARGV[a+1]<=tonumber(ARGV[a+2])\n"
        " if not room[i] and ARGV[a+3]=='0' then go=false end\n"
        "end\n"
        "for i=1,#KEYS do\n"
        " local a=4*i-3\n"
        " if go and room[i] then\n"
        "  l[i]=l[i]+ARGV[a+1]\n"
        "  redis.call('SET',KEYS[i],string.format('%.0f %.0f',l[i],t),'PX',"
        "string.format('%.0f',math.ceil(l[i]/ARGV[a]/1000)+1))\n"
        " end\n"
        " r[i]=string.format('%d %.0f ',room[i] and 0 or 1,l[i])\n"
        "end\n"
        "return table.concat(r)..string.format('%.0f',t)\n"),

    /* begin: a word, and behind "done " the answer of the call */

    ngx_string(
        NGX_PAYGW_REDIS_LUA_CALL
        "if s and n~='0' and f~=ARGV[3] then return 'other' end\n"
        "if s=='done' then return 'done '..string.sub(v,p) end\n"
        "if s=='gone' then return s end\n"
        NGX_PAYGW_REDIS_LUA_TIME
        "if s=='runs' and t<tonumber(e) then return 'busy' end\n"
        "n=(tonumber(n) or 0)+1\n"
        NGX_PAYGW_REDIS_LUA_STATE("'runs'", "n", "t+ARGV[4]", "''")
        "return 'begun '..n\n"),

    /* finish: with what is kept, "done" or "gone" */

    ngx_string(
        NGX_PAYGW_REDIS_LUA_CALL
        NGX_PAYGW_REDIS_LUA_OURS
        NGX_PAYGW_REDIS_LUA_STATE("ARGV[4]", "(n or 1)", "0", "ARGV[5]")
        "return 'ok'\n"),

    /* renew */

    ngx_string(
        NGX_PAYGW_REDIS_LUA_CALL
        NGX_PAYGW_REDIS_LUA_OURS
        NGX_PAYGW_REDIS_LUA_TIME
        NGX_PAYGW_REDIS_LUA_STATE("'runs'", "(n or 1)", "t+ARGV[4]", "''")
        "return 'ok'\n"),

    /* abandon */

    ngx_string(
        NGX_PAYGW_REDIS_LUA_CALL
        "if not s then return 'no' end\n"
        NGX_PAYGW_REDIS_LUA_OURS
        NGX_PAYGW_REDIS_LUA_STATE("'free'", "(n-ARGV[4])", "0", "''")
        "return 'ok'\n"),

    /* the book of orders */

    ngx_string(
        NGX_PAYGW_REDIS_LUA_TIME
        NGX_PAYGW_REDIS_LUA_BOOK
        NGX_PAYGW_REDIS_LUA_REFUND
        NGX_PAYGW_REDIS_LUA_BOOKED)
};


ngx_int_t
ngx_paygw_redis_scripts_init(ngx_conf_t *cf, ngx_paygw_redis_t *redis)
{
    u_char            digest[20];
    ngx_uint_t        i;
    ngx_sha1_t        sha1;
    const ngx_str_t  *text;

    for (i = 0; i < NGX_PAYGW_REDIS_SCRIPTS; i++) {
        text = &ngx_paygw_redis_scripts[i];

        ngx_sha1_init(&sha1);
        ngx_sha1_update(&sha1, text->data, text->len);
        ngx_sha1_final(digest, &sha1);

        redis->sha1[i].data = ngx_pnalloc(cf->pool, 2 * sizeof(digest));
        if (redis->sha1[i].data == NULL) {
            return NGX_ERROR;
        }

        redis->sha1[i].len = 2 * sizeof(digest);
        ngx_hex_dump(redis->sha1[i].data, digest, sizeof(digest));
    }

    return NGX_OK;
}
