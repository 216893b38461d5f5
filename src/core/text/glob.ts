const known = new Map<string, RegExp>();

/** Whether a path matches a pattern: `*` within one folder name, `**` across folders, `?` one letter, `{a,b}` either. */
export function matchesPattern(path: string, pattern: string): boolean {
  let expression = known.get(pattern);
  if (expression === undefined) {
    expression = new RegExp(`^${source(pattern.replace(/^\.\//, ''))}$`);
    known.set(pattern, expression);
  }
  return expression.test(path);
}

function source(pattern: string): string {
  let text = '';
  let braces = 0;
  for (let i = 0; i < pattern.length; i += 1) {
    const letter = pattern.charAt(i);
    if (pattern.startsWith('**/', i)) {
      text += '(?:[^/]+/)*';
      i += 2;
    } else if (pattern.startsWith('**', i)) {
      text += '.*';
      i += 1;
    } else if (letter === '*') text += '[^/]*';
    else if (letter === '?') text += '[^/]';
    else if (letter === '{' && pattern.includes('}', i)) {
      text += '(?:';
      braces += 1;
    } else if (letter === '}' && braces > 0) {
      text += ')';
      braces -= 1;
    } else if (letter === ',' && braces > 0) text += '|';
    else text += letter.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&');
  }
  return text;
}

/** The folder that all matches of a pattern lie below: `a/b/*.ts` → `a/b`. */
export function fixedFolder(pattern: string): string {
  const parts = pattern.split('/');
  const first = parts.findIndex((part) => /[*?{]/.test(part));
  const fixed = parts.slice(0, first < 0 ? -1 : first);
  return fixed.length === 0 ? '.' : fixed.join('/');
}
