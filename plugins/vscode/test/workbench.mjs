// A real VS Code in Chromium: code-server with the .vsix installed in it, on a folder of its own, driven by keys and clicks.
import { execFile, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { programs, until, vsix } from './host.mjs';

const root = join(import.meta.dirname, '../../..');
const { chromium } = createRequire(join(root, 'tests/web/package.json'))('playwright-core');
const codeServer = process.env.KVMDBG_CODE_SERVER;
export const sources = join(root, 'tests/guests/demo');
const shots = join(programs.build, 'vscode-shots');
mkdirSync(shots, { recursive: true });

/** The line of kernel.c that has this text, counted from 1. */
export const lineOf = (text) => readFileSync(join(sources, 'kernel.c'), 'utf8').split('\n').findIndex((line) => line.includes(text)) + 1;

async function settled(condition) {
  for (const end = Date.now() + 2000; Date.now() < end; await pause(50)) {
    if (await condition().catch(() => false)) return true; // gone between two looks
  }
  return false;
}

/** What would only stand in the way of a first look. */
const settings = {
  'security.workspace.trust.enabled': false, 'workbench.startupEditor': 'none', 'workbench.tips.enabled': false,
  'telemetry.telemetryLevel': 'off', 'extensions.ignoreRecommendations': true, 'window.commandCenter': false,
  'editor.accessibilitySupport': 'off', 'terminal.integrated.gpuAcceleration': 'off', 'workbench.colorTheme': 'Default Dark Modern', 'git.enabled': false, 'chat.commandCenter.enabled': false,
};

export class Workbench {
  /** The demo's sources in a folder, away from where they were compiled; these configurations in its launch.json. */
  static async start(configurations, more = {}) {
    const bench = new Workbench();
    bench.home = mkdtempSync(join(tmpdir(), 'kvmdbg-workbench-'));
    bench.folder = join(bench.home, 'demo');
    bench.user = join(bench.home, 'user');
    cpSync(sources, bench.folder, { recursive: true });
    mkdirSync(join(bench.user, 'User'), { recursive: true });
    writeFileSync(join(bench.user, 'User/settings.json'), JSON.stringify({ ...settings, ...more }));
    // kvmdbg-dap is where users have it, in the PATH of their login shell: VS Code asks that
    writeFileSync(join(bench.home, '.profile'), `PATH='${programs.build}':$PATH\n`);
    writeFileSync(join(bench.home, 'config.yaml'), 'auth: none\n');
    if (configurations) bench.write('.vscode/launch.json', JSON.stringify({ version: '0.2.0', configurations }, null, 2));
    try {
      await bench.run('--install-extension', vsix);
      await bench.listen();
      await bench.browse();
    } catch (error) {
      await bench.stop();
      throw error;
    }
    return bench;
  }

  words = () => ['--config', join(this.home, 'config.yaml'), '--user-data-dir', this.user, '--extensions-dir', join(this.home, 'extensions')];
  environment = () => ({ ...process.env, HOME: this.home, SHELL: '/bin/bash' });

  /** Of a code-server that does one thing and ends; what it says. */
  async run(...words) {
    const { stdout } = await promisify(execFile)(codeServer, [...this.words(), ...words], { env: this.environment(), timeout: 60000 });
    return stdout;
  }

  async listen() {
    this.log = '';
    this.process = spawn(codeServer, [...this.words(), '--bind-addr', '127.0.0.1:0', '--disable-telemetry', '--disable-update-check',
      '--disable-getting-started-override'], { env: this.environment() });
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (data) => { this.log += data; });
    this.ended = new Promise((resolve) => { this.process.on('exit', resolve); });
    this.address = (await until(() => /listening on (http:\S+)/.exec(this.log), 'code-server listens', 60000))[1];
  }

  async browse() {
    this.browser = await chromium.launch({
      executablePath: process.env.KVMDBG_CHROMIUM ?? '/usr/bin/chromium', headless: true,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', `--disk-cache-dir=${join(this.home, 'cache')}`],
    });
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'dark' });
    this.page = await context.newPage();
    this.page.setDefaultTimeout(20000);
    await this.visit('demo');
  }

  /** Another folder, an empty one unless there is one of that name. */
  async visit(name) {
    this.folder = join(this.home, name);
    mkdirSync(this.folder, { recursive: true });
    await this.page.goto(`${this.address}?folder=${encodeURIComponent(this.folder)}`);
    await this.page.locator('.monaco-workbench').waitFor({ timeout: 60000 });
    await this.page.locator('.statusbar-item').first().waitFor({ timeout: 60000 });
  }

  async stop() {
    await this.browser?.close();
    this.process?.kill('SIGTERM');
    await this.ended;
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
  }

  write(path, text) {
    mkdirSync(join(this.folder, path, '..'), { recursive: true });
    writeFileSync(join(this.folder, path), text);
  }

  /** Nothing where there is no such file. */
  read(path) {
    try {
      return readFileSync(join(this.folder, path), 'utf8');
    } catch (error) {
      if (error.code === 'ENOENT') return '';
      throw error;
    }
  }

  shot = (name) => this.page.screenshot({ path: join(shots, `${name}.png`) });

  // --- what a user does --------------------------------------------------------------------------

  /** A command of the palette, by its title; `answer` is for what it asks. */
  async command(title, answer) {
    await this.ask('F1', /^>/, `>${title}`, title, answer !== undefined);
    if (answer !== undefined) await this.ask('', /^$/, answer);
  }

  /** Opens a file of the folder, at a line. */
  async open(path, line = 1) {
    await until(() => this.run('--reuse-window', join(this.folder, path)).then(() => true, (error) => { // until the page has come
      if (!/No opened code-server/.test(error.message)) throw error;
    }), `${path} is opened`);
    await this.page.locator('.tab.active', { hasText: path.split('/').at(-1) }).waitFor();
    await this.ask('Control+g', /^:/, `:${line}`);
    await until(async () => (await this.status()).includes(`Ln ${line},`), `line ${line} of ${path}`);
  }

  /**
   * Types into what asks at the top, brought there by `key`, once that holds what it begins with; `offered` must be among
   * what it offers; `asksMore`: the next question follows at once. VS Code takes it away when it gives the focus to something else: then all is done again.
   */
  async ask(key, holds, text, offered, asksMore = false) {
    const box = this.page.locator('.quick-input-widget:visible');
    const input = box.locator('input.input').first();
    const row = box.locator('.monaco-list-row', { hasText: offered }).first();
    const patience = { timeout: 2000 };
    const begun = () => until(async () => holds.test(await input.inputValue(patience)), 'the box', 2000);
    await until(async () => {
      try {
        if (key && !await box.count()) await this.page.keyboard.press(key);
        await begun();
        await input.fill(text, patience);
        if (offered) await row.waitFor(patience);
        else await pause(300);
        if (await input.inputValue(patience) === text) await input.press('Enter', patience);
      } catch {
        if (key && await box.count()) await this.page.keyboard.press('Escape');
        return false;
      }
      return settled(async () => !await box.count() || asksMore && await input.inputValue({ timeout: 200 }) !== text);
    }, `${text} is taken`);
  }

  async debug(name) {
    await this.ask('F1', /^>/, `debug ${name}`, name);
  }

  async end() {
    await this.page.keyboard.press('Shift+F5');
    await this.page.locator('.debug-toolbar').waitFor({ state: 'hidden' });
  }

  // --- what a user sees --------------------------------------------------------------------------

  /** Rows of a list, by what they are in. */
  row = (where, text) => this.page.locator(`${where} .monaco-list-row`, { hasText: text }).first();
  frame = (text) => this.row('.debug-call-stack', text);
  variable = (text) => this.row('.debug-variables', text);
  inGutter = (kind) => this.page.locator(`.editor-instance .codicon-debug-${kind}`).first();
  notification = (text) => this.page.locator('.notification-list-item', { hasText: text }).first();
  complaints = () => this.page.locator('.notification-list-item:has(.codicon-error)').allInnerTexts();
  seen = (locator, timeout = 20000) => locator.waitFor({ timeout });

  status = () => this.page.locator('.statusbar').innerText();

  /** What a terminal shows. */
  terminal = async () => (await this.page.locator('.xterm-rows').allInnerTexts()).join('\n').replaceAll('\u00a0', ' ');

  /** What the output view shows, as far as it is drawn. */
  output = async () => (await this.page.locator('.panel .view-lines').allInnerTexts()).join('\n').replaceAll('\u00a0', ' ');

  /** Text that goes into the debug console's line. */
  async evaluate(text) {
    await this.command('Debug Console: Focus on Debug Console View');
    await this.page.locator('.repl-input-wrapper .monaco-editor.focused').waitFor();
    await this.page.keyboard.type(text);
    await this.page.keyboard.press('Enter');
  }
}
