// Names of things on the page, for styles and tests.
export const thing = (kind: string, id: string): string => `${kind} ${kind}-${id}`;

/** Names of symbols may be very long: what is between start and end is left out. */
export function shortened(name: string, most = 120): string {
  if (name.length <= most) return name;
  const part = Math.floor((most - 1) / 2);
  return `${name.slice(0, part)}…${name.slice(-part)}`;
}

export const fileName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
