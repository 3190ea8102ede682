
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_test.h"


/*
 * What paygw_test_store asks the book of orders, and what claims compare:
 *
 *   op=book verb=VERB         create, learn, drop, move, look, reserve,
 *                             confirm, back, refuse, fail, doubt, absent,
 *                             seek, stamp
 *     amount= currency= account=
 *     to=STATE note= answer= fresh=MS expires=SECONDS
 *     refund=TEXT sum=N         a refund; refunds=TEXT: one for each of n
 *     tell=1                    nobody waits
 *   op=claim compare=1        is compared with amount, currency, account
 *     required=1                the order has to be known
 *
 * The book answers "ok", "done", "no", "other" or "error", and what it tells;
 * with n "no" is counted as "committed", and "done" as "late".  What is against
 * a claim is told with the terms of its order.
 */


static ngx_int_t ngx_http_paygw_test_book_word(ngx_http_request_t *r,
    char *name, const ngx_str_t *words, ngx_uint_t n);
static int64_t ngx_http_paygw_test_book_amount(ngx_http_request_t *r,
    char *name);
static void ngx_http_paygw_test_book_text(ngx_http_request_t *r, char *name,
    ngx_str_t *text);


static const ngx_str_t  ngx_http_paygw_test_verbs[] = {
    ngx_string("create"),
    ngx_string("learn"),
    ngx_string("drop"),
    ngx_string("move"),
    ngx_string("look"),
    ngx_string("reserve"),
    ngx_string("confirm"),
    ngx_string("back"),
    ngx_string("refuse"),
    ngx_string("fail"),
    ngx_string("doubt"),
    ngx_string("absent"),
    ngx_string("seek"),
    ngx_string("stamp")
};


static const ngx_str_t  ngx_http_paygw_test_says[] = {
    ngx_string("-"),
    ngx_string("open"),
    ngx_string("closed"),
    ngx_string("failed"),
    ngx_string("paid"),
    ngx_string("refunded"),
    ngx_string("returned")
};


static const ngx_str_t  ngx_http_paygw_test_against[] = {
    ngx_string("fine"),
    ngx_string("late"),
    ngx_string("unknown"),
    ngx_string("amount"),
    ngx_string("currency"),
    ngx_string("account")
};


static const ngx_str_t  ngx_http_paygw_test_refunds[] = {
    ngx_string("-"),
    ngx_string("held"),
    ngx_string("done")
};


ngx_int_t
ngx_http_paygw_test_book(ngx_http_request_t *r, ngx_paygw_store_op_t *op,
    ngx_uint_t i)
{
    ngx_int_t          n;
    ngx_str_t          text;
    ngx_paygw_book_t  *book;

    n = ngx_http_paygw_test_book_word(r, "says", ngx_http_paygw_test_says, 7);
    op->says = (n < 0) ? NGX_PAYGW_STORE_NOTHING : n;

    n = ngx_http_paygw_test_book_word(r, "verb", ngx_http_paygw_test_verbs,
                                      14);

    if (n < 0 && ngx_http_arg(r, (u_char *) "compare", 7, &text) != NGX_OK) {
        return NGX_OK;
    }

    book = ngx_pcalloc(r->pool, sizeof(ngx_paygw_book_t));
    if (book == NULL) {
        return NGX_ERROR;
    }

    op->book = book;

    book->verb = (n < 0) ? 0 : n;
    book->pool = r->pool;
    book->keep = op->keep;
    book->terms.amount = ngx_http_paygw_test_book_amount(r, "amount");
    book->refund_amount = ngx_http_paygw_test_book_amount(r, "sum");
    book->fresh = ngx_max(ngx_http_paygw_test_book_amount(r, "fresh"), 0);
    book->required = ngx_http_arg(r, (u_char *) "required", 8, &text)
                     == NGX_OK;

    ngx_http_paygw_test_book_text(r, "currency", &book->terms.currency);
    ngx_http_paygw_test_book_text(r, "account", &book->terms.account);
    ngx_http_paygw_test_book_text(r, "note", &book->note);
    ngx_http_paygw_test_book_text(r, "answer", &book->answer);
    ngx_http_paygw_test_book_text(r, "refund", &book->refund_id);

    book->expires = ngx_max(ngx_http_paygw_test_book_amount(r, "expires"), 0);

    n = ngx_http_paygw_test_book_word(r, "to", ngx_paygw_book_states,
                                      NGX_PAYGW_BOOK_STATES);
    book->to = (n < 0) ? NGX_PAYGW_BOOK_NONE : n;

    /* a refund of its own for each of several operations */

    if (ngx_http_arg(r, (u_char *) "refunds", 7, &text) == NGX_OK) {

        book->refund_id.data = ngx_pnalloc(r->pool, text.len + NGX_INT_T_LEN);
        if (book->refund_id.data == NULL) {
            return NGX_ERROR;
        }

        book->refund_id.len = ngx_sprintf(book->refund_id.data, "%V%ui",
                                          &text, i)
                              - book->refund_id.data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_test_book_word(ngx_http_request_t *r, char *name,
    const ngx_str_t *words, ngx_uint_t n)
{
    ngx_str_t   text;
    ngx_uint_t  i;

    ngx_http_paygw_test_book_text(r, name, &text);

    for (i = 0; i < n; i++) {
        if (text.len == words[i].len
            && ngx_strncmp(text.data, words[i].data, text.len) == 0)
        {
            return i;
        }
    }

    return NGX_ERROR;
}


static int64_t
ngx_http_paygw_test_book_amount(ngx_http_request_t *r, char *name)
{
    ngx_str_t  text;

    ngx_http_paygw_test_book_text(r, name, &text);

    return ngx_atoof(text.data, text.len);
}


static void
ngx_http_paygw_test_book_text(ngx_http_request_t *r, char *name,
    ngx_str_t *text)
{
    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), text) != NGX_OK) {
        ngx_str_null(text);
    }
}


u_char *
ngx_http_paygw_test_book_print(u_char *p, ngx_paygw_store_op_t *op)
{
    const char        *rc;
    ngx_paygw_book_t  *book;

    book = op->book;

    switch (op->rc) {

    case NGX_OK:
        rc = "ok";
        break;

    case NGX_DONE:
        rc = "done";
        break;

    case NGX_DECLINED:
        rc = "no";
        break;

    case NGX_ABORT:
        rc = "other";
        break;

    default:
        return ngx_sprintf(p, "error\n");
    }

    p = ngx_sprintf(p, "%s %V %L/%V/%V %L+%L %V %V [%V]", rc,
                    &ngx_paygw_book_states[book->state], book->told.amount,
                    &book->told.currency, &book->told.account, book->refunded,
                    book->held, &ngx_http_paygw_test_refunds[book->refund],
                    &book->told_note, &book->told_answer);

    if (book->told_expires) {
        p = ngx_sprintf(p, " @%T", book->told_expires);
    }

    return ngx_sprintf(p, " %016xL\n", op->token);
}


u_char *
ngx_http_paygw_test_book_against(u_char *p, ngx_paygw_store_op_t *op)
{
    ngx_paygw_book_t  *book;

    book = op->book;

    return ngx_sprintf(p, "%V %L/%V/%V\n",
                       &ngx_http_paygw_test_against[book->against],
                       book->told.amount, &book->told.currency,
                       &book->told.account);
}
