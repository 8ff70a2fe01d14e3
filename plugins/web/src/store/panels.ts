// Which panel of each dock is on top. The list of panels itself is panels/all.ts.
import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { go, route } from './route';

export type Dock = 'left' | 'source' | 'code' | 'bottom' | 'right';

export interface Panel {
  id: string;
  title: string;
  dock: Dock;
  show: ComponentType;
}

export const panels = signal<Panel[]>([]);
/** The panel that is to have the keyboard once it is shown. */
export const wantsFocus = signal('');
/** Source and disassembly side by side. */
export const wide = signal(matchMedia('(min-width: 1720px)').matches);
matchMedia('(min-width: 1720px)').addEventListener('change', (event) => { wide.value = event.matches; });

export const dockOf = ({ dock }: Panel): Dock => (dock === 'source' && !wide.value ? 'code' : dock);
export const inDock = (dock: Dock): Panel[] => panels.value.filter((one) => dockOf(one) === dock);

export function onTop(dock: Dock): Panel | undefined {
  const all = inDock(dock);
  return all.find(({ id }) => id === route.value[dock]) ?? all[0];
}

export function showPanel(id: string, focus = false): void {
  const panel = panels.value.find((one) => one.id === id);
  if (!panel) return;
  if (panel.dock !== 'left') go({ [dockOf(panel)]: id });
  if (focus) wantsFocus.value = id;
}

export const panelTitles = (): [string, string][] => panels.value.map(({ id, title }) => [id, title]);
