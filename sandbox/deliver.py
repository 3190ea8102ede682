"""
Sending callbacks: the retry ladder of each provider, and the bytes.

The request is written on a plain socket by hand, because most of what is
tested here (half a body, one byte at a time, a header field twice) is what
an HTTP library takes care never to do.
"""

import heapq
import http.client
import itertools
import queue
import socket
import ssl
import threading
import time
import traceback
import urllib.parse
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace

from . import alipay, faults, stripe, unionpay, wechat_v2, wechat_v3
from .orders import HEADS, number

MINUTE, HOUR = 60, 3600

# the pauses between the tries
LADDERS = {
    "wechat_v3": (15, 15, 30, 3 * MINUTE, 10 * MINUTE, 20 * MINUTE,
                  30 * MINUTE, 30 * MINUTE, 30 * MINUTE, 60 * MINUTE,
                  3 * HOUR, 3 * HOUR, 3 * HOUR, 6 * HOUR, 6 * HOUR),
    "wechat_v2": (15, 15, 30, 3 * MINUTE, 10 * MINUTE, 20 * MINUTE,
                  30 * MINUTE, 30 * MINUTE, 30 * MINUTE, 60 * MINUTE,
                  3 * HOUR, 3 * HOUR, 3 * HOUR, 6 * HOUR, 6 * HOUR),
    "alipay": (4 * MINUTE, 10 * MINUTE, 10 * MINUTE, HOUR, 2 * HOUR,
               6 * HOUR, 15 * HOUR),
    "unionpay": (MINUTE, 2 * MINUTE, 4 * MINUTE, 5 * MINUTE),
    # not published: exponential, over three days
    "stripe": (5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR,
               18 * HOUR, 36 * HOUR),
}

# those that make (headers, body), and none of a close; that of Alipay makes a
# body
PAIRED = {"wechat_v3": wechat_v3, "wechat_v2": wechat_v2,
          "unionpay": unionpay, "stripe": stripe}
ACCEPTED = {"wechat_v3": wechat_v3.accepted, "wechat_v2": wechat_v2.accepted,
            "alipay": alipay.accepted, "unionpay": unionpay.accepted,
            "stripe": stripe.accepted}

TIMEOUT = 5.0
WORKERS = 16
KEPT = 10000
BODY_KEPT = 2048


@dataclass
class Delivery:
    """One try, as GET /sandbox/deliveries shows it."""

    id: int
    provider: str
    order_id: str
    event_id: str
    kind: str
    attempt: int
    time: float
    url: str
    status: int = 0
    body: str = ""
    accepted: bool = False
    error: str = ""
    faults: str = ""
    next_in: float = -1.0

    def plain(self):
        return asdict(self)


@dataclass
class Message:
    """A request ready to be sent: where to, head and body."""

    url: str
    headers: list
    body: bytes

    def parts(self):
        """The URL in parts, all empty if it is malformed."""
        try:
            return urllib.parse.urlsplit(self.url)
        except ValueError:
            return urllib.parse.urlsplit("")


# what a provider says of an order that is not paid

STATES = {
    "wechat_v3": {"pending": {"set": {"trade_state": "USERPAYING"}},
                  "failed": {"set": {"trade_state": "PAYERROR"}}},
    "wechat_v2": {"pending": {"set": {"trade_state": "USERPAYING"}},
                  "failed": {"set": {"result_code": "FAIL"}}},
    "alipay": {"pending": {"set": {"trade_status": "WAIT_BUYER_PAY"}},
               "failed": {"set": {"trade_status": "TRADE_CLOSED"}}},
    "unionpay": {"pending": {"set": {"respCode": "05"}},
                 "failed": {"set": {"respCode": "01"}}},
    "stripe": {"pending": {"event_type": "payment_intent.processing"},
               "failed": {"event_type": "payment_intent.canceled"}},
}


def late(order, word, given):
    """(event, misbehaviours) of a callback that tells such a state."""
    payment = order.event("payment")
    if payment is None:
        raise ValueError("the order is not paid")
    state = STATES[order.provider][word]
    given = {**state, **given,
             "set": {**state.get("set", {}), **(given.get("set") or {})}}
    ident = HEADS[order.provider][2] + number("", time.time())
    return replace(payment, id=ident), given


def compose(keys, order, event, given, url=None, now=None):
    """The message of one try of an event."""
    content, _ = faults.split(given)
    if order.provider in PAIRED:
        head, body = PAIRED[order.provider].callback(keys, order, event, now,
                                                     **content)
    else:
        body = alipay.callback(keys, order, event, now, **content)
        head = alipay.headers(order, bool(content.get("gbk")))
    return Message(url or event.url or order.notify_url,
                   list(head.items()), body)


def head_of(message, wire):
    """Request line and header fields as bytes."""
    parts = message.parts()
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    pairs = [("Host", parts.netloc.rpartition("@")[2]), ("Accept", "*/*")]
    pairs += message.headers
    if wire.chunked:
        pairs.append(("Transfer-Encoding", "chunked"))
    else:
        pairs.append(("Content-Length", str(len(message.body))))
    if wire.repeat_header:
        word = wire.repeat_header.lower()
        pairs += [pair for pair in pairs if pair[0].lower() == word]
    pairs.append(("Connection", "close"))
    lines = ["POST %s HTTP/1.1" % target]
    lines += ["%s: %s" % pair for pair in pairs]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def body_of(message, wire):
    """The body as it goes out, whole or in chunks."""
    if not wire.chunked:
        return message.body
    size = max(1, wire.chunked)
    chunks = [message.body[at:at + size]
              for at in range(0, len(message.body), size)]
    out = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks]
    return b"".join(out) + b"0\r\n\r\n"


def raw_request(message, wire):
    """All bytes of the request, as --dump writes them."""
    return head_of(message, wire) + body_of(message, wire)


def _connect(parts, timeout):
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise OSError("the URL is not http or https")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    sock = socket.create_connection((parts.hostname, port), timeout)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if parts.scheme == "https":
            # a developer's certificate is self-signed; what is sent here
            # is made up and needs no secrecy
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            sock = context.wrap_socket(sock, server_hostname=parts.hostname)
    except OSError:
        sock.close()
        raise
    return sock


def _answer(sock):
    """(status, body) of an answer; redirects are not followed."""
    response = http.client.HTTPResponse(sock, method="POST")
    try:
        response.begin()
        return response.status, response.read(1 << 20)
    except http.client.HTTPException as error:
        raise OSError("bad answer: %r" % error) from None
    finally:
        response.close()


def transmit(url, head, body, wire, timeout=TIMEOUT):
    """Sends the bytes and returns (status, body); OSError if there is none.

    With cut there is no answer to wait for, and (0, b"") comes back.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        sock = _connect(parts, timeout)
    except ValueError:
        raise OSError("the URL is malformed") from None
    with sock:
        if wire.cut:
            sock.sendall(head + body[:len(body) // 2])
            return 0, b""
        try:
            if wire.slow:
                sock.sendall(head)
                for at in range(len(body)):
                    sock.sendall(body[at:at + 1])
                    time.sleep(wire.slow)
            else:
                sock.sendall(head + body)
        except (BrokenPipeError, ConnectionResetError):
            # refused before the body was read: the answer may be there
            pass
        return _answer(sock)


class Deliverer:
    """Sends callbacks and tries again until the receiver accepts them."""

    def __init__(self, keys, speed=1.0, probe_every=0):
        self.keys = keys
        self.speed = speed
        self.probe_every = probe_every
        self.log = deque(maxlen=KEPT)
        self.last = {}
        self._ids = itertools.count(1)
        self._tries = itertools.count(1)
        self._order = itertools.count()
        self._heap = []
        self._ready = threading.Condition()
        self._stopped = False
        self._jobs = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        # daemons: a receiver that hangs must not keep us from leaving
        for _ in range(WORKERS):
            threading.Thread(target=self._work, daemon=True).start()

    # the ladder

    def notify(self, order, event):
        """Sends an event now, and again as long as it is not accepted."""
        if event is None or not event.url:
            return
        if order.provider in PAIRED and event.kind == "close":
            return
        self._at(0.0, order, event, 1)

    def _at(self, pause, order, event, attempt):
        with self._ready:
            heapq.heappush(self._heap,
                           (time.monotonic() + pause, next(self._order),
                            order, event, attempt))
            self._ready.notify()

    def _run(self):
        while True:
            with self._ready:
                while not self._stopped and (
                        not self._heap
                        or self._heap[0][0] > time.monotonic()):
                    pause = (self._heap[0][0] - time.monotonic()
                             if self._heap else None)
                    self._ready.wait(pause)
                if self._stopped:
                    return
                _, _, order, event, attempt = heapq.heappop(self._heap)
                self._jobs.put((order, event, attempt))

    def _work(self):
        while not self._stopped:
            job = self._jobs.get()
            if job is None:
                return
            try:
                self._try(*job)
            except Exception:
                # an order that cannot be told must not end the thread
                traceback.print_exc()

    def _try(self, order, event, attempt):
        every = self.probe_every
        if every and order.provider == "wechat_v3" \
                and next(self._tries) % every == 0:
            self.send(order, event, {"signtest": True}, attempt=attempt)
        ladder = LADDERS[order.provider]
        pause = (ladder[attempt - 1] / self.speed
                 if attempt <= len(ladder) else None)
        delivery = self.send(order, event, {}, attempt=attempt,
                             next_in=pause)
        if not delivery.accepted and pause is not None:
            self._at(pause, order, event, attempt + 1)

    @property
    def pending(self):
        """Number of events that still wait for a try."""
        with self._ready:
            return len(self._heap)

    def stop(self):
        with self._ready:
            self._stopped = True
            self._ready.notify()
        self._thread.join()
        for _ in range(WORKERS):
            self._jobs.put(None)

    # one try

    def send(self, order, event, given, url=None, attempt=1, next_in=None):
        """One try, bent as asked; returns its Delivery."""
        message = compose(self.keys, order, event, given, url)
        _, wire = faults.split(given)
        return self._send(order, event, message, wire, attempt, next_in,
                          ",".join(sorted(given)))

    def _send(self, order, event, message, wire, attempt, next_in, text):
        wire = faults.read(order.provider, wire)
        head, body = head_of(message, wire), body_of(message, wire)
        self.last[order.provider, order.order_id] = (event, message, head,
                                                     body)
        return self._transmit(order, event, message.url, head, body, wire,
                              attempt, next_in, text)

    def _transmit(self, order, event, url, head, body, wire, attempt,
                  next_in, text):
        delivery = Delivery(next(self._ids), order.provider, order.order_id,
                            event.id, event.kind, attempt, time.time(), url,
                            faults=text)
        try:
            status, answer = transmit(url, head, body, wire)
        except OSError as error:
            delivery.error = str(error) or type(error).__name__
        else:
            accepted = ACCEPTED[order.provider]
            delivery.status = status
            delivery.body = answer[:BODY_KEPT].decode("utf-8", "replace")
            delivery.accepted = accepted(status, answer)
        if not delivery.accepted and next_in is not None:
            delivery.next_in = next_in
        self.log.append(delivery)
        return delivery

    def replay(self, order, url=None):
        """The exact bytes of the last callback of the order again."""
        found = self.last.get((order.provider, order.order_id))
        if found is None:
            raise ValueError("nothing was sent for this order yet")
        event, message, head, body = found
        return self._transmit(order, event, url or message.url, head, body,
                              faults.read(order.provider, {}), 1, None,
                              "replay")

    def send_bent(self, order, given, url=None, event=None):
        """All that a control call can ask for; a list of deliveries."""
        event = event or order.event()
        given = dict(given)
        checked = faults.read(order.provider, given)
        copies = checked.copies or 1
        given.pop("copies", None)
        if not 1 <= copies <= 64:
            raise ValueError("copies is 1 to 64")
        if given.pop("replay", False):
            return self._together(copies, lambda: self.replay(order, url))
        if given.pop("reordered", False):
            events = [e for e in reversed(order.events)
                      if order.provider not in PAIRED or e.kind != "close"]
            return [self.send(order, e, given, url) for e in events]
        word = given.pop("late", False)
        if word:
            event, given = late(order, checked.late, given)
        return self._together(
            copies, lambda: self.send(order, event, given, url))

    @staticmethod
    def _together(copies, call):
        """The results of calls made at the same moment."""
        if copies == 1:
            return [call()]
        gate = threading.Barrier(copies)

        def one(_):
            gate.wait(10)
            return call()

        with ThreadPoolExecutor(copies) as pool:
            return list(pool.map(one, range(copies)))

    def plain(self, order_id=None):
        """The tries so far for JSON, oldest first."""
        return [delivery.plain() for delivery in list(self.log)
                if order_id is None or delivery.order_id == order_id]
