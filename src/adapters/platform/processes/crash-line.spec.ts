import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crashLine } from './crash-line.ts';

const lines = (text: string): string[] => text.replace(/^\n/, '').split('\n');

describe('the line of a log that says why a program ended', () => {
  test.each([
    [
      'Node',
      "\nlistening soon\n/app/server.js:3\nthrow new Error('boom');\n^\n\nError: boom\n    at Object.<anonymous> (/app/server.js:3:7)\n    at node:internal/main/run_main_module:28:49\n\nNode.js v20.20.2\n",
      'Error: boom',
    ],
    [
      'Node, a module that is missing',
      "\nnode:internal/modules/cjs/loader:1215\n  throw err;\n  ^\n\nError: Cannot find module 'express'\nRequire stack:\n- /app/server.js\n    at Module._resolveFilename (node:internal/modules/cjs/loader:1212:15) {\n  code: 'MODULE_NOT_FOUND',\n  requireStack: [ '/app/server.js' ]\n}\n\nNode.js v20.20.2\n",
      "Error: Cannot find module 'express'",
    ],
    [
      'Node, a port that is taken',
      "\nnode:events:497\n      throw er; // Unhandled 'error' event\n      ^\n\nError: listen EADDRINUSE: address already in use :::3456\n    at Server.setupListenHandle [as _listen2] (node:net:1817:16)\nEmitted 'error' event on Server instance at:\n    at emitErrorNT (node:net:1796:8) {\n  code: 'EADDRINUSE',\n  port: 3456\n}\n\nNode.js v20.20.2",
      'Error: listen EADDRINUSE: address already in use :::3456',
    ],
    [
      'Node, a rejection',
      '\nnode:internal/process/promises:288\n            triggerUncaughtException(err, true);\n            ^\n\nDatabaseDown [TypeError]: no host\n    at main (file:///app/main.mjs:1:7)\n\nNode.js v20.20.2',
      'DatabaseDown [TypeError]: no host',
    ],
    [
      'Node, out of memory',
      '\n<--- Last few GCs --->\n\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n\n 1: 0xb9c310 node::Abort() [node]\n 2: 0xaa27ee  [node]',
      'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory',
    ],
    [
      'npm start',
      '\nSyntaxError: Unexpected token\n    at wrapSafe (node:internal/modules/cjs/loader:1378:20)\n\nNode.js v20.20.2\nnpm error Lifecycle script `start` failed with error:\nnpm error code 1',
      'SyntaxError: Unexpected token',
    ],
    [
      'Python',
      '\nTraceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    main()\n  File "/app/main.py", line 2, in main\n    raise ValueError("no such table")\nValueError: no such table\n',
      'ValueError: no such table',
    ],
    [
      'Python, an exception of its own',
      '\nTraceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    raise shop.Closed("today")\nshop.Closed: today\n',
      'shop.Closed: today',
    ],
    [
      'Python, while another was handled',
      "\nTraceback (most recent call last):\n  File \"a.py\", line 2, in f\n    {}['x']\nKeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"a.py\", line 4, in <module>\n    raise RuntimeError('broken')\nRuntimeError: broken\n",
      'RuntimeError: broken',
    ],
    [
      'Go',
      '\npanic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:7 +0x1d\nexit status 2\n',
      'panic: runtime error: index out of range [5] with length 3',
    ],
    [
      'Go, all asleep',
      '\nfatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nmain.main()\n\t/app/main.go:5 +0x36\nexit status 2',
      'fatal error: all goroutines are asleep - deadlock!',
    ],
    [
      'Ruby',
      "\n/app/app.rb:2:in `boom': out of stock (RuntimeError)\n\tfrom /app/app.rb:5:in `<main>'\n",
      "/app/app.rb:2:in `boom': out of stock (RuntimeError)",
    ],
    [
      'Java',
      '\nException in thread "main" java.lang.IllegalStateException: no data source\n\tat Main.start(Main.java:9)\n\tat Main.main(Main.java:4)\nCaused by: java.net.ConnectException: Connection refused\n\tat Main.open(Main.java:12)\n\t... 1 more\n',
      'Exception in thread "main" java.lang.IllegalStateException: no data source (Caused by: java.net.ConnectException: Connection refused)',
    ],
    [
      'PHP',
      '\nPHP Fatal error:  Uncaught RuntimeException: no config in /app/index.php:3\nStack trace:\n#0 {main}\n  thrown in /app/index.php on line 3\n',
      'PHP Fatal error:  Uncaught RuntimeException: no config in /app/index.php:3',
    ],
    [
      'PHP, syntax',
      '\nPHP Parse error:  syntax error, unexpected token "}" in /app/index.php on line 9',
      'PHP Parse error:  syntax error, unexpected token "}" in /app/index.php on line 9',
    ],
    [
      'Rust',
      "\nthread 'main' panicked at src/main.rs:2:5:\nno route\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
      "thread 'main' panicked at src/main.rs:2:5: no route",
    ],
    [
      '.NET',
      '\nUnhandled exception. System.InvalidOperationException: no key\n   at Program.Main() in /app/Program.cs:line 3\n',
      'Unhandled exception. System.InvalidOperationException: no key',
    ],
    [
      'pino',
      '\n{"level":30,"msg":"starting"}\n{"level":60,"msg":"cannot start","err":{"message":"no database"}}\n',
      'cannot start: no database',
    ],
  ])('%s: the error', (_runtime, log, wanted) => {
    expect(crashLine(lines(log))).toEqual({ kind: 'error', text: wanted });
  });

  test.each([
    ['a plain last word', '[warn] Error: cache is cold\nServer: stopping\nport 80 is taken\n', 'port 80 is taken'],
    ['a shell', 'sh: 1: flask: not found\n', 'sh: 1: flask: not found'],
    ['nothing but noise', '\nNode.js v20.20.2\n', 'Node.js v20.20.2'],
  ])('%s: the last line, not called an error', (_what, log, wanted) => {
    expect(crashLine(lines(log))).toEqual({ kind: 'last', text: wanted });
  });

  test('a log that says nothing has none', () => {
    expect(crashLine(lines('\n  \n'))).toBeNull();
  });

  test('whatever is in a log, its end is found in time that grows with its length, and stands in it', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.string({ maxLength: 80 }),
            fc.constantFrom('Error: x', '    at f (a.js:1)', 'Caused by: y', '', 'Traceback (most recent call last):'),
          ),
          { maxLength: 60 },
        ),
        (log) => {
          const found = crashLine(log);
          if (found === null) return log.every((line) => line.trim() === '');
          return found.text !== '' && (found.kind === 'error' || log.some((line) => line.trim() === found.text));
        },
      ),
    );
    const since = process.cpuUsage().user;
    crashLine([`${'a.'.repeat(40_000)}Error`, ':in `'.repeat(20_000), '{'.repeat(50_000)]);
    expect(process.cpuUsage().user - since).toBeLessThan(2_000_000);
  });
});
