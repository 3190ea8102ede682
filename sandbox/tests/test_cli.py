"""The command line, in processes of its own."""

import http.client
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

from sandbox import __main__ as cli
from sandbox import faults
from sandbox.keys import Keys

from .support import ROOT, Shop, keys


def run(*args, **more):
    return subprocess.run([sys.executable, "-m", "sandbox", *args],
                          cwd=ROOT, capture_output=True, timeout=30, **more)


class Send(unittest.TestCase):

    def setUp(self):
        self.shop = Shop()
        self.addCleanup(self.shop.close)

    def send(self, *args, provider="alipay", want=0):
        done = run("send", "--dir", keys().dir, "--provider", provider,
                   "--url", self.shop.url, *args)
        self.assertEqual(done.returncode, want, done.stderr)
        return done.stdout.decode().splitlines()

    def test_one_line_of_status_and_body(self):
        self.assertEqual(self.send(), ["200 success"])
        self.assertEqual(self.send(provider="wechat_v3"), ["204 "])
        self.assertEqual(self.send("--event", "refund", "--reordered"),
                         ["200 success"] * 2)

    def test_expect(self):
        self.send("--forged", "--expect", "refused")
        self.send("--forged", "--expect", "accepted", want=1)
        self.send("--forged=signature", "--expect", "refused")

    def test_count_and_replay(self):
        self.assertEqual(len(self.send("--count", "3")), 3)
        self.send("--replay", provider="wechat_v3")
        self.assertEqual(self.shop.seen[3], self.shop.seen[4])

    def test_dump_and_raw(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "dump")
            self.send("--dump", path, "--now", "1730000000",
                      provider="wechat_v3")
            self.assertEqual(self.shop.seen, [])
            with open(path, "rb") as file:
                data = file.read()
            self.assertIn(b"Wechatpay-Timestamp: 1730000000\r\n", data)
            self.assertEqual(self.send("--raw", path, provider="wechat_v3"),
                             ["401 timestamp"])
            self.send("--dump", path)
            self.assertEqual(self.send("--raw", path), ["200 success"])

    def test_a_clock_of_its_own(self):
        self.assertEqual(self.send("--now", "1730000000",
                                   provider="wechat_v3"), ["401 timestamp"])

    def test_mistakes(self):
        self.send("--bad-tag", want=2)
        self.send("--forged=x", want=2)
        self.send("--event", "refund", "--refund-amount", "1000", want=2)

    def test_each_misbehaviour_is_an_option(self):
        text = cli.parser()
        for fault in faults.TABLE.values():
            word = fault.const or (fault.words or ("subject=x",))[0]
            option = "--" + fault.name.replace("_", "-")
            more = [] if fault.kind == "flag" else [str(word)]
            options = text.parse_args(["send", "--provider",
                                       fault.providers[0], "--url", "http:",
                                       option, *more])
            given = cli.given_faults(options)
            faults.read(fault.providers[0], given)
            self.assertIn(fault.name, given)


class Serve(unittest.TestCase):

    def test_start_ready_stop(self):
        with tempfile.TemporaryDirectory() as folder:
            ready = os.path.join(folder, "ready")
            conf = os.path.join(folder, "paygw.conf")
            process = subprocess.Popen(
                [sys.executable, "-m", "sandbox", "serve", "--dir",
                 os.path.join(folder, "keys"), "--port", "0", "--ready-file",
                 ready, "--write-conf", conf, "--cert-mode", "--partner"],
                cwd=ROOT, stdout=subprocess.PIPE)
            try:
                end = time.monotonic() + 60
                while not os.path.exists(ready):
                    self.assertLess(time.monotonic(), end)
                    time.sleep(0.02)
                with open(ready, encoding="ascii") as file:
                    url = file.read().strip()
                self.assertIn(url, process.stdout.readline().decode())
                with urllib.request.urlopen(url + "/sandbox/keys") as got:
                    self.assertEqual(got.status, 200)
                # a connection that is left open does not hold up the end
                idle = http.client.HTTPConnection(url[7:])
                idle.connect()
                start = time.monotonic()
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(10), 0)
                self.assertLess(time.monotonic() - start, 3)
                idle.close()
                self.assertFalse(os.path.exists(ready))
                self.check_conf(conf)
                self.check_files(os.path.join(folder, "keys"))
            finally:
                process.stdout.close()
                process.kill()
                process.wait()

    def check_conf(self, conf):
        with open(conf, encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(re.findall(r"^paygw_channel (\S+) {$", text, re.M),
                         ["wxpay", "wxv2", "alipay", "unionpay", "stripe"])
        for word in ("sub_mchid", "alipay_root_cert", "alipay_cert",
                     "apiv3_key", "platform_public_key", "api_key",
                     "sign_type", "root_cert", "middle_cert", "merId",
                     "webhook_secret"):
            self.assertRegex(text, r"(?m)^    %s  +\S.*;$" % word)
        for path in re.findall(r"(/\S+);", text):
            self.assertTrue(os.path.exists(path), path)

    def check_files(self, folder):
        secret = 0
        for where, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(where, name)
                with open(path, "rb") as file:
                    private = b"PRIVATE KEY" in file.read()
                if private or name == "apiv3.key" or "stripe" in where:
                    secret += 1
                    self.assertEqual(stat.S_IMODE(os.stat(path).st_mode),
                                     0o600, path)
        self.assertEqual(secret, 20)

    def test_keys_are_used_again(self):
        with tempfile.TemporaryDirectory() as folder:
            first, second = Keys(folder), Keys(folder)
            self.assertEqual(first.ids, second.ids)
            self.assertEqual(first.api_v3_key, second.api_v3_key)
            self.assertEqual(len(first.api_v3_key), 32)

    def test_a_port_in_use(self):
        shop = Shop()
        self.addCleanup(shop.close)
        port = shop.url.split(":")[2].split("/")[0]
        done = run("serve", "--dir", keys().dir, "--port", port)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"sandbox: ", done.stderr)

    def test_without_a_word_it_serves(self):
        done = run("--speed", "0", "--dir", keys().dir)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"--speed", done.stderr)
