// Values: scopes, registers, variables, expressions and the debug console.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breakAt, together, using } from './session.mjs';

/** A guest that stands in factorial(2). */
async function inFactorial(session) {
  const body = await session.stop(() => session.launchDemo({}, () => breakAt(session, 'return n * below')));
  const frame = await session.top(body.threadId);
  return { frame, frameId: frame.id, threadId: body.threadId };
}

async function groupOf(session, frameId, name) {
  const scope = await session.scope(frameId, 'Registers');
  const groups = await session.variables(scope.variablesReference);
  assert.ok(groups[name], `no group ${name} among ${Object.keys(groups)}`);
  return groups[name].variablesReference;
}

const evaluate = async (session, expression, context, frameId) => session.ask('evaluate', { expression, context, frameId });

async function refused(session, command, args, pattern) {
  const answer = await session.ask(command, args);
  assert.equal(answer.success, false, `${command} ${JSON.stringify(args)} is taken: ${JSON.stringify(answer.body)}`);
  assert.match(answer.body.error.format, pattern);
}

test('registers come in groups, flags and control registers with their bits named', using(async (session) => {
  const { frameId, frame } = await inFactorial(session);
  const { scopes } = (await session.scopesRequest({ frameId })).body;
  assert.deepEqual(scopes.map((one) => [one.name, one.expensive]),
    [['Locals', false], ['Globals', true], ['Registers', false], ['MSR', true]]);
  const groups = await session.variables(scopes[2].variablesReference);
  for (const name of ['General', 'Flags', 'Segments', 'Control', 'Debug', 'Vector']) {
    assert.ok(groups[name], `no group ${name} among ${Object.keys(groups)}`);
  }
  const general = await session.variables(groups.General.variablesReference);
  assert.equal(general.rip.value, frame.instructionPointerReference);
  assert.equal(general.rip.memoryReference, frame.instructionPointerReference);
  const flags = await session.variables(groups.Flags.variablesReference);
  assert.match(flags.eflags.value, /^0x[0-9a-f]+ .*\bIF\b/);
  const bits = await session.variables(flags.eflags.variablesReference);
  assert.equal(bits.IF.value, '1');
  assert.equal(bits.IOPL.value, '0');
  const control = await session.variables(groups.Control.variablesReference);
  assert.match(control.cr0.value, /\bPE\b.*\bPG\b/);
  assert.match(control.cr4.value, /\bPAE\b/);
  assert.match(control.efer.value, /\bLME\b.*\bLMA\b/);
  assert.match(control.cr3.value, /^0x/);
  const segments = await session.variables(groups.Segments.variablesReference);
  assert.equal(segments.cs.value, '0x10');
  const debug = await session.variables(groups.Debug.variablesReference);
  assert.ok(debug.dr7);
  const msrs = await session.variables(scopes[3].variablesReference);
  assert.match(msrs.apic_base.value, /^0xfee00/);
}));

test('a register and a single flag are set, and the client is told', using(async (session) => {
  const { frameId } = await inFactorial(session);
  const general = await groupOf(session, frameId, 'General');
  const told = session.waitForEvent('invalidated');
  const set = await session.setVariableRequest({ variablesReference: general, name: 'r15', value: '0x1234' });
  assert.equal(set.body.value, '0x1234');
  await told;
  assert.equal((await session.variables(general)).r15.value, '0x1234');
  const flags = await session.variables(await groupOf(session, frameId, 'Flags'));
  const bits = flags.eflags.variablesReference;
  const before = await session.variables(bits);
  const turned = before.CF.value === '1' ? '0' : '1';
  const flag = await session.setVariableRequest({ variablesReference: bits, name: 'CF', value: turned });
  assert.equal(flag.body.value, turned);
  const after = await session.variables(bits);
  assert.equal(after.CF.value, turned);
  assert.equal(after.ZF.value, before.ZF.value);
  await refused(session, 'setVariable', { variablesReference: bits, name: 'CF', value: '2' }, /value of CF must be from 0 to 1/);
  await refused(session, 'setVariable', { variablesReference: bits, name: 'XF', value: '0' }, /name XF/);
  await refused(session, 'setVariable', { variablesReference: general, name: 'r99', value: '0' }, /name r99/);
  await refused(session, 'setVariable', { variablesReference: general, name: 'r15', value: 'pear' }, /value pear/);
}));

test('locals and expressions are set; hex is on demand', using(async (session) => {
  const { frameId } = await inFactorial(session);
  const { variablesReference } = await session.scope(frameId, 'Locals');
  const set = await session.setVariableRequest({ variablesReference, name: 'below', value: '31' });
  assert.equal(set.body.value, '31');
  assert.equal((await session.variables(variablesReference)).below.value, '31');
  const hex = (await session.variablesRequest({ variablesReference, format: { hex: true } })).body.variables;
  assert.match(hex.find((one) => one.name === 'below').value, /^0x0*1f$/);
  assert.equal((await session.variables(variablesReference)).below.value, '31');
  const expressed = await session.ask('setExpression', { expression: 'nodes[1].value', value: '55', frameId });
  assert.equal(expressed.success, true, JSON.stringify(expressed));
  assert.equal((await evaluate(session, 'nodes[1].value', 'watch', frameId)).body.result, '55');
  const computed = await session.ask('setExpression', { expression: '*(&list_head->value)', value: 'n + 40', frameId });
  assert.equal(computed.success, true, JSON.stringify(computed));
  assert.equal((await evaluate(session, 'list_head->value', 'watch', frameId)).body.result, '42');
  const register = await session.ask('setExpression', { expression: '$r14', value: '7', frameId });
  assert.equal(register.body?.value, '0x7', JSON.stringify(register));
  await refused(session, 'setExpression', { expression: '3 + 4', value: '1', frameId }, /./);
  await refused(session, 'setVariable', { variablesReference, name: 'pear', value: '1' }, /name pear/);
}));

test('long arrays come in pages', using(async (session) => {
  const { frameId } = await inFactorial(session);
  const { variablesReference } = await session.scope(frameId, 'Globals');
  const globals = await session.variables(variablesReference);
  assert.equal(globals.history.indexedVariables, 1024);
  const page = async (args) => (await session.variablesRequest({ variablesReference: globals.history.variablesReference, ...args })).body.variables;
  assert.deepEqual((await page({ start: 1000, count: 3 })).map((one) => one.name), ['[1000]', '[1001]', '[1002]']);
  assert.equal((await page({ start: 1020, count: 100 })).length, 4);
  assert.equal((await page({ start: 5000, count: 100 })).length, 0);
  assert.equal((await page({ filter: 'named' })).length, 0);
  assert.equal((await page({ count: 4000000000 })).length, 1000);
  const reference = globals.history.variablesReference;
  await refused(session, 'variables', { variablesReference: reference, start: -1 }, /start/);
  await refused(session, 'variables', { variablesReference: reference, filter: 'odd' }, /filter/);
  await refused(session, 'variables', { variablesReference: 999999 }, /variablesReference/);
}));

test('what was given out before a step is stale after it', using(async (session) => {
  const { frameId, threadId } = await inFactorial(session);
  const { variablesReference } = await session.scope(frameId, 'Locals');
  await session.stop(() => session.nextRequest({ threadId }));
  await refused(session, 'variables', { variablesReference }, /variablesReference .* stale/);
  await refused(session, 'scopes', { frameId }, /frameId .* stale/);
  await refused(session, 'evaluate', { expression: 'n', frameId }, /frameId .* stale/);
}));

test('hover changes nothing, and the clipboard has all of a value', using(async (session) => {
  const { frameId } = await inFactorial(session);
  assert.equal((await evaluate(session, 'n', 'hover', frameId)).body.result, '2');
  assert.equal((await evaluate(session, 'n == 2 && below != 4', 'hover', frameId)).body.result, 'true');
  for (const expression of ['n = 3', 'n++', '--n', 'n += 1', 'n <<= 1', 'list_sum(list_head)', '__atomic_store_n(&n, 9, 0)']) {
    await refused(session, 'evaluate', { expression, context: 'hover', frameId }, /may change the guest/);
  }
  assert.equal((await evaluate(session, 'n', 'hover', frameId)).body.result, '2');
  const whole = (await evaluate(session, 'nodes', 'clipboard', frameId)).body.result;
  for (const text of ['apple', 'pear', 'plum']) assert.match(whole, new RegExp(text));
  const pointer = (await evaluate(session, 'list_head', 'watch', frameId)).body;
  assert.equal(pointer.memoryReference, pointer.result.split(' ')[0]);
  assert.match((await evaluate(session, '$rip', 'watch', frameId)).body.memoryReference, /^0xffffffff8/);
  const seen = (await evaluate(session, 'nodes[1].value', 'watch', frameId)).body;
  await session.ask('readMemory', { memoryReference: seen.memoryReference, count: 4 });
  const told = session.waitForEvent('memory');
  assert.equal((await evaluate(session, 'nodes[1].value = 50', 'repl', frameId)).body.result, '50');
  assert.equal((await told).body.memoryReference, seen.memoryReference);
  assert.equal((await evaluate(session, 'nodes[1].value', 'watch', frameId)).body.result, '50');
  await refused(session, 'evaluate', { expression: 'pear', frameId }, /pear/);
  await refused(session, 'evaluate', { expression: 'n', context: 'odd', frameId }, /context odd/);
}));

test('expressions and the console reach no file and no program of the host', using(async (session) => {
  const { frameId } = await inFactorial(session);
  for (const expression of ['#include "/etc/passwd"', '1\n#include </etc/passwd>', '%:include "/etc/passwd"']) {
    await refused(session, 'evaluate', { expression, context: 'watch', frameId }, /preprocessor/);
  }
  const lines = ['platform shell id', 'shell id', '`platform shell id', 'script print(1)', 'target create /bin/ls',
    'command script import /tmp/x.py', 'memory read -o /tmp/kvmdbg-leak 0x100000', 'memory read --outfile /tmp/kvmdbg-leak 0x100000',
    'memory read "-o" /tmp/kvmdbg-leak 0x100000', 'memory write -i /etc/passwd 0x100000', 'settings show', 'process kill', 'continue', 'log enable -f /tmp/x lldb all',
    'source list -f /etc/passwd', 'breakpoint command add 1', 'memory read #include</etc/passwd>', 'target modules add /bin/ls',
    'frame variable -z ${script.var:os.system} n', 'version\nplatform shell id'];
  for (const expression of lines) {
    await refused(session, 'evaluate', { expression, context: 'repl', frameId }, /not for|one line|preprocessor/);
  }
  await refused(session, 'evaluate', { expression: 'plat shell id', context: 'repl', frameId }, /user expression/);
}));

test('the console takes commands of LLDB and words of the server', using(async (session) => {
  const { frameId } = await inFactorial(session);
  const said = async (expression) => {
    const answer = await evaluate(session, expression, 'repl', frameId);
    assert.equal(answer.success, true, `${expression}: ${JSON.stringify(answer)}`);
    return answer.body.result;
  };
  assert.match(await said('bt'), /factorial.*kernel_main/s);
  assert.match(await said('register read rip'), /rip = 0xffffffff8/);
  assert.match(await said('memory read -c 16 0xffffffff80100000'), /0xffffffff80100000/);
  assert.match(await said('x/2xw 0x100000'), /0x00100000/);
  assert.match(await said('image lookup -n factorial'), /kernel.c/);
  assert.equal(await said('n'), '2');
  assert.equal(await said('p n + 1'), '3');
  assert.match(await said('kvm points'), /software|hardware/);
  assert.match(await said('kvm vcpus'), /vcpu.*stopped/s);
  assert.match(await said('kvm clients'), /tests/);
  assert.match(await said('kvm stops 1'), /point/);
  assert.match(await said('kvm walk $rip'), /physical\s+0x/);
  assert.match(await said('kvm walk 0x100000'), /physical\s+0x100000/);
  assert.match(await said('kvm msr 0xc0000080'), /value\s+0x/);
  assert.match(await said('kvm idt'), /interrupt gate/);
  assert.match(await said('kvm gdt'), /64-bit code/);
  assert.match(await said('kvm take'), /now/);
  assert.match(await said('kvm console'), /kvmdbg demo guest/);
  assert.match(await said('kvm'), /kvm walk/);
  await refused(session, 'evaluate', { expression: 'kvm pear', context: 'repl', frameId }, /no word pear/);
  await refused(session, 'evaluate', { expression: 'kvm walk', context: 'repl', frameId }, /address is missing/);
  await refused(session, 'evaluate', { expression: 'kvm msr 1 2 3', context: 'repl', frameId }, /3 is too much/);
}));

test('the console completes words, commands, registers and variables', using(async (session) => {
  const { frameId } = await inFactorial(session);
  const complete = async (text) => (await session.completionsRequest({ text, column: text.length + 1, frameId })).body.targets;
  assert.deepEqual(await complete('kvm wa'), [{ label: 'walk', start: 4, length: 2 }]);
  assert.ok((await complete('memory r')).some((one) => one.label === 'memory read'));
  assert.ok((await complete('list_h')).some((one) => one.label === 'list_head'));
  assert.ok((await complete('n + bel')).some((one) => one.label === 'below' && one.start === 4));
  assert.ok((await complete('$r1')).some((one) => one.label === '$r12'));
  assert.deepEqual(await complete('image add /et'), []);
  await refused(session, 'completions', { text: 'n', column: 40 }, /column 40/);
}));

test('a running guest answers what it can, and says notStopped to the rest', together(1, async (server, [session]) => {
  await session.stop(() => session.attachTo(server));
  const frame = await session.top(1);
  await session.continueRequest({ threadId: 1 });
  assert.match((await evaluate(session, 'kvm vcpus', 'repl')).body.result, /running/);
  assert.match((await evaluate(session, 'kvm clients', 'repl')).body.result, /tests/);
  for (const [command, args] of [['scopes', { frameId: frame.id }], ['variables', { variablesReference: 1 }],
    ['evaluate', { expression: '1' }], ['evaluate', { expression: 'bt', context: 'repl' }],
    ['readMemory', { memoryReference: '0x100000', count: 4 }], ['setExpression', { expression: 'n', value: '1' }]]) {
    assert.equal((await session.ask(command, args)).message, 'notStopped', command);
  }
}));

test('who may only look writes nothing, by no request', together(2, async (server, [a, b]) => {
  await a.stop(() => a.attachTo(server));
  await b.stop(() => b.attachTo(server, { role: 'observe' }));
  const frame = await b.top(1);
  const before = (await b.ask('readMemory', { memoryReference: '0x200000', count: 4 })).body.data;
  const rbx = (await evaluate(b, '$rbx', 'watch', frame.id)).body.result;
  const general = await groupOf(b, frame.id, 'General');
  for (const [command, args] of [
    ['writeMemory', { memoryReference: '0x200000', data: 'AQIDBA==' }],
    ['writeMemory', { memoryReference: 'p:0x200000', data: 'AQIDBA==' }],
    ['setVariable', { variablesReference: general, name: 'rbx', value: '0x77' }],
    ['setExpression', { expression: '$rbx', value: '0x77', frameId: frame.id }],
    ['evaluate', { expression: 'memory write 0x200000 1 2 3 4', context: 'repl' }],
    ['evaluate', { expression: 'register write rbx 0x77', context: 'repl' }],
    ['evaluate', { expression: 'kvm msr 0xc0000082 1', context: 'repl' }],
    ['evaluate', { expression: 'kvm take', context: 'repl' }],
    ['evaluate', { expression: 'kvm console x', context: 'repl' }],
    ['evaluate', { expression: '*(int *)0x200000 = 77', context: 'repl' }]]) {
    assert.equal((await b.ask(command, args)).success, false, `${command} ${JSON.stringify(args)} is taken`);
  }
  assert.equal((await a.ask('readMemory', { memoryReference: '0x200000', count: 4 })).body.data, before);
  assert.equal((await evaluate(a, '$rbx', 'watch', (await a.top(1)).id)).body.result, rbx);
}));

test('with no symbols there are registers, memory and expressions', using(async (session) => {
  const { threadId } = await session.stop(() => session.launchDemo({ program: '', image: process.env.KVMDBG_GUESTS + '/demo.elf', stopOnEntry: true }));
  const frame = await session.top(threadId);
  const { scopes } = (await session.scopesRequest({ frameId: frame.id })).body;
  assert.deepEqual(Object.keys(await session.variables(scopes[0].variablesReference)), []);
  const general = await session.variables(await groupOf(session, frame.id, 'General'));
  assert.equal(general.rip.value, '0x100000');
  assert.equal((await evaluate(session, '$rip + 2', 'watch', frame.id)).body.result, String(0x100002));
}));
