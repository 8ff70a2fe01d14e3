// Memory and code: readMemory, writeMemory, memory events, disassemble, sources.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { breakAt, programs, source, together, using } from './session.mjs';

const read = async (session, memoryReference, count, offset) => session.ask('readMemory', { memoryReference, count, offset });
const bytes = (answer) => Buffer.from(answer.body.data ?? '', 'base64');
const write = (session, memoryReference, hex, more = {}) =>
  session.ask('writeMemory', { memoryReference, data: Buffer.from(hex, 'hex').toString('base64'), ...more });

async function refused(session, command, args, pattern) {
  const answer = await session.ask(command, args);
  assert.equal(answer.success, false, `${command} ${JSON.stringify(args)} is taken: ${JSON.stringify(answer.body)}`);
  assert.match(answer.body.error.format, pattern);
}

async function inFactorial(session) {
  const body = await session.stop(() => session.launchDemo({}, () => breakAt(session, 'return n * below')));
  return { frame: await session.top(body.threadId), threadId: body.threadId };
}

/** Where LLDB finds a variable of the demo's. */
const addressOf = async (session, name) =>
  (await session.ask('evaluate', { expression: `&${name}`, context: 'watch' })).body.memoryReference;

test('memory is read by virtual, physical and other address spaces', using(async (session) => {
  await inFactorial(session);
  const at = await addressOf(session, 'nodes');
  const virtual = bytes(await read(session, at, 64));
  assert.equal(virtual.length, 64);
  const low = `0x${(BigInt(at) - 0xffffffff80000000n).toString(16)}`;
  assert.deepEqual(bytes(await read(session, `v:${at}`, 64)), virtual);
  assert.deepEqual(bytes(await read(session, `p:${low}`, 64)), virtual);
  const cr3 = (await session.ask('evaluate', { expression: '$cr3' })).body.result.split(' ')[0];
  assert.deepEqual(bytes(await read(session, `as:${cr3}:${at}`, 64)), virtual);
  assert.deepEqual(bytes(await read(session, BigInt(at).toString(), 64)), virtual);
  assert.deepEqual(bytes(await read(session, at, 32, 32)), virtual.subarray(32));
  const back = await read(session, `0x${(BigInt(at) + 16n).toString(16)}`, 64, -16);
  assert.equal(back.body.address, at);
  assert.deepEqual(bytes(back), virtual);
  assert.equal(bytes(await read(session, at, 65536)).length, 65536);
  assert.equal((await read(session, at, 0)).success, true);
}));

test('holes are unreadable bytes, and the guest is read, not the file', using(async (session) => {
  await inFactorial(session);
  const hole = await read(session, '0x8000000000', 16);
  assert.equal(hole.success, true);
  assert.equal(hole.body.unreadableBytes, 16);
  assert.equal(hole.body.data ?? '', '');
  const edge = await read(session, '0x3ffffff0', 0x2000); // the demo's tables end at 1 GiB; memory may end before
  assert.equal(edge.success, true);
  assert.ok(edge.body.unreadableBytes > 0);
  const end = await read(session, '0xfffffffffffffff0', 64);
  assert.equal(end.success, true);
  assert.equal(bytes(end).length + end.body.unreadableBytes, 64);
  const beyond = await read(session, 'p:0x7000000000', 4096);
  assert.equal(beyond.body.unreadableBytes, 4096);
  assert.equal((await read(session, 'as:0x0:0x7000000000', 16)).body.unreadableBytes, 16);
  const text = (await session.top(1)).instructionPointerReference;
  const before = bytes(await read(session, text, 4));
  assert.equal((await write(session, text, '90909090')).success, true);
  assert.equal(bytes(await read(session, text, 4)).toString('hex'), '90909090');
  await write(session, text, before.toString('hex'));
}));

test('what a client may say of memory wrongly is named', using(async (session) => {
  await inFactorial(session);
  for (const memoryReference of ['', 'pear', '0x', '0xg', 'p:', 'as:0x1000', 'as::', 'x:0x10', '-1', '0x10000000000000000']) {
    await refused(session, 'readMemory', { memoryReference, count: 1 }, /memoryReference/);
  }
  await refused(session, 'readMemory', { memoryReference: '0x1000', count: -1 }, /count/);
  await refused(session, 'readMemory', { memoryReference: '0x1000', count: 1e15 }, /count/);
  await refused(session, 'readMemory', { memoryReference: '0x1000', count: 1, offset: -8192 }, /offset/);
  await refused(session, 'readMemory', { count: 1 }, /memoryReference is missing/);
  await refused(session, 'writeMemory', { memoryReference: '0x1000', data: '*' }, /data/);
  await refused(session, 'disassemble', { memoryReference: '0x1000', instructionCount: -5 }, /instructionCount/);
  await refused(session, 'disassemble', { memoryReference: '0x1000', instructionCount: 1e8 }, /instructionCount/);
  await refused(session, 'disassemble', { memoryReference: '0x1000', instructionCount: 5, instructionOffset: -1e8 }, /instructionOffset/);
}));

test('memory is written in whole, in part when that is allowed, and events follow', using(async (session) => {
  await inFactorial(session);
  const at = await addressOf(session, 'history');
  await read(session, at, 64);
  await read(session, `v:${at}`, 16, 8);
  const seen = session.events('memory').length;
  assert.equal((await write(session, at, '0102030405060708', { offset: 16 })).body.bytesWritten, 8);
  await session.until(() => session.events('memory').length >= seen + 2, 'an event for each reference');
  const events = session.events('memory').slice(seen).map((one) => one.body);
  assert.deepEqual(events.find((one) => one.memoryReference === at), { memoryReference: at, offset: 16, count: 8 });
  assert.deepEqual(events.find((one) => one.memoryReference === `v:${at}`), { memoryReference: `v:${at}`, offset: 16, count: 8 });
  assert.equal(bytes(await read(session, at, 8, 16)).toString('hex'), '0102030405060708');
  const low = `p:0x${(BigInt(at) - 0xffffffff80000000n).toString(16)}`;
  assert.equal((await write(session, low, 'aa', { offset: 16 })).success, true);
  assert.equal(bytes(await read(session, at, 8, 16)).toString('hex'), 'aa02030405060708');
  assert.equal((await session.ask('evaluate', { expression: 'history[2]', context: 'watch' })).body.result, String(0x08070605040302aan));
  const before = session.events('memory').length;
  await session.ask('setExpression', { expression: 'history[0]', value: '77' });
  await session.until(() => session.events('memory').length > before, 'an event for a variable that is set');
  await refused(session, 'writeMemory', { memoryReference: '0x8000000000', data: 'AAAA' }, /no memory/);
}));

test('memory that another client writes is told of, and read anew', together(2, async (server, [a, b]) => {
  await a.stop(() => a.attachTo(server));
  await b.stop(() => b.attachTo(server));
  const before = bytes(await read(b, '0x200000', 8));
  const seen = b.events('memory').length;
  const other = before.toString('hex') === '1122334455667788' ? '8877665544332211' : '1122334455667788';
  assert.equal((await write(a, '0x200000', other)).success, true);
  await b.until(() => b.events('memory').length > seen, 'the other client is told');
  assert.equal(bytes(await read(b, '0x200000', 8)).toString('hex'), other);
  await a.continueRequest({ threadId: 1 });
  assert.equal(bytes(await read(a, 'p:0x200000', 8)).toString('hex'), other);
  assert.equal((await read(a, '0x200000', 8)).message, 'notStopped');
  const stopped = b.waitForEvent('stopped');
  const told = b.events('memory').length;
  await a.stop(() => a.pauseRequest({ threadId: 1 }));
  await stopped;
  await b.until(() => b.events('memory').length > told, 'a run may have changed it');
}));

test('other page tables can be looked through while the guest runs', using(async (session) => {
  await inFactorial(session);
  const at = await addressOf(session, 'nodes');
  const cr3 = (await session.ask('evaluate', { expression: '$cr3' })).body.result.split(' ')[0];
  const before = bytes(await read(session, at, 64));
  await breakAt(session);
  await session.continueRequest({ threadId: 1 });
  assert.deepEqual(bytes(await read(session, `as:${cr3}:${at}`, 64)), before);
  for (const reference of [`as:${cr3}:${at}`, 'p:0x200000']) {
    await refused(session, 'writeMemory', { memoryReference: reference, data: 'AAAA' }, /running/);
  }
  assert.equal((await read(session, `as:${cr3}:0x8000000000`, 8)).body.unreadableBytes, 8);
  assert.equal((await rows(session, { memoryReference: `as:${cr3}:0xffffffff80107000`, instructionCount: 4 })).length, 4);
}));

test('what has a hole is written up to it where that is allowed, else not at all', using(async (session) => {
  await inFactorial(session);
  const { body } = await read(session, 'p:0', 0x4000);
  assert.equal(body.unreadableBytes ?? 0, 0);
  // where physical memory ends
  let low = 0x100000, high = 0x100000000;
  while (high - low > 4096) {
    const middle = Math.floor((low + high) / 2 / 4096) * 4096;
    if (bytes(await read(session, `p:${middle}`, 1)).length) low = middle;
    else high = middle;
  }
  const edge = `p:${high - 4}`;
  const before = bytes(await read(session, edge, 4)).toString('hex');
  await refused(session, 'writeMemory', { memoryReference: edge, data: Buffer.alloc(8, 0x5a).toString('base64') }, /no memory at 0x/);
  assert.equal(bytes(await read(session, edge, 4)).toString('hex'), before);
  assert.equal((await write(session, edge, '5b5b5b5b5b5b5b5b', { allowPartial: true })).body.bytesWritten, 4);
  assert.equal(bytes(await read(session, edge, 4)).toString('hex'), '5b5b5b5b');
  await refused(session, 'writeMemory', { memoryReference: `p:${high}`, data: 'AAAA', allowPartial: true }, /no memory/);
}));

const rows = async (session, args) => (await session.disassembleRequest(args)).body.instructions;

test('code is shown in exactly as many rows as asked, both ways', using(async (session) => {
  const { frame } = await inFactorial(session);
  const memoryReference = frame.instructionPointerReference;
  const after = await rows(session, { memoryReference, instructionCount: 12, resolveSymbols: true });
  assert.equal(after.length, 12);
  assert.equal(after[0].address, memoryReference);
  assert.equal(after[0].symbol, 'factorial');
  assert.equal(after[0].line, frame.line);
  assert.equal(after[0].location.path, source);
  assert.match(after[0].instructionBytes, /^[0-9a-f]{2}( [0-9a-f]{2})*$/);
  for (let i = 1; i < after.length; ++i) {
    assert.equal(BigInt(after[i].address), BigInt(after[i - 1].address) + BigInt(after[i - 1].instructionBytes.split(' ').length));
  }
  const around = await rows(session, { memoryReference, instructionOffset: -100, instructionCount: 150 });
  assert.equal(around.length, 150);
  assert.equal(around[100].address, memoryReference);
  assert.deepEqual(around.slice(100, 112).map((one) => one.instruction), after.map((one) => one.instruction));
  const valid = around.slice(0, 100).filter((one) => one.presentationHint !== 'invalid');
  assert.ok(valid.length > 90, `${valid.length} of 100 rows before are code`);
  const ahead = await rows(session, { memoryReference, instructionOffset: 5, instructionCount: 3 });
  assert.deepEqual(ahead.map((one) => one.address), after.slice(5, 8).map((one) => one.address));
  const behind = await rows(session, { memoryReference, instructionOffset: -50, instructionCount: 10 });
  assert.deepEqual(behind.map((one) => one.address), around.slice(50, 60).map((one) => one.address));
  assert.equal((await rows(session, { memoryReference, instructionCount: 0 })).length, 0);
  // before a function's first byte: the end of the one before it
  const start = (await session.ask('evaluate', { expression: '&list_push', context: 'watch' })).body.memoryReference;
  const early = await rows(session, { memoryReference: start, instructionOffset: -6, instructionCount: 7, resolveSymbols: true });
  assert.ok(early.slice(0, 6).every((one) => one.presentationHint !== 'invalid'), JSON.stringify(early));
  assert.equal(early[6].symbol, 'list_push');
}));

test('code without memory and at address 0 has fillers', using(async (session) => {
  await inFactorial(session);
  const hole = await rows(session, { memoryReference: '0x8000000000', instructionOffset: -5, instructionCount: 10 });
  assert.equal(hole.length, 10);
  assert.ok(hole.every((one) => one.presentationHint === 'invalid'));
  const zero = await rows(session, { memoryReference: '0x0', instructionOffset: -50, instructionCount: 100 });
  assert.equal(zero.length, 100);
  assert.ok(zero.slice(0, 50).every((one) => one.presentationHint === 'invalid'));
  assert.equal(zero[50].address, '0x0');
  assert.notEqual(zero[50].presentationHint, 'invalid');
  const physical = await rows(session, { memoryReference: 'p:0x100000', instructionCount: 4 });
  assert.equal(physical.length, 4);
  assert.notEqual(physical[0].presentationHint, 'invalid');
}));

test('code is decoded as wide as its processor runs it', using(async (session) => {
  const { threadId } = await session.stop(() => session.launchDemo({ stopOnEntry: true }));
  const memoryReference = (await session.top(threadId)).instructionPointerReference;
  assert.equal(memoryReference, '0x100000');
  const code = await rows(session, { memoryReference, instructionCount: 6 });
  assert.match(code[0].instruction, /^mov dword ptr \[.*\], ebx/);
  assert.match(code[1].instruction, /^mov esp, /);
  assert.match(code.map((one) => one.instruction).join('\n'), /call/);
}));

test('code of a processor in real mode is 16-bit code, at its linear address', using(async (session) => {
  const { threadId } = await session.stop(() => session.launchDemo({
    program: '', image: join(programs.guests, 'real16.elf'), cpus: 1, stopOnEntry: true }));
  // to what the guest itself puts in real mode
  for (let steps = 0; steps < 200; ++steps) {
    const cr0 = (await session.ask('evaluate', { expression: '$cr0' })).body.result;
    if (!/\bPE\b/.test(cr0)) break;
    await session.stop(() => session.stepInRequest({ threadId, granularity: 'instruction' }));
  }
  const frame = await session.top(threadId);
  const code = await rows(session, { memoryReference: frame.instructionPointerReference, instructionCount: 8 });
  const segment = (await session.ask('evaluate', { expression: '$cs_base' })).body.result;
  const rip = (await session.ask('evaluate', { expression: '$rip' })).body.result;
  assert.equal(BigInt(frame.instructionPointerReference), BigInt(segment) + BigInt(rip));
  assert.doesNotMatch(code.map((one) => one.instruction).join('\n'), /\br[a-d]x\b/);
}));

test('frames without source have a listing, sources come from configured folders only', using(async (session) => {
  const folder = mkdtempSync(join(tmpdir(), 'kvmdbg-dap-sources-'));
  try {
    writeFileSync(join(folder, 'here.c'), 'int here;\n');
    symlinkSync('/etc/hostname', join(folder, 'out.c'));
    const { threadId } = await session.stop(() => session.launchDemo({
      program: '', image: join(programs.guests, 'demo.elf'), stopOnEntry: true, sourceMap: { '/build': folder } }));
    const frame = await session.top(threadId);
    assert.ok(frame.source.sourceReference > 0);
    const listed = (await session.sourceRequest({ sourceReference: frame.source.sourceReference, source: frame.source })).body;
    assert.match(listed.content.split('\n')[frame.line - 1], /0x0*100000 +mov/);
    const inside = await session.ask('source', { sourceReference: 0, source: { path: join(folder, 'here.c') } });
    assert.equal(inside.body?.content, 'int here;\n', JSON.stringify(inside));
    for (const path of ['/etc/passwd', join(folder, '../../etc/passwd'), join(folder, 'out.c'), join(folder, 'none.c'), folder, dirname(folder)]) {
      await refused(session, 'source', { sourceReference: 0, source: { path } }, /source\.path/);
    }
    await refused(session, 'source', { sourceReference: 4711 }, /sourceReference 4711/);
    await refused(session, 'source', { sourceReference: 0 }, /source\.path/);
  } finally {
    rmSync(folder, { recursive: true });
  }
}));

test('modules and sources are told', using(async (session) => {
  await inFactorial(session);
  const { modules, totalModules } = (await session.modulesRequest({})).body;
  assert.equal(totalModules, modules.length);
  const demo = modules.find((one) => one.name === 'demo.elf');
  assert.equal(demo.symbolStatus, 'symbols and lines');
  assert.match(demo.addressRange, /^0x[0-9a-f]+-0xffffffff8/);
  const { sources } = (await session.ask('loadedSources', {})).body;
  assert.ok(sources.some((one) => one.path === source));
  await refused(session, 'modules', { startModule: -1 }, /startModule/);
}));
