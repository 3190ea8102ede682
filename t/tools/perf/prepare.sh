# Shared by bench.sh, soak.sh and ledger.sh; source it after ../lib.sh.

# what a run needs: the module, the load and the programs around them
perf_prepare() {
    PAYGW_MODULE=${PAYGW_MODULE:-$PAYGW_BUILD/ngx_http_paygw_module.so}
    PAYGW_LOAD=${PAYGW_LOAD:-$PAYGW_BUILD/paygw-load}
    export PAYGW_MODULE PAYGW_LOAD

    [ -f "$PAYGW_MODULE" ] || die "no \"$PAYGW_MODULE\": run \"make build\""

    for _tool in "$NGINX_BINARY" redis-server redis-cli openssl taskset cc; do
        command -v "$_tool" > /dev/null || die "no $_tool: run \"make setup\""
    done

    logged "$PAYGW_BUILD/load.make.log" "the build of paygw-load" \
        make -C "$PAYGW_ROOT/t/tools/load" OUT="$PAYGW_LOAD"
}
