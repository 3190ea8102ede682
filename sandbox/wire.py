"""The HTTP messages that the providers' sides take and give."""

import email.parser
import email.policy
from dataclasses import dataclass, field


@dataclass
class Request:
    """A request; names of header fields are in lower case.

    opened has what was encrypted in it, once somebody has opened that.
    shown is the serial of the certificate that the client has shown in TLS,
    "" if it has none, None without TLS.
    """

    method: str
    target: str
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    opened: dict = field(default_factory=dict)
    shown: str = None

    @property
    def path(self):
        return self.target.partition("?")[0]

    @property
    def query(self):
        return self.target.partition("?")[2]


@dataclass
class Response:
    """An answer with the exact bytes of its body.

    manner says how it is sent: see lies.MANNERS.
    """

    status: int = 200
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    manner: str = ""


def parts(request):
    """The parts of an upload: name, file name or None, bytes of each.

    None if the body is not multipart/form-data; ValueError if it is broken.
    """
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/"):
        return None
    head = "Content-Type: %s\r\n\r\n" % kind
    found = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        head.encode("latin-1") + request.body)
    if found.get_content_type() != "multipart/form-data" or found.defects:
        raise ValueError("not multipart/form-data")
    result = []
    for part in found.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if part.defects or not name or name in [one[0] for one in result]:
            raise ValueError("a part has no name, or that of another one")
        result.append((name, part.get_filename(),
                       part.get_payload(decode=True)))
    return result


def flip_digit(data, at):
    """The bytes with one of them changed, still of the same kind.

    A forged message should fail for its signature and for nothing else.
    """
    old = data[at:at + 1]
    if old.isdigit():
        new = b"%d" % ((int(old) + 1) % 10)
    else:
        new = b"B" if old != b"B" else b"C"
    return data[:at] + new + data[at + 1:]
