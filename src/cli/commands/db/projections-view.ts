import type { ProjectionStatus } from '../../../ports/projections.ts';
import type { Client } from '../../control-plane/client.ts';
import type { Session } from '../../session/session.ts';
import { count, duration, minute, table } from '../../view/words.ts';

export const projectionsOf = async (client: Client, environment: string): Promise<readonly ProjectionStatus[]> =>
  (await client.get<{ projections: readonly ProjectionStatus[] }>(`/v1/projections/${environment}`)).projections;

/** `61 %, 210,000 events/s, 12s to go` */
export function progressWords({ progress, phase }: ProjectionStatus): string {
  if (progress === null) return phase;
  const rate = progress.rate === null || progress.rate === 0 ? '' : `, ${count(progress.rate)} events/s`;
  const eta = progress.etaMs === null || progress.share >= 1 ? '' : `, ${duration(progress.etaMs)} to go`;
  return `${phase === 'paused' ? 'paused at ' : ''}${Math.floor(progress.share * 100)} %${rate}${eta}`;
}

function stateWords(session: Session, status: ProjectionStatus): string {
  const { colour } = session.terminal;
  if (status.phase === 'notBuilt') return status.error === null ? 'not built: sluice db rebuild' : `out of reach: ${status.error}`;
  if (status.phase === 'stopped') return `${colour('red', 'stopped')}: ${status.error ?? ''}`;
  if (status.phase !== 'tail') return progressWords(status);
  const dead = status.deadLetters === 0 ? '' : colour('red', `, ${count(status.deadLetters)} events not applied`);
  const kept = status.keptUntil === null ? '' : `, kept until ${minute(status.keptUntil)}`;
  const verified = status.verified === null ? ', not verified' : status.verified ? ', verified' : colour('red', ', not right');
  return `up to date${status.live ? '' : verified}${kept}${dead}`;
}

export function projectionLines(session: Session, statuses: readonly ProjectionStatus[]): string[] {
  if (statuses.length === 0) return ['No projections. docs/projections.md shows how to make one.'];
  return table(
    statuses.map((status) => [
      status.live ? session.terminal.colour('green', 'live') : '',
      status.name,
      `v${status.version}`,
      stateWords(session, status),
    ]),
  );
}
