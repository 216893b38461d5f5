import { resolve } from 'node:path';
import { DEFAULT_RULES } from '../../../core/edge/rules.ts';
import type { Edge } from '../../../ports/edge.ts';
import type { EdgeObservation, EdgeRules, EdgeStats } from '../../../core/app/traffic.ts';
import { keeperProcess } from './keeper-process.ts';

export interface HaproxyEdgeOptions {
  /** Folder of this edge's configuration, state, sockets and logs; nobody else may use it. */
  readonly dir: string;
  /** Port users reach. 0: a free one, chosen once and kept. */
  readonly port: number;
  readonly host?: string;
  /** Name or path of the program. */
  readonly binary?: string;
  /** Versions for which there is room at first; more need one reload. */
  readonly slots?: number;
  readonly rules?: EdgeRules;
}

export interface HaproxyEdge extends Edge {
  /**
   * Start HAProxy, or adopt it if it runs. Returns its base URL. Repeatable.
   * @throws UserError HAPROXY_MISSING, HAPROXY_TOO_OLD, EDGE_PORT_TAKEN
   */
  ensure(): Promise<string>;
  /** Go by other rules from now on: by a reload, which loses nothing. Repeatable. */
  configure(rules: EdgeRules): Promise<void>;
  /** End HAProxy and its keeper; requests under way may finish. */
  stop(): Promise<void>;
  /** Let go of it; it runs on. */
  close(): Promise<void>;
}

const SLOTS = 64;

/**
 * HAProxy as the edge. It and a small keeper process, which alone commands it, outlive the process that started them.
 * Weights, versions and routes change in the running HAProxy; only a sticky header not used before and running
 * out of slots take a reload, which loses nothing.
 */
export function haproxyEdge(options: HaproxyEdgeOptions): HaproxyEdge {
  const keeper = keeperProcess({
    dir: resolve(options.dir),
    host: options.host ?? '127.0.0.1',
    port: options.port,
    slots: options.slots ?? SLOTS,
    rules: options.rules ?? DEFAULT_RULES,
    binary: options.binary,
  });

  return {
    name: 'haproxy',
    async apply(intent) {
      return (await keeper.call('/apply', intent)) as EdgeObservation;
    },
    async observe(app) {
      return (await keeper.call('/observe', { app })) as EdgeObservation | null;
    },
    async stats(app) {
      return (await keeper.call('/stats', { app })) as EdgeStats;
    },
    async remove(app, fence) {
      await keeper.call('/remove', { app, fence });
    },
    async ensure() {
      await keeper.call('/ensure');
      return keeper.url;
    },
    async configure(rules) {
      keeper.configure(rules);
      await keeper.call('/ensure');
    },
    stop: () => keeper.stop(),
    async close() {
      keeper.close();
    },
  };
}
