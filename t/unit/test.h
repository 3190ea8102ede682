
/*
 * Copyright (C) the paygw authors
 */


#ifndef _TEST_H_INCLUDED_
#define _TEST_H_INCLUDED_


#include "harness.h"


/* prints a line of TAP */
void ok(int good, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* the same for values, which are shown if they differ */
void is_int(int64_t got, int64_t want, const char *name);
void is_str(ngx_str_t *got, const char *want, const char *name);

/* a string with a NUL in it: T("a\0b") */
#define T(s)  { sizeof(s) - 1, (u_char *) s }

/* a part of what was logged; the log is empty afterwards */
void logged(const char *part, const char *name);

/* nothing was logged, and OpenSSL's error queue is empty */
void quiet(const char *name);

/* runs the openssl command; its output without the last newline */
ngx_str_t openssl(ngx_pool_t *pool, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* the bytes of a text in hexadecimal, or in base64 */
ngx_str_t hex(ngx_pool_t *pool, const char *text);
ngx_str_t base64(ngx_pool_t *pool, ngx_str_t *text);

/* the bytes in hexadecimal */
ngx_str_t hexed(ngx_pool_t *pool, u_char *p, size_t len);

/* the name of a file made by unit.t */
ngx_str_t made(ngx_pool_t *pool, const char *name);

/*
 * A case of a file of vectors has been judged; and, in the end, that these are
 * all which t/data/cases.txt has for "unit", and no other ones.
 */
void ran(const char *file, ngx_str_t *name);
void ran_all(void);


void test_text(void);
void test_charset(void);
void test_form(void);
void test_json(void);
void test_xml(void);
void test_response(void);
void test_key(void);
void test_secret(void);
void test_cert(void);
void test_chain(void);
void test_sign(void);
void test_later(void);
void test_scheme(void);
void test_mac(void);
void test_aead(void);
void test_ecb(void);
void test_seal(void);
void test_call(void);
void test_slots(void);
void test_gunzip(void);
void test_idem(void);
void test_metrics(void);
void test_breaker(void);
void test_book(void);
void test_order(void);
void test_told(void);
void test_cases(void);


#endif /* _TEST_H_INCLUDED_ */
