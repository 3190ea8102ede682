#!/bin/bash
# The suites under sanitizers; any report fails.
#
#   sanitize.sh [preload] [pool]      the suites, with both stores
#   sanitize.sh selftest              proves that each lane reports
#
#   preload    the module with ASan and UBSan in the installed nginx: finds
#              errors in malloc'ed memory and on the stack
#   pool       nginx itself built from source, with ASan and with
#              NGX_DEBUG_PALLOC, so that each ngx_palloc() is a malloc(): finds
#              what runs over inside of a pool, and leaks
#
#   STORES     default "zone redis"
#   FILES      default all suites
set -eu
. "$(dirname "$0")/lib.sh"

stores=${STORES:-zone redis}
tools=$PAYGW_ROOT/t/tools
reports=$PAYGW_BUILD/sanitize
addons=("$PAYGW_ROOT")
[ -f "$PAYGW_ROOT/t/module/config" ] && addons+=("$PAYGW_ROOT/t/module")

san="-g -O1 -fno-omit-frame-pointer"
asan="-fsanitize=address"
ubsan="-fsanitize=undefined -fno-sanitize=object-size"

build_shim() {
    gcc -shared -fPIC -O1 -W -Wall -o "$1/preload.so" "$tools/preload.c"
}

build_preload() {
    CC_OPT="$san $asan $ubsan" LD_OPT="$asan $ubsan" NGX_SRC='' \
        bash "$tools/build.sh" "$1" "${@:2}"
    build_shim "$1"
}

# UBSan is for our own code only: the compiler options of a module cannot
# differ from nginx' own in one tree, and nginx has findings that are known
build_pool() {
    local tree=$PAYGW_DEPS/nginx-source

    if [ "$(tree_version "$tree")" != "$(nginx_version "$NGINX_BINARY")" ]
    then
        say "fetching the source of nginx $(nginx_version "$NGINX_BINARY")"
        rm -rf "$tree"
        logged "$PAYGW_BUILD/log/nginx-source.log" "fetching the source" \
            sh "$tools/nginx-source.sh" "$tree"
    fi

    CC_OPT="$san $asan -DNGX_DEBUG_PALLOC=1" LD_OPT="$asan -Wl,-E" \
        NGX_SRC=$tree CORE=1 bash "$tools/build.sh" "$1" "${@:2}"
    build_shim "$1"
}

common=abort_on_error=0:halt_on_error=1:detect_odr_violation=0

# libasan takes a block of thread-local data whose address ends in 0x010 for one
# with the header of glibc 2.19, and follows what it reads in front of it; the
# search for leaks then ends with "Tracer caught signal 11".  libluajit has such
# data, and nothing of it that points to memory of nginx.
common+=:intercept_tls_get_addr=0

# a leak is reported, and does not change the exit code that a test expects
leaks=exitcode=0:print_suppressions=0

# nginx that refuses its configuration leaves without freeing the pool that
# main() made; a report of that leak alone is none.  Neither is the one line of
# a process that Test::Nginx has killed, a second after its end, in the search
# for leaks.
drop_early_exits() {
    local file
    for file in "$1"/*; do
        [ -f "$file" ] || continue
        if ! grep -qv 'Unable to get registers from thread [0-9]*\.$' "$file"
        then
            rm "$file"
            continue
        fi
        if awk -v RS= '
            /ERROR: AddressSanitizer|runtime error/ { bad = 1 }
            /^(Direct|Indirect) leak/ { seen = 1 }
            /^Direct leak/ &&
                !/in ngx_create_pool [^\n]*\n *#[0-9]+ [^ ]+ in main / {
                bad = 1
            }
            END { exit bad || !seen }' "$file"
        then
            rm "$file"
        fi
    done
}

# lane LANE DIR NAME STORE FILE...: the suite, then the reports
lane() {
    local lane=$1 dir=$2 name=$3 store=$4 rc=0
    shift 4
    rm -rf "$reports/$name"
    mkdir -p "$reports/$name"

    local path=$reports/$name/report preload

    preload=$(gcc -print-file-name=libasan.so):$dir/preload.so
    if [ "$lane" = preload ]; then
        preload+=:$(gcc -print-file-name=libubsan.so)
        export PAYGW_UBSAN_REPORT=$path.ubsan
        MODULES=$dir TEST_NGINX_LD_PRELOAD=$preload \
        ASAN_OPTIONS=$common:detect_leaks=0:log_path=$path \
            sh "$tools/prove.sh" "$name" "$store" "$@" || rc=1
    else
        MODULES=$dir TEST_NGINX_BINARY=$dir/nginx \
        TEST_NGINX_LD_PRELOAD=$preload \
        ASAN_OPTIONS=$common:detect_leaks=1:log_path=$path \
        LSAN_OPTIONS=$leaks:suppressions=$tools/lsan.supp \
            sh "$tools/prove.sh" "$name" "$store" "$@" || rc=1
        drop_early_exits "$reports/$name"
    fi

    if [ -n "$(ls -A "$reports/$name")" ]; then
        rc=1
        echo "sanitize.sh: $name:" \
             "$(ls "$reports/$name" | wc -l) reports in $reports/$name" >&2
        grep -hE '(ERROR|runtime error|SUMMARY)' "$reports/$name"/* \
            | sort | uniq -c | sort -rn | head -n 10 >&2
        head -v -n 25 $(ls -d "$reports/$name"/* | head -n 4) >&2
        note_reports "$name"
    fi

    return $rc
}

# a report is a failed test
note_reports() {
    local passed failed
    read -r passed failed < "$PAYGW_BUILD/results/$1" || return 0
    if [ "$failed" = 0 ]; then
        echo "$passed 1" > "$PAYGW_BUILD/results/$1"
    fi
}

# selftest LANE CASE PATTERN: the case must be reported, by those words
expect() {
    local lane=$1 case=$2 pattern=$3 name=selftest-$1-$2

    if PAYGW_SELFTEST=$case lane "$lane" "$reports/$lane-selftest" "$name" \
        zone "$tools/selftest/selftest.t" > "$reports/$name.out" 2>&1
    then
        if [ -z "$pattern" ]; then
            echo "ok - $lane is silent about \"$case\""
            return 0
        fi
        echo "not ok - $lane does not report \"$case\""
        return 1
    fi

    if [ -n "$pattern" ] && grep -qrE "$pattern" "$reports/$name"; then
        echo "ok - $lane reports \"$case\""
        rm -rf "$reports/$name"
        return 0
    fi

    echo "not ok - $lane fails on \"$case\", but not by \"$pattern\""
    tail -n 20 "$reports/$name.out"
    return 1
}

selftest() {
    local rc=0
    mkdir -p "$reports"
    say "sanitize: proving that each lane can fail"
    build_preload "$reports/preload-selftest" \
        "$PAYGW_ROOT" "$tools/selftest"
    build_pool "$reports/pool-selftest" "$PAYGW_ROOT" "$tools/selftest"

    expect preload none  ''                          || rc=1
    expect preload heap  'heap-buffer-overflow'      || rc=1
    expect preload stack 'stack-buffer-overflow'     || rc=1
    expect preload shift 'runtime error: .*shift'    || rc=1
    expect pool    none  ''                          || rc=1
    expect pool    heap  'heap-buffer-overflow'      || rc=1
    expect pool    pool  'heap-buffer-overflow'      || rc=1
    expect pool    leak  'Direct leak of 100[13] byte'             || rc=1
    rm -f "$PAYGW_BUILD"/results/selftest-*
    return $rc
}

lanes=${*:-preload pool}
status=0

for l in $lanes; do
    case $l in
        selftest) selftest || status=1
                  continue ;;
        preload)  build_preload "$reports/preload" "${addons[@]}" ;;
        pool)     build_pool "$reports/pool" "${addons[@]}" ;;
        *)        die "unknown lane \"$l\"" ;;
    esac

    for store in $stores; do
        lane "$l" "$reports/$l" "sanitize-$l-$store" "$store" ${FILES:-} \
            || status=1
    done
done

exit $status
