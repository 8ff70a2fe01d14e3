// Files with symbols: what is known of each, where it lies, and what is being read.
import type { DebugProtocol } from '@vscode/debugprotocol';
import { ask, connect } from '../dap/session';
import { complain, notice, progress } from '../store/guest';
import { useLive } from '../store/live';
import { go, route } from '../store/route';
import { Table } from '../widgets/Table';
import { Missing, Problem } from '../widgets/State';
import { parseSourceMap } from '../model/source_map';

export function Symbols() {
  const live = useLive(() => ask<DebugProtocol.ModulesResponse['body']>('modules').then(({ modules }) => modules), [progress.value], { every: 5000 });
  if (!live.value) return <Missing live={live} what="The list of symbol files" />;
  return (
    <>
      <form class="bar" onSubmit={(event) => {
        event.preventDefault();
        const text = (name: string) => (event.currentTarget.elements.namedItem(name) as HTMLInputElement).value.trim();
        try {
          parseSourceMap(text('sources'));
        } catch (error) {
          return complain(error);
        }
        notice.value = undefined;
        go({ program: text('program'), sources: text('sources') });
        connect();
      }}>
        <label class="dim" for="program">Symbols of the guest</label>
        <input id="program" name="program" class="mono grow" key={route.value.program} defaultValue={route.value.program} placeholder="a file on the server's host, such as vmlinux; without one the image itself" spellcheck={false} autocomplete="off" />
        <label class="dim" for="sources">Sources</label>
        <input id="sources" name="sources" class="mono grow" key={`${route.value.sources}`} defaultValue={route.value.sources} placeholder="/where/they/were=/where/they/are; …" title="Folders of sources when they were compiled, and on the server's host now" spellcheck={false} autocomplete="off" />
        <button>Read</button>
      </form>
      <div class="scroll">
        <Problem live={live} />
        {progress.value && <p class="pad" role="status">{progress.value.title}: {progress.value.message} <progress max="100" value={progress.value.percentage} aria-label={progress.value.title} /></p>}
        <Table label="Symbol files" head={['file', 'has', 'addresses', 'path', 'build id']} none="None: registers, memory and code are shown without names."
          rows={live.value.map((one) => ({ key: one.id, cells: [one.name, one.symbolStatus, <span class="num">{one.addressRange}</span>, <span class="num">{one.path}</span>, <span class="num faint">{one.version}</span>] }))} />
      </div>
    </>
  );
}
