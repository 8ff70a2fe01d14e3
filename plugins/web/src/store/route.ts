// What the address says: which panel is on top, which addresses are shown, the role. Never a token:
// one that comes with the address goes into this tab's storage and out of its history.
import { signal } from '@preact/signals';
import { keepToken, tokenIn } from '../dap/door';

export type Route = Record<string, string>;

function parse(hash: string): Route {
  return Object.fromEntries(new URLSearchParams(hash.replace(/^#/, '')));
}

export const route = signal<Route>({});

/** True when a token came with the address. */
export function readAddress(): boolean {
  const { t: _, token: __, ...rest } = parse(location.hash);
  const given = tokenIn(location.hash);
  if (given !== undefined) {
    keepToken(given);
    route.value = rest;
    write();
    return true;
  }
  route.value = rest;
  return false;
}

export const observeOnly = (): boolean => route.value.role === 'observe';

export function go(changes: Record<string, string | undefined>): void {
  const next: Route = { ...route.value };
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined || value === '') delete next[key];
    else next[key] = value;
  }
  route.value = next;
  write();
}

function write(): void {
  const text = new URLSearchParams(route.value).toString().replaceAll('%3A', ':').replaceAll('%2F', '/');
  history.replaceState(null, '', text ? `#${text}` : location.pathname);
}
