import type { Mutant } from './mutant.ts';

export default [
  {
    name: 'missing evidence does not hold a threshold verdict',
    file: 'src/core/analysis/threshold.ts',
    from: 'if (missing !== null) return conclude(state, missing.phase, missing.reason, metrics);',
    to: '',
    spec: 'src/core/analysis/threshold.spec.ts',
    title: 'FL#1011: traffic that stops during the analysis is not a pass',
  },
] satisfies readonly Mutant[];
