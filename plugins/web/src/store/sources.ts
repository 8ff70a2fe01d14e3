// Source files, each asked for once.
import { signal } from '@preact/signals';
import { ask } from '../dap/session';
import { stopped } from './guest';

const texts = new Map<string, string>();
const lines = new Map<string, string[] | undefined>();
const told = signal(0);

export async function textOf(path: string): Promise<string> {
  const known = texts.get(path);
  if (known !== undefined) return known;
  const { content } = await ask<{ content: string }>('source', { source: { path }, sourceReference: 0 });
  texts.set(path, content);
  return content;
}

/** The text of a line; '' for one that is not there, or not yet. */
export function lineText(path: string, line: number): string {
  void told.value;
  if (!lines.has(path) && stopped.value) {
    lines.set(path, undefined);
    textOf(path).then((text) => {
      lines.set(path, text.split('\n'));
      told.value += 1;
    }, () => {}); // a file that may not be read: its name and line are shown all the same
  }
  return lines.get(path)?.[line - 1]?.trim() ?? '';
}
