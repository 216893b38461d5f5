/** The signs of the live screen. Both sets have the same widths, so that no frame moves. */
export interface Marks {
  readonly done: string;
  readonly failed: string;
  readonly paused: string;
  readonly pending: string;
  readonly waits: string;
  /** One a painting, in turn, so that it is seen to be alive. */
  readonly progressing: readonly string[];
  readonly full: string;
  readonly empty: string;
  /** From low to high. */
  readonly bars: string;
  /** No value in a trend. */
  readonly none: string;
  readonly ask: string;
  /** The text with what the terminal cannot show replaced, sign by sign. */
  readonly plain: (text: string) => string;
}

const UNICODE: Marks = {
  done: '✓',
  failed: '✗',
  paused: '‖',
  pending: '○',
  waits: '◇',
  progressing: ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'],
  full: '█',
  empty: '░',
  bars: '▁▂▃▄▅▆▇█',
  none: '·',
  ask: '→',
  plain: (text) => text,
};

const REPLACED: Readonly<Record<string, string>> = {
  '−': '-',
  '×': 'x',
  '·': ',',
  '–': '-',
  '▸': '>',
  '✓': '+',
  '→': '>',
  '…': '.',
  '“': '"',
  '”': '"',
  '∞': '*',
};

const ASCII: Marks = {
  done: '+',
  failed: 'x',
  paused: '=',
  pending: '.',
  waits: '?',
  progressing: ['|', '/', '-', '\\'],
  full: '#',
  empty: '-',
  bars: '_.-=+*%#',
  none: ' ',
  ask: '>',
  plain: (text) => text.replaceAll(/[−×·–▸✓→…“”∞\u00a0]/g, (sign) => REPLACED[sign] ?? ' '),
};

/** ASCII where the locale is not UTF-8, or `SLUICE_ASCII=1` asks for it. */
export function marksOf(env: Readonly<Record<string, string | undefined>>): Marks {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '';
  const wantsAscii = env['SLUICE_ASCII'] === '1' || (locale !== '' && !/utf-?8/i.test(locale));
  return wantsAscii ? ASCII : UNICODE;
}
