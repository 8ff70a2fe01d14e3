// VS Code's side of a debug session: unpacks the .vsix, activates what is in it, and talks to the
// adapters that its descriptors name, as VS Code does.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { makeVscode } from './vscode.mjs';

const setting = (name) => {
  if (!process.env[name]) throw new Error(`${name} is not set: plugins/vscode/test/run.py does that`);
  return process.env[name];
};

export const vsix = setting('KVMDBG_VSIX');
export const unpacked = mkdtempSync(join(tmpdir(), 'kvmdbg-vsix-'));
execFileSync('python3', ['-m', 'zipfile', '-e', vsix, unpacked]);
process.on('exit', () => rmSync(unpacked, { recursive: true, force: true }));

export const about = JSON.parse(readFileSync(join(unpacked, 'extension/package.json'), 'utf8'));
export const programs = { build: setting('KVMDBG_BUILD') };
programs.adapter = join(programs.build, 'kvmdbg-dap');
programs.server = join(programs.build, 'kvmdbg');
programs.demo = join(programs.build, 'guests/demo.elf');

/** A VS Code with the extension in it, as new. */
export function activated() {
  const vscode = makeVscode();
  const require = createRequire(import.meta.url);
  const main = require.resolve(join(unpacked, 'extension', about.main));
  const load = Module._load;
  Module._load = (request, ...rest) => (request === 'vscode' ? vscode.api : load(request, ...rest));
  try {
    delete require.cache[main];
    require(main).activate({ subscriptions: [] });
  } finally {
    Module._load = load;
  }
  return vscode;
}

export async function until(condition, what, limit = 20000) {
  for (const end = Date.now() + limit; ;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${limit / 1000} s`);
    await pause(10);
  }
}

/** Content-Length framing; gives the function that sends. */
function framed(input, output, receive) {
  let buffer = Buffer.alloc(0);
  input.on('data', (data) => {
    buffer = Buffer.concat([buffer, data]);
    for (;;) {
      const end = buffer.indexOf('\r\n\r\n');
      const length = end < 0 ? NaN : Number(/Content-Length: (\d+)/i.exec(buffer.toString('latin1', 0, end))[1]);
      if (!(buffer.length >= end + 4 + length)) return;
      const text = buffer.toString('utf8', end + 4, end + 4 + length);
      buffer = buffer.subarray(end + 4 + length);
      receive(JSON.parse(text));
    }
  });
  return (message) => {
    const text = JSON.stringify(message);
    output.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  };
}

let sessions = 0;

export class Session {
  id = `session-${++sessions}`;
  type = 'kvmdbg';
  messages = [];
  waiting = new Map();
  seq = 0;
  leave = () => {};

  constructor(vscode, configuration) {
    this.vscode = vscode;
    this.configuration = configuration;
    this.name = configuration.name;
    this.tracker = vscode.registered.trackers.kvmdbg.createDebugAdapterTracker(this);
  }

  /** What F5 does: both halves of the provider, then the descriptor, then its adapter. */
  static async begin(vscode, given) {
    const { provider } = vscode.registered.providers[0];
    const filled = await provider.resolveDebugConfiguration(undefined, given);
    const configuration = await provider.resolveDebugConfigurationWithSubstitutedVariables(undefined, filled);
    if (!configuration) throw new Error(`refused: ${vscode.seen.errors.at(-1)}`);
    const session = new Session(vscode, configuration);
    session.descriptor = await vscode.registered.factories.kvmdbg.createDebugAdapterDescriptor(session);
    session.reach();
    vscode.api.debug.activeDebugSession = session;
    const initialized = session.event('initialized');
    await session.customRequest('initialize', { adapterID: 'kvmdbg', clientName: 'tests', linesStartAt1: true, columnsStartAt1: true, pathFormat: 'path' });
    await session.customRequest(configuration.request, configuration);
    await initialized;
    await session.customRequest('configurationDone', {});
    return session;
  }

  reach() {
    const { api } = this.vscode;
    const to = this.descriptor;
    const receive = (message) => this.receive(message);
    if (to instanceof api.DebugAdapterExecutable) {
      const process = spawn(to.command, to.args, to.options);
      this.put = framed(process.stdout, process.stdin, receive);
      this.leave = () => process.kill('SIGKILL');
    } else if (to instanceof api.DebugAdapterInlineImplementation) {
      to.implementation.onDidSendMessage(receive);
      this.put = (message) => to.implementation.handleMessage(message);
      this.leave = () => to.implementation.dispose();
    } else {
      const socket = to instanceof api.DebugAdapterServer ? connect(to.port, to.host) : connect(to.path);
      this.put = framed(socket, socket, receive);
      this.leave = () => socket.destroy();
    }
  }

  receive(message) {
    this.tracker.onDidSendMessage(message);
    this.messages.push(message);
    if (message.type !== 'response') return;
    const { resolve, reject } = this.waiting.get(message.request_seq);
    if (message.success) return resolve(message.body);
    const { format, showUser } = message.body?.error ?? {};
    if (showUser) this.vscode.seen.errors.push(format); // as VS Code does, whoever has asked
    reject(new Error(format ?? message.message));
  }

  customRequest(command, args) {
    const message = { seq: ++this.seq, type: 'request', command, arguments: args };
    this.tracker.onWillReceiveMessage(message);
    return new Promise((resolve, reject) => {
      this.waiting.set(message.seq, { resolve, reject });
      this.put(message);
    });
  }

  /** The first of these events, also one that has come already. */
  event(name) {
    return until(() => this.messages.find((one) => one.event === name), `event ${name}`);
  }

  command(name) {
    return this.vscode.registered.commands[`kvmdbg.${name}`]();
  }

  async end() {
    await Promise.race([this.customRequest('disconnect', {}), pause(3000)]);
    for (const tell of this.vscode.registered.terminated) tell(this);
    this.leave();
  }
}

/** A `kvmdbg run` of the test's own. */
export class Server {
  static async start(...words) {
    const server = new Server();
    server.folder = mkdtempSync(join(tmpdir(), 'kvmdbg-vscode-'));
    server.socket = join(server.folder, 'socket');
    server.log = '';
    server.process = spawn(programs.server, ['run', '--listen', '127.0.0.1:0', '--listen', `unix:${server.socket}`, '--console', 'none',
      '--cpus', '2', ...words, programs.demo], { stdio: ['ignore', 'ignore', 'pipe'] });
    server.process.stderr.on('data', (data) => { server.log += data; });
    server.tokenFile = (await until(() => /the token is in ([^\s;]+)/.exec(server.log), `a token; so far: ${server.log}`))[1];
    server.address = /127\.0\.0\.1:\d+/.exec(server.log)[0];
    return server;
  }

  stop() {
    this.process.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs a case with a server and a VS Code. */
export function withServer(action, ...words) {
  return async () => {
    const server = await Server.start(...words);
    const begun = [];
    const vscode = activated();
    try {
      await action(server, async (configuration) => {
        begun.push(await Session.begin(vscode, configuration));
        return begun.at(-1);
      }, vscode);
    } finally {
      for (const session of begun) session.leave();
      server.stop();
    }
  };
}
