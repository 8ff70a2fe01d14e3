// A debug adapter behind a WebSocket: a text frame a message.
import * as vscode from 'vscode';
import { WebSocket } from 'ws';
import { Message, withoutOurs } from './message';

const patience = 10_000; // milliseconds

/** Fails with what the server said, and what to do. */
function open(url: URL, token: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, ['dap.v1', `kvmdbg.token.${token}`], { perMessageDeflate: false, handshakeTimeout: patience });
    socket.once('open', () => resolve(socket));
    socket.on('error', (error: NodeJS.ErrnoException) => reject(new Error(
      `cannot connect to ${url.href}: ${error.message}. Is kvmdbg run listening there?`)));
    socket.once('unexpected-response', (request, response) => {
      let said = '';
      response.setEncoding('utf8').on('data', (text: string) => { said += text.slice(0, 1000); });
      response.on('close', () => {
        request.destroy();
        const advice = response.statusCode === 403 ? ' A token is of one run: kvmdbg run names the file of the present one as it starts.' : '';
        reject(new Error(`${url.href} answers ${response.statusCode} ${response.statusMessage}: ${said.trim()}.${advice}`));
      });
    });
  });
}

export class WebAdapter implements vscode.DebugAdapter {
  private readonly sent = new vscode.EventEmitter<vscode.DebugProtocolMessage>();
  readonly onDidSendMessage = this.sent.event;
  private over = false;

  static async connect(url: URL, token: string): Promise<WebAdapter> {
    return new WebAdapter(await open(url, token), url);
  }

  private constructor(private readonly socket: WebSocket, url: URL) {
    socket.on('message', (data) => this.receive(String(data)));
    socket.on('error', (error) => this.end(`${url.href}: ${error.message}`));
    socket.on('close', (code, reason) => this.end(`${url.href} has closed the connection: ${reason.toString() || `WebSocket code ${code}`}`));
  }

  handleMessage(message: vscode.DebugProtocolMessage): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(withoutOurs(message as Message)));
  }

  dispose(): void {
    this.over = true;
    this.socket.close();
  }

  private receive(text: string): void {
    const message = JSON.parse(text) as Message;
    this.over ||= message.event === 'terminated';
    this.sent.fire(message);
  }

  /** Without this VS Code would wait for an adapter that is gone. */
  private end(why: string): void {
    if (this.over) return;
    this.over = true;
    const tell = (event: string, body: object): void => this.sent.fire({ type: 'event', seq: 0, event, body } as Message);
    tell('output', { category: 'important', output: `${why}\n` });
    tell('terminated', {});
  }
}
