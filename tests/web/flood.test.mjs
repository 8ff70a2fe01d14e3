// A guest that writes to its console as fast as it can: the page stays quick, neither it nor its adapter grows, and what is shown at the end is true.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Rsp, build, closeBrowser, runs, stopped, until, withPage } from './page.mjs';

after(closeBrowser);

const flood = join(build, 'guests/flood.elf');
const seconds = Number(process.env.KVMDBG_FLOOD_SECONDS ?? 6);
const line = 64; // characters that the guest writes at a time

function addressOf(name) {
  const row = execFileSync('nm', [flood], { encoding: 'utf8' }).split('\n').find((one) => one.endsWith(` ${name}`));
  return BigInt(`0x${row.split(' ')[0]}`);
}

/** Bytes of memory that a process holds. */
const resident = (pid) => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;

/** The longest time between two frames, until it is asked for. */
const watchFrames = (page) => page.evaluate(() => {
  globalThis.longest = 0;
  let last = performance.now();
  const frame = (now) => {
    globalThis.longest = Math.max(globalThis.longest, now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
});

test('a guest that floods its console', withPage(async (page, server) => {
  const devtools = await page.context().newCDPSession(page);
  const heap = async () => {
    await devtools.send('HeapProfiler.collectGarbage');
    return (await devtools.send('Runtime.getHeapUsage')).usedSize;
  };
  const worker = Number(/process (\d+) serves .*WebSocket/.exec(server.log)[1]);
  const rsp = await Rsp.open(server.port);
  const written = async () => (await rsp.memory(addressOf('lines'), 8)).readBigUInt64LE() * BigInt(line);
  await page.getByRole('tab', { name: 'Serial', exact: true }).click();
  await page.keyboard.press('F5');
  await runs(page);
  const rows = page.locator('.panel-serial .row');
  await until(async () => (await rows.count()) > 5, 'rows');
  await page.waitForTimeout(2000);
  const before = { heap: await heap(), worker: resident(worker), server: resident(server.process.pid) };
  await watchFrames(page);
  const start = Date.now();
  const keys = [];
  while (Date.now() < start + seconds * 1000) {
    const pressed = performance.now();
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Command' }).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('dialog[open]').waitFor({ state: 'detached' });
    keys.push(performance.now() - pressed);
    await page.waitForTimeout(200);
  }
  const longest = await page.evaluate(() => globalThis.longest);
  const now = { heap: await heap(), worker: resident(worker), server: resident(server.process.pid) };
  await page.keyboard.press('F6');
  await stopped(page);
  const total = await written();
  const grown = Object.fromEntries(Object.entries(now).map(([key, value]) => [key, (value - before[key]) / 1e6]));
  keys.sort((one, other) => one - other);
  console.log(`# ${total} bytes in all, ${seconds} s of them watched: longest time between two frames ${longest.toFixed(0)} ms, palette open and shut in ${keys[keys.length >> 1].toFixed(0)} ms; grown, MB: page ${grown.heap.toFixed(1)}, adapter ${grown.worker.toFixed(1)}, server ${grown.server.toFixed(1)}`);
  assert.ok(longest < 1000, `${longest} ms without a frame`);
  for (const [name, most] of [['heap', 8], ['worker', 32], ['server', 16]]) assert.ok(grown[name] < most, `${name} has grown by ${grown[name]} MB`);
  // the last line that is whole, and what has been written of the next: `lines` counts once one is out
  const { text } = await rsp.kvm('console');
  const last = text.split('\n').at(-2);
  assert.ok([0n, 1n].includes(BigInt(last.slice(6, 14)) + 1n - total / BigInt(line)), `${last}, ${total} bytes`);
  await page.locator('.panel-serial .row', { hasText: last }).waitFor();
  const shown = (await rows.allTextContents()).filter((one) => /^flood \d{8} [a-z]{48}/.test(one)).map((one) => Number(one.slice(6, 14)));
  assert.ok(shown.length > 5, `${shown}`);
  shown.forEach((number, index) => assert.equal(number, shown[0] + index, 'a line is missing'));
  rsp.close();
}, { image: flood, cpus: 1 }));
