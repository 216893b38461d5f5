import { z } from 'zod';
import { isTimeZone } from '../../core/access/window.ts';
import { argv, duration, env, flag, matching, name, object, oneOf, positive, text, whole } from './parts.ts';

/* Who may have something deployed, when, and who is told. */

const people = z.array(text('a person, as in SLUICE_BY'), { error: 'a list of people' });

export const access = object({
  roles: z
    .record(name, people, { error: 'an object of role names and their people' })
    .optional()
    .describe('People by role. A name is what `SLUICE_BY` says, otherwise the name somebody is signed in with; case does not matter.'),
  people: z
    .record(text('a person, as in SLUICE_BY'), z.array(text('a name'), { error: 'a list of names' }), {
      error: 'an object of people and their other names',
    })
    .optional()
    .describe('Other names of people, such as those in their commits, so that nobody approves their own work under another one.'),
}).meta({ id: 'Access', description: 'Who is who.' });

export const APPROVAL_DEFAULTS = { number: 1, expires: '7d', breakGlass: '1h', wait: '7d' } as const;
const D = APPROVAL_DEFAULTS;

export const approval = object({
  number: whole(1, 'a whole number from 1')
    .optional()
    .meta({ description: 'How many different people have to say yes.', default: D.number }),
  roles: z.array(name, { error: 'a list of role names' }).optional().describe('Roles whose people may. Left out: anybody but the author.'),
  byAuthors: flag.optional().meta({
    description: 'Whether people who wrote commits of the change may approve it. Whoever asks for the release never may.',
    default: false,
  }),
  expires: positive.optional().meta({ description: 'Time from being asked to the start of the first rollout.', default: D.expires }),
  breakGlass: positive.optional().meta({
    description: 'The same for an emergency (`--break-glass`), where one other person, whoever it is, suffices.',
    default: D.breakGlass,
  }),
}).meta({ id: 'Approval', description: 'People other than the author who must agree to a plan before it is carried out.' });

const OPENING = /^(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))? ([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-4]):[0-5]\d$/;
const MOMENT = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])( ([01]\d|2[0-3]):[0-5]\d)?$/;
const moment = matching(MOMENT, 'a local date, with or without a time: "2026-12-20", "2026-12-20 18:00"');

export const window = object({
  timeZone: text('the name of a time zone, such as "Europe/Berlin"')
    .refine(isTimeZone, { error: 'the name of a time zone, such as "Europe/Berlin"' })
    .optional()
    .meta({ description: 'Where the clock hangs.', default: 'UTC' }),
  open: z
    .array(matching(OPENING, '"mon-thu 09:00-16:00"'), { error: 'a list such as ["mon-thu 09:00-16:00"]' })
    .optional()
    .describe('When a release may start, such as `"mon-thu 09:00-16:00"`. Left out: always, but for the freezes.'),
  freezes: z
    .array(
      object({
        from: moment.describe('First moment.'),
        to: moment.describe('A day: the whole of it. A time: up to then.'),
        reason: text('why, for people').describe('Why, for people.'),
      }),
      { error: 'a list of { from, to, reason }' },
    )
    .optional()
    .describe('When no release may start.'),
  wait: duration.optional().meta({
    description:
      'Longest wait for it to open; a release that would wait longer ends. 0: nothing waits, a deploy outside is refused at once.',
    default: D.wait,
  }),
}).meta({ id: 'Window', description: 'When releases may start. One that comes too early waits; one that is under way goes on.' });

export const branches = z.array(text('a branch, such as "main" or "release/*"'), { error: 'a list of branches' });

export const promoteFrom = z.array(name, { error: 'a list of environments' });

export const isolated = flag;

const fromEnv = object({
  fromEnv: matching(/^[A-Za-z_]\w*$/, 'the name of a variable').describe(
    "Name of a variable of the control plane's own environment: what must not stand in a file.",
  ),
});

const webhookUrl = z.union([matching(/^https?:\/\/\S+$/, 'an address such as "https://hooks.example.com/x"'), fromEnv], {
  error: 'an address, or { fromEnv: "NAME" }',
});

const occasion = oneOf(['approval', 'rollbackFailed', 'rollbackRefused', 'breakGlass']);

const notifier = object({
  webhook: webhookUrl.optional().describe('Address that gets a JSON document by POST.'),
  format: oneOf(['json', 'slack', 'pagerduty']).optional().meta({
    description: 'What the webhook understands: the whole notice, a message of Slack, or an event of PagerDuty (Events API v2).',
    default: 'json',
  }),
  secret: fromEnv.optional().describe('Signs `json` as Standard Webhooks does; the routing key of `pagerduty`.'),
  command: argv.optional().describe('Gets the notice as JSON on its standard input. Exit code 0: somebody was told.'),
  env: env.optional().describe('Variables for the command besides PATH, HOME, LANG, TZ and TMPDIR.'),
  log: z.literal(true, { error: 'true' }).optional().describe("Written to the control plane's log."),
  on: z.array(occasion, { error: 'a list of occasions' }).optional().describe('Left out: all of them.'),
})
  .refine((one) => [one.webhook, one.command, one.log].filter((way) => way !== undefined).length === 1, {
    error: 'exactly one of webhook, command, log',
  })
  .refine((one) => one.webhook !== undefined || (one.format === undefined && one.secret === undefined), {
    error: 'format and secret beside a webhook only',
  })
  .refine((one) => one.command !== undefined || one.env === undefined, { error: 'env beside a command only' })
  .refine((one) => one.format !== 'pagerduty' || one.secret !== undefined, { error: 'secret, the routing key, beside format "pagerduty"' });

export const notify = z
  .array(notifier, { error: 'a list of { webhook }, { command } or { log: true }' })
  .meta({ id: 'Notify', description: 'Who is told when a person is needed.' });

export type ApprovalConfig = z.input<typeof approval>;
export type WindowConfig = z.input<typeof window>;
export type NotifyConfig = z.input<typeof notify>;
export type AccessConfig = z.input<typeof access>;
