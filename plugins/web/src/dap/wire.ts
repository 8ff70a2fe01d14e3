// One WebSocket that speaks the Debug Adapter Protocol: a text frame is a message.
import type { DebugProtocol } from '@vscode/debugprotocol';

/** A request that was answered by an error, or by nothing because the connection ended. */
export class Refused extends Error {
  constructor(readonly command: string, message: string, readonly lost = false) {
    super(message);
  }
}

export interface WireEnd {
  /** Whether the server ever accepted it. */
  opened: boolean;
  code: number;
  why: string;
}

export interface WireListener {
  opened(): void;
  event(message: DebugProtocol.Event): void;
  ended(end: WireEnd): void;
  /** Every message, for the protocol log. */
  seen(direction: '->' | '<-', text: string): void;
}

interface Waiting {
  command: string;
  resolve(body: unknown): void;
  reject(error: Refused): void;
}

export class Wire {
  private readonly waiting = new Map<number, Waiting>();
  private seq = 0;
  private opened = false;

  constructor(private readonly socket: WebSocket, private readonly listener: WireListener) {
    const opened = () => {
      this.opened = true;
      listener.opened();
    };
    if (socket.readyState === WebSocket.OPEN) queueMicrotask(opened);
    else socket.onopen = opened;
    this.socket.onmessage = (message) => this.take(String(message.data));
    this.socket.onclose = (end) => {
      for (const { command, reject } of this.waiting.values()) {
        reject(new Refused(command, 'the connection ended', true));
      }
      this.waiting.clear();
      listener.ended({ opened: this.opened, code: end.code, why: end.reason });
    };
  }

  ask<Body>(command: string, args?: object): Promise<Body> {
    if (this.socket.readyState !== WebSocket.OPEN) {
      return Promise.reject(new Refused(command, 'there is no connection', true));
    }
    const seq = ++this.seq;
    const text = JSON.stringify({ seq, type: 'request', command, arguments: args });
    return new Promise<Body>((resolve, reject) => {
      this.waiting.set(seq, { command, resolve: resolve as (body: unknown) => void, reject });
      this.listener.seen('->', text);
      this.socket.send(text);
    });
  }

  close(): void {
    this.socket.close(1000);
  }

  private take(text: string): void {
    this.listener.seen('<-', text);
    let message: DebugProtocol.ProtocolMessage;
    try {
      message = JSON.parse(text);
    } catch {
      this.socket.close(4000, 'a message is no JSON');
      return;
    }
    if (message.type === 'event') {
      this.listener.event(message as DebugProtocol.Event);
    } else if (message.type === 'response') {
      this.answer(message as DebugProtocol.Response);
    }
  }

  private answer(response: DebugProtocol.Response): void {
    const waiting = this.waiting.get(response.request_seq);
    if (!waiting) return;
    this.waiting.delete(response.request_seq);
    if (response.success) return waiting.resolve(response.body ?? {});
    const error = response.body?.error as DebugProtocol.Message | undefined;
    waiting.reject(new Refused(waiting.command, error?.format ?? response.message ?? 'refused'));
  }
}
