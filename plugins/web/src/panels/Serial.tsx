// The guest's serial console: what it wrote, and a line to type.
import { ask, tryTo } from '../dap/session';
import { link, observing } from '../store/guest';
import { serial } from '../store/output';
import { VirtualList } from '../widgets/VirtualList';
import { Empty } from '../widgets/State';

export function Serial() {
  void serial.changed.value;
  const nothing = serial.all.length === 1 && !serial.all[0];
  return (
    <>
      {serial.dropped > 0 && <p class="dim pad">{serial.dropped} earlier lines are left out.</p>}
      {nothing ? <div class="scroll"><Empty title="Nothing yet">What the guest writes to its serial console comes here, also while it runs.</Empty></div>
        : <VirtualList label="Serial console" count={serial.all.length} atEnd class="console" row={(index) => <div class="row" key={index + serial.dropped}>{serial.all[index]}</div>} />}
      <form class="bar" onSubmit={(event) => {
        event.preventDefault();
        const field = event.currentTarget.elements.namedItem('line') as HTMLInputElement;
        const line = field.value;
        field.value = '';
        void tryTo(ask('kvmdbg/console', { type: `${line}\n` }));
      }}>
        <input class="mono grow" name="line" aria-label="Type to the guest" placeholder="type to the guest, Enter sends the line" spellcheck={false} autocomplete="off"
          disabled={observing.value || link.value.state !== 'open'} />
        <button type="button" onClick={() => serial.clear()}>Clear</button>
      </form>
    </>
  );
}
