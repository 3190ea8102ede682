
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_book.h"


static void test_book_states(void);
static void test_book_compare(void);
static void test_book_valid(void);
static void test_book_read(ngx_pool_t *pool);
static void test_book_against(ngx_pool_t *pool);


/* "x" where an order may move from the state of the line to the other one */

static const char  *test_book_moves[] = {
    /*                     n c p C F P r R */
    /* NONE */            "- - - - - - - -",
    /* CREATED */         "- - x x x x x x",
    /* PAYING */          "- - - x x x x x",
    /* CLOSED */          "- - - - - x x x",
    /* FAILED */          "- - - - - x x x",
    /* PAID */            "- - - - - - x x",
    /* PART_REFUNDED */   "- - - - - - - x",
    /* REFUNDED */        "- - - - - - - -"
};


void
test_book(void)
{
    ngx_pool_t  *pool;

    pool = ngx_create_pool(4096, harness_ngx_log());

    test_book_states();
    test_book_compare();
    test_book_valid();
    test_book_read(pool);
    test_book_against(pool);

    ngx_destroy_pool(pool);
}


static void
test_book_states(void)
{
    ngx_uint_t  from, to;

    static const char  *names[] = { "NONE", "CREATED", "PAYING", "CLOSED",
                                    "FAILED", "PAID", "PART_REFUNDED",
                                    "REFUNDED" };

    for (from = 0; from < NGX_PAYGW_BOOK_STATES; from++) {

        is_str((ngx_str_t *) &ngx_paygw_book_states[from], names[from],
               "book: word");
        ok(ngx_paygw_book_paid(from) == (from >= 5), "book: %s is paid",
           names[from]);

        for (to = 0; to < NGX_PAYGW_BOOK_STATES; to++) {
            ok(ngx_paygw_book_moves(from, to)
               == (test_book_moves[from][2 * to] == 'x'),
               "book: from %s to %s", names[from], names[to]);
        }
    }
}


static void
test_book_compare(void)
{
    ngx_uint_t  i;

    static struct {
        ngx_paygw_book_terms_t  event;
        ngx_paygw_book_terms_t  record;
        int                     against;
        const char             *name;
    } t[] = {
        { { 100, T("CNY"), T("a") }, { 100, T("CNY"), T("a") },
          NGX_PAYGW_BOOK_FINE, "same" },
        { { 100, T("CNY"), T("a") }, { 101, T("CNY"), T("a") },
          NGX_PAYGW_BOOK_AMOUNT, "amount" },
        { { 0, T("CNY"), T("a") }, { 100, T("CNY"), T("a") },
          NGX_PAYGW_BOOK_AMOUNT, "nothing is an amount" },
        { { 100, T("USD"), T("a") }, { 100, T("CNY"), T("a") },
          NGX_PAYGW_BOOK_CURRENCY, "currency" },
        { { 100, T("CNY"), T("a") }, { 100, T("CNYX"), T("a") },
          NGX_PAYGW_BOOK_CURRENCY, "longer currency" },
        { { 100, T("CNY"), T("a") }, { 100, T("CNY"), T("b") },
          NGX_PAYGW_BOOK_ACCOUNT, "account" },
        { { 1, T("USD"), T("a") }, { 2, T("CNY"), T("b") },
          NGX_PAYGW_BOOK_AMOUNT, "all of it" },
        { { -1, T(""), T("") }, { 100, T("CNY"), T("a") },
          NGX_PAYGW_BOOK_FINE, "nothing is said" },
        { { 100, T("CNY"), T("a") }, { -1, T(""), T("") },
          NGX_PAYGW_BOOK_FINE, "nothing is known" },
        { { -1, T("USD"), T("") }, { 100, T("CNY"), T("") },
          NGX_PAYGW_BOOK_CURRENCY, "currency alone" }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        ok((int) ngx_paygw_book_compare(&t[i].event, &t[i].record)
           == t[i].against, "book: compare, %s", t[i].name);
    }
}


static void
test_book_valid(void)
{
    u_char            text[300];
    ngx_str_t         refund = T("r1");
    ngx_paygw_book_t  b;

    ngx_memset(text, 'x', sizeof(text));
    ngx_memzero(&b, sizeof(ngx_paygw_book_t));

    b.terms.amount = 100;
    ok(ngx_paygw_book_valid(&b), "book: valid");

    b.terms.amount = NGX_PAYGW_BOOK_AMOUNT_MAX;
    ok(ngx_paygw_book_valid(&b), "book: greatest amount");
    b.terms.amount = NGX_PAYGW_BOOK_AMOUNT_MAX + 1;
    ok(!ngx_paygw_book_valid(&b), "book: too great an amount");
    b.terms.amount = -1;
    ok(!ngx_paygw_book_valid(&b), "book: created without an amount");
    b.verb = NGX_PAYGW_BOOK_MOVE;
    ok(ngx_paygw_book_valid(&b), "book: moved without an amount");
    b.terms.amount = -2;
    ok(!ngx_paygw_book_valid(&b), "book: negative amount");
    b.terms.amount = 100;

    b.terms.currency.data = text;
    b.terms.currency.len = NGX_PAYGW_BOOK_CURRENCY_MAX;
    ok(ngx_paygw_book_valid(&b), "book: longest currency");
    b.terms.currency.len++;
    ok(!ngx_paygw_book_valid(&b), "book: too long a currency");
    b.terms.currency.len = 3;

    b.terms.account.data = text;
    b.terms.account.len = NGX_PAYGW_BOOK_ACCOUNT_MAX;
    ok(ngx_paygw_book_valid(&b), "book: longest account");
    b.terms.account.len++;
    ok(!ngx_paygw_book_valid(&b), "book: too long an account");
    b.terms.account.len = 1;
    text[0] = '-';
    ok(!ngx_paygw_book_valid(&b), "book: what stands for nothing");
    b.terms.account.len = 2;
    ok(ngx_paygw_book_valid(&b), "book: what does not");
    text[1] = ' ';
    ok(!ngx_paygw_book_valid(&b), "book: a space");
    text[1] = 'x';

    b.note.data = text;
    b.note.len = NGX_PAYGW_BOOK_NOTE_MAX + 1;
    ok(!ngx_paygw_book_valid(&b), "book: too long a note");
    b.note.len--;
    ok(ngx_paygw_book_valid(&b), "book: longest note");

    b.verb = NGX_PAYGW_BOOK_RESERVE;
    b.refund_amount = 1;
    ok(!ngx_paygw_book_valid(&b), "book: refund without an id");
    b.refund_id = refund;
    ok(ngx_paygw_book_valid(&b), "book: refund");
    b.refund_amount = 0;
    ok(!ngx_paygw_book_valid(&b), "book: refund of nothing");
    b.refund_amount = -1;
    ok(!ngx_paygw_book_valid(&b), "book: refund of unknown amount");
    b.verb = NGX_PAYGW_BOOK_CONFIRM;
    ok(ngx_paygw_book_valid(&b), "book: the amount that is held");
    b.refund_amount = -2;
    ok(!ngx_paygw_book_valid(&b), "book: refund of a negative amount");
}


static void
test_book_read(ngx_pool_t *pool)
{
    ngx_str_t         text, empty;
    ngx_uint_t        i;
    ngx_paygw_book_t  b;

    static ngx_str_t  bad[] = {
        T(""),
        T("ok"),
        T("ok created"),
        T("maybe created 1 - - 0 0 - - 0 "),
        T("ok Created 1 - - 0 0 - - 0 "),
        T("ok created 1x - - 0 0 - - 0 "),
        T("ok created -2 - - 0 0 - - 0 "),
        T("ok created - - - 0 0 - - 0 "),
        T("ok created 1  - - 0 0 - - 0 "),
        T("ok created 1 - - 0 0 none - 0 "),
        T("ok created 1 - - 0 - - - 0 "),
        T("ok created 1 - - 0 0 - -"),
        T("ok created 1 - - 0 0 - - "),
        T("ok created 1 - - 0 0 - - 0"),
        T("ok created 1 - - 0 0 - - -1 "),
        T("ok created 1 - - 0 0 - - - "),
        T("ok created 1 - - 0 0 - - x "),
        T("ok created 99999999999999999999 - - 0 0 - - 0 ")
    };

    static ngx_str_t  good =
        T("no part 1000 CNY app/sub 300 400 held txn=1 1767225600 "
          "{\"a\": \"b \0c\"}");

    ngx_memzero(&b, sizeof(ngx_paygw_book_t));
    b.pool = pool;

    is_int(ngx_paygw_book_read(&b, &good), NGX_DECLINED, "book: read");
    is_int(b.state, NGX_PAYGW_BOOK_PART_REFUNDED, "book: state");
    is_int(b.told.amount, 1000, "book: amount");
    is_str(&b.told.currency, "CNY", "book: currency");
    is_str(&b.told.account, "app/sub", "book: account");
    is_int(b.refunded, 300, "book: refunded");
    is_int(b.held, 400, "book: held");
    is_int(b.refund, NGX_PAYGW_BOOK_HELD, "book: refund");
    is_str(&b.told_note, "txn=1", "book: note");
    is_int(b.told_expires, 1767225600, "book: end");
    is_int(b.told_answer.len, 13, "book: length of the answer");
    ok(ngx_memcmp(b.told_answer.data, "{\"a\": \"b \0c\"}", 13) == 0,
       "book: answer");

    text = empty = (ngx_str_t) T("done none -1 - - 0 0 - - 0 ");
    is_int(ngx_paygw_book_read(&b, &text), NGX_DONE, "book: read nothing");
    is_int(b.state, NGX_PAYGW_BOOK_NONE, "book: no state");
    is_int(b.told.amount, -1, "book: no amount");
    is_int(b.told_expires, 0, "book: no end");
    is_int(b.told.currency.len + b.told.account.len + b.told_note.len
           + b.told_answer.len, 0, "book: no text");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ok(ngx_paygw_book_read(&b, &bad[i]) == NGX_ERROR
           && b.state == NGX_PAYGW_BOOK_NONE,
           "book: not read, \"%s\"", bad[i].data);
    }

    quiet("book: read");
}


static void
test_book_against(ngx_pool_t *pool)
{
    ngx_uint_t        i;
    ngx_paygw_book_t  b;

    static ngx_str_t  good = T("amount 200 CNY - ");
    static ngx_str_t  bad[] = {
        T(""), T("amount"), T("late 1 - - "), T("fine 1 - - "),
        T("amount 200 CNY -"), T("amount 200 CNY - x"), T("amount x CNY - ")
    };

    ngx_memzero(&b, sizeof(ngx_paygw_book_t));
    b.pool = pool;

    is_int(ngx_paygw_book_read_against(&b, &good), NGX_OK, "book: against");
    is_int(b.against, NGX_PAYGW_BOOK_AMOUNT, "book: what is against it");
    is_int(b.told.amount, 200, "book: the amount of the order");
    is_str(&b.told.currency, "CNY", "book: its currency");
    is_int(b.told.account.len, 0, "book: no account of it");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ok(ngx_paygw_book_read_against(&b, &bad[i]) == NGX_ERROR,
           "book: nothing against it, \"%s\"", bad[i].data);
    }

    quiet("book: against");
}
