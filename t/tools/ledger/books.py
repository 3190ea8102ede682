"""Compares the provider's book with the shop's, given what was killed when.

The provider's book (paygw-load --ledger): NUMBER STATUS BODY START END, one
line an attempt, times in Unix microseconds.  The shop's book: shop.py.
"""

import collections
import re

# How long after the shop's answer a kill can still undo what the gateway was
# about to do with it: it reads the answer and commits; and how long before the
# shop read it a request was on its way.  On a machine that is busy with the
# test itself this takes its time.
REACH = 0.5

# worker: the process that was killed, None when it was not a worker
Kill = collections.namedtuple("Kill", "what start end worker",
                              defaults=(None,))


class Delivery:

    def __init__(self, event, number, worker, start):
        self.event = event
        self.number = number        # X-Paygw-Delivery
        self.worker = worker        # the process that handed it over
        self.start = start
        self.end = None             # of the shop's work; None: killed
        self.status = 0


def read_shop(path):
    """Deliveries by the number of the callback, in order of their start."""
    open_ones = {}
    found = collections.defaultdict(list)
    with open(path) as file:
        for line in file:
            part = line.split()
            if part[0] == "B":
                one = Delivery(part[2], int(part[3]), int(part[4]),
                               float(part[5]))
                open_ones[part[1]] = one
                found[number_of(part[2])].append(one)
            else:
                one = open_ones[part[1]]
                one.status = int(part[2])
                one.end = float(part[3])
    return found


def number_of(event):
    """paygw-load ends its notify_id with the number of the callback."""
    match = re.search(r"(?<!\d)\d{24}(\d{10})(?!\d)", event)
    return int(match.group(1)) if match else None


def read_provider(path):
    """The time of the first ack by number, and all numbers."""
    acked, numbers = {}, set()
    with open(path) as file:
        for line in file:
            number, status, body, start, end = line.split()
            number = int(number)
            numbers.add(number)
            if status == "200" and body == "success" and number not in acked:
                acked[number] = int(end) / 1e6
    return acked, numbers


def explain(first, kills, timeout):
    """Why a delivery that the shop took may come again; None: no reason."""
    if first.status != 200:
        return "the shop did not take it"
    if first.end - first.start > timeout - 0.1:
        return "the shop was too slow"
    for kill in kills:
        if kill.what == "reload":
            continue
        if kill.worker not in (None, first.worker):
            continue
        if (kill.start <= first.end + REACH
                and kill.end >= first.start - REACH):
            return kill.what
    return None


def overlap(one, two, kills):
    """Two deliveries of an event to the shop at the same time."""
    end = one.end
    if end is None:
        end = min((kill.start for kill in kills
                   if kill.what == "shop killed" and kill.end >= one.start),
                  default=float("inf"))
    return two.start < end


def compare(shop, provider, kills, timeout):
    """Counts for people, and a list of what must not be."""
    acked, numbers = provider
    wrong = []
    again = collections.Counter()
    once = 0

    if None in shop:
        wrong.append("%d deliveries without an event id" % len(shop.pop(None)))

    for number in sorted(numbers):
        taken = [one for one in shop.get(number, []) if one.status == 200]
        if number not in acked:
            wrong.append("%d was never acknowledged" % number)
        elif not any(one.end <= acked[number] for one in taken):
            wrong.append("%d was acknowledged, the shop has not taken it"
                         % number)

    for number, deliveries in sorted(shop.items()):
        taken = sum(one.status == 200 for one in deliveries)
        once += taken == 1
        if number not in numbers:
            wrong.append("%d is of nobody" % number)
        if len({one.event for one in deliveries}) > 1:
            wrong.append("%d has several event ids" % number)
        for one, two in zip(deliveries, deliveries[1:]):
            if two.number <= one.number:
                wrong.append("%s: delivery %d after delivery %d"
                             % (two.event, two.number, one.number))
            if overlap(one, two, kills):
                wrong.append("%s: deliveries %d and %d at the same time"
                             % (two.event, one.number, two.number))
            why = explain(one, kills, timeout)
            if why is None:
                wrong.append("%s: delivery %d at %.6f although delivery %d "
                             "was taken at %.6f"
                             % (two.event, two.number, two.start, one.number,
                                one.end))
            elif one.status == 200:
                again[why] += 1

    counts = [("events", len(numbers)), ("acknowledged", len(acked)),
              ("deliveries", sum(len(each) for each in shop.values())),
              ("taken by the shop once", once),
              ("taken, then delivered again", sum(again.values()))]
    counts += [("    because: " + why, count)
               for why, count in sorted(again.items())]
    counts.append(("unexplained", len(wrong)))
    return counts, wrong
