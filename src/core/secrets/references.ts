/** What a configuration says about secrets, wherever it says it. */
export interface References {
  /** Variables named by `{ fromEnv }`. */
  readonly names: readonly string[];
  /** Values that stand in the configuration itself: passwords in addresses, and headers whose name says that they are secret. */
  readonly literals: readonly string[];
}

const TELLING = /auth|cookie|token|secret|password|passwd|key|credential/i;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const ADDRESS_WITH_PASSWORD = /^[a-z][a-z0-9+.-]*:\/\/[^/@\s]*:([^/@\s]+)@/i;

/**
 * Walks all of it, so that a feature whose settings take secrets need not be known here.
 * `deep`: a configuration, a manifest or any part of one.
 */
export function secretReferences(deep: unknown): References {
  const names = new Set<string>();
  const literals = new Set<string>();
  const seen = new Set<object>();
  const walk = (value: unknown, key: string, around: string): void => {
    if (typeof value === 'string') {
      if (around === 'headers' && TELLING.test(key)) literals.add(value.replace(/^(bearer|basic|token) +/i, ''));
      // Reports of checks name the variable without `fromEnv`.
      else if (key === 'token' && VARIABLE.test(value)) names.add(value);
      const password = ADDRESS_WITH_PASSWORD.exec(value)?.[1];
      if (password !== undefined) literals.add(password);
      return;
    }
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    const { fromEnv } = value as { fromEnv?: unknown };
    if (typeof fromEnv === 'string') names.add(fromEnv);
    else
      for (const [name, item] of Object.entries(value)) walk(item, Array.isArray(value) ? key : name, Array.isArray(value) ? around : key);
  };
  walk(deep, '', '');
  return { names: [...names].toSorted(), literals: [...literals].filter((value) => value !== '') };
}
