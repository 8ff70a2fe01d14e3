// vCPUs, call stack and points, all three always there.
import { actionOf } from '../store/actions';
import { observing } from '../store/guest';
import { showPanel } from '../store/panels';
import { CallStack } from './CallStack';
import { PointList } from './Points';
import { Vcpus } from './Vcpus';

export function LeftColumn() {
  return (
    <>
      <section class="grow1" aria-labelledby="head-vcpus"><h2 id="head-vcpus">vCPUs</h2><Vcpus /></section>
      <section class="grow1" aria-labelledby="head-stack"><h2 id="head-stack">Call stack</h2><CallStack /></section>
      <section class="grow1" aria-labelledby="head-points">
        <h2 id="head-points">Breakpoints
          <button aria-label="Add a breakpoint" disabled={observing.value} onClick={() => void actionOf('breakAt').run()}>+</button>
          <button class="last" onClick={() => showPanel('points')}>all</button></h2>
        <PointList />
      </section>
    </>
  );
}
