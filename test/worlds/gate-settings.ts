import type { GateSettings } from '../../src/core/gates/settings.ts';

/** Gates of an app that asks for none. */
export const NO_GATES: GateSettings = {
  coverage: null,
  duplication: null,
  smallChange: 20,
  tests: null,
  findings: null,
  ratings: { reliability: null, security: null, maintainability: null, review: null },
  ratingsOf: 'new',
  debtRatio: null,
  licences: null,
  advisories: null,
  budgets: null,
  qualityGate: false,
  waivers: [],
};
