#!/usr/bin/env python3
"""Calls one tool of a server of the Model Context Protocol, as an agent would, and prints what it gives.

usage: ask.py [--grants] TOOL [NAME=VALUE | NAME=@FILE]... -- SERVER [WORDS...]

Prints the output of a script, or what is wrong with it, with status 1. With --grants it prints the policies that would permit what was
denied, for the owner of the policy to look at, and nothing else.
"""

import json
import subprocess
import sys

META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


def main():
    words, server = sys.argv[1:], []
    if "--" in words:
        at = words.index("--")
        words, server = words[:at], words[at + 1 :]
    grants = words[:1] == ["--grants"]
    if grants:
        words = words[1:]
    if not words or not server:
        sys.exit(__doc__)
    arguments = {}
    for word in words[1:]:
        name, value = word.split("=", 1)
        arguments[name] = open(value[1:], encoding="utf-8").read() if value.startswith("@") else value
    params = {"name": words[0], "arguments": arguments, "_meta": META}
    with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        print(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}), file=process.stdin, flush=True)
        line = process.stdout.readline()
        process.stdin.close()
    if not line:
        sys.exit("the server has said nothing")
    message = json.loads(line)
    if "error" in message:
        sys.exit(message["error"]["message"])
    result = message["result"]
    given = result.get("structuredContent", {})
    if grants:
        print("\n".join(denial["grant"] for denial in given.get("denials", []) if "grant" in denial))
        return
    if result["isError"]:
        sys.exit("\n".join(text["text"] for text in result["content"][1:] or result["content"]).rstrip())
    print(given["output"] if "output" in given else json.dumps(given))


main()
