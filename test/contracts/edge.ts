import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Edge } from '../../src/ports/edge.ts';
import type { EdgeIntent, EdgeObservation, EdgeVersion } from '../../src/core/app/traffic.ts';
import type { AppVersion } from '../worlds/app-version.ts';
import { appVersion } from '../worlds/app-version.ts';
import type { Visitor } from '../worlds/visitor.ts';
import { visitor } from '../worlds/visitor.ts';
import { failures } from './edge/failures.ts';
import { fences } from './edge/fences.ts';
import { framing } from './edge/framing.ts';
import { routes } from './edge/routes.ts';
import { stats } from './edge/stats.ts';
import { streams } from './edge/streams.ts';
import { switching } from './edge/switching.ts';
import { weights } from './edge/weights.ts';

/** A fresh edge without any app, for one run of the suite. */
export interface EdgeUnderTest {
  /** May be a getter: it is read again after `restart`. */
  readonly edge: Edge;
  /** Base URL of the data path, `http://127.0.0.1:port`. */
  readonly url: string;
  /** Kill the data path with SIGKILL and bring it back by the adapter's ordinary means. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export type EdgeHarness = () => Promise<EdgeUnderTest>;

export interface EdgeContractOptions {
  /** Test name → why this edge cannot keep that promise. */
  readonly deviations?: Readonly<Record<string, string>>;
}

/** Tests of one topic: `check(title, run)` for each, in the order they should run. */
export type EdgeSuite = (check: (title: string, run: (world: EdgeWorld) => Promise<void>, timeoutMs?: number) => void) => void;

/** What one test gets: the edge, and versions and an app of its own. */
export interface EdgeWorld {
  readonly edge: Edge;
  readonly url: string;
  restart(): Promise<void>;
  /** An app that the edge does not know yet, with a host name nobody else uses. */
  app(): TestApp;
  /** A running version, stopped after the test. */
  version(id: string): Promise<AppVersion>;
}

export interface TestApp {
  readonly name: string;
  readonly host: string;
  /** Fence of the next intent; starts at 10. */
  fence: number;
  intent(versions: readonly EdgeVersion[], differences?: Partial<EdgeIntent>): EdgeIntent;
  /** Default: the route `host/`, no stickiness. */
  apply(versions: readonly EdgeVersion[], differences?: Partial<EdgeIntent>): Promise<EdgeObservation>;
  visitor(options?: { readonly connections?: number }): Visitor;
}

const suites: readonly EdgeSuite[] = [weights, fences, routes, framing, switching, streams, failures, stats];

/** What every edge promises (`src/ports/edge.ts`), seen from both sides: through the port and on the data path. */
export function edgeContract(name: string, harness: EdgeHarness, options: EdgeContractOptions = {}): void {
  const deviations = options.deviations ?? {};
  describe(`edge: ${name}`, () => {
    let under: EdgeUnderTest;
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

export function unknownDeviations(titles: readonly string[], deviations: Readonly<Record<string, string>>): string[] {
  return Object.keys(deviations).filter((title) => !titles.includes(title));
}

let apps = 0;

async function inWorld(under: EdgeUnderTest, run: (world: EdgeWorld) => Promise<void>): Promise<void> {
  const running: AppVersion[] = [];
  const made: TestApp[] = [];
  const visitors: Visitor[] = [];
  const world: EdgeWorld = {
    get edge() {
      return under.edge;
    },
    url: under.url,
    restart: () => under.restart(),
    app: () => {
      const app = testApp(under, visitors);
      made.push(app);
      return app;
    },
    version: async (id) => {
      const version = await appVersion(id);
      running.push(version);
      return version;
    },
  };
  try {
    await run(world);
  } finally {
    for (const one of visitors) one.agent.destroy();
    for (const app of made) await under.edge.remove(app.name, Number.MAX_SAFE_INTEGER);
    for (const version of running) await version.stop();
  }
}

function testApp(under: EdgeUnderTest, visitors: Visitor[]): TestApp {
  apps += 1;
  const host = `app-${apps}.test`;
  const app: TestApp = {
    name: `test/app-${apps}`,
    host,
    fence: 10,
    intent: (versions, differences = {}) => ({
      app: app.name,
      fence: app.fence,
      routes: [{ host, pathPrefix: '/' }],
      sticky: { by: 'none' },
      versions,
      ...differences,
    }),
    apply: (versions, differences) => under.edge.apply(app.intent(versions, differences)),
    visitor: (options) => {
      const one = visitor(under.url, host, options);
      visitors.push(one);
      return one;
    },
  };
  return app;
}
