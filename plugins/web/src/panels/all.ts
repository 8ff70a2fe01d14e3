// Every panel, a row each. The order is that of the tabs.
import type { Panel } from '../store/panels';
import { Clients } from './Clients';
import { Connect } from './Connect';
import { Disassembly } from './Disassembly';
import { Memory } from './Memory';
import { Msrs } from './Msrs';
import { Paging } from './Paging';
import { Points } from './Points';
import { Protocol } from './Protocol';
import { RawStack } from './RawStack';
import { Registers } from './Registers';
import { Repl } from './Repl';
import { Serial } from './Serial';
import { Source } from './Source';
import { Symbols } from './Symbols';
import { Tables } from './Tables';
import { TimeLine } from './TimeLine';
import { Variables } from './Variables';

export const allPanels: Panel[] = [
  { id: 'disassembly', title: 'Disassembly', dock: 'code', show: Disassembly },
  { id: 'source', title: 'Source', dock: 'source', show: Source },
  { id: 'registers', title: 'Registers', dock: 'right', show: Registers },
  { id: 'variables', title: 'Variables', dock: 'right', show: Variables },
  { id: 'paging', title: 'Paging', dock: 'right', show: Paging },
  { id: 'tables', title: 'Tables', dock: 'right', show: Tables },
  { id: 'msrs', title: 'MSRs', dock: 'right', show: Msrs },
  { id: 'memory', title: 'Memory', dock: 'bottom', show: Memory },
  { id: 'points', title: 'Breakpoints', dock: 'bottom', show: Points },
  { id: 'stack', title: 'Stack', dock: 'bottom', show: RawStack },
  { id: 'serial', title: 'Serial', dock: 'bottom', show: Serial },
  { id: 'repl', title: 'Console', dock: 'bottom', show: Repl },
  { id: 'timeline', title: 'Time line', dock: 'bottom', show: TimeLine },
  { id: 'clients', title: 'Clients', dock: 'bottom', show: Clients },
  { id: 'symbols', title: 'Symbols', dock: 'bottom', show: Symbols },
  { id: 'protocol', title: 'Protocol', dock: 'bottom', show: Protocol },
  { id: 'connect', title: 'Connect', dock: 'bottom', show: Connect },
];
