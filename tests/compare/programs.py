#!/usr/bin/env python3
"""Puts `execute` next to posix_spawn(3) and waitpid(2) of the same program, and its output next to cat(1) behind a pipe.

    cargo build --release
    tests/compare/programs.py --bin "target/release/rex-broker --jail"

Each round takes both sides in turn, so that a busy moment of the machine meets all alike; a call is timed by who makes it. The
smallest figures count most where a machine is busy: a call needs four processes one after another, each of which may have to
wait for a processor. `--rounds` and `--calls` say how often, `--json` prints everything. The audit log is on. Needs root for
confined programs, Python 3 and a C compiler with a static C library.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import tempfile
import time

NOTHING = "int main(void) { return 0; }\n"
SPAWN = r"""
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

int main(int count, char **words) {
    char *arguments[] = {words[1], NULL}, *environment[] = {NULL};
    if (count != 3) return 64;
    for (int call = 0; call < atoi(words[2]); call++) {
        struct timespec begun, ended;
        pid_t pid;
        int status;
        clock_gettime(CLOCK_MONOTONIC, &begun);
        if (posix_spawn(&pid, words[1], NULL, NULL, arguments, environment) || waitpid(pid, &status, 0) != pid || status) return 1;
        clock_gettime(CLOCK_MONOTONIC, &ended);
        printf("%.1f\n", (ended.tv_sec - begun.tv_sec) * 1e6 + (ended.tv_nsec - begun.tv_nsec) / 1e3);
    }
}
"""
OUTPUT_BYTES = 64 << 20
HOW = ["confined", "approximate", "unconfined"]


def opened(path):
    directory, name = os.path.split(path)
    return (
        f'let program = DirConfig().path("{directory}").build().open(OpenDirOptions().build())'
        f'.open_file("{name}", OpenFileOptions().read(true).build());\n'
    )


def policy(path):
    return (
        f'permit(principal, action == file_system::Action::"open", resource == file_system::Dir::"{os.path.dirname(path)}");\n'
        f'permit(principal, action in [file_system::Action::"open", file_system::Action::"execute"], resource == file_system::File::"{path}");\n'
    )


def times(broker, place, path, options, calls, how):
    """What each call took, in microseconds."""
    script, rules = os.path.join(place, "script.rhai"), os.path.join(place, "policy.cedar")
    with open(script, "w") as file:
        file.write(
            f"{opened(path)}let took = []; for round in 0..{calls} {{ let begun = timestamp(); "
            f"let result = program.execute(ExecuteOptions(){options}.build()); took.push(begun.elapsed * 1000000.0); "
            f'if result.exit_code != 0 {{ throw result.stderr }} }} took'
        )
    with open(rules, "w") as file:
        file.write(policy(path))
    words = [*broker, "-s", script, "-p", rules, "--children", how, "--memory", "1024", "--audit-log", os.path.join(place, "audit.jsonl")]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    document = json.loads(done.stdout)
    if document["status"] != "SUCCESS":
        raise SystemExit(f"{how}: {document['error']}")
    return [float(took) for took in json.loads(document["output"])]


def piped():
    begun = time.monotonic()
    subprocess.run(["sh", "-c", f"head -c {OUTPUT_BYTES} /dev/zero | cat >/dev/null"], check=True)
    return (time.monotonic() - begun) * 1e6


def summary(all_times):
    return {"best": min(all_times), "median": statistics.median(all_times)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", action="append", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    calls = {}
    output = {}
    with tempfile.TemporaryDirectory() as place:
        place = os.path.realpath(place)
        for name, source, options in [("nothing", NOTHING, ["-static"]), ("spawn", SPAWN, [])]:
            subprocess.run(["cc", "-O2", *options, "-x", "c", "-o", os.path.join(place, name), "-"], input=source, text=True, check=True)
        nothing, head = os.path.join(place, "nothing"), os.path.realpath("/usr/bin/head")
        for _ in range(given.rounds):
            told = subprocess.run([os.path.join(place, "spawn"), nothing, str(given.calls)], stdout=subprocess.PIPE, text=True, check=True)
            calls.setdefault("posix_spawn", []).extend(float(line) for line in told.stdout.split())
            output.setdefault("cat through a pipe", []).append(piped())
            for binary in given.bin:
                for how in HOW:
                    key = f"{binary}, {how}"
                    calls.setdefault(key, []).extend(times(shlex.split(binary), place, nothing, "", given.calls, how))
                    words = f'.args([["-c", "{OUTPUT_BYTES}"], "/dev/zero"])'
                    output.setdefault(key, []).extend(times(shlex.split(binary), place, head, words, 1, how))
    result = {"a call": {key: summary(took) for key, took in calls.items()}, "64 MiB": {key: summary(took) for key, took in output.items()}}
    if given.json:
        print(json.dumps(result, indent=2))
        return
    for title, rows in result.items():
        floor = next(iter(rows.values()))
        for key, row in rows.items():
            print(
                f"{title:8} {key:60} best {row['best']:10.0f} us {row['best'] / floor['best']:6.1f} x"
                f"  median {row['median']:10.0f} us {row['median'] / floor['median']:6.1f} x"
            )


if __name__ == "__main__":
    main()
