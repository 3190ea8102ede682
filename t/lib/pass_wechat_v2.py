"""WeChat Pay v2 as pass_peer.py plays it: requests checked, answers made.

    fields       set, or left out (null), before signing
    change       the same after it
    signature    good, bad, none, empty, lower
    kind key     MD5 or HMAC-SHA256 instead of that of the request; the file
                 of t/data/keys that signs
    plain        escaped text instead of CDATA
    text         a body instead of a document, in base64
"""

import base64
import os
import re
import xml.etree.ElementTree as ElementTree

from peer_wechat_v2 import api_key, document, signature

PATHS = re.compile(r'/(pay|secapi|mmpaymkttransfers|mmpaysptrans|risk|payitil'
                   r'|tools)/')


def check(r):
    """'ok', or why WeChat Pay would refuse it."""
    root = ElementTree.fromstring(r['raw'])
    pairs = [(e.tag, e.text or '') for e in root]
    params = r['params'] = dict(pairs)
    if root.tag != 'xml' or len(params) != len(pairs):
        return 'an element twice'
    if '' in params.values():
        return 'an empty element'
    if r['method'] != 'POST' \
            or not r['head'].get('content-type', '').startswith('text/xml'):
        return 'method or type'
    if not re.fullmatch(r'[0-9A-Za-z]{32}', params.get('nonce_str', '')):
        return 'nonce_str'
    r['nonce'] = params['nonce_str']
    kind = params.get('sign_type', 'MD5')
    made = signature([(k.encode(), v.encode()) for k, v in pairs],
                     api_key('wxv2'), kind)
    return 'ok' if made == params.get('sign') else 'sign'


def plain_answer(r):
    params = r.get('params', {})
    f = {'return_code': 'SUCCESS', 'return_msg': 'OK',
         'appid': 'wxd930ea5d5a258f4f', 'mch_id': '10000100',
         'nonce_str': os.urandom(16).hex(), 'result_code': 'SUCCESS',
         'device_info': '', 'attach': '支付<测试> & more'}
    if r['path'] == '/pay/unifiedorder':
        f.update(prepay_id='wx201411101639507cbf6ffd8b0779950874',
                 code_url='weixin://wxpay/bizpayurl?pr=MARK',
                 trade_type='NATIVE')
    else:
        f.update(trade_state='SUCCESS', total_fee='100', openid='MARK')
        f.update({k: params[k] for k in ('out_trade_no', 'transaction_id',
                                         'out_refund_no') if k in params})
    return f


def patched(fields, changes):
    for name, value in (changes or {}).items():
        fields.pop(name, None)
        if value is not None:
            fields[name] = value
    return fields


def answer(a, r):
    head = [('Content-Type', 'text/plain')]
    if 'text' in a:
        return base64.b64decode(a['text']), head
    fields = patched(plain_answer(r), a.get('fields'))
    pairs = [(k.encode(), v.encode()) for k, v in fields.items()]
    kind = a.get('kind') or r.get('params', {}).get('sign_type', 'MD5')
    sig = a.get('signature', 'good')
    made = signature(pairs, api_key('wxv2_next' if sig == 'bad'
                                    else a.get('key', 'wxv2')), kind)
    if sig != 'none':
        fields['sign'] = '' if sig == 'empty' else \
            made.lower() if sig == 'lower' else made
    fields = patched(fields, a.get('change'))
    return document(b'xml', [(k.encode(), v.encode())
                             for k, v in fields.items()],
                    a.get('plain')), head
