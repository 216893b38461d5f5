import { matchesWildcard } from '../text/glob.ts';
import { matchesGlob } from './glob.ts';
import type { WaiverUse } from './report.ts';
import type { Waiver } from './settings.ts';

export interface Waivers {
  /** The waiver that speaks for one of these names (at this path), if any; it is then known to be needed. */
  find(names: readonly string[], path?: string | null): Waiver | null;
  /** Those that would have spoken, were they not over: `what (author, since day)`. */
  expired(): readonly string[];
  used(): readonly WaiverUse[];
}

/** Keeps book of which waivers were needed at `now`. */
export function waiversAt(waivers: readonly Waiver[], now: number): Waivers {
  const used = new Map<string, WaiverUse>();
  const expired = new Set<string>();
  return {
    used: () => [...used.values()],
    expired: () => [...expired],
    find(names, path = null) {
      const fitting = waivers.filter(
        (one) => names.some((name) => isMeant(name, one.what)) && (one.path === null || (path !== null && matchesGlob(path, one.path))),
      );
      const valid = fitting.find((one) => one.expires > now);
      if (valid === undefined) {
        for (const one of fitting) expired.add(`${one.what} (${one.author}, until ${day(one.expires)})`);
        return null;
      }
      const finding = path === null ? (names[0] ?? '') : `${names[0] ?? ''} ${path}`;
      used.set(finding, { finding, author: valid.author, reason: valid.reason, expires: valid.expires });
      return valid;
    },
  };
}

/** The last day before a time, UTC: `2026-01-31`. */
export function day(expires: number): string {
  return new Date(expires - 1).toISOString().slice(0, 10);
}

function isMeant(name: string, what: string): boolean {
  if (name === what) return true;
  if (!what.includes('*')) return false;
  return matchesWildcard(name, what);
}
