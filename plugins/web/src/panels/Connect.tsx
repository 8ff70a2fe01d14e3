// How other debuggers come to the same guest: lines to paste.
import { useState } from 'preact/hooks';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { ask } from '../dap/session';
import { useLive } from '../store/live';

function Line({ name, text, remark }: { name: string; text: string; remark: string }) {
  const [done, setDone] = useState('');
  return (
    <div class="connect">
      <h3>{name}</h3>
      <pre data-connect={name}>{text}</pre>
      <button aria-label={`Copy the lines for ${name}`} onClick={() => void navigator.clipboard.writeText(text).then(() => setDone('copied'), () => setDone('the browser does not let us'))}>Copy</button>
      <span class="dim" role="status">{done || remark}</span>
    </div>
  );
}

/** As one word of a shell's line. */
const quoted = (word: string) => (/^[\w./+:@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

export function Connect() {
  const live = useLive(() => ask<DebugProtocol.ModulesResponse['body']>('modules').then(({ modules }) => modules[0]?.path ?? ''), [], { every: 60_000 });
  const image = live.value || 'IMAGE';
  // a proxy that speaks TLS has one address, the server behind it another
  const proxied = location.protocol === 'https:';
  const name = proxied ? 'HOST' : location.hostname.replace(/^\[|\]$/g, '');
  const port = proxied ? 1234 : Number(location.port || 80);
  const address = proxied ? 'HOST:1234' : location.host;
  const launch = { type: 'kvmdbg', request: 'attach', name: 'guest', debugServer: port, program: image };
  return (
    <div class="scroll connects">
      {proxied && <p class="remark">This page has come by https, through a proxy. Debuggers speak to kvmdbg itself: HOST:1234 stands for where it listens.</p>}
      <Line name="gdb" remark="take control there: monitor take" text={`gdb ${quoted(image)} -ex 'target remote ${address}'`} />
      <Line name="lldb" remark="lldb 19 or later" text={`lldb ${quoted(image)} -o 'gdb-remote ${address}'`} />
      <Line name="VS Code" remark="into launch.json" text={JSON.stringify(launch, null, 2)} />
      <Line name="nvim-dap" remark="in Lua" text={`dap.adapters.kvmdbg = { type = "server", host = "${name}", port = ${port} }\ndap.configurations.c = { { type = "kvmdbg", request = "attach", name = "guest", program = "${image}" } }`} />
      <Line name="a page that only looks" remark="with the second token, which kvmdbg names as it starts" text={`${location.origin}/#t=OBSERVE-TOKEN&role=observe`} />
    </div>
  );
}
