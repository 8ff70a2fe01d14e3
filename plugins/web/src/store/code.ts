// Instructions around a place, in both directions: what is seen, and more as it is scrolled to.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { ask } from '../dap/session';
import { readableLive, parsePlace } from '../model/address';
import { link, settling, stopped } from './guest';

type Instruction = DebugProtocol.DisassembledInstruction;
export type CodeRow = { kind: 'code'; key: string; instruction: Instruction } | { kind: 'source'; key: string; symbol?: string; path?: string; line?: number };

const chunk = 80;
const most = 1200;

export interface Code {
  rows: CodeRow[];
  problem: string;
  title: string;
  /** Counts what was read anew from a place, and every change. */
  loads: number;
  version: number;
  /** Rows that the latest change put in at the top. */
  shifted: number;
  more(edge: 'top' | 'bottom'): void;
}

const disassemble = (memoryReference: string, instructionOffset: number, instructionCount: number) =>
  ask<{ instructions: Instruction[] }>('disassemble', { memoryReference, instructionOffset, instructionCount, resolveSymbols: true })
    .then(({ instructions }) => instructions);

/** Code begins where there is some; where there is none, the row at `base` says so. */
function trimmed(all: Instruction[], base = 0): Instruction[] {
  const first = all.findIndex(({ presentationHint }) => presentationHint !== 'invalid');
  return first < 0 ? all.slice(base, base + 1) : all.slice(Math.min(first, base || first));
}

function rowsOf(all: Instruction[]): CodeRow[] {
  const rows: CodeRow[] = [];
  let symbol: string | undefined, path: string | undefined, last: number | undefined;
  for (const instruction of all) {
    if (instruction.symbol && instruction.symbol !== symbol) {
      symbol = instruction.symbol;
      rows.push({ kind: 'source', key: `s${instruction.address}`, symbol });
    }
    const { location, line } = instruction;
    if (location?.path && line && (location.path !== path || line !== last)) {
      rows.push({ kind: 'source', key: `l${instruction.address}`, path: location.path, line });
      path = location.path;
      last = line;
    }
    rows.push({ kind: 'code', key: instruction.address, instruction });
  }
  return rows;
}

const nothing = { all: [] as Instruction[], rows: [] as CodeRow[], problem: '', title: '', loads: 0, version: 0, shifted: 0 };

export function useCode(base: string | undefined, changes: unknown[]): Code {
  const [state, setState] = useState(nothing);
  const now = useRef({ busy: false, dirty: false, base, state, gone: false });
  now.current.base = base;
  now.current.state = state;
  const place = base === undefined ? undefined : parsePlace(base);
  const able = link.value.state === 'open' && (stopped.value || (place !== undefined && readableLive(place)));
  /** In front of an address that an instruction has. */
  const space = place?.space ?? '';

  const put = (all: Instruction[], change: { shifted?: number; loaded?: boolean } = {}) => setState((before) => {
    const at = now.current.base;
    const here = all.find(({ address }) => at?.endsWith(address));
    return {
      all, rows: rowsOf(all), problem: '', title: here?.symbol ?? '', loads: before.loads + (change.loaded ? 1 : 0),
      version: before.version + 1, shifted: change.shifted ?? 0,
    };
  });

  const once = async (work: () => Promise<void>) => {
    const { current } = now;
    if (current.busy) {
      current.dirty = true;
      return;
    }
    current.busy = true;
    try {
      await work();
    } catch (error) {
      if (!current.gone) setState((before) => ({ ...before, problem: error instanceof Error ? error.message : String(error) }));
    }
    current.busy = false;
    if (!current.dirty || current.gone) return;
    current.dirty = false;
    void once(load);
  };

  const load = async () => {
    const { base: at, state: { all } } = now.current;
    if (at === undefined) return;
    const plain = parsePlace(at);
    const known = plain && all.findIndex(({ address, presentationHint }) => presentationHint !== 'invalid' && BigInt(address) === plain.value);
    if (known !== undefined && known >= 8 && known < all.length - 8) {
      // the same rows, as they are now
      const again = await disassemble(`${space}${all[0]!.address}`, 0, all.length);
      if (same(again, all)) setState((before) => ({ ...before, problem: '', title: again[known]?.symbol ?? before.title }));
      else put(again, {});
      return;
    }
    put(trimmed(await disassemble(at, -chunk, 2 * chunk), chunk), { loaded: true });
  };

  useLayoutEffect(() => {
    if (able && base !== undefined && !settling.peek()) void once(load);
  }, [able, base, ...changes]);
  useEffect(() => {
    now.current.gone = false;
    return () => { now.current.gone = true; };
  }, []);

  const more = (edge: 'top' | 'bottom') => {
    const { all } = now.current.state;
    if (!able || now.current.busy || !all.length) return;
    void once(async () => {
      if (edge === 'bottom') {
        const next = (await disassemble(`${space}${all.at(-1)!.address}`, 0, chunk + 1)).slice(1);
        if (!next.length || next[0]!.presentationHint === 'invalid') return;
        const joined = [...all, ...next];
        const cut = Math.max(0, joined.length - most);
        put(joined.slice(cut), { shifted: cut ? -(rowsOf(joined).length - rowsOf(joined.slice(cut)).length) : 0 });
        return;
      }
      const before = trimmed(await disassemble(`${space}${all[0]!.address}`, -chunk, chunk)).filter(({ presentationHint }) => presentationHint !== 'invalid');
      if (!before.length) return;
      const joined = [...before, ...all].slice(0, most);
      put(joined, { shifted: rowsOf([...before, ...all]).length - rowsOf(all).length });
    });
  };
  const { all: _, ...shown } = state;
  return { ...shown, more };
}

function same(one: Instruction[], other: Instruction[]): boolean {
  return one.length === other.length && one.every((row, index) => {
    const old = other[index]!;
    return row.address === old.address && row.instruction === old.instruction && row.instructionBytes === old.instructionBytes
      && row.symbol === old.symbol && row.line === old.line;
  });
}
