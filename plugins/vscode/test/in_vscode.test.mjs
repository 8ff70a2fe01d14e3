// A real VS Code (code-server, KVMDBG_CODE_SERVER) with the .vsix in it, driven by keys and clicks.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Server, about, programs, until } from './host.mjs';
import { Workbench, lineOf, sources } from './workbench.mjs';

const symbols = { program: programs.demo, sourceMap: { [sources]: '${workspaceFolder}' } };
const attach = { type: 'kvmdbg', request: 'attach', ...symbols };
const push = lineOf('node->next = list_head');

let server, bench;

before(async () => {
  server = await Server.start();
  bench = await Workbench.start([
    { type: 'kvmdbg', request: 'launch', name: 'Launch', image: programs.demo, cpus: 2, stopOnEntry: true, ...symbols },
    { ...attach, name: 'Port', server: server.address },
    { ...attach, name: 'WebSocket', connect: `ws://${server.address}`, tokenFile: server.tokenFile },
    { ...attach, name: 'Nobody', server: '127.0.0.1:1' },
  ]);
});

after(async () => {
  await bench?.stop();
  server?.stop();
});

/** A case, of which a picture is left where it fails. */
const it = (name, action) => test(name, async () => {
  try {
    await action(bench.page);
  } catch (error) {
    await bench.shot(`failed: ${name}`.replaceAll(/\W+/g, '-'));
    throw error;
  }
});

it('code-server has installed the .vsix', async () => {
  assert.match(await bench.run('--list-extensions', '--show-versions'), new RegExp(`^${about.publisher}\\.${about.name}@${about.version}$`, 'm'));
});

it('a new launch.json begins with one configuration, that attaches', async (page) => {
  await bench.visit('fresh');
  await bench.command('View: Show Run and Debug');
  await page.locator('.sidebar a', { hasText: 'create a launch.json' }).click();
  const kind = bench.row('.quick-input-list', about.contributes.debuggers[0].label);
  await Promise.race([kind.click(), bench.seen(page.locator('.tab', { hasText: 'launch.json' }))]); // asked where there are others
  const written = await until(() => bench.read('.vscode/launch.json'), 'launch.json');
  const { configurations } = JSON.parse(written.replaceAll(/^\s*\/\/.*$/gm, ''));
  assert.deepEqual(configurations, about.contributes.debuggers[0].initialConfigurations);
  await bench.visit('demo');
});

it('launch.json: fields are explained, wrong ones are marked', async (page) => {
  await bench.open('.vscode/launch.json', 9);
  await until(async () => { // again until VS Code has read the schema
    await page.locator('.view-line span', { hasText: /^"image"$/ }).first().hover();
    await page.locator('.view-line span', { hasText: /^"cpus"$/ }).first().hover();
    await pause(1500);
    return page.locator('.monaco-hover', { hasText: 'How many virtual CPUs the guest has' }).isVisible();
  }, 'what the schema says of the field');
  assert.equal(await page.locator('.squiggly-warning, .squiggly-error').count(), 0);
  await page.keyboard.press('End');
  for (const key of ['ArrowLeft', 'Backspace', '"', 'x', '"']) await page.keyboard.press(key); // no number
  await bench.seen(page.locator('.squiggly-warning, .squiggly-error').first());
  await bench.command('File: Revert File');
});

it('launch.json: snippets are offered', async (page) => {
  await bench.command('Debug: Add Configuration');
  for (const { label } of about.contributes.debuggers[0].configurationSnippets) {
    await bench.seen(page.locator('.suggest-widget .monaco-list-row', { hasText: label }).first());
  }
  await page.keyboard.press('Escape');
  await bench.command('File: Revert File');
});

it('F9 and F5: a guest is launched, stops at its first instruction, then at the breakpoint', async (page) => {
  await bench.open('kernel.c', push);
  await page.keyboard.press('F9');
  await bench.seen(bench.inGutter('breakpoint'));
  await page.keyboard.press('F5');
  await bench.seen(bench.frame('boot.S'));
  await bench.seen(page.locator('.tab.active', { hasText: 'boot.S' }));
  await page.keyboard.press('F5');
  await bench.seen(bench.frame(/list_push/));
  await bench.seen(bench.inGutter('breakpoint.codicon-debug-stackframe'));
  assert.match(await bench.status(), new RegExp(`Ln ${push},`));
  for (const one of [/kernel_main/, /primary_start/, /vCPU 1/]) await bench.seen(bench.frame(one));
  assert.match(await bench.frame('vCPU 0').innerText(), /vCPU 0\s+paused on breakpoint/i);
});

it('variables, and steps', async (page) => {
  await bench.variable('node =').click();
  await page.keyboard.press('ArrowRight');
  await bench.seen(bench.variable(/name =\s*0x[0-9a-f]+ "apple"/));
  await bench.seen(bench.variable(/value =\s*3/));
  await bench.variable('node =').hover();
  await bench.seen(bench.variable('node =').locator('.codicon-debug-inspect-memory')); // opens with Microsoft's hex editor
  await page.keyboard.press('F10');
  await bench.seen(bench.frame(new RegExp(`list_push[^]*${push + 1}`)));
  await page.keyboard.press('Shift+F11');
  await until(async () => /kernel_main/.test(await bench.frame('kernel.c').innerText()), 'the caller');
});

it('the extension is active', async (page) => {
  await bench.command('Developer: Show Running Extensions');
  const list = page.locator('.runtime-extensions-editor');
  await list.hover();
  await until(async () => {
    await page.mouse.wheel(0, 100);
    return /kvmdbg/.test(await list.innerText());
  }, 'a row of ours');
  await bench.command('View: Close Editor');
});

it('the debug console evaluates, and takes kvm words', async (page) => {
  await bench.evaluate('nodes[1].value + 37');
  await bench.seen(bench.row('.repl', /^42$/));
  await bench.evaluate('kvm vcpus');
  await bench.seen(bench.row('.repl', /vcpu/i));
  assert.equal(await page.locator('.repl .monaco-list-row', { hasText: 'error' }).count(), 0);
});

it('the disassembly has the source between it, and steps by instructions', async (page) => {
  await bench.command('Open Disassembly View');
  const here = page.locator('.disassembly-view .monaco-list-row', { has: page.locator('.codicon-debug-stackframe') }).first();
  await bench.seen(here);
  await bench.seen(bench.row('.disassembly-view', 'list_push(&nodes[i])'));
  const before = await here.innerText();
  await page.keyboard.press('F10');
  await until(async () => (await here.innerText()) !== before, 'the next instruction');
  await bench.command('View: Close Editor');
});

it('a breakpoint in assembly, which plain VS Code has no language for', async (page) => {
  await bench.open('boot.S', 20);
  await page.keyboard.press('F9');
  await bench.seen(bench.inGutter('breakpoint'));
  await page.keyboard.press('F9');
  await bench.command('View: Close Editor');
});

it("the guest's console is a terminal", async (page) => {
  await bench.command('Remove All Breakpoints');
  await page.keyboard.press('F5');
  await bench.command('Terminal: Focus Terminal');
  await until(async () => /factorial 5 is 120/.test(await bench.terminal()), 'what the guest has written');
  await page.keyboard.type('q'); // powers it off
  await until(async () => /power off/.test(await bench.terminal()), 'the guest has read it');
});

it('Shift+F5 ends the session, and nothing was complained about', async (page) => {
  await bench.seen(bench.frame('power_off')); // what has ended can still be looked at
  await bench.end();
  await until(async () => /the session has ended/.test(await bench.terminal()), 'the terminal tells');
  assert.deepEqual(await bench.complaints(), []);
});

it('attach to HOST:PORT: the guest outlives the session', async (page) => {
  await bench.debug('Port');
  await bench.seen(bench.frame('boot.S'));
  await bench.open('kernel.c', lineOf('heartbeat = tick'));
  await page.keyboard.press('F9');
  await page.keyboard.press('F5');
  await bench.seen(bench.frame('beat'));
  await bench.command('Remove All Breakpoints');
  await bench.end();
  assert.equal(server.process.exitCode, null);
});

it('attach by WebSocket with the token of a file', async (page) => {
  await bench.debug('WebSocket');
  await bench.seen(bench.frame('vCPU 1'));
  await page.keyboard.press('F5');
  await bench.seen(bench.frame(/running/i));
  await page.keyboard.press('F6');
  await bench.seen(bench.frame(/kernel\.c|machine\.c/));
});

it('commands: take control, translate, trace', async (page) => {
  await bench.command('kvmdbg: Take Control');
  await bench.seen(bench.notification("run control is this session's"));
  await bench.command('kvmdbg: Translate Address', 'kernel_main');
  await until(async () => /0xffffffff80[0-9a-f]+ on vCPU 0 is p:0x[^]*PML4E/.test(await bench.output()), 'the walk');
  await bench.command('kvmdbg: Translate Address', 'no_such_thing');
  await until(async () => (await bench.complaints()).length > 0, 'a refusal');
  await pause(500);
  const complaints = await bench.complaints();
  assert.ok(complaints.length === 1 && complaints[0].includes('no_such_thing'), complaints.join('; '));
  await bench.command('Notifications: Clear All Notifications');
  await bench.command('kvmdbg: Capture Trace');
  await bench.seen(bench.notification('messages are captured'));
  await page.keyboard.press('F10');
  await until(async () => /"command":"next"/.test(await bench.output()), 'the request');
  assert.ok(!(await bench.output()).includes(readFileSync(server.tokenFile, 'utf8').trim()));
});

it("the server's page is opened", async (page) => {
  const opened = page.context().waitForEvent('page');
  await bench.command("kvmdbg: Open the Server's Page");
  // code-server leads there by its proxy, whose host name the server refuses
  await until(async () => (await opened).url().includes(`/proxy/${server.address.split(':')[1]}/`), 'the address');
  await (await opened).close();
  await bench.end();
});

it('nobody who listens is told', async (page) => {
  await bench.debug('Nobody');
  const dialog = page.locator('.monaco-dialog-box', { hasText: 'Cannot connect to 127.0.0.1:1' });
  await bench.seen(dialog);
  assert.match(await dialog.innerText(), /kvmdbg run --listen/);
  await page.keyboard.press('Escape');
});
