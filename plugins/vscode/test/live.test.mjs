// Sessions with a real kvmdbg, through the descriptors that the extension makes.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { Session, activated, programs, until, withServer } from './host.mjs';

const ways = {
  'a program here, to a port': ['DebugAdapterExecutable', (server) => ({ server: server.address, adapter: programs.adapter })],
  'a program here, to a unix socket': ['DebugAdapterExecutable', (server) => ({ server: `unix:${server.socket}`, adapter: programs.adapter })],
  'a program here, with a token': ['DebugAdapterExecutable', (server) => ({ server: server.address, adapter: programs.adapter, tokenFile: server.tokenFile })],
  "the server's port": ['DebugAdapterServer', (server) => ({ connect: server.address })],
  "the server's unix socket": ['DebugAdapterNamedPipeServer', (server) => ({ connect: `unix:${server.socket}` })],
  'a WebSocket': ['DebugAdapterInlineImplementation', (server) => ({ connect: `ws://${server.address}`, tokenFile: server.tokenFile })],
};

for (const [name, [kind, fields]] of Object.entries(ways)) {
  test(`attach by ${name}`, withServer(async (server, begin, vscode) => {
    const session = await begin({ type: 'kvmdbg', request: 'attach', name, program: programs.demo, ...fields(server) });
    assert.ok(session.descriptor instanceof vscode.api[kind], `${session.descriptor.constructor.name} instead of ${kind}`);
    assert.equal((await session.event('stopped')).body.description, 'at entry');
    const { threads } = await session.customRequest('threads', {});
    assert.equal(threads.length, 2);
    const { stackFrames } = await session.customRequest('stackTrace', { threadId: threads[0].id, levels: 1 });
    assert.equal(stackFrames[0].source.name, 'boot.S');
    await session.end();
    assert.equal(server.process.exitCode, null);
  }));
}

test('launch starts a guest of its own, which ends with the session', async () => {
  const session = await Session.begin(activated(), {
    type: 'kvmdbg', request: 'launch', name: 'launch', program: programs.demo, cpus: 2, memory: '64M', stopOnEntry: true, adapter: programs.adapter,
  });
  try {
    await session.event('stopped');
    assert.equal((await session.customRequest('threads', {})).threads.length, 2);
    await assert.doesNotReject(session.command('openPage'));
    assert.match(session.vscode.seen.errors[0], /private socket.*kvmdbg run --listen/);
    await session.end();
  } finally {
    session.leave();
  }
});

test('a wrong token is refused with what the server said and what to do', withServer(async (server, begin) => {
  await assert.rejects(begin({ type: 'kvmdbg', request: 'attach', name: 'x', connect: `ws://${server.address}`, token: '0'.repeat(64) }),
    /answers 403 Forbidden: kvmdbg: a token of this run is needed.*names the file/s);
}));

test("with the observers' token the session looks only", withServer(async (server, begin, vscode) => {
  const tokenFile = server.tokenFile.replace(/\.token$/, '.observe-token');
  const session = await begin({ type: 'kvmdbg', request: 'attach', name: 'x', connect: `ws://${server.address}`, tokenFile });
  await session.command('takeControl');
  assert.match(vscode.seen.errors[0], /observe/);
  await session.end();
}));

test('a WebSocket that is lost ends the session with a sentence', withServer(async (server, begin) => {
  const session = await begin({ type: 'kvmdbg', request: 'attach', name: 'x', connect: `ws://${server.address}`, tokenFile: server.tokenFile });
  await session.event('stopped');
  server.process.kill('SIGKILL');
  await session.event('terminated');
  assert.ok(session.messages.some((one) => one.event === 'output' && one.body.category === 'important' && one.body.output.trim()));
}));

test('nobody who listens is told with the address and the way to start', async () => {
  const vscode = activated();
  for (const fields of [{ connect: '127.0.0.1:1' }, { server: '127.0.0.1:1', adapter: programs.adapter }, { connect: 'unix:/no/such' }]) {
    await assert.rejects(Session.begin(vscode, { type: 'kvmdbg', request: 'attach', name: 'x', ...fields }),
      /Cannot connect to (127\.0\.0\.1:1|unix:\/no\/such): .*(ECONNREFUSED|ENOENT).*kvmdbg run --listen/);
  }
  await assert.rejects(Session.begin(vscode, { type: 'kvmdbg', request: 'attach', name: 'x', connect: 'ws://127.0.0.1:1', token: 'x' }),
    /cannot connect to ws:\/\/127\.0\.0\.1:1\/dap: .*ECONNREFUSED.*kvmdbg run/);
});

test("the server's log has no refusal of a session that succeeds", withServer(async (server, begin) => {
  const session = await begin({ type: 'kvmdbg', request: 'attach', name: 'x', connect: server.address });
  await pause(400);
  assert.doesNotMatch(server.log, /refused/);
  await session.end();
}));

test('commands: take control, translate, capture, open the page', withServer(async (server, begin, vscode) => {
  const session = await begin({ type: 'kvmdbg', request: 'attach', name: 'x', program: programs.demo, connect: `ws://${server.address}`, tokenFile: server.tokenFile });
  await session.event('stopped');
  await session.command('takeControl');
  assert.match(vscode.seen.messages[0], /run control is this session's \(nobody had it\)/);

  vscode.answers.input = '0x100000';
  await session.command('translate');
  assert.match(vscode.seen.channels.kvmdbg.join('\n'), /^0x100000 is p:0x100000: no paging.*\n {2}paging off/m);
  vscode.api.debug.activeStackItem = { session, threadId: 2 };
  vscode.answers.input = 'beat';
  await session.command('translate');
  assert.match(vscode.seen.channels.kvmdbg.at(-1), /^0xffffffff8010[0-9a-f]+ on vCPU 1 is /);
  vscode.answers.input = 'no_such_thing';
  await session.command('translate');
  assert.equal(vscode.seen.errors.length, 1);
  assert.match(vscode.seen.errors[0], /no_such_thing/);

  await session.command('trace');
  assert.match(vscode.seen.messages[1], /captured.*--trace FILE/);
  await session.customRequest('restart', { arguments: session.configuration });
  await session.command('trace');
  const trace = vscode.seen.channels['kvmdbg trace'];
  assert.ok(trace.some((line) => line.includes('-> {') && line.includes('"restart"')));
  assert.ok(trace.some((line) => line.includes('<- {') && line.includes('"response"')));
  assert.doesNotMatch(trace.join('\n'), /tokenFile/);
  const length = trace.length;
  await session.customRequest('threads', {});
  assert.equal(trace.length, length);

  await session.command('openPage');
  assert.match(vscode.seen.opened[0], new RegExp(`^http://${server.address}/#t=[0-9a-f]{64}$`));
  await session.end();
}));

test("the guest's console is a terminal that takes keys", withServer(async (server, begin, vscode) => {
  const session = await begin({ type: 'kvmdbg', request: 'attach', name: 'demo', program: programs.demo, connect: server.address });
  await session.event('stopped');
  assert.equal(vscode.seen.terminals.length, 0);
  await session.customRequest('continue', { threadId: 1 });
  const terminal = await until(() => vscode.seen.terminals[0], 'a terminal');
  assert.equal(terminal.name, 'Guest: demo');
  await until(() => terminal.text.includes('second processor runs\r\n'), 'the greeting');
  await pause(200);
  const { text } = await session.customRequest('kvmdbg/console', {});
  assert.equal(terminal.text, text.replaceAll('\n', '\r\n')); // nothing is missing, nothing is there twice
  terminal.pty.handleInput('q'); // powers the guest off
  await until(() => session.messages.filter((one) => one.event === 'stopped' || one.event === 'terminated').length > 1, 'the guest\'s end');
  await session.end();
  assert.match(terminal.text, /\[kvmdbg: the session has ended\]\r\n$/);
}));

test('the console on demand shows what was written before, and tells an observer that it may not type', withServer(async (server, begin, vscode) => {
  vscode.answers.settings.terminal = false;
  const driver = await begin({ type: 'kvmdbg', request: 'attach', name: 'a', connect: server.address });
  await driver.event('stopped');
  await driver.customRequest('continue', { threadId: 1 });
  await until(async () => (await driver.customRequest('kvmdbg/console', {})).text.includes('second processor'), 'the greeting');
  const session = await begin({ type: 'kvmdbg', request: 'attach', name: 'b', connect: server.address, role: 'observe' });
  assert.equal(vscode.seen.terminals.length, 0);
  await session.command('console');
  const [terminal] = vscode.seen.terminals;
  await until(() => terminal.text.includes('factorial 5 is 120'), 'what was written before');
  terminal.pty.handleInput('x');
  await until(() => /\[kvmdbg: .*observe.*\]/.test(terminal.text), 'the refusal');
}));

test('the token file of a run goes with it', withServer(async (server, begin) => {
  const { tokenFile, address } = server;
  assert.ok(existsSync(tokenFile));
  await assert.rejects(begin({ type: 'kvmdbg', request: 'attach', name: 'x', connect: `ws://${address}`, tokenFile: `${tokenFile}.none` }),
    /"tokenFile" cannot be read: ENOENT.*names the file/);
  await assert.rejects(begin({ type: 'kvmdbg', request: 'attach', name: 'x', connect: `ws://${address}`, tokenFile: programs.demo }), /holds no token/);
}));
