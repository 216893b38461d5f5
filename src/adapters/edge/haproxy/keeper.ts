import { randomUUID } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { takenRoute } from '../../../core/edge/intent.ts';
import { FencedError, OutsideError, SluiceError, UserError } from '../../../core/errors.ts';
import type { EdgeIntent, EdgeObservation, EdgeRules, EdgeStats } from '../../../core/app/traffic.ts';
import { writeAtomic } from '../../../lib/atomic-file.ts';
import { configText, templateHash } from './config.ts';
import { createCounters } from './counters.ts';
import { createDrain } from './drain.ts';
import { backendOf, layoutOf, MAPS, mapText } from './layout.ts';
import { createLogStream } from './log-stream.ts';
import { createMaster, type Shape, type Workers } from './master.ts';
import { allBackends, busyOf, countInFlight, observationOf } from './observation.ts';
import { connectionsIn, createPressure, crowdedRules } from './pressure.ts';
import { commandsFor, type Holding, linesOf, readHolding, say } from './runtime.ts';
import { type KeeperState, parseIntent } from './schema.ts';
import { allocate } from './slots.ts';
import { createSlowBodies } from './slow-bodies.ts';
import type { StateFile } from './state.ts';

export interface KeeperOptions {
  readonly binary: string;
  readonly host: string;
  readonly port: number;
  readonly slots: number;
  readonly rules: EdgeRules;
  readonly placeKey: string;
  readonly descriptors: number;
}

/** Keeps one HAProxy as it was last told: the only process that commands it, one thing after another. */
export interface Keeper {
  apply(raw: unknown): Promise<EdgeObservation>;
  remove(app: string, fence: number): Promise<null>;
  observe(app: string): Promise<EdgeObservation | null>;
  stats(app: string): Promise<EdgeStats>;
  /** Settled once HAProxy runs. */
  ensure(): Promise<void>;
  /** End HAProxy too; requests under way may finish. */
  stop(): Promise<void>;
  /** Leave HAProxy running. */
  close(): void;
}

const RUNTIME_SOCKET = 'runtime.sock';
const WATCH_MS = 500;
/** The last worker of a killed HAProxy may hold the port a moment longer. */
const REVIVE_MS = 5_000;
const CONVERGE_TRIES = 4;
/** How often request bodies are looked at, ms: four times while one may be silent, within these limits. */
const BODIES_MS = { least: 500, most: 5_000 };

export async function createKeeper(options: KeeperOptions, file: StateFile): Promise<Keeper> {
  let state: KeeperState = (await file.load()) ?? { port: options.port, serial: 0, slots: options.slots, apps: {} };
  const epoch = randomUUID();
  const counters = createCounters();
  const log = createLogStream(
    RUNTIME_SOCKET,
    (line) => counters.take(line),
    () => watch(),
  );
  const master = createMaster({ binary: options.binary, onExit: () => watch() });
  const drain = createDrain(master, log);
  const pressure = createPressure();
  const slowBodies = createSlowBodies(master);
  /** The rules as they are for the number of users there are. */
  const rules = (): EdgeRules => (pressure.isCrowded ? crowdedRules(options.rules) : options.rules);
  let hasRun = false;
  let isStopping = false;
  let isWatchQueued = false;
  /** What HAProxy held when it was last read, and nobody but us has changed it since: saves a reading before each change. */
  let held: Holding | null = null;
  /** The worker that serves users now. */
  let worker = 0;
  let last: Promise<unknown> = Promise.resolve();
  for (const [app, { tokens }] of Object.entries(state.apps))
    for (const [id, token] of Object.entries(tokens)) counters.know(token, app, id);

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = last.then(work, work);
    last = mine.catch(() => {});
    return mine;
  }

  const shapeOf = (of: KeeperState): Shape => ({
    template: templateHash({ ...options, rules: rules(), port: of.port }),
    slots: of.slots,
    headers: [...layoutOf(of).headers],
  });

  function fits(wanted: Shape): boolean {
    const has = master.record?.shape;
    return (
      has !== undefined &&
      has.template === wanted.template &&
      has.slots >= wanted.slots &&
      wanted.headers.every((header) => has.headers.includes(header))
    );
  }

  async function writeFiles(of: KeeperState): Promise<void> {
    const layout = layoutOf(of);
    const text = configText({ ...options, rules: rules(), port: of.port, slots: of.slots, headers: layout.headers }, layout);
    const files = {
      'haproxy.cfg': text,
      'mode.map': 'relay 0\n',
      ...Object.fromEntries(MAPS.map((name) => [`${name}.map`, mapText(layout[name])])),
    };
    await Promise.all(Object.entries(files).map(([name, content]) => writeAtomic(name, content, { mode: 0o600 })));
  }

  /** HAProxy runs afterwards: found running, or started from what is on disk. */
  async function running(): Promise<void> {
    if (await master.isAlive()) return;
    if (!hasRun && (await master.adopt())) await adopted();
    else await started();
    hasRun = true;
  }

  async function adopted(): Promise<void> {
    const workers = await master.workers();
    if (workers === null) return;
    follow(workers, false);
    const backends = await allBackends(RUNTIME_SOCKET);
    for (const token of tokensOf(state)) counters.begin(token, worker, backends.get(backendOf(token)));
    await drain.retire(workers.old, state.serial);
    if (!fits(shapeOf(state))) await reloaded(state, state.serial);
  }

  async function started(): Promise<void> {
    for (const until = Date.now() + REVIVE_MS; ;) {
      await writeFiles(state);
      try {
        await master.start(shapeOf(state));
        break;
      } catch (error) {
        if (!hasRun || Date.now() > until || !(error instanceof UserError)) throw error;
      }
    }
    drain.reset();
    held = null;
    follow(await master.workers(), true);
  }

  /** `serial`: the newest token that the workers replaced can know. */
  async function reloaded(of: KeeperState, serial: number): Promise<void> {
    await writeFiles(of);
    const workers = await master.reload(shapeOf(of));
    held = null;
    follow(workers, true);
    await drain.retire(workers.old, serial);
  }

  /** HAProxy does what the state says; returns what it holds, read back. */
  async function converged(): Promise<Holding> {
    const layout = layoutOf(state);
    let said = held === null ? '' : await order(commandsFor(layout, held));
    for (let tries = 0; tries < CONVERGE_TRIES; tries += 1) {
      held = await readHolding(RUNTIME_SOCKET);
      const commands = commandsFor(layout, held);
      if (commands.length === 0) return held;
      said = await order(commands);
    }
    held = null;
    throw new OutsideError(
      'HAPROXY_DIVERGED',
      `HAProxy does not do what it is told: ${said}`,
      'Run the command again; it starts from what HAProxy really does.',
    );
  }

  async function order(commands: readonly string[]): Promise<string> {
    let said = '';
    for (const line of linesOf(commands)) said = (await say(RUNTIME_SOCKET, line)).trim();
    return said;
  }

  /** Work that needs HAProxy; repeated once when it dies meanwhile. */
  async function withHaproxy<T>(work: () => Promise<T>): Promise<T> {
    await running();
    try {
      return await work();
    } catch (error) {
      held = null;
      if (!(error instanceof OutsideError) || (await master.isAlive())) throw error;
      await running();
      return work();
    }
  }

  /** Find what HAProxy has not logged. */
  async function settle(tokens: readonly string[]): Promise<void> {
    const at = worker;
    const first = await allBackends(RUNTIME_SOCKET);
    const second = await allBackends(RUNTIME_SOCKET);
    if (at !== worker) return;
    for (const token of tokens) counters.settle(token, at, first.get(backendOf(token)), second.get(backendOf(token)));
  }

  function accept(app: string, fence: number): void {
    const accepted = state.apps[app]?.fence ?? -Infinity;
    if (fence < accepted) throw new FencedError(`the edge has accepted fence ${accepted} for ${app}; ${fence} is older`);
  }

  /** Store a new state, then have HAProxy follow; a reload only when its configuration cannot do it. */
  async function become(next: KeeperState): Promise<void> {
    const before = state;
    await file.save(next);
    state = next;
    if (fits(shapeOf(next))) return;
    try {
      await reloaded(next, before.serial);
    } catch (error) {
      // A configuration that HAProxy refuses must not be what the next start finds.
      state = before;
      await file.save(before);
      await writeFiles(before);
      throw error;
    }
  }

  async function apply(intent: EdgeIntent): Promise<EdgeObservation> {
    accept(intent.app, intent.fence);
    refuseTakenRoutes(state, intent);
    const addresses = await addressesOf(intent);
    return withHaproxy(async () => {
      const earlier = state.apps[intent.app]?.tokens ?? {};
      const isKnown = intent.versions.every(({ id }) => earlier[id] !== undefined);
      const backends = isKnown ? new Map() : await allBackends(RUNTIME_SOCKET);
      const { tokens, serial, slots } = allocate(state, intent, new Set([...busyOf(backends), ...drain.resting()]));
      const next = { ...state, serial, slots, apps: { ...state.apps, [intent.app]: { fence: intent.fence, intent, tokens, addresses } } };
      for (const [id, token] of Object.entries(tokens)) {
        counters.know(token, intent.app, id);
        if (earlier[id] !== token) counters.begin(token, worker, backends.get(backendOf(token)));
      }
      await become(next);
      const holding = await converged();
      drain.note(Object.values(earlier).filter((token) => !Object.values(tokens).includes(token)));
      return observed(intent.app, holding);
    });
  }

  async function observed(app: string, holding: Holding): Promise<EdgeObservation> {
    const known = state.apps[app];
    const inFlight = await countInFlight(Object.values(known?.tokens ?? {}), RUNTIME_SOCKET, (line) => drain.ask(line));
    const observation = observationOf(
      app,
      known?.fence ?? 0,
      (known?.intent?.versions ?? []).map(({ id }) => id),
      holding,
      inFlight,
    );
    if (observation === null)
      throw new OutsideError('HAPROXY_DIVERGED', `HAProxy does not know ${app}, of which it was told`, 'Run the command again.');
    return observation;
  }

  async function remove(app: string, fence: number): Promise<null> {
    accept(app, fence);
    return withHaproxy(async () => {
      const earlier = Object.values(state.apps[app]?.tokens ?? {});
      await become({ ...state, apps: { ...state.apps, [app]: { fence, intent: null, tokens: {}, addresses: {} } } });
      await converged();
      drain.note(earlier);
      counters.forget(app);
      return null;
    });
  }

  /** Bring HAProxy back when it has died; tidy up when something is left over. */
  function watch(): void {
    if (isStopping || !hasRun || isWatchQueued) return;
    isWatchQueued = true;
    inTurn(async () => {
      isWatchQueued = false;
      if (isStopping) return;
      await running();
      if (!log.isFollowing(worker)) follow(await master.workers(), false);
      await followPressure();
      if (await drain.sweep(() => layoutOf(state), RUNTIME_SOCKET)) held = null;
    }).catch((error: unknown) => {
      held = null;
      console.error(`${new Date().toISOString()} ${error instanceof SluiceError ? error.code : 'BUG'}: ${String(error)}`);
    });
  }
  const watcher = setInterval(watch, WATCH_MS);

  /** A reload leaves those who do nothing to the worker that it replaces; users find room in the new one at once. */
  async function followPressure(): Promise<void> {
    const found = connectionsIn(await say(RUNTIME_SOCKET, 'show info'));
    if (found === null || !pressure.look(found.connections, found.most, performance.now())) return;
    console.error(
      `${new Date().toISOString()} ${found.connections} of ${found.most} connections: HAProxy ${pressure.isCrowded ? 'waits less for clients' : 'waits for clients as it is set'}`,
    );
    await reloaded(state, state.serial);
  }

  let isLooking = false;
  /** Not in turn with the rest: it may take a while, and changes nothing of what HAProxy holds. */
  async function lookAtBodies(): Promise<void> {
    if (isLooking || isStopping || !hasRun) return;
    isLooking = true;
    try {
      const workers = await master.workers();
      if (workers !== null) await slowBodies.look([workers.current, ...workers.old], rules(), pressure.isCrowded);
    } catch (error) {
      // Looked at again soon; a HAProxy that has died is the watcher's.
      if (!(error instanceof OutsideError)) throw error;
    } finally {
      isLooking = false;
    }
  }
  const looker = setInterval(
    () => void lookAtBodies(),
    Math.min(BODIES_MS.most, Math.max(BODIES_MS.least, options.rules.timeouts.bodyMs / 4)),
  );

  function follow(workers: Workers | null, fromStart: boolean): void {
    if (workers === null) return;
    worker = workers.current;
    log.follow(worker, fromStart);
  }

  function close(): void {
    isStopping = true;
    clearInterval(watcher);
    clearInterval(looker);
    log.close();
  }

  return {
    apply: async (raw) => {
      const intent = parseIntent(raw);
      return inTurn(() => apply(intent));
    },
    remove: (app, fence) => inTurn(() => remove(app, fence)),
    observe: (app) =>
      inTurn(async () =>
        (state.apps[app]?.intent ?? null) === null ? null : withHaproxy(async () => observed(app, await readHolding(RUNTIME_SOCKET))),
      ),
    async stats(app) {
      await settle(Object.values(state.apps[app]?.tokens ?? {})).catch(() => {});
      return { epoch, at: Date.now(), versions: counters.read(app) };
    },
    ensure: () => inTurn(() => withHaproxy(async () => void (await converged()))),
    async stop() {
      close();
      await inTurn(() => master.stop());
    },
    close,
  };
}

function tokensOf(state: KeeperState): string[] {
  return Object.values(state.apps).flatMap(({ tokens }) => Object.values(tokens));
}

function refuseTakenRoutes(state: KeeperState, intent: EdgeIntent): void {
  const taken = takenRoute(
    intent,
    Object.values(state.apps).flatMap((app) => app.intent ?? []),
  );
  if (taken === null) return;
  const { route, app } = taken;
  throw new UserError(
    'EDGE_ROUTE_TAKEN',
    `the route ${route.host ?? '*'}${route.pathPrefix} of ${intent.app} belongs to ${app}`,
    'Give one of the apps another host or path, or remove the app that has it.',
  );
}

/** HAProxy takes addresses at run time; names are looked up here, once per apply. */
async function addressesOf(intent: EdgeIntent): Promise<Record<string, string>> {
  const hosts = new Set(intent.versions.flatMap(({ endpoints }) => endpoints.map(({ host }) => host)).filter((host) => isIP(host) === 0));
  const found = await Promise.all(
    [...hosts].map(async (host) => {
      const { address } = await lookup(host, { verbatim: false }).catch((error: unknown) => {
        throw new OutsideError(
          'EDGE_ENDPOINT_UNKNOWN',
          `the endpoint host ${host} of ${intent.app} cannot be looked up`,
          'Check the name and the name server, then run the command again.',
          error,
        );
      });
      return [host, address] as const;
    }),
  );
  return Object.fromEntries(found);
}
