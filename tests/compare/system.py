#!/usr/bin/env python3
"""Puts the system SDK next to the Unix tools that tell the same of a host, whole process by whole process.

    cargo build --release
    tests/compare/system.py --bin "target/release/rex-broker --jail"

Each round runs every script and every tool once, one after the other, so that a busy moment of the machine meets all
alike. The time of an empty script is subtracted from a script, that of `true` from a tool. Besides what runs anyway there
are `--processes` that wait, `--sockets` that listen, and a server on loopback that answers 16 bytes, for as long as this
runs. `--rounds` says how often, `--json` prints everything. With `--memory` every script is run once more, and its peak
memory is told, broker and jail together. The audit log is on. Needs root, Python 3 and the tools themselves.
"""

import argparse
import http.server
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import threading

import bulk
import compare
from bulk import Work
from compare import Runner, run


def works(port, processes, sockets):
    return [
        Work("empty", "", ""),
        Work("ps", f"ps, {processes:,} processes", "ps().len()", ["ps", "-e", "-o", "pid,user,rss,stat,args"]),
        Work("netstat", f"netstat, {sockets:,} sockets", "netstat().len()", ["ss", "-a"]),
        Work("df", "df", "df().len()", ["df"]),
        Work("free", "free", "free().total_kb", ["free"]),
        Work("hostname", "hostname", "hostname()", ["hostname"]),
        Work("get", "GET of 16 bytes over loopback", f'curl("http://127.0.0.1:{port}/").text.len()',
             ["curl", "-s", f"http://127.0.0.1:{port}/"]),
    ]


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
    waiting = [wait() for _ in range(arguments.processes)]
    try:
        listening = [listen() for _ in range(arguments.sockets)]
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sixteen)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        runner = Runner(arguments.bin, 0)
        wanted = {key for key in arguments.only.split(",") if key}
        jobs = works(server.server_port, arguments.processes, len(listening))
        jobs = [job for job in jobs if not wanted or job.key in wanted or job.key == "empty"]
        for job in jobs:
            with open(os.path.join(place, f"{job.key}.rhai"), "w", encoding="utf-8") as file:
                file.write(job.script)
        times = {job.key: ([], []) for job in jobs}
        for _ in range(arguments.rounds):
            for job in jobs:
                tool = job.tool or ["true"]
                tool = [shutil.which(tool[0]) or sys.exit(f"{tool[0]} is missing"), *tool[1:]]
                times[job.key][0].append(run(runner.command(place, job.key), place)[0])
                times[job.key][1].append(run(tool, place)[0])
        bulk.report(jobs, times, arguments.json, runner)
        if arguments.memory:
            for job in jobs:
                _, peaks = run(runner.command(place, job.key), place, memory=True)
                print(f"  {job.key:40}{sum(peaks.values()) / 1024:9.1f} MiB at most, of {len(peaks)} processes")
    finally:
        for pid in waiting:
            os.kill(pid, signal.SIGKILL)
        for pid in waiting:
            os.waitpid(pid, 0)
        shutil.rmtree(place)


if __name__ == "__main__":
    sys.exit(main())
