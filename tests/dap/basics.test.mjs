// The way of every session: start, stop somewhere, look, step, go on, leave.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breakAt, lineOf, source, together, using } from './session.mjs';

test('a launched guest stops at its entry', using(async (session) => {
  const body = await session.stop(() => session.launchDemo({ stopOnEntry: true }));
  assert.equal(body.threadId, 1);
  assert.equal(body.allThreadsStopped, true);
  const { threads } = (await session.threadsRequest()).body;
  assert.deepEqual(threads.map((thread) => thread.id), [1, 2]);
}));

test('a line breakpoint stops where it says, with locals and a stack', using(async (session) => {
  const body = await session.stop(() => session.launchDemo({}, () => breakAt(session, 'return n * below')));
  assert.equal(body.reason, 'breakpoint');
  assert.equal(body.description, undefined); // editors show it in the place of the vCPU's name
  assert.match(body.text, /point at 0x[0-9a-f]+/);
  const frame = await session.top(body.threadId);
  assert.equal(frame.name, 'factorial');
  assert.equal(frame.line, lineOf('return n * below'));
  assert.equal(frame.source.path, source);
  const locals = await session.variables((await session.scope(frame.id, 'Locals')).variablesReference);
  assert.equal(locals.n.value, '2');
  assert.equal(locals.below.value, '1');
  const { stackFrames } = (await session.stackTraceRequest({ threadId: body.threadId })).body;
  assert.deepEqual(stackFrames.slice(0, 5).map((one) => one.name),
    ['factorial', 'factorial', 'factorial', 'factorial', 'kernel_main']);
  const value = (await session.evaluateRequest({ expression: 'n * 21', frameId: frame.id, context: 'watch' })).body;
  assert.equal(value.result, '42');
}));

test('steps go over, into and out of functions, on two processors', using(async (session) => {
  const { threadId } = await session.stop(() =>
    session.launchDemo({}, () => breakAt(session, 'list_push(&nodes[i])')));
  const into = await session.stop(() => session.stepInRequest({ threadId }));
  assert.equal(into.reason, 'step');
  assert.equal((await session.top(threadId)).name, 'list_push');
  await session.stop(() => session.nextRequest({ threadId }));
  assert.equal((await session.top(threadId)).line, lineOf('list_head = node'));
  await session.stop(() => session.stepOutRequest({ threadId }));
  assert.equal((await session.top(threadId)).name, 'kernel_main');
}));

test('pause stops a running guest, and threads are told while it runs', using(async (session) => {
  await session.launchDemo();
  const { threads } = (await session.threadsRequest()).body;
  assert.equal(threads.length, 2);
  const refused = await session.ask('stackTrace', { threadId: 1 });
  assert.equal(refused.success, false);
  assert.equal(refused.message, 'notStopped');
  const body = await session.stop(() => session.pauseRequest({ threadId: 1 }));
  assert.equal(body.reason, 'pause');
  await session.continueRequest({ threadId: 1 });
}));

test('attaching to a stopped guest moves nothing', together(1, async (server, [session]) => {
  const body = await session.stop(() => session.attachTo(server));
  assert.equal(body.allThreadsStopped, true);
  assert.equal((await session.top(body.threadId)).instructionPointerReference, '0x100000');
}));
