// kvmdbg/NAME: every request of docs/jkvm.md, asked of a real guest.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Session, Server, breakAt, programs, together, using } from './session.mjs';

const document = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'jkvm.md'), 'utf8').split('\n## Events')[0];
const names = [...document.matchAll(/^### jKvm\.(\w+)$/gm)].map((found) => found[1]);

const physical = (address) => `0x${(BigInt(address) - 0xffffffff80000000n).toString(16)}`;
const go = (session) => session.stop(() => session.continueRequest({ threadId: 1 }));

/** NAME: arguments and what the answer must show, or why it is refused. */
const requests = {
  capabilities: [{}, (body) => assert.equal(body.vcpus, 2)],
  points: [{}, (body) => assert.equal(body.points.length, 1)],
  insert: [{ kind: 'hardware', address: '0x200000' }, (body) => assert.equal(body.kind, 'hardware')],
  remove: [{ kind: 'hardware', address: '0x200000' }, (body) => assert.equal(body.address, '0x200000')],
  clients: [{}, (body) => assert.equal(body.clients.filter((one) => one.self).length, 1)],
  takeControl: [{}, (body) => assert.equal(typeof body.now, 'number')],
  vcpus: [{}, (body) => assert.equal(body.vcpus[0].state, 'stopped')],
  walk: [{ address: '0xffffffff80107000' }, (body) => assert.equal(body.physical, '0x107000')],
  descriptorTables: [{ table: 'gdt' }, (body) => assert.ok(body.entries.length > 0)],
  msr: [{ number: '0xc0000080' }, (body) => assert.ok(BigInt(body.value) & 0x400n)],
  stops: [{ count: 1 }, (body) => assert.equal(body.stops[0].vcpus[0].kind, 'point')],
  console: [{}, (body) => assert.match(body.text, /kvmdbg demo guest/)],
  physRead: [{ address: '0x107000', length: 4 }, (body) => assert.equal(body.data.length, 8)],
  physWrite: [{ address: '0x200000', data: '01020304' }, (body) => assert.equal(body.length, 4)],
  exceptions: [{ set: ['#UD'] }, (body) => assert.equal(body.exceptions[0].name, '#UD')],
  trace: [{}, (body) => assert.equal(body.on, false)],
  help: [{ name: 'walk' }, (body) => assert.equal(body.requests[0].name, 'walk')],
  hello: [{ name: 'x' }, /clientName/],
  follower: [{ pairing: 'x' }, /adapter's own/],
  follow: [{}, /adapter's own/],
  drive: [{}, /continue/],
  rest: [{}, /adapter's own/],
  interrupt: [{}, /pause/],
  reset: [{}, /restart/],
  subscribe: [{ events: [] }, /events/],
};

test('each request of the server is passed on or refused with a reason', using(async (session) => {
  await session.stop(() => session.launchDemo({}, () => breakAt(session, 'return n * below')));
  assert.deepEqual(names.filter((name) => !requests[name]), ['powerOff']); // its test is below
  assert.deepEqual(Object.keys(requests).filter((name) => !names.includes(name)), []);
  for (const [name, [args, wanted]] of Object.entries(requests)) {
    const answer = await session.ask(`kvmdbg/${name}`, args);
    if (wanted instanceof RegExp) {
      assert.equal(answer.success, false, name);
      assert.match(answer.message, wanted);
    } else {
      assert.equal(answer.success, true, `${name}: ${answer.message}`);
      wanted(answer.body);
    }
  }
  assert.match((await session.ask('kvmdbg/walk', { address: 'pear' })).message, /address/);
  assert.match((await session.ask('kvmdbg/pear', {})).message, /not known/);
}));

test('a point at a physical address stops; those of other requests stay theirs', using(async (session) => {
  await session.stop(() => session.launchDemo({}, () => breakAt(session, 'return n * below')));
  const [own] = (await session.ask('kvmdbg/points', {})).body.points;
  for (const request of ['insert', 'remove']) {
    const refused = await session.ask(`kvmdbg/${request}`, { kind: own.kind, address: own.address });
    assert.match(refused.message, /breakpoint \d+ is at 0x/);
  }
  await breakAt(session);
  const beat = (await session.evaluateRequest({ expression: '&beat', context: 'watch' })).body.memoryReference;
  const point = { kind: 'software', address: physical(beat), space: 'physical' };
  assert.equal((await session.ask('kvmdbg/insert', point)).success, true);
  const body = await go(session);
  assert.equal(body.reason, 'breakpoint');
  assert.equal((await session.top(body.threadId)).name, 'beat');
  assert.equal((await session.ask('kvmdbg/remove', point)).success, true);
  assert.equal((await session.ask('kvmdbg/points', {})).body.points.length, 0);
}));

test('memory and registers that are written behind LLDB are shown as they are', using(async (session) => {
  const { threadId } = await session.stop(() => session.launchDemo({}, () => breakAt(session, 'return n * below')));
  const at = (await session.evaluateRequest({ expression: '&nodes[1].value', context: 'watch' })).body.memoryReference;
  await session.ask('readMemory', { memoryReference: at, count: 4 });
  const told = session.waitForEvent('memory');
  await session.ask('kvmdbg/physWrite', { address: physical(at), data: '2a000000' });
  await told;
  assert.equal((await session.evaluateRequest({ expression: 'nodes[1].value', context: 'watch' })).body.result, '42');
  const frame = await session.top(threadId);
  const scope = await session.scope(frame.id, 'MSR');
  assert.equal(scope.expensive, true);
  assert.equal(scope.presentationHint, 'registers');
  const before = await session.variables(scope.variablesReference);
  assert.ok(BigInt(before.efer.value) & 0x400n);
  assert.equal(before.efer.type, 'MSR 0xc0000080');
  const invalidated = session.waitForEvent('invalidated');
  await session.ask('kvmdbg/msr', { number: '0xc0000082', value: '0xffffffff80107000' });
  await invalidated;
  assert.equal((await session.variables(scope.variablesReference)).lstar.value, '0xffffffff80107000');
  const set = await session.setVariableRequest({ variablesReference: scope.variablesReference, name: 'lstar', value: '0x1000' });
  assert.equal(set.body.value, '0x1000');
  for (const [name, value, wanted] of [['pear', '1', /name pear/], ['lstar', 'pear', /value pear/]]) {
    assert.match((await session.ask('setVariable', { variablesReference: scope.variablesReference, name, value })).message, wanted);
  }
}));

test('who attached is told how the guest has ended', together(2, async (server, [a, b]) => {
  await a.stop(() => a.attachTo(server));
  await b.stop(() => b.attachTo(server));
  const ends = [a, b].map((one) => one.waitForEvent('terminated'));
  await a.send('kvmdbg/powerOff', {});
  await Promise.all(ends);
  for (const one of [a, b]) assert.deepEqual(one.events('exited').map((event) => event.body.exitCode), [0]);
}));

test('a status that the guest gives is told', async () => {
  const server = await Server.of(join(programs.guests, 'traps.elf'));
  const session = new Session();
  await session.start();
  try {
    await session.stop(() => session.begin('attach', { server: server.address }));
    const body = await session.stop(() => session.continueRequest({ threadId: 1 }));
    assert.match(body.description, /status \d+/);
    const status = Number(/status (\d+)/.exec(body.description)[1]);
    assert.ok(status > 0);
    const end = session.waitForEvent('terminated');
    await session.continueRequest({ threadId: 1 });
    await end;
    assert.deepEqual(session.events('exited').map((event) => event.body.exitCode), [status]);
    assert.deepEqual(session.wrong, []);
  } finally {
    session.process.kill('SIGKILL');
    server.stop();
  }
});
