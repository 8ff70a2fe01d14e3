// Where instructions jump to, and how the arrows for that lie beside each other.
import type { DebugProtocol } from '@vscode/debugprotocol';

/** Of x86; arm64; RISC-V and LoongArch. A number with # in front is no address. */
const jumps = /^(?:j\w*|call\w*|loop\w*|b|bl|b\.\w+|cbn?z|tbn?z|b(?:eq|ne|lt|ge|gt|le)u?z?|bceqz|bcnez)\b.*?(?<!#)\b(0x[0-9a-f]+)/i;

/** The address that a jump or a call names; indirect ones name none. */
export function jumpTarget(text: string): string | undefined {
  const found = jumps.exec(text);
  return found && !/[*[(%]|\$\d/.test(text.slice(0, found.index + found[0].length).replace(/^\S+/, '')) ? found[1] : undefined;
}

export interface Arrow {
  from: number;
  to: number;
  lane: number;
}

const lanes = 5;
const longest = 120;

/** For each row the arrows that begin, end or pass there; of rows without any, always the same empty list. */
export function arrowsOfRows(arrows: Arrow[], count: number): Arrow[][] {
  const all: Arrow[][] = Array(count).fill(none);
  for (const arrow of arrows) {
    for (let row = Math.min(arrow.from, arrow.to); row <= Math.max(arrow.from, arrow.to); ++row) all[row] = [...all[row]!, arrow];
  }
  return all;
}
const none: Arrow[] = [];

/** Arrows between rows; one that crosses too many others is left out. Calls have none. */
export function laneOf(rows: (DebugProtocol.DisassembledInstruction | undefined)[]): Arrow[] {
  const indexOf = new Map<string, number>();
  rows.forEach((row, index) => row && indexOf.set(row.address, index));
  const wanted: Arrow[] = [];
  rows.forEach((row, from) => {
    if (!row || /^(call|bl|jal)\b/i.test(row.instruction) || /^callq/i.test(row.instruction)) return;
    const target = jumpTarget(row.instruction);
    const to = target === undefined ? undefined : indexOf.get(target);
    if (to !== undefined && to !== from && Math.abs(to - from) <= longest) wanted.push({ from, to, lane: -1 });
  });
  wanted.sort((one, other) => Math.abs(one.to - one.from) - Math.abs(other.to - other.from));
  const placed: Arrow[] = [];
  for (const arrow of wanted) {
    const [low, high] = [Math.min(arrow.from, arrow.to), Math.max(arrow.from, arrow.to)];
    const taken = new Set(placed.filter(({ from, to }) => Math.min(from, to) <= high && Math.max(from, to) >= low).map(({ lane }) => lane));
    const lane = [...Array(lanes).keys()].find((one) => !taken.has(one));
    if (lane !== undefined) placed.push({ ...arrow, lane });
  }
  return placed;
}
