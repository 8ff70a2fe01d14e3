// Values that are read from the engine, and read again whenever something may have changed them.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { link, revision, running, settling } from './guest';

export interface Live<T> {
  value: T | undefined;
  problem: string;
  /** The guest has moved on since. */
  stale: boolean;
  again(): void;
}

interface How {
  /** Asked while the guest runs, too, so often; without it only of a stopped guest. Milliseconds. */
  every?: number;
  /** Asked so often while the guest stands, too: nothing tells of what other clients do. */
  always?: boolean;
  /** Counts changes, beside the guest's own. */
  changes?: number;
}

/**
 * Reads by `read`, one request at a time: what changes meanwhile leads to one more, however often. A panel
 * that is not shown is not mounted, and asks nothing. `read` undefined: there is nothing to ask.
 */
export function useLive<T>(read: (() => Promise<T>) | undefined, keys: unknown[], how: How = {}): Live<T> {
  const [state, setState] = useState<{ value: T | undefined; problem: string }>({ value: undefined, problem: '' });
  const now = useRef({ read, busy: false, dirty: false, gone: false, live: how.every !== undefined });
  now.current.read = read;
  const open = link.value.state === 'open';
  const runs = running.value === true;
  const able = open && running.value !== undefined && (!runs || how.every !== undefined);

  const start = useRef(() => {
    const { current } = now;
    if (current.busy) {
      current.dirty = true;
      return;
    }
    if (!current.read || current.gone) return;
    current.busy = true;
    current.read().then(
      (value) => !current.gone && setState({ value, problem: '' }),
      // what was asked just as the guest went on is asked again when it stops
      (error) => !current.gone && !(running.value && !current.live) && setState((before) => ({ value: before.value, problem: error instanceof Error ? error.message : String(error) })),
    ).finally(() => {
      current.busy = false;
      if (!current.dirty) return;
      current.dirty = false;
      start.current();
    });
  });

  // not an effect that waits for the repaint: the answer is on its way meanwhile
  useLayoutEffect(() => {
    if (able && !settling.peek()) start.current();
  }, [able, runs, revision.value, how.changes, ...keys]);
  useEffect(() => {
    if (!able || !(runs || how.always) || !how.every) return;
    const timer = setInterval(start.current, how.every);
    return () => clearInterval(timer);
  }, [able, runs || how.always, how.every]);
  useEffect(() => {
    now.current.gone = false;
    return () => { now.current.gone = true; };
  }, []);

  return { ...state, stale: !open || (runs && how.every === undefined), again: start.current };
}
