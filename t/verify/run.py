import email.parser
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__),
                                "../../conf-examples/verify"))

import paygw  # noqa: E402

for name in sys.argv[2:]:
    with open(name, "rb") as file:
        head, _, body = file.read().partition(b"\r\n\r\n")
    fields = email.parser.HeaderParser().parsestr(
        head.decode("latin-1").split("\r\n", 1)[1])
    good = paygw.genuine(fields, body, sys.argv[1].encode())
    print("genuine" if good else "forged")
