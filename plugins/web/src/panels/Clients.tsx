// Everybody who debugs this guest, and who has run control.
import { observing, pointsRevision } from '../store/guest';
import { useLive } from '../store/live';
import { takeControl } from '../store/actions';
import { readClients } from '../RunControl';
import { Table } from '../widgets/Table';
import { Missing, Problem } from '../widgets/State';
import { shortened } from '../model/names';

export function Clients() {
  const live = useLive(readClients, [], { every: 1000, always: true, changes: pointsRevision.value });
  if (!live.value) return <Missing live={live} what="The list of clients" />;
  return (
    <div class="scroll">
      <Problem live={live} />
      <Table label="Clients" head={['client', 'name', 'role', 'points', 'run control']} rows={live.value.map((one) => ({
        key: one.id, class: one.self ? 'self' : '',
        cells: [one.id, <>{shortened(one.name, 120)} {one.self && <span class="tag accent">this page</span>}</>, one.role, one.points,
          one.drives ? <span class="tag good">has it</span> : one.self && !observing.value ? <button onClick={() => void takeControl()}>Take control</button> : ''],
      }))} />
    </div>
  );
}
