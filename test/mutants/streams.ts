import type { Mutant } from './mutant.ts';

const spec = 'src/core/analysis/streams.spec.ts';

export default [
  {
    name: 'a stream that went dark counts as fresh',
    file: 'src/core/analysis/streams.ts',
    from: 'if (dark.looks < DARK_LOOKS || dark.flow < DARK_FLOW) return null;',
    to: 'if (dark.looks >= 0) return null;',
    spec,
    title: 'errors that the source cannot vouch for hold, of either version',
  },
  {
    name: 'errors that no source vouches for count as none',
    file: 'src/core/analysis/streams.ts',
    from: "const isVouched = counts?.unknown?.includes('errors') !== true;",
    to: 'const isVouched = true;',
    spec,
    title: 'errors that the source cannot vouch for hold, of either version',
  },
  {
    name: 'more latencies than requests are believed',
    file: 'src/core/analysis/plausible.ts',
    from: 'counts.timed > counts.requests * MOST_TIMED + UNDER_WAY ?',
    to: 'counts.timed < 0 ?',
    spec,
    title: 'a hundred times too many latencies are no evidence',
  },
  {
    name: 'a fraction of the latencies stands for all',
    file: 'src/core/analysis/streams.ts',
    from: 'const tooFew = tooFewTimed(arm, open);',
    to: 'const tooFew: string | null = null as string | null;',
    spec,
    title: 'a hundred times too many latencies are no evidence',
  },
  {
    name: 'counters that go down while others go up are those of a restart',
    file: 'src/core/analysis/plausible.ts',
    from: 'if (restart.after >= restart.before)',
    to: 'if (restart.after < 0)',
    spec,
    title: 'errors that go down while requests go up are not of one source',
  },
  {
    name: 'a held stream does not hold a pass',
    file: 'src/core/analysis/watching.ts',
    from: "const held = ruling.phase === 'Successful' ? holdIn(policy, state, now) : null;",
    to: 'const held = null as string | null;',
    spec,
    title: 'errors that the source cannot vouch for hold, of either version',
  },
  {
    name: 'a reading an hour ahead blinds the judge',
    file: 'src/core/analysis/clocks.ts',
    from: 'return long !== undefined && at > fromAt && fromAt >= long.fromAt && at < long.at;',
    to: 'return false;',
    spec,
    title: 'an odd clock is dropped, and a steady skew is none of the version',
  },
  {
    name: 'the newest requests of a threshold are not looked at',
    file: 'src/core/analysis/threshold.ts',
    from: "if (lately !== null) return conclude(state, 'Inconclusive', lately, metrics);",
    to: '',
    spec: 'src/core/analysis/lately.spec.ts',
    title: 'what is bad in the unfinished window, or in the newest seconds, does not pass',
  },
  {
    name: 'a rank test alone speaks for the last minute',
    file: 'src/core/analysis/kayenta-judge.ts',
    from: 'if (bad !== null) return bad;',
    to: '',
    spec: 'src/core/analysis/lately.spec.ts',
    title: 'nothing but errors in the last 90 s',
  },
] satisfies readonly Mutant[];
