// kvmdbg-dap as a server starts it: with the client's socket handed over, by stream and by WebSocket.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createConnection } from 'node:net';
import WebSocket from 'ws';
import { Server, Session, Worker, demo } from './session.mjs';

function handedOver(Kind, action, ...words) {
  return async () => {
    const server = await Server.start();
    const worker = await Worker.start(server, ...words);
    const session = new Kind();
    try {
      await session.reach(worker.port);
      await action(session, worker, server);
      if (session.wrong.length) throw new Error(session.wrong.join('\n'));
    } finally {
      (session.socket?.terminate ?? session.socket?.destroy)?.call(session.socket);
      await worker.ended;
      server.stop();
    }
  };
}

class Stream extends Session {
  async reach(port) {
    this.socket = createConnection(port, '127.0.0.1');
    this.connect(this.socket, this.socket);
  }
}

class Web extends Session {
  async reach(port, protocols = ['dap.v1']) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/dap`, protocols);
    this.closed = new Promise((resolve) => { this.socket.onclose = resolve; });
    this.socket.onmessage = (message) => this.dispatch(message.data);
    // the library frames for a stream: the JSON is what follows the empty line
    this.outputStream = { write: (text) => this.socket.send(text.slice(text.indexOf('\r\n\r\n') + 4)) };
    await new Promise((resolve, reject) => {
      this.socket.onopen = resolve;
      this.socket.onerror = reject;
    });
  }
}

async function tour(session, worker) {
  const body = await session.stop(() => session.begin('attach', { program: demo }));
  assert.equal(body.threadId, 1);
  await session.stop(() => session.stepInRequest({ threadId: 1, granularity: 'instruction' }));
  assert.notEqual((await session.top(1)).instructionPointerReference, '0x100000');
  const refused = await session.ask('attach', { server: 'unix:/tmp/other' });
  assert.equal(refused.success, false);
  await session.disconnectRequest({});
  assert.equal(await worker.ended, 0);
}

test('a stream socket is taken over with what was read of it', handedOver(Stream, tour));
test('a WebSocket is accepted from its upgrade request', handedOver(Web, async (session, worker) => {
  assert.equal(session.socket.protocol, 'dap.v1');
  await tour(session, worker);
}));

test('a binary frame ends the connection with 1003', handedOver(Web, async (session) => {
  session.socket.send(new Uint8Array([1, 2, 3]));
  assert.equal((await session.closed).code, 1003);
}));

test('a message beyond the limit ends the connection with 1009', handedOver(Web, async (session) => {
  session.socket.send(`"${'x'.repeat(2 << 20)}"`);
  assert.equal((await session.closed).code, 1009);
}));

test('a frame that is no request is answered, and the session goes on', handedOver(Web, async (session) => {
  const answer = (text) => {
    const before = session.messages.length;
    session.socket.send(text);
    return session.until(() => session.messages[before], 'an answer');
  };
  assert.match((await answer('{')).message, /JSON/);
  assert.match((await answer('['.repeat(10000))).message, /nests deeper than 64/);
  assert.match((await answer('Content-Length: 2\r\n\r\n{}')).message, /without Content-Length/);
  assert.match((await answer('{"seq":"x","type":"request","command":"threads"}')).message, /seq/);
  const body = await session.stop(() => session.begin('attach', { program: demo }));
  assert.equal(body.threadId, 1);
}));

test('a worker launches nothing and dials nobody', handedOver(Stream, async (session) => {
  await session.initializeRequest();
  assert.match((await session.ask('launch', { image: demo })).message, /attach/);
  assert.match((await session.ask('attach', { server: '127.0.0.1:1' })).message, /server/);
}));

test('a worker ends with its server, and its client is told', handedOver(Stream, async (session, worker, server) => {
  await session.stop(() => session.begin('attach', { program: demo }));
  server.process.kill('SIGKILL');
  await session.until(() => session.events('terminated').length, 'terminated');
  assert.equal(await worker.ended, 0);
}));

test('a worker told to observe may not move the guest', handedOver(Stream, async (session) => {
  await session.stop(() => session.begin('attach', { program: demo, role: 'control' }));
  assert.match((await session.ask('next', { threadId: 1 })).message, /observe/);
}, '--role', 'observe'));

test('a worker with --root reads no files but those in it', handedOver(Stream, async (session) => {
  await session.initializeRequest();
  assert.match((await session.ask('attach', { program: demo })).message, /in none of the folders that --root names/);
  assert.match((await session.ask('attach', { symbols: [{ path: '/etc/hostname' }] })).message, /--root/);
  const initialized = session.waitForEvent('initialized');
  const attached = session.ask('attach', {});
  await initialized;
  assert.equal((await session.ask('configurationDone')).success, true);
  assert.equal((await attached).success, true);
  assert.match((await session.ask('kvmdbg/symbols', { path: demo })).message, /--root/);
}, '--root', '/usr/share'));
