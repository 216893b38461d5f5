import type { Detected } from './look.ts';
import { stamped } from './stamp.ts';

/** Names of the variables that apps take from outside; no value is ever written. */
export function envExample(found: Detected): string {
  const users = new Map<string, string[]>();
  for (const app of found.apps)
    for (const value of Object.values(app.env))
      if (typeof value !== 'string') users.set(value.fromEnv, [...(users.get(value.fromEnv) ?? []), app.name]);
  const rows = [...users].toSorted(([a], [b]) => (a < b ? -1 : 1)).flatMap(([name, apps]) => [`# ${apps.join(', ')}`, `${name}=`]);
  const head = [
    '# Variables that the apps take from the control plane (fromEnv). Copy to .env and fill in; .env is never committed.',
    '# Load them before Sluice starts: set -a; . ./.env; set +a',
  ];
  return stamped('#', `${[...head, ...(rows.length === 0 ? ['# No app asks for any.'] : rows)].join('\n')}\n`);
}

export function dependabot(found: Detected): string {
  const unique = [
    ...new Map([
      ['github-actions .', { ecosystem: 'github-actions', folder: '.' }] as const,
      ...found.ecosystems.map((one) => [`${one.ecosystem} ${one.folder}`, one] as const),
    ]).values(),
  ];
  const entries = unique.flatMap(({ ecosystem, folder }) => [
    `  - package-ecosystem: ${ecosystem}`,
    `    directory: ${JSON.stringify(folder === '.' ? '/' : `/${folder}`)}`,
    '    schedule:',
    '      interval: weekly',
    '    groups:',
    '      all:',
    '        patterns: ["*"]',
    '        update-types: [minor, patch]',
  ]);
  return stamped('#', `${['version: 2', 'updates:', ...entries].join('\n')}\n`);
}

/** Nobody is named: only the team knows who. */
export function codeowners(found: Detected): string {
  const lines = [
    '# A hint: put teams or people here, and take the # away. What says how things are deployed deserves an owner.',
    '# /sluice.config.ts @your-org/platform',
    '# /.github/ @your-org/platform',
    ...[...new Set(found.apps.map((app) => app.folder))]
      .filter((folder) => folder !== '.')
      .map((folder) => `# /${folder.replaceAll(' ', String.raw`\ `)}/ @your-org/${folder.split('/').at(-1) ?? ''}`),
  ];
  return stamped('#', `${lines.join('\n')}\n`);
}
