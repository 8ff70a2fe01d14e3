// Configurations that are filled in, and those that are refused before a session begins.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { activated } from './host.mjs';

async function resolved(given, vscode = activated()) {
  const { provider } = vscode.registered.providers[0];
  const filled = await provider.resolveDebugConfiguration(undefined, given);
  return provider.resolveDebugConfigurationWithSubstitutedVariables(undefined, filled);
}

test('F5 without a launch.json attaches to the usual server', async () => {
  const config = await resolved({});
  assert.equal(config.type, 'kvmdbg');
  assert.equal(config.request, 'attach');
  assert.equal(config.server, '127.0.0.1:1234');
  assert.equal(config.stopOnEntry, true);
  assert.ok(config.name.includes('127.0.0.1:1234'));
});

test('attach without a server has the usual one; what is given stays', async () => {
  assert.equal((await resolved({ type: 'kvmdbg', request: 'attach', name: 'x' })).server, '127.0.0.1:1234');
  assert.equal((await resolved({ type: 'kvmdbg', request: 'attach', name: 'x', server: 'unix:/s' })).server, 'unix:/s');
  const connected = await resolved({ type: 'kvmdbg', request: 'attach', name: 'x', connect: '[::1]:7' });
  assert.ok(!('server' in connected));
  const launched = { type: 'kvmdbg', request: 'launch', name: 'x', image: 'bzImage' };
  assert.deepEqual(await resolved(launched), launched);
});

test('there is a configuration to choose in the list of Run and Debug', () => {
  const { registered } = activated();
  assert.deepEqual(registered.providers.map(({ type, kind }) => [type, kind]), [['kvmdbg', undefined], ['kvmdbg', 2]]);
  assert.equal(registered.providers[1].provider.provideDebugConfigurations()[0].request, 'attach');
});

const attach = { type: 'kvmdbg', request: 'attach', name: 'x' };
const launch = { ...attach, request: 'launch', image: 'kernel.elf' };
const refused = {
  'an unknown request': [{ ...attach, request: 'debug' }, /"request" is "debug": .*attach or launch/],
  'launch of nothing': [{ ...launch, image: undefined }, /neither "image" nor "program"/],
  'launch with a server': [{ ...launch, server: ':1234' }, /"server" names a server.*use "request": "attach"/],
  'launch with connect': [{ ...launch, connect: 'ws://h:1', token: 'x' }, /"connect" names a server/],
  'server and connect': [{ ...attach, server: ':1234', connect: ':1234' }, /two ways to one server/],
  'a token for a socket': [{ ...attach, connect: ':1234', token: 'x' }, /"token" and "tokenFile" are for "server", and for "connect" by ws/],
  'no token for a WebSocket': [{ ...attach, connect: 'ws://h:1' }, /ws:\/\/h:1 needs "token" or "tokenFile"/],
  'two tokens': [{ ...attach, connect: 'wss://h:1', token: 'x', tokenFile: 'y' }, /needs only one of/],
  'a token in the address': [{ ...attach, connect: 'ws://h:1/?t=1', token: 'x' }, /it must be ws:\/\/HOST:PORT/],
  'an adapter that would not be used': [{ ...attach, connect: ':1234', adapter: 'a' }, /"adapter" is a program to start here/],
  'a server without a port': [{ ...attach, server: 'localhost' }, /"server" is "localhost": it must be HOST:PORT or unix:PATH/],
  'a port that is none': [{ ...attach, connect: 'localhost:70000' }, /"connect" is "localhost:70000"/],
  'a number for a server': [{ ...attach, server: 1234 }, /"server" is 1234: it must be text/],
  'http': [{ ...attach, connect: 'http://h:1' }, /"connect" is "http:\/\/h:1"/],
};

for (const [name, [config, wanted]] of Object.entries(refused)) {
  test(`refused with a sentence: ${name}`, async () => {
    const vscode = activated();
    assert.equal(await resolved(config, vscode), undefined);
    assert.equal(vscode.seen.errors.length, 1);
    assert.match(vscode.seen.errors[0], wanted);
    vscode.answers.error = 'Open launch.json';
    assert.equal(await resolved(config, vscode), null);
  });
}
