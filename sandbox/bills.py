"""Bills: the paid orders of a day as the providers' files have them."""

import hashlib
import time

DAY = 8 * 3600


def day_of(when):
    """The day of a time where the providers are."""
    return time.strftime("%Y-%m-%d", time.gmtime(when + DAY))


def trade_bill(store, provider, day):
    """The file of a day, None if nothing was paid then.

    A byte order mark, cells that begin with a back-tick, two lines of totals:
    what WeChat Pay sends.
    """
    orders = [order for order in store.all() if order.provider == provider
              and order.paid and day_of(order.paid) == day]
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
