// What package.json says of configurations, held against the adapter's own header.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Ajv from 'ajv';
import { about } from './host.mjs';

const root = join(import.meta.dirname, '../../..');
const read = (path) => readFileSync(join(root, path), 'utf8');
const [contribution] = about.contributes.debuggers;
const { attach, launch } = contribution.configurationAttributes;
const extensionsOwn = ['adapter', 'connect'];

/** Names of a struct's fields() in a header, and what its table says of the type. */
function fieldsOf(header, struct) {
  const body = new RegExp(`struct ${struct} \\{(.*?)\n\\};`, 's').exec(header)[1];
  const members = Object.fromEntries([...body.matchAll(/^ {2}(std::optional<\w+>|[\w:<>]+) ([\w, ={}]+?)(?: = [^;]+)?;/gm)]
    .flatMap(([, type, names]) => names.split(/, */).map((name) => [name.trim(), type])));
  return [...body.matchAll(/(optional|required)\("(\w+)", &\w+::(\w+)\)/g)]
    .map(([, need, name, member]) => ({ need, name, type: members[member] }));
}

const header = read('protocols/dap/session/arguments.hpp');
const start = fieldsOf(header, 'StartArguments');
const symbol = fieldsOf(header, 'SymbolFile');

test('the header is read: every field has a type', () => {
  assert.ok(start.length >= 15 && symbol.length === 3, JSON.stringify({ start, symbol }));
  for (const { name, type } of [...start, ...symbol]) assert.ok(type, `no type of ${name} was found`);
});

test('the schema has every field of the adapter, and no other but the extension\'s own', () => {
  const told = new Set([...Object.keys(attach.properties), ...Object.keys(launch.properties)]);
  assert.deepEqual([...told].sort(), [...start.map(({ name }) => name), ...extensionsOwn].sort());
  const { items } = attach.properties.symbols;
  assert.deepEqual(Object.keys(items.properties).sort(), symbol.map(({ name }) => name).sort());
  assert.deepEqual(items.required, symbol.filter(({ need }) => need === 'required').map(({ name }) => name));
});

test('types are those of the header', () => {
  const wanted = {
    'std::string': 'string', 'std::optional<bool>': 'boolean', 'std::int32_t': 'integer', 'std::vector<SymbolFile>': 'array',
  };
  const properties = { ...attach.properties, ...launch.properties };
  for (const { name, type } of start) {
    if (type === 'Json') assert.ok(Array.isArray(properties[name].type), name); // several kinds
    else assert.equal(properties[name].type, wanted[type], name);
  }
});

test('each field is explained, and the same in launch and attach', () => {
  const visit = (name, schema) => {
    const text = schema.markdownDescription ?? schema.description ?? '';
    assert.match(text, /^[A-Z].{15,}[.]$/s, name);
    for (const [inner, one] of Object.entries(schema.items?.properties ?? {})) visit(`${name}.${inner}`, one);
  };
  for (const request of [attach, launch]) Object.entries(request.properties).forEach(([name, schema]) => visit(name, schema));
  const shared = Object.keys(attach.properties).filter((name) => name in launch.properties);
  assert.ok(shared.length >= 7);
  for (const name of shared) assert.deepEqual(attach.properties[name], launch.properties[name], name);
});

test('attach and launch have the fields that their comments in the header name', () => {
  const part = (from, to) => header.split(from)[1].split(to)[0];
  const named = (text) => start.filter(({ name }) => new RegExp(`\\b${name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)}\\b`).test(text)).map(({ name }) => name);
  for (const name of named(part('// attach', '// launch'))) assert.ok(name in attach.properties && !(name in launch.properties), name);
  for (const name of named(part('// launch', 'static constexpr'))) assert.ok(name in launch.properties && !(name in attach.properties), name);
  for (const name of named(part('// both', '// attach'))) assert.ok(name in launch.properties && name in attach.properties, name);
});

const ajv = new Ajv({ strictTypes: false, allErrors: true, allowUnionTypes: true,
  keywords: ['markdownDescription', 'enumDescriptions', 'defaultSnippets'] });
const validate = Object.fromEntries(['attach', 'launch'].map((request) => [request, ajv.compile({
  ...contribution.configurationAttributes[request], type: 'object', additionalProperties: false,
  properties: { ...contribution.configurationAttributes[request].properties, type: { const: 'kvmdbg' }, request: { const: request }, name: { type: 'string' } },
})]));
const complaints = (config) => (validate[config.request](config) ? [] : validate[config.request].errors.map((one) => `${one.instancePath} ${one.message}`));

test('snippets, the first configuration and the examples of README are valid', () => {
  /** ${2:text} of a snippet is its text, ^"…" is JSON. */
  const settled = (body) => JSON.parse(JSON.stringify(body), (_, value) => {
    if (typeof value !== 'string') return value;
    const text = value.replace(/\$\{\d+:([^}]*)\}/g, '$1');
    return text.startsWith('^') ? JSON.parse(text.slice(1).replace(/\\\$/g, '$')) : text;
  });
  const examples = [...contribution.configurationSnippets.map(({ body }) => settled(body)), ...contribution.initialConfigurations];
  for (const [, text] of read('plugins/vscode/README.md').matchAll(/```json\n(.*?)```/gs)) examples.push(...JSON.parse(text).configurations);
  assert.ok(examples.length >= 7, `${examples.length} examples`);
  for (const one of examples) {
    assert.deepEqual(complaints(one), [], one.name);
    assert.doesNotMatch(JSON.stringify(one), /\$\{\d|\^|\\\\/);
  }
});

test('the schema refuses what the adapter refuses', () => {
  const base = { type: 'kvmdbg', request: 'attach', name: 'x' };
  for (const [field, value] of Object.entries({
    symbols: [{ address: 1 }], sourceMap: [['/one']], stopOnEntry: 'yes', breakpointMode: 'magic', role: 'owner', program: 3,
  })) assert.notDeepEqual(complaints({ ...base, [field]: value }), [], field);
  assert.notDeepEqual(complaints({ ...base, symbols: [{ path: 'a', address: 1, slide: '0x2' }] }), []);
  assert.deepEqual(complaints({ ...base, symbols: [{ path: 'a', address: '0xffffffff81000000' }], sourceMap: { '/a': '/b' } }), []);
  for (const memory of [0, 'much']) assert.notDeepEqual(complaints({ ...base, request: 'launch', memory }), [], String(memory));
  for (const memory of [512, '512M', '2G']) assert.deepEqual(complaints({ ...base, request: 'launch', memory }), [], String(memory));
});
