"""
The calls that have come in, in order: which operation, and what came of it.

GET /sandbox/calls?after=N tells those behind the first N.  An operation has
the name that the provider's documentation gives it: method and path, of
Alipay's gateway the parameter method, of UnionPay the path with txnType and
txnSubType.  What came encrypted, and was opened, is told as "opened".
"""

import collections
import threading
import urllib.parse

KEPT = 10000


def operation(request):
    """The name of the operation that a request asks for."""
    path = request.path
    if path == "/gateway.do" or path.startswith("/gateway/") or path == "/":
        fields = dict(urllib.parse.parse_qsl(
            (request.query + "&" + request.body.decode("latin-1")).strip("&"),
            encoding="latin-1"))
        if path == "/gateway.do":
            return fields.get("method", "")
        return "%s %s/%s" % (path.rpartition("/")[2] or "/",
                             fields.get("txnType", ""),
                             fields.get("txnSubType", ""))
    return request.method + " " + path


class Log:
    """The newest calls; more than one thread may add to it."""

    def __init__(self):
        self.count = 0
        self._kept = collections.deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def add(self, provider, request, status):
        with self._lock:
            self.count += 1
            call = {"provider": provider, "operation": operation(request),
                    "status": status}
            if request.opened:
                call["opened"] = request.opened
            self._kept.append((self.count, call))

    def plain(self, after=0):
        with self._lock:
            return {"count": self.count,
                    "calls": [call for number, call in self._kept
                              if number > after]}
