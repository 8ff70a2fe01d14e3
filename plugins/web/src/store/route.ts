// What the address says: which panel is on top, which addresses are shown, the role. Never a token:
// one that comes with the address goes into this tab's storage and out of its history.
import { signal } from '@preact/signals';

export type Route = Record<string, string>;

const tokenPlace = 'kvmdbg.token';

function parse(hash: string): Route {
  return Object.fromEntries(new URLSearchParams(hash.replace(/^#/, '')));
}

export const route = signal<Route>({});

/** True when a token came with the address. */
export function readAddress(): boolean {
  const { t, token, ...rest } = parse(location.hash);
  const given = t ?? token;
  if (given !== undefined) {
    sessionStorage.setItem(tokenPlace, given);
    route.value = rest;
    write();
    return true;
  }
  route.value = rest;
  return false;
}

export const token = (): string => sessionStorage.getItem(tokenPlace) ?? '';
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
