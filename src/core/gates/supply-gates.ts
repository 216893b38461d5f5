import type { Advisory } from './contents.ts';
import { allowList, isAllowed } from './licences.ts';
import type { Material } from './material.ts';
import { contentsOf, gate, plural } from './material.ts';
import type { GateResult } from './report.ts';
import type { GateSettings } from './settings.ts';
import { ADVISORY_SEVERITIES } from './settings.ts';
import { matchesWildcard } from '../text/glob.ts';
import type { Waivers } from './waivers.ts';

/** Every component needs a licence that is allowed; one without a known licence does not pass. */
export function judgeLicences(settings: GateSettings['licences'], { reports }: Material, waivers: Waivers): GateResult[] {
  if (settings === null) return [];
  const contents = contentsOf(reports, 'components');
  if (contents.length === 0) return [gate('licences', 'failed', 'There is no list of components that counts.')];
  const allow = allowList(settings.allow);
  const components = contents.flatMap((content) => content.components);
  const refused = components.filter(({ name, version, licences }) => {
    const isFine = licences.length > 0 && licences.every((licence) => isAllowed(licence, allow));
    return (
      !isFine &&
      !settings.except.some((one) => matchesWildcard(name, one) || matchesWildcard(`${name}@${version}`, one)) &&
      waivers.find([`${name}@${version}`, name]) === null
    );
  });
  const message =
    refused.length === 0
      ? `All ${components.length} components have an allowed licence.`
      : `${refused.length} of ${plural(components.length, 'component')} ${refused.length === 1 ? 'has' : 'have'} a licence that is not allowed, or none that is known.`;
  return [
    gate('licences', refused.length === 0 ? 'passed' : 'failed', message, {
      value: refused.length,
      limit: 0,
      details: refused.map(({ name, version, licences }) => `${name}@${version}: ${licences.join(' AND ') || 'unknown'}`),
    }),
  ];
}

/** Known vulnerabilities of dependencies. One whose severity nobody has said counts as severe. */
export function judgeAdvisories(settings: GateSettings['advisories'], { reports }: Material, waivers: Waivers): GateResult[] {
  if (settings === null) return [];
  const contents = contentsOf(reports, 'advisories');
  if (contents.length === 0) return [gate('advisories', 'failed', 'There is no answer about advisories that counts.')];
  const all = contents.flatMap((content) => content.advisories);
  const severe = all.filter((one) => isSevere(one, settings.least));
  const open = severe.filter(
    ({ id, aliases, package: name, version }) => waivers.find([id, ...aliases, name, `${name}@${version ?? ''}`]) === null,
  );
  const waived = severe.length - open.length;
  const message = `${open.length === 0 ? 'No advisory' : plural(open.length, 'advisory', 'advisories')} of severity ${settings.least} or worse${waived === 0 ? '' : ` (${waived} waived)`}.`;
  return [
    gate('advisories', open.length === 0 ? 'passed' : 'failed', message, {
      value: open.length,
      limit: 0,
      details: open.map(
        ({ id, package: name, version, severity, title }) =>
          `${name}${version === null ? '' : `@${version}`} ${id} (${severity}): ${title}`,
      ),
    }),
  ];
}

function isSevere({ severity }: Advisory, least: (typeof ADVISORY_SEVERITIES)[number]): boolean {
  return severity === 'unknown' || ADVISORY_SEVERITIES.indexOf(severity) >= ADVISORY_SEVERITIES.indexOf(least);
}
