"""Stripe's HTTP API: what a merchant calls for payments and refunds."""

import re
import secrets
import urllib.parse

from .orders import Order, OrderError, number
from .stripe import (ORDER_ID, PROVIDER, dump, intent, refund_object, session,
                     session_of)
from .wire import Response

CURRENCY = re.compile(r"[A-Za-z]{3}")


class ApiError(Exception):
    """An error answer of the API."""

    def __init__(self, status, code, message, kind="invalid_request_error"):
        super().__init__(message)
        self.status = status
        self.code = code
        self.kind = kind


def form(text):
    """The fields of a form or of a query, each name once."""
    if not text:
        return {}
    try:
        pairs = urllib.parse.parse_qsl(text, True, True, errors="strict")
    except ValueError:
        raise ApiError(400, "parameter_invalid",
                       "the form is malformed") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ApiError(400, "parameter_invalid", "a parameter is there twice")
    return fields


def integer(fields, name):
    text = fields.get(name, "")
    if not re.fullmatch("[0-9]{1,15}", text):
        raise ApiError(400, "parameter_invalid_integer",
                       name + " is an integer")
    return int(text)


class Api:
    """The provider's HTTP API over the orders of a store.

    notify(order, event) is called for each event; base() is our own URL.
    """

    name = PROVIDER

    def __init__(self, keys, store, notify, base):
        self.keys = keys
        self.store = store
        self.notify = notify
        self.base = base
        self.endpoint = ""
        self._done = {}

    def handle(self, request):
        """The answer to a request."""
        try:
            status, value = self._answer(request)
        except ApiError as error:
            status = error.status
            value = {"error": {"type": error.kind, "code": error.code,
                               "message": str(error)}}
        return Response(status, dump(value).encode("utf-8"),
                        {"Content-Type": "application/json",
                         "Request-Id": "req_" + secrets.token_hex(7)})

    def _answer(self, request):
        self._authorized(request)
        key = request.headers.get("idempotency-key")
        if request.method != "POST" or key is None:
            return self._route(request)
        what = (request.path, request.body)
        if key in self._done:
            before, answer = self._done[key]
            if before != what:
                raise ApiError(400, None, "the key was used with other "
                               "parameters", "idempotency_error")
            return answer
        answer = self._route(request)
        self._done[key] = what, answer
        return answer

    def _authorized(self, request):
        want = "Bearer " + self.keys.stripe("api")
        given = request.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), want.encode()):
            raise ApiError(401, None, "no valid API key")

    def _route(self, request):
        fields = form(request.body.decode("utf-8", "replace"))
        if (request.method, request.path) == ("POST", "/v1/webhook_endpoints"):
            return 200, self._endpoint(fields)
        match = re.fullmatch(r"/v1/(payment_intents|checkout/sessions|"
                             r"refunds)"
                             r"(?:/([^/]+)(?:/(cancel|expire|capture))?)?",
                             request.path)
        if not match:
            raise ApiError(404, "resource_missing", "no such resource")
        what, text, verb = match.groups()
        if request.method == "POST" and text is None:
            make = {"payment_intents": self._create, "refunds": self._refund,
                    "checkout/sessions": self._session}[what]
            return 200, make(fields)
        closes = {"payment_intents": "cancel", "checkout/sessions": "expire"}
        if request.method == "POST" and verb and verb == closes.get(what):
            return 200, self._close(what, text)
        if request.method == "POST" and verb == "capture" \
                and what == "payment_intents":
            return 200, self._capture(text)
        query = form(request.query)
        if (request.method, what, text) == ("GET", "payment_intents",
                                            "search"):
            return 200, self._search(query)
        if (request.method, what, text) == ("GET", "refunds", None):
            return 200, self._list(query)
        if request.method == "GET" and text and not verb:
            return 200, self._query(what, text)
        raise ApiError(405, None, "this method is not allowed")

    # operations

    def _endpoint(self, fields):
        """Where events of the orders that are made from now on go."""
        self.endpoint = fields.get("url", "")
        return {"id": "we_" + secrets.token_hex(7), "url": self.endpoint,
                "object": "webhook_endpoint", "secret": self.keys.stripe()}

    def _order(self, fields, order_id, amount, currency, method=""):
        if not ORDER_ID.fullmatch(order_id):
            raise ApiError(400, "parameter_missing",
                           "the sandbox needs metadata[out_trade_no] or "
                           "client_reference_id")
        if amount < 1 or not CURRENCY.fullmatch(currency):
            raise ApiError(400, "parameter_invalid", "amount or currency")
        order = Order(PROVIDER, order_id, amount, self.endpoint,
                      currency.upper(),
                      fields.get("description", ""), method,
                      payer=fields.get("customer", ""))
        order.extra["metadata"] = {
            name[9:-1]: value for name, value in fields.items()
            if re.fullmatch(r"metadata\[[^\]]+\]", name)}
        try:
            return self.store.add(order)
        except OrderError as error:
            raise ApiError(400, "parameter_invalid", str(error)) from None

    def _create(self, fields):
        order = self._order(fields, fields.get("metadata[out_trade_no]", ""),
                            integer(fields, "amount"),
                            fields.get("currency", ""))
        if fields.get("capture_method") == "manual":
            order.extra["manual"] = True
        return intent(order)

    def _session(self, fields):
        if fields.get("mode") != "payment" or not fields.get("success_url"):
            raise ApiError(400, "parameter_missing",
                           "mode is payment, success_url a URL")
        total, currency, at = 0, "", 0
        while "line_items[%d][quantity]" % at in fields:
            item = "line_items[%d]" % at
            price = item + "[price_data]"
            total += (integer(fields, item + "[quantity]")
                      * integer(fields, price + "[unit_amount]"))
            currency = fields.get(price + "[currency]", "")
            at += 1
        order = self._order(fields, fields.get("client_reference_id", ""),
                            total, currency, "checkout")
        return session(order, base=self.base())

    def _find(self, what, text):
        for order in self.store.all():
            if order.provider == PROVIDER and text == (
                    session_of(order) if what == "checkout/sessions"
                    else order.trade_no):
                return order
        raise ApiError(404, "resource_missing", "no such object")

    def _search(self, query):
        """Payments by a number in their metadata."""
        match = re.fullmatch(r"metadata\['out_trade_no'\]:'([^']*)'",
                             query.get("query", ""))
        if not match:
            raise ApiError(400, "parameter_invalid", "the query is unknown")
        data = [intent(order) for order in self.store.all()
                if order.provider == PROVIDER
                and order.order_id == match.group(1)]
        return {"object": "search_result", "url":
                "/v1/payment_intents/search", "has_more": False,
                "data": data, "next_page": None}

    def _list(self, query):
        """The refunds of a payment, the newest first, in pages."""
        order = self._find("payment_intents", query.get("payment_intent", ""))
        found = [refund_object(order, refund)
                 for refund in reversed(order.refunds)]
        ids = [item["id"] for item in found]
        after = query.get("starting_after")
        if after is not None:
            if after not in ids:
                raise ApiError(404, "resource_missing", "no such refund")
            found = found[ids.index(after) + 1:]
        limit = integer(query, "limit") if "limit" in query else 10
        return {"object": "list", "url": "/v1/refunds",
                "has_more": len(found) > limit, "data": found[:limit]}

    def _query(self, what, text):
        if what == "refunds":
            for order in self.store.all():
                for refund in order.refunds:
                    if order.provider == PROVIDER \
                            and refund.refund_no == text:
                        return refund_object(order, refund)
            raise ApiError(404, "resource_missing", "no such refund")
        order = self._find(what, text)
        return (session(order, base=self.base())
                if what == "checkout/sessions" else intent(order))

    def _close(self, what, text):
        order = self._find(what, text)
        try:
            self.notify(order, self.store.close(order))
        except OrderError as error:
            raise ApiError(400, "payment_intent_unexpected_state",
                           str(error)) from None
        return self._query(what, text)

    def _capture(self, text):
        """Of a payer who has said yes when the payment was made."""
        order = self._find("payment_intents", text)
        if not order.extra.get("manual") or order.state != "created":
            raise ApiError(400, "payment_intent_unexpected_state",
                           "there is nothing to capture")
        self.notify(order, self.store.pay(order))
        return intent(order)

    def _refund(self, fields):
        order = self._find("payment_intents",
                           fields.get("payment_intent", ""))
        amount = (integer(fields, "amount") if "amount" in fields
                  else order.amount - order.refunded)
        text = fields.get("metadata[out_refund_no]") or number("R", 0)
        try:
            refund, event = self.store.refund(order, amount, text,
                                              reason=fields.get("reason", ""))
        except OrderError as error:
            code = ("charge_already_refunded"
                    if order.refunded == order.amount else None)
            raise ApiError(400, code, str(error)) from None
        self.notify(order, event)
        return refund_object(order, refund)
