#!/bin/sh
# Runs suites of Test::Nginx by prove, and notes how many tests passed.
#
#   prove.sh NAME zone|redis [FILE...]
#
# NAME is the name of the log and of the line in the results.  Without files
# the suites t/*.t are run, but for the unit tests, which know no store, and,
# with Redis, those that run with the zone whatever is said here.
#
#   MODULES    folder of the two modules; default: the build folder
#   MAY_SKIP   1: files that skip all of their tests are no failure
#   JOBS       files at a time; default 4, since they sleep more than they run
set -eu
. "$(dirname "$0")/lib.sh"

name=$1
store=$2
shift 2
modules=${MODULES:-$PAYGW_BUILD}
log=$PAYGW_BUILD/log/$name.log
result=$PAYGW_BUILD/results/$name

cd "$PAYGW_ROOT"

all=
if [ $# = 0 ]; then
    [ "$store" = redis ] || all=yes
    case $store in
        redis) set -- $(store_suites) ;;
        *)     set -- $(ls t/*.t 2> /dev/null | grep -v '^t/unit\.t$') ;;
    esac
    [ $# -gt 0 ] || die "no suite is in t/"
fi

tn=$(test_nginx) || die "Test::Nginx is missing: run \"make setup\""

load=${MODULES_BEFORE:-}
for module in ngx_http_paygw_module ngx_http_paygw_test_module \
              ngx_http_paygw_selftest_module
do
    # the first one must be there; tests of the others fail without them
    if [ $module = ngx_http_paygw_module ] || [ -f "$modules/$module.so" ]
    then
        load="$load $modules/$module.so"
    fi
done

mkdir -p "${log%/*}" "${result%/*}"
rm -f "$result"

export PAYGW_TEST_STORE=$store
export TEST_NGINX_BINARY="${TEST_NGINX_BINARY:-$NGINX_BINARY}"
export TEST_NGINX_LOAD_MODULES="${load# }"
export TEST_NGINX_RANDOMIZE=1
export PERL5LIB="$tn:$PAYGW_ROOT/t/lib${PERL5LIB:+:$PERL5LIB}"

# which cases of t/data each suite has run: see t/lib/PaygwCases.pm
export PAYGW_TEST_CASES="$PAYGW_BUILD/cases/$name"
rm -rf "$PAYGW_TEST_CASES"
mkdir -p "$PAYGW_TEST_CASES"

say "$name: $# files"
begin=$(date +%s)
rc=0
prove --timer -j"${JOBS:-4}" "$@" > "$log" 2>&1 < /dev/null || rc=$?
seconds=$(($(date +%s) - begin))

if [ $all ] && ! perl t/tools/cases.pl "$PAYGW_TEST_CASES" >> "$log"; then
    rc=1
fi

# prove's own summary is what counts; a file that died has no failed test but
# is a failure nevertheless
tests=$(sed -n 's/^Files=[0-9]*, Tests=\([0-9]*\),.*/\1/p' "$log" | tail -n 1)
failed=$(sed -n 's/.*(Wstat: .* Failed: \([0-9]*\))$/\1/p' "$log" \
         | awk '{ n += $1 } END { print n + 0 }')

if [ "$rc" != 0 ] && [ "$failed" = 0 ]; then
    failed=1
fi
if [ "${tests:-0}" = 0 ] && [ "$rc" = 0 ] && [ "${MAY_SKIP:-}" ]; then
    say "$name: skipped, $(sed -n 's/.*skipped: //p' "$log" | head -n 1)"
    exit 0
fi
if [ "${tests:-0}" = 0 ]; then
    rc=1
    failed=1
fi

echo "$((${tests:-0} - failed < 0 ? 0 : ${tests:-0} - failed)) $failed" \
    > "$result"

if [ "$rc" != 0 ]; then
    if grep -q '^Test Summary Report' "$log"; then
        grep -E '^#|not ok' "$log" | head -n 40 >&2
        sed -n '/^Test Summary Report/,$p' "$log" | head -n 40 >&2
    else
        tail -n 25 "$log" >&2
    fi
    echo "prove.sh: $name failed, the whole log is $log" >&2
    exit 1
fi

say "$name: ok, $tests tests, $seconds s"
