import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

export type Colour = 'red' | 'green' | 'yellow' | 'blue' | 'dim' | 'bold';

/** Where a person or a script sits. Data goes to `out`, everything else to `err`. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Somebody is there to answer: input and messages are both at a terminal. */
  readonly canAsk: boolean;
  /** Messages may be painted over. */
  readonly canPaint: boolean;
  readonly columns: () => number;
  readonly rows: () => number;
  /** Colours messages, where colours are wanted. */
  colour(colour: Colour, text: string): string;
  /** One line typed in answer; null at the end of input. */
  ask(question: string): Promise<string | null>;
  /** Calls back on Ctrl-C until disposed; without a listener Ctrl-C ends the program. */
  onInterrupt(listener: () => void): () => void;
}

const CODES: Readonly<Record<Colour, readonly [number, number]>> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [36, 39],
  dim: [2, 22],
  bold: [1, 22],
};

export interface TerminalOptions {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };
  readonly env: NodeJS.ProcessEnv;
}

/** The terminal of this process. NO_COLOR, FORCE_COLOR, TERM=dumb and CI are heeded. */
export function processTerminal({ stdin, stdout, stderr, env }: TerminalOptions): Terminal {
  const isDumb = env['TERM'] === 'dumb';
  const isTTY = stderr.isTTY === true;
  const wantsColour =
    env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== ''
      ? false
      : env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '' && env['FORCE_COLOR'] !== '0'
        ? true
        : isTTY && !isDumb;
  const isCi = env['CI'] !== undefined && env['CI'] !== '' && env['CI'] !== 'false';
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    canAsk: stdin.isTTY === true && isTTY && !isCi,
    canPaint: isTTY && !isDumb && !isCi,
    columns: () => stderr.columns ?? 80,
    rows: () => stderr.rows ?? 24,
    colour: (colour, text) => (wantsColour && text !== '' ? `\u001b[${CODES[colour][0]}m${text}\u001b[${CODES[colour][1]}m` : text),
    ask: (question) => ask(stdin, stderr, question),
    onInterrupt(listener) {
      process.on('SIGINT', listener);
      process.on('SIGTERM', listener);
      return () => {
        process.off('SIGINT', listener);
        process.off('SIGTERM', listener);
      };
    },
  };
}

async function ask(input: Readable, output: Writable, question: string): Promise<string | null> {
  const reader = createInterface({ input, output, terminal: true });
  try {
    return await new Promise<string | null>((resolve) => {
      reader.on('close', () => resolve(null));
      reader.on('SIGINT', () => resolve(null));
      reader.question(question, resolve);
    });
  } finally {
    reader.close();
  }
}
