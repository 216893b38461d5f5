import { formsOf } from '../../core/secrets/forms.ts';

export interface Redactor {
  /** One text without any secret value in it. */
  text(value: string): string;
  /** The same for every text inside; numbers, keys and structure stay. */
  deep<T>(value: T): T;
}

const MASK = '[redacted]';

/**
 * Takes secret values out of whatever leaves the control plane: by value, as the last stage, so that it
 * does not matter by which way one got in. Which values, and in which forms: `core/secrets/forms.ts`.
 */
export function createRedactor(secrets: () => Iterable<string>): Redactor {
  let known = '';
  let forms: readonly string[] = [];
  const refresh = (): readonly string[] => {
    const values = [...secrets()];
    const key = values.join('\0');
    if (key !== known) {
      known = key;
      // Longest first: a secret may contain another one.
      forms = [...new Set(values.flatMap(formsOf))].toSorted((a, b) => b.length - a.length);
    }
    return forms;
  };
  const mask = (value: string, all: readonly string[]): string =>
    all.reduce((text, form) => (text.includes(form) ? text.replaceAll(form, MASK) : text), value);
  const walk = (value: unknown, all: readonly string[]): unknown => {
    if (typeof value === 'string') return mask(value, all);
    if (Array.isArray(value)) return value.map((item) => walk(item, all));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, all)]));
  };
  return {
    text: (value) => mask(value, refresh()),
    deep: <T>(value: T): T => {
      const all = refresh();
      return all.length === 0 ? value : (walk(value, all) as T);
    },
  };
}

/** Where log lines go, each without secrets: also those in another case of header, in a message or in a stack. */
export function redactedStream(redactor: Redactor, write: (line: string) => void): { write(line: string): void } {
  return {
    write(line) {
      const clean = redactor.text(line);
      write(clean === line ? line : (withoutSecrets(redactor, line) ?? clean));
    },
  };
}

/** The same line as JSON again: a secret of digits must not tear a number. */
function withoutSecrets(redactor: Redactor, line: string): string | null {
  try {
    return `${JSON.stringify(redactor.deep(JSON.parse(line)))}\n`;
  } catch {
    return null;
  }
}
