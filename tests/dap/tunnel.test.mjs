// Attached by a token: gdb's packets go through the server's WebSocket, with the role that the token has.
import assert from 'node:assert/strict';
import { writeFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { breakAt, together } from './session.mjs';

/** What a server says as it starts, once it has. */
async function said(server, pattern) {
  for (let tries = 0; !pattern.test(server.log); ++tries) {
    assert.ok(tries < 1000, server.log);
    await pause(10);
  }
  return pattern.exec(server.log).slice(1);
}
/** The files of its two tokens. */
const tokensOf = (server) => said(server, /token is in (\S+); to look only, (\S+)\n/);
const port = '127.0.0.1:0';
/** Where it listens by TCP. */
const placeOf = async (server) => (await said(server, /listening on (127\.0\.0\.1:\d+)\n/))[0];

test('by a token, from its file and in words, on a port and on a socket', together(2, async (server, [a, b]) => {
  const [control] = await tokensOf(server);
  const place = await placeOf(server);
  await a.stop(() => a.attachTo(server, { server: place, tokenFile: control }));
  await b.stop(() => b.attachTo(server, { token: readFileSync(control, 'utf8').trim() }));
  await breakAt(a, 'return n * below');
  const seen = b.waitForEvent('stopped');
  const stop = await a.stop(() => a.continueRequest({ threadId: 1 }));
  assert.equal(stop.reason, 'breakpoint');
  await seen;
  assert.equal((await b.top(1)).name, 'factorial');
  const { data } = (await b.send('readMemory', { memoryReference: '0x100000', count: 300_000 })).body;
  assert.equal(data, (await a.send('readMemory', { memoryReference: '0x100000', count: 300_000 })).body.data);
  await a.send('disconnect', {}); // the guest goes on
  await b.until(() => b.events('continued').length > 0, 'the other client goes on');
}, '--listen', port));

test('the second token is to look only', together(1, async (server, [session]) => {
  const [, observe] = await tokensOf(server), place = await placeOf(server);
  await session.stop(() => session.begin('attach', { server: place, tokenFile: observe }));
  assert.match((await session.ask('continue', { threadId: 1 })).message, /may only observe/);
  assert.equal((await session.top(1)).instructionPointerReference, '0x100000');
}, '--listen', port));

test('a token that is none, or for nobody, is told', together(1, async (server, [session]) => {
  const refused = async (more) => (await session.ask('attach', more)).message;
  await session.send('initialize', { adapterID: 'kvmdbg' });
  const where = { server: await placeOf(server) };
  assert.match(await refused({ ...where, token: '0'.repeat(64) }), /does not take the token: 403 /);
  assert.match(await refused({ ...where, token: 'pear\r\nHost: x' }), /a token is 64 hexadecimal digits/);
  assert.match(await refused({ ...where, tokenFile: '/nowhere' }), /tokenFile \/nowhere: no token can be read there/);
  const pear = join(server.folder, 'pear');
  writeFileSync(pear, 'pear');
  assert.match(await refused({ ...where, tokenFile: pear }), /a token is 64 hexadecimal digits/);
  assert.match(await refused({ token: '0'.repeat(64) }), /are for the server that server names/);
  assert.match(await refused({ server: '127.0.0.1:1', token: '0'.repeat(64) }), /cannot connect to 127\.0\.0\.1:1/);
}, '--listen', port));
