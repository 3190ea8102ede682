"""WeChat Pay v2 against vectors that this sandbox had no part in."""

import base64
import json
import os
import unittest

from sandbox import wechat_v2
from sandbox.wechat_v2 import (Refused, check_notify, document, parse, seal,
                               sign, string_to_sign, to_pairs, unseal, verify)

from .support import DATA

with open(os.path.join(DATA, "wechat_v2", "vectors.json"),
          encoding="utf-8") as _file:
    ALL = json.load(_file)["vectors"]


def of_kind(kind):
    return [v for v in ALL if v["kind"] == kind]


class Signing(unittest.TestCase):

    def test_our_string_and_our_signature_are_theirs(self):
        for vector in of_kind("sign") + of_kind("client_pay_sign"):
            i = vector["inputs"]
            params = i["params"]
            kind = i.get("sign_type") or params.get("signType", "MD5")
            with self.subTest(vector["name"]):
                pairs, key = to_pairs(params), i["key"].encode()
                self.assertEqual(string_to_sign(pairs, key).decode(),
                                 vector["string_to_sign"])
                self.assertEqual(sign(pairs, key, kind),
                                 vector["signature"])
                self.assertNotEqual(sign(pairs, b"x" * 32, kind),
                                    vector["signature"])

    def test_answers(self):
        for vector in of_kind("response_verify"):
            i = vector["inputs"]
            with self.subTest(vector["name"]):
                values = parse(base64.b64decode(i["xml_b64"]))
                if vector["expect"]["ok"]:
                    verify(values, [i["key"].encode()], i["sign_type"])
                else:
                    self.assertEqual(values["return_code"], "FAIL")
                    self.assertNotIn("sign", values)


class Callbacks(unittest.TestCase):

    def test_verify_or_refuse_as_they_say(self):
        self.assertGreater(len(of_kind("notify_verify")), 15)
        for vector in of_kind("notify_verify"):
            i, expect = vector["inputs"], vector["expect"]
            with self.subTest(vector["name"]):
                args = (base64.b64decode(i["xml_b64"]), [i["key"].encode()],
                        {"appid": i["expected_appid"],
                         "mch_id": i["expected_mch_id"]}, i["sign_type"])
                if expect["ok"]:
                    signed, values = check_notify(*args)
                    self.assertTrue(signed)
                    for name in ("out_trade_no", "transaction_id"):
                        self.assertEqual(values[name],
                                         expect.get(name, values[name]))
                    continue
                with self.assertRaises(Refused) as caught:
                    check_notify(*args)
                self.assertEqual(caught.exception.reason, expect["reason"])

    def test_refunds(self):
        for vector in of_kind("refund_notify_decrypt"):
            i, expect = vector["inputs"], vector["expect"]
            with self.subTest(vector["name"]):
                body, key = base64.b64decode(i["xml_b64"]), i["key"].encode()
                account = {"appid": "wxd930ea5d5a258f4f",
                           "mch_id": "10000100"}
                if not expect["ok"]:
                    with self.assertRaises(Refused) as caught:
                        check_notify(body, [key], account)
                    self.assertEqual(caught.exception.reason, "decrypt")
                    continue
                signed, values = check_notify(body, [b"x" * 32, key],
                                              account)
                self.assertFalse(signed)
                self.assertEqual(values["refund_status"],
                                 expect["refund_status"])
                plain = unseal(key, i["req_info"])
                self.assertEqual(plain.decode(), expect["plaintext"])
                padding = b"" if "nopad" in vector["name"] else None
                self.assertEqual(
                    base64.b64encode(seal(key, plain, padding)).decode(),
                    i["req_info"])

    def test_the_answers_that_end_the_ladder(self):
        vector = of_kind("notify_verify")[0]["expect"]
        self.assertEqual(wechat_v2.ACK.decode(), vector["ack_ok"])
        good = vector["ack_ok"].encode()
        self.assertTrue(wechat_v2.accepted(200, good))
        for status, body in ((200, vector["ack_fail"].encode()),
                             (204, b""), (200, b""), (200, b"success"),
                             (200, b"SUCCESS"), (200, b"{}"), (500, good)):
            self.assertFalse(wechat_v2.accepted(status, body))

    def test_what_is_written_is_what_is_read(self):
        pairs = {"a": "<&>]]>\"' ", "b": "\u652f", "c": ""}
        for plain in (False, True):
            self.assertEqual(parse(document(to_pairs(pairs), plain=plain)),
                             pairs)
