#!/usr/bin/env python3
"""Puts the system SDK next to the Unix tools that tell the same of a host, whole process by whole process.

    cargo build --release
    tests/compare/system.py --bin "target/release/rex-broker --jail"

Each round runs every script and every tool once, one after the other, so that a busy moment of the machine meets all
alike. The time of an empty script is subtracted from a script, that of `true` from a tool. Besides what runs anyway there
are `--processes` that wait, `--sockets` that listen, a server on loopback that answers 16 bytes, and one of TLS that answers
64 MiB, with a certificate of an authority that both sides are told to believe, for as long as this runs. Below the table stands the same without anything subtracted. `--rounds` says
how often, `--json` prints everything. With `--memory` every script is run once more, and its peak memory is told, of all processes together and of the broker alone. The audit log is on. Needs root, Python 3, openssl and the tools themselves.
"""

import argparse
import http.server
import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

import bulk
import compare
from bulk import Work
from compare import Runner, run


BODY_BYTES = 64 << 20


def works(port, secure_port, store, processes, sockets):
    secure = f"https://localhost:{secure_port}/"
    return [
        Work("empty", "", ""),
        Work("ps", f"ps, {processes:,} processes", "ps().len()", ["ps", "-e", "-o", "pid,user,rss,stat,args"]),
        Work("netstat", f"netstat, {sockets:,} sockets", "netstat().len()", ["ss", "-a"]),
        Work("df", "df", "df().len()", ["df"]),
        Work("free", "free", "free().total_kb", ["free"]),
        Work("hostname", "hostname", "hostname()", ["hostname"]),
        Work("get", "GET of 16 bytes over loopback", f'curl("http://127.0.0.1:{port}/").text.len()',
             ["curl", "-s", f"http://127.0.0.1:{port}/"]),
        Work("tls", "64 MiB over TLS", f'curl("{secure}").text.len()', ["curl", "-s", "--cacert", store, secure]),
    ]


def openssl(place, words):
    subprocess.run(["openssl", *words.split()], cwd=place, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def certify(place):
    """An authority and a certificate of it for `localhost`; gives the files of the authority, the certificate and its key."""
    with open(os.path.join(place, "extensions"), "w", encoding="ascii") as file:
        file.write("subjectAltName=DNS:localhost\n")
    key = "ecparam -name prime256v1 -genkey -noout -out"
    openssl(place, f"{key} ca.key")
    openssl(place, "req -x509 -new -key ca.key -subj /CN=authority -days 2 -out ca.pem")
    openssl(place, f"{key} leaf.key")
    openssl(place, "req -new -key leaf.key -subj /CN=server -out leaf.csr")
    openssl(place, "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out leaf.pem")
    os.chmod(os.path.join(place, "ca.pem"), 0o600)
    return [os.path.join(place, name) for name in ("ca.pem", "leaf.pem", "leaf.key")]


def serve_over_tls(listening, chain, key):
    """Answers every connection with a body that is the same each time, in a process of its own."""
    pid = os.fork()
    if pid:
        return pid
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(chain, key)
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % BODY_BYTES + b"0123456789abcdef" * (BODY_BYTES // 16)
    while True:
        plain, _ = listening.accept()
        try:
            with made.wrap_socket(plain, server_side=True) as secure:
                secure.recv(65536)
                secure.sendall(answer)
                secure.unwrap()
        except OSError:
            pass


class Sixteen(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "16")
        self.end_headers()
        self.wfile.write(b"0123456789abcdef")

    def log_message(self, *_):
        pass


def wait():
    pid = os.fork()
    if pid == 0:
        signal.pause()
    return pid


def listen():
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    return listening


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="the command line of the runner")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=1000)
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--only", default="", help="keys, separated by commas")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--processor", action="store_true", help="count processor time of all processes, and not time on the wall")
    arguments = parser.parse_args()
    compare.COUNT_PROCESSOR_TIME = arguments.processor
    resource.setrlimit(resource.RLIMIT_NOFILE, (arguments.sockets + 1000, arguments.sockets + 1000))
    place = os.path.realpath(tempfile.mkdtemp(prefix="rex-system-"))
    with open(os.path.join(place, "policy.cedar"), "w", encoding="ascii") as file:
        file.write("permit(principal, action, resource);\n")
    store, chain, key = certify(place)
    secure = listen()
    waiting = [wait() for _ in range(arguments.processes)]
    waiting.append(serve_over_tls(secure, chain, key))
    try:
        listening = [listen() for _ in range(arguments.sockets)]
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sixteen)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        runner = Runner(arguments.bin, 0)
        wanted = {key for key in arguments.only.split(",") if key}
        jobs = works(server.server_port, secure.getsockname()[1], store, arguments.processes, len(listening))
        jobs = [job for job in jobs if not wanted or job.key in wanted or job.key == "empty"]
        for job in jobs:
            with open(os.path.join(place, f"{job.key}.rhai"), "w", encoding="utf-8") as file:
                file.write(job.script)
        command = lambda key: [*runner.command(place, key), *(["--ca-file", store] if key == "tls" else [])]
        times = {job.key: ([], []) for job in jobs}
        for _ in range(arguments.rounds):
            for job in jobs:
                tool = job.tool or ["true"]
                tool = [shutil.which(tool[0]) or sys.exit(f"{tool[0]} is missing"), *tool[1:]]
                times[job.key][0].append(run(command(job.key), place)[0])
                times[job.key][1].append(run(tool, place)[0])
        bulk.report(jobs, times, arguments.json, [runner])
        if not arguments.json:
            print("  whole processes, with their start")
            for job in jobs:
                script, tool = (min(spent) for spent in times[job.key])
                print(f"  {job.title or 'empty script, and true':44}{script / 1e6:9.1f} ms{tool / 1e6:9.1f} ms{script / tool:8.2f} x")
        if arguments.memory:
            for job in jobs:
                _, peaks = run(command(job.key), place, memory=True)
                # The first that is looked at is the one that was started.
                broker = next(iter(peaks.values()))
                print(f"  {job.key:40}{sum(peaks.values()) / 1024:9.1f} MiB at most, of {len(peaks)} processes; the broker {broker / 1024:.1f} MiB")
    finally:
        for pid in waiting:
            os.kill(pid, signal.SIGKILL)
        for pid in waiting:
            os.waitpid(pid, 0)
        shutil.rmtree(place)


if __name__ == "__main__":
    sys.exit(main())
