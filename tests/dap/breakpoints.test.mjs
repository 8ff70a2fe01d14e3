// Breakpoints of every kind, and what they stop at.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breakAt, lineOf, source, using } from './session.mjs';

const entry = (session) => session.stop(() => session.launchDemo({ stopOnEntry: true }));
const go = (session) => session.stop(() => session.continueRequest({ threadId: 1 }));

async function local(session, threadId, name) {
  const frame = await session.top(threadId);
  return (await session.evaluateRequest({ expression: name, frameId: frame.id, context: 'watch' })).body.result;
}

test('a condition on a local variable stops where it holds', using(async (session) => {
  await entry(session);
  const { breakpoints } = (await breakAt(session, { line: lineOf('return n * below'), condition: 'n == 4' })).body;
  assert.equal(breakpoints[0].verified, true);
  const body = await go(session);
  assert.equal(body.reason, 'breakpoint');
  assert.deepEqual(body.hitBreakpointIds, [breakpoints[0].id]);
  assert.equal(await local(session, body.threadId, 'n'), '4');
}));

test('a condition on a register is decided by the engine', using(async (session) => {
  await entry(session);
  await session.send('setFunctionBreakpoints', { breakpoints: [{ name: 'beat', condition: '$rdi == 7' }] });
  const body = await go(session);
  assert.equal(body.reason, 'function breakpoint');
  const { points } = (await session.send('kvmdbg/points')).body;
  assert.match(points[0].wishes[0].rule, /rdi == 7/);
  assert.equal(Number(await local(session, body.threadId, '$rdi')), 7);
}));

for (const [hitCondition, wanted] of [['3', 3], ['==2', 2], ['>3', 4], ['>=2', 2], ['%4', 4]]) {
  test(`hit condition ${hitCondition} stops at hit ${wanted}`, using(async (session) => {
    await entry(session);
    await breakAt(session, { line: lineOf('return n * below'), hitCondition });
    const body = await go(session);
    assert.equal(await local(session, body.threadId, 'n'), String(wanted + 1));
  }));
}

test('log points print and never stop', using(async (session) => {
  await entry(session);
  await breakAt(session, { line: lineOf('return n * below'), logMessage: 'n is {n}' }, 'print("factorial 5 is ")');
  const before = session.events('stopped').length;
  const body = await go(session);
  assert.equal((await session.top(body.threadId)).line, lineOf('print("factorial 5 is ")'));
  assert.equal(session.events('stopped').length, before + 1);
  const lines = session.events('output').map((event) => event.body.output).filter((text) => text.startsWith('n is'));
  assert.deepEqual(lines, ['n is 2\n', 'n is 3\n', 'n is 4\n', 'n is 5\n']);
}));

test('an instruction breakpoint with an offset, in hardware', using(async (session) => {
  await entry(session);
  const at = (await session.send('setFunctionBreakpoints', { breakpoints: [{ name: 'list_sum' }] })).body.breakpoints[0];
  await session.send('setFunctionBreakpoints', { breakpoints: [] });
  const { breakpoints } = (await session.send('setInstructionBreakpoints', {
    breakpoints: [{ instructionReference: at.instructionReference, offset: 0, mode: 'hardware' }],
  })).body;
  assert.equal(breakpoints[0].verified, true);
  const { points } = (await session.send('kvmdbg/points')).body;
  assert.deepEqual(points.map((point) => point.kind), ['hardware']);
  const body = await go(session);
  assert.equal(body.reason, 'instruction breakpoint');
  assert.equal((await session.top(body.threadId)).instructionPointerReference, at.instructionReference);
}));

test('a data breakpoint by variable and by address', using(async (session) => {
  await session.stop(() => session.launchDemo({}, () => breakAt(session, 'return n * below')));
  await breakAt(session);
  const info = (await session.send('dataBreakpointInfo', { name: 'heartbeat' })).body;
  assert.match(info.dataId, /^0x[0-9a-f]+\/8$/);
  assert.deepEqual(info.accessTypes, ['write', 'readWrite']);
  const address = info.dataId.split('/')[0];
  const same = (await session.send('dataBreakpointInfo', { name: address, asAddress: true, bytes: 8 })).body;
  assert.equal(same.dataId, info.dataId);
  const { breakpoints } = (await session.send('setDataBreakpoints', { breakpoints: [{ dataId: info.dataId, accessType: 'write' }] })).body;
  assert.equal(breakpoints[0].verified, true);
  const body = await go(session);
  assert.equal(body.reason, 'data breakpoint');
  assert.deepEqual(body.hitBreakpointIds, [breakpoints[0].id]);
  assert.equal((await session.top(body.threadId)).name, 'beat');
  const none = (await session.send('dataBreakpointInfo', { name: '$rax' })).body;
  assert.equal(none.dataId, null);
}));

test('points are replaced, kept where they are the same, and set while the guest runs', using(async (session) => {
  await entry(session);
  const first = (await breakAt(session, 'return n * below', 'list_head = node')).body.breakpoints;
  const second = (await breakAt(session, 'list_head = node')).body.breakpoints;
  assert.equal(second[0].id, first[1].id);
  assert.equal((await session.send('kvmdbg/points')).body.points.length, 1);
  await breakAt(session);
  await session.continueRequest({ threadId: 1 });
  const body = await session.stop(() => breakAt(session, 'history[tick % 1024] = tick'));
  assert.equal(body.reason, 'breakpoint');
  assert.equal((await session.top(body.threadId)).name, 'beat');
}));

test('places for breakpoints, and what is wrong with the others', using(async (session) => {
  await entry(session);
  const { breakpoints } = (await session.send('breakpointLocations', {
    source: { path: source }, line: lineOf('uint64_t below'), endLine: lineOf('return n * below'),
  })).body;
  assert.ok(breakpoints.some((one) => one.line === lineOf('return n * below')));
  const nowhere = (await breakAt(session, { line: 100000 })).body.breakpoints[0];
  assert.equal(nowhere.verified, false);
  const wrong = async (command, args, pattern) => assert.match((await session.ask(command, args)).message, pattern);
  await wrong('setBreakpoints', { source: { path: source }, breakpoints: [{ line: -1 }] }, /breakpoints\[0\]\.line must be from 0/);
  await wrong('setBreakpoints', { source: { path: source }, breakpoints: [{}] }, /breakpoints\[0\]\.line is missing/);
  await wrong('setBreakpoints', { breakpoints: [] }, /source is missing/);
  await wrong('setBreakpoints', { source: { path: source }, breakpoints: [{ line: 3, hitCondition: '~' }] }, /hitCondition/);
  await wrong('setInstructionBreakpoints', { breakpoints: [{ instructionReference: 'main' }] }, /instructionReference/);
  const at = (instructionReference, offset) => ({ breakpoints: [{ instructionReference, offset }] });
  await wrong('setInstructionBreakpoints', at('0x10', -32), /offset -32 leads/);
  await wrong('setInstructionBreakpoints', at('0xfffffffffffffff0', 32), /offset 32 leads/);
  await wrong('setInstructionBreakpoints', at('p:0x1000', 0), /virtual/);
  await wrong('setDataBreakpoints', { breakpoints: [{ dataId: 'x' }] }, /dataId/);
}));
