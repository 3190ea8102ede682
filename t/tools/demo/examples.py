"""Starts each file of conf-examples/ and sends real callbacks through it.

The callbacks are made by the sandbox, which shares no code with the module.
Prints TAP; t/examples.t runs it.

usage: examples.py [FILE...]
"""

import json
import os
import re
import shutil
import sys
import tempfile
import time
import traceback

import luashop
import merchants
import stage
from calls import (calling, encrypted, fields, files, more, partner, routed,
                   trouble, unified)
from queueing import Scene
from stage import ROOT, Failure

sys.path.insert(0, ROOT)

from sandbox import deliver, generic, wechat_v2  # noqa: E402
from sandbox.keys import Keys       # noqa: E402
from sandbox.orders import Order, Store  # noqa: E402
from sandbox.server import Sandbox, Server  # noqa: E402

ACKS = {"alipay": (200, b"success"), "wechat_v3": (204, b""),
        "stripe": (200, b""), "wechat_v2": (200, wechat_v2.ACK),
        "unionpay": (200, b"ok")}
PASSWORD = "a-password-of-redis"
SECRET = "a-secret-of-the-gateway-and-the-shop"


class Case:
    """One example: its nginx, its shop and the keys that it was given."""

    count = 0

    def __init__(self, path, folder, keys):
        self.name = os.path.basename(path)
        self.folder = folder
        self.keys = keys
        self.programs = []
        self.failed = 0
        self.orders = 0
        with open(path) as file:
            self.text = file.read()

    def start(self):
        text = luashop.local(stage.local(self.text, self.folder))
        self.port = stage.free_port()
        text = text.replace("listen 80;", "listen 127.0.0.1:%d;" % self.port)
        if "listen 9145;" in text:
            self.inside = stage.free_port()
            text = text.replace("listen 9145;",
                                "listen 127.0.0.1:%d;" % self.inside)
        if "php-fpm.sock" in text:
            path = os.path.join(self.folder, "php-fpm.sock")
            text = text.replace("/run/php/php-fpm.sock", path)
            self.shop = stage.FastcgiShop(path)
        else:
            self.shop = stage.HttpShop()
            text = text.replace("127.0.0.1:8080",
                                "127.0.0.1:%d" % self.shop.port)
        if "redis://" in text:
            cluster = re.search(r"paygw_store [^;]* cluster\s", text)
            port = stage.free_port(10000 if cluster else 0)
            self.redis_port = port
            text = text.replace("127.0.0.1:6379", "127.0.0.1:%d" % port)
            # the machine of a test may have more to do than one of a shop
            text = text.replace("timeout=500ms", "timeout=3s")
            self.programs.append(stage.redis(self.folder, port, PASSWORD,
                                             cluster))
        for channel in self.channels():
            text = self.fill(text, channel)
        ring = self.keys.rings[""]
        ring.alipay_active = ("alipay_next" if "alipay_certs" in text
                              else "alipay")
        endpoint = re.compile(r"(?m)^( +endpoint +)https:[^;]*;")
        if endpoint.search(text):
            # the sandbox has the keys that are to be fetched
            server = Server(Sandbox(ring)).start()
            self.programs.append(server)
            text = endpoint.sub(lambda m: "%s%s;" % (m.group(1), server.url),
                                text)
        text = text.replace("/etc/paygw/", self.keys.dir + "/")
        self.programs.append(stage.nginx(self.folder, text, self.port))

    def stop(self):
        for program in reversed(self.programs):
            program.stop()
        if hasattr(self, "shop"):
            self.shop.stop()

    # what stands in the file

    def channels(self):
        return re.findall(r"(?s)\n    (paygw_channel (\w+) \{.*?\n    \})",
                          self.text)

    def ring(self, block):
        """The keys of a channel: of the folder that its files are in."""
        found = re.search(r"/etc/paygw/(north|south)/", block)
        return self.keys.rings[found.group(1) if found else ""]

    def fill(self, text, channel):
        """The ids of a channel become those of its keys."""
        block = channel[0]
        ids = self.ring(block).ids
        new = block
        new = re.sub(r"(?m)^( +appid +\S+ )\S+;", lambda m: m.group(1)
                     + ids["sub_appid"] + ";", new)
        for word in ("app_id", "seller_id", "appid", "mchid", "sub_mchid",
                     "auth_app_id"):
            # the first one, if there are several
            new = re.sub(r"(?m)^( +%s +)[^\s;]+" % word, lambda m: m.group(1)
                         + ids[word.removeprefix("auth_")], new, count=1)
        new = re.sub(r"(?m)^( +merId +)\S+;", lambda m: m.group(1)
                     + self.ring(block).unionpay_ids["merId"] + ";", new)
        new = re.sub(r"PUB_KEY_ID_\d+", ids["pub_key_id"], new)
        return text.replace(block, new)

    def provider(self, channel):
        block = dict((name, text) for text, name in self.channels())[channel]
        return re.search(r"provider +(\w+);", block).group(1)

    def location(self, channel):
        return re.search(r"location = (\S+) \{[^}]*?paygw_notify [^;]*\b%s\b"
                         % channel, self.text).group(1)

    def ack(self, channel):
        """Status and body of the answer to what is taken."""
        provider = self.provider(channel)
        if provider != "generic":
            return ACKS[provider]
        found = re.search(r"ack ok +(\d+)(?:\s+\S+\s+'?([^';]+)'?)?;",
                          self.text)
        return int(found.group(1)), (found.group(2) or "").encode()

    # messages

    def message(self, channel, kind="payment", keys=None, **faults):
        block = dict((name, text) for text, name in self.channels())[channel]
        keys = keys or self.ring(block)
        provider = self.provider(channel)
        if provider == "generic":
            return self.generic_message(**faults)
        if provider == "wechat_v3" and "platform_certificate" not in block:
            # sign with what the channel holds
            faults.setdefault("key", "pub")
        if provider == "stripe" and not re.search("livemode +off;", block):
            faults.setdefault("livemode", True)
        secret = re.search("signMethod +(1[12]);", block)
        if secret:
            faults.setdefault("sign_type", secret.group(1))
        self.orders += 1
        order = Order(provider, "EXAMPLE-%d" % self.orders, 1234,
                      partner="sub_mchid" in block)
        message = deliver.compose(keys, order, None, faults, url="any")
        return order, dict(message.headers), message.body

    def generic_message(self, forged=None, stranger=False):
        """Of the style that the file is named after."""
        self.orders += 1
        order = Order("alipay", "EXAMPLE-%d" % self.orders, 1234)
        message = generic.compose(
            self.keys.generic, self.name[len("generic-"):-len(".conf")],
            order.order_id, order.amount, order.currency,
            forged=forged is not None, stranger=stranger)
        return order, dict(message.headers), message.body

    def send(self, channel, message):
        # a field that only paygw may set comes from outside
        headers = {**message[1], "X-Paygw-Amount": "999999",
                   "X_Paygw_Order_Id": "spoofed"}
        status, _, body = stage.send(self.port, self.location(channel),
                                     headers, message[2])
        return status, body

    def again(self, channel, message):
        """The same once more, as soon as the first try is settled.

        The ack and the word to the store go out together, so that for a
        moment the event may still be held.
        """
        end = time.monotonic() + 5
        while True:
            answer = self.send(channel, message)
            if answer[0] != 503 or time.monotonic() > end:
                return answer
            time.sleep(0.05)

    # findings

    def ok(self, condition, what):
        Case.count += 1
        if not condition:
            self.failed += 1
            print("# not ok: %s: %s" % (self.name, what), file=sys.stderr)
        print("%s %d - %s: %s" % ("ok" if condition else "not ok",
                                  Case.count, self.name, what), flush=True)
        return condition

    def same(self, got, wanted, what):
        if not self.ok(got == wanted, what):
            print("#      got: %r\n# expected: %r" % (got, wanted),
                  file=sys.stderr, flush=True)

    def log(self, full):
        """The access log, once it has all that is expected.

        nginx writes a line when the answer has gone out.
        """
        end = time.monotonic() + 5
        while True:
            with open(os.path.join(self.folder, "notify.log")) as file:
                log = file.read()
            if full(log) or time.monotonic() > end:
                return log
            time.sleep(0.05)

    # what nearly every example must do

    def works(self, channel, **faults):
        provider = self.provider(channel)
        message = self.message(channel, **faults)
        order = message[0]
        before = len(self.shop.got)

        self.same(self.send(channel, message), self.ack(channel),
                  channel + " is acknowledged")
        self.same(len(self.shop.got), before + 1, channel + " is delivered")
        if len(self.shop.got) == before:
            return
        delivery = self.shop.got[-1]
        fields = delivery.fields()
        self.same((fields.get("channel"), fields.get("provider"),
                   fields.get("order-id"), fields.get("amount"),
                   fields.get("outcome"), fields.get("delivery")),
                  (channel, provider, order.order_id, "1234", "success", "1"),
                  channel + ": the header fields")
        if "paygw_deliver raw" in self.text:
            self.same(delivery.body, message[2], channel + ": the raw bytes")
        else:
            event = delivery.event()
            self.same((event["id"], event["type"], event["outcome"],
                       event["channel"], event["order"]["order_id"],
                       event["order"]["amount"], event["order"]["currency"]),
                      (fields["event-id"], "payment", "success", channel,
                       order.order_id, 1234, "CNY"), channel + ": the event")
            self.same(delivery.headers.get("content-length"),
                      str(len(delivery.body)), channel + ": the length")

        self.same(self.again(channel, message), self.ack(channel),
                  channel + " is acknowledged when it comes again")
        self.same(len(self.shop.got), before + 1,
                  channel + " is not delivered again")

    def refuses(self, channel, status=401, **faults):
        before = len(self.shop.got)
        message = self.message(channel, **faults)
        answer = self.send(channel, message)
        what = "%s: %s" % (channel, ", ".join(faults) or "a stranger")
        self.same(answer[0], status, what + " is refused")
        self.same(len(self.shop.got), before, what + " is not delivered")

    def released(self, channel):
        provider = self.provider(channel)
        message = self.message(channel)
        self.shop.status = 500
        status, body = self.send(channel, message)
        self.same(status, 502, channel + ": the shop fails, no success")
        self.ok(b"thank you" not in body and body != self.ack(channel)[1]
                or body == b"", channel + ": not the shop's body")
        self.shop.status = 200
        self.same(self.again(channel, message), self.ack(channel),
                  channel + ": the next try is acknowledged")
        self.same(self.shop.got[-1].fields().get("delivery"), "2",
                  channel + ": it is delivery 2")


def plain(case):
    for _, channel in case.channels():
        case.works(channel)
        case.refuses(channel, forged="body")
        case.released(channel)


def observe(case):
    channel = "alipay"
    case.shop.text = b"success"
    message = case.message(channel)
    case.same(case.send(channel, message), (200, b"success"),
              "the shop's own answer")
    case.same(case.shop.got[-1].body, message[2], "the provider's bytes")
    fields = case.shop.got[-1].fields()
    case.same(fields.get("result"), "verified", "a genuine one is verified")
    case.ok("reason" not in fields, "without a reason")
    case.ok("amount" not in fields, "and no field from outside")

    message = case.message(channel, forged="body")
    case.shop.text = b"fail, says the shop"
    case.same(case.send(channel, message), (200, b"fail, says the shop"),
              "a forged one reaches the shop as well")
    case.same(case.shop.got[-1].body, message[2], "with its bytes")
    fields = case.shop.got[-1].fields()
    case.same((fields.get("result"), fields.get("reason")),
              ("refused", "signature"), "and would be refused")
    def both(log):
        return ("result=verified" in log
                and "result=refused reason=signature" in log)

    case.ok(both(case.log(both)), "both are in the log")


def many(case):
    for _, channel in case.channels():
        case.works(channel)
        case.refuses(channel, forged="body")
    # an account that no channel of the location has
    stranger = case.keys.rings[""]
    for channel, status in (("alipay_north", 403), ("wxpay_north", 401)):
        message = case.message(channel, keys=stranger)
        before = len(case.shop.got)
        case.same(case.send(channel, message)[0], status,
                  channel + ": another account is refused")
        case.same(len(case.shop.got), before, "and not delivered")


def access_log(case):
    plain(case)
    providers = {case.provider(channel) for _, channel in case.channels()}
    wanted = {(p, r, w) for p in providers for r, w in (
        ("taken", ""), ("duplicate", "duplicate"), ("refused", "signature"),
        ("released", "shop"))}

    def parsed(log):
        return [json.loads(line) for line in log.splitlines(True)
                if line.endswith("\n")]

    def results(log):
        return {(l["provider"], l["result"], l["reason"])
                for l in parsed(log)}

    log = case.log(lambda log: results(log) >= wanted)
    case.same(results(log), wanted, "each result has its line")
    line = parsed(log)[0]
    case.same((line["amount"], line["currency"], line["type"],
               line["outcome"], line["shop"]),
              ("1234", "CNY", "payment", "success", "200"),
              "with what is known of the event")


def rotation(case):
    for key in ("a", "b", "pub"):
        case.works("wxpay", key=key)
    case.works("alipay", key="current")
    case.works("alipay", key="next")
    case.refuses("wxpay", wrong_key="rogue")
    case.refuses("alipay", wrong_key="rogue")


def filtering(case):
    plain(case)
    before = len(case.shop.got)
    message = case.message("alipay", set={"trade_status": "WAIT_BUYER_PAY"})
    case.same(case.send("alipay", message), ACKS["alipay"],
              "a payer who is still waiting is acknowledged")
    message = case.message("alipay", notify_type="something_else")
    case.same(case.send("alipay", message), ACKS["alipay"],
              "an event of another kind is acknowledged")
    case.same(len(case.shop.got), before, "the shop hears of neither")
    case.refuses("alipay", forged="body")


def fetched(case):
    """Certificates that stand in no file of the configuration."""
    path = os.path.join(case.folder, "error.log")
    end = time.monotonic() + 5
    known = False
    while not known and time.monotonic() < end:
        with open(path) as file:
            known = "is in use" in file.read()
        time.sleep(0.05)
    case.ok(known, "a certificate is fetched")
    for _, channel in case.channels():
        names = (("a", "b") if channel == "wxpay" else ("current", "next"))
        for name in names:
            case.works(channel, key=name)
        case.refuses(channel, wrong_key="rogue")
    kept = os.listdir(os.path.join(case.folder, "paygw"))
    case.same(kept, [case.channels()[0][1] + ".pem"], "and kept")


def metrics(case):
    """The numbers are those of the callbacks that were sent."""
    plain(case)
    wanted = {(p, r, w): n for p in ("alipay", "wechat_v3") for r, w, n in (
        ("taken", "", 2), ("duplicate", "", 1), ("refused", "signature", 1),
        ("released", "", 1))}

    def get(target):
        return stage.send(case.inside, target, {}, b"", "GET")

    def counted():
        status, _, body = get("/status")
        if status != 200:
            return status
        samples = json.loads(body)["metrics"]["paygw_callbacks_total"]
        return {(s["labels"]["provider"], s["labels"]["result"],
                 s["labels"]["reason"]): s["value"]
                for s in samples["samples"]
                if s["value"] and s["labels"]["result"] != "in_flight"}

    end = time.monotonic() + 5
    while counted() != wanted and time.monotonic() < end:
        time.sleep(0.05)
    case.same(counted(), wanted, "each is counted")
    status, headers, body = get("/metrics")
    case.same((status, headers.get("content-type")),
              (200, "text/plain; version=0.0.4; charset=utf-8"),
              "the text format")
    case.ok(b'result="taken",reason=""} 2\n' in body, "with the same")


def queueing(case):
    Scene(case, PASSWORD).run()


def configured(case):
    plain(case)
    channel = case.channels()[0][1]
    case.refuses(channel, stranger=True)


def signed(case):
    path = os.path.join(ROOT, "conf-examples", "verify")
    sys.path.insert(0, path)
    sys.dont_write_bytecode = True
    import paygw
    plain(case)
    got = case.shop.got
    case.ok(got, "the shop was asked")
    for delivery in got:
        case.ok(paygw.genuine(delivery.headers, delivery.body,
                              SECRET.encode()), "the shop takes it")
        case.ok(not paygw.genuine(delivery.headers, delivery.body + b" ",
                                  SECRET.encode()), "but nothing else")


def refunds(case):
    """What nobody has signed goes where it is confirmed."""
    plain(case)
    case.same(case.shop.got[-1].target, "/payments", "a payment")
    store = Store()
    order = store.add(Order("wechat_v2", "EXAMPLE-REFUND", 1234))
    store.pay(order)
    store.refund(order, 34, "R1")
    message = deliver.compose(case.ring(case.channels()[0][0]), order,
                              order.event(), {}, url="any")
    case.same(case.send("wxv2", (order, dict(message.headers),
                                 message.body)),
              ACKS["wechat_v2"], "a refund is acknowledged")
    got = case.shop.got[-1]
    case.same((got.target, got.fields().get("confirm"),
               got.event()["confirm"], got.event()["refund"]["amount"]),
              ("/refunds-to-confirm", "query", "query", 34),
              "and delivered to be confirmed")


def confirming(case):
    """A success with defects goes where it is confirmed."""
    plain(case)
    case.same(case.shop.got[-1].target, "/payments", "a payment")
    message = case.message("unionpay", set={"respCode": "A6"})
    case.same(case.send("unionpay", message), ACKS["unionpay"],
              "a success with defects is acknowledged")
    got = case.shop.got[-1]
    case.same((got.target, got.fields().get("confirm")),
              ("/payments-to-confirm", "query"), "has to be confirmed")
    for kind in ("self_signed", "other_ca", "other_name", "expired"):
        case.refuses("unionpay", certificate=kind)


SCENES = {
    "alipay-auto-certificates.conf": fetched,
    "wechat-v3-auto-certificates.conf": fetched,
    "access-log.conf": access_log,
    "existing-shop-observe.conf": observe,
    "filter-by-event.conf": filtering,
    "key-rotation.conf": rotation,
    "lua.conf": luashop.scene,
    "many-accounts.conf": many,
    "merchant.conf": merchants.headers,
    "merchant-idempotency.conf": merchants.idempotency,
    "merchant-limits.conf": merchants.limits,
    "merchant-params.conf": merchants.params,
    "merchant-public-key.conf": merchants.public_key,
    "orders-encrypted.conf": lambda case: (plain(case), encrypted(case)),
    "orders-files.conf": files,
    "orders-out.conf": lambda case: (plain(case), calling(case)),
    "orders-out-unionpay-wechat-v2.conf": fields,
    "orders-partner.conf": lambda case: (plain(case), partner(case)),
    "orders-resilient.conf": lambda case: (plain(case), trouble(case)),
    "metrics.conf": metrics,
    "queue.conf": queueing,
    "routed-orders.conf": lambda case: (plain(case), routed(case)),
    "signed-delivery.conf": signed,
    "unified-orders.conf": lambda case: (plain(case), unified(case)),
    "unified-orders-more.conf": lambda case: (plain(case), more(case)),
    "unionpay.conf": confirming,
    "wechat-v2.conf": refunds,
}


class AllKeys:
    """The folder that stands for /etc/paygw: three accounts and secrets."""

    def __init__(self, folder):
        self.dir = folder
        self.rings = {name: Keys(os.path.join(folder, name) if name
                                 else folder)
                      for name in ("", "north", "south")}
        self.generic = generic.Ring(folder)
        merchants.keys(folder)
        for name, text in (("redis", PASSWORD), ("shop", SECRET),
                           ("events", SECRET)):
            path = os.path.join(folder, name + ".secret")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600),
                      "w") as f:
                f.write(text + "\n")


def run(path, folder, keys):
    os.makedirs(folder)
    case = Case(path, folder, keys)
    try:
        case.start()
        scene = configured if case.name.startswith("generic-") else plain
        SCENES.get(case.name, scene)(case)
        with open(os.path.join(folder, "error.log")) as file:
            bad = re.findall(r".*\[(?:alert|crit|emerg)\].*", file.read())
        case.same(bad, [], "nothing alarming in the error log")
    except Exception as e:
        text = str(e) if isinstance(e, Failure) else traceback.format_exc()
        case.ok(False, "works")
        print("".join("# %s\n" % line for line in text.splitlines()),
              end="")
    finally:
        case.stop()
    log = os.path.join(folder, "error.log")
    if case.failed and os.path.exists(log):
        with open(log) as file:
            print("".join("# " + line for line in file.readlines()[-20:]),
                  end="")
    return case.failed


def main():
    folder = os.path.join(ROOT, "conf-examples")
    paths = sys.argv[1:] or sorted(
        os.path.join(folder, name) for name in os.listdir(folder)
        if name.endswith(".conf"))
    work = tempfile.mkdtemp(prefix="paygw-examples-")
    failed = 0
    try:
        keys = AllKeys(os.path.join(work, "keys"))
        for path in paths:
            if os.path.basename(path) == "lua.conf" and luashop.missing():
                Case.count += 1
                print("ok %d - lua.conf # SKIP not here: %s"
                      % (Case.count, " ".join(luashop.missing())))
                continue
            if os.path.basename(path).startswith("generic-calls-"):
                # t/pass-generic.t has the gateways for them
                continue
            failed += run(path, os.path.join(work, os.path.basename(path)),
                          keys)
        for name in sorted(set(SCENES) - set(os.listdir(folder))):
            failed += 1
            Case.count += 1
            print("not ok %d - there is no example %s" % (Case.count, name))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("1..%d" % Case.count)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
