"""What the official Python client makes of a server.

usage: client.py MODE COMMAND [WORDS...]      MODE is auto or legacy, as in the client

Prints one JSON object. Whatever the client objects to is an exception, and a status that is not 0.
"""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters


async def main():
    mode, command, *words = sys.argv[1:]
    told = {}
    progress = []

    async def tell(value, total, message):
        progress.append(message)

    server = StdioServerParameters(command=command, args=words)
    async with Client(server, mode=mode, read_timeout_seconds=60) as client:
        told["version"] = client.protocol_version
        told["server"] = client.server_info.name if client.server_info else None
        told["tools"] = [tool.name for tool in (await client.list_tools()).tools]
        # The client itself holds what is structured against the schema of the tool.
        ran = await client.call_tool("run_script", {"script": "info(\"x\"); 1 + n", "arguments": {"n": 2}}, progress_callback=tell)
        told["output"] = ran.structured_content["output"]
        denied = await client.call_tool("run_script", {"script": "cat(\"/etc/passwd\")"})
        told["denied"] = [denied.is_error, denied.structured_content["denials"][0]["action"]]
        refused = await client.call_tool("run_script", {"script": "1", "policy": "permit(principal, action, resource);"})
        told["refused"] = [refused.is_error, refused.content[0].text]
        try:
            await client.call_tool("nonesuch", {})
        except Exception as error:
            told["unknown"] = str(error)
        resources = (await client.list_resources()).resources
        read = await client.read_resource(str(resources[0].uri))
        told["digest"] = read.contents[0].text.splitlines()[0]
        try:
            await client.call_tool("run_script", {"script": "sleep(60)"}, read_timeout_seconds=0.7)
        except Exception as error:
            told["late"] = type(error).__name__
        # The client has cancelled what was late; nothing may go on.
        for _ in range(100):
            going = await client.call_tool("run_status", {})
            told["going"] = going.structured_content["runs"]
            if not told["going"]:
                break
            await asyncio.sleep(0.1)
    told["progress"] = progress
    print(json.dumps(told))


asyncio.run(main())
