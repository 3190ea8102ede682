"""What the sandbox answers to a merchant that fetches keys."""

import json
import unittest

from sandbox import lies, wechat_v3

from .support import Running


class Lies(unittest.TestCase):

    def setUp(self):
        self.run_ = Running()
        self.addCleanup(self.run_.close)
        self.keys = self.run_.keys
        self.addCleanup(self.honest)
        self.before = self.keys.fetches["wechat_v3"]

    def honest(self):
        """All tests share the keys."""
        self.keys.listed, self.keys.lie = ["a", "b"], ""

    def fetch(self):
        """(is it right, its content) of GET /v3/certificates."""
        status, head, body = self.run_.wechat("GET", "/v3/certificates")
        if status != 200:
            return False, None
        try:
            wechat_v3.check_headers(head, body, self.keys.platform_public(),
                                    int(head["wechatpay-timestamp"]))
            value = json.loads(body)
            for item in value["data"]:
                wechat_v3.unseal(self.keys.api_v3_key,
                                 item["encrypt_certificate"])
        except (KeyError, ValueError, wechat_v3.Refused):
            return False, None
        return True, value

    def test_listed(self):
        for listed in (["a"], ["b"], ["a", "b"]):
            self.keys.listed = listed
            good, value = self.fetch()
            self.assertTrue(good)
            self.assertEqual([item["serial_no"] for item in value["data"]],
                             [self.keys.platform(w)[0] for w in listed])
        self.assertEqual(self.keys.fetches["wechat_v3"] - self.before, 3)

    def test_lies(self):
        for word in ("bad_signature", "unsigned", "wrong_apiv3",
                     "garbage", "error", "missing", "wrong_chain"):
            with self.subTest(word):
                self.keys.lie = word
                self.assertFalse(self.fetch()[0])
        self.keys.lie = ""
        self.assertTrue(self.fetch()[0])

    def test_forged(self):
        """A forger's certificate has all of the genuine one but its key."""
        from cryptography import x509
        pem = self.keys.read("wechat/platform_cert_a.pem")
        old = x509.load_pem_x509_certificate(pem)
        new = x509.load_pem_x509_certificate(
            lies.forged_pem(self.keys, pem))
        self.assertEqual((new.serial_number, new.issuer),
                         (old.serial_number, old.issuer))
        self.assertEqual(new.public_key().public_numbers(),
                         self.keys.rogue.public_key().public_numbers())

    def test_control(self):
        for value in ({"lie": "nonsense"}, {"listed": ["c"]},
                      {"listed": "a"}, {"alipay": "b"}, {"active": "c"}):
            status = self.run_.control("POST", "/sandbox/keys", value)[0]
            self.assertEqual(status, 400, value)


if __name__ == "__main__":
    unittest.main()
