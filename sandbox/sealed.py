"""
What is encrypted inside of messages: fields for one side's key, and contents
for a key that both have.

WeChat Pay v3 encrypts fields with RSA-OAEP, UnionPay with RSA of PKCS#1 v1.5,
Alipay a whole content with AES-128-CBC.
"""

import base64
import re

from cryptography.hazmat.primitives import hashes, padding as blocks
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)

# of UnionPay's customerInfo, what is encrypted on its own
SECRET = ("phoneNo", "cvn2", "expired")


class Unreadable(Exception):
    """Something that is not encrypted, or not for this key."""


def decoded(text):
    """The bytes of base64 text; a decoder that skips bytes is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise Unreadable("base64") from None


def oaep_seal(key, text):
    raw = key.encrypt(text.encode("utf-8"), OAEP)
    return base64.b64encode(raw).decode("ascii")


def oaep_open(key, text):
    raw = decoded(text)
    if len(raw) != key.key_size // 8:
        raise Unreadable("length")
    try:
        return key.decrypt(raw, OAEP).decode("utf-8")
    except ValueError:
        raise Unreadable("key") from None


def rsa_seal(key, text):
    raw = key.encrypt(text.encode("utf-8"), padding.PKCS1v15())
    return base64.b64encode(raw).decode("ascii")


def rsa_open(key, text, pattern):
    """The text; newer libraries give random bytes for another key's."""
    raw = decoded(text)
    if len(raw) != key.key_size // 8:
        raise Unreadable("length")
    try:
        plain = key.decrypt(raw, padding.PKCS1v15()).decode("utf-8")
    except ValueError:
        raise Unreadable("key") from None
    if not re.fullmatch(pattern, plain):
        raise Unreadable("key")
    return plain


def _aes(key):
    return Cipher(algorithms.AES(key), modes.CBC(bytes(16)))


def aes_seal(key, data):
    """Alipay's: padded as PKCS#7 says, the first block is of zeros."""
    padder = blocks.PKCS7(128).padder()
    box = _aes(key).encryptor()
    padded = padder.update(data) + padder.finalize()
    return base64.b64encode(box.update(padded) + box.finalize())


def aes_open(key, text):
    raw = decoded(text)
    if not raw or len(raw) % 16:
        raise Unreadable("length")
    box, padder = _aes(key).decryptor(), blocks.PKCS7(128).unpadder()
    try:
        return padder.update(box.update(raw) + box.finalize()) \
            + padder.finalize()
    except ValueError:
        raise Unreadable("padding") from None


def customer(key, text):
    """The members of a customerInfo, what is encrypted in it opened."""
    inner = decoded(text).decode("utf-8", "replace")
    if not (inner.startswith("{") and inner.endswith("}")):
        raise Unreadable("braces")
    values = dict(part.partition("=")[::2]
                  for part in inner[1:-1].split("&") if part)
    sealed = values.pop("encryptedInfo", None)
    if any(name in values for name in SECRET):
        raise Unreadable("in clear")
    if sealed is not None:
        plain = rsa_open(key, sealed, r"\w+=[^&=]*(&\w+=[^&=]*)*")
        values.update(part.partition("=")[::2] for part in plain.split("&"))
    return values
