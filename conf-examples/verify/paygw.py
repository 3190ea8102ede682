"""Does a request come from our own gateway, and is it fresh?

headers: any mapping of names to text that does not care for case, as
         request.headers of Flask, Django, Starlette and aiohttp
body:    the bytes of the body, before anything has parsed them
key:     the bytes of the file that "sign=file:..." of paygw_deliver names,
         without the newline at its end
"""

import hashlib
import hmac
import time


def genuine(headers, body, key, window=300):
    names = headers.get("x-paygw-signed") or ""
    text = "".join((headers.get(n) or "") + "\n"
                   for n in ["x-paygw-signed"] + names.split())
    mac = hmac.new(key, text.encode() + body, hashlib.sha256).hexdigest()
    return len(key) >= 16 and any(
        hmac.compare_digest(b"v1=" + mac.encode(), s.encode())
        for s in (headers.get("x-paygw-signature") or "").split(",")
    ) and abs(time.time() - int(headers["x-paygw-timestamp"])) <= window
