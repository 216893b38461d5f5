import type { BackupKind } from '../../../core/backup/catalog.ts';

export interface Place {
  readonly stanza: string;
  readonly configFile: string;
}

const common = ({ stanza, configFile }: Place): string[] => [
  `--config=${configFile}`,
  `--stanza=${stanza}`,
  '--log-level-console=warn',
  '--log-level-file=off',
];

/** Each command as its arguments; nothing is run here. */
export const commands = {
  info: ({ stanza, configFile }: Place): string[] => [
    `--config=${configFile}`,
    `--stanza=${stanza}`,
    '--output=json',
    '--log-level-console=error',
    '--log-level-file=off',
    'info',
  ],
  createStanza: (place: Place): string[] => [...common(place), 'stanza-create'],
  check: (place: Place): string[] => [...common(place), 'check'],
  backup: (place: Place, kind: BackupKind, repo: number): string[] => [
    ...common(place),
    `--type=${kind}`,
    `--repo=${repo}`,
    '--start-fast',
    'backup',
  ],
  verify: (place: Place): string[] => [
    ...common(place).map((arg) => (arg.startsWith('--log-level-console') ? '--log-level-console=info' : arg)),
    'verify',
  ],
  expire: (place: Place, set: string): string[] => [...common(place), `--set=${set}`, 'expire'],
  restore: (place: Place, request: { readonly data: string; readonly set: string; readonly to: number | null }): string[] => [
    ...common(place),
    `--pg1-path=${request.data}`,
    `--set=${request.set}`,
    // Or the copy would push its own log into the store of the source.
    '--archive-mode=off',
    ...(request.to === null
      ? ['--type=default']
      : ['--type=time', `--target=${new Date(request.to).toISOString().replace('T', ' ').replace('Z', '+00')}`, '--target-action=promote']),
    'restore',
  ],
};
