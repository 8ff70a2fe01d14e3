// The points that this page wishes for. The adapter replaces all of a kind at a time, and so do we.
import { signal } from '@preact/signals';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { ask, tryTo } from '../dap/session';
import { adapter, observing, pointsRevision } from './guest';

export type PointKind = 'source' | 'function' | 'instruction' | 'data';

export interface PointWish {
  id: number;
  kind: PointKind;
  enabled: boolean;
  /** source: the file; function: its name; instruction and data: the address. */
  place: string;
  line?: number;
  bytes?: number;
  access?: 'write' | 'readWrite';
  condition?: string;
  hitCondition?: string;
  logMessage?: string;
  mode?: string;
  /** What the adapter said of it. */
  told?: DebugProtocol.Breakpoint;
}

const storage = 'kvmdbg.points';

function stored(): { points: PointWish[]; filters: Record<string, string> } {
  try {
    const kept = JSON.parse(sessionStorage.getItem(storage) ?? '');
    if (Array.isArray(kept.points)) return { points: kept.points, filters: kept.filters ?? {} };
  } catch {
    // nothing was kept
  }
  return { points: [], filters: {} };
}

const kept = stored();
export const points = signal<PointWish[]>(kept.points);
/** Exception filters that are on, each with its condition or ''. */
export const filters = signal<Record<string, string>>(kept.filters);
let lastId = Math.max(0, ...kept.points.map(({ id }) => id));

function keep(): void {
  const plain = points.value.map(({ told: _, ...wish }) => wish);
  sessionStorage.setItem(storage, JSON.stringify({ points: plain, filters: filters.value }));
}

export async function addPoint(wish: Omit<PointWish, 'id' | 'enabled'>): Promise<void> {
  points.value = [...points.value, { id: ++lastId, enabled: true, ...wish }];
  await sync(wish.kind, wish.place);
}

export async function removePoint(id: number): Promise<void> {
  const gone = points.value.find((one) => one.id === id);
  points.value = points.value.filter((one) => one.id !== id);
  if (gone) await sync(gone.kind, gone.place);
}

export async function changePoint(id: number, changes: Partial<PointWish>): Promise<void> {
  points.value = points.value.map((one) => (one.id === id ? { ...one, ...changes } : one));
  const changed = points.value.find((one) => one.id === id);
  if (changed) await sync(changed.kind, changed.place);
}

export function pointAt(kind: PointKind, place: string, line?: number): PointWish | undefined {
  return points.value.find((one) => one.kind === kind && one.place === place
    && (line === undefined || (one.told?.verified && one.told.line ? one.told.line : one.line) === line || one.line === line));
}

export async function toggle(kind: PointKind, place: string, line?: number): Promise<void> {
  const there = pointAt(kind, place, line);
  if (there) await removePoint(there.id);
  else await addPoint(line === undefined ? { kind, place } : { kind, place, line });
}

export async function setFilter(filter: string, on: boolean, condition = ''): Promise<void> {
  const { [filter]: _, ...others } = filters.value;
  filters.value = on ? { ...others, [filter]: condition } : others;
  keep();
  await tryTo(syncFilters());
}

interface Answer {
  breakpoints: DebugProtocol.Breakpoint[];
}

function words({ condition, hitCondition, logMessage, mode }: PointWish): object {
  return { condition: condition || undefined, hitCondition: hitCondition || undefined, logMessage: logMessage || undefined, mode: mode || undefined };
}

async function request(kind: PointKind, wishes: PointWish[], place: string): Promise<Answer> {
  switch (kind) {
    case 'source':
      return ask('setBreakpoints', { source: { path: place }, breakpoints: wishes.map((one) => ({ line: one.line, ...words(one) })) });
    case 'function':
      return ask('setFunctionBreakpoints', { breakpoints: wishes.map((one) => ({ name: one.place, ...words(one) })) });
    case 'instruction':
      return ask('setInstructionBreakpoints', { breakpoints: wishes.map((one) => ({ instructionReference: one.place, ...words(one) })) });
    case 'data':
      return ask('setDataBreakpoints', {
        breakpoints: wishes.map((one) => ({ dataId: `${one.place}/${one.bytes ?? 8}`, accessType: one.access ?? 'write', ...words(one) })),
      });
  }
}

/** Only what is asked for now counts: a slower answer to an older wish is thrown away. */
const asked: Record<string, number> = {};

async function sync(kind: PointKind, place: string): Promise<void> {
  keep();
  const key = kind === 'source' ? `source ${place}` : kind;
  const mine = (asked[key] = (asked[key] ?? 0) + 1);
  const wishes = points.value.filter((one) => one.kind === kind && (kind !== 'source' || one.place === place) && one.enabled);
  const body = await tryTo(request(kind, wishes, place));
  if (asked[key] !== mine) return;
  points.value = points.value.map((one) => {
    const index = wishes.findIndex(({ id }) => id === one.id);
    if (index < 0) return one;
    return { ...one, told: body?.breakpoints[index] ?? { verified: false, message: 'the adapter refused it' } };
  });
  pointsRevision.value += 1;
}

async function syncFilters(): Promise<void> {
  const known = new Set((adapter.value.exceptionBreakpointFilters ?? []).map(({ filter }) => filter));
  const all = Object.entries(filters.value).filter(([filter]) => known.has(filter));
  await ask('setExceptionBreakpoints', {
    filters: all.filter(([, condition]) => !condition).map(([filter]) => filter),
    filterOptions: all.filter(([, condition]) => condition).map(([filterId, condition]) => ({ filterId, condition })),
  });
  pointsRevision.value += 1;
}

/** All of it, for a session that begins. */
export async function setAll(): Promise<void> {
  if (observing.value) return;
  const places = new Map(points.value.map((one) => [one.kind === 'source' ? `source ${one.place}` : one.kind, one]));
  const all: Promise<unknown>[] = [...places.values()].map(({ kind, place }) => sync(kind, place));
  if (Object.keys(filters.value).length) all.push(tryTo(syncFilters()));
  await Promise.all(all);
}

export function onBreakpointEvent({ breakpoint }: DebugProtocol.BreakpointEvent['body']): void {
  points.value = points.value.map((one) => (one.told?.id !== undefined && one.told.id === breakpoint.id ? { ...one, told: breakpoint } : one));
}
