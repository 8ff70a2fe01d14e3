// vCPUs, call stack and points, all three always there.
import { CallStack } from './CallStack';
import { Vcpus } from './Vcpus';

export function LeftColumn() {
  return (
    <>
      <section class="grow1" aria-labelledby="head-vcpus"><h2 id="head-vcpus">vCPUs</h2><Vcpus /></section>
      <section class="grow1" aria-labelledby="head-stack"><h2 id="head-stack">Call stack</h2><CallStack /></section>
    </>
  );
}
