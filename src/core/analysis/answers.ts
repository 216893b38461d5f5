import { readSample, type SampleRead } from './arms.ts';
import { NO_CLASS_WATCH, uncleanClass, watchClasses, worseClass, type ClassWatch } from './class-watch.ts';
import type { AnalysisPolicy } from './policy.ts';
import type { Recent } from './recent.ts';
import type { Judge, Ruling, Sample } from './sample.ts';
import type { Timeline } from './timeline.ts';

/** What is kept of a version's answers beside the metrics of a policy. Plain JSON. */
export interface AnswerWatch {
  readonly classes: ClassWatch;
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

/**
 * A judge of single metrics that also sees what they do not: a version whose answers are of other status classes than the old
 * version's fails, whatever its error rate and latency are, and so it does not pass where its newest answers are. As of the
 * sequential judge, this costs a version that is no worse its release once in a thousand at most, by this and by each look alike.
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
  if (typeof read === 'string' || (before === undefined && !isTold(read))) return before;
  const classes = watchClasses((before ?? NO_ANSWERS).classes, read);
  const worse = before?.worse ?? worseClass(classes);
  return worse === null ? { classes } : { classes, worse };
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
  return answers === undefined ? null : uncleanClass(answers.classes, recent);
}
