// All that can be done, by name; and a line that somebody is asked for.
import { useEffect, useRef, useState } from 'preact/hooks';
import { allActions, type Action } from '../store/actions';
import { asked, palette } from '../store/view';
import { useLatest } from './latest';

function matches(title: string, wanted: string): boolean {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const low = title.toLowerCase();
  return words.every((word) => low.includes(word));
}

function useModal(open: boolean) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (!open) return undefined;
    const before = document.activeElement;
    if (!dialog.current?.open) dialog.current?.showModal();
    return () => {
      // one that is taken away, not closed, takes the keyboard with it
      if (document.activeElement === document.body && before instanceof HTMLElement) before.focus();
    };
  }, [open]);
  return dialog;
}

export function Palette() {
  const open = palette.value;
  const dialog = useModal(open);
  const [wanted, setWanted] = useState('');
  const at = useLatest(0);
  if (!open) return null;
  const find = (text: string) => allActions().filter(({ title }) => matches(title, text)).slice(0, 60);
  const found = find(wanted);
  const close = () => { palette.value = false; setWanted(''); at.value = 0; };
  const run = (action: Action | undefined) => {
    if (!action || (action.able && !action.able())) return;
    close();
    void action.run();
  };
  return (
    <dialog class="palette" ref={dialog} aria-label="All commands" onClose={close} onClick={(event) => { if (event.target === dialog.current) close(); }}>
      <input placeholder="What to do…" aria-label="Command" role="combobox" aria-expanded="true" aria-controls="palette-list"
        aria-activedescendant={found[at.value] && `command-${at.value}`} value={wanted} onInput={(event) => { setWanted(event.currentTarget.value); at.value = 0; }}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown') { event.preventDefault(); at.value = Math.min(at.value + 1, found.length - 1); }
          if (event.key === 'ArrowUp') { event.preventDefault(); at.value = Math.max(at.value - 1, 0); }
          if (event.key !== 'Enter') return;
          event.preventDefault();
          // what has been typed counts, also what is not drawn yet
          const typed = event.currentTarget.value;
          run(typed === wanted ? found[at.value] : find(typed)[0]);
        }} />
      <ul id="palette-list" role="listbox" aria-label="Commands">
        {found.map((action, index) => (
          <li key={action.id} id={`command-${index}`} role="option" aria-selected={index === at.value} aria-disabled={action.able ? !action.able() : false}
            onClick={() => run(action)}><span>{action.title}</span><kbd>{action.keys?.[0]}</kbd></li>
        ))}
      </ul>
    </dialog>
  );
}

export function Asked() {
  const question = asked.value;
  const dialog = useModal(question !== undefined);
  if (!question) return null;
  return (
    <dialog class="palette" ref={dialog} aria-label={question.title} onClose={() => question.answer(undefined)}>
      <form onSubmit={(event) => {
        event.preventDefault();
        question.answer(String(new FormData(event.currentTarget).get('text') ?? ''));
      }}>
        <label>{question.title}<input name="text" autocomplete="off" spellcheck={false} defaultValue={question.start} placeholder={question.hint} /></label>
      </form>
    </dialog>
  );
}
