"""The tree of the log, its proofs and its tiles, against RFC 6962 as it is written, and against published vectors."""

import hashlib
from itertools import pairwise

import pytest

from consent_engine.domain.log.merkle import (
    ENTRIES,
    WIDTH,
    Place,
    Tree,
    bundle,
    changed,
    consistency,
    grown,
    included,
    inclusion,
    leaf_hash,
    node_hash,
    nodes,
    root,
)
from tests.archive.press import consistent

DATA = [bytes.fromhex(each) for each in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
"""The trees over the first of DATA, as the tests of Certificate Transparency have them."""
INCLUSIONS = {
    (0, 1): (),
    (0, 8): ("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
             "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"),
    (5, 8): ("bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
             "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
             "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    (2, 3): ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",),
}  # fmt: skip
CONSISTENCIES = {
    (1, 1): (),
    (1, 8): ("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
             "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"),
    (6, 8): ("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
             "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
             "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
}  # fmt: skip
MOST = 40


def by_the_book(leaves):
    """RFC 6962, 2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + by_the_book(leaves[:k]) + by_the_book(leaves[k:])).digest()


def of_list(leaves):
    return lambda level, index: by_the_book(leaves[index << level : (index + 1) << level])


def leaves_of(count):
    return [leaf_hash(b"%d" % n) for n in range(count)]


def _of(kept):
    return lambda *at: kept[at]


def damaged(proof):
    """Yield proofs that differ from this one in one place."""
    yield [*proof, leaf_hash(b"more")]
    for n, each in enumerate(proof):
        yield [*proof[:n], *proof[n + 1 :]]
        yield [*proof[:n], bytes([each[0] ^ 1, *each[1:]]), *proof[n + 1 :]]


def test_roots_and_proofs_are_those_of_certificate_transparency():
    leaves = [leaf_hash(each) for each in DATA]
    node = of_list(leaves)
    assert [Tree(leaves[: n + 1]).root.hex() for n in range(8)] == list(ROOTS)
    assert [root(n + 1, node).hex() for n in range(8)] == list(ROOTS)
    assert {at: tuple(each.hex() for each in inclusion(*at, node)) for at in INCLUSIONS} == INCLUSIONS
    assert {at: tuple(each.hex() for each in consistency(*at, node)) for at in CONSISTENCIES} == CONSISTENCIES


def test_every_entry_of_every_log_is_shown_to_be_in_it_and_nothing_else_is():
    leaves, node = leaves_of(MOST), of_list(leaves_of(MOST))
    for size in range(1, MOST + 1):
        rooted = by_the_book(leaves[:size])
        assert Tree(leaves[:size]).root == root(size, node) == rooted
        for n in range(size):
            proof = inclusion(n, size, node)
            assert included(leaves[n], n, size, proof, rooted)
            assert not included(leaf_hash(b"another"), n, size, proof, rooted)
            assert [m for m in range(-1, size + 1) if included(leaves[n], m, size, proof, rooted)] == [n]
            assert not any(included(leaves[n], n, size, each, rooted) for each in damaged(proof))


def test_every_log_is_shown_to_begin_with_every_earlier_one_and_with_nothing_else():
    leaves, node = leaves_of(MOST), of_list(leaves_of(MOST))
    roots = [by_the_book(leaves[:size]) for size in range(MOST + 1)]
    for new in range(MOST + 1):
        for old in range(new + 1):
            proof = consistency(old, new, node)
            assert consistent(old, roots[old], new, roots[new], proof)
            assert not consistent(old, leaf_hash(b"fork"), new, roots[new], proof)
            assert old == new or not old or not consistent(old, roots[old], new, leaf_hash(b"fork"), proof)
            assert not any(consistent(old, roots[old], new, roots[new], each) for each in damaged(proof))
            assert [m for m in range(-1, new + 2) if consistent(m, roots[old], new, roots[new], proof)] == [old]


def test_what_is_not_there_has_no_proof():
    for ask in (lambda: inclusion(3, 3, of_list([])), lambda: inclusion(-1, 3, of_list([])),
                lambda: consistency(4, 3, of_list([]))):  # fmt: skip
        with pytest.raises(ValueError, match="a log of 3 entries"):
            ask()


def test_tiles_grown_in_any_pieces_hold_the_tree():
    size = WIDTH * WIDTH + 3 * WIDTH + 7
    leaves = leaves_of(size)
    for step in (size, 10_000, 777):
        kept = dict[tuple[int, int], bytes]()
        for first in range(0, size, step):
            changed = grown(first, leaves[first : first + step], _of(kept))
            assert all(hashes.startswith(kept.get(at, b"")) for at, hashes in changed.items()), "it only grows"
            kept |= changed
        assert {at: len(hashes) // 32 for at, hashes in kept.items() if at[0]} == {
            (1, 0): 256, (1, 1): 3, (2, 0): 1,
        }  # fmt: skip
        node = nodes(_of(kept))
        for at_size in (size, size - 1, WIDTH * WIDTH, WIDTH * WIDTH - 1, WIDTH + 1, WIDTH, 255, 1):
            assert root(at_size, node) == Tree(leaves[:at_size]).root
        for n in (0, 255, 256, 65_535, 65_536, size - 1):
            assert included(leaves[n], n, size, inclusion(n, size, node), Tree(leaves).root)


def test_a_tile_that_is_cut_in_half_makes_no_proof():
    kept = grown(0, leaves_of(300), dict[tuple[int, int], bytes]().__getitem__)
    kept[0, 0] = kept[0, 0][:4096]
    with pytest.raises(LookupError, match="shorter"):
        inclusion(3, 300, nodes(_of(kept)))


def test_paths_are_those_of_tlog_tiles():
    known = {
        "tile/0/x001/x234/067": Place(0, 1_234_067), "tile/0/273.p/112": Place(0, 273, 112),
        "tile/1/000": Place(1, 0), "tile/63/999.p/255": Place(63, 999, 255), "tile/0/x001/000": Place(0, 1000),
        "tile/entries/x001/234": Place(ENTRIES, 1234), "tile/entries/000.p/1": Place(ENTRIES, 0, 1),
    }  # fmt: skip
    assert {path: Place.decode(path) for path in known} == known
    assert [str(each) for each in known.values()] == list(known)


@pytest.mark.parametrize("path", [
    "tile/64/000", "tile/00/000", "tile/0/0", "tile/0/1000", "tile/0/000/000", "tile/0/x000/001", "tile/0/000.p/0",
    "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/-1/000", "tile/0/../000", "tile/0/００0",
    "tile/data/000", "checkpoint", "", "tile/0/000\n",
])  # fmt: skip
def test_a_path_that_no_tile_has_is_none(path):
    with pytest.raises(LookupError):
        Place.decode(path)


def test_a_log_of_70000_has_the_partial_tiles_that_the_specification_counts():
    assert [str(each) for each in changed(0, 70_000) if each.width < WIDTH] == [
        "tile/0/273.p/112", "tile/entries/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1",
    ]  # fmt: skip
    assert len(list(changed(0, 70_000))) == 2 * 274 + 2 + 1
    assert [str(each) for each in changed(255, 256)] == ["tile/0/000", "tile/entries/000", "tile/1/000.p/1"]
    assert [str(each) for each in changed(256, 257)] == ["tile/0/001.p/1", "tile/entries/001.p/1"]
    assert list(changed(70_000, 70_000)) == list(changed(0, 0)) == []


def test_whoever_follows_a_log_step_by_step_has_all_its_tiles():
    size = 3 * WIDTH + 5
    whole = {each for each in changed(0, size) if each.width == WIDTH}
    for step in (1, 100, 255, 256, 300):
        sizes = [*range(0, size, step), size]
        seen = {each for was, now in pairwise(sizes) for each in changed(was, now)}
        assert whole <= seen
        assert {each for each in changed(0, size) if each.width < WIDTH} <= seen


def test_a_bundle_gives_each_entry_its_length():
    assert bundle([b"ab", b"", b"c" * 300]) == b"\x00\x02ab\x00\x00\x01\x2c" + b"c" * 300


def test_a_node_is_one_byte_and_two_hashes():
    assert node_hash(b"l" * 32, b"r" * 32) == hashlib.sha256(b"\x01" + b"l" * 32 + b"r" * 32).digest()
