"""UnionPay's gateway as pass_peer.py plays it: requests checked, answers made.

    fields       set, or left out (null), before signing
    change       the same after it
    signature    good, bad, none, empty
    method       signMethod instead of that of the request
    cert key     files of t/data/keys: what comes along, and what signs
    secret       the file of a secret that signs
    sign_as      hex (as it should be), text, upper
    drop_empty   empty values are not signed
    lf           CR LF becomes LF after signing
    braces       one pair around all of it
"""

import base64
import hashlib
import urllib.parse

import peer_unionpay

MERID = '777290058110097'


def check(r, peer):
    """'ok', or why the gateway would refuse it."""
    pairs = urllib.parse.parse_qsl(r['raw'].decode('ascii'),
                                   keep_blank_values=True,
                                   encoding='latin-1', strict_parsing=True)
    params = r['params'] = dict(pairs)
    if len(params) != len(pairs):
        return 'a field twice'
    if '' in params.values():
        return 'an empty field'
    if r['method'] != 'POST' or not r['head'].get('content-type', '') \
            .startswith('application/x-www-form-urlencoded;charset='):
        return 'method or type'
    if params.get('version') != '5.1.0' or params.get('merId') != MERID:
        return 'version or merId'
    text = '&'.join('%s=%s' % p for p in sorted(pairs)
                    if p[0] != 'signature').encode('latin-1')
    method = params.get('signMethod')
    if method == '01':
        if params.get('certId') != str(peer.certificate('mch')
                                       .serial_number):
            return 'certId'
        good = peer.verified('mch', params.get('signature', ''),
                             hashlib.sha256(text).hexdigest().encode())
    else:
        secret = peer.read('up_secure.key').strip()
        good = params.get('signature') == peer_unionpay.hashed(
            method, text + b'&'
            + peer_unionpay.hashed(method, secret).encode())
    return 'ok' if good else 'signature over ' + text.decode('latin-1')


def patched(fields, changes):
    for name, value in (changes or {}).items():
        fields.pop(name, None)
        if value is not None:
            fields[name] = value
    return fields


def signature(a, method, text, peer):
    if method != '01':
        secret = peer.read(a.get('secret', 'up_secure') + '.key').strip()
        return peer_unionpay.hashed(
            method, text + b'&'
            + peer_unionpay.hashed(method, secret).encode())
    hexed = hashlib.sha256(text).hexdigest()
    what = {'hex': hexed.encode(), 'text': text,
            'upper': hexed.upper().encode()}[a.get('sign_as', 'hex')]
    bad = a.get('signature') == 'bad'
    return peer.sign('rogue' if bad else a.get('key', 'up'), what)


def answer(a, r, peer):
    asked = r.get('params', {})
    method = a.get('method') or asked.get('signMethod', '01')
    fields = {'version': '5.1.0', 'encoding': 'UTF-8',
              'signMethod': method, 'respCode': '00',
              'respMsg': '成功[0000000]', 'queryId': '512501020304051234568',
              'tn': 'MARK', 'issAddnData': '', 'reserved': '{a=1&b=2}',
              'cardTransData': '[x&y=z]'}
    fields.update({k: asked[k] for k in (
        'merId', 'orderId', 'txnTime', 'txnType', 'txnSubType')
        if k in asked})
    fields['merId'] = fields.get('merId', MERID)
    if method == '01':
        cert = peer.read(a.get('cert', 'up') + '.crt').decode()
        fields['signPubKeyCert'] = cert.strip().replace('\n', '\r\n')
    patched(fields, a.get('fields'))
    charset = fields.get('encoding', 'UTF-8')
    pairs = sorted((k.encode(), v.encode(charset))
                   for k, v in fields.items()
                   if v or not a.get('drop_empty'))
    text = b'&'.join(k + b'=' + v for k, v in pairs)
    made = signature(a, method, text, peer)
    sig = a.get('signature', 'good')
    if sig != 'none':
        fields['signature'] = '' if sig == 'empty' else \
            '0' * 64 if sig == 'bad' and method != '01' else made
    patched(fields, a.get('change'))
    body = b'&'.join(k.encode() + b'=' + v.encode(charset)
                     for k, v in fields.items())
    if a.get('lf'):
        body = body.replace(b'\r\n', b'\n')
    if a.get('braces'):
        body = b'{' + body + b'}'
    return body, [('Content-Type', 'text/html;charset=UTF-8')]
