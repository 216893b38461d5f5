import { z } from 'zod';
import { DEFAULTS as D } from './defaults.ts';
import { duration, DURATION_ALLOWED, flag, object, oneOf, positive } from './parts.ts';

const STEP_ALLOWED = 'a weight such as 5, or an object with weight, bake, pause';
const weight = z
  .number({ error: 'a percentage between 0 and 100, both excluded' })
  .gt(0, { error: 'a percentage greater than 0' })
  .lt(100, { error: 'a percentage less than 100 (100 comes by itself at the end)' });
const step = z
  .union(
    [
      weight,
      object({
        weight: weight.optional().describe('Percent of the traffic for the new version.'),
        bake: positive.optional().describe('Stay for this long while the analysis looks.'),
        pause: z
          .union([z.literal(true), positive], { error: `true (until promoted), or ${DURATION_ALLOWED}` })
          .optional()
          .describe('Wait: for this long, or with true until a person promotes.'),
      }).refine((value) => Object.keys(value).length > 0, { error: STEP_ALLOWED }),
    ],
    { error: STEP_ALLOWED },
  )
  .meta({ id: 'Step', description: 'A weight alone, or an object whose parts happen in this order: weight, bake, pause.' });
const soak = duration.optional().meta({ description: 'How long the old version stays alive beside the promoted one.', default: D.soak });
const STEPS_ALLOWED = 'a list of steps, or "auto"';
const above0 = (what: string) => z.number({ error: what }).gt(0, { error: what });
const auto = object({
  harm: above0('a number above 0').optional().meta({
    description: 'Bad answers that a version which fails every request may cost until it has no traffic any more.',
    default: D.auto.harm,
  }),
  longest: positive.optional().meta({ description: 'Longest bake of one step.', default: D.auto.longest }),
  requestsPerSecond: above0('requests a second')
    .optional()
    .describe('The traffic to choose for. Default: what the edge sees as the plan is made.'),
}).meta({ id: 'AutoSteps', description: 'How careful steps that are chosen for the traffic are.' });
const STRATEGIES = ['recreate', 'allAtOnce', 'blueGreen', 'canary'] as const;
const strategyName = oneOf(STRATEGIES);
const strategyObject = z.discriminatedUnion(
  'kind',
  [
    object({ kind: z.literal('recreate').describe('Stop the old version, then start the new one: for workers that must not run twice.') }),
    object({ kind: z.literal('allAtOnce').describe('New beside old, then all traffic at once.'), soak }),
    object({
      kind: z
        .literal('blueGreen')
        .describe('All traffic at once, the old version kept alive while the analysis looks: switching back is instant.'),
      confirm: flag.optional().meta({ description: 'Wait for `promote` before the switch.', default: D.blueGreen.confirm }),
      bake: duration.optional().meta({ description: 'How long the analysis looks at 100 %.', default: D.blueGreen.bake }),
      soak,
    }),
    object({
      kind: z.literal('canary').describe('A share of the traffic first, more on evidence.'),
      steps: z
        .union([z.literal('auto'), z.array(step, { error: STEPS_ALLOWED }).min(1, { error: 'at least one step' })], {
          error: STEPS_ALLOWED,
        })
        .optional()
        .meta({
          description:
            'What happens before 100 %, in order; weights only grow. `"auto"`: chosen for the traffic as the plan is made, and explained in it.',
          default: D.steps,
        }),
      auto: auto.optional().describe('What `steps: "auto"` keeps to.'),
      soak,
    }),
  ],
  { error: STRATEGIES.map((value) => `"${value}"`).join(', ') },
);
export const strategy = z
  .union([strategyName, strategyObject], { error: `${STRATEGIES.map((value) => `"${value}"`).join(', ')}, or an object { kind, … }` })
  .meta({
    id: 'Strategy',
    description:
      'How traffic gets from the old version to the new one. A name alone takes the defaults. The first deploy of an app skips the steps: there is nothing to compare with.',
  });
