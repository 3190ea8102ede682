#!/bin/bash
# make soak: memory, descriptors and the error log over COUNT callbacks and
# RELOADS reloads under load.
#
#   COUNT, RELOADS, WORKERS   1000000, 20, 2
#   STORES                    default "zone redis", one after the other
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/perf/prepare.sh"

perf_prepare
for store in ${STORES:-zone redis}; do
    STORE=$store /usr/bin/python3 "$PAYGW_ROOT/t/tools/perf/soak.py" "$@"
done
