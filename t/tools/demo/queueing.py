"""The scene of conf-examples/queue.conf: its stream, and its consumer."""

import importlib.util
import json
import os
import signal
import sqlite3

import stage
from stage import ROOT

CONSUMER = os.path.join(ROOT, "conf-examples", "queue", "consumer.py")
STREAM = "paygw:events"
GROUP = "shop"
ACKS = {"alipay": (200, b"success"), "wxpay": (204, b"")}


def load():
    spec = importlib.util.spec_from_file_location("consumer", CONSUMER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Scene:

    def __init__(self, case, password):
        self.case = case
        self.secret = os.path.join(case.keys.dir, "redis.secret")
        self.database = os.path.join(case.folder, "events.db")
        self.redis = load().Redis("127.0.0.1", case.redis_port, password)
        self.started = 0

    def consumer(self, name, *more):
        self.started += 1
        program = stage.Program(
            "consumer-%d" % self.started,
            ["/usr/bin/python3", "-B", CONSUMER, "--redis",
             "127.0.0.1:%d" % self.case.redis_port, "--password-file",
             self.secret, "--database", self.database, "--name", name,
             *more], self.case.folder)
        self.case.programs.append(program)
        return program

    def length(self):
        return self.redis.command("XLEN", STREAM)

    def handled(self):
        if not os.path.exists(self.database):
            return []
        db = sqlite3.connect(self.database, timeout=30)
        try:
            return sorted(db.execute("SELECT order_id, amount FROM events"))
        except sqlite3.OperationalError:
            return []       # no table yet
        finally:
            db.close()

    def done(self, orders, what):
        wanted = sorted((order, 1234) for order in orders)
        stage.wait_for(lambda: self.handled() == wanted
                       and self.length() == 0, 15,
                       "%s: %r in the shop, %d in the stream"
                       % (what, self.handled(), self.length()))
        self.case.ok(True, what)

    def pay(self, channel):
        message = self.case.message(channel)
        self.case.same(self.case.send(channel, message), ACKS[channel],
                       channel + " is acknowledged")
        return message

    def run(self):
        case = self.case
        alipay, wxpay = self.pay("alipay"), self.pay("wxpay")
        case.same(self.length(), 2, "both are in the stream")
        for channel, message in (("alipay", alipay), ("wxpay", wxpay)):
            case.same(case.send(channel, message), ACKS[channel],
                      channel + " is acknowledged when it comes again")
            case.refuses(channel, forged="body")
        case.same(self.length(), 2, "and nothing was added")
        case.same(len(case.shop.got), 0, "there is no other shop")

        orders = [alipay[0].order_id, wxpay[0].order_id]
        first = self.consumer("one")
        self.done(orders, "the consumer takes them")

        orders.append(self.pay("wxpay")[0].order_id)
        self.done(orders, "and waits for more")
        first.stop(signal.SIGTERM)
        case.same(first.child.returncode, 0, "it ends when it is told to")
        self.dead(orders)

    def dead(self, orders):
        """One has died with an event in hand, another after it had acted."""
        case = self.case
        message = self.pay("alipay")
        orders.append(message[0].order_id)
        got = self.redis.command("XREADGROUP", "GROUP", GROUP, "dead",
                                 "STREAMS", STREAM, ">")
        fields = got[0][1][0][1]
        event = json.loads(fields[fields.index(b"event") + 1])
        case.same(event["order"]["order_id"], message[0].order_id,
                  "a consumer dies with an event in hand")
        second = self.consumer("two", "--idle", "200")
        self.done(orders, "another one takes it over")

        self.redis.command("XADD", STREAM, "*", *fields)
        stage.wait_for(lambda: self.length() == 0, 10, "it is not taken")
        with open(second.log) as file:
            lines = file.read().split("\n")
        case.same(lines.count("%s success known" % event["id"]), 1,
                  "an event that was handled before is known by its id")
        self.done(orders, "and is not handled twice")
        pending = self.redis.command("XPENDING", STREAM, GROUP)
        case.same(pending[0], 0, "nothing is pending")

        second.stop(signal.SIGKILL)
        orders.append(self.pay("wxpay")[0].order_id)
        self.redis.command("XREADGROUP", "GROUP", GROUP, "two", "STREAMS",
                           STREAM, ">")
        self.consumer("two")
        self.done(orders, "one that is started again has its own first")
