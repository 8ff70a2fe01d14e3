// Steps into one of several functions, and moves of one vCPU alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breakAt, lineOf, using } from './session.mjs';

const value = async (session, expression) =>
  (await session.evaluateRequest({ expression, context: 'watch' })).body.result;

test('the functions that a line calls are told, and one of them is stepped into', using(async (session) => {
  const { threadId } = await session.stop(() =>
    session.launchDemo({}, () => breakAt(session, 'print_number(list_sum(list_head))')));
  const frame = await session.top(threadId);
  const { targets } = (await session.ask('stepInTargets', { frameId: frame.id })).body;
  assert.deepEqual(targets.map((one) => one.label), ['list_sum', 'print_number']);
  await session.stop(() => session.stepInRequest({ threadId, targetId: targets[1].id }));
  assert.equal((await session.top(threadId)).name, 'print_number');
  const stale = await session.ask('stepIn', { threadId, targetId: targets[1].id });
  assert.match(stale.message, /targetId \d+ is stale/);
  assert.match((await session.ask('stepIn', { threadId, targetId: 4711 })).message, /targetId 4711/);
  const caller = (await session.stackTraceRequest({ threadId })).body.stackFrames[1];
  assert.deepEqual((await session.ask('stepInTargets', { frameId: caller.id })).body.targets, []);
}));

/** A guest whose second vCPU counts. */
async function bothRun(session) {
  const { threadId } = await session.stop(() => session.launchDemo({}, () => breakAt(session, 'heartbeat = tick')));
  assert.equal(threadId, 1);
  assert.notEqual(await value(session, 'secondary_counter'), '0');
  return threadId;
}

test('singleThread moves one vCPU, and the next move all of them', using(async (session) => {
  const threadId = await bothRun(session);
  const before = await value(session, 'secondary_counter');
  const alone = await session.stop(async () => {
    const { body } = await session.continueRequest({ threadId, singleThread: true });
    assert.equal(body.allThreadsContinued, false);
  });
  assert.equal(alone.threadId, threadId);
  assert.equal(await value(session, 'secondary_counter'), before);
  await session.stop(() => session.nextRequest({ threadId, singleThread: true }));
  assert.equal((await session.top(threadId)).line, lineOf('history[tick % 1024] = tick'));
  await session.stop(() => session.stepOutRequest({ threadId, singleThread: true }));
  await session.stop(() => session.stepInRequest({ threadId, singleThread: true, granularity: 'instruction' }));
  assert.equal(await value(session, 'secondary_counter'), before);
  await session.stop(async () => {
    const { body } = await session.continueRequest({ threadId });
    assert.equal(body.allThreadsContinued, true);
  });
  assert.notEqual(await value(session, 'secondary_counter'), before);
}));

test('a vCPU that runs alone is paused, and then all run', using(async (session) => {
  const threadId = await bothRun(session);
  await breakAt(session);
  const before = await value(session, 'secondary_counter');
  await session.continueRequest({ threadId, singleThread: true });
  await session.stop(() => session.pauseRequest({ threadId }));
  assert.equal(await value(session, 'secondary_counter'), before);
  await session.continueRequest({ threadId });
  await session.until(async () => {
    await session.stop(() => session.pauseRequest({ threadId }));
    const now = await value(session, 'secondary_counter');
    if (now === before) await session.continueRequest({ threadId });
    return now !== before;
  }, 'the other vCPU runs');
}));
