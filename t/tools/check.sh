#!/bin/sh
# All rules of the sources, and a proof that each of them can fail.
# Findings are lines "file:line: message".
set -eu
. "$(dirname "$0")/lib.sh"

cd "$PAYGW_ROOT"
tools=$PAYGW_ROOT/t/tools
module=${MODULE:-$PAYGW_BUILD/ngx_http_paygw_module.so}
status=0

# name of the rule, then what is to succeed
rule() {
    name=$1
    shift
    if "$@"; then
        echo "ok - $name"
    else
        echo "not ok - $name"
        status=1
    fi
}

scripts() {
    rc=0
    for file in $(find . -name .git -prune -o -path ./build -prune \
                  -o -name .deps -prune -o -type f \
                  \( -name '*.sh' -o -path ./.ci/run \) -print); do
        shell=sh
        if head -n 1 "$file" | grep -q bash; then
            shell=bash
        fi
        $shell -n "$file" || rc=1
    done
    return $rc
}

# a dynamic module's symbols are seen by all of nginx and its modules
symbols() {
    if [ ! -f "$1" ]; then
        echo "$1:1: is not built"
        return 1
    fi
    names=$(nm -D --defined-only "$1" | awk '{ print $NF }' | grep -vE \
        -e '^ngx_(http_)?paygw_' \
        -e '^ngx_(modules|module_names|module_order)$' \
        -e '^(_init|_fini|_edata|_end|__bss_start)$' || :)
    for symbol in $names; do
        echo "${1#$PAYGW_ROOT/}:1: symbol without prefix: $symbol"
    done
    [ -z "$names" ]
}

if [ "${1:-}" = symbols ]; then
    symbols "$2"
    exit
fi

# the longest of them, beside the others
proof=$(mktemp)
sh "$tools/check-selftest.sh" > "$proof" 2>&1 &
selftest=$!
trap 'kill $selftest 2> /dev/null || :; rm -f "$proof"' EXIT

proved() {
    rc=0
    wait $selftest || rc=1
    trap 'rm -f "$proof"' EXIT
    cat "$proof"
    return $rc
}

rule "the rules of the sources" /usr/bin/python3 "$tools/check.py" .
rule "scripts parse" scripts
rule "symbols carry the prefix" symbols "$module"
rule "examples pass nginx -t" sh "$tools/check-examples.sh"
rule "every rule can fail" proved

exit $status
