"""make ledger-queue: every acknowledged event is in the stream exactly once.

A provider that repeats every callback until it hears "success", and sends
some of them twice at once; a gateway with paygw_queue; and a chaos that kills
Redis with kill -9, again and again, freezes it, kills a worker, reloads.  In
the end the provider's book is compared with the stream: see queue_books.py.
"""

import argparse
import os
import random
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../perf"))
sys.path.insert(0, os.path.join(HERE, "../../../conf-examples/queue"))

import books            # noqa: E402
import consumer         # noqa: E402
import queue_books      # noqa: E402
import stack            # noqa: E402

PORT = 21540
REDIS_PORT = 21541
STREAM = "paygw:events"
RATE = 600
DRAIN = 120
ACTIONS = ["redis", "redis", "redis", "freeze", "worker", "reload"]


def options():
    parser = argparse.ArgumentParser(description="make ledger-queue")
    env = os.environ.get
    parser.add_argument("--count", type=int, default=env("COUNT") or 0)
    parser.add_argument("--duration", type=float,
                        default=env("DURATION") or 30)
    parser.add_argument("--rate", type=float, default=env("RATE") or RATE)
    parser.add_argument("--fsync", default=env("FSYNC") or "always",
                        choices=("always", "everysec", "no", "off"))
    parser.add_argument("--seed", type=int,
                        default=env("SEED") or int(time.time()) % 100000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", default=None)
    return parser.parse_args()


class Town:
    """The gateway and Redis, and what can happen to them."""

    def __init__(self, run, opt):
        self.run = run
        self.durable = (("--appendonly", "no") if opt.fsync == "off" else
                        ("--appendonly", "yes", "--appendfsync", opt.fsync))
        self.redis = run.redis(REDIS_PORT, options=self.durable)
        self.gateway = run.gateway(
            "gateway", PORT, 1, workers=opt.workers,
            http="    paygw_store redis://127.0.0.1:%d/0;\n" % REDIS_PORT
                 + run.channel(),
            server=" " * 8 + "location = /ali { paygw_notify ali; "
                             "paygw_queue %s; }" % STREAM)

    def do(self, action, pause, pick):
        if action == "redis":
            self.redis.stop(signal.SIGKILL)
            time.sleep(pause / 2)
            self.redis = self.run.redis(REDIS_PORT, options=self.durable)
        elif action == "freeze":
            self.redis.send(signal.SIGSTOP)
            time.sleep(pause)
            self.redis.send(signal.SIGCONT)
        elif action == "worker":
            pids = self.gateway.workers()
            os.kill(pids[int(pick * len(pids))], signal.SIGKILL)
        elif action == "reload":
            self.gateway.reload()


def chaos(town, load, opt):
    """Things happen while the load runs; the seed decides which."""
    dice = random.Random(opt.seed)
    counts, bag = {}, []
    end = time.monotonic() + (3600 if opt.count else opt.duration)
    while time.monotonic() < end and load.running():
        time.sleep(dice.uniform(0.2, 1.5))
        if not bag:
            bag = dice.sample(ACTIONS, len(ACTIONS))
        action = bag.pop()
        town.do(action, dice.uniform(0.05, 1.0), dice.random())
        counts[action] = counts.get(action, 0) + 1
    return counts


def clean(gateway):
    """Our own kills are in the log; nothing else of that kind may be."""
    for line in gateway.error_log():
        if ("exited on signal 9" not in line
                and any(level in line
                        for level in ("[alert]", "[crit]", "[emerg]"))):
            raise stack.Failure("the gateway logged: " + line)


def stream():
    """All entries: (Redis id, event id), read in pages."""
    redis = consumer.Redis("127.0.0.1", REDIS_PORT, timeout=60)
    found, start = [], "-"
    while True:
        page = redis.command("XRANGE", STREAM, start, "+", "COUNT", 1000)
        for entry in page:
            found.append((entry[0].decode(),
                          consumer.fields(entry)["id"].decode()))
        if not page:
            return found
        start = "(" + found[-1][0]


def amount(opt):
    return ({"requests": opt.count} if opt.count
            else {"duration": opt.duration})


def ledger():
    opt = options()
    folder = opt.folder or os.path.join(stack.BUILD, "ledger-queue")
    run = stack.Stack(folder)
    book = os.path.join(folder, "provider.book")
    stack.say("ledger-queue, %s, appendfsync %s, SEED=%d"
              % ("%d callbacks" % opt.count if opt.count
                 else "%g seconds" % opt.duration, opt.fsync, opt.seed))
    begin = time.monotonic()
    try:
        town = Town(run, opt)
        load = run.load({
            "connect": "127.0.0.1:%d" % PORT, "path": "/ali",
            "key": run.key, "stream": True, **amount(opt),
            "seed": opt.seed, "rate": opt.rate, "twins": 10,
            "connections": 64, "threads": 1, "retries": 1000000,
            "retry-delay": 0.25, "timeout": 10, "status": 200,
            "body": "success", "ledger": book,
        })
        counts = chaos(town, load, opt)
        stack.say("done: " + ", ".join("%d x %s" % (count, action)
                  for action, count in sorted(counts.items())))
        answer = load.answer(DRAIN)
        entries = stream()
        clean(town.gateway)
    finally:
        run.stop()
    print("answers to %d attempts in %.0f s: %s"
          % (answer["sends"], time.monotonic() - begin, answer["answers"]))
    counts, wrong = queue_books.compare(entries, books.read_provider(book))
    for what, count in counts:
        print("%-45s %8d" % (what, count))
    for line in wrong[:20]:
        print("    " + line)
    if wrong:
        raise stack.Failure("the books do not agree; SEED=%d, see %s"
                            % (opt.seed, folder))
    print("ledger-queue: passed")
    return 0


if __name__ == "__main__":
    stack.main(ledger)
