import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { UnknownBase } from './base.ts';
import type { RawFinding, ReadReport } from './contents.ts';
import type { SourceFile } from './duplication.ts';
import type { Finding } from './finding.ts';
import { SEVERITIES } from './finding.ts';
import { matchesAny } from './glob.ts';
import { contentsOf } from './material.ts';
import { areKnown, type NewLines } from './new-lines.ts';
import { MINUTES } from './ratings.ts';
import type { Waivers } from './waivers.ts';

/** A finding with what only its report knows. */
export type JudgedFinding = Finding & { readonly isReviewed: boolean };

/**
 * What all reports found: which is new, which is waived, and how it is recognised again. New is what stands on a new line;
 * what has no place, or one that is not in the workspace, counts as new, and so does everything where the base is not known.
 */
export function findingsOf(
  reports: readonly ReadReport[],
  {
    sources,
    newLines,
    exclude,
    waivers,
  }: { sources: readonly SourceFile[]; newLines: NewLines | UnknownBase; exclude: readonly string[]; waivers: Waivers },
): JudgedFinding[] {
  const texts = new Map(sources.map(({ path, text }) => [path, text]));
  const split = new Map<string, readonly string[]>();
  const lineOf = (path: string | null, line: number | null): string => {
    if (path === null || line === null) return '';
    const lines = split.get(path) ?? (texts.get(path) ?? '').split('\n');
    split.set(path, lines);
    return (lines[line - 1] ?? '').trim();
  };
  const seen = new Map<string, number>();
  return contentsOf(reports, 'findings')
    .flatMap((content) => content.findings)
    .filter(({ path }) => path === null || !matchesAny(path, exclude))
    .map((raw) => {
      const { tool, rule, kind, severity, message, path, line, isReviewed } = raw;
      const what = [tool, rule, path ?? '', raw.fingerprint ?? `${message}\n${lineOf(path, line)}`].join('\0');
      const nth = (seen.get(what) ?? 0) + 1;
      seen.set(what, nth);
      const id = bytesToHex(sha256(utf8ToBytes(`${what}\0${nth}`))).slice(0, 16);
      const isWaived = waivers.find([rule, id], path) !== null;
      const isNew = raw.isNew ?? isOnNewLine(raw, texts, newLines);
      return {
        id,
        tool,
        rule,
        kind,
        severity,
        message,
        path,
        line,
        isNew,
        isWaived,
        isReviewed,
        minutes: raw.minutes ?? MINUTES[severity],
      };
    })
    .sort((a, b) => Number(b.isNew) - Number(a.isNew) || SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity));
}

function isOnNewLine({ path, line, endLine }: RawFinding, texts: ReadonlyMap<string, string>, newLines: NewLines | UnknownBase): boolean {
  if (path === null || !texts.has(path) || !areKnown(newLines)) return true;
  const lines = newLines.get(path);
  if (lines === undefined) return false;
  if (line === null) return true;
  for (const one of lines) if (one >= line && one <= (endLine ?? line)) return true;
  return false;
}
