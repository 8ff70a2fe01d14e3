// The way in: the server's WebSocket and the token that opens it. first.ts has it to itself, so it imports nothing.
const tokenPlace = 'kvmdbg.token';

/** The token that an address brings, if it does. */
export function tokenIn(hash: string): string | undefined {
  const words = new URLSearchParams(hash.replace(/^#/, ''));
  return words.get('t') ?? words.get('token') ?? undefined;
}

export const keepToken = (token: string): void => sessionStorage.setItem(tokenPlace, token);
export const token = (): string => sessionStorage.getItem(tokenPlace) ?? '';

/** Behind a proxy that speaks TLS the page has come by https, and goes back the same way. */
export const socketAddress = ({ protocol, host }: { protocol: string; host: string }): string =>
  `${protocol === 'https:' ? 'wss:' : 'ws:'}//${host}/dap`;

interface Early {
  token: string;
  socket: WebSocket;
}
/** null: the page has asked for one, whether there was one or not. */
const shared = globalThis as { kvmdbgEarly?: Early | null };

const open = (word: string): WebSocket => new WebSocket(socketAddress(location), ['dap.v1', `kvmdbg.token.${word}`]);

/** Before the rest of the page is there; see openSocket. */
export function openEarly(): void {
  if (shared.kvmdbgEarly !== undefined) return; // this script came late: the page has opened one itself
  const word = tokenIn(location.hash) ?? token();
  if (word) shared.kvmdbgEarly = { token: word, socket: open(word) };
}

/** The one that was opened early, once, if it is still good for this token; else a new one. */
export function openSocket(word: string): WebSocket {
  const early = shared.kvmdbgEarly;
  shared.kvmdbgEarly = null;
  if (early?.token === word && early.socket.readyState <= WebSocket.OPEN) return early.socket;
  early?.socket.close(1000);
  return open(word);
}
