// The ways to a debug adapter, read from a configuration. Values alone: no VS Code, no sockets.

/** What a configuration says of the way; the rest of it is the adapter's. */
export interface Wishes {
  request?: unknown;
  server?: unknown;
  connect?: unknown;
  adapter?: unknown;
  token?: unknown;
  tokenFile?: unknown;
}

export type Address = { kind: 'tcp'; host: string; port: number } | { kind: 'unix'; path: string };

export type Way =
  | { kind: 'pipes'; program?: string; server?: Address } // a program here; no server: it starts a guest
  | { kind: 'socket'; address: Address }
  | { kind: 'web'; url: URL; token?: string; tokenFile?: string };

export const usualServer = '127.0.0.1:1234';

/** Fails with a sentence that names the field. */
export function parseAddress(text: string, field: string): Address {
  if (text.startsWith('unix:') && text.length > 5) return { kind: 'unix', path: text.slice(5) };
  const found = /^(\[[0-9a-fA-F:.]+\]|[^:\s/]*):([0-9]{1,5})$/.exec(text);
  const port = Number(found?.[2]);
  if (!found || port < 1 || port > 65535) {
    throw new Error(`"${field}" is "${text}": it must be HOST:PORT or unix:PATH, as kvmdbg run says when it starts.`);
  }
  return { kind: 'tcp', host: found[1].replace(/^\[|\]$/g, '') || '127.0.0.1', port };
}

export function show(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

function textOf(wishes: Wishes, field: keyof Wishes): string | undefined {
  const value = wishes[field];
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'string') return value;
  throw new Error(`"${field}" is ${JSON.stringify(value)}: it must be text.`);
}

function parseUrl(text: string): URL {
  try {
    const url = new URL(text);
    if (url.search || url.hash || url.username) throw new Error('more than a place');
    if (url.pathname === '/') url.pathname = '/dap';
    return url;
  } catch {
    throw new Error(`"connect" is "${text}": it must be ws://HOST:PORT or wss://HOST:PORT, with the token in "token" or "tokenFile".`);
  }
}

/** Fails with a sentence that says what to change. */
export function wayOf(wishes: Wishes): Way {
  const connect = textOf(wishes, 'connect');
  const server = textOf(wishes, 'server');
  const token = textOf(wishes, 'token');
  const tokenFile = textOf(wishes, 'tokenFile');
  const launch = wishes.request === 'launch';
  const web = connect !== undefined && /^wss?:/i.test(connect);
  if (launch && (connect ?? server) !== undefined) {
    throw new Error(`launch starts a guest of its own, but "${connect ? 'connect' : 'server'}" names a server, which has one already: use "request": "attach", or leave it out.`);
  }
  if (connect !== undefined && server !== undefined) {
    throw new Error('"server" and "connect" are two ways to one server: keep "server" to use kvmdbg-dap here, or "connect" to use the server\'s own debug adapter.');
  }
  if (!web && server === undefined && (token ?? tokenFile) !== undefined) {
    throw new Error('"token" and "tokenFile" are for "server", and for "connect" by ws:// and wss://: leave them out, on its port and socket the server goes by who you are.');
  }
  if (connect === undefined) {
    return { kind: 'pipes', program: textOf(wishes, 'adapter'), server: server === undefined ? undefined : parseAddress(server, 'server') };
  }
  if (textOf(wishes, 'adapter') !== undefined) {
    throw new Error('"adapter" is a program to start here, but with "connect" the server starts its own: leave one of them out.');
  }
  if (!web) return { kind: 'socket', address: parseAddress(connect, 'connect') };
  if ((token === undefined) === (tokenFile === undefined)) {
    throw new Error(`${connect} needs ${token === undefined ? '' : 'only one of '}"token" or "tokenFile": kvmdbg run names the file of the token as it starts.`);
  }
  return { kind: 'web', url: parseUrl(connect), token, tokenFile };
}

/** The address of the server's page, without a token. Fails where no browser can go. */
export function pageOf(way: Way): string {
  if (way.kind === 'web') return `${way.url.protocol === 'wss:' ? 'https' : 'http'}://${way.url.host}/`;
  const address = way.kind === 'pipes' ? way.server : way.address;
  if (address?.kind === 'tcp') return `http://${show(address)}/`;
  throw new Error(`${address ? `this server listens on ${show(address)}` : 'a guest that launch has started is reached by a private socket'}, where a browser cannot go: start the guest by kvmdbg run --listen 127.0.0.1:PORT, and attach to that.`);
}
