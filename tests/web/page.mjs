// A `kvmdbg run` with the demo guest, Chromium with the page on it, and another way to the same guest.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const setting = (name) => {
  if (!process.env[name]) throw new Error(`${name} is not set: tests/web/run.py does that`);
  return process.env[name];
};

export const build = setting('KVMDBG_BUILD');
export const demo = join(build, 'guests/demo.elf');
export const source = join(import.meta.dirname, '..', 'guests/demo/kernel.c');
export const lineOf = (text) => readFileSync(source, 'utf8').split('\n').findIndex((line) => line.includes(text)) + 1;
const shots = join(build, 'web-shots');
mkdirSync(shots, { recursive: true });

export async function until(condition, what, limit = 20000) {
  const end = Date.now() + limit;
  let last;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`${what}: not within ${limit / 1000} s (${last})`);
    await pause(20);
  }
}

/** `kvmdbg run`, until it says where it listens. */
export class Server {
  static async start({ image = demo, words = [], port = 0, cpus = 2 } = {}) {
    const server = new Server();
    server.log = '';
    server.process = spawn(join(build, 'kvmdbg'), ['run', '--listen', `127.0.0.1:${port}`, '--console', 'none', '--cpus', String(cpus),
      '--root', join(import.meta.dirname, '..'), '--root', join(build, 'guests'), ...words, image]);
    server.process.stderr.on('data', (data) => { server.log += data; });
    server.ended = new Promise((resolve) => { server.process.on('exit', resolve); });
    await until(() => /the token is in \S+/.test(server.log), `kvmdbg says where its token is: ${server.log}`);
    server.port = Number(/listening on 127\.0\.0\.1:(\d+)/.exec(server.log)[1]);
    const [, control, observe] = /the token is in ([^\s;]+); to look only, (\S+)/.exec(server.log);
    server.token = readFileSync(control, 'utf8').trim();
    server.observeToken = readFileSync(observe, 'utf8').trim();
    server.address = `http://127.0.0.1:${server.port}/`;
    return server;
  }

  url(more = '') {
    return `${this.address}#t=${this.token}${more}`;
  }

  async stop() {
    this.process.kill('SIGKILL');
    await this.ended;
  }
}

/** gdb's remote protocol, by its own socket: what the page shows is held against it. */
export class Rsp {
  static async open(port) {
    const rsp = new Rsp();
    rsp.buffer = '';
    rsp.socket = connect(port, '127.0.0.1');
    rsp.socket.setEncoding('latin1');
    rsp.socket.on('data', (text) => { rsp.buffer += text; });
    await new Promise((resolve, reject) => { rsp.socket.on('connect', resolve).on('error', reject); });
    rsp.socket.write('+');
    return rsp;
  }

  static framed(text) {
    let sum = 0;
    let out = '';
    for (const letter of text) {
      const escaped = /[}#$*]/.test(letter) ? `}${String.fromCharCode(letter.charCodeAt(0) ^ 0x20)}` : letter;
      for (const one of escaped) sum += one.charCodeAt(0);
      out += escaped;
    }
    return `$${out}#${(sum & 255).toString(16).padStart(2, '0')}`;
  }

  async receive(limit = 20000) {
    await until(() => /\$[^#]*#../.test(this.buffer), 'an answer by RSP', limit);
    const [whole, text] = /\$([^#]*)#../.exec(this.buffer);
    this.buffer = this.buffer.slice(this.buffer.indexOf(whole) + whole.length);
    this.socket.write('+');
    const plain = text.replace(/}(.)/g, (_, letter) => String.fromCharCode(letter.charCodeAt(0) ^ 0x20));
    return plain.replace(/(.)\*(.)/gs, (_, letter, count) => letter.repeat(count.charCodeAt(0) - 28));
  }

  async ask(text) {
    this.socket.write(Rsp.framed(text), 'latin1');
    return this.receive();
  }

  /** The body of a jKvm packet (docs/jkvm.md). */
  async kvm(name, args) {
    const answer = await this.ask(args ? `jKvm.${name}:${JSON.stringify(args)}` : `jKvm.${name}`);
    if (!answer.startsWith('{')) throw new Error(`jKvm.${name}: ${answer}`);
    return JSON.parse(answer);
  }

  memory = async (address, length) => Buffer.from(await this.ask(`m${BigInt(address).toString(16)},${length.toString(16)}`), 'hex');
  /** A register of gdb's `p`, by its number: rax is 0, rip 16. */
  async register(number) {
    const bytes = Buffer.from(await this.ask(`p${number.toString(16)}`), 'hex');
    return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  }

  close() {
    this.socket.destroy();
  }
}

let browser;
let profile;

export async function theBrowser() {
  if (browser) return browser;
  profile = mkdtempSync(join(tmpdir(), 'kvmdbg-web-test-'));
  browser = await chromium.launch({
    executablePath: process.env.KVMDBG_CHROMIUM ?? '/usr/bin/chromium', headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', `--disk-cache-dir=${profile}`],
  });
  return browser;
}

export async function closeBrowser() {
  await browser?.close();
  browser = undefined;
  if (profile) rmSync(profile, { recursive: true, force: true });
}

/** A tab of its own, that says what went wrong in it. */
export async function open(url, { width = 1280, height = 800, scheme = 'dark', anyCertificate = false } = {}) {
  const context = await (await theBrowser()).newContext({ viewport: { width, height }, colorScheme: scheme, ignoreHTTPSErrors: anyCertificate });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.wrong = [];
  page.on('pageerror', (error) => page.wrong.push(`${error.stack}`));
  page.on('console', (message) => {
    const text = message.text();
    if (message.type() === 'error' && !/WebSocket connection|ERR_CONNECTION_REFUSED|Failed to load resource/.test(text)) page.wrong.push(text);
  });
  await page.goto(url);
  return page;
}

export const shot = (page, name) => page.screenshot({ path: join(shots, `${name}.png`) });

/** Runs a case with a server and a tab; fails for errors in the page's own script. */
export function withPage(action, options = {}) {
  return async () => {
    const server = await Server.start(options);
    let page;
    try {
      page = await open(server.url(options.more), options);
      if (options.attached !== false) await stopped(page);
      await action(page, server);
      if (page.wrong.length) throw new Error(`errors in the page: ${page.wrong.join('\n')}`);
    } finally {
      if (page) await page.context().close();
      await server.stop();
    }
  };
}

export const state = (page) => page.locator('[data-state]').getAttribute('data-state');
export const stopped = (page) => page.locator('[data-state="stopped"]').waitFor({ timeout: 20000 });
export const runs = (page) => page.locator('[data-state="running"]').waitFor({ timeout: 20000 });

/** A register as the panel shows it, once it is what `ok` wants. */
export const register = (page, name) => page.locator(`[data-register="${name}"] .value`).first().textContent();
export const waitRegister = (page, name, ok) => until(async () => {
  const text = await register(page, name);
  return ok(text) && text;
}, `register ${name}`);

/** By the palette, as a person would. */
export async function command(page, title) {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: 'Command' }).fill(title);
  await page.keyboard.press('Enter');
}
export async function answerQuestion(page, text) {
  await page.locator('dialog input[name="text"]').fill(text);
  await page.keyboard.press('Enter');
}
