import { type BackupPolicy, USUAL_POLICY } from '../../core/backup/policy.ts';
import type { BackupConfig } from '../schema/backup.ts';
import { ms } from '../schema/values.ts';
import type { Config } from '../schema/workspace.ts';

/** The control plane's own database where the configuration says nothing. */
const OWN = 'sluice';
/** Where our own events lie in it. */
export const OWN_EVENTS = { table: 'sluice.event', position: 'position' };

/** Sources by name. Without a configuration: the control plane's own database, taken only when asked. */
export function backupSources(config: Pick<Config, 'backups'> | null): {
  readonly sources: Readonly<Record<string, BackupConfig>>;
  readonly isScheduled: boolean;
} {
  const sources = config?.backups;
  return sources === undefined ? { sources: { [OWN]: { adapter: 'embedded' } }, isScheduled: false } : { sources, isScheduled: true };
}

export function policyOf(config: BackupConfig): BackupPolicy {
  const { schedule, keep, objectives, drill, heartbeatMs } = USUAL_POLICY;
  const or = (value: string | number | undefined, usual: number) => (value === undefined ? usual : ms(value));
  return {
    schedule: { betweenMs: or(config.every, schedule.betweenMs), fullMs: or(config.full, schedule.fullMs) },
    keep: { fullsMs: or(config.keep?.fulls, keep.fullsMs), pointInTimeMs: or(config.keep?.pointInTime, keep.pointInTimeMs) },
    objectives: {
      rtoMs: or(config.objectives?.recoveryTime, objectives.rtoMs),
      rpoMs: or(config.objectives?.recoveryPoint, objectives.rpoMs),
    },
    drill: { everyMs: or(config.drillEvery, drill.everyMs), isScheduled: config.drills !== 'asked' },
    heartbeatMs: or(config.heartbeat, heartbeatMs),
  };
}
