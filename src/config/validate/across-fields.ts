import { didYouMean } from '../../core/text/did-you-mean.ts';
import { cycles } from '../../core/changes/order.ts';
import { analysisOf, expandAnalysis, judgeOf } from '../resolve/analysis.ts';
import { checkGovernance } from './across-approvals.ts';
import { checkChecks } from './across-checks.ts';
import { checkKayenta, tooFewPoints } from '../resolve/kayenta.ts';
import { DEFAULTS } from '../schema/defaults.ts';
import type { ExpandedApp } from '../resolve/expand.ts';
import type { Mistake } from './problems.ts';
import { formatPath, valueAt } from './problems.ts';
import { environmentNames, environmentOf, kindOf, mergedApp, normalPath, routesOf } from '../resolve/resolve.ts';
import type { AppConfig, Config, EnvironmentConfig } from '../schema/workspace.ts';
import { parseDuration, shellSyntax, splitArgv } from '../schema/values.ts';

/** What can be made out of a configuration even when much of it is wrong. */
export interface Outline {
  readonly apps: readonly { readonly name: string; readonly path: string | null; readonly dependsOn: readonly string[] }[];
  readonly overrides: readonly { readonly name: string; readonly apps: readonly string[] }[];
}

/**
 * Mistakes that no single value shows: what does not fit together. `config` may lack the apps and environments
 * that are wrong in themselves; `outline` has them all.
 */
export function checkTogether(config: Config, outline: Outline): Mistake[] {
  const found = [
    ...checkDependencies(outline),
    ...checkOverrides(outline),
    ...checkPaths(outline),
    ...checkChecks(config),
    ...checkGovernance(config),
    ...environmentNames(config).flatMap((name) => checkEnvironment(config, name)),
  ];
  // Environments without a difference of their own show the same mistake at the same place.
  return [...new Map(found.map((mistake) => [`${formatPath(mistake.path)} ${mistake.message}`, mistake])).values()];
}

function checkDependencies({ apps }: Outline): Mistake[] {
  const names = apps.map((app) => app.name);
  const unknown = apps.flatMap(({ name, dependsOn }) =>
    dependsOn.flatMap((other, i): Mistake[] =>
      names.includes(other)
        ? []
        : [
            unknownApp(
              ['apps', name, 'dependsOn', i],
              other,
              names.filter((app) => app !== name),
            ),
          ],
    ),
  );
  const circles = cycles(apps).map((cycle): Mistake => ({
    path: ['apps', cycle[0] ?? '', 'dependsOn'],
    message: `these apps wait for each other: ${cycle.join(' → ')}. Take one of the dependencies away.`,
  }));
  return [...unknown, ...circles];
}

function checkOverrides({ apps, overrides }: Outline): Mistake[] {
  const names = apps.map((app) => app.name);
  return overrides.flatMap((environment) =>
    environment.apps
      .filter((name) => !names.includes(name))
      .map((name) => unknownApp(['environments', environment.name, 'apps', name], name, names)),
  );
}

function unknownApp(path: readonly PropertyKey[], name: string, names: readonly string[]): Mistake {
  return { path, message: `there is no app "${name}"; apps: ${names.join(', ') || 'none'}.`, suggestion: didYouMean(name, names) };
}

/** @returns why the path cannot be used, or null. */
function pathProblem(path: string, what: string): string | null {
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) return `found "${path}"; allowed: a relative path inside ${what}.`;
  if (normalPath(path).split('/').includes('..')) return `"${path}" leads outside ${what}; allowed: a folder inside it.`;
  if (normalPath(path).split('/')[0] === '.git') return `"${path}" is git's own folder.`;
  return null;
}

function checkPaths({ apps }: Outline): Mistake[] {
  return apps.flatMap(({ name, path }): Mistake[] => {
    const problem = path === null ? null : pathProblem(path, 'the workspace');
    return problem === null ? [] : [{ path: ['apps', name, 'path'], message: problem }];
  });
}

type At = (...keys: PropertyKey[]) => PropertyKey[];

function checkEnvironment(config: Config, name: string): Mistake[] {
  const environment = environmentOf(config, name);
  const apps = Object.entries(config.apps).map(([app, own]) => ({
    app,
    own,
    merged: mergedApp(own, environment, app),
    at: placer(config, name, app),
  }));
  return [
    ...apps.flatMap(({ own, merged, at }) => [
      ...checkCommands(merged, at),
      ...checkTraffic(merged, own, environment, name, at),
      ...checkAnalyses(merged, at),
    ]),
    ...checkRouteClashes(apps),
  ];
}

/** Where a setting of an app stands: in the environment's overrides when they say it, else with the app. */
function placer(config: Config, environment: string, app: string): At {
  return (...keys) => {
    const own = ['apps', app];
    const over = ['environments', environment, 'apps', app];
    for (let length = keys.length; length > 0; length -= 1) {
      const part = keys.slice(0, length);
      if (valueAt(config, [...over, ...part]) !== undefined) return [...over, ...keys];
      if (valueAt(config, [...own, ...part]) !== undefined) return [...own, ...keys];
    }
    if (keys[0] === 'strategy' && environmentOf(config, environment).strategy !== undefined) return ['environments', environment, ...keys];
    return [...own, ...keys];
  };
}

function checkCommands(app: ExpandedApp, at: At): Mistake[] {
  const commands = [
    ['run', app.run?.command] as const,
    ['build', app.build?.command] as const,
    ['smoke', app.smoke === false ? undefined : app.smoke?.command] as const,
  ];
  const found = commands.flatMap(([key, command]): Mistake[] => {
    if (typeof command !== 'string') return [];
    const syntax = shellSyntax(splitArgv(command) ?? []);
    if (syntax === null) return [];
    return [
      {
        path: at(key),
        message: `"${syntax}" is for a shell, and no shell reads this command. Put it into a script, or say ["sh", "-c", "…"].`,
      },
    ];
  });
  if (app.run?.command === undefined)
    found.push({ path: at('run'), message: 'is missing; needed: the command that starts the app, such as ["node", "server.js"].' });
  const output = app.build?.output === undefined || app.build.output === '/' ? null : pathProblem(app.build.output, "the app's folder");
  if (output !== null) found.push({ path: at('build', 'output'), message: output });
  if (app.smoke !== undefined && app.smoke !== false && app.smoke.command === undefined && (app.smoke.paths ?? []).length === 0) {
    found.push({ path: at('smoke'), message: 'tests nothing; needed: command or paths.' });
  }
  return found;
}

function checkTraffic(app: ExpandedApp, own: AppConfig, environment: EnvironmentConfig, environmentName: string, at: At): Mistake[] {
  const routed = (app.routes ?? []).length > 0;
  const kind = kindOf(app.strategy);
  const found: Mistake[] = [];
  const shares = kind === 'canary' && (app.run?.instances ?? 1) > 1;
  if (!routed && shares) found.push(...checkWorker(app, at));
  else if (!routed && (kind === 'canary' || kind === 'blueGreen')) {
    const general = environment.strategy !== undefined && app.strategy === environment.strategy && own.strategy === undefined;
    const message = `${kind} shifts traffic, but ${general ? 'one of the apps here has' : 'the app has'} no routes. Give it routes, or use allAtOnce (new beside old) or recreate (never both)${kind === 'canary' ? ', or give a worker several run.instances: a share of them is shifted then' : ''}.`;
    found.push({ path: general ? ['environments', environmentName, 'strategy'] : at('strategy'), message });
  }
  if (app.run?.listens === false && (routed || typeof app.health === 'object')) {
    found.push({
      path: at('run', 'listens'),
      message: `found false, but the app has ${routed ? 'routes' : 'a health path'}, which need it to listen. Take one of them away.`,
    });
  }
  if (kind === 'canary') {
    const steps = typeof app.strategy === 'object' && app.strategy.kind === 'canary' ? app.strategy.steps : undefined;
    found.push(...checkSteps(steps ?? null, app.analysis, at), ...checkPoints(steps, app.analysis, at));
  }
  return found;
}

/** Nobody counts at an edge what a worker does. */
function checkWorker({ analysis, analyses = [] }: ExpandedApp, at: At): Mistake[] {
  const message = 'an app without routes has no requests that the edge could count. Give it a source, such as { kind: "logs", … }.';
  const isBlind = (one: { readonly source?: { readonly kind: string } | undefined }) => (one.source?.kind ?? 'edge') === 'edge';
  const named = analyses.flatMap((one, i) => (isBlind(one) ? [{ path: at('analyses', i, 'source'), message }] : []));
  const own = expandAnalysis(analysis);
  return own === false || !isBlind(own) ? named : [{ path: at('analysis', 'source'), message }, ...named];
}

type Steps = Extract<Exclude<AppConfig['strategy'], string | undefined>, { kind: 'canary' }>['steps'];

const NOTHING_JUDGED = 'found "auto", which is chosen for what the analysis needs; with analysis: false say the steps yourself.';

const NO_HARM_KNOWN =
  'found "auto", which is chosen so that a bad version costs little; the kayenta judge finds none before it has its points, which take thousands of requests. Say the steps yourself, or take another judge.';

function checkSteps(steps: Steps | null, analysis: ExpandedApp['analysis'], at: At): Mistake[] {
  if (steps === 'auto') return analysis === false ? [{ path: at('strategy', 'steps'), message: NOTHING_JUDGED }] : [];
  if (steps === null || steps === undefined) return [];
  const found: Mistake[] = [];
  let before = 0;
  steps.forEach((step, i) => {
    const place = (...keys: PropertyKey[]): PropertyKey[] => at('strategy', 'steps', i, ...keys);
    const weight = typeof step === 'number' ? step : step.weight;
    if (weight !== undefined) {
      const where = typeof step === 'number' ? place() : place('weight');
      if (weight <= before) found.push({ path: where, message: `found ${weight}; weights only grow, and the one before is ${before}.` });
      if (Math.round(weight * 10) !== Number((weight * 10).toPrecision(12)))
        found.push({ path: where, message: `found ${weight}; allowed: at most one decimal.` });
      before = Math.max(before, weight);
    }
    if (typeof step === 'object' && step.bake !== undefined && before === 0) {
      found.push({ path: place('bake'), message: 'there is no traffic to look at before the first weight; put a weight before it.' });
    }
  });
  const warmUp = analysisOf(analysis, 'canary')?.initialDelayMs ?? 0;
  steps.forEach((step, i) => {
    const bake = typeof step === 'object' && step.bake !== undefined ? parseDuration(step.bake) : null;
    if (bake === null || bake > warmUp) return;
    const message = `found ${JSON.stringify(typeof step === 'object' ? step.bake : step)}; the first ${warmUp / 1000} s of a bake are not judged, so it could never pass. Make it longer, or set a shorter analysis.initialDelay.`;
    found.push({ path: at('strategy', 'steps', i, 'bake'), message });
  });
  if (before === 0) found.push({ path: at('strategy', 'steps'), message: 'no step has a weight; use blueGreen, or give one a weight.' });
  if (analysis !== false && !steps.some((step) => typeof step === 'object' && step.bake !== undefined)) {
    found.push({
      path: at('strategy', 'steps'),
      message: 'no step has a bake, so the analysis would never look. Give one a bake, or say analysis: false.',
    });
  }
  return found;
}

/** Settings that not every judge has. */
const ONLY_FOR = {
  sequential: ['errors', 'latency', 'alphaFail', 'alphaPass', 'designEffect'],
  threshold: ['metrics'],
  kayenta: ['metrics', 'scores', 'groupWeights', 'minPoints', 'maxPoints'],
} as const;
const ONLY_FOR_METRIC = {
  threshold: ['success', 'failure', 'failureLimit', 'inconclusiveLimit', 'consecutiveErrorLimit', 'consecutiveSuccessLimit'],
  kayenta: ['direction', 'group', 'critical', 'mustHaveData', 'effectSize', 'outliers'],
} as const;
const RELATIVE = { sequential: true, kayenta: true, threshold: false } as const;

type Analysis = Exclude<ReturnType<typeof expandAnalysis>, false>;
type Place = (...keys: PropertyKey[]) => PropertyKey[];

function checkAnalyses(app: ExpandedApp, at: At): Mistake[] {
  const kind = kindOf(app.strategy);
  const own = expandAnalysis(app.analysis);
  const named = (app.analyses ?? []).flatMap((one, i) =>
    // Of the other judges only the main analysis has ever been checked for what does not fit together.
    one.judge === 'kayenta'
      ? checkAnalysis(one, one.during === 'afterPromotion' ? 'blueGreen' : kind, (...keys) => at('analyses', i, ...keys))
      : [],
  );
  return own === false ? named : [...checkAnalysis(own, kind, (...keys) => at('analysis', ...keys)), ...named];
}

/** What in one analysis does not fit together; `place` makes paths inside it. */
export function checkAnalysis(analysis: Analysis, kind: ReturnType<typeof kindOf>, place: Place): Mistake[] {
  const metrics = analysis.metrics ?? [];
  const judge = judgeOf(analysis, kind);
  const found = metrics.flatMap((_, i) => checkMetric(metrics, i, judge, (...keys) => place('metrics', i, ...keys)));
  const others = new Set(Object.values(ONLY_FOR).flat());
  for (const key of others) {
    const isMine = ONLY_FOR[judge].some((mine) => mine === key);
    if (analysis[key] === undefined || isMine) continue;
    found.push({
      path: place(key),
      message: `${key} is for another judge than ${judge}${analysis.judge === undefined ? ', which this one is' : ''}. Take it away, or say which judge.`,
    });
  }
  if (RELATIVE[judge] && kind === 'blueGreen') {
    found.push({
      path: place('judge'),
      message: `found "${judge}", which compares with the old version at the same time, but at 100 % (blueGreen, afterPromotion) that one is without traffic. Use threshold.`,
    });
  }
  if (judge === 'kayenta') found.push(...checkKayenta(analysis, place));
  if (metrics.length > 0 && metrics.every((metric) => metric.dryRun === true)) {
    found.push({
      path: place('metrics'),
      message: 'all metrics are dryRun, so nothing would be judged. Let one count, or say analysis: false.',
    });
  }
  return found;
}

function checkMetric(metrics: NonNullable<Analysis['metrics']>, i: number, judge: keyof typeof ONLY_FOR, place: Place): Mistake[] {
  const metric = metrics[i];
  if (metric === undefined) return [];
  const names = metrics.map(({ name, measure }) => name ?? measure);
  const found: Mistake[] = [];
  if (judge !== 'kayenta' && metric.success === undefined && metric.failure === undefined) {
    found.push({
      path: place(),
      message: 'has neither success nor failure, so it could never say anything; needed: at least one, such as success: "< 1 %".',
    });
  }
  if (names.indexOf(names[i] ?? '') !== i)
    found.push({
      path: place(metric.name === undefined ? 'measure' : 'name'),
      message: `"${names[i]}" is the name of an earlier metric; give this one another name.`,
    });
  const other = judge === 'kayenta' ? 'threshold' : 'kayenta';
  for (const key of judge === 'sequential' ? [] : ONLY_FOR_METRIC[other])
    if (metric[key] !== undefined)
      found.push({ path: place(key), message: `${key} is for ${other}, but ${judge} judges here. Take it away, or say which judge.` });
  return [...found, ...checkConditions(metric, place)];
}

function checkConditions(metric: NonNullable<Analysis['metrics']>[number], place: Place): Mistake[] {
  const found: Mistake[] = [];
  for (const key of ['success', 'failure'] as const) {
    const condition = metric[key];
    if (typeof condition !== 'string') continue;
    if (metric.measure === 'errorRate' && / ?m?s$/.test(condition))
      found.push({
        path: place(key),
        message: `found ${JSON.stringify(condition)}; an error rate has no unit of time, but a share such as "< 1 %".`,
      });
    if (metric.measure !== 'errorRate' && condition.includes('%') && !condition.includes('of baseline')) {
      found.push({
        path: place(key),
        message: `found ${JSON.stringify(condition)}; a latency is compared in ms, or with the old version: "<= 110 % of baseline".`,
      });
    }
  }
  return found;
}

/** Bakes that are too short for the Kayenta judge ever to pass one. */
function checkPoints(steps: Steps | null | undefined, analysis: ExpandedApp['analysis'], at: At): Mistake[] {
  const policy = analysisOf(analysis, 'canary');
  if (policy?.judge !== 'kayenta') return [];
  if (steps === 'auto') return [{ path: at('strategy', 'steps'), message: NO_HARM_KNOWN }];
  const isSaid = steps !== null && steps !== undefined;
  const problems = (isSaid ? steps : DEFAULTS.steps).flatMap((step, i): Mistake[] => {
    const bake = typeof step === 'object' && step.bake !== undefined ? parseDuration(step.bake) : null;
    const problem = bake === null || bake <= policy.initialDelayMs ? null : tooFewPoints(policy, bake);
    if (problem === null) return [];
    const which = `a bake of ${JSON.stringify(typeof step === 'object' ? step.bake : step)}${isSaid ? '' : ', the default,'}`;
    return [{ path: isSaid ? at('strategy', 'steps', i, 'bake') : at('analysis', 'interval'), message: `${which} ${problem}` }];
  });
  return isSaid ? problems : problems.slice(0, 1);
}

interface Placed {
  readonly app: string;
  readonly merged: ExpandedApp;
  readonly at: At;
}

function checkRouteClashes(apps: readonly Placed[]): Mistake[] {
  const owners = new Map<string, string>();
  return apps.flatMap(({ app, merged, at }) =>
    routesOf(merged.routes).flatMap(({ host, pathPrefix }, i): Mistake[] => {
      const route = `${host ?? 'any host'} ${pathPrefix}`;
      const owner = owners.get(route);
      owners.set(route, owner ?? app);
      if (owner === undefined) return [];
      const message =
        owner === app ? `${route} stands here twice.` : `${route} is a route of ${owner} already; give one of them another host or path.`;
      return [{ path: at('routes', i), message }];
    }),
  );
}
