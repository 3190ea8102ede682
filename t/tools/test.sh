#!/bin/bash
# Everything that CI runs, one step after the other; a step that fails does
# not keep the others from running.  The last line sums up all of them.
#
#   FUZZ_SECONDS   for each fuzz target; default 15
#   DURATION       seconds of the ledger; default 30
#   STEPS          only these
set -eu
. "$(dirname "$0")/lib.sh"

cd "$PAYGW_ROOT"
tools=t/tools
logs=$PAYGW_BUILD/log
results=$PAYGW_BUILD/results

rm -rf "$results"
mkdir -p "$logs" "$results"

# how many tests a step had: what its runner noted, or its own summary line,
# or else the lines "ok" and "not ok", or else the step is one test
count() {
    local name=$1 rc=$2 log=$3 passed=0 failed=0 file p f

    # (sanitize runs several suites)
    for file in "$results/$name" "$results/$name"-*; do
        if [ -f "$file" ]; then
            read -r p f < "$file"
            passed=$((passed + p))
            failed=$((failed + f))
        fi
    done

    if [ $((passed + failed)) = 0 ]; then
        p=$(sed -n 's/^Ran \([0-9]*\) tests\? in .*/\1/p' "$log" | tail -n 1)
        f=$(sed -n 's/^FAILED (\(.*\))/\1/p' "$log" | tail -n 1 \
            | grep -oE '(failures|errors)=[0-9]+' \
            | awk -F = '{ n += $2 } END { print n + 0 }')
        if [ -n "$p" ]; then
            passed=$((p - f))
            failed=$f
        else
            passed=$(grep -cE '^ok\b' "$log" || :)
            failed=$(grep -cE '^not ok\b' "$log" || :)
        fi
    fi

    if [ "$rc" != 0 ] && [ "$failed" = 0 ]; then
        failed=1
    elif [ $((passed + failed)) = 0 ]; then
        passed=1
    fi

    echo "$passed $failed"
}

# the names of the tests and files that failed, one a line, or else the step's
# last words; they are printed again at the very end, which is all that some CI
# services keep
failures() {
    local found
    found=$(sed -n -e "s/^# *Failed test '\(.*\)'\$/\1/p" \
                -e 's/^\(t\/[^ ]*\.t\) .*(Wstat: .*/\1/p' \
                -e 's/^fuzz \([a-z_0-9]*: FAILED: .*\)/\1/p' "$2" \
            | sort -u | head -n 8)
    printf '%s\n' "${found:-$(tail -n 1 "$2")}" | cut -c 1-400 \
        | sed "s/^/$1: /"
}

table=
names=
total_passed=0
total_failed=0

step() {
    local name=$1 rc=0 begin seconds passed failed
    shift

    case " ${STEPS:-$name} " in
        *" $name "*) ;;
        *)           return 0 ;;
    esac

    say "$name"
    begin=$(date +%s)
    "$@" > "$logs/step-$name.log" 2>&1 < /dev/null || rc=$?
    seconds=$(($(date +%s) - begin))
    read -r passed failed <<< "$(count "$name" $rc "$logs/step-$name.log")"

    if [ $rc != 0 ]; then
        echo "test.sh: $name failed; the end of $logs/step-$name.log:"
        tail -n 60 "$logs/step-$name.log"
        names+=$(failures "$name" "$logs/step-$name.log")$'\n'
    fi

    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
    table+=$(printf '%-16s %7d passed %5d failed %6d s' \
             "$name" "$passed" "$failed" "$seconds")$'\n'
}

begin=$(date +%s)

step check        sh $tools/check.sh
step unit         sh $tools/prove.sh unit zone t/unit.t
step zone         sh $tools/prove.sh zone zone
step redis        sh $tools/prove.sh redis redis
step sandbox      /usr/bin/python3 -m unittest discover -s sandbox/tests -t .
step demo         env KEEP= STORE=zone bash $tools/demo.sh
step demo-redis   env KEEP= STORE=redis bash $tools/demo.sh
step selftest     bash $tools/sanitize.sh selftest
# "make sanitize" has all files and both stores in both lanes, and takes twice
# as long.  Here a file is in one lane at least: the first one has what asks for
# a store, the second one, which sees more, all but the loops that change each
# byte, what runs programs of others, and what is about files of a start.
preload=$(store_suites | grep -v '/unit\.t$')
alone='unit|(api|pass)-verify.*|examples|metrics-alerts|clients|adopters'
start='^t/\(conf-.*\|keyring-.*\)\.t$'
for file in $preload; do
    if expr "$file" : "$start" > /dev/null; then
        alone+="|$(basename "$file" .t)"
    fi
done
pool=$(ls t/*.t | grep -vE "/($alone)\.t$")
step sanitize-preload env STORES=zone FILES="${preload//$'\n'/ }" \
                      bash $tools/sanitize.sh preload
step sanitize-pool    env STORES=redis FILES="${pool//$'\n'/ }" \
                      bash $tools/sanitize.sh pool
step fuzz         sh t/fuzz/run.sh "${FUZZ_SECONDS:-10}"
step ledger       env DURATION="${DURATION:-30}" bash $tools/ledger.sh
step ledger-queue env DURATION="${DURATION:-20}" bash $tools/ledger-queue.sh

echo
printf '%s' "$table" "$names"
echo "$(($(date +%s) - begin)) s in all; logs in $logs"
echo "$total_passed passed, $total_failed failed"
[ $total_failed = 0 ]
