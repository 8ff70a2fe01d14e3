// A value that becomes a field: Enter or a double click begins, Enter writes, Escape leaves it.
import { useRef, useState } from 'preact/hooks';

interface Props {
  value: string;
  label: string;
  able: boolean;
  class?: string;
  /** True when it was taken. */
  write(text: string): Promise<boolean>;
}

export function Editable({ value, label, able, write, class: more }: Props) {
  const [editing, setEditing] = useState(false);
  const [wrong, setWrong] = useState(false);
  /** Ended by a key: then the keyboard stays here. */
  const stays = useRef(false);
  if (!editing) {
    return (
      <button class={`value ${more ?? ''}`} ref={(element) => { if (stays.current) element?.focus(); stays.current = false; }} disabled={!able} aria-label={`${label}: ${value}${able ? ', edit' : ''}`}
        onDblClick={() => setEditing(true)} onKeyDown={(event) => { if (event.key === 'Enter' || event.key === 'F2') { event.preventDefault(); setEditing(true); } }}>
        {value}
      </button>
    );
  }
  const end = () => { setEditing(false); setWrong(false); };
  return (
    <input class={`value ${wrong ? 'wrong' : ''}`} aria-label={label} aria-invalid={wrong} value={value} size={Math.max(value.length, 8)}
      ref={(element) => { if (element && document.activeElement !== element) { element.focus(); element.select(); } }} onBlur={end}
      onKeyDown={(event) => {
        // what is typed is for this field, F5 and the like are for the guest
        if (!/^F\d/.test(event.key) && !event.ctrlKey) event.stopPropagation();
        if (event.key === 'Escape') { stays.current = true; end(); }
        if (event.key !== 'Enter') return;
        void write(event.currentTarget.value.trim()).then((taken) => {
          if (!taken) return setWrong(true);
          stays.current = true;
          end();
        });
      }} />
  );
}
