// A client of kvmdbg-dap whose every message is held against the protocol's schema.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'node:net';
import testsupport from '@vscode/debugadapter-testsupport';
import { complaints } from './schema.mjs';

const setting = (name) => {
  if (!process.env[name]) throw new Error(`${name} is not set: tests/dap/run.py does that`);
  return process.env[name];
};

export const programs = { adapter: setting('KVMDBG_DAP'), server: setting('KVMDBG'), guests: setting('KVMDBG_GUESTS') };
export const demo = join(programs.guests, 'demo.elf');

/** Sources are where they were compiled. */
export const source = join(import.meta.dirname, '..', 'guests', 'demo', 'kernel.c');

export class Session extends testsupport.DebugClient {
  constructor(...words) {
    super(programs.adapter, '', 'kvmdbg');
    this.words = words;
    this.messages = [];
    this.wrong = [];
    this.stderr = '';
    this.defaultTimeout = 20000;
  }

  async start() {
    this.process = spawn(programs.adapter, this.words);
    this.process.stderr.on('data', (data) => { this.stderr += data; });
    this.ended = new Promise((resolve) => { this.process.on('exit', (code, signal) => resolve(signal ?? code)); });
    this.process.stdin.on('error', () => {});
    this.connect(this.process.stdout, this.process.stdin);
  }

  dispatch(text) {
    const message = JSON.parse(text);
    this.messages.push(message);
    const what = complaints(message);
    if (what) this.wrong.push(`${what} in ${text.slice(0, 300)}`);
    super.dispatch(text);
  }

  /** The response, also when it tells of an error. */
  ask(command, args) {
    return new Promise((resolve) => { this.doSend(command, args, resolve); });
  }

  events(name) {
    return this.messages.filter((message) => message.event === name);
  }

  async until(condition, what, limit = 20000) {
    const end = Date.now() + limit;
    for (;;) {
      const value = await condition();
      if (value) return value;
      if (Date.now() > end) throw new Error(`${what}: not within ${limit / 1000} s; stderr: ${this.stderr}`);
      await pause(5);
    }
  }

  /** Runs `action` and gives the body of the stop that follows it. */
  async stop(action) {
    const stopped = this.waitForEvent('stopped');
    await action();
    return (await stopped).body;
  }

  /** initialize, then launch or attach, `configure`, configurationDone. */
  async begin(how, args, configure = async () => {}) {
    const initialized = this.waitForEvent('initialized');
    await this.initializeRequest({
      adapterID: 'kvmdbg', clientName: 'tests', linesStartAt1: true, columnsStartAt1: true, pathFormat: 'path',
      supportsVariableType: true, supportsVariablePaging: true, supportsMemoryReferences: true,
      supportsProgressReporting: true, supportsInvalidatedEvent: true, supportsMemoryEvent: true,
    });
    await this.send(how, args);
    await initialized;
    await configure();
    await this.configurationDoneRequest();
  }

  /** The demo guest, stopped at its entry or at what `configure` sets. */
  launchDemo(args = {}, configure) {
    return this.begin('launch', { program: demo, cpus: 2, ...args }, configure);
  }

  attachTo(server, args = {}) {
    return this.begin('attach', { server: server.address, program: demo, ...args });
  }

  async top(threadId) {
    return (await this.stackTraceRequest({ threadId, levels: 1 })).body.stackFrames[0];
  }

  async scope(frameId, name) {
    const { scopes } = (await this.scopesRequest({ frameId })).body;
    return scopes.find((scope) => scope.name === name);
  }

  async variables(variablesReference) {
    const { variables } = (await this.variablesRequest({ variablesReference })).body;
    return Object.fromEntries(variables.map((one) => [one.name, one]));
  }
}

/** The number of the line of the demo's source that holds `text`. */
export const lineOf = (text) => readFileSync(source, 'utf8').split('\n').findIndex((line) => line.includes(text)) + 1;

export const breakAt = (session, ...lines) => session.setBreakpointsRequest({
  source: { path: source }, breakpoints: lines.map((one) => (typeof one === 'string' ? { line: lineOf(one) } : one)),
});

/** Disconnects; fails for a bad exit and for messages that the schema does not allow. */
async function finish(session) {
  await Promise.race([session.disconnectRequest({}).catch(() => {}), pause(5000)]);
  const code = await Promise.race([session.ended, pause(5000, 'still runs')]);
  if (code !== 0) throw new Error(`kvmdbg-dap: ${code}: ${session.stderr}`);
  if (session.wrong.length) throw new Error(session.wrong.join('\n'));
}

/** Runs a case with a session. */
export function using(action, ...words) {
  return async () => {
    const session = new Session(...words);
    await session.start();
    try {
      await action(session);
      await finish(session);
    } finally {
      session.process.kill('SIGKILL');
    }
  };
}

/** Runs a case with a server and several sessions; each attaches when it likes. */
export function together(count, action, ...words) {
  return async () => {
    const server = await Server.start(...words);
    const sessions = Array.from({ length: count }, () => new Session());
    try {
      for (const session of sessions) await session.start();
      await action(server, sessions);
      for (const session of sessions) await finish(session);
    } finally {
      for (const session of sessions) session.process?.kill('SIGKILL');
      server.stop();
    }
  };
}

/** A `kvmdbg run` of the test's own. */
export class Server {
  static start(...words) {
    return Server.of(demo, ...words);
  }

  static async of(image, ...words) {
    const server = new Server();
    server.folder = mkdtempSync(join(tmpdir(), 'kvmdbg-dap-test-'));
    const path = join(server.folder, 'socket');
    server.address = `unix:${path}`;
    server.log = '';
    server.process = spawn(programs.server, ['run', '--listen', server.address, '--console', 'none', '--cpus', '2', ...words, image]);
    server.process.stderr.on('data', (data) => { server.log += data; });
    for (let tries = 0; ; ++tries) {
      const socket = connect(path);
      const there = await new Promise((resolve) => {
        socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
      });
      socket.destroy();
      if (there) return server;
      if (tries > 1000) throw new Error(`kvmdbg does not listen: ${server.log}`);
      await pause(10);
    }
  }

  stop() {
    this.process.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A kvmdbg-dap that waits for one client, who is handed over to it. */
export class Worker {
  static async start(server, ...words) {
    const worker = new Worker();
    const file = join(server.folder, 'port');
    worker.process = spawn('python3', [join(import.meta.dirname, 'worker.py'), programs.adapter,
      server.address.slice('unix:'.length), file, ...words]);
    worker.ended = new Promise((resolve) => { worker.process.on('exit', (code, signal) => resolve(signal ?? code)); });
    for (let tries = 0; !existsSync(file); ++tries) {
      if (tries > 1000) throw new Error('worker.py does not listen');
      await pause(10);
    }
    worker.port = Number(readFileSync(file, 'ascii'));
    return worker;
  }
}

/** A client that comes by the server's own port: the server starts its adapter. */
export class Remote extends Session {
  async start(server) {
    this.socket = connect(server.address.slice('unix:'.length));
    this.socket.on('error', () => {});
    this.ended = new Promise((resolve) => { this.socket.on('close', resolve); });
    await new Promise((resolve, reject) => { this.socket.on('connect', resolve).on('error', reject); });
    this.connect(this.socket, this.socket);
    this.process = { kill: () => this.socket.destroy() };
  }
}

/** The processes that a process has started. */
export const childrenOf = (pid) => {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'ascii').trim().split(' ').filter(Boolean).map(Number));
  } catch {
    return []; // it has ended
  }
};
/** Whether it runs: neither gone nor waiting to be noticed. */
export const alive = (pid) => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
};
