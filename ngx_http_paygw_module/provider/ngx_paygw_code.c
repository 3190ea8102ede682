
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_code.h"


/* the last columns: unknown, again */

const ngx_paygw_code_t  ngx_paygw_codes[] = {

    { ngx_string("OK"), 200,
      ngx_string(""), 0, 0 },

    { ngx_string("CLIENT-BAD_REQUEST"), 400,
      ngx_string("the request cannot be read"), 0, 0 },

    { ngx_string("CLIENT-UNKNOWN_FIELD"), 400,
      ngx_string("a field is not known"), 0, 0 },

    { ngx_string("CLIENT-MISSING_FIELD"), 400,
      ngx_string("a field is missing"), 0, 0 },

    { ngx_string("CLIENT-INVALID_FIELD"), 400,
      ngx_string("a field is not valid"), 0, 0 },

    { ngx_string("CLIENT-NOT_FOUND"), 404,
      ngx_string("there is no such resource"), 0, 0 },

    { ngx_string("CLIENT-BAD_METHOD"), 405,
      ngx_string("the resource has no such method"), 0, 0 },

    { ngx_string("CLIENT-TOO_LARGE"), 413,
      ngx_string("the body is too large"), 0, 0 },

    { ngx_string("CLIENT-UNSUPPORTED_MEDIA_TYPE"), 415,
      ngx_string("the body must be application/json"), 0, 0 },

    { ngx_string("CLIENT-UNSUPPORTED"), 422,
      ngx_string("the channel does not offer it"), 0, 0 },

    { ngx_string("CLIENT-BAD_TOKEN"), 403,
      ngx_string("the token is not valid, or not any more"), 0, 1 },

    { ngx_string("CLIENT-ORDER_NOT_FOUND"), 404,
      ngx_string("there is no such order"), 0, 1 },

    { ngx_string("CLIENT-REFUND_NOT_FOUND"), 404,
      ngx_string("there is no such refund"), 0, 1 },

    { ngx_string("CLIENT-BILL_NOT_FOUND"), 404,
      ngx_string("there is no bill of that day"), 0, 1 },

    { ngx_string("CLIENT-ORDER_MISMATCH"), 409,
      ngx_string("the order exists, and is another one"), 0, 0 },

    { ngx_string("CLIENT-ORDER_PAID"), 409,
      ngx_string("the order is paid"), 0, 0 },

    { ngx_string("CLIENT-ORDER_CLOSED"), 409,
      ngx_string("the order is closed"), 0, 0 },

    { ngx_string("CLIENT-ORDER_STATE"), 409,
      ngx_string("the state of the order does not allow it"), 0, 1 },

    { ngx_string("CLIENT-REFUND_MISMATCH"), 409,
      ngx_string("the refund exists, and is another one"), 0, 0 },

    { ngx_string("CLIENT-REFUND_TOO_MUCH"), 409,
      ngx_string("more than is left of the order"), 0, 1 },

    { ngx_string("CLIENT-PAYER_REFUSED"), 402,
      ngx_string("the payer cannot pay so"), 0, 0 },

    { ngx_string("PROVIDER-REFUSED"), 422,
      ngx_string("the provider has refused it"), 0, 0 },

    { ngx_string("PROVIDER-ACCOUNT"), 502,
      ngx_string("the provider has refused the account of the channel"),
      0, 1 },

    { ngx_string("PROVIDER-BALANCE"), 409,
      ngx_string("the account of the channel has not enough money, the same "
                 "may be tried later"), 0, 1 },

    { ngx_string("PROVIDER-UNANSWERED"), 504,
      ngx_string("the request was sent and not answered, query before "
                 "anything else"), 1, 1 },

    { ngx_string("PROVIDER-UNVERIFIED"), 502,
      ngx_string("the answer is not verified, query before anything else"),
      1, 1 },

    { ngx_string("PROVIDER-UNCLEAR"), 502,
      ngx_string("the provider does not know what has become of it, query "
                 "before anything else"), 1, 1 },

    { ngx_string("RETRY-UNREACHABLE"), 503,
      ngx_string("the provider cannot be reached, nothing was sent"),
      0, 1 },

    { ngx_string("RETRY-BUSY"), 503,
      ngx_string("the provider takes no more for now, it was not done"),
      0, 1 },

    { ngx_string("RETRY-UNAVAILABLE"), 503,
      ngx_string("the provider is in trouble, nothing was sent"), 0, 1 },

    { ngx_string("RETRY-STORE"), 503,
      ngx_string("the order could not be noted, nothing was sent"), 0, 1 },

    { ngx_string("RETRY-CONNECTIONS"), 503,
      ngx_string("too many wait for events, ask for the state instead"),
      0, 1 },

    { ngx_string("SERVER-INTERNAL"), 500,
      ngx_string("internal error"), 0, 1 }
};


const ngx_paygw_code_word_t *
ngx_paygw_code_find(const ngx_paygw_code_word_t *words, ngx_str_t *value,
    ngx_uint_t suffix)
{
    for ( /* void */ ; words->word.len; words++) {

        if (value->len < words->word.len
            || (!suffix && value->len != words->word.len))
        {
            continue;
        }

        if (ngx_strncmp(value->data + value->len - words->word.len,
                        words->word.data, words->word.len)
            == 0)
        {
            break;
        }
    }

    return words;
}
