import { readSample, type SampleRead } from './arms.ts';
import { NO_CLASS_WATCH, STAKE_LATER, uncleanClass, watchClasses, worseClass, type ClassWatch } from './class-watch.ts';
import type { AnalysisPolicy } from './policy.ts';
import type { Recent } from './recent.ts';
import type { Judge, Ruling, Sample } from './sample.ts';
import { brokenRoute, routeEvidence, uncleanRoute, watchRoutes, type Routes } from './routes.ts';
import { addToFail, type Pace } from './sequential/process.ts';
import type { Timeline } from './timeline.ts';

/** What is kept of a version's answers beside the metrics of a policy. Plain JSON. */
export interface AnswerWatch {
  readonly classes: ClassWatch;
  /** Left out: the source does not tell routes apart. */
  readonly routes?: Routes;
  /** Set once: what is worse, in one sentence. */
  readonly worse?: string;
}

/** The state of a judge that sees nothing but the metrics it is given. */
export interface MetricsState extends Timeline {
  /** How things are now, whatever the windows and points of single metrics are. */
  readonly recent: Recent;
  /** Left out while no source has told what became of requests. */
  readonly answers?: AnswerWatch;
}

const NO_ANSWERS: AnswerWatch = { classes: NO_CLASS_WATCH };
/** How much one look can say of one route, as of one class. */
const PACE: Pace = { aSecond: 0.65, atOnce: 6.5, atMost: 6.5 };
/** Evidence at which a route counts as broken: so much comes of a version that is no worse once in a thousand releases. */
const NEEDED = Math.log(1000);

/**
 * A judge of single metrics that also sees what they do not: a version whose answers are of other status classes than the old
 * version's, or which is broken at one route, fails whatever its error rate and latency are; and where its newest answers are
 * so, it does not pass.
 */
export function withAnswers<P extends AnalysisPolicy, S extends MetricsState>(judge: Judge<P, S>): Judge<P, S> {
  return {
    ...judge,
    observe(policy, state, sample) {
      const next = judge.observe(policy, state, sample);
      const isCounted = next.readable > state.readable;
      const answers = isCounted ? answersAfter(state.answers, sample) : undefined;
      return answers === undefined ? next : { ...next, answers };
    },
    verdict: (policy, state, now) => orWorse(judge.verdict(policy, state, now), state),
    finish: (policy, state, now) => unlessUnclean(orWorse(judge.finish(policy, state, now), state), state),
    phase: (policy, state, now) => (state.answers?.worse === undefined ? judge.phase(policy, state, now) : 'Failed'),
    finalPhase(policy, state, now) {
      if (state.answers?.worse !== undefined) return 'Failed';
      const phase = judge.finalPhase(policy, state, now);
      return phase === 'Successful' && uncleanIn(state) !== null ? 'Inconclusive' : phase;
    },
  };
}

function answersAfter(before: AnswerWatch | undefined, sample: Sample): AnswerWatch | undefined {
  const read = readSample(sample);
  if (typeof read === 'string') return before;
  const routes = routesAfter(before?.routes, read);
  if (before === undefined && routes === undefined && !isTold(read)) return undefined;
  const classes = watchClasses((before ?? NO_ANSWERS).classes, read);
  const worse = before?.worse ?? worseClass(classes) ?? (routeEvidence(routes, 0) >= NEEDED ? brokenRoute(routes) : null);
  return { classes, ...(routes === undefined ? {} : { routes }), ...(worse === null ? {} : { worse }) };
}

function routesAfter(before: Routes | undefined, read: SampleRead): Routes | undefined {
  const ms = read.at - read.fromAt;
  return watchRoutes(before, read, (process, evidence) => addToFail(process, evidence, STAKE_LATER, { lookMs: ms, sinceMs: ms }, PACE));
}

function isTold({ candidate, baseline }: SampleRead): boolean {
  return (candidate?.classes ?? baseline?.classes ?? null) !== null;
}

function orWorse(ruling: Ruling, { answers }: MetricsState): Ruling {
  const worse = answers?.worse;
  return worse === undefined || ruling.phase === 'Failed' ? ruling : { ...ruling, phase: 'Failed', reason: worse };
}

function unlessUnclean(ruling: Ruling, state: MetricsState): Ruling {
  const unclean = ruling.phase === 'Successful' ? uncleanIn(state) : null;
  return unclean === null ? ruling : { ...ruling, phase: 'Inconclusive', reason: unclean };
}

function uncleanIn({ answers, recent }: MetricsState): string | null {
  return answers === undefined ? null : (uncleanClass(answers.classes, recent) ?? uncleanRoute(answers.routes));
}
