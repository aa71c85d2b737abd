"""The stores that tests are lent."""

from tests.memory import a_store, given_back


def test_stores_of_one_test_know_nothing_of_each_other():
    one, two = a_store(), a_store()
    one.set("k", "v")
    assert (one.keys(), two.keys()) == (["k"], [])


def test_a_store_that_was_given_back_is_empty_when_it_is_lent_again():
    stays = a_store()
    stays.set("k", "stays")
    for _ in range(3):
        with given_back():
            lent = a_store()
            assert lent.keys() == []
            lent.set("k", "v")
    assert stays.get("k") == "stays"
