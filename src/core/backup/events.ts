import type { BackupRecord, Finding } from './catalog.ts';
import type { Evidence } from './drill.ts';

/** What happens to the backups of one source; stream `backup/<source>` of the event log. */
export type BackupEvent =
  | { readonly type: 'BackupTaken'; readonly source: string; readonly backup: BackupRecord }
  | { readonly type: 'BackupFailed'; readonly source: string; readonly code: string; readonly message: string }
  | { readonly type: 'BackupVerified'; readonly source: string; readonly backup: string; readonly findings: readonly Finding[] }
  | { readonly type: 'BackupsExpired'; readonly source: string; readonly backups: readonly string[] }
  | {
      readonly type: 'BackupRestored';
      readonly source: string;
      readonly backup: string;
      readonly to: number | null;
      readonly into: string;
      readonly by: string;
    }
  | { readonly type: 'BackupPointMade'; readonly source: string; readonly name: string; readonly at: number; readonly backup: string }
  | { readonly type: 'DrillStarted'; readonly source: string; readonly drill: string; readonly by: string }
  | {
      readonly type: 'DrillEnded';
      readonly source: string;
      readonly drill: string;
      readonly passed: boolean;
      readonly evidence: Evidence;
      readonly findings: readonly Finding[];
    }
  | { readonly type: 'BackupAlarmRaised'; readonly source: string; readonly finding: Finding }
  | { readonly type: 'BackupAlarmCleared'; readonly source: string; readonly code: string };

/** What the events of a source come to. */
export interface BackupState {
  /** `sha256:…` of each backup as it was taken: what lies in the store must still be that. */
  readonly digests: ReadonlyMap<string, string>;
  readonly verified: ReadonlySet<string>;
  readonly failures: { readonly count: number; readonly lastAt: number; readonly message: string } | null;
  readonly drill: {
    readonly at: number;
    readonly drill: string;
    readonly passed: boolean;
    readonly evidence: Evidence;
    readonly findings: readonly Finding[];
  } | null;
  /** Of the very first backup, however long it is gone, ms. */
  readonly firstTakenAt: number | null;
  /** Of the newest, whether or not it has ended, ms; null = never drilled. */
  readonly drillStartedAt: number | null;
  readonly alarms: ReadonlyMap<string, Finding>;
  readonly restorePoints: readonly { readonly name: string; readonly at: number; readonly backup: string }[];
}

export const NO_BACKUPS: BackupState = {
  digests: new Map(),
  verified: new Set(),
  failures: null,
  drill: null,
  firstTakenAt: null,
  drillStartedAt: null,
  alarms: new Map(),
  restorePoints: [],
};

export function evolveBackups(state: BackupState, event: BackupEvent, at: number): BackupState {
  switch (event.type) {
    case 'BackupTaken': {
      const { id, digest } = event.backup;
      const firstTakenAt = state.firstTakenAt ?? at;
      return {
        ...state,
        firstTakenAt,
        failures: null,
        digests: digest === null ? state.digests : new Map([...state.digests, [id, digest]]),
      };
    }
    case 'BackupFailed':
      return { ...state, failures: { count: (state.failures?.count ?? 0) + 1, lastAt: at, message: `${event.message} (${event.code})` } };
    case 'BackupVerified': {
      const verified = new Set(state.verified);
      if (event.findings.some(({ severity }) => severity === 'fail')) verified.delete(event.backup);
      else verified.add(event.backup);
      return { ...state, verified };
    }
    case 'BackupsExpired': {
      const gone = new Set(event.backups);
      return {
        ...state,
        digests: new Map([...state.digests].filter(([id]) => !gone.has(id))),
        verified: new Set([...state.verified].filter((id) => !gone.has(id))),
      };
    }
    case 'BackupPointMade':
      return { ...state, restorePoints: [...state.restorePoints, { name: event.name, at: event.at, backup: event.backup }].slice(-100) };
    case 'DrillEnded':
      return { ...state, drill: { at, drill: event.drill, passed: event.passed, evidence: event.evidence, findings: event.findings } };
    case 'BackupAlarmRaised':
      return { ...state, alarms: new Map([...state.alarms, [event.finding.code, event.finding]]) };
    case 'BackupAlarmCleared':
      return { ...state, alarms: new Map([...state.alarms].filter(([code]) => code !== event.code)) };
    case 'DrillStarted':
      return { ...state, drillStartedAt: at };
    case 'BackupRestored':
      return state;
  }
}
