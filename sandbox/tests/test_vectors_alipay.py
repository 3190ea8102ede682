"""The vectors of Alipay against our signer and our checker."""

import base64
import json
import os
import unittest

from sandbox import alipay
from sandbox.keys import (cert_sn, load_private, load_public, root_cert_sn,
                          sign, sn_of, verify)

from .support import DATA

DIR = os.path.join(DATA, "alipay")


def load(name):
    path = os.path.join(DIR, name + ".json")
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def path_of(name):
    return os.path.join(DIR, name)


def body_of(inputs, name="body"):
    if name + "_base64" in inputs:
        return base64.b64decode(inputs[name + "_base64"])
    return inputs[name].encode("utf-8")


def message_of(vector):
    if vector.get("string_to_sign_base64"):
        return base64.b64decode(vector["string_to_sign_base64"])
    return vector["string_to_sign"].encode("utf-8")


class Serials(unittest.TestCase):

    def test_cert_sn(self):
        for vector in load("cert_sn"):
            with self.subTest(vector["name"]):
                i, want = vector["inputs"], vector["expect"]["sn"]
                if vector["kind"] == "root_cert_sn_known_value":
                    parts = [v.split("|")
                             for v in i["rsa_issuers_and_serials"]]
                    self.assertEqual(
                        "_".join(sn_of(*part) for part in parts), want)
                    continue
                with open(path_of(i["cert"]), "rb") as file:
                    pem = file.read()
                have = (root_cert_sn(pem) if vector["kind"] == "root_cert_sn"
                        else cert_sn(pem))
                self.assertEqual(have, want)


class Requests(unittest.TestCase):

    def test_sign_and_verify(self):
        for name in ("request_sign", "page_app_pay"):
            for vector in load(name):
                with self.subTest(vector["name"]):
                    self.one(vector)

    def one(self, vector):
        i = vector["inputs"]
        key = load_private(path_of(i["private_key"]))
        public = load_public(path_of(i["public_key"]))
        params = i["params"]
        digest = alipay.DIGESTS[params["sign_type"]]
        sent = {k: v for k, v in params.items() if v}
        pairs = [(k.encode(), v.encode()) for k, v in sent.items()]
        ours = alipay.request_string(pairs)
        self.assertEqual(verify(public, vector["signature"], ours, digest),
                         vector["expect"]["verify"])
        if vector["expect"]["verify"]:
            self.assertEqual(ours, message_of(vector))
            self.assertEqual(alipay.sign_request(key, params)["sign"],
                             vector["signature"])


class Notifies(unittest.TestCase):

    def check(self, vector):
        i = vector["inputs"]
        key = load_public(path_of(i["public_key"]))
        name = "query" if "query" in i else "body"
        return alipay.check_notify(body_of(i, name), [key], i["order"],
                                   i["sign_type_allowed"])

    def test_accept_or_refuse_as_they_say(self):
        for vector in load("notify"):
            expect = vector["expect"]
            with self.subTest(vector["name"]):
                if expect["accept"]:
                    values = self.check(vector)
                    if "trade_status" in expect:
                        self.assertEqual(values["trade_status"],
                                         expect["trade_status"])
                    continue
                with self.assertRaises(alipay.Refused) as caught:
                    self.check(vector)
                if expect.get("verify"):
                    # genuine, but not about this order
                    self.assertIn(caught.exception.reason,
                                  ("total_amount", "app_id", "seller_id"))

    def test_signatures_are_reproduced(self):
        key = load_private(path_of("keys/alipay_private.pem"))
        for name in ("notify", "response_verify"):
            for vector in load(name):
                if vector["name"].startswith("neg_") \
                        or not vector["expect"].get("verify") \
                        or not vector["signature"]:
                    continue
                with self.subTest(vector["name"]):
                    text = sign(key, message_of(vector))
                    if text != vector["signature"]:
                        # certificate vectors are signed by the next key
                        other = load_private(
                            path_of("keys/alipay_next_private.pem"))
                        text = sign(other, message_of(vector))
                    self.assertEqual(text, vector["signature"])

    def test_our_string_is_theirs(self):
        for vector in load("notify"):
            i = vector["inputs"]
            if vector["name"].startswith("neg_") or "query" in i \
                    or "fallback" in vector["name"]:
                continue
            with self.subTest(vector["name"]):
                pairs = alipay.parse_form(body_of(i))
                self.assertEqual(
                    alipay.string_to_sign(pairs, (b"sign", b"sign_type")),
                    message_of(vector))


class Amounts(unittest.TestCase):

    def test_text_to_fen(self):
        for text, want in (("88.8", 8880), ("88.80", 8880), ("0.01", 1),
                           ("100000000", 10 ** 10), ("1", 100)):
            self.assertEqual(alipay.fen(text), want)
        for text in ("0", "0.00", "-1", "1.", ".5", "1.001", "1e3", " 1",
                     "01", "100000001", "", None, 1):
            self.assertIsNone(alipay.fen(text))
