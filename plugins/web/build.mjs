// Makes the page's files, and a C++ file that has them in it: node build.mjs FOLDER
//
// index.html keeps its name and is small; all else is compressed and named by its content.
import { build } from 'esbuild';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = fileURLToPath(new URL('.', import.meta.url));
const folder = process.argv[2];
if (!folder) throw new Error('usage: node build.mjs FOLDER');
mkdirSync(folder, { recursive: true });

const make = (entryPoints) => build({
  absWorkingDir: here,
  entryPoints,
  outdir: folder,
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  charset: 'utf8',
  legalComments: 'none',
  write: false,
}).then(({ outputFiles }) => outputFiles);
// the first script has nothing in common with the rest: it waits for no other file
const made = [
  ...await make([{ in: 'src/first.ts', out: 'first' }]),
  ...await make([{ in: 'src/main.tsx', out: 'app' }, { in: 'src/styles/page.css', out: 'page' }]),
];

const types = { js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', html: 'text/html; charset=utf-8' };
const typeOf = (name) => types[name.slice(name.lastIndexOf('.') + 1)];

const files = made.map(({ path, contents }) => ({ name: basename(path), contents: Buffer.from(contents) }));
const named = (start, end) => files.find(({ name }) => name.startsWith(start) && name.endsWith(end)).name;
const index = readFileSync(join(here, 'src/index.html'), 'utf8')
  .replace('{style}', named('page-', '.css'))
  .replace('{first}', named('first-', '.js'))
  .replace('{script}', named('app-', '.js'));

const pages = [
  { path: '/', type: types.html, body: Buffer.from(index), packed: false },
  ...files.map(({ name, contents }) => ({
    path: `/page/${name}`, type: typeOf(name), body: gzipSync(contents, { level: 9 }), packed: true,
  })),
];

/** Octal: unlike hexadecimal it ends after three digits. */
const literal = (bytes) => {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 64) {
    let line = '';
    for (const byte of bytes.subarray(at, at + 64)) line += `\\${byte.toString(8).padStart(3, '0')}`;
    lines.push(`"${line}"`);
  }
  return lines.join('\n') || '""';
};

const rows = pages.map(({ path, type, body, packed }) =>
  `    {"${path}", "${type}", std::string_view(\n${literal(body)}, ${body.length}), ${packed}, ${packed}},`);
writeFileSync(join(folder, 'web_pages.cpp'), `// made by plugins/web/build.mjs
#include "adapter/server/gateway/pages.hpp"

namespace kdbg::server {

std::span<const Page> web_pages() {
  static constexpr Page all[] = {
${rows.join('\n')}
  };
  return all;
}

} // namespace kdbg::server
`);

const size = pages.reduce((sum, { body }) => sum + body.length, 0);
writeFileSync(join(folder, 'sizes.json'), JSON.stringify(Object.fromEntries(
  [...pages.map(({ path, body }) => [path, body.length]), ['all', size]]), null, 2));
console.log(`the page: ${pages.length} files, ${(size / 1000).toFixed(1)} kB compressed`);
