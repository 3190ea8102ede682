#!/bin/bash
# make bench: requests a second, latency and processor time of a callback,
# next to plain proxy_pass on the same processor in the same run.
#
#   ROUNDS, REQUESTS, CONNECTIONS   3, 20000 (of one case in a round), 64
#   ONLY                            cases whose name holds this word, or
#                                   precreate: a call to a provider;
#                                   threads: others, while calls are signed
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/perf/prepare.sh"

perf_prepare
exec /usr/bin/python3 "$PAYGW_ROOT/t/tools/perf/bench.py" "$@"
