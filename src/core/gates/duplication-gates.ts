import type { Duplication } from './duplication.ts';
import { countDuplicated, duplicationPercent, findDuplication } from './duplication.ts';
import { matchesAny } from './glob.ts';
import type { Material } from './material.ts';
import { gate, gateWithoutBase, percentUp, plural } from './material.ts';
import { areKnown, countNewLines, isNewLine } from './new-lines.ts';
import type { GateResult } from './report.ts';
import type { GateSettings } from './settings.ts';
import { isSource } from './tokens.ts';

export interface DuplicationJudgement {
  readonly gates: readonly GateResult[];
  readonly duplication: number | null;
  readonly newDuplication: number | null;
  readonly codeLines: number;
}

/** Larger ones are data or made by a program, bytes. */
const LARGEST_FILE = 1_000_000;

/** Duplicated lines of new code and of all, by SonarQube's definition. */
export function judgeDuplication(settings: GateSettings['duplication'], smallChange: number, material: Material): DuplicationJudgement {
  const files = material.sources.filter(
    ({ path, text }) => isSource(path) && text.length <= LARGEST_FILE && !matchesAny(path, settings?.exclude ?? []),
  );
  const found = findDuplication(files);
  const known = new Set(files.map(({ path }) => path));
  const { newLines } = material;
  const isNew = isNewLine(newLines);
  const lines = areKnown(newLines) ? countNewLines(newLines, (path) => known.has(path)) : 0;
  const newDuplication = duplicationPercent(countDuplicated(found, isNew), lines);
  const duplication = duplicationPercent(countDuplicated(found), found.lineCount);
  const gates = [
    ...(settings?.new == null
      ? []
      : [
          areKnown(newLines)
            ? newGate(settings.new, smallChange, lines, newDuplication, () => blocksOf(found, isNew))
            : gateWithoutBase(
                'duplication.new',
                newLines,
                found.blocks.length === 0,
                'No line stands in a duplicated block.',
                settings.new,
              ),
        ]),
    ...(settings?.overall == null ? [] : [overallGate(settings.overall, duplication, () => blocksOf(found, () => true))]),
  ];
  return { gates, duplication, newDuplication, codeLines: found.codeLines };
}

function newGate(limit: number, smallChange: number, lines: number, value: number | null, details: () => string[]): GateResult {
  const name = 'duplication.new';
  if (value === null) return gate(name, 'notApplicable', 'There is no new line of source code.', { limit });
  if (lines < smallChange)
    return gate(name, 'notApplicable', `${plural(lines, 'new line')}, fewer than ${smallChange}: too few to judge.`, { value, limit });
  const message = `${percentUp(value)} of ${plural(lines, 'new line')} stand in duplicated blocks; at most ${limit} % is allowed.`;
  return value <= limit
    ? gate(name, 'passed', message, { value, limit })
    : gate(name, 'failed', message, { value, limit, details: details() });
}

function overallGate(limit: number, value: number | null, details: () => string[]): GateResult {
  const name = 'duplication.overall';
  if (value === null) return gate(name, 'notApplicable', 'There is no source code.', { limit });
  const message = `${percentUp(value)} of all lines stand in duplicated blocks; at most ${limit} % is allowed.`;
  return value <= limit
    ? gate(name, 'passed', message, { value, limit })
    : gate(name, 'failed', message, { value, limit, details: details() });
}

function blocksOf(found: Duplication, isCounted: (path: string, line: number) => boolean): string[] {
  const touches = ({ path, from, to }: { path: string; from: number; to: number }): boolean => {
    for (let line = from; line <= to; line += 1) if (isCounted(path, line)) return true;
    return false;
  };
  return found.blocks
    .filter((block) => touches(block) || touches(block.of))
    .map(({ path, from, to, of }) => `${path}:${from}-${to} is like ${of.path}:${of.from}-${of.to}`);
}
