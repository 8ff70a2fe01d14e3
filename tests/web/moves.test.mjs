// Several clients, lost connections, tokens, roles: each is shown as what it is, and mended where it can be.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { spawn, execFileSync } from 'node:child_process';
import { Rsp, Server, answerQuestion, closeBrowser, command, demo, open, register, runs, shot, state, stopped, until, withPage } from './page.mjs';

after(closeBrowser);
const tab = (page, name) => page.getByRole('tab', { name, exact: true }).click();

/** A gdb of the system's, by its commands. */
class Gdb {
  constructor(port) {
    this.output = '';
    this.process = spawn('gdb', ['-nx', '-q', demo, '-ex', 'set pagination off', '-ex', 'set confirm off', '-ex', `target remote 127.0.0.1:${port}`]);
    this.process.stdout.on('data', (data) => { this.output += data; });
    this.process.stderr.on('data', (data) => { this.output += data; });
  }

  async run(line, pattern) {
    const start = this.output.length;
    this.process.stdin.write(`${line}\n`);
    await until(() => pattern.test(this.output.slice(start)), `gdb: ${line}: ${this.output.slice(-300)}`);
  }

  async end() {
    const ended = new Promise((resolve) => { this.process.on('exit', resolve); });
    this.process.kill('SIGKILL');
    await ended;
  }
}

test('another client moves the guest, and control is taken from gdb', withPage(async (page, server) => {
  const gdb = new Gdb(server.port);
  await until(() => /boot\.S|0x0+100000/.test(gdb.output), 'gdb is there');
  await gdb.run('tbreak list_sum', /Temporary breakpoint/);
  await gdb.run('continue', /list_sum \(/);
  await page.locator('.frame.selected', { hasText: 'list_sum' }).waitFor();
  await page.locator('.why', { hasText: /resumed by .*gdb/ }).waitFor();
  await page.locator('.tag.warn', { hasText: /has control: .*gdb/ }).waitFor();
  await page.keyboard.press('F10');
  await page.locator('.notice.error', { hasText: 'run control' }).waitFor();
  assert.equal(await state(page), 'stopped', 'a refused step leaves the guest as it is');
  await shot(page, 'lease');
  await page.getByRole('banner').getByRole('button', { name: 'Take control' }).click();
  await page.locator('.tag.good', { hasText: 'you have control' }).waitFor();
  const before = await register(page, 'rip');
  await page.keyboard.press('F10');
  await until(async () => (await register(page, 'rip')) !== before, 'a step');
  await tab(page, 'Clients');
  await page.locator('.panel-clients tr', { hasText: 'gdb' }).waitFor();
  await gdb.end();
  await until(async () => (await page.locator('.panel-clients tr', { hasText: 'gdb' }).count()) === 0, 'gdb has left');
}));

test('a lost connection is made again, with the points and the present state', async () => {
  let server = await Server.start();
  let page;
  try {
    page = await open(server.url());
    await stopped(page);
    await command(page, 'Stop at a function');
    await answerQuestion(page, 'list_sum');
    const rsp = await Rsp.open(server.port);
    await until(async () => (await rsp.kvm('points')).points.length === 1, 'a point');
    const worker = Number(/process (\d+) serves .*WebSocket/.exec(server.log)[1]);
    process.kill(worker, 'SIGSEGV');
    await until(() => /process \d+, which served/.test(server.log), 'its adapter is gone');
    await until(() => /process (\d+) serves .*WebSocket[^]*process (\d+) serves .*WebSocket/.test(server.log), 'another adapter');
    await stopped(page);
    await until(async () => (await rsp.kvm('points')).points.length === 1, 'the point again');
    rsp.close();
    await page.keyboard.press('F5');
    await page.locator('.frame.selected', { hasText: 'list_sum' }).waitFor({ timeout: 30000 });
    // the whole page anew: the guest stands where it stood
    const rip = await until(() => register(page, 'rip'), 'rip');
    await page.reload();
    await stopped(page);
    await until(async () => (await register(page, 'rip')) === rip, 'the same place');
    await page.locator('.point-name', { hasText: 'list_sum' }).first().waitFor();
    // the server gone, and another in its place, of which this token is none
    const { port } = server;
    await server.stop();
    await page.locator('[role=alert]', { hasText: 'does not answer' }).waitFor();
    await shot(page, 'gone');
    server = await Server.start({ port });
    await page.locator('[role=alert]', { hasText: 'does not know this token' }).waitFor({ timeout: 30000 });
    await page.evaluate((token) => { location.hash = `#t=${token}`; }, server.token);
    await stopped(page);
    assert.ok(!page.url().includes(server.token), 'the token stays in the address');
    assert.deepEqual(page.wrong, []);
  } finally {
    await page?.context().close();
    await server.stop();
  }
});

test('a page that is loaded, or loaded again, opens one connection', withPage(async (page, server) => {
  const adapters = () => [...server.log.matchAll(/process \d+ serves .*WebSocket/g)].length;
  for (const expected of [1, 2, 3]) {
    await page.locator('[data-register="rip"]').waitFor();
    assert.equal(adapters(), expected);
    await page.reload();
    await stopped(page);
  }
}));

test('a wrong token, and none', async () => {
  const server = await Server.start();
  try {
    const page = await open(`${server.address}#t=${'0'.repeat(64)}`);
    await page.locator('[role=alert]', { hasText: 'does not know this token' }).waitFor();
    assert.ok(!page.url().includes('000'));
    const bare = await open(server.address);
    await bare.locator('[role=alert]', { hasText: 'There is no token' }).waitFor();
    await shot(bare, 'no-token');
    for (const one of [page, bare]) await one.context().close();
  } finally {
    await server.stop();
  }
});

test('the token is in no history and no address', withPage(async (page, server) => {
  await tab(page, 'Clients');
  assert.match(page.url(), /#bottom=clients/);
  assert.ok(!page.url().includes(server.token));
  assert.equal(await page.evaluate(() => history.length) <= 2, true);
  const kept = await page.evaluate(() => JSON.stringify({ ...localStorage }));
  assert.ok(!kept.includes(server.token), 'it is kept for longer than the tab');
}));

async function onlyLooks(page, server) {
  await stopped(page);
  await page.locator('.tag', { hasText: 'observe only' }).waitFor();
  const rsp = await Rsp.open(server.port);
  const before = await rsp.register(16);
  for (const name of ['Continue', 'Step over', 'Step into', 'Step out', 'Reset the machine']) {
    assert.ok(await page.getByRole('button', { name, exact: true }).isDisabled(), name);
  }
  for (const key of ['F5', 'F10', 'F11', 'F9']) await page.keyboard.press(key);
  assert.ok(await page.getByRole('button', { name: /^rax/ }).first().isDisabled());
  const list = page.getByLabel(/^Memory at/);
  await list.focus();
  await page.keyboard.type('ffff');
  await page.keyboard.press('Control+`');
  await page.getByLabel('Expression or command').fill('register write rax 5');
  await page.keyboard.press('Enter');
  await page.locator('.repl-error').first().waitFor();
  assert.equal(await rsp.register(16), before);
  assert.equal(await rsp.register(0), 0n);
  assert.equal((await rsp.kvm('points')).points.length, 0);
  // it follows what others do
  rsp.socket.write(Rsp.framed('vCont;s:1'));
  await rsp.receive();
  await until(async () => BigInt(await register(page, 'rip')) !== before, 'the step of another client');
  rsp.close();
}

test('the token to look only', withPage(async (page, server) => {
  const second = await open(`${server.address}#t=${server.observeToken}`);
  await onlyLooks(second, server);
  await shot(second, 'observe');
  assert.deepEqual(second.wrong, []);
  await second.context().close();
}));

test('a link to look only, with the token that may do all', withPage(onlyLooks, { more: '&role=observe' }));

test('another client resumes and stops, and what it writes is seen', withPage(async (page, server) => {
  const rsp = await Rsp.open(server.port);
  await page.locator('.code.here[data-address="0x100000"] .code-word', { hasText: 'mov' }).waitFor();
  assert.equal(await rsp.ask('M100000,1:90'), 'OK');
  await page.locator('.code[data-address="0x100000"] .code-word', { hasText: 'nop' }).waitFor();
  rsp.socket.write(Rsp.framed('vCont;c'));
  await runs(page);
  rsp.socket.write('\x03');
  await stopped(page);
  rsp.close();
}));
