import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

/** squawk-cli, a linter for PostgreSQL migrations, as npm has it. */
const VERSION = '2.66.0';

/** Rules of taste, which say nothing about a database in use: they would be alarms on nearly every safe statement. */
const TASTE = [
  'require-lock-timeout',
  'require-statement-timeout',
  'require-timeout-settings',
  'prefer-robust-stmts',
  'prefer-bigint-over-int',
  'prefer-bigint-over-smallint',
  'prefer-identity',
  'prefer-text-field',
  'prefer-timestamptz',
  'ban-char-field',
  'require-table-schema',
];

/** Entry → names of the rules that squawk found; null when it cannot be had here. */
export async function squawk(
  entries: readonly { readonly id: string; readonly sql: string }[],
): Promise<ReadonlyMap<string, readonly string[]> | null> {
  const dir = await mkdtemp(join(tmpdir(), 'squawk-'));
  try {
    const files = await Promise.all(
      entries.map(async ({ id, sql }) => {
        const file = join(dir, `${id}.sql`);
        await writeFile(file, `${sql};\n`);
        return file;
      }),
    );
    const args = [
      'exec',
      '--yes',
      `--package=squawk-cli@${VERSION}`,
      '--',
      'squawk',
      '--reporter=json',
      '--pg-version=15.0',
      `--exclude=${TASTE.join(',')}`,
    ];
    const output = await new Promise<string | null>((resolve) => {
      execFile('npm', [...args, ...files], { cwd: dir, maxBuffer: 64 << 20 }, (_error, stdout) =>
        resolve(stdout.trimStart().startsWith('[') ? stdout : null),
      );
    });
    if (output === null) return null;
    const found = JSON.parse(output) as { file: string; rule_name: string }[];
    const byEntry = new Map<string, string[]>(entries.map(({ id }) => [id, []]));
    for (const { file, rule_name: rule } of found) byEntry.get(basename(file, '.sql'))?.push(rule);
    return byEntry;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
