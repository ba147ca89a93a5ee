# C types for the compiled build of scanning.py; the Python source is the same.
cimport cython

cdef bint COMPILED, LITTLE
cdef Py_ssize_t ROOM
cdef unsigned long long ONES, HIGH_BITS, ZEROS, ABOVE_NINE
cdef long _INT, _LONG, _FLOAT, _STRING, _UNICODE


cdef unsigned long long BREAKS, BACKSLASHES

cdef unsigned long long _zeros(unsigned long long word) noexcept

cdef unsigned long long _others(unsigned long long word) noexcept

cdef Py_ssize_t _first(unsigned long long bits) noexcept

@cython.final
cdef class Text:
    cdef const unsigned char[::1] window
    cdef const unsigned long long[::1] words
    cdef Py_ssize_t whole
    cdef readonly Py_ssize_t end
    cdef readonly Py_ssize_t entries
    cdef readonly object shape

    @cython.locals(bits=cython.ulonglong, place=Py_ssize_t, first=Py_ssize_t, last=Py_ssize_t)
    cpdef bint is_text(self, Py_ssize_t at, Py_ssize_t end, Py_ssize_t limit) except -1

    @cython.locals(byte=cython.int, more=cython.int, second=cython.int, place=Py_ssize_t)
    cdef bint _is_utf8(self, Py_ssize_t at, Py_ssize_t end) noexcept

    @cython.locals(end=Py_ssize_t)
    cpdef Py_ssize_t line_end(self, Py_ssize_t at, Py_ssize_t limit) except -2

    cdef Py_ssize_t _matched_end(self, Py_ssize_t at, Py_ssize_t limit) except -2

    @cython.locals(number=Py_ssize_t, start=Py_ssize_t)
    cpdef Py_ssize_t index(self, Py_ssize_t at, Py_ssize_t limit) except -2

    @cython.locals(end=Py_ssize_t, entries=Py_ssize_t, wanted=cython.int, kind=cython.int, _=cython.int)
    cpdef Py_ssize_t stored(self, Py_ssize_t at, Py_ssize_t limit, int opcode, Py_ssize_t first) except -2

    @cython.locals(
        kind=cython.int, is_float=cython.bint, end=Py_ssize_t, start=Py_ssize_t, place=Py_ssize_t, shift=cython.int,
        word=cython.ulonglong, after=cython.ulonglong, bits=cython.ulonglong,
    )
    cdef Py_ssize_t _row(self, Py_ssize_t at, Py_ssize_t limit, int opcode) noexcept

    @cython.locals(bits=cython.ulonglong)
    cdef Py_ssize_t _digits(self, Py_ssize_t at, Py_ssize_t limit) noexcept

    @cython.locals(word=cython.ulonglong, bits=cython.ulonglong)
    cdef Py_ssize_t _text(self, Py_ssize_t at, Py_ssize_t limit) noexcept

    @cython.locals(shift=cython.int)
    cdef unsigned long long _word(self, Py_ssize_t at) noexcept

    @cython.locals(place=Py_ssize_t, size=Py_ssize_t, digit=cython.int)
    cdef Py_ssize_t _escape(self, Py_ssize_t at, Py_ssize_t limit) noexcept

    @cython.locals(before=cython.int, last=cython.int)
    cdef bint _is_zero(self, Py_ssize_t start, Py_ssize_t end, int opcode) noexcept

    @cython.locals(opcode=cython.int, start=Py_ssize_t)
    cdef Py_ssize_t _plain_end(self, Py_ssize_t at, Py_ssize_t limit) noexcept
