import type { ScanRequest, ScanResult } from '../../services/scan/scan.ts';
import { NOT_LOOKED_AT, type NotLookedAt } from '../../core/secret-scan/content.ts';
import { plural, table } from './words.ts';

/** Paths of one reason that are shown; `--json` has all. */
const SHOWN = 10;

/** What a scan found, what it did not look at and why, and what that comes to. */
export function scanLines(result: ScanResult, kind: ScanRequest['what']['kind']): string[] {
  return [
    ...table(result.findings.map((one) => [`${one.path}:${one.line}:${one.column}`, one.rule, one.mark.slice(0, 12), one.description])),
    ...result.envFiles.map(({ path, problem }) =>
      problem === 'tracked'
        ? `${path} is tracked: git rm --cached ${path}, and add it to .gitignore`
        : `${path} is not ignored: add it to .gitignore`,
    ),
    ...notLookedAt(result),
    ...result.undecided.map(
      ({ path, rules }) => `${path} was not decided in time by ${rules.join(', ')}: make the rule simpler, or leave the path out`,
    ),
    lastLine(result, kind),
    ...(result.findings.length > 0
      ? ['Take it back where it was issued first: it is in the history. If it is none: sluice scan --ignore MARK --reason "…"']
      : []),
  ];
}

function notLookedAt({ skipped }: ScanResult): string[] {
  const reasons = Object.keys(NOT_LOOKED_AT) as NotLookedAt[];
  return reasons.flatMap((reason) => {
    const paths = skipped.filter((one) => one.reason === reason).map((one) => one.path);
    if (paths.length === 0) return [];
    const rest = paths.length > SHOWN ? `, and ${paths.length - SHOWN} more (--json names all)` : '';
    return [`Not looked at, ${NOT_LOOKED_AT[reason]}: ${paths.slice(0, SHOWN).join(', ')}${rest}`];
  });
}

const NOTHING: Readonly<Record<ScanRequest['what']['kind'], string>> = {
  tree: 'Nothing was looked at: no file that is tracked, or would be, could be.',
  staged: 'Nothing was looked at: no new line is staged.',
  range: 'Nothing was looked at: these commits add no line.',
};

function lastLine({ findings, files, cached, ignored, verdict }: ScanResult, kind: ScanRequest['what']['kind']): string {
  if (verdict === 'nothing') return NOTHING[kind];
  const more = `${cached > 0 ? `, ${plural(cached, 'file')} clean as before` : ''}${ignored > 0 ? `, ${ignored} ignored` : ''}`;
  return `${plural(findings.length, 'secret')} in ${plural(files, 'file')}${more}`;
}
