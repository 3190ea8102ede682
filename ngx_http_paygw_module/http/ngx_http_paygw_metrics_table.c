
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_limit.h"
#include "ngx_http_paygw_metrics.h"


/* The families of metrics; docs/metrics.md says the same to those who read. */


static ngx_uint_t ngx_http_paygw_metrics_delivery(ngx_uint_t i,
    ngx_str_t *values);
static ngx_uint_t ngx_http_paygw_metrics_fetched(ngx_uint_t i,
    ngx_str_t *values);
static ngx_uint_t ngx_http_paygw_metrics_idem(ngx_uint_t i,
    ngx_str_t *values);
static ngx_uint_t ngx_http_paygw_metrics_limit(ngx_uint_t i,
    ngx_str_t *values);
static ngx_uint_t ngx_http_paygw_metrics_store_value(ngx_uint_t i,
    ngx_str_t *values);
static ngx_uint_t ngx_http_paygw_metrics_full(ngx_uint_t i,
    ngx_str_t *values);


#define ngx_http_paygw_counter(name, help)                                    \
    { ngx_string(name), ngx_string(help), NGX_PAYGW_EXPOSITION_COUNTER }
#define ngx_http_paygw_gauge(name, help)                                      \
    { ngx_string(name), ngx_string(help), NGX_PAYGW_EXPOSITION_GAUGE }
#define ngx_http_paygw_histogram(name, help)                                  \
    { ngx_string(name), ngx_string(help), NGX_PAYGW_EXPOSITION_HISTOGRAM }

#define ngx_http_paygw_labels0  { ngx_null_string, ngx_null_string }
#define ngx_http_paygw_labels1(a)                                             \
    { ngx_string(a), ngx_null_string }
#define ngx_http_paygw_labels2(a, b)                                          \
    { ngx_string(a), ngx_string(b) }


const ngx_uint_t  ngx_http_paygw_subject_slots[] = {
    NGX_HTTP_PAYGW_AT_NGINX_END,
    NGX_HTTP_PAYGW_AT_CHANNEL_END,
    NGX_HTTP_PAYGW_AT_ORDERS_END,
    NGX_HTTP_PAYGW_AT_API_END,
    NGX_HTTP_PAYGW_AT_MERCHANT_END,
    NGX_HTTP_PAYGW_AT_LIMIT_END
};


const ngx_http_paygw_family_t  ngx_http_paygw_families[] = {

    /* callbacks */

    { ngx_http_paygw_counter("paygw_callbacks_total",
                             "Callbacks of the provider, by what was decided."),
      NGX_HTTP_PAYGW_SUBJECT_CHANNEL,
      NGX_HTTP_PAYGW_AT_CALLBACKS, NGX_HTTP_PAYGW_DECISIONS, 0,
      ngx_http_paygw_labels2("result", "reason"),
      ngx_http_paygw_metrics_callback_value, NULL },

    { ngx_http_paygw_counter("paygw_callbacks_observed_total",
                             "Callbacks that paygw_verify observe has let "
                             "through, by what would have been decided."),
      NGX_HTTP_PAYGW_SUBJECT_CHANNEL,
      NGX_HTTP_PAYGW_AT_OBSERVED, NGX_HTTP_PAYGW_DECISIONS, 1,
      ngx_http_paygw_labels2("result", "reason"),
      ngx_http_paygw_metrics_callback_value, NULL },

    { ngx_http_paygw_counter("paygw_callbacks_verified_total",
                             "Callbacks that are genuine, whatever came "
                             "then."),
      NGX_HTTP_PAYGW_SUBJECT_CHANNEL,
      NGX_HTTP_PAYGW_AT_VERIFIED, 1, 0,
      ngx_http_paygw_labels0, NULL, NULL },

    { ngx_http_paygw_counter("paygw_acks_total",
                             "Answers to the provider, by what they tell "
                             "him: 2xx says that the event is taken."),
      NGX_HTTP_PAYGW_SUBJECT_CHANNEL,
      NGX_HTTP_PAYGW_AT_ACKS, NGX_HTTP_PAYGW_CODES, 0,
      ngx_http_paygw_labels1("code"),
      ngx_http_paygw_metrics_code, NULL },

    { ngx_http_paygw_histogram("paygw_callback_duration_seconds",
                               "How long a genuine callback took, until the "
                               "answer to the provider."),
      NGX_HTTP_PAYGW_SUBJECT_CHANNEL,
      NGX_HTTP_PAYGW_AT_ACK_TIMES, 1, 0,
      ngx_http_paygw_labels0, NULL, NULL },

    { ngx_http_paygw_counter("paygw_deliveries_total",
                             "Events handed over to the shop, or put into a "
                             "stream, for the first time or again."),
      NGX_HTTP_PAYGW_SUBJECT_CHANNEL,
      NGX_HTTP_PAYGW_AT_DELIVERIES, 4, 0,
      ngx_http_paygw_labels2("to", "delivery"),
      ngx_http_paygw_metrics_delivery, NULL },

    { ngx_http_paygw_counter("paygw_delivery_timeouts_total",
                             "Events that the shop has not taken within "
                             "paygw_deliver_timeout."),
      NGX_HTTP_PAYGW_SUBJECT_CHANNEL,
      NGX_HTTP_PAYGW_AT_TIMEOUTS, 1, 0,
      ngx_http_paygw_labels0, NULL, NULL },

    { ngx_http_paygw_histogram("paygw_delivery_duration_seconds",
                               "From the hand-over of an event to the end of "
                               "the shop's answer."),
      NGX_HTTP_PAYGW_SUBJECT_CHANNEL,
      NGX_HTTP_PAYGW_AT_SHOP_TIMES, 1, 0,
      ngx_http_paygw_labels0, NULL, NULL },

    /* keys */

    { ngx_http_paygw_counter("paygw_key_waits_total",
                             "Callbacks, and answers of the provider, that had "
                             "to wait for a key that was being fetched."),
      NGX_HTTP_PAYGW_SUBJECT_CHANNEL,
      NGX_HTTP_PAYGW_AT_WAITS, 1, 0,
      ngx_http_paygw_labels0, NULL, NULL },

    { ngx_http_paygw_counter("paygw_key_fetches_total",
                             "Fetches of the provider's keys."),
      NGX_HTTP_PAYGW_SUBJECT_CHANNEL,
      NGX_HTTP_PAYGW_AT_FETCHES, 2, 0,
      ngx_http_paygw_labels1("result"),
      ngx_http_paygw_metrics_fetched, NULL },

    { ngx_http_paygw_gauge("paygw_keys",
                           "Keys of the provider's keyring."),
      NGX_HTTP_PAYGW_SUBJECT_CHANNEL, 0, 0, 0,
      ngx_http_paygw_labels0, NULL,
      ngx_http_paygw_metrics_keys },

    { ngx_http_paygw_gauge("paygw_key_expiry_timestamp_seconds",
                           "When a certificate of the channel ends."),
      NGX_HTTP_PAYGW_SUBJECT_CHANNEL, 0, 0, 0,
      ngx_http_paygw_labels2("owner", "key"), NULL,
      ngx_http_paygw_metrics_ends },

    /* calls of providers */

    { ngx_http_paygw_counter("paygw_orders_total",
                             "Calls of the provider by paygw_pass and "
                             "paygw_api, by what came of them."),
      NGX_HTTP_PAYGW_SUBJECT_ORDERS,
      NGX_HTTP_PAYGW_AT_ORDERS, NGX_HTTP_PAYGW_ORDERS, 0,
      ngx_http_paygw_labels2("result", "reason"),
      ngx_http_paygw_metrics_order_value, NULL },

    { ngx_http_paygw_counter("paygw_order_responses_total",
                             "Answers to those who have called, by the class "
                             "of their status."),
      NGX_HTTP_PAYGW_SUBJECT_ORDERS,
      NGX_HTTP_PAYGW_AT_ORDER_CODES, NGX_HTTP_PAYGW_CODES, 0,
      ngx_http_paygw_labels1("code"),
      ngx_http_paygw_metrics_code, NULL },

    { ngx_http_paygw_counter("paygw_order_retries_total",
                             "Calls that were sent again."),
      NGX_HTTP_PAYGW_SUBJECT_ORDERS,
      NGX_HTTP_PAYGW_AT_RETRIES, NGX_HTTP_PAYGW_PASS_CAUSES, 0,
      ngx_http_paygw_labels1("cause"),
      ngx_http_paygw_metrics_cause, NULL },

    { ngx_http_paygw_histogram("paygw_provider_duration_seconds",
                               "From the beginning of a try that was sent to "
                               "the end of the provider's answer, or to when "
                               "it was given up."),
      NGX_HTTP_PAYGW_SUBJECT_ORDERS,
      NGX_HTTP_PAYGW_AT_PROVIDER_TIMES, 1, 0,
      ngx_http_paygw_labels0, NULL, NULL },

    { ngx_http_paygw_counter("paygw_order_retries_exhausted_total",
                             "Calls that would have been sent once more, had "
                             "there been a try or the time left."),
      NGX_HTTP_PAYGW_SUBJECT_ORDERS,
      NGX_HTTP_PAYGW_AT_EXHAUSTED, 1, 0,
      ngx_http_paygw_labels0, NULL, NULL },

    { ngx_http_paygw_gauge("paygw_breaker_state",
                           "The breaker of the channel: 0 closed, 1 half-open, "
                           "2 open."),
      NGX_HTTP_PAYGW_SUBJECT_ORDERS, 0, 0, 0,
      ngx_http_paygw_labels0, NULL,
      ngx_http_paygw_metrics_breakers },

    { ngx_http_paygw_counter("paygw_breaker_transitions_total",
                             "How often the breaker has changed its state, by "
                             "the new one."),
      NGX_HTTP_PAYGW_SUBJECT_ORDERS,
      NGX_HTTP_PAYGW_AT_BREAKER, NGX_PAYGW_BREAKER_STATES, 0,
      ngx_http_paygw_labels1("to"),
      ngx_http_paygw_metrics_breaker_state, NULL },

    /* operations of paygw_api */

    { ngx_http_paygw_counter("paygw_api_operations_total",
                             "Operations of paygw_api, by what they have come "
                             "to."),
      NGX_HTTP_PAYGW_SUBJECT_API,
      NGX_HTTP_PAYGW_AT_OPERATIONS, NGX_HTTP_PAYGW_OPERATIONS, 0,
      ngx_http_paygw_labels2("operation", "outcome"),
      ngx_http_paygw_metrics_operation_value, NULL },

    { ngx_http_paygw_counter("paygw_merchant_operations_total",
                             "Operations of paygw_api by merchant, by what "
                             "they have come to."),
      NGX_HTTP_PAYGW_SUBJECT_MERCHANT,
      NGX_HTTP_PAYGW_AT_OF_MERCHANT, NGX_HTTP_PAYGW_OPERATIONS, 1,
      ngx_http_paygw_labels2("operation", "outcome"),
      ngx_http_paygw_metrics_operation_value, NULL },

    /* calls of merchants */

    { ngx_http_paygw_counter("paygw_calls_total",
                             "Calls of merchants, by what was decided."),
      NGX_HTTP_PAYGW_SUBJECT_MERCHANT,
      NGX_HTTP_PAYGW_AT_CALLS, NGX_HTTP_PAYGW_DECISIONS, 0,
      ngx_http_paygw_labels2("result", "reason"),
      ngx_http_paygw_metrics_call_value, NULL },

    { ngx_http_paygw_counter("paygw_call_responses_total",
                             "Answers to calls whose signature is right, by "
                             "the class of their status."),
      NGX_HTTP_PAYGW_SUBJECT_MERCHANT,
      NGX_HTTP_PAYGW_AT_RESPONSES, NGX_HTTP_PAYGW_CODES, 0,
      ngx_http_paygw_labels1("code"),
      ngx_http_paygw_metrics_code, NULL },

    { ngx_http_paygw_histogram("paygw_call_duration_seconds",
                               "How long a call that has passed took, until "
                               "the end of its answer."),
      NGX_HTTP_PAYGW_SUBJECT_MERCHANT,
      NGX_HTTP_PAYGW_AT_CALL_TIMES, 1, 0,
      ngx_http_paygw_labels0, NULL, NULL },

    { ngx_http_paygw_counter("paygw_idempotent_calls_total",
                             "Calls with an Idempotency-Key, by what came of "
                             "it."),
      NGX_HTTP_PAYGW_SUBJECT_MERCHANT,
      NGX_HTTP_PAYGW_AT_IDEM, NGX_HTTP_PAYGW_IDEM_IS, 0,
      ngx_http_paygw_labels1("outcome"),
      ngx_http_paygw_metrics_idem, NULL },

    { ngx_http_paygw_gauge("paygw_merchant_keys",
                           "Keys of the merchant."),
      NGX_HTTP_PAYGW_SUBJECT_MERCHANT, 0, 0, 0,
      ngx_http_paygw_labels0, NULL,
      ngx_http_paygw_metrics_merchant_keys },

    /* limits */

    { ngx_http_paygw_counter("paygw_limit_requests_total",
                             "Requests that were counted by a limit, by what "
                             "it has said."),
      NGX_HTTP_PAYGW_SUBJECT_LIMIT,
      NGX_HTTP_PAYGW_AT_LIMIT, 5, 0,
      ngx_http_paygw_labels1("status"),
      ngx_http_paygw_metrics_limit, NULL },

    { ngx_http_paygw_counter("paygw_limit_fallbacks_total",
                             "Requests whose limits were counted in the zone, "
                             "since the store did not answer."),
      NGX_HTTP_PAYGW_SUBJECT_NGINX,
      NGX_HTTP_PAYGW_AT_FALLBACKS, 1, 0,
      ngx_http_paygw_labels0, NULL, NULL },

    /* streams of events */

    { ngx_http_paygw_gauge("paygw_event_streams",
                           "Streams of events that are open."),
      NGX_HTTP_PAYGW_SUBJECT_NGINX, 0, 0, 0,
      ngx_http_paygw_labels0, NULL,
      ngx_http_paygw_metrics_streams },

    { ngx_http_paygw_counter("paygw_event_streams_refused_total",
                             "Streams of events that were not opened, by "
                             "what was against it."),
      NGX_HTTP_PAYGW_SUBJECT_NGINX,
      NGX_HTTP_PAYGW_AT_TURNED_AWAY, 3, 0,
      ngx_http_paygw_labels1("cause"),
      ngx_http_paygw_metrics_turned_away, NULL },

    /* the store */

    { ngx_http_paygw_counter("paygw_store_operations_total",
                             "Operations that the store was asked for."),
      NGX_HTTP_PAYGW_SUBJECT_NGINX,
      NGX_PAYGW_METRICS_ASKED, NGX_PAYGW_METRICS_STORE, 0,
      ngx_http_paygw_labels1("operation"),
      ngx_http_paygw_metrics_store_value, NULL },

    { ngx_http_paygw_counter("paygw_store_errors_total",
                             "Operations that the store has not answered, or "
                             "has no room for."),
      NGX_HTTP_PAYGW_SUBJECT_NGINX,
      NGX_PAYGW_METRICS_FAILED, NGX_PAYGW_METRICS_STORE, 0,
      ngx_http_paygw_labels1("operation"),
      ngx_http_paygw_metrics_store_value, NULL },

    { ngx_http_paygw_histogram("paygw_store_duration_seconds",
                               "How long Redis took for an operation that is "
                               "waited for; a zone answers at once."),
      NGX_HTTP_PAYGW_SUBJECT_NGINX,
      NGX_PAYGW_METRICS_TIMES, NGX_PAYGW_METRICS_WAITED, 0,
      ngx_http_paygw_labels1("operation"),
      ngx_http_paygw_metrics_store_value, NULL },

    { ngx_http_paygw_counter("paygw_zone_full_total",
                             "Records for which the zone had no room."),
      NGX_HTTP_PAYGW_SUBJECT_NGINX,
      NGX_PAYGW_METRICS_FULL, 2, 0,
      ngx_http_paygw_labels1("for"),
      ngx_http_paygw_metrics_full, NULL },

    { ngx_http_paygw_gauge("paygw_zone_size_bytes",
                           "Size of the zone."),
      NGX_HTTP_PAYGW_SUBJECT_NGINX, 0, 0, 0,
      ngx_http_paygw_labels0, NULL,
      ngx_http_paygw_metrics_zone_size },

    { ngx_http_paygw_gauge("paygw_zone_free_bytes",
                           "Bytes of the zone in pages that are free."),
      NGX_HTTP_PAYGW_SUBJECT_NGINX, 0, 0, 0,
      ngx_http_paygw_labels0, NULL,
      ngx_http_paygw_metrics_zone_free },

    { ngx_http_paygw_gauge("paygw_start_time_seconds",
                           "When the counters began."),
      NGX_HTTP_PAYGW_SUBJECT_NGINX, 0, 0, 0,
      ngx_http_paygw_labels0, NULL,
      ngx_http_paygw_metrics_since },

    { ngx_http_paygw_gauge("paygw_build_info",
                           "The version of the module; always 1."),
      NGX_HTTP_PAYGW_SUBJECT_NGINX, 0, 0, 0,
      ngx_http_paygw_labels1("version"), NULL,
      ngx_http_paygw_metrics_build },

    { { ngx_null_string, ngx_null_string, 0 }, 0, 0, 0, 0,
      ngx_http_paygw_labels0, NULL, NULL }
};


ngx_uint_t
ngx_http_paygw_metrics_code(ngx_uint_t i, ngx_str_t *values)
{
    static const ngx_str_t  codes[] = {
        ngx_string("none"),
        ngx_string("1xx"),
        ngx_string("2xx"),
        ngx_string("3xx"),
        ngx_string("4xx"),
        ngx_string("5xx")
    };

    values[0] = codes[i];

    return i >= 2;
}


static ngx_uint_t
ngx_http_paygw_metrics_delivery(ngx_uint_t i, ngx_str_t *values)
{
    if (i & 2) {
        ngx_str_set(&values[0], "stream");

    } else {
        ngx_str_set(&values[0], "shop");
    }

    if (i & 1) {
        ngx_str_set(&values[1], "again");

    } else {
        ngx_str_set(&values[1], "first");
    }

    return 1;
}


static ngx_uint_t
ngx_http_paygw_metrics_fetched(ngx_uint_t i, ngx_str_t *values)
{
    if (i) {
        ngx_str_set(&values[0], "failed");

    } else {
        ngx_str_set(&values[0], "ok");
    }

    return 1;
}


static ngx_uint_t
ngx_http_paygw_metrics_idem(ngx_uint_t i, ngx_str_t *values)
{
    /* in the order of ngx_http_paygw_idem_is_e */

    static const ngx_str_t  outcomes[] = {
        ngx_string("first"),
        ngx_string("again"),
        ngx_string("replayed"),
        ngx_string("mismatch"),
        ngx_string("in_progress"),
        ngx_string("not_kept")
    };

    values[0] = outcomes[i];

    return 1;
}


static ngx_uint_t
ngx_http_paygw_metrics_limit(ngx_uint_t i, ngx_str_t *values)
{
    /* in the order of ngx_http_paygw_limit_status_e */

    static const ngx_str_t  statuses[] = {
        ngx_string("none"),
        ngx_string("passed"),
        ngx_string("rejected"),
        ngx_string("dry_run"),
        ngx_string("unavailable")
    };

    values[0] = statuses[i];

    return i != NGX_HTTP_PAYGW_LIMIT_NONE;
}


static ngx_uint_t
ngx_http_paygw_metrics_store_value(ngx_uint_t i, ngx_str_t *values)
{
    /* in the order of ngx_paygw_metrics_store_e */

    static const ngx_str_t  operations[] = {
        ngx_string("claim"),
        ngx_string("append"),
        ngx_string("once"),
        ngx_string("limit"),
        ngx_string("begin"),
        ngx_string("finish"),
        ngx_string("book"),
        ngx_string("commit"),
        ngx_string("release"),
        ngx_string("renew"),
        ngx_string("abandon")
    };

    values[0] = operations[i];

    return 1;
}


static ngx_uint_t
ngx_http_paygw_metrics_full(ngx_uint_t i, ngx_str_t *values)
{
    if (i) {
        ngx_str_set(&values[0], "call");

    } else {
        ngx_str_set(&values[0], "event");
    }

    return 1;
}
