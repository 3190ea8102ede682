"""How answers of the providers' APIs can be bent."""

import json
import unittest

from sandbox import answers, wechat_v3
from sandbox.wire import Response

from .support import Running, keys


class Answers(unittest.TestCase):

    def setUp(self):
        self.run_ = Running()
        self.addCleanup(self.run_.close)

    def genuine(self):
        status, head, body = self.run_.wechat(
            "GET", "/v3/pay/transactions/out-trade-no/NONE01?mchid="
            + keys().ids["mchid"])
        try:
            wechat_v3.check_headers(head, body, keys().platform_public(),
                                    int(head["wechatpay-timestamp"]))
        except (KeyError, wechat_v3.Refused):
            return False
        return status == 404

    def bend(self, **values):
        return self.run_.control("POST", "/sandbox/answers", values)

    def test_so_many(self):
        self.assertTrue(self.genuine())
        self.bend(fault="unsigned", times=2)
        self.assertEqual([self.genuine() for _ in range(3)],
                         [False, False, True])

    def test_certificates(self):
        self.bend(fault="error")
        self.assertEqual(
            self.run_.wechat("GET", "/v3/certificates")[0], 200)
        bender = answers.Bender(keys())
        bender.set("error", 1)
        for name in ("GET /v3/certificates",
                     "alipay.open.app.alipaycert.download"):
            self.assertEqual(bender.bend(Response(200, b""), name).status,
                             200)
        self.assertEqual(bender.bent, 0)
        self.assertFalse(self.genuine())

    def test_words(self):
        for word in ("probe", "bad_signature", "unsigned", "error",
                     "garbage"):
            with self.subTest(word):
                self.bend(fault=word)
                self.assertFalse(self.genuine())
                self.assertTrue(self.genuine())
        self.bend(fault="chunked")
        self.assertTrue(self.genuine())

    def test_stale(self):
        self.bend(fault="stale", only="certificates")
        _, head, body = self.run_.wechat("GET", "/v3/certificates")
        with self.assertRaises(wechat_v3.Refused):
            wechat_v3.check_headers(head, body, keys().platform_public(),
                                    int(head["wechatpay-timestamp"]) + 3600)

    def test_unknown(self):
        for values in ({"fault": "nonsense"}, {"fault": "probe", "times": 0},
                       {"fault": "probe", "times": "x"}):
            self.assertEqual(self.bend(**values)[0], 400)

    def test_flat_fields(self):
        for body in (b"<xml><a>1</a><sign><![CDATA[AB]]></sign></xml>",
                     b"a=1&signature=AB&b=2", b"a=1&signature=AB"):
            bender = answers.Bender(keys())
            bent = {}
            for word in ("unsigned", "bad_signature"):
                bender.set(word, 1)
                bent[word] = bender.bend(Response(200, body, {})).body
            self.assertNotIn(b"sign", bent["unsigned"])
            self.assertIn(b"1", bent["unsigned"])
            self.assertEqual(bent["bad_signature"],
                             body.replace(b"AB", b"BB"))

    def test_alipay(self):
        body = b'{"alipay_trade_query_response":{"code":"10000"},"sign":"x"}'
        slept = []
        bender = answers.Bender(keys(), slept.append)
        bent = {}
        for word in ("twin", "unsigned", "bad_signature", "silent"):
            bender.set(word, 1)
            bent[word] = bender.bend(Response(200, body, {})).body
        self.assertEqual(bent["twin"].count(b"query_response"), 2)
        self.assertNotIn(b"sign", bent["unsigned"])
        self.assertNotEqual(json.loads(bent["bad_signature"]),
                            json.loads(body))
        self.assertEqual((bent["silent"], slept), (body, [30]))
