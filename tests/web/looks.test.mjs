// How it looks and how fast: no faults that axe knows, strict CSP, first paint, what a step costs, many vCPUs, hostile text.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Rsp, Server, answerQuestion, closeBrowser, command, demo, open, register, runs, shot, source, stopped, theBrowser, until, withPage } from './page.mjs';

after(closeBrowser);
const tab = (page, name) => page.getByRole('tab', { name, exact: true }).click();
const allTabs = ['Source', 'Disassembly', 'Variables', 'Paging', 'Tables', 'MSRs', 'Registers', 'Memory', 'Breakpoints', 'Stack', 'Serial', 'Console', 'Time line', 'Clients', 'Symbols', 'Protocol', 'Connect'];

async function inListSum(page) {
  await command(page, 'Stop at a function');
  await answerQuestion(page, 'list_sum');
  await page.locator('.point-name').first().waitFor();
  await page.keyboard.press('F5');
  await page.locator('.frame.selected', { hasText: 'list_sum' }).waitFor({ timeout: 30000 });
  await stopped(page);
}

async function faults(page) {
  await page.evaluate(readFileSync(join(import.meta.dirname, 'node_modules/axe-core/axe.min.js'), 'utf8'));
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary.slice(0, 200)}`).join(' | ')}`);
}

for (const scheme of ['dark', 'light']) {
  test(`axe finds no serious fault in any panel, ${scheme}`, withPage(async (page) => {
    await inListSum(page);
    const found = new Set();
    for (const name of allTabs) {
      await tab(page, name);
      await pause(250);
      for (const fault of await faults(page)) found.add(`${name}: ${fault}`);
    }
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Command' }).waitFor();
    for (const fault of await faults(page)) found.add(`palette: ${fault}`);
    await page.keyboard.press('Escape');
    await page.keyboard.press('F5');
    await runs(page);
    await pause(300);
    for (const fault of await faults(page)) found.add(`running: ${fault}`);
    await shot(page, `all-${scheme}`);
    assert.deepEqual([...found], []);
  }, { scheme }));
}

test('a wide screen shows source and disassembly side by side', withPage(async (page) => {
  await inListSum(page);
  await page.locator('.cm-line.here').waitFor();
  await page.locator('.code.here').waitFor();
  await shot(page, 'wide');
}, { width: 1920, height: 1080 }));

test('nothing on the page breaks its Content-Security-Policy', withPage(async (page) => {
  await page.evaluate(() => { globalThis.broken = []; addEventListener('securitypolicyviolation', (event) => globalThis.broken.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`)); });
  await inListSum(page);
  for (const name of allTabs) { await tab(page, name); await pause(100); }
  assert.deepEqual(await page.evaluate(() => globalThis.broken), []);
  assert.equal(await page.locator('[data-source]').count(), 0, 'the loop ends on the disassembly');
}));

test('all that can be done can be done by keys', withPage(async (page) => {
  const before = await register(page, 'rip');
  await page.keyboard.press('F11');
  await until(async () => (await register(page, 'rip')) !== before, 'F11');
  await page.keyboard.press('Control+Shift+P');
  await page.getByRole('combobox', { name: 'Command' }).waitFor();
  await page.keyboard.press('Escape');
  await until(async () => (await page.locator('dialog[open]').count()) === 0, 'Escape closes it');
  await page.getByRole('tab', { name: 'Memory' }).focus();
  await page.keyboard.press('ArrowRight');
  await page.getByRole('tabpanel', { name: 'Breakpoints' }).waitFor();
  const order = [];
  for (let i = 0; i < 25; ++i) {
    await page.keyboard.press('Tab');
    order.push(await page.evaluate(() => document.activeElement.closest('header, nav, main, section, footer')?.className ?? ''));
  }
  assert.ok(order.includes('top') || order.includes('left') || order.some((one) => one.includes('dock')), order.join());
}));

/** What has the keyboard, also inside a shadow tree. */
const focused = (page) => page.evaluate(() => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return `${element?.tagName} ${element?.getAttribute('aria-label') ?? element?.textContent ?? ''}`.trim();
});
const focusOn = (page, pattern) => until(async () => pattern.test(await focused(page)), `the keyboard is at ${pattern}`).catch(async (error) => { throw new Error(`${error.message}, but at ${(await focused(page)).slice(0, 80)}`); });

test('from source to page tables, by keys alone', withPage(async (page) => {
  await inListSum(page);
  await command(page, 'Show: Source');
  await focusOn(page, /^DIV Source$/);
  const line = Number(await page.locator('[data-source]').getAttribute('data-line'));
  await page.keyboard.press('F10');
  await until(async () => Number(await page.locator('[data-source]').getAttribute('data-line')) > line, 'a step');
  await page.locator('.cm-line.here', { hasText: readFileSync(source, 'utf8').split('\n')[await page.locator('[data-source]').getAttribute('data-line') - 1].trim() }).waitFor();
  await focusOn(page, /^DIV Source$/);
  await page.keyboard.press('F9');
  await page.locator('.point-name', { hasText: `kernel.c:${await page.locator('[data-source]').getAttribute('data-line')}` }).waitFor();
  await command(page, 'Step by instruction'); // leads nowhere: the keyboard stays
  await focusOn(page, /^DIV Source$/);
  await command(page, 'Show: Disassembly');
  await focusOn(page, /^DIV Disassembly$/);
  await command(page, 'Show: Registers');
  await focusOn(page, /^BUTTON General$/);
  await page.keyboard.press('Tab');
  await focusOn(page, /^BUTTON rax: .*edit$/);
  await page.keyboard.press('Enter');
  await focusOn(page, /^INPUT rax$/);
  await page.keyboard.press('Escape');
  await focusOn(page, /^BUTTON rax: .*edit$/);
  await command(page, 'Walk the page tables');
  await answerQuestion(page, '&heartbeat');
  await focusOn(page, /^INPUT Address to walk$/);
  await page.locator('[data-physical]').waitFor();
  for (let i = 0; i < 3; ++i) await page.keyboard.press('Tab');
  await focusOn(page, /^BUTTON p:0x/);
  const physical = await focused(page);
  await page.keyboard.press('Enter');
  await page.getByLabel(`Memory at ${physical.slice(7)}`).waitFor();
}));

/** A busy host's times are no fault of the page's: KVMDBG_TIMES=1 holds an idle one to the figures themselves. */
const allowance = process.env.KVMDBG_TIMES ? 1 : 8;

test('the first paint with data', async () => {
  const server = await Server.start();
  const times = [];
  try {
    for (let i = 0; i < 11; ++i) {
      const context = await (await theBrowser()).newContext({ viewport: { width: 1280, height: 800 } });
      const page = await context.newPage();
      await page.addInitScript(() => {
        new MutationObserver(() => {
          if (globalThis.seen || !document.querySelector('[data-register="rip"]')) return;
          globalThis.seen = true;
          requestAnimationFrame(() => console.log(`painted ${performance.now()}`));
        }).observe(document, { subtree: true, childList: true });
      });
      // told by the page: to ask it would load playwright's own script into it first
      const painted = page.waitForEvent('console', (message) => message.text().startsWith('painted '));
      await page.goto(server.url(), { waitUntil: 'commit' });
      times.push(Number((await painted).text().slice(8)));
      await context.close();
    }
  } finally {
    await server.stop();
  }
  times.sort((one, other) => one - other);
  console.log(`# first paint with data: median ${times[5].toFixed(0)} ms, best ${times[0].toFixed(0)} ms`);
  assert.ok(times[5] <= 500 * allowance, `the median of ${times.map(Math.round)}`);
});

/** The last: milliseconds at the most. A line of another function makes the editor draw a hundred lines, and the browser lay them out in between. */
const kinds = [
  ['an instruction', 'instruction', 'F11', 'Disassembly', 1280, 16], ['a line', 'line', 'F10', 'Source', 1280, 24],
  ['a line, source and disassembly side by side', 'line', 'F10', 'Source', 1920, 24],
];
for (const [words, granularity, key, top, width, limit] of kinds) test(`the script work of a step by ${words}`, withPage(async (page) => {
  await inListSum(page);
  await page.getByLabel('What a step is').selectOption(granularity);
  await tab(page, top);
  const devtools = await page.context().newCDPSession(page);
  const events = [];
  devtools.on('Tracing.dataCollected', ({ value }) => events.push(...value));
  const works = [];
  for (let i = 0; i < 12; ++i) {
    await page.waitForTimeout(300);
    events.length = 0;
    const complete = new Promise((resolve) => { devtools.once('Tracing.tracingComplete', resolve); });
    const rip = await register(page, 'rip');
    await devtools.send('Tracing.start', { transferMode: 'ReportEvents', categories: 'devtools.timeline,v8.execute' });
    await page.keyboard.press(key);
    await pause(400); // to ask the page whether it is done would be work of its script, too
    await devtools.send('Tracing.end');
    await complete;
    assert.notEqual(await register(page, 'rip'), rip, 'the step is done');
    // nested ones are counted once, by what is outermost; in thread time, for others use the processors, too
    const script = events.filter(({ name, ph }) => ph === 'X' && ['FunctionCall', 'EvaluateScript', 'RunMicrotasks', 'FireAnimationFrame', 'TimerFire'].includes(name)).sort((one, other) => one.ts - other.ts || other.dur - one.dur);
    let end = 0, work = 0;
    for (const { ts, dur, tdur } of script) {
      if (ts + dur <= end) continue;
      work += tdur ?? dur;
      end = Math.max(end, ts + dur);
    }
    works.push(work / 1000);
  }
  works.sort((one, other) => one - other);
  console.log(`# script work of a step by ${words}: median ${works[6].toFixed(1)} ms, most ${works.at(-1).toFixed(1)} ms`);
  assert.ok(works[0] > 0, 'the tracing has seen the step');
  assert.ok(works[6] <= 16 * allowance && works.at(-1) <= limit * allowance, `${works.map((one) => one.toFixed(1))}`);
}, { width, height: 800 }));

test('a stop is read once', withPage(async (page) => {
  await inListSum(page);
  await page.getByLabel('What a step is').selectOption('instruction');
  await tab(page, 'Variables');
  await tab(page, 'Registers');
  await pause(500);
  const asked = [];
  const devtools = await page.context().newCDPSession(page);
  devtools.on('Network.webSocketFrameSent', ({ response }) => asked.push(JSON.parse(response.payloadData)));
  await devtools.send('Network.enable');
  await page.keyboard.press('F11');
  await pause(800); // less than the polls of other clients' lease take
  const count = (command) => asked.filter((one) => one.command === command).length;
  assert.equal(count('stepIn'), 1);
  for (const command of ['stackTrace', 'scopes', 'kvmdbg/vcpus']) assert.equal(count(command), 1, `${command}: ${asked.map((one) => one.command)}`);
  assert.ok(count('readMemory') <= 2, 'rows of two pages at most are seen');
  assert.ok(asked.length <= 16, `${asked.length} requests`);
}));

test('a guest that stops fast does not freeze it', withPage(async (page) => {
  await inListSum(page);
  await page.getByLabel('What a step is').selectOption('instruction');
  const longest = page.evaluate(() => new Promise((resolve) => {
    let last = performance.now(), most = 0;
    const end = last + 4000;
    const frame = () => {
      const now = performance.now();
      most = Math.max(most, now - last);
      last = now;
      if (now < end) requestAnimationFrame(frame);
      else resolve(most);
    };
    requestAnimationFrame(frame);
  }));
  const end = Date.now() + 4000;
  let count = 0;
  while (Date.now() < end) {
    await page.keyboard.press('F11');
    count += 1;
    await page.waitForTimeout(5);
  }
  const most = await longest;
  console.log(`# ${count} keys in 4 s, the longest time between two frames ${most.toFixed(0)} ms`);
  assert.ok(most < 1000, `${most} ms without a frame`);
  await stopped(page);
}));

test('64 vCPUs', withPage(async (page) => {
  await until(async () => (await page.locator('.vcpu').count()) >= 5, 'rows');
  assert.ok(await page.locator('.vcpu').count() < 40, 'only what is seen is there');
  await page.getByRole('group', { name: 'vCPUs' }).focus();
  for (let i = 0; i < 63; ++i) await page.keyboard.press('ArrowDown');
  await page.locator('.vcpu.selected', { hasText: '63' }).waitFor();
  await shot(page, 'vcpus-64');
}, { cpus: 64 }));

/** The demo with other names in its symbol table: one that is no text for HTML, one of 10 KB. */
function hostileImage() {
  const folder = mkdtempSync(join(tmpdir(), 'kvmdbg-hostile-'));
  const image = join(folder, 'demo.elf');
  execFileSync('objcopy', ['--strip-debug', '--redefine-sym', 'list_sum=<img/src=x/onerror=globalThis.owned=1>', '--redefine-sym', `print_status=${'long_name_'.repeat(1024)}`, demo, image]);
  return { folder, image };
}

test('hostile text is text', async () => {
  const { folder, image } = hostileImage();
  const server = await Server.start({ image });
  let page;
  try {
    const rsp = await Rsp.open(server.port);
    const data = readFileSync(demo);
    const at = data.indexOf('kvmdbg demo guest');
    const rows = execFileSync('readelf', ['-lW', demo], { encoding: 'utf8' }).matchAll(/LOAD\s+0x(\w+) 0x(\w+) 0x(\w+) 0x(\w+)/g);
    let place;
    for (const [, offset, , low, size] of rows) {
      if (at >= parseInt(offset, 16) && at < parseInt(offset, 16) + parseInt(size, 16)) place = at - parseInt(offset, 16) + parseInt(low, 16);
    }
    const text = '<img src=x onerror=owned=1>\x1b[31m\x07';
    await rsp.kvm('physWrite', { address: place, data: Buffer.from(text).toString('hex') });
    rsp.close();
    page = await open(server.url());
    await stopped(page);
    await command(page, 'Stop at a function');
    await answerQuestion(page, '<img/src=x/onerror=globalThis.owned=1>');
    await page.keyboard.press('F5');
    await page.locator('.frame-name', { hasText: '<img/src=x' }).waitFor({ timeout: 30000 });
    const long = await page.locator('.frame-name', { hasText: 'long_name_' }).textContent();
    assert.ok(long.length < 200 && long.includes('…'), 'a long name is shortened');
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, 'the layout holds');
    await tab(page, 'Serial');
    await page.locator('.panel-serial .row', { hasText: '<img src=x onerror=owned=1>' }).first().waitFor();
    for (const name of ['Stack', 'Console', 'Time line']) await tab(page, name);
    assert.equal(await page.evaluate(() => globalThis.owned), undefined);
    assert.equal(await page.locator('#page img').count(), 0);
    await shot(page, 'hostile');
    assert.deepEqual(page.wrong, []);
  } finally {
    await page?.context().close();
    await server.stop();
    rmSync(folder, { recursive: true });
  }
});
