import type { Mutant } from './mutant.ts';

export default [
  {
    name: 'where the base is not known, coverage of new lines passes',
    file: 'src/core/gates/coverage-gates.ts',
    from: "gateWithoutBase('coverage.new', newLines, measured.coverage === 100,",
    to: "gateWithoutBase('coverage.new', newLines, true,",
    spec: 'src/core/gates/base.property.spec.ts',
    title: 'a gate of new things whose base is not known passes only where it passes with every base',
  },
  {
    name: 'what is worse than nothing is not worse',
    file: 'src/core/gates/run-gates.ts',
    from: '(by > 0 ? Number.POSITIVE_INFINITY : 0)',
    to: '0',
    spec: 'src/core/gates/judge.spec.ts',
    title: 'a figure that was nothing has become worse as soon as it is something',
  },
] satisfies readonly Mutant[];
