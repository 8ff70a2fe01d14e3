// CodeMirror as a viewer. It lives in a shadow tree: there its styles are constructed style sheets, which the
// page's Content-Security-Policy allows; in the document they would be style elements, which it does not.
import { RangeSet, StateEffect, StateField, EditorState, type Range } from '@codemirror/state';
import { Decoration, EditorView, GutterMarker, WidgetType, gutter, lineNumbers, type DecorationSet } from '@codemirror/view';
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { cpp } from '@codemirror/lang-cpp';
import { tags } from '@lezer/highlight';

export interface Mark {
  line: number;
  set: boolean;
}

export interface Shown {
  text: string;
  marks: Mark[];
  /** The line of the vCPU, 0 for none. */
  here: number;
  /** A line to look at, 0 for none. */
  wanted: number;
  values: { name: string; value: string }[];
}

export interface SourceView {
  /** All at a time: each change of the editor makes the browser lay the page out. */
  show(shown: Shown): void;
  focus(): void;
  destroy(): void;
}

class Dot extends GutterMarker {
  constructor(readonly set: boolean) {
    super();
  }
  override toDOM(): Node {
    const dot = document.createElement('span');
    dot.className = this.set ? 'dot set' : 'dot';
    dot.title = this.set ? 'a breakpoint' : 'a breakpoint that is not set';
    return dot;
  }
}

class Values extends WidgetType {
  constructor(readonly text: string) {
    super();
  }
  override eq(other: Values): boolean {
    return other.text === this.text;
  }
  override toDOM(): HTMLElement {
    const element = document.createElement('span');
    element.className = 'values';
    element.textContent = this.text;
    return element;
  }
}

const putMarks = StateEffect.define<RangeSet<GutterMarker>>();
const putHere = StateEffect.define<DecorationSet>();
const putValues = StateEffect.define<DecorationSet>();

const marks = StateField.define<RangeSet<GutterMarker>>({
  create: () => RangeSet.empty,
  update: (now, { effects, changes }) => effects.reduce((last, effect) => (effect.is(putMarks) ? effect.value : last), now.map(changes)),
});
const decorations = (effectType: typeof putHere) => StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update: (now, { effects, changes }) => effects.reduce((last, effect) => (effect.is(effectType) ? effect.value : last), now.map(changes)),
  provide: (field) => EditorView.decorations.from(field),
});

const look = EditorView.theme({
  '&': { height: '100%', fontSize: '12px', color: 'var(--text)', background: 'var(--panel)' },
  '&.cm-focused': { outline: '2px solid var(--accent)', outlineOffset: '-2px' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '20px' },
  '.cm-gutters': { background: 'var(--panel)', color: 'var(--faint)', border: 'none' },
  '.points': { width: '18px', cursor: 'pointer' },
  '.points .cm-gutterElement': { display: 'grid', placeItems: 'center' },
  '.dot': { width: '9px', height: '9px', borderRadius: '50%', border: '1.5px solid var(--bad)', display: 'block' },
  '.dot.set': { background: 'var(--bad)' },
  '.here': { background: 'var(--here)', boxShadow: 'inset 2px 0 var(--here-edge)' },
  '.wanted': { background: 'var(--hover)' },
  '.values': { color: 'var(--number)', paddingLeft: '3ch', fontStyle: 'italic' },
  '.cm-content': { caretColor: 'var(--accent)' },
});
const colours = syntaxHighlighting(HighlightStyle.define([
  { tag: [tags.keyword, tags.controlKeyword, tags.modifier], color: 'var(--word)' },
  { tag: [tags.typeName, tags.standard(tags.typeName)], color: 'var(--number)' },
  { tag: [tags.string, tags.character], color: 'var(--string)' },
  { tag: [tags.number, tags.bool], color: 'var(--number)' },
  { tag: [tags.comment, tags.lineComment, tags.blockComment], color: 'var(--remark)', fontStyle: 'italic' },
  { tag: tags.processingInstruction, color: 'var(--warn)' },
]));

/** How many lines above the present one may name a value that is still of interest. */
const scope = 40;

export function makeSourceView(box: HTMLElement, onGutter: (line: number) => void): SourceView {
  const root = box.shadowRoot ?? box.attachShadow({ mode: 'open' });
  const here = decorations(putHere);
  const values = decorations(putValues);
  const lineAt = (view: EditorView, at: number) => {
    onGutter(view.state.doc.lineAt(at).number);
    return true;
  };
  const view = new EditorView({
    parent: root,
    root,
    extensions: [
      EditorState.readOnly.of(true), EditorView.contentAttributes.of({ 'aria-label': 'Source', 'aria-readonly': 'true' }),
      marks, here, values, look, colours, cpp(),
      EditorView.domEventHandlers({
        keydown: (event, one) => {
          if (event.key !== 'F9') return false;
          event.preventDefault();
          event.stopPropagation();
          return lineAt(one, one.state.selection.main.head);
        },
      }),
      gutter({
        class: 'points', markers: (one) => one.state.field(marks),
        initialSpacer: () => new Dot(false),
        domEventHandlers: { mousedown: (one, line) => lineAt(one, line.from) },
      }),
      lineNumbers({ domEventHandlers: { mousedown: (one, line) => lineAt(one, line.from) } }),
    ],
  });
  view.scrollDOM.tabIndex = 0; // what scrolls can be scrolled by keys
  const start = (line: number) => (line >= 1 && line <= view.state.doc.lines ? view.state.doc.line(line) : undefined);
  const dots = (all: Mark[]) => RangeSet.of(all.flatMap(({ line, set }) => (start(line) ? [new Dot(set).range(start(line)!.from)] : [])), true);
  const lines = ({ here: line, wanted }: Shown) => {
    const ranges: Range<Decoration>[] = [];
    const [present, other] = [start(line), start(wanted)];
    if (other && other.number !== present?.number) ranges.push(Decoration.line({ class: 'wanted' }).range(other.from));
    if (present) ranges.push(Decoration.line({ class: 'here' }).range(present.from));
    return { ranges, target: other ?? present };
  };
  const ends = ({ here: line, values: all }: Shown) => {
    const last = new Map<number, string[]>();
    for (const { name, value } of all) {
      const word = new RegExp(`(?<![\\w.>])${name.replace(/[^\w]/g, '\\$&')}(?!\\w)`);
      for (let at = line; at > Math.max(0, line - scope); --at) {
        if (!word.test(start(at)?.text ?? '')) continue;
        last.set(at, [...(last.get(at) ?? []), `${name} = ${value.slice(0, 60)}`]);
        break;
      }
    }
    return [...last].flatMap(([at, texts]) => (start(at)
      ? [Decoration.widget({ widget: new Values(texts.join(', ')), side: 1 }).range(start(at)!.to)] : []));
  };
  let before: Partial<Record<'text' | 'marks' | 'place' | 'values', string>> = {};
  return {
    show(shown) {
      const now = {
        text: shown.text, marks: JSON.stringify(shown.marks), place: `${shown.here} ${shown.wanted}`,
        values: shown.here ? JSON.stringify([shown.here, shown.values]) : '',
      };
      if (now.text !== before.text) {
        before = {};
        view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: shown.text } });
      }
      const effects: StateEffect<unknown>[] = [];
      let target: ReturnType<typeof start>;
      if (now.marks !== before.marks) effects.push(putMarks.of(dots(shown.marks)));
      if (now.values !== before.values) effects.push(putValues.of(Decoration.set(ends(shown), true)));
      if (now.place !== before.place) {
        const found = lines(shown);
        target = found.target;
        effects.push(putHere.of(Decoration.set(found.ranges, true)));
        if (target) effects.push(EditorView.scrollIntoView(target.from, { y: 'nearest', yMargin: 100 }));
      }
      before = now;
      // the cursor goes to the line that is looked at: F9 is for that
      if (effects.length) view.dispatch({ effects, selection: target && { anchor: target.from } });
    },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}
