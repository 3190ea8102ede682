"""
The sending side of providers that paygw knows by configuration alone.

A style is one way to sign a callback.  The strings to sign are put together
here from the documentation of each provider, by Python's own code; the
channels in conf-examples/generic-*.conf verify them.

    python3 -m sandbox.generic --style paddle --dir DIR --url URL
"""

import argparse
import base64
import binascii
import datetime
import hashlib
import hmac
import json
import os
import secrets
import sys
import time
import urllib.parse

from . import deliver, faults, keys
from .wire import flip_digit

DOUYIN_APP = "tt07e3715e98c9aac0"
PAYPAL_CERT = "https://api.paypal.com/v1/notifications/certs/CERT-TEST"
SQUARE_URL = "https://pay.example.com/notify/square"
WEBHOOK_ID = "0EH40505U7160970P"


# -- strings to sign and signatures, as the documentation has them --

def mac(secret, text, name="sha256"):
    return hmac.new(secret, text, name)


def github(secret, body):
    return "sha256=" + mac(secret, body).hexdigest()


def stripe(secret, when, body):
    text = b"%d." % when + body
    return "t=%d,v1=%s" % (when, mac(secret, text).hexdigest())


def standard_webhooks(secret, ident, when, body):
    key = base64.b64decode(secret[len(b"whsec_"):])
    text = b"%s.%d." % (ident.encode(), when) + body
    return "v1," + base64.b64encode(mac(key, text).digest()).decode()


def paddle(secret, when, body):
    text = b"%d:" % when + body
    return "ts=%d;h1=%s" % (when, mac(secret, text).hexdigest())


def razorpay(secret, body):
    return mac(secret, body).hexdigest()


def square(secret, url, body):
    text = url.encode() + body
    return base64.b64encode(mac(secret, text).digest()).decode()


def adyen(secret, item):
    """Eight fields; what is absent is an empty place."""
    fields = [item["pspReference"], item.get("originalReference", ""),
              item["merchantAccountCode"], item["merchantReference"],
              str(item["amount"]["value"]), item["amount"]["currency"],
              item["eventCode"], item["success"]]
    code = mac(binascii.unhexlify(secret), ":".join(fields).encode())
    return base64.b64encode(code.digest()).decode()


def adyen_platform(secret, body):
    code = mac(binascii.unhexlify(secret), body)
    return base64.b64encode(code.digest()).decode()


def douyin(key, when, nonce, body):
    text = b"%d\n%s\n" % (when, nonce.encode()) + body + b"\n"
    return keys.sign(key, text)


def douyin_old(token, when, nonce, text):
    return hashlib.sha1(b"".join(sorted(
        [token, when.encode(), nonce.encode(), text.encode()]))).hexdigest()


def paypal(key, ident, when, webhook_id, body):
    text = "%s|%s|%s|%d" % (ident, when, webhook_id, binascii.crc32(body))
    return keys.sign(key, text.encode())


def joined(secret, fields):
    return b"&".join(b"%s=%s" % (name.encode(), fields[name].encode())
                     for name in sorted(fields) if fields[name] != "") \
        + b"&key=" + secret


def md5_form(secret, fields):
    return hashlib.md5(joined(secret, fields)).hexdigest().upper()


def hmac_xml(secret, fields):
    return mac(secret, joined(secret, fields)).hexdigest().upper()


# -- keys --

def make_text():
    return secrets.token_urlsafe(24).encode()


def make_hex():
    return secrets.token_hex(32).upper().encode()


def make_whsec():
    return b"whsec_" + base64.b64encode(secrets.token_bytes(24))


class Ring:
    """The secrets and keys of all styles, in the files of the examples."""

    MADE = {"github": make_text, "stripe": make_text, "paddle": make_text,
            "webhooks": make_whsec, "razorpay": make_text,
            "square": make_text, "adyen": make_hex, "douyin_old": make_text,
            "gateway": make_text}

    def __init__(self, folder):
        self.dir = folder
        os.makedirs(folder, exist_ok=True)
        for name, make in self.MADE.items():
            path = os.path.join(folder, name + ".secret")
            if not os.path.exists(path):
                handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
                with open(handle, "wb") as file:
                    file.write(make() + b"\n")
        self._pair("douyin", "public")
        self._pair("paypal", "certificate", cert=True)

    def _pair(self, name, public, cert=False):
        folder = os.path.join(self.dir, name)
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "sender.key")
        if os.path.exists(path):
            return
        key = keys.rsa.generate_private_key(65537, 2048)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        with open(handle, "wb") as file:
            file.write(keys.private_pem(key))
        if cert:
            who = keys.name("messageverificationcerts.sandbox.example")
            data = keys.certificate(who, who, key, key)
        else:
            data = keys.public_pem(key)
        with open(os.path.join(folder, public + ".pem"), "wb") as file:
            file.write(data)

    def secret(self, name):
        with open(os.path.join(self.dir, name + ".secret"), "rb") as file:
            return file.read().rstrip(b"\n")

    def private(self, name):
        return keys.load_private(os.path.join(self.dir, name, "sender.key"))


class Stranger:
    """The same, of somebody who does not have the keys."""

    def secret(self, name):
        return Ring.MADE[name]()

    def private(self, name):
        return keys.rsa.generate_private_key(65537, 2048)


# -- messages: (header fields, body) of a paid order --

def compact(value):
    return json.dumps(value, ensure_ascii=False,
                      separators=(",", ":")).encode()


def iso(when):
    return datetime.datetime.fromtimestamp(
        when, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Payment:
    """What a message tells, and the clock and keys of who sends it."""

    def __init__(self, ring, order_id, amount, currency="CNY", now=None,
                 kind=None):
        self.ring = ring
        self.order_id = order_id
        self.amount = amount
        self.currency = currency
        self.kind = kind
        self.now = int(now or time.time())
        self.event_id = secrets.token_hex(12)
        self.trade_no = secrets.token_hex(8)


def send_github(p):
    body = compact({"event": "payment.captured", "order_id": p.order_id,
                    "amount": p.amount, "currency": p.currency,
                    "id": p.event_id, "memo": "\u652f\u4ed8"})
    return {"X-GitHub-Delivery": p.event_id,
            "X-Hub-Signature-256": github(p.ring.secret("github"), body)}, body


def send_stripe(p):
    intent = {"id": "pi_" + p.trade_no, "amount": p.amount,
              "currency": p.currency.lower(),
              "metadata": {"order_id": p.order_id}}
    body = compact({"id": "evt_" + p.event_id, "created": p.now,
                    "type": "payment_intent.succeeded",
                    "data": {"object": intent}})
    return {"Stripe-Signature": stripe(p.ring.secret("stripe"), p.now,
                                       body)}, body


def send_standard_webhooks(p):
    body = compact({"type": "payment.succeeded", "timestamp": iso(p.now),
                    "data": {"payment_id": p.trade_no,
                             "total_amount": p.amount,
                             "currency": p.currency,
                             "metadata": {"order_id": p.order_id}}})
    ident = "msg_" + p.event_id
    return {"webhook-id": ident, "webhook-timestamp": str(p.now),
            "webhook-signature": standard_webhooks(
                p.ring.secret("webhooks"), ident, p.now, body)}, body


def send_paddle(p):
    body = compact({
        "event_id": "evt_" + p.event_id,
        "event_type": p.kind or "transaction.completed",
        "occurred_at": iso(p.now), "notification_id": "ntf_" + p.event_id,
        "data": {"id": "txn_" + p.trade_no, "status": "completed",
                 "customer_id": "ctm_1", "currency_code": p.currency,
                 "custom_data": {"order_id": p.order_id},
                 "details": {"totals": {"grand_total": str(p.amount)}}}})
    return {"Paddle-Signature": paddle(p.ring.secret("paddle"), p.now,
                                       body)}, body


def send_razorpay(p):
    entity = {"id": "pay_" + p.trade_no, "amount": p.amount,
              "currency": p.currency, "status": "captured",
              "notes": {"order_id": p.order_id}}
    body = compact({"entity": "event", "event": "payment.captured",
                    "payload": {"payment": {"entity": entity}},
                    "created_at": p.now})
    return {"X-Razorpay-Event-Id": p.event_id, "X-Razorpay-Signature":
            razorpay(p.ring.secret("razorpay"), body)}, body


def send_square(p):
    payment = {"id": p.trade_no, "status": "COMPLETED",
               "reference_id": p.order_id,
               "amount_money": {"amount": p.amount, "currency": p.currency}}
    body = compact({"type": "payment.updated", "event_id": p.event_id,
                    "created_at": iso(p.now),
                    "data": {"type": "payment",
                             "object": {"payment": payment}}})
    return {"x-square-hmacsha256-signature":
            square(p.ring.secret("square"), SQUARE_URL, body)}, body


def send_adyen(p):
    item = {"pspReference": p.trade_no.upper(),
            "merchantAccountCode": "TestMerchant",
            "merchantReference": p.order_id,
            "amount": {"value": p.amount, "currency": p.currency},
            "eventCode": "AUTHORISATION", "success": "true",
            "eventDate": iso(p.now), "reason": "1234:7777:12/2030"}
    item["additionalData"] = {
        "hmacSignature": adyen(p.ring.secret("adyen"), item)}
    return {}, compact({"live": "false", "notificationItems": [
        {"NotificationRequestItem": item}]})


def send_adyen_platform(p):
    body = compact({"type": "balancePlatform.transfer.updated",
                    "environment": "test", "timestamp": iso(p.now),
                    "data": {"id": p.trade_no, "status": "booked",
                             "reference": p.order_id,
                             "amount": {"value": p.amount,
                                        "currency": p.currency}}})
    return {"HmacSignature": adyen_platform(p.ring.secret("adyen"),
                                            body)}, body


def send_douyin(p):
    text = compact({"app_id": DOUYIN_APP, "out_order_no": p.order_id,
                    "order_id": "ots" + p.trade_no, "status": "SUCCESS",
                    "total_amount": p.amount}).decode()
    body = compact({"version": "3.0", "msg": text, "type": "payment"})
    nonce = secrets.token_hex(8)
    return {"Byte-Timestamp": str(p.now), "Byte-Nonce-Str": nonce,
            "Byte-Signature": douyin(p.ring.private("douyin"), p.now, nonce,
                                     body)}, body


def send_douyin_old(p):
    text = compact({"appid": DOUYIN_APP, "cp_orderno": p.order_id,
                    "way": "2", "payment_order_no": "PCP" + p.trade_no,
                    "total_amount": p.amount, "status": "SUCCESS"}).decode()
    when, nonce = str(p.now), str(secrets.randbelow(10000))
    sign = douyin_old(p.ring.secret("douyin_old"), when, nonce, text)
    return {}, compact({"timestamp": when, "nonce": nonce, "msg": text,
                        "type": "payment", "msg_signature": sign})


def send_paypal(p):
    value = "%d.%02d" % divmod(p.amount, 100)
    body = compact({"id": "WH-" + p.event_id, "create_time": iso(p.now),
                    "event_type": "PAYMENT.CAPTURE.COMPLETED",
                    "resource": {"id": p.trade_no, "custom_id": p.order_id,
                                 "amount": {"currency_code": p.currency,
                                            "value": value}}})
    ident = secrets.token_hex(16)
    return {"PAYPAL-TRANSMISSION-ID": ident,
            "PAYPAL-TRANSMISSION-TIME": iso(p.now),
            "PAYPAL-TRANSMISSION-SIG": paypal(
                p.ring.private("paypal"), ident, iso(p.now), WEBHOOK_ID,
                body),
            "PAYPAL-CERT-URL": PAYPAL_CERT,
            "PAYPAL-AUTH-ALGO": "SHA256withRSA"}, body


def send_md5_form(p):
    fields = {"pay_order_id": "P" + p.trade_no, "mch_no": "M1621873433953",
              "state": "2", "mch_order_no": p.order_id,
              "amount": str(p.amount), "currency": p.currency.lower(),
              "subject": "\u5546\u54c1 a=b", "attach": ""}
    fields["sign"] = md5_form(p.ring.secret("gateway"), fields)
    return {"Content-Type": "application/x-www-form-urlencoded"}, \
        urllib.parse.urlencode(fields).encode()


def send_hmac_xml(p):
    fields = {"mch_id": "10000100", "out_trade_no": p.order_id,
              "transaction_id": "4200" + p.trade_no,
              "total_fee": str(p.amount), "fee_type": p.currency,
              "return_code": "SUCCESS", "result_code": "SUCCESS"}
    fields["sign"] = hmac_xml(p.ring.secret("gateway"), fields)
    body = "<xml>%s</xml>" % "".join(
        "<%s><![CDATA[%s]]></%s>" % (name, text, name)
        for name, text in fields.items())
    return {"Content-Type": "text/xml"}, body.encode()


STYLES = {
    "github": send_github,
    "stripe": send_stripe,
    "standard-webhooks": send_standard_webhooks,
    "paddle": send_paddle,
    "razorpay": send_razorpay,
    "square": send_square,
    "adyen": send_adyen,
    "adyen-platform": send_adyen_platform,
    "douyin": send_douyin,
    "douyin-old": send_douyin_old,
    "paypal": send_paypal,
    "md5-form": send_md5_form,
    "hmac-xml": send_hmac_xml,
}


def compose(ring, style, order_id, amount, currency="CNY", url="", now=None,
            forged=False, stranger=False, kind=None):
    """A message; forged: one digit of the amount is another, unsigned."""
    if kind and style != "paddle":
        raise ValueError("only paddle has other kinds")
    payment = Payment(Stranger() if stranger else ring, order_id, amount,
                      currency, now, kind)
    head, body = STYLES[style](payment)
    if forged:
        value = "%d.%02d" % divmod(amount, 100) if style == "paypal" \
            else str(amount)
        body = flip_digit(body, body.index(value.encode()))
    head.setdefault("Content-Type", "application/json")
    return deliver.Message(url, list(head.items()), body)


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="sandbox.generic", description="Sends one callback of a "
        "provider that is configured by expressions.")
    parser.add_argument("--style", choices=sorted(STYLES), required=True)
    parser.add_argument("--dir", default="build/sandbox/generic",
                        help="the key directory (build/sandbox/generic)")
    parser.add_argument("--url", required=True, help="where to")
    parser.add_argument("--order-id", default="ORDER_000001")
    parser.add_argument("--amount", type=int, default=100)
    parser.add_argument("--currency", default="CNY")
    parser.add_argument("--now", type=int, help="the clock, Unix seconds")
    parser.add_argument("--forged", action="store_true",
                        help="change the amount after signing")
    parser.add_argument("--stranger", action="store_true",
                        help="sign with keys that nobody knows")
    parser.add_argument("--kind", help="of paddle: another event_type, as "
                        "transaction.payment_failed")
    parser.add_argument("--dump", action="store_true",
                        help="write the raw request instead of sending it")
    options = parser.parse_args(argv)

    message = compose(Ring(options.dir), options.style, options.order_id,
                      options.amount, options.currency, options.url,
                      options.now, options.forged, options.stranger,
                      options.kind)
    wire = faults.read("alipay", {})
    if options.dump:
        sys.stdout.buffer.write(deliver.raw_request(message, wire))
        return 0
    try:
        status, body = deliver.transmit(
            message.url, deliver.head_of(message, wire), message.body, wire)
    except OSError as error:
        print("000", error)
        return 1
    print(status, body.decode("utf-8", "replace"))
    return 0 if 200 <= status < 300 else 1


if __name__ == "__main__":
    sys.exit(main())
