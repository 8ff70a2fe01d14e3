// Every panel, a row each. The order is that of the tabs.
import type { Panel } from '../store/panels';
import { Disassembly } from './Disassembly';
import { Registers } from './Registers';

export const allPanels: Panel[] = [
  { id: 'disassembly', title: 'Disassembly', dock: 'code', show: Disassembly },
  { id: 'registers', title: 'Registers', dock: 'right', show: Registers },
];
