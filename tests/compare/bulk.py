#!/usr/bin/env python3
"""Puts bulk work of the file-system SDK next to the plain Unix tool that does the same, whole process by whole process.

    cargo build --release
    tests/compare/bulk.py --bin "target/release/rex-broker --jail"

`--bin` may be given several times, as for compare.py, and what is first is what the others are put beside. Each round runs every script and every tool once, one after the other, so that a busy moment of the machine meets all
alike. The time of an empty script is subtracted from a script, that of `true` from a tool. `--scale` makes files and
trees smaller. `--rounds` says how often. `--json` prints everything. The audit log is on. Needs nothing but Python 3 and
the tools themselves. Files that are written are synced on both sides, because the broker always does it.
"""

import argparse
import gzip
import json
import os
import shlex
import shutil
import statistics
import sys
import tempfile

import compare
from compare import Runner, run


class Work:
    def __init__(self, key, title, script, tool=None, prepare=None):
        self.key, self.title, self.script, self.tool, self.prepare = key, title, script, tool, prepare


def sh(line):
    return ["sh", "-c", line]


def works(place, sizes):
    """Script and tool do the same work, and neither prints more than a number."""
    at = lambda name: os.path.join(place, name)
    big, copy, tree, many, few, packed = (at(name) for name in ("big", "copy", "tree", "many", "few", "packed.gz"))
    text = 'fn text(bytes) { let text = ""; text.pad(bytes, "x"); text }\n'
    remove = lambda: os.path.exists(copy) and os.remove(copy)
    open_dir = lambda path: f'DirConfig().path("{path}").build().open(OpenDirOptions().build())'
    open_file = lambda path: f'{open_dir(place)}.open_file("{os.path.basename(path)}", OpenFileOptions().read(true).build())'
    return [
        Work("empty", "", ""),
        Work("ls_few", "ls, 1,000 entries", f'ls([ls::all], "{few}").len()', ["ls", "-f", few]),
        Work("ls_many", f"ls, {sizes['entries']:,} entries", f'ls([ls::all], "{many}").len()', ["ls", "-f", many]),
        Work("list_many", f"list_entries, {sizes['entries']:,} entries", f"{open_dir(many)}.list_entries().len()", ["ls", "-f", many]),
        Work("cat", f"cat, {sizes['text'] >> 20} MiB, its length", f'cat("{at("text")}").len()', ["cat", at("text")]),
        Work("wc", f"wc, {sizes['big'] >> 20} MiB", f'wc("{big}").lines', ["wc", big]),
        Work("grep", f"grep, {sizes['big'] >> 20} MiB, no hit", f'grep("no such line", "{big}").len()', sh(f"grep -c 'no such line' {big}; true")),
        Work("grep_regex", f"grep, {sizes['big'] >> 20} MiB, an expression", f'grep("z[0-9]+z$", "{big}").len()', sh(f"grep -cE 'z[0-9]+z$' {big}; true")),
        Work("search", f"search, {sizes['big'] >> 20} MiB, few hits", f'{open_file(big)}.search("line 12345 ").len()', sh(f"grep -c 'line 12345 ' {big}; true")),
        Work("tail", f"tail of {sizes['big'] >> 20} MiB", f'tail("{big}").len()', ["tail", big]),
        Work("find_files", f"find_files, {sizes['files']:,} files", f'find_files([glob::recursive], "*7", "{tree}").len()', ["find", tree, "-name", "*7"]),
        Work("find", f"find with a size, {sizes['files']:,} files",
             f'let n = 0; {open_dir(tree)}.find(FindOptions().size_range(SizeRange::min_only(5, SizeUnit::BYTES)).build(), |e| n += 1); n',
             ["find", tree, "-size", "+4c"]),
        Work("du", f"du, {sizes['files']:,} files", f'du([du::summarize], "{tree}").entries.len()', ["du", "-s", tree]),
        Work("cp", f"cp, {sizes['big'] >> 20} MiB", f'cp("{big}", "{copy}")', sh(f"cp {big} {copy} && sync {copy}"), remove),
        Work("write_small", "write, 1,000 small files replaced",
             f'for i in 0..1000 {{ write([write::replace], "{place}/small", "some text") }}',
             sh(f"i=0; while [ $i -lt 1000 ]; do echo some text > {place}/small.new; sync {place}/small.new; mv {place}/small.new {place}/small; i=$((i+1)); done")),
        Work("append", "write, 1,000 lines appended", f'for i in 0..1000 {{ write("{place}/appended", "some text\\n") }}',
             sh(f"i=0; while [ $i -lt 1000 ]; do echo some text >> {place}/appended; sync {place}/appended; i=$((i+1)); done")),
        Work("write_large", "write, 32 MiB at once", f'{text}write([write::replace], "{copy}", text({32 << 20}))',
             ["dd", "if=/dev/zero", f"of={copy}", "bs=1M", "count=32", "conv=fsync", "status=none"], remove),
        Work("gzip", f"compress_gzip, {sizes['text'] >> 20} MiB",
             f'let d = {open_dir(place)}; d.open_file("text", OpenFileOptions().read(true).build()).compress_gzip('
             f'd.open_file("copy", OpenFileOptions().create(true).build()), CompressGzipOptions().build())',
             sh(f"gzip -c -6 {at('text')} > {copy}"), remove),
        Work("gunzip", f"search_gzip, {sizes['text'] >> 20} MiB", f'{open_file(packed)}.search_gzip("no such line", SearchGzipOptions().build()).len()',
             sh(f"gzip -dc {packed} | grep -c 'no such line'; true")),
        Work("rm", f"rm -r, {sizes['entries']:,} files", f'rm([rm::recursive], "{at("doomed")}")', ["rm", "-r", at("doomed")],
             lambda: os.path.exists(at("doomed")) or fill(at("doomed"), sizes["entries"])),
    ]


def fill(folder, count):
    os.mkdir(folder)
    for number in range(count):
        with open(os.path.join(folder, f"entry{number:06}"), "w", encoding="ascii"):
            pass


def furnish(place, sizes):
    fill(os.path.join(place, "few"), 1_000)
    fill(os.path.join(place, "many"), sizes["entries"])
    for folder in range(sizes["files"] // 100):
        path = os.path.join(place, "tree", f"{folder % 10}", f"{folder}")
        os.makedirs(path)
        for number in range(100):
            with open(os.path.join(path, f"file{number}"), "w", encoding="ascii") as file:
                file.write(str(number) * 3)
    lines = "".join(f"line {n} of a text that is neither long nor short\n" for n in range(100_000)).encode()
    for name, size in (("big", sizes["big"]), ("text", sizes["text"])):
        with open(os.path.join(place, name), "wb") as file:
            for _ in range(size // len(lines)):
                file.write(lines)
            file.write(lines[: size % len(lines)])
    with open(os.path.join(place, "text"), "rb") as file, gzip.open(os.path.join(place, "packed.gz"), "wb", 6) as packed:
        shutil.copyfileobj(file, packed)
    with open(os.path.join(place, "policy.cedar"), "w", encoding="ascii") as file:
        file.write(f'permit(principal, action, resource in file_system::Dir::"{place}");\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", action="append", required=True, help="a runner's command line; may be given several times")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is 1 GiB and 100,000 files")
    parser.add_argument("--only", default="", help="keys, separated by commas")
    parser.add_argument("--place", help="a directory on the file system to be used")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--processor", action="store_true", help="count processor time of all processes, and not time on the wall")
    arguments = parser.parse_args()
    compare.COUNT_PROCESSOR_TIME = arguments.processor
    sizes = {
        "big": int((1 << 30) * arguments.scale),
        "text": int((64 << 20) * arguments.scale),
        "entries": int(100_000 * arguments.scale),
        "files": int(100_000 * arguments.scale),
    }
    place = os.path.realpath(tempfile.mkdtemp(prefix="rex-bulk-", dir=arguments.place))
    try:
        furnish(place, sizes)
        runners = [Runner(command, number) for number, command in enumerate(arguments.bin)]
        wanted = {key for key in arguments.only.split(",") if key}
        jobs = [work for work in works(place, sizes) if not wanted or work.key in wanted or work.key == "empty"]
        for job in jobs:
            with open(os.path.join(place, f"{job.key}.rhai"), "w", encoding="utf-8") as file:
                file.write(job.script)
        times = {job.key: [[] for _ in (*runners, "tool")] for job in jobs}
        for _ in range(arguments.rounds):
            for job in jobs:
                tool = job.tool or ["true"]
                commands = [runner.command(place, job.key) for runner in runners]
                for side, words in enumerate([*commands, [shutil.which(tool[0]), *tool[1:]]]):
                    if job.prepare:
                        job.prepare()
                    times[job.key][side].append(run(words, place)[0])
        report(jobs, times, arguments.json, runners)
    finally:
        shutil.rmtree(place)


def report(jobs, times, as_json, runners):
    rows = []
    for job in jobs:
        if not job.title:
            continue
        best, median = (
            [choose(spent) - choose(nothing) for spent, nothing in zip(times[job.key], times["empty"])] for choose in (min, statistics.median)
        )
        rows.append({"key": job.key, "title": job.title, "best_ns": best, "median_ns": median})
    if as_json:
        print(json.dumps({"commands": [shlex.join(runner.words) for runner in runners], "rows": rows}, indent=1))
        return
    for side, runner in enumerate(runners):
        print(f"{runner.name}   {shlex.join(runner.words)}")
        print(f"  {'best of the rounds':44}{'script':>12}{'tool':>12}{'ratio':>10}{'to the first':>15}")
        for row in rows:
            mine, first, tool = row["best_ns"][side], row["best_ns"][0], row["best_ns"][-1]
            ratio, to_first = (f"{mine / other:.2f} x" if mine > 0 and other > 0 else "noise" for other in (tool, first))
            print(f"  {row['title']:44}{mine / 1e6:9.1f} ms{tool / 1e6:9.1f} ms{ratio:>10}{to_first:>15}")


if __name__ == "__main__":
    sys.exit(main())
