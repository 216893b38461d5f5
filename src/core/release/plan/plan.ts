import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { EdgeRoute, Sticky } from '../../app/traffic.ts';
import type { HealthSpec, RunSpec } from '../../app/run.ts';
import type { AnalysisPolicy, AutoSteps, NamedAnalysis } from '../../analysis/policy.ts';
import { canonicalJson } from '../../text/canonical.ts';
import type { PlannedStages } from '../preparations/index.ts';

/** Everything a release will do, decided before it does any of it. Never changes once made. */
export interface Plan extends PlannedStages {
  readonly schema: 1;
  readonly workspace: string;
  readonly environment: string;
  readonly kind: 'deploy' | 'rollback';
  readonly source: Source;
  /** In dependency order. */
  readonly apps: readonly PlannedApp[];
  /** Apps looked at and left alone, with the reason. */
  readonly unchanged: readonly LeftAlone[];
  readonly deadlines: ReleaseDeadlines;
  /** An emergency: approval rule, window and checks of the environment are set aside for one other person's word. */
  readonly breakGlass?: { readonly reason: string };
  /** Environment whose healthy versions it takes as they are, by digest. */
  readonly promotedFrom?: string;
  /** `sha256:<hex>` of everything above, RFC 8785 canonical form. */
  readonly hash: string;
}

/** An app that a plan does not deploy. */
export interface LeftAlone {
  readonly app: string;
  readonly reason: string;
  /** It would have been deployed, and something stands against it: a hold on its version, or no healthy version to promote. */
  readonly keptBack?: 'held' | 'unhealthy';
}

export interface Source {
  /** Full commit id; when `dirty`, the id of a recorded snapshot of the working tree (development only); null when a rollback's versions came from several. */
  readonly commit: string | null;
  readonly branch: string | null;
  readonly dirty: boolean;
}

export interface ReleaseDeadlines {
  /** Longest wait behind another release of the same app, ms. */
  readonly queueMs: number;
  /** Longest time a person may keep a release paused, ms. */
  readonly pauseMs: number;
  /** Time in which a rollback must be done, ms; then it is `RollbackFailed` and pages. */
  readonly rollbackMs: number;
}

export interface PlannedApp {
  readonly app: string;
  readonly path: string;
  readonly platform: string;
  /** Apps of this plan that must be fully out before this one starts. */
  readonly dependsOn: readonly string[];
  /** Why it is in the plan, one phrase. */
  readonly reason: string;
  /** Identity of the build's inputs. */
  readonly fingerprint: string;
  /** Artifact digest when it exists already (rollback, retry, environment promotion); else null: build. */
  readonly artifact: string | null;
  /** What is stable in the environment as the plan is made; null = first deploy. */
  readonly stable: VersionRef | null;
  readonly build: BuildSpec | null;
  readonly run: RunSpec;
  readonly health: HealthSpec | null;
  readonly smoke: SmokeSpec | null;
  readonly routes: readonly EdgeRoute[];
  readonly sticky: Sticky;
  readonly strategy: Strategy;
  readonly deadlines: AppDeadlines;
  readonly concurrency: Concurrency;
}

export type Concurrency = 'queue' | 'supersede' | 'reject';

/** One immutable version of one app. */
export interface VersionRef {
  /** `<12 hex>` of artifact digest and run settings: equal ids are the same thing. */
  readonly id: string;
  readonly artifact: string;
  readonly commit: string | null;
  /** Run settings it was deployed with: what a rollback needs to bring it back. */
  readonly run: RunSpec;
  readonly health: HealthSpec | null;
}

export interface BuildSpec {
  /** argv; null = nothing to run, the output is taken as it is in the commit. */
  readonly command: readonly string[] | null;
  /** Folder below the app's path that is the artifact; `.` = the whole app; `/` = the whole workspace, built and run at its root. */
  readonly output: string;
  readonly env: Readonly<Record<string, string>>;
  /** Whether it is built in a checkout of the whole workspace: it needs more than its own folder. */
  readonly workspace?: boolean;
}

/** What must answer well before a version gets traffic. Both may be given. */
export interface SmokeSpec {
  /** argv run in the artifact's folder with `SLUICE_URL_UNDER_TEST` set; exit 0 passes, all else fails. */
  readonly command: readonly string[] | null;
  /** GET paths of the new version that must answer 2xx or 3xx. */
  readonly paths: readonly string[];
  /** Host header of these requests. Left out: the address that is asked. */
  readonly host?: string;
  readonly timeoutMs: number;
}

export interface AppDeadlines {
  readonly buildMs: number;
  /** From started to healthy, ms (Kamal: 30 s). */
  readonly healthyMs: number;
  readonly smokeMs: number;
  /** Longest time without progress, not counted while paused or baking, ms (Argo: 600 s). */
  readonly progressMs: number;
}

export type Strategy =
  /** Stop old, start new: for workers that must not run twice. */
  | { readonly kind: 'recreate' }
  /** New beside old, then all traffic at once. */
  | { readonly kind: 'allAtOnce'; readonly soakMs: number }
  /** All traffic at once, old kept alive for `bakeMs` of analysis at 100 %: switching back is instant. */
  | {
      readonly kind: 'blueGreen';
      /** Wait for `promote` before the switch. */
      readonly confirm: boolean;
      readonly bakeMs: number;
      readonly analysis: AnalysisPolicy | null;
      readonly analyses?: readonly NamedAnalysis[];
      readonly soakMs: number;
    }
  | {
      readonly kind: 'canary';
      readonly steps: readonly Step[];
      /** Steps are still to be chosen for the traffic, as the plan is made; until then they are the usual ones. */
      readonly auto?: AutoSteps;
      /** Why these steps, where they were chosen for the traffic. */
      readonly explained?: string;
      readonly analysis: AnalysisPolicy | null;
      readonly analyses?: readonly NamedAnalysis[];
      readonly soakMs: number;
    };

export type Step =
  | { readonly kind: 'weight'; readonly weight: number }
  /** Stay for this long while the analysis looks. */
  | { readonly kind: 'bake'; readonly forMs: number }
  /** Wait for `promote`/`approve`; null = until a person acts (or the release's pause deadline). */
  | { readonly kind: 'pause'; readonly forMs: number | null };

/** Version id of an artifact with run settings. */
export function versionId(artifact: string, run: RunSpec, health: HealthSpec | null): string {
  return hex(canonicalJson({ artifact, run, health })).slice(0, 12);
}

/** The plan with its hash filled in (a hash already there is ignored). */
export function withHash(plan: Omit<Plan, 'hash'>): Plan {
  const { hash: _ignored, ...content } = plan as Plan;
  return { ...content, hash: `sha256:${hex(canonicalJson(content))}` };
}

/** Whether the plan still is what its hash says. */
export function isIntact(plan: Plan): boolean {
  return withHash(plan).hash === plan.hash;
}

/** Apps grouped so that each depends only on earlier groups; apps in a group go in parallel. */
export function levels(apps: readonly PlannedApp[]): string[][] {
  const names = new Set(apps.map((app) => app.app));
  const done = new Set<string>();
  const result: string[][] = [];
  while (done.size < names.size) {
    const level = apps
      .filter((app) => !done.has(app.app))
      .filter((app) => app.dependsOn.every((name) => done.has(name) || !names.has(name)))
      .map((app) => app.app);
    if (level.length === 0) throw new Error(`cyclic dependencies among ${[...names].filter((n) => !done.has(n)).join(', ')}`);
    for (const name of level) done.add(name);
    result.push(level);
  }
  return result;
}

/** Identity of any data. */
export function digestOf(data: unknown): string {
  return hex(canonicalJson(data));
}

function hex(text: string): string {
  return bytesToHex(sha256(utf8ToBytes(text)));
}
