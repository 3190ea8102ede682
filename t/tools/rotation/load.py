#!/usr/bin/python3
"""Callbacks at a rate, with the keys of a sandbox.

load.py KEYS PROVIDER URL RATE SECONDS     the old key, then the new one
load.py KEYS PROVIDER URL 0 0 COUNT        forged, each with another key id

A callback that is answered 503 is sent again, as providers do, until it is
taken or 30 seconds are over; it counts as the answer that it got last.
Prints "good=N 401=N ...".
"""

import collections
import http.client
import os
import queue
import secrets
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', '..', '..'))

from sandbox import alipay, wechat_v3  # noqa: E402
from sandbox.keys import Keys  # noqa: E402

WORKERS = 16
RETRY = 0.5
LIMIT = 30

keys = Keys(sys.argv[1])
provider = sys.argv[2]
url = urllib.parse.urlsplit(sys.argv[3])
counts = collections.Counter()
lock = threading.Lock()


def message(order_id, new, forged):
    order = {"order_id": order_id, "amount": 100}
    if provider == "wechat_v3":
        bent = {"serial": secrets.token_hex(20).upper()} if forged else {}
        return wechat_v3.callback(keys, order, key="b" if new else "a",
                                  **bent)
    bent = {"key": "next"} if new else {}
    if forged or new:
        sn = (secrets.token_hex(16) if forged
              else keys.ids["alipay_next_cert_sn"])
        bent["set"] = {"alipay_cert_sn": sn}
    body = alipay.callback(keys, order, **bent)
    return {"Content-Type": "application/x-www-form-urlencoded"}, body


def post(conn, headers, body):
    conn.request("POST", url.path, body, dict(headers))
    answer = conn.getresponse()
    data = answer.read()
    if provider == "alipay":
        return "good" if data == b"success" else str(answer.status)
    return "good" if answer.status in (200, 204) else str(answer.status)


def work(tasks):
    conn = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
    while True:
        task = tasks.get()
        if task is None:
            return
        order_id, new, forged = task
        end = time.monotonic() + LIMIT
        while True:
            try:
                result = post(conn, *message(order_id, new, forged))
            except (OSError, http.client.HTTPException):
                conn.close()
                result = "error"
            if forged or result not in ("503", "error") \
                    or time.monotonic() > end:
                break
            time.sleep(RETRY)
        with lock:
            counts[result] += 1


def main():
    rate, seconds = int(sys.argv[4]), float(sys.argv[5])
    forged = int(sys.argv[6]) if len(sys.argv) > 6 else 0
    tasks = queue.Queue(forged or 0)
    threads = [threading.Thread(target=work, args=(tasks,), daemon=True)
               for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    head = "L%d_%s_" % (os.getpid(), secrets.token_hex(3))
    begin = time.monotonic()
    total = forged or int(rate * seconds)
    for n in range(total):
        if not forged:
            pause = begin + n / rate - time.monotonic()
            if pause > 0:
                time.sleep(pause)
        tasks.put((head + str(n), not forged and n >= total // 2,
                   bool(forged)))
    for _ in threads:
        tasks.put(None)
    for thread in threads:
        thread.join()
    print(" ".join("%s=%d" % item for item in sorted(counts.items())))


if __name__ == "__main__":
    main()
