// The call stack of the vCPU that is looked at: one request at a time, the latest wish wins.
import { batch, effect } from '@preact/signals';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { ask } from '../dap/session';
import { frameIndex, frames, framesProblem, revision, stopped, thread } from './guest';

let busy = false;
let again = false;

async function read(): Promise<void> {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    const body = await ask<DebugProtocol.StackTraceResponse['body']>('stackTrace', { threadId: thread.value, levels: 64 });
    batch(() => {
      frames.value = body.stackFrames;
      framesProblem.value = '';
      if (frameIndex.value >= body.stackFrames.length) frameIndex.value = 0;
    });
  } catch (error) {
    framesProblem.value = error instanceof Error ? error.message : String(error);
  }
  busy = false;
  if (!again) return;
  again = false;
  if (stopped.value) void read();
}

export function followStack(): void {
  effect(() => {
    // what a change of these makes old
    void revision.value;
    void thread.value;
    if (stopped.value) void read();
  });
}
