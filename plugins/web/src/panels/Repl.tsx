// The debug console: expressions, LLDB's commands, `kvm …`; with completion and history.
import { useRef } from 'preact/hooks';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { ask } from '../dap/session';
import { frame, link } from '../store/guest';
import { replLines, tell } from '../store/output';
import { VirtualList } from '../widgets/VirtualList';
import { useLatest } from '../widgets/latest';

const history: string[] = JSON.parse(sessionStorage.getItem('kvmdbg.history') ?? '[]');
const mostHistory = 200;

async function run(expression: string): Promise<void> {
  history.push(expression);
  history.splice(0, history.length - mostHistory);
  sessionStorage.setItem('kvmdbg.history', JSON.stringify(history));
  tell('asked', expression);
  try {
    const body = await ask<DebugProtocol.EvaluateResponse['body']>('evaluate', { expression, context: 'repl', frameId: frame.value?.id });
    if (body.result) tell('answer', body.result);
  } catch (error) {
    tell('error', error instanceof Error ? error.message : String(error));
  }
}

type Target = { label: string; start: number; length: number };

export function Repl() {
  const field = useRef<HTMLInputElement>(null);
  // the field keeps what is typed: a repaint comes later than the next key
  const setLine = (text: string) => { field.current!.value = text; };
  const line = () => field.current!.value;
  const targets = useLatest<Target[]>([]);
  const chosen = useLatest(0);
  const at = useRef(history.length);
  const lines = replLines.value;
  const complete = async (text: string) => {
    const body = await ask<DebugProtocol.CompletionsResponse['body']>('completions', { text, column: text.length + 1, frameId: frame.value?.id }).catch(() => undefined);
    const all = (body?.targets ?? []).slice(0, 50).map(({ label, start, length }) => ({ label, start: start ?? text.length, length: length ?? 0 }));
    if (all.length === 1) return take(all[0]!, text);
    targets.value = all;
    chosen.value = 0;
  };
  const take = (target: Target, text = line()) => {
    setLine(text.slice(0, target.start) + target.label + text.slice(target.start + target.length));
    targets.value = [];
  };
  const choose = (by: number) => { chosen.value = (chosen.value + by + targets.value.length) % targets.value.length; };
  const past = (by: number) => {
    at.current = Math.min(Math.max(at.current + by, 0), history.length);
    setLine(history[at.current] ?? '');
  };
  const keys: Record<string, () => void> = {
    Tab: () => void complete(line()),
    ArrowUp: () => (targets.value.length ? choose(-1) : past(-1)),
    ArrowDown: () => (targets.value.length ? choose(1) : past(1)),
    Enter: () => {
      if (targets.value.length) return take(targets.value[chosen.value]!);
      const text = line().trim();
      if (!text) return;
      void run(text);
      at.current = history.length;
      setLine('');
    },
  };
  return (
    <>
      <VirtualList label="Debug console" count={lines.length} atEnd class="console" row={(index) => {
        const { kind, text } = lines[index]!;
        return <div class={`row repl-${kind}`} key={index}>{kind === 'asked' ? '› ' : ''}{text}</div>;
      }} />
      {targets.value.length > 0 && (
        <ul class="completions" id="completions" role="listbox" aria-label="Completions">
          {targets.value.map((one, index) => <li key={one.label} id={`completion-${index}`} role="option" aria-selected={index === chosen.value} onClick={() => take(one)}>{one.label}</li>)}
        </ul>
      )}
      <div class="bar">
        <span class="dim" aria-hidden="true">›</span>
        <input class="mono grow" data-focus aria-label="Expression or command" role="combobox" aria-autocomplete="list" aria-expanded={targets.value.length > 0} aria-controls="completions"
          aria-activedescendant={targets.value.length ? `completion-${chosen.value}` : undefined} placeholder="an expression, an lldb command, kvm help; Tab completes" ref={field}
          disabled={link.value.state !== 'open'} spellcheck={false} autocomplete="off" onInput={() => { targets.value = []; }}
          onKeyDown={(event) => {
            if (event.key === 'Escape' && targets.value.length) {
              event.stopPropagation();
              targets.value = [];
              return;
            }
            // with nothing to complete, Tab leaves the field as everywhere else
            if (event.altKey || event.ctrlKey || event.shiftKey || !keys[event.key] || (event.key === 'Tab' && !line())) return;
            event.preventDefault();
            keys[event.key]!();
          }} />
      </div>
    </>
  );
}
