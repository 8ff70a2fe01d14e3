// Locals and globals of the frame, opened as far as somebody asks; expressions that are watched.
import { useState } from 'preact/hooks';
import { signal } from '@preact/signals';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { ask, tryTo } from '../dap/session';
import { frame, observing, stopped } from '../store/guest';
import { useLive } from '../store/live';
import { scopesOf } from '../store/scopes';
import { go } from '../store/route';
import { showPanel } from '../store/panels';
import { watchAt } from '../store/actions';
import { Editable } from '../widgets/Editable';
import { Missing, Problem } from '../widgets/State';
import { shortened } from '../model/names';

type Variable = DebugProtocol.Variable;
const most = 200;

const children = (variablesReference: number) =>
  ask<DebugProtocol.VariablesResponse['body']>('variables', { variablesReference, start: 0, count: most }).then(({ variables }) => variables);

async function watchVariable(variablesReference: number, name: string): Promise<void> {
  const info = await tryTo(ask<{ dataId: string | null }>('dataBreakpointInfo', { variablesReference, name }));
  const [address, bytes] = info?.dataId?.split('/') ?? [];
  if (address) await watchAt(address, Number(bytes));
}

function Row({ one, group, depth }: { one: Variable; group: number; depth: number }) {
  const [open, setOpen] = useState(false);
  const live = useLive(open && one.variablesReference ? () => children(one.variablesReference) : undefined, [open, one.variablesReference]);
  const write = async (value: string) => (await tryTo(ask('setVariable', { variablesReference: group, name: one.name, value }))) !== undefined;
  return (
    <>
      <div class="variable" style={{ paddingLeft: `${8 + depth * 14}px` }} title={one.type}>
        {one.variablesReference
          ? <button class="register-name opens" aria-expanded={open} onClick={() => setOpen(!open)}>{one.name}</button>
          : <span class="register-name">{one.name}</span>}
        <Editable label={one.name} value={shortened(one.value, 200)} able={stopped.value && !observing.value && group > 0} write={write} />
        <span class="grow" />
        {one.memoryReference && <button class="quiet" aria-label={`mem of ${one.name}`} title="Show its memory" onClick={() => { go({ mem: one.memoryReference }); showPanel('memory'); }}>mem</button>}
        {one.memoryReference && group > 0 && !observing.value && <button class="quiet" aria-label={`Watch ${one.name}`} title="Stop when it is written" onClick={() => void watchVariable(group, one.name)}>watch</button>}
      </div>
      {open && live.value?.map((child) => <Row key={child.name} one={child} group={one.variablesReference} depth={depth + 1} />)}
      {open && live.value?.length === most && <p class="faint pad">the first {most} are shown</p>}
    </>
  );
}

const watches = signal<string[]>(JSON.parse(sessionStorage.getItem('kvmdbg.watches') ?? '[]'));
function setWatches(all: string[]): void {
  watches.value = all;
  sessionStorage.setItem('kvmdbg.watches', JSON.stringify(all));
}

function Watches({ frameId }: { frameId: number }) {
  const live = useLive(() => Promise.all(watches.value.map((expression) =>
    ask<DebugProtocol.EvaluateResponse['body']>('evaluate', { expression, frameId, context: 'watch' }).then(
      (body): Variable => ({ ...body, name: expression, value: body.result }),
      (error): Variable => ({ name: expression, value: `<${error.message}>`, variablesReference: 0 })))), [frameId, watches.value]);
  return (
    <section aria-label="Watched expressions">
      <h3>Watched</h3>
      {live.value?.map((one) => (
        <div class="watched" key={one.name}><div class="grow"><Row one={one} group={0} depth={0} /></div>
          <button class="quiet" aria-label={`No longer show ${one.name}`} onClick={() => setWatches(watches.value.filter((other) => other !== one.name))}>×</button></div>
      ))}
      <form class="pad" onSubmit={(event) => {
        event.preventDefault();
        const field = event.currentTarget.elements.namedItem('expression') as HTMLInputElement;
        if (field.value.trim()) setWatches([...new Set([...watches.value, field.value.trim()])]);
        field.value = '';
      }}><input name="expression" class="mono" aria-label="An expression to show" placeholder="an expression…" spellcheck={false} autocomplete="off" /></form>
    </section>
  );
}

export function Variables() {
  const at = frame.value;
  const [globals, setGlobals] = useState(false);
  const live = useLive(at && (async () => {
    const wanted = (await scopesOf(at)).filter(({ name }) => name === 'Locals' || (globals && name === 'Globals'));
    return Promise.all(wanted.map(async ({ name, variablesReference }) => ({ name, variablesReference, all: await children(variablesReference) })));
  }), [at, globals]);
  if (!live.value || !at) return <Missing live={live} what="Variables" />;
  return (
    <div class={`scroll registers ${live.stale ? 'stale' : ''}`}>
      <Problem live={live} />
      <Watches frameId={at.id} />
      {live.value.map(({ name, variablesReference, all }) => (
        <section key={name} aria-label={name}>
          <h3>{name}</h3>
          {all.map((one) => <Row key={one.name} one={one} group={variablesReference} depth={0} />)}
          {!all.length && <p class="faint pad">none here</p>}
        </section>
      ))}
      <p class="pad"><button onClick={() => setGlobals(!globals)}>{globals ? 'Hide globals' : 'Show globals'}</button></p>
    </div>
  );
}
