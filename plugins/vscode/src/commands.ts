// The commands. What they ask for is docs/jkvm.md's, by requests kvmdbg/NAME of the session.
import * as vscode from 'vscode';
import { Consoles } from './console';
import { folderOf, tokenOf } from './factory';
import { Traces } from './trace';
import { pageOf, wayOf } from './ways';

export interface Walk {
  address: string;
  physical?: string;
  pageSize: number;
  root: string;
  writable: boolean;
  user: boolean;
  executable: boolean;
  accessed: boolean;
  dirty: boolean;
  levels: string[];
}

export class Commands {
  private readonly tokens = new Map<string, string>(); // typed ones, by session

  constructor(private readonly consoles: Consoles, private readonly traces: Traces, private readonly output: vscode.OutputChannel) {}

  readonly table: Record<string, (session: vscode.DebugSession) => Promise<unknown>> = {
    'kvmdbg.takeControl': (session) => this.takeControl(session),
    'kvmdbg.translate': (session) => this.translate(session),
    'kvmdbg.console': async (session) => this.consoles.open(session),
    'kvmdbg.trace': (session) => this.trace(session),
    'kvmdbg.openPage': (session) => this.openPage(session),
  };

  /** A command of the table, with its errors shown. */
  async run(name: string): Promise<void> {
    try {
      const session = vscode.debug.activeDebugSession;
      if (session?.type !== 'kvmdbg') throw new Error('the active debug session is none of kvmdbg\'s: start or select one, then try again.');
      await this.table[name](session);
    } catch (error) {
      void vscode.window.showErrorMessage(`kvmdbg: ${(error as Error).message}`);
    }
  }

  end(session: vscode.DebugSession): void {
    this.tokens.delete(session.id);
  }

  private async takeControl(session: vscode.DebugSession): Promise<void> {
    const { before, now } = await session.customRequest('kvmdbg/takeControl', {});
    const whose = before === now ? 'as it was before' : before === null ? 'nobody had it' : `client ${before} had it`;
    void vscode.window.showInformationMessage(`kvmdbg: run control is this session's (${whose}).`);
  }

  private async translate(session: vscode.DebugSession): Promise<void> {
    const text = await vscode.window.showInputBox({
      title: 'Translate Address', prompt: 'A virtual address, or an expression that has one', placeHolder: '0xffffffff80100000, or start_kernel',
    });
    if (!text?.trim()) return;
    const focus = vscode.debug.activeStackItem;
    const here = focus?.session.id === session.id ? focus : undefined;
    const frameId = here && 'frameId' in here ? here.frameId : undefined;
    const address = await addressOf(session, text.trim(), frameId);
    const walk: Walk = await session.customRequest('kvmdbg/walk', { address, ...(here ? { vcpu: here.threadId - 1 } : {}) });
    this.output.appendLine(walkText(walk, here?.threadId).join('\n'));
    this.output.show(true);
  }

  private async trace(session: vscode.DebugSession): Promise<void> {
    const { on } = await session.customRequest('kvmdbg/trace', {});
    const server = on ? 'The server writes a trace as well.' : 'For the server\'s side start it with kvmdbg run --trace FILE.';
    const text = this.traces.turn(session) ? `this session's messages are captured in the output "kvmdbg trace". ${server}`
      : 'the capture is over; the output "kvmdbg trace" has it.';
    void vscode.window.showInformationMessage(`kvmdbg: ${text}`);
  }

  /** Browsers do not send what is behind #. */
  private async openPage(session: vscode.DebugSession): Promise<void> {
    const way = wayOf(session.configuration);
    const page = pageOf(way);
    const known = way.kind === 'web' ? tokenOf(way, folderOf(session.workspaceFolder)) : this.tokens.get(session.id);
    const token = known ?? await vscode.window.showInputBox({
      title: `Open ${page}`, password: true, prompt: 'The token of the server\'s run: kvmdbg run names the file that it is in. Leave empty to open the page without.',
    });
    if (token === undefined) return;
    if (token.trim()) this.tokens.set(session.id, token.trim());
    await vscode.env.openExternal(vscode.Uri.parse(page + (token.trim() ? `#t=${encodeURIComponent(token.trim())}` : '')));
  }
}

async function addressOf(session: vscode.DebugSession, text: string, frameId?: number): Promise<string> {
  if (/^(0[xX][0-9a-fA-F]+|[0-9]+)$/.test(text)) return text;
  const { memoryReference } = await session.customRequest('evaluate', { expression: text, context: 'watch', frameId });
  const found = /0[xX][0-9a-fA-F]+$/.exec(memoryReference ?? '');
  if (found && !memoryReference.startsWith('p:')) return found[0];
  throw new Error(`${text} has no virtual address: name something in memory, or a number.`);
}

export function walkText(walk: Walk, thread?: number): string[] {
  const may = [walk.writable ? 'writable' : 'read-only', walk.user ? 'user' : 'supervisor', walk.executable ? 'executable' : 'not executable',
    ...(walk.accessed ? ['accessed'] : []), ...(walk.dirty ? ['dirty'] : [])];
  const where = thread === undefined ? '' : ` on vCPU ${thread - 1}`;
  const size = walk.pageSize ? `page of ${walk.pageSize >= 1 << 20 ? `${walk.pageSize / (1 << 20)} MiB` : `${walk.pageSize / 1024} KiB`}` : 'no paging';
  return [`${walk.address}${where} is ${walk.physical ? `p:${walk.physical}: ${size}, ${may.join(', ')}` : 'not mapped'}; root ${walk.root}`,
    ...walk.levels.map((level) => `  ${level}`)];
}
