#!/usr/bin/env python3
"""Types a line and the tab key into a real shell on a terminal, and prints what the shell has made of it.

    complete_in_shell.py bash|zsh|fish SCRIPT 'rex-broker policy ex'

The script with the completions is loaded first. A shell that does not answer within a minute is a failure.
"""

import os
import pty
import re
import select
import sys
import time

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; source '{}'"),
    "zsh": (["zsh", "-f", "-i"], "unsetopt beep prompt_sp zle_bracketed_paste; autoload -Uz compinit && compinit -u -D; source '{}'; compdef _rex-broker rex-broker"),
}


def main(shell, script, line):
    words, load = SHELLS[shell]
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(PS1="READY> ", TERM="dumb", COLUMNS="200", INPUTRC="/dev/null")
        os.execvp(words[0], words)
    typed = Typed(terminal)
    typed.send(load.format(script) + "; echo LOAD''ED\n")
    typed.wait_for("LOADED")
    typed.seen = ""
    # The line is marked, so that what the shell says before and after it is told from it.
    typed.send(line + "\t")
    typed.wait_for_more_than(line)
    typed.send(" MARK\x01echo 'LINE:\x05'\n")
    typed.wait_for_line()
    print(typed.line())
    os.close(terminal)


class Typed:
    """What was typed into a terminal, and what it has shown since."""

    def __init__(self, terminal):
        self.terminal, self.seen, self.until = terminal, "", time.monotonic() + 60

    def send(self, text):
        os.write(self.terminal, text.encode())

    def read(self):
        ready, _, _ = select.select([self.terminal], [], [], max(0, self.until - time.monotonic()))
        if not ready:
            sys.exit(f"the shell has not answered; it showed {self.seen!r}")
        self.seen += os.read(self.terminal, 65536).decode(errors="replace")

    def wait_for(self, text):
        while text not in self.seen:
            self.read()

    def wait_for_more_than(self, line):
        while len(self.seen.replace("\a", "")) <= len(line) + 1:
            self.read()

    def wait_for_line(self):
        while not re.search(r"\nLINE:.*MARK", self.seen):
            self.read()

    def line(self):
        return re.search(r"\nLINE:(.*) *MARK", self.seen).group(1).rstrip()


if __name__ == "__main__":
    main(*sys.argv[1:])
