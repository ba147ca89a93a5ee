# C types for the compiled build of vectors.py; the Python source is the same.
cimport cython

cdef bint COMPILED
cdef long CALL, TUPLE, LIST, SET, UNHASHABLE
cdef long long MAX_GROWTH, MOST

@cython.final
cdef class Weights:
    cdef object entries
    cdef long long[::1] vector
    cdef public long long count
    cdef long long heaviest, latest
    cdef public long long oldest

    cdef int reserve(self, Py_ssize_t more) except -1

    @cython.locals(number=cython.longlong, weight=cython.longlong)
    cdef Py_ssize_t new(self, long long[::1] stack, Py_ssize_t low, Py_ssize_t high) except -1

    @cython.locals(number=cython.longlong, weight=cython.longlong)
    cdef int add(self, long long target, long long[::1] stack, Py_ssize_t low, Py_ssize_t high) except -1

    @cython.locals(place=Py_ssize_t, value=cython.longlong, late=cython.longlong)
    cdef int _add_late(self, long long number, long long[::1] stack, Py_ssize_t low, Py_ssize_t high) except -1

    @cython.locals(place=Py_ssize_t, value=cython.longlong, number=cython.longlong, total=cython.longlong)
    cdef Py_ssize_t _weight(self, long long[::1] stack, Py_ssize_t low, Py_ssize_t high) except -1

    @cython.locals(most=cython.double)
    cdef int _check(self) except -1
