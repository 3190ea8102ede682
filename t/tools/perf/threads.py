"""make bench ONLY=threads: a plain request beside calls that are signed.

One worker signs as many calls as it can while others ask it for a text of five
bytes; the worker signs itself, or two threads do.  The provider is an nginx
that answers with one signed text.
"""

import os
import statistics
import time

import precreate
import stack

PORT = 21530
PROVIDER_PORT = 21531
OTHER_CPU = 1
WARMUP = 200
CALLERS = 32
READERS = 2

HTTP = precreate.HTTP

SERVER = """
        location = /plain {
            return 200 "plain";
        }
        location /worker/ {
            paygw_pass ali;
        }
        location /threads/ {
            paygw_threads sign;
            paygw_pass ali;
        }
"""


def options(path, bodies, first, requests, connections, warmup=WARMUP):
    return {
        "connect": "127.0.0.1:%d" % PORT,
        "path": path,
        "load": bodies,
        "first": first,
        "requests": requests,
        "warmup": warmup,
        "connections": connections,
        "status": 200,
    }


def measure(run, path, bodies, first, opt):
    """Signatures a second; p50 and p99 of the others in microseconds."""
    calls = run.load(options(path, bodies, first, opt.requests, CALLERS),
                     OTHER_CPU)
    time.sleep(0.3)
    waits = []
    while calls.running():
        plain = stack.load(options("/plain", bodies, 0, 200, READERS, 0),
                           OTHER_CPU)
        if calls.running():
            waits.append((plain["p50_us"], plain["p99_us"]))
    rps = calls.answer(60)["rps"]
    if not waits:
        raise stack.Failure("too few calls to measure beside: REQUESTS=")
    return (rps, statistics.median(p50 for p50, _ in waits),
            statistics.median(p99 for _, p99 in waits))


def bench(opt):
    run = stack.Stack(opt.folder)
    own = os.path.join(run.folder, "app.pem")
    bodies = os.path.join(run.folder, "requests")
    table = {"/worker/gateway.do": [], "/threads/gateway.do": []}
    try:
        stack.run(["openssl", "genrsa", "-out", own, "2048"])
        os.chmod(own, 0o600)
        each = WARMUP + opt.requests
        precreate.requests(bodies, opt.rounds * each * len(table))
        text = precreate.signed(run.key)
        run.nginx("provider",
                  stack.SHOP.replace('return 200 "ok"', "return 200 '%s'"
                                     % text.replace("{", "{{")
                                     .replace("}", "}}")),
                  PROVIDER_PORT, OTHER_CPU)
        more = ("        app_private_key %s;\n"
                "        proxy_read_timeout 60s;\n"
                "        proxy_connect_timeout 60s;\n"
                "        endpoint http://127.0.0.1:%d/gateway.do;"
                % (own, PROVIDER_PORT))
        gateway = run.gateway("gateway", PORT, PROVIDER_PORT, None,
                              http=HTTP % PROVIDER_PORT + run.channel(more),
                              server=SERVER, main="thread_pool sign threads=2;")
        print("%-10s %12s %12s %12s" % ("signed by", "signed/s",
                                        "p50 us", "p99 us"))
        for number in range(opt.rounds):
            for index, path in enumerate(table):
                first = (number * len(table) + index) * each
                row = measure(run, path, bodies, first, opt)
                table[path].append(row)
                print("%-10s %12.0f %12.0f %12.0f"
                      % ((path.split("/")[1],) + row))
        for line in gateway.error_log():
            if "[error]" in line or "[alert]" in line:
                raise stack.Failure("the gateway logged: " + line)
    finally:
        run.stop()
        if os.path.exists(bodies):
            os.remove(bodies)
    print("medians of %d rounds:" % opt.rounds)
    for path, rows in table.items():
        print("%-10s %12.0f %12.0f %12.0f"
              % ((path.split("/")[1],)
                 + tuple(statistics.median(c) for c in zip(*rows))))
    return 0
