import { basename, join } from 'node:path';

/** What a systemd unit of a workspace's control plane is made from. */
export interface UnitOptions {
  readonly workspace: string;
  /** argv of this program, absolute. */
  readonly self: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly isRoot: boolean;
}

/** Name of the unit: one a workspace, told by its folder. */
export function unitName({ workspace }: Pick<UnitOptions, 'workspace'>): string {
  return `sluice-${basename(workspace).replaceAll(/[^A-Za-z0-9_.-]/g, '-') || 'workspace'}.service`;
}

/** Where systemd looks for it: the machine's units for root, the user's own otherwise. */
export function unitFolder({ env, isRoot }: Pick<UnitOptions, 'env' | 'isRoot'>): string {
  if (isRoot) return '/etc/systemd/system';
  return join(env['XDG_CONFIG_HOME'] || join(env['HOME'] ?? '/', '.config'), 'systemd', 'user');
}

/**
 * The unit. `KillMode=process`, because systemd otherwise ends every process that a service has started, apps and edges included;
 * `PATH` as it is now, because apps are found by it and systemd's own is short.
 */
export function unitText({ workspace, self, env, isRoot }: UnitOptions): string {
  return `[Unit]
Description=Sluice control plane of ${specifiers(workspace)}
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
WorkingDirectory=${specifiers(workspace)}
ExecStart=${[...self, 'server', '--workspace', workspace].map(argument).join(' ')}
Environment=${argument(`PATH=${env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin'}`)}
EnvironmentFile=-${specifiers(join(workspace, '.sluice', 'server.env'))}
KillMode=process
Restart=always
RestartSec=2

[Install]
WantedBy=${isRoot ? 'multi-user.target' : 'default.target'}
`;
}

/** What people do next, one command a line. */
export function unitSteps(options: Pick<UnitOptions, 'workspace' | 'isRoot'>): readonly string[] {
  const systemctl = options.isRoot ? 'systemctl' : 'systemctl --user';
  return [
    'sluice down',
    `${systemctl} daemon-reload`,
    `${systemctl} enable --now ${unitName(options)}`,
    ...(options.isRoot ? [] : ['loginctl enable-linger']),
  ];
}

/** systemd.unit(5): `%` begins a specifier everywhere. */
function specifiers(text: string): string {
  return text.replaceAll('%', '%%');
}

/** systemd.service(5), Command lines: in quotes, where \\ and " are escaped, and $ would be a variable. */
function argument(text: string): string {
  return `"${specifiers(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '$$$$')}"`;
}
