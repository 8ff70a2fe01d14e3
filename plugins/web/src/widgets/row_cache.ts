// Rows that have not changed are the same objects as at the last drawing: Preact then passes them over.
import type { VNode } from 'preact';
import { useRef } from 'preact/hooks';

const most = 400;

type Make = (key: string, depends: unknown[], make: () => VNode) => VNode;

export function useRowCache(): Make {
  const kept = useRef(new Map<string, { depends: unknown[]; node: VNode }>());
  return (key, depends, make) => {
    const old = kept.current.get(key);
    if (old && old.depends.every((one, index) => one === depends[index])) return old.node;
    if (kept.current.size > most) kept.current.clear();
    const node = make();
    kept.current.set(key, { depends, node });
    return node;
  };
}
