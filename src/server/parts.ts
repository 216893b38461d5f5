import type { Planner } from '../services/planning/planner.ts';
import type { Engine } from '../engine/face.ts';
import type { LogLine, LogOptions } from '../ports/platform.ts';
import type { AppRef } from '../core/app/run.ts';
import type { Projections } from '../ports/projections.ts';
import type { BackupsFace } from './routes/backups.ts';
import type { Finding } from '../services/doctor/finding.ts';
import type { ServedApp } from '../services/serving/served-app.ts';
import type { VariablesPort } from '../services/secrets/variables-port.ts';

/** What apps report over OTLP, as JSON or as protobuf. */
export interface MetricsIntake {
  take(json: unknown): { readonly rejected: number; readonly reason: string } | null;
  decode(bytes: Uint8Array): unknown;
  encode(refused: { readonly rejected: number; readonly reason: string } | null): Uint8Array;
}

/** What the API speaks for; handed in by the composition root. */
export interface ServerParts {
  readonly engine: Engine;
  readonly planner: Planner;
  /** Root of the workspace, as told to clients. */
  readonly workspace: string;
  readonly version: string;
  /** An app's output. Without it there are no logs. */
  readonly logs?: (ref: AppRef, options: LogOptions) => AsyncIterable<LogLine>;
  /** How the control plane's own surroundings are. */
  readonly doctor?: () => Promise<readonly Finding[]>;
  /** Where users reach an environment; null while no edge of it is running. */
  readonly edgeUrl?: (environment: string) => Promise<string | null>;
  /** What users of an environment get now, asked through its edge. Without it nothing is said. */
  readonly served?: (environment: string) => Promise<readonly ServedApp[]>;
  /** Takes what apps report over OTLP. */
  readonly metrics?: MetricsIntake;
  /** Without it `fromEnv` is not looked into. */
  readonly variables?: VariablesPort;
  /** Without it nothing is backed up. */
  readonly backups?: BackupsFace;
  /** Without it there are no projections. */
  readonly projections?: Projections;
  /** Ends the control plane; `all`: and everything it has started. Called after the answer has been sent. */
  readonly shutdown?: (options: { readonly all: boolean }) => void;
}
