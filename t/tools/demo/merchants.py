"""Scenes of the examples that take calls of merchants: by the clients of
conf-examples/client, as they stand there."""

import hashlib
import importlib.util
import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from stage import ROOT

CLIENT = os.path.join(ROOT, "conf-examples", "client")
SECRETS = {"north.k1": "north-secret-1-" + "a" * 32,
           "north.k2": "north-secret-2-" + "b" * 32,
           "south.k1": "south-secret-1-" + "c" * 32,
           "old.k1": "old-secret-1-" + "d" * 32}
PAIRS = {"north_ed": ["-algorithm", "ED25519"],
         "north_rsa": ["-algorithm", "RSA", "-pkeyopt",
                       "rsa_keygen_bits:2048"],
         "north_ec": ["-algorithm", "EC", "-pkeyopt",
                      "ec_paramgen_curve:P-256"]}


def keys(folder):
    """What stands for /etc/paygw/merchants."""
    folder = os.path.join(folder, "merchants")
    os.makedirs(folder)
    for name, text in SECRETS.items():
        path = os.path.join(folder, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write(text + "\n")
    for name, how in PAIRS.items():
        path = os.path.join(folder, name)
        subprocess.run(["openssl", "genpkey", *how, "-out", path + ".key"],
                       check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", path + ".key", "-pubout",
                        "-out", path + "_pub.pem"], check=True)


def client(name):
    spec = importlib.util.spec_from_file_location(
        "client_" + name, os.path.join(CLIENT, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Scene:

    def __init__(self, case):
        self.case = case
        self.base = "http://127.0.0.1:%d" % case.port
        self.folder = os.path.join(case.keys.dir, "merchants")

    def sh(self, key_id, file, method, target, body=None, check="yes",
           field=None):
        """call.sh: its status and what it printed."""
        args = [os.path.join(CLIENT, "call.sh"), key_id,
                os.path.join(self.folder, file), method, self.base + target]
        if body is not None:
            path = os.path.join(self.case.folder, "body")
            with open(path, "wb") as f:
                f.write(body)
            args += [path, "-H", "Content-Type: application/json"]
        if field is not None:
            args += ["-H", field]
        done = subprocess.run(args, capture_output=True,
                              env=dict(os.environ, CHECK=check))
        return done.returncode, done.stdout

    def taken(self, merchant, key_id, what):
        got = self.case.shop.got[-1]
        self.case.same((got.headers.get("x-paygw-merchant"),
                        got.headers.get("x-paygw-key-id")),
                       (merchant, key_id), what + ": the shop knows who")

    def post(self, target, fields):
        data = urllib.parse.urlencode(fields).encode()
        try:
            with urllib.request.urlopen(self.base + target, data) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as e:
            with e:
                return e.status, e.read()


def code(body):
    return json.loads(body)["code"]


def headers(case):
    scene = Scene(case)
    body = b'{"order":"1","amount":100}'
    for key_id, merchant, file in (("north-1", "north", "north.k1"),
                                   ("north-2", "north", "north.k2"),
                                   ("south-1", "south", "south.k1")):
        status, _ = scene.sh(key_id, file, "POST", "/api/orders?a=%2f+b",
                             body)
        case.same(status, 0, "call.sh: %s" % key_id)
        scene.taken(merchant, key_id, "call.sh")
    case.same(scene.sh("north-1", "north.k1", "GET", "/api/orders")[0], 0,
              "call.sh: GET")
    case.same(scene.sh("north-1", "north.k1", "POST", "/api/north/x",
                       body)[0], 0, "call.sh: a location of one merchant")
    got = len(case.shop.got)
    status, text = scene.sh("south-1", "south.k1", "POST", "/api/north/x",
                            body, check="no")
    case.same((status, code(text)), (1, "CLIENT-BAD_SIGNATURE"),
              "call.sh: not of another one")
    status, text = scene.sh("north-1", "south.k1", "POST", "/api/x", body,
                            check="no")
    case.same((status, code(text)), (1, "CLIENT-BAD_SIGNATURE"),
              "call.sh: a wrong secret")
    case.same(scene.sh("north-1", "south.k1", "POST", "/api/x", body)[0], 3,
              "call.sh: a refusal is not signed for a stranger")

    module = client("call")
    caller = module.Caller(scene.base, "north-1", SECRETS["north.k1"].encode())
    status, text = caller.call("POST", "/api/orders", body)
    case.same(status, 200, "call.py")
    scene.taken("north", "north-1", "call.py")
    case.same(len(case.shop.got), got + 1, "nothing else reached the shop")
    forger = module.Caller(scene.base, "north-1", b"x" * 32)
    try:
        forger.call("POST", "/api/orders", body)
        case.ok(False, "call.py: a stranger gets no signed answer")
    except module.Unsigned:
        case.ok(True, "call.py: a stranger gets no signed answer")
    with urllib.request.urlopen(scene.base + "/health") as answer:
        case.same(answer.read(), b"fine\n", "paygw_auth off")


def limits(case):
    scene = Scene(case)
    refund = [scene.sh("north-1", "north.k1", "POST", "/api/refunds", b"{}",
                       check="no") for _ in range(4)]
    case.same([status for status, _ in refund], [0, 0, 0, 1], "three refunds")
    case.same(code(refund[3][1]), "RETRY-RATE_LIMITED", "and no more")
    case.same(len(case.shop.got), 3, "the shop got them")
    case.same(scene.sh("south-1", "south.k1", "POST", "/api/refunds", b"{}",
                       check="no")[0], 0, "of another merchant")
    case.same(scene.sh("north-1", "north.k1", "GET", "/api/orders",
                       check="no")[0], 0, "another location")

    for _ in range(10):
        status, text = scene.sh("north-1", "south.k1", "POST", "/api/refunds",
                                b"{}", check="no")
        case.same((status, code(text)), (1, "CLIENT-BAD_SIGNATURE"), "forged")
    status, text = scene.sh("south-1", "south.k1", "POST", "/api/refunds",
                            b"{}", check="no")
    case.same((status, code(text)), (1, "RETRY-TOO_MANY_FAILURES"),
              "too many of them")


def idempotency(case):
    scene = Scene(case)
    body = b'{"to":"x","amount":100}'
    key = 'Idempotency-Key: "payout-1"'

    def send(target, text=body, field=key):
        return scene.sh("north-1", "north.k1", "POST", target, text,
                        check="no", field=field)

    status, first = send("/api/payouts")
    case.same(status, 0, "a payout")
    case.same(case.shop.got[-1].headers.get("x-paygw-attempt"), "1",
              "the shop knows that it is the first attempt")
    case.same([send("/api/payouts") for _ in range(2)], [(0, first)] * 2,
              "its answer once more")
    case.same(scene.sh("north-1", "north.k1", "POST", "/api/payouts", body,
                       field=key), (0, first), "which is signed")
    case.same(len(case.shop.got), 1, "the shop has done it once")
    status, text = send("/api/payouts", b'{"to":"x","amount":200}')
    case.same((status, code(text)), (1, "CLIENT-IDEMPOTENCY_MISMATCH"),
              "another amount")
    status, text = send("/api/payouts", field=None)
    case.same((status, code(text)), (1, "CLIENT-IDEMPOTENCY_KEY_REQUIRED"),
              "without a key")
    case.same(send("/api/orders", field=None)[0], 0, "where it need not be")
    case.same(len(case.shop.got), 2, "nothing else reached the shop")


def public_key(case):
    scene = Scene(case)
    body = b'{"order":"1","amount":100}'
    for name in PAIRS:
        key_id = name.replace("_", "-")
        status, _ = scene.sh(key_id, name + ".key", "POST", "/api/orders",
                             body)
        case.same(status, 0, "call.sh: %s" % key_id)
        scene.taken("north", key_id, "call.sh")
    status, text = scene.sh("north-rsa", "north_ec.key", "POST", "/api/x",
                            body)
    case.same((status, code(text)), (1, "CLIENT-BAD_SIGNATURE"),
              "call.sh: a wrong key")


def params(case):
    scene = Scene(case)
    module = client("params")
    fields = {"order": "20241027 1", "amount": "100", "subject": "\u516c",
              "empty": ""}
    signed = module.sign(fields, "north-1", SECRETS["north.k1"].encode())
    case.same(scene.post("/gateway/pay", signed)[0], 200, "params.py")
    scene.taken("north", "north-1", "params.py")
    status, text = scene.post("/gateway/pay", signed)
    case.same((status, code(text)), (401, "CLIENT-REPLAYED"), "once")
    signed = module.sign(fields, "north-1", SECRETS["north.k1"].encode())
    status, text = scene.post("/gateway/pay", dict(signed, amount="1"))
    case.same((status, code(text)), (401, "CLIENT-BAD_SIGNATURE"),
              "another amount")
    old = dict(fields, key_id="old-1", timestamp=str(int(time.time())),
               nonce_str="nonce-of-an-old-caller", sign_type="MD5")
    text = module.text(old) + "&key=" + SECRETS["old.k1"]
    old["sign"] = hashlib.md5(text.encode()).hexdigest().upper()
    case.same(scene.post("/gateway/pay", old)[0], 200, "MD5")
    scene.taken("old", "old-1", "MD5")
