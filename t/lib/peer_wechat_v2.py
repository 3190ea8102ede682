"""WeChat Pay v2 as paygw_peer.py plays it: XML, MD5 or HMAC, and refunds."""

import base64
import datetime
import hashlib
import hmac
import os
import sys
import time
import xml.etree.ElementTree as ElementTree

from cryptography.hazmat.primitives.ciphers import (Cipher, algorithms,
                                                    modes)

CST = datetime.timezone(datetime.timedelta(hours=8))


def api_key(name):
    """The API key of t/data/keys by the name of its file, or none at all."""
    if name == 'empty':
        return b''
    with open(os.path.join(sys.argv[1], name + '.key'), 'rb') as f:
        return f.read()


def local(skew):
    return datetime.datetime.fromtimestamp(int(time.time()) + int(skew), CST)


def element(name, value, plain):
    if plain:
        value = (value.replace(b'&', b'&amp;').replace(b'<', b'&lt;')
                 .replace(b'>', b'&gt;'))
    else:
        value = (b'<![CDATA['
                 + value.replace(b']]>', b']]]]><![CDATA[>') + b']]>')
    return b'<' + name + b'>' + value + b'</' + name + b'>'


def document(root, pairs, plain=False):
    return (b'<' + root + b'>'
            + b''.join(element(k, v, plain) for k, v in pairs)
            + b'</' + root + b'>')


def canonical(pairs):
    return b'&'.join(k + b'=' + v for k, v in sorted(pairs)
                     if v and k != b'sign')


def signature(pairs, key, kind):
    text = canonical(pairs) + b'&key=' + key
    if kind == 'MD5':
        return hashlib.md5(text).hexdigest().upper()
    return hmac.new(key, text, hashlib.sha256).hexdigest().upper()


def seal(key, text, padding=None):
    """req_info; padding: None as it should be, else these bytes."""
    if padding is None:
        n = 16 - len(text) % 16
        padding = bytes([n]) * n
    derived = hashlib.md5(key).hexdigest().encode()
    enc = Cipher(algorithms.AES(derived), modes.ECB()).encryptor()
    return base64.b64encode(enc.update(text + padding) + enc.finalize())


def payment(o):
    order = o['order_id']
    amount = str(o.get('amount', 100))
    return {
        'appid': o.get('appid', 'wxd930ea5d5a258f4f'),
        'mch_id': o.get('mchid', '10000100'),
        'nonce_str': os.urandom(16).hex(),
        'return_code': 'SUCCESS', 'result_code': 'SUCCESS',
        'openid': 'oUpF8uMEb4qRXf22hE3X68TekukE', 'is_subscribe': 'N',
        'trade_type': 'NATIVE', 'bank_type': 'CMB_DEBIT', 'fee_type': 'CNY',
        'total_fee': amount, 'cash_fee': amount,
        'attach': '支付测试 & more',
        'transaction_id': o.get('trade_no', '4200' + order),
        'out_trade_no': order,
        'time_end': local(o.get('skew', 0)).strftime('%Y%m%d%H%M%S')}


def refund(o):
    order = o['order_id']
    fee = str(o.get('refund', 40))
    return {
        'out_refund_no': o.get('refund_id', 'R' + order),
        'out_trade_no': order,
        'refund_account': 'REFUND_SOURCE_RECHARGE_FUNDS',
        'refund_fee': fee,
        'refund_id': o.get('refund_no', '5030' + order),
        'refund_recv_accout': '招商银行借记卡0403',
        'refund_request_source': 'API', 'refund_status': 'SUCCESS',
        'settlement_refund_fee': fee,
        'settlement_total_fee': str(o.get('amount', 100)),
        'success_time': local(o.get('skew', 0)).strftime('%Y-%m-%d %H:%M:%S'),
        'total_fee': str(o.get('amount', 100)),
        'transaction_id': o.get('trade_no', '4200' + order)}


def to_pairs(fields, raw):
    return [(k.encode(), raw(v)) for k, v in fields.items()]


def sealed(o, tools):
    """The elements of a refund's callback, and what is in req_info."""
    inner = tools.patch(refund(o), o.get('inner'))
    if 'inner_text' in o:
        text = tools.raw(o['inner_text'])
    else:
        text = document(b'root', to_pairs(inner, tools.raw))
        text = tools.tamper(text, o.get('before'))
    if o.get('whole'):
        # so many blocks that padding would be a block of its own
        text = text.replace(b'</root>', b' ' * (-len(text) % 16) + b'</root>')
    padding = tools.raw(o['padding']) if 'padding' in o else None
    info = seal(api_key(o.get('key', 'wxv2')), text, padding)
    fields = {k: v for k, v in payment(o).items()
              if k in ('appid', 'mch_id', 'nonce_str', 'return_code')}
    fields['req_info'] = info.decode()
    return fields, inner


def make(o, tools):
    """A callback: see payment() and refund() for what it says.

    fields: changes before signing, inner: of a refund; change, prepend and
    append: after it; sign: this one (None: none), sign_type, key, plain (no
    CDATA), skew, body, and before and tamper: replacements in the text.
    """
    o.setdefault('order_id', tools.unique('W'))
    inner = {}
    if o.get('type') == 'refund':
        fields, inner = sealed(o, tools)
    else:
        fields = payment(o)
    pairs = to_pairs(tools.patch(fields, o.get('fields')), tools.raw)
    kind = o.get('sign_type', 'MD5')
    if o.get('type') != 'refund':
        sign = signature(pairs, api_key(o.get('key', 'wxv2')), kind)
        sign = o.get('sign', sign)
        if sign is not None:
            pairs.append((b'sign', sign.encode()))

    for name, value in (o.get('change') or {}).items():
        pairs = [(k, v) for k, v in pairs if k != name.encode()]
        if value is not None:
            pairs.append((name.encode(), tools.raw(value)))
    pairs = ([(tools.raw(k), tools.raw(v)) for k, v in o.get('prepend') or []]
             + pairs
             + [(tools.raw(k), tools.raw(v)) for k, v in o.get('append')
                or []])
    body = document(b'xml', pairs, o.get('plain'))
    if 'body' in o:
        body = tools.raw(o['body'])
    body = tools.tamper(body, o.get('tamper'))

    # what the gateway should have tried to verify, without the key
    try:
        got = [(e.tag.encode(), (e.text or '').encode())
               for e in ElementTree.fromstring(body)]
    except (ElementTree.ParseError, ValueError):
        got = []
    text = canonical(got)
    return tools.message(
        o, '/notify/wxv2', [['Content-Type', 'text/xml']], body, {
            'order_id': o['order_id'], 'fields': fields, 'inner': inner,
            'id': fields.get('transaction_id') or inner.get('refund_id'),
            'signed_len': len(text),
            'signed_sha256': hashlib.sha256(text).hexdigest()})
