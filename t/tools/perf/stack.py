"""What the measuring runs share: keys, processes, configurations, answers.

bench.py, soak.py and ../ledger/ledger.py start their own nginx, redis-server
and shop on loopback below one folder, and end what they started by its pid.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
BUILD = os.path.join(ROOT, os.environ.get("PAYGW_BUILD", "build"))
NGINX = os.environ.get("NGINX_BINARY", "/usr/sbin/nginx")
MODULE = os.environ.get("PAYGW_MODULE",
                        os.path.join(BUILD, "ngx_http_paygw_module.so"))
LOAD = os.environ.get("PAYGW_LOAD", os.path.join(BUILD, "paygw-load"))

APP_ID = "2021000000000001"
SELLER_ID = "2088101000000001"

GATEWAY = """
{load}
{user}
worker_processes {workers};
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log {level};
worker_rlimit_nofile 8192;
worker_shutdown_timeout 60s;
{main}

events {{
    worker_connections 4000;
}}

http {{
    access_log off;
    keepalive_requests 100000000;
    keepalive_timeout 300s;
    client_body_buffer_size 16k;
    client_body_temp_path {dir}/tmp;
    proxy_temp_path {dir}/tmp;
    fastcgi_temp_path {dir}/tmp;
    uwsgi_temp_path {dir}/tmp;
    scgi_temp_path {dir}/tmp;

    upstream shop {{
        server 127.0.0.1:{shop_port};
        keepalive 128;
        keepalive_requests 100000000;
        keepalive_timeout {shop_idle};
    }}

    # a closed connection blocks its pair of ports for a minute: the more
    # addresses, the more pairs
    upstream shop_once {{
{shop_once}
    }}

    proxy_http_version 1.1;
    proxy_set_header Connection "";
{http}

    server {{
        listen 127.0.0.1:{port} backlog=4096;
{server}
    }}
}}
"""

CHANNEL = """
    paygw_channel ali {{
        provider           alipay;
        app_id             {app_id};
        seller_id          {seller_id};
        alipay_public_key  {public_key};
{more}
    }}
"""

SHOP = """
{user}
worker_processes 1;
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log warn;

events {{
    worker_connections 4000;
}}

http {{
    access_log off;
    keepalive_requests 100000000;
    keepalive_timeout 300s;
    client_body_temp_path {dir}/tmp;
    proxy_temp_path {dir}/tmp;
    fastcgi_temp_path {dir}/tmp;
    uwsgi_temp_path {dir}/tmp;
    scgi_temp_path {dir}/tmp;

    server {{
        listen 127.0.0.1:{port} backlog=4096;

        location / {{
            return 200 "ok";
        }}
    }}
}}
"""


class Failure(Exception):
    """A run that shows something wrong; its text is for people."""


def say(text):
    print("==> " + text, flush=True)


def placed(cpu):
    """The words that put a program on a processor, if there is that many.

    All but the first run as batch: then a message to one of them does not
    interrupt what its processor is doing, which would cost the sender.
    """
    if cpu is None or cpu >= (os.cpu_count() or 1):
        return []
    return ["taskset", "-c", str(cpu)] + (["chrt", "-b", "0"] if cpu else [])


class Process:
    """A child that is known by its pid, in a folder of its own."""

    def __init__(self, argv, folder, cpu=None):
        self.folder = folder
        argv = placed(cpu) + argv
        with open(os.path.join(folder, "out.log"), "ab") as out:
            self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                          stdout=out, stderr=out)
        self.pid = self.child.pid

    def alive(self):
        return self.child.poll() is None

    def send(self, number):
        if self.alive():
            os.kill(self.pid, number)

    def stop(self, number=signal.SIGTERM, seconds=10):
        self.send(signal.SIGCONT)
        self.send(number)
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Nginx(Process):

    def stop(self, number=signal.SIGQUIT, seconds=10):
        super().stop(number, seconds)

    def reload(self):
        self.send(signal.SIGHUP)

    def workers(self):
        """The pids of the workers that are there now, zombies left out."""
        path = "/proc/%d/task/%d/children" % (self.pid, self.pid)
        try:
            with open(path) as file:
                pids = [int(pid) for pid in file.read().split()]
        except OSError:
            return []
        return [pid for pid in pids if field(pid, "State") not in ("", "Z")]

    def error_log(self):
        with open(os.path.join(self.folder, "error.log"),
                  errors="replace") as file:
            return file.read().splitlines()


class Stack:
    """The processes of one run, below one folder."""

    def __init__(self, folder):
        self.folder = folder
        self.started = []
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        self.key = os.path.join(folder, "alipay.pem")
        self.public_key = os.path.join(folder, "alipay_public.pem")
        run(["openssl", "genrsa", "-out", self.key, "2048"])
        run(["openssl", "pkey", "-in", self.key, "-pubout",
             "-out", self.public_key])

    def room(self, name):
        folder = os.path.join(self.folder, name)
        os.makedirs(os.path.join(folder, "tmp"), exist_ok=True)
        return folder

    def channel(self, more=""):
        return CHANNEL.format(app_id=APP_ID, seller_id=SELLER_ID, more=more,
                              public_key=self.public_key)

    def nginx(self, name, text, port, cpu=None, **values):
        folder = self.room(name)
        values.setdefault("user", "user root;" if os.geteuid() == 0 else "")
        path = os.path.join(folder, "nginx.conf")
        with open(path, "w") as file:
            file.write(text.format(dir=folder, port=port, **values))
        argv = [NGINX, "-p", folder + "/", "-c", path,
                "-e", os.path.join(folder, "error.log")]
        nginx = Nginx(argv, folder, cpu)
        self.started.append(nginx)
        wait_for(lambda: listens(port) or not nginx.alive(), 10,
                 name + " does not listen")
        if not nginx.alive():
            raise Failure("%s does not start:\n%s" % (
                name, "\n".join(nginx.error_log()[-10:])))
        return nginx

    def gateway(self, name, port, shop_port, cpu=None, module=True,
                workers=1, level="warn", shop_idle="60s", http="",
                server="", main=""):
        return self.nginx(
            name, GATEWAY, port, cpu, shop_port=shop_port, workers=workers,
            level=level, shop_idle=shop_idle, http=http, server=server,
            main=main,
            shop_once="\n".join(
                "        server 127.0.0.%d:%d;" % (n, shop_port)
                for n in range(1, 17)),
            load="load_module %s;" % MODULE if module else "")

    def shop(self, port, cpu=None):
        return self.nginx("shop", SHOP, port, cpu)

    def redis(self, port, cpu=None, options=()):
        folder = self.room("redis")
        argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1",
                "--dir", folder, "--save", "", "--daemonize", "no"]
        redis = Process(argv + list(options), folder, cpu)
        self.started.append(redis)
        wait_for(lambda: ping(port), 10, "redis-server does not answer")
        return redis

    def load(self, options, cpu=None):
        load = Load(options, cpu)
        self.started.append(load)
        return load

    def stop(self):
        for process in reversed(self.started):
            process.stop()
        self.started = []


def run(argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise Failure("%s failed:\n%s" % (argv[0], done.stdout.decode()))
    return done.stdout.decode()


def field(pid, name):
    """A line of /proc/PID/status; empty when the process is gone."""
    try:
        with open("/proc/%d/status" % pid) as file:
            for line in file:
                if line.startswith(name + ":"):
                    return line.split()[1]
    except OSError:
        pass
    return ""


def descriptors(pid):
    """What the open descriptors of a process are, sorted."""
    found = []
    folder = "/proc/%d/fd" % pid
    for name in os.listdir(folder):
        try:
            found.append(os.readlink(os.path.join(folder, name)))
        except OSError:
            pass
    return sorted(found)


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failure(what)
        time.sleep(0.02)


def listens(port):
    """A listening socket of this machine, without connecting to it."""
    with open("/proc/net/tcp") as file:
        for line in file:
            part = line.split()
            if part[3] == "0A" and int(part[1].split(":")[1], 16) == port:
                return True
    return False


def redis_cli(port, *words):
    return run(["redis-cli", "-p", str(port)] + list(words))


def ping(port):
    done = subprocess.run(["redis-cli", "-p", str(port), "ping"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
    return done.stdout.strip() == b"PONG"


def redis_commands(port):
    """Commands since the last reset by name, our own left out."""
    counts = {}
    for line in redis_cli(port, "info", "commandstats").splitlines():
        if line.startswith("cmdstat_"):
            name, value = line[len("cmdstat_"):].split(":", 1)
            if name.split("|")[0] not in ("info", "config"):
                counts[name] = int(value.split(",")[0].split("=")[1])
    return counts


def load_argv(options, cpu=None):
    argv = [LOAD]
    for name, value in options.items():
        if value is True:
            argv.append("--" + name)
        elif value not in (None, False):
            argv += ["--" + name, str(value)]
    return placed(cpu) + argv


def load(options, cpu=None):
    """Runs paygw-load; its JSON answer, which must be the expected one."""
    done = subprocess.run(load_argv(options, cpu), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE)
    return load_answer(done.returncode, done.stdout)


def load_answer(code, text):
    if code not in (0, 1):
        raise Failure("paygw-load could not run")
    answer = json.loads(text) if text.strip() else {}
    if code != 0:
        raise Failure("unexpected answers: %s" % json.dumps(
            answer.get("answers")))
    return answer


class Load:
    """paygw-load in the background; "finished" is how far it is."""

    def __init__(self, options, cpu=None):
        argv = load_argv(dict(options, progress=True), cpu)
        self.finished = 0
        self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.child.stderr:
            if line.strip().isdigit():
                self.finished = int(line)
            else:
                sys.stderr.buffer.write(line)

    def running(self):
        return self.child.poll() is None

    def answer(self, seconds):
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure("%d callbacks finished, the rest is never "
                          "acknowledged" % self.finished)
        self.reader.join()
        return load_answer(self.child.returncode, self.child.stdout.read())

    def stop(self, number=signal.SIGTERM):
        if self.running():
            self.child.kill()
            self.child.wait()


def main(function):
    """Runs a script's function: its folder of processes ends in any case."""
    def leave(number, frame):
        raise Failure("ended by signal %d" % number)
    signal.signal(signal.SIGTERM, leave)
    try:
        code = function()
    except Failure as failure:
        print("%s: %s" % (os.path.basename(sys.argv[0]), failure),
              file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
