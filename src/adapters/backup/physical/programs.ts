import type { Owner } from './copy-in.ts';

/** What runs PostgreSQL on this machine; handed in by the composition root. */
export interface Programs {
  /** Path of a program of PostgreSQL (`pg_ctl`, `pg_basebackup`) for this major version; null when it is not installed. */
  find(program: string, major: number | null): Promise<string | null>;
  /** Run to its end as the user that PostgreSQL runs as. Never rejects on a bad exit code. */
  run(
    program: string,
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<{ readonly code: number; readonly output: string }>;
  /** Null = ourselves. */
  readonly owner: Owner;
  /** Whether that user can enter this folder and every folder above it. */
  canEnter(folder: string): Promise<boolean>;
}
