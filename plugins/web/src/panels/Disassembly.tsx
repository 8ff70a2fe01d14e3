// Code as instructions, in both directions, with lines of source between them and arrows for jumps.
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { frame, observing, revision, stopped, thread } from '../store/guest';
import { go, route } from '../store/route';
import { pointAt, points, toggle } from '../store/points';
import { lineText } from '../store/sources';
import { useCode, type CodeRow } from '../store/code';
import { useRowCache } from '../widgets/row_cache';
import { VirtualList, type ListHandle } from '../widgets/VirtualList';
import { Missing } from '../widgets/State';
import { useLatest } from '../widgets/latest';
import { fileName, shortened } from '../model/names';
import { arrowsOfRows, jumpTarget, laneOf, type Arrow } from '../model/jumps';

function Arrows({ arrows, index }: { arrows: Arrow[]; index: number }) {
  return (
    <svg class="arrows" viewBox="0 0 36 20" width="36" height="20" aria-hidden="true">
      {arrows.map((arrow) => {
        const x = 30 - arrow.lane * 6;
        const up = index > Math.min(arrow.from, arrow.to), down = index < Math.max(arrow.from, arrow.to);
        const middle = index === arrow.from || index === arrow.to;
        return (
          <g key={arrow.from}>
            <path d={`M${x} ${up ? 0 : 10}V${down ? 20 : 10}${middle ? `M${x} 10H36` : ''}`} />
            {index === arrow.to && <path class="head" d="M32 7l4 3-4 3z" />}
          </g>
        );
      })}
    </svg>
  );
}

interface RowProps {
  row: CodeRow;
  index: number;
  here: boolean;
  chosen: boolean;
  arrows: Arrow[];
}

function Line({ row, index, here, chosen, arrows }: RowProps) {
  if (row.kind === 'source') {
    return (
      <div class="row code-source" key={row.key}>
        {row.symbol !== undefined ? <strong class="code-symbol">{shortened(row.symbol, 200)}:</strong> : <span class="code-file">{fileName(row.path!)}:{row.line}</span>}
        <Arrows arrows={arrows} index={index} />
        {row.path && <span class="code-line">{lineText(row.path, row.line!)}</span>}
      </div>
    );
  }
  const { instruction } = row;
  void points.value; // a row is drawn anew by itself when a point comes or goes
  const wish = pointAt('instruction', instruction.address);
  const target = jumpTarget(instruction.instruction);
  const bad = instruction.presentationHint === 'invalid';
  const space = instruction.instruction.search(/\s/);
  const word = space < 0 ? instruction.instruction : instruction.instruction.slice(0, space);
  const rest = space < 0 ? '' : instruction.instruction.slice(space);
  return (
    <div class={`row code ${here ? 'here' : ''} ${chosen ? 'chosen' : ''} ${bad ? 'faint' : ''}`} key={row.key} data-address={instruction.address}>
      <button class={`gutter ${wish ? (wish.told?.verified ? 'set' : 'unset') : ''}`} tabIndex={-1} disabled={observing.value || bad}
        aria-label={`Breakpoint at ${instruction.address}`} aria-pressed={wish !== undefined} onClick={() => void toggle('instruction', instruction.address)} />
      <span class="code-at">{here ? '➤' : ' '}</span>
      <span class="code-address" title={instruction.symbol && shortened(instruction.symbol, 600)}>{instruction.address}</span>
      <Arrows arrows={arrows} index={index} />
      <span class="code-bytes">{instruction.instructionBytes ?? ''}</span>
      <span class="code-word">{word}</span>
      <span class="code-rest">{rest}{target !== undefined && <button class="jump" tabIndex={-1} aria-label={`Go to ${target}`} onClick={() => go({ at: target })}>→</button>}</span>
    </div>
  );
}

export function Disassembly() {
  const pc = frame.value?.instructionPointerReference;
  const at = route.value.at;
  const base = at ?? pc;
  const code = useCode(base, [revision.value, thread.value]);
  const list = useRef<ListHandle | undefined>(undefined);
  const chosen = useLatest<string | undefined>(undefined);

  useEffect(() => {
    if (code.shifted) list.current?.shift(code.shifted);
  }, [code.version]);
  const shown = base && code.rows.findIndex((row) => row.kind === 'code' && sameAddress(row.instruction.address, base));
  useEffect(() => {
    if (typeof shown === 'number' && shown >= 0) list.current?.reveal(shown);
  }, [base, code.loads, revision.value]);
  useEffect(() => { chosen.value = undefined; }, [base]);

  const arrows = useMemo(
    () => arrowsOfRows(laneOf(code.rows.map((row) => (row.kind === 'code' ? row.instruction : undefined))), code.rows.length), [code.rows]);
  const cached = useRowCache();

  if (!base || (!code.rows.length && !code.problem)) return <Missing what="Code" />;
  const unchosen = at && !at.includes(':') ? at : pc;
  const mark = chosen.value ?? unchosen;
  const marked = () => chosen.value ?? unchosen;
  const rowMarked = () => code.rows.findIndex((row) => row.kind === 'code' && row.instruction.address === marked());
  const move = (by: number) => {
    const from = rowMarked();
    for (let to = from + by; to >= 0 && to < code.rows.length; to += by) {
      const row = code.rows[to]!;
      if (row.kind !== 'code') continue;
      chosen.value = row.instruction.address;
      list.current?.reveal(to);
      return;
    }
  };
  return (
    <>
      <div class="bar">
        <span class="dim code-title">{shortened(code.title || base, 70)}</span><span class="grow" />
        {at && <span class="tag">{at}</span>}
        {at && <button onClick={() => go({ at: undefined })}>Back to the vCPU</button>}
      </div>
      {code.problem && <p class="problem" role="status">{code.problem}</p>}
      <VirtualList label="Disassembly" count={code.rows.length} handle={list} class={`disassembly ${stopped.value || at?.includes('p:') ? '' : 'stale'}`}
        onEdge={code.more} row={(index) => {
          const row = code.rows[index]!;
          const here = row.kind === 'code' && stopped.value && row.instruction.address === pc;
          const isChosen = row.kind === 'code' && row.instruction.address === mark;
          return cached(row.key, [row, index, arrows[index], here, isChosen],
            () => <Line key={row.key} row={row} index={index} arrows={arrows[index]!} here={here} chosen={isChosen} />);
        }}
        onKeyDown={(event) => {
          if (event.altKey || event.ctrlKey) return;
          if (event.key === 'ArrowDown') { event.preventDefault(); move(1); }
          if (event.key === 'ArrowUp') { event.preventDefault(); move(-1); }
          const at = marked();
          if (event.key === 'F9' && at) { event.preventDefault(); event.stopPropagation(); void toggle('instruction', at); }
          const target = event.key === 'Enter' ? code.rows[rowMarked()] : undefined;
          const to = target?.kind === 'code' ? jumpTarget(target.instruction.instruction) : undefined;
          if (to) go({ at: to });
        }} />
    </>
  );
}

function sameAddress(one: string, other: string): boolean {
  const plain = other.replace(/^(v|p|as:[^:]*):/, '');
  return one === plain || BigInt(one) === safe(plain);
}

function safe(text: string): bigint | undefined {
  try {
    return BigInt(text);
  } catch {
    return undefined;
  }
}

