"""The comparison with the stream must fail when they do not agree."""

import unittest

import queue_books

EVENT = "ali:202611210022210000512345%010d:TRADE_SUCCESS"


class Books(unittest.TestCase):

    @staticmethod
    def compare(entries, acked, numbers):
        return queue_books.compare(
            [(entry, EVENT % number) for entry, number in entries],
            (acked, set(numbers)))

    def wrong(self, *args):
        counts, wrong = self.compare(*args)
        self.assertEqual(dict(counts)["wrong"], len(wrong))
        return len(wrong)

    def test_agree(self):
        counts, wrong = self.compare([("1000-0", 7), ("1000-1", 8)],
                                     {7: 1.0, 8: 2.0}, [7, 8])
        self.assertEqual(wrong, [])
        self.assertEqual(
            dict(counts)["acknowledged and in the stream once"], 2)

    def test_lost(self):
        self.assertEqual(self.wrong([("1000-0", 7)], {7: 2, 8: 2}, [7, 8]), 1)

    def test_twice(self):
        self.assertEqual(self.wrong([("1000-0", 7), ("3000-0", 7)], {7: 2},
                                    [7]), 1)

    def test_never_acknowledged(self):
        self.assertEqual(self.wrong([("1000-0", 7)], {}, [7]), 1)

    def test_acknowledged_too_early(self):
        self.assertEqual(self.wrong([("3000-0", 7)], {7: 2}, [7]), 1)

    def test_of_nobody(self):
        self.assertEqual(self.wrong([("1000-0", 7), ("1000-1", 9)], {7: 2},
                                    [7]), 1)

    def test_no_event_id(self):
        _, wrong = queue_books.compare([("1000-0", "-")], ({}, set()))
        self.assertEqual(len(wrong), 1)


if __name__ == "__main__":
    unittest.main()
