// An exception that nobody catches ends the program by abort, with the library's words.
// exit: 134
// expect-stderr: terminate called after throwing an instance of 'std::out_of_range'
// expect-stderr:   what():  too far
#include <stdexcept>

#include "check.h"

int main() { throw std::out_of_range("too far"); }
