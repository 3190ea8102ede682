#!/bin/sh
# apt with a state of its own: packages and sources of any Debian suite, with
# the system's own package sources untouched.
#
#   isoapt.sh SUITE update
#   isoapt.sh SUITE download PACKAGE
#   isoapt.sh SUITE source PACKAGE
#
# The state is kept below $PAYGW_DEPS (default: .deps in the current folder).
set -eu

suite=$1
shift

root=${PAYGW_DEPS:-$PWD/.deps}/apt/$suite
mkdir -p "$root/etc/s.d" "$root/etc/pref.d" "$root/state/lists/partial" \
    "$root/cache/archives/partial"
: >> "$root/state/status"

mirror=$(apt-get indextargets --format '$(SITE) $(ORIGIN)' \
    'Created-By: Packages' \
    | awk '$2 == "Debian" && $1 !~ /security/ { print $1; exit }')

if [ -z "$mirror" ]; then
    echo "isoapt.sh: no Debian mirror is known; run \"apt-get update\"" >&2
    exit 1
fi

key=/usr/share/keyrings/debian-archive-keyring.gpg
{
    echo "deb [signed-by=$key] $mirror $suite main"
    if [ "${ISOAPT_SOURCES:-}" ]; then
        echo "deb-src [signed-by=$key] $mirror $suite main"
    fi
} > "$root/etc/sources.list"

exec apt-get -o Dir::Etc::SourceList="$root/etc/sources.list" \
    -o Dir::Etc::SourceParts="$root/etc/s.d" \
    -o Dir::Etc::Preferences=/dev/null \
    -o Dir::Etc::PreferencesParts="$root/etc/pref.d" \
    -o Dir::State="$root/state" -o Dir::State::Lists="$root/state/lists" \
    -o Dir::State::status="$root/state/status" \
    -o Dir::Cache="$root/cache" -o APT::Sandbox::User=root \
    -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false "$@"
