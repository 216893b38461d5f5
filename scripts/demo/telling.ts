/** What was claimed and not true. */
export const failures: string[] = [];

const isColoured = process.stdout.isTTY && !process.env['NO_COLOR'];
const CODES = { bold: 1, dim: 2, red: 31, green: 32 } as const;

export function paint(colour: keyof typeof CODES, text: string): string {
  return isColoured ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
}

export function title(text: string): void {
  console.log(`\n${paint('bold', text)}`);
}

export function say(text: string): void {
  console.log(`  ${text}`);
}

/** Print a claim with its truth; one that does not hold fails the demo. */
export async function claim(what: string, holds: () => Promise<boolean>): Promise<void> {
  const isTrue = await holds().catch((error: unknown) => {
    failures.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  });
  console.log(`${isTrue ? paint('green', '✓') : paint('red', '✗')} ${what}`);
  if (!isTrue) failures.push(`not true: ${what}`);
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
