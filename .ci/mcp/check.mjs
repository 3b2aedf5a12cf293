// The official clients list and call every tool, with output validation on.
//   node check.mjs stdio COMMAND...     starts the server itself
//   node check.mjs http URL             with the credential in OPSORCH_TOKEN
// Version 1 of the SDK speaks 2025-11-25; version 2 speaks it too, and 2026-07-28.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as OldStdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as OldHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const [transport, ...target] = process.argv.slice(2);
const WHO = { name: 'ci', version: '1' };

const GENERATIONS = {
  'SDK 1, 2025-11-25': () => [new OldClient(WHO), connection(OldStdio, OldHttp)],
  'SDK 2, 2025-11-25': () => [new Client(WHO), connection(StdioClientTransport, StreamableHTTPClientTransport)],
  'SDK 2, 2026-07-28': () => [
    new Client(WHO, { versionNegotiation: { mode: { pin: '2026-07-28' } } }),
    connection(StdioClientTransport, StreamableHTTPClientTransport),
  ],
};

function connection(Stdio, Http) {
  if (transport === 'stdio') {
    return new Stdio({ command: target[0], args: target.slice(1), stderr: 'inherit' });
  }
  const headers = { Authorization: `Bearer ${process.env.OPSORCH_TOKEN}` };
  return new Http(new URL(target[0]), { requestInit: { headers } });
}

// What exists in the seeded world.
const IDS = {
  'get-incident': 'inc-1', 'get-incident-timeline': 'inc-1', 'update-incident': 'inc-1',
  'append-incident-timeline': 'inc-1', 'get-ticket': 'tkt-1', 'update-ticket': 'tkt-1', 'comment-on-ticket': 'tkt-1',
  'get-alert': 'alert-1', 'acknowledge-alert': 'alert-2', 'resolve-alert': 'alert-3', 'silence-alert': 'alert-4',
  'get-service': 'svc-api', 'get-deployment': 'dep-1', 'get-team': 'team-platform', 'get-team-members': 'team-platform',
  'get-team-on-call': 'team-platform', 'get-orchestration-plan': 'plan-1',
};
const now = Date.now();
const time = (offset) => new Date(now + offset).toISOString();
const FIELDS = {
  incident: 'inc-1', planId: 'plan-1', channel: '#ops', start: time(-3_600_000), end: time(0), until: time(3_600_000),
};
// What no schema can ask for: this provider has no query language of its own.
const MORE = { 'query-metrics': { step: 60, expression: { metricName: 'request_duration_seconds' } } };
// What makes something that others name.
const FIRST = ['send-message', 'start-orchestration-run'];
// Where a change waits for people, what would have been made is not there.
const MISSES = new Set(['not_found', 'conflict']);

// The ids of what was made.
const made = {};

// The smallest value that fits a schema.
function minimal(schema, root, name, tool) {
  if (name === 'id' && IDS[tool]) return IDS[tool];
  if (name === 'id' && tool === 'update-message') return made['send-message'] ?? 'msg-1';
  if (name === 'runId' || (name === 'id' && tool === 'get-orchestration-run')) return made['start-orchestration-run'] ?? 'run-1';
  if (name === 'stepId') return 'freeze';
  if (name in FIELDS) return FIELDS[name];
  if (schema === true || schema === undefined) return null;
  if (schema.$ref) return minimal(schema.$ref.slice(2).split('/').reduce((at, part) => at[part], root), root, name, tool);
  if ('const' in schema) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.examples) return schema.examples[0];
  const one = schema.anyOf?.[0] ?? schema.oneOf?.[0] ?? schema.allOf?.[0];
  if (one) return minimal(one, root, name, tool);
  switch ([schema.type].flat()[0]) {
    case 'object':
      return Object.fromEntries((schema.required ?? []).map((field) => [field, minimal(schema.properties?.[field], root, field, tool)]));
    case 'array': return [];
    case 'integer': case 'number': return schema.minimum ?? 1;
    case 'boolean': return true;
    case 'string': return schema.format === 'date-time' ? time(0) : name || 'text';
    default: return null;
  }
}

async function check(generation, [client, wire]) {
  const strays = [];
  client.onerror = (error) => strays.push(error);
  await client.connect(wire);
  const { tools } = await client.listTools();
  assert.ok(tools.length > 40, `${tools.length} tools`);
  assert.ok(tools.every((tool) => tool.outputSchema && tool.annotations));
  assert.ok(!tools.some((tool) => /approve|deny|revoke|answer/.test(tool.name)), 'no tool answers');
  const counts = { done: 0, waiting: 0, refused: [] };
  const first = (tool) => (FIRST.includes(tool.name) ? 0 : 1);
  for (const tool of tools.toSorted((one, other) => first(one) - first(other))) {
    const args = { ...minimal(tool.inputSchema, tool.inputSchema, '', tool.name), ...MORE[tool.name] };
    const result = await client.callTool({ name: tool.name, arguments: args });
    if (result.isError) {
      const problem = JSON.parse(result.content[0].text);
      assert.ok(MISSES.has(problem.code), `${tool.name} ${JSON.stringify(args)}: ${result.content[0].text}`);
      assert.ok(!tool.annotations.readOnlyHint || problem.code === 'not_found', `${tool.name}: ${result.content[0].text}`);
      counts.refused.push(`${tool.name}: ${problem.code}`);
    } else {
      assert.ok(result.structuredContent, tool.name);
      made[tool.name] = result.structuredContent.result?.id;
      counts[result.structuredContent.status === 'waiting' ? 'waiting' : 'done'] += 1;
    }
  }
  await propose(client);
  await read(client);
  await client.close();
  assert.deepEqual(strays, [], 'nothing but the protocol');
  console.log(`${transport}, ${generation}: ${tools.length} tools: ${JSON.stringify(counts)}`);
}

// Proposes a ticket; where somebody agrees, makes it.
async function propose(client) {
  const call = async (name, args) => (await client.callTool({ name, arguments: args })).structuredContent;
  const proposed = await call('create-ticket', { title: 'from the official client', justification: 'a check' });
  assert.equal(proposed.status, 'waiting');
  assert.match(proposed.approval.digest, /^sha256:[0-9a-f]{64}$/);
  const id = proposed.approval.id;
  if (transport === 'stdio') {
    assert.equal((await call('withdraw-approval', { id })).approval.state, 'withdrawn');
    return;
  }
  while ((await call('get-approval', { id })).approval.state === 'requested') await new Promise((go) => setTimeout(go, 20));
  const made = await call('redeem-approval', { id });
  assert.deepEqual([made.status, made.result.title], ['done', 'from the official client']);
}

async function read(client) {
  const { resources } = await client.listResources();
  for (const { uri } of resources) assert.ok((await client.readResource({ uri })).contents.length > 0, uri);
  assert.equal((await client.listResourceTemplates()).resourceTemplates.length, 2);
  assert.ok((await client.readResource({ uri: 'opsorch://incidents/inc-1' })).contents[1].text.includes('inc-1'));
  const { prompts } = await client.listPrompts();
  assert.deepEqual(prompts.map((prompt) => prompt.name), ['triage-incident', 'hand-over']);
  await client.getPrompt({ name: 'triage-incident', arguments: { incident: 'inc-1' } });
}

// Every line on stdout is a message, whatever the server logs and however it is spoken to.
async function stdoutIsProtocol() {
  const child = spawn(target[0], target.slice(1), { stdio: ['pipe', 'pipe', 'ignore'], env: { ...process.env, RUST_LOG: 'trace' } });
  const say = (message) => child.stdin.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`);
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  say({ jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta: meta } });
  say('this is no message');
  say({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { _meta: meta, name: 'create-ticket', arguments: { title: 'x' } } });
  say({ jsonrpc: '2.0', id: 3, method: 'tools/call', params: { _meta: meta, name: 'get-incident', arguments: { id: 'nope' } } });
  const open = new Set([1, 2, 3]);
  for await (const line of createInterface({ input: child.stdout })) {
    const message = JSON.parse(line);
    assert.equal(message.jsonrpc, '2.0');
    open.delete(message.id);
    if (open.size === 0) child.stdin.end();
  }
  assert.equal(open.size, 0);
  console.log('stdio: stdout carries the protocol and nothing else');
}

for (const [generation, make] of Object.entries(GENERATIONS)) await check(generation, make());
if (transport === 'stdio') await stdoutIsProtocol();
