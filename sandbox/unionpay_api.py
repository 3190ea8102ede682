"""UnionPay's gateway (/gateway/api/): what a merchant calls."""

import base64
import calendar
import io
import time
import urllib.parse
import zipfile
import zlib

from .alipay import parse_form
from .orders import Order, OrderError
from .sealed import (Unreadable, customer, customer_seal, pin_open, rsa_open,
                     rsa_seal)
from .unionpay import (HASHES, ORDER_ID, PROVIDER, VERSION, build_answer, clock,
                       message_of, pem_text, signature_of, verify_request)
from .wire import Response

ROOT = "/gateway/api/"
MESSAGES = {"00": "\u6210\u529f[0000000]",
            "10": "\u62a5\u6587\u683c\u5f0f\u9519\u8bef[9100001]",
            "11": "\u9a8c\u8bc1\u7b7e\u540d\u5931\u8d25[9100004]",
            "12": "\u91cd\u590d\u4ea4\u6613[9000012]",
            "34": "\u67e5\u65e0\u6b64\u4ea4\u6613[2600000]",
            "05": "\u4ea4\u6613\u5df2\u53d7\u7406[0000005]",
            "64": "\u4ea4\u6613\u91d1\u989d\u9519\u8bef[2100064]"}


class ApiError(Exception):
    """An answer other than 00."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Api:
    """The gateway over the orders of a store.

    notify(order, event) is called for each event; cashier(order) makes the
    page of a browser payment; base() is our own URL.
    """

    name = PROVIDER

    def __init__(self, keys, store, notify, base, cashier):
        self.keys = keys
        self.store = store
        self.notify = notify
        self.base = base
        self.cashier = cashier

    def handles(self, request):
        """The gateway, and the host of files, which has but one path."""
        return request.path.startswith(ROOT) \
            or (request.path == "/" and request.method == "POST")

    def handle(self, request):
        """The answer to a request: always 200, as the gateway does."""
        values = {}
        try:
            if request.method != "POST":
                raise ApiError("10")
            values = self._read(request)
            self._open(request, values)
            call = {"frontTransReq.do": self._page,
                    "appTransReq.do": self._app,
                    "backTransReq.do": self._back,
                    "queryTrans.do": self._query,
                    "": self._file}.get(
                        request.path[len(ROOT):])
            if call is None:
                raise ApiError("10")
            more = call(values)
            if isinstance(more, Response):
                return more
            code = more.pop("respCode", "00")
        except ApiError as error:
            more, code = {}, error.code
        except OrderError:
            more, code = {}, "64"
        return self._answer(values, code, more)

    def _read(self, request):
        """The fields of a call that the merchant has signed, as text."""
        pairs = parse_form(request.body)
        try:
            values = {k.decode(): v.decode() for k, v in pairs}
        except UnicodeDecodeError:
            raise ApiError("10") from None
        if values.get("version") != VERSION \
                or values.get("merId") != self.keys.unionpay_ids["merId"] \
                or (request.path != "/" and not ORDER_ID.fullmatch(
                    values.get("orderId", ""))) \
                or len(values.get("txnTime", "")) != 14:
            raise ApiError("10")
        key, _ = self.keys.unionpay("merchant")
        if values.get("signMethod") == "01" \
                and values.get("certId") != self.keys.unionpay_ids["certId"]:
            raise ApiError("11")
        if not verify_request(pairs, key.public_key(),
                              self.keys.unionpay_secret):
            raise ApiError("11")
        return values

    def _open(self, request, values):
        """What was encrypted for us takes the place of its bytes."""
        cert = values.get("encryptCertId")
        if cert is None:
            return
        if values["signMethod"] != "01":
            raise ApiError("10")
        if cert != self.keys.unionpay_ids["encryptCertId"]:
            raise ApiError("11")
        key, _ = self.keys.unionpay("enc")
        try:
            if values.get("accNo"):
                values["accNo"] = request.opened["accNo"] = rsa_open(
                    key, values["accNo"], "[0-9]{13,19}")
            if values.get("customerInfo"):
                values["customerInfo"] = request.opened["customerInfo"] = \
                    customer(key, values["customerInfo"])
            if values.get("pin"):
                request.opened["pin"] = pin_open(key, values["pin"],
                                                 values.get("accNo"))
        except Unreadable:
            request.opened.clear()
            raise ApiError("10") from None

    def _answer(self, values, code, more):
        """The answer with a signature, and what was asked in it."""
        said = {name: values[name] for name in (
            "encoding", "txnType", "txnSubType", "bizType", "accessType",
            "merId", "orderId", "txnTime") if values.get(name)}
        method = values.get("signMethod")
        method = method if method in HASHES else "01"
        said.update(more, version=VERSION, signMethod=method, respCode=code,
                    respMsg=MESSAGES[code])
        pairs = [(k.encode(), v.encode()) for k, v in said.items()]
        key, pem = self.keys.unionpay()
        if method == "01":
            pairs.append((b"signPubKeyCert", pem_text(pem)))
        pairs.append((b"signature", signature_of(
            method, message_of(pairs), key, self.keys.unionpay_secret)))
        return Response(200, build_answer(pairs),
                        {"Content-Type": "text/html;charset=UTF-8"})

    # operations

    def _new(self, values, method, seen):
        """The order of a payment; one that exists is a repeat."""
        amount = values.get("txnAmt", "")
        if not (amount.isascii() and amount.isdigit() and int(amount) > 0) \
                or values.get("currencyCode") != "156" \
                or values.get("txnType") not in ("01", "02"):
            raise ApiError("10")
        if self.store.get(PROVIDER, values["orderId"]):
            raise ApiError("12")
        try:
            moment = calendar.timegm(time.strptime(
                values["txnTime"], "%Y%m%d%H%M%S")) - 8 * 3600
        except ValueError:
            raise ApiError("10") from None
        return self.store.add(Order(
            PROVIDER, values["orderId"], int(amount),
            notify_url=values.get("backUrl", ""), method=method,
            return_url=values.get("frontUrl", ""), seen=seen,
            attach=values.get("reqReserved", ""), created=moment,
            extra={name: values[name] for name in ("accNo", "customerInfo")
                   if values.get(name) and values.get("encryptCertId")}))

    def _page(self, values):
        order = self._new(values, "page", False)
        return Response(200, self.cashier(order).encode("utf-8"),
                        {"Content-Type": "text/html; charset=utf-8"})

    def _app(self, values):
        return {"tn": self._new(values, "app", False).trade_no[-21:]}

    def _back(self, values):
        kind = values.get("txnType")
        if kind == "01" and values.get("txnSubType") == "07":
            order = self._new(values, "qr", False)
            return {"qrCode": self.base() + "/sandbox/cashier/"
                    + urllib.parse.quote(order.order_id)
                    + "?provider=" + PROVIDER}
        if kind == "01" and values.get("txnSubType") == "06":
            return self._scan(values)
        if kind in ("04", "31"):
            return self._refund(values, kind == "31")
        if kind == "95" and values.get("certType") == "01":
            return {"certType": "01", "encryptPubKeyCert":
                    pem_text(self.keys.unionpay("enc")[1]).decode()}
        raise ApiError("10")

    def _scan(self, values):
        """By a code of the payer's: accepted, and paid a moment later."""
        code = values.get("qrNo", "")
        if not (code.isascii() and code.isdigit() and len(code) == 19) \
                or len(values.get("termId", "")) != 8:
            raise ApiError("10")
        order = self._new(values, "barcode", True)
        order.extra["termId"] = values["termId"]
        if not code.endswith("3"):
            self.notify(order, self.store.pay(order))
        return {}

    def _refund(self, values, whole):
        """Accepted is not done: the notice tells."""
        order = self.store.by_trade_no(PROVIDER, values.get("origQryId"))
        amount = values.get("txnAmt", "")
        if order is None:
            raise ApiError("34")
        if not (amount.isascii() and amount.isdigit()):
            raise ApiError("10")
        if whole and int(amount) != order.amount:
            raise ApiError("64")
        refund, event = self.store.refund(order, int(amount),
                                          values["orderId"],
                                          values.get("backUrl", ""))
        if event is None:
            raise ApiError("12")
        self.notify(order, event)
        return {"queryId": refund.refund_no, "txnAmt": amount,
                "origQryId": order.trade_no}

    def _query(self, values):
        order = self.store.get(PROVIDER, values["orderId"])
        if order is not None:
            if clock(order.created) != values["txnTime"]:
                raise ApiError("34")
            return {"origRespCode": "00" if order.state == "paid" else "05",
                    "origRespMsg": MESSAGES["00" if order.state == "paid"
                                            else "05"],
                    "queryId": order.trade_no, "currencyCode": "156",
                    "txnAmt": str(order.amount), **self._card(order)}
        for order in self.store.all():
            refund = order.refund(values["orderId"])
            if order.provider == PROVIDER and refund:
                return {"origRespCode": "00", "origRespMsg": MESSAGES["00"],
                        "queryId": refund.refund_no,
                        "origQryId": order.trade_no,
                        "txnAmt": str(refund.amount)}
        raise ApiError("34")

    def _card(self, order):
        """The card of an order, encrypted if it came so: for the merchant."""
        key = self.keys.unionpay("merchant")[0].public_key()
        found = {}
        if "accNo" in order.extra:
            found["accNo"] = rsa_seal(key, order.extra["accNo"])
        if "customerInfo" in order.extra:
            found["customerInfo"] = customer_seal(key,
                                                  order.extra["customerInfo"])
        return found

    def _file(self, values):
        """What was paid on a day: fixed width, zipped, deflated, base64."""
        day = values.get("settleDate", "")
        if values.get("txnType") != "76" or len(day) != 4:
            raise ApiError("10")
        lines = ["%-40s%12d%s" % (order.order_id, order.amount,
                                  clock(order.paid))
                 for order in self.store.all()
                 if order.provider == PROVIDER and order.state == "paid"
                 and clock(order.paid)[4:8] == day]
        name = "INN%sZM_%s" % (day, values["merId"])
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as box:
            box.writestr(name, "".join(line + "\r\n" for line in lines)
                         .encode("gbk"))
        return {"settleDate": day, "fileName": name + ".zip",
                "fileContent": base64.b64encode(
                    zlib.compress(data.getvalue())).decode()}
