// The processors: state, mode and privilege, where they are, why they stopped.
import { useRef } from 'preact/hooks';
import { ask } from '../dap/session';
import type { Vcpu, Vcpus as All } from '../dap/kvmdbg';
import { stop, thread } from '../store/guest';
import { useLive } from '../store/live';
import { symbolAt } from '../store/symbols';
import { VirtualList, type ListHandle } from '../widgets/VirtualList';
import { Missing } from '../widgets/State';
import { shortened } from '../model/names';

function describe(one: Vcpu): string {
  if (one.state === 'running') return 'running';
  return [one.mode, one.why].filter(Boolean).join(' · ');
}

const sixteenBits = /^(real|16-bit|virtual)/;

/** "long mode, ring 0" is "64 r0", "EL1" is itself. */
function shortMode(mode: string): string {
  const bits = /^long mode/.test(mode) ? '64' : /^32-bit/.test(mode) ? '32' : sixteenBits.test(mode) ? '16' : mode.split(',')[0];
  const ring = /ring (\d)/.exec(mode);
  return ring ? `${bits} r${ring[1]}` : bits!;
}

function Row({ one, selected }: { one: Vcpu; selected: boolean }) {
  // in 16-bit modes the pc is an offset in a segment, of which no symbol file knows
  const name = symbolAt(sixteenBits.test(one.mode ?? '') ? undefined : one.pc);
  return (
    <button class={`row vcpu ${selected ? 'selected' : ''} ${stop.value?.threadId === one.vcpu + 1 && one.state === 'stopped' ? 'cause' : ''}`}
      aria-pressed={selected}
      title={`${describe(one)}${one.pc ? `\n${one.pc} ${name ?? ''}` : ''}`} tabIndex={selected ? 0 : -1}
      onClick={() => { thread.value = one.vcpu + 1; }}>
      <span class="unseen">vCPU </span><span class="vcpu-number">{one.vcpu}</span>
      <span class={`dot ${one.state === 'running' ? 'running' : ''}`} aria-hidden="true" />
      <span class="vcpu-at">{one.state === 'running' ? 'running' : shortened(name || one.pc || '?', 48)}</span>
      <span class="vcpu-mode">{one.mode && shortMode(one.mode)}</span>
      <span class="vcpu-why">{one.why}</span>
    </button>
  );
}

export function Vcpus() {
  const live = useLive(() => ask<All>('kvmdbg/vcpus'), [], { every: 1000 });
  const list = useRef<ListHandle | undefined>(undefined);
  if (!live.value) return <Missing live={live} what="The list of vCPUs" />;
  const all = live.value.vcpus;
  return (
    <VirtualList label="vCPUs" count={all.length} handle={list} class="vcpus"
      row={(index) => <Row key={index} one={all[index]!} selected={thread.value === all[index]!.vcpu + 1} />}
      onKeyDown={(event) => {
        const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
        if (!by || event.altKey) return;
        event.preventDefault();
        const index = Math.min(Math.max(all.findIndex(({ vcpu }) => vcpu + 1 === thread.value) + by, 0), all.length - 1);
        thread.value = all[index]!.vcpu + 1;
        list.current?.reveal(index);
      }} />
  );
}
