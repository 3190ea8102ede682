"""
Stripe, the provider's side: webhooks.

Messages only: signs and verifies, and makes events, good ones and, on demand,
bad ones.  check_notify() is the receiving side, written from the same
documentation: the oracle of the tests.
"""

import hashlib
import hmac
import json
import re
import time

from . import faults as fault_table
from .orders import occasion
from .wire import flip_digit

PROVIDER = "stripe"
VERSION = "2026-10-28.endive"
WINDOW = 300

ORDER_ID = re.compile(r"[\x21-\x7e]{1,200}")

STATES = {"created": "requires_payment_method", "paid": "succeeded",
          "closed": "canceled"}


class Refused(Exception):
    """A message that the receiving side refuses; reason is one word."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


def dump(value):
    """JSON as Stripe sends it: indented, on many lines."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def mac(secret, timestamp, body):
    """The digest of one secret, whose whole text is the key."""
    text = str(timestamp).encode("ascii") + b"." + body
    return hmac.new(secret.encode("utf-8"), text, hashlib.sha256).hexdigest()


def parse_header(value):
    """(timestamp as sent, list of v1) of a Stripe-Signature."""
    timestamp, digests = None, []
    for item in (value or "").split(","):
        scheme, _, text = item.partition("=")
        if scheme == "t":
            timestamp = text
        elif scheme == "v1":
            digests.append(text)
    if timestamp is None or not re.fullmatch("[0-9]+", timestamp):
        raise Refused("header")
    if not digests:
        raise Refused("no_v1")
    return timestamp, digests


def check_notify(headers, body, secrets, now=None, livemode=None):
    """The receiving side: the event of a genuine webhook.

    secrets are those of one endpoint; livemode may be what the event has to
    say of itself.
    """
    pairs = headers.items() if hasattr(headers, "items") else headers
    values = [value for name, value in pairs
              if name.lower() == "stripe-signature"]
    if len(values) != 1:
        raise Refused("header")
    timestamp, digests = parse_header(values[0])
    now = time.time() if now is None else now
    # one digest for each secret, compared with each that came
    if not any(hmac.compare_digest(mac(secret, timestamp, body).encode(),
                                   digest.encode())
               for secret in secrets for digest in digests):
        raise Refused("signature")
    if now - int(timestamp) > WINDOW:
        raise Refused("timestamp")
    try:
        event = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Refused("malformed") from None
    if not isinstance(event, dict) or event.get("object") != "event":
        raise Refused("malformed")
    if livemode is not None and event.get("livemode") is not livemode:
        raise Refused("livemode")
    return event


# objects of the API, which events hold a picture of

def metadata(order):
    return {**order.extra.get("metadata", {}), "out_trade_no": order.order_id}


def intent(order, state=None):
    """A payment intent as the provider tells it."""
    state = state or order.state
    paid = state == "paid"
    return {
        "id": order.trade_no, "object": "payment_intent",
        "amount": order.amount,
        "amount_received": order.amount if paid else 0,
        "client_secret": order.trade_no + "_secret_sandbox",
        "created": int(order.created), "currency": order.currency.lower(),
        "customer": order.payer or None, "description": order.subject,
        "latest_charge": charge_of(order) if paid else None,
        "livemode": False, "metadata": metadata(order),
        "status": "requires_capture"
                  if state == "created" and order.extra.get("manual")
                  else STATES[state]}


def session(order, state=None, base=""):
    """A checkout session as the provider tells it."""
    state = state or order.state
    paid = state == "paid"
    return {
        "id": session_of(order), "object": "checkout.session",
        "amount_total": order.amount,
        "client_reference_id": order.order_id,
        "created": int(order.created), "currency": order.currency.lower(),
        "customer": order.payer or None, "livemode": False,
        "metadata": order.extra.get("metadata", {}), "mode": "payment",
        "payment_intent": order.trade_no if paid else None,
        "payment_status": "paid" if paid else "unpaid",
        "status": {"paid": "complete", "closed": "expired"}.get(state,
                                                                "open"),
        "url": base + "/sandbox/cashier/%s?provider=stripe" % order.order_id
               if state == "created" else None}


def refund_object(order, refund):
    """A refund as the provider tells it."""
    return {
        "id": refund.refund_no, "object": "refund", "amount": refund.amount,
        "charge": charge_of(order), "created": int(refund.time),
        "currency": order.currency.lower(),
        "metadata": {"out_trade_no": order.order_id,
                     "out_refund_no": refund.number},
        "payment_intent": order.trade_no,
        "reason": refund.reason or None, "status": "succeeded"}


def charge_of(order):
    return "ch_" + order.trade_no[3:]


def session_of(order):
    return "cs_test_" + order.trade_no[3:]


# callbacks

KINDS = {
    ("payment", False): "payment_intent.succeeded",
    ("payment", True): "checkout.session.completed",
    ("close", False): "payment_intent.canceled",
    ("close", True): "checkout.session.expired",
}


def _object(order, event):
    """(event type, object) of an event."""
    if event.kind == "refund":
        return "refund.created", refund_object(order,
                                               order.refund(event.refund))
    hosted = order.method == "checkout"
    state = "paid" if event.kind == "payment" else "closed"
    make = session if hosted else intent
    return KINDS[event.kind, hosted], make(order, state)


def _event(order, event, f, now):
    """The body of a callback, before anything is changed in it."""
    kind, content = _object(order, event)
    for name, value in (f.set or {}).items():
        target = content
        *path, last = name.split(".")
        for step in path:
            target = target.setdefault(step, {})
        target[last] = value
    message = {
        "id": event.id, "object": "event", "api_version": VERSION,
        "created": int(event.time or now), "data": {"object": content},
        "livemode": bool(f.livemode), "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": f.event_type or kind}
    if f.wrong_account:
        message["account"] = "acct_1Sandbox"
    if f.thin:
        message = {"id": event.id, "object": "v2.core.event",
                   "type": "v1.billing.meter.no_meter_found",
                   "livemode": bool(f.livemode), "created": "2026-11-21"}
    if f.pad:
        message["padding"] = "x" * f.pad
    text = dump(message)
    if f.duplicate_key:
        text = text.replace('"object": "event"',
                            '"object": "event", "object": "event"', 1)
    return text.encode("utf-8")


def _signature(keys, f, timestamp, body):
    """The value of Stripe-Signature."""
    secrets = {"current": [keys.stripe()], "old": [keys.stripe("old")],
               "both": [keys.stripe("old"), keys.stripe()]}
    use = secrets[f.secrets or "current"]
    if f.wrong_key:
        use = ["whsec_" + "0" * 32]
    values = [mac(secret, timestamp, body) for secret in use]
    if f.forged == "signature":
        # of hexadecimal digits, in lower case
        values = [("1" if v[0] == "0" else "0") + v[1:] for v in values]
    parts = ["t=" + timestamp]
    if f.only_v0:
        return ",".join(parts + ["v0=" + v for v in values])
    # test events have a v0 as well, which says nothing
    return ",".join(parts + ["v1=" + v for v in values] + ["v0=" + "0" * 64])


def callback(keys, order, event=None, now=None, **faults):
    """One try of a callback: (headers, body bytes).

    The time and the signature are fresh in each call; the id is that of the
    event.  What can go wrong on purpose is listed in faults.py.
    """
    f = fault_table.read(PROVIDER, faults)
    order, event, now = occasion(PROVIDER, order, event, now)
    body = _event(order, event, f, now)
    timestamp = str(int(now) + (f.skew or 0))
    signature = _signature(keys, f, timestamp, body)
    if f.forged == "body":
        at = body.index(b'"id": "') + 7 + len(event.id) - 1
        body = flip_digit(body, at)
    elif f.forged == "timestamp":
        signature = signature.replace("t=" + timestamp,
                                      "t=%d" % (int(timestamp) + 1))
    elif f.forged == "nonce":
        raise ValueError("stripe has no nonce")
    if f.reencoded:
        body = json.dumps(json.loads(body), separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": signature}
    if f.missing_header:
        headers = {name: value for name, value in headers.items()
                   if name.lower() != f.missing_header.lower()}
    return headers, body


def accepted(status, _body):
    """True if the provider takes this answer as received."""
    return 200 <= status < 300
