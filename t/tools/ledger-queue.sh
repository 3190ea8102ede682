#!/bin/bash
# make ledger-queue: Redis, and now and then a worker, is killed at random
# moments while callbacks go into a stream; in the end every acknowledged event
# must be in the stream exactly once.
#
#   COUNT      callbacks; without it
#   DURATION   seconds of load and kills, default 30
#   SEED       repeats the kills of an earlier run
#   FSYNC      appendfsync of Redis, default always
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/perf/prepare.sh"

perf_prepare
/usr/bin/python3 -B "$PAYGW_ROOT/t/tools/ledger/queue_test.py" --quiet
exec /usr/bin/python3 -B "$PAYGW_ROOT/t/tools/ledger/queue_ledger.py" "$@"
