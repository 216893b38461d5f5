import { matchesPlainPattern } from '../text/glob.ts';

/** Whether a path matches a pattern: `*` within one folder name, `**` across folders, `?` one letter. A pattern without `/` is about the last name. */
export function matchesGlob(path: string, pattern: string): boolean {
  const whole = pattern.includes('/') ? pattern.replace(/^\.?\/+/, '') : `**/${pattern}`;
  return matchesPlainPattern(path.replace(/^\/+/, ''), whole);
}

export function matchesAny(path: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => matchesGlob(path, pattern));
}
