import type pg from 'pg';
import { z } from 'zod';
import type { Catalog } from '../../../core/data/migrations/catalog.ts';
import { NOT_THEIRS } from './ours.ts';

/** What is not the user's own: PostgreSQL's schemas, ours, and what extensions brought. */
const OWN = (alias: string, catalog: string): string =>
  `${alias}.nspname !~ '^pg_' AND ${alias}.nspname NOT IN ${NOT_THEIRS}
   AND NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid = '${catalog}'::regclass AND x.objid = o.oid AND x.deptype = 'e')`;

const KINDS = `CASE o.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized' ELSE 'foreign' END`;

const TABLES = `
SELECT coalesce(json_object_agg(n.nspname || '.' || o.relname, json_build_object(
  'kind', ${KINDS}, 'persistence', o.relpersistence, 'owner', pg_get_userbyid(o.relowner),
  'rowSecurity', o.relrowsecurity, 'forceRowSecurity', o.relforcerowsecurity,
  'grants', coalesce((SELECT json_agg(pg_get_userbyid(a.grantee) || '=' || a.privilege_type ORDER BY 1) FROM aclexplode(o.relacl) a WHERE a.grantee <> o.relowner), '[]'),
  'rows', greatest(o.reltuples, 0), 'bytes', CASE WHEN o.relkind IN ('r','m') THEN pg_total_relation_size(o.oid) ELSE 0 END,
  'definition', CASE WHEN o.relkind IN ('v','m') THEN pg_get_viewdef(o.oid) END,
  'partitionOf', (SELECT pn.nspname || '.' || p.relname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
                  WHERE i.inhrelid = o.oid AND o.relispartition LIMIT 1),
  'columns', coalesce((SELECT json_object_agg(a.attname, json_build_object('type', format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull,
      'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END, 'generated', a.attgenerated::text || a.attidentity::text) ORDER BY a.attnum)
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped), '{}'),
  'constraints', coalesce((SELECT json_object_agg(c.conname, json_build_object('kind', c.contype, 'definition', pg_get_constraintdef(c.oid), 'valid', c.convalidated,
      'columns', coalesce((SELECT json_agg(a.attname) FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)), '[]')))
    FROM pg_constraint c WHERE c.conrelid = o.oid AND c.contype <> 't'), '{}'),
  'triggers', coalesce((SELECT json_object_agg(t.tgname, pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text) FROM pg_trigger t WHERE t.tgrelid = o.oid AND NOT t.tgisinternal), '{}'),
  'policies', coalesce((SELECT json_object_agg(p.polname, p.polcmd::text || coalesce(pg_get_expr(p.polqual, p.polrelid), '') || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')) FROM pg_policy p WHERE p.polrelid = o.oid), '{}')
)), '{}') FROM pg_class o JOIN pg_namespace n ON n.oid = o.relnamespace WHERE o.relkind IN ('r','p','v','m','f') AND ${OWN('n', 'pg_class')}`;

const INDEXES = `
SELECT coalesce(json_object_agg(n.nspname || '.' || o.relname, json_build_object('table', tn.nspname || '.' || t.relname, 'unique', i.indisunique,
  'identifies', i.indisunique AND i.indnkeyatts = 1 AND i.indpred IS NULL, 'valid', i.indisvalid, 'partitioned', o.relkind = 'I', 'leading', (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = i.indkey[0]))), '{}')
FROM pg_index i JOIN pg_class o ON o.oid = i.indexrelid JOIN pg_namespace n ON n.oid = o.relnamespace
JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace WHERE ${OWN('n', 'pg_class')}`;

const FUNCTIONS = `
SELECT coalesce(json_object_agg(n.nspname || '.' || o.proname || '(' || pg_get_function_identity_arguments(o.oid) || ')',
  json_build_object('volatility', o.provolatile, 'definition', pg_get_functiondef(o.oid))), '{}')
FROM pg_proc o JOIN pg_namespace n ON n.oid = o.pronamespace WHERE o.prokind IN ('f','p') AND ${OWN('n', 'pg_proc')}`;

const TYPES = `
SELECT coalesce(json_object_agg(n.nspname || '.' || o.typname, json_build_object(
  'kind', CASE o.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range' ELSE 'composite' END,
  'labels', CASE WHEN o.typtype = 'e' THEN (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = o.oid)
    WHEN o.typtype = 'c' THEN (SELECT coalesce(json_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum), '[]') FROM pg_attribute a WHERE a.attrelid = o.typrelid AND a.attnum > 0 AND NOT a.attisdropped)
    WHEN o.typtype = 'd' AND o.typdefault IS NOT NULL THEN '["default"]' ELSE '[]' END,
  'constrained', o.typtype = 'd' AND (o.typnotnull OR EXISTS (SELECT 1 FROM pg_constraint c WHERE c.contypid = o.oid)),
  'base', CASE WHEN o.typtype = 'd' THEN format_type(o.typbasetype, o.typtypmod) END,
  'constraints', coalesce((SELECT json_object_agg(c.conname, pg_get_constraintdef(c.oid)) FROM pg_constraint c WHERE c.contypid = o.oid), '{}'))), '{}')
FROM pg_type o JOIN pg_namespace n ON n.oid = o.typnamespace LEFT JOIN pg_class k ON k.oid = o.typrelid
WHERE (o.typtype IN ('e','d','r') OR o.typtype = 'c' AND k.relkind = 'c') AND ${OWN('n', 'pg_type')}`;

const SEQUENCES = `
SELECT coalesce(json_object_agg(n.nspname || '.' || o.relname, coalesce((SELECT tn.nspname || '.' || t.relname FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid
  JOIN pg_namespace tn ON tn.oid = t.relnamespace WHERE d.classid = 'pg_class'::regclass AND d.objid = o.oid AND d.deptype IN ('a','i') AND d.refobjsubid > 0 LIMIT 1), '')), '{}')
FROM pg_class o JOIN pg_namespace n ON n.oid = o.relnamespace WHERE o.relkind = 'S' AND ${OWN('n', 'pg_class')}`;

const QUERY = `SELECT json_build_object('tables', (${TABLES}), 'indexes', (${INDEXES}), 'functions', (${FUNCTIONS}), 'types', (${TYPES}), 'sequences', (${SEQUENCES}),
  'schemas', (SELECT coalesce(json_agg(o.nspname ORDER BY 1), '[]') FROM pg_namespace o WHERE o.nspname !~ '^pg_' AND o.nspname NOT IN ${NOT_THEIRS}),
  'searchPath', to_json(current_schemas(false)::text[]), 'timeZone', current_setting('TimeZone'))::text AS catalog`;

const answer = z.object({ catalog: z.string() });

/** The schema as it is now, in one look. Needs no right beyond connecting. Not prepared: a file may take prepared statements away. */
export async function readCatalog(client: pg.ClientBase): Promise<Catalog> {
  const { rows } = await client.query(QUERY);
  return JSON.parse(answer.parse(rows[0]).catalog) as Catalog;
}
