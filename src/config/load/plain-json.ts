/** What a JSON text says; null when it is none, or says something twice: the parser that knows places tells what is wrong. */
export function plainJson(text: string): { readonly value: unknown } | null {
  try {
    const value: unknown = JSON.parse(text);
    // In JSON only the name of a member stands before a colon; JSON.parse drops all but the last of two with one name.
    const written = text.match(/"(?:[^"\\]|\\.)*"\s*:/g)?.length ?? 0;
    return written === members(value) ? { value } : null;
  } catch {
    return null;
  }
}

function members(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inside = Object.values(value);
  let count = Array.isArray(value) ? 0 : inside.length;
  for (const one of inside) count += members(one);
  return count;
}
