"""The REST form of Alipay's API: what an application calls below /v3/alipay/.

The operations are those of the gateway; only the envelope is another.
"""

import json
import re
import secrets
import time

from .alipay import ApiError
from .alipay_api import UPLOAD, opened
from .keys import sign, verify
from .sealed import aes_seal
from .wire import Response, parts

PREFIX = "/v3/alipay/"
WINDOW = 300

AUTHORIZATION = re.compile(
    r"ALIPAY-SHA256withRSA (app_id=([0-9]+)(?:,app_cert_sn=([0-9a-f]{32}))?"
    r",nonce=([^,]+),timestamp=([0-9]{13})),sign=([^,]+)")


def answer_message(stamp, nonce, body):
    """What is signed of an answer."""
    return ("%s\n%s\n" % (stamp, nonce)).encode() + body + b"\n"


class Api:
    """The REST form over the operations of a gateway."""

    name = "alipay_v3"

    def __init__(self, gateway, keys):
        self.gateway = gateway
        self.keys = keys
        self.nonces = set()

    def handle(self, request):
        """The answer: an error has a status of its own, and a word."""
        signed, cert, aes = False, None, False
        try:
            body, files = self._signed(request)
            cert = self._authorized(request, body)
            signed = True
            method = request.path[len("/v3/"):].replace("/", ".")
            call = self.gateway.operations.get(method)
            if call is None:
                raise ApiError("40002", "isv.invalid-method",
                               "no such method")
            biz = self._biz(self._text(request, body))
            aes = "alipay-encrypt-type" in request.headers
            status, value = 200, call(biz, files if method == UPLOAD else {
                "method": method, "notify_url": biz.get("notify_url", "")})
        except ApiError as error:
            word = error.content["sub_code"]
            status = 500 if word.endswith("SYSTEM_ERROR") else 400
            value, aes = {"code": word,
                          "message": error.content["sub_msg"]}, False
        return self._answer(status, value, signed, cert, aes)

    @staticmethod
    def _signed(request):
        """The bytes of a body that are signed, and files beside them."""
        try:
            found = parts(request)
        except ValueError:
            raise ApiError("40002", "isv.invalid-parameter",
                           "the upload cannot be read") from None
        if found is None:
            return request.body, []
        text = [data for name, file, data in found
                if name == "data" and file is None]
        return (text or [b""])[0], [data for _, file, data in found
                                    if file is not None]

    def _authorized(self, request, body):
        """The SN of the application's certificate, if it names one."""
        match = AUTHORIZATION.fullmatch(
            request.headers.get("authorization", ""))
        if not match:
            raise ApiError("40001", "isv.missing-signature",
                           "no Authorization")
        auth, app_id, cert, nonce, stamp, text = match.groups()
        if app_id != self.keys.ids["app_id"]:
            raise ApiError("40002", "isv.invalid-app-id",
                           "no such application")
        if cert not in (None, self.keys.ids["app_cert_sn"]):
            raise ApiError("40002", "isv.app-cert-not-exist",
                           "no such app_cert_sn")
        if abs(int(stamp) / 1000 - time.time()) > WINDOW \
                or nonce in self.nonces:
            raise ApiError("40002", "isv.invalid-timestamp",
                           "too old, or seen before")
        message = "\n".join((auth, request.method, request.target, ""))
        message = message.encode() + body + b"\n"
        token = request.headers.get("alipay-app-auth-token")
        if token:
            message += token.encode() + b"\n"
        if not verify(self.keys.app.public_key(), text, message):
            raise ApiError("40002", "isv.invalid-signature",
                           "the signature does not fit")
        self.nonces.add(nonce)
        return cert

    def _text(self, request, body):
        """The body; one that is encrypted says so, and has another type."""
        kind = request.headers.get("content-type", "").partition(";")[0]
        aes = request.headers.get("alipay-encrypt-type")
        if aes not in (None, "AES"):
            raise ApiError("40002", "isv.invalid-encrypt-type", "AES")
        if body and (kind == "text/plain") != (aes is not None):
            raise ApiError("40002", "isv.invalid-parameter",
                           "Content-Type is text/plain of what is encrypted")
        if aes:
            return opened(self.keys, request, "body",
                          body.decode("latin-1"))
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError:
            raise ApiError("40002", "isv.invalid-parameter",
                           "the body is not UTF-8") from None

    @staticmethod
    def _biz(text):
        try:
            value = json.loads(text or "{}")
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise ApiError("40002", "isv.invalid-parameter",
                           "the body is not a JSON object")
        return value

    def _answer(self, status, value, signed, cert, aes):
        body = json.dumps(value, ensure_ascii=False,
                          separators=(",", ":")).encode("utf-8")
        head = {"Content-Type": "application/json;charset=utf-8",
                "alipay-trace-id": secrets.token_hex(16)}
        if aes:
            # errors are told in clear
            body = aes_seal(self.keys.aes_key, body)
            head["Content-Type"] = "text/plain;charset=utf-8"
            head["alipay-encrypt-type"] = "AES"
        if signed:
            stamp = "%d" % (time.time() * 1000)
            nonce = secrets.token_hex(16)
            head["alipay-timestamp"] = stamp
            head["alipay-nonce"] = nonce
            head["alipay-signature"] = sign(
                self.keys.alipay(), answer_message(stamp, nonce, body))
            if cert:
                head["alipay-sn"] = self.keys.ids[
                    self.keys.alipay_active + "_cert_sn"]
        return Response(status, body, head)
