"""
What a callback can be made to do wrong: one table.

The command line, the control API and the page are built from it, so that a
misbehaviour that exists in one of them exists in all.
"""

from dataclasses import dataclass
from types import SimpleNamespace

WX = "wechat_v3"
ALI = "alipay"
WX2 = "wechat_v2"
UP = "unionpay"
ST = "stripe"
BOTH = (WX, WX2, ALI, UP)
ALL = BOTH + (ST,)


@dataclass(frozen=True)
class Fault:
    """One misbehaviour.

    kind is flag, int, float, text or map; const is what a bare mention means;
    words are the only texts allowed, if there are any.
    """

    name: str
    providers: tuple
    kind: str
    const: object
    help: str
    words: tuple = ()


# those that change the message itself
MESSAGE = (
    Fault("forged", ALL, "text", "body",
          "change one byte after signing",
          ("body", "signature", "timestamp", "nonce")),
    Fault("wrong_key", ALL, "text", "rogue",
          "sign with a stranger's or with the merchant's own key",
          ("rogue", "own")),
    Fault("key", BOTH, "text", "b",
          "sign with this key of the provider",
          ("a", "b", "pub", "current", "next")),
    Fault("wrong_account", ALL, "text", None,
          "a genuine message for another account",
          ("mchid", "appid", "sub_mchid", "app_id", "seller_id", "merId",
           "account")),
    Fault("skew", ALL, "int", 600,
          "shift the provider's clock by so many seconds"),
    Fault("signtest", (WX,), "flag", True, "a signature probe"),
    Fault("serial", (WX,), "text", "00" * 20,
          "name this serial, whatever key has signed"),
    Fault("missing_header", (WX, ST), "text", "Wechatpay-Signature",
          "leave one header field out"),
    Fault("signature_type", (WX,), "text", "WECHATPAY2-SM2-WITH-SM3",
          "name this Wechatpay-Signature-Type; an empty text leaves it out"),
    Fault("duplicate_key", (WX, ST), "text", "envelope",
          "a JSON member twice, signed so",
          ("envelope", "plaintext", "nested")),
    Fault("event_type", (WX, ST), "text", "SANDBOX.SOMETHING",
          "an event of this type"),
    Fault("bad_tag", (WX,), "flag", True, "change one byte of the GCM tag"),
    Fault("nonce_length", (WX,), "int", 16,
          "seal the resource with a nonce of so many bytes"),
    Fault("aad", (WX,), "text", "wrong",
          "associated_data: wrong, empty or absent",
          ("wrong", "empty", "absent")),
    Fault("wrong_apiv3", (WX,), "flag", True,
          "seal the resource with another APIv3 key"),
    Fault("short_ciphertext", (WX,), "flag", True,
          "a ciphertext shorter than the tag"),
    Fault("algorithm", (WX,), "text", "AEAD_SM4_GCM",
          "name this algorithm in the resource"),
    Fault("no_resource", (WX,), "flag", True, "leave the resource out"),
    Fault("partner", (WX, WX2), "flag", True,
          "partner mode: sp_ and sub_ fields"),
    Fault("duplicate_param", (ALI, WX2, UP), "text", "total_amount",
          "send this parameter twice, the second one unsigned"),
    Fault("sign_type", (ALI, WX2, UP), "text", "RSA",
          "sign by this type; RSA is SHA-1, of WeChat Pay: MD5, "
          "HMAC-SHA256, of UnionPay: 11, 12"),
    Fault("certificate", (UP,), "text", "self_signed",
          "a certificate of the sender's own comes along",
          ("self_signed", "other_ca", "other_name", "expired")),
    Fault("line_ends", (UP,), "flag", True,
          "CR LF becomes LF after signing"),
    Fault("hashed_once", (UP,), "flag", True,
          "sign the string itself, not its hash"),
    Fault("say_sign_type", (WX2,), "text", "MD5",
          "name this sign_type, whatever was signed by"),
    Fault("lower_sign", (WX2,), "flag", True, "the signature in lower case"),
    Fault("plain", (WX2,), "flag", True, "escaped text instead of CDATA"),
    Fault("doctype", (WX2,), "text", "file",
          "a document type: empty, with a file of the receiver's, or a bomb",
          ("empty", "file", "bomb")),
    Fault("padding", (WX2,), "text", "none",
          "of a refund: no padding, or a wrong one", ("none", "wrong")),
    Fault("blocks", (WX2,), "text", "swap",
          "of a refund: blocks swapped, dropped or doubled",
          ("swap", "drop", "double")),
    Fault("sign_with_type", (ALI,), "flag", True,
          "sign sign_type too, as messages of the app gateway do"),
    Fault("missing_param", (ALI, WX2, UP), "text", "sign",
          "leave one parameter out of what is sent"),
    Fault("secrets", (ST,), "text", "both",
          "sign with the old secret of the endpoint, or with both",
          ("current", "old", "both")),
    Fault("livemode", (ST,), "flag", True, "a live event"),
    Fault("only_v0", (ST,), "flag", True, "no v1 among the signatures"),
    Fault("thin", (ST,), "flag", True, "a thin event, of ids alone"),
    Fault("reencoded", (ST,), "flag", True,
          "read and written again on the way, after it was signed"),
    Fault("gbk", BOTH, "flag", True, "text in GBK instead of UTF-8"),
    Fault("empty_values", BOTH, "text", "signed",
          "parameters without a value, inside or outside the signature",
          ("signed", "unsigned")),
    Fault("notify_type", (ALI,), "text", "sandbox_something",
          "a notify of this type"),
    Fault("set", ALL, "map", None,
          "NAME=VALUE: set a field of the genuine content"),
    Fault("pad", ALL, "int", 16384,
          "make the message about so many bytes longer"),
)

# those that change how it is sent
TRANSPORT = (
    Fault("slow", ALL, "float", 0.02,
          "send the body byte by byte with a pause of so many seconds"),
    Fault("cut", ALL, "flag", True,
          "close the connection in the middle of the body"),
    Fault("chunked", ALL, "int", 100, "send in chunks of so many bytes"),
    Fault("repeat_header", ALL, "text", "Content-Type",
          "send one header field twice"),
    Fault("copies", ALL, "int", 2, "so many copies at the same moment"),
    Fault("replay", ALL, "flag", True,
          "the exact bytes of the last callback of the order again"),
    Fault("reordered", ALL, "flag", True,
          "all events of the order, the newest first"),
    Fault("late", ALL, "text", "failed",
          "a state from before the payment, under an id of its own",
          ("pending", "failed")),
)

TABLE = {fault.name: fault for fault in MESSAGE + TRANSPORT}


def _value(fault, value):
    """A value of the fault's kind, or ValueError."""
    if value is True and fault.kind != "flag":
        value = fault.const
    if fault.kind == "flag":
        if not isinstance(value, bool):
            raise ValueError("%s is true or false" % fault.name)
    elif fault.kind in ("int", "float"):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError("%s is a number" % fault.name)
        value = int(value) if fault.kind == "int" else float(value)
    elif fault.kind == "map":
        if not isinstance(value, dict):
            raise ValueError("%s is an object" % fault.name)
    elif not isinstance(value, str):
        raise ValueError("%s is a text" % fault.name)
    elif fault.words and value not in fault.words:
        raise ValueError("%s is one of %s" % (fault.name,
                                              ", ".join(fault.words)))
    return value


def read(provider, given):
    """The faults as attributes; None for all that were not asked for.

    An unknown name is an error: a test that misspells its misbehaviour would
    otherwise pass with a good message.
    """
    result = SimpleNamespace(**dict.fromkeys(TABLE))
    for word, value in given.items():
        fault = TABLE.get(word)
        if fault is None:
            raise ValueError("unknown misbehaviour %r" % word)
        if provider not in fault.providers:
            raise ValueError("%s has no misbehaviour %r" % (provider, word))
        if value is not None and value is not False:
            setattr(result, word, _value(fault, value))
    return result


def split(given):
    """(message faults, transport faults) of one mapping."""
    wire = {fault.name for fault in TRANSPORT}
    return ({k: v for k, v in given.items() if k not in wire},
            {k: v for k, v in given.items() if k in wire})
