// Bytes of the guest: 4 KiB at a time, kept until something may have changed them.
import type { DebugProtocol } from '@vscode/debugprotocol';
import { ask } from '../dap/session';
import { bytesOf, hex, placeText, top, type Place } from '../model/address';

export const chunkSize = 4096;

/** Bytes from an address on; undefined where nothing can be read. */
export type Chunk = (number | undefined)[];

export async function readRange(place: Place, count: number): Promise<Chunk> {
  const out: Chunk = [];
  while (out.length < count) {
    const at = place.value + BigInt(out.length);
    if (at > top) break;
    const body = await ask<DebugProtocol.ReadMemoryResponse['body']>('readMemory', { memoryReference: placeText({ ...place, value: at }), count: count - out.length });
    const bytes = bytesOf(body?.data);
    out.push(...bytes);
    const hole = Math.min(body?.unreadableBytes ?? 0, count - out.length);
    for (let i = 0; i < hole; ++i) out.push(undefined);
    if (!bytes.length && !hole) break;
  }
  return out;
}

/** Bytes as hex digits, or text between quotation marks. */
export function parseWanted(text: string): Uint8Array | undefined {
  const quoted = /^\s*"(.*)"\s*$/.exec(text);
  if (quoted) return new TextEncoder().encode(quoted[1]);
  const digits = text.replaceAll(/0x|[\s,]/g, '');
  if (!digits || digits.length % 2 || /[^0-9a-f]/i.test(digits)) return new TextEncoder().encode(text);
  return Uint8Array.from(digits.match(/../g)!, (two) => parseInt(two, 16));
}

const step = 1 << 18;
const farthest = 1n << 30n;

/** Looks from a place on, a GiB at most; what cannot be read is passed over. */
export async function search(from: Place, text: string, progress: (at: bigint) => void, stop: () => boolean): Promise<{ text: string; at?: string }> {
  const wanted = parseWanted(text);
  if (!wanted?.length) return { text: 'nothing to search for' };
  let at = from.value;
  const end = from.value + farthest > top ? top : from.value + farthest;
  try {
    while (at < end) {
      if (stop()) return { text: `stopped at ${hex(at)}` };
      const body = await ask<DebugProtocol.ReadMemoryResponse['body']>('readMemory', { memoryReference: placeText({ ...from, value: at }), count: step });
      const bytes = bytesOf(body?.data);
      const index = indexOf(bytes, wanted);
      if (index >= 0) return { text: `found at ${hex(at + BigInt(index))}`, at: placeText({ ...from, value: at + BigInt(index) }) };
      const hole = BigInt(body?.unreadableBytes ?? 0);
      const whole = bytes.length === step;
      at += whole ? BigInt(step - wanted.length + 1) : BigInt(bytes.length) + hole;
      if (!bytes.length && !hole) break;
      progress(at);
    }
  } catch (error) {
    return { text: error instanceof Error ? error.message : String(error) };
  }
  return { text: `not found up to ${hex(at)}` };
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array): number {
  for (let at = bytes.indexOf(wanted[0]!); at >= 0 && at + wanted.length <= bytes.length; at = bytes.indexOf(wanted[0]!, at + 1)) {
    if (wanted.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}
