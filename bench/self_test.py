"""bench/self_test: the tools' own tests (bench/run --self-test): what they compute, parse and draw. No server."""

import json
import unittest
import xml.etree.ElementTree

import cells
import chart
import client
import machine
import parts_cluster
import parts_micro
import parts_reads
import parts_throughput
import report
import stats
import systems
from harness.suite import Failure

CSV = '''WARNING: Could not fetch server CONFIG
"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"MSET (10 keys)","86206.90","18.074","0.448","13.879","40.191","40.255","40.255"
'''
MOUNTS = '''22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:21 / /dev/shm rw - tmpfs tmpfs rw
24 22 254:1 / /data\\040two rw shared:1 - xfs /dev/vdb rw
25 22 0:22 / /data\\040two rw - btrfs /dev/vdc rw
'''


def results_of(rates):
    """Results of one cell from {system: rates of the rounds}."""
    results = report.Results()
    for system, values in rates.items():
        for rate in values:
            results.add("set.P32.c50.3B", system, {"rate": rate, "p99_ms": 1.25, "cpu_seconds_per_million": 0.8,
                                                   "peak_bytes": 100 << 20, "device_bytes_per_user_byte": 1.5})
    return results


class ClusterTest(unittest.TestCase):
    def test_a_groups_share_is_taken_round_by_round(self):
        results = {"set.P1.c512": {"single": {"rate": [100.0, 200.0]}, "cluster": {"rate": [70.0, 100.0]}, "redis": {"rate": [35.0, 50.0]}},
                   "get.P1.c50": {"single": {"rate": [10.0]}}}
        figures = parts_cluster.figures_of(results)
        self.assertEqual(figures["set.P1.c512 cluster/single"], [0.7, 0.5])
        self.assertEqual(figures["set.P1.c512 cluster/redis"], [2.0, 2.0])
        self.assertNotIn("get.P1.c50 cluster/single", figures)
        self.assertNotIn("set.P1.c512 cluster.lease/single", figures)

    def test_what_the_hypervisor_took_is_measured_again(self):
        shares, runs = iter([0.2, 0.05, 0.01, 0.0]), []

        def measure_once(*_):
            runs.append({"stolen_share": next(shares)})
            return runs[-1]
        measured, parts_cluster.measure_once = parts_cluster.measure_once, measure_once
        try:
            self.assertEqual(parts_cluster.measure_quietly(None, None, None, None), {"stolen_share": 0.01})
        finally:
            parts_cluster.measure_once = measured
        self.assertEqual(len(runs), 3)

    def test_every_target_of_the_part_names_a_cell(self):
        names = {cell.name for cell in parts_cluster.CELLS}
        for target in cells.TARGETS:
            if target.part == "cluster":
                self.assertIn(target.figure.split()[0], names)


class StatsTest(unittest.TestCase):
    def test_quartiles(self):
        for values, expected in (([4], (4, 4, 4)), ([1, 2], (1.25, 1.5, 1.75)), ([5, 1, 3, 2, 4], (2, 3, 4)),
                                 ([7, 1, 2, 3, 4, 5, 6], (2.5, 4, 5.5))):
            spread = stats.Spread(values)
            self.assertEqual((spread.low, spread.median, spread.high), expected)
        self.assertRaises(ValueError, stats.Spread, [])

    def test_numbers_keep_three_digits(self):
        for value, expected in ((None, "-"), (0.123, "0.12"), (1.234, "1.23"), (12.34, "12.3"), (99.96, "100"),
                                (123.4, "123"), (999.6, "1.00k"), (1234, "1.23k"), (732_000, "732k"),
                                (1_250_000, "1.25M"), (0, "0.00")):
            self.assertEqual(stats.number(value), expected, value)

    def test_a_ratio_is_taken_round_by_round(self):
        self.assertEqual(stats.ratios([2, 9, 8], [1, 3]), [2, 3])
        self.assertEqual(stats.ratios([2], [0]), [])

    def test_only_what_lies_outside_the_quartiles_is_missed(self):
        spread = stats.Spread([1, 2, 3, 4, 5])  # 2, 3, 4
        for sign, bound, expected in ((">=", 3, stats.MET), (">=", 4, stats.WITHIN), (">=", 4.1, stats.MISSED),
                                      ("<=", 3, stats.MET), ("<=", 2, stats.WITHIN), ("<=", 1.9, stats.MISSED)):
            self.assertEqual(stats.judge(spread, sign, bound), expected, (sign, bound))
        self.assertRaises(ValueError, stats.judge, spread, "=", 1)


class ParseTest(unittest.TestCase):
    def test_the_table_of_redis_benchmark(self):
        measured = client.parse_csv(CSV)["MSET (10 keys)"]
        self.assertEqual((measured.rate, measured.p50_ms, measured.p99_ms), (86206.90, 13.879, 40.255))
        for text in ("", "Could not connect", CSV.splitlines()[1]):
            self.assertRaises(Failure, client.parse_csv, text)

    def test_proc(self):
        self.assertEqual(machine.parse_cpu_ticks("42 (a ) b) S 1 2 3 4 5 6 7 8 9 10 70 30 1 1"), 100)
        ticks = machine.parse_cpu_line("cpu  10 20 30 400 5 6 7 22 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
        self.assertEqual(ticks, (500, 22))
        self.assertEqual(machine.stolen_share(ticks, (600, 32)), 0.1)
        text = "rchar: 12\nwrite_bytes: 4096\nVmHWM:\t  1024 kB\nName:\tserver\nraft_term:7\r\n"
        self.assertEqual(machine.parse_colon_lines(text),
                         {"rchar": 12, "write_bytes": 4096, "VmHWM": 1024, "raft_term": 7})

    def test_the_file_system_is_that_of_the_longest_mount_point(self):
        for path, expected in (("/", "ext4"), ("/dev/shm/x", "tmpfs"), ("/dev/shmx", "ext4"), ("/data two/a", "btrfs")):
            self.assertEqual(machine.find_file_system(MOUNTS, path), expected, path)

    def test_memory_is_refused_as_a_disk(self):
        kept, machine.file_system_of = machine.file_system_of, lambda _: "tmpfs"
        try:
            self.assertRaises(Failure, machine.check_disk, "anywhere")
        finally:
            machine.file_system_of = kept

    def test_versions_without_the_build(self):
        self.assertEqual(machine.redis_version("Redis server v=7.0.15 sha=0 bits=64 build=ae4"), "7.0.15")
        self.assertEqual(machine.redis_version("redis-benchmark 7.0.15"), "7.0.15")

    def test_micro_benchmarks_and_fio(self):
        document = json.dumps({"benchmarks": [{"name": "a/3/real_time", "items_per_second": 5e6, "cpu_time": 1, "time_unit": "ns"},
                                              {"name": "b", "cpu_time": 2.5, "time_unit": "us"}]})
        self.assertEqual(parts_micro.parse(document), [("a/3", 200.0), ("b", 2500.0)])
        self.assertEqual(parts_micro.parse("Failed to match any benchmarks"), [])
        broken = json.dumps({"benchmarks": [{"name": "a", "error_occurred": True, "error_message": "no disk"}]})
        self.assertRaises(Failure, parts_micro.parse, broken)
        self.assertEqual(parts_reads.parse_fio('note\n{"jobs": [{"read": {"iops": 12.5}}]}'), 12.5)


class CellsTest(unittest.TestCase):
    def test_names_are_unique_and_words_select(self):
        names = [cells.name_of(cell) for cell in cells.CELLS]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(cells.select([]), cells.CELLS)
        for words, expected in ((["set.P32.c50.3B"], {"set.P32.c50.3B"}), (["16k"], {n for n in names if "16K" in n}),
                                (["incr", "mset.p1"], {"incr.P32.c50", "incr.P1.c50", "mset.P1.c50"}), (["P3"], set())):
            self.assertEqual({cells.name_of(cell) for cell in cells.select(words)}, expected)

    def test_writes_stand_alone_and_reads_of_the_same_keys_together(self):
        stands = cells.stands_of(cells.CELLS)
        self.assertEqual([cell for stand in stands for cell in stand], cells.CELLS)
        for stand in stands:
            self.assertTrue(len(stand) == 1 or all(cell.loaded_keys == stand[0].loaded_keys > 0 for cell in stand))
        self.assertEqual(max(len(stand) for stand in stands), 4)

    def test_what_a_user_sends(self):
        by_name = {cells.name_of(cell): cell for cell in cells.CELLS}
        for name, expected in (("set.P1.c50.1K", 1040), ("mset.P1.c50", 190), ("incr.P1.c50", 20)):
            self.assertEqual(cells.user_bytes(by_name[name]), expected)

    def test_targets_of_the_table_ask_for_cells_that_are_measured(self):
        figures = set()
        for cell in cells.CELLS:
            figures.add(f"{cells.name_of(cell)} device/user")
            figures.update(f"{cells.name_of(cell)}/{peer}" for peer in cell.peers)
        for target in cells.TARGETS:
            if target.part == "throughput":
                self.assertIn(target.figure, figures)

    def test_the_order_is_another_in_each_round(self):
        orders = [parts_throughput.shuffled(list("abcd"), number) for number in range(7)]
        self.assertEqual({"".join(sorted(order)) for order in orders}, {"abcd"})
        followers = {(order[at], order[at + 1]) for order in orders for at in range(3)}
        self.assertGreater(len(followers), 8)  # of twelve; turning has four
        self.assertEqual(orders, [parts_throughput.shuffled(list("abcd"), number) for number in range(7)])


class LoaderTest(unittest.TestCase):
    def test_blocks_hold_every_key_once(self):
        blocks = list(client.sets(5, 12, 3, 4))
        self.assertEqual([count for _, count in blocks], [4, 3])
        data = b"".join(block for block, _ in blocks)
        self.assertEqual(len(data), 7 * len(b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n$3\r\nabc\r\n"))
        self.assertEqual([data.count(b"key:%012d\r\n" % n) for n in (4, 5, 11, 12)], [0, 1, 1, 0])


class ReportTest(unittest.TestCase):
    def setUp(self):
        self.results = results_of({systems.ALFHEIMDB: [200e3, 300e3, 250e3], "always": [100e3, 100e3, 100e3]})

    def test_the_table(self):
        lines = report.throughput_table(self.results)
        self.assertEqual(lines[2].split(), ["set.P32.c50.3B", "AlfheimDB", "250k", "(225k-275k)", "-", "1.25", "0.80",
                                            "1.50", "100"])
        self.assertIn("2.50 (2.25-2.75)", lines[3])
        self.assertTrue(all(len(line) <= len(lines[1]) for line in lines))

    def test_targets_are_judged_and_scale_is_said(self):
        record = {"part": "throughput", "results": self.results.to_json(), "options": {"scale": 0.5},
                  "figures": parts_throughput.figures_of(self.results)}
        text = "\n".join(report.tables(record))
        self.assertRegex(text, r"SET -P 32 -c 50 3 B, against always +met +>= 2\.00 +2\.50 \(2\.25-2\.75\)")
        self.assertNotIn("INCR", text)
        self.assertIn("--scale 0.5", text)

    def test_json_is_rounded_and_its_name_tells_no_host(self):
        self.assertEqual(report.rounded({"a": [1.2345678, 3, "x", None]}), {"a": [1.2346, 3, "x", None]})
        record = {"date": "2026-01-02", "part": "cold", "machine": {"cores": 2, "file_system": "ext4"}}
        self.assertEqual(report.file_name(record), "2026-01-02-cold-2cores-ext4.json")

    def test_only_a_whole_run_is_one_to_keep(self):
        whole = {"rounds": 7, "rounds_done": 7, "seconds": 1.5, "scale": 1, "only": [], "systems": []}
        self.assertTrue(report.is_whole({"options": whole, "machine": {"load_before": 0.5}}))
        self.assertFalse(report.is_whole({"options": whole, "machine": {"load_before": 0.51}}))
        for change in ({"rounds": 2, "rounds_done": 2}, {"rounds_done": 6}, {"seconds": 0.5}, {"scale": 0.1},
                       {"only": ["set"]}, {"systems": ["always"]}):
            self.assertFalse(report.is_whole({"options": {**whole, **change}, "machine": {"load_before": 0.0}}), change)


class ChartTest(unittest.TestCase):
    def test_bars_are_as_long_as_their_ratios(self):
        results = results_of({systems.ALFHEIMDB: [200, 200], "none": [100, 100], "always": [50, 50]})
        root = xml.etree.ElementTree.fromstring(chart.ratio_chart(results, "a < b", "c & d"))
        space = "{http://www.w3.org/2000/svg}"
        bars = [rect for rect in root.iter(f"{space}rect") if rect.find(f"{space}title") is not None]
        widths = [float(rect.get("width")) for rect in bars]
        self.assertEqual(len(widths), 2)
        self.assertAlmostEqual(widths[1] / widths[0], 2, places=1)
        words = [node.text for node in root.iter(f"{space}text")]
        for expected in ("a < b", "c & d", "SET -P 32 -c 50, 3 B", "2.00×", "4.00×"):
            self.assertIn(expected, words)

    def test_no_results_are_an_empty_chart(self):
        xml.etree.ElementTree.fromstring(chart.ratio_chart(report.Results(), "nothing", ""))


def main():
    suite = unittest.TestLoader().loadTestsFromModule(__import__(__name__))
    return 0 if unittest.TextTestRunner(verbosity=1).run(suite).wasSuccessful() else 1
