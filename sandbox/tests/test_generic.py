"""The strings to sign of configured providers, against recorded vectors."""

import base64
import json
import os
import tempfile
import unittest

from sandbox import generic, keys

HERE = os.path.join(os.path.dirname(__file__), "..", "testdata", "generic")


class Vectors(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        with open(os.path.join(HERE, "vectors.json"),
                  encoding="utf-8") as file:
            cls.all = {v["name"]: v for v in json.load(file)["vectors"]}

    def case(self, name):
        vector = self.all[name]
        given = vector["inputs"]
        body = base64.b64decode(given.get("body_b64", ""))
        return given, body or given.get("body", "").encode(), \
            vector["signature"]

    def test_github(self):
        for name in ("gh_ok", "gh_ok_utf8"):
            given, body, sign = self.case(name)
            self.assertEqual(generic.github(given["secret"].encode(), body),
                             sign)

    def test_standard_webhooks(self):
        given, body, sign = self.case("sw_ok")
        self.assertEqual(generic.standard_webhooks(
            given["secret"].encode(), given["headers"]["webhook-id"],
            1730000000, body), sign)

    def test_paddle(self):
        given, body, sign = self.case("paddle_ok")
        self.assertEqual(
            generic.paddle(given["secret"].encode(), 1730000000, body),
            "ts=1730000000;h1=" + sign)

    def test_razorpay(self):
        given, body, sign = self.case("razorpay_ok")
        self.assertEqual(generic.razorpay(given["secret"].encode(), body),
                         sign)

    def test_square(self):
        given, body, sign = self.case("square_ok")
        self.assertEqual(generic.square(
            given["signature_key"].encode(), given["notification_url"],
            body), sign)

    def test_adyen(self):
        for name in ("adyen_ok", "adyen_ok_original", "adyen_ok_colon"):
            given, body, sign = self.case(name)
            item = json.loads(body)["notificationItems"][0]
            self.assertEqual(generic.adyen(
                given["hmac_key_hex"].encode(),
                item["NotificationRequestItem"]), sign)
        given, body, sign = self.case("adyen_banking_ok")
        self.assertEqual(generic.adyen_platform(
            given["hmac_key_hex"].encode(), body), sign)

    def test_douyin(self):
        given, body, sign = self.case("douyin_trade_notify_ok")
        key = keys.load_private(os.path.join(HERE, "douyin_platform_key.pem"))
        self.assertEqual(generic.douyin(key, 1730000000, "nonce123", body),
                         sign)

    def test_douyin_old(self):
        given, body, sign = self.case("douyin_ecpay_notify_ok")
        told = json.loads(body)
        self.assertEqual(generic.douyin_old(
            given["token"].encode(), told["timestamp"], told["nonce"],
            told["msg"]), sign)

    def test_paypal(self):
        given, body, sign = self.case("paypal_ok")
        key = keys.load_private(os.path.join(HERE, "paypal_key.pem"))
        head = given["headers"]
        self.assertEqual(generic.paypal(
            key, head["PAYPAL-TRANSMISSION-ID"],
            head["PAYPAL-TRANSMISSION-TIME"], given["webhook_id"], body),
            sign)


class Messages(unittest.TestCase):

    def test_each_style(self):
        with tempfile.TemporaryDirectory() as folder:
            ring = generic.Ring(folder)
            again = generic.Ring(folder)
            for name in ring.MADE:
                self.assertEqual(ring.secret(name), again.secret(name))
            for style in generic.STYLES:
                good = generic.compose(ring, style, "O1", 1234, url="u")
                self.assertIn(b"O1", good.body)
                self.assertIn("Content-Type", dict(good.headers))
                bad = generic.compose(ring, style, "O1", 1234, forged=True)
                self.assertNotEqual(good.body, bad.body)
            other = generic.compose(ring, "paddle", "O1", 1, kind="x.y")
            self.assertIn(b'"x.y"', other.body)
            with self.assertRaises(ValueError):
                generic.compose(ring, "github", "O1", 1, kind="x.y")


if __name__ == "__main__":
    unittest.main()
