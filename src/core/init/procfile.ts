import type { Found } from './declared-app.ts';
import { type Command, inFolder, type Look, plainName, type Runtime } from './look.ts';
import { commandOf } from './parse.ts';

/** Programs that packages of Python bring: they lie beside the app, not in the path. */
const OF_PYTHON = /^(gunicorn|uvicorn|hypercorn|daphne|waitress|flask|fastapi|celery|rq|dramatiq|huey|streamlit|alembic)\b/;

/** The `web` line of a Procfile. */
export function procfileCommand(look: Look, folder: string): Command | null {
  return linesOf(look, folder).get('web') ?? null;
}

/** A command as it is run here: programs of Python's packages as modules. */
export function installedProgram({ language, build }: Runtime, run: Command): Command {
  if (language !== 'python' || build === null) return run;
  const [first = '', ...rest] = run;
  if (first === 'sh' && run.length === 3) {
    const line = (run[2] ?? '').replace(/^exec\s+/, '');
    return OF_PYTHON.test(line) ? ['sh', '-c', `exec python3 -m ${line}`] : run;
  }
  return OF_PYTHON.test(first) ? ['python3', '-m', first, ...rest] : run;
}

/** Other processes of a Procfile, as apps that no user reaches. */
export function procfileWorkers(look: Look, apps: readonly Found[]): Found[] {
  const taken = new Set(apps.map(({ one }) => one.name));
  return apps.flatMap(({ one, runtime }) => {
    if (runtime.isWide === true || one.dockerfile !== null) return [];
    return [...linesOf(look, one.folder)].flatMap(([name, run]) => {
      if (name === 'web' || ONCE.test(name)) return [];
      const worker = [plainName(name), `${one.name}-${plainName(name)}`].find((free) => !taken.has(free));
      if (worker === undefined) return [];
      taken.add(worker);
      return [
        {
          one: { ...one, name: worker, run: null, routes: [], health: null, listens: false },
          runtime: { ...runtime, run: installedProgram(runtime, run), listens: false, isFrontEnd: false, checks: {} },
        },
      ];
    });
  });
}

/** Lines of the Procfiles in these folders that run once a release, one sentence each. */
export function procfileOnce(look: Look, folders: ReadonlySet<string>): string[] {
  return [...folders].flatMap((folder) =>
    [...linesOf(look, folder).keys()]
      .filter((name) => ONCE.test(name))
      .map(
        (name) =>
          `${name} of ${inFolder(folder, 'Procfile')} runs once: Sluice has no jobs yet. Run it by hand, or make a migration of it.`,
      ),
  );
}

const ONCE = /^(release|postdeploy|migrate|seed|setup)$/;

function linesOf(look: Look, folder: string): ReadonlyMap<string, Command> {
  const text = look.texts.get(inFolder(folder, 'Procfile')) ?? '';
  const lines = text.split('\n').flatMap((line) => {
    const [, name, command] = /^([\w-]+):\s*(\S.*?)\s*$/.exec(line) ?? [];
    return name === undefined || command === undefined ? [] : [[name, commandOf(command)] as const];
  });
  return new Map(lines);
}
