// Points: set, hit and taken out from the source, the disassembly and the table; watches; edits; steps.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { execFileSync } from 'node:child_process';
import { Rsp, answerQuestion, closeBrowser, command, demo, lineOf, register, runs, shot, stopped, until, waitRegister, withPage } from './page.mjs';

after(closeBrowser);

const addressOf = (name) => `0x${execFileSync('nm', [demo], { encoding: 'utf8' }).split('\n').find((line) => line.endsWith(` ${name}`)).slice(0, 16)}`;
const tab = (page, name) => page.getByRole('tab', { name, exact: true }).click();
const engine = async (rsp) => (await rsp.kvm('points')).points;
const at = (page, name) => page.locator('.frame.selected', { hasText: name }).waitFor({ timeout: 30000 });

async function goOn(page, name) {
  await page.keyboard.press('F5');
  await at(page, name);
  await stopped(page);
  await settled(page);
}
/** The registers are those of the frame. */
const settled = (page) => until(async () => (await register(page, 'rip')) === (await page.locator('.status .mono').textContent()), 'registers of this stop');

async function inBeat(page) {
  await command(page, 'Stop at a function');
  await answerQuestion(page, 'beat');
  await page.locator('.point-name', { hasText: 'beat' }).first().waitFor();
  await goOn(page, 'beat');
}

test('a breakpoint is set, hit and taken out in the source', withPage(async (page, server) => {
  const rsp = await Rsp.open(server.port);
  await tab(page, 'Source');
  await page.getByLabel('Source file').selectOption({ label: 'kernel.c' });
  const line = lineOf('heartbeat = tick;');
  await page.locator('[data-source] .cm-line').first().waitFor();
  await page.locator('[data-source] .cm-scroller').evaluate((element, top) => { element.scrollTop = top; }, (line - 8) * 20);
  await page.locator('.cm-lineNumbers .cm-gutterElement', { hasText: new RegExp(`^${line}$`) }).click();
  await page.locator('.points .dot.set').waitFor();
  const [point] = await until(async () => { const all = await engine(rsp); return all.length === 1 && all; }, 'a point in the engine');
  await page.locator('.point-name', { hasText: `kernel.c:${line}` }).first().waitFor();
  await goOn(page, 'beat');
  await page.getByRole('button', { name: 'Back to the vCPU' }).click();
  await page.locator('.cm-line.here', { hasText: 'heartbeat = tick;' }).waitFor();
  assert.equal(BigInt(await register(page, 'rip')), BigInt(point.address));
  await page.locator('.cm-lineNumbers .cm-gutterElement', { hasText: new RegExp(`^${line}$`) }).click();
  await until(async () => (await engine(rsp)).length === 0, 'no point in the engine');
  await until(async () => (await page.locator('.points .dot.set').count()) === 0, 'no mark in the source');
  rsp.close();
}));

test('a breakpoint is set, hit and taken out in the disassembly', withPage(async (page, server) => {
  const rsp = await Rsp.open(server.port);
  await inBeat(page);
  const here = await register(page, 'rip');
  await page.locator(`.code[data-address="${here}"] .gutter`).waitFor();
  const next = page.locator('.code:not(.here)').filter({ has: page.locator('.gutter') });
  const addresses = await next.evaluateAll((all) => all.map((one) => one.dataset.address));
  const wanted = addresses.find((one) => BigInt(one) > BigInt(here));
  await page.locator(`.code[data-address="${wanted}"] .gutter`).click();
  await page.locator(`.code[data-address="${wanted}"] .gutter.set`).waitFor();
  await page.keyboard.press('F5');
  await waitRegister(page, 'rip', (value) => value === wanted);
  await page.locator(`.code.here[data-address="${wanted}"]`).waitFor();
  await page.locator(`.code[data-address="${wanted}"] .gutter`).click();
  await until(async () => !(await engine(rsp)).some(({ address }) => address === wanted), 'it is out');
  rsp.close();
}));

test('the table: condition, hits, strategy, off and on, removed', withPage(async (page, server) => {
  const rsp = await Rsp.open(server.port);
  await tab(page, 'Breakpoints');
  await page.getByRole('button', { name: 'Stop at…' }).click();
  await answerQuestion(page, 'beat');
  const row = page.locator('.panel-points tr', { hasText: 'beat' });
  await row.getByText(/hardware slot|int3|pending/).waitFor(); // then its columns are as wide as they stay
  await row.getByRole('button', { name: /^Condition of beat/ }).focus();
  await page.keyboard.press('Enter');
  await page.locator('.panel-points input.value').fill('rdi >= 7');
  await page.keyboard.press('Enter');
  await until(async () => (await engine(rsp))[0]?.wishes[0].rule.includes('rdi >= 7'), 'the condition in the engine');
  await goOn(page, 'beat');
  assert.ok(BigInt(await register(page, 'rdi')) >= 7n); // a busy host may make the guest miss a tick
  const [{ hits, strategy }] = await engine(rsp);
  assert.equal(hits, 1);
  await row.locator('.num', { hasText: '1' }).waitFor();
  assert.ok((await row.textContent()).includes(strategy), strategy);
  assert.match(await page.locator('[data-slots]').textContent(), strategy.includes('hardware') ? /: 1 of / : /: 0 of /);
  await shot(page, 'points');
  await row.getByRole('checkbox').uncheck();
  await until(async () => (await engine(rsp)).length === 0, 'it is off');
  await row.getByRole('checkbox').check();
  await until(async () => (await engine(rsp)).length === 1, 'it is on');
  await row.getByRole('button', { name: 'Remove beat' }).click();
  await until(async () => (await engine(rsp)).length === 0, 'it is out');
  await page.getByLabel('#PF', { exact: true }).check();
  await until(async () => (await rsp.kvm('exceptions')).exceptions.some(({ name }) => name === '#PF'), 'the filter');
  rsp.close();
}));

test('a log point tells and does not stop', withPage(async (page) => {
  await tab(page, 'Breakpoints');
  await page.getByRole('button', { name: 'Stop at…' }).click();
  await answerQuestion(page, 'beat');
  await page.locator('.panel-points').getByText(/hardware slot|int3|pending/).first().waitFor();
  await page.locator('.panel-points').getByRole('button', { name: /^Log line of beat/ }).dblclick();
  await page.locator('.panel-points input.value').fill('beat {rdi:d}');
  await page.keyboard.press('Enter');
  await tab(page, 'Console');
  await page.keyboard.press('F5');
  await page.locator('.repl-remark', { hasText: /^beat \d+$/ }).first().waitFor({ timeout: 30000 });
  await runs(page);
}));

test('a watchpoint by address', withPage(async (page, server) => {
  const rsp = await Rsp.open(server.port);
  await inBeat(page);
  const heartbeat = addressOf('heartbeat');
  await command(page, 'Stop when memory is written');
  await answerQuestion(page, `${heartbeat} 8`);
  await page.locator('.point-name', { hasText: `write ${heartbeat}, 8 bytes` }).first().waitFor();
  const point = await until(async () => (await engine(rsp)).find(({ kind }) => kind === 'write'), 'the watch in the engine');
  assert.equal(BigInt(point.address), BigInt(heartbeat));
  await page.keyboard.press('F5');
  await page.locator('.why', { hasText: 'data breakpoint' }).waitFor({ timeout: 60000 });
  await page.getByRole('button', { name: `Remove write ${heartbeat}, 8 bytes` }).first().click();
  await until(async () => !(await engine(rsp)).some(({ kind }) => kind === 'write'), 'it is out');
  rsp.close();
}));

test('registers and their fields are written', withPage(async (page, server) => {
  const rsp = await Rsp.open(server.port);
  await page.locator('[data-register="r12"] .value').dblclick();
  await page.locator('[data-register="r12"] input').fill('0x1234567890');
  await page.keyboard.press('Enter');
  await waitRegister(page, 'r12', (value) => value === '0x1234567890');
  assert.equal(await rsp.register(12), 0x1234567890n);
  await page.locator('[data-register="r12"] .changed').waitFor();
  await page.getByRole('button', { name: 'eflags', exact: true }).click();
  await page.locator('.field', { hasText: /^CF$/ }).click();
  await until(async () => (await rsp.register(17) & 1n) === 1n, 'the carry flag');
  await page.locator('.field.on', { hasText: /^CF$/ }).waitFor();
  await page.locator('[data-register="r12"] .value').dblclick();
  await page.locator('[data-register="r12"] input').fill('pear');
  await page.keyboard.press('Enter');
  await page.locator('[data-register="r12"] input.wrong').waitFor();
  await page.locator('.notice.error').waitFor();
  assert.equal(await rsp.register(12), 0x1234567890n);
  rsp.close();
}));

test('steps by instruction, line and statement', withPage(async (page) => {
  await inBeat(page);
  const line = async () => Number(/:(\d+)$/.exec(await page.locator('.frame.selected .frame-place').textContent())[1]);
  const before = BigInt(await register(page, 'rip'));
  await page.getByLabel('What a step is').selectOption('instruction');
  await page.keyboard.press('F11');
  const after1 = BigInt(await waitRegister(page, 'rip', (value) => BigInt(value) !== before));
  assert.ok(after1 - before < 16n, 'one instruction');
  await page.locator('.why', { hasText: 'step' }).waitFor();
  for (const granularity of ['line', 'statement']) {
    await page.getByLabel('What a step is').selectOption(granularity);
    const from = await line();
    await page.keyboard.press('F10');
    await until(async () => (await line()) !== from, `another line by ${granularity}`);
    await stopped(page);
  }
  await command(page, 'Step out');
  await stopped(page);
}));
