"""
How the providers' APIs may answer other than they should.

POST /sandbox/answers {"fault": WORD, "times": N} bends the next N answers to
calls of WeChat Pay, Alipay, UnionPay and Stripe; what was called for is done
all the same, as it is with a real provider whose answer is lost.  With "only",
a regular expression, it is the next N of operations whose name has that in it:
see calls.py.  Without it, answers that carry the provider's own certificates
are not bent and not counted: a client fetches those when it wants to, and
lies.py bends them.
"""

import re
import time

from .alipay_api import DOWNLOAD
from .keys import sign
from .wechat_v3 import PROBE, answer_message
from .wire import Response, flip_digit

SIGNATURE = "Wechatpay-Signature"
ALIPAY = "alipay-signature"
CERTIFICATES = ("GET /v3/certificates", DOWNLOAD)

WORDS = {
    "": "honest",
    "probe": "a signature probe (WeChat Pay)",
    "bad_signature": "one byte of what is signed is another",
    "changed": "one byte of the body is another",
    "unsigned": "no signature",
    "stale": "signed an hour ago (WeChat Pay)",
    "twin": "a second content in front, unsigned (Alipay)",
    "error": "status 500, unsigned",
    "garbage": "not JSON",
    "silent": "nothing for 30 seconds",
    "truncated": "half of it", "slow": "a byte each 0.1 s",
    "chunked": "honest, in chunks",
}


class Bender:
    """Bends so many answers; clock and sleep are for its own tests."""

    def __init__(self, keys, sleep=time.sleep):
        self.keys = keys
        self.sleep = sleep
        self.fault = ""
        self.times = 0
        self.only = ""
        self.bent = 0

    def set(self, fault, times, only=""):
        if fault not in WORDS:
            raise ValueError("fault is one of " + " ".join(WORDS))
        if type(times) is not int or times < 1:
            raise ValueError("times is a positive number")
        try:
            re.compile(only)
        except (re.error, TypeError):
            raise ValueError("only is a regular expression") from None
        self.fault, self.times, self.only = fault, times, only

    def plain(self):
        return {"fault": self.fault, "times": self.times, "only": self.only,
                "bent": self.bent}

    def bend(self, response, operation=""):
        """The answer, or what comes in its place."""
        if not self.fault or not self.times or not self._meant(operation):
            return response
        self.times -= 1
        self.bent += 1
        return getattr(self, "_" + self.fault)(response)

    def _meant(self, operation):
        if self.only:
            return re.search(self.only, operation)
        return operation not in CERTIFICATES

    def _probe(self, response):
        text = response.headers.get(SIGNATURE)
        if text:
            response.headers[SIGNATURE] = PROBE + text[len(PROBE):]
        return response

    def _bad_signature(self, response):
        name = SIGNATURE if SIGNATURE in response.headers else ALIPAY
        if name in response.headers:
            response.headers[name] = flip_digit(
                response.headers[name].encode(), 100).decode()
        else:
            # of Alipay, WeChat Pay v2, UnionPay
            for mark in (b'"code":"', b"<sign><![CDATA[", b"&signature=",
                         b'"sign":"'):
                at = response.body.find(mark)
                if at >= 0:
                    response.body = flip_digit(response.body,
                                               at + len(mark))
                    break
        return response

    @staticmethod
    def _changed(response):
        if response.body:
            response.body = flip_digit(response.body,
                                       len(response.body) // 2)
        return response

    def _unsigned(self, response):
        for name in list(response.headers):
            if name.startswith("Wechatpay-") or name == ALIPAY:
                del response.headers[name]
        response.body = re.sub(
            rb',"sign":"[^"]*"|<sign>.*?</sign>|&signature=[^&]*', b"",
            response.body)
        return response

    def _stale(self, response):
        if SIGNATURE in response.headers:
            stamp = str(int(time.time()) - 3600)
            which = self.keys.platform_by_serial(
                response.headers["Wechatpay-Serial"])
            response.headers["Wechatpay-Timestamp"] = stamp
            response.headers[SIGNATURE] = sign(
                self.keys.platform(which)[1],
                answer_message(stamp, response.headers["Wechatpay-Nonce"],
                               response.body))
        return response

    def _twin(self, response):
        match = re.match(rb'\{("\w+_response"):', response.body)
        if match:
            response.body = (b"{" + match.group(1) + b':{"code":"10000"},'
                             + response.body[1:])
        return response

    @staticmethod
    def _error(_response):
        return Response(500, b"{}")

    @staticmethod
    def _garbage(response):
        response.body = b"<html>not JSON</html>"
        return response

    def _silent(self, response):
        self.sleep(30)
        return response

    @staticmethod
    def _truncated(response):
        response.manner = "truncated"
        return response

    @staticmethod
    def _slow(response):
        response.manner = "slow"
        return response

    @staticmethod
    def _chunked(response):
        response.manner = "chunked"
        return response
