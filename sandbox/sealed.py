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


def _rsa_open(key, text):
    raw = decoded(text)
    if len(raw) != key.key_size // 8:
        raise Unreadable("length")
    try:
        return key.decrypt(raw, padding.PKCS1v15())
    except ValueError:
        raise Unreadable("key") from None


def rsa_open(key, text, pattern):
    """The text; newer libraries give random bytes for another key's."""
    try:
        plain = _rsa_open(key, text).decode("utf-8")
    except ValueError:
        raise Unreadable("key") from None
    if not re.fullmatch(pattern, plain):
        raise Unreadable("key")
    return plain


def _pan_block(card):
    """Of a card number the 12 digits before the last one."""
    return int(card[-13:-1], 16)


def pin_block(pin, card):
    """A pin with its card, as ISO 9564-1 has it in its format 0."""
    text = "%02X%s" % (len(pin), pin)
    return (int(text.ljust(16, "F"), 16) ^ _pan_block(card)).to_bytes(8, "big")


def pin_seal(key, pin, card):
    raw = key.encrypt(pin_block(pin, card), padding.PKCS1v15())
    return base64.b64encode(raw).decode("ascii")


def pin_open(key, text, card):
    """The pin; one of another card has no digits, or not so many."""
    raw = _rsa_open(key, text)
    if len(raw) != 8 or not re.fullmatch("[0-9]{13,19}", card or ""):
        raise Unreadable("block")
    plain = "%016X" % (int.from_bytes(raw, "big") ^ _pan_block(card))
    length = int(plain[:2], 16)
    pin, rest = plain[2:2 + length], plain[2 + length:]
    if not 4 <= length <= 12 or not re.fullmatch("[0-9]+", pin) \
            or rest.strip("F"):
        raise Unreadable("block")
    return pin


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


def customer_seal(key, values):
    """A customerInfo for who has the key; the other way below."""
    parts = ["%s=%s" % item for item in values.items()
             if item[0] not in SECRET]
    inner = "&".join("%s=%s" % (name, values[name]) for name in SECRET
                     if name in values)
    if inner:
        parts.append("encryptedInfo=" + rsa_seal(key, inner))
    text = "{%s}" % "&".join(parts)
    return base64.b64encode(text.encode("utf-8")).decode("ascii")


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
