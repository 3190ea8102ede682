"""
WeChat Pay v2 (XML), the provider's side.

Messages only: signs, seals and verifies, and makes callbacks, good ones and,
on demand, bad ones.  check_notify() is the receiving side, written from the
same documentation: the oracle of the tests.
"""

import base64
import hashlib
import hmac
import re
import time
import xml.parsers.expat

from cryptography.hazmat.primitives.ciphers import (Cipher, algorithms,
                                                    modes)

from . import faults as fault_table
from .orders import occasion
from .wechat_v3 import random_text
from .wire import flip_digit

PROVIDER = "wechat_v2"
SIGN_TYPES = ("MD5", "HMAC-SHA256")
ORDER_ID = re.compile(r"[0-9A-Za-z_\-|*@]{6,32}")
NUMBER = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
OTHER_KEY = b"another-API-key-of-32-bytes-xxxx"
TRADE_TYPES = {"jsapi": "JSAPI", "app": "APP", "h5": "MWEB",
               "micropay": "MICROPAY"}

ACK = (b"<xml><return_code><![CDATA[SUCCESS]]></return_code>"
       b"<return_msg><![CDATA[OK]]></return_msg></xml>")

BOMB = ('<!ENTITY a "aaaaaaaaaa">' + "".join(
    '<!ENTITY %s "%s">' % (chr(98 + n), "&%s;" % chr(97 + n) * 10)
    for n in range(9)))
DOCTYPES = {"empty": ("", "x"),
            "file": ('<!ENTITY x SYSTEM "file:///etc/passwd">', "&x;"),
            "bomb": (BOMB, "&j;")}


class Refused(Exception):
    """A message that the receiving side refuses; reason is one word."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


# documents

def element(name, value, plain=False):
    """One element as bytes, its text as CDATA or escaped."""
    if plain:
        text = (value.replace(b"&", b"&amp;").replace(b"<", b"&lt;")
                .replace(b">", b"&gt;"))
    else:
        text = (b"<![CDATA[" + value.replace(b"]]>", b"]]]]><![CDATA[>")
                + b"]]>")
    return b"<%s>%s</%s>" % (name, text, name)


def document(pairs, root=b"xml", plain=False):
    """A flat document of pairs of bytes."""
    inner = b"".join(element(name, value, plain) for name, value in pairs)
    return b"<%s>%s</%s>" % (root, inner, root)


def to_pairs(params, charset="utf-8"):
    return [(name.encode(charset), str(value).encode(charset))
            for name, value in params.items()]


class _Reader:
    """Reads a flat document with expat and refuses all else."""

    def __init__(self, root):
        self.root, self.path, self.values = root, [], {}
        self.reason = None
        parser = self.parser = xml.parsers.expat.ParserCreate("UTF-8")
        parser.StartElementHandler = self.start
        parser.EndElementHandler = lambda name: self.path.pop()
        parser.CharacterDataHandler = self.text
        parser.StartDoctypeDeclHandler = lambda *_: self.stop("doctype")
        parser.CommentHandler = lambda *_: self.stop("malformed")
        parser.ProcessingInstructionHandler = \
            lambda *_: self.stop("malformed")

    def stop(self, reason):
        self.reason = reason
        raise Refused(reason)

    def start(self, name, attributes):
        if attributes or ":" in name:
            self.stop("malformed")
        if len(self.path) == 2:
            self.stop("nested_element")
        if not self.path and name != self.root:
            self.stop("root")
        if len(self.path) == 1:
            if name in self.values:
                self.stop("duplicate_element")
            self.values[name] = ""
        self.path.append(name)

    def text(self, data):
        if len(self.path) == 2:
            self.values[self.path[-1]] += data
        elif data.strip(" \t\r\n"):
            self.stop("malformed")

    def read(self, body):
        try:
            body.decode("utf-8")
            self.parser.Parse(body, True)
        except (ValueError, xml.parsers.expat.ExpatError):
            raise Refused(self.reason or "malformed") from None
        return self.values


def parse(body, root="xml"):
    """The texts of a flat document by name; Refused if it is none."""
    return _Reader(root).read(body)


# signatures and seals

def string_to_sign(pairs, key):
    """The signed bytes: pairs with a value, sorted, and the key."""
    kept = sorted((name, value) for name, value in pairs
                  if value and name != b"sign")
    return b"&".join(name + b"=" + value
                     for name, value in kept + [(b"key", key)])


def sign(pairs, key, kind="MD5"):
    text = string_to_sign(pairs, key)
    if kind == "MD5":
        return hashlib.md5(text).hexdigest().upper()
    return hmac.new(key, text, hashlib.sha256).hexdigest().upper()


def verify(values, keys, kind):
    """Verifies the sign of texts by name; Refused if there is none."""
    if not values.get("sign"):
        raise Refused("no_sign")
    if values.get("sign_type") not in (None, "", kind):
        raise Refused("sign_type")
    pairs = to_pairs(values)
    if not any(hmac.compare_digest(sign(pairs, key, kind).encode(),
                                   values["sign"].encode("utf-8"))
               for key in keys):
        raise Refused("signature")


def _cipher(key):
    derived = hashlib.md5(key).hexdigest().encode("ascii")
    return Cipher(algorithms.AES(derived), modes.ECB())


def seal(key, plain, padding=None):
    """req_info as bytes before base64; padding: instead of PKCS#7."""
    if padding is None:
        count = 16 - len(plain) % 16
        padding = bytes([count]) * count
    encryptor = _cipher(key).encryptor()
    return encryptor.update(plain + padding) + encryptor.finalize()


def unseal(key, info):
    """The plaintext of req_info; padding is taken off where it is right."""
    try:
        data = base64.b64decode(info, validate=True)
        if not data:
            raise ValueError
        decryptor = _cipher(key).decryptor()
        plain = decryptor.update(data) + decryptor.finalize()
    except ValueError:
        raise Refused("decrypt") from None
    count = plain[-1]
    if 1 <= count <= 16 and plain.endswith(bytes([count]) * count):
        plain = plain[:-count]
    return plain


def _open(keys, info):
    for key in keys:
        try:
            values = parse(unseal(key, info), "root")
        except Refused:
            continue
        # blocks can be put together so that the document is still one
        if all(NUMBER.fullmatch(values.get(name, "")) for name in
               ("transaction_id", "out_trade_no", "refund_id",
                "out_refund_no", "total_fee", "refund_fee")):
            return values
    raise Refused("decrypt")


def check_notify(body, keys, account, kind="MD5"):
    """The receiving side: (signed, texts by name) of a genuine callback.

    account maps appid, mch_id and, in partner mode, sub_mch_id to what they
    must be.  A refund is signed by nobody: signed is then False.
    """
    values = parse(body)
    info = values.get("req_info")
    if info is None:
        verify(values, keys, kind)
    elif "sign" in values:
        raise Refused("malformed")
    if values.get("return_code") != "SUCCESS":
        raise Refused("return_code_fail")
    for name, want in account.items():
        if values.get(name) != want:
            raise Refused(name + "_mismatch")
    if "sub_mch_id" not in account and values.get("sub_mch_id"):
        raise Refused("sub_mch_id_mismatch")
    if info is not None:
        return False, _open(keys, info)
    return True, {name: value for name, value in values.items() if value}


# what it tells

def compact(when):
    """yyyyMMddHHmmss in Beijing time."""
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(when + 8 * 3600))


def spaced(when):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(when + 8 * 3600))


def accounts(keys, order):
    """The fields that name the account, in either mode."""
    ids = keys.ids
    result = {"appid": ids["appid"], "mch_id": ids["mchid"]}
    if order.partner:
        result.update({"sub_appid": ids["sub_appid"],
                       "sub_mch_id": ids["sub_mchid"]})
    return result


def transaction(keys, order, skew=0):
    """A paid order, as callbacks and queries tell it."""
    return {
        **accounts(keys, order), "nonce_str": random_text(),
        "return_code": "SUCCESS", "result_code": "SUCCESS",
        "openid": order.payer, "is_subscribe": "N",
        "trade_type": TRADE_TYPES.get(order.method, "NATIVE"),
        "bank_type": "OTHERS", "fee_type": order.currency,
        "total_fee": order.amount, "cash_fee": order.amount,
        "transaction_id": order.trade_no, "out_trade_no": order.order_id,
        "attach": order.attach, "time_end": compact(order.paid + skew)}


def refund_content(order, refund, skew=0):
    """What is in req_info."""
    return {
        "transaction_id": order.trade_no, "out_trade_no": order.order_id,
        "refund_id": refund.refund_no, "out_refund_no": refund.number,
        "total_fee": order.amount, "settlement_total_fee": order.amount,
        "refund_fee": refund.amount, "settlement_refund_fee": refund.amount,
        "refund_status": "SUCCESS",
        "success_time": spaced(refund.time + skew),
        "refund_recv_accout": "\u652f\u4ed8\u7528\u6237\u96f6\u94b1",
        "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS",
        "refund_request_source": "API"}


# callbacks

def _key(keys, f):
    if f.wrong_key:
        # "own": of the other interface, the most common mistake
        return keys.api_v3_key if f.wrong_key == "own" else OTHER_KEY
    return keys.api_key_next if f.key in ("next", "b") else keys.api_key


def _bend(params, f):
    """The misbehaviours that a genuine signature covers."""
    if f.wrong_account:
        name = {"mchid": "mch_id", "sub_mchid": "sub_mch_id"}.get(
            f.wrong_account, f.wrong_account)
        params[name] = ("1900000001" if "mch" in name
                        else "wx0000000000000001")
    if f.empty_values == "signed":
        # not a thing of this protocol: an empty one is never signed
        params["device_info"] = " "
    if f.pad:
        params["attach"] = "x" * f.pad


def _signed(keys, order, f):
    """The pairs of a payment with sign, before any damage."""
    params = transaction(keys, order, f.skew or 0)
    _bend(params, f)
    if f.gbk:
        params["attach"] = order.subject
    params.update(f.set or {})
    kind = f.sign_type or keys.sign_type
    if f.say_sign_type:
        params["sign_type"] = f.say_sign_type
    pairs = to_pairs(params, "gbk" if f.gbk else "utf-8")
    text = sign(pairs, _key(keys, f), kind)
    if f.lower_sign:
        text = text.lower()
    if f.forged == "signature":
        text = flip_digit(text.encode(), 5).decode()
    return pairs + [(b"sign", text.encode("ascii"))]


def _cut_and_paste(data, how):
    """What ECB lets anybody do with blocks."""
    blocks = [data[at:at + 16] for at in range(0, len(data), 16)]
    if how == "swap":
        blocks[1], blocks[2] = blocks[2], blocks[1]
    elif how == "drop":
        del blocks[1]
    else:
        blocks.insert(1, blocks[1])
    return b"".join(blocks)


def _sealed(keys, order, refund, f):
    """The pairs of a refund's callback."""
    content = refund_content(order, refund, f.skew or 0)
    content.update(f.set or {})
    plain = document(to_pairs(content, "gbk" if f.gbk else "utf-8"),
                     b"root")
    padding = None
    if f.padding:
        # as much white space as makes whole blocks
        plain = plain[:-7] + b" " * (-len(plain) % 16) + plain[-7:]
        padding = b"" if f.padding == "none" else b"x" * 16
    data = seal(_key(keys, f), plain, padding)
    if f.forged:
        data = data[:40] + bytes([data[40] ^ 1]) + data[41:]
    if f.blocks:
        data = _cut_and_paste(data, f.blocks)
    params = {"return_code": "SUCCESS", **accounts(keys, order),
              "nonce_str": random_text()}
    _bend(params, f)
    return to_pairs(params) + [(b"req_info", base64.b64encode(data))]


def _damage(pairs, f):
    """The misbehaviours that come after signing."""
    forged = {"body": b"total_fee", "timestamp": b"time_end",
              "nonce": b"nonce_str"}.get(f.forged)
    pairs = [(name, flip_digit(value, len(value) - 1)
              if name == forged else value) for name, value in pairs]
    if f.missing_param:
        pairs = [pair for pair in pairs
                 if pair[0] != f.missing_param.encode()]
    if f.duplicate_param:
        name = f.duplicate_param.replace("total_amount", "total_fee")
        pairs = pairs + [(name.encode(), b"1")]
    if f.empty_values == "unsigned":
        pairs = pairs + [(b"coupon_fee", b"")]
    return pairs


def callback(keys, order, event=None, now=None, **faults):
    """One try of a callback: (headers, body bytes).

    The nonce is fresh in each call; what else there is stays the same over
    all tries.  What can go wrong on purpose is listed in faults.py.
    """
    f = fault_table.read(PROVIDER, faults)
    order, event, now = occasion(PROVIDER, order, event, now,
                                 partner=f.partner)
    if event.kind == "payment" and not order.paid:
        order.paid = event.time
    if event.kind == "refund":
        pairs = _sealed(keys, order, order.refund(event.refund), f)
    elif event.kind == "payment":
        pairs = _signed(keys, order, f)
    else:
        raise ValueError("a close has no callback at this provider")
    body = document(_damage(pairs, f), plain=bool(f.plain))
    if f.doctype:
        declared, used = DOCTYPES[f.doctype]
        body = ("<!DOCTYPE xml [%s]>" % declared).encode() + body.replace(
            b"</xml>", b"<evil>%s</evil></xml>" % used.encode())
    return {"Content-Type": "text/xml; charset=utf-8",
            "User-Agent": "Mozilla/4.0"}, body


def accepted(status, body):
    """True if the provider takes this answer as received."""
    if status != 200:
        return False
    try:
        return parse(body).get("return_code") == "SUCCESS"
    except Refused:
        return False
