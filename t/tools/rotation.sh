#!/bin/bash
# Rotation of the providers' keys under load, with the sandbox as provider:
# 200 callbacks a second while the keys change, then 10000 forged serials.
# Nothing genuine may be refused, nothing reloaded, and the forgeries may cause
# one fetch an interval.
#
#   DURATION   seconds of load for each provider; default 20
#   STORE      zone or redis
set -eu
. "$(dirname "$0")/lib.sh"

export PERL5LIB="$(test_nginx):$PAYGW_ROOT/t/lib${PERL5LIB:+:$PERL5LIB}"
export PAYGW_TEST_STORE="${STORE:-zone}"
export TEST_NGINX_BINARY="${TEST_NGINX_BINARY:-$NGINX_BINARY}"
export TEST_NGINX_LOAD_MODULES="$PAYGW_BUILD/ngx_http_paygw_module.so"

cd "$PAYGW_ROOT"
exec perl t/tools/rotation/rotation.pl "${DURATION:-20}"
