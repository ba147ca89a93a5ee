# cython: language_level=3, wraparound=False, annotation_typing=False
"""The skeletal pass: which globals a pickle imports and how it uses them, at the cost of reading it.

The stack, the marks and the memo are exact, but a value is only an integer: v >= 0 is a constant whose opcode
stands at offset v; v < 0 is anything else, `-v & 15` tells what (`GLOBAL`, `CALL`, `LIST`...) and `-v >> 4` the
number of the global that it is or was made by. Nothing is decoded, and calls of one callee share a value.

The pass speaks only for programs that mean the same to all loaders and whose calls the machine would not
evaluate. It raises `NeedsMachine` at the first thing beyond that: a fault, a quirk, an opcode that honest files
hardly use. So a skeleton says neither more nor less than the machine; `tests/pvm/test_skeleton.py` compares the two.

What a callee returns whose arguments decide what happens, and what a result returns that is called, is `OPAQUE`: the
pass knows that there is a value, and follows what only moves it, calls it or gives it a state. Such a skeleton
(`Skeleton.deciding`) says nothing by itself: the machine has to come to the same end, with leaps at most
(`pvm.excerpt`). A small pickle of that kind is left to the machine at once.

The same source runs interpreted and compiled (`skeleton.pxd` gives the C types). Where an interpreter wants one
call for many items and a compiler a loop, `COMPILED` chooses.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from pvm import pages, runs, usage
from pvm.decode import Data
from pvm.errors import Reject
from pvm.hints import Any
from pvm.kinds import (
    BYTEARRAY,
    CALL,
    DICT,
    EVALUATED,
    FROZENSET,
    GLOBAL,
    HOLE,
    LIST,
    MAKES,
    OPAQUE,
    PERSISTENT,
    SET,
    SWALLOWED,
    TUPLE,
    UNHASHABLE,
)
from pvm.limits import MAX_GROWTH, MOST
from pvm.scanning import Text, check_text, text_at, unusual_text
from pvm.stretches import NESTED, Stretches
from pvm.usage import (
    APPEND,
    BUILD,
    CALLED,
    DECIDES,
    EVALUATES,
    IMPORT,
    NEWOBJ,
    PLAIN,
    REDUCE,
    SETITEM,
    NeedsMachine,
)
from pvm.vectors import Weights, longer, zeros

COMPILED: bool = not __file__.endswith(".py")

WIDTHS = bytes(
    {0x4B: 2, 0x4D: 3, 0x4A: 5, 0x47: 9, 0x4E: 1, 0x88: 1, 0x89: 1}.get(opcode, 0) for opcode in range(256)
)
"""Bytes of the instructions that push a number, a truth value or None; 0 for all others."""
WINDOW = 1 << (12 if COMPILED else 16)
"""Bytes that are looked at in one go."""
FIRST = 1 << 10
"""The first window: a file may hold hundreds of thousands of small pickles."""
SLACK = 1 << 10
"""Bytes beyond the window that its last instruction may still read."""
LONG = SLACK // 2
"""Bytes of a text that is not looked at in the window."""
MAX_GAP = 64
"""Memo indices that may be left out at once: Python 2 begins at 1."""
FIRST_LOOK = 1 << 12
"""Bytes of a pickle after which items that repeat are looked for."""
RUNS_BEGIN = b"KMJG\x8cXU"
"""First opcodes of the runs that follow a MARK..."""
TEXT_BEGINS = b"IFNLVS"
"""...and of those that protocol 0 stores one by one."""


class _MuchSharing(Exception):
    """So many containers are used again that their weights have to be known."""


class Skeleton:
    """What the pass found. It reached STOP, and every loader would, unless there are callees that decide."""

    __slots__ = (
        "deciding",
        "persistent",
        "protocol",
        "result",
        "start",
        "stop",
        "stretches",
        "usage",
        "weighed",
    )

    def __init__(
        self,
        used: usage.Usage,
        stop: int,
        result: int,
        persistent: int,
        stretches: Stretches,
        weighed: bool = False,
    ) -> None:
        self.usage = used
        self.start = used.start
        self.protocol = used.protocol
        self.stop = stop
        """Position right after the STOP."""
        self.result = result
        """The value that the load returns."""
        self.persistent = persistent
        """How often `persistent_load` is called."""
        self.deciding = used.deciding()
        """Which globals return what is called, or look at their arguments when they are called."""
        self.stretches = stretches
        """The outermost batches of items, of which the machine may need nothing."""
        self.weighed = weighed
        """So much is shared that the containers had to be weighed."""


def run(data: Data, start: int = 0, *, limit: int | None = None) -> Skeleton:
    """Follow the pickle at `start` to its STOP; raise `NeedsMachine` where that is the machine's work.

    A pickle of more than `limit` bytes is.
    """
    used = usage.Usage(data, start)
    at, protocol = start, 0
    size = len(data) if limit is None else min(len(data), start + limit)
    if start + 1 < size and data[start] == 0x80:
        protocol = used.protocol = data[start + 1]
        at = start + 2
    if protocol > 5:
        raise NeedsMachine("an unknown protocol")
    stretches, weighed = Stretches(), False
    try:
        try:
            stop, result, persistent = _loop(data, at, size, used, False, stretches, None)
        except _MuchSharing:
            used, stretches, weighed = usage.Usage(data, start), Stretches(), True
            used.protocol = protocol
            stop, result, persistent = _loop(data, at, size, used, True, stretches, None)
    except IndexError:
        raise NeedsMachine("the input ends early") from None
    except Reject as reject:
        raise NeedsMachine(reject.reason) from None
    return Skeleton(used, stop, result, persistent, stretches, weighed)


def stretches(found: Skeleton, matters: Sequence[bool]) -> Stretches:
    """All stretches of a pickle that have nothing to do with the globals that matter, by their number."""
    used = usage.Usage(found.usage.data, found.start)
    used.protocol = found.protocol
    at = found.start + 2 if used.data[found.start] == 0x80 else found.start
    thorough = Stretches(NESTED)
    _loop(used.data, at, found.stop, used, found.weighed, thorough, array("q", matters))
    return thorough


def _repeats(used: usage.Usage, at: int, weights: Weights | None) -> Any:
    """The shapes of items that repeat, once so much was followed that learning them may pay."""
    from pvm.repeats import Repeats

    return Repeats(used, at, weights)


def _fill(vector: Any, at: int, count: int) -> None:
    """Enter so many swallowed constants."""
    if COMPILED:
        for place in range(at, at + count):
            vector[place] = -SWALLOWED
    else:
        values: Any = [-SWALLOWED] * count
        vector[at : at + count] = values


def _view(data: Data, at: int, end: int) -> Any:
    """The window at a position: all of the input where indexing it costs nothing, else a copy of a part."""
    return data if COMPILED else data[at:end]


def _settle(pending: runs.Pending) -> bool:
    """Somebody asks the memo: make sure of the indices that swallowed runs have filled. None is pending then."""
    if not pending.in_order():
        raise NeedsMachine("an unusual memo")
    return False


def _made(used: usage.Usage, cls: int, base: int) -> int:
    """Number for the class in arguments of `copyreg._reconstructor`, `(cls, object, None)`; 0 if they are others."""
    if (-cls & 15) != GLOBAL or (-base & 15) != GLOBAL:
        return 0
    return used.reconstructs(-cls >> 4, -base >> 4)


def _opaque(used: usage.Usage, counts: Any, target: int) -> int:
    """Call a global that looks at its arguments, or a result: what comes back, only the machine knows."""
    kind, number = -target & 15, -target >> 4
    if target >= 0 or kind == SWALLOWED or kind > CALL or used.small:
        raise NeedsMachine("a callee of which only the machine knows what it does")
    if kind == OPAQUE:
        return target
    if kind == GLOBAL and used.flags[number] != DECIDES:
        raise NeedsMachine("unusual arguments of copyreg._reconstructor")
    counts[number * 8 + (REDUCE if kind == GLOBAL else CALLED)] += 1
    return -(number * 16 + 16 + OPAQUE)


class Batches:
    """Batches of items: of each mark that is open, where it stands, how many memo entries there were, and whether a
    value was taken from the memo since that is older and may have to do with what matters.
    """

    def __init__(self, stretches: Stretches) -> None:
        self.stretches = stretches
        self.nested = stretches.nested
        self.shortest = stretches.shortest
        self.last = -1
        """Where something mattered last."""
        self.marks = zeros(3 * self.nested)

    def open(self, height: int, at: int, filled: int) -> None:
        """A mark; there are so many below it."""
        if height < self.nested:
            self.marks[3 * height], self.marks[3 * height + 1], self.marks[3 * height + 2] = at, filled, 0

    def close(self, height: int, end: int, filled: int, frame_end: int) -> None:
        """The items have come into a container: a stretch, if nothing that matters was among them."""
        if height < self.nested and not self.marks[3 * height + 2]:
            start = self.marks[3 * height]
            if start > self.last and end - start >= self.shortest:
                self.stretches.add(start, end, self.marks[3 * height + 1], filled, frame_end)

    def mix(self, height: int, index: int) -> None:
        """A value was taken from the memo that what mattered may have changed: no mark is clean that came after it."""
        height = min(height, self.nested)
        while height > 0 and self.marks[3 * height - 2] > index:
            self.marks[3 * height - 1] = 1
            height -= 1


class Items:
    """What the loop asks about several values on the stack at once."""

    def __init__(self, stack: Any) -> None:
        self.stack = stack

    def as_tuple(self, low: int, high: int) -> int:
        """A tuple of these items, with its weight: 0 where a container in it may still grow."""
        if not COMPILED and high - low > 8 and min(self.stack[low:high]) >= -1:
            return -((high - low + 1) * 16 + TUPLE)
        total, kind, known = 1, TUPLE, True
        for place in range(low, high):
            value = self.stack[place]
            total += 1
            if value >= 0:
                continue
            inner = -value & 15
            if inner in (TUPLE, UNHASHABLE):
                total += (-value >> 4) - 1
                known = known and value <= -16
            elif inner >= FROZENSET:
                known = False
            if inner > FROZENSET:
                kind = UNHASHABLE
        return -(total * 16 + kind) if known and total < MAX_GROWTH else -kind

    def are_keys(self, low: int, high: int, step: int) -> bool:
        """Can these values be keys? In an interpreter the least of many tells at once when all are constants."""
        if not COMPILED and high - low > 8 and min(self.stack[low:high:step]) >= -1:
            return True
        place = low
        while place < high:  # no range: with a step that only the caller knows, it would yield objects
            value = self.stack[place]
            if value < 0 and (-value & 15) >= LIST:
                return False
            place += step
        return True


def _loop(
    data: Data, at: int, size: int, used: usage.Usage, weigh: bool, stretches: Stretches, matters: Any
) -> tuple[int, int, int]:
    """Follow the opcodes from `at`; end, result, and how often `persistent_load` was called.

    `growth` bounds how many values more than there are opcodes a walk visits that does not notice sharing: a tuple
    that is used again adds its weight, `-v >> 4`; anything else may be as large as everything before it. With `weigh`,
    that bound having been too weak, `-v >> 4` of a container is its number in `weights`.

    Batches of items are entered into `stretches`, those that have nothing to do with the globals that matter.

    One function and one chain of comparisons, for an opcode costs less than a call. `pos`, `stop` and `edge` count
    from the window's start, `at` and `frame_end` from the input's.
    """
    # vectors, each with the view of it that compiled code reads: one grows while there is no view
    tallies, asked = zeros(8 * usage.COLUMNS), zeros(8)
    counts: Any = tallies
    flags: Any = asked
    values, entries, fences = zeros(0), zeros(0), zeros(0)
    stack: Any = values
    memo: Any = entries
    marks: Any = fences
    weights: Any = Weights() if weigh else None
    widths: Any = WIDTHS
    window: Any = None
    text: Any = None  # of the window
    items = Items(stack)
    sp = height = fence = filled = holes = persistent = 0
    base = safe = frame_end = -1
    reach = FIRST
    pos = stop = edge = op = end = n = value = target = kind = place = number = growth = 0
    compiled = COMPILED
    plain, a_tuple, a_list, a_dict, a_set = -SWALLOWED, -TUPLE, -LIST, -DICT, -SET
    empty = a_tuple if weigh else -(16 + TUPLE)
    swallow, pending = runs.constants, runs.Pending(data)
    misses = tries = kept = 0
    checked = own = False
    short = runs.SHORT
    deferred = False
    twins: Any = None
    goal = -1
    look_at = MOST if compiled else at + FIRST_LOOK
    watched, batches = matters is not None, Batches(stretches)
    while True:
        # A frame or a window has ended
        if frame_end >= 0 and at >= frame_end:
            if at > frame_end:
                raise NeedsMachine("an argument crosses the end of its frame")
            frame_end = -1
        if at >= size:
            raise NeedsMachine("the input ends early")
        if at >= safe:
            if safe >= 0 and at - safe < SLACK:  # not where a long constant was leapt over: others may follow
                reach = min(reach * 8, WINDOW)
            if safe < 0 or not compiled:
                window = _view(data, at, min(at + reach + SLACK, size))
                text = Text(window)
                base = 0 if compiled else at
            if at - kept > pages.KEPT:
                kept = pages.forget(data, kept, at)
            safe = min(at + reach, size)
            n = min(safe + SLACK, size) - at + MAX_GAP
            if len(stack) < sp + n:
                stack = items.stack = None
                stack = items.stack = longer(values, sp + sp // 4 + n)
            if len(memo) < filled + n:
                memo = None
                memo = longer(entries, filled + filled // 4 + n)
            if weigh:
                weights.reserve(n)
            if len(marks) < height + n:
                marks = None
                marks = longer(fences, height + height // 4 + n)
        pos = at - base
        stop = safe - base
        edge = min(safe + SLACK, size) - base
        if 0 <= frame_end < safe:
            stop = frame_end - base
        if 0 <= frame_end - base < edge:
            edge = frame_end - base

        if watched and batches.last >= 0:
            goal, look_at = -1, MOST  # what twins take from the memo is not looked at one by one
        if at >= goal >= 0 or (at >= look_at and goal < 0 and pos > 0 and window[pos - 1] == 0x28):
            twins = twins or _repeats(used, at, weights)
            now = (sp, filled, growth, persistent)
            pos, now = twins.step(window, base, pos, edge, now, counts, stack, memo, deferred)
            sp, filled, growth, persistent = now
            if growth > MAX_GROWTH:
                raise _MuchSharing
            goal, look_at = twins.goal, twins.look_at
        if pos < goal - base < stop:
            stop = goal - base
        if not compiled and height and pos + short < edge and window[pos] in RUNS_BEGIN:
            end, n, value, shape = swallow(window, pos, edge)
            misses = 0 if n else misses + 1
            if n:
                _fill(stack, sp, n)
                sp += n
            if value:
                if shape.explicit:
                    pending.add(shape, base + pos, base + end, filled)
                    deferred = True
                elif holes or deferred:
                    raise NeedsMachine("an unusual memo")
                _fill(memo, filled, value)
                filled += value
            pos = end

        while pos < stop:
            op = window[pos]
            if compiled and widths[op]:  # a constant of fixed size: one way for all saves wrong guesses
                stack[sp] = plain
                sp += 1
                pos += widths[op]
                if op == 0x47:  # floats come in rows, and a width that is known need not be waited for
                    while pos < stop and window[pos] == 0x47:
                        stack[sp] = plain
                        sp += 1
                        pos += 9
                continue
            if op >= 0x80:
                if op == 0x94:  # MEMOIZE
                    if sp <= fence or holes or deferred:
                        raise NeedsMachine("an unusual memo")
                    memo[filled] = stack[sp - 1]
                    filled += 1
                    pos += 1
                elif op == 0x8C:  # SHORT_BINUNICODE
                    n = window[pos + 1]
                    end = pos + 2 + n
                    if compiled:
                        checked = text.is_text(pos + 2, end, edge)
                    else:
                        checked = window[pos + 2 : end].isascii()
                    if not checked:
                        check_text(data, base + pos + 2, n)
                    stack[sp] = base + pos
                    sp += 1
                    pos = end
                elif op == 0x85 or op == 0x86 or op == 0x87:  # TUPLE1, TUPLE2, TUPLE3
                    n = op - 0x84
                    sp -= n
                    if sp < fence:
                        raise NeedsMachine("the stack is too short")
                    value = items.as_tuple(sp, sp + n)
                    if weigh:
                        value = -(weights.new(stack, sp, sp + n) * 16 + (-value & 15))
                    stack[sp] = value
                    sp += 1
                    pos += 1
                elif op == 0x81:  # NEWOBJ
                    sp -= 1
                    if sp <= fence:
                        raise NeedsMachine("the stack is too short")
                    value, target = stack[sp], stack[sp - 1]
                    kind = -value & 15
                    number = -target >> 4
                    if value >= 0 or (kind != TUPLE and kind != UNHASHABLE and kind != MAKES):
                        raise NeedsMachine("unusual arguments")
                    if target >= 0 or (-target & 15) != GLOBAL or flags[number] > EVALUATES:
                        raise NeedsMachine("an unusual class")
                    counts[number * 8 + NEWOBJ] += 1
                    stack[sp - 1] = -(number * 16 + (EVALUATED if flags[number] else CALL))
                    pos += 1
                elif op == 0x88 or op == 0x89:  # NEWTRUE, NEWFALSE
                    stack[sp] = plain
                    sp += 1
                    pos += 1
                elif op == 0x93:  # STACK_GLOBAL
                    sp -= 1
                    if sp <= fence:
                        raise NeedsMachine("the stack is too short")
                    number = used.number(
                        "STACK_GLOBAL",
                        text_at(data, stack[sp - 1]),
                        text_at(data, stack[sp]),
                        base + pos,
                    )
                    if number * 8 >= len(counts):
                        counts = flags = None
                        counts, flags = longer(tallies, number * 16), longer(asked, number * 2)
                    flags[number] = used.flags[number]
                    if watched and matters[number]:
                        batches.last = base + pos
                    counts[number * 8 + IMPORT] += 1
                    stack[sp - 1] = -(number * 16 + GLOBAL)
                    pos += 1
                elif op == 0x8A:  # LONG1
                    stack[sp] = base + pos
                    sp += 1
                    pos += 2 + window[pos + 1]
                elif op == 0x95:  # FRAME
                    n = window[pos + 4]
                    n = n << 24 | window[pos + 3] << 16 | window[pos + 2] << 8 | window[pos + 1]
                    if window[pos + 5] | window[pos + 6] | window[pos + 7] | window[pos + 8]:
                        raise NeedsMachine("a frame of more than 4 GiB")
                    pos += 9
                    if frame_end >= 0 or base + pos + n > size:
                        raise NeedsMachine("an unusual frame")
                    frame_end = base + pos + n
                    break
                elif op == 0x8F:  # EMPTY_SET
                    stack[sp] = a_set
                    if weigh:
                        stack[sp] -= 16 * weights.new(stack, sp, sp)
                    sp += 1
                    pos += 1
                elif op == 0x90:  # ADDITEMS
                    if height == 0:
                        raise NeedsMachine("no mark")
                    height -= 1
                    place = fence
                    fence = marks[height - 1] if height else 0
                    if place <= fence or not items.are_keys(place, sp, 1):
                        raise NeedsMachine("unusual items")
                    target = stack[place - 1]
                    own = target < 0 and (-target & 15) == SET
                    if weigh and own:
                        weights.add(target, stack, place, sp)
                    elif not own:
                        if sp == place or target >= 0 or (-target & 15) != CALL:
                            raise NeedsMachine("an unusual receiver")
                        number = -target >> 4
                        counts[number * 8 + APPEND] += 1
                        if counts[number * 8 + BUILD]:
                            used.check_hooks(base + pos)
                    if own:
                        batches.close(height, base + pos + 1, filled, frame_end)
                    sp = place
                    pos += 1
                elif op == 0x91:  # FROZENSET
                    if height == 0:
                        raise NeedsMachine("no mark")
                    height -= 1
                    place = fence
                    fence = marks[height - 1] if height else 0
                    if not items.are_keys(place, sp, 1):
                        raise NeedsMachine("unusual items")
                    value = -FROZENSET
                    if weigh:
                        value -= 16 * weights.new(stack, place, sp)
                    stack[place] = value
                    sp = place + 1
                    pos += 1
                elif op == 0x8B or op == 0x8D or op == 0x8E or op == 0x96:  # counted by 4 or 8 bytes
                    n = window[pos + 4]
                    n = n << 24 | window[pos + 3] << 16 | window[pos + 2] << 8 | window[pos + 1]
                    end = pos + 5
                    if op != 0x8B:
                        if window[pos + 5] | window[pos + 6] | window[pos + 7] | window[pos + 8]:
                            raise NeedsMachine("a constant of more than 4 GiB")
                        end = pos + 9
                    if n > size or (op == 0x8B and n >= 1 << 31):
                        raise NeedsMachine("the input ends early")
                    if op == 0x8D:
                        check_text(data, base + end, n)
                    stack[sp] = -BYTEARRAY if op == 0x96 else base + pos
                    sp += 1
                    pos = end + n
                else:
                    raise NeedsMachine("an unusual opcode")
            elif op >= 0x61:
                if op == 0x68 or op == 0x6A:  # BINGET, LONG_BINGET
                    if op == 0x68:
                        n = window[pos + 1]
                        pos += 2
                    else:
                        n = window[pos + 4]
                        n = n << 24 | window[pos + 3] << 16 | window[pos + 2] << 8 | window[pos + 1]
                        pos += 5
                    if deferred:
                        deferred = _settle(pending)
                    if n >= filled:
                        raise NeedsMachine("a memo entry that was never filled")
                    value = memo[n]
                    if watched and value < plain:
                        if (-value & 15) == GLOBAL:
                            if matters[-value >> 4]:
                                batches.last = base + pos
                        elif batches.last >= 0:
                            batches.mix(height, n)
                    if value <= a_tuple:
                        kind = -value & 15
                        if kind == HOLE:
                            raise NeedsMachine("a memo entry that was never filled")
                        if kind >= TUPLE and not weigh:
                            n = -value >> 4 if kind in (TUPLE, UNHASHABLE) else 0
                            growth += n if n else growth + base + pos
                            if growth > MAX_GROWTH:
                                raise _MuchSharing
                    stack[sp] = value
                    sp += 1
                elif op == 0x71 or op == 0x72:  # BINPUT, LONG_BINPUT
                    if op == 0x71:
                        n = window[pos + 1]
                        pos += 2
                    else:
                        n = window[pos + 4]
                        n = n << 24 | window[pos + 3] << 16 | window[pos + 2] << 8 | window[pos + 1]
                        pos += 5
                    if sp <= fence:
                        raise NeedsMachine("the stack is empty")
                    if n != filled and deferred:
                        deferred = _settle(pending)
                    if n != filled:
                        stretches.rewrite(n)
                        batches.last = base + pos
                    while filled < n:
                        if n - filled > MAX_GAP:
                            raise NeedsMachine("an unusual memo")
                        memo[filled] = -HOLE
                        filled += 1
                        holes += 1
                    if n == filled:
                        filled += 1
                    elif memo[n] == -HOLE:
                        holes -= 1
                    elif twins is not None:
                        goal = twins.forget()
                    memo[n] = stack[sp - 1]
                elif op == 0x75:  # SETITEMS
                    if height == 0:
                        raise NeedsMachine("no mark")
                    height -= 1
                    place = fence
                    fence = marks[height - 1] if height else 0
                    if place <= fence or (sp - place) & 1 or not items.are_keys(place, sp, 2):
                        raise NeedsMachine("unusual items")
                    target = stack[place - 1]
                    own = target < 0 and (-target & 15) == DICT
                    if weigh and own:
                        weights.add(target, stack, place, sp)
                    elif not own:
                        if target >= 0 or (-target & 15) != CALL:
                            raise NeedsMachine("an unusual receiver")
                        number = -target >> 4
                        counts[number * 8 + SETITEM] += 1
                        if counts[number * 8 + BUILD]:
                            used.check_hooks(base + pos)
                    if own:
                        batches.close(height, base + pos + 1, filled, frame_end)
                    sp = place
                    pos += 1
                elif op == 0x62:  # BUILD
                    sp -= 1
                    if sp <= fence:
                        raise NeedsMachine("the stack is too short")
                    target = stack[sp - 1]
                    if target < 0 and (-target & 15) == CALL:
                        counts[(-target >> 4) * 8 + BUILD] += 1
                    elif target < 0 and (-target & 15) == OPAQUE:
                        batches.last = base + pos
                    else:
                        raise NeedsMachine("a state for something else than an instance")
                    pos += 1
                elif op == 0x7D:  # EMPTY_DICT
                    stack[sp] = a_dict
                    if weigh:
                        stack[sp] -= 16 * weights.new(stack, sp, sp)
                    sp += 1
                    pos += 1
                elif op == 0x73:  # SETITEM
                    sp -= 2
                    if sp <= fence:
                        raise NeedsMachine("the stack is too short")
                    value, target = stack[sp], stack[sp - 1]
                    if value < 0 and (-value & 15) >= LIST:
                        raise NeedsMachine("a key that cannot be hashed")
                    own = target < 0 and (-target & 15) == DICT
                    if weigh and own:
                        weights.add(target, stack, sp, sp + 2)
                    elif not own:
                        if target >= 0 or (-target & 15) != CALL:
                            raise NeedsMachine("an unusual receiver")
                        number = -target >> 4
                        counts[number * 8 + SETITEM] += 1
                        if counts[number * 8 + BUILD]:
                            used.check_hooks(base + pos)
                    pos += 1
                    if own and not weigh and pos + short < edge:
                        tries += 1
                        if (misses >= 8 and tries & 15) or not (compiled or window[pos] in TEXT_BEGINS):
                            continue
                        end = text.stored(pos, edge, op, filled)
                        n = text.entries
                        misses = misses + 1 if end == pos else 0
                        if n and not compiled:
                            pending.add(text.shape, base + pos, base + end, filled)
                            deferred = True
                        _fill(memo, filled, n)
                        filled += n
                        pos = end
                elif op == 0x65 or op == 0x61:  # APPENDS, APPEND
                    if op == 0x65:
                        if height == 0:
                            raise NeedsMachine("no mark")
                        height -= 1
                        place = fence
                        fence = marks[height - 1] if height else 0
                        n = sp - place
                    else:
                        place = sp - 1
                        n = 1
                    if place <= fence:
                        raise NeedsMachine("the stack is too short")
                    target = stack[place - 1]
                    own = target < 0 and (-target & 15) == LIST
                    if weigh and own:
                        weights.add(target, stack, place, sp)
                    elif not own:
                        if n == 0 or target >= 0 or (-target & 15) != CALL:
                            raise NeedsMachine("an unusual receiver")
                        number = -target >> 4
                        counts[number * 8 + APPEND] += 1
                        if counts[number * 8 + BUILD]:
                            used.check_hooks(base + pos)
                    if own and op == 0x65:
                        batches.close(height, base + pos + 1, filled, frame_end)
                    sp = place
                    pos += 1
                    if own and op == 0x61 and not weigh and pos + short < edge:
                        tries += 1
                        if (misses >= 8 and tries & 15) or not (compiled or window[pos] in TEXT_BEGINS):
                            continue
                        end = text.stored(pos, edge, op, filled)
                        n = text.entries
                        misses = misses + 1 if end == pos else 0
                        if n and not compiled:
                            pending.add(text.shape, base + pos, base + end, filled)
                            deferred = True
                        _fill(memo, filled, n)
                        filled += n
                        pos = end
                elif op == 0x70 or op == 0x67:  # PUT, GET
                    n = text.index(pos + 1, edge)
                    if n < 0:
                        raise NeedsMachine("an unusual memo index")
                    pos = text.end
                    if op == 0x67:
                        if deferred:
                            deferred = _settle(pending)
                        if n >= filled or memo[n] == -HOLE:
                            raise NeedsMachine("a memo entry that was never filled")
                        value = memo[n]
                        kind = -value & 15
                        if watched and value < plain:
                            if kind == GLOBAL:
                                if matters[-value >> 4]:
                                    batches.last = base + pos
                            elif batches.last >= 0:
                                batches.mix(height, n)
                        if value <= a_tuple and kind >= TUPLE and not weigh:
                            n = -value >> 4 if kind in (TUPLE, UNHASHABLE) else 0
                            growth += n if n else growth + base + pos
                            if growth > MAX_GROWTH:
                                raise _MuchSharing
                        stack[sp] = value
                        sp += 1
                    else:
                        if sp <= fence:
                            raise NeedsMachine("the stack is empty")
                        if n != filled and deferred:
                            deferred = _settle(pending)
                        if n != filled:
                            stretches.rewrite(n)
                            batches.last = base + pos
                        while filled < n:
                            if n - filled > MAX_GAP:
                                raise NeedsMachine("an unusual memo")
                            memo[filled] = -HOLE
                            filled += 1
                            holes += 1
                        if n == filled:
                            filled += 1
                        elif memo[n] == -HOLE:
                            holes -= 1
                        elif twins is not None:
                            goal = twins.forget()
                        memo[n] = stack[sp - 1]
                elif op == 0x74:  # TUPLE
                    if height == 0:
                        raise NeedsMachine("no mark")
                    height -= 1
                    place = fence
                    fence = marks[height - 1] if height else 0
                    value = items.as_tuple(place, sp)
                    n = 0
                    if sp - place == 3 and stack[place] < 0 and stack[place + 1] < 0:
                        n = _made(used, stack[place], stack[place + 1])
                    if n:
                        value = -(n * 16 + MAKES)
                    elif weigh:
                        value = -(weights.new(stack, place, sp) * 16 + (-value & 15))
                    stack[place] = value
                    sp = place + 1
                    pos += 1
                elif op == 0x63:  # GLOBAL
                    place = data.find(b"\n", base + pos + 1)
                    end = data.find(b"\n", place + 1)
                    if place < 0 or end < 0:
                        raise NeedsMachine("the input ends early")
                    number = used.number(
                        "GLOBAL",
                        bytes(data[base + pos + 1 : place]),
                        bytes(data[place + 1 : end]),
                        base + pos,
                    )
                    if number * 8 >= len(counts):
                        counts = flags = None
                        counts, flags = longer(tallies, number * 16), longer(asked, number * 2)
                    flags[number] = used.flags[number]
                    if watched and matters[number]:
                        batches.last = base + pos
                    counts[number * 8 + IMPORT] += 1
                    stack[sp] = -(number * 16 + GLOBAL)
                    sp += 1
                    pos = end + 1 - base
                elif op == 0x64 or op == 0x6C:  # DICT, LIST
                    if height == 0:
                        raise NeedsMachine("no mark")
                    height -= 1
                    place = fence
                    fence = marks[height - 1] if height else 0
                    if op == 0x64 and ((sp - place) & 1 or not items.are_keys(place, sp, 2)):
                        raise NeedsMachine("unusual items")
                    value = a_dict if op == 0x64 else a_list
                    if weigh:
                        value -= 16 * weights.new(stack, place, sp)
                    stack[place] = value
                    sp = place + 1
                    pos += 1
                else:
                    raise NeedsMachine("an unusual opcode")
            else:
                if op == 0x28:  # MARK
                    fence = sp
                    marks[height] = sp
                    batches.open(height, base + pos, filled)
                    height += 1
                    pos += 1
                    if not compiled and pos + short < edge:
                        if window[pos] in RUNS_BEGIN:
                            tries += 1
                            if misses < 8 or not tries & 7:
                                break
                        if goal < 0 and base + pos >= look_at:
                            break
                elif op == 0x4B:  # BININT1
                    stack[sp] = plain
                    sp += 1
                    pos += 2
                elif op == 0x47:  # BINFLOAT
                    stack[sp] = plain
                    sp += 1
                    pos += 9
                elif op == 0x4A:  # BININT
                    stack[sp] = plain
                    sp += 1
                    pos += 5
                elif op == 0x4D:  # BININT2
                    stack[sp] = plain
                    sp += 1
                    pos += 3
                elif op == 0x29:  # EMPTY_TUPLE
                    stack[sp] = empty
                    sp += 1
                    pos += 1
                elif op == 0x58 or op == 0x54 or op == 0x42:  # BINUNICODE, BINSTRING, BINBYTES
                    n = window[pos + 4]
                    n = n << 24 | window[pos + 3] << 16 | window[pos + 2] << 8 | window[pos + 1]
                    if n > size:
                        raise NeedsMachine("the input ends early")
                    end = pos + 5 + n
                    if op == 0x58:
                        if compiled:
                            checked = n <= LONG and text.is_text(pos + 5, end, edge)
                        else:
                            checked = n <= LONG and window[pos + 5 : end].isascii()
                        if not checked:
                            check_text(data, base + pos + 5, n)
                    stack[sp] = base + pos
                    sp += 1
                    pos = end
                elif op == 0x4E:  # NONE
                    stack[sp] = plain
                    sp += 1
                    pos += 1
                elif op == 0x52:  # REDUCE
                    sp -= 1
                    if sp <= fence:
                        raise NeedsMachine("the stack is too short")
                    value, target = stack[sp], stack[sp - 1]
                    kind = -value & 15
                    number = -target >> 4
                    if value >= 0 or (kind != TUPLE and kind != UNHASHABLE and kind != MAKES):
                        raise NeedsMachine("unusual arguments")
                    n = -value >> 4 if kind == MAKES else 0
                    kind = flags[number] if target < 0 and (-target & 15) == GLOBAL else DECIDES
                    if kind >= DECIDES or (kind > EVALUATES and n == 0):
                        stack[sp - 1] = _opaque(used, counts, target)
                        batches.last = base + pos
                    else:
                        counts[number * 8 + REDUCE] += 1
                        if kind > EVALUATES:
                            number = used.classes[n]
                            counts[number * 8 + NEWOBJ] += 1
                            kind = PLAIN
                        stack[sp - 1] = -(number * 16 + (EVALUATED if kind else CALL))
                    pos += 1
                elif op == 0x55 or op == 0x43:  # SHORT_BINSTRING, SHORT_BINBYTES
                    stack[sp] = base + pos
                    sp += 1
                    pos += 2 + window[pos + 1]
                elif op == 0x5D:  # EMPTY_LIST
                    stack[sp] = a_list
                    if weigh:
                        stack[sp] -= 16 * weights.new(stack, sp, sp)
                    sp += 1
                    pos += 1
                elif op == 0x49 or op == 0x4C or op == 0x46 or op == 0x53 or op == 0x56:
                    # INT, LONG, FLOAT, STRING, UNICODE
                    stack[sp] = base + pos
                    sp += 1
                    end = text.line_end(pos, edge)
                    pos = end if end >= 0 else unusual_text(data, base + pos, op) - base
                elif op == 0x51:  # BINPERSID
                    if sp <= fence:
                        raise NeedsMachine("the stack is empty")
                    stack[sp - 1] = -PERSISTENT
                    persistent += 1
                    batches.last = base + pos
                    pos += 1
                elif op == 0x2E:  # STOP
                    if sp <= fence or (frame_end >= 0 and base + pos + 1 < frame_end):
                        raise NeedsMachine("an unusual end")
                    used.counts = list(counts[: 8 * len(used.names)])
                    if stretches.found:
                        stretches.memo, stretches.filled = memo, filled
                    return base + pos + 1, stack[sp - 1], persistent
                elif op == 0x30:  # POP
                    if sp <= fence:
                        raise NeedsMachine("an unusual opcode")
                    sp -= 1
                    pos += 1
                else:
                    raise NeedsMachine("an unusual opcode")
        at = base + pos
