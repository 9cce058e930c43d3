"""The exercises of chapter 1: one word to pieces, two texts to one input."""

from __future__ import annotations

import random
import unicodedata

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec


def _wordpiece(
    word: str,
    vocab: set[str],
    *,
    choice: str = "longest",
    prefix: str = "later pieces",
    stuck: str = "[UNK]",
    case: str = "kept",
    start_from: str = "left",
) -> list[str] | str:
    """Greedy longest match first, right by default; each keyword makes one step wrong."""
    if case == "lowered":
        word = word.lower()
    elif case == "accents stripped":
        word = unicodedata.normalize("NFD", word).encode("ascii", "ignore").decode()
    if stuck == "one string":
        return word  # whichever: a string is all that can be told of it
    if start_from == "right":
        return _from_the_right(word, vocab)
    if choice == "any":
        return _any_cut(word, vocab) or ["[UNK]"]
    pieces: list[str] = []
    start = 0
    while start < len(word):
        ends = range(len(word), start, -1)
        if choice == "shortest":
            ends = range(start + 1, len(word) + 1)
        elif (choice == "never whole" and start == 0) or choice == "without the last letter":
            ends = range(len(word) - 1, start, -1)
        for end in ends:
            piece = word[start:end]
            marked = prefix == "all pieces" or (prefix != "never" and start > 0)
            known = f"##{piece}" if marked else piece
            if known in vocab:
                pieces.append(piece if prefix == "looked up only" else known)
                start = end
                break
        else:
            if stuck == "kept":
                return [*pieces, "[UNK]"]
            if stuck == "kept alone":
                return pieces
            if stuck == "empty":
                return []
            if stuck == "string":
                return "[UNK]"
            if stuck == "word":
                return [word]
            if stuck == "lower case":
                return ["[unk]"]
            if stuck in ("a letter", "a letter unknown"):
                if stuck == "a letter unknown":
                    pieces.append("[UNK]")
                start += 1
                continue
            return ["[UNK]"]
    return pieces


def _from_the_right(word: str, vocab: set[str]) -> list[str]:
    """Take the longest last piece first."""
    pieces: list[str] = []
    end = len(word)
    while end > 0:
        for start in range(end):
            piece = word[start:end] if start == 0 else f"##{word[start:end]}"
            if piece in vocab:
                pieces.insert(0, piece)
                end = start
                break
        else:
            return ["[UNK]"]
    return pieces


def _any_cut(word: str, vocab: set[str], start: int = 0) -> list[str] | None:
    """Go back and try a shorter piece where the longest leads nowhere."""
    if start == len(word):
        return []
    for end in range(len(word), start, -1):
        piece = word[start:end] if start == 0 else f"##{word[start:end]}"
        rest = _any_cut(word, vocab, end) if piece in vocab else None
        if rest is not None:
            return [piece, *rest]
    return None


def _wordpiece_cases(seed: int) -> list[Case]:
    rng = random.Random(seed)
    play = {"[UNK]", "play", "p", "##l", "##a", "##y", "##ing", "##i", "##n", "##g", "##s", "ing"}
    samples = [
        (1, "a word of the vocabulary", "play", play),
        (1, "two pieces", "playing", play),
        (1, "three pieces", "playings", play),
        (1, "a longer piece is taken before a shorter", "unable", {"un", "una", "##able", "##ble"}),
        (1, "longest first from the left, not from the right", "aba", {"ab", "a", "##a", "##ba"}),
        (2, "the start of a word is not a continuation", "ing", play - {"ing"}),
        (2, "a continuation is not the start of a word", "playplay", play),
        (2, "stuck after a piece", "playz", play),
        (2, "stuck in the middle", "playzing", play),
        (2, "stuck at the first letter", "xplay", play),
        (2, "greedy never goes back", "abcd", {"abc", "ab", "##cd"}),
        (2, "a word far longer than any piece", "p" + "lay" * 12, play),
        (2, "a capital letter", "Play", play),
        (2, "letters beyond ASCII", "naïveté", {"na", "##ï", "##i", "##ve", "##té", "##te"}),
    ]
    for _ in range(12):  # all words over two letters, with vocabularies drawn by chance
        letters = ["".join(rng.choices("ab", k=rng.choice((1, 1, 2, 2, 3)))) for _ in range(8)]
        vocab = {piece if rng.random() < 0.4 else f"##{piece}" for piece in letters}
        word = "".join(rng.choices("ab", k=rng.randint(2, 7)))
        samples.append((3, "a vocabulary drawn by chance", word, vocab))
    return [Case(stage, label, {"word": w, "vocab": set(v)}) for stage, label, w, v in samples]


def _pieces(failure: Failure) -> str:
    return f"You cut {failure['word']!r} into {' '.join(failure.found[0]) or 'nothing'}"


_STUCK = 'Where no piece fits, the whole word becomes `["[UNK]"]`, whatever was found before.'

WORDPIECE = Spec(
    Exercise("wordpiece", 1, "medium", 15),
    question=(
        "Cut a word into pieces of a vocabulary, a set of strings: at each place take the longest\n"
        "piece that fits. Pieces after the first are written, and looked up, with ## in front. If\n"
        'at some place no piece fits, the whole word becomes ["[UNK]"].'
    ),
    formula='"playing" -> ["play", "##ing"];  "playz" -> ["[UNK]"] if ##z is unknown',
    stub="def wordpiece(word, vocab):\n    raise NotImplementedError",
    hints=(
        "Two loops: one over where the next piece starts, one over where it ends, the longest "
        "first.",
        "Look up `word[start:end]` at the start of the word and `'##' + word[start:end]` after it.",
        "A `for … else` tells when no end fitted: the `else` part runs if there was no `break`.",
    ),
    verified=(
        "words of one piece and of many, longest match first, ## on all pieces but the first, "
        "[UNK] where nothing fits, no going back, words longer than any piece, capitals, accents "
        "and vocabularies drawn by chance; the vocabulary unchanged."
    ),
    outputs={"pieces": "pieces"},
    compute=_wordpiece,
    cases=_wordpiece_cases,
    mistakes=(
        Mistake(
            "continuation-mark-forgotten",
            {"prefix": "never"},
            "pieces after the first were looked up without `##`. Look up `'##' + word[start:end]` "
            "where start > 0.",
            _pieces,
        ),
        Mistake(
            "continuation-mark-not-returned",
            {"prefix": "looked up only"},
            "pieces after the first were looked up with `##`, but returned without. Return them as "
            "the vocabulary has them.",
            _pieces,
        ),
        Mistake(
            "continuation-mark-on-first",
            {"prefix": "all pieces"},
            "the first piece was looked up with `##` too. The start of a word has none.",
            _pieces,
        ),
        Mistake(
            "shortest-match",
            {"choice": "shortest"},
            "the shortest piece that fits was taken. Try the longest first: let the end run from "
            "`len(word)` down.",
            _pieces,
        ),
        Mistake(
            "whole-word-never-tried",
            {"choice": "never whole"},
            "the whole word was never looked up. Let the first end be `len(word)`.",
            _pieces,
        ),
        Mistake(
            "last-letter-never-reached",
            {"choice": "without the last letter"},
            "every word becomes [UNK]. Usually no piece ever reaches the last letter: let the end "
            "start at `len(word)`, since a slice's end is not part of it.",
            _pieces,
        ),
        Mistake(
            "goes-back",
            {"choice": "any"},
            "where the longest piece led nowhere, a shorter one was tried. WordPiece is greedy: it "
            f"never goes back. {_STUCK}",
            _pieces,
        ),
        Mistake(
            "matched-from-the-right",
            {"start_from": "right"},
            "the longest last piece was taken first. Start at the left.",
            _pieces,
        ),
        Mistake(
            "partial-pieces-kept",
            {"stuck": "kept"},
            f"the pieces found before getting stuck were kept in front of [UNK]. {_STUCK}",
            _pieces,
        ),
        Mistake(
            "unknown-not-marked",
            {"stuck": "kept alone"},
            f"the pieces found before getting stuck were returned, and the rest dropped. {_STUCK}",
            _pieces,
        ),
        Mistake(
            "unknown-as-nothing",
            {"stuck": "empty"},
            f"a word that can't be cut came back as an empty list. {_STUCK}",
        ),
        Mistake(
            "unknown-as-itself",
            {"stuck": "word"},
            f"a word that can't be cut came back as it was, but it is no piece. {_STUCK}",
        ),
        Mistake(
            "unknown-in-lower-case",
            {"stuck": "lower case"},
            'the unknown piece is written `[UNK]`, in capitals: `["[UNK]"]`.',
        ),
        Mistake(
            "unknown-not-in-a-list",
            {"stuck": "string"},
            'a word that can\'t be cut came back as a string. Return a list: `["[UNK]"]`.',
        ),
        Mistake(
            "letters-skipped",
            {"stuck": "a letter"},
            f"where no piece fitted, a letter was skipped and matching went on. {_STUCK}",
            _pieces,
        ),
        Mistake(
            "unknown-letter-by-letter",
            {"stuck": "a letter unknown"},
            f"where no piece fitted, one letter became [UNK] and matching went on. {_STUCK}",
            _pieces,
        ),
        Mistake(
            "string-not-list",
            {"stuck": "one string"},
            "the pieces came in one string. Return a list of strings.",
        ),
        Mistake(
            "accents-stripped",
            {"case": "accents stripped"},
            "accents were taken off first. That is the step before (and only of uncased models); "
            "here ï is a letter of its own.",
            _pieces,
        ),
        Mistake(
            "lower-cased",
            {"case": "lowered"},
            "the word was put into lower case first. That is the step before (and only of uncased "
            "models); here a capital letter is a letter of its own.",
            _pieces,
        ),
    ),
)
EXERCISES = (WORDPIECE,)
