# Shared by the scripts of this folder; source it, do not run it.
#
#   PAYGW_ROOT   the checkout
#   PAYGW_BUILD  what is built, logs, results  (make: BUILD, default build)
#   PAYGW_DEPS   what setup fetched            (make: DEPS, default .deps)

PAYGW_ROOT=$(cd "$(dirname "$0")/../.." && pwd)

abspath() {
    case $1 in
        .)  echo "$PAYGW_ROOT" ;;
        /*) echo "$1" ;;
        *)  echo "$PAYGW_ROOT/$1" ;;
    esac
}

PAYGW_BUILD=$(abspath "${PAYGW_BUILD:-build}")
PAYGW_DEPS=$(abspath "${PAYGW_DEPS:-.deps}")
NGINX_BINARY=${NGINX_BINARY:-/usr/sbin/nginx}
export PAYGW_ROOT PAYGW_BUILD PAYGW_DEPS NGINX_BINARY

say() {
    echo "==> $*"
}

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# run quietly: "logged LOG WHAT COMMAND ..." shows the end of the log and
# fails if the command does
logged() {
    _log=$1
    _what=$2
    shift 2

    mkdir -p "$(dirname "$_log")"
    if "$@" > "$_log" 2>&1 < /dev/null; then
        return 0
    fi

    echo "${0##*/}: $_what failed; the end of $_log:" >&2
    tail -n "${PAYGW_TAIL:-25}" "$_log" >&2
    return 1
}

# the upstream version of a nginx binary, or of a source tree
nginx_version() {
    "$1" -v 2>&1 | sed -n 's,^nginx version: [^/]*/\([0-9.]*\).*,\1,p'
}

tree_version() {
    sed -n 's/^#define NGINX_VERSION *"\(.*\)"/\1/p' "$1/src/core/nginx.h" \
        2> /dev/null
}

# the tree of headers and configure that fits the installed nginx
nginx_tree() {
    _want=$(nginx_version "$NGINX_BINARY" 2> /dev/null || :)

    for _tree in /usr/share/nginx/src \
                 "$PAYGW_DEPS/nginx-dev/usr/share/nginx/src"
    do
        if [ -n "$_want" ] && [ "$(tree_version "$_tree")" = "$_want" ]; then
            echo "$_tree"
            return 0
        fi
    done

    return 1
}

# where Test::Nginx is; empty if perl finds it by itself
test_nginx() {
    for _dir in "$PAYGW_DEPS/tn/usr/share/perl5" /usr/share/perl5; do
        if [ -f "$_dir/Test/Nginx/Socket.pm" ]; then
            echo "$_dir"
            return 0
        fi
    done

    return 1
}

jobs() {
    nproc 2> /dev/null || echo 2
}

# the suites that ask for the store of the run; the others have the zone, or a
# Redis of their own, whatever the store is, and need no second run
store_suites() {
    (cd "$PAYGW_ROOT" && grep -lE \
        '^__DATA__|PAYGW_TEST_STORE|PaygwTest::(Store|RedisPort)|store_is|store => 1' \
        t/*.t)
}
