// The page's one session: attaches, follows what happens, and comes again when the connection is lost.
import { batch } from '@preact/signals';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { Wire, type WireEnd } from './wire';
import { protocolLog } from './protocol_log';
import { openSocket, token } from './door';
import { observeOnly, route } from '../store/route';
import * as guest from '../store/guest';
import { serial, takeOutput } from '../store/output';
import { forgetSymbols } from '../store/symbols';
import { parseSourceMap } from '../model/source_map';
import type { Capabilities } from './kvmdbg';

let wire: Wire | undefined;
let tries = 0;
let timer: ReturnType<typeof setTimeout> | undefined;
/** Sets points as they were, each time that a session begins. */
let configure: (() => Promise<unknown>) | undefined;
/** What else is told to whoever wants it. */
const listeners: Record<string, ((body: never) => void)[]> = {};

export function onEvent<Body>(name: string, listener: (body: Body) => void): void {
  (listeners[name] ??= []).push(listener as (body: never) => void);
}

export function onConfigure(action: () => Promise<unknown>): void {
  configure = action;
}

export function ask<Body = unknown>(command: string, args?: object): Promise<Body> {
  if (!wire) return Promise.reject(new Error('there is no connection'));
  return wire.ask<Body>(command, args);
}

/** For actions: what goes wrong is shown, and the answer is then undefined. */
export async function tryTo<Body>(what: Promise<Body>): Promise<Body | undefined> {
  try {
    return await what;
  } catch (error) {
    guest.complain(error);
    return undefined;
  }
}

/** Says good-bye: the guest stays as it is, standing if it stands. */
export function leave(): void {
  wire?.ask('disconnect', { terminateDebuggee: false, suspendDebuggee: guest.running.value === false }).catch(() => {});
}

export function connect(): void {
  clearTimeout(timer);
  if (wire) {
    leave();
    wire.close();
    wire = undefined;
    forget();
  }
  if (!token()) {
    guest.link.value = { state: 'refused', why: 'There is no token. Open the address that kvmdbg printed: it ends in #t=…' };
    return;
  }
  if (guest.link.value.state !== 'waiting') guest.link.value = { state: 'connecting' };
  const mine: Wire = new Wire(openSocket(token()), {
    opened: () => void begin(mine),
    event: (message) => mine === wire && take(message),
    ended: (end) => mine === wire && void ended(end),
    seen: (direction, text) => protocolLog.add(direction, text),
  });
  wire = mine;
}

async function begin(mine: Wire): Promise<void> {
  try {
    const initialized = new Promise<void>((resolve) => { resolveInitialized = resolve; });
    const begun = Promise.all([
      mine.ask<DebugProtocol.Capabilities>('initialize', {
        adapterID: 'kvmdbg', clientID: 'kvmdbg-page', clientName: `page from ${navigator.platform || 'a browser'}`,
        linesStartAt1: true, columnsStartAt1: true, pathFormat: 'path', supportsVariableType: true,
        supportsMemoryReferences: true, supportsProgressReporting: true, supportsInvalidatedEvent: true,
        supportsMemoryEvent: true,
      }),
      // without a program: the server's image, if that has symbols
      mine.ask('attach', {
        role: observeOnly() ? 'observe' : undefined, program: route.value.program,
        sourceMap: route.value.sources ? parseSourceMap(route.value.sources) : undefined,
      }),
    ]);
    // what the answer to both would delay is asked with them
    const [adapter] = await begun;
    await initialized;
    guest.adapter.value = adapter;
    const facts = mine.ask<Capabilities>('kvmdbg/capabilities');
    const state = mine.ask<{ running: boolean }>('kvmdbg/vcpus');
    // events tell of memory only to those who have read some: these page tables are nobody's, so all changes count
    mine.ask('readMemory', { memoryReference: 'as:0x0:0x0', count: 1 }).catch(() => {});
    const written = mine.ask<{ text: string }>('kvmdbg/console');
    const clients = mine.ask<{ clients: { self: boolean; role: string }[] }>('kvmdbg/clients');
    await configure?.();
    mine.ask('configurationDone').catch(guest.complain);
    const [host, { running }, { clients: all }, { text }] = await Promise.all([facts, state, clients, written]);
    tries = 0;
    batch(() => {
      guest.host.value = host;
      // of a guest that stands the event `stopped` tells, and more than this
      if (running) guest.running.value = true;
      guest.observing.value = all.some(({ self, role }) => self && role === 'observe');
      guest.link.value = { state: 'open' };
      serial.begin(text);
      guest.frames.value = [];
      guest.told.value += 1;
    });
  } catch (error) {
    if (mine !== wire || (error as { lost?: boolean }).lost) return; // its end is told by itself
    guest.link.value = { state: 'refused', why: error instanceof Error ? error.message : String(error) };
    mine.close();
    wire = undefined;
  }
}

let resolveInitialized = () => {};

function forget(): void {
  batch(() => {
    guest.running.value = undefined;
    guest.stop.value = undefined;
    guest.progress.value = undefined;
  });
}

async function ended(end: WireEnd): Promise<void> {
  wire = undefined;
  forget();
  protocolLog.add(' !', `closed: ${end.code} ${end.why}`);
  let why = end.why || 'The connection ended.';
  if (!end.opened) {
    // a browser does not say how an upgrade was refused: whether the server is there does
    const there = await fetch('/', { method: 'HEAD', cache: 'no-store' }).then((answer) => answer.ok, () => false);
    if (there) {
      guest.link.value = {
        state: 'refused',
        why: 'The server is there, but does not know this token: it is of another run, or incomplete. Open the address that kvmdbg printed.'
          + (location.protocol === 'https:' ? ` Or it was not told of this proxy: kvmdbg run --allow-origin ${location.origin}` : ''),
      };
      return;
    }
    why = 'The server does not answer: it has ended, or cannot be reached.';
  }
  tries += 1;
  guest.link.value = { state: 'waiting', why, tries };
  timer = setTimeout(connect, Math.min(250 * 2 ** Math.min(tries - 1, 5), 5000));
}

function take(message: DebugProtocol.Event): void {
  const body = message.body ?? {};
  batch(() => {
    takers[message.event]?.(body);
    for (const listener of listeners[message.event] ?? []) listener(body as never);
  });
}

const takers: Record<string, (body: any) => void> = {
  initialized: () => resolveInitialized(),
  stopped: (body: DebugProtocol.StoppedEvent['body']) => {
    guest.running.value = false;
    guest.stop.value = body;
    if (body.threadId && !body.preserveFocusHint) guest.thread.value = body.threadId;
    guest.frameIndex.value = 0;
    guest.told.value += 1;
    guest.pointsRevision.value += 1;
  },
  continued: () => {
    guest.running.value = true;
    guest.pointsRevision.value += 1;
  },
  invalidated: () => { guest.told.value += 1; },
  memory: () => { guest.told.value += 1; },
  breakpoint: () => { guest.pointsRevision.value += 1; },
  capabilities: (body) => { guest.adapter.value = { ...guest.adapter.value, ...body.capabilities }; },
  output: (body: DebugProtocol.OutputEvent['body']) => takeOutput(body),
  terminated: () => forget(), // the end of the connection follows, and says why
  progressStart: ({ title, message, percentage }) => { guest.progress.value = { title, message: message ?? '', percentage }; },
  progressUpdate: ({ message, percentage }) => {
    const now = guest.progress.value;
    if (now) guest.progress.value = { ...now, message: message ?? now.message, percentage };
  },
  progressEnd: () => {
    forgetSymbols();
    guest.progress.value = undefined;
    guest.told.value += 1;
  },
};
