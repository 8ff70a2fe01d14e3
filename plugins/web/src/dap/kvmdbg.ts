// The bodies of kvmdbg/* (docs/jkvm.md). Numbers of 64 bits are text: "0x1f".
export type Hex = string;

export interface Capabilities {
  arch: string;
  vcpus: number;
  hardwareSlots: number;
  singleStep: boolean;
  softwarePoints: boolean;
  hardwareWatch: boolean;
  protectedWatch: boolean;
  steppedWatch: boolean;
  blockInterrupts: boolean;
  notes: string[];
}

export interface Vcpu {
  vcpu: number;
  thread: string;
  state: 'running' | 'stopped';
  mode?: string;
  pc?: Hex;
  why?: string;
}

export interface Vcpus {
  running: boolean;
  epoch: number;
  vcpus: Vcpu[];
}

export interface Wish {
  client: number;
  rule: string;
  held: number;
  done: number;
}

export interface InstalledPoint {
  point: string;
  kind: string;
  address: Hex;
  space?: string;
  root?: Hex;
  length: number;
  strategy: string;
  hits: number;
  owners: number[];
  wishes?: Wish[];
}

export interface Client {
  id: number;
  name: string;
  points: number;
  drives: boolean;
  self: boolean;
  role: 'control' | 'observe';
}

export interface StopVcpu {
  vcpu: number;
  kind: string;
  address?: Hex;
  reasons: string[];
}

export interface Stop {
  time: number;
  epoch: number;
  resumedBy: number | null;
  vcpus: StopVcpu[];
}

export interface Walk {
  address: Hex;
  physical: Hex;
  pageSize: number;
  root: Hex;
  writable: boolean;
  user: boolean;
  executable: boolean;
  accessed: boolean;
  dirty: boolean;
  levels: string[];
}

export interface TableEntry {
  number: number;
  kind: string;
  base?: Hex;
  limit?: Hex;
  selector?: Hex;
  privilege?: number;
  stack?: number;
  present?: boolean;
}

export interface DescriptorTable {
  table: string;
  base: Hex;
  limit: Hex;
  entries: TableEntry[];
}

export interface RaisedException {
  vector: number;
  count: number;
  name: string;
  error?: Hex;
  hits: number;
  owners: number[];
}
