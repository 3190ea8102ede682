#!/bin/sh
# Fuzzes what reads bytes of strangers: codecs and providers.
#
#   run.sh SECONDS [TARGET ...]     each target for SECONDS
#
# One target a processor runs at a time; FUZZ_JOBS says another number.
#
# A target is a file fuzz_TARGET.c; all of them without an argument.  Any
# finding fails; what found it is kept in $PAYGW_BUILD/fuzz/TARGET/artifacts
# and is run first of all the next time.  What a run learned is kept there too.
set -eu
. "$(dirname "$0")/../tools/lib.sh"

[ $# -ge 1 ] || die "usage: run.sh SECONDS [TARGET ...]"
seconds=$1
shift

here=$PAYGW_ROOT/t/fuzz
out=$PAYGW_BUILD/fuzz
source=$PAYGW_DEPS/nginx-source

if [ $# -eq 0 ]; then
    set -- $(cd "$here" && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')
fi

for target; do
    [ -f "$here/fuzz_$target.c" ] || die "no such target: $target"
done

cc=
for c in ${CLANG:-clang clang-14}; do
    if command -v "$c" > /dev/null; then
        cc=$c
        break
    fi
done
[ -n "$cc" ] || die "clang is missing: apt-get install clang libclang-rt-dev"

# two runs at a time may build the same targets

build() {
    (
        flock 9
        unset MAKEFLAGS MFLAGS MAKELEVEL
        logged "$out/source.log" "fetching the source of nginx" \
            sh "$PAYGW_ROOT/t/tools/nginx-source.sh" "$source"
        logged "$out/build.log" "building the fuzzers" \
            make -C "$PAYGW_ROOT/t/unit" -j2 OUT="$out" NGX="$source" \
            CC="$cc" SAN=-fsanitize=fuzzer-no-link,address \
            LINK=-fsanitize=fuzzer fuzz
    ) 9> "$out/lock"
}

mkdir -p "$out"
build

export PAYGW_FUZZ_DATA="$PAYGW_ROOT/t/data"
export ASAN_OPTIONS="detect_leaks=1:allocator_may_return_null=1"
export UBSAN_OPTIONS="print_stacktrace=1"
export LSAN_OPTIONS="print_suppressions=0"

# what was found and on which input, in lines that a log of CI can keep

found() {
    grep -a -m 3 -E 'ERROR|does not hold|runtime error|SUMMARY' "$2" \
    || tail -n 3 "$2"
    input=$(ls -t "$1" | head -n 1)
    if [ -n "$input" ]; then
        echo "input: $(head -c 600 "$1/$input" | base64 -w 0)"
    fi
}

run() {
    work=$out/$1
    mkdir -p "$work/corpus" "$work/artifacts"

    # two runs of the same target share what they learn, not their log
    log=$work/$$.log

    rc=0
    old=$(find "$work/artifacts" -type f)
    if [ -n "$old" ]; then
        "$out/fuzz_$1" $old > "$log" 2>&1 || rc=$?
    fi

    if [ $rc -eq 0 ]; then
        "$out/fuzz_$1" -max_total_time="$seconds" -timeout=60 \
            -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 \
            -dict="$here/dict/$1.dict" -artifact_prefix="$work/artifacts/" \
            "$work/corpus" "$here/corpus/$1" > "$log" 2>&1 || rc=$?
    fi

    if [ $rc -ne 0 ]; then
        echo "fuzz $1: FAILED, see $log and $work/artifacts"
        found "$work/artifacts" "$log" > "$out/failed.$$.$1"
        cat "$out/failed.$$.$1"
        return 1
    fi

    awk -v target="$1" '
        /^stat::number_of_executed_units/ { runs = $2 }
        /^stat::average_exec_per_sec/ { rate = $2 }
        / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
        END { printf "fuzz %s: %d runs, %d a second, coverage %d, no finding\n",
                     target, runs, rate, cov }' "$log"
    rm -f "$log"
}

jobs=${FUZZ_JOBS:-$(nproc)}
rm -f "$out"/failed.$$.*

# every "jobs"th target, from the one of this number on

lane() {
    n=0
    for target in $targets; do
        if [ $((n % jobs)) -eq "$1" ]; then
            run "$target" || : >> "$out/failed.$$.$target"
        fi
        n=$((n + 1))
    done
}

targets=$*
lane=0
while [ "$lane" -lt "$jobs" ]; do
    lane "$lane" &
    lane=$((lane + 1))
done
wait

# told once more at the end, whoever reads only that

rc=0
for file in "$out"/failed.$$.*; do
    [ -e "$file" ] || continue
    { echo "in $seconds s"; cat "$file"; } \
    | sed "s/^/fuzz ${file##*.}: FAILED: /"
    rm -f "$file"
    rc=1
done
exit $rc
