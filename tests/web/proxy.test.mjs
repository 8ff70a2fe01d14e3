// The page behind a proxy that speaks TLS: https and wss outside, the server's own http behind.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, closeBrowser, open, register, stopped, until } from './page.mjs';

after(closeBrowser);

/** A certificate of its own, for a day. */
function certificate() {
  const folder = mkdtempSync(join(tmpdir(), 'kvmdbg-tls-'));
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1', '-subj', '/CN=localhost', '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const made = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(folder, { recursive: true });
  return made;
}

/** Passes requests and upgrades on to `to()`; the server knows itself by the address that it listens on, so Host is that. */
async function proxy(to) {
  const forward = (from, answered) => {
    const { method, url, headers } = from;
    const on = request({ host: '127.0.0.1', port: to(), method, path: url, headers: { ...headers, host: `127.0.0.1:${to()}` } });
    on.on('error', () => from.socket.destroy());
    answered(on);
    from.pipe(on);
  };
  const server = createServer(certificate(), (from, answer) => forward(from, (on) => on.on('response', (got) => {
    answer.writeHead(got.statusCode, got.headers);
    got.pipe(answer);
  })));
  server.on('upgrade', (from, socket) => forward(from, (on) => {
    const head = (got) => `HTTP/1.1 ${got.statusCode} ${got.statusMessage}\r\n${got.rawHeaders.map((text, index) => text + (index % 2 ? '\r\n' : ': ')).join('')}\r\n`;
    on.on('response', (got) => { socket.write(head(got)); got.pipe(socket); });
    on.on('upgrade', (got, other, first) => {
      socket.write(head(got));
      socket.write(first);
      socket.pipe(other).pipe(socket);
      for (const one of [socket, other]) one.on('error', () => { socket.destroy(); other.destroy(); });
    });
  }));
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return server;
}

test('the page by https', async () => {
  let target;
  const tls = await proxy(() => target);
  const address = `https://127.0.0.1:${tls.address().port}`;
  const server = await Server.start({ words: ['--allow-origin', address] });
  let page;
  try {
    target = server.port;
    page = await open(`${address}/#t=${server.token}`, { anyCertificate: true });
    await stopped(page);
    const before = await until(() => register(page, 'rip'), 'rip');
    await page.keyboard.press('F11');
    await until(async () => (await register(page, 'rip')) !== before, 'a step');
    await page.getByRole('tab', { name: 'Connect', exact: true }).click();
    await page.locator('.panel-connect', { hasText: 'through a proxy' }).locator('[data-connect="gdb"]', { hasText: 'target remote HOST:1234' }).waitFor();
    assert.deepEqual(page.wrong, []);
    assert.match(page.url(), /^https:/);
  } finally {
    await page?.context().close();
    await server.stop();
    tls.close();
  }
});

test('a proxy that the server was not told of', async () => {
  let target;
  const tls = await proxy(() => target);
  const server = await Server.start();
  let page;
  try {
    target = server.port;
    page = await open(`https://127.0.0.1:${tls.address().port}/#t=${server.token}`, { anyCertificate: true });
    await page.locator('[role=alert]', { hasText: '--allow-origin' }).waitFor();
  } finally {
    await page?.context().close();
    await server.stop();
    tls.close();
  }
});
