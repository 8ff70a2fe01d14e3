// Files with symbols: where they lie, where their sources are, what is wrong with them, large ones.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { demo, source, together, using } from './session.mjs';

/** Runs a case with a session and a folder of its own. */
const inFolder = (action) => using(async (session) => {
  const folder = mkdtempSync(join(tmpdir(), 'kvmdbg-dap-symbols-'));
  try {
    await action(session, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** At the guest's entry, with these symbols and no others. */
const withSymbols = (session, symbols, more = {}) =>
  session.stop(() => session.begin('launch', { image: demo, stopOnEntry: true, symbols, ...more }));

async function placeOf(session, name) {
  const { breakpoints } = (await session.send('setFunctionBreakpoints', { breakpoints: [{ name }] })).body;
  await session.send('setFunctionBreakpoints', { breakpoints: [] });
  return breakpoints[0].verified ? BigInt(breakpoints[0].instructionReference) : undefined;
}
const warnings = (session) => session.events('output').filter((event) => event.body.category === 'important')
  .map((event) => event.body.output);

test('a slide moves symbols, and another one moves them and their breakpoints again', inFolder(async (session) => {
  await withSymbols(session, [{ path: demo, slide: '0x1000' }]);
  const slid = await placeOf(session, 'beat');
  await session.send('setFunctionBreakpoints', { breakpoints: [{ name: 'beat' }] });
  const changed = session.waitForEvent('breakpoint');
  assert.equal((await session.ask('kvmdbg/symbols', { path: demo, slide: 0 })).success, true);
  const { breakpoint } = (await changed).body;
  assert.equal(BigInt(breakpoint.instructionReference), slid - 0x1000n);
  const { points } = (await session.ask('kvmdbg/points', {})).body;
  assert.deepEqual(points.map((one) => BigInt(one.address)), [slid - 0x1000n]);
  const body = await session.stop(() => session.continueRequest({ threadId: 1 }));
  assert.equal(body.reason, 'function breakpoint');
  assert.equal((await session.top(1)).name, 'beat');
  assert.match((await session.ask('kvmdbg/symbols', { slide: 0 })).message, /path is missing/);
}));

test('an address is that of the first loaded byte; symbols may come later', inFolder(async (session) => {
  await withSymbols(session, []);
  assert.equal(await placeOf(session, 'beat'), undefined);
  await session.ask('kvmdbg/symbols', { path: demo });
  const link = await session.until(() => placeOf(session, 'beat'), 'symbols');
  await session.ask('kvmdbg/symbols', { path: demo, address: 0x400000 }); // .boot is linked at 1 MiB
  assert.equal(await placeOf(session, 'beat'), link + 0x300000n);
  await session.ask('kvmdbg/symbols', { path: demo, address: 'pear' });
  await session.until(() => warnings(session).some((text) => /symbols.address must be an address/.test(text)), 'a warning');
}));

test('points and symbols hold through a restart', inFolder(async (session) => {
  await withSymbols(session, [{ path: demo }]);
  const at = await placeOf(session, 'kernel_main');
  await session.send('setFunctionBreakpoints', { breakpoints: [{ name: 'kernel_main' }] });
  for (let times = 0; times < 2; ++times) {
    await session.stop(() => session.continueRequest({ threadId: 1 }));
    assert.equal((await session.top(1)).name, 'kernel_main');
    assert.ok(BigInt((await session.top(1)).instructionPointerReference) >= at - 64n);
    await session.stop(() => session.send('restart', {}));
  }
}));

/** A kernel that moves itself by as many 2 MiB as it is told to, and the file of its symbols. */
const moving = join(dirname(demo), 'moving.elf'), link = 0xffffffff81000000n - 0x100000n;
function symbolsOfMoving(folder) {
  const path = join(folder, 'vmlinux');
  execFileSync('objcopy', ['--change-addresses', String(link), moving, path], { stdio: 'ignore' });
  return path;
}
const little = (value) => Buffer.from(new BigUint64Array([value]).buffer).toString('base64');

test('symbols go with a kernel that moves itself, and again after a restart', inFolder(async (session, folder) => {
  const addresses = Object.fromEntries(execFileSync('nm', [moving], { encoding: 'utf8' }).trim().split('\n')
    .map((line) => line.split(' ')).map(([value, , name]) => [name, BigInt(`0x${value}`)]));
  const move = async (units) => {
    for (const [name, value] of [['slide_units', units], ['rounds', 1n << 40n]]) {
      await session.send('writeMemory', { memoryReference: `p:${addresses[name]}`, data: little(value) });
    }
    await session.continueRequest({ threadId: 1 });
    const written = () => session.events('output').map((event) => event.body).filter((body) => body.category === 'stdout')
      .map((body) => body.output).join('');
    await session.until(() => written().endsWith(`slide_units=${units}\n`), 'the console');
    await session.stop(() => session.pauseRequest({ threadId: 1 }));
    const top = await session.top(1), at = BigInt(top.instructionPointerReference);
    assert.match(top.name, /^(moved|tick|tick_ret)$/);
    const begin = link + (units << 21n);
    assert.ok(at >= begin + addresses.moved && at <= begin + addresses.tick_ret, top.instructionPointerReference);
    return begin + addresses.tick;
  };
  await session.stop(() => session.begin('launch', { image: moving, stopOnEntry: true, symbols: [{ path: symbolsOfMoving(folder) }] }));
  const first = await move(3n);
  const { breakpoints } = (await session.send('setFunctionBreakpoints', { breakpoints: [{ name: 'tick' }] })).body;
  assert.equal(BigInt(breakpoints[0].instructionReference), first);
  const hit = async (at) => {
    const stop = await session.stop(() => session.continueRequest({ threadId: 1 }));
    assert.deepEqual(stop.hitBreakpointIds, [breakpoints[0].id], JSON.stringify(stop));
    assert.equal(BigInt((await session.top(1)).instructionPointerReference), at);
  };
  await hit(first);
  await session.stop(() => session.send('restart', {}));
  const second = await move(5n);
  assert.equal(second - first, 4n << 20n);
  await hit(second);
  assert.equal((await session.top(1)).name, 'tick');
}));

test('sourceMap leads to the sources, as an object and as pairs', async () => {
  for (const asPairs of [false, true]) {
    await inFolder(async (session, folder) => {
      writeFileSync(join(folder, 'kernel.c'), readFileSync(source));
      const from = dirname(source);
      await withSymbols(session, [{ path: demo }], { sourceMap: asPairs ? [[from, folder]] : { [from]: folder } });
      const { breakpoints } = (await session.setBreakpointsRequest({
        source: { path: join(folder, 'kernel.c') }, breakpoints: [{ line: 40 }] })).body;
      assert.equal(breakpoints[0].verified, true, JSON.stringify(breakpoints));
      assert.equal(breakpoints[0].source.path, join(folder, 'kernel.c')); // or else an editor shows it elsewhere
      const where = { source: { path: join(folder, 'kernel.c') }, line: 40 };
      assert.ok((await session.send('breakpointLocations', where)).body.breakpoints.length > 0);
      assert.ok((await session.send('gotoTargets', where)).body.targets.length > 0);
      await session.stop(() => session.continueRequest({ threadId: 1 }));
      const frame = await session.top(1);
      assert.equal(frame.source.path, join(folder, 'kernel.c'));
      const { instructions } = (await session.send('disassemble', { memoryReference: frame.instructionPointerReference, instructionCount: 1 })).body;
      assert.equal(instructions[0].location.path, frame.source.path);
      const { sources } = (await session.send('loadedSources', {})).body;
      assert.ok(sources.some(({ path }) => path === frame.source.path), JSON.stringify(sources));
      const { content } = (await session.sourceRequest({ sourceReference: 0, source: frame.source })).body;
      assert.match(content, /factorial/);
    })();
  }
});

/** Changes the bytes of a section. */
function damage(image, name, change) {
  const elf = Buffer.from(image);
  const headers = Number(elf.readBigUInt64LE(40)), count = elf.readUInt16LE(60), names = elf.readUInt16LE(62);
  const header = (i) => elf.subarray(headers + 64 * i, headers + 64 * (i + 1));
  const place = (one) => [Number(one.readBigUInt64LE(24)), Number(one.readBigUInt64LE(32))];
  const [strings] = place(header(names));
  for (let i = 0; i < count; ++i) {
    const start = strings + header(i).readUInt32LE(0);
    if (elf.toString('latin1', start, elf.indexOf(0, start)) !== name) continue;
    const [offset, size] = place(header(i));
    change(elf.subarray(offset, offset + size));
    return elf;
  }
  throw new Error(`no section ${name}`);
}
const noise = (bytes) => { for (let i = 0; i < bytes.length; ++i) bytes[i] = (i * 167 + 13) & 0xff; };

test('files that are cut off or damaged warn or do not, and the machine can be debugged', async () => {
  const image = readFileSync(demo);
  const broken = {
    'empty.elf': Buffer.alloc(0),
    'header.elf': image.subarray(0, 40),
    'half.elf': image.subarray(0, image.length / 2),
    'tail.elf': image.subarray(0, image.length - 700),
    'info.elf': damage(image, '.debug_info', noise),
    'abbrev.elf': damage(image, '.debug_abbrev', noise),
    'line.elf': damage(image, '.debug_line', noise),
    'str.elf': damage(image, '.debug_str', noise),
    'frame.elf': damage(image, '.debug_frame', noise),
    'symtab.elf': damage(image, '.symtab', noise),
    'zeros.elf': damage(image, '.debug_info', (bytes) => bytes.fill(0)),
    'ones.elf': damage(image, '.debug_info', (bytes) => bytes.fill(0xff)),
  };
  await inFolder(async (session, folder) => {
    const symbols = Object.entries(broken).map(([name, bytes]) => {
      writeFileSync(join(folder, name), bytes);
      return { path: join(folder, name) };
    });
    await withSymbols(session, symbols);
    await session.until(() => session.events('progressEnd').length, 'all files are read', 60000);
    const said = warnings(session).join('');
    for (const name of ['empty.elf', 'header.elf']) assert.match(said, new RegExp(`no symbols from \\S*${name}`));
    await session.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'beat' }, { name: 'factorial' }] });
    await session.ask('setBreakpoints', { source: { path: source }, breakpoints: [{ line: 40 }] });
    await session.ask('setFunctionBreakpoints', { breakpoints: [] });
    await session.ask('setBreakpoints', { source: { path: source }, breakpoints: [] });
    await session.stop(() => session.stepInRequest({ threadId: 1, granularity: 'instruction' }));
    const frame = await session.top(1);
    assert.notEqual(frame.instructionPointerReference, '0x100000');
    const locals = await session.scope(frame.id, 'Locals');
    await session.variables(locals.variablesReference);
    const { instructions } = (await session.disassembleRequest({ memoryReference: frame.instructionPointerReference, instructionCount: 5 })).body;
    assert.equal(instructions.length, 5);
  })();
});

/** The demo's ELF with a note of a build. */
function withBuild(folder, name, id, address) {
  const note = Buffer.concat([Buffer.from([4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0]), Buffer.from('GNU\0'), Buffer.alloc(20, id)]);
  const path = join(folder, name);
  writeFileSync(`${path}.note`, note);
  execFileSync('objcopy', ['--add-section', `.note.gnu.build-id=${path}.note`, '--set-section-flags',
    '.note.gnu.build-id=alloc,readonly', '--change-section-address', `.note.gnu.build-id=${address}`, demo, path], { stdio: 'ignore' });
  return { path, note };
}

test('a file of another build than the guest runs is said', inFolder(async (session, folder) => {
  await withSymbols(session, []);
  const right = withBuild(folder, 'right.elf', 1, '0x300000'), wrong = withBuild(folder, 'wrong.elf', 2, '0x300000');
  await session.ask('writeMemory', { memoryReference: '0x300000', data: right.note.toString('base64') });
  await session.ask('kvmdbg/symbols', { path: right.path });
  await session.until(() => placeOf(session, 'beat'), 'symbols');
  assert.deepEqual(warnings(session), []);
  await session.ask('kvmdbg/symbols', { path: wrong.path });
  await session.until(() => warnings(session).length, 'a warning');
  assert.match(warnings(session)[0], /wrong\.elf: the guest runs another build/);
}));

/** An ELF with so many symbols, and long names: 1,600,000 make 100 MB. */
function writeLarge(path, count, { ended = true } = {}) {
  const entry = 24, length = 40, names = '\0.text\0.symtab\0.strtab\0.shstrtab\0';
  const symbols = Buffer.alloc(entry * (count + 1)), strings = Buffer.alloc(1 + length * count);
  for (let i = 0; i < count; ++i) {
    const at = entry * (i + 1), name = 1 + length * i;
    strings.write(`symbol_of_a_large_kernel_${String(i).padStart(8, '0')}${ended ? '' : '_______'}`, name, 'latin1');
    symbols.writeUInt32LE(name, at);
    symbols[at + 4] = 0x12; // STB_GLOBAL, STT_FUNC
    symbols.writeUInt16LE(1, at + 6);
    symbols.writeBigUInt64LE(0x40000000n + BigInt(16 * i), at + 8);
    symbols.writeBigUInt64LE(16n, at + 16);
  }
  const elf = Buffer.alloc(64 + 64 * 5);
  elf.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  elf.writeUInt16LE(2, 16);
  elf.writeUInt16LE(62, 18);
  elf.writeUInt32LE(1, 20);
  elf.writeBigUInt64LE(64n, 40);
  for (const [offset, value] of [[52, 64], [58, 64], [60, 5], [62, 4]]) elf.writeUInt16LE(value, offset);
  const first = BigInt(elf.length);
  const section = (index, name, type, fields) => {
    const at = 64 + 64 * index;
    elf.writeUInt32LE(names.indexOf(name), at);
    elf.writeUInt32LE(type, at + 4);
    for (const [offset, value] of Object.entries(fields)) elf.writeBigUInt64LE(BigInt(value), at + Number(offset));
  };
  section(1, '.text', 8, { 8: 6, 16: 0x40000000, 24: first, 32: 16 * count });
  section(2, '.symtab', 2, { 24: first, 32: symbols.length, 40: 3 | 2 ** 32, 48: 8, 56: entry });
  elf.writeUInt32LE(3, 64 + 128 + 40);
  elf.writeUInt32LE(1, 64 + 128 + 44);
  section(3, '.strtab', 3, { 24: first + BigInt(symbols.length), 32: strings.length });
  section(4, '.shstrtab', 3, { 24: first + BigInt(symbols.length + strings.length), 32: names.length });
  const file = openSync(path, 'w');
  for (const part of [elf, symbols, strings, Buffer.from(names, 'latin1')]) writeSync(file, part);
  closeSync(file);
}

test('a large file does not block run control', together(1, async (server, [session]) => {
  const folder = mkdtempSync(join(tmpdir(), 'kvmdbg-dap-large-'));
  try {
    const path = join(folder, 'large.elf');
    writeLarge(path, 1_600_000);
    await session.stop(() => session.begin('attach', { server: server.address, symbols: [{ path }] }));
    let slowest = 0, rounds = 0;
    const timed = async (action) => {
      const before = performance.now();
      await action();
      slowest = Math.max(slowest, performance.now() - before);
    };
    for (; !session.events('progressEnd').length; ++rounds) {
      await timed(() => session.continueRequest({ threadId: 1 }));
      await timed(() => session.threadsRequest());
      await timed(() => session.stop(() => session.pauseRequest({ threadId: 1 })));
      await timed(async () => {
        const frame = await session.top(1);
        const scope = await session.scope(frame.id, 'Registers');
        const groups = await session.variables(scope.variablesReference);
        await session.variables(groups.General.variablesReference);
      });
    }
    console.log(`# ${rounds} rounds while it was read; the slowest answer took ${slowest.toFixed(0)} ms`);
    assert.ok(rounds > 0, 'it was read at once');
    assert.ok(slowest < 3000, `an answer took ${slowest} ms`);
    const { breakpoints } = (await session.send('setFunctionBreakpoints', { breakpoints: [{ name: 'symbol_of_a_large_kernel_00001234' }] })).body;
    assert.equal(BigInt(breakpoints[0].instructionReference), 0x40000000n + 16n * 1234n);
  } finally {
    rmSync(folder, { recursive: true });
  }
}));

test('a file that takes for ever to read holds nobody up, nor the end of the session', inFolder(async (session, folder) => {
  const path = join(folder, 'endless.elf');
  writeLarge(path, 300_000, { ended: false }); // each name goes on to the end of the last one
  await withSymbols(session, [{ path }]);
  await session.stop(() => session.stepInRequest({ threadId: 1, granularity: 'instruction' }));
  assert.equal(session.events('progressEnd').length, 0);
  assert.match((await session.ask('kvmdbg/symbols', { path: demo })).message, /being read/);
  // and disconnecting ends the adapter while it is read
}));
