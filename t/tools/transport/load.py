#!/usr/bin/python3
"""Orders at a rate, each on a connection of its own.

load.py URL APPID MCHID RATE SECONDS PREFIX

A URL that ends with "/orders" is that of paygw_api, else WeChat Pay's own.

Prints a line for each: its number, when it began, how long it took, the status
and the code of the answer ("-" of an order that is made).
"""

import http.client
import json
import queue
import sys
import threading
import time
import urllib.parse

WORKERS = 200
TIMEOUT = 30

URL = urllib.parse.urlsplit(sys.argv[1])
LOCK = threading.Lock()


def order(number):
    """Status and code of the answer."""
    if URL.path.endswith("/orders"):
        body = {"order_id": number, "amount": 100, "currency": "CNY",
                "subject": "x", "method": "qr"}
    else:
        body = {"appid": sys.argv[2], "mchid": sys.argv[3],
                "description": "x", "out_trade_no": number,
                "notify_url": "http://127.0.0.1:1/n",
                "amount": {"total": 100}}
    conn = http.client.HTTPConnection(URL.hostname, URL.port,
                                      timeout=TIMEOUT)
    try:
        conn.request("POST", URL.path, json.dumps(body), {
            "Content-Type": "application/json", "Connection": "close"})
        answer = conn.getresponse()
        text = json.loads(answer.read())
        return answer.status, text.get("code", "-")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return 0, type(error).__name__
    finally:
        conn.close()


def work(tasks):
    while True:
        number = tasks.get()
        if number is None:
            return
        begin = time.time()
        status, code = order(number)
        with LOCK:
            print("%s %.3f %.3f %d %s" % (number, begin, time.time() - begin,
                                          status, code), flush=True)


def main():
    rate, seconds = float(sys.argv[4]), float(sys.argv[5])
    tasks = queue.Queue()
    threads = [threading.Thread(target=work, args=(tasks,), daemon=True)
               for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    begin = time.monotonic()
    for n in range(int(rate * seconds)):
        pause = begin + n / rate - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        tasks.put("%s%06d" % (sys.argv[6], n))
    for _ in threads:
        tasks.put(None)
    for thread in threads:
        thread.join()


main()
