#!/bin/sh
# The suites under valgrind.  Test::Nginx passes a test whatever valgrind
# says, so that the logs decide: any that is not empty fails.
#
#   FILES    default all suites;  STORES  default zone
#   valgrind.sh selftest   proves that a finding fails
set -eu
. "$(dirname "$0")/lib.sh"

tools=$PAYGW_ROOT/t/tools
out=$PAYGW_BUILD/valgrind
selftest=
name=valgrind
FILES=${FILES:-}
status=0

lane() {
    rm -rf "$out/$1"
    mkdir -p "$out/$1"
    options="--leak-check=full --keep-debuginfo=yes --show-possibly-lost=no"
    options="$options --errors-for-leak-kinds=definite --num-callers=40"
    options="$options --suppressions=$tools/valgrind.supp"
    options="$options --log-file=$out/$1/%p.log"

    rc=0
    TEST_NGINX_USE_VALGRIND=$options TEST_NGINX_SLEEP=0.2 \
    TEST_NGINX_TIMEOUT="${TEST_NGINX_TIMEOUT:-20}" \
        sh "$tools/prove.sh" "$1" "$2" $FILES || rc=1

    found=$(find "$out/$1" -name '*.log' -size +0 | sort)
    if [ -n "$found" ]; then
        rc=1
        echo "valgrind.sh: $1: reports in" $found >&2
        head -n 30 $(echo "$found" | head -n 1) >&2
        read -r passed failed < "$PAYGW_BUILD/results/$1" || :
        if [ "${failed:-0}" = 0 ]; then
            echo "${passed:-0} 1" > "$PAYGW_BUILD/results/$1"
        fi
    fi
    if [ -z "$(ls "$out/$1")" ]; then
        rc=1
        echo "valgrind.sh: $1: valgrind wrote no log, it did not run" >&2
    fi

    return $rc
}

if [ "${1:-}" = selftest ]; then
    say "valgrind: proving that a finding fails"
    bash "$tools/build.sh" "$out/modules" "$PAYGW_ROOT" "$tools/selftest"
    MODULES=$out/modules
    FILES=$tools/selftest/selftest.t
    export MODULES

    for case in none uninitialised leak; do
        PAYGW_SELFTEST=$case
        export PAYGW_SELFTEST
        if lane "selftest-valgrind-$case" zone \
            > "$out/selftest-$case.out" 2>&1
        then
            got=silent
        else
            got=reports
        fi
        rm -f "$PAYGW_BUILD/results/selftest-valgrind-$case"

        case $case:$got in
            none:silent | [!n]*:reports)
                echo "ok - valgrind $got \"$case\"" ;;
            *)
                echo "not ok - valgrind $got \"$case\""
                tail -n 20 "$out/selftest-$case.out"
                status=1 ;;
        esac
    done
    exit $status
fi

for store in ${STORES:-zone}; do
    lane "valgrind-$store" "$store" || status=1
done

exit $status
