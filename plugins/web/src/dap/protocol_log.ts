// The latest messages, so many and so long at most; kept outside the signals, for it changes often.
export interface LogLine {
  time: number;
  direction: '->' | '<-' | ' !';
  text: string;
}

const mostLines = 5000;
const longest = 4000;

const lines: LogLine[] = [];
let dropped = 0;
let changed = () => {};

export const protocolLog = {
  get lines(): readonly LogLine[] {
    return lines;
  },
  add(direction: LogLine['direction'], text: string): void {
    const shown = text.length > longest ? `${text.slice(0, longest)}… (${text.length} characters)` : text;
    lines.push({ time: Date.now(), direction, text: shown });
    if (lines.length > mostLines) {
      dropped += lines.length - mostLines / 2;
      lines.splice(0, lines.length - mostLines / 2);
    }
    changed();
  },
  clear(): void {
    lines.length = 0;
    dropped = 0;
    changed();
  },
  /** Of whoever shows it. */
  onChange(listener: () => void): void {
    changed = listener;
  },
  asText(): string {
    const head = dropped ? `(${dropped} earlier messages are left out)\n` : '';
    return head + lines.map((line) => `${new Date(line.time).toISOString()} ${line.direction} ${line.text}`).join('\n') + '\n';
  },
};
