// Every request with every field wrong in every way: each is answered, by the schema, and nothing ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breakAt, source, using } from './session.mjs';

const wrong = [null, true, -1, 0, 1.5, 4294967296, 2 ** 53, 1e300, '', 'x', '0x', 'as:', '%n\u0000', 'x'.repeat(70000),
  [], [[]], [null], {}, { path: 7 }, [{ line: -1 }], [{ name: [] }]];
const place = { memoryReference: '0x100000' };

/** Requests that leave the guest where it is, and arguments that they take. */
const requests = {
  initialize: { adapterID: 'x', clientName: 'x', linesStartAt1: true, pathFormat: 'path' },
  attach: { server: 'unix:/nowhere', symbols: [], sourceMap: {}, role: 'observe' },
  configurationDone: {},
  cancel: { requestId: 1, progressId: 'x' },
  setBreakpoints: { source: { path: source }, breakpoints: [], lines: [1], sourceModified: true },
  setFunctionBreakpoints: { breakpoints: [] },
  setInstructionBreakpoints: { breakpoints: [] },
  setDataBreakpoints: { breakpoints: [] },
  setExceptionBreakpoints: { filters: [], filterOptions: [], exceptionOptions: [] },
  dataBreakpointInfo: { name: 'heartbeat', variablesReference: 1, frameId: 1, bytes: 8, asAddress: false },
  breakpointLocations: { source: { path: source }, line: 1, endLine: 2, column: 1 },
  gotoTargets: { source: { path: source }, line: 40 },
  goto: { threadId: 1, targetId: 1 },
  stepInTargets: { frameId: 1 },
  threads: {},
  stackTrace: { threadId: 1, startFrame: 0, levels: 1, format: {} },
  scopes: { frameId: 1 },
  variables: { variablesReference: 1, filter: 'indexed', start: 0, count: 1, format: {} },
  setVariable: { variablesReference: 1, name: 'x', value: '1' },
  setExpression: { expression: 'work', value: 'pear', frameId: 1 },
  evaluate: { expression: '1', frameId: 1, context: 'watch', format: {} },
  completions: { text: 'x', column: 1, line: 1, frameId: 1 },
  exceptionInfo: { threadId: 1 },
  readMemory: { ...place, count: 4, offset: 0 },
  writeMemory: { memoryReference: '0x200000', data: 'AAAA', offset: 0, allowPartial: true },
  disassemble: { ...place, instructionCount: 4, offset: 0, instructionOffset: 0, resolveSymbols: true },
  source: { sourceReference: 1, source: { path: source } },
  modules: { startModule: 0, moduleCount: 1 },
  loadedSources: {},
  'kvmdbg/walk': { address: 0, root: 0, vcpu: 0 },
  'kvmdbg/insert': { kind: 'pear', address: 0, length: 1, space: 'current' },
  'kvmdbg/remove': { kind: 'hardware', address: 0 },
  'kvmdbg/physRead': { address: 0, length: 4 },
  'kvmdbg/physWrite': { address: 0x200000, data: '00' },
  'kvmdbg/symbols': { path: '/nowhere', slide: 0 },
  // with a thread that there is they would move it
  continue: { threadId: 99 }, next: { threadId: 99 }, stepIn: { threadId: 99 }, stepOut: { threadId: 99 },
};

test('requests with anything in any field are answered, and the guest stands where it stood', using(async (session) => {
  const { threadId } = await session.stop(() => session.launchDemo({}, () => breakAt(session, 'return n * below')));
  const before = (await session.top(threadId)).instructionPointerReference;
  let count = 0;
  const ask = async (command, args) => {
    const answer = await session.ask(command, args);
    assert.equal(answer.type, 'response', `${command} ${String(JSON.stringify(args)).slice(0, 200)}`);
    if (!answer.success) assert.ok(answer.message, command);
    ++count;
  };
  for (const [command, args] of Object.entries(requests)) {
    for (const whole of [undefined, {}, [], 7, 'x', null]) await ask(command, whole);
    for (const field of Object.keys(args)) {
      const { [field]: gone, ...rest } = args;
      assert.notEqual(gone, undefined);
      await ask(command, rest);
      for (const value of wrong) {
        if (field === 'threadId' && value === 1) continue;
        await ask(command, { ...args, [field]: value });
      }
    }
  }
  assert.ok(count > 1500, `${count} requests`);
  const frame = await session.top(threadId);
  assert.equal(frame.instructionPointerReference, before);
  assert.equal(frame.name, 'factorial');
  assert.equal(session.events('terminated').length, 0);
}));
