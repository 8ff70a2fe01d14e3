// Moves the border between two docks: by mouse, or by arrow keys.
interface Props {
  label: string;
  /** The variable of the grid that it sets, and which way is more. */
  variable: string;
  axis: 'x' | 'y';
  sign: 1 | -1;
  start: number;
  least: number;
  most: number;
}

const place = (variable: string) => `kvmdbg.size.${variable}`;

export function applySizes(): void {
  for (const variable of ['--left', '--right', '--bottom']) {
    const kept = localStorage.getItem(place(variable));
    if (kept && /^\d+$/.test(kept)) document.documentElement.style.setProperty(variable, `${kept}px`);
  }
}

export function Splitter({ label, variable, axis, sign, start, least, most }: Props) {
  const now = () => parseInt(getComputedStyle(document.documentElement).getPropertyValue(variable)) || start;
  const set = (value: number) => {
    const kept = Math.round(Math.min(Math.max(value, least), most));
    document.documentElement.style.setProperty(variable, `${kept}px`);
    localStorage.setItem(place(variable), String(kept));
  };
  return (
    <div class={`splitter splitter-${axis} splitter${variable}`} role="separator" tabIndex={0} aria-label={label}
      aria-orientation={axis === 'x' ? 'vertical' : 'horizontal'} aria-valuenow={now()} aria-valuemin={least} aria-valuemax={most}
      onPointerDown={(event) => {
        const from = axis === 'x' ? event.clientX : event.clientY;
        const size = now();
        const element = event.currentTarget;
        element.setPointerCapture(event.pointerId);
        element.onpointermove = (moved) => set(size + sign * ((axis === 'x' ? moved.clientX : moved.clientY) - from));
        element.onpointerup = () => { element.onpointermove = null; };
      }}
      onKeyDown={(event) => {
        const by = { ArrowRight: 16, ArrowDown: 16, ArrowLeft: -16, ArrowUp: -16 }[event.key];
        if (by) { event.preventDefault(); set(now() + sign * by); }
      }} />
  );
}
