import { parse as parseToml } from 'smol-toml';
import { parse as parseYaml } from 'yaml';

/* Foreign files are read leniently: one that cannot be read says nothing, `whyUnreadable` names it, and init goes on with the rest. */

export type Data = Readonly<Record<string, unknown>>;

function isData(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function toml(text: string | undefined): Data {
  return attempt(text, parseToml);
}

export function yaml(text: string | undefined): Data {
  return attempt(text, (given) => parseYaml(given, { logLevel: 'error', merge: true }));
}

/** JSON, also with comments and trailing commas. */
export function json(text: string | undefined): Data {
  return attempt(text, (given) => {
    try {
      return JSON.parse(given);
    } catch {
      return JSON.parse(given.replaceAll(/("(?:\\.|[^"\\])*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, '$1').replaceAll(/,(\s*[}\]])/g, '$1'));
    }
  });
}

/** Package managers skip a byte order mark as well. */
function withoutMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** Why a file cannot be read by its own tools; null when nothing speaks against it. */
export function whyUnreadable(path: string, text: string): string | null {
  if (text.includes('\0') || text.includes('\uFFFD')) return 'it is no UTF-8 text';
  if (/^(?:<{7}|>{7}|\|{7})(?: |$)/m.test(text)) return 'it holds conflict markers of a merge';
  const read = PARSERS.find(([pattern]) => pattern.test(path))?.[1];
  try {
    read?.(withoutMark(text));
    return null;
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  }
}

/** As strict as the tools themselves: npm takes no comments, wrangler does. */
const PARSERS: readonly (readonly [RegExp, (text: string) => unknown])[] = [
  [/(^|\/)(package|project|nx)\.json$/, (text) => JSON.parse(text)],
  [/\.toml$/, parseToml],
  [/\.ya?ml$/, (text) => parseYaml(text, { logLevel: 'error', merge: true })],
];

function attempt(text: string | undefined, read: (text: string) => unknown): Data {
  if (text === undefined) return {};
  try {
    const value = read(withoutMark(text));
    return isData(value) ? value : {};
  } catch {
    return {};
  }
}

export function data(value: unknown): Data {
  return isData(value) ? value : {};
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function string(value: unknown): string | null {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : null;
}

export function strings(value: unknown): string[] {
  return list(value).filter((item) => typeof item === 'string');
}

/** A command line of a foreign file as Sluice runs it: as arguments, or by a shell where only a shell understands it. */
export function commandOf(line: string): readonly string[] {
  return /[|&;<>()$`\\"'*?[\]#~=%!{}\n]/.test(line) ? ['sh', '-c', line] : line.split(/\s+/).filter((word) => word !== '');
}
