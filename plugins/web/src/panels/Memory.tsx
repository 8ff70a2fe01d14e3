// Memory in any address space: as it is, also while the guest runs where that can be read.
import { useState } from 'preact/hooks';
import { askPlace, resolvePlace, watchAt } from '../store/actions';
import { frame, observing, running } from '../store/guest';
import { go, route } from '../store/route';
import { parsePlace, hex, moved, placeText, readableLive } from '../model/address';
import { search } from '../store/memory';
import { HexView } from '../widgets/HexView';
import { Empty, Missing } from '../widgets/State';
import { ask, tryTo } from '../dap/session';
import type { Walk } from '../dap/kvmdbg';

/** The same address by the page tables that are in use now: those can be read while the guest runs. */
async function fixRoot(address: bigint): Promise<void> {
  const walk = await tryTo(ask<Walk>('kvmdbg/walk', { address: hex(address) }));
  if (walk) go({ mem: `as:${walk.root}:${hex(address)}` });
}

function Search({ from, found }: { from: string; found(at: string): void }) {
  const [state, setState] = useState<{ busy?: { stop: boolean }; text: string }>({ text: '' });
  const run = async (wanted: string) => {
    const place = parsePlace(from);
    if (!place || !wanted) return;
    const busy = { stop: false };
    setState({ busy, text: 'searching…' });
    const outcome = await search(place, wanted, (at) => setState({ busy, text: `at ${hex(at)}…` }), () => busy.stop);
    setState({ text: outcome.text });
    if (outcome.at) found(outcome.at);
  };
  return (
    <form class="inline" onSubmit={(event) => {
      event.preventDefault();
      void run((event.currentTarget.elements.namedItem('wanted') as HTMLInputElement).value);
    }}>
      <input name="wanted" class="mono" aria-label="Search memory from here on" placeholder='de ad be ef or "text"' size={16} spellcheck={false} autocomplete="off" />
      {state.busy ? <button type="button" onClick={() => { state.busy!.stop = true; }}>Stop</button> : <button>Search</button>}
      <span class="dim" role="status">{state.text}</span>
    </form>
  );
}

export function Memory() {
  const text = route.value.mem ?? frame.value?.instructionPointerReference ?? (running.value ? 'p:0x0' : '');
  const place = parsePlace(text);
  const [cursor, setCursor] = useState<{ at: bigint; word: bigint | undefined }>();
  if (!text) return <Missing what="Memory" />;
  if (!place) return <Empty title="No address">{text} is none. <button onClick={() => void askPlace('Show memory at').then((mem) => mem && go({ mem }))}>Another one…</button></Empty>;
  const blind = running.value === true && !readableLive(place);
  const at = cursor?.at ?? place.value;
  return (
    <>
      <div class="bar">
        <form class="inline" onSubmit={(event) => {
          event.preventDefault();
          const field = event.currentTarget.elements.namedItem('address') as HTMLInputElement;
          void resolvePlace(field.value).then((mem) => mem && go({ mem }));
        }}>
          <input name="address" class="mono" aria-label="Address" key={text} defaultValue={text} size={22} spellcheck={false} autocomplete="off" title="0x…, v:0x… virtual, p:0x… physical, as:CR3:0x… other page tables, or an expression" />
          <button>Go</button>
        </form>
        <Search from={placeText({ ...place, value: moved(at, 1n) })} found={(mem) => go({ mem })} />
        <span class="grow" />
        {cursor && <span class="num dim" role="status" data-cursor={hex(cursor.at)}>{hex(cursor.at)}{cursor.word !== undefined && `: u64 ${hex(cursor.word)}`}</span>}
        {cursor?.word !== undefined && <button onClick={() => go({ mem: placeText({ ...place, value: cursor.word! }) })}>Follow</button>}
        <button disabled={observing.value} onClick={() => void watchAt(hex(at), 8)}>Watch 8 bytes</button>
        {!place.space.startsWith('p:') && !place.space.startsWith('as:') && !blind && <button title="Read it while the guest runs, too" onClick={() => void fixRoot(place.value)}>Live</button>}
      </div>
      {blind && <p class="remark" role="status">The guest runs. A virtual address is read when it stops; p:… and as:CR3:… are read now, too.</p>}
      <HexView place={place} onCursor={setCursor} />
    </>
  );
}
