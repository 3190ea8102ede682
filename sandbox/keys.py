"""
The keys of both sides, kept in one directory.

A developer has no account, so the sandbox plays both the provider (platform
keys, certificate authority) and the merchant's console (application keys).
Everything is made once and found again at the next start.
"""

import base64
import datetime
import fcntl
import hashlib
import json
import os
import secrets
import string
import threading
from concurrent.futures import ThreadPoolExecutor

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

CST = datetime.timezone(datetime.timedelta(hours=8))

# private keys that are made with RSA, and who holds them
RSA_KEYS = (
    "wechat/apiclient_key.pem",
    "wechat/platform_key_a.pem",
    "wechat/platform_key_b.pem",
    "wechat/pub_key_private.pem",
    "alipay/app_private.pem",
    "alipay/alipay_private.pem",
    "alipay/alipay_next_private.pem",
    "alipay/ca_root_private.pem",
    "alipay/ca_issuing_private.pem",
    "rogue_private.pem",
)

# those of UnionPay, which a directory may lack that is older than they are
UNIONPAY_KEYS = ("root", "middle", "sign", "next", "merchant")

# the name in UnionPay's certificates
UNIONPAY = "\u4e2d\u56fd\u94f6\u8054\u80a1\u4efd\u6709\u9650\u516c\u53f8"

RSA_OID = "1.2.840.113549.1.1"

SHORT = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.COUNTRY_NAME: "C",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
}


def sign(key, message, digest="sha256"):
    """RSASSA-PKCS1-v1_5 as base64 text on one line."""
    algorithm = hashes.SHA1() if digest == "sha1" else hashes.SHA256()
    raw = key.sign(message, padding.PKCS1v15(), algorithm)
    return base64.b64encode(raw).decode("ascii")


def verify(key, signature, message, digest="sha256"):
    """True if the base64 text is a signature of the message.

    Base64 is taken strictly: a decoder that skips unknown bytes would let
    two different texts stand for one signature.
    """
    algorithm = hashes.SHA1() if digest == "sha1" else hashes.SHA256()
    try:
        raw = base64.b64decode(signature, validate=True)
        key.verify(raw, message, padding.PKCS1v15(), algorithm)
    except Exception:
        return False
    return True


def load_private(path):
    with open(path, "rb") as file:
        return serialization.load_pem_private_key(file.read(), None)


def load_public(path):
    """The public key of a PEM file that holds a key or a certificate."""
    with open(path, "rb") as file:
        pem = file.read()
    if b"BEGIN CERTIFICATE" in pem:
        return x509.load_pem_x509_certificate(pem).public_key()
    return serialization.load_pem_public_key(pem)


def split_pem(pem):
    """The certificates of a bundle, each as PEM bytes, in file order."""
    end = b"-----END CERTIFICATE-----"
    parts = pem.split(end)[:-1]
    return [p[p.index(b"-----BEGIN"):] + end + b"\n" for p in parts]


def serial_hex(cert):
    """The serial as WeChat Pay writes it: upper case, leading zero kept."""
    text = "%X" % cert.serial_number
    return text if len(text) % 2 == 0 else "0" + text


def issuer_text(cert):
    """The issuer in RFC 2253 order with values left as they are."""
    parts = []
    for rdn in reversed(list(cert.issuer.rdns)):
        for item in rdn:
            name = SHORT.get(item.oid, item.oid.dotted_string)
            parts.append("%s=%s" % (name, item.value))
    return ",".join(parts)


def sn_of(issuer, serial):
    """The SN of Alipay: MD5 of the issuer text and the decimal serial."""
    return hashlib.md5((issuer + str(serial)).encode("utf-8")).hexdigest()


def cert_sn(pem):
    """SN of the first certificate of a file."""
    cert = x509.load_pem_x509_certificate(split_pem(pem)[0])
    return sn_of(issuer_text(cert), cert.serial_number)


def root_cert_sn(pem):
    """SN of a root bundle: its RSA-signed certificates, joined by "_"."""
    result = []
    for part in split_pem(pem):
        cert = x509.load_pem_x509_certificate(part)
        if cert.signature_algorithm_oid.dotted_string.startswith(RSA_OID):
            result.append(sn_of(issuer_text(cert), cert.serial_number))
    return "_".join(result)


def name(common, *rest):
    """A distinguished name in the order C, O, OU, CN of real ones."""
    items = [x509.NameAttribute(NameOID.COUNTRY_NAME, "CN")]
    oids = (NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)
    for oid, value in zip(oids, rest):
        items.append(x509.NameAttribute(oid, value))
    items.append(x509.NameAttribute(NameOID.COMMON_NAME, common))
    return x509.Name(items)


def certificate(subject, issuer, key, issuer_key, serial=None, ca=False,
                begin=-1, end=1825):
    """A certificate for the public half of key, as PEM bytes.

    begin and end are days from now.
    """
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=begin))
        .not_valid_after(now + datetime.timedelta(days=end))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
    )
    cert = builder.sign(issuer_key, hashes.SHA256())
    return cert.public_bytes(serialization.Encoding.PEM)


def private_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM,
        serialization.PublicFormat.SubjectPublicKeyInfo,
    )


def digits(count, head=""):
    tail = "".join(secrets.choice(string.digits)
                   for _ in range(count - len(head)))
    return head + tail


def secret_text():
    """32 characters, as a merchant sets them in the console."""
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(32))


def serial_from(first):
    """A 20 byte serial with a chosen first byte.

    That of certificate a starts with a zero digit: code that prints serials
    without it is a known mistake, and here it shows at once.
    """
    return int.from_bytes(bytes([first]) + secrets.token_bytes(19), "big")


class Keys:
    """The key directory, made on first use; keys are parsed when needed."""

    def __init__(self, directory):
        self.dir = os.path.abspath(directory)
        self._cache = {}
        self._lock = threading.RLock()
        for part in ("", "wechat", "alipay", "unionpay", "stripe"):
            os.makedirs(os.path.join(self.dir, part), exist_ok=True)
        # two processes may start on one directory at the same moment
        with open(self.path(".lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(self.path("sandbox.json")):
                self._make()
            self._make_api_keys()
            self._make_aes_key()
            self._make_unionpay()
            self._make_unionpay_enc()
            self._make_stripe()
        with open(self.path("sandbox.json"), encoding="utf-8") as file:
            self.ids = json.load(file)
        self.active = "a"
        # what fetches of keys are answered with
        self.listed = ["a", "b"]
        self.alipay_active = "alipay"
        self.lie = ""
        self.fetches = {"wechat_v3": 0, "alipay": 0}
        self.api_v3_key = self.read("wechat/apiv3.key")
        self.api_key = self.read("wechat/apiv2.key")
        self.api_key_next = self.read("wechat/apiv2_next.key")
        self.sign_type = "HMAC-SHA256"
        self.unionpay_ids = json.loads(self.read("unionpay/ids.json"))
        self.unionpay_ids["encryptCertId"] = str(
            x509.load_pem_x509_certificate(
                self.read("unionpay/enc.cer")).serial_number)
        self.unionpay_secret = self.read("unionpay/secure.key")

    def path(self, part):
        return os.path.join(self.dir, part)

    def read(self, part):
        with open(self.path(part), "rb") as file:
            return file.read()

    def private(self, part):
        """A private key by its file; parsing checks primes and is slow."""
        with self._lock:
            if part not in self._cache:
                self._cache[part] = load_private(self.path(part))
            return self._cache[part]

    # WeChat Pay

    def platform(self, which=None):
        """(serial or key id, private key) of a, b or pub."""
        which = which or self.active
        if which == "pub":
            return (self.ids["pub_key_id"],
                    self.private("wechat/pub_key_private.pem"))
        if which not in ("a", "b"):
            raise ValueError("unknown platform key %r" % which)
        return (self.ids["serial_" + which],
                self.private("wechat/platform_key_%s.pem" % which))

    def platform_by_serial(self, serial):
        """The word for a serial, None if it is not one of ours."""
        for which, member in (("a", "serial_a"), ("b", "serial_b"),
                              ("pub", "pub_key_id")):
            if self.ids[member] == serial:
                return which
        return None

    def platform_public(self):
        """Serial to public key, as a merchant holds them."""
        return {self.platform(w)[0]: self.platform(w)[1].public_key()
                for w in ("a", "b", "pub")}

    @property
    def merchant(self):
        return self.private("wechat/apiclient_key.pem")

    # Alipay

    @property
    def app(self):
        return self.private("alipay/app_private.pem")

    @property
    def aes_key(self):
        """The key of encrypted contents, which both sides have."""
        return base64.b64decode(self.read("alipay/aes.key"))

    def alipay(self, which=None):
        part = self.alipay_active if which is None else "alipay"
        part = "alipay_next" if which == "next" else part
        return self.private("alipay/%s_private.pem" % part)

    # Stripe

    def stripe(self, which="webhook"):
        """A secret: of the endpoint, its old one ("old"), of the API."""
        return self.read("stripe/%s.key" % which).decode("ascii")

    @property
    def rogue(self):
        return self.private("rogue_private.pem")

    # UnionPay

    def unionpay(self, which=None):
        """(private key, certificate): of UnionPay, next, enc, or merchant."""
        which = which or "sign"
        return (self.private("unionpay/%s_private.pem" % which),
                self.read("unionpay/%s.cer" % which))

    def unionpay_rogue(self, kind):
        """A certificate of the rogue key that must not be trusted."""
        middle = x509.load_pem_x509_certificate(
            self.read("unionpay/middle.cer")).subject
        key = self.private("unionpay/middle_private.pem")
        common = "041@8310000000083040@%s@00016495" % UNIONPAY
        if kind == "other_name":
            common = "041@8310000000083041@Sandbox Merchant@00016496"
        subject = name(common, "Sandbox")
        if kind == "self_signed":
            middle, key = subject, self.rogue
        elif kind == "other_ca":
            key = self.rogue
        begin, end = (-400, -30) if kind == "expired" else (-1, 1825)
        return certificate(subject, middle, self.rogue, key,
                           begin=begin, end=end)

    # making them

    def _write(self, part, data, private=False):
        """Writes a file that is either whole or not there."""
        path = self.path(part)
        mode = 0o600 if private else 0o644
        fd = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
                     mode)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        os.replace(path + ".new", path)

    def _make(self):
        # OpenSSL works outside the interpreter's lock: two cores, half time
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            made = dict(zip(RSA_KEYS, pool.map(
                lambda _: rsa.generate_private_key(65537, 2048), RSA_KEYS)))
        self._cache = made
        for part, key in made.items():
            self._write(part, private_pem(key), private=True)
        ids = self._make_wechat(made)
        ids.update(self._make_alipay(made))
        # last: its presence says that all others are there
        self._write("sandbox.json", json.dumps(ids, indent=1).encode())

    def _make_wechat(self, made):
        ids = {
            "appid": "wx" + secrets.token_hex(8),
            "mchid": digits(10, "19"),
            "sub_mchid": digits(10, "18"),
            "sub_appid": "wx" + secrets.token_hex(8),
            "pub_key_id": "PUB_KEY_ID_" + digits(34, "0119"),
        }
        issuer = name("Sandbox Platform CA", "Sandbox")
        ca_key = made["alipay/ca_issuing_private.pem"]
        pems = {
            "merchant": ("apiclient", ids["mchid"], 0x37),
            "a": ("platform", "Sandbox Platform a", 0x0A),
            "b": ("platform", "Sandbox Platform b", 0x50),
        }
        for which, (stem, common, first) in pems.items():
            tail = "" if which == "merchant" else "_" + which
            serial = serial_from(first)
            key = made["wechat/%s_key%s.pem" % (stem, tail)]
            pem = certificate(name(common, "Sandbox"), issuer, key, ca_key,
                              serial)
            self._write("wechat/%s_cert%s.pem" % (stem, tail), pem)
            member = ("merchant_serial" if which == "merchant"
                      else "serial_" + which)
            ids[member] = serial_hex(x509.load_pem_x509_certificate(pem))
        self._write("wechat/platform_root.crt",
                    certificate(issuer, issuer, ca_key, ca_key, ca=True))
        self._write("wechat/pub_key.pem",
                    public_pem(made["wechat/pub_key_private.pem"]))
        self._write("wechat/apiv3.key", secret_text().encode(), private=True)
        return ids

    def _make_api_keys(self):
        """The keys of WeChat Pay v2, also for a directory without them."""
        for part in ("wechat/apiv2.key", "wechat/apiv2_next.key"):
            if not os.path.exists(self.path(part)):
                self._write(part, secret_text().encode(), private=True)

    def _make_aes_key(self):
        """Alipay's key of contents, also for a directory without it."""
        if not os.path.exists(self.path("alipay/aes.key")):
            self._write("alipay/aes.key",
                        base64.b64encode(secrets.token_bytes(16)),
                        private=True)

    def _make_unionpay(self):
        """A CA, two certificates of UnionPay and one of the merchant."""
        if os.path.exists(self.path("unionpay/ids.json")):
            return
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            made = dict(zip(UNIONPAY_KEYS, pool.map(
                lambda _: rsa.generate_private_key(65537, 2048),
                UNIONPAY_KEYS)))
        root = name("Sandbox CS CA", "Sandbox")
        middle = name("Sandbox OCA1", "Sandbox")
        merid = digits(15, "777290058")
        serial = secrets.randbits(40)
        for which, subject, issuer, signer in (
                ("root", root, root, "root"),
                ("middle", middle, root, "root"),
                ("sign", name("041@8310000000083040@%s@00016495" % UNIONPAY,
                              "Sandbox"), middle, "middle"),
                ("next", name("041@8310000000083040@%s@00016496" % UNIONPAY,
                              "Sandbox"), middle, "middle"),
                ("merchant", name("041@Z2014-11-11@%s:SIGN@00000006" % merid,
                                  "Sandbox"), middle, "middle")):
            pem = certificate(subject, issuer, made[which], made[signer],
                              serial if which == "merchant" else None,
                              which in ("root", "middle"))
            self._write("unionpay/%s.cer" % which, pem)
            self._write("unionpay/%s_private.pem" % which,
                        private_pem(made[which]), private=True)
        self._write("unionpay/secure.key", secret_text().encode(),
                    private=True)
        self._write("unionpay/ids.json", json.dumps(
            {"merId": merid, "certId": str(serial)}).encode())

    def _make_unionpay_enc(self):
        """A certificate for what is encrypted, by the same CA."""
        if os.path.exists(self.path("unionpay/enc.cer")):
            return
        key = rsa.generate_private_key(65537, 2048)
        middle = x509.load_pem_x509_certificate(
            self.read("unionpay/middle.cer")).subject
        pem = certificate(
            name("041@8310000000083040@%s:ENC@00016497" % UNIONPAY,
                 "Sandbox"), middle, key,
            self.private("unionpay/middle_private.pem"),
            secrets.randbits(40))
        self._write("unionpay/enc_private.pem", private_pem(key),
                    private=True)
        self._write("unionpay/enc.cer", pem)

    def _make_alipay(self, made):
        unit = "Certification Authority"
        root = made["alipay/ca_root_private.pem"]
        root_name = name("Sandbox Root R1", "Sandbox", unit)
        issuing = made["alipay/ca_issuing_private.pem"]
        issuing_name = name("Sandbox Class 2 R1", "Sandbox", unit)
        # a root that is not RSA must be skipped when the SN is counted
        ec_key = ec.generate_private_key(ec.SECP256R1())
        ec_name = name("Sandbox EC Root", "Sandbox", unit)
        bundle = (certificate(ec_name, ec_name, ec_key, ec_key, ca=True)
                  + certificate(root_name, root_name, root, root, ca=True))
        self._write("alipay/alipay_root.crt", bundle)
        middle = certificate(issuing_name, root_name, issuing, root, ca=True)
        ids = {"app_id": digits(16, "2021"), "seller_id": digits(16, "2088"),
               "root_cert_sn": root_cert_sn(bundle)}
        for part, chain in (("app", b""), ("alipay", middle),
                            ("alipay_next", middle)):
            key = made["alipay/%s_private.pem" % part]
            self._write("alipay/%s_public.pem" % part, public_pem(key))
            pem = certificate(name("Sandbox " + part, "Sandbox"),
                              issuing_name, key, issuing)
            self._write("alipay/%s_cert.crt" % part, pem + chain)
            ids[part + "_cert_sn"] = cert_sn(pem)
        return ids

    def _make_stripe(self):
        """Secrets alone, also in a directory that is older than they are."""
        for name, head in (("webhook", "whsec_"), ("old", "whsec_"),
                           ("api", "sk_test_")):
            part = "stripe/%s.key" % name
            if not os.path.exists(self.path(part)):
                self._write(part, (head + secrets.token_hex(16)).encode(),
                            private=True)

    # for configurations and people

    def describe(self):
        """What a client may know: ids and file names, no secret."""
        return {"dir": self.dir, "active": self.active,
                "listed": self.listed, "alipay": self.alipay_active,
                "lie": self.lie, "fetches": self.fetches, **self.ids,
                **self.unionpay_ids}

    def conf(self, cert_mode=False, partner=False):
        """A paygw_channel block for each provider, to fit these keys."""
        wx = [("provider", "wechat_v3"), ("appid", self.ids["appid"]),
              ("mchid", self.ids["mchid"])]
        if partner:
            wx[1] = ("appid", "%s %s" % (self.ids["appid"],
                                         self.ids["sub_appid"]))
            wx.append(("sub_mchid", self.ids["sub_mchid"]))
        wx += [("apiv3_key", "file:" + self.path("wechat/apiv3.key")),
               ("platform_certificate",
                self.path("wechat/platform_cert_a.pem")),
               ("platform_certificate",
                self.path("wechat/platform_cert_b.pem")),
               ("platform_public_key", "%s %s" % (
                   self.ids["pub_key_id"], self.path("wechat/pub_key.pem"))),
               ("merchant_private_key",
                self.path("wechat/apiclient_key.pem")),
               ("merchant_certificate",
                self.path("wechat/apiclient_cert.pem"))]
        ali = [("provider", "alipay"), ("app_id", self.ids["app_id"]),
               ("seller_id", self.ids["seller_id"])]
        files = ("alipay/alipay%s_cert.crt" if cert_mode
                 else "alipay/alipay%s_public.pem")
        word = "alipay_cert" if cert_mode else "alipay_public_key"
        ali += [(word, self.path(files % "")),
                (word, self.path(files % "_next"))]
        if cert_mode:
            ali += [("alipay_root_cert",
                     self.path("alipay/alipay_root.crt")),
                    ("app_cert", self.path("alipay/app_cert.crt"))]
        ali += [("app_private_key", self.path("alipay/app_private.pem"))]
        wx2 = [("provider", "wechat_v2")] + wx[1:4 if partner else 3] + [
            ("api_key", "file:" + self.path("wechat/apiv2.key")),
            ("api_key", "file:" + self.path("wechat/apiv2_next.key")),
            ("sign_type", self.sign_type),
            ("merchant_private_key",
             self.path("wechat/apiclient_key.pem")),
            ("merchant_certificate",
             self.path("wechat/apiclient_cert.pem"))]
        union = [("provider", "unionpay"),
                 ("merId", self.unionpay_ids["merId"]),
                 ("root_cert", self.path("unionpay/root.cer")),
                 ("middle_cert", self.path("unionpay/middle.cer")),
                 ("merchant_private_key",
                  self.path("unionpay/merchant_private.pem")),
                 ("merchant_certificate", self.path("unionpay/merchant.cer"))]
        return "\n".join((block("wxpay", wx), block("wxv2", wx2),
                          block("alipay", ali), block("unionpay", union),
                          block("stripe", self._stripe_conf())))

    def _stripe_conf(self):
        return [("provider", "stripe"),
                ("webhook_secret", "file:" + self.path("stripe/webhook.key")),
                ("secret_key", "file:" + self.path("stripe/api.key")),
                ("livemode", "off")]


def block(channel, params):
    """A paygw_channel block with its values in a column."""
    width = max(len(word) for word, _ in params) + 2
    lines = ["    %s%s;\n" % (word.ljust(width), value)
             for word, value in params]
    return "paygw_channel %s {\n%s}\n" % (channel, "".join(lines))
