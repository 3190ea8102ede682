"""
WeChat Pay API v3, the provider's side.

Messages only: signs, seals and verifies, and makes callbacks, good ones and,
on demand, bad ones.  check_notify() is the receiving side, written from
the same documentation: the oracle of the tests.
"""

import base64
import datetime
import json
import re
import secrets
import string
import time

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import faults as fault_table
from .keys import CST, sign, verify
from .lies import forged_pem
from .orders import occasion
from .wire import flip_digit

PROVIDER = "wechat_v3"
SCHEME = "WECHATPAY2-SHA256-RSA2048"
ALGORITHM = "AEAD_AES_256_GCM"
PROBE = "WECHATPAY/SIGNTEST/"
WINDOW = 300

ORDER_ID = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
REFUND_ID = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
REFUND_EVENTS = {"SUCCESS", "ABNORMAL", "CLOSED"}

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


def upload_parts(request):
    """The meta and the file of an upload, as a strict reader finds them."""
    kind = request.headers.get("content-type", "")
    match = re.fullmatch(r'multipart/form-data;\s*boundary="?([^";]+)"?', kind)
    text = b"\r\n" + request.body
    mark = b"\r\n--" + match.group(1).encode() if match else b""
    parts = text.split(mark) if match else []
    if len(parts) != 4 or parts[0] or parts[3].strip() != b"--":
        raise ApiError(400, "PARAM_ERROR", "the parts are meta and file")
    found = {}
    for part in parts[1:3]:
        head, _, body = part.partition(b"\r\n\r\n")
        name = re.search(rb';\s*name="(meta|file)"', head)
        if not name:
            raise ApiError(400, "PARAM_ERROR", "the parts are meta and file")
        found[name.group(1)] = body
    if len(found) != 2:
        raise ApiError(400, "PARAM_ERROR", "the parts are meta and file")
    return found[b"meta"], found[b"file"]


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
    for which in keys.listed:
        pem = keys.read("wechat/platform_cert_%s.pem" % which)
        secret = keys.api_v3_key
        serial = keys.platform(which)[0]
        if keys.lie == "wrong_chain":
            pem = forged_pem(keys, pem)
        elif keys.lie == "wrong_apiv3":
            secret = secret[::-1]
        elif keys.lie == "wrong_serial":
            serial = keys.ids["merchant_serial"]
        nonce = random_text(12)
        now = time.time() if now is None else now
        data.append({
            "serial_no": serial,
            "effective_time": rfc3339(now - 86400),
            "expire_time": rfc3339(now + 1824 * 86400),
            "encrypt_certificate": {
                "algorithm": ALGORITHM, "nonce": nonce,
                "associated_data": "certificate",
                "ciphertext": seal(secret, nonce.encode(),
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
    order, event, now = occasion(PROVIDER, order, event, now,
                                 partner=f.partner)
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
