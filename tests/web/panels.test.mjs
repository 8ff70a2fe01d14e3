// Each panel shows what another way to the same guest says.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Rsp, answerQuestion, build, closeBrowser, command, demo, lineOf, register, shot, source, stopped, runs, until, waitRegister, withPage } from './page.mjs';

after(closeBrowser);

const symbols = new Map(execFileSync('nm', [demo], { encoding: 'utf8' }).split('\n').map((line) => line.split(' ')).filter((words) => words.length === 3)
  .map(([address, , name]) => [name, BigInt(`0x${address}`)]));
const text = (address) => `0x${address.toString(16)}`;
const physical = (name) => symbols.get(name) & 0x7fffffffn;
const tab = (page, name) => page.getByRole('tab', { name, exact: true }).click();

/** Stopped in list_sum, where there are two vCPUs, a stack and a console that has something. */
async function inListSum(page) {
  await command(page, 'Stop at a function');
  await answerQuestion(page, 'list_sum');
  await page.locator('.point-name', { hasText: 'list_sum' }).first().waitFor();
  await page.keyboard.press('F5');
  await page.locator('.frame.selected', { hasText: 'list_sum' }).waitFor({ timeout: 30000 });
  await waitRegister(page, 'rip', (value) => value === text(symbols.get('list_sum')));
}

test('vCPUs, call stack and registers', withPage(async (page, server) => {
  await inListSum(page);
  const rsp = await Rsp.open(server.port);
  const { vcpus } = await rsp.kvm('vcpus');
  for (const { vcpu, pc } of vcpus) {
    const row = await page.locator('.vcpu').nth(vcpu).getAttribute('title');
    assert.match(row, new RegExp(pc));
    assert.match(row, /long mode, ring 0/);
  }
  await until(async () => /list_sum/.test(await page.locator('.vcpu').first().textContent()), 'the name at vCPU 0');
  const names = ['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rsp'];
  for (const [number, name] of names.entries()) assert.equal(BigInt(await register(page, name)), await rsp.register(number), name);
  assert.equal(BigInt(await register(page, 'rip')), await rsp.register(16));
  const frames = await page.locator('.frame-name').allTextContents();
  assert.deepEqual(frames.slice(0, 3), ['list_sum', 'print_status', 'kernel_main']);
  await page.locator('.vcpu').nth(1).click();
  await page.locator('.frame.selected', { hasText: /secondary_main|shared_work/ }).waitFor();
  await waitRegister(page, 'rip', (value) => value === vcpus[1].pc);
  rsp.close();
  await shot(page, 'registers');
}));

test('memory: virtual, physical, by other page tables; edited, searched, marked', withPage(async (page, server) => {
  await inListSum(page);
  const rsp = await Rsp.open(server.port);
  const at = symbols.get('nodes');
  const expected = (await rsp.memory(at, 16)).toString('hex').replace(/../g, '$& ').trim();
  const shown = async (place) => {
    await page.getByLabel('Address', { exact: true }).fill(place);
    await page.keyboard.press('Enter');
    const start = BigInt(/0x[0-9a-f]+$/.exec(place)[0]) & ~15n;
    const row = page.locator(`.hex-row[data-address="${text(start)}"] .hex-bytes`);
    return until(async () => {
      const bytes = (await row.textContent()).replace(/\s+/g, ' ').trim();
      return /^[0-9a-f]/.test(bytes) && bytes;
    }, `memory at ${place}`);
  };
  const cr3 = (await rsp.kvm('walk', { address: text(at) })).root;
  assert.equal(await shown(text(at)), expected);
  assert.equal(await shown(`p:${text(physical('nodes'))}`), expected);
  assert.equal(await shown(`as:${cr3}:${text(at)}`), expected);
  await shown(text(symbols.get('history')));
  const list = page.getByLabel(/^Memory at/);
  await list.focus();
  await page.keyboard.type('a5');
  await until(async () => (await rsp.memory(symbols.get('history'), 1))[0] === 0xa5, 'the byte that was typed');
  await page.locator('.hex .changed, .hex-row >> text=a5').first().waitFor();
  await shown('p:0x100000');
  await page.getByLabel('Search memory from here on').fill('"kvmdbg demo guest"');
  await page.getByRole('button', { name: 'Search' }).click();
  const found = await until(async () => /found at (0x\w+)/.exec((await page.locator('.panel-memory [role=status]').allTextContents()).join(' '))?.[1], 'the search');
  assert.equal((await rsp.memory(BigInt(found) | 0xffffffff80000000n, 17)).toString(), 'kvmdbg demo guest');
  await shown('0x123456789000').catch(() => {}); // a hole: no bytes, and no error
  assert.match(await page.locator('.hex-row[data-address="0x123456789000"] .hex-bytes').textContent(), /··/);
  rsp.close();
  await shot(page, 'memory');
}));

test('memory is live while the guest runs', withPage(async (page) => {
  await page.getByLabel('Address', { exact: true }).fill(`p:${text(physical('secondary_counter'))}`);
  await page.keyboard.press('Enter');
  await page.keyboard.press('F5');
  await runs(page);
  const row = page.locator(`.hex-row[data-address="${text(physical('secondary_counter') & ~15n)}"]`);
  const first = await until(async () => { const now = await row.textContent(); return /[1-9a-f]/.test(now.slice(10)) && now; }, 'bytes');
  await until(async () => (await row.textContent()) !== first, 'other bytes');
  await row.locator('.changed').first().waitFor();
  await page.keyboard.press('F6');
  await stopped(page);
}));

test('page tables: the walk of an address, and all that is mapped', withPage(async (page, server) => {
  await inListSum(page);
  const rsp = await Rsp.open(server.port);
  await tab(page, 'Paging');
  await page.getByLabel('Address to walk').fill(text(symbols.get('heartbeat')));
  await page.keyboard.press('Enter');
  const walk = await rsp.kvm('walk', { address: text(symbols.get('heartbeat')) });
  await until(async () => (await page.locator('[data-physical]').getAttribute('data-physical')) === walk.physical, 'the physical address');
  for (const level of walk.levels) assert.ok((await page.locator('.levels').textContent()).includes(level), level);
  await page.getByRole('button', { name: 'Map of all' }).click();
  const regions = page.locator('.region');
  await regions.first().waitFor();
  for (const row of await regions.all()) {
    const [start] = (await row.textContent()).match(/^0x[0-9a-f]+?(?=\d+ [MGKT]?i?B)/) ?? (await row.locator('.value').textContent()).match(/.*/);
    const to = /physical (0x\w+)/.exec(await row.getAttribute('title'))[1];
    const address = await row.locator('.value').textContent();
    assert.equal((await rsp.kvm('walk', { address })).physical, to, `${address} (${start})`);
  }
  rsp.close();
  await shot(page, 'paging');
}));

test('descriptor tables and MSRs', withPage(async (page, server) => {
  await inListSum(page);
  const rsp = await Rsp.open(server.port);
  await tab(page, 'Tables');
  for (const table of ['idt', 'gdt']) {
    await page.getByRole('button', { name: table.toUpperCase(), exact: true }).click();
    const told = await rsp.kvm('descriptorTables', { table, vcpu: 0 });
    await until(async () => (await page.locator('.panel-tables').textContent()).includes(told.base), `${table} at ${told.base}`);
    const entries = page.locator('[data-entry]');
    assert.equal(await entries.first().getAttribute('data-entry'), String(told.entries[0].number));
    assert.match(await entries.first().getAttribute('title'), new RegExp(`${told.entries[0].kind}.*${told.entries[0].base}`));
  }
  await page.getByRole('button', { name: 'TSS', exact: true }).click(); // the guest has none, and that is what is said
  await page.locator('.panel-tables .empty', { hasText: 'no task register' }).waitFor();
  await tab(page, 'MSRs');
  for (const [name, number] of [['efer', '0xc0000080'], ['apic_base', '0x1b'], ['pat', '0x277']]) {
    const { value } = await rsp.kvm('msr', { number, vcpu: 0 });
    assert.equal(await page.locator(`[data-msr="${name}"] .value`).textContent(), value);
    assert.equal(await page.locator(`[data-msr="${name}"]`).getAttribute('title'), `MSR ${number}`);
  }
  await page.getByLabel('Number of an MSR').fill('0xc0000103'); // tsc_aux, by its number and by its name
  await page.keyboard.press('Enter');
  for (const [name, value] of [['tsc_aux', '0x77'], ['0xc0000103', '0x78']]) {
    await page.locator(`[data-msr="${name}"] .value`).dblclick();
    await page.locator(`[data-msr="${name}"] input`).fill(value);
    await page.keyboard.press('Enter');
    await until(async () => (await rsp.kvm('msr', { number: '0xc0000103', vcpu: 0 })).value === value, name);
    for (const other of ['tsc_aux', '0xc0000103']) await page.locator(`[data-msr="${other}"] .value`, { hasText: value }).waitFor();
  }
  rsp.close();
  await shot(page, 'tables');
}));

/** No such guest can run here: what the server says of itself is changed on its way, and only what is said then is looked at. */
test('what is of x86 alone says so for a guest of another family', withPage(async (page) => {
  await page.addInitScript(() => {
    const real = globalThis.JSON.parse;
    globalThis.JSON.parse = (text, ...more) => real(typeof text === 'string' ? text.replace('"arch":"x86_64"', '"arch":"riscv64"') : text, ...more);
  });
  await page.reload();
  await stopped(page);
  for (const [name, words] of [['Tables', 'CPUs of riscv64 have none'], ['MSRs', 'CPUs of riscv64 have none'], ['Paging', 'a map of all is drawn for x86-64 alone']]) {
    await tab(page, name);
    await page.getByRole('tabpanel', { name }).locator(`text=${words}`).waitFor();
  }
  assert.equal(await page.getByRole('button', { name: 'Map of all' }).count(), 0);
  await page.locator('[data-physical]').waitFor(); // one address is walked all the same
}));

test('source with values, and disassembly with lines', withPage(async (page) => {
  await inListSum(page);
  const line = lineOf('unsigned sum = 0;');
  await page.locator('.code.here').waitFor();
  const seen = await page.locator('.disassembly').textContent();
  assert.ok(seen.includes(`kernel.c:${line}`) && seen.includes('unsigned sum = 0;'), seen);
  const listing = execFileSync('objdump', ['-d', '-M', 'intel', '--disassemble=list_sum', '--no-show-raw-insn', demo], { encoding: 'utf8' });
  for (const [, address, word] of listing.matchAll(/^(ffffffff\w+):\s+(\w+)/gm)) {
    const row = page.locator(`.code[data-address="0x${address}"]`);
    if (await row.count()) assert.equal((await row.locator('.code-word').textContent()).trim(), word, address);
  }
  assert.ok(await page.locator('.arrows path').count() > 3, 'arrows of jumps');
  await page.getByRole('group', { name: 'Disassembly' }).focus();
  const first = await page.locator('.code-address').first().textContent();
  for (let i = 0; i < 40; ++i) await page.keyboard.press('ArrowUp');
  await until(async () => BigInt(await page.locator('.code-address').first().textContent()) < BigInt(first), 'what is before');
  await tab(page, 'Source');
  const editor = page.locator('[data-source]');
  await until(async () => (await editor.getAttribute('data-line')) === String(line), 'the line');
  await page.locator('.cm-line.here', { hasText: 'unsigned sum = 0;' }).waitFor();
  await page.locator('.values', { hasText: 'node = 0x' }).first().waitFor();
  const shown = await page.locator('.cm-line').first().textContent();
  assert.ok(readFileSync(source, 'utf8').includes(shown.trim()));
  await shot(page, 'source');
}));

test('sources that lie elsewhere now', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kvmdbg-sources-'));
  writeFileSync(join(folder, 'kernel.c'), readFileSync(source, 'utf8').replace('unsigned sum = 0;', 'unsigned sum = 0; /* it has been moved */'));
  try {
    await withPage(async (page) => {
      await inListSum(page);
      await tab(page, 'Symbols');
      await page.getByLabel('Sources', { exact: true }).fill(dirname(source));
      await page.keyboard.press('Enter');
      await page.locator('.notice.error', { hasText: 'no pair of folders' }).waitFor();
      await page.getByLabel('Sources', { exact: true }).fill(`${dirname(source)}=${folder}`);
      await page.keyboard.press('Enter');
      await page.locator(`.frame.selected[title*="${folder}/kernel.c"]`).waitFor();
      await tab(page, 'Source');
      await page.locator('.cm-line.here', { hasText: 'it has been moved' }).waitFor();
      assert.ok(new URLSearchParams(new URL(page.url()).hash.slice(1)).get('sources') === `${dirname(source)}=${folder}`, page.url());
      await page.reload();
      await stopped(page);
      await page.locator('.cm-line.here', { hasText: 'it has been moved' }).waitFor();
    }, { words: ['--root', folder] })();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('code in 16 and 32 bits, and at address 0', withPage(async (page) => {
  await page.locator('.code.here .code-word', { hasText: 'mov' }).waitFor(); // the entry is 32-bit code
  await page.locator('.code.here', { hasText: 'ebx' }).waitFor();
  await page.locator('.vcpu').nth(1).click(); // in real mode, at its reset vector
  await page.locator('.code[data-address="0xfffffff0"]', { hasText: 'no memory' }).waitFor();
  await command(page, 'Show code at');
  await answerQuestion(page, '0x0');
  await page.locator('.code[data-address="0x0"]').waitFor();
  assert.equal(await page.locator('.code').first().getAttribute('data-address'), '0x0');
  await command(page, 'Show code where the vCPU is');
  await command(page, 'Stop at a function');
  await answerQuestion(page, '0x8000'); // where the other vCPU begins, in real mode
  await page.keyboard.press('F5');
  const start = symbols.get('trampoline');
  const listing = execFileSync('objdump', ['-D', '-m', 'i8086', '-M', 'intel', '--no-show-raw-insn', `--start-address=${text(start)}`, `--stop-address=${text(start + 16n)}`, demo], { encoding: 'utf8' });
  const [, word] = /^ *[0-9a-f]+:\s+(\w+)/m.exec(listing);
  await page.locator('.code.here[data-address="0x8000"]').waitFor({ timeout: 30000 });
  assert.equal((await page.locator('.code.here .code-word').textContent()).trim(), word);
  assert.match(await page.locator('.vcpu.selected').getAttribute('title'), /real mode/);
}));

test('stack words, variables, console, time line, clients, symbols, protocol, connect', withPage(async (page, server) => {
  await inListSum(page);
  const rsp = await Rsp.open(server.port);
  await tab(page, 'Stack');
  const sp = await rsp.register(7);
  const word = (await rsp.memory(sp, 8)).readBigUInt64LE().toString(16).padStart(16, '0');
  await page.locator(`.panel-stack .row[data-address="${text(sp)}"]`, { hasText: word }).waitFor();
  await page.locator('.panel-stack .row', { hasText: 'print_status' }).first().waitFor();
  await tab(page, 'Variables');
  const node = await rsp.register(5); // rdi holds the argument
  await page.locator('.variable', { hasText: 'node' }).locator('.value', { hasText: text(node) }).first().waitFor();
  await page.getByLabel('An expression to show').fill('heartbeat');
  await page.keyboard.press('Enter');
  const heartbeat = (await rsp.memory(symbols.get('heartbeat'), 8)).readBigUInt64LE();
  await page.locator('.watched', { hasText: 'heartbeat' }).locator('.value', { hasText: String(heartbeat) }).waitFor();
  await tab(page, 'Serial');
  const { text: console } = await rsp.kvm('console');
  for (const line of console.trim().split('\n')) await page.locator('.panel-serial .row', { hasText: line }).first().waitFor();
  await tab(page, 'Time line');
  const { stops } = await rsp.kvm('stops');
  await page.locator(`[data-epoch="${stops.at(-1).epoch}"]`, { hasText: stops.at(-1).vcpus[0].reasons[0] }).waitFor();
  await tab(page, 'Clients');
  await until(async () => (await page.locator('.panel-clients tbody tr').count()) === 2, 'two clients');
  await page.locator('.panel-clients tr', { hasText: 'this page' }).locator('text=has it').waitFor();
  await tab(page, 'Symbols');
  await page.locator('.panel-symbols tr', { hasText: demo }).locator('text=symbols and lines').waitFor();
  await page.getByLabel('Symbols of the guest').fill(join(dirname(demo), 'nowhere'));
  await page.getByRole('button', { name: 'Read', exact: true }).click();
  await page.locator('.panel-symbols', { hasText: 'None: registers' }).waitFor();
  await tab(page, 'Console');
  await page.locator('.repl-error', { hasText: `no symbols from ${join(dirname(demo), 'nowhere')}` }).waitFor();
  await tab(page, 'Symbols');
  await page.getByLabel('Symbols of the guest').fill('');
  await page.getByRole('button', { name: 'Read', exact: true }).click();
  await page.locator('.panel-symbols tr', { hasText: demo }).waitFor();
  await tab(page, 'Protocol');
  await page.locator('.panel-protocol .row').first().waitFor();
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save as a file' }).click();
  const log = readFileSync(await (await saved).path(), 'utf8');
  assert.match(log, /-> \{"seq":1,"type":"request","command":"initialize"/);
  assert.ok(!log.includes(server.token), 'the log has no token');
  await tab(page, 'Connect');
  await page.locator('[data-connect="gdb"]', { hasText: `gdb ${demo} -ex 'target remote 127.0.0.1:${server.port}'` }).waitFor();
  rsp.close();
  await shot(page, 'connect');
}));

test('the debug console evaluates, completes and remembers', withPage(async (page) => {
  await inListSum(page);
  await page.keyboard.press('Control+`');
  const field = page.getByLabel('Expression or command');
  await until(() => field.evaluate((element) => element === document.activeElement), 'the keyboard is in the console');
  await page.keyboard.type('p 6 * 7');
  await page.keyboard.press('Enter');
  await page.locator('.repl-answer', { hasText: /^42$/ }).waitFor();
  await field.fill('kvm po');
  await page.keyboard.press('Tab');
  await until(async () => (await field.inputValue()) === 'kvm points', 'the completion');
  await page.keyboard.press('Enter');
  await page.locator('.repl-answer', { hasText: 'hardware' }).first().waitFor();
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowUp');
  assert.equal(await field.inputValue(), 'p 6 * 7');
  await field.fill('nonsense(');
  await page.keyboard.press('Enter');
  await page.locator('.repl-error').first().waitFor();
}));

test('what is typed reaches the guest, and its end is a stop', withPage(async (page) => {
  await page.keyboard.press('F5');
  await tab(page, 'Serial');
  await page.locator('.panel-serial .row', { hasText: 'processor' }).first().waitFor({ timeout: 30000 });
  await page.getByLabel('Type to the guest').fill('q');
  await page.keyboard.press('Enter');
  await page.locator('.panel-serial .row', { hasText: 'power off' }).first().waitFor({ timeout: 30000 });
}));

test('the bundle is small', () => {
  const sizes = JSON.parse(readFileSync(`${build}/web/sizes.json`, 'utf8'));
  console.log(`# ${sizes.all} bytes compressed`);
  assert.ok(sizes.all <= 250_000, `${sizes.all} bytes`);
});
