"""
WeChat Pay API v3, the provider's side.

Verifies what a merchant sends, answers signed, and makes callbacks, good ones
and, on demand, bad ones.  check_notify() is the receiving side, written from
the same documentation: the oracle of the tests.
"""

import base64
import datetime
import json
import re
import secrets
import string
import time
import urllib.parse

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import faults as fault_table
from .keys import CST, sign, verify
from .orders import Order, OrderError, number
from .wire import Request, Response, flip_digit

PROVIDER = "wechat_v3"
SCHEME = "WECHATPAY2-SHA256-RSA2048"
ALGORITHM = "AEAD_AES_256_GCM"
PROBE = "WECHATPAY/SIGNTEST/"
WINDOW = 300

ORDER_ID = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
REFUND_ID = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
REFUND_EVENTS = {"SUCCESS", "ABNORMAL", "CLOSED"}

# what a create needs beyond the fields that all of them need
METHODS = {"jsapi": ("payer",), "native": (), "app": (),
           "h5": ("scene_info",)}
TRADE_TYPES = {"jsapi": "JSAPI", "native": "NATIVE", "app": "APP",
               "h5": "MWEB"}

STATES = {"created": ("NOTPAY", "\u8ba2\u5355\u672a\u652f\u4ed8"),
          "paid": ("SUCCESS", "\u652f\u4ed8\u6210\u529f"),
          "closed": ("CLOSED", "\u8ba2\u5355\u5df2\u5173\u95ed"),
          "refunded": ("REFUND", "\u8ba2\u5355\u53d1\u751f\u8fc7\u9000\u6b3e")}


class Refused(Exception):
    """A message that the receiving side refuses; reason is one word."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


class ApiError(Exception):
    """An error answer of the API."""

    def __init__(self, status, code, message, signed=True):
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.signed = signed


def random_text(length=32):
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(length))


def rfc3339(when):
    stamp = datetime.datetime.fromtimestamp(int(when), CST)
    return stamp.isoformat()


def dump(value):
    """Compact JSON with text as it is, as the provider writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def join(*lines):
    """Lines ended by LF each, as bytes: the shape of all signed messages."""
    parts = [line if isinstance(line, bytes) else str(line).encode("utf-8")
             for line in lines]
    return b"".join(part + b"\n" for part in parts)


def request_message(method, target, timestamp, nonce, body):
    return join(method, target, timestamp, nonce, body)


def answer_message(timestamp, nonce, body):
    """The signed message of an answer and of a callback."""
    return join(timestamp, nonce, body)


def authorization(key, mchid, serial, method, target, body=b"", now=None,
                  nonce=None):
    """The Authorization value of a merchant's request."""
    timestamp = str(int(time.time() if now is None else now))
    nonce = nonce or random_text()
    text = sign(key, request_message(method, target, timestamp, nonce, body))
    return ('%s mchid="%s",nonce_str="%s",timestamp="%s",serial_no="%s",'
            'signature="%s"' % (SCHEME, mchid, nonce, timestamp, serial,
                                text))


def parse_authorization(value):
    """The fields of an Authorization value; ApiError if it is none."""
    scheme, _, rest = value.partition(" ")
    if scheme != SCHEME:
        raise ApiError(401, "SIGN_ERROR", "unknown Authorization scheme",
                       False)
    fields = {}
    for part in rest.split(","):
        match = re.fullmatch(r'\s*([a-z_]+)="([^"]*)"', part)
        if not match or match.group(1) in fields:
            raise ApiError(401, "SIGN_ERROR", "malformed Authorization",
                           False)
        fields[match.group(1)] = match.group(2)
    for name in ("mchid", "nonce_str", "timestamp", "serial_no",
                 "signature"):
        if not fields.get(name):
            raise ApiError(401, "SIGN_ERROR", "Authorization without " + name,
                           False)
    return fields


def check_request(request, merchants, now=None):
    """Verifies a merchant's request as the provider does.

    merchants maps (mchid, serial) to public keys.  Returns the fields.
    """
    fields = parse_authorization(request.headers.get("authorization", ""))
    key = merchants.get((fields["mchid"], fields["serial_no"]))
    if key is None:
        raise ApiError(401, "SIGN_ERROR",
                       "no certificate of this mchid has this serial_no",
                       False)
    if not re.fullmatch(r"[0-9]{1,12}", fields["timestamp"]):
        raise ApiError(401, "SIGN_ERROR", "timestamp is not a number", False)
    now = time.time() if now is None else now
    if abs(now - int(fields["timestamp"])) > WINDOW:
        raise ApiError(401, "SIGN_ERROR", "timestamp is out of the window",
                       False)
    message = request_message(request.method, request.target,
                              fields["timestamp"], fields["nonce_str"],
                              signed_body(request))
    if not verify(key, fields["signature"], message):
        raise ApiError(401, "SIGN_ERROR", "the signature does not fit; "
                       "signed bytes: %r" % message.decode("utf-8",
                                                           "replace"), False)
    return fields


def signed_body(request):
    """The bytes of a body that are signed: of an upload, its meta part."""
    kind = request.headers.get("content-type", "")
    match = re.fullmatch(r'multipart/form-data;\s*boundary="?([^";]+)"?.*',
                         kind)
    if not match:
        return request.body
    for part in request.body.split(b"--" + match.group(1).encode()):
        head, _, rest = part.partition(b"\r\n\r\n")
        if b'name="meta"' in head:
            return rest[:-2]
    return b""


def seal(key, nonce, aad, plaintext):
    """AEAD_AES_256_GCM as base64 text: data, then the tag."""
    raw = AESGCM(key).encrypt(nonce, plaintext, aad)
    return base64.b64encode(raw).decode("ascii")


def unseal(key, resource):
    """The plaintext of a resource object; Refused if anything is odd."""
    if resource.get("algorithm") != ALGORITHM:
        raise Refused("algorithm")
    try:
        raw = base64.b64decode(resource["ciphertext"], validate=True)
        nonce = resource["nonce"].encode("utf-8")
        aad = resource.get("associated_data", "").encode("utf-8")
        if len(nonce) != 12 or len(raw) < 16:
            raise ValueError
        return AESGCM(key).decrypt(nonce, raw, aad)
    except Exception:
        raise Refused("decrypt") from None


def check_headers(headers, body, keys, now):
    """Verifies the signature of an answer or a callback; Refused if not.

    keys maps serials and key ids to public keys; headers may be a mapping
    or pairs.  Returns the serial.
    """
    pairs = headers.items() if hasattr(headers, "items") else headers
    seen = {}
    for name, value in pairs:
        if name.lower() in seen:
            raise Refused("header")
        seen[name.lower()] = value
    values = [seen.get("wechatpay-" + name) for name in
              ("timestamp", "nonce", "signature", "serial")]
    if not all(values):
        raise Refused("missing_headers")
    timestamp, nonce, signature, serial = values
    if seen.get("wechatpay-signature-type", SCHEME) != SCHEME:
        raise Refused("header")
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise Refused("header")
    if abs(now - int(timestamp)) > WINDOW:
        raise Refused("timestamp")
    if serial not in keys:
        raise Refused("unknown_serial")
    if not verify(keys[serial], signature,
                  answer_message(timestamp, nonce, body)):
        raise Refused("signature")
    return serial


def no_twins(pairs):
    """A hook for json.loads() that refuses a member given twice."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Refused("malformed")
    return result


def parse_json(data):
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=no_twins)
    except (ValueError, RecursionError):
        raise Refused("malformed") from None
    if not isinstance(value, dict):
        raise Refused("malformed")
    return value


def check_notify(headers, body, keys, api_v3_key, mchids, now=None,
                 appids=None):
    """The receiving side: (envelope, content) of a genuine callback."""
    check_headers(headers, body, keys, time.time() if now is None else now)
    envelope = parse_json(body)
    resource = envelope.get("resource")
    if not isinstance(resource, dict):
        raise Refused("malformed")
    plain = unseal(api_v3_key, resource)
    content = parse_json(plain)
    account = {content[name] for name in ("mchid", "sp_mchid", "sub_mchid")
               if content.get(name)}
    if account and not account <= set(mchids):
        raise Refused("mchid_mismatch")
    if appids is not None:
        apps = {content[name] for name in ("appid", "sp_appid", "sub_appid")
                if content.get(name)}
        if not apps <= set(appids):
            raise Refused("appid_mismatch")
    return envelope, content


def certificates(keys, now=None):
    """The content of GET /v3/certificates."""
    data = []
    for which in ("a", "b"):
        pem = keys.read("wechat/platform_cert_%s.pem" % which)
        nonce = random_text(12)
        now = time.time() if now is None else now
        data.append({
            "serial_no": keys.platform(which)[0],
            "effective_time": rfc3339(now - 86400),
            "expire_time": rfc3339(now + 1824 * 86400),
            "encrypt_certificate": {
                "algorithm": ALGORITHM, "nonce": nonce,
                "associated_data": "certificate",
                "ciphertext": seal(keys.api_v3_key, nonce.encode(),
                                   b"certificate", pem)}})
    return {"data": data}


# content of answers and callbacks

def accounts(keys, order):
    """The fields that name the account, in either mode."""
    ids = keys.ids
    if order.partner:
        return {"sp_mchid": ids["mchid"], "sp_appid": ids["appid"],
                "sub_mchid": ids["sub_mchid"], "sub_appid": ids["sub_appid"]}
    return {"mchid": ids["mchid"], "appid": ids["appid"]}


def transaction(keys, order, state=None):
    """An order as the provider tells it; state overrides what it is in."""
    state = state or ("refunded" if order.refunds else order.state)
    word, text = STATES[state]
    result = accounts(keys, order)
    result["out_trade_no"] = order.order_id
    if state != "created" and order.paid:
        result["transaction_id"] = order.trade_no
        result["trade_type"] = TRADE_TYPES.get(order.method, "NATIVE")
    result.update({"trade_state": word, "trade_state_desc": text})
    if order.paid:
        result["bank_type"] = "OTHERS"
    result["attach"] = order.attach
    amount = {"total": order.amount, "currency": order.currency}
    if order.paid:
        payer = "sp_openid" if order.partner else "openid"
        result["success_time"] = rfc3339(order.paid)
        result["payer"] = {payer: order.payer}
        amount = {"total": order.amount, "payer_total": order.amount,
                  "currency": order.currency,
                  "payer_currency": order.currency}
    result["amount"] = amount
    return result


def refund_content(keys, order, refund, status="SUCCESS"):
    """The plaintext of a refund callback."""
    account = accounts(keys, order)
    account.pop("appid", None)
    account.pop("sp_appid", None)
    account.pop("sub_appid", None)
    return {
        **account,
        "transaction_id": order.trade_no,
        "out_trade_no": order.order_id,
        "refund_id": refund.refund_no,
        "out_refund_no": refund.number,
        "refund_status": status,
        "success_time": rfc3339(refund.time),
        "user_received_account": "\u652f\u4ed8\u7528\u6237\u96f6\u94b1",
        "amount": {"total": order.amount, "refund": refund.amount,
                   "payer_total": order.amount,
                   "payer_refund": refund.amount},
    }


def refund_answer(order, refund, status):
    """A refund as the refund API tells it."""
    result = {
        "refund_id": refund.refund_no, "out_refund_no": refund.number,
        "transaction_id": order.trade_no, "out_trade_no": order.order_id,
        "channel": "ORIGINAL",
        "user_received_account": "\u652f\u4ed8\u7528\u6237\u96f6\u94b1",
        "create_time": rfc3339(refund.time), "status": status,
        "funds_account": "AVAILABLE",
        "amount": {"total": order.amount, "refund": refund.amount,
                   "payer_total": order.amount,
                   "payer_refund": refund.amount,
                   "settlement_refund": refund.amount,
                   "settlement_total": order.amount,
                   "discount_refund": 0, "currency": order.currency},
    }
    if status == "SUCCESS":
        result["success_time"] = rfc3339(refund.time)
    return result


# callbacks

def _content(keys, order, event, f):
    """(event type, original type, plaintext) of an event."""
    kind = f.event_type
    if event.kind == "refund":
        refund = order.refund(event.refund)
        word = (kind or "").rpartition(".")[2]
        word = word if word in REFUND_EVENTS else "SUCCESS"
        content = refund_content(keys, order, refund, word)
        kind, original = kind or "REFUND.SUCCESS", "refund"
    elif event.kind == "payment":
        content = transaction(keys, order, "paid")
        kind, original = kind or "TRANSACTION.SUCCESS", "transaction"
    else:
        raise ValueError("a close has no callback at this provider")
    if f.wrong_account:
        field = f.wrong_account
        if field not in content and "sp_" + field in content:
            field = "sp_" + field
        content[field] = ("1900000001" if "mchid" in field
                          else "wx0000000000000001")
    for name, value in (f.set or {}).items():
        target = content
        *path, last = name.split(".")
        for step in path:
            target = target.setdefault(step, {})
        target[last] = value
    return kind, original, plaintext(content, f)


def plaintext(content, f):
    """The bytes to seal, with members twice and GBK if asked for."""
    text = dump(content)
    if f.duplicate_key == "plaintext":
        first = {"out_trade_no": "TWIN_" + content["out_trade_no"][:20]}
        text = dump(first)[:-1] + "," + text[1:]
    elif f.duplicate_key == "nested":
        text = text.replace('"amount":{', '"amount":{"total":1,', 1)
    return text.encode("gbk" if f.gbk else "utf-8")


def _resource(keys, original, data, f, nonce):
    """The resource object of an envelope."""
    length = 12 if f.nonce_length is None else f.nonce_length
    nonce = nonce or random_text(length)
    aad = "" if f.aad in ("empty", "absent") else original
    key = b"another-APIv3-key-of-32-bytes-xx" if f.wrong_apiv3 \
        else keys.api_v3_key
    if 8 <= length <= 128:
        ciphertext = seal(key, nonce.encode(), aad.encode(), data)
    else:
        # no library seals with such a nonce; any bytes will do
        ciphertext = base64.b64encode(data + bytes(16)).decode()
    raw = base64.b64decode(ciphertext)
    if f.bad_tag:
        raw = raw[:-1] + bytes([raw[-1] ^ 1])
    if f.short_ciphertext:
        raw = raw[:8]
    result = {"original_type": original,
              "algorithm": f.algorithm or ALGORITHM,
              "ciphertext": base64.b64encode(raw).decode("ascii"),
              "associated_data": "refunded" if f.aad == "wrong" else aad,
              "nonce": nonce}
    if f.aad == "absent":
        del result["associated_data"]
    return result


def _envelope(keys, order, event, f, now, resource_nonce):
    """The body of a callback, before anything is changed in it."""
    kind, original, data = _content(keys, order, event, f)
    envelope = {
        "id": event.id,
        "create_time": rfc3339(event.time or now),
        "resource_type": "encrypt-resource",
        "event_type": kind,
        "summary": "\u9000\u6b3e\u6210\u529f" if original == "refund"
                   else "\u652f\u4ed8\u6210\u529f",
        "resource": _resource(keys, original, data, f, resource_nonce)}
    if f.no_resource:
        del envelope["resource"]
    if f.empty_values:
        envelope["summary"] = ""
    if f.pad:
        envelope["padding"] = "x" * f.pad
    text = dump(envelope)
    if f.duplicate_key == "envelope":
        text = '{"event_type":"REFUND.CLOSED",' + text[1:]
    if f.gbk:
        return text.encode("gbk")
    return text.encode("utf-8")


def _signer(keys, f):
    """(serial that is named, key that signs)."""
    which = f.key if f.key in ("a", "b", "pub") else None
    serial, key = keys.platform(which)
    if f.wrong_key:
        key = keys.merchant if f.wrong_key == "own" else keys.rogue
    return f.serial or serial, key


def callback(keys, order, event=None, now=None, nonce=None,
             resource_nonce=None, **faults):
    """One try of a callback: (headers, body bytes).

    Timestamp, nonce and signature are fresh in each call; the id is that of
    the event.  What can go wrong on purpose is listed in faults.py.
    """
    f = fault_table.read(PROVIDER, faults)
    order = order if isinstance(order, Order) else Order(PROVIDER, **order)
    if f.partner and not order.partner:
        # the order itself stays as it is
        order = Order(**{**order.__dict__, "partner": True})
    now = time.time() if now is None else now
    event = event or order.event() or order.add_event("payment", now)
    if event.kind == "payment" and not order.paid:
        order.paid = event.time
    body = _envelope(keys, order, event, f, now, resource_nonce)
    serial, key = _signer(keys, f)
    timestamp = str(int(now) + (f.skew or 0))
    nonce = nonce or random_text()
    signature = sign(key, answer_message(timestamp, nonce, body))
    if f.signtest:
        signature = PROBE + signature[len(PROBE):]
    if f.forged == "body":
        body = flip_digit(body, body.index(b'"id":"') + 6
                          + len(event.id) - 1)
    elif f.forged == "signature":
        signature = flip_digit(signature.encode(), 100).decode()
    elif f.forged == "timestamp":
        timestamp = str(int(timestamp) + 1)
    elif f.forged == "nonce":
        nonce = flip_digit(nonce.encode(), 0).decode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Mozilla/4.0",
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": signature,
        "Wechatpay-Serial": serial,
        "Wechatpay-Signature-Type":
            SCHEME if f.signature_type is None else f.signature_type,
    }
    if f.signature_type == "":
        del headers["Wechatpay-Signature-Type"]
    if f.missing_header:
        headers = {name: value for name, value in headers.items()
                   if name.lower() != f.missing_header.lower()}
    return headers, body


def accepted(status, _body):
    """True if the provider takes this answer as received."""
    return status in (200, 204)


# the API

class Api:
    """The provider's HTTP API over the orders of a store.

    notify(order, event) is called for each event; base() is our own URL.
    """

    def __init__(self, keys, store, notify, base):
        self.keys = keys
        self.store = store
        self.notify = notify
        self.base = base

    def handle(self, request):
        """The signed answer to a request."""
        which = self.keys.active
        try:
            which = self._wanted(request)
            check_headers_of(request)
            fields = check_request(request, self._merchants())
            status, value = self._route(request, fields)
        except ApiError as error:
            status = error.status
            value = {"code": error.code, "message": error.message}
            which = which if error.signed else None
        body = b"" if value is None else dump(value).encode("utf-8")
        return self._answer(status, body, which)

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

    def _answer(self, status, body, which):
        headers = {"Request-ID": secrets.token_hex(12).upper()}
        if body:
            headers["Content-Type"] = "application/json; charset=utf-8"
        if which:
            serial, key = self.keys.platform(which)
            timestamp, nonce = str(int(time.time())), random_text()
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
