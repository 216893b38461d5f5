import { isPattern, named } from '../../core/changes/project.ts';
import type { Entry } from '../../ports/history.ts';
import type { Run } from './run.ts';
import { byPath } from './trees.ts';

/** The tree without anything in it, which git knows everywhere. */
const EMPTY = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';
/** The same where ids are SHA-256. */
const EMPTY_256 = '6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321';
/** Whatever the user's settings say. */
const RAW = ['--raw', '-z', '--no-renames', '--no-abbrev', '--no-ext-diff', '--ignore-submodules=none', '--relative'];

/**
 * Files with one of these names (or that fit a pattern), in any folder of the workspace: as what differs from nothing.
 * Git picks them by the ends of their names, which costs it less than to write down all paths, and us nothing.
 */
export async function filesNamed(run: Run, at: string, names: readonly string[]): Promise<Entry[]> {
  const isNamed = named(names);
  const { output } = await run(['diff', ...RAW, at.length === EMPTY_256.length ? EMPTY_256 : EMPTY, at, '--', ...endings(names)]);
  const found: Entry[] = [];
  // `:<mode> <mode> <id> <id> <status>\0<path>\0`, again and again.
  for (let start = 0; start < output.length;) {
    const end = output.indexOf('\0', start);
    const last = output.indexOf('\0', end + 1);
    const path = output.slice(end + 1, last);
    if (isNamed(path)) found.push(entryOf(path, output.slice(start, end)));
    start = last + 1;
  }
  return byPath(found);
}

/** `:<mode> <mode> <id> <id> <status>`; a mode of 12… is a link's, one of 16… another repository's. */
function entryOf(path: string, line: string): Entry {
  const id = line.slice(line.lastIndexOf(' ', line.length - 3) + 1, -2);
  const mode = line.slice(8, 10);
  return mode === '10' ? { path, id } : { path, id, link: mode === '12' ? 'link' : 'repository' };
}

/** The fewest patterns that let all of these through; `*` and an end is what git compares fastest. */
function endings(names: readonly string[]): string[] {
  const ends = new Set(names.map(endOf));
  return [...ends].filter((end) => ![...ends].some((other) => other !== end && isPlainEnd(other) && end.endsWith(other.slice(1))));
}

/** `package.json` → `*.json`, `Makefile` → `*Makefile`, `Dockerfile.*` → `*Dockerfile.*` */
function endOf(name: string): string {
  const tail = name.slice(Math.max(name.lastIndexOf('*'), name.lastIndexOf('?')) + 1);
  return `*${tail === '' ? name : tail.slice(Math.max(0, tail.lastIndexOf('.')))}`;
}

function isPlainEnd(end: string): boolean {
  return !isPattern(end.slice(1));
}
