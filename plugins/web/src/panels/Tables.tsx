// The descriptor tables of the vCPU: gates, segments, the TSS.
import { useState } from 'preact/hooks';
import { ask } from '../dap/session';
import type { DescriptorTable, TableEntry } from '../dap/kvmdbg';
import { frame, host, thread } from '../store/guest';
import { useLive } from '../store/live';
import { symbolAt } from '../store/symbols';
import { go } from '../store/route';
import { showPanel } from '../store/panels';
import { VirtualList } from '../widgets/VirtualList';
import { Empty, Missing, Problem } from '../widgets/State';
import { shortened } from '../model/names';

const tables = ['idt', 'gdt', 'ldt', 'tss'];

/** Vectors that have a name (SDM volume 3, 6.3.1). */
const exceptions: Record<number, string> = {
  0: '#DE', 1: '#DB', 2: 'NMI', 3: '#BP', 4: '#OF', 5: '#BR', 6: '#UD', 7: '#NM', 8: '#DF', 10: '#TS', 11: '#NP', 12: '#SS', 13: '#GP', 14: '#PF', 16: '#MF', 17: '#AC', 18: '#MC', 19: '#XM', 20: '#VE', 21: '#CP',
};

function Row({ table, one }: { table: string; one: TableEntry }) {
  const leads = table === 'idt' && one.base;
  const name = leads ? symbolAt(one.base) : '';
  const words = [one.selector && `sel ${one.selector}`, one.privilege !== undefined && `dpl ${one.privilege}`, one.stack ? `ist ${one.stack}` : '', one.present === false && 'not present', one.limit && `limit ${one.limit}`];
  return (
    <div class="row entry" data-entry={one.number} title={`${one.kind} ${one.base ?? ''} ${words.filter(Boolean).join(' ')} ${name ?? ''}`}>
      <span class="entry-number">{table === 'idt' ? exceptions[one.number] ?? one.number : table === 'gdt' ? `0x${(one.number * 8).toString(16)}` : one.number}</span>
      {leads
        ? <button class="jump" onClick={() => { go({ at: one.base }); showPanel('disassembly'); }}>{shortened(name || one.base!, 40)}</button>
        : <span class="entry-base">{one.base}</span>}
      <span class="dim">{one.kind}</span><span class="faint">{words.filter(Boolean).join(' ')}</span>
    </div>
  );
}

export function Tables() {
  const [table, setTable] = useState('idt');
  const able = host.value?.arch === 'x86_64';
  const live = useLive(able && frame.value ? () => ask<DescriptorTable>('kvmdbg/descriptorTables', { table, vcpu: thread.value - 1 }) : undefined, [table, thread.value]);
  if (host.value && !able) return <Empty title="No descriptor tables">CPUs of {host.value.arch} have none.</Empty>;
  return (
    <>
      <div class="bar" role="group" aria-label="Which table">
        {tables.map((name) => <button key={name} aria-pressed={name === table} class={name === table ? 'primary' : ''} onClick={() => setTable(name)}>{name.toUpperCase()}</button>)}
        <span class="grow" />
        {live.value?.table === table && <span class="num dim">{live.value.base}, limit {live.value.limit}</span>}
      </div>
      {live.value?.table === table
        ? <><Problem live={live} />{live.value.entries.length
            ? <VirtualList label={`Entries of the ${table.toUpperCase()}`} count={live.value.entries.length} class={live.stale ? 'stale' : ''} row={(index) => <Row key={live.value!.entries[index]!.number} table={table} one={live.value!.entries[index]!} />} />
            : <Empty title="No entries">The table of vCPU {thread.value - 1} has none.</Empty>}</>
        : <Missing live={live} what={`The ${table.toUpperCase()}`} />}
    </>
  );
}
