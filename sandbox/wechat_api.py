"""WeChat Pay's HTTP API: what a merchant calls, answered signed."""

import hashlib
import json
import re
import secrets
import time
import urllib.parse

from .bills import Manner, sha1, trade_bill
from .keys import sign
from .lies import MANNERS
from .orders import Order, OrderError, number
from .wechat_sealed import Operations
from .wechat_v3 import (ORDER_ID, PROVIDER, REFUND_ID, SCHEME,
                        ApiError, Refused, answer_message, certificates,
                        check_request, dump, parse_json, random_text,
                        refund_answer, transaction, upload_parts)
from .wire import Request, Response, flip_digit

# what a create needs beyond the fields that all of them need
METHODS = {"jsapi": ("payer",), "native": (), "app": (),
           "h5": ("scene_info",)}

# both have the payments of a day here
BILLS = ("/v3/bill/tradebill", "/v3/bill/fundflowbill")


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
        self.files = {}
        self.bills = Manner()
        self.sealed = Operations(keys)

    def handle(self, request):
        """The signed answer to a request."""
        which = self.keys.active
        try:
            which = self._wanted(request)
            check_headers_of(request)
            fields = check_request(request, self._merchants())
            if request.path == "/v3/billdownload/file":
                return self._bill_file(request)
            status, value = self._route(request, fields)
        except ApiError as error:
            status = error.status
            value = {"code": error.code, "message": error.message}
            which = which if error.signed else None
        body = b"" if value is None else dump(value).encode("utf-8")
        if request.path == "/v3/certificates":
            return self._bent(status, body, which)
        return self._answer(status, body, which)

    def _bent(self, status, body, which):
        """The answer with the certificates, or what stands for it."""
        self.keys.fetches[PROVIDER] += 1
        lie = self.keys.lie
        if lie == "error":
            return Response(500, b"{}")
        if lie == "missing":
            return self._answer(404, b'{"code":"RESOURCE_NOT_EXISTS"}', which)
        if lie == "garbage":
            body = b"<html>not JSON</html>"
        elif lie == "huge":
            body = body[:-1] + b" " * (1 << 20) + b"}"
        if lie == "unsigned":
            which = None
        elif which == self.keys.active and which not in self.keys.listed:
            which = self.keys.listed[0]
        response = self._answer(status, body, which,
                                3600 if lie == "stale" else 0,
                                lie == "wrong_chain")
        if lie == "bad_signature":
            response.body = flip_digit(body, body.index(b"expire_time") + 14)
        if lie in MANNERS:
            response.manner = lie
        return response

    def _merchants(self):
        ids = self.keys.ids
        return {(ids["mchid"], ids["merchant_serial"]):
                self.keys.merchant.public_key()}

    def _wanted(self, request):
        """The key that the merchant asks the answer to be signed with."""
        serial = request.headers.get("wechatpay-serial")
        if serial is None:
            active = self.keys.active
            return active if active in ("a", "b") else "a"
        which = self.keys.platform_by_serial(serial)
        if which is None:
            raise ApiError(400, "PARAM_ERROR", "Wechatpay-Serial names no "
                           "certificate and no key of the platform", False)
        return which

    def _answer(self, status, body, which, age=0, rogue=False):
        headers = {"Request-ID": secrets.token_hex(12).upper()}
        if body:
            headers["Content-Type"] = "application/json; charset=utf-8"
        if which:
            serial, key = self.keys.platform(which)
            key = self.keys.rogue if rogue else key
            timestamp, nonce = str(int(time.time()) - age), random_text()
            headers.update({
                "Wechatpay-Timestamp": timestamp, "Wechatpay-Nonce": nonce,
                "Wechatpay-Signature":
                    sign(key, answer_message(timestamp, nonce, body)),
                "Wechatpay-Serial": serial,
                "Wechatpay-Signature-Type": SCHEME})
        return Response(status, body, headers)

    def _route(self, request, fields):
        path = urllib.parse.unquote(request.path)
        if (request.method, path) == ("GET", "/v3/certificates"):
            return 200, certificates(self.keys)
        refunds = "/v3/refund/domestic/refunds"
        if (request.method, path) == ("POST", refunds):
            return 200, self._refund(request)
        if request.method == "GET" and path.startswith(refunds + "/"):
            return 200, self._refund_query(path[len(refunds) + 1:])
        if (request.method, path) == ("POST", "/v3/merchant/media/upload"):
            return 200, self._upload(request)
        if request.method == "GET" and path in BILLS:
            return 200, self._bill(request)
        found = self.sealed.route(request, time.time())
        if found is not None:
            return 200, found
        match = re.fullmatch(
            r"/v3/pay/(partner/)?transactions/"
            r"(?:(jsapi|native|app|h5)|(id|out-trade-no)/([^/]+)(/close)?)",
            path)
        if not match:
            raise ApiError(404, "RESOURCE_NOT_EXISTS", "no such resource")
        partner, method, by, text, close = match.groups()
        if method and request.method == "POST":
            return 200, self._create(request, fields, method, bool(partner))
        if close and by == "out-trade-no" and request.method == "POST":
            self._close(request, text, bool(partner))
            return 204, None
        if by and not close and request.method == "GET":
            return 200, self._query(request, by, text, bool(partner))
        raise ApiError(405, "INVALID_REQUEST", "this method is not allowed")

    # reading

    def _json(self, request):
        try:
            return parse_json(request.body)
        except Refused:
            raise ApiError(400, "PARAM_ERROR",
                           "the body is not a JSON object") from None

    def _account(self, values, partner, apps=False):
        """Checks that a request is about the accounts that we made."""
        ids = self.keys.ids
        want = {"mchid": ids["mchid"], "appid": ids["appid"]}
        if partner:
            want = {"sp_mchid": ids["mchid"], "sp_appid": ids["appid"],
                    "sub_mchid": ids["sub_mchid"]}
        for name, value in want.items():
            if name.endswith("appid") and not apps:
                continue
            if name not in values:
                raise ApiError(400, "PARAM_ERROR", "no " + name)
            if values[name] != value:
                code = ("APPID_MCHID_NOT_MATCH" if name.endswith("appid")
                        else "MCH_NOT_EXISTS")
                raise ApiError(400, code, name + " is not this account")

    def _find(self, by, text, status=404):
        order = (self.store.by_trade_no(PROVIDER, text) if by == "id"
                 else self.store.get(PROVIDER, text))
        if order is None:
            raise ApiError(status, "ORDER_NOT_EXIST", "no such order")
        return order

    # operations

    def _create(self, request, fields, method, partner):
        value = self._json(request)
        self._account(value, partner, apps=True)
        want = ("description", "out_trade_no", "notify_url", "amount")
        for name in want + METHODS[method]:
            if not value.get(name):
                raise ApiError(400, "PARAM_ERROR", "no " + name)
        self._check_create(value, method, partner)
        order_id = value["out_trade_no"]
        payer = value.get("payer") or {}
        order = Order(
            PROVIDER, order_id, value["amount"]["total"],
            value["notify_url"], value["amount"].get("currency", "CNY"),
            value["description"], method, value.get("attach", ""),
            payer.get("openid") or payer.get("sp_openid")
            or payer.get("sub_openid") or "", partner=partner)
        old = self.store.get(PROVIDER, order_id)
        if old is not None:
            self._same(old, order)
        else:
            self.store.add(order)
        return self._action(order, method)

    @staticmethod
    def _check_create(value, method, partner):
        amount = value["amount"]
        total = amount.get("total") if isinstance(amount, dict) else None
        if type(total) is not int or total < 1:
            raise ApiError(400, "PARAM_ERROR",
                           "amount.total is a positive integer")
        if amount.get("currency", "CNY") != "CNY":
            raise ApiError(400, "PARAM_ERROR", "amount.currency is CNY")
        if not isinstance(value["out_trade_no"], str) \
                or not ORDER_ID.fullmatch(value["out_trade_no"]):
            raise ApiError(400, "PARAM_ERROR",
                           "out_trade_no is 6 to 32 of 0-9A-Za-z_-|*")
        if not isinstance(value["description"], str) \
                or len(value["description"]) > 127:
            raise ApiError(400, "PARAM_ERROR", "description is too long")
        url = urllib.parse.urlsplit(str(value["notify_url"]))
        if url.scheme not in ("http", "https") or url.query:
            raise ApiError(400, "PARAM_ERROR",
                           "notify_url is a URL without a query")
        payer = value.get("payer")
        if method == "jsapi":
            names = ("sp_openid", "sub_openid") if partner else ("openid",)
            if not isinstance(payer, dict) \
                    or not any(payer.get(name) for name in names):
                raise ApiError(400, "PARAM_ERROR", "no payer's openid")
        if method == "h5":
            scene = value["scene_info"]
            if not isinstance(scene, dict) \
                    or not scene.get("payer_client_ip") \
                    or not (scene.get("h5_info") or {}).get("type"):
                raise ApiError(400, "PARAM_ERROR", "scene_info is "
                               "payer_client_ip and h5_info.type")

    @staticmethod
    def _same(old, new):
        """A create may be repeated, with the same content, while unpaid."""
        if old.state == "closed":
            raise ApiError(400, "ORDER_CLOSED", "the order is closed")
        if old.state == "paid":
            raise ApiError(400, "ORDERPAID", "the order is paid")
        for name in ("amount", "notify_url", "subject", "method", "attach"):
            if getattr(old, name) != getattr(new, name):
                raise ApiError(403, "OUT_TRADE_NO_USED",
                               "the order exists with another " + name)

    def _action(self, order, method):
        if method == "native":
            return {"code_url": "weixin://wxpay/bizpayurl?pr="
                    + random_text(9)}
        if method == "h5":
            name = urllib.parse.quote(order.order_id, safe="")
            return {"h5_url": "%s/sandbox/cashier/%s?provider=%s"
                    % (self.base(), name, PROVIDER)}
        return {"prepay_id": "wx" + number("", time.time())[:8]
                + secrets.token_hex(13)}

    def _query(self, request, by, text, partner):
        query = dict(urllib.parse.parse_qsl(request.query))
        self._account(query, partner)
        return transaction(self.keys, self._find(by, text))

    def _close(self, request, text, partner):
        self._account(self._json(request), partner)
        order = self._find("out-trade-no", text)
        try:
            self.store.close(order)
        except OrderError:
            raise ApiError(400, "ORDERPAID", "the order is paid") from None

    def _refund(self, request):
        value = self._json(request)
        amount = value.get("amount")
        amount = amount if isinstance(amount, dict) else {}
        text = value.get("out_refund_no")
        if not isinstance(text, str) or not REFUND_ID.fullmatch(text):
            raise ApiError(400, "PARAM_ERROR", "out_refund_no is 1 to 64 of "
                           "0-9A-Za-z_-|*@")
        if type(amount.get("refund")) is not int \
                or type(amount.get("total")) is not int \
                or amount.get("currency") != "CNY":
            raise ApiError(400, "PARAM_ERROR",
                           "amount is refund, total and currency CNY")
        if value.get("transaction_id"):
            order = self._find("id", value["transaction_id"])
        elif value.get("out_trade_no"):
            order = self._find("out-trade-no", value["out_trade_no"])
        else:
            raise ApiError(400, "PARAM_ERROR",
                           "no transaction_id and no out_trade_no")
        if order.partner and value.get("sub_mchid") \
                != self.keys.ids["sub_mchid"]:
            raise ApiError(400, "PARAM_ERROR", "no sub_mchid of this account")
        if amount["total"] != order.amount:
            raise ApiError(400, "INVALID_REQUEST", "amount.total differs")
        return self._do_refund(order, amount["refund"], text, value)

    def _do_refund(self, order, amount, text, value):
        try:
            refund, event = self.store.refund(
                order, amount, text, value.get("notify_url", ""),
                value.get("reason", ""))
        except OrderError as error:
            raise ApiError(400, "INVALID_REQUEST", str(error)) from None
        if event is None:
            return refund_answer(order, refund, "SUCCESS")
        self.notify(order, event)
        # the money moves later: an accepted refund is not a refund yet
        return refund_answer(order, refund, "PROCESSING")

    def _bill(self, request):
        """Where the file of a day is, for a minute, and its hash."""
        query = dict(urllib.parse.parse_qsl(request.query))
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", query.get("bill_date", "")):
            raise ApiError(400, "PARAM_ERROR", "bill_date is YYYY-MM-DD")
        sub = query.get("sub_mchid")
        if sub not in (None, self.keys.ids["sub_mchid"]):
            raise ApiError(400, "PARAM_ERROR", "no such sub_mchid")
        data = trade_bill(self.store, PROVIDER, query["bill_date"],
                          sub is not None)
        if data is None:
            raise ApiError(400, "NO_STATEMENT_EXIST", "no bill of that day")
        data = self.bills.padded(data)
        token = random_text()
        self.files[token] = (data, time.time() + 60)
        return {"hash_type": "SHA1", "hash_value": sha1(data),
                "download_url": "%s/v3/billdownload/file?token=%s"
                                % (self.base(), token)}

    def _bill_file(self, request):
        """A file, which nobody signs."""
        query = dict(urllib.parse.parse_qsl(request.query))
        data, until = self.files.get(query.get("token"), (b"", 0))
        if request.method != "GET" or until < time.time():
            raise ApiError(400, "PARAM_ERROR", "no such token, or too late")
        return self.bills.response(data)

    def _upload(self, request):
        """A file of multipart/form-data, which its meta part describes."""
        meta, file = upload_parts(request)
        try:
            told = json.loads(meta.decode("utf-8"))
            right = told["sha256"] == hashlib.sha256(file).hexdigest()
        except (ValueError, KeyError, TypeError):
            raise ApiError(400, "PARAM_ERROR", "meta is malformed") from None
        if not right:
            raise ApiError(400, "PARAM_ERROR", "sha256 is not the file's")
        return {"media_id": "media_" + told["sha256"][:40]}

    def _refund_query(self, text):
        for order in self.store.all():
            refund = order.provider == PROVIDER and order.refund(text)
            if refund:
                return refund_answer(order, refund, "SUCCESS")
        raise ApiError(404, "RESOURCE_NOT_EXISTS", "no such refund")


def check_headers_of(request: Request):
    """The header fields that the documents ask of every request."""
    accept = request.headers.get("accept", "")
    if "application/json" not in accept and "*/*" not in accept:
        raise ApiError(400, "PARAM_ERROR",
                       "Accept must allow application/json", False)
    if not request.headers.get("user-agent"):
        raise ApiError(400, "PARAM_ERROR", "no User-Agent", False)
    if request.body and not request.headers.get("content-type", "") \
            .startswith(("application/json", "multipart/form-data")):
        raise ApiError(400, "PARAM_ERROR",
                       "Content-Type must be application/json", False)
