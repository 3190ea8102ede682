"""make soak: many callbacks, then many reloads under load.

First COUNT callbacks go through the same workers: once 50,000 are done, their
private memory must stay flat.  Then the gateway is reloaded again and again
under load: no callback may be lost, no old worker and no descriptor may
stay.  Repeats and forgeries go along all the time.
"""

import argparse
import os
import threading
import time

import stack

PORT = 21520
SHOP_PORT = 21521
REDIS_PORT = 21522
SETTLED = 50000
SIDE = 2000
GROWTH = 1.03
BYTES = 512             # of the zone for an event, with room to spare

CHECKS = ("[alert]", "[crit]", "[emerg]")


def options():
    parser = argparse.ArgumentParser(description="make soak")
    env = os.environ.get
    parser.add_argument("--count", type=int, default=env("COUNT") or 1000000)
    parser.add_argument("--store", choices=("zone", "redis"),
                        default=env("STORE") or "zone")
    parser.add_argument("--workers", type=int, default=env("WORKERS") or 2)
    parser.add_argument("--reloads", type=int, default=env("RELOADS") or 20)
    parser.add_argument("--folder",
                        default=os.path.join(stack.BUILD, "soak"))
    return parser.parse_args()


class Side(threading.Thread):
    """Repeats and forgeries of a few callbacks, until it is stopped."""

    def __init__(self, bodies, retry):
        super().__init__(daemon=True)
        self.genuine = to_gateway(load=bodies, requests=SIDE, connections=4,
                                  **retry)
        self.forged = dict(self.genuine, forged=True, status=0, body="fail")
        self.done = threading.Event()
        self.failure = None
        self.sent = 0

    def run(self):
        try:
            while not self.done.is_set():
                stack.load(self.genuine)
                stack.load(self.forged)
                self.sent += 2 * SIDE
                self.done.wait(1)
        except stack.Failure as failure:
            self.failure = failure

    def finish(self):
        self.done.set()
        self.join()
        if self.failure:
            raise stack.Failure("repeats and forgeries: %s" % self.failure)
        return self.sent


def to_gateway(**more):
    return dict({"connect": "127.0.0.1:%d" % PORT, "path": "/ali",
                 "status": 200, "body": "success", "connections": 32}, **more)


def config(opt):
    if opt.store == "redis":
        return ("    paygw_zone paygw:1m;\n"
                "    paygw_store redis://127.0.0.1:%d/0;" % REDIS_PORT)
    size = max(16, (opt.count * 5 // 4 + 100000) * BYTES >> 20)
    return "    paygw_zone paygw:%dm;" % size


def memory(workers):
    return [int(stack.field(pid, "RssAnon") or 0) for pid in workers]


def settled(gateway):
    """The descriptors of the idle workers, once they no longer change."""
    last, same, end = None, 0, time.monotonic() + 30
    while same < 8:
        if time.monotonic() > end:
            raise stack.Failure("the descriptors never settle: %s" % last)
        time.sleep(0.25)
        now = [stack.descriptors(pid)
               for pid in [gateway.pid] + gateway.workers()]
        counts = [len(each) for each in now]
        same = same + 1 if counts == last else 0
        last = counts
    return last


def flat(run, opt, gateway, bodies):
    """The first part: memory of the workers."""
    side = Side(bodies, {})
    side.start()
    load = run.load(to_gateway(key=run.key, stream=True, twins=2,
                               requests=opt.count, seed=1, retries=20))
    workers = gateway.workers()
    base, shown, peak = None, 0, [0] * len(workers)
    while load.running():
        time.sleep(0.5)
        now = memory(workers)
        if load.finished < SETTLED:
            continue
        if base is None:
            base = now
            stack.say("%d callbacks: private memory of the workers %s kB"
                      % (load.finished, now))
        if load.running() and 0 not in now:
            peak = [max(pair) for pair in zip(peak, now)]
        if load.finished - shown >= opt.count // 10:
            shown = load.finished
            stack.say("%d callbacks: %s kB" % (shown, now))
    answer = load.answer(1)
    extra = side.finish()
    if gateway.workers() != workers:
        raise stack.Failure("a worker was replaced")
    print("%d callbacks acknowledged in %.0f s, %d a second; %d repeats and "
          "forgeries; answers %s" % (answer["ok"], answer["seconds"],
                                     answer["rps"], extra,
                                     answer["answers"]))
    if base is None:
        print("too few callbacks to judge the memory")
        return
    print("private memory after %d callbacks %s kB, at most %s kB since"
          % (SETTLED, base, peak))
    for before, after in zip(base, peak):
        if after > before * GROWTH + 64:
            raise stack.Failure("a worker grew from %d kB to %d kB"
                                % (before, after))


def reloads(run, opt, gateway, bodies, before):
    """The second part: reloads under load."""
    retry = {"retries": 50, "retry-delay": 0.2}
    side = Side(bodies, retry)
    side.start()
    load = run.load(to_gateway(key=run.key, stream=True, seed=2,
                               duration=opt.reloads * 1.0 + 1, **retry))
    time.sleep(0.5)
    old = set(gateway.workers())
    for number in range(opt.reloads):
        gateway.reload()
        time.sleep(1)
        fresh = set(gateway.workers()) - old
        if not fresh:
            raise stack.Failure("reload %d brought no worker" % (number + 1))
        old |= fresh
    answer = load.answer(120)
    extra = side.finish()
    stack.wait_for(lambda: len(gateway.workers()) == opt.workers, 30,
                   "old workers stay: %s" % gateway.workers())
    after = settled(gateway)
    print("%d reloads under load: %d callbacks acknowledged, %d repeats and "
          "forgeries; answers %s" % (opt.reloads, answer["ok"], extra,
                                     answer["answers"]))
    print("open descriptors of master and workers: %s before, %s after"
          % (before, after))
    if sorted(after) != sorted(before):
        raise stack.Failure("descriptors are left open")


def clean(gateway):
    lines = gateway.error_log()
    bad = [line for line in lines if any(level in line for level in CHECKS)]
    errors = [line for line in lines if "[error]" in line]
    print("error log: %d alert, crit or emerg, %d error"
          % (len(bad), len(errors)))
    for line in errors[:5]:
        print("    " + line)
    if bad:
        raise stack.Failure("the gateway logged: " + bad[0])


def soak():
    opt = options()
    run = stack.Stack(opt.folder)
    bodies = os.path.join(run.folder, "callbacks")
    try:
        stack.load({"key": run.key, "requests": SIDE, "save": bodies,
                    "seed": 3})
        if opt.store == "redis":
            run.redis(REDIS_PORT)
        run.shop(SHOP_PORT)
        gateway = run.gateway(
            "gateway", PORT, SHOP_PORT, workers=opt.workers, shop_idle="2s",
            http=config(opt) + run.channel(),
            server=" " * 8 + "location = /ali { paygw_notify ali; "
                             "proxy_pass http://shop; }")
        # every worker has had its connections once before we count them
        stack.load(to_gateway(key=run.key, stream=True, requests=5000,
                              seed=4))
        before = settled(gateway)
        stack.say("%d callbacks, store %s, %d workers" % (
            opt.count, opt.store, opt.workers))
        flat(run, opt, gateway, bodies)
        stack.say("%d reloads under load" % opt.reloads)
        reloads(run, opt, gateway, bodies, before)
        if opt.store == "redis":
            clients = stack.redis_cli(REDIS_PORT, "client", "list")
            count = len(clients.splitlines()) - 1
            print("Redis clients left: %d" % count)
            if count > opt.workers:
                raise stack.Failure("connections to Redis are left open")
        clean(gateway)
    finally:
        run.stop()
    print("soak, store %s: passed" % opt.store)
    return 0


if __name__ == "__main__":
    stack.main(soak)
