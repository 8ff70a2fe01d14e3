// The .vsix as VS Code's installer reads it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { test } from 'node:test';
import { crc32, zip } from '../zip.mjs';
import { about, activated, unpacked, vsix } from './host.mjs';

const read = (path) => readFileSync(join(unpacked, path), 'utf8');
const root = join(import.meta.dirname, '../../..');

/** Attributes of an XML file's elements of this name; fails where it is no XML. */
function elements(path, name) {
  return JSON.parse(execFileSync('python3', ['-c', `
import json, sys, xml.etree.ElementTree as tree
print(json.dumps([dict(one.attrib, text=one.text) for one in tree.parse(sys.argv[1]).iter() if one.tag.split("}")[1] == sys.argv[2]]))`,
  join(unpacked, path), name], { encoding: 'utf8' }));
}

test('the zip is whole: checksums, names and sizes', () => {
  const names = execFileSync('python3', ['-c', `
import sys, zipfile
file = zipfile.ZipFile(sys.argv[1])
assert file.testzip() is None
print("\\n".join(file.namelist()))`, vsix], { encoding: 'utf8' }).trim().split('\n');
  for (const name of ['[Content_Types].xml', 'extension.vsixmanifest', 'extension/package.json', 'extension/README.md', 'extension/LICENSE.txt']) {
    assert.ok(names.includes(name), name);
  }
  assert.ok(!names.some((name) => /node_modules|test|\.ts$/.test(name)), names.join(' '));
});

test('the same files make the same zip, empty ones and UTF-8 names too', () => {
  const files = [['a/empty', ''], ['Ünïcode.txt', 'text '.repeat(1000)]];
  assert.deepEqual(zip(files), zip(files));
  assert.equal(crc32(Buffer.from('123456789')), 0xcbf43926); // the check value that CRC catalogues give
});

test('the icon is a PNG of 128 by 128', () => {
  const icon = readFileSync(join(unpacked, 'extension', about.icon));
  assert.deepEqual([icon.toString('latin1', 1, 4), icon.readUInt32BE(16), icon.readUInt32BE(20)], ['PNG', 128, 128]);
});

test('content types cover every file', () => {
  const known = new Set(elements('[Content_Types].xml', 'Default').map((one) => one.Extension));
  for (const file of readdirSync(unpacked, { recursive: true, withFileTypes: true })) {
    if (file.isFile() && file.name !== '[Content_Types].xml') assert.ok(known.has(extname(file.name)), file.name);
  }
});

test('the manifest names the extension of package.json, and files that are there', () => {
  const [identity] = elements('extension.vsixmanifest', 'Identity');
  assert.deepEqual([identity.Id, identity.Version, identity.Publisher], [about.name, about.version, about.publisher]);
  const engine = elements('extension.vsixmanifest', 'Property').find((one) => one.Id === 'Microsoft.VisualStudio.Code.Engine');
  assert.equal(engine.Value, about.engines.vscode);
  assert.equal(elements('extension.vsixmanifest', 'InstallationTarget')[0].Id, 'Microsoft.VisualStudio.Code');
  const assets = elements('extension.vsixmanifest', 'Asset');
  assert.ok(assets.some((one) => one.Type === 'Microsoft.VisualStudio.Code.Manifest' && one.Path === 'extension/package.json'));
  for (const { Path } of assets) assert.ok(existsSync(join(unpacked, Path)), Path);
  assert.ok(existsSync(join(unpacked, 'extension', about.main)));
});

test('the version is the project\'s, and the types are those of the oldest VS Code that is supported', () => {
  const [, version] = /project\(kvmdbg VERSION (\S+)/.exec(readFileSync(join(root, 'CMakeLists.txt'), 'utf8'));
  assert.equal(about.version, version);
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'plugins/vscode/package.json'), 'utf8'));
  assert.equal(about.engines.vscode, `^${devDependencies['@types/vscode']}`);
  for (const [name, wanted] of Object.entries(devDependencies)) assert.match(wanted, /^\d+\.\d+\.\d+$/, name);
});

test('it asks of Node and of VS Code alone, and activates', () => {
  const wanted = [...read('extension/dist/extension.js').matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name]) => name);
  const foreign = [...new Set(wanted)].filter((name) => !/^(node:)?(crypto|events|fs|http|https|net|path|stream|tls|url|zlib|buffer)$/.test(name));
  assert.deepEqual(foreign.sort(), ['bufferutil', 'utf-8-validate', 'vscode']); // the first two: ws can do without
  const { registered } = activated();
  assert.deepEqual([Object.keys(registered.factories), Object.keys(registered.trackers)], [['kvmdbg'], ['kvmdbg']]);
});

test('breakpoints may be set in the languages of what runs on bare hardware', () => {
  const languages = about.contributes.breakpoints.map(({ language }) => language);
  for (const one of ['c', 'cpp', 'rust', 'asm', 'arm', 'S', 's', 'x86asm', 'zig', 'go', 'd', 'pascal']) assert.ok(languages.includes(one), one);
  assert.equal(new Set(languages).size, languages.length);
  assert.ok(about.contributes.debuggers[0].languages.every((one) => languages.includes(one)));
});
