import type pg from 'pg';
import type { Catalog } from '../../../core/data/migrations/catalog.ts';
import { readCatalog } from './catalog.ts';

/** Settings that change how the catalog writes definitions down. */
const WORDING = ['search_path', 'TimeZone', 'DateStyle', 'IntervalStyle', 'quote_all_identifiers', 'extra_float_digits', 'bytea_output'];

interface Setting {
  readonly name: string;
  readonly value: string;
}

/** Looks at a schema in the same words, whatever a file has set. */
export interface Look {
  /** `known`: the schema as it was read last, where only settings may have changed since. */
  at(known: Catalog | null): Promise<Catalog>;
}

/** The words are those of the session as it is now. */
export async function createLook(client: pg.Client): Promise<Look> {
  const base = new Map((await read(client)).map(({ name, value }) => [name, value]));
  return {
    async at(known) {
      const now = await read(client);
      const { rows } = await client.query<{ path: string[]; zone: string }>(
        "SELECT current_schemas(false)::text[] AS path, current_setting('TimeZone') AS zone",
      );
      const place = { searchPath: rows[0]?.path ?? [], timeZone: rows[0]?.zone ?? '' };
      if (known !== null) return { ...known, ...place };
      const changed = now.filter(({ name, value }) => base.get(name) !== value);
      await set(
        client,
        changed.map(({ name }) => ({ name, value: base.get(name) ?? '' })),
      );
      const catalog = await readCatalog(client);
      await set(client, changed);
      return { ...catalog, ...place };
    },
  };
}

async function read(client: pg.Client): Promise<readonly Setting[]> {
  const { rows } = await client.query<Setting>('SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS name', [WORDING]);
  return rows;
}

/** For the transaction that is open; outside of one for the session. */
async function set(client: pg.Client, settings: readonly Setting[]): Promise<void> {
  if (settings.length === 0) return;
  await client.query('SELECT set_config(s.name, s.value, $3) FROM unnest($1::text[], $2::text[]) AS s(name, value)', [
    settings.map(({ name }) => name),
    settings.map(({ value }) => value),
    false,
  ]);
}
