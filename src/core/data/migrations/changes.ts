import type { Catalog, ColumnFacts, TableFacts } from './catalog.ts';
import { type Finding, finding, guess } from './finding.ts';
import { isAppendOnly, type RuleContext } from './settings.ts';
import { parseType, typeChange } from './rules/type-change.ts';

/**
 * What a statement did to the schema, by comparing it before and after: finds what breaks the version that runs also where
 * the statement stood in a `DO` block or a function. `start`: what was there before the plan; the rest nobody uses yet.
 */
export function judgeChanges(context: RuleContext, after: Catalog): Finding[] {
  const before = context.catalog;
  if (before === null) return [];
  const start = context.start ?? before;
  const found: Finding[] = [];
  for (const [name, was] of Object.entries(before.tables)) {
    if (start.tables[name] === undefined || context.fresh.has(name)) continue;
    const is = after.tables[name];
    if (is === undefined) found.push(gone(context, name, was, isElsewhere(was, before, after)));
    else found.push(...tableChanges(context, name, was, is, before.timeZone));
  }
  found.push(
    ...indexChanges(context, before, after, start),
    ...functionChanges(before, after, start),
    ...typeChanges(before, after, start),
  );
  for (const schema of before.schemas)
    if (!after.schemas.includes(schema) && start.schemas.includes(schema))
      found.push(seen(guess(20, 'breaks', `schema ${schema} is not there any more`, 'Contract phase')));
  for (const sequence of Object.keys(before.sequences))
    if (
      after.sequences[sequence] === undefined &&
      start.sequences[sequence] !== undefined &&
      !ownedByGone(before.sequences[sequence] ?? '', before, after)
    )
      found.push(seen(finding(20, 'breaks', `sequence ${sequence} is not there any more`, 'Contract phase')));
  return found;
}

function ownedByGone(owner: string, before: Catalog, after: Catalog): boolean {
  return owner !== '' && before.tables[owner] !== undefined && after.tables[owner] === undefined;
}

/** As the trace found it. */
export function seen(one: Finding): Finding {
  return { ...one, detector: 'trace', certain: true };
}

/** There is a new relation with the same columns: it was renamed, or moved to another schema. */
function isElsewhere(was: TableFacts, before: Catalog, after: Catalog): boolean {
  const columns = Object.keys(was.columns).join();
  return Object.entries(after.tables).some(
    ([name, is]) => before.tables[name] === undefined && is.kind === was.kind && Object.keys(is.columns).join() === columns,
  );
}

function gone(context: RuleContext, name: string, was: TableFacts, isMoved: boolean): Finding {
  const at = name.indexOf('.');
  const isEvents = isAppendOnly(context, { schema: name.slice(0, at), name: name.slice(at + 1) });
  if (was.kind === 'view' || was.kind === 'materialized' || was.kind === 'foreign')
    return seen(finding(20, 'breaks', `view ${name} is not there any more`, 'Contract phase'));
  if (isEvents)
    return seen(finding(26, 'loss', `${name} holds events, and is not there any more`, 'Never; a new event type, and an upcaster'));
  return isMoved
    ? seen(finding(20, 'breaks', `table ${name} is not there under this name any more`, 'A view under the old name; contract phase'))
    : seen(finding(21, 'loss', `table ${name} and its rows are gone for good`, 'Contract phase with approval and a restore point'));
}

function tableChanges(context: RuleContext, name: string, was: TableFacts, is: TableFacts, timeZone: string): Finding[] {
  const found: Finding[] = [];
  const breaks = (rule: number, message: string, safe = 'Contract phase'): void =>
    void found.push(seen(finding(rule, 'breaks', message, safe)));
  for (const [column, facts] of Object.entries(was.columns)) {
    const now = is.columns[column];
    if (now === undefined) breaks(20, `${name}.${column} is not there any more`);
    else found.push(...columnChanges(`${name}.${column}`, column, facts, now, was, timeZone));
  }
  for (const [column, facts] of Object.entries(is.columns)) {
    if (was.columns[column] !== undefined || is.kind === 'view' || is.kind === 'materialized') continue;
    if (facts.notNull && facts.default === null && facts.generated === '')
      breaks(6, `${name}.${column} must have a value and has no default`, 'Nullable, or a constant default');
    if (facts.type === 'json') breaks(7, `${name}.${column} is json, which has no equality`, 'Use jsonb');
  }
  for (const [constraint, { kind }] of Object.entries(was.constraints))
    if (is.constraints[constraint] === undefined && 'pux'.includes(kind))
      breaks(20, `unique constraint ${constraint} of ${name} is not there any more, which ON CONFLICT may name`);
  for (const [trigger, definition] of Object.entries(was.triggers))
    if (is.triggers[trigger] !== definition) breaks(17, `trigger ${trigger} of ${name} is gone or does something else`);
  for (const trigger of Object.keys(is.triggers))
    if (was.triggers[trigger] === undefined)
      found.push({ ...seen(finding(17, 'breaks', `writes to ${name} go through new trigger ${trigger}`, null)), stops: false });
  if (is.rowSecurity && !was.rowSecurity) breaks(20, `row security is on for ${name}: without a policy nobody sees its rows`);
  if (is.forceRowSecurity && !was.forceRowSecurity) breaks(20, `row security is forced on the owner of ${name}`);
  for (const grant of was.grants) if (!is.grants.includes(grant)) breaks(20, `privileges on ${name} were taken away: ${grant}`);
  if (was.definition !== null && is.definition !== null && !appendsOnly(was.definition, is.definition))
    breaks(20, `view ${name} gives other rows or values than before`, 'A view of a new name');
  if (was.partitionOf !== null && is.partitionOf === null) breaks(16, `rows of ${name} are no longer found in ${was.partitionOf}`);
  return found;
}

function columnChanges(where: string, column: string, was: ColumnFacts, is: ColumnFacts, table: TableFacts, timeZone: string): Finding[] {
  const found: Finding[] = [];
  if (was.type !== is.type && typeOutcome(was.type, is.type, timeZone) !== 'safe')
    found.push(seen(finding(9, 'breaks', `${where} is ${is.type} and was ${was.type}`, 'A new column, kept in step, and a backfill')));
  const proven = Object.values(table.constraints).some(
    ({ kind, valid, definition }) => kind === 'c' && valid && definition.includes(column) && /IS NOT NULL/i.test(definition),
  );
  if (!was.notNull && is.notNull && !proven && table.kind !== 'view')
    found.push(seen(finding(8, 'breaks', `${where} must have a value from now on`, 'A validated CHECK first')));
  if (was.default !== null && is.default === null && is.generated === was.generated)
    found.push(seen(finding(20, 'breaks', `${where} has no default any more`, 'Contract phase')));
  if (was.generated !== is.generated && was.generated !== '')
    found.push(seen(finding(20, 'breaks', `${where} does not get its value by itself any more`, 'Contract phase')));
  return found;
}

function typeOutcome(from: string, to: string, timeZone: string) {
  const { name, modifiers } = parseType(to);
  return typeChange(
    from,
    { name, schema: null, modifiers, isArray: to.endsWith('[]') && from !== to },
    { using: false, isUtc: /^(utc|etc\/utc|gmt)$/i.test(timeZone) },
  );
}

/** The new select list begins with the old one, and all that follows FROM is the same; both as PostgreSQL writes them. */
function appendsOnly(was: string, is: string): boolean {
  if (was === is) return true;
  const [wasList, wasRest] = parts(was);
  const [isList, isRest] = parts(is);
  return wasRest === isRest && isList.startsWith(wasList);
}

function parts(definition: string): [string, string] {
  const text = definition.replaceAll(/\s+/g, ' ').replace(/;\s*$/, '').trim();
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    else if (text[at] === ')') depth -= 1;
    else if (depth === 0 && /^ FROM /i.test(text.slice(at, at + 6))) return [text.slice(0, at), text.slice(at)];
  }
  return [text, ''];
}

function indexChanges(context: RuleContext, before: Catalog, after: Catalog, start: Catalog): Finding[] {
  return Object.entries(before.indexes)
    .filter(
      ([name, index]) => start.indexes[name] !== undefined && after.indexes[name] === undefined && after.tables[index.table] !== undefined,
    )
    .filter(
      ([name, index]) => index.unique && index.valid && !isRenamed(name, index.table, before, after) && !context.fresh.has(index.table),
    )
    .filter(([name, index]) => before.tables[index.table]?.constraints[name.slice(name.indexOf('.') + 1)] === undefined)
    .map(([name]) =>
      seen(finding(20, 'breaks', `unique index ${name} is not there any more, which ON CONFLICT may rely on`, 'Contract phase')),
    );
}

/** An index of another name on the same table that was not there before. */
function isRenamed(_name: string, table: string, before: Catalog, after: Catalog): boolean {
  return Object.entries(after.indexes).some(([name, index]) => index.table === table && index.unique && before.indexes[name] === undefined);
}

function functionChanges(before: Catalog, after: Catalog, start: Catalog): Finding[] {
  return Object.entries(before.functions).flatMap(([signature, was]) => {
    if (start.functions[signature] === undefined) return [];
    const is = after.functions[signature];
    if (is === undefined) return [seen(finding(20, 'breaks', `function ${signature} is not there any more`, 'Contract phase'))];
    if (is.definition === was.definition) return [];
    return [seen(finding(20, 'breaks', `function ${signature} does something else than before`, 'A function of a new name'))];
  });
}

function typeChanges(before: Catalog, after: Catalog, start: Catalog): Finding[] {
  return Object.entries(before.types).flatMap(([name, was]) => {
    if (start.types[name] === undefined) return [];
    const is = after.types[name];
    if (is === undefined) return [seen(finding(20, 'breaks', `type ${name} is not there any more`, 'Contract phase'))];
    const lost = was.labels.filter((label) => !is.labels.includes(label));
    return lost.length === 0
      ? []
      : [seen(finding(20, 'breaks', `type ${name} has no ${lost.join(', ')} any more`, 'Add, and leave the old one'))];
  });
}
