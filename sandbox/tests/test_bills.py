"""Bills of WeChat Pay and Alipay."""

import gzip
import hashlib
import json
import time
import unittest
import urllib.parse

from sandbox.bills import day_of
from sandbox.orders import Order

from .support import Running

BILL = "alipay.data.dataservice.bill.downloadurl.query"


class Bills(unittest.TestCase):

    def setUp(self):
        self.run_ = Running()
        self.addCleanup(self.run_.close)
        self.store = self.run_.sandbox.store
        self.today = day_of(time.time())

    def paid(self, provider, amount):
        order = Order(provider, "T%s%d" % (provider, amount), amount)
        self.store.add(order)
        self.store.pay(order)

    def bill(self, day):
        return self.run_.wechat(
            "GET", "/v3/bill/tradebill?bill_date=%s&bill_type=ALL" % day)

    def test_wechat(self):
        self.paid("wechat_v3", 100)
        self.paid("wechat_v3", 5)
        self.paid("alipay", 7)
        status, _, body = self.bill(self.today)
        self.assertEqual(status, 200, body)
        told = json.loads(body)
        url = urllib.parse.urlsplit(told["download_url"])
        status, head, data = self.run_.wechat("GET", url.path + "?"
                                              + url.query)
        self.assertEqual(status, 200)
        self.assertNotIn("wechatpay-signature", head)
        self.assertEqual(hashlib.sha1(data).hexdigest(), told["hash_value"])
        self.assertTrue(data.endswith(b"`2,`1.05\r\n"), data)

    def test_wechat_manners(self):
        self.paid("wechat_v3", 100)
        bills = self.run_.sandbox.wechat.bills
        bills.set({"pad": 100000, "gzip": True})
        told = json.loads(self.bill(self.today)[2])
        url = urllib.parse.urlsplit(told["download_url"])
        for lie, right in (("", True), ("changed", False), ("halved", False),
                           ("steady", True)):
            bills.set({"lie": lie, "gzip": False})
            data = self.run_.wechat("GET", url.path + "?" + url.query)[2]
            self.assertEqual(hashlib.sha1(data).hexdigest()
                             == told["hash_value"], right, lie)
        bills.set({"gzip": True, "lie": ""})
        data = self.run_.wechat("GET", url.path + "?" + url.query)[2]
        self.assertEqual(hashlib.sha1(gzip.decompress(data)).hexdigest(),
                         told["hash_value"])
        for wrong in ({"pad": -1}, {"lie": "x"}):
            with self.assertRaises(ValueError):
                bills.set(wrong)

    def test_wechat_refused(self):
        status, _, body = self.bill("2020-01-01")
        self.assertEqual((status, json.loads(body)["code"]),
                         (400, "NO_STATEMENT_EXIST"))
        status, _, body = self.bill("today")
        self.assertEqual((status, json.loads(body)["code"]),
                         (400, "PARAM_ERROR"))
        status, _, _ = self.run_.wechat("GET",
                                        "/v3/billdownload/file?token=x")
        self.assertEqual(status, 400)

    def test_alipay(self):
        self.paid("alipay", 7)
        answer = self.run_.alipay(BILL, {"bill_type": "trade",
                                         "bill_date": self.today})
        self.assertEqual(answer["code"], "10000")
        self.assertIn("token=", answer["bill_download_url"])
        answer = self.run_.alipay(BILL, {"bill_type": "trade",
                                         "bill_date": "2020-01-01"})
        self.assertEqual(answer["sub_code"], "isp.BILL_NOT_EXIST")


if __name__ == "__main__":
    unittest.main()
