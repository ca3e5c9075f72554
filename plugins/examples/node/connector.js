// A connector in Node: people of a small vendor come and go. It follows plugins/PROTOCOL.md
// and passes the conformance kit.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fault, certificate, status } from './wire.js';

// The host that must live: it may name itself, so that it is missed even when it dies early.
const host = Number(process.env.HEADWATER_HOST_PID) || process.ppid;

// By require, so that NODE_PATH may name the folder of the packages.
const require = createRequire(import.meta.url);
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const here = path.dirname(fileURLToPath(import.meta.url));
const protos = process.env.HEADWATER_PROTO ?? path.join(here, '..', '..', 'proto');

const spec = {
  name: 'node-people', version: 'v1.0.0', title: 'People, from Node', kinds: ['source', 'destination'],
  config_schema_json: Buffer.from(JSON.stringify({
    type: 'object', required: ['url', 'token'], properties: {
      url: { type: 'string', title: 'Address', format: 'uri' },
      token: { type: 'string', title: 'Token', writeOnly: true },
      webhookSecret: { type: 'string', title: 'Secret of webhooks', writeOnly: true },
    },
  })),
  capabilities: ['pull', 'upsert', 'delete', 'erase', 'dedupe.upsert'],
  limits: { batch_items: 100 }, hosts: ['config:url'], categories: ['CONTACT'], processor: { name: 'Nobody' },
};

// connection is what Open makes; calls are those that run on it.
let connection = null;

function open(config) {
  let form;
  try {
    form = JSON.parse(config);
  } catch {
    form = null;
  }
  if (typeof form?.url !== 'string' || typeof form?.token !== 'string') {
    throw new Fault('INVALID_CONFIG', 'give the address and the token', { origin: 'CONFIG', path: 'url' });
  }
  connection = { url: form.url, token: form.token, closed: new AbortController(), calls: new Set() };
}

async function ask(call, method, where, body, writes) {
  let answer;
  try {
    answer = await fetch(connection.url + where, {
      method, signal: call.signal, body: body && JSON.stringify(body),
      headers: { Authorization: `Bearer ${connection.token}` },
    });
    if (answer.ok) return await answer.json();
  } catch {
    if (writes) throw new Fault('UNKNOWN_OUTCOME', 'the vendor did not answer');
    throw new Fault('RETRY_AFTER', 'the vendor is not reached', { after: 1 });
  }
  if (answer.status === 401) throw new Fault('UNAUTHORIZED', 'the token is refused: give another one');
  const reset = Number(answer.headers.get('X-Reset'));
  if (answer.status === 429 && reset) throw new Fault('QUOTA_UNTIL', "the day's requests are spent", { until: reset });
  if (answer.status === 429) {
    throw new Fault('RETRY_AFTER', 'too many requests', { after: Number(answer.headers.get('Retry-After')) || 1 });
  }
  if (answer.status >= 500) throw new Fault('RETRY_AFTER', 'the vendor is down', { after: 1 });
  throw new Fault('INVALID_RECORD', 'the vendor refuses the request');
}

const parse = (json) => (json?.length ? JSON.parse(json) : undefined);

function known(stream) {
  if (stream !== 'people') throw new Fault('SCHEMA_CHANGED', 'there is no such stream', { origin: 'CONNECTOR' });
}

function place(cursor) {
  if (!cursor.length) return 0;
  try {
    const { after, ...rest } = JSON.parse(cursor);
    if (after > 0 && Object.keys(rest).length === 0) return after;
  } catch { /* told below */ }
  throw new Fault('CURSOR_LOST', "the cursor is not one of this connector's");
}

const methods = {
  async Check(call) {
    await ask(call, 'GET', '/v1/me');
    return {};
  },

  async Discover() {
    const properties = { email: { type: 'string' }, name: { type: 'string' } };
    return {
      streams: [{
        name: 'people', title: 'People', schema_json: Buffer.from(JSON.stringify({ type: 'object', properties })),
        modes: ['pull.full', 'pull.changes', 'push.upsert', 'push.delete'], keys: ['email'], person: true,
      }],
    };
  },

  async Pull(call, request, emit) {
    known(request.stream);
    for (let after = place(request.cursor), more = true; more;) {
      const page = await ask(call, 'GET', `/v1/people?after=${after}&limit=60`);
      const people = page.people ?? [];
      if (people.length === 0) return;
      after = people.at(-1).seq;
      ({ more } = page);
      await emit({
        records: people.map((p) => ({
          id: p.id, deleted: p.deleted ?? false, fields_json: p.fields ? Buffer.from(JSON.stringify(p.fields)) : null,
        })),
        cursor: Buffer.from(JSON.stringify({ after })),
      });
    }
  },

  async Upsert(call, request) {
    known(request.stream);
    const items = request.items.map((i) => ({ id: i.id, fields: parse(i.fields_json), delete: i.delete }));
    const done = await ask(call, 'POST', '/v1/people', items, true);
    const results = done.map((d) => {
      if (d.wrong === 'id') return { fault: new Fault('RECORD_GONE', 'there is no such person').wire };
      if (d.wrong) return { fault: new Fault('INVALID_RECORD', 'the vendor does not take it', { path: d.wrong }).wire };
      return { id: d.id, outcome: d.done.toUpperCase() };
    });
    return { results };
  },

  async Erase(call, request) {
    const body = { id: request.ids.people ?? '', email: request.identifiers.email ?? '' };
    const { known: was } = await ask(call, 'POST', '/v1/forget', body, true);
    const now = { seconds: Math.floor(Date.now() / 1000) };
    return { done: true, known: was, ref: request.key, detail: 'the person was deleted', erased: was ? now : null };
  },
};

// run runs a method on the connection, until it is cancelled or the connection is closed.
async function run(name, call, emit) {
  if (!connection) throw new Fault('INTERNAL', 'call Open first', { origin: 'HOST', reason: 'NOT_OPEN' });
  const stop = new AbortController();
  call.on('cancelled', () => stop.abort());
  call.signal = AbortSignal.any([stop.signal, connection.closed.signal]);
  const { calls } = connection;
  const running = methods[name](call, call.request, emit);
  const settled = running.catch(() => {}).finally(() => calls.delete(settled));
  calls.add(settled);
  return running;
}

const unary = (f) => (call, callback) => {
  Promise.resolve().then(() => f(call)).then((out) => callback(null, out), (error) => callback(status(grpc, error)));
};

async function pull(call) {
  const emit = async (page) => {
    if (!call.write(page) && !call.cancelled) {
      // The host is busy: wait, so that nothing piles up here.
      await new Promise((resume) => {
        call.once('drain', resume);
        call.signal.addEventListener('abort', resume);
      });
    }
    if (call.signal.aborted) throw new Fault('INTERNAL', 'the call was cancelled', { origin: 'HOST', reason: 'CANCELLED' });
  };
  try {
    await run('Pull', call, emit);
    call.end();
  } catch (error) {
    call.emit('error', status(grpc, error));
  }
}

const connector = {
  Spec: unary(() => ({ spec })),
  Open: unary((call) => {
    if (connection) throw new Fault('INTERNAL', 'this process has its connection', { origin: 'HOST', reason: 'ALREADY_OPEN' });
    open(call.request.config_json);
    return { offers: ['discover', 'pull', 'upsert', 'erase'] };
  }),
  Check: unary((call) => run('Check', call)),
  Close: unary(async () => {
    const old = connection;
    connection = null;
    old?.closed.abort();
    await Promise.all(old?.calls ?? []);
    return {};
  }),
  // This connector has nothing to say by itself.
  Attend: (call) => {
    call.on('data', () => {});
    call.on('end', () => call.end());
  },
};

function services() {
  const all = ['connector', 'source', 'destination'].map((f) => `headwater/plugin/v1/${f}.proto`);
  const loaded = loader.loadSync(all, { includeDirs: [protos], keepCase: true, longs: Number, defaults: true, arrays: true, objects: true });
  return grpc.loadPackageDefinition(loaded).headwater.plugin.v1;
}

// raw is a method of go-plugin's own, of which only the answer's bytes matter.
const raw = (where, answer, after = () => {}) => ({
  path: where, requestStream: false, responseStream: false, requestSerialize: (b) => b, requestDeserialize: (b) => b,
  responseSerialize: (b) => b, responseDeserialize: (b) => b, handle: (_, callback) => { callback(null, answer); after(); },
});

function own(server, list) {
  const definition = Object.fromEntries(list.map((m) => [m.path, m]));
  server.addService(definition, Object.fromEntries(list.map((m) => [m.path, m.handle])));
}

function main() {
  if (process.env.HEADWATER_CONNECTOR !== '3f6c0a52e1b94d7f8a7d1c5be0f2d946') {
    console.error('This is a connector for Headwater: a host starts it.');
    process.exit(2);
  }
  if (!(process.env.PLUGIN_PROTOCOL_VERSIONS ?? '1').split(',').includes('1')) {
    console.error('The host does not speak version 1 of the contract.');
    process.exit(1);
  }
  const { Connector, Source, Destination } = services();
  const limit = 16 << 20;
  const server = new grpc.Server({ 'grpc.max_receive_message_length': limit, 'grpc.max_send_message_length': limit });
  server.addService(Connector.service, connector);
  server.addService(Source.service, { Discover: unary((c) => run('Discover', c)), Pull: pull });
  server.addService(Destination.service, { Upsert: unary((c) => run('Upsert', c)), Erase: unary((c) => run('Erase', c)) });
  own(server, [
    raw('/grpc.health.v1.Health/Check', Buffer.from([8, 1])), // SERVING
    raw('/plugin.GRPCController/Shutdown', Buffer.alloc(0), () => setTimeout(() => process.exit(0), 20)), // the answer goes first
  ]);

  let credentials = grpc.ServerCredentials.createInsecure();
  let line = '';
  if (process.env.PLUGIN_CLIENT_CERT) {
    const mine = certificate();
    line = mine.line;
    credentials = grpc.ServerCredentials.createSsl(
      Buffer.from(process.env.PLUGIN_CLIENT_CERT), [{ cert_chain: mine.pem, private_key: mine.key }], true);
  }
  const folder = fs.mkdtempSync(path.join(process.env.PLUGIN_UNIX_SOCKET_DIR ?? os.tmpdir(), 'node-'));
  const socket = path.join(folder, 'connector.sock');
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => process.exit(0));
  setInterval(() => { if (process.ppid !== host) process.exit(0); }, 250).unref();
  server.bindAsync(`unix:${socket}`, credentials, (error) => {
    if (error) {
      console.error('the socket cannot be bound');
      process.exit(1);
    }
    process.stdout.write(`1|1|unix|${socket}|grpc|${line}\n`);
  });
}

main();
