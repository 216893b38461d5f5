import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What one commit changes: path → content; null removes it. */
export type Delta = Readonly<Record<string, string | null>>;

export interface Repository {
  readonly dir: string;
  /** Commit ids, oldest first. */
  readonly commits: readonly string[];
  git(...args: readonly string[]): string;
  /** One more commit, also in the working tree. */
  commit(delta: Delta): string;
  end(): void;
}

/** A real repository with these commits, made in one go: hundreds of them take a fraction of a second. */
export function repositoryOf(deltas: readonly Delta[], options: { readonly checkout?: boolean } = {}): Repository {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-history-'));
  const git = (...args: readonly string[]): string =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
      cwd: dir,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
      maxBuffer: 1 << 28,
    }).trim();
  const importAll = (all: readonly Delta[], from: string | null): void => {
    const text = all.map((delta, i) => commitText(delta, i === 0 ? from : null)).join('');
    execFileSync('git', ['fast-import', '--quiet', '--force'], { cwd: dir, input: text, maxBuffer: 1 << 28 });
  };
  git('init', '-q', '-b', 'main');
  importAll(deltas, null);
  const checkout = (): void => void git('reset', '-q', '--hard', 'main');
  if (options.checkout !== false) checkout();
  return {
    dir,
    git,
    commits: git('rev-list', '--reverse', 'main').split('\n'),
    commit(delta) {
      importAll([delta], 'refs/heads/main^0');
      checkout();
      return git('rev-parse', 'HEAD');
    },
    end: () => rmSync(dir, { recursive: true, force: true }),
  };
}

function commitText(delta: Delta, from: string | null): string {
  const files = Object.entries(delta)
    // Removals first: a folder may become a file.
    .toSorted(([, a], [, b]) => Number(a !== null) - Number(b !== null))
    .map(([path, content]) =>
      content === null ? `D ${path}\n` : `M 100644 inline ${path}\ndata ${Buffer.byteLength(content)}\n${content}\n`,
    );
  const parent = from === null ? '' : `from ${from}\n`;
  return `commit refs/heads/main\ncommitter t <t@example.com> 0 +0000\ndata 1\nm\n${parent}${files.join('')}\n`;
}
