#!/bin/bash
# Orders under load while their provider is in trouble, with the sandbox as
# provider and four workers: a first host that is a black hole, and a provider
# that dies and comes back.  No order may be lost or made twice, nothing that
# was told not to be sent may be there, and the breaker has to open within a
# second and to close within the interval of its probes.
#
#   DURATION   seconds of load of each part; default 20
#   RATE       orders a second; default 40
set -eu
. "$(dirname "$0")/lib.sh"

export PERL5LIB="$(test_nginx):$PAYGW_ROOT/t/lib${PERL5LIB:+:$PERL5LIB}"
export TEST_NGINX_BINARY="${TEST_NGINX_BINARY:-$NGINX_BINARY}"
export TEST_NGINX_LOAD_MODULES="$PAYGW_BUILD/ngx_http_paygw_module.so"

cd "$PAYGW_ROOT"
exec perl t/tools/transport/transport.pl "${DURATION:-20}" "${RATE:-40}"
