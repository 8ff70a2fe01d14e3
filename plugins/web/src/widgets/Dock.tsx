// A place for panels, one of which is on top.
import { useEffect, useRef } from 'preact/hooks';
import { inDock, onTop, showPanel, wantsFocus, type Dock as Name } from '../store/panels';
import { thing } from '../model/names';

const firstIn = (box: HTMLElement) =>
  box.querySelector<HTMLElement>('[data-focus]') ?? box.querySelector<HTMLElement>('[tabindex="0"]') ?? box.querySelector<HTMLElement>('input, button');

/** What has the keyboard in a panel; what comes only with an answer has it then, unless somebody has gone elsewhere. */
function focusIn(box: HTMLElement): void {
  box.focus();
  firstIn(box)?.focus();
  const begun = document.activeElement;
  const watcher = new MutationObserver(() => {
    const there = firstIn(box);
    if (!there || there === begun) return;
    watcher.disconnect();
    if (document.activeElement === begun || document.activeElement === document.body) there.focus();
  });
  watcher.observe(box, { childList: true, subtree: true, attributeFilter: ['data-focus'] });
  setTimeout(() => watcher.disconnect(), patience);
}
const patience = 2000; // milliseconds

export function Dock({ name, label }: { name: Name; label: string }) {
  const all = inDock(name);
  const shown = onTop(name);
  const body = useRef<HTMLDivElement>(null);
  const wanted = wantsFocus.value;
  useEffect(() => {
    if (!shown || wanted !== shown.id) return;
    wantsFocus.value = '';
    if (body.current) focusIn(body.current);
  }, [wanted, shown?.id]);
  if (!shown) return null;
  const turn = (event: KeyboardEvent, index: number) => {
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (!by) return;
    event.preventDefault();
    const next = all[(index + by + all.length) % all.length]!;
    showPanel(next.id);
    document.getElementById(`tab-${next.id}`)?.focus();
  };
  const Shown = shown.show;
  return (
    <section class={`dock dock-${name}`} aria-label={label}>
      <div class="tabs" role="tablist" aria-label={label}>
        {all.map(({ id, title }, index) => (
          <button key={id} id={`tab-${id}`} role="tab" aria-selected={id === shown.id} tabIndex={id === shown.id ? 0 : -1}
            aria-controls={id === shown.id ? `panel-${id}` : undefined} onClick={() => showPanel(id)} onKeyDown={(event) => turn(event, index)}>{title}</button>
        ))}
      </div>
      <div class={thing('panel', shown.id)} key={shown.id} id={`panel-${shown.id}`} role="tabpanel" aria-labelledby={`tab-${shown.id}`} tabIndex={-1} ref={body}><Shown /></div>
    </section>
  );
}
