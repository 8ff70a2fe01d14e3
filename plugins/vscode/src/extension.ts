// What VS Code calls: everything is put together here.
import * as vscode from 'vscode';
import { Commands } from './commands';
import { Consoles } from './console';
import { Adapters } from './factory';
import { Message } from './message';
import { Configurations, offered } from './provider';
import { Traces } from './trace';

export function activate(context: vscode.ExtensionContext): void {
  const consoles = new Consoles();
  const traces = new Traces();
  const output = vscode.window.createOutputChannel('kvmdbg');
  const commands = new Commands(consoles, traces, output);
  const trackers: vscode.DebugAdapterTrackerFactory = {
    createDebugAdapterTracker: (session) => ({
      onWillReceiveMessage: (message: Message) => traces.look(session, '->', message),
      onDidSendMessage: (message: Message) => {
        traces.look(session, '<-', message);
        consoles.look(session, message);
      },
    }),
  };
  context.subscriptions.push(
    output,
    traces,
    vscode.debug.registerDebugConfigurationProvider('kvmdbg', new Configurations()),
    vscode.debug.registerDebugConfigurationProvider('kvmdbg', offered, vscode.DebugConfigurationProviderTriggerKind.Dynamic),
    vscode.debug.registerDebugAdapterDescriptorFactory('kvmdbg', new Adapters()),
    vscode.debug.registerDebugAdapterTrackerFactory('kvmdbg', trackers),
    vscode.debug.onDidTerminateDebugSession((session) => {
      if (session.type === 'kvmdbg') [consoles, traces, commands].forEach((one) => one.end(session));
    }),
    ...Object.keys(commands.table).map((name) => vscode.commands.registerCommand(name, () => commands.run(name))),
  );
}
