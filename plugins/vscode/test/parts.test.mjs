// The factory's choices, the commands and the terminal, without a server.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { after, test } from 'node:test';
import { about, activated } from './host.mjs';

const folder = mkdtempSync(join(tmpdir(), 'kvmdbg-parts-'));
after(() => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, 'kvmdbg-dap'), '#!/bin/sh\n');
chmodSync(join(folder, 'kvmdbg-dap'), 0o755);
writeFileSync(join(folder, 'plain'), '');

/** A session of which nothing is real; `answers` has what its requests give. */
function fake(configuration, answers = {}) {
  const asked = [];
  return {
    id: 'fake', type: 'kvmdbg', name: 'fake', configuration, asked,
    async customRequest(command, args) {
      asked.push([command, args]);
      const answer = answers[command];
      if (answer instanceof Error) throw answer;
      return typeof answer === 'function' ? answer(args) : answer;
    },
  };
}

const launch = { type: 'kvmdbg', request: 'launch', name: 'x', image: 'k' };
const make = (vscode, configuration, workspaceFolder) =>
  vscode.registered.factories.kvmdbg.createDebugAdapterDescriptor({ ...fake(configuration), workspaceFolder });

test('the adapter: of the configuration, else of the settings, else of PATH; relative to the workspace', async () => {
  const vscode = activated();
  const workspace = { uri: { fsPath: folder } };
  const path = process.env.PATH;
  const program = join(folder, 'kvmdbg-dap');
  try {
    process.env.PATH = folder;
    assert.equal((await make(vscode, launch)).command, program);
    process.env.PATH = '/nowhere';
    assert.equal((await make(vscode, { ...launch, adapter: './kvmdbg-dap' }, workspace)).command, program);
    assert.equal((await make(vscode, { ...launch, adapter: './kvmdbg-dap' }, workspace)).options.cwd, folder);
    vscode.answers.settings.adapter = program;
    assert.equal((await make(vscode, launch)).command, program);
    vscode.answers.settings.adapter = '';
    await assert.rejects(make(vscode, launch), /no program kvmdbg-dap in PATH.*kvmdbg\.adapter.*"connect"/);
    await assert.rejects(make(vscode, { ...launch, adapter: './plain' }, workspace), /no program \.\/plain,/);
  } finally {
    process.env.PATH = path;
  }
});

test('every command of package.json is there, in the palette only while kvmdbg debugs, and says so without a session', async () => {
  const vscode = activated();
  const names = about.contributes.commands.map(({ command }) => command);
  assert.deepEqual(names.sort(), Object.keys(vscode.registered.commands).sort());
  assert.equal(names.length, 5);
  for (const name of names) {
    const shown = about.contributes.menus.commandPalette.find(({ command }) => command === name);
    assert.match(shown.when, /debugType == kvmdbg/);
    for (const active of [undefined, { ...fake({}), type: 'node' }]) {
      vscode.api.debug.activeDebugSession = active;
      await vscode.registered.commands[name]();
      assert.match(vscode.seen.errors.pop(), /active debug session is none of kvmdbg's/);
    }
  }
});

test('who had run control is told', async () => {
  for (const [before, text] of [[null, /nobody had it/], [7, /client 7 had it/], [2, /as it was before/]]) {
    const vscode = activated();
    vscode.api.debug.activeDebugSession = fake({}, { 'kvmdbg/takeControl': { before, now: 2 } });
    await vscode.registered.commands['kvmdbg.takeControl']();
    assert.match(vscode.seen.messages[0], text);
  }
});

test('a translation is asked of the vCPU in focus and shown with its levels', async () => {
  const vscode = activated();
  const walk = { address: '0x7000', physical: '0x9000', pageSize: 4096, root: '0x1000', writable: false, user: true, executable: false,
    accessed: true, dirty: false, levels: ['PML4E 0', 'PTE 7'] };
  const session = fake({}, { 'kvmdbg/walk': walk, evaluate: ({ frameId }) => ({ memoryReference: frameId === 9 ? '0x7000' : 'p:0x7000' }) });
  vscode.api.debug.activeDebugSession = session;
  vscode.api.debug.activeStackItem = { session, threadId: 3, frameId: 9 };
  vscode.answers.input = ' &thing ';
  await vscode.registered.commands['kvmdbg.translate']();
  assert.deepEqual(session.asked.at(-1), ['kvmdbg/walk', { address: '0x7000', vcpu: 2 }]);
  assert.equal(vscode.seen.channels.kvmdbg[0],
    '0x7000 on vCPU 2 is p:0x9000: page of 4 KiB, read-only, user, not executable, accessed; root 0x1000\n  PML4E 0\n  PTE 7');
  vscode.api.debug.activeStackItem = undefined;
  await vscode.registered.commands['kvmdbg.translate']();
  assert.match(vscode.seen.errors[0], /&thing has no virtual address/);
  vscode.answers.input = undefined;
  const before = session.asked.length;
  await vscode.registered.commands['kvmdbg.translate']();
  assert.equal(session.asked.length, before);
});

test('the page: a typed token is asked for once a session, an empty one opens it without', async () => {
  const vscode = activated();
  const session = fake({ type: 'kvmdbg', request: 'attach', name: 'x', server: '[::1]:99' });
  vscode.api.debug.activeDebugSession = session;
  const open = vscode.registered.commands['kvmdbg.openPage'];
  await open(); // Escape
  vscode.answers.input = '';
  await open();
  vscode.answers.input = 'a b';
  await open();
  await open();
  assert.deepEqual(vscode.seen.opened, ['http://[::1]:99/', 'http://[::1]:99/#t=a%20b', 'http://[::1]:99/#t=a%20b']);
  assert.equal(vscode.seen.inputs.length, 3);
  for (const tell of vscode.registered.terminated) tell(session);
  await open();
  assert.equal(vscode.seen.inputs.length, 4);
  vscode.api.debug.activeDebugSession = fake({ request: 'attach', connect: 'wss://host', token: 'f' });
  await open();
  assert.equal(vscode.seen.opened.at(-1), 'https://host/#t=f');
});

const output = (text, category = 'stdout') => ({ type: 'event', event: 'output', body: { category, output: text } });

/** A terminal whose session has `history` when it opens. */
async function terminal(history, typed = () => {}) {
  const vscode = activated();
  const session = fake({}, { 'kvmdbg/console': ({ type }) => (type === undefined ? { text: history } : typed(type) ?? { text: '' }) });
  const tracker = vscode.registered.trackers.kvmdbg.createDebugAdapterTracker(session);
  tracker.onDidSendMessage(output('LLDB speaks', 'console'));
  assert.equal(vscode.seen.terminals.length, 0);
  tracker.onDidSendMessage(output(history));
  await pause(1);
  const end = () => vscode.registered.terminated.forEach((tell) => tell(session));
  return { shown: vscode.seen.terminals[0], put: (text) => tracker.onDidSendMessage(output(text)), end, vscode };
}

test('the console: line ends are a terminal\'s, whatever the guest sends and however it comes', async () => {
  const { shown, put } = await terminal('a\nb\r\n');
  await pause(120);
  for (const text of ['c\r', '\nd', '\n', '\n\r\n']) put(text);
  assert.equal(shown.text, 'a\r\nb\r\nc\r\nd\r\n\r\n\r\n');
});

test('the console: what was in the history already is not shown twice, a late repetition is', async () => {
  const { shown, put } = await terminal('one two');
  put('two three');
  put('three');
  assert.equal(shown.text, 'one two threethree');
  const late = await terminal('tick');
  await pause(120);
  late.put('tick');
  assert.equal(late.shown.text, 'ticktick');
});

test('the console: keys go one after the other, a refusal is shown, and the end too', async () => {
  const keys = [];
  const { shown, end } = await terminal('login: ', (key) => {
    keys.push(key);
    return key === 'n' ? new Promise((resolve) => { setTimeout(() => resolve({ text: '' }), 20); })
      : key === '\r' ? Promise.reject(new Error('may only look')) : undefined;
  });
  for (const key of ['n', 'o', '\r']) shown.pty.handleInput(key);
  await pause(60);
  assert.deepEqual(keys, ['n', 'o', '\r']);
  assert.equal(shown.text, 'login: \r\n[kvmdbg: may only look]\r\n');
  end();
  shown.pty.handleInput('x');
  await pause(5);
  assert.equal(keys.length, 3);
  assert.match(shown.text, /\[kvmdbg: the session has ended\]\r\n$/);
});

test('the console: one that the user closed does not come back by itself, but by its command', async () => {
  const { shown, put, vscode } = await terminal('a');
  shown.pty.close();
  put('b');
  assert.equal(vscode.seen.terminals.length, 1);
  vscode.api.debug.activeDebugSession = fake({}, { 'kvmdbg/console': { text: 'ab' } });
  await vscode.registered.commands['kvmdbg.console']();
  assert.equal(vscode.seen.terminals.length, 2);
});
