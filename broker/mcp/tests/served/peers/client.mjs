// What the official TypeScript clients make of a server.
//
// usage: client.mjs MODE COMMAND [WORDS...]    MODE is auto or legacy of the present client, or old for the one before
//
// Prints one JSON object. Whatever the client objects to is an exception, and a status that is not 0.

const [mode, command, ...args] = process.argv.slice(2);
const isOld = mode === 'old';
const { Client } = await import(isOld ? '@modelcontextprotocol/sdk/client/index.js' : '@modelcontextprotocol/client');
const { StdioClientTransport } = await import(isOld ? '@modelcontextprotocol/sdk/client/stdio.js' : '@modelcontextprotocol/client/stdio');

const told = {};
const client = new Client({ name: 'peer', version: '1' }, isOld ? {} : { versionNegotiation: { mode } });
const call = (name, given, options) => isOld
  ? client.callTool({ name, arguments: given }, undefined, options)
  : client.callTool({ name, arguments: given }, options);
await client.connect(new StdioClientTransport({ command, args }));
told.version = isOld ? undefined : client.getNegotiatedProtocolVersion();
told.server = client.getServerVersion()?.name;
told.tools = (await client.listTools()).tools.map((tool) => tool.name);
const progress = [];
const ran = await call('run_script', { script: 'info("x"); 1 + n', arguments: { n: 2 } }, { onprogress: (step) => progress.push(step.message) });
told.output = ran.structuredContent.output;
const denied = await call('run_script', { script: 'cat("/etc/passwd")' });
told.denied = [denied.isError, denied.structuredContent.denials[0].action];
const refused = await call('run_script', { script: '1', policy: 'permit(principal, action, resource);' });
told.refused = [refused.isError, refused.content[0].text];
try {
  const unknown = await call('nonesuch', {});
  told.unknown = unknown.content[0].text;
} catch (error) {
  told.unknown = error.message;
}
const { resources } = await client.listResources();
told.digest = (await client.readResource({ uri: resources[0].uri })).contents[0].text.split('\n')[0];
const abort = new AbortController();
setTimeout(() => abort.abort('enough'), 700);
try {
  await call('run_script', { script: 'sleep(60)' }, { signal: abort.signal });
} catch (error) {
  told.late = 'aborted';
}
for (let tries = 0; tries < 100; tries++) {
  told.going = (await call('run_status', {})).structuredContent.runs;
  if (told.going.length === 0) break;
  await new Promise((done) => setTimeout(done, 100));
}
told.progress = progress;
await client.close();
console.log(JSON.stringify(told));
