"""
The pages for people: a list of orders with buttons, and a cashier.

No script and no style sheet from elsewhere: plain forms that post to the
control API and come back.  Every value is escaped.
"""

import html
import time
import urllib.parse

from .alipay import yuan

HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>%s</title>%s<style>
body{font:15px/1.45 sans-serif;margin:2em auto;max-width:72em;padding:0 1em}
table{border-collapse:collapse;width:100%%}
td,th{border-bottom:1px solid #ddd;padding:.3em .6em;text-align:left}
form{display:inline}code{font-size:90%%}.ok{color:#070}.no{color:#a00}
</style></head><body>
"""


def text(value):
    return html.escape(str(value), quote=True)


def head(title, refresh=""):
    return HEAD % (text(title), refresh)


def action(order, verb):
    """The control URL of a verb on an order."""
    return "/sandbox/orders/%s/%s?provider=%s" % (
        urllib.parse.quote(order.order_id, safe=""), verb, order.provider)


def button(order, verb, label, back="/sandbox/"):
    return ('<form method="post" action="%s"><input type="hidden" '
            'name="back" value="%s"><button>%s</button></form>'
            % (text(action(order, verb)), text(back), text(label)))


def stamp(when):
    return time.strftime("%H:%M:%S", time.localtime(when))


def order_row(order):
    buttons = ""
    if order.state == "created":
        buttons = (button(order, "pay", "Pay")
                   + button(order, "close", "Close"))
    elif order.state == "paid" and order.refunded < order.amount:
        buttons = button(order, "refund", "Refund")
    state = order.state
    if order.refunded:
        state += ", refunded " + yuan(order.refunded)
    cells = (order.provider, order.order_id,
             yuan(order.amount) + " " + order.currency, state, order.subject,
             order.notify_url)
    return ("<tr>" + "".join("<td>%s</td>" % text(c) for c in cells)
            + "<td>%s</td></tr>\n" % buttons)


def delivery_row(delivery):
    if delivery.status:
        answer = "%d %s" % (delivery.status, delivery.body[:120])
    else:
        answer = delivery.error or "no answer"
    later = ""
    if delivery.next_in >= 0:
        later = "again in %.1f s" % delivery.next_in
    cells = (stamp(delivery.time), delivery.order_id, delivery.kind,
             "%d" % delivery.attempt, delivery.faults, answer)
    word = ("ok", "accepted") if delivery.accepted else ("no", "not accepted")
    return ("<tr>" + "".join("<td>%s</td>" % text(c) for c in cells)
            + '<td class="%s">%s %s</td></tr>\n' % (*word, text(later)))


NEW = """<h2>New order</h2>
<form method="post" action="/sandbox/orders">
<input type="hidden" name="back" value="/sandbox/">
<select name="provider"><option>wechat_v3<option>wechat_v2
<option>alipay<option>unionpay<option>stripe</select>
<input name="amount" value="100" size="6" aria-label="amount in fen"> fen
<input name="notify_url" size="48" placeholder="notify_url"
 aria-label="notify_url">
<button>Create</button></form>
"""


def index(orders, deliveries):
    """The list of orders and of the callbacks that were sent."""
    rows = "".join(order_row(o) for o in reversed(orders[-200:]))
    tries = "".join(delivery_row(d) for d in reversed(deliveries[-200:]))
    return (
        head("Payment sandbox") + "<h1>Payment sandbox</h1>\n"
        '<p><a href="/sandbox/">Reload</a> &middot; nothing here is real '
        "money.</p>\n" + NEW
        + "<h2>Orders</h2><table><tr><th>Provider<th>Order<th>Amount"
        "<th>State<th>Subject<th>Callback to<th></tr>\n" + rows + "</table>\n"
        "<h2>Callbacks</h2><table><tr><th>Time<th>Order<th>Event<th>Try"
        "<th>Misbehaviour<th>Answer<th></tr>\n" + tries
        + "</table></body></html>\n")


def cashier(order, back):
    """The page on which a payer pays; back is where to go afterwards."""
    if order.state == "created":
        end = button(order, "pay", "Pay", back)
    else:
        end = "<p>The order is %s.</p>" % text(order.state)
    return (head("Cashier") + "<h1>%s %s</h1>\n<p>%s &middot; order "
            "<code>%s</code></p>\n" % (text(yuan(order.amount)),
                                       text(order.currency),
                                       text(order.subject),
                                       text(order.order_id))
            + end + "</body></html>\n")
