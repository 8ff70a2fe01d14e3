// Breakpoints, watchpoints and exceptions: what this page wishes for, what is installed for all clients, how.
import { useState } from 'preact/hooks';
import { ask } from '../dap/session';
import type { InstalledPoint } from '../dap/kvmdbg';
import { adapter, host, link, observing, pointsRevision } from '../store/guest';
import { actionOf } from '../store/actions';
import { changePoint, filters, points, removePoint, setFilter, type PointWish } from '../store/points';
import { go } from '../store/route';
import { showPanel } from '../store/panels';
import { useLive } from '../store/live';
import { Editable } from '../widgets/Editable';
import { Table } from '../widgets/Table';
import { Empty, Problem } from '../widgets/State';
import { fileName, shortened } from '../model/names';

export const readPoints = () => ask<{ points: InstalledPoint[] }>('kvmdbg/points').then((body) => body.points);

export function wishText(one: PointWish): string {
  if (one.kind === 'source') return `${fileName(one.place)}:${one.told?.line ?? one.line}`;
  if (one.kind === 'data') return `${one.access === 'readWrite' ? 'read or write' : 'write'} ${one.place}, ${one.bytes ?? 8} bytes`;
  return shortened(one.place, 60);
}

function goTo(one: PointWish): void {
  if (one.kind === 'source') {
    go({ file: one.place, line: String(one.told?.line ?? one.line ?? 1) });
    showPanel('source');
  } else if (one.kind === 'data') {
    go({ mem: one.place });
    showPanel('memory');
  } else if (one.told?.instructionReference) {
    go({ at: one.told.instructionReference });
    showPanel('disassembly');
  }
}

/** What the engine has for a wish of ours. */
function installed(one: PointWish, all: InstalledPoint[] | undefined): InstalledPoint | undefined {
  const address = one.kind === 'data' || one.kind === 'instruction' ? one.place : one.told?.instructionReference;
  if (!address) return undefined;
  const data = one.kind === 'data';
  return all?.find((point) => BigInt(point.address) === BigInt(address) && (['software', 'hardware'].includes(point.kind) !== data));
}

/** The short list of the left column. */
export function PointList() {
  const all = points.value;
  if (!all.length) return <Empty title="No breakpoints">F9 sets one here; a click beside a line or an instruction there.</Empty>;
  return (
    <div class="scroll">
      {all.map((one) => (
        <div class="point" key={one.id} title={one.told?.message}>
          <input type="checkbox" aria-label={`${wishText(one)} is on`} checked={one.enabled} disabled={observing.value}
            onChange={() => void changePoint(one.id, { enabled: !one.enabled })} />
          <button class={`point-name ${one.enabled && one.told?.verified === false ? 'warn' : ''}`} onClick={() => goTo(one)}>{wishText(one)}</button>
          <button class="point-remove" disabled={observing.value} aria-label={`Remove ${wishText(one)}`} onClick={() => void removePoint(one.id)}>×</button>
        </div>
      ))}
    </div>
  );
}

function rowOf(one: PointWish, all: InstalledPoint[] | undefined) {
  const able = !observing.value && link.value.state === 'open';
  const there = installed(one, all);
  const field = (key: 'condition' | 'hitCondition' | 'logMessage', label: string) => (
    <Editable label={`${label} of ${wishText(one)}`} value={one[key] || '—'} able={able}
      write={async (text) => { await changePoint(one.id, { [key]: text === '—' ? '' : text }); return true; }} />
  );
  return {
    key: one.id,
    cells: [
      <input type="checkbox" aria-label={`${wishText(one)} is on`} checked={one.enabled} disabled={!able} onChange={() => void changePoint(one.id, { enabled: !one.enabled })} />,
      <button class="point-name" onClick={() => goTo(one)}>{wishText(one)}</button>,
      <span class="num">{there?.hits ?? ''}</span>,
      field('condition', 'Condition'), field('hitCondition', 'Hits'), one.kind === 'data' ? '' : field('logMessage', 'Log line'),
      one.kind === 'data'
        ? <select aria-label={`Access of ${wishText(one)}`} value={one.access} disabled={!able} onChange={(event) => void changePoint(one.id, { access: event.currentTarget.value as 'write' })}>
            <option value="write">write</option><option value="readWrite">read, write</option></select>
        : <select aria-label={`Mode of ${wishText(one)}`} value={one.mode ?? ''} disabled={!able} onChange={(event) => void changePoint(one.id, { mode: event.currentTarget.value })}>
            <option value="">as it fits</option><option value="software">software</option><option value="hardware">hardware</option></select>,
      !one.enabled ? <span class="faint">off</span> : one.told?.verified
        ? <span title={there?.point}>{there?.strategy ?? 'set'}</span>
        : <span class="warn">{one.told?.message ?? 'not set yet'}</span>,
      <button disabled={!able} aria-label={`Remove ${wishText(one)}`} onClick={() => void removePoint(one.id)}>Remove</button>,
    ],
  };
}

function Exceptions() {
  const [open, setOpen] = useState('');
  const known = adapter.value.exceptionBreakpointFilters ?? [];
  return (
    <fieldset class="exceptions" disabled={observing.value}>
      <legend>Stop at exceptions</legend>
      {known.map(({ filter, label, supportsCondition, conditionDescription }) => (
        <span key={filter} class="exception">
          <label title={label}><input type="checkbox" checked={filter in filters.value}
            onChange={(event) => void setFilter(filter, event.currentTarget.checked)} />{filter}</label>
          {supportsCondition && filter in filters.value && (open === filter || filters.value[filter]
            ? <input class="mono" aria-label={`${filter}: ${conditionDescription}`} placeholder="error code" size={8} value={filters.value[filter]}
                onChange={(event) => void setFilter(filter, true, event.currentTarget.value.trim())} />
            : <button onClick={() => setOpen(filter)} aria-label={`${filter}: only one error code`}>…</button>)}
        </span>
      ))}
    </fieldset>
  );
}

export function Points() {
  const live = useLive(readPoints, [], { every: 1000, always: true, changes: pointsRevision.value });
  const facts = host.value;
  const inHardware = (live.value ?? []).filter(({ strategy }) => /hardware/.test(strategy)).length;
  const ours = new Set(points.value.map((one) => installed(one, live.value)?.point));
  const others = (live.value ?? []).filter(({ point }) => !ours.has(point));
  return (
    <>
      <div class="bar">
        <button onClick={() => void actionOf('breakAt').run()} disabled={observing.value}>Stop at…</button>
        <button onClick={() => void actionOf('watchAt').run()} disabled={observing.value}>Watch memory…</button>
        <span class="grow" />
        {facts && <span class="tag" data-slots>hardware slots: {inHardware} of {facts.hardwareSlots}</span>}
        {facts && <span class="tag" title={facts.notes.join('\n')}>watches: {facts.hardwareWatch ? 'hardware' : facts.protectedWatch ? 'by page protection' : 'by stepping'}</span>}
      </div>
      <div class="scroll">
        <Problem live={live} />
        <Table label="Breakpoints of this page" head={['on', 'where', 'hits', 'condition', 'at hits', 'log line', 'how', 'strategy', '']}
          rows={points.value.map((one) => rowOf(one, live.value))} none="None of this page's. Set one from the source, the disassembly, or with the buttons above." />
        {others.length > 0 && (
          <Table label="What is installed beside them" head={['installed', 'hits', 'of clients', 'rule', 'strategy']} rows={others.map((one) => ({
            key: one.point,
            cells: [<span class="num">{one.point}</span>, one.hits, one.owners.join(', '), (one.wishes ?? []).map(({ rule }) => rule).filter(Boolean).join('; '), one.strategy],
          }))} />
        )}
        <Exceptions />
      </div>
    </>
  );
}
