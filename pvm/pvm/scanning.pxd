# C types for the compiled build of scanning.py; the Python source is the same.
cimport cython

cdef bint COMPILED
cdef long _INT, _LONG, _FLOAT, _STRING, _UNICODE


@cython.final
cdef class Text:
    cdef const unsigned char[::1] window

    @cython.locals(bits=cython.int, place=Py_ssize_t)
    cpdef bint is_ascii(self, Py_ssize_t at, Py_ssize_t end, Py_ssize_t limit) except -1

    @cython.locals(end=Py_ssize_t)
    cpdef Py_ssize_t line_end(self, Py_ssize_t at, Py_ssize_t limit) except -2

    @cython.locals(number=Py_ssize_t, place=Py_ssize_t, end=Py_ssize_t)
    cpdef Py_ssize_t index(self, Py_ssize_t at, Py_ssize_t limit) except -2

    cdef Py_ssize_t _digits(self, Py_ssize_t at, Py_ssize_t limit)

    @cython.locals(opcode=cython.int, start=Py_ssize_t)
    cdef Py_ssize_t _plain_end(self, Py_ssize_t at, Py_ssize_t limit)
