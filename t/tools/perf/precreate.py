"""make bench ONLY=precreate: what a call to a provider costs.

A signed and verified alipay.trade.precreate, next to what cannot be saved: one
RSA-2048 signature and one verification as "openssl speed" gives them on the
same processor, and plain proxy_pass of the same request.  The load is the
provider as well, with one signed text, and never sleeps (see bench.py).

The processor of a virtual machine is not equally fast all the time.  So the
rounds are short, and "openssl speed" runs before and after each.
"""

import base64
import os
import statistics
import subprocess
import urllib.parse

import stack

GATEWAY_CPU = 0
OTHER_CPU = 1
SLICES = 4
PORT = 21520
PROVIDER_PORT = 21521
WARMUP = 200
TARGET = 1.15

CONTENT = ('{"code":"10000","msg":"Success","qr_code":'
           '"https://qr.alipay.com/bax03431ljhokirwl38f00a7"}')

HTTP = """
    paygw_zone paygw:64m;
    paygw_deadline 60s;
    upstream provider {
        server 127.0.0.1:%d;
        keepalive 128;
        keepalive_requests 100000000;
    }
"""

SERVER = """
        location /plain/ {
            proxy_pass http://provider/;
        }
        location /ali/ {
            paygw_pass ali;
        }
"""


def signed(key):
    done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key],
                          input=CONTENT.encode(), stdout=subprocess.PIPE,
                          check=True)
    return '{"alipay_trade_precreate_response":%s,"sign":"%s"}' % (
        CONTENT, base64.b64encode(done.stdout).decode())


def requests(path, total):
    with open(path, "w") as file:
        for number in range(total):
            biz = ('{"out_trade_no":"O%010d","total_amount":"88.88",'
                   '"subject":"two kilograms of apples"}' % number)
            file.write("%d method=alipay.trade.precreate&biz_content=%s\n"
                       % (number, urllib.parse.quote(biz)))


def speed():
    """Microseconds of a signature and of a verification."""
    text = stack.run(stack.placed(GATEWAY_CPU)
                     + ["openssl", "speed", "-seconds", "1", "rsa2048"])
    words = text.split()
    return 1e6 / float(words[-2]), 1e6 / float(words[-1])


def measure(path, bodies, number, worker, opt):
    each = WARMUP + opt.requests // SLICES
    return stack.load({
        "connect": "127.0.0.1:%d" % PORT,
        "path": path,
        "load": bodies,
        "first": number * each,
        "requests": each,
        "warmup": WARMUP,
        "connections": opt.connections,
        "status": 200,
        "watch": worker,
        "shop": PROVIDER_PORT,
        "shop-answer": os.path.join(opt.folder, "answer"),
        "spin": (os.cpu_count() or 1) > OTHER_CPU,
    }, OTHER_CPU)["cpu_us"]


def bench(opt):
    run = stack.Stack(opt.folder)
    own = os.path.join(run.folder, "app.pem")
    bodies = os.path.join(run.folder, "requests")
    try:
        stack.run(["openssl", "genrsa", "-out", own, "2048"])
        os.chmod(own, 0o600)
        requests(bodies, opt.rounds * (SLICES * WARMUP + opt.requests))
        with open(os.path.join(run.folder, "answer"), "w") as file:
            file.write(signed(run.key))
        more = ("        app_private_key %s;\n"
                "        proxy_read_timeout 60s;\n"
                "        proxy_connect_timeout 60s;\n"
                "        endpoint http://127.0.0.1:%d/gateway.do;"
                % (own, PROVIDER_PORT))
        gateway = run.gateway("gateway", PORT, PROVIDER_PORT, GATEWAY_CPU,
                              http=HTTP % PROVIDER_PORT + run.channel(more),
                              server=SERVER)
        ratios = []
        print("%8s %8s %8s %8s %8s" % ("sign", "verify", "plain", "pass",
                                       "ratio"))
        before = speed()
        for number in range(opt.rounds * SLICES):
            worker = gateway.workers()[0]
            plain = measure("/plain/gateway.do", bodies, number, worker, opt)
            cost = measure("/ali/gateway.do", bodies, number, worker, opt)
            after = speed()
            sign, verify = [(a + b) / 2 for a, b in zip(before, after)]
            before = after
            ratios.append(cost / (sign + verify + plain))
            print("%8.1f %8.1f %8.1f %8.1f %8.3f" % (
                sign, verify, plain, cost, ratios[-1]))
        for line in gateway.error_log():
            if "[error]" in line or "[alert]" in line:
                raise stack.Failure("the gateway logged: " + line)
    finally:
        run.stop()
        if os.path.exists(bodies):
            os.remove(bodies)
    ratio = statistics.median(ratios)
    print("precreate: %.3f of signature, verification and proxy_pass, "
          "target %.2f, %s" % (ratio, TARGET,
                               "met" if ratio <= TARGET else "missed"))
    return 0 if ratio <= TARGET else 1
