// A state that keys change: they come faster than frames, and each goes on from what the one before has made of it.
import { useState } from 'preact/hooks';

export interface Latest<T> {
  value: T;
}

/** Setting `value` redraws; reading it gives what was set last, drawn or not. */
export function useLatest<T>(first: T): Latest<T> {
  const [, redraw] = useState({});
  const [latest] = useState(() => {
    let value = first;
    return {
      get value() { return value; },
      set value(next: T) {
        if (next === value) return;
        value = next;
        redraw({});
      },
    };
  });
  return latest;
}
