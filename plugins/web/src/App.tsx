// The page's layout: a bar, docks with panels, a status line, and what lies above them.
import { Dock } from './widgets/Dock';
import { Splitter } from './widgets/Splitter';
import { Asked, Palette } from './widgets/Palette';
import { Gone, Notice, Status } from './Status';
import { Toolbar } from './Toolbar';
import { LeftColumn } from './panels/LeftColumn';
import { wide } from './store/panels';

export function App() {
  return (
    <div class="page">
      <Toolbar />
      <nav class="left" aria-label="vCPUs, call stack and points"><LeftColumn /></nav>
      <Splitter label="Width of the left column" variable="--left" axis="x" sign={1} start={264} least={180} most={520} />
      <main class={`codes ${wide.value ? 'both' : ''}`} aria-label="Code">
        {wide.value && <Dock name="source" label="Source" />}
        <Dock name="code" label="Code" />
      </main>
      <Splitter label="Width of the right column" variable="--right" axis="x" sign={-1} start={352} least={240} most={720} />
      <Dock name="right" label="State of the vCPU" />
      <Splitter label="Height of the lower part" variable="--bottom" axis="y" sign={-1} start={264} least={100} most={620} />
      <Dock name="bottom" label="Memory, consoles and more" />
      <Status />
      <Notice />
      <Gone />
      <Palette />
      <Asked />
    </div>
  );
}
