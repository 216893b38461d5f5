import { git, pathsOf } from './git.ts';

const ENV_FILE = /(^|\/)\.env(\.(?!example$|sample$|template$|dist$|defaults?$|test$|ci$|schema$)[\w.-]+)?$/;

export interface EnvFileProblem {
  readonly path: string;
  readonly problem: 'tracked' | 'notIgnored';
}

/** Env files hold secrets: none may be tracked, and each that there is, and `.env` itself, must be ignored. */
export async function envFileProblems(dir: string): Promise<readonly EnvFileProblem[]> {
  const [tracked, untracked] = await Promise.all([
    git(dir, ['ls-files', '-z', '--', '.env*', '**/.env*']),
    git(dir, ['ls-files', '-z', '--others', '--exclude-standard', '--', '.env*', '**/.env*']),
  ]);
  const isThere = pathsOf(tracked).filter((path) => ENV_FILE.test(path));
  const open = new Set(pathsOf(untracked).filter((path) => ENV_FILE.test(path)));
  if (!isThere.includes('.env') && (await git(dir, ['check-ignore', '--', '.env'], { accept: [1] })).length === 0) open.add('.env');
  return [
    ...isThere.map((path): EnvFileProblem => ({ path, problem: 'tracked' })),
    ...[...open].map((path): EnvFileProblem => ({ path, problem: 'notIgnored' })),
  ];
}
