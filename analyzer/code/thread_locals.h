// Finds the distances of thread-local variables in the code of a program (TLS models local-exec,
// and what the linker makes of the others). They lie in displacements and immediates: nothing else
// tells them from numbers.
#pragma once

#include "analyzer/code/program.h"

namespace mx::analyzer {

// Marks the instructions of `f` that hold such a distance: Ref::thread, with its field.
void find_thread_locals(const Image& image, Function& f);

}  // namespace mx::analyzer
