// Model-specific registers: those that the adapter has a name for and this processor has, and any other by its number.
import { signal } from '@preact/signals';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { ask, tryTo } from '../dap/session';
import { frame, host, notice, observing, stopped, thread } from '../store/guest';
import { useLive } from '../store/live';
import { scopesOf, variablesOf } from '../store/scopes';
import { hex, parsePlace } from '../model/address';
import { Editable } from '../widgets/Editable';
import { Empty, Missing } from '../widgets/State';

const more = signal<number[]>([]);

interface Read {
  name: string;
  /** In words. */
  number: string;
  value?: string;
  problem?: string;
  write(value: string): Promise<unknown>;
}

async function named(of: DebugProtocol.StackFrame): Promise<Read[]> {
  const scope = (await scopesOf(of)).find(({ name }) => name === 'MSR');
  if (!scope) return [];
  const { variablesReference } = scope;
  return (await variablesOf(variablesReference)).map(({ name, type, value }) =>
    ({ name, number: type ?? '', value, write: (text) => ask('setVariable', { variablesReference, name, value: text }) }));
}

const numbered = (vcpu: number, all: number[]): Promise<Read[]> => Promise.all(all.map(async (one) => {
  const number = hex(one);
  const read: Read = { name: number, number: `MSR ${number}`, write: (value) => ask('kvmdbg/msr', { vcpu, number, value }) };
  return ask<{ value: string }>('kvmdbg/msr', { vcpu, number }).then(({ value }) => ({ ...read, value }), (error) => ({ ...read, problem: error.message }));
}));

export function Msrs() {
  const at = frame.value;
  const able = host.value?.arch === 'x86_64';
  const live = useLive(able && at ? async () => (await Promise.all([numbered(thread.value - 1, more.value), named(at)])).flat() : undefined, [at, more.value]);
  if (host.value && !able) return <Empty title="No MSRs">CPUs of {host.value.arch} have none.</Empty>;
  if (!live.value) return <Missing live={live} what="MSRs" />;
  return (
    <>
      <form class="bar" onSubmit={(event) => {
        event.preventDefault();
        const field = event.currentTarget.elements.namedItem('number') as HTMLInputElement;
        const place = parsePlace(field.value);
        if (!place || place.space || place.value > 0xffffffffn) {
          notice.value = { text: `${field.value} is no number of an MSR: 0 to 0xffffffff`, kind: 'error', lease: false };
          return;
        }
        more.value = [...new Set([Number(place.value), ...more.value])];
        field.value = '';
      }}><input name="number" class="mono grow" aria-label="Number of an MSR" placeholder="0xc0000080" autocomplete="off" spellcheck={false} /><button>Read</button></form>
      <div class={`scroll registers ${live.stale ? 'stale' : ''}`}>
        {live.value.map(({ name, number, value, problem, write }) => (
          <div class="register" key={name} data-msr={name} title={number}>
            <span class="msr-name">{name}</span>
            {value !== undefined
              ? <Editable label={name} value={value} able={stopped.value && !observing.value}
                  write={async (text) => { const done = await tryTo(write(text)); live.again(); return done !== undefined; }} />
              : <span class="faint register-words" title={problem}>{problem}</span>}
          </div>
        ))}
      </div>
    </>
  );
}
