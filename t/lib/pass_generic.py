"""Gateways of nobody in particular, as pass_peer.py serves them.

What they sign and how is written down here once more, in Python: it is what
the configuration of t/pass-generic.t is compared with.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
import urllib.parse

PATHS = re.compile(r'/(md5|xml|hmac|ed|bare)/')


def style(r):
    return PATHS.match(r['path']).group(1)


def joined(fields, key):
    text = '&'.join('%s=%s' % item for item in sorted(fields.items())
                    if item[1] != '' and item[0] != 'sign')
    return (text + '&key=' + key).encode()


def md5(fields, peer):
    key = peer.read('g_md5.key').decode().strip()
    return hashlib.md5(joined(fields, key)).hexdigest().upper()


def mac(data, peer):
    key = base64.b64decode(peer.read('g_hmac.key').strip())
    return hmac.new(key, data, hashlib.sha256).digest()


def near(stamp):
    return abs(int(stamp) - time.time()) < 300


def check_md5(r, peer):
    """Sorted parameters of a form and an MD5 with the key at its end."""
    pairs = urllib.parse.parse_qsl(r['raw'].decode('ascii'),
                                   keep_blank_values=True)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        return 'a field twice'
    r['fields'] = fields
    r['nonce'] = fields.get('nonce_str', '')
    if not re.fullmatch('[0-9a-v]{32}', r['nonce']):
        return 'nonce_str'
    if fields.get('mch_id') != 'M1' or not near(fields.get('time', '0')):
        return 'mch_id or time'
    return 'ok' if fields.get('sign') == md5(fields, peer) else 'sign'


def check_xml(r, peer):
    """The same with HMAC-SHA256, in XML."""
    fields = dict(re.findall(r'<(\w+)>(?:<!\[CDATA\[)?(.*?)(?:\]\]>)?</\1>',
                             r['body'].removeprefix('<doc>'), re.S))
    r['fields'] = fields
    r['nonce'] = fields.get('nonce', '')
    made = mac(joined(fields, 'K'), peer).hex()
    return 'ok' if fields.get('sign') == made else 'sign'


def check_hmac(r, peer):
    """HMAC-SHA256 in a header, over everything."""
    h = r['head']
    r['nonce'] = h.get('x-nonce', '')
    if h.get('x-key') != 'id-7' or not near(h.get('x-time', '0')[:-3]):
        return 'X-Key or X-Time'
    if not re.fullmatch(r'[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]'
                        r'[0-9a-f]{3}-[0-9a-f]{12}', r['nonce']):
        return 'X-Nonce'
    text = '\n'.join((r['method'], r['target'], h['x-time'],
                      r['nonce'])).encode() + b'\n' + r['raw']
    made = base64.b64encode(mac(text, peer)).decode()
    return 'ok' if h.get('x-sign') == made else 'X-Sign'


def check_ed(r, peer):
    """Ed25519, in Authorization and in the body."""
    m = re.fullmatch(r'ED id="app",time="([0-9T:Z-]+)",sig="([^"]+)"',
                     r['head'].get('authorization', ''))
    if not m:
        return 'Authorization'
    text = ('%s %s\n%s\n' % (r['method'], r['target'],
                             m.group(1))).encode() + r['raw']
    try:
        peer.private('g_ours').public_key().verify(
            base64.b64decode(m.group(2), validate=True), text)
    except Exception:
        return 'signature'
    if r['raw']:
        body = json.loads(r['raw'])
        if body['app'] != 'app' or not near(body['at']):
            return 'app or at'
    return 'ok'


def check_bare(r, peer):
    """A key in Basic, and TLS."""
    made = base64.b64encode(b'id:' + peer.read('g_md5.key').strip())
    if r['head'].get('authorization') != 'Basic ' + made.decode():
        return 'Authorization'
    return 'ok'


def check(r, peer):
    return globals()['check_' + style(r)](r, peer)


def answer_md5(a, r, peer):
    fields = {'code': '0', 'order_no': r.get('fields', {}).get('order_no', ''),
              'pay_url': 'https://pay.example/MARK', 'note': '',
              'amount': 100}
    fields.update(a.get('fields', {}))
    fields = {k: v for k, v in fields.items() if v is not None}
    text = {k: str(v) for k, v in fields.items()}
    sig = a.get('signature', 'good')
    if sig != 'none':
        fields['sign'] = ('' if sig == 'empty' else 'F' * 32 if sig == 'bad'
                          else md5(text, peer))
    fields.update(a.get('extra', {}))
    return json.dumps(fields).encode(), 'application/json', []


def answer_xml(a, r, peer):
    fields = {'code': '0', 'order_no': r.get('fields', {}).get('order_no', ''),
              'url': 'https://pay.example/?a=MARK&b=1'}
    fields.update(a.get('fields', {}))
    fields['sign'] = mac(joined(fields, 'K'), peer).hex()
    if a.get('signature') == 'bad':
        fields['sign'] = '0' * 64
    text = ''.join('<%s><![CDATA[%s]]></%s>' % (k, v, k)
                   for k, v in fields.items())
    return ('<doc>%s</doc>' % text).encode(), 'text/xml', []


def answer_hmac(a, r, peer):
    body = a.get('body', '{"id":"MARK"}').encode()
    nonce = a.get('nonce', r['nonce'])
    made = mac(nonce.encode() + b'\n' + body, peer).hex()
    sig = a.get('signature', 'good')
    heads = [('X-Answer-Sign', {'bad': '0' * 64, 'empty': '',
                                'good': made}[sig])] if sig != 'none' else []
    return body, 'application/json; charset=utf-8', heads


def answer_ed(a, r, peer):
    body = a.get('body')
    if body is None:
        order = json.loads(r['raw'])['order'] if r['raw'] else {'id': 'E1'}
        body = json.dumps({'order': {'id': order['id']}, 'state': 'MARK'})
    body = body.encode()
    stamp = str(int(time.time()) - a.get('age', 0))
    key = 'g_rogue' if a.get('signature') == 'bad' else 'g_theirs'
    made = peer.private(key).sign(stamp.encode() + b'.' + body)
    text = base64.urlsafe_b64encode(made).decode().rstrip('=')
    heads = [] if a.get('signature') == 'none' \
        else [('X-Stamp', 't=%s,v1=%s' % (stamp, text))]
    return body, 'application/json', heads


def answer_bare(a, r, peer):
    body = a.get('body', '{"id":"MARK","secret":"%s"}'
                 % secrets.token_hex(4)).encode()
    return body, 'application/json', [('Set-Cookie', 'a=MARK')]


def answer(a, r, peer):
    body, media, heads = globals()['answer_' + style(r)](a, r, peer)
    return body, [('Content-Type', media)] + heads
