import { SluiceError } from '../../../core/errors.ts';
import { clockCheck, type Finding, machineChecks } from '../../view/findings.ts';
import { EXIT } from '../../session/exit.ts';
import { command, type Session } from '../../session/session.ts';
import { table } from '../../view/words.ts';

export const doctor = command<object>({
  help: 'Exit code 1 when something fails; warnings do not count.',
  options: [],
  async run(session) {
    const [machine, controlPlane] = await Promise.all([
      session
        .workspace()
        .catch(() => '.')
        .then((dir) => machineChecks(session.env, dir)),
      controlPlaneChecks(session),
    ]);
    // A local control plane looks at the same machine: what it says of it is known already.
    const known = new Set(machine.map((one) => one.name));
    const findings = [...machine, ...controlPlane.filter((one) => !known.has(one.name))];
    const failed = findings.filter((one) => one.status === 'fail').length;
    const colours = { ok: 'green', warn: 'yellow', fail: 'red' } as const;
    const rows = findings.map(({ name, status, message, hint }) => [
      session.terminal.colour(colours[status], status),
      name,
      hint === null ? message : `${message}. ${hint}`,
    ]);
    const exit = failed === 0 ? EXIT.ok : EXIT.error;
    return { exit, data: { findings, exitCode: exit }, text: table(rows).join('\n') };
  },
});

async function controlPlaneChecks(session: Session): Promise<Finding[]> {
  const name = 'control plane';
  try {
    const client = await session.client();
    const before = session.now();
    const health = await client.get<{ version: string; now: number; pid: number }>('/v1/health');
    const after = session.now();
    const { findings } = await client.get<{ findings: Finding[] }>('/v1/doctor');
    const isSame = health.version === session.version;
    const version: Finding = {
      name,
      status: isSame ? 'ok' : 'warn',
      message: `answers at ${client.target().url}, version ${health.version}${isSame ? '' : `, while this program is ${session.version}`}`,
      hint: isSame ? null : 'Use the same version on both sides.',
    };
    const theirs = client.target().isLocal ? findings : findings.map((one) => ({ ...one, name: `there: ${one.name}` }));
    return [version, clockCheck(after, health.now, after - before), ...theirs];
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return [{ name, status: 'fail', message: `${error.message} (${error.code})`, hint: error.hint }];
  }
}
