"""The example of calls: orders made through nginx, at the sandbox."""

import base64
import hashlib
import json
import re
import time
import urllib.parse

import merchants
import stage


def calling(case):
    """An order of each provider, and one that nobody has heard of."""
    ids = case.keys.rings[""].ids
    order = {"mchid": ids["mchid"], "appid": ids["appid"],
             "description": "tea", "out_trade_no": "EXAMPLE_1",
             "notify_url": "http://127.0.0.1:1/notify",
             "amount": {"total": 100}}
    head = {"Content-Type": "application/json"}
    status, fields, body = stage.send(
        case.port, "/wxpay/v3/pay/transactions/native", head,
        json.dumps(order).encode())
    case.same((status, list(json.loads(body))), (200, ["code_url"]),
              "wxpay: an order is made")
    status, _, body = stage.send(
        case.port, "/wxpay/v3/pay/transactions/out-trade-no/NONE_1/close",
        head, json.dumps({"mchid": ids["mchid"]}).encode())
    case.same((status, json.loads(body)["code"]), (404, "ORDER_NOT_EXIST"),
              "wxpay: there is no such order")

    head = {"Content-Type": "application/x-www-form-urlencoded"}
    biz = {"out_trade_no": "EXAMPLE_1", "total_amount": "1.00",
           "subject": "tea", "buyer_id": "2088"}
    for method, wanted in (("create", "10000"), ("query", "10000")):
        status, _, body = stage.send(
            case.port, "/alipay/gateway.do", head,
            urllib.parse.urlencode({"method": "alipay.trade." + method,
                                    "biz_content": json.dumps(biz)})
            .encode())
        content = json.loads(body)["alipay_trade_%s_response" % method]
        case.same((status, content["code"]), (200, wanted),
                  "alipay: " + method)
    form = {"amount": 100, "currency": "eur",
            "metadata[out_trade_no]": "EXAMPLE_2"}
    status, fields, body = stage.send(
        case.port, "/stripe/v1/payment_intents",
        {**head, "Idempotency-Key": "EXAMPLE_2"},
        urllib.parse.urlencode(form).encode())
    case.same((status, json.loads(body)["amount"]), (200, 100),
              "stripe: an order is made")
    status, _, body = stage.send(case.port, "/alipay/other", head, b"a=b")
    case.same((status, json.loads(body)["code"]),
              (400, "CLIENT-BAD_REQUEST"), "alipay: no such path")


def trouble(case):
    """An order, and what is shown of the breakers."""
    ids = case.keys.rings[""].ids
    body = {"mchid": ids["mchid"], "appid": ids["appid"],
            "description": "tea", "out_trade_no": "EXAMPLE_3",
            "notify_url": "http://127.0.0.1:1/notify",
            "amount": {"total": 100}}
    status, _, body = stage.send(
        case.port, "/wxpay/v3/pay/transactions/native",
        {"Content-Type": "application/json"}, json.dumps(body).encode())
    case.same((status, list(json.loads(body))), (200, ["code_url"]),
              "wxpay: an order is made")
    _, _, body = stage.send(case.port, "/metrics", {}, b"", "GET")
    case.same(re.findall(r'(?m)^paygw_breaker_state\{channel="(\w+)".* (\d)$',
                         body.decode()),
              [("wxpay", "0"), ("alipay", "0")], "breakers are closed")


def fields(case):
    """The same of UnionPay and WeChat Pay v2."""
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + 8 * 3600))
    head = {"Content-Type": "application/x-www-form-urlencoded"}

    def union(path, **values):
        status, _, body = stage.send(
            case.port, path, head, urllib.parse.urlencode(
                {"txnTime": stamp, **values}).encode())
        return status, dict(p.split("=", 1) for p in body.decode().split("&")
                            if "=" in p)

    order = {"orderId": "EXAMPLE0001", "txnType": "01", "txnSubType": "07",
             "txnAmt": "100", "currencyCode": "156"}
    status, got = union("/unionpay/gateway/api/backTransReq.do", **order)
    case.same((status, got["respCode"], "qrCode" in got), (200, "00", True),
              "unionpay: an order is made")
    status, got = union("/unionpay/gateway/api/queryTrans.do",
                        orderId="EXAMPLE0001", txnType="00")
    case.same((status, got["origRespCode"]), (200, "05"), "unionpay: query")
    status, got = union("/unionpay-files", txnType="76", settleDate="0102")
    case.same((status, "fileContent" in got), (200, True), "unionpay: file")

    def wxv2(path, text):
        status, _, body = stage.send(case.port, "/wxv2" + path, {
            "Content-Type": "text/xml"}, ("<xml>%s</xml>" % text).encode())
        return status, body.decode()

    number = "<out_trade_no>EXAMPLE_2</out_trade_no>"
    status, body = wxv2("/pay/unifiedorder", number + "<body>tea</body>"
                        "<total_fee>100</total_fee><trade_type>NATIVE"
                        "</trade_type><spbill_create_ip>127.0.0.1"
                        "</spbill_create_ip><notify_url>http://127.0.0.1:1/n"
                        "</notify_url>")
    case.same((status, "<code_url>" in body), (200, True),
              "wxv2: an order is made")
    status, body = wxv2("/pay/orderquery", number)
    case.same((status, "NOTPAY" in body), (200, True), "wxv2: query")
    status, body = wxv2("/secapi/pay/refund", number + "<total_fee>100"
                        "</total_fee><refund_fee>1</refund_fee>"
                        "<out_refund_no>R1</out_refund_no>")
    case.same((status, "<err_code>" in body), (200, True),
              "wxv2: nothing to refund")


def unified(case):
    """An order of each provider in one form, and its callback's channel."""
    head = {"Content-Type": "application/json"}
    for channel, method, action in (("wxpay", "qr", "qr_code"),
                                    ("alipay", "page", "redirect")):
        order = {"order_id": "EXAMPLE_" + channel, "amount": 100,
                 "currency": "CNY", "subject": "tea", "method": method,
                 "channel": channel}
        status, _, body = stage.send(case.port, "/pay/orders", head,
                                     json.dumps(order).encode())
        answer = json.loads(body)
        case.same((status, answer["code"],
                   answer["data"].get("action", {}).get("type")),
                  (200, "OK", action), channel + ": an order is made")
    order["amount"] = 1.5
    status, _, body = stage.send(case.port, "/pay/orders", head,
                                 json.dumps(order).encode())
    case.same((status, json.loads(body)["data"]), (400, {"field": "amount"}),
              "no fractions")


def routed(case):
    """An order without a channel, and what its payer's page is told."""
    merchant = merchants.Scene(case)

    def order(**values):
        _, body = merchant.sh("north-1", "north.k1", "POST", "/pay/orders",
                              json.dumps(values).encode(), check="no")
        return json.loads(body)

    values = {"order_id": "EXAMPLE-%d" % (case.orders + 1), "amount": 1234,
              "currency": "CNY", "subject": "tea", "method": "jsapi",
              "payer": {"id": "oUpF8uMuAJO"}}
    got = order(**values)
    case.same((got["code"], got["data"].get("channel")), ("OK", "wxpay"),
              "the only channel that has the method")
    case.same(order(**values)["data"].get("channel"), "wxpay",
              "the same again")
    case.send("wxpay", case.message("wxpay"))
    status, fields, body = stage.send(case.port, got["data"]["events"], {},
                                      b"", "GET")
    case.same((status, fields["Content-Type"],
               re.findall(r'"outcome":"(\w+)"', body.decode())),
              (200, "text/event-stream", ["success"]), "the page knows it")
    status, _, body = stage.send(case.port, got["data"]["events"][:-1], {},
                                 b"", "GET")
    case.same((status, json.loads(body)["code"]), (403, "CLIENT-BAD_TOKEN"),
              "but nobody without the token")
    values.update(order_id="EXAMPLE-CHEAP", method="qr")
    del values["payer"]
    case.same(order(**values)["data"].get("channel"), "wxpay",
              "Alipay takes no such number")
    values["order_id"] = "EXAMPLE_CHEAP"
    case.same(order(**values)["data"].get("channel"), "alipay",
              "the cheaper one")


def files(case):
    """An upload, a bill of a day without orders, and a hash that is none."""
    data = b"\xff\xd8 a picture"
    meta = json.dumps({"filename": "a.jpg", "sha256":
                       hashlib.sha256(data).hexdigest()}).encode()
    head = b'--b\r\nContent-Disposition: form-data; name='
    body = (head + b'"meta"\r\n\r\n' + meta + b"\r\n" + head
            + b'"file"; filename="a.jpg"\r\n\r\n' + data + b"\r\n--b--\r\n")
    path = "/wxpay/v3/merchant/media/upload"
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    status, _, text = stage.send(case.port, path, kind, body)
    case.same((status, list(json.loads(text))), (200, ["media_id"]),
              "an upload")
    status, _, text = stage.send(case.port, path, kind,
                                 body.replace(b"picture", b"PICTURE"))
    case.same((status, json.loads(text)["code"]),
              (400, "CLIENT-BAD_REQUEST"), "an upload of another file")
    status, _, text = stage.send(case.port, "/pay/bills/wxpay/2025-01-02",
                                 {}, b"", "GET")
    case.same((status, json.loads(text)["code"]),
              (404, "CLIENT-BILL_NOT_FOUND"), "a bill of a day without any")
    status, _, text = stage.send(
        case.port, "/wxpay/v3/billdownload/file?token=x",
        {"X-Expected-Hash": "sha1=79bb"}, b"", "GET")
    case.same((status, json.loads(text)["code"]),
              (400, "CLIENT-BAD_REQUEST"), "a hash that is none")


def sent(case, path, values, form=False):
    """(status, body) of a call with JSON, or with a form."""
    text = urllib.parse.urlencode(values) if form else json.dumps(values)
    status, _, body = stage.send(case.port, path, {
        "Content-Type": "application/x-www-form-urlencoded" if form
        else "application/json"}, text.encode())
    return status, body.decode()


def opened(case):
    """What the sandbox has read in the newest call."""
    server, = (p for p in case.programs if hasattr(p, "sandbox"))
    return server.sandbox.calls.plain()["calls"][-1].get("opened")


def encrypted(case):
    """What is in clear here, and at the sandbox, and not on the way."""
    status, body = sent(case, "/wxpay/v3/security/echo", {
        "echo_message": "x", "encrypted_echo_message": "a name"})
    case.same((status, json.loads(body)["encrypted_echo_message"]),
              (200, "a name"), "wxpay: opened")
    case.same(opened(case), {"/encrypted_echo_message": "a name"},
              "wxpay: encrypted")
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + 8 * 3600))
    order = {"orderId": "EXAMPLE0001", "txnTime": stamp, "txnType": "01",
             "txnSubType": "07", "txnAmt": "100", "currencyCode": "156",
             "accNo": "6226090000000048", "pin": "123456",
             "customerInfo": "{certifTp=01&phoneNo=181}"}
    status, body = sent(case, "/unionpay/gateway/api/backTransReq.do", order,
                        True)
    case.same((status, "respCode=00" in body), (200, True),
              "unionpay: an order is made")
    case.same(opened(case), {
        "accNo": "6226090000000048", "pin": "123456",
        "customerInfo": {"certifTp": "01", "phoneNo": "181"}},
        "unionpay: encrypted")
    status, body = sent(case, "/unionpay/gateway/api/queryTrans.do", {
        "orderId": "EXAMPLE0001", "txnTime": stamp, "txnType": "00"}, True)
    info = base64.b64encode(b"{certifTp=01&phoneNo=181}").decode()
    case.same((status, "accNo=6226090000000048" in body,
               "customerInfo=" + info in body), (200, True, True),
              "unionpay: opened")
    biz = json.dumps({"out_trade_no": "EXAMPLE_1", "total_amount": "1.00",
                      "subject": "tea", "buyer_id": "2088"})
    status, body = sent(case, "/alipay/gateway.do", {
        "method": "alipay.trade.create", "biz_content": biz}, True)
    case.same((status, '"out_trade_no":"EXAMPLE_1"' in body), (200, True),
              "alipay: opened")
    case.same(opened(case), {"biz_content": biz}, "alipay: encrypted")


def partner(case):
    """Orders for a sub-merchant, and a call for another application."""
    status, body = sent(case, "/pay/orders", {
        "order_id": "EXAMPLE_1", "amount": 100, "currency": "CNY",
        "subject": "tea", "method": "qr", "channel": "tea_house"})
    case.same((status, json.loads(body)["code"]), (200, "OK"),
              "tea_house: an order is made")
    store = next(p for p in case.programs if hasattr(p, "sandbox")) \
        .sandbox.store
    case.ok(store.get("wechat_v3", "EXAMPLE_1").partner,
            "tea_house: it is the sub-merchant's")
    ids = case.keys.rings[""].ids
    status, _, body = stage.send(
        case.port, "/wxpay/v3/pay/partner/transactions/out-trade-no/"
        "EXAMPLE_1?sp_mchid=%s&sub_mchid=%s" % (ids["mchid"],
                                                ids["sub_mchid"]),
        {}, b"", "GET")
    case.same((status, json.loads(body)["sub_mchid"]),
              (200, ids["sub_mchid"]), "tea_house: query")
    status, body = sent(case, "/alipay/gateway.do", {
        "method": "alipay.trade.query", "app_auth_token": "x",
        "biz_content": '{"out_trade_no":"NONE"}'}, True)
    case.same((status, "ACQ.TRADE_NOT_EXIST" in body), (200, True),
              "alipay: for another application")


def more(case):
    """An order of each, which is asked for again."""
    for channel, method, currency, action in (
            ("unionpay", "qr", "CNY", "qr_code"),
            ("unionpay_sm3", "page", "CNY", "form"),
            ("wxv2", "qr", "CNY", "qr_code"),
            ("stripe", "page", "EUR", "redirect")):
        number = "EXAMPLE" + channel.replace("_", "")
        status, body = sent(case, "/pay/orders", {
            "order_id": number, "amount": 100, "currency": currency,
            "subject": "tea", "method": method, "channel": channel,
            **({"return_url": "https://shop.example/"}
               if method == "page" else {})})
        answer = json.loads(body)
        case.same((status, answer["code"],
                   answer["data"].get("action", {}).get("type")),
                  (200, "OK", action), channel + ": an order is made")
        if action == "form":
            continue            # there is none before a browser has sent it
        status, _, body = stage.send(
            case.port, "/pay/orders/%s?channel=%s" % (number, channel), {},
            b"", "GET")
        case.same((status, json.loads(body)["data"].get("outcome")),
                  (200, "pending"), channel + ": it waits for its payer")
