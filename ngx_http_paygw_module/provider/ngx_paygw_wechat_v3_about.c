
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v3.h"


/*
 * The signature of an answer says who has answered and when, but not what: an
 * answer about another order would verify as well.
 */


/* a path that ends with the number of something, or whose body has it */
typedef struct {
    ngx_str_t                path;     /* ends with "/": the number follows */
    const char              *name;     /* what a body and an answer call it */
} ngx_paygw_wechat_v3_number_t;


static const ngx_paygw_wechat_v3_number_t *ngx_paygw_wechat_v3_number(
    ngx_str_t *path, ngx_str_t *asked);
static ngx_int_t ngx_paygw_wechat_v3_asked(ngx_paygw_exchange_t *x,
    const char *name, ngx_str_t *asked);
static ngx_uint_t ngx_paygw_wechat_v3_stranger(ngx_paygw_exchange_t *x,
    ngx_paygw_json_t *answer, const char *name);


static const ngx_paygw_wechat_v3_number_t  ngx_paygw_wechat_v3_numbers[] = {
    { ngx_string("/v3/pay/transactions/out-trade-no/"), "out_trade_no" },
    { ngx_string("/v3/pay/transactions/id/"), "transaction_id" },
    { ngx_string("/v3/pay/partner/transactions/out-trade-no/"),
      "out_trade_no" },
    { ngx_string("/v3/pay/partner/transactions/id/"), "transaction_id" },
    { ngx_string("/v3/refund/domestic/refunds/"), "out_refund_no" },
    { ngx_string("/v3/refund/domestic/refunds"), "out_refund_no" },
    { ngx_null_string, NULL }
};


ngx_int_t
ngx_paygw_wechat_v3_about(ngx_paygw_exchange_t *x, ngx_paygw_json_t *answer)
{
    ngx_int_t                            rc;
    ngx_str_t                            asked, told;
    const ngx_paygw_wechat_v3_number_t  *n;

    n = ngx_paygw_wechat_v3_number(&x->path, &asked);

    if (n == NULL) {
        return NGX_OK;
    }

    if (ngx_paygw_wechat_v3_stranger(x, answer, "mchid")
        || ngx_paygw_wechat_v3_stranger(x, answer, "sp_mchid"))
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                "answer is for another mchid");
    }

    rc = asked.len ? NGX_OK : ngx_paygw_wechat_v3_asked(x, n->name, &asked);

    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_OK : rc;
    }

    if (ngx_paygw_json_get_string(answer, n->name, &told) != NGX_OK
        || (told.len == asked.len
            && ngx_strncmp(told.data, asked.data, told.len) == 0))
    {
        return NGX_OK;
    }

    return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                 NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                 "answer is about another %s", n->name);
}


/* asked is the number in the path, and empty if it is in the body */

static const ngx_paygw_wechat_v3_number_t *
ngx_paygw_wechat_v3_number(ngx_str_t *path, ngx_str_t *asked)
{
    u_char                              *last;
    const ngx_paygw_wechat_v3_number_t  *n;

    last = path->data + path->len;

    for (n = ngx_paygw_wechat_v3_numbers; n->path.len; n++) {

        if (path->len < n->path.len
            || ngx_strncmp(path->data, n->path.data, n->path.len) != 0)
        {
            continue;
        }

        asked->data = path->data + n->path.len;
        asked->len = last - asked->data;

        if (n->path.data[n->path.len - 1] == '/'
            ? asked->len && ngx_strlchr(asked->data, last, '/') == NULL
            : asked->len == 0)
        {
            return n;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_paygw_wechat_v3_asked(ngx_paygw_exchange_t *x, const char *name,
    ngx_str_t *asked)
{
    char              *err;
    ngx_int_t          rc;
    ngx_paygw_json_t  *root;

    rc = ngx_paygw_json_parse(x->n.pool, &x->body, &root, &err);

    if (rc == NGX_ERROR) {
        return ngx_paygw_exchange_broken(x);
    }

    return (rc == NGX_OK
            && ngx_paygw_json_get_string(root, name, asked) == NGX_OK)
           ? NGX_OK : NGX_DECLINED;
}


/* in partner mode it is the partner who has signed */

static ngx_uint_t
ngx_paygw_wechat_v3_stranger(ngx_paygw_exchange_t *x,
    ngx_paygw_json_t *answer, const char *name)
{
    ngx_str_t  mchid;

    return ngx_paygw_json_get_string(answer, name, &mchid) == NGX_OK
           && !ngx_paygw_wechat_is_mchid(x->n.channels[0]->conf, &mchid);
}
