"""What the demonstration and the test of the examples share.

nginx, redis-server and a small shop on free ports of loopback, below one
folder.  What was started is ended by its pid.
"""

import http.client
import http.server
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
BUILD = os.path.join(ROOT, os.environ.get("PAYGW_BUILD", "build"))
NGINX = (os.environ.get("TEST_NGINX_BINARY")
         or os.environ.get("NGINX_BINARY") or "/usr/sbin/nginx")


class Failure(Exception):
    """Something is not as it should be; the text is for people."""


def module():
    """The file of the module, as the runner of the suites names it."""
    for path in os.environ.get("TEST_NGINX_LOAD_MODULES", "").split():
        if os.path.basename(path) == "ngx_http_paygw_module.so":
            return path
    return os.path.join(BUILD, "ngx_http_paygw_module.so")


def free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port(more=0):
    """A port that the kernel gives to nobody who asks for any port.

    So is the one that is so much above it.
    """
    while True:
        port = random.randrange(20000, 32000) - more
        if free(port) and free(port + more):
            return port


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failure(what)
        time.sleep(0.02)


def listens(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


class Program:
    """A child process; what it prints goes into a file."""

    def __init__(self, name, argv, folder, env=None):
        self.name = name
        self.log = os.path.join(folder, name + ".out")
        with open(self.log, "wb") as out:
            # a session of its own: Ctrl-C is for us, who end it in order
            self.child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env={**os.environ, **(env or {})}, start_new_session=True)
        self.pid = self.child.pid

    def alive(self):
        return self.child.poll() is None

    def tail(self, count=10):
        with open(self.log, errors="replace") as file:
            return "".join(file.readlines()[-count:]).rstrip()

    def ready(self, port, seconds=10):
        wait_for(lambda: listens(port) or not self.alive(), seconds,
                 "%s does not listen on port %d\n%s" % (self.name, port,
                                                        self.tail()))
        if not self.alive():
            raise Failure("%s did not start\n%s" % (self.name, self.tail()))

    def stop(self, number=signal.SIGTERM, seconds=5):
        if not self.alive():
            return
        self.child.send_signal(number)
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def nginx(folder, text, port):
    """nginx with a configuration, below a folder of its own."""
    os.makedirs(os.path.join(folder, "temp"), exist_ok=True)
    conf = os.path.join(folder, "nginx.conf")
    with open(conf, "w") as file:
        file.write(text)
    env = {}
    if os.environ.get("TEST_NGINX_LD_PRELOAD"):
        env["LD_PRELOAD"] = os.environ["TEST_NGINX_LD_PRELOAD"]
    program = Program("nginx", [NGINX, "-p", folder + "/", "-c", conf,
                                "-e", os.path.join(folder, "start.log")],
                      folder, env)
    program.ready(port)
    return program


def redis(folder, port, password=None, cluster=False):
    argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1",
            "--dir", folder, "--save", "", "--daemonize", "no",
            "--appendonly", "yes", "--maxmemory-policy", "noeviction"]
    if password:
        argv += ["--requirepass", password]
    if cluster:
        # its nodes have another port, 10000 above: see free_port()
        argv += ["--cluster-enabled", "yes"]
    program = Program("redis-server", argv, folder)
    program.ready(port)
    if cluster:
        alone(port, password)
    return program


def alone(port, password):
    """Makes a server a cluster of one, and waits until it is one."""
    argv = ["redis-cli", "-p", str(port), "--no-auth-warning", "-a", password,
            "CLUSTER"]
    subprocess.run(argv + ["ADDSLOTS"] + [str(n) for n in range(16384)],
                   check=True, stdout=subprocess.DEVNULL)
    for _ in range(300):
        info = subprocess.run(argv + ["INFO"], check=True,
                              stdout=subprocess.PIPE).stdout
        if b"cluster_state:ok" in info:
            return
        time.sleep(0.05)
    raise RuntimeError("the cluster does not come up")


def send(port, target, headers, body, method="POST"):
    """One request; the status, the header fields and the body of its answer.

    Header fields go out in their order and as often as they are given.
    """
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    conn.putrequest(method, target)
    pairs = list(headers.items() if isinstance(headers, dict) else headers)
    for name, value in pairs:
        conn.putheader(name, value)
    if not any(name.lower() == "content-length" for name, _ in pairs):
        conn.putheader("Content-Length", str(len(body)))
    conn.endheaders(body)
    answer = conn.getresponse()
    data = answer.read()
    conn.close()
    return answer.status, answer.headers, data


class Delivery:
    """What the shop got: header fields in lower case, and the bytes."""

    def __init__(self, target, headers, body):
        self.target = target
        self.headers = headers
        self.body = body
        self.time = time.time()

    def event(self):
        return json.loads(self.body)

    def fields(self):
        """The header fields that paygw has made, without their prefix."""
        return {name[len("x-paygw-"):]: value
                for name, value in self.headers.items()
                if name.startswith("x-paygw-")}


class Shop:
    """A shop that notes what it gets and answers what it is told to."""

    def __init__(self):
        self.got = []
        self.status = 200
        self.text = b"thank you, says the shop\n"
        self.lock = threading.Lock()

    def take(self, target, headers, body):
        with self.lock:
            self.got.append(Delivery(target, headers, body))
        return self.status, self.text

    def page(self):
        """The deliveries, for a browser."""
        with self.lock:
            rows = [d.body.decode(errors="replace") for d in self.got]
        return "\n\n".join(rows) or "nothing was delivered yet"


class HttpShop(Shop):

    def __init__(self, port=0):
        super().__init__()
        shop = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status, text, kind="text/plain; charset=utf-8"):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_POST(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                headers = {n.lower(): v for n, v in self.headers.items()}
                self.answer(*shop.take(self.path, headers, body))

            def do_GET(self):
                self.answer(200, shop.page().encode() + b"\n")

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port),
                                                      Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class FastcgiShop(Shop):
    """The same shop behind FastCGI, one request a connection."""

    def __init__(self, path):
        super().__init__()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(16)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            with conn:
                self._request(conn)

    def _request(self, conn):
        file = conn.makefile("rb")
        data = {4: b"", 5: b""}
        ended = set()
        while ended != {4, 5}:
            _, kind, _, size, pad, _ = struct.unpack("!BBHHBB", file.read(8))
            content = file.read(size)
            file.read(pad)
            if kind in data:
                data[kind] += content
                if not size:
                    ended.add(kind)
        params = self._params(data[4])
        headers = {name[len("HTTP_"):].lower().replace("_", "-"): value
                   for name, value in params.items()
                   if name.startswith("HTTP_")}
        headers["content-type"] = params.get("CONTENT_TYPE", "")
        headers["content-length"] = params.get("CONTENT_LENGTH", "")
        status, text = self.take(params.get("SCRIPT_FILENAME"), headers,
                                 data[5])
        out = b"Status: %d\r\nContent-Type: text/plain\r\n\r\n" % status + text
        conn.sendall(struct.pack("!BBHHBB", 1, 6, 1, len(out), 0, 0) + out
                     + struct.pack("!BBHHBB", 1, 6, 1, 0, 0, 0)
                     + struct.pack("!BBHHBB", 1, 3, 1, 8, 0, 0) + bytes(8))

    @staticmethod
    def _params(data):
        result = {}
        at = 0
        while at < len(data):
            sizes = []
            for _ in range(2):
                size = data[at]
                at += 1
                if size & 0x80:
                    size = struct.unpack("!I", data[at - 1:at + 3])[0]
                    size &= 0x7fffffff
                    at += 3
                sizes.append(size)
            name = data[at:at + sizes[0]].decode()
            at += sizes[0]
            result[name] = data[at:at + sizes[1]].decode()
            at += sizes[1]
        return result

    def stop(self):
        self.socket.close()


def local(text, folder):
    """A configuration for a real machine, made to run in a folder here."""
    temp = "".join("    %s_temp_path %s/temp/%s;\n" % (name, folder, name)
                   for name in ("client_body", "proxy", "fastcgi", "uwsgi",
                                "scgi"))
    head = "daemon off;\n"
    if os.geteuid() == 0:
        head += "user root;\n"
    text = re.sub(r"(?m)^load_module .*paygw.*;$",
                  "load_module %s;" % module(), text)
    text = text.replace("/var/log/nginx/", folder + "/")
    text = text.replace("/var/lib/nginx/", folder + "/")
    text = text.replace("/run/nginx.pid", folder + "/nginx.pid")
    text = text.replace("worker_processes auto;", "worker_processes 1;")
    text = re.sub(r"(?m)^http \{\n", lambda m: m.group(0) + temp, text)
    return head + text
