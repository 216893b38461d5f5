import type { Command } from './look.ts';

/** `--port 8000`, `-p 3000`, `--bind 0.0.0.0:8000` */
const SAID = /((?:--port|-p)(?:=| )|(?:--bind|-b|--addr|--listen)(?:=| )[\w.[\]:*-]*:)(\d{2,5})(?=$|\s)/;

/** A command that names a port takes the one that an instance is given instead. `port`: the one that it named; null: none. */
export function withGivenPort(run: Command): { readonly run: Command; readonly port: string | null } {
  const isShell = run[0] === 'sh' && run[1] === '-c' && run.length === 3;
  const line = isShell ? (run[2] ?? '') : run.join(' ');
  const port = SAID.exec(line)?.[2];
  if (port === undefined || (!isShell && run.some((word) => /[\s"'$`\\]/.test(word)))) return { run, port: null };
  const given = line.replace(SAID, '$1"$PORT"');
  return { run: ['sh', '-c', isShell ? given : `exec ${given}`], port };
}
