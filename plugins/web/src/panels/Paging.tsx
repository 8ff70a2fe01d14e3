// How an address becomes a physical one, level by level; and all that the page tables map.
import { useState } from 'preact/hooks';
import { ask } from '../dap/session';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Walk } from '../dap/kvmdbg';
import { frame, host, thread } from '../store/guest';
import { useLive } from '../store/live';
import { go, route } from '../store/route';
import { resolvePlace } from '../store/actions';
import { showPanel } from '../store/panels';
import { readRange } from '../store/memory';
import { hex, parsePlace } from '../model/address';
import { listRegions, modeOf, sizeText, type ReadTable, type Region } from '../model/paging';
import { VirtualList } from '../widgets/VirtualList';
import { Missing, Problem } from '../widgets/State';

async function number(expression: string, frameId: number): Promise<bigint> {
  const { result } = await ask<DebugProtocol.EvaluateResponse['body']>('evaluate', { expression, frameId, context: 'watch' });
  return BigInt(result.split(' ')[0]!);
}

const mostTables = 600;

const readTable = (entry: 4 | 8): ReadTable => async (physical, count) => {
  const bytes = await readRange({ space: 'p:', value: physical }, count);
  return Array.from({ length: count / entry }, (_, index) => {
    let value = 0n;
    for (let i = entry - 1; i >= 0; --i) {
      const byte = bytes[index * entry + i];
      if (byte === undefined) return undefined;
      value = (value << 8n) | BigInt(byte);
    }
    return value;
  });
};

async function regionsOf(frameId: number): Promise<{ regions: Region[]; note: string }> {
  const [cr0, cr3, cr4, efer] = await Promise.all(['$cr0', '$cr3', '$cr4', '$efer'].map((name) => number(name, frameId)));
  const mode = modeOf(cr0!, cr4!, efer!);
  if (!mode) return { regions: [], note: 'Paging is off: addresses are physical.' };
  const { regions, whole, tables } = await listRegions(mode, cr3!, readTable(mode.entry), mostTables);
  return { regions, note: `${mode.name}, ${regions.length} regions in ${tables} tables${whole ? '' : `; more than ${mostTables} tables: the rest is left out`}` };
}

function Map() {
  const at = frame.value;
  const live = useLive(at ? () => regionsOf(at.id) : undefined, [at?.id]);
  if (!live.value) return <Missing live={live} what="The map" />;
  const { regions, note } = live.value;
  return (
    <>
      <Problem live={live} />
      <p class="dim pad">{note}</p>
      <VirtualList label="Mapped regions" count={regions.length} class={live.stale ? 'stale' : ''} row={(index) => {
        const { start, end, physical, writable, user, executable } = regions[index]!;
        return (
          <div class="row region" key={String(start)} title={`physical ${hex(physical)}`}>
            <button class="value" onClick={() => { go({ mem: hex(start) }); showPanel('memory'); }}>{hex(start)}</button>
            <span class="region-size">{sizeText(end - start)}</span>
            <span>{user ? 'u' : 'k'}r{writable ? 'w' : '-'}{executable ? 'x' : '-'}</span>
            <span class="faint">p:{hex(physical)}</span>
          </div>
        );
      }} />
    </>
  );
}

function Levels({ address }: { address: string }) {
  const value = parsePlace(address)?.value;
  const live = useLive(value === undefined ? undefined : () => ask<Walk>('kvmdbg/walk', { address: hex(value), vcpu: thread.value - 1 }), [address, thread.value]);
  if (!live.value) return <Missing live={live} what={`The walk of ${address}`} />;
  const walk = live.value;
  const flags: [string, boolean][] = [['writable', walk.writable], ['user', walk.user], ['executable', walk.executable], ['accessed', walk.accessed], ['dirty', walk.dirty]];
  return (
    <div class={`walk ${live.stale ? 'stale' : ''}`}>
      <Problem live={live} />
      <ol class="levels">
        <li class="dim">root {walk.root}</li>
        {walk.levels.map((level, index) => <li key={index} style={{ paddingLeft: `${(index + 1) * 10}px` }}>{level}</li>)}
        <li class="leaf" style={{ paddingLeft: `${(walk.levels.length + 1) * 10}px` }} data-physical={walk.physical}>
          <button class="value" onClick={() => { go({ mem: `p:${walk.physical}` }); showPanel('memory'); }}>p:{walk.physical}</button> {walk.pageSize ? `page of ${sizeText(BigInt(walk.pageSize))}` : 'paging is off'}
        </li>
      </ol>
      <p>{flags.map(([name, on]) => <span key={name} class={`tag ${on ? 'accent' : ''}`}>{on ? '' : 'not '}{name}</span>)}</p>
    </div>
  );
}

export function Paging() {
  const [map, setMap] = useState(false);
  const arch = host.value?.arch;
  const mappable = arch === 'x86_64'; // of whose tables model/paging.ts knows
  const address = route.value.walk ?? frame.value?.instructionPointerReference ?? '0x0';
  return (
    <>
      <form class="bar" onSubmit={(event) => {
        event.preventDefault();
        setMap(false);
        void resolvePlace((event.currentTarget.elements.namedItem('address') as HTMLInputElement).value).then((walk) => walk && go({ walk }));
      }}>
        <input class="mono grow" name="address" key={address} defaultValue={address} aria-label="Address to walk" size={10} spellcheck={false} autocomplete="off" />
        <button>Walk</button>
        {mappable && <button type="button" aria-pressed={map} onClick={() => setMap(!map)}>{map ? 'One address' : 'Map of all'}</button>}
      </form>
      {arch && !mappable && <p class="remark">Addresses of {arch} are walked one at a time: a map of all is drawn for x86-64 alone.</p>}
      {map && mappable ? <Map /> : <div class="scroll"><Levels address={address} /></div>}
    </>
  );
}
