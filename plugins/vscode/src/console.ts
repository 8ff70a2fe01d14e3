// The guest's console as a terminal of VS Code: what the guest writes is shown, what is typed goes to the guest.
import * as vscode from 'vscode';
import { Message } from './message';

const moment = 100; // milliseconds: what the server gathers it tells of sooner than that

/** How much of `text` the end of `shown` has already. */
function overlap(shown: string, text: string): number {
  let length = Math.min(shown.length, text.length);
  while (length > 0 && !shown.endsWith(text.slice(0, length))) --length;
  return length;
}

class Screen implements vscode.Pseudoterminal {
  private readonly written = new vscode.EventEmitter<string>();
  readonly onDidWrite = this.written.event;
  private last = '';
  private history: { text: string; until: number } | undefined;
  private opened = false;
  private order: Promise<void> = Promise.resolve();
  over = false;

  constructor(private readonly session: vscode.DebugSession, private readonly left: () => void) {}

  open(): void {
    this.order = this.ask({}).then((text) => {
      this.opened = true;
      this.show(text);
      this.history = { text, until: Date.now() + moment };
    });
  }

  close(): void {
    this.left();
  }

  handleInput(text: string): void {
    if (!this.over) this.order = this.order.then(() => this.ask({ type: text })).then(() => {});
  }

  /** What the guest has just written. Until `open` has its answer it is in that. */
  put(text: string): void {
    if (!this.opened) return;
    const again = this.history && Date.now() < this.history.until ? overlap(this.history.text, text) : 0;
    this.history = undefined;
    this.show(text.slice(again));
  }

  remark(text: string): void {
    this.show(`${this.last === '' || this.last === '\n' ? '' : '\n'}[kvmdbg: ${text}]\n`);
  }

  private async ask(request: object): Promise<string> {
    try {
      return String((await this.session.customRequest('kvmdbg/console', request)).text);
    } catch (error) {
      this.opened = true;
      this.remark((error as Error).message);
      return '';
    }
  }

  /** Terminals want a carriage return at each line end; not every guest sends one. */
  private show(text: string): void {
    if (!text) return;
    const first = this.last === '\r' && text.startsWith('\n') ? '\n' : '';
    this.written.fire(first + text.slice(first.length).replace(/(?<!\r)\n/g, '\r\n'));
    this.last = text.slice(-1);
  }
}

/** One terminal a session, which outlives it so that its text can be read. */
export class Consoles {
  private readonly terminals = new Map<string, { screen: Screen; terminal: vscode.Terminal }>();
  private readonly closed = new Set<string>(); // by the user: not opened again by itself

  open(session: vscode.DebugSession): void {
    let found = this.terminals.get(session.id);
    if (!found) {
      const screen = new Screen(session, () => {
        this.terminals.delete(session.id);
        this.closed.add(session.id);
      });
      found = { screen, terminal: vscode.window.createTerminal({ name: `Guest: ${session.name}`, pty: screen }) };
      this.terminals.set(session.id, found);
    }
    found.terminal.show(true);
  }

  /** The adapter tells of what the guest writes as output of the category stdout. */
  look(session: vscode.DebugSession, message: Message): void {
    if (message.event !== 'output' || message.body?.category !== 'stdout') return;
    const found = this.terminals.get(session.id);
    if (found) {
      found.screen.put(String(message.body.output));
    } else if (!this.closed.has(session.id) && vscode.workspace.getConfiguration('kvmdbg').get<boolean>('terminal')) {
      this.open(session);
    }
  }

  end(session: vscode.DebugSession): void {
    const found = this.terminals.get(session.id);
    this.closed.delete(session.id);
    if (!found || found.screen.over) return;
    found.screen.over = true;
    found.screen.remark('the session has ended');
  }
}
