"""
The Alipay gateway (gateway.do), the provider's side.

Verifies what an application sends, answers signed, and makes notifies, good
ones and, on demand, bad ones.  check_notify() is the receiving side, written
from the same documentation: the oracle of the tests.
"""

import base64
import html
import json
import re
import secrets
import time
import urllib.parse

from . import faults as fault_table
from .keys import cert_sn, sign, verify
from .orders import Order, OrderError
from .wire import Response, flip_digit

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
         "40002": "Invalid Arguments", "40004": "Business Failed"}


class Refused(Exception):
    """A notify that the receiving side refuses; reason is one word."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


class ApiError(Exception):
    """An error answer of the gateway."""

    def __init__(self, code, sub_code, sub_msg, signed=True):
        super().__init__(sub_msg)
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
    return keys.alipay("next" if f.key in ("next", "b") else None)


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
    order = order if isinstance(order, Order) else Order(PROVIDER, **order)
    now = time.time() if now is None else now
    event = event or order.event() or order.add_event("payment", now)
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


# the gateway

class Api:
    """gateway.do over the orders of a store.

    notify(order, event) is called for each event; cashier(order) makes the
    page of a browser payment; base() is our own URL.
    """

    def __init__(self, keys, store, notify, base, cashier):
        self.keys = keys
        self.store = store
        self.notify = notify
        self.base = base
        self.cashier = cashier
        self._calls = {
            "alipay.trade.precreate": self._precreate,
            "alipay.trade.pay": self._pay,
            "alipay.trade.create": self._trade_create,
            "alipay.trade.query": self._query,
            "alipay.trade.close": self._close,
            "alipay.trade.cancel": self._cancel,
            "alipay.trade.refund": self._refund,
            "alipay.trade.fastpay.refund.query": self._refund_query,
            "alipay.open.app.alipaycert.download": self._certificate,
        }

    def handle(self, request):
        """The answer to a request: always 200, as the gateway does."""
        params = {}
        try:
            if request.method not in ("GET", "POST"):
                raise ApiError("40002", "isv.invalid-method",
                               "use GET or POST", False)
            params = self._params(request)
            self._check(params)
            biz = self._biz(params)
            if params["method"] in PAGES:
                order = self._page(params, biz)
                return Response(200, self.cashier(order).encode("utf-8"),
                                {"Content-Type": "text/html; charset=utf-8"})
            call = self._calls.get(params["method"])
            if call is None:
                raise ApiError("40002", "isv.invalid-method",
                               "no such method")
            content = {"code": "10000", "msg": "Success"}
            content.update(call(biz, params))
            signed = True
        except ApiError as error:
            content, signed = error.content, error.signed
        return self._answer(params, content, signed)

    # reading

    @staticmethod
    def _params(request):
        """All parameters, of the URL and of the body, as text.

        The body is decoded with the charset that the URL names, and with GBK
        if it names none: the cause of many an invalid signature, kept here.
        """
        query = parse_form(request.query.encode("latin-1"))
        pairs = query + parse_form(request.body)
        charset = dict(query).get(b"charset", b"GBK").decode("latin-1")
        if charset.lower() not in ("utf-8", "utf8", "gbk", "gb2312",
                                   "gb18030"):
            raise ApiError("40002", "isv.invalid-charset", charset, False)
        params = {}
        for name, value in pairs:
            name = name.decode(charset, "replace")
            value = value.decode(charset, "replace")
            if params.setdefault(name, value) != value:
                raise ApiError("40002", "isv.invalid-parameter",
                               "two values of " + name, False)
        return params

    def _check(self, params):
        """System parameters, then the signature."""
        for name, sub_code in (
                ("method", "isv.missing-method"),
                ("app_id", "isv.missing-app-id"),
                ("sign", "isv.missing-signature"),
                ("sign_type", "isv.missing-signature-type"),
                ("timestamp", "isv.missing-timestamp"),
                ("version", "isv.missing-version")):
            if not params.get(name):
                raise ApiError("40001", sub_code, "no " + name, False)
        if params["app_id"] != self.keys.ids["app_id"]:
            raise ApiError("40002", "isv.invalid-app-id",
                           "no such application", False)
        if params["sign_type"] not in DIGESTS:
            raise ApiError("40002", "isv.invalid-signature-type",
                           "RSA2 or RSA", False)
        try:
            time.strptime(params["timestamp"], "%Y-%m-%d %H:%M:%S")
        except ValueError:
            raise ApiError("40002", "isv.invalid-timestamp",
                           "yyyy-MM-dd HH:mm:ss", False) from None
        if params.get("format", "json").lower() != "json":
            raise ApiError("40002", "isv.invalid-format", "json", False)
        if params.get("encrypt_type"):
            raise ApiError("40002", "isv.invalid-encrypt-type",
                           "this sandbox does not encrypt content", False)
        self._check_certs(params)
        self._check_sign(params)

    def _check_certs(self, params):
        """Certificate mode is what the request says it is."""
        sn = params.get("app_cert_sn")
        if sn is None:
            return
        if sn != self.keys.ids["app_cert_sn"]:
            raise ApiError("40002", "isv.app-cert-not-exist",
                           "no such app_cert_sn", False)
        if params.get("alipay_root_cert_sn") \
                != self.keys.ids["root_cert_sn"]:
            raise ApiError("40002", "isv.invalid-alipay-root-cert-sn",
                           "another alipay_root_cert_sn", False)

    def _check_sign(self, params):
        charset = self._charset(params)
        try:
            pairs = [(name.encode(charset), value.encode(charset))
                     for name, value in params.items()]
        except UnicodeEncodeError:
            pairs = []
        message = request_string(pairs)
        if not verify(self.keys.app.public_key(), params["sign"], message,
                      DIGESTS[params["sign_type"]]):
            text = message.decode(charset, "replace")
            raise ApiError("40002", "isv.invalid-signature",
                           "the signature does not fit; the gateway's "
                           "string: " + html.escape(text), False)

    @staticmethod
    def _charset(params):
        charset = params.get("charset", "utf-8").lower()
        return "gbk" if charset.startswith("gb") else "utf-8"

    @staticmethod
    def _biz(params):
        try:
            value = json.loads(params.get("biz_content", ""))
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise ApiError("40002", "isv.invalid-parameter",
                           "biz_content is not a JSON object")
        return value

    # answers

    def _answer(self, params, content, signed):
        charset = self._charset(params)
        method = params.get("method", "")
        word = (method.replace(".", "_") + "_response"
                if method in self._calls or method in PAGES
                else "error_response")
        raw = json.dumps(content, ensure_ascii=False,
                         separators=(",", ":")).encode(charset, "replace")
        body = b'{"' + word.encode() + b'":' + raw
        if signed:
            if params.get("app_cert_sn"):
                body += (b',"alipay_cert_sn":"'
                         + self.keys.ids["alipay_cert_sn"].encode() + b'"')
            digest = DIGESTS[params["sign_type"]]
            text = sign(self.keys.alipay(), raw, digest)
            body += b',"sign":"' + text.encode() + b'"'
        head = {"Content-Type": "text/html;charset=" + charset,
                "trace_id": secrets.token_hex(16)}
        return Response(200, body + b"}", head)

    # operations

    @staticmethod
    def _need(biz, *names):
        for name in names:
            if not biz.get(name):
                raise ApiError("40004", "ACQ.INVALID_PARAMETER",
                               "no " + name)

    def _new(self, biz, params, seen=True):
        """The order of a create call, new or found again."""
        self._need(biz, "out_trade_no", "total_amount", "subject")
        amount = fen(str(biz["total_amount"]))
        if amount is None:
            raise ApiError("40004", "ACQ.INVALID_PARAMETER",
                           "total_amount is 0.01 to 100000000")
        order_id = biz["out_trade_no"]
        if not isinstance(order_id, str) or not ORDER_ID.fullmatch(order_id):
            raise ApiError("40004", "ACQ.INVALID_PARAMETER",
                           "out_trade_no is 1 to 64 of 0-9A-Za-z_-")
        charset = "GBK" if self._charset(params) == "gbk" else "utf-8"
        order = Order(
            PROVIDER, order_id, amount, params.get("notify_url", ""),
            subject=str(biz["subject"]), method=params["method"],
            attach=str(biz.get("passback_params", "")),
            payer=str(biz.get("buyer_id") or biz.get("buyer_open_id")
                      or ""),
            charset=charset, return_url=params.get("return_url", ""),
            seen=seen)
        old = self.store.get(PROVIDER, order_id)
        if old is None:
            return self.store.add(order)
        if old.state == "paid":
            raise ApiError("40004", "ACQ.TRADE_HAS_SUCCESS",
                           "the trade is paid")
        if old.state == "closed":
            raise ApiError("40004", "ACQ.TRADE_HAS_CLOSE",
                           "the trade is closed")
        if (old.amount, old.subject) != (order.amount, order.subject):
            raise ApiError("40004", "ACQ.CONTEXT_INCONSISTENT",
                           "the trade exists with other data")
        old.seen = old.seen or seen
        return old

    def _find(self, biz):
        """The order of a call, by trade_no or out_trade_no."""
        if biz.get("trade_no"):
            order = self.store.by_trade_no(PROVIDER, biz["trade_no"])
        else:
            self._need(biz, "out_trade_no")
            order = self.store.get(PROVIDER, biz["out_trade_no"])
        # a trade is made when the buyer scans or opens the cashier
        if order is None or not order.seen:
            raise ApiError("40004", "ACQ.TRADE_NOT_EXIST", "no such trade")
        return order

    @staticmethod
    def _names(order):
        return {"out_trade_no": order.order_id, "trade_no": order.trade_no}

    def _precreate(self, biz, params):
        order = self._new(biz, params, seen=False)
        name = urllib.parse.quote(order.order_id, safe="")
        return {"out_trade_no": order.order_id,
                "qr_code": "%s/sandbox/cashier/%s?provider=%s"
                           % (self.base(), name, PROVIDER)}

    def _pay(self, biz, params):
        """Barcode payment; an auth_code that ends in 10003 waits."""
        self._need(biz, "auth_code", "scene")
        code = str(biz["auth_code"])
        if not re.fullmatch(r"(2[5-9]|30)[0-9]{14,22}", code):
            raise ApiError("40004", "ACQ.PAYMENT_AUTH_CODE_INVALID",
                           "auth_code is 16 to 24 digits from 25 to 30")
        order = self._new(biz, params)
        result = dict(self._names(order), total_amount=yuan(order.amount),
                      buyer_user_id=order.payer)
        if code.endswith("10003"):
            return dict(result, code="10003", msg=CODES["10003"])
        event = self.store.pay(order)
        self.notify(order, event)
        return dict(result, gmt_payment=clock(order.paid),
                    receipt_amount=yuan(order.amount),
                    buyer_pay_amount=yuan(order.amount))

    def _trade_create(self, biz, params):
        if not biz.get("buyer_id") and not biz.get("buyer_open_id"):
            raise ApiError("40004", "ACQ.INVALID_PARAMETER",
                           "no buyer_id and no buyer_open_id")
        return self._names(self._new(biz, params))

    def _page(self, params, biz):
        product = PAGES[params["method"]]
        if biz.get("product_code", product) != product:
            raise ApiError("40004", "ACQ.INVALID_PARAMETER",
                           "product_code is " + product)
        return self._new(biz, params)

    def _query(self, biz, _params):
        order = self._find(biz)
        result = dict(self._names(order), total_amount=yuan(order.amount),
                      trade_status=trade_status(order))
        if order.paid:
            result.update(buyer_user_id=order.payer,
                          send_pay_date=clock(order.paid),
                          buyer_pay_amount=yuan(order.amount),
                          receipt_amount=yuan(order.amount))
        return result

    def _close(self, biz, _params):
        order = self._find(biz)
        try:
            event = self.store.close(order)
        except OrderError as error:
            raise ApiError("40004", "ACQ.REASON_TRADE_STATUS_INVALID",
                           str(error)) from None
        if event:
            self.notify(order, event)
        return self._names(order)

    def _cancel(self, biz, _params):
        order = self._find(biz)
        result = dict(self._names(order), retry_flag="N")
        if order.state == "paid":
            left = order.amount - order.refunded
            if left:
                _, event = self.store.refund(order, left,
                                             order.order_id + "_cancel")
                self.notify(order, event)
            return dict(result, action="refund")
        event = self.store.close(order)
        if event:
            self.notify(order, event)
        return dict(result, action="close")

    def _refund(self, biz, _params):
        order = self._find(biz)
        self._need(biz, "refund_amount")
        amount = fen(str(biz["refund_amount"]))
        text = str(biz.get("out_request_no") or "")
        if amount is None:
            raise ApiError("40004", "ACQ.INVALID_PARAMETER",
                           "refund_amount is an amount")
        if not text and amount != order.amount:
            raise ApiError("40004", "ACQ.INVALID_PARAMETER",
                           "a partial refund needs out_request_no")
        if order.state != "paid":
            raise ApiError("40004", "ACQ.TRADE_STATUS_ERROR",
                           "the trade is " + order.state)
        try:
            refund, event = self.store.refund(order, amount,
                                              text or order.order_id)
        except OrderError as error:
            raise ApiError("40004", "ACQ.REASON_TRADE_REFUND_FEE_ERR",
                           str(error)) from None
        if event:
            self.notify(order, event)
        return dict(self._names(order), fund_change="Y" if event else "N",
                    refund_fee=yuan(order.refunded),
                    send_back_fee=yuan(refund.amount),
                    gmt_refund_pay=clock(refund.time),
                    buyer_user_id=order.payer)

    def _refund_query(self, biz, _params):
        order = self._find(biz)
        self._need(biz, "out_request_no")
        refund = order.refund(biz["out_request_no"])
        if refund is None:
            # success without data: the known trap of this call
            return {}
        return dict(self._names(order), out_request_no=refund.number,
                    refund_amount=yuan(refund.amount),
                    total_amount=yuan(order.amount),
                    refund_status="REFUND_SUCCESS",
                    gmt_refund_pay=clock(refund.time))

    def _certificate(self, biz, _params):
        self._need(biz, "alipay_cert_sn")
        for part in ("alipay", "alipay_next"):
            pem = self.keys.read("alipay/%s_cert.crt" % part)
            if cert_sn(pem) == biz["alipay_cert_sn"]:
                text = base64.b64encode(pem).decode("ascii")
                return {"alipay_cert_content": text}
        raise ApiError("40004", "isv.invalid-parameter",
                       "no such alipay_cert_sn")

    # the browser's way back

    def return_target(self, order):
        """The signed return_url of a paid order."""
        ids = self.keys.ids
        params = {"charset": order.charset, "out_trade_no": order.order_id,
                  "method": order.method + ".return",
                  "total_amount": yuan(order.amount),
                  "trade_no": order.trade_no, "auth_app_id": ids["app_id"],
                  "version": "1.0", "app_id": ids["app_id"],
                  "seller_id": ids["seller_id"],
                  "timestamp": clock(time.time())}
        pairs = [(k.encode(), v.encode()) for k, v in params.items()]
        text = sign(self.keys.alipay(), string_to_sign(pairs)).encode()
        pairs += [(b"sign_type", b"RSA2"), (b"sign", text)]
        mark = "&" if "?" in order.return_url else "?"
        return order.return_url + mark + build_form(pairs).decode("ascii")


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
