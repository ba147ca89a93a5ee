# C types for the compiled build of scanning.py; the Python source is the same.
cimport cython

cdef bint COMPILED, LITTLE
cdef unsigned long long HIGH_BITS
cdef long _INT, _LONG, _FLOAT, _STRING, _UNICODE


@cython.final
cdef class Text:
    cdef const unsigned char[::1] window
    cdef const unsigned long long[::1] words
    cdef Py_ssize_t whole
    cdef readonly Py_ssize_t end

    @cython.locals(bits=cython.ulonglong, place=Py_ssize_t, first=Py_ssize_t, last=Py_ssize_t)
    cpdef bint is_ascii(self, Py_ssize_t at, Py_ssize_t end, Py_ssize_t limit) except -1

    @cython.locals(end=Py_ssize_t)
    cpdef Py_ssize_t line_end(self, Py_ssize_t at, Py_ssize_t limit) except -2

    cdef Py_ssize_t _matched_end(self, Py_ssize_t at, Py_ssize_t limit) except -2

    @cython.locals(number=Py_ssize_t, start=Py_ssize_t)
    cpdef Py_ssize_t index(self, Py_ssize_t at, Py_ssize_t limit) except -2

    cdef Py_ssize_t _digits(self, Py_ssize_t at, Py_ssize_t limit)

    @cython.locals(place=Py_ssize_t, digit=cython.int)
    cdef bint _is_escape(self, Py_ssize_t at, Py_ssize_t limit)

    @cython.locals(opcode=cython.int, start=Py_ssize_t)
    cdef Py_ssize_t _plain_end(self, Py_ssize_t at, Py_ssize_t limit)
