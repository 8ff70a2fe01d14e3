// Several clients on one guest: each sees what the others do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Server, Session, breakAt, demo, together } from './session.mjs';

test('a run of one client is seen by the other, with who did it', together(2, async (server, [a, b]) => {
  await a.stop(() => a.attachTo(server));
  await b.stop(() => b.attachTo(server));
  await breakAt(a, 'return n * below');
  const seen = b.waitForEvent('continued');
  const stopped = b.waitForEvent('stopped');
  const own = await a.stop(() => a.continueRequest({ threadId: 1 }));
  assert.equal(own.reason, 'breakpoint');
  await seen;
  const body = (await stopped).body;
  assert.equal(body.reason, 'breakpoint');
  assert.match(body.text, /tests/);
  const [one, other] = [await a.top(1), await b.top(body.threadId)];
  assert.equal(one.name, 'factorial');
  assert.equal(other.instructionPointerReference, one.instructionPointerReference);
}));

test('a step of one client is one run and one stop for the other', together(2, async (server, [a, b]) => {
  await a.stop(() => a.attachTo(server));
  await breakAt(a, 'uint64_t product = factorial(5)');
  await a.stop(() => a.continueRequest({ threadId: 1 }));
  await b.stop(() => b.attachTo(server));
  for (let i = 0; i < 3; ++i) {
    const before = b.events('stopped').length;
    await a.stop(() => a.nextRequest({ threadId: 1 }));
    await b.until(() => b.events('stopped').length > before, 'the other client sees the step');
    assert.equal((await b.top(1)).instructionPointerReference, (await a.top(1)).instructionPointerReference);
  }
  assert.equal(b.events('continued').length, 3);
  assert.equal(b.events('stopped').length, 4);
}));

test('a late joiner does not halt a running guest, and sees its next stop', together(2, async (server, [a, b]) => {
  await a.stop(() => a.attachTo(server));
  await a.continueRequest({ threadId: 1 });
  await b.attachTo(server);
  assert.equal((await b.threadsRequest()).body.threads.length, 2);
  assert.equal(a.events('stopped').length, 1);
  const seen = b.waitForEvent('stopped');
  const own = await a.stop(() => a.pauseRequest({ threadId: 1 }));
  assert.equal(own.reason, 'pause');
  const body = (await seen).body;
  const frame = await b.top(body.threadId);
  assert.equal(frame.instructionPointerReference, (await a.top(body.threadId)).instructionPointerReference);
}));

test('vCPUs and modules are told of as they come', together(1, async (server, [session]) => {
  await session.stop(() => session.attachTo(server));
  assert.deepEqual(session.events('thread').map((event) => event.body),
    [1, 2].map((threadId) => ({ reason: 'started', threadId })));
  const modules = () => session.events('module').map((event) => [event.body.reason, event.body.module.name, event.body.module.addressRange]);
  const [[reason, name, first]] = modules();
  assert.deepEqual([reason, name], ['new', 'demo.elf']);
  const listed = (await session.modulesRequest({})).body.modules;
  assert.deepEqual(listed, [session.events('module')[0].body.module]);
  await session.send('kvmdbg/symbols', { path: listed[0].path, slide: 0x1000 });
  assert.deepEqual(modules()[1].slice(0, 2), ['changed', 'demo.elf']);
  assert.notEqual(modules()[1][2], first);
}));

test('who has no run control is told who has, and may take it', together(2, async (server, [a, b]) => {
  await a.stop(() => a.attachTo(server));
  await b.stop(() => b.attachTo(server));
  await a.stop(() => a.stepInRequest({ threadId: 1, granularity: 'instruction' }));
  await b.until(() => b.events('stopped').length === 2, 'the other client sees the step');
  const refused = await b.ask('continue', { threadId: 1 });
  assert.equal(refused.success, false);
  assert.match(refused.message, /tests/);
  assert.match(refused.message, /takeControl/);
  await b.send('kvmdbg/takeControl', {});
  const told = () => a.events('output').some((event) => / has taken run control$/m.test(event.body.output));
  await a.until(told, 'the other client is told');
  const lost = await a.ask('next', { threadId: 1 }); // who had it is told, too, before it has moved
  assert.match(lost.message, /run control is held by .*takeControl/);
  await b.stop(() => b.stepInRequest({ threadId: 1, granularity: 'instruction' }));
}));

test('an observer sees and may not move', together(2, async (server, [a, b]) => {
  await a.stop(() => a.attachTo(server));
  assert.deepEqual(a.events('capabilities'), []);
  await b.stop(() => b.attachTo(server, { role: 'observe' }));
  const [lost, ...more] = b.events('capabilities').map((event) => event.body.capabilities);
  assert.deepEqual(more, []);
  for (const name of ['SetVariable', 'WriteMemoryRequest', 'RestartRequest', 'DataBreakpoints', 'GotoTargetsRequest']) {
    assert.equal(lost[`supports${name}`], false, name);
  }
  assert.deepEqual(lost.exceptionBreakpointFilters, []);
  for (const name of ['ReadMemoryRequest', 'EvaluateForHovers', 'ExceptionInfoRequest']) assert.ok(!(`supports${name}` in lost), name);
  const refused = await b.ask('continue', { threadId: 1 });
  assert.equal(refused.success, false);
  assert.match(refused.message, /observe/);
  assert.equal((await b.ask('pause', { threadId: 1 })).success, true); // it stands already
  const seen = b.waitForEvent('continued');
  await a.continueRequest({ threadId: 1 });
  await seen;
  assert.match((await b.ask('pause', { threadId: 1 })).message, /observe/);
}));
