# C types for the compiled build of skeleton.py; the Python source is the same.
cimport cython
from pvm.scanning cimport Text
from pvm.vectors cimport Weights

cdef bint COMPILED
cdef long OPAQUE, SWALLOWED, GLOBAL, CALL, PERSISTENT, TUPLE, FROZENSET
cdef long LIST, DICT, SET, BYTEARRAY, UNHASHABLE, EVALUATED, HOLE, MAKES
cdef Py_ssize_t WINDOW, FIRST, SLACK, LONG
cdef long long MAX_GAP, MAX_GROWTH, MOST
cdef long APPEND, BUILD, CALLED, DECIDES, EVALUATES, IMPORT, NEWOBJ, PLAIN, REDUCE, SETITEM

@cython.final
cdef class Batches:
    cdef object stretches
    cdef Py_ssize_t nested, shortest
    cdef public Py_ssize_t last
    cdef long long[::1] marks

    cdef int open(self, Py_ssize_t height, Py_ssize_t at, Py_ssize_t filled) except -1

    @cython.locals(start=Py_ssize_t)
    cdef int close(self, Py_ssize_t height, Py_ssize_t end, Py_ssize_t filled, Py_ssize_t frame_end) except -1

    cdef int mix(self, Py_ssize_t height, Py_ssize_t index) except -1

@cython.final
cdef class Items:
    cdef public long long[::1] stack

    @cython.locals(
        place=Py_ssize_t, value=cython.longlong, total=cython.longlong, kind=cython.longlong, inner=cython.longlong,
        known=cython.bint,
    )
    cdef long long as_tuple(self, Py_ssize_t low, Py_ssize_t high) except 1

    @cython.locals(place=Py_ssize_t, value=cython.longlong)
    cdef bint are_keys(self, Py_ssize_t low, Py_ssize_t high, Py_ssize_t step) except -1

@cython.locals(kind=cython.longlong, number=cython.longlong)
cdef long long _opaque(object used, long long[::1] counts, long long target) except 1

@cython.locals(place=Py_ssize_t)
cdef int _fill(long long[::1] vector, Py_ssize_t at, Py_ssize_t count) except -1

@cython.locals(
    window="const unsigned char[::1]",
    widths="const unsigned char[::1]",
    kept=Py_ssize_t,
    text=Text,
    items=Items,
    stack=cython.longlong[::1],
    memo=cython.longlong[::1],
    marks=cython.longlong[::1],
    counts=cython.longlong[::1],
    weights=Weights,
    own=cython.bint,
    flags=cython.longlong[::1],
    sp=Py_ssize_t, height=Py_ssize_t, fence=Py_ssize_t, filled=Py_ssize_t, holes=Py_ssize_t,
    persistent=Py_ssize_t, base=Py_ssize_t, safe=Py_ssize_t, reach=Py_ssize_t, frame_end=Py_ssize_t, pos=Py_ssize_t,
    stop=Py_ssize_t, edge=Py_ssize_t, end=Py_ssize_t, n=cython.longlong, value=cython.longlong,
    target=cython.longlong, kind=cython.longlong, place=Py_ssize_t, number=cython.longlong,
    growth=cython.longlong, op=cython.int, compiled=cython.bint, checked=cython.bint, deferred=cython.bint,
    goal=Py_ssize_t, look_at=Py_ssize_t, plain=cython.longlong, a_tuple=cython.longlong, empty=cython.longlong, a_list=cython.longlong,
    a_dict=cython.longlong, a_set=cython.longlong, short=Py_ssize_t, misses=cython.int, tries=cython.int,
    watched=cython.bint, batches=Batches, matters=cython.longlong[::1],
)
cpdef tuple _loop(object data, Py_ssize_t at, Py_ssize_t size, object used, bint weigh, object stretches, long long[::1] matters)
