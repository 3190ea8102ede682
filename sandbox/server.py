"""
The HTTP side: the providers' APIs, the control API and the pages.

Everything is on one port: /v3/alipay/ and /gateway.do are Alipay, the rest of
/v3/ is WeChat Pay, /v1/ is Stripe and /sandbox/ is ours.
"""

import json
import os
import ssl
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import (alipay, alipay_api, alipay_v3, answers, calls, faults, lies,
               page, stripe, stripe_api, unionpay, unionpay_api,
               wechat_api, wechat_v2, wechat_v2_api, wechat_v3)
from .deliver import Deliverer
from .orders import PROVIDERS, Order, OrderError, Store, number
from .wire import Request, Response

BODY_MAX = 1 << 22

# what POST /sandbox/orders may set, and of which type
ORDER_FIELDS = {"notify_url": str, "currency": str, "subject": str,
                "attach": str, "payer": str, "charset": str,
                "return_url": str, "method": str, "trade_no": str,
                "partner": bool}


class ControlError(Exception):
    """An error answer of the control API."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def answer(status, value):
    body = json.dumps(value, ensure_ascii=False, indent=1) + "\n"
    return Response(status, body.encode("utf-8"),
                    {"Content-Type": "application/json"})


def html_page(text):
    return Response(200, text.encode("utf-8"),
                    {"Content-Type": "text/html; charset=utf-8",
                     "Content-Security-Policy": "default-src 'none'; "
                     "style-src 'unsafe-inline'; form-action *"})


def see_other(url):
    return Response(303, b"", {"Location": url})


def values_of(request):
    """The members of a JSON body or the fields of a form."""
    body = request.body.strip()
    if not body:
        return {}
    if not body.startswith(b"{"):
        try:
            return dict(urllib.parse.parse_qsl(body.decode("utf-8")))
        except ValueError:
            raise ControlError(400, "the body is not UTF-8") from None
    try:
        return json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise ControlError(400, "the body is not a JSON object") from None


def amount_of(value):
    """A positive integer of fen; a form sends it as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is not int or value < 1:
        raise ControlError(400, "amount is a positive integer of fen")
    return value


class Sandbox:
    """Keys, orders, deliverer and the APIs, without a socket."""

    def __init__(self, keys, orders=None, speed=1.0, probe_every=0,
                 base_url=None):
        self.keys = keys
        self.store = Store(orders)
        self.deliverer = Deliverer(keys, speed, probe_every)
        self.base_url = base_url
        self.bender = answers.Bender(keys)
        self.calls = calls.Log()
        notify = self.deliverer.notify
        self.wechat = wechat_api.Api(keys, self.store, notify, self.base)
        self.wechat2 = wechat_v2_api.Api(keys, self.store, notify, self.base)
        self.wechat2.bills = self.wechat.bills
        self.alipay = alipay_api.Api(keys, self.store, notify, self.base,
                                     self._cashier_page)
        self.alipay3 = alipay_v3.Api(self.alipay, keys)
        self.unionpay = unionpay_api.Api(keys, self.store, notify, self.base,
                                         self._cashier_page)
        self.stripe = stripe_api.Api(keys, self.store, notify, self.base)

    def base(self):
        return self.base_url or "http://127.0.0.1"

    def handle(self, request):
        """The answer to any request."""
        api = self._api(request)
        if api is not None:
            response = api.handle(request)
            self.calls.add(api.name, request, response.status)
            return self.bender.bend(response, calls.operation(request))
        if request.path == "/":
            return see_other("/sandbox/")
        try:
            return self._control(request)
        except ControlError as error:
            return answer(error.status, {"error": str(error)})
        except OrderError as error:
            return answer(409, {"error": str(error)})
        except ValueError as error:
            return answer(400, {"error": str(error)})

    def _api(self, request):
        """The provider that is called, None if it is ours."""
        path = request.path
        if path.startswith(alipay_v3.PREFIX):
            return self.alipay3
        if path.startswith("/v3/"):
            return self.wechat
        if path.startswith("/v1/"):
            return self.stripe
        if self.wechat2.handles(path):
            return self.wechat2
        if path == "/gateway.do":
            return self.alipay
        return self.unionpay if self.unionpay.handles(request) else None

    # the control API

    def _control(self, request):
        parts = [urllib.parse.unquote(part)
                 for part in request.path.split("/")]
        query = dict(urllib.parse.parse_qsl(request.query))
        if parts[:2] != ["", "sandbox"]:
            raise ControlError(404, "no such resource")
        if request.method == "GET":
            return self._get(parts[2:], query)
        if request.method != "POST":
            raise ControlError(405, "use GET or POST")
        self._same_origin(request)
        values = values_of(request)
        back = values.pop("back", None)
        result = self._post(parts[2:], query, values)
        if back is not None:
            return see_other(self._way_back(back, parts, query))
        return result

    @staticmethod
    def _same_origin(request):
        """A page of somebody else must not press our buttons."""
        origin = request.headers.get("origin")
        if origin is None:
            return
        host = urllib.parse.urlsplit(origin).netloc
        if not host or host != request.headers.get("host"):
            raise ControlError(403, "another origin")

    def _get(self, parts, query):
        if parts in ([], [""]):
            return html_page(page.index(self.store.all(),
                                        list(self.deliverer.log)))
        if parts == ["orders"]:
            return answer(200, {"orders": self.store.plain()})
        if len(parts) == 2 and parts[0] == "orders":
            return answer(200, self._find(parts[1], query).plain())
        if len(parts) == 2 and parts[0] == "cashier":
            order = self._find(parts[1], query)
            order.seen = True
            return html_page(self._cashier_page(order))
        if parts == ["deliveries"]:
            return answer(200, {
                "deliveries": self.deliverer.plain(query.get("order_id")),
                "pending": self.deliverer.pending})
        if parts == ["keys"]:
            return answer(200, self.keys.describe())
        if parts == ["answers"]:
            return answer(200, self.bender.plain())
        if parts == ["calls"]:
            after = query.get("after", "0")
            return answer(200, self.calls.plain(
                int(after) if after.isdigit() else 0))
        if parts == ["bills"]:
            return answer(200, self.wechat.bills.plain())
        raise ControlError(404, "no such resource")

    def _post(self, parts, query, values):
        if parts == ["orders"]:
            return self._create(values)
        if parts == ["callbacks"]:
            return self._callbacks(values, query)
        if parts == ["keys"]:
            return self._keys(values)
        if parts == ["answers"]:
            self.bender.set(values.get("fault", ""), values.get("times", 1),
                            values.get("only", ""))
            return answer(200, self.bender.plain())
        if parts == ["bills"]:
            self.wechat.bills.set(values)
            return answer(200, self.wechat.bills.plain())
        if len(parts) == 3 and parts[0] == "orders":
            order = self._find(parts[1], query)
            verb = {"pay": self._pay, "refund": self._refund,
                    "close": self._close}.get(parts[2])
            if verb:
                verb(order, values)
                return answer(200, order.plain())
        raise ControlError(404, "no such resource")

    def _keys(self, values):
        """Which keys sign, which are listed, and how fetches are answered."""
        if not values:
            raise ControlError(400, "active is a, b or pub")
        which = values.get("active", self.keys.active)
        listed = values.get("listed", self.keys.listed)
        alipay_active = values.get("alipay", self.keys.alipay_active)
        lie = values.get("lie", self.keys.lie)
        if which not in ("a", "b", "pub"):
            raise ControlError(400, "active is a, b or pub")
        if not isinstance(listed, list) \
                or any(item not in ("a", "b") for item in listed):
            raise ControlError(400, "listed is a list of a and b")
        if alipay_active not in ("alipay", "alipay_next"):
            raise ControlError(400, "alipay is alipay or alipay_next")
        if lie not in lies.WORDS:
            raise ControlError(400, "lie is one of " + " ".join(lies.WORDS))
        self.keys.active, self.keys.listed = which, listed
        self.keys.alipay_active, self.keys.lie = alipay_active, lie
        return answer(200, self.keys.describe())

    def _find(self, order_id, query):
        order = self.store.get(query.get("provider"), order_id)
        if order is None:
            raise ControlError(404, "no such order")
        return order

    def _create(self, values):
        """An order without a signed call of the provider's API."""
        provider = values.pop("provider", None)
        if provider not in PROVIDERS:
            raise ControlError(400, "provider is one of "
                               + ", ".join(PROVIDERS))
        order_id = values.pop("order_id", None) or number("T", time.time())
        rule = {"wechat_v3": wechat_v3, "wechat_v2": wechat_v2,
                "alipay": alipay, "unionpay": unionpay,
                "stripe": stripe}[provider].ORDER_ID
        if not isinstance(order_id, str) or not rule.fullmatch(order_id):
            raise ControlError(400, "order_id must fit " + rule.pattern)
        amount = amount_of(values.pop("amount", None))
        pay = values.pop("pay", False)
        for word, value in values.items():
            kind = ORDER_FIELDS.get(word)
            if kind is None:
                raise ControlError(400, "unknown member " + word)
            if not isinstance(value, kind):
                raise ControlError(400, word + " has the wrong type")
        if values.get("charset", "utf-8") not in ("utf-8", "GBK"):
            raise ControlError(400, "charset is utf-8 or GBK")
        order = self.store.add(Order(provider, order_id, amount, **values))
        if pay:
            self._pay(order, {})
        return answer(201, order.plain())

    def _pay(self, order, _values):
        self.deliverer.notify(order, self.store.pay(order))

    def _close(self, order, _values):
        self.deliverer.notify(order, self.store.close(order))

    def _refund(self, order, values):
        amount = values.get("amount")
        amount = (order.amount - order.refunded if amount is None
                  else amount_of(amount))
        text = values.get("refund_id") or number("R", time.time())
        if not isinstance(text, str):
            raise ControlError(400, "refund_id is a text")
        notify_url = values.get("notify_url", "")
        _, event = self.store.refund(order, amount, text, notify_url)
        self.deliverer.notify(order, event)

    def _callbacks(self, values, query):
        """One callback of an order, bent as "faults" says."""
        order = self._find(values.get("order_id"),
                           {"provider": values.get("provider")
                            or query.get("provider")})
        given = values.get("faults", {})
        if not isinstance(given, dict):
            raise ControlError(400, "faults is an object")
        faults.read(order.provider, given)
        kind = values.get("event")
        event = order.event(kind)
        if event is None and not given.get("replay"):
            raise ControlError(409, "the order has no such event yet")
        sent = self.deliverer.send_bent(order, given, values.get("url"),
                                        event)
        return answer(200, {"deliveries": [d.plain() for d in sent]})

    # pages

    def _cashier_page(self, order):
        return page.cashier(order, order.return_url or "/sandbox/")

    def _way_back(self, back, parts, query):
        """Where a browser goes after a button; return_url comes signed."""
        if len(parts) == 5 and parts[4] == "pay":
            order = self._find(parts[3], query)
            if order.return_url and back == order.return_url:
                return (self.alipay.return_target(order)
                        if order.provider == "alipay" else back)
        return "/sandbox/"


class Handler(BaseHTTPRequestHandler):
    """Turns HTTP into Request and Response."""

    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    timeout = 30
    sandbox = None
    verbose = False

    def log_message(self, format, *args):
        if self.verbose:
            super().log_message(format, *args)

    def _body(self):
        """The whole body, None if it is too large or malformed."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()) \
                or int(length) > BODY_MAX:
            return None
        return self.rfile.read(int(length))

    def _chunks(self):
        data = b""
        while True:
            line = self.rfile.readline(64).partition(b";")[0].strip()
            try:
                size = int(line, 16)
            except ValueError:
                return None
            if size < 0 or len(data) + size > BODY_MAX:
                return None
            if size == 0:
                while self.rfile.readline(4096).strip():
                    pass
                return data
            data += self.rfile.read(size)
            self.rfile.readline(8)

    def _serve(self):
        body = self._body()
        if body is None:
            self.close_connection = True
            response = Response(413, b"")
        else:
            head = {word.lower(): value
                    for word, value in self.headers.items()}
            response = self.sandbox.handle(
                Request(self.command, self.path, head, body,
                        shown=self._shown()))
        chunked = response.manner == "chunked"
        if response.manner == "truncated":
            self.close_connection = True
        self.send_response(response.status)
        for word, value in response.headers.items():
            self.send_header(word, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif response.status != 204:
            self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self._write(response)

    def _shown(self):
        """The serial of the client's certificate: see Request."""
        if not isinstance(self.connection, ssl.SSLSocket):
            return None
        cert = self.connection.getpeercert() or {}
        return cert.get("serialNumber", "")

    def _write(self, response):
        """The body in the manner that was asked for."""
        body = response.body
        if response.manner == "truncated":
            body = body[:len(body) // 2]
        if response.manner == "slow":
            for at in range(len(body)):
                self.wfile.write(body[at:at + 1])
                time.sleep(0.1)
        elif response.manner == "steady":
            for at in range(0, len(body), 65536):
                self.wfile.write(body[at:at + 65536])
                time.sleep(0.02)
        elif response.manner == "chunked":
            for at in range(0, len(body), 100):
                piece = body[at:at + 100]
                self.wfile.write(b"%x;ext\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\nTrailer: x\r\n\r\n")
        else:
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _serve


class Server(ThreadingHTTPServer):
    """The listening socket."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, sandbox, host="127.0.0.1", port=0, verbose=False,
                 tls=None):
        handler = type("BoundHandler", (Handler,),
                       {"sandbox": sandbox, "verbose": verbose})
        super().__init__((host, port), handler)
        self.sandbox = sandbox
        self.tls = tls
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            # who shows one is known by it; some paths want to know
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(
                sandbox.keys.path("wechat/platform_root.crt"))
            self.socket = context.wrap_socket(
                self.socket, server_side=True,
                do_handshake_on_connect=False)
        if not sandbox.base_url:
            sandbox.base_url = self.url

    @property
    def url(self):
        scheme = "https" if self.tls else "http"
        return "%s://%s:%d" % ((scheme,) + self.server_address[:2])

    def handle_error(self, request, client_address):
        """A client that goes away is no news."""
        if self.RequestHandlerClass.verbose:
            super().handle_error(request, client_address)

    def start(self):
        """Serves in a thread of its own."""
        thread = threading.Thread(target=self.serve_forever,
                                  kwargs={"poll_interval": 0.05},
                                  daemon=True)
        thread.start()
        return self

    def stop(self):
        self.shutdown()
        self.server_close()
        self.sandbox.deliverer.stop()
        self.sandbox.store.save()


def write_whole(path, data):
    """A file that is either whole or not there."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(data)
    os.replace(path + ".new", path)
