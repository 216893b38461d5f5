import type { Finding } from './finding.ts';
import type { CheckOutcome, CheckReport, GateResult, Measures } from './report.ts';
import { day } from './waivers.ts';

/** GitHub cuts comments at 65,536 characters; some room is left for what surrounds this. */
const LONGEST = 60_000;
const FINDINGS_SHOWN = 50;

/** Reports for a pull request: the verdict first, what failed open, everything else folded. */
export function markdownOf(reports: readonly CheckReport[], before: (app: string) => Measures | null): string {
  const failed = reports.filter((one) => one.verdict === 'failed').map((one) => one.app);
  const title = failed.length === 0 ? '## Checks passed' : `## Checks failed: ${failed.map(code).join(', ')}`;
  const parts = reports.filter((one) => one.verdict !== 'none').map((one) => appPart(one, before(one.app)));
  const text = `${[title, ...parts].join('\n\n')}\n`;
  return text.length <= LONGEST
    ? text
    : `${text.slice(0, text.lastIndexOf('\n', LONGEST))}\n\nCut here: the rest is in the output of \`sluice check\`.\n`;
}

function appPart(report: CheckReport, before: Measures | null): string {
  const { app, verdict, checks, gates, findings, waivers, measures } = report;
  const bad = [
    ...checks.filter((one) => one.result !== 'passed').map(checkDetails),
    ...gates.filter((one) => one.result === 'failed').map(gateDetails),
  ];
  const fresh = findings.filter((one) => one.isNew && !one.isWaived);
  const parts = [
    `### ${mark(verdict)} ${escape(app)}`,
    measuresLine(measures, before),
    ...bad,
    ...(fresh.length === 0 ? [] : [folded(`${fresh.length} new findings`, fresh.slice(0, FINDINGS_SHOWN).map(findingLine).join('\n'))]),
    folded(`${checks.length} checks, ${gates.length} gates`, table(checks, gates)),
    ...(waivers.length === 0
      ? []
      : [
          waivers
            .map(
              ({ finding, author, reason, expires }) =>
                `- Waived by ${escape(author)} until ${day(expires)}: ${code(finding)}, ${escape(reason)}`,
            )
            .join('\n'),
        ]),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function mark(result: string): string {
  return result === 'passed' ? '✅' : result === 'notApplicable' || result === 'skipped' || result === 'none' ? '➖' : '❌';
}

function checkDetails({ check, message, lastLines }: CheckOutcome): string {
  const output = lastLines.length === 0 ? '' : `\n\n${fence(lastLines.join('\n'))}`;
  return `**${escape(check)}**: ${escape(message)}${output}`;
}

function gateDetails({ gate, message, details }: GateResult): string {
  return `**${escape(gate)}**: ${escape(message)}${details.length === 0 ? '' : `\n${details.map((one) => `\n- ${code(one)}`).join('')}`}`;
}

function findingLine({ path, line, rule, severity, message }: Finding): string {
  const place = path === null ? '' : `${code(`${path}${line === null ? '' : `:${line}`}`)} `;
  return `- ${place}${severity}: ${escape(message)} (${code(rule)})`;
}

function table(checks: readonly CheckOutcome[], gates: readonly GateResult[]): string {
  const rows = [
    ...checks.map(({ check, result, message }) => [mark(result), code(check), cell(message)]),
    ...gates.map(({ gate, result, message }) => [mark(result), code(gate), cell(message)]),
  ];
  return ['| | | |', '|---|---|---|', ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n');
}

function measuresLine(now: Measures, before: Measures | null): string {
  const parts = [
    figure('coverage', now.coverage, before?.coverage),
    figure('coverage of new code', now.newCoverage, undefined),
    figure('duplication', now.duplication, before?.duplication),
    figure('technical debt', now.debtRatio, before?.debtRatio),
    now.tests === null ? '' : `${now.tests} tests`,
  ];
  return parts.filter((part) => part !== '').join(' · ');
}

/** `coverage 81.2 % (+0.4)` */
export function figure(name: string, value: number | null, before: number | null | undefined): string {
  if (value === null) return '';
  const change = before == null ? 0 : value - before;
  const moved = Math.abs(change) < 0.05 ? '' : ` (${change > 0 ? '+' : '−'}${Math.abs(change).toFixed(1)})`;
  return `${name} ${value.toFixed(1)} %${moved}`;
}

function folded(title: string, inner: string): string {
  return `<details><summary>${escape(title)}</summary>\n\n${inner}\n\n</details>`;
}

/** Nothing that a report says becomes markup, a link or a mention. */
function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll(/[\\`*_{}[\]#|~]/g, '\\$&')
    .replaceAll('@', '@\u200b')
    .replaceAll(/\s*\n\s*/g, ' ');
}

function code(text: string): string {
  const plain = text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|');
  const ticks = '`'.repeat(longestRun(plain) + 1);
  const room = plain.startsWith('`') || plain.endsWith('`') ? ' ' : '';
  return `${ticks}${room}${plain}${room}${ticks}`;
}

function cell(text: string): string {
  return escape(text);
}

function fence(text: string): string {
  const ticks = '`'.repeat(Math.max(3, longestRun(text) + 1));
  return `${ticks}text\n${text}\n${ticks}`;
}

function longestRun(text: string): number {
  return (text.match(/`+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 0);
}
