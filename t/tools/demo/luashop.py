"""The scene of lua.conf: the shop is Lua in nginx itself."""

import base64
import os
import subprocess
import tempfile
import time

import stage

MODULES = "/usr/lib/nginx/modules/"
NAMES = ("ndk_http_module.so", "ngx_http_lua_module.so")


def missing():
    """What of Lua in nginx this machine has not."""
    return [name for name in NAMES if not os.path.exists(MODULES + name)]


def local(text):
    """Modules where Debian has them, and resty.paygw of this tree."""
    for name in NAMES:
        text = text.replace("load_module modules/" + name,
                            "load_module " + MODULES + name)
    return text.replace("/usr/local/share/lua/5.1/?.lua", os.path.join(
        stage.ROOT, "lua-compat", "lib", "?.lua"))


def get(case, target):
    status, _, body = stage.send(case.port, target, {}, b"", method="GET")
    return status, body.decode().strip()


def verified(key, text, sig):
    """The signature, checked by the openssl command."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("text", text), ("sig", sig)):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
        return subprocess.run(
            ["openssl", "dgst", "-sha256", "-prverify", key, "-signature",
             os.path.join(folder, "sig"), os.path.join(folder, "text")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            check=False).returncode == 0


def logged(case, text):
    """Lua writes its line when the answer has gone out."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        with open(os.path.join(case.folder, "error.log")) as file:
            if text in file.read():
                return True
        time.sleep(0.05)
    return False


def scene(case):
    for _, channel in case.channels():
        message = case.message(channel)
        order = message[0].order_id
        for what in ("is acknowledged", "is acknowledged again"):
            case.same(case.again(channel, message), case.ack(channel),
                      channel + " " + what)
            case.same(get(case, "/paid?order=" + order), (200, "1234"),
                      channel + ": paid once")
        case.same(case.send(channel, case.message(channel,
                                                  forged="body"))[0],
                  401, channel + ": a forged one is refused")

    status, line = get(case, "/sign?app=wx1&prepay=prepay_id=1")
    stamp, nonce, sig = line.split()
    text = "wx1\n%s\n%s\nprepay_id=1\n" % (stamp, nonce)
    key = os.path.join(case.keys.dir, "wechat", "apiclient_key.pem")
    case.ok(status == 200
            and verified(key, text.encode(), base64.b64decode(sig))
            and not verified(key, text.encode() + b" ",
                             base64.b64decode(sig)),
            "signed with our key, says openssl")
    case.ok(logged(case, "callback of wechat_v3: refused, signature"),
            "Lua has logged what was refused")
