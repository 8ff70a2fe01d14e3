// Where sources lie that were elsewhere when they were compiled: "/build=/home/me/src; /b=/c", the first that fits counts.

/** Pairs of prefixes; what is no pair is an error that names it. */
export function parseSourceMap(text: string): [string, string][] {
  return text.split(';').map((one) => one.trim()).filter(Boolean).map((one) => {
    const at = one.indexOf('=');
    const pair: [string, string] = [one.slice(0, at).trim(), one.slice(at + 1).trim()];
    if (at < 0 || !pair[0] || !pair[1]) throw new Error(`"${one}" is no pair of folders: /where/it/was=/where/it/is`);
    return pair;
  });
}
