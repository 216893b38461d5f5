import { figure } from '../../core/gates/markdown.ts';
import type { CheckOutcome, CheckReport, GateResult, Measures } from '../../core/gates/report.ts';
import type { Colour, Terminal } from '../session/terminal.ts';
import { duration, plural, table } from './words.ts';

type Paint = Terminal['colour'];

const SIGNS: Readonly<Record<string, readonly [string, Colour]>> = {
  passed: ['ok', 'green'],
  failed: ['failed', 'red'],
  timedOut: ['timeout', 'red'],
  aborted: ['stopped', 'yellow'],
  skipped: ['skipped', 'yellow'],
  notApplicable: ['n/a', 'dim'],
};

function sign(result: string, paint: Paint): string {
  const [word, colour] = SIGNS[result] ?? [result, 'dim' as const];
  return paint(colour, word);
}

/** One app: every check and gate on a line, and below what explains those that failed. */
export function reportText(report: CheckReport, before: Measures | null, paint: Paint): string {
  const { app, verdict, checks, gates, waivers } = report;
  const rows = [
    ...checks.map((one) => [
      `  ${sign(one.result, paint)}`,
      one.check,
      `${one.message}${one.reused || one.ms === 0 ? '' : ` ${duration(one.ms)}`}`,
    ]),
    ...gates.map((one) => [`  ${sign(one.result, paint)}`, one.gate, one.message]),
  ];
  const words = [measuresText(report.measures, before), waivers.length === 0 ? '' : plural(waivers.length, 'waiver')].filter(
    (part) => part !== '',
  );
  const parts = [
    `${paint('bold', app)} ${sign(verdict === 'none' ? 'notApplicable' : verdict, paint)}${words.length === 0 ? '' : `  ${paint('dim', words.join(', '))}`}`,
    ...(rows.length === 0 ? [] : [table(rows).join('\n')]),
    ...checks.filter((one) => one.result === 'failed' || one.result === 'timedOut').map((one) => checkDetails(one, paint)),
    ...gates.filter((one) => one.details.length > 0 && one.result === 'failed').map((one) => gateDetails(one, paint)),
  ];
  return parts.join('\n');
}

function measuresText(now: Measures, before: Measures | null): string {
  return [
    figure('coverage', now.coverage, before?.coverage),
    figure('duplication', now.duplication, before?.duplication),
    figure('debt', now.debtRatio, before?.debtRatio),
  ]
    .filter((part) => part !== '')
    .join(', ');
}

function checkDetails({ check, lastLines, log }: CheckOutcome, paint: Paint): string {
  const output = lastLines.map((line) => `    ${line}`);
  return [`  ${paint('bold', check)}`, ...output, ...(log === null ? [] : [paint('dim', `    Whole output: ${log}`)])].join('\n');
}

function gateDetails({ gate, details }: GateResult, paint: Paint): string {
  return [`  ${paint('bold', gate)}`, ...details.map((line) => `    ${line}`)].join('\n');
}
