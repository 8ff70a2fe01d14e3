// What this page knows of the guest: values that the session writes and the panels read.
import { computed, signal } from '@preact/signals';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Capabilities } from '../dap/kvmdbg';

export type Link =
  | { state: 'connecting' }
  | { state: 'open' }
  | { state: 'waiting'; why: string; tries: number }
  | { state: 'refused'; why: string };

export const link = signal<Link>({ state: 'connecting' });
export const adapter = signal<DebugProtocol.Capabilities>({});
export const host = signal<Capabilities | undefined>(undefined);

/** undefined: not told yet. */
export const running = signal<boolean | undefined>(undefined);
export const stop = signal<DebugProtocol.StoppedEvent['body'] | undefined>(undefined);
/** Counts what was told that may have changed anything that is shown: a stop, a write, symbols that came. */
export const told = signal(0);
/** Counts what is to be read again: what was told, once the call stack that goes with it is there (store/stack.ts). */
export const revision = signal(0);
/** Whether that call stack is on its way. */
export const settling = signal(false);
/** Counts what may have changed points, clients or the lease. */
export const pointsRevision = signal(0);

/** DAP's thread: the vCPU's number and 1. */
export const thread = signal(1);
export const frames = signal<DebugProtocol.StackFrame[]>([]);
export const frameIndex = signal(0);
export const frame = computed(() => frames.value[frameIndex.value]);
export const framesProblem = signal('');

export interface Progress {
  title: string;
  message: string;
  percentage: number | undefined;
}
export const progress = signal<Progress | undefined>(undefined);

export interface Notice {
  text: string;
  kind: 'error' | 'remark';
  /** An error that taking run control would mend. */
  lease: boolean;
}
export const notice = signal<Notice | undefined>(undefined);

export const stopped = computed(() => link.value.state === 'open' && running.value === false);
export const observing = signal(false);

export function complain(error: unknown): void {
  // what the protocol has a request for, the page has a button for
  const text = (error instanceof Error ? error.message : String(error)).replace(/; the request kvmdbg\/takeControl takes it/, '');
  notice.value = { text, kind: 'error', lease: /run control/.test(text) };
}
