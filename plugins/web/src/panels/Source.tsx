// Source: read only, with points in the gutter and values at the ends of lines. The editor itself is a script of
// its own that comes when the first source is shown.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { ask } from '../dap/session';
import { frame, observing, running, stopped } from '../store/guest';
import { points, toggle } from '../store/points';
import { textOf } from '../store/sources';
import { useLive } from '../store/live';
import { scopesOf } from '../store/scopes';
import { go, route } from '../store/route';
import { Empty, Missing } from '../widgets/State';
import { fileName } from '../model/names';
import type { SourceView } from '../editor/source_view';

async function locals(of: DebugProtocol.StackFrame): Promise<DebugProtocol.Variable[]> {
  const scope = (await scopesOf(of)).find(({ name }) => name === 'Locals');
  if (!scope) return [];
  return ask<DebugProtocol.VariablesResponse['body']>('variables', { variablesReference: scope.variablesReference }).then(({ variables }) => variables);
}

function Editor({ path, text }: { path: string; text: string }) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState<SourceView>();
  const at = frame.value;
  const here = stopped.value && at?.source?.path === path ? at.line : 0;
  const values = useLive(here && at ? () => locals(at) : undefined, [at]);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let made: SourceView | undefined;
    let gone = false;
    void import('../editor/source_view').then(({ makeSourceView }) => {
      if (gone) return;
      made = makeSourceView(element, (line) => { if (!observing.value) void toggle('source', path, line); });
      const { focus } = made;
      element.focus = focus; // the editor is in a shadow tree
      setView(made);
    });
    return () => { gone = true; made?.destroy(); };
  }, [path]);
  const marks = points.value.filter((one) => one.kind === 'source' && one.place === path)
    .map((one) => ({ line: (one.told?.verified && one.told.line) || one.line || 0, set: one.enabled && one.told?.verified === true }));
  const wanted = Number(route.value.line) || 0;
  const known = here && values.value ? values.value.map(({ name, value }) => ({ name, value })) : [];
  useEffect(() => view?.show({ text, marks, here, wanted, values: known }));
  return <div class={`source ${running.value ? 'stale' : ''}`} ref={box} data-source={path} data-line={here || undefined} data-focus={view && ''} />;
}

export function Source() {
  const path = route.value.file ?? frame.value?.source?.path;
  const [shown, setShown] = useState<{ path: string; text?: string; problem?: string }>();
  useEffect(() => {
    if (!path || shown?.path === path) return;
    textOf(path).then((text) => setShown({ path, text }), (error) => setShown({ path, problem: String(error.message) }));
  }, [path]);
  const files = useLive(() => ask<{ sources: DebugProtocol.Source[] }>('loadedSources').then(({ sources }) => sources), [], { every: 60_000 });
  const chooser = (
    <div class="bar">
      <select aria-label="Source file" value={path ?? ''} onChange={(event) => go({ file: event.currentTarget.value, line: undefined })}>
        {!path && <option value="">choose a file</option>}
        {path && !files.value?.some((one) => one.path === path) && <option value={path}>{fileName(path)}</option>}
        {files.value?.slice(0, 2000).map((one) => <option key={one.path} value={one.path}>{one.name}</option>)}
      </select>
      <span class="dim code-title" title={path}>{path}</span><span class="grow" />
      {route.value.file && <button onClick={() => go({ file: undefined, line: undefined })}>Back to the vCPU</button>}
    </div>
  );
  if (!path) {
    if (!frame.value) return <>{chooser}<Missing what="Source" /></>;
    return <>{chooser}<Empty title="No source here">No line of a source is known for {frame.value.instructionPointerReference}. The disassembly shows what is there.</Empty></>;
  }
  if (shown?.path !== path) return chooser;
  if (shown.text === undefined) return <>{chooser}<Empty title="The source cannot be read">{shown.problem} (kvmdbg run --root names folders that may be read.)</Empty></>;
  return <>{chooser}<Editor key={path} path={path} text={shown.text} /></>;
}
