#!/bin/sh
# The Debian source of the installed nginx, unpacked with its patches.
#
#   nginx-source.sh DIR
#
# Takes the exact package version if the mirror still has it, else the newest
# one of the release.  Does nothing if DIR already holds what it would fetch.
set -eu
. "$(dirname "$0")/lib.sh"

[ $# -eq 1 ] || die "usage: nginx-source.sh DIR"

mkdir -p "$(dirname "$1")"
dir=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
stamp=$dir/.paygw-fetched

want=$(dpkg-query -W -f '${source:Version}' nginx 2> /dev/null) \
    || die "nginx is not installed as a Debian package: put its source" \
           "into $dir"
upstream=$(nginx_version "$NGINX_BINARY")
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")

[ -n "$suite" ] || die "/etc/os-release names no VERSION_CODENAME"

if [ "$(tree_version "$dir")" = "$upstream" ] && [ -x "$dir/configure" ]; then
    exit 0
fi

if [ "$(cat "$stamp" 2> /dev/null)" = "$want" ]; then
    exit 0
fi

command -v dpkg-source > /dev/null \
    || die "dpkg-source is missing: apt-get install dpkg-dev"

tmp=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

iso() {
    (cd "$tmp" && ISOAPT_SOURCES=1 PAYGW_DEPS="$tmp/deps" \
        sh "$PAYGW_ROOT/t/tools/isoapt.sh" "$@" < /dev/null)
}

# the system's own lists know the security archive, if they have sources
system() {
    (cd "$tmp" && apt-get -q -o APT::Sandbox::User=root "$@" < /dev/null)
}

download() {
    for package in "nginx=$want" nginx; do
        for from in "iso $suite" "iso $suite-updates" system; do
            $from source --download-only "$package" && return 0
            rm -f "$tmp"/nginx_*
        done
    done

    return 1
}

for s in "$suite" "$suite-updates"; do
    iso "$s" -q update || :
done > "$tmp/log" 2>&1

if ! download >> "$tmp/log" 2>&1; then
    tail -n 5 "$tmp/log" >&2
    die "the source of nginx $want could not be had from the mirror:" \
        "put it into $dir"
fi

(cd "$tmp" && dpkg-source --no-check -x nginx_*.dsc tree) >> "$tmp/log" 2>&1 \
    || { tail -n 5 "$tmp/log" >&2; die "the source cannot be unpacked"; }

got=$(tree_version "$tmp/tree")
[ "$got" = "$upstream" ] \
    || say "nginx-source.sh: nginx $got in place of $upstream"

rm -rf "$dir"
mv "$tmp/tree" "$dir"
echo "$want" > "$stamp"
