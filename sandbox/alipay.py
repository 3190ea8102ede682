"""
The Alipay gateway (gateway.do), the provider's side.

Messages only: signs and verifies, and makes notifies, good ones and, on
demand, bad ones.  check_notify() is the receiving side, written
from the same documentation: the oracle of the tests.
"""

import json
import re
import time
import urllib.parse

from . import faults as fault_table
from .keys import sign, verify
from .orders import occasion
from .wire import flip_digit

PROVIDER = "alipay"
ORDER_ID = re.compile(r"[0-9A-Za-z_\-]{1,64}")
AMOUNT = re.compile(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,2})?")
PAGES = {"alipay.trade.page.pay": "FAST_INSTANT_TRADE_PAY",
         "alipay.trade.wap.pay": "QUICK_WAP_WAY",
         "alipay.trade.app.pay": "QUICK_MSECURITY_PAY"}
DIGESTS = {"RSA2": "sha256", "RSA": "sha1"}

CODES = {"10000": "Success", "10003": "order success pay inprocess",
         "20000": "Service Currently Unavailable",
         "40001": "Missing Required Arguments",
         "40002": "Invalid Arguments", "40003": "Insufficient Conditions",
         "40004": "Business Failed"}


class Refused(Exception):
    """A notify that the receiving side refuses; reason is one word."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


class ApiError(Exception):
    """An error answer of the gateway; clear: not encrypted either way."""

    def __init__(self, code, sub_code, sub_msg, signed=True, clear=False):
        super().__init__(sub_msg)
        self.clear = clear
        self.content = {"code": code, "msg": CODES[code],
                        "sub_code": sub_code, "sub_msg": sub_msg}
        self.signed = signed


def yuan(fen):
    return "%d.%02d" % divmod(fen, 100)


def fen(text):
    """Fen of a text of yuan, None if it is none; never a float."""
    if not isinstance(text, str) or not AMOUNT.fullmatch(text):
        return None
    whole, _, rest = text.partition(".")
    value = int(whole) * 100 + int((rest + "00")[:2])
    return value if 1 <= value <= 10 ** 10 else None


def clock(when):
    """Time as the gateway writes it: GMT+8, without a zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(when + 8 * 3600))


def parse_form(data):
    """Pairs of bytes, each name and value decoded exactly once."""
    pairs = []
    for part in data.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append(tuple(
                urllib.parse.unquote_to_bytes(text.replace(b"+", b" "))
                for text in (name, value)))
    return pairs


def build_form(pairs):
    """A form body of pairs of bytes."""
    return "&".join(urllib.parse.quote_plus(name, safe="-_.~*") + "="
                    + urllib.parse.quote_plus(value, safe="-_.*")
                    for name, value in pairs).encode("ascii")


def string_to_sign(pairs, without=(), empty=True):
    """The signed bytes: pairs sorted by name, joined by "&"."""
    kept = sorted((name, value) for name, value in pairs
                  if name not in without and (value or empty))
    return b"&".join(name + b"=" + value for name, value in kept)


def request_string(pairs):
    """What a request signs: all but sign; sign_type is part of it."""
    return string_to_sign(pairs, (b"sign",))


def sign_request(key, params, charset="utf-8"):
    """The parameters (text) with their sign; empty ones are dropped."""
    params = {k: v for k, v in params.items() if v and k != "sign"}
    pairs = [(k.encode(charset), v.encode(charset))
             for k, v in params.items()]
    digest = DIGESTS[params.get("sign_type", "RSA2")]
    return dict(params, sign=sign(key, request_string(pairs), digest))


def verify_notify(pairs, keys, sign_types=("RSA2",)):
    """Verifies the signature over pairs of bytes; Refused if it is none.

    The attempts stand in the order of the documents: empty values kept, then
    dropped; the same with sign_type, which only the app gateway signs.
    """
    values = dict(pairs)
    if len(values) != len(pairs):
        raise Refused("duplicate")
    signature = values.get(b"sign", b"")
    kind = values.get(b"sign_type", b"RSA2").decode("latin-1")
    if not signature:
        raise Refused("no_sign")
    if kind not in sign_types:
        raise Refused("sign_type")
    for without in ((b"sign", b"sign_type"), (b"sign",)):
        for empty in (True, False):
            message = string_to_sign(pairs, without, empty)
            if any(verify(key, signature, message, DIGESTS[kind])
                   for key in keys):
                return values
    raise Refused("signature")


def check_notify(body, keys, account, sign_types=("RSA2",)):
    """The receiving side: the text values of a genuine notify.

    account maps app_id, seller_id and, where known, out_trade_no and
    total_amount to what they must be.
    """
    values = verify_notify(parse_form(body), keys, sign_types)
    charset = values.get(b"charset", b"utf-8").decode("latin-1")
    try:
        text = {name.decode(charset): value.decode(charset)
                for name, value in values.items() if value}
    except (LookupError, UnicodeDecodeError):
        raise Refused("charset") from None
    for name, want in account.items():
        have = text.get(name)
        if name == "total_amount":
            have, want = fen(have), fen(want)
        if have is None or have != want:
            raise Refused(name)
    return text


# notifies

def _status(event, order):
    if event.kind == "close":
        return "TRADE_CLOSED"
    if event.kind == "refund" and event.refunded == order.amount:
        return "TRADE_CLOSED"
    return "TRADE_SUCCESS"


def notify_params(keys, order, event, now):
    """The parameters of a notify as text, before anything goes wrong."""
    ids = keys.ids
    total = yuan(order.amount)
    params = {
        "gmt_create": clock(order.created),
        "charset": order.charset,
        "notify_time": clock(now),
        "subject": order.subject,
        "buyer_id": order.payer,
        "version": "1.0",
        "notify_id": event.id,
        "notify_type": "trade_status_sync",
        "out_trade_no": order.order_id,
        "total_amount": total,
        "trade_status": _status(event, order),
        "trade_no": order.trade_no,
        "auth_app_id": ids["app_id"],
        "app_id": ids["app_id"],
        "seller_id": ids["seller_id"],
    }
    if event.kind == "close":
        params["gmt_close"] = clock(event.time)
    else:
        funds = [{"amount": total, "fundChannel": "ALIPAYACCOUNT"}]
        params.update({
            "gmt_payment": clock(order.paid or event.time),
            "invoice_amount": total, "receipt_amount": total,
            "point_amount": "0.00", "buyer_pay_amount": total,
            "fund_bill_list": json.dumps(funds, separators=(",", ":"))})
    if event.kind == "refund":
        params.update({"refund_fee": yuan(event.refunded),
                       "gmt_refund": clock(event.time) + ".000",
                       "out_biz_no": event.refund})
        if event.refunded == order.amount:
            params["gmt_close"] = clock(event.time)
    if order.attach:
        params["passback_params"] = order.attach
    return params


def _bend(params, f):
    """The misbehaviours that a genuine signature covers."""
    if f.wrong_account:
        params[f.wrong_account] = ("2021999999999999"
                                   if f.wrong_account == "app_id"
                                   else "2088999999999999")
    if f.notify_type:
        params["notify_type"] = f.notify_type
        params.pop("trade_status", None)
    if f.gbk:
        params["charset"] = "GBK"
    if f.pad:
        params["body"] = "x" * f.pad
    elif f.empty_values:
        params["body"] = ""
    params.update(f.set or {})


def _key(keys, f):
    if f.wrong_key:
        return keys.app if f.wrong_key == "own" else keys.rogue
    if f.key in ("next", "b"):
        return keys.alipay("next")
    return keys.alipay("current" if f.key else None)


def _sign_pairs(keys, pairs, f):
    """The pairs with sign_type and sign."""
    kind = f.sign_type or "RSA2"
    typed = pairs + [(b"sign_type", kind.encode())]
    message = string_to_sign(typed if f.sign_with_type else pairs,
                             empty=f.empty_values != "unsigned")
    text = sign(_key(keys, f), message, DIGESTS.get(kind, "sha256")).encode()
    if f.forged == "signature":
        text = flip_digit(text, 100)
    return typed + [(b"sign", text)]


def _damage(pairs, f):
    """The misbehaviours that come after signing."""
    if f.forged == "body":
        pairs = [(name, flip_digit(value, 0) if name == b"total_amount"
                  else value) for name, value in pairs]
    elif f.forged in ("timestamp", "nonce"):
        target = b"notify_time" if f.forged == "timestamp" else b"notify_id"
        pairs = [(name, flip_digit(value, len(value) - 1)
                  if name == target else value) for name, value in pairs]
    if f.missing_param:
        pairs = [pair for pair in pairs
                 if pair[0] != f.missing_param.encode()]
    if f.duplicate_param:
        pairs = pairs + [(f.duplicate_param.encode(), b"0.01")]
    return pairs


def callback(keys, order, event=None, now=None, **faults):
    """One try of a notify: the bytes of the form body.

    notify_id is that of the event and stays the same over all tries.  What
    can go wrong on purpose is listed in faults.py.
    """
    f = fault_table.read(PROVIDER, faults)
    order, event, now = occasion(PROVIDER, order, event, now)
    params = notify_params(keys, order, event, now + (f.skew or 0))
    _bend(params, f)
    charset = "GBK" if f.gbk else order.charset
    pairs = [(name.encode(charset), str(value).encode(charset))
             for name, value in params.items()]
    return build_form(_damage(_sign_pairs(keys, pairs, f), f))


def headers(order, gbk=False):
    """The header fields of a notify."""
    charset = "GBK" if gbk else order.charset
    return {"Content-Type":
            "application/x-www-form-urlencoded; charset=" + charset,
            "User-Agent": "Mozilla/4.0"}


def accepted(status, body):
    """True if the provider takes this answer as received."""
    return status == 200 and body == b"success"


# answers

def trade_status(order):
    if order.state == "closed" or order.refunded == order.amount:
        return "TRADE_CLOSED"
    return "TRADE_SUCCESS" if order.state == "paid" else "WAIT_BUYER_PAY"


def outcome(body, method, key):
    """The content of a signed answer, None if it does not verify.

    Only for tests and the example client: finds the content by its position
    and never builds it anew, because the raw bytes are what is signed.
    """
    word = b'{"' + method.replace(".", "_").encode() + b'_response":'
    if not body.startswith(word):
        return None
    decoder = json.JSONDecoder()
    text = body[len(word):].decode("latin-1")
    _, end = decoder.raw_decode(text)
    raw = text[:end].encode("latin-1")
    rest = json.loads("{" + text[end + 1:] if text[end] == ","
                      else "{" + text[end:])
    if not verify(key, rest.get("sign", ""), raw):
        return None
    return dict(json.loads(raw), **{k: v for k, v in rest.items()
                                    if k == "alipay_cert_sn"})
