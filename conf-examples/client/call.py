"""Calls a location with "paygw_auth": Python, without any other package.

    from call import Caller
    shop = Caller('https://pay.example.com', 'k1', secret)
    status, body = shop.call('POST', '/api/orders', b'{"amount":100}')

The secret is bytes.  An answer that is not signed for its call is an error,
unless the location is without sign_response: Caller(..., signed=False).
"""

import hashlib
import hmac
import secrets
import time
import urllib.error
import urllib.request


class Unsigned(Exception):
    """The answer is not one to this call; nothing is known of its outcome."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signature is for one target and one time."""

    def redirect_request(self, *args):
        return None


class Caller:

    def __init__(self, base, key_id, secret, signed=True, timeout=10):
        self.base = base
        self.key_id = key_id
        self.secret = secret
        self.signed = signed
        self.timeout = timeout
        self.open = urllib.request.build_opener(NoRedirect).open

    def mac(self, *lines):
        text = ''.join('%s\n' % line for line in lines).encode()
        return hmac.new(self.secret, text, hashlib.sha256).hexdigest()

    def call(self, method, target, body=b'', headers=None):
        """target: path and query, encoded as they are to be sent."""
        now = str(int(time.time()))
        nonce = secrets.token_urlsafe(24)
        fields = dict(headers or {})
        fields.update({
            'X-Key-Id': self.key_id,
            'X-Timestamp': now,
            'X-Nonce': nonce,
            'X-Signature': self.mac(method, target, now, nonce,
                                    hashlib.sha256(body).hexdigest())})
        request = urllib.request.Request(self.base + target,
                                         data=body or None, headers=fields,
                                         method=method)
        try:
            answer = self.open(request, timeout=self.timeout)
        except urllib.error.HTTPError as e:
            answer = e
        with answer:
            text = answer.read()
            status = answer.status
            got = answer.headers
        if self.signed:
            want = self.mac(status, got.get('X-Timestamp', ''), nonce,
                            hashlib.sha256(text).hexdigest())
            if not hmac.compare_digest(got.get('X-Signature', ''), want):
                raise Unsigned(status)
        return status, text
