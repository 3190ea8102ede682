"""The comparison of the books must fail when they do not agree."""

import os
import tempfile
import unittest

import books

EVENT = "ali:202611210022210000512345%010d:TRADE_SUCCESS"


class Books(unittest.TestCase):

    def compare(self, shop, provider, kills=()):
        with tempfile.TemporaryDirectory() as folder:
            one = os.path.join(folder, "shop")
            two = os.path.join(folder, "provider")
            with open(one, "w") as file:
                file.writelines(line + "\n" for line in shop)
            with open(two, "w") as file:
                file.writelines(line + "\n" for line in provider)
            counts, wrong = books.compare(books.read_shop(one),
                                          books.read_provider(two),
                                          list(kills), 2)
            return dict(counts), wrong

    @staticmethod
    def delivery(serial, number, delivery, start, end, status=200):
        lines = ["B %s %s %d 1 %f" % (serial, EVENT % number, delivery,
                                      start)]
        if end is not None:
            lines.append("E %s %d %f" % (serial, status, end))
        return lines

    @staticmethod
    def attempt(number, status, body, end):
        return ["%d %d %s %d %d" % (number, status, body, 0, end * 1e6)]

    def test_agree(self):
        counts, wrong = self.compare(self.delivery("s-1", 7, 1, 10, 11),
                                     self.attempt(7, 200, "success", 12))
        self.assertEqual(wrong, [])
        self.assertEqual(counts["taken by the shop once"], 1)

    def test_acked_but_unseen(self):
        _, wrong = self.compare([], self.attempt(7, 200, "success", 12))
        self.assertEqual(len(wrong), 1)

    def test_acked_before_taken(self):
        _, wrong = self.compare(self.delivery("s-1", 7, 1, 10, 13),
                                self.attempt(7, 200, "success", 12))
        self.assertEqual(len(wrong), 1)

    def test_acked_but_refused_by_the_shop(self):
        _, wrong = self.compare(self.delivery("s-1", 7, 1, 10, 11, 500),
                                self.attempt(7, 200, "success", 12))
        self.assertEqual(len(wrong), 1)

    def test_never_acked(self):
        _, wrong = self.compare(self.delivery("s-1", 7, 1, 10, 11),
                                self.attempt(7, 503, "fail", 12))
        self.assertEqual(len(wrong), 1)

    def test_again_after_refusal(self):
        _, wrong = self.compare(self.delivery("s-1", 7, 1, 10, 11, 500)
                                + self.delivery("s-2", 7, 2, 12, 13),
                                self.attempt(7, 200, "success", 14))
        self.assertEqual(wrong, [])

    def twice(self, kills=(), number=2, start=20):
        return self.compare(self.delivery("s-1", 7, 1, 10, 11)
                            + self.delivery("s-2", 7, number, start, 21),
                            self.attempt(7, 200, "success", 22), kills)

    def test_twice_unexplained(self):
        _, wrong = self.twice()
        self.assertEqual(len(wrong), 1)

    def test_twice_explained(self):
        counts, wrong = self.twice(
            [books.Kill("worker killed", 11.1, 11.1, 1)])
        self.assertEqual(wrong, [])
        self.assertEqual(counts["taken, then delivered again"], 1)

    def test_twice_with_a_kill_at_another_time(self):
        for when in (9.4, 11.9, 20):
            _, wrong = self.twice([books.Kill("worker killed", when, when, 1)])
            self.assertEqual(len(wrong), 1)

    def test_twice_with_a_kill_of_another_worker(self):
        _, wrong = self.twice([books.Kill("worker killed", 10, 10, 2)])
        self.assertEqual(len(wrong), 1)

    def test_twice_with_the_kill_before_the_shop_read(self):
        _, wrong = self.twice([books.Kill("worker killed", 9.9, 9.9, 1)])
        self.assertEqual(wrong, [])

    def test_twice_under_the_same_number(self):
        _, wrong = self.twice([books.Kill("worker killed", 11.1, 11.1, 1)], 1)
        self.assertEqual(len(wrong), 1)

    def test_at_the_same_time(self):
        _, wrong = self.twice([books.Kill("worker killed", 11, 11, 1)],
                              start=10.9)
        self.assertEqual(len(wrong), 1)

    def test_shop_killed_at_work(self):
        _, wrong = self.compare(self.delivery("s-1", 7, 1, 10, None)
                                + self.delivery("s-2", 7, 2, 12, 13),
                                self.attempt(7, 200, "success", 14),
                                [books.Kill("shop killed", 10.5, 11)])
        self.assertEqual(wrong, [])

    def test_another_event_id(self):
        shop = self.delivery("s-1", 7, 1, 10, 11, 500)
        shop += [line.replace("TRADE_SUCCESS", "TRADE_FINISHED")
                 for line in self.delivery("s-2", 7, 2, 12, 13)]
        _, wrong = self.compare(shop, self.attempt(7, 200, "success", 14))
        self.assertEqual(len(wrong), 1)

    def test_no_event_id(self):
        _, wrong = self.compare(["B s-1 - 1 1 10", "E s-1 200 11"], [])
        self.assertEqual(len(wrong), 1)


if __name__ == "__main__":
    unittest.main()
