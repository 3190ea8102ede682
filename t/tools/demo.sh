#!/bin/bash
# A payment at each provider, from the order to the ack, on this machine.
#
#   STORE=zone|redis   where the ids of events are kept; default: zone
#   KEEP=1             stay up afterwards, until Ctrl-C
#
# Starts nginx with the module, the sandbox, a small shop and, for
# STORE=redis, a redis-server, all on free ports of loopback and below
# build/demo.  What it started is ended with it.
set -eu
. "$(dirname "$0")/lib.sh"

module=$PAYGW_BUILD/ngx_http_paygw_module.so
[ -f "$module" ] || die "there is no $module: run \"make build\""

# Debian's python has the package cryptography; another one may come first
python=/usr/bin/python3
[ -x $python ] || python=python3
$python -c 'import cryptography' 2> /dev/null \
    || die "python3-cryptography is missing: run \"make setup\""

case ${STORE:=zone} in
    zone)  ;;
    redis) command -v redis-server > /dev/null \
               || die "redis-server is missing: run \"make setup\"" ;;
    *)     die "STORE is \"zone\" or \"redis\"" ;;
esac
export STORE KEEP="${KEEP:-}"

# demo.py ends its own children, by their pid; if it is killed itself, the
# list that it keeps is gone through here
pids=$PAYGW_BUILD/demo/pids
child=
clean() {
    trap '' EXIT INT TERM HUP
    if [ -n "$child" ] && kill -0 "$child" 2> /dev/null; then
        kill "$child"
        wait "$child" 2> /dev/null || :
    fi
    if [ -s "$pids" ]; then
        while read -r pid name; do
            if [ "$(cat "/proc/$pid/comm" 2> /dev/null)" = "$name" ]; then
                kill "$pid" 2> /dev/null || :
            fi
        done < "$pids"
    fi
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# in the background, so that a signal is seen at once
$python -B "$PAYGW_ROOT/t/tools/demo/demo.py" &
child=$!
status=0
wait "$child" || status=$?
child=
exit $status
