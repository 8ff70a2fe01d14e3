// Exceptions, going elsewhere, symbols, leaving, restarting, and what is wrong with a request.
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { breakAt, demo, lineOf, programs, source, together, using } from './session.mjs';

const entry = (session, args = {}) => session.stop(() => session.launchDemo({ stopOnEntry: true, ...args }));
const go = (session) => session.stop(() => session.continueRequest({ threadId: 1 }));

test('the filters for CPU exceptions are there, and info tells what was raised', using(async (session) => {
  const program = join(programs.guests, 'traps.elf');
  await session.stop(() => session.begin('launch', { program, stopOnEntry: true }));
  await session.send('setFunctionBreakpoints', { breakpoints: [{ name: 'main' }] });
  await go(session); // there are no handlers before
  const filters = session.messages.find((one) => one.command === 'initialize').body.exceptionBreakpointFilters;
  assert.ok(filters.some((one) => one.filter === '#PF' && one.supportsCondition));
  const { breakpoints } = (await session.send('setExceptionBreakpoints', { filters: ['#UD', '#XX'] })).body;
  assert.equal(breakpoints[0].verified, true);
  assert.equal(breakpoints[1].verified, false);
  const none = await session.ask('exceptionInfo', { threadId: 1 });
  assert.match(none.message, /has not stopped for an exception/);
  const body = await go(session);
  assert.equal(body.reason, 'exception');
  const info = (await session.send('exceptionInfo', { threadId: body.threadId })).body;
  assert.equal(info.exceptionId, '#UD');
  assert.match(info.description, /rip 0x/);
  await session.send('setExceptionBreakpoints', { filters: [], filterOptions: [{ filterId: '#PF', condition: '0' }] });
  const fault = await go(session);
  const page = (await session.send('exceptionInfo', { threadId: fault.threadId })).body;
  assert.equal(page.exceptionId, '#PF');
  assert.match(page.description, /error code 0x0: read from a page that is not present, by the kernel; cr2 0x/);
}));

test('goto moves the pc to another line', using(async (session) => {
  await entry(session);
  await breakAt(session, 'list_push(&nodes[i])');
  await go(session);
  const line = lineOf('print("factorial 5 is ")');
  const { targets } = (await session.send('gotoTargets', { source: { path: source }, line })).body;
  assert.ok(targets.length > 0);
  const body = await session.stop(() => session.send('goto', { threadId: 1, targetId: targets[0].id }));
  assert.equal(body.reason, 'goto');
  assert.equal((await session.top(1)).line, line);
  assert.match((await session.ask('goto', { threadId: 1, targetId: 9999 })).message, /targetId 9999/);
}));

test('a file without symbols is said, and the machine can be debugged', using(async (session) => {
  const corrupt = join(mkdtempSync(join(tmpdir(), 'kvmdbg-dap-')), 'corrupt.elf');
  writeFileSync(corrupt, 'no ELF');
  await session.stop(() => session.begin('launch', {
    image: demo, stopOnEntry: true, symbols: [{ path: '/nowhere' }, { path: corrupt }],
  }));
  const warnings = session.events('output').map((event) => event.body.output).filter((text) => text.startsWith('no symbols'));
  assert.equal(warnings.length, 2);
  await session.stop(() => session.stepInRequest({ threadId: 1, granularity: 'instruction' }));
  assert.match((await session.top(1)).name, /^0x/);
}));

test('symbols lie where they are said to lie', using(async (session) => {
  await session.stop(() => session.begin('launch', {
    image: demo, stopOnEntry: true, symbols: [{ path: demo, slide: '0x1000' }],
  }));
  const { breakpoints } = (await session.send('setFunctionBreakpoints', { breakpoints: [{ name: 'beat' }] })).body;
  await session.send('setFunctionBreakpoints', { breakpoints: [] });
  const { points } = (await session.send('kvmdbg/points')).body;
  assert.equal(points.length, 0);
  assert.equal(BigInt(breakpoints[0].instructionReference) % 0x1000n >= 0n, true);
  const other = session.events('progressStart').length;
  assert.equal(other, 1);
  assert.equal(session.events('progressEnd').length, 1);
}));

test('restart brings the guest back to its entry, with its points', using(async (session) => {
  await entry(session);
  await breakAt(session, 'list_push(&nodes[i])');
  const first = await go(session);
  const place = (await session.top(first.threadId)).instructionPointerReference;
  await session.stop(() => session.send('restart', {}));
  assert.equal((await session.top(1)).instructionPointerReference, '0x100000');
  const again = await go(session);
  assert.equal((await session.top(again.threadId)).instructionPointerReference, place);
}));

test('terminate ends the guest, and the client is told', using(async (session) => {
  await entry(session);
  const terminated = session.waitForEvent('terminated');
  await session.send('terminate', {});
  await terminated;
}));

test('disconnect leaves the guest running, or standing when that is wished', together(3, async (server, [a, b, c]) => {
  await a.stop(() => a.attachTo(server));
  await a.stop(() => a.stepInRequest({ threadId: 1, granularity: 'instruction' }));
  await a.disconnectRequest({});
  await a.ended;
  await b.attachTo(server);
  assert.equal((await b.send('kvmdbg/vcpus')).body.running, true);
  await b.disconnectRequest({ suspendDebuggee: true });
  await b.ended;
  await c.stop(() => c.attachTo(server));
  assert.equal((await c.send('kvmdbg/vcpus')).body.running, false);
}));

test('bad requests are answered with what is wrong, and the session goes on', using(async (session) => {
  const wrong = async (command, args, pattern) => {
    const answer = await session.ask(command, args);
    assert.equal(answer.success, false);
    assert.match(answer.body.error.format, pattern);
  };
  await wrong('threads', {}, /threads comes before initialize/);
  await session.initializeRequest();
  await wrong('initialize', { adapterID: 'x' }, /once/);
  await wrong('threads', {}, /no guest/);
  await wrong('launch', { image: 7 }, /image must be a text, not 7/);
  await wrong('launch', {}, /image is missing/);
  await wrong('launch', { image: '/nowhere' }, /nowhere/);
  await wrong('attach', { server: 'unix:/nowhere' }, /nowhere/);
  await wrong('attach', { server: 'x' }, /HOST:PORT/);
  await wrong('attach', { symbols: [{}] }, /symbols\[0\]\.path is missing/);
  const initialized = session.waitForEvent('initialized');
  await session.send('launch', { program: demo, stopOnEntry: true });
  await initialized;
  await session.stop(() => session.configurationDoneRequest());
  await wrong('configurationDone', {}, /once/);
  await wrong('fly', {}, /fly is not known/);
  await wrong('stackTrace', { threadId: -3 }, /threadId/);
  await wrong('stackTrace', { threadId: 99 }, /threadId 99/);
  await wrong('stackTrace', { threadId: 1e12 }, /threadId must be from/);
  await wrong('stackTrace', { threadId: 1, levels: -1 }, /levels must be from 0/);
  await wrong('scopes', { frameId: 12345 }, /frameId 12345/);
  const frame = await session.top(1);
  await session.stop(() => session.stepInRequest({ threadId: 1, granularity: 'instruction' }));
  await wrong('scopes', { frameId: frame.id }, /stale/);
  await wrong('continue', {}, /threadId is missing/);
  const send = (bytes) => session.outputStream.write(Buffer.concat([Buffer.from(`Content-Length: ${bytes.length}\r\n\r\n`), bytes]));
  const before = session.messages.length;
  send(Buffer.from('{"seq":1,"type":"request","command":"\xff"}', 'latin1'));
  await session.until(() => session.messages.length > before, 'an answer to invalid UTF-8');
  assert.match(session.messages.at(-1).message, /UTF-8/);
  assert.equal((await session.threadsRequest()).body.threads.length, 1);
}));

test('bytes that are no frame end the session with a word', async () => {
  await using(async (session) => {
    session.outputStream.write('GET / HTTP/1.0\r\n\r\n');
    assert.equal(await session.ended, 1);
    assert.match(session.stderr, /not a DAP frame/);
  })().catch((error) => assert.match(error.message, /^kvmdbg-dap: 1/));
});
