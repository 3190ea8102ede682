"""Signs a call in the form of parameters ("paygw_auth_style params").

    fields = sign({'order': '20241027_1', 'amount': '100'}, 'k1', secret)
    body = urllib.parse.urlencode(fields)

Values are text; the secret is bytes.  A value with "&NAME=" in it may be
refused: the text that is signed could be read in two ways.
"""

import hashlib
import hmac
import secrets
import time


def text(fields):
    return "&".join('%s=%s' % (name, fields[name]) for name in sorted(fields)
                    if name != 'sign' and fields[name] != '')


def sign(fields, key_id, secret):
    fields = dict(fields, key_id=key_id, timestamp=str(int(time.time())),
                  nonce_str=secrets.token_urlsafe(24))
    fields['sign'] = hmac.new(secret, text(fields).encode(),
                              hashlib.sha256).hexdigest()
    return fields
