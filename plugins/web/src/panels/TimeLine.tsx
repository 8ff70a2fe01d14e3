// The latest stops: when, which vCPU, why, and who had resumed the guest.
import { ask } from '../dap/session';
import type { Client, Stop } from '../dap/kvmdbg';
import { go } from '../store/route';
import { showPanel } from '../store/panels';
import { useLive } from '../store/live';
import { readClients } from '../RunControl';
import { VirtualList } from '../widgets/VirtualList';
import { Empty, Missing, Problem } from '../widgets/State';
import { shortened } from '../model/names';

const colours: Record<string, string> = {
  point: 'var(--bad)', watch: 'var(--changed)', catch: 'var(--word)', crash: 'var(--bad)', step: 'var(--accent)', interrupt: 'var(--warn)', entry: 'var(--good)', halt: 'var(--dim)', powerOff: 'var(--dim)',
};

const when = (time: number) => {
  const date = new Date(time * 1000);
  return `${date.toLocaleTimeString([], { hour12: false })}.${String(date.getMilliseconds()).padStart(3, '0')}`;
};

function delta(seconds: number): string {
  if (seconds < 1) return `+${(seconds * 1000).toFixed(1)} ms`;
  return `+${seconds.toFixed(seconds < 100 ? 2 : 0)} s`;
}

function Strip({ stops }: { stops: Stop[] }) {
  const first = stops[0]!.time, span = Math.max(stops.at(-1)!.time - first, 0.001);
  return (
    <svg class="strip" viewBox="0 0 1000 24" preserveAspectRatio="none" role="img" aria-label={`${stops.length} stops in ${span.toFixed(1)} s`}>
      {stops.map((one) => <rect key={one.epoch} x={((one.time - first) / span) * 994} y="4" width="3" height="16" fill={colours[one.vcpus[0]?.kind ?? ''] ?? 'var(--dim)'} />)}
    </svg>
  );
}

export function TimeLine() {
  const live = useLive(() => Promise.all([ask<{ stops: Stop[] }>('kvmdbg/stops', { count: 256 }), readClients()]), [], { every: 1000 });
  if (!live.value) return <Missing live={live} what="The time line" />;
  const [{ stops }, clients] = live.value;
  if (!stops.length) return <Empty title="No stop yet" />;
  const who = (id: number | null): string => {
    if (id === null) return '';
    const client: Client | undefined = clients.find((one) => one.id === id);
    return client ? `${client.self ? 'this page' : shortened(client.name, 40)} (${id})` : `client ${id}`;
  };
  return (
    <>
      <Problem live={live} />
      <Strip stops={stops} />
      <VirtualList label="Stops, latest first" count={stops.length} class="stops" row={(index) => {
        const place = stops.length - 1 - index;
        const { time, epoch, resumedBy, vcpus } = stops[place]!;
        const first = vcpus[0];
        return (
          <div class="row stop" key={epoch} data-epoch={epoch}>
            <span class="stop-time">{when(time)}</span><span class="stop-delta">{place ? delta(time - stops[place - 1]!.time) : ''}</span>
            <span class="stop-vcpu">{vcpus.map(({ vcpu }) => vcpu).join(' ')}</span><span class="stop-kind" style={{ color: colours[first?.kind ?? ''] }}>{first?.kind}</span>
            <span class="stop-who">{who(resumedBy)}</span><span class="stop-why">{vcpus.flatMap(({ reasons }) => reasons).join('; ')}</span>
            {first?.address && <button class="jump" onClick={() => { go({ at: first.address }); showPanel('disassembly'); }}>{first.address}</button>}
          </div>
        );
      }} />
    </>
  );
}
