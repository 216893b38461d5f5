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
  {
    name: 'an outcome on no list is a pass',
    file: 'src/adapters/reports/junit-case.ts',
    from: "return { result: 'failed', message: OUTCOMES.failed",
    to: "return { result: OUTCOMES.failed.includes(plain) ? 'failed' : 'passed', message: OUTCOMES.failed",
    spec: 'src/adapters/reports/junit.spec.ts',
    title: 'that are on no list are not passed, and are named',
  },
  {
    name: 'skips that a suite says and does not list are nothing',
    file: 'src/adapters/reports/junit.ts',
    from: 'if (left > skipped) throw',
    to: 'if (left < 0) throw',
    spec: 'src/adapters/reports/junit.spec.ts',
    title: 'never pass a report from which a failed or skipped test was lost',
  },
  {
    name: 'the rule of a result is looked for in the driver alone',
    file: 'src/adapters/reports/sarif-rules.ts',
    from: '(named ?? tool.driver).rules?.[index]',
    to: 'tool.driver.rules?.[index]',
    spec: 'src/adapters/reports/sarif.spec.ts',
    title: 'is the same one in whatever legal way it is referred to, among rules of the same id elsewhere',
  },
  {
    name: 'a lone file of the same name is a foreign root',
    file: 'src/core/gates/foreign-root.ts',
    from: "path.slice(from.length + 1).includes('/')",
    to: 'path.length > from.length',
    spec: 'src/core/gates/foreign-root.spec.ts',
    title: 'is none where',
  },
] satisfies readonly Mutant[];
