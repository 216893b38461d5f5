/** Whether a path matches a pattern: `*` within one folder name, `**` across folders, `?` one letter. A pattern without `/` is about the last name. */
export function matchesGlob(path: string, pattern: string): boolean {
  return regExpOf(pattern).test(path.replace(/^\/+/, ''));
}

export function matchesAny(path: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => matchesGlob(path, pattern));
}

function regExpOf(pattern: string): RegExp {
  const whole = pattern.includes('/') ? pattern.replace(/^\.?\/+/, '') : `**/${pattern}`;
  let source = '';
  for (let i = 0; i < whole.length; i += 1) {
    const letter = whole.charAt(i);
    if (whole.startsWith('**/', i)) {
      source += '(?:[^/]+/)*';
      i += 2;
    } else if (whole.startsWith('**', i)) {
      source += '.*';
      i += 1;
    } else if (letter === '*') source += '[^/]*';
    else if (letter === '?') source += '[^/]';
    else source += letter.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&');
  }
  return new RegExp(`^${source}$`);
}
