// Addresses as people and memory references write them: v:0x…, p:0x…, as:CR3:0x…, 0x….
export interface Place {
  /** What stands before the number: '', 'v:', 'p:' or 'as:0x…:'. */
  space: string;
  value: bigint;
}

export const top = (1n << 64n) - 1n;

export function parsePlace(text: string): Place | undefined {
  const found = /^\s*(v:|p:|as:(?:0x[0-9a-f]{1,16}|\d+):)?(0x[0-9a-f]{1,16}|\d{1,20})\s*$/i.exec(text);
  if (!found) return undefined;
  const value = BigInt(found[2]!);
  return value <= top ? { space: found[1] ?? '', value } : undefined;
}

export const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
export const hexDigits = (value: bigint | number, digits: number): string => value.toString(16).padStart(digits, '0');
export const placeText = ({ space, value }: Place): string => `${space}${hex(value)}`;
/** Whether it can be read while the guest runs. */
export const readableLive = (place: Place): boolean => place.space.startsWith('p:') || place.space.startsWith('as:');

/** Stays within the address space. */
export function moved(value: bigint, by: bigint): bigint {
  const to = value + by;
  return to < 0n ? 0n : to > top ? top : to;
}

export function bytesOf(base64: string | undefined): Uint8Array {
  if (!base64) return new Uint8Array(0);
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

export function base64Of(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
