"""
How the providers may lie when a merchant fetches their keys.

POST /sandbox/keys {"lie": WORD} bends the answers to GET /v3/certificates and
alipay.open.app.alipaycert.download until {"lie": ""}; everything else stays
honest.  "chunked" and "slash" are no lies: a client must understand them.
"""

from cryptography import x509

from .keys import certificate, name

# words that bend how the bytes are sent, and not what they say
MANNERS = ("truncated", "slow", "chunked")

WORDS = ("",) + MANNERS + (
    "wrong_chain",      # a certificate of another issuer of the same name
    "merchant",         # one of the right issuer for a merchant (Alipay)
    "bad_signature",    # one byte of the signed bytes is another
    "unsigned",
    "stale",            # signed an hour ago (WeChat Pay)
    "wrong_apiv3",      # sealed with another key (WeChat Pay)
    "wrong_serial",     # listed under another serial; another SN
    "garbage",          # not JSON
    "huge",             # a megabyte
    "error",            # status 500
    "missing",          # status 404, as a public-key-only account has it
    "slash",            # "/" is written "\\/" after signing (Alipay)
)


def forged_pem(keys, pem):
    """A certificate with serial and issuer of another, of the rogue key."""
    old = x509.load_pem_x509_certificate(pem)
    return certificate(name("Sandbox rogue", "Sandbox"), old.issuer,
                       keys.rogue, keys.rogue, old.serial_number)


def merchant_pem(keys, pem):
    """A certificate that Alipay's CA has issued to somebody else."""
    old = x509.load_pem_x509_certificate(pem)
    return certificate(name("Somebody", "Another shop"), old.issuer,
                       keys.rogue,
                       keys.private("alipay/ca_issuing_private.pem"),
                       old.serial_number)
