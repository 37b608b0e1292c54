// Streamable HTTP before a server of standard input and output, for the conformance suite, which takes addresses only.
//
// usage: bridge.mjs COMMAND [WORDS...]      prints its address; ends with its standard input
//
// What it adds is what HTTP asks of a server and standard input and output does not: headers that repeat the body, sessions, and statuses. A
// client of the older kind gets a server of its own, from its initialize on; requests of 2026-07-28 share one.

import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { randomUUID } from 'node:crypto';

const [command, ...args] = process.argv.slice(2);

class Served {
  constructor() {
    this.waiting = new Map();
    this.next = 1;
    this.process = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.process.stdout }).on('line', (line) => {
      const message = JSON.parse(line);
      const waiting = this.waiting.get(message.id);
      if (waiting === undefined) return;
      this.waiting.delete(message.id);
      waiting(message);
    });
  }

  // Several clients may use one name, so each request gets one of ours on the way.
  ask(message) {
    const id = this.next++;
    return new Promise((done) => {
      this.waiting.set(id, (answer) => done({ ...answer, id: message.id }));
      this.process.stdin.write(JSON.stringify({ ...message, id }) + '\n');
    });
  }

  tell(message) {
    this.process.stdin.write(JSON.stringify(message) + '\n');
  }
}

const shared = new Served();
const sessions = new Map();
const bad = new Set([-32700, -32600, -32602, -32020, -32021, -32022]);

async function serve(request, response) {
  const reply = (status, value, headers = {}) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(value === undefined ? '' : JSON.stringify(value));
  };
  const host = (request.headers.host ?? '').replace(/:\d+$/, '');
  const origin = request.headers.origin;
  const isLocal = (name) => ['127.0.0.1', 'localhost', '[::1]'].includes(name);
  if (!isLocal(host) || (origin !== undefined && !isLocal(new URL(origin).hostname))) return reply(403);
  if (request.method === 'DELETE') return reply(sessions.delete(request.headers['mcp-session-id']) ? 200 : 404);
  if (request.method !== 'POST') return reply(405);
  let body = '';
  for await (const piece of request) body += piece;
  let message;
  try {
    message = JSON.parse(body);
  } catch {
    return reply(400, { jsonrpc: '2.0', error: { code: -32700, message: 'no JSON' } });
  }
  const named = request.headers['mcp-session-id'];
  const isModern = message.params?._meta?.['io.modelcontextprotocol/protocolVersion'] !== undefined;
  let served = shared;
  const headers = {};
  if (message.method === 'initialize') {
    served = new Served();
    headers['mcp-session-id'] = randomUUID();
    sessions.set(headers['mcp-session-id'], served);
  } else if (named !== undefined && !isModern) {
    served = sessions.get(named);
    if (served === undefined) return reply(404);
  }
  if (message.id === undefined) {
    served.tell(message);
    return reply(202);
  }
  const answer = await served.ask(message);
  const isRefused = isModern && answer.error !== undefined;
  const status = isRefused && answer.error.code === -32601 ? 404 : isRefused && bad.has(answer.error.code) ? 400 : 200;
  reply(status, answer, headers);
}

const server = createServer((request, response) => serve(request, response).catch((error) => response.destroy(error)));
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/mcp`));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
