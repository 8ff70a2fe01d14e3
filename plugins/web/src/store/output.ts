// What the guest and the adapter have said: bounded, so that a guest that writes for ever costs nothing.
import { signal } from '@preact/signals';
import type { DebugProtocol } from '@vscode/debugprotocol';

const mostLines = 5000;
const longestLine = 2000;

/** Lines of text, the oldest of which go. A line end may be \n, \r\n or missing. */
export class Lines {
  readonly all: string[] = [''];
  readonly changed = signal(0);
  dropped = 0;

  add(text: string): void {
    const parts = text.replaceAll('\r\n', '\n').replaceAll('\r', '').split('\n');
    for (const [index, part] of parts.entries()) {
      if (index > 0) this.all.push('');
      const last = this.all.length - 1;
      const plain = part.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replace(/[\x00-\x08\x0b-\x1f\x7f]/g, '�');
      if (this.all[last]!.length < longestLine) this.all[last] = (this.all[last] + plain).slice(0, longestLine);
    }
    if (this.all.length > mostLines) {
      const gone = this.all.length - mostLines / 2;
      this.all.splice(0, gone);
      this.dropped += gone;
    }
    this.changed.value += 1;
  }

  /** With what had been written before; what was told meanwhile is part of it. */
  begin(text: string): void {
    this.clear();
    this.add(text);
  }

  clear(): void {
    this.all.splice(0, this.all.length, '');
    this.dropped = 0;
    this.changed.value += 1;
  }
}

export const serial = new Lines();

export interface ReplLine {
  kind: 'asked' | 'answer' | 'error' | 'remark';
  text: string;
}
const mostEntries = 1000;
export const replLines = signal<ReplLine[]>([]);

export function tell(kind: ReplLine['kind'], text: string): void {
  const lines = text.replace(/\n$/, '').split('\n').map((one) => ({ kind, text: one.slice(0, longestLine) }));
  replLines.value = [...replLines.value, ...lines].slice(-mostEntries);
}

export function takeOutput(body: DebugProtocol.OutputEvent['body']): void {
  if (body.category === 'stdout') serial.add(body.output);
  else tell(body.category === 'important' ? 'error' : 'remark', body.output);
}
