// What the extension itself reads of the Debug Adapter Protocol's messages.
import type * as vscode from 'vscode';

export interface Message extends vscode.DebugProtocolMessage {
  type?: string;
  command?: string;
  event?: string;
  arguments?: Record<string, unknown>;
  body?: Record<string, unknown>;
}

/** Fields that are the extension's: a server's own adapter refuses the tokens, and nobody else is to see them. */
const ours = new Set(['token', 'tokenFile', 'connect', 'adapter']);

/** `restart` carries the configuration inside its arguments. */
export function withoutOurs(message: Message): Message {
  if (message.type !== 'request' || !/^(launch|attach|restart)$/.test(message.command ?? '')) return message;
  const strip = (fields: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(Object.entries(fields).filter(([name]) => !ours.has(name)));
  const given = strip(message.arguments ?? {});
  if (given.arguments && typeof given.arguments === 'object') given.arguments = strip(given.arguments as Record<string, unknown>);
  return { ...message, arguments: given } as Message;
}
