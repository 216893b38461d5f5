import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { DEFAULT_RULES } from '../../core/edge/rules.ts';
import { UserError } from '../../core/errors.ts';
import type { EdgeRules } from '../../core/app/traffic.ts';
import { readJson, writeAtomic } from '../../lib/atomic-file.ts';
import type { Edges } from '../../ports/edges.ts';
import type { ManagedEdge } from './embedded.ts';

export interface EdgeSettings {
  readonly kind: string;
  /** 0: any free one, then the same for good. */
  readonly port: number;
  /** Left out, as by an edge that was started before there were any: the usual ones. */
  readonly rules?: EdgeRules;
}

export interface EdgesOptions {
  /** One folder an environment below this one. */
  readonly dir: string;
  readonly kinds: Readonly<Record<string, (options: { dir: string; port: number; rules: EdgeRules }) => ManagedEdge>>;
  settings(environment: string): Promise<EdgeSettings>;
  warn(message: string): void;
}

/** How often the rules of a running edge are compared with the configuration, at most, ms. */
const COMPARE_MS = 10_000;
/** How often we see whether an edge still lives, ms. One that died is started again with what it was last told. */
const WATCH_MS = 500;

const rulesOf = ({ rules }: EdgeSettings): EdgeRules => rules ?? DEFAULT_RULES;

/**
 * One edge an environment. An edge that carries traffic is never exchanged for another kind or port behind
 * the users' backs: a changed setting is refused until somebody has stopped the old one.
 */
export function createEdges(options: EdgesOptions): Edges {
  const open = new Map<string, Promise<ManagedEdge>>();
  /** When the running edge of an environment was last compared with its configuration, ms since the Unix epoch. */
  const compared = new Map<string, number>();
  let watching: NodeJS.Timeout | null = null;

  async function of(environment: string): Promise<ManagedEdge> {
    const used = await usedBy(environment);
    if (compared.has(environment) && used !== null) {
      const running = await opened(environment, used);
      await follow(environment, running, used);
      return running;
    }
    const wanted = await options.settings(environment);
    if (used !== null && (used.kind !== wanted.kind || used.port !== wanted.port)) throw changed(environment, used, wanted);
    const edge = await opened(environment, wanted);
    if (used !== null && !isDeepStrictEqual(rulesOf(used), rulesOf(wanted))) await edge.configure(rulesOf(wanted));
    compared.set(environment, Date.now());
    return edge;
  }

  async function serving(environment: string): Promise<ManagedEdge | null> {
    const used = await usedBy(environment);
    return used === null ? null : opened(environment, used);
  }

  const usedBy = (environment: string): Promise<EdgeSettings | null> =>
    readJson<EdgeSettings>(join(options.dir, environment, 'settings.json'));

  function opened(environment: string, settings: EdgeSettings): Promise<ManagedEdge> {
    const known = open.get(environment);
    if (known !== undefined) return known;
    const opening = start(environment, settings).catch((error: unknown) => {
      open.delete(environment);
      throw error;
    });
    open.set(environment, opening);
    return opening;
  }

  async function start(environment: string, { kind, port, rules = DEFAULT_RULES }: EdgeSettings): Promise<ManagedEdge> {
    const dir = join(options.dir, environment);
    const make = options.kinds[kind];
    if (make === undefined)
      throw new UserError('EDGE_UNKNOWN', `there is no edge called ${kind}`, `Known: ${Object.keys(options.kinds).join(', ')}.`);
    const edge = make({ dir, port, rules });
    await edge.ensure();
    await mkdir(dir, { recursive: true });
    await writeAtomic(join(dir, 'settings.json'), JSON.stringify({ kind, port, rules }));
    watch();
    return edge;
  }

  async function follow(environment: string, edge: ManagedEdge, used: EdgeSettings): Promise<void> {
    if ((compared.get(environment) ?? 0) + COMPARE_MS > Date.now()) return;
    compared.set(environment, Date.now());
    try {
      const { rules = DEFAULT_RULES } = await options.settings(environment);
      if (isDeepStrictEqual(rules, rulesOf(used))) return;
      await edge.configure(rules);
      await writeAtomic(join(options.dir, environment, 'settings.json'), JSON.stringify({ ...used, rules }));
    } catch (error) {
      options.warn(`the edge of ${environment} keeps its rules: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  function watch(): void {
    watching ??= setInterval(() => {
      for (const [environment, edge] of open) {
        edge
          .then((one) => one.ensure())
          .catch((error: unknown) =>
            options.warn(`the edge of ${environment} does not run: ${error instanceof Error ? error.message : String(error)}`),
          );
      }
    }, WATCH_MS).unref();
  }

  return {
    of,
    serving,
    async url(environment) {
      return (await serving(environment))?.ensure() ?? null;
    },
    async adopt() {
      for (const environment of await readdir(options.dir).catch(() => [])) {
        await serving(environment).catch((error: unknown) =>
          options.warn(`the edge of ${environment} was not started: ${error instanceof Error ? error.message : String(error)}`),
        );
      }
    },
    leave() {
      if (watching !== null) clearInterval(watching);
      watching = null;
    },
    async stopAll() {
      for (const edge of open.values()) await (await edge).stop();
      open.clear();
    },
  };
}

function changed(environment: string, used: EdgeSettings, wanted: EdgeSettings): UserError {
  const what = (settings: EdgeSettings): string => `${settings.kind} on port ${settings.port === 0 ? 'of its own choice' : settings.port}`;
  return new UserError(
    'EDGE_CHANGED',
    `the edge of ${environment} is ${what(used)}, but the configuration now says ${what(wanted)}`,
    '`sluice down --all` stops everything of this workspace; the next deploy then starts the new edge. Until then, set it back.',
  );
}
