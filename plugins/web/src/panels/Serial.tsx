// The guest's serial console: what it wrote, and a line to type.
import { useState } from 'preact/hooks';
import { ask, tryTo } from '../dap/session';
import { link, observing } from '../store/guest';
import { serial } from '../store/output';
import { VirtualList } from '../widgets/VirtualList';
import { Empty } from '../widgets/State';

export function Serial() {
  void serial.changed.value;
  const [line, setLine] = useState('');
  const nothing = serial.all.length === 1 && !serial.all[0];
  return (
    <>
      {serial.dropped > 0 && <p class="dim pad">{serial.dropped} earlier lines are left out.</p>}
      {nothing ? <div class="scroll"><Empty title="Nothing yet">What the guest writes to its serial console comes here, also while it runs.</Empty></div>
        : <VirtualList label="Serial console" count={serial.all.length} atEnd class="console" row={(index) => <div class="row" key={index + serial.dropped}>{serial.all[index]}</div>} />}
      <form class="bar" onSubmit={(event) => {
        event.preventDefault();
        void tryTo(ask('kvmdbg/console', { type: `${line}\n` })).then((done) => done !== undefined && setLine(''));
      }}>
        <input class="mono grow" aria-label="Type to the guest" placeholder="type to the guest, Enter sends the line" value={line} spellcheck={false} autocomplete="off"
          disabled={observing.value || link.value.state !== 'open'} onInput={(event) => setLine(event.currentTarget.value)} />
        <button type="button" onClick={() => serial.clear()}>Clear</button>
      </form>
    </>
  );
}
