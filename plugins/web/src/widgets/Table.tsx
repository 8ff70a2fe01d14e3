// A plain table for some hundred rows.
import type { ComponentChildren } from 'preact';

interface Props {
  label: string;
  head: string[];
  rows: { key: string | number; cells: ComponentChildren[]; class?: string }[];
  none?: string;
}

export function Table({ label, head, rows, none }: Props) {
  return (
    <table class="table" aria-label={label}>
      <thead><tr>{head.map((one) => <th scope="col" key={one}>{one}</th>)}</tr></thead>
      <tbody>
        {rows.map(({ key, cells, class: more }) => <tr key={key} class={more}>{cells.map((cell, index) => <td key={index}>{cell}</td>)}</tr>)}
        {!rows.length && none && <tr><td colSpan={head.length} class="faint">{none}</td></tr>}
      </tbody>
    </table>
  );
}
