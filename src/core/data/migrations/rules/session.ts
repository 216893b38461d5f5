import { child, list, literalText, type Node, type Statement, str, walk } from '../ast.ts';
import { type Finding, finding, note } from '../finding.ts';

/** Limits of the runner's own. What a file says of them has no force. */
const LIMITS = new Set([
  'lock_timeout',
  'statement_timeout',
  'idle_in_transaction_session_timeout',
  'transaction_timeout',
  'idle_session_timeout',
  'deadlock_timeout',
]);

/** Settings under which rows can become what constraints forbid. */
const DANGEROUS = new Set(['session_replication_role', 'zero_damaged_pages', 'ignore_checksum_failure', 'allow_system_table_mods']);

/** A setting that a statement changes, also by a function or for later sessions. */
export interface ChangedSetting {
  readonly name: string;
  /** Null where it is not a literal. */
  readonly value: string | null;
}

/** Every setting that the statement's own text changes: SET, RESET, set_config(), ALTER ROLE and DATABASE, SET of a function. Pure. */
export function settingsOf({ kind, tree }: Pick<Statement, 'kind' | 'tree'>): ChangedSetting[] {
  const nodes = [...walk({ [kind]: tree })];
  const set = nodes.filter(({ key }) => key === 'VariableSetStmt' || key === 'setstmt').map(({ node }) => changeOf(node));
  const configured = nodes
    .filter(
      ({ key, node }) => key === 'FuncCall' && list(node, 'funcname').some((one) => str(child(one, 'String'), 'sval') === 'set_config'),
    )
    .map(({ node }) => {
      const [name, value] = list(node, 'args');
      return { name: literalText(name)?.toLowerCase() ?? '(computed)', value: literalText(value) };
    });
  return [...set, ...configured];
}

function changeOf(node: Node): ChangedSetting {
  const name = str(node, 'kind') === 'VAR_RESET_ALL' ? 'all' : str(node, 'name').toLowerCase();
  const [value] = list(node, 'args');
  return { name, value: literalText(value) };
}

/** Rule 27. */
export function changedSettings(statement: Pick<Statement, 'kind' | 'tree'>): Finding[] {
  return settingsOf(statement).flatMap(({ name, value }) => {
    if (LIMITS.has(name) || name === 'all' || name === '(computed)')
      return [
        note(
          27,
          'lock',
          `${name === 'all' ? 'it resets every setting' : name === '(computed)' ? 'it changes a setting whose name is computed' : `it sets ${name}`}; the limits of the runner stay in force`,
          'Leave it out; limits are lockTimeout, statementTimeout and buildWait of the database in the configuration',
        ),
      ];
    if (DANGEROUS.has(name) && value?.toLowerCase() !== 'origin')
      return [
        finding(
          27,
          'manual',
          `it sets ${name}, under which triggers or constraints do not see what is written`,
          'A change of its own, with approval',
        ),
      ];
    return [];
  });
}

/** What no file may set, one sentence each: its text would mean something else than what was judged. */
export function forbiddenSettings(statement: Pick<Statement, 'kind' | 'tree'>): string[] {
  return settingsOf(statement).flatMap(({ name, value }) => {
    if ((name === 'client_encoding' || name === 'names') && value !== null && !/^utf-?8$|^unicode$/i.test(value))
      return [`files are read and sent as UTF-8, so that client_encoding ${value} would garble them: convert the file, and take it out`];
    if (name === 'standard_conforming_strings' && !/^(on|true|yes|1)$/i.test(value ?? ''))
      return ['with standard_conforming_strings off, texts mean something else than what was judged: take it out'];
    return [];
  });
}
