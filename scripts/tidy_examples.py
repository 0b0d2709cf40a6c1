"""scripts/tidy_examples: what scripts/tidy must find, and what it must leave alone.

A check that cannot fail is a defect, so each rule has a bad example here that must be found, at
its line, under its name; and every rule that the good examples could trip over stays silent.
"""
PLATE = '// base/x: an example.\n#pragma once\n'
FILLER = '  step();\n'
LONG_FUNCTION = 'void f() {\n' + FILLER * 80 + '}\n'
WARNED_FUNCTION = 'void f() {\n' + FILLER * 60 + '}\n'
CONSTRUCTOR = 'F::F(int a)\n    : a_{a}, b_{0}, c_(1) {\n' + FILLER * 80 + '}\n'
FIELDS = ''.join(f'  int field_{i}_ = 0;\n' for i in range(16))

# (rule, path, text, line): each must be found, exactly as an error or a warning of that rule.
BAD = [
    ('floor', 'src/base/x.cc', '#include "env/disk.h"\n', 1),
    ('floor', 'src/vlog/x.cc', '#include "base/ids.h"\n#include "machine/apply.h"\n', 2),
    ('floor', 'src/raft/x.cc', '#include "env/clock.h"\n', 1),  # sideways
    ('floor', 'src/machine/x.cc', '#include "upkeep/scrub.h"\n', 1),  # sideways
    ('floor', 'src/base/x.cc', '#include "x.h"\n', 1),  # not spelled from src/
    ('floor', 'src/vlog/x.cc', '#include "sim/hands/disk.h"\n', 1),  # not a test
    ('floor', 'src/vlog/x_test.cc', '#include "server/config.h"\n', 1),
    ('floor', 'src/vlog/x.cc', '#include "env/posix/disk.h"\n', 1),
    ('floor', 'src/attic/x.cc', '#include "base/ids.h"\n', 1),
    ('ban-asio', 'src/server/x.cc', '#include <asio.hpp>\n', 1),
    ('ban-asio', 'src/server/x.cc', '#include <asio/ip/tcp.hpp>\n', 1),
    ('ban-rocksdb', 'src/vlog/x.cc', '#include <rocksdb/db.h>\n', 1),
    ('ban-iostream', 'src/base/x.cc', '#include <iostream>\n', 1),
    ('ban-rand', 'src/raft/x.cc', 'int a = rand();\n', 1),
    ('ban-rand', 'sim/x.cc', 'std::random_device device;\n', 1),
    ('ban-wall-clock', 'src/raft/x.cc', 'auto a =\n    std::chrono::system_clock::now();\n', 2),
    ('ban-cout', 'src/base/x.cc', 'void f() { std::cout << 1; }\n', 1),
    ('ban-getenv', 'src/vlog/x.cc', 'auto a = std::getenv("A");\n', 1),
    ('ban-sleep', 'src/net/x.cc', 'std::this_thread::sleep_for(a);\n', 1),
    ('ban-sleep', 'src/net/x_test.cc', 'void f() { usleep(10); }\n', 1),
    ('ban-sleep', 'tests/real/x.cc', 'void f() { sleep(1); }\n', 1),
    ('ban-volatile', 'src/net/x.cc', 'volatile bool done;\n', 1),
    ('ban-goto', 'sim/x.cc', 'void f() { goto out; }\n', 1),
    ('ban-coroutine', 'src/net/x.cc', 'void f() { co_await a; }\n', 1),
    ('ban-coroutine', 'src/net/x.cc', 'int f() { co_return 1; }\n', 1),
    ('ban-throw', 'src/net/x.cc', 'void f() { throw 1; }\n', 1),
    ('ban-thread', 'src/net/x.cc', 'std::thread worker(f);\n', 1),
    ('ban-thread', 'src/net/x.cc', 'std::vector<std::jthread> workers;\n', 1),
    ('ban-thread', 'src/vlog/x.cc', 'int a = pthread_create(&b, c, d, e);\n', 1),
    ('ban-using-namespace', 'src/base/x.h', PLATE + 'using namespace std;\n', 3),
    ('file-length', 'src/base/x.cc', 'int a;\n' * 801, 1),
    ('file-length', 'src/base/x_test.cc', 'int a;\n' * 1001, 1),
    ('file-length', 'scripts/x', '#!/bin/sh\n' * 801, 1),
    ('header-length', 'src/base/x.h', PLATE + 'int a;\n' * 251, 1),
    ('line-length', 'src/base/x.cc', '\n// ' + 'a' * 98 + '\n', 2),
    ('line-length', 'scripts/x.py', '# ' + 'a' * 99 + '\n', 1),
    ('plate', 'src/base/x.h', '#pragma once\n', 1),
    ('plate', 'src/base/x.h', '// base/y: another file.\n#pragma once\n', 1),
    ('plate', 'sim/hands/x.h', '// A header.\n#pragma once\n', 1),
    ('pragma-once', 'src/base/x.h', '// base/x: an example.\n', 1),
    ('function-length', 'src/base/x.cc', '\n' + LONG_FUNCTION, 2),
    ('function-length', 'src/base/x.cc',
     'namespace a {\nclass B {\n' + LONG_FUNCTION + '};\n}\n', 3),
    ('function-length', 'src/base/x.cc', 'namespace {\n' + CONSTRUCTOR + '}\n', 2),
    ('function-length', 'src/base/x.cc', 'template <class T>\n' + LONG_FUNCTION, 1),
    ('function-length', 'src/base/x.cc', 'int a[] = {1, 2};\n' + WARNED_FUNCTION, 2),
    ('class-fields', 'src/base/x.cc', 'class A {\n public:\n  A();\n' + FIELDS + '};\n', 1),
    ('class-fields', 'src/base/x.cc', 'struct A final : B {\n' +
     FIELDS.replace(' = 0', '{0}') + '};\n', 1),
    ('todo', 'src/base/x.cc', '// TODO: later\n', 1),
    ('todo', 'scripts/x.py', '# FIXME(me) later\n', 1),
    ('machine-path', 'docs/x.md', 'see /' + 'root/notes\n', 1),
    ('machine-path', 'tests/real/x.py', 'A = "/' + 'home/me/x"\n', 1),
    ('missing-page', 'docs/x.md', 'as DESIGN' + ' §3 says\n', 1),
    ('assertions', 'src/raft/x.cc', 'int a;\n' * 50, 1),
    ('assertions-room', 'src/vlog/x.cc', 'int a;\n' * 25, 1),
]

# (path, text): nothing may be found here.
GOOD = [
    ('src/vlog/x.cc', '#include "base/ids.h"\n#include "env/disk.h"\n#include "raft/entry.h"\n'),
    ('src/vlog/x_test.cc', '#include "sim/hands/disk.h"\n#include "vlog/x.h"\n'),
    ('src/net/x.cc', '#include <asio.hpp>\nauto a = std::thread::hardware_concurrency();\n'),
    ('src/net/x_test.cc', 'std::thread worker(f);\n'),
    ('src/index/x.cc', '#include <rocksdb/db.h>\n'),
    ('src/server/x.cc', '#include "env/posix/disk.h"\nauto a = std::getenv("A");\n'),
    ('src/base/mutant.cc', 'auto a = std::getenv("A");\n'),
    ('src/env/posix/x.cc', 'std::thread a(f);\nvoid g() { nanosleep(&b, nullptr); }\n'),
    ('src/base/x.cc', '// rand() and throw, goto\nauto a = "throw std::cout // volatile";\n'),
    ('src/base/x.cc', 'const char* a = R"(goto "a" throw)";\nchar b = \'"\';\nint c = 1\'000;\n'),
    ('src/base/x.cc', 'auto a = new (std::nothrow) int;\nint operand(int);\n// TODO(#12): later\n'),
    ('src/base/x.h', PLATE + 'int a;\n'),
    ('src/env/posix/x.h', '// env/posix/x: an example.\n#pragma once\n'),
    ('sim/hands/x.h', '// sim/hands/x: an example.\n#pragma once\n'),
    ('src/base/x.cc', 'constexpr Row kRows[] = {\n' + '    {f(1), 2},\n' * 120 + '};\n'),
    ('src/base/x.cc', 'namespace a {\n' + 'void f() {\n  step();\n}\n' * 40 + '}\n'),
    ('src/base/x.cc', 'class A {\n' + '  int f(int a) const { return a; }\n' * 30 + '};\n'),
    ('src/base/x.cc', 'enum class A {\n' + '  kB,\n' * 30 + '};\n'),
    ('src/raft/x.cc', '#define A(b) \\\n  do { \\\n  } while (false)\n' + 'ALF_CHECK(a);\n' * 3),
    ('docs/x.md', 'as docs/formats/entry.md says, in src/work/x and ./data\n'),
]


def run(source_type, findings_of):
    failures = []
    rules = set()
    for rule, path, text, line in BAD:
        rules.add(rule)
        found = [(f.rule, f.line) for f in findings_of([source_type(path, text)])]
        if (rule, line) not in found:
            failures.append(f'bad example of {rule} in {path}, line {line}: found {found}')
    for path, text in GOOD:
        found = list(findings_of([source_type(path, text)]))
        if found:
            failures.append(f'good example {path} {text[:40]!r}: found {found}')
    failures += untested_rules(rules)
    for failure in failures:
        print(f'self-test: {failure}')
    print(f'tidy --self-test: {len(BAD)} bad and {len(GOOD)} good examples, '
          f'{len(failures)} failures')
    return 1 if failures else 0


def untested_rules(tested):
    """Names of rules that the script can report but that no bad example proves."""
    import os
    import re
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'tidy')
    with open(path, encoding='utf-8') as file:
        text = file.read()
    reported = set(re.findall(r"'(?:error|warning)',\s*'([a-z-]+)'", text))
    reported |= set(re.findall(r"^    \('(ban-[a-z-]+)',", text, re.M))
    return [f'rule {rule} has no bad example' for rule in sorted(reported - tested)]
