import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ManagedEdge } from '../../src/adapters/edge/embedded.ts';
import { haproxyBinary } from '../../src/adapters/edge/haproxy/binary.ts';
import { edges, type EdgeKind } from '../../src/adapters/edge/index.ts';
import { DEFAULT_RULES } from '../../src/core/edge/rules.ts';
import type { EdgeRules, EdgeVersion } from '../../src/core/app/traffic.ts';

/** Why HAProxy cannot be tried here; null when it can. */
export const withoutHaproxy: string | null = await haproxyBinary().then(
  () => null,
  (error: Error) => error.message,
);

/** Every kind of edge that can run here. */
export const edgeKinds: readonly EdgeKind[] = withoutHaproxy === null ? ['embedded', 'haproxy'] : ['embedded'];

/** A fresh edge of one kind, with one app that has every path of every host. */
export interface LoneEdge {
  readonly edge: ManagedEdge;
  /** Folder of its state, records and logs. */
  readonly dir: string;
  /** Base URL of the data path. */
  readonly url: string;
  readonly port: number;
  /** Name of the app. */
  readonly app: string;
  /** Send the app's users to these versions from now on. */
  route(versions: readonly EdgeVersion[]): Promise<void>;
}

/** Start a fresh edge, work with it, and remove it with its folder. */
export async function withEdge<T>(kind: EdgeKind, rules: Partial<EdgeRules>, work: (edge: LoneEdge) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-edge-'));
  const edge: ManagedEdge = edges[kind]({ dir, port: 0, rules: { ...DEFAULT_RULES, ...rules } });
  const app = 'lone/app';
  let fence = 0;
  try {
    const url = await edge.ensure();
    const route = async (versions: readonly EdgeVersion[]): Promise<void> => {
      fence += 1;
      await edge.apply({ app, fence, routes: [{ host: null, pathPrefix: '/' }], sticky: { by: 'none' }, versions });
    };
    return await work({ edge, dir, url, port: Number(new URL(url).port), app, route });
  } finally {
    await edge.stop();
    await rm(dir, { recursive: true, force: true });
  }
}
