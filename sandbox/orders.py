"""
Orders, refunds and the events that they give rise to.

One model for both providers: amounts are integers in fen, and the words of a
provider (trade_state, trade_status) are made from it where they are needed.
"""

import json
import os
import secrets
import threading
import time
from dataclasses import asdict, dataclass, field

PROVIDERS = ("wechat_v3", "wechat_v2", "alipay", "unionpay", "stripe")

# what numbers of a provider begin with: trades, refunds, events, payers
HEADS = {
    "wechat_v3": ("42", "50", "EV-", "o"),
    "wechat_v2": ("42", "50", "", "o"),
    "alipay": ("42", "50", "", "2088"),
    "unionpay": ("42", "50", "", "62"),
    "stripe": ("pi_", "re_", "evt_", "cus_"),
}


class OrderError(Exception):
    """A change that the state of the order does not allow."""


@dataclass
class Refund:
    """One refund; number is ours, refund_no is the provider's."""

    number: str
    amount: int
    refund_no: str
    time: float
    notify_url: str = ""
    reason: str = ""


@dataclass
class Event:
    """Something that a callback tells: payment, refund or close.

    id stays the same over all tries.  refunded is the sum after the event,
    which Alipay reports and which later refunds must not change.
    """

    id: str
    kind: str
    time: float
    url: str
    refund: str = ""
    refunded: int = 0


@dataclass
class Order:
    """An order as the provider sees it."""

    provider: str
    order_id: str
    amount: int
    notify_url: str = ""
    currency: str = "CNY"
    subject: str = "\u6d4b\u8bd5\u5546\u54c1"
    method: str = ""
    attach: str = ""
    payer: str = ""
    charset: str = "utf-8"
    return_url: str = ""
    partner: bool = False
    seen: bool = True
    state: str = "created"
    trade_no: str = ""
    created: float = 0.0
    paid: float = 0.0
    closed: float = 0.0
    extra: dict = field(default_factory=dict)
    refunds: list = field(default_factory=list)
    events: list = field(default_factory=list)

    def __post_init__(self):
        self.created = self.created or time.time()
        trade, _, _, payer = HEADS[self.provider]
        self.trade_no = self.trade_no or number(trade, self.created)
        if not self.payer:
            self.payer = payer + (number("", self.created)[-12:]
                                  if self.provider == "alipay"
                                  else secrets.token_hex(13))

    @property
    def refunded(self):
        return sum(refund.amount for refund in self.refunds)

    def refund(self, text):
        """A refund by its number, None if there is none."""
        for refund in self.refunds:
            if refund.number == text:
                return refund
        return None

    def event(self, kind=None):
        """The newest event, or the newest of a kind."""
        for event in reversed(self.events):
            if kind is None or event.kind == kind:
                return event
        return None

    def add_event(self, kind, now, refund=None):
        head = HEADS[self.provider][2]
        url = (refund.notify_url if refund else "") or self.notify_url
        event = Event(head + number("", now), kind, now, url,
                      refund.number if refund else "", self.refunded)
        self.events.append(event)
        return event

    def plain(self):
        """The order for JSON."""
        result = asdict(self)
        result["refunded"] = self.refunded
        return result


def number(head, when):
    """A number of 28 digits that starts with the day, as providers make."""
    day = time.strftime("%Y%m%d", time.gmtime(when + 8 * 3600))
    width = 28 - len(head) - len(day)
    return head + day + str(secrets.randbelow(10 ** width)).zfill(width)


def occasion(provider, order, event, now, partner=False):
    """(order, event, now) of one try of a callback.

    What is not there is made up: an order of its fields, the event of a
    payment, and the time of this moment.  In partner mode it is a copy of the
    order: the order itself stays as it is.
    """
    if not isinstance(order, Order):
        order = Order(provider, **order)
    if partner and not order.partner:
        order = Order(**{**order.__dict__, "partner": True})
    now = time.time() if now is None else now
    return (order, event or order.event() or order.add_event("payment", now),
            now)


class Store:
    """All orders in memory, with an optional copy in a file."""

    def __init__(self, path=None):
        self.lock = threading.RLock()
        self.path = path
        self._orders = {}
        if path and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                for item in json.load(file):
                    self._load(item)

    def _load(self, item):
        item.pop("refunded", None)
        item["refunds"] = [Refund(**r) for r in item["refunds"]]
        item["events"] = [Event(**e) for e in item["events"]]
        order = Order(**item)
        self._orders[order.provider, order.order_id] = order

    def save(self):
        if not self.path:
            return
        with self.lock:
            with open(self.path + ".new", "w", encoding="utf-8") as file:
                json.dump([o.plain() for o in self._orders.values()], file)
            os.replace(self.path + ".new", self.path)

    def all(self):
        with self.lock:
            return list(self._orders.values())

    def plain(self):
        """All orders for JSON, each in one consistent state."""
        with self.lock:
            return [order.plain() for order in self._orders.values()]

    def get(self, provider, order_id):
        """An order, or None.  Without a provider the id must be unique."""
        if provider:
            return self._orders.get((provider, order_id))
        found = [self._orders[p, order_id] for p in PROVIDERS
                 if (p, order_id) in self._orders]
        if len(found) > 1:
            raise OrderError("several providers have this order: name one")
        return found[0] if found else None

    def by_trade_no(self, provider, trade_no):
        with self.lock:
            for order in self._orders.values():
                if (order.provider, order.trade_no) == (provider, trade_no):
                    return order
        return None

    def add(self, order):
        with self.lock:
            key = order.provider, order.order_id
            if key in self._orders:
                raise OrderError("the order exists")
            self._orders[key] = order
            self.save()
            return order

    def pay(self, order, now=None):
        """Marks an order paid and returns the event."""
        with self.lock:
            if order.state != "created":
                raise OrderError("the order is " + order.state)
            order.state = "paid"
            order.seen = True
            order.paid = now or time.time()
            event = order.add_event("payment", order.paid)
            self.save()
            return event

    def close(self, order, now=None):
        """Closes an unpaid order; the event is None if it was closed."""
        with self.lock:
            if order.state == "closed":
                return None
            if order.state != "created":
                raise OrderError("the order is " + order.state)
            order.state = "closed"
            order.closed = now or time.time()
            event = order.add_event("close", order.closed)
            self.save()
            return event

    def refund(self, order, amount, text, notify_url="", reason="", now=None):
        """Adds a refund; the same number again gives no second one.

        Returns (refund, event), the event None for a repeat.
        """
        with self.lock:
            if order.state != "paid":
                raise OrderError("the order is " + order.state)
            refund = order.refund(text)
            if refund:
                if refund.amount != amount:
                    raise OrderError("the refund has another amount")
                return refund, None
            if amount < 1 or order.refunded + amount > order.amount:
                raise OrderError("more than what is left")
            now = now or time.time()
            refund = Refund(text, amount, number(HEADS[order.provider][1],
                                                 now), now,
                            notify_url, reason)
            order.refunds.append(refund)
            event = order.add_event("refund", now, refund)
            self.save()
            return refund, event
