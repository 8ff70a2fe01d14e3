// Who may move the guest: the client that holds run control, and a way to take it.
import { ask } from './dap/session';
import type { Client } from './dap/kvmdbg';
import { link, observing, pointsRevision } from './store/guest';
import { useLive } from './store/live';
import { takeControl } from './store/actions';
import { shortened } from './model/names';

export const readClients = () => ask<{ clients: Client[] }>('kvmdbg/clients').then(({ clients }) => clients);

export function RunControl() {
  const { value } = useLive(readClients, [], { every: 2000, always: true, changes: pointsRevision.value });
  if (!value || link.value.state !== 'open') return null;
  const driver = value.find(({ drives }) => drives);
  if (driver?.self) return <span class="tag good" title="This page holds run control">you have control</span>;
  return (
    <>
      <span class="tag warn" title={driver?.name}>{driver ? `client ${driver.id} has control: ${shortened(driver.name, 28)}` : 'nobody has control'}</span>
      {driver && !observing.value && <button class="primary" onClick={() => void takeControl()}>Take control</button>}
    </>
  );
}
