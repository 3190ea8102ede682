
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_REDIS_LUA_BOOK_H_INCLUDED_
#define _NGX_PAYGW_REDIS_LUA_BOOK_H_INCLUDED_


/*
 * The book of orders in Lua, for the scripts of ngx_paygw_redis_lua.c; what it
 * does is said in ngx_paygw_book.h, and done in C in ngx_paygw_zone_book*.c.
 *
 * The record of an order is one string,
 *
 *   STATE END AMOUNT CURRENCY ACCOUNT REFUNDED HELD TOKEN FRESH NOTE ANSWER
 *
 * "-" for a text that is empty, times in milliseconds, the answer in any bytes;
 * before it "@END " if the end of the order is known, in seconds, which older
 * versions take for the answer's, and forget with it: then it is not known.
 * A mark of one that was made elsewhere ends behind END, and "void" is none.
 * Its refunds are another string, which lives as long: of each of them a line
 * feed, its id, a space, and "STATE AMOUNT": "held", "done", or "free" again;
 * if calls of it are counted "held AMOUNT CALLS END DOUBT", with the end of
 * their time, or of the doubt's without any, and 1 if nobody knows of one that
 * was.  Its note is a line of its own, with a tab before the id.  One that is
 * free again and has no note is forgotten.
 *
 * Needs t, the time; rk, the key of the refunds; and rid, which name() makes of
 * the id of the one that is asked about, if there is one.  get() returns nil if
 * there is no record, false if it is none of ours; put() keeps what has changed
 * (o.z), and the refunds with it, for so long at least; row() finds a line, and
 * what is there beside it; conf()
 * and back() are about a refund, and return a result.
 */

#define NGX_PAYGW_REDIS_LUA_BAD                                               \
    "redis.error_reply('ERR not a paygw record')"

#define NGX_PAYGW_REDIS_LUA_BOOK                                              \
    "local rk,rid\n"                                                          \
    "local L={created=1,paying=2,closed=3,failed=3,paid=4,part=5,refunded=6}" \
    "\n"                                                                      \
    "local function num(n) return string.format('%.0f',n) end\n"              \
    "local function get(key)\n"                                               \
    " local v=redis.call('GET',key)\n"                                        \
    " if not v then return nil end\n"                                         \
    " local s,e,r=string.match(v,'^(%l+) (%d+)(.*)$')\n"                      \
    " if s=='void' then return nil end\n"                                     \
    " if not s or not L[s] then return false end\n"                           \
    " local o={s=s,e=tonumber(e)}\n"                                          \
    " if r=='' then if s=='paid' then return o end return false end\n"        \
    " o.a,o.c,o.u,o.d,o.h,o.k,o.f,o.n,o.x=string.match(r,"                    \
    "'^ (%d+) (%S+) (%S+) (%d+) (%d+) (%x+) (%d+) (%S+) (.*)$')\n"            \
    " if not o.a then return false end\n"                                     \
    " local w,x=string.match(o.x,'^@(%d+) (.*)$')\n"                          \
    " o.w='0'\n"                                                              \
    " if w then o.w,o.x=w,x end\n"                                            \
    " return o\n"                                                             \
    "end\n"                                                                   \
    "local function put(key,o,life)\n"                                        \
    " local e=math.max(o.e or 0,t+life)\n"                                    \
    " if e==o.e and not o.z then return end\n"                                \
    " o.e=e\n"                                                                \
    " local v=o.s..' '..num(e)\n"                                             \
    " if o.a then\n"                                                          \
    "  local x=o.x\n"                                                         \
    "  if o.w~='0' then x='@'..o.w..' '..x end\n"                             \
    "  v=v..' '..table.concat({o.a,o.c,o.u,num(o.d),num(o.h),o.k,num(o.f),"   \
    "o.n,x},' ')\n"                                                           \
    " end\n"                                                                  \
    " redis.call('SET',key,v,'PX',num(e-t))\n"                                \
    " v=rk and o.a and L[o.s]>=4 and redis.call('GET',rk)\n"                  \
    " if v then redis.call('SET',rk,v,'PX',num(e-t)) end\n"                   \
    "end\n"                                                                   \
    "local function old(o) o.f,o.x,o.z='0','',true end\n"                     \
    "local function step(o,s)\n"                                              \
    " if not L[s] or L[s]<=L[o.s] then return false end\n"                    \
    " o.s=s\n"                                                                \
    " old(o)\n"                                                               \
    " return true\n"                                                          \
    "end\n"                                                                   \
    "local function differ(a,b) return a~='-' and b~='-' and a~=b end\n"      \
    "local function terms(o,a,c,u)\n"                                         \
    " if a~='-1' and a~=o.a then return 'amount' end\n"                       \
    " if differ(c,o.c) then return 'currency' end\n"                          \
    " if differ(u,o.u) then return 'account' end\n"                           \
    "end\n"

#define NGX_PAYGW_REDIS_LUA_REFUND                                            \
    "local function name(id)\n"                                               \
    " rid=string.gsub(id,'[%c %%]',function(c)"                               \
    " return string.format('%%%02x',string.byte(c)) end)\n"                   \
    "end\n"                                                                   \
    "local function row(v,k)\n"                                               \
    " local i,j=string.find(v,'\\n'..k..' ',1,true)\n"                        \
    " if not i then return nil,v end\n"                                       \
    " local e=string.find(v,'\\n',j,true) or #v+1\n"                          \
    " return string.sub(v,j+1,e-1),string.sub(v,1,i-1)..string.sub(v,e)\n"    \
    "end\n"                                                                   \
    "local function rput(key,k,x,o,life)\n"                                   \
    " local _,v=row(redis.call('GET',key) or '',k)\n"                         \
    " redis.call('SET',key,v..'\\n'..k..' '..x,'PX',"                         \
    "num(math.max(o.e,t+life)-t))\n"                                          \
    "end\n"                                                                   \
    "local function ref(key)\n"                                               \
    " local v=redis.call('GET',key) or ''\n"                                  \
    " if v~='' and string.byte(v)~=10 then return nil end\n"                  \
    " v=row(v,rid)\n"                                                         \
    " if not v then return 'free','0',{n=0,e=0} end\n"                        \
    " local s,r,x=string.match(v,'^(%l+) (%d+)(.*)$')\n"                      \
    " if x=='' then return s,r,{n=0,e=0,d=true} end\n"                        \
    " local n,e,d=string.match(x or '','^ (%d+) (%d+) ([01])$')\n"            \
    " if not n then return nil end\n"                                         \
    " local q={n=tonumber(n),e=tonumber(e),d=d=='1'}\n"                       \
    " if q.n>0 and q.e<=t then q.n,q.d=0,true end\n"                          \
    " return s,r,q\n"                                                         \
    "end\n"                                                                   \
    "local function rset(key,o,s,a,life,q)\n"                                 \
    " if q then\n"                                                            \
    "  a=a..' '..q.n..' '..num(q.e)..' '..(q.d and 1 or 0)\n"                 \
    " end\n"                                                                  \
    " rput(key,rid,s..' '..a,o,life)\n"                                       \
    "end\n"                                                                   \
    "local function conf(key,o,s,r,a,life)\n"                                 \
    " if s=='done' then return 'done' end\n"                                  \
    " local h=0\n"                                                            \
    " if s=='held' then h=r end\n"                                            \
    " if a=='-1' then\n"                                                      \
    "  if h==0 then return 'no' end\n"                                        \
    "  a=h\n"                                                                 \
    " end\n"                                                                  \
    " o.h=o.h-h\n"                                                            \
    " o.d=o.d+a\n"                                                            \
    " step(o,o.d>=tonumber(o.a) and 'refunded' or 'part')\n"                  \
    " old(o)\n"                                                               \
    " rset(key,o,'done',a,life)\n"                                            \
    " return 'ok'\n"                                                          \
    "end\n"                                                                   \
    "local function back(key,o,s,r,life,q)\n"                                 \
    " if s=='done' or s=='held' and q.n>0 then return 'no' end\n"             \
    " if s~='held' then return 'done' end\n"                                  \
    " o.h=o.h-r\n"                                                            \
    " old(o)\n"                                                               \
    " local v=redis.call('GET',key) or ''\n"                                  \
    " if row(v,'\\t'..rid) then rset(key,o,'free',r,life)\n"                  \
    " else\n"                                                                 \
    "  local _,w=row(v,rid)\n"                                                \
    "  redis.call('SET',key,w,'PX',num(math.max(o.e,t+life)-t))\n"            \
    " end\n"                                                                  \
    " return 'ok'\n"                                                          \
    "end\n"                                                                   \
    "local function seek(key,o,s,r,life,q,give)\n"                            \
    " if s=='held' and (q.n>0 or q.d and q.e>t) then return 'no' end\n"       \
    " if give then return back(key,o,s,r,life,q) end\n"                       \
    " return s=='done' and 'no' or 'done'\n"                                  \
    "end\n"                                                                   \
    "local function over(key,o,s,r,life,q,d,f)\n"                             \
    " if s~='held' then return back(key,o,s,r,life,q) end\n"                  \
    " q.n=math.max(q.n-1,0)\n"                                                \
    " q.d=d\n"                                                                \
    " if d then q.e=math.max(q.n>0 and q.e or 0,t+f) end\n"                   \
    " if q.n==0 and not d then return back(key,o,s,r,life,q) end\n"           \
    " rset(key,o,s,r,1,q)\n"                                                  \
    " return 'done'\n"                                                        \
    "end\n"                                                                   \
    "local function hold(key,o,a,life,q)\n"                                   \
    " if L[o.s]<4 or a+o.d+o.h>tonumber(o.a) then return 'no' end\n"          \
    " o.h=o.h+a\n"                                                            \
    " o.z=true\n"                                                             \
    " rset(key,o,'held',a,life,q)\n"                                          \
    " return 'ok'\n"                                                          \
    "end\n"

/*
 * What would be taken: it is compared with its order, moves it, and may be
 * late.  That comes before the record of the event, since it is true whatever
 * becomes of it.  ARGV[3] is what it says, and if it is to be compared
 *
 *   SAYS KEEP REQUIRED AMOUNT CURRENCY ACCOUNT REFUND-AMOUNT REFUND
 *
 * where the last is the id of a refund, in any bytes.
 */

#define NGX_PAYGW_REDIS_LUA_ORDER(key, rkey)                                  \
    "if " key " then\n"                                                       \
    NGX_PAYGW_REDIS_LUA_BOOK                                                  \
    NGX_PAYGW_REDIS_LUA_REFUND                                                \
    " local o=get(" key ")\n"                                                 \
    " if o==false then return " NGX_PAYGW_REDIS_LUA_BAD " end\n"              \
    " local b={}\n"                                                           \
    " for w in string.gmatch(ARGV[3],'%S+') do b[#b+1]=w end\n"               \
    " local of=string.match(ARGV[3],'^'..string.rep('%S+ ',7)..'(.+)$')\n"    \
    " if of and (b[1]=='refunded' or b[1]=='returned') then name(of) end\n"   \
    " rk=" rkey "\n"                                                          \
    " local known=o and o.a\n"                                                \
    " local no\n"                                                             \
    " if b[2] and known then no=terms(o,b[4],b[5],b[6])\n"                    \
    " elseif b[3]=='1' then no='unknown' end\n"                               \
    " if no and known then return no..' '..o.a..' '..o.c..' '..o.u..' ' end\n"\
    " if no then return no..' -1 - - ' end\n"                                 \
    " local to=({open='paying',closed='closed',failed='failed',paid='paid'})" \
    "[b[1]]\n"                                                                \
    " local life=known and b[2] or ARGV[2]\n"                                 \
    " if to=='paid' and not o then\n"                                         \
    "  put(" key ",{s='paid'},life)\n"                                        \
    " elseif to and o then\n"                                                 \
    "  if known then step(o,to) end\n"                                        \
    "  put(" key ",o,life)\n"                                                 \
    "  if to~='paid' and L[o.s]>=4 then return -2 end\n"                      \
    " elseif known and rid then\n"                                            \
    "  local s,r,q=ref(" rkey ")\n"                                           \
    "  if not s then return " NGX_PAYGW_REDIS_LUA_BAD " end\n"                \
    "  if b[1]=='refunded' then s=conf(" rkey ",o,s,r,b[7],life)\n"           \
    "  else s=back(" rkey ",o,s,r,life,q) end\n"                              \
    "  put(" key ",o,s=='ok' and life or 1)\n"                                \
    " end\n"                                                                  \
    "end\n"

/*
 * The script of the book itself.
 *
 *   KEYS[1]  the order             ARGV[1]  verb
 *   KEYS[2]  its refunds           ARGV[2]  life of the records
 *                                  ARGV[3]  token
 *                                  ARGV[4]  amount, of the order or refund
 *                                  ARGV[5]  currency
 *                                  ARGV[6]  account
 *                                  ARGV[7]  state to move to, or "none"
 *                                  ARGV[8]  note
 *                                  ARGV[9]  time for which the answer is kept,
 *                                           or a call may be under way, or
 *                                           a doubt is fresh
 *                                  ARGV[10] answer
 *                                  ARGV[11] end of the order, or 0
 *                                  ARGV[12] the refund, or "-"
 *
 * What it returns is described with ngx_paygw_book_read().
 */

#define NGX_PAYGW_REDIS_LUA_BOOKED                                            \
    "local V,life,a,to=ARGV[1],ARGV[2],ARGV[4],ARGV[7]\n"                     \
    "local o=get(KEYS[1])\n"                                                  \
    "if o==false then return " NGX_PAYGW_REDIS_LUA_BAD " end\n"               \
    "local known=o and o.a\n"                                                 \
    "local s,r,q,x='free','0'\n"                                              \
    "rk=KEYS[2]\n"                                                            \
    "if ARGV[12]~='-' then\n"                                                 \
    " name(ARGV[12])\n"                                                       \
    " s,r,q=ref(rk)\n"                                                        \
    " if not s then return " NGX_PAYGW_REDIS_LUA_BAD " end\n"                 \
    " x=row(redis.call('GET',rk) or '','\\t'..rid)\n"                         \
    "end\n"                                                                   \
    "local rc='no'\n"                                                         \
    "local function note(x)\n"                                                \
    " if ARGV[8]~='-' then o.n=ARGV[8] old(o) end\n"                          \
    " if x and ARGV[9]~='0' and ARGV[10]~='' then\n"                          \
    "  o.f,o.x,o.z=num(t+ARGV[9]),ARGV[10],true\n"                            \
    " end\n"                                                                  \
    "end\n"                                                                   \
    "local function make(s)\n"                                                \
    " o={s=s,e=o and o.e,a=a,c=ARGV[5],u=ARGV[6],d='0',h='0',k=ARGV[3],f='0'" \
    ",n='-',x='',w=ARGV[11],z=true}\n"                                        \
    " note(V=='learn')\n"                                                     \
    " rc='ok'\n"                                                              \
    "end\n"                                                                   \
    "if V=='create' or V=='learn' then\n"                                     \
    " if to=='none' then to='created' end\n"                                  \
    " if not o then make(to)\n"                                               \
    " elseif V=='learn' and not known then\n"                                 \
    "  make(L[to]>4 and to or 'paid')\n"                                      \
    " elseif V=='learn' and differ(ARGV[8],o.n) then\n"                       \
    "  rc=terms(o,a,ARGV[5],ARGV[6]) and 'other' or 'done'\n"                 \
    " elseif V=='learn' and L[o.s]>=4 and terms(o,a,ARGV[5],ARGV[6]) then\n"  \
    "  rc='other'\n"                                                          \
    " elseif V=='learn' then\n"                                               \
    "  o.a,o.c,o.u=a,ARGV[5],ARGV[6]\n"                                       \
    "  old(o)\n"                                                              \
    "  step(o,to)\n"                                                          \
    "  note(true)\n"                                                          \
    "  rc='ok'\n"                                                             \
    " elseif not known then rc='done'\n"                                      \
    " elseif not terms(o,a,ARGV[5],ARGV[6]) then\n"                           \
    "  o.k,o.z,rc='0',true,'done'\n"                                          \
    "  local w=tonumber(ARGV[11])\n"                                          \
    "  if L[o.s]<3 and o.w~='0' and (w==0 or w>tonumber(o.w)) then\n"         \
    "   o.w,o.z=ARGV[11],true\n"                                              \
    "  end\n"                                                                 \
    " end\n"                                                                  \
    "elseif V=='drop' then\n"                                                 \
    " if known and o.s=='created' and o.k==ARGV[3] then\n"                    \
    "  redis.call('SET',KEYS[1],'void 0','PX',1)\n"                           \
    "  o,known=nil,nil\n"                                                     \
    "  rc='ok'\n"                                                             \
    " end\n"                                                                  \
    "elseif V=='move' then\n"                                                 \
    " if known and ARGV[11]~='0' and ARGV[11]~=o.w then rc='no'\n"            \
    " elseif o and (to=='none' or to==o.s) then rc='done'\n"                  \
    " elseif known and step(o,to) then rc='ok' end\n"                         \
    " if known and rc~='no' then note(true) o.z=true end\n"                   \
    "elseif V=='look' then\n"                                                 \
    " if o then rc='ok' end\n"                                                \
    "elseif not known then\n"                                                 \
    " rc='no'\n"                                                              \
    "elseif V=='stamp' then\n"                                                \
    " if r~='0' then rc='done' end\n"                                         \
    " if s=='held' and not x and ARGV[8]~='-' then\n"                         \
    "  x=ARGV[8]\n"                                                           \
    "  rput(rk,'\\t'..rid,x,o,1)\n"                                           \
    "  rc='ok'\n"                                                             \
    " end\n"                                                                  \
    "elseif V=='reserve' then\n"                                              \
    " local f=tonumber(ARGV[9])\n"                                            \
    " if s=='free' and not (x and r~=a) then\n"                               \
    "  rc=hold(KEYS[2],o,a,life,f>0 and {n=1,e=t+f})\n"                       \
    " elseif r~=a then rc='other'\n"                                          \
    " else\n"                                                                 \
    "  rc='done'\n"                                                           \
    "  if s=='held' and f>0 then\n"                                           \
    "   q.n,q.e=q.n+1,math.max(q.e,t+f)\n"                                    \
    "   rset(KEYS[2],o,s,r,1,q)\n"                                            \
    "  end\n"                                                                 \
    " end\n"                                                                  \
    "elseif V=='confirm' then\n"                                              \
    " rc=conf(KEYS[2],o,s,r,a,life)\n"                                        \
    "elseif V=='back' then\n"                                                 \
    " rc=back(KEYS[2],o,s,r,life,q)\n"                                        \
    "elseif V=='absent' or V=='seek' then\n"                                  \
    " rc=seek(KEYS[2],o,s,r,life,q,V=='absent')\n"                            \
    "elseif V~='doubt' then\n"                                                \
    " rc=over(KEYS[2],o,s,r,life,q,V=='refuse' and q.d,ARGV[9])\n"            \
    "elseif s=='free' then\n"                                                 \
    " rc=hold(KEYS[2],o,a,life,{n=0,e=t+ARGV[9],d=true})\n"                   \
    "elseif s=='held' then\n"                                                 \
    " rc=over(KEYS[2],o,s,r,life,q,true,ARGV[9])\n"                           \
    "else\n"                                                                  \
    " rc='done'\n"                                                            \
    "end\n"                                                                   \
    "if o and o.z then\n"                                                     \
    " put(KEYS[1],o,(rc=='ok' or V=='create' or V=='move') and life or 1)\n"  \
    "end\n"                                                                   \
    "if rid and rc=='ok' and V~='stamp' and V~='look' then\n"                 \
    " s=(V=='reserve' or V=='doubt') and 'held' or V=='confirm' and 'done' "  \
    "or 'free'\n"                                                             \
    "end\n"                                                                   \
    "if s=='free' then s='-' end\n"                                           \
    "local w={rc,o and o.s or 'none','-1','-','-','0','0',s,'-','0',''}\n"    \
    "if known or V=='create' and rc=='ok' or V=='learn' then\n"               \
    " w[3],w[4],w[5],w[6],w[7]=o.a,o.c,o.u,num(o.d),num(o.h)\n"               \
    " w[9],w[10]=o.n,o.w\n"                                                   \
    " if rid then w[11]=x or ''\n"                                            \
    " elseif V=='look' and t<tonumber(o.f) then w[11]=o.x end\n"              \
    "end\n"                                                                   \
    "return table.concat(w,' ')\n"


#endif /* _NGX_PAYGW_REDIS_LUA_BOOK_H_INCLUDED_ */
