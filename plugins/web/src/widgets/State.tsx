// Panels without a value say why; those with an old one, that it is old.
import type { ComponentChildren } from 'preact';
import type { Live } from '../store/live';
import { link, running } from '../store/guest';

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="empty"><strong>{title}</strong>{children && <p>{children}</p>}</div>;
}

/** Until there is a value: what is missing for it. */
export function Missing({ live, what }: { live?: Live<unknown>; what: string }) {
  if (link.value.state !== 'open') return <Empty title="No connection">{what} is shown when there is one.</Empty>;
  if (live?.problem) return <Empty title={`${what} cannot be read`}>{live.problem}</Empty>;
  if (running.value) return <Empty title="The guest runs">{what} is shown when it stops: F6 pauses it.</Empty>;
  return <Empty title="Reading…" />;
}

/** Above a value that could not be read anew. */
export function Problem({ live }: { live: Live<unknown> }) {
  return live.problem ? <p class="problem" role="status">{live.problem}</p> : null;
}
