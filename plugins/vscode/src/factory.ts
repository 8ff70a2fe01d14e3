// From a configuration to a debug adapter: a program, a socket or a WebSocket.
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { Address, show, Way, wayOf } from './ways';
import { WebAdapter } from './web_adapter';

function runs(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The path of a program; relative ones are the workspace's. */
export function findProgram(program: string, folder: string): string {
  const places = program.includes('/') ? [path.resolve(folder, program)]
    : (process.env.PATH ?? '').split(path.delimiter).filter(Boolean).map((one) => path.join(one, program));
  const found = places.find(runs);
  if (found) return found;
  throw new Error(`There is no program ${program}${program.includes('/') ? '' : ' in PATH'}, which kvmdbg's sessions need: build kvmdbg with liblldb-22-dev installed and name its kvmdbg-dap in the setting kvmdbg.adapter, or say "connect" instead of "server" to use the server's own.`);
}

/** Fails unless somebody listens. Left open for a moment: the server looks who has called. */
export function reach(address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = address.kind === 'unix' ? connect(address.path) : connect(address.port, address.host);
    const give = (reason: string): void => {
      socket.destroy();
      reject(new Error(`Cannot connect to ${show(address)}: ${reason}. Start a guest there, kvmdbg run --listen ${show(address)} IMAGE, or correct the address in launch.json; kvmdbg list shows what runs.`));
    };
    socket.setTimeout(5000, () => give('no answer within 5 s'));
    socket.once('error', (error) => give(error.message));
    socket.once('connect', () => {
      socket.setTimeout(0);
      setTimeout(() => socket.destroy(), 200);
      resolve();
    });
  });
}

export function tokenOf(way: Way & { kind: 'web' }, folder: string): string {
  if (way.token) return way.token;
  const file = path.resolve(folder, way.tokenFile ?? '');
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new Error(`"tokenFile" cannot be read: ${(error as Error).message}. A run's token goes with it: kvmdbg run names the file as it starts.`);
  }
  if (/^[0-9a-f]{64}$/.test(token)) return token;
  throw new Error(`"tokenFile" is ${file}, which holds no token: that is 64 hexadecimal digits.`);
}

/** Relative paths in a configuration are from here. */
export function folderOf(folder: vscode.WorkspaceFolder | undefined): string {
  return folder?.uri.fsPath ?? vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? process.cwd();
}

export class Adapters implements vscode.DebugAdapterDescriptorFactory {
  async createDebugAdapterDescriptor(session: vscode.DebugSession): Promise<vscode.DebugAdapterDescriptor> {
    const way = wayOf(session.configuration);
    const folder = folderOf(session.workspaceFolder);
    if (way.kind === 'web') return new vscode.DebugAdapterInlineImplementation(await WebAdapter.connect(way.url, tokenOf(way, folder)));
    if (way.kind === 'pipes') {
      const usual = vscode.workspace.getConfiguration('kvmdbg').get<string>('adapter') || 'kvmdbg-dap';
      const program = findProgram(way.program ?? usual, folder);
      if (way.server) await reach(way.server);
      return new vscode.DebugAdapterExecutable(program, [], { cwd: folder });
    }
    await reach(way.address);
    return way.address.kind === 'unix' ? new vscode.DebugAdapterNamedPipeServer(way.address.path)
      : new vscode.DebugAdapterServer(way.address.port, way.address.host);
  }
}
