import { z } from 'zod';
import { FORMATS } from '../../core/gates/contents.ts';
import { SEVERITIES } from '../../core/gates/finding.ts';
import { RATINGS } from '../../core/gates/ratings.ts';
import { ADVISORY_SEVERITIES } from '../../core/gates/settings.ts';
import { CHECK_DEFAULTS as D } from './checks-defaults.ts';
import { argv, buildEnv, duration, flag, matching, name, object, oneOf, positive, text } from './parts.ts';

/* What is checked of an app, and what its gates ask for. */

const patterns = (what: string) =>
  z.array(text(`a pattern of ${what}, such as "src/generated/**"`), { error: `a list of patterns of ${what}` });
const PERCENT = 'a number from 0 to 100';
const percent = z.number({ error: PERCENT }).min(0, { error: PERCENT }).max(100, { error: PERCENT });
const number = z.number({ error: 'a number' });
const off = z.literal(false, { error: 'false' });
const rating = oneOf(RATINGS);
const path = text('a path below the folder of the app');

const report = object({
  format: oneOf(FORMATS).describe('How it is written.'),
  path: path.describe(
    "Where it is, below the app's folder, or `{reports}/…` in a fresh folder of the run; `*` stands for any part of a name. For advisories also a package lock, with `server`.",
  ),
  server: matching(/^https?:\/\/\S+$/, 'an address such as "https://registry.npmjs.org"')
    .optional()
    .describe("Server that is asked: a registry of npm, OSV's, or SonarQube where it is not the one that the report names."),
  token: matching(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of a variable')
    .optional()
    .describe('Name of the variable that holds the token for the server.'),
  maxAge: positive.optional().meta({ description: 'Oldest that a report may be which no command here makes.', default: D.maxAge }),
  ignore: patterns('files')
    .optional()
    .describe('Files that a coverage report mentions and that need not be in the workspace. `node_modules` never count.'),
}).meta({
  id: 'Report',
  description:
    'A file that a check leaves. One that is missing, empty, damaged, older than its check, or about files that are not there fails.',
});

const checkObject = object({
  command: argv
    .optional()
    .describe(
      'What is run; it passes with exit code 0. `{reports}` in it stands for a fresh folder for its reports. Left out: the check only reads reports that something else has made.',
    ),
  folder: oneOf(['app', 'workspace'])
    .optional()
    .meta({ description: "Where it is run: the app's folder, or the workspace's.", default: D.folder }),
  needs: z.array(name, { error: 'a list of names of checks' }).optional().describe('Checks of the app that must have passed before.'),
  timeout: positive
    .optional()
    .meta({ description: 'Longest time it may take. Then it and all it has started are ended.', default: D.timeout }),
  env: buildEnv.optional().describe('Variables of the command.'),
  inputs: z
    .array(text('a path in the workspace'), { error: 'a list of paths in the workspace' })
    .optional()
    .describe(
      "Files and folders of the workspace, outside of the app, that the result depends on. The app's own and its dependencies' always count.",
    ),
  reports: z.array(report, { error: 'a list of reports' }).optional().describe('Reports that it makes.'),
  reuse: z
    .union([flag, duration], { error: 'true, false, or how long evidence counts, such as "1d"' })
    .optional()
    .describe(
      'Whether it is left out where the same inputs have passed before, or for how long. Default: true; a day where a server is asked.',
    ),
  setup: flag.optional().describe('It prepares the folder for the checks that need it (installs, generates), and is run only for them.'),
});
const check = z.union([argv, checkObject], { error: 'a command, or an object with command, needs, timeout, reports and so on' }).meta({
  id: 'Check',
  description:
    'Something that is looked at before a release: a command that must succeed, reports that are read, or both. A command alone is short for `{ command }`.',
});
export const checks = z.record(name, check, { error: 'an object of names and checks' });

const budget = object({
  most: number.optional().describe('The most it may be.'),
  least: number.optional().describe('The least it may be.'),
  worse: number
    .optional()
    .describe('Percent by which it may be worse than when all gates last passed: higher, or lower where only `least` is given.'),
}).meta({ id: 'Budget', description: 'What a figure of a performance test may be.' });

const waiver = object({
  what: text('a gate, rule, advisory or package').describe(
    'A gate (`coverage.new`), a rule, an advisory, a package or `package@version`; `*` stands for any text.',
  ),
  path: text('a pattern of files').optional().describe('Only in these files.'),
  author: text('who answers for it').describe('Who answers for it.'),
  reason: text('why').describe('Why.'),
  expires: matching(/^\d{4}-\d{2}-\d{2}$/, 'a day such as "2026-03-31"')
    .refine((day) => !Number.isNaN(Date.parse(day)), { error: 'a day such as "2026-03-31"' })
    .describe('The last day on which it counts (UTC).'),
}).meta({
  id: 'Waiver',
  description: 'Something that a gate would fail, and somebody answers for, until a day. It is noted with each release that needs it.',
});

export const gates = object({
  coverage: z
    .union([
      off,
      object({
        new: z.union([percent, off]).optional().meta({ description: 'Least coverage of new lines, percent.', default: D.coverage.new }),
        overall: percent.optional().describe('Least coverage of all lines, percent. Left out: not asked for.'),
        exclude: patterns('files').optional().describe('Files that need not be covered, besides tests and settings of tools.'),
        unmeasured: oneOf(['uncovered', 'ignore']).optional().meta({
          description: 'What source files mean that are like the measured ones, and in no report.',
          default: D.coverage.unmeasured,
        }),
      }),
    ])
    .optional()
    .describe('How much tests cover. Left out: 80 % of new lines where a check makes a coverage report. False: it is not asked for.'),
  duplication: z
    .union([
      off,
      object({
        new: z.union([percent, off]).optional().meta({ description: 'Most duplicated new lines, percent.', default: D.duplication.new }),
        overall: percent.optional().describe('Most duplicated lines of all, percent. Left out: not asked for.'),
        exclude: patterns('files').optional().describe('Files that are left out, besides tests.'),
      }),
    ])
    .optional()
    .describe('Blocks of at least 100 equal tokens over at least 10 lines. Left out: at most 3 % of new lines.'),
  smallChange: z
    .number({ error: 'a whole number from 0' })
    .int({ error: 'a whole number from 0' })
    .min(0, { error: 'a whole number from 0' })
    .optional()
    .meta({
      description: 'Fewer new lines are not judged for coverage (lines that can be covered) and duplication. 0: all changes are.',
      default: D.smallChange,
    }),
  tests: z
    .union([
      off,
      object({
        least: z
          .number({ error: 'a whole number from 1' })
          .int({ error: 'a whole number from 1' })
          .min(1, { error: 'a whole number from 1' })
          .optional()
          .meta({ description: 'Least number of tests that must have run.', default: D.tests.least }),
        expectedSkips: z
          .array(text('a name of a test'), { error: 'a list of names of tests' })
          .optional()
          .describe('Tests that may be skipped: `suite › name`, `*` for any text. Others that are skipped fail.'),
      }),
    ])
    .optional()
    .describe('Tests by their report. Left out: none may fail or be skipped where a check makes a report of tests.'),
  findings: z
    .union([
      off,
      object({
        new: z
          .union([oneOf(SEVERITIES), off])
          .optional()
          .meta({ description: 'Severity from which no new finding is allowed.', default: D.findings.new }),
        overall: oneOf(SEVERITIES).optional().describe('Severity from which no finding at all is allowed. Left out: not asked for.'),
        exclude: patterns('files').optional().describe('Files whose findings do not count.'),
      }),
    ])
    .optional()
    .describe('What analysers found. Left out: nothing new that is major or worse, where a check makes such a report.'),
  ratings: object({
    reliability: rating.optional().describe('By the worst bug.'),
    security: rating.optional().describe('By the worst vulnerability.'),
    maintainability: rating.optional().describe('By the technical debt ratio.'),
    review: rating.optional().describe('By the share of hotspots that were reviewed.'),
    of: oneOf(['new', 'overall']).optional().meta({ description: 'Of new code, or of all.', default: D.ratingsOf }),
  })
    .meta({ id: 'Ratings', description: "Worst ratings that are allowed, by SonarQube's formulae." })
    .optional()
    .describe('Worst ratings that are allowed. Left out: not asked for.'),
  debtRatio: percent.optional().describe('Most technical debt, percent of what the code costs to write. Left out: not asked for.'),
  licences: object({
    allow: z.array(text('an SPDX id'), { error: 'a list of SPDX ids' }).describe('SPDX ids that are allowed.'),
    except: z
      .array(text('a package'), { error: 'a list of packages' })
      .optional()
      .describe('Packages (`name`, `name@version`, `*`) that are allowed whatever their licence.'),
  })
    .optional()
    .describe('Licences of the components that a list of them names. Left out: not asked for.'),
  advisories: z
    .union([off, oneOf(ADVISORY_SEVERITIES)])
    .optional()
    .describe(
      'Severity from which no known vulnerability of a dependency is allowed. Left out: `high`, where a check asks for advisories.',
    ),
  budgets: z
    .record(text('a name'), budget, { error: 'an object of names of figures and their budgets' })
    .optional()
    .describe('Figures of performance tests, by the name that their report gives them.'),
  sonarqube: flag
    .optional()
    .describe("Whether SonarQube's own quality gate must have passed. Default: where a check makes its report-task.txt."),
  waivers: z.array(waiver, { error: 'a list of waivers' }).optional().describe('What does not count, who answers for it, and until when.'),
}).meta({
  id: 'Gates',
  description: 'What must hold before a release. Evidence that is missing fails; every gate that is asked for must have some.',
});

export type ChecksConfig = z.input<typeof checks>;
export type GatesConfig = z.input<typeof gates>;
