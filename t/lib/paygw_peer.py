#!/usr/bin/python3
"""What stands on both sides of the gateway in a test: provider and shop.

One process for each test file, a co-process of PaygwTest.pm: it reads a JSON
object from every line of its input and answers by one line.  It makes
callbacks as the providers do, with code and a crypto library of its own, so
that it is an oracle for the module; and it is the shop, which notes every
request as it came and answers as it was told to.
"""

import base64
import copy
import datetime
import gzip
import hashlib
import hmac
import json
import os
import secrets
import socket
import struct
import sys
import threading
import time
import urllib.parse

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import peer_unionpay
import peer_wechat_v2

CST = datetime.timezone(datetime.timedelta(hours=8))
KEYS = {}


def load_key(name):
    """The private key of t/data/keys by the name of its file."""
    if name not in KEYS:
        with open(os.path.join(sys.argv[1], name + '.key'), 'rb') as f:
            KEYS[name] = serialization.load_pem_private_key(f.read(), None)
    return KEYS[name]


def rsa_sign(key, data, algorithm='SHA256'):
    digest = getattr(hashes, algorithm)()
    sig = load_key(key).sign(data, padding.PKCS1v15(), digest)
    return base64.b64encode(sig).decode()


def unique(prefix):
    return prefix + secrets.token_hex(8)


def patch(obj, changes):
    """Sets members; None deletes one; objects are patched in turn."""
    for name, value in (changes or {}).items():
        if value is None:
            obj.pop(name, None)
        elif isinstance(value, dict) and isinstance(obj.get(name), dict):
            patch(obj[name], value)
        else:
            obj[name] = value
    return obj


def raw(text):
    """Bytes of an option: text, or {"base64": ...}."""
    if isinstance(text, dict):
        return base64.b64decode(text['base64'])
    return text.encode('utf-8', 'surrogateescape')


def tamper(body, pairs):
    for old, new in pairs or []:
        if raw(old) not in body:
            raise ValueError('nothing to tamper with: %r' % (old,))
        body = body.replace(raw(old), raw(new), 1)
    return body


def dumps(obj):
    return json.dumps(obj, ensure_ascii=False, separators=(',', ':'))


MANGLE = {
    'spaces': lambda b: json.dumps(json.loads(b), ensure_ascii=False),
    'unicode': lambda b: json.dumps(json.loads(b), separators=(',', ':')),
    'python': lambda b: json.dumps(json.loads(b)),
    'slashes': lambda b: dumps(json.loads(b)).replace('/', '\\/'),
    'php': lambda b: json.dumps(json.loads(b),
                                separators=(',', ':')).replace('/', '\\/'),
    'sorted': lambda b: json.dumps(json.loads(b), ensure_ascii=False,
                                   separators=(',', ':'), sort_keys=True),
    'compact': lambda b: dumps(json.loads(b)),
    'lines': lambda b: json.dumps(json.loads(b), ensure_ascii=False,
                                  indent=2).replace('/', '\\/'),
    'crlf': lambda b: b.replace(b'\n', b'\r\n'),
    'line_feed': lambda b: b + b'\n',
    'no_line_feed': lambda b: b.rstrip(b'\n'),
    'bom': lambda b: b'\xef\xbb\xbf' + b,
    'gzip': gzip.compress,
}


def mangle(body, how):
    """What a program on the way makes of a body that it meant well with."""
    if how is None:
        return body
    body = MANGLE[how](body)
    return body.encode() if isinstance(body, str) else body


# -- WeChat Pay APIv3 --

WX_SERIALS = {
    'wx_a': '0A1B2C3D4E5F60718293A4B5C6D7E8F901234567',
    'wx_b': '7132D72A03E93CDDF8C03BBD1F37EEDF0B0BBBBB',
    'wx_pub': 'PUB_KEY_ID_0119000091912024',
}


def wechat_resource(o):
    now = datetime.datetime.now(CST).replace(microsecond=0)
    kind = o.get('type', 'payment')
    order = o['order_id']
    res = {
        'mchid': o.get('mchid', '1900009191'),
        'out_trade_no': order,
        'transaction_id': o.get('trade_no', '4200' + order),
        'success_time': now.isoformat(),
    }
    amount = int(o.get('amount', 100))
    if kind == 'payment':
        res.update({
            'appid': o.get('appid', 'wxd678efh567hg6787'),
            'trade_type': 'JSAPI', 'trade_state': 'SUCCESS',
            'trade_state_desc': '支付成功', 'bank_type': 'OTHERS',
            'attach': '',
            'payer': {'openid': 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o'},
            'amount': {'total': amount, 'payer_total': amount,
                       'currency': 'CNY', 'payer_currency': 'CNY'}})
    elif kind == 'refund':
        res.update({
            'out_refund_no': o.get('refund_id', 'R' + order),
            'refund_id': o.get('refund_no', '5030' + order),
            'refund_status': 'SUCCESS',
            'user_received_account': '招商银行信用卡0403',
            'amount': {'total': amount, 'refund': int(o.get('refund', 10)),
                       'payer_total': amount,
                       'payer_refund': int(o.get('refund', 10))}})
    else:
        del res['out_trade_no'], res['transaction_id'], res['success_time']
        res['echo_message'] = 'hello'
    return patch(res, o.get('resource'))


def wechat(o):
    o.setdefault('order_id', unique('O'))
    kind = {'payment': 'TRANSACTION.SUCCESS', 'refund': 'REFUND.SUCCESS'}.get(
        o.get('type', 'payment'), 'SECURITY_ECHO.SUCCESS')
    kind = o.get('kind', kind)
    resource = wechat_resource(o)
    plain = raw(o['plaintext']) if 'plaintext' in o \
        else dumps(resource).encode()

    aead = {
        'original_type': kind.split('.')[0].lower(),
        'algorithm': 'AEAD_AES_256_GCM',
        'ciphertext': '',
        'associated_data': kind.split('.')[0].lower(),
        'nonce': secrets.token_hex(6)}
    patch(aead, {k: v for k, v in (o.get('aead') or {}).items()
                 if k in ('nonce', 'associated_data')})
    if len(aead['nonce']) == 12:
        key = raw(o.get('apiv3_key', '0123456789abcdefghijklmnopqrstuv'))
        aead['ciphertext'] = base64.b64encode(AESGCM(key).encrypt(
            aead['nonce'].encode(), plain,
            aead.get('associated_data', '').encode())).decode()
    patch(aead, {k: v for k, v in (o.get('aead') or {}).items()
                 if k not in ('nonce', 'associated_data')})
    patch(aead, o.get('aead_after'))
    for old, new in o.get('flip') or []:
        data = bytearray(base64.b64decode(aead['ciphertext']))
        data[old] ^= new
        aead['ciphertext'] = base64.b64encode(bytes(data)).decode()

    envelope = {
        'id': o.get('id') or unique('EV-'),
        'create_time': datetime.datetime.now(CST).replace(
            microsecond=0).isoformat(),
        'resource_type': 'encrypt-resource', 'event_type': kind,
        'summary': '支付成功', 'resource': aead}
    patch(envelope, o.get('envelope'))

    body = raw(o['body']) if 'body' in o else dumps(envelope).encode()
    body = tamper(body, o.get('before'))

    stamp = str(o['timestamp']) if 'timestamp' in o \
        else str(int(time.time()) + int(o.get('skew', 0)))
    nonce = o.get('nonce', secrets.token_hex(16))
    signed = b''.join([stamp.encode(), b'\n', nonce.encode(), b'\n', body,
                       b'\n'])
    if 'sign_only' in o:
        # a signature over less than all of it
        parts = {'timestamp': stamp.encode(), 'nonce': nonce.encode(),
                 'body': body, 'sha256': hashlib.sha256(body).hexdigest()
                 .encode(), 'target': b'/notify/wxpay'}
        signed_by_peer = b''.join(parts[p] + b'\n' for p in o['sign_only'])
    else:
        signed_by_peer = signed
    key = o.get('key', 'wx_a')
    sig = rsa_sign(key, signed_by_peer, o.get('digest', 'SHA256'))
    if 'signature_prefix' in o:
        sig = o['signature_prefix'] + sig
    sig = o.get('signature', sig)

    headers = [
        ['Content-Type', 'application/json'],
        ['Wechatpay-Timestamp', stamp],
        ['Wechatpay-Nonce', nonce],
        ['Wechatpay-Signature', sig],
        ['Wechatpay-Serial',
         o.get('serial', WX_SERIALS.get(key, WX_SERIALS['wx_a']))],
        ['Wechatpay-Signature-Type', 'WECHATPAY2-SHA256-RSA2048']]
    body = mangle(tamper(body, o.get('tamper')), o.get('mangle'))
    return message(o, '/notify/wxpay', headers, body, {
        'id': envelope.get('id'), 'kind': kind, 'order_id': o['order_id'],
        'plaintext': plain.decode('utf-8', 'replace'),
        'signed_len': len(stamp) + len(nonce) + len(body) + 3,
        'signed_sha256': hashlib.sha256(b''.join([
            stamp.encode(), b'\n', nonce.encode(), b'\n', body,
            b'\n'])).hexdigest()})


# -- Alipay --

def alipay_params(o):
    now = datetime.datetime.now(CST) \
        + datetime.timedelta(seconds=int(o.get('skew', 0)))
    stamp = now.strftime('%Y-%m-%d %H:%M:%S')
    kind = o.get('type', 'payment')
    p = {
        'notify_time': stamp, 'notify_type': 'trade_status_sync',
        'notify_id': o.get('id') or unique('20261120'),
        'app_id': o.get('app_id', '2021000000000001'),
        'auth_app_id': o.get('app_id', '2021000000000001'),
        'charset': 'utf-8', 'version': '1.0', 'sign_type': 'RSA2',
        'trade_no': o.get('trade_no', '2026' + o['order_id']),
        'out_trade_no': o['order_id'],
        'seller_id': o.get('seller_id', '2088101122136241'),
        'buyer_id': '2088102122524333',
        'subject': '大乐透 2+3 & more',
        'total_amount': o.get('amount', '88.80'),
        'receipt_amount': o.get('amount', '88.80'),
        'gmt_create': stamp, 'gmt_payment': stamp,
        'fund_bill_list': '[{"amount":"88.80","fundChannel":"ALIPAYACCOUNT"}]',
        'trade_status': 'TRADE_SUCCESS'}
    if kind == 'refund':
        p.update({'gmt_refund': stamp + '.123',
                  'refund_fee': o.get('refund', '8.00'),
                  'out_biz_no': o.get('refund_id', 'R' + o['order_id'])})
    elif kind == 'close':
        p.update({'trade_status': 'TRADE_CLOSED', 'gmt_close': stamp})
        del p['gmt_payment']
    elif kind == 'wait':
        p.update({'trade_status': 'WAIT_BUYER_PAY'})
        del p['gmt_payment']
    elif kind == 'finished':
        p.update({'trade_status': 'TRADE_FINISHED'})
    elif kind == 'unknown':
        p = {k: p[k] for k in ('notify_time', 'notify_id', 'app_id',
                               'charset', 'version', 'sign_type')}
        p['notify_type'] = 'open_app_auth_notify'
        p['biz_content'] = '{"a":1}'
    return patch(p, o.get('params'))


def alipay(o):
    o.setdefault('order_id', unique('A'))
    params = alipay_params(o)
    charset = o.get('encoding') or {'gbk': 'gb18030'}.get(
        params.get('charset', 'utf-8').lower(), 'utf-8')
    pairs = [(k.encode(charset), v.encode(charset) if isinstance(v, str)
              else raw(v)) for k, v in params.items()]

    def canonical(pairs, skip):
        use = [(k, v) for k, v in pairs if k.decode('latin1') not in skip]
        if o.get('drop_empty'):
            use = [(k, v) for k, v in use if v]
        return b'&'.join(k + b'=' + v for k, v in sorted(use))

    text = canonical(pairs, o.get('skip', ['sign', 'sign_type']))
    if o.get('sign_encoded'):
        text = b'&'.join(k + b'=' + urllib.parse.quote_plus(v).encode()
                         for k, v in sorted(pairs)
                         if k not in (b'sign', b'sign_type'))
    sig = rsa_sign(o.get('key', 'alipay'), text, o.get('digest', 'SHA256'))
    if o.get('hex'):
        sig = base64.b64decode(sig).hex()
    sig = o.get('sign', sig)

    pairs = [(k, v) for k, v in pairs if k != b'sign']
    for name, value in (o.get('change') or {}).items():
        if not any(k == name.encode() for k, v in pairs) \
                and value is not None:
            pairs.append((name.encode(), b''))
        pairs = [(k, raw(value) if k == name.encode() else v)
                 for k, v in pairs
                 if not (k == name.encode() and value is None)]
    if sig is not None:
        pairs.append((b'sign', sig.encode()))
    for k, v in o.get('prepend') or []:
        pairs.insert(0, (raw(k), raw(v)))
    for k, v in o.get('append') or []:
        pairs.append((raw(k), raw(v)))
    quote = urllib.parse.quote if o.get('percent') \
        else urllib.parse.quote_plus
    if o.get('unquoted'):
        def quote(v, safe=''):
            return v.decode('latin1')
    body = b'&'.join((quote(k, safe='') + '=' + quote(v, safe=''))
                     .encode('latin1') for k, v in pairs)
    if 'body' in o:
        body = raw(o['body'])
    body = mangle(tamper(body, o.get('tamper')), o.get('mangle'))

    # what the gateway should have tried to verify
    got = urllib.parse.parse_qsl(body.decode('latin1'), True,
                                 encoding='latin1')
    text = b'&'.join(k.encode('latin1') + b'=' + v.encode('latin1')
                     for k, v in sorted(got)
                     if k not in ('sign', 'sign_type'))
    headers = [['Content-Type', 'application/x-www-form-urlencoded; '
                'charset=' + params.get('charset', 'utf-8')]]
    return message(o, '/notify/alipay', headers, body, {
        'id': params.get('notify_id'), 'kind': params.get('trade_status'),
        'order_id': o['order_id'], 'notify_time': params.get('notify_time'),
        'params': {k: v for k, v in params.items() if isinstance(v, str)},
        'signed_len': len(text),
        'signed_sha256': hashlib.sha256(text).hexdigest()})


# -- Stripe --

STRIPE_SECRET = 'whsec_paygwTestSecret000000000000000001'


def stripe_object(o):
    kind = o['kind']
    order = o['order_id']
    amount = int(o.get('amount', 1099))
    obj = {'id': o.get('trade_no', 'pi_3' + order),
           'object': 'payment_intent', 'amount': amount,
           'amount_received': amount, 'currency': o.get('currency', 'eur'),
           'customer': 'cus_9s6XKzkNRiz8i3', 'description': 'Größe 支付 a/b',
           'status': 'succeeded', 'metadata': {'out_trade_no': order}}
    if kind.startswith('checkout.session.'):
        obj = {'id': 'cs_test_' + order, 'object': 'checkout.session',
               'amount_total': amount, 'currency': o.get('currency', 'eur'),
               'client_reference_id': order, 'customer': None,
               'metadata': {}, 'mode': 'payment',
               'payment_intent': o.get('trade_no', 'pi_3' + order),
               'payment_status': 'paid', 'status': 'complete'}
    elif kind == 'charge.refunded':
        obj = {'id': 'ch_3' + order, 'object': 'charge', 'amount': amount,
               'amount_refunded': int(o.get('refund', 10)),
               'currency': o.get('currency', 'eur'), 'customer': None,
               'metadata': {'out_trade_no': order},
               'payment_intent': o.get('trade_no', 'pi_3' + order)}
    elif kind.startswith('refund.') or kind == 'charge.refund.updated':
        obj = {'id': o.get('refund_no', 're_3' + order), 'object': 'refund',
               'amount': int(o.get('refund', 10)), 'charge': 'ch_3' + order,
               'currency': o.get('currency', 'eur'),
               'metadata': {'out_trade_no': order,
                            'out_refund_no': o.get('refund_id',
                                                   'R' + order)},
               'payment_intent': o.get('trade_no', 'pi_3' + order),
               'status': 'succeeded'}
    elif kind.startswith('charge.dispute.'):
        obj = {'id': 'du_1', 'object': 'dispute', 'amount': amount}
    return patch(obj, o.get('object'))


def stripe(o):
    o.setdefault('order_id', unique('S'))
    o.setdefault('kind', 'payment_intent.succeeded')
    event = {
        'id': o.get('id') or unique('evt_1'), 'object': 'event',
        'api_version': '2026-10-28.endive',
        'created': o.get('created', int(time.time())),
        'data': {'object': stripe_object(o)},
        'livemode': True, 'pending_webhooks': 1,
        'request': {'id': None, 'idempotency_key': None},
        'type': o['kind']}
    patch(event, o.get('event'))
    body = raw(o['body']) if 'body' in o \
        else json.dumps(event, ensure_ascii=False, indent=2).encode()
    body = tamper(body, o.get('before'))

    stamp = str(o['timestamp']) if 'timestamp' in o \
        else str(int(time.time()) + int(o.get('skew', 0)))
    signed = stamp.encode() + b'.' + body
    macs = [hmac.new(raw(s), signed, o.get('digest', 'sha256')).hexdigest()
            for s in o.get('secrets') or [STRIPE_SECRET]]
    parts = ['t=' + stamp] + ['v1=' + m for m in macs]
    value = o.get('signature', ','.join(parts)).replace('{t}', stamp)
    value = value.replace('{v1}', macs[0])
    headers = [['Content-Type', 'application/json; charset=utf-8'],
               ['Stripe-Signature', value]]
    body = mangle(tamper(body, o.get('tamper')), o.get('mangle'))
    signed = stamp.encode() + b'.' + body
    return message(o, '/notify/stripe', headers, body, {
        'id': event.get('id'), 'kind': o['kind'], 'order_id': o['order_id'],
        'signed_len': len(signed),
        'signed_sha256': hashlib.sha256(signed).hexdigest()})


def message(o, target, headers, body, more):
    """Header fields are changed after signing; a list repeats a field."""
    for name, value in (o.get('headers') or {}).items():
        place = [i for i, h in enumerate(headers)
                 if h[0].lower() == name.lower()]
        values = value if isinstance(value, list) else [value]
        values = [[name, str(v)] for v in values if v is not None]
        if place:
            headers[place[0]:place[0] + 1] = values
        else:
            headers.extend(values)
    m = {'method': o.get('method', 'POST'), 'target': o.get('uri', target),
         'headers': headers, 'body': base64.b64encode(body).decode()}
    m.update(more)
    return m


# -- the shop --

class Shop:
    """Notes requests and answers by plan: the next one, or else 200.

    An answer is a status, or an object of: status, headers, body, raw (bytes
    instead of an answer), delay (seconds), hold (until let go by this name),
    reset, close (without an answer), cut (send so many bytes only), chunked.
    """

    def __init__(self):
        self.lock = threading.Condition()
        self.start()
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(('127.0.0.1', 0))
        self.sock.listen(128)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def start(self, plan=None):
        with self.lock:
            self.requests = []
            self.plan = list(plan or [])
            self.free = set()
            self.lock.notify_all()

    def accept(self):
        while True:
            conn = self.sock.accept()[0]
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(conn,),
                             daemon=True).start()

    def serve(self, conn):
        try:
            buf = b''
            while True:
                request, buf = self.read(conn, buf)
                if request is None:
                    break
                with self.lock:
                    plan = self.plan.pop(0) if self.plan else 200
                    self.requests.append(request)
                    self.lock.notify_all()
                if not self.answer(conn, request, plan):
                    break
        except OSError:
            pass
        finally:
            conn.close()

    @staticmethod
    def read(conn, buf):
        while b'\r\n\r\n' not in buf:
            more = conn.recv(65536)
            if not more:
                return None, b''
            buf += more
        head, buf = buf.split(b'\r\n\r\n', 1)
        lines = head.decode('latin1').split('\r\n')
        method, target, version = lines[0].split(' ')
        headers = [line.split(': ', 1) if ': ' in line
                   else [line.rstrip(':'), ''] for line in lines[1:]]
        low = {k.lower(): v for k, v in headers}
        body = b''
        if 'content-length' in low:
            n = int(low['content-length'])
            while len(buf) < n:
                more = conn.recv(65536)
                if not more:
                    break
                buf += more
            body, buf = buf[:n], buf[n:]
        return {'method': method, 'target': target, 'version': version,
                'headers': headers, 'at': time.time(),
                'body': base64.b64encode(body).decode()}, buf

    def answer(self, conn, request, plan):
        if not isinstance(plan, dict):
            plan = {'status': plan}
        if 'hold' in plan:
            with self.lock:
                self.lock.wait_for(lambda: plan['hold'] in self.free, 30)
        time.sleep(plan.get('delay', 0))
        if plan.get('reset'):
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack('ii', 1, 0))
            return False
        if plan.get('close'):
            return False
        if 'raw' in plan:
            conn.sendall(raw(plan['raw']))
            return False
        body = raw(plan.get('body', 'shop says hello\n'))
        status = plan.get('status', 200)
        head = ['HTTP/1.1 %d Shop' % status, 'Server: shop']
        head += ['%s: %s' % (k, v) for k, v in plan.get('headers', [])]
        if plan.get('chunked'):
            head.append('Transfer-Encoding: chunked')
            body = b'%x\r\n%s\r\n0\r\n\r\n' % (len(body), body)
        elif plan.get('endless'):
            head.append('Connection: close')
        elif status != 204:
            head.append('Content-Length: %d' % len(body))
        else:
            body = b''
        data = '\r\n'.join(head).encode() + b'\r\n\r\n' + body
        if 'cut' in plan:
            conn.sendall(data[:plan['cut']])
            time.sleep(plan.get('linger', 0))
            return False
        conn.sendall(data)
        return not plan.get('endless')

    def wait(self, count, seconds):
        with self.lock:
            self.lock.wait_for(lambda: len(self.requests) >= count, seconds)
            return copy.deepcopy(self.requests)

    def release(self, name):
        with self.lock:
            self.free.add(name)
            self.lock.notify_all()


def main():
    shop = Shop()
    for line in sys.stdin:
        o = json.loads(line)
        do = o.pop('do')
        try:
            if do == 'wechat':
                result = wechat(o)
            elif do == 'alipay':
                result = alipay(o)
            elif do == 'unionpay':
                result = peer_unionpay.make(o, sys.modules[__name__])
            elif do == 'stripe':
                result = stripe(o)
            elif do == 'wechat_v2':
                result = peer_wechat_v2.make(o, sys.modules[__name__])
            elif do == 'port':
                result = shop.port
            elif do == 'plan':
                result = shop.start(o['plan'])
            elif do == 'requests':
                result = shop.wait(o['count'], o['seconds'])
            elif do == 'release':
                result = shop.release(o['name'])
            else:
                raise ValueError('unknown: ' + do)
            answer = {'ok': result}
        except Exception as e:  # told to the test, which dies of it
            answer = {'error': '%s: %s' % (type(e).__name__, e)}
        sys.stdout.write(json.dumps(answer) + '\n')
        sys.stdout.flush()


if __name__ == '__main__':
    main()
