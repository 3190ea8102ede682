"""Bills: the paid orders of a day as the providers' files have them."""

import gzip
import hashlib
import time

from .wire import Response, flip_digit

DAY = 8 * 3600


def day_of(when):
    """The day of a time where the providers are."""
    return time.strftime("%Y-%m-%d", time.gmtime(when + DAY))


def trade_bill(store, provider, day, partner=False):
    """The file of a day, None if nothing was paid then.

    partner: of the sub-merchant alone.
    A byte order mark, cells that begin with a back-tick, two lines of totals:
    what WeChat Pay sends.
    """
    orders = [order for order in store.all() if order.provider == provider
              and order.paid and day_of(order.paid) == day
              and (order.partner or not partner)]
    if not orders:
        return None
    lines = ["\u4ea4\u6613\u65f6\u95f4,\u5fae\u4fe1\u8ba2\u5355\u53f7,"
             "\u5546\u6237\u8ba2\u5355\u53f7,\u603b\u91d1\u989d"]
    lines += ["`%s,`%s,`%s,`%d.%02d" % (
        day, order.trade_no, order.order_id, order.amount // 100,
        order.amount % 100) for order in orders]
    total = sum(order.amount for order in orders)
    lines += ["\u603b\u4ea4\u6613\u5355\u6570,\u603b\u4ea4\u6613\u989d",
              "`%d,`%d.%02d" % (len(orders), total // 100, total % 100), ""]
    return ("\ufeff" + "\r\n".join(lines)).encode("utf-8")


def sha1(data):
    return hashlib.sha1(data).hexdigest()


class Manner:
    """How large files are, and how they may come other than they should."""

    WORDS = {
        "": "honest",
        "changed": "one byte is another",
        "truncated": "half of it, then the end of the connection",
        "steady": "64 k each 20 ms",
        "chunked": "honest, in chunks",
        "halved": "half of it, and nothing says that it is not all",
    }

    def __init__(self):
        self.pad = 0
        self.gzip = False
        self.lie = ""

    def set(self, values):
        pad = values.get("pad", self.pad)
        lie = values.get("lie", self.lie)
        if type(pad) is not int or not 0 <= pad <= 1 << 27:
            raise ValueError("pad is a number of bytes, at most 134217728")
        if lie not in self.WORDS:
            raise ValueError("lie is one of " + " ".join(self.WORDS))
        self.pad, self.lie = pad, lie
        self.gzip = bool(values.get("gzip", self.gzip))

    def plain(self):
        return {"pad": self.pad, "gzip": self.gzip, "lie": self.lie}

    def padded(self, data):
        """The bill with so many bytes more, in lines of their own."""
        line = b"`2025-01-02,`0,`0,`0.00\r\n"
        count = self.pad // len(line) + 1 if self.pad else 0
        return (line * count)[:self.pad] + data

    def response(self, data):
        """The file as it is sent."""
        if self.gzip:
            data = gzip.compress(data)
        if self.lie == "changed":
            data = flip_digit(data, len(data) // 2)
        if self.lie == "halved":
            data = data[:len(data) // 2]
        manner = self.lie if self.lie in ("truncated", "steady",
                                          "chunked") else ""
        return Response(200, data, {"Content-Type": "text/plain"}, manner)
