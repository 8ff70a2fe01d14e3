// The frames of the vCPU that is looked at.
import { frameIndex, frames, framesProblem, running, stopped } from '../store/guest';
import { VirtualList } from '../widgets/VirtualList';
import { Empty, Missing } from '../widgets/State';
import { fileName, shortened } from '../model/names';

export function CallStack() {
  const all = frames.value;
  if (!stopped.value && !all.length) return <Missing what="The call stack" />;
  if (framesProblem.value) return <Empty title="No call stack">{framesProblem.value}</Empty>;
  return (
    <VirtualList label="Call stack" count={all.length} class={`frames ${running.value ? 'stale' : ''}`} row={(index) => {
      const one = all[index]!;
      const place = one.source?.path ? `${fileName(one.source.path)}:${one.line}` : one.instructionPointerReference;
      return (
        <button class={`row frame ${index === frameIndex.value ? 'selected' : ''}`} key={index} aria-pressed={index === frameIndex.value}
          title={`${shortened(one.name, 600)}\n${one.instructionPointerReference ?? ''} ${one.source?.path ?? ''}`} onClick={() => { frameIndex.value = index; }}>
          <span class="frame-name">{shortened(one.name, 80)}</span><span class="frame-place">{place}</span>
        </button>
      );
    }} />
  );
}
