"""WeChat Pay v2: what a merchant calls."""

import gzip
import re
import secrets
import time

from .bills import Manner
from .orders import Order, OrderError
from .wechat_v2 import (ORDER_ID, PROVIDER, Refused, accounts, document, parse,
                        random_text, sign, spaced, to_pairs, transaction,
                        verify)
from .wire import Response

STATES = {"created": "NOTPAY", "closed": "CLOSED", "paid": "SUCCESS"}
TYPES = {"NATIVE": "native", "JSAPI": "jsapi", "APP": "app", "MWEB": "h5"}


# the page of the server in front, which nothing else has seen
NO_CERTIFICATE = b"""<html>\r
<head><title>400 No required SSL certificate was sent</title></head>\r
<body>\r
<center><h1>400 Bad Request</h1></center>\r
<center>No required SSL certificate was sent</center>\r
<hr><center>nginx</center>\r
</body>\r
</html>\r
"""


class ApiError(Exception):
    """An error answer; without a code it is one that nobody signs."""

    def __init__(self, message, code=None, number=None):
        super().__init__(message)
        self.message = message
        self.code = code
        self.number = number


class Api:
    """The paths of v2 over the orders of a store.

    notify(order, event) is called for each event; base() is our own URL.
    Where there is TLS, /secapi/ and the bills of funds want the merchant's
    certificate in it.
    """

    name = PROVIDER

    def __init__(self, keys, store, notify, base):
        self.keys = keys
        self.store = store
        self.notify = notify
        self.base = base
        self.bills = Manner()
        self._calls = {
            "/pay/unifiedorder": self._create,
            "/pay/micropay": self._scan,
            "/pay/orderquery": self._query,
            "/pay/closeorder": self._close,
            "/secapi/pay/refund": self._refund,
            "/pay/refundquery": self._refund_query,
            "/secapi/pay/reverse": self._reverse,
            "/pay/downloadbill": self._bill,
            "/pay/downloadfundflow": self._funds,
        }

    def handles(self, path):
        return path in self._calls or path.startswith("/secapi/")

    def handle(self, request):
        """The answer to a request: always 200, as the provider does."""
        kind = self.keys.sign_type
        if request.shown == "" and self._wants(request.path):
            return Response(400, NO_CERTIFICATE,
                            {"Content-Type": "text/html"})
        try:
            if request.method != "POST":
                raise ApiError("use POST")
            values, kind = self._read(request.body)
            self._check_shown(request)
            if request.path not in self._calls:
                raise ApiError("no such path", "PARAM_ERROR")
            result = self._calls[request.path](values)
            if isinstance(result, Response):
                return result
            result = {"result_code": "SUCCESS", **result}
        except (Refused, ApiError, OrderError) as error:
            code = getattr(error, "code", None)
            if code is None:
                said = {"return_code": "FAIL", "return_msg": str(error)}
                if getattr(error, "number", None):
                    said["error_code"] = error.number
                return self._answer(said)
            result = {"result_code": "FAIL", "err_code": code,
                      "err_code_des": str(error)}
        result = {"return_code": "SUCCESS", "return_msg": "OK",
                  "appid": self.keys.ids["appid"],
                  "mch_id": self.keys.ids["mchid"],
                  "nonce_str": random_text(), **result}
        text = sign(to_pairs(result), self.keys.api_key, kind)
        return self._answer({**result, "sign": text})

    @staticmethod
    def _wants(path):
        return path.startswith("/secapi/") or path == "/pay/downloadfundflow"

    def _check_shown(self, request):
        """The certificate is of the merchant that mch_id names."""
        if request.shown is not None and self._wants(request.path) \
                and request.shown != self.keys.ids["merchant_serial"]:
            raise ApiError("\u8bc1\u4e66\u9519\u8bef", "CERT_ERROR")

    @staticmethod
    def _answer(values):
        return Response(200, document(to_pairs(values)),
                        {"Content-Type": "text/xml"})

    def _read(self, body):
        """(texts by name, sign type) of a signed request."""
        values = parse(body)
        kind = values.get("sign_type") or "MD5"
        if kind not in ("MD5", "HMAC-SHA256"):
            raise ApiError("sign_type is unknown")
        ids = self.keys.ids
        if values.get("mch_id") != ids["mchid"]:
            raise ApiError("mch_id does not exist")
        if not 1 <= len(values.get("nonce_str", "")) <= 32:
            raise ApiError("nonce_str has 1 to 32 characters")
        verify(values, [self.keys.api_key], kind)
        if values.get("appid") != ids["appid"]:
            raise ApiError("appid and mch_id do not match",
                           "APPID_MCHID_NOT_MATCH")
        return values, kind

    @staticmethod
    def _fen(values, name):
        text = values.get(name, "")
        if not (text.isascii() and text.isdigit() and 1 <= int(text)
                and len(text) < 12):
            raise ApiError(name + " is no number of fen", "PARAM_ERROR")
        return int(text)

    def _find(self, values):
        """The order that a request names in either way."""
        order = None
        if values.get("transaction_id"):
            order = self.store.by_trade_no(PROVIDER,
                                           values["transaction_id"])
        elif values.get("out_trade_no"):
            order = self.store.get(PROVIDER, values["out_trade_no"])
        if order is None:
            raise ApiError("no such order", "ORDERNOTEXIST")
        return order

    def _create(self, values):
        method = TYPES.get(values.get("trade_type"))
        number = values.get("out_trade_no", "")
        url = values.get("notify_url", "")
        for name in ("body", "spbill_create_ip"):
            if not values.get(name):
                raise ApiError("no " + name, "LACK_PARAMS")
        if method is None or not ORDER_ID.fullmatch(number) \
                or not url or "?" in url:
            raise ApiError("trade_type, out_trade_no or notify_url",
                           "PARAM_ERROR")
        amount = self._fen(values, "total_fee")
        order = self.store.get(PROVIDER, number)
        if order is None:
            order = self.store.add(Order(
                PROVIDER, number, amount, url,
                values.get("fee_type") or "CNY", values["body"], method,
                values.get("attach", ""), values.get("openid", "")))
        elif order.state == "paid":
            raise ApiError("the order is paid", "ORDERPAID")
        elif order.state == "closed":
            raise ApiError("the order is closed", "ORDERCLOSED")
        elif order.amount != amount:
            raise ApiError("another order has this number",
                           "OUT_TRADE_NO_USED")
        result = {"trade_type": values["trade_type"],
                  "prepay_id": "wx" + secrets.token_hex(16)}
        page = "%s/sandbox/cashier/%s?provider=%s" % (self.base(), number,
                                                      PROVIDER)
        if method == "native":
            result["code_url"] = page
        elif method == "h5":
            result["mweb_url"] = page
        return result

    def _scan(self, values):
        """By a code of the payer's, who is asked where it ends with 3."""
        number = values.get("out_trade_no", "")
        code = values.get("auth_code", "")
        for name in ("body", "spbill_create_ip"):
            if not values.get(name):
                raise ApiError("no " + name, "LACK_PARAMS")
        if not ORDER_ID.fullmatch(number):
            raise ApiError("out_trade_no", "PARAM_ERROR")
        if not re.fullmatch("1[0-5][0-9]{16}", code):
            raise ApiError("no code of a payer", "AUTH_CODE_INVALID")
        if code.endswith("4"):
            raise ApiError("the payer has not enough money", "NOTENOUGH")
        amount = self._fen(values, "total_fee")
        order = self.store.get(PROVIDER, number)
        if order is not None:
            raise ApiError("the number is in use",
                           "ORDERPAID" if order.state == "paid"
                           else "OUT_TRADE_NO_USED")
        order = self.store.add(Order(
            PROVIDER, number, amount, "", values.get("fee_type") or "CNY",
            values["body"], "micropay", values.get("attach", "")))
        if code.endswith("3"):
            raise ApiError("the payer is asked for his password",
                           "USERPAYING")
        self.store.pay(order)
        return transaction(self.keys, order)

    def _query(self, values):
        order = self._find(values)
        if order.state != "paid":
            return {**accounts(self.keys, order),
                    "out_trade_no": order.order_id,
                    "trade_state": STATES[order.state],
                    "trade_state_desc": order.state}
        return {**transaction(self.keys, order),
                "trade_state": "REFUND" if order.refunds else "SUCCESS",
                "trade_state_desc": "refunded" if order.refunds else "paid"}

    def _close(self, values):
        order = self._find({"out_trade_no": values.get("out_trade_no")})
        if order.state == "paid":
            raise ApiError("the order is paid", "ORDERPAID")
        self.store.close(order)
        return {}

    def _reverse(self, values):
        """Closes what is not paid, and gives back what is."""
        order = self._find(values)
        if order.state == "paid" and order.refunded < order.amount:
            _, event = self.store.refund(
                order, order.amount - order.refunded,
                "reverse" + order.order_id, "", "")
            self.notify(order, event)
        elif order.state != "paid":
            self.store.close(order)
        return {"recall": "N"}

    def _bill(self, values):
        """Text if there is one, else XML; nobody signs either."""
        day = values.get("bill_date", "")
        lines = ["`%s,`%s,`%s,`%.2f" % (
            spaced(order.paid), order.trade_no, order.order_id,
            order.amount / 100) for order in self.store.all()
            if order.provider == PROVIDER and order.state == "paid"
            and time.strftime("%Y%m%d", time.gmtime(
                order.paid + 8 * 3600)) == day]
        if not lines:
            raise ApiError("No Bill Exist", number="20002")
        text = "\ufeff" + "\r\n".join(
            ["\u4ea4\u6613\u65f6\u95f4,\u5fae\u4fe1\u8ba2\u5355\u53f7,"
             "\u5546\u6237\u8ba2\u5355\u53f7,\u603b\u91d1\u989d"] + lines
            + ["`%d" % len(lines), ""])
        data = self.bills.padded(text.encode("utf-8"))
        if values.get("tar_type") == "GZIP":
            data = gzip.compress(data)
        return self.bills.response(data)

    def _funds(self, values):
        """As bills, and by HMAC-SHA256 alone."""
        if values.get("sign_type") != "HMAC-SHA256" \
                or not values.get("account_type"):
            raise ApiError("sign_type or account_type", number="20001")
        return self._bill(values)

    def _refund(self, values):
        order = self._find(values)
        number = values.get("out_refund_no", "")
        amount = self._fen(values, "refund_fee")
        if not 1 <= len(number) <= 64 \
                or self._fen(values, "total_fee") != order.amount:
            raise ApiError("out_refund_no or total_fee", "PARAM_ERROR")
        try:
            refund, event = self.store.refund(
                order, amount, number, values.get("notify_url", ""),
                values.get("refund_desc", ""))
        except OrderError as error:
            raise ApiError(str(error), "ERROR") from None
        self.notify(order, event)
        return {"transaction_id": order.trade_no,
                "out_trade_no": order.order_id, "out_refund_no": number,
                "refund_id": refund.refund_no, "refund_fee": amount,
                "total_fee": order.amount, "cash_fee": order.amount}

    def _of_refund(self, number):
        """The order of a refund, None if there is none."""
        if number is None:
            return None
        for order in self.store.all():
            if order.provider == PROVIDER and order.refund(number):
                return order
        raise ApiError("no such refund", "REFUNDNOTEXIST")

    def _refund_query(self, values):
        order = self._of_refund(values.get("out_refund_no")) \
            or self._find(values)
        wanted = [r for r in order.refunds
                  if values.get("out_refund_no") in (None, r.number)]
        if not wanted:
            raise ApiError("no such refund", "REFUNDNOTEXIST")
        result = {"transaction_id": order.trade_no,
                  "out_trade_no": order.order_id,
                  "total_fee": order.amount, "refund_count": len(wanted)}
        for n, refund in enumerate(wanted):
            result.update({
                "out_refund_no_%d" % n: refund.number,
                "refund_id_%d" % n: refund.refund_no,
                "refund_fee_%d" % n: refund.amount,
                "refund_status_%d" % n: "SUCCESS",
                "refund_success_time_%d" % n: spaced(refund.time)})
        return result
