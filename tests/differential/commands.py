"""differential/commands: random commands over a few keys, every option and every mistake.

One seed gives one sequence. Deadlines are either far away (each relative one unique, so that GT and
LT never compare two that lie within the same millisecond) or past; short ones are the business of
the expiry steps in workload.py, which know when a read is decided.
"""

import itertools

SMALL_KEYS = [b"k0", b"k1", b"k2", b"k3", b"k4", b"k5", b"", b"\x00\xff\r\n\x80", b"{tag}a", b"{tag}b",
              b"a b\"'", b"key*[x]?\\", b"L" * 300, "ключ".encode()]
BIG_KEYS = [b"big0", b"big1", b"{tag}big"]
DATABASES = [b"0", b"1", b"2"]

INTEGERS = [b"0", b"1", b"-1", b"7", b"10", b"255", b"256", b"9999", b"10000", b"2147483647", b"4294967296",
            b"9223372036854775807", b"-9223372036854775808", b"9223372036854775806"]
ODD_NUMBERS = [b"9223372036854775808", b"-9223372036854775809", b"0123", b"+5", b" 5", b"5 ", b"-0", b"", b"1.0",
               b"99999999999999999999999", b"0x10", b"5\x00", b"--1", b"1_000"]
FLOATS = [b"3.0", b"0.1", b"-0.1", b"1e5", b"5.0e3", b"1e-10", b"3.14159265358979323846", b"1e17", b"1e18", b"1e300",
          b"-1e300", b"1e-300", b"1e308", b"1e4000", b"1e-4940", b"inf", b"-inf", b"nan", b"0.30000000000000004",
          b"100000000000000000000", b"1.5", b"-2.25", b".5", b"5.", b"1e", b"0x1p4", b"123456789.987654321",
          b"0.000000000000000001", b"12345678901234567890.5"]
TEXTS = [b"", b"a", b"ab", b"hello world", b"\x00", b"\xff\xfe\r\n$5\r\n", b"x" * 44, b"x" * 45, b"y" * 20, b"1" * 19,
         b"1" * 20, b"1" * 21, b"ohmytext", b"mynewtext", b"foobar", b"\xf0\x9f\x98\x80", b"\x00" * 8, b"\xff" * 9]
# No number that a SETBIT or BITFIELD could take for an offset of half a gigabyte, nor for a short deadline.
MISFITS = [b"abc", b"", b"-1", b"9223372036854775808", b"1e3", b" 1", b"0x10", b"nan", b"\xff\x00", b"99999999999999999999"]
FAR_SECONDS = [b"4102444800", b"4102444801", b"32503680000"]
FAR_MILLISECONDS = [b"4102444800000", b"4102444800500", b"32503680000000"]
BAD_DEADLINES = [b"0", b"-1", b"abc", b"", b"9223372036854775807", b"-9223372036854775808", b"9223372036854775", b"1.5"]
PAST = [b"1", b"1000", b"-5", b"0"]


class Commands:
    def __init__(self, rng, excluded=()):
        self.rng = rng
        self.keys = SMALL_KEYS
        self.big = False
        self.deadline_count = itertools.count(rng.randrange(50000))
        makers = {  # weight, maker
            "set": (12, self.set), "get": (14, lambda: [b"GET", self.key()]), "getex": (3, self.getex),
            "getdel": (2, lambda: [b"GETDEL", self.key()]), "getset": (2, lambda: [b"GETSET", self.key(), self.value()]),
            "setnx": (2, lambda: [b"SETNX", self.key(), self.value()]), "setex": (2, self.setex),
            "mset": (3, lambda: [self.pick([b"MSET", b"MSETNX"])] + self.pairs()),
            "mget": (3, lambda: [b"MGET"] + self.some_keys()), "append": (4, lambda: [b"APPEND", self.key(), self.value()]),
            "strlen": (3, lambda: [b"STRLEN", self.key()]), "getrange": (4, self.getrange), "setrange": (3, self.setrange),
            "incr": (3, lambda: [self.pick([b"INCR", b"DECR"]), self.key()]),
            "incrby": (4, lambda: [self.pick([b"INCRBY", b"DECRBY"]), self.key(), self.integer()]),
            "incrbyfloat": (3, lambda: [b"INCRBYFLOAT", self.key(), self.number()]), "lcs": (2, self.lcs),
            "setbit": (3, lambda: [b"SETBIT", self.key(), self.bit_offset(), self.pick([b"0", b"1", b"1", b"2"])]),
            "getbit": (2, lambda: [b"GETBIT", self.key(), self.bit_offset()]), "bitcount": (3, self.bitcount),
            "bitpos": (3, self.bitpos), "bitop": (3, self.bitop), "bitfield": (5, self.bitfield),
            "del": (3, lambda: [self.pick([b"DEL", b"DEL", b"UNLINK"])] + self.some_keys(3)),
            "exists": (2, lambda: [self.pick([b"EXISTS", b"TOUCH"])] + self.some_keys()), "expire": (6, self.expire),
            "ttl": (5, lambda: [self.pick([b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME"]), self.key()]),
            "persist": (2, lambda: [b"PERSIST", self.key()]), "type": (2, lambda: [b"TYPE", self.key()]),
            "keys": (1, lambda: [b"KEYS", self.pattern()]), "rename": (3, self.rename), "copy": (3, self.copy),
            "move": (2, lambda: [b"MOVE", self.key(), self.pick(DATABASES + [b"0", b"16", b"abc", b"-4294967296"])]),
            "object": (3, self.object), "memory": (1, lambda: [b"MEMORY", b"USAGE", self.key()]),
            "select": (2, lambda: [b"SELECT", self.pick(DATABASES * 3 + [b"15", b"16", b"-1", b"abc"])]),
            "swapdb": (0.3, lambda: [b"SWAPDB", self.pick(DATABASES), self.pick(DATABASES + [b"16", b"x"])]),
            "flush": (0.15, lambda: [self.pick([b"FLUSHDB", b"FLUSHDB", b"FLUSHALL"])]
                      + self.pick([[], [], [b"ASYNC"], [b"SYNC"], [b"bogus"]])),
            "connection": (2, self.connection), "unknown": (0.7, self.unknown), "getkeys": (0.5, self.getkeys),
            "scan": (0.5, lambda: [b"SCAN", self.pick([b"abc", b"0 ", b" 0", b"99999999999999999999999"])] + self.pick([[], [b"COUNT", b"5"]])),
            "scanoption": (0.3, lambda: [b"SCAN", b"0"] + self.pick([[b"COUNT", b"0"], [b"COUNT", b"x"], [b"BOGUS"],
                                                                    [b"MATCH"], [b"COUNT", b"5", b"TYPE"]])),
            "wait": (0.2, lambda: [b"WAIT"] + self.pick([[b"0", b"0"], [b"x", b"0"], [b"0", b"-1"], [b"0", b"x"]])),
        }
        for name in excluded:
            makers.pop(name)
        self.makers = [maker for _, maker in makers.values()]
        self.weights = list(itertools.accumulate(weight for weight, _ in makers.values()))
        # What works on values of 100 KiB without taking seconds or gigabytes.
        self.big_makers = [self.set, lambda: [b"GET", self.key()], lambda: [b"STRLEN", self.key()], self.getrange,
                           self.setrange, lambda: [b"APPEND", self.key(), self.value()], self.rename, self.copy,
                           lambda: [b"GETBIT", self.key(), b"%d" % self.rng.randrange(900000)],
                           lambda: [b"SETBIT", self.key(), b"%d" % self.rng.randrange(900000), b"1"], self.bitcount,
                           self.bitpos, self.bitop, lambda: [b"DEL", self.key()], lambda: [b"MGET"] + self.some_keys(),
                           lambda: [b"GETSET", self.key(), self.value()], lambda: [b"MSET"] + self.pairs(), self.object]

    def one(self):
        rng = self.rng
        self.big = rng.random() < 0.015
        self.keys = BIG_KEYS if self.big else SMALL_KEYS
        arguments = rng.choice(self.big_makers)() if self.big else rng.choices(self.makers, cum_weights=self.weights)[0]()
        if rng.random() < 0.03:
            arguments = self.mistaken(arguments)
        if rng.random() < 0.1:
            arguments[0] = bytes(c ^ 0x20 if 65 <= c <= 90 and rng.random() < 0.5 else c for c in arguments[0])
        return arguments

    # Ingredients.

    def pick(self, choices):
        return choices[int(self.rng.random() * len(choices))]

    def key(self):
        return self.pick(self.keys)

    def some_keys(self, most=4):
        return [self.key() for _ in range(self.rng.randint(1, most))]

    def pairs(self):
        return [item for _ in range(self.rng.randint(1, 4)) for item in (self.key(), self.value())]

    def value(self):
        rng = self.rng
        if self.big:
            size = int(2 ** rng.uniform(0, 16.65))
            return rng.choice([rng.randbytes, lambda n: b"abcdefghij"[:1 + n % 10] * (n // (1 + n % 10))])(size)
        kind = rng.random()
        if kind < 0.3:
            return self.pick(INTEGERS)
        if kind < 0.4:
            return b"%d" % rng.randint(-1000, 1000)
        if kind < 0.48:
            return self.pick(FLOATS)
        if kind < 0.53:
            return self.pick(ODD_NUMBERS)
        if kind < 0.75:
            return self.pick(TEXTS)
        if kind < 0.9:
            return bytes(rng.choices(b"abc", k=rng.randrange(60)))
        return rng.randbytes(rng.randrange(150))

    def integer(self):
        kind = self.rng.random()
        if kind < 0.5:
            return b"%d" % self.rng.randint(-100, 100)
        return self.pick(INTEGERS) if kind < 0.85 else self.pick(ODD_NUMBERS)

    def number(self):
        return self.pick(FLOATS) if self.rng.random() < 0.7 else self.integer()

    def option(self, *words):
        word = self.pick(words)
        return word if self.rng.random() < 0.7 else word.lower()

    def unique_deadline(self):
        return 1000 + 10 * (next(self.deadline_count) * 7919 % 100003)

    def far(self, unit):
        """A deadline as an argument of EX, PX, EXAT or PXAT: far off, or invalid."""
        if self.rng.random() < 0.12:
            return self.pick([bad for bad in BAD_DEADLINES])
        if unit == b"EX":
            return b"%d" % self.unique_deadline()
        if unit == b"PX":
            return b"%d" % (1000 * self.unique_deadline())
        if self.rng.random() < 0.15:
            return self.pick(PAST)
        return self.pick(FAR_SECONDS if unit == b"EXAT" else FAR_MILLISECONDS)

    # Strings.

    def set(self):
        arguments = [b"SET", self.key(), self.value()]
        if self.rng.random() < 0.5:
            return arguments
        for _ in range(self.rng.choice([1, 1, 1, 2, 2, 3])):
            word = self.pick([b"EX", b"PX", b"EXAT", b"PXAT", b"KEEPTTL", b"NX", b"XX", b"GET", b"GET", b"NX", b"XX", b"BOGUS"])
            arguments.append(word if self.rng.random() < 0.8 else word.lower())
            if word in (b"EX", b"PX", b"EXAT", b"PXAT") and self.rng.random() < 0.97:
                arguments.append(self.far(word))
        return arguments

    def getex(self):
        word = self.pick([None, b"EX", b"PX", b"EXAT", b"PXAT", b"PERSIST", b"KEEPTTL", b"NX"])
        if word is None:
            return [b"GETEX", self.key()]
        tail = [self.far(word)] if word in (b"EX", b"PX", b"EXAT", b"PXAT") else []
        extra = [b"PERSIST"] if self.rng.random() < 0.05 else []
        return [b"GETEX", self.key(), word] + tail + extra

    def setex(self):
        if self.rng.random() < 0.5:
            return [b"SETEX", self.key(), self.far(b"EX"), self.value()]
        return [b"PSETEX", self.key(), self.far(b"PX"), self.value()]

    def position(self):
        if self.rng.random() < 0.08:
            return self.pick(MISFITS + [b"9223372036854775807", b"-9223372036854775808"])
        span = 110000 if self.big else 60
        return b"%d" % self.rng.randint(-span, span)

    def getrange(self):
        return [self.pick([b"GETRANGE", b"GETRANGE", b"SUBSTR"]), self.key(), self.position(), self.position()]

    def setrange(self):
        if self.rng.random() < 0.08:
            offset = self.pick([b"-1", b"536870912", b"536870911000", b"abc", b"9223372036854775807"])
            return [b"SETRANGE", self.key(), offset, self.pick([b"x", b"yz"])]
        offset = self.rng.randrange(100000) if self.big else self.rng.choice([0, 0, 1, 5, self.rng.randrange(600)])
        return [b"SETRANGE", self.key(), b"%d" % offset, self.value()]

    def lcs(self):
        arguments = [b"LCS", self.key(), self.key()]
        for _ in range(self.rng.randrange(4)):
            word = self.option(b"IDX", b"LEN", b"MINMATCHLEN", b"WITHMATCHLEN", b"IDX", b"WITHMATCHLEN", b"BOGUS")
            arguments.append(word)
            if word.upper() == b"MINMATCHLEN" and self.rng.random() < 0.9:
                arguments.append(self.pick([b"0", b"1", b"2", b"4", b"-3", b"x"]))
        return arguments

    # Bitmaps.

    def bit_offset(self):
        if self.rng.random() < 0.06:
            return self.pick([b"-1", b"4294967296", b"abc", b"9223372036854775807", b"1.5", b""])
        return b"%d" % self.rng.choice([self.rng.randrange(70), self.rng.randrange(3000)])

    def range_and_unit(self):
        span = self.rng.choice([[], [self.position()], [self.position(), self.position()], [self.position(), self.position()]])
        if self.rng.random() < 0.4:
            span = span + [self.option(b"BYTE", b"BIT", b"BIT", b"BOGUS")]
        return span

    def bitcount(self):
        return [b"BITCOUNT", self.key()] + self.range_and_unit()

    def bitpos(self):
        return [b"BITPOS", self.key(), self.pick([b"0", b"1", b"0", b"1", b"2", b"x"])] + self.range_and_unit()

    def bitop(self):
        operation = self.option(b"AND", b"OR", b"XOR", b"NOT", b"NOT", b"BOGUS")
        sources = self.some_keys(1 if operation.upper() == b"NOT" and self.rng.random() < 0.8 else 3)
        return [b"BITOP", operation, self.key()] + sources

    def bitfield(self):
        read_only = self.rng.random() < 0.2
        arguments = [b"BITFIELD_RO" if read_only else b"BITFIELD", self.key()]
        for _ in range(self.rng.randrange(5)):
            word = b"GET" if read_only and self.rng.random() < 0.9 else self.pick([b"GET", b"SET", b"INCRBY", b"INCRBY", b"OVERFLOW"])
            if word == b"OVERFLOW":
                arguments += [word, self.option(b"WRAP", b"SAT", b"FAIL", b"FAIL", b"BOGUS")]
                continue
            arguments += [word, self.bit_type(), self.bitfield_offset()]
            if word != b"GET":
                arguments.append(self.integer())
        return arguments

    def bit_type(self):
        if self.rng.random() < 0.04:
            return self.pick([b"u64", b"i65", b"u0", b"i0", b"x8", b"8", b"u", b"i-1", b"u08x"])
        sign = self.rng.random() < 0.5
        return b"%c%d" % (b"i" if sign else b"u", self.rng.choice([1, 2, 3, 4, 7, 8, 9, 16, 31, 32, 33, 62, 63, 64 if sign else 63,
                                                                   self.rng.randint(1, 63)]))

    def bitfield_offset(self):
        if self.rng.random() < 0.04:
            return self.pick([b"-1", b"4294967296", b"#-1", b"#x", b"abc", b"#99999999999"])
        return (b"#%d" % self.rng.randrange(20)) if self.rng.random() < 0.4 else b"%d" % self.rng.randrange(400)

    # Generic.

    def expire(self):
        name = self.pick([b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT"])
        if self.rng.random() < 0.1:
            # Zero and below are past for all four; the rest is invalid for all four, or far enough.
            when = self.pick([b"0", b"-1", b"abc", b"", b"-9223372036854775808", b"1.5", b"9223372036854775807"])
        elif name == b"EXPIRE":
            when = b"%d" % self.unique_deadline()
        elif name == b"PEXPIRE":
            when = b"%d" % (1000 * self.unique_deadline())
        elif self.rng.random() < 0.1:
            when = self.pick(PAST)
        else:
            when = self.pick(FAR_SECONDS if name == b"EXPIREAT" else FAR_MILLISECONDS)
        options = [self.option(b"NX", b"XX", b"GT", b"LT", b"NX", b"XX", b"GT", b"LT", b"BOGUS")
                   for _ in range(self.rng.choice([0, 0, 0, 1, 1, 2]))]
        return [name, self.key(), when] + options

    def pattern(self):
        return self.pick([b"*", b"*", b"k*", b"k?", b"k[0-3]", b"k[^0]", b"{tag}*", b"*b*", b"key\\*\\[x\\]\\?*", b"", b"[",
                          b"\\", b"*\xff*", b"k0", b"[a-z]*", b"?*", b"nothing*here"])

    def rename(self):
        return [self.pick([b"RENAME", b"RENAMENX"]), self.key(), self.key()]

    def copy(self):
        arguments = [b"COPY", self.key(), self.key()]
        for _ in range(self.rng.randrange(3)):
            word = self.option(b"DB", b"REPLACE", b"REPLACE", b"BOGUS")
            arguments.append(word)
            if word.upper() == b"DB":
                arguments.append(self.pick(DATABASES * 2 + [b"16", b"abc", b"-1", b"4294967296"]))
        return arguments

    def object(self):
        return [b"OBJECT", self.option(b"ENCODING", b"ENCODING", b"ENCODING", b"IDLETIME", b"REFCOUNT", b"FREQ", b"BOGUS"), self.key()]

    # Connection, and what no server should accept.

    def connection(self):
        return self.pick([
            [b"PING"], [b"PING", self.value()], [b"PING", b"a", b"b"], [b"ECHO", self.value()], [b"CLIENT", b"GETNAME"],
            [b"CLIENT", b"SETNAME", self.pick([b"conn", b"", b"a b", b"a\nb", b"x!~"])], [b"CLIENT", b"ID"], [b"CLIENT", b"INFO"],
            [b"CLIENT", b"LIST"], [b"CLIENT", b"LIST", b"TYPE", b"bogus"], [b"CLIENT", b"NO-EVICT", self.pick([b"on", b"off", b"x"])],
            [b"CLIENT", b"BOGUS"], [b"AUTH", b"secret"], [b"AUTH", b"nobody", b"secret"], [b"TIME"], [b"LASTSAVE"],
            [b"CLIENT", b"KILL", b"127.0.0.1:1"], [b"CLIENT", b"KILL", b"ID", b"999999999"], [b"CLIENT", b"KILL", b"ID", b"x"],
            [b"CLIENT", b"REPLY", b"ON"], [b"CLIENT", b"REPLY", b"bogus"], [b"UNWATCH"], [b"SLOWLOG", b"BOGUS"], [b"CLUSTER"],
            [b"HELLO", b"4"], [b"HELLO", b"x"], [b"SELECT"], [b"OBJECT"], [b"COMMAND", b"BOGUS"], [b"CONFIG", b"BOGUS"]])

    def unknown(self):
        name = self.pick([b"FOO", b"GETT", b"", b"\xff\x00", b"SET ", b"foo\r\nbar", b"X" * 150, b"host", b"LPUSHX2"])
        return [name] + [self.value() for _ in range(self.rng.randrange(4))]

    def getkeys(self):
        inner = self.pick([self.set, self.bitop, self.copy, self.rename, lambda: [b"MGET"] + self.some_keys(),
                           lambda: [b"MSET"] + self.pairs(), lambda: [b"PING"], lambda: [b"DEL"] + self.some_keys(), self.lcs,
                           lambda: [b"NOSUCH", b"x"], lambda: [b"GET"], lambda: [b"OBJECT", b"ENCODING", self.key()]])()
        return [b"COMMAND", b"GETKEYS"] + inner

    def mistaken(self, arguments):
        """A word too many, one too few, or one that does not fit."""
        kind = self.rng.random()
        if kind < 0.3 and arguments[0] != b"COMMAND":  # whose whole table is each server's own
            return arguments[:-1] if len(arguments) > 1 else arguments + [b"extra"]
        if kind < 0.6:
            return arguments + [self.pick([b"extra", arguments[-1], b"-1", b"KEEPTTL", b"\x00"])]
        if len(arguments) > 2 and arguments[0].upper() not in (b"MSET", b"MSETNX"):
            place = self.rng.randrange(2, len(arguments))
            return arguments[:place] + [self.pick(MISFITS)] + arguments[place + 1:]
        return arguments
