import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../src/cli/command-table.ts';

const root = join(import.meta.dirname, '..');
const commands = new Map(await Promise.all(COMMANDS.map(async ({ path, load }) => [path.join(' '), (await load()).options] as const)));
const COMMON = ['--json', '--no-input', '-C', '--workspace', '-h', '--help'];

/** `| [1](0001-name.md) | date | status | title |` */
const ROW = /^\| \[(\d+)\]\(([^)]+)\) \| \d{4}-\d\d-\d\d \| (.+?) \| (.+) \|$/gm;

/** Pages that people read; what is made from source is compared with it elsewhere. */
async function pages(): Promise<{ path: string; text: string }[]> {
  const inDocs = (await readdir(join(root, 'docs'), { recursive: true }))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`);
  const paths = ['README.md', 'CONTRIBUTING.md', 'examples/harbour/README.md', ...inDocs];
  return Promise.all(paths.map(async (path) => ({ path, text: await readFile(join(root, path), 'utf8') })));
}

describe('documentation', () => {
  it('names only what the Makefile can make, and the Makefile explains what it offers', async () => {
    const makefile = await readFile(join(root, 'Makefile'), 'utf8');
    const targets = [...makefile.matchAll(/^([a-z]+):/gm)].map((match) => match[1]);
    expect(targets).toEqual(expect.arrayContaining(['help', 'demo', 'test', 'bench', 'soak', 'build', 'clean']));
    const unknown = (await pages()).flatMap(({ path, text }) =>
      named(text, /(?:^|`)make ([a-z]+)/gm)
        .filter((name) => !targets.includes(name))
        .map((name) => `${path}: make ${name}`),
    );
    expect(unknown).toEqual([]);
  });

  it('names only commands and options that there are', async () => {
    const lines = (await pages()).flatMap(({ path, text }) =>
      named(text, /(?:^|`|\$ |\| )sluice ([^`\n|#;&]+)/gm).map((line) => ({ path, line })),
    );
    expect(lines.length).toBeGreaterThan(20);
    expect(lines.flatMap(({ path, line }) => mistakesIn(line).map((mistake) => `${path}: sluice ${line}: ${mistake}`))).toEqual([]);
  });

  it('leads nowhere that is not there', async () => {
    const links = (await pages()).flatMap(({ path, text }) =>
      named(text, /\]\(([^)#:]+)(?:#[^)]*)?\)/g).map((to) => join(root, dirname(path), to)),
    );
    expect(links.length).toBeGreaterThan(10);
    const missing = await Promise.all(links.map(async (to) => ((await stat(to).catch(() => null)) === null ? [relative(root, to)] : [])));
    expect(missing.flat()).toEqual([]);
  });

  it('docs/README.md leads to every page', async () => {
    const index = await readFile(join(root, 'docs/README.md'), 'utf8');
    const names = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md') && name !== 'README.md');
    expect(names.filter((name) => !index.includes(`](${name})`))).toEqual([]);
  });

  it('docs/decisions/README.md has a row for every decision: number, date, status, title', async () => {
    const folder = join(root, 'docs/decisions');
    const index = await readFile(join(folder, 'README.md'), 'utf8');
    const rows = new Map([...index.matchAll(ROW)].map(([, number, file, status, title]) => [file, { number, status, title }]));
    const names = (await readdir(folder)).filter((name) => /^\d/.test(name));
    for (const name of names) {
      const text = await readFile(join(folder, name), 'utf8');
      const [, number, title] = /^# (\d+)\. (.+)$/m.exec(text) ?? [];
      const by = /Superseded by \[(\d+)\]/.exec(text)?.[1];
      const supersedes = /Supersedes \[(\d+)\]/.exec(text)?.[1];
      expect({ name, number: Number(number) }).toEqual({ name, number: Number(name.slice(0, 4)) });
      expect({ name, ...rows.get(name) }).toMatchObject({ name, number, title });
      if (by !== undefined) expect({ name, ...rows.get(name) }).toMatchObject({ status: expect.stringContaining(`superseded by [${by}]`) });
      if (supersedes !== undefined)
        expect({ name, ...rows.get(name) }).toMatchObject({ status: expect.stringContaining(`supersedes [${supersedes}]`) });
    }
    expect([...rows.keys()].filter((name) => !names.includes(name ?? ''))).toEqual([]);
  });
});

function named(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => (match[1] ?? '').trim());
}

function mistakesIn(line: string): string[] {
  const words = line.split(/\s+/);
  const name = [words.slice(0, 2).join(' '), words[0] ?? ''].find((one) => commands.has(one));
  if (name === undefined)
    return words[0] === 'help' || words[0]?.startsWith('-') === true || words[0] === '…' || isGroup(words)
      ? []
      : ['there is no such command'];
  const known = [...COMMON, ...(commands.get(name) ?? []).flatMap(({ short, long }) => [short, long])];
  return words.filter((word) => /^--?[a-z]/i.test(word) && !known.includes(word.split('=')[0])).map((word) => `there is no option ${word}`);
}

/** The name of several commands, with nothing after it: "see sluice db". */
function isGroup(words: readonly string[]): boolean {
  return (words.length === 1 || words[1] === '…') && [...commands.keys()].some((name) => name.startsWith(`${words[0]} `));
}
