// The part of VS Code's API that the extension uses; what it does to the user is kept in `seen`.
export function makeVscode() {
  const seen = { errors: [], messages: [], opened: [], terminals: [], channels: {}, inputs: [] };
  const registered = { providers: [], factories: {}, trackers: {}, commands: {}, terminated: [] };
  const answers = { input: undefined, error: undefined, settings: { terminal: true } };
  const disposable = { dispose() {} };
  class EventEmitter {
    listeners = new Set();
    event = (listener) => {
      this.listeners.add(listener);
      return { dispose: () => this.listeners.delete(listener) };
    };
    fire(value) { for (const listener of this.listeners) listener(value); }
  }
  class DebugAdapterExecutable { constructor(command, args, options) { Object.assign(this, { command, args, options }); } }
  class DebugAdapterServer { constructor(port, host) { Object.assign(this, { port, host }); } }
  class DebugAdapterNamedPipeServer { constructor(path) { this.path = path; } }
  class DebugAdapterInlineImplementation { constructor(implementation) { this.implementation = implementation; } }
  const api = {
    EventEmitter, DebugAdapterExecutable, DebugAdapterServer, DebugAdapterNamedPipeServer, DebugAdapterInlineImplementation,
    DebugConfigurationProviderTriggerKind: { Initial: 1, Dynamic: 2 },
    Uri: { parse: (text) => ({ text }) },
    env: { openExternal: async (uri) => { seen.opened.push(uri.text); return true; } },
    commands: { registerCommand(name, action) { registered.commands[name] = action; return disposable; } },
    workspace: {
      workspaceFolders: undefined,
      getConfiguration: (section) => ({ get: (name) => (section === 'kvmdbg' ? answers.settings[name] : undefined) }),
    },
    window: {
      showErrorMessage: async (text) => { seen.errors.push(text); return answers.error; },
      showInformationMessage: async (text) => { seen.messages.push(text); },
      showInputBox: async (options) => { seen.inputs.push(options); return answers.input; },
      createOutputChannel: (name) => {
        const lines = (seen.channels[name] ??= []);
        return { appendLine: (line) => lines.push(line), show() {}, dispose() {} };
      },
      createTerminal: ({ name, pty }) => {
        const terminal = { name, pty, text: '', shows: 0, show() { if (!this.shows++) pty.open(undefined); } };
        pty.onDidWrite((text) => { terminal.text += text; });
        seen.terminals.push(terminal);
        return terminal;
      },
    },
    debug: {
      activeDebugSession: undefined,
      activeStackItem: undefined,
      registerDebugConfigurationProvider(type, provider, kind) { registered.providers.push({ type, provider, kind }); return disposable; },
      registerDebugAdapterDescriptorFactory(type, factory) { registered.factories[type] = factory; return disposable; },
      registerDebugAdapterTrackerFactory(type, factory) { registered.trackers[type] = factory; return disposable; },
      onDidTerminateDebugSession(listener) { registered.terminated.push(listener); return disposable; },
    },
  };
  return { api, seen, registered, answers };
}
