#!/usr/bin/env python3
"""How much each target was fuzzed: adds up the last lines of libFuzzer, and writes the table of docs/fuzzing.md.

    tally.py add TARGET LOG...   adds finished runs to fuzz/tally.tsv: what they printed with -print_final_stats=1
    tally.py table               writes the table of docs/fuzzing.md anew
    tally.py check               says whether fuzz/tally.tsv can be read and the page agrees with it
"""

import datetime
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TALLY = HERE / "tally.tsv"
PAGE = HERE.parent / "docs/fuzzing.md"
BEGIN, END = "<!-- tally: written by fuzz/tally.py -->\n", "<!-- end of tally -->\n"
HEADER = "date\ttarget\tseconds\texecutions\tcommit\thow\n"
GOAL = 10**9


def targets():
    return sorted(path.stem for path in (HERE / "fuzz_targets").glob("*.rs"))


def rows():
    """Each run of the file: target, seconds (None where nobody noted them), executions."""
    lines = TALLY.read_text(encoding="utf-8").splitlines(keepends=True)
    if not lines or lines[0] != HEADER:
        sys.exit(f"{TALLY}: the first line is not {HEADER!r}")
    found = []
    for number, line in enumerate(lines[1:], start=2):
        fields = line.rstrip("\n").split("\t")
        if len(fields) != 6 or not line.endswith("\n"):
            sys.exit(f"{TALLY}:{number}: not six fields")
        date, target, seconds, executions, _, _ = fields
        datetime.date.fromisoformat(date)
        if target not in targets():
            sys.exit(f"{TALLY}:{number}: there is no target {target}")
        found.append((target, None if seconds == "-" else int(seconds), int(executions)))
    return found


def finished(log):
    """Seconds and executions of one finished run."""
    text = pathlib.Path(log).read_text(encoding="utf-8", errors="replace")
    done = re.findall(r"^Done (\d+) runs in (\d+) second", text, re.MULTILINE)
    units = re.findall(r"^stat::number_of_executed_units: *(\d+)$", text, re.MULTILINE)
    if len(done) != 1 or len(units) != 1 or done[0][0] != units[0]:
        sys.exit(f"{log}: not what one run prints that came to its end with -print_final_stats=1")
    return int(done[0][1]), int(units[0])


def add(target, logs):
    if target not in targets():
        sys.exit(f"there is no target {target}: {', '.join(targets())}")
    runs = [finished(log) for log in logs]
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True
    ).stdout.strip()
    today = datetime.date.today().isoformat()
    how = "stable compiler, no sanitizer"
    with TALLY.open("a", encoding="utf-8") as file:
        for seconds, executions in runs:
            file.write(f"{today}\t{target}\t{seconds}\t{executions}\t{commit}\t{how}\n")


def table():
    lines = ["| target | runs | time | executions | of 10⁹ |\n", "|---|---|---|---|---|\n"]
    for target in targets():
        own = [row for row in rows() if row[0] == target]
        seconds = sum(row[1] or 0 for row in own)
        executions = sum(row[2] for row in own)
        unknown = " and more" if any(row[1] is None for row in own) else ""
        share = f"{100 * executions / GOAL:.2g} %" if executions else "–"
        minutes = f"{seconds / 60:.1f} min{unknown}" if own else "–"
        lines.append(f"| `{target}` | {len(own)} | {minutes} | {executions:,} | {share} |\n")
    return "".join(lines)


def page():
    """The page before and after the table, and the table."""
    text = PAGE.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    found, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{PAGE}: the marks of the table are missing")
    return before, found, after


def main(words):
    match words:
        case ["add", target, *logs] if logs:
            add(target, logs)
            return main(["table"])
        case ["table"]:
            before, _, after = page()
            PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}", encoding="utf-8")
        case ["check"]:
            if page()[1] != table():
                sys.exit(f"{PAGE} does not agree with {TALLY}: `fuzz/tally.py table` writes it anew")
        case _:
            sys.exit(__doc__)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
