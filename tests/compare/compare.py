#!/usr/bin/env python3
"""Runs the same scripts under one or more runners, process by process, and puts what they cost next to what the bare
system calls cost in the same run.

    cargo build --release && cargo build --release -p rex-tests --example raw_calls
    tests/compare/compare.py --bin "target/release/rex-broker --jail"
    tests/compare/compare.py --bin "target/release/rex-broker --jail" --bin "/opt/rex/rex-runner"

Each `--bin` is a command line. Words {script}, {policy} and {log} in it are replaced; without {script},
`-s SCRIPT -p POLICY -o json` is appended. A program called rex-broker gets an audit log, unless its command line names
one. Needs nothing but Python 3.
"""

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

CALLS = 2_000
LARGE_BYTES = 64 << 20
ENTRIES = 1_000
GREPS = 500
LISTINGS = 200
WALKED = 20_000
# Set by --processor.
COUNT_PROCESSOR_TIME = False
HERE = os.path.dirname(os.path.abspath(__file__))
RAW = os.path.join(HERE, "..", "..", "target", "release", "examples", "raw_calls")


def loop(times, body):
    return f"for i in 0..{times} {{ {body} }}\n"


class Workload:
    """A script, how often it does what is measured, and which bare cost it stands next to."""

    def __init__(self, key, title, script, times=1, less=None, raw=None):
        self.key, self.title, self.script, self.times, self.less, self.raw = key, title, script, times, less, raw


def workloads(place):
    """What `less` names is run as well and subtracted, so that starting and looping are not counted with the calls."""
    small, closed, large = (os.path.join(place, name) for name in ("small", "closed", "large"))
    lines, listed, tree, many = (os.path.join(place, name) for name in ("lines", "listed", "tree", "many"))
    opened = f'DirConfig().path("{tree}").build().open(OpenDirOptions().build())'
    sized = "FindOptions().size_range(SizeRange::min_only(5, SizeUnit::BYTES)).build()"
    quiet = loop(CALLS, "let x = i;")
    caught = f'try {{ cat("{closed}"); }} catch (e) {{ }}'
    return [
        Workload("empty", "empty script, start to exit", ""),
        Workload("loop", "", quiet),
        Workload("cat", f"`cat` of 16 bytes, one of {CALLS:,}", loop(CALLS, f'cat("{small}");'), CALLS, "loop", "small_ns"),
        Workload("now", f"round trip (`now()`), one of {CALLS:,}", loop(CALLS, "now();"), CALLS, "loop", "exchange_ns"),
        Workload("denied", f"denied `cat`, caught, one of {CALLS:,}", loop(CALLS, caught), CALLS, "loop", "small_ns"),
        Workload("ls", f"listing {ENTRIES:,} entries", loop(LISTINGS, f'ls("{listed}");'), LISTINGS, "empty", "listing_ns"),
        Workload("du", f"`du` of {WALKED:,} files", f'du([du::summarize], "{tree}").entries.len()', 1, "empty", "walk_ns"),
        Workload("find", f"`find` with a size, {WALKED:,} files", f"let n = 0; {opened}.find({sized}, |e| n += 1); n", 1, "empty", "walk_ns"),
        Workload("ls_many", f"`ls` of {WALKED:,} files", f'ls([ls::all], "{many}").len()', 1, "empty", "many_ns"),
        Workload("large", "reading 64 MiB", f'cat("{large}").len()', 1, "empty", "large_ns"),
        Workload("grep", "`grep`, 500 of 1,000 lines", loop(GREPS, f'grep("even", "{lines}");'), GREPS, "empty"),
        Workload("compute", "1,000,000 turns of a sum", "let x = 0; for i in 0..1000000 { x += i % 7; } x", 1, "empty"),
    ]


def furnish(place):
    def write(name, content):
        with open(os.path.join(place, name), "w", encoding="ascii") as file:
            file.write(content)

    write("small", "sixteen bytes.\n\n")
    write("closed", "sixteen bytes.\n\n")
    write("lines", "".join(f"{n} {'odd' if n % 2 else 'even'} line of a file\n" for n in range(1_000)))
    block = ("x" * 63 + "\n") * 1024
    write("large", block * (LARGE_BYTES // len(block)))
    os.mkdir(os.path.join(place, "listed"))
    for number in range(ENTRIES):
        write(os.path.join("listed", f"entry{number:04}"), "")
    os.mkdir(os.path.join(place, "many"))
    for number in range(WALKED):
        write(os.path.join("many", f"entry{number:06}"), "")
    for number in range(WALKED):
        folder = os.path.join("tree", f"{number // 1_000}", f"{number // 100}")
        os.makedirs(os.path.join(place, folder), exist_ok=True)
        write(os.path.join(folder, f"file{number:06}"), str(number))
    write(
        "policy.cedar",
        f"""permit(
    principal,
    action in [file_system::Action::"open", file_system::Action::"read", file_system::Action::"stat"],
    resource in file_system::Dir::"{place}"
);
forbid(
    principal,
    action in [file_system::Action::"open", file_system::Action::"read"],
    resource == file_system::File::"{place}/closed"
);
""",
    )


class Runner:
    def __init__(self, command, number):
        self.words = shlex.split(command)
        if not self.words:
            raise SystemExit("--bin: the command line is empty")
        self.words[0] = shutil.which(self.words[0]) or self.words[0]
        self.name = f"{chr(ord('A') + number)}: {os.path.basename(self.words[0])}"
        if not any("{script}" in word for word in self.words):
            self.words += ["-s", "{script}", "-p", "{policy}", "-o", "json"]
            recorded = any(word.startswith("--audit-log") for word in self.words)
            if os.path.basename(self.words[0]) == "rex-broker" and not recorded:
                self.words += ["--audit-log", "{log}"]

    def command(self, place, key):
        files = {"{script}": f"{key}.rhai", "{policy}": "policy.cedar", "{log}": f"audit.{self.name[0]}.jsonl"}
        words = self.words
        for mark, name in files.items():
            words = [word.replace(mark, os.path.join(place, name)) for word in words]
        return words


def run(words, place, memory=False):
    """Nanoseconds from start to exit, or of processor time, and, if asked for, the peak memory of the process and of those
    below it."""
    output = os.path.join(place, "output")
    actions = [(os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
    begun = time.perf_counter_ns()
    pid = os.posix_spawn(words[0], words, os.environ, file_actions=actions)
    peaks = {}
    done = threading.Event()
    sampler = threading.Thread(target=sample, args=(pid, peaks, done))
    if memory:
        sampler.start()
    _, status, usage = os.wait4(pid, 0)
    elapsed = time.perf_counter_ns() - begun
    if COUNT_PROCESSOR_TIME:
        # getrusage(2): that of the process, and of those below it that it has waited for.
        elapsed = round((usage.ru_utime + usage.ru_stime) * 1e9)
    done.set()
    if memory:
        sampler.join()
    if status != 0:
        with open(output, encoding="utf-8", errors="replace") as file:
            raise SystemExit(f"{shlex.join(words)}\nended with status {status}: {file.read(800)}")
    return elapsed, peaks


def sample(pid, peaks, done):
    """Keeps the largest VmHWM of each process. Processes that end between two looks keep what was seen last."""
    while not done.is_set():
        for each in below(pid):
            try:
                with open(f"/proc/{each}/status", encoding="ascii", errors="replace") as file:
                    lines = [line for line in file if line.startswith("VmHWM:")]
            except OSError:
                continue
            for line in lines:
                peaks[each] = max(peaks.get(each, 0), int(line.split()[1]))
        done.wait(0.001)


def below(pid):
    found, at = [pid], 0
    while at < len(found):
        try:
            with open(f"/proc/{found[at]}/task/{found[at]}/children", encoding="ascii") as file:
                found += [int(word) for word in file.read().split()]
        except OSError:
            pass
        at += 1
    return found


def raw_costs(program, place):
    names = [os.path.join(place, name) for name in ("small", "large", "listed", "many", "tree")]
    return json.loads(subprocess.run([program, *names], check=True, capture_output=True, text=True).stdout)


def measure(runners, jobs, place, rounds, raw):
    """One round after the other, each with every runner, so that a busy moment of the machine meets all alike."""
    times = {runner.name: {job.key: [] for job in jobs} for runner in runners}
    floors = []
    for _ in range(rounds):
        floors.append(raw_costs(raw, place))
        for job in jobs:
            for runner in runners:
                times[runner.name][job.key].append(run(runner.command(place, job.key), place)[0])
    nothing = [run([shutil.which("true")], place)[0] for _ in range(rounds)]
    floor = {key: least(floors, key) for key in floors[0]}
    floor["start_ns"] = {"best": min(nothing), "median": statistics.median(nothing)}
    return times, floor


def least(floors, key):
    values = [floor[key] for floor in floors]
    return {"best": min(values), "median": statistics.median(values)}


def peaks_of(runner, place, key):
    """Peak memory in KiB: of the process that was started, and of all others together."""
    best = None
    for _ in range(5):
        _, peaks = run(runner.command(place, key), place, memory=True)
        first, others = peaks[min(peaks)], sum(peaks.values()) - peaks[min(peaks)]
        if best is None or first + others > sum(best):
            best = (first, others)
    return best


def report(runners, jobs, times, floor, place):
    by_key = {job.key: job for job in jobs}
    result = {"floor": floor, "runners": {}}
    for runner in runners:
        rows = {}
        for job in jobs:
            if not job.title:
                continue
            cost = {}
            for word, choose in (("best", min), ("median", statistics.median)):
                spent = choose(times[runner.name][job.key])
                spent -= choose(times[runner.name][by_key[job.less].key]) if job.less else 0
                cost[word] = spent / job.times
            cost["raw"] = job.raw or ("start_ns" if job.key == "empty" else None)
            for word in ("best", "median"):
                cost[f"{word}_to_raw"] = cost[word] / floor[cost["raw"]][word] if cost["raw"] else None
                cost[f"{word}_to_small"] = cost[word] / floor["small_ns"][word]
            rows[job.key] = cost
        memory = {key: peaks_of(runner, place, key) for key in ("loop", "cat", "large")}
        result["runners"][runner.name] = {"command": shlex.join(runner.words), "costs": rows, "memory_kib": memory}
    return result


def show(result, jobs):
    floor = result["floor"]
    print("Bare system calls (best, median of the rounds):")
    for key, title in (
        ("small_ns", "open, fstat, read, close of 16 bytes"),
        ("exchange_ns", "one datagram there and back, two threads"),
        ("listing_ns", f"reading {ENTRIES:,} entries"),
        ("many_ns", f"reading {WALKED:,} entries"),
        ("walk_ns", f"reading a tree of {WALKED:,} files, with fstatat"),
        ("large_ns", "reading 64 MiB, warm"),
        ("start_ns", "start to exit of `true`"),
    ):
        print(f"  {title:44}{microseconds(floor[key]['best'])}{microseconds(floor[key]['median'])}")
    base = next(iter(result["runners"].values()))["costs"]
    for name, runner in result["runners"].items():
        print(f"\n{name}   {runner['command']}")
        print(f"  {'':44}{'best':>13}{'median':>13}{'to its own':>12}{'to open+':>11}{'to the':>9}")
        print(f"  {'':44}{'':>13}{'':>13}{'bare calls':>12}{'..+close':>11}{'first':>9}")
        for job in jobs:
            if job.title:
                cost = runner["costs"][job.key]
                if min(cost["best"], cost["median"], base[job.key]["best"]) <= 0:
                    # The start varied by more than the work took.
                    print(f"  {job.title:44}{'lost in the noise':>26}")
                    continue
                own = f"{cost['best_to_raw']:.1f} x" if cost["raw"] else "-"
                first = f"{cost['best'] / base[job.key]['best']:.2f} x"
                print(
                    f"  {job.title:44}{microseconds(cost['best'])}{microseconds(cost['median'])}{own:>12}"
                    f"{cost['best_to_small']:>9,.1f} x{first:>9}"
                )
        for key, title in (("loop", "a script that asks nothing"), ("cat", "the loop of `cat`"), ("large", "reading 64 MiB")):
            first, others = runner["memory_kib"][key]
            print(f"  {'peak memory, ' + title:44}{(first + others) / 1024:9.1f} MiB = {first / 1024:.1f} + {others / 1024:.1f}")


def microseconds(nanoseconds):
    return f"{nanoseconds / 1000:10,.1f} us"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", action="append", required=True, help="a runner's command line; may be given several times")
    parser.add_argument("--rounds", type=int, default=15, help="how often everything is run (15)")
    parser.add_argument("--raw", default=RAW, help="the example `raw_calls`, compiled")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--processor", action="store_true", help="count processor time of all processes, and not time on the wall")
    options = parser.parse_args()
    global COUNT_PROCESSOR_TIME
    COUNT_PROCESSOR_TIME = options.processor
    if not os.access(options.raw, os.X_OK):
        raise SystemExit("build the floor first: cargo build --release -p rex-tests --example raw_calls")
    runners = [Runner(command, number) for number, command in enumerate(options.bin)]
    with tempfile.TemporaryDirectory(prefix="rex-compare-") as place:
        place = os.path.realpath(place)
        furnish(place)
        jobs = workloads(place)
        for job in jobs:
            with open(os.path.join(place, f"{job.key}.rhai"), "w", encoding="ascii") as file:
                file.write(job.script)
        times, floor = measure(runners, jobs, place, max(options.rounds, 1), options.raw)
        result = report(runners, jobs, times, floor, place)
    if options.json:
        json.dump(result, sys.stdout, indent=2)
        print()
    else:
        show(result, jobs)


if __name__ == "__main__":
    main()
