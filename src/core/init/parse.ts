import { parse as parseToml } from 'smol-toml';
import { parse as parseYaml } from 'yaml';

/* Foreign files are read leniently: one that cannot be read is as good as not there, and init goes on with the rest. */

export type Data = Readonly<Record<string, unknown>>;

function isData(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function toml(text: string | undefined): Data {
  return attempt(text, parseToml);
}

export function yaml(text: string | undefined): Data {
  return attempt(text, (given) => parseYaml(given, { logLevel: 'silent' }));
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

function attempt(text: string | undefined, read: (text: string) => unknown): Data {
  if (text === undefined) return {};
  try {
    const value = read(text);
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
