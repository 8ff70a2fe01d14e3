// The page tables of x86 as data (SDM volume 3, 4.3 to 4.5), to list what they map.
export interface Mode {
  name: string;
  /** From the top: the lowest bit of the address that a level decides, and how many. */
  levels: { shift: number; bits: number; large: boolean }[];
  entry: 4 | 8;
}

const long = [
  { shift: 39, bits: 9, large: false }, { shift: 30, bits: 9, large: true }, { shift: 21, bits: 9, large: true }, { shift: 12, bits: 9, large: false },
];

/** Undefined with paging off. */
export function modeOf(cr0: bigint, cr4: bigint, efer: bigint): Mode | undefined {
  if (!(cr0 >> 31n & 1n)) return undefined;
  if (efer >> 10n & 1n) {
    return cr4 >> 12n & 1n ? { name: '5 levels', levels: [{ shift: 48, bits: 9, large: false }, ...long], entry: 8 } : { name: '4 levels', levels: long, entry: 8 };
  }
  if (cr4 >> 5n & 1n) {
    return { name: 'PAE', levels: [{ shift: 30, bits: 2, large: false }, { shift: 21, bits: 9, large: true }, { shift: 12, bits: 9, large: false }], entry: 8 };
  }
  return { name: '32-bit', levels: [{ shift: 22, bits: 10, large: (cr4 >> 4n & 1n) === 1n }, { shift: 12, bits: 10, large: false }], entry: 4 };
}

export interface Region {
  start: bigint;
  /** The first address behind it. */
  end: bigint;
  physical: bigint;
  writable: boolean;
  user: boolean;
  executable: boolean;
}

const addressBits = 0x000f_ffff_ffff_f000n;

/** Reads a table: its entries, undefined where there is no memory. */
export type ReadTable = (physical: bigint, bytes: number) => Promise<(bigint | undefined)[]>;

/** Lists what is mapped, in order; after so many tables it ends, and `whole` is false. */
export async function listRegions(mode: Mode, root: bigint, read: ReadTable, mostTables: number): Promise<{ regions: Region[]; whole: boolean; tables: number }> {
  const regions: Region[] = [];
  let tables = 0;
  const add = (next: Region) => {
    const last = regions.at(-1);
    const joins = last && last.end === next.start && last.physical + (last.end - last.start) === next.physical
      && last.writable === next.writable && last.user === next.user && last.executable === next.executable;
    if (joins) last.end = next.end;
    else regions.push(next);
  };
  const visit = async (physical: bigint, depth: number, base: bigint, writable: boolean, user: boolean, executable: boolean): Promise<boolean> => {
    if (tables >= mostTables) return false;
    tables += 1;
    const { shift, bits, large } = mode.levels[depth]!;
    const entries = await read(physical, (1 << bits) * mode.entry);
    for (const [index, entry] of entries.entries()) {
      if (entry === undefined || !(entry & 1n)) continue;
      let start = base + (BigInt(index) << BigInt(shift));
      // the upper half is sign-extended
      if (depth === 0 && mode.levels.length >= 4 && start >> BigInt(shift + bits - 1)) start |= ~((1n << BigInt(shift + bits)) - 1n) & ((1n << 64n) - 1n);
      // PAE's four top entries have no rights of their own
      const plain = mode.name === 'PAE' && depth === 0;
      const w = writable && (plain || (entry & 2n) !== 0n), u = user && (plain || (entry & 4n) !== 0n), x = executable && !(mode.entry === 8 && entry >> 63n & 1n);
      const leaf = depth === mode.levels.length - 1 || (large && (entry & 0x80n) !== 0n);
      const size = 1n << BigInt(shift);
      if (leaf) {
        add({ start, end: start + size, physical: (entry & addressBits) & ~(size - 1n), writable: w, user: u, executable: x });
      } else if (!await visit(entry & addressBits, depth + 1, start, w, u, x)) {
        return false;
      }
    }
    return true;
  };
  const whole = await visit(root & (mode.name === 'PAE' ? 0xffff_ffe0n : addressBits), 0, 0n, true, true, true);
  return { regions, whole, tables };
}

export function sizeText(bytes: bigint): string {
  for (const [unit, shift] of [['TiB', 40n], ['GiB', 30n], ['MiB', 20n], ['KiB', 10n]] as const) {
    if (bytes >> shift && !(bytes & ((1n << shift) - 1n))) return `${bytes >> shift} ${unit}`;
  }
  return `${bytes} B`;
}
