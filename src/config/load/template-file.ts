import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import type { AnalysisPolicy } from '../../core/analysis/policy.ts';
import { OutsideError, UserError } from '../../core/errors.ts';
import { analysisOf } from '../resolve/analysis.ts';
import { checkAnalysis } from '../validate/across-fields.ts';
import { formatPath, mistakesOf } from '../validate/problems.ts';
import { template } from '../schema/analysis.ts';

/**
 * The policy in a file of YAML or JSON, as `analysis` has it in the configuration; null: the defaults.
 * @throws UserError `TEMPLATE_INVALID`; OutsideError `TEMPLATE_UNREADABLE`.
 */
export async function policyInFile(path: string | null): Promise<AnalysisPolicy> {
  const text =
    path === null
      ? '{}'
      : await readFile(path, 'utf8').catch((error: Error) => {
          throw new OutsideError(
            'TEMPLATE_UNREADABLE',
            `${path} could not be read: ${error.message}`,
            'See that the file is there.',
            error,
          );
        });
  const invalid = (why: string) =>
    new UserError('TEMPLATE_INVALID', `${path} is no analysis: ${why}`, 'It takes what `analysis` takes in docs/config.md.');
  let value: unknown;
  try {
    value = parse(text) ?? {};
  } catch (error) {
    throw invalid((error as Error).message);
  }
  const parsed = template.safeParse(value);
  const mistakes = parsed.success ? checkAnalysis(parsed.data, 'canary', (...keys) => keys) : mistakesOf(parsed.error, value);
  if (!parsed.success || mistakes.length > 0)
    throw invalid(mistakes.map(({ path: at, message }) => `${formatPath(at)}: ${message}`).join('; '));
  const policy = analysisOf(parsed.data, 'canary');
  if (policy === null) throw invalid('it judges nothing');
  return policy;
}
