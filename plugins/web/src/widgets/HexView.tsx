// Bytes, 16 in a row: what has changed since the last look is marked; digits that are typed are written.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ask, tryTo } from '../dap/session';
import { link, observing, revision, running, settling } from '../store/guest';
import { chunkSize, readRange, type Chunk } from '../store/memory';
import { base64Of, hexDigits, placeText, readableLive, top, type Place } from '../model/address';
import { useRowCache } from './row_cache';
import { VirtualList, type ListHandle } from './VirtualList';

const perRow = 16;
/** Rows that the list has; at its ends it goes on with others. */
const rows = 8192;
const liveEvery = 400; // milliseconds

interface Kept {
  now: Chunk;
  before: Chunk | undefined;
  /** Of which look it is: of one stop, or of one reading while the guest runs. */
  look: string;
}

interface Props {
  place: Place;
  onCursor(cursor: { at: bigint; word: bigint | undefined }): void;
}

const firstRow = (value: bigint): bigint => {
  const half = BigInt(rows / 2 * perRow);
  const start = (value & ~15n) - half;
  const most = top + 1n - BigInt(rows * perRow);
  return start < 0n ? 0n : start > most ? most : start;
};

export function HexView({ place, onCursor }: Props) {
  const [base, setBase] = useState(() => firstRow(place.value));
  // kept apart from what is drawn: the next key may come before the next repaint
  const typed = useRef({ cursor: place.value, nibble: '' });
  const { cursor, nibble } = typed.current;
  const setTyped = (at: bigint, digit: string) => {
    typed.current = { cursor: at, nibble: digit };
    setVersion((version) => version + 1);
  };
  const [problem, setProblem] = useState('');
  const [, setVersion] = useState(0);
  const list = useRef<ListHandle | undefined>(undefined);
  const kept = useRef({ chunks: new Map<bigint, Kept>(), space: place.space, seen: [0, 0] as [number, number], busy: false, dirty: false, gone: false, base, place, reads: 0, placed: false });
  kept.current.base = base;
  kept.current.place = place;
  if (kept.current.space !== place.space) {
    kept.current.chunks.clear();
    kept.current.space = place.space;
  }
  const width = place.space.startsWith('p:') ? 10 : 16;
  const live = readableLive(place);
  const able = link.value.state === 'open' && running.value !== undefined && (!running.value || live);

  const readSeen = async () => {
    const { current } = kept;
    if (current.busy) {
      current.dirty = true;
      return;
    }
    current.busy = true;
    const { place: here, seen } = current;
    const first = (current.base + BigInt(seen[0] * perRow)) & ~BigInt(chunkSize - 1);
    const last = current.base + BigInt(Math.max(seen[1] * perRow - 1, 0));
    try {
      const starts: bigint[] = [];
      for (let at = first; at <= last; at += BigInt(chunkSize)) starts.push(at);
      const all = await Promise.all(starts.map((value) => readRange({ ...here, value }, chunkSize)));
      if (current.gone || here.space !== current.space) return;
      const look = running.value ? `read ${++current.reads}` : `stop ${revision.value}`;
      starts.forEach((start, index) => {
        const old = current.chunks.get(start);
        current.chunks.set(start, { now: all[index]!, before: old && old.look !== look ? old.now : old?.before, look });
      });
      for (const start of current.chunks.keys()) {
        if (current.chunks.size > 64 && !starts.includes(start)) current.chunks.delete(start);
      }
      setProblem('');
      setVersion((version) => version + 1);
    } catch (error) {
      if (!current.gone) setProblem(error instanceof Error ? error.message : String(error));
    } finally {
      current.busy = false;
      if (current.dirty && !current.gone) {
        current.dirty = false;
        void readSeen();
      }
    }
  };

  useEffect(() => {
    kept.current.gone = false;
    return () => { kept.current.gone = true; };
  }, []);
  useEffect(() => {
    // rows that are there stay: a place that follows the vCPU moves at each step
    const near = (place.value - base) / 16n;
    const start = near >= rows / 8 && near < rows * 7 / 8 ? base : firstRow(place.value);
    setBase(start);
    setTyped(place.value, '');
    requestAnimationFrame(() => {
      const scrolls = list.current?.reveal(Number((place.value - start) / 16n)); // and then it reads
      if (!kept.current.placed && !scrolls && able) void readSeen();
      kept.current.placed = true;
    });
  }, [place.value, place.space]);
  useLayoutEffect(() => {
    if (able && kept.current.placed && !settling.peek()) void readSeen();
  }, [able, revision.value, base, place.space]);
  useEffect(() => {
    if (!able || !running.value) return;
    const timer = setInterval(() => void readSeen(), liveEvery);
    return () => clearInterval(timer);
  }, [able, running.value]);

  const byteAt = (at: bigint): number | undefined => kept.current.chunks.get(at & ~BigInt(chunkSize - 1))?.now[Number(at & BigInt(chunkSize - 1))];
  const word = wordAt(cursor, byteAt);
  useEffect(() => onCursor({ at: cursor, word }), [cursor, word]);

  const move = (by: bigint) => {
    const to = typed.current.cursor + by;
    if (to < 0n || to > top) return;
    setTyped(to, '');
    const index = Number((to - base) / 16n);
    if (index >= 0 && index < rows) list.current?.reveal(index);
  };
  const type = async (digit: string) => {
    const { cursor: at, nibble: high } = typed.current;
    if (!high) return setTyped(at, digit);
    move(1n);
    const data = base64Of(Uint8Array.of(parseInt(high + digit, 16)));
    await tryTo(ask('writeMemory', { memoryReference: placeText({ ...place, value: at }), data }));
    void readSeen();
  };
  const onEdge = (edge: 'top' | 'bottom') => {
    const shift = BigInt(rows / 2);
    const start = edge === 'top' ? base - shift * 16n : base + shift * 16n;
    const most = top + 1n - BigInt(rows * perRow);
    const next = start < 0n ? 0n : start > most ? most : start;
    if (next === base) return;
    setBase(next);
    list.current?.shift(Number((base - next) / 16n));
  };

  const cached = useRowCache();
  const row = (index: number) => {
    const start = base + BigInt(index * perRow);
    const chunk = kept.current.chunks.get(start & ~BigInt(chunkSize - 1));
    const from = Number(start & BigInt(chunkSize - 1));
    const inRow = cursor >= start && cursor < start + 16n ? Number(cursor - start) : -1;
    return cached(String(start), [chunk, width, inRow, inRow < 0 ? '' : nibble], () => <HexRow key={String(start)} start={start} width={width} chunk={chunk} from={from}
      cursor={inRow} nibble={nibble} onPick={(at) => setTyped(start + BigInt(at), '')} />);
  };
  return (
    <>
      {problem && <p class="problem" role="status">{problem}</p>}
      <VirtualList label={`Memory at ${placeText(place)}`} count={rows} handle={list} class={`hex ${able ? '' : 'stale'}`} row={row} onEdge={onEdge}
        onScrolled={(first, last) => {
          kept.current.seen = [first, last];
          if (able && kept.current.placed) void readSeen();
        }}
        onKeyDown={(event) => {
          if (event.altKey || event.ctrlKey || event.metaKey) return;
          const by = { ArrowLeft: -1n, ArrowRight: 1n, ArrowUp: -16n, ArrowDown: 16n, PageUp: -16n * BigInt(list.current?.page() ?? 1), PageDown: 16n * BigInt(list.current?.page() ?? 1) }[event.key];
          if (by !== undefined) {
            event.preventDefault();
            move(by);
          } else if (/^[0-9a-f]$/i.test(event.key) && !observing.value) {
            event.preventDefault();
            void type(event.key);
          }
        }} />
    </>
  );
}

/** 8 bytes, the lowest first; undefined where one cannot be read. */
function wordAt(at: bigint, byteAt: (at: bigint) => number | undefined): bigint | undefined {
  let word = 0n;
  for (let i = 7n; i >= 0n; --i) {
    const byte = at + i <= top ? byteAt(at + i) : undefined;
    if (byte === undefined) return undefined;
    word = (word << 8n) | BigInt(byte);
  }
  return word;
}

interface RowProps {
  start: bigint;
  width: number;
  chunk: Kept | undefined;
  from: number;
  cursor: number;
  nibble: string;
  onPick(at: number): void;
}

/** Bytes that look alike are one piece of text: a row is a handful of elements, not 32. */
function HexRow({ start, width, chunk, from, cursor, nibble, onPick }: RowProps) {
  const pieces: { class: string; text: string; letters: string }[] = [];
  for (let i = 0; i < perRow; ++i) {
    const byte = chunk?.now[from + i];
    const old = chunk?.before?.[from + i];
    const changed = chunk?.before !== undefined && old !== byte;
    const kind = `${i === cursor ? 'cursor' : ''} ${changed ? 'changed' : ''} ${byte === 0 ? 'zero' : ''}`;
    const digits = i === cursor && nibble ? `${nibble}_` : byte === undefined ? (chunk ? '··' : '  ') : hexDigits(byte, 2);
    const letter = byte === undefined ? ' ' : byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';
    const last = pieces.at(-1);
    const text = `${i === 8 ? ' ' : ''}${digits} `;
    if (last && last.class === kind && i !== cursor && i - 1 !== cursor) {
      last.text += text;
      last.letters += letter;
    } else {
      pieces.push({ class: kind, text, letters: letter });
    }
  }
  return (
    <div class="row hex-row" data-address={`0x${start.toString(16)}`}>
      <span class="code-address">{hexDigits(start, width)}</span>
      <span class="hex-bytes" onClick={(event) => {
        const box = event.currentTarget.getBoundingClientRect();
        const column = Math.floor((event.clientX - box.left) / box.width * 49);
        onPick(Math.min(15, Math.max(0, Math.floor((column > 24 ? column - 1 : column) / 3))));
      }}>{pieces.map((one, index) => <span key={index} class={one.class}>{one.text}</span>)}</span>
      <span class="hex-letters">{pieces.map((one, index) => <span key={index} class={one.class}>{one.letters}</span>)}</span>
    </div>
  );
}
