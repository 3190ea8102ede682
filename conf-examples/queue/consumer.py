#!/usr/bin/python3
"""Takes payment events from the stream that "paygw_queue" fills.

usage: consumer.py [--redis HOST:PORT] [--stream NAME] [--group NAME]
                   [--name NAME] [--user NAME] [--password-file FILE]
                   [--database FILE]

Needs Redis 6.2, and nothing but Python: a client of Redis is some lines, see
below.  Start as many of them as you like, each with a --name of its own that
stays the same when it is started again.

* A consumer group hands each entry to one consumer.
* XACK tells that it was handled.  What was handed out and not acknowledged is
  pending: after a restart a consumer begins with its own pending entries, and
  what a dead one has left behind is claimed after IDLE (XAUTOCLAIM).
* So an entry may be handed out twice, to one that died after it had acted and
  before its XACK.  handle() must therefore know the event's id: here it stands
  next to the order, in one transaction of a database (SQLite).
* XDEL removes what was handled, so that the stream holds only what was not,
  and needs no "maxlen".  With a second group leave that out, and trim by
  XTRIM MINID behind the slower one.
"""

import argparse
import json
import signal
import socket
import sqlite3
import sys
import threading

IDLE = 60000        # ms after which the entries of another are taken over
BLOCK = 2000        # ms to wait for new entries
BATCH = 32

STOP = threading.Event()


class RedisError(Exception):
    """An error that Redis has answered."""


class Redis:
    """The protocol of Redis: a command is a list, and so may an answer be."""

    def __init__(self, host, port, password=None, user=None, timeout=10):
        self.socket = socket.create_connection((host, int(port)), timeout)
        self.file = self.socket.makefile("rb")
        if password:
            self.command("AUTH", *([user] if user else []), password)

    def command(self, *words):
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            data = word if isinstance(word, bytes) else str(word).encode()
            parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
        self.socket.sendall(b"".join(parts))
        answer = self.answer()
        if isinstance(answer, RedisError):
            raise answer
        return answer

    def answer(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if int(rest) < 0:
            return None
        if kind == b"$":
            data = self.file.read(int(rest) + 2)
            if len(data) != int(rest) + 2:
                raise ConnectionError("redis closed the connection")
            return data[:-2]
        return [self.answer() for _ in range(int(rest))]

    def close(self):
        self.file.close()
        self.socket.close()


def fields(entry):
    """The fields of an entry by name; None if it was deleted meanwhile."""
    values = entry[1]
    if values is None:
        return None
    return {values[i].decode(): values[i + 1]
            for i in range(0, len(values), 2)}


class Shop:
    """What the shop does with an event: once, however often it comes."""

    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None, timeout=30)
        self.db.execute("CREATE TABLE IF NOT EXISTS events"
                        " (id TEXT PRIMARY KEY, order_id TEXT,"
                        " amount INTEGER, currency TEXT)")

    def handle(self, event):
        """One transaction: the id of the event, and what follows from it."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            order = event["order"]
            self.db.execute("INSERT INTO events VALUES (?, ?, ?, ?)",
                            (event["id"], order.get("order_id"),
                             order.get("amount"), order.get("currency")))
            # here: if type is "payment" and outcome "success" compare amount
            # and currency with the order and mark it paid; with "confirm" in
            # the event ask the provider before
            self.db.execute("COMMIT")
            return True
        except sqlite3.IntegrityError:
            self.db.execute("ROLLBACK")
            return False        # known: it was handled before
        except BaseException:
            self.db.execute("ROLLBACK")
            raise


class Consumer:

    def __init__(self, redis, shop, opt):
        self.redis = redis
        self.shop = shop
        self.opt = opt
        try:
            # from the beginning: events may be older than the group
            redis.command("XGROUP", "CREATE", opt.stream, opt.group, "0",
                          "MKSTREAM")
        except RedisError as e:
            if not str(e).startswith("BUSYGROUP"):
                raise

    def run(self):
        self.read("0")                      # what this one has left over
        while not STOP.is_set():
            self.take_over()
            self.read(">", block=True)

    def read(self, start, block=False):
        wait = ["BLOCK", BLOCK] if block else []
        while not STOP.is_set():
            answer = self.redis.command(
                "XREADGROUP", "GROUP", self.opt.group, self.opt.name,
                "COUNT", BATCH, *wait, "STREAMS", self.opt.stream, start)
            entries = answer[0][1] if answer else []
            self.work(entries)
            if block or not entries:
                return

    def take_over(self):
        """The entries of consumers that have died."""
        cursor = "0-0"
        while not STOP.is_set():
            answer = self.redis.command(
                "XAUTOCLAIM", self.opt.stream, self.opt.group, self.opt.name,
                self.opt.idle, cursor, "COUNT", BATCH)
            cursor = answer[0].decode()
            self.work(answer[1])
            if cursor == "0-0":
                return

    def work(self, entries):
        for entry in entries:
            if entry is None:
                continue
            found = fields(entry)
            if found is not None:
                event = json.loads(found["event"])
                new = self.shop.handle(event)
                print("%s %s %s" % (event["id"], event["outcome"],
                                    "handled" if new else "known"),
                      flush=True)
            # only now: it is in the shop's own database
            self.redis.command("XACK", self.opt.stream, self.opt.group,
                               entry[0])
            self.redis.command("XDEL", self.opt.stream, entry[0])


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--redis", default="127.0.0.1:6379")
    parser.add_argument("--stream", default="paygw:events")
    parser.add_argument("--group", default="shop")
    parser.add_argument("--name", default=socket.gethostname())
    parser.add_argument("--user", help="an ACL user; none: the default one")
    parser.add_argument("--password-file")
    parser.add_argument("--database", default="events.db")
    parser.add_argument("--idle", type=int, default=IDLE)
    return parser.parse_args()


def main():
    opt = options()
    password = None
    if opt.password_file:
        with open(opt.password_file) as file:
            password = file.read().rstrip("\n")
    shop = Shop(opt.database)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: STOP.set())

    while not STOP.is_set():
        try:
            redis = Redis(*opt.redis.rsplit(":", 1), password, opt.user)
            Consumer(redis, shop, opt).run()
            redis.close()
        except (OSError, RedisError) as e:
            # what was not acknowledged is pending, and read first
            print("redis: %s" % e, file=sys.stderr, flush=True)
            STOP.wait(1)


if __name__ == "__main__":
    main()
