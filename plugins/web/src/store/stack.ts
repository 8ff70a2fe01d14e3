// The call stack of the vCPU that is looked at, and with it the sign for all else to be read again. One stop is told
// by several events (of each piece of memory that somebody shows there is one), and they come before the answer to a
// request that the first of them led to: so by that answer all has been told, and each panel reads and is drawn once.
import { batch, effect, untracked } from '@preact/signals';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { ask } from '../dap/session';
import { frameIndex, frames, framesProblem, revision, settling, stopped, thread, told } from './guest';

async function read(): Promise<void> {
  if (settling.value) return; // the adapter does one thing after another: its answer knows what it told before
  settling.value = true;
  const of = thread.value;
  let found: DebugProtocol.StackFrame[] | undefined;
  let problem = '';
  try {
    found = (await ask<DebugProtocol.StackTraceResponse['body']>('stackTrace', { threadId: of, levels: 64 })).stackFrames;
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  settling.value = false;
  if (stopped.value && thread.value !== of) return void read();
  batch(() => {
    if (found) frames.value = found;
    framesProblem.value = problem;
    if (frameIndex.value >= frames.value.length) frameIndex.value = 0;
    revision.value += 1;
  });
}

export function followStack(): void {
  effect(() => {
    // what a change of these makes old
    void told.value;
    void thread.value;
    const stands = stopped.value;
    untracked(() => {
      if (stands) void read();
      else revision.value += 1;
    });
  });
}
