#!/bin/sh
# Proves that each rule of check.py, check.sh and check-examples.sh can fail:
# a small tree with one fault in it must be reported with the right words.
set -eu
. "$(dirname "$0")/lib.sh"

tools=$PAYGW_ROOT/t/tools
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: > "$work/count"
: > "$work/failed"

head='
/*
 * Copyright (C) the paygw authors
 */


'

# files, since most of the lines below run in a pipeline
failed() {
    echo >> "$work/failed"
}

# bad FILE MESSAGE: the file, from stdin, must be reported by that message
bad() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree/$(dirname "$1")"
    cat > "$work/tree/$1"
    echo >> "$work/count"
    if python3 "$tools/check.py" "$work/tree" > "$work/out"; then
        echo "not ok - no finding, expected: $2"
        failed
    elif ! grep -q "^[^:]*:[0-9]*: .*$2" "$work/out"; then
        echo "not ok - expected: $2"
        sed 's/^/    /' "$work/out"
        failed
    fi
}

# good FILE: must pass
good() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree/$(dirname "$1")"
    cat > "$work/tree/$1"
    echo >> "$work/count"
    if ! python3 "$tools/check.py" "$work/tree" > "$work/out"; then
        echo "not ok - a good file is reported: $1"
        sed 's/^/    /' "$work/out"
        failed
    fi
}

repeat() {
    awk -v n="$1" -v s="$2" 'BEGIN { while (n-- > 0) print s }'
}

# the body of a function, in a file of the crypto floor
in_function() {
    printf '%s' "$head"
    printf '#include <ngx_config.h>\n\n\n'
    printf 'ngx_int_t\nngx_paygw_x(void)\n{\n%s\n}\n' "$1"
}

m=ngx_http_paygw_module

in_function '    return NGX_OK;'         | good $m/crypto/x.c
in_function "    /* $(repeat 1 x | tr x '"')a//b,c if(x){ */
    return NGX_OK;"                      | good $m/crypto/x.c

printf 'word %081d\n' 0 | tr 0 x         | good t/a.t
repeat 30 abc | paste -sd ' '            | bad t/a.sh 'line of 119 columns'
printf 'a\tb\n'                          | bad t/a.sh 'tab'
printf 'a \n'                            | bad t/a.sh 'trailing space'
printf 'a\r\n'                           | bad t/a.sh 'carriage return'
printf 'a'                               | bad t/a.sh 'no newline at the end'
printf 'a\n\n'                           | bad t/a.sh 'blank line at the end'
printf 'see /%s/main\n' work             | bad a.md 'outside of the project'
printf 'see /tmp/%s\n' w                 | bad a.md 'outside of the project'
printf 'see %s/design.md\n' shared       | bad a.md 'outside of the project'
printf 'def f(:\n'                       | bad a.py 'python: '

{ in_function '    return 1;'; repeat 600 'int x;'; } \
                                         | bad $m/crypto/x.c 'file of 6'
in_function "$(repeat 110 '    x();')"   | bad $m/crypto/x.c \
                                           'function of 114 lines: ngx_paygw_x'
in_function '    if(x) {
    }'                                   | bad $m/crypto/x.c 'no space before'
in_function '    if (x){
    }'                                   | bad $m/crypto/x.c 'no space before'
in_function '    if (x) {
    }
    else {
    }'                                   | bad $m/crypto/x.c 'not behind its'
in_function '    x();  // why'           | bad $m/crypto/x.c 'comment'
in_function '    x(a,b);'                | bad $m/crypto/x.c 'no space after'
in_function '  return 1;'                | bad $m/crypto/x.c 'indented by 2'
in_function '    strcpy(a, b);'          | bad $m/crypto/x.c 'without bounds'
in_function '    ngx_http_get_module_loc_conf(r, m)->x = 1;' \
                                         | bad $m/http/x.c 'written to'
in_function '    return 1;' | sed '/^$/d' | bad $m/crypto/x.c 'head of the file'
{ in_function '    return 1;'; printf '\nint\nngx_paygw_y(void)\n{\n}\n'; } \
                                         | bad $m/crypto/x.c \
                                           '1 blank lines before a function'
in_function '    return 1;' | sed s/ngx_paygw_x/paygw_x/ \
                                         | bad $m/crypto/x.c 'without the pre'
in_function '    return 1;'              | bad $m/http/x.c 'without the prefix'
in_function '    return 1;'              | bad $m/other/x.c 'not on one of'
printf '%s#include <ngx_config.h>\n' "$head" \
                                         | bad $m/store/x.h 'no include guard'
in_function '    ngx_http_request_t *r;' | bad $m/store/x.c 'knows HTTP'
in_function '    ngx_memcmp(a, sign, 3);' | bad $m/provider/x.c 'may end early'
in_function '    strcmp(digest, b);'     | bad $m/crypto/x.c 'may end early'
in_function '    /* not secret */
    strcmp(digest, b);'                  | good $m/crypto/x.c

# include FLOOR HEADER MESSAGE
include() {
    { printf '%s#include <%s>\n' "$head" "$2"; } | bad "$m/$1" "$3"
}

include provider/x.c openssl/evp.h       'belongs into crypto'
include http/x.c yajl/yajl_parse.h       'belongs into codec'
include http/x.c zlib.h                  'belongs into codec'
include store/zone.c hiredis/hiredis.h   'belongs into store/\*redis\*'
include http/redis.c hiredis/hiredis.h   'belongs into store/\*redis\*'
include provider/x.c ngx_http.h          'belongs into http'
include codec/x.c ngx_event.h            'belongs into store'
include codec/x.c ngx_paygw_gone.h       'no such header'

# direction FROM TO: a file of FROM includes a header of TO
direction() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree/$m/$1" "$work/tree/$m/$2"
    guard=_NGX_PAYGW_TO_H_INCLUDED_
    printf '%s#ifndef %s\n#define %s\n#endif\n' "$head" $guard $guard \
        > "$work/tree/$m/$2/ngx_paygw_to.h"
    printf '%s#include <ngx_paygw_to.h>\n' "$head" > "$work/tree/$m/$1/x.c"
    echo >> "$work/count"
    rc=0
    python3 "$tools/check.py" "$work/tree" > "$work/out" || rc=$?
    case $3:$rc in
        ok:0 | no:1) ;;
        *) echo "not ok - $1 includes $2: expected \"$3\""
           cat "$work/out"
           failed ;;
    esac
}

direction http provider ok
direction http store ok
direction provider crypto ok
direction provider codec ok
direction provider store no
direction provider http no
direction store provider no
direction store crypto no
direction store http no
direction crypto codec no
direction codec crypto no

# what a table has and what the documentation says:
# DOCUMENT TYPE-AND-NAME TEXT MESSAGE [ROOM]
documented() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree/$m/${5:-http}" "$work/tree/docs"
    { printf '%sstatic %s[] = {\n' "$head" "$2"
      printf '    { ngx_string("paygw_a"),\n      NULL },\n};\n'
    } > "$work/tree/$m/${5:-http}/x.c"
    printf '%s\n' "$3" > "$work/tree/docs/$1.md"
    echo >> "$work/count"
    python3 "$tools/check.py" "$work/tree" > "$work/out" || :
    if ! grep -q "$4" "$work/out"; then
        echo "not ok - documentation: expected: $4"
        cat "$work/out"
        failed
    fi
}

c='ngx_command_t  ngx_x' v='ngx_http_variable_t  ngx_x'
r='ngx_str_t  ngx_paygw_reasons'
documented directives "$c" '# paygw_b' ' directive "paygw_a" is not in docs/dir'
documented directives "$c" '# paygw_b' 'is no directive "paygw_b"'
documented directives "$c" '# paygw_a' 'row of directive "paygw_a" is not in d'
documented variables "$v" '$paygw_b' '"paygw_a" is not in docs'
documented variables "$v" '$paygw_b' 'is no variable "paygw_b"'
documented errors "$r" '## Reasons' 'reason "paygw_a" is not in docs' provider
documented errors "$r" '## Reasons
| `b` | 401 |' 'is no reason "b"' provider

# what Lua thinks of C: SED-OF-THE-LUA-FILE MESSAGE
lua() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree/$m/http" "$work/tree/lua-compat/lib/resty"
    cp "$PAYGW_ROOT/$m/http/ngx_http_paygw_lua.h" "$work/tree/$m/http/"
    cp "$PAYGW_ROOT/lua-compat/README.md" "$work/tree/lua-compat/"
    sed "$1" "$PAYGW_ROOT/lua-compat/lib/resty/paygw.lua" \
        > "$work/tree/lua-compat/lib/resty/paygw.lua"
    echo >> "$work/count"
    python3 "$tools/check.py" "$work/tree" > "$work/out" || :
    if ! grep -q "$2" "$work/out"; then
        echo "not ok - Lua: expected: $2"
        cat "$work/out"
        failed
    fi
}

lua 's/size_t nfields/int nfields/'      'the interface is not that of'
lua '/^int ngx_http_paygw_ffi_version/d' 'the interface is not that of'
lua 's/^\(local VERSION = \).*/\10/'     'the version is not that of'
lua 's/^\(local MAX_FIELDS = \).*/\10/'  'the most fields is not that of'
lua 's/_M.decrypt/_M.open/'              'function "open" is not in lua-c'
lua 's/_M.decrypt/_M.open/'              'there is no function "decrypt"'

# symbols, with a library of one function
echo >> "$work/count"
echo 'int stray(void) { return 0; }' > "$work/x.c"
cc -shared -fPIC -o "$work/x.so" "$work/x.c"
if sh "$tools/check.sh" symbols "$work/x.so" > "$work/out" \
    || ! grep -q 'symbol without prefix: stray' "$work/out"
then
    echo "not ok - a symbol without prefix"
    failed
fi

# examples
echo >> "$work/count"
mkdir "$work/conf"
printf 'events { }\nhttp {\n    no_such_directive;\n}\n' > "$work/conf/x.conf"
if sh "$tools/check-examples.sh" "$work/conf" > "$work/out" \
    || ! grep -q 'x.conf:1: .*\(no_such_directive\|paygw_module\)' "$work/out"
then
    echo "not ok - an example that nginx refuses"
    cat "$work/out"
    failed
fi

if [ -s "$work/failed" ]; then
    exit 1
fi
echo "$(wc -l < "$work/count") trees, each judged as it should be"
