"""The demonstration: one order at each provider, its payment, and who cannot
cheat.

Every line that it prints "ok" was checked; ends with status 1 if one of them
was not as expected.  demo.sh runs it.
"""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import stage
from stage import Failure

FOLDER = os.path.join(stage.BUILD, "demo")
STORE = os.environ.get("STORE") or "zone"
KEEP = os.environ.get("KEEP") not in (None, "", "0")
TTY = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" \
    and not os.environ.get("NO_COLOR")

PROVIDERS = (
    ("alipay", "alipay", "Alipay", 1234),
    ("wechat_v3", "wxpay", "WeChat Pay", 8800),
)

# what the provider must hear, and nothing else
TAKEN = {"alipay": (200, "success"), "wechat_v3": (204, "")}
REFUSED = {"alipay": (401, "fail"),
           "wechat_v3": (401, '{"code":"FAIL",'
                              '"message":"verification failed"}')}

CONF = """\
{user}daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log info;

load_module {module};

events {{
}}

http {{
    log_format paygw '$paygw_provider $status result=$paygw_result '
                     'reason=$paygw_reason order=$paygw_order_id '
                     'delivery=$paygw_delivery';
    access_log {dir}/access.log paygw;

    client_body_temp_path {dir}/temp;
    proxy_temp_path {dir}/temp;
    fastcgi_temp_path {dir}/temp;
    uwsgi_temp_path {dir}/temp;
    scgi_temp_path {dir}/temp;

    {store};

{channels}
    server {{
        listen 127.0.0.1:{port};

        location = /notify/alipay {{
            paygw_notify alipay;
            proxy_pass http://127.0.0.1:{shop}/payments;
        }}

        location = /notify/wxpay {{
            paygw_notify wxpay;
            proxy_pass http://127.0.0.1:{shop}/payments;
        }}

        location /pay/ {{
            allow 127.0.0.1;
            deny all;
            paygw_api wxpay alipay;
        }}
    }}
}}
"""


def paint(code, text):
    return "\033[%sm%s\033[0m" % (code, text) if TTY else text


def title(text):
    print("\n" + paint("1", text), flush=True)


def step(word, text):
    print("  %s  %-9s  %s" % (paint("32", "ok"), word, text), flush=True)


def check(condition, word, wanted, got=None):
    """A step that is not as expected ends the demonstration."""
    if condition:
        return
    print("  %s %-9s  expected %s" % (paint("31", "not ok"), word, wanted))
    if got is not None:
        print("  %18s %s" % ("got", got))
    raise Failure("the step \"%s\" is not as expected" % word)


def money(amount):
    return "%d.%02d CNY" % divmod(amount, 100)


class Demo:

    def __init__(self):
        self.programs = []
        self.shop = None

    def begin(self, program):
        """Notes a program, for demo.sh as well."""
        self.programs.append(program)
        with open("/proc/%d/comm" % program.pid) as file:
            comm = file.read().strip()
        with open(os.path.join(FOLDER, "pids"), "a") as file:
            file.write("%d %s\n" % (program.pid, comm))

    def end(self):
        for program in reversed(self.programs):
            program.stop()
        if self.shop:
            self.shop.stop()
        path = os.path.join(FOLDER, "pids")
        if os.path.exists(path):
            os.remove(path)

    # the actors

    def start(self):
        shutil.rmtree(FOLDER, ignore_errors=True)
        os.makedirs(os.path.join(FOLDER, "temp"))
        self.shop = stage.HttpShop()
        store = "paygw_zone paygw:16m"
        if STORE == "redis":
            port = stage.free_port()
            self.begin(stage.redis(FOLDER, port))
            store = "paygw_store redis://127.0.0.1:%d/0" % port
            self.redis_port = port
        self.start_sandbox()
        self.start_nginx(store)

    def start_sandbox(self):
        self.sandbox_port = stage.free_port()
        channels = os.path.join(FOLDER, "channels.conf")
        ready = os.path.join(FOLDER, "sandbox.ready")
        program = stage.Program("sandbox", [
            sys.executable, "-B", "-m", "sandbox", "serve",
            "--dir", os.path.join(FOLDER, "keys"),
            "--port", str(self.sandbox_port), "--speed", "60",
            "--write-conf", channels, "--ready-file", ready],
            FOLDER, {"PYTHONPATH": stage.ROOT})
        self.begin(program)
        stage.wait_for(lambda: os.path.exists(ready) or not program.alive(),
                       60, "the sandbox does not answer")
        if not program.alive():
            raise Failure("the sandbox did not start\n" + program.tail())
        with open(channels) as file:
            self.channels = file.read()

    def reached(self):
        """The channels, with what orders need: to the sandbox and back."""
        text = self.channels
        for provider, channel, _, _ in PROVIDERS:
            text = re.sub(r"(?m)^( +provider +)%s;$" % provider,
                          lambda m: "%s\n    endpoint    http://127.0.0.1:%d;"
                          "\n    notify_url  %s;" % (
                              m.group(0), self.sandbox_port,
                              self.url(channel)), text)
        return text

    def start_nginx(self, store):
        self.port = stage.free_port()
        channels = "".join("    %s\n" % line if line else "\n"
                           for line in self.reached().splitlines())
        user = "user root;\n" if os.geteuid() == 0 else ""
        text = CONF.format(dir=FOLDER, module=stage.module(), store=store,
                           channels=channels, port=self.port,
                           shop=self.shop.port, user=user)
        self.begin(stage.nginx(FOLDER, text, self.port))

    # talking to the sandbox

    def call(self, path, values=None):
        """The sandbox's control API: JSON in, JSON out."""
        conn = http.client.HTTPConnection("127.0.0.1", self.sandbox_port,
                                          timeout=10)
        body = None if values is None else json.dumps(values)
        conn.request("GET" if body is None else "POST", "/sandbox" + path,
                     body, {"Content-Type": "application/json"})
        answer = conn.getresponse()
        data = answer.read().decode()
        conn.close()
        if answer.status >= 300:
            raise Failure("the sandbox answers %d to %s: %s"
                          % (answer.status, path, data.strip()))
        return json.loads(data)

    def url(self, channel):
        return "http://127.0.0.1:%d/notify/%s" % (self.port, channel)

    def api(self, path, values=None):
        """The unified API of nginx: the members of "data"."""
        status, _, body = stage.send(
            self.port, "/pay" + path, {"Content-Type": "application/json"},
            b"" if values is None else json.dumps(values).encode(),
            "GET" if values is None else "POST")
        answer = json.loads(body)
        check((status, answer["code"]) == (200, "OK"), "order", "OK",
              "%d %s" % (status, body.decode()))
        return answer["data"]

    def tries(self, order_id):
        return self.call("/deliveries?order_id=" + order_id)["deliveries"]

    def bent(self, provider, order_id, **faults):
        """One more callback of an order, and what it heard."""
        answer = self.call("/callbacks", {"order_id": order_id,
                                          "provider": provider,
                                          "faults": faults})
        return answer["deliveries"][-1]

    def replay(self, provider, order_id):
        """The same bytes again, once the event is settled."""
        end = time.monotonic() + 5
        while True:
            heard = self.bent(provider, order_id, replay=True)
            if heard["status"] != 503 or time.monotonic() > end:
                return heard
            time.sleep(0.05)

    # one payment

    def payment(self, provider, channel, name, amount):
        order_id = "DEMO-%s-1" % channel.upper()
        if provider == "alipay":
            order_id = order_id.replace("-", "_")
        title("%s: order %s, %s" % (name, order_id, money(amount)))

        self.ordered(channel, order_id, amount)
        delivery, heard = self.paid(provider, order_id)
        self.delivered(delivery, provider, channel, order_id, amount)
        self.acked(provider, heard)
        self.state(channel, order_id, amount)
        self.cheated(provider, order_id)
        return delivery

    def ordered(self, channel, order_id, amount):
        order = {"order_id": order_id, "amount": amount, "currency": "CNY",
                 "subject": "tea", "method": "qr", "channel": channel}
        data = self.api("/orders", order)
        action = data.get("action", {})
        check((data["outcome"], action.get("type")) == ("pending", "qr_code")
              and action.get("code"), "order", "a code to scan", data)
        step("order", "POST /pay/orders: signed, made, its answer verified")
        step("action", "a QR code to show: %s" % (
            action["code"] if len(action["code"]) < 60
            else action["code"][:57] + "..."))

    def state(self, channel, order_id, amount):
        data = self.api("/orders/%s?channel=%s" % (order_id, channel))
        got = (data.get("state"), data["outcome"], data.get("amount"))
        check(got == ("PAID", "success", amount), "state",
              ("PAID", "success", amount), got)
        step("state", "GET /pay/orders/%s: PAID" % order_id)

    def paid(self, provider, order_id):
        before = len(self.shop.got)
        order = self.call("/orders/%s/pay?provider=%s" % (order_id, provider),
                          {})
        check(order["state"] == "paid", "paid", "a paid order", order)
        step("paid", "by the payer; the provider sends its callback")

        stage.wait_for(lambda: any(t["status"] or t["error"]
                                   for t in self.tries(order_id)),
                       10, "no callback was sent")
        heard = [t for t in self.tries(order_id)
                 if t["status"] or t["error"]][0]
        line = self.access("taken", order_id)
        check(line, "verified", "an access log line with result=taken",
              "the answer %s %r %s" % (heard["status"], heard["body"],
                                       heard["error"]))
        step("verified", "signature, clock, account, amount; claimed in the %s"
             % ("zone" if STORE == "zone" else "store, Redis"))
        check(len(self.shop.got) == before + 1, "delivered",
              "one delivery", "%d" % (len(self.shop.got) - before))
        return self.shop.got[-1], heard

    def delivered(self, delivery, provider, channel, order_id, amount):
        event = delivery.event()
        got = (event["type"], event["outcome"], event["channel"],
               event["provider"], event["delivery"],
               event["order"]["order_id"], event["order"]["amount"],
               event["order"]["currency"])
        wanted = ("payment", "success", channel, provider, 1, order_id,
                  amount, "CNY")
        check(got == wanted, "delivered", wanted, got)
        fields = delivery.fields()
        check(fields.get("event-id") == event["id"]
              and fields.get("amount") == str(amount), "delivered",
              "the X-Paygw fields of the event", fields)
        step("delivered", "to the shop as JSON: %s %s, %d %s, delivery %d"
             % (got[0], got[1], got[6], got[7], got[4]))

    def acked(self, provider, heard):
        status, body = TAKEN[provider]
        check((heard["status"], heard["body"]) == (status, body)
              and heard["accepted"], "acked", "%d %r" % (status, body), heard)
        step("acked", "%d %s, and nothing of what the shop answered"
             % (status, json.dumps(body) if body else "without a body"))

    def cheated(self, provider, order_id):
        before = len(self.shop.got)
        status, body = TAKEN[provider]
        heard = self.replay(provider, order_id)
        check((heard["status"], heard["body"]) == (status, body), "replay",
              "%d %r" % (status, body), heard)
        check(len(self.shop.got) == before, "replay", "no second delivery")
        step("replay", "the same bytes again: acked, not delivered again")

        heard = self.bent(provider, order_id, forged="body")
        status, body = REFUSED[provider]
        check((heard["status"], heard["body"]) == (status, body), "forged",
              "%d %r" % (status, body), heard)
        check(len(self.shop.got) == before, "forged", "no delivery")
        check(self.access("refused reason=signature"), "forged",
              "an access log line with reason=signature")
        step("forged", "one byte changed: refused with %d, not delivered"
             % status)

    def access(self, result, order_id=""):
        """Waits for the line of the access log, which comes at the end."""
        def there():
            with open(os.path.join(FOLDER, "access.log")) as file:
                return any("result=" + result in line and order_id in line
                           for line in file)
        try:
            stage.wait_for(there, 2, "")
        except Failure:
            return False
        return True

    # what to look at

    def show(self, delivery):
        title("What the shop got for it, in any language, without an SDK")
        print("  POST %s" % delivery.target)
        for word, value in sorted(delivery.fields().items()):
            print("  X-Paygw-%s: %s" % (word.title(), value))
        event = delivery.event()
        count = len(event["data"])
        event["data"] = {"...": "%d members, as the provider sent them"
                                % count}
        print()
        for line in json.dumps(event, indent=2).splitlines():
            print("  " + line)
        log = os.path.join(FOLDER, "error.log")
        with open(log) as file:
            found = re.search(r"payment callback refused: (.*?) while",
                              file.read())
        check(found, "log", "a line that explains the refusal")
        title("What nginx says about a forged one (error_log ... info)")
        print("  payment callback refused: " + found.group(1))

    def clean(self):
        log = os.path.join(FOLDER, "error.log")
        with open(log) as file:
            bad = re.findall(r".*\[(?:error|crit|alert|emerg)\].*",
                             file.read())
        check(not bad, "log", "no error in the error log", "\n".join(bad[:3]))

    def keep(self):
        sandbox = "http://127.0.0.1:%d/sandbox" % self.sandbox_port
        title("Everything stays up until Ctrl-C")
        print("""\
  in a browser, to make orders, pay and refund:
    %(sandbox)s/

  in a browser, what the shop got:
    http://127.0.0.1:%(shop)d/

  configuration and logs:
    %(dir)s/nginx.conf, access.log, error.log

  a new order, and its payer:
    curl http://127.0.0.1:%(port)d/pay/orders \\
      -H 'Content-Type: application/json' -d '{"order_id":"MINE_1",
      "amount":500,"currency":"CNY","subject":"tea","method":"qr",
      "channel":"alipay"}'
    curl '%(sandbox)s/orders/MINE_1/pay?provider=alipay' -d '{}'
    curl 'http://127.0.0.1:%(port)d/pay/orders/MINE_1?channel=alipay'

  the same callback again, a forged one, a signature probe:
    curl %(sandbox)s/callbacks -d '{"order_id":"MINE_1",
      "faults":{"replay":true}}'
    curl %(sandbox)s/callbacks -d '{"order_id":"MINE_1",
      "faults":{"forged":"body"}}'
    curl %(sandbox)s/callbacks -d '{"order_id":"DEMO-WXPAY-1",
      "faults":{"signtest":true}}'""" % {
            "sandbox": sandbox, "shop": self.shop.port, "dir": FOLDER,
            "port": self.port})
        if STORE == "redis":
            print("\n  the ids of events:\n    redis-cli -p %d keys '*'"
                  % self.redis_port)
        sys.stdout.flush()
        while all(program.alive() for program in self.programs):
            time.sleep(0.5)
        raise Failure("a program has ended: " + ", ".join(
            p.name for p in self.programs if not p.alive()))

    def run(self):
        version = subprocess.run([stage.NGINX, "-v"], stderr=subprocess.PIPE,
                                 check=True).stderr.decode()
        version = version.strip().rpartition("/")[2]
        print("paygw: two orders on this machine, and their payments, with "
              "nothing real in them\n", flush=True)
        self.start()
        for word, port, what in (
                ("sandbox", self.sandbox_port,
                 "plays Alipay and WeChat Pay, with keys made just now"),
                ("nginx", self.port, "%s with ngx_http_paygw_module" % version),
                ("shop", self.shop.port,
                 "answers POST /payments; knows no signature and no key")):
            print("  %-8s 127.0.0.1:%-6d %s" % (word, port, what))
        if STORE == "redis":
            print("  %-8s 127.0.0.1:%-6d %s" % (
                "redis", self.redis_port, "remembers the ids of events"))

        got = [self.payment(*p) for p in PROVIDERS]
        self.show(got[-1])
        self.clean()
        print(paint("32", "\nall steps as expected"), flush=True)
        if KEEP:
            self.keep()


def interrupted(number, _frame):
    # once is enough
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    demo = Demo()
    try:
        demo.run()
        status = 0
    except KeyboardInterrupt:
        print("\nended")
        status = 0 if KEEP else 130
    except Failure as e:
        print("\ndemo: %s\nlogs are in %s" % (e, FOLDER), file=sys.stderr)
        status = 1
    finally:
        demo.end()
    return status


if __name__ == "__main__":
    sys.exit(main())
