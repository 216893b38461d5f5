/** Values for what checks and gates leave out, in the notation of the configuration. */
export const CHECK_DEFAULTS = {
  folder: 'app',
  timeout: '10m',
  maxAge: '1d',
  /** Vulnerabilities become known without anything of ours changing. */
  reuseOfAnswers: '1d',
  smallChange: 20,
  coverage: { new: 80, unmeasured: 'uncovered' },
  duplication: { new: 3 },
  tests: { least: 1 },
  findings: { new: 'major' },
  ratingsOf: 'new',
  advisories: 'high',
} as const;

/** Files that tests are made of. */
export const TEST_FILES = [
  '**/test/**',
  '**/tests/**',
  '**/__tests__/**',
  '**/testing/**',
  '*.test.*',
  '*.spec.*',
  'test_*.py',
  '*_test.*',
  'conftest.py',
] as const;
/** Settings of tools. */
export const TOOL_FILES = ['*.config.*', '*.d.ts', 'setup.py'] as const;
