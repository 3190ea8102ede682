
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_book.h"


/*
 * What the scripts of the book of orders say: a first byte "!" is of a claim
 * that is not taken.
 */


static void fuzz_told(ngx_str_t *text, ngx_paygw_book_terms_t *terms);
static void fuzz_word(ngx_str_t *word);


void
fuzz_init(void)
{
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_int_t         rc;
    ngx_str_t         text;
    ngx_paygw_book_t  book;

    text = fuzz_copy(pool, input);

    ngx_memset(&book, 0x5a, sizeof(ngx_paygw_book_t));
    book.pool = pool;

    if (text.len && text.data[0] == '!') {
        text.data++;
        text.len--;

        rc = ngx_paygw_book_read_against(&book, &text);

        must(rc == NGX_OK || rc == NGX_ERROR);
        must(rc == NGX_ERROR || book.against >= NGX_PAYGW_BOOK_UNKNOWN);

    } else {
        rc = ngx_paygw_book_read(&book, &text);

        must(rc == NGX_OK || rc == NGX_DONE || rc == NGX_DECLINED
             || rc == NGX_ABORT || rc == NGX_ERROR);
    }

    must(book.state < NGX_PAYGW_BOOK_STATES);
    must(book.refund <= NGX_PAYGW_BOOK_DONE);

    if (rc == NGX_ERROR) {
        must(book.told_answer.len == 0);
        return;
    }

    fuzz_told(&text, &book.told);
    fuzz_word(&book.told_note);

    must(book.told_answer.len <= text.len);
    must(book.refunded >= -1 && book.held >= -1);
    must(book.told_expires >= 0);
}


static void
fuzz_told(ngx_str_t *text, ngx_paygw_book_terms_t *terms)
{
    must(terms->amount >= NGX_PAYGW_BOOK_ANY);

    fuzz_word(&terms->currency);
    fuzz_word(&terms->account);

    must(terms->currency.len + terms->account.len <= text->len);
}


/* what had a space in it would be two */

static void
fuzz_word(ngx_str_t *word)
{
    must(word->len == 0
         || ngx_strlchr(word->data, word->data + word->len, ' ') == NULL);
}
