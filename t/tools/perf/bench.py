"""make bench: what a callback costs, next to plain proxy_pass.

The gateway has processor 0 for itself; the load, the shop and Redis share
processor 1.  The load is the shop as well, and never sleeps, since figures
varied more with one that does.  The cases take turns, ROUNDS times, so that a
slow minute of the machine touches all of them.  docs/performance.md says how
to read the table.
"""

import argparse
import collections
import json
import os
import re
import statistics

import precreate
import stack
import threads

GATEWAY_CPU = 0
OTHER_CPU = 1
PORT = 21500
SHOP_PORT = 21510
REDIS_PORT = 21511
WARMUP = 1000
FORGED = 50000

# A case is one line here:
#
#   store     of the gateway it runs on: "none" (nginx without the module),
#             "zone", "redis"
#   send      "fresh": callbacks of this round that the store has not seen;
#             "again": the same ones, once more; "forged": the same ones with
#             another amount; "kept": other fresh ones
#   status, body     the only answer that counts; status 0: any
#   target    the ratio that it has to keep to, or None
#   base      the case that the ratio is taken to: plain proxy_pass with the
#             same way of reaching the shop
#   location  what the configuration of its gateway gets
#   call      the load signs as a merchant does, and sends a JSON order
#
# "proxy_pass" is what nginx does unless it is told otherwise: a connection to
# the shop for each request.  "keepalive" is the same with an upstream that
# keeps its connections.

Case = collections.namedtuple(
    "Case", "name store send path status body target base location call",
    defaults=[False])

ONCE = ("proxy_pass http://shop_once; proxy_http_version 1.0; "
        "proxy_set_header Connection close;")
KEPT = "proxy_pass http://shop;"

PLAIN = "location = /plain { %s }" % ONCE
NOTIFY = "location = /ali { paygw_notify ali; %s }" % ONCE
PLAIN_KEPT = "location = /plain-kept { %s }" % KEPT
NOTIFY_KEPT = "location = /ali-kept { paygw_notify ali; %s }" % KEPT

# calls of merchants; "limit" and "idempotency" as an API would have them

KEY_ID = "bench-1"
SECRET = "a secret of bench.py, long enough to be one"
MERCHANT = """
    paygw_merchant bench {
        key  %s  "text:%s";
    }""" % (KEY_ID, SECRET)

PLAIN_CALL = "location = /plain-call { %s }" % ONCE
AUTH = "location = /auth { paygw_auth bench; %s }" % ONCE
SEALED = "location = /sealed { paygw_auth bench sign_response; %s }" % ONCE
LIMIT = ("location = /limited { paygw_auth bench; "
         "paygw_limit $paygw_key_id rate=1000000r/s burst=1000000; %s }"
         % ONCE)
FULL = ("location = /full { paygw_auth bench; paygw_idempotency on; "
        "paygw_limit $paygw_key_id rate=1000000r/s burst=1000000; %s }" % ONCE)
PLAIN_CALL_KEPT = "location = /plain-call-kept { %s }" % KEPT
AUTH_KEPT = "location = /auth-kept { paygw_auth bench; %s }" % KEPT

BASE_CALL = "call: proxy_pass"
BASE_CALL_KEPT = "call: proxy_pass kept"

BASE = "proxy_pass"
BASE_KEPT = "proxy_pass keepalive"

CASES = [
    Case(BASE, "none", "fresh", "/plain", 200, "ok", None, BASE, PLAIN),
    Case("alipay", "zone", "fresh", "/ali", 200, "success", 2.0, BASE,
         NOTIFY),
    Case("alipay", "redis", "fresh", "/ali", 200, "success", 2.4, BASE,
         NOTIFY),
    Case("alipay duplicate", "zone", "again", "/ali", 200, "success", None,
         BASE, NOTIFY),
    Case("alipay duplicate", "redis", "again", "/ali", 200, "success", None,
         BASE, NOTIFY),
    Case("alipay forged", "zone", "forged", "/ali", 0, "fail", None, BASE,
         NOTIFY),
    Case("alipay forged", "redis", "forged", "/ali", 0, "fail", None, BASE,
         NOTIFY),
    Case(BASE_KEPT, "none", "fresh", "/plain-kept", 200, "ok", None,
         BASE_KEPT, PLAIN_KEPT),
    Case("alipay keepalive", "zone", "kept", "/ali-kept", 200, "success",
         None, BASE_KEPT, NOTIFY_KEPT),
    Case("alipay keepalive", "redis", "kept", "/ali-kept", 200, "success",
         None, BASE_KEPT, NOTIFY_KEPT),
    Case(BASE_CALL, "none", "fresh", "/plain-call", 200, "ok", None,
         BASE_CALL, PLAIN_CALL, True),
    Case("call: auth", "zone", "fresh", "/auth", 200, "ok", 1.3, BASE_CALL,
         AUTH, True),
    Case("call: auth", "redis", "fresh", "/auth", 200, "ok", 1.5, BASE_CALL,
         AUTH, True),
    Case("call: auth, limit", "zone", "fresh", "/limited", 200, "ok", None,
         BASE_CALL, LIMIT, True),
    Case("call: auth, limit", "redis", "fresh", "/limited", 200, "ok", None,
         BASE_CALL, LIMIT, True),
    Case("call: all three", "zone", "fresh", "/full", 200, "ok", 1.6,
         BASE_CALL, FULL, True),
    Case("call: all three", "redis", "fresh", "/full", 200, "ok", 2.0,
         BASE_CALL, FULL, True),
    Case("call: sealed", "zone", "fresh", "/sealed", 200, "ok", None,
         BASE_CALL, SEALED, True),
    Case("call: forged", "zone", "forged", "/auth", 401, None, None,
         BASE_CALL, AUTH, True),
    Case(BASE_CALL_KEPT, "none", "fresh", "/plain-call-kept", 200, "ok", None,
         BASE_CALL_KEPT, PLAIN_CALL_KEPT, True),
    Case("call: auth kept", "zone", "fresh", "/auth-kept", 200, "ok", None,
         BASE_CALL_KEPT, AUTH_KEPT, True),
    Case("call: auth kept", "redis", "fresh", "/auth-kept", 200, "ok", None,
         BASE_CALL_KEPT, AUTH_KEPT, True),
]

STORES = {
    "none": "",
    "zone": "paygw_zone paygw:256m;",
    "redis": "paygw_zone paygw:1m;\n    paygw_store redis://127.0.0.1:%d/0;"
             % REDIS_PORT,
}

def options():
    parser = argparse.ArgumentParser(description="make bench")
    env = os.environ.get
    parser.add_argument("--rounds", type=int, default=env("ROUNDS") or 3)
    parser.add_argument("--requests", type=int,
                        default=env("REQUESTS") or 20000,
                        help="of one case in one round")
    parser.add_argument("--connections", type=int,
                        default=env("CONNECTIONS") or 64)
    parser.add_argument("--only", default=env("ONLY") or "",
                        help="cases whose name holds this, and the base")
    parser.add_argument("--folder",
                        default=os.path.join(stack.BUILD, "bench"))
    parser.add_argument("--json",
                        default=os.path.join(stack.BUILD, "bench.json"))
    return parser.parse_args()


def gateways(run, cases):
    """One gateway a store, with the locations of its cases."""
    found = {}
    for index, (store, http) in enumerate(STORES.items()):
        mine = [case for case in cases if case.store == store]
        if not mine:
            continue
        module = store != "none"
        locations = dict.fromkeys(case.location for case in mine)
        port = PORT + index
        found[store] = port, run.gateway(
            "gateway-" + store, port, SHOP_PORT, GATEWAY_CPU, module,
            http="    " + http + MERCHANT + run.channel() if module else "",
            server="\n".join(" " * 8 + text for text in locations))
    return found


def measure(case, number, gates, bodies, opt):
    port, gateway = gates[case.store]
    each = WARMUP + opt.requests
    return stack.load({
        "connect": "127.0.0.1:%d" % port,
        "path": case.path,
        "load": bodies[case.call],
        "key-id": KEY_ID if case.call else None,
        "secret": SECRET if case.call else None,
        "first": (number + (opt.rounds if case.send == "kept" else 0)) * each,
        "requests": each,
        "warmup": WARMUP,
        "connections": opt.connections,
        "forged": case.send == "forged",
        "status": case.status,
        "body": case.body,
        "watch": gateway.workers()[0],
        "shop": SHOP_PORT,
        "spin": (os.cpu_count() or 1) > OTHER_CPU,
    }, OTHER_CPU)


def rounds(cases, gates, bodies, opt):
    results = {case: [] for case in cases}
    for number in range(opt.rounds):
        for case in cases:
            stack.say("round %d of %d: %s, %s" % (
                number + 1, opt.rounds, case.name, case.store))
            try:
                results[case].append(
                    measure(case, number, gates, bodies, opt))
            except stack.Failure as failure:
                raise stack.Failure("%s, %s: %s" % (case.name, case.store,
                                                    failure))
    return results


def rows(results):
    """Medians over the rounds; the ratio is taken inside each round."""
    bases = {case.name: answers for case, answers in results.items()
             if case.store == "none"}
    table = []
    for case, answers in results.items():
        def median(name):
            return statistics.median(answer[name] for answer in answers)
        ratio = statistics.median(
            mine["cpu_us"] / plain["cpu_us"]
            for mine, plain in zip(answers, bases[case.base]))
        table.append((case, {
            "case": case.name,
            "store": case.store,
            "rps": round(median("rps")),
            "p50_us": round(median("p50_us")),
            "p99_us": round(median("p99_us")),
            "cpu_us": round(median("cpu_us"), 2),
            "ratio": round(ratio, 2),
        }))
    return table


def yardstick():
    """The price of one RSA-2048 verification on the gateway's processor."""
    text = stack.run(stack.placed(GATEWAY_CPU)
                     + ["openssl", "speed", "-seconds", "1", "rsa2048"])
    return 1e6 / float(text.split()[-1])


def show(table, verify):
    print()
    print("%-18s %-6s %11s %8s %8s %15s %6s %6s" % (
        "case", "store", "requests/s", "p50 us", "p99 us",
        "processor us", "busy", "ratio"))
    for case, row in table:
        print("%-18s %-6s %11d %8d %8d %15.2f %5.0f%% %6.2f" % (
            row["case"], row["store"], row["rps"], row["p50_us"],
            row["p99_us"], row["cpu_us"],
            row["cpu_us"] * row["rps"] / 1e4, row["ratio"]))
    print()
    base = {case.name: row["cpu_us"] for case, row in table
            if case.name == case.base}
    if BASE in base:
        print("an RSA-2048 verification alone: %.1f us (openssl speed), %.2f "
              "of proxy_pass" % (verify, verify / base[BASE]))
    for case, row in table:
        if case.target:
            print("target %.1f (%s, %s): %.2f, %s%s" % (
                case.target, case.name, case.store, row["ratio"],
                "met" if row["ratio"] <= case.target else "missed",
                "" if case.call else "; without that verification %.2f" % (
                    (row["cpu_us"] - verify) / base[case.base])))


def forged(gates, bodies, opt):
    """No forged callback may reach Redis."""
    port, _ = gates["redis"]
    count = min(FORGED, opt.rounds * (WARMUP + opt.requests))
    stack.redis_cli(REDIS_PORT, "config", "resetstat")
    stack.load({
        "connect": "127.0.0.1:%d" % port, "path": "/ali", "load": bodies,
        "requests": count, "connections": opt.connections, "forged": True,
        "body": "fail",
    }, OTHER_CPU)
    commands = stack.redis_commands(REDIS_PORT)
    print("%d forged callbacks caused %d Redis commands" % (
        count, sum(commands.values())))
    if commands:
        raise stack.Failure("forged callbacks reached Redis: %s" % commands)


def clean(gates):
    for _, gateway in gates.values():
        for line in gateway.error_log():
            for level in ("[error]", "[crit]", "[alert]", "[emerg]"):
                if level in line:
                    raise stack.Failure("the gateway logged: " + line)


def chosen(only):
    """The cases of this run, with the ones that they are compared to."""
    with open(stack.MODULE, "rb") as file:
        module = file.read()
    found = [case for case in CASES if only in case.name
             and all(word.encode() in module
                     for word in re.findall(r"\bpaygw_\w+", case.location))]
    bases = {case.base for case in found}
    return [case for case in CASES if case in found or case.name in bases]


def orders(path, total):
    with open(path, "w") as file:
        for number in range(total):
            file.write('%d {"merchant_order":"O%010d","amount":8888,'
                       '"currency":"CNY","subject":"two kilograms of apples",'
                       '"notify_url":"https://shop.example.com/paid",'
                       '"client_ip":"192.0.2.7","attach":"%064d"}\n'
                       % (number, number, number))


def bench():
    opt = options()
    if opt.only == "precreate":
        return precreate.bench(opt)
    if opt.only == "threads":
        return threads.bench(opt)
    cases = chosen(opt.only)
    run = stack.Stack(opt.folder)
    bodies = {False: os.path.join(run.folder, "callbacks"),
              True: os.path.join(run.folder, "orders")}
    try:
        # one half for the cases that keep connections
        total = 2 * opt.rounds * (WARMUP + opt.requests)
        orders(bodies[True], total)
        if not all(case.call for case in cases):
            stack.say("sign %d callbacks" % total)
            stack.load({"key": run.key, "requests": total,
                        "save": bodies[False], "seed": os.getpid() % 100000})
        run.redis(REDIS_PORT, OTHER_CPU)
        gates = gateways(run, cases)
        table = rows(rounds(cases, gates, bodies, opt))
        show(table, yardstick())
        if any(case.name == "alipay" for case in cases):
            forged(gates, bodies[False], opt)
        clean(gates)
    finally:
        run.stop()
        for path in bodies.values():
            if os.path.exists(path):
                os.remove(path)
    with open(opt.json, "w") as file:
        json.dump([row for _, row in table], file, indent=1)
        file.write("\n")
    print("written: " + os.path.relpath(opt.json))
    return 0


if __name__ == "__main__":
    stack.main(bench)
