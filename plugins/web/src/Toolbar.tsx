// The bar on top: what moves the guest, how it stands, who has run control.
import type { JSX } from 'preact';
import { actionOf } from './store/actions';
import { link, observing, running, stop, thread } from './store/guest';
import { granularity } from './store/view';
import { RunControl } from './RunControl';

const drawings: Record<string, JSX.Element> = {
  continue: <path d="M4 3v10l8-5z" />,
  pause: <path d="M5 3v10M11 3v10" />,
  next: <><path d="M2 8a5.5 5 0 0 1 10.5-1.5M13 3v4H9" /><circle cx="8" cy="12" r="1.4" /></>,
  stepIn: <><path d="M8 1v7M5 5.5 8 8.5l3-3" /><circle cx="8" cy="12.5" r="1.4" /></>,
  stepOut: <><path d="M8 9V2M5 4.5 8 1.5l3 3" /><circle cx="8" cy="12.5" r="1.4" /></>,
  restart: <path d="M13 8a5 5 0 1 1-1.6-3.7M12 1.5v3.2H8.8" />,
};

function Tool({ id }: { id: string }) {
  const { title, keys, able, run } = actionOf(id);
  return (
    <button class="tool" disabled={able && !able()} title={`${title} (${keys?.[0] ?? ''})`} aria-label={title} onClick={() => void run()}>
      <svg viewBox="0 0 16 16" aria-hidden="true">{drawings[id]}</svg>
    </button>
  );
}

/** LLDB's words say nothing where it only knows of a signal. */
function worth(description: string | undefined, reason: string): string | undefined {
  return description && description !== reason && !/^signal |^trace$/.test(description) ? description : undefined;
}

export function stateWords(): { word: string; dot: string; why: string } {
  if (link.value.state !== 'open') return { word: 'no connection', dot: 'gone', why: '' };
  if (running.value === undefined) return { word: 'attached', dot: '', why: '' };
  if (running.value) return { word: 'running', dot: 'running', why: '' };
  const body = stop.value;
  const why = body ? [body.reason, worth(body.description, body.reason), body.text].filter(Boolean).join(' · ') : '';
  return { word: `stopped in vCPU ${(body?.threadId ?? thread.value) - 1}`, dot: '', why };
}

export function Toolbar() {
  const { word, dot, why } = stateWords();
  return (
    <header class="top">
      <span class="brand">kvmdbg</span>
      {running.value ? <Tool id="pause" /> : <Tool id="continue" />}
      <Tool id="next" /><Tool id="stepIn" /><Tool id="stepOut" /><Tool id="restart" />
      <select aria-label="What a step is" value={granularity.value} onChange={(event) => { granularity.value = event.currentTarget.value as typeof granularity.value; }}>
        <option value="statement">statement</option>
        <option value="line">line</option>
        <option value="instruction">instruction</option>
      </select>
      <div class="state" role="status" aria-live="polite">
        <span class={`dot ${dot}`} aria-hidden="true" /><strong data-state={running.value === undefined ? 'unknown' : running.value ? 'running' : 'stopped'}>{word}</strong>
        <span class="why" title={why}>{why}</span>
      </div>
      {observing.value && <span class="tag accent" title="This page may look and change nothing">observe only</span>}
      <RunControl />
      <button class="tool" onClick={() => void actionOf('palette').run()}>Commands <kbd>Ctrl+K</kbd></button>
    </header>
  );
}
