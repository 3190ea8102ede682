"""make ledger: nothing acknowledged is lost, nothing comes twice unexplained.

A provider that repeats every callback until it hears "success", and sends
some of them twice at once; a shop that writes down what it gets; and a chaos
that kills a worker, Redis or the shop with kill -9, freezes Redis, reloads
nginx.  In the end the books are compared: see books.py.
"""

import argparse
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../perf"))

import books    # noqa: E402
import stack    # noqa: E402

PORT = 21530
SHOP_PORT = 21531
REDIS_PORT = 21532
DELIVER_TIMEOUT = 2
SHOP_TIMEOUT = 3        # then the gateway gives up its late answer, too
LEASE = 5
RATE = 300
DRAIN = 90

ACTIONS = {
    "zone": ["worker", "worker", "shop", "reload"],
    "redis": ["worker", "worker", "shop", "reload", "redis", "freeze"],
}

# a write that Redis answered outlives its kill -9
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


def options():
    parser = argparse.ArgumentParser(description="make ledger")
    env = os.environ.get
    parser.add_argument("--duration", type=float,
                        default=env("DURATION") or 60)
    parser.add_argument("--store", choices=("zone", "redis"),
                        default=env("STORE") or "zone")
    parser.add_argument("--seed", type=int,
                        default=env("SEED") or int(time.time()) % 100000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", default=None)
    return parser.parse_args()


class Town:
    """The gateway, the shop and Redis, and what can happen to them."""

    def __init__(self, run, opt):
        self.run = run
        self.opt = opt
        self.kills = []
        self.book = os.path.join(run.folder, "shop.book")
        self.lives = 0
        self.redis = None
        http = "    paygw_zone paygw:32m;\n"
        if opt.store == "redis":
            self.redis = run.redis(REDIS_PORT, options=DURABLE)
            http += ("    paygw_store redis://127.0.0.1:%d/0;\n"
                     % REDIS_PORT)
        self.shop = self.open_shop()
        self.gateway = run.gateway(
            "gateway", PORT, SHOP_PORT, workers=opt.workers,
            http=http + run.channel(" " * 8 + "lease              %ds;"
                                    % LEASE),
            server=" " * 8 + "location = /ali { paygw_notify ali; "
                             "paygw_deliver_timeout %ds; "
                             "proxy_read_timeout %ds; "
                             "proxy_set_header X-Worker $pid; "
                             "proxy_pass http://shop; }"
                             % (DELIVER_TIMEOUT, SHOP_TIMEOUT))

    def open_shop(self):
        self.lives += 1
        shop = stack.Process(
            ["/usr/bin/python3",
             os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "shop.py"),
             str(SHOP_PORT), self.book,
             "%d.%d" % (self.opt.seed, self.lives)], self.run.room("shop"))
        self.run.started.append(shop)
        stack.wait_for(lambda: stack.listens(SHOP_PORT), 10,
                       "the shop does not open")
        return shop

    def note(self, what, start, worker=None):
        kill = books.Kill(what, start, time.time(), worker)
        self.kills.append(kill)
        with open(os.path.join(self.run.folder, "chaos.book"), "a") as file:
            file.write("%.6f %.6f %s %s\n"
                       % (kill.start, kill.end, what, worker or ""))

    def do(self, action, pause, pick):
        start = time.time()
        if action == "worker":
            pids = self.gateway.workers()
            pid = pids[int(pick * len(pids))]
            os.kill(pid, signal.SIGKILL)
            self.note("worker killed", start, pid)
        elif action == "shop":
            self.shop.stop(signal.SIGKILL)
            time.sleep(pause)
            self.shop = self.open_shop()
            self.note("shop killed", start)
        elif action == "reload":
            self.gateway.reload()
            self.note("reload", start)
        elif action == "redis":
            self.redis.stop(signal.SIGKILL)
            time.sleep(pause)
            self.redis = self.run.redis(REDIS_PORT, options=DURABLE)
            self.note("Redis killed", start)
        elif action == "freeze":
            self.redis.send(signal.SIGSTOP)
            time.sleep(2 * pause)
            self.redis.send(signal.SIGCONT)
            self.note("Redis frozen", start)


def chaos(town, load, opt):
    """Things happen for the time of the load; the seed decides which."""
    dice = random.Random(opt.seed)
    counts, bag = {}, []
    end = time.monotonic() + opt.duration
    while time.monotonic() < end and load.running():
        time.sleep(dice.uniform(0.3, 2.0))
        if not bag:
            # all of them in turn: a short run sees each of them, too
            bag = dice.sample(ACTIONS[opt.store], len(ACTIONS[opt.store]))
        action = bag.pop()
        town.do(action, dice.uniform(0.05, 1.0), dice.random())
        counts[action] = counts.get(action, 0) + 1
    return counts


def clean(gateway):
    """Our own kills are in the log; nothing else of that kind may be."""
    for line in gateway.error_log():
        if not any(level in line
                   for level in ("[alert]", "[crit]", "[emerg]")):
            continue
        if "exited on signal 9" not in line:
            raise stack.Failure("the gateway logged: " + line)


def ledger():
    opt = options()
    folder = opt.folder or os.path.join(stack.BUILD, "ledger-" + opt.store)
    run = stack.Stack(folder)
    book = os.path.join(folder, "provider.book")
    stack.say("ledger, store %s, %g seconds of load and kills, SEED=%d"
              % (opt.store, opt.duration, opt.seed))
    try:
        town = Town(run, opt)
        load = run.load({
            "connect": "127.0.0.1:%d" % PORT, "path": "/ali",
            "key": run.key, "stream": True, "duration": opt.duration,
            "seed": opt.seed, "rate": RATE, "twins": 10, "connections": 64,
            "threads": 1, "retries": 1000000, "retry-delay": 0.25,
            "timeout": 10, "status": 200, "body": "success", "ledger": book,
        })
        counts = chaos(town, load, opt)
        stack.say("done: " + ", ".join("%d x %s" % (count, action)
                  for action, count in sorted(counts.items())))
        answer = load.answer(opt.duration + DRAIN)
        clean(town.gateway)
    finally:
        run.stop()
    print("answers to %d attempts: %s" % (answer["sends"],
                                          answer["answers"]))
    counts, wrong = books.compare(books.read_shop(town.book),
                                  books.read_provider(book), town.kills,
                                  DELIVER_TIMEOUT)
    for what, count in counts:
        print("%-45s %8d" % (what, count))
    for line in wrong[:20]:
        print("    " + line)
    if wrong:
        raise stack.Failure("the books do not agree; SEED=%d, see %s"
                            % (opt.seed, folder))
    print("ledger, store %s: passed" % opt.store)
    return 0


if __name__ == "__main__":
    stack.main(ledger)
