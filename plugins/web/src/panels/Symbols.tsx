// Files with symbols: what is known of each, where it lies, and what is being read.
import type { DebugProtocol } from '@vscode/debugprotocol';
import { ask } from '../dap/session';
import { progress } from '../store/guest';
import { useLive } from '../store/live';
import { Table } from '../widgets/Table';
import { Missing, Problem } from '../widgets/State';

export function Symbols() {
  const live = useLive(() => ask<DebugProtocol.ModulesResponse['body']>('modules').then(({ modules }) => modules), [progress.value], { every: 5000 });
  if (!live.value) return <Missing live={live} what="The list of symbol files" />;
  return (
    <div class="scroll">
      <Problem live={live} />
      {progress.value && <p class="pad" role="status">{progress.value.title}: {progress.value.message} <progress max="100" value={progress.value.percentage} aria-label={progress.value.title} /></p>}
      <Table label="Symbol files" head={['file', 'has', 'addresses', 'path', 'build id']} none="None: registers, memory and code are shown without names."
        rows={live.value.map((one) => ({ key: one.id, cells: [one.name, one.symbolStatus, <span class="num">{one.addressRange}</span>, <span class="num">{one.path}</span>, <span class="num faint">{one.version}</span>] }))} />
    </div>
  );
}
