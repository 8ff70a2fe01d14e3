// What becomes of the others when a client is slow, greedy or gone, or a process dies.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Remote, Server, Session, alive, childrenOf, demo, together, using } from './session.mjs';

/** Runs a case with a server; whatever `start` made is ended after it. */
function served(action, ...words) {
  return async () => {
    const server = await Server.start(...words);
    const all = [];
    const start = async (Kind = Remote) => {
      const session = new Kind();
      all.push(session);
      await session.start(server);
      return session;
    };
    try {
      await action(server, start);
      assert.deepEqual(all.flatMap((one) => one.wrong), []);
    } finally {
      for (const session of all) session.process?.kill('SIGKILL');
      server.stop();
    }
  };
}

const attach = (session) => session.stop(() => session.begin('attach', { program: demo }));
const attachFrom = (session, server) => session.stop(() => session.attachTo(server));
const runs = async (session) => (await session.send('kvmdbg/vcpus')).body.running;

/** Requests in one write, numbered by hand. */
function flood(session, requests) {
  let seq = 1_000_000;
  const framed = requests.map(([command, args]) => {
    const text = JSON.stringify({ seq: ++seq, type: 'request', command, arguments: args });
    return `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
  });
  session.outputStream.write(framed.join(''));
}

test('a request that waits is cancelled', using(async (session) => {
  await session.stop(() => session.launchDemo({ stopOnEntry: true }));
  const slow = Array.from({ length: 100 }, () => ['disassemble', { memoryReference: '0x100000', instructionCount: 200 }]);
  flood(session, [...slow, ['readMemory', { memoryReference: '0x100000', count: 4 }], ['cancel', { requestId: 1_000_101 }]]);
  const answer = await session.until(() => session.messages.find((one) => one.request_seq === 1_000_101), 'an answer');
  assert.equal(answer.success, false);
  assert.equal(answer.message, 'cancelled');
  assert.ok(session.messages.filter((one) => one.command === 'disassemble').length < 100, 'cancel has waited');
  assert.equal((await session.ask('cancel', { requestId: 4711 })).success, true);
  assert.match((await session.ask('cancel', { requestId: 'x' })).message, /requestId/);
}));

test('a client with too many requests that wait is dropped, with a word', async () => {
  const session = new Session();
  await session.start();
  try {
    await session.stop(() => session.launchDemo({ stopOnEntry: true }));
    flood(session, Array.from({ length: 3000 }, () => ['disassemble', { memoryReference: '0x100000', instructionCount: 500 }]));
    assert.equal(await session.ended, 1);
    assert.match(session.stderr, /more than 1000 requests wait/);
  } finally {
    session.process.kill('SIGKILL');
  }
});

test('a client that stops reading is dropped; the guest and others go on', served(async (server, start) => {
  const [slow, other] = [await start(), await start(Session)];
  await attach(slow);
  await attachFrom(other, server);
  await other.continueRequest({ threadId: 1 });
  slow.socket.pause();
  flood(slow, Array.from({ length: 400 }, () => ['readMemory', { memoryReference: 'p:0x100000', count: 1 << 20 }]));
  await other.until(() => /leaves more than 32 MiB unread/.test(server.log), 'a line in the log', 60000);
  await other.until(() => /ended with status 1/.test(server.log), 'its end in the log');
  assert.equal(await runs(other), true);
  await other.stop(() => other.pauseRequest({ threadId: 1 }));
}));

test('disconnect ends a guest that was attached to, when that is wished', served(async (server, start) => {
  const session = await start();
  await attach(session);
  const gone = new Promise((resolve) => { server.process.on('exit', resolve); });
  await session.disconnectRequest({ terminateDebuggee: true });
  assert.equal(await gone, 0);
}));

/** A client of gdb's packets: sends, and waits for a packet that begins so. */
class Packets {
  constructor(server) {
    this.heard = '';
    this.socket = connect(server.address.slice('unix:'.length));
    this.socket.on('error', () => {});
    this.socket.on('data', (data) => { this.heard += data.toString('latin1'); this.socket.write('+'); });
  }
  send(text) {
    const sum = [...Buffer.from(text)].reduce((a, b) => a + b, 0) & 0xff;
    this.heard = '';
    this.socket.write(`+$${text}#${sum.toString(16).padStart(2, '0')}`);
  }
  async expect(start, limit = 20000) {
    for (const end = Date.now() + limit; !this.heard.includes(`$${start}`); await pause(10)) {
      if (Date.now() > end) throw new Error(`no packet ${start}: heard ${JSON.stringify(this.heard)}`);
    }
  }
}

test('sixteen clients of both kinds are all told of a stop', served(async (server, start) => {
  const sessions = [];
  for (let i = 0; i < 8; ++i) sessions.push(await start());
  for (const session of sessions) await attach(session);
  const packets = Array.from({ length: 8 }, () => new Packets(server));
  try {
    for (const one of packets) {
      one.send('?');
      await one.expect('T');
    }
    const [driver, ...others] = sessions;
    const continued = others.map((one) => one.waitForEvent('continued'));
    await driver.continueRequest({ threadId: 1 });
    await Promise.all(continued);
    for (const one of packets) one.send('c'); // joins the run
    await pause(200);
    const stops = sessions.map((one) => one.waitForEvent('stopped'));
    await driver.pauseRequest({ threadId: 1 });
    const bodies = (await Promise.all(stops)).map((one) => one.body);
    await Promise.all(packets.map((one) => one.expect('T')));
    const places = await Promise.all(sessions.map((one) => one.top(bodies[0].threadId)));
    assert.equal(new Set(places.map((one) => one.instructionPointerReference)).size, 1);
    const { clients } = (await driver.send('kvmdbg/clients')).body;
    assert.ok(clients.length >= 16, `${clients.length} clients`);
  } finally {
    for (const one of packets) one.socket.destroy();
  }
}, '--max-workers', '8'));

const workersOf = (server) => childrenOf(server.process.pid);

test('a worker that is killed ends its client alone', served(async (server, start) => {
  const [own, other] = [await start(), await start(Session)];
  await attach(own);
  const [worker] = workersOf(server);
  await attachFrom(other, server);
  await other.continueRequest({ threadId: 1 });
  process.kill(worker, 'SIGKILL');
  await own.ended;
  assert.match(own.events('output').at(-1).body.output, /killed by signal 9/);
  assert.equal(own.events('terminated').length, 1);
  assert.equal(await runs(other), true);
  await other.stop(() => other.pauseRequest({ threadId: 1 }));
  await attach(await start());
}));

test('a worker that hangs is ended, and nobody else notices', served(async (server, start) => {
  const [own, other] = [await start(), await start(Session)];
  await attach(own);
  const [worker] = workersOf(server);
  await attachFrom(other, server);
  await other.continueRequest({ threadId: 1 });
  process.kill(worker, 'SIGSTOP');
  flood(own, [['threads', {}]]);
  assert.equal(await runs(other), true);
  await own.ended;
  assert.match(own.events('output').at(-1).body.output, /read nothing of its client for 2 s/);
  assert.equal(alive(worker), false);
  assert.equal(await runs(other), true);
  await other.stop(() => other.pauseRequest({ threadId: 1 }));
}, '--worker-timeout', '2'));

test('an adapter that is killed takes the guest that it launched with it', async () => {
  const session = new Session();
  await session.start();
  try {
    await session.stop(() => session.launchDemo({ stopOnEntry: true }));
    const guests = childrenOf(session.process.pid).flatMap(childrenOf);
    assert.equal(guests.length, 1);
    assert.ok(alive(guests[0]));
    session.process.kill('SIGKILL');
    await session.until(() => !alive(guests[0]), 'the guest ends');
  } finally {
    session.process.kill('SIGKILL');
  }
});

test('a client that goes without a word takes its guest with it, too', async () => {
  const session = new Session();
  await session.start();
  await session.stop(() => session.launchDemo({ stopOnEntry: true }));
  const guests = childrenOf(session.process.pid).flatMap(childrenOf);
  session.process.stdin.end();
  assert.equal(await session.ended, 0);
  await session.until(() => !alive(guests[0]), 'the guest ends');
});

test('an adapter that is killed leaves the guest that it attached to', together(2, async (server, [own, other]) => {
  await attachFrom(own, server);
  await attachFrom(other, server);
  await own.continueRequest({ threadId: 1 });
  await other.until(() => other.events('continued').length, 'the run is seen');
  own.process.kill('SIGKILL');
  await own.ended;
  assert.equal(await runs(other), true);
  await other.until(async () => (await other.send('kvmdbg/clients')).body.clients.length === 1, 'its connections go');
  await other.stop(() => other.pauseRequest({ threadId: 1 }));
  await own.start(); // there is a session to finish
  await attachFrom(own, server);
}));

test('a server that is killed ends all sessions in words', together(2, async (server, sessions) => {
  for (const session of sessions) await attachFrom(session, server);
  const ends = sessions.map((one) => one.waitForEvent('terminated'));
  server.process.kill('SIGKILL');
  await Promise.all(ends);
  for (const session of sessions) {
    assert.match(session.events('output').at(-1).body.output, /server has/);
    assert.equal(session.events('exited').length, 0);
    assert.match((await session.ask('threads')).message, /over/);
  }
}));
