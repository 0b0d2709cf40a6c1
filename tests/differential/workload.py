"""differential/workload: the steps of a run, from one seed.

A step is plain data (so that a failing run can be saved, cut down and replayed):
  batch  a pipeline on one of the two connections; `deadlines` = (shortest, longest) ms that it sets
  peek   reads of keys whose deadline is still ahead; compared only if it was still ahead afterwards
  pass   nothing but time, until all short deadlines are past on both servers
  scan   a full SCAN iteration, compared as a set
  raw    bytes on a fresh connection, in pieces, until the server closes or the last ECHO is answered
"""

from commands import BIG_KEYS, DATABASES, SMALL_KEYS, Commands
from rules import Tracker

END = b"the end of this case"


class Workload:
    def __init__(self, rng, protocol, excluded=()):
        self.rng = rng
        self.protocol = protocol
        self.commands = Commands(rng, excluded)
        self.trackers = [Tracker(), Tracker()]

    def steps(self):
        yield self.batch(0, [[b"MSET", b"k0", b"0", b"k1", b"one"]])
        while True:
            kind = self.rng.random()
            connection = self.rng.randrange(2)
            if kind < 0.80:
                yield self.batch(connection, self.random_batch(connection))
            elif kind < 0.92:
                yield from self.watched()
            elif kind < 0.932:
                yield from self.expiring()
            elif kind < 0.96:
                yield from self.scanned(connection)
            else:
                yield self.raw()

    def batch(self, connection, commands, deadlines=None):
        for arguments in commands:
            self.trackers[connection].step(arguments)
        return {"kind": "batch", "connection": connection, "commands": commands, "deadlines": deadlines}

    def random_batch(self, connection):
        """Mostly the generator's commands; sometimes a block is begun, ended or thrown away."""
        rng, commands = self.rng, []
        in_multi = self.trackers[connection].in_multi
        for _ in range(rng.choice([1, 2, 5, 10, 20, 40, 60, 100])):
            kind = rng.random()
            if kind < (0.12 if in_multi else 0.015):
                word = rng.choice([b"EXEC", b"EXEC", b"EXEC", b"DISCARD", b"MULTI", b"WATCH"])
                commands.append([word, b"k0"] if word == b"WATCH" else [word])
                in_multi = word == b"MULTI" or (word == b"WATCH" and in_multi)
            elif kind < 0.14 and not in_multi:
                commands.append([b"MULTI"])
                in_multi = True
            elif kind < 0.15:
                commands.append([rng.choice([b"WATCH", b"UNWATCH"])] + ([self.commands.key()] if kind < 0.146 else []))
            elif kind < 0.152:
                commands += [[b"RESET"], [b"HELLO", b"%d" % self.protocol]]
                in_multi = False
            elif kind < 0.155 and not in_multi:
                commands += [[b"RANDOMKEY"], [b"KEYS", b"*"]]
            elif kind < 0.16:
                # Redis counts keys whose deadline is past until it meets them: let it meet all.
                commands += [[b"EXISTS"] + SMALL_KEYS + BIG_KEYS, [b"DBSIZE"]]
            elif kind < 0.17 and not in_multi:
                commands.append(self.inline())
            else:
                commands.append(self.commands.one())
        # One tracker of the truth: WATCH inside MULTI and nested MULTI leave the block open.
        return commands

    def inline(self):
        return self.rng.choice([
            b"PING", b"  get   k0  ", b"set k1 \"a\\x00\\n\\\"b\"", b"set k2 'single \\' quoted'", b"SET k3 \"\"", b"mget k0 k1 k2",
            b"get", b"set k4 \"caf\xc3\xa9\"", b"nosuch inline command", b"incr k5", b"\tstrlen\tk1", b"append k2 \"\\t\\r\\b\\a\"",
            b"echo \"\\xff\\xZZ\\q\""])

    # WATCH: what another connection does between WATCH and EXEC.

    def watched(self):
        rng = self.rng
        watcher = rng.randrange(2)
        other = 1 - watcher
        leave = [[b"DISCARD"]] if self.trackers[watcher].in_multi else []
        key, second = rng.sample(SMALL_KEYS, 2)
        database = rng.choice(DATABASES)
        prepare = rng.choice([[[b"DEL", key]], [[b"SET", key, b"1"]], [[b"SET", key, b"v", b"EX", b"5000"]], [],
                              # The same name in two databases, written by one entry: SWAPDB is the only write between.
                              [[b"MULTI"], [b"SELECT", b"0"], [b"SET", key, b"zero"], [b"SELECT", b"1"], [b"SET", key, b"one"],
                               [b"EXEC"], [b"SELECT", database]]])
        yield self.batch(watcher, leave + [[b"SELECT", database]] + prepare + [[b"WATCH", key] + ([second] if rng.random() < 0.3 else [])])
        meddle = rng.choice([
            [], [[b"GET", key]], [[b"SET", key, b"other"]], [[b"SET", key, b"1"]], [[b"DEL", key]], [[b"SET", key, b"x"], [b"DEL", key]],
            [[b"SETRANGE", key, b"0", b""]], [[b"APPEND", key, b""]], [[b"EXPIRE", key, b"7000"]], [[b"PERSIST", key]],
            [[b"SETNX", key, b"nx"]], [[b"RENAME", second, key]], [[b"RENAME", key, second]], [[b"COPY", second, key, b"REPLACE"]],
            [[b"MOVE", key, b"2"]], [[b"FLUSHDB"]], [[b"FLUSHALL"]], [[b"SWAPDB", b"0", b"1"]], [[b"INCR", key]], [[b"GETDEL", key]],
            [[b"GETEX", key, b"PERSIST"]], [[b"GETEX", key, b"EX", b"9000"]], [[b"EXPIRE", key, b"-1"]], [[b"SET", second, b"z"]],
            [[b"MULTI"], [b"SET", key, b"q"], [b"DISCARD"]], [[b"MULTI"], [b"SET", key, b"q"], [b"EXEC"]], [[b"TOUCH", key]],
            [[b"SETBIT", key, b"7", b"0"]], [[b"BITFIELD", key, b"GET", b"u8", b"0"]], [[b"BITOP", b"NOT", key, second]],
            [[b"SELECT", b"2"], [b"SET", key, b"elsewhere"], [b"SELECT", database]]])
        leave = [[b"DISCARD"]] if self.trackers[other].in_multi else []
        who = other if rng.random() < 0.85 else watcher
        yield self.batch(who, (leave if who == other else []) + [[b"SELECT", database]] + meddle)
        between = rng.choice([[], [], [], [[b"UNWATCH"]], [[b"SET", key, b"own"]], [[b"WATCH", second]], [[b"SELECT", b"0"]]])
        body = [self.commands.one() for _ in range(rng.randrange(5))]
        end = rng.choice([b"EXEC", b"EXEC", b"EXEC", b"DISCARD"])
        yield self.batch(watcher, between + [[b"MULTI"]] + body + [[end], [b"MGET", key, second], [b"EXEC"]])

    # Short deadlines: 5 to 80 ms, read only when clearly ahead or clearly past.

    def expiring(self):
        rng = self.rng
        one, other = rng.sample([0, 1], 2)
        leave = [[[b"DISCARD"]] if self.trackers[c].in_multi else [] for c in (0, 1)]
        keys = rng.sample(SMALL_KEYS, rng.randint(1, 6))
        far_ahead = rng.random() < 0.5
        span = (60, 80) if far_ahead else (5, 40)
        setting, shortest, longest = [], 1000, 0
        for key in keys:
            ttl = rng.randint(*span)
            shortest, longest = min(shortest, ttl), max(longest, ttl)
            milliseconds = b"%d" % ttl
            setting += rng.choice([
                [[b"SET", key, b"%d" % ttl, b"PX", milliseconds]], [[b"PSETEX", key, milliseconds, b"short"]],
                [[b"SET", key, b"base"], [b"PEXPIRE", key, milliseconds]], [[b"SET", key, b"5"], [b"GETEX", key, b"PX", milliseconds]],
                [[b"SET", key, b"5", b"PX", milliseconds], [b"INCR", key]],
                [[b"MULTI"], [b"SET", key, b"7", b"PX", milliseconds], [b"APPEND", key, b"8"], [b"EXEC"]]])
        database = rng.choice(DATABASES)
        watch = rng.random() < 0.5
        late_watch = rng.random() < 0.3
        yield self.batch(other, leave[other] + [[b"SELECT", database]])
        yield self.batch(one, leave[one] + [[b"SELECT", database]] + setting, (shortest, longest))
        if watch:
            yield self.batch(other, [[b"WATCH"] + keys])
        if far_ahead:
            yield {"kind": "peek", "connection": other,
                   "commands": [[rng.choice([b"GET", b"STRLEN", b"TYPE", b"EXISTS", b"TTL"]), key] for key in keys]}
        yield {"kind": "pass"}
        if late_watch:
            yield self.batch(other, [[b"WATCH"] + keys])
        gone = [[rng.choice([b"GET", b"TTL", b"PTTL", b"EXISTS", b"TYPE", b"STRLEN", b"SETNX", b"INCR", b"APPEND", b"GETDEL", b"PERSIST",
                             b"RENAME", b"COPY", b"KEYS", b"GETRANGE", b"MGET", b"DEL", b"EXPIRE"]), key] for key in keys]
        tails = {b"SETNX": [b"again"], b"APPEND": [b"fresh"], b"RENAME": [b"k0"], b"COPY": [b"k0"], b"GETRANGE": [b"0", b"-1"],
                 b"EXPIRE": [b"5000"]}
        gone = [command + tails.get(command[0], []) for command in gone]
        if watch or rng.random() < 0.4:
            yield self.batch(other, [[b"MULTI"]] + gone + [[b"EXEC"], [b"MGET"] + keys])
        else:
            yield self.batch(rng.choice([one, other]), gone + [[b"EXISTS"] + SMALL_KEYS + BIG_KEYS, [b"DBSIZE"], [b"MGET"] + keys])

    def scanned(self, connection):
        rng = self.rng
        if self.trackers[connection].in_multi:
            yield self.batch(connection, [[b"EXEC"]])
        options = rng.choice([[], [b"COUNT", b"1"], [b"COUNT", b"3"], [b"COUNT", b"1000"]])
        options = options + rng.choice([[], [], [b"MATCH", self.commands.pattern()], [b"match", b"k*"]])
        options = options + rng.choice([[], [], [b"TYPE", b"string"], [b"TYPE", b"hash"], [b"type", b"STRING"]])
        yield {"kind": "scan", "connection": connection, "options": options}

    # Bytes that no polite client sends.

    def raw(self):
        rng = self.rng
        hello = b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n" if rng.random() < 0.3 else b""
        good = b"*2\r\n$3\r\nGET\r\n$2\r\nk0\r\n"
        end = b"*2\r\n$4\r\nECHO\r\n$%d\r\n%b\r\n" % (len(END), END)
        case = rng.choice([
            b"*abc\r\n", b"*2\r\n:5\r\n", b"*1\r\n+PING\r\n", b"*1\r\n$abc\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$536870913\r\n",
            b"*2147483648\r\n", b"*9999999999999999999\r\n", b"*1\r\n$99999999999999999999\r\n", b"*-5\r\n" + end, b"*0\r\n" + end, b"\r\n" + end,
            b"*1\r\n$4 \r\n", b"*\r\n", b"* 1\r\n", b"*1\r\n$\r\n", b"set k0 \"unbalanced\r\n", b"set k0 'x'y\r\n", b"set k0 \"x\"y\r\n",
            b"*1\r\n\r\n", b"$5\r\n" + end, b"PING\n" + end, b"\n\n\r\nPING\r\n" + end, b"*1\r\n$4\r\nQUIT\r\n" + good, b"quit\r\n",
            b"*3\r\n$3\r\nSET\r\n$3\r\nraw\r\n$6\r\na\r\nb\r\n\r\n" + good + end, b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n" + end,
            b"CLIENT REPLY SKIP\r\nPING\r\n" + end, b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n" + good + good + b"CLIENT REPLY ON\r\n" + end,
            b"MULTI\r\nset raw 1\r\n*1\r\n$3\r\nFOO\r\nEXEC\r\n" + end, b"RESET\r\n" + end, b"HELLO 9\r\n" + end, b"HELLO 2\r\n" + end,
            b"POST / HTTP/1.1\r\nHost: x\r\n\r\nset k0 posted\r\n" + end, b"MULTI\r\nhOsT: x\r\n" + end,
            b"SELECT 1\r\nget k0\r\n" + end, b"*1\r\n$4\r\nPING\r\n" * 50 + end, b"+OK\r\n" + end, b"GET k0 " + b"x" * 100 + b"\r\n" + end,
            b"*2\r\n$3\r\nGET\r\n$2\r\nk0xx*1\r\n$4\r\nPING\r\n" + end])
        data = hello + (good if rng.random() < 0.5 else b"") + case
        cuts = sorted(rng.sample(range(1, len(data)), min(len(data) - 1, rng.choice([0, 0, 1, 3, 10]))))
        pieces = [data[a:b] for a, b in zip([0] + cuts, cuts + [len(data)])]
        return {"kind": "raw", "pieces": pieces, "ends": data.endswith(end)}
