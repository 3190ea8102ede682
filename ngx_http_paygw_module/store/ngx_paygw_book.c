
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_book.h"


static ngx_uint_t ngx_paygw_book_other(ngx_str_t *a, ngx_str_t *b);
static ngx_uint_t ngx_paygw_book_visible(ngx_str_t *text, size_t max);
static ngx_int_t ngx_paygw_book_word(ngx_str_t *text, ngx_str_t *word);
static ngx_int_t ngx_paygw_book_find(const ngx_str_t *words, ngx_uint_t n,
    ngx_str_t *text);
static ngx_int_t ngx_paygw_book_number(ngx_str_t *text, int64_t *value);
static ngx_int_t ngx_paygw_book_terms(ngx_str_t *text,
    ngx_paygw_book_terms_t *terms);
static ngx_int_t ngx_paygw_book_dup(ngx_pool_t *pool, ngx_str_t *text);


/* the order of ngx_paygw_book_state_e */

const ngx_str_t  ngx_paygw_book_states[] = {
    ngx_string("NONE"),
    ngx_string("CREATED"),
    ngx_string("PAYING"),
    ngx_string("CLOSED"),
    ngx_string("FAILED"),
    ngx_string("PAID"),
    ngx_string("PART_REFUNDED"),
    ngx_string("REFUNDED")
};

/* the same where they are kept as text */

const ngx_str_t  ngx_paygw_book_words[] = {
    ngx_string("none"),
    ngx_string("created"),
    ngx_string("paying"),
    ngx_string("closed"),
    ngx_string("failed"),
    ngx_string("paid"),
    ngx_string("part"),
    ngx_string("refunded")
};

/* of ngx_paygw_book_refund_e */

static const ngx_str_t  ngx_paygw_book_refunds[] = {
    ngx_string("-"),
    ngx_string("held"),
    ngx_string("done")
};

/* of ngx_paygw_book_against_e; the first two are told otherwise */

static const ngx_str_t  ngx_paygw_book_objections[] = {
    ngx_null_string,
    ngx_null_string,
    ngx_string("unknown"),
    ngx_string("amount"),
    ngx_string("currency"),
    ngx_string("account")
};

/* what an answer says first, and what it means */

static const ngx_str_t  ngx_paygw_book_results[] = {
    ngx_string("ok"),
    ngx_string("done"),
    ngx_string("no"),
    ngx_string("other")
};

static const ngx_int_t  ngx_paygw_book_codes[] = {
    NGX_OK, NGX_DONE, NGX_DECLINED, NGX_ABORT
};


/* how far a state is: only a greater number follows a smaller one */

static const u_char  ngx_paygw_book_ranks[] = { 0, 1, 2, 3, 3, 4, 5, 6 };


ngx_uint_t
ngx_paygw_book_moves(ngx_paygw_book_state_e from, ngx_paygw_book_state_e to)
{
    return from != NGX_PAYGW_BOOK_NONE
           && ngx_paygw_book_ranks[to] > ngx_paygw_book_ranks[from];
}


ngx_uint_t
ngx_paygw_book_paid(ngx_paygw_book_state_e state)
{
    return state >= NGX_PAYGW_BOOK_PAID;
}


void
ngx_paygw_book_disagrees(ngx_log_t *log, ngx_str_t *key)
{
    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "what a provider says of order \"%V\" is not what was noted "
                  "of it, and is not noted: it is another payment, or the "
                  "order is paid", key);
}


ngx_paygw_book_against_e
ngx_paygw_book_compare(ngx_paygw_book_terms_t *event,
    ngx_paygw_book_terms_t *record)
{
    if (event->amount != NGX_PAYGW_BOOK_ANY
        && record->amount != NGX_PAYGW_BOOK_ANY
        && event->amount != record->amount)
    {
        return NGX_PAYGW_BOOK_AMOUNT;
    }

    if (ngx_paygw_book_other(&event->currency, &record->currency)) {
        return NGX_PAYGW_BOOK_CURRENCY;
    }

    if (ngx_paygw_book_other(&event->account, &record->account)) {
        return NGX_PAYGW_BOOK_ACCOUNT;
    }

    return NGX_PAYGW_BOOK_FINE;
}


static ngx_uint_t
ngx_paygw_book_other(ngx_str_t *a, ngx_str_t *b)
{
    return a->len && b->len
           && (a->len != b->len || ngx_memcmp(a->data, b->data, a->len) != 0);
}


ngx_uint_t
ngx_paygw_book_valid(ngx_paygw_book_t *book)
{
    if (!ngx_paygw_book_visible(&book->refund_id, NGX_PAYGW_BOOK_REFUND_MAX)) {
        return 0;
    }

    if (book->verb >= NGX_PAYGW_BOOK_RESERVE) {
        return book->refund_id.len
               && ngx_paygw_book_visible(&book->note, NGX_PAYGW_BOOK_NOTE_MAX)
               && book->refund_amount <= NGX_PAYGW_BOOK_AMOUNT_MAX
               && (book->refund_amount > 0
                   || (book->verb != NGX_PAYGW_BOOK_RESERVE
                       && book->verb != NGX_PAYGW_BOOK_DOUBT
                       && book->refund_amount == NGX_PAYGW_BOOK_ANY));
    }

    if (book->verb <= NGX_PAYGW_BOOK_LEARN
        && book->terms.amount == NGX_PAYGW_BOOK_ANY)
    {
        return 0;
    }

    return ngx_paygw_book_terms_valid(&book->terms)
           && ngx_paygw_book_visible(&book->note, NGX_PAYGW_BOOK_NOTE_MAX);
}


ngx_uint_t
ngx_paygw_book_terms_valid(ngx_paygw_book_terms_t *terms)
{
    return terms->amount >= NGX_PAYGW_BOOK_ANY
           && terms->amount <= NGX_PAYGW_BOOK_AMOUNT_MAX
           && ngx_paygw_book_visible(&terms->currency,
                                     NGX_PAYGW_BOOK_CURRENCY_MAX)
           && ngx_paygw_book_visible(&terms->account,
                                     NGX_PAYGW_BOOK_ACCOUNT_MAX);
}


/* a single "-" stands for nothing where texts are separated by spaces */

static ngx_uint_t
ngx_paygw_book_visible(ngx_str_t *text, size_t max)
{
    size_t  i;

    if (text->len > max || (text->len == 1 && text->data[0] == '-')) {
        return 0;
    }

    for (i = 0; i < text->len; i++) {
        if (text->data[i] <= 0x20 || text->data[i] > 0x7e) {
            return 0;
        }
    }

    return 1;
}


void
ngx_paygw_book_forget(ngx_paygw_book_t *book)
{
    book->against = NGX_PAYGW_BOOK_FINE;
    book->state = NGX_PAYGW_BOOK_NONE;
    book->told.amount = NGX_PAYGW_BOOK_ANY;
    ngx_str_null(&book->told.currency);
    ngx_str_null(&book->told.account);
    ngx_str_null(&book->told_note);
    ngx_str_null(&book->told_answer);
    book->told_expires = 0;
    book->refunded = 0;
    book->held = 0;
    book->refund = NGX_PAYGW_BOOK_NO_REFUND;
}


ngx_int_t
ngx_paygw_book_read(ngx_paygw_book_t *book, ngx_str_t *text)
{
    int64_t    expires;
    ngx_int_t  rc, state, refund;
    ngx_str_t  rest;

    ngx_paygw_book_forget(book);

    rest = *text;

    rc = ngx_paygw_book_find(ngx_paygw_book_results, 4, &rest);
    state = ngx_paygw_book_find(ngx_paygw_book_words, NGX_PAYGW_BOOK_STATES,
                                &rest);

    if (rc == NGX_ERROR || state == NGX_ERROR
        || ngx_paygw_book_terms(&rest, &book->told) != NGX_OK
        || ngx_paygw_book_number(&rest, &book->refunded) != NGX_OK
        || ngx_paygw_book_number(&rest, &book->held) != NGX_OK)
    {
        return NGX_ERROR;
    }

    refund = ngx_paygw_book_find(ngx_paygw_book_refunds, 3, &rest);

    if (refund == NGX_ERROR
        || ngx_paygw_book_word(&rest, &book->told_note) != NGX_OK
        || ngx_paygw_book_number(&rest, &expires) != NGX_OK
        || expires < 0)
    {
        return NGX_ERROR;
    }

    book->state = state;
    book->refund = refund;
    book->told_expires = (time_t) expires;
    book->told_answer = rest;

    if (ngx_paygw_book_keep(book) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_paygw_book_codes[rc];
}


ngx_int_t
ngx_paygw_book_read_against(ngx_paygw_book_t *book, ngx_str_t *text)
{
    ngx_int_t  against;
    ngx_str_t  rest;

    ngx_paygw_book_forget(book);

    rest = *text;

    against = ngx_paygw_book_find(ngx_paygw_book_objections, 6, &rest);

    if (against == NGX_ERROR
        || ngx_paygw_book_terms(&rest, &book->told) != NGX_OK
        || rest.len)
    {
        return NGX_ERROR;
    }

    book->against = against;

    return ngx_paygw_book_keep(book);
}


ngx_int_t
ngx_paygw_book_keep(ngx_paygw_book_t *book)
{
    if (ngx_paygw_book_dup(book->pool, &book->told.currency) != NGX_OK
        || ngx_paygw_book_dup(book->pool, &book->told.account) != NGX_OK
        || ngx_paygw_book_dup(book->pool, &book->told_note) != NGX_OK
        || ngx_paygw_book_dup(book->pool, &book->told_answer) != NGX_OK)
    {
        ngx_paygw_book_forget(book);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_book_dup(ngx_pool_t *pool, ngx_str_t *text)
{
    if (text->len == 0) {
        ngx_str_null(text);
        return NGX_OK;
    }

    text->data = ngx_pstrdup(pool, text);

    return text->data ? NGX_OK : NGX_ERROR;
}


/* takes a word, and the space behind it, from the beginning of a text */

static ngx_int_t
ngx_paygw_book_word(ngx_str_t *text, ngx_str_t *word)
{
    u_char  *space;

    space = ngx_strlchr(text->data, text->data + text->len, ' ');

    if (space == NULL || space == text->data) {
        return NGX_ERROR;
    }

    word->data = text->data;
    word->len = space - text->data;

    text->data = space + 1;
    text->len -= word->len + 1;

    if (word->len == 1 && word->data[0] == '-') {
        ngx_str_null(word);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_book_find(const ngx_str_t *words, ngx_uint_t n, ngx_str_t *text)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {

        if (words[i].len == 0 || text->len <= words[i].len
            || text->data[words[i].len] != ' '
            || ngx_memcmp(text->data, words[i].data, words[i].len) != 0)
        {
            continue;
        }

        text->data += words[i].len + 1;
        text->len -= words[i].len + 1;

        return i;
    }

    return NGX_ERROR;
}


/* -1 is a number that is not known */

static ngx_int_t
ngx_paygw_book_number(ngx_str_t *text, int64_t *value)
{
    off_t      n;
    ngx_str_t  word;

    if (ngx_paygw_book_word(text, &word) != NGX_OK) {
        return NGX_ERROR;
    }

    if (word.len == 2 && word.data[0] == '-' && word.data[1] == '1') {
        *value = NGX_PAYGW_BOOK_ANY;
        return NGX_OK;
    }

    n = ngx_atoof(word.data, word.len);

    *value = n;

    return (n == (off_t) NGX_ERROR) ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_paygw_book_terms(ngx_str_t *text, ngx_paygw_book_terms_t *terms)
{
    if (ngx_paygw_book_number(text, &terms->amount) != NGX_OK
        || ngx_paygw_book_word(text, &terms->currency) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_book_word(text, &terms->account);
}
