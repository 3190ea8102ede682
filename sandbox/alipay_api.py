"""The Alipay gateway (gateway.do): what an application calls."""

import base64
import hashlib
import html
import json
import re
import secrets
import time
import urllib.parse

from .alipay import (CODES, DIGESTS, ORDER_ID, PAGES, PROVIDER, ApiError,
                     build_form, clock, fen, parse_form, request_string,
                     string_to_sign, trade_status, yuan)
from .bills import trade_bill
from .keys import cert_sn, sign, verify
from .lies import MANNERS, forged_pem, merchant_pem
from .orders import Order, OrderError
from .sealed import Unreadable, aes_open, aes_seal
from .wire import Response, flip_digit, parts


DOWNLOAD = "alipay.open.app.alipaycert.download"
UPLOAD = "alipay.open.file.upload"
BILL = "alipay.data.dataservice.bill.downloadurl.query"


def opened(keys, request, name, text, charset="utf-8"):
    """A content that was encrypted, in either form of the API."""
    try:
        plain = aes_open(keys.aes_key, text).decode(charset)
    except (Unreadable, UnicodeDecodeError):
        raise ApiError("40003", "isv.decryption-error-unknown",
                       "\u89e3\u5bc6\u51fa\u9519, \u672a\u77e5\u9519\u8bef",
                       clear=True) from None
    request.opened[name] = plain
    return plain


class Api:
    """gateway.do over the orders of a store.

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
        self.operations = {
            "alipay.trade.precreate": self._precreate,
            "alipay.trade.pay": self._pay,
            "alipay.trade.create": self._trade_create,
            "alipay.trade.query": self._query,
            "alipay.trade.close": self._close,
            "alipay.trade.cancel": self._cancel,
            "alipay.trade.refund": self._refund,
            "alipay.trade.fastpay.refund.query": self._refund_query,
            BILL: self._bill,
            DOWNLOAD: self._certificate,
            UPLOAD: self.upload,
        }

    def handle(self, request):
        """The answer to a request: always 200, as the gateway does."""
        params, clear = {}, False
        try:
            if request.method not in ("GET", "POST"):
                raise ApiError("40002", "isv.invalid-method",
                               "use GET or POST", False)
            params = self._params(request)
            self._check(params)
            if params["method"] == UPLOAD:
                biz = params
            else:
                self._open(request, params)
                biz = self._biz(params)
            if params["method"] in PAGES:
                order = self._page(params, biz)
                return Response(200, self.cashier(order).encode("utf-8"),
                                {"Content-Type": "text/html; charset=utf-8"})
            call = self.operations.get(params["method"])
            if call is None:
                raise ApiError("40002", "isv.invalid-method",
                               "no such method")
            content = {"code": "10000", "msg": "Success"}
            if params["method"] == UPLOAD:
                content.update(call(params, self._files(request)))
            else:
                content.update(call(biz, params))
            signed = True
        except ApiError as error:
            content, signed = error.content, error.signed
            clear = error.clear or not signed
        response = self._answer(params, content, signed, clear)
        if params.get("method") == DOWNLOAD:
            return self._bent(response)
        return response

    def _bent(self, response):
        """The answer with a certificate, or what stands for it."""
        self.keys.fetches[PROVIDER] += 1
        lie, body = self.keys.lie, response.body
        if lie == "error":
            return Response(500, b"{}")
        if lie == "missing":
            return Response(404, b"{}")
        if lie == "garbage":
            body = b"<html>not JSON</html>"
        elif lie == "huge":
            body = body[:-1] + b" " * (1 << 20) + b"}"
        elif lie == "unsigned":
            body = re.sub(rb',"sign":"[^"]*"', b"", body)
        elif lie == "bad_signature":
            body = flip_digit(body, body.index(b'"sign":"') + 8)
        elif lie == "slash":
            head, mark, tail = body.partition(b',"alipay_cert_sn"')
            body = head.replace(b"/", b"\\/") + mark + tail
        response.body = body
        if lie in MANNERS:
            response.manner = lie
        return response

    # reading

    @staticmethod
    def _params(request):
        """All parameters, of the URL and of the body, as text.

        The body is decoded with the charset that the URL names, and with GBK
        if it names none: the cause of many an invalid signature, kept here.
        """
        query = parse_form(request.query.encode("latin-1"))
        try:
            found = parts(request)
        except ValueError:
            raise ApiError("40002", "isv.invalid-parameter",
                           "the upload cannot be read", False) from None
        pairs = query + (parse_form(request.body) if found is None else
                         [(name.encode(), data) for name, file, data in found
                          if file is None])
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

    @staticmethod
    def _files(request):
        return [data for _, file, data in parts(request) or []
                if file is not None]

    @staticmethod
    def upload(told, files):
        """A file, which nobody has signed; what it is for is."""
        if not told.get("biz_code") or len(files) != 1:
            raise ApiError("40002", "isv.invalid-parameter",
                           "a biz_code and one file")
        return {"file_id": hashlib.sha256(files[0]).hexdigest()}

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
        if params.get("encrypt_type") not in (None, "", "AES"):
            raise ApiError("40002", "isv.invalid-encrypt-type", "AES", False)
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

    def _open(self, request, params):
        """The content takes the place of its bytes, which are signed."""
        if params.get("encrypt_type"):
            params["biz_content"] = opened(
                self.keys, request, "biz_content",
                params.get("biz_content", ""), self._charset(params))

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

    def _answer(self, params, content, signed, clear):
        charset = self._charset(params)
        method = params.get("method", "")
        word = (method.replace(".", "_") + "_response"
                if method in self.operations or method in PAGES
                else "error_response")
        raw = json.dumps(content, ensure_ascii=False,
                         separators=(",", ":")).encode(charset, "replace")
        if params.get("encrypt_type") and not clear:
            # what is signed has the quotes, too
            raw = b'"' + aes_seal(self.keys.aes_key, raw) + b'"'
        body = b'{"' + word.encode() + b'":' + raw
        if signed:
            if params.get("app_cert_sn"):
                sn = self.keys.ids[self.keys.alipay_active + "_cert_sn"]
                body += b',"alipay_cert_sn":"' + sn.encode() + b'"'
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

    def _bill(self, biz, _params):
        """The URL of a day's file, which is not here."""
        self._need(biz, "bill_type", "bill_date")
        if trade_bill(self.store, PROVIDER, biz["bill_date"]) is None:
            raise ApiError("40004", "isp.BILL_NOT_EXIST", "no bill")
        return {"bill_download_url": "%s/downloadBillFile.resource?bizType="
                                     "%s&token=%s"
                % (self.base(), biz["bill_type"], secrets.token_hex(16))}

    def _certificate(self, biz, _params):
        self._need(biz, "alipay_cert_sn")
        for part in ("alipay", "alipay_next"):
            pem = self.keys.read("alipay/%s_cert.crt" % part)
            if cert_sn(pem) == biz["alipay_cert_sn"]:
                if self.keys.lie == "wrong_chain":
                    pem = forged_pem(self.keys, pem)
                elif self.keys.lie == "merchant":
                    pem = merchant_pem(self.keys, pem)
                elif self.keys.lie == "wrong_serial":
                    pem = self.keys.read("alipay/app_cert.crt")
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
