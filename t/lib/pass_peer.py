#!/usr/bin/python3
"""A provider whose API can be told how to answer, byte by byte.

A co-process of PaygwPeer.pm: it reads a JSON object from every line of its
input and answers by one line.  Signatures are made and checked here with a
library of its own, over t/data/keys.
"""

import base64
import gzip
import hashlib
import http.client
import json
import os
import re
import secrets
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pass_generic
import pass_unionpay
import pass_wechat_v2

WX_HEADS = ('Wechatpay-Timestamp', 'Wechatpay-Nonce', 'Wechatpay-Signature',
            'Wechatpay-Serial')
PUB_KEY_ID = 'PUB_KEY_ID_0119000091912024'

LOCK = threading.Lock()
KEYS = {}
STATE = {'plan': [], 'always': None, 'requests': [], 'conns': 0}
HELD = []


def read(name):
    with open(os.path.join(sys.argv[1], name), 'rb') as f:
        return f.read()


def private(name):
    if name not in KEYS:
        KEYS[name] = serialization.load_pem_private_key(read(name + '.key'),
                                                        None)
    return KEYS[name]


def certificate(name):
    return x509.load_pem_x509_certificate(read(name + '.crt'))


def serial_of(name):
    if name == 'wx_pub':
        return PUB_KEY_ID
    text = '%X' % certificate(name).serial_number
    return text if len(text) % 2 == 0 else '0' + text


def sn_of(name):
    """Alipay's SN of a certificate."""
    cert = certificate(name)
    short = {'2.5.4.3': 'CN', '2.5.4.10': 'O', '2.5.4.11': 'OU',
             '2.5.4.6': 'C'}
    parts = ['%s=%s' % (short[item.oid.dotted_string], item.value)
             for rdn in reversed(list(cert.issuer.rdns)) for item in rdn]
    text = ','.join(parts) + str(cert.serial_number)
    return hashlib.md5(text.encode()).hexdigest()


def sign(key, data):
    return base64.b64encode(private(key).sign(
        data, padding.PKCS1v15(), hashes.SHA256())).decode()


def verified(key, signature, data):
    try:
        private(key).public_key().verify(
            base64.b64decode(signature, validate=True), data,
            padding.PKCS1v15(), hashes.SHA256())
    except Exception:
        return False
    return True


# -- requests --

def check_wechat(r):
    """'ok', or why WeChat Pay would refuse it."""
    m = re.fullmatch(r'WECHATPAY2-SHA256-RSA2048 mchid="(\d+)",'
                     r'nonce_str="([0-9A-Za-z]{32})",timestamp="(\d+)",'
                     r'serial_no="([0-9A-F]+)",signature="([^"]+)"',
                     r['head'].get('authorization', ''))
    if not m:
        return 'no Authorization'
    mchid, nonce, stamp, serial, signature = m.groups()
    if serial != serial_of('mch'):
        return 'another serial_no'
    if abs(int(stamp) - time.time()) > 300:
        return 'timestamp'
    text = '\n'.join((r['method'], r['target'], stamp, nonce, '')).encode()
    if not verified('mch', signature, text + r['raw'] + b'\n'):
        return 'signature'
    if not r['head'].get('user-agent') \
            or 'application/json' not in r['head'].get('accept', ''):
        return 'User-Agent or Accept'
    r['nonce'] = nonce
    return 'ok'


def check_alipay(r):
    """'ok', or why the gateway would refuse it."""
    query = urllib.parse.urlsplit(r['target']).query
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True) \
        + urllib.parse.parse_qsl(r['raw'].decode('ascii'),
                                 keep_blank_values=True)
    params = dict(pairs)
    if 'charset=utf-8' not in query.split('&'):
        return 'no charset in the URL'
    names = [name for name, value in pairs if name != 'charset']
    if len(set(names)) != len(names):
        return 'a parameter twice'
    if any(value == '' for value in params.values()):
        return 'an empty parameter'
    signature = params.pop('sign', '')
    text = '&'.join('%s=%s' % item for item in sorted(params.items()))
    r['params'] = params
    if not verified('app', signature, text.encode()):
        return 'signature over ' + text
    when = time.strptime(params['timestamp'], '%Y-%m-%d %H:%M:%S')
    now = time.gmtime(time.time() + 8 * 3600)
    if abs(time.mktime(when) - time.mktime(now)) > 300:
        return 'timestamp'
    return 'ok'


def check_alipay3(r):
    """'ok', or why Alipay's REST API would refuse it."""
    m = re.fullmatch(r'ALIPAY-SHA256withRSA (app_id=\d+'
                     r'(?:,app_cert_sn=[0-9a-f]{32})?,nonce=[0-9a-v]{32},'
                     r'timestamp=(\d{13})),sign=([^,]+)',
                     r['head'].get('authorization', ''))
    if not m:
        return 'no Authorization'
    auth, stamp, signature = m.groups()
    if abs(int(stamp) / 1000 - time.time()) > 300:
        return 'timestamp'
    text = '\n'.join((auth, r['method'], r['target'], '')).encode() \
        + r['raw'] + b'\n'
    token = r['head'].get('alipay-app-auth-token')
    if token:
        text += token.encode() + b'\n'
    if not verified('app', signature, text):
        return 'signature'
    if not re.fullmatch('[0-9a-v]{32}', r['head'].get('alipay-request-id',
                                                      '')):
        return 'no request id'
    return 'ok'


def check_stripe(r):
    """'ok', or why Stripe would refuse it."""
    key = read('stripe_api.key').decode().strip()
    basic = 'Basic ' + base64.b64encode((key + ':').encode()).decode()
    if r['head'].get('authorization') not in ('Bearer ' + key, basic):
        return 'no valid API key'
    if not r['head'].get('stripe-version'):
        return 'no version'
    if r['method'] == 'POST' and not r['head'].get('idempotency-key'):
        return 'no idempotency key'
    if (r['raw'] and r['head'].get('content-type')
            != 'application/x-www-form-urlencoded'):
        return 'content type'
    return 'ok'


def check_unionpay(r):
    return pass_unionpay.check(r, sys.modules[__name__])


def kind(r):
    """The provider that is called."""
    path = r['path']
    return ('generic' if pass_generic.PATHS.match(path)
            else 'wechat_v2' if pass_wechat_v2.PATHS.match(path)
            else 'unionpay' if path == '/' or path.startswith('/gateway/')
            else 'alipay' if path == '/gateway.do'
            else 'stripe' if path.startswith('/v1/')
            else 'alipay3' if path.startswith('/v3/alipay/') else 'wechat')


CHECKS = {'wechat': check_wechat, 'alipay': check_alipay,
          'stripe': check_stripe, 'alipay3': check_alipay3,
          'wechat_v2': pass_wechat_v2.check, 'unionpay': check_unionpay,
          'generic': lambda r: pass_generic.check(r, sys.modules[__name__])}


# -- answers --

def wechat_answer(a, r):
    body = a.get('body', '{"code_url":"weixin://MARK"}').encode()
    heads = [('Content-Type', 'application/json; charset=utf-8'),
             ('Request-ID', 'REQUEST-MARK')]
    sig = a.get('signature', 'good')
    if sig != 'none':
        key = a.get('key', 'wx_a')
        stamp = str(int(time.time()) - a.get('age', 0))
        nonce = secrets.token_hex(16)
        said = hashlib.sha256(body).digest() if sig == 'hash' else body
        if 'statement' in a:
            hexa = hashlib.sha1(a['statement'].encode()).hexdigest()
            said = b'{"sha1":"%s"}' % hexa.encode()
            heads.append(('Wechatpay-Statement-Sha1', hexa))
        text = ('%s\n%s\n' % (stamp, nonce)).encode() + said + b'\n'
        made = sign('rogue' if sig == 'bad' else key, text)
        if sig == 'probe':
            made = 'WECHATPAY/SIGNTEST/' + made[19:]
        if sig == 'empty':
            made = ''
        heads += list(zip(WX_HEADS, (stamp, nonce, made,
                                     a.get('serial') or serial_of(key))))
        heads.append(('Wechatpay-Signature-Type',
                      'WECHATPAY2-SHA256-RSA2048'))
    return body, heads


def alipay_answer(a, r):
    method = r.get('params', {}).get('method', 'alipay.trade.query')
    name = a.get('name') or method.replace('.', '_') + '_response'
    content = a.get('content')
    if content is None:
        biz = json.loads(r.get('params', {}).get('biz_content', '{}'))
        content = json.dumps({'code': '10000', 'msg': 'Success',
                              'out_trade_no': biz.get('out_trade_no', 'T1'),
                              'qr_code': 'https://qr.example/MARK'},
                             separators=(',', ':'))
    content = content.encode(a.get('charset', 'utf-8'))
    sig = a.get('signature', 'good')
    made = sign('rogue' if sig == 'bad' else a.get('key', 'alipay'), content)
    if a.get('slash') == 'more':
        content = content.replace(b'\\/', b'\\\\/')
    elif a.get('slash'):
        content = content.replace(b'/', b'\\/')
    parts = [b'"%s":%s' % (name.encode(), content)]
    if a.get('twin'):
        parts.insert(0 if a['twin'] == 'first' else 1,
                     b'"%s":{"code":"10000","qr_code":"TWIN"}'
                     % name.encode())
    if a.get('other'):
        parts.append(b'"%s":{"code":"10000"}' % a['other'].encode())
    if a.get('extra'):
        parts.append(b'"unsigned":"EXTRA"')
    if a.get('sn'):
        parts.append(b'"alipay_cert_sn":"%s"'
                     % (sn_of(a['sn']) if a['sn'] in ('alipay', 'alipay_next')
                        else a['sn']).encode())
    if sig == 'empty':
        parts.append(b'"sign":""')
    elif sig != 'none':
        parts.append(b'"sign":"%s"' % made.encode())
    body = b'{' + b','.join(parts) + b'}'
    return body, [('Content-Type', 'text/html;charset=utf-8')]


def unionpay_answer(a, r):
    return pass_unionpay.answer(a, r, sys.modules[__name__])


def stripe_answer(a, r):
    body = a.get('body')
    if body is None:
        body = ('{"id":"pi_1","object":"payment_intent","livemode":false,'
                '"status":"MARK"}')
    return body.encode(), [('Content-Type', 'application/json'),
                           ('Request-Id', 'req_1'), ('Set-Cookie', 'a=MARK')]


def alipay3_answer(a, r):
    body = a.get('body', '{"out_trade_no":"T1","qr_code":"MARK"}').encode()
    heads = [('Content-Type', 'application/json;charset=utf-8'),
             ('alipay-trace-id', 'TRACE-MARK')]
    stamp = str(int((time.time() - a.get('age', 0)) * 1000))
    nonce = secrets.token_hex(16)
    heads += [('alipay-timestamp', stamp), ('alipay-nonce', nonce)]
    if a.get('sn'):
        heads.append(('alipay-sn', sn_of(a['sn'])
                      if a['sn'].startswith('alipay') else a['sn']))
    sig = a.get('signature', 'good')
    if sig != 'none':
        made = sign('rogue' if sig == 'bad' else a.get('key', 'alipay'),
                    ('%s\n%s\n' % (stamp, nonce)).encode() + body + b'\n')
        heads.append(('alipay-signature', '' if sig == 'empty' else made))
    return body, heads


ANSWERS = {'wechat': wechat_answer, 'alipay': alipay_answer,
           'stripe': stripe_answer, 'alipay3': alipay3_answer,
           'wechat_v2': pass_wechat_v2.answer, 'unionpay': unionpay_answer,
           'generic': lambda a, r: pass_generic.answer(a, r,
                                                     sys.modules[__name__])}


def build(a, r):
    """(head, body) of an answer, as bytes."""
    if 'raw' in a:
        # nginx is told, or it might send the next call there meanwhile
        line, end, rest = base64.b64decode(a['raw']).partition(b'\r\n')
        if end and line.startswith(b'HTTP/1.'):
            rest = b'Connection: close\r\n' + rest
        return b'', line + end + rest
    body, heads = ANSWERS[kind(r)](a, r)
    status = a.get('status', 200)
    if a.get('pad'):
        body = b' ' * a['pad'] + body
    if a.get('gzip'):
        body = gzip.compress(body)
        heads.append(('Content-Encoding', 'gzip'))
    for name, value in a.get('headers', {}).items():
        heads = [h for h in heads if h[0].lower() != name.lower()]
        for v in value if isinstance(value, list) else [value]:
            if v is not None:
                heads.append((name, v))
    if a.get('twice'):
        heads += [h for h in heads if h[0].lower() == a['twice'].lower()]
    if a.get('chunked'):
        heads.append(('Transfer-Encoding', 'chunked'))
        n = a['chunked']
        body = b''.join(b'%x;x=y\r\n%s\r\n' % (len(body[i:i + n]),
                                               body[i:i + n])
                        for i in range(0, len(body), n)) \
            + b'0\r\nTrailer: x\r\n\r\n'
    elif not a.get('close') and status != 204:
        heads.append(('Content-Length', str(a.get('length', len(body)))))
    if a.get('close'):
        heads.append(('Connection', 'close'))
    version = '1.0' if a.get('http10') else '1.1'
    head = 'HTTP/%s %d Status\r\n' % (version, status) + ''.join(
        '%s: %s\r\n' % h for h in heads) + '\r\n'
    return head.encode(), b'' if status == 204 else body


class Connection(threading.Thread):
    """Serves the requests of one connection."""

    def __init__(self, sock, number, tls):
        super().__init__(daemon=True)
        self.sock, self.number, self.tls = sock, number, tls
        self.sni = self.client = None
        self.port = sock.getsockname()[1]

    def run(self):
        try:
            if self.tls:
                self.handshake()
            self.file = self.sock.makefile('rb')
            while self.one():
                pass
        except (OSError, ValueError):
            pass
        try:
            self.sock.close()
        except OSError:
            pass

    def handshake(self):
        context = self.tls

        def sni(_sock, name, _context):
            self.sni = name

        with LOCK:
            context.sni_callback = sni
            self.sock = context.wrap_socket(self.sock, server_side=True)
        cert = self.sock.getpeercert(True)
        self.client = cert and '%X' % x509.load_der_x509_certificate(
            cert).serial_number

    def one(self):
        line = self.file.readline().decode('latin-1')
        if not re.fullmatch(r'[A-Z]+ \S+ HTTP/1\.[01]\r\n', line):
            return False
        method, target, version = line.split()
        heads = []
        while True:
            line = self.file.readline().decode('latin-1').rstrip('\r\n')
            if not line:
                break
            heads.append(line.split(': ', 1) if ': ' in line
                         else [line.rstrip(':'), ''])
        head = {name.lower(): value for name, value in heads}
        raw = self.file.read(int(head.get('content-length', 0)))
        r = {'method': method, 'target': target, 'version': version,
             'path': target.partition('?')[0], 'heads': heads, 'head': head,
             'raw': raw, 'body': raw.decode('latin-1'),
             'conn': self.number, 'sni': self.sni, 'time': time.time(),
             'port': self.port,
             'reused': bool(self.tls and self.sock.session_reused),
             'client': self.client}
        try:
            r['check'] = CHECKS[kind(r)](r)
        except Exception as error:
            r['check'] = '%s: %s' % (type(error).__name__, error)
        with LOCK:
            STATE['requests'].append(r)
            a = (STATE['plan'].pop(0) if STATE['plan']
                 else STATE['always'] or {})
        return self.answer(a, r)

    def answer(self, a, r):
        if a.get('reset'):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack('ii', 1, 0))
            self.sock.close()
            self.file.close()
            return False
        if a.get('drop'):
            return False
        if a.get('silent'):
            time.sleep(a['silent'])
            return False
        head, body = build(a, r)
        time.sleep(a.get('delay', 0))
        self.sock.sendall(head)
        if a.get('slow'):
            for i in range(len(body)):
                self.sock.sendall(body[i:i + 1])
                time.sleep(a['slow'])
            return True
        if 'cut' in a:
            self.sock.sendall(body[:a['cut']])
            time.sleep(a.get('stall', 0))
            return False
        self.sock.sendall(body)
        return not (a.get('close') or a.get('end') or 'raw' in a)


def serve(sock, tls):
    while True:
        client, _ = sock.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with LOCK:
            STATE['conns'] += 1
            number = STATE['conns']
        Connection(client, number, tls).start()


# -- commands --

def do_listen(c):
    sock = socket.create_server((c.get('address', '127.0.0.1'),
                                 c.get('port', 0)), backlog=128)
    tls = None
    if c.get('tls'):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*c['tls'])
        if c.get('weak'):
            # what OpenSSL has to be asked for: the one version, the ciphers
            tls.set_ciphers(c['weak'][1] + ':@SECLEVEL=0')
            tls.minimum_version = ssl.TLSVersion.TLSv1
            tls.maximum_version = ssl.TLSVersion[c['weak'][0]]
        if c.get('ask'):
            # the certificate itself is what is trusted
            tls.verify_mode = ssl.CERT_OPTIONAL
            tls.verify_flags |= 0x80000
            tls.load_verify_locations(c['ask'])
    threading.Thread(target=serve, args=(sock, tls), daemon=True).start()
    return sock.getsockname()[1]


def dns_answer(query):
    """One question for an A record; None: no answer at all."""
    end = query.index(b'\0', 12)
    labels, at = [], 12
    while at < end:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    kind = struct.unpack('>H', query[end + 1:end + 3])[0]
    addrs = STATE['names'].get('.'.join(labels), 'none')
    with LOCK:
        STATE['lookups'] += 1
    if addrs is None:
        return None
    code = 3 if addrs == 'none' else 0
    addrs = addrs if code == 0 and kind == 1 else []
    return (query[:2] + struct.pack('>HHHHH', 0x8180 | code, 1, len(addrs),
                                    0, 0)
            + query[12:end + 5]
            + b''.join(b'\xc0\x0c' + struct.pack('>HHIH', 1, 1, 1, 4)
                       + socket.inet_aton(a) for a in addrs))


def serve_dns(sock):
    while True:
        query, peer = sock.recvfrom(1024)
        answer = dns_answer(query)
        if answer:
            sock.sendto(answer, peer)


def do_dns(_):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(('127.0.0.1', 0))
    STATE.update(names={}, lookups=0)
    threading.Thread(target=serve_dns, args=(sock,), daemon=True).start()
    return sock.getsockname()[1]


def do_names(c):
    """name -> its addresses; None: silence; names that are not there: 3."""
    STATE['names'] = c['names']
    return STATE['lookups']


def do_blackhole(c):
    """A port whose queue is full: connections are never established."""
    sock = socket.socket()
    sock.bind(('127.0.0.1', 0))
    sock.listen(0)
    HELD.append(sock)
    for _ in range(8):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(sock.getsockname())
        HELD.append(s)
    time.sleep(0.1)
    return sock.getsockname()[1]


def do_plan(c):
    with LOCK:
        STATE['plan'] = list(c['answers'])
        STATE['always'] = c.get('always')
        STATE['requests'] = []
    return True


def do_requests(c):
    end = time.time() + c.get('seconds', 0)
    while True:
        with LOCK:
            got = list(STATE['requests'])
        if len(got) >= c.get('count', 0) or time.time() > end:
            break
        time.sleep(0.02)
    return [{k: v for k, v in r.items() if k != 'raw'} for r in got]


def call(client, c):
    client.request(c['method'], c['target'], c.get('body'),
                   dict(c.get('heads', {})))
    answer = client.getresponse()
    text = answer.read()
    if c.get('mask'):
        # what is another one each time: the id of a request
        text = re.sub(c['mask'].encode(), b'', text)
    return answer.status, text


def do_flip(c):
    """Each byte of an answer changed: what a caller sees of it.

    The answer is made for a first call, and given again with one byte
    changed for each of the following ones.  What stands before it in the same
    operation is genuine each time.
    """
    client = http.client.HTTPConnection('127.0.0.1', c['port'], timeout=20)
    before = c.get('before', [])
    do_plan({'answers': before + [c['answer']]})
    good = call(client, c)
    r = STATE['requests'][len(before)]
    before = [{'raw': base64.b64encode(b''.join(build(a, asked))).decode()}
              for a, asked in zip(before, STATE['requests'])]
    head, body = build(c['answer'], r)
    raw = head + body
    do_plan({'answers': before + [{'raw': base64.b64encode(raw).decode()}]})
    again = call(client, c)
    result = {'good': good[0], 'again': again[0], 'length': len(raw),
              'same': again[1].decode('latin-1'), 'refused': 0, 'passed': [],
              'leaks': [], 'head': head.decode('latin-1')}
    good = again
    for i in range(0, len(raw), c.get('step', 1)):
        bent = raw[:i] + bytes([raw[i] ^ c.get('bits', 1)]) + raw[i + 1:]
        do_plan({'answers': before
                 + [{'raw': base64.b64encode(bent).decode()}]})
        status, text = call(client, c)
        if (status, text) == good:
            result['passed'].append(i)
        elif text == good[1] and status >= 400 and good[0] >= 400:
            # which error it is stands in what is signed
            result['passed'].append(i)
        elif status in (502, 504) and b'"outcome":"unknown"' in text \
                and b'MARK' not in text \
                and text.startswith(b'{"code":"PROVIDER-UN'):
            result['refused'] += 1
        else:
            result['leaks'].append([i, status, text.decode('latin-1')])
    return result


def main():
    for line in sys.stdin:
        c = json.loads(line)
        try:
            answer = {'ok': globals()['do_' + c['do']](c)}
        except Exception as error:
            answer = {'error': '%s: %s' % (type(error).__name__, error)}
        print(json.dumps(answer), flush=True)


main()
