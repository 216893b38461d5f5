import { personKey } from './approval.ts';

/** Names under which people go elsewhere, by the name that approvals know them by. */
export type OtherNames = Readonly<Record<string, readonly string[]>>;

/**
 * Every name that the author of a commit may approve under: the one git says, the address, what is before its @ (with
 * GitHub's own addresses that is the login), and the person whom the configuration knows by one of these.
 */
export function namesOfAuthors(authors: readonly { readonly name: string; readonly email: string }[], others: OtherNames): string[] {
  const said = authors.flatMap(({ name, email }) => [name, email, (email.split('@')[0] ?? '').replace(/^\d+\+/, '')]);
  const keys = new Set(said.map(personKey).filter((key) => key !== ''));
  for (const [person, names] of Object.entries(others)) {
    const all = [person, ...names].map(personKey);
    if (all.some((key) => keys.has(key))) for (const key of all) keys.add(key);
  }
  return [...keys].toSorted();
}
