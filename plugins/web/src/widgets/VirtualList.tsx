// Rows of equal height, of which only those that are seen exist: code, memory, logs, consoles, vCPUs.
import type { ComponentChildren, TargetedKeyboardEvent } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

export const rowHeight = 20;
/** Rows beside those that are seen, so that scrolling shows no gaps. */
const margin = 6;

export interface ListHandle {
  /** Makes a row seen, in the middle when it was not; whether that moved anything. */
  reveal(index: number): boolean;
  /** So many rows were put in at the top: what is seen stays. */
  shift(rows: number): void;
  /** How many rows are seen. */
  page(): number;
  element(): HTMLElement | null;
}

interface Props {
  label: string;
  count: number;
  row(index: number): ComponentChildren;
  handle?: { current: ListHandle | undefined };
  /** Stays at the end while new rows come, as long as the end is seen. */
  atEnd?: boolean;
  onEdge?(edge: 'top' | 'bottom'): void;
  onKeyDown?(event: TargetedKeyboardEvent<HTMLDivElement>): void;
  onScrolled?(first: number, last: number): void;
  class?: string;
  active?: string;
}

export function VirtualList(props: Props) {
  const { label, count, row, handle, atEnd, onEdge } = props;
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(0);
  const sticks = useRef(true);
  /** Where it is scrolled to, sooner than `top` has it. */
  const seen = useRef(0);

  useLayoutEffect(() => {
    const element = box.current!;
    setHeight(element.clientHeight);
    const watcher = new ResizeObserver(() => setHeight(element.clientHeight));
    watcher.observe(element);
    return () => watcher.disconnect();
  }, []);

  if (handle) {
    handle.current = {
      reveal(index) {
        const element = box.current;
        if (!element) return false; // not shown any more
        const at = index * rowHeight;
        // by what was told last: to ask the element would lay the page out anew
        if (height && at >= seen.current && at + rowHeight <= seen.current + height) return false;
        const before = element.scrollTop;
        element.scrollTop = Math.max(0, at - element.clientHeight / 2);
        seen.current = element.scrollTop;
        return seen.current !== before;
      },
      shift(rows) {
        if (!box.current) return;
        box.current.scrollTop += rows * rowHeight;
        seen.current = box.current.scrollTop;
      },
      page: () => Math.max(1, Math.floor((box.current?.clientHeight ?? 0) / rowHeight)),
      element: () => box.current,
    };
  }

  useLayoutEffect(() => {
    if (atEnd && sticks.current && box.current) box.current.scrollTop = count * rowHeight;
  });

  const first = Math.max(0, Math.floor(top / rowHeight) - margin);
  const last = Math.min(count, Math.ceil((top + height) / rowHeight) + margin);
  useEffect(() => props.onScrolled?.(first, last), [first, last, count]);

  const scrolled = () => {
    const element = box.current;
    if (!element) return;
    sticks.current = element.scrollTop + element.clientHeight >= element.scrollHeight - rowHeight;
    seen.current = element.scrollTop;
    setTop(seen.current);
    if (!onEdge) return;
    if (element.scrollTop < rowHeight * margin) onEdge('top');
    else if (element.scrollTop + element.clientHeight > element.scrollHeight - rowHeight * margin) onEdge('bottom');
  };

  const rows = [];
  for (let index = first; index < last; ++index) rows.push(row(index));
  return (
    <div class={`list ${props.class ?? ''}`} ref={box} onScroll={scrolled} onKeyDown={props.onKeyDown} tabIndex={0}
      role="group" aria-label={label} aria-activedescendant={props.active}>
      <div class="list-all" style={{ height: `${count * rowHeight}px` }}>
        <div class="list-seen" style={{ transform: `translateY(${first * rowHeight}px)` }}>{rows}</div>
      </div>
    </div>
  );
}
