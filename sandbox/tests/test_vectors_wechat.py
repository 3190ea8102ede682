"""The vectors of WeChat Pay v3 against our signer and our checker."""

import base64
import json
import os
import unittest

from cryptography import x509

from sandbox import wechat_v3
from sandbox.keys import (load_private, load_public, serial_hex, sign,
                          verify)
from sandbox.wire import Request

from .support import DATA

DIR = os.path.join(DATA, "wechat_v3")
NOW = 1730000003


def load():
    with open(os.path.join(DIR, "vectors.json"), encoding="utf-8") as file:
        return json.load(file)


ALL = load()
CONSTANTS = ALL["constants"]


def of_kind(kind):
    return [v for v in ALL["vectors"] if v["kind"] == kind]


def pem(name):
    return os.path.join(DIR, name)


PRIVATE = {
    CONSTANTS["platform_serial_a"]: load_private(pem("platform_key_a.pem")),
    CONSTANTS["platform_serial_b"]: load_private(pem("platform_key_b.pem")),
    CONSTANTS["platform_public_key_id"]:
        load_private(pem("wechatpay_pub_key_private.pem")),
}


def trusted(inputs):
    return {serial: load_public(pem(name))
            for serial, name in inputs["trusted_keys"].items()}


class Requests(unittest.TestCase):

    def setUp(self):
        self.key = load_private(pem("merchant_key.pem"))
        self.merchants = {(CONSTANTS["mchid"], CONSTANTS["merchant_serial"]):
                          self.key.public_key()}

    def test_message_and_signature_are_reproduced(self):
        for vector in of_kind("request_sign"):
            i = vector["inputs"]
            with self.subTest(vector["name"]):
                message = wechat_v3.request_message(
                    i["method"], i["canonical_url"], i["timestamp"],
                    i["nonce"], base64.b64decode(i["body_b64"]))
                self.assertEqual(message.decode(), vector["string_to_sign"])
                self.assertEqual(sign(self.key, message),
                                 vector["signature"])

    def test_the_provider_accepts_them(self):
        for vector in of_kind("request_sign"):
            i = vector["inputs"]
            with self.subTest(vector["name"]):
                body = base64.b64decode(i["body_b64"])
                value = wechat_v3.authorization(
                    self.key, i["mchid"], i["serial_no"], i["method"],
                    i["canonical_url"], body, int(i["timestamp"]),
                    i["nonce"])
                self.assertIn(vector["signature"], value)
                request = Request(i["method"], i["canonical_url"],
                                  {"authorization": value}, body)
                wechat_v3.check_request(request, self.merchants, NOW)
                for bent in (Request("PUT", i["canonical_url"],
                                     request.headers, body),
                             Request(i["method"], i["canonical_url"] + "1",
                                     request.headers, body),
                             Request(i["method"], i["canonical_url"],
                                     request.headers, body + b" ")):
                    with self.assertRaises(wechat_v3.ApiError):
                        wechat_v3.check_request(bent, self.merchants, NOW)
                with self.assertRaises(wechat_v3.ApiError):
                    wechat_v3.check_request(request, self.merchants,
                                            NOW + 400)

    def test_client_pay_sign(self):
        for vector in of_kind("client_pay_sign"):
            with self.subTest(vector["name"]):
                self.assertEqual(
                    sign(self.key, vector["string_to_sign"].encode()),
                    vector["signature"])


class Callbacks(unittest.TestCase):

    def test_verify_or_refuse_as_they_say(self):
        for vector in of_kind("notify_verify_decrypt"):
            i, expect = vector["inputs"], vector["expect"]
            with self.subTest(vector["name"]):
                args = (i["headers"], base64.b64decode(i["body_b64"]),
                        trusted(i), i["api_v3_key"].encode(),
                        {i["expected_mchid"], "1230000109", "1900000109"},
                        i["now"])
                if expect["ok"]:
                    envelope, content = wechat_v3.check_notify(*args)
                    self.assertEqual(content,
                                     json.loads(expect["plaintext"]))
                    self.assertEqual(envelope["event_type"],
                                     expect["event_type"])
                    self.assertEqual(envelope["id"], expect["dedupe_key"])
                    continue
                with self.assertRaises(wechat_v3.Refused) as caught:
                    wechat_v3.check_notify(*args)
                self.assertEqual(caught.exception.reason, expect["reason"])

    def test_our_signer_and_our_seal_give_the_same_bytes(self):
        for vector in of_kind("notify_verify_decrypt"):
            i, expect = vector["inputs"], vector["expect"]
            if not expect["ok"]:
                continue
            with self.subTest(vector["name"]):
                head = i["headers"]
                body = base64.b64decode(i["body_b64"])
                message = wechat_v3.answer_message(
                    head["Wechatpay-Timestamp"], head["Wechatpay-Nonce"],
                    body)
                self.assertEqual(message.decode(), vector["string_to_sign"])
                self.assertEqual(
                    sign(PRIVATE[head["Wechatpay-Serial"]], message),
                    head["Wechatpay-Signature"])
                resource = json.loads(body)["resource"]
                sealed = wechat_v3.seal(
                    i["api_v3_key"].encode(), resource["nonce"].encode(),
                    resource.get("associated_data", "").encode(),
                    expect["plaintext"].encode())
                self.assertEqual(sealed, resource["ciphertext"])

    def test_answers(self):
        for vector in of_kind("response_verify"):
            i, expect = vector["inputs"], vector["expect"]
            if i["http_status"] >= 300 or expect.get("unsigned_by_design") \
                    or "billfile" in vector["name"]:
                continue
            with self.subTest(vector["name"]):
                args = (i["headers"], base64.b64decode(i["body_b64"] or ""),
                        trusted(i), i["now"])
                if expect["ok"]:
                    wechat_v3.check_headers(*args)
                else:
                    with self.assertRaises(wechat_v3.Refused):
                        wechat_v3.check_headers(*args)


class Certificates(unittest.TestCase):

    def test_serials_keep_their_leading_zero(self):
        for which in "ab":
            with open(pem("platform_cert_%s.pem" % which), "rb") as file:
                cert = x509.load_pem_x509_certificate(file.read())
            self.assertEqual(serial_hex(cert),
                             CONSTANTS["platform_serial_" + which])

    def test_downloads_open(self):
        vector = of_kind("certificates")[0]
        i = vector["inputs"]
        body = base64.b64decode(i["body_b64"])
        found = {}
        for item in json.loads(body)["data"]:
            plain = wechat_v3.unseal(i["api_v3_key"].encode(),
                                     item["encrypt_certificate"])
            cert = x509.load_pem_x509_certificate(plain)
            self.assertEqual(serial_hex(cert), item["serial_no"])
            found[item["serial_no"]] = cert.public_key()
        self.assertEqual(list(found), vector["expect"]["serials"])
        wechat_v3.check_headers(i["headers"], body, found, i["now"])


class Strictness(unittest.TestCase):

    def test_base64_is_taken_strictly(self):
        key = PRIVATE[CONSTANTS["platform_serial_a"]]
        text = sign(key, b"x")
        self.assertTrue(verify(key.public_key(), text, b"x"))
        for bad in (text + "\n", " " + text, text[:-1], "-" + text[1:],
                    text.replace("=", ""), ""):
            self.assertFalse(verify(key.public_key(), bad, b"x"))
