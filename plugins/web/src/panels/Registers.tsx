// Registers by group: what the latest move changed is marked; flags open into their fields; all can be written.
import { useRef, useState } from 'preact/hooks';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { ask, tryTo } from '../dap/session';
import { frame, observing, stopped } from '../store/guest';
import { useLive } from '../store/live';
import { openGroups, registersOf, turnGroup, variablesOf, type Group, type Reading } from '../store/scopes';
import { Editable } from '../widgets/Editable';
import { Missing, Problem } from '../widgets/State';

type Variable = DebugProtocol.Variable;

/** What each register was before the latest move of its vCPU. */
function useBefore(reading: Reading | undefined): Map<string, string> {
  const kept = useRef({ thread: 0, revision: 0, now: new Map<string, string>(), before: new Map<string, string>() });
  if (reading) {
    const { current } = kept;
    const now = new Map(reading.groups.flatMap(({ registers }) => (registers ?? []).map(({ name, value }): [string, string] => [name, value])));
    if (current.thread !== reading.thread) current.before = now;
    else if (current.revision !== reading.revision) current.before = current.now;
    kept.current = { ...current, thread: reading.thread, revision: reading.revision, now };
  }
  return kept.current.before;
}

async function write(variablesReference: number, name: string, value: string): Promise<boolean> {
  return (await tryTo(ask('setVariable', { variablesReference, name, value }))) !== undefined;
}

function Fields({ register }: { register: Variable }) {
  const live = useLive(() => variablesOf(register.variablesReference), [register.variablesReference]);
  if (!live.value) return <Problem live={live} />;
  return (
    <div class="fields">
      {live.value.map(({ name, value }) => (value === '0' || value === '1'
        ? <button key={name} class={`field ${value === '1' ? 'on' : ''}`} aria-pressed={value === '1'} disabled={!stopped.value || observing.value}
            onClick={() => void write(register.variablesReference, name, value === '1' ? '0' : '1')}>{name}</button>
        : <span key={name} class="field on">{name} <Editable label={name} value={value} able={stopped.value && !observing.value} write={(text) => write(register.variablesReference, name, text)} /></span>))}
    </div>
  );
}

function Row({ group, register, changed }: { group: Group; register: Variable; changed: boolean }) {
  const [open, setOpen] = useState(false);
  const space = register.value.indexOf(' ');
  const number = register.variablesReference && space > 0 ? register.value.slice(0, space) : register.value;
  const words = register.variablesReference && space > 0 ? register.value.slice(space + 1) : '';
  return (
    <>
      <div class="register" data-register={register.name}>
        {register.variablesReference
          ? <button class="register-name opens" aria-expanded={open} onClick={() => setOpen(!open)}>{register.name}</button>
          : <span class="register-name">{register.name}</span>}
        <Editable class={changed ? 'changed' : ''} label={register.name} value={number} able={stopped.value && !observing.value} write={(text) => write(group.reference, register.name, text)} />
        {words && <span class="register-words" title={words}>{words}</span>}
      </div>
      {open && <Fields register={register} />}
    </>
  );
}

export function Registers() {
  const at = frame.value;
  const open = openGroups.value;
  const live = useLive(at && (() => registersOf(at)), [at, open]);
  const before = useBefore(live.stale ? undefined : live.value);
  if (!live.value) return <Missing live={live} what="Registers" />;
  return (
    <div class={`scroll registers ${live.stale ? 'stale' : ''}`}>
      <Problem live={live} />
      {live.value.groups.map((group) => (
        <section key={group.name} aria-label={`${group.name} registers`}>
          <h3><button aria-expanded={open.has(group.name)} onClick={() => turnGroup(group.name)}>{group.name}</button></h3>
          {group.registers?.map((register) => (
            <Row key={register.name} group={group} register={register} changed={before.has(register.name) && before.get(register.name) !== register.value} />
          ))}
        </section>
      ))}
    </div>
  );
}
