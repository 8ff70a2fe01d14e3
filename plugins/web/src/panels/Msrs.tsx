// Model-specific registers: those with a name, and any other by its number.
import { signal } from '@preact/signals';
import { ask, tryTo } from '../dap/session';
import { frame, host, notice, observing, stopped, thread } from '../store/guest';
import { useLive } from '../store/live';
import { msrs } from '../model/msrs';
import { hex, parsePlace } from '../model/address';
import { Editable } from '../widgets/Editable';
import { Empty, Missing } from '../widgets/State';

const more = signal<number[]>([]);

interface Read {
  number: number;
  name: string;
  value?: string;
  problem?: string;
}

const read = async (vcpu: number, all: [number, string][]): Promise<Read[]> => Promise.all(all.map(([number, name]) =>
  ask<{ value: string }>('kvmdbg/msr', { vcpu, number: hex(number) }).then(({ value }): Read => ({ number, name, value }), (error): Read => ({ number, name, problem: error.message }))));

export function Msrs() {
  const vcpu = thread.value - 1;
  const able = host.value?.arch === 'x86_64';
  const live = useLive(able && frame.value ? () => read(vcpu, [...more.value.map((one): [number, string] => [one, '']), ...msrs]) : undefined, [vcpu, more.value]);
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
        {live.value.map(({ number, name, value, problem }) => (
          <div class="register" key={number} data-msr={hex(number)}>
            <span class="msr-number">{hex(number)}</span><span class="msr-name">{name}</span>
            {value !== undefined
              ? <Editable label={name || hex(number)} value={value} able={stopped.value && !observing.value}
                  write={async (text) => { const done = await tryTo(ask('kvmdbg/msr', { vcpu, number: hex(number), value: text })); live.again(); return done !== undefined; }} />
              : <span class="faint register-words" title={problem}>{problem}</span>}
          </div>
        ))}
      </div>
    </>
  );
}
