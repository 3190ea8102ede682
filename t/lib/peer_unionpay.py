"""UnionPay 5.1.0 as paygw_peer.py plays it: forms, certificates, secrets.

    order_id id amount type       of the transaction
    skew                          seconds that txnTime is off
    params                        fields set, or left out (null), and signed
    change append prepend         fields after signing; tamper: of the body
    signature                     instead of a good one; null: none
    sign_method                   01, 11 or 12
    key secret                    file of t/data/keys that signs
    cert                          file of t/data/keys that comes along, or what
                                  it is made of: see certificate()
    pem                           the text of it
    sign_as                       hex (as it should be), text, upper, binary
    drop_empty                    empty values are not signed
    encoding                      of all text
"""

import base64
import datetime
import hashlib
import os
import subprocess
import sys
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import NameOID

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import make_keys

CST = datetime.timezone(datetime.timedelta(hours=8))
CN = '041@8310000000083040@' + make_keys.UNIONPAY + '@00016495'


def read(name):
    with open(os.path.join(sys.argv[1], name), 'rb') as f:
        return f.read()


def certificate(o, peer):
    """A certificate made for a test, its PEM in bytes.

    key: whose; cn: common names, a list for several; issuer: the file of a CA
    in t/data/keys, "self", or "fake:FILE" for the name of a CA and the key of
    another; ca; begin and end: days from now; usage: encipher; sha1.
    """
    key = peer.load_key(o.get('key', 'rogue'))
    names = o.get('cn', CN)
    names = names if isinstance(names, list) else [names]
    subject = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, 'CN')]
                        + [x509.NameAttribute(NameOID.COMMON_NAME, cn)
                           for cn in names])
    issuer, signer = subject, key
    by = o.get('issuer', 'up_middle')
    if by != 'self':
        file = by.split(':')[-1]
        issuer = x509.load_pem_x509_certificate(read(file + '.crt')).subject
        signer = key if by.startswith('fake:') else peer.load_key(file)
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    day = datetime.timedelta(days=1)
    b = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    b = b.public_key(key.public_key())
    b = b.serial_number(o.get('serial', x509.random_serial_number()))
    b = b.not_valid_before(now + day * o.get('begin', -30))
    b = b.not_valid_after(now + day * o.get('end', 30))
    b = b.add_extension(x509.BasicConstraints(bool(o.get('ca')), None), True)
    if 'usage' in o:
        b = b.add_extension(x509.KeyUsage(
            o['usage'] == 'sign', False, o['usage'] == 'encipher', False,
            False, False, False, False, False), False)
    return make_keys.pem(b.sign(signer, hashes.SHA256()))


def hashed(method, data):
    if method == '11':
        return hashlib.sha256(data).hexdigest()
    out = subprocess.run(['openssl', 'dgst', '-sm3', '-r'], input=data,
                         stdout=subprocess.PIPE, check=True).stdout
    return out.decode()[:64]


def fields(o):
    now = datetime.datetime.now(CST) \
        + datetime.timedelta(seconds=int(o.get('skew', 0)))
    stamp = now.strftime('%Y%m%d%H%M%S')
    amount = str(o.get('amount', 8888))
    f = {
        'version': '5.1.0', 'encoding': 'UTF-8',
        'signMethod': o.get('sign_method', '01'), 'txnType': '01',
        'txnSubType': '01', 'bizType': '000201', 'accessType': '0',
        'merId': o.get('merid', '777290058110097'),
        'orderId': o['order_id'], 'txnTime': stamp,
        'queryId': o.get('id') or o['query_id'], 'respCode': '00',
        'respMsg': '成功[0000000]', 'txnAmt': amount, 'currencyCode': '156',
        'settleAmt': amount, 'settleCurrencyCode': '156',
        'settleDate': stamp[4:8], 'traceNo': '123456',
        'traceTime': stamp[4:], 'accNo': '6216***********0018',
        'reqReserved': '6K6i5Y2VQSZCPTE='}
    kind = o.get('type', 'payment')
    if kind in ('refund', 'undo'):
        f.update({'txnType': '04' if kind == 'refund' else '31',
                  'txnSubType': '00',
                  'origQryId': o.get('trade_no', '512611210000000000008')})
    return f


def sign(o, peer, text):
    method = o.get('sign_method', '01')
    if method != '01':
        secret = read(o.get('secret', 'up_secure') + '.key').strip()
        return hashed(method, text + b'&' + hashed(method, secret).encode())
    digest = hashlib.sha256(text)
    what = {'hex': digest.hexdigest().encode(), 'text': text,
            'upper': digest.hexdigest().upper().encode(),
            'binary': digest.digest()}[o.get('sign_as', 'hex')]
    return base64.b64encode(peer.load_key(o.get('key', 'up')).sign(
        what, padding.PKCS1v15(),
        getattr(hashes, o.get('digest', 'SHA256'))())).decode()


def make(o, peer):
    o.setdefault('order_id', peer.unique('U'))
    o.setdefault('query_id', '51' + str(int(peer.secrets.token_hex(8), 16))
                 .zfill(20)[-19:])
    values = fields(o)
    if o.get('sign_method', '01') == '01':
        cert = o.get('cert', o.get('key', 'up'))
        cert = certificate(cert, peer) if isinstance(cert, dict) \
            else read(cert + '.crt')
        # as the gateway sends it: CR LF, and none at the end
        values['signPubKeyCert'] = o.get('pem', cert.decode().strip()
                                         .replace('\n', '\r\n'))
    peer.patch(values, o.get('params'))
    charset = o.get('encoding', 'utf-8')
    pairs = [(k.encode(), v.encode(charset) if isinstance(v, str)
              else peer.raw(v)) for k, v in values.items()]
    signed = sorted((k, v) for k, v in pairs if v or not o.get('drop_empty'))
    text = b'&'.join(k + b'=' + v for k, v in signed)
    signature = o['signature'] if 'signature' in o else sign(o, peer, text)
    for name, value in (o.get('change') or {}).items():
        pairs = [(k, v) for k, v in pairs if k != name.encode()]
        if value is not None:
            pairs.append((name.encode(), peer.raw(value)))
    if signature is not None:
        pairs.append((b'signature', signature.encode()))
    pairs = [(peer.raw(k), peer.raw(v)) for k, v in o.get('prepend') or []] \
        + pairs + [(peer.raw(k), peer.raw(v)) for k, v in o.get('append')
                   or []]
    body = b'&'.join((urllib.parse.quote_plus(k) + '='
                      + urllib.parse.quote_plus(v)).encode()
                     for k, v in pairs)
    if 'body' in o:
        body = peer.raw(o['body'])
    body = peer.tamper(body, o.get('tamper'))
    # what the gateway should have tried to verify
    got = urllib.parse.parse_qsl(body.decode('latin1'), True,
                                 encoding='latin1')
    text = b'&'.join(k.encode('latin1') + b'=' + v.encode('latin1')
                     for k, v in sorted(got) if k != 'signature')
    headers = [['Content-Type', 'application/x-www-form-urlencoded;'
                'charset=' + values.get('encoding', 'UTF-8')]]
    return peer.message(o, '/notify/unionpay', headers, body, {
        'id': values.get('queryId'), 'kind': values.get('txnType'),
        'order_id': o['order_id'], 'txn_time': values.get('txnTime'),
        'params': {k: v for k, v in values.items() if isinstance(v, str)},
        'signature': signature, 'signed_len': len(text),
        'signed_sha256': hashlib.sha256(text).hexdigest()})
