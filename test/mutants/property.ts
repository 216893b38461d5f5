import type { Mutant } from './mutant.ts';

const spec = 'src/core/analysis/streams.spec.ts';
const PLACES = 'labels that change places are told';

export default [
  {
    name: 'a counter of errors that has stopped counts as no errors',
    file: 'src/core/analysis/streams.ts',
    from: '(needs.errors ? quietOf(streams, needs) : null) ??',
    to: '(needs.errors && streams.share === -1 ? quietOf(streams, needs) : null) ??',
    spec,
    title: 'errors that came steadily and come no more',
  },
  {
    name: 'an incident of a minute is a history of errors',
    file: 'src/core/analysis/quiet.ts',
    from: 'const LEAST_LOOKS = 10;',
    to: 'const LEAST_LOOKS = 2;',
    spec,
    title: 'errors that came steadily and come no more',
  },
  {
    name: 'an old version that fails itself is compared with',
    file: 'src/core/analysis/plausible.ts',
    from: 'if (failed * requests < COMPARED || failed < FAILING) return null;',
    to: 'if (failed * requests < COMPARED || failed < 2) return null;',
    spec,
    title: 'an old version that fails itself is nothing to compare with',
  },
  {
    name: 'a thousand times faster is faster',
    file: 'src/core/analysis/plausible.ts',
    from: 'const MOST_FASTER = 20;',
    to: 'const MOST_FASTER = 1e9;',
    spec,
    title: 'latencies of another unit are told',
  },
  {
    name: 'latencies of few requests are never too many',
    file: 'src/core/analysis/streams.ts',
    from: 'const tooMany = tooManyTimed(arm, open);',
    to: 'const tooMany = requests < 0 ? tooManyTimed(arm, open) : null;',
    spec,
    title: 'twice as many latencies as requests are too many',
  },
  {
    name: 'labels that change places are a restart',
    file: 'src/core/analysis/plausible.ts',
    from: 'if (fallen === undefined || fallen.after >= fallen.before || usual === null) return null;',
    to: 'if (fallen === undefined || fallen.after >= fallen.before || usual !== -1) return null;',
    spec,
    title: PLACES,
  },
  {
    name: 'labels that have changed places are believed from the next look on',
    file: 'src/core/analysis/streams.ts',
    from: 'swapFault(sample, arm, usual) !== null ||',
    to: '',
    spec,
    title: PLACES,
  },
  {
    name: 'a next bake does not know what is usual',
    file: 'src/core/analysis/judge.ts',
    from: 'streams: carryStreams(before.streams, setting.share)',
    to: 'streams: { ...carryStreams(before.streams, setting.share), ...fresh.streams, perMs: 0 / 0 }',
    spec,
    title: PLACES,
  },
  {
    name: 'a selector that does not name the version is good enough',
    file: 'src/core/analysis/from-counters.ts',
    from: 'const LEAST_SAME = 100;',
    to: 'const LEAST_SAME = Infinity;',
    spec,
    title: 'a selector that does not name the version is told',
  },
  {
    name: 'any finite number is a count',
    file: 'src/core/analysis/from-counters.ts',
    from: '...Object.values(counters.latency)].every(isCount)',
    to: '...Object.values(counters.latency)].every((count) => isCount(count) || count > 1)',
    spec,
    title: 'a counter that is no count any more',
  },
] satisfies readonly Mutant[];
