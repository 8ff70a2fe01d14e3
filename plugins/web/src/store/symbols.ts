// The name at an address: asked once for each address, however many vCPUs are there.
import { signal } from '@preact/signals';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { ask } from '../dap/session';
import { stopped } from './guest';

const most = 2000;
const known = new Map<string, string>();
const wanted = new Set<string>();
let busy = false;
const told = signal(0);

/** '' for an address without a name, undefined for one that has yet to be asked for. */
export function symbolAt(address: string | undefined): string | undefined {
  void told.value;
  if (!address) return '';
  const name = known.get(address);
  if (name === undefined && stopped.value) {
    wanted.add(address);
    void look();
  }
  return name;
}

/** Symbols have come or gone. */
export function forgetSymbols(): void {
  known.clear();
  told.value += 1;
}

async function look(): Promise<void> {
  if (busy) return;
  busy = true;
  while (wanted.size && stopped.value) {
    const some = [...wanted].slice(0, 16);
    for (const address of some) wanted.delete(address);
    const names = await Promise.all(some.map((memoryReference) =>
      ask<DebugProtocol.DisassembleResponse['body']>('disassemble', { memoryReference, instructionCount: 1, resolveSymbols: true })
        .then((body) => body?.instructions[0]?.symbol ?? '', () => undefined)));
    if (known.size > most) known.clear();
    some.forEach((address, index) => { if (names[index] !== undefined) known.set(address, names[index]!); });
    told.value += 1;
    if (names.every((one) => one === undefined)) break;
  }
  wanted.clear();
  busy = false;
}

