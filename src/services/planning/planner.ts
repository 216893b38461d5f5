import type { ResolvedEnvironment } from '../../core/changes/environment.ts';
import { reasonOf, unreadableNotices } from '../../core/changes/reason.ts';
import { appNode, type ProjectGraph } from '../../core/changes/project.ts';
import { manifestsAt, needsMore, type Readers } from '../affected/workspace.ts';
import { SluiceError, UserError } from '../../core/errors.ts';
import type { KnownApp, KnownManifest } from '../../core/release/plan/make-plan.ts';
import { makePlan } from '../../core/release/plan/make-plan.ts';
import { makePromotionPlan } from '../../core/release/plan/make-promotion.ts';
import { makeRetryPlan, makeRollbackPlan } from '../../core/release/plan/make-rollback.ts';
import { type Plan, type PlannedApp, type Source, withHash } from '../../core/release/plan/plan.ts';
import type { DataStages } from '../../core/release/preparations/index.ts';
import type { SourceControl, SourceHead } from '../../ports/source.ts';
import { type AuthorsBetween, withAuthors } from './authors.ts';
import { comparedWith, workspaceAt } from './changes.ts';
import { foldersOf } from './declared.ts';
import { loadConfig } from '../../config/load/load.ts';
import { type Identity, withIdentities } from './identities.ts';
import { environmentNames, resolveEnvironment } from '../../config/resolve/resolve.ts';
import type { Config } from '../../config/schema/workspace.ts';

export interface PlannerOptions {
  /** Root of the workspace. */
  readonly dir: string;
  /** The configuration as it stands now. Default: read from `dir`. */
  readonly config?: () => Promise<Config>;
  /** Tells one value of a variable from another; null: it has none. Left out: plans do not notice that a value changed. */
  readonly identity?: Identity;
  readonly source: SourceControl;
  /** What tells which app is made from what. */
  readonly readers: Readers;
  /** Who wrote a change, for approvals; without it nobody but the person who asks is known to have. */
  readonly authors?: AuthorsBetween;
  /** Backup, migrations and projections that a commit brings to an environment. */
  readonly stages?: (environment: ResolvedEnvironment, commit: string, config: Config) => Promise<DataStages>;
}

/** The engine's `Manifest` has this shape. */
export interface PlannerManifest extends KnownManifest {
  readonly apps: Readonly<Record<string, KnownApp & { readonly release: string | null; readonly since: number }>>;
}

export interface Planner {
  /** Names of the environments, as the configuration has them. */
  environments(): Promise<readonly string[]>;
  environment(name: string): Promise<ResolvedEnvironment>;
  /**
   * What a deploy of the workspace as it stands now would do.
   * @throws UserError `CONFIG_*`, `UNKNOWN_ENVIRONMENT`, `UNKNOWN_APP`, `NOT_A_REPOSITORY`, `NO_COMMITS`,
   *   `UNCOMMITTED_CHANGES`, `PATH_NOT_COMMITTED`.
   */
  plan(request: PlanRequest): Promise<Plan>;
  /**
   * Back to earlier versions: of the apps named, or of all that the newest release brought.
   * @throws UserError as `makeRollbackPlan`.
   */
  rollback(request: RollbackRequest): Promise<Plan>;
  /**
   * What is stable in one environment, to another, with the migrations and read models of its commit.
   * @throws UserError `UNKNOWN_ENVIRONMENT`, `PROMOTION_OF_SEVERAL_COMMITS`, and as `makePromotionPlan`.
   */
  promote(request: PromotionRequest): Promise<Plan>;
  /**
   * An earlier plan once more, on top of what is stable now, under today's rules.
   * @throws UserError `NOTHING_TO_RETRY`, `BRANCH_NOT_ALLOWED`, `UNKNOWN_ENVIRONMENT`.
   */
  retry(request: { readonly plan: Plan; readonly manifest: PlannerManifest }): Promise<Plan>;
  /** What a person should know before deploying, about the workspace and about this plan, one sentence each. */
  notices(environment: string, plan?: Plan): Promise<readonly string[]>;
}

export interface PlanRequest {
  readonly environment: string;
  readonly manifest: PlannerManifest;
  readonly only?: readonly string[];
  readonly force?: boolean;
  readonly liftHold?: boolean;
  /** Why the environment's rules have to be set aside. */
  readonly breakGlass?: string;
}

export interface PromotionRequest {
  readonly to: string;
  readonly manifest: PlannerManifest;
  readonly from: PlannerManifest;
  readonly only?: readonly string[];
  readonly breakGlass?: string;
}

export interface RollbackRequest {
  readonly environment: string;
  readonly manifest: PlannerManifest;
  readonly apps?: readonly string[];
  readonly to?: string;
}

/** Ties configuration, history and manifest together. Reads everything anew for each plan. */
export function createPlanner(options: PlannerOptions): Planner {
  const { dir, source, readers, stages, authors = async () => [], config: read = () => loadConfig(dir), identity } = options;
  const resolve = (config: Config, name: string): ResolvedEnvironment => withValues(resolveEnvironment(config, name), identity);
  const environment = async (name: string): Promise<ResolvedEnvironment> => resolve(await read(), name);
  /** What apps are made from hardly changes between what is deployed and the present commit. */
  const graphNow = async (name: string): Promise<ProjectGraph | null> => {
    const config = await read();
    const { commit } = await source.head();
    return commit === null ? null : (await workspaceAt(readers, commit, config, resolve(config, name))).graph;
  };
  return {
    environments: async () => environmentNames(await read()),
    environment,
    async plan({ environment: name, manifest, only, force, liftHold, breakGlass }) {
      const config = await read();
      const resolved = resolve(config, name);
      const from = await sourceOf(resolved, source);
      await refuseMissing(resolved, from, source);
      const { graph, fingerprints } = await workspaceAt(readers, from.commit, config, resolved);
      const plan = makePlan({
        environment: withWorkspaceBuilds(resolved, graph),
        source: from,
        fingerprints,
        manifest,
        because: await reasonsOf(readers, config, resolved, from.commit, manifest, fingerprints),
        ...(only === undefined || only.length === 0 ? {} : { only }),
        ...(force === undefined ? {} : { force }),
        ...(liftHold === undefined ? {} : { liftHold }),
        ...(breakGlass === undefined ? {} : { breakGlass }),
        ...(stages === undefined ? {} : { stages: await stages(resolved, from.commit, config) }),
      });
      return withAuthors(plan, { governance: resolved.governance, authors, graph: async () => graph, commitOf: () => from.commit });
    },
    async promote({ to, manifest, from, only, breakGlass }) {
      const [there, here] = [await environment(from.environment), await environment(to)];
      const plan = makePromotionPlan({
        environment: here,
        manifest,
        from,
        fromGovernance: there.governance,
        ...(only === undefined ? {} : { only }),
        ...(breakGlass === undefined ? {} : { breakGlass }),
      });
      const commitOf = ({ app }: PlannedApp): string | null => from.apps[app]?.stable?.commit ?? null;
      const data = stages === undefined ? {} : await dataOf(plan, commitOf, (commit, config) => stages(here, commit, config), read);
      return withAuthors(withHash({ ...plan, ...data }), { governance: here.governance, authors, graph: () => graphNow(to), commitOf });
    },
    async rollback({ environment: name, manifest, apps, to }) {
      const named = apps !== undefined && apps.length > 0 ? apps : newestRelease(manifest);
      return makeRollbackPlan({ environment: await environment(name), manifest, apps: named, ...(to === undefined ? {} : { to }) });
    },
    async retry({ plan, manifest }) {
      const here = await environment(plan.environment);
      const again = makeRetryPlan({ ...plan, apps: withIdentities(plan.apps, plan.environment, identity) }, manifest, here);
      if (again.kind === 'rollback') return again;
      return withAuthors(again, {
        governance: here.governance,
        authors,
        graph: () => graphNow(here.name),
        commitOf: () => again.source.commit,
      });
    },
    async notices(name, plan) {
      const [resolved, head] = await Promise.all([environment(name), source.head()]);
      const commit = plan?.source.commit ?? head.commit;
      const unreadable = commit === null ? [] : (await manifestsAt(readers, commit, foldersOf(resolved.apps))).unreadable;
      return [...noticesOf(resolved, head), ...unreadableNotices(unreadable)];
    },
  };
}

/** What this environment builds from: the last commit, or a snapshot of the working tree. */
export async function sourceOf(environment: ResolvedEnvironment, source: SourceControl): Promise<Source & { readonly commit: string }> {
  const { commit, branch, uncommitted } = await source.head();
  if (uncommitted.length > 0 && environment.uncommitted === 'refuse') {
    throw new UserError(
      'UNCOMMITTED_CHANGES',
      `${environment.name} takes commits only, and there are uncommitted changes: ${someOf(uncommitted)}.`,
      'Commit them, or put them aside with git stash.',
    );
  }
  if (environment.uncommitted === 'include' && (uncommitted.length > 0 || commit === null))
    return { commit: await source.snapshot(), branch, dirty: true };
  if (commit === null)
    throw new UserError(
      'NO_COMMITS',
      'The repository has no commit yet, and this environment takes commits only.',
      'git add . && git commit -m "First commit"',
    );
  return { commit, branch, dirty: false };
}

/**
 * What the promoted versions need of the data where they go: their own commit says it, not the one that is checked out.
 * @throws UserError `PROMOTION_OF_SEVERAL_COMMITS`.
 */
async function dataOf(
  plan: Plan,
  commitOf: (app: PlannedApp) => string | null,
  stagesAt: (commit: string, config: Config) => Promise<DataStages>,
  read: () => Promise<Config>,
): Promise<DataStages> {
  const commits = [...new Set(plan.apps.map(commitOf))].filter((commit) => commit !== null);
  const config = await read();
  const found = await Promise.all(commits.map((commit) => stagesAt(commit, config)));
  const [first, ...more] = found;
  if (more.length === 0 || found.every((one) => Object.keys(one).length === 0)) return first ?? {};
  const apps = plan.apps.map((app) => `${app.app} (${commitOf(app)?.slice(0, 7)})`).join(', ');
  throw new UserError(
    'PROMOTION_OF_SEVERAL_COMMITS',
    `These versions were built from several commits, and some bring changes of data: ${apps}.`,
    `Promote the apps of one commit at a time, the oldest first: sluice promote-env ${plan.promotedFrom} ${plan.environment} ${plan.apps[0]?.app}`,
  );
}

/** @throws UserError `PATH_NOT_COMMITTED`. */
async function refuseMissing(
  environment: ResolvedEnvironment,
  from: Source & { readonly commit: string },
  source: SourceControl,
): Promise<void> {
  const trees = await source.trees(
    from.commit,
    environment.apps.map((app) => app.path),
  );
  const missing = environment.apps.filter((app) => (trees.get(app.path) ?? null) === null);
  const [first] = missing;
  if (first === undefined) return;
  const paths = [...new Set(missing.map((app) => app.path))];
  throw new UserError(
    'PATH_NOT_COMMITTED',
    `${paths.join(', ')} ${paths.length === 1 ? 'is' : 'are'} not in ${from.dirty ? 'the working tree, as far as it is not ignored' : `commit ${from.commit.slice(0, 7)}`} (app ${missing.map((app) => app.app).join(', ')}).`,
    from.dirty
      ? `See whether .gitignore leaves it out: git check-ignore -v ${first.path}`
      : `Commit it: git add ${paths.join(' ')} && git commit`,
  );
}

/** App → why its fingerprint is another than that of what is stable, one phrase; says nothing where that commit is gone. */
async function reasonsOf(
  readers: Readers,
  config: Config,
  environment: ResolvedEnvironment,
  head: string,
  manifest: KnownManifest,
  fingerprints: ReadonlyMap<string, string>,
): Promise<Map<string, string>> {
  const byCommit = new Map<string, string[]>();
  for (const { app } of environment.apps) {
    const known = manifest.apps[app];
    const commit = known?.stable?.commit ?? null;
    if (commit === null || known?.fingerprint === fingerprints.get(app)) continue;
    byCommit.set(commit, [...(byCommit.get(commit) ?? []), app]);
  }
  const found = await Promise.all(
    [...byCommit].map(async ([commit, apps]): Promise<[string, string][]> => {
      try {
        return await reasonsSince(readers, config, environment, { head, commit, apps });
      } catch (error) {
        // A reason less is no reason to plan nothing: what is deployed does not depend on it.
        if (error instanceof SluiceError) return [];
        throw error;
      }
    }),
  );
  return new Map(found.flat());
}

async function reasonsSince(
  readers: Readers,
  config: Config,
  environment: ResolvedEnvironment,
  { head, commit, apps }: { readonly head: string; readonly commit: string; readonly apps: readonly string[] },
): Promise<[string, string][]> {
  const { graph, affected } = await comparedWith(readers, config, environment, head, commit);
  return apps.map((app): [string, string] => [app, reasonOf(graph, affected, appNode(app), commit) ?? 'build or check settings changed']);
}

/** Apps that are built from more than their own folder are built in a checkout of the whole workspace. */
function withWorkspaceBuilds(environment: ResolvedEnvironment, graph: ProjectGraph): ResolvedEnvironment {
  return {
    ...environment,
    apps: environment.apps.map((app) =>
      app.build.command !== null && needsMore(graph, appNode(app.app), app.path)
        ? { ...app, build: { ...app.build, workspace: true } }
        : app,
    ),
  };
}

function withValues(environment: ResolvedEnvironment, identity: Identity | undefined): ResolvedEnvironment {
  return identity === undefined ? environment : { ...environment, apps: withIdentities(environment.apps, environment.name, identity) };
}

function newestRelease(manifest: PlannerManifest): string[] {
  const stable = Object.values(manifest.apps).filter((app) => app.stable !== null && app.release !== null);
  const [newest] = stable.toSorted((a, b) => b.since - a.since);
  if (newest === undefined) {
    throw new UserError('NOTHING_TO_ROLL_BACK_TO', `Nothing has been released to ${manifest.environment} yet.`, 'Deploy first.');
  }
  return stable
    .filter((app) => app.release === newest.release)
    .map((app) => app.app)
    .toSorted();
}

function noticesOf(environment: ResolvedEnvironment, head: SourceHead): string[] {
  if (head.uncommitted.length === 0) return [];
  if (environment.uncommitted === 'include') return [`Uncommitted changes are part of it: ${someOf(head.uncommitted)}.`];
  const config = head.uncommitted.filter((path) => path.startsWith('sluice.config.'));
  const notices = [`Uncommitted changes are not part of it: ${someOf(head.uncommitted)}.`];
  if (config.length > 0) notices.push(`${config.join(', ')} has uncommitted changes; its settings do count.`);
  return notices;
}

function someOf(paths: readonly string[]): string {
  const rest = paths.length - 5;
  return paths.slice(0, 5).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
