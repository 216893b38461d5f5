import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { environmentOfGit, explained, notStarted } from './run.ts';

export interface GitObject {
  readonly type: string;
  /** What git said: its content lies from `start` to `end`, and what it is from `at` on. */
  readonly bytes: Buffer;
  readonly at: number;
  readonly start: number;
  readonly end: number;
}

export function idOf({ bytes, at }: GitObject): string {
  return bytes.toString('latin1', at, at + (bytes[at + SHORT] === SPACE ? SHORT : LONG));
}

/** Length of its id, as trees have it. */
export function idLengthOf({ bytes, at }: GitObject): number {
  return (bytes[at + SHORT] === SPACE ? SHORT : LONG) / 2;
}

/** Takes an object as it comes; null: there is none of this name. `i`: its place among those asked for. */
export type Take = (object: GitObject | null, i: number) => void;

/** Reads objects of a repository by name: an id, `main^{tree}`, `HEAD:./` (the folder it is asked in). */
export interface Objects {
  /** Each in the order asked for. More may be asked for meanwhile. @throws UserError, OutsideError as git's messages say. */
  each(names: readonly string[], take: Take): Promise<void>;
}

interface Asked {
  readonly names: readonly string[];
  readonly take: Take;
  next: number;
  done(error?: Error): void;
}

/** How long git is kept when nothing is asked of it; what is asked after that is asked of another. */
const IDLE_MS = 300;
/** So many are asked for before the answers have to begin to come. */
const TOGETHER = 256;
/** What git exits with when it does not know how it was called. */
const USAGE = 129;

/**
 * One git process answers everything, while anything is asked. It holds no program up: it ends with it, and when it was
 * not asked for a while.
 */
export function gitObjects(dir: string): Objects {
  let talk: Talk | null = null;
  /** Before git 2.36 it answers each at once, which takes longer. */
  let isOld = false;
  const ask = (asked: Asked): void => {
    talk ??= startTalk(dir, isOld, (begun, code) => {
      if (talk === begun) talk = null;
      const waiting = begun.waiting.splice(0);
      if (isOld || code !== USAGE) return waiting;
      isOld = true;
      for (const one of waiting) ask(one);
      return [];
    });
    talk.ask(asked);
  };
  return {
    each(names, take) {
      if (names.length === 0) return Promise.resolve();
      return new Promise((resolve, reject) => {
        ask({ names, take, next: 0, done: (error) => (error === undefined ? resolve() : reject(error)) });
      });
    },
  };
}

interface Talk {
  readonly waiting: Asked[];
  ask(asked: Asked): void;
}

/** `over`: nothing more is to be asked of it; of those that wait for an answer, those that will get none. */
function startTalk(dir: string, isOld: boolean, over: (talk: Talk, code: number | null) => readonly Asked[]): Talk {
  const args = isOld ? ['cat-file', '--batch'] : ['cat-file', '--batch-command', '--buffer'];
  const child = spawn('git', args, { cwd: dir, env: environmentOfGit({}), stdio: ['pipe', 'pipe', 'pipe'] });
  const waiting: Asked[] = [];
  const errors: Buffer[] = [];
  let isHeld = true;
  let idle: NodeJS.Timeout | undefined;
  const look = (): void => {
    if (isHeld !== waiting.length > 0) hold(child, (isHeld = !isHeld));
    clearTimeout(idle);
    if (!isHeld) idle = setTimeout(leave, IDLE_MS).unref();
  };
  const talk: Talk = {
    waiting,
    ask(asked) {
      waiting.push(asked);
      look();
      const { names } = asked;
      for (let at = 0; at < names.length; at += TOGETHER) child.stdin.write(question(names.slice(at, at + TOGETHER), isOld));
    },
  };
  const leave = (): void => {
    over(talk, 0);
    child.stdin.end();
  };
  const fail = (code: number | null, error: Error): void => {
    clearTimeout(idle);
    for (const one of over(talk, code)) one.done(error);
  };
  const take = answers((object) => answered(waiting, object));
  child.stdout.on('data', (chunk: Buffer) => {
    try {
      take(chunk);
    } catch (error) {
      fail(0, error instanceof Error ? error : new Error(String(error)));
      child.kill();
    }
    look();
  });
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  child.stdin.on('error', () => undefined); // it ended; its exit code says why
  child.on('error', (error: NodeJS.ErrnoException) => fail(0, error.code === 'ENOENT' ? notStarted(dir, error) : error));
  child.on('close', (code) => {
    fail(code, explained(dir, args, { code: code ?? 255, errors: Buffer.concat(errors).toString('utf8').trim() }));
  });
  return talk;
}

/** An object of a name that is no name: it is asked for all the same, as the answers are told apart by their order. */
const NOTHING = '^{nothing}';

function question(names: readonly string[], isOld: boolean): string {
  const lines = names.map((name) => (name === '' || /[\n\0]/.test(name) ? NOTHING : name));
  return isOld ? `${lines.join('\n')}\n` : `contents ${lines.join('\ncontents ')}\nflush\n`;
}

function answered(waiting: Asked[], object: GitObject | null): void {
  const [first] = waiting;
  if (first === undefined) return;
  const place = first.next;
  first.next += 1;
  first.take(object, place);
  if (first.next < first.names.length) return;
  waiting.shift();
  first.done();
}

/** Whether the program waits for this process before it ends. */
function hold(child: ChildProcessWithoutNullStreams, on: boolean): void {
  const pipes = [child.stdin, child.stdout, child.stderr].filter((pipe) => pipe instanceof Socket);
  for (const one of [child, ...pipes]) {
    if (on) one.ref();
    else one.unref();
  }
}

const SPACE = 32;
const LINE = 10;
const ZERO = 48;
/** Letters of an id: SHA-1 or SHA-256. */
const SHORT = 40;
const LONG = 64;
/** By the second letter, as `tag` and `tree` begin alike. */
const TYPES: Readonly<Record<number, string>> = { 97: 'tag', 108: 'blob', 111: 'commit', 114: 'tree' };

/** Makes objects of `<id> <type> <size>\n<content>\n`, or `<name> missing\n`, in whatever pieces they come. */
export function answers(found: (object: GitObject | null) => void): (chunk: Buffer) => void {
  let rest: Buffer | null = null;
  /** One that is larger than a piece, while it comes. */
  let large: { readonly object: GitObject; filled: number } | null = null;
  return (chunk) => {
    let at = 0;
    if (large !== null) {
      const { object } = large;
      at = chunk.copy(object.bytes, large.filled);
      large.filled += at;
      if (large.filled < object.bytes.length) return;
      large = null;
      found(object);
    }
    const block: Buffer = rest === null ? chunk : Buffer.concat([rest, chunk]);
    rest = null;
    while (at < block.length) {
      const line = block.indexOf(LINE, at);
      if (line < 0) {
        rest = block.subarray(at);
        return;
      }
      const [type, size] = [typeAt(block, at), sizeAt(block, line)];
      const start = line + 1;
      if (type === undefined || size < 0) {
        found(null);
        at = start;
        continue;
      }
      const end = start + size;
      if (end >= block.length) {
        const bytes = Buffer.allocUnsafe(end + 1 - at);
        large = { object: { type, bytes, at: 0, start: start - at, end: end - at }, filled: block.copy(bytes, 0, at) };
        return;
      }
      found({ type, bytes: block, at, start, end });
      at = end + 1;
    }
  };
}

/** The type of the object whose line begins there; undefined when it is another line: `<name> missing`. */
function typeAt(block: Buffer, at: number): string | undefined {
  const space = block[at + SHORT] === SPACE ? at + SHORT : at + LONG;
  const type = TYPES[block[space + 2] ?? 0];
  return type !== undefined && block[space] === SPACE && block[space + 1 + type.length] === SPACE ? type : undefined;
}

/** The number that a line ends with; -1: it ends with something else. */
function sizeAt(block: Buffer, line: number): number {
  let [size, at, unit] = [0, line - 1, 1];
  for (; block[at] !== SPACE; at -= 1) {
    const figure = (block[at] ?? 0) - ZERO;
    if (figure < 0 || figure > 9) return -1;
    size += figure * unit;
    unit *= 10;
  }
  return size;
}
