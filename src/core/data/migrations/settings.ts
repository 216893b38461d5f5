import type { Catalog, TableFacts } from './catalog.ts';
import { fullName, tableOf } from './catalog.ts';
import type { RelationName } from './ast.ts';
import { written } from './ast.ts';

/** What rules look at besides the statement. */
export interface RuleContext {
  /** As it is right before the statement; null where there is no database to look at. */
  readonly catalog: Catalog | null;
  /** As it was before the first migration of the plan: what is not in it is new, and nobody uses it yet. */
  readonly start: Catalog | null;
  /** Made by earlier statements of the plan, `schema.name`. */
  readonly fresh: ReadonlySet<string>;
  /** Tables of events, `schema.name` or `name`; nothing in them is ever changed. */
  readonly appendOnly: readonly string[];
  /** A newer server may need less: 15, 16 … */
  readonly serverMajor: number;
  /** Statements that would have made what the scratch clone lacks; left out: it lacks nothing. */
  readonly missing?: readonly string[];
  /** Why nothing could be tried at all; null or left out: there is a clone, or nobody expects one. */
  readonly untried?: string | null;
}

/** Made by this plan, so nobody waits for it and nobody uses it. */
export function isFresh(context: RuleContext, name: RelationName): boolean {
  const among = context.catalog?.tables ?? {};
  const full = fullName(context.catalog, name, among);
  if (context.fresh.has(full)) return true;
  if (context.start === null) return false;
  return context.start.tables[full] === undefined && among[full] !== undefined;
}

/** There is no such table: `IF EXISTS` makes the statement a no-op. */
export function isMissing(context: RuleContext, name: RelationName): boolean {
  return context.catalog !== null && tableOf(context.catalog, name) === null;
}

/** Tables that the tools we know keep events in. */
const KNOWN_EVENT_TABLES = [
  'emt_messages',
  'mt_events',
  'mt_streams',
  'message_store.messages',
  'event_store',
  'eventstore',
  'domain_events',
];

/** Whether a table holds events: named in the configuration, known by name, or looking like one. */
export function isAppendOnly(context: RuleContext, name: RelationName): boolean {
  const listed = [...context.appendOnly, ...KNOWN_EVENT_TABLES];
  const full = fullName(context.catalog, name, context.catalog?.tables ?? {});
  if (listed.some((one) => one === full || one === name.name || one === written(name))) return true;
  if (!/(^|_)events?$/.test(name.name)) return false;
  const table = tableOf(context.catalog, name);
  return table === null ? context.catalog === null && /^events?$/.test(name.name) : looksLikeEvents(table);
}

function looksLikeEvents(table: TableFacts): boolean {
  const columns = Object.keys(table.columns);
  const some = (pattern: RegExp): boolean => columns.some((column) => pattern.test(column));
  return (
    some(/^(stream|stream_id|stream_name|aggregate_id|entity_id|source_id)$/) &&
    some(/^(version|position|stream_position|stream_version|sequence|seq|revision|global_position)$/) &&
    some(/^(data|payload|body|event_data|message_data|event)$/)
  );
}
