/** POSIX classes as JavaScript writes them inside of brackets. */
const POSIX: Readonly<Record<string, string>> = {
  alnum: 'A-Za-z0-9',
  alpha: 'A-Za-z',
  digit: '0-9',
  lower: 'a-z',
  upper: 'A-Z',
  space: String.raw`\s`,
  word: String.raw`\w`,
  xdigit: 'A-Fa-f0-9',
  punct: String.raw`!-\/:-@[-\x60{-~`,
};

interface Flags {
  readonly i: boolean;
  readonly s: boolean;
}

/**
 * A pattern of Go (RE2) as one of JavaScript. Flags within the pattern are written out, since JavaScript has them for the whole only.
 * @throws SyntaxError where there is no equal.
 */
export function patternOfRe2(source: string): RegExp {
  const groups: Flags[] = [];
  let flags: Flags = { i: false, s: false };
  let out = '';
  for (let at = 0; at < source.length;) {
    const rest = source.slice(at);
    const set = /^\(\?([a-zA-Z]*)(?:-([a-zA-Z]+))?(\)|:)/.exec(rest);
    if (set !== null) {
      const [all, on = '', off = '', end] = set;
      if (/[^ism]/.test(on + off) || on.includes('m')) throw new SyntaxError(`(?${on}${off === '' ? '' : `-${off}`}) has no equal`);
      if (end === ':') groups.push(flags);
      flags = { i: (flags.i || on.includes('i')) && !off.includes('i'), s: (flags.s || on.includes('s')) && !off.includes('s') };
      if (end === ':') out += '(?:';
      at += all.length;
    } else if (rest.startsWith('(?P<')) {
      groups.push(flags);
      out += '(?<';
      at += 4;
      const name = /^[^>]*>/.exec(source.slice(at))?.[0] ?? '';
      out += name;
      at += name.length;
    } else if (rest.startsWith('[')) {
      const length = classLength(rest);
      out += classOf(rest.slice(0, length), flags.i);
      at += length;
    } else if (rest.startsWith('\\')) {
      out += escapeOf(rest.charAt(1), rest);
      at += rest.startsWith('\\x{') ? rest.indexOf('}') + 1 : 2;
    } else {
      const letter = rest.charAt(0);
      if (letter === '(') groups.push(flags);
      if (letter === ')') flags = groups.pop() ?? flags;
      out +=
        letter === '.'
          ? flags.s
            ? String.raw`[\s\S]`
            : '.'
          : flags.i && /[a-zA-Z]/.test(letter)
            ? `[${letter.toLowerCase()}${letter.toUpperCase()}]`
            : letter;
      at += 1;
    }
  }
  return new RegExp(out, 'g');
}

function escapeOf(letter: string, rest: string): string {
  if (letter === 'z') return String.raw`(?![\s\S])`;
  if (letter === 'A') return String.raw`(?<![\s\S])`;
  if (letter === 'x' && rest.startsWith('\\x{')) {
    const code = Number.parseInt(rest.slice(3, rest.indexOf('}')), 16);
    if (code > 0xffff) throw new SyntaxError('a letter beyond the basic plane has no equal');
    return `\\u${code.toString(16).padStart(4, '0')}`;
  }
  if (/[CpPQE]/.test(letter)) throw new SyntaxError(`\\${letter} has no equal`);
  return `\\${letter}`;
}

function classLength(text: string): number {
  let at = text.startsWith('[^') ? 2 : 1;
  if (text.charAt(at) === ']') at += 1;
  while (at < text.length && text.charAt(at) !== ']') {
    const posix = /^\[:\^?\w+:\]/.exec(text.slice(at));
    at += posix === null ? (text.charAt(at) === '\\' ? 2 : 1) : posix[0].length;
  }
  return at + 1;
}

function classOf(text: string, ignoresCase: boolean): string {
  const isNot = text.startsWith('[^');
  let inner = text.slice(isNot ? 2 : 1, -1);
  // First of all, a bracket stands for itself.
  if (inner.startsWith(']')) inner = `\\${inner}`;
  inner = inner.replaceAll(/\[:(\w+):\]/g, (all, name: string) => {
    const letters = POSIX[name];
    if (letters === undefined) throw new SyntaxError(`${all} has no equal`);
    return letters;
  });
  const both = ignoresCase ? inner + otherCase(inner) : inner;
  return `[${isNot ? '^' : ''}${both}]`;
}

/** The letters and ranges of letters of a class in the other case. */
function otherCase(inner: string): string {
  const found = inner.replaceAll(/\\./g, '').match(/[a-z]-[a-z]|[A-Z]-[A-Z]|[a-zA-Z]/g) ?? [];
  return found.map((part) => (part === part.toLowerCase() ? part.toUpperCase() : part.toLowerCase())).join('');
}
