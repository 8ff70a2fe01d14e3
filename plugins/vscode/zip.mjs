// A zip file, as much of it as a .vsix needs (PKWARE's APPNOTE, sections 4.3.7, 4.3.12 and 4.3.16).
import { deflateRawSync } from 'node:zlib';

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; ++bit) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

export function crc32(data) {
  let value = 0xffffffff;
  for (const byte of data) value = table[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** Little-endian fields: [bytes, value] each. */
function packed(...fields) {
  const out = Buffer.alloc(fields.reduce((sum, [size]) => sum + size, 0));
  let at = 0;
  for (const [size, value] of fields) at = out.writeUIntLE(value, at, size);
  return out;
}

const version = 20; // deflate
const names_are_utf8 = 0x800, deflated = 8;
const first_day = 0x21; // 1980-01-01: the same input gives the same file
const plain_file = 0o100644 * 0x10000;

/** `files` are [name, content] pairs, content a Buffer or text. */
export function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [name, content] of files) {
    const data = Buffer.from(content);
    const body = deflateRawSync(data, { level: 9 });
    const path = Buffer.from(name);
    const common = [[2, version], [2, names_are_utf8], [2, deflated], [2, 0], [2, first_day], [4, crc32(data)],
      [4, body.length], [4, data.length], [2, path.length], [2, 0]];
    const local = Buffer.concat([packed([4, 0x04034b50], ...common), path, body]);
    directory.push(packed([4, 0x02014b50], [2, 0x300 + version], ...common, [2, 0], [2, 0], [2, 0], [4, plain_file], [4, offset]), path);
    parts.push(local);
    offset += local.length;
  }
  const index = Buffer.concat(directory);
  const end = packed([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, index.length], [4, offset], [2, 0]);
  return Buffer.concat([...parts, index, end]);
}
