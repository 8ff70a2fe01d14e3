// A place for panels, one of which is on top.
import { useEffect, useRef } from 'preact/hooks';
import { inDock, onTop, showPanel, wantsFocus, type Dock as Name } from '../store/panels';
import { thing } from '../model/names';

export function Dock({ name, label }: { name: Name; label: string }) {
  const all = inDock(name);
  const shown = onTop(name);
  const body = useRef<HTMLDivElement>(null);
  const wanted = wantsFocus.value;
  useEffect(() => {
    if (!shown || wanted !== shown.id) return;
    wantsFocus.value = '';
    const find = (selector: string) => body.current?.querySelector<HTMLElement>(selector);
    (find('[data-focus]') ?? find('[tabindex="0"]') ?? find('input, button'))?.focus();
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
      <div class={thing('panel', shown.id)} key={shown.id} id={`panel-${shown.id}`} role="tabpanel" aria-labelledby={`tab-${shown.id}`} ref={body}><Shown /></div>
    </section>
  );
}
