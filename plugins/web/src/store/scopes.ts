// The scopes of the frame that is looked at, and its registers: asked for once a stop, whichever panels show them.
import { effect, signal } from '@preact/signals';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { ask } from '../dap/session';
import { frame, revision, stopped, thread } from './guest';
import { onTop } from './panels';

type Frame = DebugProtocol.StackFrame;
type Variable = DebugProtocol.Variable;

export const variablesOf = (variablesReference: number) =>
  ask<DebugProtocol.VariablesResponse['body']>('variables', { variablesReference, format: { hex: true } }).then((body) => body.variables);

/** What one stop is asked for, by what: the promises themselves, so that whoever comes later waits with the first. */
let kept = { frame: undefined as Frame | undefined, revision: -1, asked: new Map<string, Promise<unknown>>() };

function once<T>(of: Frame, what: string, read: () => Promise<T>): Promise<T> {
  if (kept.frame !== of || kept.revision !== revision.value) kept = { frame: of, revision: revision.value, asked: new Map() };
  const there = kept.asked.get(what) as Promise<T> | undefined;
  if (there) return there;
  const begun = read();
  kept.asked.set(what, begun);
  return begun;
}

export const scopesOf = (of: Frame): Promise<DebugProtocol.Scope[]> => once(of, 'scopes', () =>
  ask<DebugProtocol.ScopesResponse['body']>('scopes', { frameId: of.id }).then(({ scopes }) => scopes));

export interface Group {
  name: string;
  reference: number;
  /** Of a group that is open. */
  registers: Variable[] | undefined;
}

/** Registers, and of which vCPU and when. */
export interface Reading {
  thread: number;
  revision: number;
  groups: Group[];
}

const openPlace = 'kvmdbg.groups';
export const openGroups = signal(new Set<string>(JSON.parse(sessionStorage.getItem(openPlace) ?? 'null') ?? ['General', 'Flags', 'Control']));

export function turnGroup(name: string): void {
  const next = new Set(openGroups.value);
  if (!next.delete(name)) next.add(name);
  openGroups.value = next;
  sessionStorage.setItem(openPlace, JSON.stringify([...next]));
}

export async function registersOf(of: Frame): Promise<Reading> {
  const when = { thread: thread.value, revision: revision.value };
  const open = openGroups.value;
  const groups = await once(of, 'groups', async () => {
    const scope = (await scopesOf(of)).find(({ name }) => name === 'Registers');
    return scope ? variablesOf(scope.variablesReference) : [];
  });
  return {
    ...when,
    groups: await Promise.all(groups.map(async ({ name, variablesReference }) => ({
      name, reference: variablesReference,
      registers: open.has(name) ? await once(of, `group ${name}`, () => variablesOf(variablesReference)) : undefined,
    }))),
  };
}

/** Registers are asked for ahead of the repaint that shows them: three answers, one after another, lead to them. */
export function followRegisters(): void {
  effect(() => {
    void revision.value;
    const at = frame.value;
    if (at && stopped.value && onTop('right')?.id === 'registers') registersOf(at).catch(() => {}); // the panel says it
  });
}
