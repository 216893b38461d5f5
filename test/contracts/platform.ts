import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DeployTarget, Platform } from '../../src/ports/platform.ts';
import type { AppRef, Health, RunSettings } from '../../src/core/app/run.ts';
import { unknownDeviations } from './edge.ts';
import { cutOffs } from './platform/cut-offs.ts';
import { fences } from './platform/fences.ts';
import { health } from './platform/health.ts';
import { logs } from './platform/logs.ts';
import { mistakes } from './platform/mistakes.ts';
import { removal } from './platform/removal.ts';
import { traffic } from './platform/traffic.ts';
import { versions } from './platform/versions.ts';

/** A place where versions can be deployed, empty at first; for one run of the suite. */
export interface PlatformUnderTest {
  /** A new control plane at this place: what it knows it has to find out there. */
  control(options?: ControlOptions): Platform;
  /** How to deploy one version of an app that behaves as `kind` says. */
  target(ref: AppRef, version: string, kind: TargetKind): DeployTarget;
  /** Settings that this platform cannot follow. */
  readonly mistaken: RunSettings;
  /** How often copies of a version have been started, seen without the platform's help. */
  starts(ref: AppRef, version: string): Promise<number>;
  /** How many copies of a version run now, seen without the platform's help. */
  running(ref: AppRef, version: string): Promise<number>;
  /** A text that every copy of a good version has in its log once it is healthy. */
  greeting(version: string): string;
  /** End everything, whatever state it is in. */
  stop(): Promise<void>;
}

export interface ControlOptions {
  /** Called after each write to the outside; what it throws must cut the call off there. */
  readonly onWrite?: () => void;
  /** The control plane's environment, besides what the place itself needs. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * - `good`: becomes healthy; says `greeting`
 * - `sick`: runs, and never becomes healthy
 * - `broken`: the user's own fault (no such command, bad image): refused by `ensure`
 * - `secret`: good, with `{ fromEnv: SECRET_NAME }`
 */
export type TargetKind = 'good' | 'sick' | 'broken' | 'secret';

export const SECRET_NAME = 'CONTRACT_SECRET';

export type PlatformHarness = () => Promise<PlatformUnderTest>;

export interface PlatformContractOptions {
  /** Test name → why this platform cannot keep that promise. */
  readonly deviations?: Readonly<Record<string, string>>;
}

/** Tests of one topic: `check(title, run)` for each, in the order they should run. */
export type PlatformSuite = (check: (title: string, run: (world: PlatformWorld) => Promise<void>, timeoutMs?: number) => void) => void;

/** What one test gets. */
export interface PlatformWorld extends Omit<PlatformUnderTest, 'stop'> {
  /** An ordinary control plane. */
  readonly platform: Platform;
  /** An app that the platform does not know yet; everything of it is retired after the test. */
  app(environment?: string): AppRef;
  /** `ensure`, and wait until it is healthy. */
  deploy(target: DeployTarget): Promise<void>;
}

/** Never fires. */
export const UNSTOPPED = new AbortController().signal;

const suites: readonly PlatformSuite[] = [versions, removal, health, fences, mistakes, logs, traffic, cutOffs];

/** What every platform promises (`src/ports/platform.ts`), seen through the port and from outside. */
export function platformContract(name: string, harness: PlatformHarness, options: PlatformContractOptions = {}): void {
  const deviations = options.deviations ?? {};
  describe(`platform: ${name}`, () => {
    let under: PlatformUnderTest;
    const titles: string[] = [];
    beforeAll(async () => {
      under = await harness();
    });
    afterAll(() => under?.stop());

    for (const suite of suites) {
      suite((title, run, timeoutMs) => {
        titles.push(title);
        const reason = deviations[title];
        const named = reason === undefined ? title : `${title} (deviation: ${reason})`;
        test.skipIf(reason !== undefined)(named, () => inWorld(under, run), timeoutMs);
      });
    }
    test('every deviation names a test', () => expect(unknownDeviations(titles, deviations)).toEqual([]));
  });
}

let apps = 0;

async function inWorld(under: PlatformUnderTest, run: (world: PlatformWorld) => Promise<void>): Promise<void> {
  const platform = under.control({ env: { [SECRET_NAME]: 'not told to anybody' } });
  const made: AppRef[] = [];
  const world: PlatformWorld = {
    control: (options) => under.control(options),
    target: (ref, version, kind) => under.target(ref, version, kind),
    starts: (ref, version) => under.starts(ref, version),
    running: (ref, version) => under.running(ref, version),
    mistaken: under.mistaken,
    greeting: (version) => under.greeting(version),
    platform,
    app: (environment = 'test') => {
      apps += 1;
      const ref = { environment, app: `app-${apps}` };
      made.push(ref);
      return ref;
    },
    deploy: async (target) => {
      await platform.ensure(target, UNSTOPPED);
      await untilHealthy(platform, target);
    },
  };
  try {
    await run(world);
  } finally {
    for (const ref of made) await clear(platform, ref);
  }
}

async function clear(platform: Platform, ref: AppRef): Promise<void> {
  for (const { version } of await platform.observe(ref)) await platform.retire(ref, version, 0, Number.MAX_SAFE_INTEGER);
}

export async function untilHealthy(platform: Platform, target: DeployTarget): Promise<void> {
  const seen = await untilHealth(platform, target, ({ state }) => state !== 'waiting');
  expect(seen).toMatchObject({ state: 'healthy' });
}

/** Look until `enough`; the last look when that takes too long. */
export async function untilHealth(
  platform: Platform,
  target: DeployTarget,
  enough: (health: Health) => boolean,
  patienceMs = 20_000,
): Promise<Health> {
  for (const until = Date.now() + patienceMs; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
    const seen = await platform.health(target, UNSTOPPED);
    if (enough(seen) || Date.now() > until) return seen;
  }
}

/** Poll until it holds; fails with what `seen` last gave. */
export async function until<T>(look: () => Promise<T>, holds: (seen: T) => boolean, patienceMs = 20_000): Promise<T> {
  for (const end = Date.now() + patienceMs; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (Date.now() > end) throw new Error(`not so within ${patienceMs} ms; last seen: ${JSON.stringify(seen)}`);
  }
}
