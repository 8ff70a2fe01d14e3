// The messages of a session as text, for reports of what went wrong.
import * as vscode from 'vscode';
import { Message, withoutOurs } from './message';

export class Traces {
  private readonly on = new Set<string>();
  private channel: vscode.OutputChannel | undefined;

  /** Starts or stops; tells which. */
  turn(session: vscode.DebugSession): boolean {
    if (this.on.delete(session.id)) return false;
    this.on.add(session.id);
    this.channel ??= vscode.window.createOutputChannel('kvmdbg trace', 'json');
    this.channel.show(true);
    return true;
  }

  /** `way` is <- for the adapter's, -> for VS Code's. */
  look(session: vscode.DebugSession, way: '<-' | '->', message: Message): void {
    if (this.on.has(session.id)) this.channel?.appendLine(`${new Date().toISOString()} ${way} ${JSON.stringify(withoutOurs(message))}`);
  }

  end(session: vscode.DebugSession): void {
    this.on.delete(session.id);
  }

  dispose(): void {
    this.channel?.dispose();
  }
}
