// Parts of the page alone, as values: bounded consoles, page tables of all modes, addresses, types of all of it.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const web = join(import.meta.dirname, '../../plugins/web');
const parts = {};

before(async () => {
  const { build } = createRequire(join(web, 'package.json'))('esbuild');
  const folder = mkdtempSync(join(tmpdir(), 'kvmdbg-parts-'));
  const names = { output: 'store/output', paging: 'model/paging', address: 'model/address', jumps: 'model/jumps', sources: 'model/source_map' };
  await build({ absWorkingDir: web, entryPoints: Object.values(names).map((name) => `src/${name}.ts`), bundle: true, format: 'esm', outdir: folder, outbase: 'src', outExtension: { '.js': '.mjs' } });
  for (const [key, name] of Object.entries(names)) Object.assign(parts, { [key]: await import(pathToFileURL(join(folder, `${name}.mjs`))) });
  rmSync(folder, { recursive: true });
});

test('the types of the page agree', () => {
  execFileSync('node', ['node_modules/typescript/bin/tsc', '--noEmit', '-p', '.'], { cwd: web, encoding: 'utf8' });
});

test('a gigabyte of console output is bounded', () => {
  const lines = new parts.output.Lines();
  const block = 'a line of a guest that writes for ever, and some more of it\n'.repeat(17500); // a MiB
  const start = process.memoryUsage().heapUsed;
  for (let i = 0; i < 1024; ++i) lines.add(block);
  assert.ok(lines.all.length <= 5001);
  assert.equal(lines.all.length + lines.dropped, 1024 * 17500 + 1);
  assert.ok(process.memoryUsage().heapUsed - start < 64 << 20);
  const one = new parts.output.Lines();
  for (let i = 0; i < 64; ++i) one.add('x'.repeat(1 << 20)); // and one without an end
  assert.ok(one.all[0].length <= 2000);
  one.clear();
  one.add('red \x1b[31mtext\x1b[0m\x07\r\nnext');
  assert.deepEqual(one.all, ['red text\ufffd', 'next']);
});

/** Tables by their address: index to entry. */
const reader = (tables, entry) => async (physical, bytes) => Array.from({ length: bytes / entry }, (_, index) => tables[`${physical}`]?.[index] ?? (tables[`${physical}`] ? 0n : undefined));

test('page tables of all modes', async () => {
  const { listRegions, modeOf } = parts.paging;
  assert.equal(modeOf(0x11n, 0n, 0n), undefined);
  const long = modeOf(0x80000011n, 0x20n, 0x500n);
  assert.equal(long.name, '4 levels');
  assert.equal(modeOf(0x80000011n, 0x1020n, 0x500n).name, '5 levels');
  const four = {
    4096: { 0: 0x2007n, 511: 0x3003n }, 8192: { 0: 0x83n | 7n }, 12288: { 510: 0x4003n },
    16384: { 0: 0x200000n | 0x83n, 1: 0x400000n | 0x83n, 2: (1n << 63n) | 0x600000n | 0x83n },
  };
  const { regions, whole } = await listRegions(long, 0x1000n, reader(four, 8), 100);
  assert.equal(whole, true);
  assert.deepEqual(regions.map(({ start, end, physical, executable, user }) => [start, end - start, physical, executable, user]), [
    [0n, 1n << 30n, 0n, true, true],
    [0xffffffff80000000n, 4n << 20n, 0x200000n, true, false],
    [0xffffffff80400000n, 2n << 20n, 0x600000n, false, false],
  ]);
  assert.equal((await listRegions(long, 0x1000n, reader(four, 8), 2)).whole, false);
  const pae = modeOf(0x80000011n, 0x20n, 0n);
  const three = { 32: { 3: 0x2001n }, 8192: { 511: 0x3003n }, 12288: { 511: 0x5007n } };
  assert.deepEqual((await listRegions(pae, 32n, reader(three, 8), 100)).regions.map(({ start, physical, writable, user }) => [start, physical, writable, user]), [[0xfffff000n, 0x5000n, true, false]]);
  const old = modeOf(0x80000011n, 0x10n, 0n);
  const two = { 4096: { 0: 0x400083n, 1: 0x2003n }, 8192: { 1: 0x7001n } };
  assert.deepEqual((await listRegions(old, 4096n, reader(two, 4), 100)).regions.map(({ start, end, physical, writable }) => [start, end, physical, writable]),
    [[0n, 0x400000n, 0x400000n, true], [0x401000n, 0x402000n, 0x7000n, false]]);
});

test('a map of sources', () => {
  const { parseSourceMap } = parts.sources;
  assert.deepEqual(parseSourceMap('/build=/home/me/src; /b = /c=d;'), [['/build', '/home/me/src'], ['/b', '/c=d']]);
  assert.deepEqual(parseSourceMap(' '), []);
  for (const wrong of ['/build', '=/b', '/a=', '/a=/b; c']) assert.throws(() => parseSourceMap(wrong), /no pair of folders/);
});

test('addresses and jumps', () => {
  const { parsePlace, placeText } = parts.address;
  for (const text of ['0x0', 'v:0xffffffffffffffff', 'p:0x1000', 'as:0x101000:0x7fff']) assert.equal(placeText(parsePlace(text)), text);
  for (const text of ['', 'pear', '0x', '0x10000000000000000', 'as:0x1000', 'x:1', '-1']) assert.equal(parsePlace(text), undefined, text);
  const { jumpTarget, laneOf } = parts.jumps;
  assert.equal(jumpTarget('jne 0xffffffff80107167'), '0xffffffff80107167');
  assert.equal(jumpTarget('call 0x1000 <f>'), '0x1000');
  for (const text of ['jmp qword ptr [rax + 0x8]', 'mov eax, 0x1000', 'ljmp 0x10, 0x100049', 'ret', 'br x16', 'bic x0, x1, x2', 'jalr a0']) assert.equal(jumpTarget(text), undefined, text);
  // of the other families as fixtures only: what LLVM prints, with a target in full
  for (const text of ['b.ne 0x40080010', 'tbz w0, #0x3, 0x40080010', 'cbnz x1, 0x40080010', 'bltu a0, a1, 0x40080010', 'beqz a0, 0x40080010', 'j 0x40080010', 'bgeu $a0, $a1, 0x40080010', 'bceqz $fcc0, 0x40080010']) {
    assert.equal(jumpTarget(text), '0x40080010', text);
  }
  const rows = ['jmp 0x3', 'nop', 'jne 0x1', 'ret'].map((instruction, index) => ({ address: `0x${index}`, instruction }));
  const arrows = laneOf(rows);
  assert.deepEqual(arrows.map(({ from, to }) => [from, to]).sort(), [[0, 3], [2, 1]]);
  assert.notEqual(arrows[0].lane, arrows[1].lane);
});

test('no file of the page puts text in as HTML, or names a registry', () => {
  const list = execFileSync('git', ['ls-files', '--', 'plugins/web', 'tests/web'], { cwd: join(web, '../..'), encoding: 'utf8' }).trim().split('\n');
  for (const name of list.filter((one) => !one.endsWith('parts.test.mjs'))) {
    const text = readFileSync(join(web, '../..', name), 'utf8');
    assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|dangerouslySet/, name);
    assert.doesNotMatch(text, /"resolved":/, name);
  }
});
