
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_test.h"


/* The calls of paygw_test_store that are to be run once. */


ngx_int_t
ngx_http_paygw_test_run(ngx_http_request_t *r, ngx_paygw_store_op_t *op)
{
    ngx_int_t               n;
    ngx_str_t               text;
    ngx_uint_t              i;
    ngx_paygw_store_run_t  *run;

    run = ngx_pcalloc(r->pool, sizeof(ngx_paygw_store_run_t));
    if (run == NULL) {
        return NGX_ERROR;
    }

    op->run = run;
    run->pool = r->pool;

    if (ngx_http_arg(r, (u_char *) "print", 5, &text) == NGX_OK && text.len) {
        ngx_memset(run->fingerprint, text.data[0], NGX_PAYGW_STORE_PRINT);
    }

    if (ngx_http_arg(r, (u_char *) "size", 4, &text) != NGX_OK) {
        return NGX_OK;
    }

    n = ngx_atoi(text.data, text.len);
    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    /* bytes of all values */

    run->answer.len = n;
    run->answer.data = ngx_pnalloc(r->pool, n + 1);

    if (run->answer.data == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < (ngx_uint_t) n; i++) {
        run->answer.data[i] = (u_char) (i * 7 + i / 256);
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_paygw_test_run_start(ngx_paygw_store_t *store, ngx_str_t *name,
    ngx_paygw_store_op_t *op, ngx_int_t *rc)
{
    *rc = NGX_OK;

    if (name->len == 5 && ngx_strncmp(name->data, "begin", 5) == 0) {
        *rc = ngx_paygw_store_begin(store, op);
        return 1;
    }

    if (name->len == 6 && ngx_strncmp(name->data, "finish", 6) == 0) {
        *rc = ngx_paygw_store_finish(store, op);
        return 1;
    }

    if (name->len == 5 && ngx_strncmp(name->data, "renew", 5) == 0) {
        ngx_paygw_store_renew(store, op);
        op->rc = NGX_OK;
        return 1;
    }

    if (name->len == 7 && ngx_strncmp(name->data, "abandon", 7) == 0) {
        ngx_paygw_store_abandon(store, op);
        op->rc = NGX_OK;
        return 1;
    }

    return 0;
}


u_char *
ngx_http_paygw_test_run_print(u_char *p, ngx_paygw_store_op_t *op)
{
    ngx_str_t  *answer;

    answer = &op->run->answer;

    switch (op->rc) {

    case NGX_OK:
        return ngx_sprintf(p, "ok %ui %016xL\n", op->delivery, op->token);

    case NGX_DECLINED:

        if (answer->data) {
            return ngx_sprintf(p, "kept %uz %08xD\n", answer->len,
                               ngx_crc32_long(answer->data, answer->len));
        }

        return ngx_sprintf(p, "kept\n");

    case NGX_DONE:
        return ngx_sprintf(p, "gone\n");

    case NGX_BUSY:
        return ngx_sprintf(p, "busy\n");

    case NGX_ABORT:
        return ngx_sprintf(p, "other\n");

    default:
        return ngx_sprintf(p, "error\n");
    }
}
