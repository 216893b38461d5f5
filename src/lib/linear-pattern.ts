import { RE2JS } from 're2js';

/** A regular expression of a user's that takes time in proportion to the text, whatever it is. */
export interface LinearPattern {
  test(text: string): boolean;
  /** The text of its first group; undefined where the pattern does not match, or the group took no part. */
  firstGroup(text: string): string | undefined;
}

/**
 * Compiles what people write as JavaScript writes it. It is matched by RE2's algorithm, because the one of JavaScript may take longer than any
 * release for a pattern like `(a+)+$`. Back references and looking ahead or behind are not possible that way.
 * @throws Error when it is no regular expression, or one of those.
 */
export function linearPattern(source: string): LinearPattern {
  const plain = new RegExp(source, 'u');
  // Where nothing repeats or is a choice, there is one way to match at each place, and JavaScript's own is faster.
  if (!/[*+?{|\\]/.test(source)) return { test: (text) => plain.test(text), firstGroup: (text) => plain.exec(text)?.[1] };
  const compiled = RE2JS.compile(RE2JS.translateRegExp(source));
  return {
    test: (text) => compiled.test(text),
    firstGroup(text) {
      const matcher = compiled.matcher(text);
      return matcher.find() && compiled.groupCount() > 0 ? (matcher.group(1) ?? undefined) : undefined;
    },
  };
}

/** What a setting that is no such pattern should be. */
export const PATTERN_WANTED = 'a regular expression without back references, and without looking ahead or behind';

/** Whether `linearPattern` takes it. */
export function isLinearPattern(source: string): boolean {
  try {
    linearPattern(source);
    return true;
  } catch {
    return false;
  }
}
