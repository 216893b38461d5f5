import type { Component, ReportContent } from '../../core/gates/contents.ts';
import { Unreadable } from './damage.ts';
import { jsonOf } from './encoding.ts';
import type { BomComponent } from './schema.ts';
import { cyclonedxSchema } from './schema.ts';
import { checked, wholeReader } from './whole.ts';

/** CycloneDX 1.2 to 1.7 as JSON: components and their licences. */
export const cyclonedxReader = wholeReader('cyclonedx', parseCyclonedx);

function parseCyclonedx(bytes: Uint8Array): ReportContent {
  const { metadata, components } = checked(cyclonedxSchema, jsonOf(bytes));
  // Without components it must at least say of what it is the list: then there really are none.
  if (components === undefined || (components.length === 0 && metadata?.component === undefined))
    throw new Unreadable('empty', 'it lists no component.');
  return { kind: 'components', components: components.flatMap(flat) };
}

function flat(one: BomComponent): Component[] {
  const licences = (one.licenses ?? []).flatMap((licence) =>
    'expression' in licence ? [licence.expression] : [licence.license.id ?? licence.license.name ?? ''],
  );
  const name = one.group === undefined || one.group === '' ? one.name : `${one.group}/${one.name}`;
  // Files and the operating system itself are no packages that bring a licence of their own.
  const own =
    one.type === 'file' || one.type === 'operating-system'
      ? []
      : [{ name, version: one.version ?? '', licences: licences.filter((text) => text !== '') }];
  return [...own, ...(one.components ?? []).flatMap(flat)];
}
