#!/usr/bin/python3
"""Makes the key files of t/data/keys, which the suites share.

They are for tests only: anyone may read them.  They are kept in the
repository, since eight RSA keys for every test file would cost more than the
tests.  Run this again only to replace all of them.
"""

import datetime
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

DIR = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                   '..', 'data', 'keys')


def write(name, data):
    with open(os.path.join(DIR, name), 'wb') as f:
        f.write(data)


def private(name, key=None):
    key = key or rsa.generate_private_key(65537, 2048)
    write(name, key.private_bytes(serialization.Encoding.PEM,
                                  serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption()))
    return key


def public(name, key):
    write(name, key.public_key().public_bytes(
        serialization.Encoding.PEM,
        serialization.PublicFormat.SubjectPublicKeyInfo))


def subject(cn, org='paygw tests'):
    return x509.Name([
        x509.NameAttribute(NameOID.COUNTRY_NAME, 'CN'),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, org),
        x509.NameAttribute(NameOID.COMMON_NAME, cn)])


def make(key, cn, serial, issuer=None, issuer_key=None, ca=False,
         begin=None, end=None):
    """A certificate; self-signed if there is no issuer."""
    begin = begin or datetime.datetime(2020, 1, 1)
    end = end or datetime.datetime(2120, 1, 1)
    b = x509.CertificateBuilder()
    b = b.subject_name(subject(cn)).issuer_name(issuer or subject(cn))
    b = b.public_key(key.public_key()).serial_number(serial)
    b = b.not_valid_before(begin).not_valid_after(end)
    b = b.add_extension(x509.BasicConstraints(ca, None), True)
    return b.sign(issuer_key or key, hashes.SHA256())


def pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM)


UNIONPAY = '中国银联股份有限公司'


def unionpay():
    """UnionPay: a root, an intermediate, a signer and the one after it."""
    root_key = private('up_root.key')
    root = make(root_key, 'TEST CS CA', 0x2001, ca=True)
    write('up_root.crt', pem(root))
    middle_key = private('up_middle.key')
    middle = make(middle_key, 'TEST OCA1', 0x3001, root.subject, root_key,
                  True)
    write('up_middle.crt', pem(middle))
    for name, serial in (('up', 0x1039308534), ('up_next', 0x1039308535)):
        cn = '041@8310000000083040@%s@00016495' % UNIONPAY
        write(name + '.crt', pem(make(private(name + '.key'), cn, serial,
                                      middle.subject, middle_key)))
    for name, text in (('up_secure', '979da4cfccbae7923641daa5dd7047c2'),
                       ('up_secure_next', '0f1e2d3c4b5a69788796a5b4c3d2e1f0')):
        with open(os.path.join(DIR, name + '.key'), 'w') as f:
            f.write(text + '\n')


def main():
    os.makedirs(DIR, exist_ok=True)

    if sys.argv[1:] == ['unionpay']:
        unionpay()
        return 0

    unionpay()

    # WeChat Pay: two platform certificates, the first with a leading zero in
    # its serial, one public key, and a forger's key under the first serial
    a = private('wx_a.key')
    write('wx_a.crt', pem(make(a, 'Tenpay.com A',
                               0x0A1B2C3D4E5F60718293A4B5C6D7E8F901234567)))
    b = private('wx_b.key')
    write('wx_b.crt', pem(make(b, 'Tenpay.com B',
                               0x7132D72A03E93CDDF8C03BBD1F37EEDF0B0BBBBB)))
    public('wx_pub.pem', private('wx_pub.key'))
    rogue = private('rogue.key')
    public('rogue.pem', rogue)
    write('rogue.crt', pem(make(rogue, 'Tenpay.com A',
                                0x0A1B2C3D4E5F60718293A4B5C6D7E8F901234567)))
    mch = private('mch.key')
    public('mch.pem', mch)
    write('mch.crt', pem(make(mch, '1900009191',
                              0x5157F09EFDC096DE15EBE81A47057A7232F1B8E1)))
    for name, digit in (('stripe', 1), ('stripe_other', 2)):
        with open(os.path.join(DIR, name + '.key'), 'w') as f:
            f.write('whsec_paygwTestSecret%018d\n' % digit)
    with open(os.path.join(DIR, 'apiv3.key'), 'w') as f:
        f.write('0123456789abcdefghijklmnopqrstuv\n')
    with open(os.path.join(DIR, 'apiv3_other.key'), 'w') as f:
        f.write('vutsrqponmlkjihgfedcba9876543210\n')

    # Alipay: public-key mode and certificate mode
    ali = private('alipay.key')
    public('alipay.pem', ali)
    nxt = private('alipay_next.key')
    public('alipay_next.pem', nxt)
    root_key = rsa.generate_private_key(65537, 2048)
    root = make(root_key, 'Test Root CA', 0x1001, ca=True)
    write('alipay_root.crt', pem(root))
    ca_key = rsa.generate_private_key(65537, 2048)
    ca = make(ca_key, 'Test Issuing CA', 0x2002, root.subject, root_key, True)
    write('alipay_ca.crt', pem(ca))
    write('alipay.crt', pem(make(ali, 'alipay leaf', 0x3003, ca.subject,
                                 ca_key)) + pem(ca))
    write('alipay_next.crt', pem(make(nxt, 'alipay leaf next', 0x3004,
                                      ca.subject, ca_key)) + pem(ca))
    # the name of the issuing CA, but not its signature
    write('alipay_rogue.crt', pem(make(rogue, 'alipay leaf', 0x3005,
                                       ca.subject, rogue)) + pem(ca))
    app = private('app.key')
    public('app.pem', app)
    write('app.crt', pem(make(app, 'app', 0x4004, ca.subject, ca_key)))

    # what nginx -t must refuse
    private('rsa1024.key', rsa.generate_private_key(65537, 1024))
    weak = rsa.generate_private_key(65537, 1024)
    public('rsa1024.pem', weak)
    write('rsa1024.crt', pem(make(weak, 'weak', 0x5005)))
    p256 = private('ec.key', ec.generate_private_key(ec.SECP256R1()))
    public('ec.pem', p256)
    write('ec.crt', pem(make(p256, 'ec', 0x6006)))
    write('encrypted.key', mch.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b'secret')))
    # other forms of good keys
    write('mch_pkcs1.key', mch.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption()))
    return 0


if __name__ == '__main__':
    sys.exit(main())
