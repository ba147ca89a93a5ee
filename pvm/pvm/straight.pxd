# C types for the compiled build of straight.py; the Python source is the same.
cimport cython

cdef long long SPARSE, WIDE

cpdef long long slot(long long index)

cpdef put(long long index, object value, list dense, dict memo)

cdef bint _are_plain(list keys) except -1

@cython.locals(
    window="const unsigned char[::1]",
    pos=Py_ssize_t, count=Py_ssize_t, op=cython.int, n=cython.longlong, end=Py_ssize_t, height=Py_ssize_t,
    low=Py_ssize_t, high=Py_ssize_t, pairs=cython.bint, marked=cython.bint,
)
cpdef tuple run(
    object data, object window, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t most, list stack, list marks, dict memo,
    Py_ssize_t longest, bint strings, Py_ssize_t absent, list dense=*
)
