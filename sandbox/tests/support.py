"""What the tests share: keys made once, a shop, and a signing client."""

import atexit
import http.client
import json
import os
import shutil
import tempfile
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sandbox import alipay, stripe, unionpay, wechat_v3
from sandbox.keys import Keys
from sandbox.server import Sandbox, Server

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(os.path.dirname(HERE), "testdata")
ROOT = os.path.dirname(os.path.dirname(HERE))

_keys = None


def keys():
    """One key directory for all tests: making it is the slow part."""
    global _keys
    if _keys is None:
        path = tempfile.mkdtemp(prefix="sandbox-keys-")
        atexit.register(shutil.rmtree, path, True)
        _keys = Keys(path)
    return _keys


def check_wechat(headers, body, now=None):
    """The receiving side with the keys of the tests."""
    k = keys()
    return wechat_v3.check_notify(
        headers, body, k.platform_public(), k.api_v3_key,
        {k.ids["mchid"], k.ids["sub_mchid"]}, now,
        {k.ids["appid"], k.ids["sub_appid"]})


def check_alipay(body, **more):
    k = keys()
    account = {"app_id": k.ids["app_id"], "seller_id": k.ids["seller_id"]}
    public = [k.alipay().public_key(), k.alipay("next").public_key()]
    return alipay.check_notify(body, public, dict(account, **more))


def check_unionpay(body, **more):
    k = keys()
    trust = {"root": k.read("unionpay/root.cer"),
             "middle": k.read("unionpay/middle.cer")}
    return unionpay.check_notify(
        body, trust, dict({"merId": k.unionpay_ids["merId"]}, **more))

def check_stripe(headers, body, now=None):
    return stripe.check_notify(headers, body, [keys().stripe()], now, False)


class Shop:
    """A receiver of callbacks that verifies and answers like a shop.

    script holds (status, body) for the next answers; when it is empty, the
    answer follows from the verification.
    """

    def __init__(self):
        self.seen = []
        self.script = []
        self.lock = threading.Lock()
        shop = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format, *args):
                pass

            def body(self):
                if self.headers.get("Transfer-Encoding") == "chunked":
                    data = b""
                    while True:
                        size = int(self.rfile.readline(), 16)
                        data += self.rfile.read(size)
                        self.rfile.readline()
                        if not size:
                            return data
                length = int(self.headers["Content-Length"])
                return self.rfile.read(length)

            def do_POST(self):
                body = self.body()
                status, text = shop.take(self, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(text)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d/notify" % self.server.server_port
        threading.Thread(target=self.server.serve_forever,
                         kwargs={"poll_interval": 0.02},
                         daemon=True).start()

    def take(self, handler, body):
        pairs = handler.headers.items()
        form = "form" in handler.headers.get("Content-Type", "")
        with self.lock:
            self.seen.append((pairs, body))
            if self.script:
                return self.script.pop(0)
        try:
            if b"signPubKeyCert=" in body:
                check_unionpay(body)
            elif form:
                check_alipay(body)
            elif handler.headers.get("Stripe-Signature"):
                check_stripe(pairs, body)
                return (200, b"")
            else:
                check_wechat(pairs, body)
        except (alipay.Refused, stripe.Refused, unionpay.Refused,
                wechat_v3.Refused) as error:
            text = error.reason.encode()
            if b"signPubKeyCert=" in body:
                return (401, text)
            return (200, b"fail " + text) if form else (401, text)
        return (200, b"success") if form else (204, b"")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Running:
    """A sandbox on a free port, and the calls of a merchant."""

    def __init__(self, **options):
        self.keys = keys()
        self.sandbox = Sandbox(self.keys, **options)
        self.server = Server(self.sandbox, port=0).start()

    def close(self):
        self.keys.active = "a"
        self.server.stop()

    def raw(self, method, target, body=b"", headers=None):
        """(status, headers in lower case, body) of a call."""
        connection = http.client.HTTPConnection(
            *self.server.server_address[:2], timeout=10)
        try:
            connection.request(method, target, body, headers or {})
            answer = connection.getresponse()
            head = {k.lower(): v for k, v in answer.getheaders()}
            return answer.status, head, answer.read()
        finally:
            connection.close()

    def control(self, method, target, value=None):
        body = b"" if value is None else json.dumps(value).encode()
        status, _, text = self.raw(method, target, body)
        return status, json.loads(text) if text else None

    def wechat(self, method, target, value=None, serial=None, **more):
        """A signed call of WeChat Pay's API: (status, headers, body)."""
        body = b"" if value is None else json.dumps(value).encode()
        head = {"Accept": "application/json", "User-Agent": "tests",
                "Authorization": wechat_v3.authorization(
                    more.get("key", self.keys.merchant),
                    self.keys.ids["mchid"],
                    self.keys.ids["merchant_serial"], method, target, body,
                    more.get("now"))}
        if body:
            head["Content-Type"] = "application/json"
        if serial:
            head["Wechatpay-Serial"] = serial
        head.update(more.get("headers", {}))
        return self.raw(method, target, more.get("body", body), head)

    def alipay_request(self, method, biz, cert=False, charset="utf-8",
                       **system):
        """The signed parameters of a call of the gateway."""
        params = {"app_id": self.keys.ids["app_id"], "method": method,
                  "charset": charset, "sign_type": "RSA2",
                  "timestamp": "2025-01-02 03:04:05", "version": "1.0",
                  "biz_content": json.dumps(biz, ensure_ascii=False)}
        if cert:
            params["app_cert_sn"] = self.keys.ids["app_cert_sn"]
            params["alipay_root_cert_sn"] = self.keys.ids["root_cert_sn"]
        params.update(system)
        return alipay.sign_request(self.keys.app, params, charset)

    def alipay(self, method, biz, **more):
        """The content of a verified answer, None if it is not signed."""
        body = self.alipay_raw(method, biz, **more)
        return alipay.outcome(body, method, self.keys.alipay().public_key())

    def alipay_raw(self, method, biz, **more):
        params = self.alipay_request(method, biz, **more)
        charset = params["charset"]
        form = urllib.parse.urlencode(params, encoding=charset).encode()
        head = {"Content-Type": "application/x-www-form-urlencoded"}
        status, _, body = self.raw("POST", "/gateway.do?charset=" + charset,
                                   form, head)
        assert status == 200
        return body
