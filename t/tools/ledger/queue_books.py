"""Compares the provider's book with the stream.

The provider's book is that of paygw-load, see books.py.  An entry of the
stream is its Redis id, "MS-N", and the id of its event.
"""

import collections

import books


def compare(entries, provider):
    """Counts for people, and a list of what must not be."""
    acked, numbers = provider
    wrong = []
    found = collections.defaultdict(list)

    for entry, event in entries:
        found[books.number_of(event)].append(int(entry.split("-")[0]))

    if None in found:
        wrong.append("%d entries without an event id" % len(found.pop(None)))

    for number in sorted(numbers):
        times = found.get(number, [])
        if number not in acked:
            wrong.append("%d was never acknowledged" % number)
        elif not times:
            wrong.append("%d was acknowledged, it is not in the stream"
                         % number)
        elif min(times) > acked[number] * 1e3:
            wrong.append("%d was acknowledged before it was in the stream"
                         % number)
    for number, times in sorted(found.items()):
        if number not in numbers:
            wrong.append("%d is of nobody" % number)
        if len(times) > 1:
            wrong.append("%d is in the stream %d times" % (number, len(times)))

    counts = [("events", len(numbers)), ("acknowledged", len(acked)),
              ("entries in the stream", len(entries)),
              ("acknowledged and in the stream once",
               sum(len(found.get(number, [])) == 1 for number in acked)),
              ("wrong", len(wrong))]
    return counts, wrong
