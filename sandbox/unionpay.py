"""
UnionPay's online gateway 5.1.0, the provider's side.

Messages only: signs and verifies, and makes notices, good ones and, on
demand, bad ones.  check_notify() is the receiving side, written from the same
documentation: the oracle of the tests.
"""

import calendar
import re
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import NameOID

from . import faults as fault_table
from .alipay import build_form, parse_form, string_to_sign
from .keys import UNIONPAY, sign, verify
from .orders import occasion
from .wire import flip_digit

PROVIDER = "unionpay"
ORDER_ID = re.compile(r"[0-9A-Za-z]{8,40}")
VERSION = "5.1.0"
SIGNATURE = (b"signature",)
HASHES = {"11": hashes.SHA256, "12": hashes.SM3}


class Refused(Exception):
    """A message that the receiving side refuses; reason is one word."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


def clock(when):
    """Time as the gateway writes it: 14 digits, of Beijing."""
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(when + 8 * 3600))


def hexed(method, data):
    digest = hashes.Hash(HASHES[method]())
    digest.update(data)
    return digest.finalize().hex().encode()


def message_of(pairs, empty=True):
    """The string to sign of pairs of bytes."""
    return string_to_sign(pairs, SIGNATURE, empty)


def signature_of(method, message, key=None, secret=b""):
    """The signature of a message: by a key, or with a secret."""
    if method == "01":
        return sign(key, hexed("11", message)).encode()
    return hexed(method, message + b"&" + hexed(method, secret))


def pem_text(pem):
    """A certificate as it stands in a message: CR LF, none at the end."""
    return pem.strip().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def sign_request(params, key=None, cert_id=None, secret=b""):
    """The parameters (text) of a merchant's call with their signature."""
    sent = {k: v for k, v in params.items() if v and k != "signature"}
    if cert_id:
        sent["certId"] = cert_id
    pairs = [(k.encode(), v.encode()) for k, v in sent.items()]
    text = signature_of(sent["signMethod"], message_of(pairs), key, secret)
    return dict(sent, signature=text.decode())


def verify_request(pairs, key, secret=b""):
    """True if the pairs of a call were signed by the merchant."""
    values = dict(pairs)
    method = values.get(b"signMethod", b"").decode("latin-1")
    given = values.get(b"signature", b"")
    if len(values) != len(pairs):
        return False
    if method == "01":
        return verify(key, given, hexed("11", message_of(pairs)))
    return method in HASHES and secret != b"" and given == signature_of(
        method, message_of(pairs), secret=secret)


# certificates, as a merchant checks them

def _issued(cert, issuer):
    if cert.issuer != issuer.subject:
        return False
    try:
        issuer.public_key().verify(
            cert.signature, cert.tbs_certificate_bytes, padding.PKCS1v15(),
            cert.signature_hash_algorithm)
    except Exception:
        return False
    return True


def _valid(cert, now):
    return (calendar.timegm(cert.not_valid_before.timetuple()) <= now
            <= calendar.timegm(cert.not_valid_after.timetuple()))


def name_of(cert):
    """The third part of the common name, None if it has none."""
    names = cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    parts = names[0].value.split("@") if len(names) == 1 else []
    return parts[2] if len(parts) > 2 else None


def check_cert(pem, root, middle, now, names=(UNIONPAY,)):
    """The key of a certificate that came along, if it is UnionPay's."""
    if pem.count(b"-----BEGIN") != 1:
        raise Refused("certificate")
    try:
        leaf = x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise Refused("certificate") from None
    root, middle = (x509.load_pem_x509_certificate(p) for p in (root, middle))
    if not (_issued(leaf, middle) and _issued(middle, root)):
        raise Refused("chain")
    if not all(_valid(cert, now) for cert in (leaf, middle, root)):
        raise Refused("expired")
    if name_of(leaf) not in names:
        raise Refused("name")
    return leaf.public_key()


def check_pairs(pairs, trust, now=None):
    """The values of a genuine message: pairs of bytes, decoded once.

    trust holds method, and root, middle and names, or secret.
    """
    values = dict(pairs)
    if len(values) != len(pairs):
        raise Refused("duplicate")
    given = values.get(b"signature", b"")
    if not given:
        raise Refused("no_signature")
    method = trust.get("method", "01")
    if values.get(b"version", b"").decode("latin-1") != VERSION:
        raise Refused("version")
    if values.get(b"signMethod", b"").decode("latin-1") != method:
        raise Refused("sign_method")
    key = None
    if method == "01":
        key = check_cert(values.get(b"signPubKeyCert", b""), trust["root"],
                         trust["middle"], time.time() if now is None else now,
                         trust.get("names", (UNIONPAY,)))
    for empty in (True, False):
        message = message_of(pairs, empty)
        good = (verify(key, given, hexed("11", message)) if key
                else given == signature_of(method, message,
                                           secret=trust["secret"]))
        if good:
            return values
    raise Refused("signature")


def check_notify(body, trust, account, now=None):
    """The receiving side: the text values of a genuine notice.

    account maps merId and, where known, orderId, txnTime, txnType and txnAmt
    to what they must be.
    """
    values = check_pairs(parse_form(body), trust, now)
    encoding = values.get(b"encoding", b"UTF-8").decode("latin-1")
    try:
        text = {name.decode(encoding): value.decode(encoding)
                for name, value in values.items()}
    except (LookupError, UnicodeDecodeError):
        raise Refused("encoding") from None
    for name, want in account.items():
        if text.get(name) != want:
            raise Refused(name)
    return text


# notices

def notify_params(keys, order, event, skew=0):
    """The fields of a notice as text, before anything goes wrong."""
    refund = order.refund(event.refund) if event.kind == "refund" else None
    stamp = clock((refund.time if refund else order.created) + skew)
    amount = str(refund.amount if refund else order.amount)
    params = {
        "version": VERSION, "encoding": "GBK" if order.charset == "GBK"
        else "UTF-8", "signMethod": "01",
        "txnType": "04" if refund else "01",
        "txnSubType": "00" if refund else "01",
        "bizType": "000201", "accessType": "0",
        "merId": keys.unionpay_ids["merId"],
        "orderId": refund.number if refund else order.order_id,
        "txnTime": stamp,
        "queryId": refund.refund_no if refund else order.trade_no,
        "respCode": "00", "respMsg": "\u6210\u529f[0000000]",
        "txnAmt": amount, "currencyCode": "156",
        "settleAmt": amount, "settleCurrencyCode": "156",
        "settleDate": stamp[4:8], "traceNo": order.trade_no[-6:],
        "traceTime": stamp[4:], "accNo": "6216***********0018",
        "payCardType": "01", "payType": "0001"}
    if refund:
        params["origQryId"] = order.trade_no
        params["origOrderId"] = order.order_id
    if order.attach:
        params["reqReserved"] = order.attach
    return params


def _bend(params, f):
    """The misbehaviours that a genuine signature covers."""
    if f.wrong_account:
        params["merId"] = "777290058199999"
    if f.sign_type:
        params["signMethod"] = f.sign_type
    if f.gbk:
        params["encoding"] = "GBK"
    if f.pad:
        params["reserved"] = "x" * f.pad
    elif f.empty_values:
        params["issAddnData"] = ""
    params.update(f.set or {})


def _signer(keys, f):
    """(key, certificate in PEM) of who signs."""
    if f.certificate:
        return keys.rogue, keys.unionpay_rogue(f.certificate)
    if f.wrong_key == "own":
        return keys.unionpay("merchant")
    key, pem = keys.unionpay("next" if f.key in ("next", "b") else None)
    return (keys.rogue if f.wrong_key else key), pem


def _sign_pairs(keys, pairs, f):
    """The pairs with their certificate and signature."""
    method = f.sign_type if f.sign_type in HASHES else "01"
    key, pem = None, None
    if method == "01":
        key, pem = _signer(keys, f)
        pairs = pairs + [(b"signPubKeyCert", pem_text(pem))]
    message = message_of(pairs, empty=f.empty_values != "unsigned")
    if f.hashed_once:
        text = sign(key, message).encode()
    else:
        text = signature_of(method, message, key, keys.unionpay_secret)
    if f.forged == "signature":
        text = flip_digit(text, 100)
    return pairs + [(b"signature", text)]


def _damage(pairs, f):
    """The misbehaviours that come after signing."""
    target = {"body": b"txnAmt", "timestamp": b"txnTime",
              "nonce": b"queryId"}.get(f.forged)
    if target:
        pairs = [(name, flip_digit(value, len(value) - 1)
                  if name == target else value) for name, value in pairs]
    if f.line_ends:
        pairs = [(name, value.replace(b"\r\n", b"\n"))
                 for name, value in pairs]
    if f.missing_param:
        pairs = [pair for pair in pairs
                 if pair[0] != f.missing_param.encode()]
    if f.duplicate_param:
        pairs = pairs + [(f.duplicate_param.encode(), b"1")]
    return pairs


def callback(keys, order, event=None, now=None, **faults):
    """One try of a notice: (header fields, bytes of the form body).

    What can go wrong on purpose is listed in faults.py.
    """
    f = fault_table.read(PROVIDER, faults)
    order, event, now = occasion(PROVIDER, order, event, now)
    params = notify_params(keys, order, event, f.skew or 0)
    _bend(params, f)
    charset = "GBK" if f.gbk else order.charset
    pairs = [(name.encode(charset), str(value).encode(charset))
             for name, value in params.items()]
    body = build_form(_damage(_sign_pairs(keys, pairs, f), f))
    return {"Content-Type": "application/x-www-form-urlencoded;charset="
            + params["encoding"]}, body


def accepted(status, body):
    """True if the provider takes this answer as received."""
    return status == 200


# answers: not encoded as forms are

def build_answer(pairs):
    return b"&".join(name + b"=" + value for name, value in pairs)


def parse_answer(data):
    """Pairs of bytes of an answer; "&" and "=" in braces are data."""
    if data.startswith(b"{") and data.endswith(b"}"):
        data = data[1:-1]
    pairs, name, text, close = [], None, bytearray(), None
    for byte in data:
        if close is not None:
            close = None if byte == close else close
        elif name is None and byte == 0x3d:
            name, text = bytes(text), bytearray()
            continue
        elif byte == 0x26:
            pairs.append((name, bytes(text)))
            name, text = None, bytearray()
            continue
        elif name is not None and byte in b"{[":
            close = 0x7d if byte == 0x7b else 0x5d
        text.append(byte)
    if name is not None:
        pairs.append((name, bytes(text)))
    return pairs
