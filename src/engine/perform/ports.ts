import type { ArtifactStore } from '../../ports/artifacts.ts';
import type { Builder } from '../../ports/builder.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Edge } from '../../ports/edge.ts';
import type { Platform } from '../../ports/platform.ts';

/** What the performers reach the outside through; filled in by the composition root. */
export interface PerformPorts {
  /** @throws UserError PLATFORM_UNKNOWN */
  platform(name: string): Platform;
  /** The edge of one environment, started or adopted on first use. */
  edge(environment: string): Promise<Edge>;
  readonly builder: Builder;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  /** Environment handed to smoke commands (PATH and the like; no secrets). */
  readonly environment: NodeJS.ProcessEnv;
}
