#!/bin/bash
# make ledger: workers, Redis and the shop are killed at random moments under
# load; in the end every acknowledged event must be with the shop, and no
# event twice without a cause that the design names.
#
#   DURATION   seconds of load and kills for each store, default 60
#   STORES     default "zone redis", one after the other
#   SEED       repeats the kills of an earlier run
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/perf/prepare.sh"

perf_prepare
for store in ${STORES:-zone redis}; do
    STORE=$store /usr/bin/python3 "$PAYGW_ROOT/t/tools/ledger/ledger.py" "$@"
done
