import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Option } from 'commander';
import { SluiceError, UserError } from '../../../core/errors.ts';
import { announce, claim, withdraw } from '../../control-plane/claim.ts';
import { EXIT } from '../../session/exit.ts';
import { watchRecord } from '../../control-plane/record-watch.ts';
import { unitFolder, unitName, unitSteps, unitText } from '../../control-plane/unit.ts';
import { ensureLocal, REPORTS, type StartReport } from '../../control-plane/local.ts';
import { type Answer, command, numberOf, type Session } from '../../session/session.ts';

interface ServerOptions {
  readonly host?: string;
  readonly port?: string;
  readonly databaseUrl?: string;
  readonly publicUrl?: string;
  readonly detach?: boolean;
  readonly installUnit?: boolean | string;
}

export const server = command<ServerOptions>({
  help: [
    'Other commands start one by themselves where none runs; this is for running it under a supervisor, with a',
    'database of your own, or for others to reach. Log lines (JSON) go to stderr. Ends on SIGTERM or Ctrl-C;',
    'releases under way go on when it is started again, apps and edges keep serving meanwhile.',
    '',
    '  $ sluice server --detach',
    '  $ SLUICE_DATABASE_URL=postgres://… SLUICE_TOKEN=… sluice server --host 0.0.0.0 --port 4700',
  ].join('\n'),
  options: [
    new Option('--host <address>', 'address to listen on (127.0.0.1)'),
    new Option('--port <number>', 'port to listen on (any free one)'),
    new Option('--database-url <url>', 'PostgreSQL to use (or SLUICE_DATABASE_URL; otherwise an embedded one)'),
    new Option('--public-url <url>', 'where people and webhooks reach it, when that is not its own address (or SLUICE_PUBLIC_URL)'),
    new Option('--install-unit [folder]', 'write a systemd unit that runs it from now on, also after a reboot, and say what to do with it'),
    new Option('--detach', 'start it in the background, unless it runs already'),
  ],
  async run(session, { options }) {
    if (options.installUnit !== undefined && options.installUnit !== false) return installUnit(session, options.installUnit);
    return options.detach === true ? inBackground(session, options) : inForeground(session, options);
  },
});

async function inBackground(session: Session, options: ServerOptions): Promise<Answer> {
  const { host, port, databaseUrl, publicUrl } = options;
  const args = [...given('--host', host), ...given('--port', port), ...given('--public-url', publicUrl)];
  // Not as an argument: every user of the machine can read those.
  const env = databaseUrl === undefined ? session.env : { ...session.env, SLUICE_DATABASE_URL: databaseUrl };
  const target = await ensureLocal({
    workspace: await session.workspace(),
    version: session.version,
    self: session.self,
    env,
    say: session.say,
    args,
  });
  return { exit: EXIT.ok, data: { url: target.url }, text: `The control plane answers at ${target.url}` };
}

/** Writes the unit and starts nothing: what runs now ends only when somebody says so. */
async function installUnit(session: Session, where: true | string): Promise<Answer> {
  const isRoot = process.getuid?.() === 0;
  const options = { workspace: await session.workspace(), self: session.self, env: session.env, isRoot };
  const path = join(where === true ? unitFolder(options) : resolve(where), unitName(options));
  const text = unitText(options);
  const steps = unitSteps(options);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  const lines = [text, `Written to ${path}. Next:`, ...steps.map((step) => `  ${step}`)];
  return { exit: EXIT.ok, data: { path, text, steps, exitCode: EXIT.ok }, text: lines.join('\n') };
}

function given(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [name, value];
}

async function inForeground(session: Session, options: ServerOptions): Promise<Answer> {
  const parent = session.env[REPORTS] === '1' ? reportToParent() : null;
  try {
    const workspaceDir = await session.workspace();
    const port = options.port === undefined ? undefined : numberOf('--port', options.port, 4700);
    if (port !== undefined && port > 65_535) throw new UserError('USAGE', `there is no port ${port}`, 'Ports go up to 65535.');
    const databaseUrl = options.databaseUrl ?? (session.env['SLUICE_DATABASE_URL'] || undefined);
    const token = session.env['SLUICE_TOKEN'] || undefined;
    const publicUrl = options.publicUrl ?? (session.env['SLUICE_PUBLIC_URL'] || undefined);
    if (publicUrl !== undefined && !/^https?:\/\/[^/@\s]+\/?$/.test(publicUrl))
      throw new UserError('USAGE', `--public-url ${publicUrl} is not an address`, 'For example https://sluice.example.com.');
    // With a database of its own a supervisor may run several.
    if (parent !== null || databaseUrl === undefined) await claim(workspaceDir);
    // Only here, and only now: everything else is a client and needs neither engine nor adapters.
    const { createControlPlane } = await import('../../../compose/control-plane.ts');
    let end = (_how: { readonly all: boolean }): void => {};
    const ended = new Promise<{ readonly all: boolean }>((resolve) => {
      end = resolve;
    });
    const progress = (message: string): void => {
      if (parent === null) session.say(message);
      else parent({ kind: 'progress', message });
    };
    const controlPlane = await createControlPlane({
      workspaceDir,
      version: session.version,
      onProgress: progress,
      onShutdown: end,
      writeLog: session.terminal.err,
      ...(options.host === undefined ? {} : { host: options.host }),
      ...(port === undefined ? {} : { port }),
      ...(databaseUrl === undefined ? {} : { databaseUrl }),
      ...(token === undefined ? {} : { token }),
      ...(publicUrl === undefined ? {} : { publicUrl }),
      isBackground: parent !== null,
    });
    const dispose = session.terminal.onInterrupt(() => end({ all: false }));
    await announce(workspaceDir, { url: controlPlane.url, token: controlPlane.token, version: session.version });
    if (parent === null) session.say(`The control plane of ${workspaceDir} answers at ${controlPlane.url}`);
    else parent({ kind: 'ready' });
    const unwatch = await watchRecord(workspaceDir, databaseUrl === undefined, () => {
      session.say(`${workspaceDir}/.sluice has been deleted: this control plane ends`);
      end({ all: false });
    });
    const { all } = await ended;
    unwatch();
    await withdraw(workspaceDir);
    await (all ? controlPlane.closeAll() : controlPlane.close());
    dispose();
    return { exit: EXIT.ok, data: { url: controlPlane.url }, text: '' };
  } catch (error) {
    if (error instanceof SluiceError)
      parent?.({
        kind: 'failed',
        blame: error.blame === 'user' ? 'user' : 'outside',
        code: error.code,
        message: error.message,
        hint: error.hint,
      });
    throw error;
  }
}

/** The program that started this one in the background and waits to hear how it goes; null when there is none. */
function reportToParent(): ((report: StartReport) => void) | null {
  if (process.send === undefined) return null;
  // The one who started us may be gone at any time; we are not there for them.
  process.on('error', () => {});
  return (report) => {
    if (process.connected !== true) return;
    process.send?.(report, () => {
      if (report.kind !== 'progress' && process.connected === true) process.disconnect();
    });
  };
}
