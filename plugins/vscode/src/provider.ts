// Configurations: what is filled in, and what is refused before a session begins.
import * as vscode from 'vscode';
import { usualServer, wayOf } from './ways';

const attach: vscode.DebugConfiguration = {
  type: 'kvmdbg', request: 'attach', name: `kvmdbg: attach to ${usualServer}`, server: usualServer, stopOnEntry: true,
};

/** Of a configuration that says nothing of it. */
function filled(config: vscode.DebugConfiguration): vscode.DebugConfiguration {
  if (!config.type && !config.request && !config.name) return { ...attach };
  const full: vscode.DebugConfiguration = { ...config, type: config.type || 'kvmdbg', request: config.request || 'attach', name: config.name || 'kvmdbg' };
  if (full.request === 'attach' && !full.server && !full.connect) full.server = usualServer;
  return full;
}

/** Fails with a sentence that says what to change. */
function check(config: vscode.DebugConfiguration): void {
  if (config.request !== 'attach' && config.request !== 'launch') {
    throw new Error(`"request" is "${config.request}": it must be attach or launch.`);
  }
  if (config.request === 'launch' && !config.image && !config.program) {
    throw new Error('launch starts a guest, but neither "image" nor "program" names one: name a kernel, or use "request": "attach" for a guest that runs.');
  }
  wayOf(config);
}

/** What is offered without a launch.json. A new launch.json begins with package.json's initialConfigurations. */
export const offered: vscode.DebugConfigurationProvider = {
  provideDebugConfigurations: () => [{ ...attach }],
};

export class Configurations implements vscode.DebugConfigurationProvider {
  resolveDebugConfiguration(_folder: vscode.WorkspaceFolder | undefined, config: vscode.DebugConfiguration): vscode.DebugConfiguration {
    return filled(config);
  }

  /** null opens launch.json, undefined does nothing more. */
  async resolveDebugConfigurationWithSubstitutedVariables(
    _folder: vscode.WorkspaceFolder | undefined, config: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | null | undefined> {
    try {
      check(config);
      return config;
    } catch (error) {
      const open = 'Open launch.json';
      const chosen = await vscode.window.showErrorMessage(`kvmdbg: ${(error as Error).message}`, open);
      return chosen === open ? null : undefined;
    }
  }
}
