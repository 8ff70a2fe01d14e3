// Every message between this page and the adapter, to look at and to save.
import { useEffect, useState } from 'preact/hooks';
import { protocolLog } from '../dap/protocol_log';
import { actionOf } from '../store/actions';
import { VirtualList } from '../widgets/VirtualList';

export function Protocol() {
  const [, setVersion] = useState(0);
  const [wanted, setWanted] = useState('');
  useEffect(() => {
    protocolLog.onChange(() => setVersion((version) => version + 1));
    return () => protocolLog.onChange(() => {});
  }, []);
  const lines = wanted ? protocolLog.lines.filter(({ text }) => text.includes(wanted)) : protocolLog.lines;
  return (
    <>
      <div class="bar">
        <input class="mono" aria-label="Only messages with" placeholder="only messages with…" value={wanted} onInput={(event) => setWanted(event.currentTarget.value)} />
        <span class="dim">{lines.length} messages</span><span class="grow" />
        <button onClick={() => protocolLog.clear()}>Clear</button><button onClick={() => void actionOf('saveLog').run()}>Save as a file</button>
      </div>
      <VirtualList label="Protocol log" count={lines.length} atEnd class="console" row={(index) => {
        const { time, direction, text } = lines[index]!;
        return <div class="row" key={index} title={text.slice(0, 2000)}><span class="faint">{new Date(time).toISOString().slice(11, 23)} </span><span class={direction === '->' ? 'good' : 'dim'}>{direction} </span>{text.slice(0, 400)}</div>;
      }} />
    </>
  );
}
