
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_seal.h"


typedef struct {
    const char  *pin;
    const char  *pan;
    const char  *block;   /* in hexadecimal */
} test_pin_t;


/* the first one is that of crypto.json, the others are of another program */

static const test_pin_t  test_pins[] = {
    { "123456", "6226090000000048", "061254c6fffffffb" },
    { "1234", "1234567890123", "041226cba9876fed" },
    { "12345", "9876543210987654321", "0512064f6789abcd" },
    { "987654321098", "6226090000000048", "0c9816c4321098fb" },
    { "0000", "0000000000000000", "040000ffffffffff" }
};

static const test_pin_t  test_pins_wrong[] = {
    { "", "6226090000000048", "pin" },
    { "123", "6226090000000048", "pin" },
    { "1234567890123", "6226090000000048", "pin" },
    { "123/", "6226090000000048", "pin" },
    { "12:4", "6226090000000048", "pin" },
    { "123", "1", "pin" },
    { "1234", "", "pan" },
    { "1234", "123456789012", "pan" },
    { "1234", "12345678901234567890", "pan" },
    { "1234", "622609000000004x", "pan" },
    { "1234", "6226****00000048", "pan" }
};


void
test_seal(void)
{
    u_char             block[NGX_PAYGW_PIN_LEN];
    size_t             i;
    ngx_str_t          pin, pan, got;
    ngx_conf_t        *cf;
    const test_pin_t  *t;

    cf = harness_conf();

    for (i = 0; i < sizeof(test_pins) / sizeof(test_pins[0]); i++) {

        t = &test_pins[i];
        pin = harness_str(cf->pool, t->pin);
        pan = harness_str(cf->pool, t->pan);

        is_int(ngx_paygw_pin_block(&pin, &pan, block), NGX_OK, "pin");
        got = hexed(cf->pool, block, sizeof(block));
        is_str(&got, t->block, t->pin);
    }

    for (i = 0; i < sizeof(test_pins_wrong) / sizeof(test_pins_wrong[0]); i++) {

        t = &test_pins_wrong[i];
        pin = harness_str(cf->pool, t->pin);
        pan = harness_str(cf->pool, t->pan);

        ok(ngx_paygw_pin_block(&pin, &pan, block)
           == (strcmp(t->block, "pin") == 0 ? NGX_DECLINED : NGX_ABORT),
           "pin, no %s: \"%s\" of \"%s\"", t->block, t->pin, t->pan);
    }

    quiet("pin");

    harness_conf_free(cf);
}
