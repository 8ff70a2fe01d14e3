// The line at the bottom, what went wrong, and what is said where there is no connection.
import { actionOf, takeControl } from './store/actions';
import { frame, host, link, notice, progress } from './store/guest';
import { connect } from './dap/session';

export function Status() {
  const at = frame.value;
  const facts = host.value;
  const going = progress.value;
  return (
    <footer class="status">
      <span>{link.value.state === 'open' ? `connected to ${location.host}` : link.value.state === 'connecting' ? 'connecting…' : 'not connected'}</span>
      {facts && <span>{facts.arch}, {facts.vcpus} vCPU{facts.vcpus === 1 ? '' : 's'}, {facts.hardwareSlots} hardware slots</span>}
      {at && <span class="mono">{at.instructionPointerReference}</span>}
      <span class="grow" />
      {going && <span role="status">{going.title} {going.message} <progress max="100" value={going.percentage} aria-label={going.title} /></span>}
      <span>F5 continue · F10 over · F11 into · F9 breakpoint · <button onClick={() => void actionOf('palette').run()}>Ctrl+K all commands</button></span>
    </footer>
  );
}

export function Notice() {
  const shown = notice.value;
  if (!shown) return null;
  return (
    <div class={`notice ${shown.kind}`} role="alert">
      <span>{shown.text}</span>
      {shown.lease && <button onClick={() => void takeControl()}>Take control</button>}
      <button onClick={() => { notice.value = undefined; }}>Close</button>
    </div>
  );
}

export function Gone() {
  const { value } = link;
  if (value.state === 'open' || value.state === 'connecting') return null;
  return (
    <div class="lost">
      <div role="alert">
        <h1>{value.state === 'waiting' ? 'The connection is lost' : 'Not connected'}</h1>
        <p>{value.why}</p>
        {value.state === 'waiting'
          ? <p class="dim">Trying again by itself (attempt {value.tries}). What is shown behind is how it was.</p>
          : <p class="dim">The token of a run is in a file that kvmdbg names as it starts.</p>}
        <button class="primary" onClick={connect}>Try now</button>
      </div>
    </div>
  );
}
