// The stack as words from the stack pointer on; those that lead into code have its name.
import { ask } from '../dap/session';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { frame, frames } from '../store/guest';
import { useLive } from '../store/live';
import { readRange } from '../store/memory';
import { symbolAt } from '../store/symbols';
import { go } from '../store/route';
import { showPanel } from '../store/panels';
import { hex, hexDigits, parsePlace } from '../model/address';
import { VirtualList } from '../widgets/VirtualList';
import { Missing, Problem } from '../widgets/State';
import { shortened } from '../model/names';

const words = 512;

interface Word {
  at: bigint;
  value: bigint | undefined;
  code: boolean;
}

type Range = [bigint, bigint];

async function codeRanges(): Promise<Range[]> {
  const { modules } = await ask<DebugProtocol.ModulesResponse['body']>('modules');
  return modules.flatMap(({ addressRange }) => {
    const [low, high] = (addressRange ?? '').split('-');
    return low && high ? [[BigInt(low), BigInt(high)] as Range] : [];
  });
}

async function read(frameId: number): Promise<Word[]> {
  const pointer = ask<DebugProtocol.EvaluateResponse['body']>('evaluate', { expression: '$sp', frameId, context: 'watch' });
  const ranges = await codeRanges();
  const start = parsePlace((await pointer).result.split(' ')[0]!)?.value;
  if (start === undefined) throw new Error('there is no stack pointer');
  const bytes = await readRange({ space: '', value: start }, words * 8);
  return Array.from({ length: words }, (_, index) => {
    const some = bytes.slice(index * 8, index * 8 + 8);
    const whole = some.length === 8 && some.every((byte) => byte !== undefined);
    const value = whole ? some.reduceRight<bigint>((sum, byte) => (sum << 8n) | BigInt(byte!), 0n) : undefined;
    return { at: start + BigInt(index * 8), value, code: value !== undefined && ranges.some(([low, high]) => value >= low && value < high) };
  });
}

function Row({ word, mark }: { word: Word; mark: string }) {
  const text = word.value === undefined ? '·'.repeat(16) : hexDigits(word.value, 16);
  const name = word.code ? symbolAt(hex(word.value!)) : '';
  return (
    <div class="row" data-address={hex(word.at)}>
      <span class="code-address">{hexDigits(word.at, 16)}</span>
      <button class="value" disabled={word.value === undefined} title="Show memory there" onClick={() => { go({ mem: hex(word.value!) }); showPanel('memory'); }}>{text}</button>
      {name && <button class="jump" onClick={() => { go({ at: hex(word.value!) }); showPanel('disassembly'); }}>{shortened(name, 80)}</button>}
      <span class="faint">{mark}</span>
    </div>
  );
}

export function RawStack() {
  const at = frame.value;
  const live = useLive(at ? () => read(at.id) : undefined, [at?.id]);
  if (!live.value) return <Missing live={live} what="The stack" />;
  const returns = new Map(frames.value.slice(1).map((one) => [BigInt(one.instructionPointerReference ?? '0x0'), one.name]));
  return (
    <>
      <Problem live={live} />
      <VirtualList label="Words on the stack" count={live.value.length} class={live.stale ? 'stale' : ''} row={(index) => {
        const word = live.value![index]!;
        const to = word.value !== undefined && returns.has(word.value) ? '  ← returns here' : '';
        return <Row key={String(word.at)} word={word} mark={index === 0 ? `  ← stack pointer${to}` : to} />;
      }} />
    </>
  );
}
