// What a person can do, a row each: the toolbar, the palette and the keys all come from here.
import { ask, connect, onEvent, tryTo } from '../dap/session';
import { protocolLog } from '../dap/protocol_log';
import { frame, host, link, notice, observing, pointsRevision, running, stopped, thread } from './guest';
import { addPoint, toggle } from './points';
import { parsePlace, placeText } from '../model/address';
import { go } from './route';
import { granularity, palette, question } from './view';
import { onTop, panelTitles, showPanel, wide } from './panels';

export interface Action {
  id: string;
  title: string;
  /** As shown: F5, Shift+F11, Ctrl+K. */
  keys?: string[];
  /** Whether it makes sense now. */
  able?: () => boolean;
  run: () => unknown;
}

const mayMove = () => stopped.value && !observing.value;

/** A step is mostly over sooner than this, and the page is not drawn twice for it. Milliseconds. */
const unseen = 100;
let moving: ReturnType<typeof setTimeout> | undefined;
const moved = () => { clearTimeout(moving); moving = undefined; };
onEvent('stopped', moved);

/** `patience`: after how many milliseconds the guest is shown as one that runs. */
async function move(command: string, args: object, patience: number): Promise<void> {
  if (!mayMove() || moving !== undefined) return;
  notice.value = undefined;
  const shown = () => {
    moved();
    if (stopped.value) running.value = true;
  };
  if (patience) moving = setTimeout(shown, patience);
  else shown();
  try {
    await ask(command, { threadId: thread.value, ...args });
  } catch (error) {
    moved();
    running.value = false; // it was refused: the guest stands as it stood
    await tryTo(Promise.reject(error));
  }
}

const step = (command: string) => () => move(command, { granularity: granularity.value }, unseen);

export async function askPlace(title: string, start = ''): Promise<string | undefined> {
  const text = await question(title, start, 'An address (0x…, v:, p:, as:CR3:0x…) or an expression');
  if (!text) return undefined;
  return resolvePlace(text);
}

/** An address as it is, anything else as an expression of the frame. */
export async function resolvePlace(text: string): Promise<string | undefined> {
  const place = parsePlace(text);
  if (place) return placeText(place);
  const body = await tryTo(ask<{ result: string; memoryReference?: string }>('evaluate', { expression: text, context: 'watch', frameId: frame.value?.id }));
  if (!body) return undefined;
  const found = body.memoryReference ?? /0x[0-9a-f]+|^\d+/i.exec(body.result)?.[0];
  if (!found) {
    notice.value = { text: `${text} is no address: ${body.result}`, kind: 'error', lease: false };
    return undefined;
  }
  return found;
}

export async function takeControl(): Promise<void> {
  await tryTo(ask('kvmdbg/takeControl'));
  notice.value = undefined;
  pointsRevision.value += 1;
}

export async function watchAt(address: string, bytes: number, access: 'write' | 'readWrite' = 'write'): Promise<void> {
  await addPoint({ kind: 'data', place: address, bytes, access });
}

async function watch(): Promise<void> {
  const text = await question('Stop when memory is written', '', 'An address or an expression, then how many bytes: 0x1000 8');
  const found = /^(.*?)(?:\s+(\d{1,4}))?$/.exec(text?.trim() ?? '');
  if (!text || !found) return;
  const plain = parsePlace(found[1]!);
  const info = await tryTo(ask<{ dataId: string | null; description: string }>('dataBreakpointInfo', plain
    ? { name: placeText({ ...plain, space: '' }), asAddress: true, bytes: Number(found[2] ?? 8) }
    : { name: found[1], frameId: frame.value?.id, bytes: found[2] ? Number(found[2]) : undefined }));
  if (!info) return;
  if (!info.dataId) {
    notice.value = { text: info.description, kind: 'error', lease: false };
    return;
  }
  const [address, bytes] = info.dataId.split('/');
  await watchAt(address!, Number(bytes));
}

async function breakAt(): Promise<void> {
  const text = await question('Stop at', '', 'A function, or an address: 0x…');
  if (!text) return;
  const place = parsePlace(text);
  await addPoint(place ? { kind: 'instruction', place: placeText({ ...place, space: '' }) } : { kind: 'function', place: text.trim() });
}

function saveLog(): void {
  const file = URL.createObjectURL(new Blob([protocolLog.asText()], { type: 'text/plain' }));
  const anchor = document.createElement('a');
  anchor.href = file;
  anchor.download = `kvmdbg-dap-${new Date().toISOString().replaceAll(':', '-').slice(0, 19)}.log`;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(file), 10_000);
}

function toggleHere(): unknown {
  const at = frame.value;
  if (!at) return undefined;
  const source = at.source?.path;
  if (source && (wide.value || onTop('code')?.id === 'source')) return toggle('source', source, at.line);
  return at.instructionPointerReference ? toggle('instruction', at.instructionPointerReference) : undefined;
}

const open = () => link.value.state === 'open';
const mayChange = () => open() && !observing.value;

export const actions: Action[] = [
  { id: 'continue', title: 'Continue', keys: ['F5'], able: mayMove, run: () => move('continue', {}, 0) },
  { id: 'pause', title: 'Pause', keys: ['F6'], able: () => mayChange() && running.value === true, run: () => tryTo(ask('pause', { threadId: thread.value })) },
  { id: 'next', title: 'Step over', keys: ['F10'], able: mayMove, run: step('next') },
  { id: 'stepIn', title: 'Step into', keys: ['F11'], able: mayMove, run: step('stepIn') },
  { id: 'stepOut', title: 'Step out', keys: ['Shift+F11'], able: mayMove, run: step('stepOut') },
  { id: 'restart', title: 'Reset the machine', keys: ['Ctrl+Shift+F5'], able: mayChange, run: () => tryTo(ask('restart')) },
  { id: 'toggleBreakpoint', title: 'Toggle breakpoint at the current line', keys: ['F9'], able: mayChange, run: toggleHere },
  { id: 'breakAt', title: 'Stop at a function or an address…', able: mayChange, run: breakAt },
  { id: 'watchAt', title: 'Stop when memory is written…', able: mayChange, run: watch },
  { id: 'takeControl', title: 'Take run control', able: mayChange, run: takeControl },
  { id: 'goCode', title: 'Show code at…', keys: ['Ctrl+G'], able: open, run: async () => { const at = await askPlace('Show code at'); if (at) { go({ at }); showPanel('disassembly', true); } } },
  { id: 'goMemory', title: 'Show memory at…', keys: ['Ctrl+M'], able: open, run: async () => { const mem = await askPlace('Show memory at'); if (mem) { go({ mem }); showPanel('memory', true); } } },
  { id: 'goWalk', title: 'Walk the page tables of…', able: open, run: async () => { const walk = await askPlace('Walk the page tables of'); if (walk) { go({ walk }); showPanel('paging', true); } } },
  { id: 'followPc', title: 'Show code where the vCPU is', able: open, run: () => { go({ at: undefined }); showPanel('disassembly'); } },
  { id: 'byStatement', title: 'Step by statement', run: () => { granularity.value = 'statement'; } },
  { id: 'byLine', title: 'Step by line', run: () => { granularity.value = 'line'; } },
  { id: 'byInstruction', title: 'Step by instruction', run: () => { granularity.value = 'instruction'; } },
  { id: 'nextVcpu', title: 'Next vCPU', keys: ['Alt+ArrowDown'], able: open, run: () => turn(1) },
  { id: 'previousVcpu', title: 'Previous vCPU', keys: ['Alt+ArrowUp'], able: open, run: () => turn(-1) },
  { id: 'console', title: 'Debug console', keys: ['Ctrl+`', 'Ctrl+Shift+Y'], run: () => showPanel('repl', true) },
  { id: 'saveLog', title: 'Save the protocol log as a file', run: saveLog },
  { id: 'reconnect', title: 'Connect again', run: connect },
  { id: 'palette', title: 'All commands', keys: ['Ctrl+Shift+P', 'Ctrl+K'], run: () => { palette.value = !palette.value; } },
];

function turn(by: number): void {
  const count = host.value?.vcpus ?? 1;
  thread.value = ((thread.value - 1 + by + count) % count) + 1;
}

/** Beside the rows above: each panel can be shown. */
export function allActions(): Action[] {
  const shows = panelTitles().map(([id, title]) => ({ id: `show.${id}`, title: `Show: ${title}`, run: () => showPanel(id, true) }));
  return [...actions, ...shows];
}

export const actionOf = (id: string): Action => actions.find((one) => one.id === id)!;

export function keyOf(event: KeyboardEvent): string {
  const parts = [event.ctrlKey || event.metaKey ? 'Ctrl' : '', event.altKey ? 'Alt' : '', event.shiftKey ? 'Shift' : ''];
  const key = event.code === 'Backquote' ? '`' : event.key.length === 1 ? event.key.toUpperCase() : event.key;
  return [...parts, key].filter(Boolean).join('+');
}

export function takeKeys(): void {
  addEventListener('keydown', (event) => {
    const key = keyOf(event);
    const action = actions.find(({ keys }) => keys?.includes(key));
    if (!action) return;
    event.preventDefault(); // also where it cannot be done now: F5 never reloads
    if (!action.able || action.able()) void action.run();
  });
}
